"""Patterns that the graph engine matches: it gives rows of relations, and what of them is seen is decided here.

It shows the newest version of everything at its own position. Only where that is the reader's is it asked; where it is
not, or does not answer, the plan that needs no graph gives the rows.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from engine import cypher
from engine.columns import Mask, Numbers
from engine.execute.batch import Batch, Column
from engine.execute.running import Running, kind_mask
from engine.graph.file import EngineUnavailable, GraphFailed
from memql.bound import Variable
from memql.estimating import Estimate, Estimates
from memql.plan import FromGraph, Operator

AT_ONCE = 16_384
"""Rows of a batch."""


def emitted(operator: FromGraph, most: int) -> str:
    """The statement that the engine is asked. Nothing in it was written by a user: kinds of relation are our own, kinds
    of nodes travel as parameters."""
    places = {node: place for place, node in enumerate(operator.nodes)}
    hops = []
    for hop in operator.hops:
        source, target = (hop.far, hop.near) if hop.direction == "in" else (hop.near, hop.far)
        hops.append((places[source], [cypher.table_of(kind) for kind in hop.kinds or ()], places[target]))
    return cypher.match(hops, [places[node] for node, _ in operator.kinds], most)


def with_statements(estimates: Estimates, operators: Iterable[Operator], most: int) -> Estimates:
    """The estimates, with what the engine would be asked."""
    asked = {
        id(each): replace(estimates.get(id(each), Estimate()), emitted=emitted(each, most + 1))
        for each in operators
        if isinstance(each, FromGraph)
    }
    return {**estimates, **asked}


def from_graph(running: Running, operator: FromGraph, otherwise: Callable[[], Iterator[Batch]]) -> Iterator[Batch]:
    found = _asked(running, operator)
    if found is None:
        yield from otherwise()
        return
    conditions = [running.meaning(condition) for condition in operator.conditions]
    size = len(found[0])
    for start in range(0, size, AT_ONCE):
        kept = _seen(running, operator, [column[start : start + AT_ONCE] for column in found])
        for condition in conditions:
            kept = kept.kept(condition.mask(kept)) if kept.size else kept
        if kept.size:
            yield kept


def _asked(running: Running, operator: FromGraph) -> list[Numbers] | None:
    """The rows of the relations, a column a hop; None where the engine cannot be asked."""
    reader = running.reader
    graph, most = reader.graph, reader.limits.query_steps
    if not all(kinds for _, kinds in operator.kinds):
        return None
    if reader.scope.history or graph.position != reader.position or reader.adjacency.position != reader.position:
        return None
    parameters = {f"k{place}": sorted(kinds) for place, (_, kinds) in enumerate(operator.kinds)}
    try:
        found = graph.ways(emitted(operator, most + 1), parameters)
    except (GraphFailed, EngineUnavailable):
        running.seen.check()
        return None
    if graph.position != reader.position:
        return None
    running.count(len(found[0]))
    return found


def _seen(running: Running, operator: FromGraph, rows: list[Numbers]) -> Batch:
    """What of these relations the principal sees, none passed twice, and the nodes between them."""
    scope, adjacency = running.reader.scope, running.reader.adjacency
    by_hop = {hop.variable: found for hop, found in zip(operator.hops, rows, strict=True)}
    kept: Mask = np.ones(len(rows[0]), np.bool_)
    for found in rows:
        kept &= adjacency.current(scope, found)
    for one, other in operator.unlike:
        kept &= by_hop[one] != by_hop[other]
    chosen = np.flatnonzero(kept)
    columns: dict[Variable, Column] = {}
    for hop in operator.hops:
        passed = by_hop[hop.variable][chosen]
        columns[hop.variable] = running.relations(passed, None)
        ends = (adjacency.column("source")[passed], adjacency.column("target")[passed])
        near, far = reversed(ends) if hop.direction == "in" else ends
        for node, roots in ((hop.near, near), (hop.far, far)):
            if node not in columns:
                columns[node] = running.nodes(scope.shown(roots), None)
    batch = Batch(len(chosen), columns)
    seen: Mask = np.ones(batch.size, np.bool_)
    for node in operator.nodes:
        numbers = columns[node].numbers  # type: ignore[attr-defined]
        seen &= numbers > 0
    for node, kinds in operator.kinds:
        seen &= kind_mask(running, columns[node].numbers, kinds)  # type: ignore[attr-defined]
    return batch.kept(seen)
