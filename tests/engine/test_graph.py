"""The graph holds what the journal says: live or rebuilt, in either engine, after any crash, and beside its readers.

Runs with Kùzu, and once more in a process of its own with Ladybug: MEMQL_TEST_GRAPH names the engine.
"""

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import cypher
from engine.graph import Graph
from engine.graph.file import Engine, EngineUnavailable, GraphFailed
from engine.limits import Limits
from engine.projection import Unapplied
from engine.records import Record
from memql.catalog import PROPERTY_NAME
from memql.values import SCALARS
from tests.engine.graph_world import MARK, SAMPLES, World

ENGINE = cast(Engine, os.environ.get("MEMQL_TEST_GRAPH", "kuzu"))
OTHER: Engine = "ladybug" if ENGINE == "kuzu" else "kuzu"
ROOT = Path(__file__).parent.parent.parent

needs_both = pytest.mark.skipif(
    not {"kuzu", "ladybug"} <= {each.name for each in metadata.distributions()},
    reason="one of the two engines is not installed",
)

Opener = Callable[..., Graph]


def graph_of(
    directory: Path, world: World, *, tenant: str = "ten_a", engine: Engine = ENGINE, limits: Limits | None = None
) -> Graph:
    return Graph(directory, tenant=tenant, engine=engine, limits=limits or Limits(), ids=world.ids)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens graphs in the test's folder, and lets go of them after it."""
    graphs: list[Graph] = []

    def open_one(world: World, name: str = "tenant", tenant: str = "ten_a") -> Graph:
        (tmp_path / name).mkdir(exist_ok=True)
        graphs.append(graph_of(tmp_path / name, world, tenant=tenant))
        return graphs[-1]

    yield open_one
    for graph in graphs:
        graph.close()


def follow(graph: Graph, records: Sequence[Record], chance: random.Random) -> None:
    """Applies as live traffic does: a few records at a time, each shown at once."""
    at = 0
    while at < len(records):
        step = chance.randrange(1, 10)
        graph.apply(records[at : at + step])
        graph.settle()
        at += step


def ask(graph: Graph, statement: str, limit: int = 10, deadline_ms: int = 5_000, **parameters: Any) -> list[Any]:
    return graph.run(statement, parameters, deadline_ms=deadline_ms, limit=limit)


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# What it holds


@pytest.mark.parametrize("seed", range(4))
def test_live_and_rebuilt_are_the_truth(opened: Opener, seed: int) -> None:
    """However the records were cut into batches."""
    world = World(seed)
    world.live(250)
    live, rebuilt = opened(world, "live"), opened(world, "rebuilt")
    follow(live, world.records, random.Random(seed))
    rebuilt.apply(world.records)
    assert rebuilt.position < len(world.records), "so much is gathered before it is shown"
    rebuilt.settle()
    assert live.dump() == world.truth
    assert rebuilt.dump() == world.truth
    assert live.position == rebuilt.position == len(world.records)


def test_revisions_one_by_one_keep_no_memory(tmp_path: Path) -> None:
    """The engine keeps a version of two thousand nodes for each, until a checkpoint; 400 of them were 107 MB."""
    world = World(5)
    world.bulk(2_000, 0)
    before = len(world.records)
    revised = next(root for root in world.roots if world.nodes[root]["kind"] == "Task")
    for _ in range(400):
        world.record(world.item("Task", revised))
    graph = graph_of(tmp_path, world, limits=Limits(graph_versions=10_000_000))
    try:
        graph.apply(world.records[:before])
        graph.settle()
        held = resident()
        for record in world.records[before:]:
            graph.apply([record])
            graph.settle()
        assert resident() - held < 60_000_000
        assert graph.dump() == world.truth
    finally:
        graph.close()


def test_bulk_is_the_truth(opened: Opener) -> None:
    """Copied, loaded and singly written rows are the same rows; so are versions set by the hundred."""
    world = World(7)
    world.live(60)
    world.bulk(12_000, 3_000)
    world.live(60)
    world.revise_many(2_000)
    live, rebuilt = opened(world, "live"), opened(world, "rebuilt")
    for record in world.records:
        live.apply([record])
        live.settle()
    rebuilt.apply(world.records)
    rebuilt.settle()
    assert live.dump() == world.truth
    assert rebuilt.dump() == world.truth


