"""Filters of items: conditions as MemQL states them, of streams, mentions and relations, joined by and, or and not.

Yields a mask over dense ids: what a search may find, what a page may show. Null is as in MemQL: what has no value is
neither equal nor unequal to one, so it meets neither a condition nor its opposite. What is asked of relations is asked
of all of them together, and then of all the items at their other ends: a level at a time, as MemQL's EXISTS is.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import numpy as np

from engine import identities
from engine.adjacency import Direction, Steps
from engine.columns import Mask
from engine.execute import qualifying
from engine.execute.considering import ITEM, fitting
from engine.reader import Reader
from memql import ast
from memql.bind import bind_item_condition, bind_relation_condition
from memql.errors import Refusal, not_found

T = TypeVar("T")

RELATION = "relation"
"""The variable by which a condition calls the relation; it calls an item ITEM."""


@dataclass(frozen=True, slots=True)
class Holds:
    """What the condition is true for: of an item, or of a relation. `cheap`: the columns know, so that it is asked
    before what must be read."""

    condition: ast.Expression
    cheap: bool = False


@dataclass(frozen=True, slots=True)
class OfStream:
    """Events of one of these streams, each given by id or by the reader's own name for it, and memories of those."""

    streams: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True)
class Mentions:
    """What mentions an entity of one of these names, or aliases."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Related:
    """What has some relations of which that is true, or none, or none of which it is not. Only those of that direction,
    and of these kinds (None: of all), are meant. It is never unknown."""

    quantifier: Literal["some", "every", "none"]
    direction: Direction
    kinds: tuple[str, ...] | None
    of: "Filter"


@dataclass(frozen=True, slots=True)
class Other:
    """Of a relation: the filter is true for the item at its other end."""

    of: "Filter"


@dataclass(frozen=True, slots=True)
class Every:
    of: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Some:
    of: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    of: "Filter"


Filter: TypeAlias = Holds | OfStream | Mentions | Related | Other | Every | Some | Not


def matching(
    reader: Reader, kinds: Sequence[str], wanted: Filter, among: Mask | None = None, most: int | None = None
) -> Mask | Refusal:
    """The items of these kinds (none named: of all) that a default read shows and the filter is true for; where `among`
    is given, those of them. With `most`, so many of them are enough."""
    if among is None:
        among = reader.scope.of_kind(*kinds) if kinds else reader.scope.seen
    try:
        return _OfItems(reader, kinds).true(wanted, among, most)
    except _Unanswerable as error:
        return error.refusal


def passing(reader: Reader, wanted: Filter, steps: Steps) -> Mask | Refusal:
    """Which of these steps the filter is true for: of the relation, and of the item that it leads to."""
    try:
        return _OfSteps(reader, steps).true(wanted, np.ones(len(steps.rows), np.bool_))
    except _Unanswerable as error:
        return error.refusal


class _Unanswerable(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class _Matching(ABC):
    """Negations are moved inwards, to single conditions: what is not known to be true can then be left out. Each part
    is asked of what the parts before it have left."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def true(self, wanted: Filter, among: Mask, most: int | None = None) -> Mask:
        """Where the filter is true."""
        match wanted:
            case Not(of=of):
                return self.false(of, among, most)
            case Every(of=members):
                return self._every([(each, True) for each in _together(members, "AND")], among, most)
            case Some(of=members):
                return self._some([(each, True) for each in _together(members, "OR")], among)
            case Holds(condition=condition):
                return self._holds(condition, among, most)
        return self._single(wanted, True, among)

    def false(self, wanted: Filter, among: Mask, most: int | None = None) -> Mask:
        """Where the filter is false, not where it is unknown."""
        match wanted:
            case Not(of=of):
                return self.true(of, among, most)
            case Every(of=members):
                return self._some([(each, False) for each in _together(members, "AND")], among)
            case Some(of=members):
                return self._every([(each, False) for each in _together(members, "OR")], among, most)
            case Holds(condition=condition):
                return self._holds(ast.Unary("NOT", condition), among, most)
        return self._single(wanted, False, among)

    def _every(self, parts: Sequence[tuple[Filter, bool]], among: Mask, most: int | None) -> Mask:
        left = among
        for place, (each, so) in enumerate(parts):
            enough = most if place == len(parts) - 1 else None
            left = self.true(each, left, enough) if so else self.false(each, left, enough)
        return left

    def _some(self, parts: Sequence[tuple[Filter, bool]], among: Mask) -> Mask:
        found = np.zeros(len(among), np.bool_)
        for each, so in parts:
            found |= self.true(each, among & ~found) if so else self.false(each, among & ~found)
        return found

    @abstractmethod
    def _holds(self, written: ast.Expression, among: Mask, most: int | None) -> Mask:
        """Where the condition is true."""

    @abstractmethod
    def _single(self, wanted: Filter, so: bool, among: Mask) -> Mask:
        """Where a filter that is no condition of MemQL is true, or is false."""


