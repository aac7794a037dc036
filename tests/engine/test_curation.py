"""Statements that write, on real stores: each verb, whole or not at all, seen by whom, decided on what was read."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import provenance
from engine.clock import SystemClock
from engine.commands import (
    DeclareKind,
    DeclareLabel,
    EraseItem,
    EventInput,
    NameEntity,
    Principal,
    PropertyInput,
    RecordEvents,
    Remember,
    SetCatalog,
)
from engine.execute import Rows, run
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt, Record
from engine.recovery import verify
from engine.tenant import Tenant
from memql.errors import Reason, Refusal
from tests.engine.embedders import WordHashes

ME, OTHER, ADMIN = Principal("usr_me"), Principal("usr_other"), Principal("usr_root", admin=True)
LIMITS = Limits(text_commit_ms=0, graph_gather_ms=0)


def opened(folder: Path, limits: Limits = LIMITS) -> Tenant:
    tenant = Tenant.open("t", folder, clock=SystemClock(), limits=limits, embedder=WordHashes())
    assert isinstance(tenant, Tenant), tenant
    return tenant


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Tenant]:
    made = opened(tmp_path)
    yield made
    made.close()


def done(tenant: Tenant, statement: str, by: Principal = ME, key: str | None = None, **params: Any) -> Rows:
    """The answer to what must succeed, which sees what was written before."""
    answer = run(tenant, statement, params, by, key=key, at_least=tenant.position)
    assert isinstance(answer, Rows), answer
    return answer


def rows(tenant: Tenant, query: str, by: Principal = ME, **params: Any) -> list[tuple[Any, ...]]:
    return done(tenant, query, by, **params).rows


def refused(tenant: Tenant, statement: str, by: Principal = ME, **params: Any) -> Refusal:
    """What must be refused, and has left nothing behind."""
    before = tenant.position, tenant.columns.count, tenant.adjacency.count
    answer = run(tenant, statement, params, by)
    assert isinstance(answer, Refusal), answer
    assert (tenant.position, tenant.columns.count, tenant.adjacency.count) == before
    return answer


def told(tenant: Tenant) -> str:
    event = tenant.write_now(RecordEvents(stream="talk", events=(EventInput(content="I take tea"),)), ME)
    assert isinstance(event, Receipt)
    return event.ids[0]


# Each verb


REMEMBERED = """
    REMEMBER (m:Memory {text: $text, confidence: 0.8})-[:ABOUT {weight: 0.9}]->(e:Entity {name: 'Ada'})
    FROM $event_id BECAUSE 'stated by the user' VALID $since
    RETURN m.id
