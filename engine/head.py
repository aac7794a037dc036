"""The witness of the last commit, outside SQLite: one flipped byte in SQLite's log silently drops what follows it.

`journal.head` says the same twice, each time with a checksum, so that a damaged copy leaves the other one.
It is written after the commit and before the acknowledgement: a journal behind its head has lost acknowledged records.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

_SLOT = struct.Struct("<8s16sQQ32s")
_SLOT_BYTES = 512
_MAGIC = b"MEMQLHD1"


@dataclass(frozen=True, slots=True)
class Witness:
    """What the head says: the tenant's uid, and the position, time and hash of the last acknowledged commit."""

    uid: bytes
    position: int
    at: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest readable copy, and how many of the two cannot be read."""

    witness: Witness | None
    spoiled: int


def read(path: Path) -> Reading:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Reading(None, 0)
    found: list[Witness] = []
    spoiled = 0
    for start in (0, _SLOT_BYTES):
        witness = _unpack(data[start : start + _SLOT_BYTES])
        if witness:
            found.append(witness)
        else:
            spoiled += 1
    return Reading(max(found, key=lambda witness: witness.position, default=None), spoiled)


def _unpack(slot: bytes) -> Witness | None:
    if len(slot) != _SLOT_BYTES:
        return None
    written, (checksum,) = slot[:-4], struct.unpack("<I", slot[-4:])
    magic, uid, position, at, hash_ = _SLOT.unpack_from(written)
    return Witness(uid, position, at, hash_) if magic == _MAGIC and zlib.crc32(written) == checksum else None


class Head:
    """The open witness file. `advance` returns when the disk has it."""

    def __init__(self, path: Path, uid: bytes) -> None:
        self._uid = uid
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DSYNC, 0o600)

    def advance(self, position: int, at: int, hash_: bytes) -> None:
        written = _SLOT.pack(_MAGIC, self._uid, position, at, hash_).ljust(_SLOT_BYTES - 4, b"\0")
        slot = written + struct.pack("<I", zlib.crc32(written))
        os.pwrite(self._file, slot + slot, 0)

    def close(self) -> None:
        os.close(self._file)
