"""What all items of a connection come to: the field `aggregate`, a column at a time, by MemQL's own aggregates."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.columns import Numbers
from engine.decide.view import ItemState
from engine.execute.considering import ITEM
from engine.execute.grouping import (
    Coded,
    Counted,
    InStream,
    Key,
    Measure,
    Mentioned,
    Period,
    Value,
    grouped,
)
from memql import ast
from memql.errors import Refusal, invalid, nearest
from memql.world import Datum, Node
from server.api.connections import Aggregate, GroupBy, GroupKey, ItemGroup, ItemGroups, NumberFigures, TimeFigures
from server.api.filtering import Subject, over_request
from server.api.selection import Path, Want
from server.api.types import Domain, Item, Moment, Status

if TYPE_CHECKING:
    from server.api.answers import Answer

_NUMBERS = ("importance", "confidence", "priority", "progress")
_TIMES: Mapping[str, Measure] = {
    "validFrom": Measure(ast.Literal(None), "valid_from"),
    "recordedAt": Measure(ast.Literal(None), "recorded_at"),
}
_FIGURES = frozenset({*_NUMBERS, *_TIMES, "property"})
_NUMERIC = frozenset({"integer", "float", "any"})


def overview(answer: "Answer", kinds: Sequence[str], denses: Numbers, wants: Sequence[Want]) -> dict[Path, Any]:
    """The field `aggregate` of these items, wherever it is wanted."""
    beside: dict[Path, Any] = {}
    for want in (want for want in wants if want.name == "aggregate"):
        beside[want.path] = _Overview(answer, kinds, denses).whole(want)
    return beside


class _Overview:
    """Reckons for one connection; what can't be asked ends the answer."""

    def __init__(self, answer: "Answer", kinds: Sequence[str], denses: Numbers) -> None:
        self._answer, self._kinds, self._denses = answer, kinds, denses
        self._subject = Subject.of_items(kinds, answer.reader.catalog)

    def whole(self, want: Want) -> Aggregate | None:
        figured = [each for each in want.inner if each.name in _FIGURES]
        found = self._grouped((), figured) if figured else []
        if self._answer.refusal:
            return None
        only = found[0] if found else Counted((), 0, ())
        fields, beside = _figures(figured, only)
        for each in want.inner:
            if each.name == "groups":
                beside[each.path] = self._groups(each)
        return Aggregate(count=len(self._denses), beside=beside, **fields)

    def _groups(self, want: Want) -> ItemGroups | None:
        by, first = [GroupBy(each) for each in want.arguments["by"]], want.arguments.get("first", 50)
        limits = self._answer.limits
        if not by:
            self._answer.needs(
                invalid("MISSING", "nothing is given to group by", "by", "give KIND, TAG and so on"), None
            )
        for name, given, most in (("group_keys", len(by), limits.group_keys), ("groups", first, limits.groups)):
            if given > most:
                place = "by" if name == "group_keys" else "first"
                self._answer.needs(over_request(name, most, given, place), None)
        if first < 0:
            refusal = invalid("INVALID_VALUE", f"there can't be {first} groups", "first", "0 or more")
            self._answer.needs(refusal, None)
        nodes = [each for each in want.inner if each.name == "nodes"]
        figured = [one for each in nodes for one in each.inner if one.name in _FIGURES]
        found = self._grouped([self._key(each) for each in by], figured)
        if self._answer.refusal:
            return None
        shown = found[:first]
        keyed = self._keyed(by, shown, [one for each in nodes for one in each.inner if one.name == "keys"])
        made = []
        for group, keys in zip(shown, keyed, strict=True):
            fields, beside = _figures(figured, group)
            made.append(ItemGroup(count=group.count, keys=keys, beside=beside, **fields))
        return ItemGroups(nodes=made, total_count=len(found))

    def _keyed(self, by: Sequence[GroupBy], groups: Sequence[Counted], wants: Sequence[Want]) -> list[list[GroupKey]]:
        """The keys of each group; items among them are shown together."""
        states: dict[int, ItemState] = {
            key.state.root: key.state for group in groups for key in group.keys if isinstance(key, Node)
        }
        nodes = [one for each in wants for one in each.inner if one.name == "node"]
        items: dict[Path, dict[int, Item]] = {
            each.path: dict(zip(states, self._answer.items(list(states.values()), each.inner), strict=True))
            for each in nodes
        }
        return [
            [
                GroupKey(
                    by=name,
                    value=_told(name, key),
                    beside={
                        path: found[key.state.root] if isinstance(key, Node) else None for path, found in items.items()
                    },
                )
                for name, key in zip(by, group.keys, strict=True)
            ]
            for group in groups
        ]

    def _grouped(self, keys: Sequence[Key], wants: Sequence[Want]) -> list[Counted]:
        measures = [self._measure(each) for each in wants]
        if self._answer.refusal:
            return []
        found = grouped(self._answer.reader, self._kinds, self._denses, keys, measures)
        return self._answer.needs(found, [])

    def _key(self, by: GroupBy) -> Key:
        match by:
            case GroupBy.KIND | GroupBy.OWNER | GroupBy.DOMAIN:
                return Coded(by.value)
            case GroupBy.TAG | GroupBy.LABEL:
                return Value(self._subject.property(by.value), many=True)
            case GroupBy.STREAM:
                return InStream()
            case GroupBy.ENTITY:
                return Mentioned()
            case GroupBy.AUTHOR | GroupBy.CATEGORY | GroupBy.STATUS:
                return Value(self._subject.property(by.value))
        column, _, unit = by.value.partition(" ")
        return Period(column, unit)

    def _measure(self, want: Want) -> Measure:
        if want.name in _TIMES:
            return _TIMES[want.name]
        if want.name != "property":
            return Measure(self._subject.property(want.name))
        name = want.arguments["name"]
        types = self._subject.declared(name)
        if not self._subject.knows(name):
            hint = nearest(name, self._subject.names())
            self._answer.needs(invalid("UNKNOWN_PROPERTY", f"no property `{name[:80]}`", "name", hint), None)
        elif not types & _NUMERIC and not self._subject.is_open:
            told = " or ".join(sorted(types)) or "of every item"
            refusal: Refusal = invalid("INVALID_TYPE", f"`{name}` is {told}", "name", "take one of numbers")
            self._answer.needs(refusal, None)
        return Measure(ast.Property(ast.Name(ITEM), name))


