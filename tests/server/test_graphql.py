"""GraphQL over HTTP: what is written is read again, with where it came from; what can't be done is said in words."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from graphql import GraphQLSchema, build_client_schema, build_schema, get_introspection_query

from server.api.schema import printed

SEARCH = """
    query ($input: SearchInput!, $first: Int! = 10, $after: String) {
        search(input: $input, first: $first, after: $after) {
            embedder notices position
            edges { score node { __typename id ... on Memory { text } } sources { id externalKey content } }
            pageInfo { hasNextPage endCursor }
        }
    }
"""


async def told(caller: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two events, and a memory that was made from the first."""
    events = await caller.do(
        "recordEvents",
        stream="talk",
        events=[
            {"content": "Ada: I always drink green tea.", "role": "user", "externalKey": "m1"},
            {"content": "Noted.", "role": "assistant", "replyTo": "m1"},
        ],
    )
    memory = await caller.do(
        "remember",
        text="Ada prefers green tea to coffee.",
        tags=["drinks"],
        importance=0.7,
        links=[{"kind": "DERIVED_FROM", "target": events["ids"][0]}],
    )
    return events, memory


async def test_what_is_written_is_found_at_once_and_leads_back(caller: Any) -> None:
    """Read your writes: the position of the receipt is waited for, and the answer names the sentence it came from."""
    events, memory = await told(caller)
    asked = {"text": "what does Ada drink?", "kinds": ["Memory"], "atLeast": memory["position"]}
    found = (await caller.ask(SEARCH, None, input=asked))["search"]
    (edge,) = found["edges"]
    assert (found["embedder"], len(found["notices"])) == ("none", 1)
    assert found["position"] >= memory["position"]
    assert edge["node"] == {
        "__typename": "Memory",
        "id": memory["ids"][0],
        "text": "Ada prefers green tea to coffee.",
    }
    assert edge["sources"] == [
        {"id": events["ids"][0], "externalKey": "m1", "content": "Ada: I always drink green tea."}
    ]


async def test_an_answer_shows_what_it_wrote(caller: Any) -> None:
    """In the order of the input, with all that may be asked of an item; an event that is known is not written again."""
    document = """
        mutation ($input: RecordEventsInput!) {
            recordEvents(input: $input) {
                ... on RecordEventsPayload {
                    position repeated ids
                    events { id kind version content role domain owner validTo retiredAt stream { name } replyTo }
                }
            }
        }
    """
    first = {"content": "one", "externalKey": "k1"}
    asked = {"stream": "talk", "events": [first, {"content": "two", "replyTo": "k1"}], "idempotencyKey": "a"}
    answer = (await caller.ask(document, None, input=asked))["recordEvents"]
    assert [event["content"] for event in answer["events"]] == ["one", "two"]
    assert [event["id"] for event in answer["events"]] == answer["ids"]
    assert answer["events"][1]["replyTo"] == answer["ids"][0]
    assert answer["events"][0] == {
        "id": answer["ids"][0], "kind": "Event", "version": 1, "content": "one", "role": None, "domain": "USER",
        "owner": "local", "validTo": None, "retiredAt": None, "stream": {"name": "talk"}, "replyTo": None,
    }  # fmt: skip
    again = (await caller.ask(document, None, input=asked))["recordEvents"]
    assert again == answer | {"repeated": True}
    asked = {"stream": "talk", "events": [{"content": "three"}, first]}
    mixed = (await caller.ask(document, None, input=asked))["recordEvents"]
    assert [event["content"] for event in mixed["events"]] == ["three", "one"]
    asked = {"stream": "talk", "events": [first, {"content": "four"}, first, {"content": "five"}]}
    mixed = (await caller.ask(document, None, input=asked))["recordEvents"]
    assert [event["content"] for event in mixed["events"]] == ["one", "four", "one", "five"]


