"""What GraphQL costs beside a handler written by hand for the same question, from the same loaded rows. One run.

    python bench/graphql.py [--times 60] [--requests 400]

The real schema with all its limits, real items in a real tenant. In process: `schema.execute` and the encoding of its
answer beside rows → dicts → orjson; what the rows cost to load, and the objects to make of them, is told apart. Over
HTTP: a server of ours on loopback beside a Starlette application of one route that answers the same bytes; process CPU
of the server, storage left out of both (the rows are loaded once), then in both.
"""

import argparse
import asyncio
import gc
import http.client
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

# Where a file is run Python looks for modules first, and here `graphql` and `memql` are benchmarks.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.measure import CLOCK, folder, say, text, verdict
from engine.commands import Command, Relate, Remember
from engine.decide.view import ItemState, RelationState
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant
from memql.errors import Refusal
from memql.values import iso
from server.api.answers import Answer
from server.api.context import Context
from server.api.cursors import Cursor
from server.api.schema import make_schema
from server.app import assemble
from server.bounds import RequestLimits
from server.identity import LOCAL
from server.settings import Settings
from server.telemetry import configure

ROWS, HUBS, RELATIONS = 1_000, 50, 20
LIMITS = Limits(read_rows=2_000, wait_ms=600_000)
PLAIN = "id kind version text author importance"
QUERIES = {
    "1,000 nodes of 6 fields": f"{{ memories(first: 1000) {{ nodes {{ {PLAIN} }} }} }}",
    "50 nodes of 20 relations": f"{{ memories(first: {HUBS}) {{ nodes {{ id text relations(first: {RELATIONS}) "
    "{ nodes { id kind weight target { id kind } } } } } }",
    "1,000 nodes with times and enums": f"{{ memories(first: 1000) {{ nodes {{ {PLAIN} domain validFrom recordedAt "
    "} } }",
    "a connection of 1,000 edges": f"{{ memories(first: 1000) {{ edges {{ cursor node {{ {PLAIN} }} }} pageInfo "
    "{ hasNextPage endCursor } position } }",
}
MOST = {"1,000 nodes with times and enums": 4.0}
"""How often the hand-written one's cost at most, in process; else twice."""


class Loaded(NamedTuple):
    """What a handler has before it makes an answer."""

    position: int
    memories: list[ItemState]
    cursors: list[str]
    relations: dict[int, list[RelationState]]
    ends: dict[int, ItemState]


# The tenant


def filled(path: Path) -> None:
    """Memories, the first of them with relations to others."""
    tenant = opened(path)
    chance = np.random.default_rng(7)
    said = [text(chance) for _ in range(ROWS)]
    ids = [written(tenant, Remember(text=each, author="Ada", importance=0.5, tags=("a",))) for each in said]
    for n, hub in enumerate(ids[:HUBS]):
        for target in ids[HUBS + n : HUBS + n + RELATIONS]:
            written(tenant, Relate(source=hub, kind="SUPPORTS", target=target, weight=0.5))
    assert tenant.settled(600)
    tenant.close()


def opened(path: Path) -> Tenant:
    tenant = Tenant.open("default", path, clock=CLOCK, limits=LIMITS)
    assert isinstance(tenant, Tenant), tenant
    return tenant


def written(tenant: Tenant, command: Command) -> str:
    receipt = tenant.write_now(command, LOCAL.by)
    assert isinstance(receipt, Receipt), receipt
    return receipt.ids[0]


# By hand


def loaded(name: str, reader: Reader) -> Loaded:
    """The rows that a question needs, and no others."""
    many = "relations" in name
    denses = np.flatnonzero(reader.scope.of_kind("Memory"))[: HUBS if many else ROWS]
    memories = reader.items(denses.tolist())
    if not many:
        cursors = [str(Cursor(reader.position, each.dense)) for each in memories] if "edges" in name else []
        return Loaded(reader.position, memories, cursors, {}, {})
    steps = reader.expand([each.root for each in memories], "any")
    assert not isinstance(steps, Refusal)
    relations = {each.row: each for each in reader.relations(steps.rows.tolist())}
    of: dict[int, list[RelationState]] = {each.root: [] for each in memories}
    for row, origin in sorted(zip(steps.rows.tolist(), steps.origins.tolist(), strict=True)):
        of[origin].append(relations[row])
    ends = {end.root: end for end in reader.lasting(each.target for each in relations.values())}
    return Loaded(reader.position, memories, [], of, ends)


