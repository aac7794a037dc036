"""The parser's tables: made of the grammar by Lark where the package is built, read from a file of ours where it runs.

Lark takes a quarter of a second to import and to make them, and its own parser is slower than the forty lines that
walk these. So Lark is a tool of the build, and its words reach nobody.
"""

import json
import pkgutil
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Any

STARTS = ("statement", "expr")
_KEPT = frozenset(
    "IDENT QUOTED WORD INT FLOAT STRING TIME PARAMETER COUNT_ALL OPTIONAL DISTINCT ASC DESC ALL DETACH".split()
)
"""Terminals that say something; of the others it is enough that the rule was met."""

Row = dict[str, int]
"""What to do at each terminal and nonterminal: n ≥ 0 is to go on in state n, n < 0 to reduce by rule -n - 1. A state
behind the last one is the end."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`origin` is made of `size` symbols. `makes` names what is built of those at `keeps`; empty: it is passed on.
    `splices`: those kept are lists whose members are meant. `helper`: it only gathers such a list."""

    origin: str
    size: int
    makes: str
    keeps: tuple[int, ...]
    splices: bool
    helper: bool


@dataclass(frozen=True, slots=True)
class Tables:
    digest: str
    starts: dict[str, int]
    rows: tuple[Row, ...]
    rules: tuple[Rule, ...]


def grammar_digest() -> str:
    """The digest of the grammar as it is shipped."""
    text = pkgutil.get_data("memql", "memql.lark")
    assert text is not None
    return _digest(text)


def _digest(text: bytes) -> str:
    # Enough to tell one grammar from the next; nobody means harm by a grammar.
    return f"{zlib.crc32(text):08x}"


@cache
def tables() -> Tables:
    """The tables as shipped. Read as an import is: they are code in another form."""
    packed = pkgutil.get_data("memql", "memql.tables")
    assert packed is not None, "the parser's tables are missing: python -m tests.memql.tables"
    held = json.loads(packed)
    rules = tuple(
        Rule(origin, size, makes, tuple(keeps), bool(splices), bool(helper))
        for origin, size, makes, keeps, splices, helper in held["rules"]
    )
    symbols = held["symbols"]
    rows = tuple(
        {symbols[pairs[at]]: pairs[at + 1] for at in range(0, len(pairs), 2)}
        for pairs in (held["rows"][number] for number in held["states"])
    )
    for start, end in held["ends"].items():
        rows[end]["$END"] = len(rows) + STARTS.index(start)
    return Tables(held["digest"], held["starts"], rows, rules)


def built() -> bytes:
    """The tables of the grammar as it is now. Refuses a grammar with conflicts."""
    import lark
    from lark.lexer import Lexer

    class Nothing(Lexer):
        def __init__(self, conf: Any) -> None:
            pass

        def lex(self, *given: Any) -> Any:
            return iter(())

    text = pkgutil.get_data("memql", "memql.lark")
    assert text is not None
    options = {"parser": "lalr", "lexer": Nothing, "strict": True, "maybe_placeholders": False}
    made: Any = lark.Lark(text.decode(), start=list(STARTS), **options)
    table = made.parser.parser._parse_table
    written = {each.name: _symbol(each) for each in made.terminals}
    ordered = sorted(made.rules, key=lambda rule: (rule.origin.name, [each.name for each in rule.expansion]))
    numbers = {rule: number for number, rule in enumerate(ordered)}
    places = _numbered(table)
    symbols: dict[str, int] = {}
    rows: dict[str, int] = {}
    states = []
    for state in places:
        pairs: list[int] = []
        for name, (action, given) in sorted(table.states[state].items()):
            symbol = symbols.setdefault(written.get(name, name), len(symbols))
            pairs += [symbol, places[given] if action.name == "Shift" else -numbers[given] - 1]
        states.append(rows.setdefault(json.dumps(pairs), len(rows)))
    held = {
        "digest": _digest(text),
        "starts": {start: places[table.start_states[start]] for start in STARTS},
        "ends": {start: places[table.end_states[start]] for start in STARTS},
        "symbols": list(symbols),
        "states": states,
        "rows": [json.loads(row) for row in rows],
        "rules": [_rule(rule) for rule in ordered],
    }
    return json.dumps(held, separators=(",", ":")).encode()


def _numbered(table: Any) -> dict[int, int]:
    """The states in the order in which they are met from the starts, so that one grammar has one form."""
    places: dict[int, int] = {}
    waiting = [table.start_states[start] for start in STARTS]
    while waiting:
        state = waiting.pop(0)
        if state not in places:
            places[state] = len(places)
            moves = sorted(table.states[state].items())
            waiting += [given for _, (action, given) in moves if action.name == "Shift"]
    return places


def _symbol(terminal: Any) -> str:
    return str(terminal.pattern.value) if terminal.pattern.type == "str" else str(terminal.name)


def _rule(rule: Any) -> list[object]:
    origin = str(rule.origin.name)
    helper = origin.startswith("_")
    keeps = [at for at, each in enumerate(rule.expansion) if not each.is_term or each.name in _KEPT]
    splices = any(not each.is_term and each.name.startswith("_") for each in rule.expansion)
    makes = str(rule.alias or origin)
    if helper or (rule.options.expand1 and not rule.alias and len(keeps) == 1):
        makes = ""
    return [origin, len(rule.expansion), makes, keeps, int(splices), int(helper)]
