"""Functions of dates and times. Times are instants in UTC; one without a zone is taken as UTC."""

from datetime import UTC, date, datetime

from memql.functions.function import Function, Unanswerable, mistyped, shown
from memql.values import Misfit, instant, micros, read_instant
from memql.world import Datum, World

PARTS = ("year", "month", "day", "hour", "minute", "second", "millisecond", "microsecond", "week", "weekday",
         "quarter", "ordinalDay", "epochSeconds", "epochMillis")  # fmt: skip
DATE_PARTS = frozenset({"year", "month", "day", "week", "weekday", "quarter", "ordinalDay"})


def part(value: date | datetime, name: str) -> int | None:
    """`m.valid_from.year`: a part of a date or time; None where it has no such part."""
    if not isinstance(value, datetime) and name not in DATE_PARTS:
        return None
    match name:
        case "millisecond":
            return value.microsecond // 1_000  # type: ignore[union-attr]
        case "week":
            return value.isocalendar().week
        case "weekday":
            return value.isoweekday()
        case "quarter":
            return (value.month + 2) // 3
        case "ordinalDay":
            return value.timetuple().tm_yday
        case "epochSeconds":
            return micros(value) // 1_000_000  # type: ignore[arg-type]
        case "epochMillis":
            return micros(value) // 1_000  # type: ignore[arg-type]
    return int(getattr(value, name)) if name in PARTS else None


def to_datetime(world: World, value: Datum = ...) -> datetime:
    match value:
        case _ if value is ...:
            return world.asked_at
        case datetime():
            return value
        case date():
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        case str():
            read = read_instant(value)
            if isinstance(read, Misfit):
                raise Unanswerable("Q213", read.message)
            return instant(read)
    return mistyped("datetime", "a text or a date", value)


def to_date(world: World, value: Datum = ...) -> date:
    match value:
        case _ if value is ...:
            return world.asked_at.date()
        case datetime():
            return value.astimezone(UTC).date()
        case date():
            return value
        case str():
            try:
                return date.fromisoformat(value)
            except ValueError:
                raise Unanswerable("Q213", f"{shown(value)} is no ISO 8601 date, such as 2026-03-14") from None
    return mistyped("date", "a text or a time", value)


FUNCTIONS = (
    Function("datetime", ("string|temporal",), "datetime", "the time that the text says; alone, the time of the query",
             to_datetime, optional=1, asks=True),
    Function("date", ("string|temporal",), "date", "the date that the text says; alone, the date of the query",
             to_date, optional=1, asks=True),
    Function("timestamp", (), "integer", "the time of the query in milliseconds since 1970",
             lambda world: micros(world.asked_at) // 1_000, asks=True),
)  # fmt: skip
