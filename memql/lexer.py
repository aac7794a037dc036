"""Text → tokens: one regular expression, a table of keywords, and a look across brackets.

A keyword is only offered as one: where the grammar has no use for it the parser takes it as a name, so that people may
call things `count`, `search` or `score`. What one token of lookahead cannot tell is told here, once all brackets are
matched: a bracket that begins a pattern, and a stroke that ends the head of a comprehension.
"""

import re
from dataclasses import dataclass

from memql.errors import Problem, Span

TEXT_BYTES = 65_536
"""Longest query: a page of a book is three thousand; compiling more would keep others waiting."""
NESTING = 200
"""Deepest nesting of brackets and of expressions: far beyond what people write, inside Python's stack."""

HARD = frozenset(
    "MATCH OPTIONAL WHERE WITH RETURN UNWIND UNION AS DISTINCT AND OR XOR NOT IN IS NULL TRUE FALSE "
    "CASE WHEN THEN ELSE END CONTAINS".split()
)
"""No variable may be called so without backquotes; properties, labels and keys of maps may."""
VERBS = frozenset("REMEMBER CORRECT SUPERSEDE LINK FORGET SET FROM BECAUSE VALID TO".split())
"""Words of what writes. Where one is no verb it is a name, also bare: people call things `link`, `from` and `to`."""
FOREIGN = frozenset("CREATE MERGE DELETE DETACH REMOVE FOREACH FIELDTERMINATOR PROCEDURE YIELD LOAD_CSV".split())
"""Words of Cypher that are only read so that they can be refused: nobody is to be led to them."""
SOFT = (
    frozenset(
        "EXPLAIN PROFILE LIVE ALL SKIP OFFSET LIMIT ASC DESC SEARCH MATCHES NEAR ON WITHIN WEIGHT FUSE SCORE "
        "EXISTS COUNT COLLECT CALL ANY SHORTEST GROUPS TRAIL ACYCLIC".split()
    )
    | VERBS
    | FOREIGN - {"LOAD_CSV"}
)
PAIRS = {
    ("AS", "OF"): "AS_OF",
    ("VALID", "AT"): "VALID_AT",
    ("VALID", "DURING"): "VALID_DURING",
    ("WITH", "HISTORY"): "WITH_HISTORY",
    ("ORDER", "BY"): "ORDER_BY",
    ("STARTS", "WITH"): "STARTS_WITH",
    ("ENDS", "WITH"): "ENDS_WITH",
    ("SIMILAR", "TO"): "SIMILAR_TO",
    ("LOAD", "CSV"): "LOAD_CSV",
    ("ANY", "SHORTEST"): "ANY_SHORTEST",
    ("ALL", "SHORTEST"): "ALL_SHORTEST",
}
"""Two words that are one token. Where the grammar has no use for the pair the parser takes them apart again."""
KEYWORDS = (HARD | SOFT | {"ASCENDING", "DESCENDING"}) - {"PROCEDURE"}
_ALIASES = {"ASCENDING": "ASC", "DESCENDING": "DESC", "SIZE": "COUNT", "GROUP": "GROUPS"}
_FIRST = {first for first, _ in PAIRS}
_BRACE, _BRACKET = re.compile(r"\s*\{"), re.compile(r"\s*\(")
_MODE = re.compile(r"\s*(?:\(|GROUPS?\b)", re.IGNORECASE)
_ONLY_BEFORE = {
    "EXISTS": _BRACE,
    "COUNT": _BRACE,
    "COLLECT": _BRACE,
    "CALL": re.compile(r"\s*(?:\([\w\s,`]*\)\s*)?\{"),
    "SIZE": re.compile(r"\s*\{\s*\("),
    "ALL": re.compile(r"(?!\s*\()"),
    "ANY": re.compile(r"\s*(?:\((?!\s*[\w`]+\s+IN\b)|\d|(?:SHORTEST|TRAIL|ACYCLIC)\b)", re.IGNORECASE),
    "SHORTEST": re.compile(r"\s*\d"),
    "TRAIL": _MODE,
    "ACYCLIC": _MODE,
    "GROUPS": _BRACKET,
    "GROUP": _BRACKET,
}
"""Words that are keywords only where this follows. `size {(a)-->()}` is what many write for COUNT."""
_PROCEDURE = re.compile(r"\s+[^\W\d]|\s*`")
"""What follows a CALL of Cypher's, which names a procedure."""

