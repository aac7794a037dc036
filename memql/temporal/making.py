"""Dates and times from a map of their parts, and from other dates and times.

A part that is left out is the least, but none may be left out that is greater than one given; where a part is taken
from another value (`date`, `time`, `datetime`) the others override it. A null part makes the whole null, as it does
everywhere in the language.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from memql.temporal import calendar
from memql.temporal.calendar import within
from memql.temporal.instants import (
    DAY,
    MIDNIGHT,
    SECOND,
    UTC,
    Date,
    DateTime,
    LocalDateTime,
    LocalTime,
    Temporal,
    Time,
    Zone,
    at,
    local_time,
    zone_of,
    zoned,
)
from memql.temporal.reading import read_date, read_date_time, read_local_date_time, read_local_time, read_time
from memql.temporal.untimely import Untimely

Parts = Mapping[str, Any]

CALENDAR = ("year", "month", "day")
_FORMS: tuple[tuple[str, ...], ...] = (
    CALENDAR,
    ("year", "week", "dayOfWeek"),
    ("year", "quarter", "dayOfQuarter"),
    ("year", "ordinalDay"),
)
DATE_PARTS = frozenset(name for form in _FORMS for name in form)
SUBSECONDS = ("millisecond", "microsecond", "nanosecond")
CLOCK = ("hour", "minute", "second")
TIME_PARTS = frozenset({*CLOCK, *SUBSECONDS})
_EPOCHS = {"epochSeconds": SECOND, "epochMillis": 1_000_000}
_TAKES: Mapping[type[Temporal], frozenset[str]] = {
    Date: DATE_PARTS | {"date", "datetime", "timezone"},
    LocalTime: TIME_PARTS | {"time", "datetime", "timezone"},
    Time: TIME_PARTS | {"time", "datetime", "timezone"},
    LocalDateTime: DATE_PARTS | TIME_PARTS | {"date", "time", "datetime", "timezone"},
    DateTime: DATE_PARTS | TIME_PARTS | {"date", "time", "datetime", "timezone", *_EPOCHS},
}
_SPOKEN: Mapping[type[Temporal], str] = {
    Date: "a date", LocalTime: "a localtime", Time: "a time",
    LocalDateTime: "a localdatetime", DateTime: "a datetime",
}  # fmt: skip


# What another value has


def date_of(value: Temporal) -> Date | None:
    match value:
        case Date():
            return value
        case LocalDateTime():
            return value.date
        case DateTime():
            return value.local.date
    return None


def time_of(value: Temporal) -> LocalTime | None:
    match value:
        case LocalTime():
            return value
        case Time():
            return value.local
        case LocalDateTime():
            return value.time
        case DateTime():
            return value.local.time
    return None


def zone_in(value: Temporal) -> Zone | None:
    match value:
        case Time():
            return value.offset
        case DateTime():
            return value.place
    return None


def made(of: type[Temporal], value: object, now: DateTime, zone: Zone = UTC) -> Temporal | None:
    """The value of type `of` that a text, a map of parts or another value says. `zone`: of what says none."""
    match value:
        case None:
            return None
        case str():
            return _read(of, value, now, zone)
        case Date() | LocalTime() | Time() | LocalDateTime() | DateTime():
            return selected(of, value, now, zone)
        case dict():
            return composed(of, value, now, zone)
    raise Untimely(f"{_SPOKEN[of]} is made of a text, a map or another date or time", "such as {year: 2026, month: 3}")


def _read(of: type[Temporal], text: str, now: DateTime, zone: Zone) -> Temporal:
    readers: Mapping[type[Temporal], Callable[[], Temporal]] = {
        Date: lambda: read_date(text),
        LocalTime: lambda: read_local_time(text),
        Time: lambda: read_time(text, at(now.nanos, zone).offset),
        LocalDateTime: lambda: read_local_date_time(text),
        DateTime: lambda: read_date_time(text, zone),
    }
    return readers[of]()


def selected(of: type[Temporal], value: Temporal, now: DateTime, zone: Zone) -> Temporal:
    """Another value as one of type `of`: what it has too much is left out, what it lacks must be only a zone or the
    time of a date."""
    date, time = date_of(value), time_of(value)
    if (of not in (LocalTime, Time) and date is None) or (of in (LocalTime, Time) and time is None):
        lacks = "no time of day" if date else "no date"
        raise Untimely(f"{_SPOKEN[of]} is not made of {_SPOKEN[type(value)]} alone, which has {lacks}")
    place = zone_in(value)
    return _joined(of, date, time or MIDNIGHT, zone if place is None else place, now, getattr(value, "offset", None))


def _joined(
    of: type[Temporal], date: Date | None, time: LocalTime, zone: Zone, now: DateTime, likely: int | None = None
) -> Temporal:
    """Only as much of it as the type has. A time of day keeps a `likely` offset; in a named zone it is at today's."""
    if of is LocalTime:
        return time
    if of is Time:
        return Time(time, at(now.nanos, zone).offset if likely is None else likely)
    assert date is not None
    if of is Date:
        return date
    local = LocalDateTime(date, time)
    return local if of is LocalDateTime else zoned(local, zone, likely)


