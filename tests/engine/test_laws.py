"""What holds for any world: live equals rebuilt, the past is as it was, once is once, and tenants never mix."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.clock import SystemClock
from engine.commands import Embedding, EraseItem, NameEntity, Principal, Remember
from engine.graph import Graph
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt, Record, unseal
from engine.recovery import verify
from engine.tenant import GraphEngine, Tenant
from engine.texts import Texts
from engine.vectors import Vectors
from engine.vectors.nearest import unit
from memql.errors import Refusal
from tests.engine.conftest import SteppingClock
from tests.engine.embedders import WordHashes
from tests.engine.world import ADMIN, PEOPLE, STEPS, WORDS, Step, World

GRAPH: GraphEngine = "ladybug" if os.environ.get("MEMQL_TEST_GRAPH") == "ladybug" else "kuzu"
LIMITS = Limits(text_commit_ms=0, graph_gather_ms=0, seal_records=7)
ROOT = Path(__file__).parents[2]

laws = settings(
    max_examples=int(os.environ.get("MEMQL_EXAMPLES", "12")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)


@contextmanager
def a_tenant(directory: Path | None = None, *, consolidate: bool = False) -> Iterator[Tenant]:
    with tempfile.TemporaryDirectory() as temporary:
        opened = Tenant.open(
            "t", directory or Path(temporary), clock=SystemClock(), limits=LIMITS, engine=GRAPH,
            embedder=WordHashes() if consolidate else None, consolidate=consolidate,
        )  # fmt: skip
        assert isinstance(opened, Tenant), opened
        try:
            yield opened
        finally:
            opened.close()


def take(tenant: Tenant, world: World, step: Step, key: str | None = None) -> Receipt | Refusal:
    command, by = world.command(step)
    answer = tenant.write_now(command, by, key)
    if isinstance(answer, Receipt):
        world.learn(command, answer.ids)
    return answer


def held(tenant: Tenant) -> dict[str, Any]:
    """What the stores and the columns hold."""
    assert tenant.settled(60), tenant.statuses()
    columns = {
        name: tenant.columns.column(name).tolist()
        for name in ("root", "born", "died", "owner", "valid_to", "author", "stream")
    }
    rows = {name: tenant.adjacency.column(name).tolist() for name in ("source", "target", "born", "died", "weight")}
    return {
        "graph": tenant.graph.dump(),
        "vectors": tenant.vectors.dump(),
        "texts": tenant.texts.dump(),
        "columns": columns,
        "relations": rows,
        "state": tenant.columns.state,
        "erased": tenant.columns.erased,
        "catalog": tenant.catalog,
    }


def seen(reader: Reader) -> dict[str, Any]:
    """What one principal sees: every item, its history and relations, and what searches find."""
    items = reader.page(limit=1_000)
    assert isinstance(items, list)
    roots = [item.root for item in items]
    steps = reader.expand(roots, "any")
    assert not isinstance(steps, Refusal)
    query = unit(_query())
    assert query is not None
    near = reader.search_vector("toy", query[0], limit=5)
    assert isinstance(near, list)
    found = {word: reader.search_text(word, limit=1_000) for word in WORDS[:3]}
    return {
        "items": items,
        "steps": list(zip(steps.rows.tolist(), steps.origins.tolist(), steps.ends.tolist(), strict=True)),
        "relations": reader.relations(steps.rows),
        "history": [reader.history(item.id) for item in items],
        "sources": reader.sources(roots),
        "near": [(hit.item.dense, round(hit.score, 5)) for hit in near],
        # Which texts match is as it was; how they rank uses the index's statistics of now.
        "found": {
            word: sorted(hit.item.dense for hit in hits) for word, hits in found.items() if isinstance(hits, list)
        },
    }


def _query() -> Any:
    return np.array([[1.0, 2.0, 1.0, 0.5]])


@laws
@given(STEPS)
def test_live_equals_rebuilt(steps: list[Step]) -> None:
    """At the end of any world every store, reopened or rebuilt, holds what it held while it was written."""
    with tempfile.TemporaryDirectory() as folder:
        world = World()
        with a_tenant(Path(folder)) as tenant:
            for step in steps:
                take(tenant, world, step)
            live = held(tenant)
        with a_tenant(Path(folder)) as tenant:
            assert held(tenant) == live
            tenant.rebuild()
            assert held(tenant) == live
        assert verify(Path(folder)).sound
        assert verify(Path(folder)).index_fits


@laws
@given(STEPS)
def test_consolidation_leaves_each_event_one_memory(steps: list[Step]) -> None:
    """Whatever else is written, retired and erased meanwhile; what it wrote is kept and shown like all else, and is
    not written again at the next opening."""
    with tempfile.TemporaryDirectory() as folder:
        world = World()
        with a_tenant(Path(folder), consolidate=True) as tenant:
            for step in steps:
                take(tenant, world, step)
            remembered = tenant.read_now(quotes, ADMIN, consolidated=True)
            assert isinstance(remembered, Counter)
            assert set(remembered.values()) <= {1}
            events = tenant.read_now(lambda reader: reader.page(["Event"], limit=1_000), ADMIN, valid_at=None)
            assert isinstance(events, list)
            flagged = tenant.columns.state.get("noise", {})
            assert {event.id for event in events if event.root not in flagged} <= remembered.keys()
            live = held(tenant)
        with a_tenant(Path(folder), consolidate=True) as tenant:
            assert tenant.read_now(quotes, ADMIN, consolidated=True) == remembered
            assert held(tenant) == live
            tenant.rebuild()
            assert held(tenant) == live
        assert verify(Path(folder)).index_fits


def quotes(reader: Reader) -> Counter[str]:
    """How many memories there are of each event, those that were retired since included."""
    columns, code = reader.scope.columns, reader.scope.columns.codes.get("Memory", -1)
    roots = np.unique(
        columns.column("root")[: reader.scope.count][columns.column("kind")[: reader.scope.count] == code]
    )
    keys = [str(memory.properties.get("external_key")) for memory in reader.lasting(roots.tolist())]
    return Counter(key for key in keys if key.startswith("evt_"))


@laws
@given(STEPS)
def test_every_position_can_be_made_anew(steps: list[Step]) -> None:
    """Stores that are given the journal's records one by one hold, at each position, what the live ones held there."""
    world = World(erasing=False)
    with a_tenant() as tenant, tempfile.TemporaryDirectory() as folder:
        live: dict[int, tuple[object, ...]] = {}
        for step in steps:
            if isinstance(answer := take(tenant, world, step), Receipt) and answer.position not in live:
                assert tenant.settled(60)
                live[answer.position] = tenant.graph.dump(), tenant.vectors.dump(), tenant.texts.dump()
        anew = (
            Graph(Path(folder), tenant="anew", engine=GRAPH, limits=LIMITS, ids=tenant._ids),
            Vectors(Path(folder), tenant="anew", limits=LIMITS),
            Texts(Path(folder), tenant="anew", limits=LIMITS),
        )
        for sealed in tenant.journal.read(0, 1_000):
            record = unseal(sealed)
            assert isinstance(record, Record)
            for store in anew:
                store.apply([record])
                store.settle()
                assert store.position == record.position
            assert tuple(store.dump() for store in anew) == live[record.position], record.position
        for store in anew:
            store.close()


