"""What a query sees of the tenant: items and relations as values, read when they are first looked into.

Items are read many at a time and kept for the rest of the query, so that no row is read twice and none without need.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeAlias, TypeVar

import numpy as np

from engine import provenance
from engine.columns import Numbers
from engine.decide.view import ItemState, RelationState
from engine.reader import Reader
from memql.catalog import STATE
from memql.errors import Refusal
from memql.functions import Unanswerable
from memql.values import instant
from memql.world import Change, Node, Relation

T = TypeVar("T")
ChangeKey: TypeAlias = tuple[int, bool, type, int]
"""The time and sort of a version, its number, and whether its end is asked for."""

READ_AT_ONCE = 2_000
"""Items read in one step: some twenty milliseconds between two looks at the deadline."""
CHANGES_AT_ONCE = 100
"""Versions whose records are read with one that is asked for."""
KEPT = 200_000
"""Items kept in memory, whose content is some 200 MB at most for what people write."""


class Stopped(Exception):
    """The query cannot go on; the refusal is its answer."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Seen:
    """The world of `memql.world` as this reader sees it."""

    def __init__(
        self, reader: Reader, now: int, entropy: Callable[[int], bytes] | None = None, *, past: bool = False
    ) -> None:
        self.reader = reader
        self.readers = [reader]
        """Of each of the query's times; the first is that of the query itself."""
        self._past = [past]
        self._entropy = entropy
        self.asked_at: datetime = instant(now)
        self._nodes: dict[int, dict[int, Node]] = {}
        self._relations: dict[int, dict[int, Relation]] = {}
        self._changes: dict[ChangeKey, Change | None] = {}

    def also(self, reader: Reader, *, past: bool) -> int:
        """The number of another time, at which that reader reads; `past`: AS OF it."""
        self.readers.append(reader)
        self._past.append(past)
        return len(self.readers) - 1

    def check(self) -> None:
        """Stops a query that has run too long."""
        if self.reader.overdue():
            raise Stopped(self.reader.late())

    def keep(self, state: ItemState, time: int = 0) -> None:
        """A version that was read for another reason."""
        if _count(self._nodes) < KEPT:
            self._nodes.setdefault(time, {})[state.dense] = as_node(self.readers[time].then(state), time)

    def nodes(self, denses: Numbers, time: int = 0) -> list[Node | None]:
        """These versions as values, as they were known at that time; None for 0."""
        return self._read(denses.tolist(), time, self._nodes, self._read_nodes)

    def relations(self, rows: Numbers, time: int = 0) -> list[Relation | None]:
        return self._read(rows.tolist(), time, self._relations, self._read_relations)

    def _read(
        self, asked: list[int], time: int, kept: dict[int, dict[int, T]], read: Callable[[list[int], int], dict[int, T]]
    ) -> list[T | None]:
        known = kept.setdefault(time, {})
        missing = sorted({number for number in asked if number} - known.keys())
        if missing:
            if _count(kept) + len(missing) > KEPT:
                kept.clear()
                known = kept[time] = {}
                missing = sorted({number for number in asked if number})
            for start in range(0, len(missing), READ_AT_ONCE):
                self.check()
                known.update(read(missing[start : start + READ_AT_ONCE], time))
        return [known[number] if number else None for number in asked]

    def _read_nodes(self, denses: list[int], time: int) -> dict[int, Node]:
        return {state.dense: as_node(state, time) for state in self.readers[time].items(denses)}

    def _read_relations(self, rows: list[int], time: int) -> dict[int, Relation]:
        return {state.row: as_relation(state, time) for state in self.readers[time].relations(rows)}

    # What functions ask

    def chance(self) -> float | None:
        return None if self._entropy is None else (int.from_bytes(self._entropy(8)) >> 11) * 2.0**-53

    def ends(self, relation: Relation) -> tuple[Node | None, Node | None]:
        state, scope = relation.state, self.readers[relation.time].scope
        source, target = self.nodes(scope.lasting(np.array([state.source, state.target])), relation.time)
        return source, target

    def sources(self, node: Node) -> Sequence[Node]:
        found = self.readers[node.time].sources([node.state.root])
        if isinstance(found, Refusal):
            raise Stopped(found)
        return [as_node(state, node.time) for state in found[node.state.root]]

    def history(self, of: Node | Relation) -> Sequence[Node | Relation]:
        reader = self.readers[of.time]
        if isinstance(of, Node):
            return [as_node(state, of.time) for state in reader.history(of.id)]
        return [as_relation(state, of.time) for state in reader.relation_history(of.state.root)]

    def change(self, of: Node | Relation, *, ended: bool) -> Change | None:
        if (key := _key(of, ended)) not in self._changes:
            self._read_changes(of, ended)
        return self._changes[key]

    def _read_changes(self, of: Node | Relation, ended: bool) -> None:
        """Those of the version, and of others beside it that will probably be asked for as well."""
        if len(self._changes) > KEPT:
            self._changes.clear()
        kept = self._nodes if isinstance(of, Node) else self._relations
        beside = (each for each in kept.get(of.time, {}).values() if _key(each, ended) not in self._changes)
        several = {_key(each, ended): each.state for each in (of, *islice(beside, CHANGES_AT_ONCE))}
        read = provenance.ended if ended else provenance.begun
        found = read(self.reader.index.db, list(several.values()))
        for key in several:
            told = found.get(key[-1])
            self._changes[key] = Change(told.actor, told.reason) if told else None

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
        if self._past[node.time]:
            hint = "it is a figure of now and not versioned: leave AS OF out, or this"
            raise Unanswerable("Q307", f"`{name}` cannot be asked AS OF an earlier time", hint)
        value = self.reader.state(node.state.root).get(name)
        return int(value) if value is not None and STATE[name] == "integer" else value


def _count(kept: Mapping[int, Mapping[int, object]]) -> int:
    return sum(map(len, kept.values()))


def _key(of: Node | Relation, ended: bool) -> ChangeKey:
    return of.time, ended, type(of), of.state.dense if isinstance(of, Node) else of.state.row


def as_node(state: ItemState, time: int = 0) -> Node:
    return Node(state.id, state.kind, state.labels, state.properties, state, time)


def as_relation(state: RelationState, time: int = 0) -> Relation:
    return Relation(state.id, state.kind, state.weight, state.properties, state, time)
