"""Live queries by example: what is told, to whom, when, and how it ends."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.commands import (
    AddTask,
    Command,
    DeclareLabel,
    EraseItem,
    FoldState,
    NameEntity,
    Principal,
    Relate,
    Remember,
    RetireItem,
    ReviseItem,
    SetGoal,
    StateInput,
)
from engine.keyed import difference, keyed
from engine.limits import Limits
from engine.subscription import Cursor, Delta, Resume, Snapshot
from engine.tenant import Tenant
from engine.tenants import Tenants
from memql.errors import Reason, Refusal
from tests.engine.live_world import DAY, FAST, ME, Client, SetClock, do, listening, opened
from tests.engine.world import EPOCH

TASKS = "LIVE MATCH (t:Task) RETURN t.id, t.title"


async def write(tenant: Tenant, *commands: Command, by: Principal = ME) -> list[str]:
    ids: list[str] = []
    for command in commands:
        receipt = await asyncio.to_thread(do, tenant, command, by)
        ids += receipt.ids[:1]
    return ids


async def test_a_snapshot_and_then_what_is_different(tmp_path: Path) -> None:
    """A row is added, changed under its key, and removed; each with the cursor behind it."""
    with opened(tmp_path) as tenant:
        client = Client(tenant, TASKS)
        async with listening(client):
            assert client.values == []
            (one,) = await write(tenant, AddTask(title="tea"))
            await client.until(lambda each: each.values == [(one, "tea")])
            await write(tenant, ReviseItem(id=one, set={"title": "coffee"}))
            await client.until(lambda each: each.values == [(one, "coffee")])
            await write(tenant, RetireItem(id=one))
            await client.until(lambda each: each.values == [])
        assert client.cursor is not None
        assert client.cursor.position == tenant.position
        deltas = [each for each in client.told if isinstance(each, Delta)]
        assert [(len(d.added), len(d.changed), len(d.removed)) for d in deltas] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        (key,) = {row.key for delta in deltas for row in (*delta.added, *delta.changed)}
        assert deltas[2].removed == (key,)


async def test_who_wrote_sees_it_in_the_snapshot(tmp_path: Path) -> None:
    """A subscription that begins after a receipt begins at its position at least, texts and vectors too."""
    with opened(tmp_path, Limits(live_gather_ms=0)) as tenant:
        (first,) = await write(tenant, Remember(text="green tea"))
        client = Client(tenant, "LIVE SEARCH m:Memory MATCHES 'tea' LIMIT 5 RETURN m.id")
        async with listening(client):
            assert client.values == [(first,)]
            (second,) = await write(tenant, Remember(text="black tea, strong tea"))
            await client.until(lambda each: set(each.values) == {(first,), (second,)})


async def test_rows_keep_their_places(tmp_path: Path) -> None:
    """With ORDER BY a client has the list as the query has it, by taking out and putting in."""
    with opened(tmp_path) as tenant:
        ids = await write(tenant, *(AddTask(title=f"t{n}", description=f"{n}") for n in range(6)))
        client = Client(tenant, "LIVE MATCH (t:Task) RETURN t.id, t.title AS title ORDER BY title LIMIT 4")
        async with listening(client):
            for n, title in ((3, "t0a"), (0, "t9"), (5, "a"), (1, "t4b")):
                await write(tenant, ReviseItem(id=ids[n], set={"title": title}))
            await client.until(lambda each: [title for _, title in each.values] == ["a", "t0a", "t2", "t4"])


async def test_commits_close_together_are_told_together(tmp_path: Path) -> None:
    """Nobody is told more often than every so many milliseconds, however many commits there are."""
    with opened(tmp_path, Limits(live_gather_ms=400)) as tenant:
        client = Client(tenant, "LIVE MATCH (t:Task) RETURN count(*) AS n")
        async with listening(client):
            for n in range(30):
                await write(tenant, AddTask(title=f"{n}"))
            await client.until(lambda each: each.values == [(30,)])
        assert len(client.told) < 10


async def test_only_what_is_read_wakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other kinds, properties, goals and people: the query is not asked again, and its cursor goes on."""
    with opened(tmp_path) as tenant:
        goal, other = await write(tenant, SetGoal(title="home"), SetGoal(title="away"))
        (task,) = await write(tenant, AddTask(title="tea"))
        await write(tenant, Relate(source=task, kind="PART_OF", target=goal))
        client = Client(
            tenant, "LIVE MATCH (t:Task {status: 'open'})-[:PART_OF]->(g:Goal {id: $goal}) RETURN t.id, t.title",
            {"goal": goal},
        )  # fmt: skip
        asked: list[object] = []
        ask = tenant.live_queries._ask

        def counted(query: Any) -> Any:
            asked.append(query)
            return ask(query)

        monkeypatch.setattr(tenant.live_queries, "_ask", counted)
        async with listening(client):
            (idle,) = await write(tenant, AddTask(title="idle"))
            await write(
                tenant, Remember(text="rain"), NameEntity(name="Ada"),
                Relate(source=idle, kind="PART_OF", target=other), ReviseItem(id=idle, set={"title": "away"}),
                Relate(source=idle, kind="DEPENDS_ON", target=goal), ReviseItem(id=idle, set={"title": "idle again"}),
                ReviseItem(id=task, set={"description": "slowly"}),
            )  # fmt: skip
            await write(tenant, AddTask(title="mine"), by=Principal("usr_bo"))
            behind = tenant.position
            resumed = Client(tenant, client.text, client.params)
            resumed.cursor = client.cursor
            async with listening(resumed):
                assert [type(each) for each in resumed.told] == [Delta]
                assert resumed.cursor is not None
                assert resumed.cursor.position == behind
            assert len(asked) == 1
            await write(tenant, ReviseItem(id=task, set={"title": "two teas"}))
            await client.until(lambda each: each.values == [(task, "two teas")])
            assert len(asked) == 2


