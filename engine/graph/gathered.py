"""What was applied to the graph and is not yet written: events folded into the rows that the store is to have.

A version that is followed by another before both are written is written once. Relations are kept as bare numbers, so
that a rebuild can gather many.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine import cypher
from engine.events import (
    Event,
    ItemErased,
    ItemRecorded,
    KindDeclared,
    PropertyDeclared,
    RelationKindDeclared,
    RelationRecorded,
    declared,
)
from memql.catalog import Catalog

Declaration: TypeAlias = KindDeclared | RelationKindDeclared | PropertyDeclared

BUFFER_PER_ROW = 256
"""Bytes of the store's page cache for each relation that waits: Ladybug keeps what a transaction wrote in it.

In 256 MiB a million may wait, and should, since each COPY into Kùzu rewrites much of a table: a million relations of
four kinds and 100,000 items took 3.8 s of CPU in one go, 4.5 s by half a million and 6.1 s by a quarter."""

NODE_ROWS = 5
"""A node that waits counts for so many relations, for the memory it takes."""

MOST_CHARACTERS = 32_000_000
"""Text that waits in nodes."""

_PACKED = struct.Struct("=qqqqd")
_ROW = np.dtype([("root", "i8"), ("row", "i8"), ("source", "i8"), ("target", "i8"), ("weight", "f8")])

_ARROW = {
    "BOOL": pa.bool_(),
    "INT64": pa.int64(),
    "DOUBLE": pa.float64(),
    "STRING": pa.string(),
    "STRING[]": pa.list_(pa.string()),
}


@dataclass(slots=True)
class Node:
    """A node as it is to be: `values` holds the columns that have one. Never changed, though not frozen: a rebuild
    makes one for every item."""

    id: str
    root: int
    dense: int
    kind: str
    labels: tuple[str, ...]
    erased: bool
    values: dict[str, bool | int | float | str]

    def blank(self) -> "Node":
        return replace(self, labels=(), erased=True, values={})


class Relations:
    """New relations of one table, packed; `kinds` is filled for the shared table only."""

    __slots__ = ("_packed", "kinds")

    def __init__(self) -> None:
        self._packed = bytearray()
        self.kinds: list[str] = []

    def __len__(self) -> int:
        return len(self._packed) // _PACKED.size

    def add(self, event: RelationRecorded) -> None:
        self._packed += _PACKED.pack(event.root, event.row, event.source, event.target, event.weight)

    def rows(self) -> npt.NDArray[np.void]:
        """A view; nothing can be added while it is held."""
        return np.frombuffer(self._packed, _ROW)

    def revise(self, event: RelationRecorded) -> bool:
        """Whether the relation waits here; then it takes the new version. Roots rise, as the journal gives them."""
        rows = self.rows()
        place = int(np.searchsorted(rows["root"], event.root))
        if place == len(rows) or rows["root"][place] != event.root:
            return False
        rows["row"][place], rows["weight"][place] = event.row, event.weight
        return True

    def arrow(self, roots: npt.NDArray[np.int64], ids: pa.Array) -> pa.Table:
        """The table that COPY takes; `ids` are the public ids of the sorted `roots`."""
        rows = self.rows()
        columns = {
            "from": ids.take(pa.array(np.searchsorted(roots, rows["source"]))),
            "to": ids.take(pa.array(np.searchsorted(roots, rows["target"]))),
        }
        columns |= {name: pa.array(np.ascontiguousarray(rows[name])) for name in ("root", "row", "weight")}
        if self.kinds:
            columns["kind"] = pa.array(self.kinds, pa.string())
        return pa.table(columns)


class Gathered:
    """The work of the next transaction. `catalog` is as after the last event taken, `rows` the size of the work."""

    def __init__(self, catalog: Catalog, most_rows: int) -> None:
        self.catalog = catalog
        self.most_rows = most_rows
        self.columns = {kind: cypher.columns_of(of.graphed()) for kind, of in catalog.kinds.items()}
        self.empty()

    def empty(self) -> None:
        """Forgets the work, which has been written, but not the catalog."""
        self.declarations: list[Declaration] = []
        self.nodes: dict[int, Node] = {}
        self.revised: dict[int, Node] = {}
        self.erased: dict[int, str] = {}
        self.relations: dict[str, Relations] = {}
        self.reweighted: dict[int, RelationRecorded] = {}
        self.rows = 0
        self._characters = 0

    def __bool__(self) -> bool:
        return bool(self.nodes or self.revised or self.relations or self.reweighted or self.erased or self.declarations)

    @property
    def full(self) -> bool:
        return self.rows >= self.most_rows or self._characters >= MOST_CHARACTERS

    def take(self, event: Event) -> None:
        """Folds one event in. Retirement, labels' names, state and accepted losses are nothing to a graph."""
        match event:
            case RelationRecorded():
                self._take_relation(event)
            case ItemRecorded():
                self._take_item(event)
            case ItemErased():
                self._take_erasure(event)
            case KindDeclared() | RelationKindDeclared() | PropertyDeclared():
                self.declare(event)
                self.declarations.append(event)

    def declare(self, event: Declaration) -> None:
        self.catalog = declared(self.catalog, event)
        name = event.kind if isinstance(event, PropertyDeclared) else event.name
        if name in self.catalog.kinds:
            self.columns[name] = cypher.columns_of(self.catalog.kinds[name].graphed())

    def _take_item(self, event: ItemRecorded) -> None:
        values = {}
        for column, of in self.columns.get(event.kind, {}).items():
            given = event.properties.get(of.name)
            if given is not None and (value := cypher.stored(given, of.type)) is not None:
                values[column] = value
                self._characters += len(value) if isinstance(value, str) else 0
        node = Node(event.id, event.root, event.dense, event.kind, event.labels, event.erased, values)
        self.rows += NODE_ROWS
        if event.previous == 0 or event.root in self.nodes:
            self.nodes[event.root] = node
        else:
            self.revised[event.root] = node

    def _take_erasure(self, event: ItemErased) -> None:
        if event.root in self.nodes:
            self.nodes[event.root] = self.nodes[event.root].blank()
            return
        self.erased[event.root] = event.id
        if event.root in self.revised:
            self.revised[event.root] = self.revised[event.root].blank()

    def _take_relation(self, event: RelationRecorded) -> None:
        self.rows += 1
        table = cypher.table_of(event.kind)
        waiting = self.relations.get(table)
        if event.previous:
            if waiting is None or not waiting.revise(event):
                self.reweighted[event.root] = event
            return
        if waiting is None:
            waiting = self.relations[table] = Relations()
        waiting.add(event)
        if table == cypher.SHARED_TABLE:
            waiting.kinds.append(event.kind)


def arrow_of(nodes: Sequence[Node], columns: Sequence[str], names: Sequence[str]) -> pa.Table:
    """The nodes with those columns as an Arrow table whose columns have these names, the fixed ones first."""
    fixed = [pa.array(list(map(attrgetter(name), nodes)), _ARROW[of]) for name, of in cypher.NODE.items()]
    values = [node.values for node in nodes]
    held = [pa.array([each.get(name) for each in values], _ARROW[cypher.stored_as(name)]) for name in columns]
    return pa.table([*fixed, *held], names=list(names))


def used(nodes: Sequence[Node]) -> list[str]:
    """The columns in which at least one of them has a value."""
    return sorted(set().union(*(node.values.keys() for node in nodes)))
