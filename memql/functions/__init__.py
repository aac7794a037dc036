"""Every function and operator of the language in one table: signature, description, reference meaning.

Names of functions are found whatever their capitals. Documents, completion and tests read this table too.
"""

from collections.abc import Mapping
from types import MappingProxyType

from memql.functions import aggregates, graphs, histories, lists, numbers, texts, times
from memql.functions.function import Aggregate, Function, Unanswerable

__all__ = [
    "AGGREGATES",
    "FUNCTIONS",
    "OPERATORS",
    "SCORES",
    "Aggregate",
    "Function",
    "Unanswerable",
    "aggregate",
    "spelling",
]

_TABLES = (numbers.FUNCTIONS, texts.FUNCTIONS, lists.FUNCTIONS, times.FUNCTIONS, graphs.FUNCTIONS, histories.FUNCTIONS)

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {function.name.lower(): function for table in _TABLES for function in table}
)
OPERATORS: Mapping[str, Function] = MappingProxyType(
    {each.name: each for table in (numbers.OPERATORS, texts.OPERATORS, lists.OPERATORS) for each in table}
)
AGGREGATES: Mapping[str, Aggregate] = MappingProxyType({each.name.lower(): each for each in aggregates.AGGREGATES})

_OF_ISO = {
    "percentile_cont": "percentilecont", "percentile_disc": "percentiledisc", "stddev_samp": "stdev",
    "stddev_pop": "stdevp",
}  # fmt: skip
"""Aggregates that ISO GQL spells otherwise than openCypher."""


def aggregate(name: str) -> Aggregate | None:
    """The aggregate of that name, as openCypher or ISO GQL spells it, in any capitals."""
    low = name.lower()
    return AGGREGATES.get(_OF_ISO.get(low, low))


SCORES: Mapping[str, str] = MappingProxyType(
    {
        "score": "total",
        "score.vector": "meaning",
        "score.meaning": "meaning",
        "score.text": "words",
        "score.words": "words",
        "score.graph": "graph",
        "rank": "rank",
    }
)
"""Functions of a variable that SEARCH bound, and the part of its score that each gives."""


def spelling(name: str) -> str | None:
    """A function's name as the table has it, for one written in any capitals."""
    low = name.lower()
    known = FUNCTIONS.get(low) or aggregate(low)
    return known.name if known else (low if low in SCORES else None)
