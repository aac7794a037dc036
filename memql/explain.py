"""Plans as people and programs read them: a tree of nodes, each an operator with what it does, and that tree as text.

Where an operator reads the tenant the node says from which store, as of when, and what is seen there; behind a SEARCH
it says whether it chooses before the search or among what the search has left.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from memql import bound, plan
from memql.bound import Expression, Variable
from memql.compiled import Compiled
from memql.estimating import Estimate, Estimates
from memql.expressed import label, shown, understood
from memql.footprint import footprint
from memql.plan import Operator
from memql.printer import WAYS, printed
from memql.spelling import member, quantifier_text, selector_text
from memql.verbs import Step
from memql.waking import wakes

Costs = Mapping[int, tuple[int, float]]
"""Rows and seconds of each operator, by its identity."""

NOW = "now"
"""When a query reads that names no time: what is known now and true now."""
SCOPE = "only what who asks may see"


NO_ESTIMATES: Estimates = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PlanNode:
    """An operator of a plan. `role`: what it is to the one above it; empty: what that one draws its rows from.
    `engine`: where it looks; empty: at the rows it is given. `filtering`: whether it chooses before a search or after,
    and `of` which variables. `time` and `sees` are there where it reads the tenant. `rows`, `ms` (its own) and
    `total_ms` (with all beneath it) are there for PROFILE."""

    operator: str
    detail: str
    role: str = ""
    engine: str = ""
    filtering: Literal["", "pre", "post"] = ""
    of: tuple[str, ...] = ()
    time: str = ""
    sees: str = ""
    estimated_rows: float | None = None
    reason: str = ""
    emitted: str = ""
    rows: int | None = None
    ms: float | None = None
    total_ms: float | None = None
    children: tuple["PlanNode", ...] = ()


def explained(
    compiled: Compiled, stage: str = "", costs: Costs | None = None, estimates: Estimates | None = None
) -> str:
    """The query at that stage: as it was read, as it was understood, or (the default) as it is run."""
    match stage:
        case "AST":
            return printed(compiled.statement.query)
        case "BOUND":
            return understood(compiled.query)
    lines = [
        *_lines(plan_tree(compiled.plan, costs, compiled.estimates if estimates is None else estimates), 0, whole=True)
    ]
    if stage == "LIVE":
        lines += ["woken by:", *(f"  {line}" for line in wakes(footprint(compiled.query)))]
    return "\n".join(lines)


def plan_text(operator: Operator) -> str:
    """A plan alone, as the tests read it."""
    return "\n".join(_lines(plan_tree(operator), 0, whole=False))


# Plans as trees


def plan_tree(operator: Operator, costs: Costs | None = None, estimates: Estimates = NO_ESTIMATES) -> PlanNode:
    return _Planned(costs, estimates).node(operator, "", NOW, ())


@dataclass(frozen=True, slots=True)
class _Planned:
    costs: Costs | None
    estimates: Estimates

    def node(self, operator: Operator, role: str, time: str, sought: tuple[str, ...]) -> PlanNode:
        """`time` is the scope that it stands in, `sought` what is searched for where it stands before a search."""
        name, detail = described(operator)
        time = detail if isinstance(operator, plan.TimeScope) else time
        own = (
            operator.time
            if isinstance(operator, plan.Scan | plan.Expand | plan.Repeat | plan.Seek | plan.Search)
            else None
        )
        after = tuple(map(label, _post_filtered(operator)))
        engine = _engine(operator)
        estimate = self.estimates.get(id(operator), Estimate())
        rows, ms, total = self._cost(operator)
        lasting = isinstance(operator, plan.Scan) and operator.lasting
        return PlanNode(
            name, detail, role, engine,
            filtering="pre" if sought else "post" if after else "",
            of=sought or after,
            time=(time_text(own) if own is not None else time) if engine else "",
            sees=(f"{SCOPE}, retired or not" if lasting else SCOPE) if engine else "",
            estimated_rows=estimate.rows, reason=estimate.reason, emitted=estimate.emitted,
            rows=rows, ms=ms, total_ms=total,
            children=tuple(self._children(operator, time, sought)),
        )  # fmt: skip

    def _children(self, operator: Operator, time: str, sought: tuple[str, ...]) -> Iterator[PlanNode]:
        for place, below in plan.inputs(operator):
            if not isinstance(below, plan.Unit):
                before = isinstance(operator, plan.Search) and place in ("among", "beside")
                names = (label(operator.variable),) if before and isinstance(operator, plan.Search) else sought
                yield self.node(below, _role(operator, place), time, names)

    def _cost(self, operator: Operator) -> tuple[int | None, float | None, float | None]:
        if self.costs is None:
            return None, None, None
        rows, seconds = self.costs.get(id(operator), (0, 0.0))
        beneath = sum(self.costs.get(id(each), (0, 0.0))[1] for _, each in plan.inputs(operator))
        return rows, round(max(seconds - beneath, 0) * 1000, 3), round(seconds * 1000, 3)


def _role(above: Operator, place: str) -> str:
    """What the operator at that place is to the one above it."""
    each_row = _INNER.get(type(above), "each row")
    return {"among": "pre-filter", "beside": "pre-filter of each row", "inner": each_row, "otherwise": "otherwise"}.get(
        place, ""
    )


_INNER = {plan.Repeat: "each time", plan.Choose: "all that fit"}


def _engine(operator: Operator) -> str:
    """Where an operator looks that reads the tenant."""
    match operator:
        case plan.Scan(ids=ids, equals=equals):
            return "index" if ids is not None else "graph" if equals else "columns"
        case plan.Expand() | plan.Seek():
            return "adjacency"
        case plan.FromGraph():
            return "graph"
        case plan.Search(ways=ways):
            return ", ".join(dict.fromkeys(_LOOKS[way.how] for way in ways))
    return ""


_LOOKS = {"meaning": "vectors", "words": "texts", "graph": "adjacency"}
"""Where each way of a search looks."""


def walked(node: PlanNode, depth: int = 0) -> Iterator[tuple[int, PlanNode]]:
    """The node and all beneath it, top down, each with how deep it stands."""
    yield depth, node
    for child in node.children:
        yield from walked(child, depth + 1)


# Trees as text


def _lines(node: PlanNode, depth: int, *, whole: bool) -> Iterator[str]:
    """`whole`: with where each looks, and what it was thought to give or gave."""
    after = f" (post-filter of {', '.join(node.of)})" if node.filtering == "post" else ""
    line = f"{'  ' * depth}{node.operator}{f' {node.detail}' if node.detail else ''}{after}"
    yield f"{line:<72}  {_figures(node)}".rstrip() if whole and _figures(node) else line
    if whole and node.emitted:
        yield from (f"{'  ' * depth}  | {each}" for each in node.emitted.splitlines())
    for child in node.children:
        if child.role:
            yield f"{'  ' * (depth + 1)}{child.role}:"
        yield from _lines(child, depth + (2 if child.role else 1), whole=whole)


def _figures(node: PlanNode) -> str:
    parts = [] if node.rows is None else [f"{node.rows:>9,} rows {node.ms or 0:>9.2f} ms"]
    if node.estimated_rows is not None:
        parts.append(f"about {node.estimated_rows:,.0f} {'row' if node.estimated_rows == 1 else 'rows'}")
    if node.engine:
        parts.append(f"[{node.engine}]")
    return "  ".join([*parts, *([node.reason] if node.reason else [])])


def _post_filtered(operator: Operator) -> Sequence[Variable]:
    """What searches beneath have bound and it chooses among."""
    match operator:
        case plan.Filter():
            after = _searched(operator.source)
        case plan.Expand():
            after = _searched(operator.source) & {operator.origin, operator.end}
        case _:
            return ()
    return sorted(after, key=lambda each: each.number)


def _searched(operator: Operator) -> set[Variable]:
    """What searches beneath have bound."""
    found = {operator.variable} if isinstance(operator, plan.Search) else set()
    below = (each for place, each in plan.inputs(operator) if place == "source")
    return found.union(*map(_searched, below))


# Operators


def described(operator: Operator) -> tuple[str, str]:
    """An operator's name, and what it does."""
    match operator:
        case plan.Scan():
            name, node = _scan(operator)
            return name, node + _at(operator)
        case plan.Expand():
            return "Expand", _expand(operator) + _at(operator)
        case plan.FromGraph():
            return "FromGraph", _from_graph(operator)
        case plan.Repeat():
            return "Repeat", _repeat(operator) + _at(operator)
        case plan.Choose(selector=selector, path=path, pattern=pattern):
            return "Choose", f"{selector_text(selector)} {path_text(path, pattern)}"
        case plan.Seek():
            return "Seek", _seek(operator) + _at(operator)
        case plan.InSight(nodes=nodes):
            return "InSight", ", ".join(label(each) for each in nodes)
        case plan.Acyclic(path=path):
            return "Acyclic", f"through {', '.join(label(each) for each in path.nodes)}"
        case plan.Trace(path=path):
            return "Trace", f"{label(path.variable)}"
        case plan.Filter(conditions=conditions):
            return "Filter", " AND ".join(shown(each, 3) for each in conditions)
        case plan.Attempt(variables=variables):
            return "Optional", ", ".join(label(each) for each in variables)
        case plan.Apply(variables=variables):
            return "Apply", ", ".join(label(each) for each in variables)
        case plan.Ask(asks=asks, variable=variable, column=column):
            return asks.capitalize(), f"{label(column)} AS {label(variable)}" if column else label(variable)
        case plan.Search():
            return "Search", _search(operator) + _at(operator)
        case plan.Unwind(list=members, variable=variable):
            return "Unwind", f"{shown(members)} AS {label(variable)}"
        case plan.Project(items=items, keeps=keeps):
            return ("Extend" if keeps else "Project"), ", ".join(_item(*item) for item in items)
        case plan.Aggregate(keys=keys, aggregates=aggregates):
            by = f"by {', '.join(_item(*key) for key in keys)}: " if keys else ""
            return "Aggregate", by + ", ".join(_item(*each) for each in aggregates)
        case plan.Distinct(variables=variables):
            return "Distinct", ", ".join(label(each) for each in variables)
        case plan.Order(by=by, first=first):
            sorts = ", ".join(shown(each.expression) + (" DESC" if each.descending else "") for each in by)
            return ("Top", f"{' + '.join(map(shown, first))} by {sorts}") if first else ("Sort", f"by {sorts}")
        case plan.Page(skip=skip, limit=limit):
            parts = [f"{word} {shown(each)}" for word, each in (("skip", skip), ("limit", limit)) if each is not None]
            return "Page", ", ".join(parts)
        case plan.TimeScope(time=time):
            return "TimeScope", time_text(time)
        case plan.Curate(steps=steps):
            return "Curate", ", ".join(map(_step, steps))
        case plan.Argument(variables=variables):
            return "Row", ", ".join(label(each) for each in variables)
    return type(operator).__name__, ""


