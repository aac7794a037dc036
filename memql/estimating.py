"""How many rows an operator is thought to give. A guess: what decides is which plan is thought to give fewer."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from memql import bound, plan, walking
from memql.ast import Direction
from memql.bound import Expression, Variable
from memql.plan import Operator
from memql.statistics import Statistics

SAME, WITHIN, BEGINS, ABSENT, THERE = 0.02, 0.3, 0.05, 0.2, 0.5
"""The part of all items that has a given value, one of a range, one with such a part; that has none; that passes
whatever else is asked of it."""
_DEEPEST = 4
"""Relations of a chain without end that are reckoned with."""
LISTED = 10.0
"""Members of a list of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was thought of an operator before it ran: how many rows, why this way, and what a store is asked in its own
    language."""

    rows: float | None = None
    reason: str = ""
    emitted: str = ""


def estimates(operator: Operator, statistics: Statistics) -> dict[int, Estimate]:
    """Of each operator, by its identity; none where nothing is known of the tenant."""
    if not statistics.known:
        return {}
    rows: dict[int, float] = {}
    _rows(operator, statistics, 1.0, rows)
    reasons = {id(each): _reason(each, statistics) for each in plan.walked(operator)}
    return {identity: Estimate(_shown(count), reasons.get(identity, "")) for identity, count in rows.items()}


def _shown(count: float) -> float:
    return float(round(count)) if count >= 1 else math.ceil(count * 10) / 10


def _reason(operator: Operator, statistics: Statistics) -> str:
    """Why the pattern begins or goes on here."""
    match operator:
        case plan.Scan(ids=ids) if ids is not None:
            return "begins at an id"
        case plan.Scan(kinds=kinds, equals=equals):
            many = f"{statistics.items(kinds):,.0f} items"
            return f"begins at the value of a property, of about {many}" if equals else f"begins at about {many}"
        case plan.FromGraph(otherwise=otherwise):
            through = sum(passed(otherwise, statistics).values())
            return f"the engine closes the circle; expansion would pass about {through:,.0f} relations"
        case plan.Expand(hop=hop, origin=origin, direction=direction) if hop.hops is None:
            degree = statistics.degree(origin.type.kinds, hop.kinds, direction)
            return f"about {degree:,.1f} relations a node, at most {statistics.highest(hop.kinds, direction):,}"
    return ""


def kinds_of(node: Variable, scanned: frozenset[str] | None = None) -> frozenset[str] | None:
    return scanned if scanned is not None else node.type.kinds


def _rows(operator: Operator, statistics: Statistics, argument: float, known: dict[int, float]) -> float:
    made = _made(operator, statistics, argument, known)
    known[id(operator)] = made
    return made


def _made(operator: Operator, statistics: Statistics, argument: float, known: dict[int, float]) -> float:
    match operator:
        case plan.Unit():
            return 1.0
        case plan.Argument():
            return argument
        case plan.FromGraph(otherwise=otherwise):
            return _rows(otherwise, statistics, argument, known)
        case plan.Union(parts=parts):
            return sum(_rows(part, statistics, argument, known) for part in parts)
    below = dict(plan.inputs(operator))
    if "source" not in below:
        return max([argument, *(_rows(each, statistics, argument, known) for each in below.values())])
    source = _rows(below["source"], statistics, argument, known)
    match operator:
        case plan.Scan(kinds=kinds, ids=ids, equals=equals):
            if ids is not None:
                return source * _length(ids)
            return source * max(1.0, statistics.items(kinds) * SAME ** len(equals))
        case plan.Expand():
            return source * _passed(operator, statistics)
        case plan.Filter(source=scanned, conditions=conditions):
            # What a scan looked for is tested again on what it found.
            return source * selectivity((each for each in conditions if not _looked_for(each, scanned)), statistics)
        case plan.Unwind(list=members):
            return source * _length(members)
        case plan.Page(skip=_, limit=limit) if limit is not None:
            return min(source, _number(limit, source))
        case plan.Order(first=first) if first:
            return min(source, sum(_number(each, source) for each in first))
        case plan.Aggregate(keys=keys):
            return min(source, max(1.0, source**0.7)) if keys else 1.0
        case plan.Search(limit=limit, among=among, beside=beside):
            for inner in (among, beside):
                if inner is not None:
                    _rows(inner, statistics, 1.0, known)
            return (1.0 if operator.ranks else source) * (_number(limit, LISTED) if limit is not None else LISTED)
        case plan.Attempt(inner=inner):
            return max(source, _rows(inner, statistics, source, known))
        case plan.Apply(inner=inner) | plan.Choose(inner=inner):
            return _rows(inner, statistics, source, known)
        case plan.Seek(end=end, selector=selector, closes=closes):
            return source * selector.count * (1.0 if closes else max(1.0, statistics.items(end.type.kinds)))
        case plan.Repeat(inner=inner):
            return max(source, _rows(inner, statistics, source, known))
        case plan.Ask(inner=inner):
            _rows(inner, statistics, source, known)
    return source


def passed(operator: Operator, statistics: Statistics) -> dict[Variable, float]:
    """Of each hop of the plan, how many relations are gone through for it: all that one end has, also where only one of
    them may lead to the other end."""
    rows: dict[int, float] = {}
    _rows(operator, statistics, 1.0, rows)
    found: dict[Variable, float] = {}
    for each in plan.walked(operator):
        if isinstance(each, plan.Expand):
            degree = statistics.degree(each.origin.type.kinds, each.hop.kinds, each.direction)
            found[each.hop.variable] = rows[id(each.source)] * degree
    return found


def _looked_for(condition: Expression, below: Operator) -> bool:
    if not isinstance(below, plan.Scan) or not isinstance(condition, bound.Compared) or condition.operator != "=":
        return False
    names = {name for name, _ in below.equals}
    return any(
        isinstance(each, bound.Property) and each.name in names and about(each, below.variable)
        for each in (condition.left, condition.right)
    )


def _passed(expand: plan.Expand, statistics: Statistics) -> float:
    """What one row becomes."""
    return growth(expand.hop, expand.origin, expand.end, expand.direction, statistics, closes=expand.closes)


def growth(
    hop: bound.Hop, origin: Variable, end: Variable, direction: Direction, statistics: Statistics, *, closes: bool
) -> float:
    """What one row becomes by that hop."""
    degree = statistics.degree(origin.type.kinds, hop.kinds, direction)
    if hop.hops is not None:
        least = hop.hops.least
        most = min(hop.hops.most if hop.hops.most is not None else least + _DEEPEST, least + _DEEPEST)
        degree = sum(degree**depth for depth in range(least, most + 1))
    if closes:
        return degree / max(1.0, statistics.items(end.type.kinds))
    return degree * min(1.0, statistics.share(end.type.kinds) * 2)


def selectivity(conditions: Iterable[Expression], statistics: Statistics) -> float:
    """The part of the rows for which all of these are true."""
    return math.prod(_passes(each, statistics) for each in conditions)


def _passes(condition: Expression, statistics: Statistics) -> float:
    match condition:
        case bound.Compared(operator="=", left=left, right=right):
            by_id = any(isinstance(each, bound.Property) and each.name == "id" for each in (left, right))
            return 1 / max(1.0, statistics.items()) if by_id else SAME
        case bound.Compared(operator="<>"):
            return 1 - SAME
        case bound.Compared():
            return WITHIN
        case bound.Call(function="IN", arguments=(_, members)):
            return min(THERE, SAME * _length(members))
        case bound.Call(function="STARTS WITH" | "ENDS WITH" | "CONTAINS" | "=~"):
            return BEGINS
        case bound.Call(function="IS NULL"):
            return ABSENT
        case bound.Call(function="IS NOT NULL"):
            return 1 - ABSENT
        case bound.Labelled(of=of):
            return statistics.share(of.type.kinds) if of.type.kinds else THERE
        case bound.Joined(operator="AND", operands=operands):
            return selectivity(operands, statistics)
        case bound.Joined(operator="OR", operands=operands):
            return 1 - math.prod(1 - _passes(each, statistics) for each in operands)
        case bound.Joined(operator="NOT", operands=(operand,)):
            return 1 - _passes(operand, statistics)
        case bound.Constant(value=bool(value)):
            return float(value)
    return THERE


def about(condition: Expression, node: Variable) -> bool:
    """Whether the condition asks about that node alone."""
    return walking.variables(condition) == {node}


def _length(members: Expression) -> float:
    match members:
        case bound.ListOf(members=each):
            return sum(_length(one) if one.type.name == "list" else 1.0 for one in each)
        case bound.Constant(value=list() as value):
            return float(len(value))
    return LISTED


def _number(expression: Expression, otherwise: float) -> float:
    match expression:
        case bound.Constant(value=int() as value):
            return float(value)
    return min(otherwise, LISTED)


Estimates = Mapping[int, Estimate]
