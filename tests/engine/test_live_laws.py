"""Laws of live queries: no change is missed, and snapshot plus deltas are the query at its cursor, always."""

import asyncio
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine.changed import change_of
from engine.commands import Command, FoldState, Principal, StateInput
from engine.execute import Rows, compiled_for, execute, run_for
from engine.execute.parameters import given as parameters_of
from engine.index import Index
from engine.keyed import keyed
from engine.reader import Reader
from engine.records import Receipt, Record, unseal
from engine.subscription import Delta, Snapshot, Told
from engine.tenant import Tenant
from memql.changes import Change, Footprint, placed, touches
from memql.errors import Refusal
from memql.evaluate import Evaluator
from memql.footprint import footprint
from memql.values import instant, micros
from memql.world import Nothing
from tests.engine.live_world import DAY, Client, SetClock, opened, rows_at
from tests.memql.questions import Question, Writer
from tests.memql.worlds import EVERYBODY, _change, _declarations, _item

laws = settings(
    max_examples=int(os.environ.get("MEMQL_EXAMPLES", "10")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
HOUR = 3_600_000_000

BY_HAND = (
    "MATCH (t:Thing) RETURN t.id AS id, t.s AS s",
    "MATCH (t:Thing)-[r:LINKS]->(o) RETURN t.id AS t, r.weight AS w, o.id AS o",
    "MATCH (t:Thing {id: $one})-[r]-(o) RETURN t.s AS s, r.id AS r, o.id AS o",
    "MATCH (t)-[:ABOUT*0..2]->(o:Memory) WHERE t.id IN [$one, $other] RETURN t.id AS t, o.text AS o",
    "MATCH p = (a:Thing)-[:LINKS|ABOUT*1..3]->(b) RETURN [n IN nodes(p) | n.id] AS p, length(p) AS n",
    "MATCH (t:Red) OPTIONAL MATCH (t)-[:LINKS]->(o:Blue) RETURN t.id AS t, o.id AS o",
    "MATCH (m:Memory) WHERE NOT EXISTS { MATCH (m)<-[:ABOUT]-(t:Thing) WHERE t.b } RETURN m.id AS m",
    "MATCH (t:Thing) RETURN t.b AS b, count(*) AS n, min(t.s) AS s",
    "MATCH (t:Thing) RETURN t.id AS id LIMIT 2",
    "MATCH (t:Thing) RETURN t.id AS id, t.n AS n ORDER BY n DESC, id LIMIT 3",
    "MATCH (t:Thing) WITH t ORDER BY t.n, t.id SKIP 1 LIMIT 2 MATCH (t)--(o) RETURN t.id AS t, o.kind AS kind",
    "MATCH (t:Thing) RETURN collect(t.id) AS bag",
    "MATCH (t:Thing) RETURN sum(t.x) AS x",
    "MATCH (t) WHERE t.domain = 'user' RETURN t",
    "MATCH (a)-[r:SIMILAR_TO]-(b) WHERE r.weight > 0.3 RETURN r, a.id AS a",
    "MATCH (m:Memory) RETURN m.id AS m, provenance(m).sources AS s",
    "MATCH (t:Other) RETURN DISTINCT t.n AS n UNION MATCH (t:Thing) RETURN t.n AS n",
    "MATCH (t:Other) RETURN t.x AS x UNION ALL MATCH (t:Thing) RETURN t.x AS x",
    "MATCH (a) MATCH p = shortestPath((a)-[*..3]-(b:Memory)) RETURN a.id AS a, b.id AS b, length(p) AS n",
    "MATCH ((a:Thing)-[r:LINKS]->(b) WHERE r.weight > 0.3){1,3}(o:Memory|Other) RETURN [x IN a | x.id] AS a, o.id AS o",
    "MATCH (t:Other)((a)-[:ABOUT]-(b:Thing)){0,2}(o) RETURN t.id AS t, o.id AS o, size(a) AS n",
    "MATCH p = ANY SHORTEST (a:Thing)-[:LINKS|SIMILAR_TO]-{1,3}(b:Memory) RETURN a.id AS a, b.id AS b, length(p) AS n",
    "MATCH p = SHORTEST 2 (a:Red)-[]->{1,3}(b:Blue) RETURN a.id AS a, [n IN nodes(p) | n.s] AS s",
    "MATCH ACYCLIC (a:Thing)-[:LINKS]-{1,3}(b) RETURN a.id AS a, b.id AS b",
    "MATCH (t:Thing) WITH HISTORY RETURN t.id AS t, t.s AS s, t.version AS v",
    "MATCH (t:Thing)-[r:LINKS]->(o) WITH HISTORY RETURN t.version AS t, r.version AS r, o.id AS o",
    "WITH HISTORY MATCH (t:Red) RETURN count(*) AS n",
    "MATCH (t:Thing {id: $one}) RETURN [v IN history(t) | v.s] AS s, changed_by(t) AS c",
    "MATCH (e)-[:SUPERSEDES]->(t) RETURN t.id AS t, retired_by(t) AS r, t.retired_at AS at",
    "MATCH (t:Thing) MATCH (t)--(o) AS OF $then RETURN t.id AS t, o.id AS o",
    "VALID DURING datetime('2024-01-09T00:00Z') TO datetime('2030-01-09T00:00Z') MATCH (t:Thing)--(o) RETURN t.id AS t",
    "MATCH (t:Thing) CALL (t) { MATCH (t)-->(o) RETURN count(o) AS n } RETURN t.id AS t, n",
    "VALID AT datetime('2024-01-09T00:00Z') MATCH (t:Thing) RETURN t.id AS t, t.s AS s",
    "MATCH (t:Thing) WHERE t.valid_to IS NULL RETURN t.id AS t, t.version AS v",
    "RETURN 1 AS one",
)


SCORED = (
    "SEARCH m:Memory MATCHES 'tea' LIMIT 3 SCORE AS s RETURN m.id AS m, s",
    "SEARCH m:Memory SIMILAR TO 'cold tea', MATCHES 'cold' LIMIT 2 RETURN m.id AS m",
    "MATCH (t:Thing)--(m) SEARCH m MATCHES 'tea' LIMIT 2 RETURN t.id AS t, m.id AS m",
    "MATCH (t) RETURN t.kind AS kind, sum(t.access_count) AS n",
)
"""What reads scores or state: what they were cannot be asked again."""


def questions(chance: random.Random, count: int, ids: Sequence[str]) -> list[Question]:
    made = [Question(chance.choice(BY_HAND), {}, False) for _ in range(count // 2)]
    made += [Writer(chance).question() for _ in range(count - len(made))]
    own: dict[str, Any] = {"then": datetime.now(UTC), "one": "x", "other": "y"}
    if ids:
        own |= {"one": chance.choice(ids), "other": chance.choice(ids)}
    return [Question(f"LIVE {each.text}", {**each.parameters, **own}, each.total) for each in made]


@dataclass
class Writing:
    """Writes what chance says, and knows the ids so far."""

    tenant: Tenant
    chance: random.Random
    items: list[str]
    relations: list[str]

    def one(self) -> int:
        """The position of a record, or 0 where what was asked was refused."""
        begun = len(self.items) < 3 or self.chance.random() < 0.25
        command: Command = _item(self.chance) if begun else _change(self.chance, self.items, self.relations)
        if self.items and self.chance.random() < 0.04:
            state = StateInput(id=self.chance.choice(self.items), add={"access_count": 1})
            command = FoldState(items=(state,))
        receipt = self.tenant.write_now(command, self.chance.choice(EVERYBODY))
        if not isinstance(receipt, Receipt):
            return 0
        for id_ in receipt.ids:
            known = self.relations if id_.startswith("rel_") else self.items
            if id_ not in known:
                known.append(id_)
        return receipt.position


@contextmanager
def begun(chance: random.Random) -> Iterator[Writing]:
    with (
        tempfile.TemporaryDirectory() as folder,
        opened(Path(folder) / "t", clock=SetClock(micros(datetime.now(UTC)))) as tenant,
    ):
        for command in _declarations():
            assert isinstance(tenant.write_now(command, EVERYBODY[-1]), Receipt)
        writing = Writing(tenant, chance, [], [])
        for _ in range(chance.randrange(12)):
            writing.one()
        yield writing


@dataclass
class Asked:
    """One question as one principal asks it, what it answered last, and what it reads."""

    question: Question
    by: Principal
    said: Counter[str] | str
    reads: Footprint


def asked(tenant: Tenant, question: Question, by: Principal, at: int) -> Asked | None:
    compiled = compiled_for(question.text, tenant.catalog)
    if isinstance(compiled, Refusal):
        return None

    def ask(reader: Reader) -> Asked | None:
        values = parameters_of(compiled.parameters, question.parameters)
        if isinstance(values, Refusal):
            return None
        reads = placed(footprint(compiled.query), Evaluator(Nothing(instant(0)), values).constant, sight(by))
        found = {id_: item.root for id_ in reads.named if (item := reader.index.item(id_)) is not None}
        reads = replace(reads, roots=found)
        rows = execute(reader, compiled, question.parameters, now=at)
        if isinstance(rows, Refusal):
            return Asked(question, by, rows.problems[0].code, reads)
        return Asked(question, by, Counter(keyed(rows.rows, None, False).said.values()), reads)

    found = tenant.read_now(ask, by, needs=compiled.needs, at_least=tenant.position, valid_at=at)
    assert not isinstance(found, Refusal), found
    return found


def sight(by: Principal) -> frozenset[str] | None:
    return None if by.admin else frozenset({by.id, *by.owners})


def change_at(tenant: Tenant, position: int) -> Change:
    record = unseal(tenant.journal.read(position - 1, 1)[0])
    assert isinstance(record, Record)
    with tenant.journal.reading() as db:
        return change_of(record, tenant.columns, tenant.adjacency, Index(db))


@laws
@given(st.integers(0, 2**32))
def test_no_change_is_missed(seed: int) -> None:
    """For any world, query, principal and commit: where rows differ before and after, the footprint is touched."""
    chance = random.Random(seed)
    with begun(chance) as writing:
        tenant = writing.tenant
        at = tenant.clock.now() + HOUR
        scored = [Question(f"LIVE {text}", {}, False) for text in chance.sample(SCORED, 2)]
        asking = [
            found for question in (*questions(chance, 20, writing.items), *scored)
            if (found := asked(tenant, question, chance.choice(EVERYBODY), at)) is not None
        ]  # fmt: skip
        for _ in range(20):
            if not (position := writing.one()):
                continue
            change = change_at(tenant, position)
            for place, before in enumerate(asking):
                after = asked(tenant, before.question, before.by, at)
                assert after is not None
                if after.said != before.said:
                    assert touches(before.reads, change), (before.question, change, before.said, after.said)
                # As in the engine: what is not touched keeps its footprint.
                asking[place] = after if touches(before.reads, change) else before


class Checked(Client):
    """A client that looks after each thing it is told whether its rows are the query at its cursor."""

    def __init__(self, tenant: Tenant, question: Question, by: Principal) -> None:
        super().__init__(tenant, question.text, dict(question.parameters), by)
        self.total = question.total
        compiled = compiled_for(self.text, tenant.catalog)
        assert not isinstance(compiled, Refusal)
        self.scored = footprint(compiled.query).scored

    def hear(self, told: Told) -> None:
        super().hear(told)
        if isinstance(told, Snapshot | Delta):
            self.check()

    def check(self) -> None:
        """What was erased since, and what is not versioned, cannot be asked again."""
        assert self.cursor is not None
        if self.scored or self.tenant.journal.forgets_since(self.cursor.position):
            return
        right = rows_at(self.tenant, self.text, self.params, self.by, self.cursor)
        rows = [self.rows[key].values for key in self.order]
        if self.total:
            assert said(rows) == said(right.rows), self.text
        assert Counter(said(rows)) == Counter(said(right.rows)), self.text


def said(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    return list(keyed(rows, None, False).said.values())


@laws
@given(st.integers(0, 2**32))
def test_snapshot_and_deltas_are_the_query_at_the_cursor(seed: int) -> None:
    """For any world, queries and commits, with several subscribers, time that passes, subscriptions that end and are
    resumed at their cursors, and restarts in between; and in the end everyone has what the query answers now."""
    asyncio.run(lived(random.Random(seed)))


async def lived(chance: random.Random) -> None:
    clock = SetClock(micros(datetime.now(UTC)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t"
        with ExitStack() as stack:
            tenant = stack.enter_context(opened(path, clock=clock))
            writing = Writing(tenant, chance, [], [])
            for command in _declarations():
                tenant.write_now(command, EVERYBODY[-1])
            for _ in range(chance.randrange(10)):
                writing.one()
            clients = subscribers(chance, writing)
            for _ in range(chance.randrange(1, 3)):
                await together(chance, writing, clock, clients)
                stack.close()
                tenant = stack.enter_context(opened(path, clock=clock))
                writing.tenant = tenant
                for client in clients:
                    client.tenant, client.ended = tenant, None
            await together(chance, writing, clock, clients)
            assert tenant.live_queries.count == 0


def subscribers(chance: random.Random, writing: Writing) -> list[Checked]:
    made = []
    scored = [Question(f"LIVE {text}", {}, False) for text in chance.sample(SCORED, 2)]
    for question in (*questions(chance, 8, writing.items), *scored):
        if isinstance(compiled_for(question.text, writing.tenant.catalog), Refusal):
            continue
        by = chance.choice(EVERYBODY)
        for _ in range(chance.choice((1, 1, 2))):
            found = run_for(writing.tenant, question.text, question.parameters, by, lambda _, rows: rows)
            if isinstance(found, Rows):
                made.append(Checked(writing.tenant, question, by))
    return made


async def together(chance: random.Random, writing: Writing, clock: SetClock, clients: list[Checked]) -> None:
    """Everyone subscribes, some leave and come back, things happen, and in the end all are where the tenant is."""
    listening = [client for client in clients if not isinstance(client.ended, Refusal)]
    for client in listening:
        client.begin()
    for _ in range(15):
        what = chance.random()
        if what < 0.75:
            await asyncio.to_thread(writing.one)
        elif what < 0.85:
            clock.goes_on(chance.randrange(DAY * 3))
            writing.tenant.live_queries.look()
        elif listening:
            client = chance.choice(listening)
            await client.end()
            client.begin()
        if chance.random() < 0.3:
            await asyncio.sleep(0.01)
    for client in listening:
        await caught_up(client)
        await client.end()


async def caught_up(client: Checked) -> None:
    """Waits until the client has what its query answers now, or was told that it has no answer."""
    for _ in range(400):
        if client.ended:
            return
        found = await asyncio.to_thread(
            run_for, client.tenant, client.text, client.params, client.by, lambda _, rows: rows
        )
        if isinstance(found, Refusal):
            await asyncio.sleep(0.02)
            continue
        if client.cursor and Counter(said([row.values for row in client.rows.values()])) == Counter(said(found.rows)):
            return
        await asyncio.sleep(0.02)
    raise AssertionError((client.text, client.cursor, client.values, found))
