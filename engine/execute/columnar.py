"""Conditions that the columns answer: of kind, owner, domain, author and valid time. No item is read for them.

Each row is decided as the reference decides it, null included, or left undecided; only what is undecided is read. So a
condition that is partly of columns spares the reading of all that it already rules out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.columns import Columns, Mask, Numbers
from engine.index import DOMAINS
from memql import bound
from memql.bound import Expression
from memql.values import FOREVER, micros
from memql.world import Datum

COLUMNAR = frozenset({"kind", "owner", "domain", "author", "valid_from", "valid_to"})
"""Properties that the columns hold."""
_TIMES = ("valid_from", "valid_to")
_AUTHORED = ("Event", "Memory")
"""Kinds whose author is in the columns; what others call so is a property like any."""
_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal,
    "<>": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


@dataclass(frozen=True, slots=True)
class Decided:
    """Where the condition is true, where it is false, and where it must be looked up; null is none of them."""

    true: Mask
    false: Mask
    open: Mask


Decide: TypeAlias = Callable[[Numbers], Decided]
"""What is known of these versions, by dense id."""


def columnar(expression: Expression, columns: Columns, constant: Callable[[Expression], Datum]) -> Decide | None:
    """How the columns decide the condition; None where they know nothing of it."""
    match expression:
        case bound.Joined(operator="AND" | "OR" | "NOT" as operator, operands=operands):
            parts = [columnar(each, columns, constant) for each in operands]
            if all(part is None for part in parts):
                return None
            return _joined(operator, [part or _unknown for part in parts])
        case bound.Compared(operator=sign, left=left, right=right):
            if name := _named(left):
                return _compared(columns, name, sign, right, constant)
            if name := _named(right):
                return _compared(columns, name, _FLIPPED[sign], left, constant)
        case bound.Call(function="IN", arguments=(of, bound.ListOf() as given)):
            return _within(columns, _named(of), given.members, constant)
        case bound.Call(function="IS NULL" | "IS NOT NULL" as what, arguments=(of,)):
            return _null(columns, _named(of), what == "IS NULL")
    return None


def _named(expression: Expression) -> str:
    """The property of a variable that this is; empty for anything else."""
    match expression:
        case bound.Property(of=bound.Local(), name=name):
            return name
    return ""


def _unknown(numbers: Numbers) -> Decided:
    return Decided(np.zeros(len(numbers), np.bool_), np.zeros(len(numbers), np.bool_), np.ones(len(numbers), np.bool_))


def _nothing(numbers: Numbers) -> Decided:
    """Not even null is a member of an empty list."""
    return Decided(np.zeros(len(numbers), np.bool_), np.ones(len(numbers), np.bool_), np.zeros(len(numbers), np.bool_))


def _joined(operator: str, parts: Sequence[Decide]) -> Decide:
    def decide(numbers: Numbers) -> Decided:
        each = [part(numbers) for part in parts]
        if operator == "NOT":
            return Decided(each[0].false, each[0].true, each[0].open)
        trues, falses = [one.true for one in each], [one.false for one in each]
        every, some = (trues, falses) if operator == "AND" else (falses, trues)
        all_, any_ = np.logical_and.reduce(every), np.logical_or.reduce(some)
        open_ = np.logical_or.reduce([one.open for one in each]) & ~any_
        return Decided(all_, any_, open_) if operator == "AND" else Decided(any_, all_, open_)

    return decide


def _compared(
    columns: Columns, name: str, sign: str, other: Expression, constant: Callable[[Expression], Datum]
) -> Decide | None:
    if not isinstance(other, bound.Constant | bound.Parameter):
        return None
    value = constant(other)
    if name in _TIMES:
        return _times(columns, name, lambda held: _SIGNS[sign](held, _us(value))) if _is_time(value) else None
    if sign not in ("=", "<>") or not isinstance(value, str):
        return None
    return _names(columns, name, [value], negated=sign == "<>")


def _within(
    columns: Columns, name: str, members: Sequence[Expression], constant: Callable[[Expression], Datum]
) -> Decide | None:
    if not all(isinstance(each, bound.Constant | bound.Parameter) for each in members):
        return None
    values = [constant(each) for each in members]
    if not values:
        return _nothing
    if name in _TIMES:
        if not all(map(_is_time, values)):
            return None
        return _times(columns, name, lambda held: np.isin(held, [_us(value) for value in values]))
    if not all(isinstance(value, str) for value in values):
        return None
    return _names(columns, name, values, negated=False)


def _null(columns: Columns, name: str, wanted: bool) -> Decide | None:
    if name not in ("valid_to", "author"):
        return None

    def decide(numbers: Numbers) -> Decided:
        held = columns.column(name)[numbers]
        null = held >= FOREVER if name == "valid_to" else held == 0
        open_ = _open(columns, name, numbers)
        return Decided((null == wanted) & ~open_, (null != wanted) & ~open_, open_)

    return decide


def _names(columns: Columns, name: str, values: Sequence[str], *, negated: bool) -> Decide | None:
    if name == "domain":
        codes = [DOMAINS.index(value) for value in values if value in DOMAINS]
    elif name in ("kind", "owner", "author"):
        codes = [columns.codes[value] for value in values if value in columns.codes]
    else:
        return None

    def decide(numbers: Numbers) -> Decided:
        held = columns.column(name)[numbers]
        same, open_ = np.isin(held, codes), _open(columns, name, numbers)
        present = held != 0 if name == "author" else np.ones(len(numbers), np.bool_)
        known = present & ~open_
        return Decided(known & (same != negated), known & (same == negated), open_)

    return decide


def _times(columns: Columns, name: str, test: Callable[[NDArray[np.int64]], Any]) -> Decide:
    def decide(numbers: Numbers) -> Decided:
        held = columns.column(name)[numbers]
        open_ = numbers == 0
        known = (held < FOREVER) & ~open_
        same: Mask = np.asarray(test(held), np.bool_)
        return Decided(known & same, known & ~same, open_)

    return decide


def _open(columns: Columns, name: str, numbers: Numbers) -> Mask:
    """Rows of which the column says nothing: no item at all, and an author of another kind."""
    if name != "author":
        absent: Mask = numbers == 0
        return absent
    codes = [columns.codes[kind] for kind in _AUTHORED if kind in columns.codes]
    others: Mask = ~np.isin(columns.column("kind")[numbers], codes)
    return others


def _is_time(value: Datum) -> bool:
    return isinstance(value, datetime)


def _us(value: datetime) -> int:
    return micros(value)
