"""What was done to a tenant, by whom and why: the journal's own records, as far as a reader sees what they touched.

Which records those are follows from the columns, by number; only those that are shown are read, each checked as any
reading of the journal is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import orjson

from engine.columns import Mask, Numbers
from engine.decide.view import NEVER
from engine.events import (
    CatalogSet,
    Curated,
    Event,
    ItemErased,
    ItemRecorded,
    ItemRetired,
    KindDeclared,
    LabelDeclared,
    LossAccepted,
    PropertyDeclared,
    RelationKindDeclared,
    RelationRecorded,
    RelationRetired,
    StateFolded,
)
from engine.journal import JournalFailed
from engine.reader import Reader
from engine.records import GENESIS, Record, Sealed, chain, unseal
from memql.errors import Refusal

Action: TypeAlias = Literal[
    "recorded", "revised", "retired", "superseded", "erased",
    "related", "relation_revised", "relation_retired", "declared", "folded", "loss_accepted",
]  # fmt: skip

_RECORDS = """
    SELECT r.position, r.at, r.header, r.frames, r.hash,
        (SELECT b.hash FROM records b WHERE b.position < r.position ORDER BY b.position DESC LIMIT 1)
    FROM records r WHERE r.position IN (SELECT value FROM json_each(?))
"""
_AT_ONCE = 20_000
"""Records looked through between two looks at the deadline."""


@dataclass(frozen=True, slots=True)
class Touched:
    """One thing that was done. Of an item `version` is the dense id of the version that it made or ended, of a relation
    the row; `before` that of the version before (0: none). `name` is what was declared."""

    action: Action
    id: str = ""
    version: int = 0
    before: int = 0
    name: str = ""
    reason: str = ""

    @property
    def of_relation(self) -> bool:
        return self.action in ("related", "relation_revised", "relation_retired")


@dataclass(frozen=True, slots=True)
class Entry:
    """One record. `statement` is that of MemQL, where it is one and the reader may know it."""

    position: int
    at: int
    actor: str
    command: str
    statement: str
    touched: tuple[Touched, ...]

    @property
    def reason(self) -> str:
        return next((each.reason for each in self.touched if each.reason), "")


def positions(
    reader: Reader, target: str | None = None, actor: str | None = None, command: str | None = None
) -> Numbers | Refusal:
    """Of the records that touched something the reader sees, those that are asked for, the oldest first."""
    scope, relations = reader.scope, reader.adjacency.count
    if target is not None:
        found = _touching(reader, target)
    elif scope.by.admin:
        found = np.array(
            [position for (position,) in reader.index.db.execute(
                "SELECT position FROM records WHERE position <= ? ORDER BY position", (reader.position,)
            )],
            np.int64,
        )  # fmt: skip
    else:
        found = _of(reader, scope.visible, _rows_seen(reader, np.arange(relations)))
        found = np.union1d(found, _erasures(reader, scope.visible))
    for name, value in (("actor", actor), ("command", command)):
        if value is not None and len(found):
            said = _saying(reader, found, f'"{name}":'.encode() + orjson.dumps(value))
            if isinstance(said, Refusal):
                return said
            found = said
    return found


def entries(reader: Reader, wanted: Sequence[int]) -> list[Entry]:
    """These records, in that order, with what the reader sees of what they did. Raises JournalFailed where one is not
    as it was written."""
    rows = reader.index.db.execute(_RECORDS, (orjson.dumps(list(wanted)).decode(),))
    found: dict[int, Entry] = {}
    for position, at, header, frames, hash_, before in rows:
        record = unseal(Sealed(position, at, header, frames, hash_))
        if not isinstance(record, Record) or chain(before or GENESIS, header) != hash_:
            raise JournalFailed(f"the record at position {position} is not as it was written")
        found[position] = entry(reader, record)
    return [found[position] for position in wanted]


def entry(reader: Reader, record: Record) -> Entry:
    """The record, with what the reader sees of what it did."""
    by = reader.scope.by
    said = (event.statement for event in record.events if isinstance(event, Curated))
    statement = next(said, "") if by.admin or record.actor == by.id else ""
    touched = tuple(each for event in record.events for each in _touched(event) if _seen(reader, event))
    return Entry(record.position, record.at, record.actor, record.command, statement, touched)


def _touched(event: Event) -> Iterator[Touched]:
    match event:
        case ItemRecorded():
            action: Action = "recorded" if event.version == 1 else "revised"
            yield Touched(action, event.id, event.dense, event.previous, reason=event.reason)
        case ItemRetired():
            action = "superseded" if event.by else "retired"
            yield Touched(action, event.id, event.dense, reason=event.reason)
        case ItemErased():
            yield Touched("erased", event.id)
        case RelationRecorded():
            action = "related" if event.version == 1 else "relation_revised"
            yield Touched(action, event.id, event.row, event.previous, reason=event.reason)
        case RelationRetired():
            yield Touched("relation_retired", event.id, event.row, reason=event.reason)
        case KindDeclared() | RelationKindDeclared():
            yield Touched("declared", name=event.name)
        case PropertyDeclared():
            yield Touched("declared", name=f"{event.kind}.{event.name}")
        case LabelDeclared():
            yield Touched("declared", name=event.label)
        case CatalogSet():
            yield Touched("declared", name="open catalog" if event.open else "closed catalog")
        case StateFolded():
            yield Touched("folded")
        case LossAccepted():
            yield Touched("loss_accepted")


def _seen(reader: Reader, event: Event) -> bool:
    match event:
        case ItemRecorded() | ItemRetired():
            return bool(reader.scope.visible[event.dense])
        case ItemErased():
            return bool(reader.scope.lasting(np.array([event.root]))[0])
        case RelationRecorded() | RelationRetired():
            return bool(_rows_seen(reader, np.array([event.row]))[0])
    return reader.scope.by.admin


def _touching(reader: Reader, id_: str) -> Numbers:
    """Of an item: its versions, its relations, and its erasure; of a relation its versions."""
    scope, adjacency, count = reader.scope, reader.adjacency, reader.adjacency.count
    nothing = np.zeros(scope.count, np.bool_)
    relation = reader.index.relation(id_)
    if relation is not None:
        roots = adjacency.column("root")[:count]
        return _of(reader, nothing, (roots == roots[relation.row]) & _rows_seen(reader, np.arange(count)))
    item = reader.index.item(id_)
    if item is None:
        return np.empty(0, np.int64)
    versions = scope.visible & (scope.columns.column("root")[: scope.count] == item.root)
    if not versions.any():
        return np.empty(0, np.int64)
    ends = (adjacency.column("source")[:count] == item.root) | (adjacency.column("target")[:count] == item.root)
    ends[np.flatnonzero(ends)] = _rows_seen(reader, np.flatnonzero(ends))
    found: Numbers = np.union1d(_of(reader, versions, ends), _erasures(reader, versions))
    return found


def _erasures(reader: Reader, versions: Mask) -> Numbers:
    """The positions at which one of these versions lost its content: no column tells them, and they are few."""
    columns = reader.scope.columns
    erased = [dense for dense in columns.erased if dense < len(versions) and versions[dense]]
    roots = set(columns.column("root")[erased].tolist())
    if not roots:
        return np.empty(0, np.int64)
    asked = (reader.position, b'"t":"erased"')
    rows = reader.index.db.execute(
        "SELECT position, header FROM records WHERE position <= ? AND instr(header, ?) > 0", asked
    )
    found = [
        position for position, header in rows
        if any(event["t"] == "erased" and event["root"] in roots for event in orjson.loads(header)["events"])
    ]  # fmt: skip
    return np.array(found, np.int64)


def _of(reader: Reader, versions: Mask, rows: Mask) -> Numbers:
    """The positions at which these versions of items and of relations began, and at which they ended."""
    columns, adjacency = reader.scope.columns, reader.adjacency
    parts = []
    for name in ("born", "died"):
        parts += [columns.column(name)[: len(versions)][versions], adjacency.column(name)[: len(rows)][rows]]
    found = np.unique(np.concatenate(parts))
    kept: Numbers = found[(found > 0) & (found <= reader.position) & (found < NEVER)]
    return kept


def _rows_seen(reader: Reader, rows: Numbers) -> Mask:
    """Which of these versions of relations were recorded by then, between items that the reader sees."""
    column, scope = reader.adjacency.column, reader.scope
    seen: Mask = (rows > 0) & (column("born")[rows] <= reader.position)
    if not scope.by.admin:
        seen &= (scope.lasting(column("source")[rows]) > 0) & (scope.lasting(column("target")[rows]) > 0)
    return seen


def _saying(reader: Reader, among: Numbers, said: bytes) -> Numbers | Refusal:
    """Those of these positions whose headers say that; the headers hold no words of anyone's."""
    found: list[int] = []
    for first, last in _ranges(among):
        if refusal := reader.given_up():
            return refusal
        rows = reader.index.db.execute(
            "SELECT position FROM records WHERE position BETWEEN ? AND ? AND instr(header, ?) > 0", (first, last, said)
        )
        found += [position for (position,) in rows]
    kept: Numbers = np.intersect1d(among, np.array(found, np.int64))
    return kept


def _ranges(among: Numbers) -> Iterable[tuple[int, int]]:
    pieces = (among[start : start + _AT_ONCE] for start in range(0, len(among), _AT_ONCE))
    return ((int(piece[0]), int(piece[-1])) for piece in pieces)
