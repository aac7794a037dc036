"""Opening a journal so that nothing acknowledged is missing; verifying it; going on after a loss.

Three things bear witness to what was acknowledged: the journal, its head, and the seals of the stores. Where the
journal is behind one of the others the disk has lost records: opening refuses, changes nothing, names both positions.
What is only derived (the index) is mended without asking. What is lost, a person accepts with `recover --accept-loss`.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from engine import head
from engine.clock import Clock
from engine.events import ItemErased, LossAccepted
from engine.index import Index
from engine.journal import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    UNREADABLE,
    Journal,
    connect,
    create,
    last_of,
    ran_out_of_space,
)
from engine.records import GENESIS, Damage, Record, seal, spare
from engine.salvage import HEAD, JOURNAL, SUSPECT, fits, make_names_durable, read_only, rebuild, uid_of, walk
from engine.seal import read_seal

EVIDENCE = "evidence"
SEALS = ("graph.seal", "vectors.seal", "text.seal")
TAIL_RECORDS = 200
"""Records checked whenever a journal is opened: what a crash or a failing disk spoils first."""

SMALLEST = 4_096
"""Bytes of the smallest journal: one page."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Damaged:
    """Why a journal was not opened. `held` is the last position it has, `witnessed` the one it should have."""

    code: str
    message: str
    held: int
    witnessed: int

    def __str__(self) -> str:
        return f"{self.code}: {self.message} (journal at {self.held:,}, witnessed {self.witnessed:,})"


def open_journal(directory: Path, clock: Clock) -> tuple[Journal, Index] | Damaged:
    """The journal of the tenant in that directory, made if there is nothing there at all."""
    path = directory / JOURNAL
    try:
        found = _inspect(directory)
        if isinstance(found, Damaged):
            return found
        if found is None:
            path.unlink(missing_ok=True)
            create(path, clock.entropy(16)).close()
        elif not found:
            rebuild(directory, accept=False)
        return _opened(directory)
    except UNREADABLE as error:
        witnessed = _witnessed(directory)[0]
        if ran_out_of_space(error):
            return Damaged("DISK_FULL", "there is no space to open the journal", 0, witnessed)
        return Damaged("JOURNAL_UNREADABLE", "the journal's file is not as it was written", 0, witnessed)


def rebuild_index(directory: Path) -> Damaged | None:
    """Derives the index anew from the records of a journal that is not open; or why the records cannot be read."""
    try:
        rebuild(directory, accept=False)
    except UNREADABLE:
        return Damaged("JOURNAL_UNREADABLE", "the records are not as they were written", 0, _witnessed(directory)[0])
    return None


def _opened(directory: Path) -> tuple[Journal, Index]:
    db = connect(directory / JOURNAL)
    (uid,) = db.execute("SELECT value FROM meta WHERE name = 'uid'").fetchone()
    witness = head.Head(directory / HEAD, uid)
    last = last_of(db)
    witness.advance(*last)
    make_names_durable(directory)
    return Journal(directory / JOURNAL, db, uid, witness, last), Index(db)


def _witnessed(directory: Path) -> tuple[int, str]:
    """The furthest position that anything beside the journal knows of, and what knows it."""
    reading = head.read(directory / HEAD)
    furthest = (reading.witness.position, HEAD) if reading.witness else (0, HEAD)
    uid = uid_of(directory)
    for name in SEALS:
        sealing = read_seal(directory / name)
        if sealing and (uid is None or sealing.tenant == uid.hex()):
            furthest = max(furthest, (sealing.position, name))
    return furthest


def _inspect(directory: Path) -> Damaged | bool | None:
    """Damage; or whether the index fits the records; or None where there is no journal and never was one."""
    path = directory / JOURNAL
    witnessed, witness = _witnessed(directory)
    reading = head.read(directory / HEAD)
    if not path.exists() or path.stat().st_size == 0:
        if witnessed or reading.spoiled:
            return Damaged("JOURNAL_LOST", f"journal.db is gone, but {witness} is there", 0, witnessed)
        return None
    if not _begins_as_a_database(path):
        return Damaged("JOURNAL_UNREADABLE", "the beginning of journal.db is not as it was written", 0, witnessed)
    with closing(read_only(path)) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone():
            if witnessed:
                return Damaged("JOURNAL_LOST", f"journal.db is empty, but {witness} is there", 0, witnessed)
            return None
        if misfit := _foreign(db):
            return replace(misfit, witnessed=witnessed)
        (uid,) = db.execute("SELECT value FROM meta WHERE name = 'uid'").fetchone() or (None,)
        if uid is None:
            return Damaged("JOURNAL_UNREADABLE", "journal.db no longer says whose it is", 0, witnessed)
        position, _, _ = last_of(db)
        if reading.witness is None and position:
            what = "cannot be read" if reading.spoiled else "is gone"
            return Damaged(
                "HEAD_LOST", f"journal.head {what}: nothing shows that the journal is whole", position, witnessed
            )
        if reading.witness and reading.witness.uid != uid:
            return Damaged("HEAD_FOREIGN", "journal.head is another tenant's", position, witnessed)
        if position < witnessed:
            message = f"acknowledged records are missing: the journal is behind {witness}"
            return Damaged("RECORDS_LOST", message, position, witnessed)
        if reading.witness and not _has(db, reading.witness):
            message = "the record that journal.head names is not the one that was acknowledged"
            return Damaged("RECORDS_CHANGED", message, position, witnessed)
        whole = _tail(db, position, witnessed)
        if isinstance(whole, Damaged):
            return whole
        (form,) = db.execute("PRAGMA user_version").fetchone()
        return whole and form == SCHEMA_VERSION and not (directory / SUSPECT).exists()


