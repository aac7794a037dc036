"""Search: the items that fit best, best first, with what each signal had to say."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.columns import Mask, Numbers
from engine.execute.batch import Batch, Column, Nodes, Values, denses, joined
from engine.execute.running import Running, too_much
from engine.execute.seen import Stopped
from engine.rank import Ranking
from engine.search import Way, search
from memql.bound import Expression, Variable
from memql.errors import Problem, Reason, Refusal
from memql.plan import Search
from memql.world import Datum, Node

DEFAULT = 10
"""Rows of a SEARCH without LIMIT."""


def search_rows(
    running: Running, operator: Search, batches: Iterator[Batch], among: Iterator[Batch] | None
) -> Iterator[Batch]:
    limit = running.number(operator.limit, "LIMIT") if operator.limit is not None else DEFAULT
    most = running.reader.limits.search_rows
    if limit > most:
        message = f"a SEARCH gives at most {most:,} rows"
        raise Stopped(too_much("search_rows", message, "ask for fewer"))
    if operator.ranks:
        yield from _ranked_rows(running, operator, list(batches), limit)
        return
    assert among is not None
    keep = _mask(running, [denses(batch.columns[operator.variable]) for batch in among])
    weights = [1.0 if way.weight is None else _weight(running, way.weight) for way in operator.ways]
    asked = [running.meaning(way.to) for way in operator.ways]
    for batch in batches:
        values = [each.datums(batch) for each in asked]
        for row in range(batch.size):
            ranking = _searched(running, operator, [each[row] for each in values], weights, keep, limit)
            found = ranking.denses[:limit]
            running.count(len(found))
            if len(found):
                repeated = batch.take(np.full(len(found), row, np.int64))
                yield repeated.plus({operator.variable: Nodes(found), **_scores(operator, ranking, len(found))})


def _ranked_rows(running: Running, operator: Search, batches: Sequence[Batch], limit: int) -> Iterator[Batch]:
    """The rows there are, those of the best item first, of no more than `limit` items."""
    if not batches:
        return
    whole = joined(batches)
    running.hold(whole.size)
    numbers = denses(whole.columns[operator.variable])
    weights = [1.0 if way.weight is None else _weight(running, way.weight) for way in operator.ways]
    values = [running.constant(way.to) for way in operator.ways]
    ranking = _searched(running, operator, values, weights, _mask(running, [numbers]), limit)
    place = {dense: at for at, dense in enumerate(ranking.denses[:limit].tolist())}
    rows = sorted(
        (row for row, dense in enumerate(numbers.tolist()) if dense in place), key=lambda row: place[numbers[row]]
    )
    if rows:
        chosen = np.array(rows, np.int64)
        at = np.array([place[dense] for dense in numbers[chosen].tolist()], np.int64)
        scores = {variable: column.take(at) for variable, column in _scores(operator, ranking, len(place)).items()}
        yield whole.take(chosen).plus(scores)


def _mask(running: Running, numbers: Sequence[Numbers]) -> Mask:
    mask = np.zeros(running.reader.scope.count, np.bool_)
    for each in numbers:
        mask[each[each > 0]] = True
    return mask


def _searched(
    running: Running, operator: Search, values: Sequence[Datum], weights: Sequence[float], keep: Mask, limit: int
) -> Ranking:
    ways = [
        Way(way.how, _to(running, way.to, value), weight)
        for way, value, weight in zip(operator.ways, values, weights, strict=True)
    ]
    running.seen.check()
    ranking = search(running.reader, ways, keep, most=max(limit, 200))
    if isinstance(ranking, Refusal):
        raise Stopped(ranking)
    for notice in ranking.notices:
        if notice not in running.notices:
            running.notices.append(notice)
    running.embedder = ranking.embedder
    return ranking


def _to(running: Running, asked: Expression, value: Datum) -> str | NDArray[np.float32]:
    match value:
        case str():
            return value
        case Node():
            return running.reader.catalog.text_of(value.kind, value.properties)
        case list() if value and all(isinstance(each, int | float) and not isinstance(each, bool) for each in value):
            return np.array(value, np.float32)
    span = asked.span
    message = "a search takes a text, a node or a vector as a list of numbers"
    problem = Problem("Q213", message, f"line {span.line}, column {span.column}", "", span)
    raise Stopped(Refusal(Reason.INVALID, (problem,)))


def _weight(running: Running, expression: Expression) -> float:
    value, span = running.constant(expression), expression.span
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        message = "WEIGHT takes a number that is not negative"
        problem = Problem("Q213", message, f"line {span.line}, column {span.column}", "", span)
        raise Stopped(Refusal(Reason.INVALID, (problem,)))
    return float(value)


def _scores(operator: Search, ranking: Ranking, count: int) -> dict[Variable, Column]:
    """The score of each hit: in all, its place, and what words and meaning said of it."""
    totals = ranking.totals[:count].tolist()
    parts = {part.name: part.raw[:count].tolist() for part in ranking.parts}
    scores: list[Datum] = [
        {
            "total": total,
            "rank": at + 1,
            "words": float(parts["words"][at]) if "words" in parts else 0.0,
            "meaning": float(parts["meaning"][at]) if "meaning" in parts else 0.0,
        }
        for at, total in enumerate(totals)
    ]
    columns: dict[Variable, Column] = {operator.score: Values(scores)}
    if operator.total is not None:
        columns[operator.total] = Values(list(totals))
    return columns
