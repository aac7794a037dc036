"""What an expression means on a row: the reference.

Each expression becomes one function of a row, made once and called for every row. A row is a tuple of values; `places`
says where in it each variable lies. Null, three-valued logic, order and overflow are as the functions and `order` say.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from memql import ast, bound
from memql.bound import Expression, Variable
from memql.errors import Problem, Span
from memql.functions import FUNCTIONS, OPERATORS, Unanswerable
from memql.functions.function import mistyped, shown
from memql.functions.times import is_temporal, part
from memql.order import Truth, and_, compared, equal, or_, quantified
from memql.world import Datum, Node, Relation, World, is_reached, known_together, node_property, relation_property

Row: TypeAlias = tuple[Datum, ...]
Places: TypeAlias = Mapping[Variable, int]
Meaning: TypeAlias = Callable[[Row], Datum]


OWED = 1_000
"""Members of lists between two looks at what a query may use."""


class Failed(Exception):
    """An expression that has no value, with its place in the query."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def failed(wrong: Unanswerable, span: Span) -> Failed:
    place = f"line {span.line}, column {span.column}"
    return Failed(Problem(wrong.code, wrong.message, place, wrong.hint, span))


def is_labelled(labels: ast.Labels, kind: str, further: Sequence[str]) -> bool:
    """Whether something of that kind, with these further labels, is what the label expression says."""
    match labels:
        case ast.Label(name=name):
            return name == kind or name in further
        case ast.NoLabel(of=of):
            return not is_labelled(of, kind, further)
        case ast.JoinedLabels(operator="&", operands=operands):
            return all(is_labelled(each, kind, further) for each in operands)
        case ast.JoinedLabels(operands=operands):
            return any(is_labelled(each, kind, further) for each in operands)
    return True


def property_of(value: Datum, name: str) -> Datum:
    match value:
        case None:
            return None
        case Node():
            return node_property(value, name)
        case Relation():
            return relation_property(value, name)
        case dict():
            return value.get(name)
    if is_temporal(value):
        return part(value, name)
    raise Unanswerable("Q213", f"{shown(value)} has no property `{name}`", "nodes, relations, maps and times have")


