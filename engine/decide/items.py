"""New items, new versions, and the end of items: retired, superseded, erased."""

from collections.abc import Mapping

from engine.commands import (
    AddItem,
    AddTask,
    EraseItem,
    Link,
    NewItem,
    Principal,
    RetireItem,
    ReviseItem,
    SupersedeItem,
)
from engine.decide.checks import Checks
from engine.decide.view import Decision, ItemState, View
from engine.events import Event, ItemErased, ItemRecorded, ItemRetired, RelationRecorded
from memql.catalog import NAME, STATUSES, Property, RelationKind
from memql.errors import Refusal, conflict, forbidden, invalid, nearest, not_found
from memql.values import Value

SHARES = ("importance", "confidence", "progress")
_ENVELOPE = frozenset(NewItem.model_fields) | {"kind", "part_of", "depends_on"}


def new_item(view: View, command: NewItem, by: Principal) -> Decision | Refusal:
    checks = Checks(view.catalog, view.limits)
    name = command.kind if isinstance(command, AddItem) else command.kind_name
    kind = view.catalog.kinds.get(name)
    if name in ("Event", "Stream"):
        return invalid("OWN_COMMAND", f"`{name}` is not added as an item", "kind", "use RecordEvents or OpenStream")
    if kind is None and not (view.catalog.open and NAME.match(name)):
        hint = nearest(name, view.catalog.kinds) or "declare it: DeclareKind"
        return invalid("UNKNOWN_KIND", f"no kind `{name[:80]}`", "kind", hint)
    owner = command.owner or by.id
    if not by.admin and not by.owns(owner):
        return not_found("owner", owner, "owner")
    declared = kind.properties if kind else {}
    named = {
        field: list(value) if isinstance(value, tuple) else value
        for field in command.__class__.model_fields
        if field not in _ENVELOPE and (value := getattr(command, field)) is not None
    }
    for field in ("external_key", "metadata"):
        if (value := getattr(command, field)) is not None:
            named[field] = value
    if twice := sorted(named.keys() & command.properties.keys()):
        checks.add("GIVEN_TWICE", f"`{twice[0]}` is given twice", f"properties.{twice[0]}")
    properties = checks.properties(name, declared, named, "")
    properties |= checks.properties(name, declared, command.properties, "properties.")
    properties = {key: value for key, value in properties.items() if value is not None}
    text = kind.text if kind else ""
    _check_meaning(checks, name, text, properties)
    labels = checks.labels(command.labels, "labels")
    valid_from, valid_to = checks.span(command.valid_from, command.valid_to, view.at, "")
    vector = checks.embedding(command.embedding, view.catalog.text_of(name, properties), "embedding")
    if command.reason is not None:
        checks.text(command.reason, "reason")
    if refusal := checks.refusal():
        return refusal
    if command.external_key and view.keyed(item_scope(name, owner), command.external_key):
        return conflict(
            "EXTERNAL_KEY_TAKEN",
            f"another `{name}` has the external key `{command.external_key}`",
            "external_key",
            "revise that one, or use another key",
        )
    dense = view.next_dense
    item = ItemRecorded(
        view.mint(kind.prefix if kind else "item"), dense, dense, 1, 0, name, owner, command.domain,
        valid_from, valid_to, labels=labels, properties=properties, vector=vector, reason=command.reason or "",
    )  # fmt: skip
    found = _links(view, item, _all_links(command), by)
    if isinstance(found, Refusal):
        return found
    relations, sources = found
    if name == "Memory" and len(streams := {source.stream for source in sources if source.kind == "Event"}) == 1:
        item.stream = streams.pop()
    return Decision((item, *relations), (item.id,))


def item_scope(kind: str, owner: str) -> str:
    """Where external keys are unique: nobody learns of another's by trying keys."""
    return f"{kind}/{owner}"


def _check_meaning(checks: Checks, kind: str, text: str, properties: Mapping[str, Value]) -> None:
    """What holds for every version of an item, whatever its type allows."""
    found = properties.get(text) if text else None
    if isinstance(found, str) or (text and kind in ("Memory", "Insight", "Goal", "Task", "Entity")):
        checks.text(found if isinstance(found, str) else "", text)
    for name in SHARES:
        value = properties.get(name)
        if isinstance(value, int | float):
            checks.share(value, name)
    for name in ("author", "category", "external_key"):
        value = properties.get(name)
        if isinstance(value, str):
            checks.name(value, name)
    for name in ("tags", "aliases"):
        values = properties.get(name)
        for index, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, str):
                checks.name(value, f"{name}[{index}]")
    status = properties.get("status")
    if kind in ("Goal", "Task") and status not in STATUSES:
        hint = (isinstance(status, str) and nearest(status, STATUSES)) or f"one of {', '.join(STATUSES)}"
        checks.add("INVALID_VALUE", "this is no status", "status", hint)
    checks.size(properties, "properties")


