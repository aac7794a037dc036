"""One query as it runs: who reads, with which parameters, what it has used so far, and how an expression meets a batch.

Limits are looked at between batches. What stops a query is raised as `Stopped` inside, and is a refusal outside.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.columns import Mask, Numbers
from engine.execute.batch import Batch, Column, Nodes, Values
from engine.execute.columnar import columnar
from engine.execute.seen import Seen, Stopped
from engine.reader import Reader
from memql import ast, bound, walking
from memql.bound import Expression
from memql.errors import Problem, Reason, Refusal
from memql.evaluate import Evaluator, Meaning
from memql.plan import Operator
from memql.rules import cannot_fail
from memql.world import Datum

LOOK = 64
"""Rows between two looks at the deadline: an expression may take milliseconds."""
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
    evaluator: Evaluator = field(init=False)

    def __post_init__(self) -> None:
        self.evaluator = Evaluator(self.seen, self.parameters, self.count)

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

    def notice(self, text: str) -> None:
        """What did not go as one might expect, said once."""
        if text not in self.notices:
            self.notices.append(text)

    def meaning(self, expression: Expression) -> "Prepared":
        return Prepared(self, expression)

    def constant(self, expression: Expression) -> Datum:
        return self.evaluator.constant(expression)

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


class Prepared:
    """An expression made ready for the rows of a query."""

    def __init__(self, running: Running, expression: Expression) -> None:
        self._running, self._seen = running, running.seen
        self._columns = running.reader.scope.columns
        self._expression = expression
        self._variables = sorted(walking.variables(expression), key=lambda each: each.number)
        places = {variable: place for place, variable in enumerate(self._variables)}
        self._meaning: Meaning = running.evaluator.meaning(expression, places)
        self._truth = running.evaluator.condition(expression, places) if _may_be_true(expression) else None
        self._codes = _kind_codes(expression, self._columns.codes)
        # What may fail must be evaluated as it stands: where the reference fails, so does this.
        safe = len(self._variables) == 1 and cannot_fail(expression)
        self._decide = columnar(expression, self._columns, running.constant) if safe else None

    def column(self, batch: Batch) -> Column:
        """Its value for each row. A variable is the column that it has."""
        if isinstance(self._expression, bound.Local):
            return batch.columns[self._expression.variable]
        values = []
        for value in self.each(batch):
            if isinstance(value, list | str) and len(value) > LONG:
                self._running.count(len(value) if isinstance(value, list) else len(value) // 8)
            values.append(value)
        return Values(values)

    def each(self, batch: Batch) -> Iterator[Datum]:
        """Its values one by one, each made when it is asked for."""
        for at, row in enumerate(self._rows(batch)):
            if not at % LOOK:
                self._seen.check()
            yield self._meaning(row)

    def datums(self, batch: Batch) -> list[Datum]:
        return list(self.each(batch))

    def mask(self, batch: Batch) -> Mask:
        """Where it is true."""
        assert self._truth is not None
        if self._codes is not None and isinstance(column := batch.columns[self._variables[0]], Nodes):
            kinds = self._columns.column("kind")[column.numbers]
            return np.isin(kinds, self._codes) & (column.numbers > 0)
        if self._decide and isinstance(column := batch.columns[self._variables[0]], Nodes):
            decided = self._decide(column.numbers)
            rows = np.flatnonzero(decided.open)
            found = decided.true.copy()
            found[rows] = self._looked_up(batch.take(rows))
            return found
        return self._looked_up(batch)

    def _looked_up(self, batch: Batch) -> Mask:
        truth = self._truth
        assert truth is not None
        return np.fromiter((truth(row) for row in self._rows(batch)), np.bool_, batch.size)

    def _rows(self, batch: Batch) -> Iterable[tuple[Datum, ...]]:
        if not self._variables:
            return (() for _ in range(batch.size))
        return zip(*(batch.columns[variable].datums(self._seen) for variable in self._variables), strict=True)


def _may_be_true(expression: Expression) -> bool:
    return expression.type.name in ("boolean", "any", "null")


def _kind_codes(expression: Expression, codes: Mapping[str, int]) -> list[int] | None:
    """The numbers of the kinds that `n:A|B` asks for, where kinds are all that it asks for."""
    if not isinstance(expression, bound.Labelled) or not isinstance(expression.of, bound.Local):
        return None
    kinds = expression.of.type.kinds
    names = _names(expression.labels)
    if names is None or kinds is None or not set(names) <= kinds or expression.of.type.name != "node":
        return None
    return [codes[name] for name in names if name in codes]


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
