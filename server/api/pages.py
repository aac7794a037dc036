"""Which part of an ordered whole is a page: so many from its start or its end, between two cursors.

Cursors name rows, never how many came before them; where a page ends is found among the rows as they were at the
cursor's position, so that what others write meanwhile moves nothing.
"""

import zlib
from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass

import numpy as np

from engine.columns import Mask, Numbers
from memql.errors import Refusal, invalid, over_limit
from server.api import cursors
from server.api.cursors import Cursor
from server.api.types import PageInfo


@dataclass(frozen=True, slots=True)
class Paging:
    """The arguments of a page: `first` from the start or `last` from the end, of what is behind `after` and before
    `before`."""

    first: int | None = None
    last: int | None = None
    after: Cursor | None = None
    before: Cursor | None = None

    @property
    def cursor(self) -> Cursor | None:
        """One that says at which position the pages before were read."""
        return self.after or self.before

    @property
    def backward(self) -> bool:
        return self.last is not None

    def size(self, usual: int) -> int:
        """How many rows are asked for."""
        return self.last if self.last is not None else usual if self.first is None else self.first

    def wrong(self, usual: int, most: int, asked: int) -> Refusal | None:
        """Why there can be no such page. One row of a read is kept to look ahead. `asked` tells an order from others:
        cursors mean nothing to another one."""
        name = "last" if self.backward else "first"
        if self.first is not None and self.last is not None:
            return invalid("INVALID_VALUE", "a page begins at one end", "last", "give `first` or `last`, not both")
        if (size := self.size(usual)) < 0:
            return invalid("INVALID_VALUE", f"a page can't have {size} rows", name, "0 or more")
        if size > most - 1:
            return over_limit("read_rows", most - 1, size, name)
        for place, cursor in (("after", self.after), ("before", self.before)):
            if cursor and cursor.asked != asked:
                return cursors.bad(place)
        if self.after and self.before and self.after.position != self.before.position:
            return invalid("BAD_CURSOR", "the two cursors are of different positions", "before", "take both of a page")
        return None

    def taken(self, rows: Numbers, usual: int, erased: Set[int] = frozenset()) -> "Taken":
        """The page of these rows, which are all there are, in their order. What was `erased` has lost its place in
        any order but that of the rows themselves."""
        place, there = _place(rows, self.after, erased) if self.after else (0, False)
        start = place + there
        stop = max(start, _place(rows, self.before, erased)[0]) if self.before else len(rows)
        size = self.size(usual)
        begin, end = (max(start, stop - size), stop) if self.backward else (start, min(stop, start + size))
        return Taken(rows[begin:end], begin, begin > 0, end < len(rows))

    def between(self, among: Mask) -> Mask:
        """Of rows in the order of their numbers, those between the cursors."""
        if self.cursor is None:
            return among
        ahead = among.copy()
        if self.after:
            ahead[: self.after.row + 1] = False
        if self.before:
            ahead[self.before.row :] = False
        return ahead

    def ahead(self, rows: Numbers, usual: int) -> "Taken":
        """The page of rows between the cursors, in the order of their numbers; of a page from the start it is enough to
        have one more than it shows."""
        size = self.size(usual)
        if self.backward:
            shown = rows[len(rows) - size :] if size < len(rows) else rows
            return Taken(shown, 0, len(rows) > size or self.after is not None, self.before is not None)
        return Taken(rows[:size], 0, self.after is not None, len(rows) > size or self.before is not None)


@dataclass(frozen=True, slots=True)
class Taken:
    """The rows of a page, and whether there are others on both sides of it. `place`: that of the first in the whole."""

    rows: Numbers
    place: int
    before: bool
    behind: bool


NONE = Taken(np.empty(0, np.int64), 0, False, False)
"""A page without rows."""


def read(first: int | None, last: int | None, after: str | None, before: str | None) -> Paging | Refusal:
    """The page that is asked for, or which cursor is none."""
    cursor = cursors.read(after) if after is not None else None
    if isinstance(cursor, Refusal):
        return cursor
    other = cursors.read(before, "before") if before is not None else None
    if isinstance(other, Refusal):
        return other
    return Paging(first, last, cursor, other)


def told_apart(asked: Hashable) -> int:
    """A number for an order: never that of no order, which is 0."""
    return zlib.crc32(repr(asked).encode()) or 1


def cursors_of(position: int, taken: Taken, asked: int) -> list[str]:
    """A cursor for each row. One of an order also has its place, for when the row itself has lost what it was sorted
    by: erasure reaches into the past."""
    rows: Sequence[int] = taken.rows.tolist()
    if not asked:
        return [str(Cursor(position, row)) for row in rows]
    return [str(Cursor(position, row, place, asked)) for place, row in enumerate(rows, taken.place + 1)]


def page_info(cursors: Sequence[str], taken: Taken) -> PageInfo:
    ends = (cursors[0], cursors[-1]) if cursors else (None, None)
    return PageInfo(
        has_next_page=taken.behind, has_previous_page=taken.before, start_cursor=ends[0], end_cursor=ends[1]
    )


def _place(rows: Numbers, cursor: Cursor, erased: Set[int]) -> tuple[int, bool]:
    """Where the row of the cursor stands; where it is gone, where it stood."""
    if cursor.place == 0 or cursor.row not in erased:
        (found,) = np.nonzero(rows == cursor.row)
        if len(found):
            return int(found[0]), True
    return min(cursor.place - 1, len(rows)) if cursor.place else int(np.searchsorted(rows, cursor.row)), False
