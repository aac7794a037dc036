"""Reads of one tenant for one principal at one position: what every door answers from.

A reader is a value for the time of one answer. Everything it returns is as known at its position, whatever has been
written since; only erasure reaches into the past.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.adjacency import Adjacency, Direction, Steps
from engine.columns import Mask, Numbers, Scope
from engine.decide.view import NEVER, ItemState, RelationState
from engine.embed import Embedder
from engine.graph import Graph
from engine.index import Index
from engine.limits import Limits
from engine.named import Named
from engine.properties import Properties
from engine.stopping import current
from engine.texts import Texts
from engine.vectors import Vectors
from memql.catalog import Catalog
from memql.errors import Problem, Reason, Refusal, over_limit, unavailable


@dataclass(frozen=True, slots=True)
class Hit:
    """A version that a search found, and the raw score of the signal that found it."""

    item: ItemState
    score: float


@dataclass(frozen=True, slots=True)
class Reader:
    """`scope` says who reads, as of when and valid when; it masks whatever a store returns. `position_at` tells the
    last position recorded at or before a time in microseconds; `present` is the last that this answer may show."""

    scope: Scope
    index: Index
    adjacency: Adjacency
    properties: Properties
    graph: Graph
    vectors: Vectors
    texts: Texts
    named: Named
    catalog: Catalog
    limits: Limits
    overdue: Callable[[], bool]
    position_at: Callable[[int], int]
    present: int
    embedder: Embedder | None = None

    @property
    def position(self) -> int:
        return self.scope.position

    # Items

    def item(self, id_: str) -> ItemState | None:
        """The item of that id as a default read shows it; None where there is none to be seen."""
        newest = self.index.item(id_)
        if newest is None:
            return None
        (dense,) = self.scope.shown(np.array([newest.root])).tolist()
        return self.items([dense])[0] if dense else None

    def items(self, denses: Iterable[int]) -> list[ItemState]:
        """These versions, in the order asked. Give only what the scope shows."""
        asked = [int(dense) for dense in denses]
        found = self.index.items(asked)
        return [self.then(found[dense]) for dense in asked]

    def then(self, item: ItemState) -> ItemState:
        """The version as it was known: what ended it later had not happened."""
        return replace(item, died=NEVER, retired_at=NEVER) if item.retired and item.died > self.position else item

    def page(
        self, kinds: Sequence[str] = (), *, after: int = 0, limit: int, stream: int = 0, newest_first: bool = False
    ) -> list[ItemState] | Refusal:
        """Items in the order they were recorded, `limit` of them behind the version `after`."""
        if limit > self.limits.read_rows:
            return over_limit("read_rows", self.limits.read_rows, limit, "first")
        mask = self.scope.of_kind(*kinds) if kinds else self.scope.seen
        if stream:
            mask = mask & (self.scope.columns.column("stream")[: self.scope.count] == stream)
        denses = np.flatnonzero(mask)
        if newest_first:
            denses = denses[::-1] if not after else denses[denses < after][::-1]
        elif after:
            denses = denses[denses > after]
        return self.items(denses[:limit])

    def count(self, *kinds: str) -> int:
        return int((self.scope.of_kind(*kinds) if kinds else self.scope.seen).sum())

    def history(self, id_: str) -> list[ItemState]:
        """Every version of the item that was known at the position, oldest first, whatever became of it."""
        newest = self.index.item(id_)
        if newest is None:
            return []
        visible = self.scope.visible
        return self.items(
            dense for dense in self.index.versions(newest.root) if dense < len(visible) and visible[dense]
        )

    def relation_history(self, root: int) -> list[RelationState]:
        """Every version of the relation that was known at the position, oldest first."""
        column = self.adjacency.column
        return self.relations(np.flatnonzero((column("root") == root) & (column("born") <= self.position)))

    def lasting(self, roots: Iterable[int]) -> list[ItemState]:
        """The last known versions of these identities, even when retired: what provenance leads to."""
        versions = self.scope.lasting(np.fromiter(roots, np.int64))
        return self.items(versions[versions > 0])

    # Relations

    def expand(
        self,
        roots: Sequence[int] | Numbers,
        direction: Direction = "out",
        kinds: Sequence[str] | None = None,
        *,
        through: bool = False,
    ) -> Steps | Refusal:
        """The relations seen from these identities, one hop; with `through`, lasting ones whatever they came from."""
        most, asked = self.limits.expand_relations, np.asarray(roots, np.int64)
        try:
            return self.adjacency.expand(self.scope, asked, direction, kinds, most=most, through=through)
        except OverflowError as error:
            return over_limit("expand_relations", self.limits.expand_relations, int(error.args[0]), "")

    def relations(self, rows: Iterable[int]) -> list[RelationState]:
        """These versions of relations, in the order asked. Give only what `expand` showed."""
        asked = [int(row) for row in rows]
        found = self.index.relations(asked)
        return [
            replace(r, died=NEVER, retired_at=NEVER) if r.retired and r.died > self.position else r
            for r in (found[row] for row in asked)
        ]

    def sources(self, roots: Iterable[int]) -> dict[int, list[ItemState]] | Refusal:
        """Of each identity the events that it was, in the end, derived from, in the order they were recorded."""
        asked = sorted(set(roots))
        derived: dict[int, list[int]] = {}
        kinds, event = self.scope.columns.column("kind"), self.scope.columns.codes.get("Event", -1)
        ahead = asked
        while ahead:
            derived |= {root: [] for root in ahead}
            # Events are what everything else is derived from; they themselves come from nowhere.
            steps = self.expand([root for root in ahead if kinds[root] != event], "out", ["DERIVED_FROM"])
            if isinstance(steps, Refusal):
                return steps
            for origin, end in zip(steps.origins.tolist(), steps.ends.tolist(), strict=True):
                derived[origin].append(end)
            ahead = sorted(set(steps.ends.tolist()) - derived.keys())
        events = {state.root: state for state in self.lasting(root for root in sorted(derived) if kinds[root] == event)}
        return {root: [events[each] for each in sorted(_reached(derived, root)) if each in events] for root in asked}

    # Search

    def search_text(self, text: str, kinds: Sequence[str] = (), limit: int = 10) -> list[Hit] | Refusal:
        """The versions whose words fit best, by BM25; `limit` of them whenever so many qualify."""
        if refusal := self._bounded(limit):
            return refusal
        denses, scores = self.texts.search(text, keep=self._mask(kinds), limit=limit)
        return self._hits(denses, scores)

    def search_vector(
        self, model: str, vector: NDArray[np.float32], kinds: Sequence[str] = (), limit: int = 10
    ) -> list[Hit] | Refusal:
        """The versions nearest to the vector by cosine; `limit` of them whenever so many qualify."""
        if refusal := self._bounded(limit):
            return refusal
        found = self.vectors.search(model, vector, keep=self._mask(kinds), limit=limit)
        return found if isinstance(found, Refusal) else self._hits(*found)

    def _mask(self, kinds: Sequence[str]) -> Mask:
        return self.scope.of_kind(*kinds) if kinds else self.scope.seen

    def _hits(self, denses: Numbers, scores: NDArray[np.float32]) -> list[Hit] | Refusal:
        if self.overdue():
            return self.late()
        return [Hit(item, score) for item, score in zip(self.items(denses), scores.tolist(), strict=True)]

    def _bounded(self, limit: int) -> Refusal | None:
        if limit > self.limits.read_rows:
            return over_limit("read_rows", self.limits.read_rows, limit, "first")
        return self.late() if self.overdue() else None

    def late(self) -> Refusal:
        """Why it ends before its time."""
        stop = current()
        if stop.asked:
            message = "the read was stopped: nobody waits for it any more"
            return stop.because or unavailable("STOPPED", message, "ask again")
        return late(self.limits)

    def given_up(self) -> Refusal | None:
        """Why to stop, once the read has taken too long."""
        return self.late() if self.overdue() else None

    def state(self, root: int) -> Mapping[str, float]:
        """The derived figures of an item, as they are now: they are not versioned."""
        return {name: values[root] for name, values in self.scope.columns.state.items() if root in values}


def late(limits: Limits) -> Refusal:
    message = f"the read took longer than `read_ms` allows ({limits.read_ms:,} ms)"
    return Refusal(Reason.LIMIT, (Problem("TOO_SLOW", message, "", "ask for less, or raise `limits.read_ms`"),))


def _reached(derived: Mapping[int, Sequence[int]], root: int) -> set[int]:
    reached, ahead = {root}, [root]
    while ahead:
        new = [end for end in derived.get(ahead.pop(), ()) if end not in reached]
        reached.update(new)
        ahead += new
    return reached
