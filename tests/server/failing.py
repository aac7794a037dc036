"""What clients have to live with: a wire that is cut before the answer, and a stream that breaks off in the middle."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

MARK = b"cut-once"


@contextmanager
def wire(port: int) -> Iterator[str]:
    """The address of a wire to a server. A request in which `cut-once` stands reaches it, and its first answer does
    not come back; asked the same again, it does."""
    seen: Counter[bytes] = Counter()
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listening, port, seen), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        # Only that ends an `accept` that is under way.
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def _accept(listening: socket.socket, port: int, seen: Counter[bytes]) -> None:
    with suppress(OSError):
        while True:
            near, _ = listening.accept()
            threading.Thread(target=_carry, args=(near, port, seen), daemon=True).start()


def _carry(near: socket.socket, port: int, seen: Counter[bytes]) -> None:
    far = socket.create_connection(("127.0.0.1", port))
    cut = threading.Event()
    threading.Thread(target=_back, args=(far, near, cut), daemon=True).start()
    with suppress(OSError):
        while data := near.recv(65536):
            if MARK in data:
                word = data[data.index(MARK) :].split(b'"')[0]
                seen[word] += 1
                if seen[word] == 1:
                    cut.set()
            far.sendall(data)
        far.shutdown(socket.SHUT_WR)


def _back(far: socket.socket, near: socket.socket, cut: threading.Event) -> None:
    with suppress(OSError):
        while data := far.recv(65536):
            if cut.is_set():
                break
            near.sendall(data)
    for each in (near, far):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


LAST = 12
"""So many ticks there are."""


class Ticks(BaseHTTPRequestHandler):
    """Tells numbers as server-sent events, from behind `after` on, in GraphQL over SSE's distinct mode. It breaks off
    after each third message, each time in another way; it is busy at first, and knows a token for one connection."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[dict[str, Any]]] = []
    """What came, with the token that it came with."""

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        token = self.headers.get("authorization", "")
        number = len(self.asked)
        self.asked.append({**body["variables"], "token": token})
        if number == 0:
            self._answer(503, {}, {"retry-after": "0"})
        elif any(each["token"] == token for each in self.asked[1:-1]) and token:
            self._answer(401, {"errors": [{"message": "it is over", "extensions": {"code": "UNAUTHENTICATED"}}]})
        else:
            self._stream(int(body["variables"].get("from") or 0))

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        text = json.dumps(body).encode() if body else b"come back later"
        self.send_response(status)
        for name, value in {"content-length": str(len(text)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def _stream(self, after: int) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._send(b": a sign of life\n\n")
        for tick in range(after + 1, min(after + 3, LAST) + 1):
            told = {"__typename": "Tick", "cursor": str(tick), "n": tick, "said": "tick\u2028é"}
            said = json.dumps({"data": {"ticks": told}}, ensure_ascii=False)
            text = f"event: next\r\ndata: {said}\r\n\r\n".encode()
            # In two pieces, the first of which ends within a character.
            place = text.index("é".encode()) + 1
            self._send(text[:place])
            self._send(text[place:])
        if after + 3 >= LAST:
            self._send(b"event: complete\ndata:\n\n")
            self._send(b"")
        elif after == 0:
            ended = {"data": {"ticks": {"__typename": "GoOn", "after": str(after + 3)}}}
            self._send(b"event: next\ndata: " + json.dumps(ended).encode() + b"\n\nevent: complete\n\n")
            self._send(b"")
        elif after == 3:
            over = {"errors": [{"message": "it is over", "extensions": {"code": "EXPIRED", "requestId": "r1"}}]}
            self._send(b"event: next\ndata: " + json.dumps(over).encode() + b"\n\nevent: complete\n\n")
            self._send(b"")
        else:
            self.wfile.write(b"40\r\nevent: ne")
            self.close_connection = True

    def _send(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


@contextmanager
def ticking() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server that ticks, and what it was asked."""

    class Own(Ticks):
        asked: ClassVar[list[dict[str, Any]]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", Own.asked
    finally:
        server.shutdown()
        server.server_close()
