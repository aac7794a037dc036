"""Clients in Python: held to mypy's strictest, and run against a server with real rows, over wires that are cut and
streams that break off."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.api.schema import printed
from tests.server.failing import LAST, ticking, wire
from tests.server.odd import clients
from tests.server.operations import World, block, made, ran, serving_process
from tests.server.operations import world as world_in


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made_world = world_in(tmp_path_factory.mktemp("clients"))
    made_world.made("made")
    made_world.ticks("ticks")
    return made_world


@pytest.fixture(scope="module")
def port(world: World) -> Iterator[int]:
    with serving_process(world.folder / "data") as opened:
        yield opened


def strict(folder: Path, *names: str) -> list[str]:
    """What mypy has against them, a line each."""
    cache = ["--cache-dir", str(folder / ".mypy")]
    words = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *cache, *names]
    return ran(words, folder).stdout.splitlines()


USES = """
import asyncio
import sys
from datetime import UTC, datetime

from made.answers import CutOff, NotReached, Refused
from made.client import Client
from made.client_sync import SyncClient
from made.inputs import AsOf, ItemFilter, KindFilter, RememberInput, StringFilter
from made.results import (
    Faults, ItemParts, MemoryParts, RecallEdgeNodeMemory, RecallEdgeNodeOther, RecallEdgeNodeTask,
    RememberError, RememberPayload, Written,
)
from made.transport import Retries
from made.values import UNSET

QUICK = Retries(first=0.01)


async def wait(url: str, wire: str, tea: str) -> None:
    async with Client(url) as client:
        found = await client.recall(text="tea")
        nodes = {edge.node.kind: edge.node for edge in found.search.edges}
        memory, task = nodes["Memory"], nodes["Task"]
        assert isinstance(memory, RecallEdgeNodeMemory) and isinstance(memory, MemoryParts)
        assert (memory.id, memory.text, memory.importance, memory.stream) == (tea, "Ada drinks tea", 0.75, None)
        assert memory.recorded_at.tzinfo is not None and memory.tags == ["drinks"]
        assert isinstance(task, RecallEdgeNodeTask) and task.title == "Buy tea for Ada"
        assert task.status is not None and task.status == "OPEN" and task.due_at is None
        entity = (await client.recall(text="Ada", where=ItemFilter(kind=KindFilter(eq="Entity")))).search.edges[0].node
        assert isinstance(entity, RecallEdgeNodeOther) and isinstance(entity, ItemParts) and entity.typename == "Entity"
        where = ItemFilter(or_=[ItemFilter(text=StringFilter(contains="tea")), ItemFilter(not_=ItemFilter())])
        assert len((await client.recall(text="tea", first=1, where=where)).search.edges) == 1

        one = (await client.memory_of(id=tea, history=True)).memory
        assert one is not None and one.history is not None and one.history[0].version == 1
        again = (await client.memory_of(id=tea)).memory
        assert again is not None and again.history is None
        assert (await client.memory_of(id="mem_none")).memory is None

        since = await client.since(from_=datetime(2020, 1, 1, tzinfo=UTC), as_of=AsOf(position=found.search.position))
        assert [each.text for each in since.memories.nodes] == ["Ada drinks tea"]
        try:
            AsOf()
        except ValueError as error:
            assert "exactly one of" in str(error)

        # A key of the caller's own: asked again, it is the same change.
        given = RememberInput(text="Ada has a cat", importance=None, tags=UNSET, idempotency_key="cat")
        first, second = (await client.remember(input=given)).remember, (await client.remember(input=given)).remember
        assert isinstance(first, RememberPayload) and isinstance(second, RememberPayload)
        assert isinstance(first, Written)
        assert (first.repeated, second.repeated, first.ids) == (False, True, second.ids)
        assert first.memory is not None and first.memory.text == "Ada has a cat"
        wrong = (await client.remember(input=RememberInput(text="x", importance=7.0))).remember
        assert isinstance(wrong, RememberError) and isinstance(wrong, Faults)
        assert wrong.problems[0].place == "importance", wrong

    async with Client(wire, retries=QUICK) as client:
        # The answer is lost, so it is asked again; under one key that is one change.
        lost = (await client.note(text="cut-once: Ada rides", tags=["bicycle"])).remember
        assert isinstance(lost, Written) and lost.repeated, lost
        too = (await client.remember(input=RememberInput(text="cut-once: Ada swims"))).remember
        assert isinstance(too, RememberPayload) and too.repeated
        await client.recall(text="cut-once and for all")
        try:
            await client.twice(input=RememberInput(text="cut-once: Ada sings"))
        except CutOff:
            pass
        else:
            raise AssertionError("what may be written twice is not asked twice")
        kept = (await client.since(from_=datetime(2020, 1, 1))).memories.nodes
        assert sorted(each.text or "" for each in kept if (each.text or "").startswith("cut")) == [
            "cut-once: Ada rides", "cut-once: Ada sings", "cut-once: Ada sings", "cut-once: Ada swims"
        ]

    async with Client(url, tenant="none") as client:
        try:
            await client.recall(text="tea")
        except Refused as refused:
            assert refused.code == "NOT_FOUND" and refused.request_id and refused.errors[0].path == ("search",), refused
    async with Client("http://127.0.0.1:1", retries=Retries(times=1, first=0.01)) as client:
        try:
            await client.twice(input=RememberInput(text="nobody is there"))
        except NotReached as error:
            assert "nobody answers" in str(error)
    async with Client(url + "/nowhere") as client:
        try:
            await client.recall(text="tea")
        except Refused as refused:
            assert (refused.status, refused.code) == (404, "NOT_HERE")


