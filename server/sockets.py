"""GraphQL over WebSocket, by the protocol graphql-transport-ws: any operation, many at once over one connection.

Strawberry's handler keeps the protocol's order; here is what a server in the open needs besides: who it is, and until
when, bounds on everything, errors in our words, and one text for all who are told the same. The older protocol
graphql-ws is not spoken.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, aclosing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import orjson
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.async_base_view import AsyncBaseHTTPView
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler, Operation
from strawberry.subscriptions.protocols.graphql_transport_ws.types import ConnectionInitMessage, Message
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.server import ServerProtocol

from memql.errors import Reason, Refusal
from server.api.documents import by_id
from server.api.streams import Asker, Streams
from server.api.streams import Operation as Asked
from server.credentials import Ended
from server.responses import OUR_MISTAKE

AnyView: TypeAlias = AsyncBaseHTTPView[Any, Any, Any, Any, Any, None, None]
"""What Strawberry's handler takes an endpoint for. The contexts are ours, one for each operation."""

if TYPE_CHECKING:
    from server.endpoint import Endpoint

log = structlog.get_logger(__name__)

LEFT = (WebSocketDisconnect, WebSocketDisconnected)
"""What is raised where the other side is not there any more."""

_FAREWELL = 0.5
"""Seconds for the last messages of a connection: they wait for nobody any more."""
_REASON_BYTES = 123
"""What a close frame has room for."""


class Connection(BaseGraphQLTransportWSHandler[None, None]):
    """One connection, from being accepted until it is closed. `tenant` is the one that its headers named."""

    def __init__(self, endpoint: "Endpoint", socket: WebSocket, streams: Streams, tenant: str | None) -> None:
        limits, view = streams.limits, cast("AnyView", endpoint)
        super().__init__(
            view,
            _Adapter(view, socket, socket),
            None,
            None,
            endpoint.schema,
            timedelta(seconds=limits.connection_init_seconds),
            limits.subscriptions_per_connection,
        )
        self._endpoint = endpoint
        self._socket = socket
        self._streams = streams
        self._named = tenant
        self._asker: Asker | None = None
        self._good = ExitStack()
        self._closing: set[asyncio.Task[None]] = set()

    # Beginning and end

    async def handle(self) -> None:
        self._streams.connections.add(self)
        try:
            await super().handle()
        finally:
            self._streams.connections.discard(self)
            self._good.close()

    async def close(self, code: int, reason: str) -> None:
        """Closes the connection, unless it is closed."""
        if self._socket.application_state is WebSocketState.CONNECTED:
            with suppress(*LEFT):
                await self._socket.close(code, _short(reason))

    async def leave(self) -> None:
        if tasks := [operation.task for operation in self.operations.values() if operation.task]:
            await asyncio.wait(tasks, timeout=_FAREWELL)
        await self.close(1001, "the server stops: connect again, and go on at the cursors that were told")

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        if self.connection_init_received or self.connection_timed_out:
            await self.close(4429, "connection_init came twice")
            return
        if self.connection_init_timeout_task:
            self.connection_init_timeout_task.cancel()
        self.connection_init_received = True
        payload: Any = message.get("payload")
        if not isinstance(payload, Mapping | None):
            await self.close(4400, "the payload of connection_init must be a map")
            return
        asker = await self._endpoint.asker(self._socket, payload or {}, self._named)
        if isinstance(asker, Refusal):
            problem = asker.problems[0]
            code = 4403 if asker.reason is Reason.FORBIDDEN or payload else 4401
            await self.close(code, f"{problem.code}: {problem.message}")
            return
        self._asker = asker
        self._good.enter_context(self._endpoint.credentials.watched(asker.identity, self._ended))
        await self.send_message({"type": "connection_ack"})
        self.connection_acknowledged = True

    def _ended(self, why: Ended) -> None:
        """Credentials end, and with them what is done in their name."""
        closing = asyncio.get_running_loop().create_task(self.close(4403, f"{why.code}: {why.message}"))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    # Messages

    async def handle_message(self, message: Message) -> None:
        given: Any = message
        kind = given.get("type") if isinstance(given, dict) else None
        if not isinstance(kind, str):
            await self.close(4400, 'a message is a map with its "type"')
        elif kind in ("subscribe", "complete") and not isinstance(given.get("id"), str):
            await self.close(4400, f'a message of type {kind} has an "id", which is text')
        elif kind == "subscribe" and (wrong := _malformed(given.get("payload"))):
            await self.close(4400, wrong)
        elif kind not in ("connection_init", "ping", "pong", "subscribe", "complete"):
            await self.close(4400, f"there are no messages of type {kind[:40]}")
        else:
            with suppress(*LEFT):
                await super().handle_message(message)

    async def handle_invalid_message(self, error_message: str) -> None:
        await self.close(4400, "a message is JSON, as text")

    async def handle_subscribe(self, message: Any) -> None:
        if self._asker is None:
            await self.close(4401, "say who you are first, by connection_init")
            return
        id_, payload = message["id"], by_id(message["payload"])
        if isinstance(payload, str):
            await self.close(4400, payload)
            return
        if id_ in self.operations:
            await self.close(4409, "an operation of that id is going on")
            return
        most = self._streams.limits.subscriptions_per_connection
        if len(self.operations) >= most:
            what = f"more operations at once than `requests.subscriptions_per_connection` allows ({most:,})"
            error = {"message": f"{what}; open another connection", "extensions": {"code": "LIMIT_EXCEEDED"}}
            await self._send(id_, "error", orjson.dumps([error]).decode())
            return
        asked = Asked(
            payload.get("query"), payload.get("variables"), payload.get("operationName"), payload.get("extensions")
        )
        operation: Operation[None, None] = Operation(self, id_, asked.document or "", None, asked.name)
        operation.task = asyncio.create_task(self._carry_out(operation, asked, self._asker))
        operation.task.add_done_callback(self._task_done)
        self.operations[id_] = operation

    async def _carry_out(self, operation: Operation[None, None], asked: Asked, asker: Asker) -> None:
        try:
            await self._tell(operation, asked, asker)
        except LEFT:
            pass  # The client has left.
        except Exception as error:
            log.error("an operation failed", exc_info=error)
            self.operations.pop(operation.id, None)
            told = {"message": OUR_MISTAKE, "extensions": {"code": "INTERNAL", "requestId": asker.request_id}}
            with suppress(*LEFT):
                await self._send(operation.id, "error", orjson.dumps([told]).decode())

    async def _tell(self, operation: Operation[None, None], asked: Asked, asker: Asker) -> None:
        async with aclosing(self._streams.carried_out(asked, asker)) as messages:
            async for told in messages:
                if told.errors:
                    self.operations.pop(operation.id, None)
                    await self._send(operation.id, "error", told.errors)
                    return
                await self._send(operation.id, "next", told.text)
        # Behind its last message the id is free again.
        self.operations.pop(operation.id, None)
        await self.send_message({"type": "complete", "id": operation.id})

    async def send_message(self, message: Message) -> None:
        await self._socket.send_text(orjson.dumps(message).decode())

    async def _send(self, id_: str, kind: str, payload: str) -> None:
        await self._socket.send_text(f'{{"id":{orjson.dumps(id_).decode()},"type":"{kind}","payload":{payload}}}')


