"""The graph as an expression sees it: nodes, relations and paths as values, and what a function may ask of the world.

The engine makes these of what it has stored; nothing here knows how.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from memql.catalog import LASTING
from memql.values import FOREVER, Value, instant


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One version of an item. `state` is the engine's own value of it, which answers hand out, `time` its own note of
    when it was looked at."""

    id: str
    kind: str
    labels: tuple[str, ...]
    properties: Mapping[str, Value]
    state: Any
    time: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """One version of a relation; what it joins is asked of the world."""

    id: str
    kind: str
    weight: float
    properties: Mapping[str, Value]
    state: Any
    time: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Relation) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class Change:
    """What a record says of the version that it began or ended: who asked, and why; empty where no reason was given."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Path:
    """Nodes, and the relations between each two of them."""

    nodes: tuple[Node, ...]
    relations: tuple[Relation, ...]


Datum: TypeAlias = Any
"""A value, a node, a relation, a path, or a list or map of them. Which of them is what the types of expressions say."""

_TIMES = ("valid_from", "valid_to", "recorded_at", "retired_at")
NODE_PROPERTIES = frozenset({"id", "kind", "labels", "version", "owner", "domain", *_TIMES})
RELATION_PROPERTIES = frozenset({"id", "kind", "weight", "version", *_TIMES})


def node_property(node: Node, name: str) -> Datum:
    if name not in NODE_PROPERTIES:
        return node.properties.get(name)
    if name in _TIMES:
        return moment(getattr(node.state, name))
    return list(node.labels) if name == "labels" else getattr(node.state, name)


def relation_property(relation: Relation, name: str) -> Datum:
    if name not in RELATION_PROPERTIES:
        return relation.properties.get(name)
    return moment(getattr(relation.state, name)) if name in _TIMES else getattr(relation.state, name)


def moment(us: int) -> datetime | None:
    """A time that never comes is none."""
    return None if us >= FOREVER else instant(us)


def known_together(versions: Sequence[Datum]) -> bool:
    """Whether there was a moment at which all of these nodes, relations and lists of relations were known."""
    states = [one.state for many in versions for one in (many if isinstance(many, list) else [many])]
    return not states or max(each.recorded_at for each in states) < min(each.retired_at for each in states)


def is_reached(node: Node, by: Datum, at: int) -> bool:
    """Whether that relation, or the one at that place of a chain, leads to the node whatever its times."""
    relation = (by[at] if by else None) if isinstance(by, list) else by
    return relation is not None and relation.kind in LASTING and bool(relation.state.target == node.state.root)


@dataclass(frozen=True, slots=True)
class Nothing:
    """A world in which nothing is: what an expression may ask that stands before every row, as the time of AS OF."""

    asked_at: datetime

    def chance(self) -> float | None:
        return None

    def ends(self, relation: Relation) -> tuple[Node | None, Node | None]:
        return None, None

    def sources(self, node: Node) -> Sequence[Node]:
        return ()

    def history(self, of: Node | Relation) -> Sequence[Node | Relation]:
        return ()

    def change(self, of: Node | Relation, *, ended: bool) -> Change | None:
        return None

    def similarity(self, one: Node, other: Node) -> float | None:
        return None

    def figure(self, node: Node, name: str) -> int | float | None:
        return None


class World(Protocol):
    """What functions may ask beside their arguments."""

    @property
    def asked_at(self) -> datetime:
        """When the statement was asked: the same for all of it."""
        ...

    def chance(self) -> float | None:
        """A number by chance: at least 0, and less than 1. None where nothing is left to it."""
        ...

    def ends(self, relation: Relation) -> tuple[Node | None, Node | None]:
        """What the relation comes from and leads to; None where it is not to be seen."""
        ...

    def sources(self, node: Node) -> Sequence[Node]:
        """The events that the node was, in the end, derived from."""
        ...

    def history(self, of: Node | Relation) -> Sequence[Node | Relation]:
        """Every version of it that was known when it was looked at, the oldest first."""
        ...

    def change(self, of: Node | Relation, *, ended: bool) -> Change | None:
        """Who recorded the version and why, or who ended it; None where nobody did by then."""
        ...

    def similarity(self, one: Node, other: Node) -> float | None:
        """The cosine of what both mean; None where one of them has no vector."""
        ...

    def figure(self, node: Node, name: str) -> int | float | None:
        """A derived figure of the node, as it is now."""
        ...
