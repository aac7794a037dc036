"""Clients that vanish: connections cut in the midst of whatever they were doing, again and again.

    python -m tests.server.disconnects [--times 10000] [--at-once 50]

Prints what the server holds after each quarter of them (tasks, subscribers, channels, threads, files, objects
of Python, memory), and fails where there is more in the end than after the first, in which what is made once is made.
Somebody writes all the while, and stores grow by that. So the same is written to another server, which has no clients:
the memory of clients is by how much more the first one has grown.
"""

import argparse
import asyncio
import ctypes
import gc
import itertools
import json
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.server.served import ROOT, ask

OPERATIONS = (
    "subscription { memoryChanged { __typename ... on Message { cursor } } }",
    'subscription { memoryChanged(after: "1") { ... on MemoryChanged { memory { text history { version } } } } }',
    'subscription { itemChanged(where: {tags: {has: "kept"}}) { ... on Message { cursor } } }',
    'subscription { memqlLive(query: "LIVE MATCH (m:Memory) RETURN count(*) AS n") { ... on Message { cursor } } }',
    'subscription { memqlLive(query: "LIVE MATCH (m:Memory) RETURN m.text LIMIT 5") { ... on Message { cursor } } }',
    'subscription { searchStream(input: {text: "tea"}) { ... on SearchResults { complete } } }',
    "subscription { auditRecorded { ... on Message { cursor } } }",
    "{ memories(first: 50) { nodes { text provenance { actor } } } }",
    "subscription { nope }",
)
REMEMBERED = 4_200
"""Records, a few more than are kept in memory for who is right behind. With fewer clients memory is not judged."""
READERS = 8
"""`requests.threads`: each keeps a file and a page cache, and with so few all are there after the first quarter."""
WAYS = ("init", "subscribed", "told", "handshake", "events", "complete")
MEMORY = {"heap": 4 * 2**20, "blocks": 20_000, "memory": 8 * 2**20}
"""What three quarters may leave, beside what the other server has more: bytes of the heap in use and blocks of Python,
so half a KB and three blocks for each of 7,500 clients, while a subscription has a hundred KB; and bytes of the
process, whose pages are cut up by what comes and goes, so that with the same in use they are now fewer and now more."""
OBJECTS = 20_000
"""Those of what was written meanwhile; a subscription that is left behind has some hundred."""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class _Mallinfo(ctypes.Structure):
    _fields_ = tuple((f"f{place}", ctypes.c_size_t) for place in range(10))


def in_use() -> int:
    """Bytes of glibc's heap that somebody holds. What is free goes back first: it is nobody's."""
    libc = ctypes.CDLL(None)
    libc.malloc_trim(0)
    libc.mallinfo2.restype = _Mallinfo
    told = libc.mallinfo2()
    # Mapped one by one, and in heaps: `hblkhd` and `uordblks`.
    return int(told.f4 + told.f7)


def serve(folder: str) -> None:
    """The server, and beside it an answer to each line of input: what it holds."""
    from memql.errors import Problem
    from server import telemetry
    from server.api.streams import Streams
    from server.app import Going
    from server.app import serve as serve_it
    from server.bounds import RequestLimits
    from server.listener import listen
    from server.settings import Settings

    def started(going: Going) -> None:
        loop = asyncio.get_running_loop()

        def held() -> dict[str, int]:
            gc.collect()
            (streams,) = (each for each in gc.get_objects() if isinstance(each, Streams))
            return {
                "tasks": len(asyncio.all_tasks(loop)),
                "subscribers": streams.count,
                "channels": streams.channels,
                "connections": len(streams.connections),
                "objects": len(gc.get_objects()),
                "heap": in_use(),
                "blocks": sys.getallocatedblocks(),
                "threads": sum(not each.name.startswith("read") for each in threading.enumerate()),
            }

        async def told() -> dict[str, int]:
            return held()

        def answer() -> None:
            for _ in sys.stdin:
                say(json.dumps(asyncio.run_coroutine_threadsafe(told(), loop).result()))

        say(str(port))
        threading.Thread(target=answer, daemon=True).start()

    listener = listen("127.0.0.1", 0)
    assert not isinstance(listener, Problem)
    port = listener.getsockname()[1]
    telemetry.configure("json", "error")
    requests = RequestLimits(threads=READERS)
    serve_it(Settings(data=Path(folder), embedder="none", requests=requests), listener, started)


class Observed:
    """A server in a process of its own that says what it holds."""

    def __init__(self, folder: str) -> None:
        words = [sys.executable, "-m", "tests.server.disconnects", "--serve", folder]
        self._process = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.port = int(self._read())
        self.url = f"http://127.0.0.1:{self.port}/graphql"

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def held(self) -> dict[str, int]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        told: dict[str, int] = json.loads(self._read())
        folder = Path(f"/proc/{self._process.pid}")
        told["files"] = sum(1 for _ in (folder / "fd").iterdir())
        told["memory"] = int((folder / "statm").read_text().split()[1]) * 4096
        return told

    async def settled(self, like: dict[str, int] | None = None, seconds: float = 20) -> dict[str, int]:
        """What it holds when it has noticed that everyone is gone."""
        for _ in range(int(seconds / 0.2)):
            await asyncio.sleep(0.2)
            held = await asyncio.to_thread(self.held)
            gone = not (held["subscribers"] or held["channels"] or held["connections"])
            if gone and (like is None or not left_behind(like, held)):
                break
        return held

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=20)


