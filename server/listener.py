"""Where the server can be reached, by which names, and what must be so before other machines can reach it."""

import ipaddress
import re
import socket
import ssl
from collections.abc import Collection
from functools import lru_cache

from memql.errors import Problem
from server.authentication import members
from server.settings import Settings

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?\Z")
_ANYWHERE = ("0.0.0.0", "::")  # what it is called to listen on every address


@lru_cache(maxsize=64)
def is_local(host: str) -> bool:
    """Whether an address or name is this machine's own and nobody else's."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def answers_to(header: str, names: Collection[str]) -> bool:
    """Whether a `Host` header is of this machine's own or one of these names: a page of another site can make its name
    lead here, but not another name stand in the header. Programs that send none are no browsers."""
    found = _HOST.match(header)
    return not header or (found is not None and (is_local(found[1]) or found[1].lower() in names))


def names(settings: Settings) -> frozenset[str]:
    """What it is called beside this machine's own names."""
    told = {each.lower() for each in members(settings.hosts)}
    address = settings.host.strip("[]")
    if not is_local(address) and address not in _ANYWHERE:
        told.add(f"[{address}]" if ":" in address else address.lower())
    return frozenset(told)


def address(settings: Settings, host: str, port: int) -> str:
    """Where whoever is at this machine finds it: by the name of its certificate where it shows one."""
    if settings.tls.certificate and (told := members(settings.hosts)):
        return f"https://{told[0]}:{port}"
    scheme = "https" if settings.tls.certificate else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def exposed(settings: Settings) -> list[Problem]:
    """Why it must not listen where it is told to, with what it is told."""
    tls = settings.tls
    problems: list[Problem] = []
    if (tls.certificate is None) != (tls.key is None):
        missing = "tls.key" if tls.certificate else "tls.certificate"
        problems.append(Problem("SETTING_INVALID", "a certificate and its key belong together", missing, "give both"))
    elif tls.certificate and tls.key:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key, password="")
        except (OSError, ValueError):
            message = f"{tls.certificate} and {tls.key} are no certificate and its key that can be read"
            problems.append(Problem("TLS_UNUSABLE", message, "tls", "PEM, the key without a password"))
    if is_local(settings.host):
        return problems
    if tls.certificate is None and not settings.auth.plain_http:
        message = f"`{settings.host}` can be reached from other machines, and keys would travel in the clear"
        hint = "set tls.certificate and tls.key, or auth.plain_http=true where a proxy in front does TLS"
        problems.append(Problem("PLAIN_HTTP", message, "host", hint))
    if not names(settings):
        message = f"`{settings.host}` is no name, so it must be said by which names the server may be asked"
        problems.append(Problem("HOSTS_MISSING", message, "hosts", "such as hosts=memql.example.org"))
    return problems


def listen(host: str, port: int) -> socket.socket | Problem:
    """A socket that listens there; or why none can."""
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
