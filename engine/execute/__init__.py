"""Queries in MemQL on the stores of one tenant: text → plan → rows.

`run` does all of it; `execute` is for who has a reader already. Whatever a query reads it reads through the reader's
scope: tenant, visibility, time and position hold for nodes, relations, counts and scores alike.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from engine.clock import Clock
from engine.columns import Mask, Numbers
from engine.commands import Principal
from engine.execute import curation
from engine.execute.answer import Column, PathState, Rows, columns_of, json_row, json_rows, nodes_in
from engine.execute.batch import Batch, Nodes, denses
from engine.execute.columnar import COLUMNAR
from engine.execute.compilations import Compilations
from engine.execute.curation import ONLY_READS, only_reads
from engine.execute.graphed import with_statements
from engine.execute.operators import batches
from engine.execute.outcomes import ended, rows_of
from engine.execute.parameters import given
from engine.execute.running import Running
from engine.execute.scan import FIRST, MOST
from engine.execute.seen import Seen, Stopped
from engine.execute.times import Moments, moments, reader_at
from engine.reader import Reader
from engine.records import Receipt
from memql import plan
from memql.bind import Condition
from memql.bound import Expression
from memql.catalog import Catalog
from memql.compiled import Compiled
from memql.errors import Reason, Refusal
from memql.evaluate import Evaluator, Failed
from memql.explain import PlanNode, explained, plan_tree
from memql.lower import filtered
from memql.rules import ask_the_graph, find_by_id
from memql.statistics import UNKNOWN, Statistics
from memql.values import FOREVER, instant
from memql.walking import conjuncts
from memql.world import Nothing

if TYPE_CHECKING:
    from engine.tenant import Tenant

__all__ = [
    "ONLY_READS",
    "Column",
    "PathState",
    "Planned",
    "Rows",
    "columns_of",
    "compiled_for",
    "execute",
    "json_row",
    "json_rows",
    "nodes_in",
    "only_reads",
    "planned_for",
    "qualifying",
    "run",
    "run_for",
]

T = TypeVar("T")

_COMPILATIONS = Compilations()


def compiled_for(text: str, catalog: Catalog, statistics: Statistics = UNKNOWN) -> Compiled | Refusal:
    """The query as it is run in a tenant with that catalog and with so much in it, compiled once."""
    return _COMPILATIONS.compiled(text, catalog, statistics)


def run(
    tenant: "Tenant",
    text: str,
    params: Mapping[str, Any],
    by: Principal,
    *,
    at_least: int = 0,
    consolidated: bool = False,
    key: str | None = None,
) -> Rows | Refusal:
    """The answer to a query in that tenant, as that principal sees it, or to a statement that writes: once under one
    `key`. Blocks the calling thread."""
    return run_for(
        tenant, text, params, by, lambda _, rows: rows,
        at_least=at_least, consolidated=consolidated, writes=True, key=key,
    )  # fmt: skip


def run_for(
    tenant: "Tenant",
    text: str,
    params: Mapping[str, Any],
    by: Principal,
    gather: Callable[[Reader, Rows], T],
    *,
    at_least: int = 0,
    consolidated: bool = False,
    then: tuple[int, int] | None = None,
    as_of: int | None = None,
    valid_at: int | None = None,
    wait_ms: int | None = None,
    writes: bool = False,
    key: str | None = None,
) -> T | Refusal:
    """What `gather` makes of the answer while its reader is at hand; `then` is the position and the time in
    microseconds at which it was asked, where that is not now; `wait_ms` the longest that it waits for a store (absent:
    the limit of that name). What names no time of its own is read at the position `as_of`, and as it was true
    `valid_at`, in microseconds. Only where it `writes` may it be a statement that does: once under one `key`. Blocks
    the calling thread."""
    now = then[1] if then else tenant.clock.now()
    compiled = compiled_for(text, tenant.catalog, tenant.survey.statistics(by, now))
    if isinstance(compiled, Refusal):
        return compiled
    if compiled.writes:
        if not writes and (refusal := only_reads(text)):
            return refusal
        return _curated(tenant, compiled, params, by, gather, key, at_least, consolidated)
    wanted = _position_asked(tenant, compiled, params, now)
    if isinstance(wanted, Refusal):
        return wanted

    def ask(reader: Reader) -> T | Refusal:
        # Who waited for a position asks when it was there, or what was just written would not be true yet.
        asked_at = now if reader.scope.valid_at is None or valid_at is not None else reader.scope.valid_at
        own = _at_its_time(reader, compiled, params, asked_at)
        if isinstance(own, Refusal):
            return own
        rows = execute(own, compiled, params, now=asked_at, clock=tenant.clock, past=as_of is not None)
        return _gathered(gather, own, rows)

    return tenant.read_now(
        ask,
        by,
        needs=compiled.needs,
        at_least=max(at_least, wanted),
        as_of=then[0] if then else as_of,
        valid_at=then[1] if then else "now" if valid_at is None else valid_at,
        consolidated=consolidated,
        wait_ms=wait_ms,
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """How a query would be answered, told without running it."""

    compiled: Compiled
    text: str
    tree: PlanNode

    @property
    def rows(self) -> float | None:
        """How many rows it is thought to give; None where nothing is known of the tenant."""
        return self.tree.estimated_rows


def planned_for(tenant: "Tenant", text: str, by: Principal) -> Planned | Refusal:
    """The plan that the query would be answered by now."""
    compiled = compiled_for(text, tenant.catalog, tenant.survey.statistics(by, tenant.clock.now()))
    if isinstance(compiled, Refusal):
        return compiled
    thought = with_statements(compiled.estimates, plan.walked(compiled.plan), tenant.limits.query_steps)
    return Planned(compiled, explained(compiled, "", None, thought), plan_tree(compiled.plan, None, thought))


def _position_asked(tenant: "Tenant", compiled: Compiled, params: Mapping[str, Any], now: int) -> int | Refusal:
    """The last position that a time of the query asks for; 0 where none does."""
    asked = _moments(compiled, params, now, compiled.query.times)
    if isinstance(asked, Refusal):
        return asked
    return max((tenant.position_at(each.as_of) for each in asked if each.as_of is not None), default=0)


def _at_its_time(reader: Reader, compiled: Compiled, params: Mapping[str, Any], now: int) -> Reader | Refusal:
    """Who reads at the time of the whole query."""
    if compiled.query.time is None:
        return reader
    asked = _moments(compiled, params, now, (compiled.query.time,))
    return asked if isinstance(asked, Refusal) else reader_at(reader, asked[0])


def _moments(
    compiled: Compiled, params: Mapping[str, Any], now: int, times: Sequence[plan.Time]
) -> list[Moments] | Refusal:
    if not times:
        return []
    parameters = given(compiled.parameters, params)
    if isinstance(parameters, Refusal):
        return parameters
    constant = Evaluator(Nothing(instant(now)), parameters).constant
    try:
        return [moments(time, constant) for time in times]
    except Stopped as stopped:
        return stopped.refusal
    except Failed as wrong:
        return Refusal(Reason.INVALID, (wrong.problem,))


def _curated(
    tenant: "Tenant", compiled: Compiled, params: Mapping[str, Any], by: Principal,
    gather: Callable[[Reader, Rows], T], key: str | None, at_least: int, consolidated: bool,
) -> T | Refusal:  # fmt: skip
    """A statement that writes: what it reads is drafted, written as one command, and read as it has become."""
    parameters = given(compiled.parameters, params)
    if isinstance(parameters, Refusal):
        return parameters
    asked = curation.asked_for(compiled, parameters)
    statement = curation.Statement(compiled, parameters, by, tenant.clock, tenant.considered, asked, {})
    read = partial(tenant.read_now, by=by, needs=compiled.needs)
    if compiled.statement.prefix == "explain":
        return read(
            lambda reader: _gathered(gather, reader, curation.preview(statement, reader)),
            at_least=at_least, consolidated=consolidated,
        )  # fmt: skip
    before = tenant.before(asked, by, key) if key is not None else None
    if isinstance(before, Refusal):
        return before
    wanted = _position_asked(tenant, compiled, params, tenant.clock.now())
    if isinstance(wanted, Refusal):
        return wanted
    as_of, valid_at = curation.as_then(before) if before else (None, None)
    made = read(
        lambda reader: curation.draft(statement, reader), at_least=max(at_least, wanted), as_of=as_of,
        valid_at="now" if valid_at is None else valid_at, consolidated=consolidated,
    )  # fmt: skip
    if isinstance(made, Refusal):
        return made
    receipt: Receipt | Refusal | None
    if before:
        receipt = Receipt(before.position, before.at, before.ids, repeated=True)
    else:
        receipt = curation.written(statement, made, lambda command: tenant.write_now(command, by, key))
    if isinstance(receipt, Refusal):
        return receipt
    position = receipt.position if receipt else made.position
    record = tenant.record(position)
    return read(
        lambda reader: _gathered(gather, reader, curation.answer(statement, reader, made, receipt, record)),
        at_least=position, as_of=position,
    )  # fmt: skip


def _gathered(gather: Callable[[Reader, Rows], T], reader: Reader, rows: Rows | Refusal) -> T | Refusal:
    return rows if isinstance(rows, Refusal) else gather(reader, rows)


def execute(
    reader: Reader,
    compiled: Compiled,
    params: Mapping[str, Any],
    *,
    now: int | None = None,
    clock: Clock | None = None,
    past: bool = False,
) -> Rows | Refusal:
    """The rows of a compiled query. `now` is the time of the statement in microseconds; `clock` tells the seconds, by
    which PROFILE says where the time went, and what is left to chance. `past`: the reader reads AS OF a time."""
    columns = columns_of(compiled, reader.catalog)
    prefix = compiled.statement.prefix
    warnings = tuple(f"{each.code} at {each.place}: {each.message}" for each in compiled.warnings)
    if prefix == "explain":
        stage = compiled.statement.stage
        thought = with_statements(compiled.estimates, plan.walked(compiled.plan), reader.limits.query_steps)
        shown = None if stage in ("AST", "BOUND") else plan_tree(compiled.plan, None, thought)
        return Rows(columns, [], reader.position, warnings, explained(compiled, stage, None, thought), shown)
    if compiled.writes and (refusal := only_reads(compiled.text)):
        return refusal  # Who has a reader alone cannot write.
    parameters = given(compiled.parameters, params)
    if isinstance(parameters, Refusal):
        return parameters
    if now is None:
        now = reader.scope.valid_at if reader.scope.valid_at is not None else 0
    own = _at_its_time(reader, compiled, params, min(now, FOREVER - 1))
    if isinstance(own, Refusal):
        return own
    reader = own
    past = past or (compiled.query.time is not None and compiled.query.time.as_of is not None)
    seen = Seen(reader, min(now, FOREVER - 1), clock.entropy if clock else None, past=past)
    running = Running(reader, seen, parameters, clock.monotonic if clock and prefix == "profile" else None)
    running.needed, running.known = compiled.needed, compiled.known
    rows = ended(lambda: rows_of(running, compiled.plan, compiled.columns))
    if isinstance(rows, Refusal):
        return rows
    text = ""
    profile: PlanNode | None = None
    if prefix == "profile":
        costs = {key: (cost.rows, cost.seconds) for key, cost in running.costs.items()}
        text, profile = explained(compiled, "", costs), plan_tree(compiled.plan, costs, compiled.estimates)
    return Rows(columns, rows, reader.position, (*warnings, *running.notices), text, profile, now)


def qualifying(
    reader: Reader,
    kinds: Iterable[str],
    condition: Condition | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    among: Mask | None = None,
    most: int | None = None,
) -> Mask | Refusal:
    """Which seen items of these kinds (all where none is named) the condition is true for, by dense id; where `among`
    is given, which of those. With `most`, the search ends behind so many."""
    named = frozenset(kinds)
    if among is None:
        among = reader.scope.of_kind(*sorted(named)) if named else reader.scope.seen
    if condition is None:
        return among
    parameters = given(condition.parameters, params or {})
    if isinstance(parameters, Refusal):
        return parameters
    seen = Seen(reader, reader.scope.valid_at or 0)
    running = Running(reader, seen, parameters)
    variable, conditions = condition.variable, tuple(conjuncts(condition.expression))
    asked = filtered(plan.Argument((variable,)), conditions)
    found = np.zeros(reader.scope.count, np.bool_)
    place, size = 0, FIRST
    try:
        # Provenance may have led to some of them, whatever became of them since.
        lasting = bool((among & ~reader.scope.seen).any())
        scan = plan.Scan(plan.Unit(), variable, named or None, lasting=lasting)
        numbers = _candidates(running, scan, conditions, among)
        left = len(numbers) if most is None else most
        while place < len(numbers) and left > 0:
            piece = numbers[place : place + size]
            place, size = place + size, min(MOST, size * 2)
            running.count(len(piece))
            for batch in batches(running, asked, Batch(len(piece), {variable: Nodes(piece)})):
                found[denses(batch.columns[variable])] = True
                left -= batch.size
    except Stopped as stopped:
        return stopped.refusal
    except Failed as wrong:
        return Refusal(Reason.INVALID, (wrong.problem,))
    return found


def _candidates(running: Running, scan: plan.Scan, conditions: tuple[Expression, ...], among: Mask) -> Numbers:
    """Those that may meet the conditions: found by id, by the graph, or else all of them."""
    best = ask_the_graph(find_by_id(plan.Filter(scan, conditions)))
    looked = best.source if isinstance(best, plan.Filter) else best
    assert isinstance(looked, plan.Scan)
    by_value = any(name not in COLUMNAR for name, _ in looked.equals)
    if looked.ids is None and not by_value:
        return np.flatnonzero(among)
    numbers = [denses(batch.columns[scan.variable]) for batch in batches(running, looked)]
    found = np.unique(np.concatenate([np.empty(0, np.int64), *numbers]))
    kept: Numbers = found[among[found]]
    return kept