def current(of: type[Temporal], now: DateTime, zone: Zone = UTC) -> Temporal:
    """What clocks of the zone say now."""
    return selected(of, at(now.nanos, zone), now, zone)


# From parts


def composed(of: type[Temporal], parts: Parts, now: DateTime, zone: Zone = UTC) -> Temporal | None:
    _check_names(of, parts)
    if None in parts.values():
        return None
    asked = zone_of(_text(parts["timezone"])) if "timezone" in parts else None
    if parts.keys() == {"timezone"}:
        return current(of, now, zone if asked is None else asked)
    if epoch := parts.keys() & _EPOCHS.keys():
        return _since_epoch(epoch, parts, zone if asked is None else asked)
    base = _base(parts, "datetime")
    dated, timed = base or _base(parts, "date"), base or _base(parts, "time")
    date = None if of in (LocalTime, Time) else compose_date(parts, None if dated is None else _needed(date_of, dated))
    time = MIDNIGHT if of is Date else compose_time(parts, None if timed is None else _needed(time_of, timed), of)
    # A time that was taken with its zone stays the same instant in another; one without is meant in that zone.
    own = None if timed is None else zone_in(timed)
    place = own if own is not None else zone if asked is None else asked
    likely = getattr(timed, "offset", None)
    whole = _joined(of, date, time, place, now, likely)
    if asked is None or own is None:
        return whole
    if isinstance(whole, DateTime):
        return at(whole.nanos, asked)
    if isinstance(whole, Time):
        then = timed.nanos if isinstance(timed, DateTime) else now.nanos
        return _moved(whole, at(then, asked).offset)
    return whole


def _moved(time: Time, offset: int) -> Time:
    """The same moment of the day at another offset."""
    return Time(LocalTime((time.local.nanos + (offset - time.offset) * SECOND) % DAY), offset)


def _check_names(of: type[Temporal], parts: Parts) -> None:
    if not parts:
        raise Untimely(f"{_SPOKEN[of]} is made of one part or more", "such as {year: 2026, month: 3}")
    for name in parts:
        if name not in _TAKES[of]:
            raise Untimely(f"{_SPOKEN[of]} has no part `{name[:40]}`", f"one of {', '.join(sorted(_TAKES[of]))}")
    if "datetime" in parts and ("date" in parts or "time" in parts):
        raise Untimely("`datetime` is both date and time", "take one of them, or both by `date` and `time`")


def _base(parts: Parts, name: str) -> Temporal | None:
    value = parts.get(name)
    if value is None or isinstance(value, Date | LocalTime | Time | LocalDateTime | DateTime):
        return value
    raise Untimely(f"`{name}` takes a date or a time", f"such as {{{name}: datetime()}}")


def _needed(part: Callable[[Temporal], Any], value: Temporal) -> Any:
    found = part(value)
    if found is None:
        raise Untimely(f"{_SPOKEN[type(value)]} has no {'date' if part is date_of else 'time of day'} to be taken")
    return found


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise Untimely("`timezone` takes a text", "such as 'Europe/Stockholm' or '+01:00'")


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Untimely(f"`{name}` takes a whole number")
    return value


