"""Whatever plan is chosen by how much there is, the rows are those of the plain one."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from engine.execute import Rows, execute
from engine.reader import Reader
from memql.compiled import compile_query
from memql.errors import Refusal
from memql.estimating import estimates
from memql.plan import walked
from memql.rules import RULES
from memql.statistics import Statistics, rounded
from tests.engine.test_execute_laws import ASKED, EVERYBODY, MORE, SLOW, Asked, world
from tests.engine.world import STEPS, Step

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

        tenant.read_now(check, EVERYBODY[who])


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
    from memql.catalog import Catalog

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
        from engine.commands import Remember
        from tests.engine.world import ADMIN

        def counted() -> dict[str, int]:
            return dict(tenant.survey.statistics(ADMIN, tenant.clock.now()).kinds)

        assert counted() == {}
        for n in range(200):
            tenant.write_now(Remember(text=f"tea {n}"), ADMIN)
            if n == 9:
                ten = counted()
        assert ten["Memory"] == 8
        assert counted()["Memory"] == 256
