"""When what is true changes by itself: the next time at which something begins or ceases to be true."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from engine.columns import Mask
from engine.reader import Reader
from memql.changes import Footprint
from memql.values import FOREVER


def next_turn(reader: Reader, reads: Footprint, at: int) -> int:
    """The next time at which something that the query could read begins or ceases to be true."""
    if not reads.dated:
        return FOREVER
    columns, adjacency, position = reader.scope.columns, reader.adjacency, reader.position
    everything = [None] if reads.searches or reads.anything else []
    past = reads.past or reads.anything
    kinds = [*everything, *(site.kinds for site in reads.sites)]
    # What is read of the past may have ended since, and still be true or not.
    items = reader.scope.visible if past else reader.scope.alive
    items = items & _of(columns.column("kind")[: reader.scope.count], kinds, columns.codes)
    passed = [*everything, *(step.kinds for step in reads.steps)]
    count = adjacency.count
    rows = adjacency.column("born")[:count] <= position
    if not past:
        rows &= adjacency.column("died")[:count] > position
    rows &= _of(adjacency.column("kind")[:count], passed, columns.codes)
    turns = [_after(columns.column(name)[: reader.scope.count][items], at) for name in ("valid_from", "valid_to")]
    turns += [_after(adjacency.column(name)[:count][rows], at) for name in ("valid_from", "valid_to")]
    return min(turns)


def _of(numbers: Any, kinds: Iterable[frozenset[str] | None], codes: Mapping[str, int]) -> Mask:
    named: set[str] = set()
    for each in kinds:
        if each is None:
            return np.ones(len(numbers), np.bool_)
        named |= each
    return np.isin(numbers, [codes[name] for name in named if name in codes])


def _after(times: Any, at: int) -> int:
    later = times[times > at]
    return int(later.min()) if len(later) else FOREVER
