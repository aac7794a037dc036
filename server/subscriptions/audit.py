"""Every record as it is made: for who administers, and nobody else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import strawberry

from engine.records import Record
from engine.tenant import Tenant
from memql.errors import Problem, Reason, Refusal
from server.identity import Scope
from server.streams import Streamed
from server.subscriptions.messages import RecordAudited
from server.types import Moment, Position


@dataclass(frozen=True, slots=True)
class Records:
    """Of these actors and commands (none: of all)."""

    actors: Sequence[str] | None
    commands: Sequence[str] | None

    def forbidden(self, stream: Streamed, tenant: Tenant) -> Refusal | None:
        if stream.identity.may(Scope.ADMIN) and stream.by.admin:
            return None
        hint = "ask whoever administers this server"
        return Refusal(Reason.FORBIDDEN, (Problem("FORBIDDEN", "only who administers sees all records", "", hint),))

    def messages(self, stream: Streamed, tenant: Tenant, record: Record) -> Sequence[tuple[int, Any]] | Refusal:
        if self.actors is not None and record.actor not in self.actors:
            return ()
        if self.commands is not None and record.command not in self.commands:
            return ()
        reasons = (reason for event in record.events if (reason := getattr(event, "reason", "")))
        message = RecordAudited(
            cursor=f"{record.position}-0",
            position=Position(record.position),
            recorded_at=Moment(record.at),
            actor=record.actor,
            command=record.command,
            ids=[strawberry.ID(id_) for id_ in record.ids],
            reason=next(reasons, None),
        )
        return ((0, message),)
