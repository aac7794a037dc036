"""How the paths that a selector takes are found."""

from collections.abc import Iterator
from dataclasses import replace

from memql import bound, plan
from memql.bound import Expression
from memql.lower import filtered, reached_by_provenance
from memql.plan import Operator
from memql.routes import begins, route
from memql.rules.beginnings import cost
from memql.rules.conditions import cannot_fail
from memql.statistics import UNKNOWN, Statistics


def seek_outward(operator: Operator, _: Statistics = UNKNOWN) -> Operator:
    """Few paths are taken of very many that fit: going outward from one end finds the shortest first, and passes each
    relation once, where trying all passes it once for each path that leads there."""
    times = [operator.time for operator in plan.walked(operator) if isinstance(operator, plan.TimeScope)]
    # In a row for each version a path is known at times of its own, which no station is.
    return operator if any(time.history for time in times) else _sought(operator, ())


def _sought(operator: Operator, conditions: tuple[Expression, ...]) -> Operator:
    match operator:
        case plan.Filter(conditions=own):
            return replace(operator, source=_sought(operator.source, (*conditions, *own)))
        case plan.Trace():
            return replace(operator, source=_sought(operator.source, conditions))
        case plan.Choose(selector=selector) if selector.how != "all":
            below = replace(operator, source=_sought(operator.source, ()))
            return _outward(below, conditions) or below
        case plan.Union():
            return replace(operator, parts=tuple(_sought(part, ()) for part in operator.parts))
    changes = {name: _sought(below, ()) for name, below in plan.inputs(operator)}
    return replace(operator, **changes) if changes else operator  # type: ignore[type-var]


def _outward(choose: plan.Choose, conditions: tuple[Expression, ...]) -> Operator | None:
    """The search from the end of which more is known; the other end is found first as well where it is one of few."""
    pattern, known = choose.pattern, plan.binds(choose.source)
    if pattern.time is not None and pattern.time.history:
        return None
    if not choose.path.hops or not all(map(cannot_fail, _asked(pattern))):
        return None
    costs = [-1 if end in known else cost(end, (*conditions, *pattern.conditions)) for end in choose.ends]
    backwards = costs[1] < costs[0]
    origin, end = choose.ends[::-1] if backwards else choose.ends
    way = route(pattern, choose.path, known, backwards=backwards)
    if way is None:
        return None
    made = choose.source
    if origin not in known:
        made = plan.Scan(made, origin, lasting=reached_by_provenance(origin, pattern.hops), time=pattern.time)
    made = filtered(made, begins(pattern, origin, known))
    if end not in (known | {origin}) and max(costs) <= FEW:
        made = plan.Scan(made, end, lasting=reached_by_provenance(end, pattern.hops), time=pattern.time)
        made = filtered(made, begins(pattern, end, known))
    closes = end in plan.binds(made)
    own = tuple(each for each in choose.variables if each not in plan.binds(made))
    return plan.Seek(made, way, origin, end, choose.selector, choose.path, pattern, closes, own, pattern.time)


FEW = 1
"""Up to that cost an end is one of few, and both are found before the way between them."""


def _asked(pattern: bound.Pattern) -> Iterator[Expression]:
    """Every condition in a pattern, those in its groups included."""
    yield from pattern.conditions
    for hop in pattern.hops:
        if isinstance(hop, bound.Group):
            yield from _asked(hop.pattern)
        elif hop.each is not None:
            yield hop.each
