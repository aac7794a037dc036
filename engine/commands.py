"""What may be asked of a tenant, in the imperative. Shapes only: what a command leads to is decided in `decide`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from memql.catalog import PROPERTY_NAME, STATE
from memql.errors import Problem, Reason, Refusal, nearest
from memql.values import Misfit, instant, read_instant


def _read_time(given: object) -> object:
    """Takes ISO 8601 text as well as a datetime."""
    if not isinstance(given, str):
        return given
    read = read_instant(given)
    if isinstance(read, Misfit):
        raise ValueError(read.message)
    return instant(read)


Time = Annotated[datetime, BeforeValidator(_read_time)]
Domain = Literal["agent", "user", "organization"]
Values = Mapping[str, Any]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, ser_json_bytes="base64")


class Embedding(_Shape):
    """A vector and the model that made it; recorded with the text it stands for, so that replay calls no model."""

    model: str
    vector: tuple[float, ...] | bytes
    """Little-endian float32 bytes, or numbers."""


class Link(_Shape):
    """A relation from a new item to one that exists: `target` is its id, or `external_key` the key under which the
    new item's owner has an item of the kind `of`. So a command can name what the one before it in a group makes."""

    kind: str
    target: str | None = None
    external_key: str | None = None
    of: str = "Memory"
    weight: float = 1.0
    valid_from: Time | None = None
    valid_to: Time | None = None
    properties: Values = Field(default_factory=dict)


class Command(_Shape):
    """One thing asked of a tenant. One command is one record: all of it happens, or nothing."""


# Streams and events


class OpenStream(Command):
    name: str
    owner: str | None = None
    domain: Domain = "user"
    metadata: Values | None = None


class EventInput(_Shape):
    content: str
    role: str | None = None
    author: str | None = None
    occurred_at: Time | None = None
    external_key: str | None = None
    importance: float | None = None
    metadata: Values | None = None
    reply_to: str | None = None


class RecordEvents(Command):
    """Appends events to a stream, named or by id; a name not yet used opens a stream in that domain."""

    stream: str
    events: tuple[EventInput, ...]
    domain: Domain = "user"


# Items


class NewItem(Command):
    """What every new item may carry beside its own properties."""

    kind_name: ClassVar[str]

    owner: str | None = None
    domain: Domain = "user"
    labels: tuple[str, ...] = ()
    valid_from: Time | None = None
    valid_to: Time | None = None
    external_key: str | None = None
    metadata: Values | None = None
    properties: Values = Field(default_factory=dict)
    """Declared properties beside the named ones."""
    links: tuple[Link, ...] = ()
    reason: str | None = None
    embedding: Embedding | None = None


class Remember(NewItem):
    kind_name = "Memory"
    text: str
    author: str | None = None
    category: str | None = None
    tags: tuple[str, ...] | None = None
    importance: float | None = None
    confidence: float | None = None


class DeriveInsight(NewItem):
    kind_name = "Insight"
    text: str
    category: str | None = None
    tags: tuple[str, ...] | None = None
    confidence: float | None = None


class SetGoal(NewItem):
    kind_name = "Goal"
    title: str
    description: str | None = None
    status: str = "open"
    priority: int | None = None
    progress: float | None = None
    due_at: Time | None = None


class AddTask(NewItem):
    """`depends_on` names tasks or goals that come first; `part_of` the goal it serves."""

    kind_name = "Task"
    title: str
    description: str | None = None
    status: str = "open"
    priority: int | None = None
    progress: float | None = None
    due_at: Time | None = None
    result: str | None = None
    part_of: str | None = None
    depends_on: tuple[str, ...] = ()


class NameEntity(NewItem):
    kind_name = "Entity"
    name: str
    category: str | None = None
    aliases: tuple[str, ...] | None = None


class AddItem(NewItem):
    """An item of a kind of the user's own."""

    kind: str


class ReviseItem(Command):
    """A new version of the same identity. A property set to null is taken away; what is not named stays."""

    id: str
    set: Values = Field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None
    if_version: int | None = None
    reason: str | None = None
    embedding: Embedding | None = None


class SupersedeItem(Command):
    """Retires one identity in favour of another, and links them."""

    id: str
    by: str
    if_version: int | None = None
    reason: str | None = None


class RetireItem(Command):
    id: str
    if_version: int | None = None
    reason: str | None = None


class EraseItem(Command):
    """Removes the content of every version of an item from the journal and from every store, for good."""

    id: str
    reason: str | None = None


# Relations


class Relate(Command):
    source: str
    kind: str
    target: str
    weight: float = 1.0
    valid_from: Time | None = None
    valid_to: Time | None = None
    properties: Values = Field(default_factory=dict)
    reason: str | None = None


class ReviseRelation(Command):
    id: str
    weight: float | None = None
    valid_from: Time | None = None
    valid_to: Time | None = None
    set: Values = Field(default_factory=dict)
    if_version: int | None = None
    reason: str | None = None


class RetireRelation(Command):
    id: str
    if_version: int | None = None
    reason: str | None = None


# Statements


class MeetEntity(Command):
    """The entity of that name: `found`, as it was read; else one of its owner and domain that was named since; else,
    where it is `shared`, one of the organization's; else a new one. What else is given is said of it."""

    entity: NameEntity
    found: str | None = None
    shared: bool = True


