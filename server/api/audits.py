"""The field `audit`: what was done to a tenant, from the records of its journal."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, TypeAlias

import strawberry
from strawberry import Info, Private

from engine import audit as journal
from server.api import pages
from server.api.answers import Answer
from server.api.arguments import As, AtLeast, paging_of, when
from server.api.context import Context
from server.api.pages import Taken
from server.api.selection import Path, Want, inside, wanted
from server.api.types import After, Before, First, Last, Moment, Node, PageInfo, Position, gathered, member, said

Told: TypeAlias = Info[Context, Any]


@strawberry.enum(description="What was done to one thing.")
class AuditAction(Enum):
    RECORDED = member("recorded", "An item was made.")
    REVISED = member("revised", "An item was given a further version.")
    RETIRED = member("retired", "An item was ended.")
    SUPERSEDED = member("superseded", "An item was ended in favour of another.")
    ERASED = member("erased", "The content of an item was removed for good.")
    RELATED = member("related", "A relation was made.")
    RELATION_REVISED = member("relation_revised", "A relation was given a further version.")
    RELATION_RETIRED = member("relation_retired", "A relation was ended.")
    DECLARED = member("declared", "A name was declared, or the catalog opened or closed.")
    FOLDED = member("folded", "Derived figures were counted on.")
    LOSS_ACCEPTED = member("loss_accepted", "A person went on after records had been lost.")


@strawberry.type(description="One thing that a record did.")
class AuditChange:
    action: AuditAction = said("What was done.")
    id: strawberry.ID | None = said("To which item or relation; null where it was to none.")
    name: str | None = said("What was declared; else null.")
    reason: str | None = said("Why, in the words of whoever asked; null where none were given.")
    beside: Private[Mapping[Path, Any]]
    node: Node | None = strawberry.field(
        resolver=gathered,
        description="The version of the item or relation that was made, or that was ended; null where it was to none, "
        "and of an erasure.",
    )
    before: Node | None = strawberry.field(
        resolver=gathered, description="The version before the one that was made; null where there was none."
    )


@strawberry.type(description="One record of the journal: what one command led to, as far as you may see it.")
class AuditEntry:
    position: Position = said("Where it stands in the journal.")
    recorded_at: Moment = said("When it was recorded.")
    actor: str = said("The principal who asked for it.")
    command: str = said("What was asked: Remember, RecordEvents, Curate for a statement, and so on.")
    reason: str | None = said("Why, in the words of whoever asked; null where none were given.")
    statement: str | None = said("The statement in MemQL, for whoever asked it and for administrators; else null.")
    changes: list[AuditChange] = said("What it did, in the order in which it was done.")


@strawberry.type(description="One row of a page.")
class AuditEdge:
    cursor: str = said("This row's cursor.")
    node: AuditEntry = said("The record.")


@strawberry.type(description="A page of records, the latest first.")
class AuditConnection:
    edges: list[AuditEdge] = said("The rows with their cursors.")
    nodes: list[AuditEntry] = said("The rows without them.")
    page_info: PageInfo = said("Where the page ends.")
    total_count: int = said("How many there are on all pages.")
    position: Position = said("The position that was read; the pages before and behind are read at the same.")


Target = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Only what was done to this item and its relations, or to this relation."),
]
Actor = Annotated[str | None, strawberry.argument(description="Only what this principal asked for.")]
Asked = Annotated[str | None, strawberry.argument(name="command", description="Only what this command led to.")]


async def audit(
    info: Told, target: Target = None, actor: Actor = None, command: Asked = None,
    first: First = None, after: After = None, last: Last = None, before: Before = None,
    as_of: As = None, at_least: AtLeast = None,
) -> Any:  # fmt: skip
    """The records that are asked for, in one read."""
    wants, paging = wanted(info._raw_info), paging_of(first, last, after, before)

    def ask(answer: Answer) -> AuditConnection:
        usual, reader = answer.limits.page, answer.reader
        answer.needs(paging.wrong(usual, reader.limits.read_rows, 0), None)
        if answer.refusal:
            return _page(answer, paging.taken(_NONE, usual), 0, wants)
        found = answer.needs(journal.positions(reader, target, actor, command), _NONE)[::-1]
        return _page(answer, paging.taken(found, usual), len(found), wants)

    # Of what was done it does not matter what is true now.
    return await info.context.read(ask, when(as_of, None, at_least, False, paging.cursor))


_NONE = pages.NONE.rows


def _page(answer: Answer, taken: Taken, total: int, wants: Sequence[Want]) -> AuditConnection:
    entries = journal.entries(answer.reader, taken.rows.tolist())
    rows = [*inside(wants, "edges", "node"), *inside(wants, "nodes")]
    changes = _changes(answer, entries, inside(rows, "changes"))
    shown = [
        AuditEntry(
            position=Position(entry.position), recorded_at=Moment(entry.at), actor=entry.actor, command=entry.command,
            reason=entry.reason or None, statement=entry.statement or None, changes=own,
        )
        for entry, own in zip(entries, changes, strict=True)
    ]  # fmt: skip
    named = pages.cursors_of(answer.reader.position, taken, 0)
    return AuditConnection(
        edges=[AuditEdge(cursor=cursor, node=entry) for cursor, entry in zip(named, shown, strict=True)],
        nodes=shown,
        page_info=pages.page_info(named, taken),
        total_count=total,
        position=Position(answer.reader.position),
    )


def _changes(answer: Answer, entries: Sequence[journal.Entry], wants: Sequence[Want]) -> list[list[AuditChange]]:
    """What each record did; the versions that are wanted are read together."""
    every = [each for entry in entries for each in entry.touched]
    besides: dict[int, dict[Path, Any]] = {id(each): {} for each in every}
    for want in wants:
        of = {id(each): each.version if want.name == "node" else each.before for each in every}
        items = _items(answer, [of[id(each)] for each in every if not each.of_relation], want)
        relations = _relations(answer, [of[id(each)] for each in every if each.of_relation], want)
        for each in every:
            found: Mapping[int, Node] = relations if each.of_relation else items
            besides[id(each)][want.path] = found.get(of[id(each)])
    return [
        [
            AuditChange(
                action=AuditAction(each.action), id=strawberry.ID(each.id) if each.id else None,
                name=each.name or None, reason=each.reason or None, beside=besides[id(each)],
            )
            for each in entry.touched
        ]
        for entry in entries
    ]  # fmt: skip


def _items(answer: Answer, denses: Sequence[int], want: Want) -> dict[int, Node]:
    wanted_ = sorted({dense for dense in denses if dense})
    return dict(zip(wanted_, answer.items(answer.reader.items(wanted_), want.inner), strict=True))


def _relations(answer: Answer, rows: Sequence[int], want: Want) -> dict[int, Node]:
    wanted_ = sorted({row for row in rows if row})
    if not wanted_ or answer.refusal:
        return {}
    shown = answer.relations(answer.reader.relations(wanted_), want.inner)
    return {} if answer.refusal else dict(zip(wanted_, shown, strict=True))
