"""What may be asked: the fields of Query. Each is one read of the tenant, at one position, with all beneath it."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import strawberry
from strawberry import Info

from engine.decide.streams import stream_scope
from engine.reader import Hit
from memql.errors import Refusal, not_found
from server import cursors
from server.answers import Answer
from server.context import Context, Refused, When
from server.cursors import Cursor
from server.selection import Want, wanted
from server.types import (
    After,
    Connection,
    Event,
    First,
    Item,
    Kinds,
    Memory,
    Moment,
    Node,
    Position,
    Relation,
    SearchConnection,
)

Told: TypeAlias = Info[Context, Any]


@strawberry.input(description="As of when, in the order in which things were recorded.", one_of=True)
class AsOf:
    time: Moment | None = strawberry.field(default=strawberry.UNSET, description="What was known at this time.")
    position: Position | None = strawberry.field(
        default=strawberry.UNSET, description="What was known at this position, taken from an answer."
    )


Id = Annotated[strawberry.ID, strawberry.argument(name="id", description="The id.")]
As = Annotated[AsOf | None, strawberry.argument(description="As it was known then; absent: as it is known now.")]
Valid = Annotated[Moment | None, strawberry.argument(description="What was true then; absent: what is true now.")]
AtLeast = Annotated[
    Position | None,
    strawberry.argument(description="Waits until this position is shown: that of a write, to read what it wrote."),
]
StreamName = Annotated[
    str | None, strawberry.argument(description="Only events of this stream, by id or name; absent: of all.")
]


@strawberry.input(description="What to search for, and how.")
class SearchInput:
    text: str = strawberry.field(description="Words, a question or a whole passage; any of its words may match.")
    kinds: list[str] | None = strawberry.field(default=None, description="Only items of these kinds; absent: of all.")
    as_of: AsOf | None = strawberry.field(default=None, description="As it was known then; absent: as it is known now.")
    valid_at: Moment | None = strawberry.field(
        default=None, description="What was true then; absent: what is true now."
    )
    at_least: Position | None = strawberry.field(
        default=None, description="Waits until this position is shown: that of a write, to find what it wrote."
    )
    first: int = strawberry.field(default=10, description="How many at most; `limits.read_rows` bounds it.")
    after: str | None = strawberry.field(default=None, description="The cursor behind which the page begins.")


def _when(as_of: AsOf | None, valid_at: Moment | None, at_least: Position | None, after: Cursor | None = None) -> When:
    """A page behind a cursor is read at the position of the page before it, unless another is asked for."""
    time = position = None
    if as_of is not None:
        time = None if as_of.time is strawberry.UNSET else as_of.time
        position = None if as_of.position is strawberry.UNSET else as_of.position
    elif after is not None:
        position = Position(after.position)
    return When(time, position, "now" if valid_at is None else valid_at, at_least or 0)


def _cursor(after: str | None) -> Cursor | None:
    cursor = cursors.read(after) if after is not None else None
    if isinstance(cursor, Refusal):
        raise Refused(cursor)
    return cursor


# One item


async def _node(info: Told, id_: Id, as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None) -> Any:
    wants = wanted(info._raw_info)
    find = _relation if id_.startswith("rel_") else _item
    return await info.context.read(lambda answer: find(answer, id_, wants), _when(as_of, valid_at, at_least))


def _relation(answer: Answer, id_: str, wants: Sequence[Want]) -> Relation | None:
    return answer.relation(id_, wants)


def _item(answer: Answer, id_: str, wants: Sequence[Want]) -> Item | None:
    state = answer.reader.item(id_)
    return answer.items([state], wants)[0] if state else None


async def _event(info: Told, id_: Id, as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None) -> Any:
    found = await _node(info, id_, as_of, valid_at, at_least)
    return found if isinstance(found, Event) else None


async def _memory(info: Told, id_: Id, as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None) -> Any:
    found = await _node(info, id_, as_of, valid_at, at_least)
    return found if isinstance(found, Memory) else None


# Pages


async def _items(
    info: Told, kinds: Kinds = None, first: First = 20, after: After = None,
    as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None,
) -> Any:  # fmt: skip
    wants, cursor = wanted(info._raw_info), _cursor(after)
    return await info.context.read(
        lambda answer: _page(answer, answer.known_kinds(kinds), first, cursor, wants),
        _when(as_of, valid_at, at_least, cursor),
    )


async def _memories(
    info: Told, first: First = 20, after: After = None,
    as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None,
) -> Any:  # fmt: skip
    return await _items(info, ["Memory"], first, after, as_of, valid_at, at_least)


async def _events(
    info: Told, stream: StreamName = None, first: First = 20, after: After = None,
    as_of: As = None, valid_at: Valid = None, at_least: AtLeast = None,
) -> Any:  # fmt: skip
    wants, cursor = wanted(info._raw_info), _cursor(after)

    def ask(answer: Answer) -> Connection[Any]:
        root = answer.needs(_stream_root(answer, stream), 0) if stream is not None else 0
        return _page(answer, ("Event",), first, cursor, wants, root)

    return await info.context.read(ask, _when(as_of, valid_at, at_least, cursor))


def _page(
    answer: Answer, kinds: Sequence[str], first: int, after: Cursor | None, wants: Sequence[Want], stream: int = 0
) -> Connection[Any]:
    answer.needs(answer.page_limit(first), None)
    limit = 1 if answer.refusal else first + 1
    states = answer.reader.page(kinds, after=after.row if after else 0, limit=limit, stream=stream)
    return answer.page(answer.needs(states, []), first, after is not None, wants)


def _stream_root(answer: Answer, stream: str) -> int | Refusal:
    """The stream of that id, or of that name among the caller's own; also one that was retired."""
    reader = answer.reader
    by_name = reader.index.keyed(stream_scope(reader.scope.by.id), stream)
    item = None if by_name else reader.item(stream)
    root = by_name or (item.root if item and item.kind == "Stream" else 0)
    return root if reader.lasting([root] if root else []) else not_found("stream", stream, "stream")


