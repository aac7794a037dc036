"""Dates and times from ISO 8601 texts: calendar, week, quarter and ordinal dates, basic and extended, and of less
precision than a day or a second.
"""

import re

from memql.temporal import zones
from memql.temporal.calendar import day_of, ordinal_day, quarter_day, week_day
from memql.temporal.instants import (
    MIDNIGHT,
    UTC,
    Date,
    DateTime,
    LocalDateTime,
    LocalTime,
    Time,
    Zone,
    at,
    local_time,
    zoned,
)
from memql.temporal.untimely import Untimely

_DATE = re.compile(
    r"""(?:(?P<year>\d{4}) | (?P<far>[+-]\d{4,9})(?=[-WQ]|$))
    (?: -(?P<month>\d\d?) (?: -(?P<day>\d\d?) )?
      | (?P<basic_month>\d\d) (?P<basic_day>\d\d)?
      | -W(?P<week>\d\d) (?: -(?P<week_day>\d) )?  | W(?P<basic_week>\d\d) (?P<basic_week_day>\d)?
      | -Q(?P<quarter>\d) (?: -(?P<quarter_day>\d\d) )?  | Q(?P<basic_quarter>\d) (?P<basic_quarter_day>\d\d)?
      | -?(?P<ordinal>\d{3})
    )?""",
    re.ASCII | re.VERBOSE,
)
_TIME = re.compile(
    r"(\d\d)(?: : (\d\d) (?: : (\d\d) (?: [.,] (\d{1,9}) )? )? | (\d\d) (?: (\d\d) (?: [.,] (\d{1,9}) )? )? )?",
    re.ASCII | re.VERBOSE,
)
_ZONE_BEGINS = re.compile(r"[Zz+-]")
_DATE_ENDS = re.compile(r"[Tt ]")
"""A space stands for the T in many a text, though not in ISO 8601."""


def _no(text: str, what: str, such: str) -> Untimely:
    return Untimely(f"'{text[:40]}' is no ISO 8601 {what}", f"such as '{such}'")


def read_date(text: str) -> Date:
    found = _DATE.fullmatch(text)
    if found is None:
        raise _no(text, "date", "2026-03-14")
    parts = {name.removeprefix("basic_"): int(value) for name, value in found.groupdict().items() if value is not None}
    year = parts["far"] if "far" in parts else parts["year"]
    if "week" in parts:
        return Date(week_day(year, parts["week"], parts.get("week_day", 1)))
    if "quarter" in parts:
        return Date(quarter_day(year, parts["quarter"], parts.get("quarter_day", 1)))
    if "ordinal" in parts:
        return Date(ordinal_day(year, parts["ordinal"]))
    return Date(day_of(year, parts.get("month", 1), parts.get("day", 1)))


def read_local_time(text: str) -> LocalTime:
    found = _TIME.fullmatch(text.removeprefix("T").removeprefix("t"))
    if found is None:
        raise _no(text, "time of day", "09:26:53.5")
    hour, *extended, minute, second, fraction = found.groups()
    given = extended if extended[0] is not None else [minute, second, fraction]
    nano = int((given[2] or "0").ljust(9, "0"))
    return local_time(int(hour), int(given[0] or 0), int(given[1] or 0), nano)


def _parted(text: str) -> tuple[str, str]:
    """The time, and the zone behind it."""
    found = _ZONE_BEGINS.search(text)
    return (text[: found.start()], text[found.start() :]) if found else (text, "")


def read_time(text: str, zone: int = 0) -> Time:
    """Without an offset it is at `zone`."""
    time, written = _parted(text)
    offset = zones.offset_read(written) if written else zone
    if offset is None:
        raise _no(text, "time with an offset", "09:26:53+01:00")
    return Time(read_local_time(time), offset)


def read_local_date_time(text: str) -> LocalDateTime:
    """A date alone is its midnight."""
    found = _DATE_ENDS.search(text)
    if found is None:
        return LocalDateTime(read_date(text), MIDNIGHT)
    return LocalDateTime(read_date(text[: found.start()]), read_local_time(text[found.end() :]))


def read_date_time(text: str, zone: Zone = UTC) -> DateTime:
    """Without an offset and the name of a zone it is in `zone`; with both, the zone must have that offset then. A date
    alone is its midnight."""
    instant, *named = text.removesuffix("]").split("[") if text.endswith("]") else [text]
    ends = _DATE_ENDS.search(instant)
    date, (time, written) = (instant[: ends.start()], _parted(instant[ends.end() :])) if ends else (instant, ("00", ""))
    offset = zones.offset_read(written) if written else None
    if len(named) > 1 or (written and offset is None):
        raise _no(text, "time", "2026-03-14T09:26:53+01:00[Europe/Stockholm]")
    local = LocalDateTime(read_date(date), read_local_time(time))
    name = zones.known(named[0]) if named else ""
    if offset is None:
        return zoned(local, name or zone)
    if not name:
        return zoned(local, offset)
    if offset not in zones.offsets_of(name, local.date.number, local.time.second):
        hint = f"leave out the offset: '{local}[{name}]'"
        raise Untimely(f"{name} is not at {zones.offset_text(offset)} at this time", hint)
    return at(zoned(local, offset).nanos, name)
