"""Statements that write: what is read is drafted, written as one command, and then read as it has become.

The draft is decided on what was read: whatever of it has changed in between refuses all of it. Asked again under its
key, a statement writes nothing: it reads again as it read then, so that its answer is the one that was given.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from engine.clock import Clock
from engine.commands import Command, Curate, Principal
from engine.decide import Decision
from engine.events import Curated, Event
from engine.execute.answer import Rows, columns_of
from engine.execute.batch import Batch, Chains, Nodes, Relations, Values
from engine.execute.batch import Column as Values_
from engine.execute.changes import changes, counted, told
from engine.execute.drafting import Draft, drafted, placed
from engine.execute.outcomes import ended, rows_of
from engine.execute.running import Running
from engine.execute.seen import Seen, as_node, as_relation
from engine.reader import Reader
from engine.records import Receipt, Record
from memql import ast, plan
from memql.bound import Variable
from memql.compiled import Compiled
from memql.errors import Problem, Reason, Refusal
from memql.explain import explained, plan_tree
from memql.parse import parse
from memql.plan import Operator
from memql.values import FOREVER, to_json
from memql.world import Datum, Node, Path, Relation

_STEP = re.compile(r"steps\[(\d+)\]")
ONLY_READS = "Q503"
NOTHING = "nothing was found to write about, and nothing was written"
SO_ALREADY = "all of it was so already, and nothing has changed"
ASKED_BEFORE = "this was carried out before under its key; what it returned then cannot be found again"


@dataclass(slots=True)
class Statement:
    """One statement as it is carried out. `considered` tells what a command would lead to now."""

    compiled: Compiled
    parameters: Mapping[str, Any]
    by: Principal
    clock: Clock
    considered: Callable[[Command, Principal], Decision | Refusal]
    asked: Curate
    costs: dict[int, tuple[int, float]]
    """Rows and seconds of each operator, where they are asked for."""

    @property
    def curate(self) -> plan.Curate:
        return next(each for each in plan.walked(self.compiled.plan) if isinstance(each, plan.Curate))

    def running(self, reader: Reader, now: int) -> Running:
        profiled = self.compiled.statement.prefix == "profile"
        running = Running(
            reader, Seen(reader, min(now, FOREVER - 1), self.clock.entropy), self.parameters,
            self.clock.monotonic if profiled else None,
        )  # fmt: skip
        running.needed, running.known = self.compiled.needed, self.compiled.known
        return running


def asked_for(compiled: Compiled, parameters: Mapping[str, Any]) -> Curate:
    """The statement as a request, which its key belongs to: nothing of it is drafted yet."""
    text = orjson.dumps({name: to_json(value) for name, value in sorted(parameters.items())}).decode()
    return Curate(statement=compiled.text, parameters=text, read_at=0, last_dense=0, read=(), steps=())


def only_reads(text: str) -> Refusal | None:
    """The answer of a door through which nothing is written, where the text would write."""
    statement = parse(text)
    if isinstance(statement, Refusal) or statement.prefix == "explain":
        return None
    verb = next((c for part in statement.query.parts for c in part.clauses if isinstance(c, ast.VERBS)), None)
    if verb is None:
        return None
    hint = "ask it by the mutation `curate`, or preview it: EXPLAIN"
    place = f"line {verb.span.line}, column {verb.span.column}"
    return Refusal(Reason.INVALID, (Problem(ONLY_READS, "a query only reads", place, hint, verb.span),))


def as_then(record: Record) -> tuple[int, int]:
    """The position and the time at which a statement read what its record was decided on."""
    read = next((event.read for event in record.events if isinstance(event, Curated)), record.position - 1)
    return read, record.at


# Reading, before


def draft(statement: Statement, reader: Reader) -> Draft | Refusal:
    """What the statement would write of what that reader sees."""
    running = statement.running(reader, reader.scope.valid_at or 0)
    made = ended(lambda: drafted(running, statement.curate, statement.by))
    statement.costs.update({key: (cost.rows, cost.seconds) for key, cost in running.costs.items()})
    return made


def preview(statement: Statement, reader: Reader) -> Rows | Refusal:
    """EXPLAIN: what would change, as it would be decided now; or why it would be refused."""
    compiled = statement.compiled
    stage = compiled.statement.stage
    if stage in ("AST", "BOUND"):
        return _rows(statement, reader, reader.position, (), explained(compiled, stage))
    made = draft(statement, reader)
    if isinstance(made, Refusal):
        return made
    events: tuple[Event, ...] = ()
    if made.steps:
        decided = statement.considered(command(statement, made), statement.by)
        if isinstance(decided, Refusal):
            return at_the_verb(decided, made)
        events = decided.events
    first = changes(reader, events)
    text = f"{explained(compiled)}\n\n{told(counted(events), first)}"
    return replace(
        _rows(statement, reader, made.position, made.notices, text), plan=plan_tree(compiled.plan), changes=first
    )


def _rows(statement: Statement, reader: Reader, position: int, notices: tuple[str, ...], text: str = "") -> Rows:
    compiled = statement.compiled
    columns = columns_of(compiled, reader.catalog)
    warnings = tuple(f"{each.code} at {each.place}: {each.message}" for each in compiled.warnings)
    return Rows(columns, [], position, (*warnings, *notices), text)


# Writing


def command(statement: Statement, made: Draft) -> Curate:
    return statement.asked.model_copy(
        update={
            "read_at": made.position,
            "last_dense": made.last_dense,
            "read": tuple(sorted(made.read)),
            "steps": tuple(made.steps),
        }
    )


def written(
    statement: Statement, made: Draft, write: Callable[[Curate], Receipt | Refusal]
) -> Receipt | Refusal | None:
    """The receipt; None where there was nothing to write."""
    if not made.steps:
        return None
    began = statement.clock.monotonic()
    receipt = write(command(statement, made))
    before = statement.costs.get(id(statement.curate.source), (0, 0.0))[1]
    statement.costs[id(statement.curate)] = made.rows.size, before + statement.clock.monotonic() - began
    return at_the_verb(receipt, made) if isinstance(receipt, Refusal) else receipt


def at_the_verb(refusal: Refusal, made: Draft) -> Refusal:
    """The refusal of a step at the place of its verb."""
    found = _STEP.match(refusal.problems[0].place)
    return placed(refusal, made.places[int(found[1])]) if found else refusal


# Reading, after


def answer(
    statement: Statement, reader: Reader, made: Draft, receipt: Receipt | None, record: Record | None
) -> Rows | Refusal:
    """What RETURN gives, or the counts of what the record holds."""
    compiled = statement.compiled
    found = replace(
        _rows(statement, reader, reader.position, made.notices), receipt=receipt, at=reader.scope.valid_at or 0
    )
    events = _events(record, made) if receipt else ()
    if not events:
        found = replace(found, notices=(*found.notices, SO_ALREADY if receipt else NOTHING))
    running = statement.running(reader, reader.scope.valid_at or 0)
    if isinstance(compiled.plan, plan.Curate):
        rows: list[tuple[Any, ...]] | Refusal = [counted(events)]
    elif receipt is not None and len(receipt.ids) != len(made.steps):
        rows, found = [], replace(found, notices=(*found.notices, ASKED_BEFORE))
    else:
        ids = receipt.ids if receipt else ()
        above, spine = _above(compiled.plan)
        rows = ended(lambda: rows_of(running, above, compiled.columns, _renewed(running, statement.curate, made, ids)))
        spent = statement.costs.get(id(statement.curate), (0, 0.0))[1]
        for key, cost in running.costs.items():
            if key in spine:
                statement.costs[spine[key]] = cost.rows, spent + cost.seconds
    if isinstance(rows, Refusal):
        return rows
    if compiled.statement.prefix == "profile":
        text, tree = explained(compiled, "", statement.costs), plan_tree(compiled.plan, statement.costs)
        found = replace(found, plan_text=text, plan=tree)
    return replace(found, rows=rows)


def _events(record: Record | None, made: Draft) -> tuple[Event, ...]:
    """What was recorded; nothing where all of it was so already, and the record is of something else."""
    events = record.events if record else ()
    ours = any(isinstance(event, Curated) and event.read == made.position for event in events)
    return events if ours else ()


def _above(operator: Operator) -> tuple[Operator, dict[int, int]]:
    """The plan above the verbs, for rows that are handed to it; of each of its operators which one it was."""
    if isinstance(operator, plan.Curate):
        made: Operator = plan.Argument(tuple(sorted(plan.binds(operator), key=lambda each: each.number)))
        return made, {id(made): id(operator)}
    source, spine = _above(operator.source)  # type: ignore[attr-defined]
    made = replace(operator, source=source)  # type: ignore[type-var]
    return made, {**spine, id(made): id(operator)}


def _renewed(running: Running, curate: plan.Curate, made: Draft, ids: tuple[str, ...]) -> Batch:
    """The rows that were read, as they are now, with what each step made."""
    now = _Now(running)
    columns: dict[Variable, Values_] = {v: now.column(column) for v, column in made.rows.columns.items()}
    for step in curate.steps:
        if step.makes:
            names = made.made.get(step.subject, [])
            known = [ids[int(name[1:])] if name.startswith("@") else name for name in names]
            columns[step.subject] = now.relations(known) if step.does == "link" else now.nodes(known)
    return Batch(made.rows.size, columns)


class _Now:
    """Items and relations as they have become: the newest version, also of what was retired."""

    def __init__(self, running: Running) -> None:
        self._seen = running.seen
        self._reader = running.reader

    def nodes(self, ids: list[str]) -> Nodes:
        found = {id_: self._reader.index.item(id_) for id_ in set(ids)}
        roots = [item.root if (item := found[id_]) else 0 for id_ in ids]
        return Nodes(self._reader.scope.lasting(np.array(roots, np.int64)))

    def relations(self, ids: list[str]) -> Relations:
        found = {id_: self._reader.index.relation(id_) for id_ in set(ids)}
        return Relations(np.array([state.row if (state := found[id_]) else 0 for id_ in ids], np.int64))

    def column(self, column: Values_) -> Values_:
        match column:
            case Nodes(numbers=numbers):
                roots = self._reader.scope.columns.column("root")[numbers]
                return Nodes(self._reader.scope.lasting(roots))
            case Relations(numbers=rows):
                newest = self._rows({int(row) for row in rows if row})
                return Relations(np.array([newest.get(int(row), 0) for row in rows], np.int64))
            case Chains(chains=chains):
                newest = self._rows({row for chain in chains if chain for row in chain})
                return Chains([None if chain is None else tuple(newest[row] for row in chain) for chain in chains])
        return Values([self.value(value) for value in column.datums(self._seen)])

    def _rows(self, rows: set[int]) -> dict[int, int]:
        """Of each version of a relation the newest one."""
        states = self._reader.index.relations(rows)
        newest = {state.id: self._reader.index.relation(state.id) for state in states.values()}
        return {row: last.row if (last := newest[state.id]) else row for row, state in states.items()}

    def value(self, value: Datum) -> Datum:
        match value:
            case Node():
                (state,) = self._reader.lasting([value.state.root]) or [value.state]
                return as_node(state)
            case Relation():
                return as_relation(self._reader.index.relation(value.id) or value.state)
            case Path(nodes=nodes, relations=relations):
                return Path(tuple(map(self.value, nodes)), tuple(map(self.value, relations)))
            case list():
                return [self.value(each) for each in value]
            case dict():
                return {key: self.value(each) for key, each in value.items()}
        return value
