"""Text → plan: all stations that need no store, one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

from memql import ast, bound, plan, walking
from memql.bind import bind
from memql.bound import Variable
from memql.catalog import Catalog
from memql.errors import Problem, Reason, Refusal
from memql.estimating import Estimates, estimates
from memql.lower import lower
from memql.needs import needed
from memql.parse import parse
from memql.rules import RULES, Rule, improved
from memql.statistics import UNKNOWN, Statistics

Store: TypeAlias = Literal["graph", "vectors", "texts"]


_SEARCHED: Mapping[str, Store] = {"meaning": "vectors", "words": "texts"}
"""The stores that ways of a search look into. What is near in the graph is known without one."""
_OF_VECTORS = frozenset({"similarity"})
"""Functions that look at vectors."""


@dataclass(frozen=True)
class Compiled:
    """A query that can be run any number of times, in a tenant with that catalog. What its plan says of itself is
    found out once."""

    text: str
    statement: ast.Statement
    query: bound.Query
    plan: plan.Operator
    columns: tuple[Variable, ...]
    statistics: Statistics = UNKNOWN
    """By what the plan was chosen."""

    @cached_property
    def estimates(self) -> Estimates:
        """What is thought of each operator, by its identity."""
        return estimates(self.plan, self.statistics)

    @property
    def parameters(self) -> tuple[bound.Asked, ...]:
        return self.query.parameters

    @property
    def writes(self) -> bool:
        return self.query.writes

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return self.query.warnings

    @cached_property
    def needed(self) -> Mapping[int, frozenset[Variable]]:
        """Of each operator, by its identity, the variables that its sources must have."""
        found: dict[int, frozenset[Variable]] = {}
        for identity, wanted in needed(self.plan, frozenset(self.columns)):
            found[identity] = found.get(identity, frozenset()) | wanted
        return found

    @cached_property
    def known(self) -> dict[int, object]:
        """Room for what whoever runs it finds out about its expressions, by their identity, whatever the row."""
        return {}

    @cached_property
    def needs(self) -> tuple[Store, ...]:
        """The stores whose position bounds the answer's: those that are searched. The graph is only asked which items
        may qualify, and may be ahead or behind."""
        stores: set[Store] = set()
        for operator in plan.walked(self.plan):
            if isinstance(operator, plan.Search):
                stores |= {_SEARCHED[way.how] for way in operator.ways if way.how in _SEARCHED}
            for expression in plan.expressions(operator):
                if any(
                    isinstance(part, bound.Call) and part.function in _OF_VECTORS for part in walking.walked(expression)
                ):
                    stores.add("vectors")
        return tuple(sorted(stores))


def compile_query(
    text: str, catalog: Catalog, rules: Sequence[Rule] = RULES, statistics: Statistics = UNKNOWN
) -> Compiled | Refusal:
    """The query as it will be run in a tenant with that catalog; or everything that is wrong with it."""
    statement = parse(text)
    if isinstance(statement, Refusal):
        return statement
    try:
        query = bind(statement, catalog, text)
        if isinstance(query, Refusal):
            return query
        return Compiled(
            text, statement, query, improved(lower(query), rules, statistics), query.parts[0].columns, statistics
        )
    except RecursionError:
        return too_deep()


def too_deep() -> Refusal:
    """Each limit alone was kept, and yet Python's stack is at its end."""
    problem = Problem("Q401", "the query is nested too deep", hint="name parts of it with WITH")
    return Refusal(Reason.LIMIT, (problem,))
