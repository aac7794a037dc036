"""Parameters: what was handed in, as the query asks for it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from memql.bound import Asked
from memql.errors import Problem, Reason, Refusal, nearest
from memql.functions.function import shown
from memql.temporal import DateTime, LocalDateTime
from memql.types import Type
from memql.values import ASKED, FOREVER, Misfit, Value, conform, micros, read_instant


def given(asked: Sequence[Asked], handed: Mapping[str, Any]) -> dict[str, Value] | Refusal:
    """Each parameter that the query asks for with a value of its type; or every one that is missing or misfits. One
    without a type may be null, but must be given: a slip of the pen should not find nothing in silence."""
    problems: list[Problem] = []
    found: dict[str, Value] = {}
    for name, of, optional in ((each.name, each.type, each.optional) for each in asked):
        value = handed.get(name)
        if value is None and not optional and (name not in handed or not of.nullable):
            what = "is null, and may not be" if name in handed else "is not given"
            way_out = f", or write ${name}::{_written(of)}? where it may be left out" if of.name != "any" else ""
            hint = nearest(name, handed) or f"pass `{name}` among the parameters{way_out}"
            problems.append(Problem("Q205", f"the parameter `${name}` {what}", f"params.{name}", hint))
            continue
        fitted = conform(value, _written(of))
        if of.name == "list" and not isinstance(fitted, list | Misfit | None):
            fitted = Misfit(f"a list is expected, not {shown(value)}")
        if isinstance(fitted, Misfit):
            place = f"params.{name}{fitted.place}"
            problems.append(Problem("Q213", f"the parameter `${name}`: {fitted.message}", place, ""))
        else:
            found[name] = fitted
    return Refusal(Reason.INVALID, tuple(problems)) if problems else found


def _written(of: Type) -> str:
    if of.name == "list":
        return f"{_written(of.member)}[]" if of.member and of.member.name != "any" else "any"
    return of.name if of.name in ASKED else "any"


def moment(value: Value) -> int | None:
    """Microseconds of a date, a time, or a text that says one; None where it is none of them."""
    match value:
        case datetime():
            return micros(value)
        case DateTime() | LocalDateTime():
            us = value.nanos // 1_000
            return us if abs(us) < FOREVER else None
        case date():
            return micros(datetime(value.year, value.month, value.day, tzinfo=UTC))
        case str():
            read = read_instant(value)
            return None if isinstance(read, Misfit) else read
    return None
