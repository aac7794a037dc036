"""What MemQL costs beside what it stands on: compiling, point reads and single hops beside the same Cypher by hand, a
hybrid query beside its raw parts and beside Kùzu's own vectors, filtered searches beside unfiltered ones, conditions
over all memories, patterns of relations. One run, same data.

    python bench/memql.py [compile] [reads] [hybrid] [filtered] [conditions] [patterns] [--size 100000] [--anew]

Times are process CPU, medians, the rivals taking turns. Kùzu's own vectors are asked up to `--size 20000`: their index
takes minutes beyond.
"""

import os

# numpy's own threads wait by spinning, which would count as work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import gc
import math
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Where a file is run Python looks for modules first, and here `memql` is a benchmark.
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from bench.filtered import filtered
from bench.measure import ME, say, verdict
from bench.remembered import WIDTH, Remembered, remembered
from engine.execute import Rows, run
from engine.execute.compilations import Compilations
from memql import compile as compile_text
from memql.catalog import Catalog
from memql.errors import Refusal

ONE_LINE = (
    "MATCH (m:Memory)-[:MENTIONS]->(e:Entity {name: $name}) WHERE m.importance > 0.5 RETURN m.text, e.name LIMIT 10"
)
TWENTY_LINES = """MATCH (m:Memory)-[r:ABOUT]->(e:Entity)
WHERE m.importance > 0.5 AND e.name STARTS WITH 'A'
  AND NOT EXISTS { MATCH (m)-[:CONTRADICTS]->(:Memory) }
WITH m, e, r.weight * m.importance AS strength
ORDER BY strength DESC
LIMIT 100
OPTIONAL MATCH (m)-[:DERIVED_FROM]->(v:Event)
WHERE v.role IN ['user', 'assistant']
WITH m, e, strength, collect(v) AS events
UNWIND events AS event
MATCH (event)<-[:DERIVED_FROM]-(other:Memory)
WHERE other.id <> m.id AND other.confidence >= 0.25
WITH m, e, strength, other, count(event) AS shared,
     CASE WHEN m.category IS NULL THEN 'none' ELSE toLower(m.category) END AS category
WHERE shared > 1
MATCH (other)-[:ABOUT]->(f:Entity)
WHERE f.id <> e.id
RETURN m.id AS id, e.name AS about, f.name AS also, category, strength, shared,
       [word IN split(m.text, ' ') WHERE size(word) > 3 | toUpper(word)] AS words
ORDER BY strength DESC, shared DESC, also
SKIP 5 LIMIT 20"""
BY_ID = "MATCH (m:Memory {id: $id}) RETURN m.text AS text, m.importance AS importance"
ONE_HOP = "MATCH (m:Memory {id: $id})-[r:SIMILAR_TO]->(x:Memory) RETURN x.id AS id, r.weight AS weight"
HYBRID = (
    "SEARCH m:Memory SIMILAR TO $vector LIMIT 50 SCORE AS s "
    "MATCH (m)-[a:SIMILAR_TO]->(y)-[b:SIMILAR_TO]->(x) "
    "RETURN x.id AS id, sum(s * a.weight * b.weight) AS score ORDER BY score DESC LIMIT 10"
)
CYPHER_HYBRID = (
    "CALL QUERY_VECTOR_INDEX('Memory', 'nearest', $vector, 50) WITH node AS m, 1 - distance AS s "
    "MATCH (m)-[a:SIMILAR_TO]->(y:Memory)-[b:SIMILAR_TO]->(x:Memory) "
    "RETURN x.id AS id, sum(s * a.weight * b.weight) AS score ORDER BY score DESC LIMIT 10"
)
CONDITIONS = {
    "a range": "MATCH (m:Memory) WHERE m.importance > 0.999 RETURN m.id AS id",
    "a list": "MATCH (m:Memory) WHERE m.category IN ['category 1', 'category 2'] RETURN count(*) AS n",
    "a beginning": "MATCH (m:Memory) WHERE m.category STARTS WITH 'category 19' RETURN count(*) AS n",
    "the ten highest": "MATCH (m:Memory) RETURN m.id AS id, m.importance AS n ORDER BY n DESC, id LIMIT 10",
    "groups": "MATCH (m:Memory) RETURN m.category AS c, count(*) AS n ORDER BY n DESC, c LIMIT 10",
    "a mean": "MATCH (m:Memory) WHERE m.importance < 0.25 RETURN avg(m.importance) AS mean",
    "a word within": "MATCH (m:Memory) WHERE m.text CONTAINS 'word4321' RETURN m.id AS id",
}


