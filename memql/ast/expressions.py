"""Expressions and patterns as they were written, each with its place in the text."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from typing import Literal as OneOf

from memql.errors import Span

if TYPE_CHECKING:
    from memql.ast.clauses import Query

NOWHERE = Span(1, 1, 1, 0)
"""The place of what nobody wrote."""

Direction: TypeAlias = OneOf["out", "in", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Anything that has a place in the text."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)


# Expressions


@dataclass(frozen=True, slots=True)
class Literal(Written):
    value: bool | int | float | str | None


TimeName: TypeAlias = OneOf["date", "time", "localtime", "datetime", "localdatetime", "duration"]


@dataclass(frozen=True, slots=True)
class TimeLiteral(Written):
    """`date'2026-03-14'`, `duration'P7D'`: checked when it is bound."""

    type: TimeName
    text: str


@dataclass(frozen=True, slots=True)
class Parameter(Written):
    """`$name::type?`: `type` is empty where none was written."""

    name: str
    type: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Name(Written):
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Property(Written):
    of: "Expression"
    name: str


@dataclass(frozen=True, slots=True)
class Index(Written):
    of: "Expression"
    at: "Expression"


@dataclass(frozen=True, slots=True)
class Slice(Written):
    of: "Expression"
    first: "Expression | None"
    last: "Expression | None"


@dataclass(frozen=True, slots=True)
class Labelled(Written):
    """`n:Memory|Insight`."""

    of: "Expression"
    labels: "Labels"


@dataclass(frozen=True, slots=True)
class Call(Written):
    """A function by its whole name, such as `score.text`."""

    name: str
    arguments: tuple["Expression", ...]
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class CountAll(Written):
    """`count(*)`."""


@dataclass(frozen=True, slots=True)
class Unary(Written):
    """`NOT`, `-`, `+`, `IS NULL` or `IS NOT NULL`."""

    operator: str
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary(Written):
    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Joined(Written):
    """Two or more operands of `AND`, `OR` or `XOR`."""

    operator: OneOf["AND", "OR", "XOR"]
    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Compared(Written):
    """`a < b <= c`: each operand is compared with the next."""

    operators: tuple[str, ...]
    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Branch(Written):
    when: tuple["Expression", ...]
    then: "Expression"


@dataclass(frozen=True, slots=True)
class Case(Written):
    subject: "Expression | None"
    branches: tuple[Branch, ...]
    otherwise: "Expression | None"


@dataclass(frozen=True, slots=True)
class ListOf(Written):
    members: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class MapOf(Written):
    """`keys`: where the name of each entry stands."""

    entries: tuple[tuple[str, "Expression"], ...]
    keys: tuple[Span, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class MapProjection(Written):
    """`m {.id, .*, score: s}`: an entry without expression takes the property, `*` takes all of them."""

    of: Name
    entries: tuple[tuple[str, "Expression | None"], ...]
    keys: tuple[Span, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Comprehension(Written):
    """`[x IN list WHERE condition | each]`."""

    variable: Name
    source: "Expression"
    where: "Expression | None" = None
    each: "Expression | None" = None


@dataclass(frozen=True, slots=True)
class Quantified(Written):
    """`all`, `any`, `none` or `single` of the members of a list."""

    quantifier: str
    variable: Name
    source: "Expression"
    where: "Expression"


@dataclass(frozen=True, slots=True)
class Reduce(Written):
    """`reduce(sum = 0, x IN list | sum + x)`."""

    total: Name
    start: "Expression"
    variable: Name
    source: "Expression"
    step: "Expression"


@dataclass(frozen=True, slots=True)
class Subpattern(Written):
    """`EXISTS { … }`, `COUNT { … }`; `bare` where it is a pattern alone, as in `WHERE (a)-->(b)`."""

    asks: OneOf["exists", "count"]
    paths: tuple["PathPattern", ...]
    where: "Expression | None" = None
    bare: bool = False
    times: "Times | None" = None


@dataclass(frozen=True, slots=True)
class PatternList(Written):
    """`[(a)-->(b) WHERE condition | each]`."""

    path: "PathPattern"
    where: "Expression | None"
    each: "Expression"


@dataclass(frozen=True, slots=True)
class Subquery(Written):
    """`EXISTS { … }`, `COUNT { … }` or `COLLECT { … }` of a whole query."""

    asks: OneOf["exists", "count", "collect"]
    query: "Query"


@dataclass(frozen=True, slots=True)
class PathValue(Written):
    """`shortestPath((a)-[*]-(b))` where a value is wanted: a path or null; of `allShortestPaths` a list of them."""

    path: "PathPattern"


Expression: TypeAlias = (
    Literal | TimeLiteral | Parameter | Name | Property | Index | Slice | Labelled | Call | CountAll | Unary | Binary
    | Joined | Compared | Case | ListOf | MapOf | MapProjection | Comprehension | Quantified | Reduce | Subpattern
    | PatternList | Subquery | PathValue
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Times(Written):
    """`AS OF t`, `VALID AT t`, `VALID DURING a TO b` and `WITH HISTORY`: of a query, or of one clause alone. Without
    `until`, `during` says both its ends."""

    as_of: "Expression | None" = None
    valid_at: "Expression | None" = None
    during: "Expression | None" = None
    until: "Expression | None" = None
    history: bool = False


# Patterns


@dataclass(frozen=True, slots=True)
class Label(Written):
    name: str


@dataclass(frozen=True, slots=True)
class AnyLabel(Written):
    """`%`."""


@dataclass(frozen=True, slots=True)
class NoLabel(Written):
    """`!Label`."""

    of: "Labels"


@dataclass(frozen=True, slots=True)
class JoinedLabels(Written):
    operator: OneOf["&", "|"]
    operands: tuple["Labels", ...]


Labels: TypeAlias = Label | AnyLabel | NoLabel | JoinedLabels


@dataclass(frozen=True, slots=True)
class Hops(Written):
    """From `least` to `most` relations in a row; no `most`: as far as they lead. `star`: written as `*1..3`. With
    `shortest` only one of the shortest chains between two nodes, or all of them."""

    least: int
    most: int | None
    star: bool = True
    shortest: OneOf["", "one", "all"] = ""


@dataclass(frozen=True, slots=True)
class NodePattern(Written):
    variable: Name | None = None
    labels: Labels | None = None
    properties: MapOf | Parameter | None = None
    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class RelationPattern(Written):
    direction: Direction
    variable: Name | None = None
    kinds: Labels | None = None
    hops: Hops | None = None
    properties: MapOf | Parameter | None = None
    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class GroupPattern(Written):
    """`((a)-[r]->(b) WHERE condition){1,3}`: a path again and again, each time from where the last one ended."""

    path: "PathPattern"
    hops: Hops
    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class Selector(Written):
    """Which of the paths that fit are taken, of each two nodes that they join: `any` so many, the `shortest` so many,
    those of the shortest `lengths`, or all of them. `acyclic`: none that meets a node twice."""

    how: OneOf["all", "any", "shortest", "lengths"] = "all"
    count: int = 1
    acyclic: bool = False


@dataclass(frozen=True, slots=True)
class PathPattern(Written):
    """Nodes, and between each two of them a relation or a group. A node that nobody wrote beside a group is a node of
    which nothing is asked."""

    nodes: tuple[NodePattern, ...]
    relations: tuple[RelationPattern | GroupPattern, ...] = ()
    variable: Name | None = None
    selector: Selector | None = None
