"""Functions over the values of a group. Nulls are left out; DISTINCT leaves each value in once."""

import math
from functools import reduce

from memql.functions.function import Aggregate, Unanswerable, mistyped, shown
from memql.functions.numbers import add
from memql.order import sort_key
from memql.types import ANY, FLOAT, Type, list_of
from memql.world import Datum


def _numbers(name: str, values: list[Datum]) -> list[int | float]:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            mistyped(name, "numbers", value)
    return values


def _sum(values: list[Datum]) -> Datum:
    numbers = _numbers("sum", values)
    if any(isinstance(number, float) for number in numbers):
        return float_sum(numbers)
    return reduce(add, numbers, 0)


def float_sum(numbers: list[int | float]) -> float:
    """Without the error that adding one by one would gather, so that the order of rows does not matter."""
    try:
        return math.fsum(numbers)
    except (ValueError, OverflowError):
        return float(sum(numbers))


def _mean(values: list[Datum]) -> float | None:
    numbers = _numbers("avg", values)
    return float_sum(numbers) / len(numbers) if numbers else None


def _spread(values: list[Datum], *, whole: bool) -> float:
    numbers = _numbers("stDev", values)
    count = len(numbers) - (0 if whole else 1)
    if count <= 0 or len(numbers) < 2:
        return 0.0
    mean = float_sum(numbers) / len(numbers)
    return math.sqrt(math.fsum((number - mean) ** 2 for number in numbers) / count)


def _ranked(name: str, values: list[Datum], part: Datum) -> list[int | float]:
    """The numbers in order, where that part of them can be asked for."""
    if isinstance(part, bool) or not isinstance(part, int | float) or not 0 <= part <= 1:
        raise Unanswerable("Q213", f"`{name}` takes a part from 0 to 1, not {shown(part)}", "0.5 is the median")
    return sorted(_numbers(name, values), key=sort_key)


def _percentile_between(values: list[Datum], part: Datum) -> float | None:
    numbers = _ranked("percentileCont", values, part)
    if not numbers:
        return None
    place = part * (len(numbers) - 1)
    low, high = numbers[math.floor(place)], numbers[math.ceil(place)]
    return float(low) if low == high else low + (high - low) * (place - math.floor(place))


def _percentile_among(values: list[Datum], part: Datum) -> int | float | None:
    numbers = _ranked("percentileDisc", values, part)
    return numbers[max(0, math.ceil(part * len(numbers)) - 1)] if numbers else None


def _number(given: Type) -> Type:
    return given if given.name in ("integer", "float") else ANY


AGGREGATES = (
    Aggregate("count", "any", "integer", "how many values there are", len, nullable=False),
    Aggregate("collect", "any", lambda given: list_of(given.present()), "the values as a list", list, nullable=False),
    Aggregate("sum", "number", _number, "the sum; of nothing 0", _sum, nullable=False),
    Aggregate("avg", "number", lambda given: FLOAT, "the mean; of nothing null", _mean),
    Aggregate("min", "any", lambda given: given, "the first in the order of ORDER BY",
              lambda values: min(values, key=sort_key, default=None)),
    Aggregate("max", "any", lambda given: given, "the last in the order of ORDER BY",
              lambda values: max(values, key=sort_key, default=None)),
    Aggregate("stDev", "number", "float", "the standard deviation of a sample",
              lambda values: _spread(values, whole=False), nullable=False),
    Aggregate("stDevP", "number", "float", "the standard deviation of all there is",
              lambda values: _spread(values, whole=True), nullable=False),
    Aggregate("percentileCont", "number", "float", "the number below which that part of them lies",
              _percentile_between, second="number"),
    Aggregate("percentileDisc", "number", _number, "the first number up to which that part of them lies",
              _percentile_among, second="number"),
)  # fmt: skip
