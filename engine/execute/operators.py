"""A plan as it runs: each operator draws batches from those beneath it, and nobody works ahead of who asks."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from engine.columns import Numbers
from engine.execute.batch import (
    OUTSIDE,
    UNIT,
    Batch,
    Chains,
    Column,
    NodeChains,
    Nodes,
    Relations,
    Values,
    nulls,
    stacked,
)
from engine.execute.choosing import choose, without_circles
from engine.execute.expand import expand, trace
from engine.execute.graphed import from_graph
from engine.execute.repeating import repeat
from engine.execute.rows import aggregate, distinct, filter_rows, order, page, project, union, unwind
from engine.execute.running import Running
from engine.execute.scan import scan
from engine.execute.searching import search_rows
from engine.execute.seeking import seek
from engine.execute.sight import in_sight
from memql import plan
from memql.bound import Variable
from memql.plan import Operator
from memql.types import INTEGER
from memql.world import Datum


def batches(running: Running, operator: Operator, argument: Batch = UNIT) -> Iterator[Batch]:
    """The rows of a plan; `argument` are those of the plan around it."""
    made = _batches(running, operator, argument)
    return made if running.ticks is None else running.profiled(operator, made)


def _batches(running: Running, operator: Operator, argument: Batch) -> Iterator[Batch]:
    below = [batches(running, each, argument) for name, each in plan.inputs(operator) if name in ("source", "parts")]
    if isinstance(operator, _REPEATING) and (wanted := running.needed.get(id(operator))) is not None:
        below = [(batch.narrowed(wanted) for batch in each) for each in below]
    match operator:
        case plan.Unit():
            return iter((UNIT,))
        case plan.Argument():
            return iter((argument,))
        case plan.TimeScope():
            return below[0]
        case plan.Scan():
            return scan(running, operator, below[0])
        case plan.Expand():
            return expand(running, operator, below[0])
        case plan.Repeat():
            return repeat(running, operator, below[0], lambda rows: _within(running, operator, rows))
        case plan.Choose():
            return choose(running, operator, below[0], lambda rows: _within(running, operator, rows))
        case plan.Seek():
            return seek(running, operator, below[0])
        case plan.InSight():
            return in_sight(running, operator, below[0])
        case plan.Acyclic():
            return without_circles(running, operator, below[0])
        case plan.FromGraph(otherwise=otherwise):
            return from_graph(running, operator, lambda: batches(running, otherwise, argument))
        case plan.Trace():
            return trace(running, operator, below[0])
        case plan.Filter():
            return filter_rows(running, operator, below[0])
        case plan.Project():
            return project(running, operator, below[0])
        case plan.Unwind():
            return unwind(running, operator, below[0])
        case plan.Page():
            return page(running, operator, below[0])
        case plan.Order():
            return order(running, operator, below[0])
        case plan.Distinct():
            return distinct(running, operator, below[0])
        case plan.Aggregate():
            return aggregate(running, operator, below[0])
        case plan.Union():
            return union(running, operator, below)
        case plan.Search(among=among, beside=beside):
            kept = batches(running, among) if among else None
            each = partial(batches, running, beside) if beside else None
            return search_rows(running, operator, below[0], kept, each)
        case plan.Apply():
            return _apply(running, operator, below[0])
        case plan.Attempt():
            return _attempt(running, operator, below[0])
        case plan.Ask():
            return _ask(running, operator, below[0])
    raise AssertionError(f"{type(operator)} is no operator")


_REPEATING = (
    plan.Scan,
    plan.Expand,
    plan.Repeat,
    plan.Choose,
    plan.Seek,
    plan.Unwind,
    plan.Search,
    plan.Apply,
    plan.Order,
)
"""Operators that copy what they take: what nobody asks for any more is not copied."""
_MIXING = (plan.Aggregate, plan.Distinct, plan.Order, plan.Page, plan.Union)
"""Operators that bring together what belongs to different rows."""
_Inner = plan.Attempt | plan.Apply | plan.Ask | plan.Repeat | plan.Choose


def _mixes(operator: Operator) -> bool:
    """Whether a plan within a plan must be asked for one row at a time."""
    match operator:
        case plan.Project(keeps=False) | plan.Search(ranks=True):
            return True
    below = (each for name, each in plan.inputs(operator) if name in ("source", "parts"))
    return isinstance(operator, _MIXING) or any(map(_mixes, below))


def _within(running: Running, operator: _Inner, batch: Batch) -> tuple[list[Batch], Numbers]:
    """The rows of the inner plan for those of the batch, and of each the row that it belongs to."""
    if _mixes(operator.inner):
        return _one_by_one(running, operator, batch)
    depth = sum(1 for variable in batch.columns if variable.number < OUTSIDE)
    row = Variable(OUTSIDE - 1 - depth, "row", INTEGER)
    tagged = batch.plus({row: Values(list(range(batch.size)))})
    found = list(batches(running, operator.inner, tagged))
    parts = [np.array(batch.columns[row].datums(running.seen), np.int64) for batch in found]
    return found, np.concatenate([np.empty(0, np.int64), *parts])


def _one_by_one(running: Running, operator: _Inner, batch: Batch) -> tuple[list[Batch], Numbers]:
    found, numbers = [], [np.empty(0, np.int64)]
    enough = isinstance(operator, plan.Ask) and operator.asks == "exists"
    for row in range(batch.size):
        running.count(1)
        for made in batches(running, operator.inner, batch.take(np.array([row]))):
            running.hold(made.size)
            found.append(made)
            numbers.append(np.full(made.size, row, np.int64))
            if enough and made.size:
                break
    return found, np.concatenate(numbers)


def _apply(running: Running, operator: plan.Apply, source: Iterator[Batch]) -> Iterator[Batch]:
    for batch in source:
        found, numbers = _within(running, operator, batch)
        if len(numbers):
            columns = {each: stacked([made.columns[each] for made in found]) for each in operator.variables}
            running.count(len(numbers))
            yield batch.take(numbers).plus(columns)


def _attempt(running: Running, operator: plan.Attempt, source: Iterator[Batch]) -> Iterator[Batch]:
    """Rows stay in the order of the source; those that found nothing have nulls."""
    for batch in source:
        found, numbers = _within(running, operator, batch)
        missing = np.setdiff1d(np.arange(batch.size), numbers)
        whole = batch.take(np.concatenate([numbers, missing]))
        columns: dict[Variable, Column] = {}
        for variable in operator.variables:
            parts = [each.columns[variable] for each in found]
            like = parts[0] if parts else _form(variable)
            columns[variable] = stacked([*parts, nulls(like, len(missing))])
        order_ = np.argsort(np.concatenate([numbers, missing]), kind="stable")
        running.count(len(order_))
        yield whole.plus(columns).take(order_)


def _form(variable: Variable) -> Column:
    """An empty column in the form that the variable would have."""
    match variable.type.name:
        case "node":
            return Nodes(np.empty(0, np.int64))
        case "relation":
            return Relations(np.empty(0, np.int64))
        case "list" if variable.type.member is not None:
            forms: dict[str, Column] = {"node": NodeChains([]), "relation": Chains([])}
            return forms.get(variable.type.member.name, Values([]))
    return Values([])


def _ask(running: Running, operator: plan.Ask, source: Iterator[Batch]) -> Iterator[Batch]:
    for batch in source:
        found, numbers = _within(running, operator, batch)
        yield batch.plus({operator.variable: Values(_answers(running, operator, batch.size, found, numbers))})


def _answers(
    running: Running, operator: plan.Ask, size: int, found: list[Batch], numbers: Numbers
) -> list[bool] | list[int] | list[list[Datum]]:
    if operator.column is not None:
        running.hold(len(numbers))
        lists: list[list[Datum]] = [[] for _ in range(size)]
        values = (value for batch in found for value in batch.columns[operator.column].datums(running.seen))
        for row, value in zip(numbers.tolist(), values, strict=True):
            lists[row].append(value)
        return lists
    counts: list[int] = np.bincount(numbers, minlength=size).tolist()
    return [count > 0 for count in counts] if operator.asks == "exists" else counts
