"""The index over the records, in the same file and transaction: every version of every item and relation by number,
ids, external keys, idempotency keys. Derived from the records alone, and so rebuilt from them.

Rows carry a checksum of their numbers and one of their content: SQLite finds a flipped byte in neither.
"""

import sqlite3
import struct
import zlib
from collections.abc import Container, Iterable, Sequence
from operator import mul
from typing import Any

import orjson

from engine.decide.items import item_scope
from engine.decide.streams import event_scope, stream_scope
from engine.decide.view import NEVER, ItemState, RelationState
from engine.events import (
    CatalogSet,
    Event,
    ItemErased,
    ItemRecorded,
    ItemRetired,
    KindDeclared,
    LabelDeclared,
    PropertyDeclared,
    RelationKindDeclared,
    RelationRecorded,
    RelationRetired,
    StateFolded,
)
from engine.journal import JournalFailed
from engine.records import Record, Sealed, content_of, split
from memql.values import Value, from_json, to_json

DOMAINS = ("agent", "user", "organization")
"""A domain's number is its place here."""
_DOMAIN_NUMBERS = {domain: number for number, domain in enumerate(DOMAINS)}

_MASK = 2**64 - 1
_ODD = tuple((0x9E3779B97F4A7C15 * (2 * n + 1)) & _MASK for n in range(16))
ITEM_NUMBERS = (
    "dense", "root", "version", "kind", "owner", "domain", "stream", "author", "born", "died", "valid_from",
    "valid_to", "recorded_at", "retired_at", "crc",
)  # fmt: skip
RELATION_NUMBERS = (
    "row", "root", "version", "kind", "source", "target", "weight", "born", "died", "valid_from", "valid_to",
    "recorded_at", "retired_at", "read_version", "crc",
)  # fmt: skip
_WEIGHT = RELATION_NUMBERS.index("weight")
_DECLARATIONS = (KindDeclared, RelationKindDeclared, PropertyDeclared, LabelDeclared, CatalogSet)

_ITEM = ", ".join(f"i.{name}" for name in ITEM_NUMBERS)
_RELATION = ", ".join(f"r.{name}" for name in RELATION_NUMBERS)
_INSERT_ITEM = f"INSERT INTO items VALUES ({', '.join('?' * (len(ITEM_NUMBERS) + 3))})"
_INSERT_RELATION = f"INSERT INTO relations VALUES ({', '.join('?' * (len(RELATION_NUMBERS) + 3))})"


def number_sum(numbers: Sequence[int]) -> int:
    """A checksum of a row's numbers that changes with any one of them; the same sum that `columns` checks at once."""
    total: int = sum(map(mul, numbers, _ODD)) & _MASK
    return total - 2**64 if total >= 2**63 else total


def odd_factors(count: int) -> list[int]:
    """The factors of `number_sum` as signed 64-bit numbers."""
    return [odd - 2**64 if odd >= 2**63 else odd for odd in _ODD[:count]]


