"""What the rules of the grammar have in common: how each is named, and how it finds the parts it was made of.

A part is a value that another rule made, or a token that says something. What the grammar cannot refuse, such as a
number that is too large, is refused as it is made: `Wrong` carries the problem to the parser, and no farther.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from memql import ast
from memql.errors import Problem, Span
from memql.lexer import Token

Made = Any
"""What a rule makes: the grammar says which, and no type could say it better."""
Action = Callable[[list[Made], Span], Made]
ACTIONS: dict[str, Action] = {}
LABELS = (ast.Label, ast.AnyLabel, ast.NoLabel, ast.JoinedLabels)
T = TypeVar("T")


class Wrong(Exception):
    """What was written cannot be meant."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def wrong(code: str, message: str, hint: str, span: Span) -> Wrong:
    return Wrong(Problem(code, message, hint=hint, span=span))


@dataclass(frozen=True, slots=True)
class Where:
    """A condition, told apart from an expression of another role."""

    condition: ast.Expression


@dataclass(frozen=True, slots=True)
class Role:
    """A part that is known by its role in the rule above it."""

    role: str
    value: Any


def action(*names: str) -> Callable[[Action], Action]:
    """Makes the function that of these rules; without names, of the rule of its own name."""

    def kept(made: Action) -> Action:
        for name in names or (made.__name__.rstrip("_"),):
            ACTIONS[name] = made
        return made

    return kept


def roles(*names: str) -> None:
    """These rules only say what role their last part has."""
    for name in names:
        ACTIONS[name] = lambda parts, span, name=name: Role(name, parts[-1])  # type: ignore[misc]


def one(parts: Sequence[Made], of: type[T]) -> T | None:
    return next((part for part in parts if isinstance(part, of)), None)


def labels_of(parts: Sequence[Made]) -> ast.Labels | None:
    return next((part for part in parts if isinstance(part, LABELS)), None)


def properties_of(parts: Sequence[Made]) -> ast.MapOf | ast.Parameter | None:
    return next((part for part in parts if isinstance(part, ast.MapOf | ast.Parameter)), None)


def where(parts: Sequence[Made]) -> ast.Expression | None:
    found = one(parts, Where)
    return found.condition if found else None


def role(parts: Sequence[Made], name: str) -> Any:
    return next((part.value for part in parts if isinstance(part, Role) and part.role == name), None)


def has(parts: Sequence[Made], terminal: str) -> bool:
    return any(isinstance(part, Token) and part.type == terminal for part in parts)