class _Adapter(ASGIWebSocketAdapter):
    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """The messages, as they come."""
        try:
            async for text in self.ws.iter_text():
                yield orjson.loads(text)
        except orjson.JSONDecodeError:
            raise NonJsonMessageReceived from None
        except KeyError:
            raise NonTextMessageReceived from None


def _malformed(payload: Any) -> str | None:
    """What is wrong with what is subscribed to, before anything looks at the document."""
    if not isinstance(payload, dict):
        return 'a message of type subscribe has a "payload", which is a map'
    for name, kind, what in (
        ("query", str, "text"), ("operationName", str, "text"), ("variables", dict, "a map"),
        ("extensions", dict, "a map"),
    ):  # fmt: skip
        if not isinstance(payload.get(name), kind | None):
            return f'"{name}" must be {what}'
    return None


def _short(reason: str) -> str:
    return reason.encode()[:_REASON_BYTES].decode(errors="ignore")


class Protocol(WebSocketsSansIOProtocol):
    """uvicorn's, which says in our words what is too long."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.conn = _Bounded(max_size=self.config.ws_max_size, logger=logging.getLogger("websockets"))

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            # A handshake that was refused is complete; uvicorn would complain that it is not.
            self.handshake_complete = True


class _Bounded(ServerProtocol):
    def fail(self, code: int, reason: str = "") -> None:
        if code == CloseCode.MESSAGE_TOO_BIG:
            most = self.max_message_size
            reason = f"longer than `requests.frame_bytes` allows ({most:,})" if most else "too long"
        super().fail(code, reason)
