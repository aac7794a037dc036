"""The official clients of both protocols, npm's graphql-ws and graphql-sse, on a real server."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.node import node_with
from tests.server.served import Served, ask

JS = Path(__file__).parent / "js"
CHANGES = """subscription ($after: String) { memoryChanged(after: $after) { __typename
    ... on Message { cursor } ... on MemoryChanged { memory { text } } ... on ResumeAfter { after why }
    ... on Error { problems { code } } } }"""
REMEMBER = "mutation ($text: String!) { remember(input: {text: $text}) { ... on Receipt { position } } }"


@pytest.fixture(scope="module")
def node() -> str:
    """With the packages of the lock file; without node, or a registry to install from, these tests are skipped."""
    return node_with(JS, "the official clients are not tried")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path / "data")
    served.start()
    httpx.post(served.url, json={"query": REMEMBER, "variables": {"text": "begin"}})
    yield served
    served.stop()


def told(node: str, protocol: str, url: str, folder: Path, *operations: dict[str, Any]) -> Any:
    asked = folder / "operations.json"
    asked.write_text(json.dumps(operations), "utf-8")
    words = [node, "operations.mjs", protocol, url, str(asked)]
    ran = subprocess.run(words, cwd=JS, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("protocol", ["ws", "sse"])
def test_any_operation(node: str, server: Served, tmp_path: Path, protocol: str) -> None:
    """Queries, mutations and subscriptions, and what is wrong with one, as the client expects each."""
    query, mutation, first, missed, wrong, failing, refused = told(
        node, protocol, server.url, tmp_path,
        {"query": "{ position }"},
        {"query": REMEMBER, "variables": {"text": "by the client"}},
        {"query": CHANGES, "messages": 1},
        {"query": CHANGES, "variables": {"after": "1"}, "messages": 1},
        {"query": "{ nope }"},
        {"query": "query ($n: Int!) { memories(first: $n) { nodes { id } } }", "variables": {"n": -1}},
        {"query": CHANGES, "variables": {"after": "nowhere"}},
    )  # fmt: skip
    assert query == [{"data": {"position": 1}}]
    assert mutation == [{"data": {"remember": {"position": 2}}}]
    assert first == [{"data": {"memoryChanged": {"__typename": "Listening", "cursor": "2"}}}]
    assert missed[0]["data"]["memoryChanged"]["memory"] == {"text": "by the client"}
    errors = wrong[0]["failed"] if protocol == "ws" else wrong[0]["errors"]
    assert errors[0]["extensions"]["code"] == "GRAPHQL_INVALID"
    assert failing[0]["errors"][0]["extensions"]["code"] == "INVALID_VALUE"
    assert refused == [
        {"data": {"memoryChanged": {"__typename": "InvalidInput", "problems": [{"code": "BAD_CURSOR"}]}}}
    ]


async def test_going_on_when_the_server_was_killed(node: str, server: Served) -> None:
    """Killed under writes and started again, twice: each memory is told once, in order."""
    count, killed = 60, (20, 40)
    words = [node, "resume.mjs", server.url, str(count)]
    client = await asyncio.create_subprocess_exec(*words, cwd=JS, stdout=asyncio.subprocess.PIPE)
    assert client.stdout is not None
    assert await client.stdout.readline() == b"listening\n"
    async with httpx.AsyncClient(timeout=20) as http:
        for n in range(count):
            if n in killed:
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
            await ask(http, server.url, REMEMBER, text=str(n))
    async with asyncio.timeout(60):
        *_, last = (await client.stdout.read()).splitlines()
    await client.wait()
    found = json.loads(last)
    assert found["texts"] == [str(n) for n in range(count)]
    assert found["connected"] > 2
