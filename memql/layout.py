"""A file of statements in one form, as `memql fmt` writes it: it means the same, has the same comments, and stays as it
is when it is laid out again.

A clause begins a line. One that is longer than `WIDTH` is broken before its parts, and if that is not enough behind its
commas. Comments stay above the clause or behind it; one within a clause has no place in the new form, and is refused.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memql import ast
from memql.errors import Problem, Refusal, Span
from memql.lexer import tokens
from memql.parse import parse
from memql.printer import printed
from memql.statements import Region, Statement, regions, statement_in

WIDTH = 100
_BEFORE = frozenset(
    """WHERE ORDER_BY SKIP OFFSET LIMIT FUSE SCORE SIMILAR_TO MATCHES NEAR FROM BECAUSE AS_OF VALID_AT VALID_DURING
    WITH_HISTORY""".split()
)
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


def laid_out(text: str) -> str | list[Problem]:
    """The text of the file in its form; or why it is left as it is, each with its place."""
    made: list[str] = []
    problems: list[Problem] = []
    for region in regions(text):
        statement = statement_in(text, region)
        if statement is None:
            written: str | list[Problem] = "\n".join(_comments_of(region))
        else:
            written = _statement(text, region, statement)
        if isinstance(written, list):
            problems += written
        elif region.divider == ";" and written:
            # Behind a comment it would be part of that.
            made.append(f"{written}{_line_end(region)};\n")
        elif region.divider:
            made += [written, "---"] if written else ["---"]
        elif written:
            made.append(written)
    return problems or ("\n".join(made) + "\n" if made else "")


def _line_end(region: Region) -> str:
    """What keeps a semicolon out of the comment that the statement ends with."""
    said = [piece for piece in region.pieces if piece.lastgroup != "space"]
    return "\n" if said and said[-1].lastgroup == "comment" else ""


def _comments_of(region: Region) -> Iterator[str]:
    for piece in region.pieces:
        if piece.lastgroup == "comment":
            yield piece[0].rstrip()


@dataclass(frozen=True, slots=True)
class _Comment:
    """`start` counts from the beginning of the query; `beside`: something stands before it on its line."""

    text: str
    start: int
    beside: bool


def _statement(text: str, region: Region, statement: Statement) -> str | list[Problem]:
    parsed = parse(statement.text)
    if isinstance(parsed, Refusal):
        return [statement.located(each) for each in parsed.problems]
    begin = statement.place.start
    comments = [
        _Comment(piece[0].rstrip(), piece.start() - begin, _is_beside(text, piece.start()))
        for piece in region.pieces
        if piece.lastgroup == "comment"
    ]
    if inside := _within(parsed, comments):
        return [_unplaced(statement, inside)]
    above = [each.text for each in comments if each.start < 0]
    written = _unquoted(_with_comments(parsed, [each for each in comments if each.start >= 0]), parsed)
    assert parse(written) == parsed, "what is laid out means something else"
    return "\n".join([*above, written])


_QUOTED = re.compile(r"`([^\W\d]\w*)`")


def _unquoted(written: str, parsed: ast.Statement) -> str:
    """Without backquotes that nothing needs: the printer quotes whatever might be a keyword somewhere."""
    at = 0
    while found := _QUOTED.search(written, at):
        shorter = f"{written[: found.start()]}{found[1]}{written[found.end() :]}"
        if parse(shorter) == parsed:
            written, at = shorter, found.start()
        else:
            at = found.end()
    return written


def _is_beside(text: str, start: int) -> bool:
    return bool(text[text.rfind("\n", 0, start) + 1 : start].strip())


def _clauses(statement: ast.Statement) -> list[ast.Clause]:
    return [clause for part in statement.query.parts for clause in part.clauses]


def _within(statement: ast.Statement, comments: Sequence[_Comment]) -> _Comment | None:
    spans = [clause.span for clause in _clauses(statement)]
    return next((each for each in comments if any(span.start < each.start < span.end for span in spans)), None)


def _unplaced(statement: Statement, comment: _Comment) -> Problem:
    before = statement.text[: comment.start]
    line, column = before.count("\n") + 1, comment.start - (before.rfind("\n") + 1) + 1
    span = Span(line, column, len(comment.text.splitlines()[0]), comment.start)
    hint = "put it above the clause, or at the end of the line where that ends"
    return statement.located(Problem("Q010", "a comment within a clause has no place", "", hint, span))


def _with_comments(statement: ast.Statement, comments: Sequence[_Comment]) -> str:
    """The clauses in their lines, each with the comments that stood above it or behind it."""
    clauses = _clauses(statement)
    waiting = list(comments)
    made: list[str] = []
    at = 0
    for line in printed(statement).split("\n"):
        is_clause = at < len(clauses) and line == printed(clauses[at])
        start = clauses[at].span.start if is_clause else -1
        while waiting and waiting[0].start < start:
            comment = waiting.pop(0)
            if comment.beside and made:
                made[-1] += f"  {comment.text}"
            else:
                made.append(comment.text)
        made += wrapped(line)
        at += is_clause
    for comment in waiting:
        if comment.beside:
            made[-1] += f"  {comment.text}"
        else:
            made.append(comment.text)
    return "\n".join(made)


# Long lines


def wrapped(line: str, width: int = WIDTH) -> list[str]:
    """The clause in lines, those behind the first indented."""
    if len(line) <= width:
        return [line]
    first, *others = _broken(line, _before_parts(line))
    made = [first, *(f"  {each}" for each in others)]
    return [piece for each in made for piece in _behind_commas(each, width)]


def _behind_commas(line: str, width: int) -> list[str]:
    """Pieces of the line that end with its commas, as many in each as fit."""
    pad = len(line) - len(line.lstrip())
    made: list[str] = []
    for piece in _broken(line.strip(), _commas(line.strip())):
        if made and len(made[-1]) + 1 + len(piece) <= width:
            made[-1] += f" {piece}"
        else:
            made.append(" " * (pad + 4 if made else pad) + piece)
    return made


def _broken(line: str, places: Sequence[int]) -> list[str]:
    ends = [*places, len(line)]
    return [line[start:end].strip() for start, end in zip([0, *places], ends, strict=True) if line[start:end].strip()]


def _before_parts(line: str) -> list[int]:
    return [start for kind, start, _ in _outer(line) if kind in _BEFORE and start]


def _commas(line: str) -> list[int]:
    return [end for kind, _, end in _outer(line) if kind in (",", "AND", "OR")]


def _outer(line: str) -> Iterator[tuple[str, int, int]]:
    """The tokens outside of all brackets: kind, beginning, end."""
    found = tokens(line)
    depth = 0
    for token in found if isinstance(found, list) else ():
        if token.type in _CLOSE or token.text in _CLOSE:
            depth -= 1
        elif token.type in _OPEN or token.text in _OPEN:
            depth += 1
        elif depth == 0:
            yield token.type, token.start, token.end
