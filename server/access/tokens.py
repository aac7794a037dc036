"""Tokens that an identity provider signed: checked, and read as an identity.

The key says which algorithm it is for, and the allow-list which ones there are; what the token says of its algorithm
only has to agree. So neither `none` nor a public key taken for a shared secret can be.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    MissingRequiredClaimError,
    PyJWTError,
)

from engine.clock import Clock
from engine.tenants import check_name
from memql.errors import Problem, Refusal, nearest
from server.access.keysets import KeySet, may_be_fetched
from server.authentication import Jwt, members
from server.identity import ROLES, Identity, Role, Sort, acting

ASYMMETRIC = frozenset("RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA".split())
NAME_CHARACTERS, OWNERS = 200, 1_000
"""Bounds on what a token says of names: longer ones are somebody's mistake."""
LAST_SECOND = 253_402_214_400
"""The last day of the year 9999: later times have no name."""


def misconfigured(settings: Jwt) -> list[Problem]:
    """Why tokens can't be taken as it is set; nothing where none are to be."""
    if not settings.keys:
        return []
    problems = [
        Problem("SETTING_INVALID", f"tokens are taken (`auth.jwt.keys`), so `{name}` must be said", name,
                "a token that was made for something else must not be good here")
        for name, value in (("auth.jwt.issuer", settings.issuer), ("auth.jwt.audience", settings.audience))
        if not value
    ]  # fmt: skip
    for algorithm in sorted(set(members(settings.algorithms)) - ASYMMETRIC):
        hint = nearest(algorithm, ASYMMETRIC) or f"those that can be: {', '.join(sorted(ASYMMETRIC))}"
        problems.append(Problem("SETTING_INVALID", f"`{algorithm}` can't be taken", "auth.jwt.algorithms", hint))
    if "://" in settings.keys and not may_be_fetched(settings.keys):
        message = "the keys are fetched over https, or from this machine"
        problems.append(Problem("SETTING_INVALID", message, "auth.jwt.keys", "or give a file"))
    return problems


class Tokens:
    """Identities of tokens. Event loop only. What was found good is known again until it ends or the keys change."""

    def __init__(self, settings: Jwt, clock: Clock, cached: int) -> None:
        self._settings = settings
        self._clock = clock
        self._cached = cached
        self._keys = KeySet(settings, clock)
        self._known: OrderedDict[bytes, tuple[int, Identity]] = OrderedDict()

    @property
    def taken(self) -> bool:
        return bool(self._settings.keys)

    def known(self, token: str) -> Identity | None:
        """Who it is, where it was found good lately and still is."""
        version, identity = self._known.get(_digest(token), (0, None))
        if identity is None or version != self._keys.version or not self._keys.stands():
            return None
        if self._is_over(identity):
            return None
        return identity

    async def identity(self, token: str) -> Identity | Refusal | str:
        """Who it is; why nobody can tell now; or, as text, why it is not good."""
        if len(token) > self._settings.token_characters:
            return "this token is longer than `auth.jwt.token_characters` allows"
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except (PyJWTError, RecursionError):  # a header of nothing but brackets is read before it is checked
            return "this is neither a key of this server nor a token"
        if not isinstance(key_id, str):
            return "this token does not say by which key it was signed (`kid`)"
        key = await self._keys.key(key_id)
        if isinstance(key, Refusal):
            return key
        if key is None:
            return "this token was signed by a key that is not the provider's"
        settings = self._settings
        try:
            claims = jwt.decode(
                token, key, algorithms=list(members(settings.algorithms)), issuer=settings.issuer,
                audience=settings.audience, leeway=settings.leeway_seconds,
                options={"require": ["exp", "iss", "aud", settings.principal_claim]},
            )  # fmt: skip
        except PyJWTError as error:
            return _why(error)
        identity = self._identity(claims)
        if isinstance(identity, Identity):
            self._known[_digest(token)] = self._keys.version, identity
            while len(self._known) > self._cached:
                self._known.popitem(last=False)
        return identity

    def _is_over(self, identity: Identity) -> bool:
        return identity.expires_at is not None and identity.expires_at <= self._clock.now()

    def _identity(self, claims: Mapping[str, Any]) -> Identity | str:
        names = self._settings
        tenant, principal, role = (
            claims.get(name) for name in (names.tenant_claim, names.principal_claim, names.role_claim)
        )
        if not isinstance(tenant, str) or check_name(tenant):
            return f"this token names no tenant (claim `{names.tenant_claim}`)"
        if not isinstance(principal, str) or not is_name(principal):
            return f"this token names no principal (claim `{names.principal_claim}`)"
        if not isinstance(role, str) or role not in {each.value for each in Role}:
            return f"this token names no role: {', '.join(each.value for each in Role)} (claim `{names.role_claim}`)"
        owners = claims.get(names.owners_claim, [])
        if not isinstance(owners, list) or len(owners) > OWNERS or not all(map(is_name, owners)):
            return f"this token does not list owners (claim `{names.owners_claim}`)"
        sort = Sort.AGENT if claims.get(names.agent_claim) is True else Sort.USER
        if int(claims["exp"]) > LAST_SECOND:
            return "this token ends at a time that is none"
        expires = (int(claims["exp"]) + names.leeway_seconds) * 1_000_000
        scopes = ROLES[Role(role)]
        by = acting(principal, frozenset(owners), scopes)
        return Identity(by, scopes, tenant, expires, f"token:{tenant}/{principal}", Role(role), sort)


def is_name(given: object) -> bool:
    """Whether it can be the name of a principal; those of our own workers are theirs."""
    return (
        isinstance(given, str) and 0 < len(given) <= NAME_CHARACTERS
        and given.isprintable() and not given.isspace() and not given.startswith("memql:")
    )  # fmt: skip


def _why(error: PyJWTError) -> str:
    match error:
        case ExpiredSignatureError():
            return "this token has expired"
        case ImmatureSignatureError():
            return "this token is not good yet"
        case InvalidAudienceError():
            return "this token was made for another audience"
        case InvalidIssuerError():
            return "this token is another issuer's"
        case MissingRequiredClaimError():
            return f"this token lacks the claim `{error.claim}`"
    return "this token is not signed as it must be"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
