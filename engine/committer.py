"""The one writer of a tenant: takes all commands that wait, decides them in order, appends, acknowledges.

One transaction for all of them (group commit). A later command sees what an earlier one of the group did; a refusal
touches no other. Whoever needs a commit first makes it, for everybody who waits.
"""

import asyncio
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from engine.adjacency import Adjacency
from engine.clock import Clock, mint
from engine.columns import Columns
from engine.commands import Asked
from engine.decide import Decision, ItemState, RelationState, decide
from engine.events import ItemErased, ItemRecorded, RelationRecorded, RelationRetired, Vector, declared
from engine.index import Index
from engine.journal import Journal, JournalFailed, Outcome, ran_out_of_space
from engine.limits import Limits
from engine.records import Receipt, Record, Sealed, seal, unseal, without
from memql.catalog import Catalog
from memql.errors import Refusal, conflict, invalid, over_limit, unavailable

MAX_KEY = 200
"""Longest idempotency key: they are hashed, so this only keeps mistakes out."""

_RECORDS_READ = 64
"""Records whose vectors are kept while a group is decided."""

STORAGE_FULL = unavailable("STORAGE_FULL", "there is no space left to write; nothing was written", "free some space")
OUTCOME_UNKNOWN = unavailable(
    "OUTCOME_UNKNOWN",
    "the disk failed while this was being written; it may or may not be there",
    "ask again with the same idempotency key",
)


@dataclass(slots=True)
class Waiting:
    """A command that waits for the committer; afterwards it has an answer, or what kept us from giving one."""

    asked: Asked
    decided: Receipt | Refusal | None = None
    """What the answer will be if the group becomes durable."""
    answer: Receipt | Refusal | None = None
    failure: Exception | None = None
    future: "asyncio.Future[Receipt | Refusal] | None" = None
    """Where an async caller waits; whoever commits the group resolves it."""

    @property
    def done(self) -> bool:
        return self.answer is not None or self.failure is not None


@dataclass(slots=True)
class _Group:
    """An open transaction: what was decided in it so far. It is the view that the next command is decided on."""

    journal: Journal
    index: Index
    adjacency: Adjacency
    clock: Clock
    limits: Limits
    catalog: Catalog
    at: int
    next_dense: int
    next_row: int
    records: list[Record] = field(default_factory=list)
    batch: list[Sealed] = field(default_factory=list)
    size: int = 0
    vectors: dict[int, dict[int, Vector | None]] = field(default_factory=dict)
    """Of records that were read, the vectors by their versions."""
    chance: bytes = b""
    """Chance for ids, drawn for a hundred of them at once."""

    @property
    def position(self) -> int:
        return self.batch[-1].position if self.batch else self.journal.position

    @property
    def last_at(self) -> int:
        return self.batch[-1].at if self.batch else self.journal.at

    def mint(self, prefix: str) -> str:
        if len(self.chance) < 10:
            self.chance = self.clock.entropy(1_000)
        taken, self.chance = self.chance[:10], self.chance[10:]
        return mint(prefix, self.at, taken)

    def item(self, id_: str) -> ItemState | None:
        return self.index.item(id_)

    def item_at(self, root: int) -> ItemState:
        dense = self.index.current(root)
        return self.index.items([dense])[dense]

    def relation(self, id_: str) -> RelationState | None:
        return self.index.relation(id_)

    def keyed(self, scope: str, key: str) -> int:
        return self.index.keyed(scope, key)

    def since(self, dense: int, kind: str) -> list[ItemState]:
        code = next((code for code, name in self.index.names().items() if name == kind), 0)
        found = self.index.db.execute("SELECT dense FROM items WHERE dense > ? AND kind = ?", (dense, code)).fetchall()
        newest = self.index.items(number for (number,) in found).values()
        return [item for item in newest if not item.retired]

    def sealed(self, position: int) -> Sealed:
        """The record at that position, from this group or from the journal."""
        if position > self.journal.position:
            return next(sealed for sealed in self.batch if sealed.position == position)
        return self.journal.read(position - 1, 1)[0]

    def record(self, position: int) -> Record:
        record = unseal(self.sealed(position))
        if isinstance(record, Record):
            return record
        raise JournalFailed(f"the record at position {position} is damaged: {record.what}")

    def vector(self, item: ItemState) -> Vector | None:
        """A statement may correct a thousand items of one record: it is read once for all of them."""
        if (known := self.vectors.get(item.born)) is None:
            if len(self.vectors) >= _RECORDS_READ:
                self.vectors.clear()
            events = self.record(item.born).events
            known = self.vectors[item.born] = {e.dense: e.vector for e in events if isinstance(e, ItemRecorded)}
        return known.get(item.dense)

    def positions(self, root: int) -> tuple[int, ...]:
        versions = self.index.items(self.index.versions(root)).values()
        lies_in = {version.born for version in versions} | {v.died for v in versions if v.retired}
        return tuple(sorted(lies_in))

    def targets(self, kind: str, root: int) -> list[int]:
        gone = {e.row for record in self.records for e in record.events if isinstance(e, RelationRetired)}
        new = [
            e.target
            for record in self.records
            for e in record.events
            if isinstance(e, RelationRecorded) and e.kind == kind and e.source == root and e.row not in gone
        ]
        return new + [target for row, target in self.adjacency.live(kind, root) if row not in gone]

    def take(self, record: Record) -> None:
        """Adds a decided record to the transaction and to the view."""
        sealed = seal(record, self.batch[-1].hash if self.batch else self.journal.hash, self.clock.entropy)
        self.index.apply(record, sealed)
        self.records.append(record)
        self.batch.append(sealed)
        self.size += len(sealed.header) + len(sealed.frames)
        for event in record.events:
            self.catalog = declared(self.catalog, event)
            match event:
                case ItemRecorded():
                    self.next_dense = event.dense + 1
                case RelationRecorded():
                    self.next_row = event.row + 1
                case ItemErased():
                    self._erase(event)
        self.at = record.at + 1

    def _erase(self, event: ItemErased) -> None:
        for position in event.positions:
            emptied = without(self.sealed(position), event.root)
            if position > self.journal.position:
                self.batch[[sealed.position for sealed in self.batch].index(position)] = emptied
            else:
                self.journal.rewrite(emptied)


