"""The truth of one tenant: its records, in order, durable before anyone is told.

A SQLite file holds the records and, written in the same transaction, the index over them (`engine.index`); the head
outside it witnesses the last commit. `append` is a step of its own, so that a replicated log can take its place.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Protocol

from engine.head import Head
from engine.records import GENESIS, Sealed

SCHEMA_VERSION = 2
"""The form of the file. One of an earlier form is written anew from its records when it is opened."""
APPLICATION_ID = 0x4D656D51
_CREATE = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE records (
    position INTEGER PRIMARY KEY, at INTEGER NOT NULL, header BLOB NOT NULL, frames BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE ids (id TEXT PRIMARY KEY, root INTEGER NOT NULL, current INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE items (
    dense INTEGER PRIMARY KEY, root INTEGER NOT NULL, version INTEGER NOT NULL, kind INTEGER NOT NULL,
    owner INTEGER NOT NULL, domain INTEGER NOT NULL, stream INTEGER NOT NULL, author INTEGER NOT NULL,
    born INTEGER NOT NULL, died INTEGER NOT NULL, valid_from INTEGER NOT NULL, valid_to INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL, retired_at INTEGER NOT NULL, crc INTEGER NOT NULL, sum INTEGER NOT NULL,
    id TEXT NOT NULL, body BLOB);
CREATE INDEX versions ON items (root) WHERE version > 1;
CREATE TABLE relations (
    row INTEGER PRIMARY KEY, root INTEGER NOT NULL, version INTEGER NOT NULL, kind INTEGER NOT NULL,
    source INTEGER NOT NULL, target INTEGER NOT NULL, weight REAL NOT NULL, born INTEGER NOT NULL,
    died INTEGER NOT NULL, valid_from INTEGER NOT NULL, valid_to INTEGER NOT NULL, recorded_at INTEGER NOT NULL,
    retired_at INTEGER NOT NULL, read_version INTEGER NOT NULL, crc INTEGER NOT NULL, sum INTEGER NOT NULL,
    id TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX relation_versions ON relations (root) WHERE version > 1;
CREATE TABLE codes (code INTEGER PRIMARY KEY, crc INTEGER NOT NULL, name TEXT NOT NULL);
CREATE TABLE keys (key BLOB PRIMARY KEY, request BLOB NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE externals (scope TEXT, key TEXT, root INTEGER NOT NULL, PRIMARY KEY (scope, key)) WITHOUT ROWID;
CREATE TABLE declarations (position INTEGER PRIMARY KEY);
CREATE TABLE state (
    root INTEGER, name INTEGER, value REAL NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (root, name)) WITHOUT ROWID;
"""


_IDLE = 4
"""Reading connections that an open journal keeps while nobody uses them."""


class Outcome(Enum):
    """What became of a batch handed to a log."""

    ACKNOWLEDGED = "acknowledged"
    FENCED = "fenced"
    """Another owner has written; nothing of the batch is in the log."""
    UNKNOWN = "unknown"
    """It may or may not be in the log: open it again and look; asking again under the same key is safe."""


class Log(Protocol):
    """Where records become durable."""

    def append(self, batch: Sequence[Sealed]) -> Outcome: ...


class DiskFull(Exception):
    """Nothing of the batch was written, for want of space."""


class JournalFailed(Exception):
    """The journal cannot be read as it was written; the message is ours. See `memql verify`."""


