"""What may be subscribed to: the fields of Subscription. Each tells messages with cursors, behind which one goes on."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Protocol, TypeAlias

import strawberry
from strawberry import Info

from server.api.conditions import ItemFilter
from server.api.cost import Cost
from server.api.language import Params, Text
from server.api.search import First, Search
from server.api.selection import wanted
from server.api.streams import Streamed
from server.api.subscriptions.audit import Records
from server.api.subscriptions.feeds import Feeding
from server.api.subscriptions.items import Items
from server.api.subscriptions.live import Live
from server.api.subscriptions.messages import (
    AUDITED,
    CHANGED,
    ITEM_CHANGED,
    LIVE,
    OF_KIND,
    RELATION_CHANGED,
    SEARCHED,
    ItemChanged,
    resume,
)
from server.api.subscriptions.relations import RelationChangeFilter, Relations
from server.api.subscriptions.searching import Searching
from server.api.types import Kinds

Told: TypeAlias = Info[Streamed, Any]
Messages: TypeAlias = AsyncGenerator[Any, None]

After = Annotated[
    str | None, strawberry.argument(description="The cursor of the last message that you had; absent: from now on.")
]
RelationWhere = Annotated[
    RelationChangeFilter | None,
    strawberry.argument(description="Only relations for which this holds, or held before; absent: all of them."),
]
Actors = Annotated[list[str] | None, strawberry.argument(description="Only by these principals; absent: by all.")]
Commands = Annotated[list[str] | None, strawberry.argument(description="Only of these commands; absent: of all.")]
ChangedWhere = Annotated[
    ItemFilter | None,
    strawberry.argument(
        description="Only items for which this holds, or held before: then `matches` is false; absent: all of them."
    ),
]


class _Source(Protocol):
    def opening(self, stream: Streamed, after: str | None) -> Messages: ...

    def onward(self, stream: Streamed) -> Messages: ...


def _part(info: Told, source: _Source, after: str | None) -> Messages:
    """What of the source is to be told here."""
    match info.context.part:
        case "opening":
            return source.opening(info.context, after)
        case "onward":
            return source.onward(info.context)
    return _ending(info.context)


async def _ending(stream: Streamed) -> Messages:
    yield resume(stream.place.cursor, stream.why)


_EACH_READ = Cost(weight=10)
"""How many messages there will be nobody knows; to begin is counted as what it begins, some reads."""
_A = {"Memory": "a memory", "Insight": "an insight", "Goal": "a goal", "Task": "a task"}


def _changes_of(kind: str) -> Any:
    message, field = OF_KIND[kind]

    def changed(info: Told, where: ChangedWhere = None, after: After = None) -> Messages:
        items = Items((kind,), where, message, field, wanted(info._raw_info))
        return _part(info, Feeding(items, info._raw_info), after)

    told = f"Each change of {_A[kind]}: as it was then, as it was before, in the order in which they were recorded."
    return strawberry.subscription(
        resolver=changed, graphql_type=CHANGED[kind], description=told, directives=[_EACH_READ]
    )


def _items(info: Told, kinds: Kinds = None, where: ChangedWhere = None, after: After = None) -> Messages:
    items = Items(tuple(kinds or ()), where, ItemChanged, "item", wanted(info._raw_info))
    return _part(info, Feeding(items, info._raw_info), after)


def _relations(info: Told, kinds: Kinds = None, where: RelationWhere = None, after: After = None) -> Messages:
    relations = Relations(tuple(kinds or ()), where, wanted(info._raw_info))
    return _part(info, Feeding(relations, info._raw_info), after)


def _records(info: Told, actors: Actors = None, commands: Commands = None, after: After = None) -> Messages:
    return _part(info, Feeding(Records(actors, commands), info._raw_info), after)


def _live(info: Told, text: Text, params: Params = None, after: After = None) -> Messages:
    return _part(info, Live(text, {} if params is None else params, info._raw_info), after)


def _search(info: Told, input_: Search, first: First = 10) -> Messages:
    return _part(info, Searching(info, input_, first), None)


@strawberry.type(
    description="What may be subscribed to, over WebSocket (graphql-transport-ws) or server-sent events. A message "
    "tells what you may see and nothing else: what you may not see makes no message."
)
class Subscription:
    memory_changed: Any = _changes_of("Memory")
    insight_changed: Any = _changes_of("Insight")
    goal_changed: Any = _changes_of("Goal")
    task_changed: Any = _changes_of("Task")
    item_changed: Any = strawberry.subscription(
        resolver=_items,
        graphql_type=ITEM_CHANGED,
        description="Each change of an item of any kind, in the order in which they were recorded.",
        directives=[_EACH_READ],
    )
    relation_changed: Any = strawberry.subscription(
        resolver=_relations,
        graphql_type=RELATION_CHANGED,
        description="Each change of a relation, in the order in which they were recorded.",
        directives=[_EACH_READ],
    )
    audit_recorded: Any = strawberry.subscription(
        resolver=_records,
        graphql_type=AUDITED,
        description="Each record that touched something you see.",
        directives=[_EACH_READ],
    )
    memql_live: Any = strawberry.subscription(
        resolver=_live,
        graphql_type=LIVE,
        description="The rows of a LIVE query, and then what is different: the rows are the query's at the cursor.",
        directives=[Cost(weight=100)],
    )
    search_stream: Any = strawberry.subscription(
        resolver=_search,
        graphql_type=SEARCHED,
        description="A search as it ranks: what words alone find at once, then the final ranking, as `search` has it.",
        directives=[Cost(weight=40, multipliers=["first"])],
    )
