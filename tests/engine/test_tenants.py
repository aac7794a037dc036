"""Many tenants in one directory: opened on demand, never mixed, deleted whole, held by one process."""

import asyncio
import random
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.commands import EventInput, Principal, RecordEvents, Remember, ReviseItem
from engine.limits import Limits
from engine.lock import DataLock, Locked
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant
from engine.tenants import Tenants
from memql.errors import Refusal
from tests.engine.world import ADMIN, PEOPLE

ME = PEOPLE[0]


def directory_of(path: Path, **limits: int) -> Tenants:
    bounds = Limits(text_commit_ms=0, graph_gather_ms=0, **limits)
    return Tenants(path, clock=SystemClock(), limits=bounds, consolidate=False)


def said(text: str, stream: str = "s") -> RecordEvents:
    return RecordEvents(stream=stream, events=(EventInput(content=text),))


def test_a_tenant_is_made_when_it_is_first_used(tmp_path: Path) -> None:
    tenants = directory_of(tmp_path)
    with tenants.use("absent", create=False) as refused:
        assert isinstance(refused, Refusal)
        assert refused.problems[0].code == "NOT_FOUND"
    with tenants.use("made") as tenant:
        assert isinstance(tenant, Tenant)
        assert isinstance(tenant.write_now(said("hello"), ME), Receipt)
    assert tenants.names() == ["made"]
    tenants.close()


@pytest.mark.parametrize("name", ["", "Big", "a b", "../up", ".hidden", "x" * 64, "a/b", "\x00", "ä"])
def test_a_name_that_is_no_directorys_is_refused(tmp_path: Path, name: str) -> None:
    tenants = directory_of(tmp_path)
    with tenants.use(name) as refused:
        assert isinstance(refused, Refusal)
        assert refused.problems[0].code == "BAD_TENANT"
    assert list((tmp_path / "tenants").iterdir()) == []


def test_the_least_used_is_closed_for_the_next(tmp_path: Path) -> None:
    """Those in use stay; with all of them in use, one more is refused."""
    tenants = directory_of(tmp_path, open_tenants=2)
    for name in "abc":
        with tenants.use(name) as tenant:
            assert isinstance(tenant, Tenant)
            assert isinstance(tenant.write_now(said(name), ME), Receipt)
    assert [name for name in "abc" if tenants.is_open(name)] == ["b", "c"]
    with tenants.use("a") as a, tenants.use("b") as b, tenants.use("c") as c:
        assert isinstance(a, Tenant)
        assert isinstance(b, Tenant)
        assert isinstance(c, Refusal)
        assert c.problems[0].code == "LIMIT_EXCEEDED"
        assert a.position == b.position == 1
    tenants.close()


def test_one_that_is_open_is_taken_without_waiting(tmp_path: Path) -> None:
    """And only such a one; it is kept open by that as by any other use."""
    tenants = Tenants(tmp_path, clock=SystemClock(), limits=Limits(open_tenants=1))
    assert tenants.acquire_open("a") is None
    with tenants.use("a") as opened:
        assert tenants.acquire_open("a") is opened
    with tenants.use("b") as refused:
        assert isinstance(refused, Refusal), "a is still used"
    tenants.release("a")
    with tenants.use("b") as another:
        assert isinstance(another, Tenant)
    assert tenants.acquire_open("a") is None
    tenants.close()


def test_deletion_removes_every_byte(tmp_path: Path) -> None:
    """After the last user is done; and what a crash left half deleted goes with the next start."""
    tenants = directory_of(tmp_path)
    with tenants.use("doomed") as tenant:
        assert isinstance(tenant, Tenant)
        tenant.write_now(Remember(text="plugh"), ME)
        deleting = threading.Thread(target=tenants.delete, args=("doomed",))
        deleting.start()
        deleting.join(0.1)
        assert deleting.is_alive()
    deleting.join(20)
    assert not deleting.is_alive()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    refused = tenants.delete("doomed")
    assert refused
    assert refused.problems[0].code == "NOT_FOUND"
    left = tmp_path / "deleted" / "doomed-1"
    left.mkdir(parents=True)
    (left / "journal.db").write_bytes(b"plugh")
    directory_of(tmp_path)
    assert not left.exists()


