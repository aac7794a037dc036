"""Text → `ast`: the automaton that walks the parser's tables, and nothing of its own.

A keyword that has no meaning where it stands is taken as a name, and two words that are no pair there as two words:
so keywords are soft without a word about it in the grammar. What cannot be read is explained in `memql/misreading.py`.
"""

from typing import Any, NamedTuple

from memql import ast
from memql.actions import ACTIONS, Wrong
from memql.errors import Problem, Reason, Refusal, Span
from memql.grammar import Row, Tables, tables
from memql.lexer import NESTING, PAIRS, TEXT_BYTES, Token, taken_apart, tokens
from memql.misreading import explained, usable


class _Held(NamedTuple):
    """A value on the stack: where it begins and ends, and how deep it is nested."""

    value: Any
    first: Token
    last: Token
    depth: int


def parse(text: str) -> ast.Statement | Refusal:
    """The statement that was written, or why it is none."""
    made: ast.Statement | Refusal = _parsed(text, "statement")
    return made


def expression(text: str) -> ast.Expression | Refusal:
    """An expression alone."""
    made: ast.Expression | Refusal = _parsed(text, "expr")
    return made


def _parsed(text: str, start: str) -> Any:
    if len(text) > TEXT_BYTES or len(text.encode(errors="replace")) > TEXT_BYTES:
        message = f"a query may have {TEXT_BYTES:,} bytes"
        return _refused(Problem("Q402", message, hint="pass long texts and lists as parameters", span=ast.NOWHERE))
    found = tokens(text)
    if isinstance(found, Problem):
        return _refused(found)
    made = _walked(tables(), found, start)
    return _refused(made) if isinstance(made, Problem) else made


def _refused(problem: Problem) -> Refusal:
    assert problem.span is not None
    place = f"line {problem.span.line}, column {problem.span.column}"
    reason = Reason.LIMIT if problem.code.startswith("Q4") else Reason.INVALID
    return Refusal(reason, (Problem(problem.code, problem.message, place, problem.hint, problem.span),))


def _walked(table: Tables, given: list[Token], start: str) -> Any:
    rows, rules, end = table.rows, table.rules, len(table.rows)
    states = [table.starts[start]]
    held: list[_Held] = []
    at = 0
    while True:
        token = given[at]
        row = rows[states[-1]]
        move = row.get(token.type)
        if move is None:
            move = _as_name(row, given, at)
            if move is None:
                return explained(table, given, start, at, states)
            token = given[at]
        if move >= end:
            return held[-1].value
        if move >= 0:
            states.append(move)
            held.append(_Held(token, token, token, 0))
            at += 1
            continue
        rule = rules[-move - 1]
        parts = held[-rule.size :]
        del held[-rule.size :], states[-rule.size :]
        try:
            made = _made(rule, parts)
        except Wrong as wrong:
            return wrong.problem
        if made.depth > NESTING:
            message = f"expressions are nested deeper than {NESTING}"
            return Problem("Q401", message, hint="name parts of it with WITH", span=made.first.span)
        held.append(made)
        states.append(rows[states[-1]][rule.origin])


def _as_name(row: Row, given: list[Token], at: int) -> int | None:
    """What to do with the token there, taken for less than it seemed; None where it has no meaning at all."""
    token = given[at]
    if token.type in PAIRS.values():
        parts = taken_apart(token)
        if usable(row, parts[0]):
            given[at : at + 1] = parts
            token = parts[0]
    if kind := usable(row, token):
        token.type = kind
        return row[kind]
    return None


def _made(rule: Any, parts: list[_Held]) -> _Held:
    values: list[Any] = []
    depth = 0
    for part in parts:
        if part.depth > depth:
            depth = part.depth
    for at in rule.keeps:
        value = parts[at].value
        if rule.splices and type(value) is _Gathered:
            values += value
        else:
            values.append(value)
    first, last = parts[0].first, parts[-1].last
    if rule.helper:
        return _Held(_Gathered(values), first, last, depth)
    if not rule.makes:
        return _Held(values[0], first, last, depth)
    span = Span(first.line, first.column, last.start + len(last.text) - first.start, first.start)
    made = ACTIONS[rule.makes](values, span)
    if isinstance(made, ast.Written) and not (values and made is values[0]):
        depth += 1
    return _Held(made, first, last, depth)


class _Gathered(list[Any]):
    """What a repetition has gathered so far."""
