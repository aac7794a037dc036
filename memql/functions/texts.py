"""Functions of texts, and the operators that look into them."""

import math
import re
from collections.abc import Callable

from memql.functions.function import Function, Unanswerable, mistyped, not_too_long, shown
from memql.functions.times import is_temporal
from memql.temporal import ours
from memql.types import STRING, list_of
from memql.world import Datum

PATTERN_CHARACTERS = 1_000
"""Longest pattern of =~."""
PATTERN_STEPS = 10**9
"""Steps that matching may take at worst, some seconds: each repetition but the last tries every place of the text."""


def _text(name: str, value: Datum) -> str:
    return value if isinstance(value, str) else mistyped(name, "a text", value)


def _count(name: str, value: Datum) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        mistyped(name, "a whole number", value)
    if value < 0:
        raise Unanswerable("Q213", f"`{name}` takes no negative number, such as {value}")
    return value


def _tests(name: str, test: Callable[[str, str], bool]) -> Callable[[Datum, Datum], bool | None]:
    """What is no text neither begins nor ends with one: null, as in Cypher."""
    return lambda one, other: test(one, other) if isinstance(one, str) and isinstance(other, str) else None


_BACKTRACKING = re.compile(r"[*+}?]\)?[*+{]|\([^()]*[*+}|][^()]*\)[*+{]")


def like(text: Datum, pattern: Datum) -> bool | None:
    """Whether the whole text is as the pattern says."""
    if not isinstance(text, str) or not isinstance(pattern, str):
        return None
    if len(pattern) > PATTERN_CHARACTERS or _BACKTRACKING.search(pattern):
        hint = "repeat no group that itself repeats; or use CONTAINS"
        raise Unanswerable("Q403", "this pattern could take too long", hint)
    repeated = max(0, len(re.findall(r"[*+{]", pattern)) - 1)
    if len(text) ** min(repeated, 10) / math.factorial(min(repeated, 10)) > PATTERN_STEPS:
        raise Unanswerable("Q403", "this pattern could take too long on so long a text", "use CONTAINS, joined by AND")
    try:
        return re.fullmatch(pattern, text) is not None
    except (re.error, RecursionError, OverflowError):
        raise Unanswerable("Q213", f"{shown(pattern)} is no pattern of =~", "such as '.*tea.*'") from None


def to_string(value: Datum) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float() if math.isnan(value):
            return "NaN"
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        case int() | float():
            return str(value)
    if is_temporal(value):
        return str(ours(value))
    return mistyped("toString", "a number, a text, a boolean, a date, a time or a duration", value)


def to_boolean(value: Datum) -> bool | None:
    match value:
        case bool():
            return value
        case int():
            return value != 0
        case str():
            return {"true": True, "false": False}.get(value.strip().lower())
    return mistyped("toBoolean", "a text, an integer or a boolean", value)


def _substring(text: Datum, start: Datum, length: Datum = None) -> str:
    begin = _count("substring", start)
    found = _text("substring", text)[begin:]
    return found if length is None else found[: _count("substring", length)]


def _split(text: Datum, by: Datum) -> list[str]:
    whole, separator = _text("split", text), _text("split", by)
    return whole.split(separator) if separator else list(whole)


def _right(text: Datum, count: Datum) -> str:
    kept = _count("right", count)
    return _text("right", text)[-kept:] if kept else ""


def _reverse(value: Datum) -> Datum:
    return value[::-1] if isinstance(value, str | list) else mistyped("reverse", "a text or a list", value)


def _replace(text: Datum, old: Datum, new: Datum) -> str:
    whole, sought, put = _text("replace", text), _text("replace", old), _text("replace", new)
    if not sought:
        return whole
    not_too_long(len(whole) + whole.count(sought) * (len(put) - len(sought)))
    return whole.replace(sought, put)


def _on_text(name: str, operation: Callable[[str], str], doc: str) -> Function:
    return Function(name, ("string",), "string", doc, lambda value: operation(_text(name, value)))


OPERATORS = (
    Function("STARTS WITH", ("any", "any"), "boolean", "whether the text begins so",
             _tests("STARTS WITH", str.startswith)),
    Function("ENDS WITH", ("any", "any"), "boolean", "whether the text ends so", _tests("ENDS WITH", str.endswith)),
    Function("CONTAINS", ("any", "any"), "boolean", "whether that is somewhere in the text",
             _tests("CONTAINS", lambda one, other: other in one)),
    Function("=~", ("any", "string"), "boolean", "whether the whole text is as the pattern says", like),
)  # fmt: skip

FUNCTIONS = (
    _on_text("toLower", str.lower, "the text in small letters"),
    _on_text("toUpper", str.upper, "the text in capitals"),
    _on_text("trim", str.strip, "the text without white space around it"),
    _on_text("ltrim", str.lstrip, "the text without white space before it"),
    _on_text("rtrim", str.rstrip, "the text without white space behind it"),
    Function("substring", ("string", "integer", "integer"), "string",
             "the text from that character on, counted from 0, and no longer than that", _substring, optional=1),
    Function("split", ("string", "string"), lambda given: list_of(STRING.present()),
             "the pieces between the separators", _split),
    Function("replace", ("string", "string", "string"), "string", "the text with each second text made a third",
             _replace),
    Function("left", ("string", "integer"), "string", "its first characters",
             lambda text, count: _text("left", text)[: _count("left", count)]),
    Function("right", ("string", "integer"), "string", "its last characters", _right),
    Function("reverse", ("string|list",), lambda given: given[0], "backwards", _reverse),
    Function("toString", ("number|string|boolean|temporal|duration",), "string", "the value as a text", to_string),
    Function("toBoolean", ("string|boolean|integer",), "boolean", "the value as true or false, or null", to_boolean),
)  # fmt: skip
