"""Walking through expressions: what is inside of one, what it takes from the row, and the same one changed."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from memql.bound import (
    Comprehension,
    Expression,
    Group,
    Hop,
    Joined,
    Local,
    Pattern,
    Quantified,
    Reduce,
    Selection,
    Subpattern,
    Typed,
    Variable,
)


def children(expression: Any) -> Iterator[Expression]:
    """The expressions right inside an expression."""
    for name in _names(expression):
        yield from _inside(getattr(expression, name))


def _names(expression: Any) -> tuple[str, ...]:
    """The names of its fields that may hold an expression."""
    of = type(expression)
    if (names := _NAMES.get(of)) is None:
        names = _NAMES[of] = tuple(each.name for each in fields(of) if each.name not in ("type", "span"))
    return names


_NAMES: dict[type, tuple[str, ...]] = {}


def _inside(value: Any) -> Iterator[Expression]:
    if isinstance(value, Typed):
        yield value  # type: ignore[misc]
    elif isinstance(value, tuple):
        for member in value:
            yield from _inside(member)
    elif isinstance(value, Pattern):
        yield from value.conditions
        if value.selection is not None:
            yield from value.selection.conditions
        for hop in value.hops:
            if isinstance(hop, Group):
                yield from _inside(hop.pattern)
            elif hop.each is not None:
                yield hop.each


def walked(expression: Expression) -> Iterator[Expression]:
    """The expression and all that is inside it."""
    yield expression
    for child in children(expression):
        yield from walked(child)


def variables(expression: Expression) -> set[Variable]:
    """What it takes from the row: variables of its own, as those of a comprehension, left out."""
    found: set[Variable] = set()
    own: set[Variable] = set()
    for each in walked(expression):
        match each:
            case Local(variable=variable):
                found.add(variable)
            case Comprehension(variable=variable) | Quantified(variable=variable):
                own.add(variable)
            case Reduce(total=total, variable=variable):
                own |= {total, variable}
            case Subpattern(pattern=pattern):
                found |= pattern.known
                own |= bound_in(pattern)
    return found - own


def inside(value: object) -> Iterator[Any]:
    """Every frozen value in one of `bound`: clauses, patterns, expressions, whatever holds them."""
    waiting: list[Any] = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, tuple | frozenset):
            waiting += each
        elif is_dataclass(each):
            yield each
            waiting += [getattr(each, field.name) for field in fields(each)]


def bound_in(pattern: Pattern) -> set[Variable]:
    """The variables that a pattern binds itself, those of its groups included."""
    own = {*pattern.nodes, *(path.variable for path in (*pattern.paths, *pattern.acyclic))}
    for hop in pattern.hops:
        own.add(hop.variable)
        if isinstance(hop, Group):
            own |= {outside for _, outside in hop.lists} | bound_in(hop.pattern)
        elif hop.one is not None:
            own.add(hop.one)
    return own - pattern.known


def taken_by(pattern: Pattern) -> set[Variable]:
    """What a pattern takes from the row before it."""
    found = {*pattern.known}
    for each in _inside(pattern):
        found |= variables(each)
    return found - bound_in(pattern)


E = TypeVar("E")


def rewritten(expression: E, by: Any) -> E:
    """The expression with each part replaced by what `by` gives for it, from outside in; None leaves a part as it is
    and goes on inside it."""
    made = by(expression)
    if made is not None:
        return made  # type: ignore[no-any-return]
    changes = {}
    for name in _names(expression):
        before = getattr(expression, name)
        after = _rewritten(before, by)
        if after is not before:
            changes[name] = after
    return replace(expression, **changes) if changes else expression  # type: ignore[type-var]


def _rewritten(value: Any, by: Any) -> Any:
    if isinstance(value, Typed) or (is_dataclass(value) and isinstance(value, Pattern | Hop | Group | Selection)):
        return rewritten(value, by)
    if isinstance(value, tuple) and value:
        made = tuple(_rewritten(member, by) for member in value)
        return made if any(new is not old for new, old in zip(made, value, strict=True)) else value
    return value


def conjuncts(condition: Expression) -> Iterator[Expression]:
    """The conditions that must all be true where this one is."""
    if isinstance(condition, Joined) and condition.operator == "AND":
        for operand in condition.operands:
            yield from conjuncts(operand)
    else:
        yield condition
