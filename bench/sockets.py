"""Clients that cost little, so that a bench measures the server: a WebSocket's frames and HTTP's answers, read by hand.

Only what the server here sends is understood: whole unmasked frames, and answers with a content-length.
"""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import orjson

FRESH = 3
"""Seconds after which a connection is not used again: the server closes it a little later."""


class Listening(asyncio.Protocol):
    """A WebSocket by graphql-transport-ws: `told` is called with each message."""

    def __init__(self, told: Callable[[dict[str, Any]], None]) -> None:
        self._told = told
        self._data = bytearray()
        self._open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(
            b"GET /graphql HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
        )

    def send(self, message: dict[str, Any]) -> None:
        self._frame(0x81, orjson.dumps(message))

    def _frame(self, head: int, text: bytes) -> None:
        mask = os.urandom(4)
        size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(text))
        assert self._transport is not None
        self._transport.write(bytes([head]) + size + mask + masked)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._open:
            _, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            self._open, self._data = True, rest
            self.send({"type": "connection_init"})
        while (found := self._next()) is not None:
            head, text = found
            if head == 0x81:
                self._told(orjson.loads(text))
            elif head == 0x89:
                self._frame(0x8A, text)

    def _next(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        size, at = data[1], 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        if len(data) < at + size:
            return None
        head, text = data[0], bytes(data[at : at + size])
        del data[: at + size]
        return head, text

    def close(self) -> None:
        if self._transport:
            self._transport.abort()


class Asking:
    """One HTTP connection, on which one asks after the other."""

    def __init__(self, host: str, port: int) -> None:
        self._at = host, port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []

    async def ask(self, query: str, **variables: Any) -> Any:
        """The data of what must succeed."""
        body = orjson.dumps({"query": query, "variables": variables})
        while self._free and time.monotonic() - self._free[-1][2] > FRESH:
            self._free.pop()[1].close()
        reader, writer = self._free.pop()[:2] if self._free else await asyncio.open_connection(*self._at)
        head = f"POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        size = int(answer.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        found = orjson.loads(await reader.readexactly(size))
        self._free.append((reader, writer, time.monotonic()))
        assert "errors" not in found, found
        return found["data"]

    def close(self) -> None:
        for _, writer, _ in self._free:
            writer.close()
