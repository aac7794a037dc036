"""What a search asks: the ways, and what each of them is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.columns import Numbers
from engine.rank import Fusion
from engine.search.nearness import WITHIN

Vector: TypeAlias = NDArray[np.float32]
_ORDER = {"words": 0, "meaning": 1, "graph": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One way to search: by words (a text), by meaning (a text, or a vector of the tenant's model), by nearness in the
    graph (roots). None says nothing, and finds nothing. `on`: the properties whose words are meant; None: the text of
    each kind."""

    how: Literal["words", "meaning", "graph"]
    to: str | Vector | Numbers | None
    weight: float = 1.0
    on: tuple[str, ...] | None = None
    within: int = WITHIN


def question(text: str) -> tuple[Way, ...]:
    """Both ways, as one asks who just has a question."""
    return Way("words", text), Way("meaning", text)


def in_order(ways: Sequence[Way]) -> list[Way]:
    """The ways in one order however they were written: sums are then the same to their last bit."""
    return sorted(ways, key=lambda way: _ORDER[way.how])


def asked(ways: Sequence[Way], fusion: Fusion) -> str | None:
    """The question that these ways ask together: words and meaning of one text, fused as a question is; None where
    they are lists of their own, of which nothing else is to be thought."""
    worded = [way for way in ways if way.how == "words"]
    meant = [way for way in ways if way.how == "meaning"]
    if fusion.how != "zsum" or len(worded) != 1 or len(meant) != 1 or worded[0].on is not None:
        return None
    if not (worded[0].weight > 0 and meant[0].weight > 0):
        return None
    text = worded[0].to
    same = isinstance(text, str) and isinstance(meant[0].to, str) and meant[0].to == text
    return text if same and isinstance(text, str) else None