"""


def test_remember(tenant: Tenant) -> None:
    """One record: the memory with where it came from, since when it is true, and why; an entity is found again."""
    event = told(tenant)
    position = tenant.position
    given: dict[str, Any] = {"text": "Ada takes tea", "event_id": event, "since": "2026-03-01T00:00:00Z"}
    first = done(tenant, REMEMBERED, **given)
    assert first.position == tenant.position == position + 1
    assert first.receipt is not None
    assert first.rows == [(first.receipt.ids[0],)]
    second = done(tenant, REMEMBERED, **given | {"text": "Ada takes no milk"})
    assert second.receipt is not None
    assert second.receipt.ids[1] == first.receipt.ids[1], "Ada is Ada"
    query = """
        MATCH (m:Memory)-[r:ABOUT]->(e:Entity), (m)-[:DERIVED_FROM]->(ev:Event)
        RETURN m.text, m.confidence, m.valid_from = datetime($since), r.weight, r.valid_from = m.valid_from, ev.id
        ORDER BY m.text
    """
    assert rows(tenant, query, since=given["since"]) == [
        ("Ada takes no milk", 0.8, True, 0.9, True, event),
        ("Ada takes tea", 0.8, True, 0.9, True, event),
    ]
    assert changes(tenant, "Memory") == [("usr_me", "Curate", "stated by the user")] * 2
    found = rows(tenant, "SEARCH m:Memory SIMILAR TO 'Ada takes tea' LIMIT 1 RETURN m.text")
    assert found == [("Ada takes tea",)], "what is remembered is embedded"


def test_every_kind_is_remembered(tenant: Tenant) -> None:
    """With labels, with an owner and a domain, with a map of properties; kinds of the tenant's own too."""
    title = PropertyInput(name="title", type="string")
    for command in (DeclareKind(name="Paper", text="title", properties=(title,)), DeclareLabel(label="Pinned")):
        assert isinstance(tenant.write_now(command, ADMIN), Receipt)
    statement = """
        REMEMBER (i:Insight {text: 'a', tags: ['x', 'y']}),
            (g:Goal {title: 'b', status: 'active', due_at: '2027-01-01T00:00:00Z', external_key: 'k'}),
            (t:Task {title: 'c', priority: 2, metadata: {from: 'me'}})-[:PART_OF]->(g),
            (p:Paper:Pinned $paper)<-[:EXTENDS]-(i), (m:Memory {text: 'd', domain: 'organization', owner: 'usr_me'})
        RETURN i.tags, g.status, g.due_at = datetime('2027-01-01T00:00:00Z'), t.metadata, p.title, p.labels, m.domain
    """
    answer = done(tenant, statement, paper={"title": "On tea"})
    assert answer.rows == [(["x", "y"], "active", True, {"from": "me"}, "On tea", ["Pinned"], "organization")]
    assert rows(tenant, "MATCH (m:Memory) RETURN m.text", OTHER) == [("d",)]
    twice = refused(tenant, "REMEMBER (g:Goal {title: 'again', external_key: 'k'})")
    assert (twice.reason, twice.problems[0].code) == (Reason.CONFLICT, "EXTERNAL_KEY_TAKEN")


def test_an_open_catalog_takes_any_kind(tenant: Tenant) -> None:
    """And any property and relation, as its commands do."""
    assert isinstance(tenant.write_now(SetCatalog(open=True), ADMIN), Receipt)
    done(tenant, "REMEMBER (a:Person {age: 3})-[:KNOWS {since: 1990}]->(b:Person {age: 4})")
    assert rows(tenant, "MATCH (a:Person)-[r:KNOWS]->(b:Person) RETURN a.age, r.since, b.age") == [(3, 1990, 4)]


def test_correct(tenant: Tenant) -> None:
    """A new version of the same identity, from what was read; null takes away; relations are corrected too."""
    done(tenant, "REMEMBER (m:Memory {text: 'tea', confidence: 0.4})-[:SUPPORTS {weight: 0.5}]->(n:Memory {text: 'x'})")
    correct = """
        MATCH (m:Memory {text: 'tea'})-[r:SUPPORTS]->()
        CORRECT m SET m.text = m.text + ' green', m += {confidence: null, category: 'taste'} BECAUSE 'typo'
        CORRECT r SET r.weight = r.weight + 0.25 BECAUSE 'sure'
        RETURN m.text, m.confidence, m.category, m.version, r.weight, r.version
    """
    assert done(tenant, correct).rows == [("tea green", None, "taste", 2, 0.75, 2)]
    assert changes(tenant, "Memory") == [("usr_me", "Curate", "typo")]
    assert rows(tenant, "SEARCH m:Memory SIMILAR TO 'tea green' LIMIT 1 RETURN m.text") == [("tea green",)]
    timed = "MATCH (m:Memory {text: 'x'}) CORRECT m VALID m.valid_from TO datetime('2030-01-01T00:00:00Z')"
    assert done(tenant, timed).rows == [(0, 0, 1, 0, 0)]
    assert rows(tenant, "MATCH (m:Memory {text: 'x'}) RETURN m.valid_to IS NOT NULL") == [(True,)]
    same = done(tenant, "MATCH (m:Memory {text: 'x'}) CORRECT m SET m.text = 'x'")
    assert same.rows == [(0, 0, 0, 0, 0)]
    assert any("so already" in notice for notice in same.notices)


