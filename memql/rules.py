"""Better plans with the same rows. Each rule is a function from plan to plan; they are applied once, in this order.

What a rule says of itself is its reason. Before and after stand in `tests/cases/rules.md`, and on random worlds the
plan with all rules gives the rows of the plain one. A condition that can fail, such as a division, is never moved: it
is met by the rows that would have met it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from memql import ast, bound, plan, walking
from memql.bound import Expression, Variable
from memql.lower import expanded, reached_by_provenance
from memql.plan import Operator, rebuilt
from memql.types import list_of

Rule = Callable[[Operator], Operator]


def improved(operator: Operator, rules: Sequence[Rule]) -> Operator:
    """The plan after each rule in its turn."""
    for rule in rules:
        operator = rule(operator)
    return operator


# Where a pattern begins


def begin_where_least(operator: Operator) -> Operator:
    """A pattern begins at what is bound already, else at the node that an id, a value or a kind is asked of: expansion
    from one node passes its relations, expansion from all passes everyone's."""
    return _begun(operator, ())


def _begun(operator: Operator, conditions: tuple[Expression, ...]) -> Operator:
    match operator:
        case plan.Filter(conditions=own):
            return replace(operator, source=_begun(operator.source, (*conditions, *own)))
        case plan.Trace():
            return replace(operator, source=_begun(operator.source, conditions))
        case plan.Ask():
            inner = _begun(operator.inner, ())
            return replace(operator, source=_begun(operator.source, conditions), inner=inner)
        case plan.Scan() | plan.Expand():
            nodes, hops, base = _chain(operator)
            known = plan.binds(base)
            order = sorted(nodes, key=lambda node: -1 if node in known else _cost(node, conditions))
            return expanded(_begun(base, conditions), tuple(order), tuple(hops), known)
    changes = {}
    for name, below in plan.inputs(operator):
        if name != "parts":
            changes[name] = _begun(below, ())
    if isinstance(operator, plan.Union):
        return replace(operator, parts=tuple(_begun(part, ()) for part in operator.parts))
    return replace(operator, **changes) if changes else operator  # type: ignore[type-var]


def _chain(operator: Operator) -> tuple[list[Variable], list[bound.Hop], Operator]:
    """The nodes and hops of one pattern in their order, and the plan that it stands on. A relation that must be unlike
    none begins another pattern."""
    nodes: list[Variable] = []
    hops: list[bound.Hop] = []
    met: set[Variable] = set()
    while isinstance(operator, plan.Scan | plan.Expand):
        if isinstance(operator, plan.Expand):
            if hops and not _same_match(hops, operator, met):
                break
            hops.insert(0, operator.hop)
            met = {*operator.unlike}
            nodes = [operator.origin, operator.end, *nodes]
        else:
            apart = hops and not met and operator.variable not in {hops[0].near, hops[0].far}
            # What a MATCH of its own has found was seen by itself, whatever leads to it afterwards.
            if apart or operator.lasting != reached_by_provenance(operator.variable, tuple(hops)):
                break
            nodes.insert(0, operator.variable)
        operator = operator.source
    return list(dict.fromkeys(nodes)), hops, operator


def _same_match(hops: list[bound.Hop], operator: plan.Expand, met: set[Variable]) -> bool:
    """Relations of one MATCH are unlike each other: so it shows which belong together."""
    return operator.hop.variable in met


def _cost(node: Variable, conditions: tuple[Expression, ...]) -> int:
    """How many items there may be, roughly: one, a few, those of a kind, all."""
    least = 3
    for condition in conditions:
        match condition:
            case bound.Compared(operator="=", left=left, right=right) if node not in walking.variables(right):
                if _is_id(left, node):
                    return 0
                if isinstance(left, bound.Property) and _is(left.of, node):
                    least = min(least, 1)
            case bound.Call(function="IN", arguments=(left, right)) if node not in walking.variables(right):
                if _is_id(left, node):
                    return 0
            case bound.Labelled(of=of) if _is(of, node):
                least = min(least, 2)
    return least


def _is(expression: Expression, variable: Variable) -> bool:
    return isinstance(expression, bound.Local) and expression.variable == variable


def _is_id(expression: Expression, node: Variable) -> bool:
    match expression:
        case bound.Property(of=of, name="id"):
            return _is(of, node)
        case bound.Call(function="id" | "elementId", arguments=(of,)):
            return _is(of, node)
    return False


# Conditions


def filter_early(operator: Operator) -> Operator:
    """A condition is tested as soon as what it asks about is bound: what is thrown away early is expanded by nobody."""
    return rebuilt(operator, _filtered_early)


