"""GraphQL over server-sent events, in the distinct connections mode of graphql-sse: one request, one operation.

Its single connection mode is not spoken: it would keep streams for requests that come apart from them, for clients that
cannot hold several connections; HTTP/2 and WebSockets can.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing, suppress
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.api.streams import Told
from server.credentials import Ended

EVENT_STREAM = "text/event-stream"
Good: TypeAlias = Callable[[Callable[[Ended], None]], AbstractContextManager[None]]
"""While it goes on, what is given is called when the credentials end."""
_ONE_ANSWER = frozenset({"application/json", "application/graphql-response+json", "application/*", "*/*"})


async def wants_events(request: Request) -> bool:
    """Whether the answer is asked for as events. Clients that take anything get them where there is no other way."""
    accepted = {part.split(";", 1)[0].strip().lower() for part in request.headers.get("accept", "").split(",")}
    if EVENT_STREAM not in accepted:
        return False
    return accepted.isdisjoint(_ONE_ANSWER) or b"subscription" in await request.body()


class Events(Response):
    """The messages of one operation, until they end or the client leaves. In silence it is pinged every so many
    `seconds`. `good` tells when the credentials end, and `told` says so in the last message."""

    media_type = EVENT_STREAM

    def __init__(
        self, messages: AsyncGenerator[Told, None], seconds: float, good: Good, told: Callable[[Ended], str]
    ) -> None:
        self._messages = messages
        self._seconds = seconds
        self._good = good
        self._told = told
        self.background = None
        self.status_code = 200
        self.body = b""
        self.init_headers({"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = _Sending(send)
        telling = asyncio.create_task(self._tell(sending))
        beside = [asyncio.create_task(_gone(receive)), asyncio.create_task(sending.ping(self._seconds))]
        ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        try:
            with self._good(ended.set_result):
                first: list[asyncio.Future[Any]] = [telling, *beside, ended]
                await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            over = ended.done() and not any(task.done() for task in (telling, *beside))
        finally:
            for task in (telling, *beside):
                task.cancel()
            await asyncio.gather(telling, *beside, return_exceptions=True)
        if over:
            await sending.event("next", self._told(ended.result()))
            await sending.event("complete", more=False)
        elif not telling.cancelled() and (error := telling.exception()):
            raise error

    async def _tell(self, sending: "_Sending") -> None:
        async with aclosing(self._messages) as messages:
            async for told in messages:
                await sending.event("next", told.text)
            await sending.event("complete", more=False)


class _Sending:
    """What is sent piece by piece; a client that has left is found by who waits for that."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._silent = False
        self._one_at_a_time = asyncio.Lock()

    async def event(self, kind: str, data: str = "", *, more: bool = True) -> None:
        """Browsers discard events without data, so there always is a line for it; JSON has no other line breaks."""
        self._silent = False
        await self._body(f"event: {kind}\ndata: {data}\n\n", more)

    async def ping(self, seconds: float) -> None:
        """Says something in each silence of so many seconds, for as long as it is let."""
        while True:
            self._silent = True
            await asyncio.sleep(seconds)
            if self._silent:
                await self._body(":\n\n", True)

    async def _body(self, text: str, more: bool) -> None:
        async with self._one_at_a_time:
            with suppress(OSError):
                await self._send({"type": "http.response.body", "body": text.encode(), "more_body": more})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
