"""What consolidation knows of its tenant: which events are left, the names of entities, each stream's last memory.

Read through a reader like anyone's. What is kept between two reads is brought up to date by the next one, from what
was recorded in between alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.columns import Mask, Numbers, Scope, any_of
from engine.decide.items import item_scope
from engine.decide.view import ItemState
from engine.index import DOMAINS
from engine.lifecycle.gazetteer import ORGANIZATION, Gazetteer
from engine.lifecycle.plan import SIMILAR, Alike, cut, joined
from engine.reader import Reader
from engine.vectors.nearest import Rows, alike, newest_ranked
from memql.errors import Refusal

_LOOKED_BACK = 64
"""Memories of a stream read at once in search of its last one that quotes an event."""
_NOTHING: Numbers = np.empty(0, np.int64)


class Knowledge:
    """Kept by the one thread that consolidates."""

    def __init__(self) -> None:
        self.gazetteer = Gazetteer()
        self._left = _NOTHING
        """Dense ids of the events whose turn is still to come, as far as they were looked for."""
        self._looked = 0
        """The version up to which events were looked for."""
        self._named = 0
        """The version up to which entities were learned."""
        self._entities = _NOTHING
        """The newest versions of entities that were learned and are not retired."""
        self.streams: dict[int, str] = {}
        """The ids of streams by their roots."""
        self.last: dict[int, str] = {}
        """Of a stream the key of its last memory that quotes an event; "" where there is none."""

    # Whose turn it is

    def take_turns(self, reader: Reader, most: int) -> tuple[list[ItemState], int]:
        """The next events whose turn it is, in the order in which they were recorded, as many as one batch may have;
        and the position up to which there are no others before them."""
        self._look_for_events(reader.scope)
        while len(self._left):
            some = self._left[:most]
            died = reader.scope.columns.column("died")[some]
            alive = some[died > reader.position]
            if not len(alive):  # retired or erased before their turn came
                self._left = self._left[len(some) :]
                continue
            events = reader.items(alive.tolist())
            events = events[: cut(events)]
            return events, int(reader.scope.columns.column("born")[events[0].dense]) - 1
        return [], reader.position

    def _look_for_events(self, scope: Scope) -> None:
        found, first = _came(scope, "Event", self._looked), not self._looked
        if first:
            found = found[found > _progress(scope)[scope.columns.column("stream")[found]]]
        self._looked = _recorded(scope)
        self._left = np.concatenate([self._left, found])

    def done(self, events: Sequence[ItemState]) -> None:
        """These need not be looked at again. They are the first of those that were taken."""
        if events:
            self._left = self._left[np.searchsorted(self._left, events[-1].dense, "right") :]

    @property
    def left(self) -> int:
        return len(self._left)

    def remembered(self, reader: Reader, events: Sequence[ItemState]) -> set[str]:
        """The ids of those events that have their memory already: a crash came before that was noted."""
        return {event.id for event in events if reader.index.keyed(item_scope("Memory", event.owner), event.id)}

    # Names

    def learn_names(self, reader: Reader) -> None:
        """Takes the entities that came, changed or ended since the last time."""
        columns = reader.scope.columns
        came = _came(reader.scope, "Entity", self._named)
        ended = self._entities[columns.column("died")[self._entities] <= reader.position]
        roots = np.unique(columns.column("root")[np.concatenate([came, ended])])
        self._named = _recorded(reader.scope)
        if not len(roots):
            return
        newest = columns.newest(roots, reader.position)
        newest = newest[newest > 0]
        retired = newest[columns.column("died")[newest] <= reader.position]
        self.gazetteer.learn(reader.items(newest.tolist()), _successors(reader, columns.column("root")[retired]))
        kept = np.setdiff1d(self._entities, np.concatenate([ended, newest]))
        kept = kept[~np.isin(columns.column("root")[kept], roots)]
        self._entities = np.union1d(kept, np.setdiff1d(newest, retired))

    # Streams

    def learn_streams(self, reader: Reader, events: Sequence[ItemState]) -> None:
        """The ids of these events' streams, and the last memory of each."""
        asked = {event.stream for event in events}
        for stream in reader.items(sorted(asked - self.streams.keys())):
            self.streams[stream.root] = stream.id
        for root in asked - self.last.keys():
            self.last[root] = _last_memory(reader, root)

    def follows(self, event: ItemState) -> None:
        """The event's memory is its stream's last one now."""
        self.last[event.stream] = event.id

    def forget_last(self, events: Sequence[ItemState]) -> None:
        """What was known of these streams turned out to be no longer so."""
        for event in events:
            self.last.pop(event.stream, None)


