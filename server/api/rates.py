"""How much one principal may ask in a minute, counted by what it costs.

A moving window, kept by the package `limits` in memory. It counts portions of a thousandth of the limit, which are
taken out one or more at a time and spent from here: most requests only subtract a number, and a window has a thousand
entries at most. What is left of a portion is lost when too many others have asked since.
"""

from collections import OrderedDict

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

SECONDS = 60
PORTIONS = 1_000
KEPT = 10_000
"""Principals whose open portions are kept."""


class Rates:
    def __init__(self, most: int) -> None:
        """`most` is what each may ask a minute; 0: as much as it likes."""
        self.most = most
        self._portion = max(1, -(-most // PORTIONS))
        self._window = RateLimitItemPerMinute(max(1, most // self._portion))
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._open: OrderedDict[str, int] = OrderedDict()

    def spend(self, key: str, cost: int) -> int:
        """0 if it may be asked; else how many milliseconds to wait."""
        if not self.most:
            return 0
        left = self._open.get(key, 0) - cost
        if left < 0:
            portions = -(left // self._portion)
            if not self._limiter.hit(self._window, key, cost=portions):
                return self._wait(key, portions)
            left += portions * self._portion
        self._open[key] = left
        self._open.move_to_end(key)
        if len(self._open) > KEPT:
            self._open.popitem(last=False)
        return 0

    def left(self, key: str) -> int:
        return self._limiter.get_window_stats(self._window, key).remaining * self._portion + self._open.get(key, 0)

    def _wait(self, key: str, portions: int) -> int:
        """Until so many portions are free: the entry that stands in the way is a minute old then."""
        if portions > self._window.amount:
            return SECONDS * 1_000
        # The window of nobody begins now: this is the package's own clock.
        now, _ = self._storage.get_moving_window("", 1, SECONDS)
        entries = self._storage.events[self._window.key_for(key)]
        return max(1, round((entries[self._window.amount - portions].atime + SECONDS - now) * 1_000) + 1)