class Evaluator:
    """Makes functions of expressions. `parameters` have the types that the query asks for."""

    def __init__(
        self, world: World, parameters: Mapping[str, Datum], spend: Callable[[int], None] = lambda members: None
    ) -> None:
        self.world = world
        self.parameters = parameters
        self._spend = spend
        """Told how many members of lists were gone through, every thousand or so; may raise to stop."""
        self._owed = 0

    def meaning(self, expression: Expression, places: Places) -> Meaning:
        """The function that gives the expression's value for a row."""
        return _MEANINGS[type(expression)](self, expression, places)

    def constant(self, expression: Expression) -> Datum:
        """The value of what depends on no row."""
        return self.meaning(expression, {})(())

    # Access

    def _constant(self, each: bound.Constant | bound.Parameter, places: Places) -> Meaning:
        value = each.value if isinstance(each, bound.Constant) else self.parameters.get(each.name)
        return lambda row: value

    def _local(self, each: bound.Local, places: Places) -> Meaning:
        place = places[each.variable]
        return lambda row: row[place]

    def _property(self, each: bound.Property, places: Places) -> Meaning:
        of, name = self.meaning(each.of, places), each.name

        def run(row: Row) -> Datum:
            value = of(row)
            if type(value) is Node:
                return node_property(value, name)
            try:
                return property_of(value, name)
            except Unanswerable as wrong:
                raise failed(wrong, each.span) from None

        return run

    def _figure(self, each: bound.Figure, places: Places) -> Meaning:
        of, name, world = self.meaning(each.of, places), each.name, self.world

        def run(row: Row) -> Datum:
            node = of(row)
            try:
                return None if node is None else world.figure(node, name)
            except Unanswerable as wrong:
                raise failed(wrong, each.span) from None

        return run

    def _labelled(self, each: bound.Labelled, places: Places) -> Meaning:
        of, labels = self.meaning(each.of, places), each.labels

        def run(row: Row) -> Truth:
            value = of(row)
            if value is None:
                return None
            if not isinstance(value, Node | Relation):
                wrong = Unanswerable("Q213", f"only a node or a relation has labels, not {shown(value)}")
                raise failed(wrong, each.span)
            return is_labelled(labels, value.kind, value.labels if isinstance(value, Node) else ())

        return run

    def _index(self, each: bound.Index, places: Places) -> Meaning:
        of, at = self.meaning(each.of, places), self.meaning(each.at, places)

        def run(row: Row) -> Datum:
            value, place = of(row), at(row)
            if value is None or place is None:
                return None
            try:
                return _member(value, place)
            except Unanswerable as wrong:
                raise failed(wrong, each.span) from None

        return run

    def _slice(self, each: bound.Slice, places: Places) -> Meaning:
        of = self.meaning(each.of, places)
        first = self.meaning(each.first, places) if each.first is not None else lambda row: 0
        last = self.meaning(each.last, places) if each.last is not None else lambda row: 2**63

        def run(row: Row) -> Datum:
            value, begin, end = of(row), first(row), last(row)
            if value is None or begin is None or end is None:
                return None
            try:
                if not isinstance(value, list) or not _whole(begin) or not _whole(end):
                    mistyped("[…..…]", "a list and whole numbers", value if not isinstance(value, list) else begin)
            except Unanswerable as wrong:
                raise failed(wrong, each.span) from None
            return value[begin:end]

        return run

    def _known_together(self, each: bound.KnownTogether, places: Places) -> Meaning:
        """Whether each is true when it is asked for is the world's to say, which has read them."""
        versions = [self.meaning(version, places) for version in each.versions]
        reached = [(self.meaning(node, places), self.meaning(by, places), at) for node, by, at in each.reached]

        def run(row: Row) -> Truth:
            left_out = {id(node(row)) for node, by, at in reached if is_reached(node(row), by(row), at)}
            return known_together([value for version in versions if id(value := version(row)) not in left_out])

        return run

    # Calls and operators

    def _call(self, each: bound.Call, places: Places) -> Meaning:
        function = FUNCTIONS.get(each.function.lower()) or OPERATORS[each.function]
        arguments = [self.meaning(argument, places) for argument in each.arguments]
        meaning, nulls, span = function.meaning, function.nulls, each.span
        given = (self.world,) if function.asks else ()
        if len(arguments) == 1 and not given:
            (only,) = arguments

            def run_one(row: Row) -> Datum:
                value = only(row)
                if value is None and not nulls:
                    return None
                try:
                    return meaning(value)
                except Unanswerable as wrong:
                    raise failed(wrong, span) from None

            return run_one

        def run(row: Row) -> Datum:
            values = [argument(row) for argument in arguments]
            if not nulls and any(value is None for value in values):
                return None
            try:
                return meaning(*given, *values)
            except Unanswerable as wrong:
                raise failed(wrong, span) from None

        return run

    def _compared(self, each: bound.Compared, places: Places) -> Meaning:
        left, right = self.meaning(each.left, places), self.meaning(each.right, places)
        sign: Any = each.operator
        if sign == "=":
            return lambda row: equal(left(row), right(row))
        if sign == "<>":

            def unequal(row: Row) -> Truth:
                same = equal(left(row), right(row))
                return None if same is None else not same

            return unequal
        return lambda row: compared(left(row), sign, right(row))

    def _joined(self, each: bound.Joined, places: Places) -> Meaning:
        operands = [self._truth(operand, places, each.operator) for operand in each.operands]
        match each.operator:
            case "NOT":
                (only,) = operands

                def negated(row: Row) -> Truth:
                    value = only(row)
                    return None if value is None else not value

                return negated
            case "XOR":

                def exclusive(row: Row) -> Truth:
                    values = [operand(row) for operand in operands]
                    return None if None in values else sum(map(bool, values)) % 2 == 1

                return exclusive
        decides, combined = (False, and_) if each.operator == "AND" else (True, or_)

        def run(row: Row) -> Truth:
            values: list[Truth] = []
            for operand in operands:
                value = operand(row)
                if value is decides:
                    return decides
                values.append(value)
            return combined(values)

        return run

    def _truth(self, operand: Expression, places: Places, operator: str) -> Callable[[Row], Truth]:
        """The operand, which must be true, false or null: known before, or looked at."""
        meaning = self.meaning(operand, places)
        if operand.type.name in ("boolean", "null"):
            return meaning

        def run(row: Row) -> Truth:
            value = meaning(row)
            if value is not None and not isinstance(value, bool):
                wrong = Unanswerable("Q213", f"`{operator}` takes true or false, not {shown(value)}")
                raise failed(wrong, operand.span)
            return value

        return run

    def condition(self, condition: Expression, places: Places) -> Callable[[Row], bool]:
        """Whether the condition is true: null is not."""
        truth = self._truth(condition, places, "WHERE")
        return lambda row: truth(row) is True

    def _case(self, each: bound.Case, places: Places) -> Meaning:
        branches = [(self.condition(when, places), self.meaning(then, places)) for when, then in each.branches]
        otherwise = self.meaning(each.otherwise, places) if each.otherwise is not None else lambda row: None

        def run(row: Row) -> Datum:
            for when, then in branches:
                if when(row):
                    return then(row)
            return otherwise(row)

        return run

    # Lists and maps

    def _list(self, each: bound.ListOf, places: Places) -> Meaning:
        members = [self.meaning(member, places) for member in each.members]
        return lambda row: [member(row) for member in members]

    def _map(self, each: bound.MapOf, places: Places) -> Meaning:
        entries = [(name, self.meaning(value, places)) for name, value in each.entries]
        return lambda row: {name: value(row) for name, value in entries}

    def _projected(self, each: bound.Projected, places: Places) -> Meaning:
        of, entries = self.meaning(each.of, places), [(name, self.meaning(v, places)) for name, v in each.entries]

        def run(row: Row) -> Datum:
            value = of(row)
            if value is None:
                return None
            if not isinstance(value, dict | Node | Relation):
                wrong = Unanswerable("Q213", f"`{{ }}` takes a map, a node or a relation, not {shown(value)}")
                raise failed(wrong, each.span)
            whole = value if isinstance(value, dict) else value.properties
            return {**(whole if each.whole else {}), **{name: entry(row) for name, entry in entries}}

        return run

    def _inside(self, variables: tuple[Variable, ...], places: Places) -> Places:
        """Where the variables of a list expression lie: behind the row."""
        behind = max(places.values(), default=-1) + 1
        return {**places, **{variable: behind + at for at, variable in enumerate(variables)}}

    def _members(self, source: Expression, places: Places) -> Meaning:
        meaning = self.meaning(source, places)

        def run(row: Row) -> Datum:
            value = meaning(row)
            if value is not None and not isinstance(value, list):
                raise failed(Unanswerable("Q213", f"`IN` takes a list, not {shown(value)}"), source.span)
            self._owed += len(value) if value else 0
            if self._owed >= OWED:
                owed, self._owed = self._owed, 0
                self._spend(owed)
            return value

        return run

    def _comprehension(self, each: bound.Comprehension, places: Places) -> Meaning:
        source, inside = self._members(each.source, places), self._inside((each.variable,), places)
        width = inside[each.variable]
        where = self.condition(each.where, inside) if each.where is not None else None
        made = self.meaning(each.each, inside) if each.each is not None else None

        def run(row: Row) -> Datum:
            members = source(row)
            if members is None:
                return None
            rows = [(*row[:width], member) for member in members]
            kept = rows if where is None else [inner for inner in rows if where(inner)]
            return [inner[width] for inner in kept] if made is None else [made(inner) for inner in kept]

        return run

    def _quantified(self, each: bound.Quantified, places: Places) -> Meaning:
        source, inside = self._members(each.source, places), self._inside((each.variable,), places)
        width, where = inside[each.variable], self._truth(each.where, inside, "WHERE")

        def run(row: Row) -> Truth:
            members = source(row)
            if members is None:
                return None
            return quantified(each.quantifier, [where((*row[:width], member)) for member in members])

        return run

    def _reduce(self, each: bound.Reduce, places: Places) -> Meaning:
        start, source = self.meaning(each.start, places), self._members(each.source, places)
        inside = self._inside((each.total, each.variable), places)
        width, step = inside[each.total], self.meaning(each.step, inside)

        def run(row: Row) -> Datum:
            members, total = source(row), start(row)
            if members is None:
                return None
            for member in members:
                total = step((*row[:width], total, member))
            return total

        return run


