"""How often somebody has done something of late: shown wrong credentials, or asked at all.

Not the package `limits`, which counts what principals spend: its memory has no bound on whom it counts, and here
anybody is counted who can open a connection.
"""

import ipaddress
from collections import OrderedDict

WINDOW_SECONDS = 60
"""What is counted is forgotten so long after the first of it."""


class Tally:
    """Counts of each, up to `most` in a minute, of so many at once: the oldest are forgotten. Event loop only."""

    def __init__(self, most: int, kept: int) -> None:
        self._most = most
        self._kept = kept
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, who: str, now: float) -> int:
        """Seconds until they may do it again; 0: now."""
        since, count = self._counts.get(who, (now, 0))
        left = since + WINDOW_SECONDS - now
        return max(1, round(left)) if count >= self._most and left > 0 else 0

    def count(self, who: str, now: float) -> None:
        since, count = self._counts.pop(who, (now, 0))
        self._counts[who] = (now, 1) if now - since >= WINDOW_SECONDS else (since, count + 1)
        while len(self._counts) > self._kept:
            self._counts.popitem(last=False)


def network(peer: str) -> str:
    """Who counts as one: an address, of IPv6 the network that one line gets, which has more addresses than can be
    counted."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return peer
