"""From a record to what it changed, in the words of `memql.changes`: what may wake a live query."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.adjacency import Adjacency
from engine.columns import Columns
from engine.decide.view import ItemState, RelationState
from engine.events import (
    ItemErased,
    ItemRecorded,
    ItemRetired,
    LossAccepted,
    RelationRecorded,
    RelationRetired,
    StateFolded,
)
from engine.index import DOMAINS, Index
from engine.records import Record
from memql.changes import Change, End, ItemChange, RelationChange

_EACH_VERSION = frozenset({"version", "recorded_at", "retired_at"})
"""What every new version says otherwise."""
_JOINED = 1_000
"""Relations of a changed item that are looked at to tell whom it concerns; of more it may concern anyone."""


def change_of(record: Record, columns: Columns, adjacency: Adjacency, index: Index) -> Change:
    """What the record changed. It is in the columns already."""
    previous = _previous(record, index)
    items: list[ItemChange] = []
    relations: list[RelationChange] = []
    figures: set[str] = set()
    names = anything = False
    for event in record.events:
        match event:
            case ItemRecorded():
                change = _recorded(event, previous[0].get(event.previous))
                joined = None if change.begins else _joined(columns, adjacency, event.root)
                items.append(replace(change, joined=joined))
            case ItemRetired() | ItemErased():
                joined = _joined(columns, adjacency, event.root)
                items.append(ItemChange(_end(columns, event.root), event.id, joined=joined))
            case RelationRecorded():
                ends = _end(columns, event.source), _end(columns, event.target)
                before = previous[1].get(event.previous)
                relations.append(RelationChange(event.kind, *ends, _said_otherwise(event, before)))
            case RelationRetired():
                numbers = {name: int(adjacency.column(name)[event.row]) for name in ("source", "target", "kind")}
                ends = _end(columns, numbers["source"]), _end(columns, numbers["target"])
                relations.append(RelationChange(columns.names[numbers["kind"]], *ends))
            case StateFolded():
                figures |= {*event.set, *event.add}
            case LossAccepted():
                anything = True
            case _:
                names = True
    return Change(tuple(items), tuple(relations), frozenset(figures), names, anything)


def _previous(record: Record, index: Index) -> tuple[Mapping[int, ItemState], Mapping[int, RelationState]]:
    """The versions that those of the record follow."""
    items = [each.previous for each in record.events if isinstance(each, ItemRecorded) and each.previous]
    rows = [each.previous for each in record.events if isinstance(each, RelationRecorded) and each.previous]
    return index.items(items) if items else {}, index.relations(rows) if rows else {}


def _end(columns: Columns, root: int) -> End:
    shared = DOMAINS[int(columns.column("domain")[root])] == "organization"
    owner = "" if shared else columns.names[int(columns.column("owner")[root])]
    return End(root, columns.names[int(columns.column("kind")[root])], owner)


def _joined(columns: Columns, adjacency: Adjacency, root: int) -> frozenset[tuple[str, int]] | None:
    found = adjacency.joined(root, _JOINED)
    return None if found is None else frozenset((columns.names[code], end) for code, end in found)


def _recorded(event: ItemRecorded, before: ItemState | None) -> ItemChange:
    end = End(event.root, event.kind, "" if event.domain == "organization" else event.owner)
    if not event.previous:
        return ItemChange(end, event.id, frozenset(event.labels), begins=True)
    labels = None if before is None or before.erased else frozenset({*event.labels, *before.labels})
    return ItemChange(end, event.id, labels, changed=_said_otherwise(event, before))


def _said_otherwise(
    event: ItemRecorded | RelationRecorded, before: ItemState | RelationState | None
) -> frozenset[str] | None:
    """The properties that the version says otherwise than the one before; None where it may be seen otherwise."""
    if before is None or (isinstance(before, ItemState) and before.erased):
        return None
    if (before.valid_from, before.valid_to) != (event.valid_from, event.valid_to):
        return None
    now, then = _said(event), _said(before)
    return _EACH_VERSION | {name for name in now.keys() | then.keys() if now.get(name) != then.get(name)}


def _said(version: ItemRecorded | RelationRecorded | ItemState | RelationState) -> dict[str, str]:
    """Each property as text: 1, 1.0 and true are equal in Python, and not the same."""
    said: dict[str, Any] = dict(version.properties)
    if isinstance(version, ItemRecorded | ItemState):
        said["labels"] = version.labels
    else:
        said["weight"] = version.weight
    return {name: repr(value) for name, value in said.items()}