def _scan(scan: plan.Scan) -> tuple[str, str]:
    kinds = f":{'|'.join(sorted(scan.kinds))}" if scan.kinds is not None else ""
    node = f"({label(scan.variable)}{kinds})" + (" retired or not" if scan.lasting else "")
    if scan.ids is not None:
        match scan.ids:
            case bound.ListOf(members=(only,)):
                return "Lookup", f"{node} by id {shown(only)}"
        return "Lookup", f"{node} by id in {shown(scan.ids)}"
    if scan.equals:
        return "Scan", f"{node} by {', '.join(f'{name} = {shown(value)}' for name, value in scan.equals)}"
    return "Scan", node


def _expand(expand: plan.Expand) -> str:
    hop = expand.hop
    inside = label(hop.variable) if hop.variable.name else ""
    inside += f":{'|'.join(hop.kinds)}" if hop.kinds is not None else ""
    if hop.hops is not None:
        most = "" if hop.hops.most is None else hop.hops.most
        inside += f"*{hop.hops.least}..{most}"
        inside += {"": "", "one": " shortest", "all": " all shortest"}[hop.hops.shortest]
    left, right = ("<-" if expand.direction == "in" else "-"), ("->" if expand.direction == "out" else "-")
    kinds = f":{'|'.join(sorted(expand.kinds))}" if expand.kinds is not None else ""
    line = f"({label(expand.origin)}){left}{f'[{inside}]' if inside else ''}{right}({label(expand.end)}{kinds})"
    line += " closing" if expand.closes else ""
    line += " acyclic" if hop.acyclic and hop.hops is not None else ""
    if hop.each is not None:
        line += f" each {shown(hop.each)}"
    others = [label(each) for each in expand.unlike]
    return line + (f" unlike {', '.join(others)}" if others else "")


