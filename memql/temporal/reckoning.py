"""Reckoning: a duration added to a date or time, and the duration between two of them."""

from memql.temporal.calendar import months_later, months_until, quotient
from memql.temporal.durations import Duration, whole
from memql.temporal.instants import (
    DAY,
    MIDNIGHT,
    Date,
    DateTime,
    LocalDateTime,
    LocalTime,
    Temporal,
    Time,
    at,
    zoned,
)
from memql.temporal.making import date_of, time_of, zone_in


def shifted(value: Temporal, by: Duration, sign: int = 1) -> Temporal:
    """The value so much later, or with sign -1 earlier: first by months, then by days, then by the time.

    What has no date leaves out months and days and begins the day anew; of the time, a date takes whole days.
    """
    months, days, nanos = sign * by.months, sign * by.days, sign * by.time
    match value:
        case LocalTime():
            return LocalTime((value.nanos + nanos) % DAY)
        case Time():
            return Time(LocalTime((value.local.nanos + nanos) % DAY), value.offset)
        case Date():
            return _days_later(value, months, days + quotient(nanos, DAY))
        case LocalDateTime():
            return LocalDateTime(_days_later(value.date, months, days), value.time).plus(nanos)
    local = LocalDateTime(_days_later(value.local.date, months, days), value.local.time)
    moved = zoned(local, value.place, value.offset)
    return at(moved.nanos + nanos, value.place)


def _days_later(date: Date, months: int, days: int) -> Date:
    return Date((months_later(date.number, months) if months else date.number) + days)


# Between


def between(first: Temporal, last: Temporal) -> Duration:
    """Whole months, then whole days, then the time; without dates on both sides only the time."""
    if date_of(first) is None or date_of(last) is None:
        return in_seconds(first, last)
    one, other = _alike(first, last)
    months = _months(one, other)
    one = _later(one, months, 0)
    days = _days(one, other)
    return whole(months, days, _nanos(_later(one, 0, days), other))


def in_months(first: Temporal, last: Temporal) -> Duration:
    if date_of(first) is None or date_of(last) is None:
        return Duration()
    return Duration(months=_months(*_alike(first, last)))


def in_days(first: Temporal, last: Temporal) -> Duration:
    if date_of(first) is None or date_of(last) is None:
        return Duration()
    return Duration(days=_days(*_alike(first, last)))


def in_seconds(first: Temporal, last: Temporal) -> Duration:
    return whole(0, 0, _nanos(*_alike(first, last)))


_Moment = LocalDateTime | DateTime


def _alike(first: Temporal, last: Temporal) -> tuple[_Moment, _Moment]:
    """Both with a date and a time, and with a zone if one has. What one lacks it has from the other; a date alone is
    its midnight, and two times are of the same day."""
    day = date_of(first) or date_of(last) or Date(0)
    ones = [LocalDateTime(date_of(each) or day, time_of(each) or MIDNIGHT) for each in (first, last)]
    zone, other = zone_in(first), zone_in(last)
    if zone is None and other is None:
        return ones[0], ones[1]
    return _placed(first, ones[0], zone if zone is not None else other), _placed(
        last, ones[1], other if other is not None else zone
    )


def _placed(value: Temporal, local: LocalDateTime, zone: int | str | None) -> DateTime:
    if isinstance(value, DateTime):
        return value
    assert zone is not None
    return zoned(local, zone)


def _in_place_of(first: _Moment, last: _Moment) -> tuple[LocalDateTime, LocalDateTime]:
    """What clocks where the first is show at both."""
    if isinstance(first, DateTime) and isinstance(last, DateTime):
        return first.local, at(last.nanos, first.place).local
    assert isinstance(first, LocalDateTime)
    assert isinstance(last, LocalDateTime)
    return first, last


def _last_day(first: LocalDateTime, last: LocalDateTime) -> int:
    """The day until which whole days are counted: not that of the last where its time has not yet come."""
    day = last.date.number
    if day > first.date.number and last.time < first.time:
        return day - 1
    if day < first.date.number and last.time > first.time:
        return day + 1
    return day


def _months(first: _Moment, last: _Moment) -> int:
    one, other = _in_place_of(first, last)
    return months_until(one.date.number, _last_day(one, other))


def _days(first: _Moment, last: _Moment) -> int:
    one, other = _in_place_of(first, last)
    return _last_day(one, other) - one.date.number


def _nanos(first: _Moment, last: _Moment) -> int:
    return last.nanos - first.nanos


def _later(moment: _Moment, months: int, days: int) -> _Moment:
    later = shifted(moment, Duration(months, days))
    assert isinstance(later, LocalDateTime | DateTime)
    return later