async def test_history_and_as_of(caller: Any) -> None:
    """A correction adds a version; earlier ones are read by position or by time, and in the history."""
    _, memory = await told(caller)
    (id_,) = memory["ids"]
    revised = await caller.do("reviseItem", id=id_, set={"text": "Ada prefers black tea."}, ifVersion=1)
    query = """
        query ($id: ID!, $asOf: AsOf) {
            memory(id: $id, asOf: $asOf) { version text retiredAt history { version ... on Memory { text } } }
        }
    """
    now = (await caller.ask(query, None, id=id_))["memory"]
    assert (now["version"], now["text"]) == (2, "Ada prefers black tea.")
    assert [each["version"] for each in now["history"]] == [1, 2]
    for as_of in ({"position": memory["position"]}, {"time": memory["recordedAt"]}):
        then = (await caller.ask(query, None, id=id_, asOf=as_of))["memory"]
        assert (then["version"], then["text"], then["retiredAt"]) == (1, "Ada prefers green tea to coffee.", None)
        assert [each["version"] for each in then["history"]] == [1]
    assert (await caller.ask(query, None, id=id_, asOf={"time": "2020-01-01"}))["memory"] is None
    assert revised["ids"] == [id_]


async def test_relations_with_their_ends(caller: Any) -> None:
    """From either end, filtered by kind, a page at a time; and a relation is a node of its own."""
    _, memory = await told(caller)
    (tea,) = memory["ids"]
    others = [(await caller.do("nameEntity", name=name))["ids"][0] for name in ("Ada", "tea", "coffee")]
    relations = [
        (await caller.do("relate", source=tea, kind="MENTIONS", target=other, weight=0.5))["ids"][0] for other in others
    ]
    query = """
        query ($id: ID!, $after: String) {
            node(id: $id) {
                ... on Item {
                    mentioned: relations(direction: OUT, kinds: ["MENTIONS"], first: 2, after: $after) {
                        totalCount
                        edges { cursor node { id kind weight source { id } } other { ... on Entity { name } } }
                        pageInfo { hasNextPage hasPreviousPage endCursor }
                    }
                    all: relations { totalCount nodes { kind target { kind } } }
                    none: relations(direction: IN) { totalCount }
                }
            }
        }
    """
    first = (await caller.ask(query, None, id=tea))["node"]
    assert first["mentioned"]["totalCount"] == 3
    assert [edge["other"]["name"] for edge in first["mentioned"]["edges"]] == ["Ada", "tea"]
    assert first["mentioned"]["edges"][0]["node"] == {
        "id": relations[0], "kind": "MENTIONS", "weight": 0.5, "source": {"id": tea},
    }  # fmt: skip
    assert [node["target"]["kind"] for node in first["all"]["nodes"]] == ["Event", "Entity", "Entity", "Entity"]
    assert first["none"]["totalCount"] == 0
    page = first["mentioned"]["pageInfo"]
    assert (page["hasNextPage"], page["hasPreviousPage"]) == (True, False)
    second = (await caller.ask(query, None, id=tea, after=page["endCursor"]))["node"]["mentioned"]
    assert [edge["other"]["name"] for edge in second["edges"]] == ["coffee"]
    assert second["pageInfo"]["hasNextPage"] is False
    relation = "query ($id: ID!) { node(id: $id) { id ... on Relation { kind target { ... on Entity { name } } } } }"
    found = (await caller.ask(relation, None, id=relations[1]))["node"]
    assert found == {"id": relations[1], "kind": "MENTIONS", "target": {"name": "tea"}}


async def test_the_same_field_asked_twice_is_one(caller: Any) -> None:
    """Fragments may ask for different parts of it, and other types for the same name with other arguments."""
    _, memory = await told(caller)
    query = """
        query ($id: ID!, $no: Boolean!) {
            node(id: $id) {
                ... on Memory { found: relations(first: 1) { edges { other { id } } } }
                ...Rest
                ... on Goal { found: relations(first: 7) { totalCount } }
                ... on Item @skip(if: true) { sources { id } }
                ... on Item { history @include(if: $no) { id } }
            }
        }
        fragment Rest on Memory {
            found: relations(first: 1) { edges { node { kind } other { ... on Event { stream { name } } } } }
        }
    """
    node = (await caller.ask(query, None, id=memory["ids"][0], no=False))["node"]
    (edge,) = node["found"]["edges"]
    assert edge["node"] == {"kind": "DERIVED_FROM"}
    assert edge["other"]["stream"] == {"name": "talk"}
    assert node.keys() == {"found"}


