"""A space: a tenant's vectors of one model and width, in memory, on disk, or partly in each.

One thread writes, any may read. Readers see a view that is swapped whole, so a row is in memory or on disk for
them, never in neither.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.events import ItemRecorded
from engine.projection import Unapplied
from engine.vectors.nearest import (
    NO_HITS,
    Dense,
    Hits,
    Mask,
    Offsets,
    Query,
    Rows,
    Scores,
    alike,
    exact,
    kept,
    merged,
    nearest,
    newest_ranked,
    ranked,
    unit,
)
from engine.vectors.table import Table, our_words

APPEND_ROWS = 1_000
"""Rows gathered for one append to disk: each append costs 3 ms, a fragment and a version."""
FETCHED = 2_000
"""So few qualifying rows are fetched from disk and scored, 10 µs each, rather than sought in the index."""
PROBES = 20
"""Partitions of the index that a search reads at first: finds 98 % of the nearest 200 of 100,000 clustered rows."""
SPARE = 3
"""The index ranks roughly, so it is asked for so many times the rows that are wanted."""

T = TypeVar("T")
Scalar = TypeVar("Scalar", bound=np.generic)


class _Growing(Generic[Scalar]):
    """Rows that grow at their end. Readers keep views of the filled part, which is never written again."""

    def __init__(self, rows: NDArray[Scalar]) -> None:
        self._array = rows
        self._filled = len(rows)

    @property
    def rows(self) -> NDArray[Scalar]:
        return self._array[: self._filled]

    def extend(self, rows: NDArray[Scalar]) -> None:
        filled = self._filled + len(rows)
        if filled > len(self._array):
            room = max(filled, self._filled * 5 // 4, APPEND_ROWS)
            grown = np.empty((room, *self._array.shape[1:]), self._array.dtype)
            grown[: self._filled] = self.rows
            self._array = grown
        self._array[self._filled : filled] = rows
        self._filled = filled


@dataclass(frozen=True, slots=True)
class View:
    """`dense` numbers all rows, ascending. `held` has the vectors of the last of them; those of the first `below` lie
    in `table` only, at the same offsets."""

    dense: Dense
    held: Rows
    table: Table | None

    @property
    def below(self) -> int:
        return len(self.dense) - len(self.held)


class Space:
    """`resident`: all its vectors are in memory; otherwise only those that the table does not have yet."""

    def __init__(self, folder: Path, model: str, width: int, table: Table | None = None) -> None:
        self.model = model
        self.width = width
        self.resident = table is None
        self._folder = folder
        self._table = table
        self._dense = _Growing(np.empty(0, np.int64))
        self._root = _Growing(np.empty(0, np.int64))
        self._held = self._nothing()
        self._moving = threading.Lock()
        if table:
            for dense, root in table.scan("dense", "root"):
                self._dense.extend(dense)
                self._root.extend(root)
            if np.any(np.diff(self._dense.rows) <= 0):
                raise Unapplied("the vectors on disk are not in their order")
        self._stored = self.count
        self._publish()

    @property
    def count(self) -> int:
        return len(self._dense.rows)

    @property
    def size(self) -> int:
        """Bytes of its vectors, wherever they are."""
        return self.count * self.width * 4

    @property
    def unstored(self) -> int:
        """Rows that only memory holds."""
        return self.count - self._stored

    # Writing

    def load(self) -> None:
        """Takes all vectors into memory."""
        if self._table:
            rows = np.empty((self._stored, self.width), np.float32)
            filled = 0
            for (vector,) in self._table.scan("vector"):
                rows[filled : filled + len(vector)] = vector
                filled += len(vector)
            self._held = _Growing(rows)
        self.resident = True
        self._publish()

    def unload(self) -> None:
        """Leaves all vectors to the disk."""
        self.resident = False
        self.store()
        self._held = self._nothing()
        self._publish()
        self.tidy()

    def extend(self, events: Sequence[ItemRecorded]) -> None:
        data = b"".join([event.vector.data for event in events if event.vector])
        vectors = unit(np.frombuffer(data, "<f4").reshape(-1, self.width).astype(np.float64))
        if vectors is None:
            raise Unapplied("a recorded vector has no direction")
        self._dense.extend(np.array([event.dense for event in events]))
        self._root.extend(np.array([event.root for event in events]))
        self._held.extend(vectors)
        self._publish()

    def store(self) -> None:
        """Appends to the table what only memory holds; on disk, a space then lets go of it."""
        fresh = self.unstored
        if not fresh:
            return
        rows = self._dense.rows[-fresh:], self._root.rows[-fresh:], self._held.rows[-fresh:]
        if self._table:
            self._table.append(*rows)
        else:
            self._table = Table.write(self._folder, self.model, self.width, [rows], turn=0)
        self._stored = self.count
        if not self.resident:
            self._held = self._nothing()
        self._publish()

    def erase(self, roots: Dense) -> bool:
        """Removes the rows of those items from memory, and from disk by writing the table anew. Returns whether the
        table was written."""
        stays = ~np.isin(self._root.rows, roots)
        if stays.all():
            return False
        old, below, stored = self._table, self._view.below, self._stored
        touched = old is not None and not stays[:stored].all()
        with self._moving:
            if old and touched:
                rows = _surviving(old, roots)
                self._table = Table.write(self._folder, self.model, self.width, rows, turn=old.turn + 1)
            self._held = _Growing(self._held.rows[stays[below:]])
            self._dense = _Growing(self._dense.rows[stays])
            self._root = _Growing(self._root.rows[stays])
            self._stored = int(stays[:stored].sum())
            self._publish()
            if old and touched:
                old.remove()
        return touched

    def tidy(self) -> None:
        """Compacts the table and tends its index where that is due."""
        indexed = not self.resident
        if self._table and self._table.due(indexed=indexed):
            with self._moving:
                self._table.tidy(indexed=indexed)

    def _nothing(self) -> _Growing[np.float32]:
        return _Growing(np.empty((0, self.width), np.float32))

    def _publish(self) -> None:
        self._view = View(self._dense.rows, self._held.rows, self._table)

    # Reading

    def read(self, work: Callable[[View], T]) -> T:
        """The work's answer. `erase` and `tidy` may take files from under it: then it waits for them and is done
        again."""
        try:
            return work(self._view)
        except (RuntimeError, OSError, ValueError):
            with self._moving, our_words("read"):
                return work(self._view)

    def search(self, query: Query, keep: Mask | None, limit: int) -> Hits:
        return self.read(lambda view: _search(view, query, keep, limit))

    def alike(self, queries: Rows, keep: Mask | None, least: float, limit: int) -> list[Hits]:
        return self.read(lambda view: _alike(view, queries, keep, least, limit))

    def scores(self, query: Query, denses: Dense) -> Scores:
        """The cosines of those rows, in their order; 0 for what has no vector here."""
        return self.read(lambda view: _scores(view, query, denses))

    def rows(self, denses: Dense) -> Rows:
        """The vectors of those rows, in their order; zeros for what has none here."""
        return self.read(lambda view: _rows(view, denses, self.width))

    def dump(self) -> list[tuple[int, str, bytes]]:
        """Dense id, model and bytes of each row."""
        return self.read(lambda view: [(dense, self.model, vector) for dense, vector in _all(view)])


def _surviving(table: Table, roots: Dense) -> Iterator[tuple[Dense, Dense, Rows]]:
    for dense, root, vector in table.scan("dense", "root", "vector"):
        stays = ~np.isin(root, roots)
        yield dense[stays], root[stays], vector[stays]


def _search(view: View, query: Query, keep: Mask | None, limit: int) -> Hits:
    hits = nearest(view.dense[view.below :], view.held, query, keep, limit)
    if not (view.below and view.table):
        return hits
    return merged(hits, _sought(view.dense[: view.below], view.table, query, keep, limit), limit)


def _alike(view: View, queries: Rows, keep: Mask | None, least: float, limit: int) -> list[Hits]:
    hits = alike(view.dense[view.below :], view.held, queries, keep, least, limit)
    if not (view.below and view.table):
        return hits
    both = []
    for query, (dense, scores) in zip(queries, hits, strict=True):
        direction = query.astype(np.float64)
        older, their = _sought(view.dense[: view.below], view.table, direction, keep, SPARE * limit)
        both.append(newest_ranked(np.concatenate([older, dense]), np.concatenate([their, scores]), least, limit))
    return both


def _sought(dense: Dense, table: Table, query: Query, keep: Mask | None, limit: int) -> Hits:
    """The nearest among rows on disk. Few that qualify are all scored. Of many the index names candidates, twice as
    many each time until enough of them qualify; where the mask keeps what lies far off, all rows are read."""
    qualifying = kept(dense, keep)
    if len(qualifying) <= FETCHED:
        return ranked(dense[qualifying], _fetched(dense, table, query, qualifying), limit)
    asked, probes = SPARE * limit * len(dense) // len(qualifying), PROBES
    while 4 * asked < len(dense):
        named = np.sort(table.near(query, asked, probes))
        # What was appended after the view was made is in its `held`.
        at = np.searchsorted(dense, named[named <= dense[-1]])
        at = at[kept(dense[at], keep)]
        if len(at) >= 2 * limit:
            return ranked(dense[at], _fetched(dense, table, query, at), limit)
        asked, probes = 2 * asked, 2 * probes
    best = NO_HITS
    for some, vector in table.scan("dense", "vector"):
        best = merged(best, nearest(some, vector, query, keep, limit), limit)
    return best


def _fetched(dense: Dense, table: Table, query: Query, at: Offsets) -> Scores:
    """The exact cosines of the rows on disk at those offsets, which ascend."""
    scores = np.empty(len(at), np.float32)
    for step in range(0, len(at), FETCHED):
        some = at[step : step + FETCHED]
        found, vector = table.take(some)
        if not np.array_equal(found, dense[some]):
            raise Unapplied("the vectors on disk are not in their order")
        scores[step : step + FETCHED] = exact(vector, np.arange(len(some)), query)
    return scores


def _scores(view: View, query: Query, denses: Dense) -> Scores:
    scores = np.zeros(len(denses), np.float32)
    at, known = _places(view, denses)
    held = known & (at >= view.below)
    scores[held] = exact(view.held, at[held] - view.below, query)
    below = known & (at < view.below)
    if view.table and below.any():
        distinct, places = np.unique(at[below], return_inverse=True)
        scores[below] = _fetched(view.dense, view.table, query, distinct)[places]
    return scores


def _places(view: View, denses: Dense) -> tuple[Offsets, Mask]:
    """Where each of these is, and whether it is there at all."""
    if not len(view.dense):
        return np.zeros(len(denses), np.intp), np.zeros(len(denses), np.bool_)
    at = np.searchsorted(view.dense, denses)
    return at, view.dense[np.minimum(at, len(view.dense) - 1)] == denses


def _rows(view: View, denses: Dense, width: int) -> Rows:
    rows = np.zeros((len(denses), width), np.float32)
    at, known = _places(view, denses)
    held = known & (at >= view.below)
    rows[held] = view.held[at[held] - view.below]
    below = known & (at < view.below)
    if view.table and below.any():
        distinct, places = np.unique(at[below], return_inverse=True)
        found, vectors = view.table.take(distinct)
        if not np.array_equal(found, view.dense[distinct]):
            raise Unapplied("the vectors on disk are not in their order")
        rows[below] = vectors[places]
    return rows


def _all(view: View) -> Iterator[tuple[int, bytes]]:
    if view.below and view.table:
        for dense, vector in view.table.scan("dense", "vector"):
            inside = dense < view.dense[view.below - 1] + 1
            yield from zip(dense[inside].tolist(), map(np.ndarray.tobytes, vector[inside]), strict=True)
    yield from zip(view.dense[view.below :].tolist(), map(np.ndarray.tobytes, view.held), strict=True)
