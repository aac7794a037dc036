"""Ranking: one order out of several signals, and for each hit how much each of them had to say in it.

The candidates are the best of each signal. Every candidate is scored on every signal, no match being 0; the scores of
a signal become z-scores over the candidates, so that signals of unlike scales can be added; the sum is weighted.
Equal sums stand in the order of their dense ids.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 200
"""The best of each signal that are considered: they hold 98 % of the evidence of long conversations."""

Dense: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Signal:
    """One way to tell what fits: the dense ids of what fits best, and the raw score of any. `weight` is its share in
    the sum; a boost names no candidates of its own, it only moves those of others."""

    name: str
    weight: float
    best: Dense
    scores: Callable[[Dense], Scores]


@dataclass(frozen=True, slots=True)
class Part:
    """What one signal had to say: row by row of the ranking, its raw score, its rank (from 1; 0: no match), the
    z-score, and the share of the total."""

    name: str
    weight: float
    raw: Scores
    rank: Dense
    z: NDArray[np.float64]
    share: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The candidates, best first: dense ids, totals, and what each signal gave to each total."""

    denses: Dense
    totals: NDArray[np.float64]
    parts: tuple[Part, ...]


def rank(signals: Sequence[Signal]) -> Ranking:
    """The candidates of these signals in one order."""
    candidates = np.unique(np.concatenate([np.empty(0, np.int64), *(signal.best for signal in signals)]))
    scored = [signal.scores(candidates) for signal in signals]
    normal = [_z(raw) for raw in scored]
    totals = np.zeros(len(candidates), np.float64)
    for signal, z in zip(signals, normal, strict=True):
        totals += signal.weight * z
    order = np.lexsort((candidates, -totals))
    parts = tuple(
        Part(signal.name, signal.weight, raw[order], _ranks(raw)[order], z[order], signal.weight * z[order])
        for signal, raw, z in zip(signals, scored, normal, strict=True)
    )
    return Ranking(candidates[order], totals[order], parts)


def _z(raw: Scores) -> NDArray[np.float64]:
    """How many standard deviations above the mean each score is; without spread, 0."""
    wide = raw.astype(np.float64)
    spread = wide.std() if len(wide) else 0.0
    return (wide - wide.mean()) / spread if spread > 1e-9 else np.zeros(len(wide))


def _ranks(raw: Scores) -> Dense:
    """From 1 for the best on; equal scores have the same, no match has 0."""
    levels = np.sort(raw)[::-1]
    ranks = np.searchsorted(-levels, -raw, side="left") + 1
    return np.where(raw == 0, 0, ranks).astype(np.int64)
