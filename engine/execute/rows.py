"""What is done to rows wherever they come from: filter, project, group, sort, page, unwind."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.execute.batch import Batch, Column, Values, joined, stacked
from engine.execute.running import Prepared, Running
from engine.execute.seen import Stopped
from memql.bound import Aggregated, Variable
from memql.errors import Problem, Reason, Refusal
from memql.evaluate import failed
from memql.functions import AGGREGATES, Unanswerable
from memql.functions.function import shown
from memql.order import sort_key
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
    prepared = [(running.meaning(sort.expression), sort.descending) for sort in operator.by]
    first = sum(running.number(each, "LIMIT") for each in operator.first) if operator.first else None
    gathered: list[tuple[Batch, list[Sequence[Any]]]] = []
    waiting = 0
    for batch in batches:
        keys = [_sort_keys(each, batch) for each, _ in prepared]
        running.hold(batch.size)
        gathered.append((batch, keys))
        waiting += batch.size
        if first is not None and waiting > max(4 * first, 20_000):
            gathered = [_sorted(gathered, prepared, first)]
            running.held -= waiting - gathered[0][0].size
            waiting = gathered[0][0].size
    if gathered:
        yield _sorted(gathered, prepared, first)[0]


def _sort_keys(prepared: Prepared, batch: Batch) -> Sequence[Any]:
    return [sort_key(value) for value in prepared.datums(batch)]


def _sorted(
    gathered: Sequence[tuple[Batch, list[Sequence[Any]]]], by: Sequence[tuple[Prepared, bool]], first: int | None
) -> tuple[Batch, list[Sequence[Any]]]:
    """All rows in order; equal ones stay as they were."""
    whole = joined([batch for batch, _ in gathered])
    keys = [[key for _, each in gathered for key in each[place]] for place in range(len(by))]
    rows = list(range(whole.size))
    for column, (_, descending) in reversed(list(zip(keys, by, strict=True))):
        rows.sort(key=column.__getitem__, reverse=descending)
    rows = rows[:first]
    return whole.take(np.array(rows, np.int64)), [[column[row] for row in rows] for column in keys]


def distinct(running: Running, operator: Distinct, batches: Iterator[Batch]) -> Iterator[Batch]:
    known: set[object] = set()
    for batch in batches:
        fresh = []
        for row, key in enumerate(_keys([batch.columns[each] for each in operator.variables], batch.size)):
            if key not in known:
                known.add(key)
                fresh.append(row)
        if fresh:
            running.hold(len(fresh))
            yield batch.take(np.array(fresh, np.int64))


def _keys(columns: Sequence[Column], size: int) -> Sequence[object]:
    return list(zip(*(column.keys() for column in columns), strict=True)) if columns else [()] * size


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
        self._totals: list[int] = []
        self._values: list[list[Datum]] = []
        self._known: list[set[object]] = []

    def widen(self, groups: int) -> None:
        while len(self._totals) < groups:
            self._totals.append(0)
            self._values.append([])
            self._known.append(set())

    def take(self, batch: Batch, groups: Sequence[int]) -> None:
        if self._counts:
            present = None if self._prepared is None else self._prepared.column(batch).present()
            numbers = np.array(groups, np.int64) if present is None else np.array(groups, np.int64)[present]
            for group, count in zip(*(each.tolist() for each in np.unique(numbers, return_counts=True)), strict=True):
                self._totals[group] += count
            return
        assert self._prepared is not None
        if self._second is not None:
            for group, value in zip(groups, self._second.each(batch), strict=True):
                if group == len(self._seconds):
                    self._seconds.append(value)
        column = self._prepared.column(batch)
        kept = np.flatnonzero(column.present())
        fresh = column.take(kept)
        if self._asked.distinct:
            unseen = []
            for place, (row, key) in enumerate(zip(kept.tolist(), fresh.keys(), strict=True)):
                if key not in (known := self._known[groups[row]]):
                    known.add(key)
                    unseen.append(place)
            chosen = np.array(unseen, np.int64)
            kept, fresh = kept[chosen], fresh.take(chosen)
        self._running.hold(len(kept))
        for row, value in zip(kept.tolist(), fresh.datums(self._running.seen), strict=True):
            self._values[groups[row]].append(value)

    def column(self) -> Column:
        if self._counts:
            return Values(list(self._totals))
        try:
            if self._second is None:
                return Values([self._function.finish(values) for values in self._values])
            # A group without rows has no second argument either, and no value whatever it would be.
            seconds = self._seconds or [0] * len(self._values)
            return Values(list(map(self._function.finish, self._values, seconds)))
        except Unanswerable as wrong:
            raise failed(wrong, self._asked.span) from None


def aggregate(running: Running, operator: Aggregate, batches: Iterator[Batch]) -> Iterator[Batch]:
    keys = [(variable, running.meaning(expression)) for variable, expression in operator.keys]
    gathered = [(variable, _Gathered(running, aggregated)) for variable, aggregated in operator.aggregates]
    numbers: dict[object, int] = {} if keys else {(): 0}
    columns: list[list[Column]] = [[] for _ in keys]
    for batch in batches:
        own = [each.column(batch) for _, each in keys]
        groups, first = [], []
        for row, key in enumerate(_keys(own, batch.size)):
            if (group := numbers.get(key)) is None:
                group = numbers[key] = len(numbers)
                first.append(row)
            groups.append(group)
        if first:
            running.hold(len(first))
            for place, column in enumerate(own):
                columns[place].append(column.take(np.array(first, np.int64)))
        for _, each in gathered:
            each.widen(len(numbers))
            each.take(batch, groups)
    for _, each in gathered:
        each.widen(len(numbers))
    if not numbers:
        return
    made: dict[Variable, Column] = {v: stacked(parts) for (v, _), parts in zip(keys, columns, strict=True)}
    yield Batch(len(numbers), {**made, **{variable: each.column() for variable, each in gathered}})


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
