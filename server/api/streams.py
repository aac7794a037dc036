"""Operations whose answer is many messages: each carried out once for all who ask for the same and see the same.

Who subscribes is first told what it alone lacks (where it begins, or what it missed since its cursor), by carrying the
operation out for it. From there on it is one of the listeners of a channel: one evaluation, one execution, one text,
handed to each. No listener waits for another; one that is too slow is told where to go on, and so is everyone when the
server stops. Knows nothing of sockets.
"""

import asyncio
import contextvars
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Hashable, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias

import orjson
import structlog
from graphql import ArgumentNode, GraphQLError, GraphQLResolveInfo, VariableNode
from strawberry.schema import BaseSchema
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from engine.stopping import Stop
from engine.tenant import Tenant
from memql.errors import Refusal
from server.api.channels import END, NOWHERE, Channel, Listener, Place, Turn, Why
from server.api.context import Context, Desk
from server.api.rankings import Rankings
from server.bounds import RequestLimits
from server.identity import Identity

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Operation:
    """What was asked, as it came."""

    document: str | None
    variables: Mapping[str, Any] | None = None
    name: str | None = None
    extensions: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, of which tenant; `request_id` is that of its connection."""

    identity: Identity
    tenant: str
    request_id: str


Say: TypeAlias = Callable[[ExecutionResult, str], Mapping[str, Any]]
"""A result as a caller gets it, whose request has that id."""


@dataclass(frozen=True, slots=True)
class Told:
    """One message, as JSON. `errors` are there where the operation was not even begun: why."""

    text: str
    errors: str = ""


class Streamed(Context):
    """One operation with many messages. `part` is what is carried out of it: the `opening` for one who asks, all that
    goes `onward` for a channel, or only the `ending`, which says where to go on."""

    def __init__(
        self, streams: "Streams", operation: Operation, asker: Asker, part: Literal["opening", "onward", "ending"]
    ) -> None:
        super().__init__(streams.desk, asker.tenant, asker.identity, streams.limits, streams.rankings)
        self.part = part
        self.operation = operation
        self.counted = part == "opening"
        self.channel: Channel | None = None
        self.listener: Listener | None = None
        self.place = NOWHERE
        self.said = False
        """Whether the message at hand is of that place; what fails has none."""
        self.why: Why = "closing"
        self._streams = streams
        self.asker = asker

    async def opened(self) -> Tenant | Refusal:
        """The tenant that is asked."""
        return await self._take(create=False)

    def says(self, turn: Turn, cursor: str | None) -> None:
        """The message that is yielded next is of that turn, and one goes on behind it at that cursor."""
        self.place, self.said = Place(turn, cursor), True
        if self.listener is not None:
            self.listener.at = max(self.place, self.listener.at, key=lambda place: place.turn)

    def passes(self, turn: Turn) -> None:
        """Of those who listen, nobody is told more that is of this turn or an earlier one."""
        assert self.channel is not None
        self.channel.turn = turn
        self.channel.begun.set()

    def join(self, info: GraphQLResolveInfo[Any], turn: Turn = NOWHERE.turn) -> Channel:
        """Listens to all who ask the same, from now on. A channel that is made for it begins behind that turn."""
        assert self.part == "opening"
        key = _key(self.operation, self.asker, info)
        self.channel = self._streams.channel(key, self.operation, self.asker, turn)
        self.listener = self.channel.join(self.limits.waiting_messages)
        self.listener.at = self.place
        if self._streams.closing:
            self.listener.end("closing")
        return self.channel

    def leave(self) -> None:
        """Listens no longer: there is nothing to go on from."""
        if self.channel and self.listener:
            self.channel.leave(self.listener)
        self.listener = None


class Leaves(Protocol):
    async def leave(self) -> None:
        """Ends the connection, behind the last message of all that went on over it."""
        ...


class Streams:
    """All that is carried out so, and how much of it there is."""

    def __init__(self, schema: BaseSchema, say: Say, desk: Desk, limits: RequestLimits, rankings: Rankings) -> None:
        self.desk = desk
        self.limits = limits
        self.rankings = rankings
        self.closing = False
        self._schema = schema
        self._say = say
        self._channels: dict[Hashable, Channel] = {}
        self._of: Counter[str] = Counter()
        self._open: set[Streamed] = set()
        self._left = asyncio.Event()
        self._pumps: set[asyncio.Task[None]] = set()
        self.connections: set[Leaves] = set()
        """Those that outlive an operation, to be closed when the server stops."""

    @property
    def count(self) -> int:
        return self._of.total()

    @property
    def channels(self) -> int:
        return len(self._channels)

    async def carried_out(self, operation: Operation, asker: Asker) -> AsyncGenerator[Told, None]:
        """Whatever the operation gives: one message, or those of a subscription until it ends."""
        with self._counted(asker) as refused:
            if refused:
                yield self._refused(refused, asker)
                return
            context = Streamed(self, operation, asker, "opening")
            with Stop().watched() as stop:
                self._open.add(context)
                try:
                    async with aclosing(self._messages(context)) as messages:
                        async for told in messages:
                            yield told
                except (asyncio.CancelledError, GeneratorExit):
                    stop.ask()
                    raise
                finally:
                    self._open.discard(context)
                    self._left.set()
                    context.leave()
                    await context.close()

    async def _messages(self, context: Streamed) -> AsyncGenerator[Told, None]:
        async with aclosing(self._results(context)) as results:
            async for told in results:
                yield told
        if (listener := context.listener) is None:
            return
        while (text := await listener.next()) is not None:
            yield Told(text)
        if listener.why:
            ending = Streamed(self, context.operation, context.asker, "ending")
            ending.place, ending.why = Place(NOWHERE.turn, listener.cursor), listener.why
            async with aclosing(self._results(ending)) as results:
                async for told in results:
                    yield told
            await ending.close()

    async def _results(self, context: Streamed) -> AsyncGenerator[Told, None]:
        """What the schema makes of the operation in that context."""
        asked, variables = context.operation, context.operation.variables
        stream = await self._schema.stream(
            asked.document,
            variable_values=dict(variables) if variables is not None else None,
            context_value=context,
            operation_name=asked.name or None,
            operation_extensions=dict(asked.extensions) if asked.extensions is not None else None,
        )
        try:
            async with aclosing(stream):
                async for result in stream:
                    assert isinstance(result, ExecutionResult), "nothing here is delivered in pieces"
                    yield self._told(result, context.asker)
        except GraphQLError as error:
            # A document that is none is raised where others are told.
            yield self._told(PreExecutionError(data=None, errors=[error]), context.asker)

    def _told(self, result: ExecutionResult, asker: Asker) -> Told:
        said = self._say(result, asker.request_id)
        errors = orjson.dumps(said["errors"]).decode() if isinstance(result, PreExecutionError) else ""
        return Told(orjson.dumps(said).decode(), errors)

    def _refused(self, message: str, asker: Asker) -> Told:
        error = GraphQLError(message, extensions={"code": "LIMIT_EXCEEDED"})
        return self._told(PreExecutionError(data=None, errors=[error]), asker)

    @contextmanager
    def _counted(self, asker: Asker) -> Iterator[str | None]:
        """Counts the operation while it goes on; why it may not begin, where it may not."""
        key = asker.identity.key
        if self.count >= (most := self.limits.subscriptions):
            yield f"more subscriptions than `requests.subscriptions` allows ({most:,}); ask again later"
            return
        if self._of[key] >= (most := self.limits.subscriptions_per_principal):
            yield f"more subscriptions of one principal than `requests.subscriptions_per_principal` allows ({most:,})"
            return
        self._of[key] += 1
        try:
            yield None
        finally:
            self._of[key] -= 1
            if not self._of[key]:
                del self._of[key]

    # Channels

    def channel(self, key: Hashable, operation: Operation, asker: Asker, turn: Turn) -> Channel:
        """The one of that key, which is begun where there is none."""
        if known := self._channels.get(key):
            return known
        channel = self._channels[key] = Channel(lambda: self._forget(key, channel))
        channel.turn = turn
        # In a context of its own: who comes first may leave, and its reads are stopped then.
        own = contextvars.Context()
        channel.task = asyncio.create_task(self._pump(channel, operation, asker), context=own)
        self._pumps.add(channel.task)
        channel.task.add_done_callback(self._pumps.discard)
        return channel

    def _forget(self, key: Hashable, channel: Channel) -> None:
        if self._channels.get(key) is channel:
            del self._channels[key]

    async def _pump(self, channel: Channel, operation: Operation, asker: Asker) -> None:
        context = Streamed(self, operation, asker, "onward")
        context.channel = channel
        try:
            async with aclosing(self._results(context)) as results:
                async for told in results:
                    channel.tell(context.place if context.said else Place(END, context.place.cursor), told.text)
                    context.said = False
        except Exception as error:
            log.error("a subscription failed", exc_info=error)
        finally:
            channel.end()
            await context.close()

    # The end

    async def close(self, seconds: float) -> None:
        """Tells everyone where to go on, and waits until they are told, no longer than that."""
        self.closing = True
        for context in self._open:
            if context.listener:
                context.listener.end("closing")
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._open:
                    self._left.clear()
                    await self._left.wait()
        await asyncio.gather(*(connection.leave() for connection in self.connections))
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


def _key(operation: Operation, asker: Asker, info: GraphQLResolveInfo[Any]) -> Hashable:
    """What all have in common who are told the same. Where one begins is its own: a variable that says nothing else is
    left out."""
    variables = dict(operation.variables or {})
    for argument in info.field_nodes[0].arguments or ():
        match argument:
            case ArgumentNode(name=name, value=VariableNode(name=variable)) if name.value == "after":
                text = info.operation.loc.source.body if info.operation.loc else ""
                if len(re.findall(rf"\${variable.value}\b", text)) == 2:
                    variables.pop(variable.value, None)
    asked = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
    # All that says what is seen; by which key somebody came, and until when, does not.
    who = replace(asker.identity, key="", expires_at=None)
    return asker.tenant, who, operation.document, operation.name, asked
