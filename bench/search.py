"""What a search costs beside the sum of its raw parts, and how fast what is said can be found. One run, same data.

    python bench/search.py [--memories 6000 100000] [--questions 200]

Raw parts: the question embedded, the best 200 by bare Tantivy, the best 200 by one numpy product, 500 candidates
averaged with their neighbours and scored by another, ten rows and their sources read from SQLite. Texts are random
words of a natural distribution and vectors random clusters: good for times, not for what is found. The embedder is the
real one where it is installed, else questions are asked by words alone.
"""

import os

# numpy's own threads wait by spinning, which would count as work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import gc
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

# Where a file is run Python looks for modules first, and here `memql` is a benchmark.
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from numpy.typing import NDArray
from tantivy import Occur, Query

from bench.measure import CLOCK, ME, folder, say, text, verdict
from engine import texts
from engine.commands import Embedding, EventInput, Link, RecordEvents, Remember
from engine.embed import Embedder
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.search import question, search
from engine.tenant import Tenant
from memql.errors import Refusal
from server.embedding import chosen
from server.settings import Loaded, load

WIDTH = 384
STREAM = 50
"""Memories of one conversation."""
FOUND = 10
KINDS = ("Memory", "Insight", "Goal", "Task")


def embedder() -> Embedder | None:
    loaded = load({}, os.environ, Path.cwd())
    assert isinstance(loaded, Loaded)
    return chosen(loaded.settings, CLOCK)


def opened(path: Path, model: Embedder | None) -> Tenant:
    tenant = Tenant.open("bench", path, clock=CLOCK, limits=Limits(wait_ms=600_000), embedder=model)
    assert isinstance(tenant, Tenant), tenant
    return tenant


def filled(path: Path, count: int, model: Embedder | None) -> tuple[Tenant, list[str], NDArray[np.float32]]:
    """A tenant of so many memories, each of an event and following the one before; their texts and vectors."""
    tenant = opened(path, None)
    chance = np.random.default_rng(7)
    centres = chance.normal(size=(500, WIDTH))
    vectors = (centres[chance.integers(0, 500, count)] + chance.normal(size=(count, WIDTH))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    said = [text(chance) for _ in range(count)]
    for start in range(0, count, STREAM):
        events = tuple(EventInput(content=each, author="Ada") for each in said[start : start + STREAM])
        recorded = tenant.write_now(RecordEvents(stream=f"s{start}", events=events), ME)
        assert isinstance(recorded, Receipt)
        before = ""
        for number, event in enumerate(recorded.ids, start):
            links = [Link(kind="DERIVED_FROM", target=event)] + (
                [Link(kind="FOLLOWS", target=before)] if before else []
            )
            made = Embedding(model=model.model, vector=vectors[number].tobytes()) if model else None
            asked = Remember(text=said[number], author="Ada", links=tuple(links), embedding=made)
            receipt = tenant.write_now(asked, ME)
            assert isinstance(receipt, Receipt), receipt
            (before,) = receipt.ids
    assert tenant.settled(600)
    tenant.close()
    return opened(path, model), said, vectors


Took = NDArray[np.float64]
"""Milliseconds of process CPU and of wall."""


def timed(work: Callable[[], object]) -> tuple[float, float]:
    cpu, began = time.process_time(), time.perf_counter()
    work()
    return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - began)


def least(works: Mapping[str, Callable[[str], object]], words: str) -> dict[str, Took]:
    """What each costs when nothing else runs: the least of three. They take turns, so that none finds its own data in
    the processor's cache."""
    taken = [{name: timed(partial(work, words)) for name, work in works.items()} for _ in range(3)]
    return {name: np.min([each[name] for each in taken], axis=0) for name in works}


