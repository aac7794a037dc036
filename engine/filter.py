"""Filters of items: conditions as MemQL states them, and of streams and mentions, joined by and, or and not.

Yields a mask over dense ids: what a search may find, what a page may show. Null is as in MemQL: what has no value is
neither equal nor unequal to one, so it meets neither a condition nor its opposite.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from engine import identities
from engine.columns import Mask
from engine.execute import qualifying
from engine.reader import Reader
from memql import ast
from memql.bind import bind_item_condition
from memql.errors import Refusal, not_found

ITEM = "item"
"""The variable by which a condition calls the item."""


@dataclass(frozen=True, slots=True)
class Holds:
    """What the condition is true for."""

    condition: ast.Expression


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


def matching(reader: Reader, kinds: Sequence[str], wanted: Filter) -> Mask | Refusal:
    """The items of these kinds (none named: of all) that a default read shows and the filter is true for."""
    try:
        return _Matching(reader, kinds).true(wanted, negated=False)
    except _Unanswerable as error:
        return error.refusal


class _Unanswerable(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class _Matching:
    """Negations are moved inwards, to single conditions: what is not known to be true can then be left out."""

    def __init__(self, reader: Reader, kinds: Sequence[str]) -> None:
        self._reader = reader
        self._kinds = kinds
        self._among = reader.scope.of_kind(*kinds) if kinds else reader.scope.seen

    def true(self, wanted: Filter, *, negated: bool) -> Mask:
        """Where the filter is true; `negated`: where it is false."""
        condition = _stated(wanted)
        if condition is not None:
            return self._holds(ast.Unary("NOT", condition) if negated else condition)
        match wanted:
            case Not(of=of):
                return self.true(of, negated=not negated)
            case Every(of=members):
                masks = [self.true(each, negated=negated) for each in _together(members, "AND")]
                return _any(masks) if negated else _all(masks)
            case Some(of=members):
                masks = [self.true(each, negated=negated) for each in _together(members, "OR")]
                return _all(masks) if negated else _any(masks)
            case OfStream(streams=names, place=place):
                column = self._reader.scope.columns.column("stream")[: self._reader.scope.count]
                found = np.isin(column, self._streams(names, place))
                return self._among & ((column > 0) & ~found if negated else found)
            case Mentions(names=names):
                found = self._mentioning(names)
                return self._among & (~found if negated else found)
        raise AssertionError(f"{wanted} is stated")

    def _holds(self, written: ast.Expression) -> Mask:
        condition = bind_item_condition(written, ITEM, self._kinds, self._reader.catalog)
        found = condition if isinstance(condition, Refusal) else qualifying(self._reader, self._kinds, condition)
        if isinstance(found, Refusal):
            raise _Unanswerable(found)
        return found

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
    """The same members, those that MemQL can state as one condition: each condition passes over the items once."""
    stated, others = [], []
    for each in members:
        condition = _stated(each)
        if condition is None:
            others.append(each)
        else:
            stated.append(condition)
    return [*others, Holds(joined(stated, operator))] if stated else others


def _all(masks: Sequence[Mask]) -> Mask:
    found: Mask = np.logical_and.reduce(masks)
    return found


def _any(masks: Sequence[Mask]) -> Mask:
    found: Mask = np.logical_or.reduce(masks)
    return found
