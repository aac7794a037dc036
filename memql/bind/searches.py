"""`SEARCH`: which ways rank, what is ranked, which filter is asked of each item before, and the scores bound behind."""

from memql import ast, bound, walking
from memql.bind.expressions import ask_nothing, bind_condition, bind_expression
from memql.bind.names import check_labels, kinds_of
from memql.bind.projections import constant
from memql.binding import Binding, Sight
from memql.bound import Variable
from memql.typecheck import check_operand
from memql.types import BOOLEAN, FLOAT, MAP, Type


def bind_search(binding: Binding, sight: Sight, clause: ast.Search) -> tuple[bound.Search, Sight]:
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
        conditions += walking.conjuncts(bind_condition(binding, inner, clause.where))
        _check_own(binding, clause.where, conditions, variable)
    limit = constant(binding, "LIMIT", clause.limit) if clause.limit is not None else None
    if limit is not None:
        check_operand(binding, "LIMIT", limit, "integer")
    score = binding.variable(f"score({variable.name})", MAP.present())
    total = binding.new(inner, clause.score, FLOAT.present()) if clause.score is not None else None
    behind = inner.scored(variable, score)
    behind = behind.plus(total) if total else behind
    search = bound.Search(variable, known is not None, ways, tuple(conditions), limit, score, total)
    return search, behind


def _check_own(
    binding: Binding, written: ast.Expression, conditions: list[bound.Expression], variable: Variable
) -> None:
    """A filter of a search is asked of each item before the search, when there are no rows yet."""
    others = {each for condition in conditions for each in walking.variables(condition)} - {variable}
    if others:
        names = ", ".join(sorted(f"`{each.name}`" for each in others))
        hint = f"it may only ask about `{variable.name}`: MATCH first and search what it found, or filter afterwards"
        binding.problem("Q308", f"the WHERE of a SEARCH cannot use {names}", written.span, hint)


def _way(binding: Binding, sight: Sight, way: ast.Way, *, of_rows: bool) -> bound.Way:
    what = "SIMILAR TO" if way.how == "meaning" else "MATCHES"
    to = bind_expression(binding, sight, way.to)
    ask_nothing(binding, "SEARCH", to)
    check_operand(binding, what, to, "string|list|node" if way.how == "meaning" else "string")
    if of_rows and walking.variables(to):
        binding.problem("Q308", f"{what} cannot depend on the rows that it ranks", way.to.span,
                        "give it a text or a parameter")  # fmt: skip
    weight = constant(binding, "WEIGHT", way.weight) if way.weight is not None else None
    if weight is not None:
        check_operand(binding, "WEIGHT", weight, "number")
    return bound.Way(way.how, to, weight)
