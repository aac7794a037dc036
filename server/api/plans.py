"""The plan of a query as GraphQL shows it: its nodes in one list, top down, each with its depth and the one above it.

A list and not a tree: GraphQL asks for a tree level by level, and nobody knows before how deep a plan is.
"""

from collections.abc import Iterator

import strawberry

from memql.explain import PlanNode
from server.api.types import said


@strawberry.type(description="One step of how a query is answered.")
class MemqlPlanNode:
    number: int = said("Its number in the list, from 0 on.")
    parent: int | None = said("The number of the node above it, which draws on it; null: it gives the answer.")
    depth: int = said("How deep it stands beneath the first.")
    role: str = said("What it is to the node above: pre-filter, each row and so on; empty: that one's rows.")
    operator: str = said("What kind of step it is: Scan, Expand, Search, Filter, Project and so on.")
    detail: str = said("What it does there, in the words of the language.")
    engine: str = said("Where it looks: index, columns, adjacency, graph, vectors, texts; empty: at its rows alone.")
    filtering: str = said("`pre`: it chooses what is searched; `post`: among what a search has left; else empty.")
    of: list[str] = said("The variables of the searches that it chooses for or among.")
    time: str = said("As of when it reads; `now`: what is known now and true now; empty: it reads nothing.")
    sees: str = said("What of the tenant it sees; empty: it reads nothing.")
    estimated_rows: float | None = said("How many rows were expected, where that was reckoned.")
    reason: str = said("Why it was chosen, where there was a choice.")
    emitted: str = said("What its store is asked, in that store's language; empty: nothing.")
    rows: int | None = said("How many rows it gave, for PROFILE.")
    ms: float | None = said("Milliseconds that it took itself, for PROFILE.")
    total_ms: float | None = said("Milliseconds with all that is beneath it, for PROFILE.")


def plan_nodes(top: PlanNode | None) -> list[MemqlPlanNode]:
    return [*_listed(top, None, 0, 0)] if top else []


def _listed(node: PlanNode, parent: int | None, number: int, depth: int) -> Iterator[MemqlPlanNode]:
    """The node and all beneath it, numbered from `number` on."""
    yield MemqlPlanNode(
        number=number, parent=parent, depth=depth, role=node.role, operator=node.operator, detail=node.detail,
        engine=node.engine, filtering=node.filtering, of=list(node.of), time=node.time, sees=node.sees,
        estimated_rows=node.estimated_rows, reason=node.reason, emitted=node.emitted,
        rows=node.rows, ms=node.ms, total_ms=node.total_ms,
    )  # fmt: skip
    free = number + 1
    for child in node.children:
        beneath = list(_listed(child, number, free, depth + 1))
        yield from beneath
        free += len(beneath)
