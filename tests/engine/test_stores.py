"""Stores that were deleted, cut, flipped, swapped or put back in time: the answers stay right.

And a store that knows more than the journal is a witness: then records were lost, and the tenant says so.
"""

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.clock import SystemClock
from engine.commands import Remember
from engine.events import ItemRecorded
from engine.graph import Graph
from engine.limits import Limits
from engine.projection import Unapplied
from engine.records import Receipt, Record
from engine.recovery import Damaged
from engine.tenant import Tenant
from memql.errors import Refusal
from tests.engine.world import ADMIN, World

LIMITS = Limits(text_commit_ms=0, graph_gather_ms=0)
STORES = {
    "graph": ["graph.kuzu", "graph.seal"],
    "vectors": ["vectors", "vectors.seal"],
    "texts": ["text", "text.seal"],
}


def opened(directory: Path) -> Tenant | Damaged:
    return Tenant.open("t", directory, clock=SystemClock(), limits=LIMITS)


def whole(directory: Path) -> Tenant:
    tenant = opened(directory)
    assert isinstance(tenant, Tenant), tenant
    return tenant


def write(tenant: Tenant, seed: int, count: int) -> None:
    chance = random.Random(seed)
    world = World(erasing=False)
    for number in range(count):
        step = (chance.randrange(90), chance.randrange(3), chance.randrange(10_000), chance.randrange(10_000))
        command, by = world.command(step)
        answer = tenant.write_now(command, by, f"{seed}-{number}")
        if isinstance(answer, Receipt):
            world.learn(command, answer.ids)


def held(tenant: Tenant) -> dict[str, object]:
    assert tenant.settled(60), tenant.statuses()
    hits = tenant.read_now(lambda reader: reader.search_text("tea river", limit=50), ADMIN, needs=["texts"])
    assert isinstance(hits, list)
    return {
        "graph": tenant.graph.dump(),
        "vectors": tenant.vectors.dump(),
        "texts": tenant.texts.dump(),
        "hits": [(hit.item.id, round(hit.score, 4)) for hit in hits],
    }


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, dict[str, object]]:
    """A tenant; the same tenant earlier; another tenant; and what the first one answers."""
    base = tmp_path_factory.mktemp("stores")
    for name, seed in (("now", 1), ("other", 2)):
        (base / name).mkdir()
        tenant = whole(base / name)
        write(tenant, seed, 60)
        tenant.close()
    shutil.copytree(base / "now", base / "earlier")
    tenant = whole(base / "now")
    write(tenant, 3, 60)
    answers = held(tenant)
    tenant.close()
    return base / "now", base / "earlier", base / "other", answers


def files_of(directory: Path, store: str) -> list[Path]:
    found: list[Path] = []
    for name in STORES[store]:
        path = directory / name
        found += [path] if path.is_file() else [inner for inner in sorted(path.rglob("*")) if inner.is_file()]
    return found


def remove(directory: Path, store: str) -> None:
    for name in STORES[store]:
        path = directory / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def put(source: Path, directory: Path, store: str) -> None:
    remove(directory, store)
    for name in STORES[store]:
        path = source / name
        shutil.copytree(path, directory / name) if path.is_dir() else shutil.copy(path, directory / name)


@pytest.fixture
def broken(worlds: tuple[Path, Path, Path, dict[str, object]], tmp_path: Path) -> Callable[[], Path]:
    """Copies of the tenant, each to be damaged in another way."""
    made = 0

    def copy() -> Path:
        nonlocal made
        made += 1
        return Path(shutil.copytree(worlds[0], tmp_path / str(made)))

    return copy


def answers(directory: Path) -> dict[str, object]:
    tenant = whole(directory)
    found = held(tenant)
    tenant.close()
    return found


@pytest.mark.parametrize("store", STORES)
def test_a_store_that_is_gone_is_made_anew(
    worlds: tuple[Path, Path, Path, dict[str, object]], broken: Callable[[], Path], store: str
) -> None:
    """All of it, its seal alone, or each of its files."""
    directory = broken()
    remove(directory, store)
    assert answers(directory) == worlds[3]
    for path in files_of(worlds[0], store):
        directory = broken()
        (directory / path.relative_to(worlds[0])).unlink()
        assert answers(directory) == worlds[3], path


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("how", ["flip", "cut"])
def test_damage_in_a_store_changes_no_answer(
    worlds: tuple[Path, Path, Path, dict[str, object]], broken: Callable[[], Path], store: str, how: str
) -> None:
    """A byte of each file, its seal's too."""
    chance = random.Random(f"{store} {how}")
    for path in files_of(worlds[0], store):
        size = path.stat().st_size
        if not size:
            continue
        directory = broken()
        damaged = directory / path.relative_to(worlds[0])
        data = bytearray(damaged.read_bytes())
        place = chance.randrange(size)
        if how == "flip":
            data[place] ^= 1 << chance.randrange(8)
        else:
            del data[place:]
        damaged.write_bytes(data)
        assert answers(directory) == worlds[3], (path, place)


