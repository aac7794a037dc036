"""Embedders: what turns a text into a vector of its meaning.

The contract alone; its implementations stand beside it. Where there is none (`embedder` is None) everything works by
words, and every answer says so: a vector is never made up.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memql.errors import Refusal


class Embedder(Protocol):
    """A model that embeds. Safe to call from several threads."""

    @property
    def model(self) -> str:
        """The name of its space of vectors, recorded with each of them; two models never share one."""
        ...

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        ...

    @property
    def digest(self) -> str:
        """What its vectors depend on: of its weights where they are here, else of what it was asked for by."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | Refusal:
        """A unit vector for each text, in their order, shape (texts, width); or why there is none now."""
        ...
