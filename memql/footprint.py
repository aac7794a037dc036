"""From a query to its footprint: a walk through what was bound. What is not understood here counts as read."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from memql import ast, bound
from memql.bound import Expression, Variable
from memql.changes import Footprint, Read, Site, Step
from memql.types import Type
from memql.walking import conjuncts, inside

_OF_IDENTITY = frozenset({"id", "elementid", "kind", "type", "is null", "is not null", "size", "length"})
"""Functions of a node, a relation or a path that look into none of its properties."""
_FIXED = frozenset({"id", "kind", "owner", "domain"})
"""Properties that no version changes."""
_CRISP = frozenset({"string", "boolean", "integer", "node", "relation", "null"})
"""Types whose equal values are the same: of those that are taken together it does not matter which one stays."""
_UNDERSTOOD = frozenset(
    {
        bound.Query, bound.Part, bound.Match, bound.Unwind, bound.Search, bound.Way, bound.Fusion, bound.Sort,
        bound.Project, bound.Apply, bound.Pattern, bound.Hop, bound.Group, bound.Selection, bound.PathOf,
        bound.Asked, bound.Constant, bound.Parameter, bound.Local, bound.Property, bound.Figure, bound.Labelled,
        bound.Call, bound.Compared, bound.Joined, bound.Aggregated, bound.Case, bound.ListOf, bound.MapOf,
        bound.Projected, bound.Index, bound.Slice, bound.Comprehension, bound.Quantified, bound.Reduce,
        bound.Subpattern, bound.Subquery, bound.KnownTogether, bound.Time, Variable,
    }
)  # fmt: skip
"""What the walk knows to take in. Anything else of `bound` counts as reading everything."""


def footprint(query: bound.Query) -> Footprint:
    """What the query reads, before its parameters are given."""
    made = _Gathering()
    for each in inside(query):
        if type(each).__module__ == bound.__name__ and type(each) not in _UNDERSTOOD:
            made.anything = True
        if isinstance(each, bound.Time):
            made.past |= each.history or each.as_of is not None
            made.as_of |= each.as_of is not None
            # Of history each version is a row, whatever of it is new.
            made.ordered |= each.history
    for part in query.parts:
        made.part(part, last=True)
    if not all(query.alls) and len(query.parts) > 1:
        made.together(*(column.type for part in query.parts for column in part.columns))
    return Footprint(
        tuple(made.sites), tuple(made.steps), _gathered(made.items), _gathered(made.relations),
        frozenset(made.figures), frozenset(made.searches), made.ordered, _moves(query.time) and bool(made.sites),
        made.anything, made.past, made.as_of,
    )  # fmt: skip


def _moves(time: bound.Time | None) -> bool:
    """Whether what is true changes by itself, as time goes on."""
    return time is None or (time.valid_at is None and time.during is None)


def _gathered(reads: list[Read]) -> tuple[Read, ...]:
    """One read for all kinds that are read together."""
    names: dict[frozenset[str] | None, set[str] | None] = {}
    for read in reads:
        known = names.setdefault(read.kinds, set())
        names[read.kinds] = None if known is None or read.names is None else known | read.names
    return tuple(Read(kinds, None if found is None else frozenset(found)) for kinds, found in names.items())


class _Gathering:
    """The walk through a query."""

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self.steps: list[Step] = []
        self.items: list[Read] = []
        self.relations: list[Read] = []
        self.figures: set[str] = set()
        self.searches: set[str] = set()
        self.ordered = False
        self.anything = self.past = self.as_of = False
        self._met: dict[Variable, Site] = {}

    # Clauses

    def part(self, part: bound.Part, *, last: bool) -> None:
        for place, clause in enumerate(part.clauses):
            self.clause(clause, last and place == len(part.clauses) - 1)

    def clause(self, clause: bound.Clause, last: bool) -> None:
        match clause:
            case bound.Match(pattern=pattern):
                self.pattern(pattern)
            case bound.Search():
                self.searches |= {way.how for way in clause.ways}
                if not clause.bound:
                    self._met[clause.variable] = _site(clause.variable, clause.conditions, alone=True)
                    self.sites.append(self._met[clause.variable])
                self.all_of(clause.ways, clause.conditions, clause.limit)
            case bound.Project():
                self.project(clause, last)
            case bound.Apply(parts=parts):
                self.united(parts, clause.alls)
            case _:
                self.all_of(clause)

    def united(self, parts: tuple[bound.Part, ...], alls: tuple[bool, ...]) -> None:
        for part in parts:
            self.part(part, last=False)
        if not all(alls):
            self.together(*(column.type for part in parts for column in part.columns))

    def project(self, clause: bound.Project, last: bool) -> None:
        for variable, expression in (*clause.items, *clause.keys):
            # What WITH only passes on is read where it is used.
            if last or not isinstance(expression, bound.Local):
                self.expression(expression)
            if isinstance(expression, bound.Local) and (site := self._met.get(expression.variable)):
                self._met[variable] = site
        self.all_of(clause.aggregates, clause.order, clause.skip, clause.limit, clause.where)
        if clause.distinct:
            self.together(*(variable.type for variable, _ in clause.items))
        self.together(*(variable.type for variable, _ in clause.keys))
        self.ordered |= clause.skip is not None or clause.limit is not None

    def together(self, *types: Type) -> None:
        """Rows are told apart by values of these types, and one of those that are equal stays."""
        self.ordered |= any(each.name not in _CRISP for each in types)

    # Patterns

    def pattern(self, pattern: bound.Pattern) -> None:
        # What is asked of the rows of a selection is asked of paths that were taken already.
        conditions = pattern.conditions if pattern.selection is None else pattern.selection.conditions
        fresh = [node for node in pattern.nodes if node not in pattern.known]
        for node in fresh:
            hops = [hop for hop in pattern.hops if node in (hop.near, hop.far)]
            alone = all(hop.hops is not None and hop.hops.least == 0 for hop in hops)
            self._met[node] = _site(node, conditions, alone=alone)
        for node in fresh:
            self._met[node] = self._beside(node, pattern.hops)
            self.sites.append(self._met[node])
        for hop in pattern.hops:
            if isinstance(hop, bound.Group):
                self.pattern(hop.pattern)
                continue
            kinds = None if hop.kinds is None else frozenset(hop.kinds)
            if hop.hops is not None:
                on_the_way = Site(alone=False)
                self.sites.append(on_the_way)
                self.steps.append(Step(kinds, on_the_way, on_the_way, "any"))
                self.ordered |= bool(hop.hops.shortest)
            else:
                near, far = (self._met.get(end, _kinds_alone(end)) for end in (hop.near, hop.far))
                self.steps.append(Step(kinds, near, far, hop.direction))
            if hop.each is not None:
                self.expression(hop.each)
        if pattern.selection is not None:
            # Another path may be shorter, and take the place of one that is there.
            self.ordered = True
            self.all_of(pattern.selection.conditions)
        self.all_of(pattern.conditions)

    def _beside(self, node: Variable, hops: tuple[bound.Stretch, ...]) -> Site:
        """The site of a node, which one relation may join with an item that is known by its id."""
        site = self._met[node]
        for hop in hops:
            if site.ids is not None or not isinstance(hop, bound.Hop) or hop.hops is not None:
                continue
            ends = [end for end in (hop.near, hop.far) if end != node]
            if len(ends) == 1 and (other := self._met.get(ends[0])) is not None and other.ids is not None:
                return replace(site, beside=(None if hop.kinds is None else frozenset(hop.kinds), other.ids))
        return site

    # Expressions

    def all_of(self, *values: Any) -> None:
        """The expressions in clauses, tuples and whatever else holds them."""
        for value in values:
            if isinstance(value, bound.Typed):
                self.expression(value)  # type: ignore[arg-type]
            elif isinstance(value, tuple):
                self.all_of(*value)
            elif is_dataclass(value) and not isinstance(value, Variable):
                self.all_of(*(getattr(value, each.name) for each in fields(value)))

    def expression(self, expression: Expression) -> None:
        match expression:
            case bound.Local():
                self.read(expression.type, None)
            case bound.Property(of=of, name=name):
                if name not in _FIXED or of.type.name == "any":
                    self.read(of.type, name)
                self.below(of)
            case bound.Figure(of=of, name=name):
                self.figures.add(name)
                self.below(of)
            case bound.Labelled(of=of, labels=labels):
                names, kinds = _names(labels), of.type.kinds
                if kinds is None or names is None or not kinds.issuperset(names):
                    self.read(of.type, "labels")
                self.below(of)
            case bound.Call(function=function, arguments=arguments) if function.lower() in _OF_IDENTITY:
                self.below(*arguments)
            case bound.Call(function="provenance", arguments=arguments):
                self.provenance()
                self.all_of(arguments)
            case bound.KnownTogether(versions=versions):
                self.below(*versions)
            case bound.Compared(operator="=" | "<>", left=left, right=right):
                self.below(left, right)
            case bound.Aggregated(function=function, operand=operand, second=second):
                self.aggregate(function, operand)
                self.all_of(second)
            case bound.Subpattern(pattern=pattern):
                self.pattern(pattern)
            case bound.Subquery():
                for taken, given in expression.takes:
                    if isinstance(given, bound.Local) and (site := self._met.get(given.variable)):
                        self._met[taken] = site
                    self.below(given)
                self.united(expression.parts, expression.alls)
                if expression.asks == "collect":
                    self.ordered = True
                    self.all_of(*(bound.local(column) for part in expression.parts for column in part.columns))
            case _:
                self.all_of(*(getattr(expression, each.name) for each in fields(expression)))

    def below(self, *expressions: Expression) -> None:
        """These, of which only what they are is looked at: a node or a relation itself is no more read by that."""
        for expression in expressions:
            if not isinstance(expression, bound.Local) or expression.type.name not in ("node", "relation", "path"):
                self.expression(expression)

    def aggregate(self, function: str, operand: Expression | None) -> None:
        if operand is None:
            return
        name, of = function.lower(), operand.type.name
        if name == "count":
            self.below(operand)
            return
        self.expression(operand)
        whole = of == "integer" or (of in _CRISP and name in ("min", "max"))
        self.ordered |= name == "collect" or not whole

    def provenance(self) -> None:
        """Whatever something was derived from, and the events at its origin."""
        anyone = Site(alone=False)
        self.sites.append(anyone)
        self.steps.append(Step(frozenset({"DERIVED_FROM"}), anyone, anyone, "any"))
        self.items.append(Read(None, None))

    def read(self, of: Type, name: str | None) -> None:
        names = None if name is None else frozenset({name})
        if of.name not in ("relation", "list", "path", "any", "null", "map"):
            if of.name == "node":
                self.items.append(Read(of.kinds, names))
            return
        if of.name == "relation":
            self.relations.append(Read(of.kinds, names))
        elif of.name == "list" and of.member is not None and of.member.name != "any":
            self.read(of.member, name)
        else:
            self.items.append(Read(None, names))
            self.relations.append(Read(None, names))


def _site(node: Variable, conditions: tuple[Expression, ...], *, alone: bool) -> Site:
    ids: tuple[Expression, ...] | None = None
    labels: frozenset[str] | None = None
    for condition in (each for whole in conditions for each in conjuncts(whole)):
        match condition:
            case bound.Compared(operator="=", left=left, right=right):
                for one, other in ((left, right), (right, left)):
                    if _is_id(one, node) and isinstance(other, bound.Constant | bound.Parameter):
                        ids = (other,)
            case bound.Call(function="IN", arguments=(left, right)) if _is_id(left, node):
                if isinstance(right, bound.Parameter):
                    ids = (right,)
                elif isinstance(right, bound.ListOf) and all(
                    isinstance(each, bound.Constant | bound.Parameter) for each in right.members
                ):
                    ids = right.members
            case bound.Labelled(of=bound.Local(variable=variable), labels=written) if variable == node:
                names = _names(written)
                labels = labels if names is None else frozenset(names)
    return Site(node.type.kinds, labels, ids, alone)


def _kinds_alone(node: Variable) -> Site:
    """What is known of a node that was bound elsewhere."""
    return Site(node.type.kinds if node.type.name == "node" else None)


def _is_id(expression: Expression, node: Variable) -> bool:
    match expression:
        case bound.Property(of=bound.Local(variable=variable), name="id"):
            return variable == node
        case bound.Call(function=function, arguments=(bound.Local(variable=variable),)):
            return function.lower() in ("id", "elementid") and variable == node
    return False


def _names(labels: ast.Labels) -> tuple[str, ...] | None:
    """The names of `A|B`; None for what is more than that."""
    match labels:
        case ast.Label(name=name):
            return (name,)
        case ast.JoinedLabels(operator="|", operands=operands):
            found = [_names(each) for each in operands]
            return None if None in found else tuple(name for names in found for name in names or ())
    return None
