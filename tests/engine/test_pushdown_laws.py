"""Whatever plan is chosen by how much there is, the rows are those of the plain one."""

import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import cypher
from engine.clock import SystemClock
from engine.commands import Command, Relate, Remember, RetireItem, RetireRelation, ReviseItem, SetGoal
from engine.execute import Rows, execute
from engine.execute.graphed import emitted
from engine.graph import Graph
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import GraphEngine, Tenant
from memql.catalog import Catalog
from memql.compiled import compile_query
from memql.errors import Refusal
from memql.estimating import estimates
from memql.plan import FromGraph, walked
from memql.rules import RULES
from memql.statistics import Statistics, rounded
from tests.engine.test_execute_laws import ASKED, EVERYBODY, MORE, SLOW, Asked, world
from tests.engine.world import ADMIN, STEPS, Step

KINDS = ["Memory", "Event", "Entity", "Goal", "Task"]
RELATIONS = ["ABOUT", "SIMILAR_TO", "DERIVED_FROM", "DEPENDS_ON", "PART_OF", "SUPERSEDES"]
COUNTS = st.integers(0, 20).map(lambda power: 0 if power == 0 else 1 << power)
STATISTICS = st.builds(
    Statistics,
    st.lists(st.tuples(st.sampled_from(KINDS), COUNTS), min_size=1, max_size=5, unique_by=lambda e: e[0]).map(tuple),
    st.lists(
        st.tuples(st.sampled_from(RELATIONS), st.sampled_from(KINDS), st.sampled_from(["out", "in"]), COUNTS),
        max_size=12, unique_by=lambda each: each[:3],
    ).map(tuple),
)  # fmt: skip
"""How much there might be: whether it is so or not, the rows must not change."""


def answered(reader: Reader, text: str, statistics: Statistics, *, plain: bool = False) -> Counter[str]:
    catalog = reader.catalog
    compiled = compile_query(text, catalog, () if plain else RULES, statistics)
    if isinstance(compiled, Refusal):
        compiled = compile_query(text, catalog.opened(True), () if plain else RULES, statistics)
    assert not isinstance(compiled, Refusal), compiled
    found = execute(reader, compiled, {})
    assert isinstance(found, Rows), found
    return Counter(map(repr, found.rows))


@SLOW
@given(STEPS, st.lists(ASKED, min_size=1, max_size=4), st.lists(STATISTICS, min_size=1, max_size=3), st.integers(0, 3))
def test_what_is_thought_of_a_tenant_changes_no_rows(
    steps: list[Step], questions: list[Asked], thought: list[Statistics], who: int
) -> None:
    """Wherever a pattern begins, and whichever hop it takes first."""
    with world(steps) as tenant:

        def check(reader: Reader) -> None:
            own = tenant.survey.statistics(EVERYBODY[who], reader.scope.valid_at or 0)
            for text in (*(asked.text for asked in questions), *MORE):
                plain = answered(reader, text, own, plain=True)
                for statistics in (own, *thought):
                    assert answered(reader, text, statistics) == plain, (text, statistics)

        # Between two answers the texts must not come nearer to the journal.
        tenant.read_now(check, EVERYBODY[who], needs=("texts",), at_least=tenant.journal.position)


@SLOW
@given(STEPS, st.integers(0, 3))
def test_what_is_counted_is_what_is_seen(steps: list[Step], who: int) -> None:
    """Items and relations of each kind, in round numbers, and nothing that the principal may not see."""
    with world(steps) as tenant:

        def check(reader: Reader) -> None:
            counted = tenant.survey.statistics(EVERYBODY[who], reader.scope.valid_at or 0)
            items = execute_counts(reader, "MATCH (n) RETURN n.kind AS kind, count(*) AS n")
            assert dict(counted.kinds) == {kind: rounded(count) for (kind,), count in items.items()}
            relations = execute_counts(
                reader, "MATCH (a)-[r]->(b) WHERE NOT type(r) IN ['DERIVED_FROM', 'SUPERSEDES'] "
                "RETURN type(r) AS r, a.kind AS kind, count(*) AS n",
            )  # fmt: skip
            own = {(r, kind): count for r, kind, way, count in counted.relations if way == "out"}
            own = {key: count for key, count in own.items() if key[0] not in ("DERIVED_FROM", "SUPERSEDES")}
            assert own == {key: rounded(count) for key, count in relations.items()}

        tenant.read_now(check, EVERYBODY[who])


