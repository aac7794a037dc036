"""Who has a data directory: one process at a time, since both graph engines would silently let a second one in.

The lock is the system's and ends with its process, in whatever way that ends; what is written in its file, who and
where, counts only while somebody holds it.
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True)
class Locked:
    """Another process has the data directory. `url` is where it serves it, if it does."""

    directory: Path
    pid: int
    command: str
    url: str = ""

    def __str__(self) -> str:
        return (
            f"DATA_LOCKED: {self.directory} is in use by process {self.pid} ({self.command}); "
            "stop it, or use another directory with --data"
        )


class DataLock:
    """Holds a data directory for this process until closed, or until the process ends in whatever way."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def take(cls, directory: Path, command: str, url: str = "") -> "DataLock | Locked":
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(os.pread(handle, 4096, 0))
            os.close(handle)
            return Locked(directory, *holder)
        os.ftruncate(handle, 0)
        os.pwrite(handle, orjson.dumps({"pid": os.getpid(), "command": command, "url": url}), 0)
        return cls(handle)

    def close(self) -> None:
        os.ftruncate(self._handle, 0)
        os.close(self._handle)


def _holder(written: bytes) -> tuple[int, str, str]:
    try:
        holder = orjson.loads(written)
        return int(holder["pid"]), str(holder["command"]), str(holder.get("url", ""))
    except (ValueError, KeyError, TypeError):
        return 0, "which has only just begun", ""
