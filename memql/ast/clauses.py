"""Clauses as they were written, and what holds them together."""

from dataclasses import dataclass
from typing import Literal as OneOf
from typing import TypeAlias

from memql.ast.curation import Foreign, Verb
from memql.ast.expressions import Expression, Labels, MapOf, Name, PathPattern, Times, Written


@dataclass(frozen=True, slots=True)
class Match(Written):
    paths: tuple[PathPattern, ...]
    where: Expression | None = None
    optional: bool = False
    times: Times | None = None


@dataclass(frozen=True, slots=True)
class Unwind(Written):
    source: Expression
    variable: Name


@dataclass(frozen=True, slots=True)
class Item(Written):
    expression: Expression
    alias: Name | None = None


@dataclass(frozen=True, slots=True)
class Sort(Written):
    expression: Expression
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Projection(Written):
    items: tuple[Item, ...]
    star: bool = False
    distinct: bool = False
    order: tuple[Sort, ...] = ()
    skip: Expression | None = None
    limit: Expression | None = None


@dataclass(frozen=True, slots=True)
class With(Written):
    projection: Projection
    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class Return(Written):
    projection: Projection


@dataclass(frozen=True, slots=True)
class Way(Written):
    """One way in which a search tells what fits: by meaning, by words, or by nearness in the graph. `on`: the
    properties that are looked at; `within`: how many hops away is near."""

    how: OneOf["meaning", "words", "graph"]
    to: Expression
    weight: Expression | None = None
    on: tuple[Name, ...] = ()
    within: Expression | None = None


@dataclass(frozen=True, slots=True)
class Fuse(Written):
    """How several ways become one score."""

    how: Name
    options: MapOf | None = None


@dataclass(frozen=True, slots=True)
class Search(Written):
    variable: Name
    labels: Labels | None
    ways: tuple[Way, ...]
    fuse: Fuse | None = None
    where: Expression | None = None
    limit: Expression | None = None
    score: Name | None = None
    times: Times | None = None


@dataclass(frozen=True, slots=True)
class Apply(Written):
    """`CALL (a) { … }`: a query for each row. Without `given` it takes what its own first WITH names."""

    query: "Query"
    given: tuple[Name, ...] | None = None


Clause: TypeAlias = Match | Unwind | With | Return | Search | Apply | Verb | Foreign


@dataclass(frozen=True, slots=True)
class Part(Written):
    """Clauses that follow each other."""

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Query(Written):
    """Parts joined by UNION; `alls` says of each joint whether it keeps equal rows."""

    parts: tuple[Part, ...]
    alls: tuple[bool, ...] = ()
    times: Times | None = None


@dataclass(frozen=True, slots=True)
class Statement(Written):
    """A query, and whether its plan is asked for, its rows with their cost, or its rows as the data changes."""

    query: Query
    prefix: OneOf["", "explain", "profile", "live"] = ""
    stage: OneOf["", "AST", "BOUND", "PLAN", "LIVE"] = ""

    @property
    def live(self) -> bool:
        """Whether it is to be fit for being asked again whenever something changes."""
        return self.prefix == "live" or self.stage == "LIVE"