# Search


Search = Annotated[SearchInput, strawberry.argument(name="input", description="What to search for, and how.")]


async def _search(info: Told, input_: Search) -> Any:
    wants, after, first = wanted(info._raw_info), _cursor(input_.after), input_.first

    def ask(answer: Answer) -> SearchConnection:
        answer.needs(answer.page_limit(first + (after.seen if after else 0)), None)
        limit = 1 if answer.refusal else first + (after.seen if after else 0) + 1
        hits = answer.needs(answer.reader.search_text(input_.text, answer.known_kinds(input_.kinds), limit), [])
        return answer.ranked([hit for hit in hits if _behind(hit, after)], first, after, wants)

    when = _when(input_.as_of, input_.valid_at, input_.at_least, after)
    return await info.context.read(ask, when, needs=("texts",))


def _behind(hit: Hit, after: Cursor | None) -> bool:
    """Whether a hit stands behind the cursor's: the better first, and equal ones by dense id."""
    return after is None or (-hit.score, hit.item.dense) > (-after.score, after.row)


async def _position(info: Told) -> Any:
    return await info.context.read(lambda answer: answer.reader.position, When())


@strawberry.type(description="What may be asked of a tenant. Every field is one read, at one position.")
class Query:
    node: Node | None = strawberry.field(
        resolver=_node, description="The item or relation of that id; null if there is none that you may see."
    )
    event: Event | None = strawberry.field(resolver=_event, description="The event of that id.")
    memory: Memory | None = strawberry.field(resolver=_memory, description="The memory of that id.")
    items: Connection[Item] = strawberry.field(
        resolver=_items, description="Items of any kind, in the order in which they were recorded."
    )
    memories: Connection[Memory] = strawberry.field(
        resolver=_memories, description="Memories, in the order in which they were recorded."
    )
    events: Connection[Event] = strawberry.field(
        resolver=_events, description="Events, in the order in which they were recorded."
    )
    search: SearchConnection = strawberry.field(
        resolver=_search, description="What fits some words best, with the events that it comes from."
    )
    position: Position = strawberry.field(resolver=_position, description="The position that the tenant has reached.")
