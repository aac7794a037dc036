"""Whether an event says anything that is worth a memory: a pure look at its text.

What is noise stays an event, is flagged with the reason, and makes no memory. The test is a shy one: an event with one
word that carries something (a name, a number, "Tokyo" alone) is none. So entropy is asked only about what repeats
itself: few characters of their own are in every short text, also in "Yes, on Friday".
"""

import math
import re
from collections import Counter
from enum import IntEnum

from engine.texts import FUNCTION_WORDS


class Noise(IntEnum):
    """Why an event makes no memory; the number is its state `noise`."""

    SYMBOLS = 1
    """Neither a word nor a number in it: emoji, punctuation."""
    REPETITION = 2
    """The same few characters again and again."""
    PLEASANTRY = 3
    """Greetings, thanks, farewells, agreement, laughter, and nothing else."""
    EMPTY_WORDS = 4
    """Only words that need others to mean something."""
    REFUSED = 9
    """No noise: its memory was refused for a reason that will not pass, which was logged."""


LONGEST = 160
"""Characters of the longest pleasantry. Longer texts are looked at for repetition alone."""
REPEATING_BITS = 2.5
"""Entropy of the characters, in bits, below which a text repeats itself; sentences have some four."""
REPEATING_CHARACTERS = 12
"""Shorter texts cannot have much more than that."""

_GREETINGS = frozenset(
    "hi hey hello heya hiya howdy yo greetings welcome morning afternoon evening night goodnight bye byebye goodbye "
    "cheers thanks thank thx ty tysm cya later soon again care luck congrats congratulations sorry please "
    "hallo moin servus tschüss danke bitte bonjour salut merci hola gracias adiós adios ciao grazie olá obrigado "
    "obrigada привет спасибо пока".split()
)
"""Words of greeting and leave, behind which a name only says who is meant."""
_ASSENT = frozenset(
    "ok okay okey k kk yes yeah yea yep yup yess no nope nah sure alright aight right exactly totally absolutely "
    "definitely indeed agreed agree noted roger ack understood true same cool nice great good fine perfect awesome "
    "amazing wonderful lovely fantastic excellent brilliant sweet super neat wow whoa ooh oh ah aha aw aww hm hmm hmmm "
    "mm mhm uh um er erm eh huh lol lmao rofl haha hehe hihi yay woo woohoo hooray oops ouch ugh meh gosh omg np nvm "
    "idk imo brb gg course problem worries worry welcome anytime pleasure glad happy "
    "ja nein doch genau klar gut oui non d'accord bien sí si vale bueno bene va bom sim não да нет хорошо".split()
)
_FILLERS = frozenset(
    "got get gotcha go going gonna gotta see ya u ur em keep take let lets know think guess hope wait sounds sound "
    "looks look feel thing things stuff much way well yet ever really actually still maybe perhaps anyway like love "
    "day time long been lot bit kidding talk chat hear up out back done do did does dont cant im its thats isn wasn "
    "aren weren doesn didn couldn wouldn shouldn won haven hasn hadn ain".split()
)
_BEYOND_LATIN = frozenset(
    "好 好的 是 是的 对 嗯 谢谢 你好 再见 はい いいえ ありがとう こんにちは 네 감사합니다 안녕".split()
)
EMPTY = frozenset(FUNCTION_WORDS) | _GREETINGS | _ASSENT | _FILLERS | _BEYOND_LATIN
"""Words that carry nothing by themselves."""
_SOCIAL = _GREETINGS | _ASSENT | _BEYOND_LATIN

_WORD = re.compile(r"[^\W_]+")
_LAUGHTER = re.compile(
    r"(?:bw|mw)?a?(?:h+[aeio]){2,}h*|(?:j[aei]){2,}|(?:lo)+l+|x+d+|a*h+|([a-z])\1{2,}|[a-z]([aeouhmwyz])\2{2,}[a-z]?"
)
_CONTENT = re.compile(r"https?://|www\.|[\w.+-]@\w|\d|[#$€£%]\w|\w[/\\_]\w")
"""What is no word and still says something: an address, a number, a tag, a path."""


def noise(text: str) -> Noise | None:
    """The reason for which this is noise, or None."""
    stripped = text.strip()
    if stripped in ("+1", "-1"):
        return Noise.PLEASANTRY
    words = list(_WORD.finditer(stripped))
    if not words:
        return Noise.SYMBOLS
    if _CONTENT.search(stripped):
        return None
    if len(stripped) >= REPEATING_CHARACTERS and entropy(stripped.casefold()) < REPEATING_BITS:
        return Noise.REPETITION
    if len(stripped) > LONGEST:
        return None
    social = False
    before: re.Match[str] | None = None
    for word in words:
        folded = word[0].casefold()
        laughs = _LAUGHTER.fullmatch(folded) is not None
        if folded not in EMPTY and not laughs and not _calls(stripped, before, word):
            return None
        social = social or laughs or folded in _SOCIAL
        before = word
    return Noise.PLEASANTRY if social else Noise.EMPTY_WORDS


def _calls(text: str, before: re.Match[str] | None, word: re.Match[str]) -> bool:
    """Whether the word is a name that somebody is called by: "Hey Ada", "Bye, Jon!"."""
    if before is None or not word[0][:1].isupper() or before[0].casefold() not in _GREETINGS:
        return False
    between, after = text[before.end() : word.start()].strip(), text[word.end() :].lstrip()
    return between in ("", ",") and not _WORD.match(after)


def entropy(text: str) -> float:
    """Bits that a character of the text carries, by how often each occurs in it."""
    total = len(text)
    return -sum(count / total * math.log2(count / total) for count in Counter(text).values())
