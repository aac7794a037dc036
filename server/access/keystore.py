"""The keys that were given out, in one file of the data directory; the secret that their digests are made with lies in
a file of its own, so that neither is of use alone.

Keeps no key. What was found good lately is known from memory, and forgotten the moment that it is revoked here; that a
key was used is written down once in a while, never for each request.
"""

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import orjson

from engine.clock import Clock
from memql.errors import Problem, Reason, Refusal, not_found, unavailable
from server.access import form
from server.identity import Identity, Role, Scope, Sort, acting

T = TypeVar("T")

FILE, SECRET_FILE = "keys.db", "keys.secret"
FOLDED_SECONDS = 60
"""How often it is written down that keys were used."""
REVOKED_DAYS = 90
"""How long a key that was revoked or has expired is still told of."""
_DAY = 86_400_000_000
_SECRET_BYTES = 32
_WITNESS = "memql keys"

_TABLES = """
CREATE TABLE IF NOT EXISTS secret (digest BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, digest BLOB NOT NULL, name TEXT NOT NULL, tenant TEXT, principal TEXT NOT NULL,
    sort TEXT NOT NULL, owners TEXT NOT NULL, role TEXT NOT NULL, scopes TEXT NOT NULL, created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL, expires_at INTEGER, used_at INTEGER, revoked_at INTEGER, follows TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS keys_of_tenant ON keys (tenant);
"""


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key. Times are in microseconds since 1970; `tenant` None is any; `follows` is the key that it
    took the place of."""

    id: str
    name: str
    tenant: str | None
    principal: str
    sort: Sort
    owners: frozenset[str]
    role: Role
    scopes: frozenset[Scope]
    created_by: str
    created_at: int
    expires_at: int | None = None
    used_at: int | None = None
    revoked_at: int | None = None
    follows: str | None = None

    def ended(self, now: int) -> str:
        """Why it is good no more; empty while it is."""
        if self.revoked_at is not None:
            return "this key was revoked"
        return "this key has expired" if self.expires_at is not None and self.expires_at <= now else ""

    @property
    def identity(self) -> Identity:
        by = acting(self.principal, self.owners, self.scopes)
        return Identity(by, self.scopes, self.tenant, self.expires_at, f"key:{self.id}", self.role, self.sort)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key, and how it is written: shown this once."""

    key: Key
    written: str


