"""Live queries of one tenant: asked again when something changes that they read, and told as what is different.

One thread a tenant, there while somebody subscribes. It reads the feed, compares each record with the footprints, and
asks the queries that were touched: once for all who subscribe to the same, and no more often than `live_gather_ms` and
their own cost allow. What a query could read and begins or ceases to be true wakes it too, without any commit.

Snapshot plus deltas are the query at its cursor, always. A subscriber never waits for another.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from engine.changed import change_of
from engine.clock import Clock
from engine.commands import Principal
from engine.execute import Rows, compiled_for, run_for
from engine.execute.parameters import given
from engine.feed import Feed
from engine.index import Index
from engine.journal import UNREADABLE, Journal
from engine.keyed import Keyed, difference, keyed
from engine.limits import Limits
from engine.reader import Reader
from engine.subscription import Cursor, Delta, Snapshot, Subscriber, Told
from engine.turns import next_turn
from memql.changes import Footprint, placed, touches
from memql.compiled import Compiled
from memql.errors import Problem, Reason, Refusal, unavailable
from memql.evaluate import Evaluator
from memql.footprint import footprint
from memql.rowkeys import is_ordered, key_columns
from memql.values import FOREVER, instant
from memql.world import Nothing

if TYPE_CHECKING:
    from engine.tenant import Tenant

log = structlog.get_logger(__name__)

_SHARE = 4
"""How many times as long as it took a query rests before it is asked again: it takes a fifth of a processor at most."""
_LONGEST_REST = 10.0
_LOOK = 1.0
"""Longest between two looks at the clock, in seconds: clocks of the wall are set, and machines sleep."""
_GATHER = 0.005
"""Seconds in which records come together: to wake for one costs more than to compare it with a hundred queries."""
_WAIT_MS = 500
"""Longest that a query waits for a store that is behind, where nobody waits for its first rows: others are next."""
_PAUSE = 1.0
"""Seconds until what was unavailable is asked again."""

Key: TypeAlias = tuple[str, str, frozenset[str] | None]


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a query answered at a cursor, and what may change it: only what concerns one of the `kinds` (None: what
    concerns anything). `turns`: when it may be another without a commit."""

    cursor: Cursor
    rows: Rows
    keyed: Keyed
    ordered: bool
    footprint: Footprint
    kinds: frozenset[str] | None
    turns: int


@dataclass(slots=True, eq=False)
class _Live:
    """A query that somebody subscribes to. `joining` wait for their first rows."""

    text: str
    params: Mapping[str, Any]
    by: Principal
    told: list[Subscriber] = field(default_factory=list)
    joining: list[Subscriber] = field(default_factory=list)
    answer: _Answer | None = None
    reads: tuple[Compiled, Footprint] | None = None
    """What it was compiled to last, and the footprint of that."""
    touched: bool = True
    rests_until: float = 0.0
    turn: int = 0
    """How many answers were different from the one before."""


