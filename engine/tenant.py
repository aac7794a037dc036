"""One tenant: its journal, the projections of it, and the only async door to them. Here things are wired together."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import structlog

from engine.adjacency import Adjacency
from engine.clock import Clock
from engine.columns import Columns, Scope
from engine.commands import Asked, Command, Principal
from engine.committer import Committer, Waiting
from engine.decide import Decision
from engine.embed import Embedder
from engine.events import declared
from engine.feed import Feed
from engine.follower import Follower, Phase, Source, Status
from engine.graph import Graph
from engine.index import Index
from engine.journal import UNREADABLE, Journal, JournalFailed
from engine.lifecycle.consolidation import Consolidation
from engine.limits import Limits
from engine.live import LiveQueries
from engine.meaning import embedded
from engine.named import Named
from engine.properties import Properties
from engine.reader import Reader
from engine.records import Receipt, Record, unseal
from engine.recovery import Damaged, open_journal, rebuild_index
from engine.salvage import SUSPECT
from engine.stopping import current, in_thread
from engine.subscription import Cursor, Told
from engine.survey import Survey
from engine.texts import Texts
from engine.vectors import Vectors
from memql.catalog import Catalog
from memql.errors import Refusal, unavailable

GraphEngine = Literal["kuzu", "ladybug"]
Store = Literal["graph", "vectors", "texts"]
STORES: tuple[Store, ...] = ("graph", "vectors", "texts")
T = TypeVar("T")

log = structlog.get_logger(__name__)


class Tenant:
    """An open tenant. `open` makes one; `close` seals its stores and lets go of every file."""

    def __init__(
        self,
        name: str,
        directory: Path,
        journal: Journal,
        index: Index,
        clock: Clock,
        limits: Limits,
        engine: GraphEngine,
        embedder: Embedder | None,
        consolidate: bool,
    ) -> None:
        self.name = name
        self.directory = directory
        self.clock = clock
        self.limits = limits
        self.embedder = embedder
        self.journal = journal
        self.columns = Columns(index, journal.position)
        self.adjacency = Adjacency(index, self.columns, journal.position)
        self.properties = Properties(self.columns, limits)
        self.survey = Survey(self.columns, self.adjacency)
        self.committer = Committer(
            journal, index, self.columns, self.adjacency,
            catalog=declared_catalog(index, journal), clock=clock, limits=limits, told=self._told,
        )  # fmt: skip
        uid = journal.uid.hex()
        self.graph = Graph(directory, tenant=uid, engine=engine, limits=limits, ids=self._ids)
        self.vectors = Vectors(directory, tenant=uid, limits=limits)
        self.texts = Texts(directory, tenant=uid, limits=limits)
        self.named = Named(limits)
        self._source = Source(journal, limits)
        self.records = Feed(journal, self._source, limits)
        self.live_queries = LiveQueries(self, journal, self.records, clock, limits)
        follow = partial(Follower, journal=journal, source=self._source, clock=clock, limits=limits)
        self._followers: dict[Store, Follower] = {
            "graph": follow(self.graph, gather_ms=limits.graph_gather_ms, keeps_erased=lambda: self.graph.stale_bytes),
            "vectors": follow(self.vectors),
            "texts": follow(self.texts, gather_ms=limits.text_commit_ms),
        }
        self._names: dict[int, str] = {}
        """Names of the index by their numbers, for every reader."""
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"commit-{name}")
        self._draining = False
        self._drains = threading.Lock()
        self.suspect = False
        """Its journal could not be read somewhere: to be closed, so that opening mends it."""
        self._told_of = threading.Condition()
        self._consolidation = Consolidation(self, clock, limits, embedder) if consolidate else None
        for follower in self._followers.values():
            follower.notify()
        if self._consolidation:
            self._consolidation.begin()

    @classmethod
    def open(
        cls, name: str, directory: Path, *,
        clock: Clock, limits: Limits, engine: GraphEngine = "kuzu", embedder: Embedder | None = None,
        consolidate: bool = False,
    ) -> "Tenant | Damaged":  # fmt: skip
        """The tenant in that directory, made if there is none; or why its journal must not be used. `consolidate`:
        whether memories are made of its events."""
        directory.mkdir(parents=True, exist_ok=True)
        opened = open_journal(directory, clock)
        if isinstance(opened, Damaged):
            return opened
        try:
            return cls(name, directory, *opened, clock, limits, engine, embedder, consolidate)
        except UNREADABLE:
            opened[0].close()
            if damaged := rebuild_index(directory):
                return damaged
            reopened = open_journal(directory, clock)
            if isinstance(reopened, Damaged):
                return reopened
            return cls(name, directory, *reopened, clock, limits, engine, embedder, consolidate)

    def _told(self, records: Sequence[Record]) -> None:
        """Each group of records, when it is durable: stores follow, and who waits for a position is woken."""
        self.properties.forget_erased()
        self._source.add(records)
        for follower in self._followers.values():
            follower.notify()
        if self._consolidation:
            self._consolidation.notify(records)
        self.records.tell(records)
        with self._told_of:
            self._told_of.notify_all()

    def _ids(self, roots: Sequence[int]) -> list[str]:
        with self.journal.reading() as db:
            found = Index(db, self._names).items(roots)
        return [found[root].id for root in roots]

    @property
    def position(self) -> int:
        return self.journal.position

    @property
    def catalog(self) -> Catalog:
        return self.committer.catalog

    # Writing

    def write_now(self, command: Command, by: Principal, key: str | None = None) -> Receipt | Refusal:
        """The receipt of a durable record, or a refusal. Blocks the calling thread."""
        whole = embedded(command, self.catalog, self.embedder, self.limits)
        if isinstance(whole, Refusal):
            return whole
        try:
            return self.committer.write(Asked(whole, by, key))
        except UNREADABLE as error:
            return self._damaged(error)

    def considered(self, command: Command, by: Principal) -> Decision | Refusal:
        """What the command would lead to now. Writes nothing, and embeds nothing."""
        try:
            return self.committer.considered(Asked(command, by))
        except UNREADABLE as error:
            return self._damaged(error)

    def before(self, command: Command, by: Principal, key: str) -> Record | Refusal | None:
        """The record of the same request, made before under that key."""
        try:
            return self.committer.before(Asked(command, by, key))
        except UNREADABLE as error:
            return self._damaged(error)

    def record(self, position: int) -> Record | None:
        """The record at that position, where it can be read."""
        sealed = self.journal.read(position - 1, 1) if position else ()
        record = unseal(sealed[0]) if sealed else None
        return record if isinstance(record, Record) else None

    def write_all(self, commands: Sequence[tuple[Command, str | None]], by: Principal) -> list[Receipt | Refusal]:
        """The receipts or refusals of several commands with their keys, decided in this order and committed together.
        Each brings its embedding, if it is to have one. Blocks the calling thread."""
        try:
            return self.committer.write_all([Asked(command, by, key) for command, key in commands])
        except UNREADABLE as error:
            return [self._damaged(error)] * len(commands)

    async def write(self, command: Command, by: Principal, key: str | None = None) -> Receipt | Refusal:
        """The receipt of a durable record, or a refusal. Commands that wait together are committed together."""
        whole: Command | Refusal = command
        if self.embedder:
            whole = await asyncio.to_thread(embedded, command, self.catalog, self.embedder, self.limits)
        if isinstance(whole, Refusal):
            return whole
        answered: asyncio.Future[Receipt | Refusal] = asyncio.get_running_loop().create_future()
        waiting = self.committer.enqueue(Waiting(Asked(whole, by, key), future=answered))
        if waiting.answer is not None:
            return waiting.answer
        with self._drains:
            if not self._draining:
                self._draining = True
                self._writer.submit(self._drain)
        try:
            return await answered
        except UNREADABLE as error:
            return self._damaged(error)

    def _damaged(self, error: Exception) -> Refusal:
        """Something in the journal's file is not as it was written: the index is derived anew at the next opening."""
        (self.directory / SUSPECT).touch()
        self.suspect = True
        log.error("journal cannot be read", tenant=self.name, problem=str(error), exc_info=error)
        message = "something in this tenant's journal is not as it was written; nothing was changed"
        return unavailable("JOURNAL_DAMAGED", message, f"ask again; if it stays so: memql verify --tenant {self.name}")

    def _drain(self) -> None:
        """Commits until nothing waits."""
        while True:
            if self.committer.commit_group():
                continue
            with self._drains:
                if not self.committer.waits:
                    self._draining = False
                    return

    # Reading

    def read_now(
        self,
        ask: Callable[[Reader], T],
        by: Principal,
        *,
        needs: Iterable[Store] = (),
        at_least: int = 0,
        as_of: int | None = None,
        valid_at: int | Literal["now"] | None = "now",
        consolidated: bool = False,
        wait_ms: int | None = None,
    ) -> T | Refusal:
        """What `ask` answers from a reader at one position: that of the slowest store it `needs`, or `as_of`.

        Waits until that position is at least `at_least`, no longer than `wait_ms` (absent: the limit of that name).
        With `consolidated` also until the memories of every event up to there are shown; of all events there are now
        where no position is given.
        """
        began = self.clock.monotonic()
        deadline = began + (self.limits.wait_ms if wait_ms is None else wait_ms) / 1000
        wanted = max(at_least, as_of or 0)
        if refusal := self._reach(wanted, deadline):
            return refusal
        if consolidated:
            reached = self._consolidated(wanted or self.position, deadline)
            if isinstance(reached, Refusal):
                return reached
            wanted = max(wanted, reached)
        followers = [self._followers[store] for store in needs]
        for follower in followers:
            if not follower.wait(wanted, max(deadline - self.clock.monotonic(), 0)):
                return _not_shown(follower.status(), wanted)
        shown = min([self.columns.position, *(follower.projection.position for follower in followers)])
        position = shown if as_of is None else as_of
        moment = self.clock.now() if valid_at == "now" else valid_at
        scope = self.columns.scope(position, by, moment)
        try:
            with self.journal.reading() as db:
                return ask(self._reader(scope, Index(db, self._names), began))
        except UNREADABLE as error:
            return self._damaged(error)

    def _reader(self, scope: Scope, index: Index, began: float) -> Reader:
        stop, most = current(), self.limits.read_ms / 1000
        return Reader(
            scope, index, self.adjacency, self.properties, self.graph, self.vectors, self.texts, self.named,
            self.catalog, self.limits, lambda: stop.asked or self.clock.monotonic() - began > most,
            self.position_at, scope.position, self.embedder,
        )  # fmt: skip

    async def read(
        self,
        ask: Callable[[Reader], T],
        by: Principal,
        *,
        needs: Iterable[Store] = (),
        at_least: int = 0,
        as_of: int | None = None,
        valid_at: int | Literal["now"] | None = "now",
        consolidated: bool = False,
    ) -> T | Refusal:
        """`read_now` on a thread of its own, which stops when this is cancelled."""
        return await in_thread(partial(
            self.read_now, ask, by,
            needs=needs, at_least=at_least, as_of=as_of, valid_at=valid_at, consolidated=consolidated,
        ))  # fmt: skip

    def _reach(self, wanted: int, deadline: float) -> Refusal | None:
        """Waits for the journal itself to have that position."""
        with self._told_of:
            while self.journal.position < wanted:
                left = deadline - self.clock.monotonic()
                if left <= 0:
                    message = f"position {wanted:,} is not reached; the tenant is at {self.journal.position:,}"
                    return unavailable(
                        "NOT_YET", message, "take a position from a receipt of this tenant, or ask later"
                    )
                self._told_of.wait(left)
        return None

    def _consolidated(self, wanted: int, deadline: float) -> int | Refusal:
        """Waits until the events up to that position have had their turn; where the last of their memories is."""
        if self._consolidation is None:
            message = "no memories are made of this tenant's events here"
            return unavailable("CONSOLIDATION_OFF", message, "open it with consolidation, or leave `consolidated` away")
        reached = self._consolidation.wait(wanted, deadline - self.clock.monotonic())
        if reached is not None:
            return reached
        status = self._consolidation.status()
        message = f"memories are made of the events up to position {status.position:,} of {wanted:,}"
        if status.problem:
            return unavailable("CONSOLIDATION_WAITS", f"{message}; it waits: {status.problem}", "see the readiness")
        return unavailable("NOT_CONSOLIDATED", message, "ask again in a moment, or raise `limits.wait_ms`")

    @property
    def consolidated_position(self) -> int:
        """Every event up to this position has had its turn: it is a memory, or flagged. 0 without consolidation."""
        return self._consolidation.status().position if self._consolidation else 0

    def position_at(self, at: int) -> int:
        """The last position recorded at or before that time, in microseconds."""
        return self.journal.position_at(at)

    # As it changes

    async def feed(self, after: int | None = None) -> AsyncGenerator[Record | Refusal, None]:
        """The records behind that position, or those to come, in order, until the tenant closes. The content of what
        was erased is in none of them. A refusal is the last."""
        position = self.records.position if after is None else after
        while await self.records.more(position):
            try:
                records = await asyncio.to_thread(self.records.behind, position)
            except UNREADABLE as error:
                if not self.records.closed:
                    yield self._damaged(error)
                return
            for record in records:
                yield record
                position = record.position

    def live(
        self, text: str, params: Mapping[str, Any], by: Principal, *, after: Cursor | None = None
    ) -> AsyncGenerator[Told, None]:
        """The rows of a LIVE query, and from then on what is different; or what is different since a cursor. The last
        that is told is a refusal, or where to resume."""
        return self.live_queries.listen(text, params, by, after)

    # Upkeep

    def statuses(self) -> list[Status]:
        """How far each store is, and consolidation where it is on."""
        stores = [follower.status() for follower in self._followers.values()]
        return [*stores, self._consolidation.status()] if self._consolidation else stores

    def rebuild(self, stores: Iterable[Store] = STORES) -> None:
        """Throws these stores away and applies the journal anew, in the background."""
        for store in stores:
            self._followers[store].rebuild()

    def settled(self, seconds: float) -> bool:
        """Whether every store shows all that was written, before the time is over."""
        position = self.journal.position
        return all(follower.wait(position, seconds) for follower in self._followers.values())

    def end_subscriptions(self) -> None:
        """Tells all who follow the tenant that there will be nothing more: before it is closed or deleted."""
        self.records.close()
        self.live_queries.close()

    def close(self) -> None:
        self.end_subscriptions()
        if self._consolidation:
            self._consolidation.close()
        self._writer.shutdown()
        for follower in self._followers.values():
            follower.close()
        self.journal.close()


def declared_catalog(index: Index, journal: Journal) -> Catalog:
    """The catalog as the journal's declarations leave it."""
    catalog = Catalog()
    for position in index.declarations():
        sealed = journal.read(position - 1, 1)
        record = unseal(sealed[0]) if sealed else None
        if not isinstance(record, Record) or record.position != position:
            raise JournalFailed(f"the record at position {position} cannot be read")
        before = catalog
        for event in record.events:
            catalog = declared(catalog, event)
        if catalog is before:
            raise JournalFailed(f"the record at position {position} declares nothing, as the index says it does")
    return catalog


def _not_shown(status: Status, wanted: int) -> Refusal:
    shown = f"`{status.name}` shows {status.position:,} of {max(wanted, status.target):,}"
    match status.phase:
        case Phase.FAILED:
            return unavailable("STORE_FAILED", f"{shown} and stopped: {status.problem}", "memql rebuild, memql verify")
        case Phase.REBUILDING:
            return unavailable("STORE_REBUILDING", f"{shown} and is being rebuilt", "ask again in a moment")
    return unavailable("STORE_BEHIND", f"{shown} and did not get there in time", "ask again, or raise `limits.wait_ms`")
