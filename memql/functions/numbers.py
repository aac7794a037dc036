"""Arithmetic and mathematics: 64-bit integers whose overflow is an error, floats as the machine has them."""

import math
from collections.abc import Callable

from memql.functions.function import Function, Given, Unanswerable, first, mistyped, not_too_long, shown
from memql.functions.times import difference_of, is_temporal, product_of, quotient_of, sum_of
from memql.types import ANY, STRING, Type, common, fits
from memql.values import INT64
from memql.world import Datum, World

Number = int | float


def whole(value: int) -> int:
    if value not in INT64:
        raise Unanswerable("Q211", "the result does not fit in 64 bits", "use floats: 1.0 * x")
    return value


def _numbers(name: str, *values: Datum) -> None:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            mistyped(name, "numbers", value)


def add(one: Datum, other: Datum) -> Datum:
    if isinstance(one, list) or isinstance(other, list):
        first, second = (each if isinstance(each, list) else [each] for each in (one, other))
        not_too_long(len(first) + len(second))
        return first + second
    if isinstance(one, str) or isinstance(other, str):
        if not isinstance(one, str | int | float) or not isinstance(other, str | int | float):
            mistyped("+", "two numbers, two texts or lists", one if isinstance(other, str) else other)
        made = _text(one) + _text(other)
        not_too_long(len(made))
        return made
    if is_temporal(one) or is_temporal(other):
        return sum_of(one, other)
    _numbers("+", one, other)
    return _checked(one + other)


def _text(value: str | Number) -> str:
    if isinstance(value, bool):
        mistyped("+", "two numbers, two texts or lists", value)
    return value if isinstance(value, str) else str(value)


def subtract(one: Datum, other: Datum) -> Datum:
    if is_temporal(one) or is_temporal(other):
        return difference_of(one, other)
    _numbers("-", one, other)
    return _checked(one - other)


def multiply(one: Datum, other: Datum) -> Datum:
    if is_temporal(one) or is_temporal(other):
        return product_of(one, other)
    _numbers("*", one, other)
    try:
        return _checked(one * other)
    except OverflowError:
        return math.inf


def _checked(value: Number) -> Number:
    return whole(value) if isinstance(value, int) else value


def divide(one: Datum, other: Datum) -> Datum:
    """Integers give an integer, cut towards zero."""
    if is_temporal(one) or is_temporal(other):
        return quotient_of(one, other)
    _numbers("/", one, other)
    if isinstance(one, int) and isinstance(other, int):
        if other == 0:
            raise Unanswerable("Q212", "division by zero", "test the divisor first: CASE WHEN x <> 0 THEN … END")
        quotient = abs(one) // abs(other)
        return whole(quotient if (one < 0) == (other < 0) else -quotient)
    return _as_machine(one, other, lambda a, b: a / b)


def remainder(one: Datum, other: Datum) -> Datum:
    """Has the sign of what is divided."""
    _numbers("%", one, other)
    if isinstance(one, int) and isinstance(other, int):
        if other == 0:
            raise Unanswerable("Q212", "division by zero", "test the divisor first: CASE WHEN x <> 0 THEN … END")
        rest = abs(one) % abs(other)
        return -rest if one < 0 else rest
    return _as_machine(one, other, math.fmod)


def _as_machine(one: Number, other: Number, operation: Callable[[float, float], float]) -> float:
    """What the machine's floats give where Python raises."""
    try:
        return operation(float(one), float(other))
    except ZeroDivisionError:
        return math.nan if one == 0 or math.isnan(one) else math.copysign(math.inf, one) * math.copysign(1, other)
    except ValueError:
        return math.nan


def power(one: Datum, other: Datum) -> Datum:
    """Always a float."""
    _numbers("^", one, other)
    try:
        return math.pow(one, other)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.inf if one == 0 else math.nan


def negative(value: Datum) -> Datum:
    _numbers("-", value)
    return _checked(-value)


def positive(value: Datum) -> Datum:
    _numbers("+", value)
    return value


def _sum_type(given: Given) -> Type:
    names = {each.name for each in given}
    if "list" in names:
        return common(each for each in given if each.name == "list")
    if "any" in names or "null" in names:
        return ANY
    return STRING if "string" in names else _number_type(given)


def _number_type(given: Given) -> Type:
    """Of numbers a number; of a date or time and a duration a date or time, and with a number a duration."""
    times = [each for each in given if each.name not in ("any", "null") and fits(each, "temporal")]
    if times:
        return times[0].optional()
    names = {each.name for each in given}
    if "duration" in names and names <= {"integer", "float", "duration"}:
        return Type("duration")
    return common(given) if all(each.name in ("integer", "float") for each in given) else ANY


