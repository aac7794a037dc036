"""One answer in the making: what a reader finds, as GraphQL's objects, with all that was asked for beneath them.

All of it in the one read of a field of Query: for each field beneath, one read for all objects of a level, never one
an object. Knows nothing of who asks or as of when; that is the reader's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from strawberry.types import get_object_definition

from engine import identities, provenance
from engine.decide.view import NEVER, ItemState, RelationState
from engine.reader import Reader
from memql.errors import Problem, Reason, Refusal, over_limit
from memql.values import FOREVER, Value, micros, plain
from server.api import pages, related
from server.api.connections import Connection, Edge
from server.api.filtering import unknown
from server.api.pages import Paging, Taken
from server.api.related import NO_STEPS, Finder, Found
from server.api.selection import Path, Want, inside
from server.api.types import (
    ITEMS,
    Change,
    CustomItem,
    Domain,
    Item,
    Moment,
    Node,
    Position,
    Provenance,
    Relation,
    Status,
)
from server.bounds import RequestLimits

T = TypeVar("T")


def _plain(value: Value) -> Any:
    return micros(value) if isinstance(value, datetime) else plain(value)


def _status(value: Value) -> Any:
    return Status(value) if value is not None else None


def _list(value: Value) -> Any:
    return value or []


_SHOWN: Mapping[str, Callable[[Value], Any]] = {"status": _status, "tags": _list, "aliases": _list}
"""How the value of a property is shown where its field is none of plain values."""

_OWN: Mapping[str, tuple[tuple[str, Callable[[Value], Any]], ...]] = {
    name: tuple(
        (field.python_name, _SHOWN.get(field.python_name, _plain))
        for field in get_object_definition(shown, strict=True).fields
        if field.python_name in shown.__annotations__ and field.base_resolver is None
    )
    for name, shown in ITEMS.items()
}
"""The properties that are fields of a kind's own type, and how each is shown."""

_DOMAINS = {domain.value: domain for domain in Domain}

_CHANGES = {"provenance": provenance.begun, "ending": provenance.ended}
"""What a relation may be asked for of its own changes."""


