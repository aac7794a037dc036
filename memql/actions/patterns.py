"""The rules of patterns: nodes, relations, and what they are labelled."""

from dataclasses import replace
from typing import Literal

from memql import ast
from memql.actions.expressions import called, whole
from memql.actions.made import (
    ACTIONS,
    Action,
    Made,
    Role,
    action,
    labels_of,
    one,
    properties_of,
    role,
    where,
    wrong,
)
from memql.errors import Span
from memql.lexer import Token


@action()
def path(parts: list[Made], span: Span) -> Made:
    return replace(parts[-1], variable=parts[0], span=span) if len(parts) > 1 else parts[0]


_SHORTEST: dict[str, Literal["one", "all"]] = {"shortestpath": "one", "allshortestpaths": "all"}


@action()
def shortest(parts: list[Made], span: Span) -> Made:
    """`shortestPath((a)-[*]-(b))`."""
    named, whole = parts
    which = _SHORTEST.get(named.name.lower())
    if which is None:
        raise wrong("Q006", f"`{named.name[:60]}` is no pattern", "a pattern begins with a node: (a)", named.span)
    relation = whole.relations[0] if len(whole.relations) == 1 else None
    hops = relation.hops or ast.Hops(1, 1) if isinstance(relation, ast.RelationPattern) else None
    if not isinstance(relation, ast.RelationPattern) or hops is None or hops.least > 1:
        hint = f"{named.name}((a)-[:KIND*..5]->(b))"
        raise wrong(
            "Q006", f"`{named.name}` takes two nodes and the relations between them, from the first on", hint, span
        )
    return replace(whole, relations=(replace(relation, hops=replace(hops, shortest=which)),), span=span)


@action()
def call(parts: list[Made], span: Span) -> Made:
    """What is called like a function may be a path: shortestPath((a)-[*]-(b))."""
    name, given = parts
    only = given.value[0] if given.role == "plain" and len(given.value) == 1 else None
    if name.name.lower() not in _SHORTEST or not isinstance(only, ast.Subpattern) or not only.bare:
        return called(name.name, given, span)
    return ast.PathValue(shortest([name, only.paths[0]], span), span=span)


@action()
def chain(parts: list[Made], span: Span) -> Made:
    """Nodes, and between each two of them a relation or a group: beside a group a node may be left out."""
    nodes: list[ast.NodePattern] = []
    steps: list[ast.RelationPattern | ast.GroupPattern] = []
    for part in parts:
        if not isinstance(part, ast.NodePattern):
            if len(nodes) == len(steps):
                nodes.append(ast.NodePattern(span=part.span))
            steps.append(part)
        elif len(nodes) > len(steps):
            raise wrong("Q006", "nothing stands between these two nodes", "a relation joins them: (a)-->(b)", part.span)
        else:
            nodes.append(part)
    if len(nodes) == len(steps):
        nodes.append(ast.NodePattern(span=steps[-1].span))
    return ast.PathPattern(tuple(nodes), tuple(steps), span=span)


@action()
def group(parts: list[Made], span: Span) -> Made:
    whole, hops = parts[0], one(parts, ast.Hops)
    if hops is None:
        raise wrong("Q006", "a group is repeated, and this says not how often", "{1,3}, + or * behind it", span)
    if not whole.relations:
        raise wrong("Q006", "a node alone is not repeated", "repeat the way to the next one: ((a)-->(b)){1,3}", span)
    if hops.most is not None and hops.most < 1:
        raise wrong("Q006", "a group is repeated once at least", "such as {0,3}; * is none or more", hops.span)
    return ast.GroupPattern(whole, replace(hops, star=False), where(parts), span=span)


@action()
def selected(parts: list[Made], span: Span) -> Made:
    return replace(parts[1], selector=parts[0], span=span)


def _selector(how: Literal["all", "any", "shortest", "lengths"]) -> Action:
    def made(parts: list[Made], span: Span) -> Made:
        number = one(parts, Token)
        count = 1 if number is None else whole(number)
        if not 0 < count <= MOST_PATHS:
            raise wrong(
                "Q006", f"a selector takes from 1 to {MOST_PATHS:,} paths", "leave it out for all of them", span
            )
        return ast.Selector(how, count, role(parts, "mode") == "acyclic", span=span)

    return made


MOST_PATHS = 1_000
"""Most paths of each two nodes that may be asked for: who wants more wants all."""
ACTIONS["any_paths"] = _selector("any")
ACTIONS["any_shortest"] = _selector("shortest")
ACTIONS["all_shortest"] = _selector("lengths")
ACTIONS["shortest_paths"] = _selector("shortest")
ACTIONS["shortest_lengths"] = _selector("lengths")
ACTIONS["all_paths"] = _selector("all")
ACTIONS["trail"] = lambda parts, span: Role("mode", "trail")
ACTIONS["acyclic"] = lambda parts, span: Role("mode", "acyclic")


