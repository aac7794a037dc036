"""Who asks: a principal, the tenant it belongs to, and what it may do there.

A value that the doors hand on. What of a tenant is seen follows from the principal, in the plan; what may be asked at
all follows from the scopes.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from starlette.requests import HTTPConnection

from engine.commands import Principal
from memql.errors import Problem, Reason, Refusal


class Scope(Enum):
    """What a principal may do at all."""

    READ = "read"
    WRITE = "write"
    ERASE = "erase"
    AUDIT = "audit"
    ADMIN = "admin"


class Role(Enum):
    """What somebody is to a tenant: a name for scopes that belong together."""

    READER = "reader"
    MEMBER = "member"
    CURATOR = "curator"
    ADMIN = "admin"


ROLES: Mapping[Role, frozenset[Scope]] = {
    Role.READER: frozenset({Scope.READ}),
    Role.MEMBER: frozenset({Scope.READ, Scope.WRITE}),
    Role.CURATOR: frozenset({Scope.READ, Scope.WRITE, Scope.ERASE, Scope.AUDIT}),
    Role.ADMIN: frozenset(Scope),
}
"""The scopes of each role, each role with those of the one before it."""


class Sort(Enum):
    """What a principal is."""

    USER = "user"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Identity:
    """`tenant` is the only one that it may ask (None: any). `expires_at`, in microseconds since 1970, is when it ceases
    to hold (None: never). `key` tells identities apart for what is counted of each. `role` is what they call it; what
    counts are the scopes."""

    by: Principal
    scopes: frozenset[Scope]
    tenant: str | None = None
    expires_at: int | None = None
    key: str = ""
    role: Role = Role.MEMBER
    sort: Sort = Sort.USER

    @property
    def key_id(self) -> str | None:
        """The id of the key that was shown; None: it was none."""
        kind, _, id_ = self.key.partition(":")
        return id_ if kind == "key" else None

    def may(self, scope: Scope) -> bool:
        """Whether it has the scope; who administers may do everything."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def acting(id_: str, owners: frozenset[str], scopes: frozenset[Scope]) -> Principal:
    """The principal of these scopes: what of them the engine itself decides by."""
    admin = Scope.ADMIN in scopes
    return Principal(id_, owners, admin=admin, erases=admin or Scope.ERASE in scopes)


UNAUTHENTICATED, FORBIDDEN = "UNAUTHENTICATED", "FORBIDDEN"
"""The codes of who is not known, and of who may not."""


def unknown(why: str) -> Refusal:
    """Nobody is known by that: the same code for whatever is wrong with it."""
    hint = "send the header `Authorization: Bearer mk_…`; `memql keys create` makes a key"
    return Refusal(Reason.FORBIDDEN, (Problem(UNAUTHENTICATED, why, "", hint),))


@dataclass(frozen=True, slots=True)
class TooOften(Refusal):
    """Refused for now, and for so many seconds."""

    seconds: int


Identify: TypeAlias = Callable[[HTTPConnection, str | None], Awaitable[Identity | Refusal]]
"""Who a connection is from, by its headers or by credentials that came another way (`Bearer …`); or why nobody is."""

LOCAL = Identity(Principal("local", admin=True), frozenset(Scope), key="local", role=Role.ADMIN)
"""Whoever sits at this machine, for as long as nobody else can reach the server."""


def always(identity: Identity) -> Identify:
    """Whoever asks is that one."""

    async def identify(connection: HTTPConnection, credentials: str | None) -> Identity:
        return identity

    return identify
