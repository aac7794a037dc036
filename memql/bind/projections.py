"""WITH and RETURN: columns, grouping, order and pages.

What stands beside an aggregate is what is grouped by. An item that mixes both may use, outside its aggregates, only
what is grouped by elsewhere; so each group has one value for it.
"""

from dataclasses import dataclass, field
from typing import Any

from memql import ast, bound, walking
from memql.bind.constants import constant
from memql.bind.expressions import bind_condition, bind_expression
from memql.binding import Binding, Sight
from memql.bound import Aggregated, Expression, Variable
from memql.errors import Span
from memql.typecheck import check_count

Item = tuple[Variable, Expression]


@dataclass(slots=True)
class _Grouping:
    """The keys of the groups, and the aggregates that are asked of each."""

    keys: list[Item] = field(default_factory=list)
    aggregates: list[tuple[Variable, Aggregated]] = field(default_factory=list)

    def over(self, binding: Binding, expression: Expression) -> Expression:
        """The expression as it is computed of a group: each key and each aggregate is a variable by then."""

        def by(part: Any) -> Expression | None:
            if isinstance(part, Aggregated):
                return bound.local(self.aggregate(binding, part), part.span)
            variable = known.get(part) if isinstance(part, bound.Typed) else None  # type: ignore[call-overload]
            return None if variable is None else bound.local(variable, part.span)

        known = {key: variable for variable, key in self.keys[::-1]}
        return walking.rewritten(expression, by)

    def aggregate(self, binding: Binding, asked: Aggregated) -> Variable:
        for variable, known in self.aggregates:
            if known == asked:
                return variable
        variable = binding.variable(asked.function, asked.type)
        self.aggregates.append((variable, asked))
        return variable

    def variables(self) -> set[Variable]:
        return {variable for variable, _ in (*self.keys, *self.aggregates)}


def bind_projection(
    binding: Binding, sight: Sight, written: ast.Projection, where: ast.Expression | None, *, last: bool
) -> tuple[bound.Project, Sight, tuple[Variable, ...]]:
    """The projection, what is in sight behind it, and its columns."""
    named = _named_items(binding, sight, written, last=last)
    grouped = any(_has_aggregate(expression) for _, expression in named)
    grouping = _Grouping()
    if grouped:
        grouping.keys = [(variable, each) for variable, each in named if not _has_aggregate(each)]
        grouping.keys += _implied(binding, grouping.keys, named)
    hidden = [(binding.variable(f"score({v.name})", sight.scores[old].type), bound.local(sight.scores[old]))
              for v, old in _carried(named, sight)]  # fmt: skip
    if grouped:
        grouping.keys += hidden
        for variable, each in named:
            if isinstance(each, Aggregated) and all(known != each for _, known in grouping.aggregates):
                grouping.aggregates.append((variable, each))
    items = [(variable, _over_group(binding, grouping, each) if grouped else each) for variable, each in named]
    columns = tuple(variable for variable, _ in items)
    scores = dict(zip((v for v, _ in _carried(named, sight)), (v for v, _ in hidden), strict=True))
    behind = Sight({variable.name: variable for variable in columns}, scores)
    tail = _Tail(binding, sight, behind, named, grouping if grouped else None, written.distinct)
    order = tuple(bound.Sort(tail.bind(sort.expression), sort.descending) for sort in written.order)
    condition = tail.condition(where) if where is not None else None
    skip, limit = (
        _page(binding, what, each) for what, each in (("SKIP", written.skip), ("LIMIT", written.limit))
    )  # fmt: skip
    carried = tuple((variable, bound.local(variable)) for variable, _ in hidden) if grouped else tuple(hidden)
    return (
        bound.Project(
            (*items, *carried), grouped, tuple(grouping.keys), tuple(grouping.aggregates), written.distinct, order,
            skip, limit, condition,
        ),
        behind,
        columns,
    )  # fmt: skip


def _named_items(binding: Binding, sight: Sight, written: ast.Projection, *, last: bool) -> list[Item]:
    """Each column and what it is made of, as bound before grouping."""
    items: list[tuple[str, Expression, Span]] = []
    if written.star:
        if not sight.names:
            binding.problem("Q305", "there is nothing that * could stand for", written.span, "name what to return")
        items += [(name, bound.local(each, written.span), written.span) for name, each in sorted(sight.names.items())]
    for item in written.items:
        if _is_history(item, sight) and not last:
            hint = "it stands behind the patterns of a MATCH and the ways of a SEARCH, before WHERE"
            binding.problem("Q502", "WITH HISTORY has no place here", item.span, hint)
            return [(binding.variable(name, each.type), bound.local(each)) for name, each in sight.names.items()]
        with binding.aggregating(True):
            expression = bind_expression(binding, sight, item.expression)
        if item.alias is not None:
            name = item.alias.name
        elif isinstance(item.expression, ast.Name):
            name = item.expression.name
        else:
            name = _as_written(binding, item.span)
            if not last:
                binding.problem("Q304", "an expression in WITH needs a name", item.span, f"{name} AS name")
        items.append((name, expression, item.span))
    found: list[Item] = []
    names: set[str] = set()
    for name, expression, span in items:
        if name in names:
            binding.problem(
                "Q303", f"two columns are called `{name[:60]}`", span, "give one of them another name: AS …"
            )
        names.add(name)
        found.append((binding.variable(name, expression.type), expression))
    return found


