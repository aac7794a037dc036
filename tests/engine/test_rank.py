"""Ranking, times in words and questions: the pure parts of search."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rank import Boost, Fusion, Ranking, Scores, Signal, rank
from engine.search.question import read
from engine.search.times import DAY, Span, says_when, spans

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
THURSDAY = int((datetime(2023, 8, 17, 10, tzinfo=UTC) - EPOCH) / timedelta(microseconds=1))


def signal(name: str, weight: float, scores: dict[int, float]) -> Signal:
    def of(denses: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Scores:
        return np.array([scores.get(dense, 0) for dense in denses.tolist()], np.float32)

    return Signal(name, weight, of)


FUSIONS = (
    Fusion(), Fusion("rrf"), Fusion("rrf", k=0.5), Fusion("linear"), Fusion("linear", normalize="zscore"),
    Fusion("linear", normalize="none"),
)  # fmt: skip


def ranked(*signals: Signal, of: Iterable[int], boosts: Sequence[Boost] = (), fusion: Fusion = FUSIONS[0]) -> Ranking:
    return rank(np.array(sorted(set(of)), np.int64), signals, boosts, fusion)


def days(found: list[Span]) -> list[tuple[str, str]]:
    return [
        (
            str((EPOCH + timedelta(microseconds=span.start)).date()),
            str((EPOCH + timedelta(microseconds=span.end)).date()),
        )
        for span in found
    ]


def test_every_candidate_is_scored_on_every_signal() -> None:
    """What only one signal names is scored 0 by the others, and the z-scores of each signal sum to nothing."""
    found = ranked(signal("words", 1, {1: 3, 2: 1}), signal("meaning", 0.5, {2: 0.9, 3: 0.8}), of=[1, 2, 3])
    assert sorted(found.denses.tolist()) == [1, 2, 3]
    words, meaning = found.parts
    assert dict(zip(found.denses.tolist(), words.raw.tolist(), strict=True)) == {1: 3, 2: 1, 3: 0}
    assert words.z.sum() == pytest.approx(0)
    assert dict(zip(found.denses.tolist(), meaning.rank.tolist(), strict=True)) == {1: 0, 2: 1, 3: 2}


@given(
    st.lists(st.dictionaries(st.integers(1, 40), st.floats(-2, 9, width=32), max_size=20), min_size=1, max_size=4),
    st.dictionaries(st.integers(1, 40), st.sampled_from([0.0, 0.5, 1.0]), max_size=20),
    st.sampled_from(FUSIONS),
)
def test_shares_add_up_to_the_total_and_order_is_total(
    worlds: list[dict[int, float]], matches: dict[int, float], fusion: Fusion
) -> None:
    """Whatever the scores and the fusion: totals fall, equal ones rise by dense id, a row's shares are its total."""
    signals = [signal(f"s{number}", 1 / (number + 1), world) for number, world in enumerate(worlds)]
    boost = Boost("boost", 2.0, lambda denses: [matches.get(dense, 0.0) for dense in denses.tolist()])
    found = ranked(*signals, of=[dense for world in worlds for dense in world], boosts=[boost], fusion=fusion)
    assert np.allclose(sum(part.share for part in found.parts), found.totals)
    pairs = list(zip((-found.totals).tolist(), found.denses.tolist(), strict=True))
    assert pairs == sorted(pairs)


@given(
    st.dictionaries(st.integers(1, 40), st.floats(0, 9, width=32), min_size=1, max_size=20), st.sampled_from(FUSIONS)
)
def test_one_signal_alone_keeps_its_order(scores: dict[int, float], fusion: Fusion) -> None:
    """However it is scaled: a scale moves no hit of one signal past another that is better by more than a float of the
    scale can tell."""
    found = ranked(signal("words", 0.3, scores), of=scores, fusion=fusion)
    raw = [scores[dense] for dense in found.denses.tolist()]
    spread = float(np.ptp(raw))
    assert all(behind <= before + 1e-12 * spread for before, behind in pairwise(raw)) or spread < 1e-6


def test_a_scale_runs_from_the_least_to_the_greatest() -> None:
    """Between 0 and 1, by rank alone where equals are equal, and not at all."""
    of = {3: 4.0, 5: 1.0, 8: 0.0, 9: 4.0}

    def scaled(fusion: Fusion) -> dict[int, float]:
        found = ranked(signal("words", 1, of), of=of, fusion=fusion)
        return {dense: round(z, 4) for dense, z in zip(found.denses.tolist(), found.parts[0].z.tolist(), strict=True)}

    assert scaled(Fusion("linear")) == {3: 1, 9: 1, 5: 0.25, 8: 0}
    assert scaled(Fusion("rrf", k=1)) == {3: 0.5, 9: 0.5, 5: 0.25, 8: 0}
    assert scaled(Fusion("linear", normalize="none")) == of
    alone = ranked(signal("words", 1, {7: 2.5}), of=[7], fusion=Fusion("linear"))
    assert alone.totals.tolist() == [1.0]


