"""What is computed of a page, and what of its order."""

from dataclasses import replace

from memql import bound, plan, walking
from memql.plan import Operator, rebuilt
from memql.statistics import UNKNOWN, Statistics


def compute_late(operator: Operator, _: Statistics = UNKNOWN) -> Operator:
    """Columns that the order does not ask for are computed behind it, and behind the page: for the rows that are
    left."""
    return rebuilt(operator, _computed_late)


def _computed_late(operator: Operator) -> Operator:
    match operator:
        case plan.Order(source=plan.Project(keeps=True) as project, by=by):
            made = {variable for variable, _ in project.items}
            if not any(walking.variables(sort.expression) & made for sort in by):
                return replace(project, source=_computed_late(replace(operator, source=project.source)))
        case plan.Page(source=plan.Project() as project):
            return replace(project, source=_computed_late(replace(operator, source=project.source)))
    return operator


def only_the_first(operator: Operator, _: Statistics = UNKNOWN) -> Operator:
    """A page of what is sorted needs no more rows in order than it shows and skips."""
    return rebuilt(operator, _first)


def _first(operator: Operator) -> Operator:
    match operator:
        case plan.Page(source=plan.Order(first=()) as order, limit=limit) if limit is not None:
            first = tuple(each for each in (operator.skip, limit) if each is not None)
            return replace(operator, source=replace(order, first=first))
    return operator


def project_once(operator: Operator, _: Statistics = UNKNOWN) -> Operator:
    """Columns that are chosen and then chosen again are chosen once."""
    return rebuilt(operator, _projected_once)


def _projected_once(operator: Operator) -> Operator:
    match operator:
        case plan.Project(source=plan.Project(keeps=False) as inner, keeps=False):
            own = dict(inner.items)
            if all(isinstance(each, bound.Local) and each.variable in own for _, each in operator.items):
                items = tuple((v, own[each.variable]) for v, each in operator.items if isinstance(each, bound.Local))
                return _projected_once(replace(inner, items=items))
        case plan.Project(source=plan.Project(keeps=True) as inner, keeps=False):
            own = dict(inner.items)
            if all(isinstance(each, bound.Local) for _, each in operator.items) and all(
                not walking.variables(each) & own.keys() for each in own.values()
            ):
                items = tuple(
                    (v, own.get(each.variable, each)) for v, each in operator.items if isinstance(each, bound.Local)
                )
                return replace(operator, source=inner.source, items=items)
    return operator
