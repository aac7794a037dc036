"""Ranking: one order out of several signals, and for each hit how much each of them had to say in it.

Every candidate is scored on every signal, no match being 0; the scores of a signal are brought to one scale over the
candidates, so that signals of unlike scales can be added; the sum is weighted. Equal sums stand in the order of their
dense ids. The scale is that of z-scores, unless another fusion is asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 80
"""The best of each way that are considered; of a question their neighbours as well, which makes some 300 of them."""

Dense: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float32]
Scaled: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the scores of a signal are brought to one scale: `zsum` as z-scores; `rrf` by rank alone, as 1 / (k + rank),
    no match being 0; `linear` between the least and the greatest of them, as z-scores, or as they are."""

    how: Literal["zsum", "rrf", "linear"] = "zsum"
    k: float = 60.0
    normalize: Literal["minmax", "zscore", "none"] = "minmax"

    def scaled(self, raw: Scores) -> Scaled:
        match self.how, self.normalize:
            case "rrf", _:
                ranks = _ranks(raw)
                return np.where(ranks > 0, 1 / (self.k + ranks), 0.0)
            case "linear", "minmax":
                return _between(raw)
            case "linear", "none":
                return raw.astype(np.float64)
        return _z(raw)


ZSUM = Fusion()


@dataclass(frozen=True, slots=True)
class Signal:
    """One way to tell what fits: the raw score of any dense ids, no match being 0. `weight` is what that counts for in
    the sum, once it is on one scale with the others'."""

    name: str
    weight: float
    scores: Callable[[Dense], Scores]


@dataclass(frozen=True, slots=True)
class Boost:
    """What a match adds to a total, in standard deviations: `weight` for 1, nothing for 0."""

    name: str
    weight: float
    matches: Callable[[Dense], Sequence[float] | NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Part:
    """What one signal or boost had to say, row by row of the ranking: its raw score, its rank (from 1; 0: no match),
    that on one scale with the others (`z`; of a boost the raw score), and the share of the total."""

    name: str
    weight: float
    raw: Scores
    rank: Dense
    z: Scaled
    share: Scaled


@dataclass(frozen=True, slots=True)
class Ranking:
    """The candidates, best first: dense ids, totals, and what each signal and boost gave to each total. `embedder`
    names the model that took part, or is "none"; `notices` say what could not."""

    denses: Dense
    totals: Scaled
    parts: tuple[Part, ...]
    embedder: str = "none"
    notices: tuple[str, ...] = ()


def rank(candidates: Dense, signals: Sequence[Signal], boosts: Sequence[Boost] = (), fusion: Fusion = ZSUM) -> Ranking:
    """These candidates, each given once, in one order."""
    scored: list[tuple[Signal | Boost, Scores, Scaled]] = []
    for signal in signals:
        raw = signal.scores(candidates)
        scored.append((signal, raw, fusion.scaled(raw)))
    for boost in boosts:
        matches = np.asarray(boost.matches(candidates), np.float32)
        scored.append((boost, matches, matches.astype(np.float64)))
    totals = np.zeros(len(candidates), np.float64)
    for each, _, z in scored:
        totals += each.weight * z
    order = np.lexsort((candidates, -totals))
    parts = tuple(
        Part(each.name, each.weight, raw[order], _ranks(raw)[order], z[order], each.weight * z[order])
        for each, raw, z in scored
    )
    return Ranking(candidates[order], totals[order], parts)


def _z(raw: Scores) -> Scaled:
    """How many standard deviations above the mean each score is; without spread, 0."""
    wide = raw.astype(np.float64)
    spread = wide.std() if len(wide) else 0.0
    return (wide - wide.mean()) / spread if spread > 1e-9 else np.zeros(len(wide))


def _between(raw: Scores) -> Scaled:
    """Where each score lies between the least, 0, and the greatest, 1; without spread, 1 for a match."""
    wide = raw.astype(np.float64)
    least, greatest = (wide.min(), wide.max()) if len(wide) else (0.0, 0.0)
    spread = greatest - least
    return (wide - least) / spread if spread > 1e-9 else (wide != 0).astype(np.float64)


def _ranks(raw: Scores) -> Dense:
    """From 1 for the best on; equal scores have the same, no match has 0."""
    levels = np.sort(raw)[::-1]
    ranks = np.searchsorted(-levels, -raw, side="left") + 1
    return np.where(raw == 0, 0, ranks).astype(np.int64)
