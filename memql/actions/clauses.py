"""The rules of clauses, and of what holds them together."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from memql import ast
from memql.actions.made import (
    ACTIONS,
    Action,
    Made,
    Role,
    Where,
    action,
    has,
    labels_of,
    one,
    role,
    roles,
    where,
    wrong,
)
from memql.errors import Span
from memql.lexer import Token


@action()
def statement(parts: list[Made], span: Span) -> Made:
    query = parts[-1]
    found = one(parts, Role)
    return ast.Statement(query, *(found.value if found else ()), span=span)


@action()
def explain(parts: list[Made], span: Span) -> Made:
    stage = parts[0].text.upper() if parts else ""
    if stage not in ("", "AST", "BOUND", "PLAN"):
        hint = "EXPLAIN alone shows the plan; EXPLAIN AST and EXPLAIN BOUND what precedes it"
        raise wrong("Q001", f"there is no stage `{parts[0].text}`", hint, parts[0].span)
    return Role("prefix", ("explain", stage))


@action()
def explain_live(parts: list[Made], span: Span) -> Made:
    return Role("prefix", ("explain", "LIVE"))


@action()
def live(parts: list[Made], span: Span) -> Made:
    return Role("prefix", ("live", ""))


@action()
def profile(parts: list[Made], span: Span) -> Made:
    return Role("prefix", ("profile", ""))


@action()
def query(parts: list[Made], span: Span) -> Made:
    alls = tuple(part.value for part in parts if isinstance(part, Role) and part.role == "union")
    written = tuple(part for part in parts if isinstance(part, ast.Part))
    return ast.Query(written, alls, one(parts, ast.Times), span=span)


@action()
def times(parts: list[Made], span: Span) -> Made:
    """Each is said once, and valid time in one way."""
    whole: ast.Times = parts[0]
    for each in parts[1:]:
        told = {what: getattr(each, what) for what in _TIMES if getattr(each, what)}
        what = next(iter(told))
        if getattr(whole, what):
            raise wrong("Q006", f"{_TIMES[what]} is given twice", "take one away", each.span)
        if what in _OF_VALIDITY and any(getattr(whole, other) for other in _OF_VALIDITY):
            hint = "VALID AT asks what was true at one moment, VALID DURING what was true at any moment of a time"
            raise wrong("Q006", "VALID AT and VALID DURING cannot both hold", hint, each.span)
        whole = replace(whole, **told, until=each.until or whole.until)
    return replace(whole, span=span)


_TIMES = {"as_of": "AS OF", "valid_at": "VALID AT", "during": "VALID DURING", "history": "WITH HISTORY"}
_OF_VALIDITY = ("valid_at", "during")
ACTIONS["as_of"] = lambda parts, span: ast.Times(as_of=parts[0], span=span)
ACTIONS["valid_at"] = lambda parts, span: ast.Times(valid_at=parts[0], span=span)
ACTIONS["during"] = lambda parts, span: ast.Times(during=parts[0], until=parts[1] if parts[1:] else None, span=span)
ACTIONS["history"] = lambda parts, span: ast.Times(history=True, span=span)
roles("weight", "within", "skip", "limit", "score", "otherwise")
ACTIONS["union_distinct"] = lambda parts, span: Role("union", False)
ACTIONS["union_all"] = lambda parts, span: Role("union", True)
ACTIONS["star"] = lambda parts, span: Role("star", span)


@action()
def part(parts: list[Made], span: Span) -> Made:
    return ast.Part(tuple(parts), span=span)


# Clauses


@action()
def match(parts: list[Made], span: Span) -> Made:
    paths = tuple(part for part in parts if isinstance(part, ast.PathPattern))
    return ast.Match(paths, where(parts), has(parts, "OPTIONAL"), one(parts, ast.Times), span=span)


ACTIONS["where"] = lambda parts, span: Where(parts[0])


@action()
def unwind(parts: list[Made], span: Span) -> Made:
    return ast.Unwind(parts[0], parts[1], span=span)


@action("with")
def with_(parts: list[Made], span: Span) -> Made:
    return ast.With(parts[0], where(parts), span=span)


@action("return")
def return_(parts: list[Made], span: Span) -> Made:
    return ast.Return(parts[0], span=span)


@action()
def projection(parts: list[Made], span: Span) -> Made:
    stars = [part for part in parts if isinstance(part, Role) and part.role == "star"]
    late = stars[0] if stars and not _first_is_star(parts) else stars[1] if len(stars) > 1 else None
    if late:
        raise wrong("Q006", "`*` stands first, and once", "write *, and then what else", late.value)
    return ast.Projection(
        tuple(part for part in parts if isinstance(part, ast.Item)), bool(stars), has(parts, "DISTINCT"),
        role(parts, "order") or (), role(parts, "skip"), role(parts, "limit"), span=span,
    )  # fmt: skip


def _first_is_star(parts: Sequence[Made]) -> bool:
    first = next(part for part in parts if not isinstance(part, Token))
    return isinstance(first, Role) and first.role == "star"


@action()
def item(parts: list[Made], span: Span) -> Made:
    return ast.Item(parts[0], parts[1] if len(parts) > 1 else None, span=span)


ACTIONS["order"] = lambda parts, span: Role("order", tuple(parts))


@action()
def sort(parts: list[Made], span: Span) -> Made:
    return ast.Sort(parts[0], has(parts, "DESC"), span=span)


@action()
def search(parts: list[Made], span: Span) -> Made:
    return ast.Search(
        parts[0], labels_of(parts), _ways(parts[1:]), one(parts, ast.Fuse), where(parts), role(parts, "limit"),
        role(parts, "score"), one(parts, ast.Times), span=span,
    )  # fmt: skip


def _ways(parts: Sequence[Made]) -> tuple[ast.Way, ...]:
    """The ways of a search. Further names behind ON, and the weight behind those, come after their way."""
    ways: list[ast.Way] = []
    for part in parts:
        match part:
            case ast.Way():
                ways.append(part)
            case ast.Name():
                ways[-1] = replace(ways[-1], on=(*ways[-1].on, part), span=ways[-1].span.to(part.span))
            case Role(role="weight", value=weight):
                ways[-1] = replace(ways[-1], weight=weight, span=ways[-1].span.to(weight.span))
    return tuple(ways)


def _way(how: Literal["meaning", "words", "graph"]) -> Action:
    def made(parts: list[Made], span: Span) -> Made:
        on = tuple(part for part in parts[1:] if isinstance(part, ast.Name))
        return ast.Way(how, parts[0], role(parts, "weight"), on, role(parts, "within"), span=span)

    return made


ACTIONS.update(similar=_way("meaning"), matches=_way("words"), near=_way("graph"))


@action()
def fuse(parts: list[Made], span: Span) -> Made:
    return ast.Fuse(parts[0], one(parts, ast.MapOf), span=span)
