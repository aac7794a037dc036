"""Who recorded a version and who ended it, by which command, and why: read from the records themselves, for many
versions at once.

Of a record only the header and the frames in question are read, each checked: one event of a record of a thousand
costs a millisecond, not a thousand times as much.
"""

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import orjson

from engine.decide.view import ItemState, RelationState
from engine.journal import JournalFailed
from engine.records import GENESIS, chain, content_of, digest, split

State: TypeAlias = ItemState | RelationState

_RECORDS = """
    SELECT r.position, r.at, r.header, r.frames, r.hash,
        (SELECT b.hash FROM records b WHERE b.position < r.position ORDER BY b.position DESC LIMIT 1)
    FROM records r WHERE r.position IN (SELECT value FROM json_each(?))
"""
_DIGEST = 64
"""Characters of a digest in a header."""

_BEGUN = {"dense": {"item": "dense"}, "row": {"relation": "row"}}
"""The field of each event that numbers the version it begins, for versions of items and of relations."""
_ENDED = {
    "dense": {"item": "previous", "retired": "dense"},
    "row": {"relation": "previous", "unrelated": "row"},
}


@dataclass(frozen=True, slots=True)
class Change:
    """`actor` asked for it by `command`; `reason` is empty where none was given."""

    position: int
    at: int
    actor: str
    command: str
    reason: str


def begun(db: sqlite3.Connection, states: Sequence[State]) -> dict[int, Change]:
    """What recorded each of these versions, all of items or all of relations, by dense id or row. Raises JournalFailed
    where a record is not as it was written."""
    return _changes(db, {_number(state): state.born for state in states}, _BEGUN[_numbered(states)])


def ended(db: sqlite3.Connection, states: Sequence[State]) -> dict[int, Change]:
    """What ended each of them that is ended as its reader knows it."""
    return _changes(db, {_number(state): state.died for state in states if state.retired}, _ENDED[_numbered(states)])


def _number(state: State) -> int:
    return state.dense if isinstance(state, ItemState) else state.row


def _numbered(states: Sequence[State]) -> str:
    return "row" if states and isinstance(states[0], RelationState) else "dense"


def _changes(db: sqlite3.Connection, positions: Mapping[int, int], fields: Mapping[str, str]) -> dict[int, Change]:
    asked: dict[int, set[int]] = defaultdict(set)
    for number, position in positions.items():
        asked[position].add(number)
    found: dict[int, Change] = {}
    rows = db.execute(_RECORDS, (orjson.dumps(sorted(asked)).decode(),))
    for position, at, header, frames, hash_, before in rows:
        try:
            if chain(before or GENESIS, header) != hash_:
                raise ValueError
            told = orjson.loads(header)
            for number, reason in _reasons(told, frames, fields, asked[position]):
                found[number] = Change(position, at, told["actor"], told["command"], reason)
        except (ValueError, KeyError, TypeError, struct.error):
            raise JournalFailed(f"the record at position {position} is not as it was written") from None
    if len(found) < len(positions):
        raise JournalFailed("the index leads to records that do not hold what it shows")
    return found


def _reasons(
    header: dict[str, Any], frames: bytes, fields: Mapping[str, str], wanted: Set[int]
) -> Iterator[tuple[int, str]]:
    """The number of each version that is wanted of a record, and why it was begun or ended."""
    for place, structure, (salt, content) in zip(count(), header["events"], split(frames), strict=False):
        number = structure.get(fields.get(structure["t"], ""))
        if number not in wanted:
            continue
        if content is None:
            yield number, ""
            continue
        if digest(salt, content).hex() != header["digests"][place * _DIGEST : (place + 1) * _DIGEST]:
            raise ValueError
        written = orjson.loads(content_of(content)) if content else {}
        yield number, written.get("reason", "")
