"""What a decision may know of the tenant: the view, the states it shows, and the decision itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.events import Event, Vector
from engine.limits import Limits
from memql.catalog import Catalog
from memql.values import FOREVER, Value

NEVER = FOREVER
"""The `died` position and the `retired_at` of what is still current."""


@dataclass(frozen=True, slots=True)
class ItemState:
    """One version of an item. `born` and `died` are positions: it was known from `born` on, until before `died`."""

    id: str
    root: int
    dense: int
    version: int
    kind: str
    owner: str
    domain: str
    stream: int
    born: int
    died: int
    valid_from: int
    valid_to: int
    recorded_at: int
    retired_at: int
    labels: tuple[str, ...]
    properties: Mapping[str, Value]
    erased: bool

    @property
    def retired(self) -> bool:
        return self.died != NEVER


@dataclass(frozen=True, slots=True)
class RelationState:
    """One version of a relation; its ends are roots, its positions as an item's."""

    id: str
    root: int
    row: int
    version: int
    kind: str
    source: int
    target: int
    weight: float
    born: int
    died: int
    valid_from: int
    valid_to: int
    recorded_at: int
    retired_at: int
    read_version: int
    properties: Mapping[str, Value]

    @property
    def retired(self) -> bool:
        return self.died != NEVER


class View(Protocol):
    """The tenant as the next record finds it, earlier commands of the same group included."""

    at: int
    """The `recorded_at` of what is decided, in microseconds."""
    catalog: Catalog
    limits: Limits
    next_dense: int
    next_row: int

    def mint(self, prefix: str) -> str: ...

    def item(self, id_: str) -> ItemState | None: ...

    def item_at(self, root: int) -> ItemState: ...

    def relation(self, id_: str) -> RelationState | None: ...

    def keyed(self, scope: str, key: str) -> int:
        """The root of what has that external key in that scope, or 0."""
        ...

    def since(self, dense: int, kind: str) -> list[ItemState]:
        """The items of that kind, not retired, whose newest version was recorded behind that dense id."""
        ...

    def vector(self, item: ItemState) -> Vector | None: ...

    def positions(self, root: int) -> tuple[int, ...]:
        """The records in which the item's content lies."""
        ...

    def targets(self, kind: str, root: int) -> list[int]:
        """The roots that live relations of that kind lead to."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens, and the ids that answer the command. No events: it was so already."""

    events: tuple[Event, ...]
    ids: tuple[str, ...] = ()
