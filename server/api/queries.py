"""What may be asked: the fields of Query. Each is one read of the tenant, at one position, with all beneath it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeAlias

import strawberry
from strawberry import Info

from engine import identities
from memql.errors import not_found
from server.api import assist, descriptions, principals
from server.api.answers import Answer
from server.api.arguments import As, AtLeast, Consolidated, Id, Valid, paging_of, when
from server.api.audits import AuditConnection, audit
from server.api.catalog import Catalog, tell
from server.api.conditions import ItemFilter
from server.api.connections import Connection, ItemConnection
from server.api.context import Context
from server.api.cost import Cost
from server.api.filters import Where
from server.api.language import OUTCOME, ask
from server.api.listing import Listing, vectors_of
from server.api.orders import ItemOrder
from server.api.pages import Paging
from server.api.search import SearchConnection, find
from server.api.selection import wanted
from server.api.types import (
    After,
    Before,
    Entity,
    Event,
    First,
    Goal,
    Insight,
    Item,
    Kinds,
    Last,
    Memory,
    Node,
    Position,
    Stream,
    Task,
)

Told: TypeAlias = Info[Context, Any]

Ids = Annotated[list[strawberry.ID], strawberry.argument(description="The ids; `limits.read_rows` bounds them.")]
Name = Annotated[str, strawberry.argument(description="Its name or an alias, in small letters or large.")]
OrderBy = Annotated[
    list[ItemOrder] | None,
    strawberry.argument(
        description="What they are sorted by, the most important first; absent: the order in which they were "
        "recorded. `requests.orders` bounds how many."
    ),
]
OneStream = Annotated[str, strawberry.argument(description="Its id, or your own name for it.")]
StreamName = Annotated[
    str | None,
    strawberry.argument(
        description="Only events of this stream, by its id or, of your own, by its name; absent: of all."
    ),
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
        lambda answer: answer.nodes(ids, wants),
        when(as_of, valid_at, at_least, consolidated),
        needs=vectors_of(wants),
    )


def _single(kind: type[Item]) -> Any:
    async def single(
        info: Told, id_: Id, as_of: As = None, valid_at: Valid = None,
        at_least: AtLeast = None, consolidated: Consolidated = False,
    ) -> Any:  # fmt: skip
        found = await _node(info, id_, as_of, valid_at, at_least, consolidated)
        return found if isinstance(found, kind) else None

    return single


async def _stream(
    info: Told, name: OneStream, as_of: As = None, valid_at: Valid = None,
    at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    wants = wanted(info._raw_info)

    def ask(answer: Answer) -> Item | None:
        root = identities.stream(answer.reader, name)
        return answer.by_root([root], wants)[root] if root else None

    at = when(as_of, valid_at, at_least, consolidated)
    return await info.context.read(ask, at, needs=vectors_of(wants))


async def _entity(
    info: Told, name: Name, as_of: As = None, valid_at: Valid = None,
    at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    wants = wanted(info._raw_info)

    def ask(answer: Answer) -> Item | None:
        return next(iter(answer.items(identities.entities(answer.reader, name)[:1], wants)), None)

    return await info.context.read(
        ask, when(as_of, valid_at, at_least, consolidated), needs=("texts", *vectors_of(wants))
    )


# Pages


async def _items(
    info: Told, kinds: Kinds = None, where: Where = None, order_by: OrderBy = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
    as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    listing = _listing(info, kinds, where, order_by, paging_of(first, last, after, before))
    return await info.context.read(
        lambda answer: replace(listing, kinds=answer.known_kinds(kinds)).page(answer),
        when(as_of, valid_at, at_least, consolidated, listing.paging.cursor),
        needs=listing.needs,
    )


def _page_of(kind: str) -> Any:
    async def page(
        info: Told, where: Where = None, order_by: OrderBy = None,
        first: First = None, after: After = None, last: Last = None, before: Before = None,
        as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None, consolidated: Consolidated = False,
    ) -> Any:  # fmt: skip
        return await _items(
            info, [kind], where, order_by, first, after, last, before, as_of, valid_at, at_least, consolidated
        )

    return page


async def _events(
    info: Told, stream: StreamName = None, where: Where = None, order_by: OrderBy = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
    as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    listing = _listing(info, ["Event"], where, order_by, paging_of(first, last, after, before))

    def ask(answer: Answer) -> Connection[Any]:
        root = identities.stream(answer.reader, stream) if stream is not None else 0
        if stream is not None and not root:
            answer.needs(not_found("stream", stream, "stream"), None)
        return listing.page(answer, root)

    at = when(as_of, valid_at, at_least, consolidated, listing.paging.cursor)
    return await info.context.read(ask, at, needs=listing.needs)


def _listing(
    info: Told, kinds: Sequence[str] | None, where: ItemFilter | None, order: Sequence[ItemOrder] | None, paging: Paging
) -> Listing:
    return Listing(tuple(kinds or ()), where, tuple(order or ()), paging, wanted(info._raw_info))


async def _position(info: Told, at_least: AtLeast = None, consolidated: Consolidated = False) -> Any:
    return await info.context.read(lambda answer: answer.reader.position, when(None, None, at_least, consolidated))


_ORDER = "those that were recorded first before others."


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
    event: Event | None = strawberry.field(resolver=_single(Event), description="The event of that id.")
    memory: Memory | None = strawberry.field(resolver=_single(Memory), description="The memory of that id.")
    insight: Insight | None = strawberry.field(resolver=_single(Insight), description="The insight of that id.")
    goal: Goal | None = strawberry.field(resolver=_single(Goal), description="The goal of that id.")
    task: Task | None = strawberry.field(resolver=_single(Task), description="The task of that id.")
    stream: Stream | None = strawberry.field(
        resolver=_stream,
        description="The stream of that id, or of that name among your own; also one that was retired.",
    )
    entity: Entity | None = strawberry.field(
        resolver=_entity,
        description="The entity of that name. Where several have it: one that is called so before one that is also "
        "called so, then the one recorded first.",
        directives=[Cost(weight=2)],
    )
    items: ItemConnection = strawberry.field(resolver=_items, description=f"Items of any kind, {_ORDER}")
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
    memql_describe: Any = strawberry.field(
        resolver=descriptions.describe,
        graphql_type=descriptions.DESCRIBED,
        description="What a query asks for and gives: parameters, columns, how many rows. It is not run.",
        directives=[Cost(weight=5)],
    )
    memql_explain: Any = strawberry.field(
        resolver=descriptions.explain,
        graphql_type=descriptions.EXPLAINED,
        description="How a query would be answered now, without running it. With EXPLAIN or PROFILE before it, `memql` "
        "tells more.",
        directives=[Cost(weight=10)],
    )
    memql_word: assist.MemqlWord | None = strawberry.field(
        resolver=assist.describe,
        description="What the word at a place of a query is; null: nobody knows.",
        directives=[Cost(weight=5)],
    )
    catalog: Catalog = strawberry.field(
        resolver=tell,
        description="The names of this tenant: kinds, labels, kinds of relations, properties.",
        directives=[Cost(weight=10)],
    )
    audit: AuditConnection = strawberry.field(
        resolver=audit,
        description="What was done, by whom and why, the latest first: the records that touched something you may see.",
    )
    position: Position = strawberry.field(resolver=_position, description="The position that the tenant has reached.")
    me: principals.Me = principals.ME
    keys: list[principals.ApiKey] = principals.KEYS
