"""The bounds of an operation hold over WebSocket and server-sent events as they do over HTTP."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.api.documents import identified
from server.bounds import RequestLimits
from tests.server.served import Served, connected

PAGE = "query ($n: Int!) { memories(first: $n) { nodes { text } } }"
CHANGES = "subscription { memoryChanged { __typename ... on Listening { cursor } } }"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("served")
    manifest = folder / "trusted.json"
    manifest.write_text(json.dumps({identified(PAGE): PAGE}))
    bounds = {
        "requests.cost": 100, "requests.cost_per_minute": 300, "requests.limit_local": True,
        "requests.documents": manifest, "requests.deadline_ms": 500, "limits.query_steps": 2**60,
    }  # fmt: skip
    served = Served(folder / "data", **bounds)
    served.start()
    httpx.post(served.url, json={"query": 'mutation { remember(input: {text: "tea"}) { __typename } }'})
    yield served
    served.stop()


async def over_socket(url: str, payload: dict[str, Any], secret: str = "") -> Any:
    """The one message that an operation has, or its errors."""
    async with connected(url, {"authorization": f"Bearer {secret}"} if secret else None) as socket:
        await socket.send({"type": "subscribe", "id": "1", "payload": payload})
        return (await socket.next())["payload"]


def over_events(url: str, payload: dict[str, Any]) -> Any:
    answer = httpx.post(url, json=payload, headers={"accept": "text/event-stream"}, timeout=20)
    (data,) = [line for line in answer.text.splitlines() if line.startswith("data: {")]
    return json.loads(data.removeprefix("data: "))


async def test_bounds_on_streams(server: Served) -> None:
    """Cost, trusted documents and limits, each by its code; and at last the minute."""
    url = server.url
    trusted = {"documentId": identified(PAGE), "variables": {"n": 3}, "extensions": {"cost": True}}
    asked = await over_socket(url, trusted)
    assert asked == {
        "data": {"memories": {"nodes": [{"text": "tea"}]}}, "extensions": {"cost": {"requested": 5, "limit": 100}},
    }  # fmt: skip
    assert over_events(url, trusted) == asked
    for payload, code in (
        ({"query": PAGE, "variables": {"n": 500}}, "COST_EXCEEDED"),
        ({"documentId": "sha256:" + "0" * 64}, "DOCUMENT_UNKNOWN"),
        ({"query": "{" + "a: position " * 101 + "}"}, "LIMIT_EXCEEDED"),
        ({"query": "{"}, "GRAPHQL_SYNTAX"),
        ({"query": "{ nothing }"}, "GRAPHQL_INVALID"),
    ):
        errors = await over_socket(url, payload)
        assert {error["extensions"]["code"] for error in errors} == {code}, payload
        errors = over_events(url, payload)["errors"]
        assert {error["extensions"]["code"] for error in errors} == {code}, payload
    async with connected(url) as socket:
        for _ in range(100):
            await socket.send({"type": "subscribe", "id": "x", "payload": {"query": PAGE, "variables": {"n": 90}}})
            message = await socket.next()
            if message["type"] == "error":
                break
            assert (await socket.next())["type"] == "complete"
        (error,) = message["payload"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert 0 < error["extensions"]["retryAfterMs"] <= 60_000
        await socket.send({"type": "subscribe", "id": "y", "payload": {"query": CHANGES}})
        assert (await socket.next())["type"] in ("next", "error")
    async with httpx.AsyncClient() as http:
        assert (await http.post(url, json={"query": PAGE, "variables": {"n": 90}})).status_code == 429


AUDITED = "subscription { auditRecorded { __typename } }"
TWO = "query Own { position } query Keys { keys { id } } subscription Told { auditRecorded { __typename } }"
DEEP = "relations(first: 100) { nodes { source { relations(first: 100) { nodes { source { id } } } } } }"
DEEPER = DEEP.replace("100", "999")
SAME: tuple[tuple[dict[str, Any], str], ...] = (
    ({"query": "{ position }"}, ""),
    ({"query": "{ keys { id } }"}, "FORBIDDEN"),
    ({"query": "{ audit { totalCount } }"}, "FORBIDDEN"),
    ({"query": "{ ...all } fragment all on Query { ... on Query { a: position k: keys { id } } }"}, "FORBIDDEN"),
    ({"query": 'mutation { declareKind(input: {name: "X"}) { __typename } }'}, "FORBIDDEN"),
    ({"query": 'mutation { remember(input: {text: "x"}) { __typename } a: setCatalog(input: {open: true}) '
               "{ __typename } }"}, "FORBIDDEN"),
    ({"query": "{ __schema { types { name } } }"}, "INTROSPECTION_FORBIDDEN"),
    ({"query": TWO}, "BAD_OPERATION"),
    ({"query": TWO, "operationName": ""}, "BAD_OPERATION"),
    ({"query": TWO, "operationName": "None"}, "BAD_OPERATION"),
    ({"query": TWO, "operationName": "Own"}, ""),
    ({"query": TWO, "operationName": "Keys"}, "FORBIDDEN"),
    ({"query": "{ position }", "operationName": ""}, ""),
    ({"query": "fragment A on Query { position }"}, "BAD_OPERATION"),
    ({"query": f"{{ memories(first: 100) {{ nodes {{ {DEEP} }} }} }}"}, "COST_EXCEEDED"),
    ({"query": PAGE, "variables": {"n": 10**9}}, "COST_EXCEEDED"),
)  # fmt: skip
"""What a member asks, and by which code it is refused: over HTTP, over a WebSocket and as events. BAD_OPERATION stands
for whichever code the first has."""
STREAMED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"query": AUDITED}, "FORBIDDEN"),
    ({"query": TWO, "operationName": "Told"}, "FORBIDDEN"),
    ({"query": "subscription { ...a } fragment a on Subscription { auditRecorded { __typename } }"}, "FORBIDDEN"),
    ({"query": "subscription { a: memoryChanged { __typename } b: auditRecorded { __typename } }"}, "GRAPHQL_INVALID"),
    ({"query": "subscription { __typename }"}, "GRAPHQL_INVALID"),
    ({"query": f"subscription {{ memoryChanged {{ ... on MemoryChanged {{ memory {{ {DEEPER} }} }} "
               "} }"}, "COST_EXCEEDED"),
)  # fmt: skip


@asynccontextmanager
async def asked_by_a_member(serving: Callable[..., Any], **bounds: Any) -> AsyncIterator[tuple[Any, str, str]]:
    """A server, its address, and the key of a member."""
    async with serving(requests=RequestLimits(**bounds)) as caller, caller.listening() as url:
        await caller.do("remember", text="tea")
        asked = "mutation ($input: CreateKeyInput!) { createKey(input: $input) { ... on KeyPayload { secret } } }"
        made = await caller.ask(asked, "default", input={"name": "member", "principal": "alice"})
        yield caller, url, made["createKey"]["secret"]


def codes(answer: Any) -> set[str]:
    """Those of the errors of an answer, or of what a WebSocket has instead."""
    errors = answer if isinstance(answer, list) else answer.get("errors", [])
    return {error["extensions"]["code"] for error in errors}


async def by_each_door(caller: Any, url: str, secret: str, payload: dict[str, Any]) -> dict[str, set[str]]:
    """The codes by which it is refused there."""
    headers = {"authorization": f"Bearer {secret}"}
    over_http = await caller.http.post("/graphql", json=payload, headers=headers)
    async with (
        httpx.AsyncClient(headers=headers | {"accept": "text/event-stream"}, timeout=20) as http,
        http.stream("POST", url, json=payload) as answer,
    ):
        events = [line async for line in _until_data(answer)]
    return {
        "http": codes(over_http.json()),
        "socket": codes(await over_socket(url, payload, secret)),
        "events": codes(json.loads(events[-1].removeprefix("data: "))),
    }


async def _until_data(answer: httpx.Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        if line.startswith("data: {"):
            yield line
            return


async def test_what_is_admitted_is_the_same_by_each_door(serving: Callable[..., Any]) -> None:
    """Scopes, introspection, cost, and which operation is meant."""
    async with asked_by_a_member(serving) as (caller, url, secret):
        for payload, code in SAME:
            found = await by_each_door(caller, url, secret, payload)
            assert found["socket"] == found["events"] == found["http"], (payload, found)
            assert code == "BAD_OPERATION" or found["http"] == ({code} if code else set()), (payload, found)
            assert code != "BAD_OPERATION" or found["http"], payload
        for payload, code in STREAMED:
            found = await by_each_door(caller, url, secret, payload)
            assert found["socket"] == found["events"] == {code}, (payload, found)
        assert len((await caller.ask("{ memories { nodes { id } } }"))["memories"]["nodes"]) == 1


async def test_only_trusted_documents_by_each_door(serving: Callable[..., Any], tmp_path: Path) -> None:
    """Where nothing else is answered, also subscriptions are asked for by their ids or by their very text."""
    manifest = tmp_path / "trusted.json"
    manifest.write_text(json.dumps({identified(text): text for text in (PAGE, CHANGES)}))
    async with asked_by_a_member(serving, documents=manifest, documents_only=True) as (caller, url, secret):
        for payload, code in (
            ({"query": "{ position }"}, {"DOCUMENT_NOT_TRUSTED"}),
            ({"query": PAGE.replace(" (", "  ("), "variables": {"n": 1}}, {"DOCUMENT_NOT_TRUSTED"}),
            ({"documentId": identified(PAGE), "variables": {"n": 1}}, set()),
            ({"query": PAGE, "variables": {"n": 1}}, set()),
            ({"documentId": "sha256:" + "1" * 64}, {"DOCUMENT_NOT_TRUSTED"}),
        ):
            found = await by_each_door(caller, url, secret, payload)
            assert found == dict.fromkeys(("http", "socket", "events"), code), payload
        for payload, code in (
            ({"query": CHANGES.replace(" {", "  {")}, {"DOCUMENT_NOT_TRUSTED"}),
            ({"documentId": identified(CHANGES)}, set()),
        ):
            found = await by_each_door(caller, url, secret, payload)
            assert found["socket"] == found["events"] == code, payload