async def test_time_wakes_without_a_commit(tmp_path: Path) -> None:
    """What begins or ceases to be true comes and goes when the clock gets there."""
    clock = SetClock()
    with opened(tmp_path, clock=clock) as tenant:
        await write(
            tenant,
            Remember(text="later", valid_from=EPOCH + timedelta(days=10), valid_to=EPOCH + timedelta(days=20)),
        )
        client = Client(tenant, "LIVE MATCH (m:Memory) RETURN m.text")
        async with listening(client):
            assert client.values == []
            clock.goes_on(11 * DAY)
            await client.until(lambda each: each.values == [("later",)])
            clock.goes_on(10 * DAY)
            await client.until(lambda each: each.values == [])
            assert client.cursor is not None
            assert client.cursor.position == tenant.position


async def test_the_same_query_is_asked_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks the same and sees the same shares one evaluation; who sees otherwise does not."""
    with opened(tmp_path) as tenant:
        clients = [Client(tenant, TASKS) for _ in range(5)]
        agent = Client(tenant, TASKS, by=Principal("agt_x", owners=frozenset({"usr_me"})))
        async with listening(*clients, agent):
            assert len(tenant.live_queries._queries) == 2
            assert tenant.live_queries.count == 6
            (one,) = await write(tenant, AddTask(title="tea"))
            for client in (*clients, agent):
                await client.until(lambda each: each.values == [(one, "tea")])
        assert tenant.live_queries.count == 0


async def test_nobody_is_told_of_what_they_may_not_see(tmp_path: Path) -> None:
    """Items of other owners never appear, whatever happens to them."""
    ada, bo = Principal("usr_ada"), Principal("usr_bo")
    with opened(tmp_path) as tenant:
        mine, theirs = Client(tenant, TASKS, by=ada), Client(tenant, TASKS, by=bo)
        async with listening(mine, theirs):
            (one,) = await write(tenant, AddTask(title="secret", domain="user"), by=ada)
            await write(tenant, ReviseItem(id=one, set={"title": "still secret"}), by=ada)
            await mine.until(lambda each: each.values == [(one, "still secret")])
            (both,) = await write(tenant, AddTask(title="open", domain="organization"), by=ada)
            await theirs.until(lambda each: each.values == [(both, "open")])
        assert not any(one in str(told) for told in theirs.told)


async def test_a_slow_subscriber_is_told_where_to_resume(tmp_path: Path) -> None:
    """It holds up nobody, gets what was kept for it and then the cursor, and loses nothing by resuming there."""
    with opened(tmp_path, FAST.model_copy(update={"live_deltas": 3})) as tenant:
        slow, quick = tenant.live_queries.subscribe(TASKS, {}, ME, None), Client(tenant, TASKS)
        assert not isinstance(slow, Refusal)
        async with listening(quick):
            for n in range(8):
                await write(tenant, AddTask(title=f"{n}"))
                await quick.until(lambda each, n=n: len(each.rows) == n + 1)
        told = [await slow.next() for _ in range(4)]
        assert await slow.next() is None
        last = told.pop()
        client = Client(tenant, TASKS)
        for each in told:
            assert each is not None
            client.hear(each)
        assert last == Resume(client.cursor, "slow")
        assert len(client.rows) < 8
        async with listening(client):
            assert [type(each) for each in client.told[3:]] == [Delta]
            assert sorted(client.values) == sorted(quick.values)


async def test_closing_the_tenant_ends_all_and_says_where_to_resume(tmp_path: Path) -> None:
    """Restarted, it goes on from there: only what is different is told."""
    with opened(tmp_path) as tenant:
        await write(tenant, AddTask(title="tea"))
        client = Client(tenant, TASKS)
        client.begin()
        await client.until(lambda each: each.told)
        await asyncio.to_thread(tenant.close)
        await client.over()
        assert client.ended == Resume(client.cursor, "closing")
    clock = SetClock()
    clock.goes_on(DAY)
    with opened(tmp_path, clock=clock) as tenant:
        (other,) = await write(tenant, AddTask(title="milk"))
        client.tenant = tenant
        async with listening(client):
            await client.until(lambda each: len(each.rows) == 2)
            delta = client.told[-1]
            assert isinstance(delta, Delta)
            assert [row.values for row in delta.added] == [(other, "milk")]
            assert not delta.changed


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """Neither tasks nor threads nor queries, however subscriptions end."""
    with opened(tmp_path) as tenant:
        before = {thread.name for thread in threading.enumerate()}
        for n in range(5):
            clients = [Client(tenant, f"{TASKS}, {n} AS n") for _ in range(4)]
            async with listening(*clients):
                assert tenant.live_queries.count == 4
        assert tenant.live_queries.count == 0
        assert not tenant.live_queries._queries
        for _ in range(100):
            if not any(thread.name.startswith("live-") for thread in threading.enumerate()):
                break
            await asyncio.sleep(0.02)
        left = {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio")}
        assert left <= before
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_cannot_be_resumed_begins_anew(tmp_path: Path) -> None:
    """Where scores or state are read, something was erased, or the cursor is of nowhere, all rows are told again."""
    with opened(tmp_path) as tenant:
        one, two = await write(tenant, Remember(text="tea"), Remember(text="milk"))
        whole = "LIVE MATCH (m:Memory) RETURN m.id"
        state = "LIVE MATCH (m:Memory) RETURN m.id, m.activation"
        begun = Cursor(1, tenant.clock.now())
        for text, after, why in (
            (state, begun, "scores and state are not versioned"),
            (whole, Cursor(99, begun.at), "the cursor is ahead of the tenant"),
        ):
            client = Client(tenant, text)
            client.cursor = after
            async with listening(client):
                assert isinstance(client.told[0], Snapshot)
                assert client.told[0].why == why
        await write(tenant, EraseItem(id=two))
        client = Client(tenant, whole)
        client.cursor = begun
        async with listening(client):
            assert isinstance(client.told[0], Snapshot)
            assert client.told[0].why == "something was erased or lost since the cursor"
            assert client.values == [(one,)]


async def test_state_wakes_who_reads_it(tmp_path: Path) -> None:
    """And nobody else."""
    with opened(tmp_path) as tenant:
        (one,) = await write(tenant, Remember(text="tea"))
        client = Client(tenant, "LIVE MATCH (m:Memory) RETURN m.id, m.activation AS a")
        async with listening(client):
            await write(tenant, FoldState(items=(StateInput(id=one, set={"activation": 0.5}),)))
            await client.until(lambda each: each.values == [(one, 0.5)])


async def test_a_declaration_is_known_at_once(tmp_path: Path) -> None:
    """The query is compiled anew, so that a label of an item that comes later is known."""
    with opened(tmp_path) as tenant:
        await write(tenant, Remember(text="tea"))
        client = Client(tenant, "LIVE MATCH (m:!Event) RETURN m.id")
        async with listening(client):
            await asyncio.to_thread(do, tenant, DeclareLabel(label="Pinned"))
            (one,) = await write(tenant, Remember(text="milk", labels=("Pinned",)))
            await client.until(lambda each: (one,) in each.values)


async def test_what_is_refused(tmp_path: Path) -> None:
    """A query that is none, one that is not live, too many rows, too many subscriptions, a failure at some row."""
    with opened(tmp_path, FAST.model_copy(update={"live_rows": 3, "live_queries": 1})) as tenant:
        for text, code in (
            ("LIVE MATCH (t:Tusk) RETURN t", "Q101"),
            ("MATCH (t:Task) RETURN t", "Q523"),
            ("LIVE MATCH (t:Task {title: $title}) RETURN t", "Q205"),
        ):
            client = Client(tenant, text)
            client.begin()
            await client.over()
            assert isinstance(client.ended, Refusal)
            assert client.ended.problems[0].code == code
        client, more = Client(tenant, TASKS), Client(tenant, TASKS)
        async with listening(client):
            more.begin()
            await more.over()
            assert isinstance(more.ended, Refusal)
            assert "live_queries" in str(more.ended)
            await write(tenant, *(AddTask(title=f"{n}") for n in range(4)))
            await client.until(lambda each: each.ended)
            assert isinstance(client.ended, Refusal)
            assert client.ended.reason is Reason.LIMIT
            assert "live_rows" in str(client.ended)
        client = Client(tenant, "LIVE MATCH (t:Task) RETURN 1 / (size(t.title) - 1)")
        client.begin()
        await client.over()
        assert isinstance(client.ended, Refusal)
        assert client.ended.problems[0].code == "Q212"


def test_cursors_are_read_as_they_are_written() -> None:
    """And nothing else is."""
    assert Cursor.read(str(Cursor(12, 1_700_000_000_000_000))) == Cursor(12, 1_700_000_000_000_000)
    for text in ("", "12", "12-", "a-b", "-1-2", "1-2 ", "1-2-3", "٣-٤"):
        assert Cursor.read(text) is None


def test_equal_rows_are_counted() -> None:
    """Rows that nothing tells apart have keys that follow from the answer alone."""
    before = keyed([("a",), ("b",), ("a",)], None, False)
    after = keyed([("a",), ("b",), ("b",), ("c",)], None, False)
    made = difference(before, after)
    assert [row.values for row in made.added] == [("b",), ("c",)]
    assert len(made.removed) == 1
    assert not made.changed
    assert set(keyed([("b",), ("a",), ("a",)], None, False).rows) == set(before.rows)


def test_only_what_moved_is_told() -> None:
    """Of a list in which one row goes to the front, one row is told."""
    before = keyed([(n,) for n in range(9)], (0,), True)
    after = keyed([(8,), *((n,) for n in range(8))], (0,), True)
    made = difference(before, after)
    assert [row.values for row in made.changed] == [(8,)]
    assert not made.added
    assert not made.removed


async def test_a_tenant_that_is_subscribed_to_can_be_deleted(tmp_path: Path) -> None:
    """Whoever listens is told that it ends, and so gives the tenant back."""
    tenants = Tenants(tmp_path, clock=SetClock(), limits=FAST, consolidate=False)

    leased = asyncio.Event()

    async def listen() -> object:
        tenant = await asyncio.to_thread(tenants.acquire, "t")
        assert isinstance(tenant, Tenant)
        client = Client(tenant, TASKS)
        client.begin()
        leased.set()
        await client.over()
        tenants.release("t")
        return client.ended

    listener = asyncio.create_task(listen())
    await leased.wait()
    assert await asyncio.wait_for(asyncio.to_thread(tenants.delete, "t"), 20) is None
    ended = await listener
    assert isinstance(ended, Resume)
    assert ended.why == "closing"
    tenants.close()
