"""The bounds of an operation hold over WebSocket and server-sent events as they do over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.documents import identified
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


async def over_socket(url: str, payload: dict[str, Any]) -> Any:
    """The one message that an operation has, or its errors."""
    async with connected(url) as socket:
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