class Curate(Command):
    """What a statement of MemQL writes: steps in their order, each of which sees what those before it did; only an item
    is ended last. All of them happen, or nothing. An id `@n` stands for what the step of that number, from 0
    on, made or met.

    The same statement with the same `parameters`, as text, is the same request, whatever it reads. It was decided on
    what was read at the position `read_at`, when `last_dense` was the last version: if one of those in `read` has
    changed since, it is refused."""

    statement: str
    parameters: str = ""
    read_at: int = Field(exclude=True)
    last_dense: int = Field(exclude=True)
    read: tuple[str, ...] = Field(exclude=True)
    steps: tuple[Command, ...] = Field(exclude=True)


# The catalog


class PropertyInput(_Shape):
    name: str
    type: str
    description: str = ""


class DeclareKind(Command):
    """`text` names the property that is searched; `prefix` begins the ids and is made from the name if absent."""

    name: str
    prefix: str | None = None
    text: str = ""
    properties: tuple[PropertyInput, ...] = ()
    description: str = ""


class DeclareRelationKind(Command):
    name: str
    properties: tuple[PropertyInput, ...] = ()
    acyclic: bool = False
    description: str = ""


class DeclareProperty(Command):
    """A property of a kind or of a relation kind, from now on."""

    kind: str
    name: str
    type: str
    description: str = ""


class DeclareLabel(Command):
    label: str


class SetCatalog(Command):
    """An open catalog takes names that nobody declared; a closed one refuses them."""

    open: bool


# State


class StateInput(_Shape):
    id: str
    set: Values = Field(default_factory=dict)
    add: Values = Field(default_factory=dict)


class FoldState(Command):
    """Derived figures of many items at once, set or added to; not versioned."""

    items: tuple[StateInput, ...]


COMMANDS: Mapping[str, type[Command]] = {
    command.__name__: command
    for command in (
        OpenStream, RecordEvents, Remember, DeriveInsight, SetGoal, AddTask, NameEntity, AddItem, ReviseItem,
        SupersedeItem, RetireItem, EraseItem, Relate, ReviseRelation, RetireRelation, DeclareKind,
        DeclareRelationKind, DeclareProperty, DeclareLabel, SetCatalog, FoldState,
    )
}  # fmt: skip

STATE_NAMES = frozenset(STATE)
assert all(PROPERTY_NAME.match(name) for name in STATE_NAMES)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts. Sees what is the organization's and what an owner in `owners` owns; an administrator sees all. Erases
    what it or such an owner owns, and with `erases` whatever it sees."""

    id: str
    owners: frozenset[str] = frozenset()
    admin: bool = False
    erases: bool = False

    def owns(self, owner: str) -> bool:
        return owner == self.id or owner in self.owners

    def sees(self, owner: str, domain: str) -> bool:
        return self.admin or domain == "organization" or self.owns(owner)

    def may_erase(self, owner: str) -> bool:
        """What is erased is gone for good, so that seeing it is not enough."""
        return self.admin or self.erases or self.owns(owner)


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, who asks, and the key under which asking again is the same as asking once."""

    command: Command
    by: Principal
    key: str | None = None


def parse(name: str, body: object) -> Command | Refusal:
    """The command of that name from plain data, or every place where the data is not of its shape."""
    shape = COMMANDS.get(name)
    if shape is None:
        problem = Problem("UNKNOWN_COMMAND", f"no command `{name}`", "command", nearest(name, COMMANDS))
        return Refusal(Reason.INVALID, (problem,))
    try:
        return shape.model_validate_json(body) if isinstance(body, bytes) else shape.model_validate(_tupled(body))
    except ValidationError as error:
        return Refusal(Reason.INVALID, tuple(_problem(shape, dict(detail)) for detail in error.errors()))


def _tupled(body: object) -> object:
    """Lists where plain data has them; strict shapes hold tuples."""
    if isinstance(body, dict):
        return {key: member if key in ("properties", "metadata", "set", "add") and isinstance(member, dict)
                else _tupled(member) for key, member in body.items()}  # fmt: skip
    return tuple(map(_tupled, body)) if isinstance(body, list) else body


_EXPECTED = {
    "string_type": "text is expected",
    "int_type": "a whole number is expected",
    "float_type": "a number is expected",
    "bool_type": "true or false is expected",
    "tuple_type": "a list is expected",
    "dict_type": "a map is expected",
    "mapping_type": "a map is expected",
    "datetime_type": "an ISO 8601 time is expected",
    "model_type": "a map is expected",
    "json_invalid": "this is no JSON",
}


def _problem(shape: type[Command], detail: dict[str, Any]) -> Problem:
    """The validator's finding in our own words."""
    place = ""
    for step in detail["loc"]:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
    match detail["type"]:
        case "missing":
            return Problem("MISSING", "this must be given", place, f"`{shape.__name__}` needs it")
        case "extra_forbidden":
            field_names = shape.model_fields if len(detail["loc"]) == 1 else ()
            hint = nearest(str(detail["loc"][-1]), field_names)
            return Problem("UNKNOWN_FIELD", "there is no such field", place, hint)
        case "literal_error":
            return Problem("INVALID_VALUE", f"one of {detail['ctx']['expected']} is expected", place)
        case "value_error":
            return Problem("INVALID_VALUE", str(detail["ctx"]["error"]), place)
        case known if known in _EXPECTED:
            return Problem("INVALID_TYPE", _EXPECTED[known], place)
    return Problem("INVALID_TYPE", "this value is not of the expected type", place)
