"""What decides whether a version is seen, in memory: a row a dense id, as numpy columns.

From them a `Scope` (tenant, visibility, time and position at once) is one pass, and a mask over dense ids afterwards.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.commands import Principal
from engine.decide.view import NEVER
from engine.events import ItemErased, ItemRecorded, ItemRetired, StateFolded
from engine.index import DOMAINS, ITEM_NUMBERS, Index, author_of, odd_factors
from engine.journal import JournalFailed
from engine.records import Record

Numbers: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

_WIDTHS: Mapping[str, type[np.generic]] = {
    "root": np.int64,
    "version": np.int32,
    "kind": np.int32,
    "owner": np.int32,
    "domain": np.int8,
    "stream": np.int64,
    "author": np.int32,
    "born": np.int64,
    "died": np.int64,
    "valid_from": np.int64,
    "valid_to": np.int64,
    "recorded_at": np.int64,
}
_LOADED = 50_000
_FEW = 6
_ORGANIZATION = DOMAINS.index("organization")


def load(db: sqlite3.Connection, table: str, names: Sequence[str]) -> NDArray[np.int64]:
    """All numbers of a table of the index, a row a number, each row checked; a weight as the bits of its float."""
    factors = np.array(odd_factors(len(names)), np.int64)
    chunks = [np.empty((0, len(names)), np.int64)]
    cursor = db.execute(f"SELECT {', '.join(names)}, sum FROM {table} ORDER BY {names[0]}")
    weight_at = names.index("weight") if "weight" in names else None
    while rows := cursor.fetchmany(_LOADED):
        read = _numbers(rows, weight_at)
        with np.errstate(over="ignore"):
            if read is None or not np.array_equal(read[:, :-1] @ factors, read[:, -1]):
                raise JournalFailed(f"rows of {table} are not as they were written")
        chunks.append(read[:, :-1])
    numbers = np.concatenate(chunks)
    if len(numbers) and not np.array_equal(numbers[:, 0], np.arange(1, len(numbers) + 1)):
        raise JournalFailed(f"rows of {table} are missing")
    return numbers


def any_of(column: NDArray[Any], codes: Sequence[int]) -> Mask:
    """Where the column holds one of these numbers; for a few of them much faster than `np.isin`."""
    if len(codes) > _FEW:
        return np.isin(column, codes)
    mask = np.zeros(len(column), np.bool_)
    for code in codes:
        mask |= column == code
    return mask


def _doubled(column: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([column, np.zeros(len(column), column.dtype)])


def _numbers(rows: Sequence[tuple[int | float, ...]], weight_at: int | None) -> NDArray[np.int64] | None:
    """The rows as one array; None where a value is of another type than it was written with."""
    try:
        if weight_at is None:
            return np.array(rows, np.int64)
        weights = np.array([row[weight_at] for row in rows], np.float64)
        read = np.array([(*row[:weight_at], 0, *row[weight_at + 1 :]) for row in rows], np.int64)
        read[:, weight_at] = weights.view(np.int64)
        return read
    except (TypeError, ValueError, OverflowError):
        return None


class Columns:
    """The columns of one tenant, as of `position`. Written by the committer's thread alone; row 0 is nobody's.

    Readers take arrays through `Scope`, which fixes how many rows there were: rows are only ever added, and a `died`
    that is set later lies behind every position that was read before.
    """

    def __init__(self, index: Index, position: int) -> None:
        numbers = load(index.db, "items", ITEM_NUMBERS)
        self.position = position
        self.count = len(numbers) + 1
        self._index = index
        self._columns: dict[str, NDArray[Any]] = {}
        for name, width in _WIDTHS.items():
            column = np.zeros(max(1024, self.count * 5 // 4), width)
            column[1 : self.count] = numbers[:, ITEM_NUMBERS.index(name)]
            self._columns[name] = column
        size = len(self._columns["root"])
        self._newest = np.zeros(size, np.int64)  # of each root
        self._previous = np.zeros(size, np.int64)  # of each version
        self._chain(np.arange(1, self.count))
        erased = index.db.execute("SELECT dense FROM items WHERE body IS NULL").fetchall()
        self.erased = {dense for (dense,) in erased}
        self.codes = {name: code for code, name in index.names().items()}
        self.names = index.names()
        self.state = index.state()

    def column(self, name: str) -> NDArray[Any]:
        return self._columns[name][: self.count]

    def apply(self, record: Record) -> None:
        recorded = [event for event in record.events if isinstance(event, ItemRecorded)]
        if recorded:
            self._add(recorded, record)
        for event in record.events if len(recorded) < len(record.events) else ():
            match event:
                case ItemRetired():
                    self._columns["died"][event.dense] = record.position
                case ItemErased():
                    self._erase(event)
                case StateFolded():
                    self._fold(event)
        self.position = record.position

    def _add(self, events: Sequence[ItemRecorded], record: Record) -> None:
        """Adds versions, whose dense ids follow each other."""
        first, count = events[0].dense, len(events)
        while first + count > len(self._columns["root"]):
            for name, column in self._columns.items():
                self._columns[name] = _doubled(column)
            self._newest, self._previous = _doubled(self._newest), _doubled(self._previous)
        columns, rows = self._columns, slice(first, first + count)
        for name in ("root", "version", "stream", "valid_from", "valid_to"):
            columns[name][rows] = [getattr(event, name) for event in events]
        columns["kind"][rows] = [self.code(event.kind) for event in events]
        columns["owner"][rows] = [self.code(event.owner) for event in events]
        columns["domain"][rows] = [DOMAINS.index(event.domain) for event in events]
        columns["author"][rows] = [self.code(author) if (author := author_of(event)) else 0 for event in events]
        columns["born"][rows] = record.position
        columns["recorded_at"][rows] = record.at
        columns["died"][rows] = NEVER
        columns["died"][[event.previous for event in events if event.previous]] = record.position
        self._chain(np.arange(first, first + count))
        self.count = first + count

    def _erase(self, event: ItemErased) -> None:
        """An author's name may have gone with the item; then its number stands for nobody."""
        denses = np.flatnonzero(self.column("root") == event.root)
        self.erased |= set(denses.tolist())
        self._columns["author"][denses] = 0
        self.names = self._index.names()
        self.codes = {name: code for code, name in self.names.items()}

    def _chain(self, denses: Numbers) -> None:
        """Makes these versions the newest of their identities; their dense ids rise."""
        roots = self._columns["root"][denses]
        first = roots == denses
        self._newest[roots[first]] = denses[first]
        for root, dense in zip(roots[~first].tolist(), denses[~first].tolist(), strict=True):
            self._previous[dense] = self._newest[root]
            self._newest[root] = dense

    def newest(self, roots: Numbers, position: int) -> Numbers:
        """The newest version of each of these identities that was recorded at or before the position (0: none)."""
        versions: Numbers = np.where(
            (roots > 0) & (roots < len(self._newest)), self._newest[roots % len(self._newest)], 0
        )
        born = self._columns["born"]
        while (later := (versions > 0) & (born[versions] > position)).any():
            versions[later] = self._previous[versions[later]]
        return versions

    def code(self, name: str) -> int:
        if (code := self.codes.get(name)) is None:
            code = self._index.code(name)
            self.codes[name] = code
            self.names[code] = name
        return code

    def _fold(self, event: StateFolded) -> None:
        for name, pairs in event.set.items():
            self.state.setdefault(name, {}).update(pairs)
        for name, pairs in event.add.items():
            values = self.state.setdefault(name, {})
            for root, value in pairs:
                values[root] = values.get(root, 0.0) + value

    def versions(self, roots: Numbers, position: int) -> tuple[Numbers, Numbers]:
        """Every version of each of these identities that was recorded at or before the position: its place among the
        identities, and the version; those of one identity together, the oldest first."""
        places, versions = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        at, here = np.arange(len(roots)), self.newest(roots, position)
        while (left := np.flatnonzero(here)).size:
            at, here = at[left], here[left]
            places.append(at)
            versions.append(here)
            here = self._previous[here]
        place, version = np.concatenate(places), np.concatenate(versions)
        order = np.lexsort((version, place))
        return place[order], version[order]

    def scope(self, position: int, by: Principal, valid_at: int | None) -> "Scope":
        """What that principal sees at that position; `valid_at` None means whatever the valid time."""
        return Scope(self, self.count, position, by, valid_at)


