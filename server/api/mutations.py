"""What may be done: a mutation for each command of the engine, and the answers that one can have.

A mutation is asked with one `input` and answers with a payload, which is a receipt with what was written, or with one
of the errors. They are made from one table: what is the same about all of them is written once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, Union

import strawberry
from strawberry import Info
from strawberry.tools import create_type

from engine.commands import (
    AddItem,
    AddTask,
    Command,
    DeclareKind,
    DeclareLabel,
    DeclareProperty,
    DeclareRelationKind,
    DeriveInsight,
    EraseItem,
    NameEntity,
    OpenStream,
    RecordEvents,
    Relate,
    Remember,
    RetireItem,
    RetireRelation,
    ReviseItem,
    ReviseRelation,
    SetCatalog,
    SetGoal,
    SupersedeItem,
    parse,
)
from engine.records import Receipt as Written
from memql.errors import Refusal
from server.api.answers import Answer
from server.api.batches import WRITE_MANY
from server.api.context import Context, When
from server.api.inputs import input_of, plain
from server.api.principals import CHANGES
from server.api.receipts import Receipt
from server.api.refusals import ERRORS, Error, refused
from server.api.selection import Want, inside, wanted
from server.api.statements import CURATE
from server.api.types import Entity, Event, Goal, Insight, Item, Memory, Moment, Position, Relation, Stream, Task, said
from server.api.writing import Row, needs_steps, write_together

Told: TypeAlias = Info[Context, Any]


# What a mutation shows of what it wrote

Show: TypeAlias = Callable[[Answer, Sequence[str], Sequence[Want]], Any]


def _items(answer: Answer, ids: Sequence[str], wants: Sequence[Want]) -> list[Item]:
    """The items of these ids, retired ones too. Those that one record made were numbered in a row, so the first leads
    to them all; only what was there before is looked up one by one."""
    find = answer.reader.index.item
    first = next((item for id_ in ids if (item := find(id_))), None)
    states = answer.reader.lasting(range(first.root, first.root + len(ids)) if first else ())
    known = {state.id: state for state in states}
    older = [item.root for id_ in dict.fromkeys(ids) if id_ not in known and (item := find(id_))]
    known |= {state.id: state for state in answer.reader.lasting(older)}
    return answer.items([known[id_] for id_ in ids if id_ in known], wants)


def _item(answer: Answer, ids: Sequence[str], wants: Sequence[Want]) -> Item | None:
    return next(iter(_items(answer, ids[:1], wants)), None)


def _relation(answer: Answer, ids: Sequence[str], wants: Sequence[Want]) -> Relation | None:
    (found,) = answer.nodes(ids[:1], wants) or [None]
    return found if isinstance(found, Relation) else None


@dataclass(frozen=True, slots=True)
class Subject:
    """The field of a payload that shows what was written."""

    field: str
    type: Any
    description: str
    show: Show = _item


def _new(kind: type[Item]) -> Subject:
    name = kind.__name__.lower()
    return Subject(name, kind | None, f"The new {name}.")


_ITEM = Subject("item", Item | None, "The item as it is now.")
_RELATION = Subject("relation", Relation | None, "The relation as it is now.", _relation)

MUTATIONS: Sequence[tuple[type[Command], str, Subject | None]] = (
    (OpenStream, "Opens a stream for one session's events.", _new(Stream)),
    (
        RecordEvents,
        "Records what was said or done, as it came. All of it, or nothing.",
        Subject("events", list[Event], "The events, in the order of the input.", _items),
    ),
    (Remember, "Adds a memory: a stable fact or procedure.", _new(Memory)),
    (DeriveInsight, "Adds an insight: a theme or conclusion over memories.", _new(Insight)),
    (SetGoal, "Adds a goal.", _new(Goal)),
    (AddTask, "Adds a task: a step towards a goal.", _new(Task)),
    (NameEntity, "Adds an entity: a person, place, organisation or thing.", _new(Entity)),
    (AddItem, "Adds an item of a kind of the tenant's own.", Subject("item", Item | None, "The new item.")),
    (ReviseItem, "Adds a version to an item: a correction, or a change in the world. Its id stays.", _ITEM),
    (SupersedeItem, "Retires an item in favour of another, and relates the two.", _ITEM),
    (RetireItem, "Retires an item: reads no longer show it, its history does.", _ITEM),
    (EraseItem, "Removes the content of an item, in all its versions and from every file, for good.", _ITEM),
    (Relate, "Relates two items.", _RELATION),
    (ReviseRelation, "Changes the weight, time or properties of a relation: adds a version to it.", _RELATION),
    (RetireRelation, "Retires a relation.", None),
    (DeclareKind, "Declares a kind of item of the tenant's own.", None),
    (DeclareRelationKind, "Declares a kind of relation of the tenant's own.", None),
    (DeclareProperty, "Declares a property of a kind or relation kind, from now on.", None),
    (DeclareLabel, "Declares a label.", None),
    (SetCatalog, "Opens the tenant's catalog to names that nobody declared, or closes it.", None),
)


def _payload(name: str, subject: Subject | None) -> type[Receipt]:
    members: dict[str, Any] = {"__annotations__": {}}
    if subject:
        members["__annotations__"][subject.field] = subject.type
        members[subject.field] = said(subject.description)
    return strawberry.type(type(f"{name}Payload", (Receipt,), members), description="What was written, and where.")


def _mutation(command: type[Command], description: str, subject: Subject | None) -> Any:
    name = command.__name__
    payload, shape = _payload(name, subject), input_of(command)

    async def resolve(info: Told, input_: Any) -> Receipt | Error:
        receipt = await _written(info.context, command, input_)
        if isinstance(receipt, Refusal):
            return refused(receipt)
        shown = {subject.field: await _shown(info, payload, subject, receipt)} if subject else {}
        return payload(
            position=Position(receipt.position),
            recorded_at=Moment(receipt.at),
            repeated=receipt.repeated,
            ids=[strawberry.ID(id_) for id_ in receipt.ids],
            **shown,
        )

    argument = strawberry.argument(name="input", description="What to do, and with what.")
    resolve.__annotations__["input_"] = Annotated[shape, argument]
    resolve.__name__ = name[0].lower() + name[1:]
    answer = strawberry.union(f"{name}Result", description="What was written, or why nothing was.")
    return strawberry.field(
        resolver=resolve,
        name=resolve.__name__,
        description=description,
        graphql_type=Annotated[Union[(payload, *ERRORS.values())], answer],
    )


async def _written(context: Context, command: type[Command], input_: Any) -> Written | Refusal:
    """One command; with entities that are met or named first where the input relates to some."""
    row = Row(command, input_)
    if needs_steps(row):
        key = input_.idempotency_key
        found = await context.ask(lambda tenant: write_together(tenant, [row], context.by, key), create=True)
        return found if isinstance(found, Refusal) else found[0]
    asked = parse(command.__name__, plain(input_, command))
    return asked if isinstance(asked, Refusal) else await context.write(asked, input_.idempotency_key)


async def _shown(info: Told, payload: type[Receipt], subject: Subject, receipt: Written) -> Any:
    """What was written, as it was right after: read only where the caller asks for it."""
    asked = [want for want in wanted(info._raw_info) if want.name == subject.field and payload.__name__ in want.on]
    if not asked:
        return [] if subject.show is _items else None
    wants = inside(asked, subject.field)
    when = When(position=receipt.position, valid_at=None)
    return await info.context.read(lambda answer: subject.show(answer, receipt.ids, wants), when)


Mutation = create_type(
    "Mutation",
    [
        *(_mutation(command, description, subject) for command, description, subject in MUTATIONS),
        WRITE_MANY,
        CURATE,
        *CHANGES,
    ],
    description="What may be done to a tenant. Each mutation is durable when it answers, and all of it or nothing.",
)