class LiveQueries:
    """`tenant` is only read from, by the ways that anyone reads."""

    def __init__(self, tenant: "Tenant", journal: Journal, feed: Feed, clock: Clock, limits: Limits) -> None:
        self._tenant = tenant
        self._journal = journal
        self._feed = feed
        self._clock = clock
        self._limits = limits
        self._queries: dict[Key, _Live] = {}
        self._names: dict[int, str] = {}
        self._seen = 0
        self._woken = False
        self._closing = False
        self._ending = threading.Event()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    # Asked by others

    async def listen(
        self, text: str, params: Mapping[str, Any], by: Principal, after: Cursor | None
    ) -> AsyncGenerator[Told, None]:
        """What a subscriber is told, until it leaves or there is nothing more to tell."""
        await asyncio.to_thread(compiled_for, text, self._tenant.catalog)
        subscriber = self.subscribe(text, params, by, after)
        if isinstance(subscriber, Refusal):
            yield subscriber
            return
        try:
            while (told := await subscriber.next()) is not None:
                yield told
        finally:
            self.leave(subscriber)

    def subscribe(
        self, text: str, params: Mapping[str, Any], by: Principal, after: Cursor | None
    ) -> Subscriber | Refusal:
        """One who is told the rows from now on, or since the cursor; to be called in the loop that will wait for
        them. Whoever subscribes also leaves."""
        compiled = compiled_for(text, self._tenant.catalog)
        if isinstance(compiled, Refusal):
            return compiled
        if compiled.statement.prefix != "live":
            problem = Problem("Q523", "this is no LIVE query", "line 1, column 1", "write LIVE before it")
            return Refusal(Reason.INVALID, (problem,))
        if isinstance(parameters := given(compiled.parameters, params), Refusal):
            return parameters
        key = (text, _written(params), _sight(by))
        subscriber = Subscriber(after, self._limits.live_deltas)
        with self._changed:
            if self._closing:
                subscriber.close()
                return subscriber
            if self.count >= self._limits.live_queries:
                return _too_many("live_queries", self._limits.live_queries, "subscriptions of one tenant")
            self._queries.setdefault(key, _Live(text, dict(params), by)).joining.append(subscriber)
            self._start()
        self.look()
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """It is told nothing more; a query without subscribers is asked no more."""
        with self._changed:
            subscriber.ended = True
            self._drop_ended()
        self.look()

    @property
    def count(self) -> int:
        """How many subscribe."""
        return sum(len(query.told) + len(query.joining) for query in self._queries.values())

    @property
    def idle(self) -> bool:
        """Whether everyone has been told what there is."""
        with self._changed:
            queries = list(self._queries.values())
        return self._seen >= self._feed.position and not any(each.touched or each.joining for each in queries)

    def look(self) -> None:
        """There may be something to do: a record, a subscriber, another time."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Tells everyone where to resume, when the step at hand is done."""
        with self._changed:
            self._closing = True
            self._ending.set()
            thread = self._thread
        self.look()
        if thread:
            thread.join()
        with self._changed:
            for query in self._queries.values():
                for subscriber in (*query.told, *query.joining):
                    subscriber.close()
            self._queries.clear()

    # The thread

    def _start(self) -> None:
        if self._thread is None:
            self._seen = self._feed.position
            self._thread = threading.Thread(target=self._go, name=f"live-{self._tenant.name}", daemon=True)
            self._thread.start()

    def _drop_ended(self) -> None:
        for key, query in list(self._queries.items()):
            query.told = [each for each in query.told if not each.ended]
            query.joining = [each for each in query.joining if not each.ended]
            if not query.told and not query.joining:
                del self._queries[key]

    def _go(self) -> None:
        while True:
            with self._changed:
                self._drop_ended()
                if self._closing or not self._queries:
                    self._thread = None
                    self._feed.forget(self.look)
                    return
                queries = list(self._queries.values())
                self._woken = False
            if self._seen < self._feed.position:
                self._ending.wait(_GATHER)
            self._read_feed(queries)
            now, ticks = self._clock.now(), self._clock.monotonic()
            for query in queries:
                if query.answer is not None and query.answer.turns <= now:
                    query.touched = True
                if query.joining or (query.touched and query.rests_until <= ticks):
                    self._serve_or_end(query)
            self._wait(queries)

    def _wait(self, queries: Iterable[_Live]) -> None:
        self._feed.when_told(self._seen, self.look)
        ticks = self._clock.monotonic()
        rests = [query.rests_until - ticks for query in queries if query.touched]
        turns = [query.answer.turns for query in queries if query.answer is not None]
        until = [*rests, (min(turns) - self._clock.now()) / 1e6] if turns else rests
        left = min(until, default=FOREVER)
        with self._changed:
            if not self._woken:
                self._changed.wait(max(left, 0.001) if left < _LOOK else None if left > 1e9 else _LOOK)

    # What wakes

    def _read_feed(self, queries: Iterable[_Live]) -> None:
        """Compares all records that there are with the footprints of those that are not awake yet."""
        try:
            while self._seen < self._feed.position:
                asleep = [query for query in queries if not query.touched and query.answer is not None]
                if not asleep:
                    self._seen = self._feed.position
                    return
                self._compare(asleep)
        except UNREADABLE as error:
            # Whoever asks now is told by the one door that tells of damage.
            log.error("feed cannot be read", tenant=self._tenant.name, problem=str(error))
            self._seen = self._feed.position
            for query in queries:
                query.touched = True

    def _compare(self, queries: Iterable[_Live]) -> None:
        records = self._feed.behind(self._seen)
        tenant = self._tenant
        with self._journal.reading() as db:
            index = Index(db, self._names)
            for record in records:
                change = change_of(record, tenant.columns, tenant.adjacency, index)
                kinds, everyone = change.kinds, change.names or change.anything
                for query in queries:
                    answer = query.answer
                    if query.touched or answer is None or record.position <= answer.cursor.position:
                        continue
                    if everyone or answer.kinds is None or not answer.kinds.isdisjoint(kinds):
                        query.touched = touches(answer.footprint, change)
        self._seen = records[-1].position

    def _now_at(self, query: _Live) -> _Answer:
        """Its answer, which is also that of every position that was compared since and did not touch it."""
        answer = query.answer
        assert answer is not None
        if not query.touched and answer.cursor.position < self._seen:
            answer = query.answer = replace(answer, cursor=Cursor(self._seen, answer.cursor.at))
        return answer

    # What is asked, and told

    def _serve_or_end(self, query: _Live) -> None:
        """One of our own mistakes ends the query that meets it, and no other."""
        try:
            self._serve(query)
        except Exception as error:
            log.error("live query failed", tenant=self._tenant.name, exc_info=error)
            failed = unavailable("LIVE_FAILED", "the live query could not be asked again", "subscribe again")
            for subscriber in (*query.told, *query.joining):
                subscriber.put(failed)

    def _serve(self, query: _Live) -> None:
        """Asks the query where it was touched, tells its subscribers what is different, and those that are new all."""
        with self._changed:
            joining = list(query.joining)
        if query.touched or query.answer is None:
            refusal = self._ask(query)
            if refusal is not None:
                lasts = refusal.reason is not Reason.UNAVAILABLE
                for subscriber in (*joining, *(query.told if lasts else ())):
                    subscriber.put(refusal)
                return
        answer = self._now_at(query)
        for subscriber in joining:
            after = subscriber.after
            told = _all(answer) if after is None else self._since(query, answer, after)
            subscriber.put(replace(told, turn=query.turn))
        with self._changed:
            query.told = [subscriber for subscriber in (*query.told, *joining) if not subscriber.ended]
            query.joining = [subscriber for subscriber in query.joining if subscriber not in joining]

    def _ask(self, query: _Live) -> Refusal | None:
        began = self._clock.monotonic()
        found = self._answered(query, at_least=self._seen)
        took = self._clock.monotonic() - began
        if isinstance(found, Refusal):
            query.rests_until = self._clock.monotonic() + _PAUSE
            return found
        rest = max(self._limits.live_gather_ms / 1000, min(took * _SHARE, _LONGEST_REST))
        query.rests_until = self._clock.monotonic() + rest
        before, query.answer, query.touched = query.answer, found, False
        if before is not None and (made := difference(before.keyed, found.keyed)):
            query.turn += 1
            delta = Delta(found.cursor, made.added, made.changed, made.removed, query.turn)
            for subscriber in query.told:
                subscriber.put(delta)
        return None

    def _answered(self, query: _Live, *, at_least: int = 0, then: Cursor | None = None) -> _Answer | Refusal:
        """What the query answers now, or answered at a cursor."""

        def gather(reader: Reader, rows: Rows) -> _Answer | Refusal:
            most = self._limits.live_rows
            if len(rows.rows) > most:
                return _too_many("live_rows", most, "rows of a live query")
            compiled = compiled_for(query.text, reader.catalog)
            assert isinstance(compiled, Compiled)
            reads = _placed(reader, compiled, query)
            ordered = is_ordered(compiled.query)
            return _Answer(
                Cursor(reader.position, rows.at), rows, keyed(rows.rows, key_columns(compiled.query), ordered),
                ordered, reads, reads.kinds, next_turn(reader, reads, rows.at),
            )  # fmt: skip

        moment = (then.position, then.at) if then else None
        return run_for(
            self._tenant, query.text, query.params, query.by, gather,
            at_least=at_least, then=moment, wait_ms=None if query.joining else _WAIT_MS,
        )  # fmt: skip

    def _since(self, query: _Live, answer: _Answer, after: Cursor) -> Snapshot | Delta:
        """What is different since the cursor; all rows where what they were cannot be told any more."""
        if after == answer.cursor:
            return Delta(answer.cursor)
        if why := self._cannot_tell(answer, after):
            return _all(answer, why)
        before = self._answered(query, then=after)
        if isinstance(before, Refusal):
            return _all(answer, "the query has no answer at the cursor")
        made = difference(before.keyed, answer.keyed)
        return Delta(answer.cursor, made.added, made.changed, made.removed)

    def _cannot_tell(self, answer: _Answer, after: Cursor) -> str:
        if answer.footprint.as_of:
            return "a clause reads AS OF a time of its own"
        if answer.footprint.scored:
            return "scores and state are not versioned"
        if after.position > answer.cursor.position:
            return "the cursor is ahead of the tenant"
        if answer.cursor.position - after.position > self._limits.live_resume:
            return "too much was recorded since the cursor"
        if self._journal.forgets_since(after.position):
            return "something was erased or lost since the cursor"
        return ""


