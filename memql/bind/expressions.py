"""Expressions: each name found, each function looked up, each type known."""

from collections.abc import Callable
from datetime import date
from typing import Any

from memql import ast, bound, walking
from memql.bind.names import check_labels, check_relation_kinds, property_type
from memql.binding import Binding, Sight
from memql.bound import Expression
from memql.catalog import STATE
from memql.errors import Span, nearest
from memql.functions import AGGREGATES, FUNCTIONS, OPERATORS, SCORES, Aggregate, Function, aggregate
from memql.temporal import Untimely, held, recalled
from memql.typecheck import a_type, as_list, check_call, check_condition, check_operand, comparable, truth
from memql.types import ANY, BOOLEAN, DATE, DATETIME, FLOAT, INTEGER, MAP, NULL, STRING, common, declared, list_of
from memql.values import ASKED, INT64, Misfit, instant, read_instant

Bind = Callable[[Binding, Sight, Any], Expression]
SCORE_PARTS = {
    "total": FLOAT.present(),
    "meaning": FLOAT.present(),
    "words": FLOAT.present(),
    "graph": FLOAT.present(),
    "parts": list_of(MAP).present(),
    "rank": INTEGER.present(),
}
_PATTERNS = {
    name.lower(): f"it is a pattern: MATCH p = {name}((a)-[*]-(b))" for name in ("shortestPath", "allShortestPaths")
}
_PARAMETER_TYPES = {"str": "string", "int": "integer", "bool": "boolean", "vector": "float[]", "list": "any",
                    "node": ""}  # fmt: skip


def bind_expression(binding: Binding, sight: Sight, written: ast.Expression) -> Expression:
    return BINDERS[type(written)](binding, sight, written)


def bind_condition(binding: Binding, sight: Sight, written: ast.Expression) -> Expression:
    """What stands after WHERE; an aggregate has no place there."""
    with binding.aggregating(False):
        condition = bind_expression(binding, sight, written)
    check_condition(binding, condition)
    return condition


def ask_nothing(binding: Binding, what: str, expression: Expression) -> None:
    """Complains of patterns and queries where an expression is read before there are rows to ask them of."""
    for part in walking.walked(expression):
        if isinstance(part, bound.Subpattern | bound.Subquery):
            hint = "WITH … AS x before it, then use x" if what == "SEARCH" else "ask it in a query of its own"
            binding.problem("Q501", f"a pattern or query inside {what} is not supported", part.span, hint)


# Literals, parameters, variables


def _literal(binding: Binding, sight: Sight, written: ast.Literal) -> Expression:
    value = written.value
    if isinstance(value, int) and value not in INT64:
        binding.problem("Q007", "this number does not fit in 64 bits", written.span, "write it as a float: 1.0e30")
    types = {type(None): NULL, bool: BOOLEAN, int: INTEGER, float: FLOAT, str: STRING}
    of = types[type(value)]
    return bound.Constant(value, type=of if value is None else of.present(), span=written.span)


def _time(binding: Binding, sight: Sight, written: ast.TimeLiteral) -> Expression:
    if written.type == "date":
        try:
            return bound.Constant(date.fromisoformat(written.text), type=DATE.present(), span=written.span)
        except ValueError:
            message = f"`{written.text[:40]}` is no ISO 8601 date"
            binding.problem("Q007", message, written.span, "such as date'2026-03-14'")
            return bound.Constant(None, type=DATE, span=written.span)
    if written.type != "datetime":
        of = declared(written.type)
        try:
            return bound.Constant(held(recalled(written.type, written.text)), type=of.present(), span=written.span)
        except Untimely as wrong:
            binding.problem("Q007", wrong.message, written.span, wrong.hint)
            return bound.Constant(None, type=of, span=written.span)
    read = read_instant(written.text)
    if isinstance(read, Misfit):
        binding.problem("Q007", read.message, written.span)
        return bound.Constant(None, type=DATETIME, span=written.span)
    return bound.Constant(instant(read), type=DATETIME.present(), span=written.span)


def _parameter(binding: Binding, sight: Sight, written: ast.Parameter) -> Expression:
    scalar, listed = written.type.removesuffix("[]"), written.type.endswith("[]")
    named = _PARAMETER_TYPES.get(scalar, scalar) + ("[]" if listed else "")
    if written.type and named.replace("[]", "") not in ASKED:
        known = ("str", "int", "bool", "vector", *ASKED)
        hint = nearest(scalar, known) or f"one of {', '.join(known)}, or such a one and []"
        binding.problem("Q105", f"unknown type `{written.type}`", written.span, hint)
        named = "any"
    of = declared(named) if named else ANY
    known_type = binding.parameters.get(written.name)
    if named and known_type and known_type.name not in ("any", of.name):
        message = f"`${written.name}` is {a_type(known_type)} elsewhere, and {a_type(of)} here"
        binding.problem("Q202", message, written.span, "give it one type")
    if not named and known_type:
        of = known_type
    of = of if written.optional or not written.type else of.present()
    binding.parameter(written.name, of)
    if written.optional:
        binding.optional.add(written.name)
    return bound.Parameter(written.name, type=of, span=written.span)


