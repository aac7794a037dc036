"""What a query sees of the tenant: items and relations as values, read when they are first looked into.

Items are read many at a time and kept for the rest of the query, so that no row is read twice and none without need.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import numpy as np

from engine.columns import Numbers
from engine.decide.view import ItemState, RelationState
from engine.reader import Reader
from memql.catalog import STATE
from memql.errors import Refusal
from memql.values import instant
from memql.world import Node, Relation

T = TypeVar("T")

READ_AT_ONCE = 2_000
"""Items read in one step: some twenty milliseconds between two looks at the deadline."""
KEPT = 200_000
"""Items kept in memory, whose content is some 200 MB at most for what people write."""


class Stopped(Exception):
    """The query cannot go on; the refusal is its answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Seen:
    """The world of `memql.world` as this reader sees it."""

    def __init__(self, reader: Reader, now: int, entropy: Callable[[int], bytes] | None = None) -> None:
        self.reader = reader
        self._entropy = entropy
        self.asked_at: datetime = instant(now)
        self._nodes: dict[int, Node] = {}
        self._relations: dict[int, Relation] = {}

    def check(self) -> None:
        """Stops a query that has run too long."""
        if self.reader.overdue():
            raise Stopped(self.reader.late())

    def keep(self, state: ItemState) -> None:
        """A version that was read for another reason."""
        if len(self._nodes) < KEPT:
            self._nodes[state.dense] = as_node(self.reader.then(state))

    def nodes(self, denses: Numbers) -> list[Node | None]:
        """These versions as values; None for 0."""
        asked = denses.tolist()
        self._read(asked, self._nodes, self._read_nodes)
        return [self._nodes[dense] if dense else None for dense in asked]

    def relations(self, rows: Numbers) -> list[Relation | None]:
        asked = rows.tolist()
        self._read(asked, self._relations, self._read_relations)
        return [self._relations[row] if row else None for row in asked]

    def _read(self, asked: Sequence[int], kept: dict[int, T], read: Callable[[list[int]], dict[int, T]]) -> None:
        missing = sorted({number for number in asked if number} - kept.keys())
        if not missing:
            return
        if len(kept) + len(missing) > KEPT:
            kept.clear()
            missing = sorted({number for number in asked if number})
        for start in range(0, len(missing), READ_AT_ONCE):
            self.check()
            kept.update(read(missing[start : start + READ_AT_ONCE]))

    def _read_nodes(self, denses: list[int]) -> dict[int, Node]:
        return {state.dense: as_node(state) for state in self.reader.items(denses)}

    def _read_relations(self, rows: list[int]) -> dict[int, Relation]:
        return {state.row: as_relation(state) for state in self.reader.relations(rows)}

    # What functions ask

    def chance(self) -> float | None:
        return None if self._entropy is None else (int.from_bytes(self._entropy(8)) >> 11) * 2.0**-53

    def ends(self, relation: Relation) -> tuple[Node | None, Node | None]:
        state = relation.state
        source, target = self.nodes(self.reader.scope.lasting(np.array([state.source, state.target])))
        return source, target

    def sources(self, node: Node) -> Sequence[Node]:
        found = self.reader.sources([node.state.root])
        if isinstance(found, Refusal):
            raise Stopped(found)
        return [as_node(state) for state in found[node.state.root]]

    def similarity(self, one: Node, other: Node) -> float | None:
        """The cosine in the space of the tenant's own model, else in the first that has both."""
        vectors, own = self.reader.vectors, self.reader.embedder
        spaces = sorted(vectors.spaces(), key=lambda space: (own is None or space[0] != own.model, space))
        denses = np.array([one.state.dense, other.state.dense])
        for model, width in spaces:
            rows = vectors.rows(model, width, denses).astype(np.float64)
            if rows.any(axis=1).all():
                return float(rows[0] @ rows[1])
        return None

    def figure(self, node: Node, name: str) -> int | float | None:
        value = self.reader.state(node.state.root).get(name)
        return int(value) if value is not None and STATE[name] == "integer" else value


def as_node(state: ItemState) -> Node:
    return Node(state.id, state.kind, state.labels, state.properties, state)


def as_relation(state: RelationState) -> Relation:
    return Relation(state.id, state.kind, state.weight, state.properties, state)
