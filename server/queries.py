"""What may be asked: the fields of Query. Each is one read of the tenant, at one position, with all beneath it."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import numpy as np
import strawberry
from strawberry import Info

from engine import identities
from memql.errors import not_found
from server import assist
from server.answers import Answer
from server.arguments import As, AtLeast, Consolidated, Id, Valid, cursor_of, when
from server.catalog import Catalog, tell
from server.context import Context
from server.cost import Cost
from server.cursors import Cursor
from server.filters import ItemFilter, Where, kept, needs_of
from server.language import OUTCOME, ask
from server.search import SearchConnection, find
from server.selection import Want, wanted
from server.types import (
    After,
    Connection,
    Entity,
    Event,
    First,
    Goal,
    Insight,
    Item,
    Kinds,
    Memory,
    Node,
    Position,
    Task,
)

Told: TypeAlias = Info[Context, Any]

Ids = Annotated[list[strawberry.ID], strawberry.argument(description="The ids; `limits.read_rows` bounds them.")]
Name = Annotated[str, strawberry.argument(description="Its name or an alias, in small letters or large.")]
StreamName = Annotated[
    str | None, strawberry.argument(description="Only events of this stream, by id or name; absent: of all.")
]


# Single ones


async def _node(
    info: Told, id_: Id, as_of: As = None, valid_at: Valid = None,
    at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    return (await _nodes(info, [id_], as_of, valid_at, at_least, consolidated))[0]


async def _nodes(
    info: Told, ids: Ids, as_of: As = None, valid_at: Valid = None,
    at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    wants = wanted(info._raw_info)
    return await info.context.read(
        lambda answer: answer.nodes(ids, wants), when(as_of, valid_at, at_least, consolidated)
    )


async def _event(
    info: Told, id_: Id, as_of: As = None, valid_at: Valid = None,
    at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    found = await _node(info, id_, as_of, valid_at, at_least, consolidated)
    return found if isinstance(found, Event) else None


async def _memory(
    info: Told, id_: Id, as_of: As = None, valid_at: Valid = None,
    at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    found = await _node(info, id_, as_of, valid_at, at_least, consolidated)
    return found if isinstance(found, Memory) else None


async def _entity(
    info: Told, name: Name, as_of: As = None, valid_at: Valid = None,
    at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    wants = wanted(info._raw_info)

    def ask(answer: Answer) -> Item | None:
        return next(iter(answer.items(identities.entities(answer.reader, name)[:1], wants)), None)

    return await info.context.read(ask, when(as_of, valid_at, at_least, consolidated), needs=("texts",))


# Pages


async def _items(
    info: Told, kinds: Kinds = None, where: Where = None, first: First = 20, after: After = None,
    as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    wants, cursor = wanted(info._raw_info), cursor_of(after)
    return await info.context.read(
        lambda answer: _page(answer, answer.known_kinds(kinds), where, first, cursor, wants),
        when(as_of, valid_at, at_least, consolidated, cursor),
        needs=needs_of(where),
    )


def _page_of(kind: str) -> Any:
    async def page(
        info: Told, where: Where = None, first: First = 20, after: After = None,
        as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None, consolidated: Consolidated = False,
    ) -> Any:  # fmt: skip
        return await _items(info, [kind], where, first, after, as_of, valid_at, at_least, consolidated)

    return page


async def _events(
    info: Told, stream: StreamName = None, where: Where = None, first: First = 20, after: After = None,
    as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    wants, cursor = wanted(info._raw_info), cursor_of(after)

    def ask(answer: Answer) -> Connection[Any]:
        root = identities.stream(answer.reader, stream) if stream is not None else 0
        if stream is not None and not root:
            answer.needs(not_found("stream", stream, "stream"), None)
        return _page(answer, ("Event",), where, first, cursor, wants, root)

    return await info.context.read(ask, when(as_of, valid_at, at_least, consolidated, cursor), needs=needs_of(where))


def _page(
    answer: Answer, kinds: Sequence[str], where: ItemFilter | None, first: int, after: Cursor | None,
    wants: Sequence[Want], stream: int = 0,
) -> Connection[Any]:  # fmt: skip
    """What stands behind the cursor, one more than asked for where there are more."""
    answer.needs(answer.page_limit(first), None)
    scope = answer.reader.scope
    ahead = (scope.of_kind(*kinds) if kinds else scope.seen).copy()
    if after:
        ahead[: after.row + 1] = False
    if stream:
        ahead &= scope.columns.column("stream")[: scope.count] == stream
    found = kept(answer, kinds, where, ahead, first + 1)
    limit = 0 if answer.refusal else first + 1
    states = answer.reader.items(np.flatnonzero(found)[:limit].tolist())
    return answer.page(states, first, after is not None, wants)


async def _position(info: Told, at_least: AtLeast = None, consolidated: Consolidated = False) -> Any:
    return await info.context.read(lambda answer: answer.reader.position, when(None, None, at_least, consolidated))


_ORDER = "in the order in which they were recorded."


@strawberry.type(description="What may be asked of a tenant. Every field is one read, at one position.")
class Query:
    node: Node | None = strawberry.field(
        resolver=_node, description="The item or relation of that id; null if there is none that you may see."
    )
    nodes: list[Node | None] = strawberry.field(
        resolver=_nodes,
        description="The items and relations of these ids, in their order; null where `node` is.",
        directives=[Cost(weight=1, multipliers=["ids"])],
    )
    event: Event | None = strawberry.field(resolver=_event, description="The event of that id.")
    memory: Memory | None = strawberry.field(resolver=_memory, description="The memory of that id.")
    entity: Entity | None = strawberry.field(
        resolver=_entity,
        description="The entity of that name. Where several have it: one that is called so before one that is also "
        "called so, then the one recorded first.",
        directives=[Cost(weight=2)],
    )
    items: Connection[Item] = strawberry.field(resolver=_items, description=f"Items of any kind, {_ORDER}")
    events: Connection[Event] = strawberry.field(resolver=_events, description=f"Events, {_ORDER}")
    memories: Connection[Memory] = strawberry.field(resolver=_page_of("Memory"), description=f"Memories, {_ORDER}")
    insights: Connection[Insight] = strawberry.field(resolver=_page_of("Insight"), description=f"Insights, {_ORDER}")
    goals: Connection[Goal] = strawberry.field(resolver=_page_of("Goal"), description=f"Goals, {_ORDER}")
    tasks: Connection[Task] = strawberry.field(resolver=_page_of("Task"), description=f"Tasks, {_ORDER}")
    entities: Connection[Entity] = strawberry.field(resolver=_page_of("Entity"), description=f"Entities, {_ORDER}")
    search: SearchConnection = strawberry.field(
        resolver=find,
        description="What fits a text best, by words and by meaning, with the events that it comes from.",
        directives=[Cost(weight=20, multipliers=["first"])],
    )
    memql: Any = strawberry.field(
        resolver=ask,
        graphql_type=OUTCOME,
        description="Asks in MemQL: the query is run on this tenant, as you.",
        directives=[Cost(weight=100)],
    )
    memql_check: assist.MemqlChecked = strawberry.field(
        resolver=assist.check,
        description="What is wrong with a query as it stands, without running it.",
        directives=[Cost(weight=5)],
    )
    memql_complete: list[assist.MemqlCompletion] = strawberry.field(
        resolver=assist.complete,
        description="What could be written at a place of a query, the likeliest first.",
        directives=[Cost(weight=5)],
    )
    memql_describe: assist.MemqlDescription | None = strawberry.field(
        resolver=assist.describe,
        description="What the word at a place of a query is; null: nobody knows.",
        directives=[Cost(weight=5)],
    )
    catalog: Catalog = strawberry.field(
        resolver=tell,
        description="The names of this tenant: kinds, labels, kinds of relations, properties.",
        directives=[Cost(weight=10)],
    )
    position: Position = strawberry.field(resolver=_position, description="The position that the tenant has reached.")
