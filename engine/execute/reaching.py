"""Going outward from some nodes along a route, all together, one relation farther each time.

A station is a node at a place of the route, reached from one of the starts. Each is reached once, at its least
distance, and its relations are looked at once: which of the ways to it are kept is for whoever asks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.columns import Mask, Numbers
from engine.execute.batch import Batch, Column
from engine.execute.expand import stepped
from engine.execute.running import Prepared, Running
from memql import bound
from memql.bound import Expression, Variable
from memql.plan import Seek
from memql.routes import Leg
from memql.types import BOOLEAN

Keeps: TypeAlias = Literal["one", "shortest", "all"]
"""Of each station: one of the shortest ways to it, all of those, or every relation that leads to it."""
STATIONS = 2**26
"""Stations that are told apart at once: a quarter of a gigabyte of addresses, of which only what is met is touched."""


@dataclass(slots=True)
class Stations:
    """Stations by number: the start each was reached from, its node's identity, its place, how far it is. `ways`: from
    which station by which relation and leg each was reached."""

    start: Numbers
    at: Numbers
    place: Numbers
    depth: Numbers
    ways: list[tuple[Numbers, Numbers, Numbers, Numbers]] = field(default_factory=list)
    """From, to, relation, leg."""

    def plus(self, start: Numbers, at: Numbers, place: Numbers, depth: int) -> Numbers:
        """Adds stations, and gives their numbers."""
        before = len(self.start)
        self.start = np.concatenate([self.start, start])
        self.at = np.concatenate([self.at, at])
        self.place = np.concatenate([self.place, place])
        self.depth = np.concatenate([self.depth, np.full(len(start), depth, np.int64)])
        return np.arange(before, before + len(start))

    def only_shortest(self, *, one: bool) -> None:
        """Leaves of all ways those that come from one relation nearer; with `one` the first of them to each station."""
        before, after, relations, legs = self.all_ways()
        kept = np.flatnonzero(self.depth[after] == self.depth[before] + 1)
        if one:
            _, first = np.unique(after[kept], return_index=True)
            kept = kept[first]
        self.ways = [(before[kept], after[kept], relations[kept], legs[kept])]

    def all_ways(self) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        none = np.empty(0, np.int64)
        columns = [np.concatenate([none, *(way[at] for way in self.ways)]) for at in range(4)]
        return columns[0], columns[1], columns[2], columns[3]


@dataclass(frozen=True, slots=True)
class Ends:
    """Stations where a path may end, each as one of the route's arrivals."""

    stations: Numbers
    arrivals: Numbers

    def of(self, mask: Mask) -> "Ends":
        return Ends(self.stations[mask], self.arrivals[mask])


