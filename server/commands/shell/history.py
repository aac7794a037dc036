"""What was entered before, kept in a file that its owner alone can read, and no longer than is of use."""

import os
from collections.abc import Iterable
from pathlib import Path

import orjson
from prompt_toolkit.history import History

ENTRIES = 2_000
"""Entries that are kept: months of work; loading them takes no time that is felt."""
ENTRY_BYTES = 65_536
"""Longest entry that is kept: as long as a query may be."""


class BoundedHistory(History):
    """A line of JSON for each entry, the latest last. Where the file can't be used there is none, and no complaint:
    history is a comfort."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def load_history_strings(self) -> Iterable[str]:
        """The latest first."""
        entries = self._read()
        if len(entries) > ENTRIES:
            entries = entries[-ENTRIES:]
            self._write(entries)
        return reversed(entries)

    def store_string(self, string: str) -> None:
        line = orjson.dumps(string, option=orjson.OPT_APPEND_NEWLINE)
        if len(line) > ENTRY_BYTES:
            return
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
                os.fchmod(file.fileno(), 0o600)  # Also one that was there before.
                file.write(line)
        except OSError:
            return

    def _read(self) -> list[str]:
        try:
            lines = self._file.read_bytes().splitlines()
        except OSError:
            return []
        entries = []
        for line in lines:
            try:
                entry = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue  # Cut off by a crash, or somebody else's.
            if isinstance(entry, str):
                entries.append(entry)
        return entries

    def _write(self, entries: list[str]) -> None:
        """All in place of what was there: a crash leaves the one or the other."""
        fresh = self._file.with_suffix(".new")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.writelines(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE) for entry in entries)
            fresh.replace(self._file)
        except OSError:
            return
