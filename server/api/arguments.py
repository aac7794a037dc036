"""The arguments that many fields of Query have: which item, as of when, waiting for what, and where a page begins."""

from typing import Annotated

import strawberry

from memql.errors import Refusal
from server.api import pages
from server.api.context import Refused, When
from server.api.cursors import Cursor
from server.api.pages import Paging
from server.api.types import Moment, Position


@strawberry.input(description="As of when, in the order in which things were recorded.", one_of=True)
class AsOf:
    time: Moment | None = strawberry.field(default=strawberry.UNSET, description="What was known at this time.")
    position: Position | None = strawberry.field(
        default=strawberry.UNSET, description="What was known at this position, taken from an answer."
    )


AS_OF = "As it was known then; absent: as it is known now."
VALID_AT = "What was true then; absent: what is true now."
AT_LEAST = "Waits until this position is shown: that of a write, to read what it wrote."
CONSOLIDATED = "Waits until events up to `atLeast` (absent: all there are) have become memories, and shows those too."

Id = Annotated[strawberry.ID, strawberry.argument(name="id", description="The id.")]
As = Annotated[AsOf | None, strawberry.argument(description=AS_OF)]
Valid = Annotated[Moment | None, strawberry.argument(description=VALID_AT)]
AtLeast = Annotated[Position | None, strawberry.argument(description=AT_LEAST)]
Consolidated = Annotated[bool, strawberry.argument(description=CONSOLIDATED)]


def when(
    as_of: AsOf | None,
    valid_at: Moment | None,
    at_least: Position | None,
    consolidated: bool,
    after: Cursor | None = None,
) -> When:
    """A page behind a cursor is read at the position of the page before it, unless another is asked for."""
    time = position = None
    if as_of is not None:
        time = None if as_of.time is strawberry.UNSET else as_of.time
        position = None if as_of.position is strawberry.UNSET else as_of.position
    elif after is not None:
        position = Position(after.position)
    return When(time, position, "now" if valid_at is None else valid_at, at_least or 0, consolidated)


def paging_of(first: int | None, last: int | None, after: str | None, before: str | None) -> Paging:
    """The page that is asked for; a cursor that is none is refused."""
    paging = pages.read(first, last, after, before)
    if isinstance(paging, Refusal):
        raise Refused(paging)
    return paging
