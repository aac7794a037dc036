"""Filters of items: conditions as MemQL states them, and of streams and mentions, joined by and, or and not.

Yields a mask over dense ids: what a search may find, what a page may show. Null is as in MemQL: what has no value is
neither equal nor unequal to one, so it meets neither a condition nor its opposite.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from engine import identities
from engine.columns import Mask, Numbers
from engine.execute import qualifying
from engine.reader import Reader
from memql import ast
from memql.bind import bind_item_condition
from memql.errors import Refusal, not_found

ITEM = "item"
"""The variable by which a condition calls the item."""


@dataclass(frozen=True, slots=True)
class Holds:
    """What the condition is true for. `cheap`: the columns know, so that it is asked before what must be read."""

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
class Every:
    of: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Some:
    of: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    of: "Filter"


Filter: TypeAlias = Holds | OfStream | Mentions | Every | Some | Not


def matching(
    reader: Reader, kinds: Sequence[str], wanted: Filter, among: Mask | None = None, most: int | None = None
) -> Mask | Refusal:
    """The items of these kinds (none named: of all) that a default read shows and the filter is true for; where `among`
    is given, those of them. With `most`, so many of them are enough."""
    if among is None:
        among = reader.scope.of_kind(*kinds) if kinds else reader.scope.seen
    try:
        return _Matching(reader, kinds).true(wanted, among, most)
    except _Unanswerable as error:
        return error.refusal


class _Unanswerable(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class _Matching:
    """Negations are moved inwards, to single conditions: what is not known to be true can then be left out. Each part
    is asked of what the parts before it have left."""

    def __init__(self, reader: Reader, kinds: Sequence[str]) -> None:
        self._reader = reader
        self._kinds = kinds

    def true(self, wanted: Filter, among: Mask, most: int | None = None) -> Mask:
        """Where the filter is true."""
        match wanted:
            case Holds(condition=condition):
                return self._holds(condition, among, most)
            case Not(of=of):
                return self._false(of, among, most)
            case Every(of=members):
                return self._every([(each, True) for each in _together(members, "AND")], among, most)
            case Some(of=members):
                return self._some([(each, True) for each in _together(members, "OR")], among)
            case OfStream(streams=names, place=place):
                return among & np.isin(self._stream(), self._streams(names, place))
            case Mentions(names=names):
                return among & self._mentioning(names)

    def _false(self, wanted: Filter, among: Mask, most: int | None = None) -> Mask:
        """Where the filter is false, not where it is unknown."""
        match wanted:
            case Holds(condition=condition):
                return self._holds(ast.Unary("NOT", condition), among, most)
            case Not(of=of):
                return self.true(of, among, most)
            case Every(of=members):
                return self._some([(each, False) for each in _together(members, "AND")], among)
            case Some(of=members):
                return self._every([(each, False) for each in _together(members, "OR")], among, most)
            case OfStream(streams=names, place=place):
                return among & (self._stream() > 0) & ~np.isin(self._stream(), self._streams(names, place))
            case Mentions(names=names):
                return among & ~self._mentioning(names)

    def _every(self, parts: Sequence[tuple[Filter, bool]], among: Mask, most: int | None) -> Mask:
        left = among
        for place, (each, so) in enumerate(parts):
            enough = most if place == len(parts) - 1 else None
            left = self.true(each, left, enough) if so else self._false(each, left, enough)
        return left

    def _some(self, parts: Sequence[tuple[Filter, bool]], among: Mask) -> Mask:
        found = np.zeros(len(among), np.bool_)
        for each, so in parts:
            found |= self.true(each, among & ~found) if so else self._false(each, among & ~found)
        return found

    def _holds(self, written: ast.Expression, among: Mask, most: int | None) -> Mask:
        condition = bind_item_condition(written, ITEM, self._kinds, self._reader.catalog)
        if isinstance(condition, Refusal):
            raise _Unanswerable(condition)
        found = qualifying(self._reader, self._kinds, condition, among=among, most=most)
        if isinstance(found, Refusal):
            raise _Unanswerable(found)
        return found

    def _stream(self) -> Numbers:
        return self._reader.scope.columns.column("stream")[: self._reader.scope.count]

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
        steps = reader.expand(roots, "in", ["MENTIONS"])
        if isinstance(steps, Refusal):
            raise _Unanswerable(steps)
        found = np.zeros(reader.scope.count, np.bool_)
        found[reader.scope.shown(steps.ends)] = True
        found[0] = False
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
