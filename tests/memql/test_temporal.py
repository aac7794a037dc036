"""Dates, times and durations as openCypher has them: examples of each form, and laws that hold for any."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memql.temporal import (
    Date,
    DateTime,
    Duration,
    LocalDateTime,
    LocalTime,
    Temporal,
    Time,
    Untimely,
    at,
    between,
    current,
    duration,
    held,
    in_days,
    in_months,
    in_seconds,
    made,
    ours,
    part,
    read_duration,
    recalled,
    shifted,
    truncated,
    type_name,
)
from memql.temporal.calendar import FIRST, LAST, civil, day_of, week, week_day, weekday
from memql.temporal.instants import DAY, zoned
from memql.temporal.parts import PARTS
from memql.temporal.truncating import UNITS
from memql.temporal.zones import names
from memql.values import Misfit, conform, from_json, to_json

NOW = at(1_773_501_566_123_456_789, 0)
"""2026-03-14T15:19:26.123456789Z"""
TYPES: dict[str, type[Temporal]] = {
    "date": Date, "datetime": DateTime, "localdatetime": LocalDateTime, "time": Time, "localtime": LocalTime
}  # fmt: skip


def of(name: str, value: Any) -> str:
    """What the function of that name makes of the value, printed; or the beginning of its refusal."""
    try:
        return str(made(TYPES[name], value, NOW))
    except Untimely as wrong:
        return wrong.message


def moment(text: str) -> Temporal:
    """`time 09:26Z`: a value of the type that is named first."""
    name, _, written = text.partition(" ")
    value = made(TYPES[name], written, NOW)
    assert value is not None
    return value


# Reading and printing


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("2024-02-29", "2024-02-29"), ("20240229", "2024-02-29"), ("2024-02", "2024-02-01"), ("202402", "2024-02-01"),
        ("2024", "2024-01-01"), ("2024-2-9", "2024-02-09"), ("2024-W09-4", "2024-02-29"), ("2024W094", "2024-02-29"),
        ("2024-W09", "2024-02-26"), ("2024W09", "2024-02-26"), ("2024-060", "2024-02-29"), ("2024060", "2024-02-29"),
        ("2024-Q1-60", "2024-02-29"), ("2024Q160", "2024-02-29"), ("2024-Q4", "2024-10-01"), ("2024Q4", "2024-10-01"),
        ("+12024-02-29", "+12024-02-29"), ("-0044-03-15", "-0044-03-15"), ("0000-01-01", "0000-01-01"),
        ("2020-W53-7", "2021-01-03"), ("+2024-060", "2024-02-29"),
    ],
)  # fmt: skip
def test_dates_are_read_in_every_form(text: str, printed: str) -> None:
    """Calendar, week, quarter and ordinal dates, basic and extended, and less precise ones."""
    assert of("date", text) == printed


@pytest.mark.parametrize(
    "text",
    ["", "24-02-29", "2023-02-29", "2024-13", "2024-366T", "2023-366", "2021-W53", "2024-W09-8", "2024-Q5",
    "2024-Q1-92",
     "2024-02-29T10", "12024-01-01", "２０２４-01-01", "9" * 400],
)  # fmt: skip
def test_what_is_no_date_is_refused(text: str) -> None:
    """By its form, or because there is no such day."""
    with pytest.raises(Untimely):
        made(Date, text, NOW)


@pytest.mark.parametrize(
    ("name", "text", "printed"),
    [
        ("localtime", "09:26:53.5", "09:26:53.500"), ("localtime", "092653,123456789", "09:26:53.123456789"),
        ("localtime", "09", "09:00"), ("localtime", "T0926", "09:26"), ("localtime", "09:26:00", "09:26"),
        ("time", "09:26", "09:26Z"), ("time", "0926-0330", "09:26-03:30"), ("time", "09+01", "09:00+01:00"),
        ("time", "09:26:53+01:02:03", "09:26:53+01:02:03"), ("time", "09-00:00", "09:00Z"),
        ("localdatetime", "2024-02-29", "2024-02-29T00:00"), ("localdatetime", "20240229T0926", "2024-02-29T09:26"),
        ("localdatetime", "2024-060T09:26:53.000001", "2024-02-29T09:26:53.000001"),
        ("datetime", "2024-02-29T09:26:53Z", "2024-02-29T09:26:53Z"),
        ("datetime", "2024-W09T09+0100", "2024-02-26T09:00+01:00"),
        ("datetime", "2024-02-29 09:26", "2024-02-29T09:26Z"),
        ("datetime", "2024-02-29T09:26[Asia/Tokyo]", "2024-02-29T09:26+09:00[Asia/Tokyo]"),
        ("datetime", "2024-02-29[Europe/Stockholm]", "2024-02-29T00:00+01:00[Europe/Stockholm]"),
        ("datetime", "2024-07-01T09:26-04[America/New_York]", "2024-07-01T09:26-04:00[America/New_York]"),
        ("datetime", "1700-01-01T12:00[Europe/Berlin]", "1700-01-01T12:00+00:53:28[Europe/Berlin]"),
        ("datetime", "+20000-07-01T12:00[Europe/Paris]", "+20000-07-01T12:00+02:00[Europe/Paris]"),
    ],
)  # fmt: skip
def test_times_are_read_in_every_form(name: str, text: str, printed: str) -> None:
    """With and without seconds, fractions, offsets and the names of zones."""
    assert of(name, text) == printed


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("localtime", "24:00", "an hour is 0 to 23"), ("localtime", "09:60", "a minute is"),
        ("localtime", "9", "'9' is no ISO"),
        ("localtime", "09:2653", "'09:2653' is no ISO"), ("localtime", "09:26Z", "'09:26Z' is no ISO"),
        ("time", "09:26+19", "an offset is at most"), ("time", "09:26[Europe/Paris]", "'09:26[Europe/Paris]' is no"),
        ("datetime", "2024-02-29T09[Europe/Pariss]", "unknown time zone 'Europe/Pariss'"),
        ("datetime", "2024-02-29T09+05:00[Europe/Paris]", "Europe/Paris is not at +05:00"),
        ("datetime", "2024-02-29T09[../../etc/passwd]", "unknown time zone"),
        ("datetime", "2024-02-29T09[]", "unknown"),
        ("datetime", "2024-02-29T09:26+", "'2024-02-29T09:26+' is no"),
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(name: str, text: str, why: str) -> None:
    """The message says what is wrong with it."""
    assert of(name, text).startswith(why)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("P1Y2M3W4DT5H6M7.5S", "P1Y2M25DT5H6M7.5S"), ("P14M", "P1Y2M"), ("PT90S", "PT1M30S"), ("PT0S", "PT0S"),
        ("P0D", "PT0S"), ("P1.5Y", "P1Y6M"), ("P0.5M", "P15DT5H14M33S"), ("P1.5W", "P10DT12H"), ("P0,25D", "PT6H"),
        ("PT-0.25S", "PT-0.25S"), ("PT-1M1S", "PT-59S"), ("-P1DT1H", "P-1DT-1H"), ("P1DT-1H", "P1DT-1H"),
        ("P0001-02-03T04:05:06.7", "P1Y2M3DT4H5M6.7S"), ("P00010203T040506", "P1Y2M3DT4H5M6S"), ("pt1h", "PT1H"),
        ("PT36H", "PT36H"), ("P40D", "P40D"),
    ],
)  # fmt: skip
def test_durations_are_read_and_printed(text: str, printed: str) -> None:
    """By units, or as a date and time; what is left of a unit goes to the next smaller one."""
    assert str(read_duration(text)) == printed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "1D",
        "P1",
        "P1S",
        "PT1D",
        "P1DT",
        "P1D1Y",
        "P0001-13-01",
        "P" + "9" * 31 + "D",
        "P" + "9" * 19 + "D",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """By its form, or because it does not fit in 64 bits."""
    with pytest.raises(Untimely):
        read_duration(text)


# Made of parts and of others


@pytest.mark.parametrize(
    ("name", "parts", "printed"),
    [
        ("date", {"year": 2024, "month": 2}, "2024-02-01"),
        ("date", {"year": 2024, "week": 9, "dayOfWeek": 4}, "2024-02-29"),
        ("date", {"year": 2024, "quarter": 1, "dayOfQuarter": 60}, "2024-02-29"),
        ("date", {"year": 2024, "ordinalDay": 60}, "2024-02-29"),
        ("date", {"timezone": "Pacific/Kiritimati"}, "2026-03-15"),
        ("localtime", {"hour": 9, "minute": 26, "second": 53, "millisecond": 1, "nanosecond": 2}, "09:26:53.001000002"),
        ("time", {"hour": 9, "timezone": "+01:30"}, "09:00+01:30"),
        ("time", {"hour": 9, "timezone": "Asia/Tokyo"}, "09:00+09:00"),
        ("localdatetime", {"year": 2024, "hour": 9}, "2024-01-01T09:00"),
        ("datetime", {"year": 2024, "month": 7, "timezone": "Europe/Paris"}, "2024-07-01T00:00+02:00[Europe/Paris]"),
        ("datetime", {"epochSeconds": 86_400, "nanosecond": 7}, "1970-01-02T00:00:00.000000007Z"),
        ("datetime", {"epochMillis": -1, "timezone": "+01:00"}, "1970-01-01T00:59:59.999+01:00"),
        ("date", {"year": 2024, "month": None}, "None"),
    ],
)  # fmt: skip
def test_made_of_parts(name: str, parts: dict[str, Any], printed: str) -> None:
    """What is left out is the least; a null part makes it null."""
    assert of(name, parts) == printed


@pytest.mark.parametrize(
    ("name", "parts", "why"),
    [
        ("date", {"month": 2}, "`month` is given without `year`"),
        ("date", {"year": 2024, "day": 2}, "`day` is given without"),
        ("date", {"year": 2024, "month": 2, "week": 2}, "`month` and `week` do not go"),
        ("date", {}, "a date is made of one"),
        ("date", {"year": 2024, "hour": 1}, "a date has no part `hour`"),
        ("date", {"year": 1.5}, "`year` takes a whole"),
        ("date", {"year": True}, "`year` takes a whole"),
        ("date", {"year": 2023, "month": 2, "day": 29}, "a day of this month is 1 to 28"),
        ("date", {"year": 10**12}, "a year is"), ("localtime", {"minute": 1}, "`minute` is given without `hour`"),
        ("localtime", {"hour": 1, "nanosecond": 1}, "`nanosecond` is given without `minute`"),
        ("localtime", {"hour": 1, "minute": 1, "second": 1, "millisecond": 1, "nanosecond": 10**6},
         "a nanosecond is 0 to 999,999"),
        ("datetime", {"epochMillis": 1, "year": 2}, "seconds or milliseconds"),
        ("datetime", {"year": 2024, "timezone": 1}, "`timezone` takes"),
        ("date", {"date": "2024"}, "`date` takes a date"), ("datetime", 5, "a datetime is made of"),
    ],
)  # fmt: skip
def test_parts_that_say_no_date_are_refused(name: str, parts: Any, why: str) -> None:
    """Gaps, two forms at once, and numbers out of range."""
    assert of(name, parts).startswith(why)


@pytest.mark.parametrize(
    ("name", "base", "parts", "printed"),
    [
        ("date", "date 2024-01-31", {"month": 2}, "2024-02-29"),
        ("date", "date 2024-02-29", {"year": 2023}, "2023-02-28"),
        ("date", "date 2024-02-29", {"week": 1}, "2024-01-04"),
        ("date", "date 2024-02-29", {"dayOfWeek": 1}, "2024-02-26"),
        ("date", "date 2024-02-29", {"quarter": 2}, "2024-05-30"),
        ("date", "datetime 2024-02-29T23:00-05:00", {}, "2024-02-29"),
        ("localtime", "datetime 2024-02-29T23:00:01.5-05:00", {"minute": 7}, "23:07:01.500"),
        ("localtime", "localtime 09:26:53.123456789", {"millisecond": 5}, "09:26:53.005"),
        ("time", "time 23:00+01:00", {"timezone": "+05:00"}, "03:00+05:00"),
        ("time", "localtime 23:00", {"timezone": "+05:00"}, "23:00+05:00"),
        ("time", "datetime 2024-07-01T09:00[Europe/Paris]", {}, "09:00+02:00"),
        ("datetime", "localdatetime 2024-07-01T09:00", {"timezone": "Europe/Paris"},
         "2024-07-01T09:00+02:00[Europe/Paris]"),
        ("datetime", "datetime 2024-07-01T09:00[Europe/Paris]", {"timezone": "Asia/Tokyo"},
         "2024-07-01T16:00+09:00[Asia/Tokyo]"),
        ("datetime", "datetime 2024-07-01T23:00Z", {"timezone": "Asia/Tokyo", "second": 9},
         "2024-07-02T08:00:09+09:00[Asia/Tokyo]"),
        ("datetime", "datetime 2024-07-01T09:00[Europe/Paris]", {"month": 1}, "2024-01-01T09:00+01:00[Europe/Paris]"),
    ],
)  # fmt: skip
def test_made_of_others_with_changes(name: str, base: str, parts: dict[str, Any], printed: str) -> None:
    """What is taken gives way to what is said; a time with a zone stays the same instant in another."""
    taken = "date" if name == "date" else "time" if name in ("time", "localtime") else "datetime"
    assert of(name, {taken: moment(base), **parts}) == printed


def test_a_date_and_a_time_are_joined() -> None:
    """The zone is that of the time, at the date."""
    day, time = moment("date 2024-07-01"), moment("datetime 2024-01-01T09:00[Europe/Paris]")
    assert of("datetime", {"date": day, "time": time}) == "2024-07-01T09:00+02:00[Europe/Paris]"
    assert of("datetime", {"date": time, "hour": 1}) == "2024-01-01T01:00Z"


def test_clocks_that_are_turned() -> None:
    """A time that is skipped is later; of one that is twice it is the first, but an offset tells them apart."""
    assert of("datetime", "2024-03-31T02:30[Europe/Paris]") == "2024-03-31T03:30+02:00[Europe/Paris]"
    assert of("datetime", "2024-10-27T02:30[Europe/Paris]") == "2024-10-27T02:30+02:00[Europe/Paris]"
    assert of("datetime", "2024-10-27T02:30+01:00[Europe/Paris]") == "2024-10-27T02:30+01:00[Europe/Paris]"


def test_now_is_what_it_was_told() -> None:
    """In any type and zone."""
    assert {name: str(current(kind, NOW)) for name, kind in TYPES.items()} == {
        "date": "2026-03-14", "datetime": "2026-03-14T15:19:26.123456789Z", "time": "15:19:26.123456789Z",
        "localdatetime": "2026-03-14T15:19:26.123456789", "localtime": "15:19:26.123456789",
    }  # fmt: skip
    assert str(current(Date, NOW, "Pacific/Kiritimati")) == "2026-03-15"


# Parts, truncating, reckoning


def test_the_parts_of_a_time() -> None:
    """Each part that openCypher knows."""
    value = moment("datetime 2024-12-30T09:26:53.123456789[Europe/Paris]")
    assert {name: part(value, name) for name in PARTS["datetime"]} == {
        "year": 2024, "quarter": 4, "month": 12, "week": 1, "weekYear": 2025, "day": 30, "ordinalDay": 365,
        "weekDay": 1,
        "dayOfWeek": 1, "dayOfQuarter": 91, "quarterDay": 91, "hour": 9, "minute": 26, "second": 53, "millisecond": 123,
        "microsecond": 123456, "nanosecond": 123456789, "timezone": "Europe/Paris", "offset": "+01:00",
        "offsetMinutes": 60, "offsetSeconds": 3600, "epochMillis": 1735547213123, "epochSeconds": 1735547213,
    }  # fmt: skip
    assert part(moment("time 09:26-01:30"), "timezone") == "-01:30"
    assert part(value, "WEEKDAY") == 1
    assert part(moment("date 2024-12-30"), "hour") is None


def test_the_parts_of_a_duration() -> None:
    """In all, and what does not make a whole of the next unit; below zero the fraction is still counted forwards."""
    value = read_duration("P1Y7M17DT26H1M2.345678901S")
    assert {name: part(value, name) for name in PARTS["duration"]} == {
        "years": 1, "quarters": 6, "months": 19, "weeks": 2, "days": 17, "hours": 26, "minutes": 1561, "seconds": 93662,
        "milliseconds": 93662345, "microseconds": 93662345678, "nanoseconds": 93662345678901, "quartersOfYear": 2,
        "monthsOfYear": 7, "monthsOfQuarter": 1, "daysOfWeek": 3, "minutesOfHour": 1, "secondsOfMinute": 2,
        "millisecondsOfSecond": 345, "microsecondsOfSecond": 345678, "nanosecondsOfSecond": 345678901,
    }  # fmt: skip
    before = read_duration("PT-0.25S")
    assert (part(before, "seconds"), part(before, "nanosecondsOfSecond"), part(before, "nanoseconds")) == (
        -1, 750_000_000, -250_000_000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "unit", "value", "parts", "printed"),
    [
        ("date", "millennium", "date 2024-02-29", {}, "2000-01-01"),
        ("date", "century", "date 1999-02-28", {}, "1900-01-01"),
        ("date", "decade", "date 2029-02-28", {"day": 2}, "2020-01-02"),
        ("date", "weekYear", "date 2021-01-03", {}, "2019-12-30"),
        ("date", "quarter", "datetime 2024-02-29T09:00Z", {}, "2024-01-01"),
        ("date", "week", "date 2024-02-29", {"dayOfWeek": 7}, "2024-03-03"),
        ("date", "century", "date -0001-02-03", {}, "-0100-01-01"),
        ("localdatetime", "month", "date 2024-02-29", {"hour": 9}, "2024-02-01T09:00"),
        ("datetime", "day", "datetime 2024-03-31T09:00[Europe/Paris]", {}, "2024-03-31T00:00+01:00[Europe/Paris]"),
        ("datetime", "hour", "datetime 2024-07-01T09:26+01:00", {"timezone": "Asia/Tokyo"},
         "2024-07-01T09:00+09:00[Asia/Tokyo]"),
        ("datetime", "hour", "datetime 2024-10-27T02:30+01:00[Europe/Paris]", {},
         "2024-10-27T02:00+01:00[Europe/Paris]"),
        ("time", "minute", "datetime 2024-02-29T09:26:53-05:00", {}, "09:26-05:00"),
        ("time", "day", "localtime 09:26", {}, "00:00Z"),
        ("localtime", "millisecond", "time 09:26:53.123456789Z", {"nanosecond": 7}, "09:26:53.123000007"),
        ("localtime", "microsecond", "localtime 09:26:53.123456789", {}, "09:26:53.123456"),
        ("localtime", "SECOND", "localtime 09:26:53.123456789", {"millisecond": None}, "None"),
    ],
)  # fmt: skip
def test_truncating(name: str, unit: str, value: str, parts: dict[str, Any], printed: str) -> None:
    """The beginning of the unit, and then what is set."""
    assert str(truncated(TYPES[name], unit, moment(value), parts, NOW)) == printed


@pytest.mark.parametrize(
    ("name", "unit", "value"),
    [("date", "hour", "datetime 2024-02-29T09:00Z"), ("localtime", "week", "datetime 2024-02-29T09:00Z"),
     ("datetime", "hour", "date 2024-02-29"), ("time", "day", "date 2024-02-29"), ("date", "day", "localtime 09:00"),
     ("date", "fortnight", "date 2024-02-29")],
)  # fmt: skip
def test_what_cannot_be_truncated_is_refused(name: str, unit: str, value: str) -> None:
    """A unit that the type or the value has not."""
    with pytest.raises(Untimely):
        truncated(TYPES[name], unit, moment(value), {}, NOW)


@pytest.mark.parametrize(
    ("value", "by", "later", "earlier"),
    [
        ("date 2024-01-31", "P1M", "2024-02-29", "2023-12-31"),
        ("date 2024-01-31", "P1DT25H", "2024-02-02", "2024-01-29"),
        ("date 2024-02-29", "P1Y", "2025-02-28", "2023-02-28"), ("localtime 23:30", "P5DT1H", "00:30", "22:30"),
        ("time 00:15+02:00", "PT-30M", "23:45+02:00", "00:45+02:00"),
        ("localdatetime 2024-03-01T00:00", "PT0.000000001S", "2024-03-01T00:00:00.000000001",
         "2024-02-29T23:59:59.999999999"),
        ("datetime 2024-03-30T12:00[Europe/Paris]", "P1D", "2024-03-31T12:00+02:00[Europe/Paris]",
         "2024-03-29T12:00+01:00[Europe/Paris]"),
        ("datetime 2024-03-30T12:00[Europe/Paris]", "PT24H", "2024-03-31T13:00+02:00[Europe/Paris]",
         "2024-03-29T12:00+01:00[Europe/Paris]"),
    ],
)  # fmt: skip
def test_later_and_earlier(value: str, by: str, later: str, earlier: str) -> None:
    """Months first, then days, then the time; a day is no 24 hours where clocks are turned."""
    amount = read_duration(by)
    assert (str(shifted(moment(value), amount)), str(shifted(moment(value), amount, -1))) == (later, earlier)


@pytest.mark.parametrize(
    ("first", "last", "printed"),
    [
        ("date 2023-01-31", "date 2024-03-01", ("P1Y1M1D", "P1Y1M", "P395D", "PT9480H")),
        ("date 2024-03-01", "date 2023-01-31", ("P-1Y-1M-1D", "P-1Y-1M", "P-395D", "PT-9480H")),
        ("localdatetime 2024-01-01T12:00", "localdatetime 2024-02-01T11:59", ("P30DT23H59M", "PT0S", "P30D",
         "PT743H59M")),
        ("date 2024-01-01", "localtime 09:00", ("PT9H", "PT0S", "PT0S", "PT9H")),
        ("time 09:00+01:00", "localtime 10:00", ("PT1H", "PT0S", "PT0S", "PT1H")),
        ("time 09:00+01:00", "time 09:00Z", ("PT1H", "PT0S", "PT0S", "PT1H")),
        ("datetime 2024-03-30T12:00[Europe/Paris]", "localdatetime 2024-03-31T12:00", ("P1D", "PT0S", "P1D", "PT23H")),
        ("datetime 2024-01-01T00:30+02:00", "datetime 2023-12-31T23:30Z", ("PT1H", "PT0S", "PT0S", "PT1H")),
    ],
)  # fmt: skip
def test_between_two(first: str, last: str, printed: tuple[str, str, str, str]) -> None:
    """In months, days and seconds, or one of them; a date or zone that one lacks it has from the other."""
    one, other = moment(first), moment(last)
    assert tuple(str(reckon(one, other)) for reckon in (between, in_months, in_days, in_seconds)) == printed


def test_times_and_parts_of_durations() -> None:
    """What is left of months and days is carried by their average length; less than a nanosecond is dropped."""
    assert str(read_duration("P1M1DT1H").times(2.5)) == "P2M17DT19H44M33S"
    assert str(read_duration("P1Y").by(8)) == "P1M15DT5H14M33S"
    assert str(read_duration("PT1S").by(3)) == "PT0.333333333S"
    assert str(duration({"days": 0.1}).times(10)) == "PT24H"
    with pytest.raises(Untimely):
        read_duration("P1D").times(float("nan"))
    with pytest.raises(Untimely):
        duration({"months": 2**62}).times(4)


def test_order_of_times_with_zones() -> None:
    """By instant, then from west to east, then by name; equal only when alike in all."""
    texts = ["2024-02-29T08:00Z", "2024-02-29T08:59-01:00", "2024-02-29T10:00Z", "2024-02-29T11:00+01:00",
             "2024-02-29T11:00[Europe/Berlin]", "2024-02-29T11:00[Europe/Paris]"]  # fmt: skip
    values: list[Any] = [moment(f"datetime {text}") for text in texts]
    assert sorted([*values[3:], *values[:3]]) == values
    assert len(set(values)) == 6
    assert (values[2] < values[3], values[2] == values[3]) == (True, False)


# Laws

dates = st.integers(FIRST, LAST).map(Date)
near = st.integers(day_of(1800), day_of(2200)).map(Date)
local_times = st.integers(0, DAY - 1).map(LocalTime)
offsets = st.integers(-18 * 3600, 18 * 3600)
zones = st.one_of(offsets, st.sampled_from(sorted(names())[::7]))
local_date_times = st.builds(LocalDateTime, near, local_times)
date_times = st.builds(zoned, local_date_times, zones)
temporals: st.SearchStrategy[Temporal] = st.one_of(
    dates, local_times, st.builds(Time, local_times, offsets), local_date_times, date_times
)
durations = st.builds(
    Duration,
    st.integers(-5_000, 5_000),
    st.integers(-99_999, 99_999),
    st.integers(-(10**9), 10**9),
    st.integers(0, 10**9 - 1),
)


@given(temporals)
def test_what_is_printed_reads_as_the_same(value: Temporal) -> None:
    """By the function of its type, and as it is recorded."""
    assert made(type(value), str(value), NOW) == value
    assert recalled(type_name(value), str(value)) == value


@given(temporals | durations)
def test_what_is_recorded_is_recalled(value: Temporal | Duration) -> None:
    """As JSON, inside lists and maps too, and whatever a property holds is in its one form."""
    fitted = conform({"at": [value]}, "any")
    assert fitted == {"at": [held(value)]}
    assert from_json(json.loads(json.dumps(to_json(fitted)))) == fitted


def test_a_property_of_times_holds_instants() -> None:
    """A time in a zone becomes the instant, as one that is given as text does."""
    assert conform(moment("datetime 2024-07-01T09:00[Europe/Paris]"), "datetime") == datetime(2024, 7, 1, 7, tzinfo=UTC)
    assert isinstance(conform(moment("datetime +12024-07-01T09:00Z"), "datetime"), Misfit)
    assert isinstance(conform(read_duration("P1D"), "datetime"), Misfit)


@given(durations)
def test_a_printed_duration_reads_as_the_same(value: Duration) -> None:
    """Whatever the signs of its parts."""
    assert read_duration(str(value)) == value


@given(st.integers(FIRST, LAST))
def test_a_day_has_one_date(day: int) -> None:
    """The calendar and the weeks are each the inverse of themselves."""
    assert day_of(*civil(day)) == day
    assert week_day(*week(day), weekday(day)) == day


@given(st.dates())
def test_the_calendar_is_that_of_python(day: date) -> None:
    """Where Python has one."""
    number = (day - date(1970, 1, 1)).days
    assert civil(number) == (day.year, day.month, day.day)
    assert (*week(number), weekday(number)) == tuple(day.isocalendar())


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_that_python_holds_are_held_by_it(value: datetime) -> None:
    """One value has one form, and no other is lost."""
    assert held(ours(value)) == value
    assert held(at((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000 + 1, 0)) != value


@given(temporals, st.sampled_from(UNITS))
def test_truncating_twice_is_truncating_once(value: Temporal, unit: str) -> None:
    """And it is never later."""
    try:
        once: Any = truncated(type(value), unit, value, {}, NOW)
    except Untimely:
        return
    assert truncated(type(value), unit, once, {}, NOW) == once
    if not isinstance(value, DateTime) or not value.zone:
        assert once <= value


@given(st.one_of(st.tuples(near, near), st.tuples(local_date_times, local_date_times)))
def test_the_time_between_leads_from_one_to_the_other(pair: tuple[Temporal, Temporal]) -> None:
    """Forwards and backwards."""
    assert shifted(pair[0], between(*pair)) == pair[1]
    assert shifted(pair[1], between(pair[1], pair[0])) == pair[0]


@given(date_times, date_times)
def test_seconds_between_instants_lead_from_one_to_the_other(one: DateTime, other: DateTime) -> None:
    """In whatever zones."""
    later = shifted(one, in_seconds(one, other))
    assert isinstance(later, DateTime)
    assert later.nanos == other.nanos
    assert in_seconds(one, other) == in_seconds(other, one).times(-1)


@given(durations, durations)
def test_durations_add_up(one: Duration, other: Duration) -> None:
    """In any order, and what is added can be taken away."""
    assert one.plus(other) == other.plus(one)
    assert one.plus(other).plus(other, -1) == one
    assert one.times(2) == one.plus(one)
    assert one.times(2).by(2) == one


@given(local_times, durations)
def test_a_day_goes_round(time: LocalTime, by: Duration) -> None:
    """Later and earlier again is the same time of day."""
    assert shifted(shifted(time, by), by, -1) == time


@given(st.lists(date_times, min_size=3, max_size=3))
def test_times_have_one_order(values: list[Any]) -> None:
    """Of any two one is less or they are equal, and the order goes on."""
    one, other, third = values
    assert (one < other) + (other < one) + (one == other) == 1
    assert not (one < other and other < third) or one < third


@given(st.text(max_size=30) | st.from_regex(r"[+-]?[0-9]{4}[-0-9WQTt:.,Z+\[\]A-Z/]{0,20}", fullmatch=True))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else happens."""
    for kind in TYPES.values():
        try:
            made(kind, text, NOW)
        except Untimely:
            continue
    try:
        read_duration(text)
    except Untimely:
        return