def _all_links(command: NewItem) -> list[tuple[str, Link]]:
    links = [(f"links[{index}].", link) for index, link in enumerate(command.links)]
    if isinstance(command, AddTask):
        if command.part_of is not None:
            links.append(("part_of ", Link(kind="PART_OF", target=command.part_of)))
        links += [
            (f"depends_on[{index}] ", Link(kind="DEPENDS_ON", target=target))
            for index, target in enumerate(command.depends_on)
        ]
    return links


def _links(
    view: View, item: ItemRecorded, links: list[tuple[str, Link]], by: Principal
) -> tuple[list[RelationRecorded], list[ItemState]] | Refusal:
    """The relations of a new item, and what it was derived from."""
    checks = Checks(view.catalog, view.limits)
    checks.within("relations_per_command", len(links), "links")
    relations: list[RelationRecorded] = []
    sources: list[ItemState] = []
    for place, link in links:
        if (kind := relation_kind(checks, link.kind, f"{place}kind")) is None:
            continue
        target = _target(view, link, item.owner, by, place)
        if isinstance(target, Refusal):
            return target
        if target.retired and not kind.lasting:
            return retired(target, f"{place}target".replace(" target", ""))
        if kind.name == "DERIVED_FROM":
            if target.erased:  # whoever read it did so before; what they made of it may quote it
                message = f"`{target.id}` was erased, and nothing new is made from it"
                return conflict("ERASED", message, f"{place}target", "leave it at that")
            sources.append(target)
        row = view.next_row + len(relations)
        valid_from, valid_to = checks.span(link.valid_from, link.valid_to, view.at, place)
        checks.weight(link.weight, f"{place}weight")
        properties = checks.properties(kind.name, kind.properties, link.properties, f"{place}properties.")
        relations.append(
            RelationRecorded(
                view.mint("rel"), row, row, 1, 0, kind.name, item.root, target.root, link.weight, valid_from, valid_to,
                read_version=target.version if kind.name == "DERIVED_FROM" else 0,
                properties={k: v for k, v in properties.items() if v is not None}, reason=item.reason,
            )
        )  # fmt: skip
    return checks.refusal() or (relations, sources)


def _target(view: View, link: Link, owner: str, by: Principal, place: str) -> ItemState | Refusal:
    """The item that a link leads to, as one that `by` may see."""
    if (link.target is None) == (link.external_key is None):
        hint = "give `target`, an id, or `external_key`, with the kind in `of`"
        return invalid("ONE_OF_TWO", "a link names what it leads to in one way", f"{place}target", hint)
    if link.external_key is None:
        assert link.target is not None
        target = view.item(link.target)
        name, field = link.target, "target"
    else:
        if link.of in ("Event", "Stream"):
            message = f"the keys of `{link.of}` are not its owner's alone"
            return invalid("BY_ID", message, f"{place}of", "give its id as `target`")
        root = view.keyed(item_scope(link.of, owner), link.external_key)
        target = view.item_at(root) if root else None
        name, field = link.external_key, "external_key"
    if target is None or not by.sees(target.owner, target.domain):
        return not_found("item", name[:80], f"{place}{field}".replace(" target", ""))
    return target


def relation_kind(checks: Checks, name: str, place: str) -> RelationKind | None:
    """The relation kind of that name; an open catalog takes any well-formed one."""
    if kind := checks.catalog.relation(name):
        return kind
    hint = nearest(name, checks.catalog.relations) or "declare it: DeclareRelationKind"
    checks.add("UNKNOWN_RELATION", f"no relation kind `{name[:80]}`", place, hint)
    return None


def retired(item: ItemState, place: str) -> Refusal:
    return conflict("RETIRED", f"`{item.id}` was retired", place, "choose what took its place, or a new item")


def held(view: View, id_: str, by: Principal, place: str, if_version: int | None = None) -> ItemState | Refusal:
    """The item of that id as one that may be changed: seen, alive, not erased, of the expected version."""
    item = view.item(id_)
    if item is None or not by.sees(item.owner, item.domain):
        return not_found("item", id_, place)
    if item.erased:
        return conflict("ERASED", f"`{id_}` was erased", place, "nothing of it is left to change")
    if item.retired:
        return retired(item, place)
    if if_version is not None and if_version != item.version:
        message = f"`{id_}` is at version {item.version}, not {if_version}"
        return conflict("VERSION_CHANGED", message, "if_version", "read it again, then decide")
    return item


