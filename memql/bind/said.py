"""What verbs say: the values of properties, and the details FROM, BECAUSE and VALID.

Every expression of a verb is about what was read, and about one row: what the statement itself makes says nothing yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from memql import ast, walking
from memql.bind.expressions import bind_expression
from memql.binding import Binding, Sight
from memql.bound import Constant, Expression, Local, Parameter, Variable
from memql.catalog import RESERVED, STATE
from memql.errors import Span
from memql.typecheck import a_type, check_operand, check_time
from memql.types import Type, declared
from memql.verbs import ALL, Step

_ELSEWHERE = {
    "valid_from": "write VALID … behind the pattern",
    "valid_to": "write VALID … TO … behind the pattern",
    "labels": "labels stand behind the kind: (m:Memory:Label)",
    "kind": "the kind stands behind a colon: (m:Memory)",
}


@dataclass(slots=True)
class Verbs:
    """The steps so far, and what they have made."""

    binding: Binding
    sight: Sight
    steps: list[Step] = field(default_factory=list)
    made: set[Variable] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Said:
    because: Expression | None = None
    valid_from: Expression | None = None
    valid_to: Expression | None = None
    sources: tuple[Expression, ...] = ()


def bind_details(made: Verbs, details: ast.Details, verb: str, *, timed: bool = True) -> Said:
    because = bind_said(made, details.because)
    if because is not None:
        because = typed(made.binding, because, "string", "BECAUSE")
    times: list[Expression | None] = []
    for what, each in (("VALID", details.valid_from), ("TO", details.valid_to)):
        time = bind_said(made, each)
        if time is not None:
            check_time(made.binding, what, time)
            if not timed and what == "VALID":
                hint = "CORRECT m VALID m.valid_from TO $until says until when it was true"
                made.binding.problem("Q316", f"{verb} takes no VALID", time.span, hint)
        times.append(time)
    return Said(because, times[0], times[1], tuple(_source(made, each) for each in details.sources))


def _source(made: Verbs, written: ast.Expression) -> Expression:
    """An item, its id, or a list of them. What this statement makes may be a source of what it makes later."""
    if isinstance(written, ast.Name) and (known := made.sight.names.get(written.name)) in made.made:
        assert known is not None
        return Local(known, type=known.type, span=written.span)
    source = bind_said(made, written)
    assert source is not None
    check_operand(made.binding, "FROM", source, "string|node|list")
    return source


def bind_said(made: Verbs, written: ast.Expression | None) -> Expression | None:
    """An expression of a verb: about what was read, and of one row."""
    if written is None:
        return None
    with made.binding.aggregating(False):
        found = bind_expression(made.binding, made.sight, written)
    if new := walking.variables(found) & made.made:
        names = ", ".join(sorted(f"`{each.name}`" for each in new))
        hint = "RETURN can tell what it says; give the value itself here"
        made.binding.problem("Q315", f"{names} is only recorded by this statement", found.span, hint)
    return found


# Values


def bind_values(
    made: Verbs, written: ast.MapOf | ast.Parameter | None, known: Mapping[str, str], on: str
) -> tuple[tuple[str, Expression], ...]:
    """What a pattern's map says: `known` are the properties and their types."""
    if written is None:
        return ()
    if isinstance(written, ast.Parameter):
        value = bind_said(made, written)
        assert value is not None
        return ((ALL, typed(made.binding, value, "map", "the properties")),)
    found = []
    for (name, each), key in zip(written.entries, written.keys, strict=True):
        value = bind_said(made, each)
        assert value is not None
        found.append((name, checked(made.binding, name, key, value, known, on)))
    return tuple(found)


def checked(binding: Binding, name: str, key: Span, value: Expression, known: Mapping[str, str], on: str) -> Expression:
    """The value of a property, which there must be, of a type that it can have. `key`: where its name stands."""
    if name == "external_key" and name not in known:
        binding.problem("Q313", "`external_key` cannot be changed", key, "it says which item this is, and stays")
    elif name in RESERVED and name not in known:
        hint = _ELSEWHERE.get(name, "it is given by MemQL")
        binding.problem("Q313", f"`{name}` cannot be set", key, hint)
    elif name in known:
        return typed(binding, value, known[name], f"`{name}`")
    elif name in STATE:
        binding.problem("Q313", f"`{name}` cannot be set", key, "it is a figure that MemQL derives")
    else:
        own = ", ".join(sorted(known))
        hint = f"there is {own}" if len(known) <= 12 else ""
        binding.unknown("Q102", f"property `{name}` on {on}", name, key, known, hint)
    return value


def typed(binding: Binding, value: Expression, of: str, what: str) -> Expression:
    """The value as one of that type; a parameter without type is asked for as one."""
    wanted = declared(of)
    if isinstance(value, Parameter) and value.type.name == "any" and of != "any":
        binding.parameter(value.name, wanted)
        return Parameter(value.name, type=wanted, span=value.span)
    if not _fits(value.type, wanted):
        hint = "give what was read of it, such as its id" if value.type.name in ("node", "relation", "path") else ""
        binding.problem("Q203", f"{what} is {a_type(wanted)}, not {a_type(value.type)}", value.span, hint)
    return value


def _fits(given: Type, wanted: Type) -> bool:
    """Whether a value of the one type can be held as the other: a whole number as a float, ISO 8601 as a time."""
    if wanted.name == "any":
        return given.name not in ("node", "relation", "path")
    if given.name in ("any", "null", wanted.name):
        members = given.member and wanted.member and _fits(given.member, wanted.member)
        return members is not False
    held = {("integer", "float"), ("string", "datetime"), ("string", "date"), ("date", "datetime")}
    return (given.name, wanted.name) in held


def check_text(binding: Binding, kind: str, name: str, values: Mapping[str, Expression], span: Span) -> None:
    value = values.get(name)
    if value is None or (isinstance(value, Constant) and value.value is None):
        binding.problem("Q314", f"`{kind}` needs a {name}", span, f"({kind[0].lower()}:{kind} {{{name}: ${name}}})")