async def test_pages_neither_skip_nor_repeat(caller: Any) -> None:
    """Whatever is written between two pages: they are read at one position."""
    for n in range(5):
        await caller.do("remember", text=f"fact {n}")
    query = """
        query ($after: String) {
            memories(first: 2, after: $after) { nodes { text } position pageInfo { hasNextPage endCursor } }
        }
    """
    seen, after, positions, more = [], None, set(), True
    while more:
        page = (await caller.ask(query, None, after=after))["memories"]
        seen += [node["text"] for node in page["nodes"]]
        positions.add(page["position"])
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        await caller.do("remember", text="written meanwhile")
    assert seen == [f"fact {n}" for n in range(5)]
    assert len(positions) == 1


async def test_pages_of_a_search(caller: Any) -> None:
    """The best first, equal ones in the order they were recorded, and each once."""
    for n in range(7):
        last = await caller.do("remember", text="tea " * (1 + n % 3))
    asked: dict[str, Any] = {"first": 3}
    seen: list[tuple[float, str]] = []
    more = True
    while more:
        input_ = {"text": "tea", "atLeast": last["position"]}
        page = (await caller.ask(SEARCH, None, input=input_, **asked))["search"]
        seen += [(-edge["score"], edge["node"]["id"]) for edge in page["edges"]]
        asked["after"], more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert len(seen) == 7
    assert seen == sorted(seen)


async def test_events_of_a_stream(caller: Any) -> None:
    """By the stream's name or id; a stream that is not there is said to be missing, not empty."""
    await told(caller)
    await caller.do("recordEvents", stream="other", events=[{"content": "elsewhere"}])
    query = "query ($stream: String) { events(stream: $stream) { nodes { content stream { id } } } }"
    nodes = (await caller.ask(query, None, stream="talk"))["events"]["nodes"]
    assert len(nodes) == 2
    by_id = (await caller.ask(query, None, stream=nodes[0]["stream"]["id"]))["events"]["nodes"]
    assert by_id == nodes
    assert len((await caller.ask(query, None))["events"]["nodes"]) == 3
    (error,) = await caller.errors(query, None, stream="tlak")
    assert (error["extensions"]["code"], error["message"]) == ("NOT_FOUND", "no stream `tlak`")


async def test_every_command_has_its_mutation(caller: Any) -> None:
    """From declaring a kind to erasing an item; what ended is still shown by the answer that ended it."""
    await caller.do("openStream", name="mine", domain="AGENT", metadata={"from": "a test"})
    await caller.do("declareKind", name="Paper", text="title", properties=[{"name": "title", "type": "string"}])
    await caller.do("declareProperty", kind="Paper", name="year", type="integer")
    await caller.do("declareProperty", kind="Paper", name="seen", type="datetime")
    await caller.do("declareRelationKind", name="CITES", acyclic=True)
    await caller.do("declareLabel", label="Read")
    one, two = [
        (await caller.do("addItem", kind="Paper", labels=["Read"], properties={"title": title, "year": 2024}))["ids"][0]
        for title in ("On Memory", "On Forgetting")
    ]
    await caller.do("reviseItem", id=one, set={"seen": "2026-03-14T09:26:53+02:00"}, reason="read it again")
    (cites,) = (await caller.do("relate", source=one, kind="CITES", target=two))["ids"]
    await caller.do("reviseRelation", id=cites, weight=0.25)
    await caller.do("retireRelation", id=cites)
    await caller.do("supersedeItem", id=two, by=one)
    (goal,) = (await caller.do("setGoal", title="Read more", status="ACTIVE", dueAt="2027-01-01"))["ids"]
    await caller.do("addTask", title="Buy a lamp", partOf=goal, progress=0.5)
    await caller.do("deriveInsight", text="Papers cite papers.", embedding={"model": "toy", "vector": [1, 0]})
    await caller.do("retireItem", id=goal)
    await caller.do("setCatalog", open=True)
    await caller.do("addItem", kind="Poem", properties={"line": "so much depends"})
    shown = "query ($id: ID!) { node(id: $id) { ... on CustomItem { kind labels version properties } } }"
    assert (await caller.ask(shown, None, id=one))["node"] == {
        "kind": "Paper", "labels": ["Read"], "version": 2,
        "properties": {"title": "On Memory", "year": 2024, "seen": "2026-03-14T07:26:53Z"},
    }  # fmt: skip
    goals = "query ($id: ID!, $as: AsOf) { node(id: $id, asOf: $as) { ... on Goal { status dueAt } } }"
    assert (await caller.ask(goals, None, id=goal))["node"] is None
    erase = """
        mutation ($id: ID!) {
            eraseItem(input: {id: $id}) { ... on EraseItemPayload { item { erased retiredAt properties } } }
        }
    """
    item = (await caller.ask(erase, None, id=one))["eraseItem"]["item"]
    assert item["erased"] is True
    assert item["retiredAt"] is not None
    assert item["properties"] == {}


