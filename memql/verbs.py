"""What verbs mean: steps, each of which is done for every row before the next one is begun.

Every expression of a step is about what was read before anything is written. What a step makes or acts on is a
variable of the row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from memql.ast import NOWHERE
from memql.bound import Expression, Variable
from memql.errors import Span
from memql.types import INTEGER

Does: TypeAlias = Literal["remember", "meet", "link", "correct", "supersede", "forget"]
"""`meet`: an entity, found by its name or else named."""

ALL = "*"
"""Stands for the name of a property where a map says which are meant."""


@dataclass(frozen=True, slots=True)
class Step:
    """`subject` is what it makes or acts on, `ends` what a new relation joins, `other` what takes the subject's place.
    `values` are set in their order."""

    does: Does
    subject: Variable
    kind: str = ""
    labels: tuple[str, ...] = ()
    ends: tuple[Variable, Variable] | None = None
    other: Variable | None = None
    values: tuple[tuple[str, Expression], ...] = ()
    sources: tuple[Expression, ...] = ()
    because: Expression | None = None
    valid_from: Expression | None = None
    valid_to: Expression | None = None
    span: Span = field(default=NOWHERE, compare=False, repr=False)

    @property
    def makes(self) -> bool:
        """Whether the subject is bound by it."""
        return self.does in ("remember", "meet", "link")

    @property
    def uses(self) -> tuple[Variable, ...]:
        """The variables that it acts on."""
        own = () if self.makes else (self.subject,)
        return (*own, *(self.ends or ()), *((self.other,) if self.other else ()))

    def expressions(self) -> Iterator[Expression]:
        yield from (value for _, value in self.values)
        yield from self.sources
        yield from (each for each in (self.because, self.valid_from, self.valid_to) if each is not None)

    def rewritten(self, by: Callable[[Expression], Expression]) -> "Step":
        """The step with each of its expressions changed."""

        def maybe(each: Expression | None) -> Expression | None:
            return None if each is None else by(each)

        return replace(
            self, values=tuple((name, by(value)) for name, value in self.values), sources=tuple(map(by, self.sources)),
            because=maybe(self.because), valid_from=maybe(self.valid_from), valid_to=maybe(self.valid_to),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Curate:
    """The verbs of a statement, as a clause."""

    steps: tuple[Step, ...]


SUMMARY = ("remembered", "linked", "corrected", "superseded", "forgotten")
"""The columns of a statement without RETURN: how many items and relations were recorded, changed and retired."""
COUNTED = INTEGER.present()
