"""Streams, and the events that are appended to them."""

from dataclasses import dataclass

from engine.commands import EventInput, OpenStream, Principal, RecordEvents
from engine.decide.checks import Checks
from engine.decide.view import Decision, ItemState, View
from engine.events import ItemRecorded
from memql.catalog import Kind
from memql.errors import Refusal, conflict, invalid, not_found
from memql.values import Value


def open_stream(view: View, command: OpenStream, by: Principal) -> Decision | Refusal:
    checks = Checks(view.catalog, view.limits)
    checks.name(command.name, "name")
    owner = command.owner or by.id
    if not by.admin and not by.owns(owner):
        return not_found("owner", owner, "owner")
    declared = view.catalog.kinds["Stream"].properties
    given = {"name": command.name, "metadata": command.metadata}
    properties = checks.properties("Stream", declared, given, "")
    checks.size(properties, "metadata")
    if refusal := checks.refusal():
        return refusal
    if view.keyed(stream_scope(owner), command.name):
        return conflict("STREAM_EXISTS", f"`{owner}` has a stream `{command.name}`", "name", "record into it")
    stream = _opened(view, command.name, owner, command.domain, properties)
    return Decision((stream,), (stream.id,))


def stream_scope(owner: str) -> str:
    """Where the names of an owner's streams are unique: nobody learns of another's by trying names."""
    return f"Stream/{owner}"


def event_scope(stream: int) -> str:
    return f"Event/{stream}"


def _opened(view: View, name: str, owner: str, domain: str, properties: dict[str, Value]) -> ItemRecorded:
    dense = view.next_dense
    kept = {key: value for key, value in properties.items() if value is not None}
    return ItemRecorded(
        view.mint("str"), dense, dense, 1, 0, "Stream", owner, domain, view.at, properties=kept | {"name": name}
    )


@dataclass(slots=True)
class _Target:
    """The stream that events go to: its root, owner and domain, and its own event where it is opened only now."""

    root: int
    owner: str
    domain: str
    opened: ItemRecorded | None


def record_events(view: View, command: RecordEvents, by: Principal) -> Decision | Refusal:
    """Appends all or none. An event whose external key the stream knows, with the same content, is that event."""
    checks = Checks(view.catalog, view.limits)
    if not command.events:
        return invalid("EMPTY", "there are no events here", "events", "send at least one")
    checks.within("events_per_command", len(command.events), "events")
    target = _target(view, command, by, checks)
    if isinstance(target, Refusal):
        return target
    kind = view.catalog.kinds["Event"]
    recorded: list[ItemRecorded] = [target.opened] if target.opened else []
    by_key: dict[str, ItemRecorded] = {}
    ids: list[str] = []
    for index, given in enumerate(command.events):
        place = f"events[{index}]."
        properties = _properties(view, checks, kind, given, place)
        occurred = checks.instant(given.occurred_at, view.at, f"{place}occurred_at")
        if given.reply_to is not None:
            known = by_key.get(given.reply_to)
            reply_to = known.id if known else _replied(view, target.root, given.reply_to, by)
            if reply_to is None:
                hint = "an event's id, or an external key in this stream"
                checks.add("NOT_FOUND", f"no event `{given.reply_to[:80]}`", f"{place}reply_to", hint)
            else:
                properties["reply_to"] = reply_to
        if given.external_key is not None:
            twin = by_key.get(given.external_key) or _twin(view, target.root, given.external_key)
            if twin is not None:
                if _differs(twin, properties):
                    return conflict(
                        "EXTERNAL_KEY_TAKEN",
                        f"another event of this stream has the external key `{given.external_key}`",
                        f"{place}external_key",
                        "events never change; use another key",
                    )
                ids.append(twin.id)
                continue
        dense = view.next_dense + len(recorded)
        event = ItemRecorded(
            view.mint("evt"), dense, dense, 1, 0, "Event", target.owner, target.domain, occurred,
            stream=target.root, properties=properties,
        )  # fmt: skip
        recorded.append(event)
        ids.append(event.id)
        if given.external_key is not None:
            by_key[given.external_key] = event
    if refusal := checks.refusal():
        return refusal
    return Decision(tuple(recorded), tuple(ids))


def _target(view: View, command: RecordEvents, by: Principal, checks: Checks) -> _Target | Refusal:
    stream = view.item(command.stream) if command.stream.startswith("str_") else None
    if stream is None and (root := view.keyed(stream_scope(by.id), command.stream)):
        stream = view.item_at(root)
    if stream is not None:
        if stream.kind != "Stream" or not by.sees(stream.owner, stream.domain):
            return not_found("stream", command.stream, "stream")
        if stream.retired:
            return conflict("RETIRED", "this stream was retired", "stream", "record into another one")
        return _Target(stream.root, stream.owner, stream.domain, None)
    if command.stream.startswith("str_"):
        return not_found("stream", command.stream, "stream")
    checks.name(command.stream, "stream")
    opened = _opened(view, command.stream, by.id, command.domain, {})
    return _Target(opened.root, opened.owner, opened.domain, opened)


def _properties(view: View, checks: Checks, kind: Kind, given: EventInput, place: str) -> dict[str, Value]:
    checks.text(given.content, f"{place}content")
    checks.name(given.role, f"{place}role")
    checks.name(given.author, f"{place}author")
    checks.name(given.external_key, f"{place}external_key")
    checks.share(given.importance, f"{place}importance")
    properties: dict[str, Value] = {"content": given.content}
    for name in ("role", "author", "external_key", "importance"):
        if (value := getattr(given, name)) is not None:
            properties[name] = value
    if given.metadata:
        properties |= checks.properties("Event", kind.properties, {"metadata": given.metadata}, place)
        checks.size(properties, f"{place}metadata")
    return properties


def _replied(view: View, stream: int, name: str, by: Principal) -> str | None:
    if root := view.keyed(event_scope(stream), name):
        return view.item_at(root).id
    item = view.item(name)
    return item.id if item and item.kind == "Event" and by.sees(item.owner, item.domain) else None


def _twin(view: View, stream: int, key: str) -> ItemState | None:
    root = view.keyed(event_scope(stream), key)
    return view.item_at(root) if root else None


def _differs(twin: ItemRecorded | ItemState, given: dict[str, Value]) -> bool:
    return any(twin.properties.get(name) != given.get(name) for name in ("content", "role", "author"))
