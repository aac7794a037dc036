"""Changes of items: what a record made of each, as it then was and as it was before, for who may see it.

A filter is asked of both. Who keeps the set of what it holds for is told of what comes into it, of what changes in it,
and of what leaves it. What is erased is told to all who might have had it: its content, which a filter would read, is
gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import strawberry

from engine.decide.view import ItemState
from engine.events import ItemErased, ItemRecorded, ItemRetired
from engine.reader import Reader
from engine.records import Record
from engine.tenant import Tenant
from memql.errors import Refusal
from server.api.answers import Answer
from server.api.conditions import ItemFilter
from server.api.filtering import filter_of, unknown
from server.api.filters import kept, needs_of
from server.api.selection import Want, inside
from server.api.streams import Streamed
from server.api.subscriptions.messages import ChangeKind
from server.api.types import Item, Moment, Position

_TOGETHER = 100
"""Items of one record that are read together, with all that is asked for beneath them."""


@dataclass(frozen=True, slots=True)
class Became:
    """What a record made of one item or relation: `place` is that of the first of its events, or among what is seen."""

    place: int
    kind: ChangeKind
    root: int
    begun: bool
    """Whether there was nothing of it before."""
    reason: str


def items_of(record: Record) -> list[Became]:
    """What became of each item that the record says something of."""
    found: dict[int, Became] = {}
    for place, event in enumerate(record.events):
        match event:
            case ItemRecorded():
                first = not event.previous
                kind = ChangeKind.CREATED if first else ChangeKind.UPDATED
                became = Became(place, kind, event.root, first, event.reason)
            case ItemRetired():
                became = Became(place, ChangeKind.RETIRED, event.root, False, event.reason)
            case ItemErased():
                became = Became(place, ChangeKind.ERASED, event.root, False, "")
            case _:
                continue
        found[became.root] = followed(found.get(became.root), became)
    return list(found.values())


def followed(before: Became | None, became: Became) -> Became:
    """Both as one: what was made and changed by the same record was made by it."""
    if before is None:
        return became
    made = before.begun and became.kind is ChangeKind.UPDATED
    kind = ChangeKind.CREATED if made else became.kind
    return replace(became, place=before.place, kind=kind, begun=before.begun, reason=became.reason or before.reason)


def placed(seen: Sequence[Became]) -> list[Became]:
    """Their places among what is seen of the record: those among all that it did would tell how much is not."""
    return [replace(each, place=place) for place, each in enumerate(seen)]


def told_of(record: Record, became: Became, id_: str, cursor: str, matches: bool) -> dict[str, Any]:
    """What every message of a change says."""
    return {
        "cursor": cursor,
        "kind": became.kind,
        "id": strawberry.ID(id_),
        "matches": matches,
        "position": Position(record.position),
        "recorded_at": Moment(record.at),
        "actor": record.actor,
        "command": record.command,
        "reason": became.reason or None,
    }


@dataclass(frozen=True, slots=True)
class Items:
    """Of these kinds (none: of all), where the filter holds; `message` has the item in its field `field`."""

    kinds: Sequence[str]
    where: ItemFilter | None
    message: Any
    field: str
    wants: Sequence[Want]

    def forbidden(self, stream: Streamed, tenant: Tenant) -> Refusal | None:
        catalog = tenant.catalog
        if refusal := unknown("kind", self.kinds, catalog.kinds, catalog.open):
            return refusal
        wanted = filter_of(self.where, self.kinds, catalog, stream.limits.conditions) if self.where else None
        return wanted if isinstance(wanted, Refusal) else None

    def messages(self, stream: Streamed, tenant: Tenant, record: Record) -> Sequence[tuple[int, Any]] | Refusal:
        changes = self._of_kind(tenant, items_of(record))
        if not changes:
            return ()

        def now(reader: Reader) -> Sequence[tuple[int, Any]] | Refusal:
            seen = self._states(reader, changes)
            if not seen:
                return ()
            told = placed([each for each in changes if each.root in seen])
            then = tenant.read_now(
                lambda before: self._before(stream, before, told),
                stream.by, needs=needs_of(self.where), as_of=record.position - 1, valid_at=record.at,
            )  # fmt: skip
            return then if isinstance(then, Refusal) else self._told(stream, reader, record, told, seen, then)

        return tenant.read_now(now, stream.by, needs=needs_of(self.where), as_of=record.position, valid_at=record.at)

    def _of_kind(self, tenant: Tenant, changes: Sequence[Became]) -> Sequence[Became]:
        """Most of what is recorded is of other kinds, which the columns know."""
        if not self.kinds:
            return changes
        codes = {tenant.columns.codes.get(kind) for kind in self.kinds}
        kinds = tenant.columns.column("kind")
        return [each for each in changes if int(kinds[each.root]) in codes]

    def _states(self, reader: Reader, changes: Sequence[Became]) -> dict[int, ItemState]:
        """The versions that they are known by, of those that may be seen."""
        return {state.root: state for state in reader.lasting([each.root for each in changes])}

    def _before(self, stream: Streamed, reader: Reader, changes: Sequence[Became]) -> "_Then":
        """As they were until then, where they were there."""
        answer = stream.answer(reader)
        states = self._states(reader, [each for each in changes if not each.begun])
        there = {root: state for root, state in states.items() if not state.retired}
        matching = self._matching(answer, list(there.values()))
        shown = _shown(stream, answer, list(there.values()), inside(self.wants, "before"))
        return _Then(dict(zip(there, shown, strict=False)), matching, answer.refusal)

    def _told(
        self, stream: Streamed, reader: Reader, record: Record, changes: Sequence[Became], seen: dict[int, ItemState],
        then: "_Then",
    ) -> Sequence[tuple[int, Any]] | Refusal:  # fmt: skip
        answer = stream.answer(reader)
        # What was erased later was there then: whoever reads late is told as much as who read at once.
        gone = {each.root for each in changes if each.kind is ChangeKind.ERASED}
        there = [state for state in seen.values() if not state.retired and state.root not in gone]
        matching = self._matching(answer, there)
        told = [
            each
            for each in changes
            if each.kind is ChangeKind.ERASED or each.root in matching or each.root in then.matching
        ]
        shown = _shown(stream, answer, [seen[each.root] for each in told], inside(self.wants, self.field))
        if refusal := answer.refusal or then.refusal:
            return refusal
        return [
            (
                each.place,
                self.message(
                    **told_of(record, each, item.id, f"{record.position}-{each.place}", each.root in matching),
                    **{self.field: item, "before": then.shown.get(each.root)},
                ),
            )
            for each, item in zip(told, shown, strict=True)
        ]

    def _matching(self, answer: Answer, states: Sequence[ItemState]) -> frozenset[int]:
        """The roots of those for which the filter holds; it cannot be asked of content that is gone."""
        if self.where is None:
            return frozenset(state.root for state in states)
        states = [state for state in states if not state.erased]
        if not states:
            return frozenset()
        among = np.zeros(answer.reader.scope.count, np.bool_)
        among[[state.dense for state in states]] = True
        found = kept(answer, self.kinds, self.where, among)
        return frozenset(state.root for state in states if found[state.dense])


def _shown(stream: Streamed, answer: Answer, states: Sequence[ItemState], wants: Sequence[Want]) -> list[Item]:
    """The items, some at a time: `requests.rows` bounds each message, not how much one record changes. Where one is
    beyond it, that is the answer's refusal."""
    shown: list[Item] = []
    for start in range(0, len(states), _TOGETHER):
        some = states[start : start + _TOGETHER]
        together = stream.answer(answer.reader)
        found = together.items(some, wants)
        if together.refusal:
            found = []
            for state in some:
                alone = stream.answer(answer.reader)
                found += alone.items([state], wants)
                answer.needs(alone.refusal, None)
        shown += found
    return shown


@dataclass(frozen=True, slots=True)
class _Then:
    """The items before a record, by root, and for which of them the filter held."""

    shown: dict[int, Item]
    matching: frozenset[int]
    refusal: Refusal | None
