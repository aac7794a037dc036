"""The server: the one place where things are put together, and where they are taken apart again.

Answers only to its own names, or a page of another site could reach it through a name that was made to lead here; and
to no page of another origin that was not allowed.
"""

import asyncio
import ctypes
import gc
import os
import re
import resource
import socket
import threading
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from html import escape
from typing import TypeAlias

import orjson
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from engine.clock import Clock, SystemClock, ulid
from engine.embed import Embedder
from engine.tenants import Tenants
from server import __version__
from server.access import keystore
from server.access.gate import Gate
from server.access.origins import may_ask
from server.api.context import Desk
from server.api.streams import Streams
from server.authentication import members
from server.embedding import chosen, warm
from server.endpoint import TENANT_HEADER, Endpoint
from server.health import livez, readyz
from server.listener import answers_to, is_local, names
from server.responses import OUR_MISTAKE, error_response
from server.settings import Settings
from server.sockets import Protocol

log = structlog.get_logger("memql")

SHUTDOWN_SECONDS = 10
"""How long requests that are being answered have when the server is told to stop."""
FAREWELL_SECONDS = 3
"""How long subscribers have, before that, to take what waits for them and to be told where to go on."""

_REQUEST_ID = re.compile(r"[\w.:-]{1,100}\Z", re.ASCII)


def make_app(settings: Settings, tenants: Tenants, clock: Clock, *, alone: bool = False) -> Starlette:
    """The application on tenants that are there; it closes them when it ends. `alone`: it listens to nobody, and is one
    command's own."""
    keys = keystore(settings, clock)
    desk = Desk(tenants, keys)
    gate = Gate(settings.auth, keys, clock, here=alone or is_local(settings.host))
    endpoint = Endpoint(desk, gate, settings.tenant, settings.requests)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # Reads that wait for a position hold a thread each: Python's usual handful would be all taken at once.
        readers = ThreadPoolExecutor(settings.requests.threads, thread_name_prefix="read")
        asyncio.get_running_loop().set_default_executor(readers)
        try:
            yield
        finally:
            await endpoint.streams.close(0)
            await asyncio.to_thread(tenants.close)
            await asyncio.to_thread(keys.close)

    app = Starlette(
        routes=[
            Route("/graphql", endpoint),
            WebSocketRoute("/graphql", endpoint),
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/", welcome),
        ],
        exception_handlers={HTTPException: _not_here},
        lifespan=lifespan,
    )
    app.state.desk, app.state.settings, app.state.identify = desk, settings, gate
    app.state.streams = endpoint.streams
    origins = members(settings.auth.origins)
    if origins:
        # No cookie is ever looked at, so that no page can use what a browser holds: it shows a key of its own.
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", TENANT_HEADER, "x-request-id"],
            expose_headers=["x-request-id", "retry-after"],
        )  # fmt: skip
    app.add_middleware(Requests, clock=clock, names=names(settings), origins=frozenset(origins))
    return app


