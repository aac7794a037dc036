"""What a question says beside its words: whose words are asked for, and of when.

Names of those who speak are taken out of what is sought by words and by meaning: in a conversation they stand in nearly
every question and in few of the sentences that answer it. What they say instead is who should have spoken.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.search.times import Span, spans

_ROLES = frozenset("user assistant system tool agent bot human ai me you".split())
"""Authors called so are not named by these words in a question."""
_SHORTEST = 3
"""Letters of a part of a name that stands for the whole."""
_WHEN = re.compile(
    r"^\W*(when\b|since\s+when\b|how\s+long\b|(?:on|in|at|by|since)?\s*(?:what|which)\s+(?:date|day|month|year|time)\b)",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Question:
    """`bare` is the text without the names in it; `speakers` are the codes of the authors named, `asked` the spans."""

    bare: str
    speakers: frozenset[int]
    asked: tuple[Span, ...]
    when: bool


def read(text: str, authors: Mapping[int, str], at: int | None, years: Sequence[int]) -> Question:
    """The question in that text, with authors by their codes, asked at a moment about things said in those years."""
    speakers, named = set(), []
    folded = text.casefold()
    for code, name in authors.items():
        if found := [part for part in _parts(name) if re.search(_whole(part), folded)]:
            speakers.add(code)
            named += found
    bare = text
    for part in sorted(named, key=len, reverse=True):
        bare = re.sub(_whole(part) + r"(?:['’]s\b)?", " ", bare, flags=re.IGNORECASE)
    if not _WORD.search(bare):
        bare = text
    return Question(" ".join(bare.split()), frozenset(speakers), tuple(spans(text, at, years)), bool(_WHEN.match(text)))


def _whole(part: str) -> str:
    return rf"(?<!\w){re.escape(part)}(?!\w)"


def _parts(name: str) -> list[str]:
    """The whole name and those of its words that stand for it."""
    whole = name.casefold().strip()
    words = [word for word in whole.split() if len(word) >= _SHORTEST]
    return [part for part in dict.fromkeys([whole, *words]) if part and part not in _ROLES]
