"""The vectors that a search compares with: of texts, embedded once however often they are asked, and of items."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from engine.search.ways import Vector
from memql.errors import Problem, Reason, Refusal

if TYPE_CHECKING:
    from engine.reader import Reader

AT_ONCE = 64
"""Texts embedded between two looks at the deadline: half a second of a model on this machine."""


class Meanings:
    """`model` is that of the tenant's vectors, or "none", and `width` how many numbers those have (0: nothing tells).
    `notices` say why texts have no vector."""

    def __init__(self, reader: "Reader") -> None:
        self._reader = reader
        self._known: dict[str, Vector | None] = {}
        spaces, own = reader.vectors.spaces(), reader.embedder
        self.model = own.model if own else next((model for model, _ in spaces), "none")
        widths = [width for model, width in spaces if model == self.model]
        self.width = own.width if own and (not widths or own.width in widths) else widths[0] if widths else 0
        self.notices: dict[str, None] = {}
        if own is None:
            self._say("there is no embedder: found by words alone")
        elif spaces and not any(model == own.model for model, _ in spaces):
            others = ", ".join(sorted({model for model, _ in spaces}))
            self._say(f"what is here was embedded by {others}, not by {own.model}: found by words alone")
        self._silent = bool(self.notices)

    def _say(self, notice: str) -> None:
        self.notices[notice] = None

    def prepare(self, texts: Iterable[str]) -> Refusal | None:
        """Embeds those that are not known yet, many in one call."""
        embedder = self._reader.embedder
        fresh = [text for text in dict.fromkeys(texts) if text not in self._known]
        if embedder is None or self._silent:
            return None
        if len(self._known) + len(fresh) > (most := self._reader.limits.search_texts):
            hint = "search for fewer rows, or raise `limits.search_texts`"
            message = f"a query asks for the meaning of at most {most:,} texts (`search_texts`)"
            return Refusal(Reason.LIMIT, (Problem("Q404", message, "", hint),))
        for start in range(0, len(fresh), AT_ONCE):
            if self._reader.overdue():
                return self._reader.late()
            some = fresh[start : start + AT_ONCE]
            embedded = embedder.embed(some)
            if isinstance(embedded, Refusal):
                self._say(f"found by words alone: {embedded.problems[0].message}")
                self._known.update(dict.fromkeys(some))
            else:
                self._known.update(zip(some, embedded, strict=True))
        return None

    def of(self, text: str) -> Vector | None:
        """The vector of a text that was prepared; None where it has none, of which `notices` tell."""
        return self._known.get(text)

    def of_version(self, dense: int) -> Vector | None:
        """The stored vector of that version; None where it has none of the tenant's model."""
        if not self.width:
            return None
        row: Vector = self._reader.vectors.rows(self.model, self.width, np.array([dense], np.int64))[0]
        return row if row.any() else None

    def misfit(self, vector: Vector) -> str | None:
        """Why a vector that was given cannot be compared with those here; None where it can."""
        if self.width and len(vector) != self.width:
            return f"a vector of `{self.model}` has {self.width} numbers, this one {len(vector)}"
        wide = vector.astype(np.float64)
        length = float(np.sqrt(wide @ wide))
        return None if 0 < length < np.inf else "a vector has a direction: finite numbers, not all of them 0"
