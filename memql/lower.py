"""`bound` → the plain plan: clause by clause as written, everything scanned, conditions after everything is there.

It is not fast, and nothing in it is clever: it is what every better plan must agree with.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from memql import bound, plan, walking
from memql.ast import Direction
from memql.bound import Expression, Variable
from memql.catalog import LASTING
from memql.plan import Operator
from memql.types import BOOLEAN
from memql.verbs import Curate

FLIPPED: dict[Direction, Direction] = {"out": "in", "in": "out", "any": "any"}


def lower(query: bound.Query) -> Operator:
    """The plain plan of a query."""
    made = _united(query.parts, query.alls, plan.Unit())
    return plan.TimeScope(made, query.time) if query.time is not None else made


def _united(parts: tuple[bound.Part, ...], alls: tuple[bool, ...], row: Operator) -> Operator:
    """The parts of a query one after the other, each beginning with that row."""
    made, columns = _part(parts[0], row), parts[0].columns
    for other, whole in zip(parts[1:], alls, strict=True):
        made = plan.Union((made, _part(other, row)), (columns, other.columns), columns)
        if not whole:
            made = plan.Distinct(made, columns)
    return made


def _part(part: bound.Part, row: Operator) -> Operator:
    if isinstance(part.clauses[-1], Curate):
        return _clauses(part.clauses, row)  # Its columns are counts, made when all is done.
    # Scores that are carried along are no columns.
    return _narrowed(_clauses(part.clauses, row), part.columns)


def _clauses(clauses: tuple[bound.Clause, ...], row: Operator) -> Operator:
    made = row
    for clause in clauses:
        match clause:
            case bound.Match():
                made = _match(made, clause)
            case bound.Unwind():
                made, source = _asked(made, clause.source)
                made = plan.Unwind(made, source, clause.variable)
            case bound.Search():
                made = _search(made, clause)
            case bound.Project():
                made = _project(made, clause)
            case bound.Apply():
                inner = _united(clause.parts, clause.alls, plan.Argument(clause.takes))
                given = tuple(zip(clause.columns, map(bound.local, clause.parts[0].columns), strict=True))
                made = plan.Apply(made, plan.Project(inner, given), clause.columns)
            case Curate():
                made = _curate(made, clause)
    return made


def _curate(source: Operator, clause: Curate) -> Operator:
    made, steps = source, []

    def by(expression: Expression) -> Expression:
        nonlocal made
        made, plain = _asked(made, expression)
        return plain

    for step in clause.steps:
        steps.append(step.rewritten(by))
    return plan.Curate(made, tuple(steps))


# Patterns


def _match(source: Operator, clause: bound.Match) -> Operator:
    pattern = clause.pattern
    if not clause.optional:
        return lower_pattern(source, pattern)
    inner = lower_pattern(_row(walking.taken_by(pattern) & plan.binds(source)), pattern)
    # What a question inside of it was answered is asked for by nobody behind it.
    own = {each for each in plan.binds(inner) - plan.binds(source) if each.number >= 0}
    return plan.Attempt(source, inner, _sorted(own))


def _row(variables: Iterable[Variable]) -> plan.Argument:
    return plan.Argument(_sorted(variables))


def _sorted(variables: Iterable[Variable]) -> tuple[Variable, ...]:
    return tuple(sorted(variables, key=lambda each: each.number))


def lower_pattern(source: Operator, pattern: bound.Pattern, *, again: bool = False) -> Operator:
    """Scans the first node that is written, and goes on from what is bound. `again`: as one time through a group."""
    if pattern.selection is not None:
        made = _chosen(source, pattern, pattern.selection)
    else:
        made = expanded(source, pattern.nodes, pattern.hops, pattern.known, pattern.time, again=again)
        for path in pattern.acyclic:
            made = plan.Acyclic(made, path)
    for path in pattern.paths:
        made = plan.Trace(made, path)
    joined = {end for hop in pattern.hops for end in (hop.near, hop.far)}
    # What an OPTIONAL MATCH did not find is no node, and matches nothing.
    alone = tuple(_is_there(node) for node in pattern.nodes if node in pattern.known - joined and node.type.nullable)
    return filtered(made, (*alone, *pattern.conditions))


def _chosen(source: Operator, pattern: bound.Pattern, selection: bound.Selection) -> Operator:
    """All that fits, of which the selector takes some; what is asked of the path itself is asked before."""
    plain = replace(pattern, paths=(), selection=None, conditions=selection.conditions)
    inner = lower_pattern(_row(walking.taken_by(plain) & plan.binds(source)), plain)
    own = {each for each in plan.binds(inner) - plan.binds(source) if each.number >= 0}
    return plan.Choose(source, inner, selection.selector, selection.path, plain, _sorted(own))


def _is_there(node: Variable) -> Expression:
    return bound.Call("IS NOT NULL", (bound.local(node),), type=BOOLEAN.present())


def expanded(
    source: Operator,
    nodes: tuple[Variable, ...],
    hops: tuple[bound.Stretch, ...],
    known: frozenset[Variable],
    time: bound.Time | None = None,
    *,
    again: bool = False,
) -> Operator:
    """All of these hops, each from an end that is bound by then; nodes are scanned in the order given. `again`: it is
    one time through a group, of which the whole is looked at behind the last."""
    made, have, left = source, set(known), list(hops)
    through = again or _may_pass_what_ended(hops)
    passed: list[Variable] = []
    for node in nodes:
        if node not in have:
            made = plan.Scan(made, node, lasting=reached_by_provenance(node, hops), time=time)
            have.add(node)
        while hop := next((hop for hop in left if hop.near in have or hop.far in have), None):
            left.remove(hop)
            onwards = hop.near in have
            origin, end = (hop.near, hop.far) if onwards else (hop.far, hop.near)
            if isinstance(hop, bound.Group):
                made = replace(_repeated(made, hop, onwards, end in have, tuple(passed)), time=time)
                have |= {outside for _, outside in hop.lists}
            else:
                direction = hop.direction if onwards else FLIPPED[hop.direction]
                closes, twice = end in have, hop.variable in have
                made = plan.Expand(
                    made, hop, origin, end, direction, closes, twice, tuple(passed), time=time, through=through
                )
            have |= {end, hop.variable}
            passed.append(hop.variable)
    if not through or again:
        return made
    own = dict.fromkeys(node for hop in hops for node in (hop.near, hop.far))
    before = tuple(node for node in own if node in known)
    return plan.InSight(made, tuple(node for node in own if node not in known), tuple(passed), before, time)


def _may_pass_what_ended(hops: tuple[bound.Stretch, ...]) -> bool:
    """Whether a lasting relation may lead to an item from which the pattern goes on, or be met from its other end: a
    single hop from here to there asks that of its ends alone."""
    lasting = [hop for hop in hops if _has_lasting(hop)]
    if len(lasting) != 1:
        return bool(lasting)
    (only,) = lasting
    if isinstance(only, bound.Group) or only.hops is not None:
        return True
    return only.near == only.far or only.direction == "any"


def _has_lasting(hop: bound.Stretch) -> bool:
    if isinstance(hop, bound.Group):
        return any(map(_has_lasting, hop.pattern.hops))
    return hop.kinds is None or bool(LASTING & set(hop.kinds))


def _repeated(
    source: Operator, group: bound.Group, onwards: bool, closes: bool, passed: tuple[Variable, ...]
) -> plan.Repeat:
    origin, end = (group.near, group.far) if onwards else (group.far, group.near)
    begin, finish = (group.first, group.last) if onwards else (group.last, group.first)
    nodes = dict.fromkeys((begin, *group.pattern.nodes))
    pattern = replace(group.pattern, nodes=tuple(nodes), known=frozenset({begin}))
    inner = lower_pattern(_row(walking.taken_by(pattern)), pattern, again=True)
    return plan.Repeat(source, inner, group, origin, end, begin, finish, closes, passed)


def reached_by_provenance(node: Variable, hops: tuple[bound.Stretch, ...]) -> bool:
    """Whether a hop may lead here through a lasting kind: then it must not matter from which side it is looked at."""
    if any(_may_last(hop, node) for hop in hops):
        return True
    # A chain of no relations is one node under two names.
    same = any(hop.hops is not None and hop.hops.least == 0 and node in (hop.near, hop.far) for hop in hops)
    return same and any(map(_has_lasting, hops))


def _may_last(hop: bound.Stretch, node: Variable) -> bool:
    if isinstance(hop, bound.Group):
        ends = ((hop.near, hop.first), (hop.far, hop.last))
        return any(outer == node and reached_by_provenance(inner, hop.pattern.hops) for outer, inner in ends)
    if hop.kinds is not None and not LASTING & set(hop.kinds):
        return False
    return (hop.far == node and hop.direction != "in") or (hop.near == node and hop.direction != "out")


# Conditions and expressions


def filtered(source: Operator, conditions: tuple[Expression, ...]) -> Operator:
    made, kept = source, []
    for condition in conditions:
        made, plain = _asked(made, condition)
        kept.append(plain)
    return plan.Filter(made, tuple(kept)) if kept else made


def _asked(source: Operator, expression: Expression) -> tuple[Operator, Expression]:
    """The expression without subpatterns: each is answered before, as a value of the row."""
    made = source

    def by(part: Any) -> Expression | None:
        nonlocal made
        if isinstance(part, bound.Subquery):
            made, variable = _queried(made, part)
            return bound.local(variable, part.span)
        if not isinstance(part, bound.Subpattern):
            return None
        inner = lower_pattern(_row(walking.variables(part)), part.pattern)
        variable = _answer(part)
        made = plan.Ask(made, inner, part.asks, variable)
        return bound.local(variable, part.span)

    plain = walking.rewritten(expression, by)
    return made, plain


def _queried(source: Operator, part: bound.Subquery) -> tuple[Operator, Variable]:
    """The plan that answers the question, and the variable that holds its answer."""
    row: Operator = _row(walking.variables(part))
    other = tuple(pair for pair in part.takes if pair[1] != bound.local(pair[0]))
    if other:
        row = plan.Project(row, other, keeps=True)
    columns, (*before, last) = part.parts[0].columns, part.parts[0].clauses
    variable = _answer(part)
    apart = all(isinstance(clause, bound.Match | bound.Unwind) for clause in before)
    if len(part.parts) == 1 and apart and isinstance(last, bound.Project) and _is_plain(last):
        # Rows never meet, so that the question is asked for many at once.
        inner = _clauses(tuple(before), row)
        for column, each in last.items:
            inner, plain = _asked(inner, each)
            inner = plan.Project(inner, ((column, plain),), keeps=True)
    else:
        inner = _united(part.parts, part.alls, row)
    return plan.Ask(source, inner, part.asks, variable, columns[0] if part.asks == "collect" else None), variable


def _is_plain(project: bound.Project) -> bool:
    paged = project.skip is not None or project.limit is not None
    return not (project.grouped or project.distinct or project.order or paged or project.where)


def _answer(part: bound.Subpattern | bound.Subquery) -> Variable:
    """The variable that holds what it says, numbered as nothing is that a query names."""
    return Variable(-part.answer.number - 3, part.asks, part.type)


# Clauses


def _search(source: Operator, clause: bound.Search) -> Operator:
    """A condition that asks about other variables too is asked for each row, of what the others leave."""
    variable = clause.variable
    among = beside = None
    ways = []
    for way in clause.ways:
        source, to = _asked(source, way.to)
        ways.append(replace(way, to=to))
    if clause.bound:
        source = filtered(source, clause.conditions)
    else:
        own = tuple(each for each in clause.conditions if walking.variables(each) <= {variable})
        among = filtered(plan.Scan(plan.Unit(), variable, time=clause.time), own)
        others = tuple(each for each in clause.conditions if not walking.variables(each) <= {variable})
        if others:
            handed = {variable}.union(*map(walking.variables, others))
            row = plan.Argument(tuple(sorted(handed, key=lambda each: each.number)))
            beside = filtered(row, others)
    return plan.Search(
        source, variable, clause.bound, tuple(ways), clause.fusion, among, beside, clause.limit, clause.score,
        clause.total, clause.time,
    )  # fmt: skip


def _project(source: Operator, clause: bound.Project) -> Operator:
    """Columns are computed beside what there is, so that ORDER BY and WHERE may use both; then only they are left."""
    made = source
    if clause.grouped:
        keys, aggregates = [], []
        for variable, key in clause.keys:
            made, plain = _asked(made, key)
            keys.append((variable, plain))
        for variable, aggregated in clause.aggregates:
            made, asked = _asked(made, aggregated)
            assert isinstance(asked, bound.Aggregated)
            aggregates.append((variable, asked))
        made = plan.Aggregate(made, tuple(keys), tuple(aggregates))
    items = []
    for variable, expression in clause.items:
        made, plain = _asked(made, expression)
        items.append((variable, plain))
    computed = tuple((v, each) for v, each in items if not (isinstance(each, bound.Local) and each.variable == v))
    columns = tuple(variable for variable, _ in items)
    made = plan.Project(made, computed, keeps=True) if computed else made
    if clause.distinct:
        made = plan.Distinct(_narrowed(made, columns), columns)
    if clause.order:
        by = []
        for sort in clause.order:
            made, plain = _asked(made, sort.expression)
            by.append(bound.Sort(plain, sort.descending))
        made = plan.Order(made, tuple(by))
    if clause.skip is not None or clause.limit is not None:
        made = plan.Page(made, clause.skip, clause.limit)
    if clause.where is not None:
        made = filtered(made, (clause.where,))
    return _narrowed(made, columns)


def _narrowed(source: Operator, columns: tuple[Variable, ...]) -> Operator:
    return plan.Project(source, tuple((column, bound.local(column)) for column in columns))
