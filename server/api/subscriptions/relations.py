"""Changes of relations, between two items that may both be seen."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import strawberry
from strawberry import UNSET

from engine.decide.view import RelationState
from engine.events import RelationRecorded, RelationRetired
from engine.reader import Reader
from engine.records import Record
from engine.tenant import Tenant
from memql.errors import Refusal
from server.api.answers import Answer
from server.api.conditions import FloatFilter
from server.api.filtering import unknown
from server.api.selection import Want, inside
from server.api.streams import Streamed
from server.api.subscriptions.items import Became, followed, placed, told_of
from server.api.subscriptions.messages import ChangeKind, RelationChanged


@strawberry.input(description="Which relations are meant; all that is given must hold.")
class RelationChangeFilter:
    source: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="It starts at an item of one of these ids."
    )
    target: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="It leads to an item of one of these ids."
    )
    either: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="It joins an item of one of these ids to another, whichever way."
    )
    weight: FloatFilter | None = strawberry.field(default=UNSET, description="How strong it is.")


@dataclass(frozen=True, slots=True)
class Relations:
    """Of these kinds (none: of all), where the filter holds."""

    kinds: Sequence[str]
    where: RelationChangeFilter | None
    wants: Sequence[Want]

    def forbidden(self, stream: Streamed, tenant: Tenant) -> Refusal | None:
        catalog = tenant.catalog
        return unknown("relation kind", self.kinds, catalog.relations, catalog.open)

    def messages(self, stream: Streamed, tenant: Tenant, record: Record) -> Sequence[tuple[int, Any]] | Refusal:
        changes = relations_of(record)
        if not changes:
            return ()
        return tenant.read_now(
            lambda reader: self._told(stream, reader, record, changes),
            stream.by, as_of=record.position, valid_at=record.at,
        )  # fmt: skip

    def _told(
        self, stream: Streamed, reader: Reader, record: Record, changes: Sequence["_Row"]
    ) -> Sequence[tuple[int, Any]] | Refusal:
        rows = sorted({row for each in changes for row in (each.row, each.previous) if row})
        states = {state.row: state for state in reader.relations(rows)}
        ids = {id_: item.root for id_ in self._ids() if (item := reader.index.item(id_))}
        answer = stream.answer(reader)
        told: list[tuple[int, Any]] = []
        seen = [each for each in changes if _is_seen(reader, states[each.row])]
        for each, became in zip(seen, placed([each.became for each in seen]), strict=True):
            now, before = states[each.row], states.get(each.previous)
            if not self._concerns(now, ids):
                continue
            there = became.kind in (ChangeKind.CREATED, ChangeKind.UPDATED)
            matches = there and self._weighs(now)
            if not matches and not (self._weighs(before) if before else False):
                continue
            message = RelationChanged(
                **told_of(record, became, now.id, f"{record.position}-{became.place}", matches),
                relation=self._shown(answer, now, "relation"),
                before=self._shown(answer, before, "before") if before else None,
            )
            told.append((became.place, message))
        return answer.refusal or told

    def _shown(self, answer: Answer, state: RelationState, field: str) -> Any:
        return answer.between([state], inside(self.wants, field))[state.id]

    def _ids(self) -> set[str]:
        given = (self.where.source, self.where.target, self.where.either) if self.where else ()
        return {id_ for ids in given for id_ in ids or ()}

    def _concerns(self, state: RelationState, ids: dict[str, int]) -> bool:
        """Whether it is of the kinds and between the items that are meant."""
        if self.kinds and state.kind not in self.kinds:
            return False
        ends = {"source": (state.source,), "target": (state.target,), "either": (state.source, state.target)}
        for name, roots in ends.items():
            wanted = getattr(self.where, name, None)
            if wanted and not {ids.get(id_) for id_ in wanted} & set(roots):
                return False
        return True

    def _weighs(self, state: RelationState) -> bool:
        wanted = self.where.weight if self.where else None
        if not wanted:
            return True
        given = {name: value for name in _WEIGHED if (value := getattr(wanted, name)) not in (UNSET, None)}
        return all(_WEIGHED[name](state.weight, value) for name, value in given.items())


def _is_seen(reader: Reader, state: RelationState) -> bool:
    """Whether both its ends may be seen."""
    return bool((reader.scope.lasting(np.array([state.source, state.target])) > 0).all())


_WEIGHED: Mapping[str, Callable[[float, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "in_": lambda weight, given: weight in given,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "is_null": lambda weight, given: not given,
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A change of a relation: the version it is known by, and the one before (0: none)."""

    became: Became
    row: int
    previous: int


def relations_of(record: Record) -> list[_Row]:
    """What became of each relation that the record says something of."""
    found: dict[int, _Row] = {}
    for place, event in enumerate(record.events):
        match event:
            case RelationRecorded():
                first = not event.previous
                kind = ChangeKind.CREATED if first else ChangeKind.UPDATED
                change = _Row(Became(place, kind, event.root, first, event.reason), event.row, event.previous)
            case RelationRetired():
                became = Became(place, ChangeKind.RETIRED, event.root, False, event.reason)
                change = _Row(became, event.row, event.row)
            case _:
                continue
        before = found.get(event.root)
        if before is not None:
            change = _Row(followed(before.became, change.became), change.row, before.previous)
        found[event.root] = change
    return list(found.values())