class KeyStore:
    """The keys of one data directory. Any thread; the file is opened at first need."""

    def __init__(self, data: Path, clock: Clock, *, cached: int, most: int) -> None:
        """`most` bounds the keys that one tenant may have at once."""
        self._data = data
        self._clock = clock
        self._cached = cached
        self._most = most
        self._opening = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._secret = b""
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[bytes, Key]] = OrderedDict()
        self._changes = 0
        self._used: dict[str, int] = {}
        self._folded = clock.monotonic()

    # Who shows a key

    def known(self, written: str) -> Key | None:
        """The key, where it was found good lately; touches no file."""
        id_ = form.id_of(written)
        kept = self._known.get(id_) if id_ else None
        return kept[1] if kept and form.same(kept[0], form.digest(self._secret, written)) else None

    def find(self, written: str) -> Key | Refusal | None:
        """The key that is written so, whether or not it is still good; None: there is no such key."""
        if found := self.known(written):
            return found
        id_ = form.id_of(written)
        if id_ is None:
            return None
        with self._lock:
            changes = self._changes
        found_row = self._within(lambda db: db.execute("SELECT * FROM keys WHERE id = ?", (id_,)).fetchone())
        if found_row is None or isinstance(found_row, Refusal):
            return found_row
        if not form.same(found_row["digest"], form.digest(self._secret, written)):
            return None
        key = _key(found_row)
        with self._lock:
            if changes == self._changes:  # else it may have been revoked since it was read
                self._known[id_] = found_row["digest"], key
                while len(self._known) > self._cached:
                    self._known.popitem(last=False)
        return key

    def is_good(self, written: str) -> bool | Refusal:
        """Whether who shows this would be let in."""
        key = self.find(written)
        return key if isinstance(key, Refusal) else key is not None and not key.ended(self._clock.now())

    def good(self, ids: frozenset[str]) -> frozenset[str] | Refusal:
        """Those of these keys that are good now, as the file has it."""
        asked = """
            SELECT id FROM keys WHERE id IN (SELECT value FROM json_each(?))
            AND revoked_at IS NULL AND ifnull(expires_at > ?, 1)
        """
        given = orjson.dumps(sorted(ids)).decode(), self._clock.now()
        rows = self._within(lambda db: db.execute(asked, given).fetchall())
        return rows if isinstance(rows, Refusal) else frozenset(row["id"] for row in rows)

    def used(self, key: Key) -> bool:
        """Notes that the key was used now; whether it is time to `fold`."""
        self._used[key.id] = self._clock.now()
        return self._clock.monotonic() - self._folded >= FOLDED_SECONDS

    def fold(self) -> None:
        """Writes down when keys were last used."""
        self._folded = self._clock.monotonic()
        used, self._used = self._used, {}
        if used:
            self._within(lambda db: db.executemany("UPDATE keys SET used_at = ? WHERE id = ?",
                                                   [(at, id_) for id_, at in used.items()]))  # fmt: skip

    # Who gives them out

    def create(
        self, name: str, tenant: str | None, principal: str, role: Role, *, by: str, sort: Sort = Sort.USER,
        owners: frozenset[str] = frozenset(), scopes: frozenset[Scope], expires_at: int | None = None,
    ) -> NewKey | Refusal:  # fmt: skip
        now = self._clock.now()

        def work(db: sqlite3.Connection) -> NewKey | Refusal:
            db.execute("DELETE FROM keys WHERE min(ifnull(revoked_at, ?1), ifnull(expires_at, ?1)) < ?1 - ?2",
                       (now, REVOKED_DAYS * _DAY))  # fmt: skip
            good = "revoked_at IS NULL AND ifnull(expires_at > ?2, 1)"
            (count,) = db.execute(f"SELECT count(*) FROM keys WHERE tenant IS ?1 AND {good}", (tenant, now)).fetchone()
            if count >= self._most:
                message = f"there are as many keys as `auth.keys` allows ({self._most:,})"
                problem = Problem("LIMIT_EXCEEDED", message, "", "revoke some, or raise `auth.keys`")
                return Refusal(Reason.LIMIT, (problem,))
            new = Key("", name, tenant, principal, sort, owners, role, scopes, by, now, expires_at)
            return self._written(db, new)

        return self._within(work)

    def rotate(self, id_: str, tenant: str | None, *, by: str, overlap: int) -> NewKey | Refusal:
        """A new key like that one, which itself stays good for the overlap, in microseconds, and no longer."""
        now = self._clock.now()

        def work(db: sqlite3.Connection) -> NewKey | Refusal:
            key = _held(db, id_, tenant)
            if isinstance(key, Refusal):
                return key
            if why := key.ended(now):
                return Refusal(Reason.CONFLICT, (Problem("KEY_ENDED", why, "id", "create a new one"),))
            until = min(now + overlap, key.expires_at or now + overlap)
            db.execute("UPDATE keys SET expires_at = ? WHERE id = ?", (until, id_))
            lasting = key.expires_at and now + key.expires_at - key.created_at
            made = replace(key, created_by=by, created_at=now, expires_at=lasting, used_at=None, follows=id_)
            return self._written(db, made)

        made = self._within(work)
        self._forget()
        return made

    def revoke(self, id_: str, tenant: str | None) -> Key | Refusal:
        """The key as it is from now on: good for nothing, in this process at once. Again is once."""
        now = self._clock.now()

        def work(db: sqlite3.Connection) -> Key | Refusal:
            key = _held(db, id_, tenant)
            if isinstance(key, Refusal) or key.revoked_at is not None:
                return key
            db.execute("UPDATE keys SET revoked_at = ? WHERE id = ?", (now, id_))
            return replace(key, revoked_at=now)

        revoked = self._within(work)
        self._forget()
        return revoked

    def of(self, tenant: str | None, *, every: bool = False) -> list[Key] | Refusal:
        """The keys of a tenant, the newest first; `every`: those also that are of no tenant alone."""
        asked = "SELECT * FROM keys WHERE tenant = ?1 OR (?2 AND tenant IS NULL) ORDER BY created_at DESC, id"
        rows = self._within(lambda db: db.execute(asked, (tenant, every)).fetchall())
        if isinstance(rows, Refusal):
            return rows
        keys = map(_key, rows)
        return [replace(key, used_at=self._used.get(key.id, key.used_at)) for key in keys]

    def forget_tenant(self, tenant: str) -> Refusal | None:
        """Removes every key of a tenant that is deleted: who gets its name next must not be asked by them."""
        removed = self._within(lambda db: db.execute("DELETE FROM keys WHERE tenant = ?", (tenant,)).rowcount)
        self._forget()
        return removed if isinstance(removed, Refusal) else None

    def close(self) -> None:
        if self._db is not None:
            self.fold()
            self._db.close()
            self._db = None

    # The file

    def _written(self, db: sqlite3.Connection, like: Key) -> NewKey:
        id_, written = form.made(self._clock.entropy(form.ID_BYTES + form.SECRET_BYTES))
        key = replace(like, id=id_)
        db.execute(f"INSERT INTO keys VALUES ({', '.join('?' * 15)})", (
            key.id, form.digest(self._secret, written), key.name, key.tenant, key.principal, key.sort.value,
            orjson.dumps(sorted(key.owners)).decode(), key.role.value,
            orjson.dumps(sorted(scope.value for scope in key.scopes)).decode(), key.created_by, key.created_at,
            key.expires_at, None, None, key.follows,
        ))  # fmt: skip
        return NewKey(key, written)

    def _forget(self) -> None:
        with self._lock:
            self._changes += 1
            self._known.clear()

    def _within(self, work: Callable[[sqlite3.Connection], T]) -> T | Refusal:
        """What `work` gives, in one transaction; or why the file is of no use."""
        with self._opening:
            try:
                self._db = self._db or self._open()
                with _transaction(self._db) as db:
                    return work(db)
            except _Mismatch:
                message = f"{SECRET_FILE} is not the one that the keys were made with"
                return unavailable("KEYS_UNREADABLE", message, f"put the right one back, or delete {FILE}")
            except (sqlite3.Error, OSError):
                message = f"{FILE} in the data directory can't be used"
                return unavailable("KEYS_UNREADABLE", message, "check who may write it, and that the disk is sound")

    def _open(self) -> sqlite3.Connection:
        path = self._data / FILE
        self._secret = _secret(self._data / SECRET_FILE, self._clock)
        # Before SQLite makes it: its log gets the rights of the file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(_TABLES)
            witness = form.digest(self._secret, _WITNESS)
            kept = db.execute("SELECT digest FROM secret").fetchone()
            if kept is None:
                db.execute("INSERT INTO secret VALUES (?)", (witness,))
            elif not form.same(kept["digest"], witness):
                raise _Mismatch
        except BaseException:
            db.close()
            raise
        return db


