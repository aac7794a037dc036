"""Whether what is asked can have an answer: arguments that fit their function, operands that fit their operator.

Only what can never work is refused. What may work, because a type is not known before there is a value, is let through.
"""

from collections.abc import Sequence

from memql.binding import Binding
from memql.bound import Constant, Expression, Parameter
from memql.errors import Span
from memql.functions import Function
from memql.types import ANY, BOOLEAN, DATE, DATETIME, Type, fits, list_of, spoken


def check_call(binding: Binding, function: Function, arguments: Sequence[Expression], span: Span) -> None:
    """Complains where there are too few, too many, or one of another type than the function takes."""
    if not function.takes_count(len(arguments)):
        least, most = len(function.takes) - function.optional, len(function.takes)
        wanted = f"{least}" if least == most else f"{least} to {most}"
        wanted = f"{least} or more" if function.repeats else wanted
        message = f"`{function.name}` takes {wanted} argument{'' if wanted == '1' else 's'}, not {len(arguments)}"
        binding.problem("Q206", message, span, function.signature())
        return
    if function.name == "+" and any(argument.type.name == "list" for argument in arguments):
        return  # Anything may be added to a list.
    for place, argument in enumerate(arguments):
        wanted = function.wanted(place)
        if not fits(argument.type, wanted):
            message = f"`{function.name}` takes {spoken(wanted)}, not {a_type(argument.type)}"
            hint = function.signature() if function.name[0].isalpha() else ""
            if function.name == "-" and fits(argument.type, "temporal"):
                hint = "the time from one to the other is duration.between(a, b)"
            binding.problem("Q201", message, argument.span, hint)


def check_operand(binding: Binding, operator: str, operand: Expression, wanted: str) -> None:
    if not fits(operand.type, wanted):
        message = f"`{operator}` takes {spoken(wanted)}, not {a_type(operand.type)}"
        hint = "compare it: x <> 0, x <> '', x IS NOT NULL" if wanted == "boolean" else ""
        binding.problem("Q201", message, operand.span, hint)


def check_condition(binding: Binding, condition: Expression) -> None:
    """What stands after WHERE is true or false."""
    if not fits(condition.type, "boolean"):
        hint = "compare it: x = 1, x <> '', x IS NOT NULL"
        binding.problem("Q201", f"a condition is expected, not {a_type(condition.type)}", condition.span, hint)


def comparable(binding: Binding, left: Expression, right: Expression) -> tuple[Expression, Expression]:
    """Both sides of a comparison. A parameter beside a date or time is one, so that JSON can carry it; a text there
    would never be equal, and is refused."""
    for one, other in ((left, right), (right, left)):
        if one.type.name not in ("date", "datetime"):
            continue
        if isinstance(other, Parameter) and other.type.name == "any":
            typed = DATETIME if one.type.name == "datetime" else DATE
            binding.parameter(other.name, typed)
            changed = Parameter(other.name, type=typed, span=other.span)
            return (one, changed) if one is left else (changed, one)
        if other.type.name == "string":
            written = other.value if isinstance(other, Constant) else "2026-03-14"
            hint = f"write {one.type.name}'{written}'"
            binding.problem("Q202", f"a {one.type.name} is never like a text", other.span, hint)
    names = {left.type.name, right.type.name}
    if len(names & _TIMED) > 1:
        message = f"{a_type(left.type)} and {a_type(right.type)} are never equal, and neither is before the other"
        hint = "write datetime(…) around the date" if names == {"date", "datetime"} else "convert one of them"
        binding.warning("Q912", message, left.span.to(right.span), hint)
    return left, right


_TIMED = frozenset({"date", "datetime", "localdatetime", "time", "localtime"})


def as_list(binding: Binding, members: Expression) -> Expression:
    """What is gone through, as a list: a parameter without type is asked for as one."""
    if isinstance(members, Parameter) and members.type.name == "any":
        of = list_of(ANY)
        binding.parameter(members.name, of)
        return Parameter(members.name, type=of, span=members.span)
    return members


def check_count(binding: Binding, what: str, count: Expression) -> None:
    """SKIP and LIMIT take a whole number that does not depend on the row."""
    if not fits(count.type, "integer"):
        binding.problem("Q201", f"{what} takes a whole number, not {a_type(count.type)}", count.span)
    elif isinstance(count, Constant) and isinstance(count.value, int) and count.value < 0:
        binding.problem("Q201", f"{what} takes no negative number", count.span)


def check_time(binding: Binding, what: str, time: Expression) -> None:
    if not fits(time.type, "string|temporal"):
        message = f"{what} takes a date or a time, not {a_type(time.type)}"
        binding.problem("Q201", message, time.span, "such as datetime'2026-03-14T09:00:00Z'")


def check_span(binding: Binding, span: Expression) -> None:
    """Both ends of a time at once."""
    if not fits(span.type, "list|map"):
        message = f"VALID DURING takes two times, not {a_type(span.type)}"
        binding.problem("Q201", message, span.span, "VALID DURING a TO b, [a, b] or {from: a, to: b}")


def truth(*operands: Type) -> Type:
    """The type of a truth about these: null where one of them may be."""
    return BOOLEAN if any(each.nullable for each in operands) else BOOLEAN.present()


def a_type(of: Type) -> str:
    """The type as a sentence has it."""
    name = str(of)
    return name if name == "null" else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