async def test_refusals_are_answers(caller: Any) -> None:
    """Each with a type to branch on, the place in the input as the caller wrote it, and a way on."""
    refused = await caller.refused("recordEvents", stream="s", events=[{"content": ""}, {"content": "x", "role": ""}])
    assert refused["__typename"] == "InvalidInput"
    assert [problem["place"] for problem in refused["problems"]] == ["events[0].content", "events[1].role"]
    refused = await caller.refused("relate", source="mem_x", kind="MENTIONS", target="mem_y")
    assert (refused["__typename"], refused["problems"][0]["code"]) == ("NotFound", "NOT_FOUND")
    (id_,) = (await caller.do("remember", text="one", externalKey="k"))["ids"]
    refused = await caller.refused("remember", text="two", externalKey="k")
    assert refused["__typename"] == "Conflict"
    assert refused["problems"][0]["place"] == "externalKey"
    refused = await caller.refused("reviseItem", id=id_, set={"not_declared": 1}, ifVersion=1)
    assert refused["problems"][0]["place"] == "set.not_declared"
    refused = await caller.refused("recordEvents", stream="s", events=[{"content": "x"}] * 1001)
    assert refused["__typename"] == "LimitExceeded"
    refused = await caller.refused("remember", text="x", metadata="no map")
    assert refused["problems"][0]["place"] == "metadata"


async def test_tenants_do_not_mix(caller: Any) -> None:
    """The header names the tenant; one that nobody wrote to does not exist, and a name must be one."""
    document = 'mutation { remember(input: {text: "of one"}) { ... on Receipt { ids } } }'
    (id_,) = (await caller.ask(document, "one"))["remember"]["ids"]
    query = "query ($id: ID!) { memory(id: $id) { text } memories { nodes { id } } }"
    assert (await caller.ask(query, "one", id=id_))["memory"] == {"text": "of one"}
    (error, _) = await caller.errors(query, "two", id=id_)
    assert (error["extensions"]["code"], error["message"]) == ("NOT_FOUND", "no tenant `two`")
    await caller.ask(document, "two")
    assert (await caller.ask(query, "two", id=id_))["memory"] is None
    (error,) = await caller.errors("{ position }", "../one")
    assert error["extensions"]["code"] == "BAD_TENANT"
    refused = (await caller.ask('mutation { declareLabel(input: {label: "x"}) { __typename } }', "No"))["declareLabel"]
    assert refused["__typename"] == "InvalidInput"
    assert caller.tenants.names() == ["one", "two"]


async def test_a_position_beyond_the_last_is_not_waited_for_forever(serving: Callable[..., Any]) -> None:
    """The limit has a name, and the error says it."""
    async with serving(limits={"wait_ms": 50}) as caller:
        await caller.do("remember", text="x")
        (error,) = await caller.errors("{ memories(atLeast: 99) { position } }")
        assert error["extensions"]["code"] == "NOT_YET"
        assert "position 99 is not reached" in error["message"]


