"""Keeps one projection right behind the journal, on a thread of its own, and rebuilds it when it must.

A projection that cannot apply a committed record stops the reads that need it, is cleared and rebuilt; nothing in the
journal is touched, and reads that need other stores go on.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile

import structlog

from engine.clock import Clock
from engine.events import ItemErased
from engine.journal import Journal, JournalFailed
from engine.limits import Limits
from engine.projection import Projection, Unapplied
from engine.records import Damage, Record, unseal

log = structlog.get_logger(__name__)

_RECENT_RECORDS = 4_096
_RECENT_EVENTS = 32_768
_READ_BYTES = 2_000_000
_READ_BATCHES = 12
"""What is read from the journal at once, and kept for who comes after: some 50 MB while stores are rebuilt."""
_WRITING_SHARE = 4
"""How many times as long as the last write took a store gathers for the next one, where nobody waits for it."""
_MOST_GATHER = 5.0
"""Seconds after which gathering ends all the same."""
_PATIENCE = 10
"""How many times `seal_records` may go unsealed while a projection catches up."""


class Source:
    """The records that the followers of one tenant apply: those committed last as they were decided, older ones from
    the journal, read once for all who are about as far."""

    def __init__(self, journal: Journal, limits: Limits) -> None:
        self._journal = journal
        self._limits = limits
        self._recent: deque[Record] = deque()
        self._events = 0
        self._read: dict[int, list[Record]] = {}
        self._lock = threading.Lock()
        self._reading = threading.Lock()

    def add(self, records: Sequence[Record]) -> None:
        """Records that have just been committed."""
        with self._lock:
            for record in records:
                self._recent.append(record)
                self._events += len(record.events)
            while len(self._recent) > _RECENT_RECORDS or self._events > _RECENT_EVENTS:
                self._events -= len(self._recent.popleft().events)

    def recent(self, position: int) -> list[Record]:
        """Records behind a position, if the first of them is still remembered. They hold what was erased since."""
        with self._lock:
            if not self._recent or self._recent[0].position > position + 1:
                return []
            # From the newest on: who asks is mostly right behind it.
            behind = list(takewhile(lambda record: record.position > position, reversed(self._recent)))
            return behind[::-1][: self._limits.apply_records]

    def journaled(self, position: int) -> list[Record]:
        """Records behind a position as the journal has them now. Who comes second waits for the first one's reading."""
        with self._reading:
            if (known := self._read.get(position)) is not None:
                return known
            records: list[Record] = []
            for sealed in self._journal.read(position, self._limits.apply_records, _READ_BYTES):
                record = unseal(sealed)
                if isinstance(record, Damage):
                    raise JournalFailed(f"the record at position {record.position} is damaged: {record.what}")
                records.append(record)
            self._read[position] = records
            while len(self._read) > _READ_BATCHES:
                del self._read[next(iter(self._read))]
            return records

    def forget(self) -> None:
        """Nobody is behind, or something was erased: nothing that was read is kept."""
        with self._reading:
            self._read.clear()


class Phase(StrEnum):
    """What a follower is doing."""

    OPENING = "opening"
    FOLLOWING = "following"
    REBUILDING = "rebuilding"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Status:
    """How far a projection is: it shows `position` of the journal's `target`."""

    name: str
    phase: Phase
    position: int
    target: int
    problem: str = ""