def plain_dict(of: ItemState) -> dict[str, Any]:
    says = of.properties
    return {
        "id": of.id, "kind": of.kind, "version": of.version, "text": says.get("text"), "author": says.get("author"),
        "importance": says.get("importance"),
    }  # fmt: skip


def timed_dict(of: ItemState) -> dict[str, Any]:
    says = of.properties
    return {
        "id": of.id, "kind": of.kind, "version": of.version, "text": says.get("text"), "author": says.get("author"),
        "importance": says.get("importance"), "domain": of.domain.upper(), "validFrom": iso(of.valid_from),
        "recordedAt": iso(of.recorded_at),
    }  # fmt: skip


def hub_dict(of: ItemState, relations: Iterable[RelationState], ends: Mapping[int, ItemState]) -> dict[str, Any]:
    shown = []
    for each in relations:
        end = ends[each.target]
        told = {"id": each.id, "kind": each.kind, "weight": each.weight, "target": {"id": end.id, "kind": end.kind}}
        shown.append(told)
    return {"id": of.id, "text": of.properties.get("text"), "relations": {"nodes": shown}}


def by_hand(name: str, rows: Loaded) -> bytes:
    position, memories, cursors, relations, ends = rows
    page: dict[str, Any]
    if "edges" in name:
        edges = [{"cursor": at, "node": plain_dict(of)} for at, of in zip(cursors, memories, strict=True)]
        page = {"edges": edges, "pageInfo": {"hasNextPage": False, "endCursor": cursors[-1]}, "position": position}
    elif "relations" in name:
        page = {"nodes": [hub_dict(of, relations[of.root][:RELATIONS], ends) for of in memories]}
    elif "times" in name:
        page = {"nodes": [timed_dict(of) for of in memories]}
    else:
        page = {"nodes": [plain_dict(of) for of in memories]}
    return orjson.dumps({"data": {"memories": page}})


# In process


class Kept:
    """A request whose one read was made before: what `Context` is without storage."""

    identity = LOCAL

    def __init__(self, answer: object) -> None:
        self._answer = answer

    async def read(self, ask: object, when: object, needs: object = ()) -> Any:
        return self._answer


class Reading:
    """A request that is read where it is asked, and keeps what was found."""

    identity = LOCAL

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self.answer: Any = None

    async def read(self, ask: Callable[[Answer], Any], when: object, needs: object = ()) -> Any:
        self.answer = self._tenant.read_now(lambda reader: ask(Answer(reader, RequestLimits())), LOCAL.by)
        assert not isinstance(self.answer, Refusal), self.answer
        return self.answer