def _seek(seek: plan.Seek) -> str:
    """The path, from which end it is sought, and what is asked on the way."""
    line = f"{selector_text(seek.selector)} {path_text(seek.path, seek.pattern)} from {label(seek.origin)}"
    line += " closing" if seek.closes else ""
    line += "" if seek.route.straight and seek.selector.count == 1 else ", path by path"
    asked = [condition for leg in seek.route.legs for condition in leg.conditions]
    asked += [condition for arrival in seek.route.arrivals for condition in arrival.conditions]
    return f"{line} asking {shown_all(tuple(dict.fromkeys(asked)))}" if asked else line


def path_text(path: bound.PathOf, pattern: bound.Pattern) -> str:
    """A path as one would write it, without what is asked of its nodes."""
    by_variable = {hop.variable: hop for hop in pattern.hops}
    written = f"({label(path.nodes[0])})"
    for variable, node in zip(path.hops, path.nodes[1:], strict=True):
        written += f"{_stretch(by_variable[variable])}({label(node)})"
    return written


def _stretch(hop: bound.Stretch) -> str:
    if isinstance(hop, bound.Group):
        inner = hop.pattern
        written = f"({label(hop.first)})"
        for each in inner.hops:
            written += f"{_stretch(each)}({label(each.far)})"
        asked = f" WHERE {shown_all(inner.conditions)}" if inner.conditions else ""
        return f"({written}{asked}){quantifier_text(hop.hops)}"
    inside = (label(hop.variable) if hop.variable.name else "") + (f":{'|'.join(hop.kinds)}" if hop.kinds else "")
    left, right = ("<-" if hop.direction == "in" else "-"), ("->" if hop.direction == "out" else "-")
    times = quantifier_text(hop.hops) if hop.hops is not None else ""
    return f"{left}{f'[{inside}]' if inside else ''}{right}{times}"


