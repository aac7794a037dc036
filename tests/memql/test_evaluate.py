"""What expressions mean: null, three-valued logic, numbers at their ends, text, lists, order. No store is needed."""

import math
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memql.bind import bind
from memql.bound import Project
from memql.catalog import Catalog
from memql.errors import Problem, Refusal
from memql.evaluate import Evaluator, Failed
from memql.functions import AGGREGATES, FUNCTIONS, OPERATORS
from memql.order import compared, equal, group_key, sort_key
from memql.parse import parse
from memql.world import Nothing

NAN = math.nan


NOW = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)


def meant(text: str, **parameters: Any) -> Any:
    """The value of an expression, or the problem with it."""
    query = f"RETURN {text} AS x"
    statement = parse(query)
    assert not isinstance(statement, Refusal), f"{statement}: {text}"
    bound = bind(statement, Catalog(), query)
    if isinstance(bound, Refusal):
        return bound.problems[0]
    project = bound.parts[0].clauses[0]
    assert isinstance(project, Project)
    try:
        return Evaluator(Nothing(NOW), parameters).constant(project.items[0][1])
    except Failed as failed:
        return failed.problem


def same(one: Any, other: Any) -> bool:
    """Equal, of the same type, NaN like NaN."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))  # noqa: PLR0124


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 ^ 2", 19.0), ("-2 ^ 2", 4.0), ("7 / 2", 3), ("-7 / 2", -3), ("7 / -2", -3), ("-7 % 3", -1),
        ("7 % -3", 1), ("7.0 / 2", 3.5), ("1 / 2.0", 0.5), ("1.0 / 0", math.inf), ("-1.0 / 0", -math.inf),
        ("0.0 / 0", NAN), ("5.5 % 2", 1.5), ("2 ^ -1", 0.5), ("0 ^ -1", math.inf), ("9.0e307 * 10", math.inf),
        ("-9223372036854775808", -(2**63)), ("9223372036854775807", 2**63 - 1), ("0xFF + 0o17", 270), (".5e1", 5.0),
        ("abs(-3)", 3), ("sign(-0.5)", -1), ("ceil(1.2)", 2.0), ("floor(-1.2)", -2.0), ("round(2.5)", 3.0),
        ("round(-2.5)", -2.0), ("round(1.2345, 2)", 1.23), ("sqrt(-1)", NAN), ("sqrt(2) > 1.4", True),
        ("toInteger('42')", 42), ("toInteger('4.9')", 4), ("toInteger('x')", None), ("toInteger(-1.9)", -1),
        ("toInteger('9223372036854775807')", 2**63 - 1), ("toInteger('9223372036854775808')", None),
        ("toFloat('1e3')", 1000.0), ("toFloat('x')", None), ("toString(1.0)", "1.0"), ("toString(true)", "true"),
        ("toBoolean('TRUE')", True), ("toBoolean('x')", None),
    ],
)  # fmt: skip
def test_numbers(text: str, value: object) -> None:
    """As openCypher has them: integers stay integers, and floats know no error."""
    assert same(meant(text), value), meant(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("9223372036854775807 + 1", "Q211"), ("-9223372036854775808 - 1", "Q211"), ("4611686018427387904 * 2", "Q211"),
        ("-(-9223372036854775808)", "Q211"), ("abs(-9223372036854775808)", "Q211"), ("1 / 0", "Q212"),
        ("1 % 0", "Q212"), ("-9223372036854775808 / -1", "Q211"), ("substring('a', -1)", "Q213"),
        ("range(1, 2, 0)", "Q213"), ("range(0, 100000000)", "Q403"), ("date('x')", "Q213"), ("'a' =~ '['", "Q213"),
        ("$p + 1", "Q213"), ("size($n)", "Q213"), ("$n.x", "Q213"), ("head($n)", "Q213"), ("NOT $n", "Q213"),
        ("$n[0]", "Q213"), ("[1]['a']", "Q201"), ("{a: 1}[0]", "Q213"), ("[x IN $n | x]", "Q213"),
    ],
)  # fmt: skip
def test_what_has_no_value(text: str, code: str) -> None:
    """It is refused with its place, also where the type shows only in the value."""
    problem = meant(text, p={"a": 1}, n=1)
    assert isinstance(problem, Problem), problem
    assert (problem.code, problem.span is not None) == (code, True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null = null", None), ("null <> 1", None), ("1 < null", None), ("NOT null", None), ("null IS NULL", True),
        ("true AND null", None), ("false AND null", False), ("true OR null", True), ("false OR null", None),
        ("true XOR null", None), ("true XOR true XOR true", True), ("1 IN [1, null]", True), ("2 IN [1, null]", None),
        ("null IN []", False), ("null IN [1]", None), ("1 IN null", None), ("[1] IN [[1]]", True),
        ("[null] IN [[1]]", None), ("[1, 2] = [1, null]", None), ("[1, 2] = [2, null]", False),
        ("[1] = [1, null]", False),
        ("{a: 1} = {a: null}", None), ("{a: 1} = {b: 1}", False), ("{a: 1} = {a: 1.0}", True), ("1 = 1.0", True),
        ("1 = true", False), ("'1' = 1", False), ("1 < 'a'", None), ("1 < 2 < 3", True), ("1 < 3 < 2", False),
        ("1 < 2 = true", False), ("[1, 2] < [1, 3]", True), ("[1] < [1, 0]", True), ("[1, null] < [2]", True),
        ("$nan = $nan", False), ("$nan <> $nan", True), ("$nan < 1", False), ("$nan IN [$nan]", False),
        ("all(x IN [] WHERE x)", True), ("any(x IN [] WHERE x)", False), ("all(x IN [1, null] WHERE x < 5)", None),
        ("all(x IN [9, null] WHERE x < 5)", False), ("any(x IN [1, null] WHERE x < 5)", True),
        ("none(x IN [9, null] WHERE x < 5)", None), ("single(x IN [1, 2] WHERE x < 5)", False),
        ("single(x IN [1, null] WHERE x < 5)", None), ("single(x IN [1, 9] WHERE x < 5)", True),
        ("CASE WHEN null THEN 1 ELSE 2 END", 2), ("CASE 1 WHEN 2, 1 THEN 'a' END", "a"),
        ("CASE 3 WHEN 1 THEN 1 END", None),
        ("coalesce(null, 1, 2)", 1), ("coalesce(null)", None),
    ],
)  # fmt: skip
def test_truth(text: str, value: object) -> None:
    """Three-valued logic, equality of anything with anything, order where there is one."""
    assert same(meant(text, nan=NAN), value), meant(text, nan=NAN)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'tea' CONTAINS ''", True), ("'tea' STARTS WITH 'te'", True), ("'tea' ENDS WITH 'x'", False),
        ("1 CONTAINS 'a'", None), ("'tea' CONTAINS null", None), ("'a\\n\\u00e4\\'' + \"b\"", "a\nä'b"),
        ("'a' + 1", "a1"), ("1.5 + 'a'", "1.5a"), ("toUpper('straße')", "STRASSE"),
        ("split('a,b,', ',')", ["a", "b", ""]),
        ("split('ab', '')", ["a", "b"]), ("substring('hello', 1, 3)", "ell"), ("substring('hello', 9)", ""),
        ("left('hello', 2)", "he"), ("right('hello', 2)", "lo"), ("right('hello', 0)", ""), ("reverse('abc')", "cba"),
        ("replace('aaa', 'a', 'b')", "bbb"), ("trim('  a ')", "a"), ("size('äö')", 2), ("'abc' =~ 'a.c'", True),
        ("'abc' =~ 'b'", False), ("'x' || 'y'", "xy"),
        ("[1] + 2", [1, 2]), ("1 + [2]", [1, 2]), ("[1] + [2]", [1, 2]), ("[1, 2, 3][1]", 2), ("[1, 2, 3][-1]", 3),
        ("[1][3]", None), ("[1, 2, 3][1..]", [2, 3]), ("[1, 2, 3][..-1]", [1, 2]), ("[1, 2, 3][1..2]", [2]),
        ("[1, 2, 3][null..2]", None), ("head([])", None), ("last([1, 2])", 2), ("tail([1, 2])", [2]),
        ("range(0, 6, 3)", [0, 3, 6]), ("range(2, 0, -1)", [2, 1, 0]), ("range(1, 0)", []), ("reverse([1, 2])", [2, 1]),
        ("[x IN [1, 2, 3] WHERE x > 1 | x * 10]", [20, 30]), ("[x IN [1, 2]]", [1, 2]), ("[x IN null | x]", None),
        ("[x IN [1, 2] | [y IN [10] | x + y]]", [[11], [12]]), ("reduce(s = 0, x IN [1, 2, 3] | s + x)", 6),
        ("reduce(s = 0, x IN [] | s + x)", 0), ("keys({a: 1, b: null})", ["a", "b"]), ("{a: {b: 2}}.a.b", 2),
        ("{a: 1}.x", None), ("{a: 1}['a']", 1), ("size({a: 1})", 1), ("isEmpty([])", True),
        ("date('2026-03-14').year", 2026), ("datetime'2026-03-14T09:26:53.5Z'.millisecond", 500),
        ("datetime('2026-03-14T10:00:00+01:00').hour", 10), ("date(datetime'2026-03-14T23:00:00Z')", date(2026, 3, 14)),
        ("date'2026-01-01'.week", 1), ("date() = date(datetime())", True), ("datetime().minute", 9),
        ("toString(datetime'2026-03-14T09:00:00Z')", "2026-03-14T09:00Z"),
    ],
)  # fmt: skip
def test_texts_lists_maps_and_times(text: str, value: object) -> None:
    """Lists from 0 and without their end; maps without a key give null."""
    assert same(meant(text), value), meant(text)


def test_every_function_says_what_it_does() -> None:
    """Name, types and a description, for documents and completion; and null goes through what does not look at it."""
    for function in (*FUNCTIONS.values(), *OPERATORS.values()):
        assert function.doc
        assert function.name in function.signature()
        if function.takes and not function.nulls:
            nulls = [Any] * (len(function.takes) - function.optional)
            call = f"{function.name}({', '.join('null' for _ in nulls)})"
            if function.name in {each.name for each in FUNCTIONS.values()} and nulls:
                assert meant(call) is None, call
    assert all(function.doc and function.signature() for function in AGGREGATES.values())


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(width=16), st.text("ab", max_size=2),
    st.dates(), st.datetimes(timezones=st.just(UTC)),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner)),
    max_leaves=5,
)  # fmt: skip


@given(st.lists(VALUES, max_size=6))
def test_any_values_have_an_order(values: list[Any]) -> None:
    """Sorting never fails, and puts null last; what is equal sorts and groups as one."""
    ordered = sorted(values, key=sort_key)
    assert sorted(ordered, key=sort_key, reverse=True) is not None
    assert [value is None for value in ordered] == sorted(value is None for value in values)
    for one in values:
        for other in values:
            if equal(one, other):
                assert group_key(one) == group_key(other)
                assert sort_key(one) == sort_key(other)


@given(VALUES, VALUES)
def test_comparing_is_of_one_mind(one: Any, other: Any) -> None:
    """Equality is symmetric, and < is the other way round of >."""
    assert equal(one, other) is equal(other, one)
    assert compared(one, "<", other) is compared(other, ">", one)
    if compared(one, "<", other):
        assert sort_key(one) < sort_key(other)
