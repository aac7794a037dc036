"""Plans as text, to be read by people: each operator on its line, what it draws from beneath it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from memql import ast, bound, plan
from memql.bound import Expression, Variable
from memql.compiled import Compiled
from memql.footprint import footprint
from memql.plan import Operator
from memql.printer import WAYS, printed
from memql.spelling import labels_text, member, selector_text, text
from memql.values import iso, micros
from memql.waking import wakes

Costs = Mapping[int, tuple[int, float]]
"""Rows and seconds of each operator, by its identity."""


def explained(compiled: Compiled, stage: str = "", costs: Costs | None = None) -> str:
    """The query at that stage: as it was read, as it was understood, or (the default) as it is run."""
    match stage:
        case "AST":
            return printed(compiled.statement.query)
        case "BOUND":
            return "\n".join(_tree(compiled.query, 0))
        case "LIVE":
            lines = ["woken by:", *(f"  {line}" for line in wakes(footprint(compiled.query)))]
            return "\n".join([*_lines(compiled.plan, 0, costs), *lines])
    lines = [*_lines(compiled.plan, 0, costs)]
    return "\n".join(lines)


def plan_text(operator: Operator) -> str:
    """A plan alone, as the tests read it."""
    return "\n".join(_lines(operator, 0, None))


def _lines(operator: Operator, depth: int, costs: Costs | None) -> Iterator[str]:
    name, detail = described(operator)
    line = f"{'  ' * depth}{name}{f' {detail}' if detail else ''}{_post_filter(operator)}"
    if costs is not None:
        rows, seconds = costs.get(id(operator), (0, 0.0))
        own = seconds - sum(costs.get(id(each), (0, 0.0))[1] for _, each in plan.inputs(operator))
        line = f"{line:<72}  {rows:>9,} rows {max(own, 0) * 1000:>9.2f} ms"
    yield line
    for place, below in plan.inputs(operator):
        if isinstance(below, plan.Unit):
            continue
        each_row = _INNER.get(type(operator), "each row")
        label = {"among": "pre-filter", "beside": "pre-filter of each row", "inner": each_row}.get(place)
        if label:
            yield f"{'  ' * (depth + 1)}{label}:"
            yield from _lines(below, depth + 2, costs)
        else:
            yield from _lines(below, depth + 1, costs)


_INNER = {plan.Repeat: "each time", plan.Choose: "all that fit"}


def _post_filter(operator: Operator) -> str:
    """Says that it chooses among what a search has left, where it does."""
    match operator:
        case plan.Filter():
            after = _searched(operator.source)
        case plan.Expand():
            after = _searched(operator.source) & {operator.origin, operator.end}
        case _:
            return ""
    names = [label(each) for each in sorted(after, key=lambda each: each.number)]
    return f" (post-filter of {', '.join(names)})" if names else ""


def _searched(operator: Operator) -> set[Variable]:
    """What searches beneath have bound."""
    found = {operator.variable} if isinstance(operator, plan.Search) else set()
    below = (each for place, each in plan.inputs(operator) if place == "source")
    return found.union(*map(_searched, below))


def profile_of(operator: Operator, costs: Costs) -> tuple[Mapping[str, Any], ...]:
    """What each operator did, from the top down."""
    return tuple(_profiled(operator, costs, 0))


def _profiled(operator: Operator, costs: Costs, depth: int) -> Iterator[Mapping[str, Any]]:
    rows, seconds = costs.get(id(operator), (0, 0.0))
    name, detail = described(operator)
    yield {"operator": name, "detail": detail, "depth": depth, "rows": rows, "ms": round(seconds * 1000, 3)}
    for _, below in plan.inputs(operator):
        if not isinstance(below, plan.Unit):
            yield from _profiled(below, costs, depth + 1)


def described(operator: Operator) -> tuple[str, str]:
    """An operator's name, and what it does."""
    match operator:
        case plan.Scan():
            return _scan(operator)
        case plan.Expand():
            return "Expand", _expand(operator)
        case plan.Repeat():
            return "Repeat", _repeat(operator)
        case plan.Choose(selector=selector, ends=ends):
            return "Choose", f"{selector_text(selector)} from {label(ends[0])} to {label(ends[1])}"
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
            return "Search", _search(operator)
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
        case plan.TimeScope(as_of=as_of, valid_at=valid_at):
            times = (("as of", as_of), ("valid at", valid_at))
            return "TimeScope", ", ".join(f"{word} {shown(each)}" for word, each in times if each is not None)
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


def _item(variable: Variable, expression: Expression) -> str:
    value = shown(expression)
    return value if value == variable.name else f"{value} AS {label(variable)}"


def label(variable: Variable) -> str:
    """A variable's name; a nameless one is known by its number."""
    return variable.name or f"_{abs(variable.number)}"


_LEVELS = {"OR": 1, "XOR": 2, "AND": 3, "NOT": 4, "IN": 6, "+": 7, "-": 7, "||": 7, "*": 8, "/": 8, "%": 8, "^": 9}


