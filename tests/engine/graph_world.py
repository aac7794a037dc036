"""A made-up tenant for the graph's tests: records from a seed, and by the plainest code what a graph must then hold."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from engine.events import (
    CatalogSet,
    Event,
    ItemErased,
    ItemRecorded,
    ItemRetired,
    KindDeclared,
    LabelDeclared,
    LossAccepted,
    PropertyDeclared,
    RelationKindDeclared,
    RelationRecorded,
    RelationRetired,
    StateFolded,
)
from engine.records import Record

MARK = "zqx9"
"""Part of every text that a person wrote in this world."""

# A value as it is recorded, and as the graph holds it.
SAMPLES: dict[str, list[tuple[Any, Any]]] = {
    "string": [(f"{MARK} `'\"; {word}", f"{MARK} `'\"; {word}") for word in ("ä", "RETURN 1;", "//", "\\", "$p0", "")],
    "integer": [(-(2**63), -(2**63) + 1), *((n, n) for n in (0, 1, -1, 127, 2**40, 2**63 - 1))],
    "float": [(x, x) for x in (0.0, -0.5, 1e300, 5e-324)],
    "boolean": [(True, True), (False, False)],
    "date": [(date(1970, 1, 2), 1), (date(1969, 12, 31), -1), (date(2026, 3, 14), 20_526)],
    "datetime": [
        (datetime(1970, 1, 1, 0, 0, 1, 5, UTC), 1_000_005),
        (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), -1_000_000),
    ],
}

# What is held of each kind, beside the long texts, lists and maps that are not.
HELD = {
    "Memory": {"category": "string", "importance": "float", "confidence": "float", "external_key": "string"},
    "Task": {"status": "string", "priority": "integer", "progress": "float", "due_at": "datetime"},
    "Event": {"role": "string", "author": "string", "reply_to": "string"},
    "Entity": {"category": "string"},
}
LATER = {"dueAt": "datetime", "dueat": "string", "day": "date", "done": "boolean", "size": "integer"}
KINDS_OF_RELATION = ("ABOUT", "MENTIONS", "DERIVED_FROM", "SUPPORTS", "SAME_AS", "LIKES")


@dataclass
class World:
    """Makes records; `truth` is what a graph that took all of them holds."""

    seed: int
    records: list[Record] = field(default_factory=list)
    nodes: dict[int, dict[str, Any]] = field(default_factory=dict)
    relations: dict[int, list[Any]] = field(default_factory=dict)
    dense: int = 0
    row: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.held = {kind: dict(of) for kind, of in HELD.items()}
        self.roots: list[int] = []

    def ids(self, roots: Sequence[int]) -> list[str]:
        return [self.nodes[root]["id"] for root in roots]

    def record(self, *events: Event) -> None:
        position = len(self.records) + 1
        self.records.append(Record(position, 1_700_000_000_000_000 + position, "usr_me", "Test", events))

    # Events, each with its effect on the truth

    def item(self, kind: str, root: int = 0, erased: bool = False) -> ItemRecorded:
        self.dense += 1
        previous = self.nodes[root]["dense"] if root else 0
        root = root or self.dense
        public = f"{kind.lower()[:3]}_{root:026}"
        properties: dict[str, Any] = {"text": f"{MARK} long", "tags": [MARK], "metadata": {MARK: 1}, "unheard": MARK}
        values = {}
        for name, of in self.held.get(kind, {}).items():
            if self.chance.random() < 0.6:
                properties[name], values[f"{name}:{of}"] = self.chance.choice(SAMPLES[of])
        labels = tuple(self.chance.sample([f"{MARK} red", f"{MARK} blue"], self.chance.randrange(3)))
        self.nodes[root] = {
            "id": public, "dense": self.dense, "kind": kind, "labels": labels, "erased": False, "values": values
        }  # fmt: skip
        if not previous:
            self.roots.append(root)
        return ItemRecorded(
            public, root, self.dense, 1, previous, kind, "usr_me", "user", 0, labels=labels, properties=properties
        )

    def erase(self, root: int) -> ItemErased:
        node = self.nodes[root]
        node |= {"labels": (), "erased": True, "values": {}}
        past = tuple(
            record.position
            for record in self.records
            if any(isinstance(event, ItemRecorded) and event.root == root for event in record.events)
        )
        return ItemErased(node["id"], root, past)

    def relate(self, kind: str) -> RelationRecorded:
        self.row += 1
        source, target, weight = self.chance.choice(self.roots), self.chance.choice(self.roots), self.chance.random()
        self.relations[self.row] = [self.row, kind, source, target, weight]
        return RelationRecorded(f"rel_{self.row}", self.row, self.row, 1, 0, kind, source, target, weight, 0)

    def reweigh(self, root: int, same: bool = False) -> RelationRecorded:
        self.row += 1
        previous, kind, source, target, weight = self.relations[root]
        weight = weight if same else self.chance.random()
        self.relations[root] = [self.row, kind, source, target, weight]
        return RelationRecorded(f"rel_{root}", root, self.row, 2, previous, kind, source, target, weight, 0)

    # Records

    def live(self, count: int) -> None:
        """So many records, each a little of anything."""
        if not self.records:
            self.record(*(self.item(kind) for kind in self.held))
        for _ in range(count):
            match self.chance.randrange(16):
                case 0 | 1 | 2 | 3:
                    self.record(*(self.item(self.chance.choice([*self.held, "Unheard"])) for _ in range(3)))
                case 4 | 5 | 6:
                    self.record(*(self.relate(self.chance.choice(KINDS_OF_RELATION)) for _ in range(4)))
                case 7 | 8:
                    root = self.chance.choice(self.roots)
                    self.record(self.item(self.nodes[root]["kind"], root))
                case 9 | 10 if self.relations:
                    self.record(self.reweigh(self.chance.choice(list(self.relations)), self.chance.random() < 0.3))
                case 11:
                    self.record(self.item("Memory"), self.relate("LIKES"), self.item("Memory", self.dense))
                case 12 if self.chance.random() < 0.4:
                    self.declare()
                case 13:
                    root = self.chance.choice(self.roots)
                    self.record(ItemRetired(self.nodes[root]["id"], root, self.nodes[root]["dense"], reason=MARK))
                case 14 if self.relations:
                    root = self.chance.choice(list(self.relations))
                    self.record(RelationRetired(f"rel_{root}", root, self.relations[root][0]))
                case _:
                    self.record(StateFolded({"rank": ((1, 0.5),)}, {"access_count": ((1, 1),)}))

    def declare(self) -> None:
        name = self.chance.choice(list(LATER))
        kind = self.chance.choice(["Memory", "Boat"])
        if kind == "Boat" and kind not in self.held:
            self.held["Boat"] = {"sails": "integer"}
            declared = KindDeclared("Boat", "boat", "name", (("name", "string", ""), ("sails", "integer", MARK)), MARK)
            liked = RelationKindDeclared("LIKES", False, (("why", "string", ""),))
            self.record(declared, liked, LabelDeclared(MARK), CatalogSet(True), LossAccepted(1, 2))
        elif name not in self.held[kind]:
            self.held[kind][name] = LATER[name]
            self.record(PropertyDeclared(kind, name, LATER[name], MARK), PropertyDeclared("ABOUT", name, "string"))

    def bulk(self, items: int, relations: int) -> None:
        """Records of a thousand events, as an import writes them."""
        kinds = list(self.held)
        for many in _chunks(items):
            self.record(*(self.item(kinds[n % len(kinds)]) for n in many))
        for many in _chunks(relations):
            self.record(*(self.relate(KINDS_OF_RELATION[n % len(KINDS_OF_RELATION)]) for n in many))

    def revise_many(self, count: int) -> None:
        for many in _chunks(count):
            roots = [self.roots[n] for n in many]
            self.record(*(self.item(self.nodes[root]["kind"], root) for root in roots))

    # What is to be compared

    def replayed(self) -> list[Record]:
        """The records as the journal gives them now: the content of what was erased is gone."""
        gone = {
            (event.root, position)
            for record in self.records
            for event in record.events
            if isinstance(event, ItemErased)
            for position in event.positions
        }
        return [
            replace(
                record,
                events=tuple(
                    replace(event, labels=(), properties={}, erased=True)
                    if isinstance(event, ItemRecorded) and (event.root, record.position) in gone
                    else event
                    for event in record.events
                ),
            )
            for record in self.records
        ]

    @property
    def truth(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        nodes = []
        for root, node in sorted(self.nodes.items()):
            values = [(name.replace("dueAt", "due$At"), value) for name, value in node["values"].items()]
            nodes.append(
                (root, node["id"], node["dense"], node["kind"], node["labels"], node["erased"], tuple(sorted(values)))
            )
        return nodes, [(root, *of) for root, of in sorted(self.relations.items())]


def _chunks(count: int) -> Iterator[range]:
    for start in range(0, count, 1_000):
        yield range(start, min(start + 1_000, count))
