"""Python's own dates and times, which the stores hold, and ours, which have no ends and nanoseconds.

One value has one form: what Python can hold exactly is always held so, and only the rest as ours. A time in Python's
form is in UTC. So values can be compared as they are, and a time that was read or reckoned can be stored or sought.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

from memql.temporal.durations import Duration, read_duration
from memql.temporal.instants import DAY, Date, DateTime, LocalDateTime, LocalTime, Temporal, Time, at
from memql.temporal.reading import read_date, read_date_time, read_local_date_time, read_local_time, read_time

Held: TypeAlias = date | Temporal | Duration
"""Any date, time or duration as expressions meet it; Python's datetime is a date to Python."""
TYPES = frozenset({date, datetime, Date, LocalTime, Time, LocalDateTime, DateTime, Duration})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = date.min.toordinal() - _EPOCH.toordinal(), date.max.toordinal() - _EPOCH.toordinal()


def ours(value: Held) -> Temporal | Duration:
    """The value with all that is known of dates and times."""
    match value:
        case datetime():
            return at((value - _EPOCH) // timedelta(microseconds=1) * 1_000, 0)
        case date():
            return Date(value.toordinal() - _EPOCH.toordinal())
    return value


def held(value: Temporal | Duration | None) -> Held | None:
    """The value in its one form."""
    match value:
        case Date() if _fits(value.number):
            return date.fromordinal(value.number + _EPOCH.toordinal())
        case DateTime(offset=0, zone="") if value.nanos % 1_000 == 0 and _fits(value.nanos // DAY):
            return _EPOCH + timedelta(microseconds=value.nanos // 1_000)
    return value


def order_key(value: Held) -> Any:
    """What values of one type are ordered by, in either form. Most are Python's, and many are sorted."""
    match value:
        case datetime():
            return (value - _EPOCH) // timedelta(microseconds=1) * 1_000, 0, ""
        case date():
            return value.toordinal() - _EPOCH.toordinal()
        case Date():
            return value.number
        case DateTime() | Time():
            return value.key
        case Duration():
            return value.average
    return value.nanos


def _fits(day: int) -> bool:
    return _DAYS[0] <= day <= _DAYS[1]


def recalled(name: str, text: str) -> Temporal | Duration:
    """The value of the type `name` that was printed so. A time in a named zone keeps the offset that it had, whatever
    the rules of the zone have become."""
    match name:
        case "date":
            return read_date(text)
        case "time":
            return read_time(text)
        case "localtime":
            return read_local_time(text)
        case "localdatetime":
            return read_local_date_time(text)
        case "datetime":
            instant, _, zone = text.partition("[")
            read = read_date_time(instant)
            return DateTime(read.local, read.offset, zone.removesuffix("]"))
    assert name == "duration"
    return read_duration(text)


def type_name(value: Held) -> str:
    """The name of its type in the language."""
    return "datetime" if isinstance(value, datetime) else type(value).__name__.lower()
