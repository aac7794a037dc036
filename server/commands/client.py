"""The command line's way to a server: the one that has the data directory, one elsewhere, or one made for this command
alone and in its process. Each is asked in GraphQL over HTTP: whoever asks cannot tell them apart.

Only a process that is alive holds the lock of a data directory, so an address that was left behind misleads nobody.
"""

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import orjson

from engine.clock import SystemClock
from engine.lock import DataLock, Locked
from memql.errors import Problem, Reason, Refusal, invalid, unavailable
from server.access import ADMIN_KEY
from server.embedding import chosen
from server.settings import Loaded, Settings

CONNECT_SECONDS = 5.0
"""How long a server has to take a connection: it takes them before it is able to answer."""
ANSWER_SECONDS = 120.0
"""How long an answer may take: several times what the server's own limits allow a read."""
LOOKS, LOOK_SECONDS = 20, 0.05
"""How often, and how far apart, a lock is looked at whose holder has not said yet who it is."""
INSIDE = "http://localhost"
"""What this machine is called where no socket is involved."""

_REASONS: Mapping[str, Reason] = {
    "InvalidInput": Reason.INVALID,
    "NotFound": Reason.NOT_FOUND,
    "Conflict": Reason.CONFLICT,
    "Forbidden": Reason.FORBIDDEN,
    "LimitExceeded": Reason.LIMIT,
    "Unavailable": Reason.UNAVAILABLE,
}
"""The types of GraphQL that say why nothing was done."""

PATIENT = frozenset({"NOT_YET", "NOT_CONSOLIDATED", "STORE_BEHIND", "STORE_REBUILDING"})
"""What is said of a tenant that will get there by itself."""
UNCONSOLIDATED = PATIENT | {"CONSOLIDATION_WAITS", "CONSOLIDATION_OFF"}
"""What is said where not everything has become a memory yet; what has, can be asked for."""

FAULTS = "__typename ... on Error { problems { code message place hint } }"
"""What to ask of an answer that may be an error; `refused` reads it."""


class Client:
    """Asks one server about one tenant. `alone`: the server is this command's own, and ends with it."""

    def __init__(self, http: httpx.AsyncClient, alone: bool) -> None:
        self._http = http
        self.alone = alone

    @property
    def url(self) -> str:
        return str(self._http.base_url).rstrip("/")

    @property
    def tenant(self) -> str | None:
        """The tenant that is asked about; None: the server's own choice."""
        named: str | None = self._http.headers.get("x-memql-tenant")
        return named

    def turn_to(self, tenant: str | None) -> None:
        """From now on it is asked about that tenant."""
        if tenant is None:
            self._http.headers.pop("x-memql-tenant", None)
        else:
            self._http.headers["x-memql-tenant"] = tenant

    async def ask(self, document: str, /, **variables: Any) -> dict[str, Any] | Refusal:
        """The data of one operation, whole; or why there is none."""
        body = orjson.dumps({"query": document, "variables": variables})
        answered = await self._fetch("POST", "/graphql", content=body, headers={"content-type": "application/json"})
        if isinstance(answered, Refusal):
            return answered
        if errors := answered.get("errors"):
            return _told(errors)
        data = answered.get("data")
        return data if isinstance(data, dict) else self._stranger()

    async def health(self) -> dict[str, Any] | Refusal:
        """What `/readyz` tells, whether or not all is well."""
        return await self._fetch("GET", "/readyz")

    async def _fetch(self, method: str, path: str, **given: Any) -> dict[str, Any] | Refusal:
        try:
            response = await self._http.request(method, path, **given)
        except httpx.ConnectError:
            return unavailable("UNREACHABLE", f"nobody answers at {self.url}", "is the server running? `memql serve`")
        except httpx.TimeoutException:
            return unavailable("NO_ANSWER", f"{self.url} gave no answer in time", "ask again, or ask for less")
        except (httpx.HTTPError, httpx.InvalidURL):
            return unavailable("CUT_OFF", f"{self.url} broke off before its answer", "was the server stopped?")
        try:
            body = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            return self._stranger()
        return body if isinstance(body, dict) else self._stranger()

    def _stranger(self) -> Refusal:
        return unavailable("NOT_MEMQL", f"what answers at {self.url} is no MemQL", "check --url")


def refused(answer: Mapping[str, Any]) -> Refusal | None:
    """Why nothing was done, where the answer of a field is one of the errors of GraphQL's schema."""
    reason = _REASONS.get(answer.get("__typename", ""))
    return Refusal(reason, tuple(map(_problem, answer["problems"]))) if reason else None