def test_return_sees_what_has_become_of_everything(tenant: Tenant) -> None:
    """Of nodes and relations, in paths, lists and chains; and counts, orders and pages as any query does."""
    done(
        tenant,
        "REMEMBER (a:Memory {text: 'a'})-[:SUPPORTS]->(b:Memory {text: 'b'})-[:SUPPORTS]->(c:Memory {text: 'c'})",
    )
    statement = """
        MATCH p = (a:Memory {text: 'a'})-[rs:SUPPORTS*2]->(c) WITH p, rs, a, c, [a, c] AS ends UNWIND rs AS r
        CORRECT a SET a.category = 'new' CORRECT r SET r.weight = 0.5 FORGET c
        RETURN nodes(p)[0].category, [x IN relationships(p) | x.weight], rs[0].weight, ends[0].category,
            ends[1].retired_at IS NOT NULL, r.weight, EXISTS { (a)-[:SUPPORTS]->() } LIMIT 1
    """
    assert done(tenant, statement).rows == [("new", [0.5, 0.5], 0.5, "new", True, 0.5, True)]


def test_a_list_of_maps_is_remembered(tenant: Tenant) -> None:
    """A row each: what a row leaves out is not set."""
    given = [{"text": "a", "c": 0.5, "since": "2026-02-01"}, {"text": "b"}]
    statement = """
        UNWIND $given AS row REMEMBER (m:Memory {text: row.text, confidence: row.c, tags: [row.text]}) VALID row.since
        RETURN m.text, m.confidence, m.tags, m.valid_from = datetime('2026-02-01') ORDER BY m.text
    """
    assert done(tenant, statement, given=given).rows == [("a", 0.5, ["a"], True), ("b", None, ["b"], False)]


def test_an_earlier_version_is_brought_back(tenant: Tenant) -> None:
    """Only the statement as a whole is about now: one MATCH may read what was."""
    done(tenant, "REMEMBER (m:Memory {text: 'tea'})")
    then = rows(tenant, "RETURN toString(datetime())")[0][0]
    done(tenant, "MATCH (m:Memory) CORRECT m SET m.text = 'coffee'")
    undo = "MATCH (m:Memory) MATCH (was:Memory {id: m.id}) AS OF $then CORRECT m SET m.text = was.text RETURN m.text"
    assert done(tenant, undo, then=then).rows == [("tea",)]


def test_supersede_and_link(tenant: Tenant) -> None:
    """The old one ends in favour of the new one, which may still be linked to it by the same statement."""
    done(tenant, "REMEMBER (a:Memory {text: 'old'}), (b:Memory {text: 'new'})")
    statement = """
        MATCH (old:Memory {text: 'old'}), (new:Memory {text: 'new'})
        SUPERSEDE old WITH new BECAUSE $why LINK (new)-[:SUPPORTS {weight: 0.7}]->(old)
        RETURN old.text, old.retired_at IS NOT NULL AS gone, new.retired_at IS NULL AS there
    """
    assert done(tenant, statement, why="newer").rows == [("old", True, True)]
    assert rows(tenant, "MATCH (m:Memory) RETURN m.text") == [("new",)]
    assert rows(tenant, "MATCH (m:Memory)-[:SUPERSEDES]->(o) RETURN o.text") == [("old",)]


def test_link_says_once_what_rows_say_twice(tenant: Tenant) -> None:
    """Rows that ask for the same relation make one; the next statement makes another."""
    done(tenant, "REMEMBER (a:Memory {text: 'a'}), (b:Memory {text: 'b'})")
    link = "MATCH (a:Memory {text: 'a'}), (b:Memory {text: 'b'}) UNWIND [1, 2] AS n LINK (a)-[r:SUPPORTS]->(b)"
    assert done(tenant, f"{link} RETURN count(DISTINCT r), count(r)").rows == [(1, 2)]
    assert done(tenant, link).rows == [(0, 1, 0, 0, 0)]


