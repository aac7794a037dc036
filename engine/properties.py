"""Properties of items in memory, a column each: what a condition over all items is answered from.

A column is made when it is first worth it, from the index, each row checked, and is as long as there are versions: what
a version says never changes, so that a commit only adds to it. Only erasure takes something away, and then every column
goes. Together they keep within `limits.property_memory`; the one unused for longest makes room. What a column cannot
hold exactly it says to be elsewhere, and that is read.
"""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.columns import Columns, Numbers
from engine.index import Index
from engine.journal import JournalFailed
from engine.limits import Limits
from memql.values import from_json, instant, micros
from memql.world import Datum

ABSENT: Final = 0
FLOAT: Final = 1
INTEGER: Final = 2
STRING: Final = 3
BOOLEAN: Final = 4
DATETIME: Final = 5
DATE: Final = 6
ELSEWHERE: Final = 7
"""The forms of a value: of a number the number itself; of a text its place among the texts; of a time microseconds, of
a date its ordinal. `ELSEWHERE` is what no float holds exactly, and lists, maps and other times."""

EXACT: Final = 2**53
"""Up to here every whole number is a float."""
_READ = 20_000
"""Rows read between two looks at the deadline: some fifty milliseconds."""
_EACH, _TEXT = 9, 80
"""Bytes of a row, and of a text beside its characters."""
WORTH: Final = 4
"""Reading an item costs so many times what one row of a column costs to make."""


class Held:
    """One property of every version, by dense id. Rows are only ever added, so who reads needs no lock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.forms: NDArray[np.int8] = np.zeros(1_024, np.int8)
        self.numbers: NDArray[np.float64] = np.zeros(1_024, np.float64)
        self.texts: list[str] = []
        self.upto = 1
        """Versions below this dense id are in it."""
        self._places: dict[str, int] = {}
        self._characters = 0
        self._ranks: NDArray[np.float64] = np.empty(0, np.float64)

    @property
    def bytes(self) -> int:
        return _EACH * len(self.forms) + _TEXT * len(self.texts) + self._characters

    def add(self, values: list[Any]) -> None:
        """The values of the next versions, as they are written in the index."""
        count = len(values)
        while self.upto + count > len(self.forms):
            self.forms = np.concatenate([self.forms, np.zeros(len(self.forms), np.int8)])
            self.numbers = np.concatenate([self.numbers, np.zeros(len(self.numbers))])
        taken = [_NOTHING if value is None else self._taken(value) for value in values]
        rows = slice(self.upto, self.upto + count)
        self.forms[rows] = [form for form, _ in taken]
        self.numbers[rows] = [number for _, number in taken]
        self.upto += count

    def _taken(self, value: Any) -> tuple[int, float]:
        match value:
            case bool():
                return BOOLEAN, float(value)
            case str():
                return STRING, self._place(value)
            case float():
                return FLOAT, value
            case int() if -EXACT <= value <= EXACT:
                return INTEGER, float(value)
            case dict():
                read = from_json(value)
                if type(read) is datetime and abs(us := micros(read)) <= EXACT:
                    return DATETIME, float(us)
                if type(read) is date:
                    return DATE, float(read.toordinal())
        return ELSEWHERE, 0.0

    def _place(self, text: str) -> float:
        if (place := self._places.get(text)) is None:
            place = self._places[text] = len(self.texts)
            self._characters += len(text)
            self.texts.append(text)
        return float(place)

    def values(self, denses: Numbers) -> list[Datum]:
        """What these versions say. None of it may be elsewhere."""
        makers = _MAKERS | {STRING: lambda place: self.texts[int(place)]}
        pairs = zip(self.forms[denses].tolist(), self.numbers[denses].tolist(), strict=True)
        return [makers[form](number) for form, number in pairs]

    def ranks(self) -> NDArray[np.float64]:
        """The place of each text in the order of texts."""
        if len(self._ranks) < len(self.texts):
            texts = self.texts[:]
            ranks = np.empty(len(texts))
            ranks[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
            self._ranks = ranks
        return self._ranks


_NOTHING = (ABSENT, 0.0)
_MAKERS: dict[int, Callable[[float], Datum]] = {
    ABSENT: lambda _: None,
    FLOAT: lambda number: number,
    INTEGER: int,
    BOOLEAN: bool,
    DATETIME: lambda us: instant(int(us)),
    DATE: lambda day: date.fromordinal(int(day)),
}


class Properties:
    """The columns of one tenant. Safe to use from several threads."""

    def __init__(self, columns: Columns, limits: Limits) -> None:
        self._columns = columns
        self._most = limits.property_memory
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._asked: dict[str, int] = {}
        self._too_large: set[str] = set()
        self._erased = len(columns.erased)
        self._lock = threading.Lock()

    def held(self, name: str, count: int, rows: int, index: Index, check: Callable[[], None]) -> Held | None:
        """The column with all versions below the dense id `count`; None while it is better to read the `rows` that are
        asked for. `check` is called now and then, and may raise to stop."""
        with self._lock:
            self._let_go()
            held = self._held.get(name)
            missing = count - (held.upto if held else 1)
            if held is not None and missing <= 0:
                self._held.move_to_end(name)
                return held
            self._asked[name] = asked = self._asked.get(name, 0) + rows
            if name in self._too_large or asked * WORTH < missing:
                return None
            held = held or Held(name)
            self._held[name] = held
            while held.upto < count:
                check()
                held.add(_values(index, name, held.upto, min(_READ, count - held.upto)))
                if not self._fits(held):
                    return None
            self._held.move_to_end(name)
            return held

    def forget_erased(self) -> None:
        """A text that was erased is in memory no longer than in the index. Asked after every commit."""
        if self._erased != len(self._columns.erased):
            with self._lock:
                self._let_go()

    def _let_go(self) -> None:
        if self._erased != len(self._columns.erased):
            self._erased = len(self._columns.erased)
            self._held.clear()

    def _fits(self, held: Held) -> bool:
        """Whether there is room for it, others let go where they must."""
        if held.bytes > self._most:
            self._too_large.add(held.name)
            del self._held[held.name]
            return False
        while sum(each.bytes for each in self._held.values()) > self._most:
            del self._held[next(name for name in self._held if name != held.name)]
        return True


def _values(index: Index, name: str, first: int, count: int) -> list[Any]:
    """The property of `count` versions from this one on, as written; each row checked as any reading of it does."""
    rows = index.db.execute(
        "SELECT dense, crc, id, body FROM items WHERE dense >= ? AND dense < ? ORDER BY dense", (first, first + count)
    ).fetchall()
    written, key = [], f'"{name}"'.encode()
    try:
        for place, (dense, crc, id_, body) in enumerate(rows, first):
            if dense != place or zlib.crc32(body or b"", zlib.crc32(id_.encode())) != crc:
                raise ValueError
            there = body and key in body
            written.append(orjson.loads(body).get("properties", {}).get(name) if there else None)
    except (TypeError, ValueError, AttributeError):
        raise JournalFailed("rows of items are not as they were written") from None
    if len(written) < count:
        raise JournalFailed("rows of items are missing")
    return written