def _figures(wants: Sequence[Want], group: Counted) -> tuple[dict[str, Any], dict[Path, Any]]:
    """The fields that are wanted of the figures of a group, and what stands beside it. Of nothing there are none."""
    fields: dict[str, Any] = dict.fromkeys((*_NUMBERS, "valid_from", "recorded_at"))
    beside: dict[Path, Any] = {}
    for want, (avg, least, most, total) in zip(wants, group.measures, strict=True):
        if measure := _TIMES.get(want.name):
            fields[measure.time] = TimeFigures(min=_moment(least), max=_moment(most))
            continue
        figures = NumberFigures(avg=avg, min=least, max=most, sum=total)
        if want.name == "property":
            beside[want.path] = figures
        else:
            fields[want.name] = figures
    return fields, beside


def _moment(us: Datum) -> Moment | None:
    return None if us is None else Moment(int(us))


_TELLING: Mapping[GroupBy, Callable[[Datum], str]] = {
    GroupBy.DOMAIN: lambda key: Domain(key).name,
    GroupBy.STATUS: lambda key: Status(key).name,
}
"""Keys that are values of an enum are told by their names there."""


def _told(by: GroupBy, key: Datum) -> str | None:
    if key is None:
        return None
    return key.id if isinstance(key, Node) else _TELLING.get(by, str)(key)