def _name(binding: Binding, sight: Sight, written: ast.Name) -> Expression:
    return bound.local(binding.named(written, sight), written.span)


# Access


def _property(binding: Binding, sight: Sight, written: ast.Property) -> Expression:
    inner = written.of
    if isinstance(inner, ast.Call) and inner.name.lower() == "score":
        return _score(binding, sight, inner, written.name, written.span)
    of = bind_expression(binding, sight, inner)
    place = Span(written.span.line, written.span.column, written.span.length, written.span.start)
    if (end := written.span.end) and written.span.length > len(written.name):
        shift = written.span.length - len(written.name)
        on_one_line = "\n" not in binding.text[written.span.start : end]
        place = (
            Span(place.line, place.column + shift, len(written.name), end - len(written.name)) if on_one_line else place
        )
    found = property_type(binding, of.type, written.name, place)
    if found is None:
        return bound.Figure(of, written.name, type=declared(STATE[written.name]), span=written.span)
    of_type = found.optional() if of.type.nullable else found
    return bound.Property(of, written.name, type=of_type, span=written.span)


def _index(binding: Binding, sight: Sight, written: ast.Index) -> Expression:
    of, at = bind_expression(binding, sight, written.of), bind_expression(binding, sight, written.at)
    check_operand(binding, "[…]", of, "list|map|entity")
    check_operand(binding, "[…]", at, "integer" if of.type.name == "list" else "integer|string")
    member = (of.type.member or ANY).optional() if of.type.name == "list" else ANY
    return bound.Index(of, at, type=member, span=written.span)


def _slice(binding: Binding, sight: Sight, written: ast.Slice) -> Expression:
    of = bind_expression(binding, sight, written.of)
    check_operand(binding, "[…..…]", of, "list")
    ends = [None if each is None else bind_expression(binding, sight, each) for each in (written.first, written.last)]
    for each in ends:
        if each is not None:
            check_operand(binding, "[…..…]", each, "integer")
    nullable = of.type.optional() if any(each and each.type.nullable for each in ends) else of.type
    return bound.Slice(of, *ends, type=nullable, span=written.span)


def _labelled(binding: Binding, sight: Sight, written: ast.Labelled) -> Expression:
    of = bind_expression(binding, sight, written.of)
    check_operand(binding, ":", of, "entity")
    if of.type.name == "relation":
        check_relation_kinds(binding, written.labels)
    else:
        check_labels(binding, written.labels)
    return bound.Labelled(of, written.labels, type=truth(of.type), span=written.span)


# Calls


def _call(binding: Binding, sight: Sight, written: ast.Call) -> Expression:
    name = written.name.lower()
    if name in SCORES:
        return _score(binding, sight, written, SCORES[name], written.span)
    if (grouped := aggregate(name)) is not None:
        return _aggregate(binding, sight, written, grouped)
    arguments = tuple(bind_expression(binding, sight, each) for each in written.arguments)
    function = FUNCTIONS.get(name)
    if function is None:
        known = [each.name for each in FUNCTIONS.values()] + [each.name for each in AGGREGATES.values()] + [*SCORES]
        place = Span(written.span.line, written.span.column, len(written.name), written.span.start)
        hint = _PATTERNS.get(name) or nearest(written.name, known)
        binding.problem("Q106", f"unknown function `{written.name}`", place, hint)
        return bound.Constant(None, type=ANY, span=written.span)
    if written.distinct:
        binding.problem("Q301", f"`{function.name}` takes no DISTINCT", written.span, "only aggregates do")
    return _called(binding, function, arguments, written.span)


def _called(binding: Binding, function: Function, arguments: tuple[Expression, ...], span: Span) -> Expression:
    check_call(binding, function, arguments, span)
    fitting = function.takes_count(len(arguments))
    of = function.type([each.type for each in arguments]) if fitting else ANY
    return bound.Call(function.name, arguments, type=of, span=span)


