"""Conditions that the columns answer: for every item what the reference says, with little of it read."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.clock import SystemClock
from engine.commands import (
    AddItem,
    Command,
    DeclareKind,
    EraseItem,
    EventInput,
    NameEntity,
    Principal,
    PropertyInput,
    RecordEvents,
    Remember,
    SetCatalog,
    SetGoal,
)
from engine.execute import qualifying
from engine.execute.seen import Seen
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant
from memql.bind import bind_item_condition
from memql.errors import Refusal
from memql.evaluate import Evaluator
from memql.parse import expression
from memql.values import instant

ME = Principal("usr_me", admin=True)
DAY = 86_400_000_000
MARCH = 1_772_000_000_000_000
"""A day in late February 2026."""


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """Items of many kinds, with and without author and end, one erased, one with an author of another sort."""
    directory: Path = tmp_path_factory.mktemp("columnar")
    opened = Tenant.open("t", directory, clock=SystemClock(), limits=Limits(text_commit_ms=0))
    assert isinstance(opened, Tenant)

    def do(command: Command, by: Principal = ME) -> str:
        receipt = opened.write_now(command, by)
        assert isinstance(receipt, Receipt), receipt
        return receipt.ids[-1] if receipt.ids else ""

    for n in range(12):
        at, author = instant(MARCH + n * DAY), ("Ada", "Ben", None)[n % 3]
        do(RecordEvents(stream="s", events=(EventInput(content=f"e{n}", author=author, occurred_at=at),)))
        until = instant(MARCH + (100 + n) * DAY * 100) if n % 2 else None
        do(
            Remember(
                text=f"m{n}", author=author, valid_from=at, valid_to=until, importance=n / 12,
                domain="organization" if n % 4 else "agent",
            )
        )  # fmt: skip
    do(EraseItem(id=do(Remember(text="gone", author="Ada"))))
    do(SetGoal(title="g"), Principal("usr_other"))
    do(NameEntity(name="Ada"))
    properties = (PropertyInput(name="author", type="string"), PropertyInput(name="title", type="string"))
    do(DeclareKind(name="Paper", text="title", properties=properties))
    do(AddItem(kind="Paper", properties={"title": "p", "author": "Ada"}))
    do(SetCatalog(open=True))
    do(SetGoal(title="of an open catalog", properties={"author": "Ben"}))
    do(SetCatalog(open=False))
    yield opened
    opened.close()


LEAVES = (
    "n.author = 'Ada'", "n.author <> 'Ada'", "'Ben' = n.author", "n.author IN ['Ada', 'Nobody']", "n.author IN []",
    "n.author IN ['Ben', null]", "n.author IS NULL", "n.author IS NOT NULL", "n.author < 'B'", "n.author = null",
    "n.kind = 'Memory'", "n.kind IN ['Event', 'Paper']", "n.kind <> 'Event'", "n.owner = 'usr_other'",
    "n.domain = 'organization'", "n.domain IN ['agent', 'nowhere']", "n.domain <> 'user'",
    "n.valid_from >= datetime'2026-03-01T00:00:00Z'", "datetime'2026-03-01T00:00:00Z' > n.valid_from",
    "n.valid_from = datetime'2026-02-25T06:13:20Z'",
    "n.valid_from IN [datetime'2026-02-25T06:13:20Z']", "n.valid_to > datetime'2026-06-01T00:00:00Z'",
    "n.valid_to <> datetime'2026-06-01T00:00:00Z'", "n.valid_to IS NULL", "n.valid_to IS NOT NULL",
    "n.importance > 0.4", "n.text CONTAINS '1'",
)  # fmt: skip


def held(reader: Reader, written: str) -> tuple[set[int], set[int]]:
    """What qualifies, and what the reference finds, item by item."""
    said = expression(written)
    assert not isinstance(said, Refusal), written
    condition = bind_item_condition(said, "n", (), reader.catalog)
    assert not isinstance(condition, Refusal), condition
    found = qualifying(reader, (), condition)
    assert not isinstance(found, Refusal), found
    seen = Seen(reader, 0)
    truth = Evaluator(seen, {}).condition(condition.expression, {condition.variable: 0})
    every = np.flatnonzero(reader.scope.seen)
    wanted = {number for number, node in zip(every.tolist(), seen.nodes(every), strict=True) if truth((node,))}
    return set(np.flatnonzero(found).tolist()), wanted


def test_each_condition_is_what_the_reference_says(tenant: Tenant) -> None:
    """Alone and negated: null is neither."""

    def ask(reader: Reader) -> None:
        for leaf in LEAVES:
            for written in (leaf, f"NOT ({leaf})", f"NOT (NOT ({leaf}))"):
                found, wanted = held(reader, written)
                assert found == wanted, written

    tenant.read_now(ask, ME, valid_at=None)


def test_an_id_is_looked_up(tenant: Tenant) -> None:
    """Of one that is there, of one that is not, of what is no id, and of an item that ids are compared with."""

    def ask(reader: Reader) -> None:
        (some,) = reader.items([7])
        for sign in ("=", "<>"):
            for value in (f"'{some.id}'", "'mem_nowhere'", "''", "5", "null"):
                for written in (f"n.id {sign} {value}", f"{value} {sign} id(n)", f"NOT n.id {sign} {value}"):
                    found, wanted = held(reader, written)
                    assert found == wanted, written
        assert held(reader, f"n.id = '{some.id}'") == ({7}, {7})

    tenant.read_now(ask, ME, valid_at=None)


def test_joined_conditions_are_what_the_reference_says(tenant: Tenant) -> None:
    """Each with each, by AND and by OR, and the opposites: also where one of the two must be read."""

    def ask(reader: Reader) -> None:
        for one in LEAVES[::2]:
            for other in LEAVES[1::3]:
                for written in (f"{one} AND {other}", f"{one} OR NOT {other}", f"NOT ({one} OR {other})"):
                    found, wanted = held(reader, written)
                    assert found == wanted, written

    tenant.read_now(ask, ME, valid_at=None)


def test_what_the_columns_rule_out_is_not_read(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a condition that is partly of columns only what is left is read; of one of columns alone, nothing."""
    reads: list[int] = []
    real = Reader.items

    def counted(self: Reader, denses: object) -> object:
        asked = list(denses)  # type: ignore[call-overload]
        reads.extend(asked)
        return real(self, asked)

    monkeypatch.setattr(Reader, "items", counted)

    def ask(reader: Reader, written: str) -> int:
        reads.clear()
        said = expression(written)
        assert not isinstance(said, Refusal)
        condition = bind_item_condition(said, "n", ("Memory",), reader.catalog)
        assert not isinstance(condition, Refusal)
        assert not isinstance(qualifying(reader, ("Memory",), condition), Refusal)
        return len(reads)

    def each(reader: Reader) -> tuple[int, int, int]:
        alone = ask(reader, "n.author = 'Ada' AND n.valid_from >= datetime'2026-03-01T00:00:00Z'")
        partly = ask(reader, "n.author = 'Ada' AND n.importance > 0.1")
        return alone, partly, ask(reader, "n.importance > 0.1")

    alone, partly, whole = tenant.read_now(each, ME, valid_at=None)  # type: ignore[misc]
    assert (alone, partly, whole) == (0, 4, 12)