def _begins_as_a_database(path: Path) -> bool:
    """SQLite throws the log of a file away that is too short to be a database, and with it the records."""
    with path.open("rb") as file:
        return path.stat().st_size >= SMALLEST and file.read(16) == b"SQLite format 3\0"


def _foreign(db: sqlite3.Connection) -> Damaged | None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        return Damaged("JOURNAL_UNREADABLE", "journal.db is no journal of MemQL", 0, 0)
    if version > SCHEMA_VERSION:
        message = f"journal.db has form {version}; this MemQL reads up to {SCHEMA_VERSION}: use a newer one"
        return Damaged("JOURNAL_NEWER", message, 0, 0)
    return None


def _has(db: sqlite3.Connection, witness: head.Witness) -> bool:
    if witness.position == 0:
        return witness.hash == GENESIS
    found = db.execute("SELECT hash FROM records WHERE position = ?", (witness.position,)).fetchone()
    return found is not None and found[0] == witness.hash


def _tail(db: sqlite3.Connection, position: int, witnessed: int) -> Damaged | bool:
    """Whether the index fits the last records; damage where they are not as written."""
    first = db.execute(
        "SELECT min(position) FROM (SELECT position FROM records ORDER BY position DESC LIMIT ?)", (TAIL_RECORDS,)
    ).fetchone()[0]
    found = db.execute(
        "SELECT hash FROM records WHERE position < ? ORDER BY position DESC LIMIT 1", (first,)
    ).fetchone()
    records: list[Record] = []
    for read in walk(db, (first or 1) - 1, found[0] if found else GENESIS):
        if isinstance(read, Damage):
            message = f"the record at position {read.position} is damaged: {read.what}"
            return Damaged("RECORD_DAMAGED", message, position, max(witnessed, position))
        records.append(read[1])
    return fits(Index(db), records)


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found: the records read, and the first position that is not as it was written, if any."""

    records: int
    position: int
    hash: bytes
    damage: Damage | None
    damaged: Damaged | None
    index_fits: bool

    @property
    def sound(self) -> bool:
        return self.damage is None and self.damaged is None


def verify(directory: Path, progress: Progress = lambda done, total: None) -> Verification:
    """Reads every record of a journal that is not open elsewhere, and compares the index with them. Changes nothing."""
    try:
        damaged = _inspect(directory)
    except UNREADABLE:
        damaged = Damaged(
            "JOURNAL_UNREADABLE", "the journal's file is not as it was written", 0, _witnessed(directory)[0]
        )
    refused = damaged if isinstance(damaged, Damaged) else None
    if damaged is None or (refused and refused.code in ("JOURNAL_LOST", "JOURNAL_UNREADABLE", "JOURNAL_NEWER")):
        return Verification(0, 0, GENESIS, None, refused, True)
    count, last, gone, gaps, whole = 0, (0, GENESIS), set[int](), dict[int, str](), True
    with closing(read_only(directory / JOURNAL)) as db:
        index, (total,) = Index(db), db.execute("SELECT count(*) FROM records").fetchone()
        try:
            for read in walk(db, 0, GENESIS):
                if isinstance(read, Damage):
                    return Verification(count, last[0], last[1], read, refused, whole)
                sealed, record = read
                for event in record.events:
                    gone |= set(event.positions if isinstance(event, ItemErased) else ())
                    gone |= set(event.spoiled if isinstance(event, LossAccepted) else ())
                if spare(sealed):
                    gaps[sealed.position] = "content is missing that nobody erased"
                whole = whole and fits(index, [record])
                count, last = count + 1, (sealed.position, sealed.hash)
                progress(count, total)
        except UNREADABLE:
            return Verification(count, last[0], last[1], Damage(last[0] + 1, "it cannot be read"), refused, whole)
    missing = sorted(gaps.keys() - gone)
    damage = Damage(missing[0], gaps[missing[0]]) if missing else None
    return Verification(count, last[0], last[1], damage, refused, whole)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What `accept_loss` did: the last position kept, the last one lost, and where the evidence lies."""

    kept: int
    lost: int
    spoiled: tuple[int, ...]
    evidence: Path


def accept_loss(directory: Path, clock: Clock, actor: str) -> Recovery:
    """Goes on with the records that are left, as a person decided, and records that they did. The damaged files are
    kept under `evidence/`; lost positions are never given again; the stores are to be rebuilt."""
    witnessed, _ = _witnessed(directory)
    uid = uid_of(directory) or clock.entropy(16)
    evidence = _keep_evidence(directory, clock)
    kept, spoiled = rebuild(directory, accept=True, uid=uid, source=evidence / JOURNAL)
    for name in SEALS:
        (directory / name).unlink(missing_ok=True)
    (directory / HEAD).unlink(missing_ok=True)
    journal, index = _opened(directory)
    with closing(journal):
        lost = max(witnessed, journal.position)
        record = Record(
            lost + 1, max(clock.now(), journal.at + 1), actor, "AcceptLoss", (LossAccepted(kept, lost, spoiled),)
        )
        sealed = seal(record, journal.hash, clock.entropy)
        journal.begin()
        index.apply(record, sealed)
        journal.append([sealed])
    return Recovery(kept, lost, spoiled, evidence)


def _keep_evidence(directory: Path, clock: Clock) -> Path:
    evidence = directory / EVIDENCE / str(clock.now())
    evidence.mkdir(parents=True)
    for name in (JOURNAL, f"{JOURNAL}-wal", HEAD, *SEALS):
        if (directory / name).exists():
            shutil.copy2(directory / name, evidence / name)
    return evidence