_TOKEN = re.compile(
    r"""(?P<SPACE>\s+|//[^\n]*|/\*.*?\*/)
      | (?P<TIME>(?:local)?(?:datetime|time)'[^'\n]*'|(?:date|duration)'[^'\n]*')
      | (?P<COUNT_ALL>count\s*\(\s*\*\s*\))
      | (?P<IDENT>[^\W\d]\w*)
      | (?P<FLOAT>(?:\d+\.\d+|\.\d+)(?:e[+-]?\d+)?(?!\w)|\d+e[+-]?\d+(?!\w))
      | (?P<INT>0x[0-9a-f]+(?!\w)|0o[0-7]+(?!\w)|\d+(?!\w))
      | (?P<STRING>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
      | (?P<QUOTED>`(?:[^`]|``)+`)
      | (?P<PARAMETER>\$(?:[^\W\d]\w*|\d+|`[^`]+`)(?:\s*::\s*[^\W\d]\w*(?:\s*\[\s*\])?\s*\??)?)
      | (?P<EMPTY>\[\s*\])
      | (?P<SYMBOL>\.\.|<>|<=|>=|=~|\+=|\|\||[-+*/%^=<>!&|:;,.(){}\[\]])""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_OPERAND_ENDS = frozenset(
    (
        "IDENT",
        "QUOTED",
        "PARAMETER",
        "STRING",
        "EMPTY",
        "END",
        "NULL",
        "TRUE",
        "FALSE",
        "INT",
        "FLOAT",
        "TIME",
        ")",
        "]",
        "}",
    )
)
_WORD = re.compile(r"\w+")
_OPEN = {"(": ")", "[": "]", "{": "}"}


@dataclass(slots=True)
class Token:
    """`type` is a terminal of the grammar; a symbol's type is its own text."""

    type: str
    text: str
    start: int
    line: int
    column: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def span(self) -> Span:
        return Span(self.line, self.column, max(1, len(self.text)), self.start)


def tokens(text: str) -> list[Token] | Problem:
    """The tokens of a query, an END behind them; or the first place that is no token, or nested too deep."""
    found: list[Token] = []
    position, line, line_start = 0, 1, 0
    match = _TOKEN.match
    while position < len(text):
        lexeme = match(text, position)
        if lexeme is None:
            return _unreadable(text, position, line, position - line_start + 1)
        kind, written = lexeme.lastgroup, lexeme.group()
        assert kind is not None
        if kind != "SPACE":
            token = Token(kind, written, position, line, position - line_start + 1)
            if kind == "IDENT":
                token.type = _keyword(text, token)
            elif kind == "SYMBOL":
                token.type = written
            found.append(token)
        if "\n" in written:
            line += written.count("\n")
            line_start = position + written.rindex("\n") + 1
        position = lexeme.end()
    found = _paired(text, found)
    found.append(Token("$END", "", len(text.rstrip()), *_place_of_end(text)))
    return _settled(found)


def pieces(text: str) -> list[Token]:
    """The tokens of any text, however broken, for who reads along while it is written: brackets are not looked at.

    A comment is COMMENT, a text, a name or a comment that is not closed is UNCLOSED, and what is no token is ERROR.
    """
    found: list[Token] = []
    position, line, line_start = 0, 1, 0
    while position < len(text):
        lexeme = _TOKEN.match(text, position)
        kind = lexeme.lastgroup if lexeme else "UNCLOSED" if text[position] in "'\"`" else "ERROR"
        assert kind is not None
        if kind != "SPACE" and text.startswith("/*", position):
            kind, end = "UNCLOSED", len(text)
        elif lexeme is not None:
            end = lexeme.end()
        elif kind == "UNCLOSED":
            end = (text + "\n").index("\n", position)
        else:
            broken = _WORD.match(text, position)
            end = broken.end() if broken else position + 1
        written = text[position:end]
        token = Token(kind, written, position, line, position - line_start + 1)
        if kind == "IDENT":
            token.type = _keyword(text, token)
        elif kind == "SYMBOL":
            token.type = written
        elif kind == "SPACE" and written.startswith(("//", "/*")):
            token.type = "COMMENT"
        if token.type != "SPACE":
            found.append(token)
        if "\n" in written:
            line += written.count("\n")
            line_start = position + written.rindex("\n") + 1
        position = end
    return _paired(text, found)


def _keyword(text: str, token: Token) -> str:
    word = token.text.upper()
    if word not in KEYWORDS and word not in _ALIASES:
        return "IDENT"
    if word in _ONLY_BEFORE and not _ONLY_BEFORE[word].match(text, token.end):
        return "PROCEDURE" if word == "CALL" and _PROCEDURE.match(text, token.end) else "IDENT"
    return _ALIASES.get(word, word)


def _paired(text: str, found: list[Token]) -> list[Token]:
    """The tokens with ORDER and BY, and their like, as one."""
    joined: list[Token] = []
    waiting: Token | None = None
    for at, token in enumerate(found):
        if waiting is not None:
            pair = PAIRS.get((waiting.text.upper(), token.text.upper()))
            if pair and (pair != "WITH_HISTORY" or _is_time(found, at)):
                waiting = Token(pair, text[waiting.start : token.end], waiting.start, waiting.line, waiting.column)
                joined.append(waiting)
                waiting = None
                continue
            joined.append(waiting)
            waiting = None
        if token.text.upper() in _FIRST and token.type not in ("STRING", "QUOTED"):
            waiting = token
        else:
            joined.append(token)
    return [*joined, waiting] if waiting is not None else joined


def _is_time(found: list[Token], at: int) -> bool:
    """Whether HISTORY behind WITH asks for every version. It is a column where it goes on as one, and where something
    has been called so before."""
    behind = found[at + 1] if at + 1 < len(found) else None
    if behind is not None and (behind.type in _COLUMN_GOES_ON or behind.text.upper() in ("ORDER", "SKIP", "OFFSET")):
        return False
    for place, token in enumerate(found[: at - 1]):
        if token.text == found[at].text and token.type == "IDENT":
            before, after = found[place - 1].type if place else "", found[place + 1].type
            if after != "(" and before not in (".", ":", "WITH"):
                return False
    return True


_COLUMN_GOES_ON = frozenset("AS , . [ : + - * / % ^ = <> < <= > >= =~ || IN IS STARTS ENDS CONTAINS AND OR XOR".split())


def taken_apart(token: Token) -> list[Token]:
    """The two words of a pair, as the tokens that they are alone."""
    first, second = token.text.split()[0], token.text.split()[-1]
    begin = token.start + len(token.text) - len(second)
    gap = token.text[: len(token.text) - len(second)]
    lines = gap.count("\n")
    column = len(gap) - gap.rindex("\n") if lines else token.column + len(gap)
    parts = [Token("IDENT", first, token.start, token.line, token.column)]
    parts.append(Token("IDENT", second, begin, token.line + lines, column))
    for part in parts:
        if (word := part.text.upper()) in KEYWORDS:
            part.type = _ALIASES.get(word, word)
    return parts


def _place_of_end(text: str) -> tuple[int, int]:
    """Line and column right behind the last word: where something is missing."""
    written = text.rstrip()
    return written.count("\n") + 1, len(written) - (written.rfind("\n") + 1) + 1


def _unreadable(text: str, position: int, line: int, column: int) -> Problem:
    character = text[position]
    span = Span(line, column, 1, position)
    if character in "'\"":
        return Problem("Q003", "this text is not closed", hint=f"end it with {character}", span=span)
    if character == "`":
        return Problem("Q003", "this name is not closed", hint="end it with a backquote", span=span)
    if text.startswith("/*", position):
        return Problem("Q003", "this comment is not closed", hint="end it with */", span=span)
    if character.isdigit():
        number = re.match(r"\w+", text[position:])
        length = len(number[0]) if number else 1
        return Problem("Q004", "this is no number", span=Span(line, column, length, position),
                       hint="a name begins with a letter; other names stand in backquotes")  # fmt: skip
    if character == "$":
        return Problem("Q002", "a parameter has a name", hint="such as $name", span=span)
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    hint = "a comment begins with //" if character == "#" else ""
    return Problem("Q002", f"the character {shown} has no meaning here", hint=hint, span=span)


def _settled(found: list[Token]) -> list[Token] | Problem:
    """Matches the brackets, and renames what only they can tell."""
    closes: dict[int, int] = {}
    opened: list[int] = []
    strokes: dict[int, int] = {}  # the last stroke right inside each open bracket
    for place, token in enumerate(found):
        if token.type in _OPEN:
            if len(opened) >= NESTING:
                message = f"brackets are nested deeper than {NESTING}"
                return Problem("Q401", message, hint="name parts of it with WITH", span=token.span)
            opened.append(place)
        elif token.type in (")", "]", "}"):
            if not opened or _OPEN[found[opened[-1]].type] != token.type:
                return _unmatched(found, opened, token)
            closes[opened.pop()] = place
        elif token.type == "|" and opened:
            strokes[opened[-1]] = place
    if opened:
        token = found[opened[-1]]
        hint = f"close it with {_OPEN[token.type]}"
        return Problem("Q005", f"this `{token.text}` is not closed", hint=hint, span=token.span)
    for place, stroke in strokes.items():
        if _is_comprehension(found, closes, place):
            found[stroke].type = "BAR"
    for place in sorted(closes, reverse=True):  # What a bracket is depends on those inside and behind it.
        if found[place].type != "(" or (place and found[place - 1].type in ("IDENT", "QUOTED")):
            continue  # The arguments of a function.
        if _begins_pattern(found, closes, place, closes[place]):
            found[place].type = "PATTERN"
        elif _begins_group(found, place, closes[place]):
            found[place].type = "REPEATED"
    return found


def _unmatched(found: list[Token], opened: list[int], token: Token) -> Problem:
    if not opened:
        return Problem("Q005", f"this `{token.text}` closes nothing", hint="take it away", span=token.span)
    opening = found[opened[-1]]
    message = f"`{token.text}` cannot close the `{opening.text}` of line {opening.line}, column {opening.column}"
    return Problem("Q005", message, hint=f"write {_OPEN[opening.type]} first", span=token.span)


def _is_comprehension(found: list[Token], closes: dict[int, int], place: int) -> bool:
    """Whether a stroke in these brackets belongs to a list or a reduce, and not to the kinds of a relation."""
    before = found[place - 1] if place else None
    if found[place].type == "[":
        if before is not None and before.type in _OPERAND_ENDS:
            return False  # An index: `x[n]`.
        arrow = before is not None and before.type == "-" and place > 1 and found[place - 2].type in (")", "<")
        return not (arrow and found[closes[place] + 1].type == "-")
    return found[place].type == "(" and before is not None and before.text.lower() in ("reduce", "foreach")


def _begins_pattern(found: list[Token], closes: dict[int, int], place: int, end: int) -> bool:
    """Whether the bracket is a node, and an arrow leads from it to another bracket, or a group follows."""
    inside = found[place + 1 : end]
    if inside and inside[0].type not in (":", "{", "PARAMETER"):
        plain = len(inside) == 1 or inside[1].type in (":", "{", "PARAMETER", "WHERE")
        if not plain or not (inside[0].type in ("IDENT", "QUOTED") or inside[0].type in SOFT):
            return False
    at = end + 1
    if found[at].type == "REPEATED":
        return True
    if found[at].type == "<":
        at += 1
    if found[at].type != "-":
        return False
    at += 1
    if found[at].type == "[":
        at = closes[at] + 1
    elif found[at].type == "EMPTY":
        at += 1
    if found[at].type != "-":
        return False
    at += 1
    if found[at].type == ">":
        at += 1
    if found[at].type in ("+", "*"):
        at += 1
    elif found[at].type == "{":
        at = closes[at] + 1
    return found[at].type in ("(", "PATTERN", "REPEATED")


def _begins_group(found: list[Token], place: int, end: int) -> bool:
    """Whether the bracket holds a pattern, and is said to repeat."""
    return found[place + 1].type in ("PATTERN", "REPEATED") and found[end + 1].type in ("{", "+", "*")
