"""Clauses one after the other, and queries inside of queries: what each binds, and what it takes from around it."""

from dataclasses import fields, is_dataclass, replace
from itertools import takewhile
from typing import Any

from memql import ast, bound, walking
from memql.bind.curation import bind_verbs
from memql.bind.expressions import BINDERS, bind_expression
from memql.bind.foreign import bind_foreign
from memql.bind.patterns import bind_pattern, connected
from memql.bind.postfilters import PostFilters
from memql.bind.projections import bind_projection
from memql.bind.searches import bind_search
from memql.binding import Binding, Sight
from memql.bound import Expression, Variable
from memql.errors import Span
from memql.typecheck import as_list, check_operand
from memql.types import ANY, BOOLEAN, INTEGER, PATH, Type, list_of
from memql.verbs import COUNTED, SUMMARY


def bind_parts(
    binding: Binding, written: ast.Query, sight: Sight, *, returns: bool = True, nested: bool = True
) -> tuple[bound.Part, ...]:
    """The parts of a query, each of which begins with what is in sight."""
    parts = tuple(_part(binding, part, sight, returns, nested) for part in written.parts)
    _check_columns(binding, written, parts)
    return parts


def _part(binding: Binding, part: ast.Part, sight: Sight, returns: bool, nested: bool) -> bound.Part:
    clauses: list[bound.Clause] = []
    columns: tuple[Variable, ...] = ()
    filters = PostFilters(binding)
    for place, clause in enumerate(part.clauses):
        filters.pass_by(clause)
        last = place == len(part.clauses) - 1
        match clause:
            case ast.Match():
                made, sight = _match(binding, sight, clause)
                clauses.append(made)
            case ast.Unwind():
                source = as_list(binding, bind_expression(binding, sight, clause.source))
                check_operand(binding, "UNWIND", source, "list")
                variable = binding.new(sight, clause.variable, (source.type.member or ANY).optional())
                sight = sight.plus(variable)
                clauses.append(bound.Unwind(source, variable))
            case ast.Search():
                search, sight = bind_search(binding, sight, clause)
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
            case ast.Apply():
                apply, sight = _apply(binding, sight, clause)
                clauses.append(apply)
            case _ if nested:
                hint = "let the query around it write, for each row that is found here"
                binding.problem("Q312", "a query within a query only reads", clause.span, hint)
                return bound.Part(tuple(clauses), columns)
            case _ if isinstance(clause, ast.FOREIGN):
                sight = bind_foreign(binding, sight, clause)
            case _ if isinstance(clause, ast.VERBS):
                if place and isinstance(part.clauses[place - 1], ast.VERBS):
                    continue  # It was bound with the one before it.
                verbs = _verbs(binding, part.clauses[place:])
                curate, sight = bind_verbs(binding, sight, verbs)
                clauses.append(curate)
                columns = tuple(binding.variable(name, COUNTED) for name in SUMMARY)
    if returns and not isinstance(part.clauses[-1], ast.Return | ast.Verb | ast.Foreign):
        binding.problem("Q006", "the query returns nothing", part.clauses[-1].span, "end it with RETURN …")
    return bound.Part(tuple(clauses), columns)


def _verbs(binding: Binding, clauses: tuple[ast.Clause, ...]) -> list[ast.Verb]:
    """The verbs that follow each other there. Behind them nothing stands but RETURN."""
    verbs = [
        each for each in takewhile(lambda each: isinstance(each, ast.VERBS), clauses) if isinstance(each, ast.VERBS)
    ]
    for other in clauses[len(verbs) : len(verbs) + 1]:
        if not isinstance(other, (ast.Return, *ast.FOREIGN)):
            hint = "read first, then write; RETURN tells what became of it"
            binding.problem("Q312", "behind a verb only verbs and RETURN may stand", other.span, hint)
    return verbs


def _match(binding: Binding, sight: Sight, clause: ast.Match) -> tuple[bound.Match, Sight]:
    pattern, behind = bind_pattern(
        binding, sight, clause.paths, clause.where, optional=clause.optional, times=clause.times
    )
    if not connected(pattern):
        binding.warning("Q910", "these patterns share nothing, so each row of one meets each of the other",
                        clause.paths[-1].span, "join them by a variable or a condition")  # fmt: skip
    return bound.Match(pattern, clause.optional), behind


