"""Who asks: a principal, the tenant it belongs to, and what it may do there.

A value that the doors hand on. What of a tenant is seen follows from the principal, in the plan; what may be asked at
all follows from the scopes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from starlette.requests import HTTPConnection

from engine.commands import Principal
from memql.errors import Refusal


class Scope(Enum):
    """What a principal may do at all."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Identity:
    """`tenant` is the only one that it may ask (None: any). `expires_at`, in microseconds since 1970, is when it ceases
    to hold (None: never). `key` tells identities apart for what is counted of each."""

    by: Principal
    scopes: frozenset[Scope]
    tenant: str | None = None
    expires_at: int | None = None
    key: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether it has the scope; who administers may do everything."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


Identify: TypeAlias = Callable[[HTTPConnection, str | None], Awaitable[Identity | Refusal]]
"""Who a connection is from, by its headers or by credentials that came another way (`Bearer …`); or why nobody is."""

LOCAL = Identity(Principal("local", admin=True), frozenset(Scope), key="local")
"""Whoever sits at this machine, for as long as nobody else can reach the server."""


def always(identity: Identity) -> Identify:
    """Whoever asks is that one."""

    async def identify(connection: HTTPConnection, credentials: str | None) -> Identity:
        return identity

    return identify