def shown(expression: Expression, level: int = 0) -> str:
    """An expression as one would write it."""
    match expression:
        case bound.Constant(value=value):
            return _value(value)
        case bound.Parameter(name=name):
            return f"${name}"
        case bound.Local(variable=variable):
            return label(variable)
        case bound.Property(of=of, name=name) | bound.Figure(of=of, name=name):
            return f"{shown(of, 11)}.{member(name)}"
        case bound.Labelled(of=of, labels=labels):
            return f"{shown(of, 11)}:{labels_text(labels)}"
        case bound.Compared(operator=operator, left=left, right=right):
            return _bracketed(f"{shown(left, 6)} {operator} {shown(right, 6)}", 5, level)
        case bound.Joined(operator="NOT", operands=(operand,)):
            return _bracketed(f"NOT {shown(operand, 4)}", 4, level)
        case bound.Joined(operator=operator, operands=operands):
            own = _LEVELS[operator]
            return _bracketed(f" {operator} ".join(shown(each, own + 1) for each in operands), own, level)
        case bound.Call():
            return _call(expression, level)
        case bound.Aggregated(function=function, operand=operand, distinct=distinct, second=second):
            inside = "*" if operand is None else f"{'DISTINCT ' if distinct else ''}{shown(operand)}"
            inside += f", {shown(second)}" if second is not None else ""
            return f"{function}({inside})"
        case bound.Case(branches=branches, otherwise=otherwise):
            parts = [f"WHEN {shown(when)} THEN {shown(then)}" for when, then in branches]
            parts += [f"ELSE {shown(otherwise)}"] if otherwise is not None else []
            return f"CASE {' '.join(parts)} END"
    return _collected(expression)


def _call(call: bound.Call, level: int) -> str:
    arguments = call.arguments
    if call.function in ("IS NULL", "IS NOT NULL"):
        return _bracketed(f"{shown(arguments[0], 6)} {call.function}", 6, level)
    if call.function in ("negative", "positive"):
        return _bracketed(f"{'-' if call.function == 'negative' else '+'}{shown(arguments[0], 11)}", 10, level)
    if not call.function[0].isalpha() or (call.function.isupper() and len(arguments) == 2):
        own = _LEVELS.get(call.function, 6)
        return _bracketed(f"{shown(arguments[0], own)} {call.function} {shown(arguments[1], own + 1)}", own, level)
    return f"{call.function}({', '.join(shown(each) for each in arguments)})"


def _collected(expression: Expression) -> str:
    match expression:
        case bound.ListOf(members=members):
            return f"[{', '.join(shown(each) for each in members)}]"
        case bound.MapOf(entries=entries):
            return f"{{{', '.join(f'{member(name)}: {shown(each)}' for name, each in entries)}}}"
        case bound.Projected(of=of, whole=whole, entries=entries):
            parts = ([".*"] if whole else []) + [f"{member(name)}: {shown(each)}" for name, each in entries]
            return f"{shown(of)} {{{', '.join(parts)}}}"
        case bound.Index(of=of, at=at):
            return f"{shown(of, 11)}[{shown(at)}]"
        case bound.Slice(of=of, first=first, last=last):
            begin, end = (shown(each) if each is not None else "" for each in (first, last))
            return f"{shown(of, 11)}[{begin}..{end}]"
        case bound.Comprehension(variable=variable, source=source, where=where, each=each):
            kept = f" WHERE {shown(where)}" if where is not None else ""
            made = f" | {shown(each)}" if each is not None else ""
            return f"[{label(variable)} IN {shown(source)}{kept}{made}]"
        case bound.Quantified(quantifier=quantifier, variable=variable, source=source, where=where):
            return f"{quantifier}({label(variable)} IN {shown(source)} WHERE {shown(where)})"
        case bound.Reduce(total=total, start=start, variable=variable, source=source, step=step):
            return f"reduce({label(total)} = {shown(start)}, {label(variable)} IN {shown(source)} | {shown(step)})"
        case bound.Subpattern(asks=asks) | bound.Subquery(asks=asks):
            return f"{asks.upper()} {{ … }}"
    raise AssertionError(f"{type(expression)} is no expression")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if hasattr(value, "hour"):
        return f"datetime'{iso(micros(value))}'"
    return f"date'{value.isoformat()}'" if hasattr(value, "isoformat") else repr(value)


def _bracketed(inside: str, own: int, level: int) -> str:
    return f"({inside})" if own < level else inside


def _tree(value: Any, depth: int, name: str = "") -> Iterator[str]:
    """Any frozen value as an indented tree, expressions on one line."""
    pad = "  " * depth + (f"{name}: " if name else "")
    if isinstance(value, bound.Typed):
        yield f"{pad}{shown(value)} :: {_typed(value.type)}"  # type: ignore[arg-type]
    elif isinstance(value, Variable):
        yield f"{pad}{label(value)} :: {_typed(value.type)}"
    elif is_dataclass(value) and not isinstance(value, ast.Written):
        yield f"{pad}{type(value).__name__}"
        for each in fields(value):
            yield from _tree(getattr(value, each.name), depth + 1, each.name)
    elif isinstance(value, tuple | frozenset) and value:
        yield f"{pad.rstrip()}" if name else f"{pad}-"
        for member in _ordered(value):
            yield from _tree(member, depth + 1)
    elif value is not None and value != () and value is not False:
        yield f"{pad}{value}"


def _ordered(value: Any) -> Sequence[Any]:
    return sorted(value, key=str) if isinstance(value, frozenset) else value


def _typed(of: Any) -> str:
    kinds = f"({'|'.join(sorted(of.kinds))})" if of.kinds else ""
    return f"{of}{kinds}{'?' if of.nullable else ''}"
