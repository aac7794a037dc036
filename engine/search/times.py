"""Times in words: "last Tuesday", "two weeks ago", "in July", "on 3 May 2024", each resolved against a moment.

Reads English. An expression gives a span of days; what stays open ("in July": of which year?) is resolved to the years
that are asked about. Nothing is guessed: a word that may be a month or a verb counts only beside a day, a year or a
preposition.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

DAY = 86_400_000_000
"""Microseconds."""
_ONE = timedelta(days=1)

_MONTHS = ("january february march april may june july august september october november december").split()
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_COUNTS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "couple": 2, "few": 3, "several": 4,
}  # fmt: skip
_LENGTHS = {"day": 1, "week": 7, "weekend": 7, "month": 30, "year": 365}

_month = "|".join(f"{name}|{name[:3]}" for name in _MONTHS) + "|sept"
_weekday = "|".join(f"{name}|{name[:3]}" for name in _DAYS) + "|tues|thurs"
_count = r"(?:an?\s+)?(?:couple(?:\s+of)?|few)|" + "|".join(sorted(_COUNTS, key=len, reverse=True)) + r"|\d{1,3}"
_EXPRESSION = re.compile(
    rf"""\b(?:
      (?P<iso>(?:19|20)\d\d-\d\d(?:-\d\d)?)
    | (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+(?P<month>{_month})\b\.?(?:,?\s+(?P<year>(?:19|20)\d\d))?
    | (?P<month2>{_month})\b\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\b(?!\d|:)(?:,?\s+(?P<year2>(?:19|20)\d\d))?
    | (?P<month3>{_month})\b\.?,?\s+(?P<year3>(?:19|20)\d\d)
    | (?:(?P<which4>in|of|since|during|last|next|this|by|until|early|late|mid|around)[\s-]+)
        (?P<month4>{_month})\b(?!\.?,?\s+(?:19|20)\d\d)
    | (?P<word>yesterday|today|tonight|tomorrow|last\s+night|the\s+other\s+day)
    | (?P<count>{_count})\s+(?P<unit>day|week|weekend|month|year)s?\s+(?P<way>ago|back|before|earlier|from\s+now|later)
    | in\s+(?P<count2>{_count})\s+(?P<unit2>day|week|month|year)s?\b
    | (?P<which>last|past|previous|next|this|coming)\s+(?P<what>day|week|weekend|month|year|{_weekday}
        |spring|summer|autumn|fall|winter)\b(?!\s+of\b)
    | (?:(?:on|since|by|until)\s+)(?P<weekday>{_weekday})\b
    | (?:(?:in|since|during|of|by|until|around|from)\s+)(?P<year4>(?:19|20)\d\d)\b(?!-)
    )""",
    re.IGNORECASE | re.VERBOSE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """From the first day until before the last, in microseconds since 1970."""

    start: int
    end: int

    def meets(self, other: "Span", slack: int = 0) -> bool:
        return self.start - slack < other.end and other.start < self.end + slack


def spans(text: str, at: int | None, years: Sequence[int] = ()) -> list[Span]:
    """The spans that the text names: relative ones against the moment `at` (none without one), those without a year in
    the year that is nearest to it, or in each of `years`."""
    now = None if at is None else _date(at)
    found = []
    for match in _EXPRESSION.finditer(text):
        try:
            found += [_span(first, last) for first, last in _resolved(match, now, years)]
        except (ValueError, OverflowError):
            continue  # the 31st of February, or a year that is none
    return found


def says_when(text: str) -> bool:
    """Whether the text names a time at all."""
    return _EXPRESSION.search(text) is not None


def _date(at: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).date()


def _span(first: date, last: date) -> Span:
    epoch = date(1970, 1, 1)
    return Span((first - epoch).days * DAY, (last - epoch).days * DAY)


def _resolved(match: "re.Match[str]", now: date | None, years: Sequence[int]) -> Iterator[tuple[date, date]]:
    named = {name: value.lower() for name, value in match.groupdict().items() if value}
    match named:
        case {"iso": text}:
            yield _iso(text)
        case {"day": day, "month": month, **more} | {"day2": day, "month2": month, **more}:
            for year in _years(more.get("year") or more.get("year2"), _number(month), now, years):
                first = date(year, _number(month), int(day))
                yield first, first + _ONE
        case {"month3": month, "year3": year}:
            yield _month_of(int(year), _number(month))
        case {"month4": month, "which4": which}:
            if which in ("last", "next", "this"):
                if now:
                    yield _month_of(_turned(which, _number(month), now), _number(month))
            else:
                for year in _years(None, _number(month), now, years):
                    yield _month_of(year, _number(month))
        case {"year4": year}:
            yield date(int(year), 1, 1), date(int(year) + 1, 1, 1)
        case _ if now:
            yield _relative(named, now)


def _iso(text: str) -> tuple[date, date]:
    if len(text) == 7:
        return _month_of(int(text[:4]), int(text[5:]))
    first = date.fromisoformat(text)
    return first, first + _ONE


def _number(month: str) -> int:
    return next(number for number, name in enumerate(_MONTHS, 1) if name.startswith(month[:3]))


def _month_of(year: int, month: int) -> tuple[date, date]:
    return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)


def _years(said: str | None, month: int, now: date | None, years: Sequence[int]) -> Sequence[int]:
    if said:
        return [int(said)]
    if years or now is None:
        return years
    return [min((now.year - 1, now.year, now.year + 1), key=lambda year: abs((date(year, month, 15) - now).days))]


def _turned(which: str, month: int, now: date) -> int:
    """The year of the last, this or next such month."""
    if which == "last":
        return now.year if month < now.month else now.year - 1
    return now.year if which == "this" or month > now.month else now.year + 1


def _relative(named: dict[str, str], now: date) -> tuple[date, date]:
    match named:
        case {"word": word}:
            first = {"yesterday": -1, "tomorrow": 1}.get(word, -1 if "night" in word and word != "tonight" else 0)
            if word.startswith("the"):
                return now - 4 * _ONE, now
            return now + first * _ONE, now + (first + 1) * _ONE
        case {"count": count, "unit": unit, "way": way}:
            back = way not in ("from now", "later") and not way.startswith("from")
            return _counted(_count_of(count), unit, -1 if back else 1, now)
        case {"count2": count, "unit2": unit}:
            return _counted(_count_of(count), unit, 1, now)
        case {"weekday": weekday}:
            return _nearest(weekday, now)
        case {"which": which, "what": what}:
            return _which(which, what, now)
    raise ValueError


def _count_of(words: str) -> int:
    last = words.removesuffix(" of").split()[-1]
    return int(last) if last.isdigit() else _COUNTS[last]


def _counted(count: int, unit: str, way: int, now: date) -> tuple[date, date]:
    """About so long ago or ahead: the day, or as wide as the unit is vague."""
    days = count * _LENGTHS[unit] * way
    loose = {"day": 0, "week": 3, "weekend": 3, "month": 15, "year": 183}[unit]
    middle = now + days * _ONE
    return middle - loose * _ONE, middle + (loose + 1) * _ONE


def _nearest(weekday: str, now: date) -> tuple[date, date]:
    """That day of this week or the last: people rarely say more of it than the name."""
    first = now - ((now.weekday() - _weekday_of(weekday)) % 7) * _ONE
    return first, first + _ONE


def _weekday_of(word: str) -> int:
    return next(number for number, name in enumerate(_DAYS) if name.startswith(word[:3]))


def _which(which: str, what: str, now: date) -> tuple[date, date]:
    step = {"last": -1, "past": -1, "previous": -1, "this": 0}.get(which, 1)
    monday = now - now.weekday() * _ONE
    match what:
        case "day":
            return now + step * _ONE, now + (step + 1) * _ONE
        case "week":
            return monday + 7 * step * _ONE, monday + 7 * (step + 1) * _ONE
        case "weekend":
            first = monday + (5 + 7 * step) * _ONE
            return first, first + 2 * _ONE
        case "month":
            months = now.year * 12 + now.month - 1 + step
            return _month_of(months // 12, months % 12 + 1)
        case "year":
            return date(now.year + step, 1, 1), date(now.year + step + 1, 1, 1)
        case season if season in _SEASONS:
            return _season(season, step, now)
    day = _weekday_of(what)
    if step < 0:
        first = now - ((now.weekday() - day - 1) % 7 + 1) * _ONE
    elif step > 0:
        first = now + ((day - now.weekday() - 1) % 7 + 1) * _ONE
    else:
        first = monday + day * _ONE
    return first, first + _ONE


def _season(season: str, step: int, now: date) -> tuple[date, date]:
    """Three months, of the northern half of the world."""
    begins = _SEASONS[season]
    first = date(now.year, begins, 1)
    if step < 0 and first + 92 * _ONE > now:
        first = date(now.year - 1, begins, 1)
    elif step > 0 and first <= now:
        first = date(now.year + 1, begins, 1)
    return first, first + 92 * _ONE
