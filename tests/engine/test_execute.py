"""Queries on real stores: parameters, limits, plans, positions, and what a principal sees."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.clock import SystemClock
from engine.commands import (
    AddItem,
    AddTask,
    Command,
    DeclareKind,
    DeriveInsight,
    EraseItem,
    EventInput,
    Link,
    NameEntity,
    Principal,
    PropertyInput,
    RecordEvents,
    Remember,
    RetireItem,
    ReviseItem,
    SetCatalog,
    SetGoal,
)
from engine.execute import Rows, execute, json_rows, nodes_in, qualifying, run
from engine.execute.compilations import Compilations
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant
from memql.bind import bind_item_condition
from memql.catalog import Catalog
from memql.compiled import Compiled, compile_query
from memql.errors import Refusal
from memql.explain import walked
from memql.parse import expression
from memql.values import iso

ME, OTHER, ALL = Principal("usr_me"), Principal("usr_other"), Principal("usr_root", admin=True)


class Place:
    """An open tenant, written to and asked in one line each."""

    def __init__(self, directory: Path, **limits: int) -> None:
        bounds = Limits(text_commit_ms=0, graph_gather_ms=0, **limits)
        opened = Tenant.open("t", directory, clock=SystemClock(), limits=bounds)
        assert isinstance(opened, Tenant)
        self.tenant = opened

    def do(self, command: Command, by: Principal = ME) -> str:
        receipt = self.tenant.write_now(command, by)
        assert isinstance(receipt, Receipt), receipt
        return receipt.ids[0] if receipt.ids else ""

    def rows(self, query: str, by: Principal = ME, **params: Any) -> list[tuple[Any, ...]]:
        return self.answer(query, by, **params).rows

    def answer(self, query: str, by: Principal = ME, **params: Any) -> Rows:
        found = run(self.tenant, query, params, by, at_least=self.tenant.position)
        assert isinstance(found, Rows), found
        return found

    def refused(self, query: str, by: Principal = ME, **params: Any) -> list[str]:
        found = run(self.tenant, query, params, by)
        assert isinstance(found, Refusal), found
        return [problem.code for problem in found.problems]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    opened = Place(tmp_path / "t")
    yield opened
    opened.tenant.close()


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    opened: list[Place] = []

    def place(**limits: int) -> Place:
        opened.append(Place(tmp_path / "t", **limits))
        return opened[-1]

    yield place
    for each in opened:
        each.tenant.close()


def test_parameters_are_of_the_type_that_is_asked_for(place: Place) -> None:
    """Given as JSON would give them; an optional one may be left out."""
    place.do(Remember(text="tea", importance=0.5))
    assert place.rows("RETURN $a::int + 1 AS x, $b::float AS y, $c::str? AS z", a=1, b=1) == [(2, 1.0, None)]
    assert place.rows("MATCH (m:Memory) WHERE m.recorded_at > $t RETURN m.text", t="2020-01-01") == [("tea",)]
    assert place.rows("MATCH (m:Memory) WHERE m.text IN $words::str[] RETURN m.text", words=["tea"]) == [("tea",)]
    assert place.rows("RETURN $any AS x", any=[1, "a", None, {"b": 2.5}]) == [([1, "a", None, {"b": 2.5}],)]
    assert place.rows("RETURN $x IS NULL AS x", x=None) == [(True,)]
    assert place.refused("RETURN $x AS x") == ["Q205"]
    assert place.refused("MATCH (m:Memory) WHERE m.recorded_at > $t OR m.id IN $ids RETURN m") == ["Q205", "Q205"]
    assert place.refused("UNWIND $x AS x RETURN x", x="abc") == ["Q213"]
    ids = [place.rows("MATCH (m:Memory) RETURN m.id")[0][0], "mem_none", 7]
    assert place.rows("MATCH (m:Memory) WHERE m.id IN $ids RETURN m.text", ids=ids) == [("tea",)]
    assert place.rows("MATCH (m:Memory {id: $ids}) RETURN m.text", ids=ids) == []
    assert place.refused("RETURN $x::int AS x", x="1") == ["Q213"]
    assert place.refused("RETURN $x::int AS x, $y::datetime AS y", x=None, y="soon") == ["Q205", "Q213"]
    assert place.refused("MATCH (m:Memory) RETURN m LIMIT $n", n=-1) == ["Q213"]
    assert place.refused("MATCH (m:Memory) RETURN m LIMIT $n", n=1.5) == ["Q213"]
    assert place.refused("RETURN $x AS x", x=2**70) == ["Q213"]


def test_values_of_a_row(place: Place) -> None:
    """Items and relations as they are stored, and the same in plain JSON."""
    ada = place.do(NameEntity(name="Ada", aliases=("A",)))
    tea = place.do(Remember(text="tea", importance=0.5, links=(Link(kind="MENTIONS", target=ada, weight=0.5),)))
    answer = place.answer("MATCH p = (m:Memory)-[r]->(e) RETURN m, r, p, [e, {x: m}] AS both, m.importance / 0 AS inf")
    (row,) = answer.rows
    assert [column.type for column in answer.columns] == ["node", "relation", "path", "list", "float"]
    assert (row[0].id, row[1].kind, [each.id for each in row[2].nodes]) == (tea, "MENTIONS", [tea, ada])
    assert [each.id for each in nodes_in(answer.rows)] == [tea, ada]

    def plain(reader: Reader) -> Any:
        return json_rows(reader, answer.rows)

    found: Any = place.tenant.read_now(plain, ME)
    ((memory, relation, path, both, endless),) = found
    assert memory == {"id": tea, "kind": "Memory", "text": "tea", "importance": 0.5}
    assert (relation["source"], relation["target"], relation["weight"]) == (tea, ada, 0.5)
    assert [node["id"] for node in path["nodes"]] == [tea, ada]
    assert both == [{"id": ada, "kind": "Entity", "name": "Ada", "aliases": ["A"]}, {"x": memory}]
    assert endless is None


def test_who_sees_less_gets_fewer_rows_counts_and_hits(place: Place) -> None:
    """Through every door of the language: matches, counts, paths, subpatterns, searches, functions."""
    shared = place.do(NameEntity(name="Ada", domain="organization"))
    link = (Link(kind="MENTIONS", target=shared),)
    place.do(Remember(text="tea for all", domain="organization", links=link))
    place.do(Remember(text="my own tea", links=link))
    place.do(Remember(text="tea of another", links=link), OTHER)
    questions = (
        "MATCH (m:Memory) RETURN count(*) AS n",
        "MATCH (m:Memory)-[r:MENTIONS]->(e) RETURN count(r) AS n",
        "MATCH (e:Entity) RETURN COUNT { (e)<-[:MENTIONS]-() } AS n",
        "MATCH (e:Entity) OPTIONAL MATCH (e)<-[:MENTIONS]-(m) RETURN count(m) AS n",
        "MATCH (a)-[:MENTIONS]->(e)<-[:MENTIONS]-(b) RETURN count(DISTINCT a) AS n",
        "SEARCH m:Memory MATCHES 'tea' LIMIT 100 RETURN count(*) AS n",
        "MATCH (e:Entity)-[*1..2]-(x) RETURN count(DISTINCT x) AS n",
    )
    for question in questions:
        assert [place.rows(question, by)[0][0] for by in (ME, OTHER, ALL)] == [2, 2, 3], question
    own = place.rows("MATCH (m:Memory {text: 'tea of another'}) RETURN m.id", OTHER)[0][0]
    assert place.rows("MATCH (m {id: $id}) RETURN m", ME, id=own) == []
    assert place.rows("MATCH (m) WHERE m.id IN [$id] RETURN m", ME, id=own) == []


def test_the_past_is_answered_as_it_was(place: Place) -> None:
    """AS OF any earlier moment, with what was written, revised and retired since; erasure alone reaches back."""
    first = place.do(Remember(text="tea", category="a"))
    place.do(Remember(text="coffee", category="a"))
    before = iso(place.tenant.clock.now())
    query = "MATCH (m:Memory {category: 'a'}) RETURN m.text AS text ORDER BY text"
    was = place.rows(query)
    place.do(ReviseItem(id=first, set={"text": "cocoa", "category": "b"}))
    place.do(Remember(text="milk", category="a"))
    place.do(RetireItem(id=place.rows("MATCH (m:Memory {text: 'coffee'}) RETURN m.id")[0][0]))
    assert place.rows(f"AS OF $t {query}", t=before) == was == [("coffee",), ("tea",)]
    assert place.rows(query) == [("milk",)]
    assert place.rows(f"AS OF datetime'1999-01-01T00:00:00Z' {query}") == []
    place.do(EraseItem(id=first), ALL)
    assert place.rows(f"AS OF $t {query}", t=before) == [("coffee",)]


def test_the_graph_is_asked_and_not_believed(tmp_path: Path) -> None:
    """It may be behind, ahead or broken: the rows are the same as those of a plan that never asks it."""
    from engine.execute import scan

    place = Place(tmp_path / "t")
    worth, scan.WORTH_ASKING = scan.WORTH_ASKING, 0
    try:
        ids = [place.do(AddTask(title=f"t{n}", priority=n % 3, status="open" if n % 2 else "done")) for n in range(12)]
        assert place.tenant.settled(30)
        query = "MATCH (t:Task {status: 'open', priority: 1}) RETURN t.title AS title ORDER BY title"
        plain = compile_query(query, place.tenant.catalog, ())
        assert isinstance(plain, Compiled)
        before, position = place.rows(query), place.tenant.position

        def plainly(reader: Reader) -> Any:
            return execute(reader, plain, {})

        assert before == [("t1",), ("t7",)]
        place.do(ReviseItem(id=ids[1], set={"priority": 2}))
        place.do(AddTask(title="new", priority=1))
        assert place.rows(query) == [("new",), ("t7",)]
        assert place.tenant.settled(30)
        assert place.rows(query) == [("new",), ("t7",)]
        then = place.tenant.read_now(plainly, ME, as_of=position)
        compiled = compile_query(query, place.tenant.catalog)
        asked = place.tenant.read_now(lambda reader: execute(reader, compiled, {}), ME, as_of=position)  # type: ignore[arg-type]
        assert isinstance(then, Rows)
        assert isinstance(asked, Rows)
        assert then.rows == asked.rows == before
        place.tenant.graph._void = True
        assert place.rows(query) == [("new",), ("t7",)]
        place.tenant.graph._void = False
    finally:
        scan.WORTH_ASKING = worth
        place.tenant.close()


@pytest.mark.parametrize(
    ("limit", "query"),
    [
        ({"query_rows": 5}, "UNWIND range(1, 6) AS x RETURN x"),
        ({"query_steps": 50}, "UNWIND range(1, 10) AS x UNWIND range(1, 10) AS y RETURN count(*) AS n"),
        ({"query_rows_held": 5}, "UNWIND range(1, 10) AS x RETURN x ORDER BY x DESC"),
        ({"query_characters_held": 90}, "UNWIND range(1, 10) AS x RETURN collect('ten letter' + x) AS xs"),
        ({"query_characters_held": 90}, "UNWIND range(1, 10) AS x WITH 'ten letter' + x AS t RETURN t ORDER BY t"),
        ({"query_rows_held": 5}, "UNWIND range(1, 10) AS x RETURN DISTINCT x"),
        ({"query_rows_held": 5}, "UNWIND range(1, 10) AS x RETURN collect(x) AS xs"),
        ({"search_rows": 5}, "SEARCH m:Memory MATCHES 'tea' LIMIT 6 RETURN m"),
    ],
)
def test_every_limit_is_an_answer(limited: Callable[..., Place], limit: dict[str, int], query: str) -> None:
    """It says its name, and what to do."""
    place = limited(**limit)
    found = run(place.tenant, query, {}, ME)
    assert isinstance(found, Refusal)
    (problem,) = found.problems
    (name,) = limit
    assert (problem.code, name in problem.message, f"limits.{name}" in problem.hint) == ("Q404", True, True)


def test_a_query_that_takes_too_long_is_stopped(limited: Callable[..., Place]) -> None:
    """Between batches, whatever it is doing."""
    place = limited(read_ms=50)
    for n in range(20):
        place.do(Remember(text=f"tea {n}"))
    found = run(place.tenant, "MATCH (a), (b), (c), (d) RETURN max(a.text + b.text + c.text + d.text) AS n", {}, ME)
    assert isinstance(found, Refusal)
    assert found.problems[0].code == "TOO_SLOW"


def test_expansion_has_its_own_limit(limited: Callable[..., Place]) -> None:
    """A hub is found out before its neighbours are rows."""
    place = limited(expand_relations=5)
    ada = place.do(NameEntity(name="Ada"))
    for n in range(10):
        place.do(Remember(text=f"tea {n}", links=(Link(kind="MENTIONS", target=ada),)))
    assert place.refused("MATCH (e:Entity)<--(m) RETURN count(*) AS n") == ["LIMIT_EXCEEDED"]


def test_explain_runs_nothing_and_profile_counts(place: Place) -> None:
    """The plan as text; with PROFILE the rows and milliseconds of each operator."""
    place.do(Remember(text="tea"))
    place.do(Remember(text="coffee"))
    plan = place.answer("EXPLAIN MATCH (m:Memory) WHERE 1 / 0 = 1 RETURN m")
    last = plan.plan_text.splitlines()[-1].split()
    assert (plan.rows, last[:2]) == ([], ["Scan", "(m:Memory)"])
    assert " ".join(last[2:]) == "about 2 rows [columns] begins at about 2 items"
    profile = place.answer("PROFILE MATCH (m:Memory) WHERE m.text CONTAINS 'tea' RETURN m.text")
    assert profile.rows == [("tea",)]
    assert profile.plan
    assert plan.plan
    nodes = [node for _, node in walked(profile.plan)]
    assert [(each.operator, each.rows) for each in nodes] == [("Project", 1), ("Filter", 1), ("Scan", 2)]
    assert all(each.ms is not None and 0 <= each.ms <= (each.total_ms or 0) for each in nodes)
    assert {(each.rows, each.ms) for _, each in walked(plan.plan)} == {(None, None)}
    assert " 2 rows" in profile.plan_text
    assert place.answer("EXPLAIN AST MATCH  (m:Memory) RETURN m").plan_text == "MATCH (m:Memory)\nRETURN m"
    assert "m :: node(Memory)" in place.answer("EXPLAIN BOUND MATCH (m:Memory) RETURN m").plan_text


def test_a_search_without_a_model_says_so(place: Place) -> None:
    """Meaning contributes nothing, words do; nothing is made up."""
    place.do(Remember(text="tea"))
    answer = place.answer("SEARCH m:Memory SIMILAR TO 'tea', MATCHES 'tea' RETURN m.text, score(m).meaning AS near")
    assert answer.rows == [("tea", 0.0)]
    assert answer.notices


def test_what_is_searched_for_is_looked_at(place: Place) -> None:
    """A text, a node or numbers; of any other value the search says that it cannot be searched for."""
    place.do(Remember(text="tea"))
    assert place.refused("SEARCH m:Memory SIMILAR TO $v RETURN m", v=["a"]) == ["Q213"]
    assert place.refused("SEARCH m:Memory MATCHES $v RETURN m", v=1) == ["Q213"]
    assert place.refused("SEARCH m:Memory MATCHES 'tea' WEIGHT -1 RETURN m") == ["Q201"]
    assert place.refused("SEARCH m:Memory MATCHES 'tea' WEIGHT $v RETURN m", v=-1) == ["Q213"]
    assert place.refused("SEARCH m:Memory MATCHES 'tea' LIMIT $n RETURN m", n="x") == ["Q213"]


def test_a_user_s_own_kinds_and_labels(place: Place) -> None:
    """They are names of the catalog like any other, from the declaration on."""
    assert place.refused("MATCH (p:Paper) RETURN p") == ["Q101"]
    title = PropertyInput(name="title", type="string")
    place.do(
        DeclareKind(name="Paper", text="title", properties=(title, PropertyInput(name="year", type="integer"))), ALL
    )
    place.do(AddItem(kind="Paper", properties={"title": "On tea", "year": 1906}))
    assert place.rows("MATCH (p:Paper {year: 1906}) RETURN p.title") == [("On tea",)]
    assert place.rows("SEARCH p:Paper MATCHES 'tea' RETURN p.year") == [(1906,)]
    assert place.refused("MATCH (p:Paper) RETURN p.yaer") == ["Q102"]


def test_an_open_catalog_warns_and_finds_nothing(place: Place) -> None:
    """As Cypher has it: an unknown label has no items, an unknown property is null."""
    place.do(Remember(text="tea"))
    place.do(SetCatalog(open=True), ALL)
    answer = place.answer("MATCH (m:Memory) OPTIONAL MATCH (m)-[:KNOWS]->(x:Person) RETURN m.colour AS colour, x")
    assert answer.rows == [(None, None)]
    assert sorted(notice[:4] for notice in answer.notices) == ["Q901", "Q902", "Q903"]


def test_which_items_a_condition_is_true_for(place: Place) -> None:
    """What filters a search, as a mask over dense ids: of the kinds asked for, and of what is seen."""
    place.do(Remember(text="tea", importance=0.9))
    place.do(Remember(text="coffee", importance=0.1))
    place.do(DeriveInsight(text="drinks"))
    place.do(Remember(text="not mine", importance=0.9), OTHER)
    written = expression("m.importance > $least OR m.text = 'drinks'")
    assert not isinstance(written, Refusal)
    condition = bind_item_condition(written, "m", ["Memory", "Insight"], Catalog())
    assert not isinstance(condition, Refusal)

    def texts(reader: Reader) -> list[object]:
        mask = qualifying(reader, ["Memory", "Insight"], condition, {"least": 0.5})
        assert not isinstance(mask, Refusal)
        return [item.properties["text"] for item in reader.items(np.flatnonzero(mask))]

    assert place.tenant.read_now(texts, ME) == ["tea", "drinks"]
    wrong = bind_item_condition(written, "m", ["Goal"], Catalog())
    assert isinstance(wrong, Refusal)


def test_rows_wait_for_what_was_written(place: Place) -> None:
    """`at_least` is the position of a receipt; a search waits for its stores too."""
    for n in range(5):
        place.do(Remember(text=f"tea {n}"))
        assert place.rows("SEARCH m:Memory MATCHES 'tea' LIMIT 50 RETURN count(*) AS n") == [(n + 1,)]
        assert place.answer("MATCH (m:Memory) RETURN count(*) AS n").position == place.tenant.position


def test_compiled_queries_are_kept_for_their_catalog() -> None:
    """The same text gives the same value until the catalog changes; the oldest makes room."""
    kept, catalog = Compilations(most=2), Catalog()
    first = kept.compiled("RETURN 1 AS x", catalog)
    assert kept.compiled("RETURN 1 AS x", catalog) is first
    assert kept.compiled("RETURN 1 AS x", catalog.with_label("New")) is not first
    assert isinstance(kept.compiled("RETURN", catalog), Refusal)
    kept.compiled("RETURN 2 AS x", catalog)
    assert kept.compiled("RETURN 1 AS x", catalog) is not first


def test_many_ask_while_others_write(place: Place) -> None:
    """Each answer is of one position: no memory without its entity."""
    wrong: list[Any] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            rows = place.rows("MATCH (m:Memory) RETURN count(*) AS n, COUNT { (m)-[:MENTIONS]->(:Entity) } AS linked")
            wrong.extend(row for row in rows if row[1] != 1)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(60):
        entity = place.do(NameEntity(name=f"e{n}"))
        place.do(Remember(text=f"tea {n}", links=(Link(kind="MENTIONS", target=entity),)))
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_streams_events_and_goals_are_items_too(place: Place) -> None:
    """Every kind is matched by its name, with what all items have."""
    place.do(RecordEvents(stream="s", events=(EventInput(content="hello", role="user"),)))
    place.do(SetGoal(title="drink", priority=1))
    query = "MATCH (x) RETURN x.kind AS kind, x.owner AS owner, x.domain AS domain, x.version AS version ORDER BY kind"
    assert [row[0] for row in place.rows(query)] == ["Event", "Goal", "Stream"]
    assert {row[1:] for row in place.rows(query)} == {("usr_me", "user", 1)}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("UNWIND range(1, 10000) AS x UNWIND range(1, 1000000) AS y RETURN count(*) AS n", "Q404"),
        ("UNWIND range(1, 9000) AS x RETURN range(1, 100000) AS list", "Q404"),
        ("RETURN size([x IN range(1, 900000) | [y IN range(1, 900000) | x]]) AS n", "Q404"),
        ("RETURN any(x IN range(1, 900000) WHERE any(y IN range(1, 900000) WHERE x < 0)) AS n", "Q404"),
        ("RETURN size(reduce(s = 'a', x IN range(1, 60) | s + s)) AS n", "Q403"),
        ("RETURN size(reduce(s = [1], x IN range(1, 60) | s + s)) AS n", "Q403"),
        ("RETURN size(replace($long, 'a', $long)) AS n", "Q403"),
        ("RETURN $long =~ '.*a.*b.*c.*d.*e' AS x", "Q403"),
        (f"MATCH (){'--()' * 10_000} RETURN 1 AS x", "Q405"),
        (f"UNWIND [1] AS x {'WITH x ' * 5_000} RETURN x", "Q405"),
        (f"{'RETURN 1 AS a UNION ' * 2_000} RETURN 1 AS a", "Q405"),
        (f"MATCH (m) WHERE {' AND '.join(['EXISTS {(m)--()}'] * 2_000)} RETURN m", "Q405"),
        (f"MATCH (m) WHERE {' AND '.join(['(m)--()'] * 40)} RETURN m", "rows"),
        (f"UNWIND [1] AS x {'WITH x ORDER BY x LIMIT 1 ' * 35} RETURN x", "rows"),
        (f"RETURN {'[' * 190}{']' * 190} AS x", "rows"),
        (f"RETURN {'[x IN [1] | ' * 180}1{']' * 180} AS x", "rows"),
    ],
)  # fmt: skip
def test_no_query_takes_more_than_its_share(limited: Callable[..., Place], query: str, code: str) -> None:
    """Of time, of memory or of the stack, however it is written."""
    place = limited(query_steps=200_000)
    found = run(place.tenant, query, {"long": "a" * 90_000} if "$long" in query else {}, ME)
    assert (found.problems[0].code if isinstance(found, Refusal) else "rows") == code
