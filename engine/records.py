"""What happened, in the past tense, and how a record of it is written: the format of the truth.

A record is a header and a frame of content for each event. The header holds structure: opaque ids, dense ids,
kinds, times, and a salted digest of each frame. A frame holds what people wrote. So one event's content can be erased
for good, with its salt, while the chain of headers still proves that nothing else was changed.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

import orjson

from memql.catalog import Catalog, Kind, Property, RelationKind
from memql.values import FOREVER, Value, from_json, to_json

RECORD_VERSION = 1
GENESIS = bytes(32)
"""What the first record names as the hash before it."""

SALT_BYTES = 16
_ERASED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Vector:
    """An embedding as it was recorded: the model's id and little-endian float32 numbers."""

    model: str
    data: bytes

    @property
    def width(self) -> int:
        return len(self.data) // 4


@dataclass(frozen=True, slots=True)
class ItemRecorded:
    """A version of an item. `dense` is the version's own number, `root` the dense id of the identity's first version,
    `previous` that of the version it follows (0: none). `stream` is the root of an event's stream (0: none)."""

    tag: ClassVar[str] = "item"

    id: str
    root: int
    dense: int
    version: int
    previous: int
    kind: str
    owner: str
    domain: str
    valid_from: int
    valid_to: int = FOREVER
    stream: int = 0
    labels: tuple[str, ...] = ()
    properties: Mapping[str, Value] = field(default_factory=dict)
    vector: Vector | None = None
    reason: str = ""
    erased: bool = False


@dataclass(frozen=True, slots=True)
class ItemRetired:
    """The identity's current version `dense` is the last one; `by` is the root of what took its place (0: nothing)."""

    tag: ClassVar[str] = "retired"

    id: str
    root: int
    dense: int
    by: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ItemErased:
    """The content of every version of the identity is gone, from the frames of the records at `positions` too."""

    tag: ClassVar[str] = "erased"

    id: str
    root: int
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RelationRecorded:
    """A version of a relation between two identities. `row` is the version's number, `root` that of the first one.
    `read_version` is the version of the target that was read, for provenance (0: not said)."""

    tag: ClassVar[str] = "relation"

    id: str
    root: int
    row: int
    version: int
    previous: int
    kind: str
    source: int
    target: int
    weight: float
    valid_from: int
    valid_to: int = FOREVER
    read_version: int = 0
    properties: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RelationRetired:
    tag: ClassVar[str] = "unrelated"

    id: str
    root: int
    row: int


