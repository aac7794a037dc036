"""Reads that nobody waits for any more: they end at their next look, and hold nothing afterwards."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.commands import Principal, Remember
from engine.execute import Rows, execute, run
from engine.execute.running import Running
from engine.graph.file import GraphFailed
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.stopping import Stop, current, in_thread
from engine.tenant import Tenant
from memql import compile as compile_text
from memql.errors import Refusal

ME = Principal("usr_me")
ENDLESS = "MATCH (a), (b), (c), (d), (e), (f), (g) RETURN count(*) AS n"
"""Forty items seven times with each other: hours."""


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Tenant]:
    limits = Limits(read_ms=3_600_000, query_steps=2**60)
    opened = Tenant.open("t", tmp_path / "t", clock=SystemClock(), limits=limits)
    assert isinstance(opened, Tenant)
    for n in range(40):
        assert isinstance(opened.write_now(Remember(text=f"tea {n}"), ME), Receipt)
    yield opened
    opened.close()


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a query has passed some rows."""
    event, real, steps = threading.Event(), Running.count, [0]

    def counted(self: Running, rows: int) -> None:
        steps[0] += 1
        if steps[0] == 50:
            event.set()
        real(self, rows)

    monkeypatch.setattr(Running, "count", counted)
    return event


async def test_a_cancelled_query_ends(tenant: Tenant, begun: threading.Event) -> None:
    """When the task that awaits it is cancelled, its thread is done and what it was lent is given back."""
    compiled = compile_text(ENDLESS, tenant.catalog)
    assert not isinstance(compiled, Refusal)
    answers: list[object] = []

    def ask(reader: Reader) -> None:
        answers.append(execute(reader, compiled, {}))

    reading = asyncio.ensure_future(tenant.read(ask, ME))
    await asyncio.to_thread(begun.wait)
    idle = len(tenant.journal._idle)
    assert not answers
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    (answer,) = answers
    assert isinstance(answer, Refusal)
    assert answer.problems[0].code == "STOPPED"
    assert len(tenant.journal._idle) == idle + 1
    found = run(tenant, "MATCH (m:Memory) RETURN count(*) AS n", {}, ME)
    assert isinstance(found, Rows)
    assert found.rows == [(40,)]


async def test_a_query_within_a_request_that_is_left_ends(tenant: Tenant, begun: threading.Event) -> None:
    """Whoever watches over all that is begun may ask it to stop, in whichever thread it is."""
    with Stop().watched() as stop:
        work = asyncio.ensure_future(asyncio.to_thread(partial(run, tenant, ENDLESS, {}, ME)))
    await asyncio.to_thread(begun.wait)
    stop.ask()
    answer = await work
    assert isinstance(answer, Refusal)
    assert answer.problems[0].code == "STOPPED"
    assert not current().asked


async def test_the_graph_is_interrupted(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that would take hours ends, and its connection is closed."""
    assert tenant.settled(60)
    running, real = threading.Event(), Stop.interrupting

    def told(self: Stop, interrupt: Any) -> Any:
        running.set()
        return real(self, interrupt)

    monkeypatch.setattr(Stop, "interrupting", told)
    endless = "MATCH (a:Node), (b:Node), (c:Node), (d:Node), (e:Node), (f:Node) RETURN sum(a.dense * f.dense)"
    asked = partial(tenant.graph.run, endless, {}, deadline_ms=3_600_000, limit=1)
    failures: list[GraphFailed] = []

    def ask() -> None:
        try:
            asked()
        except GraphFailed as error:
            failures.append(error)

    reading = asyncio.ensure_future(in_thread(ask))
    await asyncio.to_thread(running.wait)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [each.code for each in failures] == ["GRAPH_STOPPED"]
    assert not tenant.graph._file._readers


async def test_a_write_is_not_stopped(tenant: Tenant) -> None:
    """What was asked to be written is written, though its client has left."""
    with Stop().watched() as stop:
        stop.ask()
        assert isinstance(await tenant.write(Remember(text="last words"), ME), Receipt)