def execute_counts(reader: Reader, text: str) -> dict[tuple[str, ...], int]:
    compiled = compile_query(text, reader.catalog)
    assert not isinstance(compiled, Refusal)
    found = execute(reader, compiled, {})
    assert isinstance(found, Rows)
    return {row[:-1]: row[-1] for row in found.rows}


@given(STATISTICS, st.sampled_from(MORE))
def test_everything_is_estimated(statistics: Statistics, text: str) -> None:
    """Each operator has a number of rows that is no nonsense."""
    compiled = compile_query(text, Catalog().opened(True), RULES, statistics)
    assert not isinstance(compiled, Refusal)
    found = estimates(compiled.plan, statistics)
    for operator in walked(compiled.plan):
        rows = found[id(operator)].rows
        assert rows is not None
        assert 0 <= rows < float("inf")


def test_a_tenant_that_grows_is_counted_again() -> None:
    """When enough was added; until then the counts are those of before."""
    with world([]) as tenant:

        def counted() -> dict[str, int]:
            return dict(tenant.survey.statistics(ADMIN, tenant.clock.now()).kinds)

        assert counted() == {}
        for n in range(200):
            tenant.write_now(Remember(text=f"tea {n}"), ADMIN)
            if n == 9:
                ten = counted()
        assert ten["Memory"] == 8
        assert counted()["Memory"] == 256


# Circles, which the graph engine closes

GRAPH: GraphEngine = "ladybug" if os.environ.get("MEMQL_TEST_GRAPH") == "ladybug" else "kuzu"
KINDS_PASSED = ("SIMILAR_TO", "ABOUT", "PART_OF", "MENTIONS|ABOUT", "SIMILAR_TO|DEPENDS_ON")
HOP = st.tuples(st.sampled_from(KINDS_PASSED), st.sampled_from(["-[{}]->", "<-[{}]-"]))
CIRCLES = st.builds(
    lambda hops, kinds, where: (
        "MATCH "
        + "".join(
            f"(n{place}{kind}){arrow.format(f'r{place}:{passed}')}"
            for place, ((passed, arrow), kind) in enumerate(zip(hops, kinds, strict=False))
        )
        + f"(n0) {where} RETURN {', '.join(f'n{at}.id AS n{at}, r{at}.id AS r{at}' for at in range(len(hops)))}"
    ),
    st.lists(HOP, min_size=1, max_size=4),
    st.lists(st.sampled_from(["", ":Memory", ":Memory|Goal", ":Entity"]), min_size=4, max_size=4),
    st.sampled_from(["", "WHERE n0.importance > 0.2", "WHERE n0.text CONTAINS 'tea'", "WHERE r0.weight < 0.9"]),
)
MUCH = Statistics(
    tuple((kind, 1 << 20) for kind in sorted(KINDS)),
    tuple(
        (relation, kind, way, 1 << 24)
        for relation in sorted((*RELATIONS, "MENTIONS")) for kind in sorted(KINDS) for way in ("out", "in")
    ),
)  # fmt: skip
"""So much that expansion is thought to be dear."""


def tied(tenant: Tenant, chance: random.Random) -> None:
    """Many relations between few items, some of them retired, ended or hidden, so that there are circles."""
    ids: list[str] = []
    for n in range(8):
        domain = chance.choice(["user", "organization"])
        asked: Command = Remember(text=f"tea {n}", importance=n / 8, domain=domain)  # type: ignore[arg-type]
        if n % 3 == 2:
            asked = SetGoal(title=f"goal {n}", domain=domain)  # type: ignore[arg-type]
        receipt = tenant.write_now(asked, ADMIN)
        assert isinstance(receipt, Receipt)
        ids += receipt.ids
    made: list[str] = []
    for _ in range(40):
        kind = chance.choice(["SIMILAR_TO", "ABOUT", "SIMILAR_TO", "PART_OF"])
        ends = chance.choice(ids), chance.choice(ids)
        command = Relate(kind=kind, source=ends[0], target=ends[1], weight=chance.random())
        receipt = tenant.write_now(command, ADMIN)
        if isinstance(receipt, Receipt):
            made += receipt.ids
    for id_ in made[::7]:
        tenant.write_now(RetireRelation(id=id_), ADMIN)
    tenant.write_now(ReviseItem(id=ids[0], set={"text": "tea again"}), ADMIN)
    tenant.write_now(RetireItem(id=ids[4]), ADMIN)


