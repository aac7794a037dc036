"""The proleptic Gregorian calendar and ISO weeks, in whole numbers: days are counted from 1970-01-01, which is 0.

Python's own dates end at the years 1 and 9999; openCypher's reach a billion years either way.
"""

from memql.temporal.untimely import Untimely

YEARS = range(-999_999_999, 1_000_000_000)
MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ERA = 146_097
"""Days in 400 years, after which the calendar repeats, days of the week included."""


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def month_length(year: int, month: int) -> int:
    return 29 if month == 2 and is_leap(year) else MONTH_LENGTHS[month - 1]


def year_length(year: int) -> int:
    return 366 if is_leap(year) else 365


def within(what: str, value: int, least: int, most: int) -> int:
    """The value, which must lie between both ends; they belong to it."""
    if not least <= value <= most:
        raise Untimely(f"{what} is {least:,} to {most:,}, not {value:,}")
    return value


def day_of(year: int, month: int = 1, day: int = 1) -> int:
    """The number of the day. Years are counted from March, so that a leap day is the last of its year."""
    within("a year", year, YEARS[0], YEARS[-1])
    within("a month", month, 1, 12)
    within("a day of this month", day, 1, month_length(year, month))
    from_march, since = (year, month - 3) if month > 2 else (year - 1, month + 9)
    era, of_era = divmod(from_march, 400)
    of_year = (153 * since + 2) // 5 + day - 1
    return era * _ERA + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def civil(day: int) -> tuple[int, int, int]:
    """Year, month and day of the month."""
    era, of_era = divmod(day + 719_468, _ERA)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    since = (5 * of_year + 2) // 153
    month = since + 3 if since < 10 else since - 9
    return era * 400 + year + (month <= 2), month, of_year - (153 * since + 2) // 5 + 1


FIRST, LAST = day_of(YEARS[0]), day_of(YEARS[-1], 12, 31)


def weekday(day: int) -> int:
    """Monday is 1, Sunday 7."""
    return (day + 3) % 7 + 1


def _first_monday(year: int) -> int:
    """Where week 1 begins: the week with 4 January."""
    fourth = day_of(year, 1, 4)
    return fourth - weekday(fourth) + 1


def week(day: int) -> tuple[int, int]:
    """The week-year and the week."""
    thursday = day - weekday(day) + 4
    year = civil(thursday)[0]
    return year, (thursday - day_of(year)) // 7 + 1


def week_day(year: int, week_of_year: int, of_week: int) -> int:
    most = week(day_of(year, 12, 28))[1]
    within(f"a week of {year}", week_of_year, 1, most)
    return _first_monday(year) + (week_of_year - 1) * 7 + within("a day of the week", of_week, 1, 7) - 1


def ordinal_day(year: int, of_year: int) -> int:
    first = day_of(year)
    return first + within(f"a day of {year}", of_year, 1, year_length(year)) - 1


def quarter_day(year: int, quarter: int, of_quarter: int) -> int:
    within("a quarter", quarter, 1, 4)
    month = 3 * quarter - 2
    most = sum(month_length(year, each) for each in range(month, month + 3))
    return day_of(year, month) + within("a day of this quarter", of_quarter, 1, most) - 1


def months_later(day: int, months: int) -> int:
    """The same day so many months later, or the last one of a month that is too short."""
    year, month, of_month = civil(day)
    total = year * 12 + month - 1 + months
    year, month = total // 12, total % 12 + 1
    within("a year", year, YEARS[0], YEARS[-1])
    return day_of(year, month, min(of_month, month_length(year, month)))


def months_until(first: int, last: int) -> int:
    """Whole months between two days, cut towards zero."""
    one, other = (year * 12 * 32 + month * 32 + day for year, month, day in (civil(first), civil(last)))
    return quotient(other - one, 32)


def quotient(value: int, by: int) -> int:
    """Cut towards zero, where // goes down."""
    return value // by if value >= 0 else -(-value // by)


def rest(value: int, by: int) -> int:
    """What `quotient` leaves: it has the sign of the value."""
    return value - by * quotient(value, by)