UNREADABLE = (JournalFailed, sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged journal raises, before one door turns it into an answer. SQLite quotes damaged text in its
messages, which then are no text either."""


class Journal:
    """The open journal of one tenant. One thread writes at a time; any number may read beside it.

    Opened by `engine.recovery.open_journal` alone, which sees to it that nothing acknowledged is missing.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, uid: bytes, head: Head, last: tuple[int, int, bytes]):
        self.path = path
        self.db = db
        self.uid = uid
        self._head = head
        self.position, self.at, self.hash = last
        self._idle: list[sqlite3.Connection] = []
        self._lending = threading.Lock()
        self.closed = False

    def begin(self) -> None:
        self.db.execute("BEGIN IMMEDIATE")

    def rollback(self) -> None:
        if self.db.in_transaction:
            self.db.execute("ROLLBACK")

    def append(self, batch: Sequence[Sealed]) -> Outcome:
        """Commits the open transaction with these records, then moves the witness; returns when both are on disk."""
        try:
            self.db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", [_row(sealed) for sealed in batch])
            self.db.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self.rollback()
            if not self.db.in_transaction and ran_out_of_space(error):
                raise DiskFull from None
            return Outcome.UNKNOWN
        last = batch[-1]
        self.position, self.at, self.hash = last.position, last.at, last.hash
        try:
            self._head.advance(last.position, last.at, last.hash)
        except OSError:
            return Outcome.UNKNOWN
        return Outcome.ACKNOWLEDGED

    def rewrite(self, sealed: Sealed) -> None:
        """Replaces the frames of a record, for erasure; header and hash stay."""
        self.db.execute("UPDATE records SET frames = ? WHERE position = ?", (sealed.frames, sealed.position))

    def scrub(self) -> None:
        """Brings the main file up to date and empties SQLite's log, so that what was erased is in neither."""
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees what is committed, for one read. A few are kept for the next ones: one for each thread
        of each tenant would take more files than a process may have open."""
        with self._lending:
            if self.closed:
                raise JournalFailed("the journal is closed")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = connect(self.path)
            connection.execute("PRAGMA query_only = ON")
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lending:
            if not self.closed and len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def read(self, after: int, limit: int, most_bytes: int = 2**31) -> list[Sealed]:
        """Up to `limit` records behind the position `after`, in order; fewer where their content passes so many bytes,
        but at least one of those there are."""
        found: list[Sealed] = []
        with self.reading() as db:
            rows = db.execute(
                "SELECT position, at, header, frames, hash FROM records WHERE position > ? ORDER BY position LIMIT ?",
                (after, limit),
            )
            for row in rows:
                found.append(Sealed(*row))
                most_bytes -= len(found[-1].frames)
                if most_bytes <= 0:
                    break
            rows.close()
        return found

    def forgets_since(self, position: int) -> bool:
        """Whether something was erased, or a loss accepted, behind that position: what was known there is not all known
        any more. Headers hold no text of anybody's."""
        found = "SELECT 1 FROM records WHERE position > ? AND (instr(header, ?) OR instr(header, ?)) LIMIT 1"
        with self.reading() as db:
            return db.execute(found, (position, b'"t":"erased"', b'"t":"loss"')).fetchone() is not None

    def position_at(self, at: int) -> int:
        """The last position recorded at or before that time (0: none)."""
        low, high = 0, self.position
        last = "SELECT position, at FROM records WHERE position <= ? ORDER BY position DESC LIMIT 1"
        with self.reading() as db:
            while low < high:
                middle = (low + high + 1) // 2
                found = db.execute(last, (middle,)).fetchone()
                if found is None or found[1] <= at:
                    low = middle
                else:
                    high = found[0] - 1
            found = db.execute(last, (low,)).fetchone()
        return int(found[0]) if found else 0

    def close(self) -> None:
        if self.closed:
            return
        with self._lending:
            self.closed = True
            idle, self._idle = self._idle, []
        for connection in (*idle, self.db):
            connection.close()
        self._head.close()


def ran_out_of_space(error: Exception) -> bool:
    return isinstance(error, DiskFull) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _row(sealed: Sealed) -> tuple[int, int, bytes, bytes, bytes]:
    return sealed.position, sealed.at, sealed.header, sealed.frames, sealed.hash


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the promises that the journal makes: FULL is what makes a commit outlive a power cut."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10, cached_statements=256)
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "secure_delete = ON",
        "cell_size_check = ON",
        "cache_size = -4000",
    ):
        db.execute(f"PRAGMA {pragma}")
    return db


def create(path: Path, uid: bytes) -> sqlite3.Connection:
    """A new, empty journal file."""
    db = connect(path)
    db.execute("BEGIN IMMEDIATE")
    for statement in _CREATE.split(";"):
        db.execute(statement)
    db.execute("INSERT INTO meta VALUES ('uid', ?)", (uid,))
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    db.execute("COMMIT")
    return db


def last_of(db: sqlite3.Connection) -> tuple[int, int, bytes]:
    """Position, time and hash of the last record; those of the beginning where there is none."""
    found = db.execute("SELECT position, at, hash FROM records ORDER BY position DESC LIMIT 1").fetchone()
    match found:
        case None:
            return 0, 0, GENESIS
        case (int(position), int(at), bytes(hash_)):
            return position, at, hash_
    raise JournalFailed("the last record is not as it was written")
