"""Paths where there are far too many of them, and the questions that people ask of them."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from engine.clock import SystemClock
from engine.commands import (
    Command,
    DeclareRelationKind,
    DeriveInsight,
    EventInput,
    Link,
    NameEntity,
    Principal,
    RecordEvents,
    Relate,
    Remember,
)
from engine.execute import Rows, run
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant
from memql.errors import Refusal

ME = Principal("usr_me", admin=True)


@dataclass
class World:
    """Fifteen people who all know each other, three tools that are related one to the next, and what is derived."""

    tenant: Tenant
    ids: dict[str, str]

    def do(self, command: Command, *names: str) -> None:
        receipt = self.tenant.write_now(command, ME)
        assert isinstance(receipt, Receipt), receipt
        self.ids.update(zip(names, (each for each in receipt.ids if not each.startswith("rel_")), strict=False))

    def rows(self, text: str, **params: Any) -> list[tuple[Any, ...]]:
        found = run(self.tenant, text, {**self.ids, **params}, ME)
        assert isinstance(found, Rows), found
        return found.rows


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder:
        limits = Limits(query_steps=200_000, query_path_relations=100_000, graph_gather_ms=0)
        tenant = Tenant.open("t", Path(folder) / "t", clock=SystemClock(), limits=limits)
        assert isinstance(tenant, Tenant)
        made = World(tenant, {})
        made.do(DeclareRelationKind(name="RELATED_TO"))
        made.do(DeclareRelationKind(name="KNOWS"))
        people = [f"p{number}" for number in range(15)]
        for name in (*people, "Ada", "Lattice", "Kestrel"):
            made.do(NameEntity(name=name), name)
        for one, other in combinations(people, 2):
            made.do(Relate(source=made.ids[one], kind="KNOWS", target=made.ids[other]))
        for one, other, weight in (("Ada", "Lattice", 0.9), ("Lattice", "Kestrel", 0.7), ("Ada", "Kestrel", 0.2)):
            made.do(Relate(source=made.ids[one], kind="RELATED_TO", target=made.ids[other], weight=weight))
        event = EventInput(content="Kestrel needs Lattice", author="Ada", role="user")
        made.do(RecordEvents(stream="s", events=(event,)), "event")
        made.do(Remember(text="needs", links=(Link(kind="DERIVED_FROM", target=made.ids["event"]),)), "memory")
        derived = Link(kind="DERIVED_FROM", target=made.ids["memory"])
        made.do(DeriveInsight(text="layers", links=(derived,)), "insight")
        yield made
        tenant.close()


@pytest.mark.parametrize(
    "path",
    [
        "(a {name: 'p0'})-[:KNOWS]-+(b)",
        "(a {name: 'p0'})((x)-[:KNOWS]-(y))+(b)",
        "ACYCLIC (a {name: 'p0'})-[:KNOWS]-+(b)",
        "SHORTEST 1000 (a {name: 'p0'})-[:KNOWS]-{6,}(b)",
        "(a)-[:KNOWS]-{4}(b {name: 'p3'})-[:KNOWS]-{4}(c)",
    ],
)
def test_too_many_paths_end_with_the_name_of_a_limit(world: World, path: str) -> None:
    """However many trails there are, the answer comes soon: a refusal that says what to do."""
    found = run(world.tenant, f"MATCH p = {path} RETURN count(*) AS n", {}, ME)
    assert isinstance(found, Refusal)
    (problem,) = found.problems
    assert problem.code == "Q404"
    assert "`query_steps`" in problem.message or "`query_path_relations`" in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("ANY SHORTEST (a)-[:KNOWS]-+(b)", 15 * 15),
        ("ALL SHORTEST (a {name: 'p0'})-[:KNOWS]-+(b) WHERE a <> b", 14),
        ("ALL SHORTEST (a {name: 'p0'})-[:KNOWS]-{1,}(a)", 14 * 13),
        ("SHORTEST 3 (a {name: 'p0'})-[:KNOWS]-+(b {name: 'p1'})", 3),
        ("SHORTEST 2 GROUPS (a {name: 'p0'})-[:KNOWS]-+(b {name: 'p1'})", 1 + 13),
        ("ANY 4 ACYCLIC (a {name: 'p0'})-[:KNOWS]-+(b)", 14 * 4),
    ],
)
def test_a_selector_takes_few_of_very_many(world: World, path: str, count: int) -> None:
    """Where all paths are beyond counting, a few of each two ends are found."""
    assert world.rows(f"MATCH p = {path} RETURN count(*) AS n") == [(count,)]


def test_what_a_memory_came_from(world: World) -> None:
    """A quantified relation, as provenance asks."""
    asked = "MATCH (i:Insight {id: $insight})-[:DERIVED_FROM]->{1,5}(ev:Event) RETURN DISTINCT ev.id"
    assert world.rows(asked) == [(world.ids["event"],)]


def test_provenance_as_a_path(world: World) -> None:
    """The path itself, and what functions say of the same."""
    asked = (
        "MATCH p = (i:Insight {id: $insight})-[:DERIVED_FROM]->*(ev:Event) "
        "RETURN i.text, [n IN nodes(p) | n.id] AS chain, provenance(i).sources AS sources"
    )
    chain = [world.ids[name] for name in ("insight", "memory", "event")]
    assert world.rows(asked) == [("layers", chain, [world.ids["event"]])]


def test_only_over_strong_relations(world: World) -> None:
    """A group with a condition of its own, into a node that is named."""
    asked = (
        "MATCH ((a:Entity)-[r:RELATED_TO]->(b:Entity) WHERE r.weight > 0.6){1,3}(t:Entity {name: 'Kestrel'}) "
        "RETURN [x IN a | x.name] AS through, [x IN r | x.weight] AS weights, t.name"
    )
    right = [(["Ada", "Lattice"], [0.9, 0.7], "Kestrel"), (["Lattice"], [0.7], "Kestrel")]
    assert sorted(world.rows(asked)) == right


def test_how_two_are_related(world: World) -> None:
    """The shortest way between two nodes that are named, in either direction."""
    asked = (
        "MATCH p = ANY SHORTEST (a:Entity {name: $from})-[:RELATED_TO|KNOWS]-{1,6}(b:Entity {name: $to}) "
        "RETURN [n IN nodes(p) | n.name] AS names, length(p)"
    )
    assert world.rows(asked, **{"from": "Kestrel", "to": "Ada"}) == [(["Kestrel", "Ada"], 1)]
    strong = asked.replace("[:RELATED_TO|KNOWS]", "[r:RELATED_TO|KNOWS WHERE r.weight > 0.5]")
    assert world.rows(strong, **{"from": "Kestrel", "to": "Ada"}) == [(["Kestrel", "Lattice", "Ada"], 2)]