def _recorded(scope: Scope) -> int:
    """The last version that was recorded at the scope's position: they are numbered in the order of records."""
    return int(np.searchsorted(scope.columns.column("born")[1 : scope.count], scope.position, "right"))


def _came(scope: Scope, kind: str, after: int) -> Numbers:
    """The versions of that kind behind another version, up to the scope's position."""
    code = scope.columns.codes.get(kind, -1)
    return np.flatnonzero(scope.columns.column("kind")[after + 1 : _recorded(scope) + 1] == code) + after + 1


def _progress(scope: Scope) -> Numbers:
    """Of each stream's root, the last event that was looked at."""
    done = np.zeros(scope.count, np.int64)
    folded = np.array(list(scope.columns.state.get("consolidated", {}).items()), np.float64).reshape(-1, 2)
    done[folded[:, 0].astype(np.int64)] = folded[:, 1].astype(np.int64)
    return done


def _successors(reader: Reader, roots: Numbers) -> dict[int, int]:
    """What took the place of retired items."""
    steps = reader.expand(roots, "in", ["SUPERSEDES"])
    return {} if isinstance(steps, Refusal) else dict(zip(steps.origins.tolist(), steps.ends.tolist(), strict=True))


def _last_memory(reader: Reader, stream: int) -> str:
    mask = reader.scope.of_kind("Memory") & (reader.scope.columns.column("stream")[: reader.scope.count] == stream)
    denses = np.flatnonzero(mask)[::-1]
    for at in range(0, len(denses), _LOOKED_BACK):
        for memory in reader.items(denses[at : at + _LOOKED_BACK].tolist()):
            key = memory.properties.get("external_key")
            event = reader.index.item(key) if isinstance(key, str) else None
            if event and event.kind == "Event" and event.stream == stream:
                return event.id
    return ""


# What is near in meaning


def neighbours(
    reader: Reader, model: str, events: Sequence[ItemState], rows: Rows, has: Sequence[bool]
) -> list[list[Alike]]:
    """Of each event the earlier memories that are near to it in meaning, the nearest first: the tenant's own, and
    those that will be made of the events before it. `rows` are unit vectors; `has` says which events have one."""
    limit = reader.limits.similar_relations
    found: list[list[Alike]] = [[] for _ in events]
    places: dict[tuple[str, str], list[int]] = {}
    for number, event in enumerate(events):
        if has[number] and limit:
            scope = ("", ORGANIZATION) if event.domain == ORGANIZATION else (event.owner, event.domain)
            places.setdefault(scope, []).append(number)
    for (owner, domain), numbers in places.items():
        keep = _linkable(reader.scope, owner, domain)
        hits = reader.vectors.alike(model, rows[numbers], keep=keep, least=SIMILAR, limit=limit)
        ids = _ids(reader, np.unique(np.concatenate([denses for denses, _ in hits])))
        for number, (denses, weights) in zip(numbers, hits, strict=True):
            found[number] = _with_those_before(number, events, rows, has, denses, weights, ids, limit)
    return found


def _linkable(scope: Scope, owner: str, domain: str) -> Mask:
    """The memories of that owner and domain, and the organization's."""
    columns = scope.columns
    mask: Mask = columns.column("domain")[: scope.count] == DOMAINS.index(ORGANIZATION)
    if domain != ORGANIZATION:
        own = any_of(columns.column("owner")[: scope.count], [columns.codes.get(owner, -1)])
        mask |= own & (columns.column("domain")[: scope.count] == DOMAINS.index(domain))
    return mask & scope.of_kind("Memory")


def _ids(reader: Reader, denses: Numbers) -> dict[int, str]:
    return {item.dense: item.id for item in reader.items(denses.tolist())}


def _with_those_before(
    number: int, events: Sequence[ItemState], rows: Rows, has: Sequence[bool],
    denses: Numbers, weights: NDArray[np.float32], ids: dict[int, str], limit: int,
) -> list[Alike]:  # fmt: skip
    """The nearest of the tenant's memories and of those of the same batch: the same as if all were there already."""
    before = np.array([has[n] and joined(events[number], events[n]) for n in range(number)], np.bool_)
    # Their numbers stand behind all that there is, in their order.
    base = int(max(ids, default=0)) + 1
    ((own, near),) = alike(
        base + np.arange(number), rows[:number], rows[number : number + 1],
        np.concatenate([np.zeros(base, np.bool_), before]), SIMILAR, limit,
    )  # fmt: skip
    chosen, scores = newest_ranked(np.concatenate([denses, own]), np.concatenate([weights, near]), SIMILAR, limit)
    return [
        Alike(round(weight, 4), id=ids[dense]) if dense < base else Alike(round(weight, 4), key=events[dense - base].id)
        for dense, weight in zip(chosen.tolist(), scores.tolist(), strict=True)
    ]
