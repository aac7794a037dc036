"""One query as it runs: who reads, with which parameters, what it has used so far, and how an expression meets a batch.

Limits are looked at between batches. What stops a query is raised as `Stopped` inside, and is a refusal outside.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from engine.columns import Columns, Mask, Numbers
from engine.execute.batch import Batch, Chains, Column, Nodes, Relations, Values, characters
from engine.execute.columnar import Decide, Known, columnar
from engine.execute.figures import Figures, Sources, figures
from engine.execute.seen import Seen, Stopped
from engine.execute.times import moments, reader_at
from engine.execute.together import known_together
from engine.properties import Held
from engine.reader import Reader
from memql import ast, bound, walking
from memql.bound import Expression, Variable
from memql.errors import Problem, Reason, Refusal
from memql.evaluate import Evaluator, Meaning
from memql.order import Truth
from memql.plan import Operator, Time
from memql.rules import cannot_fail
from memql.world import Datum

T = TypeVar("T")

LOOK = 64
"""Rows between two looks at the deadline: an expression may take milliseconds."""
FEW = 64
"""Rows below which items are read, and no property of all of them is held in memory for their sake."""
LONG = 100
"""From so many members or characters on a value counts as rows do: a member as one, eight characters as one."""


@dataclass(slots=True)
class Cost:
    """What one operator did: rows that it gave, and seconds, those of its sources included."""

    rows: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Running:
    """`ticks` tells the seconds, for PROFILE; None where nobody asks."""

    reader: Reader
    seen: Seen
    parameters: Mapping[str, Datum]
    ticks: Callable[[], float] | None = None
    costs: dict[int, Cost] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    embedder: str = ""
    passed: int = 0
    held: int = 0
    characters: int = 0
    """Of the values that are held."""
    needed: Mapping[int, frozenset[Variable]] = field(default_factory=dict)
    """Of an operator, by its identity, the variables that its sources must have; of one that is not there, all."""
    known: dict[int, object] = field(default_factory=dict)
    """What was found out about expressions, by their identity, when they were run before."""
    evaluator: Evaluator = field(init=False)
    _times: dict[Time, int] = field(default_factory=dict)
    _kept: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.evaluator = Evaluator(self.seen, self.parameters, self.count)

    def at(self, time: Time | None) -> Reader:
        """Who reads at that time; None is that of the query."""
        return self.seen.readers[self.when(time)]

    def when(self, time: Time | None) -> int:
        """The number of that time, by which what is found is known."""
        if time is None:
            return 0
        if (number := self._times.get(time)) is None:
            reader = reader_at(self.reader, moments(time, self.constant))
            number = self._times[time] = self.seen.also(reader, past=time.as_of is not None)
        return number

    def nodes(self, denses: Numbers, time: Time | None) -> Nodes:
        """These versions, as found at that time."""
        scope = self.at(time).scope
        return Nodes(denses, self.when(time), scope.columns.column("root")[denses] if scope.history else None)

    def relations(self, rows: Numbers, time: Time | None) -> Relations:
        reader = self.at(time)
        roots = reader.adjacency.column("root")[rows] if reader.scope.history else None
        return Relations(rows, self.when(time), roots)

    def chains(self, chains: list[tuple[int, ...] | None], time: Time | None) -> Chains:
        reader = self.at(time)
        return Chains(chains, self.when(time), reader.adjacency.column("root") if reader.scope.history else None)

    def kept(self, operator: Operator, made: Callable[[], T]) -> T:
        """What an operator has for the whole query, however often it is asked within another."""
        if id(operator) not in self._kept:
            self._kept[id(operator)] = made()
        found: T = self._kept[id(operator)]
        return found

    def count(self, rows: int) -> None:
        """So many rows went through an operator that makes more of them."""
        self.seen.check()
        self.passed += rows
        most = self.reader.limits.query_steps
        if self.passed > most:
            message = f"the query passes more than {most:,} rows"
            raise Stopped(
                too_much("query_steps", message, "begin where there are few rows: with a label, an id, a LIMIT")
            )

    def hold(self, rows: int) -> None:
        """So many rows are kept in memory, to be sorted or grouped."""
        self.held += rows
        most = self.reader.limits.query_rows_held
        if self.held > most:
            message = f"more than {most:,} rows would be sorted or grouped at once"
            raise Stopped(too_much("query_rows_held", message, "filter before ORDER BY, DISTINCT or an aggregate"))

    def hold_values(self, columns: Iterable[Column]) -> int:
        """The texts and lists of these columns are kept in memory; how many characters and members they have."""
        held = characters(columns)
        self.characters += held
        most = self.reader.limits.query_characters_held
        if self.characters > most:
            message = f"values of more than {most:,} characters would be sorted or grouped at once"
            raise Stopped(
                too_much("query_characters_held", message, "sort and group by ids, and ask for texts after it")
            )
        return held

    def notice(self, text: str) -> None:
        """What did not go as one might expect, said once."""
        if text not in self.notices:
            self.notices.append(text)

    def hold_paths(self, relations: int) -> None:
        """Paths with so many relations in all are kept in memory."""
        most = self.reader.limits.query_path_relations
        if relations > most:
            message = f"the paths of one pattern would have more than {most:,} relations in all"
            hint = "say how far they may lead: {1,4}; or take a few of them: ANY SHORTEST"
            raise Stopped(too_much("query_path_relations", message, hint))

    def meaning(self, expression: Expression) -> "Prepared":
        return Prepared(self, expression)

    def root(self, id_: str) -> int:
        """The identity of that id, whoever may see it; 0: none."""
        item = self.reader.index.item(id_)
        return item.root if item is not None else 0

    def constant(self, expression: Expression) -> Datum:
        return self.evaluator.constant(expression)

    def held_property(self, name: str, rows: int) -> Held | None:
        """The column of a property that holds all versions; None where so few rows are better read."""
        if rows < FEW:
            return None
        reader = self.reader
        return reader.properties.held(name, reader.scope.count, rows, reader.index, self.seen.check)

    def truth(self, expression: Expression, variable: Variable) -> Callable[[Datum], Truth]:
        """What the condition says where that variable, its only one, has a value."""
        meaning = self.evaluator.meaning(expression, {variable: 0})
        return lambda value: meaning((value,))

    @property
    def sources(self) -> Sources:
        """Where numbers of many rows come from."""
        reader = self.reader
        return Sources(reader.scope.columns, reader.adjacency.column("weight"), self.held_property, self.constant)

    def number(self, expression: Expression, what: str) -> int:
        """A count that does not depend on a row."""
        value = self.constant(expression)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            span = expression.span
            place = f"line {span.line}, column {span.column}"
            problem = Problem("Q213", f"{what} takes a whole number that is not negative", place, "", span)
            raise Stopped(Refusal(Reason.INVALID, (problem,)))
        return value

    def profiled(self, operator: Operator, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches, with what they cost counted."""
        assert self.ticks is not None
        cost = self.costs.setdefault(id(operator), Cost())
        given = iter(batches)
        while True:
            began = self.ticks()
            batch = next(given, None)
            cost.seconds += self.ticks() - began
            if batch is None:
                return
            cost.rows += batch.size
            yield batch


