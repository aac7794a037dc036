"""Where a condition is tested."""

from collections.abc import Set
from dataclasses import replace

from memql import bound, plan, walking
from memql.bound import Expression, Variable
from memql.plan import Operator, rebuilt
from memql.statistics import UNKNOWN, Statistics


def filter_early(operator: Operator, _: Statistics = UNKNOWN) -> Operator:
    """A condition is tested as soon as what it asks about is bound: what is thrown away early is expanded by nobody."""
    return rebuilt(operator, _filtered_early)


def _filtered_early(operator: Operator) -> Operator:
    if not isinstance(operator, plan.Filter):
        return operator
    source, kept = operator.source, []
    for condition in operator.conditions:
        sunk = _sunk(source, condition) if cannot_fail(condition) else None
        if sunk is None:
            kept.append(condition)
        else:
            source = sunk
    return plan.Filter(source, tuple(kept)) if kept else source


def _sunk(operator: Operator, condition: Expression) -> Operator | None:
    """The plan with the condition tested as far down in it as can be; None where that is right here on top."""
    needed = walking.variables(condition)
    match operator:
        case plan.Filter():
            below = _sunk(operator.source, condition)
            stays = below is None or (isinstance(below, plan.Filter) and below.source is operator.source)
            if stays or below is None:
                return replace(operator, conditions=(*operator.conditions, condition))
            return replace(operator, source=below)
        case plan.Choose():
            return _sunk_around(operator, condition)
        case plan.Scan() | plan.Expand() | plan.Repeat():
            if needed <= plan.binds(operator.source) and not isinstance(operator.source, plan.Unit | plan.Argument):
                below = _sunk(operator.source, condition)
                return replace(operator, source=below or plan.Filter(operator.source, (condition,)))
            return plan.Filter(operator, (condition,))
        case (
            plan.Trace() | plan.Acyclic() | plan.InSight() | plan.Unwind() | plan.Attempt() | plan.Apply() | plan.Ask()
        ):
            passes = needed <= plan.binds(operator.source)
        case plan.Project(keeps=True):
            passes = needed <= plan.binds(operator.source) - {variable for variable, _ in operator.items}
        case plan.Search(ranks=False) | plan.Seek():
            passes = needed <= plan.binds(operator.source)
        case _:
            return None
    if not passes or isinstance(operator.source, plan.Unit | plan.Argument):
        return None
    below = _sunk(operator.source, condition)
    return replace(operator, source=below or plan.Filter(operator.source, (condition,)))


def _sunk_around(operator: plan.Choose, condition: Expression) -> Operator | None:
    """A selector takes paths of each two ends by themselves, so what is asked of the ends may be asked before. What is
    asked of anything else on the path is asked of those that were taken."""
    needed, outside = walking.variables(condition), plan.binds(operator.source)
    if needed <= outside:
        if isinstance(operator.source, plan.Unit | plan.Argument):
            return None
        below = _sunk(operator.source, condition)
        return replace(operator, source=below or plan.Filter(operator.source, (condition,)))
    if not needed <= outside | {*operator.ends}:
        return None
    inner = _sunk(operator.inner, condition) or plan.Filter(operator.inner, (condition,))
    return replace(operator, inner=rebuilt(inner, lambda each: _handed(each, needed & outside)))


def _handed(operator: Operator, more: Set[Variable]) -> Operator:
    if not isinstance(operator, plan.Argument):
        return operator
    return plan.Argument(tuple(sorted({*operator.variables, *more}, key=lambda each: each.number)))


_SAFE = frozenset(
    "IS NULL,IS NOT NULL,STARTS WITH,ENDS WITH,CONTAINS,id,elementId,kind,labels,type,size,toLower,toUpper,trim,"
    "coalesce,exists,valid_from,valid_to,recorded_at,retired_at,tx_from,tx_to,keys,properties,head,last".split(",")
)
"""Functions that have a value for every argument of their type."""


def cannot_fail(condition: Expression) -> bool:
    """Whether the condition has an answer for any row, so that it may be asked of more rows than before."""
    for part in walking.walked(condition):
        match part:
            case bound.Call(function="IN", arguments=(_, members)):
                if members.type.name != "list":
                    return False
            case bound.Call(function=function, arguments=arguments):
                anything = function in ("IS NULL", "IS NOT NULL", "coalesce", "exists", "STARTS WITH", "ENDS WITH",
                                        "CONTAINS")  # fmt: skip
                definite = all(each.type.name != "any" for each in arguments)
                if function not in _SAFE or not (anything or definite):
                    return False
            case bound.Property(of=of):
                if of.type.name not in ("node", "relation", "map", "date", "datetime"):
                    return False
            case bound.Joined(operands=operands):
                if any(each.type.name not in ("boolean", "null") for each in operands):
                    return False
            case bound.Constant() | bound.Parameter() | bound.Local() | bound.Labelled() | bound.Compared():
                pass
            case bound.ListOf() | bound.MapOf() | bound.KnownTogether():
                pass
            case _:
                return False
    return condition.type.name in ("boolean", "null")
