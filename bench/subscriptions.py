"""What subscribers cost and how soon they are told: many on live queries, over WebSockets, while others write.

    python -m bench.subscriptions [--subscribers 1000] [--queries 50] [--writes 200] [--seconds 40] [--gather 200]

The server is a process of its own, on this machine's own address. Prints milliseconds from an acknowledged write until
it is delivered, the server's processor time for each message, its memory before and after, and whether everyone has the
rows that the queries have in the end. Another server, before it, is written the same without subscribers: what that one
costs, and how much it grows, is the writes'.
"""

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from bench.sockets import Asking, Listening
from tests.server.served import Served

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

    def __init__(self, goal: str, begun: asyncio.Semaphore) -> None:
        self.goal = goal
        self.rows: dict[str, list[Any]] = {}
        self.told: list[tuple[int, float]] = []
        self.resumed = 0
        self.wrong = 0
        self.socket = Listening(self.hear)
        self._begun = begun
        self._after: str | None = None
        self._ids = itertools.count()

    def hear(self, message: dict[str, Any]) -> None:
        at = time.monotonic()
        if message["type"] in ("connection_ack", "complete"):
            variables = {"query": QUERY, "params": {"goal": self.goal}, "after": self._after}
            payload = {"query": DOCUMENT, "variables": variables}
            self.socket.send({"type": "subscribe", "id": str(next(self._ids)), "payload": payload})
            return
        told = message["payload"]["data"]["memqlLive"]
        match told["__typename"]:
            case "LiveSnapshot":
                self.rows = {row["key"]: row["row"] for row in told["rows"]}
                self._begun.release()
            case "LiveDelta":
                self._change(told)
                self.told.append((int(told["cursor"].partition("-")[0]), at))
            case "ResumeAfter":
                self._after, self.resumed = told["after"], self.resumed + 1
                return
            case _:
                raise SystemExit(f"refused: {told}")
        self._after = told["cursor"]

    def _change(self, told: dict[str, Any]) -> None:
        self.wrong += sum(row["key"] in self.rows for row in told["added"])
        self.wrong += sum(row["key"] not in self.rows for row in told["changed"])
        for key in told["removed"]:
            self.wrong += self.rows.pop(key, None) is None
        self.rows |= {row["key"]: row["row"] for row in (*told["added"], *told["changed"])}


NEW = "{ ... on Receipt { ids } ... on Error { message } }"
RELATE = f"""mutation ($s: ID!, $t: ID!) {{
    relate(input: {{source: $s, kind: "PART_OF", target: $t}}) {NEW} }}"""


async def world(http: Asking, queries: int) -> dict[str, list[str]]:
    """Goals, and the tasks of each."""
    goals: dict[str, list[str]] = {}
    for n in range(queries):
        goal = (await http.ask(f'mutation {{ setGoal(input: {{title: "goal {n}"}}) {NEW} }}'))["setGoal"]["ids"][0]
        goals[goal] = []
        for m in range(TASKS):
            made = await http.ask(f'mutation {{ addTask(input: {{title: "task {m}"}}) {NEW} }}')
            goals[goal].append(task := made["addTask"]["ids"][0])
            await http.ask(RELATE, s=task, t=goal)
    return goals


async def write(http: Asking, goals: dict[str, list[str]], rate: int, seconds: float) -> tuple[dict[int, Any], float]:
    """So many writes a second, each to a task of another goal: which goal each position is of, and when it was
    acknowledged; and how long that took."""
    names, written, began = list(goals), {}, time.monotonic()
    going: set[asyncio.Task[None]] = set()

    async def one(n: int) -> None:
        goal = names[n % len(names)]
        task = goals[goal][n // len(names) % TASKS]
        found = await http.ask(REVISE, id=task, set={"title": f"title {next(NUMBERS)}"})
        written[found["reviseItem"]["position"]] = (goal, time.monotonic())

    for n in range(int(rate * seconds)):
        await asyncio.sleep(max(began + n / rate - time.monotonic(), 0))
        going.add(sending := asyncio.create_task(one(n)))
        sending.add_done_callback(going.discard)
    await asyncio.gather(*going)
    return written, time.monotonic() - began


@dataclass(frozen=True)
class Cost:
    """What some writes cost the server: processor seconds a write, and its memory before them, midway and after."""

    a_write: float
    memory: tuple[int, ...]

    @property
    def grown(self) -> float:
        return (self.memory[-1] - self.memory[0]) / 2**20

    def __str__(self) -> str:
        sizes = ", ".join(f"{each / 2**20:.0f}" for each in self.memory)
        return f"{self.a_write * 1e3:.2f} ms of processor a write; memory {sizes} MiB before, midway and after"


async def run(given: argparse.Namespace) -> None:
    alone = await served(given, 0, None)
    print(f"without subscribers: {alone}")
    await served(given, given.subscribers, alone)


async def served(given: argparse.Namespace, subscribers: int, alone: Cost | None) -> Cost:
    """By a server of its own; `alone`: what the same writes cost one without subscribers."""
    with tempfile.TemporaryDirectory() as folder:
        server = Served(Path(folder) / "data", **{"limits.live_gather_ms": given.gather})
        server.start()
        http = Asking("127.0.0.1", server.port)
        try:
            return await measured(given, subscribers, alone, server, http)
        finally:
            http.close()
            server.stop()


async def measured(given: argparse.Namespace, count: int, alone: Cost | None, served: Served, http: Asking) -> Cost:
    goals = await world(http, given.queries)
    await write(http, goals, given.writes, 3)
    begun, loop = asyncio.Semaphore(0), asyncio.get_running_loop()
    subscribers = [Subscriber(list(goals)[n % given.queries], begun) for n in range(count)]
    for each in subscribers:
        await loop.create_connection(lambda each=each: each.socket, "127.0.0.1", served.port)
    for _ in subscribers:
        await begun.acquire()
    await write(http, goals, given.writes, given.seconds / 4)
    await asyncio.sleep(1)
    for each in subscribers:
        each.told.clear()
    memory, files, cpu, own = [served.memory], served.files, served.seconds, time.process_time()
    written, took = {}, 0.0
    for _ in range(2):
        half, seconds = await write(http, goals, given.writes, given.seconds / 2)
        written, took = written | half, took + seconds
        memory.append(served.memory)
    await asyncio.sleep(2)
    own = time.process_time() - own
    cost = Cost((served.seconds - cpu) / len(written), tuple(memory))
    if alone is None:
        return cost
    messages = sum(len(each.told) for each in subscribers)
    report(given, subscribers, written, took)
    print(f"  {cost}; files {files} -> {served.files}")
    beside = (cost.a_write - alone.a_write) * len(written)
    print(f"  each of the {messages:,} messages took {beside / max(messages, 1) * 1e6:.0f} µs; the clients {own:.1f} s")
    print(f"  memory grew by {cost.grown:.0f} MiB, and by {alone.grown:.0f} MiB without subscribers")
    plain = "query ($q: String!, $p: JSON) { memql(query: $q, params: $p) { ... on MemqlResult { rows } } }"
    rows = {goal: sorted((await http.ask(plain, q=QUERY, p={"goal": goal}))["memql"]["rows"]) for goal in goals}
    other = sum(sorted(each.rows.values()) != rows[each.goal] for each in subscribers)
    wrong = sum(each.wrong for each in subscribers)
    print(f"  {other} subscribers have other rows than their query; {wrong} rows told lost or doubled")
    for each in subscribers:
        each.socket.close()
    return cost


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
    uvloop.run(run(parser.parse_args()))
