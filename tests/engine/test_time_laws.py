"""Times on random worlds: what a query says of one time is what is true of another, and what was known is known as it
was, by short and obvious reckoning over all versions."""

import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.clock import SystemClock
from engine.commands import Principal
from engine.decide.view import ItemState, RelationState
from engine.execute import Rows, run, scan
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant
from memql.values import instant, iso
from tests.engine.world import ADMIN, EPOCH, PEOPLE, STEPS, Step, World

SLOW = settings(
    max_examples=int(os.environ.get("MEMQL_EXAMPLES", "20")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
EVERYBODY = (*PEOPLE, ADMIN)
LASTING = ("DERIVED_FROM", "SUPERSEDES")
DAY = 86_400_000_000
WHEN = int(EPOCH.timestamp() * 1_000_000)
"""The day from which on things are true in the random worlds."""


@pytest.fixture(autouse=True, scope="module")
def asking() -> Iterator[None]:
    """The graph is asked however few items there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "WORTH_ASKING", 0)
        yield


@dataclass(frozen=True)
class Opened:
    """A tenant with a world in it, and a time behind each of its records."""

    tenant: Tenant
    times: list[int]

    def time(self, place: int) -> int:
        return self.times[place % len(self.times)]


@contextmanager
def world(steps: Sequence[Step], *, erasing: bool = False) -> Iterator[Opened]:
    with tempfile.TemporaryDirectory() as folder:
        limits = Limits(text_commit_ms=0, graph_gather_ms=0)
        tenant = Tenant.open("t", Path(folder) / "t", clock=SystemClock(), limits=limits)
        assert isinstance(tenant, Tenant)
        try:
            made, times = World(erasing=erasing), [tenant.clock.now()]
            for step in steps:
                command, by = made.command(step)
                receipt = tenant.write_now(command, by)
                if isinstance(receipt, Receipt):
                    made.learn(command, receipt.ids)
                    times.append(tenant.clock.now())
            yield Opened(tenant, times)
        finally:
            tenant.close()


def answered(tenant: Tenant, text: str, by: Principal, **params: Any) -> Counter[str]:
    """The rows as text, each with how often it comes."""
    found = run(tenant, text, params, by)
    assert isinstance(found, Rows), (text, found)
    return Counter(map(repr, found.rows))


ONE = (
    "MATCH (m:Memory){T} RETURN m, m.text, tx_to(m), valid_to(m)",
    "MATCH (m){T} WHERE m.domain = 'organization' RETURN m.kind AS kind, count(*) AS n, max(recorded_at(m)) AS last",
    "MATCH (m:Memory|Task {priority: 2}){T} RETURN m",
    "MATCH (a)-[r]->(b){T} RETURN a, r, b, tx_to(r)",
    "MATCH (a)-[r:DERIVED_FROM|SUPERSEDES]-(b){T} WHERE a.version > 0 RETURN a, r, b",
    "MATCH p = (a:Memory)-[*1..2]-(b){T} RETURN [n IN nodes(p) | n.id] AS ids, [x IN relationships(p) | x.id] AS rs",
    "MATCH (a)-->(b)-->(c){T} WHERE a <> c RETURN a, b, c",
    "MATCH (m:Memory){T} WHERE EXISTS { (m)-->(x) } AND COUNT { MATCH (m)--() } < 4 RETURN m, m.text",
    "MATCH (a:Memory){T} MATCH (a)-[r]-(b){T} RETURN a, r, b",
    "MATCH (m:Memory){T} OPTIONAL MATCH (m)-[r:ABOUT]->(x){T} RETURN m, r, x",
    "MATCH (m:Memory){T} CALL (m) { MATCH (m)-->(x){T} RETURN x } RETURN m.id AS m, x",
    "SEARCH m:Memory MATCHES 'tea river stone'{T} LIMIT 50 RETURN m, m.text",
    "SEARCH m:Memory SIMILAR TO [1.0, 2.0, 0.5, 0.5]{T} WHERE m.importance IS NOT NULL LIMIT 50 RETURN m, m.text",
    "MATCH (m:Memory){T} RETURN [v IN history(m) | [v.version, tx_from(v), tx_to(v)]] AS versions, provenance(m) AS p",
    "MATCH (a)-[r]->(b){T} RETURN startNode(r).id AS a, endNode(r).version AS b, changed_by(r) AS by",
)
"""Queries that ask for one time, wherever they say it."""
AT_A_MOMENT = (
    "MATCH ((a)-[r]->(b)){1,2}(c){T} RETURN [x IN a | x.version] AS a, [x IN r | tx_to(x)] AS r, c.id AS c",
    "MATCH p = ANY SHORTEST (a:Memory)-[:ABOUT|SIMILAR_TO]-{1,3}(b){T} RETURN a.id AS a, b.id AS b, length(p) AS n",
    "MATCH p = ALL SHORTEST (a:Memory)-->{1,3}(b){T} RETURN [n IN nodes(p) | [n.id, n.version]] AS nodes",
    "MATCH (a){T} MATCH p = shortestPath((a)-[*..3]-(b)){T} RETURN a.id AS a, b.id AS b, length(p) AS n",
    "MATCH ACYCLIC (a)-->{1,3}(b){T} RETURN a.id AS a, a.version AS v, b.id AS b, b.version AS u",
    "MATCH (e:Entity){T} SEARCH m:Memory MATCHES 'tea', NEAR e WITHIN 2{T} LIMIT 20 RETURN e.id AS e, m.id AS m",
)
"""Those that cannot be asked of history."""
TIMES = (
    " AS OF $t",
    " VALID AT $v",
    " VALID DURING $v TO $w",
    " WITH HISTORY",
    " AS OF $t VALID AT $v",
    " AS OF $t VALID DURING {from: $v, to: $w} WITH HISTORY",
    " AS OF $t WITH HISTORY",
)


@SLOW
@given(STEPS, st.integers(0, 3), st.integers(0, 1_000), st.sampled_from(TIMES))
def test_each_clause_at_a_time_is_the_query_at_that_time(steps: list[Step], who: int, place: int, time: str) -> None:
    """Also of relations and paths, of what is asked in WHERE, and of what functions say of what was found."""
    with world(steps, erasing=True) as opened:
        moments = {"t": opened.time(place), "v": WHEN + place % 400 * DAY, "w": WHEN + place % 400 * DAY + 3 * DAY}
        params = {name: instant(us) for name, us in moments.items()}
        for text in ONE if "HISTORY" in time else (*ONE, *AT_A_MOMENT):
            whole = f"{time.strip()} {text.replace('{T}', '')}"
            each = text.replace("{T}", time)
            asked = {name: value for name, value in params.items() if f"${name}" in each}
            now = answered(opened.tenant, each, EVERYBODY[who], **asked)
            assert now == answered(opened.tenant, whole, EVERYBODY[who], **asked), (text, time)


THEN = (
    "VALID AT $v MATCH (m) RETURN m.id AS id, m.text AS text, m.version AS v, tx_to(m) AS ended",
    "VALID AT $v MATCH (a)-[r]->(b) RETURN a.id AS a, r.id AS r, r.weight AS w, b.id AS b, b.version AS v",
    "VALID DURING $v TO $w MATCH (m:Memory) RETURN m.id AS id, COUNT { (m)--() } AS n, size(history(m)) AS versions",
    "MATCH (m:Memory) WITH HISTORY RETURN m.id AS id, m.version AS v, tx_from(m) AS began, tx_to(m) AS ended",
    "MATCH (a)-[r]-(b) WITH HISTORY RETURN a.id AS a, a.version AS v, r.id AS r, b.id AS b, tx_to(r) AS ended",
)


@SLOW
@given(STEPS, st.integers(0, 3), st.integers(0, 1_000))
def test_what_is_asked_as_of_a_past_time_is_what_was_answered_then(steps: list[Step], who: int, place: int) -> None:
    """Facts, and the histories of that time; whatever was written since."""
    by, half = EVERYBODY[who], 1 + place % max(1, len(steps))
    with world(steps[:half]) as opened:
        moments = {"v": instant(WHEN + place % 400 * DAY), "w": instant(WHEN + (place % 400 + 4) * DAY)}
        asked = {text: {name: value for name, value in moments.items() if f"${name}" in text} for text in THEN}
        then = {text: answered(opened.tenant, text, by, **params) for text, params in asked.items()}
        time, made = instant(opened.times[-1]), World(erasing=False)
        made.items = [item.id for item in everything(opened.tenant)]
        for step in steps[half:] * 2:
            command, who_writes = made.command(step)
            receipt = opened.tenant.write_now(command, who_writes)
            if isinstance(receipt, Receipt):
                made.learn(command, receipt.ids)
        for text, params in asked.items():
            assert answered(opened.tenant, f"AS OF $t {text}", by, t=time, **params) == then[text], text


def everything(tenant: Tenant) -> list[ItemState]:
    """The first version of each item."""
    found = tenant.read_now(lambda reader: list(reader.index.items(range(1, reader.scope.count)).values()), ADMIN)
    assert isinstance(found, list)
    return [item for item in found if item.version == 1]


# History, reckoned over all versions


@dataclass(frozen=True)
class Versions:
    """Every version that one principal may see of what was known at a position, and whether it is true when asked."""

    items: dict[int, list[ItemState]]
    relations: list[RelationState]
    valid: tuple[int, int] | None

    def true(self, version: ItemState | RelationState) -> bool:
        return self.valid is None or (version.valid_from < self.valid[1] and version.valid_to > self.valid[0])


def versions(reader: Reader, by: Principal, valid: tuple[int, int] | None) -> Versions:
    every = reader.index.items(range(1, reader.scope.count)).values()
    items = {first.root: reader.history(first.id) for first in every if first.version == 1}
    known = reader.index.relations(range(1, reader.adjacency.count)).values()
    relations = [
        each if each.died <= reader.position else replace(each, died=2**62)
        for each in known
        if each.born <= reader.position and items[each.source] and items[each.target]
    ]
    return Versions(items, relations, valid)


def together(*states: ItemState | RelationState) -> bool:
    return max(each.born for each in states) < min(each.died for each in states)


def one_hop(of: Versions, kinds: Sequence[str]) -> Counter[str]:
    """Rows of (a)-[r]->(b): each version of a relation with the versions of its ends. The target of a lasting relation
    may be of any time; else all three were known at one moment, and each is true when it is asked for."""
    found: Counter[str] = Counter()
    for relation in of.relations:
        if (kinds and relation.kind not in kinds) or not of.true(relation):
            continue
        for source, target in itertools.product(of.items[relation.source], of.items[relation.target]):
            lasts = relation.kind in LASTING
            ends = [source] if lasts else [source, target]
            if together(relation, *ends) and all(map(of.true, ends)):
                found[repr((source.id, source.version, relation.id, relation.weight, target.id, target.version))] += 1
    return found


def two_hops(of: Versions, kinds: Sequence[str]) -> Counter[str]:
    """Rows of (a)-[r]->(b)-[s]->(c) along kinds that do not last."""
    found: Counter[str] = Counter()
    passed = [each for each in of.relations if each.kind in kinds and of.true(each)]
    for first, second in itertools.product(passed, passed):
        if first.target != second.source or first.id == second.id:
            continue
        for nodes in itertools.product(*(of.items[root] for root in (first.source, first.target, second.target))):
            if together(first, second, *nodes) and all(map(of.true, nodes)):
                ids = [*(node.id for node in nodes), first.id, second.id]
                found[repr((*(node.version for node in nodes), *ids))] += 1
    return found


@SLOW
@given(STEPS, st.integers(0, 3), st.integers(0, 1_000), st.booleans())
def test_history_has_a_row_for_each_way_in_which_versions_were_known_together(
    steps: list[Step], who: int, place: int, bounded: bool
) -> None:
    """By whoever reads, as of any time, and with a valid time or whatever it was."""
    by = EVERYBODY[who]
    with world(steps, erasing=True) as opened:
        time, position = opened.time(place), opened.tenant.position_at(opened.time(place))
        begin = WHEN + place % 400 * DAY
        valid = (begin, begin + 10 * DAY) if bounded else None
        of = opened.tenant.read_now(lambda reader: versions(reader, by, valid), by, as_of=position, valid_at=None)
        assert isinstance(of, Versions)
        during = f" VALID DURING datetime'{iso(begin)}' TO datetime'{iso(begin + 10 * DAY)}'" if bounded else ""
        asked = f"AS OF datetime'{iso(time)}'{during} WITH HISTORY"
        ways: dict[str, Counter[str]] = {
            f"MATCH (a) {asked} RETURN a.id AS a, a.version AS v, tx_to(a) IS NULL AS current": Counter(
                repr((item.id, item.version, item.died > position))
                for several in of.items.values()
                for item in several
                if of.true(item)
            ),
            f"MATCH (a)-[r]->(b) {asked} "
            "RETURN a.id AS a, a.version AS v, r.id AS r, r.weight AS w, b.id AS b, b.version AS u": one_hop(of, ()),
            f"MATCH (b)<-[r:DERIVED_FROM|SUPERSEDES]-(a) {asked} "
            "RETURN a.id AS a, a.version AS v, r.id AS r, r.weight AS w, b.id AS b, b.version AS u": one_hop(
                of, LASTING
            ),
            f"MATCH (a)-[r:ABOUT|SIMILAR_TO]->(b)-[s:ABOUT|SIMILAR_TO]->(c) {asked} RETURN a.version AS v, "
            "b.version AS u, c.version AS w, a.id AS a, b.id AS b, c.id AS c, r.id AS r, s.id AS s": two_hops(
                of, ("ABOUT", "SIMILAR_TO")
            ),
            f"MATCH (a)-[r:ABOUT|SIMILAR_TO*2]->(c), (a)-[r2:ABOUT|SIMILAR_TO]->(b) {asked} "
            "WHERE r2 = head(r) RETURN 1 AS nothing": Counter(),
        }
        for text, right in ways.items():
            assert answered(opened.tenant, text, by) == right, text


@SLOW
@given(STEPS, st.integers(0, 3), st.integers(0, 398), st.integers(1, 6))
def test_during_is_what_was_true_at_any_of_its_moments(steps: list[Step], who: int, day: int, days: int) -> None:
    """Things begin and end at full days here, so that each day's first moment stands for the day."""
    by = EVERYBODY[who]
    with world(steps) as opened:
        begin, end = WHEN + day * DAY, WHEN + (day + days) * DAY
        text = "MATCH (m) {T} RETURN m.id AS id, m.version AS v"
        written = f"VALID DURING datetime'{iso(begin)}' TO datetime'{iso(end)}'"
        found = answered(opened.tenant, text.replace("{T}", written), by)
        each: set[str] = set()
        for moment in range(begin, end, DAY):
            each |= answered(opened.tenant, text.replace("{T}", f"VALID AT datetime'{iso(moment)}'"), by).keys()
        assert found == Counter(each)


@SLOW
@given(STEPS, st.integers(0, 3), st.integers(0, 1_000), st.integers(1, 5))
def test_a_search_as_of_a_time_finds_as_many_as_qualify(steps: list[Step], who: int, place: int, most: int) -> None:
    """Words or meaning, however many of the best have another text now, or are there no more."""
    by = EVERYBODY[who]
    with world(steps) as opened:
        params: dict[str, Any] = {"t": instant(opened.time(place))}
        qualify = answered(
            opened.tenant, "MATCH (m:Memory) AS OF $t WHERE m.text CONTAINS 'tea' RETURN m.id AS m", by, **params
        )
        for way in ("MATCHES 'tea'", "SIMILAR TO [1.0, 2.0, 0.5, 0.5]"):
            text = f"SEARCH m:Memory {way} AS OF $t WHERE m.text CONTAINS 'tea' LIMIT {most} RETURN m.id AS m"
            found = answered(opened.tenant, text, by, **params)
            assert found.keys() <= qualify.keys()
            if way.startswith("MATCHES"):
                assert len(found) == min(most, len(qualify)), text