def _check_columns(binding: Binding, written: ast.Query, parts: tuple[bound.Part, ...]) -> None:
    if len(set(written.alls)) > 1:
        hint = "write one of them throughout, or RETURN DISTINCT in the parts"
        binding.problem("Q310", "UNION and UNION ALL are mixed", written.parts[-1].span, hint)
    first = [column.name for column in parts[0].columns]
    for part, made in zip(written.parts[1:], parts[1:], strict=True):
        names = [column.name for column in made.columns]
        if names != first and part.clauses:
            hint = f"give its columns the same names: {', '.join(first)}"
            binding.problem("Q309", "the parts of a UNION return different columns", part.clauses[-1].span, hint)


# Queries inside of queries


def _mentioned(value: object) -> set[Variable]:
    """Every variable in clauses or expressions, bound there or taken from around them."""
    found: set[Variable] = set()
    waiting: list[Any] = [value]
    while waiting:
        each: Any = waiting.pop()
        if isinstance(each, Variable):
            found.add(each)
        elif isinstance(each, tuple | frozenset):
            waiting += each
        elif is_dataclass(each) and not isinstance(each, ast.Written | Type | Span):
            waiting += [getattr(each, field.name) for field in fields(each)]
    return found


def _taken(value: object, sight: Sight) -> tuple[Variable, ...]:
    """Those of the variables in sight that are used there."""
    around = {*sight.names.values(), *sight.scores.values()}
    return tuple(sorted(_mentioned(value) & around, key=lambda each: each.number))


def _apply(binding: Binding, sight: Sight, clause: ast.Apply) -> tuple[bound.Apply, Sight]:
    """`CALL { … }` sees nothing of the row but what its parts take by a WITH of their own, which comes first."""
    given = {each.name: binding.named(each, sight) for each in clause.given or ()}
    parts: list[bound.Part] = []
    for part in clause.query.parts:
        imports = clause.given is None and isinstance(part.clauses[0], ast.With)
        inner = sight if imports else Sight(given, sight.scores)
        parts.append(_part(binding, part, inner, returns=True, nested=True))
    whole = tuple(parts)
    _check_columns(binding, clause.query, whole)
    columns = tuple(
        binding.new(sight, ast.Name(column.name, span=clause.query.parts[0].clauses[-1].span), column.type)
        for column in whole[0].columns
    )
    made = bound.Apply(whole, clause.query.alls, _taken(whole, sight), columns)
    return made, sight.plus(*columns)


def _answered(
    binding: Binding, sight: Sight, asks: str, parts: tuple[bound.Part, ...], alls: tuple[bool, ...], span: Span
) -> bound.Subquery:
    columns = parts[0].columns
    match asks:
        case "exists":
            of = BOOLEAN.present()
        case "count":
            of = INTEGER.present()
        case _:
            of = list_of(columns[0].type if columns else ANY).present()
    taken = tuple((variable, bound.local(variable, span)) for variable in _taken(parts, sight))
    return bound.Subquery(asks, parts, alls, taken, binding.variable(asks, of), type=of, span=span)  # type: ignore[arg-type]


def _subquery(binding: Binding, sight: Sight, written: ast.Subquery) -> Expression:
    parts = bind_parts(binding, written.query, sight, returns=written.asks == "collect")
    if written.asks == "collect" and len(parts[0].columns) > 1:
        hint = "collect a map of them: RETURN {a: a, b: b}"
        binding.problem("Q206", "COLLECT { } takes one column", written.query.parts[0].clauses[-1].span, hint)
    return _answered(binding, sight, written.asks, parts, written.query.alls, written.span)


def _pattern_list(binding: Binding, sight: Sight, written: ast.PatternList) -> Expression:
    """A list of what each match of a pattern gives."""
    with binding.aggregating(False):
        pattern, inner = bind_pattern(binding, sight, (written.path,), written.where, optional=False)
        each = bind_expression(binding, inner, written.each)
    part = _listed(binding, (bound.Match(pattern, False),), each)
    return _answered(binding, sight, "collect", (part,), (), written.span)