@pytest.mark.parametrize("store", STORES)
def test_another_tenants_store_is_not_taken_for_ours(
    worlds: tuple[Path, Path, Path, dict[str, object]], broken: Callable[[], Path], store: str
) -> None:
    """With its seal or without; nor is an older copy of our own taken for the newest."""
    now, earlier, other, expected = worlds
    for source in (other, earlier):
        directory = broken()
        put(source, directory, store)
        assert answers(directory) == expected
        directory = broken()
        put(source, directory, store)
        shutil.copy(now / STORES[store][1], directory / STORES[store][1])
        assert answers(directory) == expected


@pytest.mark.parametrize("store", STORES)
def test_a_store_that_knows_more_than_the_journal_is_a_witness(
    worlds: tuple[Path, Path, Path, dict[str, object]], tmp_path: Path, store: str
) -> None:
    """The disk brought back an older journal and head, but not an older store: records were lost."""
    now, earlier, _, _ = worlds
    directory = tmp_path / "back"
    shutil.copytree(earlier, directory)
    put(now, directory, store)
    found = opened(directory)
    assert isinstance(found, Damaged)
    assert found.code == "RECORDS_LOST"
    assert STORES[store][1] in found.message
    assert 0 < found.held < found.witnessed


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 48 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a file system of its own can be mounted by root alone")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("left", [0, 4_096])
def test_a_graph_that_cannot_be_begun_ends_nothing(small_disk: Path, left: int) -> None:
    """The disk is full when its file is first made: that is said, and with space again it is made."""
    graph = Graph(small_disk, tenant="t", engine="kuzu", limits=LIMITS, ids=lambda roots: [f"mem_{n}" for n in roots])
    item = ItemRecorded("mem_1", 1, 1, 1, 0, "Memory", "ada", "user", 1, properties={"category": "tea"})
    record = Record(1, 1, "ada", "Remember", (item,))
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - left))
    graph.apply([record])
    with pytest.raises(Unapplied):
        graph.settle()
    ballast.unlink()
    graph.clear()
    graph.apply([record])
    graph.settle()
    assert len(graph.dump()[0]) == 1
    graph.close()


def test_a_full_disk_loses_nothing(small_disk: Path) -> None:
    """Writes are refused, and said to be; reads are right or refused; with space again everything goes on."""
    ballast = small_disk / "ballast"
    tenant = whole(small_disk / "t")
    acknowledged: dict[str, str] = {}
    refused: set[str] = set()
    for number in range(60):
        if number == 20:
            ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - 600_000))
        text = f"tea {number} " + "x" * 30_000
        answer = tenant.write_now(Remember(text=text), ADMIN, f"k{number}")
        if isinstance(answer, Receipt):
            acknowledged[answer.ids[0]] = text
        else:
            refused |= {problem.code for problem in answer.problems}
    assert refused == {"STORAGE_FULL"}
    hits = tenant.read_now(lambda reader: reader.search_text("tea", limit=100), ADMIN, needs=["texts"], at_least=21)
    if isinstance(hits, list):
        assert {hit.item.id for hit in hits} <= acknowledged.keys()
    else:
        assert isinstance(hits, Refusal)
        assert hits.problems[0].code in ("STORE_FAILED", "STORE_REBUILDING", "STORE_BEHIND")
    ballast.unlink()
    tenant.rebuild()
    hits = tenant.read_now(
        lambda reader: reader.search_text("tea", limit=100), ADMIN, needs=["texts"], at_least=tenant.position
    )
    assert isinstance(hits, list), hits
    assert {hit.item.id: hit.item.properties["text"] for hit in hits} == acknowledged
    assert isinstance(tenant.write_now(Remember(text="there is space again"), ADMIN), Receipt)
    expected = held(tenant)
    tenant.close()
    assert answers(small_disk / "t") == expected
