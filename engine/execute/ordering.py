"""The paths between two nodes one after the other, the shorter first, where a shortest way may pass a relation twice or
more paths are asked for than the shortest.

The search goes back from the end. What it has passed is a path already; how far the start is at least is known of each
station, so that what may become the shortest path is always looked at next.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np

from engine.columns import Numbers
from engine.execute.reaching import Stations
from engine.execute.running import Running
from memql.ast import Selector

Way = tuple[int, int, int]
"""From which station, by which relation, along which leg."""


class Back(NamedTuple):
    """What lies behind a station, up to the end. `least`: how long the whole path is at least."""

    least: int
    number: int
    station: int
    relations: tuple[int, ...]
    legs: tuple[int, ...]
    nodes: tuple[int, ...]
    arrival: int


@dataclass(slots=True)
class Ordered:
    """Paths over all ways that were kept. `most`: none is longer."""

    running: Running
    stations: Stations
    selector: Selector
    most: int | None
    _into: dict[int, list[Way]] = field(init=False)

    def __post_init__(self) -> None:
        self._into = {}
        before, after, relations, legs = (each.tolist() for each in self.stations.all_ways())
        for from_, to, relation, leg in zip(before, after, relations, legs, strict=True):
            self._into.setdefault(to, []).append((from_, relation, leg))

    def taken(self, ends: list[tuple[int, int]], circle: int | None = None) -> list[Back]:
        """Those that the selector takes of all paths that end in these stations, each as that arrival."""
        found: list[Back] = []
        lengths: set[int] = set()
        for path in self._paths(ends, circle):
            lengths.add(path.least)
            if self.selector.how == "lengths" and len(lengths) > self.selector.count:
                break
            found.append(path)
            if self.selector.how != "lengths" and len(found) == self.selector.count:
                break
        return found

    def _paths(self, ends: list[tuple[int, int]], circle: int | None) -> Iterator[Back]:
        """All paths, the shorter first. With `circle` those of that length, on which every node is as far from the
        start as it can be."""
        depth, at = self.stations.depth, self.stations.at
        waiting: list[Back] = []
        number = 0
        for station, arrival in ends:
            least = circle or int(depth[station])
            heappush(waiting, Back(least, number, station, (), (), (int(at[station]),), arrival))
            number += 1
        held = 0
        while waiting:
            back = heappop(waiting)
            held -= len(back.relations)
            ways = self._into.get(back.station, ())
            self.running.count(1 + len(ways))
            self.running.hold_paths(held)
            if not depth[back.station] and len(back.relations) == back.least:
                yield back
            for before, relation, leg in ways:
                length = len(back.relations) + 1
                least = circle or length + int(depth[before])
                if relation in back.relations or (self.most is not None and least > self.most):
                    continue
                if circle and int(depth[before]) != min(length, circle - length):
                    continue
                node = int(at[before])
                if self.selector.acyclic and node in back.nodes:
                    continue
                number, held = number + 1, held + length
                passed, along = (relation, *back.relations), (leg, *back.legs)
                heappush(waiting, Back(least, number, before, passed, along, (node, *back.nodes), back.arrival))


def circle_length(stations: Stations, start: int) -> int | None:
    """The length of the shortest circle through the node of that start, where every relation may be passed both ways:
    two shortest ways that begin with different relations, and one relation between their ends."""
    before, after, relations, _ = stations.all_ways()
    own = np.flatnonzero(stations.start[after] == start)
    before, after, relations = before[own], after[own], relations[own]
    first = int(np.flatnonzero((stations.start == start) & (stations.depth == 0))[0])
    home = stations.at[first]
    branch = _branches(stations, first, before, after, relations)
    from_home, to_home = stations.at[before] == home, stations.at[after] == home
    lengths = stations.depth[after] + stations.depth[before] + 1
    crossing = ~from_home & ~to_home & (branch[before] != branch[after])
    closing = to_home & ~from_home & (relations != branch[before])
    loops = from_home & to_home & (before == first)
    found = [
        *lengths[crossing].tolist(),
        *(stations.depth[before[closing]] + 1).tolist(),
        *([1] if loops.any() else []),
    ]
    return min(found, default=None)


def _branches(stations: Stations, first: int, before: Numbers, after: Numbers, relations: Numbers) -> Numbers:
    """By which relation from the start each station was reached first."""
    branch = np.zeros(len(stations.start), np.int64)
    for from_, to, relation in zip(before.tolist(), after.tolist(), relations.tolist(), strict=True):
        if not branch[to] and stations.depth[to] == stations.depth[from_] + 1:
            branch[to] = relation if from_ == first else branch[from_]
    return branch
