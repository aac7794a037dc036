"""Where the server can be reached: this machine alone, for as long as nobody has to log in."""

import ipaddress
import re
import socket

from memql.errors import Problem

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?\Z")


def is_local(host: str) -> bool:
    """Whether an address or name is this machine's own and nobody else's."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def names_this_machine(header: str) -> bool:
    """Whether a `Host` header is of this machine's own: a page of another site can make its name lead here, but not
    another name stand in the header. Programs that send none are no browsers."""
    found = _HOST.match(header)
    return not header or (found is not None and is_local(found[1]))


def listen(host: str, port: int) -> socket.socket | Problem:
    """A socket that listens there; or why none can."""
    if not is_local(host):
        message = f"`{host}` can be reached from other machines, and nobody has to log in yet"
        return Problem("NOT_LOCAL", message, "host", "use 127.0.0.1, and a tunnel or a proxy with a login of its own")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol must be named: only then does asyncio send each answer at once, not 40 ms later.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except OSError:
        listener.close()
        return Problem("PORT_TAKEN", f"port {port} of {host} can't be had", "port", "choose another with --port")
    return listener