class Answer:
    """Gathers for one reader, as much as one request may show; a refusal met on the way ends it: what has been gathered
    by then is not to be shown."""

    def __init__(self, reader: Reader, limits: RequestLimits) -> None:
        self.reader = reader
        self.limits = limits
        self.refusal: Refusal | None = None
        self._left = limits.rows

    def needs(self, found: T | Refusal, otherwise: T) -> T:
        """What was found; where it is a refusal, that ends the answer, and something else is gone on with."""
        if isinstance(found, Refusal):
            self.refusal = self.refusal or found
            return otherwise
        return found

    # Items

    def items(self, states: Sequence[ItemState], wants: Sequence[Want] = ()) -> list[Item]:
        """These versions, in their order, with what is wanted of them."""
        besides: list[dict[Path, Any]] = [{} for _ in states]
        items = [_item(state, beside) for state, beside in zip(states, besides, strict=True)]
        self._spend(len(states))
        for want in wants:
            asked = [n for n, item in enumerate(items) if type(item).__name__ in want.on]
            finder = _FINDERS.get(want.name)
            if finder is None or not asked or self.refusal:
                continue
            found = finder(self, [states[n] for n in asked], want)
            for n in asked:
                besides[n][want.path] = found(states[n])
        return items

    def by_root(self, roots: Iterable[int], wants: Sequence[Want] = ()) -> dict[int, Item]:
        """The last known versions of these identities, whatever became of them."""
        states = self.reader.lasting(sorted(set(roots)))
        return dict(zip((state.root for state in states), self.items(states, wants), strict=True))

    def _history(self, of: Sequence[ItemState], want: Want) -> Found:
        scope = self.reader.scope
        roots = scope.columns.column("root")[: scope.count]
        denses = np.flatnonzero(scope.visible & np.isin(roots, [state.root for state in of]))
        states = self.reader.items(denses)
        versions: dict[int, list[Item]] = {}
        for state, item in zip(states, self.items(states, want.inner), strict=True):
            versions.setdefault(state.root, []).append(item)
        return lambda state: versions[state.root]

    def _streams(self, of: Sequence[ItemState], want: Want) -> Found:
        streams = self.by_root((state.stream for state in of if state.stream), want.inner)
        return lambda state: streams.get(state.stream)

    def sources(self, of: Sequence[ItemState], wants: Sequence[Want]) -> Found:
        """The events that each of these was, in the end, derived from, in the order they were recorded."""
        sources = self.needs(self.reader.sources(state.root for state in of), {})
        events = {state.root: state for found in sources.values() for state in found}
        shown = dict(zip(events, self.items(list(events.values()), wants), strict=True))
        return lambda state: [shown[event.root] for event in sources.get(state.root, ())]

    def _provenance(self, of: Sequence[ItemState], want: Want) -> Found:
        begun = provenance.begun(self.reader.index.db, of)
        made_from: dict[int, list[Item]] = {}
        for asked in (each for each in want.inner if each.name == "derivedFrom"):
            steps = self.needs(self.reader.expand([state.root for state in of], "out", ["DERIVED_FROM"]), NO_STEPS)
            items = self.by_root(steps.ends.tolist(), asked.inner)
            for origin, end in zip(steps.origins.tolist(), steps.ends.tolist(), strict=True):
                made_from.setdefault(origin, []).append(items[end])
        return lambda state: Provenance(**_change(begun[state.dense]), derived_from=made_from.get(state.root, []))

    def _ending(self, of: Sequence[ItemState], want: Want) -> Found:
        ended = provenance.ended(self.reader.index.db, of)
        return lambda state: Change(**_change(ended[state.dense])) if state.dense in ended else None

    # Relations

    def relations(self, of: Sequence[RelationState], wants: Sequence[Want]) -> list[Relation]:
        """These versions of relations, in their order, with what is wanted of them."""
        return self.related(of, wants, ())[0]

    def related(
        self, of: Sequence[RelationState], wants: Sequence[Want], others: Sequence[Want]
    ) -> tuple[list[Relation], Mapping[int, Item]]:
        """The same, and the items at all their ends by their roots, with what is wanted of those as `others`: they are
        read once, however they are reached."""
        if not self._spend(len(of)):
            return [], {}
        roots = (root for state in of for root in (state.source, state.target))
        ends = self.by_root(roots, [*others, *inside(wants, "source"), *inside(wants, "target")])
        besides: list[dict[Path, Any]] = [{} for _ in of]
        shown = [_relation(state, ends, beside) for state, beside in zip(of, besides, strict=True)]
        for want in wants:
            found: Mapping[int, Any] = {}
            if want.name in _CHANGES:
                changes = _CHANGES[want.name](self.reader.index.db, of)
                found = {row: Change(**_change(change)) for row, change in changes.items()}
            elif want.name == "history":
                found = self._relation_history(of, want)
            for state, beside in zip(of, besides, strict=True):
                beside[want.path] = found.get(state.row)
        return shown, ends

    def _relation_history(self, of: Sequence[RelationState], want: Want) -> dict[int, list[Relation]]:
        adjacency = self.reader.adjacency
        roots = adjacency.column("root")
        known = np.isin(roots, [roots[state.row] for state in of]) & (adjacency.column("born") <= self.reader.position)
        rows = np.flatnonzero(known)
        versions: dict[int, list[Relation]] = {}
        shown = self.relations(self.reader.relations(rows.tolist()), want.inner)
        if self.refusal:
            return {}
        for row, version in zip(rows.tolist(), shown, strict=True):
            versions.setdefault(int(roots[row]), []).append(version)
        return {state.row: versions[int(roots[state.row])] for state in of}

    # Nodes

    def nodes(self, ids: Sequence[str], wants: Sequence[Want]) -> list[Node | None]:
        """The items and relations of these ids, in their order; None for what the reader does not see."""
        most = self.reader.limits.read_rows
        if len(ids) > most:
            return self.needs(over_limit("read_rows", most, len(ids), "ids"), [])
        states = identities.items(self.reader, ids)
        found: dict[str, Node] = dict(zip(states, self.items(list(states.values()), wants), strict=True))
        found |= self.between(list(self.needs(identities.relations(self.reader, ids), {}).values()), wants)
        return [found.get(id_) for id_ in ids]

    def between(self, relations: Sequence[RelationState], wants: Sequence[Want]) -> dict[str, Node]:
        """These versions of relations by their ids, each with its ends, both of which the reader sees."""
        if not relations or self.refusal:
            return {}
        within = [want for want in wants if Relation.__name__ in want.on]
        shown = self.relations(relations, within)
        return {} if self.refusal else dict(zip((state.id for state in relations), shown, strict=True))

    # Pages

    def page(
        self, taken: Taken, asked: int, total: int, wants: Sequence[Want], beside: Mapping[Path, Any]
    ) -> Connection[Any]:
        """These versions, of so many, with what is wanted of them."""
        states = self.reader.items(taken.rows.tolist())
        items = self.items(states, [*inside(wants, "edges", "node"), *inside(wants, "nodes")])
        return self.connection(taken, items, asked, total, beside)

    def connection(
        self, taken: Taken, items: list[Item], asked: int, total: int, beside: Mapping[Path, Any]
    ) -> Connection[Any]:
        named = pages.cursors_of(self.reader.position, taken, asked)
        return Connection(
            edges=[Edge(cursor=cursor, node=item) for cursor, item in zip(named, items, strict=True)],
            nodes=items,
            page_info=pages.page_info(named, taken),
            total_count=total,
            position=Position(self.reader.position),
            beside=beside,
        )

    def paging(self, given: Mapping[str, Any], asked: int) -> Paging:
        """The page that the arguments of a field ask for; what is wrong with them ends the answer."""
        named = (given.get(name) for name in ("first", "last", "after", "before"))
        paging = self.needs(pages.read(*named), Paging())
        self.needs(paging.wrong(self.limits.page, self.reader.limits.read_rows, asked), None)
        return paging

    def known_kinds(self, kinds: Sequence[str] | None) -> Sequence[str]:
        """The kinds asked for; an unknown one ends the answer, unless the catalog is open to any name."""
        catalog = self.reader.catalog
        self.needs(unknown("kind", kinds, catalog.kinds, catalog.open), None)
        return kinds or ()

    def _spend(self, rows: int) -> bool:
        """Whether so many more rows may still be shown."""
        self._left -= rows
        if self._left < 0 and self.refusal is None:
            message = f"this asks for more than the {self.limits.rows:,} rows that `requests.rows` allows"
            problem = Problem("LIMIT_EXCEEDED", message, "", "ask for less at each level, or raise `requests.rows`")
            self.refusal = Refusal(Reason.LIMIT, (problem,))
        # Each level of an answer comes by here: where its time is over, the next one is not begun.
        self.refusal = self.refusal or self.reader.given_up()
        return self.refusal is None


