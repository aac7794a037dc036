"""Stopping a read that nobody waits for any more: its client left, its time is over, or its task was cancelled.

A thread cannot be stopped from outside. So a read looks, whenever it looks at its deadline, whether it was asked to
stop; and what waits in another engine is interrupted there. Writes never look: what was begun is decided whole.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from memql.errors import Refusal

T = TypeVar("T")

_AGAIN = 0.05
"""Seconds after which an engine is interrupted again: between two of its statements it forgets that it was."""


class Stop:
    """Whether to stop. Asked by anyone, once and for good; looked at by the threads that work."""

    def __init__(self) -> None:
        self._within = _CURRENT.get()
        self._asked = threading.Event()
        self._because: Refusal | None = None
        self._interrupts: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @property
    def asked(self) -> bool:
        return self._asked.is_set() or (self._within is not None and self._within.asked)

    @property
    def because(self) -> Refusal | None:
        """What is said of it, where it was asked for a reason of its own."""
        return self._because or (self._within.because if self._within else None)

    def ask(self, because: Refusal | None = None) -> None:
        self._because = self._because or because
        self._asked.set()
        with self._lock:
            waiting = bool(self._interrupts)
        if waiting:
            threading.Thread(target=self._interrupt, name="interrupt", daemon=True).start()

    def _interrupt(self) -> None:
        """Until nothing waits any more."""
        while True:
            with self._lock:
                if not self._interrupts:
                    return
                for interrupt in self._interrupts:
                    interrupt()
            threading.Event().wait(_AGAIN)

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """While another engine works: it is interrupted by that, from another thread, when stopping is asked for."""
        with self._lock:
            self._interrupts.append(interrupt)
        try:
            if self._within is None:
                yield
            else:
                with self._within.interrupting(interrupt):
                    yield
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)

    @contextmanager
    def watched(self) -> Iterator["Stop"]:
        """All that is begun in here looks at this."""
        token = _CURRENT.set(self)
        try:
            yield self
        finally:
            _CURRENT.reset(token)


_CURRENT: contextvars.ContextVar[Stop | None] = contextvars.ContextVar("stop", default=None)


def current() -> Stop:
    """What this thread is to look at; what nobody can ask where nobody said."""
    return _CURRENT.get() or Stop()


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` gives, on a thread of its own. Cancelled, it asks the thread to stop and waits until it has, so that
    nothing is used any more when the caller goes on."""
    with Stop().watched() as stop:
        working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.ask()
        await asyncio.wait([working])
        if not working.cancelled():
            working.exception()
        raise