def _float_bits(weight: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", weight))[0])


_MISREAD = (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, MemoryError, struct.error)
"""What a row raises whose values have become others, or of another type."""


class Index:
    """Reads and writes the index through one connection. Writing happens in the journal's open transaction."""

    def __init__(self, db: sqlite3.Connection, names: dict[int, str] | None = None) -> None:
        self.db = db
        self._codes: dict[str, int] = {}
        self._names: dict[int, str] = {} if names is None else names

    # Names of kinds, owners and authors

    def code(self, name: str) -> int:
        """The number of a name, given when it is first met; `forget_codes` when its transaction was undone."""
        if (code := self._codes.get(name)) is None:
            self._codes = {name: code for code, name in self.names().items()}
            if (code := self._codes.get(name)) is None:
                code = self._codes[name] = self.db.execute("SELECT count(*) FROM codes").fetchone()[0] + 1
                self.db.execute("INSERT INTO codes VALUES (?, ?, ?)", (code, zlib.crc32(name.encode(), code), name))
        return code

    def name(self, code: int) -> str:
        if (name := self._names.get(code)) is None:
            self._names |= self.names()
            if (name := self._names.get(code)) is None:
                raise JournalFailed(f"the index names no code {code}")
        return name

    def names(self) -> dict[int, str]:
        """Every name by its number, each checked: a name that became another would be another owner's."""
        found = self.db.execute("SELECT code, crc, name FROM codes").fetchall()
        try:
            sound = all(zlib.crc32(name.encode(), code) == crc for code, crc, name in found)
        except _MISREAD:
            sound = False
        if not sound:
            raise JournalFailed("the index's names are not as they were written")
        return {code: name for code, _, name in found if name}

    def forget_codes(self) -> None:
        self._codes.clear()
        self._names.clear()

    # Writing

    def apply(self, record: Record, sealed: Sealed) -> None:
        """Shows the record in the index. The record was decided on this very index, so it fits."""
        declares = False
        frames = zip(record.events, split(sealed.frames), strict=True)
        self._record_items([(event, frame) for event, (_, frame) in frames if isinstance(event, ItemRecorded)], record)
        for event in record.events:
            match event:
                case ItemRecorded():
                    continue
                case RelationRecorded():
                    self._record_relation(event, record)
                case ItemRetired():
                    self._end("items", "dense", event.dense, record)
                case RelationRetired():
                    self._end("relations", "row", event.row, record)
                case ItemErased():
                    self._erase_item(event)
                case StateFolded():
                    self._fold(event)
                case _:
                    declares = declares or isinstance(event, _DECLARATIONS)
        if declares:
            self.db.execute("INSERT INTO declarations VALUES (?)", (record.position,))
        if record.key:
            self.db.execute("INSERT INTO keys VALUES (?, ?, ?)", (record.key, record.request, record.position))

    def _record_items(self, recorded: Sequence[tuple[ItemRecorded, bytes | None]], record: Record) -> None:
        """All versions of one record at once: a statement a table costs a third of one a row."""
        self.db.executemany(_INSERT_ITEM, [self._item_row(event, frame, record) for event, frame in recorded])
        new = [event for event, _ in recorded if event.version == 1]
        self.db.executemany("INSERT INTO ids VALUES (?, ?, ?)", [(e.id, e.root, e.dense) for e in new])
        scoped = [(*found, event.root) for event in new if (found := _external(event))]
        if scoped:
            self.db.executemany("INSERT INTO externals VALUES (?, ?, ?)", scoped)
        for event, _ in recorded if len(new) < len(recorded) else ():
            if event.version > 1:
                self._end("items", "dense", event.previous, record)
                self.db.execute("UPDATE ids SET current = ? WHERE id = ?", (event.dense, event.id))

    def _item_row(self, event: ItemRecorded, frame: bytes | None, record: Record) -> tuple[object, ...]:
        body = None if frame is None else content_of(frame)
        crc = zlib.crc32(body or b"", zlib.crc32(event.id.encode()))
        numbers = (
            event.dense, event.root, event.version, self.code(event.kind), self.code(event.owner),
            _DOMAIN_NUMBERS[event.domain], event.stream, self.code(author) if (author := author_of(event)) else 0,
            record.position, NEVER, event.valid_from, event.valid_to, record.at, NEVER, crc,
        )  # fmt: skip
        return *numbers, number_sum(numbers), event.id, body

    def _record_relation(self, event: RelationRecorded, record: Record) -> None:
        body = orjson.dumps({name: to_json(value) for name, value in event.properties.items()})
        crc = zlib.crc32(body, zlib.crc32(event.id.encode()))
        numbers = (
            event.row, event.root, event.version, self.code(event.kind), event.source, event.target,
            _float_bits(event.weight), record.position, NEVER, event.valid_from, event.valid_to, record.at, NEVER,
            event.read_version, crc,
        )  # fmt: skip
        row = (*numbers[:_WEIGHT], event.weight, *numbers[_WEIGHT + 1 :])
        self.db.execute(_INSERT_RELATION, (*row, number_sum(numbers), event.id, body))
        if event.version > 1:
            self._end("relations", "row", event.previous, record)
            self.db.execute("UPDATE ids SET current = ? WHERE id = ?", (event.row, event.id))
        else:
            self.db.execute("INSERT INTO ids VALUES (?, ?, ?)", (event.id, event.root, event.row))

    def _end(self, table: str, key: str, number: int, record: Record) -> None:
        """The version's last position was the one before this record's."""
        self._change(table, key, number, died=record.position, retired_at=record.at)

    def _change(self, table: str, key: str, number: int, **changes: int) -> None:
        names = ITEM_NUMBERS if table == "items" else RELATION_NUMBERS
        found = self.db.execute(f"SELECT {', '.join(names)} FROM {table} WHERE {key} = ?", (number,)).fetchone()
        numbers = dict(zip(names, found, strict=True)) | changes
        bits = [_float_bits(value) if name == "weight" else value for name, value in numbers.items()]
        setting = ", ".join(f"{name} = ?" for name in changes)
        self.db.execute(
            f"UPDATE {table} SET {setting}, sum = ? WHERE {key} = ?", (*changes.values(), number_sum(bits), number)
        )

    def _erase_item(self, event: ItemErased) -> None:
        empty = zlib.crc32(event.id.encode())
        for dense in self.versions(event.root):
            (author,) = self.db.execute("SELECT author FROM items WHERE dense = ?", (dense,)).fetchone()
            self._change("items", "dense", dense, crc=empty, author=0)
            self.db.execute("UPDATE items SET body = NULL WHERE dense = ?", (dense,))
            if author:
                self._erase_name(author)
        self.db.execute("DELETE FROM externals WHERE root = ?", (event.root,))

    def _erase_name(self, code: int) -> None:
        """An author's name is content: it goes with the last item that has it. Its number is not given again."""
        used = "SELECT 1 FROM items WHERE :code IN (author, owner, kind) UNION ALL "
        used += "SELECT 1 FROM relations WHERE kind = :code UNION ALL SELECT 1 FROM state WHERE name = :code LIMIT 1"
        if not self.db.execute(used, {"code": code}).fetchone():
            self.db.execute("UPDATE codes SET name = '', crc = ? WHERE code = ?", (zlib.crc32(b"", code), code))
            self.forget_codes()

    def _fold(self, event: StateFolded) -> None:
        before = "SELECT value FROM state WHERE root = ? AND name = ?"
        for name, pairs in event.set.items():
            self._put_state(self.code(name), pairs)
        for name, pairs in event.add.items():
            code = self.code(name)
            known = [(root, self.db.execute(before, (root, code)).fetchone(), value) for root, value in pairs]
            self._put_state(code, [(root, (found[0] if found else 0.0) + value) for root, found, value in known])

    def _put_state(self, code: int, pairs: Iterable[tuple[int, float]]) -> None:
        rows = [(root, code, value, _state_sum(root, code, value)) for root, value in pairs]
        self.db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?)", rows)

    # Reading

    def item(self, id_: str) -> ItemState | None:
        """The newest version of the item of that id."""
        found = self.db.execute(
            f"SELECT {_ITEM}, i.sum, i.id, i.body FROM ids JOIN items i ON i.dense = ids.current WHERE ids.id = ?",
            (id_,),
        ).fetchone()
        if found is None or id_.startswith("rel_"):
            return None
        item = self._item(found, id_)
        if item.retired and self.current(item.root) != item.dense:
            raise JournalFailed(f"the index leads to an old version of item {item.root}")
        return item

    def items(self, denses: Iterable[int]) -> dict[int, ItemState]:
        """Versions by their dense ids, each checked against its checksums."""
        asked = orjson.dumps(list(map(int, denses))).decode()
        rows = self.db.execute(
            f"SELECT {_ITEM}, i.sum, i.id, i.body FROM items i WHERE i.dense IN (SELECT value FROM json_each(?))",
            (asked,),
        )
        return {row[0]: self._item(row) for row in rows}

    def current(self, root: int) -> int:
        """The newest version of the identity."""
        found = self.db.execute("SELECT max(dense) FROM items WHERE root = ? AND version > 1", (root,)).fetchone()
        return found[0] or root

    def versions(self, root: int) -> list[int]:
        rows = self.db.execute("SELECT dense FROM items WHERE root = ? AND version > 1 ORDER BY dense", (root,))
        return [root, *(dense for (dense,) in rows)]

    def relation(self, id_: str) -> RelationState | None:
        found = self.db.execute(
            f"SELECT {_RELATION}, r.sum, r.id, r.body FROM ids JOIN relations r ON r.row = ids.current "
            "WHERE ids.id = ?",
            (id_,),
        ).fetchone()
        if found is None or not id_.startswith("rel_"):
            return None
        relation = self._relation(found, id_)
        if relation.retired and self._follows(relation):
            raise JournalFailed(f"the index leads to an old version of relation {relation.root}")
        return relation

    def _follows(self, relation: RelationState) -> bool:
        """Whether there is a later version of the relation."""
        sql = "SELECT max(row) FROM relations WHERE root = ? AND version > 1"
        return bool((self.db.execute(sql, (relation.root,)).fetchone()[0] or 0) > relation.row)

    def relations(self, rows: Iterable[int]) -> dict[int, RelationState]:
        asked = orjson.dumps(list(map(int, rows))).decode()
        found = self.db.execute(
            f"SELECT {_RELATION}, r.sum, r.id, r.body FROM relations r WHERE r.row IN (SELECT value FROM json_each(?))",
            (asked,),
        )
        return {row[0]: self._relation(row) for row in found}

    def keyed(self, scope: str, key: str) -> int:
        """The root of what has that external key in that scope, or 0."""
        found = self.db.execute("SELECT root FROM externals WHERE scope = ? AND key = ?", (scope, key)).fetchone()
        if found is None:
            return 0
        item = self.items(found).get(found[0])
        if item is None or _external(item) != (scope, key):
            raise JournalFailed(f"the index leads from a key to another item, {found[0]}")
        return item.root

    def asked(self, key: bytes) -> tuple[bytes, int] | None:
        """The digest of the request under that idempotency key, and its record's position."""
        found: tuple[bytes, int] | None = self.db.execute(
            "SELECT request, position FROM keys WHERE key = ?", (key,)
        ).fetchone()
        return found

    def shows(self, event: Event, record: Record, erased: Container[int] = ()) -> bool:
        """Whether what the event says is in the index as the record of it says."""
        match event:
            case ItemRecorded():
                item = self.items([event.dense]).get(event.dense)
                found = self.db.execute("SELECT root FROM ids WHERE id = ?", (event.id,)).fetchone()
                same = item and (item.id, item.root, item.born) == (event.id, event.root, record.position)
                same = same and self.item(event.id) is not None
                whole = item and (item.erased or item.properties == event.properties)
                scoped = _external(event) if event.version == 1 and event.root not in erased else None
                keyed = scoped is None or (item and item.erased) or self.keyed(*scoped) == event.root
                return bool(same and whole and keyed) and found == (event.root,)
            case RelationRecorded():
                relation = self.relations([event.row]).get(event.row)
                same = relation is not None and (relation.id, relation.born) == (event.id, record.position)
                return same and self.relation(event.id) is not None
            case ItemRetired():
                item = self.items([event.dense]).get(event.dense)
                return item is not None and item.died == record.position
            case RelationRetired():
                relation = self.relations([event.row]).get(event.row)
                return relation is not None and relation.died == record.position
            case KindDeclared() | RelationKindDeclared() | PropertyDeclared() | LabelDeclared() | CatalogSet():
                return record.position in self.declarations()
            case ItemErased():
                return all(item.erased for item in self.items(self.versions(event.root)).values())
        return True

    def state(self) -> dict[str, dict[int, float]]:
        """The derived figures: name → root → value."""
        folded: dict[str, dict[int, float]] = {}
        for root, code, value, crc in self.db.execute("SELECT root, name, value, crc FROM state"):
            try:
                sound = _state_sum(root, code, value) == crc
            except _MISREAD:
                sound = False
            if not sound:
                raise JournalFailed(f"the state of item {root} is not as it was written")
            folded.setdefault(self.name(code), {})[root] = value
        return folded

    def declarations(self) -> list[int]:
        """The positions of the records that declare names."""
        return [position for (position,) in self.db.execute("SELECT position FROM declarations ORDER BY position")]

    def _item(self, row: tuple[Any, ...], asked: str = "") -> ItemState:
        try:
            return self._checked_item(row, asked)
        except _MISREAD:
            raise JournalFailed(f"the index row of item {row[0]} is not as it was written") from None

    def _relation(self, row: tuple[Any, ...], asked: str = "") -> RelationState:
        try:
            return self._checked_relation(row, asked)
        except _MISREAD:
            raise JournalFailed(f"the index row of relation {row[0]} is not as it was written") from None

    def _checked_item(self, row: tuple[Any, ...], asked: str) -> ItemState:
        *numbers, total, id_, body = row
        (
            dense, root, version, kind, owner, domain, stream, _, born, died, valid_from, valid_to, recorded_at,
            retired_at, crc,
        ) = numbers  # fmt: skip
        sound = number_sum(numbers) == total and zlib.crc32(body or b"", zlib.crc32(id_.encode())) == crc
        if not sound or (asked and asked != id_):
            raise ValueError
        content = orjson.loads(body) if body else {}
        labels, properties = tuple(content.get("labels", ())), _values(content.get("properties", {}))
        return ItemState(
            id_, root, dense, version, self.name(kind), self.name(owner), DOMAINS[domain], stream, born, died,
            valid_from, valid_to, recorded_at, retired_at, labels, properties, body is None,
        )  # fmt: skip

    def _checked_relation(self, row: tuple[Any, ...], asked: str) -> RelationState:
        *numbers, total, id_, body = row
        (
            number, root, version, kind, source, target, weight, born, died, valid_from, valid_to, recorded_at,
            retired_at, read_version, crc,
        ) = numbers  # fmt: skip
        numbers[_WEIGHT] = _float_bits(weight)
        sound = number_sum(numbers) == total and zlib.crc32(body, zlib.crc32(id_.encode())) == crc
        if not sound or (asked and asked != id_):
            raise ValueError
        return RelationState(
            id_, root, number, version, self.name(kind), source, target, weight, born, died, valid_from, valid_to,
            recorded_at, retired_at, read_version, _values(orjson.loads(body)),
        )  # fmt: skip


def _state_sum(root: int, code: int, value: float) -> int:
    return zlib.crc32(struct.pack("<qqd", root, code, value))


def _values(properties: dict[str, Any]) -> dict[str, Value]:
    return {name: from_json(value) for name, value in properties.items()}


def author_of(event: ItemRecorded) -> str | None:
    """Who said it, for what is found by that."""
    author = event.properties.get("author") if event.kind in ("Event", "Memory") else None
    return author if isinstance(author, str) else None


def _external(event: ItemRecorded | ItemState) -> tuple[str, str] | None:
    """Scope and key under which the item is found by a name from outside."""
    if event.kind == "Stream":
        name = event.properties.get("name")
        return (stream_scope(event.owner), name) if isinstance(name, str) else None
    key = event.properties.get("external_key")
    if not isinstance(key, str):
        return None
    return (event_scope(event.stream) if event.kind == "Event" else item_scope(event.kind, event.owner)), key