def go(url: str, wire: str, tea: str) -> None:
    with SyncClient(wire, retries=QUICK) as client:
        memory = client.memory_of(id=tea).memory
        assert memory is not None and memory.text == "Ada drinks tea"
        lost = client.note(text="cut-once: Ada dives").remember
        assert isinstance(lost, Written) and lost.repeated


asyncio.run(wait(*sys.argv[1:]))
go(*sys.argv[1:])
"""


def test_a_client_is_strict_and_asks(world: World, port: int) -> None:
    """Nothing is left untyped; what was recorded comes back; what is lost on the way is written once."""
    (world.folder / "uses.py").write_text(USES, "utf-8")
    assert strict(world.folder, "made", "uses.py") == []
    with wire(port) as cut:
        words = [sys.executable, "-W", "error", "uses.py", f"http://127.0.0.1:{port}", cut, world.tea]
        told = ran(words, world.folder)
    assert told.returncode == 0, told.stderr


WRONG = (
    "await client.recall(text=1)",
    "await client.recall()",
    "await client.recall('tea')",
    "await client.recall(text='tea', most=1)",
    "(await client.recall(text='tea')).search.embedder",
    "(await client.recall(text='tea')).search.edges[0].node.text",
    "(await client.memory_of(id='a')).memory.text",
    "(await client.memory_of(id='a', history=True)).memory.history[0]",
    "RememberInput(txt='a')",
    "RememberInput(text=None)",
    "await client.remember(input={'text': 'a'})",
    "(await client.remember(input=RememberInput(text='a'))).remember.problems",
    "await client.since(from_='2026-01-01')",
    "ItemFilter(status=StatusFilter(eq='DONE'))",
)


def test_what_is_wrong_is_found(world: World) -> None:
    """By mypy, each line: types, what is missing, what was not selected, unions that are not told apart."""
    head = [
        "from made.client import Client",
        "from made.inputs import ItemFilter, RememberInput, StatusFilter",
        "async def f(client: Client) -> None:",
    ]
    (world.folder / "wrong.py").write_text("\n".join([*head, *(f"    {each}" for each in WRONG)]) + "\n")
    said = strict(world.folder, "wrong.py")
    found = {int(line) for line in re.findall(r"^wrong\.py:(\d+): error", "\n".join(said), re.MULTILINE)}
    assert sorted(found) == [len(head) + number for number in range(1, len(WRONG) + 1)], said


def test_whatever_is_asked_is_strict(tmp_path: Path) -> None:
    """Odd names, and operations that nobody would write."""
    names = clients(tmp_path, "python", printed())
    assert strict(tmp_path, *names) == []
    told = ran(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length=120", "--select=F,I", "."], tmp_path
    )
    assert told.returncode == 0, told.stdout


def test_the_manual_is_right(tmp_path: Path) -> None:
    """Of its operations comes what its Python uses."""
    (tmp_path / "asked.graphql").write_text(block("graphql"), "utf-8")
    made(tmp_path / "app" / "memory", tmp_path / "asked.graphql")
    (tmp_path / "app" / "__init__.py").touch()
    (tmp_path / "uses.py").write_text(block("python"), "utf-8")
    assert strict(tmp_path, "app", "uses.py") == []


TICKING = """
import asyncio
import sys
from collections.abc import Callable

from ticks.answers import Unauthenticated
from ticks.client import Client
from ticks.client_sync import SyncClient
from ticks.results import TicksTick
from ticks.transport import Retries

QUICK = Retries(first=0.01, chance=lambda: 0.0)


def tokens() -> Callable[[], str]:
    made: list[str] = []

    def token() -> str:
        made.append(f"token {len(made)}")
        return made[-1]

    return token


async def wait(url: str) -> list[int]:
    seen: list[int] = []
    token = tokens()

    async def later() -> str:
        return token()

    async with Client(url, token=later, retries=QUICK) as client:
        async for told in client.ticks():
            assert isinstance(told.ticks, TicksTick) and told.ticks.said == "tick\\u2028\\u00e9", told
            seen.append(told.ticks.n)
    return seen


def go(url: str) -> list[int]:
    with SyncClient(url, token=tokens(), retries=QUICK) as client:
        return [told.ticks.n for told in client.ticks(from_="0") if isinstance(told.ticks, TicksTick)]


async def over(url: str) -> None:
    seen: list[int] = []
    async with Client(url, token="one", retries=QUICK) as client:
        try:
            async for told in client.ticks():
                seen.append(told.ticks.n if isinstance(told.ticks, TicksTick) else 0)
        except Unauthenticated as error:
            assert seen == [1, 2, 3] and "it is over" in str(error)
        else:
            raise AssertionError("a token that is over is told")


match sys.argv[1:]:
    case ["wait", url]:
        print(*asyncio.run(wait(url)))
    case ["go", url]:
        print(*go(url))
    case ["over", url]:
        asyncio.run(over(url))
"""


def test_a_subscription_goes_on_where_it_broke_off(world: World) -> None:
    """Through a server that is busy, one that says where to go on, a token that is over, and a stream that is cut."""
    (world.folder / "ticking.py").write_text(TICKING, "utf-8")
    assert strict(world.folder, "ticks", "ticking.py") == []
    for how in ("wait", "go"):
        with ticking() as (url, asked):
            told = ran([sys.executable, "-W", "error", "ticking.py", how, url], world.folder)
        assert told.returncode == 0, told.stderr
        assert told.stdout.split() == [str(number) for number in range(1, LAST + 1)]
        assert [each.get("from") or "0" for each in asked] == ["0", "0", "3", "3", "6", "9", "9"]
        assert [each["token"][-1:] for each in asked] == ["0", "0", "0", "1", "2", "2", "3"]
    with ticking() as (url, _):
        told = ran([sys.executable, "-W", "error", "ticking.py", "over", url], world.folder)
    assert told.returncode == 0, told.stderr