def shown_all(conditions: Sequence[Expression]) -> str:
    return " AND ".join(shown(each, 3) for each in conditions)


def _from_graph(match: plan.FromGraph) -> str:
    kinds = {node: f":{'|'.join(sorted(own))}" for node, own in match.kinds}
    hops = []
    for hop in match.hops:
        near, far = (f"({label(node)}{kinds.pop(node, '')})" for node in (hop.near, hop.far))
        inside = f"{label(hop.variable) if hop.variable.name else ''}:{'|'.join(hop.kinds or ())}"
        hops.append(f"{near}<-[{inside}]-{far}" if hop.direction == "in" else f"{near}-[{inside}]->{far}")
    line = ", ".join(hops)
    line += f" WHERE {' AND '.join(shown(each, 3) for each in match.conditions)}" if match.conditions else ""
    apart = [f"{label(one)} unlike {label(other)}" for one, other in match.unlike]
    return f"{line} {', '.join(apart)}".rstrip()


def _repeat(repeat: plan.Repeat) -> str:
    """From where to where, how often, and what each time stands in the lists outside."""
    hops = repeat.hop.hops
    line = f"({label(repeat.origin)})-{{{hops.least},{'' if hops.most is None else hops.most}}}-({label(repeat.end)})"
    line += " closing" if repeat.closes else ""
    line += f" from {label(repeat.begin)} to {label(repeat.finish)}"
    lists = [label(outside) for _, outside in repeat.hop.lists]
    line += f" lists {', '.join(lists)}" if lists else ""
    line += " acyclic" if repeat.hop.acyclic else ""
    others = [label(each) for each in repeat.unlike]
    return line + (f" unlike {', '.join(others)}" if others else "")


def _search(search: plan.Search) -> str:
    limit = shown(search.limit) if search.limit is not None else "10"
    what = "rank" if search.ranks else "find"
    fusion = search.fusion
    fused = f" fuse {fusion.how}" if fusion != bound.Fusion() else ""
    fused += f" {shown(fusion.option)}" if fusion.option is not None else ""
    return f"{what} {label(search.variable)} {', '.join(map(_way, search.ways))}{fused} limit {limit}"


def _way(way: bound.Way) -> str:
    line = f"{WAYS[way.how].lower()} {shown(way.to)}"
    line += f" on {', '.join(map(member, way.on))}" if way.on is not None else ""
    line += f" within {shown(way.within)}" if way.within is not None else ""
    return line + (f" weight {shown(way.weight)}" if way.weight is not None else "")


def time_text(time: bound.Time) -> str:
    """A time as one would say it."""
    until = f" to {shown(time.until)}" if time.until is not None else ""
    said = (("as of", time.as_of), ("valid at", time.valid_at), ("valid during", time.during))
    parts = [
        f"{word} {shown(each)}{until if word == 'valid during' else ''}" for word, each in said if each is not None
    ]
    return ", ".join([*parts, "with history"] if time.history else parts)


def _at(operator: plan.Scan | plan.Expand | plan.Repeat | plan.Seek | plan.Search) -> str:
    return f" {time_text(operator.time)}" if operator.time is not None else ""


def _step(step: Step) -> str:
    """A step in a few words: what it does, to or with what, and what it sets."""
    named = f"{label(step.subject)}{f':{step.kind}' if step.kind else ''}{''.join(f':{each}' for each in step.labels)}"
    does = f"{step.does} ({named})" if step.does in ("remember", "meet") else f"{step.does} {label(step.subject)}"
    if step.ends:
        source, target = map(label, step.ends)
        does = f"link ({source})-[{named if step.subject.name else f':{step.kind}'}]->({target})"
    does += f" with {label(step.other)}" if step.other else ""
    if step.values:
        does += f" {{{', '.join(f'{name}: {shown(value)}' for name, value in step.values)}}}"
    does += f" from {', '.join(map(shown, step.sources))}" if step.sources else ""
    for word, each in (("because", step.because), ("valid", step.valid_from), ("to", step.valid_to)):
        does += f" {word} {shown(each)}" if each is not None else ""
    return does


def _item(variable: Variable, expression: Expression) -> str:
    value = shown(expression)
    return value if value == variable.name else f"{value} AS {label(variable)}"