def _filtered_early(operator: Operator) -> Operator:
    if not isinstance(operator, plan.Filter):
        return operator
    source, kept = operator.source, []
    for condition in operator.conditions:
        sunk = _sunk(source, condition) if cannot_fail(condition) else None
        if sunk is None:
            kept.append(condition)
        else:
            source = sunk
    return plan.Filter(source, tuple(kept)) if kept else source


def _sunk(operator: Operator, condition: Expression) -> Operator | None:
    """The plan with the condition tested as far down in it as can be; None where that is right here on top."""
    needed = walking.variables(condition)
    match operator:
        case plan.Filter():
            below = _sunk(operator.source, condition)
            stays = below is None or (isinstance(below, plan.Filter) and below.source is operator.source)
            if stays or below is None:
                return replace(operator, conditions=(*operator.conditions, condition))
            return replace(operator, source=below)
        case plan.Scan() | plan.Expand():
            if needed <= plan.binds(operator.source) and not isinstance(operator.source, plan.Unit | plan.Argument):
                below = _sunk(operator.source, condition)
                return replace(operator, source=below or plan.Filter(operator.source, (condition,)))
            return plan.Filter(operator, (condition,))
        case plan.Trace() | plan.Unwind() | plan.Attempt() | plan.Apply() | plan.Ask():
            passes = needed <= plan.binds(operator.source)
        case plan.Project(keeps=True):
            passes = needed <= plan.binds(operator.source) - {variable for variable, _ in operator.items}
        case plan.Search(ranks=False):
            passes = needed <= plan.binds(operator.source)
        case _:
            return None
    if not passes or isinstance(operator.source, plan.Unit | plan.Argument):
        return None
    below = _sunk(operator.source, condition)
    return replace(operator, source=below or plan.Filter(operator.source, (condition,)))


_SAFE = frozenset(
    "IS NULL,IS NOT NULL,STARTS WITH,ENDS WITH,CONTAINS,id,elementId,kind,labels,type,size,toLower,toUpper,trim,"
    "coalesce,exists,valid_from,valid_to,recorded_at,retired_at,keys,properties,head,last".split(",")
)
"""Functions that have a value for every argument of their type."""


def cannot_fail(condition: Expression) -> bool:
    """Whether the condition has an answer for any row, so that it may be asked of more rows than before."""
    for part in walking.walked(condition):
        match part:
            case bound.Call(function="IN", arguments=(_, members)):
                if members.type.name != "list":
                    return False
            case bound.Call(function=function, arguments=arguments):
                anything = function in ("IS NULL", "IS NOT NULL", "coalesce", "exists", "STARTS WITH", "ENDS WITH",
                                        "CONTAINS")  # fmt: skip
                definite = all(each.type.name != "any" for each in arguments)
                if function not in _SAFE or not (anything or definite):
                    return False
            case bound.Property(of=of):
                if of.type.name not in ("node", "relation", "map", "date", "datetime"):
                    return False
            case bound.Joined(operands=operands):
                if any(each.type.name not in ("boolean", "null") for each in operands):
                    return False
            case bound.Constant() | bound.Parameter() | bound.Local() | bound.Labelled() | bound.Compared():
                pass
            case bound.ListOf() | bound.MapOf():
                pass
            case _:
                return False
    return condition.type.name in ("boolean", "null")


# What a scan can look for


def know_the_kind(operator: Operator) -> Operator:
    """A label that is a kind is a mask in memory: nothing is read to tell kinds apart."""
    return rebuilt(operator, _with_kinds)


def _with_kinds(operator: Operator) -> Operator:
    if not isinstance(operator, plan.Filter) or not isinstance(operator.source, plan.Scan | plan.Expand):
        return operator
    below = operator.source
    if isinstance(below, plan.Expand) and below.closes:
        return operator
    variable = below.variable if isinstance(below, plan.Scan) else below.end
    kinds, kept = below.kinds, []
    for condition in operator.conditions:
        found = _kinds(condition, variable)
        if found is None:
            kept.append(condition)
        else:
            kinds = found if kinds is None else kinds & found
    below = replace(below, kinds=kinds)
    return plan.Filter(below, tuple(kept)) if kept else below


def _kinds(condition: Expression, variable: Variable) -> frozenset[str] | None:
    """The kinds that the condition asks for, where that is all it asks."""
    if isinstance(condition, bound.Labelled) and _is(condition.of, variable) and variable.type.name == "node":
        names = _plain(condition.labels)
        # A label that is no kind is known by reading the item.
        return names if names is not None and variable.type.kinds is not None and names <= variable.type.kinds else None
    return None


def _plain(labels: ast.Labels) -> frozenset[str] | None:
    match labels:
        case ast.Label(name=name):
            return frozenset({name})
        case ast.JoinedLabels(operator="|", operands=operands):
            found: frozenset[str] = frozenset()
            for each in operands:
                if (names := _plain(each)) is None:
                    return None
                found |= names
            return found
    return None


