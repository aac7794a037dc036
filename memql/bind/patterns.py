"""Patterns: their variables, and as conditions everything that is asked of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from memql import ast, bound, walking
from memql.bind.expressions import BINDERS, ask_nothing, bind_condition, bind_expression
from memql.bind.names import (
    check_labels,
    check_relation_kinds,
    kinds_of,
    plain_kinds,
    property_type,
    relation_kinds_of,
)
from memql.bind.paths import (
    check_group_alone,
    check_group_names,
    check_group_passes,
    check_selected,
    names_in,
    warn_of_endless,
)
from memql.bind.times import bind_times, check_one_time, known_together, of_clause
from memql.binding import Binding, Sight
from memql.bound import Expression, Variable
from memql.typecheck import a_type, comparable
from memql.types import BOOLEAN, INTEGER, NODE, PATH, RELATION, Type, declared, list_of

Described: TypeAlias = tuple[ast.NodePattern | ast.RelationPattern, Variable]


UNNAMED = Variable(-2, "", PATH)
"""Stands for the path that nobody asks for."""


@dataclass(slots=True)
class _Pattern:
    """A pattern as it is being bound."""

    sight: Sight
    before: Sight
    """What was in sight before the pattern."""
    known: set[Variable] = field(default_factory=set)
    fresh: set[Variable] = field(default_factory=set)
    """Nodes that it binds itself."""
    nodes: list[Variable] = field(default_factory=list)
    hops: list[bound.Stretch] = field(default_factory=list)
    paths: list[bound.PathOf] = field(default_factory=list)
    acyclic: list[bound.PathOf] = field(default_factory=list)
    whole: list[bound.PathOf] = field(default_factory=list)
    """Of each path what it is made of, whether it has a name or not."""
    own: set[str] = field(default_factory=set)
    """Names of relations and paths that this pattern binds: each only once."""
    same: list[Expression] = field(default_factory=list)
    """What of it must be equal to what was known."""


def bind_pattern(
    binding: Binding,
    sight: Sight,
    paths: Sequence[ast.PathPattern],
    where: ast.Expression | None,
    *,
    optional: bool,
    times: ast.Times | None = None,
) -> tuple[bound.Pattern, Sight]:
    """The pattern, and the variables in sight behind it."""
    with binding.within(bind_times(binding, times)):
        return _bound(binding, sight, paths, where, optional)


def _bound(
    binding: Binding, sight: Sight, paths: Sequence[ast.PathPattern], where: ast.Expression | None, optional: bool
) -> tuple[bound.Pattern, Sight]:
    """First come all variables, then what is asked of them, which may refer to any."""
    made = _Pattern(sight, sight)
    described: list[Described] = []
    for path in paths:
        check_one_time(binding, path)
        warn_of_endless(binding, path)
        described += _path(binding, made, path, optional)
    conditions = [*made.same, *_conditions(binding, made, described)]
    selector = next((path.selector for path in paths if path.selector and path.selector.how != "all"), None)
    selection = None
    if selector is not None:
        check_selected(binding, paths, selector, made.known, made.whole[0])
        selection = bound.Selection(selector, made.whole[0], tuple(conditions))
        conditions = []
    if where is not None:
        conditions += walking.conjuncts(bind_condition(binding, made.sight, where))
    if binding.time is not None and binding.time.history:
        hops = [hop for hop in made.hops if isinstance(hop, bound.Hop)]
        conditions += known_together(binding, made.nodes, hops, made.known)
    return replace(_pattern(binding, made, conditions), selection=selection), made.sight


def _pattern(binding: Binding, made: _Pattern, conditions: Sequence[Expression]) -> bound.Pattern:
    nodes, known = tuple(dict.fromkeys(made.nodes)), frozenset(made.known)
    hops, paths, acyclic = tuple(made.hops), tuple(made.paths), tuple(made.acyclic)
    return bound.Pattern(nodes, hops, paths, tuple(conditions), known, acyclic, time=of_clause(binding))


def _conditions(binding: Binding, made: _Pattern, described: Sequence[Described]) -> list[Expression]:
    """What is asked of nodes and relations; what is asked of each relation of a chain is said of the hop."""
    conditions: list[Expression] = []
    for written, variable in described:
        found = _asked(binding, made.sight, written, variable)
        hop = next((hop for hop in made.hops if isinstance(hop, bound.Hop) and hop.one == variable), None)
        if hop is not None and found:
            for each in found:
                ask_nothing(binding, "a chain of relations", each)
            # What the same MATCH binds may not be there yet when a relation is passed: then it is asked behind.
            late = [each for each in found if not walking.variables(each) <= {*made.before.names.values(), variable}]
            now = tuple(each for each in found if each not in late)
            made.hops[made.hops.index(hop)] = replace(hop, each=_all_of(now) if now else None)
            passed = bound.local(hop.variable, written.span)
            conditions += [
                bound.Quantified("all", variable, passed, each, type=BOOLEAN, span=each.span) for each in late
            ]
        elif hop is None:
            conditions += found
    return conditions


def _all_of(conditions: tuple[Expression, ...]) -> Expression:
    if len(conditions) == 1:
        return conditions[0]
    return bound.Joined("AND", conditions, type=BOOLEAN, span=conditions[0].span if conditions else ast.NOWHERE)


def _path(binding: Binding, made: _Pattern, path: ast.PathPattern, optional: bool) -> list[Described]:
    nodes = [_node(binding, made, node, optional) for node in path.nodes]
    described: list[Described] = list(zip(path.nodes, nodes, strict=True))
    acyclic = path.selector is not None and path.selector.acyclic
    hops: list[bound.Stretch] = []
    for place, step in enumerate(path.relations):
        near, far = nodes[place], nodes[place + 1]
        if isinstance(step, ast.GroupPattern):
            hops.append(replace(_group(binding, made, step, near, far, optional), acyclic=acyclic))
        else:
            hop = _hop(binding, made, step, near, far, optional)
            described.append((step, hop.one or hop.variable))
            hops.append(replace(hop, acyclic=acyclic))
    made.nodes += nodes
    made.hops += hops
    name = path.variable
    of = Type("path", optional, past=binding.past)
    variable = _fresh(binding, made, name, of, "path") if name else UNNAMED
    whole = bound.PathOf(variable, tuple(nodes), tuple(hop.variable for hop in hops))
    made.whole.append(whole)
    if name is not None:
        made.paths.append(whole)
    if acyclic:
        made.acyclic.append(replace(whole, variable=UNNAMED))
    return described


def _group(
    binding: Binding, made: _Pattern, group: ast.GroupPattern, near: Variable, far: Variable, optional: bool
) -> bound.Group:
    """The pattern of a group stands for itself: of what is around it it sees what was there before the MATCH. Behind it
    its names are those of lists."""
    names = {name.name: name for name in names_in(group.path)}
    check_group_passes(binding, group)
    check_group_names(binding, made.sight, made.before, names.values())
    inner = _Pattern(made.sight.without(names), made.before)
    described = _path(binding, inner, group.path, False)
    conditions = [*inner.same, *_conditions(binding, inner, described)]
    if group.where is not None:
        conditions += walking.conjuncts(bind_condition(binding, inner.sight, group.where))
    pattern = _pattern(binding, inner, conditions)
    check_group_alone(binding, pattern, {*made.sight.names.values()} - {*made.before.names.values()})
    lists = []
    for name in names.values():
        one = inner.sight.names[name.name]
        if name.name not in made.sight.names:  # What was there before is complained of above.
            lists.append((one, _fresh(binding, made, name, Type("list", optional, one.type), "list")))
    variable = binding.variable("", Type("list", optional, RELATION.present()))
    first, last = inner.whole[0].nodes[0], inner.whole[0].nodes[-1]
    return bound.Group(variable, near, far, pattern, first, last, tuple(lists), group.hops)


def _node(binding: Binding, made: _Pattern, node: ast.NodePattern, optional: bool) -> Variable:
    if node.labels is not None:
        check_labels(binding, node.labels)
    if node.variable and (known := made.sight.names.get(node.variable.name)):
        if known.type.name not in ("node", "any", "null"):
            message = f"`{known.name}` is {a_type(known.type)}, and cannot be a node"
            hint = "use another name" + (": behind a group this one is a list" if known.type.name == "list" else "")
            binding.problem("Q108", message, node.variable.span, hint)
        if known not in made.fresh:
            made.known.add(known)
        return known
    of = Type("node", optional, kinds=kinds_of(binding, node.labels), past=binding.past)
    variable = binding.variable(node.variable.name if node.variable else "", of)
    made.fresh.add(variable)
    if node.variable:
        made.sight = made.sight.plus(variable)
    return variable


def _hop(
    binding: Binding, made: _Pattern, relation: ast.RelationPattern, near: Variable, far: Variable, optional: bool
) -> bound.Hop:
    if relation.kinds is not None:
        check_relation_kinds(binding, relation.kinds)
    kinds = relation_kinds_of(binding, relation.kinds)
    plain = plain_kinds(relation.kinds) if relation.kinds is not None else None
    of = Type("relation", optional, kinds=kinds, past=binding.past)
    one = binding.variable("", of.present()) if relation.hops else None
    whole = list_of(of) if relation.hops else of
    known = made.sight.names.get(relation.variable.name) if relation.variable else None
    if known is not None and relation.variable is not None and known.name not in made.own:
        if known.type.name not in (whole.name, "any"):
            message = f"`{known.name}` is {a_type(known.type)}, and cannot be these relations"
            binding.problem("Q108", message, relation.variable.span, "use another name")
        if relation.hops:
            # The chain that is found must be the list that is known.
            variable = binding.variable("", whole)
            pair = (bound.local(variable, relation.span), bound.local(known, relation.variable.span))
            made.same.append(bound.Compared("=", *pair, type=BOOLEAN, span=relation.variable.span))
        else:
            made.known.add(known)
            variable = known
            made.own.add(known.name)
    elif relation.variable is not None:
        variable = _fresh(binding, made, relation.variable, whole, "relation")
    else:
        variable = binding.variable("", whole)
    fixed = plain if plain is not None else (tuple(sorted(kinds)) if kinds is not None else None)
    return bound.Hop(variable, near, far, relation.direction, fixed, relation.hops, one)


def _fresh(binding: Binding, made: _Pattern, name: ast.Name, of: Type, what: str) -> Variable:
    if name.name in made.sight.names:
        binding.problem("Q107", f"`{name.name}` is bound already", name.span, f"give this {what} a name of its own")
    variable = binding.variable(name.name, of)
    made.sight = made.sight.plus(variable)
    made.own.add(name.name)
    return variable


def _asked(
    binding: Binding, sight: Sight, pattern: ast.NodePattern | ast.RelationPattern, variable: Variable
) -> list[Expression]:
    """The conditions that the pattern puts on what it binds."""
    here = bound.local(variable, pattern.span)
    found: list[Expression] = []
    labels = pattern.labels if isinstance(pattern, ast.NodePattern) else pattern.kinds
    fixed = isinstance(pattern, ast.RelationPattern) and labels is not None and _is_fixed(binding, labels)
    if labels is not None and not fixed:
        found.append(bound.Labelled(here, labels, type=BOOLEAN.present(), span=labels.span))
    if isinstance(pattern.properties, ast.Parameter):
        hint = f"write them out: {{id: ${pattern.properties.name}.id}}"
        binding.problem("Q501", "a map of properties as a parameter is not supported", pattern.properties.span, hint)
    elif pattern.properties is not None:
        found += _equalities(binding, sight, pattern.properties, here)
    if pattern.where is not None:
        inner = sight
        if pattern.variable is not None and isinstance(pattern, ast.RelationPattern) and pattern.hops:
            inner = sight.plus(Variable(variable.number, pattern.variable.name, variable.type))
        found += walking.conjuncts(bind_condition(binding, inner, pattern.where))
    return found


def _is_fixed(binding: Binding, kinds: ast.Labels) -> bool:
    """Whether the kinds could be counted, so that expansion asks for them and no condition need."""
    return plain_kinds(kinds) is not None or relation_kinds_of(binding, kinds) is not None


def _equalities(binding: Binding, sight: Sight, properties: ast.MapOf, here: bound.Local) -> list[Expression]:
    found: list[Expression] = []
    for (name, written), key in zip(properties.entries, properties.keys, strict=True):
        with binding.aggregating(False):
            value = bind_expression(binding, sight, written)
        of = property_type(binding, here.type, name, key)
        left: Expression = (
            bound.Figure(here, name, type=declared("float"), span=here.span)
            if of is None
            else bound.Property(here, name, type=of, span=here.span)
        )
        left, value = comparable(binding, left, value)
        found.append(bound.Compared("=", left, value, type=BOOLEAN, span=written.span))
    return found


def connected(pattern: bound.Pattern) -> bool:
    """Whether every node of the pattern can be reached from every other, or was known before."""
    groups: list[set[Variable]] = [{*pattern.known, Variable(-2, "", NODE)}] if pattern.known else []
    for node in pattern.nodes:
        if not any(node in group for group in groups):
            groups.append({node})
    for hop in pattern.hops:
        first = next(group for group in groups if hop.near in group)
        second = next(group for group in groups if hop.far in group)
        if first is not second:
            first |= second
            groups.remove(second)
    for condition in pattern.conditions:
        if isinstance(condition, bound.KnownTogether):
            continue
        joined = [group for group in groups if group & walking.variables(condition)]
        for group in joined[1:]:
            joined[0] |= group
            groups.remove(group)
    return len(groups) <= 1


def _subpattern(binding: Binding, sight: Sight, written: ast.Subpattern) -> Expression:
    if written.bare and (named := written.paths[0].variable):
        hint = "EXISTS { … } tells whether a pattern is there, [p = (a)-->(b) | p] gives its paths"
        binding.problem("Q006", "a pattern can be compared with nothing", named.span.to(written.span), hint)
        return bound.Constant(None, type=BOOLEAN, span=written.span)
    with binding.aggregating(False):
        pattern, _ = bind_pattern(binding, sight, written.paths, written.where, optional=False, times=written.times)
    unknown = [each for each in _named(written) if each not in sight.names] if written.bare else []
    if unknown:
        hint = f"leave its name out, or write EXISTS {{ … }} around the pattern to introduce `{unknown[0]}`"
        binding.problem("Q104", f"unknown variable `{unknown[0]}`", written.span, hint)
    of = BOOLEAN if written.asks == "exists" else INTEGER
    answer = binding.variable(written.asks, of.present())
    return bound.Subpattern(written.asks, pattern, answer, type=of.present(), span=written.span)


def _named(written: ast.Subpattern) -> list[str]:
    """Names of its nodes and relations. Those of a group are its own."""
    steps = [each for path in written.paths for each in (*path.nodes, *path.relations)]
    return [each.variable.name for each in steps if not isinstance(each, ast.GroupPattern) and each.variable]


BINDERS[ast.Subpattern] = _subpattern
