"""One answer in the making: what a reader finds, as GraphQL's objects, with all that was asked for beneath them.

All of it in the one read of a field of Query: for each field beneath, one read for all objects of a level, never one
an object. Knows nothing of who asks or as of when; that is the reader's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias, TypeVar

import numpy as np

from engine.adjacency import Steps
from engine.decide.view import NEVER, ItemState, RelationState
from engine.reader import Hit, Reader
from memql.errors import Problem, Reason, Refusal, invalid, nearest, over_limit
from memql.values import FOREVER, Value, iso, micros
from server import cursors
from server.cursors import Cursor
from server.selection import Path, Want, inside
from server.types import (
    ITEMS,
    Connection,
    CustomItem,
    Direction,
    Domain,
    Edge,
    Embedder,
    Item,
    Moment,
    PageInfo,
    Position,
    Relation,
    RelationConnection,
    RelationEdge,
    SearchConnection,
    SearchEdge,
    Status,
)

T = TypeVar("T")
Found: TypeAlias = Callable[[int], Any]
"""What was found for the identity of that root."""

_LISTS = frozenset({"tags", "aliases"})
_OWN: Mapping[str, tuple[str, ...]] = {
    name: tuple(field for field in shown.__annotations__ if field != "stream") for name, shown in ITEMS.items()
}
"""The properties that are fields of a kind's own type."""

_NOTHING = np.empty(0, np.int64)
_NO_STEPS = Steps(_NOTHING, _NOTHING, _NOTHING, np.empty(0))


