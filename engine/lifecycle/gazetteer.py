"""The names that a tenant knows: its entities and their aliases, found in a text as whole words, the longest first.

Names are kept apart by whose they are and for whom (owner and domain); what is the organization's is known to all. A
name that is also an ordinary word ("Will", "Slack") counts only as it is written, and not where any word would have a
capital.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.decide.view import ItemState
from engine.texts import FUNCTION_WORDS

ORGANIZATION = "organization"

_ORDINARY = frozenset(
    "will may mark rose hope grace faith joy bill art jack frank pat rob sue drew dean chase hunter carter mason page "
    "rich penny ruby pearl jade amber crystal dawn eve summer autumn winter april june august violet lily daisy iris "
    "ivy olive ginger basil sage robin jay wren miles grant pierce lance max major gene guy ray sky storm rocky sandy "
    "sunny rusty candy honey brandy sherry cherry melody harmony charity destiny star king prince duke earl gray "
    "apple amazon oracle target shell visa gap meta slack zoom teams word excel access outlook notion linear signal "
    "discord stripe square block box dash go rust swift spark beam flink hive elm flask dart nim basic scratch "
    "express next remix ember puppet chef salt vault nomad consul terraform jenkins travis atlas monday asana drive "
    "sheets docs calendar edge chrome safari brave opera java cocoa pages numbers keynote shortcuts home mail "
    "green brown black white young long short stone wood wells banks fields rivers hill lake bush rice cook baker "
    "smith taylor fisher price best sharp strong wise power love day case field field park parks mercury saturn "
    "china turkey jordan chad georgia paris nice reading bath cork mobile phoenix".split()
)
"""Names that are ordinary words as well, or the other way round."""
_FUNCTION = frozenset(FUNCTION_WORDS)
_WORD = re.compile(r"[^\W_]+")
_OPENED = re.compile(r"(?:\A|[.!?…:;\n\r\"“”«»()\[\]{}*•|>—])\s*\Z")
_ACRONYM = 3
"""Letters of a name in capitals that counts only as it is written: "IT", "WHO"."""


@dataclass(frozen=True, slots=True)
class Known:
    """An entity that can be linked to: by its id, or, when it is made in the same group, by its external key."""

    name: str
    id: str | None = None
    key: str | None = None
    category: str | None = None


BLOCKED = Known("")
"""Stands for a name whose entity was retired: it is neither mentioned nor made again."""


@dataclass(slots=True)
class _Surface:
    """One way in which an entity is called, and the pattern that finds it; made when it is first looked for."""

    text: str
    known: Known
    pattern: re.Pattern[str] | None = None

    def at(self, text: str, start: int) -> int:
        """Where it ends if it stands there, else 0."""
        if self.pattern is None:
            words = r"\s+".join(map(re.escape, self.text.split())).replace("'", "['’]").replace("’", "['’]")
            self.pattern = re.compile(rf"(?<!\w){words}(?![\w+#])", re.IGNORECASE)
        lead = _WORD.search(self.text)
        found = self.pattern.match(text, start - (lead.start() if lead else 0))
        return found.end() if found and self._fits(text, found) else 0

    def _fits(self, text: str, found: re.Match[str]) -> bool:
        written, folded = found[0], self.text.casefold()
        if folded in _FUNCTION or folded in _ORDINARY:
            as_written = written == self.text and any(map(str.isupper, written))
            return as_written and not _OPENED.search(text, max(0, found.start() - 8), found.start())
        return not (self.text.isupper() and len(self.text) <= _ACRONYM) or written == self.text


@dataclass(slots=True)
class Lexicon:
    """Names and what they stand for. Of two entities with one name the one that is added first has it."""

    _by_name: dict[str, Known] = field(default_factory=dict)
    _by_word: dict[str, list[_Surface]] = field(default_factory=dict)

    def add(self, name: str, known: Known) -> None:
        folded = fold(name)
        before = self._by_name.get(folded)
        if not folded or (before is not None and before is not BLOCKED):
            return
        self._by_name[folded] = known
        first = _WORD.search(folded)
        if known is not BLOCKED and first:
            surfaces = self._by_word.setdefault(first[0], [])
            surfaces.append(_Surface(name, known))
            surfaces.sort(key=lambda surface: -len(surface.text))

    def get(self, name: str) -> Known | None:
        return self._by_name.get(fold(name))

    def begins(self, word: str) -> bool:
        """Whether a name begins with that word."""
        return word in self._by_word

    def longest(self, word: str, text: str, start: int) -> tuple[int, Known | None]:
        """Where the longest name that begins with the word at that place ends, and whose it is."""
        for surface in self._by_word.get(word, ()):
            if end := surface.at(text, start):
                return end, surface.known
        return 0, None


def fold(name: str) -> str:
    """A name as it is compared: neither case nor the width of gaps tells two apart."""
    return " ".join(name.casefold().replace("’", "'").split())


def find(text: str, lexicons: Sequence[Lexicon]) -> Iterator[tuple[int, int, Known]]:
    """Each known name in the text: where it begins and ends, and whose it is. Of equally long ones, the first
    lexicon's."""
    over = 0
    for match in _WORD.finditer(text):
        word, start = match[0].casefold(), match.start()
        if start < over or not (knowing := [lexicon for lexicon in lexicons if lexicon.begins(word)]):
            continue
        found = [lexicon.longest(word, text, start) for lexicon in knowing]
        end, known = max(found, key=lambda each: each[0])
        if known is not None:
            over = end
            yield start, end, known


