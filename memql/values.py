"""The values that properties hold: their types, how a given value fits one, and how they travel as JSON.

Times inside are integers: microseconds since 1970 in UTC. Nothing here reads a clock.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

from memql.temporal import TYPES as TEMPORAL
from memql.temporal import DateTime, Held, Untimely, at, held, ours, recalled, type_name

Value: TypeAlias = "bool | int | float | str | Held | list[Value] | dict[str, Value] | None"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = 2**62
"""A time after every time: the end of what has no end."""

INT64 = range(-(2**63), 2**63)
SCALARS = ("boolean", "integer", "float", "string", "date", "datetime")
TYPES = (*SCALARS, *(f"{scalar}[]" for scalar in SCALARS), "map", "any")
_UNSTORED = ("time", "localtime", "localdatetime", "duration")
ASKED = (*SCALARS, *_UNSTORED, "map", "any")
"""Types that a parameter can be of, or the members of one that is a list."""
MAX_NESTING = 32
"""Depth of lists and maps in one value: far beyond what people write, well inside Python's stack."""

_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a value is not of a type; `place` is the path inside the value."""

    message: str
    place: str = ""


def micros(moment: datetime) -> int:
    """The instant as microseconds since 1970; a time without a zone is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)


def instant(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


def iso(us: int) -> str:
    seconds, rest = divmod(us, 1_000_000)
    return f"{_second(seconds)}.{rest:06}Z" if rest else f"{_second(seconds)}Z"


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> str:
    """Kept, since what is told together was mostly recorded together."""
    return instant(seconds * 1_000_000).isoformat()[:19]


def read_instant(text: str) -> int | Misfit:
    """An ISO 8601 date or time as microseconds; without a zone it is UTC, and in UTC it is of the years 1 to 9999."""
    try:
        read = micros(datetime.fromisoformat(text))
        instant(read)
        return read
    except (ValueError, OverflowError):
        return Misfit(f"`{text[:40]}` is no ISO 8601 time, such as 2026-03-14T09:26:53Z")


def text_misfit(text: str) -> Misfit | None:
    """Control characters and halves of surrogate pairs cannot be stored, shown or searched."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return Misfit(f"half of a surrogate pair at character {error.start + 1}")
    if found := _CONTROL_CHARACTER.search(text):
        return Misfit(f"control character U+{ord(found[0]):04X} at character {found.start() + 1}")
    return None


def conform(value: object, of: str) -> "Value | Misfit":
    """The value as type `of` holds it (an integer becomes a float where one is asked for), or why it is none.

    Null fits every type: an absent value and a null one are the same.
    """
    if value is None:
        return None
    if of == "any":
        return _conform_any(value, 0)
    if of == "map":
        return _conform_any(value, 0) if isinstance(value, dict) else _not_a(value, of)
    if of.endswith("[]"):
        if not isinstance(value, list | tuple):
            return _not_a(value, of)
        members: list[Value] = []
        for index, member in enumerate(value):
            fitted = conform(member, of[:-2])
            if isinstance(fitted, Misfit):
                return Misfit(fitted.message, f"[{index}]{fitted.place}")
            members.append(fitted)
        return members
    return _conform_scalar(value, of)


def _conform_scalar(value: object, of: str) -> "Value | Misfit":
    match of, value:
        case "boolean", bool():
            return value
        case (("integer" | "float"), bool()):
            return _not_a(value, of)
        case "integer", int():
            return value if value in INT64 else Misfit(f"{_short(value)} does not fit in 64 bits")
        case "float", int() | float():
            number = float(value) if isinstance(value, float) or abs(value) < 2**1023 else math.inf
            return number if math.isfinite(number) else Misfit("a float must be finite")
        case "string", str():
            return text_misfit(value) or value
        case "datetime", datetime():
            return instant(micros(value))
        case "datetime", DateTime():
            moment = held(at(value.nanos // 1_000 * 1_000, 0))
            return moment if isinstance(moment, datetime) else Misfit(f"{value} lies beyond the years 1 to 9999")
        case "datetime", str():
            read = read_instant(value)
            return read if isinstance(read, Misfit) else instant(read)
        case "date", date() if not isinstance(value, datetime):
            return value
        case "date", str():
            try:
                return date.fromisoformat(value)
            except ValueError:
                return Misfit(f"`{value[:40]}` is no ISO 8601 date, such as 2026-03-14")
        case _, str() if of in _UNSTORED:
            try:
                return held(recalled(of, value))
            except Untimely as wrong:
                return Misfit(", ".join(filter(None, (wrong.message, wrong.hint))))
        case _ if of in _UNSTORED and type(value) in TEMPORAL and type_name(value) == of:  # type: ignore[arg-type]
            return held(ours(value))  # type: ignore[arg-type]
    return _not_a(value, of)


def _conform_any(value: object, depth: int) -> "Value | Misfit":
    if depth > MAX_NESTING:
        return Misfit(f"nested deeper than {MAX_NESTING}")
    match value:
        case None:
            return None
        case bool() | int() | float() | str() | date():
            return _conform_scalar(value, type_of(value))
        case list() | tuple():
            if set(map(type, value)) == {float} and all(map(math.isfinite, value)):
                return list(value)  # A vector, as most long lists are.
            members: list[Value] = []
            for index, member in enumerate(value):
                fitted = _conform_any(member, depth + 1)
                if isinstance(fitted, Misfit):
                    return Misfit(fitted.message, f"[{index}]{fitted.place}")
                members.append(fitted)
            return members
        case dict():
            entries: dict[str, Value] = {}
            for key, member in value.items():
                if not isinstance(key, str) or text_misfit(key):
                    return Misfit(f"the key {key!r:.40} is no plain text")
                fitted = _conform_any(member, depth + 1)
                if isinstance(fitted, Misfit):
                    return Misfit(fitted.message, f".{key}{fitted.place}")
                entries[key] = fitted
            return entries
    if type(value) in TEMPORAL:
        return held(ours(value))  # type: ignore[arg-type]
    return Misfit(f"a {type(value).__name__} cannot be stored")


def type_of(value: "Value") -> str:
    """The narrowest type that holds the value."""
    match value:
        case None:
            return "any"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "float"
        case str():
            return "string"
        case datetime():
            return "datetime"
        case date():
            return "date"
        case dict():
            return "map"
        case list():
            members = {type_of(member) for member in value}
            only = members.pop() if len(members) == 1 else "any"
            return f"{only}[]" if only in SCALARS else "any"
    if type(value) in TEMPORAL:
        return "any"
    raise AssertionError(f"{type(value)} is no value")


def _short(number: int) -> str:
    """Python itself refuses to write thousands of digits."""
    return str(number) if abs(number) < 10**40 else "a number of more than 40 digits"


def _not_a(value: object, of: str) -> Misfit:
    known = isinstance(value, bool | int | float | str | date | list | dict)
    given = type_of(value) if known else type(value).__name__.lower()  # type: ignore[arg-type]
    return Misfit(f"a value of type {of} is expected, not {given}")


_PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types that are the same in JSON: nearly every value."""


def plain(value: "Value") -> Any:
    """The value in JSON that is meant to be read, not to be read back: the catalog says what is a time."""
    if type(value) in _PLAIN:
        return value if type(value) is not float or math.isfinite(value) else None
    match value:
        case datetime():
            return iso(micros(value))
        case list():
            return [plain(member) for member in value]
        case dict():
            return {name: plain(member) for name, member in value.items()}
        case float():
            return value if math.isfinite(value) else None
        case bool() | int() | str() | None:
            return value
        case date():
            return value.isoformat()
    return str(value)


def to_json(value: "Value") -> Any:
    """The value in plain JSON. What JSON lacks is written as a map of one `$type` key; such keys are escaped."""
    if type(value) in _PLAIN:
        return value
    match value:
        case datetime():
            return {"$datetime": iso(micros(value))}
        case date():
            return {"$date": value.isoformat()}
        case list():
            return [to_json(member) for member in value]
        case dict():
            plain = {key: to_json(member) for key, member in value.items()}
            return {"$map": plain} if any(key.startswith("$") for key in value) else plain
    if type(value) in TEMPORAL:
        return {"$temporal": [type_name(value), str(value)]}  # type: ignore[arg-type]
    return value


def from_json(data: Any) -> "Value":
    """The inverse of `to_json`."""
    if type(data) in _PLAIN:
        return data  # type: ignore[no-any-return]
    match data:
        case {"$datetime": str(text), **rest} if not rest:
            return datetime.fromisoformat(text)
        case {"$date": str(text), **rest} if not rest:
            return date.fromisoformat(text)
        case {"$temporal": [str(name), str(text)], **rest} if not rest:
            return recalled(name, text)
        case {"$map": dict(plain), **rest} if not rest:
            return {key: from_json(member) for key, member in plain.items()}
        case dict():
            return {key: from_json(member) for key, member in data.items()}
        case list():
            return [from_json(member) for member in data]
    return data  # type: ignore[no-any-return]
