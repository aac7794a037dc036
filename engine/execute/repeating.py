"""Repeat: from the nodes of a batch through a group again and again, each time by the plan of one time through.

All rows go through together, a time at a time. What each time bound is kept with the way to the time before it, and
lists are only made of the ways that count.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.columns import Mask, Numbers
from engine.execute.batch import Batch, Chains, Column, NodeChains, Nodes, Relations, Values, chains_of, stacked
from engine.execute.expand import ROW, in_order_of_rows, roots_of, unlike
from engine.execute.running import Running
from memql.bound import Variable
from memql.plan import Argument, Repeat, Time, walked

Within: TypeAlias = Callable[[Batch], tuple[list[Batch], Numbers]]
"""Gives the rows of the inner plan for those of a batch, and of each the row that it belongs to."""
Matrix: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Time:
    """One time through. Each way goes on from one of the time before, `parents`; `row` is the row of the batch that it
    started from, `at` the identity where it is. `block`: the relations that it passed this time, 0 for none."""

    parents: Numbers
    rows: Numbers
    at: Numbers
    block: Matrix
    columns: Mapping[Variable, Column]


def repeat(running: Running, operator: Repeat, batches: Iterator[Batch], within: Within) -> Iterator[Batch]:
    for batch in batches:
        made = _repeated(running, operator, batch, within)
        if made.size:
            running.count(made.size)
            yield made


def _repeated(running: Running, operator: Repeat, batch: Batch, within: Within) -> Batch:
    hops, scope = operator.hop.hops, running.at(operator.time).scope
    start = roots_of(running, batch.columns[operator.origin])
    rows = np.flatnonzero(start > 0)
    passed, met = np.empty((len(rows), 0), np.int64), start[rows][:, None]
    times = [_Time(np.arange(len(rows)), rows, start[rows], passed, {})]
    found, held = [], 0
    if hops.least == 0:
        here = np.flatnonzero(scope.lasting(times[0].at) > 0)
        found.append(_gathered(running, operator, batch, [_kept(times[0], here)]))
    while len(rows) and (hops.most is None or len(times) <= hops.most):
        time = _next(running, operator, batch, within, times[-1])
        kept = _apart(passed[time.parents], time.block)
        for other in operator.unlike:
            for column in time.block.T:
                kept &= unlike(running, batch.columns[other], time.rows, column) | (column == 0)
        if operator.hop.acyclic:
            kept &= ~(met[time.parents] == time.at[:, None]).any(axis=1)
        time = _kept(time, np.flatnonzero(kept))
        passed = np.column_stack([passed[time.parents], time.block])
        met = np.column_stack([met[time.parents], time.at]) if operator.hop.acyclic else met[time.parents]
        times.append(time)
        if not len(time.rows):
            break
        held += passed.size
        running.hold_paths(held)
        if len(times) > hops.least:
            found.append(_gathered(running, operator, batch, times))
    return in_order_of_rows(running, found)


def _next(running: Running, operator: Repeat, batch: Batch, within: Within, before: _Time) -> _Time:
    """Once more through the group, from wherever the time before has led to."""
    needed = next(each.variables for each in walked(operator.inner) if isinstance(each, Argument))
    columns = {each: batch.columns[each].take(before.rows) for each in needed if each != operator.begin}
    here = running.nodes(running.at(operator.time).scope.lasting(before.at), operator.time)
    made, parents = within(Batch(len(before.rows), {**columns, operator.begin: here}))
    running.count(len(parents))
    kept = [one for one, _ in operator.hop.lists] + [hop.variable for hop in operator.hop.pattern.hops]
    if not len(parents):
        none = np.empty(0, np.int64)
        return _Time(none, none, none, np.empty((0, 0), np.int64), {})
    found = {each: stacked([part.columns[each] for part in made]) for each in dict.fromkeys((*kept, operator.finish))}
    at = roots_of(running, found[operator.finish])
    block = np.column_stack([_padded(found[hop.variable]) for hop in operator.hop.pattern.hops])
    return _Time(parents, before.rows[parents], at, block, found)


def _padded(column: Column) -> Matrix:
    """The relations of each row side by side, 0 where there are fewer."""
    if isinstance(column, Relations):
        return column.numbers[:, None]
    chains = chains_of(column)
    made = np.zeros((len(chains), max(map(len, chains), default=0)), np.int64)
    for row, chain in enumerate(chains):
        made[row, : len(chain)] = chain
    return made


def _apart(passed: Matrix, block: Matrix) -> Mask:
    """Where none of the relations of this time was passed before."""
    kept = np.ones(len(block), np.bool_)
    for column in block.T:
        kept &= ~((passed == column[:, None]) & (column[:, None] > 0)).any(axis=1)
    return kept


def _kept(time: _Time, places: Numbers) -> _Time:
    columns = {variable: column.take(places) for variable, column in time.columns.items()}
    return _Time(time.parents[places], time.rows[places], time.at[places], time.block[places], columns)


def _gathered(running: Running, operator: Repeat, batch: Batch, times: Sequence[_Time]) -> Batch:
    """The ways that end with the last of these times, as rows: what each time bound stands in lists, in the order in
    which the group was written."""
    last = times[-1]
    ends = running.at(operator.time).scope.lasting(last.at)
    fits = np.ones(len(last.rows), np.bool_)
    if operator.closes:
        fits = roots_of(running, batch.columns[operator.end])[last.rows] == last.at
    places = np.flatnonzero(fits)
    rows, ends = last.rows[places], ends[places]
    steps: list[tuple[_Time, Numbers]] = []
    for time in times[:0:-1]:
        steps.append((time, places))
        places = time.parents[places]
    if not operator.backwards:
        steps.reverse()
    blocks = [time.block[at] for time, at in steps]
    whole = np.column_stack(blocks).tolist() if blocks else [[] for _ in rows]
    passed = running.chains([tuple(filter(None, each)) for each in whole], operator.time)
    columns: dict[Variable, Column] = {operator.hop.variable: passed}
    for one, outside in operator.hop.lists:
        columns[outside] = _listed(
            running, outside, operator.time, [time.columns[one].take(at) for time, at in steps], len(rows)
        )
    if not operator.closes:
        columns[operator.end] = running.nodes(ends, operator.time)
    return batch.take(rows).plus({**columns, ROW: Values(rows.tolist())})


def _listed(running: Running, outside: Variable, time: Time | None, columns: Sequence[Column], size: int) -> Column:
    """The values of a variable of the group, of each row those of all times."""
    member = outside.type.member
    if member is not None and member.name in ("node", "relation"):
        numbers = [each.numbers for each in columns if isinstance(each, Nodes | Relations)]
        rows = np.column_stack(numbers).tolist() if numbers else [()] * size
        lists: list[tuple[int, ...] | None] = [tuple(each) for each in rows]
        when = running.when(time)
        return NodeChains(lists, when) if member.name == "node" else Chains(lists, when)
    values = [each.datums(running.seen) for each in columns]
    return Values([[each[row] for each in values] for row in range(size)])
