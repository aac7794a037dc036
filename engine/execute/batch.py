"""Rows, many at a time: a column for each variable that is bound.

Nodes and relations travel as numbers, dense ids and rows, and become values only where an expression looks into them:
most of what a query passes it never reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.columns import Mask, Numbers
from engine.execute.seen import Seen
from engine.properties import ABSENT, FLOAT, Held
from memql.bound import Variable
from memql.order import group_key
from memql.world import Datum, Node, Relation

Indexes: TypeAlias = NDArray[np.int64]


OUTSIDE = -(2**31) + 1
"""Below this number lie the variables that hold, for a plan within a plan, from which row each of its rows comes."""


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
    """Dense ids; 0 is null. `time`: which of the query's times they were found at. `roots` tell them apart where one
    item may come in several versions."""

    numbers: Numbers
    time: int = 0
    roots: Numbers | None = None

    @property
    def identities(self) -> Numbers:
        return self.numbers if self.roots is None else self.roots

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Indexes) -> "Nodes":
        return Nodes(self.numbers[rows], self.time, None if self.roots is None else self.roots[rows])

    def datums(self, seen: Seen) -> Sequence[Datum]:
        return seen.nodes(self.numbers, self.time)

    def keys(self) -> Sequence[object]:
        return [number or None for number in self.identities.tolist()]

    def present(self) -> Mask:
        return self.numbers > 0


@dataclass(frozen=True, slots=True)
class Relations:
    """Row numbers of relations; 0 is null. `time` and `roots` as those of nodes."""

    numbers: Numbers
    time: int = 0
    roots: Numbers | None = None

    @property
    def identities(self) -> Numbers:
        return self.numbers if self.roots is None else self.roots

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Indexes) -> "Relations":
        return Relations(self.numbers[rows], self.time, None if self.roots is None else self.roots[rows])

    def datums(self, seen: Seen) -> Sequence[Datum]:
        return seen.relations(self.numbers, self.time)

    def keys(self) -> Sequence[object]:
        return [number or None for number in self.identities.tolist()]

    def present(self) -> Mask:
        return self.numbers > 0


@dataclass(frozen=True, slots=True)
class Chains:
    """Relations in a row, as a tuple of row numbers; None is null. `time` as that of nodes; `roots` tells of each row
    number what tells it apart."""

    chains: list[tuple[int, ...] | None]
    time: int = 0
    roots: Numbers | None = None

    def __len__(self) -> int:
        return len(self.chains)

    def take(self, rows: Indexes) -> "Chains":
        return Chains([self.chains[row] for row in rows.tolist()], self.time, self.roots)

    def datums(self, seen: Seen) -> Sequence[Datum]:
        known = sorted({number for chain in self.chains if chain for number in chain})
        by_number = dict(zip(known, seen.relations(np.array(known, np.int64), self.time), strict=True))
        return [None if chain is None else [by_number[number] for number in chain] for chain in self.chains]

    def keys(self) -> Sequence[object]:
        if (roots := self.roots) is None:
            return self.chains
        return [None if chain is None else tuple(roots[list(chain)].tolist()) for chain in self.chains]

    def present(self) -> Mask:
        return np.array([chain is not None for chain in self.chains], np.bool_)


@dataclass(frozen=True, slots=True)
class NodeChains:
    """Nodes in a row, as a tuple of dense ids; None is null. `time` as that of nodes."""

    chains: list[tuple[int, ...] | None]
    time: int = 0

    def __len__(self) -> int:
        return len(self.chains)

    def take(self, rows: Indexes) -> "NodeChains":
        return NodeChains([self.chains[row] for row in rows.tolist()], self.time)

    def datums(self, seen: Seen) -> Sequence[Datum]:
        known = sorted({number for chain in self.chains if chain for number in chain})
        by_number = dict(zip(known, seen.nodes(np.array(known, np.int64), self.time), strict=True))
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
class Floats:
    """Floats; not a number and `absent` is null."""

    numbers: NDArray[np.float64]
    absent: Mask

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Indexes) -> "Floats":
        return Floats(self.numbers[rows], self.absent[rows])

    def datums(self, seen: Seen) -> Sequence[Datum]:
        return self.plain()

    def plain(self) -> list[Datum]:
        values = self.numbers.tolist()
        return [None if none else value for value, none in zip(values, self.absent.tolist(), strict=True)]

    def keys(self) -> Sequence[object]:
        return [group_key(value) for value in self.plain()]

    def present(self) -> Mask:
        return ~self.absent


@dataclass(frozen=True, slots=True)
class Ids:
    """The public ids of items, which are read where somebody asks for them. `roots` tell them apart; 0 is null."""

    numbers: Numbers
    roots: Numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Indexes) -> "Ids":
        return Ids(self.numbers[rows], self.roots[rows])

    def datums(self, seen: Seen) -> Sequence[Datum]:
        return [None if node is None else node.id for node in seen.nodes(self.numbers)]

    def keys(self) -> Sequence[object]:
        return [root or None for root in self.roots.tolist()]

    def present(self) -> Mask:
        return self.numbers > 0


@dataclass(frozen=True, slots=True)
class Stored:
    """One property of versions, as it is held in memory; of none of them is it elsewhere."""

    held: Held
    numbers: Numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: Indexes) -> "Stored":
        return Stored(self.held, self.numbers[rows])

    def datums(self, seen: Seen) -> Sequence[Datum]:
        return self.plain()

    def plain(self) -> list[Datum]:
        return self.held.values(self.numbers)

    def keys(self) -> Sequence[object]:
        return [group_key(value) for value in self.plain()]

    def present(self) -> Mask:
        mask: Mask = self.held.forms[self.numbers] != ABSENT
        return mask


@dataclass(frozen=True, slots=True)
class Batch:
    size: int
    columns: Mapping[Variable, Column]

    def take(self, rows: Indexes) -> "Batch":
        return Batch(len(rows), {variable: column.take(rows) for variable, column in self.columns.items()})

    def kept(self, mask: Mask) -> "Batch":
        return self if mask.all() else self.take(np.flatnonzero(mask))

    def narrowed(self, variables: frozenset[Variable]) -> "Batch":
        """With these only, and with the rows of a plan around it."""
        if self.columns.keys() <= variables:
            return self
        kept = {each: column for each, column in self.columns.items() if each in variables or each.number < OUTSIDE}
        return Batch(self.size, kept)

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
    if kinds in ({Nodes}, {Relations}):
        return _stacked([column for column in columns if isinstance(column, Nodes | Relations)])
    if kinds == {Chains}:
        known = next((column for column in columns if column.time), columns[0])  # type: ignore[attr-defined]
        chains = [chain for column in columns for chain in column.chains]  # type: ignore[attr-defined]
        return Chains(chains, known.time, known.roots)  # type: ignore[attr-defined]
    if kinds == {NodeChains}:
        time = max(column.time for column in columns)  # type: ignore[attr-defined]
        return NodeChains([chain for column in columns for chain in column.chains], time)  # type: ignore[attr-defined]
    if kinds == {Floats}:
        return Floats(
            np.concatenate([column.numbers for column in columns]),  # type: ignore[attr-defined]
            np.concatenate([column.absent for column in columns]),  # type: ignore[attr-defined]
        )
    if kinds == {Ids}:
        return Ids(
            np.concatenate([column.numbers for column in columns]),  # type: ignore[attr-defined]
            np.concatenate([column.roots for column in columns]),  # type: ignore[attr-defined]
        )
    helds = {id(column.held) for column in columns if isinstance(column, Stored)}
    if kinds == {Stored} and len(helds) == 1:
        return Stored(columns[0].held, np.concatenate([column.numbers for column in columns]))  # type: ignore[attr-defined]
    return Values([value for column in columns for value in _plain(column)])


def _stacked(columns: Sequence[Nodes | Relations]) -> Column:
    """Of one time, but for columns of nulls, which are of any."""
    made = type(columns[0])
    numbers, time = np.concatenate([column.numbers for column in columns]), max(column.time for column in columns)
    if all(column.roots is None for column in columns):
        return made(numbers, time)
    return made(numbers, time, np.concatenate([column.identities for column in columns]))


def _plain(column: Column) -> Sequence[Datum]:
    """The values of a column that needs no reading: numbers may come as such from one batch and not from the next."""
    if isinstance(column, Floats | Stored):
        return column.plain()
    assert isinstance(column, Values), "columns of one variable are of one form"
    return column.values


def as_floats(column: Column) -> Floats | None:
    """The column as floats, where each of its values is one or null."""
    if isinstance(column, Stored):
        forms = column.held.forms[column.numbers]
        absent = forms == ABSENT
        return Floats(column.held.numbers[column.numbers], absent) if (absent | (forms == FLOAT)).all() else None
    return column if isinstance(column, Floats) else None


def characters(columns: Iterable[Column]) -> int:
    """Characters of the texts, and members of the lists, that these columns hold themselves."""
    values = (value for column in columns if isinstance(column, Values) for value in column.values)
    return sum(len(value) for value in values if isinstance(value, str | list))


def nulls(like: Column, size: int) -> Column:
    """So many nulls, in the form of that column."""
    match like:
        case Nodes():
            return Nodes(np.zeros(size, np.int64))
        case Relations():
            return Relations(np.zeros(size, np.int64))
        case Chains():
            return Chains([None] * size)
        case Ids():
            return Ids(np.zeros(size, np.int64), np.zeros(size, np.int64))
        case NodeChains():
            return NodeChains([None] * size, like.time)
    return Values([None] * size)


def denses(column: Column) -> Numbers:
    """The dense ids of a column of nodes, whatever form it has; 0 where it is null or no node."""
    if isinstance(column, Nodes):
        return column.numbers
    assert isinstance(column, Values)
    return np.array([value.state.dense if isinstance(value, Node) else 0 for value in column.values], np.int64)


def chains_of(column: Column) -> list[tuple[int, ...]]:
    """The relations that each row has in a column of relations or of chains of them; none for null."""
    match column:
        case Chains(chains=chains):
            return [chain or () for chain in chains]
        case Values(values=values) if any(isinstance(value, list) for value in values):
            return [tuple(each.state.row for each in value or ()) for value in values]
    return [(row,) if row else () for row in rows_of(column).tolist()]


def rows_of(column: Column) -> Numbers:
    """The row numbers of a column of relations, whatever form it has."""
    if isinstance(column, Relations):
        return column.numbers
    assert isinstance(column, Values)
    return np.array([value.state.row if isinstance(value, Relation) else 0 for value in column.values], np.int64)
