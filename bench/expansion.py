"""Two hops from fifty starts, against the best Cypher that the graph engines have for it."""

import importlib
import importlib.util
import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pyarrow as pa

from bench.measure import ME, folder, median_cpu, opened, say, verdict
from engine.commands import Link, Remember
from engine.reader import Reader
from engine.records import Receipt

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
            second = reader.expand(np.unique(first.ends))
            assert hasattr(second, "ends")
            middle, at = np.unique(first.ends, return_inverse=True)
            reached = np.bincount(at, first.weights)[np.searchsorted(middle, second.origins)]
            ends, at = np.unique(second.ends, return_inverse=True)
            scores = np.bincount(at, reached * second.weights)
            best = np.argpartition(-scores, 10)[:10]
            best = best[np.argsort(-scores[best], kind="stable")]
            items = reader.items(reader.scope.shown(ends[best]))
            return [(item.id, score) for item, score in zip(items, scores[best].tolist(), strict=True)]

        tenant.settled(600)
        ours = iter(rounds * 2)
        mine = median_cpu(lambda: tenant.read_now(lambda r: two_hops(r, next(ours)), ME), 60)
        tenant.close()
        for engine, most in (("kuzu", 0.05), ("ladybug", 0.2)):
            if importlib.util.find_spec(engine) is None:
                say(f"  {engine} is not installed")
                continue
            command = [sys.executable, "-m", "bench.floors", "--cypher", engine]
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
