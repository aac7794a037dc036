"""The rules of clauses, and of what holds them together."""

from collections.abc import Sequence

from memql import ast
from memql.actions.made import ACTIONS, Made, Role, Where, action, has, labels_of, one, role, roles, where, wrong
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
    times: dict[str, ast.Expression] = {}
    for part in parts:
        if isinstance(part, Role) and part.role in ("as_of", "valid_at"):
            if part.role in times:
                written = part.role.replace("_", " ").upper()
                raise wrong("Q006", f"{written} is given twice", "take one away", part.value.span)
            times[part.role] = part.value
    alls = tuple(part.value for part in parts if isinstance(part, Role) and part.role == "union")
    return ast.Query(tuple(part for part in parts if isinstance(part, ast.Part)), alls, **times, span=span)


roles("as_of", "valid_at", "weight", "skip", "limit", "score", "otherwise")
ACTIONS["fuse"] = lambda parts, span: Role("fuse", parts[0])
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
    return ast.Match(paths, where(parts), has(parts, "OPTIONAL"), span=span)


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
    ways = tuple(part for part in parts if isinstance(part, ast.Way))
    return ast.Search(
        parts[0], labels_of(parts), ways, role(parts, "fuse"), where(parts), role(parts, "limit"),
        role(parts, "score"), span=span,
    )  # fmt: skip


ACTIONS["similar"] = lambda parts, span: ast.Way("meaning", parts[0], role(parts, "weight"), span=span)
ACTIONS["matches"] = lambda parts, span: ast.Way("words", parts[0], role(parts, "weight"), span=span)
