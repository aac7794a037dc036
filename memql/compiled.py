"""Text → plan: all stations that need no store, one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from memql import ast, bound, plan
from memql.bind import bind
from memql.bound import Variable
from memql.catalog import Catalog
from memql.errors import Problem, Refusal
from memql.lower import lower
from memql.parse import parse
from memql.rules import RULES, improved
from memql.types import Type

Store: TypeAlias = Literal["graph", "vectors", "texts"]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A query that can be run any number of times, in a tenant with that catalog."""

    text: str
    statement: ast.Statement
    query: bound.Query
    plan: plan.Operator
    columns: tuple[Variable, ...]

    @property
    def parameters(self) -> tuple[tuple[str, Type], ...]:
        return self.query.parameters

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return self.query.warnings

    @property
    def as_of(self) -> bound.Expression | None:
        return self.query.as_of

    @property
    def valid_at(self) -> bound.Expression | None:
        return self.query.valid_at

    @property
    def needs(self) -> tuple[Store, ...]:
        """The stores whose position bounds the answer's: those that are searched. The graph is only asked which items
        may qualify, and may be ahead or behind."""
        ways = {way.how for each in plan.walked(self.plan) if isinstance(each, plan.Search) for way in each.ways}
        stores: dict[str, Store] = {"meaning": "vectors", "words": "texts"}
        return tuple(stores[how] for how in sorted(ways))


def compile_query(
    text: str, catalog: Catalog, rules: Sequence[Callable[[plan.Operator], plan.Operator]] = RULES
) -> Compiled | Refusal:
    """The query as it will be run in a tenant with that catalog; or everything that is wrong with it."""
    statement = parse(text)
    if isinstance(statement, Refusal):
        return statement
    query = bind(statement, catalog, text)
    if isinstance(query, Refusal):
        return query
    return Compiled(text, statement, query, improved(lower(query), rules), query.parts[0].columns)
