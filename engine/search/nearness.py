"""Nearness in the graph: how well the best chain of relations joins an item to one of some others.

A relation joins its two ends by its weight, between 0 and 1, whichever way it points; each hop counts half of the one
before. A chain joins by the product, and only the best one counts: that many poor chains lead somewhere says more of
how well known a place is than of how near. So what stands one hop of weight 1 away has 0.5, two such hops 0.25, the
item itself 1.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.columns import Numbers
from memql.errors import Problem, Reason, Refusal

if TYPE_CHECKING:
    from engine.reader import Reader

DECAY = 0.5
"""What each hop leaves: of two ways to the same item the shorter one wins, unless its relations are half as strong."""
WITHIN = 3
"""Hops that count unless others are asked for: what lies farther is near to nearly everything."""


def nearness(reader: "Reader", roots: Numbers, within: int) -> NDArray[np.float32] | Refusal:
    """Of every identity, by root, how near it is to the nearest of these; 0 for what so many hops do not reach. Only
    what the reader sees is passed through."""
    best = np.zeros(reader.scope.count, np.float64)
    ahead = np.unique(roots[(roots > 0) & (roots < len(best))])
    best[ahead] = 1.0
    for _ in range(within):
        if not len(ahead):
            break
        steps = reader.expand(ahead, "any")
        if isinstance(steps, Refusal):
            return _too_far(reader.limits.expand_relations)
        reached = best.copy()
        # Only whole chains of so many hops: what this hop improves counts from the next one on.
        np.maximum.at(reached, steps.ends, best[steps.origins] * DECAY * np.clip(steps.weights, 0.0, 1.0))
        ahead = np.flatnonzero(reached > best)
        best = reached
    return best.astype(np.float32)


def _too_far(most: int) -> Refusal:
    message = f"NEAR passes more than {most:,} relations in one hop (`expand_relations`)"
    hint = "ask for fewer hops, WITHIN 2; or raise `limits.expand_relations`"
    return Refusal(Reason.LIMIT, (Problem("Q404", message, "", hint),))