def _is_history(item: ast.Item, sight: Sight) -> bool:
    """`WITH HISTORY` where it cannot ask for every version; but a variable may be called so."""
    named = item.expression
    return isinstance(named, ast.Name) and named.name.upper() == "HISTORY" and named.name not in sight.names


def _as_written(binding: Binding, span: Span) -> str:
    return binding.text[span.start : span.end].strip() or "expression"


def _has_aggregate(expression: Expression) -> bool:
    return any(isinstance(part, Aggregated) for part in walking.walked(expression))


def _implied(binding: Binding, keys: list[Item], named: list[Item]) -> list[Item]:
    """What is grouped by without being a column: `m {.text, score: s, names: collect(e.name)}` is one map for each m
    and s."""
    found: list[Expression] = []
    for part in (part for _, each in named if _has_aggregate(each) for part in walking.walked(each)):
        if isinstance(part, bound.Projected) and _has_aggregate(part):
            plain = (each for _, each in part.entries if not _has_aggregate(each))
            own = walking.variables(part.of)
            found += [part.of, *(each for each in plain if not walking.variables(each) <= own)]
    known = {each for _, each in keys}
    fresh = [each for each in dict.fromkeys(found) if each not in known]
    names = [each.variable.name if isinstance(each, bound.Local) else "" for each in fresh]
    return [(binding.variable(name, each.type), each) for name, each in zip(names, fresh, strict=True)]


def _carried(named: list[Item], sight: Sight) -> list[tuple[Variable, Variable]]:
    """Each column that is a variable which SEARCH bound, and that one: its score goes with it."""
    return [
        (column, each.variable)
        for column, each in named
        if isinstance(each, bound.Local) and each.variable in sight.scores
    ]


def _over_group(binding: Binding, grouping: _Grouping, expression: Expression) -> Expression:
    made = grouping.over(binding, expression)
    loose = walking.variables(made) - grouping.variables()
    if loose:
        names = ", ".join(f"`{name}`" for name in sorted({each.name or "…" for each in loose}))
        hint = f"return {names} as a column too, so that it is grouped by; or collect(…) it"
        binding.problem("Q302", f"beside an aggregate, {names} has no one value", expression.span, hint)
    return made


@dataclass(frozen=True, slots=True)
class _Tail:
    """ORDER BY and WHERE of a projection: they see its columns, and what was in sight before it where rows are still
    the same."""

    binding: Binding
    before: Sight
    behind: Sight
    named: list[Item]
    grouping: _Grouping | None
    distinct: bool

    @property
    def sight(self) -> Sight:
        """Columns before variables. A column that only is a variable stays that one while rows are still the same."""
        columns = dict(self.behind.names)
        if self.grouping is None and not self.distinct:
            for variable, each in self.named:
                if isinstance(each, bound.Local) and each.variable.name == variable.name:
                    columns[variable.name] = each.variable
        return Sight({**self.before.names, **columns}, {**self.before.scores, **self.behind.scores})

    def bind(self, written: ast.Expression) -> Expression:
        with self.binding.aggregating(self.grouping is not None):
            return self.over(bind_expression(self.binding, self.sight, written))

    def condition(self, written: ast.Expression) -> Expression:
        return self.over(bind_condition(self.binding, self.sight, written))

    def over(self, expression: Expression) -> Expression:
        """The expression over the columns: what is written as a column is, is that column."""
        columns = {variable for variable, _ in self.named}

        def by(part: Any) -> Expression | None:
            for variable, each in self.named:
                # Where rows are still the same a variable stays itself, so that columns can be computed later.
                own = isinstance(part, bound.Local) and self.grouping is None and not self.distinct
                if part == each and not own and not isinstance(part, bound.Constant):
                    return bound.local(variable, part.span)
            return None

        made = walking.rewritten(expression, by)
        if self.grouping is not None:
            made = self.grouping.over(self.binding, made)
            columns |= self.grouping.variables()
        if self.grouping is not None or self.distinct:
            columns |= set(self.behind.scores.values())
            loose = walking.variables(made) - columns
            if loose:
                names = ", ".join(f"`{name}`" for name in sorted({each.name for each in loose}))
                why = "after grouping" if self.grouping is not None else "after DISTINCT"
                self.binding.problem("Q302", f"{why} {names} is not in sight", expression.span,
                                     "return it as a column, and use that")  # fmt: skip
        return made


def _page(binding: Binding, what: str, written: ast.Expression | None) -> Expression | None:
    if written is None:
        return None
    count = constant(binding, what, written)
    check_count(binding, what, count)
    return count
