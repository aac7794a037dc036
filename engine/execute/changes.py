"""What a statement did, or would do: how much of what, and each change as people read it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.decide.view import ItemState
from engine.events import Event, ItemRecorded, ItemRetired, RelationRecorded, RelationRetired
from engine.reader import Reader
from memql.catalog import Catalog
from memql.functions.function import shown
from memql.verbs import SUMMARY

FIRST = 10
"""Changes that a preview shows: enough to see whether the right ones are meant."""
_LONGEST = 60
"""Characters of a text in a preview."""


@dataclass(frozen=True, slots=True)
class Change:
    """`does` is a column of the summary; no `id`: it would only be given."""

    does: str
    kind: str
    id: str | None
    says: str


def counted(events: Iterable[Event]) -> tuple[int, ...]:
    """How many items and relations were recorded, changed and retired, in the order of the summary's columns."""
    counts = dict.fromkeys(SUMMARY, 0)
    for event in events:
        if does := _does(event):
            counts[does] += 1
    return tuple(counts.values())


def _does(event: Event) -> str:
    match event:
        case ItemRecorded(version=1):
            return "remembered"
        case RelationRecorded(version=1):
            return "linked"
        case ItemRecorded() | RelationRecorded():
            return "corrected"
        case ItemRetired(by=by):
            return "superseded" if by else "forgotten"
        case RelationRetired():
            return "forgotten"
    return ""


def changes(reader: Reader, events: Sequence[Event]) -> tuple[Change, ...]:
    """The first changes, of each kind the first of them before the second of any."""
    by_kind: dict[str, list[Event]] = {}
    for event in events:
        if does := _does(event):
            by_kind.setdefault(does, []).append(event)
    turns = max(map(len, by_kind.values()), default=0)
    chosen = [found[turn] for turn in range(turns) for found in by_kind.values() if turn < len(found)][:FIRST]
    items = _Items(reader, events)
    order = {id(event): place for place, event in enumerate(events)}
    return tuple(items.change(event) for event in sorted(chosen, key=lambda each: order[id(each)]))


def told(counts: Sequence[int], first: Sequence[Change]) -> str:
    """A preview in words."""
    said = [f"{count:,} {name}" for name, count in zip(SUMMARY, counts, strict=True) if count]
    lines = [f"would be {', '.join(said)}" if said else "nothing would change"]
    lines += [f"  {each.does}: {each.says}" for each in first]
    left = sum(counts) - len(first)
    return "\n".join([*lines, *([f"  … and {left:,} more"] if left > 0 else [])])


class _Items:
    """Items by their roots: those that the events make, and those that were there."""

    def __init__(self, reader: Reader, events: Sequence[Event]) -> None:
        self._catalog: Catalog = reader.catalog
        self._new = {event.root: event for event in reversed(events) if isinstance(event, ItemRecorded)}
        self._made = {event.root for event in events if isinstance(event, ItemRecorded) and event.version == 1}
        ended = (reader.index.relation(event.id) for event in events if isinstance(event, RelationRetired))
        self._ended = {relation.id: relation for relation in ended if relation}
        roots = {root for event in events for root in _roots(event)}
        roots |= {root for relation in self._ended.values() for root in (relation.source, relation.target)}
        self._old = {state.root: state for state in reader.lasting(sorted(roots))}

    def change(self, event: Event) -> Change:
        does = _does(event)
        match event:
            case ItemRecorded(version=1):
                return Change(does, event.kind, None, self._named(event.root))
            case ItemRecorded():
                id_ = None if event.root in self._made else event.id
                before = self._old.get(event.root)
                return Change(does, event.kind, id_, f"{self._named(event.root)} {_difference(before, event)}".rstrip())
            case ItemRetired():
                instead = f" by {self._named(event.by)}" if event.by else ""
                kind = self._kind(event.root)
                return Change(does, kind, event.id, f"{self._named(event.root)}{instead}")
            case RelationRecorded():
                ends = f"{self._named(event.source)}-[:{event.kind}]->{self._named(event.target)}"
                weight = f" {event.weight:g}" if event.weight != 1 or event.version > 1 else ""
                return Change(does, event.kind, event.id if event.version > 1 else None, ends + weight)
            case RelationRetired():
                if (relation := self._ended.get(event.id)) is None:
                    return Change(does, "", None, "a relation of this statement")
                ends = f"{self._named(relation.source)}-[:{relation.kind}]->{self._named(relation.target)}"
                return Change(does, relation.kind, event.id, ends)
        raise AssertionError(f"{type(event).__name__} is no change of a statement")

    def _kind(self, root: int) -> str:
        known = self._new.get(root) or self._old.get(root)
        return known.kind if known else ""

    def _named(self, root: int) -> str:
        """(Memory "its text")"""
        known = self._old.get(root) or self._new.get(root)
        if known is None:
            return "()"
        text = self._catalog.text_of(known.kind, known.properties)
        text = f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text
        return f'({known.kind} "{" ".join(text.split())}")' if text else f"({known.kind} {known.id})"


def _roots(event: Event) -> Iterator[int]:
    match event:
        case ItemRecorded() | ItemRetired():
            yield event.root
            yield from (event.by,) if isinstance(event, ItemRetired) and event.by else ()
        case RelationRecorded():
            yield from (event.source, event.target)


def _difference(before: ItemState | None, after: ItemRecorded) -> str:
    """Each property that changes: its name, what it was and what it would be."""
    was: Mapping[str, Any] = before.properties if before else {}
    names = [name for name in {**was, **after.properties} if was.get(name) != after.properties.get(name)]
    said = [f"{name}: {_value(was.get(name))} → {_value(after.properties.get(name))}" for name in names]
    if before and before.labels != after.labels:
        said.append(f"labels: {', '.join(before.labels) or 'none'} → {', '.join(after.labels) or 'none'}")
    if before and (before.valid_from, before.valid_to) != (after.valid_from, after.valid_to):
        said.append("when it is true")
    return ", ".join(said)


def _value(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else shown(value)
    return f"{text[:_LONGEST]}…" if len(text) > _LONGEST else text