class Committer:
    """Turns waiting commands into records. `told` gets each group's records when they are durable and acknowledged."""

    def __init__(
        self, journal: Journal, index: Index, columns: Columns, adjacency: Adjacency, *,
        catalog: Catalog, clock: Clock, limits: Limits, told: Callable[[Sequence[Record]], None],
    ) -> None:  # fmt: skip
        self.catalog = catalog
        self._journal = journal
        self._index = index
        self._columns = columns
        self._adjacency = adjacency
        self._clock = clock
        self._limits = limits
        self._told = told
        self._waiting: deque[Waiting] = deque()
        self._turn = threading.Lock()
        self._refuses: Refusal | None = None

    def write(self, asked: Asked) -> Receipt | Refusal:
        """The receipt of a durable record, or a refusal. Blocks; any thread."""
        return self.write_all([asked])[0]

    def write_all(self, asked: Sequence[Asked]) -> list[Receipt | Refusal]:
        """The receipts or refusals of several commands, decided in this order and committed together."""
        waiting = [self.enqueue(Waiting(one)) for one in asked]
        while not all(one.done for one in waiting):
            self.commit_group()
        answers = []
        for one in waiting:
            if one.failure:
                raise one.failure
            assert one.answer is not None
            answers.append(one.answer)
        return answers

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    def enqueue(self, waiting: Waiting) -> Waiting:
        """Puts a command into the queue; it is answered at once where the queue is full."""
        if len(self._waiting) >= self._limits.waiting_commands:
            limit = self._limits.waiting_commands
            waiting.answer = over_limit("waiting_commands", limit, limit + 1, "")
        else:
            self._waiting.append(waiting)
        return waiting

    def commit_group(self) -> list[Waiting]:
        """Commits one group of what waits and answers it, wherever who asked is waiting. Empty: nothing was waiting."""
        group = self._commit_next()
        _deliver(group)
        return group

    def _commit_next(self) -> list[Waiting]:
        with self._turn:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._limits.group_commands))]
            if not group:
                return group
            try:
                rest = self._commit(group)
                self._waiting.extendleft(reversed(rest))
                group = group[: len(group) - len(rest)]
            except Exception as error:
                self._undo()
                if ran_out_of_space(error):
                    _refuse(group, STORAGE_FULL)
                elif len(group) == 1:
                    group[0].failure = error
                else:
                    for waiting in group:
                        self._commit_alone(waiting)
            # Only now: a thread that looks for its answer meanwhile must not find one that is not yet durable.
            for waiting in group:
                waiting.answer = waiting.decided
        return group

    def _commit_alone(self, waiting: Waiting) -> None:
        """One of our own mistakes broke a group: only the command that meets it is to see it."""
        waiting.decided = None
        try:
            self._commit([waiting])
        except Exception as error:
            self._undo()
            waiting.failure = error

    def _undo(self) -> None:
        self._journal.rollback()
        self._index.forget_codes()

    def _commit(self, waiting: Sequence[Waiting]) -> Sequence[Waiting]:
        """Answers these in one transaction; returns those that did not fit into it any more."""
        if self._refuses:
            _refuse(waiting, self._refuses)
            return ()
        group = self._group()
        self._journal.begin()
        taken = 0
        for one in waiting:
            one.decided = _answer(group, one.asked)
            taken += 1
            if group.size > self._limits.group_bytes:
                break
        if not group.batch:
            self._journal.rollback()
            return waiting[taken:]
        self._append(group, waiting[:taken])
        return waiting[taken:]

    def _group(self) -> _Group:
        """The tenant as the next record finds it."""
        at = max(self._clock.now(), self._journal.at + 1)
        return _Group(
            self._journal, self._index, self._adjacency, self._clock, self._limits, self.catalog, at,
            self._columns.count, self._adjacency.count,
        )  # fmt: skip

    def considered(self, asked: Asked) -> Decision | Refusal:
        """What the command would lead to now. Writes nothing."""
        with self._turn:
            return decide(self._group(), asked)

    def before(self, asked: Asked) -> Record | Refusal | None:
        """What the same request led to when it was made before, under the same key."""
        with self._turn:
            return _before(self._group(), asked)

    def _append(self, group: _Group, taken: Sequence[Waiting]) -> None:
        if self._journal.append(group.batch) is not Outcome.ACKNOWLEDGED:
            self._refuses = OUTCOME_UNKNOWN
            _refuse(taken, OUTCOME_UNKNOWN)
            return
        self.catalog = group.catalog
        for record in group.records:
            self._columns.apply(record)
            self._adjacency.apply(record)
        if any(isinstance(event, ItemErased) for record in group.records for event in record.events):
            self._journal.scrub()
        self._told(group.records)


