"""Whether versions of one row were known together: of all rows at once, from the columns in memory.

Positions stand for the times at which records were made: they rise together.
"""

from collections.abc import Sequence

import numpy as np

from engine.columns import Mask, Numbers, any_of
from engine.decide.view import NEVER
from engine.execute.batch import Chains, Column, Nodes, Relations
from engine.reader import Reader
from memql.catalog import LASTING


def known_together(reader: Reader, columns: Sequence[Column], size: int) -> Mask | None:
    """As `memql.world.known_together` says of each row; None where a column holds values, which it is to be asked."""
    if not all(isinstance(column, Nodes | Relations | Chains) for column in columns):
        return None
    items, relations = reader.scope.columns, reader.adjacency
    began, ended = np.zeros(size, np.int64), np.full(size, NEVER, np.int64)
    codes = [items.codes[kind] for kind in sorted(LASTING) if kind in items.codes]
    reached: list[tuple[Numbers, Numbers]] = []
    for column in columns:
        if isinstance(column, Relations | Chains):
            at, rows = _passed(column)
            np.maximum.at(began, at, relations.column("born")[rows])
            np.minimum.at(ended, at, relations.column("died")[rows])
            lasts = any_of(relations.column("kind")[rows], codes)
            reached.append((at[lasts], relations.column("target")[rows[lasts]]))
    for column in columns:
        if isinstance(column, Nodes):
            counts = np.ones(size, np.bool_)
            roots = items.column("root")[column.numbers]
            for at, targets in reached:
                counts[at[roots[at] == targets]] = False
            began = np.where(counts, np.maximum(began, items.column("born")[column.numbers]), began)
            ended = np.where(counts, np.minimum(ended, items.column("died")[column.numbers]), ended)
    together: Mask = began < ended
    return together


def _passed(column: Relations | Chains) -> tuple[Numbers, Numbers]:
    """Every relation of the column, and the row of each."""
    if isinstance(column, Relations):
        return np.arange(len(column)), column.numbers
    lengths = [len(chain or ()) for chain in column.chains]
    rows = [row for chain in column.chains for row in chain or ()]
    return np.repeat(np.arange(len(lengths)), lengths), np.array(rows, np.int64)
