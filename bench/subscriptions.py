"""What subscribers cost and how soon they are told: many on live queries, over WebSockets, while others write.

    python -m bench.subscriptions [--subscribers 1000] [--queries 50] [--writes 200] [--seconds 40] [--gather 200]

The server is a process of its own, on this machine's own address. Prints milliseconds from an acknowledged write until
it is delivered, the server's processor time for each message, its memory before and after, and whether everyone has
the rows that the queries have in the end.
"""

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.server.served import Served, Socket, ask, connected

QUERY = "LIVE MATCH (t:Task)-[:PART_OF]->(g:Goal {id: $goal}) RETURN t.id, t.title, t.progress"
DOCUMENT = """subscription ($query: String!, $params: JSON, $after: String) {
    memqlLive(query: $query, params: $params, after: $after) {
        __typename
        ... on LiveSnapshot { cursor rows { key row } }
        ... on LiveDelta { cursor added { key row } changed { key row } removed }
        ... on ResumeAfter { after why }
        ... on Error { message }
        ... on MemqlError { problems { message } }
    }
}"""
REVISE = """mutation ($id: ID!, $set: JSON!) { reviseItem(input: {id: $id, set: $set}) {
    ... on ReviseItemPayload { position } ... on Error { message } } }"""
TASKS = 20
NUMBERS = itertools.count()


class Subscriber:
    """Keeps rows by what it is told, and when each position came."""

    def __init__(self, socket: Socket, goal: str) -> None:
        self.socket, self.goal = socket, goal
        self.rows: dict[str, list[Any]] = {}
        self.told: list[tuple[int, float]] = []
        self.resumed = 0
        self.wrong = 0
        self.bytes = 0

    async def listen(self, begun: asyncio.Semaphore) -> None:
        after: str | None = None
        while True:
            await self.socket.subscribe(DOCUMENT, query=QUERY, params={"goal": self.goal}, after=after)
            async for text in self.socket.connection:
                at = time.monotonic()
                self.bytes += len(text)
                message = orjson.loads(text)
                if message["type"] == "complete":
                    break
                told = message["payload"]["data"]["memqlLive"]
                match told["__typename"]:
                    case "LiveSnapshot":
                        self.rows = {row["key"]: row["row"] for row in told["rows"]}
                        begun.release()
                    case "LiveDelta":
                        self._change(told)
                        self.told.append((int(told["cursor"].partition("-")[0]), at))
                    case "ResumeAfter":
                        after, self.resumed = told["after"], self.resumed + 1
                        continue
                    case _:
                        raise SystemExit(f"refused: {told}")
                after = told["cursor"]
            else:
                return

    def _change(self, told: dict[str, Any]) -> None:
        self.wrong += sum(row["key"] in self.rows for row in told["added"])
        self.wrong += sum(row["key"] not in self.rows for row in told["changed"])
        for key in told["removed"]:
            self.wrong += self.rows.pop(key, None) is None
        self.rows |= {row["key"]: row["row"] for row in (*told["added"], *told["changed"])}


async def world(http: httpx.AsyncClient, url: str, queries: int) -> dict[str, list[str]]:
    """Goals, and the tasks of each."""
    goals: dict[str, list[str]] = {}
    new = "{ ... on Receipt { ids } ... on Error { message } }"
    for n in range(queries):
        made = await ask(http, url, f'mutation {{ setGoal(input: {{title: "goal {n}"}}) {new} }}')
        goal = made["setGoal"]["ids"][0]
        goals[goal] = []
        for m in range(TASKS):
            made = await ask(http, url, f'mutation {{ addTask(input: {{title: "task {m}"}}) {new} }}')
            goals[goal].append(task := made["addTask"]["ids"][0])
            relate = f"mutation ($s: ID!, $t: ID!) {{ relate(input: {{source: $s, kind: PART_OF, target: $t}}) {new} }}"
            relate = relate.replace("PART_OF", '"PART_OF"')
            await ask(http, url, relate, s=task, t=goal)
    return goals


