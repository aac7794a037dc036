"""What one document, its variables and one principal may ask; how it is told; and that it costs nearly nothing."""

import json
import time
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from engine.clock import SystemClock
from engine.commands import Principal
from server.api import rates
from server.api.context import Desk
from server.api.rates import Rates
from server.api.schema import make_schema
from server.app import Requests
from server.bounds import RequestLimits
from server.endpoint import Endpoint
from server.identity import LOCAL, Identity, Scope, always

READER = Identity(Principal("usr_reader"), frozenset({Scope.READ}), key="reader")
ADMIN = Identity(Principal("usr_admin"), frozenset(Scope), key="admin")


def asking(caller: Any, identity: Identity, limits: RequestLimits | None = None) -> httpx.AsyncClient:
    """The same tenants, as they answer somebody else under other limits."""
    endpoint = Endpoint(Desk(caller.tenants), always(identity), "default", limits or RequestLimits())
    app = Starlette(routes=[Route("/graphql", endpoint)], middleware=[Middleware(Requests, clock=SystemClock())])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def ask(client: httpx.AsyncClient, query: str, **variables: Any) -> Any:
    return (await client.post("/graphql", json={"query": query, "variables": variables})).json()


DEEP = '{ node(id: "x") { ... on Memory { history { history { history { id } } } } } }'


@pytest.mark.parametrize(
    ("name", "most", "query"),
    [
        ("depth", 4, DEEP),
        ("depth", 3, "{ ...A } fragment A on Query { memories { nodes { history { id } } } }"),
        ("aliases", 2, "{ a: position b: position c: position }"),
        ("aliases", 2, "{ ...A ...A } fragment A on Query { a: position b: position }"),
        ("directives", 2, "{ position @skip(if: false) @include(if: true) catalog @skip(if: false) { version } }"),
        ("directives", 1, "query @skip(if: false) { position @skip(if: false) }"),
        ("directives", 1, "{ ...A ...A } fragment A on Query { position @skip(if: false) }"),
        ("root_fields", 2, "{ position a: position b: position }"),
        ("root_fields", 2, "{ position ...A ... { ...A } } fragment A on Query { a: position }"),
        ("selections", 3, '{ node(id: "x") { id id id id } }'),
        ("tokens", 5, "{ a: position b: position }"),
        ("document_characters", 100, f"{{ position # {'x' * 100}\n }}"),
        ("document_characters", 100, f'{{ memory(id: "{"x" * 100}") {{ id }} }}'),
    ],
)
async def test_a_document_beyond_a_limit(name: str, most: int, query: str) -> None:
    """Each has a name, which the error says; and just beneath it nothing is said."""
    (error,) = (await make_schema(RequestLimits(**{name: most})).execute(query)).errors or [None]  # type: ignore[list-item]
    assert error.extensions == {"code": "LIMIT_EXCEEDED"}
    assert f"`requests.{name}` ({most:,})" in error.message
    errors = (await make_schema(RequestLimits(**{name: most + 100})).execute(query)).errors or ()
    assert not [error for error in errors if (error.extensions or {}).get("code") == "LIMIT_EXCEEDED"]