class Answer:
    """Gathers for one reader. `rows` is how many items and relations it may show; a refusal met on the way ends it:
    what has been gathered by then is not to be shown."""

    def __init__(self, reader: Reader, rows: int) -> None:
        self.reader = reader
        self.refusal: Refusal | None = None
        self._rows = self._left = rows
        self._finders: Mapping[str, Callable[[Sequence[ItemState], Want], Found]] = {
            "history": self._history,
            "relations": self._relations,
            "sources": lambda of, want: self.sources([state.root for state in of], want.inner),
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
                besides[n][want.path] = found(states[n].root)
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
        return versions.__getitem__

    def _streams(self, of: Sequence[ItemState], want: Want) -> Found:
        stream_of = {state.root: state.stream for state in of}
        streams = self.by_root(stream_of.values(), want.inner)
        return lambda root: streams[stream_of[root]]

    def sources(self, roots: Sequence[int], wants: Sequence[Want]) -> Found:
        """The events that each of these was, in the end, derived from, in the order they were recorded."""
        sources = self.needs(self.reader.sources(roots), {})
        events = {state.root: state for found in sources.values() for state in found}
        shown = dict(zip(events, self.items(list(events.values()), wants), strict=True))
        return lambda root: [shown[state.root] for state in sources.get(root, ())]

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
            return lambda root: None
        edges = inside(want.inner, "edges")
        nodes = [*inside(edges, "node"), *inside(want.inner, "nodes")]
        wants = [*inside(edges, "other"), *inside(nodes, "source"), *inside(nodes, "target")]
        relations = self.reader.relations(rows)
        ends = self.by_root((root for state in relations for root in (state.source, state.target)), wants)
        shown = {state.row: _relation(state, ends) for state in relations}

        def page(root: int) -> RelationConnection:
            steps = behind[root][:first]
            edges = [RelationEdge(cursor=self._cursor(row), node=shown[row], other=ends[end]) for row, end in steps]
            return RelationConnection(
                edges=edges,
                nodes=[edge.node for edge in edges],
                page_info=_page_info([edge.cursor for edge in edges], len(behind[root]) > first, after is not None),
                total_count=len(steps_of[root]),
            )

        return page

    def relation(self, id_: str, wants: Sequence[Want] = ()) -> Relation | None:
        """The relation of that id, if the reader sees it."""
        newest = self.reader.index.relation(id_)
        if newest is None:
            return None
        rows = self.needs(self.reader.expand([newest.source], "out", [newest.kind]), _NO_STEPS).rows
        for state in self.reader.relations(rows[self.reader.adjacency.column("root")[rows] == newest.root]):
            if self._spend(1):
                ends = self.by_root((state.source, state.target), [*inside(wants, "source"), *inside(wants, "target")])
                return _relation(state, ends)
        return None

    # Pages

    def page(self, states: Sequence[ItemState], first: int, after: bool, wants: Sequence[Want]) -> Connection[Any]:
        """The first of these versions, of which there is one more than asked for where there are more."""
        shown = states[:first]
        items = self.items(shown, [*inside(wants, "edges", "node"), *inside(wants, "nodes")])
        edges = [Edge(cursor=self._cursor(state.dense), node=item) for state, item in zip(shown, items, strict=True)]
        return Connection(
            edges=edges,
            nodes=items,
            page_info=_page_info([edge.cursor for edge in edges], len(states) > first, after),
            position=Position(self.reader.position),
        )

    def ranked(self, hits: Sequence[Hit], first: int, after: Cursor | None, wants: Sequence[Want]) -> SearchConnection:
        """The first of these hits, with the events they come from where those are wanted."""
        seen, shown = after.seen if after else 0, hits[:first]
        edge_wants = inside(wants, "edges")
        states = [hit.item for hit in shown]
        items = self.items(states, [*inside(edge_wants, "node"), *inside(wants, "nodes")])
        besides: list[dict[Path, Any]] = [{} for _ in shown]
        for want in (want for want in edge_wants if want.name == "sources"):
            found = self.sources([state.root for state in states], want.inner)
            for beside, state in zip(besides, states, strict=True):
                beside[want.path] = found(state.root)
        edges = [
            SearchEdge(
                cursor=str(Cursor(self.reader.position, hit.item.dense, hit.score, seen + n)),
                score=hit.score,
                node=item,
                beside=beside,
            )
            for n, (hit, item, beside) in enumerate(zip(shown, items, besides, strict=True), 1)
        ]
        return SearchConnection(
            edges=edges,
            nodes=items,
            page_info=_page_info([edge.cursor for edge in edges], len(hits) > first, after is not None),
            position=Position(self.reader.position),
            embedder=Embedder.NONE,
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
            message = f"this asks for more than the {self._rows:,} rows that `requests.rows` allows"
            problem = Problem("LIMIT_EXCEEDED", message, "", "ask for less at each level, or raise `requests.rows`")
            self.refusal = Refusal(Reason.LIMIT, (problem,))
        return self.refusal is None


def unknown(what: str, names: Sequence[str] | None, known: Iterable[str], is_open: bool) -> Refusal | None:
    """Why one of these names can't be asked for."""
    strange = [] if is_open else [name for name in names or () if name not in known]
    code = f"UNKNOWN_{what.partition(' ')[0].upper()}"
    return invalid(code, f"no {what} `{strange[0][:80]}`", "kinds", nearest(strange[0], known)) if strange else None


def _page_info(cursors: Sequence[str], more: bool, after: bool) -> PageInfo:
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


def _relation(state: RelationState, ends: Mapping[int, Item]) -> Relation:
    return Relation(
        kind=state.kind,
        weight=state.weight,
        source=ends[state.source],
        target=ends[state.target],
        read_version=state.read_version or None,
        **_versioned(state),
    )


def _versioned(state: ItemState | RelationState) -> dict[str, Any]:
    """What versions of items and of relations have in common."""
    return {
        "id": state.id,
        "version": state.version,
        "valid_from": Moment(state.valid_from),
        "valid_to": None if state.valid_to == FOREVER else Moment(state.valid_to),
        "recorded_at": Moment(state.recorded_at),
        "retired_at": None if state.retired_at == NEVER else Moment(state.retired_at),
        "properties": {name: _plain(value) for name, value in state.properties.items()},
    }


def _shown(name: str, value: Value) -> Any:
    """The value as the kind's own type declares the field of that name."""
    if name == "status":
        return Status(value) if value is not None else None
    if name in _LISTS:
        return value or []
    return micros(value) if isinstance(value, datetime) else _plain(value)


def _plain(value: Value) -> Any:
    """The value in JSON that is meant to be read, not to be read back: the catalog says what is a time."""
    match value:
        case datetime():
            return iso(micros(value))
        case date():
            return value.isoformat()
        case list():
            return [_plain(member) for member in value]
        case dict():
            return {name: _plain(member) for name, member in value.items()}
    return value
