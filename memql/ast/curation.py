"""Verbs as they were written: MemQL's own, and those of Cypher, which are read only to be refused well."""

from dataclasses import dataclass
from typing import TypeAlias

from memql.ast.expressions import Expression, Labels, Name, PathPattern, Written

# MemQL's own


@dataclass(frozen=True, slots=True)
class Details(Written):
    """What may stand behind a verb: FROM, BECAUSE, and VALID … TO …"""

    sources: tuple[Expression, ...] = ()
    because: Expression | None = None
    valid_from: Expression | None = None
    valid_to: Expression | None = None


@dataclass(frozen=True, slots=True)
class Setting(Written):
    """`m.text = 'x'`; with `more`, `m += {…}`; with labels, `m:Label`. `=` of a variable alone is Cypher's."""

    of: Expression
    value: Expression | None = None
    more: bool = False
    labels: Labels | None = None


@dataclass(frozen=True, slots=True)
class Remember(Written):
    paths: tuple[PathPattern, ...]
    details: Details


@dataclass(frozen=True, slots=True)
class Correct(Written):
    variable: Name
    settings: tuple[Setting, ...]
    details: Details


@dataclass(frozen=True, slots=True)
class Supersede(Written):
    old: Name
    new: Name
    details: Details


@dataclass(frozen=True, slots=True)
class Link(Written):
    paths: tuple[PathPattern, ...]
    details: Details


@dataclass(frozen=True, slots=True)
class Forget(Written):
    variables: tuple[Name, ...]
    details: Details


Verb: TypeAlias = Remember | Correct | Supersede | Link | Forget
VERBS = (Remember, Correct, Supersede, Link, Forget)


# Cypher's


@dataclass(frozen=True, slots=True)
class Create(Written):
    paths: tuple[PathPattern, ...]


@dataclass(frozen=True, slots=True)
class OnMerge(Written):
    """`ON CREATE SET …`, or `ON MATCH SET …`."""

    matched: bool
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Merge(Written):
    path: PathPattern
    on: tuple[OnMerge, ...] = ()


@dataclass(frozen=True, slots=True)
class Set(Written):
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Remove(Written):
    """Properties, or labels where a setting has them."""

    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Delete(Written):
    targets: tuple[Expression, ...]
    detach: bool = False


@dataclass(frozen=True, slots=True)
class Foreach(Written):
    variable: Name
    source: Expression
    clauses: tuple["Foreign", ...]


@dataclass(frozen=True, slots=True)
class LoadCsv(Written):
    source: Expression
    variable: Name
    headers: bool = False
    separator: Expression | None = None


@dataclass(frozen=True, slots=True)
class Yielded(Written):
    """A column of a procedure, and the variable that is to hold it."""

    column: Name
    alias: Name | None = None


@dataclass(frozen=True, slots=True)
class Procedure(Written):
    """`CALL name(arguments) YIELD columns`. No arguments: none were written, not even brackets."""

    name: str
    arguments: tuple[Expression, ...] | None = None
    columns: tuple[Yielded, ...] = ()
    star: bool = False
    where: Expression | None = None


Foreign: TypeAlias = Create | Merge | Set | Remove | Delete | Foreach | LoadCsv | Procedure
FOREIGN = (Create, Merge, Set, Remove, Delete, Foreach, LoadCsv, Procedure)
