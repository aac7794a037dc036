"""The types of expressions: what is known of a value before there is one.

`any` is what cannot be known before. A definite type that cannot be what is wanted is a mistake; `any` is let through,
and looked at when there is a value.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from memql.values import SCALARS

Name: TypeAlias = str
NAMES = ("any", "null", *SCALARS, "localdatetime", "time", "localtime", "duration", "list", "map", "node", "relation",
         "path")  # fmt: skip

_GROUPS = {
    "number": frozenset({"integer", "float"}),
    "temporal": frozenset({"date", "datetime", "localdatetime", "time", "localtime"}),
    "entity": frozenset({"node", "relation"}),
}
"""Names for several types at once, in signatures."""


@dataclass(frozen=True, slots=True)
class Type:
    """`member` is that of a list's members. `kinds`: of a node or a relation, which it can be of; None: of any. `past`:
    it is as it was AS OF a time, when what is not versioned cannot be told. `fields`: what a map has, where known."""

    name: Name
    nullable: bool = True
    member: "Type | None" = None
    kinds: frozenset[str] | None = None
    fields: "tuple[tuple[str, Type], ...] | None" = None
    past: bool = False

    def __str__(self) -> str:
        if self.name == "list":
            return f"{self.member}[]" if self.member and self.member.name in SCALARS else "list"
        return self.name

    def present(self) -> "Type":
        """The type of a value that is there."""
        return replace(self, nullable=False)

    def optional(self) -> "Type":
        return replace(self, nullable=True)


ANY = Type("any")
NULL = Type("null")
BOOLEAN, INTEGER, FLOAT, STRING = Type("boolean"), Type("integer"), Type("float"), Type("string")
DATE, DATETIME, MAP, PATH = Type("date"), Type("datetime"), Type("map"), Type("path")
NODE, RELATION = Type("node"), Type("relation")


def list_of(member: Type) -> Type:
    return Type("list", member=member)


def declared(written: str) -> Type:
    """The type that a property or a parameter was declared with."""
    return list_of(declared(written[:-2])) if written.endswith("[]") else Type(written)


def fits(given: Type, wanted: str) -> bool:
    """Whether a value of the given type can be one of those wanted: `string`, `number|string`, `any`."""
    if given.name in ("any", "null") or wanted == "any":
        return True
    return any(given.name == each or given.name in _GROUPS.get(each, ()) for each in wanted.split("|"))


def common(types: Iterable[Type]) -> Type:
    """A type that holds values of all of them."""
    found = list(types)
    nullable = any(each.nullable or each.name == "null" for each in found)
    known = [each for each in found if each.name != "null"]
    if not known:
        return NULL
    names = {each.name for each in known}
    if len(names) > 1:
        return Type("float" if names == {"integer", "float"} else "any", nullable)
    if names == {"list"}:
        return Type("list", nullable, common(each.member or ANY for each in known))
    kinds: frozenset[str] | None = frozenset()
    for each in known:
        kinds = None if kinds is None or each.kinds is None else kinds | each.kinds
    past = any(each.past for each in known)
    if names == {"map"}:
        alike = all(each.fields == known[0].fields for each in known)
        return Type("map", nullable, fields=known[0].fields if alike else None)
    return Type(known[0].name, nullable, kinds=kinds if known[0].name in _GROUPS["entity"] else None, past=past)


def spoken(wanted: str) -> str:
    """The wanted types as a sentence has them."""
    words = {"number": "a number", "temporal": "a date or time", "entity": "a node or a relation",
             "integer": "an integer", "any": "any value"}  # fmt: skip
    return " or ".join(words.get(each, f"a {each}") for each in wanted.split("|"))
