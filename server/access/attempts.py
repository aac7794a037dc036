"""How often a peer has shown wrong credentials of late, so that guessing is told to stop."""

import ipaddress
from collections import OrderedDict

WINDOW_SECONDS = 60
"""Failures are counted for so long from the first of them."""


class Attempts:
    """The failures of each peer. Event loop only."""

    def __init__(self, most: int, peers: int) -> None:
        self._most = most
        self._peers = peers
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, peer: str, now: float) -> int:
        """Seconds until that peer may try again; 0: now."""
        since, count = self._failed.get(_network(peer), (now, 0))
        left = since + WINDOW_SECONDS - now
        return max(1, round(left)) if count >= self._most and left > 0 else 0

    def failed(self, peer: str, now: float) -> None:
        network = _network(peer)
        since, count = self._failed.pop(network, (now, 0))
        self._failed[network] = (now, 1) if now - since >= WINDOW_SECONDS else (since, count + 1)
        while len(self._failed) > self._peers:
            self._failed.popitem(last=False)


def _network(peer: str) -> str:
    """Who counts as one: an address, of IPv6 the network that one line gets, which has more addresses than can be
    counted."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return peer
