"""How a generated Python client asks, asks again, and goes on where a stream broke off, as text.

Both clients, the one that awaits and the one that does not, are made from one template; what neither waits for is
written once.
"""

from collections.abc import Mapping

ASYNC: Mapping[str, str] = {
    "define": "async def", "wait": "await ", "each": "async for", "with": "async with", "asking": "Asking",
    "client": "AsyncClient", "close": "aclose", "read": "aread", "bytes": "aiter_bytes", "sleep": "await asyncio.sleep",
    "generator": "AsyncGenerator[T, None]", "enter": "__aenter__", "exit": "__aexit__",
    "token": "str | Callable[[], str | Awaitable[str]] | None",
}  # fmt: skip
SYNC: Mapping[str, str] = {
    "define": "def", "wait": "", "each": "for", "with": "with", "asking": "SyncAsking", "client": "Client",
    "close": "close", "read": "read", "bytes": "iter_bytes", "sleep": "time.sleep",
    "generator": "Generator[T, None, None]", "enter": "__enter__", "exit": "__exit__",
    "token": "str | Callable[[], str] | None",
}  # fmt: skip


def of(twin: Mapping[str, str], template: str) -> str:
    """The template with each `<name>` as it reads for one who awaits, or who does not."""
    for name, text in twin.items():
        template = template.replace(f"<{name}>", text)
    return template


_ASKING = '''

class <asking>:
    """Asks one server about one tenant.

    `token` is an API key or a token, or gives one: it is asked for another when the server says that one is over.
    `retries` says how often what failed is asked again; `new_key` makes the keys under which a change is made once,
    however often it is asked. `silence` is for how many seconds a stream may say nothing before it is taken for dead:
    a server sends a sign of life several times as often.
    """

    def __init__(
        self,
        url: str,
        *,
        token: <token> = None,
        tenant: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        silence: float = 60.0,
        retries: Retries | None = None,
        new_key: Callable[[], str] = lambda: str(uuid.uuid4()),
        http: httpx.<client> | None = None,
    ) -> None:
        self._url = url.rstrip("/").removesuffix("/graphql") + "/graphql"
        named = {"x-memql-tenant": tenant} if tenant else {}
        self._given = {"content-type": "application/json", **named, **(headers or {})}
        self._token, self._current = token, token if isinstance(token, str) else None
        self._timeout, self._silence = timeout, silence
        self._retries, self._new_key = retries or Retries(), new_key
        self._http = http or httpx.<client>()

    <define> <enter>(self) -> Self:
        return self

    <define> <exit>(self, *_: object) -> None:
        <wait>self.<close>()

    <define> <close>(self) -> None:
        <wait>self._http.<close>()

    <define> _headers(self, accept: str) -> dict[str, str]:
        if self._current is None and callable(self._token):
            <got>
        held = {"authorization": f"Bearer {self._current}"} if self._current else {}
        return {**self._given, **held, "accept": accept}

    def _renewed(self, failure: ClientError, already: bool) -> bool:
        """Whether another token may do where this one did not."""
        if already or not isinstance(failure, Unauthenticated) or not callable(self._token):
            return False
        self._current = None
        return True

    <define> _ask(self, document: Document, variables: Variables, read: type[T]) -> T:
        body = document.body(document.keyed(to_json(variables), self._new_key))
        tried, renewed = 0, False
        while True:
            try:
                headers = <wait>self._headers(ACCEPT)
                response = <wait>self._http.post(self._url, content=body, headers=headers, timeout=self._timeout)
                return read_answer(read, told(response))
            except (httpx.HTTPError, ClientError) as error:
                failure = failed(error, self._url)
            if self._renewed(failure, renewed):
                renewed = True
                continue
            # A change whose answer was lost may have been made: without a key it is not asked for again.
            again = failure.never_asked or (document.repeatable and failure.passing)
            if not again or tried == self._retries.times or (failure.wait or 0) > self._retries.patience:
                raise failure
            <sleep>(self._retries.pause(tried, failure.wait))
            tried += 1

    <define> _live(self, document: Document, variables: Variables, read: type[T]) -> <generator>:
        given = to_json(variables)
        tried, renewed, begun = 0, False, False
        while True:
            try:
                headers = <wait>self._headers("text/event-stream")
                timeout = httpx.Timeout(self._timeout, read=self._silence)
                <with> self._http.stream(
                    "POST", self._url, content=document.body(given), headers=headers, timeout=timeout
                ) as response:
                    if not response.headers.get("content-type", "").startswith("text/event-stream"):
                        <wait>response.<read>()
                        told(response)
                        raise NotMemql(f"{self._url} answers a subscription with something that is no stream")
                    begun, events = True, Events()
                    <each> chunk in response.<bytes>():
                        for event, data in events.of(chunk):
                            if event == "complete":
                                return
                            if event != "next":
                                continue
                            message = checked(read_json(data, self._url), response.status_code)
                            if document.resume(given, message):
                                raise CutOff(f"{self._url} ended the stream before its end")
                            tried, renewed = 0, False
                            yield read_answer(read, message)
                raise CutOff(f"{self._url} ended the stream before its end")
            except (httpx.HTTPError, ClientError) as error:
                failure = failed(error, self._url, waiting=False)
            # What can't go on where it broke off would miss something, and not know what.
            if begun and document.after is None:
                raise failure
            if self._renewed(failure, renewed):
                renewed = True
                continue
            if not failure.passing or tried == self._retries.reconnects or (failure.wait or 0) > self._retries.patience:
                raise failure
            <sleep>(self._retries.pause(tried, failure.wait))
            tried += 1
'''