def test_records_are_taken_once(opened: Opener) -> None:
    """Handing in again what was taken changes nothing."""
    world = World(3)
    world.live(80)
    graph = opened(world)
    graph.apply(world.records[:50])
    graph.apply(world.records[20:])
    graph.settle()
    graph.apply(world.records)
    graph.settle()
    assert graph.dump() == world.truth


def test_values_fill_the_graph_s_columns_and_no_others(opened: Opener) -> None:
    """One name under two types, names that differ in case only, and a property that nobody declared."""
    world = World(1)
    while "dueat" not in world.held["Memory"] or "dueAt" not in world.held["Memory"]:
        world.live(1)
        world.declare()
    world.record(*(world.item("Memory") for _ in range(30)))
    graph = opened(world)
    graph.apply(world.records)
    graph.settle()
    held = {name for node in graph.dump()[0] for name, _ in node[-1]}
    assert {"due$At:datetime", "dueat:string"} <= held
    assert not any("unheard" in name or "text" in name or "metadata" in name for name in held)


def test_scan_finds_current_versions(opened: Opener) -> None:
    """By kind and by any declared property, of whichever type."""
    world = World(5)
    world.live(300)
    graph = opened(world)
    graph.apply(world.records)
    graph.settle()
    for kind, held in world.held.items():
        for name, of in held.items():
            for value, encoded in SAMPLES[of]:
                wanted = sorted(
                    node["dense"]
                    for node in world.nodes.values()
                    if node["kind"] == kind and node["values"].get(f"{name}:{of}") == encoded
                )
                assert graph.scan(kind, {name: value}).tolist() == wanted
    everything = sorted(node["dense"] for node in world.nodes.values() if node["kind"] == "Memory")
    found = graph.scan("Memory", {})
    assert found.dtype == np.int64
    assert found.tolist() == everything
    assert graph.scan("Memory", {"category": None}).size == 0
    assert graph.scan("Memory", {"category": 3}).size == 0
    with pytest.raises(GraphFailed, match="does not hold `unheard` of Memory"):
        graph.scan("Memory", {"unheard": MARK})


# Erasure


def test_erased_content_leaves_bytes_until_a_rebuild(opened: Opener, tmp_path: Path) -> None:
    """The live graph says so, also after a restart; the one rebuilt from the journal holds nothing of it."""
    world = World(2)
    world.live(40)
    secret, spared = world.roots[0], world.roots[1]
    live = opened(world)
    live.apply(world.records)
    live.seal()
    assert not live.stale_bytes
    world.record(world.erase(secret))
    live.apply(world.records)
    live.settle()
    assert live.stale_bytes
    assert live.dump() == world.truth
    live.close()
    assert opened(world).stale_bytes

    world.record(world.item(world.nodes[spared]["kind"], spared))
    rebuilt = opened(world, "rebuilt")
    for record in world.replayed():
        rebuilt.apply([record])
        rebuilt.settle()
    assert not rebuilt.stale_bytes
    assert rebuilt.dump() == world.truth
    # What is written after an erasure can be erased as well, and is noticed.
    for event in (world.item(world.nodes[secret]["kind"], secret), world.erase(secret)):
        world.record(event)
        rebuilt.apply(world.records)
        rebuilt.settle()
    assert rebuilt.stale_bytes
    assert rebuilt.dump() == world.truth


def test_what_was_never_written_leaves_no_bytes(opened: Opener) -> None:
    """An item erased while it was still gathered."""
    world = World(4)
    world.record(world.item("Memory"))
    world.record(world.erase(1))
    graph = opened(world)
    graph.apply(world.records)
    graph.settle()
    assert not graph.stale_bytes
    assert graph.dump() == world.truth


# The disk


def test_nothing_is_paid_before_it_is_used(opened: Opener, tmp_path: Path) -> None:
    """No file, and records that say nothing to a graph make none."""
    world = World(0)
    world.live(1)
    graph = opened(world)
    records = [Record(n, n, "usr_me", "Test", ()) for n in range(1, 5)]
    graph.apply(records)
    graph.seal()
    assert (graph.position, graph.stale_bytes) == (4, False)
    assert not (tmp_path / "tenant" / "graph.kuzu").exists()
    graph.close()
    again = opened(world)
    assert again.position == 4
    assert again.dump() == ([], [])


