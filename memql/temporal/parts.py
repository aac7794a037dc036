"""The parts of dates, times and durations, as properties of them."""

from collections.abc import Mapping
from types import MappingProxyType

from memql.temporal import calendar, zones
from memql.temporal.durations import DURATION_PARTS, Duration, duration_part
from memql.temporal.instants import SECOND, DateTime, LocalTime, Temporal, Time
from memql.temporal.making import date_of, time_of

OF_DATE = ("year", "quarter", "month", "week", "weekYear", "day", "ordinalDay", "weekDay", "dayOfWeek", "dayOfQuarter",
           "quarterDay")  # fmt: skip
OF_TIME = ("hour", "minute", "second", "millisecond", "microsecond", "nanosecond")
OF_ZONE = ("timezone", "offset", "offsetMinutes", "offsetSeconds")
OF_INSTANT = ("epochMillis", "epochSeconds")
PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "date": OF_DATE,
        "localtime": OF_TIME,
        "time": (*OF_TIME, *OF_ZONE),
        "localdatetime": (*OF_DATE, *OF_TIME),
        "datetime": (*OF_DATE, *OF_TIME, *OF_ZONE, *OF_INSTANT),
        "duration": DURATION_PARTS,
    }
)
"""Of each type the parts that it has; all are integers but those of `TEXTS`."""
TEXTS = frozenset({"timezone", "offset"})
_SPELLED = {name.lower(): name for names in PARTS.values() for name in names}


def spelled(name: str) -> str:
    """The part's name as it is written here, for one written in any capitals."""
    return _SPELLED.get(name.lower(), name)


def part(value: Temporal | Duration, name: str) -> int | str | None:
    """None where it has no such part. Its name may be written in any capitals."""
    name = spelled(name)
    if isinstance(value, Duration):
        return duration_part(value, name)
    date, time = date_of(value), time_of(value)
    if name in OF_DATE and date is not None:
        return date_part(date.number, name)
    if name in OF_TIME and time is not None:
        return time_part(time, name)
    if name in OF_ZONE and isinstance(value, Time | DateTime):
        return _zone_part(value, name)
    if name in OF_INSTANT and isinstance(value, DateTime):
        return value.nanos // (SECOND if name == "epochSeconds" else 1_000_000)
    return None


def date_part(day: int, name: str) -> int:
    year, month, of_month = calendar.civil(day)
    match name:
        case "year":
            return year
        case "quarter":
            return (month + 2) // 3
        case "month":
            return month
        case "week":
            return calendar.week(day)[1]
        case "weekYear":
            return calendar.week(day)[0]
        case "ordinalDay":
            return day - calendar.day_of(year) + 1
        case "weekDay" | "dayOfWeek":
            return calendar.weekday(day)
        case "dayOfQuarter" | "quarterDay":
            return day - calendar.day_of(year, (month - 1) // 3 * 3 + 1) + 1
    return of_month


def time_part(time: LocalTime, name: str) -> int:
    match name:
        case "hour":
            return time.second // 3_600
        case "minute":
            return time.second // 60 % 60
        case "second":
            return time.second % 60
    return time.nanos % SECOND // {"millisecond": 1_000_000, "microsecond": 1_000, "nanosecond": 1}[name]


def _zone_part(value: Time | DateTime, name: str) -> int | str:
    match name:
        case "timezone" if isinstance(value, DateTime) and value.zone:
            return value.zone
        case "offsetSeconds":
            return value.offset
        case "offsetMinutes":
            return calendar.quotient(value.offset, 60)
    return zones.offset_text(value.offset)
