"""Expand: from the nodes of a batch along their relations, one hop or many, on the adjacency in memory."""

from collections.abc import Iterator, Sequence

import numpy as np

from engine.adjacency import Steps
from engine.columns import Mask, Numbers
from engine.execute.batch import Batch, Chains, Column, Nodes, Relations, Values, denses, joined, rows_of
from engine.execute.running import Prepared, Running, kind_mask
from engine.execute.seen import Stopped
from memql import bound
from memql.errors import Refusal
from memql.plan import Expand, Trace
from memql.types import INTEGER
from memql.world import Node, Path, Relation


def expand(running: Running, operator: Expand, batches: Iterator[Batch]) -> Iterator[Batch]:
    each = running.meaning(operator.hop.each) if operator.hop.each is not None else None
    for batch in batches:
        made = _one(running, operator, batch) if operator.hop.hops is None else _many(running, operator, batch, each)
        if made.size:
            running.count(made.size)
            yield made


def _one(running: Running, operator: Expand, batch: Batch) -> Batch:
    scope = running.reader.scope
    roots = roots_of(running, batch.columns[operator.origin])
    rows, steps = _stepped(running, operator, roots)
    kept = np.ones(len(rows), np.bool_)
    for other in operator.unlike:
        kept &= unlike(batch.columns[other], rows, steps.rows)
    if operator.again:
        kept &= rows_of(batch.columns[operator.hop.variable])[rows] == steps.rows
    if operator.closes:
        kept &= roots_of(running, batch.columns[operator.end])[rows] == steps.ends
    chosen = np.flatnonzero(kept)
    rows, passed = rows[chosen], steps.rows[chosen]
    columns: dict[bound.Variable, Column] = {}
    if not operator.again:
        columns[operator.hop.variable] = Relations(passed)
    if operator.closes:
        return batch.take(rows).plus(columns)
    ends = scope.lasting(steps.ends[chosen])
    if operator.kinds is not None:
        of_kind = np.flatnonzero(kind_mask(running, ends, operator.kinds))
        rows, ends = rows[of_kind], ends[of_kind]
        columns = {variable: column.take(of_kind) for variable, column in columns.items()}
    return batch.take(rows).plus({**columns, operator.end: Nodes(ends)})


def roots_of(running: Running, column: Column) -> Numbers:
    """The identities of the nodes; 0 for null."""
    roots: Numbers = running.reader.scope.columns.column("root")[denses(column)]
    return roots


def _stepped(running: Running, operator: Expand, roots: Numbers) -> tuple[Numbers, Steps]:
    """Every relation from these identities, and for each the row of `roots` that it starts from, in that order."""
    asked = np.unique(roots[roots > 0])
    found = running.reader.expand(asked, operator.direction, operator.hop.kinds)
    if isinstance(found, Refusal):
        raise Stopped(found)
    order = np.argsort(found.origins, kind="stable")
    origins = found.origins[order]
    begins, ends = np.searchsorted(origins, roots, "left"), np.searchsorted(origins, roots, "right")
    lengths = np.where(roots > 0, ends - begins, 0)
    running.count(int(lengths.sum()))
    rows = np.repeat(np.arange(len(roots)), lengths)
    offsets = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places = order[np.repeat(begins, lengths) + offsets]
    return rows, Steps(found.rows[places], found.origins[places], found.ends[places], found.weights[places])


def unlike(column: Column, rows: Numbers, passed: Numbers) -> Mask:
    """Where the relation is none that the other variable of the same MATCH has passed."""
    if isinstance(column, Chains):
        chains = [column.chains[row] or () for row in rows.tolist()]
        return np.fromiter((p not in c for p, c in zip(passed.tolist(), chains, strict=True)), np.bool_, len(rows))
    if isinstance(column, Values) and any(isinstance(value, list) for value in column.values):
        known = [{each.state.row for each in value or ()} for value in column.values]
        pairs = zip(passed.tolist(), rows.tolist(), strict=True)
        return np.fromiter((p not in known[row] for p, row in pairs), np.bool_, len(rows))
    differs: Mask = rows_of(column)[rows] != passed
    return differs


