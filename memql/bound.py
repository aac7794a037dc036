"""What was meant: the query with every name resolved and every expression typed. It needs no catalog any more.

A variable is a number; its name is only for reading. Equality leaves places in the text out, so that the same
expression written twice is the same.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, Union

from memql import ast
from memql.ast import NOWHERE, Direction
from memql.errors import Problem, Span
from memql.types import Type
from memql.values import Value

if TYPE_CHECKING:
    from memql.verbs import Curate


@dataclass(frozen=True, slots=True)
class Variable:
    number: int
    name: str = field(compare=False)
    type: Type = field(compare=False)

    def __str__(self) -> str:
        return self.name


# Expressions


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    type: Type
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Constant(Typed):
    value: Value


@dataclass(frozen=True, slots=True)
class Parameter(Typed):
    name: str


@dataclass(frozen=True, slots=True)
class Local(Typed):
    variable: Variable


@dataclass(frozen=True, slots=True)
class Property(Typed):
    """Of a node, a relation, a map, a date or a time."""

    of: "Expression"
    name: str


@dataclass(frozen=True, slots=True)
class Figure(Typed):
    """A derived figure of a node: state, as it is now."""

    of: "Expression"
    name: str


@dataclass(frozen=True, slots=True)
class Labelled(Typed):
    """Whether a node has these labels or is of these kinds; of a relation, whether it is of these kinds."""

    of: "Expression"
    labels: ast.Labels


@dataclass(frozen=True, slots=True)
class Call(Typed):
    """A function or an operator of the table, by its name there."""

    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Compared(Typed):
    """`=`, `<>`, `<`, `<=`, `>` or `>=`."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Joined(Typed):
    """`AND`, `OR`, `XOR` or, of one operand, `NOT`."""

    operator: Literal["AND", "OR", "XOR", "NOT"]
    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Aggregated(Typed):
    """An aggregate of the group. No operand: `count(*)`. `second` is the other argument of a percentile."""

    function: str
    operand: "Expression | None"
    distinct: bool
    second: "Expression | None" = None


@dataclass(frozen=True, slots=True)
class Case(Typed):
    branches: tuple[tuple["Expression", "Expression"], ...]
    otherwise: "Expression | None"


@dataclass(frozen=True, slots=True)
class ListOf(Typed):
    members: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class MapOf(Typed):
    entries: tuple[tuple[str, "Expression"], ...]


@dataclass(frozen=True, slots=True)
class Projected(Typed):
    """`m {.*, score: s}`: with `whole` all properties of `of`, and then these entries; null where `of` is."""

    of: "Expression"
    whole: bool
    entries: tuple[tuple[str, "Expression"], ...]


@dataclass(frozen=True, slots=True)
class Index(Typed):
    of: "Expression"
    at: "Expression"


@dataclass(frozen=True, slots=True)
class Slice(Typed):
    of: "Expression"
    first: "Expression | None"
    last: "Expression | None"


@dataclass(frozen=True, slots=True)
class Comprehension(Typed):
    variable: Variable
    source: "Expression"
    where: "Expression | None"
    each: "Expression | None"


@dataclass(frozen=True, slots=True)
class Quantified(Typed):
    quantifier: str
    variable: Variable
    source: "Expression"
    where: "Expression"


@dataclass(frozen=True, slots=True)
class Reduce(Typed):
    total: Variable
    start: "Expression"
    variable: Variable
    source: "Expression"
    step: "Expression"


@dataclass(frozen=True, slots=True)
class Subpattern(Typed):
    """Whether the pattern is there, or how often: what `answer` will hold."""

    asks: Literal["exists", "count"]
    pattern: "Pattern"
    answer: Variable


@dataclass(frozen=True, slots=True)
class Subquery(Typed):
    """Whether a query gives rows for this one, how many, or the list of its one column. `takes` are the variables of
    the row that it uses, each with what it is there. `answer` is the variable that will hold what it says."""

    asks: Literal["exists", "count", "collect"]
    parts: tuple["Part", ...]
    alls: tuple[bool, ...]
    takes: tuple[tuple[Variable, "Expression"], ...]
    answer: Variable


@dataclass(frozen=True, slots=True)
class KnownTogether(Typed):
    """Whether there was a moment at which all of these versions were known, nodes, relations and chains of them, and
    each is true when `time` asks for it. `reached` says of nodes by which relation they may be reached, of a chain by
    the one at that place: what a lasting one leads to is left out, since it is reached whatever its times."""

    versions: tuple["Expression", ...]
    reached: tuple[tuple["Expression", "Expression", int], ...]
    time: "Time | None"


