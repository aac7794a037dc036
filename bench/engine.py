"""What the engine costs, each figure beside its floor or peer, measured in one run.

    python -m bench.engine [acknowledge] [writers] [expand] [import] [vectors] [tenants]

Times are process CPU unless a line says wall; machines are noisy, so read the ratios. Everything happens in a temporary
folder. `expand` also asks Ladybug, in a process of its own, where it is installed.
"""

import argparse
import asyncio
import gc
import importlib.util
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # its threads wait by spinning, which counts as work on a busy machine

import numpy as np
import pyarrow as pa
import structlog
import tantivy

from engine.clock import SystemClock
from engine.commands import Embedding, EventInput, Link, Principal, RecordEvents, Remember
from engine.events import ItemRecorded, Vector
from engine.journal import create
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt, Record
from engine.tenant import Tenant
from engine.texts import Texts
from engine.vectors import Vectors
from memql.errors import Refusal

GC_THRESHOLD = (50_000, 20, 50)
ME = Principal("usr_bench")
CLOCK = SystemClock()
WORDS = [f"word{n}" for n in range(5_000)]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def verdict(name: str, ours: float, floor: float, most: float, unit_: str) -> None:
    ratio = ours / floor
    mark = "ok" if ratio <= most else "OVER"
    say(f"  {name}: {ours:.3f} {unit_} against {floor:.3f} {unit_} = {ratio:.2f}x (at most {most}x) {mark}")


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def opened(path: Path, limits: Limits | None = None) -> Tenant:
    tenant = Tenant.open("bench", path, clock=CLOCK, limits=limits or Limits())
    assert isinstance(tenant, Tenant), tenant
    return tenant


def median_cpu(work: Callable[[], object], times: int) -> float:
    """Milliseconds of process CPU, the median of so many runs."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken) * 1e3


def text(chance: np.random.Generator, words: int = 16) -> str:
    return " ".join(WORDS[n] for n in chance.zipf(1.3, words) % len(WORDS))


def acknowledge() -> None:
    """One writer, one event a record, no embedding, against a bare SQLite commit with synchronous=FULL."""
    say("acknowledged record")
    chance = np.random.default_rng(1)
    contents = [text(chance) for _ in range(2_000)]
    with folder() as path:
        tenant = opened(path)
        tenant.write_now(RecordEvents(stream="s", events=(EventInput(content="first"),)), ME)
        sizes = tenant.journal.read(0, 1)
        bare = sqlite3.connect(path / "bare.db", isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            bare.execute(f"PRAGMA {pragma}")
        bare.execute("CREATE TABLE records (position INTEGER PRIMARY KEY, body BLOB)")
        size = len(sizes[0].header) + len(sizes[0].frames)
        ours: list[float] = []
        floor: list[float] = []
        for content in contents:
            body = os.urandom(size)
            began = time.perf_counter()
            bare.execute("BEGIN")
            bare.execute("INSERT INTO records (body) VALUES (?)", (body,))
            bare.execute("COMMIT")
            floor.append(time.perf_counter() - began)
            began = time.perf_counter()
            tenant.write_now(RecordEvents(stream="s", events=(EventInput(content=content),)), ME)
            ours.append(time.perf_counter() - began)
        verdict("one writer, median wall", statistics.median(ours) * 1e3, statistics.median(floor) * 1e3, 3.0, "ms")
        tenant.close()


def writers() -> None:
    """Sixteen writers against one, all through the async door and its committer."""
    say("group commit")

    async def rate(tenant: Tenant, count: int, each: int) -> float:
        async def one(writer: int) -> None:
            for n in range(each):
                event = EventInput(content=f"writer {writer} says {n}, and a little more than that")
                await tenant.write(RecordEvents(stream=f"s{writer}", events=(event,)), ME)

        began = time.perf_counter()
        await asyncio.gather(*(one(writer) for writer in range(count)))
        return count * each / (time.perf_counter() - began)

    with folder() as path:
        tenant = opened(path, Limits(text_commit_ms=60_000, text_commit_documents=1_000_000))
        rates: dict[int, list[float]] = {1: [], 16: []}
        for _ in range(5):
            rates[1].append(asyncio.run(rate(tenant, 1, 500)))
            rates[16].append(asyncio.run(rate(tenant, 16, 250)))
        single, many = statistics.median(rates[1]), statistics.median(rates[16])
        mark = "ok" if many >= 4 * single else "UNDER"
        say(f"  16 writers: {many:,.0f}/s against {single:,.0f}/s of one = {many / single:.1f}x (at least 4x) {mark}")
        tenant.close()


ITEMS, DEGREE = 100_000, 10


def edges() -> list[list[int]]:
    """Whom each item links to: earlier ones, near ones more often. The same for us and for the engines alone."""
    chance = np.random.default_rng(7)
    drawn = chance.random((ITEMS, DEGREE))
    return [sorted({int(n * (1 - d * d)) for d in drawn[n]} - {n}) if n else [] for n in range(ITEMS)]


def expand() -> None:
    """Fifty starts, two hops, the scope's mask, the ten best by weight, hydrated; against the best Cypher."""
    say(f"expansion: 50 starts, 2 hops, {ITEMS:,} items")
    linked = edges()
    with folder() as path:
        tenant = opened(path)
        ids: list[str] = []
        began = time.process_time()
        for n, targets in enumerate(linked):
            links = tuple(Link(kind="SIMILAR_TO", target=ids[t], weight=((n * 31 + t * 17) % 97) / 97) for t in targets)
            answer = tenant.write_now(Remember(text=f"item {n}", links=links), ME)
            assert isinstance(answer, Receipt)
            ids += answer.ids
        relations = sum(map(len, linked))
        say(f"  written: {ITEMS:,} items, {relations:,} relations, {time.process_time() - began:.0f} s of CPU")
        chance = np.random.default_rng(3)
        rounds = [np.sort(chance.choice(ITEMS, 50, replace=False)) + 1 for _ in range(30)]

        def two_hops(reader: Reader, starts: Any) -> list[tuple[str, float]]:
            first = reader.expand(starts)
            assert hasattr(first, "ends")
            second = reader.expand(first.ends)
            assert hasattr(second, "ends")
            paths = np.bincount(first.ends, first.weights, reader.scope.count)
            scores = np.bincount(second.ends, paths[second.origins] * second.weights, reader.scope.count)
            best = np.argsort(-scores, kind="stable")[:10]
            items = reader.items(reader.scope.shown[best])
            return [(item.id, float(scores[dense])) for item, dense in zip(items, best, strict=True)]

        tenant.settled(600)
        ours = iter(rounds * 2)
        mine = median_cpu(lambda: tenant.read_now(lambda r: two_hops(r, next(ours)), ME), 60)
        tenant.close()
        for engine, most in (("kuzu", 0.05), ("ladybug", 0.2)):
            if importlib.util.find_spec(engine) is None:
                say(f"  {engine} is not installed")
                continue
            command = [sys.executable, "-m", "bench.engine", "--cypher", engine]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            verdict(f"against {engine}'s best Cypher", mine, json.loads(done.stdout), most, "ms")


