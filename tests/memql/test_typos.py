"""Slips of the hand are seen for what they are: the first thing said points at the word and mends it."""

from memql.assist import diagnose
from tests.memql.typos import CATALOG, mended, queries, same, slips, tried


def test_nine_of_ten_slips_are_mended_at_once() -> None:
    """Of each kind of word by itself, over some of all slips in every query of the cases."""
    found = tried(queries(), every=23)
    assert found.keys() >= {"keyword", "label", "relation", "property", "function"}
    for kind, counts in found.items():
        assert counts["right"] >= 0.9 * (counts["right"] + counts["wrong"]), (kind, counts.most_common(20))


def test_a_misspelt_key_of_a_map_is_pointed_at() -> None:
    """The key and not the value behind it, in a pattern as in a map of some properties."""
    for text in ("MATCH (m:Memory {txet: 'tea'}) RETURN m", "MATCH (m:Memory) RETURN m {.importance, .txet}"):
        (said,) = [each for each in diagnose(text, CATALOG) if each.severity == "error"]
        assert text[said.span.start : said.span.end] == "txet"
        assert mended(text) == text.replace("txet", "text")


def test_slips_are_what_hands_do() -> None:
    """A letter left out, two swapped, one doubled, one that is another."""
    assert {"WERE", "HWERE", "WWHERE", "XHERE"} <= set(slips("WHERE"))
    assert same("match (m)  return m", "MATCH (m) RETURN m")
