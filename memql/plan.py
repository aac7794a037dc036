"""How a query is answered: operators as data. Each takes rows from its `source` and gives rows.

A row is a value for each variable that is bound. `lower` writes the plain plan, `rules` better ones with the same rows,
and the engine runs them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias

from memql import bound
from memql.ast import Direction, Selector
from memql.bound import Aggregated, Expression, Fusion, Group, Hop, PathOf, Pattern, Sort, Typed, Variable, Way
from memql.routes import Route
from memql.verbs import Step

Time: TypeAlias = bound.Time
"""When an operator reads. None: as the whole query does."""


class Operator:
    """One step of a plan."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Unit(Operator):
    """One row in which nothing is bound."""


@dataclass(frozen=True, slots=True)
class Argument(Operator):
    """The rows of the plan around this one."""

    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Scan(Operator):
    """Each row with each item that is seen. `kinds`: of these only. `ids`: only the items whose id is in that list.
    `equals`: only those whose property has that value. `lasting`: also items that are retired or no longer valid,
    because what comes next reaches them through provenance. `time`: when it is read; None is as the whole query."""

    source: Operator
    variable: Variable
    kinds: frozenset[str] | None = None
    ids: Expression | None = None
    equals: tuple[tuple[str, Expression], ...] = ()
    lasting: bool = False
    time: Time | None = None


@dataclass(frozen=True, slots=True)
class Expand(Operator):
    """Each row with each relation from `origin` that fits the hop, and what it leads to.

    `direction` is seen from the origin. `closes`: the end was bound before, and must be what is reached; `again`: so
    was the relation. `unlike`: relations of the same MATCH, which none may be met twice. `kinds`: those of the end.
    `through`: lasting relations are passed whichever of their ends were retired; what may be is told behind it.
    """

    source: Operator
    hop: Hop
    origin: Variable
    end: Variable
    direction: Direction
    closes: bool = False
    again: bool = False
    unlike: tuple[Variable, ...] = ()
    kinds: frozenset[str] | None = None
    time: Time | None = None
    through: bool = False

    @property
    def backwards(self) -> bool:
        """Whether it goes against the order in which the hop was written."""
        return self.origin == self.hop.far and self.end == self.hop.near and self.origin != self.end


@dataclass(frozen=True, slots=True)
class FromGraph(Operator):
    """The rows of `otherwise`, as the graph engine finds them: every way in which these hops, each of one relation, fit
    together. `unlike`: those of them that may not be the same relation. `kinds` of nodes, where it matters. The engine
    is asked where it shows just what the reader reads; else the other plan gives the rows."""

    otherwise: Operator
    hops: tuple[Hop, ...]
    unlike: tuple[tuple[Variable, Variable], ...]
    kinds: tuple[tuple[Variable, frozenset[str]], ...]
    conditions: tuple[Expression, ...]

    @property
    def nodes(self) -> tuple[Variable, ...]:
        return tuple(dict.fromkeys(node for hop in self.hops for node in (hop.near, hop.far)))


@dataclass(frozen=True, slots=True)
class InSight(Operator):
    """The rows whose every item may be in them: it is shown, or was `known` before the MATCH, or lasting relations of
    the MATCH lead to it from one of these. Asked when all is matched: it must not matter where that began."""

    source: Operator
    nodes: tuple[Variable, ...]
    hops: tuple[Variable, ...]
    known: tuple[Variable, ...]
    time: Time | None = None


@dataclass(frozen=True, slots=True)
class Repeat(Operator):
    """Each row with each way from `origin` that passes the group so many times, and what it leads to. `inner` is one
    time through, and goes from `begin` to `finish`; no relation is met twice. Otherwise like `Expand`."""

    source: Operator
    inner: Operator
    hop: Group
    origin: Variable
    end: Variable
    begin: Variable
    finish: Variable
    closes: bool = False
    unlike: tuple[Variable, ...] = ()
    time: Time | None = None

    @property
    def backwards(self) -> bool:
        """Whether it goes against the order in which the group was written."""
        return self.origin == self.hop.far and self.end == self.hop.near and self.origin != self.end


