"""What an input of conditions says, read with the tenant's catalog into the engine's own filter."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

from strawberry import UNSET

from engine.execute.columnar import COLUMNAR
from engine.execute.considering import ITEM
from engine.filter import (
    RELATION,
    Every,
    Filter,
    Holds,
    Mentions,
    Not,
    OfStream,
    Other,
    Related,
    Some,
    joined,
)
from memql import ast
from memql.bind import bind_item_condition, bind_relation_condition
from memql.catalog import RESERVED, Catalog, Kind, RelationKind
from memql.errors import Problem, Reason, Refusal, invalid, nearest
from memql.values import iso
from memql.world import RELATION_PROPERTIES
from server.api.conditions import (
    DateTimeFilter,
    ItemFilter,
    NameFilter,
    PropertyFilter,
    RelationFilter,
    RelationsFilter,
)


def filter_of(
    given: ItemFilter | RelationFilter, kinds: Sequence[str], catalog: Catalog, most: int
) -> Filter | Refusal:
    """What the input says of items of these kinds, or of relations; or everything that is wrong with it."""
    reading = _Reading(kinds, catalog)
    said = reading.items(given, "where", 0) if isinstance(given, ItemFilter) else reading.relations(given, "where", 0)
    if reading.conditions > most:
        return over_request("conditions", most, reading.conditions, "where")
    return Refusal(Reason.INVALID, tuple(reading.problems)) if reading.problems else said


def over_request(limit: str, most: int, found: int, place: str) -> Refusal:
    """A limit of requests was met; its name is the name of the setting that moves it."""
    message = f"{found:,} is more than `requests.{limit}` allows ({most:,})"
    hint = f"ask for less at once, or raise `requests.{limit}`"
    return Refusal(Reason.LIMIT, (Problem("LIMIT_EXCEEDED", message, place, hint),))


def unknown(what: str, names: Sequence[str] | None, known: Iterable[str], is_open: bool) -> Refusal | None:
    """Why one of these names can't be asked for."""
    strange = [] if is_open else [name for name in names or () if name not in known]
    code = f"UNKNOWN_{what.partition(' ')[0].upper()}"
    return invalid(code, f"no {what} `{strange[0][:80]}`", "kinds", nearest(strange[0], known)) if strange else None


NESTED = 30
"""Filters within filters: more than people write, and well inside Python's stack."""

_SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_TEXTS = {"starts_with": "STARTS WITH", "contains": "CONTAINS"}


@dataclass(frozen=True, slots=True)
class Subject:
    """What conditions are of: items of these kinds, or relations. `fixed` are the properties that all of them have."""

    variable: str
    kinds: Sequence[Kind | RelationKind]
    fixed: frozenset[str]
    bind: Callable[[ast.Expression], object]
    is_open: bool

    @classmethod
    def of_items(cls, kinds: Sequence[str], catalog: Catalog) -> "Subject":
        known = [kind for kind in catalog.kinds.values() if not kinds or kind.name in kinds]
        names = [kind.name for kind in known]
        return cls(
            ITEM, known, RESERVED, lambda written: bind_item_condition(written, ITEM, names, catalog), catalog.open
        )

    def knows(self, name: str) -> bool:
        """Whether a property of that name may be asked for."""
        return self.is_open or name in self.fixed or bool(self.declared(name))

    def names(self) -> list[str]:
        return [*self.fixed, *(name for kind in self.kinds for name in kind.properties)]

    def declared(self, name: str) -> set[str]:
        """The types that its kinds declare a property of that name with."""
        return {kind.properties[name].type for kind in self.kinds if name in kind.properties}

    def property(self, name: str) -> ast.Expression:
        """What it is called in MemQL. What none of the kinds declares is null of all of them."""
        if name in self.fixed:
            return self._named(name)
        texts = [kind.text for kind in self.kinds if isinstance(kind, Kind) and kind.text]
        names = list(dict.fromkeys(texts)) if name == "text" else [name]
        match [each for each in names if self.is_open or self.declared(each)]:
            case []:
                return ast.Literal(None)
            case [only]:
                return self._named(only)
            case known:
                return ast.Call("coalesce", tuple(map(self._named, known)))

    def _named(self, name: str) -> ast.Expression:
        return ast.Property(ast.Name(self.variable), name)


