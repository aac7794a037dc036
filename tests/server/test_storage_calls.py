"""What a field of Query asks the stores: as often as it has levels, however many rows there are."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.adjacency import Adjacency
from engine.reader import Reader
from server.api.answers import Answer
from server.api.context import Context


class Calls:
    """Statements that SQLite ran for readers, and expansions in memory."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.expansions = 0

    @property
    def counted(self) -> tuple[int, int]:
        return len(self.statements), self.expansions


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """Counts from where a reader is handed over; the stores are the real ones."""
    calls, answer, expand = Calls(), Context.answer, Adjacency.expand
    watched: list[Any] = []

    def answering(self: Context, reader: Reader) -> Answer:
        reader.index.db.set_trace_callback(calls.statements.append)
        watched.append(reader.index.db)
        return answer(self, reader)

    def expanding(self: Adjacency, *args: Any, **kwargs: Any) -> Any:
        calls.expansions += 1
        return expand(self, *args, **kwargs)

    monkeypatch.setattr(Context, "answer", answering)
    monkeypatch.setattr(Adjacency, "expand", expanding)
    yield calls
    for db in watched:
        db.set_trace_callback(None)


async def told(caller: Any, events: int) -> int:
    """A memory of each event, a relation between each two that follow; the position of the last. All has been read
    once: the names of kinds and owners are read with the first row of all."""
    asked = [{"content": f"Event {n} of tea.", "externalKey": f"e{events}-{n}"} for n in range(events)]
    recorded = await caller.do("recordEvents", stream=f"s{events}", events=asked)
    before: str | None = None
    position: int = recorded["position"]
    for n, event in enumerate(recorded["ids"]):
        links = [{"kind": "DERIVED_FROM", "target": event}]
        links += [{"kind": "FOLLOWS", "target": before}] if before else []
        made = await caller.do("remember", text=f"Tea, number {n}.", links=links)
        (before,), position = made["ids"], made["position"]
    await caller.ask("query ($at: Position!) { memories(first: 1, atLeast: $at) { nodes { id } } }", None, at=position)
    return position


@pytest.mark.parametrize(
    ("selection", "statements", "expansions"),
    [
        ("nodes { id text tags validFrom }", 1, 0),
        ("edges { cursor node { id } } pageInfo { hasNextPage }", 1, 0),
        ("nodes { id relations { totalCount nodes { kind weight } } }", 3, 1),  # items, relations, their ends
        ("nodes { id relations { edges { other { id relations { edges { other { id } } } } } } }", 5, 2),
        ("nodes { id sources { content } }", 2, 2),  # a step to the events, and one that finds there is nothing behind
        ("nodes { id history { version } }", 2, 0),
        ("nodes { id stream { name } }", 2, 0),
    ],
)
async def test_a_level_is_one_call(caller: Any, calls: Calls, selection: str, statements: int, expansions: int) -> None:
    """One for the rows of the field, one for each level beneath: of three rows and of thirty."""
    counted = []
    for events in (3, 30):
        position = await told(caller, events)
        calls.statements.clear()
        calls.expansions = 0
        query = f"query ($position: Position!) {{ memories(first: 100, atLeast: $position) {{ {selection} }} }}"
        await caller.ask(query, None, position=position)
        counted.append(calls.counted)
    assert counted == [(statements, expansions)] * 2, calls.statements


async def test_a_search_is_one_call_a_level(caller: Any, calls: Calls) -> None:
    """The hits are read in one call and their sources in another, of three hits and of thirty."""
    counted = []
    query = """query ($input: SearchInput!) { search(input: $input, first: 30) {
        edges { score node { id } sources { content } explanation { parts { signal share } } }
    } }"""
    for events in (3, 30):
        position = await told(caller, events)
        calls.statements.clear()
        calls.expansions = 0
        await caller.ask(query, None, input={"text": "tea", "kinds": ["Memory"], "atLeast": position})
        counted.append(calls.counted)
    assert counted[0] == counted[1], calls.statements