async def test_limits_have_names(serving: Callable[..., Any]) -> None:
    """Each is told by the setting that moves it."""
    async with serving(
        requests={"depth": 6, "tokens": 60, "aliases": 2, "body_bytes": 4_096, "rows": 5}, limits={"read_rows": 10}
    ) as caller:
        await told(caller)
        deep = "{ items { nodes { relations { nodes { target { relations { totalCount } } } } } } }"
        for query, name in (
            (deep, "requests.depth"),
            ("{ a: position b: position c: position }", "requests.aliases"),
            ("{" + " position" * 60 + "}", "requests.tokens"),
            ("{ items(first: 5) { nodes { relations(first: 5) { nodes { id } } } } }", "requests.rows"),
            ("{ memories(first: 10) { position } }", "read_rows"),
            ('{ search(input: {text: "x"}, first: 10) { position } }', "read_rows"),
        ):
            (error,) = await caller.errors(query)
            assert error["extensions"]["code"] == "LIMIT_EXCEEDED", query
            assert f"`{name}`" in error["message"]
        long = await caller.post("{ position }", None, padding="x" * 5_000)
        assert long.status_code == 413
        assert "`requests.body_bytes`" in long.json()["errors"][0]["message"]


async def test_a_kind_that_is_not_there_is_said(caller: Any) -> None:
    """With a name that is near; only an open catalog takes any name."""
    _, memory = await told(caller)
    query = 'query ($id: ID!) { node(id: $id) { ... on Item { relations(kinds: "MENTION") { totalCount } } } }'
    for document, code, hint in (
        ('{ items(kinds: "Memery") { position } }', "UNKNOWN_KIND", "did you mean `Memory`?"),
        ('{ search(input: {text: "x", kinds: "Goals"}) { position } }', "UNKNOWN_KIND", "did you mean `Goal`?"),
        (query, "UNKNOWN_RELATION", "did you mean `MENTIONS`?"),
    ):
        (error,) = await caller.errors(document, None, **({"id": memory["ids"][0]} if "$id" in document else {}))
        (problem,) = error["extensions"]["problems"]
        assert (problem["code"], problem["place"], problem["hint"]) == (code, "kinds", hint)
    await caller.do("setCatalog", open=True)
    assert (await caller.ask(query, None, id=memory["ids"][0]))["node"] == {"relations": {"totalCount": 0}}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"[{}]", b'"x"', b"1", b"null", b"{}", b"\xff", b'{"query": 5}', b'{"query": null}',
     b'{"query": "{a}", "variables": 1}', b'{"query": "{ position }", "variables": []}',
     b'{"query": "{ position }", "variables": "x"}', b'{"query": "{ position }", "operationName": 5}',
     b'{"query": "{ position }", "extensions": 5}', b'{"query": "\\ud800"}',
     b'{"query": "query A { position } query B { position }", "operationName": "C"}',
     b'{"query": "query A { position } query B { position }"}', b'{"query": "subscription { x }"}'],
)  # fmt: skip
async def test_bodies_that_are_no_request(caller: Any, body: bytes) -> None:
    """Each is a caller's mistake, told as one."""
    await caller.do("declareLabel", label="x")
    answer = await caller.http.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert answer.status_code < 500, answer.text
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] in ("BAD_REQUEST", "BATCHING_OFF", "GRAPHQL_INVALID", "GRAPHQL_SYNTAX")
    assert "Traceback" not in answer.text


async def test_the_schema_can_be_asked_for(caller: Any) -> None:
    """Tools that generate clients ask for all of it."""
    data = await caller.ask(get_introspection_query(input_value_deprecation=True, specified_by_url=True))
    assert len(build_client_schema(data).type_map) > 100


async def test_a_bomb_of_fragments_costs_its_text(caller: Any) -> None:
    """Each fragment is measured once, however often it is used."""
    fragments = "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }} " for n in range(60))
    errors = await caller.errors(f"{{ ...F0 }} {fragments} fragment F60 on Query {{ a: position }}")
    assert errors[0]["extensions"]["code"] == "LIMIT_EXCEEDED"


