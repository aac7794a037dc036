"""The inputs that say which items and relations are meant: field by field, joined by and, or and not.

They say what MemQL says, in the form of an input: each operator is one of the language's, and null is as it is there.
"""

from typing import Any

import strawberry
from strawberry import UNSET

from server.api.types import Direction, Domain, Moment, Status


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


@strawberry.input(description="Conditions on what is true or false; all of them must hold.")
class BooleanFilter:
    eq: bool | None = _given(_EQ)
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
    description="Conditions on a property by its name in the catalog, one of the tenant's own or one built in; all of "
    "them must hold. Take the operators of the property's type."
)
class PropertyFilter:
    name: str = strawberry.field(description="Its name, as it was declared.")
    string: StringFilter | None = _given("Of a text.")
    number: FloatFilter | None = _given("Of an integer or a float.")
    time: DateTimeFilter | None = _given("Of a time.")
    boolean: BooleanFilter | None = _given("Of what is true or false.")
    list_: ListFilter | None = _given("Of a list of texts.", "list")


@strawberry.input(
    description="Which relations of an item are meant; all that is given must hold. Null is as it is of items."
)
class RelationFilter:
    and_: list["RelationFilter"] | None = _given("All of these hold.", "and")
    or_: list["RelationFilter"] | None = _given("One of these holds.", "or")
    not_: "RelationFilter | None" = _given("This does not hold.", "not")
    kind: KindFilter | None = _given("Its kind.")
    weight: FloatFilter | None = _given("How strong it is, from 0 to 1.")
    valid_from: DateTimeFilter | None = _given("From when it is true.")
    valid_to: DateTimeFilter | None = _given("Until when it is true.")
    recorded_at: DateTimeFilter | None = _given("When this version of it was recorded.")
    properties: list[PropertyFilter] | None = _given("Properties that its kind declares.")
    other: "ItemFilter | None" = _given("The item at its other end.")


@strawberry.input(
    description="What is asked of an item's relations, as MemQL's EXISTS asks it: `some`, `every` and `none` speak of "
    "those relations of that direction and of these kinds that may be seen, and whose other ends may be."
)
class RelationsFilter:
    direction: Direction = strawberry.field(default=Direction.ANY, description="Which way they lead.")
    kinds: list[str] | None = _given("Only those of these kinds; absent: all.")
    some: RelationFilter | None = _given("It has a relation for which this holds; {}: it has one at all.")
    every: RelationFilter | None = _given("This holds for each of them; so it does where there are none.")
    none: RelationFilter | None = _given("It has no relation for which this holds.")


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
    relations: RelationsFilter | None = _given("Its relations, and the items at their other ends.")
    properties: list[PropertyFilter] | None = _given("Properties by name, such as those that the tenant declared.")
