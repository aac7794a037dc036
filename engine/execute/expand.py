"""Expand: from the nodes of a batch along their relations, one hop or many, on the adjacency in memory."""

from collections.abc import Iterator, Sequence

import numpy as np

from engine.adjacency import Direction, Steps
from engine.columns import Mask, Numbers, any_of
from engine.execute.batch import Batch, Chains, Column, Values, denses, joined, rows_of
from engine.execute.running import Prepared, Running, kind_mask
from engine.execute.seen import Stopped
from engine.reader import Reader
from memql import bound
from memql.catalog import LASTING
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
    reader = running.at(operator.time)
    roots = roots_of(running, batch.columns[operator.origin])
    through = operator.through or operator.closes
    rows, steps = stepped(running, reader, roots, operator.direction, operator.hop.kinds, through)
    kept = np.ones(len(rows), np.bool_)
    for other in operator.unlike:
        kept &= unlike(running, batch.columns[other], rows, steps.rows)
    if operator.again:
        # It keeps the version in which it was bound, and is the same relation in any other.
        known, identities = rows_of(batch.columns[operator.hop.variable])[rows], reader.adjacency.column("root")
        kept &= known == steps.rows if reader.scope.history else identities[known] == identities[steps.rows]
    if operator.closes:
        kept &= roots_of(running, batch.columns[operator.end])[rows] == steps.ends
    chosen = np.flatnonzero(kept)
    rows, passed = rows[chosen], steps.rows[chosen]
    columns: dict[bound.Variable, Column] = {}
    if not operator.again:
        columns[operator.hop.variable] = running.relations(passed, operator.time)
    if operator.closes:
        return batch.take(rows).plus(columns)
    places, ends = _ended(reader, steps.ends[chosen], passed)
    if operator.kinds is not None:
        of_kind = np.flatnonzero(kind_mask(running, ends, operator.kinds))
        places, ends = places[of_kind], ends[of_kind]
    if len(places) < len(rows) or reader.scope.history:
        rows, columns = rows[places], {variable: column.take(places) for variable, column in columns.items()}
    return batch.take(rows).plus({**columns, operator.end: running.nodes(ends, operator.time)})


def _ended(reader: Reader, ends: Numbers, passed: Numbers) -> tuple[Numbers, Numbers]:
    """The version in which each of these ends is seen, and its place among them; with history every one. `passed` is
    the relation that led there: behind some kinds the end is seen whatever its times (0: none led there)."""
    scope, relations = reader.scope, reader.adjacency
    if not scope.history:
        return np.arange(len(ends)), scope.lasting(ends)
    codes = [scope.columns.codes[kind] for kind in LASTING if kind in scope.columns.codes]
    lasts = any_of(relations.column("kind")[passed], codes) & (relations.column("target")[passed] == ends)
    return scope.versions(ends, lasts & (passed > 0))


def roots_of(running: Running, column: Column) -> Numbers:
    """The identities of the nodes; 0 for null."""
    roots: Numbers = running.reader.scope.columns.column("root")[denses(column)]
    return roots


def stepped(
    running: Running,
    reader: Reader,
    roots: Numbers,
    direction: Direction,
    kinds: Sequence[str] | None,
    through: bool = False,
) -> tuple[Numbers, Steps]:
    """Every relation from these identities, and for each the row of `roots` that it starts from, in that order. With
    `through`, lasting ones whatever they came from."""
    asked = np.unique(roots[roots > 0])
    found = reader.expand(asked, direction, kinds, through=through and not reader.scope.history)
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


def unlike(running: Running, column: Column, rows: Numbers, passed: Numbers) -> Mask:
    """Where the relation is none that the other variable of the same MATCH has passed, in whatever version."""
    if isinstance(column, Chains):
        chains = [column.chains[row] or () for row in rows.tolist()]
        return np.fromiter((p not in c for p, c in zip(passed.tolist(), chains, strict=True)), np.bool_, len(rows))
    if isinstance(column, Values) and any(isinstance(value, list) for value in column.values):
        known = [{each.state.row for each in value or ()} for value in column.values]
        pairs = zip(passed.tolist(), rows.tolist(), strict=True)
        return np.fromiter((p not in known[row] for p, row in pairs), np.bool_, len(rows))
    identities = running.reader.adjacency.column("root")
    differs: Mask = identities[rows_of(column)[rows]] != identities[passed]
    return differs


