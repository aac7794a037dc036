"""Which variables each operator of a plan needs of those beneath it."""

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

from memql.bound import Variable
from memql.errors import Span
from memql.plan import Aggregate, Operator, Project, Union, inputs, names, walked
from memql.types import Type


def uses(operator: Operator) -> frozenset[Variable]:
    """Every variable that the operator itself names, in whatever it holds but the operators beneath."""
    found: set[Variable] = set()
    for name in names(operator):
        _gather(getattr(operator, name), found)
    return frozenset(found)


def _gather(value: Any, found: set[Variable]) -> None:
    if isinstance(value, Variable):
        found.add(value)
    elif isinstance(value, tuple):
        for member in value:
            _gather(member, found)
    elif is_dataclass(value) and not isinstance(value, Operator | Type | Span):
        for name in names(value):
            _gather(getattr(value, name), found)


def needed(operator: Operator, above: frozenset[Variable]) -> Iterator[tuple[int, frozenset[Variable]]]:
    """Of each operator, by its identity, the variables that its sources must have: those that it uses itself, and
    those `above` that are asked of its rows. What nobody asks for need not be carried along."""
    wanted = uses(operator)
    if not isinstance(operator, Aggregate | Union) and not (isinstance(operator, Project) and not operator.keeps):
        wanted |= above
    for place, below in inputs(operator):
        if place not in ("source", "parts"):
            # A plan within a plan takes from the rows of this one whatever it names.
            wanted = wanted.union(*map(uses, walked(below)))
    yield id(operator), wanted
    for _, below in inputs(operator):
        yield from needed(below, wanted)
