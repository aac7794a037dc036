"""Dates and times: five types, each a point in time as far as it says. They print as openCypher prints them.

All are values: frozen, hashable, ordered within their type. Times with a zone are ordered by their instant, then by
offset from west to east, then by the zone's name; only what is alike in all of it is equal.
"""

from dataclasses import dataclass
from functools import total_ordering
from typing import TypeAlias

from memql.temporal import calendar, zones
from memql.temporal.calendar import FIRST, LAST, within
from memql.temporal.untimely import Untimely

SECOND = 10**9
DAY = 86_400 * SECOND
"""In nanoseconds."""


@dataclass(frozen=True, slots=True, order=True)
class Date:
    """`number`: days since 1970."""

    number: int

    def __post_init__(self) -> None:
        if not FIRST <= self.number <= LAST:
            raise Untimely("this date is more than a billion years away", code="Q211")

    def __str__(self) -> str:
        year, month, day = calendar.civil(self.number)
        sign = "-" if year < 0 else "+" if year > 9_999 else ""
        return f"{sign}{abs(year):04}-{month:02}-{day:02}"


@dataclass(frozen=True, slots=True, order=True)
class LocalTime:
    """`nanos`: nanoseconds since midnight."""

    nanos: int

    def __post_init__(self) -> None:
        assert 0 <= self.nanos < DAY

    @property
    def second(self) -> int:
        """Whole seconds since midnight."""
        return self.nanos // SECOND

    def __str__(self) -> str:
        seconds, fraction = divmod(self.nanos, SECOND)
        minutes, second = divmod(seconds, 60)
        shown = f"{minutes // 60:02}:{minutes % 60:02}"
        if not seconds % 60 and not fraction:
            return shown
        return f"{shown}:{second:02}{fraction_text(fraction)}"


MIDNIGHT = LocalTime(0)


def fraction_text(nanos: int) -> str:
    """In thousandths, millionths or billionths of a second, whichever suffices."""
    if not nanos:
        return ""
    digits = f"{nanos:09}"
    return "." + (digits[:3] if digits.endswith("000000") else digits[:6] if digits.endswith("000") else digits)


def local_time(hour: int, minute: int = 0, second: int = 0, nano: int = 0) -> LocalTime:
    within("an hour", hour, 0, 23)
    within("a minute", minute, 0, 59)
    within("a second", second, 0, 59)
    return LocalTime(((hour * 60 + minute) * 60 + second) * SECOND + within("a nanosecond", nano, 0, SECOND - 1))


@total_ordering
@dataclass(frozen=True, slots=True)
class Time:
    """A time of day at an offset of so many seconds from UTC."""

    local: LocalTime
    offset: int

    @property
    def key(self) -> tuple[int, int]:
        return self.local.nanos - self.offset * SECOND, self.offset

    def __lt__(self, other: "Time") -> bool:
        return self.key < other.key

    def __str__(self) -> str:
        return f"{self.local}{zones.offset_text(self.offset)}"


@dataclass(frozen=True, slots=True, order=True)
class LocalDateTime:
    """A date and a time of day, wherever that is."""

    date: Date
    time: LocalTime

    @property
    def nanos(self) -> int:
        """Nanoseconds since 1970, as if it were in UTC."""
        return self.date.number * DAY + self.time.nanos

    def plus(self, nanos: int) -> "LocalDateTime":
        return local_of(self.nanos + nanos)

    def __str__(self) -> str:
        return f"{self.date}T{self.time}"


def local_of(nanos: int) -> LocalDateTime:
    """The inverse of `LocalDateTime.nanos`."""
    day, of_day = divmod(nanos, DAY)
    return LocalDateTime(Date(day), LocalTime(of_day))


@total_ordering
@dataclass(frozen=True, slots=True)
class DateTime:
    """An instant, as clocks show it at an offset or in a named zone. Made by `zoned` or `at`, which see that the offset
    is the zone's."""

    local: LocalDateTime
    offset: int
    zone: str = ""

    @property
    def nanos(self) -> int:
        """Nanoseconds since 1970 in UTC."""
        return self.local.nanos - self.offset * SECOND

    @property
    def key(self) -> tuple[int, int, str]:
        return self.nanos, self.offset, self.zone

    @property
    def place(self) -> "Zone":
        return self.zone or self.offset

    def __lt__(self, other: "DateTime") -> bool:
        return self.key < other.key

    def __str__(self) -> str:
        named = f"[{self.zone}]" if self.zone else ""
        return f"{self.local}{zones.offset_text(self.offset)}{named}"


Zone: TypeAlias = int | str
"""An offset in seconds, or the name of a zone."""
Temporal: TypeAlias = Date | LocalTime | Time | LocalDateTime | DateTime
UTC: Zone = 0


def zone_of(text: str) -> Zone:
    """What a text says: an offset, or a name."""
    offset = zones.offset_read(text)
    return zones.known(text) if offset is None else offset


def at(nanos: int, zone: Zone) -> DateTime:
    """The instant so many nanoseconds after 1970, in that zone."""
    if isinstance(zone, int):
        return DateTime(local_of(nanos + zone * SECOND), zone)
    day, of_day = divmod(nanos, DAY)
    offset = zones.offset_at(zone, day, of_day // SECOND)
    return DateTime(local_of(nanos + offset * SECOND), offset, zone)


def zoned(local: LocalDateTime, zone: Zone, likely: int | None = None) -> DateTime:
    """When clocks of the zone show that time. A time that is skipped is moved on by as much as was skipped; of one that
    is twice it is the first, or the one with the `likely` offset."""
    if isinstance(zone, int):
        return DateTime(local, zone)
    before, after = zones.offsets_of(zone, local.date.number, local.time.second)
    if before < after:
        return DateTime(local.plus((after - before) * SECOND), after, zone)
    return DateTime(local, after if likely == after else before, zone)
