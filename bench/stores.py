"""The stores against themselves: imports and rebuilds against bulk loads, vector search against numpy."""

import sqlite3
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tantivy

from bench.measure import ME, folder, median_cpu, opened, say, text, verdict
from engine.commands import EventInput, RecordEvents
from engine.events import ItemRecorded, Vector
from engine.journal import create
from engine.limits import Limits
from engine.records import Receipt, Record
from engine.texts import Texts
from engine.vectors import Vectors
from memql.errors import Refusal


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
        floor = statistics.median(median_cpu(partial(nearest, rows, None, query), 3) for query in queries)
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
