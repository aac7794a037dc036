"""The argument `where`: which items are meant, on every page and in every search."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import strawberry

from engine.columns import Mask
from engine.filter import matching
from engine.tenant import Store
from memql.errors import Problem, Reason, Refusal
from server.api.answers import Answer
from server.api.conditions import ItemFilter, RelationFilter, RelationsFilter
from server.api.filtering import filter_of

WHERE = "Only items for which this holds; absent: all of them."
Where = Annotated[ItemFilter | None, strawberry.argument(description=WHERE)]


def needs_of(where: ItemFilter | None) -> tuple[Store, ...]:
    """The stores that the filter asks: entities are found by the words of their names."""
    ahead: list[Any] = [where] if where else []
    while ahead:
        each = ahead.pop()
        if isinstance(each, ItemFilter) and each.mentions:
            return ("texts",)
        names = _WITHIN.get(type(each), ())
        inner = (getattr(each, name) for name in names)
        ahead += [one for given in inner if given for one in (given if isinstance(given, list) else [given])]
    return ()


_JOINED = ("and_", "or_", "not_")
_WITHIN: Mapping[type, tuple[str, ...]] = {
    ItemFilter: (*_JOINED, "relations"),
    RelationsFilter: ("some", "every", "none"),
    RelationFilter: (*_JOINED, "other"),
}
"""Where filters stand within a filter."""


def kept(answer: Answer, kinds: Sequence[str], where: ItemFilter | None, among: Mask, most: int | None = None) -> Mask:
    """Which of these items of those kinds (none named: of all) the filter is true for; with `most`, at least so many of
    them, where there are."""
    if where is None or answer.refusal:
        return among
    wanted = answer.needs(filter_of(where, kinds, answer.reader.catalog, answer.limits.conditions), None)
    if wanted is None:
        return among
    found = matching(answer.reader, kinds, wanted, among, most)
    if isinstance(found, Refusal) and found.reason is Reason.INVALID:
        # A value of another type than its kind declares, which only an open catalog has.
        found = Refusal(Reason.INVALID, tuple(Problem(each.code, each.message, "where") for each in found.problems))
    return answer.needs(found, among)
