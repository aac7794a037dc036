"""Relations between items that exist: made, changed in weight or time, ended."""

from engine.commands import Principal, Relate, RetireRelation, ReviseRelation
from engine.decide.checks import Checks
from engine.decide.items import held, relation_kind, retired
from engine.decide.view import Decision, ItemState, RelationState, View
from engine.events import RelationRecorded, RelationRetired
from memql.catalog import RelationKind
from memql.errors import Refusal, conflict, invalid, not_found, over_limit


def relate(view: View, command: Relate, by: Principal) -> Decision | Refusal:
    checks = Checks(view.catalog, view.limits)
    kind = relation_kind(checks, command.kind, "kind")
    checks.weight(command.weight, "weight")
    valid_from, valid_to = checks.span(command.valid_from, command.valid_to, view.at, "")
    declared = kind.properties if kind else {}
    properties = checks.properties(command.kind, declared, command.properties, "properties.")
    if command.reason is not None:
        checks.text(command.reason, "reason")
    refusal = checks.refusal()
    if refusal or kind is None:
        assert refusal, "an unknown kind is a problem found"
        return refusal
    source = held(view, command.source, by, "source")
    if isinstance(source, Refusal):
        return source
    target = _target(view, command.target, kind, by)
    if isinstance(target, Refusal):
        return target
    if kind.acyclic and (refusal := _cycle(view, kind, source, target)):
        return refusal
    row = view.next_row
    relation = RelationRecorded(
        view.mint("rel"), row, row, 1, 0, kind.name, source.root, target.root, command.weight, valid_from, valid_to,
        read_version=target.version if kind.name == "DERIVED_FROM" else 0,
        properties={k: v for k, v in properties.items() if v is not None}, reason=command.reason or "",
    )  # fmt: skip
    return Decision((relation,), (relation.id,))


def _target(view: View, id_: str, kind: RelationKind, by: Principal) -> ItemState | Refusal:
    item = view.item(id_)
    if item is None or not by.sees(item.owner, item.domain):
        return not_found("item", id_, "target")
    return retired(item, "target") if item.retired and not kind.lasting else item


def _cycle(view: View, kind: RelationKind, source: ItemState, target: ItemState) -> Refusal | None:
    """A refusal if `source` can be reached from `target`, or if that takes more steps than the limit."""
    if source.root == target.root:
        return invalid("CYCLE", f"`{source.id}` cannot {kind.name} itself", "target", "choose another item")
    seen = {target.root}
    ahead = [target.root]
    while ahead:
        for root in view.targets(kind.name, ahead.pop()):
            if root == source.root:
                message = f"`{target.id}` already leads to `{source.id}` by {kind.name}"
                return invalid("CYCLE", message, "target", "take one of those relations away first")
            if root not in seen:
                seen.add(root)
                ahead.append(root)
        if len(seen) > view.limits.dependency_steps:
            return over_limit("dependency_steps", view.limits.dependency_steps, len(seen), "target")
    return None


def _held(view: View, id_: str, by: Principal, if_version: int | None) -> RelationState | Refusal:
    relation = view.relation(id_)
    if relation is None:
        return not_found("relation", id_, "id")
    for root in (relation.source, relation.target):
        end = view.item_at(root)
        if not by.sees(end.owner, end.domain):
            return not_found("relation", id_, "id")
    if relation.retired:
        return conflict("RETIRED", f"`{id_}` was retired", "id", "relate the items anew")
    if if_version is not None and if_version != relation.version:
        message = f"`{id_}` is at version {relation.version}, not {if_version}"
        return conflict("VERSION_CHANGED", message, "if_version", "read it again, then decide")
    return relation


def revise(view: View, command: ReviseRelation, by: Principal) -> Decision | Refusal:
    old = _held(view, command.id, by, command.if_version)
    if isinstance(old, Refusal):
        return old
    checks = Checks(view.catalog, view.limits)
    weight = old.weight if command.weight is None else command.weight
    checks.weight(weight, "weight")
    span = checks.span(command.valid_from, command.valid_to, view.at, "", (old.valid_from, old.valid_to))
    declared = view.catalog.relations[old.kind].properties if old.kind in view.catalog.relations else {}
    changed = checks.properties(old.kind, declared, command.set, "set.")
    properties = {k: v for k, v in {**old.properties, **changed}.items() if v is not None}
    if command.reason is not None:
        checks.text(command.reason, "reason")
    if refusal := checks.refusal():
        return refusal
    if (weight, span, properties) == (old.weight, (old.valid_from, old.valid_to), old.properties):
        return invalid("NOTHING_TO_CHANGE", "this is what the relation says already", "", "change something")
    version = RelationRecorded(
        old.id, old.root, view.next_row, old.version + 1, old.row, old.kind, old.source, old.target, weight, *span,
        read_version=old.read_version, properties=properties, reason=command.reason or "",
    )  # fmt: skip
    return Decision((version,), (old.id,))


def retire(view: View, command: RetireRelation, by: Principal) -> Decision | Refusal:
    old = _held(view, command.id, by, command.if_version)
    if isinstance(old, Refusal):
        return old
    checks = Checks(view.catalog, view.limits)
    if command.reason is not None:
        checks.text(command.reason, "reason")
    return checks.refusal() or Decision((RelationRetired(old.id, old.root, old.row, command.reason or ""),), (old.id,))
