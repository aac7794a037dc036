"""Pages of items: what a filter lets through, in the order asked for, counted and summed up where that is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.columns import Mask, Numbers
from engine.execute.considering import ordered
from engine.tenant import Store
from server.api import pages
from server.api.answers import Answer
from server.api.conditions import ItemFilter
from server.api.connections import Connection
from server.api.filters import kept, needs_of
from server.api.orders import ItemOrder, item_order
from server.api.overviews import overview
from server.api.pages import Paging
from server.api.selection import Want

_OF_ALL = frozenset({"totalCount", "aggregate"})
"""What is asked of all pages together."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a connection of items is asked for. No kinds: of all."""

    kinds: Sequence[str]
    where: ItemFilter | None
    order: Sequence[ItemOrder]
    paging: Paging
    wants: Sequence[Want]

    @property
    def needs(self) -> tuple[Store, ...]:
        """The stores that it asks."""
        return (*needs_of(self.where), *vectors_of(self.wants))

    def page(self, answer: Answer, stream: int = 0) -> Connection[Any]:
        """The page; of the events of one stream, by its root, where that is given."""
        scope, paging, usual = answer.reader.scope, self.paging, answer.limits.page
        asked = pages.told_apart(self.order) if self.order else 0
        answer.needs(paging.wrong(usual, answer.reader.limits.read_rows, asked), None)
        among = scope.of_kind(*self.kinds) if self.kinds else scope.seen
        if stream:
            among = among & (scope.columns.column("stream")[: scope.count] == stream)
        if answer.refusal:
            return answer.page(pages.NONE, asked, 0, (), {})
        if not self.order and not any(want.name in _OF_ALL for want in self.wants):
            taken = paging.ahead(np.flatnonzero(self._ahead(answer, among)), usual)
            return answer.page(_kept(answer, taken), asked, 0, self.wants, {})
        whole = self._sorted(answer, np.flatnonzero(kept(answer, self.kinds, self.where, among)))
        taken = _kept(answer, paging.taken(whole, usual, scope.columns.erased))
        beside = {} if answer.refusal else overview(answer, self.kinds, whole, self.wants)
        return answer.page(taken, asked, len(whole), self.wants, beside)

    def _ahead(self, answer: Answer, among: Mask) -> Mask:
        """What is between the cursors; of a page from the start no more than it needs to look ahead."""
        most = None if self.paging.backward else self.paging.size(answer.limits.page) + 1
        return kept(answer, self.kinds, self.where, self.paging.between(among), most)

    def _sorted(self, answer: Answer, denses: Numbers) -> Numbers:
        if not self.order or answer.refusal:
            return denses
        by = answer.needs(item_order(self.order, self.kinds, answer.reader.catalog, answer.limits.orders), [])
        return answer.needs(ordered(answer.reader, self.kinds, denses, by), denses) if by else denses


def _kept(answer: Answer, taken: pages.Taken) -> pages.Taken:
    """Nothing is shown of an answer that has ended."""
    return pages.NONE if answer.refusal else taken


def vectors_of(wants: Sequence[Want]) -> tuple[Store, ...]:
    """The vectors, where something near in meaning is wanted."""
    ahead = list(wants)
    while ahead:
        want = ahead.pop()
        if want.name == "similar":
            return ("vectors",)
        ahead += want.inner
    return ()
