"""Live queries: a snapshot and then what is different, or what is different since a cursor, as `Tenant.live` tells it.

Rows are evaluated once for all who ask the same, in the engine; from the second message on all of them are told by one
channel. The first is each one's own, and its turn says which of the channel's come behind it.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLResolveInfo

from engine.execute.answer import ends_in, ids_of, plain_rows
from engine.keyed import Row
from engine.subscription import Cursor, Delta, Resume, Snapshot
from engine.tenant import Tenant
from memql.errors import Refusal, invalid
from server.api.channels import END
from server.api.language import columns_of, outcome
from server.api.refusals import refused
from server.api.streams import Streamed
from server.api.subscriptions.messages import LiveDelta, LiveRow, LiveSnapshot, resume
from server.api.types import Position


@dataclass(frozen=True, slots=True)
class Live:
    """A live query, in each part of a stream."""

    text: str
    params: Any
    info: GraphQLResolveInfo[Any]

    async def opening(self, stream: Streamed, after: str | None) -> AsyncGenerator[Any, None]:
        """All rows, or what is different since the cursor."""
        tenant = await stream.opened()
        begun = self._begin(tenant, after)
        if isinstance(begun, Refusal) or isinstance(tenant, Refusal):
            yield refused(begun) if isinstance(begun, Refusal) else None
            return
        channel = stream.join(self.info)
        # Who opens must find the channel in its place, or could miss what is told between the two.
        await channel.begun.wait()
        # One at a time, since each takes one of the `limits.live_queries`.
        async with channel.opening, aclosing(tenant.live(self.text, self.params, stream.by, after=begun)) as live:
            told = await anext(live)
        if isinstance(told, Snapshot | Delta):
            stream.says((told.turn, 0), str(told.cursor))
            yield await _message(tenant, stream, told)
        else:
            stream.leave()
            yield self._last(told)

    async def onward(self, stream: Streamed) -> AsyncGenerator[Any, None]:
        """What is different, each time it is."""
        tenant = await stream.opened()
        if isinstance(tenant, Refusal):
            stream.says(END, None)
            yield refused(tenant)
            return
        cursor: str | None = None
        async with aclosing(tenant.live(self.text, self.params, stream.by)) as live:
            async for told in live:
                if isinstance(told, Snapshot):
                    stream.passes((told.turn, 0))
                elif isinstance(told, Delta):
                    stream.says((told.turn, 0), str(told.cursor))
                    yield await _message(tenant, stream, told)
                else:
                    stream.says(END, cursor)
                    yield self._last(told)
                    return
                cursor = str(told.cursor)

    def _begin(self, tenant: Tenant | Refusal, after: str | None) -> Cursor | Refusal | None:
        if isinstance(tenant, Refusal):
            return tenant
        if not isinstance(self.params, dict):
            return invalid("INVALID_TYPE", "a map of parameters is expected", "params", 'such as {"name": "Ada"}')
        if after is None:
            return None
        hint = "take the `cursor` of a message of this subscription as it came"
        return Cursor.read(after) or invalid("BAD_CURSOR", "this is no cursor of a live query", "after", hint)

    def _last(self, told: Resume | Refusal) -> Any:
        if isinstance(told, Resume):
            return resume(str(told.after) if told.after else None, told.why)
        return outcome(told, self.text)


async def _message(tenant: Tenant, stream: Streamed, told: Snapshot | Delta) -> LiveSnapshot | LiveDelta:
    rows = told.rows if isinstance(told, Snapshot) else (*told.added, *told.changed)
    roots = ends_in([row.values for row in rows])
    ids: Any = await tenant.read(lambda reader: ids_of(reader, roots), stream.by) if roots else {}
    cursor, position = str(told.cursor), Position(told.cursor.position)
    if isinstance(told, Delta):
        return LiveDelta(
            cursor=cursor,
            position=position,
            added=_rows(told.added, ids),
            changed=_rows(told.changed, ids),
            removed=list(told.removed),
        )
    return LiveSnapshot(
        cursor=cursor,
        position=position,
        columns=columns_of(told.columns),
        rows=_rows(told.rows, ids),
        ordered=told.ordered,
        notices=list(told.notices),
        because=told.why or None,
    )


def _rows(rows: Sequence[Row], ids: Any) -> list[LiveRow]:
    plain = plain_rows([row.values for row in rows], ids)
    return [LiveRow(key=row.key, row=values, place=row.place) for row, values in zip(rows, plain, strict=True)]
