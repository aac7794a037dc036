"""Colours: each stretch of a text with what it is. Works on any text, also while it is being written."""

from typing import Literal, NamedTuple, TypeAlias

from memql.assist.reading import OPENS, Reading
from memql.lexer import Token, pieces
from memql.misreading import SPELT

Shade: TypeAlias = Literal[
    "keyword", "function", "label", "relation", "property", "variable", "parameter", "string", "number", "constant",
    "operator", "bracket", "comment", "error",
]  # fmt: skip

_PLAIN: dict[str, Shade] = {
    "COMMENT": "comment", "STRING": "string", "TIME": "string", "INT": "number", "FLOAT": "number", "ERROR": "error",
    "PARAMETER": "parameter", "COUNT_ALL": "function", "EMPTY": "bracket",
    "NULL": "constant", "TRUE": "constant", "FALSE": "constant",
}  # fmt: skip


class Span(NamedTuple):
    start: int
    end: int
    shade: Shade


def highlight(text: str) -> tuple[Span, ...]:
    """The stretches in their order; what lies between them is white space."""
    given = pieces(text)
    reading = Reading(given)
    found, place = [], 0
    for token in given:
        found.append(Span(token.start, token.end, _shade(reading, place, token)))
        place += token.type != "COMMENT"
    return tuple(found)


def _shade(reading: Reading, place: int, token: Token) -> Shade:
    kind = token.type
    if kind == "UNCLOSED":
        return "comment" if token.text.startswith("/*") else "string"
    if not reading.is_word(place) and kind not in SPELT and kind not in _PLAIN:
        return "bracket" if kind in OPENS or kind in (")", "]", "}") else "operator"
    if kind in ("COMMENT", "STRING", "INT", "FLOAT", "ERROR", "PARAMETER", "EMPTY", "TIME", "COUNT_ALL"):
        return _PLAIN[kind]
    match reading.role(place):
        case "property" | "taken":
            return "function" if reading.type(place + 1) == "(" else "property"
        case "label":
            return "label"
        case "relation":
            return "relation"
        case "key":
            return "property" if reading.type(place + 1) == ":" else "variable"
        case "new":
            return "variable"
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in SPELT and not (reading.is_name(place) and reading.type(place + 1) in (".", ")", ",", "=")):
        return "keyword"
    return "function" if reading.type(place + 1) == "(" and kind == "IDENT" else "variable"
