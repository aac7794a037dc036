"""The field `memql`: a query in the language, its rows, and what is wrong with it where something is."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias, Union

import strawberry
from strawberry import Info
from strawberry.scalars import JSON

from engine.execute import Column, Rows, json_rows, nodes_in, only_reads, run_for
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant
from memql.errors import Problem, Reason, Refusal, invalid, rendered
from server.api.answers import Answer
from server.api.arguments import As, AtLeast, Consolidated, Valid, when
from server.api.context import Context
from server.api.cost import Cost
from server.api.plans import MemqlPlanNode, plan_nodes
from server.api.refusals import ERRORS, refused
from server.api.selection import Want, inside, wanted
from server.api.types import Moment, Node, Position, said

Told: TypeAlias = Info[Context, Any]


@strawberry.type(description="A column of a MemQL answer.")
class MemqlColumn:
    name: str = said("Its name: an alias, or the expression as it was written.")
    type: str = said("What its values are: node, relation, string, integer[], any and so on.")
    nullable: bool = said("Whether some of them may be null, as far as the query tells.")
    spelled: str = said(
        "The type at length: `string?` may be null, `Memory|Insight` are kinds, `{text: string}` a map."
    )


@strawberry.type(description="The receipt of a statement that wrote something, durable whatever happens.")
class MemqlReceipt:
    position: Position = said("Where it stands in the journal: the position of the answer.")
    recorded_at: Moment = said("When it was recorded.")
    repeated: bool = said("Whether the same was asked before under the same key; nothing was written this time.")
    ids: list[strawberry.ID] = said("The ids of what was made, met and changed, verb by verb and row by row.")


@strawberry.type(description="One thing that a statement would change.")
class MemqlChange:
    does: str = said("What becomes of it: remembered, linked, corrected, superseded or forgotten.")
    kind: str = said("The kind of the item or relation.")
    id: strawberry.ID | None = said("Its id; null where it would be made.")
    says: str = said("The change, for people.")


@strawberry.type(description="What a MemQL query found.")
class MemqlResult:
    columns: list[MemqlColumn] = said("The columns, in the order of RETURN.")
    rows: list[list[JSON | None]] = said(
        "The rows. A node is a map of its id, its kind and what it says, a relation also of its ends; times are ISO "
        "8601 text."
    )
    truncated: bool = said("Whether there are more rows than `first` asked for.")
    nodes: list[Node] = strawberry.field(
        description="The items in the rows, each once, in the order in which they come.",
        directives=[Cost(weight=2, assumed=50)],
    )
    position: Position = said("The position that was read.")
    notices: list[str] = said("What did not go as one might expect, and warnings of the compiler.")
    plan: str | None = said("What was done or would be done, for EXPLAIN and PROFILE; else null.")
    plan_nodes: list[MemqlPlanNode] = said(
        "The same for programs: each step with where it looks, as of when, and for PROFILE its rows and milliseconds. "
        "Empty for EXPLAIN AST and BOUND, which show no plan."
    )
    receipt: MemqlReceipt | None = said("Of a statement that wrote something; else null.")
    changes: list[MemqlChange] = said("The first things that would change, for EXPLAIN of a statement that writes.")


@strawberry.type(description="One thing that is wrong with a query.")
class MemqlProblem:
    code: str = said("What is wrong, for programs: Q and a number; it stays the same.")
    message: str = said("What is wrong, for people.")
    line: int | None = said("The line of the query, from 1 on; null where it is of no place, as of a parameter.")
    column: int | None = said("The column, from 1 on.")
    length: int | None = said("How many characters are meant.")
    hint: str | None = said("What to do about it.")
    rendered: str = said("All of it as text, with the line and a caret beneath the place.")


@strawberry.type(description="Why a query can't be answered: it is to be mended.")
class MemqlError:
    problems: list[MemqlProblem] = said("Every problem that was found, in the order of the text.")


OUTCOME: Any = Annotated[
    Union[(MemqlResult, MemqlError, *ERRORS.values())],
    strawberry.union("MemqlOutcome", description="What a query found, or what is wrong."),
]

Text = Annotated[str, strawberry.argument(name="query", description="The query, in MemQL.")]
Params = Annotated[
    JSON | None, strawberry.argument(description="A map of its parameters by name, without the dollar sign.")
]


FirstRows = Annotated[
    int | None,
    strawberry.argument(
        description="How many rows at most; absent: all of them. `truncated` tells whether there are more; to go on, "
        "page in the query itself. `limits.query_rows` bounds what a query may find at all."
    ),
]


async def ask(
    info: Told, text: Text, params: Params = None, first: FirstRows = None, as_of: As = None, valid_at: Valid = None,
    at_least: AtLeast = None, consolidated: Consolidated = False,
) -> Any:  # fmt: skip
    """The rows of a query, or what is wrong with it; on a thread, as whoever asks. A time that the query names itself
    goes before `as_of` and `valid_at`."""
    context, wants = info.context, wanted(info._raw_info)
    given: Any = {} if params is None else params
    if not isinstance(given, dict):
        return refused(invalid("INVALID_TYPE", "a map of parameters is expected", "params", 'such as {"name": "Ada"}'))

    if first is not None and first < 0:
        return refused(invalid("INVALID_VALUE", f"there can't be {first} rows", "first", "0 or more"))
    at = when(as_of, valid_at, at_least, consolidated)

    def work(tenant: Tenant) -> MemqlResult | Refusal:
        def gather(reader: Reader, rows: Rows) -> MemqlResult | Refusal:
            return result(context.answer(reader), rows, wants, first)

        return run_for(
            tenant, text, given, context.by, gather,
            as_of=tenant.position_at(at.time) if at.time is not None else at.position, valid_at=valid_at,
            at_least=at.at_least, consolidated=consolidated,
        )  # fmt: skip

    found = await context.ask(work)
    if isinstance(found, Refusal) and found.reason is Reason.NOT_FOUND:
        found = only_reads(text) or found  # A tenant that is not there yet may be written to.
    return outcome(found, text)


def outcome(found: object, text: str) -> Any:
    """The answer; what is wrong with the text, at its place; or why it was not carried out."""
    if not isinstance(found, Refusal):
        return found
    in_query = any(problem.code.startswith("Q") for problem in found.problems)
    return MemqlError(problems=[_problem(each, text) for each in found.problems]) if in_query else refused(found)


def result(answer: Answer, rows: Rows, wants: Sequence[Want], first: int | None = None) -> MemqlResult | Refusal:
    shown = rows.rows if first is None else rows.rows[:first]
    states = nodes_in(shown) if any(want.name == "nodes" for want in wants) else []
    nodes: list[Node] = [*answer.items(states, inside(wants, "nodes"))]
    if answer.refusal:
        return answer.refusal
    return MemqlResult(
        columns=columns_of(rows.columns),
        rows=json_rows(answer.reader, shown),
        truncated=len(shown) < len(rows.rows),
        nodes=nodes,
        position=Position(rows.position),
        notices=list(rows.notices),
        plan=rows.plan_text or None,
        plan_nodes=plan_nodes(rows.plan),
        receipt=_receipt(rows.receipt) if rows.receipt else None,
        changes=[
            MemqlChange(does=each.does, kind=each.kind, id=strawberry.ID(each.id) if each.id else None, says=each.says)
            for each in rows.changes
        ],
    )


def columns_of(columns: Sequence[Column]) -> list[MemqlColumn]:
    return [
        MemqlColumn(name=each.name, type=each.type, nullable=each.nullable, spelled=each.spelled) for each in columns
    ]


def _receipt(written: Receipt) -> MemqlReceipt:
    return MemqlReceipt(
        position=Position(written.position),
        recorded_at=Moment(written.at),
        repeated=written.repeated,
        ids=[strawberry.ID(id_) for id_ in written.ids],
    )


def _problem(problem: Problem, text: str) -> MemqlProblem:
    span = problem.span
    return MemqlProblem(
        code=problem.code,
        message=problem.message,
        line=span.line if span else None,
        column=span.column if span else None,
        length=span.length if span else None,
        hint=problem.hint or None,
        rendered=rendered(problem, text),
    )