class Requests:
    """Gives each request an id, writes one line about it, and refuses those that call this server by another name, or
    for a page of an origin that is not allowed."""

    def __init__(self, app: ASGIApp, clock: Clock, names: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self._app = app
        self._clock = clock
        self._names = names
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        given = connection.headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else ulid(self._clock.now(), self._clock.entropy(10))
        connection.state.request_id = request_id
        began, status = self._clock.monotonic(), 0

        async def answering(message: Message) -> None:
            nonlocal status
            match message["type"]:
                case "http.response.start" | "websocket.http.response.start":
                    status = message["status"]
                case "websocket.accept":
                    status = 101
                case "websocket.close":
                    status = message["code"]
            if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._answerer(connection)(scope, receive, answering)
            except Exception as error:
                log.error("a request failed", exc_info=error)
                if not status:
                    await _denied(error_response(500, "INTERNAL", OUR_MISTAKE, request_id))(scope, receive, answering)
                elif scope["type"] == "websocket" and status == 101:
                    with suppress(RuntimeError):
                        await answering({"type": "websocket.close", "code": 1011, "reason": OUR_MISTAKE})
            log.info(
                "request",
                method=scope.get("method", "WEBSOCKET"),
                path=scope["path"],
                status=status,
                ms=round((self._clock.monotonic() - began) * 1000, 1),
                tenant=connection.headers.get(TENANT_HEADER),
            )

    def _answerer(self, connection: HTTPConnection) -> ASGIApp:
        against = self._against(connection)
        return _denied(error_response(*against, connection.state.request_id)) if against else self._app

    def _against(self, connection: HTTPConnection) -> tuple[int, str, str] | None:
        """Why it is not even looked at: status, code and message."""
        if not answers_to(connection.headers.get("host", ""), self._names):
            own = "the names in `hosts`" if self._names else "this machine's own names, such as localhost"
            return 421, "WRONG_HOST", f"this server answers only to {own}"
        if not may_ask(connection.headers, self._origins):
            return 403, "WRONG_ORIGIN", "pages of this origin may not ask here: see the setting `auth.origins`"
        return None


def _denied(response: Response) -> ASGIApp:
    """The response also to who wanted a WebSocket."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(response)
        else:
            await response(scope, receive, send)

    return answering


async def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {404: "there is nothing here; GraphQL is at /graphql", 405: "not by this method"}.get(error.status_code)
    return error_response(error.status_code, "NOT_HERE", message or "bad request", request.state.request_id)


# Being reached


def example(url: str, key_file: str = "") -> str:
    """A first request, as a command that works when it is pasted."""
    key = f' -H "authorization: Bearer $(cat {key_file})"' if key_file else ""
    mutation = (
        'mutation { recordEvents(input: {stream: "hello", events: [{content: "Ada prefers tea."}]}) '
        "{ ... on RecordEventsPayload { position events { id } } ... on Error { message } } }"
    )
    body = orjson.dumps({"query": mutation}).decode()
    return f"curl -s {url}{key} -H 'content-type: application/json' -d '{body}'"


async def welcome(request: Request) -> Response:
    """What a browser is shown: where GraphQL is. No script, and nothing from another host."""
    url = f"{request.base_url}graphql"
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><title>MemQL</title>"
        "<style>body{font:1rem/1.5 system-ui;max-width:50rem;margin:4rem auto;padding:0 1rem}"
        "pre{white-space:pre-wrap;background:whitesmoke;color:black;padding:1rem}</style>"
        f"<h1>MemQL {__version__}</h1><p>GraphQL is at <code>{escape(url)}</code>. A first request:</p>"
        f"<pre>{escape(example(url))}</pre><p>How it is: <a href=/readyz>/readyz</a>.</p></html>",
        headers={"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"},
    )


Going: TypeAlias = Callable[[], bool]
"""Whether the server goes on, or has been told to stop."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, streams: Streams, started: Callable[[Going], None]) -> None:
        super().__init__(config)
        self._streams = streams
        self._told = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._told(lambda: not self.should_exit)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn would cut WebSockets off before anyone on them is told anything.
        await self._streams.close(FAREWELL_SECONDS)
        await super().shutdown(sockets)


_M_ARENA_MAX = -8
_ARENAS = 2


def few_arenas() -> None:
    """Threads share two of the allocator's heaps. By itself glibc has eight a processor, and each keeps what its
    largest moment took: each commit of texts gathers 15 MB on another thread, so that 130 MB were kept for nothing,
    and 24 with two. What people set in the environment stays; other allocators have no such setting."""
    if "MALLOC_ARENA_MAX" not in os.environ and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_ARENA_MAX, _ARENAS)


def assemble(settings: Settings, clock: Clock, embedder: Embedder | None, *, alone: bool = False) -> Starlette:
    """The application on the data directory of these settings, which is the caller's to have locked."""
    # Python's own thresholds are for small programs: an import spends a tenth of its time looking for cycles that are
    # not there.
    gc.set_threshold(200_000, 50, 100)
    few_arenas()
    # Each open tenant has some twenty files; the usual bound of 1,024 is there for programs that count on low numbers.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tenants = Tenants(
        settings.data, clock=clock, limits=settings.limits, engine=settings.graph_engine, embedder=embedder
    )
    return make_app(settings, tenants, clock, alone=alone)


def serve(settings: Settings, listener: socket.socket, started: Callable[[Going], None]) -> None:
    """Serves until it is told to stop; then lets what is being answered end, and closes every tenant."""
    clock = SystemClock()
    embedder = chosen(settings, clock)
    app = assemble(settings, clock, embedder)

    def listening(going: Going) -> None:
        # Loaded beside the first requests: a search waits for the model, and nothing else does.
        threading.Thread(target=warm, args=(embedder,), name="embedder", daemon=True).start()
        started(going)

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws=Protocol,
        ws_max_size=settings.requests.frame_bytes,
        ws_ping_interval=settings.requests.keepalive_seconds,
        ws_ping_timeout=settings.requests.keepalive_seconds,
        # What a proxy says of others is nothing to go by: anybody can say it.
        proxy_headers=False,
        ssl_certfile=settings.tls.certificate,
        ssl_keyfile=settings.tls.key,
        lifespan="on",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    _Server(config, app.state.streams, listening).run(sockets=[listener])
