"""What went wrong, as a sentence to a person: a code, a place and a way on.

Refusals are values. Whoever cannot do what was asked returns a `Refusal`; nobody raises one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rapidfuzz import process
from rapidfuzz.distance import OSA


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text: where it begins, lines and columns counted from 1, and how many characters it has."""

    line: int
    column: int
    length: int
    start: int

    @property
    def end(self) -> int:
        return self.start + self.length

    def to(self, last: "Span") -> "Span":
        """From the beginning of this one to the end of that one."""
        return Span(self.line, self.column, last.end - self.start, self.start)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `code` is stable, `place` says where in what was asked, `hint` what to do. `span` is
    the place in a query's text."""

    code: str
    message: str
    place: str = ""
    hint: str = ""
    span: Span | None = None

    def __str__(self) -> str:
        at = f" at {self.place}" if self.place else ""
        way_on = f" ({self.hint})" if self.hint else ""
        return f"{self.code}{at}: {self.message}{way_on}"


class Reason(StrEnum):
    """Why a request was refused; what a caller may branch on."""

    INVALID = "invalid"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"
    LIMIT = "limit"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to a request that was not carried out. Nothing of it was done."""

    reason: Reason
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return "; ".join(map(str, self.problems))


def invalid(code: str, message: str, place: str = "", hint: str = "") -> Refusal:
    return Refusal(Reason.INVALID, (Problem(code, message, place, hint),))


def not_found(what: str, name: str, place: str) -> Refusal:
    """The same words for what does not exist and for what the principal may not see."""
    hint = "check the id, or whether you may see it"
    return Refusal(Reason.NOT_FOUND, (Problem("NOT_FOUND", f"no {what} `{name}`", place, hint),))


def conflict(code: str, message: str, place: str, hint: str) -> Refusal:
    return Refusal(Reason.CONFLICT, (Problem(code, message, place, hint),))


def forbidden(code: str, message: str, place: str, hint: str) -> Refusal:
    return Refusal(Reason.FORBIDDEN, (Problem(code, message, place, hint),))


def over_limit(limit: str, most: int, found: int, place: str) -> Refusal:
    """A limit was met: its name is the name of the setting that moves it."""
    problem = Problem(
        "LIMIT_EXCEEDED",
        f"{found:,} is more than `{limit}` allows ({most:,})",
        place,
        f"send less, or raise `limits.{limit}`",
    )
    return Refusal(Reason.LIMIT, (problem,))


def unavailable(code: str, message: str, hint: str) -> Refusal:
    return Refusal(Reason.UNAVAILABLE, (Problem(code, message, "", hint),))


def rendered(problem: Problem, text: str, file: str = "") -> str:
    """The problem with its line of the query, and a caret under the place; `file` is where the text is from."""
    level = "warning" if problem.code.startswith("Q9") else "error"
    shown = [f"{level}[{problem.code}]: {problem.message}"]
    if span := problem.span:
        lines = text.split("\n")
        line = lines[span.line - 1].replace("\t", " ") if span.line <= len(lines) else ""
        number = str(span.line)
        carets = "^" * max(1, min(span.length, len(line) - span.column + 1))
        place = f"{file}:{span.line}:{span.column}" if file else f"line {span.line}, column {span.column}"
        shown.append(f"{' ' * len(number)}--> {place}")
        shown.append(f"{number} | {line}")
        shown.append(f"{' ' * len(number)} | {' ' * (span.column - 1)}{carets}")
        if problem.hint:
            shown.append(f"{' ' * len(number)} = help: {problem.hint}")
    else:
        shown += [f"  --> {file}"] if file else []
        shown += [f"  = help: {problem.hint}"] if problem.hint else []
    return "\n".join(shown)


def nearest(name: str, known: Iterable[str]) -> str:
    """A `did you mean` hint for a mistyped name, or nothing when no known name is near: first by the fewest slips of
    the hand, then by words in common."""
    names = list(known)
    found = process.extractOne(name, names, scorer=OSA.normalized_similarity, processor=str.lower, score_cutoff=0.6)
    if found is None and len(name) > 3:
        longer = [each for each in names if len(each) > 3]
        found = process.extractOne(name, longer, processor=str.lower, score_cutoff=75)
    return f"did you mean `{found[0]}`?" if found else ""
