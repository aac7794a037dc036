"""What goes on in the name of credentials, and no longer than they are good: until they expire, or a key is revoked.

When they expire is known from the start. Whether a key still is one is asked every so many seconds, in one look for all
who go on, since a key may be revoked, replaced or deleted with its tenant at any time, also between being shown and
being heeded here.
"""

import asyncio
import contextvars
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from engine.clock import Clock
from memql.errors import Refusal
from server.access.keystore import KeyStore
from server.identity import Identity


@dataclass(frozen=True, slots=True)
class Ended:
    """Why they are good no more."""

    code: str
    message: str


EXPIRED = Ended("EXPIRED", "these credentials have ended")
REVOKED = Ended("REVOKED", "this key is good no more: it was revoked or replaced, or its tenant was deleted")


@dataclass(slots=True, eq=False)
class _Watched:
    identity: Identity
    ended: Callable[[Ended], None]
    told: bool = False

    def end(self, why: Ended) -> None:
        if not self.told:
            self.told = True
            self.ended(why)


class Credentials:
    """Those in whose name something goes on. `seconds` pass between two looks at the keys (None: there are none)."""

    def __init__(self, keys: KeyStore | None, clock: Clock, seconds: float) -> None:
        self._keys = keys
        self._clock = clock
        self._seconds = seconds
        self._watched: set[_Watched] = set()
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def watched(self, identity: Identity, ended: Callable[[Ended], None]) -> Iterator[None]:
        """Calls `ended`, once, when the credentials are good no more while this goes on."""
        watched = _Watched(identity, ended)
        timer = None
        if identity.expires_at is not None:
            left = max((identity.expires_at - self._clock.now()) / 1e6, 0)
            timer = asyncio.get_running_loop().call_later(left, watched.end, EXPIRED)
        if identity.key_id is not None:
            self._watched.add(watched)
            if self._keys is not None and (self._looking is None or self._looking.done()):
                # In a context of its own: it goes on when who came first has left.
                self._looking = asyncio.create_task(self._look(self._keys), context=contextvars.Context())
        try:
            yield
        finally:
            self._watched.discard(watched)
            if timer:
                timer.cancel()
            if self._looking and not self._watched:
                self._looking.cancel()
                self._looking = None

    async def _look(self, keys: KeyStore) -> None:
        """Looks again and again, until nothing goes on; on a thread of its own, since readers may take all others. A
        file of keys that can't be read ends nothing: it lets nobody in either."""
        with ThreadPoolExecutor(1, "keys") as own:
            while True:
                await asyncio.sleep(self._seconds)
                ids = frozenset(key for each in self._watched if (key := each.identity.key_id))
                good = await asyncio.get_running_loop().run_in_executor(own, keys.good, ids)
                if isinstance(good, Refusal):
                    continue
                for each in tuple(self._watched):
                    if each.identity.key_id in ids - good:
                        each.end(REVOKED)