def _path_value(binding: Binding, sight: Sight, written: ast.PathValue) -> Expression:
    """The shortest path between two nodes that are known; of all of them a list."""
    path = replace(written.path, variable=ast.Name("the path", span=written.span))
    for node in path.nodes:
        if node.variable is None or node.variable.name not in sight.names:
            hint = "match its ends before; or MATCH p = shortestPath(…) finds them"
            binding.problem("Q326", "a shortest path as a value joins nodes that are known", node.span, hint)
            return bound.Constant(None, type=PATH, span=written.span)
    with binding.aggregating(False):
        pattern, _ = bind_pattern(binding, sight, (path,), None, optional=False)
    part = _listed(binding, (bound.Match(pattern, False),), bound.local(pattern.paths[0].variable, written.span))
    found = _answered(binding, sight, "collect", (part,), (), written.span)
    relation = path.relations[0]
    several = isinstance(relation, ast.RelationPattern) and relation.hops and relation.hops.shortest == "all"
    return found if several else bound.Call("head", (found,), type=PATH, span=written.span)


def _listed(binding: Binding, clauses: tuple[bound.Clause, ...], each: Expression) -> bound.Part:
    """What these clauses give, with one column."""
    column = binding.variable("", each.type)
    project = bound.Project(((column, each),), False, (), (), False, (), None, None, None)
    return bound.Part((*clauses, project), (column,))


def _comprehension(binding: Binding, sight: Sight, written: ast.Comprehension) -> Expression:
    """One that asks the graph about its members is a query for each of them."""
    made = COMPREHENSION(binding, sight, written)
    assert isinstance(made, bound.Comprehension)
    inside = [part for part in (made.where, made.each) if part is not None]
    if not any(_asks_about(made.variable, part) for part in inside):
        return made
    each = made.each if made.each is not None else bound.local(made.variable, made.span)
    return _of_each(binding, sight, made, each)


def _of_each(binding: Binding, sight: Sight, made: bound.Comprehension, each: Expression) -> Expression:
    clauses: tuple[bound.Clause, ...] = (bound.Unwind(made.source, made.variable),)
    if made.where is not None:
        conditions = tuple(walking.conjuncts(made.where))
        clauses += (bound.Match(bound.Pattern((), (), (), conditions, frozenset()), False),)
    part = _listed(binding, clauses, each)
    found = _answered(binding, sight, "collect", (part,), (), made.span)
    if not made.source.type.nullable:
        return found
    absent = bound.Call("IS NULL", (made.source,), type=BOOLEAN.present(), span=made.span)
    nothing = bound.Constant(None, type=found.type.optional(), span=made.span)
    return bound.Case(((absent, nothing),), found, type=found.type.optional(), span=made.span)


def _quantified(binding: Binding, sight: Sight, written: ast.Quantified) -> Expression:
    made = QUANTIFIED(binding, sight, written)
    assert isinstance(made, bound.Quantified)
    if not _asks_about(made.variable, made.where):
        return made
    listed = bound.Comprehension(made.variable, made.source, None, made.where, type=list_of(BOOLEAN), span=made.span)
    answers = _of_each(binding, sight, listed, made.where)
    answer = binding.variable(made.variable.name, BOOLEAN)
    return bound.Quantified(
        made.quantifier, answer, answers, bound.local(answer, made.span), type=made.type, span=made.span
    )


def _asks_about(member: Variable, expression: Expression) -> bool:
    """Whether a pattern or a query inside the expression depends on the member."""
    return any(
        isinstance(part, bound.Subpattern | bound.Subquery) and member in walking.variables(part)
        for part in walking.walked(expression)
    )


COMPREHENSION, QUANTIFIED = BINDERS[ast.Comprehension], BINDERS[ast.Quantified]
BINDERS[ast.Subquery] = _subquery
BINDERS[ast.PathValue] = _path_value
BINDERS[ast.PatternList] = _pattern_list
BINDERS[ast.Comprehension] = _comprehension
BINDERS[ast.Quantified] = _quantified