OPERATORS = (
    Function("+", ("number|string|list|temporal|duration", "number|string|list|temporal|duration"), _sum_type,
             "the sum of numbers, texts one after the other, a list and what is added to it, a time so much later",
             add),
    Function("-", ("number|temporal|duration", "number|duration"), _number_type,
             "the difference; of a time and a duration the time so much earlier", subtract),
    Function("*", ("number|duration", "number|duration"), _number_type, "the product", multiply),
    Function("/", ("number|duration", "number"), _number_type, "the quotient; of integers an integer, cut off", divide),
    Function("%", ("number", "number"), _number_type, "the rest of a division", remainder),
    Function("^", ("number", "number"), "float", "the first number to the power of the second", power),
    Function("negative", ("number",), _number_type, "the number with the other sign", negative),
    Function("positive", ("number",), _number_type, "the number itself", positive),
)  # fmt: skip


# Functions


def _finite(name: str, operation: Callable[[float], float]) -> Callable[[Datum], Datum]:
    def meaning(value: Datum) -> Datum:
        _numbers(name, value)
        try:
            return operation(value)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return meaning


def _float(name: str, operation: Callable[[float], float], doc: str) -> Function:
    return Function(name, ("number",), "float", doc, _finite(name, operation))


def _rounded(value: float) -> float:
    return float(math.floor(value + 0.5)) if math.isfinite(value) and abs(value) < 2**52 else float(value)


def round_(value: Datum, digits: Datum = 0) -> float:
    """Halves go up, as they do in Cypher."""
    _numbers("round", value, digits)
    if not isinstance(digits, int) or not 0 <= digits <= 15:
        raise Unanswerable("Q213", f"`round` takes 0 to 15 digits, not {shown(digits)}")
    return _rounded(value * 10**digits) / 10**digits if digits else _rounded(value)


def _absolute(value: Datum) -> Datum:
    _numbers("abs", value)
    return _checked(abs(value))


def _sign(value: Datum) -> int:
    _numbers("sign", value)
    return int(value > 0) - int(value < 0)


def _is_nan(value: Datum) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _chance(world: World) -> float:
    number = world.chance()
    if number is None:
        raise Unanswerable("Q213", "nothing is left to chance here", "pass the number as a parameter")
    return number


def to_integer(value: Datum) -> int | None:
    match value:
        case bool():
            return int(value)
        case int():
            return value
        case float():
            return int(value) if math.isfinite(value) and int(value) in INT64 else None
        case str():
            read = to_float(value)
            try:
                exact = int(value)
                return exact if exact in INT64 else None
            except ValueError:
                return None if read is None else to_integer(read)
    return mistyped("toInteger", "a number, a text or a boolean", value)


def to_float(value: Datum) -> float | None:
    match value:
        case bool():
            mistyped("toFloat", "a number or a text", value)
        case int() | float():
            return float(value)
        case str():
            try:
                return float(value) if "_" not in value else None
            except ValueError:
                return None
    return mistyped("toFloat", "a number or a text", value)


FUNCTIONS = (
    Function("abs", ("number",), first, "the number without its sign", _absolute),
    Function("sign", ("number",), "integer", "-1, 0 or 1", _sign),
    _float("ceil", lambda x: float(math.ceil(x)) if math.isfinite(x) else x, "the next whole number up"),
    _float("floor", lambda x: float(math.floor(x)) if math.isfinite(x) else x, "the next whole number down"),
    Function("round", ("number", "integer"), "float", "the nearest number with so many digits; halves go up",
             round_, optional=1),
    _float("sqrt", math.sqrt, "the square root"),
    _float("exp", math.exp, "e to the power of the number"),
    _float("log", lambda x: math.log(x) if x else -math.inf, "the natural logarithm"),
    _float("log10", lambda x: math.log10(x) if x else -math.inf, "the logarithm to the base of 10"),
    _float("sin", math.sin, "the sine"),
    _float("cos", math.cos, "the cosine"),
    _float("tan", math.tan, "the tangent"),
    _float("asin", math.asin, "the inverse sine"),
    _float("acos", math.acos, "the inverse cosine"),
    _float("atan", math.atan, "the inverse tangent"),
    Function("rand", (), "float", "a number by chance: at least 0, and less than 1", _chance, asks=True, chance=True),
    Function("isNaN", ("number",), "boolean", "whether it is no number", _is_nan),
    Function("pi", (), "float", "the number π", lambda: math.pi),
    Function("e", (), "float", "the base of natural logarithms", lambda: math.e),
    Function("toInteger", ("number|string|boolean",), "integer", "the value as an integer, or null", to_integer),
    Function("toFloat", ("number|string",), "float", "the value as a float, or null", to_float),
)  # fmt: skip
