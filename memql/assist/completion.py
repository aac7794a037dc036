"""What could be written at a place of an unfinished query: names of the catalog and of the query, functions, keywords.

What the grammar would take next is asked of the parser's own tables; which names fit, of the tokens around.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from memql.assist.keywords import FUSIONS, SAID, STAGES
from memql.assist.properties import properties_of
from memql.assist.reading import Reading, accepted, named, read
from memql.assist.sight import Known, parameter_type, seen, spelt, type_before
from memql.catalog import WORDED, Catalog
from memql.functions import AGGREGATES, FUNCTIONS, SCORES
from memql.lexer import HARD, PAIRS, Token, pieces
from memql.misreading import MEMQL
from memql.types import Type
from memql.values import ASKED

Sort: TypeAlias = Literal["keyword", "label", "relation", "property", "function", "variable", "parameter", "type"]

MOST = 200
"""Suggestions that are given: a person reads the first dozen."""
_WORD = re.compile(r"[^\W\d]\w*\Z")
_PARAMETER = re.compile(r"\$\w*\Z")
_PARAMETER_TYPE = re.compile(r"\$\w+\s*::\s*(\w*)\Z")
_PARAMETERS = re.compile(r"\$([^\W\d]\w*)((?:\s*::\s*[^\W\d]\w*(?:\s*\[\s*\])?\s*\??)?)")
_TAIL = re.compile(r"\w*")
_PLAIN = re.compile(r"[^\W\d]\w*\Z")
_FIRST = {first for first, _ in PAIRS}


@dataclass(frozen=True, slots=True)
class Completion:
    """`text` stands for what is written from `start` to `end`. `detail` is a type or a signature."""

    text: str
    kind: Sort
    detail: str
    description: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where something is to be completed: the word begun there, and the tokens before it."""

    text: str
    word: str
    start: int
    end: int
    reading: Reading
    catalog: Catalog

    @property
    def place(self) -> int:
        return len(self.reading.tokens)

    @property
    def before(self) -> Token | None:
        return self.reading.tokens[-1] if self.reading.tokens else None

    def sight(self) -> Mapping[str, Known]:
        return seen(self.reading, self.catalog, self.place)

    def named(self, text: str, kind: Sort, detail: str = "", description: str = "") -> Completion:
        return Completion(text, kind, detail, description, self.start, self.end)


def complete(
    text: str, offset: int, catalog: Catalog, parameters: Mapping[str, str] | None = None
) -> tuple[Completion, ...]:
    """What could stand at that place of the text, the likeliest first. `parameters`: those that are at hand, each with
    what is said of it."""
    offset = max(0, min(offset, len(text)))
    tail = _TAIL.match(text, offset)
    end = tail.end() if tail else offset
    for pattern, suggest in ((_PARAMETER_TYPE, _parameter_types), (_PARAMETER, _parameters)):
        if begun := pattern.search(text, 0, offset):
            start = begun.start(1) if pattern.groups else begun.start()
            spot = _Spot(text, text[start:offset], start, end, read(text[:start]), catalog)
            return () if _inside(text, begun.start()) else _fitting(spot, suggest(spot, parameters or {}))
    word = _WORD.search(text, 0, offset)
    start = word.start() if word else offset
    given = pieces(text[:start])
    if given and (_within(text, given[-1], start) or (word is None and _touches(text, offset))):
        return ()
    spot = _Spot(text, text[start:offset], start, end, Reading(given), catalog)
    return _fitting(spot, _suggestions(spot, parameters or {}))


def _inside(text: str, start: int) -> bool:
    given = pieces(text[:start])
    return bool(given) and _within(text, given[-1], start)


def _within(text: str, last: Token, start: int) -> bool:
    """Whether a place right behind that token is inside a text or a comment."""
    if last.type == "UNCLOSED":
        return last.end == start or last.text.startswith("/*")
    return last.type == "COMMENT" and last.text.startswith("//") and "\n" not in text[last.end : start]


def _touches(text: str, offset: int) -> bool:
    """Whether something is complete right before: there a space comes first."""
    return offset > 0 and (text[offset - 1].isalnum() or text[offset - 1] in "_)]}'\"`")