@dataclass(frozen=True, slots=True)
class Acyclic(Operator):
    """The rows whose path meets no node twice."""

    source: Operator
    path: PathOf


@dataclass(frozen=True, slots=True)
class Choose(Operator):
    """Each row with those of its rows in `inner` that the selector takes: of all with the same two `ends` the first so
    many by length, which is that of its hops together."""

    source: Operator
    inner: Operator
    selector: Selector
    path: PathOf
    pattern: Pattern
    """What is tried is all of this pattern, whose only path that is."""
    variables: tuple[Variable, ...]

    @property
    def ends(self) -> tuple[Variable, Variable]:
        return self.path.nodes[0], self.path.nodes[-1]


@dataclass(frozen=True, slots=True)
class Seek(Operator):
    """Each row with the paths that the selector takes from `origin`: sought outward along the route, so that from one
    place no relation is looked at twice. `closes`: the end was bound before."""

    source: Operator
    route: Route
    origin: Variable
    end: Variable
    selector: Selector
    path: PathOf
    pattern: Pattern
    closes: bool
    variables: tuple[Variable, ...]
    time: Time | None = None


@dataclass(frozen=True, slots=True)
class Trace(Operator):
    """Each row with the path that its nodes and relations make."""

    source: Operator
    path: PathOf


@dataclass(frozen=True, slots=True)
class Filter(Operator):
    """The rows for which all conditions are true."""

    source: Operator
    conditions: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Attempt(Operator):
    """OPTIONAL MATCH: each row with each of its rows in `inner`; with nulls where there are none."""

    source: Operator
    inner: Operator
    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Ask(Operator):
    """Each row with whether `inner` has rows for it, how many, or the list of what they have in `column`."""

    source: Operator
    inner: Operator
    asks: Literal["exists", "count", "collect"]
    variable: Variable
    column: Variable | None = None


@dataclass(frozen=True, slots=True)
class Apply(Operator):
    """Each row with each of its rows in `inner`."""

    source: Operator
    inner: Operator
    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Search(Operator):
    """Each row with the items that fit best, best first, `limit` of them. `among`: the plan of the items that qualify,
    before the search; `beside`: of a row with each of those, what else qualifies them for this row. Where `ranks`, the
    rows already have the item: those that ask the same are put in order and cut together."""

    source: Operator
    variable: Variable
    ranks: bool
    ways: tuple[Way, ...]
    fusion: Fusion
    among: Operator | None
    beside: Operator | None
    limit: Expression | None
    score: Variable
    total: Variable | None
    time: Time | None = None


@dataclass(frozen=True, slots=True)
class Unwind(Operator):
    """Each row with each member of the list."""

    source: Operator
    list: Expression
    variable: Variable


@dataclass(frozen=True, slots=True)
class Project(Operator):
    """Each row with these values; with `keeps` beside what it had, else instead of it."""

    source: Operator
    items: tuple[tuple[Variable, Expression], ...]
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Aggregate(Operator):
    """A row a group. Without keys there is one group, even of no rows."""

    source: Operator
    keys: tuple[tuple[Variable, Expression], ...]
    aggregates: tuple[tuple[Variable, Aggregated], ...]


@dataclass(frozen=True, slots=True)
class Distinct(Operator):
    """The rows, each only once, told apart by these."""

    source: Operator
    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Order(Operator):
    """The rows in order; with `first` only so many of them are asked for."""

    source: Operator
    by: tuple[Sort, ...]
    first: tuple[Expression, ...] = ()
    """The sum of these is how many."""


@dataclass(frozen=True, slots=True)
class Page(Operator):
    source: Operator
    skip: Expression | None
    limit: Expression | None


@dataclass(frozen=True, slots=True)
class Union(Operator):
    """The rows of one part after the other; `columns` are those of the first, by whose place the others are taken."""

    parts: tuple[Operator, ...]
    taken: tuple[tuple[Variable, ...], ...]
    columns: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class Curate(Operator):
    """All rows, after these steps were done for each; what a step makes is bound. The one operator that writes."""

    source: Operator
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class TimeScope(Operator):
    """What was known then, and true then: the scope of every operator beneath that has no time of its own."""

    source: Operator
    time: Time