@dataclass(frozen=True, slots=True)
class KindDeclared:
    tag: ClassVar[str] = "kind"

    name: str
    prefix: str
    text: str
    properties: tuple[tuple[str, str, str], ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class RelationKindDeclared:
    tag: ClassVar[str] = "relation_kind"

    name: str
    acyclic: bool
    properties: tuple[tuple[str, str, str], ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class PropertyDeclared:
    tag: ClassVar[str] = "property"

    kind: str
    name: str
    type: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class LabelDeclared:
    tag: ClassVar[str] = "label"

    label: str


@dataclass(frozen=True, slots=True)
class CatalogSet:
    tag: ClassVar[str] = "catalog"

    open: bool


@dataclass(frozen=True, slots=True)
class StateFolded:
    """Figures of many items: `set` and `add` map a name to pairs of root and value."""

    tag: ClassVar[str] = "state"

    set: Mapping[str, tuple[tuple[int, float], ...]]
    add: Mapping[str, tuple[tuple[int, float], ...]]


@dataclass(frozen=True, slots=True)
class LossAccepted:
    """A person went on although the disk had lost the records after `kept` up to `lost`, whose positions are never
    given again, and the content of some events in the records at `spoiled`."""

    tag: ClassVar[str] = "loss"

    kept: int
    lost: int
    spoiled: tuple[int, ...] = ()


Event: TypeAlias = (
    ItemRecorded | ItemRetired | ItemErased | RelationRecorded | RelationRetired | KindDeclared | RelationKindDeclared
    | PropertyDeclared | LabelDeclared | CatalogSet | StateFolded | LossAccepted
)  # fmt: skip

EVENTS: Mapping[str, type[Event]] = {
    event.tag: event
    for event in (
        ItemRecorded, ItemRetired, ItemErased, RelationRecorded, RelationRetired, KindDeclared, RelationKindDeclared,
        PropertyDeclared, LabelDeclared, CatalogSet, StateFolded, LossAccepted,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One command's outcome. `ids` answers the command, in its order; `key` and `request` are digests (empty: none)."""

    position: int
    at: int
    actor: str
    command: str
    events: tuple[Event, ...]
    ids: tuple[str, ...] = ()
    key: bytes = b""
    request: bytes = b""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record as it lies in the journal. `hash` covers the header and the hash before it."""

    position: int
    at: int
    header: bytes
    frames: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Why a stored record cannot be what was written."""

    position: int
    what: str


_CONTENT = frozenset({"labels", "properties", "reason", "description"})
"""Fields that hold what people wrote: they lie in the frame. All other fields lie in the header."""


def _structure(event: Event) -> dict[str, Any]:
    fields: dict[str, Any] = {"t": event.tag}
    for name in event.__slots__:
        value = getattr(event, name)
        if name not in _CONTENT and name not in ("vector", "erased"):
            fields[name] = value
    if isinstance(event, ItemRecorded | RelationRecorded) and event.valid_to == FOREVER:
        del fields["valid_to"]
    return fields


def _content(event: Event) -> bytes:
    """The frame's bytes: the length of the JSON, the JSON, then the vector's numbers."""
    content: dict[str, Any] = {}
    for name in event.__slots__:
        if name in _CONTENT and (value := getattr(event, name)):
            content[name] = to_json(dict(value)) if isinstance(value, Mapping) else value
    numbers = b""
    if isinstance(event, ItemRecorded) and event.vector:
        content["model"] = event.vector.model
        numbers = event.vector.data
    if not content:
        return b""
    text = orjson.dumps(content)
    return struct.pack("<I", len(text)) + text + numbers


def _revive(structure: dict[str, Any], content: bytes | None) -> Event:
    """The event from its structure and content; content that was erased leaves it empty."""
    fields = dict(structure)
    kind = EVENTS[fields.pop("t")]
    if content:
        (length,) = struct.unpack_from("<I", content)
        written = orjson.loads(content[4 : 4 + length])
        if model := written.pop("model", None):
            fields["vector"] = Vector(model, content[4 + length :])
        fields |= {name: from_json(value) if name == "properties" else value for name, value in written.items()}
    for name, value in fields.items():
        if isinstance(value, list):
            fields[name] = tuple(tuple(pair) if isinstance(pair, list) else pair for pair in value)
    if kind is StateFolded:
        for name in ("set", "add"):
            fields[name] = {key: tuple(map(tuple, pairs)) for key, pairs in fields[name].items()}
    if content is None and kind is ItemRecorded:
        fields["erased"] = True
    return kind(**fields)


def digest(salt: bytes, content: bytes) -> bytes:
    return hashlib.sha256(salt + content).digest()


def chain(previous: bytes, header: bytes) -> bytes:
    return hashlib.sha256(previous + header).digest()


def seal(record: Record, previous: bytes, entropy: Callable[[int], bytes]) -> Sealed:
    """The record as it is written behind the one whose hash is `previous`."""
    salts = entropy(SALT_BYTES * len(record.events))
    frames: list[bytes] = []
    structures: list[dict[str, Any]] = []
    for index, event in enumerate(record.events):
        salt = salts[index * SALT_BYTES : (index + 1) * SALT_BYTES]
        content = _content(event)
        structure = _structure(event)
        structure["digest"] = digest(salt, content).hex()
        structures.append(structure)
        frames += (struct.pack("<I", len(content)), salt, content)
    header = orjson.dumps(
        {
            "v": RECORD_VERSION,
            "position": record.position,
            "at": record.at,
            "actor": record.actor,
            "command": record.command,
            "ids": record.ids,
            "key": record.key.hex(),
            "request": record.request.hex(),
            "events": structures,
        }
    )
    return Sealed(record.position, record.at, header, b"".join(frames), chain(previous, header))


def split(frames: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Salt and content of each frame; content that was erased is None."""
    at = 0
    while at < len(frames):
        (length,) = struct.unpack_from("<I", frames, at)
        at += 4
        if length == _ERASED:
            yield b"", None
            continue
        if at + SALT_BYTES + length > len(frames):
            raise ValueError("a frame is cut")
        yield frames[at : at + SALT_BYTES], frames[at + SALT_BYTES : at + SALT_BYTES + length]
        at += SALT_BYTES + length


def without(sealed: Sealed, root: int) -> Sealed:
    """The same record with the frames of the item `root` erased, content and salt."""
    structures = orjson.loads(sealed.header)["events"]
    frames: list[bytes] = []
    for structure, (salt, content) in zip(structures, split(sealed.frames), strict=True):
        if content is None or (structure["t"] in ("item", "retired") and structure["root"] == root):
            frames.append(struct.pack("<I", _ERASED))
        else:
            frames += (struct.pack("<I", len(content)), salt, content)
    return replace(sealed, frames=b"".join(frames))


def spare(sealed: Sealed, drop: bool = False) -> Sealed | None:
    """The record if some of its content is missing, else None. With `drop`, content that is not what its digest says
    is taken for missing too, and the record comes back without it."""
    frames: list[bytes] = []
    missing = False
    try:
        structures = orjson.loads(sealed.header)["events"]
        for structure, (salt, content) in zip(structures, split(sealed.frames), strict=True):
            spoiled = drop and content is not None and digest(salt, content).hex() != structure["digest"]
            if content is None or spoiled:
                missing = True
                frames.append(struct.pack("<I", _ERASED))
            else:
                frames += (struct.pack("<I", len(content)), salt, content)
    except (ValueError, struct.error):
        if not drop:
            return None
        return replace(sealed, frames=struct.pack("<I", _ERASED) * len(orjson.loads(sealed.header)["events"]))
    return replace(sealed, frames=b"".join(frames)) if missing else None


Upgrade: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

UPGRADES: Mapping[int, Upgrade] = {}
"""How the header of a record of version n becomes one of version n + 1. Applied when read; the journal is never
rewritten, so hashes stay what they were."""


def unseal(
    sealed: Sealed, upgrades: Mapping[int, Upgrade] = UPGRADES, current: int = RECORD_VERSION
) -> Record | Damage:
    """The record, each frame checked against its digest. The chain is checked by whoever reads in order."""
    try:
        header = orjson.loads(sealed.header)
        if header["position"] != sealed.position or header["at"] != sealed.at:
            return Damage(sealed.position, "the header names another position or time")
        written = header["v"]
        if written > current:
            return Damage(sealed.position, f"written in record version {written}; this MemQL reads up to {current}")
        for version in range(written, current):
            header = upgrades[version](header)
        events: list[Event] = []
        for structure, (salt, content) in zip(header["events"], split(sealed.frames), strict=True):
            expected = bytes.fromhex(structure.pop("digest"))
            if content is not None and digest(salt, content) != expected:
                return Damage(sealed.position, f"the content of event {len(events) + 1} is not what its digest says")
            events.append(_revive(structure, content))
        return Record(
            sealed.position,
            sealed.at,
            header["actor"],
            header["command"],
            tuple(events),
            tuple(header["ids"]),
            bytes.fromhex(header["key"]),
            bytes.fromhex(header["request"]),
        )
    except (ValueError, KeyError, TypeError, struct.error, AttributeError) as error:
        return Damage(sealed.position, f"it cannot be read ({type(error).__name__})")


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a write that is durable. `repeated`: the same was asked before under the same key."""

    position: int
    at: int
    ids: tuple[str, ...]
    repeated: bool = field(default=False, compare=False)


def declared(catalog: Catalog, event: Event) -> Catalog:
    """The catalog after the event; the same one where the event declares nothing."""
    match event:
        case KindDeclared(name, prefix, text, properties, description):
            return catalog.with_kind(Kind(name, prefix, None, text, _named(properties), description))
        case RelationKindDeclared(name, acyclic, properties, description):
            return catalog.with_relation(RelationKind(name, description, acyclic, False, _named(properties)))
        case PropertyDeclared(kind, name, of, description):
            return catalog.with_property(kind, Property(name, of, description))
        case LabelDeclared(label):
            return catalog.with_label(label)
        case CatalogSet(is_open):
            return catalog.opened(is_open)
    return catalog


def _named(properties: Sequence[tuple[str, str, str]]) -> Mapping[str, Property]:
    return MappingProxyType({name: Property(name, of, description) for name, of, description in properties})