def _since_epoch(epoch: set[str], parts: Parts, zone: Zone) -> DateTime:
    if len(epoch) > 1 or parts.keys() - epoch - {"nanosecond", "timezone"}:
        raise Untimely("seconds or milliseconds since 1970 are given alone, or with `nanosecond` and `timezone`")
    (name,) = epoch
    size = _EPOCHS[name]
    nanos = within("a nanosecond", _whole("nanosecond", parts.get("nanosecond", 0)), 0, size - 1)
    return at(_whole(name, parts[name]) * size + nanos, zone)


def _without_gap(form: Sequence[str], given: Mapping[str, int]) -> None:
    """Nothing may be left out before the last part that is given."""
    last = max((place for place, name in enumerate(form) if name in given), default=-1)
    for name in form[: last + 1]:
        if name not in given:
            raise Untimely(f"`{form[last]}` is given without `{name}`", f"give `{name}` too")


def compose_date(parts: Parts, base: Date | None) -> Date:
    given = {name: _whole(name, parts[name]) for name in parts if name in DATE_PARTS}
    forms = [form for form in _FORMS if given.keys() <= set(form)]
    if not forms:
        shown = " and ".join(f"`{name}`" for name in given if name != "year")
        raise Untimely(f"{shown} do not go together", "give month and day, week, quarter or ordinalDay")
    form = forms[0]
    if base is None:
        if not given:
            raise Untimely("a date needs a year", "such as {year: 2026, month: 3}")
        _without_gap(form, given)
        year = given["year"]
    else:
        year, month, day = calendar.civil(base.number)
        if "week" in form:
            year = calendar.week(base.number)[0]
        year = given.get("year", year)
    match form:
        case (_, "week", "dayOfWeek"):
            week = given.get("week", calendar.week(base.number)[1] if base else 1)
            of_week = given.get("dayOfWeek", calendar.weekday(base.number) if base else 1)
            return Date(calendar.week_day(year, week, of_week))
        case (_, "quarter", "dayOfQuarter"):
            quarter = given.get("quarter", (month + 2) // 3 if base else 1)
            of_quarter = given.get("dayOfQuarter", day_of_quarter(base) if base else 1)
            return Date(calendar.quarter_day(year, quarter, of_quarter))
        case (_, "ordinalDay"):
            return Date(calendar.ordinal_day(year, given["ordinalDay"]))
    month = given.get("month", month if base else 1)
    within("a month", month, 1, 12)
    # A day that was taken is the last one of a month that is too short; a day that was given must be.
    day = given.get("day", min(day, calendar.month_length(year, month)) if base else 1)
    return Date(calendar.day_of(year, month, day))


def day_of_quarter(date: Date) -> int:
    year, month, _ = calendar.civil(date.number)
    return date.number - calendar.day_of(year, (month - 1) // 3 * 3 + 1) + 1


def compose_time(parts: Parts, base: LocalTime | None, of: type[Temporal]) -> LocalTime:
    given = {name: _whole(name, parts[name]) for name in parts if name in TIME_PARTS}
    if base is None:
        if not given and of in (LocalTime, Time):
            raise Untimely(f"{_SPOKEN[of]} needs an hour", "such as {hour: 9, minute: 26}")
        finest = {"nanosecond": 0} if given.keys() & set(SUBSECONDS) else {}
        _without_gap((*CLOCK, "nanosecond"), {**given, **finest})
        base = MIDNIGHT
    hour, minute, second = base.second // 3600, base.second // 60 % 60, base.second % 60
    nano = subsecond(given) if given.keys() & set(SUBSECONDS) else base.nanos % SECOND
    return local_time(given.get("hour", hour), given.get("minute", minute), given.get("second", second), nano)


def subsecond(given: Mapping[str, int]) -> int:
    """Nanoseconds. Each of the three holds as much as the greater ones beside it leave."""
    total, room = 0, SECOND
    for name, size in zip(SUBSECONDS, (1_000_000, 1_000, 1), strict=True):
        if name in given:
            total += within(f"a {name}", given[name], 0, room // size - 1) * size
            room = size
    return total
