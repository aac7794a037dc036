"""What is noise and what only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.lifecycle.noise import Noise, entropy, noise


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("👍👍", Noise.SYMBOLS),
        ("...", Noise.SYMBOLS),
        ("=====", Noise.SYMBOLS),
        (" ", Noise.SYMBOLS),
        ("asdfasdfasdf", Noise.REPETITION),
        ("no no no no no no", Noise.REPETITION),
        ("a" * 5_000, Noise.REPETITION),
        ("Hi!", Noise.PLEASANTRY),
        ("Thanks, Caroline!", Noise.PLEASANTRY),
        ("Hey Mel! Good to see you! How have you been?", Noise.PLEASANTRY),
        ("ok", Noise.PLEASANTRY),
        ("+1", Noise.PLEASANTRY),
        ("Hahahaha", Noise.PLEASANTRY),
        ("nooooo", Noise.PLEASANTRY),
        ("Danke!", Noise.PLEASANTRY),
        ("Спасибо", Noise.PLEASANTRY),
        ("好的", Noise.PLEASANTRY),
        ("Why?", Noise.EMPTY_WORDS),
        ("What do you think about it?", Noise.EMPTY_WORDS),
    ],
)
def test_noise_is_told_with_its_reason(text: str, why: Noise) -> None:
    """Symbols, repetition, pleasantries in several languages, and words that say nothing alone."""
    assert noise(text) is why


@pytest.mark.parametrize(
    "text",
    [
        "Tokyo",
        "Tokyo.",
        "42",
        "1000000000000",
        "Yes, on Friday",
        "Yes, Berlin.",
        "See you tomorrow. Bye!",
        "我住在柏林",
        "ABC-1",
        "/deploy",
        "https://harbour.example",
        "Good morning, build 512 is green",
        "Anna",
        "Bob",
        "Hey Jude, don't make it bad",
        "LGTM",
        "I moved to Lisbon.",
        "Thanks, the pump works again",
    ],
)
def test_one_word_that_says_something_is_enough(text: str) -> None:
    """A name, a number, a day, an address: however short, and whatever its entropy."""
    assert noise(text) is None


def test_what_is_long_is_no_pleasantry() -> None:
    """It may repeat itself, but not be small talk alone."""
    assert noise("Thanks so much! " * 12) is None
    assert noise("ok " * 100) is Noise.REPETITION


@given(st.text(max_size=300))
def test_any_text_has_an_answer(text: str) -> None:
    """Whatever people and programs write; the same without the space around it."""
    assert noise(text) is noise(f" {text.strip()}\n")


def test_entropy_is_in_bits_a_character() -> None:
    assert entropy("aaaa") == 0
    assert entropy("abab") == 1
    assert entropy("abcd") == 2