def _score(binding: Binding, sight: Sight, written: ast.Call, part: str, span: Span) -> Expression:
    """What a search said of a variable: in all, or one signal alone."""
    argument = written.arguments[0] if len(written.arguments) == 1 else None
    if not isinstance(argument, ast.Name):
        binding.problem("Q206", f"`{written.name}` takes the variable of a SEARCH", span, f"{written.name}(m)")
        return bound.Constant(None, type=FLOAT, span=span)
    variable = binding.named(argument, sight)
    score = sight.scores.get(variable)
    if part not in SCORE_PARTS:
        hint = nearest(part, SCORE_PARTS) or f"one of {', '.join(SCORE_PARTS)}"
        binding.problem("Q102", f"a score has no part `{part}`", span, hint)
        return bound.Constant(None, type=FLOAT, span=span)
    if score is None:
        if variable.number >= 0:
            hint = f"SEARCH {argument.name}:Memory SIMILAR TO … before it"
            binding.problem("Q306", f"`{argument.name}` has no score: no SEARCH bound it", argument.span, hint)
        return bound.Constant(None, type=FLOAT, span=span)
    return bound.Property(bound.local(score, span), part, type=SCORE_PARTS[part], span=span)


def _aggregate(binding: Binding, sight: Sight, written: ast.Call, function: Aggregate) -> Expression:
    if not binding.aggregates:
        message = f"`{function.name}` stands for a whole group, and has no place here"
        binding.problem("Q301", message, written.span, "WITH … first, then use its alias")
    wanted = 2 if function.second else 1
    if len(written.arguments) != wanted:
        message = f"`{function.name}` takes {wanted} argument{'s' * (wanted > 1)}, not {len(written.arguments)}"
        binding.problem("Q206", message, written.span, function.signature())
        return bound.Constant(None, type=ANY, span=written.span)
    with binding.aggregating(False):
        operand, *others = (bind_expression(binding, sight, each) for each in written.arguments)
    check_operand(binding, function.name, operand, function.takes)
    for other in others:
        check_operand(binding, function.name, other, function.second)
    of, second = function.type(operand.type), others[0] if others else None
    return bound.Aggregated(function.name, operand, written.distinct, second, type=of, span=written.span)


def _count_all(binding: Binding, sight: Sight, written: ast.CountAll) -> Expression:
    if not binding.aggregates:
        message = "`count(*)` stands for a whole group, and has no place here"
        binding.problem("Q301", message, written.span, "WITH count(*) AS n first, then use n")
    return bound.Aggregated("count", None, False, type=INTEGER.present(), span=written.span)


# Operators


def _unary(binding: Binding, sight: Sight, written: ast.Unary) -> Expression:
    operand = bind_expression(binding, sight, written.operand)
    match written.operator:
        case "NOT":
            check_operand(binding, "NOT", operand, "boolean")
            return bound.Joined("NOT", (operand,), type=truth(operand.type), span=written.span)
        case "IS NULL" | "IS NOT NULL":
            of = BOOLEAN.present()
            return bound.Call(written.operator, (operand,), type=of, span=written.span)
    name = "negative" if written.operator == "-" else "positive"
    check_operand(binding, written.operator, operand, "number")
    return _called(binding, OPERATORS[name], (operand,), written.span) if _sound(operand, "number") else operand


def _sound(operand: Expression, wanted: str) -> bool:
    return operand.type.name in ("any", "null", "integer", "float") or wanted != "number"


def _binary(binding: Binding, sight: Sight, written: ast.Binary) -> Expression:
    left, right = bind_expression(binding, sight, written.left), bind_expression(binding, sight, written.right)
    if written.operator == "IN":
        right = as_list(binding, right)
        member = right.type.member
        if member and member.name in ("date", "datetime") and left.type.name == "string":
            comparable(binding, bound.Constant(None, type=member, span=right.span), left)
    return _called(binding, OPERATORS[written.operator], (left, right), written.span)


def _joined(binding: Binding, sight: Sight, written: ast.Joined) -> Expression:
    operands = tuple(bind_expression(binding, sight, each) for each in written.operands)
    for each in operands:
        check_operand(binding, written.operator, each, "boolean")
    return bound.Joined(written.operator, operands, type=truth(*(each.type for each in operands)), span=written.span)


def _compared(binding: Binding, sight: Sight, written: ast.Compared) -> Expression:
    """`a < b < c` is `a < b AND b < c`."""
    operands = [bind_expression(binding, sight, each) for each in written.operands]
    found = []
    for place, operator in enumerate(written.operators):
        left, right = comparable(binding, operands[place], operands[place + 1])
        operands[place + 1] = right
        span = left.span.to(right.span) if len(written.operators) > 1 else written.span
        found.append(bound.Compared(operator, left, right, type=BOOLEAN, span=span))
    return found[0] if len(found) == 1 else bound.Joined("AND", tuple(found), type=BOOLEAN, span=written.span)


