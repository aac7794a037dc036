"""In sight: whether every item of a match may be seen, asked when all of it is matched.

Items that were retired or are no longer valid are met only where a lasting relation leads to them, and then the match
may go on from them: provenance would end there otherwise. From which end a pattern was looked at must not matter, so
relations are passed either way, and what may not be met is left out here.
"""

from collections.abc import Iterator

import numpy as np

from engine.columns import Mask, Numbers
from engine.execute.batch import Batch, chains_of
from engine.execute.expand import roots_of
from engine.execute.running import Running
from memql.catalog import LASTING
from memql.plan import InSight


def in_sight(running: Running, operator: InSight, batches: Iterator[Batch]) -> Iterator[Batch]:
    if running.at(operator.time).scope.history:
        # Every version is met there, also those that ended.
        yield from batches
        return
    for batch in batches:
        kept = batch.kept(_seen(running, operator, batch))
        if kept.size:
            yield kept


def _seen(running: Running, operator: InSight, batch: Batch) -> Mask:
    """The rows in which no item is met that ended and that nothing leads to."""
    reader = running.at(operator.time)
    scope, adjacency = reader.scope, reader.adjacency
    chains = [chains_of(batch.columns[hop]) for hop in operator.hops]
    passed = np.array([number for chain in chains for numbers in chain for number in numbers], np.int64)
    lengths = np.array([len(numbers) for chain in chains for numbers in chain], np.int64)
    rows = np.repeat(np.tile(np.arange(batch.size), len(chains)), lengths)
    nodes = [roots_of(running, batch.columns[node]) for node in operator.nodes]
    every = np.arange(batch.size)
    met = _places(scope.count, [(rows, adjacency.column("source")[passed]), *((every, each) for each in nodes)])
    ended = met[(met % scope.count > 0) & (scope.shown(met % scope.count) == 0)]
    if not len(ended):
        return np.ones(batch.size, np.bool_)
    codes = [scope.columns.codes[kind] for kind in LASTING if kind in scope.columns.codes]
    lasting = np.flatnonzero(np.isin(adjacency.column("kind")[passed], codes))
    rows, passed = rows[lasting], passed[lasting]
    sources, targets = adjacency.column("source")[passed], adjacency.column("target")[passed]
    from_, to = rows * scope.count + sources, rows * scope.count + targets
    led = _places(scope.count, [(every, roots_of(running, batch.columns[node])) for node in operator.known])
    goes_on = scope.shown(sources) > 0
    while (more := to[goes_on | np.isin(from_, led)]).size and not np.isin(more, led).all():
        led = np.union1d(led, more)
    mask = np.ones(batch.size, np.bool_)
    mask[ended[~np.isin(ended, led)] // scope.count] = False
    return mask


def _places(count: int, pairs: list[tuple[Numbers, Numbers]]) -> Numbers:
    """Each row and identity as one number."""
    return np.concatenate([np.empty(0, np.int64), *(rows * count + roots for rows, roots in pairs)])
