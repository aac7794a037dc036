"""Conditions that the columns answer: of kind, owner, domain, author and times, and of properties that are held in
memory. No item is read for them.

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
from engine.properties import ELSEWHERE, EXACT, FLOAT, INTEGER, STRING, Held
from memql import bound, walking
from memql.bound import Expression, Variable
from memql.order import Truth
from memql.types import ANY
from memql.values import FOREVER, micros
from memql.world import NODE_PROPERTIES, Datum

COLUMNAR = frozenset({"kind", "owner", "domain", "author", "valid_from", "valid_to", "recorded_at"})
"""Properties that the columns hold."""
_TIMES = ("valid_from", "valid_to", "recorded_at")
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


@dataclass(frozen=True, slots=True)
class Known:
    """What a condition may be decided by. `root` is the identity of an id (0: none); `held` gives the column of a
    property, asked for so many rows; `truth` what the reference says of a condition for a value of its only
    variable."""

    columns: Columns
    constant: Callable[[Expression], Datum]
    root: Callable[[str], int]
    held: Callable[[str, int], Held | None]
    truth: Callable[[Expression, Variable], Callable[[Datum], Truth]]


def columnar(expression: Expression, known: Known) -> Decide | None:
    """How the columns decide the condition; None where they know nothing of it."""
    if isinstance(expression, bound.Joined) and expression.operator != "XOR":
        parts = [columnar(each, known) for each in expression.operands]
        if all(part is None for part in parts):
            return None
        return _joined(expression.operator, [part or unknown for part in parts])
    return (
        _fixed(expression, known.columns, known.constant)
        or _identified(expression, known)
        or by_property(expression, known)
    )


def _fixed(expression: Expression, columns: Columns, constant: Callable[[Expression], Datum]) -> Decide | None:
    """Of what the columns of every item hold."""
    match expression:
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


def _identified(expression: Expression, known: Known) -> Decide | None:
    """Of an id: it is looked up, instead of the id of each item."""
    match expression:
        case bound.Compared(operator="=" | "<>" as sign, left=left, right=right):
            for one, other in ((left, right), (right, left)):
                if _is_id(one) and not walking.variables(other):
                    value = known.constant(other)
                    return _same(known, value, sign == "=") if isinstance(value, str) else None
    return None


def _same(known: Known, id_: str, wanted: bool) -> Decide:
    root = known.root(id_)

    def decide(numbers: Numbers) -> Decided:
        there = numbers > 0
        same = (known.columns.column("root")[numbers] == root) & there
        other = ~same & there
        return Decided(same, other, ~there) if wanted else Decided(other, same, ~there)

    return decide


def _is_id(expression: Expression) -> bool:
    match expression:
        case bound.Property(of=bound.Local(), name="id"):
            return True
        case bound.Call(function="id" | "elementId", arguments=(bound.Local(),)):
            return True
    return False


def _named(expression: Expression) -> str:
    """The property of a variable that this is; empty for anything else."""
    match expression:
        case bound.Property(of=bound.Local(), name=name):
            return name
    return ""


def unknown(numbers: Numbers) -> Decided:
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


# Properties that are held in memory


def by_property(expression: Expression, known: Known) -> Decide | None:
    """A condition of one property alone: numbers are compared at once, any other value asked of the reference once."""
    name = _only_property(expression)
    if not name:
        return None
    compared = _number_compared(expression, known.constant)
    value = Variable(0, name, ANY)
    asked = walking.rewritten(expression, lambda part: bound.Local(value, type=part.type) if _named(part) else None)
    answers = _Answers(_plain_test(expression, known.constant))

    def decide(numbers: Numbers) -> Decided:
        held = known.held(name, len(numbers))
        if held is None:
            return unknown(numbers)
        forms, values = held.forms[numbers], held.numbers[numbers]
        open_: Mask = (forms == ELSEWHERE) | (numbers == 0)
        true, false = np.zeros(len(numbers), np.bool_), np.zeros(len(numbers), np.bool_)
        left: Mask = ~open_
        if compared is not None:
            numeric: Mask = left & ((forms == FLOAT) | (forms == INTEGER))
            same = compared(values)
            true, false, left = numeric & same, numeric & ~same, left & ~numeric
        rows = np.flatnonzero(left)
        if len(rows):
            truth = known.truth(asked, value)
            found = _by_value(held, numbers[rows], answers, truth)
            true[rows], false[rows] = found == 1, found == 0
        return Decided(true, false, open_)

    return decide


def _by_value(held: Held, numbers: Numbers, answers: "_Answers", truth: Callable[[Datum], Truth]) -> NDArray[np.int8]:
    """1 where it is true, 0 where false, -1 where neither."""
    found = np.empty(len(numbers), np.int8)
    forms = held.forms[numbers]
    for form in np.flatnonzero(np.bincount(forms)).tolist():
        rows = slice(None) if len(forms) == len(forms[forms == form]) else np.flatnonzero(forms == form)
        if form == STRING:
            found[rows] = answers.of_texts(held, held.numbers[numbers[rows]].astype(np.int64), truth)
            continue
        _, first, at = np.unique(held.numbers[numbers[rows]], return_index=True, return_inverse=True)
        values = held.values(numbers[rows][first])
        found[rows] = np.array([_NUMBERED[truth(value)] for value in values], np.int8)[at]
    return found


class _Answers:
    """What was answered of texts: each is asked about once a query. A plain test, where the condition is one, is what
    the reference says of two texts."""

    def __init__(self, plain: Callable[[Sequence[str]], list[bool]] | None) -> None:
        self._plain = plain
        self._known: NDArray[np.int8] = np.empty(0, np.int8)

    def of_texts(self, held: Held, places: Numbers, truth: Callable[[Datum], Truth]) -> NDArray[np.int8]:
        texts = held.texts
        if len(self._known) < len(texts):
            fresh = np.full(len(texts), _UNASKED, np.int8)
            fresh[: len(self._known)] = self._known
            self._known = fresh
        asked = places[self._known[places] == _UNASKED]
        if len(asked):
            # Most of the texts there are: all of them, without looking which.
            most = len(asked) * 2 > len(texts) and bool((self._known == _UNASKED).all())
            fresh_places = np.arange(len(texts)) if most else asked if len(texts) > len(asked) else np.unique(asked)
            those = texts[: len(fresh_places)] if most else [texts[place] for place in fresh_places.tolist()]
            told = self._plain(those) if self._plain else [_NUMBERED[truth(text)] for text in those]
            self._known[fresh_places] = told
        found: NDArray[np.int8] = self._known[places]
        return found


_UNASKED = -2


def _plain_test(
    expression: Expression, constant: Callable[[Expression], Datum]
) -> Callable[[Sequence[str]], list[bool]] | None:
    """The test of texts for a beginning, an end or a part."""
    match expression:
        case bound.Call(function=function, arguments=(bound.Property(), bound.Constant() | bound.Parameter() as other)):
            asked = constant(other)
            if isinstance(asked, str):
                tests: dict[str, Callable[[Sequence[str]], list[bool]]] = {
                    "STARTS WITH": lambda texts: [text.startswith(asked) for text in texts],
                    "ENDS WITH": lambda texts: [text.endswith(asked) for text in texts],
                    "CONTAINS": lambda texts: [asked in text for text in texts],
                }
                return tests.get(function)
    return None


_NUMBERED: dict[Truth, int] = {True: 1, False: 0, None: -1}


def _only_property(expression: Expression) -> str:
    """The property through which alone the condition looks at its variable, where it is no fixed one; else empty."""
    locals_, names = 0, []
    for part in walking.walked(expression):
        match part:
            case bound.Property(of=bound.Local(), name=name):
                names.append(name)
            case bound.Local():
                locals_ += 1
    alone = len(set(names)) == 1 and locals_ == len(names) and names[0] not in NODE_PROPERTIES
    return names[0] if alone else ""


def _number_compared(
    expression: Expression, constant: Callable[[Expression], Datum]
) -> Callable[[NDArray[np.float64]], Mask] | None:
    """The comparison with a number, where the machine's floats decide it as exactly as Python's numbers do."""
    match expression:
        case bound.Compared(operator=sign, left=bound.Property(), right=bound.Constant() | bound.Parameter() as other):
            pass
        case bound.Compared(operator=sign, left=bound.Constant() | bound.Parameter() as other, right=bound.Property()):
            sign = _FLIPPED[sign]
        case _:
            return None
    value = constant(other)
    if isinstance(value, bool) or not isinstance(value, int | float) or (type(value) is int and abs(value) > EXACT):
        return None
    return lambda held: np.asarray(_SIGNS[sign](held, float(value)), np.bool_)


# Columns of every item


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
