"""Cursors: where a page ended, and the position it was read at.

A cursor names the last row itself, never how many came before it, so that pages neither skip nor repeat what others
write meanwhile. It is opaque to callers, and of no worth to anyone: what it leads to is read as whoever brings it.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from memql.errors import Refusal, invalid

_PAGE, _RANKED = struct.Struct(">QQ"), struct.Struct(">QQfI")


@dataclass(frozen=True, slots=True)
class Cursor:
    """`row` is a dense id, or a relation's row. A search adds the score by which the row has its place, and how many
    rows stand before its end, which says only how many to fetch."""

    position: int
    row: int
    score: float = 0.0
    seen: int = 0

    def __str__(self) -> str:
        packed = (
            _RANKED.pack(self.position, self.row, self.score, self.seen)
            if self.seen
            else _PAGE.pack(self.position, self.row)
        )
        return urlsafe_b64encode(packed).decode().rstrip("=")


def read(text: str, place: str = "after") -> Cursor | Refusal:
    """The cursor as we gave it, or a refusal."""
    try:
        packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        form = _PAGE if len(packed) == _PAGE.size else _RANKED
        position, row, *ranked = form.unpack(packed)
    except (ValueError, struct.error):
        return invalid("BAD_CURSOR", "this is no cursor", place, "take `endCursor` or an edge's `cursor` as it came")
    return Cursor(position, row, *ranked)
