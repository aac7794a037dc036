"""Kills a server that is written to, again and again, while clients listen: what each was told is what is recorded.

    python -m tests.server.kill_subscribers [--kills 50]

One client follows every change of memories over a WebSocket, one over server-sent events; one keeps the rows of a live
query. Each goes on behind its last cursor when the server is there again. In the end the first two must have been told
of each record of the journal once and in order, and the third must have the rows that the query has.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import WebSocketException

from tests.server.served import Served, ask, connected

CHANGES = """subscription ($after: String) { memoryChanged(after: $after) { __typename
    ... on Message { cursor } ... on MemoryChanged { position id kind memory { version } }
    ... on ResumeAfter { after } ... on Error { message } } }"""
LIVE = """subscription ($after: String) {
    memqlLive(query: "LIVE MATCH (m:Memory) WHERE m.importance > 0.5 RETURN m.id, m.text", after: $after) { __typename
        ... on LiveSnapshot { cursor rows { key row } }
        ... on LiveDelta { cursor added { key row } changed { key row } removed }
        ... on ResumeAfter { after } ... on Error { message } } }"""
ROWS = (
    '{ memql(query: "MATCH (m:Memory) WHERE m.importance > 0.5 RETURN m.id, m.text") { ... on MemqlResult { rows } } }'
)
AUDIT = """subscription { auditRecorded(after: "0") { __typename
    ... on RecordAudited { position command ids } } }"""
GONE = (OSError, httpx.HTTPError, WebSocketException, TimeoutError, EOFError)


class Follower:
    """Listens, and goes on where it was. `heard` is called with each message but the ones that only say where it is."""

    def __init__(self, url: str, query: str, heard: Callable[[dict[str, Any]], None]) -> None:
        self.after: str | None = None
        self.begun = asyncio.Event()
        self._url, self._query, self._heard = url, query, heard

    def _hear(self, told: dict[str, Any]) -> None:
        assert "message" not in told, told
        if told["__typename"] not in ("Listening", "ResumeAfter"):
            self._heard(told)
        self.after = told.get("cursor") or told.get("after") or self.after
        self.begun.set()

    async def over_socket(self) -> None:
        while True:
            with suppress(*GONE):
                async with connected(self._url) as socket:
                    await socket.subscribe(self._query, after=self.after)
                    while True:
                        async with asyncio.timeout(30):
                            message = json.loads(await socket.connection.recv())
                        if message["type"] == "complete":
                            break
                        (told,) = message["payload"]["data"].values()
                        self._hear(told)
            await asyncio.sleep(0.05)

    async def over_events(self) -> None:
        accept = {"accept": "text/event-stream"}
        while True:
            with suppress(*GONE):
                async with httpx.AsyncClient(timeout=30) as http:
                    body = {"query": self._query, "variables": {"after": self.after}}
                    async with http.stream("POST", self._url, json=body, headers=accept) as response:
                        async for line in response.aiter_lines():
                            if line.startswith("data: {"):
                                (told,) = json.loads(line[6:])["data"].values()
                                self._hear(told)
            await asyncio.sleep(0.05)


class Rows:
    """What a live query has, by what is told of it."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    def hear(self, told: dict[str, Any]) -> None:
        if told["__typename"] == "LiveSnapshot":
            self.rows = {row["key"]: row["row"] for row in told["rows"]}
            return
        for key in told["removed"]:
            del self.rows[key]
        for row in told["added"]:
            assert row["key"] not in self.rows, "a row is told twice"
            self.rows[row["key"]] = row["row"]
        for row in told["changed"]:
            assert row["key"] in self.rows, "a row was not told"
            self.rows[row["key"]] = row["row"]


