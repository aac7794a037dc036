"""Values: which fit a type, and that JSON gives back what was put in."""

import math
from datetime import UTC, date, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memql.values import MAX_NESTING, TYPES, Misfit, conform, from_json, instant, iso, micros, to_json, type_of

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.text(), st.dates(), st.datetimes(timezones=st.just(UTC)),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@given(VALUES)
def test_json_gives_back_what_was_put_in(value: object) -> None:
    """Through bytes and back, keys that look like our own tags included."""
    assert from_json(orjson.loads(orjson.dumps(to_json(value)))) == value  # type: ignore[arg-type]


@given(VALUES)
def test_a_value_fits_its_own_type(value: object) -> None:
    fitted = conform(value, "any")
    if not isinstance(fitted, Misfit):
        assert fitted == value
        assert conform(fitted, type_of(fitted)) == fitted
        assert type_of(fitted) in TYPES


@given(st.integers(-62135596800_000000, 253402300799_999999))
def test_instants_are_whole_microseconds(us: int) -> None:
    assert micros(instant(us)) == us
    assert micros(datetime.fromisoformat(iso(us))) == us


@pytest.mark.parametrize(
    ("value", "of", "expected"),
    [
        (1, "float", 1.0),
        (None, "string", None),
        ("2026-03-14T12:00:00Z", "datetime", NOON),
        ("2026-03-14T14:00:00+02:00", "datetime", NOON),
        (NOON.astimezone(timezone(timedelta(hours=2))), "datetime", NOON),
        ("2026-03-14", "date", date(2026, 3, 14)),
        (("a", "b"), "string[]", ["a", "b"]),
        ([1, "a", None], "any", [1, "a", None]),
        ({"a": {"b": [1]}}, "map", {"a": {"b": [1]}}),
    ],
)
def test_what_fits(value: object, of: str, expected: object) -> None:
    assert conform(value, of) == expected


@pytest.mark.parametrize(
    ("value", "of", "place"),
    [
        (True, "integer", ""),
        (1.5, "integer", ""),
        (2**63, "integer", ""),
        (math.nan, "float", ""),
        (10**400, "float", ""),
        ("soon", "datetime", ""),
        (NOON, "date", ""),
        ("a\x00", "string", ""),
        ("\ud800", "string", ""),
        (["a", 1], "string[]", "[1]"),
        ("a", "string[]", ""),
        ([1], "map", ""),
        ({"a": {"b": [1, object()]}}, "any", ".a.b[1]"),
        ({1: 2}, "any", ""),
        (b"bytes", "any", ""),
    ],
)
def test_what_does_not_fit_says_where(value: object, of: str, place: str) -> None:
    found = conform(value, of)
    assert isinstance(found, Misfit)
    assert found.place == place


def test_nesting_has_a_bound() -> None:
    value: object = 1
    for _ in range(MAX_NESTING + 2):
        value = [value]
    assert isinstance(conform(value, "any"), Misfit)