def test_a_search_among_some_ends_behind_enough(tenant: Tenant) -> None:
    """In the order of dense ids, and no item is looked at that was ruled out before."""

    def ask(reader: Reader) -> None:
        said = expression("n.text STARTS WITH 'm'")
        assert not isinstance(said, Refusal)
        condition = bind_item_condition(said, "n", ("Memory",), reader.catalog)
        assert not isinstance(condition, Refusal)
        among = reader.scope.of_kind("Memory")
        every = qualifying(reader, ("Memory",), condition, among=among)
        some = qualifying(reader, ("Memory",), condition, among=among, most=3)
        assert not isinstance(every, Refusal)
        assert not isinstance(some, Refusal)
        assert every.sum() == 12
        assert np.flatnonzero(some)[:3].tolist() == np.flatnonzero(every)[:3].tolist()
        among[np.flatnonzero(every)[:2]] = False
        later = qualifying(reader, ("Memory",), condition, among=among)
        assert not isinstance(later, Refusal)
        assert later.sum() == 10

    tenant.read_now(ask, ME, valid_at=None)


def test_what_can_fail_is_evaluated_as_it_stands(tenant: Tenant) -> None:
    """The columns do not decide in the place of an expression that the reference would have failed on."""

    def ask(reader: Reader) -> str:
        said = expression("1 / (n.version - 1) > 0 OR n.author = 'Ada'")
        assert not isinstance(said, Refusal)
        condition = bind_item_condition(said, "n", (), reader.catalog)
        assert not isinstance(condition, Refusal)
        refused = qualifying(reader, (), condition)
        assert isinstance(refused, Refusal)
        return refused.problems[0].code

    assert str(tenant.read_now(ask, ME, valid_at=None)).startswith("Q")
