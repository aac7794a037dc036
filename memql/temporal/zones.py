"""Time zones: offsets as text, and the rules of named zones.

The rules come from the package tzdata and not from the machine, for a question has the same answer everywhere: what
machines say of the times before 1970 differs. They are read once, as modules are, and never change while we run.
"""

import re
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from pkgutil import get_data
from zoneinfo import ZoneInfo

from memql.temporal.calendar import civil
from memql.temporal.untimely import Untimely

FARTHEST = 18 * 3600
"""Seconds that an offset may be away from UTC."""
_OFFSET = re.compile(r"[Zz]|([+-])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?", re.ASCII)
_HINT = "such as 'Europe/Stockholm', '+01:00' or 'Z'"


class _Bytes:
    """Bytes that are read from, as ZoneInfo wants them."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, size: int = -1, /) -> bytes:
        end = len(self._data) if size < 0 else self._at + size
        taken = self._data[self._at : end]
        self._at += len(taken)
        return taken

    def seek(self, size: int, whence: int = 0, /) -> int:
        self._at = size + (self._at if whence == 1 else len(self._data) if whence == 2 else 0)
        return self._at


@cache
def names() -> frozenset[str]:
    listed = get_data("tzdata", "zones")
    assert listed is not None
    return frozenset(listed.decode().split())


@cache
def _rules(name: str) -> ZoneInfo:
    """Only for a name of `names`: nothing that a user wrote becomes part of a path."""
    data = get_data("tzdata", f"zoneinfo/{name}")
    assert data is not None
    return ZoneInfo.from_file(_Bytes(data), key=name)


def known(name: str) -> str:
    """The name, which must be that of a zone."""
    if name in names():
        return name
    meant = {each.lower(): each for each in names()}
    near = get_close_matches(name.lower()[:64], meant, 1)
    raise Untimely(f"unknown time zone '{name[:40]}'", f"did you mean '{meant[near[0]]}'?" if near else _HINT)


def offset_read(text: str) -> int | None:
    """Seconds east of UTC; None where the text is no offset."""
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    sign, *parts = found.groups()
    hours, minutes, seconds = (int(each or 0) for each in parts)
    offset = hours * 3600 + minutes * 60 + seconds
    if minutes > 59 or seconds > 59 or offset > FARTHEST:
        raise Untimely(f"an offset is at most 18 hours, not '{text}'", _HINT)
    return -offset if sign == "-" else offset


def offset_text(offset: int) -> str:
    if offset == 0:
        return "Z"
    minutes, seconds = divmod(abs(offset), 60)
    shown = f"{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{shown}:{seconds:02}" if seconds else shown


def _year_with_rules(year: int) -> int:
    """Before its first rule a zone has one offset, after the last its rules repeat, and so does the calendar: a year
    that Python has stands for any that it has not."""
    return year % 400 + (400 if year < 2 else 9_200 if year > 9_998 else year - year % 400)


def _moment(day: int, second: int) -> datetime:
    year, month, of_month = civil(day)
    minute, second = divmod(second, 60)
    return datetime(_year_with_rules(year), month, of_month, minute // 60, minute % 60, second, tzinfo=UTC)


def _seconds(moment: datetime) -> int:
    offset = moment.utcoffset()
    assert offset is not None
    return offset.days * 86_400 + offset.seconds


def offset_at(name: str, day: int, second: int) -> int:
    """The zone's offset at a day and second in UTC."""
    return _seconds(_moment(day, second).astimezone(_rules(name)))


def offsets_of(name: str, day: int, second: int) -> tuple[int, int]:
    """The offsets before and after, at a day and second of the zone's own clocks. They differ where clocks are turned:
    forward where the second is greater (such a time never is), backward where it is less (such a time is twice)."""
    local = _moment(day, second).replace(tzinfo=_rules(name))
    return _seconds(local), _seconds(local.replace(fold=1))
