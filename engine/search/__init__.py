"""Search: what fits a question best, by words, by meaning, and by what stands around it. One operator for every door.

A way alone ranks by that alone. Words and meaning of one text make a question, and its context counts as well: what
was said just before and after in the same stream, whether the stream speaks of it elsewhere, who is asked for, and
when. A memory is indexed once; its neighbours are counted when a question is asked. Nearness in the graph may stand
beside either. Who asks for another fusion than the sum of z-scores gets the lists that were asked for, and no context.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from engine.columns import Mask
from engine.rank import CANDIDATES, ZSUM, Fusion, Ranking
from engine.search.inquiry import Inquiry
from engine.search.meanings import Meanings
from engine.search.question import Question, read
from engine.search.times import DAY
from engine.search.ways import Way, asked, in_order, question
from memql.errors import Refusal

if TYPE_CHECKING:
    from engine.reader import Reader

__all__ = ["Searches", "Way", "question", "search"]

_YEARS = 50
"""Years to which a date without one may belong."""


def search(reader: "Reader", ways: Sequence[Way], keep: Mask, *, most: int = CANDIDATES) -> Ranking | Refusal:
    """What `keep` is true for, by dense id, ranked: the best `most` of each way, and of a question what stands around
    them. Whether fewer or more are then shown changes no score."""
    return Searches(reader).search(ways, keep, most=most)


class Searches:
    """Searches of one reader, which share their work: a text is read and embedded once, however often it is asked."""

    def __init__(self, reader: "Reader") -> None:
        self._reader = reader
        self._questions: dict[str, Question] = {}

    @cached_property
    def meanings(self) -> Meanings:
        return Meanings(self._reader)

    def prepare(self, many: Sequence[Sequence[Way]], fusion: Fusion = ZSUM) -> Refusal | None:
        """Embeds what these searches will ask for, all in one call."""
        texts: list[str] = []
        for ways in many:
            whole = asked(ways, fusion)
            for way in ways:
                if way.how == "meaning" and isinstance(way.to, str):
                    texts.append(self._read(whole).bare if whole is not None else way.to)
        return self.meanings.prepare(texts) if texts else None

    def search(
        self, ways: Sequence[Way], keep: Mask, *, most: int = CANDIDATES, fusion: Fusion = ZSUM
    ) -> Ranking | Refusal:
        """As the function of that name, fused in that way."""
        if refusal := self.prepare([ways], fusion):
            return refusal
        whole = asked(ways, fusion)
        inquiry = Inquiry(self._reader, keep, self._read(whole) if whole is not None else None, most)
        for way in in_order(ways):
            if refusal := inquiry.by(way, self.meanings if way.how == "meaning" else None):
                return refusal
        return inquiry.ranking(fusion)

    def _read(self, text: str) -> Question:
        """The question in the light of what its asker sees: whose names are names, and which years there are."""
        if text not in self._questions:
            authors, years = self._known
            self._questions[text] = read(text, authors, self._reader.scope.valid_at, years)
        return self._questions[text]

    @cached_property
    def _known(self) -> tuple[dict[int, str], range]:
        columns, seen = self._reader.scope.columns, self._reader.scope.visible
        known = np.flatnonzero(np.bincount(columns.column("author")[: len(seen)][seen]))
        authors = {code: columns.names[code] for code in known.tolist() if code in columns.names}
        moments = columns.column("valid_from")[: len(seen)][seen]
        first, last = (_year(int(moments.min())), _year(int(moments.max()))) if len(moments) else (0, 0)
        return authors, range(max(first, last - _YEARS), last + 1)


def _year(moment: int) -> int:
    return 1970 + int(moment // (DAY * 365.2425))