_GOT_ASYNC = """got = self._token()
            self._current = await got if inspect.isawaitable(got) else got"""

TRANSPORT = '''"""How the client beside this asks: over HTTP, again where that is safe, on where a stream broke off."""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias, TypeVar

import httpx

from .answers import (
    ClientError,
    CutOff,
    Events,
    NotMemql,
    Unauthenticated,
    checked,
    failed,
    read_answer,
    read_json,
    told,
)
from .values import Shape, to_json

T = TypeVar("T", bound=Shape)
Variables: TypeAlias = Mapping[str, object]
ACCEPT = "application/graphql-response+json, application/json;q=0.9"


@dataclass(frozen=True, slots=True)
class Retries:
    """How often what failed is asked again: at first after half of `first` to all of it, in seconds, twice as long each
    time, never longer than `most`. A stream is taken up again `reconnects` times in a row. A server that wants to be
    left alone for longer than `patience` is not waited for. `chance` gives numbers from 0 to 1."""

    times: int = 4
    reconnects: int = 30
    first: float = 0.25
    most: float = 10.0
    patience: float = 60.0
    chance: Callable[[], float] = random.random

    def pause(self, tried: int, told: float | None = None) -> float:
        grown = min(self.most, self.first * 2.0 ** min(tried, 30))
        return max(told or 0.0, grown * (0.5 + self.chance() / 2))


@dataclass(frozen=True, slots=True)
class Document:
    """An operation. Without a text it is asked for by its id, which the server knows from `documents.json`."""

    name: str
    id: str
    text: str | None
    keys: tuple[tuple[str, ...], ...] = ()
    """Where keys of idempotency are among the variables; `*` is each of a list."""
    repeatable: bool = True
    """Whether asking twice does no more than asking once."""
    after: str | None = None
    """The variable that takes the cursor where a stream goes on."""
    field: str | None = None
    """The field that has it."""
    ends: str | None = None
    """The type of message by which the server says that it ends though there will be more, and where to go on."""

    def body(self, variables: Mapping[str, Any]) -> bytes:
        asked = {"documentId": self.id} if self.text is None else {"query": self.text}
        return json.dumps({**asked, "operationName": self.name, "variables": variables}, ensure_ascii=False).encode()

    def keyed(self, variables: dict[str, Any], new_key: Callable[[], str]) -> dict[str, Any]:
        """The variables with a key wherever none was given."""
        for path in self.keys:
            _fill(variables, path, new_key)
        return variables

    def resume(self, variables: dict[str, Any], message: Any) -> bool:
        """Sees to it that the stream goes on behind this message; whether it has to, since the server ends it here."""
        told = message.get(self.field) or {}
        if self.after is None:
            return False
        if self.ends is not None and told.get("__typename") == self.ends:
            variables[self.after] = told.get("after")
            return True
        variables[self.after] = told.get("cursor") or variables.get(self.after)
        return False


def _fill(value: Any, path: tuple[str, ...], new_key: Callable[[], str]) -> None:
    step, *others = path
    if step == "*":
        for each in value if isinstance(value, list) else ():
            _fill(each, tuple(others), new_key)
    elif isinstance(value, dict) and not others:
        value[step] = new_key() if value.get(step) is None else value[step]
    elif isinstance(value, dict):
        _fill(value.get(step), tuple(others), new_key)
<twins>'''.replace(
    "<twins>",
    of(ASYNC, _ASKING.replace("<got>", _GOT_ASYNC))
    + of(SYNC, _ASKING.replace("<got>", "self._current = self._token()")),
)