def searching(count: int, asked: int, model: Embedder | None) -> None:
    say(f"search among {count:,} memories ({model.model if model else 'no embedder'})")
    with folder() as path:
        tenant, said, vectors = filled(path, count, model)
        chance = np.random.default_rng(11)
        questions = [" ".join(chance.choice(said[n].split(), 6)) for n in chance.integers(0, count, asked)]

        def ask(reader: Reader, words: str) -> object:
            found = search(reader, question(words), reader.scope.of_kind(*KINDS))
            assert not isinstance(found, Refusal), found
            items = reader.items(found.denses[:FOUND])
            return reader.sources([item.root for item in items])

        def ours(words: str) -> None:
            answer = tenant.read_now(lambda reader: ask(reader, words), ME, needs=("vectors", "texts"))
            assert not isinstance(answer, Refusal), answer

        db = sqlite3.connect(tenant.directory / "journal.db")
        parts = raw(tenant, model, vectors, db)
        for words in questions[:20]:
            ours(words)
            [part(words) for part in parts.values()]
        taken = [least({"ours": ours, **parts}, words) for words in questions]
        of = {name: np.array([each[name] for each in taken]) for name in taken[0]}
        mine = of.pop("ours")
        total = np.sum(list(of.values()), axis=0)
        say(
            "  raw parts: "
            + ", ".join(f"{name} {np.median(each[:, 0]):.2f}" for name, each in of.items())
            + " ms of CPU"
        )
        wall = mine[:, 1]
        say(f"  wall: p50 {np.percentile(wall, 50):.2f}, p95 {np.percentile(wall, 95):.2f} ms")
        for number, unit in enumerate(("CPU", "wall")):
            ours_, parts_ = float(np.median(mine[:, number])), float(np.median(total[:, number]))
            verdict(f"{unit} against the sum of the parts", ours_, parts_, 1.5, "ms")
        db.close()
        tenant.close()


def raw(
    tenant: Tenant, model: Embedder | None, vectors: NDArray[np.float32], db: sqlite3.Connection
) -> dict[str, Callable[[str], object]]:
    """The parts of a search, each as plain as it can be."""
    searcher = tenant.texts._searcher
    some = vectors[0]

    def embed(words: str) -> object:
        return model.embed([words]) if model else None

    def words_alone(words: str) -> object:
        assert searcher
        terms = (Query.term_query(texts._schema, "text", word, "freq") for word in texts._words.analyze(words))
        query = Query.boolean_query([(Occur.Should, term) for term in terms])
        hits = searcher.search(query, 200, count=False).hits
        return searcher.fast_field_values("dense", [address for _, address in hits])

    def meaning_alone(words: str) -> object:
        scores = vectors @ some
        best = np.argpartition(scores, -200)[-200:]
        return best[np.argsort(-scores[best])]

    def rows(words: str) -> object:
        found = range(100, 100 + 2 * FOUND)
        return [db.execute("SELECT * FROM items WHERE dense = ?", (dense,)).fetchone() for dense in found]

    def around(words: str) -> object:
        rows = vectors[candidates] + (vectors[candidates - 1] + vectors[candidates + 1]) / 2
        return (rows @ some) / np.linalg.norm(rows, axis=1)

    candidates = np.random.default_rng(5).integers(1, len(vectors) - 1, 500)
    parts: dict[str, Callable[[str], object]] = {"words": words_alone, "rows": rows}
    return parts | ({"embed": embed, "meaning": meaning_alone, "around": around} if model else {})


def ingesting(model: Embedder | None, contents: Sequence[str]) -> None:
    """From the first event sent until the last can be found as a memory."""
    with folder() as path:
        tenant = Tenant.open(
            "bench", path, clock=CLOCK, limits=Limits(wait_ms=600_000), embedder=model, consolidate=True
        )
        assert isinstance(tenant, Tenant), tenant
        began, cpu = time.perf_counter(), time.process_time()
        for start in range(0, len(contents), STREAM):
            events = tuple(EventInput(content=each, author="Ada") for each in contents[start : start + STREAM])
            receipt = tenant.write_now(RecordEvents(stream=f"s{start}", events=events), ME)
            assert isinstance(receipt, Receipt)
        acknowledged = time.perf_counter() - began
        counted = tenant.read_now(
            lambda reader: reader.count("Memory"), ME, needs=("vectors", "texts"), at_least=receipt.position,
            consolidated=True,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        say(
            f"  {model.model if model else 'by words alone'}: {len(contents):,} events, {counted:,} memories; "
            f"acknowledged {len(contents) / acknowledged:,.0f} events/s, found {len(contents) / seconds:,.0f} events/s "
            f"({1e3 * (time.process_time() - cpu) / len(contents):.2f} ms of CPU each)"
        )
        tenant.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--memories", type=int, nargs="*", default=[6_000, 100_000])
    arguments.add_argument("--questions", type=int, default=200)
    given = arguments.parse_args()
    gc.set_threshold(200_000, 50, 100)  # as the server does
    model = embedder()
    for count in given.memories:
        searching(count, given.questions, model)
    say("from said to found")
    chance = np.random.default_rng(3)
    contents = [text(chance) for _ in range(3_000)]
    ingesting(None, contents)
    if model:
        ingesting(model, contents)


if __name__ == "__main__":
    sys.exit(main())
