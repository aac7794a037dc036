"""Durations: months, days and seconds, which none of them can be turned into another without a date.

What is left of a whole number of months or days is carried to the smaller unit by its average length: a month is
30.436875 days, a day 24 hours. Less than a nanosecond is dropped.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from memql.temporal.calendar import quotient, rest
from memql.temporal.instants import DAY, SECOND
from memql.temporal.untimely import Untimely

MONTH = 2_629_746
"""Seconds of an average month: 400 years have 146,097 days."""
MOST = 2**63
"""Months, days and seconds must fit in 64 bits."""
UNITS: Mapping[str, tuple[str, int]] = {
    "years": ("months", 12),
    "quarters": ("months", 3),
    "months": ("months", 1),
    "weeks": ("days", 7),
    "days": ("days", 1),
    "hours": ("nanos", 3_600 * SECOND),
    "minutes": ("nanos", 60 * SECOND),
    "seconds": ("nanos", SECOND),
    "milliseconds": ("nanos", 1_000_000),
    "microseconds": ("nanos", 1_000),
    "nanoseconds": ("nanos", 1),
}
"""Of each unit the group that it belongs to, and how many of the group's smallest unit it has."""
Amount = int | float | Fraction


@dataclass(frozen=True, slots=True)
class Duration:
    """Equal where months, days and the time are. `seconds` is rounded down and `nanos` never negative: -0.5 seconds are
    -1 second and half a billion nanoseconds."""

    months: int = 0
    days: int = 0
    seconds: int = 0
    nanos: int = 0

    def __post_init__(self) -> None:
        assert 0 <= self.nanos < SECOND
        if not all(-MOST <= each < MOST for each in (self.months, self.days, self.seconds)):
            raise Untimely("this duration is too long: its months, days or seconds do not fit in 64 bits", code="Q211")

    @property
    def time(self) -> int:
        """Seconds and nanoseconds, as nanoseconds."""
        return self.seconds * SECOND + self.nanos

    @property
    def average(self) -> tuple[int, int, int, int]:
        """What durations are sorted by: the length with average months, and then what they are made of."""
        days = self.days * DAY
        return self.months * MONTH * SECOND + days + self.time, self.months, self.days, self.seconds

    def plus(self, other: "Duration", sign: int = 1) -> "Duration":
        return whole(self.months + sign * other.months, self.days + sign * other.days, self.time + sign * other.time)

    def times(self, factor: Amount) -> "Duration":
        by = exact("a duration", factor)
        return carried(self.months * by, self.days * by, self.time * by)

    def by(self, divisor: Amount) -> "Duration":
        return self.times(1 / exact("a duration", divisor))

    def __str__(self) -> str:
        years, months = quotient(self.months, 12), rest(self.months, 12)
        dated = _units((years, "Y"), (months, "M"), (self.days, "D"))
        timed = self._time_text()
        return f"P{dated}T{timed}" if timed else f"P{dated}" if dated else "PT0S"

    def _time_text(self) -> str:
        seconds, nanos = quotient(self.time, SECOND), rest(self.time, SECOND)
        minutes, second = quotient(seconds, 60), rest(seconds, 60)
        shown = _units((quotient(minutes, 60), "H"), (rest(minutes, 60), "M"))
        if not second and not nanos:
            return shown
        sign = "-" if second < 0 or nanos < 0 else ""
        fraction = f".{abs(nanos):09}".rstrip("0") if nanos else ""
        return f"{shown}{sign}{abs(second)}{fraction}S"


def _units(*amounts: tuple[int, str]) -> str:
    return "".join(f"{amount}{unit}" for amount, unit in amounts if amount)


def whole(months: int, days: int, nanos: int) -> Duration:
    return Duration(months, days, *divmod(nanos, SECOND))


def exact(what: str, value: object) -> Fraction:
    """A number as people wrote it: 0.1 is a tenth."""
    if isinstance(value, float):
        if not isfinite(value):
            raise Untimely(f"{what} takes finite numbers, not {value}")
        return Fraction(repr(value))
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise Untimely(f"{what} takes numbers")
    return Fraction(value)


def carried(months: Fraction, days: Fraction, nanos: Fraction) -> Duration:
    """Whole months, whole days and nanoseconds; what is left of each goes to the next."""
    days += (months - int(months)) * MONTH / 86_400
    nanos += (days - int(days)) * DAY
    return whole(int(months), int(days), int(nanos))