_TYPES: Mapping[str, frozenset[str]] = {
    "string": frozenset({"string"}),
    "number": frozenset({"integer", "float"}),
    "time": frozenset({"datetime", "date"}),
    "boolean": frozenset({"boolean"}),
    "list_": frozenset({"string[]"}),
}
"""The types of properties that each group of operators is for."""


class _Reading:
    """One input as it is read: what is wrong with it, and how many conditions it has."""

    def __init__(self, kinds: Sequence[str], catalog: Catalog) -> None:
        self.problems: list[Problem] = []
        self.conditions = 0
        self._catalog = catalog
        self._items = Subject.of_items(kinds, catalog)
        everything = tuple(catalog.relations.values())
        self._relations = Subject(
            RELATION, everything, RELATION_PROPERTIES,
            lambda written: bind_relation_condition(written, RELATION, (), catalog), catalog.open,
        )  # fmt: skip

    def items(self, given: ItemFilter, place: str, depth: int) -> Filter:
        return self._joined(given, place, depth, self._of_item)

    def relations(self, given: RelationFilter, place: str, depth: int) -> Filter:
        return self._joined(given, place, depth, self._of_relation)

    def _joined(
        self, given: Any, place: str, depth: int, single: Callable[[str, Any, str, int], Iterator[Filter]]
    ) -> Filter:
        self.conditions += 1
        if depth > NESTED:
            self._wrong("TOO_DEEP", f"filters are nested deeper than {NESTED}", place, "say it with fewer levels")
            return Every(())
        parts: list[Filter] = []
        for name, value, at in self._present(given, place):
            match name:
                case "and_":
                    parts += [self._joined(each, f"{at}[{n}]", depth + 1, single) for n, each in enumerate(value)]
                case "or_":
                    either = (self._joined(each, f"{at}[{n}]", depth + 1, single) for n, each in enumerate(value))
                    parts.append(Some(tuple(either)))
                case "not_":
                    parts.append(Not(self._joined(value, at, depth + 1, single)))
                case _:
                    parts += single(name, value, at, depth)
        return Every(tuple(parts))

    def _of_item(self, name: str, value: Any, at: str, depth: int) -> Iterator[Filter]:
        match name:
            case "stream":
                yield from (OfStream(names, where) for names, where in self._names(value, at))
            case "mentions":
                yield from (Mentions(names) for names, _ in self._names(value, at))
            case "relations":
                yield from self._related(value, at, depth)
            case "properties":
                yield from self._properties(self._items, value, at)
            case _:
                if name == "kind":
                    self._check("kind", value, at, self._catalog.kinds)
                conditions = self._conditions(self._items, self._items.property(name), value, at)
                yield from (Holds(each, name in COLUMNAR) for each in conditions)

    def _of_relation(self, name: str, value: Any, at: str, depth: int) -> Iterator[Filter]:
        match name:
            case "other":
                yield self._of_others(value, at, depth)
            case "properties":
                yield from self._properties(self._relations, value, at)
            case _:
                if name == "kind":
                    self._check("relation kind", value, at, self._catalog.relations)
                conditions = self._conditions(self._relations, self._relations.property(name), value, at)
                yield from map(Holds, conditions)

    def _of_others(self, value: ItemFilter, at: str, depth: int) -> Filter:
        """Of the other end, which may be of any kind."""
        before, self._items = self._items, Subject.of_items((), self._catalog)
        said = Other(self.items(value, at, depth + 1))
        self._items = before
        return said

    def _related(self, given: RelationsFilter, at: str, depth: int) -> Iterator[Filter]:
        kinds: tuple[str, ...] | None = None
        asked = False
        for name, value, place in self._present(given, at):
            match name:
                case "kinds":
                    kinds = tuple(value)
                    self._check_names("relation kind", kinds, place, self._catalog.relations)
                case "some" | "every" | "none":
                    asked = True
                    yield Related(name, given.direction.value, kinds, self.relations(value, place, depth + 1))
        if not asked:
            self._wrong("MISSING", "nothing is asked of the relations", at, "give `some`, `every` or `none`")

    def _properties(self, of: Subject, given: Sequence[PropertyFilter], place: str) -> Iterator[Filter]:
        for n, each in enumerate(given):
            at = f"{place}[{n}]"
            types = of.declared(each.name)
            if not of.knows(each.name):
                hint = nearest(each.name, of.names())
                self._wrong("UNKNOWN_PROPERTY", f"no property `{each.name[:80]}`", at, hint)
                continue
            for name, value, where in self._present(each, at):
                if name == "name":
                    continue
                if types and not (types & (_TYPES[name] | {"any"})):
                    message = f"`{each.name}` is of type {' or '.join(sorted(types))}"
                    fits = [_spoken(word) for word, those in _TYPES.items() if those & types]
                    self._wrong("INVALID_TYPE", message, where, f"ask by `{fits[0]}`" if fits else "")
                    continue
                named = ast.Property(ast.Name(of.variable), each.name)
                yield from map(Holds, self._conditions(of, named, value, where, date="date" in types))

    def _present(self, given: Any, place: str) -> Iterator[tuple[str, Any, str]]:
        """What was given, by our names, and where. A null is no condition, and too easily a variable left out."""
        for field in fields(given):
            value = getattr(given, field.name)
            if value is UNSET:
                continue
            at = f"{place}.{_spoken(field.name)}"
            if value is None:
                self._wrong("INVALID_VALUE", "null is no condition", at, "leave it out, or ask for `isNull`")
            else:
                yield field.name, value, at

    def _names(self, given: NameFilter, place: str) -> Iterator[tuple[tuple[str, ...], str]]:
        for name, value, at in self._present(given, place):
            names = (value,) if name == "eq" else tuple(value)
            self.conditions += len(names)
            yield names, at

    def _conditions(
        self, subject: Subject, of: ast.Expression, given: Any, place: str, *, date: bool = False
    ) -> Iterator[ast.Expression]:
        written = (_date if date else _moment) if isinstance(given, DateTimeFilter) else _plain
        for name, value, at in self._present(given, place):
            self.conditions += len(value) if isinstance(value, list) else 1
            condition = _condition(of, name, value, written)
            bound = subject.bind(condition)
            for problem in bound.problems if isinstance(bound, Refusal) else ():
                self._wrong(problem.code, problem.message, at, problem.hint)
            yield condition

    def _check(self, what: str, given: Any, place: str, known: Iterable[str]) -> None:
        for _, value, at in self._present(given, place):
            self._check_names(what, value if isinstance(value, list) else [value], at, known)

    def _check_names(self, what: str, names: Iterable[str], place: str, known: Iterable[str]) -> None:
        code = f"UNKNOWN_{what.partition(' ')[0].upper()}"
        for name in names:
            if not self._catalog.open and name not in known:
                self._wrong(code, f"no {what} `{name[:80]}`", place, nearest(name, known))

    def _wrong(self, code: str, message: str, place: str, hint: str) -> None:
        if (problem := Problem(code, message, place, hint)) not in self.problems:
            self.problems.append(problem)


