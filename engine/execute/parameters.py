"""Parameters: what was handed in, as the query asks for it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from memql.compiled import Compiled
from memql.errors import Problem, Reason, Refusal, nearest
from memql.types import Type
from memql.values import Misfit, Value, conform, micros, read_instant


def given(asked: Sequence[tuple[str, Type]], handed: Mapping[str, Any]) -> dict[str, Value] | Refusal:
    """Each parameter that the query asks for with a value of its type; or every one that is missing or misfits."""
    problems: list[Problem] = []
    found: dict[str, Value] = {}
    for name, of in asked:
        value = handed.get(name)
        if value is None and not (name in handed and of.nullable) and not _optional(of):
            what = "is null, and may not be" if name in handed else "is not given"
            way_out = f", or write ${name}::{_written(of)}? where it may be left out" if of.name != "any" else ""
            hint = nearest(name, handed) or f"pass `{name}` among the parameters{way_out}"
            problems.append(Problem("Q205", f"the parameter `${name}` {what}", f"params.{name}", hint))
            continue
        fitted = conform(value, _written(of))
        if isinstance(fitted, Misfit):
            place = f"params.{name}{fitted.place}"
            problems.append(Problem("Q213", f"the parameter `${name}`: {fitted.message}", place, ""))
        else:
            found[name] = fitted
    return Refusal(Reason.INVALID, tuple(problems)) if problems else found


def _optional(of: Type) -> bool:
    """`$name::type?` may be left out; a parameter without type may be null, but must be given."""
    return of.nullable and of.name != "any"


def _written(of: Type) -> str:
    if of.name == "list":
        return f"{of.member.name}[]" if of.member and of.member.name != "any" else "any"
    return of.name if of.name in ("boolean", "integer", "float", "string", "date", "datetime", "map") else "any"


def moment(value: Value) -> int | None:
    """Microseconds of a date, a time, or a text that says one; None where it is none of them."""
    match value:
        case datetime():
            return micros(value)
        case date():
            return micros(datetime(value.year, value.month, value.day, tzinfo=UTC))
        case str():
            read = read_instant(value)
            return None if isinstance(read, Misfit) else read
    return None


def not_a_moment(compiled: Compiled, what: str) -> Refusal:
    expression = compiled.as_of if what == "AS OF" else compiled.valid_at
    assert expression is not None
    span = expression.span
    message = f"{what} takes a date or a time"
    place = f"line {span.line}, column {span.column}"
    return Refusal(Reason.INVALID, (Problem("Q213", message, place, "such as 2026-03-14T09:00:00Z", span),))
