"""The input `where`: which items are meant, field by field, joined by and, or and not.

Says what MemQL says, in the form of an input: each operator is one of the language's, and null is as it is there.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from enum import Enum
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from engine.columns import Mask
from engine.execute.columnar import COLUMNAR
from engine.filter import ITEM, Every, Filter, Holds, Mentions, Not, OfStream, Some, joined, matching
from engine.tenant import Store
from memql import ast
from memql.bind import bind_item_condition
from memql.catalog import RESERVED, Catalog
from memql.errors import Problem, Reason, Refusal, nearest
from memql.values import iso
from server.answers import Answer
from server.types import Domain, Moment, Status


def _given(description: str, name: str | None = None) -> Any:
    return strawberry.field(default=UNSET, description=description, name=name)


_EQ, _NE, _IN = "The same.", "Another; not where there is none.", "One of these."
_NULL = "True: there is none. False: there is one."


@strawberry.input(description="Conditions on an id; all of them must hold.")
class IdFilter:
    eq: strawberry.ID | None = _given(_EQ)
    ne: strawberry.ID | None = _given(_NE)
    in_: list[strawberry.ID] | None = _given(_IN, "in")


@strawberry.input(description="Conditions on a kind; all of them must hold.")
class KindFilter:
    eq: str | None = _given(_EQ)
    ne: str | None = _given(_NE)
    in_: list[str] | None = _given(_IN, "in")


@strawberry.input(description="Conditions on a text, in the letters given; all of them must hold.")
class StringFilter:
    eq: str | None = _given(_EQ)
    ne: str | None = _given(_NE)
    in_: list[str] | None = _given(_IN, "in")
    starts_with: str | None = _given("It begins so.")
    contains: str | None = _given("This is somewhere in it.")
    is_null: bool | None = _given(_NULL)


@strawberry.input(description="Conditions on a number; all of them must hold.")
class FloatFilter:
    eq: float | None = _given(_EQ)
    ne: float | None = _given(_NE)
    in_: list[float] | None = _given(_IN, "in")
    gt: float | None = _given("Greater.")
    gte: float | None = _given("Greater or the same.")
    lt: float | None = _given("Less.")
    lte: float | None = _given("Less or the same.")
    is_null: bool | None = _given(_NULL)


@strawberry.input(description="Conditions on a time; all of them must hold.")
class DateTimeFilter:
    eq: Moment | None = _given(_EQ)
    ne: Moment | None = _given(_NE)
    in_: list[Moment] | None = _given(_IN, "in")
    gt: Moment | None = _given("Later.")
    gte: Moment | None = _given("Then or later.")
    lt: Moment | None = _given("Earlier.")
    lte: Moment | None = _given("Then or earlier.")
    is_null: bool | None = _given(_NULL)


@strawberry.input(description="Conditions on a list of words; all of them must hold.")
class ListFilter:
    has: str | None = _given("This is one of them.")
    has_any: list[str] | None = _given("One of these is one of them.")
    has_all: list[str] | None = _given("Each of these is one of them.")
    is_empty: bool | None = _given("True: there is none. False: there is one.")


@strawberry.input(description="How far a goal or task is; all of it must hold.")
class StatusFilter:
    eq: Status | None = _given(_EQ)
    ne: Status | None = _given(_NE)
    in_: list[Status] | None = _given(_IN, "in")


@strawberry.input(description="Whose business it is; all of it must hold.")
class DomainFilter:
    eq: Domain | None = _given(_EQ)
    ne: Domain | None = _given(_NE)
    in_: list[Domain] | None = _given(_IN, "in")


@strawberry.input(description="By name; all of it must hold.")
class NameFilter:
    eq: str | None = _given("Of this name.")
    in_: list[str] | None = _given("Of one of these names.", "in")


@strawberry.input(
    description="Which items are meant; all that is given must hold. As in MemQL, a field without a value meets no "
    "condition but `isNull`, nor the opposite of one."
)
class ItemFilter:
    and_: list["ItemFilter"] | None = _given("All of these hold.", "and")
    or_: list["ItemFilter"] | None = _given("One of these holds.", "or")
    not_: "ItemFilter | None" = _given("This does not hold.", "not")
    id: IdFilter | None = _given("Its id.")
    kind: KindFilter | None = _given("Its kind.")
    text: StringFilter | None = _given("What it is searched by: a memory's text, a goal's title, an event's content.")
    author: StringFilter | None = _given("Who said or did it: of events, and of the memories that keep them.")
    role: StringFilter | None = _given("The part an event's author played.")
    category: StringFilter | None = _given("What sort of memory, insight or entity it is.")
    tags: ListFilter | None = _given("Its tags.")
    labels: ListFilter | None = _given("Its labels.")
    importance: FloatFilter | None = _given("Its importance, from 0 to 1.")
    confidence: FloatFilter | None = _given("How sure it is, from 0 to 1.")
    status: StatusFilter | None = _given("How far a goal or task is.")
    priority: FloatFilter | None = _given("A goal's or task's priority.")
    progress: FloatFilter | None = _given("A goal's or task's progress, from 0 to 1.")
    due_at: DateTimeFilter | None = _given("By when a goal or task is due.")
    valid_from: DateTimeFilter | None = _given("From when it is true; of an event, when it happened.")
    valid_to: DateTimeFilter | None = _given("Until when it is true.")
    recorded_at: DateTimeFilter | None = _given("When this version was recorded.")
    owner: StringFilter | None = _given("The principal whose it is.")
    domain: DomainFilter | None = _given("Whose business it is.")
    external_key: StringFilter | None = _given("Its name in another system.")
    stream: NameFilter | None = _given(
        "The stream of an event, or of a memory that keeps one: its id, or your name for it."
    )
    mentions: NameFilter | None = _given("An entity that it mentions: its name or an alias, in any letters.")


WHERE = "Only items for which this holds; absent: all of them."
Where = Annotated[ItemFilter | None, strawberry.argument(description=WHERE)]


def needs_of(where: ItemFilter | None) -> tuple[Store, ...]:
    """The stores that the filter asks: entities are found by the words of their names."""
    ahead = [where] if where else []
    while ahead:
        each = ahead.pop()
        if each.mentions:
            return ("texts",)
        ahead += [*(each.and_ or ()), *(each.or_ or ()), *([each.not_] if each.not_ else ())]
    return ()


def kept(answer: Answer, kinds: Sequence[str], where: ItemFilter | None, among: Mask, most: int | None = None) -> Mask:
    """Which of these items of those kinds (none named: of all) the filter is true for; with `most`, at least so many of
    them, where there are."""
    if where is None or answer.refusal:
        return among
    wanted = answer.needs(filter_of(where, kinds, answer.reader.catalog, answer.limits.conditions), None)
    if wanted is None:
        return among
    found = matching(answer.reader, kinds, wanted, among, most)
    if isinstance(found, Refusal) and found.reason is Reason.INVALID:
        # A value of another type than its kind declares, which only an open catalog has.
        found = Refusal(Reason.INVALID, tuple(Problem(each.code, each.message, "where") for each in found.problems))
    return answer.needs(found, among)


def filter_of(given: ItemFilter, kinds: Sequence[str], catalog: Catalog, most: int) -> Filter | Refusal:
    """What the input says of items of these kinds, or everything that is wrong with it."""
    reading = _Reading(kinds, catalog)
    said = reading.filter(given, "where", 0)
    if reading.conditions > most:
        message = f"{reading.conditions:,} conditions are more than `requests.conditions` allows ({most:,})"
        return Refusal(Reason.LIMIT, (Problem("LIMIT_EXCEEDED", message, "where", "ask for less at once"),))
    return Refusal(Reason.INVALID, tuple(reading.problems)) if reading.problems else said


NESTED = 30
"""Filters within filters: more than people write, and well inside Python's stack."""

