"""What an operation costs: told before anything is done, from its document and its variables."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, build_schema, is_leaf_type, parse
from graphql.type import get_named_type

from server.api import documents
from server.api.cost import MOST, cost_of, tariff
from server.api.documents import Documents
from server.api.schema import Schema, make_schema, printed
from server.bounds import RequestLimits
from server.commands.showing import NODE


@pytest.fixture(scope="module")
def schema() -> Schema:
    return make_schema(RequestLimits())


def cost(schema: Schema, text: str, limits: RequestLimits | None = None, /, **variables: Any) -> int:
    prepared = Documents(schema._schema, limits or RequestLimits()).get(text)
    assert not prepared.errors, prepared.errors
    (told,) = prepared.tariffs.values()
    assert told
    return told.cost(variables)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{ __typename position }", 0),
        ('{ memory(id: "x") { id text } }', 1),
        ('{ memory(id: "x") { stream { id } } }', 2),
        ("{ memories { nodes { id } } }", 2 + 20),
        ("{ memories(first: 7) { nodes { id } edges { node { id } } pageInfo { endCursor } } }", 2 + 7),
        ("{ memories(first: 0) { nodes { id } } }", 2),
        ("{ memories(first: -5) { nodes { id } } }", 2),
        ("{ memories(first: 3) { nodes { relations(first: 10) { nodes { source { id } } } } } }",
         2 + 3 * (1 + 2 + 10 * (1 + 1))),
        ("{ memories(first: 3) { nodes { history { id } } } }", 2 + 3 * (1 + 2 + 5)),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 1 + 3),
        ('{ nodes(ids: "a") { id } }', 1 + 1),
        ('{ search(input: {text: "x"}) { edges { score } } }', 20 + 10),
        ('{ memql(query: "RETURN 1") { __typename } }', 100),
        ('{ memories(first: 4) { nodes { a: text b: text text } } }', 2 + 4 * (1 + 2)),
        ('mutation { recordEvents(input: {stream: "x", events: [{content: "a"}, {content: "b"}]}) { __typename } }',
         10 + 2),
        ("{ memories(first: 3) @skip(if: true) { nodes { id } } position }", 0),
        ("{ memories(first: 3) @include(if: true) { nodes { id } } position }", 2 + 3),
        ("{ ...P } fragment P on Query { memories(first: 3) { nodes { ...I } } } fragment I on Item { history { id } }",
         2 + 3 * (1 + 2 + 5)),
        ("{ ... on Query { ... { memories(first: 3) { nodes { id } } } } }", 2 + 3),
    ],
)  # fmt: skip
def test_what_things_cost(schema: Schema, text: str, wanted: int) -> None:
    """Weights once, rows as often as asked for, defaults heeded."""
    assert cost(schema, text) == wanted


@pytest.mark.parametrize(
    ("text", "variables", "wanted"),
    [
        ("query ($n: Int!) { memories(first: $n) { nodes { id } } }", {"n": 50}, 2 + 50),
        ("query ($n: Int! = 8) { memories(first: $n) { nodes { id } } }", {}, 2 + 8),
        ("query ($n: Int! = 8) { memories(first: $n) { nodes { id } } }", {"n": 9}, 2 + 9),
        ("query ($n: Int!) { memories(first: $n) { nodes { id } } }", {"n": "many"}, 2 + 20),
        ("query ($n: Int!) { memories(first: $n) { nodes { id } } }", {"n": -1}, 2),
        ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["a"] * 30}, 1 + 30),
        ("query ($id: ID!) { nodes(ids: [$id, $id]) { id } }", {"id": "a"}, 1 + 2),
        ("query ($b: Boolean!) { memories(first: 3) @skip(if: $b) { nodes { id } } }", {"b": True}, 0),
        ("query ($b: Boolean!) { memories(first: 3) @skip(if: $b) { nodes { id } } }", {"b": False}, 5),
        ("query ($b: Boolean! = true) { memories(first: 3) @skip(if: $b) { nodes { id } } position }", {}, 0),
        ("mutation ($input: RecordEventsInput!) { recordEvents(input: $input) { __typename } }",
         {"input": {"stream": "x", "events": [{"content": "a"}] * 40}}, 10 + 40),
        ("mutation ($e: [EventInput!]!) { recordEvents(input: {stream: \"x\", events: $e}) { __typename } }",
         {"e": [{"content": "a"}] * 40}, 10 + 40),
    ],
)  # fmt: skip
def test_variables_are_heeded(schema: Schema, text: str, variables: dict[str, Any], wanted: int) -> None:
    """Also those inside of inputs, and their defaults; what is no number is not counted, and refused elsewhere."""
    assert cost(schema, text, **variables) == wanted


@pytest.mark.parametrize(("levels", "wanted"), [(40, 2 + 20 * (1 + 2**40 * 7)), (60, MOST)])
def test_a_bomb_of_fragments_is_read_as_fast_as_its_text(schema: Schema, levels: int, wanted: int) -> None:
    """Each is summed up once, however often it is spread; and what no JSON could hold is told as the most."""
    fragments = "".join(
        f"fragment F{n} on Item {{ ...F{n + 1} ... on Item {{ ...F{n + 1} }} }} " for n in range(levels)
    )
    text = f"{{ memories {{ nodes {{ ...F0 }} }} }} {fragments} fragment F{levels} on Item {{ history {{ id }} }}"
    began = time.process_time()
    assert cost(schema, text, RequestLimits(selections=10**60)) == wanted
    assert time.process_time() - began < 2


def test_a_document_is_read_once(schema: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time neither parsed nor validated; and of its cost only another number is a new sum."""
    parsed, validated = counted(monkeypatch, "parse"), counted(monkeypatch, "validate")
    kept = Documents(schema._schema, RequestLimits())
    text = "query ($n: Int!) { memories(first: $n) { nodes { id } } }"
    first = kept.get(text)
    assert kept.get(text) is first
    assert [len(parsed), len(validated)] == [1, 1]
    (told,) = first.tariffs.values()
    assert told
    assert [told.cost({"n": n}) for n in (1, 2, 1, 2, 1)] == [3, 4, 3, 4, 3]
    assert len(told._sums) == 2
    for n in range(500):
        told.cost({"n": n})
    assert len(told._sums) <= 64