def _all(answer: _Answer, why: str = "") -> Snapshot:
    rows = tuple(answer.keyed.rows.values())
    return Snapshot(answer.cursor, answer.rows.columns, rows, answer.ordered, answer.rows.notices, why)


def _placed(reader: Reader, compiled: Compiled, query: _Live) -> Footprint:
    if query.reads is None or query.reads[0] is not compiled:
        query.reads = compiled, footprint(compiled.query)
    parameters = given(compiled.parameters, query.params)
    assert not isinstance(parameters, Refusal), "the query has just been answered"
    constant = Evaluator(Nothing(instant(0)), parameters).constant
    reads = placed(query.reads[1], constant, _sight(query.by))
    found = {id_: item.root for id_ in reads.named if (item := reader.index.item(id_)) is not None}
    return replace(reads, roots=found)


def _sight(by: Principal) -> frozenset[str] | None:
    """Whose items are seen besides everyone's: who sees the same gets the same answers. None: all."""
    return None if by.admin else frozenset({by.id, *by.owners})


def _written(value: Any) -> str:
    """Parameters as text; 1, 1.0 and true are different ones."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name!r}: {_written(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_written, value)) + "]"
    return repr(value)


def _too_many(limit: str, most: int, what: str) -> Refusal:
    problem = Problem("Q404", f"there are more than {most:,} {what} (`{limit}`)", "", f"or raise `limits.{limit}`")
    return Refusal(Reason.LIMIT, (problem,))
