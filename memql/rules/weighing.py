"""Which way through a pattern passes the fewest rows, by how much there is of everything."""

from collections.abc import Iterable, Sequence

from memql import bound
from memql.bound import Expression, Stretch, Variable
from memql.estimating import LISTED, about, growth, selectivity
from memql.lower import FLIPPED
from memql.rules.sayings import is_id
from memql.statistics import Statistics

_CLEARLY = 0.7
"""A way is taken instead of the one before it where it passes fewer than this part of its rows."""


def weighed(
    nodes: Sequence[Variable],
    hops: Sequence[Stretch],
    known: frozenset[Variable],
    conditions: tuple[Expression, ...],
    statistics: Statistics,
) -> tuple[list[Variable], list[Stretch]]:
    """The nodes in the order in which they are scanned where nothing leads to them, and the hops in theirs."""
    best, ordered, least = list(nodes), list(hops), -1.0
    for first in nodes if not known & {*nodes} else nodes[:1]:
        order = [first, *(node for node in nodes if node != first)]
        taken, cost = _passed(order, hops, known, conditions, statistics)
        if least < 0 or cost < _CLEARLY * least:
            best, ordered, least = order, taken, cost
    return best, ordered


def _passed(
    nodes: Sequence[Variable],
    hops: Sequence[Stretch],
    known: frozenset[Variable],
    conditions: tuple[Expression, ...],
    statistics: Statistics,
) -> tuple[list[Stretch], float]:
    """The hops as they are best taken from there, and how many rows all operators together give."""
    have, left, taken = set(known), list(hops), []
    rows, cost = 1.0, 0.0
    for node in nodes:
        if node not in have:
            found = rows * _scanned(node, conditions, statistics)
            # A scan that looks for something looks at no more than that.
            cost += found if _is_looked_up(node, conditions) else rows * statistics.items(node.type.kinds)
            rows = found
            have.add(node)
        while ready := [hop for hop in left if hop.near in have or hop.far in have]:
            grown = {id(hop): _grown(hop, have, statistics) for hop in ready}
            hop = min(ready, key=lambda hop: grown[id(hop)] * _kept(hop, have, conditions, statistics))
            rows *= grown[id(hop)]
            cost += rows
            rows *= _kept(hop, have, conditions, statistics)
            left.remove(hop)
            taken.append(hop)
            have |= {hop.near, hop.far}
    return taken, cost


def _grown(hop: Stretch, have: set[Variable], statistics: Statistics) -> float:
    if not isinstance(hop, bound.Hop):
        return LISTED
    onwards = hop.near in have
    origin, end = (hop.near, hop.far) if onwards else (hop.far, hop.near)
    direction = hop.direction if onwards else FLIPPED[hop.direction]
    return growth(hop, origin, end, direction, statistics, closes=end in have)


def _kept(hop: Stretch, have: set[Variable], conditions: tuple[Expression, ...], statistics: Statistics) -> float:
    """The part of what it leads to that its own conditions leave."""
    return selectivity(_own([node for node in (hop.near, hop.far) if node not in have], conditions), statistics)


def _own(nodes: Iterable[Variable], conditions: tuple[Expression, ...]) -> list[Expression]:
    wanted = list(nodes)
    return [
        each for each in conditions
        if not isinstance(each, bound.Labelled) and any(about(each, node) for node in wanted)
    ]  # fmt: skip


def _scanned(node: Variable, conditions: tuple[Expression, ...], statistics: Statistics) -> float:
    if _is_looked_up(node, conditions):
        return 1.0
    return max(1.0, statistics.items(node.type.kinds) * selectivity(_own([node], conditions), statistics))


def _is_looked_up(node: Variable, conditions: tuple[Expression, ...]) -> bool:
    return any(
        isinstance(each, bound.Compared)
        and each.operator == "="
        and (is_id(each.left, node) or is_id(each.right, node))
        for each in conditions
    )
