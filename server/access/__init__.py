"""Who a request is from: keys of our own, tokens of an identity provider, and trust in who sits at this machine."""

from pathlib import Path

from engine.clock import Clock
from memql.errors import Problem, Refusal
from server.access.keystore import KeyStore, kept
from server.access.origins import misnamed
from server.access.tokens import misconfigured
from server.authentication import members
from server.identity import LOCAL, ROLES, Role
from server.listener import exposed
from server.settings import Settings

ADMIN_KEY = "admin.key"
"""The file of a data directory with the key of its administrator."""


def obstacles(settings: Settings) -> list[Problem]:
    """Why the server must not start with these settings: all that would let in who should not be."""
    auth = settings.auth
    return [*exposed(settings), *misnamed(members(auth.origins)), *misconfigured(auth.jwt)]


def keystore(settings: Settings, clock: Clock) -> KeyStore:
    return KeyStore(settings.data, clock, cached=settings.auth.cached, most=settings.auth.keys)


def admin_key(data: Path, keys: KeyStore) -> Path | Refusal:
    """The file with the administrator's key, made where there is none that is good: nobody begins with a password that
    others know. It is the same principal as whoever sits at this machine."""
    path = data / ADMIN_KEY
    if path.exists():
        good = keys.is_good(path.read_text("ascii", "replace").strip())
        if isinstance(good, Refusal):
            return good
        if good:
            return path
        path.unlink()
    made = keys.create(ADMIN_KEY, None, LOCAL.by.id, Role.ADMIN, by=LOCAL.by.id, scopes=ROLES[Role.ADMIN])
    if isinstance(made, Refusal):
        return made
    kept(path, f"{made.written}\n".encode())
    return path
