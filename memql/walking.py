"""Walking through expressions: what is inside of one, what it takes from the row, and the same one changed."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from memql.bound import (
    Comprehension,
    Expression,
    Hop,
    Joined,
    Local,
    Pattern,
    Quantified,
    Reduce,
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
        yield from (hop.each for hop in value.hops if hop.each is not None)


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
                own |= {*pattern.nodes, *(hop.variable for hop in pattern.hops)} - pattern.known
                own |= {hop.one for hop in pattern.hops if hop.one} | {path.variable for path in pattern.paths}
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
    if isinstance(value, Typed) or (is_dataclass(value) and isinstance(value, Pattern | Hop)):
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
