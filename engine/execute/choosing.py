"""Choose: of all paths between two nodes those that a selector takes; and the paths that meet no node twice."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from engine.columns import Mask, Numbers
from engine.execute.batch import Batch, Chains, Column, chains_of, stacked
from engine.execute.expand import roots_of
from engine.execute.running import Running
from memql.ast import Selector
from memql.plan import Acyclic, Choose

Within: TypeAlias = Callable[[Batch], tuple[list[Batch], Numbers]]
"""Gives the rows of the inner plan for those of a batch, and of each the row that it belongs to."""


def choose(running: Running, operator: Choose, batches: Iterator[Batch], within: Within) -> Iterator[Batch]:
    needed = {*operator.variables, *operator.ends, *operator.path.hops}
    for batch in batches:
        found, rows = within(batch)
        running.hold(len(rows))
        if not len(rows):
            continue
        columns = {each: stacked([made.columns[each] for made in found]) for each in needed}
        lengths = np.zeros(len(rows), np.int64)
        for hop in operator.path.hops:
            lengths += _lengths(columns[hop])
        ends = [roots_of(running, columns[end]) for end in operator.ends]
        kept = chosen(operator.selector, lengths, rows, *ends)
        yield batch.take(rows[kept]).plus({each: columns[each].take(kept) for each in operator.variables})


def _lengths(column: Column) -> Numbers:
    if isinstance(column, Chains):
        return np.fromiter((len(chain or ()) for chain in column.chains), np.int64, len(column))
    return np.ones(len(column), np.int64)


def chosen(selector: Selector, lengths: Numbers, *ends: Numbers) -> Numbers:
    """The places of those that are taken of each group of equal ends: the shorter first, otherwise as they came."""
    order = np.lexsort((lengths, *reversed(ends)))
    begins = _changes(ends, order)
    first = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    count = np.arange(len(order))
    if selector.how == "lengths":
        count = np.cumsum(begins | _changes((lengths,), order))
    rank = count - count[first]
    kept: Numbers = order[rank < selector.count]
    return kept


def _changes(columns: tuple[Numbers, ...], order: Numbers) -> Mask:
    """Where, in that order, another group begins."""
    changes = np.zeros(len(order), np.bool_)
    changes[:1] = True
    for column in columns:
        sorted_ = column[order]
        changes[1:] |= sorted_[1:] != sorted_[:-1]
    return changes


def without_circles(running: Running, operator: Acyclic, batches: Iterator[Batch]) -> Iterator[Batch]:
    adjacency = running.reader.adjacency
    sources, targets = adjacency.column("source"), adjacency.column("target")
    for batch in batches:
        starts = roots_of(running, batch.columns[operator.path.nodes[0]]).tolist()
        hops = [chains_of(batch.columns[hop]) for hop in operator.path.hops]
        kept = np.ones(batch.size, np.bool_)
        for row, start in enumerate(starts):
            node, met = start, {start}
            for relation in (each for hop in hops for each in hop[row]):
                source, target = int(sources[relation]), int(targets[relation])
                node = target if source == node else source
                kept[row] &= node not in met
                met.add(node)
        made = batch.kept(kept)
        if made.size:
            yield made
