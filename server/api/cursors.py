"""Cursors: where a page ended, and the position it was read at.

A cursor names the last row itself, never how many came before it, so that pages neither skip nor repeat what others
write meanwhile. It is opaque to callers, and of no worth to anyone: what it leads to is read as whoever brings it.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from memql.errors import Refusal, invalid

_PAGE, _RANKED = struct.Struct(">QQ"), struct.Struct(">QQII")


@dataclass(frozen=True, slots=True)
class Cursor:
    """`row` is a dense id, or a relation's row. A search adds the row's place in its ranking, from 1 on, and a checksum
    of what was asked: a ranking's order means nothing to another question."""

    position: int
    row: int
    place: int = 0
    asked: int = 0

    def __str__(self) -> str:
        packed = (
            _RANKED.pack(self.position, self.row, self.place, self.asked)
            if self.place
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
        return bad(place)
    return Cursor(position, row, *ranked)


def bad(place: str = "after") -> Refusal:
    """What is said of a cursor that leads nowhere here."""
    hint = "take `endCursor` or an edge's `cursor` as it came, and ask for the same"
    return invalid("BAD_CURSOR", "this is no cursor of these pages", place, hint)
