"""The properties of a type, as people are shown them: their types, whose they are, and what they say."""

from collections.abc import Iterator
from dataclasses import dataclass

from memql.assist.sight import SCORE
from memql.bind.expressions import SCORE_PARTS
from memql.bind.names import property_type
from memql.binding import Binding
from memql.catalog import STATE, Catalog, Kind, RelationKind
from memql.errors import Span
from memql.functions.times import DATE_PARTS, PARTS
from memql.types import Type
from memql.world import NODE_PROPERTIES, RELATION_PROPERTIES

RESERVED = {
    "id": "its id",
    "kind": "what it is",
    "labels": "its further labels",
    "version": "the number of this version of it",
    "owner": "whose it is",
    "domain": "for whom it is",
    "weight": "how strong the relation is",
    "valid_from": "when it began to be true",
    "valid_to": "when it ceased to be true; null: it still is",
    "recorded_at": "when this version became known",
    "retired_at": "when this version ceased to be the current one; null: it is",
}
"""What is said of the properties that every item or relation has."""
FIGURES = {
    "access_count": "how often it was looked at",
    "activation": "how present it is, by when and how often it was looked at",
    "strength": "how well it is remembered",
    "rank": "how central it is among all that is related",
    "community": "the group of items that it belongs to",
    "noise": "why an event makes no memory; 0: it does",
    "consolidated": "how far a stream's events have become memories",
}
"""What is said of derived figures."""
_NOWHERE = Span(1, 1, 1, 0)
_NAMED = 3
"""Kinds that are named where several have a property."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A property of a type. `whose`: a kind's own, one that every item has, or a derived figure."""

    name: str
    type: str
    said: str
    whose: str


def properties_of(catalog: Catalog, of: Type) -> Iterator[Shown]:
    """Its own properties, then those that each has, then the derived ones."""
    if of == SCORE:
        for name, part in SCORE_PARTS.items():
            yield Shown(name, str(part), "", "own")
    elif of.name in ("date", "datetime"):
        for name in PARTS:
            if of.name == "datetime" or name in DATE_PARTS:
                yield Shown(name, "integer", "", "own")
    elif of.name == "node":
        yield from _of_kinds(list(catalog.kinds.values()), of)
        yield from _reserved(catalog, of, NODE_PROPERTIES)
        for name, figure in STATE.items():
            yield Shown(name, figure, FIGURES.get(name, ""), "figure")
    elif of.name == "relation":
        yield from _of_kinds(list(catalog.relations.values()), of)
        yield from _reserved(catalog, of, RELATION_PROPERTIES)
    elif of.name == "any":
        found: dict[str, Shown] = {}
        for name in ("node", "relation"):
            for each in properties_of(catalog, Type(name)):
                found.setdefault(each.name, each)
        yield from found.values()


def _of_kinds(kinds: "list[Kind] | list[RelationKind]", of: Type) -> Iterator[Shown]:
    whose: dict[str, list[str]] = {}
    types: dict[str, set[str]] = {}
    said: dict[str, str] = {}
    possible = [kind for kind in kinds if of.kinds is None or kind.name in of.kinds]
    for kind in possible:
        for each in kind.properties.values():
            whose.setdefault(each.name, []).append(kind.name)
            types.setdefault(each.name, set()).add(each.type)
            said[each.name] = each.description or said.get(each.name, "")
    for name, names in whose.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        kinds_shown = "" if len(possible) == 1 else f"of {', '.join(names[:_NAMED])}{more}"
        text = " ".join(filter(None, (said[name], f"({kinds_shown})" if said[name] and kinds_shown else kinds_shown)))
        yield Shown(name, " or ".join(sorted(types[name])), text, "own")


def _reserved(catalog: Catalog, of: Type, names: frozenset[str]) -> Iterator[Shown]:
    binding = Binding(catalog, "")
    for name in (each for each in RESERVED if each in names):
        found = property_type(binding, Type(of.name), name, _NOWHERE)
        yield Shown(name, str(found) if found else "any", RESERVED[name], "reserved")
