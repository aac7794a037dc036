"""Slips of the hand in queries that are right: how often the first thing said points at the word, and mends it.

python -m tests.memql.typos              every single-letter slip in every word of every query of the cases
python -m tests.memql.typos --letters 2  two of them in one keyword
"""

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from memql.assist import describe_word, diagnose
from memql.catalog import Catalog
from memql.lexer import Token, pieces

CASES = Path(__file__).parent / "cases"
CATALOG = Catalog().with_label("Pinned")
"""That of the world of the cases."""
KINDS = ("keyword", "label", "relation", "property", "function")


def queries() -> list[str]:
    """Those of the cases that are right."""
    block = re.compile(r"^```memql[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
    found = [query for path in sorted(CASES.glob("*.md")) for query in block.findall(path.read_text("utf-8"))]
    return [
        query for query in dict.fromkeys(found) if all(each.severity != "error" for each in diagnose(query, CATALOG))
    ]


def words(query: str) -> Iterator[tuple[str, Token]]:
    """The words that could be known, each with what it is. Short ones say too little, however they are written."""
    for token in pieces(query):
        if len(token.text) > 2 and token.text.replace("_", "").isalpha():
            described = describe_word(query, token.start, CATALOG)
            if described is not None and described.kind in KINDS:
                yield described.kind, token


def slips(word: str) -> list[str]:
    """The word with a letter left out, two in the wrong order, one doubled, and one that is another."""
    every = range(len(word))
    left_out = [word[:at] + word[at + 1 :] for at in every]
    swapped = [word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in every[:-1]]
    doubled = [word[:at] + word[at] + word[at:] for at in every]
    other = [word[:at] + ("x" if word[at].islower() else "X") + word[at + 1 :] for at in every]
    return [each for each in dict.fromkeys((*left_out, *swapped, *doubled, *other)) if each != word]


def slips_of_two(word: str) -> list[str]:
    """Two slips in one word, some of all there are: each with one further on."""
    return [
        twice
        for once in slips(word)[:: max(1, len(word) // 2)]
        for twice in slips(once)[1 :: len(word)]
        if twice != word
    ]


def mended(slipped: str) -> str | None:
    """The text as the first thing that is said of it would mend it; None where nothing is wrong with it."""
    said = [each for each in diagnose(slipped, CATALOG) if each.severity == "error"]
    if not said:
        return None
    fix = said[0].fix
    return slipped if fix is None else slipped[: fix.span.start] + fix.text + slipped[fix.span.end :]


def same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def tried(given: Iterable[str], *, twice: bool = False, every: int = 1) -> dict[str, Counter[str]]:
    """How often each kind of word was mended, and what was not. A slip that is a query as well says nothing. `every`:
    only each so many-th slip."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    number = 0
    for query in given:
        for kind, token in words(query):
            if twice and kind != "keyword":
                continue
            for slip in (slips_of_two if twice else slips)(token.text):
                number += 1
                if number % every:
                    continue
                slipped = query[: token.start] + slip + query[token.start + len(token.text) :]
                if (made := mended(slipped)) is not None:
                    right = same(made, query)
                    found[kind]["right" if right else "wrong"] += 1
                    if not right:
                        found[kind][f"{token.text} → {slip}"] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--letters", type=int, choices=(1, 2), default=1)
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()
    found = tried(queries(), twice=given.letters == 2, every=given.every)
    for kind, counts in sorted(found.items()):
        right, wrong = counts.pop("right", 0), counts.pop("wrong", 0)
        print(f"{kind:9} {right:6,} of {right + wrong:6,}  {right / (right + wrong):6.1%}")  # noqa: T201
        print("          ", ", ".join(f"{slip} ({times})" for slip, times in counts.most_common(12)))  # noqa: T201


if __name__ == "__main__":
    main()