def _suggestions(spot: _Spot, parameters: Mapping[str, str]) -> Iterator[Completion]:
    reading = spot.reading
    match reading.role(spot.place):
        case "property":
            of = type_before(reading, spot.catalog, spot.sight(), spot.place - 1)
            yield from list(_parts(spot)) or _properties(spot, of)
        case "taken":
            at = reading.opener[spot.place] - 1
            known = spot.sight().get(spelt(reading.tokens[at])) if reading.is_name(at) else None
            yield from _properties(spot, known.type if known else Type("any"))
        case "key":
            yield from _keys(spot)
        case "relation":
            yield from _relation_kinds(spot)
        case "label":
            colon = reading.colon(spot.place)
            name = spelt(reading.tokens[colon - 1]) if colon and reading.is_name(colon - 1) else ""
            known = spot.sight().get(name)
            yield from _relation_kinds(spot) if known and known.type.name == "relation" else _labels(spot)
        case "new":
            return
        case _:
            yield from _words(spot, parameters)


# Names of the catalog


def _labels(spot: _Spot) -> Iterator[Completion]:
    for kind in spot.catalog.kinds.values():
        yield spot.named(kind.name, "label", "kind", kind.description)
    for label in sorted(spot.catalog.labels):
        yield spot.named(label, "label", "label")


def _relation_kinds(spot: _Spot) -> Iterator[Completion]:
    for kind in spot.catalog.relations.values():
        yield spot.named(kind.name, "relation", "relation", kind.description)


def _properties(spot: _Spot, of: Type, behind: str = "") -> Iterator[Completion]:
    for each in properties_of(spot.catalog, of):
        yield spot.named(each.name + behind, "property", each.type, each.said)


def _keys(spot: _Spot) -> Iterator[Completion]:
    """The keys of a map: of a pattern's, properties; of a projection's, also variables."""
    reading, brace = spot.reading, spot.reading.opener[spot.place]
    described = reading.described(brace)
    if described is not None:
        of = Type("relation") if reading.is_relation(described) else Type("node")
        names = [at for at in range(described + 1, brace) if reading.is_word(at)]
        kinds = [spelt(reading.tokens[at]) for at in names if reading.type(at - 1) in (":", "|")]
        known = spot.sight().get(spelt(reading.tokens[names[0]])) if names and not kinds else None
        if known and known.type.kinds:
            kinds = list(known.type.kinds)
        every = spot.catalog.relations if of.name == "relation" else spot.catalog.kinds
        found = frozenset(kinds)
        yield from _properties(spot, Type(of.name, kinds=found if found and found <= every.keys() else None), ": ")
    elif reading.is_name(brace - 1):
        yield from _variables(spot)


# Names of the query


def _variables(spot: _Spot, types: Iterable[str] = ()) -> Iterator[Completion]:
    wanted = {*types, "any"} if types else None
    found = [each for each in spot.sight().values() if each.name and (wanted is None or each.type.name in wanted)]
    for each in sorted(found, key=lambda known: not known.column):
        kinds = "|".join(sorted(each.type.kinds)) if each.type.kinds else ""
        detail = kinds or ("" if each.type.name == "any" else str(each.type))
        yield spot.named(quoted(each.name), "variable", detail, "column" if each.column else "")


def quoted(name: str) -> str:
    """The name as it is written: in backquotes where it would be read as something else."""
    return name if _PLAIN.match(name) and name.upper() not in HARD else f"`{name.replace('`', '``')}`"


def _parameters(spot: _Spot, given: Mapping[str, str]) -> Iterator[Completion]:
    found = dict(given)
    for written in _PARAMETERS.finditer(spot.text):
        if written.start() != spot.start:
            found[written[1]] = str(parameter_type(written[0])) if written[2] else found.get(written[1], "")
    for name, detail in found.items():
        yield spot.named(f"${name}", "parameter", detail)


def _parameter_types(spot: _Spot, given: Mapping[str, str]) -> Iterator[Completion]:
    for name in ("str", "int", "bool", "vector", *ASKED):
        yield spot.named(name, "type")


# Words


def _words(spot: _Spot, parameters: Mapping[str, str]) -> Iterator[Completion]:
    reading, before = spot.reading, spot.before
    if (kinds := _searched(spot)) is not None:
        yield from _worded(spot, kinds)
        return
    if before is not None and before.type == "FUSE":
        for how, said in FUSIONS.items():
            yield spot.named(how, "keyword", "", said)
        return
    pairs = list(_pairs(spot, before)) if before is not None and before.text.upper() in _FIRST else []
    yield from pairs
    possible = accepted(reading.tokens)
    if pairs and not possible:
        return
    if before is not None and before.type == "EXPLAIN":
        for name, said in STAGES.items():
            yield spot.named(name, "keyword", "", said)
    value = {"INT", "STRING"} <= possible or not possible
    if value:
        yield from _variables(spot)
        yield from _parameters(spot, parameters)
        yield from _functions(spot)
    elif "IDENT" in possible and before is not None:
        around = reading.opener[spot.place]
        if reading.is_node(around) or before.type == "SEARCH":
            yield from _variables(spot, ("node",))
        elif before.type == "[":
            yield from _variables(spot, ("relation",))
        else:
            yield from _variables(spot)
    every = MEMQL if not possible else {kind: MEMQL[kind] for kind in possible if kind in MEMQL}
    begun = {pair.text for pair in pairs}
    for word in sorted(set(every.values()) - begun, key=_commonness):
        for phrase in _PHRASES.get(word, (word,)):
            yield spot.named(phrase, "keyword", "", SAID.get(phrase, ""))


