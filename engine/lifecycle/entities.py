"""What a text names, by pattern: runs of capitals, addresses, tickets, handles. Pure, and careful rather than complete.

A capital says little where every word may have one: at the start of a sentence, in a heading, in a language that
writes its nouns so. There a word alone is no name, unless the same text has it elsewhere or it is known already (see
`gazetteer`). Amounts and dates are no entities: they would be hubs that join what has nothing in common.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from engine.lifecycle.noise import EMPTY
from engine.texts import FUNCTION_WORDS

LONGEST_NAME = 120
"""Characters of a name; what is longer is a line of something else."""
WORDS_IN_A_NAME = 8
"""So many words at most: "Museum of Modern Art of New York City" has them."""
LONGEST_ACRONYM = 3
"""Letters of a word in capitals that is taken for a name; longer ones are said aloud, unless nobody could say them."""


@dataclass(frozen=True, slots=True)
class Named:
    """A name as it stands in a text, and what sort of thing it is, where the pattern says that."""

    name: str
    category: str | None
    start: int


_URL = re.compile(r"https?://[^\s<>\"'`|\\^{}]+", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}(?![\w-])")
_HANDLE = re.compile(r"(?<![\w@./])@([^\W\d_][\w-]{1,38}\w)")
_TICKET = re.compile(r"(?<![\w-])([A-Z][A-Z0-9]{1,9})-\d{1,6}(?![\w-])")
_STANDARDS = frozenset("UTF ISO SHA RFC GPT COVID MD AES RSA HTTP TLS IEEE DIN EN USB MP PEP ES CVE".split())
"""What has a number behind it and is no ticket."""
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_WORD = re.compile(r"[^\W_]+(?:[-'’&][^\W_]+|\.[a-z]{2,3}(?![a-z]))*")
_CONTRACTED = re.compile(r"['’](?:m|d|s|t|ve|ll|re)\Z|n['’]t\Z")
_STATES = frozenset("NEW OLD END BUG TAP HOT OFF RUN MAX MIN SET ERR BAD TOO ADD SUM ACK".split())
"""Short words as programs say them."""
_LETTERS = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_VOWEL = re.compile("[aeiouy]")
_POSSESSIVE = re.compile(r"['’][sS]?\Z")
_ENDS_SENTENCE = re.compile(r"[.!?…:;\n\r\"“”«»()\[\]{}*•|>—–]|^\s*-\s|\s-\s")
_TITLES = frozenset("dr mr mrs ms mx prof st sir sgt capt lt col gen rev hon".split())
_JOINS = frozenset("of the de la le du des del della di da dos das van von der den ter zu y e".split())

_TIMES = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays "
    "sundays weekday weekdays weekend weekends mon tue tues wed thu thur thurs fri sat sun january "
    "february march april may june july august september october november december jan feb mar apr jun jul aug sep "
    "sept oct nov dec today yesterday tomorrow tonight am pm utc gmt cet cest est edt pst pdt q1 q2 q3 q4".split()
)
_NO_NAMES = frozenset(
    "not never "
    "hi hey hello dear thanks thank thx cheers bye goodbye welcome congrats congratulations sorry please morning "
    "afternoon evening yes yeah yep yup no nope ok okay sure right well oh ah aha wow whoa yay cool nice great good "
    "awesome perfect exactly absolutely definitely totally lol lmao rofl omg btw fyi imo imho tbh afaik asap tldr eta "
    "rip wtf brb idk ps nb todo fixme wip lgtm eod eow aka etc eg ie vs faq diy rsvp tba tbd tbc n/a na ooo "
    "let lets let's maybe perhaps however meanwhile otherwise anyway besides also still though although since because "
    "unless until while whenever wherever whatever whoever somebody someone something anybody anyone anything nobody "
    "nothing everybody everyone everything another many several two three four five six seven eight nine ten first "
    "second third next last finally then today's one ones mom mum mommy mummy dad daddy grandma grandpa granny god "
    "tv pc id api cpu gpu ram ui ux os ai ml it hr pr qa ceo cto cfo vp json xml yaml csv html css http https url sql "
    "eur usd gbp chf jpy aud cad kn kw kwh mw mwh kva khz mhz ghz kb mb gb tb mm cm km kg ml dn "
    "tcp ip ssh dns ssl tls cli sdk ide ci cd db usb pdf faqs ids prs apis urls "
    "error warning info debug note exception traceback true false none null yes/no".split()
)
"""Words that are written with a capital, or in capitals, without being names."""
_OPENERS = frozenset(
    "ask tell check use meet call email mail text ping see visit try add fix run make move open close send give show "
    "take put get find keep bring buy book remind invite review merge deploy ship update upgrade install remove "
    "delete set start stop restart watch read write play join leave follow help wait look listen think remember "
    "forget imagine guess hope love like hate want need pick choose plan prepare order pay sell switch turn change "
    "replace rename drop bump roll push pull test build create draft finish share post reply talk speak say consider "
    "suppose assume given thinking according regarding despite including apart instead same fwiw heard saw met told "
    "asked called got went came found made took left just only even both either neither every each any some".split()
)
"""What a sentence may open with before a name: "Ask Ada", "Both Ada and Bo"."""
_SMALL = frozenset("the an and or of to in for on with at by from is are was your our my you how what why do".split())
"""Words that have a capital in headings alone."""
_FUNCTION = frozenset(FUNCTION_WORDS)
_NEVER = _FUNCTION | _TIMES | _NO_NAMES


def named(text: str) -> list[Named]:
    """What the text names, in the order of first mention, each once."""
    found: list[Named] = []
    rest = _CODE.sub(_blank, text)
    for match in _URL.finditer(rest):
        found.append(Named(_address(match[0]), "url", match.start()))
    rest = _URL.sub(_blank, rest)
    for match in _EMAIL.finditer(rest):
        found.append(Named(match[0].lower(), "email", match.start()))
    rest = _EMAIL.sub(_blank, rest)
    for match in _HANDLE.finditer(rest):
        found.append(Named(match[1], "person", match.start()))
    rest = _HANDLE.sub(_blank, rest)
    for match in _TICKET.finditer(rest):
        found.append(Named(match[0], None if match[1] in _STANDARDS else "ticket", match.start()))
    found += _capitalised(_TICKET.sub(_blank, rest))
    once: dict[str, Named] = {}
    for each in sorted(found, key=lambda each: each.start):
        if 1 < len(each.name) <= LONGEST_NAME:
            once.setdefault(each.name.casefold(), each)
    return list(once.values())


def _blank(match: re.Match[str]) -> str:
    """What was taken is a gap, and ends a sentence: no name runs across it."""
    return "|" * len(match[0])


def _address(url: str) -> str:
    """The URL without what a sentence hangs onto it, its fragment, and a last slash."""
    url = url.rstrip(".,;:!?")
    if url.endswith(")") and "(" not in url:
        url = url.rstrip(")")
    return url.partition("#")[0].rstrip("/")


# Runs of capitals


@dataclass(slots=True)
class _Token:
    word: str
    folded: str
    start: int
    end: int
    opens: bool
    """Whether a sentence begins here."""
    shaped: bool
    """A capital where only a name has one: GitHub, iPhone, NBA."""
    nameable: bool
    """Whether it may be part of a name."""

    @property
    def initial(self) -> bool:
        """A letter, or a number such as Q3: part of a name, but none."""
        return sum(map(str.isalpha, self.word)) < 2


def _token(word: str, start: int, opens: bool) -> _Token:
    folded, lower = word.casefold(), word.lower()
    if word == lower:
        return _Token(word, folded, start, start + len(word), opens, False, False)
    shaped = word[1:] != lower[1:] or (word[0] != lower[0] and "." in word)
    if len(word) == 1:
        nameable = word not in "IA"
    elif word.isupper() and (
        word in _STATES or (_LETTERS.fullmatch(word) and len(word) > LONGEST_ACRONYM and _VOWEL.search(lower))
    ):
        nameable = False
    else:
        nameable = _CONTRACTED.sub("", folded) not in _NEVER and _TIMES.isdisjoint(folded.split("-"))
    return _Token(word, folded, start, start + len(word), opens, shaped, nameable)


def _capitalised(text: str) -> Iterator[Named]:
    for line, at in _lines(text):
        tokens = _tokens(line, at)
        if _says_nothing(line, tokens):
            continue
        elsewhere = {token.folded for token in tokens if token.nameable and not token.opens}
        nouns = _every_noun(tokens)
        for run in _runs(text, tokens):
            if all(token.initial for token in run):
                continue
            if len(run) == 1 and not run[0].shaped and (nouns or (run[0].opens and run[0].folded not in elsewhere)):
                continue
            name = " ".join(text[run[0].start : run[-1].end].split())
            yield Named(name, None, run[0].start)


def _lines(text: str) -> Iterator[tuple[str, int]]:
    at = 0
    for line in text.splitlines(keepends=True):
        yield line, at
        at += len(line)


def _tokens(line: str, at: int) -> list[_Token]:
    tokens: list[_Token] = []
    end = 0
    for match in _WORD.finditer(line):
        between = line[end : match.start()]
        titled = tokens and tokens[-1].folded in _TITLES and between.strip() == "."
        opens = not tokens or (not titled and _ENDS_SENTENCE.search(between) is not None)
        tokens.append(_token(_POSSESSIVE.sub("", match[0]), at + match.start(), opens))
        end = match.end()
    return tokens


def _says_nothing(line: str, tokens: list[_Token]) -> bool:
    """Whether capitals mean nothing in this line: all in capitals, or a heading that has them on small words too."""
    letters = [character for character in line if character.isalpha()]
    if len(tokens) > 2 and sum(map(str.isupper, letters)) > 0.6 * len(letters):
        return True
    small = [token for token in tokens if not token.opens and token.folded in _SMALL]
    return any(token.word != token.folded and not token.word.isupper() for token in small) and len(tokens) > 2


def _every_noun(tokens: list[_Token]) -> bool:
    """Whether many words have a capital and few are English: then they may be nouns as well as names."""
    capitals = sum(token.nameable and not token.opens for token in tokens)
    english = sum(token.folded in _FUNCTION for token in tokens)
    return len(tokens) >= 8 and capitals > 0.25 * len(tokens) and english < 0.15 * len(tokens)


def _runs(text: str, tokens: list[_Token]) -> Iterator[list[_Token]]:
    """Names word by word: what stands together, with such small words as "of" between."""
    at = 0
    while at < len(tokens):
        if not tokens[at].nameable or _only_opens(tokens, at):
            at += 1
            continue
        run, ahead = [tokens[at]], at + 1
        while ahead < len(tokens) and ahead - at < WORDS_IN_A_NAME:
            joined = ahead
            while joined < len(tokens) and tokens[joined].word in _JOINS and joined - ahead < 2:
                joined += 1
            last = min(joined, len(tokens) - 1)
            if not tokens[last].nameable or not _together(text, tokens[ahead - 1 : last + 1]):
                break
            run += tokens[ahead : last + 1]
            ahead = last + 1
        yield run
        at = ahead


def _only_opens(tokens: list[_Token], at: int) -> bool:
    """Whether the capital is the sentence's and the name comes after: "Ask Ada", "Visiting Ada"."""
    token = tokens[at]
    if not token.opens or token.shaped:
        return False
    return token.folded in _OPENERS or token.folded in EMPTY or token.folded.endswith(("ing", "ly", "ed"))


def _together(text: str, tokens: list[_Token]) -> bool:
    """Whether only a space is between each of these and the next, or an ampersand, or the point of a title."""
    return all(
        not after.opens and text[one.end : after.start].strip() in ("", "&", "." if one.folded in _TITLES else "")
        for one, after in pairwise(tokens)
    )
