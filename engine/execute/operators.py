"""A plan as it runs: each operator draws batches from those beneath it, and nobody works ahead of who asks."""

from collections.abc import Iterator

import numpy as np

from engine.execute.batch import UNIT, Batch, Chains, Column, Nodes, Relations, Values, nulls, stacked
from engine.execute.expand import expand, trace
from engine.execute.rows import aggregate, distinct, filter_rows, order, page, project, union, unwind
from engine.execute.running import Running
from engine.execute.scan import scan
from engine.execute.searching import search_rows
from memql import plan
from memql.bound import Variable
from memql.plan import Operator
from memql.types import INTEGER


def batches(running: Running, operator: Operator, argument: Batch = UNIT) -> Iterator[Batch]:
    """The rows of a plan; `argument` are those of the plan around it."""
    made = _batches(running, operator, argument)
    return made if running.ticks is None else running.profiled(operator, made)


def _batches(running: Running, operator: Operator, argument: Batch) -> Iterator[Batch]:
    below = [batches(running, each, argument) for name, each in plan.inputs(operator) if name in ("source", "parts")]
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
        case plan.Search(among=among):
            return search_rows(running, operator, below[0], batches(running, among) if among else None)
        case plan.Attempt():
            return _attempt(running, operator, below[0])
        case plan.Ask():
            return _ask(running, operator, below[0])
    raise AssertionError(f"{type(operator)} is no operator")


_DEPTH = 2**31
"""Behind this number lie the variables that hold, for a plan within a plan, from which row each of its rows comes."""


def _within(running: Running, operator: plan.Attempt | plan.Ask, batch: Batch) -> tuple[list[Batch], Variable]:
    """The rows of the inner plan for those of the batch, each with the row that it belongs to."""
    depth = sum(1 for variable in batch.columns if variable.number <= -_DEPTH)
    row = Variable(-_DEPTH - depth, "row", INTEGER)
    tagged = batch.plus({row: Values(list(range(batch.size)))})
    return list(batches(running, operator.inner, tagged)), row


def _row_numbers(running: Running, found: list[Batch], row: Variable) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    parts = [np.array(batch.columns[row].datums(running.seen), np.int64) for batch in found]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _attempt(running: Running, operator: plan.Attempt, source: Iterator[Batch]) -> Iterator[Batch]:
    """Rows stay in the order of the source; those that found nothing have nulls."""
    for batch in source:
        found, row = _within(running, operator, batch)
        numbers = _row_numbers(running, found, row)
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
        case "list":
            return Chains([])
    return Values([])


def _ask(running: Running, operator: plan.Ask, source: Iterator[Batch]) -> Iterator[Batch]:
    for batch in source:
        found, row = _within(running, operator, batch)
        counts = np.bincount(_row_numbers(running, found, row), minlength=batch.size).tolist()
        answers = [count > 0 for count in counts] if operator.asks == "exists" else counts
        yield batch.plus({operator.variable: Values(answers)})
