"""Queries on random worlds: the rows are those of a slow and obvious oracle, with every rule and without any, for each
principal, now and AS OF any position; and no query, however it was mangled, ends in anything but rows or a refusal."""

import itertools
import os
import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.clock import SystemClock
from engine.commands import Principal
from engine.decide.view import ItemState, RelationState
from engine.execute import Rows, execute, run, scan
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant
from memql.compiled import compile_query
from memql.errors import Refusal
from memql.rules import RULES
from tests.engine.world import ADMIN, PEOPLE, STEPS, Step, World
from tests.memql.test_parse import QUERIES

SLOW = settings(
    max_examples=int(os.environ.get("MEMQL_EXAMPLES", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
LASTING = ("DERIVED_FROM", "SUPERSEDES")
EVERYBODY = (*PEOPLE, ADMIN)


@pytest.fixture(autouse=True, scope="module")
def asking() -> Iterator[None]:
    """The graph is asked however few items there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "WORTH_ASKING", 0)
        yield


@contextmanager
def world(steps: Sequence[Step]) -> Iterator[Tenant]:
    with tempfile.TemporaryDirectory() as folder:
        tenant = Tenant.open("t", Path(folder) / "t", clock=SystemClock(), limits=Limits())
        assert isinstance(tenant, Tenant)
        try:
            made = World(erasing=False)
            for step in steps:
                command, by = made.command(step)
                receipt = tenant.write_now(command, by)
                if isinstance(receipt, Receipt):
                    made.learn(command, receipt.ids)
            yield tenant
        finally:
            tenant.close()


# The oracle: plain lists, and every way in which they could fit


@dataclass(frozen=True)
class Graph:
    """What one principal sees: the newest versions that are known, and among them those that a default read shows."""

    known: dict[int, ItemState]
    shown: dict[int, ItemState]
    relations: list[RelationState]


def seen(reader: Reader, by: Principal) -> Graph:
    scope, index = reader.scope, reader.index
    known: dict[int, ItemState] = {}
    for item in index.items(range(1, scope.count)).values():
        if item.born <= scope.position and by.sees(item.owner, item.domain):
            before = known.get(item.root)
            known[item.root] = item if before is None or before.dense < item.dense else before
    newest: dict[int, int] = {}
    for item in index.items(range(1, scope.count)).values():
        if item.born <= scope.position:
            newest[item.root] = max(newest.get(item.root, 0), item.dense)
    known = {root: item for root, item in known.items() if newest[root] == item.dense}
    at = scope.valid_at
    assert at is not None
    shown = {
        root: item for root, item in known.items()
        if item.died > scope.position and item.valid_from <= at < item.valid_to
    }  # fmt: skip
    every = index.relations(range(1, reader.adjacency.count)).values()
    relations = [
        each for each in every
        if each.born <= scope.position < each.died and each.valid_from <= at < each.valid_to
        and each.source in shown and (each.target in shown or (each.kind in LASTING and each.target in known))
    ]  # fmt: skip
    return Graph(known, shown, relations)


@dataclass(frozen=True)
class Asked:
    """A chain of nodes, each perhaps of a kind and with a condition, and of hops, each perhaps of some kinds."""

    kinds: tuple[tuple[str, ...], ...]
    conditions: tuple[str, ...]
    hops: tuple[tuple[str, tuple[str, ...]], ...]
    same: tuple[int, int] | None

    @property
    def names(self) -> list[str]:
        """The variables of the nodes; two of them may be the same."""
        names = [f"n{place}" for place in range(len(self.kinds))]
        if self.same and self.same[0] < len(names) and self.same[1] < len(names):
            names[self.same[1]] = names[self.same[0]]
        return names

    @property
    def text(self) -> str:
        names, written = self.names, ""
        for place, name in enumerate(names):
            if place:
                direction, kinds = self.hops[place - 1]
                inside = f"[r{place}{':' + '|'.join(kinds) if kinds else ''}]"
                written += {"out": f"-{inside}->", "in": f"<-{inside}-", "any": f"-{inside}-"}[direction]
            written += f"({name}{':' + '|'.join(self.kinds[place]) if self.kinds[place] else ''})"
        where = [
            condition.replace("X", name) for condition, name in zip(self.conditions, names, strict=True) if condition
        ]
        columns = [f"{name}.id AS {name}" for name in dict.fromkeys(names)]
        columns += [f"r{place}.id AS r{place}" for place in range(1, len(names))]
        return f"MATCH {written}{' WHERE ' + ' AND '.join(where) if where else ''} RETURN {', '.join(columns)}"


def _number(item: ItemState, name: str) -> float:
    found = item.properties.get(name)
    return found if isinstance(found, int | float) else -1.0


CONDITIONS: dict[str, Callable[[ItemState], bool]] = {
    "": lambda item: True,
    "X.importance >= 0.5": lambda item: _number(item, "importance") >= 0.5,
    "X.importance IS NULL": lambda item: item.properties.get("importance") is None,
    "X.text CONTAINS 'tea'": lambda item: "tea" in str(item.properties.get("text", "")),
    "X.priority = 2": lambda item: item.properties.get("priority") == 2,
    "X.status = 'open'": lambda item: item.properties.get("status") == "open",
    "X.version > 1": lambda item: item.version > 1,
    "X.domain IN ['organization', 'agent']": lambda item: item.domain in ("organization", "agent"),
}
ASKED = st.integers(1, 3).flatmap(
    lambda size: st.builds(
        Asked,
        st.tuples(*[st.lists(st.sampled_from(["Memory", "Event", "Entity", "Goal", "Task"]), max_size=2, unique=True)
                    .map(tuple)] * size),
        st.tuples(*[st.sampled_from(sorted(CONDITIONS))] * size),
        st.tuples(*[st.tuples(st.sampled_from(["out", "in", "any"]), st.lists(st.sampled_from(
            ["ABOUT", "SIMILAR_TO", "DERIVED_FROM", "DEPENDS_ON", "PART_OF", "SUPERSEDES"]), max_size=2, unique=True)
            .map(tuple))] * (size - 1)),
        st.one_of(st.none(), st.sampled_from([(0, 1), (0, 2), (1, 2)])),
    )
)  # fmt: skip


def expected(graph: Graph, asked: Asked) -> Counter[str]:
    """Every choice of relations and of the ways they are passed, kept where it fits."""
    found: Counter[str] = Counter()
    if not asked.hops:
        for item in graph.shown.values():
            if fits(asked, 0, item):
                found[repr((item.id,))] += 1
        return found
    choices = [
        [(each, *pair) for each in graph.relations if not kinds or each.kind in kinds for pair in ways(each, direction)]
        for direction, kinds in asked.hops
    ]
    for chosen in itertools.product(*choices):
        roots = [chosen[0][1], *(step[2] for step in chosen)]
        if any(before[2] != after[1] for before, after in itertools.pairwise(chosen)):
            continue
        if len({step[0].id for step in chosen}) < len(chosen):
            continue
        items = [graph.known[root] for root in roots]
        by_name: dict[str, str] = {}
        if all(
            by_name.setdefault(name, item.id) == item.id for name, item in zip(asked.names, items, strict=True)
        ) and all(fits(asked, place, item) for place, item in enumerate(items)):
            found[repr((*by_name.values(), *(step[0].id for step in chosen)))] += 1
    return found


def ways(relation: RelationState, direction: str) -> set[tuple[int, int]]:
    onwards, back = (relation.source, relation.target), (relation.target, relation.source)
    return {"out": {onwards}, "in": {back}, "any": {onwards, back}}[direction]


def fits(asked: Asked, place: int, item: ItemState) -> bool:
    kinds = asked.kinds[place]
    return (not kinds or item.kind in kinds) and CONDITIONS[asked.conditions[place]](item)


def answered(reader: Reader, text: str, rules: Any = RULES) -> Counter[str]:
    """The rows as text, each with how often it comes. What a closed catalog refuses is asked of an open one."""
    compiled = compile_query(text, reader.catalog, rules)
    if isinstance(compiled, Refusal):
        assert {problem.code for problem in compiled.problems} == {"Q102"}, compiled
        compiled = compile_query(text, reader.catalog.opened(True), rules)
    assert not isinstance(compiled, Refusal), compiled
    found = execute(reader, compiled, {})
    assert isinstance(found, Rows), found
    return Counter(map(repr, found.rows))


@SLOW
@given(STEPS, st.lists(ASKED, min_size=1, max_size=6), st.integers(0, 3), st.integers(0, 1_000))
def test_patterns_match_as_the_oracle_says(steps: list[Step], questions: list[Asked], who: int, then: int) -> None:
    """For any pattern, principal and position; and the plan without any rule gives the same rows."""
    by = EVERYBODY[who]
    with world(steps) as tenant:
        position = 1 + then % tenant.position if then % 2 else tenant.position

        def check(reader: Reader) -> None:
            graph = seen(reader, by)
            for asked in questions:
                right = expected(graph, asked)
                assert answered(reader, asked.text) == right, asked.text
                assert answered(reader, asked.text, ()) == right, asked.text

        tenant.read_now(check, by, as_of=position)


MORE = (
    "MATCH (a)-[r*1..2]->(b) RETURN a.id AS a, b.id AS b, [x IN r | x.id] AS r",
    "MATCH (a:Memory)-[*0..2]-(b) RETURN a.id AS a, b.id AS b",
    "MATCH p = (a)-[:DERIVED_FROM|ABOUT*1..]->(b:Event) RETURN [n IN nodes(p) | n.id] AS ids",
    "MATCH (m:Memory) OPTIONAL MATCH (m)-[r:ABOUT]->(x) WHERE x.domain = m.domain RETURN m.id AS m, x.id AS x",
    "MATCH (m:Memory) WHERE (m)-->() AND NOT (m)<--(:Memory) RETURN m.id AS m",
    "MATCH (m) WHERE COUNT { (m)--() } > 1 RETURN m.kind AS kind, count(*) AS n",
    "MATCH (m:Memory) WITH m.domain AS d, collect(m) AS ms UNWIND ms AS m MATCH (m)-->(x) RETURN d, m.id AS m, x.id",
    "MATCH (a) MATCH (a)-->(b) MATCH (b)-->(c) RETURN a.id AS a, b.id AS b, c.id AS c",
    "MATCH (a)-->(b), (b)<--(c) WHERE a.id < c.id RETURN a.id AS a, c.id AS c",
    "MATCH (b:Event) MATCH (a:Memory)-[:DERIVED_FROM]->(b) RETURN a.id AS a, b.id AS b",
    "MATCH (m:Memory) WHERE m.importance > 0.2 RETURN m.text AS t, count(*) AS n ORDER BY n DESC, t SKIP 1 LIMIT 3",
    "MATCH (m) RETURN DISTINCT m.kind AS kind ORDER BY kind LIMIT 3 UNION MATCH (g:Goal) RETURN g.title AS kind",
    "MATCH (m:Memory) RETURN m.id AS m, [(m)-[r]->(x) WHERE x.domain = m.domain | [r.id, x.id]] AS there",
    "MATCH (m:Memory) WHERE EXISTS { MATCH (m)--(x) WITH x.kind AS kind, count(*) AS n WHERE n > 1 } RETURN m.id AS m",
    "MATCH (m:Memory) CALL (m) { MATCH (m)-->(x) RETURN x ORDER BY x.id LIMIT 1 } MATCH (x)--(y) RETURN x.id, y.id",
    "MATCH (m) WITH collect(m) AS ms RETURN [m IN ms WHERE (m)-->() | COUNT { (m)--() }] AS n",
    "MATCH (t:Task {priority: 2}) WHERE t.status = 'open' RETURN t.id AS t UNION ALL MATCH (t:Goal) RETURN t.id AS t",
    "SEARCH m:Memory MATCHES 'tea stone lamp' WHERE m.importance > 0.2 AND (m)--() LIMIT 3 RETURN m.id AS m, score(m)",
    "MATCH (a) SEARCH m NEAR a WITHIN 2 WHERE m <> a AND NOT (a)-->(m) LIMIT 2 RETURN a.id AS a, m.id AS m, rank(m)",
    "MATCH (a:Memory)--(x) SEARCH x MATCHES 'tea river', NEAR a WITHIN 1 FUSE rrf LIMIT 2 RETURN a.id AS a, x.id AS x",
    "MATCH (a) WHERE EXISTS { SEARCH m MATCHES 'tea' WHERE (m)--(a) RETURN m } RETURN a.id AS a",
)


@SLOW
@given(STEPS, st.integers(0, 3))
def test_every_rule_keeps_the_rows(steps: list[Step], who: int) -> None:
    """Each alone and all together, over the forms that patterns alone do not have."""
    by = EVERYBODY[who]
    with world(steps) as tenant:

        def check(reader: Reader) -> None:
            for text in MORE:
                plain = answered(reader, text, ())
                for rules in (RULES, *((rule,) for rule in RULES)):
                    assert answered(reader, text, rules) == plain, (text, rules)

        tenant.read_now(check, by, needs=("texts",), at_least=tenant.journal.position)


SAME = (
    (
        "MATCH (m) WITH m, [(m)-[r]->(x) WHERE x.domain = m.domain | r.id + x.id] AS found UNWIND found AS f "
        "RETURN m.id AS m, f",
        "MATCH (m)-[r]->(x) WHERE x.domain = m.domain RETURN m.id AS m, r.id + x.id AS f",
    ),
    (
        "MATCH (m) RETURN m.id AS m, COUNT { MATCH (m)-->(x) RETURN DISTINCT x } AS n",
        "MATCH (m) OPTIONAL MATCH (m)-->(x) RETURN m.id AS m, count(DISTINCT x) AS n",
    ),
    (
        "MATCH (m) CALL (m) { MATCH (m)-->(x) RETURN x.id AS x UNION ALL MATCH (m)<--(x) RETURN x.id AS x } "
        "RETURN m.id AS m, x",
        "MATCH (m) MATCH (m)-->(x) RETURN m.id AS m, x.id AS x "
        "UNION ALL MATCH (m) MATCH (m)<--(x) RETURN m.id AS m, x.id AS x",
    ),
    (
        "MATCH (m) WHERE EXISTS { MATCH (m)-->(x) WITH count(x) AS n WHERE n > 1 } RETURN m.id AS m",
        "MATCH (m)-->(x) WITH m, count(x) AS n WHERE n > 1 RETURN m.id AS m",
    ),
    (
        "MATCH (a) MATCH p = allShortestPaths((a)-[*..3]->(b)) RETURN a.id AS a, [r IN relationships(p) | r.id] AS r",
        "MATCH (a) MATCH p = (a)-[*..3]->(b) WITH a, b, min(length(p)) AS n, collect(p) AS ps UNWIND ps AS p "
        "WITH a, p, n WHERE length(p) = n RETURN a.id AS a, [r IN relationships(p) | r.id] AS r",
    ),
    (
        "MATCH (a:Memory) MATCH (b:Event) MATCH p = shortestPath((a)-[*0..3]-(b)) RETURN a.id, b.id, length(p) AS n",
        "MATCH (a:Memory) MATCH (b:Event) MATCH p = (a)-[*0..3]-(b) RETURN a.id, b.id, min(length(p)) AS n",
    ),
    (
        "MATCH (m) WITH collect(m) AS ms UNWIND [m IN ms WHERE (m)-->() | m.id] AS m RETURN m",
        "MATCH (m) WHERE (m)-->() RETURN m.id AS m",
    ),
)


@SLOW
@given(STEPS, st.integers(0, 3))
def test_a_question_inside_of_a_question_is_that_question(steps: list[Step], who: int) -> None:
    """Lists of patterns, queries in braces and queries for each row have the rows of the plain form."""
    with world(steps) as tenant:

        def check(reader: Reader) -> None:
            for inside, plain in SAME:
                assert answered(reader, inside) == answered(reader, inside, ()) == answered(reader, plain), inside

        tenant.read_now(check, EVERYBODY[who])


@SLOW
@given(st.sampled_from(QUERIES), st.randoms(use_true_random=False))
def test_any_query_has_rows_or_a_refusal(query: str, chance: random.Random) -> None:
    """Words swapped, left out and doubled; values of any type for its parameters."""
    words = re.findall(r"\w+|\s+|[^\w\s]", query)
    for _ in range(chance.randrange(4)):
        at, other = chance.randrange(len(words)), chance.randrange(len(words))
        words[at] = chance.choice([words[other], "", words[at] * 2])
    values = [None, True, 1, -1, 2.5, "tea", "2026-03-14", [], ["a", 1], {"a": 1}]
    names = set(re.findall(r"\$(\w+)", query))
    params = {name: chance.choice(values) for name in names if chance.random() < 0.9}
    found = run(tavern(), "".join(words), params, chance.choice(EVERYBODY))
    if isinstance(found, Refusal):
        for problem in found.problems:
            assert re.fullmatch(r"Q\d\d\d|[A-Z_]+", problem.code), problem
            assert not re.search(r"Traceback|Error\b|object at|lark|kuzu", str(problem), re.IGNORECASE), problem


_OPEN: list[Tenant] = []


def tavern() -> Tenant:
    """The world of the cases, made once."""
    if not _OPEN:
        from tests.memql.cases.tavern import Tavern

        _OPEN.append(Tavern(Path(tempfile.mkdtemp()) / "tavern").tenant)
    return _OPEN[0]


def teardown_module() -> None:
    for tenant in _OPEN:
        tenant.close()