def test_a_signal_without_spread_says_nothing() -> None:
    """Where all candidates score alike, a signal moves none of them, and dense ids decide."""
    found = ranked(signal("words", 1, {5: 2, 3: 2, 9: 2}), of=[5, 3, 9])
    assert found.denses.tolist() == [3, 5, 9]
    assert found.totals.tolist() == [0, 0, 0]


def test_no_candidates_are_no_rows() -> None:
    """Nothing found is an empty ranking, not an error."""
    assert ranked(signal("words", 1, {}), of=[]).denses.tolist() == []
    assert ranked(of=[3, 1]).denses.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("we met yesterday", "2023-08-16", "2023-08-17"),
        ("last Tuesday it broke", "2023-08-15", "2023-08-16"),
        ("last Thursday it broke", "2023-08-10", "2023-08-11"),
        ("see you next Monday", "2023-08-21", "2023-08-22"),
        ("last week was bad", "2023-08-07", "2023-08-14"),
        ("this weekend", "2023-08-19", "2023-08-21"),
        ("two days ago", "2023-08-15", "2023-08-16"),
        ("a couple of days ago", "2023-08-15", "2023-08-16"),
        ("in two weeks", "2023-08-28", "2023-09-04"),
        ("next month", "2023-09-01", "2023-10-01"),
        ("last June", "2023-06-01", "2023-07-01"),
        ("last December", "2022-12-01", "2023-01-01"),
        ("in July", "2023-07-01", "2023-08-01"),
        ("since March", "2023-03-01", "2023-04-01"),
        ("on 3 May 2024", "2024-05-03", "2024-05-04"),
        ("May 8th, 2023", "2023-05-08", "2023-05-09"),
        ("in October 2022", "2022-10-01", "2022-11-01"),
        ("by 2024-02-29", "2024-02-29", "2024-03-01"),
        ("in 2022", "2022-01-01", "2023-01-01"),
        ("last summer", "2022-06-01", "2022-09-01"),
        ("on Friday", "2023-08-11", "2023-08-12"),
    ],
)
def test_times_in_words(text: str, first: str, last: str) -> None:
    """Said on Thursday, 17 August 2023."""
    assert days(spans(text, THURSDAY)) == [(first, last)]


@pytest.mark.parametrize(
    "text", ["I may go", "the march was long", "sun is out", "31 February 2023", "room 2023", "second of all", ""]
)
def test_what_is_no_time(text: str) -> None:
    """Words that only look like times give none."""
    assert spans(text, THURSDAY) == []


def test_a_month_without_a_year_is_that_of_every_year_asked_about() -> None:
    """A question about July is about each July that there is; a relative time needs a moment."""
    assert days(spans("in July", None, [2022, 2023])) == [("2022-07-01", "2022-08-01"), ("2023-07-01", "2023-08-01")]
    assert spans("yesterday", None, [2022]) == []
    assert says_when("we did it yesterday")
    assert not says_when("we did it")


@given(st.text(), st.integers(-DAY * 700_000, DAY * 2_900_000))
def test_any_text_has_spans(text: str, at: int) -> None:
    """Any text at any moment is read, and a span ends after it starts."""
    assert all(span.start < span.end for span in spans(text, at))


@given(st.integers(0, 99), st.sampled_from(["day", "week", "month", "year"]), st.sampled_from(["ago", "from now"]))
def test_counted_times_are_read(count: int, unit: str, way: str) -> None:
    """So many units ago or ahead hold the day that is meant."""
    (span,) = spans(f"{count} {unit}s {way}", THURSDAY)
    length = {"day": 1, "week": 7, "month": 30, "year": 365}[unit] * DAY
    assert span.start <= THURSDAY + count * length * (-1 if way == "ago" else 1) < span.end


AUTHORS = {1: "Ada Byron", 2: "Ben", 3: "assistant", 4: "Jo"}


def test_a_question_names_who_should_have_spoken() -> None:
    """Names of authors are taken out of what is sought; their codes are kept."""
    asked = read("What did Ada's sister tell BEN in July?", AUTHORS, THURSDAY, [2023])
    assert asked.bare == "What did sister tell in July?"
    assert asked.speakers == {1, 2}
    assert days(list(asked.asked)) == [("2023-07-01", "2023-08-01")]
    assert not asked.when


def test_a_question_that_is_only_a_name_is_sought_by_it() -> None:
    """Nothing would be left to seek: the name stays."""
    asked = read("Ada Byron?", AUTHORS, THURSDAY, [])
    assert asked.bare == "Ada Byron?"
    assert asked.speakers == {1}


def test_roles_are_no_names() -> None:
    """An author called like a role is not named by the word, nor one by a part of another word."""
    asked = read("When did the assistant benchmark the adapter?", AUTHORS, THURSDAY, [])
    assert asked.speakers == frozenset()
    assert asked.when