def _searched(spot: _Spot) -> frozenset[str] | None:
    """The kinds of what is searched, where a property is named behind ON; none of them: any. None anywhere else."""
    tokens = spot.reading.tokens
    at = len(tokens) - 1
    while at > 1 and tokens[at].type == "," and named(tokens[at - 1]):
        at -= 2
    if at < 1 or tokens[at].type != "ON":
        return None
    begin = max((n for n, token in enumerate(tokens) if token.type == "SEARCH"), default=-1)
    if begin < 0:
        return None
    first = next((n for n in range(begin, at) if tokens[n].type in ("SIMILAR_TO", "MATCHES")), at)
    return frozenset(spelt(token) for token in tokens[begin + 2 : first]) & spot.catalog.kinds.keys()


def _worded(spot: _Spot, kinds: frozenset[str]) -> Iterator[Completion]:
    """Properties that have words."""
    for kind in spot.catalog.kinds.values():
        for each in kind.properties.values() if not kinds or kind.name in kinds else ():
            if each.type in WORDED:
                yield spot.named(quoted(each.name), "property", each.type, each.description)


def _pairs(spot: _Spot, first: Token) -> Iterator[Completion]:
    """Two words that are one keyword, where the first of them is there."""
    possible = accepted(spot.reading.tokens[:-1])
    for (one, _), kind in PAIRS.items():
        if (
            one == first.text.upper()
            and kind in MEMQL
            and kind in possible
            and "\n" not in spot.text[first.start : spot.start]
        ):
            said = SAID.get(MEMQL[kind], "")
            yield Completion(MEMQL[kind], "keyword", "", said, first.start, spot.end)


_COMMON = tuple(SAID)
_PHRASES = {"OPTIONAL": ("OPTIONAL MATCH",), "IS": ("IS NULL", "IS NOT NULL"), "UNION": ("UNION", "UNION ALL")}
"""Keywords that are of no use alone."""


def _commonness(word: str) -> tuple[int, str]:
    if word in ("WHEN", "THEN", "ELSE", "END"):
        return (-1, word)  # A CASE is open, and waits for them.
    return (_COMMON.index(word) if word in _COMMON else len(_COMMON), word)


def _functions(spot: _Spot) -> Iterator[Completion]:
    for aggregate in AGGREGATES.values():
        yield spot.named(f"{aggregate.name}(", "function", aggregate.signature(), aggregate.doc)
    for function in FUNCTIONS.values():
        opening = "(" if function.takes else "()"
        yield spot.named(f"{function.name}{opening}", "function", function.signature(), function.doc)
    for name, part in SCORES.items():
        yield spot.named(f"{name}(", "function", f"{name}(variable) → float", f"what SEARCH gave it: {part}")


def _parts(spot: _Spot) -> Iterator[Completion]:
    """What may follow `score.` or `duration.`, where no variable is called so."""
    at = spot.place - 2
    before = spelt(spot.reading.tokens[at]) if at >= 0 else ""
    if before and before not in spot.sight():
        for each in _functions(spot):
            head, _, rest = each.text.partition(".")
            if rest and head == before.lower():
                yield replace(each, text=rest)


# Choosing


def _fitting(spot: _Spot, found: Iterable[Completion]) -> tuple[Completion, ...]:
    """Those that the word could become: first what begins so, then what has it at the beginning of a later part."""
    once = list(dict.fromkeys(found))
    if not spot.word:
        return tuple(once[:MOST])
    begun = spot.word.lower()
    start = [each for each in once if _whole(spot, each).lower().startswith(begun)]
    later = [each for each in once if each not in start and _has_part(each.text.lower(), begun)]
    exact = sorted(start, key=lambda each: (not each.text.startswith(spot.word), each.text.lower() != begun))
    return tuple([*exact, *later][:MOST])


def _whole(spot: _Spot, each: Completion) -> str:
    """What is compared with the word: of a pair whose first word is there already, the second."""
    return each.text.partition(" ")[2] if each.start != spot.start else each.text


def _has_part(name: str, begun: str) -> bool:
    return any(part.startswith(begun) for part in re.split(r"[_ .$]", name)[1:])