async def write(served: Served, chance: random.Random, going: asyncio.Event) -> None:
    """Makes memories and changes them, for as long as it is let. What was cut off is not asked again."""
    ids: list[str] = []
    made = (
        "mutation ($t: String!, $i: Float!) { remember(input: {text: $t, importance: $i}) { ... on Receipt { ids } } }"
    )
    changed = "mutation ($id: ID!, $set: JSON!) { reviseItem(input: {id: $id, set: $set}) { __typename } }"
    retired = "mutation ($id: ID!) { retireItem(input: {id: $id}) { __typename } }"
    while not going.is_set():
        with suppress(*GONE, ValueError):
            async with httpx.AsyncClient(timeout=10) as http:
                while not going.is_set():
                    match chance.randrange(4) if ids else 0:
                        case 0 | 1:
                            text, importance = f"{chance.random()}", round(chance.random(), 3)
                            found = await ask(http, served.url, made, t=text, i=importance)
                            ids += found["remember"]["ids"]
                        case 2:
                            new = {"importance": round(chance.random(), 3), "text": f"{chance.random()}"}
                            await ask(http, served.url, changed, id=chance.choice(ids), set=new)
                        case 3:
                            await ask(http, served.url, retired, id=ids.pop(chance.randrange(len(ids))))
        await asyncio.sleep(0.02)


async def recorded(served: Served) -> list[tuple[int, str]]:
    """Each record of the journal that changed a memory, and the memory."""
    async with httpx.AsyncClient(timeout=30) as http:
        position = (await ask(http, served.url, "{ position }"))["position"]
        found: list[tuple[int, str]] = []
        accept = {"accept": "text/event-stream"}
        async with http.stream("POST", served.url, json={"query": AUDIT}, headers=accept) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    told = json.loads(line[6:])["data"]["auditRecorded"]
                    if told["ids"] and told["ids"][0].startswith("mem_"):
                        found.append((told["position"], told["ids"][0]))
                    if told["position"] >= position:
                        return found
    raise AssertionError("the journal ended early")


async def run(kills: int, seed: int = 11) -> str:
    """What was found wrong; else what was found."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder) / "data", **{"limits.live_gather_ms": 20})
        served.start()
        async with httpx.AsyncClient() as http:
            await ask(http, served.url, 'mutation { remember(input: {text: "begin"}) { __typename } }')
        sockets: list[Any] = []
        events: list[Any] = []
        rows = Rows()
        by_socket = Follower(served.url, CHANGES, sockets.append)
        by_events = Follower(served.url, CHANGES, events.append)
        live = Follower(served.url, LIVE, rows.hear)
        listening = [
            asyncio.create_task(each) for each in (by_socket.over_socket(), by_events.over_events(), live.over_socket())
        ]
        for follower in (by_socket, by_events, live):
            await follower.begun.wait()
        over = asyncio.Event()
        writing = [asyncio.create_task(write(served, random.Random(chance.random()), over)) for _ in range(3)]
        try:
            for _ in range(kills):
                await asyncio.sleep(chance.uniform(0.2, 0.8))
                await asyncio.to_thread(served.kill)
                await asyncio.to_thread(served.start)
            await asyncio.sleep(0.5)
            over.set()
            await asyncio.gather(*writing)
            return await compared(served, sockets, events, rows, listening)
        finally:
            for task in (*listening, *writing):
                task.cancel()
            await asyncio.gather(*listening, *writing, return_exceptions=True)
            served.stop()


async def compared(
    served: Served, sockets: list[Any], events: list[Any], rows: Rows, listening: list[asyncio.Task[None]]
) -> str:
    wanted = [each for each in await recorded(served) if each[0] > 1]
    async with httpx.AsyncClient(timeout=30) as http:
        has = sorted((await ask(http, served.url, ROWS))["memql"]["rows"])
    for _ in range(100):
        broken = [task.exception() for task in listening if task.done()]
        assert not broken, broken
        told = [[(each["position"], each["id"]) for each in heard] for heard in (sockets, events)]
        if told == [wanted, wanted] and sorted(rows.rows.values()) == has:
            return f"{len(wanted):,} changes were told once each, and {len(has):,} rows are the query's"
        await asyncio.sleep(0.1)
    lost = [len(set(wanted) - set(each)) for each in told]
    doubled = [len(each) - len(set(each)) for each in told]
    raise AssertionError(f"lost {lost}, doubled {doubled}; {len(rows.rows)} rows of {len(has)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    sys.stdout.write(asyncio.run(run(parser.parse_args().kills)) + "\n")
