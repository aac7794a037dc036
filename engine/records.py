"""How a record of what happened is written: the format of the truth.

A record is a header and a frame of content for each event. The header holds structure: opaque ids, dense ids,
kinds, times, and a salted digest of each frame. A frame holds what people wrote. So one event's content can be erased
for good, with its salt, while the chain of headers still proves that nothing else was changed.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import orjson

from engine.events import EVENTS, Event, ItemRecorded, RelationRecorded, StateFolded, Vector
from memql.values import FOREVER, Value, from_json, to_json

RECORD_VERSION = 1
GENESIS = bytes(32)
"""What the first record names as the hash before it."""

SALT_BYTES = 16
_ERASED = 0xFFFFFFFF


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


_WRITTEN = ("labels", "properties", "reason", "description", "statement")
"""Fields that hold what people wrote: they lie in the frame, with the vector."""
_CONTENT = frozenset({*_WRITTEN, "vector", "erased"})
"""Fields that are not structure; all others lie in the header."""
_LISTS = ("labels", "positions", "spoiled")


def _structure(event: Event) -> dict[str, Any]:
    if not isinstance(event, ItemRecorded):
        fields = {"t": event.tag} | {name: getattr(event, name) for name in event.__slots__ if name not in _CONTENT}
        if fields.get("valid_to") == FOREVER:
            del fields["valid_to"]
        return fields
    # Nearly every event is an item's first version: what is so for all of those is not written.
    fields = {
        "t": "item",
        "id": event.id,
        "dense": event.dense,
        "kind": event.kind,
        "owner": event.owner,
        "domain": event.domain,
        "valid_from": event.valid_from,
    }
    if event.valid_to != FOREVER:
        fields["valid_to"] = event.valid_to
    if event.stream:
        fields["stream"] = event.stream
    if event.version > 1:
        fields |= {"root": event.root, "version": event.version, "previous": event.previous}
    return fields


def _content(event: Event) -> bytes:
    """The frame's bytes: the length of the JSON, the JSON, then the vector's numbers."""
    content: dict[str, Any] = {}
    for name in _WRITTEN:
        if value := getattr(event, name, None):
            content[name] = value
    if isinstance(properties := content.get("properties"), Mapping):
        content["properties"] = {name: to_json(value) for name, value in properties.items()}
    numbers = b""
    if isinstance(event, ItemRecorded) and event.vector:
        content["model"] = event.vector.model
        numbers = event.vector.data
    if not content:
        return b""
    text = orjson.dumps(content)
    return struct.pack("<I", len(text)) + text + numbers


def content_of(frame: bytes) -> bytes:
    """The JSON of a frame's content, without the vector behind it; nothing where there is none."""
    return frame[4 : 4 + int.from_bytes(frame[:4], "little")]


def _revive(structure: dict[str, Any], content: bytes | None) -> Event:
    """The event from its structure and content; content that was erased leaves it empty."""
    if structure["t"] == "item":
        return _revive_item(structure, content)
    kind = EVENTS[structure.pop("t")]
    if content:
        structure |= orjson.loads(content_of(content))
    for name in _LISTS:
        if name in structure:
            structure[name] = tuple(structure[name])
    if kind is StateFolded:
        for name in ("set", "add"):
            structure[name] = {key: tuple(map(tuple, pairs)) for key, pairs in structure[name].items()}
    elif kind is RelationRecorded:
        structure["properties"] = _values(structure.get("properties", {}))
    elif "properties" in structure:
        structure["properties"] = tuple(map(tuple, structure["properties"]))
    return kind(**structure)


def _revive_item(structure: dict[str, Any], content: bytes | None) -> ItemRecorded:
    text = content_of(content) if content else b""
    written = orjson.loads(text) if text else {}
    model = written.get("model")
    vector = Vector(model, content[4 + len(text) :]) if model and content else None
    dense, get = structure["dense"], structure.get
    return ItemRecorded(
        structure["id"], get("root", dense), dense, get("version", 1), get("previous", 0), structure["kind"],
        structure["owner"], structure["domain"], structure["valid_from"], get("valid_to", FOREVER), get("stream", 0),
        tuple(written.get("labels", ())), _values(written.get("properties", {})),
        vector, written.get("reason", ""), content is None,
    )  # fmt: skip


def _values(written: dict[str, Any]) -> dict[str, Value]:
    return {name: from_json(value) for name, value in written.items()}


def digest(salt: bytes, content: bytes) -> bytes:
    return hashlib.sha256(salt + content).digest()


def _digests(header: dict[str, Any]) -> list[bytes]:
    """The digest of each frame, as the header lists them."""
    together = bytes.fromhex(header["digests"])
    return [together[at : at + 32] for at in range(0, len(together), 32)]


def chain(previous: bytes, header: bytes) -> bytes:
    return hashlib.sha256(previous + header).digest()


def seal(record: Record, previous: bytes, entropy: Callable[[int], bytes]) -> Sealed:
    """The record as it is written behind the one whose hash is `previous`."""
    salts = entropy(SALT_BYTES * len(record.events))
    frames: list[bytes] = []
    structures: list[dict[str, Any]] = []
    digests: list[bytes] = []
    for index, event in enumerate(record.events):
        salt = salts[index * SALT_BYTES : (index + 1) * SALT_BYTES]
        content = _content(event)
        structures.append(_structure(event))
        digests.append(digest(salt, content))
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
            "digests": b"".join(digests).hex(),
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
    """The same record with the frames of the item `root` erased, content and salt; and with the statement that it is
    of, which may quote the item."""
    structures = orjson.loads(sealed.header)["events"]
    frames: list[bytes] = []
    for structure, (salt, content) in zip(structures, split(sealed.frames), strict=True):
        mine = structure["t"] in ("item", "retired") and structure.get("root", structure["dense"]) == root
        if content is None or mine or structure["t"] == "curated":
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
        digests = _digests(orjson.loads(sealed.header))
        for expected, (salt, content) in zip(digests, split(sealed.frames), strict=True):
            spoiled = drop and content is not None and digest(salt, content) != expected
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
        frames = split(sealed.frames)
        for structure, expected, (salt, content) in zip(header["events"], _digests(header), frames, strict=True):
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