async def test_the_schema_reads_a_document_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Strawberry would do itself; a wrong one too, and whoever asks."""
    schema = make_schema(RequestLimits())
    parsed, validated = counted(monkeypatch, "parse"), counted(monkeypatch, "validate")
    monkeypatch.setattr("strawberry.schema.schema.parse", lambda *given, **named: pytest.fail("parsed again"))
    monkeypatch.setattr("strawberry.schema.schema.validate", lambda *given, **named: pytest.fail("validated again"))
    for _ in range(3):
        assert (await schema.execute("{ __typename }")).data == {"__typename": "Query"}
        assert (await schema.execute("{ nothing }")).errors
        assert (await schema.execute("{")).errors
    assert [len(parsed), len(validated)] == [3, 3]


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """A line for each call."""
    calls: list[str] = []
    real: Callable[..., Any] = getattr(documents, name)

    def counting(*given: Any, **named: Any) -> Any:
        calls.append(name)
        return real(*given, **named)

    monkeypatch.setattr(documents, name, counting)
    return calls


def test_what_is_kept_has_a_bound(schema: Schema) -> None:
    """By characters, the one unused for longest first."""
    kept = Documents(schema._schema, RequestLimits(kept_characters=200))
    texts = [f"{{ a{n}: position {' ' * 50} }}" for n in range(10)]
    first = kept.get(texts[0])
    for text in texts[1:]:
        kept.get(text)
    assert kept._characters <= 200
    assert kept.get(texts[0]) is not first


async def test_beyond_the_bound(serving: Callable[..., Any]) -> None:
    """The error says the cost, the bound and where most of it is; an answer says what it cost if it is asked to."""
    async with serving(requests={"cost": 1_000}) as caller:
        await caller.do("remember", text="x")
        query = "query ($n: Int!) { position memories(first: 2) { nodes { relations(first: $n) { nodes { id } } } } }"
        assert "extensions" not in (await caller.post(query, None, n=5)).json()
        body = {"query": query, "variables": {"n": 5}, "extensions": {"cost": True}}
        answer = (await caller.http.post("/graphql", json=body)).json()
        assert answer["extensions"] == {"cost": {"requested": 2 + 2 * (1 + 2 + 5), "limit": 1_000}}
        refused = (await caller.post(query, None, n=900)).json()
        (error,) = refused["errors"]
        assert "data" not in refused
        assert error["extensions"] | {"requestId": ""} == {
            "code": "COST_EXCEEDED", "cost": 1_808, "limit": 1_000, "dearest": "memories.nodes.relations",
            "requestId": "",
        }  # fmt: skip
        assert error["message"] == (
            "this operation costs 1,808, more than `requests.cost` allows (1,000); most of it is "
            "`memories.nodes.relations` (1,804): ask for fewer there"
        )


async def test_it_holds_for_operations_on_streams(schema: Schema) -> None:
    """Over WebSocket and SSE an operation goes by another way through Strawberry, and meets the same."""
    schema = make_schema(RequestLimits(cost=10))
    results: list[Any] = [each async for each in await schema.stream("{ memories { nodes { id } } }")]
    assert [error.extensions["code"] for each in results for error in each.errors] == ["COST_EXCEEDED"]


def test_our_own_documents_are_cheap(schema: Schema) -> None:
    """What the command line asks is far from any bound."""
    assert cost(schema, NODE, relations=50) < 5_000


def test_pages_say_what_they_cost(schema: Schema) -> None:
    """A field that takes `first` or `last` counts by it; only what a query of MemQL costs is bounded as it runs."""
    for where, field in fields(schema):
        pages = [name for name in ("first", "last") if name in field.args and where != "memql"]
        told = cost_of(field)
        if pages and not is_leaf_type(get_named_type(field.type)):
            assert told
            assert set(pages) <= set(told.multipliers or ())


def fields(schema: Schema) -> Iterator[tuple[str, Any]]:
    for of in schema._schema.type_map.values():
        if isinstance(of, GraphQLObjectType | GraphQLInterfaceType) and not of.name.startswith("__"):
            yield from of.fields.items()


def test_the_printed_schema_says_it(schema: Schema) -> None:
    """Each cost stands behind its field; multipliers name arguments that are there."""
    shown = build_schema(printed())
    for of in schema._schema.type_map.values():
        if not isinstance(of, GraphQLObjectType | GraphQLInterfaceType) or of.name.startswith("__"):
            continue
        for name, field in of.fields.items():
            told, node = cost_of(field), shown.type_map[of.name].fields[name].ast_node  # type: ignore[attr-defined]
            assert bool(told) == bool([each for each in node.directives or () if each.name.value == "cost"]), name
            for multiplier in (told.multipliers if told else None) or ():
                argument, *path = multiplier.split(".")
                inner = get_named_type(field.args[argument].type)
                for step in path:
                    inner = get_named_type(inner.fields[step].type)


def test_a_sum_is_that_of_its_parts(schema: Schema) -> None:
    """For random selections: what stands beside each other adds up, what is beneath is multiplied."""
    chance = random.Random(7)
    for _ in range(200):
        counts = [chance.randint(0, 30) for _ in range(chance.randint(1, 4))]
        inner, wanted = "id", 0
        for n in counts:
            inner, wanted = f"relations(first: {n}) {{ nodes {{ source {{ {inner} }} }} }}", 2 + n * (1 + 1 + wanted)
        text = f'{{ a: memory(id: "x") {{ {inner} }} b: memory(id: "x") {{ {inner} }} }}'
        document = parse(text)
        told = tariff(schema._schema, document, document.definitions[0])  # type: ignore[arg-type]
        assert told
        assert told.cost({}) == 2 * (1 + wanted)
