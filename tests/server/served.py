"""A server in a process of its own, as a person runs it, and a light client of its WebSockets."""

import asyncio
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

ROOT = Path(__file__).parents[2]
PROTOCOL = Subprotocol("graphql-transport-ws")


class Served:
    """`memql serve` on a data directory; started again, it is on the same port."""

    def __init__(self, data: Path, **settings: object) -> None:
        self.data = data
        self.port = 0
        self._settings = {"embedder": "none", "log_level": "error", **settings}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        words = [word for name, value in self._settings.items() for word in ("--set", f"{name}={value}")]
        flags = ["--no-demo", "--data", str(self.data), "--port", str(self.port), *words]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve", *flags],
            cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        found = re.search(r":(\d+)/graphql", self._process.stdout.readline())
        assert found, "the server says where it is"
        self.port = int(found[1])
        # What it says besides is nobody's to read, and must not fill the pipe.
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    def kill(self) -> None:
        """As a crash does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As Ctrl-C does."""
        self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    @property
    def files(self) -> int:
        """File descriptors that it holds."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    @property
    def memory(self) -> int:
        """Bytes of memory that it holds."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def seconds(self) -> float:
        """Of a processor, that it used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def ask(http: httpx.AsyncClient, url: str, query: str, **variables: Any) -> dict[str, Any]:
    """The data of what must succeed."""
    body = (await http.post(url, json={"query": query, "variables": variables})).json()
    assert "errors" not in body, body
    data: dict[str, Any] = body["data"]
    return data


class Socket:
    """One connection, one reader at a time."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._ids = itertools.count(1)

    async def send(self, message: Mapping[str, Any]) -> None:
        await self.connection.send(orjson.dumps(message).decode())

    async def subscribe(self, query: str, /, **variables: Any) -> str:
        id_ = str(next(self._ids))
        await self.send({"type": "subscribe", "id": id_, "payload": {"query": query, "variables": variables}})
        return id_

    async def next(self, seconds: float = 10) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def closed(self) -> tuple[int, str]:
        """With what the server closes the connection, whatever it says before."""
        return await closed(self.connection)

    async def data(self) -> Any:
        """What the one field of the next message says."""
        message = await self.next()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        return value


async def closed(connection: ClientConnection, seconds: float = 10) -> tuple[int, str]:
    """With what the server closes it."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(seconds):
            while True:
                await connection.recv()
    return connection.close_code or 0, connection.close_reason or ""


@asynccontextmanager
async def connected(
    url: str, payload: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> AsyncIterator[Socket]:
    """A connection that was acknowledged."""
    address = url.replace("http", "ws", 1)
    async with connect(address, subprotocols=[PROTOCOL], additional_headers=headers, compression=None) as connection:
        socket = Socket(connection)
        await socket.send({"type": "connection_init", **({"payload": payload} if payload is not None else {})})
        assert (await socket.next())["type"] == "connection_ack"
        yield socket
