"""Every record as it is made, as far as who may ask for that sees what it touched."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import strawberry

from engine import audit
from engine.records import Record
from engine.tenant import Tenant
from memql.errors import Problem, Reason, Refusal
from server.api.streams import Streamed
from server.api.subscriptions.messages import RecordAudited
from server.api.types import Moment, Position
from server.identity import Scope


@dataclass(frozen=True, slots=True)
class Records:
    """Of these actors and commands (none: of all)."""

    actors: Sequence[str] | None
    commands: Sequence[str] | None

    def forbidden(self, stream: Streamed, tenant: Tenant) -> Refusal | None:
        if stream.identity.may(Scope.AUDIT):
            return None
        hint = "ask whoever administers this server"
        return Refusal(Reason.FORBIDDEN, (Problem("FORBIDDEN", "records are for who may audit", "", hint),))

    def messages(self, stream: Streamed, tenant: Tenant, record: Record) -> Sequence[tuple[int, Any]] | Refusal:
        if self.actors is not None and record.actor not in self.actors:
            return ()
        if self.commands is not None and record.command not in self.commands:
            return ()
        seen = tenant.read_now(
            lambda reader: audit.entry(reader, record), stream.by, as_of=record.position, valid_at=None
        )
        if isinstance(seen, Refusal):
            return seen
        touched = {each.id for each in seen.touched}
        if not touched and not stream.by.admin:
            return ()
        message = RecordAudited(
            cursor=f"{record.position}-0",
            position=Position(record.position),
            recorded_at=Moment(record.at),
            actor=record.actor,
            command=record.command,
            ids=[strawberry.ID(id_) for id_ in record.ids if stream.by.admin or id_ in touched],
            reason=seen.reason or None,
        )
        return ((0, message),)