def test_a_sealed_graph_comes_back(opened: Opener, tmp_path: Path) -> None:
    """Closing and reading leave the file as it was sealed; nobody holds it afterwards."""
    world = World(6)
    world.live(120)
    world.bulk(100, 900)
    graph = opened(world)
    graph.apply(world.records)
    graph.seal()
    file = tmp_path / "tenant" / "graph.kuzu"
    sealed = digest(file)
    assert graph.dump() == world.truth
    graph.close()
    assert digest(file) == sealed
    assert [path.name for path in sorted(file.parent.iterdir())] == ["graph.kuzu", "graph.seal"]
    elsewhere = [sys.executable, "-c", f"import {ENGINE} as e; e.Database({str(file)!r}, max_db_size=1 << 30)"]
    subprocess.run(elsewhere, check=True, timeout=60)
    # That process may have written on closing: put back what was sealed.
    again = opened(world)
    if again.position == 0:
        again.apply(world.records)
        again.settle()
    assert again.dump() == world.truth
    world.live(60)
    follow(again, world.records, random.Random(6))
    assert again.dump() == world.truth


def test_what_was_not_sealed_is_applied_again(opened: Opener, tmp_path: Path) -> None:
    """A copy of the folder, as a power cut would leave it, returns to the sealed position."""
    world = World(8)
    world.live(60)
    graph = opened(world)
    graph.apply(world.records)
    graph.seal()
    sealed = graph.position
    world.live(60)
    follow(graph, world.records, random.Random(8))
    (tmp_path / "cut").mkdir()
    for path in (tmp_path / "tenant").iterdir():
        (tmp_path / "cut" / path.name).write_bytes(path.read_bytes())
    cut = opened(world, "cut")
    assert cut.position in (0, sealed)
    cut.apply(world.records)
    cut.settle()
    assert cut.dump() == world.truth


@pytest.mark.parametrize("what", ["byte", "length", "missing", "tenant", pytest.param("form", marks=needs_both)])
def test_a_file_that_is_not_as_sealed_is_not_used(opened: Opener, tmp_path: Path, what: str) -> None:
    """Whatever happened to it: the graph begins anew, at position 0."""
    world = World(9)
    world.live(60)
    graph = opened(world)
    graph.apply(world.records)
    graph.close()
    file = tmp_path / "tenant" / "graph.kuzu"
    content = bytearray(file.read_bytes())
    match what:
        case "byte":
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
        case "length":
            file.write_bytes(content[:-4096])
        case "missing":
            file.unlink()
    if what == "form":
        other = graph_of(tmp_path / "tenant", world, engine=OTHER)
        assert other.position == 0
        assert not file.exists()
        return
    again = opened(world, tenant="ten_b" if what == "tenant" else "ten_a")
    assert again.position == 0
    again.apply(world.records)
    again.settle()
    assert again.dump() == world.truth


def test_a_record_that_does_not_fit_voids_the_graph(opened: Opener) -> None:
    """In our words, and until it is cleared: then the journal is applied again."""
    world = World(10)
    world.live(40)
    graph = opened(world)
    graph.apply(world.records)
    graph.settle()
    related = world.relate("ABOUT")
    nowhere = replace(related, root=related.root + 1, target=10**9)
    world.nodes[10**9] = {"id": "mem_nowhere"}
    broken = Record(len(world.records) + 1, 1, "usr_me", "Test", (related, nowhere))
    graph.apply([broken])
    with pytest.raises(Unapplied, match="were not taken"):
        graph.settle()
    with pytest.raises(Unapplied, match="must be cleared"):
        graph.apply(world.records)
    with pytest.raises(GraphFailed, match="is to be rebuilt"):
        graph.dump()
    del world.nodes[10**9], world.relations[related.root]
    graph.clear()
    assert graph.position == 0
    graph.apply(world.records)
    graph.settle()
    assert graph.dump() == world.truth


KILLED_SEED = 12


