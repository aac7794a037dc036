"""What is to be written for a file of statements, in any language: functions, and the records that they give.

Names are made once, here: of a column `m.text` comes `text`, or `m_text` where another column would be called so too.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from memql.catalog import Catalog
from memql.describe import Many, Parameter
from memql.errors import Problem
from memql.inference import Inference
from memql.statements import Checked
from memql.types import Type


@dataclass(frozen=True, slots=True)
class Field:
    """`key` is what it is called in an answer, `name` what it is called in code."""

    key: str
    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Record:
    """Named values that come together. `of`: a row has its values by place; a map, a node or a relation by key."""

    name: str
    of: str
    doc: str
    fields: tuple[Field, ...]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    how: str
    doc: str
    text: str
    parameters: tuple[Parameter, ...]
    row: str
    """The name of its record; empty where it gives no rows."""
    rows: Many
    writes: bool = False


@dataclass(slots=True)
class Declared:
    """`maps` says of the fields of a map which record it is, `kinds` of a kind of node or relation the same."""

    functions: list[Function] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    maps: dict[tuple[tuple[str, Type], ...], Record] = field(default_factory=dict)
    kinds: dict[tuple[str, str], Record] = field(default_factory=dict)

    def items(self, of: Type) -> list[Record] | None:
        """The records of a node or relation, one a kind; None where any will do."""
        if of.name not in ("node", "relation") or not of.kinds:
            return None
        found = [self.kinds.get((of.name, kind)) for kind in sorted(of.kinds)]
        return None if None in found else [each for each in found if each is not None]


def declare(statements: Sequence[Checked], catalog: Catalog) -> Declared:
    made = Declared()
    taken: set[str] = set()
    inference = Inference(catalog, {})

    def record(name: str, of: str, doc: str, fields: Sequence[tuple[str, Type]], kind: str = "") -> Record:
        while name in taken:
            name += "_"
        taken.add(name)
        names = labels([key for key, _ in fields])
        for (_, each), label in zip(fields, names, strict=True):
            found(each, name.removesuffix("Row") + pascal(label))
        own = tuple(Field(key, label, each) for (key, each), label in zip(fields, names, strict=True))
        new = Record(name, of, doc, own, kind)
        made.records.append(new)
        return new

    def found(of: Type, name: str) -> None:
        """Whatever has to be declared for values of that type."""
        if of.member is not None:
            found(of.member, name)
        if of.fields is not None and of.fields not in made.maps:
            made.maps[of.fields] = record(name, "map", "", of.fields)
        if of.name not in ("node", "relation"):
            return
        known = catalog.kinds if of.name == "node" else catalog.relations
        for kind in sorted(of.kinds or ()):
            if (of.name, kind) not in made.kinds and kind in known:
                own = Type(of.name, False, kinds=frozenset({kind}))
                fields = tuple(inference.properties(own).items())
                doc = known[kind].description
                made.kinds[of.name, kind] = record(pascal(kind), of.name, doc, fields, kind)

    for each in statements:
        statement, told = each.statement, each.description
        row = ""
        if told.columns:
            columns = [(column.name, column.type) for column in told.columns]
            row = record(f"{pascal(statement.name)}Row", "row", f"A row of `{statement.name}`.", columns).name
        made.functions.append(
            Function(
                statement.name,
                statement.how,
                statement.doc,
                each.text,
                told.parameters,
                row,
                told.rows,
                writes=told.does == "write",
            )
        )
    return made


# Names


def pascal(name: str) -> str:
    """`due_tasks`, `dueTasks` and `DUE_TASKS` are `DueTasks`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+|\d+", name)
    return "".join(word[0].upper() + word[1:].lower() for word in words) or "Value"


def camel(name: str) -> str:
    made = pascal(name)
    return made[0].lower() + made[1:]


_WORDS = re.compile(r"\W+")


def labels(written: Sequence[str]) -> list[str]:
    """A name for each column: its last part where no two have that, else all of it."""
    short = [_plain(each.rpartition(".")[2] if re.fullmatch(r"[\w`]+(\.[\w`]+)+", each) else each) for each in written]
    made = [one if short.count(one) == 1 else _plain(each) for one, each in zip(short, written, strict=True)]
    return [_numbered(name, place, made) for place, name in enumerate(made)]


def _plain(written: str) -> str:
    name = _WORDS.sub("_", written).strip("_") or "column"
    return f"column_{name}" if name[0].isdigit() else name


def _numbered(name: str, place: int, names: Sequence[str]) -> str:
    before = list(names[:place]).count(name)
    return f"{name}_{before + 1}" if before else name


def unusable(functions: Sequence[Checked]) -> Iterator[Problem]:
    """Statements whose names would be one name in code."""
    known: dict[str, str] = {}
    for each in functions:
        statement = each.statement
        name = pascal(statement.name)
        if name in known and known[name] != statement.name:
            span = statement.heading
            message = f"`{statement.name}` and `{known[name]}` are one name in code"
            hint = "names differ by more than capitals and underscores"
            yield Problem("Q009", message, f"line {span.line}, column {span.column}", hint, span)
        known.setdefault(name, statement.name)
