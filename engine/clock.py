"""Time, chance and ids: the only door by which they come in. Everything else takes them as arguments."""

import os
import time
from typing import Protocol

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [high + low for high in _CROCKFORD for low in _CROCKFORD]


class Clock(Protocol):
    """What the engine asks of the world."""

    def now(self) -> int:
        """Microseconds since 1970 in UTC; may step back, as wall clocks do."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back, for deadlines."""
        ...

    def entropy(self, count: int) -> bytes:
        """Bytes that nobody can guess."""
        ...


class SystemClock:
    def now(self) -> int:
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        return time.monotonic()

    def entropy(self, count: int) -> bytes:
        return os.urandom(count)


def ulid(at: int, entropy: bytes) -> str:
    """26 characters of Crockford's base 32: 48 bits of milliseconds, then 80 bits of chance."""
    number = (at // 1_000) << 80 | int.from_bytes(entropy[:10], "big")
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def mint(prefix: str, at: int, entropy: bytes) -> str:
    """A public id: the kind's prefix and a ULID, so that ids of one kind sort by the time they were made."""
    return f"{prefix}_{ulid(at, entropy)}"
