"""Truncating: the beginning of the year, the week, the minute … that a date or time lies in."""

from collections.abc import Mapping
from typing import Any

from memql.temporal import calendar
from memql.temporal.calendar import day_of
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
    zone_of,
    zoned,
)
from memql.temporal.making import SUBSECONDS, composed, date_of, time_of, zone_in
from memql.temporal.untimely import Untimely

_YEARS = {"millennium": 1_000, "century": 100, "decade": 10, "year": 1}
_DATED = (*_YEARS, "weekYear", "quarter", "month", "week", "day")
_TIMED = {"day": DAY, "hour": 3_600 * SECOND, "minute": 60 * SECOND, "second": SECOND,
          "millisecond": 1_000_000, "microsecond": 1_000}  # fmt: skip
UNITS = (*_DATED, *(name for name in _TIMED if name != "day"))
_SPELLED = {unit.lower(): unit for unit in UNITS}


def truncated(
    of: type[Temporal], unit: str, value: Temporal, parts: Mapping[str, Any], now: DateTime, zone: Zone = UTC
) -> Temporal | None:
    """The beginning of the unit as a value of type `of`; `parts` then set what is smaller, and the zone."""
    if unit.lower() not in _SPELLED:
        raise Untimely(f"'{unit[:40]}' is no unit to truncate to", f"one of {', '.join(UNITS)}")
    unit = _SPELLED[unit.lower()]
    if None in parts.values():
        return None
    begun = _begun(of, unit, value, now, zone, parts.get("timezone"))
    changes = {name: change for name, change in parts.items() if name != "timezone"}
    if not changes:
        return begun
    name = {Date: "date", LocalTime: "time", Time: "time"}.get(type(begun), "datetime")
    return composed(of, {name: begun, **_kept_subseconds(unit, begun, changes), **changes}, now, zone)


def _begun(of: type[Temporal], unit: str, value: Temporal, now: DateTime, zone: Zone, asked: object) -> Temporal:
    date, time = _begin(of, unit, value)
    own = zone_in(value)
    place = zone if own is None else own
    if asked is not None:
        if not isinstance(asked, str) or of not in (Time, DateTime):
            raise Untimely("`timezone` takes a text, for a time or a datetime", "such as '+01:00'")
        place = zone_of(asked)
    if of is LocalTime:
        return time
    if of is Time:
        day = date or at(now.nanos, place).local.date
        return Time(time, zoned(LocalDateTime(day, time), place).offset)
    assert date is not None
    if of is Date:
        return date
    local = LocalDateTime(date, time)
    likely = value.offset if isinstance(value, DateTime) else None
    return local if of is LocalDateTime else zoned(local, place, likely)


def _begin(of: type[Temporal], unit: str, value: Temporal) -> tuple[Date | None, LocalTime]:
    date, time = date_of(value), time_of(value)
    timed = of in (LocalTime, Time)
    if unit not in (_TIMED if timed else _DATED if of is Date else UNITS):
        raise Untimely(f"nothing of this type is truncated to a {unit}", "truncate a datetime")
    if (date is None and not timed) or (time is None and (timed or unit not in _DATED)):
        raise Untimely(f"what has {'no date' if date is None else 'no time of day'} is not truncated to a {unit}")
    if unit in _DATED and not timed:
        assert date is not None
        return Date(_first_day(unit, date.number)), MIDNIGHT
    assert time is not None
    return date, LocalTime(time.nanos - time.nanos % _TIMED[unit])


def _first_day(unit: str, day: int) -> int:
    year, month, _ = calendar.civil(day)
    match unit:
        case "day":
            return day
        case "week":
            return day - calendar.weekday(day) + 1
        case "month":
            return day_of(year, month)
        case "quarter":
            return day_of(year, (month - 1) // 3 * 3 + 1)
        case "weekYear":
            return calendar.week_day(calendar.week(day)[0], 1, 1)
    return day_of(year - year % _YEARS[unit])


def _kept_subseconds(unit: str, begun: Temporal, changes: Mapping[str, Any]) -> dict[str, int]:
    """What is left of the second when only a smaller part of it is set."""
    time = time_of(begun)
    if time is None or unit not in SUBSECONDS or not changes.keys() & set(SUBSECONDS):
        return {}
    return {unit: time.nanos % SECOND // _TIMED[unit]}