def cypher(name: str) -> None:
    """The same question to a graph engine alone, in the fastest of the shapes we know. Prints milliseconds of CPU."""
    engine = importlib.import_module(name)
    linked = edges()
    with folder() as path:
        database = engine.Database(str(path / "db"), buffer_pool_size=1 << 30, max_db_size=1 << 34, max_num_threads=2)
        connection = engine.Connection(database)
        connection.execute("CREATE NODE TABLE Node(id STRING PRIMARY KEY, dense INT64)")
        connection.execute("CREATE REL TABLE SIMILAR_TO(FROM Node TO Node, weight DOUBLE)")
        ids = [f"mem_{n:026d}" for n in range(ITEMS)]
        nodes = pa.table({"id": ids, "dense": np.arange(ITEMS)})  # noqa: F841 the engine finds it by its name
        connection.execute("COPY Node FROM nodes")
        pairs = [(n, t) for n, targets in enumerate(linked) for t in targets]
        relations = pa.table(  # noqa: F841 the engine finds it by its name
            {
                "from": [ids[n] for n, _ in pairs],
                "to": [ids[t] for _, t in pairs],
                "weight": [((n * 31 + t * 17) % 97) / 97 for n, t in pairs],
            }
        )
        connection.execute("COPY SIMILAR_TO FROM relations")
        chance = np.random.default_rng(3)
        rounds = iter([np.sort(chance.choice(ITEMS, 50, replace=False)) for _ in range(30)])
        shape = (
            "MATCH (a:Node)-[e:SIMILAR_TO]->(b:Node)-[f:SIMILAR_TO]->(c:Node) WHERE offset(id(a)) IN $given "
            "RETURN c.dense, sum(e.weight * f.weight) AS s ORDER BY s DESC LIMIT 10"
        )
        prepared = connection.prepare(shape)

        def ask() -> None:
            starts = next(rounds).tolist()
            connection.execute(prepared, {"given": starts}).get_all()

        say(json.dumps(median_cpu(ask, 30)))


