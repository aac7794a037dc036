"""Exact search over unit vectors in memory: which rows are nearest, and how near. Numpy, and nothing else.

Rows are numbered by dense ids, ascending. A mask says for each dense id whether it may be answered.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Dense: TypeAlias = NDArray[np.int64]
Offsets: TypeAlias = NDArray[np.intp]
Rows: TypeAlias = NDArray[np.float32]
"""Unit vectors, one a row."""
Query: TypeAlias = NDArray[np.float64]
"""A unit vector, of twice the precision."""
Mask: TypeAlias = NDArray[np.bool_]
Scores: TypeAlias = NDArray[np.float32]
Hits: TypeAlias = tuple[Dense, Scores]
"""Dense ids and their cosines with the query, the highest first and equal ones by dense id."""

NO_HITS: Hits = (np.empty(0, np.int64), np.empty(0, np.float32))

_GATHER = 256
"""Rows gathered at once for a product, so that they stay in the processor's cache: five times as fast as all."""
_NOISE = 1e-5
"""More than a float32 product of two unit vectors can be wrong by."""
_DECIMALS = 4
"""To so many decimals two cosines are told apart where the answer is to be recorded: the last bits of a vector can
depend on the texts that were embedded with it."""
_BLOCK = 4_096
"""Rows of one product with many queries."""


def unit(vectors: NDArray[np.float64]) -> Rows | None:
    """The vectors with length one; None where one of them has no direction."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    if not np.all((lengths > 0) & np.isfinite(lengths)):
        return None
    rows: Rows = (vectors / lengths[:, None]).astype(np.float32)
    return rows


def exact(rows: Rows, at: Offsets, query: Query) -> Scores:
    """The cosines of the rows at those offsets, summed in float64 and row by row: equal rows score equally wherever
    they lie, which a matrix product does not promise."""
    scores = np.empty(len(at), np.float32)
    for step in range(0, len(at), _GATHER):
        some = at[step : step + _GATHER]
        scores[step : step + _GATHER] = np.einsum("ij,j->i", rows[some].astype(np.float64), query)
    return scores


def kept(dense: Dense, keep: Mask | None) -> Offsets:
    """The offsets that the mask keeps. A row born after the mask was made is not in it."""
    if keep is None:
        return np.arange(len(dense))
    return np.flatnonzero(keep[dense[: np.searchsorted(dense, len(keep))]])


def ranked(dense: Dense, scores: Scores, limit: int) -> Hits:
    order = np.lexsort((dense, -scores))[:limit]
    return dense[order], scores[order]


def merged(one: Hits, other: Hits, limit: int) -> Hits:
    return ranked(np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]]), limit)


def nearest(dense: Dense, rows: Rows, query: Query, keep: Mask | None, limit: int) -> Hits:
    """The `limit` kept rows with the highest cosines: a fast float32 product chooses, `exact` scores and ranks."""
    asked = query.astype(np.float32)
    at = kept(dense, keep)
    if len(at) == len(dense):
        rough = rows @ asked
    elif 4 * len(at) > len(dense):
        rough = (rows @ asked)[at]
    else:
        rough = np.empty(len(at), np.float32)
        for step in range(0, len(at), _GATHER):
            rough[step : step + _GATHER] = rows[at[step : step + _GATHER]] @ asked
    if len(at) > limit:
        at = at[rough >= np.partition(rough, -limit)[-limit] - _NOISE]
    return ranked(dense[at], exact(rows, at, query), limit)


def alike(dense: Dense, rows: Rows, queries: Rows, keep: Mask | None, least: float, limit: int) -> list[Hits]:
    """Of each query the kept rows whose cosine with it is more than `least`, `limit` of them at most. Of equal ones the
    newest first: what is said again and again makes a chain then, not a hub."""
    at = kept(dense, keep)
    found: list[list[tuple[Offsets, Scores]]] = [[] for _ in queries]
    for step in range(0, len(at), _BLOCK):
        some = at[step : step + _BLOCK]
        rough = rows[some] @ queries.T
        over = rough > least - _NOISE
        for number in np.flatnonzero(over.any(axis=0)).tolist():
            found[number].append((some[over[:, number]], rough[over[:, number], number]))
    hits = []
    for query, parts in zip(queries, found, strict=True):
        if not parts:
            hits.append(NO_HITS)
            continue
        near, rough = (np.concatenate(part) for part in zip(*parts, strict=True))
        if len(near) > limit:
            near = near[rough >= np.partition(rough, -limit)[-limit] - 10.0**-_DECIMALS - _NOISE]
        hits.append(newest_ranked(dense[near], exact(rows, near, query.astype(np.float64)), least, limit))
    return hits


def newest_ranked(dense: Dense, scores: Scores, least: float, limit: int) -> Hits:
    """The highest scores of more than `least`, to four decimals; of equal ones the newest first."""
    coarse = np.round(scores.astype(np.float64), _DECIMALS)
    order = np.lexsort((-dense, -coarse))
    order = order[coarse[order] > least][:limit]
    return dense[order], coarse[order].astype(np.float32)
