"""Whether versions of one row were known together: of all rows at once, from the columns in memory.

Positions stand for the times at which records were made: they rise together.
"""

import numpy as np

from engine.columns import Mask, Numbers, any_of
from engine.decide.view import NEVER
from engine.execute.batch import Batch, Chains, Column, Nodes, Relations, rows_of
from engine.reader import Reader
from memql import bound
from memql.catalog import LASTING


def known_together(reader: Reader, asked: bound.KnownTogether, batch: Batch) -> Mask:
    """Of each row whether all of its versions were known at some moment, and each is true when it is asked for."""
    items, relations = reader.scope.columns, reader.adjacency
    began, ended = np.zeros(batch.size, np.int64), np.full(batch.size, NEVER, np.int64)
    kept = np.ones(batch.size, np.bool_)
    for each in asked.versions:
        column = batch.columns[_variable(each)]
        if isinstance(column, Nodes):
            counts = ~_reached(reader, asked, each, batch)
            numbers = column.numbers
            began = np.where(counts, np.maximum(began, items.column("born")[numbers]), began)
            ended = np.where(counts, np.minimum(ended, items.column("died")[numbers]), ended)
            true = reader.scope.true(items.column("valid_from")[numbers], items.column("valid_to")[numbers])
            kept &= ~counts | true
        else:
            at, rows = _passed(column)
            np.maximum.at(began, at, relations.column("born")[rows])
            np.minimum.at(ended, at, relations.column("died")[rows])
    together: Mask = kept & (began < ended)
    return together


def _variable(expression: bound.Expression) -> bound.Variable:
    assert isinstance(expression, bound.Local)
    return expression.variable


def _reached(reader: Reader, asked: bound.KnownTogether, node: bound.Expression, batch: Batch) -> Mask:
    """Where a lasting relation leads to the node."""
    items, relations = reader.scope.columns, reader.adjacency
    codes = [items.codes[kind] for kind in sorted(LASTING) if kind in items.codes]
    roots = items.column("root")[batch.columns[_variable(node)].numbers]  # type: ignore[attr-defined]
    found = np.zeros(batch.size, np.bool_)
    for each, by, place in asked.reached:
        if each == node:
            passed = _beside(batch.columns[_variable(by)], place)
            lasts = any_of(relations.column("kind")[passed], codes) & (passed > 0)
            found |= lasts & (relations.column("target")[passed] == roots)
    return found


def _beside(column: Column, place: int) -> Numbers:
    """The relation that stands beside a node: of a chain the one at that place; 0 where it is empty."""
    if not isinstance(column, Chains):
        return rows_of(column)
    return np.array([chain[place] if chain else 0 for chain in column.chains], np.int64)


def _passed(column: Column) -> tuple[Numbers, Numbers]:
    """Every relation of the column, and the row of each."""
    if isinstance(column, Relations):
        return np.arange(len(column)), column.numbers
    assert isinstance(column, Chains), "a pattern binds its relations as numbers"
    lengths = [len(chain or ()) for chain in column.chains]
    rows = [row for chain in column.chains for row in chain or ()]
    return np.repeat(np.arange(len(lengths)), lengths), np.array(rows, np.int64)
