"""Who a request is from. What it shows counts, also on this machine: a key, or a token where a provider is set; without
either it is whoever sits here, as long as the server listens to nobody else and nobody is spoken for.
"""

import asyncio

from starlette.requests import HTTPConnection

from engine.clock import Clock
from memql.errors import Problem, Reason, Refusal
from server.access import form
from server.access.keystore import Key, KeyStore
from server.access.origins import is_for_others, is_foreign_page
from server.access.tally import Tally, network
from server.access.tokens import Tokens
from server.authentication import Auth
from server.identity import LOCAL, Identity, TooOften, unknown
from server.listener import answers_to, is_local


class Gate:
    """Tells identities. `here`: the server listens to nobody but this machine."""

    def __init__(self, settings: Auth, keys: KeyStore, clock: Clock, *, here: bool) -> None:
        self._keys = keys
        self._clock = clock
        self._trusting = here and settings.local
        self._tokens = Tokens(settings.jwt, clock, settings.cached)
        self._failures = Tally(settings.failed_attempts, settings.peers)
        self._requests = Tally(settings.requests_per_minute, settings.peers)
        self._folding: asyncio.Future[None] | None = None

    async def __call__(self, connection: HTTPConnection, credentials: str | None) -> Identity | Refusal:
        given = credentials if credentials is not None else connection.headers.get("authorization")
        if given is None:
            return LOCAL if self._is_here(connection) else unknown("credentials are needed here")
        scheme, _, secret = given.strip().partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret:
            return unknown("credentials are `Bearer`, a space, and a key or token")
        if identity := self._known(secret):
            return self._counted(identity)
        peer = network(connection.client.host if connection.client else "")
        if seconds := self._failures.wait(peer, self._clock.monotonic()):
            message = "too many wrong credentials came from where you are (`auth.failed_attempts`)"
            return _too_often("TOO_MANY_ATTEMPTS", message, seconds)
        found = await self._found(secret)
        if isinstance(found, str):
            self._failures.count(peer, self._clock.monotonic())
            return unknown(found)
        return self._counted(found) if isinstance(found, Identity) else found

    def _counted(self, identity: Identity) -> Identity | Refusal:
        """Who it is, unless they have asked too often: nobody's loop may take the server from the others."""
        now = self._clock.monotonic()
        if seconds := self._requests.wait(identity.key, now):
            message = "you ask more often than `auth.requests_per_minute` allows"
            return _too_often("TOO_MANY_REQUESTS", message, seconds)
        self._requests.count(identity.key, now)
        return identity

    def _known(self, secret: str) -> Identity | None:
        """Who it is, where that was found out lately: some microseconds, and no file."""
        if not form.looks_like(secret):
            return self._tokens.known(secret)
        key = self._keys.known(secret)
        return self._used(key) if key and not key.ended(self._clock.now()) else None

    async def _found(self, secret: str) -> Identity | Refusal | str:
        if not form.looks_like(secret):
            return await self._tokens.identity(secret) if self._tokens.taken else "this is no key of this server"
        key = await asyncio.to_thread(self._keys.find, secret)
        if isinstance(key, Refusal):
            return key
        if key is None:
            return "this is no key of this server" if form.id_of(secret) else "this key is not written as it was given"
        return key.ended(self._clock.now()) or self._used(key)

    def _used(self, key: Key) -> Identity:
        if self._keys.used(key) and (self._folding is None or self._folding.done()):
            self._folding = asyncio.ensure_future(asyncio.to_thread(self._keys.fold))
        return key.identity

    def _is_here(self, connection: HTTPConnection) -> bool:
        """Whether it is from who sits at this machine, and speaks for no one else."""
        headers, client = connection.headers, connection.client
        near = client is not None and is_local(client.host)
        own = answers_to(headers.get("host", ""), ()) and not is_foreign_page(headers)
        return self._trusting and near and own and not is_for_others(headers)


def _too_often(code: str, message: str, seconds: int) -> TooOften:
    return TooOften(Reason.LIMIT, (Problem(code, message, "", f"try again in {seconds} s"),), seconds)
