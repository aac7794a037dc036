"""What a subscriber to a live query is told, and the bounded queue in which it waits."""

import asyncio
import re
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from engine.execute.answer import Column
from engine.keyed import Row
from memql.errors import Refusal

_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,18})\Z")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position and a time in microseconds: what the rows were then is what a subscriber has."""

    position: int
    at: int

    def __str__(self) -> str:
        return f"{self.position}-{self.at}"

    @classmethod
    def read(cls, text: str) -> "Cursor | None":
        """The cursor that was written so; None where it is none."""
        found = _CURSOR.match(text)
        return cls(int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows. `ordered`: they have places. `why` says to who wanted to resume why it is given all of them. `turn`
    counts the answers of the query: every delta of a later turn follows it."""

    cursor: Cursor
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    ordered: bool = False
    notices: tuple[str, ...] = ()
    why: str = ""
    turn: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Delta:
    """What makes the rows of the cursor before those of this one. Where rows have places: take away the removed and the
    changed, then put in the changed and the added, the first places first."""

    cursor: Cursor
    added: tuple[Row, ...] = ()
    changed: tuple[Row, ...] = ()
    removed: tuple[str, ...] = ()
    turn: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Resume:
    """The last that is told: nothing is lost for who subscribes again after that cursor. None: from the beginning."""

    after: Cursor | None
    why: Literal["slow", "closing"]


Told: TypeAlias = Snapshot | Delta | Resume | Refusal
"""A refusal is the last that is told."""


class Subscriber:
    """One who is told. `put` from any thread; `next` in the loop in which it was made."""

    def __init__(self, after: Cursor | None, most: int) -> None:
        self.after = after
        self.ended = False
        self._most = most
        self._last = after
        self._waiting: deque[Told] = deque()
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        self._lock = threading.Lock()

    def put(self, told: Told) -> None:
        """Hands on; who does not take what waits for it is told where to resume, and nothing more."""
        with self._lock:
            if self.ended:
                return
            if isinstance(told, Snapshot | Delta):
                if len(self._waiting) >= self._most:
                    told = Resume(self._last, "slow")
                else:
                    self._last = told.cursor
            self.ended = isinstance(told, Resume | Refusal)
            self._waiting.append(told)
        with suppress(RuntimeError):  # Its loop has closed: nobody waits there.
            self._loop.call_soon_threadsafe(self._told.set)

    def close(self) -> None:
        """The tenant closes."""
        self.put(Resume(self._last, "closing"))

    async def next(self) -> Told | None:
        """What is told next; None behind the last."""
        while True:
            with self._lock:
                if self._waiting:
                    return self._waiting.popleft()
                if self.ended:
                    return None
                self._told.clear()
            await self._told.wait()