def _many(running: Running, operator: Expand, batch: Batch, each: Prepared | None) -> Batch:
    """A chain of relations, as long as the hop allows, none of them twice. Where the shortest is asked for, nobody goes
    on from where a row has been before, so that each relation is passed once a row; an item that ended is another place
    while no relation has led to it."""
    hops = operator.hop.hops
    assert hops is not None
    reader = running.at(operator.time)
    scope, relations = reader.scope, reader.adjacency
    start = roots_of(running, batch.columns[operator.origin])
    rows = np.flatnonzero(start > 0)
    at, chains = start[rows], np.empty((len(rows), 0), np.int64)
    found: list[tuple[Numbers, Numbers, Numbers]] = []
    if hops.least == 0:
        here = scope.lasting(at) > 0
        found.append((rows[here], at[here], chains[here]))
    depth, held, count = 0, 0, scope.count
    met_nodes = at[:, None] if operator.hop.acyclic else None
    met = (rows * count + at)[: 0 if hops.least else None] * 2
    target = roots_of(running, batch.columns[operator.end]) if operator.closes else None
    through, owing = operator.through or operator.closes, np.zeros(len(rows), np.bool_)
    while len(rows) and (hops.most is None or depth < hops.most):
        depth += 1
        places, steps = stepped(running, reader, at, operator.direction, operator.hop.kinds, through)
        led = relations.column("target")[steps.rows]
        kept = ~(chains[places] == steps.rows[:, None]).any(axis=1)
        if hops.shortest:
            kept &= ~owing[places] | ((led == steps.origins) & (led != steps.ends))
        for other in operator.unlike:
            kept &= unlike(running, batch.columns[other], rows[places], steps.rows)
        if scope.history:
            whole = np.column_stack([chains[places], steps.rows])
            kept &= relations.column("born")[whole].max(axis=1) < relations.column("died")[whole].min(axis=1)
        if each is not None and kept.any():
            kept[kept] = _holds(running, operator, batch, each, rows[places][kept], steps.rows[kept])
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
            owing = (scope.shown(at) == 0) & (led[chosen] != at)
            keys = (rows * count + at) * 2 + owing
            fresh = np.flatnonzero(~np.isin(keys, met))
            if hops.shortest == "one":
                fresh = np.sort(fresh[np.unique(keys[fresh], return_index=True)[1]])
            met = np.union1d(met, keys)
            rows, at, chains, owing = rows[fresh], at[fresh], chains[fresh], owing[fresh]
        if depth >= hops.least:
            found.append((rows, at, chains))
        if hops.shortest and target is not None:
            on = ~np.isin(rows, rows[at == target[rows]])
            rows, at, chains, owing = rows[on], at[on], chains[on], owing[on]
    return _chained(running, operator, batch, found)


def _holds(running: Running, operator: Expand, batch: Batch, each: Prepared, rows: Numbers, passed: Numbers) -> Mask:
    one = operator.hop.one
    assert one is not None
    return each.mask(batch.take(rows).plus({one: running.relations(passed, operator.time)}))


def _chained(
    running: Running, operator: Expand, batch: Batch, found: Sequence[tuple[Numbers, Numbers, Numbers]]
) -> Batch:
    """The chains found, those of one row together and the shorter first."""
    made = []
    for rows, at, chains in found:
        passed: list[tuple[int, ...] | None] = [
            tuple(chain[::-1] if operator.backwards else chain) for chain in chains.tolist()
        ]
        chained = running.chains(passed, operator.time)
        whole = batch.take(rows).plus({operator.hop.variable: chained, ROW: Values(rows.tolist())})
        if operator.closes:
            made.append(whole.kept(roots_of(running, batch.columns[operator.end])[rows] == at))
        else:
            last = chains[:, -1] if chains.shape[1] else np.zeros(len(chains), np.int64)
            places, ends = _ended(running.at(operator.time), at, last)
            ended = whole.take(places).plus({operator.end: running.nodes(ends, operator.time)})
            made.append(ended.kept(kind_mask(running, ends, operator.kinds)))
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
