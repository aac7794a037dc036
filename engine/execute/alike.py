"""Which rows are alike, and which comes first: by the numbers of their columns where those say it, else by the values.

Both ways give what `memql.order` says; numbers only spare that each value is looked at.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.columns import Numbers
from engine.execute.batch import Column, Floats, Ids, Indexes, Nodes, Relations, Stored, Values
from engine.execute.seen import Seen
from engine.properties import ABSENT, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, STRING
from memql.functions.aggregates import float_sum
from memql.order import sort_key
from memql.values import instant

_WIDE = 2**62
_SAMPLES = {
    ABSENT: None, FLOAT: 0.5, INTEGER: 0, STRING: "", BOOLEAN: False, DATETIME: instant(0), DATE: instant(0).date(),
}  # fmt: skip
_CLASSES = np.array([float(sort_key(_SAMPLES[form])[0]) for form in range(len(_SAMPLES))])
"""Where values of each form stand in the order of ORDER BY, whatever they are."""
_NAN = float(sort_key(math.nan)[0])
_NULLS = 1_000.0
"""Outside of all classes."""


def keys(columns: Sequence[Column], size: int) -> Sequence[object]:
    """What tells the rows apart, also from those of other batches."""
    if len(columns) == 1:
        return columns[0].keys()
    return list(zip(*(column.keys() for column in columns), strict=True)) if columns else [()] * size


def groups(columns: Sequence[Column], size: int) -> tuple[Indexes, Indexes]:
    """Of each row the number of its group, in the order in which groups are first met; and each group's first row."""
    if not columns:
        return np.zeros(size, np.int64), np.zeros(min(size, 1), np.int64)
    numbers = _numbered(columns[0])
    for column in columns[1:]:
        other = _numbered(column)
        wide = int(other.max(initial=0)) + 1
        if int(numbers.max(initial=0)) >= _WIDE // wide:
            numbers = np.unique(numbers, return_inverse=True)[1]
        numbers = numbers * wide + other
    wide = int(numbers.max(initial=0)) + 1
    if wide > 8 * size + 1_024:
        numbers, wide = np.unique(numbers, return_inverse=True)[1], size
    firsts = np.full(wide, size)
    firsts[numbers[::-1]] = np.arange(size)[::-1]
    met = np.sort(firsts[firsts < size])
    places = np.empty(wide, np.int64)
    places[numbers[met]] = np.arange(len(met))
    return places[numbers], met


def _numbered(column: Column) -> Numbers:
    """A number from 0 on for each row: the same where the values are the same."""
    match column:
        case Nodes(identities=numbers) | Relations(identities=numbers) | Ids(roots=numbers):
            return numbers
        case Floats(numbers=numbers, absent=absent):
            _, at = np.unique(np.where(absent, 0.0, numbers), return_inverse=True)
            return np.where(absent, 0, at + 1)
        case Stored(held=held, numbers=numbers):
            forms = held.forms[numbers].astype(np.int64)
            if ((forms == STRING) | (forms == ABSENT)).all():
                return np.where(forms == ABSENT, 0, held.numbers[numbers].astype(np.int64) + 1)
            forms[forms == INTEGER] = FLOAT
            _, at = np.unique(held.numbers[numbers], return_inverse=True)
            return np.where(forms == ABSENT, 0, at * 8 + forms)
    known: dict[object, int] = {}
    told_apart = column.keys()
    return np.array([known.setdefault(key, len(known)) for key in told_apart], np.int64)


# Order


def in_order(
    columns: Sequence[Column], descending: Sequence[bool], seen: Seen, first: int | None,
    last: Sequence[bool] | None = None,
) -> Indexes:  # fmt: skip
    """The rows as ORDER BY has them, or the first of them; equal ones as they were. `last` says of each column whether
    nulls stand behind all values, or before them; absent: they are greater than any value."""
    rows = np.arange(len(columns[0]))
    by: list[NDArray[Any]] = []
    for place, (column, down) in enumerate(zip(columns, descending, strict=True)):
        # What cannot be among the first by the columns before is not looked at.
        left = column.take(rows) if len(rows) < len(column) else column
        classes, values = _ranked(left, seen)
        sign = -1 if down else 1
        if last is not None:
            there = left.present()
            # Above every class, or below it, whichever way it goes.
            classes = np.where(there, classes, sign * (_NULLS if last[place] else -_NULLS))
            values = np.where(there, values, 0.0)
        if not by and first is not None and first < len(rows) // 4:
            rows = _foremost(classes, values, down, first)
            classes, values = classes[rows], values[rows]
        by += [sign * classes, sign * values]
    return rows[np.lexsort(by[::-1])][:first]


def _foremost(classes: NDArray[np.float64], values: NDArray[np.float64], down: bool, first: int) -> Indexes:
    """The rows that may be among the first by this column alone."""
    if not first or (classes != classes[0]).any():
        return np.arange(len(classes))
    values = -values if down else values
    return np.flatnonzero(values <= np.partition(values, first - 1)[first - 1])


def _ranked(column: Column, seen: Seen) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numbers by which values sort: those of their classes, and within a class."""
    match column:
        case Floats(numbers=numbers, absent=absent):
            nan = np.isnan(numbers)
            classes = np.where(absent, _CLASSES[ABSENT], np.where(nan, _NAN, _CLASSES[FLOAT]))
            return classes, np.where(absent | nan, 0.0, numbers)
        case Stored(held=held, numbers=numbers):
            forms, values = held.forms[numbers], held.numbers[numbers]
            classes = _CLASSES[forms]
            texts = np.flatnonzero(forms == STRING)
            if len(texts):
                values = values.copy()
                values[texts] = held.ranks()[values[texts].astype(np.int64)]
            return classes, values
    found = [sort_key(value) for value in column.datums(seen)]
    places = sorted(range(len(found)), key=found.__getitem__)
    ranks = np.zeros(len(found))
    rank = 0
    for before, place in zip([places[:1][0] if places else 0, *places], places, strict=False):
        rank += found[before] != found[place]
        ranks[place] = rank
    return np.zeros(len(found)), ranks


# Sums


def sums(numbers: NDArray[np.float64], groups: Indexes, count: int, *, mean: bool) -> Column:
    """The sum of each group, or its mean, without the error of adding one by one, as the reference has it: of two
    numbers the machine's own sum is that already."""
    sizes = np.bincount(groups, minlength=count)
    order = np.argsort(groups, kind="stable")
    sorted_ = numbers[order]
    begins = np.cumsum(sizes) - sizes
    with np.errstate(all="ignore"):
        totals = np.where(sizes > 0, np.append(sorted_, 0.0)[begins], 0.0)
        two = np.flatnonzero(sizes == 2)
        totals[two] += sorted_[begins[two] + 1]
        more = np.flatnonzero(sizes > 2)
        if len(more):
            listed, spans = sorted_.tolist(), zip(begins[more].tolist(), sizes[more].tolist(), strict=True)
            totals[more] = [float_sum(listed[begin : begin + size]) for begin, size in spans]
        totals += 0.0
        if mean:
            return Floats(totals / np.maximum(sizes, 1), sizes == 0)
    if (sizes == 0).any():
        # The sum of nothing is the whole number 0.
        return Values([total if size else 0 for total, size in zip(totals.tolist(), sizes.tolist(), strict=True)])
    return Floats(totals, np.zeros(count, np.bool_))