ROOT = Path(__file__).parent.parent.parent


@SLOW
@given(st.lists(CIRCLES, min_size=1, max_size=12), st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_graph_closes_circles_as_expansion_does(questions: list[str], who: int, chance: random.Random) -> None:
    """With relations and items that are retired, revised or not to be seen, loops, and none passed twice; and at an
    earlier position, which the graph does not show."""
    with tempfile.TemporaryDirectory() as folder:
        tenant = Tenant.open("t", Path(folder) / "t", clock=SystemClock(), limits=Limits(), engine=GRAPH)
        assert isinstance(tenant, Tenant)
        try:
            tied(tenant, chance)
            assert tenant.settled(60)

            def check(reader: Reader) -> None:
                for text in questions:
                    plain = answered(reader, text, MUCH, plain=True)
                    assert answered(reader, text, MUCH) == plain, text

            tenant.read_now(check, EVERYBODY[who])
            tenant.read_now(check, EVERYBODY[who], as_of=tenant.position - 3)
        finally:
            tenant.close()


@pytest.fixture
def circled(tmp_path: Path) -> Tenant:
    tenant = Tenant.open("t", tmp_path / "t", clock=SystemClock(), limits=Limits(), engine=GRAPH)
    assert isinstance(tenant, Tenant)
    tied(tenant, random.Random(3))
    return tenant


TRIANGLE = (
    "MATCH (a:Memory)-[:SIMILAR_TO]->(b:Memory)-[:SIMILAR_TO]->(c:Memory), (a)-[:SIMILAR_TO]->(c) RETURN a.id, b.id"
)


def test_a_circle_is_asked_of_the_graph_where_it_shows_the_same(
    circled: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not while it is behind, nor of an earlier position: then expansion gives the rows."""
    asked: list[str] = []
    real = Graph.ways

    def told(self: Graph, statement: str, parameters: object) -> object:
        asked.append(statement)
        return real(self, statement, parameters)  # type: ignore[arg-type]

    monkeypatch.setattr(Graph, "ways", told)
    try:
        assert circled.settled(60)
        plain = circled.read_now(lambda reader: answered(reader, TRIANGLE, MUCH, plain=True), ADMIN)
        assert not asked
        assert circled.read_now(lambda reader: answered(reader, TRIANGLE, MUCH), ADMIN) == plain
        assert len(asked) == 1
        circled.read_now(lambda reader: answered(reader, TRIANGLE, MUCH), ADMIN, as_of=circled.position - 1)
        assert len(asked) == 1
    finally:
        circled.close()


@given(st.text(min_size=1, max_size=20))
def test_nothing_that_a_user_wrote_is_in_what_the_graph_is_asked(words: str) -> None:
    """Values are tested outside; kinds of nodes are parameters."""
    text = f"{TRIANGLE.partition(' RETURN')[0]} WHERE a.text <> $words AND b.text <> '{{}}' RETURN a"
    written = text.replace("{}", words.encode("unicode_escape").decode().replace("\\", "").replace("'", ""))
    catalog = Catalog()
    compiled = compile_query(written, catalog, RULES, MUCH)
    assert not isinstance(compiled, Refusal), compiled
    (operator,) = (each for each in walked(compiled.plan) if isinstance(each, FromGraph))
    statement = emitted(operator, 10)
    assert statement == (
        "MATCH (n0:Node)-[r0:`SIMILAR_TO`]->(n1:Node), (n1:Node)-[r1:`SIMILAR_TO`]->(n2:Node), "
        "(n0:Node)-[r2:`SIMILAR_TO`]->(n2:Node) WHERE n2.kind IN $k0 AND n1.kind IN $k1 AND n0.kind IN $k2 "
        "RETURN r0.row, r1.row, r2.row LIMIT 10"
    )
    assert cypher.flaw(statement, {"k0": ["Memory"]}) is None


@pytest.mark.skipif(GRAPH == "ladybug", reason="this is the other engine's own run")
@pytest.mark.timeout(600)
def test_circles_are_closed_on_ladybug_too() -> None:
    """The two graph engines cannot share a process."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "circle"]
    command.append(str(Path(__file__).relative_to(ROOT)))
    environment = os.environ | {"MEMQL_TEST_GRAPH": "ladybug"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
