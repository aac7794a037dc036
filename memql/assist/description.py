"""What the thing under the cursor is: a keyword, a kind, a property, a function, a variable or a parameter."""

from collections.abc import Mapping
from dataclasses import dataclass

from memql.assist.completion import Sort
from memql.assist.keywords import SAID
from memql.assist.properties import properties_of
from memql.assist.reading import CLAUSES, Reading
from memql.assist.sight import Known, parameter_type, seen, spelt, type_before
from memql.catalog import Catalog
from memql.errors import Span
from memql.functions import AGGREGATES, FUNCTIONS, SCORES, Function
from memql.lexer import HARD, Token, pieces
from memql.misreading import SPELT
from memql.types import ANY, Type

_WHOSE = {"reserved": "every item or relation has it", "figure": "a derived figure, which cannot be asked AS OF"}


@dataclass(frozen=True, slots=True)
class Description:
    """`title` says in a line what it is, `text` what there is to know of it."""

    kind: Sort
    title: str
    text: str
    span: Span


def describe_word(text: str, offset: int, catalog: Catalog) -> Description | None:
    """What is known of the word at that place; nothing where there is no word, or nobody knows it."""
    reading = Reading(pieces(text))
    place = _under(reading, max(0, min(offset, len(text))))
    if place is None:
        return None
    token = reading.tokens[place]
    told = _told(reading, place, catalog)
    return Description(told[0], told[1], told[2], token.span) if told else None


def _under(reading: Reading, offset: int) -> int | None:
    """The word that the place is in, or else the one that ends there."""
    for place, token in enumerate(reading.tokens):
        if token.start <= offset <= token.end and _is_word(token):
            following = reading.tokens[place + 1] if place + 1 < len(reading.tokens) else None
            touching = following is not None and following.start == offset and _is_word(following)
            return place + 1 if touching else place
        if token.start > offset:
            return None
    return None


def _is_word(token: Token) -> bool:
    return token.text[:1].isalpha() or token.text[:1] in "_`$"


def _told(reading: Reading, place: int, catalog: Catalog) -> tuple[Sort, str, str] | None:
    token = reading.tokens[place]
    if token.type in ("ERROR", "UNCLOSED", "STRING", "TIME"):
        return None
    if token.type == "PARAMETER":
        of = parameter_type(token.text) if "::" in token.text else ANY
        return "parameter", f"{token.text.partition('::')[0].strip()}: {of}", "a parameter, given with the query"
    role = reading.role(place)
    name = spelt(token)
    if role in ("property", "taken"):
        return _method(reading, place) or _property(catalog, name, _owner(reading, place, catalog))
    if role == "key":
        return _key(reading, place, catalog)
    if role in ("label", "relation"):
        colon = reading.colon(place)
        variable = spelt(reading.tokens[colon - 1]) if colon and reading.is_name(colon - 1) else ""
        known = seen(reading, catalog, place).get(variable)
        return _kind(
            catalog, name, relation=role == "relation" or (known is not None and known.type.name == "relation")
        )
    if token.type == "COUNT_ALL":
        return "function", "count(*) → integer", "how many rows there are"
    if token.type in SPELT and role == "word" and not _is_name(reading, place):
        return "keyword", SPELT[token.type], SAID.get(SPELT[token.type], "")
    if reading.type(place + 1) == "(" and (called := _function(name.lower())):
        return called
    return _variable(reading, place, catalog, name)


def _is_name(reading: Reading, place: int) -> bool:
    """Whether a word that may be a keyword stands where only a name does."""
    token = reading.tokens[place]
    may_end = token.type in HARD | {"ASC", "DESC"} or token.type in CLAUSES
    following = reading.type(place + 1)
    return (following == "." and token.type not in CLAUSES) or (not may_end and following in (":", ",", ")", "]", ""))


def _owner(reading: Reading, place: int, catalog: Catalog) -> Type:
    sight = seen(reading, catalog, place)
    if reading.role(place) == "taken":
        at = reading.opener[place] - 1
        known = sight.get(spelt(reading.tokens[at])) if reading.is_name(at) else None
        return known.type if known else ANY
    return type_before(reading, catalog, sight, place - 1)


def _key(reading: Reading, place: int, catalog: Catalog) -> tuple[Sort, str, str] | None:
    described = reading.described(reading.opener[place])
    if described is None:
        return _variable(reading, place, catalog, spelt(reading.tokens[place]))
    relation = reading.is_relation(described)
    inside = range(described + 1, reading.opener[place])
    kinds = frozenset(spelt(reading.tokens[at]) for at in inside if reading.type(at - 1) in (":", "|"))
    every = catalog.relations if relation else catalog.kinds
    of = Type("relation" if relation else "node", kinds=kinds if kinds and kinds <= every.keys() else None)
    return _property(catalog, spelt(reading.tokens[place]), of)


def _property(catalog: Catalog, name: str, of: Type) -> tuple[Sort, str, str] | None:
    found = next((each for each in properties_of(catalog, of) if each.name == name), None)
    if found is None:
        return None
    whose = {"own": "", "reserved": "every item or relation has it", "figure": "a derived figure; not AS OF"}[
        found.whose
    ]
    return "property", f"{name}: {found.type}", "; ".join(filter(None, (found.said, whose)))


def _kind(catalog: Catalog, name: str, *, relation: bool) -> tuple[Sort, str, str] | None:
    if relation:
        found = catalog.relations.get(name)
        if found is None:
            return None
        further = [found.description, "no chain of them leads back" if found.acyclic else ""]
        further += [f"has {', '.join(found.properties)}" if found.properties else ""]
        return "relation", f"relation {name}", "; ".join(filter(None, further))
    if name in catalog.labels:
        return "label", f"label {name}", "a further label of items"
    kind = catalog.kinds.get(name)
    if kind is None:
        return None
    properties = ", ".join(f"{each.name}: {each.type}" for each in kind.properties.values())
    return "label", f"kind {name}", "; ".join(filter(None, (kind.description, properties)))


def _method(reading: Reading, place: int) -> tuple[Sort, str, str] | None:
    """`score.vector(m)`."""
    if reading.type(place + 1) != "(" or not reading.is_name(place - 2):
        return None
    return _function(f"{spelt(reading.tokens[place - 2])}.{spelt(reading.tokens[place])}".lower())


def _function(name: str) -> tuple[Sort, str, str] | None:
    known = FUNCTIONS.get(name) or AGGREGATES.get(name)
    if known:
        example = known.example if isinstance(known, Function) else ""
        return "function", known.signature(), f"{known.doc}, as in {example}" if example else known.doc
    if name in SCORES:
        return "function", f"{name}(variable) → {'integer' if name == 'rank' else 'float'}", "what SEARCH gave it"
    return None


def _variable(reading: Reading, place: int, catalog: Catalog, name: str) -> tuple[Sort, str, str] | None:
    known = seen(reading, catalog, place).get(name) or _bound_here(reading, place, catalog, name)
    if known is None:
        return None
    kinds = f" of {' or '.join(sorted(known.type.kinds))}" if known.type.kinds else ""
    return "variable", f"{name}: {known.type}{kinds}", "a column of this projection" if known.column else "a variable"


def _bound_here(reading: Reading, place: int, catalog: Catalog, name: str) -> Known | None:
    """The variable, where this word is what binds it: then it is known a little later."""
    end = place + 1
    while end < len(reading.tokens) and not reading.begins_clause(end) and reading.type(end) not in (")", "]", ","):
        end += 1
    after: Mapping[str, Known] = seen(reading, catalog, end + 1)
    return after.get(name) or seen(reading, catalog, end).get(name)