def duration(amounts: Mapping[str, object]) -> Duration:
    """`{days: 1.5, hours: 3}`"""
    groups = {"months": Fraction(0), "days": Fraction(0), "nanos": Fraction(0)}
    if not amounts:
        raise Untimely("a duration is made of one unit or more", "such as {days: 1.5}")
    for name, amount in amounts.items():
        if name not in UNITS:
            raise Untimely(f"a duration has no unit `{name[:40]}`", f"one of {', '.join(UNITS)}")
        group, size = UNITS[name]
        groups[group] += exact(f"`{name}`", amount) * size
    return carried(**groups)


_AMOUNT = r"([+-]?\d+(?:[.,]\d+)?|[+-]?[.,]\d+)"
_BY_UNITS = re.compile(
    r"([+-]?)P(?=.)" + "".join(f"(?:{_AMOUNT}{unit})?" for unit in "YMWD")
    + r"(?:T(?=.)" + "".join(f"(?:{_AMOUNT}{unit})?" for unit in "HMS") + ")?", re.ASCII | re.IGNORECASE,
)  # fmt: skip
_AS_DATE = re.compile(
    r"([+-]?)P(?:(\d{4})-(\d\d)-(\d\d)|(\d{4})(\d\d)(\d\d))"
    r"(?:T(?:(\d\d):(\d\d):(\d\d)|(\d\d)(\d\d)(\d\d))([.,]\d{1,9})?)?",
    re.ASCII | re.IGNORECASE,
)
_LETTERS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")
_LIMITS = (9_999, 12, 31, 23, 59, 59)
_HINT = "such as 'P1Y2M3DT4H5M6.5S'"
DIGITS = 30
"""Longest number in a text: more than 64 bits have, few enough to be read at once."""


def read_duration(text: str) -> Duration:
    """`P5M1.5D`, or as a date and time: `P0001-02-03T04:05:06.7`."""
    if found := _AS_DATE.fullmatch(text):
        sign, *groups = found.groups()
        parts = [groups[at] or groups[at + 3] or "0" for at in (0, 1, 2, 6, 7, 8)]
        if any(int(part) > most for part, most in zip(parts, _LIMITS, strict=True)):
            raise Untimely(f"a part of '{text}' is no date or time", _HINT)
        *others, seconds = parts
        amounts = [*others, seconds + (groups[12] or "").replace(",", ".")]
        names = [name for name in _LETTERS if name != "weeks"]
    elif found := _BY_UNITS.fullmatch(text):
        sign, *given = found.groups()
        amounts, names = [(each or "0").replace(",", ".") for each in given], list(_LETTERS)
    else:
        raise Untimely(f"'{text[:40]}' is no ISO 8601 duration", _HINT)
    if any(len(each) > DIGITS for each in amounts):
        raise Untimely(f"'{text[:40]}' has a number of more than {DIGITS} characters", _HINT)
    read = duration({name: Fraction(amount) for name, amount in zip(names, amounts, strict=True)})
    return read.times(-1) if sign == "-" else read


_WITHIN = {
    "quartersOfYear": ("quarters", 4),
    "monthsOfYear": ("months", 12),
    "monthsOfQuarter": ("months", 3),
    "daysOfWeek": ("days", 7),
    "minutesOfHour": ("minutes", 60),
    "secondsOfMinute": ("seconds", 60),
}
_SUBSECONDS = {"milliseconds": 1_000_000, "microseconds": 1_000, "nanoseconds": 1}
DURATION_PARTS = (*UNITS, *_WITHIN, *(f"{name}OfSecond" for name in _SUBSECONDS))


def duration_part(of: Duration, name: str) -> int | None:
    """The whole of a group in one unit, or of a unit what does not make a whole of the next."""
    if name in _WITHIN:
        unit, size = _WITHIN[name]
        total = duration_part(of, unit)
        return None if total is None else rest(total, size)
    if name.endswith("OfSecond") and name in DURATION_PARTS:
        return of.nanos // _SUBSECONDS[name.removesuffix("OfSecond")]
    if name in _SUBSECONDS:
        return of.seconds * (SECOND // _SUBSECONDS[name]) + of.nanos // _SUBSECONDS[name]
    if name not in UNITS:
        return None
    group, size = UNITS[name]
    return quotient(of.seconds, size // SECOND) if group == "nanos" else quotient(getattr(of, group), size)
