"""The fields `memqlDescribe` and `memqlExplain`: what a query asks for and gives, and how it would be answered; neither
runs it."""

from enum import Enum
from typing import Annotated, Any, TypeAlias, Union

import strawberry
from strawberry import Info

from engine.execute import Planned, columns_of, planned_for
from engine.tenant import Tenant
from memql.describe import Description, described, spelled
from memql.errors import Refusal
from server.api.context import Context
from server.api.language import MemqlColumn, MemqlError, outcome
from server.api.plans import MemqlPlanNode, plan_nodes
from server.api.refusals import ERRORS
from server.api.types import member, said

Told: TypeAlias = Info[Context, Any]


@strawberry.enum(description="How many rows a query gives, whatever there is.")
class MemqlRows(Enum):
    ONE = member("one", "Always one.")
    AT_MOST_ONE = member("at most one", "One, or none.")
    MANY = member("many", "Any number.")


@strawberry.enum(description="What a query does.")
class MemqlDoes(Enum):
    READ = member("read", "It reads: ask by `memql`.")
    WRITE = member("write", "It writes: ask by `curate`.")
    LIVE = member("live", "It reads, and is told anew when something changes.")


@strawberry.type(description="A parameter of a query.")
class MemqlParameter:
    name: str = said("Its name, without the dollar sign.")
    type: str = said("The type of its value, at length.")
    optional: bool = said("Whether it may be left out.")
    inferred: bool = said("Whether its type is not written, but follows from what it is used for.")


@strawberry.type(description="What a query asks for and gives.")
class MemqlDescription:
    parameters: list[MemqlParameter] = said("What it must be given.")
    columns: list[MemqlColumn] = said("What its rows hold.")
    rows: MemqlRows = said("How many rows it gives.")
    does: MemqlDoes = said("Whether it reads or writes.")
    kinds: list[str] | None = said("The kinds of items that it looks at; null: any.")
    labels: list[str] = said("The labels that it asks for.")
    relations: list[str] | None = said("The kinds of relations that it passes; null: any.")
    properties: list[str] = said("The properties that it looks at, as `Memory.text`, `Memory.*` or `*.text`.")
    estimated_rows: float | None = said("How many rows it may give by what you see of the tenant; null: nobody knows.")
    warnings: list[str] = said("What may not be as it was meant.")


@strawberry.type(description="How a query would be answered now.")
class MemqlPlan:
    text: str = said("The plan, for people.")
    nodes: list[MemqlPlanNode] = said("The same for programs: its steps, top down.")
    estimated_rows: float | None = said("How many rows it may give by what you see of the tenant; null: nobody knows.")


DESCRIBED: Any = Annotated[
    Union[(MemqlDescription, MemqlError, *ERRORS.values())],
    strawberry.union("MemqlDescribed", description="What a query asks for and gives, or what is wrong with it."),
]
EXPLAINED: Any = Annotated[
    Union[(MemqlPlan, MemqlError, *ERRORS.values())],
    strawberry.union("MemqlExplained", description="How a query would be answered, or what is wrong with it."),
]
Text = Annotated[str, strawberry.argument(name="query", description="The query, in MemQL.")]


async def describe(info: Told, text: Text) -> Any:
    by = info.context.by

    def work(tenant: Tenant) -> MemqlDescription | Refusal:
        planned = planned_for(tenant, text, by)
        return planned if isinstance(planned, Refusal) else _described(tenant, planned)

    return outcome(await info.context.ask(work), text)


async def explain(info: Told, text: Text) -> Any:
    by = info.context.by

    def work(tenant: Tenant) -> MemqlPlan | Refusal:
        planned = planned_for(tenant, text, by)
        if isinstance(planned, Refusal):
            return planned
        return MemqlPlan(text=planned.text, nodes=plan_nodes(planned.tree), estimated_rows=planned.rows)

    return outcome(await info.context.ask(work), text)


def _described(tenant: Tenant, planned: Planned) -> MemqlDescription:
    told: Description = described(planned.compiled, tenant.catalog)
    reads = told.reads
    return MemqlDescription(
        parameters=[
            MemqlParameter(name=each.name, type=spelled(each.type), optional=each.optional, inferred=each.inferred)
            for each in told.parameters
        ],
        columns=[
            MemqlColumn(name=each.name, type=each.type, nullable=each.nullable, spelled=each.spelled)
            for each in columns_of(planned.compiled, tenant.catalog)
        ],
        rows=MemqlRows(told.rows),
        does=MemqlDoes(told.does),
        kinds=None if reads.kinds is None else list(reads.kinds),
        labels=list(reads.labels),
        relations=None if reads.relations is None else list(reads.relations),
        properties=list(reads.properties),
        estimated_rows=planned.rows,
        warnings=[str(each) for each in told.warnings],
    )
