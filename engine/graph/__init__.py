"""The graph of one tenant as a projection: identities, current declared scalars, and relations.

It holds items and relations that were retired too, and knows neither time nor visibility: it answers with dense ids,
which are masked outside. The engine's own recovery is never trusted: on opening, its write-ahead log is thrown away,
the file must be as it was sealed, and the journal is applied from there. So nothing is rolled back either: a graph
that could not take a record is void until it is cleared.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from engine import cypher
from engine.events import EVENTS, RelationRecorded
from engine.graph.file import Engine, GraphFailed, GraphFile, version
from engine.graph.gathered import BUFFER_PER_ROW, Gathered, Node, Relations, arrow_of, used
from engine.limits import Limits
from engine.projection import Unapplied
from engine.records import Record
from engine.seal import Seal
from memql.catalog import KINDS, Catalog
from memql.values import Misfit, Value, conform

T = TypeVar("T")
Ids: TypeAlias = Callable[[Sequence[int]], Sequence[str]]

_FEW = 200
"""Up to here a row is written by a prepared statement of its own (0.2 to 0.5 ms); beyond, by one Arrow table."""

_FEW_NODES = 4
"""The same for new nodes, of which an Arrow table is cheap: 1.5 ms."""

_BULK_NODES = 10_000
"""From here new nodes are copied."""

_VECTOR = 2_048
"""Nodes that Kùzu keeps together: of the values of all of them it keeps a version where a transaction sets one."""

_VERSION_BYTES = 310_000
"""What it keeps so, as measured for a revised task, and for a table to which relations came; until a checkpoint."""

_KNOWN_IDS = 200_000
"""Ids remembered while catching up, so that a rebuild need not look them up again for its relations."""


class Graph:
    """One file. One thread applies; any number read beside it.

    `ids` gives the public ids of roots: relations name their ends by root, the engine finds nodes by id.
    """

    name = "graph"

    def __init__(self, directory: Path, *, tenant: str, engine: Engine, limits: Limits, ids: Ids) -> None:
        self._limits = limits
        self._ids = ids
        form = f"{engine} {version(engine)}, schema {cypher.SCHEMA}"
        self._seal = Seal(directory / "graph.seal", tenant=tenant, form=form, base=directory, pattern="graph.kuzu*")
        self._file = GraphFile(directory / "graph.kuzu", engine, limits, self._begin)
        self._void = False
        sealed = self._seal.restore()
        if sealed is None:
            self.clear()
        else:
            self._start(sealed)

    def _start(self, position: int) -> None:
        """What is in memory before the file is opened."""
        self._position = self._taken = self._sealed = position
        self._gathered = Gathered(Catalog(), self._limits.graph_buffer // BUFFER_PER_ROW)
        self._declared: list[tuple[str, Any]] = []
        self._columns: set[str] = set()
        self._tables: set[str] = set()
        self._known: dict[int, str] = {}
        self._stale = False
        self._written = False
        self._unsealed_rows = 0
        self._versions = 0
        self._void = False

    def _begin(self, fresh: bool) -> None:
        """What the file says of itself, as it is opened."""
        if fresh:
            built_in = {name: None for kind in KINDS for name in cypher.columns_of(kind.graphed())}
            for statement in (cypher.create_node_table(built_in), cypher.CREATE_META, cypher.START_META):
                self._file.execute(statement)
            self._written = True
        self._columns = {name for (name,) in self._file.rows(cypher.LIST_COLUMNS) if name not in cypher.NODE}
        self._tables = {name for name, of in self._file.rows(cypher.LIST_TABLES) if of == "REL"}
        ((self._stale, declarations),) = self._file.rows(cypher.READ_META)
        for tag, fields in orjson.loads(declarations):
            self._declared.append((tag, fields))
            self._gathered.declare(EVENTS[tag](**fields))  # type: ignore[arg-type]

    # The contract

    @property
    def position(self) -> int:
        return self._position

    @property
    def stale_bytes(self) -> bool:
        """Whether the file still holds bytes of what was erased. Only a rebuild is rid of them."""
        if self._file.path.exists():
            self._file.open()
        return self._stale

    def load(self) -> None:
        """Opening puts nothing off."""

    def apply(self, records: Sequence[Record]) -> None:
        """Gathers until there is enough for one large write; `settle` writes what there is."""
        self._assert_sound()
        if self._file.path.exists():
            self._open_to_write()  # The declarations by which events are read lie in it.
        for record in records:
            if record.position <= self._taken:
                continue
            for event in record.events:
                self._gathered.take(event)
            self._taken = record.position
            if self._gathered.full:
                self._write()

    def settle(self) -> None:
        self._assert_sound()
        self._write()
        self._known.clear()

    def seal(self) -> None:
        self.settle()
        self._put_on_disk()

    def clear(self) -> None:
        self._file.let_go(broken=self._void)
        for path in self._seal.files().values():
            path.unlink()
        self._seal.remove()
        self._start(0)

    def close(self) -> None:
        """For good; ends reads that are still running."""
        try:
            if not self._void:
                self.seal()
        finally:
            self._file.close(broken=self._void)

    # Reads

    def run(
        self, statement: str, parameters: Mapping[str, object], *, deadline_ms: int, limit: int
    ) -> list[tuple[Any, ...]]:
        """The first `limit` rows of one statement of ours that reads. Stopped at the deadline."""
        if why := cypher.flaw(statement, parameters):
            raise GraphFailed("GRAPH_STATEMENT", why)
        rows = self._read(statement, parameters, deadline_ms, lambda result: result.get_n(limit))
        return [tuple(row) for row in rows]

    def scan(self, kind: str, equals: Mapping[str, Value], *, deadline_ms: int | None = None) -> npt.NDArray[np.int64]:
        """Dense ids, sorted, of the current versions of that kind whose declared properties have those values."""
        self._file.open()
        declared = self._gathered.catalog.kinds.get(kind)
        held = {each.name: each for each in declared.graphed()} if declared else {}
        columns: list[str] = []
        parameters: dict[str, object] = {"kind": kind}
        for name, value in equals.items():
            if name not in held:
                raise GraphFailed("GRAPH_STATEMENT", f"the graph does not hold `{name}` of {kind}")
            of = held[name].type
            fitted = conform(value, of)
            if fitted is None or isinstance(fitted, Misfit) or cypher.column(name, of) not in self._columns:
                return np.empty(0, np.int64)
            parameters[f"p{len(columns)}"] = cypher.stored(fitted, of)
            columns.append(cypher.column(name, of))
        table = self._read(
            cypher.scan(columns),
            parameters,
            self._limits.read_ms if deadline_ms is None else deadline_ms,
            lambda result: result.get_as_arrow(),
        )
        return np.sort(table.column(0).to_numpy())

    def ways(self, statement: str, parameters: Mapping[str, object]) -> list[npt.NDArray[np.int64]]:
        """The columns of whole numbers that a statement of ours gives."""
        if why := cypher.flaw(statement, parameters):
            raise GraphFailed("GRAPH_STATEMENT", why)
        table = self._read(statement, parameters, self._limits.read_ms, lambda result: result.get_as_arrow())
        return [column.to_numpy() for column in table.columns]

    def dump(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """All nodes by root and all relations by root, alike for each engine and however they came to be."""
        self._file.open()
        columns = sorted(self._columns)
        fixed = len(cypher.NODE)

        def everything(statement: str) -> list[list[Any]]:
            return self._read(statement, {}, self._limits.read_ms, lambda result: result.get_all())

        nodes = []
        for row in everything(cypher.all_nodes(columns)):
            public, root, dense, kind, labels, erased = row[:fixed]
            values = [(name, value) for name, value in zip(columns, row[fixed:], strict=True) if value is not None]
            nodes.append((root, public, dense, kind, tuple(labels), erased, tuple(values)))
        relations = []
        for table in sorted(self._tables):
            for root, row, source, target, weight, *kind in everything(cypher.all_relations(table)):
                relations.append((root, row, kind[0] if kind else table, source, target, weight))
        return sorted(nodes), sorted(relations)

    def _read(self, statement: str, parameters: Mapping[str, object], deadline_ms: int, take: Callable[[Any], T]) -> T:
        if self._void:
            raise GraphFailed("GRAPH_VOID", "the graph could not take a record, and is to be rebuilt")
        return self._file.read(statement, parameters, deadline_ms, take)

    # Writes

    def _assert_sound(self) -> None:
        if self._void:
            raise Unapplied("the graph could not take an earlier record, and must be cleared")

    def _open_to_write(self) -> None:
        try:
            self._file.open()
        except GraphFailed as error:
            raise self._voided(str(error)) from error

    def _voided(self, why: str) -> Unapplied:
        """What was begun stays open: in Kùzu, rolling a COPY back empties the table that was copied into."""
        self._void = True
        return Unapplied(why)

    def _write(self) -> None:
        work = self._gathered
        if work:
            self._open_to_write()
            try:
                self._written = True
                self._widen(work)
                bulk = len(work.nodes) >= _BULK_NODES or any(len(new) > _FEW for new in work.relations.values())
                if bulk:
                    # COPY ends in a checkpoint, in Kùzu.
                    with self._file.alone():
                        self._transact(work)
                else:
                    self._transact(work)
            # Whatever the engine or Arrow raises means the same: this store is no longer what the journal says.
            except Exception as error:
                raise self._voided(f"records {self._position + 1} to {self._taken} were not taken") from error
            self._unsealed_rows += work.rows
            self._versions += _versions(work)
            work.empty()
        self._position = self._taken
        # Until a checkpoint Ladybug keeps what was written in its page cache, and fails when that is full; Kùzu keeps
        # each version for a reader that began before it, whether there is one or not.
        full = self._unsealed_rows >= work.most_rows
        if full or self._versions * _VERSION_BYTES >= self._limits.graph_versions:
            self._put_on_disk()

    def _put_on_disk(self) -> None:
        if self._position == self._sealed and not self._written:
            return
        if self._written:
            try:
                with self._file.alone():
                    self._file.execute(cypher.CHECKPOINT)
            except RuntimeError as error:
                raise self._voided("the graph's file could not be brought up to date") from error
        self._seal.write(self._position)
        self._sealed, self._written, self._unsealed_rows, self._versions = self._position, False, 0, 0

    def _widen(self, work: Gathered) -> None:
        """Columns and tables that the work needs and that are not there."""
        declared = work.columns.values() if work.declarations else ()
        needed = {name for columns in declared for name in columns} - self._columns
        tables = work.relations.keys() - self._tables
        for name in sorted(needed):
            self._file.execute(cypher.add_column(name))
            self._columns.add(name)
        for table in sorted(tables):
            self._file.execute(cypher.create_relation_table(table))
            self._tables.add(table)
        if needed or tables:
            self._file.forget_statements()

    def _transact(self, work: Gathered) -> None:
        self._file.execute(cypher.BEGIN)
        self._create_nodes(list(work.nodes.values()))
        stale = self._stale
        for public in work.erased.values():
            ((erased,),) = self._file.rows(cypher.READ_ERASED, {"id": public})
            stale = stale or not erased
            self._file.execute(cypher.erase_node(sorted(self._columns)), {"id": public})
        self._set_nodes(list(work.revised.values()), work)
        for table, relations in work.relations.items():
            self._create_relations(table, relations)
        self._set_relations(list(work.reweighted.values()))
        if work.declarations or stale != self._stale:
            self._declared += [(event.tag, event) for event in work.declarations]
            declarations = orjson.dumps(self._declared).decode()
            self._file.execute(cypher.WRITE_META, {"stale": stale, "declarations": declarations})
        self._file.execute(cypher.COMMIT)
        self._stale = stale

    def _create_nodes(self, nodes: Sequence[Node]) -> None:
        if len(self._known) + len(nodes) > _KNOWN_IDS:
            self._known.clear()
        self._known.update((node.root, node.id) for node in nodes)
        if len(nodes) <= _FEW_NODES:
            for node in nodes:
                columns = sorted(node.values)
                fixed = {name: getattr(node, name) for name in cypher.NODE} | {"labels": list(node.labels)}
                self._file.execute(cypher.create_node(columns), fixed | _placed(node, columns))
            return
        columns = used(nodes)
        rows = arrow_of(nodes, columns, [*cypher.NODE, *columns])
        text = cypher.copy_nodes if len(nodes) >= _BULK_NODES else cypher.load_nodes
        self._file.load(text(columns), rows)

    def _set_nodes(self, nodes: Sequence[Node], work: Gathered) -> None:
        if len(nodes) <= _FEW:
            for node in nodes:
                columns = sorted(node.values)
                absent = sorted(work.columns.get(node.kind, {}).keys() - node.values.keys())
                parameters = {"id": node.id, "dense": node.dense, "labels": list(node.labels)}
                text = cypher.set_node(columns, absent, erased=node.erased)
                self._file.execute(text, parameters | _placed(node, columns))
            return
        for kind in {node.kind for node in nodes}:
            columns = sorted(work.columns.get(kind, {}))
            names = [*(f"c_{name}" for name in cypher.NODE), *(f"c{place}" for place in range(len(columns)))]
            rows = arrow_of([node for node in nodes if node.kind == kind], columns, names)
            self._file.load(cypher.load_set_nodes(columns), rows)

    def _create_relations(self, table: str, relations: Relations) -> None:
        rows = relations.rows()
        roots = np.unique(np.concatenate([rows["source"], rows["target"]]))
        ids = self._ids_of(roots.tolist())
        if len(relations) > _FEW:
            self._file.load(cypher.copy_relations(table), relations.arrow(roots, pa.array(ids, pa.string())))
            return
        named = dict(zip(roots.tolist(), ids, strict=True))
        for place, (root, row, source, target, weight) in enumerate(rows.tolist()):
            parameters = {"root": root, "row": row, "weight": weight}
            parameters |= {"source": named[source], "target": named[target]}
            if relations.kinds:
                parameters["kind"] = relations.kinds[place]
            self._answered(self._file.rows(cypher.create_relation(table), parameters))

    def _set_relations(self, revised: Sequence[RelationRecorded]) -> None:
        for event in revised:
            source, target = self._ids_of([event.source, event.target])
            parameters = {
                "source": source,
                "target": target,
                "root": event.root,
                "row": event.row,
                "weight": event.weight,
            }
            self._answered(self._file.rows(cypher.set_relation(cypher.table_of(event.kind)), parameters))

    def _answered(self, rows: Sequence[Any]) -> None:
        if len(rows) != 1:
            raise LookupError("a relation of the journal has no place in the graph")

    def _ids_of(self, roots: Sequence[int]) -> list[str]:
        unknown = [root for root in roots if root not in self._known]
        found = dict(zip(unknown, self._ids(unknown), strict=True)) if unknown else {}
        return [self._known.get(root) or found[root] for root in roots]


def _versions(work: Gathered) -> int:
    """How many versions of a vector a transaction of that work makes, at most: nodes lie in the order of their roots,
    and new relations of a table beside each other."""
    set_ = {root // _VECTOR for root in (*work.revised, *work.erased)}
    added = sum(1 + len(relations) // _VECTOR for relations in work.relations.values())
    return len(set_) + added + len(work.reweighted)


def _placed(node: Node, columns: Sequence[str]) -> dict[str, object]:
    return {f"p{place}": node.values[name] for place, name in enumerate(columns)}
