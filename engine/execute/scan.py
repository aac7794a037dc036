"""Scan: each row with each item that is seen, found by id, by the graph's columns, or by looking at all.

The graph is only asked which items may qualify. It shows the current versions of its own position, which may lie before
or behind that of the reader; so versions that it cannot know as the reader does are added, and every condition is
tested again on what was read. Whatever the graph says or fails to say, the rows are the same.
"""

from collections.abc import Iterator

import numpy as np

from engine.columns import Numbers
from engine.execute.batch import Batch
from engine.execute.running import Running, kind_mask
from engine.graph.file import EngineUnavailable, GraphFailed
from memql.bound import Expression
from memql.catalog import KINDS
from memql.plan import Scan
from memql.world import NODE_PROPERTIES, Datum

FIRST, MOST = 512, 16_384
"""Rows of the first batch and of the largest: a LIMIT is soon met, and a long scan has few steps."""
WORTH_ASKING = 400
"""Items below which reading them all costs less than asking the graph: some 3 ms."""
ASKED = 2_000
"""Items that could be read in the time that the graph takes to answer."""
_PUSHED = ("string", "integer", "boolean")
"""Types whose equality the graph holds as MemQL does; of floats and times it has its own opinion."""
_GRAPHED = {
    kind.name: {each.name: each.type for each in kind.graphed() if each.type in _PUSHED} for kind in KINDS
}  # fmt: skip
"""Properties that every item of the kind has had in the graph from the first. What was declared later may be missing
there in items that are older than the declaration."""


def scan(running: Running, operator: Scan, batches: Iterator[Batch]) -> Iterator[Batch]:
    ids = running.meaning(operator.ids) if operator.ids is not None else None
    everything: Numbers | None = None
    for batch in batches:
        if ids is not None:
            yield from _by_id(running, operator, batch, ids.datums(batch))
            continue
        if everything is None:
            everything = _candidates(running, operator)
        yield from _crossed(running, operator, batch, everything)


def _by_id(running: Running, operator: Scan, batch: Batch, ids: list[Datum]) -> Iterator[Batch]:
    """The items whose ids each row names, each once."""
    reader = running.at(operator.time)
    asked = [dict.fromkeys(id_ for id_ in each or () if isinstance(id_, str)) for each in ids]
    found: dict[str, int] = {}
    for id_ in {each for named in asked for each in named}:
        if (newest := reader.index.item(id_)) is not None:
            found[id_] = newest.root
            if newest.born <= reader.position:
                running.seen.keep(newest, running.when(operator.time))
    pairs = [(row, found[id_]) for row, named in enumerate(asked) for id_ in named if id_ in found]
    rows, roots = np.array(pairs, np.int64).reshape(-1, 2).T
    if reader.scope.history:
        places, numbers = reader.scope.versions(roots, np.full(len(roots), operator.lasting))
        rows = rows[places]
    else:
        numbers = reader.scope.lasting(roots) if operator.lasting else reader.scope.shown(roots)
    kept = np.flatnonzero((numbers > 0) & kind_mask(running, numbers, operator.kinds))
    running.count(len(kept))
    if len(kept):
        yield batch.take(rows[kept]).plus({operator.variable: running.nodes(numbers[kept], operator.time)})


def _crossed(running: Running, operator: Scan, batch: Batch, numbers: Numbers) -> Iterator[Batch]:
    """Each row with each of these."""
    size = FIRST
    per_row = max(1, len(numbers))
    for start in range(0, batch.size, max(1, MOST // per_row)):
        rows = np.arange(start, min(batch.size, start + max(1, MOST // per_row)))
        place = 0
        while place < len(numbers):
            piece = numbers[place : place + size] if len(rows) == 1 else numbers
            place += len(piece)
            size = min(MOST, size * 2)
            running.count(len(rows) * len(piece))
            crossed = batch.take(np.repeat(rows, len(piece)))
            yield crossed.plus({operator.variable: running.nodes(np.tile(piece, len(rows)), operator.time)})


def _candidates(running: Running, operator: Scan) -> Numbers:
    """The dense ids that the scan gives, in order."""
    reader = running.at(operator.time)
    if operator.lasting and reader.scope.history:
        numbers = np.flatnonzero(reader.scope.visible)
        numbers = numbers[kind_mask(running, numbers, operator.kinds)]
    elif operator.lasting:
        roots = np.flatnonzero(
            reader.scope.columns.column("root")[: reader.scope.count] == np.arange(reader.scope.count)
        )
        numbers = np.sort(reader.scope.lasting(roots[roots > 0]))
        numbers = numbers[numbers > 0]
        numbers = numbers[kind_mask(running, numbers, operator.kinds)]
    else:
        kinds = operator.kinds
        mask = reader.scope.seen if kinds is None else reader.scope.of_kind(*kinds)
        numbers = np.flatnonzero(mask)
    if operator.equals and operator.kinds and len(numbers) > WORTH_ASKING and not _in_memory(running, operator):
        return _asked(running, operator, numbers)
    return numbers


def _in_memory(running: Running, operator: Scan) -> bool:
    """Whether one of the properties is held in memory, where it tells sooner than the graph which items have the value.
    Who asks the graph again and again has it held."""
    names = [name for name, _ in operator.equals if name not in NODE_PROPERTIES]
    return any(running.held_property(name, ASKED) is not None for name in names)


def _asked(running: Running, operator: Scan, numbers: Numbers) -> Numbers:
    """Those of the numbers that may have the values, according to the graph."""
    reader, columns = running.reader, running.reader.scope.columns
    before = reader.graph.position
    found = []
    for kind in sorted(operator.kinds or ()):
        equals = {
            name: value
            for name, expression in operator.equals
            if (value := _pushed(running, kind, name, expression)) is not None
        }
        if not equals:
            return numbers
        try:
            found.append(reader.graph.scan(kind, equals))
        except (GraphFailed, EngineUnavailable):
            return numbers
    after = reader.graph.position
    unknown = numbers[(columns.column("born")[numbers] > before) | (columns.column("died")[numbers] <= after)]
    return np.intersect1d(numbers, np.concatenate([*found, unknown]))


def _pushed(running: Running, kind: str, name: str, expression: Expression) -> str | int | bool | None:
    """The value to ask the graph for; None where it is not its to say."""
    of = _GRAPHED.get(kind, {}).get(name)
    value = running.constant(expression)
    exact = {"string": str, "integer": int, "boolean": bool}
    if of is None or type(value) is not exact[of]:
        return None
    assert isinstance(value, str | int)
    return value
