"""What a function is: its signature, its description, and its meaning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from memql.types import ANY, Type, declared
from memql.world import Datum

Given = Sequence[Type]
"""The types of the arguments."""


class Unanswerable(Exception):
    """A value for which an expression has no meaning, such as a division by zero. Whoever evaluates adds the place."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint


MADE = 1_000_000
"""Characters of a text, or members of a list, that an expression may make: ten times what can be stored."""


def not_too_long(length: int) -> None:
    if length > MADE:
        raise Unanswerable("Q403", f"an expression makes more than {MADE:,} characters or members", "ask for less")


def mistyped(name: str, wanted: str, value: Datum) -> NoReturn:
    """The value is of a type that was not known before, and it is the wrong one."""
    raise Unanswerable("Q213", f"`{name}` takes {wanted}, not {shown(value)}", "check the value, or convert it")


def shown(value: Datum) -> str:
    """A value as a message names it: short, and never a whole text."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"'{value[:20]}…'" if len(value) > 20 else f"'{value}'"
    if isinstance(value, int | float):
        return str(value)[:40]
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a map"
    return f"a {type(value).__name__.lower()}"


@dataclass(frozen=True, slots=True)
class Function:
    """`takes` are the types of its arguments; the last `optional` of them may be left out, or with `repeats` the last
    may come any number of times. `gives` is the type of its value, or a rule for it.

    `meaning` gets the values; with `asks` the world before them. Where `nulls` is False it never sees a null: a null
    argument makes the value null.
    """

    name: str
    takes: tuple[str, ...]
    gives: str | Callable[[Given], Type]
    doc: str
    meaning: Callable[..., Any]
    optional: int = 0
    repeats: bool = False
    nulls: bool = False
    asks: bool = False
    clock: int | None = None
    """With at most so many arguments it tells when the query was asked."""
    chance: bool = False
    """Whether it gives another value each time."""
    example: str = ""

    def type(self, given: Given) -> Type:
        """The type of its value for arguments of these types."""
        of = self.gives(given) if callable(self.gives) else declared(self.gives)
        return of if self.nulls or any(each.nullable for each in given) else of.present()

    def signature(self) -> str:
        shown = list(self.takes)
        for at in range(len(shown) - self.optional, len(shown)):
            shown[at] += "?"
        of = "any" if callable(self.gives) else self.gives
        return f"{self.name}({', '.join(shown)}{', …' if self.repeats else ''}) → {of}"

    def takes_count(self, count: int) -> bool:
        least = len(self.takes) - self.optional
        return count >= least and (self.repeats or count <= len(self.takes))

    def wanted(self, place: int) -> str:
        """The type that the argument at that place must have."""
        return self.takes[min(place, len(self.takes) - 1)]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function over the values of a group, nulls left out. `finish` makes its value of all of them; where there is a
    `second` argument, of that type, it gets what that is in the group's first row as well."""

    name: str
    takes: str
    gives: str | Callable[[Type], Type]
    doc: str
    finish: Callable[..., Datum]
    nullable: bool = True
    second: str = ""

    def type(self, given: Type) -> Type:
        of = self.gives(given) if callable(self.gives) else declared(self.gives)
        return of.optional() if self.nullable else of.present()

    def signature(self) -> str:
        of = "any" if callable(self.gives) else self.gives
        return f"{self.name}({', '.join(filter(None, (self.takes, self.second)))}) → {of}"


def first(given: Given) -> Type:
    """As the first argument."""
    return given[0]


def member(given: Given) -> Type:
    """As the members of the first argument."""
    return (given[0].member or ANY).optional()
