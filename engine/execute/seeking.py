"""Seek: the paths that a selector takes, sought outward along a route.

Rows that begin at the same node are sought for once. Where a shortest way never passes a relation twice the ways that
were met first are the paths. Otherwise, and where more than the shortest are asked for, paths are put in order.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from engine.columns import Mask, Numbers
from engine.execute.batch import Batch, Column, NodeChains, joined
from engine.execute.expand import roots_of
from engine.execute.ordering import Back, Ordered, circle_length
from engine.execute.reaching import STATIONS, Ends, Found, Matrix, Outward, Stations, traced
from engine.execute.running import Running
from memql import walking
from memql.bound import Variable
from memql.plan import Seek


def seek(running: Running, operator: Seek, batches: Iterator[Batch]) -> Iterator[Batch]:
    places = 1 + max([leg.there for leg in operator.route.legs], default=0)
    at_once = max(1, STATIONS // (running.reader.scope.count * places))
    for batch in batches:
        starts = roots_of(running, batch.columns[operator.origin])
        rows = np.flatnonzero(starts > 0)
        rows = rows[np.argsort(starts[rows], kind="stable")]
        for begin in range(0, len(rows), at_once):
            made = _sought(running, operator, batch, rows[begin : begin + at_once], starts)
            if made.size:
                running.count(made.size)
                yield made


def _sought(running: Running, operator: Seek, batch: Batch, rows: Numbers, starts: Numbers) -> Batch:
    """The paths of these rows, sought from each different node that they begin at."""
    count = running.reader.scope.count
    if _by_itself(operator):
        first, keys = rows, np.arange(len(rows))
    else:
        _, place, keys = np.unique(starts[rows], return_index=True, return_inverse=True)
        first = rows[place]
    targets: Numbers | None = None
    if operator.closes:
        ends = roots_of(running, batch.columns[operator.end])[rows]
        rows, keys = rows[ends > 0], (keys * count + ends)[ends > 0]
        targets = np.unique(keys)
    order = np.argsort(keys, kind="stable")
    made = []
    for found in _paths(running, operator, Outward(running, operator, batch, first, starts[first], targets)):
        wanted = found.start * count + found.nodes[:, -1] if operator.closes else found.start
        begins = np.searchsorted(keys[order], wanted, "left")
        lengths = np.searchsorted(keys[order], wanted, "right") - begins
        paths = np.repeat(np.arange(len(wanted)), lengths)
        chosen = rows[order[np.repeat(begins - np.cumsum(lengths) + lengths, lengths) + np.arange(len(paths))]]
        for places, columns in _columns(running, operator, found):
            mine = np.flatnonzero(np.isin(paths, places))
            at = np.searchsorted(places, paths[mine])
            made.append(batch.take(chosen[mine]).plus({each: column.take(at) for each, column in columns.items()}))
    made = [each for each in made if each.size]
    return joined(made) if made else Batch(0, {})


def _by_itself(operator: Seek) -> bool:
    """Whether what is asked on the way depends on more of a row than where it begins."""
    asked = [(each.conditions, {*each.near, each.relation, *each.far}) for each in operator.route.legs]
    asked += [(each.conditions, {*each.nodes, operator.end}) for each in operator.route.arrivals]
    own = {operator.origin}
    return any(walking.variables(each) - known - own for conditions, known in asked for each in conditions)


def _paths(running: Running, operator: Seek, outward: Outward) -> Iterator[Found]:
    selector, route, stations = operator.selector, operator.route, outward.stations
    several = selector.how == "lengths"
    if not route.straight or selector.count > 1:
        yield from _in_order(running, operator, stations, outward.search("all"))
        return
    if not route.turning or selector.acyclic or not outward.returns():
        ends = outward.search("shortest" if several else "one")
        yield from traced(running, stations, _elsewhere(stations, ends) if selector.acyclic else ends)
        return
    ends = outward.search("all")
    home = _home(stations, ends.stations)
    yield from _in_order(running, operator, stations, ends.of(home))
    stations.only_shortest(one=not several)
    yield from traced(running, stations, ends.of(~home))


def _home(stations: Stations, chosen: Numbers) -> Mask:
    """Which of the stations are where their search began, after a way."""
    begun = stations.at[np.flatnonzero(stations.depth == 0)][stations.start[chosen]]
    home: Mask = (stations.at[chosen] == begun) & (stations.depth[chosen] > 0)
    return home


def _elsewhere(stations: Stations, ends: Ends) -> Ends:
    """Without those that are where they began: such a path meets its first node twice."""
    return ends.of(~_home(stations, ends.stations))


def _in_order(running: Running, operator: Seek, stations: Stations, ends: Ends) -> Iterator[Found]:
    """For each start and end the paths that are taken, found one by one."""
    selector, route = operator.selector, operator.route
    if selector.acyclic:
        ends = _elsewhere(stations, ends)
    ordered = Ordered(running, stations, selector, route.most)
    groups: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for station, arrival in zip(ends.stations.tolist(), ends.arrivals.tolist(), strict=True):
        groups[int(stations.start[station]), int(stations.at[station])].append((station, arrival))
    home = set(ends.stations[_home(stations, ends.stations)].tolist())
    alike = not any(walking.variables(each) & {*leg.near, *leg.far} for leg in route.legs for each in leg.conditions)
    found: list[tuple[int, Back]] = []
    for (start, _), each in groups.items():
        circle = None
        if route.turning and alike and each[0][0] in home:
            circle = circle_length(stations, start)
            if circle is None or (route.most is not None and circle > route.most):
                continue
            circle = circle if selector.count == 1 else None
        found += [(start, back) for back in ordered.taken(each, circle)]
    for length in sorted({len(back.relations) for _, back in found}):
        yield _found([each for each in found if len(each[1].relations) == length], length)


def _found(paths: Sequence[tuple[int, Back]], length: int) -> Found:
    def matrix(rows: list[tuple[int, ...]], width: int) -> Matrix:
        return np.array(rows, np.int64).reshape(len(paths), width)

    return Found(
        np.array([start for start, _ in paths], np.int64),
        np.array([back.arrival for _, back in paths], np.int64),
        matrix([back.relations for _, back in paths], length),
        matrix([back.legs for _, back in paths], length),
        matrix([back.nodes for _, back in paths], length + 1),
    )


# What was found as rows


def _columns(running: Running, operator: Seek, found: Found) -> Iterator[tuple[Numbers, dict[Variable, Column]]]:
    """The variables of the paths: of those that went along the same legs together, and which of them these are."""
    if not len(found.start):
        return
    ways = np.column_stack([found.legs, found.arrivals])
    kinds, which = np.unique(ways, axis=0, return_inverse=True)
    which = which.reshape(-1)
    for number, kind in enumerate(kinds.tolist()):
        places = np.flatnonzero(which == number)
        values = _values(operator, kind[:-1], kind[-1], found, places)
        columns: dict[Variable, Column] = {}
        for variable in operator.variables:
            given = values.get(variable, [])
            if variable == operator.end:
                given = [found.nodes[places, -1]]
            columns[variable] = _column(running, operator, variable, given, len(places))
        yield places, columns


def _values(
    operator: Seek, legs: Sequence[int], arrival: int, found: Found, places: Numbers
) -> dict[Variable, list[Numbers]]:
    """What each variable is given by legs in this order, and by arriving."""
    given: dict[Variable, list[Numbers]] = defaultdict(list)
    for step, leg in enumerate(legs):
        for gift in operator.route.legs[leg].gifts:
            match gift.part:
                case "near":
                    given[gift.variable].append(found.nodes[places, step])
                case "relation":
                    given[gift.variable].append(found.relations[places, step])
                case "far":
                    given[gift.variable].append(found.nodes[places, step + 1])
    for gift in operator.route.arrivals[arrival].gifts:
        given[gift.variable].append(found.nodes[places, len(legs)])
    return given


def _column(running: Running, operator: Seek, variable: Variable, given: list[Numbers], size: int) -> Column:
    lasting, time = running.at(operator.time).scope.lasting, operator.time
    if variable.type.name == "node":
        return running.nodes(lasting(given[0]), time)
    if variable.type.name == "relation":
        return running.relations(given[0], time)
    member = variable.type.member
    of_nodes = member is not None and member.name == "node"
    inorder = [lasting(each) if of_nodes else each for each in (given[::-1] if operator.route.backwards else given)]
    rows = np.column_stack(inorder).tolist() if inorder else [()] * size
    lists: list[tuple[int, ...] | None] = [tuple(each) for each in rows]
    return NodeChains(lists, running.when(time)) if of_nodes else running.chains(lists, time)
