"""The GraphQL endpoint: one operation over HTTP, as the GraphQL-over-HTTP specification has it; any number of them over
a WebSocket, and one with many messages as server-sent events.

Refuses what is too long before it is read, and lets no message of Python or of a library out. Changes come by POST with
a JSON body alone, which no page of another site can send without asking first.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from engine.stopping import Stop, current
from memql.errors import Problem, Reason, Refusal
from server.api.admission import is_rated
from server.api.context import Context, Desk
from server.api.documents import by_id
from server.api.rankings import Rankings
from server.api.rates import SECONDS
from server.api.schema import NO_SUCH_OPERATION, Schema, make_schema, tell
from server.api.streams import Asker, Operation, Streams
from server.bounds import RequestLimits
from server.credentials import Credentials, Ended
from server.events import Events, wants_events
from server.identity import FORBIDDEN, UNAUTHENTICATED, Identify, Identity, TooOften
from server.responses import error_response
from server.sockets import Connection

GRAPHQL_JSON = "application/graphql-response+json"
TENANT_HEADER = "X-MemQL-Tenant"


class TooLong(Exception):
    """The body is longer than it may be."""


class Unfit(HTTPException):
    """A request that can't be one, and by which code that is known."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message)
        self.code = code


class Endpoint(GraphQL[Context, None]):
    schema: Schema

    def __init__(self, desk: Desk, identify: Identify, tenant: str, limits: RequestLimits) -> None:
        """`tenant` is that of callers who name none, and belong to none."""
        super().__init__(make_schema(limits), graphql_ide=None, subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,))
        self._desk = desk
        self._identify = identify
        self._tenant = tenant
        self._limits = limits
        self._rankings = Rankings(limits.rankings)
        self.credentials = Credentials(desk.keys, desk.tenants.clock, limits.recheck_seconds)
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
            status, code = error.status_code, getattr(error, "code", "BAD_REQUEST")
            nameless = isinstance(error.__cause__, CannotGetOperationTypeError)
            reason = NO_SUCH_OPERATION if nameless else _REASONS.get(error.reason, error.reason)
            response = error_response(status, code, reason, request_id)
            if status == 405:
                response.headers["allow"] = "POST"
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
            response = await self.run(request, context=context)
            self._allowance(response, identity)
            return _fresh(request, response) if request.method == "GET" else response
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
        assert not isinstance(data, list), "a list was refused when it was read"
        asked = Operation(data.query, data.variables, data.operation_name, data.extensions)

        def told(why: Ended) -> str:
            extensions = {"code": why.code, "requestId": asker.request_id}
            return self.encode_json_string({"errors": [{"message": why.message, "extensions": extensions}]})

        good = partial(self.credentials.watched, asker.identity)
        return Events(self.streams.carried_out(asked, asker), self._limits.keepalive_seconds, good, told)

    async def _connected(self, socket: WebSocket) -> None:
        request_id = socket.state.request_id
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

    def parse_json(self, data: str | bytes) -> object:
        """The body of a request: one operation, by its text or by the id of a trusted document."""
        asked = self.decode_json(data)
        if isinstance(asked, list):
            raise Unfit(
                400, "BATCHING_OFF", "one operation a request: several fields of one operation are read at once"
            )
        if not isinstance(asked, dict):
            raise Unfit(400, "BAD_REQUEST", 'a map is expected, such as {"query": "{ position }"}')
        return _by_id(asked)

    def decode_json(self, data: str | bytes) -> object:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            raise Unfit(400, "BAD_REQUEST", "this is no JSON") from None

    def parse_query_params(self, params: Mapping[str, str | None]) -> dict[str, Any]:
        """What is asked by GET: a trusted document that only reads, for any link may lead here, and be kept."""
        asked: dict[str, Any] = _by_id(dict(params))
        for name in ("variables", "extensions"):
            if asked.get(name):
                asked[name] = self.decode_json(asked[name])
        document = self.schema.documents.trusted(asked.get("query") or "")
        if document is None or not document.reads:
            raise Unfit(
                405, "GET_NOT_ALLOWED", "by GET only trusted documents that read are asked; send others by POST"
            )
        return asked

    def should_render_graphql_ide(self, request: object) -> bool:
        """There is none."""
        return False

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)

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
                response = request.state.sub_response
                codes = {error["extensions"]["code"] for error in body["errors"]}
                if wait := max((error["extensions"].get("retryAfterMs", 0) for error in body["errors"]), default=0):
                    response.status_code = 429
                    response.headers["retry-after"] = str(-(-wait // 1_000))
                elif response.headers.get("content-type"):
                    response.status_code = 403 if FORBIDDEN in codes else 400
        if result.extensions:
            body["extensions"] = result.extensions
        return body  # type: ignore[return-value]

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        media_type = sub_response.headers.get("content-type") or "application/json"
        response = Response(orjson.dumps(response_data), sub_response.status_code or 200, media_type=media_type)
        if "retry-after" in sub_response.headers:
            response.headers["retry-after"] = sub_response.headers["retry-after"]
        return response

    def _allowance(self, response: Response, identity: Identity) -> None:
        """What is left of the minute, for who has a bound."""
        rates = self.schema.rates
        if rates.most and is_rated(identity, self._limits):
            response.headers["ratelimit-policy"] = f'"cost";q={rates.most};w={SECONDS}'
            response.headers["ratelimit"] = f'"cost";r={rates.left(identity.key)};t={SECONDS}'


_ELSEWHERE = Refusal(
    Reason.FORBIDDEN, (Problem("WRONG_TENANT", "these credentials are of another tenant", TENANT_HEADER),)
)


_REASONS = {
    "Unsupported content type": "a JSON body is expected (Content-Type: application/json)",
    "No GraphQL query found in the request": "no operation is here: give `query`, or `documentId`",
    "GraphQL only supports GET and POST requests.": "operations are sent by POST",
}
"""What Strawberry says, in our words."""


def _by_id(asked: dict[str, Any]) -> dict[str, Any]:
    named = by_id(asked)
    if isinstance(named, str):
        raise Unfit(400, "BAD_REQUEST", named)
    return {**named, "operationName": None} if named.get("operationName") == "" else named


def _fresh(request: Request, response: Response) -> Response:
    """An answer that a browser may keep for its own user, if it asks each time whether it still holds."""
    response.headers["vary"] = f"Accept, Authorization, {TENANT_HEADER}"
    response.headers["cache-control"] = "private, no-cache"
    if response.status_code != 200 or b'"errors":' in bytes(response.body):
        response.headers["cache-control"] = "no-store"
        return response
    tag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    if tag in request.headers.get("if-none-match", ""):
        kept = {name: response.headers[name] for name in ("vary", "cache-control")}
        return Response(status_code=304, headers={**kept, "etag": tag})
    response.headers["etag"] = tag
    return response


_STATUS = {Reason.LIMIT: 429, Reason.UNAVAILABLE: 503}


def _unidentified(refusal: Refusal, request_id: str) -> Response:
    """Nobody is known by that, or by nothing; or whoever it is has no business here, or not now."""
    problem = refusal.problems[0]
    status = 401 if problem.code == UNAUTHENTICATED else _STATUS.get(refusal.reason, 403)
    message = f"{problem.message}: {problem.hint}" if problem.hint else problem.message
    response = error_response(status, problem.code, message, request_id)
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    if isinstance(refusal, TooOften):
        response.headers["retry-after"] = str(refusal.seconds)
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
