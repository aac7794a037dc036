"""Footprints: what a query reads, as data; and which changes can change its rows.

`touches` says of a change whether the rows may be others after it. It may say so too often, and must never fail to.
Three things make it tight. A new item that a pattern meets only by relations changes nothing before it has one, and
relations are told by themselves. A new version changes nothing where none of what it changed is read. And nobody is
woken by what they cannot see.

The order of rows is nobody's business where none is asked for. Where it decides what comes out (LIMIT, `collect`, a
sum of floats), every new version counts: it stands behind those that are older.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from memql import ast
from memql.bound import Expression

# What happens


@dataclass(frozen=True, slots=True)
class End:
    """An item, as a relation knows it. `owner` is empty where everyone of the tenant sees it."""

    root: int
    kind: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class ItemChange:
    """An item began, ended, or has a new version. `changed` names what that says otherwise; None: it may be seen
    otherwise than before. `labels` are those before and after, and `joined` the relations that it has or had, each by
    its kind and the number of the other end; None: not known."""

    item: End
    id: str
    labels: frozenset[str] | None = None
    begins: bool = False
    changed: frozenset[str] | None = None
    joined: frozenset[tuple[str, int]] | None = None


@dataclass(frozen=True, slots=True)
class RelationChange:
    """A relation began, ended, or has a new version."""

    kind: str
    source: End
    target: End
    changed: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What one record changed. `figures` are names of state; `names`: the catalog is another one; `anything`: it
    cannot be told in these words."""

    items: tuple[ItemChange, ...] = ()
    relations: tuple[RelationChange, ...] = ()
    figures: frozenset[str] = frozenset()
    names: bool = False
    anything: bool = False

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of items and relations that it concerns, and the names of state."""
        items, relations = (each.item.kind for each in self.items), (each.kind for each in self.relations)
        return frozenset((*items, *relations, *self.figures))


# What is read


@dataclass(frozen=True, slots=True)
class Site:
    """Where a pattern or a search meets items: of these kinds (None: any), with one of these labels, of these ids.
    `alone`: an item without any relation may be met. `beside`: only those with a relation of these kinds (None: any) to
    one of these ids."""

    kinds: frozenset[str] | None = None
    labels: frozenset[str] | None = None
    ids: tuple[Expression, ...] | None = None
    alone: bool = True
    beside: "tuple[frozenset[str] | None, tuple[Expression, ...]] | None" = None
    named: frozenset[str] | None = None
    """`ids`, once the parameters are given."""
    named_beside: frozenset[str] = frozenset()
    """The same of those that it is beside of."""

    def has(self, end: End, roots: Mapping[str, int]) -> bool:
        """Whether that may be one of them, as far as a relation knows its ends."""
        if self.kinds is not None and end.kind not in self.kinds:
            return False
        return self.named is None or end.root in {roots.get(id_) for id_ in self.named}

    def meets(self, change: ItemChange, roots: Mapping[str, int]) -> bool:
        if self.kinds is not None and change.item.kind not in self.kinds:
            return False
        known = {change.item.kind, *(change.labels or ())}
        if self.labels is not None and change.labels is not None and not self.labels & known:
            return False
        if self.named is not None:
            return change.id in self.named
        if self.beside is not None and change.joined is not None and not change.begins:
            kinds, ends = self.beside[0], {roots.get(id_) for id_ in self.named_beside}
            return any(end in ends and (kinds is None or kind in kinds) for kind, end in change.joined)
        return self.alone or not change.begins


@dataclass(frozen=True, slots=True)
class Step:
    """Relations that a pattern passes, of these kinds (None: any), between these. `onwards`: from `near` to `far`."""

    kinds: frozenset[str] | None
    near: Site
    far: Site
    direction: ast.Direction

    def passes(self, change: RelationChange, roots: Mapping[str, int]) -> bool:
        if self.kinds is not None and change.kind not in self.kinds:
            return False
        ends = change.source, change.target
        onwards = self.direction != "in" and self.near.has(ends[0], roots) and self.far.has(ends[1], roots)
        return onwards or (self.direction != "out" and self.near.has(ends[1], roots) and self.far.has(ends[0], roots))


@dataclass(frozen=True, slots=True)
class Read:
    """Properties that are looked at, of items or relations of these kinds; None: any, and all of them."""

    kinds: frozenset[str] | None
    names: frozenset[str] | None

    def of(self, kind: str, changed: frozenset[str]) -> bool:
        return (self.kinds is None or kind in self.kinds) and (self.names is None or bool(self.names & changed))


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a query reads. `searches`: the ways of searching that it uses. `dated`: whether what is true today decides;
    `past`: whether versions are read that are not the current ones, and `as_of`: those of an earlier time.
    `owners`: whose own items are seen besides everyone's (None: all); `roots`: the numbers of the items that are named
    by their ids, where they are there. Both are the reader's to say."""

    sites: tuple[Site, ...] = ()
    steps: tuple[Step, ...] = ()
    items: tuple[Read, ...] = ()
    relations: tuple[Read, ...] = ()
    figures: frozenset[str] = frozenset()
    searches: frozenset[str] = frozenset()
    ordered: bool = False
    dated: bool = True
    anything: bool = False
    past: bool = False
    as_of: bool = False
    owners: frozenset[str] | None = None
    roots: Mapping[str, int] | None = None

    @property
    def scored(self) -> bool:
        """Whether it reads what is not versioned: its past answers cannot be given again."""
        return bool(self.figures or self.searches or self.anything or self.as_of)

    @property
    def kinds(self) -> frozenset[str] | None:
        """What a change must concern one of, if it is to touch: kinds of items and relations, and names of state. None:
        it may concern anything."""
        found = [*(site.kinds for site in self.sites), *(step.kinds for step in self.steps)]
        if self.anything or self.searches or any(each is None for each in found):
            return None
        return self.figures.union(*(each for each in found if each is not None))

    @property
    def named(self) -> frozenset[str]:
        """The ids that it looks up."""
        return frozenset(id_ for site in self.sites for id_ in site.named or ())

    def sees(self, *ends: End) -> bool:
        return self.owners is None or all(not end.owner or end.owner in self.owners for end in ends)


