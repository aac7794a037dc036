"""The mutation `writeMany`: many writes at once, each told by itself, or all of them in one record."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeAlias, Union

import strawberry
from strawberry import UNSET, Info, Private

from engine.commands import (
    AddItem,
    AddTask,
    Command,
    DeriveInsight,
    NameEntity,
    OpenStream,
    RecordEvents,
    Relate,
    Remember,
    RetireItem,
    RetireRelation,
    ReviseItem,
    ReviseRelation,
    SetGoal,
    SupersedeItem,
)
from engine.records import Receipt as Written
from engine.tenant import Tenant
from memql.errors import Refusal, invalid
from server.api.context import Context, When
from server.api.filtering import over_request
from server.api.inputs import input_of
from server.api.receipts import Receipt
from server.api.refusals import ERRORS, refused
from server.api.selection import Path, inside, wanted
from server.api.types import Moment, Node, Position, gathered, said
from server.api.writing import Row, write_each, write_together

Told: TypeAlias = Info[Context, Any]

BATCHED: Sequence[type[Command]] = (
    OpenStream, RecordEvents, Remember, DeriveInsight, SetGoal, AddTask, NameEntity, AddItem, ReviseItem,
    SupersedeItem, RetireItem, Relate, ReviseRelation, RetireRelation,
)  # fmt: skip
"""What may be a row of many. What can't be undone, and what changes the words of others, is asked for by itself."""


def _write_input() -> type:
    members: dict[str, Any] = {"__annotations__": {}}
    for command in BATCHED:
        name = _name(command)
        members["__annotations__"][name] = input_of(command) | None
        members[name] = strawberry.field(description=f"As `{name}` takes it.", default=UNSET, name=name)
    return strawberry.input(type("WriteInput", (), members), description="One write of many.", one_of=True)


def _name(command: type[Command]) -> str:
    """As its mutation is called."""
    return command.__name__[0].lower() + command.__name__[1:]


@strawberry.type(description="What one of many writes came to.")
class WritePayload(Receipt):
    beside: Private[Mapping[Path, Any]]
    nodes: list[Node] = strawberry.field(
        resolver=gathered, description="What was written, as it was right after all of them."
    )


RESULT: Any = Annotated[
    Union[(WritePayload, *ERRORS.values())],
    strawberry.union("WriteResult", description="What was written, or why it was not."),
]


@strawberry.type(description="What many writes came to, row by row.")
class WriteManyPayload:
    position: Position = said("The last position: give it as `atLeast` to read all that was written. 0: nothing was.")
    written: int = said("How many rows were written.")
    refused: int = said("How many were not.")
    results: list[RESULT] = said("What each row came to, in the order of the input.")


ROWS = "The writes, in the order in which they are decided; `requests.writes` bounds how many."
ATOMIC = (
    "True: all of it is one record and happens, or nothing does; an id `@n` then is what row n, from 0 on, makes, and "
    "a row records one event. False: each row by itself, under its own `idempotencyKey`, and committed together."
)
WHOLE_KEY = "Of an atomic write: a key of yours for all of it, instead of one for each row."


_WRITE_INPUT: Any = _write_input()


async def _write_many(
    info: Told,
    inputs: Annotated[list[_WRITE_INPUT], strawberry.argument(description=ROWS)],
    atomic: Annotated[bool, strawberry.argument(description=ATOMIC)] = False,
    idempotency_key: Annotated[str | None, strawberry.argument(description=WHOLE_KEY)] = None,
) -> Any:
    """Row by row, or all together."""
    context = info.context
    rows = [_row(each, n) for n, each in enumerate(inputs)]
    if len(rows) > (most := context.limits.writes):
        return refused(over_request("writes", most, len(rows), "inputs"))
    if refusal := _keys(rows, atomic, idempotency_key):
        return refused(refusal)

    def work(tenant: Tenant) -> Sequence[Written | Refusal] | Refusal:
        if atomic and rows:
            return write_together(tenant, rows, context.by, idempotency_key)
        return write_each(tenant, rows, context.by)

    answers = await context.ask(work, create=True)
    if isinstance(answers, Refusal):
        return refused(answers)
    return await _told_many(info, answers)


def _row(given: Any, n: int) -> Row:
    """The one of its fields that was given."""
    for command in BATCHED:
        if (value := getattr(given, _name(command))) is not UNSET and value is not None:
            return Row(command, value, f"inputs[{n}].{_name(command)}")
    raise AssertionError("one of the fields is given")


def _keys(rows: Sequence[Row], atomic: bool, key: str | None) -> Refusal | None:
    """Keys belong to what happens whole: to rows, or to all of them."""
    if not atomic and key is not None:
        return invalid("INVALID_VALUE", "these are writes of their own", "idempotencyKey", "give a key in each row")
    for row in rows if atomic else ():
        if row.given.idempotency_key is not None:
            hint = "give one for all of it, beside `atomic`"
            return invalid("INVALID_VALUE", "a row of one record has no key", f"{row.place}.idempotencyKey", hint)
    return None


async def _told_many(info: Told, answers: Sequence[Written | Refusal]) -> WriteManyPayload:
    receipts = [each for each in answers if not isinstance(each, Refusal)]
    position = max((receipt.position for receipt in receipts), default=0)
    besides: dict[str, dict[Path, Any]] = {id_: {} for receipt in receipts for id_ in receipt.ids}
    wants = [
        want for want in inside(wanted(info._raw_info), "results")
        if want.name == "nodes" and WritePayload.__name__ in want.on
    ]  # fmt: skip
    if wants and receipts:
        ids = list(besides)
        found = await info.context.read(
            lambda answer: [answer.nodes(ids, want.inner) for want in wants], When(position=position, valid_at=None)
        )
        for want, nodes in zip(wants, found, strict=True):
            for id_, node in zip(ids, nodes, strict=True):
                besides[id_][want.path] = node
    results = [
        refused(each) if isinstance(each, Refusal) else WritePayload(
            position=Position(each.position), recorded_at=Moment(each.at), repeated=each.repeated,
            ids=[strawberry.ID(id_) for id_ in each.ids],
            beside={
                want.path: [node for id_ in each.ids if (node := besides[id_][want.path]) is not None] for want in wants
            },
        )
        for each in answers
    ]  # fmt: skip
    return WriteManyPayload(
        position=Position(position), written=len(receipts), refused=len(answers) - len(receipts), results=results
    )


WRITE_MANY = strawberry.field(
    resolver=_write_many,
    name="writeMany",
    description="Many writes at once: each by itself and told so row by row, or all of them in one record.",
    graphql_type=Annotated[
        Union[(WriteManyPayload, *ERRORS.values())],
        strawberry.union("WriteManyResult", description="What the rows came to, or why none of them was written."),
    ],
)
