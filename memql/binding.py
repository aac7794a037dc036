"""What binding one query knows and gathers: the catalog, the variables in sight, and everything found wrong so far."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from memql import ast
from memql.bound import Asked, Time, Variable
from memql.catalog import Catalog
from memql.errors import Problem, Span, nearest
from memql.types import ANY, Type

MOST_PROBLEMS = 20
"""Problems of one query that are told: who mends those will ask again."""


@dataclass(frozen=True, slots=True)
class Sight:
    """The variables in sight by name, and for those that SEARCH bound the variable that holds their score."""

    names: Mapping[str, Variable] = field(default_factory=dict)
    scores: Mapping[Variable, Variable] = field(default_factory=dict)

    def plus(self, *variables: Variable) -> "Sight":
        return Sight({**self.names, **{each.name: each for each in variables}}, self.scores)

    def without(self, names: Iterable[str]) -> "Sight":
        left = {name: each for name, each in self.names.items() if name not in set(names)}
        return Sight(left, self.scores)

    def scored(self, variable: Variable, score: Variable) -> "Sight":
        return Sight(self.names, {**self.scores, variable: score})


class Binding:
    """`text` is what was written: a column without alias is called as it was written."""

    def __init__(self, catalog: Catalog, text: str) -> None:
        self.catalog = catalog
        self.text = text
        self.time: Time | None = None
        """The time that holds where we are: that of the query, or of the clause around."""
        self.own: Time | None = None
        """That of the query."""
        self.times: list[Time] = []
        """Every time that is asked for."""
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.parameters: dict[str, Type] = {}
        self.optional: set[str] = set()
        self.aggregates = False
        """Whether an aggregate may stand where we are."""
        self.foreign: list[ast.Foreign] = []
        """Verbs of Cypher that were met: refused where nothing else is wrong."""
        self._numbers = count()
        self._unknown: set[str] = set()

    def variable(self, name: str, of: Type) -> Variable:
        return Variable(next(self._numbers), name, of)

    def new(self, sight: Sight, name: ast.Name, of: Type) -> Variable:
        """A variable of a name that is still free."""
        if name.name in sight.names:
            self.problem("Q107", f"`{name.name}` is bound already", name.span, "use another name")
        return self.variable(name.name, of)

    def problem(self, code: str, message: str, span: Span, hint: str = "") -> None:
        place = f"line {span.line}, column {span.column}"
        found = Problem(code, message, place, hint, span)
        if len(self.problems) < MOST_PROBLEMS and found not in self.problems:
            self.problems.append(found)

    def warning(self, code: str, message: str, span: Span, hint: str = "") -> None:
        found = Problem(code, message, f"line {span.line}, column {span.column}", hint, span)
        if len(self.warnings) < MOST_PROBLEMS and found not in self.warnings:
            self.warnings.append(found)

    def unknown(self, code: str, what: str, name: str, span: Span, known: Iterable[str], hint: str = "") -> None:
        """A name that the catalog does not have: an error where it is closed, a warning where it is open."""
        meant = nearest(name, known) or hint
        if self.catalog.open:
            self.warning(f"Q9{code[2:]}", f"unknown {what}", span, meant)
        else:
            self.problem(code, f"unknown {what}", span, meant)

    def named(self, name: ast.Name, sight: Sight) -> Variable:
        """The variable of that name. One that is not there is complained of once."""
        if found := sight.names.get(name.name):
            return found
        if name.name not in self._unknown:
            self._unknown.add(name.name)
            hint = nearest(name.name, sight.names) or nearest(name.name, ("null", "true", "false"))
            if not hint and sight.names:
                known = ", ".join(sorted(sight.names)[:8])
                hint = f"in sight here: {known}; a text stands in quotes: '{name.name}'"
            elif not hint:
                hint = "a text stands in quotes, a parameter begins with $"
            self.problem("Q104", f"unknown variable `{name.name}`", name.span, hint)
        return Variable(-1, name.name, ANY)

    def parameter(self, name: str, of: Type) -> None:
        """The parameter is asked for as of that type."""
        known = self.parameters.get(name)
        if known is None or known.name == "any":
            self.parameters[name] = of

    def asked(self) -> tuple[Asked, ...]:
        """The parameters, in the order in which they are met."""
        return tuple(Asked(name, of, name in self.optional) for name, of in self.parameters.items())

    @property
    def past(self) -> bool:
        """Whether we are AS OF a time: what is not versioned cannot be asked then."""
        return self.time is not None and self.time.as_of is not None

    @contextmanager
    def within(self, time: Time | None) -> Iterator[None]:
        """What is bound inside is read at that time."""
        before, self.time = self.time, time
        try:
            yield
        finally:
            self.time = before

    @contextmanager
    def aggregating(self, allowed: bool) -> Iterator[None]:
        before, self.aggregates = self.aggregates, allowed
        try:
            yield
        finally:
            self.aggregates = before
