"""`ast` → `bound`: every name of the query resolved against the catalog, and every expression typed.

Several mistakes are found at once. Behind one that is found, binding goes on with what is unknown as `any`, which
nothing complains of, so that one mistake is told once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from memql import ast, bound
from memql.bind.clauses import bind_parts
from memql.bind.expressions import SCORE_PARTS, bind_condition, bind_expression
from memql.bind.foreign import refuse_foreign
from memql.bind.live import check_live
from memql.bind.times import bind_times
from memql.binding import Binding, Sight
from memql.bound import Asked, Variable
from memql.catalog import Catalog
from memql.errors import Problem, Reason, Refusal
from memql.types import Type


def bind(statement: ast.Statement, catalog: Catalog, text: str) -> bound.Query | Refusal:
    """What the statement means in that catalog, or everything found wrong with it."""
    written = statement.query
    if refusal := _too_large(written):
        return refusal
    binding = Binding(catalog, text)
    binding.own = binding.time = bind_times(binding, written.times)
    parts = bind_parts(binding, written, Sight(), nested=False)
    if statement.live:
        check_live(binding, written, parts)
    writes = _check_writing(binding, statement)
    if not binding.problems:
        refuse_foreign(binding)
    if binding.problems:
        return Refusal(Reason.INVALID, tuple(sorted(binding.problems, key=_place)))
    return bound.Query(
        parts, written.alls, binding.own, binding.asked(), tuple(binding.warnings), tuple(binding.times), writes,
    )  # fmt: skip


def _check_writing(binding: Binding, statement: ast.Statement) -> bool:
    """Whether it writes; and where it does, that it is one query about now, asked once."""
    written = statement.query
    verbs = [clause for part in written.parts for clause in part.clauses if isinstance(clause, ast.VERBS)]
    if not verbs:
        return False
    if len(written.parts) > 1:
        hint = "write what the parts have in common as one query, or run two statements"
        binding.problem("Q312", "the parts of a UNION only read", verbs[0].span, hint)
    if written.times is not None:
        hint = "leave the time out, or write it behind the one MATCH that is to read what was"
        binding.problem("Q312", "a statement that writes is about now", written.times.span, hint)
    if statement.live:
        binding.problem("Q312", "a LIVE query only reads", verbs[0].span, "leave LIVE out: a statement writes once")
    return True


PLAN_STEPS = 250
"""Operators that a query may become, roughly: each is a step of the stack when it runs."""
_STEPS: dict[type, int] = {
    ast.NodePattern: 1, ast.RelationPattern: 1, ast.Subpattern: 2, ast.Subquery: 2, ast.PatternList: 3, ast.Apply: 3,
    ast.PathValue: 3, ast.GroupPattern: 2, ast.Match: 1, ast.Unwind: 1, ast.Search: 3,
    ast.With: 6, ast.Return: 6, ast.Remember: 2, ast.Correct: 2, ast.Supersede: 2, ast.Link: 2, ast.Forget: 2,
}  # fmt: skip


def _too_large(written: ast.Query) -> Refusal | None:
    """Too many clauses and patterns for one query."""
    steps, waiting = 0, [written]
    while waiting:
        each: Any = waiting.pop()
        if isinstance(each, tuple):
            waiting += each
        elif isinstance(each, ast.Written):
            steps += _STEPS.get(type(each), 0)
            waiting += [getattr(each, field.name) for field in fields(each) if field.name != "span"]
    if steps <= PLAN_STEPS:
        return None
    hint = "ask in several queries, and pass results on as parameters"
    problem = Problem("Q405", "the query has too many clauses and patterns", "line 1, column 1", hint, written.span)
    return Refusal(Reason.LIMIT, (problem,))


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition over one item or relation: what a filter of a search is."""

    variable: Variable
    expression: bound.Expression
    parameters: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Considered:
    """What is asked of one item: by what it is sorted, grouped or summed up."""

    variable: Variable
    expressions: tuple[bound.Expression, ...]


def bind_item_condition(
    written: ast.Expression, name: str, kinds: Iterable[str], catalog: Catalog, text: str = ""
) -> Condition | Refusal:
    """A condition in which `name` stands for an item of one of these kinds."""
    return _bind_condition(written, name, Type("node", nullable=False, kinds=frozenset(kinds) or None), catalog, text)


def bind_relation_condition(
    written: ast.Expression, name: str, kinds: Iterable[str], catalog: Catalog
) -> Condition | Refusal:
    """A condition in which `name` stands for a relation of one of these kinds."""
    return _bind_condition(written, name, Type("relation", nullable=False, kinds=frozenset(kinds) or None), catalog, "")


def _bind_condition(
    written: ast.Expression, name: str, of: Type, catalog: Catalog, text: str
) -> Condition | Refusal:  # fmt: skip
    binding = Binding(catalog, text)
    variable = binding.variable(name, of)
    expression = bind_condition(binding, Sight().plus(variable), written)
    if binding.problems:
        return Refusal(Reason.INVALID, tuple(binding.problems))
    return Condition(variable, expression, binding.asked())


def bind_item_expressions(
    written: Sequence[ast.Expression], name: str, kinds: Iterable[str], catalog: Catalog
) -> Considered | Refusal:
    """Expressions in which `name` stands for an item of one of these kinds."""
    binding = Binding(catalog, "")
    variable = binding.variable(name, Type("node", nullable=False, kinds=frozenset(kinds) or None))
    found = tuple(bind_expression(binding, Sight().plus(variable), each) for each in written)
    return Refusal(Reason.INVALID, tuple(binding.problems)) if binding.problems else Considered(variable, found)


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.span.line, problem.span.column) if problem.span else (0, 0)


__all__ = [
    "SCORE_PARTS",
    "Condition",
    "Considered",
    "bind",
    "bind_item_condition",
    "bind_item_expressions",
    "bind_relation_condition",
]
