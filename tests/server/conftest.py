"""What server tests stand on: the real application on real tenants in a temporary folder, asked over HTTP in memory."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from engine.clock import SystemClock
from engine.commands import Principal
from engine.embed import Embedder
from engine.tenants import Tenants
from server.access.keystore import KeyStore
from server.api.context import Desk
from server.api.streams import Streams
from server.app import Requests, make_app
from server.bounds import RequestLimits
from server.endpoint import Endpoint
from server.identity import Identity, Scope, always
from server.settings import Settings
from server.sockets import Protocol


class Caller:
    """Asks one server."""

    def __init__(self, http: httpx.AsyncClient, tenants: Tenants, app: Starlette | None = None) -> None:
        self.http = http
        self.tenants = tenants
        self._app = app

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Its address while it listens on a socket too, as WebSockets and streams of events need it."""
        assert self._app is not None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = uvicorn.Server(uvicorn.Config(self._app, log_config=None, ws=Protocol, lifespan="off"))
            going = asyncio.create_task(server.serve([listener]))
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}/graphql"
            finally:
                await self.streams.close(1)
                server.should_exit = True
                await going

    def acting_as(self, by: Principal) -> "Caller":
        """The same server as it answers somebody else."""
        identity = Identity(by, frozenset(Scope))
        endpoint = Endpoint(Desk(self.tenants), always(identity), "default", RequestLimits())
        app = Starlette(routes=[Route("/graphql", endpoint)], middleware=[Middleware(Requests, clock=SystemClock())])
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        return Caller(httpx.AsyncClient(transport=transport, base_url="http://localhost"), self.tenants)

    @property
    def streams(self) -> Streams:
        assert self._app is not None
        streams: Streams = self._app.state.streams
        return streams

    @property
    def keys(self) -> KeyStore:
        assert self._app is not None
        desk: Desk = self._app.state.desk
        assert desk.keys is not None
        return desk.keys

    async def post(self, query: str, tenant: str | None = None, /, **variables: Any) -> httpx.Response:
        headers = {"x-memql-tenant": tenant} if tenant else {}
        return await self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

    async def ask(self, query: str, tenant: str | None = None, /, **variables: Any) -> dict[str, Any]:
        """The data of what must succeed."""
        body = (await self.post(query, tenant, **variables)).json()
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    async def errors(self, query: str, tenant: str | None = None, /, **variables: Any) -> list[dict[str, Any]]:
        """The errors of what must fail."""
        errors: list[dict[str, Any]] = (await self.post(query, tenant, **variables)).json()["errors"]
        return errors

    async def do(self, mutation: str, /, **input_: Any) -> dict[str, Any]:
        """The receipt of a mutation that must succeed."""
        named = f"{mutation[0].upper()}{mutation[1:]}Input"
        document = f"mutation ($input: {named}!) {{ answer: {mutation}(input: $input) {{ __typename {RECEIPT} }} }}"
        answer: dict[str, Any] = (await self.ask(document, None, input=input_))["answer"]
        assert "ids" in answer, answer
        return answer

    async def refused(self, mutation: str, /, **input_: Any) -> dict[str, Any]:
        """The error of a mutation that must be refused."""
        named = f"{mutation[0].upper()}{mutation[1:]}Input"
        document = f"mutation ($input: {named}!) {{ answer: {mutation}(input: $input) {{ __typename {RECEIPT} }} }}"
        answer: dict[str, Any] = (await self.ask(document, None, input=input_))["answer"]
        assert "problems" in answer, answer
        return answer


RECEIPT = """
    ... on Receipt { position recordedAt repeated ids }
    ... on Error { message problems { code message place hint } }
"""


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """Commands set up the log lines of their process; here many share one."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., Any]:
    """Opens a server in the test's folder, with settings of the test's own."""

    @asynccontextmanager
    async def opened(
        model: Embedder | None = None, consolidate: bool = False, **settings: Any
    ) -> AsyncIterator[Caller]:
        told = Settings(data=tmp_path / "data", **settings)
        tenants = Tenants(told.data, clock=SystemClock(), limits=told.limits, embedder=model, consolidate=consolidate)
        app = make_app(told, tenants, SystemClock())
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(app.router.lifespan_context(app))
            http = httpx.AsyncClient(transport=transport, base_url="http://localhost")
            yield Caller(await stack.enter_async_context(http), tenants, app)

    return opened


@pytest.fixture
async def caller(serving: Callable[..., Any]) -> AsyncIterator[Caller]:
    async with serving() as opened:
        yield opened
