"""What another door asks of items and relations that it has found: which fit a condition, in which order they stand.

MemQL's own operators answer, so that a value, a null and a tie are here what they are in a query.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np

from engine.columns import Columns, Mask, Numbers
from engine.execute.alike import in_order
from engine.execute.batch import Batch, Column, Floats, Nodes, Relations
from engine.execute.operators import batches
from engine.execute.outcomes import ended
from engine.execute.parameters import given
from engine.execute.running import Running
from engine.execute.scan import MOST
from engine.execute.seen import Seen
from engine.properties import EXACT
from engine.reader import Reader
from memql import ast, bound, plan
from memql.bind import Condition, Considered, bind_item_expressions
from memql.bound import Expression
from memql.errors import Refusal
from memql.lower import filtered
from memql.values import FOREVER, micros
from memql.walking import conjuncts

ITEM = "item"
"""The variable by which what is asked calls the item."""
_TIMES = frozenset({"valid_from", "valid_to", "recorded_at"})
_NAMED = frozenset({"kind", "owner"})


@dataclass(frozen=True, slots=True)
class By:
    """What items are sorted by. `last`: those without a value stand behind the others, whichever way it goes."""

    written: ast.Expression
    descending: bool = False
    last: bool = True


def fitting(reader: Reader, rows: Numbers, condition: Condition) -> Mask | Refusal:
    """Which of these versions of relations the condition is true for, place by place."""
    parameters = given(condition.parameters, {})
    if isinstance(parameters, Refusal):
        return parameters
    running = Running(reader, Seen(reader, reader.scope.valid_at or 0), parameters)
    if (decided := _decided(running, condition.expression, rows)) is not None:
        return decided[0]
    variable = condition.variable
    asked = filtered(plan.Argument((variable,)), tuple(conjuncts(condition.expression)))

    def work() -> Mask:
        found = []
        for place in range(0, len(rows), MOST):
            piece = rows[place : place + MOST]
            running.count(len(piece))
            for batch in batches(running, asked, Batch(len(piece), {variable: Relations(piece)})):
                column = batch.columns[variable]
                assert isinstance(column, Relations)
                found.append(column.numbers)
        return np.isin(rows, np.concatenate([np.empty(0, np.int64), *found]))

    return ended(work)


Decided: TypeAlias = tuple[Mask, Mask]
"""Where a condition is true, and where it is false; elsewhere it is null."""


def _decided(running: Running, expression: Expression, rows: Numbers) -> Decided | None:
    """What the columns of relations tell of a condition; None where they do not tell all of it."""
    match expression:
        case bound.Joined(operator="NOT", operands=(operand,)):
            inner = _decided(running, operand, rows)
            return None if inner is None else (inner[1], inner[0])
        case bound.Joined(operator="AND" | "OR" as operator, operands=operands):
            parts = [part for each in operands if (part := _decided(running, each, rows)) is not None]
            if len(parts) < len(operands):
                return None
            trues, falses = [part[0] for part in parts], [part[1] for part in parts]
            every, some = np.logical_and.reduce, np.logical_or.reduce
            return (every(trues), some(falses)) if operator == "AND" else (some(trues), every(falses))
        case bound.Compared(
            operator=sign, left=bound.Property(of=bound.Local(), name=name), right=bound.Constant() as to
        ):
            return _compared(running, name, sign, running.constant(to), rows)
    return None


def _compared(running: Running, name: str, sign: str, value: object, rows: Numbers) -> Decided | None:
    column = running.reader.adjacency.column
    if name == "weight" and type(value) in (int, float) and abs(value) <= EXACT:  # type: ignore[arg-type]
        true: Mask = np.asarray(_SIGNS[sign](column("weight")[rows], value), np.bool_)
        return true, ~true
    if name == "kind" and isinstance(value, str) and sign in ("=", "<>"):
        same: Mask = column("kind")[rows] == running.reader.scope.columns.codes.get(value, -1)
        return (same, ~same) if sign == "=" else (~same, same)
    if name in ("valid_from", "valid_to") and isinstance(value, datetime):
        held = column(name)[rows]
        there, so = held < FOREVER, _SIGNS[sign](held, micros(value))
        return there & so, there & ~so
    return None


_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": np.equal, "<>": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip


def ordered(
    reader: Reader, kinds: Sequence[str], denses: Numbers, by: Sequence[By], first: int | None = None
) -> Numbers | Refusal:
    """These versions of items of those kinds in that order, or the first of them; ties by dense id, which rises."""
    asked = bind_item_expressions([each.written for each in by], ITEM, kinds, reader.catalog)
    if isinstance(asked, Refusal):
        return asked
    running = Running(reader, Seen(reader, reader.scope.valid_at or 0), {})

    def work() -> Numbers:
        running.hold(len(denses))
        batch = Batch(len(denses), {asked.variable: Nodes(denses)})
        columns = [sorted_by(running, each, batch, denses) for each in asked.expressions]
        rows = in_order(columns, [each.descending for each in by], running.seen, first, [each.last for each in by])
        found: Numbers = denses[rows]
        return found

    return ended(work)


def sorted_by(running: Running, expression: Expression, batch: Batch, denses: Numbers) -> Column:
    """The column of an expression; of what is in the columns of every item, numbers that sort as its values do."""
    match expression:
        case bound.Property(of=bound.Local(), name=name) if name in _TIMES:
            return times(running.reader.scope.columns, name, denses)
        case bound.Property(of=bound.Local(), name=name) if name in _NAMED:
            return _names(running.reader.scope.columns, name, denses)
    return running.meaning(expression).column(batch)


def times(columns: Columns, name: str, denses: Numbers) -> Floats:
    """Microseconds, which a float holds exactly as far as the calendar goes; a time that never comes is none."""
    values = columns.column(name)[denses]
    never = values >= FOREVER
    return Floats(np.where(never, 0, values).astype(np.float64), never)


def _names(columns: Columns, name: str, denses: Numbers) -> Floats:
    codes, at = np.unique(columns.column(name)[denses], return_inverse=True)
    ranks = np.empty(len(codes))
    ranks[sorted(range(len(codes)), key=lambda place: columns.names[int(codes[place])])] = np.arange(len(codes))
    return Floats(ranks[at], np.zeros(len(denses), np.bool_))


__all__ = ["ITEM", "By", "Considered", "fitting", "ordered", "sorted_by", "times"]
