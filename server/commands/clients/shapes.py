"""What is to be written for operations, in any language: what comes back as records and choices between them, what goes
in as inputs, and the enums of both.

A record is one object as it was selected. A choice is between records, told apart by `__typename`; `other` stands for
types that nothing particular was selected of, and for those that the schema does not have yet.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from server.commands.clients.additions import Resume

# Kinds of values


@dataclass(frozen=True, slots=True)
class Scalar:
    name: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """One of an enum's values."""

    name: str


@dataclass(frozen=True, slots=True)
class Named:
    """A record, a choice or an input, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Typename:
    """One of these names of types; none: any."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    of: "Kind"


@dataclass(frozen=True, slots=True)
class Nullable:
    of: "Kind"


Kind: TypeAlias = Scalar | Chosen | Named | Typename | Listed | Nullable

# Declarations


@dataclass(frozen=True, slots=True)
class Field:
    """`optional`: it may not be there at all, which is not the same as null. `defaults`: what the server takes then."""

    key: str
    kind: Kind
    optional: bool = False
    doc: str = ""
    deprecated: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """`fields` are all of its fields, `own` those that its bases do not have as they are."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    bases: tuple["Record", ...] = ()

    @property
    def own(self) -> tuple[Field, ...]:
        inherited = {each for base in self.bases for each in base.fields}
        return tuple(each for each in self.fields if each not in inherited)


@dataclass(frozen=True, slots=True)
class Choice:
    """`members` are records with the types that they are of."""

    name: str
    doc: str
    members: tuple[tuple[tuple[str, ...], Record], ...]
    other: Record


@dataclass(frozen=True, slots=True)
class Input:
    name: str
    doc: str
    fields: tuple[Field, ...]
    one_of: bool


@dataclass(frozen=True, slots=True)
class Enum:
    """Its values with what is said of each."""

    name: str
    doc: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Method:
    """`how` is query, mutation or subscription, `gives` the record of its data."""

    name: str
    how: str
    doc: str
    text: str
    variables: tuple[Field, ...]
    gives: Record
    keys: tuple[tuple[str, ...], ...]
    repeatable: bool
    resume: Resume | None


@dataclass(slots=True)
class Shapes:
    """All of it, in an order in which what stands on something comes behind it."""

    methods: list[Method] = field(default_factory=list)
    results: list[Record | Choice] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    enums: list[Enum] = field(default_factory=list)
    scalars: set[str] = field(default_factory=set)
