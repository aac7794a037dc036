"""The contract of every way to look at the journal: graph, vectors, texts.

A projection remembers the position that it shows, applies each record once however often it is handed in, and can be
thrown away and rebuilt with the same answers. What it cannot apply, it raises as `Unapplied`: the journal is not wrong,
so the projection is cleared and rebuilt.
"""

from collections.abc import Sequence
from typing import Protocol

from engine.records import Record


class Unapplied(Exception):
    """A committed record could not be applied to a store; the message is ours, never the store's."""


class Projection(Protocol):
    """One store of one tenant. Called by one thread at a time, except for its reads."""

    name: str

    @property
    def position(self) -> int:
        """The position that reads show."""
        ...

    def load(self) -> None:
        """Does what opening put off, so that reads which need other stores do not wait for it. Called once, first."""
        ...

    def apply(self, records: Sequence[Record]) -> None:
        """Takes the records after those already taken, in order; skips what it has. May gather before showing."""
        ...

    def settle(self) -> None:
        """Shows everything that was applied: after it, `position` is that of the last record applied."""
        ...

    def seal(self) -> None:
        """Settles, and makes what is on disk the state to which a crash returns."""
        ...

    def clear(self) -> None:
        """Forgets everything, back to position 0, and removes its files."""
        ...

    def close(self) -> None:
        """Seals and lets go of files and memory."""
        ...