Rule: TypeAlias = Callable[[Operator], Operator]


def inputs(operator: Operator) -> Iterator[tuple[str, Operator]]:
    """The operators right beneath, each with the name of its place."""
    for name in names(operator):
        value = getattr(operator, name)
        if isinstance(value, Operator):
            yield name, value
        elif isinstance(value, tuple):
            yield from ((name, member) for member in value if isinstance(member, Operator))


def names(value: Any) -> tuple[str, ...]:
    """The names of its fields."""
    of = type(value)
    if (found := _NAMES.get(of)) is None:
        found = _NAMES[of] = tuple(each.name for each in fields(of))
    return found


_NAMES: dict[type, tuple[str, ...]] = {}


def walked(operator: Operator) -> Iterator[Operator]:
    yield operator
    for _, below in inputs(operator):
        yield from walked(below)


def expressions(operator: Operator) -> Iterator[Expression]:
    """Every expression that the operator itself evaluates, whole."""
    for each in fields(operator):  # type: ignore[arg-type]
        yield from _expressions(getattr(operator, each.name))


def _expressions(value: Any) -> Iterator[Expression]:
    if isinstance(value, Typed):
        yield value  # type: ignore[misc]
    elif isinstance(value, tuple):
        for member in value:
            yield from _expressions(member)
    elif isinstance(value, Sort):
        yield value.expression
    elif isinstance(value, Way):
        yield from (each for each in (value.to, value.weight, value.within) if each is not None)
    elif isinstance(value, Fusion):
        yield from _expressions(value.option)
    elif isinstance(value, Time):
        yield from (each for each in (value.as_of, value.valid_at, value.during, value.until) if each is not None)
    elif isinstance(value, Step):
        yield from value.expressions()
    elif isinstance(value, Hop):
        yield from _expressions(value.each)
    elif isinstance(value, Route):
        for conditions in (*(leg.conditions for leg in value.legs), *(each.conditions for each in value.arrivals)):
            yield from conditions


def rebuilt(operator: Operator, by: Rule) -> Operator:
    """The plan with each operator replaced by what `by` makes of it, from the bottom up."""
    changes: dict[str, Any] = {}
    for each in fields(operator):  # type: ignore[arg-type]
        value = getattr(operator, each.name)
        if isinstance(value, Operator):
            made: Any = rebuilt(value, by)
        elif isinstance(value, tuple) and any(isinstance(member, Operator) for member in value):
            made = tuple(rebuilt(member, by) for member in value)
        else:
            continue
        if made is not value and made != value:
            changes[each.name] = made
    return by(replace(operator, **changes) if changes else operator)  # type: ignore[type-var]


def binds(operator: Operator) -> frozenset[Variable]:
    """The variables that its rows have."""
    match operator:
        case Argument(variables=variables):
            return frozenset(variables)
        case Scan() | Unwind() | Ask():
            return binds(operator.source) | {operator.variable}
        case Expand(source=source, hop=hop, end=end):
            return binds(source) | {hop.variable, end}
        case Repeat(source=source, hop=hop, end=end):
            return binds(source) | {hop.variable, end, *(outside for _, outside in hop.lists)}
        case Choose() | Seek() | Attempt() | Apply():
            return binds(operator.source) | {*operator.variables}
        case Trace(source=source, path=path):
            return binds(source) | {path.variable}
        case Search(source=source, variable=variable, score=score, total=total):
            return binds(source) | {variable, score} | ({total} if total else set())
        case Project(source=source, items=items, keeps=keeps):
            return frozenset(variable for variable, _ in items) | (binds(source) if keeps else frozenset())
        case Aggregate(keys=keys, aggregates=aggregates):
            return frozenset(variable for variable, _ in (*keys, *aggregates))
        case Union(columns=columns):
            return frozenset(columns)
        case Curate(source=source, steps=steps):
            return binds(source) | {step.subject for step in steps if step.makes}
        case FromGraph(otherwise=otherwise):
            return binds(otherwise)
        case Unit():
            return frozenset()
    return binds(operator.source)  # type: ignore[attr-defined]