def import_() -> None:
    """100,000 events through commands into the journal and every store, against bulk loads of the same rows into the
    same tables, each in the store's fastest way."""
    say("import of 100,000 events, no embedding")
    chance = np.random.default_rng(2)
    contents = [text(chance) for _ in range(100_000)]
    with folder() as path:
        tenant = opened(path)
        began = time.process_time()
        for start in range(0, len(contents), 1_000):
            events = tuple(EventInput(content=content) for content in contents[start : start + 1_000])
            assert isinstance(tenant.write_now(RecordEvents(stream="s", events=events), ME), Receipt)
        say(f"  acknowledged after {time.process_time() - began:.2f} s, stores following meanwhile")
        assert tenant.settled(600)
        imported = time.process_time() - began
        began = time.process_time()
        tenant.rebuild()
        assert tenant.settled(600)
        rebuilt = time.process_time() - began
        tenant.close()
        floors = {name: load(path) for name, load in BULK_LOADS.items()}
        floor = sum(floors.values())
        say("  floors: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in floors.items()))
        verdict("import", imported, floor, 3.0, "s")
        verdict("rebuild", rebuilt, floor, 1.5, "s")


def load_sqlite(path: Path) -> float:
    """Seconds of CPU to put the journal's own rows into the same tables, a transaction a thousand rows."""
    source = sqlite3.connect(path / "journal.db")
    held = {name: source.execute(f"SELECT * FROM {name}").fetchall() for name in ("records", "items", "ids")}
    source.close()
    with folder() as fresh:
        db = create(fresh / "bare.db", bytes(16))
        began = time.process_time()
        for name, rows in held.items():
            places = ", ".join("?" * len(rows[0]))
            step = 1 if name == "records" else 1_000
            for start in range(0, len(rows), step):
                db.execute("BEGIN")
                db.executemany(f"INSERT INTO {name} VALUES ({places})", rows[start : start + step])
                db.execute("COMMIT")
        taken = time.process_time() - began
        db.close()
        return taken


def load_kuzu(path: Path) -> float:
    """Seconds of CPU to copy the nodes into a table of the same columns."""
    import kuzu

    graph = kuzu.Database(str(path / "graph.kuzu"), read_only=True, max_db_size=1 << 34)
    # Everything but the columns of lists, which no event has: Arrow would bring them back as another type.
    columns = [row[1] for row in kuzu.Connection(graph).execute("CALL table_info('Node') RETURN *").get_all()]
    names = ", ".join(f"n.`{name}` AS `{name}`" for name in columns if name != "labels")
    nodes = kuzu.Connection(graph).execute(f"MATCH (n:Node) RETURN {names}").get_as_arrow()
    with folder() as fresh:
        database = kuzu.Database(str(fresh / "db"), buffer_pool_size=1 << 28, max_db_size=1 << 34)
        connection = kuzu.Connection(database)
        types = ", ".join(f"`{field.name}` {_kuzu_type(field.type)}" for field in nodes.schema)
        connection.execute(f"CREATE NODE TABLE Node({types}, PRIMARY KEY (id))")
        began = time.process_time()
        connection.execute("COPY Node FROM nodes")
        return time.process_time() - began


def _kuzu_type(of: Any) -> str:
    return {"int64": "INT64", "double": "DOUBLE", "bool": "BOOL"}.get(str(of), "STRING")


def load_tantivy(path: Path) -> float:
    """Seconds of CPU to index the same texts, kept and analysed in the same way, with one commit."""
    store = Texts(path, tenant=tenant_of(path), limits=Limits())
    documents = store.dump()
    store.close()
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("dense", stored=True, indexed=True, fast=True)
    builder.add_integer_field("root", stored=True, fast=True)
    builder.add_text_field("text", stored=True, tokenizer_name="en_stem")
    with folder() as fresh:
        index = tantivy.Index(builder.build(), path=str(fresh))
        began = time.process_time()
        writer = index.writer(15_000_000, 1)
        for dense, root, content in documents:
            writer.add_document(tantivy.Document(dense=dense, root=root, text=content))
        writer.commit()
        writer.wait_merging_threads()
        return time.process_time() - began


def tenant_of(path: Path) -> str:
    db = sqlite3.connect(path / "journal.db")
    (uid,) = db.execute("SELECT value FROM meta WHERE name = 'uid'").fetchone()
    db.close()
    return bytes(uid).hex()


BULK_LOADS = {"SQLite": load_sqlite, "Kùzu": load_kuzu, "Tantivy": load_tantivy}


def vectors() -> None:
    """Exact search against numpy, then filtered searches inside and beyond the budget of memory."""
    for count in (10_000, 100_000):
        chance = np.random.default_rng(5)
        centres = chance.normal(size=(500, 384))
        rows = (centres[chance.integers(0, 500, count)] + chance.normal(size=(count, 384)) * 0.6).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        asked = [rows[n] + chance.normal(size=384).astype(np.float32) * 0.02 for n in range(0, count, count // 20)]
        queries = [query / np.linalg.norm(query) for query in asked]
        masks = {share: chance.random(count + 1) < share for share in (1.0, 0.5, 0.05, 0.005)}
        truth = {share: [nearest(rows, mask, query) for query in queries] for share, mask in masks.items()}
        floor = statistics.median(median_cpu(lambda q=query: nearest(rows, None, q), 3) for query in queries)  # type: ignore[misc]
        for budget, name in ((1 << 30, "inside the budget"), (0, "beyond it")):
            say(f"vectors: {count:,} of 384 numbers in 500 clusters, {name}")
            with folder() as path:
                store = Vectors(path, tenant="bench", limits=Limits(vector_memory=budget))
                store.apply(list(recorded(rows)))
                store.seal()
                for share, mask in masks.items():
                    measure(store, queries, mask, share, truth[share], floor if budget else None)
                store.close()


def nearest(rows: Any, mask: Any, query: Any) -> set[int]:
    """The plain way: all products, the fifty largest."""
    scores = rows @ query
    if mask is not None:
        scores = np.where(mask[1:], scores, -2)
    return {int(n) + 1 for n in np.argpartition(-scores, 50)[:50]}


def recorded(rows: Any) -> Iterator[Record]:
    for n, row in enumerate(rows, 1):
        vector = Vector("bench", row.tobytes())
        item = ItemRecorded(f"mem_{n}", n, n, 1, 0, "Memory", "usr_bench", "user", n, vector=vector)
        yield Record(n, n, "usr_bench", "Remember", (item,))


def measure(store: Vectors, queries: Any, mask: Any, share: float, truth: Any, floor: float | None) -> None:
    found: list[set[int]] = []
    taken = []
    for query in queries:
        began = time.process_time()
        hits = store.search("bench", query, keep=None if share == 1 else mask, limit=50)
        taken.append(time.process_time() - began)
        assert not isinstance(hits, Refusal)
        found.append(set(hits[0].tolist()))
    recall = statistics.mean(len(a & b) / 50 for a, b in zip(found, truth, strict=True))
    cost = statistics.median(taken) * 1e3
    mark = "ok" if recall >= 0.95 else "UNDER"
    say(f"  {share:6.1%} pass: {cost:8.3f} ms, recall at 50 {recall:.3f} (at least 0.95) {mark}")
    if share == 1 and floor is not None:
        verdict("all pass, exact", cost, floor, 1.3, "ms")


def tenants() -> None:
    """Memory and disk for open tenants that are being written to, beside one process that has none."""
    say("open tenants, while writing")
    for count in (1, 16, 64):
        command = [sys.executable, "-m", "bench.engine", "--tenants", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rest, grown, disk = json.loads(done.stdout)
        each = grown / count
        mark = "ok" if each <= 40 else "OVER"
        say(
            f"  {count:2} open: {grown:,.0f} MB beyond {rest:,.0f} MB of the libraries = {each:.1f} MB each "
            f"(at most 40) {mark}; {disk / count:.1f} MB each on disk"
        )


def open_tenants(count: int) -> None:
    """Prints megabytes: of a process with the libraries loaded, what the tenants add to it, and what they have on disk."""
    with folder() as warm, folder() as path:
        one = opened(warm)
        write_some(one, 1)
        one.close()
        rest = resident()
        held = [opened(path / str(n), Limits(graph_buffer=67_108_864)) for n in range(count)]
        for _ in range(3):
            for tenant in held:
                write_some(tenant, 40)
        grown = resident() - rest
        disk = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
        for tenant in held:
            tenant.close()
        say(json.dumps([rest, grown, disk]))


def write_some(tenant: Tenant, count: int) -> None:
    chance = np.random.default_rng(1)
    for n in range(count):
        vector = Embedding(model="bench", vector=chance.normal(size=384).astype(np.float32).tobytes())
        answer = tenant.write_now(Remember(text=text(chance), embedding=vector), ME)
        assert isinstance(answer, Receipt)
        event = EventInput(content=text(chance))
        tenant.write_now(RecordEvents(stream=f"s{n % 3}", events=(event,)), ME)
        if n:
            tenant.write_now(Remember(text="linked", links=(Link(kind="ABOUT", target=answer.ids[0]),)), ME)
    assert tenant.settled(60)


def resident() -> float:
    """Megabytes of memory that this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


SECTIONS: dict[str, Callable[[], None]] = {
    "acknowledge": acknowledge,
    "writers": writers,
    "expand": expand,
    "import": import_,
    "vectors": vectors,
    "tenants": tenants,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], help="all by default")
    parser.add_argument("--cypher", help=argparse.SUPPRESS)
    parser.add_argument("--tenants", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    gc.set_threshold(*GC_THRESHOLD)  # as the server does
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if given.cypher:
        return cypher(given.cypher)
    if given.tenants:
        return open_tenants(given.tenants)
    for name in given.sections or SECTIONS:
        SECTIONS[name]()
        gc.collect()


if __name__ == "__main__":
    main()
