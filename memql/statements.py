"""A file of statements: where each begins, how it is called, and what is said about it.

Statements stand one after the other, divided by a line `---` or by a semicolon. A comment above one names it and says
how many rows it is to give; what follows there tells its readers what it is for:

    // recall :many — what is remembered about a question
    // The best stand first.
    SEARCH m:Memory SIMILAR TO $question SCORE AS score
    RETURN m.text AS text, score

`:one` gives one row or none, `:many` any number of rows, and `:live` goes on telling how they change.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from memql.catalog import Catalog
from memql.compiled import Compiled, compile_query
from memql.describe import Description, described
from memql.errors import Problem, Reason, Refusal, Span, nearest

HOW = ("one", "many", "live")

_PIECE = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<rule>^[^\S\n]*-{3,}[^\S\n]*$)
      | (?P<semicolon>;)
      | (?P<space>[^\S\n]+|\n)
      | '(?:\\.|[^'\\])*' | "(?:\\.|[^"\\])*" | `(?:[^`]|``)+` | [^\s'"`/;-]+ | .""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_HEADING = re.compile(r"//[^\S\n]*(?P<name>[^\W\d]\w*)\s+:(?P<how>\w+)\b\s*(?:[—–:-]+\s*)?(?P<doc>.*)")
_LIVE = "LIVE "


@dataclass(frozen=True, slots=True)
class Statement:
    """`text` is the query alone, at `place` in the file. Without a heading it has no `name`. `heading` is the place of
    that."""

    name: str
    how: str
    doc: str
    text: str
    place: Span
    heading: Span

    def located(self, problem: Problem, shift: int = 0) -> Problem:
        """The problem at its place in the file. `shift`: characters that were put before the query."""
        span = problem.span or Span(1, 1, 1, 0)
        first = span.line == 1
        column = max(1, span.column - shift) + self.place.column - 1 if first else span.column
        start = max(0, span.start - shift) + self.place.start
        moved = Span(span.line + self.place.line - 1, column, span.length, start)
        return replace(problem, place=f"line {moved.line}, column {moved.column}", span=moved)


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of a file between two dividers; `divider` is the one behind it."""

    begin: int
    end: int
    pieces: tuple[re.Match[str], ...]
    divider: str


def regions(text: str) -> Iterator[Region]:
    begin = 0
    pieces: list[re.Match[str]] = []
    for piece in _PIECE.finditer(text):
        if piece.lastgroup in ("rule", "semicolon"):
            yield Region(begin, piece.start(), tuple(pieces), piece[0].strip())
            begin, pieces = piece.end(), []
        else:
            pieces.append(piece)
    yield Region(begin, len(text), tuple(pieces), "")


def statements(text: str) -> list[Statement]:
    """Those in the text of a file, in order. What has no query in it is none."""
    return [found for region in regions(text) if (found := statement_in(text, region))]


def statement_in(text: str, region: Region) -> Statement | None:
    pieces = region.pieces
    words = [piece for piece in pieces if piece.lastgroup not in ("comment", "space")]
    if not words:
        return None
    start, behind = words[0].start(), words[-1].end()
    place = _span(text, start, behind)
    above = [piece for piece in pieces if piece.lastgroup == "comment" and piece.start() < start]
    for number, comment in enumerate(above):
        if found := _HEADING.match(comment[0]):
            doc = [found["doc"].strip(), *(each[0].strip("/* \t\n") for each in above[number + 1 :])]
            heading = _span(text, comment.start(), comment.end())
            told = "\n".join(doc).strip()
            return Statement(found["name"], found["how"], told, text[start:behind], place, heading)
    return Statement("", "", "", text[start:behind], place, place)


def _span(text: str, start: int, end: int) -> Span:
    line = text.count("\n", 0, start) + 1
    return Span(line, start - (text.rfind("\n", 0, start) + 1) + 1, end - start, start)


# What a statement must be


@dataclass(frozen=True, slots=True)
class Checked:
    """`text` is what is asked: as it was written, or made LIVE where its heading wants that."""

    statement: Statement
    text: str
    description: Description


def checked(statement: Statement, catalog: Catalog) -> Checked | Refusal:
    """The statement as it is understood in that catalog; or what is wrong with it, at its place in the file."""
    live = statement.how == "live" and not re.match(r"LIVE\b", statement.text, re.IGNORECASE)
    shift = len(_LIVE) if live else 0
    text = _LIVE + statement.text if live else statement.text
    compiled = compile_query(text, catalog)
    if isinstance(compiled, Refusal):
        return Refusal(compiled.reason, tuple(statement.located(each, shift) for each in compiled.problems))
    found = described(compiled, catalog)
    found = replace(found, warnings=tuple(statement.located(each, shift) for each in found.warnings))
    wrong = [*_misheaded(statement, compiled, found)]
    return Refusal(Reason.INVALID, tuple(wrong)) if wrong else Checked(statement, text, found)


def _misheaded(statement: Statement, compiled: Compiled, found: Description) -> Iterator[Problem]:
    """What its heading promises and the query does not keep."""
    if not statement.name:
        return
    if statement.how not in HOW:
        hint = nearest(statement.how, HOW) or "one of :one, :many, :live"
        yield _problem("Q009", f"there is no `:{statement.how}`", statement.heading, hint)
    if compiled.statement.prefix in ("explain", "profile"):
        message = f"{compiled.statement.prefix.upper()} tells how, and gives no function rows"
        yield _problem("Q009", message, statement.place, "leave it out")
    if statement.how == "one" and found.rows == "many" and found.columns:
        hint = "ask for an item by its id, aggregate without keys, LIMIT 1, or call it :many"
        message = f"`{statement.name}` is :one, and this may give many rows"
        yield _problem("Q330", message, statement.place, hint)


def all_checked(found: Sequence[Statement], catalog: Catalog, *, named: bool) -> tuple[list[Checked], list[Problem]]:
    """The statements of one file, and all that is wrong with them. `named`: each must have a heading."""
    good: list[Checked] = []
    wrong: list[Problem] = []
    names: set[str] = set()
    for statement in found:
        if named and not statement.name:
            hint = "write one above it: // name :many — what it is for"
            wrong.append(_problem("Q008", "this statement has no heading", statement.place, hint))
        if statement.name in names and statement.name:
            message = f"two statements are called `{statement.name}`"
            wrong.append(_problem("Q009", message, statement.heading, "give one of them another name"))
        names.add(statement.name)
        made = checked(statement, catalog)
        if isinstance(made, Refusal):
            wrong += made.problems
        else:
            good.append(made)
    return good, wrong


def _problem(code: str, message: str, span: Span, hint: str) -> Problem:
    return Problem(code, message, f"line {span.line}, column {span.column}", hint, span)