def _case(binding: Binding, sight: Sight, written: ast.Case) -> Expression:
    subject = bind_expression(binding, sight, written.subject) if written.subject is not None else None
    branches = []
    for branch in written.branches:
        whens = [bind_expression(binding, sight, each) for each in branch.when]
        if subject is None:
            for each in whens:
                check_operand(binding, "WHEN", each, "boolean")
        else:
            pairs = [comparable(binding, subject, each) for each in whens]
            whens = [bound.Compared("=", *pair, type=BOOLEAN, span=pair[1].span) for pair in pairs]
        when = whens[0] if len(whens) == 1 else bound.Joined("OR", tuple(whens), type=BOOLEAN, span=branch.span)
        branches.append((when, bind_expression(binding, sight, branch.then)))
    otherwise = bind_expression(binding, sight, written.otherwise) if written.otherwise is not None else None
    of = common([then.type for _, then in branches] + ([otherwise.type] if otherwise else [NULL]))
    return bound.Case(tuple(branches), otherwise, type=of, span=written.span)


# Lists and maps


def _list(binding: Binding, sight: Sight, written: ast.ListOf) -> Expression:
    members = tuple(bind_expression(binding, sight, each) for each in written.members)
    member = common(each.type for each in members) if members else ANY
    return bound.ListOf(members, type=list_of(member).present(), span=written.span)


def _map(binding: Binding, sight: Sight, written: ast.MapOf) -> Expression:
    entries = tuple((name, bind_expression(binding, sight, each)) for name, each in written.entries)
    return bound.MapOf(entries, type=MAP.present(), span=written.span)


def _map_projection(binding: Binding, sight: Sight, written: ast.MapProjection) -> Expression:
    of = bind_expression(binding, sight, written.of)
    check_operand(binding, "{ }", of, "map|entity")
    entries = []
    for (name, each), key in zip(written.entries, written.keys, strict=True):
        if each is not None:
            entries.append((name, bind_expression(binding, sight, each)))
        elif name != "*":
            taken = ast.Property(written.of, name, span=key)
            entries.append((name, bind_expression(binding, sight, taken)))
    whole = any(name == "*" and each is None for name, each in written.entries)
    of_type = MAP if of.type.nullable else MAP.present()
    return bound.Projected(of, whole, tuple(entries), type=of_type, span=written.span)


def _members(
    binding: Binding, sight: Sight, name: ast.Name, source: ast.Expression
) -> tuple[Expression, bound.Variable]:
    given = as_list(binding, bind_expression(binding, sight, source))
    check_operand(binding, "IN", given, "list")
    return given, binding.variable(name.name, (given.type.member or ANY).optional())


def _comprehension(binding: Binding, sight: Sight, written: ast.Comprehension) -> Expression:
    source, variable = _members(binding, sight, written.variable, written.source)
    inner = sight.plus(variable)
    where = bind_condition(binding, inner, written.where) if written.where is not None else None
    with binding.aggregating(False):
        each = bind_expression(binding, inner, written.each) if written.each is not None else None
    member = each.type if each is not None else variable.type
    of = list_of(member) if source.type.nullable else list_of(member).present()
    return bound.Comprehension(variable, source, where, each, type=of, span=written.span)


def _quantified(binding: Binding, sight: Sight, written: ast.Quantified) -> Expression:
    source, variable = _members(binding, sight, written.variable, written.source)
    where = bind_condition(binding, sight.plus(variable), written.where)
    return bound.Quantified(written.quantifier, variable, source, where, type=BOOLEAN, span=written.span)


def _reduce(binding: Binding, sight: Sight, written: ast.Reduce) -> Expression:
    start = bind_expression(binding, sight, written.start)
    source, variable = _members(binding, sight, written.variable, written.source)
    total = binding.variable(written.total.name, ANY)
    with binding.aggregating(False):
        step = bind_expression(binding, sight.plus(total, variable), written.step)
    for part in walking.walked(step):
        if isinstance(part, bound.Subpattern | bound.Subquery) and walking.variables(part) & {total, variable}:
            hint = "make a list of what the patterns say first, and reduce that"
            binding.problem("Q501", "a pattern inside reduce is not supported", part.span, hint)
    return bound.Reduce(total, start, variable, source, step, type=ANY, span=written.span)


# Of each expression its binder. That of a pattern inside an expression is added where patterns are.
BINDERS: dict[type, Bind] = {
    ast.Literal: _literal,
    ast.TimeLiteral: _time,
    ast.Parameter: _parameter,
    ast.Name: _name,
    ast.Property: _property,
    ast.Index: _index,
    ast.Slice: _slice,
    ast.Labelled: _labelled,
    ast.Call: _call,
    ast.CountAll: _count_all,
    ast.Unary: _unary,
    ast.Binary: _binary,
    ast.Joined: _joined,
    ast.Compared: _compared,
    ast.Case: _case,
    ast.ListOf: _list,
    ast.MapOf: _map,
    ast.MapProjection: _map_projection,
    ast.Comprehension: _comprehension,
    ast.Quantified: _quantified,
    ast.Reduce: _reduce,
}
