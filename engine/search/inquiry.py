"""One search at work: the best of each way, what stands around them, and what each of them is scored by."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from engine.columns import Mask, Numbers
from engine.rank import Boost, Dense, Fusion, Ranking, Scores, Signal, rank
from engine.search.meanings import Meanings
from engine.search.nearness import nearness
from engine.search.question import Question
from engine.search.times import DAY, Span, says_when, spans
from engine.search.ways import Vector, Way
from memql.errors import Refusal

if TYPE_CHECKING:
    from engine.reader import Reader

DEPTH = 200
"""The best by words that count, for themselves and as neighbours: what lies deeper has next to no score."""
AROUND = 0.5
"""How much a neighbour counts beside the memory itself."""
WEIGHTS = {"words": 1.0, "meaning": 1.0, "meaning around": 0.5, "stream": 0.5}
"""The signals of a question. The first three as published for turns of conversations; `stream`, and the boosts, chosen
on five conversations as a whole."""
BOOSTS = {"speaker": 1.0, "when": 1.0, "said then": 2.0, "about then": 2.0}
"""What a match adds, in standard deviations."""
_VAGUE = 100 * DAY
"""Wider spans are no date to be asked for: "last year" is about no July."""
_NEARBY = 16 * DAY
"""A day that is asked for is remembered roughly: the same month is half a match."""


class Inquiry:
    """One search at work: the best of each way so far, and the signals that will score all candidates."""

    def __init__(self, reader: "Reader", keep: Mask, asked: Question | None, most: int) -> None:
        self._reader = reader
        self._keep = keep
        self._question = asked
        self._most = most
        self._best: list[Dense] = []
        self._signals: list[Signal] = []
        self._model = "none"
        self._width = 0
        self._notices: list[str] = []
        self._neighbours: dict[bytes, tuple[Dense, Dense]] = {}
        self._read_texts: dict[bytes, list[str]] = {}
        self._read_rows: dict[bytes, tuple[Vector, Vector]] = {}

    # Ways

    def by(self, way: Way, meanings: Meanings | None) -> Refusal | None:
        """Takes up a way. What says nothing finds nothing, and scores everything 0."""
        match way.how, way.to:
            case _, None:
                self._signals.append(Signal(way.how, way.weight, lambda denses: np.zeros(len(denses), np.float32)))
            case "words", str(text):
                if way.on is not None:
                    return self._by_names(way, text, way.on)
                self._by_words(way, text)
            case "meaning", (str() | np.ndarray()) as to:
                assert meanings is not None
                return self._by_meaning(way, to, meanings)
            case "graph", np.ndarray() as roots:
                return self._by_nearness(way, roots)
        return None

    def _found(self, way: Way, best: Dense) -> None:
        """What counts for nothing is told of what the others find, and finds nothing itself."""
        if way.weight > 0:
            self._best.append(best)

    def _by_words(self, way: Way, words: str) -> None:
        texts, asked = self._reader.texts, self._question
        if asked is None:
            best, _ = texts.search(words, keep=self._keep, limit=self._most)
            self._found(way, best)
            self._signals.append(Signal("words", way.weight, lambda denses: texts.scores(words, denses)))
            return
        best, scores = texts.search(asked.bare, keep=self._keep, limit=max(DEPTH, self._most))
        own = _lookup(best, scores)

        def around(denses: Dense) -> Scores:
            before, behind = self._beside(denses)
            beside = own
            if not (self._keeps(before) and self._keeps(behind)):
                # A neighbour counts although the filter leaves it out: it is context, not an answer.
                beside = _lookup(*texts.search(asked.bare, keep=self._context(), limit=DEPTH))
            return own(denses) + np.float32(AROUND) * (beside(before) + beside(behind))

        self._found(way, best[: self._most])
        self._signals.append(Signal("words", way.weight * WEIGHTS["words"], around))
        self._signals.append(Signal("stream", WEIGHTS["stream"], self._streams(best, scores)))

    def _by_names(self, way: Way, words: str, names: Sequence[str]) -> Refusal | None:
        """By the words of these properties alone. The text of a kind is in the text index; all others are counted by
        themselves. What several of them say of one item is added up."""
        reader = self._reader
        texts, scope, kinds = reader.texts, reader.scope, reader.catalog.kinds.values()
        is_open = reader.catalog.open
        asked = [
            (kind.name, name)
            for kind in kinds
            for name in names
            if name != kind.text_property and (is_open or name in kind.properties)
        ]
        whole = scope.of_kind(*(kind.name for kind in kinds if kind.text_property in names))
        best, _ = texts.search(words, keep=self._keep & whole, limit=self._most)
        found = reader.named.scores(words, asked, scope, reader.index, reader.given_up)
        if isinstance(found, Refusal):
            return found
        denses, scores = found
        named = _lookup(denses, scores)

        def both(denses: Dense) -> Scores:
            return np.where(whole[denses], texts.scores(words, denses), np.float32(0)) + named(denses)

        kept = np.flatnonzero(self._keep[denses])
        order = np.lexsort((denses[kept], -scores[kept]))[: self._most]
        self._found(way, np.concatenate([best, denses[kept][order]]))
        self._signals.append(Signal("words", way.weight, both))
        return None

    def _by_nearness(self, way: Way, roots: Numbers) -> Refusal | None:
        scope = self._reader.scope
        found = nearness(self._reader, roots, way.within)
        if isinstance(found, Refusal):
            return found
        root = scope.columns.column("root")
        kept = np.flatnonzero(self._keep)
        reached = kept[found[root[kept]] > 0]
        order = np.lexsort((reached, -found[root[reached]]))[: self._most]
        self._found(way, reached[order])
        self._signals.append(Signal("graph", way.weight, lambda denses: found[root[denses]]))
        return None

    def _by_meaning(self, way: Way, to: str | Vector, meanings: Meanings) -> Refusal | None:
        text = self._question.bare if self._question and isinstance(to, str) else to
        vector = meanings.of(text) if isinstance(text, str) else text
        if vector is None:
            self._notices += meanings.notices
            return None
        self._model, self._width = meanings.model, len(vector)
        found = self._reader.vectors.search(self._model, vector, keep=self._keep, limit=self._most)
        if isinstance(found, Refusal):
            return found
        if not len(found[0]) and self._keep.any():
            self._notices.append("nothing that qualifies has a vector: events and entities are found by words alone")
        self._found(way, found[0])
        direction: Vector = vector / np.linalg.norm(vector)
        if self._question is None:
            self._signals.append(Signal("meaning", way.weight, lambda denses: self._rows(denses) @ direction))
            return None
        own, around = way.weight * WEIGHTS["meaning"], way.weight * WEIGHTS["meaning around"]
        self._signals += [
            Signal("meaning", own, lambda denses: self._with_means(denses)[0] @ direction),
            Signal("meaning around", around, lambda denses: self._with_means(denses)[1] @ direction),
        ]
        return None

    def _rows(self, denses: Dense) -> Vector:
        """The vectors of these; zeros for what has none, and of all while nothing is embedded yet."""
        return self._reader.vectors.rows(self._model, self._width, denses)

    def _with_means(self, denses: Dense) -> tuple[Vector, Vector]:
        """The vectors, and the same averaged with their neighbours', of length one."""
        if (known := self._read_rows.get(denses.tobytes())) is not None:
            return known
        before, behind = self._beside(denses)
        pool = np.unique(np.concatenate([denses, before, behind]))
        rows = self._rows(pool)
        own = rows[np.searchsorted(pool, denses)]
        beside = rows[np.searchsorted(pool, before)] + rows[np.searchsorted(pool, behind)]
        mean = own + np.float32(AROUND) * beside
        lengths = np.sqrt(np.einsum("ij,ij->i", mean, mean))
        mean /= np.where(lengths > 0, lengths, np.float32(1))[:, None]
        self._read_rows[denses.tobytes()] = own, mean
        return own, mean

    # Context

    def _context(self) -> Mask:
        """What may count as a neighbour: all that is seen, but not events, whose memories say the same."""
        return self._reader.scope.seen & ~self._reader.scope.of_kind("Event")

    def _keeps(self, denses: Dense) -> bool:
        """Whether the filter leaves out none of these."""
        given = denses[denses > 0]
        return bool((given < len(self._keep)).all() and self._keep[given].all())

    def _candidates(self) -> Dense:
        """The best of each way; of a question their neighbours as well, where the filter keeps them."""
        best = np.unique(np.concatenate([_NONE, *self._best]))
        if self._question is None:
            return best
        pool = np.unique(np.concatenate([best, *self._beside(best)]))
        pool = pool[(pool > 0) & (pool < len(self._keep))]
        kept: Dense = pool[self._keep[pool]]
        return kept

    def _beside(self, denses: Dense) -> tuple[Dense, Dense]:
        """What each of these follows in its stream, and what follows it (0: nothing)."""
        known = self._neighbours.get(denses.tobytes())
        if known is None:
            known = self._step(denses, "out"), self._step(denses, "in")
            self._neighbours[denses.tobytes()] = known
        return known

    def _step(self, denses: Dense, way: Literal["out", "in"]) -> Dense:
        scope = self._reader.scope
        roots = scope.columns.column("root")[denses]
        found = np.zeros(len(denses), np.int64)
        steps = self._reader.expand(roots, way, ["FOLLOWS"])
        if isinstance(steps, Refusal) or not len(steps.ends):
            return found
        order = np.argsort(roots)
        at = order[np.searchsorted(roots[order], steps.origins)]
        found[at] = scope.shown(steps.ends)
        return found

    def _streams(self, denses: Dense, scores: Scores) -> Callable[[Dense], Scores]:
        """Of each candidate, how well the best of its stream fits by words."""
        stream = self._reader.scope.columns.column("stream")
        best = np.zeros(self._reader.scope.count, np.float32)
        np.maximum.at(best, stream[denses], scores)
        best[0] = 0
        return lambda candidates: best[stream[candidates]]

    # Boosts

    def _boosts(self, asked: Question) -> list[Boost]:
        boosts, columns = [], self._reader.scope.columns
        if asked.speakers:
            authors, codes = columns.column("author"), sorted(asked.speakers)
            boosts.append(Boost("speaker", BOOSTS["speaker"], lambda denses: np.isin(authors[denses], codes)))
        if asked.asked:
            boosts.append(Boost("said then", BOOSTS["said then"], lambda denses: self._said(asked, denses)))
            boosts.append(Boost("about then", BOOSTS["about then"], lambda denses: self._about(asked, denses)))
        if asked.when:
            boosts.append(Boost("when", BOOSTS["when"], lambda d: [says_when(text) for text in self._texts(d)]))
        return boosts

    def _said(self, asked: Question, denses: Dense) -> list[float]:
        moments = self._reader.scope.columns.column("valid_from")[denses].tolist()
        return [max(_nearness(span, _day(moment)) for span in asked.asked) for moment in moments]

    def _about(self, asked: Question, denses: Dense) -> list[bool]:
        moments = self._reader.scope.columns.column("valid_from")[denses].tolist()
        return [
            any(
                span.meets(each, DAY if span.end - span.start <= DAY else 0)
                for each in spans(text, moment)
                if each.end - each.start <= _VAGUE
                for span in asked.asked
            )
            for text, moment in zip(self._texts(denses), moments, strict=True)
        ]

    def _texts(self, denses: Dense) -> list[str]:
        texts = self._read_texts.get(denses.tobytes())
        if texts is None:
            catalog = self._reader.catalog
            texts = [catalog.text_of(item.kind, item.properties) for item in self._reader.items(denses.tolist())]
            self._read_texts[denses.tobytes()] = texts
        return texts

    # The end

    def ranking(self, fusion: Fusion) -> Ranking | Refusal:
        boosts = self._boosts(self._question) if self._question else []
        found = rank(self._candidates(), self._signals, boosts, fusion)
        if self._reader.overdue():
            return self._reader.late()
        return replace(found, embedder=self._model, notices=tuple(dict.fromkeys(self._notices)))


_NONE: Dense = np.empty(0, np.int64)


def _lookup(denses: Dense, scores: Scores) -> Callable[[Dense], Scores]:
    """The score of each of some dense ids; 0 of what is not among these."""
    order = np.argsort(denses)
    known, values = denses[order], scores[order]

    def of(asked: Dense) -> Scores:
        if not len(known):
            return np.zeros(len(asked), np.float32)
        at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
        return np.where(known[at] == asked, values[at], np.float32(0))

    return of


def _day(moment: int) -> Span:
    start = moment - moment % DAY
    return Span(start, start + DAY)


def _nearness(asked: Span, day: Span) -> float:
    if asked.end - asked.start > DAY:
        return float(asked.meets(day))
    return 1.0 if asked.meets(day, DAY) else 0.5 if abs(day.start - asked.start) < _NEARBY else 0.0
