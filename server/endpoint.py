"""The GraphQL endpoint: one operation over HTTP, as the GraphQL-over-HTTP specification has it; any number of them over
a WebSocket, and one with many messages as server-sent events.

Refuses what is too long before it is read, and lets no message of Python or of a library out. Changes come by POST with
a JSON body alone, which no page of another site can send without asking first.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from engine.stopping import Stop, current
from memql.errors import Problem, Reason, Refusal
from server.context import Context, Desk
from server.events import Events, wants_events
from server.identity import Identify, Identity
from server.rankings import Rankings
from server.responses import error_response
from server.schema import make_schema, tell
from server.settings import RequestLimits
from server.sockets import Connection
from server.streams import Asker, Operation, Streams

GRAPHQL_JSON = "application/graphql-response+json"
TENANT_HEADER = "X-MemQL-Tenant"


class TooLong(Exception):
    """The body is longer than it may be."""


class Endpoint(GraphQL[Context, None]):
    def __init__(self, desk: Desk, identify: Identify, tenant: str, limits: RequestLimits) -> None:
        """`tenant` is that of callers who name none, and belong to none."""
        super().__init__(make_schema(limits), graphql_ide=None, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,))
        self._desk = desk
        self._identify = identify
        self._tenant = tenant
        self._limits = limits
        self._rankings = Rankings(limits.rankings)
        self.clock = desk.tenants.clock
        self.streams = Streams(self.schema, self._said, desk, limits, self._rankings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._connected(WebSocket(scope, receive, send))
            return
        whole = asyncio.Event()
        request = Request(scope, _bounded(receive, self._limits.body_bytes, whole))
        request_id = request.state.request_id
        try:
            with Stop().watched() as stop:
                watching = asyncio.ensure_future(_stopped_when_gone(receive, whole, stop))
                try:
                    response = await self._answer(request)
                finally:
                    watching.cancel()
        except TooLong:
            message = f"this body is longer than `requests.body_bytes` allows ({self._limits.body_bytes:,})"
            response = error_response(413, "LIMIT_EXCEEDED", message, request_id)
        except HTTPException as error:
            response = error_response(error.status_code, "BAD_REQUEST", error.reason, request_id)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        identity = await self._identify(request, None)
        if isinstance(identity, Refusal):
            return _unidentified(identity, request.state.request_id)
        tenant = self._asked_of(identity, request.headers.get(TENANT_HEADER))
        if isinstance(tenant, Refusal):
            return _unidentified(tenant, request.state.request_id)
        if await wants_events(request):
            return await self._events(request, Asker(identity, tenant, request.state.request_id))
        context = Context(self._desk, tenant, identity, self._limits, self._rankings)
        try:
            return await self.run(request, context=context)
        except asyncio.CancelledError:
            current().ask()
            raise
        finally:
            await context.close()

    def _asked_of(self, identity: Identity, named: str | None) -> str | Refusal:
        """The tenant that is asked: the one that was named, or the asker's own."""
        tenant = named or identity.tenant or self._tenant
        return tenant if identity.tenant in (None, tenant) else _ELSEWHERE

    # Many messages

    async def _events(self, request: Request, asker: Asker) -> Response:
        if request.method != "POST":
            # A page of another site may open events by GET without asking first.
            raise HTTPException(405, "events are asked for by POST")
        data = await self.parse_http_body(self.request_adapter_class(request))
        if isinstance(data, list):
            raise HTTPException(400, "one operation at a time")
        asked = Operation(data.query, data.variables, data.operation_name, data.extensions)
        expires, left = asker.identity.expires_at, None
        if expires is not None:
            left = max((expires - self.clock.now()) / 1e6, 0)
        extensions = {"code": "EXPIRED", "requestId": asker.request_id}
        expired = self.encode_json({"errors": [{"message": "these credentials have ended", "extensions": extensions}]})
        messages = self.streams.carried_out(asked, asker)
        return Events(messages, self._limits.keepalive_seconds, left, expired)

    async def _connected(self, socket: WebSocket) -> None:
        request_id = socket.state.request_id
        if not self._check_websocket_origin(socket):
            message = "a page of another site may not connect here"
            await socket.send_denial_response(error_response(403, "WRONG_ORIGIN", message, request_id))
            return
        if len(self.streams.connections) >= (most := self._limits.connections):
            message = f"more WebSockets than `requests.connections` allows ({most:,}); try again later"
            await socket.send_denial_response(error_response(503, "LIMIT_EXCEEDED", message, request_id))
            return
        protocol = await self.pick_websocket_subprotocol(socket)
        await socket.accept(protocol)
        if protocol is None:
            await socket.close(4406, "ask for the protocol graphql-transport-ws")
            return
        await Connection(self, socket, self.streams, socket.headers.get(TENANT_HEADER)).handle()

    async def asker(self, socket: WebSocket, payload: Mapping[str, Any], named: str | None) -> Asker | Refusal:
        """Who connects, by what connection_init brings: `authorization` ("Bearer …") and `tenant`; what is absent is
        taken from the headers."""
        given = {str(name).lower(): value for name, value in payload.items() if isinstance(value, str)}
        identity = await self._identify(socket, given.get("authorization"))
        if isinstance(identity, Refusal):
            return identity
        tenant = self._asked_of(identity, given.get("tenant", given.get(TENANT_HEADER.lower(), named)))
        return tenant if isinstance(tenant, Refusal) else Asker(identity, tenant, socket.state.request_id)

    def _said(self, result: ExecutionResult, request_id: str) -> Mapping[str, Any]:
        """One message, as an answer over HTTP would have it."""
        body: dict[str, Any] = {} if isinstance(result, PreExecutionError) else {"data": result.data}
        if result.errors:
            body["errors"] = list(tell(result.errors, self._limits, request_id))
        if result.extensions:
            body["extensions"] = result.extensions
        return body

    # One answer

    def decode_json(self, data: str | bytes) -> object:
        try:
            decoded = orjson.loads(data)
        except orjson.JSONDecodeError:
            raise HTTPException(400, "this is no JSON") from None
        if not isinstance(decoded, dict | list):
            raise HTTPException(400, 'a map is expected, such as {"query": "{ position }"}')
        return decoded

    def encode_json(self, data: object) -> str:
        return orjson.dumps(data).decode()

    async def get_sub_response(self, request: Request) -> Response:  # type: ignore[override]
        sub_response = await super().get_sub_response(request)
        if GRAPHQL_JSON in request.headers.get("accept", "").lower():
            sub_response.headers["content-type"] = f"{GRAPHQL_JSON}; charset=utf-8"
        request.state.sub_response = sub_response
        return sub_response

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """A request that could not be executed at all has no `data`, and for clients that know the media type it is a
        bad one; to others every well-formed answer is 200."""
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = list(tell(result.errors, self._limits, request.state.request_id))
            if result.data is None and not any(error.path for error in result.errors):
                del body["data"]
                if request.state.sub_response.headers.get("content-type"):
                    request.state.sub_response.status_code = 400
        return body  # type: ignore[return-value]

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        media_type = sub_response.headers.get("content-type") or "application/json"
        return Response(self.encode_json(response_data), sub_response.status_code or 200, media_type=media_type)


_ELSEWHERE = Refusal(
    Reason.FORBIDDEN, (Problem("WRONG_TENANT", "these credentials are of another tenant", TENANT_HEADER),)
)


def _unidentified(refusal: Refusal, request_id: str) -> Response:
    """Nobody is known by that, or by nothing; or whoever it is has no business here."""
    status = 403 if refusal.reason is Reason.FORBIDDEN else 401
    problem = refusal.problems[0]
    message = f"{problem.message}: {problem.hint}" if problem.hint else problem.message
    response = error_response(status, problem.code, message, request_id)
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def _bounded(receive: Receive, most: int, whole: asyncio.Event) -> Receive:
    """Receives no more than so many bytes of a body; `whole` is set with the last of them."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise TooLong
        if not message.get("more_body", False):
            whole.set()
        return message

    return bounded


async def _stopped_when_gone(receive: Receive, whole: asyncio.Event, stop: Stop) -> None:
    """Ends the reads of a client that leaves before it is answered. What it asked to be written is written."""
    await whole.wait()
    while (await receive())["type"] != "http.disconnect":
        pass
    stop.ask()
