"""What live queries cost each commit: those that it does not touch, and those that it does.

    python -m bench.live [--queries 50] [--commits 400]

Prints CPU microseconds a commit: of writing alone, of the live queries beside it, and of each of them.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from engine.clock import SystemClock
from engine.commands import AddTask, Command, Principal, Relate, Remember, ReviseItem, SetGoal
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant

ME = Principal("usr_me")
TEXT = "LIVE MATCH (t:Task {status: 'open'})-[:PART_OF]->(g:Goal {id: $goal}) RETURN t.id, t.title"


async def measured(tenant: Tenant, commits: int, command: Callable[[int], Command]) -> float:
    """CPU microseconds a commit, until everything that follows from it is done."""
    began = time.process_time()
    for n in range(commits):
        assert isinstance(await asyncio.to_thread(tenant.write_now, command(n), ME), Receipt)
    await asyncio.to_thread(settled, tenant)
    return (time.process_time() - began) / commits * 1e6


def settled(tenant: Tenant) -> None:
    """Waits until every store and every live query is where the journal is."""
    assert tenant.settled(60)
    while tenant.live_queries.count and not tenant.live_queries.idle:
        time.sleep(0.01)


async def listen(tenant: Tenant, goal: str, told: list[str], begun: asyncio.Semaphore) -> None:
    async with aclosing(tenant.live(TEXT, {"goal": goal}, ME)) as live:
        async for _ in live:
            if goal not in told:
                begun.release()
            told.append(goal)


def written(tenant: Tenant, command: Command) -> str:
    receipt = tenant.write_now(command, ME)
    assert isinstance(receipt, Receipt)
    return receipt.ids[0]


async def run(queries: int, commits: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tenant = Tenant.open("t", Path(folder) / "t", clock=SystemClock(), limits=Limits())
        assert isinstance(tenant, Tenant)
        goals = [written(tenant, SetGoal(title=f"goal {n}")) for n in range(queries)]
        for goal in goals:
            for n in range(20):
                task = written(tenant, AddTask(title=f"task {n}"))
                written(tenant, Relate(source=task, kind="PART_OF", target=goal))
        assert await asyncio.to_thread(tenant.settled, 60)
        kinds: dict[str, Callable[[int], Command]] = {
            "a new memory, which none reads": lambda n: Remember(text=f"note {n}"),
            "a goal's new description, which none reads": lambda n: ReviseItem(
                id=goals[0], set={"description": f"{n}"}
            ),
            "a task's new title, which one of them reads": lambda n: ReviseItem(id=task, set={"title": f"{n}"}),
        }
        alone = {name: await measured(tenant, commits, command) for name, command in kinds.items()}
        told: list[str] = []
        begun = asyncio.Semaphore(0)
        listening = [asyncio.create_task(listen(tenant, goal, told, begun)) for goal in goals]
        for _ in goals:
            await begun.acquire()
        print(f"{queries} live queries, {commits} commits one after the other; CPU in µs a commit")
        for name, command in kinds.items():
            cost = await measured(tenant, commits, command)
            beside = cost - alone[name]
            print(f"  {name:45} {alone[name]:8.0f} alone, {beside:8.0f} for live queries, {beside / queries:6.1f} each")
        print(f"  told {len(told)} times")
        await asyncio.to_thread(tenant.close)
        await asyncio.gather(*listening)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--commits", type=int, default=400)
    given = parser.parse_args()
    asyncio.run(run(given.queries, given.commits))