def placed(
    footprint: Footprint, value: Callable[[Expression], object], owners: frozenset[str] | None = None
) -> Footprint:
    """The footprint of a query with its parameters, for a reader; `value` says what a constant expression is."""

    def texts(ids: tuple[Expression, ...]) -> frozenset[str]:
        given: list[object] = []
        for each in ids:
            found = value(each)
            given += found if isinstance(found, list) else [found]
        return frozenset(id_ for id_ in given if isinstance(id_, str))

    def at(site: Site) -> Site:
        if site.ids is not None:
            return replace(site, named=texts(site.ids))
        return site if site.beside is None else replace(site, named_beside=texts(site.beside[1]))

    steps = tuple(replace(step, near=at(step.near), far=at(step.far)) for step in footprint.steps)
    return replace(footprint, sites=tuple(map(at, footprint.sites)), steps=steps, owners=owners)


def touches(footprint: Footprint, change: Change) -> bool:
    """Whether the rows may be others after the change."""
    if change.names or change.anything or footprint.anything:
        return True
    if change.figures & footprint.figures:
        return True
    if footprint.searches and (change.items or (change.relations and footprint.searches - {"words", "meaning"})):
        # What is found depends on all that could have been found, and word statistics are the whole tenant's; any
        # relation may be on the way to what is near in the graph.
        return True
    return any(_item_touches(footprint, each) for each in change.items) or any(
        _relation_touches(footprint, each) for each in change.relations
    )


def _item_touches(footprint: Footprint, change: ItemChange) -> bool:
    roots = footprint.roots or {}
    if not footprint.sees(change.item) or not any(site.meets(change, roots) for site in footprint.sites):
        return False
    if change.changed is None or footprint.ordered:
        return True
    return any(read.of(change.item.kind, change.changed) for read in footprint.items)


def _relation_touches(footprint: Footprint, change: RelationChange) -> bool:
    roots = footprint.roots or {}
    if not footprint.sees(change.source, change.target):
        return False
    if not any(step.passes(change, roots) for step in footprint.steps):
        return False
    if change.changed is None or footprint.ordered:
        return True
    return any(read.of(change.kind, change.changed) for read in footprint.relations)
