"""Answers: columns and rows, and how they are written as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.decide.view import ItemState, RelationState
from engine.execute.changes import Change
from engine.reader import Reader
from engine.records import Receipt
from memql.catalog import Catalog
from memql.compiled import Compiled
from memql.describe import described, spelled
from memql.explain import PlanNode
from memql.values import plain
from memql.world import Datum, Node, Path, Relation


@dataclass(frozen=True, slots=True)
class Column:
    """`type` as the language calls it: string, node, integer[] is list, …; `spelled` at length, with what may be null
    and of which kinds nodes are."""

    name: str
    type: str
    spelled: str = field(default="", compare=False)
    nullable: bool = field(default=True, compare=False)


def columns_of(compiled: Compiled, catalog: Catalog) -> tuple[Column, ...]:
    """The columns of a query, found out once."""
    known = compiled.known.get(id(compiled))
    if known is None:
        told = described(compiled, catalog).columns
        known = compiled.known[id(compiled)] = tuple(
            Column(variable.name, str(variable.type), spelled(each.type), each.type.nullable)
            for variable, each in zip(compiled.columns, told, strict=True)
        )
    assert isinstance(known, tuple)
    return known


@dataclass(frozen=True, slots=True)
class PathState:
    """The items of a path, and the relations between each two of them."""

    nodes: tuple[ItemState, ...]
    relations: tuple[RelationState, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer to a query: a node is an `ItemState`, a relation a `RelationState`, a path a `PathState`; anything
    else is a value. `plan_text` is there for EXPLAIN and PROFILE, `plan` where they show how rows are found; `at` is
    when it was asked, in microseconds."""

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    position: int
    notices: tuple[str, ...] = ()
    plan_text: str = ""
    plan: PlanNode | None = None
    at: int = 0
    receipt: Receipt | None = None
    """Of a statement that writes; None where it wrote nothing."""
    changes: tuple[Change, ...] = ()
    """The first changes of a statement that was only previewed."""


def handed_out(datum: Datum) -> Any:
    """A value as an answer holds it."""
    match datum:
        case Node() | Relation():
            return datum.state
        case Path():
            return PathState(
                tuple(node.state for node in datum.nodes), tuple(relation.state for relation in datum.relations)
            )
        case list():
            return [handed_out(member) for member in datum]
        case dict():
            return {key: handed_out(member) for key, member in datum.items()}
    return datum


def nodes_in(rows: Sequence[Sequence[Any]]) -> list[ItemState]:
    """Every item in the rows, each once, in the order in which they are met."""
    found: dict[str, ItemState] = {}

    def look(value: Any) -> None:
        match value:
            case ItemState():
                found.setdefault(value.id, value)
            case PathState():
                for node in value.nodes:
                    look(node)
            case list():
                for member in value:
                    look(member)
            case dict():
                for member in value.values():
                    look(member)

    for row in rows:
        for value in row:
            look(value)
    return list(found.values())


def json_row(reader: Reader, row: Sequence[Any]) -> list[Any]:
    """The row in plain JSON: an item with `id`, `kind` and its properties; a relation with the ids of its ends; times
    as ISO 8601 text; a float that is no number as null."""
    roots = sorted({root for value in row for root in _ends(value)})
    versions = reader.index.items(roots)
    ids = {root: versions[root].id for root in roots}
    return [_plain(value, ids) for value in row]


def json_rows(reader: Reader, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """All rows in plain JSON; the ends of relations are looked up at once."""
    return plain_rows(rows, ids_of(reader, ends_in(rows)))


def ends_in(rows: Sequence[Sequence[Any]]) -> list[int]:
    """The ends of all relations in the rows: their ids must be known to write them."""
    return sorted({root for row in rows for value in row for root in _ends(value)})


def ids_of(reader: Reader, roots: Sequence[int]) -> dict[int, str]:
    versions = reader.index.items(roots)
    return {root: versions[root].id for root in roots}


def plain_rows(rows: Sequence[Sequence[Any]], ids: Mapping[int, str]) -> list[list[Any]]:
    """All rows in plain JSON, by the ids of those ends."""
    return [[_plain(value, ids) for value in row] for row in rows]


def _ends(value: Any) -> list[int]:
    match value:
        case RelationState():
            return [value.source, value.target]
        case PathState():
            return [root for relation in value.relations for root in _ends(relation)]
        case list():
            return [root for member in value for root in _ends(member)]
        case dict():
            return [root for member in value.values() for root in _ends(member)]
    return []


def _plain(value: Any, ids: Mapping[int, str]) -> Any:
    match value:
        case ItemState():
            own: dict[str, Any] = {
                "id": value.id,
                "kind": value.kind,
                **({"labels": list(value.labels)} if value.labels else {}),
            }
            return {**own, **{name: _plain(each, ids) for name, each in value.properties.items() if name not in own}}
        case RelationState():
            own = {"id": value.id, "kind": value.kind, "source": ids[value.source], "target": ids[value.target],
                   "weight": value.weight}  # fmt: skip
            return {**own, **{name: _plain(each, ids) for name, each in value.properties.items() if name not in own}}
        case PathState():
            return {
                "nodes": [_plain(node, ids) for node in value.nodes],
                "relations": [_plain(relation, ids) for relation in value.relations],
            }
        case list():
            return [_plain(member, ids) for member in value]
        case dict():
            return {key: _plain(member, ids) for key, member in value.items()}
    return plain(value)
