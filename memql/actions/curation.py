"""The rules of verbs: MemQL's own, and Cypher's, which are made only to be refused where nothing else is wrong."""

from memql import ast
from memql.actions.made import ACTIONS, Made, Role, action, has, role, roles, where, wrong
from memql.errors import Span

roles("because")
ACTIONS["from"] = lambda parts, span: Role("from", (tuple(parts), span))
ACTIONS["valid"] = lambda parts, span: Role("valid", (parts[0], parts[1] if len(parts) > 1 else None))
_SPELT = {"from": "FROM", "because": "BECAUSE", "valid": "VALID"}


def _details(parts: list[Made], span: Span, verb: str, *, sources: bool = False) -> ast.Details:
    """What is said behind a verb, each once, in whatever order."""
    said: dict[str, Made] = {}
    for part in parts:
        if isinstance(part, Role) and part.role in _SPELT:
            if part.role in said:
                raise wrong("Q006", f"{_SPELT[part.role]} is given twice", "take one away", span)
            said[part.role] = part.value
    given, place = said.get("from", ((), span))
    if given and not sources:
        hint = "FROM belongs to REMEMBER: what a new item was made from"
        raise wrong("Q006", f"{verb} takes no FROM", hint, place)
    valid_from, valid_to = said.get("valid", (None, None))
    return ast.Details(given, said.get("because"), valid_from, valid_to, span=span)


def _paths(parts: list[Made]) -> tuple[ast.PathPattern, ...]:
    return tuple(part for part in parts if isinstance(part, ast.PathPattern))


def _settings(parts: list[Made]) -> tuple[ast.Setting, ...]:
    return tuple(part for part in parts if isinstance(part, ast.Setting))


@action()
def remember(parts: list[Made], span: Span) -> Made:
    return ast.Remember(_paths(parts), _details(parts, span, "REMEMBER", sources=True), span=span)


@action()
def correct(parts: list[Made], span: Span) -> Made:
    details = _details(parts, span, "CORRECT")
    if not _settings(parts) and details.valid_from is None:
        raise wrong("Q006", "CORRECT says nothing to change", "CORRECT m SET m.text = $text", span)
    return ast.Correct(parts[0], _settings(parts), details, span=span)


@action()
def supersede(parts: list[Made], span: Span) -> Made:
    return ast.Supersede(parts[0], parts[1], _details(parts, span, "SUPERSEDE"), span=span)


@action()
def link(parts: list[Made], span: Span) -> Made:
    return ast.Link(_paths(parts), _details(parts, span, "LINK"), span=span)


@action()
def forget(parts: list[Made], span: Span) -> Made:
    variables = tuple(part for part in parts if isinstance(part, ast.Name))
    return ast.Forget(variables, _details(parts, span, "FORGET"), span=span)


ACTIONS["set_value"] = lambda parts, span: ast.Setting(parts[0], parts[1], span=span)
ACTIONS["set_more"] = lambda parts, span: ast.Setting(parts[0], parts[1], True, span=span)
ACTIONS["set_labels"] = lambda parts, span: ast.Setting(parts[0], labels=parts[1], span=span)
ACTIONS["target"] = lambda parts, span: parts[0]


# Cypher's


@action("create")
def create(parts: list[Made], span: Span) -> Made:
    return ast.Create(_paths(parts), span=span)


@action()
def merge(parts: list[Made], span: Span) -> Made:
    on = tuple(part for part in parts if isinstance(part, ast.OnMerge))
    return ast.Merge(parts[0], on, span=span)


ACTIONS["on_match"] = lambda parts, span: ast.OnMerge(True, parts[0].settings, span=span)
ACTIONS["on_create"] = lambda parts, span: ast.OnMerge(False, parts[0].settings, span=span)
ACTIONS["set"] = lambda parts, span: ast.Set(_settings(parts), span=span)
ACTIONS["remove"] = lambda parts, span: ast.Remove(_settings(parts), span=span)


@action()
def removed(parts: list[Made], span: Span) -> Made:
    if isinstance(parts[0], ast.Name):
        raise wrong("Q006", "REMOVE takes a property or a label", f"REMOVE {parts[0].name[:60]}.property", span)
    return ast.Setting(parts[0], span=span)


@action()
def delete(parts: list[Made], span: Span) -> Made:
    detach = has(parts, "DETACH")
    return ast.Delete(tuple(parts[1:] if detach else parts), detach, span=span)


@action()
def foreach(parts: list[Made], span: Span) -> Made:
    return ast.Foreach(parts[0], parts[1], tuple(parts[2:]), span=span)


@action()
def load_csv(parts: list[Made], span: Span) -> Made:
    headers = len(parts) > 2 and isinstance(parts[0], ast.Name) and parts[0].name.upper() == "HEADERS"
    source, alias, *separator = parts[1:] if headers else parts
    return ast.LoadCsv(source, alias, headers, separator[0] if separator else None, span=span)


ACTIONS["dotted"] = lambda parts, span: Role("dotted", ".".join(part.name for part in parts))
ACTIONS["handed"] = lambda parts, span: Role("handed", parts[0] if parts else ())
ACTIONS["yield"] = lambda parts, span: Role("yield", (tuple(parts), where(parts)))


@action()
def yielded(parts: list[Made], span: Span) -> Made:
    return ast.Yielded(parts[0], parts[1] if len(parts) > 1 else None, span=span)


@action()
def procedure(parts: list[Made], span: Span) -> Made:
    given, condition = role(parts, "yield") or ((), None)
    columns = tuple(part for part in given if isinstance(part, ast.Yielded))
    star = any(isinstance(part, Role) and part.role == "star" for part in given)
    return ast.Procedure(role(parts, "dotted"), role(parts, "handed"), columns, star, condition, span=span)
