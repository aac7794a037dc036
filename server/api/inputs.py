"""The inputs of mutations, made from the engine's commands: one shape, and every door asks by it.

A command says what there is, of which type and with which default; here is only what GraphQL adds: a description for
each field, and the way back from an input to plain data, which the engine then reads as it reads any other.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import strawberry
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from strawberry.scalars import JSON

from engine.commands import Command, Embedding, EventInput, Link, PropertyInput
from memql.values import instant
from server.api.types import Domain, Moment, Status

IDS = frozenset({"id", "by", "source", "target", "part_of", "depends_on"})
"""Fields that take an id and nothing else; `stream` and `reply_to` take names too."""

WORDS: Mapping[str, str] = {
    "acyclic": "Whether no chain of them may lead back to its start.",
    "aliases": "What else it is called.",
    "author": "Who said or did it.",
    "by": "The item that takes its place.",
    "category": "What sort of thing it is.",
    "confidence": "How sure it is, from 0 to 1.",
    "content": "What was said or done.",
    "depends_on": "Tasks or goals that come first.",
    "description": "What it is, at length.",
    "domain": "Whose business it is.",
    "due_at": "By when it should be done.",
    "embedding": "The text's vector, where you have one.",
    "events": "What was said or done, in order. All are recorded, or none.",
    "external_key": "Its name in another system; no two things of a kind and owner have the same.",
    "id": "The id.",
    "if_version": "Refuses unless this is its version: so that nobody's change is overwritten unseen.",
    "importance": "From 0 to 1.",
    "kind": "The kind.",
    "label": "The label.",
    "labels": "Labels; those it has are replaced.",
    "links": "Relations from the new item, such as DERIVED_FROM the events it was made from.",
    "metadata": "A map of whatever else there is to keep.",
    "model": "The model that made the vector.",
    "name": "The name.",
    "of": "The kind of what has that external key.",
    "occurred_at": "When it happened; absent: now.",
    "open": "Whether names that nobody declared are taken.",
    "owner": "The principal whose it is; absent: yours.",
    "part_of": "The goal or task that it serves.",
    "prefix": "How ids of this kind begin; absent: made from the name.",
    "priority": "The higher, the sooner.",
    "progress": "From 0 to 1.",
    "properties": "A map of declared properties beside the named ones.",
    "reason": "Why; kept with the change.",
    "reply_to": "The event that it answers: its id, or its external key in this stream.",
    "result": "What came of it.",
    "role": "The part its author played: user, assistant, tool and so on.",
    "set": "A map of the properties to change; null takes one away, and what is not named stays.",
    "source": "The item where the relation starts.",
    "status": "How far it is.",
    "stream": "The stream, by id or name; a name that is not yet used opens a stream.",
    "tags": "Words to find it by.",
    "target": "The item where the relation leads.",
    "text": "What is to be remembered.",
    "title": "What is to be reached or done, in one line.",
    "type": "What its values are: boolean, integer, float, string, date, datetime, a list (string[]), map or any.",
    "valid_from": "From when it is true; absent: from now.",
    "valid_to": "Until when it is true; absent: without an end.",
    "vector": "Its numbers.",
    "weight": "How strong it is, from 0 to 1.",
}
"""What each field of a command is for, in the words of whoever fills it in."""

OTHER_WORDS: Mapping[str, str] = {
    "AddItem.kind": "The kind, one that was declared.",
    "DeclareKind.name": "The kind's name: a capital letter first.",
    "DeclareKind.properties": "What items of this kind may say.",
    "DeclareKind.text": "The property that is searched; absent: none is.",
    "DeclareProperty.kind": "The kind, or relation kind, that gets it.",
    "DeclareRelationKind.name": "The relation kind's name, in capital letters.",
    "DeclareRelationKind.properties": "What relations of this kind may say.",
    "EventInput.external_key": "Its name in another system; the same content under the same key is recorded once.",
    "DeriveInsight.text": "What was concluded.",
    "Link.external_key": "In place of `target`: the external key of an item that the new one's owner has.",
    "Link.kind": "The relation kind.",
    "Link.target": "The id of the item where the relation leads; in a row of an atomic `writeMany`, `@n` is row n.",
    "NewItem.labels": "Labels to begin with.",
    "OpenStream.name": "What you will call it; your streams have different names.",
    "RecordEvents.domain": "Whose business a stream is that is opened now; a known one keeps its own.",
    "Relate.kind": "The relation kind.",
    "Relate.properties": "A map of what the relation says beside its weight.",
    "Link.properties": "A map of what the relation says beside its weight.",
    "ReviseItem.valid_from": "From when it is true; absent: as it was.",
    "ReviseItem.valid_to": "Until when it is true; absent: as it was.",
    "ReviseRelation.valid_from": "From when it is true; absent: as it was.",
    "ReviseRelation.valid_to": "Until when it is true; absent: as it was.",
}
"""Where a command means something of its own by a field."""

_SHAPES: Mapping[type[BaseModel], str] = {
    Embedding: "A vector, and the model that made it.",
    EventInput: "One thing that was said or done.",
    Link: "A relation from a new item to another. One of `target`, `externalKey` and `entity` says which.",
    PropertyInput: "A property of a kind or relation kind.",
}
"""What each shape within a command is."""

KEY = "A key of yours: asking again under the same key is the same as asking once, whatever became of the connection."


LINKED = (
    "In place of `target`: an entity by its name. It is met where one is called exactly so, one of the new item's "
    "owner and domain before one of the organization's; else it is named, in the same record."
)


@strawberry.input(description="An entity that a new item relates to; what else is given is said of it.")
class LinkedEntityInput:
    name: str = strawberry.field(description="What it is called.")
    category: str | None = strawberry.field(default=None, description="What sort of thing it is.")
    aliases: list[str] | None = strawberry.field(default=None, description="What else it is called.")


@cache
def input_of(shape: type[BaseModel]) -> type:
    """The input type of a command, or of something within one."""
    annotations: dict[str, Any] = {}
    members: dict[str, Any] = {"__annotations__": annotations}
    for name, info in shape.model_fields.items():
        annotations[name], default = _field(name, info)
        members[name] = strawberry.field(description=_words(shape, name), **default)
    if shape is Link:
        annotations["entity"] = LinkedEntityInput | None
        members["entity"] = strawberry.field(description=LINKED, default=None)
    if issubclass(shape, Command):
        annotations["idempotency_key"] = str | None
        members["idempotency_key"] = strawberry.field(description=KEY, default=None)
    made = type(shape.__name__.removesuffix("Input") + "Input", (), members)
    return strawberry.input(made, description=_SHAPES.get(shape, "What to do, and with what."))


def _field(name: str, info: FieldInfo) -> tuple[Any, dict[str, Any]]:
    """A field's type, and its default where it may be absent."""
    of = Status if name == "status" else _type(name, info.annotation)
    if info.is_required():
        return of, {}
    match info.get_default(call_default_factory=True):
        case None | {}:
            return of | None, {"default": None}
        case ():
            return of, {"default_factory": list}
        case default:
            return of, {"default": of(default)}