async def test_our_mistakes_are_masked(caller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets the request's id; the reason goes to the log."""
    await told(caller)

    def broken(*_: object, **__: object) -> None:
        raise KeyError("secret=42")

    monkeypatch.setattr("engine.reader.Reader.items", broken)
    with structlog.testing.capture_logs() as lines:
        response = await caller.post("{ memories { position } }")
    (error,) = response.json()["errors"]
    assert "secret" not in response.text
    assert "KeyError" not in response.text
    assert error["extensions"]["code"] == "INTERNAL"
    assert error["extensions"]["requestId"] == response.headers["x-request-id"]
    assert [line["exc_info"].args for line in lines if line["log_level"] == "error"] == [("secret=42",)]


@pytest.mark.parametrize(
    ("query", "code"),
    [("{ memories {", "GRAPHQL_SYNTAX"), ("{ memorys { position } }", "GRAPHQL_INVALID"), ("", "BAD_REQUEST")],
)
async def test_documents_that_are_none(caller: Any, query: str, code: str) -> None:
    """Clients that know the media type get 400 and no data; for others it is an answer like any."""
    response = await caller.post(query)
    assert response.json()["errors"][0]["extensions"]["code"] == code
    assert "data" not in response.json()
    spoken = await caller.http.post(
        "/graphql", json={"query": query}, headers={"accept": "application/graphql-response+json"}
    )
    assert spoken.status_code == 400


async def test_http(caller: Any) -> None:
    """Operations come by POST; bodies are JSON; everything has an id; nobody else's names are answered to."""
    await told(caller)
    got = await caller.http.post("/graphql", json={"query": "{ position }"}, headers={"x-request-id": "mine"})
    assert got.json()["data"] == {"position": 2}
    assert got.headers["x-request-id"] == "mine"
    change = 'mutation { declareLabel(input: {label: "x"}) { __typename } }'
    for query in ("{ position }", change):
        refused = await caller.http.get("/graphql", params={"query": query})
        assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
        assert refused.json()["errors"][0]["extensions"]["code"] == "GET_NOT_ALLOWED"
    form = await caller.http.post("/graphql", data={"query": change})
    assert form.status_code in (400, 415)
    assert (await caller.http.post("/graphql", content=b"{", headers={"content-type": "application/json"})).json()[
        "errors"
    ][0]["extensions"]["code"] == "BAD_REQUEST"
    assert (await caller.ask("{ position }")) == {"position": 2}
    assert (await caller.http.get("/graphql")).status_code == 405
    assert (await caller.http.get("/nowhere")).json()["errors"][0]["extensions"]["code"] == "NOT_HERE"
    for host, status in (
        ("evil.example", 421), ("localhost.evil.example", 421), ("[::1", 421), ("localhost@evil", 421),
        ("10.0.0.1", 421), ("[::1]:8484", 200), ("127.0.0.1:8484", 200), ("LOCALHOST", 200),
    ):  # fmt: skip
        answer = await caller.http.post("/graphql", json={"query": "{ position }"}, headers={"host": host})
        assert answer.status_code == status, host
    spec = await caller.http.post(
        "/graphql", json={"query": "{ position }"}, headers={"accept": "application/graphql-response+json"}
    )
    assert spec.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    page = (await caller.http.get("/")).text
    assert "curl -s http://localhost/graphql" in page
    assert "<script" not in page


async def test_many_at_once(caller: Any) -> None:
    """Writes that wait together are all written, and each is answered with its own."""
    answers = await asyncio.gather(*(caller.do("remember", text=f"fact {n}") for n in range(40)))
    assert len({answer["position"] for answer in answers}) == 40
    query = "query ($id: ID!) { memory(id: $id) { text } }"
    for n, answer in enumerate(answers):
        assert (await caller.ask(query, None, id=answer["ids"][0]))["memory"]["text"] == f"fact {n}"


# The schema as it is published


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(printed())


def test_the_published_schema_is_this_one() -> None:
    """schema.graphql is what `memql schema` prints: run `./run schema > schema.graphql` after a change."""
    assert (Path(__file__).parents[2] / "schema.graphql").read_text("utf-8") == printed()


def test_everything_is_described(schema: GraphQLSchema) -> None:
    """Every type, field, argument and value says what it is."""
    silent = []
    for name, of in schema.type_map.items():
        if name.startswith("__") or name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        silent += [] if of.description else [name]
        for field, info in getattr(of, "fields", {}).items():
            silent += [] if info.description else [f"{name}.{field}"]
            silent += [f"{name}.{field}({a})" for a, each in getattr(info, "args", {}).items() if not each.description]
        silent += [f"{name}.{value}" for value, each in getattr(of, "values", {}).items() if not each.description]
    assert silent == []
