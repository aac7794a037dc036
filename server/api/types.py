"""What GraphQL shows: the items of a tenant by their kinds, their relations, and pages of them.

Types only say what there is. Everything in them was read together, at one position, before an answer is made of it:
fields that need a read of their own (`history`, `relations`, `sources`, `stream`) find it in `beside`.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, NewType, TypeAlias

import strawberry
from graphql import GraphQLError
from strawberry import Info, Private
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

from memql.values import Misfit, iso, read_instant
from server.api.cost import Cost
from server.api.reading import SHARED, read_as
from server.api.selection import Path, path_of

if TYPE_CHECKING:
    from server.api.conditions import RelationFilter
    from server.api.connections import ItemConnection
    from server.api.orders import RelationOrder

Position = NewType("Position", int)
Moment = NewType("Moment", int)
"""A time, in microseconds since 1970."""

Told: TypeAlias = Info[Any, Any]


def _read_position(given: object) -> int:
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**62:
        raise GraphQLError("a position is a whole number from 0 on, as an answer gave it")
    return given


def _read_moment(given: object) -> int:
    read = read_instant(given) if isinstance(given, str) else Misfit("a time is text, such as 2026-03-14T09:26:53Z")
    if isinstance(read, Misfit):
        raise GraphQLError(read.message)
    return read


SCALARS: dict[object, ScalarDefinition] = {
    Position: strawberry.scalar(
        name="Position",
        description="A place in the tenant's journal: every write has one, and every answer says which it was read "
        "at. A whole number, which may be larger than an Int; also read from text.",
        serialize=int,
        parse_value=_read_position,
    ),
    Moment: strawberry.scalar(
        name="DateTime",
        description="A time in ISO 8601, to the microsecond, in UTC; a given one without a zone is taken as UTC.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
        serialize=iso,
        parse_value=_read_moment,
    ),
}


def member(value: object, description: str) -> Any:
    """A member of an enum, and what it means."""
    return strawberry.enum_value(value, description=description)


@strawberry.enum(description="Whose business something is.")
class Domain(Enum):
    AGENT = member("agent", "An agent's own.")
    USER = member("user", "A person's own.")
    ORGANIZATION = member("organization", "Everybody's.")


@strawberry.enum(description="Which way relations are followed.")
class Direction(Enum):
    OUT = member("out", "From the item.")
    IN = member("in", "To the item.")
    ANY = member("any", "Both ways.")


@strawberry.enum(description="How far a goal or a task is.")
class Status(Enum):
    OPEN = member("open", "Nobody works on it yet.")
    ACTIVE = member("active", "Somebody works on it.")
    BLOCKED = member("blocked", "Something else must happen first.")
    DONE = member("done", "Reached.")
    ABANDONED = member("abandoned", "Given up.")


def said(description: str) -> Any:
    """A field that is simply there."""
    return strawberry.field(description=description)


def common(description: str) -> Any:
    """A field that is simply there, with a value that other objects have too."""
    return strawberry.field(description=description, metadata=SHARED)


_FEW = Cost(weight=2, assumed=5)
"""Of relations that lead to a handful of items."""

# Arguments that many fields have

First = Annotated[
    int | None,
    strawberry.argument(
        description="How many at most, from the start; absent, and without `last`: 20, or what `requests.page` says. "
        "`limits.read_rows` bounds it."
    ),
]
Last = Annotated[
    int | None, strawberry.argument(description="In place of `first`: how many at most, the last ones of all.")
]
After = Annotated[str | None, strawberry.argument(description="The cursor behind which the page begins.")]
Before = Annotated[str | None, strawberry.argument(description="The cursor before which the page ends.")]
Way = Annotated[Direction, strawberry.argument(description="Which way to follow them.")]
Kinds = Annotated[list[str] | None, strawberry.argument(description="Only of these kinds; absent: of all.")]
WhereRelated = Annotated[
    Annotated["RelationFilter", strawberry.lazy("server.api.conditions")] | None,
    strawberry.argument(description="Only relations for which this holds; absent: all of them."),
]
OrderRelated = Annotated[
    list[Annotated["RelationOrder", strawberry.lazy("server.api.orders")]] | None,
    strawberry.argument(
        description="What they are sorted by, the most important first; absent: the order in which they were recorded."
    ),
]


def at_its_path(path: Path, name: str) -> Callable[[Any], Any]:
    return lambda root: root.beside[path]


@read_as(at_its_path)
def gathered(root: Any, info: Told) -> Any:
    """What was read together with the object for the field at hand."""
    return root.beside[path_of(info.path)]


@read_as(at_its_path)
def gathered_relations(
    root: Any, info: Told, direction: Way = Direction.ANY, kinds: Kinds = None, where: WhereRelated = None,
    order_by: OrderRelated = None, first: First = None, after: After = None, last: Last = None, before: Before = None,
) -> Any:  # fmt: skip
    """The arguments were heeded when the page was read."""
    return root.beside[path_of(info.path)]


@read_as(at_its_path)
def gathered_page(
    root: Any, info: Told, first: First = None, after: After = None, last: Last = None, before: Before = None
) -> Any:
    """The arguments were heeded when the page was read."""
    return root.beside[path_of(info.path)]


@read_as(at_its_path)
def gathered_first(root: Any, info: Told, first: First = None) -> Any:
    """The argument was heeded when they were found."""
    return root.beside[path_of(info.path)]


# Items


@strawberry.interface(description="Anything with an id.")
class Node:
    id: strawberry.ID = said("Stable for good: corrections make versions, not new ids.")


@strawberry.interface(description="Anything that is remembered, in the version that was read.")
class Item(Node):
    kind: str = said("Memory, Event and so on, or a kind of the tenant's own.")
    version: int = said("1 for what was first recorded; each correction adds one.")
    labels: list[str] = said("Labels, as they were given.")
    owner: str = said("The principal whose it is.")
    domain: Domain = said("Whose business it is.")
    valid_from: Moment = said("From when it is true in the world.")
    valid_to: Moment | None = said("Until when it is true; null while no end is known.")
    recorded_at: Moment = said("When this version was recorded.")
    retired_at: Moment | None = said("When this version was followed by another or retired; null while it is current.")
    erased: bool = said("Whether its content was removed for good; what is left says only that there was an item.")
    properties: JSON = said("All that was recorded with it, by name; times are ISO 8601 text.")
    beside: Private[Mapping[Path, Any]]

    history: list["Item"] = strawberry.field(
        resolver=gathered,
        description="All its versions that were known at the position, the oldest first.",
        directives=[Cost(weight=2, assumed=5)],
    )
    relations: "RelationConnection" = strawberry.field(
        resolver=gathered_relations,
        description="Its relations, those that were recorded first before the others.",
    )
    sources: list["Event"] = strawberry.field(
        resolver=gathered,
        description="The events that it was, in the end, derived from, in the order in which they were recorded.",
        directives=[Cost(weight=3, assumed=5)],
    )
    provenance: "Provenance" = strawberry.field(
        resolver=gathered, description="Who recorded this version, by which command, and from what."
    )
    ending: "Change | None" = strawberry.field(
        resolver=gathered, description="Who corrected or retired this version, and why; null while it is current."
    )


@strawberry.type(description="What was done to an item or a relation, from the journal's own record of it.")
class Change:
    actor: str = said("The principal who asked for it.")
    command: str = said("What was asked: Remember, RecordEvents, ReviseItem and so on.")
    reason: str | None = said("Why, in the words of whoever asked; null where none were given.")
    recorded_at: Moment = said("When it was recorded.")
    position: Position = said("Where the record stands in the journal.")


@strawberry.type(description="How a version of an item came to be.")
class Provenance(Change):
    derived_from: list[Item] = strawberry.field(
        description="What the item was made from: the ends of its DERIVED_FROM relations.",
        directives=[Cost(weight=2, assumed=3)],
    )


@strawberry.type(description="One session's events, in order.")
class Stream(Item):
    name: str | None = said("What callers call it; null when erased.")
    external_key: str | None = said("Its name in another system.")
    metadata: JSON | None = said("Whatever came with it.")


@strawberry.type(description="What was said or done, as it came. Events never change.")
class Event(Item):
    content: str | None = said("What was said or done; null when erased.")
    role: str | None = said("The part its author played: user, assistant, tool and so on.")
    author: str | None = said("Who said or did it.")
    importance: float | None = said("From 0 to 1.")
    reply_to: strawberry.ID | None = said("The event that it answers.")
    external_key: str | None = said("Its name in another system.")
    metadata: JSON | None = said("Whatever came with it.")
    stream: Stream = strawberry.field(resolver=gathered, description="The stream that it is part of.", metadata=SHARED)


@strawberry.type(description="An item, and how near it is.")
class ScoredItem:
    node: Item = said("The item.")
    score: float = said("The cosine of what both mean: from -1 to 1, and 1 where they mean the same.")


_NEAREST = Cost(weight=20, multipliers=["first"], assumed=20)
_SIMILAR = (
    "What is nearest to it in meaning among the items of its own kind, the nearest first; empty where it has no vector."
)


@strawberry.type(description="A stable fact or procedure.")
class Memory(Item):
    text: str | None = said("What is remembered; null when erased.")
    author: str | None = said("Who said or did it.")
    category: str | None = said("What sort of memory it is.")
    tags: list[str] = said("Words to find it by.")
    importance: float | None = said("From 0 to 1.")
    confidence: float | None = said("How sure it is, from 0 to 1.")
    external_key: str | None = said("Its name in another system.")
    metadata: JSON | None = said("Whatever came with it.")
    stream: Stream | None = strawberry.field(
        resolver=gathered,
        description="The stream of the event that it keeps; null where it keeps none.",
        metadata=SHARED,
    )
    similar: list[ScoredItem] = strawberry.field(resolver=gathered_first, description=_SIMILAR, directives=[_NEAREST])
    entities: list["Entity"] = strawberry.field(
        resolver=gathered, description="The entities that it mentions.", directives=[_FEW]
    )


@strawberry.type(description="A theme or conclusion over memories.")
class Insight(Item):
    text: str | None = said("What was concluded; null when erased.")
    category: str | None = said("What sort of insight it is.")
    tags: list[str] = said("Words to find it by.")
    confidence: float | None = said("How sure it is, from 0 to 1.")
    external_key: str | None = said("Its name in another system.")
    metadata: JSON | None = said("Whatever came with it.")
    similar: list[ScoredItem] = strawberry.field(resolver=gathered_first, description=_SIMILAR, directives=[_NEAREST])
    supported_by: list[Item] = strawberry.field(
        resolver=gathered,
        description="What is evidence for it: the sources of SUPPORTS relations that lead to it.",
        directives=[_FEW],
    )
    contradicted_by: list[Item] = strawberry.field(
        resolver=gathered,
        description="What is evidence against it: the sources of CONTRADICTS relations that lead to it.",
        directives=[_FEW],
    )


_BLOCKED_BY = "Goals and tasks that it DEPENDS_ON and that are neither done nor abandoned."


@strawberry.type(description="What someone wants to reach.")
class Goal(Item):
    title: str | None = said("The goal in one line; null when erased.")
    description: str | None = said("The goal at length.")
    status: Status | None = said("How far it is; null when erased.")
    priority: int | None = said("The higher, the sooner.")
    progress: float | None = said("From 0 to 1.")
    due_at: Moment | None = said("By when it should be reached.")
    external_key: str | None = said("Its name in another system.")
    metadata: JSON | None = said("Whatever came with it.")
    tasks: list["Task"] = strawberry.field(
        resolver=gathered, description="The tasks that are PART_OF it.", directives=[_FEW]
    )
    blocked_by: list[Item] = strawberry.field(resolver=gathered, description=_BLOCKED_BY, directives=[_FEW])


@strawberry.type(description="A step towards a goal.")
class Task(Item):
    title: str | None = said("The task in one line; null when erased.")
    description: str | None = said("The task at length.")
    status: Status | None = said("How far it is; null when erased.")
    priority: int | None = said("The higher, the sooner.")
    progress: float | None = said("From 0 to 1.")
    due_at: Moment | None = said("By when it should be done.")
    result: str | None = said("What came of it.")
    external_key: str | None = said("Its name in another system.")
    metadata: JSON | None = said("Whatever came with it.")
    goal: Goal | None = strawberry.field(
        resolver=gathered,
        description="The goal that it is PART_OF, the first where there are several; null: none.",
        metadata=SHARED,
    )
    blocked_by: list[Item] = strawberry.field(resolver=gathered, description=_BLOCKED_BY, directives=[_FEW])


@strawberry.type(description="A person, place, organisation or thing that memories mention.")
class Entity(Item):
    name: str | None = said("What it is called; null when erased.")
    category: str | None = said("What sort of thing it is.")
    aliases: list[str] = said("What else it is called.")
    external_key: str | None = said("Its name in another system.")
    metadata: JSON | None = said("Whatever came with it.")
    mentions: Annotated["ItemConnection", strawberry.lazy("server.api.connections")] = strawberry.field(
        resolver=gathered_page, description="The items that mention it, those that were recorded first before others."
    )


@strawberry.type(description="An item of a kind that the tenant declared itself; what it says is in `properties`.")
class CustomItem(Item):
    pass


ITEMS: Mapping[str, type[Item]] = {
    shown.__name__: shown for shown in (Stream, Event, Memory, Insight, Goal, Task, Entity)
}
"""Each built-in kind has a type of its own name."""


@strawberry.type(description="A typed, weighted relation between two items, in the version that was read.")
class Relation(Node):
    kind: str = said("DERIVED_FROM, MENTIONS and so on, or a kind of the tenant's own.")
    version: int = said("1 for what was first recorded; each correction adds one.")
    weight: float = said("How strong it is, from 0 to 1.")
    source: Item = common("Where it starts.")
    target: Item = common("Where it leads.")
    read_version: int | None = said("For DERIVED_FROM: the version of the target that was read.")
    valid_from: Moment = said("From when it is true in the world.")
    valid_to: Moment | None = said("Until when it is true; null while no end is known.")
    recorded_at: Moment = said("When this version was recorded.")
    retired_at: Moment | None = said("When this version was followed by another or retired; null while it is current.")
    properties: JSON = said("All that was recorded with it, by name; times are ISO 8601 text.")
    beside: Private[Mapping[Path, Any]]

    history: list["Relation"] = strawberry.field(
        resolver=gathered,
        description="All its versions that were known at the position, the oldest first.",
        directives=[Cost(weight=2, assumed=5)],
    )
    provenance: Change = strawberry.field(
        resolver=gathered, description="Who recorded this version, and by which command."
    )
    ending: Change | None = strawberry.field(
        resolver=gathered, description="Who changed or retired this version; null while it is current."
    )


# Pages


@strawberry.type(description="Where a page ends, and whether there is more.")
class PageInfo:
    has_next_page: bool = said("Whether there are rows behind these.")
    has_previous_page: bool = said("Whether there are rows before these.")
    start_cursor: str | None = said("The cursor of the first row: `before` for the page before this one.")
    end_cursor: str | None = said("The cursor of the last row: `after` for the next page.")


@strawberry.type(description="One relation of an item.")
class RelationEdge:
    cursor: str = said("This row's cursor.")
    node: Relation = said("The relation.")
    other: Item = common("The item at its other end.")


@strawberry.type(description="A page of an item's relations.")
class RelationConnection:
    edges: list[RelationEdge] = said("The relations with their cursors and other ends.")
    nodes: list[Relation] = said("The relations alone.")
    page_info: PageInfo = said("Where the page ends.")
    total_count: int = said("How many there are on all pages.")