def _type(name: str, annotation: Any) -> Any:
    core = _core(annotation)
    if core is datetime:
        return Moment
    if core is str:
        return strawberry.ID if name in IDS else str
    if get_origin(core) is tuple:
        return list[_type(name, get_args(core)[0])]  # type: ignore[misc]
    if get_origin(core) is Literal:
        return Domain
    if get_origin(core) is Mapping:
        return JSON
    return input_of(core) if issubclass(core, BaseModel) else core


def _core(annotation: Any) -> Any:
    """The type without None, validators and other ways to write the same."""
    if get_origin(annotation) is Annotated:
        return _core(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return _core(next(each for each in get_args(annotation) if each is not NoneType))
    return annotation


def _words(shape: type[BaseModel], name: str) -> str:
    """Its own words for a field, those of a shape that it is made from, or everybody's."""
    own = (OTHER_WORDS.get(f"{above.__name__}.{name}") for above in shape.__mro__)
    return next(filter(None, own), None) or WORDS[name]


def plain(given: Any, shape: type[BaseModel]) -> dict[str, Any]:
    """An input as the plain data that the engine reads; what is null is absent."""
    values = ((name, getattr(given, name), info.annotation) for name, info in shape.model_fields.items())
    return {name: _plain(value, _core(annotation)) for name, value, annotation in values if value is not None}


def _plain(value: Any, core: Any) -> Any:
    if isinstance(value, list) and get_origin(core) is tuple:
        return [_plain(each, _core(get_args(core)[0])) for each in value]
    if core is datetime:
        return instant(value)
    if isinstance(core, type) and issubclass(core, BaseModel):
        return plain(value, core)
    return value.value if isinstance(value, Enum) else value