@pytest.mark.parametrize(
    "query",
    [
        "{" + "position " * 3_900 + "}",
        "{" + "nodes(ids: []) { id } " * 400 + "}",
        '{ node(id: "x") {' + "... on Memory { relations(first: 1) { totalCount } } " * 190 + "} }",
        "{ a" * 1_900 + "}" * 1_900,
        "{ position(x: " + "[" * 1_900 + "]" * 1_900 + ") }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "{ ...F0 } " + "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }} " for n in range(300)),
        "query(" + "$a: Int " * 900 + ") { position }",
        "{ position " + "@include(if: true) " * 600 + "}",
        "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } }",
        "{ memories(first: " + "9" * 5_000 + ") { nodes { id } } }",
        '{ items(where: {text: {eq: 1' + "0" * 5_000 + "}}) { position } }",
        'mutation { remember(input: {text: "x", metadata: {n: 1' + "0" * 5_000 + "}}) { __typename } }",
        "{ position # " + "x" * 99_000 + "\n}",
        "#\n" * 45_000 + "{ position }",
    ],
)  # fmt: skip
async def test_no_document_takes_long(caller: Any, query: str) -> None:
    """What was made to be dear is refused, or answered, in the time of one blink; and never by a failure of ours."""
    await caller.do("remember", text="x")
    began = time.process_time()
    answer = await caller.http.post("/graphql", json={"query": query})
    assert time.process_time() - began < 1.5
    assert answer.status_code == 200
    codes = [error["extensions"]["code"] for error in answer.json().get("errors", ())]
    assert "INTERNAL" not in codes
    assert len(answer.content) < 200_000


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"p": [[[[[[0]]]]]]}, "variable_depth"),
        ({"p": {"a": {"a": {"a": {"a": {}}}}}}, "variable_depth"),
        ({"p": [0] * 100}, "variable_values"),
        ({"p": {str(n): n for n in range(100)}}, "variable_values"),
        ({"p": [[0] * 9] * 12}, "variable_values"),
    ],
)
async def test_variables_beyond_a_limit(variables: dict[str, Any], name: str) -> None:
    """Neither deep nor many; those of no use are counted too."""
    schema = make_schema(RequestLimits(variable_depth=4, variable_values=100))
    (error,) = (await schema.execute("{ __typename }", variable_values=variables)).errors or [None]  # type: ignore[list-item]
    assert error.extensions == {"code": "LIMIT_EXCEEDED"}
    assert f"`requests.{name}`" in error.message
    assert not (await schema.execute("{ __typename }", variable_values={"p": [[0]]})).errors


async def test_one_operation_a_request(caller: Any) -> None:
    """An array of them is refused, and it is said what to do."""
    answer = await caller.http.post("/graphql", json=[{"query": "{ position }"}] * 2)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "BATCHING_OFF"


# By role


async def test_who_may_ask_for_the_schema(caller: Any) -> None:
    """Administrators, unless it is set otherwise; this machine always; and the type of an answer everybody."""
    await caller.do("remember", text="x")
    for setting, reader, admin in (
        ("administrators", False, True), ("everyone", True, True), ("nobody", False, False),
    ):  # fmt: skip
        limits = RequestLimits(introspection=setting)
        for identity, may in ((READER, reader), (ADMIN, admin), (LOCAL, True)):
            client = asking(caller, identity, limits)
            for query in (
                "{ __schema { types { name } } }",
                '{ ...A } fragment A on Query { t: __type(name: "Memory") { name } }',
            ):
                answer = await ask(client, query)
                assert ("data" in answer) is may, (setting, identity.key)
                if not may:
                    assert answer["errors"][0]["extensions"]["code"] == "INTROSPECTION_FORBIDDEN"
            assert (await ask(client, "{ __typename memories { __typename } }"))["data"]["__typename"] == "Query"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ memorie { id } }", {}),
        ("{ memories(frst: 1) { position } }", {}),
        ("{ node(id: 1) { ... on Memori { id } } }", {}),
        ('{ items(where: {txt: {eq: "x"}}) { position } }', {}),
        ("query ($w: ItemFilter) { items(where: $w) { position } }", {"w": {"txt": 1}}),
        ("mutation ($i: RememberInput!) { remember(input: $i) { __typename } }", {"i": {"text": "x", "domain": "USR"}}),
        ("mutation ($i: RememberInput!) { remember(input: $i) { __typename } }", {"i": {"text": "x", "impotance": 1}}),
        ('mutation { remember(input: {text: "x", domain: USR}) { __typename } }', {}),
    ],
)
async def test_names_are_suggested_only_to_who_may_ask_for_them(
    caller: Any, query: str, variables: dict[str, Any]
) -> None:
    """Over and over, since what is kept of a document is kept for all."""
    await caller.do("remember", text="x")
    reader, admin = asking(caller, READER), asking(caller, ADMIN)
    for _ in range(2):
        assert "Did you mean" in json.dumps(await ask(admin, query, **variables))
        told = await ask(reader, query, **variables)
        assert told["errors"]
        assert "Did you mean" not in json.dumps(told)


