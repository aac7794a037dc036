"""Relations in memory: compressed sparse rows in both directions, and what has come since as a small delta.

Expansion from many starts takes half a millisecond where Cypher takes fifty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.columns import Columns, Mask, Numbers, Scope, any_of, load
from engine.decide.view import NEVER
from engine.events import RelationRecorded, RelationRetired
from engine.index import RELATION_NUMBERS, Index
from engine.records import Record

Direction = Literal["out", "in", "any"]
_WIDTHS = {
    "source": np.int64,
    "target": np.int64,
    "kind": np.int32,
    "weight": np.float64,
    "root": np.int64,
    "born": np.int64,
    "died": np.int64,
    "valid_from": np.int64,
    "valid_to": np.int64,
}
_DELTA = 4_096
"""Rows that may lie outside the compressed part: scanning so many costs some ten microseconds."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Relations passed from roots: row numbers, where each step came from and where it leads, as roots."""

    rows: Numbers
    origins: Numbers
    ends: Numbers
    weights: NDArray[np.float64]


_NONE = np.empty(0, np.int64)
_NOWHERE = Steps(_NONE, _NONE, _NONE, np.empty(0, np.float64))


@dataclass(frozen=True, slots=True)
class _Sparse:
    """Relation rows sorted by one end: those of root r are `rows[starts[r]:starts[r + 1]]`, up to row `upto`."""

    starts: Numbers
    rows: Numbers
    upto: int

    def from_roots(self, roots: Numbers) -> Numbers:
        roots = roots[roots < len(self.starts) - 1]
        begins, ends = self.starts[roots], self.starts[roots + 1]
        lengths = ends - begins
        if not lengths.sum():
            return np.empty(0, np.int64)
        offsets = np.repeat(begins - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        found: Numbers = self.rows[offsets + np.arange(lengths.sum())]
        return found


class Adjacency:
    """Every version of every relation by its row number, as of `position`. Written by the committer's thread alone."""

    def __init__(self, index: Index, columns: Columns, position: int) -> None:
        numbers = load(index.db, "relations", RELATION_NUMBERS)
        self.position = position
        self.count = len(numbers) + 1
        self._columns = columns
        self._column: dict[str, NDArray[Any]] = {}
        for name, width in _WIDTHS.items():
            column = np.zeros(max(1024, self.count * 5 // 4), width)
            values = numbers[:, RELATION_NUMBERS.index(name)]
            column[1 : self.count] = values.view(np.float64) if name == "weight" else values
            self._column[name] = column
        self._out, self._in = self._compress()

    def column(self, name: str) -> NDArray[Any]:
        return self._column[name][: self.count]

    def _compress(self) -> tuple[_Sparse, _Sparse]:
        return self._sorted_by("source"), self._sorted_by("target")

    def _sorted_by(self, end: str) -> _Sparse:
        ends = self._column[end][1 : self.count]
        rows = np.argsort(ends, kind="stable").astype(np.int64) + 1
        counts = np.bincount(ends, minlength=self._columns.count + 1)
        return _Sparse(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), rows, self.count)

    def apply(self, record: Record) -> None:
        for event in record.events:
            match event:
                case RelationRecorded():
                    self._add(event, record.position)
                case RelationRetired():
                    self._column["died"][event.row] = record.position
        self.position = record.position
        if self.count - self._out.upto > max(_DELTA, self.count // 16):
            self._out, self._in = self._compress()

    def _add(self, event: RelationRecorded, position: int) -> None:
        if event.row >= len(self._column["root"]):
            for name, held in self._column.items():
                self._column[name] = np.concatenate([held, np.zeros(len(held), held.dtype)])
        column = self._column
        column["source"][event.row] = event.source
        column["target"][event.row] = event.target
        column["kind"][event.row] = self._columns.code(event.kind)
        column["weight"][event.row] = event.weight
        column["root"][event.row] = event.root
        column["born"][event.row] = position
        column["died"][event.row] = NEVER
        column["valid_from"][event.row] = event.valid_from
        column["valid_to"][event.row] = event.valid_to
        if event.previous:
            column["died"][event.previous] = position
        self.count = max(self.count, event.row + 1)

    def expand(
        self,
        scope: Scope,
        roots: Numbers,
        direction: Direction = "out",
        kinds: Sequence[str] | None = None,
        lasting: Sequence[str] = ("DERIVED_FROM", "SUPERSEDES"),
        most: int = 5_000_000,
        through: bool = False,
    ) -> Steps:
        """The relations seen in that scope from these roots, in the order of roots given and then of rows.

        A relation is seen when it is current and valid, and both its ends are. Along a `lasting` kind, from source to
        target, ends are seen also when they are retired or no longer valid; with `through` from target to source as
        well. More than `most` relations raise OverflowError.
        """
        parts = []
        if not len(roots):
            return _NOWHERE
        if direction in ("out", "any"):
            parts.append(self._steps(scope, roots, self._out, "source", "target", kinds, lasting, most, through))
        if direction in ("in", "any"):
            parts.append(self._steps(scope, roots, self._in, "target", "source", kinds, lasting, most, through))
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _steps(
        self, scope: Scope, roots: Numbers, sparse: _Sparse, near: str, far: str,
        kinds: Sequence[str] | None, lasting: Sequence[str], most: int, through: bool,
    ) -> Steps:  # fmt: skip
        count = self.count
        rows = sparse.from_roots(roots)
        if sparse.upto < count:
            asked = np.zeros(self._columns.count, np.bool_)
            asked[roots[roots < len(asked)]] = True
            delta = np.flatnonzero(asked[self._column[near][sparse.upto : count]]) + sparse.upto
            rows = np.concatenate([rows, delta])
        if len(rows) > most:
            raise OverflowError(len(rows))
        rows = rows[self.current(scope, rows)]
        if kinds is not None:
            codes = [self._columns.codes[kind] for kind in kinds if kind in self._columns.codes]
            rows = rows[any_of(self._column["kind"][rows], codes)]
        origins, ends = self._column[near][rows], self._column[far][rows]
        kept: Mask = scope.shown(ends) > 0
        near_kept: Mask = scope.shown(origins) > 0
        codes = [self._columns.codes[kind] for kind in lasting if kind in self._columns.codes]
        if codes:
            lasts = np.flatnonzero(any_of(self._column["kind"][rows], codes))
            # Whoever came to a retired item by such a relation goes on from it, or provenance would end there.
            near_kept[lasts] |= scope.lasting(origins[lasts]) > 0
            if near == "source" or through:
                kept[lasts] |= scope.lasting(ends[lasts]) > 0
        kept &= near_kept
        return Steps(rows[kept], origins[kept], ends[kept], self._column["weight"][rows[kept]])

    def current(self, scope: Scope, rows: Numbers) -> Mask:
        """Which of these rows are the current version of a relation, and true at the valid time."""
        column = self._column
        known = scope.known(column["born"][rows], column["died"][rows])
        mask: Mask = known & scope.true(column["valid_from"][rows], column["valid_to"][rows])
        return mask

    def joined(self, root: int, most: int) -> frozenset[tuple[int, int]] | None:
        """The relations that the identity has or ever had, whoever may see them: code of the kind and the other end,
        each once. None: more than `most`."""
        count = self.count
        found: set[tuple[int, int]] = set()
        for sparse, near, far in ((self._out, "source", "target"), (self._in, "target", "source")):
            rows = sparse.from_roots(np.array([root]))
            delta = np.arange(sparse.upto, count)
            rows = np.concatenate([rows, delta[self._column[near][delta] == root]])
            if len(rows) > most:
                return None
            found.update(zip(self._column["kind"][rows].tolist(), self._column[far][rows].tolist(), strict=True))
        return frozenset(found)

    def live(self, kind: str, root: int) -> list[tuple[int, int]]:
        """Row and target of the current relations of that kind from a root, whoever may see them: for decisions."""
        rows = self._out.from_roots(np.array([root]))
        delta = np.arange(self._out.upto, self.count)
        rows = np.concatenate([rows, delta[self._column["source"][delta] == root]])
        code = self._columns.codes.get(kind, -1)
        rows = rows[(self._column["kind"][rows] == code) & (self._column["died"][rows] == NEVER)]
        return list(zip(rows.tolist(), self._column["target"][rows].tolist(), strict=True))


def _joined(parts: Sequence[Steps]) -> Steps:
    """Both directions together; a relation from a root to itself is one step, not two."""
    rows, first = np.unique(
        np.stack([np.concatenate([p.rows for p in parts]), np.concatenate([p.origins for p in parts])]),
        axis=1, return_index=True,
    )  # fmt: skip
    ends = np.concatenate([p.ends for p in parts])[first]
    weights = np.concatenate([p.weights for p in parts])[first]
    return Steps(rows[0], rows[1], ends, weights)