@dataclass(frozen=True)
class Scope:
    """Tenant, visibility, time and position: as masks over all dense ids, and for a few identities at a time.

    `valid_at` is the moment at which something must be true; with `valid_until` it is enough that it is at any moment
    until before that. With `history` every version is seen that was known by then, also those that others followed.
    """

    columns: Columns
    count: int
    position: int
    by: Principal
    valid_at: int | None
    valid_until: int | None = None
    history: bool = False

    def _column(self, name: str) -> NDArray[Any]:
        return self.columns.column(name)[: self.count]

    @cached_property
    def visible(self) -> Mask:
        """Versions that the principal may see and that were recorded by then, whatever became of them."""
        mask: Mask = (self._column("born") <= self.position) & (self._column("root") > 0)
        if not self.by.admin:
            mask &= (self._column("domain") == _ORGANIZATION) | any_of(self._column("owner"), self._owners)
        return mask

    def known(self, born: Numbers, died: Numbers) -> Mask:
        """Of what was known from one position until before another, what is read at this one."""
        known: Mask = born <= self.position
        return known if self.history else known & (died > self.position)

    def true(self, valid_from: Numbers, valid_to: Numbers) -> Mask | np.bool_:
        """Of what is true from one moment until before another, what is so at the valid time."""
        if self.valid_at is None:
            return np.True_
        until = self.valid_at + 1 if self.valid_until is None else self.valid_until
        mask: Mask = (valid_from < until) & (valid_to > self.valid_at)
        return mask

    @cached_property
    def alive(self) -> Mask:
        """Versions that were the current ones at the position; with history every one."""
        return self.visible if self.history else self.visible & (self._column("died") > self.position)

    @cached_property
    def seen(self) -> Mask:
        """The versions that are read: known then, and true at the valid time."""
        return self.alive & self.true(self._column("valid_from"), self._column("valid_to"))

    @cached_property
    def _last_seen(self) -> Numbers:
        """Of each identity, by its root, the last of its versions that are seen."""
        last = np.zeros(self.count, np.int64)
        seen = np.flatnonzero(self.seen)
        last[self._column("root")[seen]] = seen
        return last

    def shown(self, roots: Numbers) -> Numbers:
        """Of each of these identities, the version that is read, with history the last of them (0: none)."""
        if self.history:
            shown: Numbers = np.where((roots > 0) & (roots < self.count), self._last_seen[roots % self.count], 0)
            return shown
        versions = self.lasting(roots)
        kept = self._column("died")[versions] > self.position
        kept &= self.true(self._column("valid_from")[versions], self._column("valid_to")[versions])
        return np.where(kept, versions, 0)

    def versions(self, roots: Numbers, lasting: Mask) -> tuple[Numbers, Numbers]:
        """With history, every version that each of these identities stands for: its place among them, and the version.
        Where `lasting`, whatever the valid time."""
        places, versions = self.columns.versions(roots, self.position)
        kept = self.visible[versions]
        kept &= lasting[places] | self.true(self._column("valid_from")[versions], self._column("valid_to")[versions])
        return places[kept], versions[kept]

    def lasting(self, roots: Numbers) -> Numbers:
        """Of each of these identities, the last version known at the position, even when it was retired since or is no
        longer valid (0: none)."""
        versions = self.columns.newest(roots, self.position)
        if self.by.admin:
            return versions
        seen = self._column("domain")[versions] == _ORGANIZATION
        return np.where(seen | any_of(self._column("owner")[versions], self._owners), versions, 0)

    @cached_property
    def _owners(self) -> list[int]:
        codes = self.columns.codes
        return [codes[name] for name in {self.by.id, *self.by.owners} if name in codes]

    def of_kind(self, *kinds: str) -> Mask:
        """Seen versions of these kinds."""
        codes = [self.columns.codes[kind] for kind in kinds if kind in self.columns.codes]
        mask: Mask = self.seen & any_of(self._column("kind"), codes)
        return mask
