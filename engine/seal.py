"""The seal of a store: what its files were at a position, so that damage, mixing and age are found before a read.

Kùzu, Lance and Tantivy open files in which a byte was flipped, or which belong to somebody else, without a word. So no
store's own recovery is trusted. A seal names every file with its size and digest; on opening, files that are not as
sealed make the store void (it is rebuilt from the journal), and files that came after the seal are removed (what they
held is applied again). Files need no fsync of their own: what a power cut spoils does not match its digest.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Sealing:
    """A sealed state: whose store it is, in which form it is written, and the position it shows."""

    tenant: str
    form: str
    position: int
    files: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Path below the base → size in bytes and SHA-256."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Small files that the store rewrites in place, kept whole so that they can be put back."""


class Seal:
    """The seal of one store, in a file of its own beside it.

    `base` and `pattern` say which files are the store's; `rewritten` names those that it changes in place and are
    small enough to keep a copy of. `form` changes when files of an earlier form can no longer be used.
    """

    def __init__(
        self, path: Path, *, tenant: str, form: str, base: Path, pattern: str, rewritten: Iterable[str] = ()
    ) -> None:
        self.path = path
        self.tenant = tenant
        self.form = form
        self.base = base
        self.pattern = pattern
        self.rewritten = frozenset(rewritten)
        self._known: dict[str, tuple[tuple[int, int, int], str]] = {}

    def files(self) -> dict[str, Path]:
        found = {str(p.relative_to(self.base)): p for p in self.base.glob(self.pattern) if p.is_file()}
        return dict(sorted(found.items()))

    def write(self, position: int) -> None:
        """Seals the files as they are now. The store must not write meanwhile."""
        files: dict[str, tuple[int, str]] = {}
        copies: dict[str, str] = {}
        for name, path in self.files().items():
            if path.name in self.rewritten:
                copies[name] = path.read_text()
            else:
                files[name] = self._digest(name, path)
        body = orjson.dumps(
            {"tenant": self.tenant, "form": self.form, "position": position, "files": files, "copies": copies}
        )
        staged = self.path.with_suffix(".staged")
        with staged.open("wb") as out:
            out.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            out.flush()
            os.fsync(out.fileno())
        staged.replace(self.path)

    def restore(self) -> int | None:
        """Brings the files back to the sealed state and returns its position; None where that cannot be done.

        Call it before the store is opened. After None, the store's files are not to be trusted: clear it.
        """
        sealing = read_seal(self.path)
        if sealing is None or (sealing.tenant, sealing.form) != (self.tenant, self.form):
            return None
        present = self.files()
        for name, (size, digest) in sealing.files.items():
            path = present.get(name)
            if path is None or path.stat().st_size != size or self._digest(name, path)[1] != digest:
                return None
        for name, path in present.items():
            if name not in sealing.files and name not in sealing.copies:
                path.unlink()
        for name, text in sealing.copies.items():
            (self.base / name).write_text(text)
        return sealing.position

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._known.clear()

    def _digest(self, name: str, path: Path) -> tuple[int, str]:
        """Size and digest; a file whose size, time and inode are as when last read is not read again."""
        status = path.stat()
        stamp = (status.st_size, status.st_mtime_ns, status.st_ino)
        known = self._known.get(name)
        if known and known[0] == stamp:
            return status.st_size, known[1]
        sha = hashlib.sha256()
        with path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                sha.update(chunk)
        self._known[name] = (stamp, sha.hexdigest())
        return status.st_size, sha.hexdigest()


def read_seal(path: Path) -> Sealing | None:
    """The sealing as written, or None where there is none or it is damaged. Looks at no store file."""
    try:
        stamp, body = path.read_bytes().split(b"\n", 1)
        if hashlib.sha256(body).hexdigest().encode() != stamp:
            return None
        written = orjson.loads(body)
        files = {name: (size, digest) for name, (size, digest) in written["files"].items()}
        return Sealing(written["tenant"], written["form"], written["position"], files, written["copies"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
