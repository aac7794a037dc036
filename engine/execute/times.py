"""When something is read: the times that a query asks for, as numbers, and the reader that each of them makes.

A time in the future is the present, and before the first record there is nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.execute.parameters import moment
from engine.execute.seen import Stopped
from engine.reader import Reader
from memql.bound import Expression, Time
from memql.errors import Problem, Reason, Refusal
from memql.world import Datum

Constant = Callable[[Expression], Datum]
"""What an expression is that depends on no row."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Microseconds. `valid` is from when until before when something must be true at some moment; None: not asked."""

    as_of: int | None
    valid: tuple[int, int] | None
    history: bool


def moments(time: Time, constant: Constant) -> Moments:
    """Raises Stopped where a value is no time, or a time ends before it begins."""
    as_of = None if time.as_of is None else _moment("AS OF", time.as_of, constant(time.as_of))
    valid = None
    if time.valid_at is not None:
        begin = _moment("VALID AT", time.valid_at, constant(time.valid_at))
        valid = begin, begin + 1
    elif time.during is not None:
        valid = _span(time.during, time.until, constant)
    return Moments(as_of, valid, time.history)


def reader_at(reader: Reader, asked: Moments) -> Reader:
    """The reader that reads at that time. With history, what is not asked of valid time may be true at any."""
    scope = reader.scope
    if asked.as_of is not None:
        scope = replace(scope, position=min(reader.position_at(asked.as_of), reader.present))
    if asked.valid is not None:
        scope = replace(scope, valid_at=asked.valid[0], valid_until=asked.valid[1])
    elif asked.history:
        scope = replace(scope, valid_at=None, valid_until=None)
    return replace(reader, scope=replace(scope, history=asked.history))


def _moment(what: str, expression: Expression, value: Datum) -> int:
    found = moment(value)
    if found is None:
        raise _wrong(f"{what} takes a date or a time", "such as 2026-03-14T09:00:00Z", expression)
    return found


def _span(during: Expression, until: Expression | None, constant: Constant) -> tuple[int, int]:
    if until is not None:
        ends: Sequence[Datum] = (constant(during), constant(until))
    else:
        ends = _ends(during, constant(during))
    begin, end = (_moment("VALID DURING", during, each) for each in ends)
    if end <= begin:
        raise _wrong(
            "VALID DURING ends before it begins", "the end is exclusive, and lies behind the beginning", during
        )
    return begin, end


def _ends(during: Expression, value: Datum) -> Sequence[Datum]:
    match value:
        case [_, _]:
            return value  # type: ignore[no-any-return]
        case {"from": begin, "to": end, **others} if not others:
            return begin, end
    hint = "VALID DURING a TO b, [a, b] or {from: a, to: b}"
    raise _wrong("VALID DURING takes two times, from one until before the other", hint, during)


def _wrong(message: str, hint: str, expression: Expression) -> Stopped:
    span = expression.span
    problem = Problem("Q213", message, f"line {span.line}, column {span.column}", hint, span)
    return Stopped(Refusal(Reason.INVALID, (problem,)))
