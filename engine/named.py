"""Words of named properties: which versions say them in a title, a description, an alias.

The text index holds the text of each kind, for that is what most searches ask. Of what other properties say, words and
how often each comes lie in memory: read from the index of the journal when a property is first searched, then read on
as versions come. They are counted as the text index counts its own, by BM25, but only over the versions that a reader
sees.
"""

import threading
from array import array
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.columns import Mask, Scope
from engine.index import Index
from engine.limits import Limits
from engine.texts import query_words, words_of
from memql.errors import Problem, Reason, Refusal

Dense: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float32]

K1, B = 1.2, 0.75
"""As Tantivy has them."""
READ = 2_000
"""Versions read at once, between two looks at the deadline."""


@dataclass(slots=True)
class _Words:
    """The words of one property of one kind: of each version that has any its dense id and its length, and of each
    word which of these versions say it, and how often. Read up to the version `upto`."""

    upto: int = 0
    size: int = 0
    denses: "array[int]" = field(default_factory=lambda: array("q"))
    lengths: "array[int]" = field(default_factory=lambda: array("q"))
    said: dict[str, tuple["array[int]", "array[int]"]] = field(default_factory=dict)

    def add(self, dense: int, words: Sequence[str]) -> None:
        for word, times in Counter(words).items():
            places, counts = self.said.setdefault(word, (array("q"), array("q")))
            places.append(len(self.denses))
            counts.append(times)
        self.denses.append(dense)
        self.lengths.append(len(words))
        self.size += len(words)


Asked: TypeAlias = tuple[str, str]
"""A kind, and a property of it."""
Late: TypeAlias = Callable[[], Refusal | None]
"""Asked between two steps: None, or why to give up."""


class Named:
    """The words of a tenant's named properties, as far as they were asked for. Safe to use from several threads."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.named_words
        self._known: OrderedDict[Asked, _Words] = OrderedDict()
        self._erased = 0
        self._lock = threading.Lock()

    def scores(
        self, text: str, properties: Sequence[Asked], scope: Scope, index: Index, late: Late
    ) -> tuple[Dense, Scores] | Refusal:
        """Every seen version that says a word of the text in one of these properties, by dense id, with its score: the
        sum over the properties."""
        with self._lock:
            totals: dict[int, float] = {}
            for name in sorted({name for _, name in properties}):
                held = []
                for kind in sorted(kind for kind, each in properties if each == name):
                    words = self._read((kind, name), scope, index, late)
                    if isinstance(words, Refusal):
                        return words
                    held.append(words)
                for dense, score in _scored(text, held, scope.seen):
                    totals[dense] = totals.get(dense, 0.0) + score
        denses = np.array(sorted(totals), np.int64)
        return denses, np.array([totals[dense] for dense in denses.tolist()], np.float32)

    def _read(self, asked: Asked, scope: Scope, index: Index, late: Late) -> _Words | Refusal:
        """The words of that property up to what the scope knows."""
        columns = scope.columns
        if len(columns.erased) != self._erased:
            # What was erased must be nowhere. It is rare, and reading anew is quick.
            self._known.clear()
            self._erased = len(columns.erased)
        words = self._known.setdefault(asked, _Words())
        self._known.move_to_end(asked)
        kind, name = asked
        code = columns.codes.get(kind, -1)
        fresh = np.flatnonzero(columns.column("kind")[words.upto + 1 : scope.count] == code) + words.upto + 1
        for start in range(0, len(fresh), READ):
            if refusal := late():
                return refusal
            some = [dense for dense in fresh[start : start + READ].tolist() if dense not in columns.erased]
            found = index.items(some)
            for dense in some:
                if said := _said(found[dense].properties, name):
                    words.add(dense, words_of(said))
            words.upto = int(fresh[min(start + READ, len(fresh)) - 1])
            if refusal := self._kept_small(words):
                return refusal
        words.upto = max(words.upto, scope.count - 1)
        return words

    def _kept_small(self, words: _Words) -> Refusal | None:
        """Lets go of the property that was not asked for the longest, until all fit."""
        while sum(each.size for each in self._known.values()) > self._most:
            oldest = next(iter(self._known))
            if self._known[oldest] is words:
                self._known.clear()
                message = f"`{oldest[1]}` holds more than {self._most:,} words (`named_words`)"
                hint = "search the text of the kind, or raise `limits.named_words`"
                return Refusal(Reason.LIMIT, (Problem("Q404", message, "", hint),))
            del self._known[oldest]
        return None


def _said(properties: Mapping[str, object], name: str) -> str:
    value = properties.get(name)
    if isinstance(value, list):
        return "\n".join(each for each in value if isinstance(each, str))
    return value if isinstance(value, str) else ""


def _scored(text: str, held: Iterable[_Words], seen: Mask) -> Iterable[tuple[int, float]]:
    """BM25 over the seen versions of all these together."""
    parts = []
    count, length = 0, 0
    for words in held:
        denses, lengths = np.array(words.denses, np.int64), np.array(words.lengths, np.int64)
        shown = (denses < len(seen)) & seen[np.minimum(denses, len(seen) - 1)]
        parts.append((words, denses, lengths, shown))
        count += int(shown.sum())
        length += int(lengths[shown].sum())
    if not count:
        return
    mean = length / count
    for word, times in query_words(text).items():
        saying = []
        for words, denses, lengths, shown in parts:
            if word in words.said:
                places, counts = (np.array(each, np.int64) for each in words.said[word])
                visible = shown[places]
                places, counts = places[visible], counts[visible]
                saying.append((denses[places], counts, lengths[places]))
        having = sum(len(each[0]) for each in saying)
        weight = times * float(np.log1p((count - having + 0.5) / (having + 0.5))) * (K1 + 1)
        for denses, counts, lengths in saying:
            found = weight * counts / (counts + K1 * (1 - B + B * lengths / mean))
            yield from zip(denses.tolist(), found.tolist(), strict=True)
