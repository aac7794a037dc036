"""Pages of items, and what all items of a connection come to: counted, summed up and in groups."""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from strawberry import Private

from server.api.cost import Cost
from server.api.reading import read_as
from server.api.selection import Path, path_of
from server.api.types import Item, Moment, PageInfo, Position, Told, at_its_path, gathered, member, said

T = TypeVar("T", bound=Item)


@strawberry.enum(description="What items are grouped by. An item is in the group of each tag, label or entity it has.")
class GroupBy(Enum):
    KIND = member("kind", "The kind.")
    OWNER = member("owner", "The principal whose it is.")
    DOMAIN = member("domain", "Whose business it is, as `Domain` has it.")
    AUTHOR = member("author", "Who said or did it.")
    CATEGORY = member("category", "The category of a memory, insight or entity.")
    STATUS = member("status", "How far a goal or task is, as `Status` has it.")
    TAG = member("tags", "Each tag; what has none is in no group.")
    LABEL = member("labels", "Each label; what has none is in no group.")
    STREAM = member("stream", "The stream of an event, or of a memory that keeps one: its id, and the item as `node`.")
    ENTITY = member("entity", "Each entity that it mentions: its id, and the item as `node`.")
    VALID_DAY = member("valid_from day", "The day, in UTC, from which it is true: 2026-03-14.")
    VALID_WEEK = member("valid_from week", "The week, by its Monday, from which it is true.")
    VALID_MONTH = member("valid_from month", "The month, by its first day, from which it is true.")
    RECORDED_DAY = member("recorded_at day", "The day, in UTC, on which this version was recorded.")
    RECORDED_WEEK = member("recorded_at week", "The week, by its Monday, in which this version was recorded.")
    RECORDED_MONTH = member("recorded_at month", "The month, by its first day, in which this version was recorded.")


@strawberry.type(description="What the numbers of items come to. Those without one do not count.")
class NumberFigures:
    avg: float | None = said("Their mean; null of none.")
    min: float | None = said("The smallest; null of none.")
    max: float | None = said("The greatest; null of none.")
    sum: float = said("Their sum; 0 of none.")


@strawberry.type(description="What the times of items come to.")
class TimeFigures:
    min: Moment | None = said("The earliest; null of none.")
    max: Moment | None = said("The latest; null of none.")


Named = Annotated[str, strawberry.argument(description="A property of numbers, by its name in the catalog.")]


@read_as(at_its_path)
def gathered_property(root: Any, info: Told, name: Named) -> Any:
    """The argument was heeded when it was reckoned."""
    return root.beside[path_of(info.path)]


@strawberry.interface(description="What some items come to. A field that none of their kinds has comes to nothing.")
class Figures:
    count: int = said("How many there are.")
    importance: NumberFigures = said("Of their importance.")
    confidence: NumberFigures = said("Of how sure they are.")
    priority: NumberFigures = said("Of the priority of goals and tasks.")
    progress: NumberFigures = said("Of the progress of goals and tasks.")
    valid_from: TimeFigures = said("Of the times from which they are true.")
    recorded_at: TimeFigures = said("Of the times at which these versions were recorded.")
    beside: Private[Mapping[Path, Any]]
    property: NumberFigures = strawberry.field(resolver=gathered_property, description="Of a property by its name.")


@strawberry.type(description="One of the keys that a group has in common.")
class GroupKey:
    by: GroupBy = said("What it is of.")
    value: str | None = said("The key; null: these have none.")
    beside: Private[Mapping[Path, Any]]
    node: Item | None = strawberry.field(
        resolver=gathered, description="The entity or stream that is the key; null where it is no item."
    )


@strawberry.type(description="Items that have the same keys.")
class ItemGroup(Figures):
    keys: list[GroupKey] = strawberry.field(
        description="The keys, in the order of `by`.", directives=[Cost(weight=0, assumed=2)]
    )


@strawberry.type(description="Items in groups, the largest group first.")
class ItemGroups:
    nodes: list[ItemGroup] = strawberry.field(description="The groups.", directives=[Cost(weight=0)])
    total_count: int = said("How many groups there are, those that are not shown counted too.")


By = Annotated[
    list[GroupBy], strawberry.argument(description="What to group by; `requests.group_keys` bounds how many.")
]
Groups = Annotated[
    int, strawberry.argument(description="How many groups at most, the largest; `requests.groups` bounds it.")
]


@read_as(at_its_path)
def gathered_groups(root: Any, info: Told, by: By, first: Groups = 50) -> Any:
    """The arguments were heeded when they were counted."""
    return root.beside[path_of(info.path)]


@strawberry.type(description="What all items of a connection come to: of every page, not of this one alone.")
class Aggregate(Figures):
    groups: ItemGroups = strawberry.field(
        resolver=gathered_groups,
        description="The items in groups.",
        directives=[Cost(weight=20, multipliers=["first"], assumed=50)],
    )


@strawberry.type(description="One row of a page.")
class Edge(Generic[T]):
    cursor: str = said("This row's cursor.")
    node: T = said("The item.")


@strawberry.type(description="A page of items, in the order asked for.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = said("The rows with their cursors.")
    nodes: list[T] = said("The rows without them.")
    page_info: PageInfo = said("Where the page ends.")
    total_count: int = said("How many there are on all pages; counted where it is asked for.")
    position: Position = said("The position that was read; the pages before and behind are read at the same.")
    beside: Private[Mapping[Path, Any]]
    aggregate: Aggregate = strawberry.field(
        resolver=gathered,
        description="What the items of all pages come to, at the same position.",
        directives=[Cost(weight=20)],
    )


@strawberry.type(description="A page of items of any kind, in the order asked for.")
class ItemConnection(Connection[Item]):
    pass
