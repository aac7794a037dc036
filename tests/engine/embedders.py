"""An embedder for tests that needs no model: words by their hashes, so that texts with the same words are near."""

import re
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memql.errors import Refusal, unavailable

OUT = unavailable("EMBEDDER_FAILED", "the model does not answer", "ask again later")


class WordHashes:
    """Each word is a direction, the same everywhere. Counts its calls; `fails` makes it refuse."""

    model = "word-hashes"
    width = 96
    digest = "0"

    def __init__(self) -> None:
        self.fails: Refusal | None = None
        self.calls: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | Refusal:
        self.calls.append(list(texts))
        if self.fails:
            return self.fails
        rows = np.array([self._row(text) for text in texts])
        unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    def _row(self, text: str) -> NDArray[np.float64]:
        row = np.full(self.width, 1e-3)
        for word in re.findall(r"\w+", text.casefold()):
            chance = np.random.default_rng(zlib.crc32(word.encode()))
            row += chance.normal(size=self.width)
        return row
