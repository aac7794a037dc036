"""The rules of expressions, from operators down to words."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, cast

from memql import ast
from memql.actions.made import ACTIONS, Action, Made, Role, action, role, wrong
from memql.errors import Span
from memql.lexer import Token
from memql.values import Misfit, text_misfit

_QUANTIFIERS = frozenset({"all", "any", "none", "single"})
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_TYPE = re.compile(r"\$(`[^`]+`|\w+)(?:\s*::\s*(\w+)(\s*\[\s*\])?\s*(\?)?)?\Z")


# Operators


def _joined(operator: Literal["AND", "OR", "XOR"]) -> Action:
    return lambda parts, span: ast.Joined(operator, tuple(parts), span=span)


def _binary(operator: str) -> Action:
    return lambda parts, span: ast.Binary(operator, parts[0], parts[1], span=span)


def _unary(operator: str) -> Action:
    return lambda parts, span: ast.Unary(operator, parts[0], span=span)


for rule, word in {"or": "OR", "xor": "XOR", "and": "AND"}.items():
    ACTIONS[rule] = _joined(cast(Literal["AND", "OR", "XOR"], word))
for rule, word in {
    "starts_with": "STARTS WITH", "ends_with": "ENDS WITH", "contains": "CONTAINS", "in": "IN", "like": "=~",
    "add": "+", "subtract": "-", "concatenate": "||", "multiply": "*", "divide": "/", "remainder": "%", "raise": "^",
}.items():  # fmt: skip
    ACTIONS[rule] = _binary(word)
for rule, word in {"not": "NOT", "positive": "+", "is_null": "IS NULL", "is_not_null": "IS NOT NULL"}.items():
    ACTIONS[rule] = _unary(word)
for rule, word in {
    "equal": "=", "unequal": "<>", "less": "<", "at_most": "<=", "greater": ">", "at_least": ">=",
}.items():  # fmt: skip
    ACTIONS[rule] = lambda parts, span, word=word: word  # type: ignore[misc]


@action()
def compare(parts: list[Made], span: Span) -> Made:
    return ast.Compared(tuple(parts[1::2]), tuple(parts[::2]), span=span)


@action()
def negative(parts: list[Made], span: Span) -> Made:
    """The least integer has no positive twin, so the sign is part of a number."""
    operand = parts[0]
    value = operand.value if isinstance(operand, ast.Literal) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return ast.Literal(-value, span=span)
    return ast.Unary("-", operand, span=span)


# Access and calls


ACTIONS["property"] = lambda parts, span: ast.Property(parts[0], parts[1].name, span=span)
ACTIONS["index"] = lambda parts, span: ast.Index(parts[0], parts[1], span=span)
ACTIONS["slice"] = lambda parts, span: ast.Slice(parts[0], parts[1], parts[2], span=span)
ACTIONS["slice_from"] = lambda parts, span: ast.Slice(parts[0], parts[1], None, span=span)
ACTIONS["slice_to"] = lambda parts, span: ast.Slice(parts[0], None, parts[1], span=span)
ACTIONS["slice_all"] = lambda parts, span: ast.Slice(parts[0], None, None, span=span)
ACTIONS["bracketed"] = lambda parts, span: parts[0]
ACTIONS["count_all"] = lambda parts, span: ast.CountAll(span=span)
ACTIONS["args"] = lambda parts, span: tuple(parts)
ACTIONS["no_arguments"] = lambda parts, span: Role("plain", ())
ACTIONS["plain_arguments"] = lambda parts, span: Role("plain", parts[0])
ACTIONS["distinct_arguments"] = lambda parts, span: Role("distinct", parts[1])
ACTIONS["quantified"] = lambda parts, span: Role("quantified", tuple(parts))
ACTIONS["folded"] = lambda parts, span: Role("folded", (*parts[0], parts[1]))


@action()
def labelled(parts: list[Made], span: Span) -> Made:
    of, added = parts
    if isinstance(of, ast.Labelled):
        return ast.Labelled(of.of, ast.JoinedLabels("&", (of.labels, added), span=added.span), span=span)
    return ast.Labelled(of, added, span=span)


@action()
def method(parts: list[Made], span: Span) -> Made:
    """`date.truncate(…)`: the name has a point in it."""
    space, name, given = parts
    words = [name.name]
    while isinstance(space, ast.Property):
        words.insert(0, space.name)
        space = space.of
    if not isinstance(space, ast.Name):
        message = "a function is called by its name"
        raise wrong("Q006", message, f"write {name.name}(…) around the value", name.span)
    return called(".".join([space.name, *words]), given, span)


def called(name: str, given: Role, span: Span) -> ast.Expression:
    match given.role:
        case "quantified":
            if name.lower() not in _QUANTIFIERS:
                hint = "all, any, none and single take a condition; for others filter a list: [x IN list WHERE …]"
                raise wrong("Q006", f"`{name}` takes no WHERE", hint, span)
            variable, source = _membership(given.value[0], f"{name.lower()}(x IN list WHERE …)")
            return ast.Quantified(name.lower(), variable, source, given.value[1], span=span)
        case "folded":
            return _reduce(name, given.value, span)
        case _ if name.lower() in _QUANTIFIERS:
            hint = f"write {name.lower()}(x IN list WHERE condition)"
            raise wrong("Q006", f"`{name}` needs a condition", hint, span)
    return ast.Call(name, given.value, given.role == "distinct", span=span)


def _reduce(name: str, given: tuple[ast.Expression, ...], span: Span) -> ast.Reduce:
    form = "reduce(total = 0, x IN list | total + x)"
    start = given[0]
    if name.lower() == "reduce" and len(given) == 3 and isinstance(start, ast.Compared) and start.operators == ("=",):
        total, value = start.operands
        if isinstance(total, ast.Name):
            variable, source = _membership(given[1], form)
            return ast.Reduce(total, value, variable, source, given[2], span=span)
    raise wrong("Q006", "this is no reduce", f"write {form}", span)


def _membership(written: ast.Expression, form: str) -> tuple[ast.Name, ast.Expression]:
    if isinstance(written, ast.Binary) and written.operator == "IN" and isinstance(written.left, ast.Name):
        return written.left, written.right
    raise wrong("Q006", "`variable IN list` is expected here", f"write {form}", written.span)


@action()
def path_value(parts: list[Made], span: Span) -> Made:
    """`[p = (a)-->(b) | p]`; elsewhere it is refused when it is bound."""
    named, pattern = parts
    if not isinstance(named, ast.Name):
        raise wrong("Q006", "a pattern can be compared with nothing", "EXISTS { … } tells whether it is there", span)
    return replace(pattern, paths=(replace(pattern.paths[0], variable=named, span=span),), span=span)


# Lists, maps, CASE


@action("list")
def list_(parts: list[Made], span: Span) -> Made:
    members = parts[0]
    only = members[0] if len(members) == 1 else None
    if isinstance(only, ast.Binary) and only.operator == "IN" and isinstance(only.left, ast.Name):
        return ast.Comprehension(only.left, only.right, span=span)
    return ast.ListOf(members, span=span)


def _comprehension(parts: Sequence[Made], where: Made, each: Made, span: Span) -> Made:
    head = parts[0]
    if isinstance(head, ast.Compared) and head.operators == ("=",) and each is not None:
        named, value = head.operands
        if isinstance(named, ast.Name) and isinstance(value, ast.PathValue):
            return ast.PatternList(replace(value.path, variable=named), where, each, span=span)
    if isinstance(head, ast.Subpattern) and head.bare:
        if each is None:
            raise wrong("Q006", "a list of a pattern says what it is made of", "[(a)-->(b) | b.name]", span)
        return ast.PatternList(head.paths[0], where, each, span=span)
    variable, source = _membership(parts[0], "[x IN list WHERE condition | x]")
    return ast.Comprehension(variable, source, where, each, span=span)


ACTIONS["empty_list"] = lambda parts, span: ast.ListOf((), span=span)
ACTIONS["filtered"] = lambda parts, span: _comprehension(parts, parts[1], None, span)
ACTIONS["mapped"] = lambda parts, span: _comprehension(parts, None, parts[1], span)
ACTIONS["filtered_mapped"] = lambda parts, span: _comprehension(parts, parts[1], parts[2], span)
ACTIONS["map"] = lambda parts, span: ast.MapOf(*_entries(parts), span=span)
ACTIONS["entry"] = lambda parts, span: Role("entry", (parts[0].name, parts[1], parts[0].span))
ACTIONS["taken"] = lambda parts, span: Role("entry", (parts[0].name, None, parts[0].span))
ACTIONS["taken_all"] = lambda parts, span: Role("entry", ("*", None, span))
ACTIONS["named"] = lambda parts, span: Role("entry", (parts[0].name, parts[0], parts[0].span))


def _entries(parts: Sequence[Made]) -> tuple[Made, tuple[Span, ...]]:
    """The entries of a map, and where their names stand."""
    return tuple(part.value[:2] for part in parts), tuple(part.value[2] for part in parts)


@action()
def map_projection(parts: list[Made], span: Span) -> Made:
    return ast.MapProjection(parts[0], *_entries(parts[1:]), span=span)


@action("searched_case", "simple_case")
def case(parts: list[Made], span: Span) -> Made:
    first = parts[0]
    branches = tuple(part for part in parts if isinstance(part, ast.Branch))
    subject = None if isinstance(first, ast.Branch) else first
    return ast.Case(subject, branches, role(parts, "otherwise"), span=span)


ACTIONS["branch"] = lambda parts, span: ast.Branch(parts[0], parts[1], span=span)


# Words and literals


@action("variable", "name", "alias")
def name(parts: list[Made], span: Span) -> Made:
    if isinstance(parts[0], ast.Name):
        return parts[0]
    written = parts[0].text
    return ast.Name(written[1:-1].replace("``", "`") if written[0] == "`" else written, span=span)


@action()
def integer(parts: list[Made], span: Span) -> Made:
    """2^63 may stand behind a minus, and is refused elsewhere when it is bound."""
    return ast.Literal(whole(parts[0], 2**63), span=span)


def whole(token: Token, most: int = 2**63 - 1) -> int:
    text, base = token.text.lower(), {"0x": 16, "0o": 8}.get(token.text[:2].lower(), 10)
    digits = text[0 if base == 10 else 2 :].lstrip("0") or "0"
    # Python itself refuses to read thousands of digits.
    value = int(digits, base) if len(digits) < 30 else most + 1
    if value > most:
        raise wrong("Q007", "this number does not fit in 64 bits", "write it as a float: 1.0e30", token.span)
    return value


@action("float")
def float_(parts: list[Made], span: Span) -> Made:
    value = float(parts[0].text)
    if value == float("inf"):
        raise wrong("Q007", "this number is too large for a float", "", span)
    return ast.Literal(value, span=span)


@action()
def string(parts: list[Made], span: Span) -> Made:
    text = _ESCAPE.sub(lambda found: _unescaped(found, span), parts[0].text[1:-1])
    if isinstance(misfit := text_misfit(text), Misfit):
        raise wrong("Q003", f"this text has a {misfit.message}", "take it away", span)
    return ast.Literal(text, span=span)


def _unescaped(found: re.Match[str], span: Span) -> str:
    code = found[1]
    if code[0] in "uU" and len(code) > 1:
        number = int(code[1:], 16)
        if number > 0x10FFFF:
            raise wrong("Q003", f"\\{code} is no character", "the last one is \\U0010FFFF", span)
        return chr(number)
    if code in _ESCAPES:
        return _ESCAPES[code]
    if code in "\\'\"`":
        return code
    raise wrong("Q003", f"\\{code} stands for nothing", "for a backslash write \\\\", span)


@action()
def time(parts: list[Made], span: Span) -> Made:
    of, _, text = parts[0].text.partition("'")
    return ast.TimeLiteral(cast(ast.TimeName, of.lower()), text[:-1], span=span)


ACTIONS["true"] = lambda parts, span: ast.Literal(True, span=span)
ACTIONS["false"] = lambda parts, span: ast.Literal(False, span=span)
ACTIONS["null"] = lambda parts, span: ast.Literal(None, span=span)


@action()
def parameter(parts: list[Made], span: Span) -> Made:
    found = _TYPE.match(parts[0].text)
    assert found is not None
    named, of, listed, optional = found.groups()
    type_ = of.lower() + ("[]" if listed else "") if of else ""
    return ast.Parameter(named.strip("`"), type_, bool(optional), span=span)
