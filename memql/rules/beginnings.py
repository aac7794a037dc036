"""Where a pattern begins."""

from dataclasses import replace

from memql import bound, plan, walking
from memql.bound import Expression, Variable
from memql.lower import expanded, reached_by_provenance
from memql.plan import Operator
from memql.rules.sayings import is_id, is_variable
from memql.rules.weighing import weighed
from memql.statistics import UNKNOWN, Statistics


def begin_where_least(operator: Operator, statistics: Statistics = UNKNOWN) -> Operator:
    """A pattern begins at what is bound already, else at the node that an id, a value or a kind is asked of: expansion
    from one node passes its relations, expansion from all passes everyone's. Where it is known how much there is, it
    begins where it passes the fewest rows, and takes the hop first that leads to the fewest."""
    return _begun(operator, (), statistics)


def _begun(operator: Operator, conditions: tuple[Expression, ...], statistics: Statistics) -> Operator:
    match operator:
        case plan.Filter(conditions=own):
            return replace(operator, source=_begun(operator.source, (*conditions, *own), statistics))
        case plan.Trace() | plan.Acyclic():
            return replace(operator, source=_begun(operator.source, conditions, statistics))
        case plan.InSight():
            # It ends a pattern, and is written again where that begins elsewhere.
            return _begun(operator.source, conditions, statistics)
        case plan.Ask():
            inner = _begun(operator.inner, (), statistics)
            return replace(operator, source=_begun(operator.source, conditions, statistics), inner=inner)
        case plan.Seek():
            return replace(operator, source=_begun(operator.source, conditions, statistics))
        case plan.Choose():
            # Whatever is asked of the ends may as well be asked before: it takes or leaves all paths of two nodes.
            inner = _begun(operator.inner, conditions, statistics)
            return replace(operator, source=_begun(operator.source, (), statistics), inner=inner)
        case plan.Scan() | plan.Expand() | plan.Repeat():
            nodes, hops, base = _chain(operator)
            known = plan.binds(base)
            order = sorted(nodes, key=lambda node: -1 if node in known else cost(node, conditions))
            if statistics.known:
                order, hops = weighed(order, hops, known, conditions, statistics)
            return expanded(_begun(base, conditions, statistics), tuple(order), tuple(hops), known, operator.time)
    changes = {}
    for name, below in plan.inputs(operator):
        if name != "parts":
            changes[name] = _begun(below, (), statistics)
    if isinstance(operator, plan.Union):
        return replace(operator, parts=tuple(_begun(part, (), statistics) for part in operator.parts))
    return replace(operator, **changes) if changes else operator  # type: ignore[type-var]


def _chain(operator: Operator) -> tuple[list[Variable], list[bound.Stretch], Operator]:
    """The nodes and hops of one pattern in their order, and the plan that it stands on. A relation that must be unlike
    none begins another pattern, and so does what is read at another time."""
    nodes: list[Variable] = []
    hops: list[bound.Stretch] = []
    met: set[Variable] = set()
    assert isinstance(operator, plan.Scan | plan.Expand | plan.Repeat)
    time = operator.time
    while isinstance(operator, plan.Scan | plan.Expand | plan.Repeat) and operator.time == time:
        if isinstance(operator, plan.Expand | plan.Repeat):
            if hops and not _same_match(hops, operator, met):
                break
            hops.insert(0, operator.hop)
            met = {*operator.unlike}
            nodes = [operator.origin, operator.end, *nodes]
        else:
            apart = hops and not met and operator.variable not in {hops[0].near, hops[0].far}
            # What a MATCH of its own has found was seen by itself, whatever leads to it afterwards.
            if apart or operator.lasting != reached_by_provenance(operator.variable, tuple(hops)):
                break
            nodes.insert(0, operator.variable)
        operator = operator.source
    return list(dict.fromkeys(nodes)), hops, operator


def _same_match(hops: list[bound.Stretch], operator: plan.Expand | plan.Repeat, met: set[Variable]) -> bool:
    """Relations of one MATCH are unlike each other: so it shows which belong together."""
    return operator.hop.variable in met


def cost(node: Variable, conditions: tuple[Expression, ...]) -> int:
    """How many items there may be, roughly: one, a few, those of a kind, all."""
    least = 3
    for condition in conditions:
        match condition:
            case bound.Compared(operator="=", left=left, right=right) if node not in walking.variables(right):
                if is_id(left, node):
                    return 0
                if isinstance(left, bound.Property) and is_variable(left.of, node):
                    least = min(least, 1)
            case bound.Call(function="IN", arguments=(left, right)) if node not in walking.variables(right):
                if is_id(left, node):
                    return 0
            case bound.Labelled(of=of) if is_variable(of, node):
                least = min(least, 2)
    return least
