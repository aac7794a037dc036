"""How much there is in a tenant, as far as who asks can see it: what a plan is chosen by.

The numbers are round, powers of two: a plan need not change with every write, and an estimate that people read tells
nothing finer than it says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Way = Literal["out", "in", "any"]


@dataclass(frozen=True, eq=False)
class Statistics:
    """`kinds`: items of each kind. `relations`: of a kind of relation and of the node at an end (`out`: it leads from
    there; `in`: to there), how many there are. `most`: at one node. Tuples, so that equal ones are one key."""

    kinds: tuple[tuple[str, int], ...] = ()
    relations: tuple[tuple[str, str, Way, int], ...] = ()
    most: tuple[tuple[str, Way, int], ...] = ()

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Statistics) and self._key == other._key)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _key(self) -> tuple[object, ...]:
        return self.kinds, self.relations, self.most

    @cached_property
    def _hash(self) -> int:
        return hash(self._key)

    @property
    def known(self) -> bool:
        return bool(self.kinds)

    @cached_property
    def _kinds(self) -> Mapping[str, int]:
        return dict(self.kinds)

    def items(self, kinds: frozenset[str] | None = None) -> float:
        """How many items there are of these kinds, or of all."""
        held = self._kinds
        return float(sum(held.values() if kinds is None else (held.get(kind, 0) for kind in kinds)))

    def highest(self, through: tuple[str, ...] | None, way: Way) -> int:
        """The most relations of one of these kinds that one node has."""
        return max(
            (count for kind, own, count in self.most if way in ("any", own) and (through is None or kind in through)),
            default=0,
        )

    def share(self, kinds: frozenset[str] | None) -> float:
        """The part of all items that is of these kinds."""
        everything = self.items()
        return self.items(kinds) / everything if everything else 1.0

    def degree(self, at: frozenset[str] | None, through: tuple[str, ...] | None, way: Way) -> float:
        """How many relations of these kinds a node of those kinds has, on average."""
        nodes = self.items(at)
        if way == "any":
            return self.degree(at, through, "out") + self.degree(at, through, "in")
        passed = sum(
            count
            for relation, node, own, count in self.relations
            if own == way and (through is None or relation in through) and (at is None or node in at)
        )
        return passed / nodes if nodes else 0.0


UNKNOWN = Statistics()


def rounded(count: int) -> int:
    """The nearest power of two; 0 stays 0."""
    return 0 if count <= 0 else int(1 << (max(count * 4 // 3, 1).bit_length() - 1))
