"""What subscribers are told: a type for each message, and for each subscription the messages that it has."""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Union

import strawberry
from strawberry.scalars import JSON

from server.api.language import MemqlColumn, MemqlError
from server.api.refusals import ERRORS
from server.api.search import SearchConnection
from server.api.types import Goal, Insight, Item, Memory, Moment, Position, Relation, Task, member, said

CURSOR = "Give it as `after` to go on right behind this message."


@strawberry.interface(description="What a subscriber is told while a subscription goes on.")
class Message:
    cursor: str = said(CURSOR)


@strawberry.type(description="The subscription has begun: what comes behind this cursor is told. The first message.")
class Listening(Message):
    pass


@strawberry.enum(description="Why a subscription ends though there will be more.")
class ResumeReason(Enum):
    SLOW = member("slow", "More waited for you than is kept: take messages faster, or ask for less.")
    CLOSING = member("closing", "The server stops, or the tenant is closed: subscribe again in a moment.")


@strawberry.type(description="The last message of a subscription that ends though there will be more.")
class ResumeAfter:
    after: str | None = said("Subscribe again with this as `after`: nothing is lost or told twice. Null: begin anew.")
    why: ResumeReason = said("Why it ends.")


# Changes


@strawberry.enum(description="What became of an item or a relation.")
class ChangeKind(Enum):
    CREATED = member("created", "It was recorded.")
    UPDATED = member("updated", "A new version of it was recorded.")
    RETIRED = member("retired", "It was retired: default reads show it no more.")
    ERASED = member("erased", "Its content was removed for good.")


MATCHES = (
    "Whether it is there and `where` holds for it: who keeps a set takes it in, or else out. What is erased is told "
    "whatever `where` says."
)


@strawberry.interface(description="That something changed: by whom, how, and where its record stands.")
class Changed(Message):
    kind: ChangeKind = said("What became of it.")
    id: strawberry.ID = said("Whose change it is.")
    matches: bool = said(MATCHES)
    position: Position = said("Where the record of the change stands in the journal.")
    recorded_at: Moment = said("When it was recorded.")
    actor: str = said("The principal who asked for it.")
    command: str = said("What was asked: Remember, RecordEvents, ReviseItem and so on.")
    reason: str | None = said("Why, in the words of whoever asked; null where none were given.")


def _changed(name: str, field: str, of: Any, what: str) -> Any:
    """The change of one kind of thing, as it then was and as it was before."""
    own = {
        "__annotations__": {field: of, "before": of | None},
        field: said(f"The {what} as it was when this was recorded."),
        "before": said(f"The {what} as it was before; null where there was none."),
        "__module__": __name__,
    }
    return strawberry.type(type(name, (Changed,), own), description=f"What became of one {what}.")


MemoryChanged = _changed("MemoryChanged", "memory", Memory, "memory")
InsightChanged = _changed("InsightChanged", "insight", Insight, "insight")
GoalChanged = _changed("GoalChanged", "goal", Goal, "goal")
TaskChanged = _changed("TaskChanged", "task", Task, "task")
ItemChanged = _changed("ItemChanged", "item", Item, "item")
RelationChanged = _changed("RelationChanged", "relation", Relation, "relation")

OF_KIND: Mapping[str, tuple[Any, str]] = {
    "Memory": (MemoryChanged, "memory"),
    "Insight": (InsightChanged, "insight"),
    "Goal": (GoalChanged, "goal"),
    "Task": (TaskChanged, "task"),
}
"""The kinds whose changes have a message of their own, and its field of the item."""


# Records


@strawberry.type(description="A record of the journal: one command, with all that it did.")
class RecordAudited(Message):
    position: Position = said("Where it stands in the journal.")
    recorded_at: Moment = said("When it was recorded.")
    actor: str = said("The principal who asked for it.")
    command: str = said("What was asked.")
    ids: list[strawberry.ID] = said("The ids that answered the command.")
    reason: str | None = said("Why, in the words of whoever asked; null where none were given, or they were erased.")


# Live queries


@strawberry.type(description="A row under the key by which it is known again.")
class LiveRow:
    key: str = said("The same for as long as it is the same row.")
    row: list[JSON | None] = said("Its values, in the order of the columns, as `memql` has them.")
    place: int | None = said("Where it stands, from 0 on; null where the query does not sort.")


@strawberry.type(description="All rows of a live query.")
class LiveSnapshot(Message):
    position: Position = said("The position that was read.")
    columns: list[MemqlColumn] = said("The columns, in the order of RETURN.")
    rows: list[LiveRow] = said("The rows.")
    ordered: bool = said("Whether rows have places.")
    notices: list[str] = said("What did not go as one might expect, and warnings of the compiler.")
    because: str | None = said("To who wanted to resume: why all rows are told anew; else null.")


@strawberry.type(
    description="What makes the rows of this cursor of those before. Where rows have places: take away the removed and "
    "the changed, then put in the changed and the added, the first places first."
)
class LiveDelta(Message):
    position: Position = said("The position that was read.")
    added: list[LiveRow] = said("Rows that are new.")
    changed: list[LiveRow] = said("Rows that say something else, or stand elsewhere, under the keys that they had.")
    removed: list[str] = said("The keys of rows that are gone.")


# Searches


@strawberry.type(description="What a search has found so far.")
class SearchResults:
    results: SearchConnection = said("The best hits. Those that follow replace them.")
    complete: bool = said("Whether this is the final ranking; it is the last message then.")


def _union(name: str, description: str, *members: Any) -> Any:
    return Annotated[Union[(*members, *ERRORS.values())], strawberry.union(name, description=description)]


def _changes(name: str, changed: Any) -> Any:
    told = "A change; that it has begun; where to go on; or why there is nothing more."
    return _union(name, told, changed, Listening, ResumeAfter)


CHANGED: Mapping[str, Any] = {kind: _changes(f"{kind}Told", changed) for kind, (changed, _) in OF_KIND.items()}
ITEM_CHANGED = _changes("ItemTold", ItemChanged)
RELATION_CHANGED = _changes("RelationTold", RelationChanged)
AUDITED = _changes("AuditTold", RecordAudited)
LIVE = _union(
    "LiveTold", "All rows, or what is different; where to go on; or why there is nothing more.",
    LiveSnapshot, LiveDelta, ResumeAfter, MemqlError,
)  # fmt: skip
SEARCHED = _union("SearchTold", "What was found, or why it was not searched.", SearchResults)


def resume(after: str | None, why: str) -> ResumeAfter:
    return ResumeAfter(after=after, why=ResumeReason(why))
