"""The mutation `curate`: a statement in MemQL that writes. It answers as the field `memql` does, with its receipt."""

from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from engine.execute import Rows, run_for
from engine.reader import Reader
from engine.tenant import Tenant
from memql.errors import Refusal, invalid
from server.api.cost import Cost
from server.api.language import OUTCOME, MemqlResult, Told, outcome, result
from server.api.refusals import refused
from server.api.selection import wanted
from server.api.types import Position, said


def _maybe(description: str) -> Any:
    """A field that may be left out."""
    return strawberry.field(description=description, default=None)


@strawberry.input(description="A statement that writes, and what it is given.")
class CurateInput:
    statement: str = said(
        "The statement, in MemQL: clauses that read, then REMEMBER, CORRECT, SUPERSEDE, LINK, FORGET."
    )
    params: JSON | None = _maybe("A map of its parameters by name, without the dollar sign.")
    idempotency_key: str | None = _maybe("Asking again under the same key is asking once, with the same answer.")
    at_least: Position | None = _maybe("Reads no earlier position: read your writes.")
    consolidated: bool = strawberry.field(
        description="Waits until memories are made of what was said before.", default=False
    )


async def curate(
    info: Told, input_: Annotated[CurateInput, strawberry.argument(name="input", description="What to write.")]
) -> Any:
    """One statement is one record: all of it happens, or nothing."""
    context, wants, text = info.context, wanted(info._raw_info), input_.statement
    given: Any = {} if input_.params is None else input_.params
    if not isinstance(given, dict):
        return refused(invalid("INVALID_TYPE", "a map of parameters is expected", "params", 'such as {"name": "Ada"}'))

    def work(tenant: Tenant) -> MemqlResult | Refusal:
        def gather(reader: Reader, rows: Rows) -> MemqlResult | Refusal:
            return result(context.answer(reader), rows, wants)

        return run_for(
            tenant, text, given, context.by, gather,
            at_least=input_.at_least or 0, consolidated=input_.consolidated, writes=True, key=input_.idempotency_key,
        )  # fmt: skip

    return outcome(await context.ask(work, create=True), text)


CURATE = strawberry.field(
    resolver=curate,
    name="curate",
    description="Runs a statement in MemQL that writes. All of it is one record, and happens whole or not at all.",
    graphql_type=OUTCOME,
    directives=[Cost(weight=100)],
)
