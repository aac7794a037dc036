"""Entities by their names, as REMEMBER meets them: exactly so called, the owner's own before the organization's."""

from collections.abc import Iterable

import numpy as np

from engine.decide.view import ItemState
from engine.execute.batch import denses
from engine.execute.operators import batches
from engine.execute.running import Running
from engine.execute.seen import Seen
from engine.reader import Reader
from memql import bound, plan
from memql.bound import Variable
from memql.rules import ask_the_graph
from memql.types import BOOLEAN, STRING, Type

FEW = 8
"""Names that are asked for one by one; for more, all entities are looked at."""
_ENTITY = frozenset({"Entity"})


class Entities:
    """The entities that are called one of these names and are seen, the oldest first."""

    def __init__(self, reader: Reader, names: Iterable[str]) -> None:
        wanted = set(names)
        if len(wanted) <= FEW:
            numbers = {number for name in wanted for number in _called(reader, name)}
        else:
            numbers = set(np.flatnonzero(reader.scope.of_kind("Entity")).tolist())
        self._known: dict[str, list[ItemState]] = {}
        for state in sorted(reader.items(numbers), key=lambda each: each.root):
            name = state.properties.get("name")
            if isinstance(name, str) and name in wanted:
                self._known.setdefault(name, []).append(state)

    def called(self, name: str, owner: str, domain: str, *, shared: bool) -> str | None:
        """The id of the owner's own in that domain; where it may be `shared`, else of the organization's."""
        same = self._known.get(name, ())
        own = (each.id for each in same if (each.owner, each.domain) == (owner, domain))
        others = (each.id for each in same if shared and each.domain == "organization")
        return next(own, None) or next(others, None)


def _called(reader: Reader, name: str) -> list[int]:
    variable = Variable(0, "e", Type("node", nullable=False, kinds=_ENTITY))
    here = bound.Property(bound.local(variable), "name", type=STRING)
    equal = bound.Compared("=", here, bound.Constant(name, type=STRING.present()), type=BOOLEAN)
    looked = ask_the_graph(plan.Filter(plan.Scan(plan.Unit(), variable, _ENTITY), (equal,)))
    running = Running(reader, Seen(reader, 0), {})
    return [int(number) for batch in batches(running, looked) for number in denses(batch.columns[variable])]