def killed_world() -> World:
    world = World(KILLED_SEED)
    for _ in range(4):
        world.live(120)
        world.bulk(0, 1_000)
    return world


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    """Between transactions, within a copy, within a checkpoint: what is reopened is sealed or empty, and replays."""
    world = killed_world()
    chance = random.Random(KILLED_SEED)
    command = [sys.executable, "-m", "tests.engine.test_graph", str(tmp_path), ENGINE]
    positions = []
    for _ in range(6):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout
            child.stdout.read(1)
            time.sleep(chance.random())
            child.kill()
        graph = graph_of(tmp_path, world)
        positions.append(graph.position)
        graph.apply(world.records)
        graph.settle()
        assert graph.dump() == world.truth
        if chance.random() < 0.5:
            graph.clear()
        graph.close()
    assert all(0 <= position <= len(world.records) for position in positions)


def die(directory: Path) -> None:
    """Applies, seals and begins again until it is killed."""
    world, chance = killed_world(), random.Random()
    graph = graph_of(directory, world)
    sys.stdout.write("!")
    sys.stdout.flush()
    while True:
        while graph.position < len(world.records):
            step = chance.choice((1, 3, 10, 200))
            graph.apply(world.records[graph.position : graph.position + step])
            graph.settle()
            if chance.random() < 0.2:
                graph.seal()
            if chance.random() < 0.1:
                graph.close()
                graph = graph_of(directory, world)
        graph.clear()


# Reads


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """A graph in which some statements take long."""
    world = World(13)
    world.bulk(3_000, 30_000)
    graph = graph_of(tmp_path_factory.mktemp("hub"), world)
    graph.apply(world.records)
    graph.settle()
    yield graph
    graph.close()


SLOW = (
    "MATCH (a:Node)-[:ABOUT]->(b)-[:ABOUT]->(c)-[:ABOUT]->(d), (e:Node), (f:Node) "
    "WHERE a.root + d.root + e.root < f.root RETURN count(*)"
)


def test_rows_are_limited(hub: Graph) -> None:
    """The first ones come, as tuples."""
    rows = ask(hub, "MATCH (n:Node) WHERE n.root < $most RETURN n.root, n.labels ORDER BY n.root", limit=3, most=100)
    assert [row[0] for row in rows] == [1, 2, 3]
    assert all(isinstance(row, tuple) for row in rows)


def test_a_read_ends_at_its_deadline(hub: Graph) -> None:
    """And says so; the next one is answered."""
    before = time.monotonic()
    with pytest.raises(GraphFailed, match="read for 200 ms") as failed:
        ask(hub, SLOW, deadline_ms=200)
    assert time.monotonic() - before < 3
    assert failed.value.code == "GRAPH_DEADLINE"
    assert ask(hub, "RETURN 1") == [(1,)]


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("RETURN $x", {"x": None}),
        ("RETURN $x", {"x": [1, None]}),
        ("RETURN $x", {"x": {"a": None}}),
        ("RETURN $x", {"x": 2**63}),
        ("RETURN $x", {"x": b"bytes"}),
        ("RETURN $x", {"x": "\ud800"}),
        ("RETURN 1; RETURN 2", {}),
        ("RETURN 'text'", {}),
        ('RETURN "text"', {}),
        ("RETURN 1 // why", {}),
        ("RETURN 1 /* why */", {}),
        ("MATCH (n:Node) SET n.root = 1", {}),
        ("MATCH (n:Node) DETACH DELETE n", {}),
        ("CREATE (:Node {id: $x})", {"x": "y"}),
        ("DROP TABLE Node", {}),
        ("COPY (MATCH (n:Node) RETURN n) TO $x", {"x": "file"}),
        ("CALL show_tables() RETURN *", {}),
        ("RETURN", {}),
        ("MATCH (n:Nothing) RETURN n", {}),
        ("RETURN $absent + $other", {"other": "x"}),
        ("MATCH (n:Node) RETURN n.nothing", {}),
        ("MATCH (n:Node) RETURN sum(n.id)", {}),
    ],
)
def test_what_is_not_a_read_of_ours_is_refused(hub: Graph, statement: str, parameters: dict[str, Any]) -> None:
    """In our words: nothing that the engine said is in the message. Nothing has changed."""
    before = hub.run("MATCH (n:Node) RETURN count(*), max(n.root)", {}, deadline_ms=5_000, limit=1)
    with pytest.raises(GraphFailed) as failed:
        hub.run(statement, parameters, deadline_ms=5_000, limit=10)
    cause = failed.value.__cause__
    said = str(failed.value)
    assert failed.value.code == "GRAPH_STATEMENT"
    assert "xception" not in said
    assert cause is None or str(cause) not in said
    assert ENGINE not in said.lower()
    assert hub.run("MATCH (n:Node) RETURN count(*), max(n.root)", {}, deadline_ms=5_000, limit=1) == before