class Outward:
    """A search from the nodes of these rows of a batch. With `targets` (the start and the identity of each end that is
    asked for) only those count, and a start of which all are found is done with, unless every way is kept."""

    def __init__(
        self, running: Running, operator: Seek, batch: Batch, rows: Numbers, starts: Numbers, targets: Numbers | None
    ) -> None:
        self.running, self.operator, self.batch, self.rows = running, operator, batch, rows
        self.reader = running.at(operator.time)
        self.count = self.reader.scope.count
        self.targets = targets
        """Start times count plus identity, sorted, each once."""
        self._legs = [self._asked(leg.conditions) for leg in operator.route.legs]
        self._arrivals = [self._asked(each.conditions) for each in operator.route.arrivals]
        self._places = 1 + max([leg.there for leg in operator.route.legs], default=0)
        none = np.empty(0, np.int64)
        self.stations = Stations(none, none, none, none)
        self._first = self.stations.plus(np.arange(len(rows)), starts, np.zeros(len(rows), np.int64), 0)

    def returns(self) -> bool:
        """Whether a path may end where it began."""
        if self.targets is None:
            return True
        own = self.stations.start[self._first] * self.count + self.stations.at[self._first]
        return bool(np.isin(own, self.targets).any())

    def _asked(self, conditions: Sequence[Expression]) -> Prepared | None:
        if not conditions:
            return None
        whole = conditions[0] if len(conditions) == 1 else bound.Joined("AND", tuple(conditions), type=BOOLEAN)
        return self.running.meaning(whole)

    def search(self, keeps: Keeps) -> Ends:
        """Goes as far as there is something to find; gives where paths may end, the nearer first. Unless all is kept,
        an end counts at its least distance alone."""
        stations, most = self.stations, self.operator.route.most
        met = np.zeros(len(self.rows) * self.count * self._places, np.int32)
        met[self._keys(self._first)] = self._first + 1
        self._found = np.zeros(len(self.rows) * self.count, np.bool_)
        self._left = self._asked_of_each()
        ends = [self._ending(self._first, keeps)]
        ahead, depth = self._going_on(self._first, keeps), 0
        while len(ahead) and (most is None or depth < most):
            depth += 1
            before, relations, at, legs = self._passed(ahead)
            there = np.array([leg.there for leg in self.operator.route.legs], np.int64)[legs]
            start = stations.start[before]
            keys = (start * self.count + at) * self._places + there
            fresh = np.flatnonzero(met[keys] == 0)
            _, first = np.unique(keys[fresh], return_index=True)
            chosen = fresh[np.sort(first)]
            new = stations.plus(start[chosen], at[chosen], there[chosen], depth)
            met[keys[chosen]] = new + 1
            kept = chosen if keeps == "one" else fresh if keeps == "shortest" else np.arange(len(keys))
            stations.ways.append((before[kept], met[keys[kept]].astype(np.int64) - 1, relations[kept], legs[kept]))
            ends.append(self._ending(new, keeps))
            ahead = self._going_on(new, keeps)
        return Ends(np.concatenate([each.stations for each in ends]), np.concatenate([each.arrivals for each in ends]))

    def _keys(self, stations: Numbers) -> Numbers:
        made = self.stations
        return (made.start[stations] * self.count + made.at[stations]) * self._places + made.place[stations]

    def _asked_of_each(self) -> Numbers | None:
        """How many ends of each start are still to be found."""
        if self.targets is None:
            return None
        left: Numbers = np.bincount(self.targets // self.count, minlength=len(self.rows))
        return left

    def _going_on(self, stations: Numbers, keeps: Keeps) -> Numbers:
        """Those from where there is more to find."""
        if self._left is None or keeps == "all":
            return stations
        return stations[self._left[self.stations.start[stations]] > 0]

    def _passed(self, ahead: Numbers) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Every relation onward from these stations: from where, which, whereto, along which leg."""
        none = np.empty(0, np.int64)
        found: list[tuple[Numbers, Numbers, Numbers, Numbers]] = [(none, none, none, none)]
        for number, leg in enumerate(self.operator.route.legs):
            here = ahead[self.stations.place[ahead] == leg.here]
            if not len(here):
                continue
            rows, steps = stepped(self.running, self.reader, self.stations.at[here], leg.direction, leg.kinds)
            before, relations, at = here[rows], steps.rows, steps.ends
            if (asked := self._legs[number]) is not None and len(before):
                kept = np.flatnonzero(asked.mask(self._seen(leg, before, relations, at)))
                before, relations, at = before[kept], relations[kept], at[kept]
            found.append((before, relations, at, np.full(len(before), number, np.int64)))
        columns = [np.concatenate([each[place] for each in found]) for place in range(4)]
        return columns[0], columns[1], columns[2], columns[3]

    def _seen(self, leg: Leg, before: Numbers, relations: Numbers, at: Numbers) -> Batch:
        """The rows of these steps, as conditions see them."""
        lasting, time = self.reader.scope.lasting, self.operator.time
        columns: dict[Variable, Column] = {leg.relation: self.running.relations(relations, time)}
        columns |= {variable: self.running.nodes(lasting(self.stations.at[before]), time) for variable in leg.near}
        columns |= {variable: self.running.nodes(lasting(at), time) for variable in leg.far}
        return self.batch.take(self.rows[self.stations.start[before]]).plus(columns)

    def _ending(self, stations: Numbers, keeps: Keeps) -> Ends:
        """Where of these stations a path may end, and is one that is looked for."""
        found, arrivals = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        made, scope = self.stations, self.reader.scope
        for number, arrival in enumerate(self.operator.route.arrivals):
            here = stations[made.place[stations] == arrival.here]
            if arrival.here == 0:
                here = here[scope.shown(made.at[here]) > 0]
            if self.targets is not None:
                here = here[np.isin(made.start[here] * self.count + made.at[here], self.targets)]
            if (asked := self._arrivals[number]) is not None and len(here):
                nodes: Column = self.running.nodes(scope.lasting(made.at[here]), self.operator.time)
                columns = dict.fromkeys((*arrival.nodes, self.operator.end), nodes)
                here = here[asked.mask(self.batch.take(self.rows[made.start[here]]).plus(columns))]
            found.append(here)
            arrivals.append(np.full(len(here), number, np.int64))
        ends = Ends(np.concatenate(found), np.concatenate(arrivals))
        if keeps == "all":
            return ends
        return self._nearest(ends, keeps)

    def _nearest(self, ends: Ends, keeps: Keeps) -> Ends:
        """Those whose node was not found nearer; of one node only one where only one way is kept."""
        made = self.stations
        nodes = made.start[ends.stations] * self.count + made.at[ends.stations]
        kept = np.flatnonzero(~self._found[nodes])
        unique, first = np.unique(nodes[kept], return_index=True)
        if keeps == "one":
            kept = kept[np.sort(first)]
        self._found[unique] = True
        if self._left is not None:
            self._left -= np.bincount(unique // self.count, minlength=len(self._left))
        return Ends(ends.stations[kept], ends.arrivals[kept])


Matrix: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Found:
    """Paths of one length: of each the start, the arrival, and side by side its relations, legs and nodes."""

    start: Numbers
    arrivals: Numbers
    relations: Matrix
    legs: Matrix
    nodes: Matrix


def traced(running: Running, stations: Stations, ends: Ends) -> list[Found]:
    """Every path along the ways that were kept, each from a start to one of these ends; those of one length together.
    The ways lead from nearer to farther stations, so that each path is a shortest one."""
    before, after, relations, legs = stations.all_ways()
    order = np.argsort(after, kind="stable")
    before, after, relations, legs = before[order], after[order], relations[order], legs[order]
    found, held = [], 0
    for depth in np.unique(stations.depth[ends.stations]).tolist():
        chosen = np.flatnonzero(stations.depth[ends.stations] == depth)
        here, arrivals = ends.stations[chosen], ends.arrivals[chosen]
        empty = np.empty((len(here), 0), np.int64)
        passed, along, met = empty, empty, stations.at[here][:, None]
        for _ in range(depth):
            begins, ends_ = np.searchsorted(after, here, "left"), np.searchsorted(after, here, "right")
            lengths = ends_ - begins
            rows = np.repeat(np.arange(len(here)), lengths)
            places = (
                np.repeat(begins, lengths) + np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            )
            here, arrivals = before[places], arrivals[rows]
            passed = np.column_stack([relations[places], passed[rows]])
            along = np.column_stack([legs[places], along[rows]])
            met = np.column_stack([stations.at[here], met[rows]])
            running.count(len(rows))
            running.hold_paths(held + passed.size)
        held += passed.size
        found.append(Found(stations.start[here], arrivals, passed, along, met))
    return found
