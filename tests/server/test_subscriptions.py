"""Subscriptions as clients meet them: a real server, asked over WebSocket and server-sent events."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.server.served import PROTOCOL, Served, ask, closed, connected

CHANGES = """subscription ($where: ItemFilter, $after: String) { memoryChanged(where: $where, after: $after) {
    __typename
    ... on Listening { cursor }
    ... on MemoryChanged {
        cursor kind matches actor command reason position
        memory { id text version retiredAt sources { content } relations { totalCount } }
        before { text version }
    }
    ... on ResumeAfter { after why }
    ... on Error { message problems { code place } }
} }"""
LIVE = """subscription ($query: String!, $params: JSON, $after: String) {
    memqlLive(query: $query, params: $params, after: $after) {
        __typename
        ... on LiveSnapshot { cursor rows { key row place } columns { name } because }
        ... on LiveDelta { cursor added { key row } changed { key row } removed }
        ... on ResumeAfter { after why }
        ... on MemqlError { problems { code } }
        ... on Error { problems { code } }
    }
}"""
TEXTS = "LIVE MATCH (m:Memory) RETURN m.id, m.text"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {"requests.subscriptions_per_connection": 5, "requests.frame_bytes": 100_000}
    served = Served(
        tmp_path_factory.mktemp("served"), **limits,
        **{"requests.connection_init_seconds": 1, "requests.keepalive_seconds": 1, "limits.live_gather_ms": 0},
    )  # fmt: skip
    served.start()
    # A tenant is there from its first write on.
    httpx.post(served.url, json={"query": 'mutation { addTask(input: {title: "begin"}) { __typename } }'})
    yield served
    served.stop()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


@pytest.fixture
def url(server: Served) -> str:
    return server.url


async def do(http: httpx.AsyncClient, url: str, mutation: str, **input_: Any) -> dict[str, Any]:
    """The receipt of a mutation that must succeed."""
    named = f"{mutation[0].upper()}{mutation[1:]}Input"
    document = f"mutation ($input: {named}!) {{ {mutation}(input: $input) {{ ... on Receipt {{ ids position }} }} }}"
    found: dict[str, Any] = (await ask(http, url, document, input=input_))[mutation]
    return found


async def remember(http: httpx.AsyncClient, url: str, text: str, **more: Any) -> str:
    made = await do(http, url, "remember", text=text, **more)
    return str(made["ids"][0])


# What is told


async def test_each_change_of_a_memory(http: httpx.AsyncClient, url: str) -> None:
    """It is made, corrected, retired and erased: each with what it then was, what it was before, and who did it."""
    async with connected(url) as socket:
        await socket.subscribe(CHANGES)
        assert (await socket.data())["__typename"] == "Listening"
        id_ = await remember(http, url, "Ada drinks tea")
        await do(http, url, "reviseItem", id=id_, set={"text": "Ada drinks mate"}, reason="she said so")
        await do(http, url, "retireItem", id=id_)
        await do(http, url, "eraseItem", id=id_)
        told = [await socket.data() for _ in range(4)]
    assert [each["kind"] for each in told] == ["CREATED", "UPDATED", "RETIRED", "ERASED"]
    assert [each["matches"] for each in told] == [True, True, False, False]
    assert [each["command"] for each in told] == ["Remember", "ReviseItem", "RetireItem", "EraseItem"]
    assert told[1]["reason"] == "she said so"
    assert told[1]["memory"]["text"] == "Ada drinks mate"
    assert told[1]["before"] == {"text": "Ada drinks tea", "version": 1}
    assert told[0]["before"] is None
    assert told[0]["memory"]["retiredAt"] is None
    assert told[2]["memory"]["retiredAt"]
    assert told[3]["memory"]["text"] is None


async def test_a_filter_tells_what_comes_in_and_what_leaves(http: httpx.AsyncClient, url: str) -> None:
    """Who keeps a set needs no more than `matches`; what never was in it is not told."""
    async with connected(url) as socket:
        await socket.subscribe(CHANGES, where={"tags": {"has": "kept"}})
        await socket.data()
        await remember(http, url, "never")
        id_ = await remember(http, url, "first", tags=["kept"])
        await do(http, url, "reviseItem", id=id_, set={"text": "second"})
        await do(http, url, "reviseItem", id=id_, set={"tags": ["other"]})
        await do(http, url, "reviseItem", id=id_, set={"text": "third"})
        await do(http, url, "reviseItem", id=id_, set={"tags": ["kept"]})
        told = [await socket.data() for _ in range(4)]
    assert [(each["memory"]["text"], each["matches"]) for each in told] == [
        ("first", True), ("second", True), ("second", False), ("third", True),
    ]  # fmt: skip


async def test_one_goes_on_behind_any_cursor(http: httpx.AsyncClient, url: str) -> None:
    """Also within a record that changes many items: nothing is lost or told twice."""
    async with connected(url) as socket:
        await socket.subscribe('subscription { itemChanged(kinds: ["Event"]) { ... on Message { cursor } } }')
        begun = (await socket.data())["cursor"]
        events = [{"content": f"{n}"} for n in range(5)]
        await do(http, url, "recordEvents", stream="resumed", events=events)
        cursors = [(await socket.data())["cursor"] for _ in events]
        after = 'subscription ($after: String) { itemChanged(kinds: ["Event"], after: $after) { '
        after += "... on ItemChanged { cursor item { ... on Event { content } } } } }"
        for place, cursor in enumerate([begun, *cursors[:-1]]):
            id_ = await socket.subscribe(after, after=cursor)
            told = [await socket.data() for _ in events[place:]]
            assert [each["item"]["content"] for each in told] == [each["content"] for each in events[place:]]
            assert [each["cursor"] for each in told] == cursors[place:]
            await socket.send({"type": "complete", "id": id_})


async def test_a_cursor_that_leads_nowhere(url: str) -> None:
    """One that is none, and one that the tenant has not come to, are refused, and nothing more is told."""
    async with connected(url) as socket:
        for cursor in ("nowhere", "999999999"):
            await socket.subscribe(CHANGES, after=cursor)
            told = await socket.data()
            assert [(each["code"], each["place"]) for each in told["problems"]] == [("BAD_CURSOR", "after")]
            assert (await socket.next())["type"] == "complete"
        await socket.subscribe(LIVE, query=TEXTS, after="nowhere")
        assert (await socket.data())["problems"][0]["code"] == "BAD_CURSOR"
        assert (await socket.next())["type"] == "complete"


async def test_relations_by_kind_end_and_weight(http: httpx.AsyncClient, url: str) -> None:
    """A relation that becomes too weak leaves the set."""
    one, other, third = [await remember(http, url, text) for text in ("one", "other", "third")]
    query = """subscription ($where: RelationChangeFilter) { relationChanged(kinds: ["SUPPORTS"], where: $where) {
        ... on RelationChanged { kind matches relation { weight source { id } target { id } } before { weight } }
    } }"""
    async with connected(url) as socket:
        await socket.subscribe(query, where={"either": [one], "weight": {"gte": 0.5}})
        await socket.data()
        await do(http, url, "relate", source=other, kind="SUPPORTS", target=third)
        await do(http, url, "relate", source=one, kind="EXTENDS", target=other)
        made = await do(http, url, "relate", source=other, kind="SUPPORTS", target=one, weight=0.9)
        await do(http, url, "reviseRelation", id=made["ids"][0], weight=0.1)
        told = [await socket.data() for _ in range(2)]
    assert [(each["kind"], each["matches"], each["relation"]["weight"]) for each in told] == [
        ("CREATED", True, 0.9), ("UPDATED", False, 0.1),
    ]  # fmt: skip
    assert told[0]["relation"]["target"]["id"] == one
    assert told[1]["before"]["weight"] == 0.9


async def test_goals_and_tasks_are_told_as_such(http: httpx.AsyncClient, url: str) -> None:
    """Each has a subscription of its own, with its own fields."""
    async with connected(url) as socket:
        await socket.subscribe("subscription { goalChanged { ... on GoalChanged { goal { title status } } } }")
        await socket.data()
        await do(http, url, "setGoal", title="home")
        assert (await socket.data())["goal"] == {"title": "home", "status": "OPEN"}
        await socket.subscribe("subscription { taskChanged { ... on TaskChanged { task { title } } } }")
        await socket.data()
        await do(http, url, "addTask", title="shop")
        assert (await socket.data())["task"]["title"] == "shop"


async def test_every_record_for_who_administers(http: httpx.AsyncClient, url: str) -> None:
    """Who asked for what, when and why."""
    async with connected(url) as socket:
        query = "subscription { auditRecorded { ... on RecordAudited { actor command ids reason position } } }"
        await socket.subscribe(query)
        await socket.data()
        made = await do(http, url, "remember", text="audited")
        told = await socket.data()
    assert told == {
        "actor": "local", "command": "Remember", "ids": made["ids"], "reason": None, "position": made["position"],
    }  # fmt: skip


async def test_a_live_query(http: httpx.AsyncClient, url: str) -> None:
    """A snapshot, then rows that come, change and go; resumed, what is different since."""
    async with connected(url) as socket, connected(url) as other:
        query = "LIVE MATCH (g:Goal {title: $title}) RETURN g.id, g.priority ORDER BY g.priority"
        asked = {"query": query, "params": {"title": "live"}}
        await socket.subscribe(LIVE, **asked)
        snapshot = await socket.data()
        assert snapshot["rows"] == []
        made = await do(http, url, "setGoal", title="live", priority=1)
        added = await socket.data()
        (row,) = added["added"]
        assert row["row"] == [made["ids"][0], 1]
        await other.subscribe(LIVE, **asked)
        assert [each["key"] for each in (await other.data())["rows"]] == [row["key"]]
        await do(http, url, "reviseItem", id=made["ids"][0], set={"priority": 2})
        changed = [await each.data() for each in (socket, other)]
        assert changed[0] == changed[1]
        assert changed[0]["changed"] == [{"key": row["key"], "row": [made["ids"][0], 2]}]
        await do(http, url, "retireItem", id=made["ids"][0])
        assert [(await each.data())["removed"] for each in (socket, other)] == [[row["key"]]] * 2
        await other.subscribe(LIVE, **asked, after=added["cursor"])
        assert (await other.data())["removed"] == [row["key"]]


async def test_a_live_query_that_is_wrong(url: str) -> None:
    """It is told as `memql` tells it, and the subscription is over."""
    async with connected(url) as socket:
        for query, code in (("LIVE MATCH (t:Tusk) RETURN t", "Q101"), ("MATCH (t:Task) RETURN t", "Q523")):
            await socket.subscribe(LIVE, query=query)
            assert [each["code"] for each in (await socket.data())["problems"]] == [code]
            assert (await socket.next())["type"] == "complete"
        await socket.subscribe(LIVE, query=TEXTS, params=[1])
        assert [each["code"] for each in (await socket.data())["problems"]] == ["INVALID_TYPE"]


async def test_a_search_tells_when_it_is_complete(http: httpx.AsyncClient, url: str) -> None:
    """Where no model takes part, at once."""
    id_ = await remember(http, url, "the zebra crossing")
    position = (await ask(http, url, "{ position }"))["position"]
    query = """subscription ($input: SearchInput!) { searchStream(input: $input) {
        ... on SearchResults { complete results { nodes { id } } } } }"""
    async with connected(url) as socket:
        await socket.subscribe(query, input={"text": "zebra", "atLeast": position})
        assert await socket.data() == {"complete": True, "results": {"nodes": [{"id": id_}]}}
        assert (await socket.next())["type"] == "complete"


# Operations over a WebSocket


async def test_queries_and_mutations_too(url: str) -> None:
    """Over the same connection: one message and its end."""
    async with connected(url) as socket:
        await socket.subscribe('mutation { remember(input: {text: "ws"}) { ... on Receipt { position } } }')
        position = (await socket.data())["position"]
        assert (await socket.next())["type"] == "complete"
        await socket.subscribe("query ($p: Position) { position(atLeast: $p) }", p=position)
        assert await socket.data() >= position


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{ nope }", "GRAPHQL_INVALID"),
        ("{", "GRAPHQL_SYNTAX"),
        ("subscription { memoryChanged { nope } }", "GRAPHQL_INVALID"),
        ("subscription { a: memoryChanged { __typename } b: memoryChanged { __typename } }", "GRAPHQL_INVALID"),
        ("{ " + "a: position " * 5_000 + "}", "LIMIT_EXCEEDED"),
        ("{" + "".join(f"a{n}: position " for n in range(101)) + "}", "LIMIT_EXCEEDED"),
    ],
)
async def test_what_is_wrong_with_a_document(http: httpx.AsyncClient, url: str, document: str, code: str) -> None:
    """The same is said as over HTTP, with the id of the connection's request; also of what would be subscribed to."""
    async with connected(url) as socket:
        await socket.subscribe(document)
        message = await socket.next()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == code
        assert message["payload"][0]["extensions"]["requestId"]
    events = await http.post(url, json={"query": document}, headers={"accept": "text/event-stream"})
    first, last, *_ = events.text.split("\n\n")
    assert json.loads(first.partition("data: ")[2])["errors"][0]["extensions"]["code"] == code
    assert last.startswith("event: complete")


