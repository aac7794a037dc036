"""What an item is related to, for many items at once: its relations, their other ends, and what is near in meaning.

Each function finds what one field asks for of all items of a level, in one expansion and one reading of what it shows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from engine.adjacency import Direction as Way
from engine.adjacency import Steps
from engine.columns import Numbers
from engine.decide.view import ItemState
from engine.filter import passing
from engine.search.meanings import Meanings
from server.api import pages
from server.api.conditions import RelationFilter
from server.api.filtering import filter_of, unknown
from server.api.orders import relation_order
from server.api.overviews import overview
from server.api.pages import Paging, Taken
from server.api.selection import Path, Want, inside
from server.api.types import Direction, RelationConnection, RelationEdge, ScoredItem

if TYPE_CHECKING:
    from server.api.answers import Answer

Found: TypeAlias = Callable[[ItemState], Any]
"""What was found for that version."""
Finder: TypeAlias = Callable[["Answer", Sequence[ItemState], Want], Found]

_OVER = ("done", "abandoned")
"""The status of a goal or task that nobody waits for."""
_ANY_COSINE = -2.0
_NOTHING = np.empty(0, np.int64)
NO_STEPS = Steps(_NOTHING, _NOTHING, _NOTHING, np.empty(0))


def _none(state: ItemState) -> None:
    """What is told where the answer has ended."""


# Relations


def relations(answer: "Answer", of: Sequence[ItemState], want: Want) -> Found:
    given, reader = want.arguments, answer.reader
    kinds, order = given.get("kinds"), given.get("order_by") or ()
    asked = pages.told_apart(order) if order else 0
    paging = answer.paging(given, asked)
    answer.needs(unknown("relation kind", kinds, reader.catalog.relations, reader.catalog.open), None)
    way = Direction(given.get("direction", Direction.ANY)).value
    steps = answer.needs(reader.expand([state.root for state in of], way, kinds), NO_STEPS)
    steps = _passing(answer, steps, given.get("where"))
    if answer.refusal:
        return _none
    places = relation_order(reader, order, steps.rows)
    wholes = {root: places[at] for root, at in _by_origin(steps.origins[places], of)}
    takens = {root: paging.taken(steps.rows[at], answer.limits.page) for root, at in wholes.items()}
    ends = {
        (root, int(steps.rows[place])): int(steps.ends[place])
        for root, taken in takens.items()
        for place in wholes[root][taken.place : taken.place + len(taken.rows)].tolist()
    }
    rows = sorted({row for _, row in ends})
    edges = inside(want.inner, "edges")
    nodes = [*inside(edges, "node"), *inside(want.inner, "nodes")]
    shown, others = answer.related(reader.relations(rows), nodes, inside(edges, "other"))
    relation_of = dict(zip(rows, shown, strict=False))  # none where the answer has ended

    def page(state: ItemState) -> RelationConnection:
        taken = takens[state.root]
        named = pages.cursors_of(reader.position, taken, asked)
        edges = [
            RelationEdge(cursor=cursor, node=relation_of[row], other=others[ends[state.root, row]])
            for cursor, row in zip(named, taken.rows.tolist(), strict=True)
        ]
        return RelationConnection(
            edges=edges,
            nodes=[edge.node for edge in edges],
            page_info=pages.page_info(named, taken),
            total_count=len(wholes[state.root]),
        )

    return page if answer.refusal is None else _none


def _by_origin(origins: Numbers, of: Sequence[ItemState]) -> Iterable[tuple[int, Numbers]]:
    """The places of each of these identities among the origins, in their order."""
    at = np.argsort(origins, kind="stable")
    roots = [state.root for state in of]
    begins = np.searchsorted(origins[at], roots, "left").tolist()
    ends = np.searchsorted(origins[at], roots, "right").tolist()
    return ((root, at[begin:end]) for root, begin, end in zip(roots, begins, ends, strict=True))


def _passing(answer: "Answer", steps: Steps, where: RelationFilter | None) -> Steps:
    """Those of these steps that a filter lets through."""
    if where is None or answer.refusal:
        return steps
    wanted = answer.needs(filter_of(where, (), answer.reader.catalog, answer.limits.conditions), None)
    if wanted is None:
        return NO_STEPS
    kept = answer.needs(passing(answer.reader, wanted, steps), np.zeros(len(steps.rows), np.bool_))
    return Steps(steps.rows[kept], steps.origins[kept], steps.ends[kept], steps.weights[kept])


# The items at their other ends


def ends(kind: str, way: Way, only: str | None = None) -> Finder:
    """The items that relations of a kind lead to, those of one kind of items where it is given."""

    def find(answer: "Answer", of: Sequence[ItemState], want: Want) -> Found:
        reached = _ends(answer, of, kind, way, only)
        items = answer.by_root((root for roots in reached.values() for root in roots), want.inner)
        return lambda state: [items[root] for root in reached[state.root]]

    return find


def goal(answer: "Answer", of: Sequence[ItemState], want: Want) -> Found:
    """The first goal that each task is part of."""
    reached = {root: roots[:1] for root, roots in _ends(answer, of, "PART_OF", "out", "Goal").items()}
    items = answer.by_root((root for roots in reached.values() for root in roots), want.inner)
    return lambda state: next((items[root] for root in reached[state.root]), None)


def blocked_by(answer: "Answer", of: Sequence[ItemState], want: Want) -> Found:
    """What each of them needs first and is not over."""
    reached = _ends(answer, of, "DEPENDS_ON", "out")
    states = answer.reader.lasting(sorted({root for roots in reached.values() for root in roots}))
    left = [state for state in states if state.properties.get("status") not in _OVER]
    items = dict(zip((state.root for state in left), answer.items(left, want.inner), strict=True))
    return lambda state: [items[root] for root in reached[state.root] if root in items]


def mentions(answer: "Answer", of: Sequence[ItemState], want: Want) -> Found:
    """A page of what mentions each of these entities."""
    paging, reader, scope = answer.paging(want.arguments, 0), answer.reader, answer.reader.scope
    reached = _ends(answer, of, "MENTIONS", "in")
    if answer.refusal:
        return _none
    wholes = {root: np.sort(scope.shown(np.array(roots, np.int64))) for root, roots in reached.items()}
    takens: dict[int, Taken] = {root: paging.taken(whole, answer.limits.page) for root, whole in wholes.items()}
    denses = sorted({dense for taken in takens.values() for dense in taken.rows.tolist()})
    wants = [*inside(want.inner, "edges", "node"), *inside(want.inner, "nodes")]
    items = dict(zip(denses, answer.items(reader.items(denses), wants), strict=True))
    besides: dict[int, Mapping[Path, Any]] = {
        root: overview(answer, (), whole, want.inner) for root, whole in wholes.items()
    }

    def page(state: ItemState) -> Any:
        taken = takens[state.root]
        found = [items[dense] for dense in taken.rows.tolist()]
        return answer.connection(taken, found, 0, len(wholes[state.root]), besides[state.root])

    return page if answer.refusal is None else _none


def _ends(
    answer: "Answer", of: Sequence[ItemState], kind: str, way: Way, only: str | None = None
) -> dict[int, list[int]]:
    """The identities that relations of a kind lead to from each of these, each once, in the order of the relations."""
    steps = answer.needs(answer.reader.expand([state.root for state in of], way, [kind]), NO_STEPS)
    columns = answer.reader.scope.columns
    kinds, code = columns.column("kind"), columns.codes.get(only or "", -1)
    found: dict[int, dict[int, None]] = {state.root: {} for state in of}
    for place in np.argsort(steps.rows, kind="stable").tolist():
        origin, end = int(steps.origins[place]), int(steps.ends[place])
        if only is None or kinds[end] == code:
            found[origin][end] = None
    return {root: list(roots) for root, roots in found.items()}


# What is near in meaning


def similar(answer: "Answer", of: Sequence[ItemState], want: Want) -> Found:
    """What is nearest to each of these among the items of its kind."""
    paging, reader = Paging(want.arguments.get("first")), answer.reader
    most = paging.size(answer.limits.page)
    answer.needs(paging.wrong(answer.limits.page, reader.limits.read_rows, 0), None)
    meanings = Meanings(reader)
    near: dict[int, list[tuple[int, float]]] = {}
    for kind in sorted({state.kind for state in of}) if meanings.width and answer.refusal is None else ():
        own = [state for state in of if state.kind == kind]
        numbers = np.array([state.dense for state in own], np.int64)
        vectors = reader.vectors.rows(meanings.model, meanings.width, numbers)
        keep, there = reader.scope.of_kind(kind), np.flatnonzero(vectors.any(axis=1))
        hits = reader.vectors.alike(meanings.model, vectors[there], keep=keep, least=_ANY_COSINE, limit=most + 1)
        for place, (denses, scores) in zip(there.tolist(), hits, strict=True):
            root = own[place].root
            roots = reader.scope.columns.column("root")[denses].tolist()
            pairs = zip(roots, denses.tolist(), scores.tolist(), strict=True)
            near[root] = [(dense, score) for other, dense, score in pairs if other != root][:most]
    shown = sorted({dense for found in near.values() for dense, _ in found})
    items = dict(zip(shown, answer.items(reader.items(shown), inside(want.inner, "node")), strict=True))
    return lambda state: [ScoredItem(node=items[dense], score=score) for dense, score in near.get(state.root, ())]