Expression: TypeAlias = (
    Constant | Parameter | Local | Property | Figure | Labelled | Call | Compared | Joined | Aggregated | Case | ListOf
    | MapOf | Projected | Index | Slice | Comprehension | Quantified | Reduce | Subpattern | Subquery
    | KnownTogether
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Time:
    """As of when something is read, and what must have been true when: of a query, or of a clause that says its own.
    Each is the same for every row. `during` is a list or map of both ends where there is no `until`, which is
    exclusive. `history`: every version that was known then."""

    as_of: Expression | None = None
    valid_at: Expression | None = None
    during: Expression | None = None
    until: Expression | None = None
    history: bool = False


# Patterns


@dataclass(frozen=True, slots=True)
class Hop:
    """One relation of a pattern, from `near` to `far` as written. `kinds` None: of any kind. With `hops` it stands for
    a chain of them, `variable` is a list, and `each` is what holds for every one of them, as `one`."""

    variable: Variable
    near: Variable
    far: Variable
    direction: Direction
    kinds: tuple[str, ...] | None
    hops: ast.Hops | None = None
    one: Variable | None = None
    each: Expression | None = None
    acyclic: bool = False
    """Whether a chain meets no node twice."""


@dataclass(frozen=True, slots=True)
class Group:
    """A pattern again and again between `near` and `far`: each time it goes from `first` to `last`, and begins where it
    ended before. `variable` is the list of all relations that are passed. `lists`: each variable of the pattern that
    has a name, with the one that holds its values, a list, outside."""

    variable: Variable
    near: Variable
    far: Variable
    pattern: "Pattern"
    first: Variable
    last: Variable
    lists: tuple[tuple[Variable, Variable], ...]
    hops: ast.Hops
    acyclic: bool = False


Stretch: TypeAlias = Hop | Group


@dataclass(frozen=True, slots=True)
class PathOf:
    """A path variable, and what it is made of."""

    variable: Variable
    nodes: tuple[Variable, ...]
    hops: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which paths of a pattern are taken, of each two nodes that they join: it has this one then. `conditions` are what
    is asked of the path itself; those of the pattern are asked of what was taken."""

    selector: ast.Selector
    path: PathOf
    conditions: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """`nodes` in the order written; those in `known` were bound before. All conditions must be true together: labels,
    property maps and WHERE are all conditions here. `time` None: that of the query."""

    nodes: tuple[Variable, ...]
    hops: tuple[Stretch, ...]
    paths: tuple[PathOf, ...]
    conditions: tuple[Expression, ...]
    known: frozenset[Variable]
    acyclic: tuple[PathOf, ...] = ()
    """Those of its paths that meet no node twice."""
    selection: "Selection | None" = None
    time: Time | None = None


# Clauses


@dataclass(frozen=True, slots=True)
class Match:
    pattern: Pattern
    optional: bool


@dataclass(frozen=True, slots=True)
class Unwind:
    source: Expression
    variable: Variable


@dataclass(frozen=True, slots=True)
class Way:
    """`on`: the properties whose words are meant; None: the text of each kind. `within`: how many hops away is near."""

    how: Literal["meaning", "words", "graph"]
    to: Expression
    weight: Expression | None
    on: tuple[str, ...] | None = None
    within: Expression | None = None


@dataclass(frozen=True, slots=True)
class Fusion:
    """How ways become one score. `option` is `k` of rrf, and `normalize` of linear."""

    how: Literal["zsum", "rrf", "linear"] = "zsum"
    option: Expression | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """`bound`: the variable was bound before, and only its rows are ranked. `score`: what each signal said."""

    variable: Variable
    bound: bool
    ways: tuple[Way, ...]
    fusion: Fusion
    conditions: tuple[Expression, ...]
    limit: Expression | None
    score: Variable
    total: Variable | None
    time: Time | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    expression: Expression
    descending: bool


@dataclass(frozen=True, slots=True)
class Project:
    """WITH and RETURN. Without aggregates `items` are computed of each row; with them, `keys` and `aggregates` of each
    group first, and `items` of those."""

    items: tuple[tuple[Variable, Expression], ...]
    grouped: bool
    keys: tuple[tuple[Variable, Expression], ...]
    aggregates: tuple[tuple[Variable, Aggregated], ...]
    distinct: bool
    order: tuple[Sort, ...]
    skip: Expression | None
    limit: Expression | None
    where: Expression | None


@dataclass(frozen=True, slots=True)
class Apply:
    """A query for each row, which `takes` these variables of it, and what it gives of each row."""

    parts: tuple["Part", ...]
    alls: tuple[bool, ...]
    takes: tuple[Variable, ...]
    columns: tuple[Variable, ...]


Clause: TypeAlias = Union[Match, Unwind, Search, Project, Apply, "Curate"]


@dataclass(frozen=True, slots=True)
class Part:
    clauses: tuple[Clause, ...]
    columns: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A parameter that is asked for. One that is `optional`, written `$name::type?`, may be left out."""

    name: str
    type: Type
    optional: bool


@dataclass(frozen=True, slots=True)
class Query:
    """`time` is that of the whole query, `times` are all that its clauses ask for, its own included. `parameters` are
    those that are asked for."""

    parts: tuple[Part, ...]
    alls: tuple[bool, ...]
    time: Time | None
    parameters: tuple[Asked, ...]
    warnings: tuple[Problem, ...]
    times: tuple[Time, ...] = ()
    writes: bool = False


def local(variable: Variable, span: Span = NOWHERE) -> Local:
    return Local(variable, type=variable.type, span=span)