_FINDERS: Mapping[str, Finder] = {
    "blockedBy": related.blocked_by,
    "contradictedBy": related.ends("CONTRADICTS", "in"),
    "ending": Answer._ending,
    "entities": related.ends("MENTIONS", "out", "Entity"),
    "goal": related.goal,
    "history": Answer._history,
    "mentions": related.mentions,
    "provenance": Answer._provenance,
    "relations": related.relations,
    "similar": related.similar,
    "sources": lambda answer, of, want: answer.sources(of, want.inner),
    "stream": Answer._streams,
    "supportedBy": related.ends("SUPPORTS", "in"),
    "tasks": related.ends("PART_OF", "in", "Task"),
}
"""What finds, of items, each field that is not simply there."""


def _item(state: ItemState, beside: Mapping[Path, Any]) -> Item:
    fields = _versioned(state)
    fields["kind"] = state.kind
    fields["labels"] = list(state.labels)
    fields["owner"] = state.owner
    fields["domain"] = _DOMAINS[state.domain]
    fields["erased"] = state.erased
    fields["beside"] = beside
    says = state.properties
    for name, show in _OWN.get(state.kind, ()):
        value = says.get(name)
        fields[name] = value if type(value) is str and show is _plain else show(value)
    return ITEMS.get(state.kind, CustomItem)(**fields)


def _relation(state: RelationState, ends: Mapping[int, Item], beside: Mapping[Path, Any]) -> Relation:
    return Relation(
        beside=beside,
        kind=state.kind,
        weight=state.weight,
        source=ends[state.source],
        target=ends[state.target],
        read_version=state.read_version or None,
        **_versioned(state),
    )


def _change(told: provenance.Change) -> dict[str, Any]:
    return {
        "actor": told.actor,
        "command": told.command,
        "reason": told.reason or None,
        "recorded_at": Moment(told.at),
        "position": Position(told.position),
    }


def _versioned(state: ItemState | RelationState) -> dict[str, Any]:
    """What versions of items and of relations have in common."""
    return {
        "id": state.id,
        "version": state.version,
        "valid_from": Moment(state.valid_from),
        "valid_to": None if state.valid_to == FOREVER else Moment(state.valid_to),
        "recorded_at": Moment(state.recorded_at),
        "retired_at": None if state.retired_at == NEVER else Moment(state.retired_at),
        "properties": {name: plain(value) for name, value in state.properties.items()},
    }
