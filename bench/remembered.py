"""The graph that MemQL is measured on: the same memories in a tenant of ours and in a Kùzu database written by hand.

Memories of sixteen words, ten relations each to earlier ones, and unit vectors of 384 numbers in 500 clusters. Made
once for each size, and kept in the temporary folder of the machine: `python bench/memql.py --anew` makes it again.
"""

import importlib.util  # Kùzu reads Arrow tables through `importlib.util`, which it does not import itself.
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.measure import CLOCK, ME, opened, say, text
from engine.commands import Embedding, Link, Remember
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant

WIDTH, CLUSTERS, DEGREE, GROUP = 384, 500, 10, 200
MODEL = "bench"
CATEGORIES = [f"category {n}" for n in range(200)]
assert importlib.util


@dataclass(frozen=True, slots=True)
class Made:
    """What each memory is made of, by its number. `targets` of a memory lie before it."""

    texts: list[str]
    vectors: NDArray[np.float32]
    importance: NDArray[np.float64]
    categories: list[str]
    targets: list[list[int]]
    weights: list[list[float]]


@dataclass(frozen=True, slots=True)
class Remembered:
    """The tenant, the hand-made database, and what both hold."""

    made: Made
    ids: list[str]
    tenant: Tenant
    cypher: Any

    def close(self) -> None:
        self.tenant.close()
        self.cypher.close()


def made(size: int) -> Made:
    chance = np.random.default_rng(7)
    centres = chance.normal(size=(CLUSTERS, WIDTH))
    vectors = (centres[chance.integers(0, CLUSTERS, size)] + 0.6 * chance.normal(size=(size, WIDTH))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    targets, weights = [], []
    for n in range(size):
        before = n - n % GROUP
        found = sorted({int(each) for each in chance.integers(0, before, DEGREE)}) if before else []
        targets.append(found)
        weights.append([((n * 31 + other * 17) % 97) / 97 for other in found])
    return Made(
        [text(chance) for _ in range(size)], vectors, np.round(chance.random(size), 4),
        [CATEGORIES[n] for n in chance.integers(0, len(CATEGORIES), size)], targets, weights,
    )  # fmt: skip


def remembered(size: int, *, anew: bool = False) -> Remembered:
    """Both, opened; made where they are not there yet."""
    folder = Path(tempfile.gettempdir()) / f"bench-memql-{size}"
    if anew and folder.exists():
        shutil.rmtree(folder)
    content = made(size)
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        say(f"making the graph of {size:,} memories and {sum(map(len, content.targets)):,} relations")
        ids = told(folder / "ours", content)
        _copied(folder / "kuzu", content, ids)
        done.write_text("\n".join(ids), "utf-8")
    tenant = opened(folder / "ours", Limits(wait_ms=600_000, read_ms=600_000))
    assert tenant.settled(600)
    return Remembered(content, done.read_text("utf-8").split("\n"), tenant, _database(folder / "kuzu"))


def told(path: Path, content: Made) -> list[str]:
    """The ids of the memories, told to a tenant of ours like anyone's."""
    tenant = Tenant.open("bench", path, clock=CLOCK, limits=Limits(wait_ms=600_000))
    assert isinstance(tenant, Tenant)
    ids: list[str] = []
    for start in range(0, len(content.texts), GROUP):
        commands = []
        for n in range(start, min(start + GROUP, len(content.texts))):
            pairs = zip(content.targets[n], content.weights[n], strict=True)
            links = tuple(Link(kind="SIMILAR_TO", target=ids[other], weight=weight) for other, weight in pairs)
            embedding = Embedding(model=MODEL, vector=content.vectors[n].tobytes())
            commands.append(
                Remember(text=content.texts[n], importance=float(content.importance[n]),
                         category=content.categories[n], links=links, embedding=embedding)
            )  # fmt: skip
        for receipt in tenant.write_all([(command, None) for command in commands], ME):
            assert isinstance(receipt, Receipt), receipt
            ids += receipt.ids
    assert tenant.settled(600)
    tenant.close()
    return ids


def _database(path: Path) -> Any:
    if "ladybug" in sys.modules:
        raise RuntimeError("one process cannot hold both graph engines")
    import kuzu

    return kuzu.Database(str(path), buffer_pool_size=1 << 30, max_db_size=1 << 34, max_num_threads=2)


def _copied(path: Path, content: Made, ids: list[str]) -> None:
    """The same in Kùzu, as one would write it by hand: one table of nodes, one of relations."""
    import kuzu

    database = _database(path)
    connection = kuzu.Connection(database)
    connection.execute(
        "CREATE NODE TABLE Memory(id STRING PRIMARY KEY, text STRING, importance DOUBLE, category STRING, "
        f"vector FLOAT[{WIDTH}])"
    )
    connection.execute("CREATE REL TABLE SIMILAR_TO(FROM Memory TO Memory, weight DOUBLE)")
    flat = pa.FixedSizeListArray.from_arrays(pa.array(content.vectors.reshape(-1)), WIDTH)
    memories = pa.table(  # noqa: F841 the engine finds it by its name
        {"id": ids, "text": content.texts, "importance": content.importance, "category": content.categories,
         "vector": flat}
    )  # fmt: skip
    connection.execute("COPY Memory FROM memories")
    pairs = [(n, at) for n, targets in enumerate(content.targets) for at in range(len(targets))]
    relations = pa.table(  # noqa: F841 the engine finds it by its name
        {
            "from": [ids[n] for n, _ in pairs],
            "to": [ids[content.targets[n][at]] for n, at in pairs],
            "weight": [content.weights[n][at] for n, at in pairs],
        }
    )
    connection.execute("COPY SIMILAR_TO FROM relations")
    connection.close()
    database.close()
