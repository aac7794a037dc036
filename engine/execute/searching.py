"""Search: the items that fit best, best first, with what each signal had to say.

Rows that ask the same are answered by one search, and the texts of many rows are embedded in one call.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from engine.columns import Mask, Numbers
from engine.execute.batch import Batch, Column, Floats, Values, denses, joined
from engine.execute.operands import Operands, fusion_of
from engine.execute.running import Running, too_much
from engine.execute.seen import Stopped
from engine.rank import CANDIDATES, Ranking
from engine.search import Searches, Way
from memql.bound import Variable
from memql.errors import Refusal
from memql.plan import Search
from memql.world import Datum

DEFAULT = 10
"""Rows of a SEARCH without LIMIT."""
AT_ONCE = 128
"""Rows whose texts are embedded together: a LIMIT further up should not have waited for thousands."""
KEPT = 256
"""Rankings kept for rows that ask the same: some ten megabytes."""

Beside = Callable[[Batch], Iterator[Batch]]
"""Of rows that have an item, those of which it qualifies for them."""


def search_rows(
    running: Running, operator: Search, batches: Iterator[Batch], among: Iterator[Batch] | None, beside: Beside | None
) -> Iterator[Batch]:
    asked = running.kept(operator, lambda: _Asked(running, operator))
    if operator.ranks:
        yield from _ranked_rows(asked, list(batches))
        return
    assert among is not None
    keep = asked.qualifying(among)
    for batch in batches:
        for start in range(0, batch.size, AT_ONCE):
            some = batch.take(np.arange(start, min(start + AT_ONCE, batch.size)))
            yield from _found_rows(asked, some, keep, beside)


def _found_rows(asked: "_Asked", batch: Batch, keep: Mask, beside: Beside | None) -> Iterator[Batch]:
    """Each row with what it finds."""
    variable = asked.operator.variable
    ways, running = asked.ways(batch), asked.running
    for row in range(batch.size):
        kept = keep if beside is None else _narrowed(asked, batch, row, keep, beside)
        ranking = asked.ranking(ways[row], kept, shared=beside is None)
        found = ranking.denses[: asked.limit]
        asked.running.count(len(found))
        if len(found):
            repeated = batch.take(np.full(len(found), row, np.int64))
            yield repeated.plus(
                {variable: running.nodes(found, asked.operator.time), **_scores(asked.operator, ranking, len(found))}
            )


def _narrowed(asked: "_Asked", batch: Batch, row: int, keep: Mask, beside: Beside) -> Mask:
    """What qualifies for that row, of what qualifies for all."""
    running, variable = asked.running, asked.operator.variable
    numbers = np.flatnonzero(keep)
    running.count(len(numbers))
    nodes = running.nodes(numbers, asked.operator.time)
    crossed = batch.take(np.full(len(numbers), row, np.int64)).plus({variable: nodes})
    return _mask(running, [denses(each.columns[variable]) for each in beside(crossed)])


def _ranked_rows(asked: "_Asked", batches: Sequence[Batch]) -> Iterator[Batch]:
    """The rows there are. Those that ask the same are ranked together: those of the best item first, of no more items
    than the limit says."""
    if not batches:
        return
    whole = joined(batches)
    asked.running.hold(whole.size)
    numbers = denses(whole.columns[asked.operator.variable])
    if asked.same is not None:
        yield from _ranked(asked, asked.same, whole, numbers)
        return
    alike: dict[object, tuple[Sequence[Way], list[int]]] = {}
    for row, ways in enumerate(asked.ways(whole)):
        alike.setdefault(_key(ways), (ways, []))[1].append(row)
    for ways, rows in alike.values():
        chosen = whole.take(np.array(rows, np.int64))
        yield from _ranked(asked, ways, chosen, numbers[rows])


def _ranked(asked: "_Asked", ways: Sequence[Way], rows: Batch, numbers: Numbers) -> Iterator[Batch]:
    ranking = asked.ranking(ways, _mask(asked.running, [numbers]), shared=False)
    place = np.full(asked.running.reader.scope.count, asked.limit, np.int64)
    best = ranking.denses[: asked.limit]
    place[best] = np.arange(len(best))
    places = place[numbers]
    order = np.argsort(places, kind="stable")
    order = order[places[order] < asked.limit]
    if len(order):
        scores = _scores(asked.operator, ranking, len(best))
        yield rows.take(order).plus({variable: each.take(places[order]) for variable, each in scores.items()})


def _mask(running: Running, numbers: Sequence[Numbers]) -> Mask:
    mask = np.zeros(running.reader.scope.count, np.bool_)
    for each in numbers:
        mask[each[each > 0]] = True
    return mask


class _Asked:
    """What one SEARCH asks for: the same of every row, but for what its ways are given."""

    def __init__(self, running: Running, operator: Search) -> None:
        self.running = running
        self.operator = operator
        self.limit = running.number(operator.limit, "LIMIT") if operator.limit is not None else DEFAULT
        most = running.reader.limits.search_rows
        if self.limit > most:
            message = f"a SEARCH gives at most {most:,} rows"
            raise Stopped(too_much("search_rows", message, "ask for fewer"))
        self._fusion = fusion_of(running, operator.fusion)
        self._searches = Searches(running.at(operator.time))
        self._operands = Operands(running, operator.ways, self._searches)
        self.same = self._operands.same
        self._known: dict[object, Ranking] = {}
        self._qualifying: Mask | None = None

    def qualifying(self, among: Iterator[Batch]) -> Mask:
        """What the filter leaves, which is the same for every row."""
        if self._qualifying is None:
            numbers = [denses(batch.columns[self.operator.variable]) for batch in among]
            self._qualifying = _mask(self.running, numbers)
        return self._qualifying

    def ways(self, batch: Batch) -> list[Sequence[Way]]:
        """What each row asks for."""
        if self.same is not None:
            return [self.same] * batch.size
        asked = self._operands.ways(batch)
        different = {_key(ways): ways for ways in asked}
        if refusal := self._searches.prepare(list(different.values()), self._fusion):
            raise Stopped(refusal)
        return asked

    def ranking(self, ways: Sequence[Way], keep: Mask, *, shared: bool) -> Ranking:
        """`shared`: all rows have the same filter, so that who asks the same is answered the same."""
        key = _key(ways)
        if shared and (known := self._known.get(key)) is not None:
            return known
        running = self.running
        running.seen.check()
        ranking = self._searches.search(ways, keep, most=max(self.limit, CANDIDATES), fusion=self._fusion)
        if isinstance(ranking, Refusal):
            raise Stopped(ranking)
        running.count(len(ranking.denses))
        for notice in ranking.notices:
            running.notice(notice)
        running.embedder = ranking.embedder
        if shared:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = ranking
        return ranking


def _key(ways: Sequence[Way]) -> object:
    """What tells apart what rows ask for: only what their ways are given differs."""
    return tuple(way.to if isinstance(way.to, str) or way.to is None else way.to.tobytes() for way in ways)


def _scores(operator: Search, ranking: Ranking, count: int) -> Mapping[Variable, Column]:
    """The score of each hit: in all, its place, what each signal said of it raw (of several of one kind the most), and
    every part of the total."""
    raw = {"words": np.zeros(count), "meaning": np.zeros(count), "graph": np.zeros(count)}
    met: set[str] = set()
    for part in ranking.parts:
        if part.name in raw:
            own = part.raw[:count].astype(np.float64)
            raw[part.name] = np.maximum(raw[part.name], own) if part.name in met else own
            met.add(part.name)
    parts = [
        list(zip(*(each[:count].tolist() for each in (part.raw, part.rank, part.z, part.share)), strict=True))
        for part in ranking.parts
    ]
    totals = ranking.totals[:count].tolist()
    signals = list(zip(*(each.tolist() for each in raw.values()), strict=True))
    scores: list[Datum] = []
    for at, total in enumerate(totals):
        explained = [
            {"signal": part.name, "weight": part.weight, "raw": own[at][0], "rank": own[at][1] or None,
             "normalized": own[at][2], "share": own[at][3]}
            for part, own in zip(ranking.parts, parts, strict=True)
        ]  # fmt: skip
        scores.append({"total": total, "rank": at + 1, **dict(zip(raw, signals[at], strict=True)), "parts": explained})
    columns: dict[Variable, Column] = {operator.score: Values(scores)}
    if operator.total is not None:
        columns[operator.total] = Floats(ranking.totals[:count].astype(np.float64), np.zeros(count, np.bool_))
    return columns
