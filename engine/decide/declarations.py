"""The tenant's own names, and batches of derived state."""

import math
from collections.abc import Mapping, Sequence

from engine.commands import (
    DeclareKind,
    DeclareLabel,
    DeclareProperty,
    DeclareRelationKind,
    FoldState,
    Principal,
    PropertyInput,
    SetCatalog,
    Values,
)
from engine.decide.checks import Checks
from engine.decide.view import Decision, View
from engine.events import CatalogSet, KindDeclared, LabelDeclared, PropertyDeclared, RelationKindDeclared, StateFolded
from memql.catalog import KIND_NAME, PREFIX, PROPERTY_NAME, RELATION_NAME, RESERVED, STATE, Kind, RelationKind
from memql.errors import Refusal, conflict, invalid, nearest, not_found
from memql.values import TYPES

_TAKEN_PREFIXES = frozenset({"rel", "item"})


def declare_kind(view: View, command: DeclareKind) -> Decision | Refusal:
    checks = Checks(view.catalog, view.limits)
    if not KIND_NAME.match(command.name):
        checks.add("BAD_NAME", "a kind's name is a capital and then letters or digits", "name", "such as `Paper`")
    prefix = command.prefix or "".join(filter(str.isalpha, command.name.lower()))[:12]
    taken = _TAKEN_PREFIXES | {kind.prefix for kind in view.catalog.kinds.values()}
    if not PREFIX.match(prefix) or not prefix.isascii():
        checks.add("BAD_NAME", "a prefix is 2 to 12 small letters", "prefix", "ids begin with it: `paper_…`")
    elif prefix in taken:
        checks.add("PREFIX_TAKEN", f"ids of another kind begin with `{prefix}`", "prefix", "give another prefix")
    _check_properties(checks, command.properties)
    types = {given.name: given.type for given in command.properties}
    if command.text and types.get(command.text) != "string":
        checks.add("UNKNOWN_PROPERTY", "`text` names a declared string property", "text", nearest(command.text, types))
    checks.within("kinds", len(view.catalog.kinds) + 1, "name")
    if refusal := checks.refusal():
        return refusal
    if command.name in view.catalog.kinds:
        return conflict("KIND_EXISTS", f"there is a kind `{command.name}`", "name", "declare properties of it")
    properties = tuple((given.name, given.type, given.description) for given in command.properties)
    return Decision((KindDeclared(command.name, prefix, command.text, properties, command.description),))


def declare_relation_kind(view: View, command: DeclareRelationKind) -> Decision | Refusal:
    checks = Checks(view.catalog, view.limits)
    if not RELATION_NAME.match(command.name):
        checks.add("BAD_NAME", "a relation kind is capitals, digits and _", "name", "such as `WORKS_AT`")
    _check_properties(checks, command.properties)
    checks.within("kinds", len(view.catalog.relations) + 1, "name")
    if refusal := checks.refusal():
        return refusal
    if command.name in view.catalog.relations:
        return conflict("KIND_EXISTS", f"there is a relation kind `{command.name}`", "name", "use it")
    properties = tuple((given.name, given.type, given.description) for given in command.properties)
    return Decision((RelationKindDeclared(command.name, command.acyclic, properties, command.description),))


def _check_properties(checks: Checks, given: Sequence[PropertyInput], place: str = "properties") -> None:
    checks.within("properties_per_kind", len(given), place)
    seen: set[str] = set()
    for index, declared in enumerate(given):
        _check_property(checks, declared.name, declared.type, declared.description, f"{place}[{index}].")
        if declared.name in seen:
            checks.add("GIVEN_TWICE", f"`{declared.name}` is given twice", f"{place}[{index}].name")
        seen.add(declared.name)


def _check_property(checks: Checks, name: str, of: str, description: str, place: str) -> None:
    if not PROPERTY_NAME.match(name):
        checks.add("BAD_NAME", "a property's name is letters, digits and _", f"{place}name", "such as `due_at`")
    elif name in RESERVED or name in STATE:
        checks.add("RESERVED_NAME", f"every item has `{name}` already", f"{place}name", "choose another name")
    if of not in TYPES:
        checks.add("UNKNOWN_TYPE", f"no type `{of[:80]}`", f"{place}type", nearest(of, TYPES) or ", ".join(TYPES))
    if description:
        checks.text(description, f"{place}description")


def declare_property(view: View, command: DeclareProperty) -> Decision | Refusal:
    checks = Checks(view.catalog, view.limits)
    _check_property(checks, command.name, command.type, command.description, "")
    known: dict[str, Kind | RelationKind] = {**view.catalog.relations, **view.catalog.kinds}
    if command.kind not in known:
        hint = nearest(command.kind, known)
        checks.add("UNKNOWN_KIND", f"no kind or relation kind `{command.kind[:80]}`", "kind", hint)
    if refusal := checks.refusal():
        return refusal
    declared = known[command.kind].properties
    if before := declared.get(command.name):
        if before.type == command.type:
            return Decision(())
        message = f"`{command.kind}.{command.name}` is declared as {before.type}"
        return conflict("PROPERTY_EXISTS", message, "type", "a property keeps its type; use another name")
    checks.within("properties_per_kind", len(declared) + 1, "name")
    event = PropertyDeclared(command.kind, command.name, command.type, command.description)
    return checks.refusal() or Decision((event,))


def declare_label(view: View, command: DeclareLabel) -> Decision | Refusal:
    checks = Checks(view.catalog, view.limits)
    checks.name(command.label, "label")
    checks.within("kinds", len(view.catalog.labels) + 1, "label")
    if refusal := checks.refusal():
        return refusal
    return Decision(() if command.label in view.catalog.labels else (LabelDeclared(command.label),))


def set_catalog(view: View, command: SetCatalog) -> Decision | Refusal:
    return Decision(() if command.open == view.catalog.open else (CatalogSet(command.open),))


def fold_state(view: View, command: FoldState, by: Principal) -> Decision | Refusal:
    checks = Checks(view.catalog, view.limits)
    if not command.items:
        return invalid("EMPTY", "there are no items here", "items", "send at least one")
    checks.within("state_per_command", len(command.items), "items")
    folded: dict[str, dict[str, dict[int, float]]] = {"set": {}, "add": {}}
    for index, given in enumerate(command.items):
        item = view.item(given.id)
        if item is None or not by.sees(item.owner, item.domain):
            return not_found("item", given.id, f"items[{index}].id")
        for how, values in (("set", given.set), ("add", given.add)):
            _fold(checks, values, item.root, folded[how], f"items[{index}].{how}.")
    if refusal := checks.refusal():
        return refusal
    setting, adding = ({name: tuple(pairs.items()) for name, pairs in folded[how].items()} for how in ("set", "add"))
    return Decision((StateFolded(setting, adding),))


def _fold(checks: Checks, values: Values, root: int, into: Mapping[str, dict[int, float]], place: str) -> None:
    for name, value in values.items():
        if name not in STATE:
            checks.add("UNKNOWN_STATE", f"no state `{name[:80]}`", place + name, nearest(name, STATE))
        elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            checks.add("INVALID_TYPE", "a finite number is expected", place + name)
        else:
            pairs = into.setdefault(name, {})  # type: ignore[attr-defined]
            pairs[root] = pairs.get(root, 0.0) + float(value) if place.endswith(".add.") else float(value)
