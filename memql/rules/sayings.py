"""What a condition says of a node, as more than one rule asks."""

from memql import bound
from memql.bound import Expression, Variable


def is_variable(expression: Expression, variable: Variable) -> bool:
    return isinstance(expression, bound.Local) and expression.variable == variable


def is_id(expression: Expression, node: Variable) -> bool:
    match expression:
        case bound.Property(of=of, name="id"):
            return is_variable(of, node)
        case bound.Call(function="id" | "elementId", arguments=(of,)):
            return is_variable(of, node)
    return False