@dataclass(slots=True)
class _Held:
    state: ItemState
    successor: int


class Gazetteer:
    """All entities of a tenant by their names. Told of each version that comes; one thread.

    Of two entities with one name it means the one that people named rather than the one that was found in a text, and
    of two of a sort the older.
    """

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}
        self._of: dict[tuple[str, str], dict[int, None]] = {}
        self._lexicons: dict[tuple[str, str], Lexicon] = {}

    def __len__(self) -> int:
        return len(self._held)

    def learn(self, states: Sequence[ItemState], successors: Mapping[int, int]) -> None:
        """Takes newest versions of entities; `successors` says which identity took the place of a retired one."""
        for state in sorted(states, key=lambda state: state.root):
            fresh = state.root not in self._held
            held = self._held[state.root] = _Held(state, successors.get(state.root, 0))
            for scope in _scopes(state):
                roots = self._of.setdefault(scope, {})
                last = next(reversed(roots), 0)
                roots[state.root] = None
                lexicon = self._lexicons.get(scope)
                if fresh and found(state) and not state.retired and state.root > last and lexicon is not None:
                    self._name(lexicon, held)
                else:
                    # What a name stood for has changed, perhaps for other names too: made anew when asked for.
                    self._lexicons.pop(scope, None)

    def lexicons(self, owner: str, domain: str) -> tuple[Lexicon, Lexicon]:
        """The names of that owner and domain, and those of the organization."""
        return self._lexicon((owner, domain)), self._lexicon(("", ORGANIZATION))

    def _lexicon(self, scope: tuple[str, str]) -> Lexicon:
        if (lexicon := self._lexicons.get(scope)) is None:
            lexicon = self._lexicons[scope] = Lexicon()
            held = [self._held[root] for root in sorted(self._of.get(scope, ()))]
            for one in sorted(held, key=lambda one: (one.state.retired, found(one.state))):
                self._name(lexicon, one)
        return lexicon

    def _name(self, lexicon: Lexicon, held: _Held) -> None:
        known = self._stands_for(held)
        for name in _names(held.state):
            lexicon.add(name, known)

    def _stands_for(self, held: _Held) -> Known:
        """The entity itself, or what took its place, or nothing any more."""
        passed: set[int] = set()
        while held.state.retired and held.successor in self._held and held.successor not in passed:
            passed.add(held.successor)
            held = self._held[held.successor]
        if held.state.retired:
            return BLOCKED
        state, category = held.state, held.state.properties.get("category")
        return Known(
            str(state.properties.get("name", "")),
            id=state.id,
            category=category if isinstance(category, str) else None,
        )


def ordinary(name: str) -> bool:
    """Whether the name is an ordinary word as well, and so no alias to be made up."""
    return fold(name) in _ORDINARY or fold(name) in _FUNCTION


def key_of(name: str, domain: str) -> str:
    """The external key of an entity that was found in a text."""
    return f"{domain}/{fold(name)}"


def found(state: ItemState) -> bool:
    """Whether the entity is as it was found in a text: people have neither named it nor changed it."""
    name = state.properties.get("name")
    key = key_of(name, state.domain) if isinstance(name, str) else None
    return state.version == 1 and state.properties.get("external_key") == key


def _scopes(state: ItemState) -> list[tuple[str, str]]:
    own = (state.owner, state.domain)
    return [own, ("", ORGANIZATION)] if state.domain == ORGANIZATION else [own]


def _names(state: ItemState) -> list[str]:
    name, aliases = state.properties.get("name"), state.properties.get("aliases")
    names = [name, *(aliases if isinstance(aliases, list) else ())]
    return [each for each in names if isinstance(each, str)]
