"""Makes memories of events, right behind the writers, on a thread of its own.

Takes the next events, embeds them, plans, and asks by the same commands as anyone. What was asked is durable before it
is noted how far that was; what a crash makes it ask again is known by its keys. So nothing is lost and nothing is done
twice, whenever the process ends.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from engine.clock import Clock
from engine.commands import Command, Embedding, FoldState, Principal, RecordEvents, StateInput
from engine.decide.view import ItemState
from engine.embed import Embedder
from engine.follower import Phase, Status
from engine.lifecycle.knowledge import Knowledge, neighbours
from engine.lifecycle.noise import Noise, noise
from engine.lifecycle.plan import Alike, Step, Turn, plan, text_of
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt, Record
from engine.vectors.nearest import Rows, unit
from memql.errors import Reason, Refusal

T = TypeVar("T")

log = structlog.get_logger(__name__)

WORKER = Principal("memql:consolidation", admin=True)
"""Who asks for what consolidation does."""

_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
"""Seconds until what was unavailable is asked for again: twice as many each time."""
_WAIT_MS = 500
"""Longest that one read waits for the store of vectors, so that closing need not wait for longer."""
_TOGETHER = 32
"""Memories that are committed together, which takes some 15 ms."""
_TRIES = 3
"""How often an event is planned: with what is known, with what is known then, and without links."""
_THERE = frozenset({"EXTERNAL_KEY_TAKEN", "KEY_REUSED"})
"""Refusals that say that the memory is there already."""


class Door(Protocol):
    """What consolidation uses of its tenant: what anyone may."""

    @property
    def position(self) -> int: ...

    def read_now(
        self, ask: Callable[[Reader], T], by: Principal, *,
        needs: Iterable[Literal["graph", "vectors", "texts"]] = (), at_least: int = 0,
        valid_at: int | Literal["now"] | None = "now", wait_ms: int | None = None,
    ) -> T | Refusal: ...  # fmt: skip

    def write_all(self, commands: Sequence[tuple[Command, str | None]], by: Principal) -> list[Receipt | Refusal]: ...


class _Stopped(Exception):
    """The batch cannot go on now, for the reason given; what was written of it will be found."""


class Consolidation:
    """The worker of one tenant. It sleeps unless there are events whose turn has not come."""

    name = "consolidation"

    def __init__(self, door: Door, clock: Clock, limits: Limits, embedder: Embedder | None) -> None:
        self._door = door
        self._clock = clock
        self._limits = limits
        self._embedder = embedder
        self._knowledge = Knowledge()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._told = self._latest = door.position
        """The last position that it was told of, and the last one with events."""
        self._position = 0
        """Every event up to this position has had its turn."""
        self._written = 0
        """Where the last memory was recorded."""
        self._wanted = 0
        """The furthest position that somebody waits for."""
        self._since: float | None = None
        """When the first event came that was not looked for yet."""
        self._at_it = False
        """Whether there was something to do the last time, so that there may be more."""
        self._pause, self._resume = 0.0, 0.0
        self._problem = ""
        self._most = limits.consolidation_events
        self._at_hand: Sequence[ItemState] = ()
        self._tries: Counter[str] = Counter()

    # Told by others

    def begin(self) -> None:
        """Looks for what was left when the tenant was last open."""
        with self._changed:
            self._wake()

    def notify(self, records: Sequence[Record]) -> None:
        """These records are durable."""
        with self._changed:
            self._told = records[-1].position
            if with_events := [record.position for record in records if record.command == RecordEvents.__name__]:
                self._latest = with_events[-1]
                self._wake()

    def _wake(self) -> None:
        if self._since is None:
            self._since = self._clock.monotonic()
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def wait(self, position: int, seconds: float) -> int | None:
        """Where the memories of every event up to that position are recorded; None if it takes longer."""
        deadline = self._clock.monotonic() + seconds
        with self._changed:
            self._wanted = max(self._wanted, position)
            self._changed.notify_all()
            while self._reached() < position:
                left = deadline - self._clock.monotonic()
                if left <= 0 or self._closing:
                    return None
                self._changed.wait(left)
            return self._written

    def status(self) -> Status:
        """`position`: every event up to there has had its turn. With a problem, it is tried again after a pause."""
        with self._changed:
            return Status(self.name, Phase.FOLLOWING, self._reached(), self._told, self._problem)

    def _reached(self) -> int:
        return self._told if self._position >= self._latest else self._position

    def close(self) -> None:
        """Stops after the step at hand."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join()

    # The thread

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closing and (left := self._to_wait()) != 0:
                    self._changed.wait(left)
                if self._closing:
                    return
                self._since = None
            try:
                self._at_hand, self._at_it = (), True
                self._at_it = self._batch()
                self._go_on("")
            except _Stopped as stopped:
                self._go_on(str(stopped))
            except Exception as error:
                log.error("consolidation failed", problem=type(error).__name__, exc_info=error)
                self._go_on(self._isolated(error))

    def _to_wait(self) -> float | None:
        """Seconds until there is something to do; None: until somebody wakes it."""
        now = self._clock.monotonic()
        if self._resume > now:
            return self._resume - now
        if self._at_it or self._problem:
            return 0
        if self._since is None:
            return None
        gathered = self._since + self._limits.consolidation_gather_ms / 1000 - now
        return 0 if self._wanted > self._position else max(gathered, 0)

    def _go_on(self, problem: str) -> None:
        """After a batch: at once, or, where something is the matter, after a pause."""
        with self._changed:
            if problem:
                self._pause = min(max(self._pause * 2, _PAUSE), _LONGEST_PAUSE)
                self._resume = self._clock.monotonic() + self._pause
                log.warning("consolidation waits", problem=problem, seconds=self._pause)
            else:
                self._pause = self._resume = 0.0
            self._problem = problem
            self._changed.notify_all()

    def _isolated(self, error: Exception) -> str:
        """One of our own mistakes: only the event that meets it is left out, and it is flagged."""
        if len(self._at_hand) > 1:
            self._most = 1
            return ""
        for event in self._at_hand:
            self._tries[event.id] += 1
            if self._tries[event.id] >= _TRIES:
                try:
                    self._note(self._at_hand, {event.id: Noise.REFUSED})
                    return ""
                except Exception as again:
                    log.error("consolidation failed", problem=type(again).__name__, exc_info=again)
        return f"it failed ({type(error).__name__})"

    # One batch

    def _batch(self) -> bool:
        """Gives the next events their turn. Returns whether there were any."""
        looked = self._read(self._look)
        with self._changed:
            self._position = looked.position
            self._changed.notify_all()
        self._at_hand = events = looked.events
        if not events:
            self._most = self._limits.consolidation_events
            return False
        for event in events:
            if event.id in looked.remembered:
                self._knowledge.follows(event)
        news = [event for event in events if event.id not in looked.remembered]
        flags = {event.id: flag for event in news if (flag := noise(text_of(event))) is not None}
        news = [event for event in news if event.id not in flags]
        embeddings = self._embedded(news)
        turns = [
            Turn(event, embedding, alike, bare=self._tries[event.id] >= _TRIES - 1)
            for event, embedding, alike in zip(news, embeddings, self._alike(news, embeddings), strict=True)
        ]
        steps = plan(turns, self._knowledge.gazetteer, self._knowledge.last, self._limits)
        again = self._ask(steps, flags)
        # What was refused is planned anew, and what comes after it with it.
        self._note(events if again is None else events[: events.index(again)], flags)
        return True

    def _look(self, reader: Reader) -> "_Looked":
        self._knowledge.learn_names(reader)
        events, position = self._knowledge.take_turns(reader, self._most)
        self._knowledge.learn_streams(reader, events)
        return _Looked(events, position, self._knowledge.remembered(reader, events))

    def _embedded(self, events: Sequence[ItemState]) -> list[Embedding | None]:
        """The vector of each text; None where there is no embedder, or it does not take that text."""
        if self._embedder is None or not events:
            return [None] * len(events)
        texts = [text_of(event) for event in events]
        vectors = self._embedder.embed(texts)
        if not isinstance(vectors, Refusal):
            return [Embedding(model=self._embedder.model, vector=row.astype("<f4").tobytes()) for row in vectors]
        if _passes(vectors) or len(events) == 1:
            if _passes(vectors):
                raise _Stopped(vectors.problems[0].message)
            log.warning("event not embedded", id=events[0].id, problem=str(vectors))
            return [None]
        return [embedding for event in events for embedding in self._embedded([event])]

    def _alike(self, events: Sequence[ItemState], embeddings: Sequence[Embedding | None]) -> list[list[Alike]]:
        """What is near in meaning to each, of all that was there before it."""
        if self._embedder is None or not any(embeddings):
            return [[] for _ in events]
        model, width = self._embedder.model, self._embedder.width
        given = [np.frombuffer(one.vector, "<f4") if one else np.zeros(width, "<f4") for one in embeddings]  # type: ignore[arg-type]
        rows = _directions(np.array(given))
        has = [bool(row.any()) for row in rows]
        ask = partial(neighbours, model=model, events=events, rows=rows, has=has)
        return self._read(ask, needs=("vectors",), at_least=self._written)

    def _ask(self, steps: Sequence[Step], flags: dict[str, Noise]) -> ItemState | None:
        """Asks for all steps. Returns the first event whose memory is to be planned anew, if there is one."""
        for step, answer in self._answers(steps):
            event = step.event
            if isinstance(answer, Receipt):
                self._written = max(self._written, answer.position)
                self._knowledge.follows(event)
                continue
            code = answer.problems[0].code
            if code in _THERE:
                self._knowledge.follows(event)
            elif _passes(answer):
                raise _Stopped(answer.problems[0].message)
            elif code != "ERASED":  # the event itself, while this was planned: then there is nothing to remember
                self._tries[event.id] += 1
                if self._tries[event.id] < _TRIES:
                    self._knowledge.forget_last([step.event for step in steps])
                    return event
                log.error("event not remembered", id=event.id, problem=str(answer))
                flags[event.id] = Noise.REFUSED
        return None

    def _answers(self, steps: Sequence[Step]) -> Iterator[tuple[Step, Receipt | Refusal]]:
        """What is answered to each step's memory. Some steps at a time: no other writer waits for more than those."""
        for at in range(0, len(steps), _TOGETHER):
            some = steps[at : at + _TOGETHER]
            answers = iter(self._door.write_all([each for step in some for each in step.asked], WORKER))
            for step in some:
                *_, answer = [next(answers) for _ in step.asked]
                yield step, answer

    def _note(self, events: Sequence[ItemState], flags: Mapping[str, Noise]) -> None:
        """Records how far each stream is, and which of these events make no memory."""
        last = {event.stream: event.dense for event in events}
        noted = [StateInput(id=event.id, set={"noise": int(flags[event.id])}) for event in events if event.id in flags]
        noted += [
            StateInput(id=self._knowledge.streams[stream], set={"consolidated": dense})
            for stream, dense in last.items()
        ]
        for at in range(0, len(noted), self._limits.state_per_command):
            some = tuple(noted[at : at + self._limits.state_per_command])
            (answer,) = self._door.write_all([(FoldState(items=some), None)], WORKER)
            if isinstance(answer, Refusal):
                raise _Stopped(answer.problems[0].message)
        self._knowledge.done(events)
        for event in events:
            self._tries.pop(event.id, None)

    def _read(self, ask: Callable[[Reader], T], needs: Sequence[Literal["vectors"]] = (), at_least: int = 0) -> T:
        found = self._door.read_now(
            ask, WORKER, needs=needs, at_least=at_least, valid_at=None, wait_ms=_WAIT_MS
        )  # fmt: skip
        if isinstance(found, Refusal):
            raise _Stopped(found.problems[0].message)
        return found


@dataclass(frozen=True, slots=True)
class _Looked:
    """Events whose turn it is; up to `position` there are none before them. Those `remembered` have their memory."""

    events: list[ItemState]
    position: int
    remembered: set[str]


def _passes(refusal: Refusal) -> bool:
    """Whether the same may be possible later: what is not there now, and bounds of what is spent or waits."""
    waits = any("waiting_commands" in problem.message for problem in refusal.problems)
    spent = refusal.problems[0].code.startswith("EMBEDDER_")
    return refusal.reason is Reason.UNAVAILABLE or waits or spent


def _directions(rows: NDArray[np.float32]) -> Rows:
    """Unit vectors as the store of vectors will hold them; zeros for what has no direction."""
    directions = np.zeros(rows.shape, np.float32)
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    has = (lengths > 0) & np.isfinite(lengths)
    if has.any():
        made = unit(rows[has].astype(np.float64))
        assert made is not None
        directions[has] = made
    return directions