async def test_a_subscription_by_a_plain_request_is_refused(http: httpx.AsyncClient, url: str) -> None:
    """It says which ways there are."""
    answer = await http.post(url, json={"query": "subscription { memoryChanged { __typename } }"})
    assert "text/event-stream" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (["no JSON"], 4400),
        ([b"{}"], 4400),
        (["[]"], 4400),
        (['{"type": "nonsense"}'], 4400),
        (['{"type": "subscribe", "id": "1", "payload": {"query": "{ position }"}}'], 4401),
        (['{"type": "connection_init", "payload": 3}'], 4400),
        (['{"type": "connection_init"}', '{"type": "connection_init"}'], 4429),
        (['{"type": "connection_init"}', '{"type": "subscribe", "id": 1}'], 4400),
        (['{"type": "connection_init"}', '{"type": "subscribe", "id": "1", "payload": {"variables": []}}'], 4400),
        (["x" * 100_001], 1009),
        ([], 4408),
    ],
)  # fmt: skip
async def test_who_breaks_the_protocol_is_told_how(url: str, messages: list[str | bytes], code: int) -> None:
    """By the codes of the protocol, with a reason in words."""
    async with connect(url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as connection:
        for message in messages:
            await connection.send(message)
        found, reason = await closed(connection)
    assert (found, bool(reason)) == (code, True)


async def test_one_id_for_two_operations(url: str) -> None:
    """The connection is closed, as the protocol has it."""
    async with connected(url) as socket:
        message = {"type": "subscribe", "id": "same", "payload": {"query": CHANGES}}
        await socket.send(message)
        await socket.send(message)
        assert (await socket.closed())[0] == 4409


async def test_no_more_than_so_many_at_once(url: str) -> None:
    """The limit is named, and one that ends makes room."""
    async with connected(url) as socket:
        ids = [await socket.subscribe(CHANGES) for _ in range(5)]
        for _ in ids:
            await socket.data()
        await socket.subscribe(CHANGES)
        message = await socket.next()
        assert message["type"] == "error"
        assert "requests.subscriptions_per_connection" in message["payload"][0]["message"]
        await socket.send({"type": "complete", "id": ids[0]})
        await socket.subscribe(CHANGES)
        assert (await socket.data())["__typename"] == "Listening"


async def test_nobody_connects_from_elsewhere(url: str) -> None:
    """Not a page of another site, not by another name of this machine, and not by the older protocol."""
    address = url.replace("http", "ws", 1)
    port = int(address.rpartition(":")[2].partition("/")[0])
    for uri, headers, status, code in (
        (address, {"origin": "https://evil.example"}, 403, "WRONG_ORIGIN"),
        ("ws://evil.example/graphql", {}, 421, "WRONG_HOST"),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await connect(uri, host="127.0.0.1", port=port, subprotocols=[PROTOCOL], additional_headers=headers)
        response = refused.value.response
        assert response.status_code == status
        assert json.loads(response.body or b"")["errors"][0]["extensions"]["code"] == code
        assert response.headers["x-request-id"]
    for protocol in ("graphql-ws", None):
        async with connect(address, subprotocols=[protocol] if protocol else None) as connection:  # type: ignore[list-item]
            assert (await closed(connection))[0] == 4406


async def test_a_tenant_is_named_by_header_or_by_payload(http: httpx.AsyncClient, url: str) -> None:
    """Each connection is of one; what is written in another is not told."""
    headers = {"x-memql-tenant": "other"}
    query = 'mutation { remember(input: {text: "elsewhere"}) { ... on Receipt { position } } }'
    await http.post(url, json={"query": query}, headers=headers)
    async with connected(url, headers=headers) as one, connected(url, {"tenant": "other"}) as two:
        for socket in (one, two):
            await socket.subscribe(CHANGES)
            await socket.data()
        await remember(http, url, "in the default one")
        await http.post(url, json={"query": query}, headers=headers)
        for socket in (one, two):
            assert (await socket.data())["memory"]["text"] == "elsewhere"
    async with connected(url, {"tenant": "nobody"}) as socket:
        await socket.subscribe(CHANGES)
        assert (await socket.data())["problems"][0]["code"] == "NOT_FOUND"


# Server-sent events


async def events(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    kind = ""
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, json.loads(value) if value.strip() else None
        elif line.startswith(":"):
            yield "ping", None


async def test_server_sent_events(http: httpx.AsyncClient, url: str) -> None:
    """The same messages as over a WebSocket, and a ping in each silence."""
    accept = {"accept": "text/event-stream"}
    async with http.stream("POST", url, json={"query": CHANGES}, headers=accept) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = events(response)
        assert (await anext(told))[1]["data"]["memoryChanged"]["__typename"] == "Listening"
        assert (await anext(told))[0] == "ping"
        await remember(http, url, "by events")
        kind, body = await anext(told)
        assert (kind, body["data"]["memoryChanged"]["memory"]["text"]) == ("next", "by events")
    both = {"accept": "application/graphql-response+json, text/event-stream"}
    answer = await http.post(url, json={"query": "{ position }"}, headers=both)
    assert answer.headers["content-type"].startswith("application/graphql-response+json")
    async with http.stream("POST", url, json={"query": CHANGES}, headers=both) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
    answer = await http.get(url, params={"query": "{ position }"}, headers=accept)
    assert answer.status_code == 405
    answer = await http.post(url, json={"query": "{ position }"}, headers=accept)
    assert answer.text.startswith('event: next\ndata: {"data":{"position":')
    assert answer.text.endswith("event: complete\ndata: \n\n")
