"""The public keys of an identity provider, from a file or an https address; read when the first token comes.

Fetched again when a token names a key that is not among them, which is how providers change keys, but no sooner than
the floor allows; and when they have been used for so long that one may have been withdrawn. Where that fails, those
that are there are used for as long again, and then no more.
"""

import asyncio
from collections.abc import Mapping
from math import inf
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import httpx
import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from engine.clock import Clock
from memql.errors import Refusal, unavailable
from server.authentication import Jwt, members
from server.listener import is_local

NONE: Mapping[str, PyJWK] = MappingProxyType({})
_STALE = 2
"""How many times as long as they are fresh keys may be used while the provider does not answer."""


def may_be_fetched(source: str) -> bool:
    """Over https, or from this machine: who can change keys on their way can make tokens."""
    address = urlsplit(source)
    return address.scheme == "https" or (address.scheme == "http" and is_local(address.hostname or ""))


class KeySet:
    """The keys by their ids. Event loop only."""

    def __init__(self, settings: Jwt, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._algorithms = frozenset(members(settings.algorithms))
        self._keys: Mapping[str, PyJWK] = NONE
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._fetching = asyncio.Lock()
        self.version = 0
        """Rises when the keys change: what was found good by the old ones is to be checked anew."""

    async def key(self, id_: str) -> PyJWK | Refusal | None:
        """The key of that id; None where the provider has none."""
        if id_ not in self._keys or not self.stands():
            async with self._fetching:
                if (id_ not in self._keys or not self.stands()) and self._may_try():
                    await self._read()
        if self._age() >= _STALE * self._settings.fresh_seconds:
            message = "the keys that tokens are checked with can't be had"
            return unavailable("KEYS_UNREACHABLE", message, "ask again in a moment; see `auth.jwt.keys`")
        return self._keys.get(id_)

    def stands(self) -> bool:
        """Whether what was found good by these keys is still good; not where it is time to fetch them again."""
        age, fresh = self._age(), self._settings.fresh_seconds
        return age < fresh or (age < _STALE * fresh and not self._may_try())

    def _age(self) -> float:
        return inf if self._read_at is None else self._clock.monotonic() - self._read_at

    def _may_try(self) -> bool:
        now = self._clock.monotonic()
        return self._tried_at is None or now - self._tried_at >= self._settings.fetch_floor_seconds

    async def _read(self) -> None:
        self._tried_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._settings.fetch_timeout_seconds):
                read = await self._content()
            keys = self._among(orjson.loads(read))
        except (OSError, ValueError, TypeError, TimeoutError, httpx.HTTPError, httpx.InvalidURL):
            return
        self._keys, self._read_at = keys, self._clock.monotonic()
        self.version += 1

    async def _content(self) -> bytes:
        source, most = self._settings.keys, self._settings.keyset_bytes
        if "://" not in source:
            return await asyncio.to_thread(_bytes_of, source, most)
        # A provider that leads elsewhere could be led: what is configured is what is asked.
        near = is_local(urlsplit(source).hostname or "")
        async with (
            httpx.AsyncClient(follow_redirects=False, trust_env=not near) as http,
            http.stream("GET", source) as response,
        ):
            response.raise_for_status()
            read = bytearray()
            async for chunk in response.aiter_bytes():
                read += chunk
                if len(read) > most:
                    raise ValueError("longer than `auth.jwt.keyset_bytes`")
            return bytes(read)

    def _among(self, given: object) -> Mapping[str, PyJWK]:
        """The keys of a set that tokens may be checked with: asymmetric, of an algorithm that is taken, for signatures,
        with an id. Others are passed over, as the standard has it."""
        keys: dict[str, PyJWK] = {}
        listed = given["keys"] if isinstance(given, dict) and isinstance(given.get("keys"), list) else None
        if listed is None:
            raise ValueError("no JWK set")
        for each in listed:
            if not isinstance(each, dict) or each.get("use", "sig") != "sig" or each.get("kty") == "oct":
                continue
            try:
                key = PyJWK(each)
            except (PyJWTError, ValueError, TypeError, KeyError):
                continue
            if key.algorithm_name in self._algorithms and isinstance(key.key_id, str):
                keys[key.key_id] = key
        return keys


def _bytes_of(path: str, most: int) -> bytes:
    with Path(path).expanduser().open("rb") as file:
        read = file.read(most + 1)
    if len(read) > most:
        raise ValueError("longer than `auth.jwt.keyset_bytes`")
    return read
