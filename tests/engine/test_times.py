"""Two people, two employers, and what was believed of them when: both axes of time by hand."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.commands import (
    Command,
    DeclareRelationKind,
    EraseItem,
    NameEntity,
    Principal,
    Relate,
    Remember,
    RetireItem,
    RetireRelation,
    ReviseItem,
    ReviseRelation,
)
from engine.execute import Rows, run
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant
from memql.errors import Refusal
from memql.values import instant
from tests.engine.embedders import WordHashes

CLERK, BOSS, STRANGER = Principal("usr_clerk"), Principal("usr_boss", admin=True), Principal("usr_else")


def day(year: int, month: int = 1) -> datetime:
    return datetime(year, month, 1, tzinfo=UTC)


class Office:
    """Ada worked at Acme until the end of 2025 and then at Best, which was learnt late and corrected once."""

    def __init__(self, directory: Path) -> None:
        limits = Limits(text_commit_ms=0, graph_gather_ms=0)
        opened = Tenant.open("office", directory, clock=SystemClock(), limits=limits, embedder=WordHashes())
        assert isinstance(opened, Tenant)
        self.tenant = opened
        self.ids: dict[str, str] = {}
        self.times = {"nothing": instant(self.tenant.clock.now())}
        self.do(DeclareRelationKind(name="WORKS_AT"), by=BOSS)
        for name in ("Ada", "Acme", "Best"):
            self.do(NameEntity(name=name, domain="organization", valid_from=day(2020)), name.lower())
        self.do(self.works("acme", day(2024)), "job")
        self.do(Remember(text="Ada likes the window seat", domain="organization", valid_from=day(2024)), "seat")
        self.mark("hired")
        self.do(ReviseRelation(id=self.ids["job"], valid_to=day(2026), reason="she gave notice"))
        self.do(self.works("best", day(2026)), "next")
        change = {"text": "Ada likes the corridor seat", "importance": 0.9}
        self.do(ReviseItem(id=self.ids["seat"], set=change, reason="she said so"))
        self.mark("moved")
        self.do(
            Relate(source=self.ids["seat"], kind="MENTIONS", target=self.ids["ada"], valid_from=day(2024)), "mention"
        )
        self.do(ReviseRelation(id=self.ids["next"], weight=0.5))
        self.do(RetireItem(id=self.ids["seat"], reason="no longer of interest"), by=BOSS)

    def works(self, where: str, since: datetime) -> Relate:
        return Relate(source=self.ids["ada"], kind="WORKS_AT", target=self.ids[where], valid_from=since)

    def mark(self, name: str) -> None:
        self.times[name] = instant(self.tenant.clock.now())

    def do(self, command: Command, name: str = "", by: Principal = CLERK) -> None:
        receipt = self.tenant.write_now(command, by)
        assert isinstance(receipt, Receipt), receipt
        if name:
            self.ids[name] = receipt.ids[0]

    def ask(self, text: str, by: Principal = CLERK) -> list[Any]:
        found = run(self.tenant, text, {**self.ids, **self.times}, by)
        assert isinstance(found, Rows), found
        return [row[0] if len(row) == 1 else row for row in found.rows]

    def refused(self, text: str) -> str:
        found = run(self.tenant, text, {**self.ids, **self.times}, CLERK)
        assert isinstance(found, Refusal), found
        return found.problems[0].code


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path / "office")
    yield made
    made.tenant.close()


WORK = "MATCH (p:Entity)-[r:WORKS_AT]->(c:Entity){T} RETURN c.name ORDER BY c.name"


@pytest.mark.parametrize(
    ("time", "employers"),
    [
        ("", ["Best"]),
        (" VALID AT date'2025-12-31'", ["Acme"]),
        (" AS OF $hired", ["Acme"]),
        (" AS OF $hired VALID AT date'2025-12-31'", ["Acme"]),
        (" AS OF $hired VALID AT date'2023-12-31'", []),
        (" AS OF $moved VALID AT date'2027-03-01'", ["Best"]),
        (" VALID DURING date'2025-06-01' TO date'2026-06-01'", ["Acme", "Best"]),
        (" VALID DURING [date'2025-06-01', date'2026-01-01']", ["Acme"]),
        (" VALID DURING {from: '2026-01-01T00:00:00Z', to: datetime'2026-01-01T00:00:00.000001Z'}", ["Best"]),
        (" AS OF $nothing", []),
        (" AS OF datetime() + duration('P1D')", ["Best"]),
        (" AS OF $moved WITH HISTORY", ["Acme", "Acme", "Best"]),
        (" WITH HISTORY VALID AT date'2025-12-31'", ["Acme", "Acme"]),
        (" WITH HISTORY", ["Acme", "Acme", "Best", "Best"]),
    ],
)
def test_where_she_worked(office: Office, time: str, employers: list[str]) -> None:
    """By either axis, both, or all that was ever known; for the clause or for the query."""
    assert office.ask(WORK.replace("{T}", time)) == employers
    assert office.ask(f"{time} {WORK.replace('{T}', '')}") == employers


def test_two_moments_in_one_query(office: Office) -> None:
    """Each clause sees its own time, and a variable keeps the version in which it was bound."""
    text = "MATCH (now:Memory {id: $seat}) AS OF $moved MATCH (was:Memory {id: $seat}) AS OF $hired "
    assert office.ask(text + "RETURN was.text, now.text, was = now") == [
        ("Ada likes the window seat", "Ada likes the corridor seat", True)
    ]
    later = "MATCH (m:Memory {id: $seat}) AS OF $hired MATCH (c)<-[:WORKS_AT]-(a:Entity) RETURN m.text, c.name"
    assert office.ask(later) == [("Ada likes the window seat", "Best")]


def test_who_goes_on_goes_on_from_the_identity(office: Office) -> None:
    """A version of long ago has the relations of the time that is asked for, and none where it is no more."""
    assert office.ask("MATCH (m:Memory {id: $seat}) AS OF $hired MATCH (m)-[:MENTIONS]->(e) RETURN e.name") == []
    bound = "MATCH (m:Memory {id: $seat}) AS OF $hired MATCH (m)-[:MENTIONS]->(e) WITH HISTORY RETURN m.text, e.name"
    assert office.ask(bound) == [("Ada likes the window seat", "Ada")]


def test_who_changed_what_and_why(office: Office) -> None:
    """Of a version of an item or of a relation: who made it and who ended it, with the reasons they gave."""
    text = "MATCH (m:Memory {id: $seat}) WITH HISTORY RETURN changed_because(m), retired_by(m), retired_because(m) "
    assert office.ask(text + "ORDER BY tx_from(m)") == [
        (None, "usr_clerk", "she said so"),
        ("she said so", "usr_boss", "no longer of interest"),
    ]
    text = "MATCH ()-[r:WORKS_AT]->({name: 'Acme'}) WITH HISTORY RETURN r.valid_to IS NULL, changed_because(r) "
    assert office.ask(text + "ORDER BY tx_from(r)") == [(True, None), (False, "she gave notice")]
    weights = "MATCH ()-[r:WORKS_AT]->({name: 'Best'}) RETURN [v IN history(r) | v.weight]"
    assert office.ask(weights) == [[1.0, 0.5]]


def test_what_was_not_yet_so_is_not_told_of_the_past(office: Office) -> None:
    """AS OF a time nothing has ended that ended later, and nobody has ended it."""
    text = "MATCH (m:Memory {id: $seat}) AS OF $moved RETURN tx_to(m), retired_by(m), size(history(m)), "
    assert office.ask(text + "provenance(m).version") == [(None, None, 2, 2)]


def test_a_search_finds_what_was_said_then(office: Office) -> None:
    """By words and by meaning, though the item says another thing since, or is no more."""
    for way in ("MATCHES 'window'", "SIMILAR TO 'window seat'"):
        search = f"SEARCH m:Memory {way}"
        assert office.ask(f"{search} AS OF $hired LIMIT 3 RETURN m.text") == ["Ada likes the window seat"]
        assert office.ask(f"AS OF $hired {search} LIMIT 3 RETURN m.text") == ["Ada likes the window seat"]
        assert office.ask(f"{search} LIMIT 3 RETURN m.text") == []
        assert office.ask(f"{search} WITH HISTORY LIMIT 3 RETURN m.text")[0] == "Ada likes the window seat"


def test_a_search_joins_the_past_with_the_present(office: Office) -> None:
    """What is found of one time is gone on from at another."""
    text = "SEARCH m:Memory MATCHES 'seat' AS OF $moved LIMIT 1 MATCH (m)-[:MENTIONS]->(e) WITH HISTORY RETURN e.name"
    assert office.ask(text) == ["Ada"]


def test_nobody_sees_more_of_the_past_than_of_the_present(office: Office) -> None:
    """Visibility holds at any time."""
    office.do(Remember(text="a secret about the seat", domain="user"), "secret")
    office.do(ReviseItem(id=office.ids["secret"], set={"text": "no secret"}))
    text = "MATCH (m:Memory {id: $secret}) WITH HISTORY RETURN m.text"
    assert sorted(office.ask(text)) == ["a secret about the seat", "no secret"]
    assert office.ask(text, by=STRANGER) == []
    assert office.ask("SEARCH m:Memory MATCHES 'secret' WITH HISTORY RETURN m.text", by=STRANGER) == []


def test_what_is_erased_is_erased_from_history(office: Office) -> None:
    """Versions are still counted; what they said is gone at any time."""
    office.do(EraseItem(id=office.ids["seat"]), by=BOSS)
    text = "MATCH (m:Memory {id: $seat}) WITH HISTORY RETURN m.text"
    assert office.ask(text, by=BOSS) == [None, None]
    assert office.ask("MATCH (m:Memory {id: $seat}) AS OF $hired RETURN m.text", by=BOSS) == [None]
    assert office.ask("SEARCH m:Memory MATCHES 'window' WITH HISTORY RETURN m.text", by=BOSS) == []


def test_a_relation_that_was_bound_is_the_same_at_another_time(office: Office) -> None:
    """It keeps its version, and is found again by what it is."""
    text = (
        "MATCH (a)-[r:WORKS_AT]->(c) AS OF $moved VALID AT date'2026-06-01' MATCH (a)-[r]->(c) RETURN r.weight, c.name"
    )
    assert office.ask(text) == [(1.0, "Best")]
    office.do(RetireRelation(id=office.ids["next"]))
    assert office.ask(text) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("MATCH (m) AS OF 'yesterday' RETURN m", "Q213"),
        ("MATCH (m) VALID DURING {from: 1} RETURN m", "Q213"),
        ("MATCH (m) AS OF $missing RETURN m", "Q205"),
        ("AS OF 1 MATCH (m) RETURN m", "Q201"),
        ("MATCH (m) VALID DURING 5 RETURN m", "Q201"),
        ("MATCH (m) WITH HISTORY MATCH ALL SHORTEST (m)-->+(x) WITH HISTORY RETURN x", "Q501"),
        ("MATCH (m) WITH HISTORY WITH HISTORY RETURN m", "Q006"),
        ("UNWIND [1] AS x WITH HISTORY RETURN x", "Q502"),
        ("AS OF $hired MATCH (m) RETURN m.strength", "Q307"),
    ],
)
def test_times_that_cannot_be_meant(office: Office, text: str, code: str) -> None:
    """Each is refused with a code, and a place in the query."""
    assert office.refused(text) == code