class _OfItems(_Matching):
    """Masks over dense ids. Of a kind, where it is known which."""

    def __init__(self, reader: Reader, kinds: Sequence[str]) -> None:
        super().__init__(reader)
        self._kinds = kinds

    def _holds(self, written: ast.Expression, among: Mask, most: int | None) -> Mask:
        condition = _answered(bind_item_condition(written, ITEM, self._kinds, self._reader.catalog))
        return _answered(qualifying(self._reader, self._kinds, condition, among=among, most=most))

    def _single(self, wanted: Filter, so: bool, among: Mask) -> Mask:
        match wanted:
            case OfStream(streams=names, place=place):
                stream = self._reader.scope.columns.column("stream")[: self._reader.scope.count]
                those = np.isin(stream, self._streams(names, place))
                return among & (those if so else (stream > 0) & ~those)
            case Mentions(names=names):
                found = self._mentioning(names)
            case Related():
                found = self._related(wanted, among)
            case _:
                raise AssertionError(f"{wanted} is of a relation")
        return among & (found if so else ~found)

    def _streams(self, names: Iterable[str], place: str) -> list[int]:
        found = []
        for name in names:
            root = identities.stream(self._reader, name)
            if not root:
                raise _Unanswerable(not_found("stream", name[:80], place))
            found.append(root)
        return found

    def _mentioning(self, names: Iterable[str]) -> Mask:
        reader = self._reader
        roots = [state.root for name in names for state in identities.entities(reader, name)]
        steps = _answered(reader.expand(roots, "in", ["MENTIONS"]))
        found = np.zeros(reader.scope.count, np.bool_)
        found[reader.scope.shown(steps.ends)] = True
        found[0] = False
        return found

    def _related(self, wanted: Related, among: Mask) -> Mask:
        """Of all items at once: their relations, and which of those are meant."""
        reader = self._reader
        roots = reader.scope.columns.column("root")[: reader.scope.count]
        steps = _answered(reader.expand(np.unique(roots[among]), wanted.direction, wanted.kinds))
        if refusal := reader.given_up():
            raise _Unanswerable(refusal)
        fits = _OfSteps(reader, steps).true(wanted.of, np.ones(len(steps.rows), np.bool_))
        has = np.zeros(reader.scope.count, np.bool_)
        has[steps.origins[~fits if wanted.quantifier == "every" else fits]] = True
        has_such: Mask = has[roots]
        return has_such if wanted.quantifier == "some" else ~has_such


class _OfSteps(_Matching):
    """Masks over steps from one item to another."""

    def __init__(self, reader: Reader, steps: Steps) -> None:
        super().__init__(reader)
        self._steps = steps

    def _holds(self, written: ast.Expression, among: Mask, most: int | None) -> Mask:
        condition = _answered(bind_relation_condition(written, RELATION, (), self._reader.catalog))
        places = np.flatnonzero(among)
        rows, at = np.unique(self._steps.rows[places], return_inverse=True)
        found = np.zeros(len(among), np.bool_)
        found[places] = _answered(fitting(self._reader, rows, condition))[at]
        return found

    def _single(self, wanted: Filter, so: bool, among: Mask) -> Mask:
        assert isinstance(wanted, Other), f"{wanted} is of an item"
        # What provenance leads to is seen whatever became of it, in its last version.
        scope, ends = self._reader.scope, self._steps.ends
        shown = scope.shown(ends)
        versions = np.where(shown > 0, shown, scope.lasting(ends))
        there = np.zeros(scope.count, np.bool_)
        there[versions[among]] = True
        items = _OfItems(self._reader, ())
        found = items.true(wanted.of, there) if so else items.false(wanted.of, there)
        passed: Mask = among & found[versions]
        return passed


def _answered(found: T | Refusal) -> T:
    if isinstance(found, Refusal):
        raise _Unanswerable(found)
    return found


def _stated(wanted: Filter) -> ast.Expression | None:
    """The filter as one condition, where MemQL can state all of it."""
    match wanted:
        case Holds(condition=condition):
            return condition
        case Not(of=of):
            inner = _stated(of)
            return None if inner is None else ast.Unary("NOT", inner)
        case Every(of=members) | Some(of=members):
            conditions = [_stated(each) for each in members]
            stated = [each for each in conditions if each is not None]
            if len(stated) < len(conditions):
                return None
            return joined(stated, "AND" if isinstance(wanted, Every) else "OR")
    return None


def joined(conditions: Sequence[ast.Expression], operator: Literal["AND", "OR"]) -> ast.Expression:
    """All of these, or one of these; none of them is true or false."""
    if len(conditions) > 1:
        return ast.Joined(operator, tuple(conditions))
    return conditions[0] if conditions else ast.Literal(operator == "AND")


def _together(members: Iterable[Filter], operator: Literal["AND", "OR"]) -> list[Filter]:
    """The same members, those that MemQL can state as one condition: the items are gone through once."""
    stated: list[tuple[bool, ast.Expression]] = []
    others: list[Filter] = []
    for each in members:
        condition = _stated(each)
        if condition is None:
            others.append(each)
        else:
            stated.append((_cheap(each), condition))
    ordered = [condition for _, condition in sorted(stated, key=lambda pair: not pair[0])]
    return [*others, Holds(joined(ordered, operator))] if ordered else others


def _cheap(wanted: Filter) -> bool:
    match wanted:
        case Holds(cheap=cheap):
            return cheap
        case Not(of=of):
            return _cheap(of)
        case Every(of=members) | Some(of=members):
            return all(map(_cheap, members))
    return False
