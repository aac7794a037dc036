"""What is wrong with a text as it stands, with the place, and where it is known, the text that would mend it."""

import re
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import OSA

from memql import ast
from memql.assist.reading import Reading, readable
from memql.bind import bind
from memql.catalog import Catalog
from memql.compiled import too_deep
from memql.errors import Problem, Refusal, Span
from memql.lexer import PAIRS, Token, pieces
from memql.parse import parse

_FIRST = {first for first, _ in PAIRS}
_WHOLE = Span(1, 1, 1, 0)
_MEANT = re.compile(r"did you mean `?([^`?]+)`?\?")
_LIKE = 0.5
"""From this likeness on the second of two words is that of the keyword: one slip in a word of two letters."""
_BACKQUOTED = re.compile(r"in backquotes\Z")
_SYMBOLS = {
    "equality is written =": {"=": ""},
    "inequality is written <>": {"!": "<>", "=": "<>"},
    "write NOT": {"!": "NOT "},
    "write AND": {"&": "AND"},
    "write OR": {"|": "OR"},
}
"""Hints that name what to write for a symbol, and what then stands for it."""


@dataclass(frozen=True, slots=True)
class Fix:
    """`text` in place of what stands in the span."""

    span: Span
    text: str

    def applied(self, to: str) -> str:
        return to[: self.span.start] + self.text + to[self.span.end :]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A problem with its place in the text. A warning keeps no query from being answered."""

    problem: Problem
    severity: Literal["error", "warning"]
    span: Span
    fix: Fix | None = None


def diagnose(text: str, catalog: Catalog) -> tuple[Diagnosis, ...]:
    """Everything wrong with the text in that catalog, in its order. Nothing is wrong with what holds no word."""
    if not any(piece.type != "COMMENT" for piece in pieces(text)):
        return ()
    try:
        statement = parse(text)
        found = statement if isinstance(statement, Refusal) else bind(statement, catalog, text)
    except RecursionError:
        found = too_deep()
    if isinstance(found, Refusal):
        return tuple(_diagnosis(problem, "error", text) for problem in found.problems)
    return tuple(_diagnosis(problem, "warning", text) for problem in found.warnings)


def unfinished(text: str) -> bool:
    """Whether what was written so far is right, and something is missing: who edits goes on with a new line."""
    given = pieces(text)
    reading = Reading(given)
    if not reading.tokens:
        return False
    last = reading.tokens[-1]
    if last.type == "UNCLOSED":
        return True
    if last.text.upper() in _FIRST and readable(reading.tokens[:-1]):
        return True
    if last.type == ";" or not readable(reading.tokens):
        return False
    if reading.open:
        return True
    statement = parse(text)
    if isinstance(statement, Refusal):
        return True
    clause = statement.query.parts[-1].clauses[-1]
    return isinstance(clause, ast.Match | ast.Unwind | ast.Search | ast.With)


def _diagnosis(problem: Problem, severity: Literal["error", "warning"], text: str) -> Diagnosis:
    span = problem.span or _WHOLE
    return Diagnosis(problem, severity, span, _fix(problem, span, text))


def _fix(problem: Problem, span: Span, text: str) -> Fix | None:
    """The replacement that the hint speaks of."""
    written = text[span.start : span.end]
    if not problem.span or not written:
        return None
    if meant := _MEANT.match(problem.hint):
        return Fix(_of_words(span, text, meant[1]), meant[1])
    if _BACKQUOTED.search(problem.hint):
        return Fix(span, f"`{written}`")
    instead = _SYMBOLS.get(problem.hint, {}).get(written)
    if instead is None:
        return None
    if written == "=" and text[span.start - 1 : span.start] == "!":
        return Fix(Span(span.line, span.column - 1, 2, span.start - 1), "<>")
    if written == "!" and instead == "<>":
        return (
            Fix(Span(span.line, span.column, 2, span.start), instead) if text[span.end : span.end + 1] == "=" else None
        )
    if written in "&|" and text[span.end : span.end + 1] == written:
        return Fix(Span(span.line, span.column, 2, span.start), instead)
    return Fix(span, instead)


def _of_words(span: Span, text: str, meant: str) -> Span:
    """Where two words are meant, and the second is there, the span of both."""
    first, _, second = meant.partition(" ")
    if not second or (first, second) not in PAIRS:
        return span
    behind: list[Token] = pieces(text[span.start : span.end + 40])
    if len(behind) > 1 and OSA.normalized_similarity(behind[1].text.upper(), second) >= _LIKE:
        return Span(span.line, span.column, behind[1].end, span.start)
    return span
