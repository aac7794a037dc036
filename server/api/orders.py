"""The inputs that say in which order items and relations come, and what they mean in MemQL."""

from collections.abc import Sequence
from enum import Enum

import numpy as np
import strawberry
from strawberry import UNSET

from engine.columns import Numbers
from engine.execute.considering import ITEM, By
from engine.reader import Reader
from memql import ast
from memql.catalog import Catalog
from memql.errors import Refusal, invalid, nearest
from server.api.filtering import Subject, over_request
from server.api.types import member


@strawberry.enum(description="Which way something is sorted.")
class SortDirection(Enum):
    ASC = member("asc", "The smallest, earliest or first in the order of letters comes first.")
    DESC = member("desc", "The greatest, latest or last in the order of letters comes first.")


@strawberry.enum(description="Where those without a value stand.")
class Nulls(Enum):
    FIRST = member("first", "Before all others.")
    LAST = member("last", "Behind all others.")


@strawberry.enum(description="What items may be sorted by. Of kinds that have no such field it is null.")
class ItemOrderField(Enum):
    RECORDED_AT = member("recorded_at", "When this version was recorded.")
    VALID_FROM = member("valid_from", "From when it is true; of an event, when it happened.")
    VALID_TO = member("valid_to", "Until when it is true.")
    KIND = member("kind", "Its kind, by letters.")
    OWNER = member("owner", "The principal whose it is, by letters.")
    TEXT = member("text", "What it is searched by: a memory's text, a goal's title, an event's content.")
    NAME = member("name", "The name of an entity or a stream.")
    AUTHOR = member("author", "Who said or did it.")
    CATEGORY = member("category", "What sort of memory, insight or entity it is.")
    STATUS = member("status", "How far a goal or task is, by letters.")
    IMPORTANCE = member("importance", "Its importance.")
    CONFIDENCE = member("confidence", "How sure it is.")
    PRIORITY = member("priority", "A goal's or task's priority.")
    PROGRESS = member("progress", "A goal's or task's progress.")
    DUE_AT = member("due_at", "By when a goal or task is due.")
    EXTERNAL_KEY = member("external_key", "Its name in another system.")


@strawberry.input(
    description="One thing to sort by, a field or a property. What is alike in all that is given comes in the order in "
    "which it was recorded."
)
class ItemOrder:
    field: ItemOrderField | None = strawberry.field(default=UNSET, description="What to sort by.")
    property: str | None = strawberry.field(
        default=UNSET, description="In place of `field`: a property by its name in the catalog."
    )
    direction: SortDirection = strawberry.field(default=SortDirection.ASC, description="Which way.")
    nulls: Nulls = strawberry.field(default=Nulls.LAST, description="Where those stand that have none.")


@strawberry.enum(description="What relations may be sorted by.")
class RelationOrderField(Enum):
    RECORDED_AT = member("recorded_at", "When this version was recorded.")
    WEIGHT = member("weight", "How strong it is.")
    VALID_FROM = member("valid_from", "From when it is true.")


@strawberry.input(
    description="One thing to sort relations by. What is alike comes in the order in which it was recorded."
)
class RelationOrder:
    field: RelationOrderField = strawberry.field(description="What to sort by.")
    direction: SortDirection = strawberry.field(default=SortDirection.ASC, description="Which way.")


def item_order(
    given: Sequence[ItemOrder], kinds: Sequence[str], catalog: Catalog, most: int
) -> list[By] | Refusal:  # fmt: skip
    """What items of these kinds are sorted by."""
    if len(given) > most:
        return over_request("orders", most, len(given), "orderBy")
    subject = Subject.of_items(kinds, catalog)
    found = []
    for n, each in enumerate(given):
        place = f"orderBy[{n}]"
        field = None if each.field is UNSET else each.field
        name = None if each.property is UNSET else each.property
        if (field is None) == (name is None):
            return invalid("INVALID_VALUE", "one thing to sort by is expected", place, "give `field` or `property`")
        if name is not None and not subject.knows(name):
            return invalid(
                "UNKNOWN_PROPERTY", f"no property `{name[:80]}`", f"{place}.property", nearest(name, subject.names())
            )
        written = subject.property(field.value) if field else ast.Property(ast.Name(ITEM), str(name))
        found.append(By(written, each.direction is SortDirection.DESC, each.nulls is Nulls.LAST))
    return found


def relation_order(reader: Reader, given: Sequence[RelationOrder], rows: Numbers) -> Numbers:
    """The places of these versions of relations in that order; ties by their numbers, which rise as they were
    recorded."""
    adjacency = reader.adjacency
    by = [rows]
    for each in reversed(given):
        values = adjacency.column(_COLUMNS[each.field])[rows]
        by.append(-values if each.direction is SortDirection.DESC else values)
    places: Numbers = np.lexsort(by)
    return places


_COLUMNS = {
    RelationOrderField.RECORDED_AT: "born",
    RelationOrderField.WEIGHT: "weight",
    RelationOrderField.VALID_FROM: "valid_from",
}
"""What is recorded later stands behind in the journal."""
