"""Rows, many at a time: a column for each variable that is bound.

Nodes and relations travel as numbers, dense ids and rows, and become values only where an expression looks into them:
most of what a query passes it never reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.columns import Mask, Numbers
from engine.execute.seen import Seen
from memql.bound import Variable
from memql.order import group_key
from memql.world import Datum, Node, Relation

Indexes: TypeAlias = NDArray[np.int64]


class Column(Protocol):
    """The values of one variable, row by row."""

    def __len__(self) -> int: ...

    def take(self, rows: Indexes) -> "Column":
        """Of these rows, in their order."""
        ...

    def datums(self, seen: Seen) -> Sequence[Datum]:
        """As expressions see them."""
        ...

    def keys(self) -> Sequence[object]:
        """What tells them apart."""
        ...

    def present(self) -> Mask:
        """Where they are not null."""
        ...


@dataclass(frozen=True, slots=True)
class Nodes:
    """Dense ids; 0 is null."""

    numbers: Numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Indexes) -> "Nodes":
        return Nodes(self.numbers[rows])

    def datums(self, seen: Seen) -> Sequence[Datum]:
        return seen.nodes(self.numbers)

    def keys(self) -> Sequence[object]:
        return [number or None for number in self.numbers.tolist()]

    def present(self) -> Mask:
        return self.numbers > 0


@dataclass(frozen=True, slots=True)
class Relations:
    """Row numbers of relations; 0 is null."""

    numbers: Numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Indexes) -> "Relations":
        return Relations(self.numbers[rows])

    def datums(self, seen: Seen) -> Sequence[Datum]:
        return seen.relations(self.numbers)

    def keys(self) -> Sequence[object]:
        return [number or None for number in self.numbers.tolist()]

    def present(self) -> Mask:
        return self.numbers > 0


@dataclass(frozen=True, slots=True)
class Chains:
    """Relations in a row, as a tuple of row numbers; None is null."""

    chains: list[tuple[int, ...] | None]

    def __len__(self) -> int:
        return len(self.chains)

    def take(self, rows: Indexes) -> "Chains":
        return Chains([self.chains[row] for row in rows.tolist()])

    def datums(self, seen: Seen) -> Sequence[Datum]:
        known = sorted({number for chain in self.chains if chain for number in chain})
        by_number = dict(zip(known, seen.relations(np.array(known, np.int64)), strict=True))
        return [None if chain is None else [by_number[number] for number in chain] for chain in self.chains]

    def keys(self) -> Sequence[object]:
        return self.chains

    def present(self) -> Mask:
        return np.array([chain is not None for chain in self.chains], np.bool_)


@dataclass(frozen=True, slots=True)
class Values:
    """Anything else."""

    values: list[Datum]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Indexes) -> "Values":
        return Values([self.values[row] for row in rows.tolist()])

    def datums(self, seen: Seen) -> Sequence[Datum]:
        return self.values

    def keys(self) -> Sequence[object]:
        return [group_key(value) for value in self.values]

    def present(self) -> Mask:
        return np.array([value is not None for value in self.values], np.bool_)


@dataclass(frozen=True, slots=True)
class Batch:
    size: int
    columns: Mapping[Variable, Column]

    def take(self, rows: Indexes) -> "Batch":
        return Batch(len(rows), {variable: column.take(rows) for variable, column in self.columns.items()})

    def kept(self, mask: Mask) -> "Batch":
        return self if mask.all() else self.take(np.flatnonzero(mask))

    def plus(self, columns: Mapping[Variable, Column]) -> "Batch":
        return Batch(self.size, {**self.columns, **columns})


UNIT = Batch(1, {})


def joined(batches: Sequence[Batch]) -> Batch:
    """All rows of these batches, which have the same variables."""
    if len(batches) == 1:
        return batches[0]
    variables = batches[0].columns if batches else {}
    columns = {variable: stacked([batch.columns[variable] for batch in batches]) for variable in variables}
    return Batch(sum(batch.size for batch in batches), columns)


def stacked(columns: Sequence[Column]) -> Column:
    """One column under the other."""
    kinds = {type(column) for column in columns}
    if kinds == {Nodes}:
        return Nodes(np.concatenate([column.numbers for column in columns]))  # type: ignore[attr-defined]
    if kinds == {Relations}:
        return Relations(np.concatenate([column.numbers for column in columns]))  # type: ignore[attr-defined]
    if kinds == {Chains}:
        return Chains([chain for column in columns for chain in column.chains])  # type: ignore[attr-defined]
    if kinds == {Values}:
        return Values([value for column in columns for value in column.values])  # type: ignore[attr-defined]
    raise AssertionError("columns of one variable are of one form")


def nulls(like: Column, size: int) -> Column:
    """So many nulls, in the form of that column."""
    match like:
        case Nodes():
            return Nodes(np.zeros(size, np.int64))
        case Relations():
            return Relations(np.zeros(size, np.int64))
        case Chains():
            return Chains([None] * size)
    return Values([None] * size)


def denses(column: Column) -> Numbers:
    """The dense ids of a column of nodes, whatever form it has; 0 where it is null or no node."""
    if isinstance(column, Nodes):
        return column.numbers
    assert isinstance(column, Values)
    return np.array([value.state.dense if isinstance(value, Node) else 0 for value in column.values], np.int64)


def rows_of(column: Column) -> Numbers:
    """The row numbers of a column of relations, whatever form it has."""
    if isinstance(column, Relations):
        return column.numbers
    assert isinstance(column, Values)
    return np.array([value.state.row if isinstance(value, Relation) else 0 for value in column.values], np.int64)