def _whole(value: Datum) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _member(value: Datum, place: Datum) -> Datum:
    if isinstance(value, list):
        if not _whole(place):
            mistyped("[…]", "a whole number", place)
        return value[place] if -len(value) <= place < len(value) else None
    if not isinstance(place, str):
        mistyped("[…]", "a list, or the name of a property", value if not isinstance(value, dict) else place)
    return property_of(value, place)


_MEANINGS: dict[type, Callable[[Evaluator, Any, Places], Meaning]] = {
    bound.Constant: Evaluator._constant,
    bound.Parameter: Evaluator._constant,
    bound.Local: Evaluator._local,
    bound.Property: Evaluator._property,
    bound.Figure: Evaluator._figure,
    bound.Labelled: Evaluator._labelled,
    bound.Index: Evaluator._index,
    bound.Slice: Evaluator._slice,
    bound.Call: Evaluator._call,
    bound.Compared: Evaluator._compared,
    bound.Joined: Evaluator._joined,
    bound.Case: Evaluator._case,
    bound.ListOf: Evaluator._list,
    bound.MapOf: Evaluator._map,
    bound.Projected: Evaluator._projected,
    bound.Comprehension: Evaluator._comprehension,
    bound.Quantified: Evaluator._quantified,
    bound.Reduce: Evaluator._reduce,
    bound.KnownTogether: Evaluator._known_together,
}
