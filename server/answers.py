"""One answer in the making: what a reader finds, as GraphQL's objects, with all that was asked for beneath them.

All of it in the one read of a field of Query: for each field beneath, one read for all objects of a level, never one
an object. Knows nothing of who asks or as of when; that is the reader's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

import numpy as np

from engine import identities, provenance
from engine.adjacency import Steps
from engine.decide.view import NEVER, ItemState, RelationState
from engine.reader import Reader
from memql.errors import Problem, Reason, Refusal, invalid, nearest, over_limit
from memql.values import FOREVER, Value, micros, plain
from server import cursors
from server.cursors import Cursor
from server.selection import Path, Want, inside
from server.settings import RequestLimits
from server.types import (
    ITEMS,
    Change,
    Connection,
    CustomItem,
    Direction,
    Domain,
    Edge,
    Item,
    Moment,
    Node,
    PageInfo,
    Position,
    Provenance,
    Relation,
    RelationConnection,
    RelationEdge,
    Status,
)

T = TypeVar("T")
Found: TypeAlias = Callable[[ItemState], Any]
"""What was found for that version."""

_LISTS = frozenset({"tags", "aliases"})
_OWN: Mapping[str, tuple[str, ...]] = {
    name: tuple(field for field in shown.__annotations__ if field != "stream") for name, shown in ITEMS.items()
}
"""The properties that are fields of a kind's own type."""

_CHANGES = {"provenance": provenance.begun, "ending": provenance.ended}
"""What a relation may be asked for of its own changes."""

_NOTHING = np.empty(0, np.int64)
_NO_STEPS = Steps(_NOTHING, _NOTHING, _NOTHING, np.empty(0))