_SIGNS = {"eq": "=", "ne": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_TEXTS = {"starts_with": "STARTS WITH", "contains": "CONTAINS"}


class _Reading:
    """One input as it is read: what is wrong with it, and how many conditions it has."""

    def __init__(self, kinds: Sequence[str], catalog: Catalog) -> None:
        self.problems: list[Problem] = []
        self.conditions = 0
        self._kinds = [kind for kind in catalog.kinds.values() if not kinds or kind.name in kinds]
        self._catalog = catalog

    def filter(self, given: ItemFilter, place: str, depth: int) -> Filter:
        self.conditions += 1
        if depth > NESTED:
            self._wrong("TOO_DEEP", f"filters are nested deeper than {NESTED}", place, "say it with fewer levels")
            return Every(())
        parts: list[Filter] = []
        for name, value, at in self._present(given, place):
            match name:
                case "and_":
                    parts += [self.filter(each, f"{at}[{n}]", depth + 1) for n, each in enumerate(value)]
                case "or_":
                    either = (self.filter(each, f"{at}[{n}]", depth + 1) for n, each in enumerate(value))
                    parts.append(Some(tuple(either)))
                case "not_":
                    parts.append(Not(self.filter(value, at, depth + 1)))
                case "stream":
                    parts += [OfStream(names, where) for names, where in self._names(value, at)]
                case "mentions":
                    parts += [Mentions(names) for names, _ in self._names(value, at)]
                case _:
                    parts += [Holds(each, name in COLUMNAR) for each in self._conditions(name, value, at)]
        return Every(tuple(parts))

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

    def _conditions(self, field: str, given: Any, place: str) -> Iterator[ast.Expression]:
        of = self._of(field)
        for name, value, at in self._present(given, place):
            self.conditions += len(value) if isinstance(value, list) else 1
            if field == "kind":
                self._check_kinds(value if isinstance(value, list) else [value], at)
            condition = _condition(of, name, value, _moment if isinstance(given, DateTimeFilter) else _plain)
            bound = bind_item_condition(condition, ITEM, [kind.name for kind in self._kinds], self._catalog)
            for problem in bound.problems if isinstance(bound, Refusal) else ():
                self._wrong(problem.code, problem.message, at, problem.hint)
            yield condition

    def _of(self, field: str) -> ast.Expression:
        """What a field is called in MemQL. What none of the kinds declares is null of all of them."""
        if field in RESERVED:
            return _property(field)
        names = [field]
        if field == "text":
            names = list(dict.fromkeys(kind.text for kind in self._kinds if kind.text))
        known = [name for name in names if self._catalog.open or any(name in kind.properties for kind in self._kinds)]
        match known:
            case []:
                return ast.Literal(None)
            case [name]:
                return _property(name)
        return ast.Call("coalesce", tuple(map(_property, known)))

    def _check_kinds(self, names: Sequence[str], place: str) -> None:
        for name in names:
            if not self._catalog.open and name not in self._catalog.kinds:
                hint = nearest(name, self._catalog.kinds)
                self._wrong("UNKNOWN_KIND", f"no kind `{name[:80]}`", place, hint)

    def _wrong(self, code: str, message: str, place: str, hint: str) -> None:
        self.problems.append(Problem(code, message, place, hint))


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


def _property(name: str) -> ast.Expression:
    return ast.Property(ast.Name(ITEM), name)


def _plain(value: Any) -> ast.Expression:
    return ast.Literal(value.value if isinstance(value, Enum) else value)


def _moment(value: int) -> ast.Expression:
    return ast.TimeLiteral("datetime", iso(value))


def _spoken(name: str) -> str:
    """Our name of a field as the input has it."""
    first, *rest = name.strip("_").split("_")
    return first + "".join(word.capitalize() for word in rest)
