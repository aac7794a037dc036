"""Dates, times and durations in queries: functions, operators, parts, order and what is refused. No store is needed."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pytest

from memql.bind import bind
from memql.bound import Project
from memql.catalog import Catalog
from memql.errors import Refusal
from memql.evaluate import Evaluator, Failed
from memql.order import compared, equal, group_key, sort_key
from memql.parse import parse
from memql.temporal import TYPES, DateTime, Duration, made, ours
from memql.world import Nothing

ASKED_AT = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
NOW = ours(ASKED_AT)


def meant(expression: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """The value of an expression, dates and times as text; or code, message and hint of what is wrong."""
    text = f"RETURN {expression} AS x"
    statement = parse(text)
    assert not isinstance(statement, Refusal), str(statement)
    query = bind(statement, Catalog(), text)
    if isinstance(query, Refusal):
        return str(query.problems[0])
    project = query.parts[0].clauses[0]
    assert isinstance(project, Project)
    try:
        value = Evaluator(Nothing(ASKED_AT), parameters or {}).constant(project.items[0][1])
    except Failed as failed:
        return str(failed.problem)
    return str(ours(value)) if type(value) in TYPES else value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("date()", "2026-03-14"), ("localtime()", "15:09:26"), ("time.realtime('+02:00')", "17:09:26+02:00"),
        ("datetime() = datetime.statement()", True), ("date.transaction('Pacific/Kiritimati')", "2026-03-15"),
        ("date(null)", None), ("duration.between(null, date())", None), ("date.truncate('month', null)", None),
        ("DateTime({year: 2024}).epochMillis", 1704067200000), ("date('2024-02-29').weekDay", 4),
        ("date.truncate('month').day", 1), ("datetime.fromEpoch(1, 5)", "1970-01-01T00:00:01.000000005Z"),
        ("datetime.fromepochmillis(1)", "1970-01-01T00:00:00.001Z"), ("timestamp()", 1773500966000),
        ("date('2024-01-31') + duration('P1M')", "2024-02-29"), ("duration('P1D') + date('2024-01-31')", "2024-02-01"),
        ("datetime'2024-03-01T00:00:00Z' - duration({hours: 1})", "2024-02-29T23:00Z"),
        ("duration('P1D') - duration('PT1H')", "P1DT-1H"), ("duration('PT1H') * 1.5", "PT1H30M"),
        ("2 * duration('P1D')", "P2D"), ("duration('P1D') / 2", "PT12H"), ("duration('P1D') + null", None),
        ("[date('2024-01-01')] + date('2024-01-02') = [date('2024-01-01'), date('2024-01-02')]", True),
        ("date('2024-01-01') IN [date({year: 2024})]", True), ("time('09:00Z') < time('09:00-01:00')", True),
        ("localtime('09:00') = time('09:00')", False), ("localtime('09:00') < time('09:00')", None),
        ("duration('P1D') = duration('PT24H')", False), ("duration('PT1H') = duration('PT60M')", True),
        ("duration('P1D') < duration('P2D')", None), ("toString(duration('PT90M'))", "PT1H30M"),
        ("datetime({datetime: datetime('2024-07-01T09:00Z'), timezone: 'Europe/Paris'}).timezone", "Europe/Paris"),
        ("datetime('2024-07-01T09:00+02:00') < datetime('2024-07-01T08:00Z')", True),
        ("duration.inDays(date('2024-01-01'), date('2024-12-25')).weeks", 51),
    ],
)  # fmt: skip
def test_values(expression: str, value: object) -> None:
    """As openCypher has them."""
    assert meant(expression) == value


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("date('2024-13')", "Q213 at line 1, column 8: a month is 1 to 12, not 13"), ("date(1)", "Q201"),
        ("date() - date()", "Q201"), ("$d - $d", "Q213"), ("date() + 1", "Q213"), ("'a' + date()", "Q213"),
        ("duration('P1D') / 0", "Q212"), ("duration('P1D') * 'x'", "Q201"), ("duration('P1D').hour", "Q102"),
        ("date('2024').hours", "Q102"), ("date('+999999999') + duration('P1Y')", "Q213"),
        ("duration({years: 9.0e18}) * 9", "Q211"),
        ("datetime.fromEpoch(9223372036854775807)", "Q211"), ("date.truncate('hour', datetime())", "Q213"),
        ("localtime(date())", "Q213"), ("duration.between(date(), duration('P1D'))", "Q201"), ("duration(1)", "Q201"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(expression: str, why: str) -> None:
    """With a code and the place in the query."""
    assert str(meant(expression, {"d": date(2024, 2, 29)})).startswith(why)


def test_the_difference_of_two_times_has_a_way_on() -> None:
    """Whether that is known before or not."""
    assert "duration.between(a, b)" in meant("date() - date()")
    assert "duration.between(a, b)" in meant("$d - $d", {"d": date(2024, 2, 29)})


def test_what_python_holds_and_what_it_does_not_have_one_order() -> None:
    """By instant, in ORDER BY and by the signs; durations only in ORDER BY, by their average length."""
    stored = datetime(2024, 7, 1, 9, tzinfo=UTC)
    values = [made(DateTime, text, NOW) for text in ("2024-07-01T09:00:00.000000001Z", "2024-07-01T11:00+02:00")]  # type: ignore[arg-type]
    assert sorted([values[0], values[1], stored], key=sort_key) == [stored, values[1], values[0]]
    assert (compared(stored, "<", values[0]), equal(stored, values[1]), equal(stored, stored)) == (True, False, True)
    lengths = [Duration(seconds=86_401), Duration(days=30), Duration(months=1), Duration(days=31)]
    assert sorted([lengths[-1], *lengths[:-1]], key=sort_key) == lengths
    assert len({group_key(each) for each in (*values, stored, *lengths, lengths[0])}) == 7
