"""What is done to rows wherever they come from: filter, project, group, sort, page, unwind."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from engine.execute.alike import groups, in_order, keys, sums
from engine.execute.batch import Batch, Column, Indexes, Values, as_floats, characters, joined, stacked
from engine.execute.running import Running
from engine.execute.seen import Stopped
from memql.bound import Aggregated, Variable
from memql.errors import Problem, Reason, Refusal
from memql.evaluate import failed
from memql.functions import AGGREGATES, Unanswerable
from memql.functions.function import shown
from memql.plan import Aggregate, Distinct, Filter, Order, Page, Project, Union, Unwind
from memql.world import Datum


def filter_rows(running: Running, operator: Filter, batches: Iterator[Batch]) -> Iterator[Batch]:
    conditions = [running.meaning(condition) for condition in operator.conditions]
    for batch in batches:
        kept = batch
        for condition in conditions:
            if not kept.size:
                break
            kept = kept.kept(condition.mask(kept))
        if kept.size:
            yield kept


def project(running: Running, operator: Project, batches: Iterator[Batch]) -> Iterator[Batch]:
    items = [(variable, running.meaning(expression)) for variable, expression in operator.items]
    for batch in batches:
        columns = {variable: item.column(batch) for variable, item in items}
        yield batch.plus(columns) if operator.keeps else Batch(batch.size, columns)


def unwind(running: Running, operator: Unwind, batches: Iterator[Batch]) -> Iterator[Batch]:
    prepared = running.meaning(operator.list)
    for batch in batches:
        rows: list[int] = []
        members: list[Datum] = []
        for row, value in enumerate(prepared.each(batch)):
            if value is None:
                continue
            if not isinstance(value, list):
                wrong = Unanswerable("Q213", f"UNWIND takes a list, not {shown(value)}")
                raise failed(wrong, operator.list.span)
            for start in range(0, len(value), UNWOUND):
                piece = value[start : start + UNWOUND]
                running.count(len(piece))
                rows += [row] * len(piece)
                members += piece
                if len(rows) >= UNWOUND:
                    yield _unwound(operator, batch, rows, members)
                    rows, members = [], []
        if rows:
            yield _unwound(operator, batch, rows, members)


UNWOUND = 16_384
"""Members that make a batch."""


def _unwound(operator: Unwind, batch: Batch, rows: list[int], members: list[Datum]) -> Batch:
    return batch.take(np.array(rows, np.int64)).plus({operator.variable: Values(members)})


def page(running: Running, operator: Page, batches: Iterator[Batch]) -> Iterator[Batch]:
    skip = running.number(operator.skip, "SKIP") if operator.skip is not None else 0
    left = running.number(operator.limit, "LIMIT") if operator.limit is not None else 2**62
    if not left:
        return
    for batch in batches:
        start, skip = min(skip, batch.size), max(0, skip - batch.size)
        end = min(batch.size, start + left)
        if end > start:
            left -= end - start
            yield batch.take(np.arange(start, end))
        if not left:
            return


# What has to have all rows


def order(running: Running, operator: Order, batches: Iterator[Batch]) -> Iterator[Batch]:
    prepared = [running.meaning(sort.expression) for sort in operator.by]
    descending = [sort.descending for sort in operator.by]
    first = sum(running.number(each, "LIMIT") for each in operator.first) if operator.first else None
    gathered: list[tuple[Batch, list[Column]]] = []
    waiting = letters = 0
    for batch in batches:
        running.hold(batch.size)
        letters += running.hold_values(batch.columns.values())
        gathered.append((batch, [each.column(batch) for each in prepared]))
        waiting += batch.size
        if first is not None and waiting > max(4 * first, 20_000):
            gathered = [_sorted(running, gathered, descending, first)]
            left = gathered[0][0]
            running.held -= waiting - left.size
            running.characters -= letters - characters(left.columns.values())
            waiting, letters = left.size, characters(left.columns.values())
    if gathered:
        yield _sorted(running, gathered, descending, first)[0]


def _sorted(
    running: Running, gathered: Sequence[tuple[Batch, list[Column]]], descending: Sequence[bool], first: int | None
) -> tuple[Batch, list[Column]]:
    """All rows in order, or the first of them; equal ones stay as they were."""
    whole = joined([batch for batch, _ in gathered])
    columns = [stacked([own[place] for _, own in gathered]) for place in range(len(descending))]
    rows = in_order(columns, descending, running.seen, first)
    return whole.take(rows), [column.take(rows) for column in columns]


def distinct(running: Running, operator: Distinct, batches: Iterator[Batch]) -> Iterator[Batch]:
    known: set[object] = set()
    for batch in batches:
        columns = [batch.columns[each] for each in operator.variables]
        _, firsts = groups(columns, batch.size)
        fresh = []
        for row, key in zip(firsts.tolist(), keys([each.take(firsts) for each in columns], len(firsts)), strict=True):
            if key not in known:
                known.add(key)
                fresh.append(row)
        if fresh:
            running.hold(len(fresh))
            yield batch.take(np.array(fresh, np.int64))


class _Gathered:
    """The values of one aggregate, group by group."""

    def __init__(self, running: Running, aggregated: Aggregated) -> None:
        self._running = running
        self._asked = aggregated
        self._function = AGGREGATES[aggregated.function.lower()]
        self._prepared = running.meaning(aggregated.operand) if aggregated.operand is not None else None
        self._second = running.meaning(aggregated.second) if aggregated.second is not None else None
        self._seconds: list[Datum] = []
        self._counts = aggregated.function == "count" and not aggregated.distinct
        self._totals = np.zeros(0, np.int64)
        self._groups: list[Indexes] = []
        self._columns: list[Column] = []
        self._known: set[object] = set()

    def take(self, batch: Batch, numbers: Indexes, count: int) -> None:
        """Rows of these groups, of which there are so many by now."""
        if self._counts:
            kept = numbers if self._prepared is None else numbers[self._prepared.column(batch).present()]
            totals = np.bincount(kept, minlength=count)
            totals[: len(self._totals)] += self._totals
            self._totals = totals
            return
        assert self._prepared is not None
        if self._second is not None:
            for group, value in zip(numbers.tolist(), self._second.each(batch), strict=True):
                if group == len(self._seconds):
                    self._seconds.append(value)
        column = self._prepared.column(batch)
        kept = np.flatnonzero(column.present())
        fresh = column.take(kept)
        if self._asked.distinct:
            unseen = []
            for place, key in enumerate(zip(numbers[kept].tolist(), fresh.keys(), strict=True)):
                if key not in self._known:
                    self._known.add(key)
                    unseen.append(place)
            chosen = np.array(unseen, np.int64)
            kept, fresh = kept[chosen], fresh.take(chosen)
        self._running.hold(len(kept))
        self._running.hold_values([fresh])
        self._groups.append(numbers[kept])
        self._columns.append(fresh)

    def column(self, count: int) -> Column:
        """The value of each of so many groups."""
        if self._counts:
            totals = np.zeros(count, np.int64)
            totals[: len(self._totals)] = self._totals
            return Values(totals.tolist())
        numbers = np.concatenate([np.empty(0, np.int64), *self._groups])
        column = stacked(self._columns) if self._columns else Values([])
        function = self._asked.function.lower()
        if function in ("sum", "avg") and (floats := as_floats(column)) is not None:
            return sums(floats.numbers, numbers, count, mean=function == "avg")
        rows = np.argsort(numbers, kind="stable")
        values = column.take(rows).datums(self._running.seen)
        ends = np.cumsum(np.bincount(numbers, minlength=count)).tolist()
        lists = [list(values[begin:end]) for begin, end in itertools.pairwise([0, *ends])]
        try:
            if self._second is None:
                return Values([self._function.finish(values) for values in lists])
            # A group without rows has no second argument either, and no value whatever it would be.
            seconds = self._seconds or [0] * len(lists)
            return Values(list(map(self._function.finish, lists, seconds)))
        except Unanswerable as wrong:
            raise failed(wrong, self._asked.span) from None


def aggregate(running: Running, operator: Aggregate, batches: Iterator[Batch]) -> Iterator[Batch]:
    prepared = [(variable, running.meaning(expression)) for variable, expression in operator.keys]
    gathered = [(variable, _Gathered(running, aggregated)) for variable, aggregated in operator.aggregates]
    numbering = _Numbering([variable for variable, _ in prepared])
    for batch in batches:
        numbers = numbering.take(running, [each.column(batch) for _, each in prepared], batch.size)
        for _, each in gathered:
            each.take(batch, numbers, numbering.count)
    if numbering.count:
        columns = {variable: each.column(numbering.count) for variable, each in gathered}
        yield Batch(numbering.count, {**numbering.columns(), **columns})


class _Numbering:
    """Groups, numbered in the order in which they are met, and the keys of each."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        self._variables = variables
        self._known: dict[object, int] = {}
        self._heads: list[Sequence[Column]] = []
        self.count = 0 if variables else 1

    def take(self, running: Running, own: Sequence[Column], size: int) -> Indexes:
        """The number of the group of each row."""
        at, firsts = groups(own, size)
        if not self._variables:
            return at
        heads = [column.take(firsts) for column in own]
        if not self._heads:
            # Of a single batch all groups are known by their numbers.
            self._heads, self.count = [heads], len(firsts)
            running.hold(len(firsts))
            return at
        if not self._known:
            self._known = {key: number for number, key in enumerate(keys(self._heads[0], self.count))}
        numbers, fresh = [], []
        for row, key in enumerate(keys(heads, len(firsts))):
            if (number := self._known.get(key)) is None:
                number = self._known[key] = len(self._known)
                fresh.append(row)
            numbers.append(number)
        if fresh:
            running.hold(len(fresh))
            self._heads.append([head.take(np.array(fresh, np.int64)) for head in heads])
        self.count = len(self._known)
        return np.array(numbers, np.int64)[at]

    def columns(self) -> dict[Variable, Column]:
        places = enumerate(self._variables)
        return {variable: stacked([heads[place] for heads in self._heads]) for place, variable in places}


def union(running: Running, operator: Union, parts: Sequence[Iterator[Batch]]) -> Iterator[Batch]:
    """Columns of all parts become plain values: a node of one part may stand under a text of another."""
    for taken, batches in zip(operator.taken, parts, strict=True):
        for batch in batches:
            columns: dict[Variable, Column] = {
                column: Values(list(batch.columns[own].datums(running.seen)))
                for column, own in zip(operator.columns, taken, strict=True)
            }
            yield Batch(batch.size, columns)


def too_many_rows(most: int) -> Stopped:
    message = f"the answer has more than {most:,} rows (`query_rows`)"
    hint = "end the query with LIMIT, and page with SKIP; or raise `limits.query_rows`"
    return Stopped(Refusal(Reason.LIMIT, (Problem("Q404", message, "", hint),)))