async def medians(times: int, *works: Callable[[], Awaitable[object]]) -> list[float]:
    """Milliseconds of process CPU of each, the median of so many runs in the loop that is running, as a server's is.
    They take turns: what else the machine does disturbs all of them."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for work, each in zip(works, taken, strict=True):
            began = time.process_time()
            await work()
            each.append(time.process_time() - began)
    return [statistics.median(each) * 1e3 for each in taken]


async def in_process(path: Path, times: int) -> None:
    tenant, schema = opened(path), make_schema(RequestLimits())
    gc.set_threshold(200_000, 50, 100)  # as the server has it

    async def ask(query: str, context: Any) -> bytes:
        result = await schema.execute(query, context_value=context)
        assert not result.errors, result.errors
        return orjson.dumps({"data": result.data})

    async def read(query: str) -> bytes:
        return await ask(query, Reading(tenant))

    async def hand(name: str, rows: Loaded) -> bytes:
        return by_hand(name, rows)

    async def load(name: str) -> object:
        return tenant.read_now(partial(loaded, name), LOCAL.by)

    say("in process, CPU of one answer")
    for name, query in QUERIES.items():
        rows = tenant.read_now(partial(loaded, name), LOCAL.by)
        assert not isinstance(rows, Refusal)
        reading = Reading(tenant)
        told = await ask(query, reading)
        expected = by_hand(name, rows)
        assert orjson.loads(told) == orjson.loads(expected), (told[:500], expected[:500])
        ours, floor = await medians(times, partial(ask, query, Kept(reading.answer)), partial(hand, name, rows))
        verdict(name, ours, floor, MOST.get(name, 2.0), "ms")
        storage, whole = await medians(times // 3, partial(load, name), partial(read, query))
        say(f"    loading the rows: {storage:.2f} ms; rows loaded, objects made and answered: {whole:.2f} ms")
    (tiny,) = await medians(times * 10, partial(ask, "{ __typename }", None))
    verdict("{ __typename } with every limit", tiny, 0.15, 1.0, "ms")
    tenant.close()


# Over HTTP


async def _kept(self: Context, ask: Callable[[Answer], Any], when: object, needs: Iterable[Any] = ()) -> Any:
    """What was read before for as many rows: an answer holds all that the questions here ask of them. The tenant is
    taken all the same, as by every request."""
    code, cells = ask.__code__, ask.__closure__ or ()
    rows = cells[code.co_freevars.index("listing")].cell_contents.paging.first
    tenant = await self._take(create=False)
    assert isinstance(tenant, Tenant), tenant
    if rows not in _ANSWERS:
        _ANSWERS[rows] = await tenant.read(lambda reader: ask(self.answer(reader)), self.by)
    return _ANSWERS[rows]


_ANSWERS: dict[object, Any] = {}


def serve_ours(path: Path, port: int, storage: bool) -> None:
    """The server as `memql serve` runs it; without storage, each question is read once."""
    if not storage:
        Context.read = _kept  # type: ignore[assignment, method-assign]
    configure("json", "info")
    settings = Settings(data=path, limits=LIMITS, embedder="none")
    run(assemble(settings, CLOCK, None), port)


def serve_plain(path: Path, port: int, storage: bool) -> None:
    """One route, which answers by hand."""
    tenant = opened(path / "tenants" / "default")
    rows = {name: tenant.read_now(partial(loaded, name), LOCAL.by) for name in QUERIES}
    named = {query: name for name, query in QUERIES.items()}

    async def graphql(request: Request) -> Response:
        name = named[orjson.loads(await request.body())["query"]]
        found = await tenant.read(partial(loaded, name), LOCAL.by) if storage else rows[name]
        assert not isinstance(found, Refusal)
        return Response(by_hand(name, found), media_type="application/json")

    gc.set_threshold(200_000, 50, 100)
    run(Starlette(routes=[Route("/graphql", graphql, methods=["POST"])]), port)


def run(app: Starlette, port: int) -> None:
    uvicorn.run(app, port=port, log_config=None, access_log=False, server_header=False, ws="none")


def cpu_of(pid: int) -> float:
    """Milliseconds of CPU that a process has used, all its threads."""
    used = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        used += int((task / "schedstat").read_text().split()[0])
    return used / 1e6


def asked(kind: str, path: Path, storage: bool, requests: int) -> dict[str, tuple[float, bytes]]:
    """Of each question the milliseconds a request takes of that server, and its answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--serve", kind, "--data", str(path), "--port", str(port)]
    server = subprocess.Popen([*command, *(["--storage"] if storage else [])], stderr=subprocess.DEVNULL)
    found = {}
    try:
        connection = _until_up(port)
        for name, query in QUERIES.items():
            body = orjson.dumps({"query": query})

            def post(body: bytes = body) -> bytes:
                connection.request("POST", "/graphql", body, {"content-type": "application/json"})
                answer = connection.getresponse().read()
                assert answer.startswith(b'{"data"'), answer[:300]
                return answer

            answer = post()
            for _ in range(20):
                post()
            taken = []
            for _ in range(max(requests // 20, 3)):
                before = cpu_of(server.pid)
                for _ in range(20):
                    post()
                taken.append((cpu_of(server.pid) - before) / 20)
            found[name] = statistics.median(taken), answer
    finally:
        server.terminate()
        server.wait(30)
    return found


def _until_up(port: int) -> http.client.HTTPConnection:
    for _ in range(300):
        try:
            connection = http.client.HTTPConnection("localhost", port)
            connection.connect()
        except OSError:
            time.sleep(0.1)
        else:
            return connection
    raise TimeoutError("the server did not start")


def over_http(path: Path, requests: int) -> None:
    for storage in (False, True):
        say(f"over HTTP, CPU of the server for one request, {'storage in both' if storage else 'rows loaded before'}")
        ours, plain = asked("ours", path, storage, requests), asked("plain", path, storage, requests)
        for name in QUERIES:
            assert orjson.loads(ours[name][1]) == orjson.loads(plain[name][1]), name
            verdict(name, ours[name][0], plain[name][0], 2.5, "ms")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=60)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--serve", choices=("ours", "plain"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--port", type=int)
    parser.add_argument("--storage", action="store_true")
    options = parser.parse_args(arguments)
    if options.serve:
        {"ours": serve_ours, "plain": serve_plain}[options.serve](options.data, options.port, options.storage)
        return
    say(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with folder() as path:
        tenant = path / "tenants" / "default"
        tenant.parent.mkdir()
        filled(tenant)
        asyncio.run(in_process(tenant, options.times))
        over_http(path, options.requests)


if __name__ == "__main__":
    main(sys.argv[1:])
