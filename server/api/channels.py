"""One subscription carried on for all who ask the same: a channel, and those who listen to it.

Each message has its turn. A listener takes those behind its own and no others, so that nothing is lost or doubled at
the joint between what it was told alone and what all are told. Nobody waits for it: what it does not take is bounded.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Turn: TypeAlias = tuple[int, int]
"""When something is told, among all that a channel tells."""


class Place(NamedTuple):
    """A turn, and the cursor behind which one goes on there."""

    turn: Turn
    cursor: str | None = None


NOWHERE = Place((-1, 0))
END: Turn = (2**62, 0)
"""The turn of what is told last, whatever it is."""

Why: TypeAlias = Literal["slow", "closing"]


@dataclass(slots=True, eq=False)
class Listener:
    """One who is told by a channel what comes behind where it is: up to `most` messages wait for it, no more."""

    most: int
    at: Place = NOWHERE
    """Where it is by what it was told for itself alone."""
    why: Why | None = None
    """Why it is told no more, though there is more."""
    _last: Place = NOWHERE
    _waiting: deque[tuple[Turn, str]] = field(default_factory=deque)
    _ended: bool = False
    _wake: "asyncio.Future[None] | None" = None

    @property
    def cursor(self) -> str | None:
        """Where to go on behind all that was told, and waits."""
        return max(self.at, self._last, key=lambda place: place.turn).cursor

    def put(self, place: Place, text: str) -> None:
        if self._ended or place.turn <= self.at.turn:
            return
        if len(self._waiting) >= self.most:
            self.end("slow")
            return
        self._last = place
        self._waiting.append((place.turn, text))
        self._call()

    def end(self, why: Why | None = None) -> None:
        """What waits is taken yet, and nothing more comes."""
        if not self._ended:
            self._ended, self.why = True, why
            self._call()

    def _call(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def next(self) -> str | None:
        """The next message; None behind the last."""
        while True:
            while self._waiting:
                turn, text = self._waiting.popleft()
                if turn > self.at.turn:
                    return text
            if self._ended:
                return None
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake


class Channel:
    """One operation carried on for all its listeners, as long as there are any."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self.turn: Turn = NOWHERE.turn
        """Whatever is of this turn or an earlier one has been told to all who listened."""
        self.begun = asyncio.Event()
        self.opening = asyncio.Lock()
        """For sources in which each who opens takes a place that is not the channel's."""
        self.ended = False
        self.task: asyncio.Task[None] | None = None
        self._listeners: set[Listener] = set()
        self._last: str | None = None
        self._left = ended

    def join(self, most: int) -> Listener:
        listener = Listener(most)
        self._listeners.add(listener)
        if self._last is not None:
            listener.put(Place(END), self._last)
        if self.ended:
            listener.end()
        return listener

    def leave(self, listener: Listener) -> None:
        listener.end()
        self._listeners.discard(listener)
        if not self._listeners and not self.ended:
            self.end()
            if self.task:
                self.task.cancel()

    def tell(self, place: Place, text: str) -> None:
        if place.turn == END:
            self._last = text
        else:
            self.turn = place.turn
        for listener in self._listeners:
            listener.put(place, text)

    def end(self) -> None:
        """Nothing more comes. Whoever was not told why is told where to go on."""
        self.ended = True
        self.begun.set()
        self._left()
        for listener in self._listeners:
            listener.end(None if self._last is not None else "closing")
