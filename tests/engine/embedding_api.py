"""An embedding API on this machine's loopback, on real sockets: answers as it is told, well or badly. Its vectors say
nothing about meaning: they tell which text they were made for."""

import json
import socketserver
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

WIDTH = 8


def vector(text: str) -> list[float]:
    """Of length 3, in one of eight directions by the text's length."""
    return [3.0 if place == len(text) % WIDTH else 0.0 for place in range(WIDTH)]


@dataclass
class Told:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        texts: list[str] = self.body["input"]
        return texts


Answer = Callable[["Asked"], None]


class Asked(BaseHTTPRequestHandler):
    """Answers one request by the next line of the script, or well."""

    protocol_version = "HTTP/1.1"
    server: "_Server"
    told: Told

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.told = Told(self.path, {key.lower(): value for key, value in self.headers.items()}, body)
        self.server.api.requests.append(self.told)
        script = self.server.api.script
        (script.popleft() if script else well)(self)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
        """Tests print nothing."""

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    api: "Api"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up on it is the one that is tested."""


@dataclass
class Api:
    url: str
    script: deque[Answer] = field(default_factory=deque)
    requests: list[Told] = field(default_factory=list)


@contextmanager
def served() -> Iterator[Api]:
    with _Server(("127.0.0.1", 0), Asked) as server:
        server.api = Api(f"http://127.0.0.1:{server.server_address[1]}/v1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.api
        finally:
            server.shutdown()
            thread.join()


# Lines of a script


def body(asked: Asked, **changed: Any) -> dict[str, Any]:
    """A right answer, but for what is changed. Its vectors are in another order than the texts: `index` tells."""
    data = [{"object": "embedding", "index": n, "embedding": vector(t)} for n, t in enumerate(asked.told.texts)]
    right = {"object": "list", "model": "m", "data": data[::-1], "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    return right | changed


def well(asked: Asked) -> None:
    asked.send(200, json.dumps(body(asked)).encode())


def other(**changed: Any) -> Answer:
    """An answer that is right but for some of its fields."""
    return lambda asked: asked.send(200, json.dumps(body(asked, **changed)).encode())


def vectors(*rows: Any) -> Answer:
    """An answer with these vectors."""
    return other(data=[{"index": n, "embedding": row} for n, row in enumerate(rows)])


def status(code: int, error: dict[str, Any] | None = None, **headers: str) -> Answer:
    said = {"error": {"message": "secret words of the API", "type": "x", **(error or {})}}
    return lambda asked: asked.send(code, json.dumps(said).encode(), **headers)


def raw(content: bytes) -> Answer:
    return lambda asked: asked.send(200, content)


def cut(asked: Asked) -> None:
    """Half of what was announced, then the end of the connection."""
    content = json.dumps(body(asked)).encode()
    asked.send_response(200)
    asked.send_header("content-length", str(len(content)))
    asked.end_headers()
    asked.wfile.write(content[: len(content) // 2])
    asked.close_connection = True


def hung_up(asked: Asked) -> None:
    """No word at all."""
    asked.close_connection = True


def silent(seconds: float) -> Answer:
    return lambda asked: time.sleep(seconds)


def dripping(asked: Asked) -> None:
    """A byte now and then, for ever: no single read takes long."""
    asked.send_response(200)
    asked.end_headers()
    for _ in range(600):
        asked.wfile.write(b" ")
        asked.wfile.flush()
        time.sleep(0.05)


def endless(asked: Asked) -> None:
    """Far more bytes than any vectors have."""
    asked.send_response(200)
    asked.end_headers()
    for _ in range(200):
        asked.wfile.write(b"1," * 500_000)
