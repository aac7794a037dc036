"""The view as the steps of one command leave it, one after the other, while nothing of them is written yet."""

from dataclasses import replace

from engine.decide.items import item_scope
from engine.decide.view import NEVER, Decision, ItemState, RelationState, View
from engine.events import Event, ItemRecorded, ItemRetired, RelationRecorded, RelationRetired, Vector

_NOW = 0
"""What `died` is of what a step has ended: any position but never."""


class Staged:
    """A view on top of another. An id `@n` is that of what step n made or met."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.at, self.catalog, self.limits = view.at, view.catalog, view.limits
        self.next_dense, self.next_row = view.next_dense, view.next_row
        self.events: list[Event] = []
        self.ids: dict[int, str] = {}
        """What each step made, met or changed."""
        self._items: dict[int, ItemState] = {}
        self._roots: dict[str, int] = {}
        self._relations: dict[str, RelationState] = {}
        self._vectors: dict[int, Vector | None] = {}
        self._keys: dict[tuple[str, str], int] = {}

    def take(self, step: int, decision: Decision) -> None:
        """Adds what the step of that number led to."""
        for event in decision.events:
            match event:
                case ItemRecorded():
                    self._record(event)
                case ItemRetired():
                    ended = replace(self.item_at(event.root), died=_NOW, retired_at=self.at)
                    self._items[event.root], self._roots[event.id] = ended, event.root
                case RelationRecorded():
                    self._relate(event)
                case RelationRetired():
                    before = self.relation(event.id)
                    assert before is not None, "what is retired was there"
                    self._relations[event.id] = replace(before, died=_NOW, retired_at=self.at)
        self.events += decision.events
        self.ids[step] = decision.ids[0]

    def _record(self, event: ItemRecorded) -> None:
        state = ItemState(
            event.id, event.root, event.dense, event.version, event.kind, event.owner, event.domain, event.stream,
            _NOW, NEVER, event.valid_from, event.valid_to, self.at, NEVER, event.labels, event.properties, False,
        )  # fmt: skip
        self._items[event.root], self._roots[event.id] = state, event.root
        self._vectors[event.dense] = event.vector
        self.next_dense = event.dense + 1
        key = event.properties.get("external_key")
        if event.version == 1 and isinstance(key, str):
            self._keys[item_scope(event.kind, event.owner), key] = event.root

    def _relate(self, event: RelationRecorded) -> None:
        self._relations[event.id] = RelationState(
            event.id, event.root, event.row, event.version, event.kind, event.source, event.target, event.weight,
            _NOW, NEVER, event.valid_from, event.valid_to, self.at, NEVER, event.read_version, event.properties,
        )  # fmt: skip
        self.next_row = event.row + 1

    def named(self, id_: str) -> str:
        """The id that is meant."""
        number = id_[1:]
        return self.ids.get(int(number), id_) if id_.startswith("@") and number.isdecimal() else id_

    # The view

    def mint(self, prefix: str) -> str:
        return self._view.mint(prefix)

    def item(self, id_: str) -> ItemState | None:
        id_ = self.named(id_)
        return self._items[self._roots[id_]] if id_ in self._roots else self._view.item(id_)

    def item_at(self, root: int) -> ItemState:
        return self._items.get(root) or self._view.item_at(root)

    def relation(self, id_: str) -> RelationState | None:
        id_ = self.named(id_)
        return self._relations.get(id_) or self._view.relation(id_)

    def keyed(self, scope: str, key: str) -> int:
        return self._keys.get((scope, key)) or self._view.keyed(scope, key)

    def since(self, dense: int, kind: str) -> list[ItemState]:
        """Those of the view that no step has changed, and what the steps made."""
        before = [item for item in self._view.since(dense, kind) if item.root not in self._items]
        return before + [item for item in self._items.values() if item.kind == kind and not item.retired]

    def vector(self, item: ItemState) -> Vector | None:
        return self._vectors[item.dense] if item.dense in self._vectors else self._view.vector(item)

    def positions(self, root: int) -> tuple[int, ...]:
        return self._view.positions(root)

    def targets(self, kind: str, root: int) -> list[int]:
        found = self._view.targets(kind, root)
        for relation in self._relations.values():
            if (relation.kind, relation.source) != (kind, root):
                continue
            known = self._view.relation(relation.id)
            before = known is not None and not known.retired
            if before and relation.retired:
                found.remove(relation.target)
            elif not before and not relation.retired:
                found.append(relation.target)
        return found
