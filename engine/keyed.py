"""Rows under their keys, and what makes one answer out of another.

A key is a digest of what tells rows apart. Rows that nothing tells apart are counted, in the order of what they say:
so the keys of an answer follow from the answer alone, whoever gave it, and whenever.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.decide.view import ItemState, RelationState
from engine.execute.answer import PathState


@dataclass(frozen=True, slots=True)
class Row:
    """`place` is where it stands among all rows, from 0 on; None where they have no order."""

    key: str
    values: tuple[Any, ...]
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Keyed:
    """An answer's rows by key, in their order; `said` is what each says, to be compared."""

    rows: Mapping[str, Row]
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """The rows that are new, those that say something else or stand elsewhere, and the keys of those that are gone."""

    added: tuple[Row, ...]
    changed: tuple[Row, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def keyed(rows: Sequence[tuple[Any, ...]], columns: tuple[int, ...] | None, ordered: bool) -> Keyed:
    """The rows under their keys; `columns` tell them apart (None: all together)."""
    said = [repr([_said(value) for value in row]) for row in rows]
    alike: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        told_apart = said[place] if columns is None else repr([_identity(row[column]) for column in columns])
        alike.setdefault(told_apart, []).append(place)
    keys = [""] * len(rows)
    for told_apart, places in alike.items():
        digest = hashlib.blake2b(told_apart.encode(), digest_size=12).hexdigest()
        for number, place in enumerate(sorted(places, key=said.__getitem__)):
            keys[place] = f"{digest}.{number}" if number else digest
    made = {
        key: Row(key, row, place if ordered else None) for place, (key, row) in enumerate(zip(keys, rows, strict=True))
    }
    return Keyed(made, dict(zip(keys, said, strict=True)))


def difference(before: Keyed, after: Keyed) -> Difference:
    """What makes the first of them the second. Of rows with places also those are told that have moved among the
    others: take away what is gone, changed or moved, then put in what is new or changed, the first places first."""
    removed = tuple(key for key in before.rows if key not in after.rows)
    added = tuple(row for key, row in after.rows.items() if key not in before.rows)
    moved = _moved(before, after)
    changed = tuple(
        row
        for key, row in after.rows.items()
        if key in before.rows and (key in moved or before.said[key] != after.said[key])
    )
    return Difference(added, changed, removed)


def _moved(before: Keyed, after: Keyed) -> set[str]:
    """As few rows as can be, without which the others stand in the order in which they stood."""
    stayed = [
        (key, old.place) for key, row in after.rows.items() if row.place is not None and (old := before.rows.get(key))
    ]
    places = [place for _, place in stayed if place is not None]
    if places == sorted(places):
        return set()
    kept = _longest_rise(places)
    return {key for at, (key, _) in enumerate(stayed) if at not in kept}


def _longest_rise(numbers: Sequence[int]) -> set[int]:
    """The places of a longest part of the sequence that rises."""
    ends: list[int] = []
    before: list[int] = [-1] * len(numbers)
    for at, number in enumerate(numbers):
        low, high = 0, len(ends)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if numbers[ends[middle]] < number else (low, middle)
        before[at] = ends[low - 1] if low else -1
        ends[low : low + 1] = [at]
    found: set[int] = set()
    at = ends[-1] if ends else -1
    while at >= 0:
        found.add(at)
        at = before[at]
    return found


def _identity(value: Any) -> Any:
    return value.id if isinstance(value, ItemState | RelationState) else _said(value)


def _said(value: Any) -> Any:
    """What a value says, so that values that say the same are written the same. A version of an item is known by its
    number; what was erased says so."""
    match value:
        case ItemState():
            return ("item", value.id, value.dense, value.retired_at, value.erased)
        case RelationState():
            return ("relation", value.id, value.row, value.retired_at)
        case PathState():
            return ("path", [_said(each) for each in value.nodes], [_said(each) for each in value.relations])
        case list():
            return [_said(each) for each in value]
        case dict():
            return {name: _said(value[name]) for name in sorted(value)}
    return value
