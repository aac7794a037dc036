"""Expressions that are the same for every row: counts, weights and times are read before there are rows."""

from typing import Any

from memql import ast, bound
from memql.bind.expressions import ask_nothing, bind_expression
from memql.binding import Binding, Sight
from memql.bound import Expression
from memql.types import ANY


def constant(binding: Binding, what: str, written: ast.Expression) -> Expression:
    """What is the same for every row: literals, parameters, and functions of them."""
    named = _first_name(written)
    if named is not None:
        message = f"{what} cannot depend on a row"
        binding.problem("Q308", message, named.span, f"pass the value as a parameter; `{named.name}` is a variable")
        return bound.Constant(None, type=ANY, span=written.span)
    made = bind_expression(binding, Sight(), written)
    ask_nothing(binding, what, made)
    return made


def _first_name(written: Any) -> ast.Name | None:
    if isinstance(written, ast.Name):
        return written
    if isinstance(written, ast.Comprehension | ast.Quantified | ast.Reduce):
        return None
    if isinstance(written, tuple):
        return next((found for each in written if (found := _first_name(each))), None)
    if isinstance(written, ast.Written):
        names = [name for name in written.__dataclass_fields__ if name != "span"]
        return next((found for name in names if (found := _first_name(getattr(written, name)))), None)
    return None
