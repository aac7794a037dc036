"""The rules of patterns: nodes, relations, and what they are labelled."""

from dataclasses import replace
from typing import Literal

from memql import ast
from memql.actions.expressions import whole
from memql.actions.made import ACTIONS, Made, Role, action, labels_of, one, properties_of, role, where, wrong
from memql.errors import Span


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
    hops = relation.hops or ast.Hops(1, 1) if relation else None
    if relation is None or hops is None or hops.least > 1:
        hint = f"{named.name}((a)-[:KIND*..5]->(b))"
        raise wrong(
            "Q006", f"`{named.name}` takes two nodes and the relations between them, from the first on", hint, span
        )
    return replace(whole, relations=(replace(relation, hops=replace(hops, shortest=which)),), span=span)


@action("chain", "pattern")
def chain(parts: list[Made], span: Span) -> Made:
    return ast.PathPattern(tuple(parts[::2]), tuple(parts[1::2]), span=span)


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
    return ast.Subpattern("exists", paths, where(parts), span=span)


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
        return ast.Subpattern(asks, first[0].paths, first[0].where, span=span)
    return ast.Subquery(asks, made, span=span)


ACTIONS["exists"] = lambda parts, span: _asked("exists", parts[0], span)
ACTIONS["count"] = lambda parts, span: _asked("count", parts[0], span)
ACTIONS["collect"] = lambda parts, span: ast.Subquery("collect", parts[0], span=span)
ACTIONS["given"] = lambda parts, span: Role("given", tuple(parts))


@action()
def apply(parts: list[Made], span: Span) -> Made:
    return ast.Apply(parts[-1], role(parts, "given"), span=span)
