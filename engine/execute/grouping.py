"""Items in groups: how many there are of each, and what their numbers and times come to, by MemQL's own aggregates.

An item that has several of what is grouped by, such as tags, is in the group of each; one that has none is in no group
of that. Of anything else none is a group of its own, as null is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from engine.columns import Numbers
from engine.execute.batch import Batch, Column, Floats, Nodes, Values, joined
from engine.execute.considering import ITEM, times
from engine.execute.operators import batches
from engine.execute.outcomes import ended
from engine.execute.running import Running
from engine.execute.seen import Seen, Stopped
from engine.index import DOMAINS
from engine.reader import Reader
from memql import ast, bound, plan
from memql.bind import Considered, bind_item_expressions
from memql.bound import Aggregated, Variable
from memql.errors import Refusal
from memql.order import sort_key
from memql.types import ANY, Type
from memql.world import Datum

Unit: TypeAlias = Literal["day", "week", "month"]
_DAY = 86_400_000_000
_MONDAY = 3
"""Days from a Monday to the first of January 1970."""
FUNCTIONS = ("avg", "min", "max", "sum")


@dataclass(frozen=True, slots=True)
class Value:
    """Grouped by what an expression says of the item; of each of its members, where it is a list (`many`)."""

    written: ast.Expression
    many: bool = False


@dataclass(frozen=True, slots=True)
class Coded:
    """Grouped by what the columns of every item hold: its kind, owner or domain."""

    column: Literal["kind", "owner", "domain"]


@dataclass(frozen=True, slots=True)
class Period:
    """Grouped by the day, week (from its Monday) or month, in UTC, of a time of the item; a key is its first day."""

    column: Literal["valid_from", "recorded_at"]
    unit: Unit


@dataclass(frozen=True, slots=True)
class InStream:
    """Grouped by the stream of an event, or of a memory that keeps one: a key is a node, null where it is of none."""


@dataclass(frozen=True, slots=True)
class Mentioned:
    """Grouped by each entity that an item mentions: a key is a node."""


Key: TypeAlias = Value | Coded | Period | InStream | Mentioned


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of items, or with `time` one of their times in microseconds."""

    written: ast.Expression
    time: Literal["", "valid_from", "recorded_at"] = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """One group: its keys, how many items are in it, and of each measure the `FUNCTIONS` of it; null of nothing."""

    keys: tuple[Datum, ...]
    count: int
    measures: tuple[tuple[Datum, ...], ...]


def grouped(
    reader: Reader, kinds: Sequence[str], denses: Numbers, keys: Sequence[Key], measures: Sequence[Measure] = ()
) -> list[Counted] | Refusal:
    """The groups of these items of those kinds, the largest first, then by their keys. Without keys all are one."""
    written = [each.written for each in keys if isinstance(each, Value)]
    asked = bind_item_expressions([*written, *(each.written for each in measures)], ITEM, kinds, reader.catalog)
    if isinstance(asked, Refusal):
        return asked
    running = Running(reader, Seen(reader, reader.scope.valid_at or 0), {})
    return ended(lambda: _Grouping(running, asked, keys, measures).of(denses))


