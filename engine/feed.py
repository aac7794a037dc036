"""The feed of a tenant: its committed records in order, from any position on, as they come.

Whoever reads says behind which position; the feed keeps no queue for anybody. So nobody's slowness costs memory or
holds up others, and there is no joint between the past and the present at which a record could be lost or doubled: what
is not remembered any more is read from the journal. A record is told when a read that begins then sees it.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from engine.events import ItemErased
from engine.follower import Source
from engine.journal import Journal, JournalFailed
from engine.limits import Limits
from engine.records import Damage, Record, unseal

_READ_BYTES = 2_000_000
"""What is read from the journal at once."""

Wake = Callable[[], None]


class Feed:
    """Any thread may read; `tell` belongs to the committer's."""

    def __init__(self, journal: Journal, source: Source, limits: Limits) -> None:
        self._journal = journal
        self._source = source
        self._limits = limits
        self.position = journal.position
        """The last record that was told. The journal's own may be further: not yet in the columns."""
        self.closed = False
        self._erased_at = 0
        self._waiting: set[Wake] = set()
        self._lock = threading.Lock()

    def tell(self, records: Sequence[Record]) -> None:
        """These are durable, in the columns and among the source's own."""
        for record in records:
            if any(isinstance(event, ItemErased) for event in record.events):
                self._erased_at = record.position
        self.position = records[-1].position
        self._wake()

    def close(self) -> None:
        """Nobody waits any longer."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        for wake in waiting:
            wake()

    def when_told(self, position: int, wake: Wake) -> None:
        """Calls that once when there is more than the position, or the feed closes; at once where that is so."""
        with self._lock:
            if not self.closed and self.position <= position:
                self._waiting.add(wake)
                return
        wake()

    def forget(self, wake: Wake) -> None:
        with self._lock:
            self._waiting.discard(wake)

    def behind(self, position: int) -> list[Record]:
        """The next records behind a position, some at a time; none where there are none yet. The content of what was
        erased is in none of them."""
        upto = self.position
        if position >= upto:
            return []
        # Those that are remembered hold what was erased since.
        recent = self._source.recent(position) if position >= self._erased_at else []
        return [record for record in recent or self._read(position) if record.position <= upto]

    def _read(self, position: int) -> list[Record]:
        records = []
        for sealed in self._journal.read(position, self._limits.apply_records, _READ_BYTES):
            record = unseal(sealed)
            if isinstance(record, Damage):
                raise JournalFailed(f"the record at position {record.position} is damaged: {record.what}")
            records.append(record)
        return records

    async def more(self, position: int) -> bool:
        """Waits until there is more than the position; False where there never will be."""
        loop, told = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # Its loop has closed: nobody waits there.
                loop.call_soon_threadsafe(told.set)

        while self.position <= position and not self.closed:
            told.clear()
            self.when_told(position, wake)
            try:
                await told.wait()
            finally:
                self.forget(wake)
        return self.position > position
