"""Functions of dates, times and durations, as openCypher has them. What is now is when the statement was asked.

Values are taken in any form and given in the one that `memql.temporal.stored` says.
"""

from collections.abc import Callable
from datetime import date
from functools import wraps
from typing import Any

from memql import temporal
from memql.functions.function import Function, Unanswerable, mistyped
from memql.temporal import TYPES, Date, DateTime, Duration, LocalDateTime, LocalTime, Temporal, Time, Untimely, Zone
from memql.temporal.parts import OF_DATE
from memql.world import Datum, World

PARTS = temporal.PARTS["datetime"]
DATE_PARTS = frozenset(OF_DATE)


def is_temporal(value: Datum) -> bool:
    return type(value) in TYPES


def part(value: temporal.Held, name: str) -> int | str | None:
    """`m.valid_from.year`: a part of a date, a time or a duration; None where it has no such part."""
    return temporal.part(temporal.ours(value), name)


def timely(meaning: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose refusals have a code."""

    @wraps(meaning)
    def careful(*given: Any) -> Any:
        try:
            return temporal.held(meaning(*given))
        except Untimely as wrong:
            raise Unanswerable(wrong.code, wrong.message, wrong.hint) from None

    return careful


def _ours(value: Datum) -> Datum:
    """The value, or what the map holds, with all that is known of dates and times."""
    if isinstance(value, dict):
        return {name: _ours(each) for name, each in value.items()}
    return temporal.ours(value) if isinstance(value, date) else value


def _now(world: World) -> DateTime:
    now = temporal.ours(world.asked_at)
    assert isinstance(now, DateTime)
    return now


def _instant(name: str, value: Datum) -> Temporal:
    if not is_temporal(value) or isinstance(value, Duration):
        mistyped(name, "a date or a time", value)
    return _ours(value)  # type: ignore[no-any-return]


def _text(name: str, value: Datum) -> str:
    return value if isinstance(value, str) else mistyped(name, "a text", value)


def _made(of: type[Temporal], name: str) -> Function:
    def meaning(world: World, value: Datum = ...) -> Temporal | None:
        if value is ...:
            return temporal.current(of, _now(world))
        if not isinstance(value, str | dict) and (not is_temporal(value) or isinstance(value, Duration)):
            mistyped(name, "a text, a map, a date or a time", value)
        return temporal.made(of, _ours(value), _now(world))

    doc = f"the {name} of a text, of parts as in {{year: 2026}}, or of another; alone, when the query was asked"
    return Function(name, ("string|map|temporal",), name, doc, timely(meaning), optional=1, asks=True, clock=0)


def _clock(of: type[Temporal], name: str, clock: str) -> Function:
    def meaning(world: World, zone: Datum = "Z") -> Temporal:
        place: Zone = temporal.zone_of(_text(f"{name}.{clock}", zone))
        return temporal.current(of, _now(world), place)

    doc = f"the {name} when the query was asked, in a time zone; every clock tells the same"
    return Function(f"{name}.{clock}", ("string",), name, doc, timely(meaning), optional=1, asks=True, clock=1)


def _truncated(of: type[Temporal], name: str) -> Function:
    called = f"{name}.truncate"

    def meaning(world: World, unit: Datum, value: Datum = ..., parts: Datum = ...) -> Temporal | None:
        begun = _now(world) if value is ... else _instant(called, value)
        changes = {} if parts is ... else parts if isinstance(parts, dict) else mistyped(called, "a map", parts)
        return temporal.truncated(of, _text(called, unit), begun, _ours(changes), _now(world))

    doc = "the beginning of the unit that the value lies in, with smaller parts set as the map says"
    return Function(called, ("string", "temporal", "map"), name, doc, timely(meaning), optional=2, asks=True, clock=1)


_BETWEEN = {
    "between": (temporal.between, "the time between two values: months, then days, then seconds"),
    "inMonths": (temporal.in_months, "the whole months between two values"),
    "inDays": (temporal.in_days, "the whole days between two values"),
    "inSeconds": (temporal.in_seconds, "the seconds between two values"),
}


def _between(name: str, reckon: Callable[[Temporal, Temporal], Duration], doc: str) -> Function:
    called = f"duration.{name}"

    def meaning(first: Datum, last: Datum) -> Duration:
        return reckon(_instant(called, first), _instant(called, last))

    return Function(called, ("temporal", "temporal"), "duration", doc, timely(meaning))


def _duration(value: Datum) -> Duration | None:
    match value:
        case Duration():
            return value
        case str():
            return temporal.read_duration(value)
        case dict():
            return None if None in value.values() else temporal.duration(value)
    return mistyped("duration", "a text or a map", value)


def _whole(name: str, value: Datum) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        mistyped(name, "a whole number", value)
    return value


def _from_epoch(seconds: Datum, nanos: Datum = 0) -> DateTime:
    name = "datetime.fromEpoch"
    return temporal.at(_whole(name, seconds) * 10**9 + _whole(name, nanos), 0)


def _from_millis(millis: Datum) -> DateTime:
    return temporal.at(_whole("datetime.fromEpochMillis", millis) * 1_000_000, 0)


_INSTANTS: tuple[tuple[type[Temporal], str], ...] = (
    (Date, "date"), (DateTime, "datetime"), (LocalDateTime, "localdatetime"), (Time, "time"), (LocalTime, "localtime"),
)  # fmt: skip

FUNCTIONS = (
    *(_made(of, name) for of, name in _INSTANTS),
    *(_clock(of, name, clock) for of, name in _INSTANTS for clock in ("transaction", "statement", "realtime")),
    *(_truncated(of, name) for of, name in _INSTANTS),
    Function("duration", ("string|map|duration",), "duration",
             "the duration of a text such as 'P1Y2M3DT4H', or of units as in {days: 1.5}", timely(_duration)),
    *(_between(name, reckon, doc) for name, (reckon, doc) in _BETWEEN.items()),
    Function("datetime.fromEpoch", ("integer", "integer"), "datetime",
             "the time so many seconds and nanoseconds after 1970", timely(_from_epoch), optional=1),
    Function("datetime.fromEpochMillis", ("integer",), "datetime",
             "the time so many milliseconds after 1970", timely(_from_millis)),
    Function("timestamp", (), "integer", "the time of the query in milliseconds since 1970",
             lambda world: _now(world).nanos // 1_000_000, asks=True, clock=0),
)  # fmt: skip


# What the operators of arithmetic do with dates, times and durations


@timely
def sum_of(one: Datum, other: Datum) -> Temporal | Duration:
    if isinstance(one, Duration) and isinstance(other, Duration):
        return one.plus(other)
    if isinstance(one, Duration) and is_temporal(other):
        return temporal.shifted(_ours(other), one)
    if isinstance(other, Duration) and is_temporal(one):
        return temporal.shifted(_ours(one), other)
    return mistyped("+", "a duration beside a date, a time or a duration", other if is_temporal(one) else one)


@timely
def difference_of(one: Datum, other: Datum) -> Temporal | Duration:
    if isinstance(other, Duration) and is_temporal(one):
        return one.plus(other, -1) if isinstance(one, Duration) else temporal.shifted(_ours(one), other, -1)
    if is_temporal(one) and is_temporal(other):
        hint = "duration.between(a, b) is the time from a to b"
        raise Unanswerable("Q213", "`-` takes durations from dates and times, and no dates or times", hint)
    return mistyped("-", "a duration from a date, a time or a duration", other if is_temporal(one) else one)


@timely
def product_of(one: Datum, other: Datum) -> Duration:
    of, by = (one, other) if isinstance(one, Duration) else (other, one)
    if not isinstance(of, Duration) or not _number(by):
        mistyped("*", "a number beside a duration", by if isinstance(of, Duration) else of)
    return of.times(by)


@timely
def quotient_of(one: Datum, other: Datum) -> Duration:
    if not isinstance(one, Duration) or not _number(other):
        mistyped("/", "a duration by a number", other if isinstance(one, Duration) else one)
    if other == 0:
        raise Unanswerable("Q212", "division by zero", "test the divisor first: CASE WHEN x <> 0 THEN … END")
    return one.by(other)


def _number(value: Datum) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