@laws
@given(STEPS, st.integers(0, 2))
def test_the_past_is_as_it_was(steps: list[Step], who: int) -> None:
    """The answer AS OF a position is the answer given then, for whoever asks; erasure alone reaches back."""
    world = World(erasing=False)
    with a_tenant() as tenant:
        now = tenant.clock.now()
        given_then: dict[int, dict[str, Any]] = {}
        for step in steps:
            answer = take(tenant, world, step)
            if isinstance(answer, Receipt):
                given_then[answer.position] = ask(tenant, PEOPLE[who], answer.position, now)
        for position, then in given_then.items():
            assert ask(tenant, PEOPLE[who], position, now, as_of=True) == then, position


def ask(tenant: Tenant, by: Principal, position: int, valid_at: int, *, as_of: bool = False) -> dict[str, Any]:
    found = tenant.read_now(
        seen, by, needs=("vectors", "texts"), at_least=position, as_of=position if as_of else None, valid_at=valid_at
    )
    assert isinstance(found, dict), found
    return found


@laws
@given(STEPS, st.integers(0, 5))
def test_a_command_repeated_is_the_command_once(steps: list[Step], every: int) -> None:
    """Asked again under its key, now or after everything else, nothing changes and the receipt is the same."""
    world = World()
    with a_tenant() as tenant:
        asked = []
        for number, step in enumerate(steps):
            command, by = world.command(step)
            first = tenant.write_now(command, by, str(number))
            if isinstance(first, Receipt):
                world.learn(command, first.ids)
                asked.append((command, by, str(number), first))
                if number % (every + 1) == 0:
                    assert tenant.write_now(command, by, str(number)) == first
        before = held(tenant)
        position = tenant.position
        for command, by, key, first in asked:
            again = tenant.write_now(command, by, key)
            assert again == first
            assert isinstance(again, Receipt)
            assert again.repeated
        assert held(tenant) == before
        assert tenant.position == position


@laws
@given(STEPS)
def test_nobody_sees_what_they_may_not(steps: list[Step]) -> None:
    """Each item and relation of an answer is the principal's own, their owners', or the organization's."""
    world = World()
    with a_tenant() as tenant:
        for step in steps:
            take(tenant, world, step)
        for by in PEOPLE:
            found = ask(tenant, by, tenant.position, tenant.clock.now())
            for item in found["items"]:
                assert by.sees(item.owner, item.domain)
            everything = ask(tenant, ADMIN, tenant.position, tenant.clock.now())
            allowed = {item.dense for item in everything["items"] if by.sees(item.owner, item.domain)}
            assert {item.dense for item in found["items"]} == allowed
            for word, denses in found["found"].items():
                assert set(denses) == set(everything["found"][word]) & allowed


def test_erased_content_is_in_no_file(tmp_path: Path) -> None:
    """Not in the journal, not in any store, as soon as the stores have settled."""
    secret = "Xyzzyplugh"
    with a_tenant(tmp_path) as tenant:
        vector = Embedding(model="toy", vector=(0.123456, 7.0, 3.0, 2.0))
        receipts = [
            tenant.write_now(command, ADMIN)
            for n in range(8)
            for command in (
                Remember(text=f"{secret} said {n}", category=secret, embedding=vector),
                NameEntity(name=f"{secret} {n}", category=secret),
            )
        ]
        assert tenant.settled(30)
        for receipt in receipts:  # while a store is still being made anew for the one before
            assert isinstance(receipt, Receipt)
            assert isinstance(tenant.write_now(EraseItem(id=receipt.ids[0]), ADMIN), Receipt)
        assert tenant.settled(30)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert secret.encode() not in data, path
            assert secret.lower().encode() not in data, path


def test_the_stepping_clock_never_repeats() -> None:
    clock = SteppingClock()
    assert clock.now() < clock.now()


@pytest.mark.skipif(GRAPH == "ladybug", reason="this is the other engine's own run")
@pytest.mark.timeout(600)
def test_the_laws_hold_on_ladybug() -> None:
    """The two graph engines cannot share a process; their laws can."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        str(Path(__file__).relative_to(ROOT)),
    ]
    environment = os.environ | {"MEMQL_TEST_GRAPH": "ladybug"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