def _many(running: Running, operator: Expand, batch: Batch, each: Prepared | None) -> Batch:
    """A chain of relations, as long as the hop allows, none of them twice. Where the shortest is asked for, nobody goes
    on from where a row has been before, so that each relation is passed once a row."""
    hops = operator.hop.hops
    assert hops is not None
    scope = running.reader.scope
    start = roots_of(running, batch.columns[operator.origin])
    rows = np.flatnonzero(start > 0)
    at, chains = start[rows], np.empty((len(rows), 0), np.int64)
    found: list[tuple[Numbers, Numbers, Numbers]] = []
    if hops.least == 0:
        here = scope.shown(at) > 0
        found.append((rows[here], at[here], chains[here]))
    depth, held, count = 0, 0, scope.count
    met_nodes = at[:, None] if operator.hop.acyclic else None
    met = rows[: 0 if hops.least else None] * count + at[: 0 if hops.least else None]
    target = roots_of(running, batch.columns[operator.end]) if operator.closes else None
    while len(rows) and (hops.most is None or depth < hops.most):
        depth += 1
        places, steps = _stepped(running, operator, at)
        kept = ~(chains[places] == steps.rows[:, None]).any(axis=1)
        for other in operator.unlike:
            kept &= unlike(batch.columns[other], rows[places], steps.rows)
        if each is not None and kept.any():
            kept[kept] = _holds(operator, batch, each, rows[places][kept], steps.rows[kept])
        if met_nodes is not None:
            kept &= ~(met_nodes[places] == steps.ends[:, None]).any(axis=1)
        chosen = np.flatnonzero(kept)
        rows, at = rows[places][chosen], steps.ends[chosen]
        chains = np.column_stack([chains[places][chosen], steps.rows[chosen]])
        if met_nodes is not None:
            met_nodes = np.column_stack([met_nodes[places][chosen], at])
        held += chains.size
        running.hold_paths(held)
        if hops.shortest:
            keys = rows * count + at
            fresh = np.flatnonzero(~np.isin(keys, met))
            if hops.shortest == "one":
                fresh = np.sort(fresh[np.unique(keys[fresh], return_index=True)[1]])
            met = np.union1d(met, keys)
            rows, at, chains = rows[fresh], at[fresh], chains[fresh]
        if depth >= hops.least:
            found.append((rows, at, chains))
        if hops.shortest and target is not None:
            on = ~np.isin(rows, rows[at == target[rows]])
            rows, at, chains = rows[on], at[on], chains[on]
    return _chained(running, operator, batch, found)


def _holds(operator: Expand, batch: Batch, each: Prepared, rows: Numbers, passed: Numbers) -> Mask:
    one = operator.hop.one
    assert one is not None
    return each.mask(batch.take(rows).plus({one: Relations(passed)}))


def _chained(
    running: Running, operator: Expand, batch: Batch, found: Sequence[tuple[Numbers, Numbers, Numbers]]
) -> Batch:
    """The chains found, those of one row together and the shorter first."""
    made = []
    for rows, at, chains in found:
        passed: list[tuple[int, ...] | None] = [
            tuple(chain[::-1] if operator.backwards else chain) for chain in chains.tolist()
        ]
        whole = batch.take(rows).plus({operator.hop.variable: Chains(passed), ROW: Values(rows.tolist())})
        if operator.closes:
            made.append(whole.kept(roots_of(running, batch.columns[operator.end])[rows] == at))
        else:
            ends = running.reader.scope.lasting(at)
            made.append(whole.plus({operator.end: Nodes(ends)}).kept(kind_mask(running, ends, operator.kinds)))
    return in_order_of_rows(running, made)


def in_order_of_rows(running: Running, found: Sequence[Batch]) -> Batch:
    """What was found of one batch, that of one of its rows together, otherwise as it came."""
    made = [each for each in found if each.size]
    if not made:
        return Batch(0, {})
    together = joined(made)
    order = np.argsort(np.array(together.columns[ROW].datums(running.seen), np.int64), kind="stable")
    sorted_ = together.take(order)
    return Batch(sorted_.size, {variable: each for variable, each in sorted_.columns.items() if variable != ROW})


ROW = bound.Variable(-2, "row", INTEGER)
"""The row of the batch that a chain starts from, while chains are put in order."""


def trace(running: Running, operator: Trace, batches: Iterator[Batch]) -> Iterator[Batch]:
    """Paths are made of what their nodes and hops are bound to."""
    path = operator.path
    for batch in batches:
        nodes = [batch.columns[variable].datums(running.seen) for variable in path.nodes]
        hops = [batch.columns[variable].datums(running.seen) for variable in path.hops]
        values = [_path(running, [n[row] for n in nodes], [h[row] for h in hops]) for row in range(batch.size)]
        yield batch.plus({path.variable: Values(values)})


def _path(
    running: Running, nodes: Sequence[Node | None], hops: Sequence[Relation | list[Relation] | None]
) -> Path | None:
    passed: list[Relation] = []
    met: list[Node] = []
    for place, hop in enumerate(hops):
        here = nodes[place]
        if hop is None or here is None:
            return None
        met.append(here)
        chain = hop if isinstance(hop, list) else [hop]
        for relation in chain[:-1]:
            here = _other(running, relation, here)
            met.append(here)
        passed += chain
        if not chain:
            met.pop()
    last = nodes[-1]
    return None if last is None else Path((*met, last), tuple(passed))


def _other(running: Running, relation: Relation, node: Node) -> Node:
    """What the relation joins the node with."""
    source, target = running.seen.ends(relation)
    other = target if source == node else source
    assert other is not None, "what was passed is seen"
    return other