def _refuse(waiting: Sequence[Waiting], refusal: Refusal) -> None:
    """Nothing of these was written; what was refused for another reason keeps it."""
    for one in waiting:
        if not isinstance(one.decided, Refusal):
            one.decided = refusal


def _deliver(group: Sequence[Waiting]) -> None:
    """Hands answers to the loops in which they are awaited, each loop woken once; one that has closed needs none."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Waiting]] = {}
    for waiting in group:
        if waiting.future is not None:
            by_loop.setdefault(waiting.future.get_loop(), []).append(waiting)
    for loop, answered in by_loop.items():
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, answered)


def _resolve(answered: Sequence[Waiting]) -> None:
    for waiting in answered:
        assert waiting.future is not None
        if waiting.future.done():
            continue
        if waiting.failure:
            waiting.future.set_exception(waiting.failure)
        else:
            assert waiting.answer is not None
            waiting.future.set_result(waiting.answer)


def _answer(group: _Group, asked: Asked) -> Receipt | Refusal:
    """Decides one command on the group, and adds its record to it. What was so already makes no record, unless it came
    with a key: then the answer is to stay the same, whatever happens until it is asked again."""
    before = _before(group, asked)
    if isinstance(before, Refusal):
        return before
    if before is not None:
        return Receipt(before.position, before.at, before.ids, repeated=True)
    key, request = (b"", b"") if asked.key is None else _digests(asked)
    decision = decide(group, asked)
    if isinstance(decision, Refusal):
        return decision
    if not decision.events and not key:
        return Receipt(group.position, group.last_at, decision.ids)
    record = _record(group, asked, decision, key, request)
    group.take(record)
    return Receipt(record.position, record.at, record.ids)


def _before(group: _Group, asked: Asked) -> Record | Refusal | None:
    """What the same request led to when it was made before, under the same key."""
    if asked.key is None:
        return None
    if not asked.key or len(asked.key) > MAX_KEY:
        return invalid("BAD_KEY", f"an idempotency key has 1 to {MAX_KEY} characters", "idempotency_key")
    key, request = _digests(asked)
    if (before := group.index.asked(key)) is None:
        return None
    if before[0] != request:
        message = "this idempotency key was used for something else"
        return conflict("KEY_REUSED", message, "idempotency_key", "use a new key for a new request")
    record = group.record(before[1])
    if record.key != key:
        raise JournalFailed(f"the index leads from a key to another record, {record.position}")
    return record


def _record(group: _Group, asked: Asked, decision: Decision, key: bytes, request: bytes) -> Record:
    command = type(asked.command).__name__
    return Record(group.position + 1, group.at, asked.by.id, command, decision.events, decision.ids, key, request)


def _digests(asked: Asked) -> tuple[bytes, bytes]:
    """Digests of a principal's key and of what is asked: neither can be read back from the journal."""
    assert asked.key is not None
    key = hashlib.sha256(f"{asked.by.id}\0{asked.key}".encode()).digest()[:16]
    # Without the embedding: the same text embedded once more differs in its last bits, or comes from another model.
    # Without what is as usual: a field that a later version adds changes no request that was made before.
    asked_for = asked.command.model_dump_json(exclude={"embedding"}, exclude_defaults=True)
    body = f"{type(asked.command).__name__}\0{asked_for}"
    return key, hashlib.sha256(body.encode()).digest()[:16]
