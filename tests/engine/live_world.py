"""What the tests of live queries stand on: a tenant whose clock is set by hand, and a client that keeps its rows."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from engine.commands import Command, Principal
from engine.execute import Rows, run_for
from engine.keyed import Row
from engine.limits import Limits
from engine.records import Receipt
from engine.subscription import Cursor, Delta, Resume, Snapshot, Told
from engine.tenant import Tenant
from memql.errors import Refusal
from memql.values import micros
from tests.engine.embedders import WordHashes
from tests.engine.world import EPOCH

ME = Principal("usr_me")
FAST = Limits(live_gather_ms=0, text_commit_ms=0, graph_gather_ms=0)
DAY = 86_400_000_000


class SetClock:
    """Wall time stands, but for a millisecond at each look, until it is set; seconds pass as they do."""

    def __init__(self, start: int = micros(EPOCH)) -> None:
        self._now = start
        self._entropy = itertools.count(1)

    def now(self) -> int:
        self._now += 1_000
        return self._now

    def goes_on(self, by: int) -> None:
        self._now += by

    def monotonic(self) -> float:
        return time.monotonic()

    def entropy(self, count: int) -> bytes:
        return b"".join(next(self._entropy).to_bytes(8, "big") for _ in range(count // 8 + 1))[:count]


@contextmanager
def opened(path: Path, limits: Limits = FAST, clock: SetClock | None = None) -> Iterator[Tenant]:
    tenant = Tenant.open("t", path, clock=clock or SetClock(), limits=limits, embedder=WordHashes())
    assert isinstance(tenant, Tenant)
    try:
        yield tenant
    finally:
        tenant.close()


def do(tenant: Tenant, command: Command, by: Principal = ME) -> Receipt:
    receipt = tenant.write_now(command, by)
    assert isinstance(receipt, Receipt), receipt
    return receipt


def rows_at(tenant: Tenant, text: str, params: dict[str, Any], by: Principal, then: Cursor | None) -> Rows:
    """What the query answers now, or answered at a cursor."""
    moment = (then.position, then.at) if then else None
    found = run_for(tenant, text, params, by, lambda _, rows: rows, then=moment)
    assert isinstance(found, Rows), found
    return found


class Client:
    """Keeps rows by what it is told, as a client does: it knows nothing but snapshots and deltas."""

    def __init__(self, tenant: Tenant, text: str, params: dict[str, Any] | None = None, by: Principal = ME) -> None:
        self.tenant, self.text, self.params, self.by = tenant, text, params or {}, by
        self.rows: dict[str, Row] = {}
        self.order: list[str] = []
        self.cursor: Cursor | None = None
        self.told: list[Told] = []
        self.ended: Resume | Refusal | None = None
        self._task: asyncio.Task[None] | None = None
        self._heard = asyncio.Condition()

    def begin(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async with aclosing(self.tenant.live(self.text, self.params, self.by, after=self.cursor)) as live:
            async for told in live:
                async with self._heard:
                    self.hear(told)
                    self._heard.notify_all()

    def hear(self, told: Told) -> None:
        self.told.append(told)
        match told:
            case Snapshot():
                self.rows = {row.key: row for row in told.rows}
                assert len(self.rows) == len(told.rows), "a key is one row's"
                self.order = [row.key for row in told.rows]
                self.cursor = told.cursor
            case Delta():
                self._apply(told)
                self.cursor = told.cursor
            case Resume() | Refusal():
                self.ended = told

    def _apply(self, delta: Delta) -> None:
        for key in delta.removed:
            del self.rows[key]
        for row in delta.changed:
            assert row.key in self.rows, "what is changed was there"
        for row in delta.added:
            assert row.key not in self.rows, "what is added was not"
        put = (*delta.changed, *delta.added)
        gone = {*delta.removed, *(row.key for row in put)}
        self.order = [key for key in self.order if key not in gone]
        for row in sorted(put, key=lambda row: row.place or 0):
            self.order.insert(len(self.order) if row.place is None else row.place, row.key)
            self.rows[row.key] = row

    @property
    def values(self) -> list[tuple[Any, ...]]:
        """The rows as they stand; without places in the order of their text."""
        rows = [self.rows[key] for key in self.order]
        return [row.values for row in (rows if any(row.place is not None for row in rows) else sorted(rows, key=repr))]

    async def until(self, what: Any, seconds: float = 10) -> None:
        """Waits until that is so of the client."""
        async with asyncio.timeout(seconds), self._heard:
            await self._heard.wait_for(lambda: what(self))

    async def end(self) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def over(self) -> None:
        """Waits until the last is told."""
        assert self._task is not None
        await asyncio.wait_for(self._task, 10)


@asynccontextmanager
async def listening(*clients: Client) -> AsyncIterator[None]:
    """The clients, each with its first rows, for as long as the block runs."""
    heard = [len(client.told) for client in clients]
    for client in clients:
        client.begin()
    for client, before in zip(clients, heard, strict=True):
        await client.until(lambda each, before=before: len(each.told) > before)
    try:
        yield
    finally:
        for client in clients:
            await client.end()