def _told(errors: list[Mapping[str, Any]]) -> Refusal:
    problems: list[Problem] = []
    reason = Reason.INVALID
    for error in errors:
        extensions = error.get("extensions", {})
        reason = Reason(extensions["reason"]) if "reason" in extensions else reason
        told = extensions.get("problems") or [{"code": extensions.get("code"), "message": error.get("message")}]
        problems += map(_problem, told)
    return Refusal(reason, tuple(dict.fromkeys(problems)))


def _problem(told: Mapping[str, Any]) -> Problem:
    code, message, place, hint = (str(told.get(name) or "") for name in ("code", "message", "place", "hint"))
    return Problem(code or "REFUSED", message or "the server gave no reason", place, hint)


# Finding one


@asynccontextmanager
async def reach(
    loaded: Loaded, command: str, url: str | None = None, tenant: str | None = None
) -> AsyncIterator[Client | Refusal]:
    """The server that `command` asks: the one at `url`, the one that holds the data directory, or one of its own.

    A tenant that nobody named is left for the server to choose, which may have been told of another default.
    """
    settings = loaded.settings
    named = tenant or (settings.tenant if loaded.origins["tenant"] != "default" else None)
    headers = {"x-memql-tenant": named} if named else {}
    async with AsyncExitStack() as stack:
        try:
            lock = await _lock(settings, command) if url is None else None
        except OSError:
            hint = "check who may write it, or choose another with --data"
            yield unavailable("DATA_UNUSABLE", f"{settings.data} can't be used", hint)
            return
        if isinstance(lock, DataLock):
            stack.callback(lock.close)
        key = key_for(settings, here=isinstance(lock, Locked))
        if isinstance(key, Refusal):
            yield key
            return
        headers |= {"authorization": f"Bearer {key}"} if key else {}
        if isinstance(lock, DataLock):
            yield await _inside(stack, settings, headers)
        elif lock and not lock.url:
            yield _in_use(lock)
        else:
            yield await _over_http(stack, lock.url if lock else url or "", headers)


def key_for(settings: Settings, *, here: bool) -> str | Refusal:
    """The key to show: the one that was given, or for the server `here`, that has the data directory, its
    administrator's; empty: none. No other server ever sees that one."""
    if key := os.environ.get("MEMQL_KEY", "").strip():
        return key
    admin = settings.data / ADMIN_KEY
    file = settings.key_file or (admin if here and admin.exists() else None)
    if file is None:
        return ""
    try:
        return file.read_text("ascii").strip()
    except (OSError, ValueError):
        return unavailable("KEY_UNREADABLE", f"the key in {file} can't be read", "see `key_file`, and who may read it")


@asynccontextmanager
async def over_http(url: str, tenant: str | None = None, key: str = "") -> AsyncIterator[Client | Refusal]:
    headers = {"x-memql-tenant": tenant} if tenant else {}
    async with AsyncExitStack() as stack:
        yield await _over_http(stack, url, headers | ({"authorization": f"Bearer {key}"} if key else {}))


async def _lock(settings: Settings, command: str) -> DataLock | Locked:
    """The lock, or who has it: one who took it this very moment has yet to write down who it is."""
    for _ in range(LOOKS):
        lock = DataLock.take(settings.data, f"memql {command}")
        if isinstance(lock, DataLock) or lock.pid:
            break
        await asyncio.sleep(LOOK_SECONDS)
    return lock


async def _over_http(stack: AsyncExitStack, url: str, headers: Mapping[str, str]) -> Client | Refusal:
    base = url.rstrip("/").removesuffix("/graphql")
    try:
        parsed = httpx.URL(base)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        return invalid("BAD_URL", f"`{url}` is no address of a server", "--url", "such as http://127.0.0.1:8484")
    http = httpx.AsyncClient(
        base_url=base,
        headers=headers,
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        # A proxy for the world outside would be asked for this very machine. Certificates are the system's to trust.
        trust_env=parsed.host not in ("localhost", "127.0.0.1", "::1"),
        verify=ssl.create_default_context() if parsed.scheme == "https" else True,
    )
    return Client(await stack.enter_async_context(http), alone=False)


async def _inside(stack: AsyncExitStack, settings: Settings, headers: Mapping[str, str]) -> Client:
    from server import app, telemetry

    telemetry.configure(settings.log_format, "warning", sys.stderr)
    clock = SystemClock()
    made = app.assemble(settings, clock, chosen(settings, clock), alone=True)
    await stack.enter_async_context(made.router.lifespan_context(made))
    transport = httpx.ASGITransport(made, raise_app_exceptions=False)
    http = httpx.AsyncClient(transport=transport, base_url=INSIDE, headers=headers, timeout=None)
    return Client(await stack.enter_async_context(http), alone=True)


def _in_use(lock: Locked) -> Refusal:
    message = f"{lock.directory} is in use by process {lock.pid} ({lock.command})"
    return unavailable("DATA_LOCKED", message, "wait for it; commands that run beside `memql serve` can share it")