def revise(view: View, command: ReviseItem, by: Principal) -> Decision | Refusal:
    item = held(view, command.id, by, "id", command.if_version)
    if isinstance(item, Refusal):
        return item
    if item.kind == "Event":
        return invalid("EVENTS_ARE_FINAL", "events are kept as they came", "id", "revise the memory made from it")
    checks = Checks(view.catalog, view.limits)
    kind = view.catalog.kinds.get(item.kind)
    declared: Mapping[str, Property] = kind.properties if kind else {}
    for fixed in ("external_key",) if item.kind != "Stream" else ("external_key", "name"):
        if fixed in command.set:
            checks.add("FIXED", f"`{fixed}` says which item this is, and stays", f"set.{fixed}")
    changed = checks.properties(item.kind, declared, command.set, "set.")
    properties = {k: v for k, v in {**item.properties, **changed}.items() if v is not None}
    labels = item.labels if command.labels is None else checks.labels(command.labels, "labels")
    span = checks.span(command.valid_from, command.valid_to, view.at, "", (item.valid_from, item.valid_to))
    if item.kind != "Stream":
        _check_meaning(checks, item.kind, kind.text if kind else "", properties)
    text = view.catalog.text_of(item.kind, properties)
    vector = checks.embedding(command.embedding, text, "embedding")
    if command.reason is not None:
        checks.text(command.reason, "reason")
    if refusal := checks.refusal():
        return refusal
    if vector is None and text == view.catalog.text_of(item.kind, item.properties):
        vector = view.vector(item)
    same = properties == item.properties and labels == item.labels and span == (item.valid_from, item.valid_to)
    if same and (command.embedding is None or vector == view.vector(item)):
        return invalid("NOTHING_TO_CHANGE", "this is what the item says already", "set", "change something")
    version = ItemRecorded(
        item.id, item.root, view.next_dense, item.version + 1, item.dense, item.kind, item.owner, item.domain,
        *span, stream=item.stream, labels=labels, properties=properties, vector=vector, reason=command.reason or "",
    )  # fmt: skip
    return Decision((version,), (item.id,))


def retire(view: View, command: RetireItem, by: Principal) -> Decision | Refusal:
    item = held(view, command.id, by, "id", command.if_version)
    if isinstance(item, Refusal):
        return item
    return _ended(view, item, command.reason)


def _ended(view: View, item: ItemState, reason: str | None, by: int = 0, *more: Event) -> Decision | Refusal:
    checks = Checks(view.catalog, view.limits)
    if reason is not None:
        checks.text(reason, "reason")
    return checks.refusal() or Decision(
        (ItemRetired(item.id, item.root, item.dense, by, reason or ""), *more), (item.id,)
    )


def supersede(view: View, command: SupersedeItem, by: Principal) -> Decision | Refusal:
    old, new = held(view, command.id, by, "id", command.if_version), held(view, command.by, by, "by")
    if isinstance(old, Refusal):
        return old
    if isinstance(new, Refusal):
        return new
    if old.root == new.root:
        return invalid("ITSELF", "an item cannot take its own place", "by", "to correct it, revise it")
    row = view.next_row
    relation = RelationRecorded(
        view.mint("rel"), row, row, 1, 0, "SUPERSEDES", new.root, old.root, 1.0, view.at, reason=command.reason or ""
    )
    return _ended(view, old, command.reason, new.root, relation)


def erase(view: View, command: EraseItem, by: Principal) -> Decision | Refusal:
    """Removes content, never the fact that there was an item: provenance shows that something was erased."""
    item = view.item(command.id)
    if item is None or not by.sees(item.owner, item.domain):
        return not_found("item", command.id, "id")
    if item.erased:
        return conflict("ERASED", f"`{command.id}` was erased already", "id", "nothing is left to do")
    if not by.may_erase(item.owner):
        message = f"`{command.id}` is not yours, and what is erased is gone for good"
        return forbidden("NOT_YOURS", message, "id", "retire it, or ask a curator to erase it")
    checks = Checks(view.catalog, view.limits)
    if command.reason is not None:
        checks.text(command.reason, "reason")
    if refusal := checks.refusal():
        return refusal
    gone = [item, *_quoting(view, item)]
    happened: list[Event] = []
    for one in gone:
        if not one.retired:
            happened.append(ItemRetired(one.id, one.root, one.dense, 0, command.reason or ""))
        happened.append(ItemErased(one.id, one.root, view.positions(one.root)))
    return Decision(tuple(happened), tuple(one.id for one in gone))


def _quoting(view: View, item: ItemState) -> list[ItemState]:
    """The memory that quotes an event word for word, as consolidation makes it: under the event's id as its key."""
    root = view.keyed(item_scope("Memory", item.owner), item.id) if item.kind == "Event" else 0
    quoting = view.item_at(root) if root else None
    return [quoting] if quoting and not quoting.erased else []