class Follower:
    """Applies records to one projection. `gather_ms`: how long what was applied may wait to be shown; `keeps_erased`:
    whether the store's files still hold bytes of what was erased, so that only a rebuild is rid of them."""

    def __init__(
        self, projection: Projection, journal: Journal, source: Source, clock: Clock, limits: Limits, *,
        gather_ms: int = 0, keeps_erased: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self.projection = projection
        self._journal = journal
        self._source = source
        self._clock = clock
        self._limits = limits
        self._gather = self._least_gather = gather_ms / 1000
        self._keeps_erased = keeps_erased
        self._taken = projection.position
        self._sealed = projection.position
        self._ready_at = journal.position
        self._phase = Phase.OPENING
        self._problem = ""
        self._wanted = 0
        self._rebuild = False
        self._closing = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    # Told by others

    def notify(self) -> None:
        """There are new records."""
        with self._changed:
            self._start()
            self._changed.notify_all()

    def rebuild(self) -> None:
        """Forgets the store and applies the whole journal anew, while reads that need other stores go on."""
        with self._changed:
            self._rebuild = True
            self._phase = Phase.REBUILDING
            self._start()
            self._changed.notify_all()

    def wait(self, position: int, seconds: float) -> bool:
        """Whether the projection shows that position (and, after opening or a rebuild, all that it had to catch up
        with) before the time is over. Makes it show early what it gathers."""
        deadline = self._clock.monotonic() + seconds
        with self._changed:
            if self._shows(position):
                return True
            self._wanted = max(self._wanted, position, self._ready_at)
            self._start()
            self._changed.notify_all()
            while not self._shows(position):
                left = deadline - self._clock.monotonic()
                if left <= 0 or self._phase is Phase.FAILED or self._closing:
                    return False
                self._changed.wait(left)
            return True

    def status(self) -> Status:
        return Status(
            self.projection.name, self._phase, self.projection.position, self._journal.position, self._problem
        )

    def close(self) -> None:
        """Stops after the step at hand and closes the projection, sealed where it is whole."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join()
        try:
            if self._rebuild:
                self.projection.clear()  # what it was to be rid of is not to be sealed
            self.projection.close()
        except (Unapplied, OSError) as error:
            # Nothing is lost: what is not sealed is applied again when the tenant is opened next.
            log.error("store not sealed", store=self.projection.name, problem=type(error).__name__)

    # The thread

    def _shows(self, position: int) -> bool:
        return (
            self._phase is Phase.FOLLOWING
            and not self._rebuild
            and self.projection.position >= max(position, self._ready_at)
        )

    def _start(self) -> None:
        if self._thread is None and not self._closing:
            name = f"follow-{self.projection.name}"
            self._thread = threading.Thread(target=self._follow, name=name, daemon=True)
            self._thread.start()

    def _load(self) -> None:
        try:
            self.projection.load()
        except Exception as error:
            self._recover(error)
        with self._changed:
            if self._phase is Phase.OPENING:
                self._phase = Phase.FOLLOWING
            self._changed.notify_all()

    def _follow(self) -> None:
        self._load()
        gathered_since: float | None = None
        while True:
            with self._changed:
                while not (self._closing or self._rebuild or self._behind() or self._due(gathered_since)):
                    left = None if gathered_since is None else gathered_since + self._gather - self._clock.monotonic()
                    self._changed.wait(left)
                if self._closing:
                    return
            try:
                if self._rebuild:
                    self._begin_again()
                    gathered_since = None
                elif self._behind():
                    self._step()
                    gathered_since = gathered_since or self._clock.monotonic()
                if self._due(gathered_since):
                    self._show()
                if self.projection.position >= self._taken:
                    gathered_since = None
            except JournalFailed as error:
                self._fail(str(error))
            except Exception as error:
                self._recover(error)
                gathered_since = None
            with self._changed:
                self._changed.notify_all()

    def _behind(self) -> bool:
        return self._phase is not Phase.FAILED and self._taken < self._journal.position

    def _due(self, gathered_since: float | None) -> bool:
        """What was applied is to be shown now: what somebody waits for, all of a rebuild, what has waited its time."""
        shown = self.projection.position
        if self._phase is Phase.REBUILDING:
            return not self._rebuild and not self._behind()
        if self._phase is Phase.FAILED or shown >= self._taken or gathered_since is None:
            return False
        if shown < self._wanted <= self._taken:
            return True
        return not self._behind() and self._clock.monotonic() >= gathered_since + self._gather

    def _step(self) -> None:
        # A rebuild reads the journal alone: what was erased since is still in the records as they were decided.
        recent = self._source.recent(self._taken) if self._phase is Phase.FOLLOWING else []
        records = recent or self._source.journaled(self._taken)
        self.projection.apply(records)
        self._taken = records[-1].position
        if any(isinstance(event, ItemErased) for record in records for event in record.events):
            self._be_rid_of_erased()
        # A seal ends all gathering: while there is more to apply it waits, unless a crash would cost too much.
        unsealed = self._taken - self._sealed
        if unsealed >= self._limits.seal_records * (_PATIENCE if self._behind() else 1) and not self._rebuild:
            self.projection.seal()
            self._sealed = self._taken

    def _be_rid_of_erased(self) -> None:
        """Erased means gone from the disk: a store that cannot let go of bytes is rebuilt at once, and again if it had
        read the content before it was erased."""
        self._source.forget()
        self.projection.settle()
        if self._keeps_erased():
            self.rebuild()

    def _show(self) -> None:
        began = self._clock.monotonic()
        self.projection.settle()
        # A store whose writes are dear gathers for longer, so that they take no more than a share of the time.
        took = self._clock.monotonic() - began
        self._gather = min(max(self._least_gather, took * _WRITING_SHARE), _MOST_GATHER)
        self._source.forget()
        if self._phase is Phase.REBUILDING:
            self.projection.seal()
            self._sealed = self.projection.position
            with self._changed:
                if not self._rebuild:
                    self._phase = Phase.FOLLOWING
            log.info("store rebuilt", store=self.projection.name, position=self.projection.position)

    def _begin_again(self) -> None:
        with self._changed:
            self._rebuild = False
        self.projection.clear()
        self._taken = self._sealed = 0
        self._ready_at = self._journal.position
        if not self._ready_at:
            self._phase = Phase.FOLLOWING

    def _recover(self, error: Exception) -> None:
        """Has the store rebuilt; one that cannot even be rebuilt stays closed to reads until somebody asks again."""
        ours = isinstance(error, Unapplied)
        problem = str(error) if ours else type(error).__name__
        log.error("store failed", store=self.projection.name, position=self._taken, problem=problem, exc_info=not ours)
        with self._changed:
            if self._phase is Phase.REBUILDING:
                self._fail(f"it could not be rebuilt at position {self._taken + 1:,}")
                return
            self._phase = Phase.REBUILDING
            self._rebuild = True

    def _fail(self, problem: str) -> None:
        with self._changed:
            self._phase = Phase.FAILED
            self._problem = problem
            self._changed.notify_all()