def _condition(of: ast.Expression, name: str, value: Any, written: Callable[[Any], ast.Expression]) -> ast.Expression:
    """An operator of an input as MemQL has it."""
    match name:
        case "in_":
            return ast.Binary("IN", of, ast.ListOf(tuple(map(written, value))))
        case "starts_with" | "contains":
            return ast.Binary(_TEXTS[name], of, written(value))
        case "is_null":
            return ast.Unary("IS NULL" if value else "IS NOT NULL", of)
        case "has":
            return ast.Binary("IN", written(value), of)
        case "has_any" | "has_all":
            return joined([ast.Binary("IN", written(each), of) for each in value], "OR" if name == "has_any" else "AND")
        case "is_empty":
            size = ast.Call("size", (of,))
            none = ast.Joined("OR", (ast.Unary("IS NULL", of), ast.Compared(("=",), (size, ast.Literal(0)))))
            return none if value else ast.Compared((">",), (size, ast.Literal(0)))
    return ast.Compared((_SIGNS[name],), (of, written(value)))


def _plain(value: Any) -> ast.Expression:
    return ast.Literal(value.value if isinstance(value, Enum) else value)


def _moment(value: int) -> ast.Expression:
    return ast.TimeLiteral("datetime", iso(value))


def _date(value: int) -> ast.Expression:
    return ast.TimeLiteral("date", iso(value)[:10])


def _spoken(name: str) -> str:
    """Our name of a field as the input has it."""
    first, *rest = name.strip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)
