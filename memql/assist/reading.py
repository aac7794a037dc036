"""A text as far as it goes: its tokens, its brackets, and what the grammar would let come next.

Works on unfinished and on broken texts: what cannot be read is stepped over, and reading begins anew at the next
clause.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from memql.grammar import Tables, tables
from memql.lexer import HARD, NESTING, PAIRS, SOFT, Token, pieces, taken_apart
from memql.misreading import accepted_in, shift, usable

Role: TypeAlias = Literal["word", "property", "label", "relation", "key", "taken", "new"]
"""What a name stands for where it stands. `key`: of a map literal or of a pattern's map; `taken`: of a map projection;
`new`: it is given here, behind AS. Anything else is a `word`."""

CLAUSES = frozenset({"MATCH", "OPTIONAL", "WITH", "RETURN", "UNWIND", "UNION", "SEARCH", "CALL"})
WRITES = frozenset({"REMEMBER", "CORRECT", "SUPERSEDE", "LINK", "FORGET"})
OPENS = frozenset("([{")
CLOSES = {")": "(", "]": "[", "}": "{"}
_SUBQUERIES = frozenset({"EXISTS", "COUNT", "COLLECT", "CALL"})
_STACKS = 24
"""Ways to read a text that are followed at once: brackets that may begin a pattern make two of one."""
_DEEP = 5 * NESTING
"""States of a parser that is deeper in brackets than any query may be."""
NEAR = 64
"""Tokens that are looked back on for what a name is: more than anybody writes of labels."""


class Reading:
    """The tokens of a text without its comments. `opener[n]`: the place of the bracket that token n stands in, -1 for
    none; `opener` has one more, for what comes behind. `partner`: of each matched bracket the other."""

    def __init__(self, given: Sequence[Token]) -> None:
        self.tokens = [token for token in given if token.type != "COMMENT"]
        self.opener: list[int] = []
        self.partner: dict[int, int] = {}
        opened: list[int] = []
        waiting = Counter[str]()
        for place, token in enumerate(self.tokens):
            if token.type in CLOSES:
                wanted = CLOSES[token.type]
                if waiting[wanted]:
                    while (match := opened.pop()) >= 0:
                        waiting[self.tokens[match].type] -= 1
                        if self.tokens[match].type == wanted:
                            break
                    self.partner[match], self.partner[place] = place, match
            self.opener.append(opened[-1] if opened else -1)
            if token.type in OPENS:
                opened.append(place)
                waiting[token.type] += 1
        self.opener.append(opened[-1] if opened else -1)
        self.open = bool(opened)

    def type(self, place: int) -> str:
        """The type of the token there; nothing where there is none."""
        return self.tokens[place].type if 0 <= place < len(self.tokens) else ""

    def is_name(self, place: int) -> bool:
        """Whether a variable may be called so."""
        return 0 <= place < len(self.tokens) and named(self.tokens[place])

    def is_word(self, place: int) -> bool:
        """Whether a label, a kind or a property may be called so."""
        return self.is_name(place) or self.type(place) in HARD

    def begins_clause(self, place: int) -> bool:
        """Whether a clause begins with that token: no bracket but that of a subquery is open, and it is no name."""
        token = self.tokens[place]
        word = token.text.upper()
        if token.type not in CLAUSES and token.type not in WRITES and word != "CALL":
            return False
        if self.type(place - 1) in (".", ":", "AS") or (token.type in WRITES and not self._acts(place)):
            return False
        at = self.opener[place]
        return at < 0 or self.is_subquery(at)

    def _acts(self, place: int) -> bool:
        """Whether the word of a verb is one there: what it acts on comes next, or is still to be written."""
        follows = self.type(place + 1)
        return follows in ("", "(", "PATTERN") or self.is_name(place + 1)

    def is_subquery(self, brace: int) -> bool:
        """Whether the bracket there encloses a pattern or a query."""
        if self.type(brace) != "{":
            return False
        before = brace - 1
        if self.type(before) == ")" and before in self.partner:
            before = self.partner[before] - 1
            return before >= 0 and self.tokens[before].text.upper() == "CALL"
        return before >= 0 and self.tokens[before].text.upper() in _SUBQUERIES

    def is_relation(self, bracket: int) -> bool:
        """Whether the bracket there encloses what is said of a relation."""
        return self.type(bracket) == "[" and self.type(bracket - 1) == "-" and self.type(bracket - 2) in (")", "<", "")

    def is_node(self, bracket: int) -> bool:
        """Whether the bracket there may enclose what is said of a node: it holds no arguments."""
        return self.type(bracket) == "(" and self.type(bracket - 1) not in ("IDENT", "QUOTED")

    def colon(self, place: int) -> int | None:
        """The colon behind which labels stand, where the name there is one of them."""
        at, found = place - 1, None
        if self.type(at) not in (":", "|", "&", "!"):
            return None
        while at >= max(0, place - NEAR):
            if self.type(at) == ":":
                found = at
                if not (self.is_word(at - 1) and self.type(at - 2) in (":", "|", "&", "!")):
                    break
            elif self.type(at) not in ("|", "&", "!", "%", "BAR") and not self.is_word(at):
                break
            at -= 1
        return found

    def role(self, place: int) -> Role:
        """As what a name would stand at that place; the token there is not looked at."""
        before = self.type(place - 1)
        opener = self.opener[place] if place < len(self.opener) else -1
        brace = self.type(opener) == "{" and not self.is_subquery(opener)
        if before == ".":
            return "taken" if brace and self.type(place - 2) in ("{", ",") else "property"
        if before == "AS":
            return "new"
        if brace and before in ("{", ","):
            return "key"
        colon = self.colon(place)
        if colon is None:
            return "word"
        around = self.opener[colon]
        if self.type(around) == "{" and not self.is_subquery(around) and self.type(colon - 2) in ("{", ","):
            return "word"  # The value of a map's key.
        return "relation" if self.is_relation(around) else "label"

    def described(self, brace: int) -> int | None:
        """The bracket of the node or relation that the map beginning there describes."""
        around = self.opener[brace]
        if around < 0 or not (self.is_relation(around) or self.is_node(around)):
            return None
        inside = range(max(around + 1, brace - NEAR), brace)
        said = all(self.is_word(at) or self.type(at) in (":", "|", "&", "!", "*", "..", "INT") for at in inside)
        return around if said else None


def named(token: Token) -> bool:
    """Whether the token may be the name of a variable, also where it looks like a keyword."""
    return token.type in ("IDENT", "QUOTED") or token.type in SOFT


def read(text: str) -> Reading:
    return Reading(pieces(text))


def accepted(given: Sequence[Token]) -> frozenset[str]:
    """Every terminal that could come behind these tokens."""
    table = tables()
    states = _walked(table, given)
    return frozenset(kind for each in states for kind in accepted_in(table, each))


def readable(given: Sequence[Token]) -> bool:
    """Whether these tokens could be the beginning of a query."""
    return bool(_followed(tables(), [[tables().starts["statement"]]], given)[0])


def _walked(table: Tables, given: Sequence[Token]) -> list[list[int]]:
    """The states in which a parser could be behind these tokens. Where none could, from the last clause that can be
    read to here."""
    start = [[table.starts["statement"]]]
    states, reached = _followed(table, start, given)
    while not states:
        begin = next((at for at in range(reached + 1, len(given)) if given[at].type in CLAUSES), len(given))
        if begin == len(given):
            return []
        given = given[begin:]
        states, reached = _followed(table, start, given)
    return states


def _followed(table: Tables, start: list[list[int]], given: Sequence[Token]) -> tuple[list[list[int]], int]:
    """The states behind the tokens, or none and the place of the token that none of them can read."""
    states = start
    for place, token in enumerate(given):
        after: dict[tuple[int, ...], list[int]] = {}
        for each in states:
            for made in _after(table, each, token):
                after[tuple(made)] = made
        if not after:
            return [], place
        states = list(after.values())[:_STACKS]
    return states, len(given)


def _after(table: Tables, states: list[int], token: Token) -> Iterator[list[int]]:
    row = table.rows[states[-1]]
    kinds = [kind] if (kind := usable(row, token)) else []
    if token.type == "(" and "PATTERN" in row:
        kinds.append("PATTERN")
    if token.type == "|" and "BAR" in row:
        kinds.append("BAR")
    for kind in kinds:
        made = list(states)
        if len(states) < _DEEP and shift(table, made, kind):
            yield made
    if not kinds and token.type in PAIRS.values():
        first, second = taken_apart(token)
        for one in _after(table, states, first):
            yield from _after(table, one, second)
