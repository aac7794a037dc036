"""What is known of a query's values beyond what binding needs to know: the fields of maps, and what cannot be null.

Binding refuses only what can never work, and lets the rest through as `any` or as what may be null. Whoever makes types
of a query's columns wants to know more: that what WHERE has compared is there, what a map that is written out has in
it, of which types the members of a list are. Nothing here changes what a query means.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from memql import bound, walking
from memql.bind.names import property_type
from memql.binding import Binding
from memql.bound import Expression, Variable
from memql.catalog import Catalog
from memql.functions import AGGREGATES, FUNCTIONS, OPERATORS, Function
from memql.types import ANY, FLOAT, NULL, Type, common, list_of
from memql.values import SCALARS

MAY_MISS = frozenset(
    """tointeger tofloat toboolean head last startnode endnode similarity valid_to retired_at tx_to changed_by
    starts_with ends_with contains =~""".split()
)
"""Functions that may give null though no argument is null. Those of texts only where an argument may be no text."""
_OF_TEXTS = frozenset({"starts_with", "ends_with", "contains", "=~"})
_NUMBERS = frozenset({"integer", "float"})


def function_of(call: bound.Call) -> Function | None:
    return OPERATORS.get(call.function) or FUNCTIONS.get(call.function.lower())


class Inference:
    """What is known of the variables at one place of a query: their types, and which expressions are not null there."""

    def __init__(self, catalog: Catalog, parameters: Mapping[str, Type]) -> None:
        self.catalog = catalog
        self.parameters = parameters
        self.types: dict[Variable, Type] = {}
        self.present: set[Expression] = set()

    def inner(self) -> "Inference":
        """The same, for what stands inside and tells nothing to what is around it."""
        made = Inference(self.catalog, self.parameters)
        made.types, made.present = dict(self.types), set(self.present)
        return made

    def holds(self, conditions: Iterable[Expression]) -> None:
        """From here on these are true."""
        for condition in conditions:
            self.present |= shown_present(condition)

    def type(self, expression: Expression) -> Type:
        of = self._type(expression)
        return of.present() if expression in self.present else of

    def _type(self, expression: Expression) -> Type:
        match expression:
            case bound.Local(variable=variable):
                return self.types.get(variable, variable.type)
            case bound.Parameter(name=name):
                return self.parameters.get(name, expression.type)
            case bound.Property(of=of, name=name):
                return self._property(self.type(of), name, expression)
            case bound.Labelled(of=of):
                return replace(expression.type, nullable=self.type(of).nullable)
            case bound.Call():
                return self._call(expression)
            case bound.Compared(left=left, right=right):
                return replace(expression.type, nullable=not _comparable(self.type(left), self.type(right)))
            case bound.Joined(operands=operands):
                return replace(expression.type, nullable=any(self.type(each).nullable for each in operands))
            case bound.Aggregated():
                return self.aggregated(expression, grouped=False)
            case bound.Case():
                return self._case(expression)
        return self._collected(expression)

    def _property(self, of: Type, name: str, written: bound.Property) -> Type:
        if of.name == "map":
            return dict(of.fields or ()).get(name, written.type)
        found = property_type(Binding(self.catalog, ""), of, name, written.span) or ANY
        if found.name == "list" and found.member is not None and found.member.name in SCALARS:
            # What is declared as a list of texts has no nulls among them.
            found = replace(found, member=found.member.present())
        return found.optional() if of.nullable else found

    def _call(self, call: bound.Call) -> Type:
        function, types = function_of(call), [self.type(each) for each in call.arguments]
        if function is None or call.function in ("IS NULL", "IS NOT NULL"):
            return call.type
        of = function.type(types)
        name = call.function.lower().replace(" ", "_")
        if name == "in" and len(types) == 2:
            left, right = types
            sure = right.member is not None and not right.nullable and _comparable(left, right.member)
            return of.present() if sure else of
        texts = name in _OF_TEXTS and all(each.name == "string" for each in types)
        misses = (name in MAY_MISS and not texts) or any(each.name == "map" for each in types if name in _MADE)
        return of.optional() if misses else of

    def aggregated(self, of: bound.Aggregated, *, grouped: bool) -> Type:
        """`grouped`: the group has keys, so that there is no group without a row."""
        if of.operand is None:
            return of.type
        operand = self.type(of.operand)
        made = AGGREGATES[of.function.lower()].type(operand)
        return made.present() if grouped and not operand.nullable else made

    def _case(self, case: bound.Case) -> Type:
        types: list[Type] = []
        below = self.inner()
        for when, then in case.branches:
            inside = below.inner()
            inside.holds([when])
            types.append(inside.type(then))
            if isinstance(when, bound.Call) and when.function == "IS NULL":
                below.present |= _needed(when.arguments[0])
        return common([*types, below.type(case.otherwise) if case.otherwise is not None else NULL])

    def _collected(self, expression: Expression) -> Type:
        match expression:
            case bound.ListOf(members=members):
                return list_of(common(map(self.type, members)) if members else ANY).present()
            case bound.MapOf(entries=entries):
                return Type("map", False, fields=tuple((name, self.type(each)) for name, each in entries))
            case bound.Projected():
                return self._projected(expression)
            case bound.Index(of=of, at=at):
                return self._index(self.type(of), at, expression.type)
            case bound.Slice(of=of, first=first, last=last):
                nullable = any(self.type(each).nullable for each in (of, first, last) if each is not None)
                return replace(self.type(of), nullable=nullable)
            case bound.Comprehension(variable=variable, source=source, where=where, each=each):
                gone_through, inside = self.type(source), self.inner()
                inside.types[variable] = gone_through.member or ANY
                inside.holds([where] if where is not None else [])
                made = inside.type(each if each is not None else bound.local(variable))
                return Type("list", gone_through.nullable, made)
            case bound.Reduce(total=total, start=start, variable=variable, source=source, step=step):
                inside = self.inner()
                inside.types |= {total: self.type(start), variable: self.type(source).member or ANY}
                made = common([self.type(start), inside.type(step)])
                return made if made.name == inside.types[total].name or made == FLOAT.present() else ANY
            case bound.Subquery(asks="collect", parts=parts, takes=takes):
                return list_of(self._answers(parts[0], takes)).present()
        return expression.type

    def _projected(self, projected: bound.Projected) -> Type:
        of = self.type(projected.of)
        fields: dict[str, Type] = {}
        if projected.whole:
            own = of.fields if of.name == "map" else tuple(self.properties(of).items())
            if own is None or (of.name != "map" and not of.kinds):
                return Type("map", of.nullable)
            fields.update(own)
        inside = self.inner()
        inside.present.add(projected.of)
        fields.update((name, inside.type(each)) for name, each in projected.entries)
        return Type("map", of.nullable, fields=tuple(fields.items()))

    def _index(self, of: Type, at: Expression, otherwise: Type) -> Type:
        if of.name == "map" and isinstance(at, bound.Constant):
            return dict(of.fields or ()).get(str(at.value), otherwise)
        return of.member.optional() if of.name == "list" and of.member is not None else otherwise

    def _answers(self, part: bound.Part, takes: Iterable[tuple[Variable, Expression]]) -> Type:
        """The type of the one column of a part."""
        inside = self.inner()
        for variable, given in takes:
            inside.types[variable] = self.type(given)
        for clause in part.clauses:
            match clause:
                case bound.Match(pattern=pattern, optional=False):
                    inside.holds(pattern.conditions)
                case bound.Unwind(source=source, variable=variable):
                    inside.types[variable] = inside.type(source).member or ANY
                case bound.Project():
                    project(inside, clause)
        return inside.types.get(part.columns[0], part.columns[0].type) if part.columns else ANY

    def properties(self, of: Type) -> dict[str, Type]:
        """What nodes or relations of that type declare, each as it may be absent."""
        known = self.catalog.kinds if of.name == "node" else self.catalog.relations
        names = {
            name for kind in known.values() if of.kinds is None or kind.name in of.kinds for name in kind.properties
        }
        local = bound.local(Variable(-1, "", of))
        return {
            name: self._property(of, name, bound.Property(local, name, type=ANY)).optional() for name in sorted(names)
        }


_MADE = frozenset({"date", "time", "localtime", "localdatetime", "datetime", "duration"})
"""Functions that make a time of a map, in which there may be nulls."""


def _comparable(left: Type, right: Type) -> bool:
    """Whether comparing such values always says something."""
    if left.nullable or right.nullable:
        return False
    return (left.name == right.name and left.name in (*SCALARS, "node", "relation")) or {
        left.name,
        right.name,
    } <= _NUMBERS


def project(at: Inference, clause: bound.Project) -> None:
    """What is known behind a WITH or RETURN: of its columns what was known of the expressions that they stand for."""
    for variable, each in clause.keys:
        at.types[variable] = at.type(each)
    for variable, asked in clause.aggregates:
        at.types[variable] = at.aggregated(asked, grouped=bool(clause.keys))
    if clause.where is not None:
        at.holds([clause.where])
    made = {variable: at.type(each) for variable, each in clause.items}
    for variable, of in made.items():
        at.types[variable] = of.present() if bound.local(variable) in at.present else of
    renamed = {each.variable: variable for variable, each in clause.items if isinstance(each, bound.Local)}

    def by(part: Expression) -> Expression | None:
        new = renamed.get(part.variable) if isinstance(part, bound.Local) else None
        return bound.local(new) if new is not None else None

    at.present |= {walking.rewritten(each, by) for each in at.present}


# What is there because a condition is true


def shown_present(condition: Expression) -> set[Expression]:
    """Expressions that cannot be null where the condition is true."""
    match condition:
        case bound.Joined(operator="AND", operands=operands):
            return set[Expression]().union(*map(shown_present, operands))
        case bound.Joined(operator="OR", operands=operands):
            first, *others = map(shown_present, operands)
            return first.intersection(*others)
        case bound.Joined(operands=operands):
            return set[Expression]().union(*map(_needed, operands))
        case bound.Call(function="IS NULL"):
            return set()
        case bound.Call(function="IS NOT NULL" | "exists", arguments=(only,)):
            return _needed(only)
        case bound.Call(function="IN", arguments=(left, right)):
            return _needed(left) | _needed(right)
    return _needed(condition)


def _needed(expression: Expression) -> set[Expression]:
    """What is there where the expression is not null, itself included."""
    inside: tuple[Expression, ...] = ()
    match expression:
        case bound.Property(of=of) | bound.Figure(of=of) | bound.Labelled(of=of):
            inside = (of,)
        case bound.Compared(left=left, right=right):
            inside = (left, right)
        case bound.Index(of=of, at=at):
            inside = (of, at)
        case bound.Call(arguments=arguments) if (function := function_of(expression)) and not function.nulls:
            inside = arguments
        case bound.Joined(operator="NOT" | "XOR", operands=operands):
            inside = operands
    return {expression}.union(*map(_needed, inside))