class _Mismatch(Exception):
    """The secret is another than the one that the digests were made with."""


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _secret(path: Path, clock: Clock) -> bytes:
    """The secret of this data directory, made where there is none."""
    kept(path, clock.entropy(_SECRET_BYTES))
    secret = path.read_bytes()
    if len(secret) != _SECRET_BYTES:
        raise _Mismatch
    return secret


def kept(path: Path, content: bytes) -> bool:
    """Whether the file is made now, whole and for its owner's eyes alone; one that is there stays as it is."""
    draft = path.with_suffix(f"{path.suffix}.new")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, content)
        os.fsync(file)
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        os.close(file)
        draft.unlink()
    return True


def _held(db: sqlite3.Connection, id_: str, tenant: str | None) -> Key | Refusal:
    """The key of that id, for who administers that tenant (None: all of them)."""
    row = db.execute("SELECT * FROM keys WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)", (id_, tenant)).fetchone()
    return _key(row) if row else not_found("key", id_[:80], "id")


def _key(row: Mapping[str, Any]) -> Key:
    return Key(
        row["id"], row["name"], row["tenant"], row["principal"], Sort(row["sort"]),
        frozenset(orjson.loads(row["owners"])), Role(row["role"]), frozenset(map(Scope, orjson.loads(row["scopes"]))),
        row["created_by"], row["created_at"], row["expires_at"], row["used_at"], row["revoked_at"], row["follows"],
    )  # fmt: skip
