"""Searches by meaning with a filter asked before them: what is found, and what it costs beside the same search without
one. Half, a twentieth and a two-hundredth of the memories qualify: by a property, by a pattern, and by standing far
from what is searched for.

    python -m bench.filtered [--size 20000] [--disk]

`filtered` takes any tenant of `bench.remembered`.
"""

import os

# numpy's own threads wait by spinning, which would count as work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.measure import CLOCK, ME, folder, say, verdict
from bench.remembered import WIDTH, Made, made, told
from engine.execute import Rows, run
from engine.limits import Limits
from engine.tenant import Tenant

SHARES = (0.5, 0.05, 0.005)
LIMIT = 50
RECALL = 0.95
SEARCH = "SEARCH m:Memory SIMILAR TO $vector WHERE {} LIMIT 50 RETURN m.id"

Vectors = NDArray[np.float32]
Qualifying = NDArray[np.bool_]


def filtered(tenant: Tenant, ids: Sequence[str], content: Made, queries: int = 40) -> None:
    """Recall at fifty of each filter beside all products in numpy, and its CPU beside that of no filter."""
    chance = np.random.default_rng(13)
    asked = content.vectors[chance.integers(0, len(ids), queries)] + 0.02 * chance.normal(size=(queries, WIDTH))
    asked = (asked / np.linalg.norm(asked, axis=1, keepdims=True)).astype(np.float32)
    place = {id_: n for n, id_ in enumerate(ids)}
    everything = np.ones(len(ids), np.bool_)
    _, free = _measured(tenant, "true", {}, asked, everything, content.vectors, place)
    say(f"  no filter: {free:.2f} ms")
    for name, condition, params, qualify in _filters(content, ids, asked[0]):
        recall, cost = _measured(tenant, condition, params, asked, qualify, content.vectors, place)
        mark = "ok" if recall >= RECALL else "UNDER"
        found = f"recall at {LIMIT} {recall:.3f} (at least {RECALL}) {mark}"
        say(f"  {name}, {qualify.mean():.1%} pass: {cost:.2f} ms, {found}")
        if name.startswith("a property"):
            verdict(f"{name}, beside no filter", cost, free, 1.5, "ms")


def _filters(
    content: Made, ids: Sequence[str], query: Vectors
) -> Iterator[tuple[str, str, dict[str, Any], Qualifying]]:
    """A condition, its parameters, and the memories for which it is true."""
    for share in SHARES:
        most = float(np.quantile(content.importance, share))
        yield f"a property below {most:.3f}", "m.importance <= $most", {"most": most}, content.importance <= most
    # What is far from the query: the nearest of all never qualify.
    scores = content.vectors @ query
    for share in SHARES[1:]:
        far = scores <= np.quantile(scores, share)
        chosen = [ids[n] for n in np.flatnonzero(far)][:1_000]
        qualify = np.isin(np.arange(len(ids)), np.flatnonzero(far)[:1_000])
        yield "far off", "m.id IN $ids", {"ids": chosen}, qualify
    pointed = np.bincount([other for each in content.targets for other in each], minlength=len(ids))
    target = int(np.argmax(pointed[: len(ids) // 4]))
    linked = np.array([target in each for each in content.targets], np.bool_)
    yield "a pattern", "EXISTS { (m)-[:SIMILAR_TO]->(:Memory {id: $id}) }", {"id": ids[target]}, linked


def _measured(
    tenant: Tenant, condition: str, params: dict[str, Any], asked: Vectors, qualify: Qualifying, vectors: Vectors,
    place: dict[str, int],
) -> tuple[float, float]:  # fmt: skip
    """Recall, and milliseconds of CPU: the median of the queries."""
    recalls, costs = [], []
    for query in asked:
        given = {**params, "vector": query.tolist()}
        began = time.process_time()
        found = run(tenant, SEARCH.format(condition), given, ME)
        costs.append(1e3 * (time.process_time() - began))
        assert isinstance(found, Rows), found
        scores = np.where(qualify, vectors @ query, -2)
        best = set(np.argsort(-scores)[: min(LIMIT, int(qualify.sum()))].tolist())
        recalls.append(len(best & {place[id_] for (id_,) in found.rows}) / max(1, len(best)))
    return statistics.mean(recalls), statistics.median(costs)


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--size", type=int, default=20_000)
    arguments.add_argument("--disk", action="store_true", help="with the vectors beyond the budget of memory")
    given = arguments.parse_args()
    content = made(given.size)
    with folder() as path:
        ids = told(path / "ours", content)
        limits = Limits(wait_ms=600_000, read_ms=600_000, vector_memory=0 if given.disk else 1 << 30)
        tenant = Tenant.open("bench", path / "ours", clock=CLOCK, limits=limits)
        assert isinstance(tenant, Tenant), tenant
        assert tenant.settled(600)
        say(f"filtered searches among {given.size:,} memories, vectors {'on disk' if given.disk else 'in memory'}")
        filtered(tenant, ids, content)
        tenant.close()


if __name__ == "__main__":
    main()