class _Grouping:
    """Each key and each measure is a column of its own, made for all items at once; an operator of MemQL's does the
    rest."""

    def __init__(
        self, running: Running, asked: Considered, keys: Sequence[Key], measures: Sequence[Measure]
    ) -> None:  # fmt: skip
        self._running, self._reader = running, running.reader
        self._item, self._keys, self._measures = asked.variable, keys, measures
        expressions = iter(asked.expressions)
        self._values = [next(expressions) if isinstance(each, Value) else None for each in keys]
        self._numbers = list(expressions)
        self._variables = [Variable(asked.variable.number + 1 + n, "", ANY) for n in range(len(keys) + len(measures))]

    def of(self, denses: Numbers) -> list[Counted]:
        self._running.hold(len(denses))
        batch = Batch(len(denses), {self._item: Nodes(denses)})
        for n, key in enumerate(self._keys):
            batch = self._keyed(batch, n, key)
        for n, measure in enumerate(self._measures, len(self._keys)):
            batch = batch.plus({self._variables[n]: self._measured(batch, n - len(self._keys), measure)})
        own = self._variables[: len(self._keys)]
        aggregates = [(Variable(-1, "count", ANY), Aggregated("count", None, False, type=Type("integer")))]
        for n, variable in enumerate(self._variables[len(self._keys) :]):
            aggregates += [
                (Variable(-2 - n * len(FUNCTIONS) - place, name, ANY), _aggregated(name, variable))
                for place, name in enumerate(FUNCTIONS)
            ]
        operator = plan.Aggregate(
            plan.Argument((self._item, *self._variables)), tuple((each, bound.local(each)) for each in own),
            tuple(aggregates),
        )  # fmt: skip
        found = [
            Counted(row[: len(own)], row[len(own)], tuple(
                row[start : start + len(FUNCTIONS)] for start in range(len(own) + 1, len(row), len(FUNCTIONS))
            ))
            for made in batches(self._running, operator, batch)
            for row in zip(
                *(made.columns[each].datums(self._running.seen) for each in (*own, *(name for name, _ in aggregates))),
                strict=True,
            )
        ]  # fmt: skip
        shown = [_shown(key, self._reader) for key in self._keys]
        named = [
            Counted(tuple(show(key) for show, key in zip(shown, each.keys, strict=True)), each.count, each.measures)
            for each in found
        ]
        return sorted(named, key=lambda each: (-each.count, [sort_key(key) for key in each.keys]))

    def _keyed(self, batch: Batch, n: int, key: Key) -> Batch:
        """With the column of a key; a row more for each further one that an item has."""
        variable, items = self._variables[n], batch.columns[self._item]
        assert isinstance(items, Nodes)
        columns, numbers = self._reader.scope.columns, items.numbers
        match key:
            case Value(many=False):
                expression = self._values[n]
                assert expression is not None
                return batch.plus({variable: self._running.meaning(expression).column(batch)})
            case Value():
                expression = self._values[n]
                assert expression is not None
                unwound = plan.Unwind(plan.Argument(tuple(batch.columns)), expression, variable)
                made = list(batches(self._running, unwound, batch))
                return _joined(made, batch, variable)
            case Coded(column=name):
                return batch.plus({variable: _whole(columns.column(name)[numbers])})
            case Period(column=name, unit=unit):
                return batch.plus({variable: _whole(_begun(columns.column(name)[numbers], unit))})
            case InStream():
                streams = self._reader.scope.lasting(columns.column("stream")[numbers].astype(np.int64))
                return batch.plus({variable: Nodes(streams)})
        return self._mentioning(batch, variable, numbers)

    def _mentioning(self, batch: Batch, variable: Variable, numbers: Numbers) -> Batch:
        roots = self._reader.scope.columns.column("root")[numbers]
        steps = self._reader.expand(np.unique(roots), "out", ["MENTIONS"])
        if isinstance(steps, Refusal):
            raise Stopped(steps)
        # Two relations to one entity are one mention.
        pairs = np.unique(np.stack([steps.origins, steps.ends]), axis=1)
        order = np.argsort(roots, kind="stable")
        begins = np.searchsorted(roots[order], pairs[0], "left")
        ends = np.searchsorted(roots[order], pairs[0], "right")
        lengths = ends - begins
        at = np.repeat(begins - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(lengths.sum())
        self._running.count(len(at))
        entities = self._reader.scope.shown(np.repeat(pairs[1], lengths))
        return batch.take(order[at.astype(np.int64)]).plus({variable: Nodes(entities)})

    def _measured(self, batch: Batch, n: int, measure: Measure) -> Column:
        items = batch.columns[self._item]
        assert isinstance(items, Nodes)
        if measure.time:
            return times(self._reader.scope.columns, measure.time, items.numbers)
        return self._running.meaning(self._numbers[n]).column(batch)


def _aggregated(name: str, variable: Variable) -> Aggregated:
    return Aggregated(name, bound.local(variable), False, type=ANY)


def _joined(made: Sequence[Batch], empty: Batch, variable: Variable) -> Batch:
    return joined(list(made)) if made else empty.take(np.empty(0, np.int64)).plus({variable: Values([])})


def _whole(numbers: Numbers) -> Floats:
    return Floats(numbers.astype(np.float64), np.zeros(len(numbers), np.bool_))


def _begun(us: Numbers, unit: Unit) -> Numbers:
    """The day, from 1970 on, on which the period of each of these times began."""
    days = us // _DAY
    match unit:
        case "day":
            return days
        case "week":
            return days - (days + _MONDAY) % 7
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    begun: Numbers = months.astype("datetime64[D]").astype(np.int64)
    return begun


def _shown(key: Key, reader: Reader) -> Callable[[Datum], Datum]:
    """What is told of a key that was only a number."""
    match key:
        case Coded(column="domain"):
            return lambda code: DOMAINS[int(code)]
        case Coded():
            return lambda code: reader.scope.columns.names[int(code)]
        case Period():
            return lambda day: str(np.datetime64(int(day), "D"))
    return lambda value: value