# By the minute


async def test_who_asks_for_too_much_waits(caller: Any) -> None:
    """429 over HTTP, with when to ask again; counted by cost, for each principal alone."""
    await caller.do("remember", text="x")
    limits = RequestLimits(cost_per_minute=100)
    ada, bob = (asking(caller, Identity(Principal(name), frozenset(Scope), key=name), limits) for name in ("a", "b"))
    # One endpoint counts for all who come to it.
    bob._transport = ada._transport
    query = {"query": "{ memories(first: 38) { nodes { id } } }"}
    first = await ada.post("/graphql", json=query)
    assert first.headers["ratelimit"] == '"cost";r=56;t=60'
    assert first.headers["ratelimit-policy"] == '"cost";q=100;w=60'
    assert (await ada.post("/graphql", json=query)).status_code == 200
    refused = await ada.post("/graphql", json=query)
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    (error,) = refused.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < error["extensions"]["retryAfterMs"] <= 60_001
    assert "`requests.cost_per_minute` (100)" in error["message"]
    assert "data" not in refused.json()
    assert (await ada.post("/graphql", json={"query": "{ position }"})).status_code == 200


async def test_principals_do_not_share_a_minute() -> None:
    """Neither with each other nor with this machine."""
    counted = Rates(100)
    assert counted.spend("ada", 100) == 0
    assert counted.spend("ada", 1) > 0
    assert counted.spend("bob", 100) == 0
    schema = make_schema(RequestLimits(cost_per_minute=1))
    for _ in range(5):
        assert not (await schema.execute("{ __typename }")).errors
    schema = make_schema(RequestLimits(cost_per_minute=2, limit_local=True))
    assert not (await schema.execute("{ __typename }")).errors
    assert (await schema.execute("{ __typename }")).errors


async def test_to_read_a_document_counts(caller: Any) -> None:
    """Whatever comes of it: else documents that are none would be the cheapest way to keep a server busy."""
    await caller.do("remember", text="x")
    client = asking(caller, READER, RequestLimits(cost_per_minute=1_000))
    codes = []
    for n in range(4):
        (error,) = (await ask(client, f"{{ {'x' * 5_000} {n} }}"))["errors"]
        codes.append(error["extensions"]["code"])
    assert codes == ["GRAPHQL_SYNTAX", "GRAPHQL_SYNTAX", "RATE_LIMITED", "RATE_LIMITED"]


def test_a_window_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked a minute ago counts no more, and the wait that was told is the one that is needed."""
    now = [1_000.0]
    monkeypatch.setattr("limits.storage.memory.time.time", lambda: now[0])
    counted = Rates(10_000)
    assert counted.spend("ada", 6_000) == 0
    now[0] += 30
    assert counted.spend("ada", 4_000) == 0
    wait = counted.spend("ada", 5_000)
    assert 29_900 < wait < 30_100
    assert counted.spend("ada", 20_000) == 60_000
    now[0] += wait / 1_000
    assert counted.spend("ada", 5_000) == 0
    assert counted.spend("ada", 2_000) > 0


def test_counting_costs_microseconds() -> None:
    """A portion is taken out of the window, and small requests are paid from it."""
    counted = Rates(RequestLimits().cost_per_minute)
    began = time.process_time()
    for _ in range(20_000):
        counted.spend("ada", 22)
    assert (time.process_time() - began) / 20_000 < 20e-6


def test_few_open_portions_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of however many principals."""
    monkeypatch.setattr(rates, "KEPT", 100)
    counted = Rates(1_000_000)
    for n in range(500):
        assert counted.spend(str(n), 1) == 0
    assert len(counted._open) == 100


async def test_all_of_it_costs_little(caller: Any) -> None:
    """The least that can be asked, with every limit on, takes a tenth of a millisecond; far more here, under load."""
    schema = make_schema(RequestLimits(limit_local=True))
    best = 1.0
    for _ in range(30):
        began = time.process_time()
        for _ in range(20):
            await schema.execute("{ __typename }")
        best = min(best, (time.process_time() - began) / 20)
    assert best < 0.5e-3
