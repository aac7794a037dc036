"""The same question asked of the engine and of the oracle, and both answers in a form that can be compared."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from engine.commands import Principal
from engine.decide.view import ItemState, RelationState
from engine.execute import PathState, Rows, execute
from engine.execute.parameters import given
from engine.reader import Reader
from memql.catalog import Catalog
from memql.compiled import Compiled, compile_query
from memql.errors import Refusal
from memql.evaluate import Failed
from memql.order import group_key
from memql.rules import RULES, Rule
from memql.statistics import UNKNOWN, Statistics
from memql.values import instant
from memql.world import Node, Path, Relation
from tests.memql.oracle import History, Oracle, View
from tests.memql.questions import Question
from tests.memql.worlds import KINDS, RELATIONS

REFUSED = "refused"


def told(value: Any) -> object:
    """A value as answers are compared: an item by its version, 1 and 1.0 the same, not a number like itself."""
    match value:
        case Node() | Relation():
            return told(value.state)
        case ItemState():
            return ("item", value.dense)
        case RelationState():
            return ("relation", value.row)
        case Path() | PathState():
            return ("path", tuple(map(told, value.nodes)), tuple(map(told, value.relations)))
        case list():
            return ("list", *map(told, value))
        case dict():
            return ("map", *((key, told(value[key])) for key in sorted(value)))
    return group_key(value)


def answer(question: Question, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> object:
    """Rows in their order where that was asked for, else each with how often it comes."""
    bags = [name.startswith("bag") for name in columns]
    made = [tuple(_bag(each) if bag else told(each) for bag, each in zip(bags, row, strict=True)) for row in rows]
    return made if question.total else Counter(made)


def _bag(members: Sequence[Any]) -> tuple[str, ...]:
    return tuple(sorted(repr(told(each)) for each in members))


def compiled(
    text: str, catalog: Catalog, rules: Sequence[Rule] = RULES, statistics: Statistics = UNKNOWN
) -> Compiled | Refusal:
    """What a closed catalog refuses for a name is compiled in an open one."""
    found = compile_query(text, catalog, rules, statistics)
    if isinstance(found, Refusal) and {problem.code for problem in found.problems} == {"Q102"}:
        return compile_query(text, catalog.opened(True), rules, statistics)
    return found


def thought(chance: random.Random) -> Statistics:
    """How much there might be: whether it is so or not, the rows must not change."""
    return Statistics(
        tuple((kind, 1 << chance.randrange(18)) for kind in KINDS),
        tuple((name, kind, "out", 1 << chance.randrange(18)) for name in RELATIONS for kind in KINDS),
    )


def moments(reader: Reader) -> list[datetime]:
    """When what the reader knows was recorded."""
    history = History.of(reader)
    every: list[ItemState | RelationState] = [*history.items, *history.relations]
    return [instant(each.recorded_at) for each in every if each.born <= reader.position]


def from_oracle(reader: Reader, by: Principal, query: Compiled, question: Question) -> object:
    at = reader.scope.valid_at
    assert at is not None
    parameters = given(query.parameters, question.parameters)
    if isinstance(parameters, Refusal):
        return REFUSED
    oracle = Oracle(View(History.of(reader), by, reader.position, at), at, parameters)
    try:
        return answer(question, [column.name for column in query.columns], oracle.answer(query.query))
    except Failed:
        return REFUSED


def from_engine(reader: Reader, query: Compiled, question: Question) -> object:
    found = execute(reader, query, question.parameters)
    if isinstance(found, Rows):
        return answer(question, [column.name for column in query.columns], found.rows)
    return REFUSED