def test_one_process_has_a_directory(tmp_path: Path) -> None:
    """The second one is told who the first one is; a dead one holds nothing."""
    lock = DataLock.take(tmp_path, "memql serve")
    assert isinstance(lock, DataLock)
    script = (
        "import sys; from pathlib import Path; from engine.lock import DataLock; "
        "print(DataLock.take(Path(sys.argv[1]), 'memql verify'))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    assert "DATA_LOCKED" in told
    assert "memql serve" in told
    lock.close()
    again = DataLock.take(tmp_path, "memql verify")
    assert not isinstance(again, Locked)
    again.close()


@pytest.mark.timeout(600)
def test_tenants_never_mix(tmp_path: Path) -> None:
    """64 tenants, 10,000 random operations, a third as many open at once: each holds exactly what was written to it."""
    chance = random.Random(64)
    tenants = directory_of(tmp_path, open_tenants=24)
    names = [f"t{n}" for n in range(64)]
    written: dict[str, list[str]] = {name: [] for name in names}
    ids: dict[str, list[str]] = {name: [] for name in names}
    for number in range(10_000 // 50):
        name = chance.choice(names)
        with tenants.use(name) as tenant:
            assert isinstance(tenant, Tenant), tenant
            for inner in range(50):
                operate(tenant, name, f"{number}.{inner}", chance, written[name], ids)
    for name in names:
        with tenants.use(name) as tenant:
            assert isinstance(tenant, Tenant)
            items = tenant.read_now(lambda reader: reader.page(["Memory"], limit=1_000), ADMIN)
            assert isinstance(items, list)
            assert [item.properties["text"] for item in items] == written[name]
            other = chance.choice([n for n in names if n != name and ids[n]])
            stranger = ids[other][0]
            assert tenant.read_now(partial(Reader.item, id_=stranger), ADMIN) is None
    tenants.close()


def operate(
    tenant: Tenant, name: str, number: str, chance: random.Random, written: list[str], ids: dict[str, list[str]]
) -> None:
    draw = chance.random()
    if draw < 0.3 and len(written) < 900:
        text = f"{name} remembers {number}"
        answer = tenant.write_now(Remember(text=text), ME)
        assert isinstance(answer, Receipt)
        written.append(text)
        ids[name] += answer.ids
    elif draw < 0.4:
        stranger = chance.choice([n for n in ids if n != name])
        if ids[stranger]:
            refused = tenant.write_now(ReviseItem(id=ids[stranger][0], set={"text": "mixed"}), ADMIN)
            assert isinstance(refused, Refusal)
    elif draw < 0.6:
        assert isinstance(tenant.write_now(said(number), ME, number), Receipt)
    else:
        found = tenant.read_now(lambda reader: reader.page(["Memory"], limit=5, newest_first=True), ME)
        assert isinstance(found, list)
        assert all(str(item.properties["text"]).startswith(f"{name} ") for item in found)


async def test_a_read_waits_for_what_was_written(tmp_path: Path) -> None:
    """`at_least` shows one's own write, in every store; a position that does not come is refused in time."""
    opened = Tenant.open("t", tmp_path, clock=SystemClock(), limits=Limits(wait_ms=300, text_commit_ms=60_000))
    assert isinstance(opened, Tenant)
    for n in range(5):
        receipt = await opened.write(said(f"word{n}"), ME)
        assert isinstance(receipt, Receipt)
        ask = partial(Reader.search_text, text=f"word{n}")
        hits = await opened.read(ask, ME, needs=["texts"], at_least=receipt.position)
        assert isinstance(hits, list)
        assert [hit.item.properties["content"] for hit in hits] == [f"word{n}"]
    refused = await opened.read(lambda reader: reader.count(), ME, at_least=99)
    assert isinstance(refused, Refusal)
    assert refused.problems[0].code == "NOT_YET"
    assert "99" in refused.problems[0].message
    await asyncio.to_thread(opened.close)


async def test_writers_that_wait_together_are_committed_together(tmp_path: Path) -> None:
    """Everyone gets the receipt of their own record."""
    opened = Tenant.open("t", tmp_path, clock=SystemClock(), limits=Limits())
    assert isinstance(opened, Tenant)
    receipts = await asyncio.gather(
        *(opened.write(said(f"n{n}", f"s{n % 7}"), Principal(f"usr_{n}")) for n in range(200))
    )
    assert all(isinstance(receipt, Receipt) for receipt in receipts)
    positions = sorted(receipt.position for receipt in receipts if isinstance(receipt, Receipt))
    assert positions == list(range(1, 201))
    await asyncio.to_thread(opened.close)


async def test_whoever_commits_answers_everybody(tmp_path: Path) -> None:
    """Threads and coroutines write at once: each gets its own receipt, whichever of them made the commit."""
    opened = Tenant.open("t", tmp_path, clock=SystemClock(), limits=Limits())
    assert isinstance(opened, Tenant)

    def writing(thread: int) -> list[Receipt | Refusal]:
        return [opened.write_now(said(f"{thread}.{n}", f"t{thread}"), ME) for n in range(100)]

    threads = [asyncio.to_thread(writing, thread) for thread in range(3)]
    waiting = [opened.write(said(f"n{n}", "async"), ME) for n in range(300)]
    answers = await asyncio.wait_for(asyncio.gather(*threads, *waiting), 60)
    receipts = [answer for each in answers for answer in (each if isinstance(each, list) else [each])]
    assert sorted(receipt.position for receipt in receipts if isinstance(receipt, Receipt)) == list(range(1, 601))
    await asyncio.to_thread(opened.close)
