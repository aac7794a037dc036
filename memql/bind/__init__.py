"""`ast` → `bound`: every name of the query resolved against the catalog, and every expression typed.

Several mistakes are found at once. Behind one that is found, binding goes on with what is unknown as `any`, which
nothing complains of, so that one mistake is told once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from memql import ast, bound
from memql.bind.expressions import SCORE_PARTS, bind_condition, bind_expression
from memql.bind.names import check_labels, kinds_of
from memql.bind.patterns import bind_pattern, connected
from memql.bind.projections import bind_projection, constant
from memql.binding import Binding, Sight
from memql.bound import Asked, Variable
from memql.catalog import Catalog
from memql.errors import Problem, Reason, Refusal
from memql.typecheck import as_list, check_operand, check_time
from memql.types import ANY, BOOLEAN, FLOAT, MAP, Type


def bind(statement: ast.Statement, catalog: Catalog, text: str) -> bound.Query | Refusal:
    """What the statement means in that catalog, or everything found wrong with it."""
    written = statement.query
    if refusal := _too_large(written):
        return refusal
    binding = Binding(catalog, text, past=written.as_of is not None)
    times = {}
    for name, what in (("as_of", "AS OF"), ("valid_at", "VALID AT")):
        if (each := getattr(written, name)) is not None:
            times[name] = constant(binding, what, each)
            check_time(binding, what, times[name])
    parts = [_part(binding, part) for part in written.parts]
    _check_columns(binding, written, parts)
    if binding.problems:
        return Refusal(Reason.INVALID, tuple(sorted(binding.problems, key=_place)))
    return bound.Query(
        tuple(parts), written.alls, times.get("as_of"), times.get("valid_at"), binding.asked(),
        tuple(binding.warnings),
    )  # fmt: skip


PLAN_STEPS = 250
"""Operators that a query may become, roughly: each is a step of the stack when it runs."""
_STEPS: dict[type, int] = {
    ast.NodePattern: 1, ast.RelationPattern: 1, ast.Subpattern: 2, ast.Match: 1, ast.Unwind: 1, ast.Search: 3,
    ast.With: 6, ast.Return: 6,
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
    """A condition over one item: what a filter of a search is."""

    variable: Variable
    expression: bound.Expression
    parameters: tuple[Asked, ...]


def bind_item_condition(
    written: ast.Expression, name: str, kinds: Iterable[str], catalog: Catalog, text: str = ""
) -> Condition | Refusal:
    """A condition in which `name` stands for an item of one of these kinds."""
    binding = Binding(catalog, text)
    variable = binding.variable(name, Type("node", nullable=False, kinds=frozenset(kinds) or None))
    expression = bind_condition(binding, Sight().plus(variable), written)
    if binding.problems:
        return Refusal(Reason.INVALID, tuple(binding.problems))
    return Condition(variable, expression, binding.asked())


def _place(problem: Problem) -> tuple[int, int]:
    return (problem.span.line, problem.span.column) if problem.span else (0, 0)


def _part(binding: Binding, part: ast.Part) -> bound.Part:
    sight = Sight()
    clauses: list[bound.Clause] = []
    columns: tuple[Variable, ...] = ()
    for place, clause in enumerate(part.clauses):
        last = place == len(part.clauses) - 1
        match clause:
            case ast.Match():
                made, sight = _match(binding, sight, clause)
                clauses.append(made)
            case ast.Unwind():
                source = as_list(binding, bind_expression(binding, sight, clause.source))
                check_operand(binding, "UNWIND", source, "list")
                variable = _new(binding, sight, clause.variable, (source.type.member or ANY).optional())
                sight = sight.plus(variable)
                clauses.append(bound.Unwind(source, variable))
            case ast.Search():
                search, sight = _search(binding, sight, clause)
                clauses.append(search)
            case ast.With():
                project, sight, columns = bind_projection(binding, sight, clause.projection, clause.where, last=False)
                clauses.append(project)
            case ast.Return():
                if not last:
                    binding.problem("Q006", "nothing can follow RETURN", part.clauses[place + 1].span,
                                    "use WITH to go on with the rows")  # fmt: skip
                project, sight, columns = bind_projection(binding, sight, clause.projection, None, last=True)
                clauses.append(project)
    if not isinstance(part.clauses[-1], ast.Return):
        binding.problem("Q006", "the query returns nothing", part.clauses[-1].span, "end it with RETURN …")
    return bound.Part(tuple(clauses), columns)


def _new(binding: Binding, sight: Sight, name: ast.Name, of: Type) -> Variable:
    if name.name in sight.names:
        binding.problem("Q107", f"`{name.name}` is bound already", name.span, "use another name")
    return binding.variable(name.name, of)


def _match(binding: Binding, sight: Sight, clause: ast.Match) -> tuple[bound.Match, Sight]:
    pattern, behind = bind_pattern(binding, sight, clause.paths, clause.where, optional=clause.optional)
    if not connected(pattern):
        binding.warning("Q910", "these patterns share nothing, so each row of one meets each of the other",
                        clause.paths[-1].span, "join them by a variable or a condition")  # fmt: skip
    return bound.Match(pattern, clause.optional), behind


def _search(binding: Binding, sight: Sight, clause: ast.Search) -> tuple[bound.Search, Sight]:
    if clause.fuse is not None and clause.fuse.name.lower() != "zsum":
        hint = "leave FUSE out, or write FUSE zsum: a weighted sum of z-scores"
        binding.problem("Q501", f"FUSE {clause.fuse.name} is not supported", clause.fuse.span, hint)
    if clause.labels is not None:
        check_labels(binding, clause.labels)
    known = sight.names.get(clause.variable.name)
    if known is not None and known.type.name not in ("node", "any"):
        message = f"`{known.name}` is a {known.type}, and cannot be searched"
        binding.problem("Q108", message, clause.variable.span, "SEARCH ranks nodes")
    ways = tuple(_way(binding, sight, way, of_rows=known is not None) for way in clause.ways)
    of = Type("node", nullable=False, kinds=kinds_of(binding, clause.labels))
    variable = known or binding.variable(clause.variable.name, of)
    inner = sight.plus(variable)
    conditions: list[bound.Expression] = []
    if clause.labels is not None:
        here = bound.local(variable, clause.labels.span)
        conditions.append(bound.Labelled(here, clause.labels, type=BOOLEAN, span=clause.labels.span))
    if clause.where is not None:
        conditions += bound.conjuncts(bind_condition(binding, inner, clause.where))
        _check_own(binding, clause.where, conditions, variable)
    limit = constant(binding, "LIMIT", clause.limit) if clause.limit is not None else None
    if limit is not None:
        check_operand(binding, "LIMIT", limit, "integer")
    score = binding.variable(f"score({variable.name})", MAP.present())
    total = _new(binding, inner, clause.score, FLOAT.present()) if clause.score is not None else None
    behind = inner.scored(variable, score)
    behind = behind.plus(total) if total else behind
    search = bound.Search(variable, known is not None, ways, tuple(conditions), limit, score, total)
    return search, behind


def _check_own(
    binding: Binding, written: ast.Expression, conditions: list[bound.Expression], variable: Variable
) -> None:
    """A filter of a search is asked of each item before the search, when there are no rows yet."""
    others = {each for condition in conditions for each in bound.variables(condition)} - {variable}
    if others:
        names = ", ".join(sorted(f"`{each.name}`" for each in others))
        hint = f"it may only ask about `{variable.name}`: MATCH first and search what it found, or filter afterwards"
        binding.problem("Q308", f"the WHERE of a SEARCH cannot use {names}", written.span, hint)


def _way(binding: Binding, sight: Sight, way: ast.Way, *, of_rows: bool) -> bound.Way:
    what = "SIMILAR TO" if way.how == "meaning" else "MATCHES"
    to = bind_expression(binding, sight, way.to)
    check_operand(binding, what, to, "string|list|node" if way.how == "meaning" else "string")
    if of_rows and bound.variables(to):
        binding.problem("Q308", f"{what} cannot depend on the rows that it ranks", way.to.span,
                        "give it a text or a parameter")  # fmt: skip
    weight = constant(binding, "WEIGHT", way.weight) if way.weight is not None else None
    if weight is not None:
        check_operand(binding, "WEIGHT", weight, "number")
    return bound.Way(way.how, to, weight)


def _check_columns(binding: Binding, written: ast.Query, parts: list[bound.Part]) -> None:
    if len(set(written.alls)) > 1:
        hint = "write one of them throughout, or RETURN DISTINCT in the parts"
        binding.problem("Q310", "UNION and UNION ALL are mixed", written.parts[-1].span, hint)
    first = [column.name for column in parts[0].columns]
    for part, made in zip(written.parts[1:], parts[1:], strict=True):
        names = [column.name for column in made.columns]
        if names != first and part.clauses:
            hint = f"give its columns the same names: {', '.join(first)}"
            binding.problem("Q309", "the parts of a UNION return different columns", part.clauses[-1].span, hint)


__all__ = ["SCORE_PARTS", "Condition", "bind", "bind_item_condition"]