@action()
def pattern(parts: list[Made], span: Span) -> Made:
    return ast.Subpattern("exists", (chain(parts, span),), bare=True, span=span)


@action()
def node(parts: list[Made], span: Span) -> Made:
    return ast.NodePattern(one(parts, ast.Name), labels_of(parts), properties_of(parts), where(parts), span=span)


@action()
def details(parts: list[Made], span: Span) -> Made:
    return ast.RelationPattern(
        "any", one(parts, ast.Name), labels_of(parts), one(parts, ast.Hops),
        properties_of(parts), where(parts), span=span,
    )  # fmt: skip


def _relation(direction: ast.Direction, parts: list[Made], span: Span) -> ast.RelationPattern:
    described = one(parts, ast.RelationPattern) or ast.RelationPattern("any")
    outside = one(parts, ast.Hops)
    if outside and described.hops:
        raise wrong("Q006", "how many hops is said twice", "take one away", outside.span)
    hops = replace(outside, star=False) if outside else described.hops
    return replace(described, direction=direction, hops=hops, span=span)


ACTIONS["relation_out"] = lambda parts, span: _relation("out", parts, span)
ACTIONS["relation_in"] = lambda parts, span: _relation("in", parts, span)
ACTIONS["relation_any"] = lambda parts, span: _relation("any", parts, span)


ACTIONS["hops_free"] = lambda parts, span: ast.Hops(1, None, span=span)
ACTIONS["hops_zero"] = lambda parts, span: ast.Hops(0, None, span=span)
ACTIONS["hops_exactly"] = lambda parts, span: ast.Hops(whole(parts[0]), whole(parts[0]), span=span)
ACTIONS["hops_between"] = lambda parts, span: ast.Hops(whole(parts[0]), whole(parts[1]), span=span)
ACTIONS["hops_from"] = lambda parts, span: ast.Hops(whole(parts[0]), None, span=span)


@action()
def hops_to(parts: list[Made], span: Span) -> Made:
    """`*..3` begins with one hop, `{,3}` with none."""
    braced = parts[0].end < span.end
    return ast.Hops(0 if braced else 1, whole(parts[0]), span=span)


@action()
def labels(parts: list[Made], span: Span) -> Made:
    return parts[0] if len(parts) == 1 else ast.JoinedLabels("&", tuple(parts), span=span)


ACTIONS["label"] = lambda parts, span: ast.Label(parts[0].name, span=span)
ACTIONS["label_any"] = lambda parts, span: ast.AnyLabel(span=span)
ACTIONS["label_not"] = lambda parts, span: ast.NoLabel(parts[0], span=span)
ACTIONS["label_or"] = lambda parts, span: ast.JoinedLabels("|", tuple(parts), span=span)
ACTIONS["label_and"] = lambda parts, span: ast.JoinedLabels("&", tuple(parts), span=span)


@action()
def subpattern(parts: list[Made], span: Span) -> Made:
    paths = tuple(part for part in parts if isinstance(part, ast.PathPattern))
    return ast.Subpattern("exists", paths, where(parts), times=one(parts, ast.Times), span=span)


@action()
def nested(parts: list[Made], span: Span) -> Made:
    """The parts of a query in braces. One MATCH alone is a pattern."""
    alls = tuple(part.value for part in parts if isinstance(part, Role))
    return ast.Query(tuple(part for part in parts if isinstance(part, ast.Part)), alls, span=span)


def _asked(asks: Literal["exists", "count"], made: ast.Subpattern | ast.Query, span: Span) -> Made:
    if isinstance(made, ast.Subpattern):
        return replace(made, asks=asks, span=span)
    first = made.parts[0].clauses
    if len(made.parts) == len(first) == 1 and isinstance(first[0], ast.Match) and not first[0].optional:
        return ast.Subpattern(asks, first[0].paths, first[0].where, times=first[0].times, span=span)
    return ast.Subquery(asks, made, span=span)


ACTIONS["exists"] = lambda parts, span: _asked("exists", parts[0], span)
ACTIONS["count"] = lambda parts, span: _asked("count", parts[0], span)
ACTIONS["collect"] = lambda parts, span: ast.Subquery("collect", parts[0], span=span)
ACTIONS["given"] = lambda parts, span: Role("given", tuple(parts))


@action()
def apply(parts: list[Made], span: Span) -> Made:
    return ast.Apply(parts[-1], role(parts, "given"), span=span)