def left_behind(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """What there is more of than there was, besides memory."""
    kept = {"files": READERS, "objects": OBJECTS}
    counted = before.keys() - MEMORY.keys()
    return [name for name in counted if after[name] > before[name] + kept.get(name, 0)]


async def vanish(url: str, chance: random.Random) -> None:
    """One client that is there for a moment, and then is not."""
    way, document = chance.choice(WAYS), chance.choice(OPERATIONS)
    host, port = url.removeprefix("http://").removesuffix("/graphql").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(2):
            if way == "events":
                await _ask_for_events(reader, writer, document, chance)
            else:
                await _connect(reader, writer, way, document)
        await asyncio.sleep(chance.choice((0, 0, 0.005)))
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def _connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str, document: str) -> None:
    writer.write(HANDSHAKE)
    await reader.readuntil(b"\r\n\r\n")
    if way == "handshake":
        return
    writer.write(_frame({"type": "connection_init"}))
    if way == "init":
        return
    writer.write(_frame({"type": "subscribe", "id": "1", "payload": {"query": document}}))
    if way in ("told", "complete"):
        await reader.readuntil(b'"id":"1"')
    if way == "complete":
        writer.write(_frame({"type": "complete", "id": "1"}))


async def _ask_for_events(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, document: str, chance: random.Random
) -> None:
    body = orjson.dumps({"query": document})
    head = f"POST /graphql HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\ncontent-length: {len(body)}\r\n"
    writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
    if chance.random() < 0.7:
        await reader.read(100)


HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)


def _frame(message: dict[str, Any]) -> bytes:
    """Masked, as clients must, by a mask that changes nothing."""
    text = orjson.dumps(message)
    size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + text


async def write(urls: Sequence[str]) -> None:
    """Somebody writes all the while, so that there is something to tell: the same to each server. What is new, not what
    is revised: a checkpoint of Kùzu's leaves 289 KB behind, and versions need checkpoints."""
    new = 'mutation ($text: String!) { remember(input: {text: $text, tags: ["kept"]}) { __typename } }'
    async with httpx.AsyncClient(timeout=30) as http:
        for n in itertools.count():
            for url in urls:
                await ask(http, url, new, text=f"tea {n}")
            await asyncio.sleep(0.25)


async def fill(url: str, records: int) -> None:
    """As many records as are remembered, so that those that follow take the place of others."""
    one = 'addTask(input: {title: "task"}) { __typename }'
    document = f"mutation {{ {' '.join(f'a{n}: {one}' for n in range(50))} }}"
    async with httpx.AsyncClient(timeout=60) as http:
        for _ in range(records // 50):
            await ask(http, url, document)


async def run(times: int, at_once: int, seed: int = 7) -> list[str]:
    """Lets so many vanish; what is left behind of them."""
    judged = times > REMEMBERED
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        names = ("clients", "none") if judged else ("clients",)
        servers = [Observed(f"{folder}/{name}") for name in names]
        for each in servers:
            stack.callback(each.stop)
        chance, room = random.Random(seed), asyncio.Semaphore(at_once)

        async def one() -> None:
            async with room:
                await vanish(servers[0].url, chance)

        async def many(count: int) -> None:
            writing = asyncio.create_task(write([each.url for each in servers]))
            await asyncio.gather(*(one() for _ in range(count)))
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

        for each in servers:
            async with httpx.AsyncClient() as http:
                await ask(http, each.url, 'mutation { remember(input: {text: "tea"}) { __typename } }')
            if judged:
                await fill(each.url, REMEMBERED)
        told: list[list[dict[str, int]]] = []
        for quarter in (1, 2, 3, 4):
            await many(times // 4)
            held = [await servers[0].settled(told[0][0] if told else None)]
            held += [await each.settled() for each in servers[1:]]
            told.append(held)
            say(f"after {times // 4 * quarter:,}: {held[0]}")
            for beside in held[1:]:
                say(f"  without clients: {beside}")
    (first, *_), (last, *_) = told[0], told[-1]
    left = left_behind(first, last)
    for name, most in MEMORY.items() if judged else ():
        grown, alone = (after[name] - before[name] for before, after in zip(told[0], told[-1], strict=True))
        say(f"{name} grew by {grown:,}, and by {alone:,} without clients")
        left += [name] if grown - alone > most else []
    return left


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=50)
    parser.add_argument("--serve")
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
    elif left := asyncio.run(run(given.times, given.at_once)):
        raise SystemExit(f"left behind: {', '.join(left)}")
