"""A world to search in: memories of two principals, entities and chains between them, all from one seed; and what a
search must find in it, reckoned one item after the other."""

import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.clock import SystemClock
from engine.commands import Command, DeclareLabel, Link, NameEntity, Principal, Relate, Remember, ReviseItem
from engine.execute import Rows, run
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant
from memql.errors import Refusal
from tests.engine.embedders import WordHashes

ADA, EVE = Principal("usr_ada"), Principal("usr_eve")
WORDS = "tea coffee river stone paper lamp winter garden milk cup sugar bread salt ship sail wind north harbour".split()
SHARE = {"half": 0.5, "some": 0.05, "few": 0.005}
"""Which part of the memories has a category of that name or of a rarer one."""


class Place:
    """An open tenant with that world. `strangers`: with what Eve keeps to herself, which Ada never sees."""

    def __init__(
        self, path: Path, *, strangers: bool = True, memories: int = 400, limits: Limits | None = None
    ) -> None:
        self.embedder = WordHashes()
        limits = limits or Limits(text_commit_ms=0, graph_gather_ms=0)
        opened = Tenant.open("t", path, clock=SystemClock(), limits=limits, embedder=self.embedder)
        assert isinstance(opened, Tenant)
        self.tenant = opened
        self.memories: list[str] = []
        self.entities: list[str] = []
        self._denses: dict[str, int] = {}
        self._fill(random.Random(5), strangers, memories)
        assert self.tenant.settled(60)

    def _fill(self, chance: random.Random, strangers: bool, memories: int) -> None:
        self.write(DeclareLabel(label="Pinned"))
        for number in range(30):
            name = f"{chance.choice(WORDS)} {number}"
            aliases = (chance.choice(WORDS),) if number % 3 else None
            of = "project" if number % 6 == 0 else "place"
            self.entities.append(self.write(NameEntity(name=name, category=of, aliases=aliases)))
        hidden: list[str] = []
        for number in range(memories):
            rare = chance.random()
            category = next((name for name in ("few", "some", "half") if rare < SHARE[name]), None)
            text = " ".join(chance.choices(WORDS, k=chance.randint(3, 12)))
            about = chance.sample(self.entities, 2)
            weights = [chance.choice([1.0, 0.8, 0.25, 1.5, -1.0]) for _ in about]
            links = tuple(Link(kind="MENTIONS", target=each, weight=w) for each, w in zip(about, weights, strict=True))
            self.memories.append(
                self.write(Remember(text=text, category=category, importance=chance.random(), links=links))
            )
            if number % 4 == 0:
                # The same from the same seed, whether they are written or not.
                said = " ".join(chance.choices(WORDS, k=4))
                if strangers:
                    hidden.append(self.write(Remember(text=said, category="half", importance=1.0), EVE))
                    self.write(Relate(source=hidden[-1], kind="ABOUT", target=hidden[0]), EVE)
        for one, other in itertools.pairwise(chance.sample(self.memories, memories // 2)):
            self.write(Relate(source=one, kind="SIMILAR_TO", target=other, weight=chance.choice([0.9, 0.5, 0.3])))
        for each in chance.sample(self.memories, min(20, memories)):
            self.write(ReviseItem(id=each, labels=("Pinned",)))

    def write(self, command: Command, by: Principal = ADA) -> str:
        receipt = self.tenant.write_now(command, by)
        assert isinstance(receipt, Receipt), receipt
        return receipt.ids[0] if receipt.ids else ""

    def ask(self, query: str, **params: Any) -> list[tuple[Any, ...]]:
        found = self.answer(query, **params)
        assert isinstance(found, Rows), found
        return found.rows

    def answer(self, query: str, **params: Any) -> Rows | Refusal:
        assert self.tenant.settled(20)
        return run(self.tenant, query, params, ADA)

    def dense(self, id_: str) -> int:
        if id_ not in self._denses:
            item = self.read(lambda reader: reader.item(id_))
            assert item is not None
            self._denses[id_] = item.dense
        return self._denses[id_]

    def read(self, ask: Callable[[Reader], Any]) -> Any:
        return self.tenant.read_now(ask, ADA, needs=("vectors", "texts"))


# What must be found


Scores = dict[str, float]
"""Of each item that a way finds, by its id, how well it fits."""


def by_meaning(place: Place, vector: NDArray[np.float32]) -> Scores:
    """The cosine with each memory's own vector."""

    def of(reader: Reader) -> Scores:
        items = reader.items(np.flatnonzero(reader.scope.of_kind("Memory")))
        rows = reader.vectors.rows(place.embedder.model, place.embedder.width, np.array([each.dense for each in items]))
        cosines = rows.astype(np.float64) @ (vector / np.linalg.norm(vector)).astype(np.float64)
        return dict(zip([each.id for each in items], cosines.tolist(), strict=True))

    return place.read(of)  # type: ignore[no-any-return]


def by_words(place: Place, words: str) -> Scores:
    """The score of each memory by itself, where it has any of the words."""

    def of(reader: Reader) -> Scores:
        items = reader.items(np.flatnonzero(reader.scope.of_kind("Memory")))
        scores = reader.texts.scores(words, np.array([each.dense for each in items]))
        return {each.id: score for each, score in zip(items, scores.tolist(), strict=True) if score > 0}

    return place.read(of)  # type: ignore[no-any-return]


def by_nearness(place: Place, start: str, hops: int) -> Scores:
    """The best of all chains of relations, followed one by one."""
    edges: dict[str, list[tuple[str, float]]] = {}
    for one, other, weight in place.ask("MATCH (a)-[r]->(b) RETURN a.id, b.id, r.weight"):
        factor = 0.5 * min(max(weight, 0.0), 1.0)
        edges.setdefault(one, []).append((other, factor))
        edges.setdefault(other, []).append((one, factor))
    best = {start: 1.0}
    ahead = {start: 1.0}
    for _ in range(hops):
        further: Scores = {}
        for near, value in ahead.items():
            for far, factor in edges.get(near, ()):
                if value * factor > max(best.get(far, 0.0), further.get(far, 0.0)):
                    further[far] = value * factor
        best.update(further)
        ahead = further
    kept = set(place.memories)
    return {each: value for each, value in best.items() if each in kept and value > 0}


def fused(
    place: Place, lists: Sequence[tuple[float, Scores]], qualify: set[str], most: int, how: str, k: float = 60
) -> Scores:
    """Ten lines: the best of each list, each of them scored by all lists, brought to one scale and added up."""
    kept = [{each: np.float32(score) for each, score in scores.items() if each in qualify} for _, scores in lists]
    best = [sorted(scores, key=lambda each: (-scores[each], place.dense(each)))[:most] for scores in kept]
    candidates = sorted({each for some in best for each in some})
    totals = np.zeros(len(candidates))
    for weight, scores in zip([weight for weight, _ in lists], kept, strict=True):
        raw = np.array([scores.get(each, 0.0) for each in candidates], np.float64)
        ranks = np.array([1 + int((raw > value).sum()) for value in raw])
        between = (raw - raw.min()) / np.ptp(raw) if np.ptp(raw) else raw != 0
        scaled = {"rrf": np.where(raw == 0, 0, 1 / (k + ranks)), "minmax": between, "none": raw,
                  "zsum": (raw - raw.mean()) / (raw.std() or 1)}[how]  # fmt: skip
        totals += weight * scaled
    return dict(zip(candidates, totals.tolist(), strict=True))