def test_reads_go_on_beside_writes(opened: Opener, tmp_path: Path) -> None:
    """Also beside copies and seals, which Kùzu can't do beside a read; and each read sees whole transactions."""
    world = World(14)
    world.live(30)
    graph = opened(world)
    graph.apply(world.records)
    graph.settle()
    pairs_before = len(world.records)
    for _ in range(6):
        a, b = world.item("Entity"), world.item("Entity")
        world.record(a, b, *(world.relate("SIMILAR_TO") for _ in range(150)))
        world.bulk(0, 900)
    start = ask(graph, "MATCH (n:Node) RETURN count(*)")[0][0]
    failures: list[str] = []
    counts: list[int] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                counts.append(ask(graph, "MATCH (n:Node) RETURN count(*)")[0][0])
                ask(graph, "MATCH (a:Node)-[r:ABOUT]->(b)-[s:ABOUT]->(c) WHERE id(r) <> id(s) RETURN count(*)")
            except GraphFailed:
                failures.append(traceback.format_exc())

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for record in world.records[pairs_before:]:
        graph.apply([record])
        graph.settle()
        if record.position % 5 == 0:
            graph.seal()
    over.set()
    for reader in readers:
        reader.join()
    assert not failures, failures[0]
    assert counts
    assert all((count - start) % 2 == 0 for count in counts)
    assert graph.dump() == world.truth


def test_closing_ends_a_read(opened: Opener) -> None:
    """A read without a near deadline does not hold a tenant open, and none that comes late opens it again."""
    world = World(13)
    world.bulk(2_000, 20_000)
    graph = opened(world)
    graph.apply(world.records)
    graph.seal()
    ended: list[str] = []

    def read() -> None:
        try:
            ask(graph, SLOW, deadline_ms=60_000)
        except GraphFailed as failed:
            ended.append(failed.code)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.5)
    graph.close()
    reader.join(10)
    assert ended == ["GRAPH_CLOSED"]
    with pytest.raises(GraphFailed, match="was closed"):
        ask(graph, "RETURN 1")


# The text of statements


@given(st.from_regex(PROPERTY_NAME, fullmatch=True), st.sampled_from(SCALARS))
def test_a_column_s_name_is_its_property_s(name: str, of: str) -> None:
    """Both ways, and alone among names that differ in case."""
    column = cypher.column(name, of)
    assert cypher.property_of(column) == (name, of)
    assert "`" not in column
    assert (column.lower() == cypher.column(name.lower(), of)) == (name == name.lower())


def test_no_text_of_the_user_s_is_in_a_statement(opened: Opener) -> None:
    """What people wrote travels as parameters and Arrow columns."""
    world = World(15)
    world.live(300)
    world.bulk(500, 500)
    graph = opened(world)
    follow(graph, world.records, random.Random(15))
    sent = list(graph._file._statements)
    assert len(sent) > 20
    assert not [text for text in sent if MARK in text]


# Engines


@needs_both
def test_one_engine_a_process(opened: Opener, tmp_path: Path) -> None:
    """The other one is refused before it is imported, which would end the process."""
    world = World(0)
    world.live(3)
    graph = opened(world)
    graph.apply(world.records)
    graph.settle()
    (tmp_path / "other").mkdir()
    other = graph_of(tmp_path / "other", world, engine=OTHER)
    other.apply(world.records)
    with pytest.raises(EngineUnavailable, match=f"already uses the graph engine {ENGINE}"):
        other.settle()


@needs_both
@pytest.mark.skipif("MEMQL_TEST_GRAPH" in os.environ, reason="this is the other process")
@pytest.mark.timeout(300)
def test_the_other_engine_holds_the_same() -> None:
    """All of the above in a process of Ladybug's: the same seeds, the same truth."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", str(Path(__file__).relative_to(ROOT))]
    environment = os.environ | {"MEMQL_TEST_GRAPH": "ladybug"}
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]


if __name__ == "__main__":
    die(Path(sys.argv[1]))