def test_forget(tenant: Tenant) -> None:
    """Retires, and keeps what was: default reads show nothing of it, its history does. Nulls are no rows to forget."""
    done(tenant, "UNWIND ['a', 'b', 'c'] AS t REMEMBER (m:Memory {text: t})-[:ABOUT]->(e:Entity {name: 'Ada'})")
    before = rows(tenant, "RETURN toString(datetime())")[0][0]
    statement = """
        MATCH (m:Memory)-[:ABOUT]->(e:Entity {name: $name}) WHERE m.text < 'c'
        FORGET m BECAUSE 'asked by the user' RETURN count(*) AS forgotten
    """
    assert done(tenant, statement, name="Ada").rows == [(2,)]
    assert rows(tenant, "MATCH (m:Memory) RETURN m.text") == [("c",)]
    assert rows(tenant, "AS OF $then MATCH (m:Memory) RETURN count(*)", then=before) == [(3,)]
    nothing = done(tenant, "OPTIONAL MATCH (m:Memory {text: 'no'}) FORGET m")
    assert (nothing.rows, nothing.receipt) == ([(0, 0, 0, 0, 0)], None)
    assert any("nothing was written" in notice for notice in nothing.notices)
    relation = "MATCH (m:Memory)-[r:ABOUT]->() FORGET r, r RETURN r.weight"
    assert refused(tenant, relation).problems[0].code == "RETIRED"
    done(tenant, "MATCH (m:Memory)-[r:ABOUT]->() FORGET r")
    assert rows(tenant, "MATCH (m:Memory)-[:ABOUT]->() RETURN m") == []


def changes(tenant: Tenant, kind: str) -> list[tuple[str, str, str]]:
    """Who recorded the current versions of that kind, by which command and why; those that nobody gave a reason for
    are left out."""

    def ask(reader: Reader) -> list[tuple[str, str, str]]:
        page = reader.page([kind], limit=100)
        assert not isinstance(page, Refusal)
        found = provenance.begun(reader.index.db, page).values()
        return [(change.actor, change.command, change.reason) for change in found if change.reason]

    found = tenant.read_now(ask, ADMIN)
    assert not isinstance(found, Refusal)
    return found


# Whole or not at all


def test_a_refused_step_leaves_nothing(tenant: Tenant) -> None:
    """Whatever came before it, and at whichever row: neither a record nor a version; and the place is its verb's."""
    done(tenant, "REMEMBER (m:Memory {text: 'tea'})")
    statement = """
MATCH (m:Memory) CORRECT m SET m.text = 'x' REMEMBER (n:Memory {text: 'y'})-[:EXTENDS]->(m)
UNWIND [1] AS n RETURN n
"""
    assert refused(tenant, statement).problems[0].code == "Q312"
    late = "UNWIND ['a', 'b', ''] AS t\nREMEMBER (m:Memory {text: 'z'})\nREMEMBER (n:Memory {text: t})"
    (problem,) = refused(tenant, late).problems
    assert (problem.code, problem.place) == ("EMPTY", "line 3, column 10")
    assert problem.span is not None
    assert rows(tenant, "MATCH (m:Memory) RETURN m.text, m.version") == [("tea", 1)]


def test_limits_have_names(tmp_path: Path) -> None:
    """So many rows, and so many steps."""
    tenant = opened(tmp_path / "rows", LIMITS.model_copy(update={"curated_rows": 3}))
    (problem,) = refused(tenant, "UNWIND range(1, 4) AS n REMEMBER (m:Memory {text: toString(n)})").problems
    assert (problem.code, "curated_rows" in problem.message) == ("Q404", True)
    done(tenant, "UNWIND range(1, 3) AS n REMEMBER (m:Memory {text: toString(n)})")
    tenant.close()
    tenant = opened(tmp_path / "steps", LIMITS.model_copy(update={"curated_steps": 3}))
    (problem,) = refused(tenant, "UNWIND range(1, 4) AS n REMEMBER (m:Memory {text: toString(n)})").problems
    assert (problem.code, "curated_steps" in problem.message) == ("LIMIT_EXCEEDED", True)
    tenant.close()