PATTERNS = {
    "a hop from a value": "MATCH (m:Memory {category: 'category 1'})-[r:SIMILAR_TO]->(x:Memory) "
    "RETURN x.category AS c, sum(r.weight) AS n ORDER BY n DESC, c LIMIT 10",
    "two hops from a value": "MATCH (m:Memory {category: 'category 1'})-[:SIMILAR_TO]->(y:Memory)-[:SIMILAR_TO]->"
    "(x:Memory) RETURN x.category AS c, count(*) AS n ORDER BY n DESC, c LIMIT 10",
    "every relation": "MATCH (m:Memory)-[r:SIMILAR_TO]->(x:Memory) RETURN avg(r.weight) AS mean",
    "triangles at a value": "MATCH (a:Memory {category: 'category 1'})-[:SIMILAR_TO]->(b:Memory)-[:SIMILAR_TO]->"
    "(c:Memory), (a)-[:SIMILAR_TO]->(c) RETURN count(*) AS n",
}


def least(works: Mapping[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Milliseconds of CPU of each, the median of so many runs; they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(times):
        for name, work in works.items():
            began = time.process_time()
            work()
            taken[name].append(time.process_time() - began)
    return {name: statistics.median(each) * 1e3 for name, each in taken.items()}


def compiling() -> None:
    """Cold, and once it is known."""
    say("compile")
    catalog, known = Catalog(), Compilations()
    for name, query, most in (("one line", ONE_LINE, 5.0), ("twenty lines", TWENTY_LINES, 20.0)):
        made = compile_text(query, catalog)
        assert not isinstance(made, Refusal), made
        known.compiled(query, catalog)

        def warm(query: str = query) -> None:
            for _ in range(100):
                known.compiled(query, catalog)

        def cold(query: str = query) -> None:
            compile_text(query, catalog)

        taken = least({"cold": cold, "warm": warm}, 40)
        limit(f"{name}, cold", taken["cold"], most)
        limit(f"{name}, warm", taken["warm"] / 100, 0.1)


def limit(name: str, taken: float, most: float) -> None:
    say(f"  {name}: {taken:.4f} ms (at most {most} ms) {'ok' if taken <= most else 'OVER'}")


class Asking:
    """The same questions to both."""

    def __init__(self, world: Remembered) -> None:
        import kuzu

        self.world = world
        self._connection = kuzu.Connection(world.cypher)
        self._prepared: dict[str, Any] = {}

    def ours(self, text: str, **params: Any) -> list[tuple[Any, ...]]:
        found = run(self.world.tenant, text, params, ME)
        assert isinstance(found, Rows), found
        return found.rows

    def cypher(self, text: str, **params: Any) -> list[Any]:
        prepared = self._prepared.get(text)
        if prepared is None:
            prepared = self._prepared[text] = self._connection.prepare(text)
        result = self._connection.execute(prepared, params)
        try:
            found: list[Any] = result.get_all()
            return found
        finally:
            result.close()

    def execute(self, text: str) -> None:
        self._connection.execute(text)


def reads(asking: Asking) -> None:
    """By id, and one hop from there: text to rows, with everything that a principal may not see left out."""
    say("point reads")
    size = len(asking.world.ids)
    chance = np.random.default_rng(3)
    ids = [asking.world.ids[n] for n in chance.integers(size // 2, size, 300)]
    for name, text in (("by id", BY_ID), ("one hop", ONE_HOP)):
        for id_ in ids[:20]:
            mine, theirs = asking.ours(text, id=id_), asking.cypher(text, id=id_)
            assert sorted(mine) == sorted(map(tuple, theirs)), (mine, theirs)
        turns = {"ours": iter(ids), "cypher": iter(ids)}
        taken = least(
            {
                "ours": lambda text=text, turns=turns: asking.ours(text, id=next(turns["ours"])),  # type: ignore[misc]
                "cypher": lambda text=text, turns=turns: asking.cypher(text, id=next(turns["cypher"])),  # type: ignore[misc]
            },
            len(ids),
        )
        verdict(f"{name}, beside the same Cypher, prepared", taken["ours"], taken["cypher"], 2.0, "ms")


def hybrid(asking: Asking) -> None:
    """The fifty nearest, two hops from there, the ten best."""
    say("hybrid: vector top-50 -> 2 hops -> top-10")
    world, chance = asking.world, np.random.default_rng(5)
    size = len(world.ids)
    queries = []
    for n in chance.integers(size // 2, size, 40):
        query = world.made.vectors[n] + 0.02 * chance.normal(size=WIDTH).astype(np.float32)
        queries.append(query / np.linalg.norm(query))
    parts = raw_parts(world)
    indexed = index_vectors(asking)
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: asking.ours(HYBRID, vector=queries[at[0]].tolist()),
        "vectors": lambda: parts[0](queries[at[0]]),
        "hops": parts[1],
        "rows": parts[2],
    }
    if indexed:
        works["kuzu"] = lambda: asking.cypher(CYPHER_HYBRID, vector=queries[at[0]].tolist())
    at = [0]
    taken: dict[str, list[float]] = {}
    for place in range(len(queries)):
        at[0] = place
        for name, cost in least(works, 1 if place else 3).items():
            taken.setdefault(name, []).append(cost)
    of = {name: statistics.median(each) for name, each in taken.items()}
    say(f"  raw parts: {', '.join(f'{name} {of[name]:.2f}' for name in ('vectors', 'hops', 'rows'))} ms of CPU")
    verdict("beside the sum of its raw parts", of["ours"], of["vectors"] + of["hops"] + of["rows"], 1.5, "ms")
    if indexed:
        verdict("beside Kùzu's own vectors and Cypher", of["ours"], of["kuzu"], 0.5, "ms")


def raw_parts(world: Remembered) -> tuple[Callable[[Any], object], Callable[[], object], Callable[[], object]]:
    """One numpy product and its fifty best; two hops on bare arrays, summed and the ten best; ten rows from SQLite."""
    vectors, made = world.made.vectors, world.made
    starts = np.concatenate([[0], np.cumsum([len(each) for each in made.targets])])
    targets = np.array([other for each in made.targets for other in each], np.int64)
    weights = np.array([weight for each in made.weights for weight in each])
    db = sqlite3.connect(world.tenant.directory / "journal.db")
    best: list[Any] = [np.zeros(0, np.int64), np.zeros(0)]

    def nearest(query: Any) -> object:
        scores = vectors @ query
        first = np.argpartition(scores, -50)[-50:]
        best[:] = [first, scores[first]]
        return first

    def stepped(nodes: Any) -> tuple[Any, Any]:
        lengths = starts[nodes + 1] - starts[nodes]
        rows = np.repeat(np.arange(len(nodes)), lengths)
        return rows, np.repeat(starts[nodes] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())

    def hops() -> object:
        rows, first = stepped(best[0])
        again, second = stepped(targets[first])
        scores = (best[1][rows] * weights[first])[again] * weights[second]
        ends, at = np.unique(targets[second], return_inverse=True)
        totals = np.bincount(at, scores)
        top = np.argsort(-totals)[:10]
        return ends[top], totals[top]

    def rows() -> object:
        return [db.execute("SELECT * FROM items WHERE dense = ?", (dense,)).fetchone() for dense in range(100, 110)]

    return nearest, hops, rows


def index_vectors(asking: Asking) -> bool:
    """Kùzu's own index over the vectors, made once; not beyond sizes at which making it takes many minutes."""
    if len(asking.world.ids) > 20_000:
        say("  Kùzu's own index is not made for more than 20,000 vectors: it takes minutes")
        return False
    made = asking.cypher("CALL SHOW_INDEXES() RETURN index_name")
    if not made:
        say("  making Kùzu's index over the vectors")
        asking.execute("CALL CREATE_VECTOR_INDEX('Memory', 'nearest', 'vector', metric := 'cosine')")
    return True


def conditions(asking: Asking) -> None:
    """Over all memories: beside the same Cypher, and the first time, when nothing of it is in memory yet."""
    say(f"conditions over {len(asking.world.ids):,} memories")
    both(asking, CONDITIONS)


def patterns(asking: Asking) -> None:
    """Joins that begin at many memories."""
    say(f"patterns over {sum(map(len, asking.world.made.targets)):,} relations")
    both(asking, PATTERNS)


def both(asking: Asking, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        began = time.process_time()
        mine = asking.ours(text)
        first = 1e3 * (time.process_time() - began)
        theirs = [tuple(each) for each in asking.cypher(text)]
        assert same(mine, theirs), (name, mine[:3], theirs[:3])
        taken = least({"ours": lambda t=text: asking.ours(t), "cypher": lambda t=text: asking.cypher(t)}, 9)  # type: ignore[misc]
        say(f"  {name}: first {first:.1f} ms")
        verdict(f"{name}, beside the same Cypher, prepared", taken["ours"], taken["cypher"], 4.0, "ms")


def searches(asking: Asking) -> None:
    """By meaning, with a filter asked before."""
    say("filtered searches")
    filtered(asking.world.tenant, asking.world.ids, asking.world.made)


def same(mine: Sequence[tuple[Any, ...]], theirs: Sequence[tuple[Any, ...]]) -> bool:
    """The same rows; sums and means may differ in their last digits."""
    pairs = zip(sorted(mine), sorted(theirs), strict=False)
    return len(mine) == len(theirs) and all(
        math.isclose(one, other, rel_tol=1e-9) if isinstance(one, float) else one == other
        for pair in pairs
        for one, other in zip(*pair, strict=True)
    )


MEASURED = {
    "reads": reads, "hybrid": hybrid, "filtered": searches, "conditions": conditions, "patterns": patterns
}  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("what", nargs="*", default=["compile", *MEASURED])
    arguments.add_argument("--size", type=int, default=100_000)
    arguments.add_argument("--anew", action="store_true")
    given = arguments.parse_args()
    gc.set_threshold(200_000, 50, 100)  # as the server does
    if "compile" in given.what:
        compiling()
    chosen = [work for name, work in MEASURED.items() if name in given.what]
    if not chosen:
        return
    world = remembered(given.size, anew=given.anew)
    asking = Asking(world)
    for work in chosen:
        work(asking)
    world.close()


if __name__ == "__main__":
    sys.exit(main())