class Answer:
    """Gathers for one reader, as much as one request may show; a refusal met on the way ends it: what has been gathered
    by then is not to be shown."""

    def __init__(self, reader: Reader, limits: RequestLimits) -> None:
        self.reader = reader
        self.limits = limits
        self.refusal: Refusal | None = None
        self._left = limits.rows
        self._finders: Mapping[str, Callable[[Sequence[ItemState], Want], Found]] = {
            "ending": self._ending,
            "history": self._history,
            "provenance": self._provenance,
            "relations": self._relations,
            "sources": lambda of, want: self.sources(of, want.inner),
            "stream": self._streams,
        }

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
            finder = self._finders.get(want.name)
            if finder is None or not asked or self.refusal:
                continue
            found = finder([states[n] for n in asked], want)
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
            steps = self.needs(self.reader.expand([state.root for state in of], "out", ["DERIVED_FROM"]), _NO_STEPS)
            items = self.by_root(steps.ends.tolist(), asked.inner)
            for origin, end in zip(steps.origins.tolist(), steps.ends.tolist(), strict=True):
                made_from.setdefault(origin, []).append(items[end])
        return lambda state: Provenance(**_change(begun[state.dense]), derived_from=made_from.get(state.root, []))

    def _ending(self, of: Sequence[ItemState], want: Want) -> Found:
        ended = provenance.ended(self.reader.index.db, of)
        return lambda state: Change(**_change(ended[state.dense])) if state.dense in ended else None

    # Relations

    def _relations(self, of: Sequence[ItemState], want: Want) -> Found:
        first, given = want.arguments.get("first", 20), want.arguments.get("after")
        after = self.needs(cursors.read(given), None) if given is not None else None
        self.needs(self.page_limit(first), None)
        way, kinds = Direction(want.arguments.get("direction", Direction.ANY)).value, want.arguments.get("kinds")
        self.needs(unknown("relation kind", kinds, self.reader.catalog.relations, self.reader.catalog.open), None)
        steps = self.needs(self.reader.expand([state.root for state in of], way, kinds), _NO_STEPS)
        steps_of: dict[int, list[tuple[int, int]]] = {state.root: [] for state in of}
        for row, origin, end in zip(steps.rows.tolist(), steps.origins.tolist(), steps.ends.tolist(), strict=True):
            steps_of[origin].append((row, end))
        behind = {
            root: sorted(step for step in given if after is None or step[0] > after.row)
            for root, given in steps_of.items()
        }
        rows = sorted({row for ahead in behind.values() for row, _ in ahead[:first]})
        if not self._spend(len(rows)):
            return lambda state: None
        edges = inside(want.inner, "edges")
        nodes = [*inside(edges, "node"), *inside(want.inner, "nodes")]
        wants = [*inside(edges, "other"), *inside(nodes, "source"), *inside(nodes, "target")]
        relations = self.reader.relations(rows)
        ends = self.by_root((root for state in relations for root in (state.source, state.target)), wants)
        told = self._told(relations, nodes)
        shown = {state.row: _relation(state, ends, told[state.row]) for state in relations}

        def page(of: ItemState) -> RelationConnection:
            steps = behind[of.root][:first]
            edges = [RelationEdge(cursor=self._cursor(row), node=shown[row], other=ends[end]) for row, end in steps]
            return RelationConnection(
                edges=edges,
                nodes=[edge.node for edge in edges],
                page_info=page_info([edge.cursor for edge in edges], len(behind[of.root]) > first, after is not None),
                total_count=len(steps_of[of.root]),
            )

        return page

    def _told(self, of: Sequence[RelationState], wants: Iterable[Want]) -> dict[int, dict[str, Change | None]]:
        """What is wanted of these beside what they say themselves, by row."""
        told: dict[int, dict[str, Change | None]] = {state.row: {} for state in of}
        for name in {want.name for want in wants} & _CHANGES.keys():
            changes = _CHANGES[name](self.reader.index.db, of)
            for row, beside in told.items():
                beside[name] = Change(**_change(changes[row])) if row in changes else None
        return told

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
        if not relations or not self._spend(len(relations)):
            return {}
        within = [want for want in wants if Relation.__name__ in want.on]
        roots = (root for state in relations for root in (state.source, state.target))
        ends = self.by_root(roots, [*inside(within, "source"), *inside(within, "target")])
        told = self._told(relations, within)
        return {state.id: _relation(state, ends, told[state.row]) for state in relations}

    # Pages

    def page(self, states: Sequence[ItemState], first: int, after: bool, wants: Sequence[Want]) -> Connection[Any]:
        """The first of these versions, of which there is one more than asked for where there are more."""
        shown = states[:first]
        items = self.items(shown, [*inside(wants, "edges", "node"), *inside(wants, "nodes")])
        edges = [Edge(cursor=self._cursor(state.dense), node=item) for state, item in zip(shown, items, strict=True)]
        return Connection(
            edges=edges,
            nodes=items,
            page_info=page_info([edge.cursor for edge in edges], len(states) > first, after),
            position=Position(self.reader.position),
        )

    def known_kinds(self, kinds: Sequence[str] | None) -> Sequence[str]:
        """The kinds asked for; an unknown one ends the answer, unless the catalog is open to any name."""
        catalog = self.reader.catalog
        self.needs(unknown("kind", kinds, catalog.kinds, catalog.open), None)
        return kinds or ()

    def page_limit(self, first: int) -> Refusal | None:
        """Why a page can't be so long; one row of a read is kept to look ahead."""
        if first < 0:
            return invalid("INVALID_VALUE", f"a page can't have {first} rows", "first", "0 or more")
        most = self.reader.limits.read_rows - 1
        return over_limit("read_rows", most, first, "first") if first > most else None

    def _cursor(self, row: int) -> str:
        return str(Cursor(self.reader.position, row))

    def _spend(self, rows: int) -> bool:
        """Whether so many more rows may still be shown."""
        self._left -= rows
        if self._left < 0 and self.refusal is None:
            message = f"this asks for more than the {self.limits.rows:,} rows that `requests.rows` allows"
            problem = Problem("LIMIT_EXCEEDED", message, "", "ask for less at each level, or raise `requests.rows`")
            self.refusal = Refusal(Reason.LIMIT, (problem,))
        return self.refusal is None


def unknown(what: str, names: Sequence[str] | None, known: Iterable[str], is_open: bool) -> Refusal | None:
    """Why one of these names can't be asked for."""
    strange = [] if is_open else [name for name in names or () if name not in known]
    code = f"UNKNOWN_{what.partition(' ')[0].upper()}"
    return invalid(code, f"no {what} `{strange[0][:80]}`", "kinds", nearest(strange[0], known)) if strange else None


def page_info(cursors: Sequence[str], more: bool, after: bool) -> PageInfo:
    ends = (cursors[0], cursors[-1]) if cursors else (None, None)
    return PageInfo(has_next_page=more, has_previous_page=after, start_cursor=ends[0], end_cursor=ends[1])


def _item(state: ItemState, beside: Mapping[Path, Any]) -> Item:
    shown = ITEMS.get(state.kind, CustomItem)
    own = {name: _shown(name, state.properties.get(name)) for name in _OWN.get(state.kind, ())}
    return shown(
        kind=state.kind,
        labels=list(state.labels),
        owner=state.owner,
        domain=Domain(state.domain),
        erased=state.erased,
        beside=beside,
        **_versioned(state),
        **own,
    )


def _relation(state: RelationState, ends: Mapping[int, Item], beside: Mapping[str, Any]) -> Relation:
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


def _shown(name: str, value: Value) -> Any:
    """The value as the kind's own type declares the field of that name."""
    if name == "status":
        return Status(value) if value is not None else None
    if name in _LISTS:
        return value or []
    return micros(value) if isinstance(value, datetime) else plain(value)
