"""Properties that are held in memory: whatever is asked of them, the rows are those of reading every item."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import SystemClock
from engine.commands import (
    AddItem,
    Command,
    DeclareKind,
    EraseItem,
    Link,
    Principal,
    PropertyInput,
    Remember,
    ReviseItem,
    SetCatalog,
)
from engine.execute import Rows, run, running
from engine.limits import Limits
from engine.properties import Properties
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant

ME = Principal("usr_me", admin=True)
NUMBERS = (
    0,
    1,
    -1,
    0.0,
    -0.0,
    0.5,
    -2.5,
    1e307,
    -1e307,
    5e-324,
    2**53,
    2**53 + 1,
    -(2**53) - 1,
    2**63 - 1,
    -(2**63),
    3,
)
TEXTS = ("", "a", "A", "ä", "a\u0308", "ab", "b", "日本", "\U0001f600", "'; DROP", "0.5", "true", "a" * 300)
TIMES = ("datetime('2026-03-01T00:00:00Z')", "datetime('1066-10-14T09:00:00Z')", "datetime('9000-01-01T00:00:00Z')")
OTHERS: tuple[Any, ...] = (
    True,
    False,
    [1, 2],
    {"a": 1},
    datetime(2026, 3, 1, tzinfo=UTC),
    datetime(1500, 1, 1, tzinfo=UTC),
    [],
)
CHOICES: dict[str, list[Any]] = {
    "w": [0.5, -1.0, 0.1, 0.2, 1e300], "i": [1, 2, 2**62, -3], "s": list(TEXTS[1:]), "t": list(OTHERS[4:6]),
    "b": [True, False], "d": ["2026-03-01", "1999-12-31"],
}  # fmt: skip
OPERANDS = (
    "0", "1", "-1", "0.5", "-0.0", "3.0", "9007199254740992", "9007199254740993", "9223372036854775807", "1e308",
    "'a'", "''", "'ä'", "'日本'", "true", "false", "null", "[1, 2]", "date('2026-03-01')",
    "localdatetime('2026-03-01')", "duration('P1D')", *TIMES,
)  # fmt: skip


def do(tenant: Tenant, command: Command) -> str:
    receipt = tenant.write_now(command, ME)
    assert isinstance(receipt, Receipt), receipt
    return receipt.ids[-1] if receipt.ids else ""


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """Things with `x` of any type, and with `w` a float, `i` an integer, `s` a text, `t` a time, `b` true or false."""
    path: Path = tmp_path_factory.mktemp("properties")
    opened = Tenant.open("t", path, clock=SystemClock(), limits=Limits())
    assert isinstance(opened, Tenant)
    typed = {"w": "float", "i": "integer", "s": "string", "t": "datetime", "b": "boolean", "d": "date"}
    properties = (PropertyInput(name="x", type="any"), *(PropertyInput(name=n, type=of) for n, of in typed.items()))
    do(opened, DeclareKind(name="Thing", text="s", properties=properties))
    chance, before = random.Random(7), ""
    for n, value in enumerate((*NUMBERS, *TEXTS, *OTHERS, None, None, *NUMBERS)):
        given_: dict[str, Any] = {"x": value} if value is not None else {}
        for name, choice in CHOICES.items():
            if chance.random() < 0.8:
                given_[name] = chance.choice(choice)
        links = (Link(kind="ABOUT", target=before, weight=n / 7),) if before else ()
        before = do(opened, AddItem(kind="Thing", properties=given_, links=links))
    do(opened, SetCatalog(open=True))
    do(opened, AddItem(kind="Thing", properties={"undeclared": 5}))
    yield opened
    opened.close()


def answered(tenant: Tenant, text: str) -> object:
    found = run(tenant, text, {}, ME)
    return (sorted(map(repr, found.rows)) if "ORDER" not in text else list(map(repr, found.rows))) if isinstance(
        found, Rows
    ) else [(each.code, each.place) for each in found.problems]  # fmt: skip


def both(tenant: Tenant, text: str) -> tuple[object, object]:
    """What is answered from memory, and by reading every item."""
    found = []
    for few in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running, "FEW", few)
            found.append(answered(tenant, text))
    return found[0], found[1]


NAMES = st.sampled_from(["x", "w", "i", "s", "t", "b", "d", "undeclared", "nowhere"])
SIDES = st.tuples(NAMES, st.sampled_from(OPERANDS), st.booleans())
COMPARED = st.builds(
    lambda side, sign: f"{side[1]} {sign} n.{side[0]}" if side[2] else f"n.{side[0]} {sign} {side[1]}",
    SIDES, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
)  # fmt: skip
TESTED = st.one_of(
    st.builds("n.{} {} {}".format, NAMES, st.sampled_from(["STARTS WITH", "ENDS WITH", "CONTAINS"]),
              st.sampled_from(["'a'", "''", "'ä'", "1", "null"])),
    st.builds(lambda n, a, b: f"n.{n} IN [{a}, {b}]", NAMES, st.sampled_from(OPERANDS), st.sampled_from(OPERANDS)),
    st.builds(lambda n, what: f"n.{n} IS {what}", NAMES, st.sampled_from(["NULL", "NOT NULL"])),
    st.builds(lambda n, o: f"toLower(n.s) CONTAINS {o} AND n.{n} IS NOT NULL", NAMES, st.sampled_from(["'a'", "'ä'"])),
    st.builds(lambda n: f"coalesce(n.{n}, 1) = 1", NAMES),
    st.sampled_from(["n.recorded_at > datetime('2020-01-01T00:00:00Z')", "n.version = 1", "n.recorded_at IS NULL"]),
)  # fmt: skip
CONDITION = st.recursive(
    st.one_of(COMPARED, TESTED),
    lambda inner: st.one_of(
        st.builds("NOT ({})".format, inner),
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["AND", "OR", "XOR"]), inner),
    ),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(CONDITION)
def test_any_condition_has_the_rows_of_reading(tenant: Tenant, condition: str) -> None:
    """Null, numbers of any size, texts, times and what no column holds, on either side."""
    ours, plain = both(tenant, f"MATCH (n:Thing) WHERE {condition} RETURN n.id AS id")
    assert ours == plain


COLUMNS = (
    "n.{0} AS v, count(*) AS c", "DISTINCT n.{0} AS v", "n.{0} AS v, n.{1} AS u, count(n.{1}) AS c",
    "sum(n.w * n.w - 2 * n.w) AS s", "n.b AS b, sum(n.w) AS s, avg(n.w) AS m", "sum(n.w / n.w) AS s",
    "min(n.{0}) AS l, max(n.{0}) AS m", "n.{0} AS v ORDER BY v, n.id", "n.id AS id, count(*) AS c",
    "n.{0} AS v ORDER BY v DESC, n.{1}, n.id LIMIT 5", "n.id AS id ORDER BY n.{0}, n.{1} DESC, id SKIP 2 LIMIT 7",
    "collect(n.{0}) AS l", "DISTINCT n.{0} AS v, n.{1} AS u ORDER BY v DESC, u", "sum(n.i) AS s", "avg(n.i) AS s",
    "n.w + n.i AS s", "count(DISTINCT n.{0}) AS c", "sum(n.w * 1e308 * 10) AS s",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(COLUMNS), NAMES, NAMES)
def test_what_is_sorted_grouped_and_summed_is_the_same(tenant: Tenant, columns: str, one: str, other: str) -> None:
    """Order, groups and sums by numbers are those by values."""
    ours, plain = both(tenant, f"MATCH (n:Thing) RETURN {columns.format(one, other)}")
    assert ours == plain


@pytest.mark.parametrize(
    "columns",
    [
        "sum(r.weight * q.weight) AS s", "a.id AS a, sum(r.weight) AS s ORDER BY s DESC, a LIMIT 3",
        "avg(r.weight) AS m", "c.id AS c, count(*) AS n, max(r.weight + a.w) AS m ORDER BY c",
        "DISTINCT a.id AS a, b.id AS b",
    ],
)  # fmt: skip
def test_weights_are_summed_as_they_are_read(tenant: Tenant, columns: str) -> None:
    """Those of relations too, also where an OPTIONAL MATCH found none."""
    for match in ("MATCH (b)-[q:ABOUT]->(c)", "OPTIONAL MATCH (b)-[q:ABOUT]->(c:Thing {b: true})"):
        ours, plain = both(tenant, f"MATCH (a:Thing)-[r:ABOUT]->(b) {match} RETURN {columns}")
        assert ours == plain


# Beside writes


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[..., Tenant]]:
    """Tenants with these limits."""
    opened: list[Tenant] = []

    def place(**limits: int) -> Tenant:
        tenant = Tenant.open("t", tmp_path / f"t{len(opened)}", clock=SystemClock(), limits=Limits(**limits))
        assert isinstance(tenant, Tenant)
        opened.append(tenant)
        return tenant

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "FEW", 0)
        yield place
    for each in opened:
        each.close()


HIGH = "MATCH (m:Memory) WHERE m.importance > 0.5 RETURN m.text AS t ORDER BY t"


def test_what_is_written_later_is_there(small: Callable[..., Tenant]) -> None:
    """New items, new versions, and what is no longer the current version."""
    tenant = small()
    ids = [do(tenant, Remember(text=f"m{n}", importance=n / 10)) for n in range(10)]
    assert answered(tenant, HIGH) == ["('m6',)", "('m7',)", "('m8',)", "('m9',)"]
    do(tenant, Remember(text="new", importance=0.9))
    do(tenant, ReviseItem(id=ids[9], set={"importance": 0.1}))
    do(tenant, ReviseItem(id=ids[1], set={"importance": 0.7}))
    assert answered(tenant, HIGH) == ["('m1',)", "('m6',)", "('m7',)", "('m8',)", "('new',)"]


def test_what_is_erased_is_held_no_longer(small: Callable[..., Tenant]) -> None:
    """Neither answered nor in memory."""
    tenant = small()
    secret = do(tenant, Remember(text="secret", category="hidden"))
    do(tenant, Remember(text="open", category="shown"))
    asked = "MATCH (m:Memory) WHERE m.category STARTS WITH 'h' RETURN m.id AS id"
    assert len(answered(tenant, asked)) == 1  # type: ignore[arg-type]
    do(tenant, EraseItem(id=secret))
    assert not tenant.properties._held
    assert answered(tenant, asked) == []
    texts = [text for held in tenant.properties._held.values() for text in held.texts]
    assert texts == ["shown"]


def test_memory_is_bounded(small: Callable[..., Tenant]) -> None:
    """The rows are the same where nothing may be held, and where one column makes room for the other."""
    for most in (0, 12_000):
        tenant = small(property_memory=most)
        for n in range(10):
            do(tenant, Remember(text=f"m{n}", importance=n / 10, confidence=n / 20))
        assert len(answered(tenant, HIGH)) == 4  # type: ignore[arg-type]
        assert len(answered(tenant, "MATCH (m:Memory) WHERE m.confidence > 0.3 RETURN m.id AS id")) == 3  # type: ignore[arg-type]
        held = tenant.properties._held
        assert sum(each.bytes for each in held.values()) <= most
        assert len(held) == (1 if most else 0)


def test_no_item_is_read_for_what_is_held(small: Callable[..., Tenant], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that the answer shows."""
    tenant = small()
    for n in range(20):
        do(tenant, Remember(text=f"m{n}", importance=n / 20, category=f"c{n % 3}"))
    reads: list[int] = []
    real = Reader.items

    def counted(self: Reader, denses: Any) -> Any:
        asked = list(denses)
        reads.extend(asked)
        return real(self, asked)

    monkeypatch.setattr(Reader, "items", counted)
    for text, most in (
        ("MATCH (m:Memory) WHERE m.importance >= 0.5 AND m.category = 'c1' RETURN count(*) AS n", 0),
        ("MATCH (m:Memory) RETURN m.category AS c, avg(m.importance) AS a ORDER BY a DESC", 0),
        ("MATCH (m:Memory) RETURN m.id AS id, m.importance AS i ORDER BY i DESC LIMIT 2", 2),
        ("MATCH (m:Memory) WHERE m.text CONTAINS '19' RETURN m.id AS id", 1),
    ):
        reads.clear()
        assert isinstance(run(tenant, text, {}, ME), Rows)
        assert len(reads) == most, text


def test_few_rows_are_read_rather_than_held(tmp_path: Path) -> None:
    """A look at some items does not bring every item's property into memory."""
    tenant = Tenant.open("t", tmp_path / "t", clock=SystemClock(), limits=Limits())
    assert isinstance(tenant, Tenant)
    try:
        for n in range(20):
            do(tenant, Remember(text=f"m{n}", importance=n / 20))
        assert len(answered(tenant, HIGH)) == 9  # type: ignore[arg-type]
        assert isinstance(tenant.properties, Properties)
        assert not tenant.properties._held
    finally:
        tenant.close()
