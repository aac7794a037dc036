"""Values of many rows at once: weights, properties that are held in memory, and the arithmetic of floats.

Where the reference would do something else than the machine does, as with whole numbers that overflow, there is no
figure, and each row is evaluated by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.columns import Columns
from engine.execute.batch import Batch, Column, Floats, Ids, Nodes, Relations, Stored, as_floats
from engine.properties import ELSEWHERE, EXACT, Held
from memql import bound
from memql.bound import Expression
from memql.world import NODE_PROPERTIES, Datum

Figures: TypeAlias = Callable[[Batch], Column | None]
"""The column of an expression; None where this batch must be evaluated row by row."""

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where numbers come from. `held` gives the column of a property, asked for so many rows."""

    columns: Columns
    weights: NDArray[np.float64]
    held: Callable[[str, int], Held | None]
    constant: Callable[[Expression], Datum]


def figures(sources: Sources, expression: Expression) -> Figures | None:
    """How to have the values of many rows; None where the expression is of another sort."""
    match expression:
        case bound.Property(of=bound.Local(variable=variable), name=name):
            return lambda batch: _property(sources, batch.columns[variable], name)
        case bound.Call(function="+" | "-" | "*" | "/" as sign, arguments=(left, right)):
            one, other = _operand(sources, left), _operand(sources, right)
            if one is None or other is None or (isinstance(one, float) and isinstance(other, float)):
                return None
            return lambda batch: _computed(sign, one, other, batch)
    return None


def _operand(sources: Sources, expression: Expression) -> Figures | float | None:
    match expression:
        case bound.Local(variable=variable):
            return lambda batch: batch.columns[variable]
        case bound.Constant() | bound.Parameter():
            value = sources.constant(expression)
            if isinstance(value, bool) or not isinstance(value, int | float):
                return None
            return float(value) if isinstance(value, float) or abs(value) <= EXACT else None
    return figures(sources, expression)


def _property(sources: Sources, column: Column, name: str) -> Column | None:
    match column:
        case Relations(numbers=numbers) if name == "weight":
            return Floats(sources.weights[numbers], numbers == 0)
        case Nodes(numbers=numbers) if name == "id":
            return Ids(numbers, sources.columns.column("root")[numbers])
        case Nodes(numbers=numbers) if name not in NODE_PROPERTIES:
            held = sources.held(name, len(numbers))
            if held is None or (held.forms[numbers] == ELSEWHERE).any():
                return None
            return Stored(held, numbers)
    return None


def _computed(sign: str, one: Figures | float, other: Figures | float, batch: Batch) -> Floats | None:
    left, right = _floats(one, batch), _floats(other, batch)
    if left is None or right is None:
        return None
    with np.errstate(all="ignore"):
        numbers = _SIGNS[sign](left.numbers, right.numbers)
    return Floats(numbers, left.absent | right.absent)


def _floats(operand: Figures | float, batch: Batch) -> Floats | None:
    """The operand, where it is a float in every row that has it."""
    if isinstance(operand, float):
        return Floats(np.full(batch.size, operand), np.zeros(batch.size, np.bool_))
    column = operand(batch)
    return None if column is None else as_floats(column)