async def write(http: httpx.AsyncClient, url: str, goals: dict[str, list[str]], rate: int, seconds: float) -> Any:
    """So many writes a second, each to a task of another goal; what of each goal was acknowledged when."""
    names, written, began = list(goals), {}, time.monotonic()
    going: set[asyncio.Task[None]] = set()

    async def one(n: int) -> None:
        goal = names[n % len(names)]
        task = goals[goal][n // len(names) % TASKS]
        found = await ask(http, url, REVISE, id=task, set={"title": f"title {next(NUMBERS)}"})
        written[found["reviseItem"]["position"]] = (goal, time.monotonic())

    for n in range(int(rate * seconds)):
        await asyncio.sleep(max(began + n / rate - time.monotonic(), 0))
        going.add(sending := asyncio.create_task(one(n)))
        sending.add_done_callback(going.discard)
    await asyncio.gather(*going)
    return written, time.monotonic() - began


async def run(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder) / "data", **{"limits.live_gather_ms": given.gather})
        served.start()
        try:
            async with AsyncExitStack() as stack:
                http = await stack.enter_async_context(httpx.AsyncClient(limits=httpx.Limits(max_connections=64)))
                await measured(given, served, http, stack)
        finally:
            served.stop()


async def measured(given: argparse.Namespace, served: Served, http: httpx.AsyncClient, stack: AsyncExitStack) -> None:
    goals = await world(http, served.url, given.queries)
    begun = asyncio.Semaphore(0)
    subscribers, listening = [], []
    for n in range(given.subscribers):
        socket = await stack.enter_async_context(connected(served.url))
        subscribers.append(each := Subscriber(socket, list(goals)[n % given.queries]))
        listening.append(asyncio.create_task(each.listen(begun)))
    for _ in subscribers:
        await begun.acquire()
    await write(http, served.url, goals, given.writes, 3)
    await asyncio.sleep(1)
    for each in subscribers:
        each.told.clear()
    memory, files, cpu, own = served.memory, served.files, served.seconds, time.process_time()
    written, took = await write(http, served.url, goals, given.writes, given.seconds)
    await asyncio.sleep(2)
    spent, own = served.seconds - cpu, time.process_time() - own
    messages = sum(len(each.told) for each in subscribers)
    report(given, subscribers, written, took)
    print(f"  server: {spent:.1f} s of processor, {spent / max(messages, 1) * 1e6:.0f} µs a message, of {messages:,};")
    print(f"    {own:.1f} s of this client's own")
    print(f"  memory {memory / 2**20:.0f} -> {served.memory / 2**20:.0f} MiB, files {files} -> {served.files}")
    wrong = sum(each.wrong for each in subscribers)
    rows = {}
    plain = "query ($q: String!, $p: JSON) { memql(query: $q, params: $p) { ... on MemqlResult { rows } } }"
    for goal in goals:
        found = await ask(http, served.url, plain, q=QUERY, p={"goal": goal})
        rows[goal] = sorted(found["memql"]["rows"])
    other = sum(sorted(each.rows.values()) != rows[each.goal] for each in subscribers)
    print(f"  {other} subscribers have other rows than their query; {wrong} rows told lost or doubled")
    for each in listening:
        each.cancel()
    await asyncio.gather(*listening, return_exceptions=True)


def report(given: argparse.Namespace, subscribers: list[Subscriber], written: Any, took: float) -> None:
    """Each write is delivered by the first message at its position or behind it."""
    of: dict[str, list[tuple[int, float]]] = {}
    for position, (goal, at) in sorted(written.items()):
        of.setdefault(goal, []).append((position, at))
    late: list[float] = []
    lost = 0
    for each in subscribers:
        told = iter(each.told)
        now = next(told, None)
        for position, at in of.get(each.goal, ()):
            while now is not None and now[0] < position:
                now = next(told, None)
            if now is None:
                lost += 1
            else:
                late.append((now[1] - at) * 1000)
    cuts = statistics.quantiles(late, n=100)
    print(f"{given.subscribers} subscribers on {given.queries} live queries, {len(written) / took:.0f} writes a second")
    print(f"  from acknowledged to delivered: p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, with a rest of")
    print(f"    {given.gather} ms between two answers of a query; {lost} of {len(late):,} deliveries missing")
    print(f"  {sum(each.resumed for each in subscribers)} were too slow, and resumed")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--writes", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--gather", type=int, default=200)
    asyncio.run(run(parser.parse_args()))