def too_much(limit: str, message: str, hint: str) -> Refusal:
    """A limit of queries was met; its name is the name of the setting that moves it."""
    return Refusal(Reason.LIMIT, (Problem("Q404", f"{message} (`{limit}`)", "", f"{hint}; or raise `limits.{limit}`"),))


@dataclass(frozen=True, slots=True)
class Shape:
    """What an expression is, whoever runs it: `kinds` of `n:A|B`, where it asks nothing else; `safe` where it may be
    asked of more rows than the reference would ask."""

    variables: tuple[Variable, ...]
    places: Mapping[Variable, int]
    is_condition: bool
    kinds: tuple[str, ...] | None
    safe: bool


def _shape(running: Running, expression: Expression) -> Shape:
    known = running.known.get(id(expression))
    if isinstance(known, Shape):
        return known
    variables = tuple(sorted(walking.variables(expression), key=lambda each: each.number))
    made = Shape(
        variables,
        {variable: place for place, variable in enumerate(variables)},
        expression.type.name in ("boolean", "any", "null"),
        _kinds(expression),
        # What may fail must be evaluated as it stands: where the reference fails, so does this.
        len(variables) == 1 and cannot_fail(expression),
    )
    running.known[id(expression)] = made
    return made


class Prepared:
    """An expression made ready for the rows of a query. What of it is asked for is made when it is first asked for."""

    def __init__(self, running: Running, expression: Expression) -> None:
        self._running, self._seen = running, running.seen
        self._columns = running.reader.scope.columns
        self._expression = expression
        self._shape = _shape(running, expression)
        self._variables = self._shape.variables

    @cached_property
    def _meaning(self) -> Meaning:
        return self._running.evaluator.meaning(self._expression, self._shape.places)

    @cached_property
    def _truth(self) -> Callable[[tuple[Datum, ...]], bool]:
        assert self._shape.is_condition
        return self._running.evaluator.condition(self._expression, self._shape.places)

    @cached_property
    def _codes(self) -> list[int] | None:
        kinds, codes = self._shape.kinds, self._columns.codes
        return None if kinds is None else [codes[name] for name in kinds if name in codes]

    @cached_property
    def _decide(self) -> Decide | None:
        running = self._running
        if not self._shape.safe:
            return None
        known = Known(self._columns, running.constant, running.root, running.held_property, running.truth)
        return columnar(self._expression, known)

    @cached_property
    def _figured(self) -> Figures | None:
        return figures(self._running.sources, self._expression)

    def column(self, batch: Batch) -> Column:
        """Its value for each row. A variable is the column that it has."""
        if isinstance(self._expression, bound.Local):
            return batch.columns[self._expression.variable]
        if (found := self._figured and self._figured(batch)) is not None:
            return found
        values = []
        for value in self.each(batch):
            if isinstance(value, list | str) and len(value) > LONG:
                self._running.count(len(value) if isinstance(value, list) else len(value) // 8)
            values.append(value)
        return Values(values)

    def each(self, batch: Batch) -> Iterator[Datum]:
        """Its values one by one, each made when it is asked for."""
        meaning = self._meaning
        for at, row in enumerate(self._rows(batch)):
            if not at % LOOK:
                self._seen.check()
            yield meaning(row)

    def datums(self, batch: Batch) -> list[Datum]:
        return list(self.each(batch))

    def mask(self, batch: Batch) -> Mask:
        """Where it is true."""
        if self._codes is not None and isinstance(column := batch.columns[self._variables[0]], Nodes):
            kinds = self._columns.column("kind")[column.numbers]
            return np.isin(kinds, self._codes) & (column.numbers > 0)
        if isinstance(self._expression, bound.KnownTogether):
            return known_together(self._running.at(self._expression.time), self._expression, batch)
        if (same := _identities(self._expression, self._columns, batch)) is not None:
            return same
        if self._decide and isinstance(column := batch.columns[self._variables[0]], Nodes):
            decided = self._decide(column.numbers)
            rows = np.flatnonzero(decided.open)
            found = decided.true.copy()
            found[rows] = self._looked_up(batch.take(rows))
            return found
        return self._looked_up(batch)

    def _looked_up(self, batch: Batch) -> Mask:
        truth = self._truth
        return np.fromiter((truth(row) for row in self._rows(batch)), np.bool_, batch.size)

    def _rows(self, batch: Batch) -> Iterable[tuple[Datum, ...]]:
        if not self._variables:
            return (() for _ in range(batch.size))
        return zip(*(batch.columns[variable].datums(self._seen) for variable in self._variables), strict=True)


def _identities(expression: Expression, columns: Columns, batch: Batch) -> Mask | None:
    """Where two nodes are the same, or are not, which nobody need be read for; None where something else is asked."""
    if not isinstance(expression, bound.Compared) or expression.operator not in ("=", "<>"):
        return None
    one, other = (_node_of(each, batch) for each in (expression.left, expression.right))
    if one is None or other is None or type(expression.left) is not type(expression.right):
        return None
    roots = columns.column("root")
    same: Mask = roots[one.numbers] == roots[other.numbers]
    there = (one.numbers > 0) & (other.numbers > 0)
    return (same if expression.operator == "=" else ~same) & there


def _node_of(expression: Expression, batch: Batch) -> Nodes | None:
    """The column of the node that this is, or whose id it is."""
    match expression:
        case bound.Local(variable=variable) | bound.Property(of=bound.Local(variable=variable), name="id"):
            column = batch.columns.get(variable)
            return column if isinstance(column, Nodes) else None
    return None


def _kinds(expression: Expression) -> tuple[str, ...] | None:
    """The kinds that `n:A|B` asks for, where kinds are all that it asks for."""
    if not isinstance(expression, bound.Labelled) or not isinstance(expression.of, bound.Local):
        return None
    kinds = expression.of.type.kinds
    names = _names(expression.labels)
    if names is None or kinds is None or not set(names) <= kinds or expression.of.type.name != "node":
        return None
    return tuple(names)


def _names(labels: ast.Labels) -> list[str] | None:
    match labels:
        case ast.Label(name=name):
            return [name]
        case ast.JoinedLabels(operator="|", operands=operands):
            found = [_names(each) for each in operands]
            return None if None in found else [name for names in found if names for name in names]
    return None


def kind_mask(running: Running, numbers: Numbers, kinds: frozenset[str] | None) -> Mask:
    """Which of these versions are of one of the kinds."""
    if kinds is None:
        return np.ones(len(numbers), np.bool_)
    columns = running.reader.scope.columns
    codes = [columns.codes[kind] for kind in kinds if kind in columns.codes]
    return np.isin(columns.column("kind")[numbers], codes)