def test_no_update_is_lost(tenant: Tenant) -> None:
    """Many at once count in the same memory: who read what another has changed since is refused, and asks again."""
    done(tenant, "REMEMBER (m:Memory {text: 'count', metadata: {n: 0}})")
    count = "MATCH (m:Memory {text: 'count'}) CORRECT m SET m.metadata = {n: m.metadata.n + 1} RETURN m.metadata.n AS n"
    seen: list[int] = []
    conflicts: list[str] = []

    def work() -> None:
        left = 5
        while left:
            answer = run(tenant, count, {}, ME)
            if isinstance(answer, Rows):
                seen.append(answer.rows[0][0])
                left -= 1
            else:
                assert answer.reason is Reason.CONFLICT, answer
                conflicts.extend(problem.code for problem in answer.problems)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 21))
    assert set(conflicts) <= {"CHANGED"}
    assert rows(tenant, "MATCH (m:Memory {text: 'count'}) RETURN m.metadata.n, m.version") == [(20, 21)]


def test_an_entity_is_named_once_by_many(tenant: Tenant) -> None:
    """Also where several ask at the same time."""
    remember = "REMEMBER (m:Memory {text: $text})-[:ABOUT]->(e:Entity {name: 'Ada'}) RETURN id(e)"
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(done(tenant, remember, text=f"t{n}").rows[0][0]))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    many = "UNWIND range(1, 20) AS n REMEMBER (e:Entity {name: 'E' + toString(n % 10)}) RETURN count(DISTINCT e)"
    assert done(tenant, many).rows == [(10,)]
    assert done(tenant, many).rows == [(10,)]
    assert rows(tenant, "MATCH (e:Entity) RETURN count(*)") == [(11,)]


# Who may


def test_nobody_changes_what_they_may_not(tenant: Tenant) -> None:
    """What another owns is not read, and so not written about; nor is anything recorded in another's name."""
    done(tenant, "REMEMBER (m:Memory {text: 'secret'})-[:ABOUT]->(e:Entity {name: 'Ada'})", OTHER)
    for verb in ("FORGET m", "CORRECT m SET m.text = 'x'"):
        assert done(tenant, f"MATCH (m:Memory) {verb}").receipt is None
    (secret,) = rows(tenant, "MATCH (m:Memory) RETURN m.id", OTHER)[0]
    (problem,) = refused(tenant, "REMEMBER (m:Memory {text: 'x'}) FROM $id", id=secret).problems
    assert problem.code == "NOT_FOUND"
    (problem,) = refused(tenant, "REMEMBER (m:Memory {text: 'x', owner: 'usr_other'})").problems
    assert (problem.code, problem.place) == ("NOT_FOUND", "line 1, column 10")
    done(tenant, "REMEMBER (m:Memory {text: 'mine'})-[:ABOUT]->(e:Entity {name: 'Ada'})")
    assert rows(tenant, "MATCH (e:Entity) RETURN count(*)", ADMIN) == [(2,)], "each has an Ada of their own"
    shared = NameEntity(name="Cy", domain="organization")
    assert isinstance(tenant.write_now(shared, OTHER), Receipt)
    done(tenant, "REMEMBER (m:Memory {text: 'about'})-[:ABOUT]->(e:Entity {name: 'Cy'})")
    assert rows(tenant, "MATCH (e:Entity {name: 'Cy'}) RETURN e.owner", ADMIN) == [("usr_other",)]
    assert rows(tenant, "MATCH (m:Memory {text: 'secret'}) RETURN m.version", ADMIN) == [(1,)]


# Once


def test_the_same_key_is_the_same_statement(tenant: Tenant) -> None:
    """Its answer stays what it was, whatever happens since; another statement under the key is refused."""
    done(tenant, "UNWIND ['a', 'b'] AS t REMEMBER (m:Memory {text: t})")
    statement = (
        "MATCH (m:Memory) FORGET m REMEMBER (i:Insight {text: m.text + $s}) RETURN m.text AS was, i.id ORDER BY was"
    )
    first = done(tenant, statement, key="k", s="!")
    done(tenant, "REMEMBER (m:Memory {text: 'c'})")
    again = done(tenant, statement, key="k", s="!")
    assert again.rows == first.rows
    assert again.receipt is not None
    assert again.receipt.repeated
    assert again.position == first.position
    assert rows(tenant, "MATCH (m) RETURN count(*)") == [(3,)]
    other = run(tenant, statement, {"s": "?"}, ME, key="k")
    assert isinstance(other, Refusal)
    assert other.problems[0].code == "KEY_REUSED"
    counts = done(tenant, "MATCH (i:Insight) FORGET i", key="f")
    assert counts.rows == done(tenant, "MATCH (i:Insight) FORGET i", key="f").rows == [(0, 0, 0, 0, 2)]


