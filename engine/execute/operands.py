"""What the ways of a SEARCH are given: texts, vectors and nodes, of a constant or of each row."""

import math
from collections.abc import Sequence

import numpy as np

from engine.columns import Numbers
from engine.execute.batch import Batch
from engine.execute.running import Running, too_much
from engine.execute.seen import Stopped
from engine.rank import Fusion
from engine.search import Searches, Way
from engine.search.nearness import WITHIN
from engine.search.ways import Vector
from memql import bound, walking
from memql.bind.searches import NORMALIZED
from memql.bound import Expression
from memql.errors import Problem, Reason, Refusal
from memql.functions.function import shown
from memql.world import Datum, Node


class Operands:
    """The ways of one SEARCH, made ready for its rows. What is the same for all rows is looked at once, and first."""

    def __init__(self, running: Running, ways: Sequence[bound.Way], searches: Searches) -> None:
        self._running = running
        self._searches = searches
        self._ways = ways
        self._weights = [_weight(running, way.weight) for way in ways]
        self._withins = [_within(running, way.within) for way in ways]
        self._fixed: dict[int, Way] = {
            at: self._made(at, running.constant(way.to)) for at, way in enumerate(ways) if not walking.variables(way.to)
        }
        self._each = {at: running.meaning(way.to) for at, way in enumerate(ways) if at not in self._fixed}

    @property
    def same(self) -> Sequence[Way] | None:
        """What all rows ask for, where they all ask the same."""
        return tuple(self._fixed.values()) if not self._each else None

    def ways(self, batch: Batch) -> list[Sequence[Way]]:
        """What each row asks for."""
        columns = [
            [self._fixed[at]] * batch.size
            if at in self._fixed
            else [self._made(at, value) for value in self._each[at].each(batch)]
            for at in range(len(self._ways))
        ]
        return list(zip(*columns, strict=True))

    def _made(self, at: int, value: Datum) -> Way:
        way = self._ways[at]
        match way.how:
            case "meaning":
                to: str | Vector | Numbers | None = self._meant(way.to, value)
            case "words":
                if not isinstance(value, str | None):
                    raise _wrong(way.to, "MATCHES takes a text", value)
                to = value
            case "graph":
                to = _roots(way.to, value)
        if value is None:
            self._running.notice("a way of the SEARCH was given null, and finds nothing")
        return Way(way.how, to, self._weights[at], way.on, self._withins[at])

    def _meant(self, asked: Expression, value: Datum) -> str | Vector | None:
        """A text or a vector. A node has its own vector; without one it is known by its text."""
        match value:
            case str():
                return value if value.strip() else None
            case Node():
                vector = self._searches.meanings.of_version(value.state.dense)
                text = self._running.reader.catalog.text_of(value.kind, value.properties)
                return vector if vector is not None else text if text.strip() else None
            case list() if all(isinstance(each, int | float) and not isinstance(each, bool) for each in value):
                vector = np.array(value, np.float64).astype(np.float32)
                if misfit := self._searches.meanings.misfit(vector):
                    raise _stopped(asked, misfit, "embed it with the same model, or give the text itself")
                return vector
            case None:
                return None
        raise _wrong(asked, "SIMILAR TO takes a text, a node or a vector as a list of numbers", value)


def _roots(asked: Expression, value: Datum) -> Numbers | None:
    """The identities of a node, or of some. Nulls among them are near to nothing."""
    nodes = value if isinstance(value, list) else [value]
    if not all(isinstance(each, Node) or each is None for each in nodes):
        raise _wrong(asked, "NEAR takes a node, or a list of them", value)
    roots = sorted({each.state.root for each in nodes if each is not None})
    return np.array(roots, np.int64) if roots else None


def fusion_of(running: Running, asked: bound.Fusion) -> Fusion:
    """The fusion with its option looked at."""
    if asked.option is None:
        return Fusion(asked.how)
    value = running.constant(asked.option)
    if asked.how == "linear":
        if value not in NORMALIZED:
            raise _stopped(asked.option, f"`normalize` is one of {', '.join(NORMALIZED)}, not {shown(value)}", "")
        return Fusion(asked.how, normalize=value)
    if not _is_number(value) or not 0 < value < math.inf:
        raise _stopped(asked.option, f"`k` takes a number above 0, not {shown(value)}", "60 is the usual one")
    return Fusion(asked.how, k=float(value))


def _weight(running: Running, expression: Expression | None) -> float:
    if expression is None:
        return 1.0
    value = running.constant(expression)
    if not _is_number(value) or not 0 <= value < math.inf:
        hint = "a way of weight 0 is told of the hits, and finds none; what is unwanted is kept out by WHERE"
        raise _stopped(expression, f"WEIGHT takes a finite number that is not negative, not {shown(value)}", hint)
    return float(value)


def _within(running: Running, expression: Expression | None) -> int:
    if expression is None:
        return WITHIN
    hops = running.number(expression, "WITHIN")
    if hops < 1:
        raise _stopped(expression, "WITHIN takes a number of hops, from 1 on", "")
    most = running.reader.limits.near_hops
    if hops > most:
        raise Stopped(too_much("near_hops", f"NEAR reaches at most {most} hops", "ask for fewer"))
    return hops


def _is_number(value: Datum) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(asked: Expression, message: str, value: Datum) -> Stopped:
    return _stopped(asked, f"{message}, not {shown(value)}", "")


def _stopped(asked: Expression, message: str, hint: str) -> Stopped:
    span = asked.span
    problem = Problem("Q213", message, f"line {span.line}, column {span.column}", hint, span)
    return Stopped(Refusal(Reason.INVALID, (problem,)))
