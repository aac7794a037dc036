"""The names of one tenant: kinds, labels, properties and relation kinds, built in and declared.

A catalog is a value; a declaration gives a new one. A closed catalog refuses unknown names, an open one takes them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from memql.values import SCALARS

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
"""Any name: what an open catalog takes without a declaration."""
KIND_NAME = re.compile(r"[A-Z][A-Za-z0-9]{0,62}\Z")
RELATION_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,62}\Z")
PROPERTY_NAME = re.compile(r"[a-z_][A-Za-z0-9_]{0,62}\Z")
PREFIX = re.compile(r"[a-z]{2,12}\Z")

RESERVED = frozenset(
    {"id", "kind", "labels", "version", "owner", "domain", "valid_from", "valid_to", "recorded_at", "retired_at"}
)
"""Every item has these; no kind may declare a property of that name."""


WORDED = ("string", "string[]", "any")
"""Types of properties that have words to be searched."""


@dataclass(frozen=True, slots=True)
class Property:
    name: str
    type: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of item. `text` names the property that is searched by words and meaning; `prefix` begins its ids."""

    name: str
    prefix: str
    layer: int | None
    text: str
    properties: Mapping[str, Property]
    description: str = ""

    @property
    def text_property(self) -> str:
        """The property by which its items are found; one that says nothing of it may have a `text`."""
        return self.text or "text"

    def graphed(self) -> list[Property]:
        """The declared scalars that the graph store holds; the long text is left to the text index."""
        return [p for p in self.properties.values() if p.type in SCALARS and p.name != self.text]


@dataclass(frozen=True, slots=True)
class RelationKind:
    """A kind of relation. `acyclic`: no chain of them leads back to its start. `lasting`: the far end is seen even
    when retired or no longer valid, so that provenance never vanishes."""

    name: str
    description: str = ""
    acyclic: bool = False
    lasting: bool = False
    properties: Mapping[str, Property] = field(default_factory=dict)


def _properties(**types: str) -> Mapping[str, Property]:
    return MappingProxyType({name: Property(name, of) for name, of in types.items()})


_ORIGIN = {"external_key": "string", "metadata": "map"}

_WORK = {
    "title": "string",
    "description": "string",
    "status": "string",
    "priority": "integer",
    "progress": "float",
    "due_at": "datetime",
}

KINDS = (
    Kind("Stream", "str", None, "", _properties(name="string", **_ORIGIN), "one session's events, in order"),
    Kind(
        "Event",
        "evt",
        0,
        "content",
        _properties(content="string", role="string", author="string", importance="float", reply_to="string", **_ORIGIN),
        "what was said or done, as it came",
    ),
    Kind(
        "Memory",
        "mem",
        1,
        "text",
        _properties(
            text="string",
            author="string",
            category="string",
            tags="string[]",
            importance="float",
            confidence="float",
            **_ORIGIN,
        ),
        "a stable fact or procedure",
    ),
    Kind(
        "Insight",
        "ins",
        2,
        "text",
        _properties(text="string", category="string", tags="string[]", confidence="float", **_ORIGIN),
        "a theme or conclusion over memories",
    ),
    Kind("Goal", "goal", 3, "title", _properties(**_WORK, **_ORIGIN), "what someone wants to reach"),
    Kind("Task", "task", 3, "title", _properties(**_WORK, result="string", **_ORIGIN), "a step towards a goal"),
    Kind(
        "Entity",
        "ent",
        None,
        "name",
        _properties(name="string", category="string", aliases="string[]", **_ORIGIN),
        "a person, place, organisation or thing that memories mention",
    ),
)

RELATIONS = (
    RelationKind("DERIVED_FROM", "was made from", lasting=True),
    RelationKind("MENTIONS", "names an entity"),
    RelationKind("ABOUT", "is about"),
    RelationKind("FOLLOWS", "comes after, in the same stream"),
    RelationKind("SIMILAR_TO", "is near in meaning"),
    RelationKind("SUPPORTS", "is evidence for"),
    RelationKind("CONTRADICTS", "is evidence against"),
    RelationKind("SUPERSEDES", "takes the place of", acyclic=True, lasting=True),
    RelationKind("EXTENDS", "adds to"),
    RelationKind("PART_OF", "belongs to", acyclic=True),
    RelationKind("DEPENDS_ON", "needs first", acyclic=True),
    RelationKind("SAME_AS", "is the same thing in another domain"),
)
LASTING = frozenset(relation.name for relation in RELATIONS if relation.lasting)
"""Kinds of relation through which the far end is seen whatever became of it."""

STATUSES = ("open", "active", "blocked", "done", "abandoned")
"""What the `status` of a goal or a task may be."""

STATE = MappingProxyType(
    {
        "access_count": "integer",
        "activation": "float",
        "strength": "float",
        "rank": "float",
        "community": "integer",
        "noise": "integer",
        "consolidated": "integer",
    }
)
"""Derived figures of any item: folded in batches, not versioned, an error under AS OF. `noise` says why an event makes
no memory (0: it does); `consolidated`, how far a stream's events have been looked at for that."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The names of one tenant. `version` rises with each declaration, so that plans know when they are stale."""

    kinds: Mapping[str, Kind] = field(default_factory=lambda: MappingProxyType({k.name: k for k in KINDS}))
    relations: Mapping[str, RelationKind] = field(
        default_factory=lambda: MappingProxyType({r.name: r for r in RELATIONS})
    )
    labels: frozenset[str] = frozenset()
    open: bool = False
    version: int = 0

    def relation(self, name: str) -> RelationKind | None:
        """The relation kind of that name; an open catalog knows any well-formed one."""
        known = self.relations.get(name)
        return known or (RelationKind(name) if self.open and NAME.match(name) else None)

    def with_kind(self, kind: Kind) -> "Catalog":
        kinds = MappingProxyType({**self.kinds, kind.name: kind})
        return replace(self, kinds=kinds, version=self.version + 1)

    def with_relation(self, relation: RelationKind) -> "Catalog":
        relations = MappingProxyType({**self.relations, relation.name: relation})
        return replace(self, relations=relations, version=self.version + 1)

    def with_property(self, owner: str, declared: Property) -> "Catalog":
        """The catalog in which the kind or relation kind `owner` also has that property."""
        if owner in self.kinds:
            kind = self.kinds[owner]
            return self.with_kind(replace(kind, properties={**kind.properties, declared.name: declared}))
        relation = self.relations[owner]
        return self.with_relation(replace(relation, properties={**relation.properties, declared.name: declared}))

    def with_label(self, label: str) -> "Catalog":
        return replace(self, labels=self.labels | {label}, version=self.version + 1)

    def opened(self, is_open: bool) -> "Catalog":
        return replace(self, open=is_open, version=self.version + 1)

    def text_of(self, kind: str, properties: Mapping[str, object]) -> str:
        """The text by which an item of that kind is found, or nothing."""
        declared = self.kinds.get(kind)
        found = properties.get(declared.text_property if declared else "text")
        return found if isinstance(found, str) else ""
