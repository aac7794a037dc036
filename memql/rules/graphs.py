"""What the graph engine finds better than expansion in memory does."""

from collections.abc import Sequence

from memql import plan
from memql.bound import Expression, Hop, Variable
from memql.catalog import LASTING
from memql.estimating import growth, passed
from memql.plan import Operator, rebuilt
from memql.statistics import UNKNOWN, Statistics

ROW, ASKING, FOUND = 0.1, 4_000.0, 0.3
"""Microseconds, as measured: what a relation that expansion passes costs, what a question to the engine costs before
anything, and each row that it hands over. Of its own rows the engine passes one in as much time as expansion does, but
it closes a circle by intersecting, where expansion goes through all relations of one end."""
_CLEARLY = 2.0
"""How many times dearer expansion must be thought to be."""
OWN = frozenset({"MENTIONS", "ABOUT", "FOLLOWS", "SIMILAR_TO", "PART_OF", "DEPENDS_ON"})
"""Kinds of relation with a table of their own, and whose ends are seen by themselves."""


def match_in_the_graph(operator: Operator, statistics: Statistics = UNKNOWN) -> Operator:
    """A circle of relations that begins nowhere in particular is closed by the graph engine: it intersects what both
    ends are related to, where expansion passes all relations of one end for every row."""
    if not statistics.known:
        return operator
    return rebuilt(operator, lambda each: _matched(each, statistics))


def _matched(operator: Operator, statistics: Statistics) -> Operator:
    if not (isinstance(operator, plan.Expand) and operator.closes):
        return operator
    made = _whole(operator)
    if made is None:
        return operator
    ours = ROW * sum(passed(operator, statistics).values())
    return made if ours > _CLEARLY * _asking(operator, statistics) else operator


def _asking(operator: Operator, statistics: Statistics) -> float:
    """Microseconds that the engine is thought to take: it passes every way along the hops that close nothing, whatever
    the conditions, which are tested outside."""
    chain = [each for each in plan.walked(operator) if isinstance(each, plan.Expand | plan.Scan)]
    rows = passes = 0.0
    for each in reversed(chain):
        if isinstance(each, plan.Scan):
            rows = statistics.items(each.kinds)
        elif not each.closes:
            rows *= statistics.degree(each.origin.type.kinds, each.hop.kinds, each.direction)
            passes += rows
    found = rows
    for each in chain:
        if isinstance(each, plan.Expand) and each.closes:
            found *= growth(each.hop, each.origin, each.end, each.direction, statistics, closes=True)
    return ASKING + ROW * passes + FOUND * found


def _whole(operator: Operator) -> plan.FromGraph | None:
    """The pattern beneath, where it is one that the engine may be asked for: it begins with a scan of nothing else, and
    each hop is one relation of a kind with a table of its own, in one direction, here and now."""
    hops: list[Hop] = []
    unlike: list[tuple[Variable, Variable]] = []
    kinds: list[tuple[Variable, frozenset[str]]] = []
    conditions: list[Expression] = []
    below: Operator = operator
    while True:
        match below:
            case plan.Filter(source=source, conditions=own):
                conditions += own
                below = source
            case plan.Expand(source=source, hop=hop, time=None, again=False) if _is_plain(hop):
                hops.insert(0, hop)
                unlike += [(hop.variable, other) for other in below.unlike]
                kinds += [(below.end, below.kinds)] if below.kinds is not None else []
                below = source
            case plan.Scan(source=plan.Unit(), ids=None, lasting=False, time=None):
                kinds += [(below.variable, below.kinds)] if below.kinds is not None else []
                return plan.FromGraph(operator, tuple(hops), tuple(unlike), tuple(kinds), tuple(conditions))
            case _:
                return None


def _is_plain(hop: Hop) -> bool:
    return hop.hops is None and hop.direction != "any" and hop.kinds is not None and _own(hop.kinds)


def _own(kinds: Sequence[str]) -> bool:
    assert not OWN & LASTING
    return bool(kinds) and {*kinds} <= OWN
