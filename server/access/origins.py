"""Where a request says that it comes from: a browser's page, or a proxy that speaks for somebody else.

Whether a page may ask is decided here for every door: HTTP requests, also those that browsers send without asking
first, and WebSocket handshakes, which they never ask about.
"""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from memql.errors import Problem

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?\Z")
_FORWARDING = ("forwarded", "via", "x-real-ip")
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def misnamed(allowed: Collection[str]) -> list[Problem]:
    """Those of the allowed origins that no browser would send."""
    return [
        Problem("SETTING_INVALID", f"`{origin}` is no origin", "auth.origins", "such as https://console.example")
        for origin in allowed
        if not _ORIGIN.match(origin)
    ]


def may_ask(headers: Headers, allowed: Collection[str]) -> bool:
    """Whether the page that a browser asks for is one of this server's own or of an allowed origin. Programs that name
    no origin are no browsers."""
    origin = headers.get("origin")
    return origin is None or is_own(origin, headers.get("host", "")) or origin in allowed


def is_own(origin: str, host: str) -> bool:
    """Whether a page of that origin came from the host that the request is for; TLS may end at a proxy, so the scheme
    only says which port is meant."""
    try:
        page = urlsplit(origin)
        port = page.port or _PORTS.get(page.scheme)
        asked = urlsplit(f"//{host}")
        return bool(page.hostname) and page.hostname == asked.hostname and port == (asked.port or _PORTS[page.scheme])
    except (ValueError, KeyError):
        return False


def is_for_others(headers: Headers) -> bool:
    """Whether a proxy sends this, on behalf of somebody who is not known to be here."""
    return any(name in _FORWARDING or name.startswith("x-forwarded") for name in headers)


def is_foreign_page(headers: Headers) -> bool:
    """Whether a browser sends this for a page that is not this server's own, as far as it says so: some requests carry
    no origin, but say that they cross sites."""
    origin = headers.get("origin")
    crossing = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    return crossing or (origin is not None and not is_own(origin, headers.get("host", "")))
