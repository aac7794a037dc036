"""A journal's file read from outside, record by record, and written anew from its own records.

Opens nothing for writing but a new file: whatever is found stays as it is until the new file takes its place.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from engine import head
from engine.events import ItemErased, LossAccepted
from engine.index import Index
from engine.journal import UNREADABLE, JournalFailed, connect, create
from engine.records import GENESIS, Damage, Record, Sealed, chain, spare, unseal

JOURNAL, HEAD = "journal.db", "journal.head"
SUSPECT = "journal.suspect"
"""A file that says: something in the index could not be read; derive it anew when the journal is next opened."""


def uid_of(directory: Path) -> bytes | None:
    """The tenant's uid as the journal or, failing that, its head tells it."""
    try:
        with closing(read_only(directory / JOURNAL)) as db:
            (uid,) = db.execute("SELECT value FROM meta WHERE name = 'uid'").fetchone()
            return bytes(uid)
    except (*UNREADABLE, TypeError):
        reading = head.read(directory / HEAD)
        return reading.witness.uid if reading.witness else None


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that leaves SQLite's log as it is: closing a writing one would throw damaged records away."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def walk(db: sqlite3.Connection, after: int, previous: bytes) -> Iterator[tuple[Sealed, Record] | Damage]:
    """The records behind a position, each checked against the one before it; ends at the first damage."""
    expected = after + 1
    rows = db.execute(
        "SELECT position, at, header, frames, hash FROM records WHERE position > ? ORDER BY position", (after,)
    )
    for row in rows:
        sealed = Sealed(*row)
        if not all(isinstance(part, bytes) for part in row[2:]):
            yield Damage(sealed.position, "parts of it are of another type")
            return
        if chain(previous, sealed.header) != sealed.hash:
            yield Damage(sealed.position, "it does not follow from the record before it")
            return
        record = unseal(sealed)
        if isinstance(record, Damage):
            yield record
            return
        if sealed.position != expected and not _explains(record, expected):
            yield Damage(expected, "it is missing")
            return
        yield sealed, record
        previous, expected = sealed.hash, sealed.position + 1


def _explains(record: Record, expected: int) -> bool:
    """Whether a person accepted the loss of the positions from `expected` up to this record."""
    return any(
        isinstance(event, LossAccepted) and event.kept + 1 <= expected and record.position == event.lost + 1
        for event in record.events
    )


def fits(index: Index, records: list[Record]) -> bool:
    """Whether the index shows these records: their items, relations and keys are found and are theirs."""
    erased = {event.root for record in records for event in record.events if isinstance(event, ItemErased)}
    try:
        for record in records:
            if record.key and index.asked(record.key) != (record.request, record.position):
                return False
            if not all(index.shows(event, record, erased) for event in record.events):
                return False
    except UNREADABLE:
        return False
    return True


def rebuild(
    directory: Path, *, accept: bool, uid: bytes | None = None, source: Path | None = None
) -> tuple[int, tuple[int, ...]]:
    """Writes the journal anew from its own records, with a new index, and puts it in place of the old one.

    Stops at the first damaged record: without `accept` that is a failure and changes nothing.
    """
    fresh = directory / "journal.rebuilt"
    for leftover in directory.glob("journal.rebuilt*"):
        leftover.unlink()
    kept, spoiled = 0, []
    with closing(create(fresh, uid or uid_of(directory) or b"")) as db:
        index = Index(db)
        db.execute("BEGIN IMMEDIATE")
        for sealed, record, whole in _salvaged(source or directory / JOURNAL, accept):
            db.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?)",
                (sealed.position, sealed.at, sealed.header, sealed.frames, sealed.hash),
            )
            index.apply(record, sealed)
            kept = sealed.position
            if not whole:
                spoiled.append(sealed.position)
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = DELETE")
    with suppress(*UNREADABLE), closing(connect(directory / JOURNAL)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # a log left behind would be read into the new file
    for suffix in ("-wal", "-shm"):
        (directory / f"{JOURNAL}{suffix}").unlink(missing_ok=True)
    fresh.replace(directory / JOURNAL)
    (directory / SUSPECT).unlink(missing_ok=True)
    make_names_durable(directory)
    return kept, tuple(spoiled)


def make_names_durable(directory: Path) -> None:
    """A file that was made or renamed outlives a power cut only when its directory was synced."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _salvaged(path: Path, accept: bool) -> Iterator[tuple[Sealed, Record, bool]]:
    """The records that can be kept, up to the first that cannot; False with one whose content is partly spoiled."""
    if not path.exists():
        return
    previous, after = GENESIS, 0
    with closing(read_only(path)) as db:
        while True:
            try:
                for read in walk(db, after, previous):
                    if isinstance(read, Damage):
                        break
                    yield *read, True
                    previous, after = read[0].hash, read[0].position
                else:
                    return
                if not accept:
                    raise JournalFailed(f"the record at position {read.position} is damaged: {read.what}")
                row = db.execute(
                    "SELECT position, at, header, frames, hash FROM records WHERE position = ?", (read.position,)
                ).fetchone()
            except UNREADABLE:
                if accept:
                    return
                raise
            if row is None or not isinstance(row[2], bytes) or chain(previous, row[2]) != row[4]:
                return
            sealed = spare(Sealed(*row), drop=True)
            record = unseal(sealed) if sealed else None
            if sealed is None or not isinstance(record, Record):
                return
            yield sealed, record, False
            previous, after = sealed.hash, sealed.position
