"""What a file to import holds, line by line: events, entities, and what is wrong with the rest.

Reads JSONL, an object on each line, and never more of a file than one line at a time. Writes nothing: what becomes of
the lines is `intake`'s business.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, BinaryIO, TypeAlias

import orjson

from engine.commands import NameEntity, RecordEvents, parse
from engine.decide.checks import Checks
from engine.limits import Limits
from memql.catalog import Catalog
from memql.errors import Problem, Refusal, nearest

LINE_BYTES = 16_777_216
"""Longest line that is read: as much as one request may carry by default."""

EVENT: Mapping[str, str] = {
    "stream": "stream",
    "content": "content",
    "role": "role",
    "author": "author",
    "occurredAt": "occurred_at",
    "externalKey": "external_key",
    "importance": "importance",
    "metadata": "metadata",
    "replyTo": "reply_to",
}
"""What a line may say of an event, and what the engine calls it."""
ENTITY: Mapping[str, str] = {
    "name": "name",
    "category": "category",
    "aliases": "aliases",
    "externalKey": "external_key",
    "metadata": "metadata",
}


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file, as compilers and editors write it."""

    file: str
    line: int = 0
    column: int = 0
    inside: str = ""
    """Where in it, for files that have no lines to count."""

    def __str__(self) -> str:
        numbers = [str(number) for number in (self.line, self.column) if number]
        return ":".join([self.file, *numbers]) + (f": {self.inside}" if self.inside else "")


@dataclass(frozen=True, slots=True)
class Said:
    """An event to be recorded in the stream of that name. `size`: about how many bytes it takes. `conversation`: what
    says which stream it is, also when its name was another."""

    spot: Spot
    stream: str
    event: Mapping[str, Any]
    size: int
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """An entity to be named."""

    spot: Spot
    entity: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bad:
    """What can't be taken in, and why; the place within it is the problem's own."""

    spot: Spot
    problem: Problem


Line: TypeAlias = Said | Named | Bad


def jsonl(file: BinaryIO, name: str, stream: str) -> Iterator[Line]:
    """The lines of a file; those that name no stream belong to `stream`, if there is one."""
    number, seen = 0, Counter[bytes]()
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        spot = Spot(name, number)
        if len(line) > LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = file.readline(LINE_BYTES)
            problem = Problem(
                "LINE_TOO_LONG", f"a line has {LINE_BYTES:,} bytes at most", "", "cut it where it is made"
            )
            yield Bad(spot, problem)
            continue
        line = line.removeprefix(b"\xef\xbb\xbf").strip()
        if line:
            yield _line(line, spot, stream, seen)


def _line(line: bytes, spot: Spot, stream: str, seen: Counter[bytes]) -> Line:
    try:
        read = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # The decoder's own words are for its authors; the spot is what helps.
        where = Spot(spot.file, spot.line, error.colno)
        return Bad(where, Problem("NO_JSON", "this is no JSON", "", "each line is one whole object"))
    if not isinstance(read, dict):
        return Bad(spot, Problem("NO_OBJECT", "an object is expected", "", 'such as {"content": "…"}'))
    if "entity" in read:
        return _entity(read, spot)
    if problem := _strange(read, EVENT):
        return Bad(spot, problem)
    named = read.pop("stream", None) or stream
    if not named:
        hint = "say `stream` on the line, or --stream for all that don't"
        return Bad(spot, Problem("NO_STREAM", "no stream is named", "stream", hint))
    if not isinstance(named, str):
        return Bad(spot, Problem("INVALID_TYPE", "text is expected", "stream"))
    event = {key: value for key, value in read.items() if value is not None}
    if "externalKey" not in event:
        event["externalKey"] = _key(named, event, seen)
    return Said(spot, named, event, len(line))


def _entity(read: dict[str, Any], spot: Spot) -> Line:
    entity = read["entity"]
    if len(read) > 1:
        return Bad(spot, Problem("TWO_IN_ONE", "an entity stands on a line of its own", "entity"))
    if not isinstance(entity, dict):
        return Bad(spot, Problem("NO_OBJECT", "an object is expected", "entity", 'such as {"name": "…"}'))
    if problem := _strange(entity, ENTITY):
        return Bad(spot, replace(problem, place=f"entity.{problem.place}"))
    entity = {key: value for key, value in entity.items() if value is not None}
    key = f"entity:{entity.get('name', '')}".casefold()[:200]
    return Named(spot, {"externalKey": key, **entity})


def _strange(given: Mapping[str, Any], known: Mapping[str, str]) -> Problem | None:
    name = next((name for name in given if name not in known), None)
    if name is None:
        return None
    hint = nearest(name, known) or "what else there is to keep belongs into `metadata`"
    return Problem("UNKNOWN_FIELD", "there is no such field", name[:80], hint)


def fitted(line: Line, limits: Limits) -> Line:
    """The line, or what the engine would say of it by itself: of its shape, and of each value."""
    match line:
        case Said(spot, stream, event):
            shaped = parse("RecordEvents", {"stream": stream, "events": [_renamed(event, EVENT)]})
        case Named(spot, entity):
            shaped = parse("NameEntity", _renamed(entity, ENTITY))
        case _:
            return line
    checks = Checks(Catalog(), limits)
    match shaped:
        case RecordEvents(events=[one]):
            checks.name(shaped.stream, "stream")
            checks.text(one.content, "content")
            for name in ("role", "author", "external_key"):
                checks.name(getattr(one, name), name)
            checks.share(one.importance, "importance")
        case NameEntity():
            checks.text(shaped.name, "name")
            for n, alias in enumerate(shaped.aliases or ()):
                checks.name(alias, f"aliases[{n}]")
    refusal = shaped if isinstance(shaped, Refusal) else checks.refusal()
    if not refusal:
        return line
    found = refusal.problems[0]
    inside = "entity." if isinstance(line, Named) else ""
    return Bad(spot, replace(found, place=inside + field_of(found.place)))


def field_of(place: str) -> str:
    """`events[3].occurred_at` is `occurredAt` to whoever wrote the line."""
    inner = place.partition("].")[2] if place.startswith("events[") else place
    head, dot, rest = inner.partition(".")
    first, *others = head.split("_")
    return first + "".join(map(str.capitalize, others)) + dot + rest


def _renamed(given: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[key]: value for key, value in given.items()}


def _key(stream: str, event: Mapping[str, Any], seen: Counter[bytes]) -> str:
    """A key for an event that came without one, so that the same file is recorded once: a digest of what the line
    says, and how often it was said before."""
    said = orjson.dumps([stream, event], option=orjson.OPT_SORT_KEYS)
    digest = blake2b(said, digest_size=12).digest()
    seen[digest] += 1
    return f"import:{digest.hex()}" + (f":{seen[digest]}" if seen[digest] > 1 else "")
