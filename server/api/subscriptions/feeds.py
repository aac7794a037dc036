"""Subscriptions to what is recorded: from any cursor on, as the records come, and what of each one may be told.

A cursor is a position, or a place within the record there: one record may change many things. What is told of a record
is read at its position, as whoever asks; so it is the same whenever it is read, and erasure alone reaches back.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from graphql import GraphQLResolveInfo

from engine.records import Record
from engine.stopping import in_thread
from engine.tenant import Tenant
from memql.errors import Refusal, invalid
from server.api.channels import END, Turn
from server.api.refusals import refused
from server.api.streams import Streamed
from server.api.subscriptions.messages import Listening, resume

_WHOLE = 2**31
"""The place behind everything in a record."""
_GATHER = 0.005
"""Seconds in which records come together, since each look at them is a thread's."""
_AT_ONCE = 256
"""Messages that are read before the first of them is told: what is told slowly must not be held."""
_CURSOR = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,9}))?\Z")


def turn_of(cursor: str) -> Turn | Refusal:
    """The turn of a message by its cursor."""
    found = _CURSOR.match(cursor)
    if found is None:
        hint = "take the `cursor` of a message of this subscription as it came"
        return invalid("BAD_CURSOR", "this is no cursor of this subscription", "after", hint)
    return int(found[1]), int(found[2]) if found[2] else _WHOLE


def cursor_of(turn: Turn) -> str:
    position, place = turn
    return str(position) if place == _WHOLE else f"{position}-{place}"


class Telling(Protocol):
    """What is told of records, for one who asks."""

    def forbidden(self, stream: Streamed, tenant: Tenant) -> Refusal | None:
        """Why it may not be told at all."""
        ...

    def messages(self, stream: Streamed, tenant: Tenant, record: Record) -> Sequence[tuple[int, Any]] | Refusal:
        """What is told of a record, each with its place in it, as `stream` makes it. Blocks the calling thread."""
        ...


@dataclass(frozen=True, slots=True)
class _Part:
    """What is told of some records, in order: all that is up to the turn `upto`, or until there is a reason against."""

    told: Sequence[tuple[Turn, Any]]
    upto: Turn
    refusal: Refusal | None = None


class _Ended(Exception):
    """There is a reason not to go on."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Feeding:
    """A subscription to records, in each part of a stream."""

    telling: Telling
    info: GraphQLResolveInfo[Any]

    async def opening(self, stream: Streamed, after: str | None) -> AsyncGenerator[Any, None]:
        """From where on one listens, or what was missed since the cursor."""
        tenant = await stream.opened()
        at = self._begin(stream, tenant, after)
        if isinstance(at, Refusal):
            yield refused(at)
            return
        assert isinstance(tenant, Tenant)
        stream.says(at, cursor_of(at))
        if after is None:
            stream.join(self.info, at)
            yield Listening(cursor=cursor_of(at))
            return
        try:
            # What is far behind is read before anything is kept for who reads it.
            behind = True
            while behind:
                upto = tenant.records.position, _WHOLE
                async for message in self._between(stream, tenant, at, upto):
                    yield message
                at = upto
                behind = tenant.records.position > at[0] + tenant.limits.apply_records
            channel = stream.join(self.info, at)
            async for message in self._between(stream, tenant, at, min(channel.turn, (tenant.position, _WHOLE))):
                yield message
        except _Ended as ended:
            yield refused(ended.refusal)

    async def onward(self, stream: Streamed) -> AsyncGenerator[Any, None]:
        """What is told of each record behind the channel's turn, until the tenant closes."""
        tenant = await stream.opened()
        assert stream.channel is not None
        at = stream.channel.turn
        try:
            if isinstance(tenant, Refusal):
                raise _Ended(tenant)
            while await tenant.records.more(at[0]) and not tenant.records.closed:
                await asyncio.sleep(_GATHER)
                upto = tenant.records.position, _WHOLE
                async for message in self._between(stream, tenant, at, upto):
                    yield message
                at = upto
                stream.passes(at)
            stream.says(END, cursor_of(at))
            yield resume(cursor_of(at), "closing")
        except _Ended as ended:
            stream.says(END, cursor_of(at))
            yield refused(ended.refusal)

    def _begin(self, stream: Streamed, tenant: Tenant | Refusal, after: str | None) -> Turn | Refusal:
        if isinstance(tenant, Refusal):
            return tenant
        if refusal := self.telling.forbidden(stream, tenant):
            return refusal
        if after is None:
            return tenant.records.position, _WHOLE
        turn = turn_of(after)
        if not isinstance(turn, Refusal) and turn[0] > tenant.records.position:
            message = "the tenant has not come to this cursor: it is another tenant's, or what it stood for was lost"
            return invalid("BAD_CURSOR", message, "after", "subscribe without `after`")
        return turn

    async def _between(self, stream: Streamed, tenant: Tenant, at: Turn, upto: Turn) -> AsyncGenerator[Any, None]:
        """What is told behind one turn and up to another."""
        while at < upto:
            part = await in_thread(partial(self._read, stream, tenant, at, upto))
            for turn, message in part.told:
                stream.says(turn, cursor_of(turn))
                yield message
            if part.refusal:
                raise _Ended(part.refusal)
            at = part.upto

    def _read(self, stream: Streamed, tenant: Tenant, at: Turn, upto: Turn) -> _Part:
        behind = at[0] if at[1] == _WHOLE else at[0] - 1
        records = tenant.read_now(lambda _: tenant.records.behind(behind), stream.by)
        if isinstance(records, Refusal):
            return _Part((), at, records)
        told: list[tuple[Turn, Any]] = []
        for record in records:
            if record.position > upto[0]:
                return _Part(told, upto)
            found = self.telling.messages(stream, tenant, record)
            if isinstance(found, Refusal):
                return _Part(told, at, found)
            turns = (((record.position, place), message) for place, message in found)
            told += [(turn, message) for turn, message in turns if turn > at]
            if len(told) >= _AT_ONCE:
                return _Part(told, (record.position, _WHOLE))
        return _Part(told, (records[-1].position, _WHOLE) if records else upto)
