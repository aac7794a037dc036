"""How much there is, counted now and then from the columns and the adjacency: what plans are chosen by.

Counted for each principal, of what they see: an estimate that is shown must not tell of what is not.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np

from engine.adjacency import Adjacency
from engine.columns import Columns, Numbers, Scope
from engine.commands import Principal
from memql.statistics import UNKNOWN, Statistics, Way, rounded

_RENEWED = 8
"""Counted again when so many times fewer records have been added than there were: counting passes everything."""
_LEAST = 64
"""Records that must have been added at least."""
_KEPT = 256
"""Principals whose counts are kept."""


class Survey:
    """The counts of one tenant. Safe to use from several threads."""

    def __init__(self, columns: Columns, adjacency: Adjacency) -> None:
        self._columns = columns
        self._adjacency = adjacency
        self._known: OrderedDict[Principal, tuple[int, Statistics]] = OrderedDict()
        self._lock = threading.Lock()

    def statistics(self, by: Principal, now: int) -> Statistics:
        """As that principal sees it, not long ago."""
        position = min(self._columns.position, self._adjacency.position)
        with self._lock:
            counted, known = self._known.get(by, (0, UNKNOWN))
            if counted and position - counted < max(_LEAST, counted // _RENEWED):
                return known
        made = _counted(self._columns.scope(position, by, now), self._adjacency)
        with self._lock:
            self._known[by] = position, made
            self._known.move_to_end(by)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return made


def _counted(scope: Scope, adjacency: Adjacency) -> Statistics:
    names = scope.columns.names
    kinds = scope.columns.column("kind")[: scope.count]
    counts = np.bincount(kinds[scope.seen])
    items = tuple(sorted((names[code], rounded(int(counts[code]))) for code in np.flatnonzero(counts).tolist()))
    roots = np.zeros(scope.count, np.bool_)
    roots[scope.columns.column("root")[: scope.count][scope.seen]] = True
    source, target = adjacency.column("source"), adjacency.column("target")
    current = (adjacency.column("born") <= scope.position) & (adjacency.column("died") > scope.position)
    current &= (source < scope.count) & (target < scope.count)
    rows = np.flatnonzero(current)
    rows = rows[roots[source[rows]] & roots[target[rows]]]
    of = adjacency.column("kind")[rows].astype(np.int64)
    ends: tuple[tuple[Way, Numbers], ...] = (("out", source[rows]), ("in", target[rows]))
    relations, most = [], []
    for way, nodes in ends:
        width = int(kinds.max(initial=0)) + 1
        pairs = np.bincount(of * width + kinds[nodes])
        for pair in np.flatnonzero(pairs).tolist():
            relation, kind = divmod(pair, width)
            relations.append((names[relation], names[kind], way, rounded(int(pairs[pair]))))
        most += [(names[relation], way, rounded(highest)) for relation, highest in _highest(of, nodes)]
    return Statistics(items, tuple(sorted(relations)), tuple(sorted(most)))


def _highest(of: Numbers, nodes: Numbers) -> Iterator[tuple[int, int]]:
    """Of each kind of relation, the most that one node has."""
    for relation in np.flatnonzero(np.bincount(of)).tolist() if len(of) else ():
        yield relation, int(np.bincount(nodes[of == relation]).max())
