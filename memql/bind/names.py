"""Names of the catalog: labels, kinds of relations, and properties with their types."""

from collections.abc import Collection, Iterable

from memql import ast
from memql.binding import Binding
from memql.catalog import STATE, Property
from memql.errors import Span, nearest
from memql.temporal import PARTS, TEXTS, spelled
from memql.typecheck import a_type
from memql.types import ANY, DATETIME, FLOAT, INTEGER, STRING, Type, declared, list_of
from memql.world import NODE_PROPERTIES, RELATION_PROPERTIES

_RESERVED = {
    "id": STRING.present(), "kind": STRING.present(), "labels": list_of(STRING).present(),
    "version": INTEGER.present(), "owner": STRING.present(), "domain": STRING.present(),
    "weight": FLOAT.present(), "recorded_at": DATETIME.present(), "valid_from": DATETIME.present(),
    "valid_to": DATETIME, "retired_at": DATETIME,
}  # fmt: skip


# Labels and kinds


def check_labels(binding: Binding, labels: ast.Labels) -> None:
    """Complains of each name that is neither a kind nor a label."""
    for label in _names(labels):
        known = (*binding.catalog.kinds, *binding.catalog.labels)
        if label.name not in known:
            hint = "" if known else "declare it: declareKind, declareLabel"
            binding.unknown("Q101", f"label `{label.name}`", label.name, label.span, known, hint)


def check_relation_kinds(binding: Binding, kinds: ast.Labels) -> None:
    for label in _names(kinds):
        if label.name not in binding.catalog.relations:
            what = f"kind of relation `{label.name}`"
            known = binding.catalog.relations
            binding.unknown("Q103", what, label.name, label.span, known, "declare it: declareRelationKind")


def _names(labels: ast.Labels) -> Iterable[ast.Label]:
    match labels:
        case ast.Label():
            yield labels
        case ast.NoLabel(of=of):
            yield from _names(of)
        case ast.JoinedLabels(operands=operands):
            for each in operands:
                yield from _names(each)


def kinds_of(binding: Binding, labels: ast.Labels | None) -> frozenset[str] | None:
    """The kinds that an item so labelled can be of; None: any."""
    return _among(labels, binding.catalog.kinds, frozenset(binding.catalog.labels), binding.catalog.open)


def relation_kinds_of(binding: Binding, labels: ast.Labels | None) -> frozenset[str] | None:
    """The kinds of relation that fit; None: any, or more than can be counted."""
    return _among(labels, binding.catalog.relations, frozenset(), binding.catalog.open)


def _among(
    labels: ast.Labels | None, kinds: Collection[str], further: frozenset[str], is_open: bool
) -> frozenset[str] | None:
    match labels:
        case ast.Label(name=name):
            return frozenset({name}) if name in kinds and name not in further else None
        case ast.NoLabel(of=of):
            excluded = _among(of, kinds, further, is_open)
            return None if excluded is None or is_open else frozenset(kinds) - excluded
        case ast.JoinedLabels(operator="&", operands=operands):
            found: frozenset[str] | None = None
            for each in operands:
                one = _among(each, kinds, further, is_open)
                found = one if found is None else found if one is None else found & one
            return found
        case ast.JoinedLabels(operands=operands):
            united: frozenset[str] = frozenset()
            for each in operands:
                one = _among(each, kinds, further, is_open)
                if one is None:
                    return None
                united |= one
            return united
    return None


def plain_kinds(labels: ast.Labels) -> tuple[str, ...] | None:
    """The names of `A|B`; None for what is more than that."""
    match labels:
        case ast.Label(name=name):
            return (name,)
        case ast.JoinedLabels(operator="|", operands=operands):
            found: list[str] = []
            for each in operands:
                if (names := plain_kinds(each)) is None:
                    return None
                found += names
            return tuple(dict.fromkeys(found))
    return None


# Properties


def property_type(binding: Binding, of: Type, name: str, span: Span) -> Type | None:
    """The type of that property of such a value; None where it is a derived figure, which is state."""
    match of.name:
        case "node":
            if name in NODE_PROPERTIES:
                return _RESERVED[name]
            found = _declared(binding, of, name)
            if not found and name in STATE:
                _check_now(binding, of, name, span)
                return None
            return _known(binding, of, name, span, found, _node_names(binding, of))
        case "relation":
            if name in RELATION_PROPERTIES:
                return _RESERVED[name]
            found = _declared(binding, of, name)
            names = {*RELATION_PROPERTIES, *(each for kind in _relations(binding, of) for each in kind)}
            return _known(binding, of, name, span, found, names)
        case _ if of.name in PARTS:
            known = PARTS[of.name]
            if spelled(name) not in known:
                hint = nearest(name, known) or f"one of {', '.join(known[:6])} …"
                binding.problem("Q102", f"a {of.name} has no part `{name}`", span, hint)
            return (STRING if spelled(name) in TEXTS else INTEGER).present()
        case "any" | "map" | "null":
            return ANY
    hint = "nodes, relations, maps, dates and times have"
    if of.name == "list" and of.member is not None and of.member.name in ("node", "relation", "list"):
        hint = f"behind a group its names are lists, as that of a chain is: [x IN … | x.{name}]"
    binding.problem("Q204", f"{a_type(of)} has no properties", span, hint)
    return ANY


def _check_now(binding: Binding, of: Type, name: str, span: Span) -> None:
    if of.past or (binding.own is not None and binding.own.as_of is not None):
        hint = "it is a figure of now and not versioned: leave AS OF out, or this"
        binding.problem("Q307", f"`{name}` cannot be asked AS OF an earlier time", span, hint)


def _node_names(binding: Binding, of: Type) -> set[str]:
    kinds = [kind for kind in binding.catalog.kinds.values() if of.kinds is None or kind.name in of.kinds]
    return {*NODE_PROPERTIES, *STATE, *(name for kind in kinds for name in kind.properties)}


def _relations(binding: Binding, of: Type) -> Iterable[Iterable[str]]:
    return (kind.properties for kind in binding.catalog.relations.values() if of.kinds is None or kind.name in of.kinds)


def _declared(binding: Binding, of: Type, name: str) -> list[Property]:
    """How each kind that the value can be of declares the property."""
    kinds = binding.catalog.kinds if of.name == "node" else binding.catalog.relations
    return [
        kind.properties[name]
        for kind in kinds.values()
        if name in kind.properties and (of.kinds is None or kind.name in of.kinds)
    ]


def _known(
    binding: Binding, of: Type, name: str, span: Span, found: list[Property], names: Iterable[str]
) -> Type:  # fmt: skip
    if not found:
        on = " or ".join(f"`{kind}`" for kind in sorted(of.kinds)[:4]) if of.kinds else f"any {of.name}"
        own = sorted(set(names) - NODE_PROPERTIES - RELATION_PROPERTIES - STATE.keys())
        hint = f"there is {', '.join(own)}" if 0 < len(own) <= 12 else ""
        binding.unknown("Q102", f"property `{name}` on {on}", name, span, names, hint)
        return ANY
    types = {each.type for each in found}
    return declared(types.pop()) if len(types) == 1 and not binding.catalog.open else ANY