# Afterwards


def test_a_restart_and_a_replay_give_the_same(tmp_path: Path) -> None:
    """Reopened, and with every store made anew from the journal, the same questions have the same answers."""
    tenant = opened(tmp_path)
    event = told(tenant)
    done(tenant, REMEMBERED, text="Ada takes tea", event_id=event, since="2026-03-01")
    done(tenant, "MATCH (m:Memory) CORRECT m SET m.text = 'Ada takes coffee' BECAUSE 'typo'")
    done(
        tenant,
        "MATCH (m:Memory)-[r:ABOUT]->(e) CORRECT r SET r.weight = 0.1 REMEMBER (i:Insight {text: 'x'})-[:EXTENDS]->(m)",
    )
    done(tenant, "MATCH (i:Insight) REMEMBER (j:Insight {text: 'y'}) SUPERSEDE i WITH j")
    query = """
        MATCH (m)-[r]->(n) RETURN m.text, type(r), r.weight, r.version, coalesce(n.text, n.name, n.content)
        ORDER BY m.text, type(r)
    """
    search = "SEARCH m:Memory SIMILAR TO 'coffee', MATCHES 'coffee' LIMIT 3 RETURN m.text, m.version"
    then = rows(tenant, query), rows(tenant, search), changes(tenant, "Memory")
    assert then[2] == [("usr_me", "Curate", "typo")]
    tenant.close()
    tenant = opened(tmp_path)
    assert (rows(tenant, query), rows(tenant, search), changes(tenant, "Memory")) == then
    tenant.rebuild()
    assert tenant.settled(60)
    assert (rows(tenant, query), rows(tenant, search), changes(tenant, "Memory")) == then
    tenant.close()
    assert verify(tmp_path).sound
    assert verify(tmp_path).index_fits


def test_the_statement_is_kept_and_goes_with_what_it_wrote(tenant: Tenant) -> None:
    """The record says which statement it is of; erasing what it wrote erases that too."""
    answer = done(tenant, "REMEMBER (m:Memory {text: 'a secret'}) RETURN m.id")
    record = tenant.record(answer.position)
    assert isinstance(record, Record)
    assert "a secret" in str(record.events[0])
    assert isinstance(tenant.write_now(EraseItem(id=answer.rows[0][0]), ME), Receipt)
    record = tenant.record(answer.position)
    assert isinstance(record, Record)
    assert "secret" not in str(record.events)


def test_a_preview_writes_nothing(tenant: Tenant) -> None:
    """And says what would be refused, at its place."""
    assert isinstance(tenant.write_now(Remember(text="tea"), ME), Receipt)
    position = tenant.position
    preview = done(tenant, "EXPLAIN MATCH (m:Memory) CORRECT m SET m.text = 'coffee' LINK (m)-[:EXTENDS]->(m)")
    assert preview.plan_text.endswith(
        'corrected: (Memory "tea") text: "tea" → "coffee"\n  linked: (Memory "tea")-[:EXTENDS]->(Memory "tea")'
    )
    assert [(each.does, each.kind) for each in preview.changes] == [("corrected", "Memory"), ("linked", "EXTENDS")]
    assert isinstance(run(tenant, "EXPLAIN MATCH (m:Memory) LINK (m)-[:PART_OF]->(m)", {}, ME), Refusal)
    assert tenant.position == position
    profile = done(tenant, "PROFILE MATCH (m:Memory) CORRECT m SET m.text = 'coffee' RETURN m.text")
    assert profile.rows == [("coffee",)]
    assert "Curate" in profile.plan_text
    assert tenant.position == position + 1
