"""How values compare: equality and order with null, the order of ORDER BY, and what DISTINCT holds to be the same.

Comparing gives null where it cannot be told: with null, and between what has no order in common. Sorting and grouping
always know: everything has its place, and null equals null.
"""

import math
from datetime import date
from operator import ge, gt, le, lt
from typing import Any, Literal, TypeAlias

from memql.temporal import TYPES, Date, DateTime, Duration, LocalDateTime, LocalTime, Time, order_key, type_name
from memql.world import Datum, Node, Path, Relation

Truth: TypeAlias = bool | None
_SIGNS = {"<": lt, "<=": le, ">": gt, ">=": ge}


def equal(one: Datum, other: Datum) -> Truth:
    """Whether both are the same; null where one holds a null that decides it."""
    if one is None or other is None:
        return None
    match one, other:
        case (list(), list()):
            return _all_equal(one, other)
        case (dict(), dict()):
            if one.keys() != other.keys():
                return False
            return _all_equal(list(one.values()), [other[key] for key in one])
    return bool(one == other) if _sort(one) == _sort(other) else False


def _all_equal(ones: list[Datum], others: list[Datum]) -> Truth:
    if len(ones) != len(others):
        return False
    found: Truth = True
    for one, other in zip(ones, others, strict=True):
        same = equal(one, other)
        if same is False:
            return False
        found = None if same is None else found
    return found


def compared(one: Datum, sign: Literal["<", "<=", ">", ">="], other: Datum) -> Truth:
    """`one < other`, or null where the two have no order in common."""
    if one is None or other is None:
        return None
    kind = _sort(one)
    if kind != _sort(other):
        return None
    if kind in ("number", "string", "boolean"):
        return bool(_SIGNS[sign](one, other))
    if kind in _TEMPORAL:
        return bool(_SIGNS[sign](order_key(one), order_key(other)))
    if kind == "list":
        return _lists(one, sign, other)
    return None


def _lists(ones: list[Datum], sign: Literal["<", "<=", ">", ">="], others: list[Datum]) -> Truth:
    """The first place where they differ decides; where there is none, the length."""
    for one, other in zip(ones, others, strict=False):
        same = equal(one, other)
        if same is None:
            return None
        if not same:
            return compared(one, sign, other)
    return bool(_SIGNS[sign](len(ones), len(others)))


def _sort(value: Datum) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "list"
        case dict():
            return "map"
        case Node():
            return "node"
        case Relation():
            return "relation"
        case Path():
            return "path"
    if type(value) in TYPES:
        return type_name(value)
    raise AssertionError(f"{type(value)} is no value")


_RANKS = {name: rank for rank, name in enumerate(
    ("map", "node", "relation", "list", "path", "datetime", "localdatetime", "date", "time", "localtime", "duration",
     "string", "boolean", "number", "nan", "null")
)}  # fmt: skip
_TEMPORAL = frozenset({"datetime", "localdatetime", "date", "time", "localtime"})
"""Dates and times; durations have no order but that of ORDER BY, for no day is as long as any other."""


def sort_key(value: Datum) -> tuple[Any, ...]:
    """A key by which any values sort as ORDER BY has them: null last, lists by their members."""
    if value is None:
        return (_RANKS["null"],)
    kind = _sort(value)
    if kind == "number" and value != value:  # noqa: PLR0124 (only NaN is unlike itself)
        return (_RANKS["nan"],)
    rank = _RANKS[kind]
    match value:
        case list():
            return (rank, tuple(sort_key(member) for member in value))
        case dict():
            return (rank, tuple((key, sort_key(value[key])) for key in sorted(value)))
        case Node() | Relation():
            return (rank, value.id)
        case Path():
            return (rank, tuple(node.id for node in value.nodes), tuple(each.id for each in value.relations))
    return (rank, order_key(value) if type(value) in TYPES else value)


def group_key(value: Datum) -> object:
    """What DISTINCT and grouping tell values apart by: 1 and 1.0 are the same, and so are null and null."""
    match value:
        case bool() | date() | Date() | DateTime() | LocalDateTime() | Time() | LocalTime() | Duration():
            return (type(value).__name__, value)
        case float() if math.isnan(value):
            return "NaN"
        case None | int() | float() | str() | Node() | Relation():
            return value if not isinstance(value, str) else ("string", value)
        case list():
            return ("list", *(group_key(member) for member in value))
        case dict():
            return ("map", *((key, group_key(value[key])) for key in sorted(value)))
        case Path():
            return ("path", value.nodes, value.relations)
    raise AssertionError(f"{type(value)} is no value")


def and_(truths: list[Truth]) -> Truth:
    return False if False in truths else None if None in truths else True


def or_(truths: list[Truth]) -> Truth:
    return True if True in truths else None if None in truths else False


def quantified(quantifier: str, truths: list[Truth]) -> Truth:
    """Whether all, any, none or a single one of these are true."""
    match quantifier:
        case "all":
            return and_(truths)
        case "any":
            return or_(truths)
        case "none":
            found = or_(truths)
            return None if found is None else not found
    true = truths.count(True)
    return False if true > 1 else None if None in truths else true == 1