def find_by_id(operator: Operator) -> Operator:
    """An id is looked up: one row of the index, however many items there are."""
    return rebuilt(operator, _found_by_id)


def _found_by_id(operator: Operator) -> Operator:
    if not isinstance(operator, plan.Filter) or not isinstance(operator.source, plan.Scan):
        return operator
    scan = operator.source
    if scan.ids is not None:
        return operator
    for condition in operator.conditions:
        ids = _ids(condition, scan)
        if ids is not None:
            kept = tuple(each for each in operator.conditions if each is not condition)
            found = replace(scan, ids=ids)
            return plan.Filter(found, kept) if kept else found
    return operator


def _ids(condition: Expression, scan: plan.Scan) -> Expression | None:
    """The list that the item's id must be in."""
    match condition:
        case bound.Compared(operator="=", left=left, right=right):
            pairs = [(left, right), (right, left)]
        case bound.Call(function="IN", arguments=(left, right)) if right.type.name == "list":
            pairs = [(left, right)]
        case _:
            return None
    known = plan.binds(scan.source)
    for one, other in pairs:
        if _is_id(one, scan.variable) and walking.variables(other) <= known and _cannot_fail_value(other):
            alone = isinstance(condition, bound.Compared)
            return bound.ListOf((other,), type=list_of(other.type), span=other.span) if alone else other
    return None


def _cannot_fail_value(expression: Expression) -> bool:
    return all(isinstance(part, bound.Constant | bound.Parameter | bound.Local | bound.ListOf | bound.Property)
               for part in walking.walked(expression))  # fmt: skip


def ask_the_graph(operator: Operator) -> Operator:
    """The graph holds declared scalars in columns: it says which items of a kind may have a value, and only those are
    read. The condition stays, so that it is MemQL's equality which decides."""
    return rebuilt(operator, _asking)


def _asking(operator: Operator) -> Operator:
    if not isinstance(operator, plan.Filter) or not isinstance(operator.source, plan.Scan):
        return operator
    scan = operator.source
    if scan.kinds is None or scan.ids is not None or scan.equals:
        return operator
    equals = []
    for condition in operator.conditions:
        if isinstance(condition, bound.Compared) and condition.operator == "=":
            for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
                plain = isinstance(other, bound.Constant | bound.Parameter)
                if plain and isinstance(one, bound.Property) and _is(one.of, scan.variable):
                    equals.append((one.name, other))
    return replace(operator, source=replace(scan, equals=tuple(equals))) if equals else operator


# Pages


def compute_late(operator: Operator) -> Operator:
    """Columns that the order does not ask for are computed behind it, and behind the page: for the rows that are
    left."""
    return rebuilt(operator, _computed_late)


def _computed_late(operator: Operator) -> Operator:
    match operator:
        case plan.Order(source=plan.Project(keeps=True) as project, by=by):
            made = {variable for variable, _ in project.items}
            if not any(walking.variables(sort.expression) & made for sort in by):
                return replace(project, source=_computed_late(replace(operator, source=project.source)))
        case plan.Page(source=plan.Project() as project):
            return replace(project, source=_computed_late(replace(operator, source=project.source)))
    return operator


def only_the_first(operator: Operator) -> Operator:
    """A page of what is sorted needs no more rows in order than it shows and skips."""
    return rebuilt(operator, _first)


def _first(operator: Operator) -> Operator:
    match operator:
        case plan.Page(source=plan.Order(first=()) as order, limit=limit) if limit is not None:
            first = tuple(each for each in (operator.skip, limit) if each is not None)
            return replace(operator, source=replace(order, first=first))
    return operator


def project_once(operator: Operator) -> Operator:
    """Columns that are chosen and then chosen again are chosen once."""
    return rebuilt(operator, _projected_once)


def _projected_once(operator: Operator) -> Operator:
    match operator:
        case plan.Project(source=plan.Project(keeps=False) as inner, keeps=False):
            own = dict(inner.items)
            if all(isinstance(each, bound.Local) and each.variable in own for _, each in operator.items):
                items = tuple((v, own[each.variable]) for v, each in operator.items if isinstance(each, bound.Local))
                return _projected_once(replace(inner, items=items))
        case plan.Project(source=plan.Project(keeps=True) as inner, keeps=False):
            own = dict(inner.items)
            if all(isinstance(each, bound.Local) for _, each in operator.items) and all(
                not walking.variables(each) & own.keys() for each in own.values()
            ):
                items = tuple(
                    (v, own.get(each.variable, each)) for v, each in operator.items if isinstance(each, bound.Local)
                )
                return replace(operator, source=inner.source, items=items)
    return operator


RULES: tuple[Rule, ...] = (
    begin_where_least,
    filter_early,
    know_the_kind,
    find_by_id,
    ask_the_graph,
    compute_late,
    only_the_first,
    project_once,
)
