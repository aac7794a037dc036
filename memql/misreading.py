"""Why a query cannot be read: what was expected, what was probably meant, and what to write instead.

Only refused queries come here, so it may take its time: whether a misspelt keyword was meant is found by trying how
much farther the query could be read with it.
"""

from collections.abc import Iterable, Sequence

from rapidfuzz.distance import OSA

from memql.errors import Problem
from memql.grammar import Row, Tables
from memql.lexer import FOREIGN, HARD, PAIRS, SOFT, Token, taken_apart

SPELT = {pair: " ".join(words) for words, pair in PAIRS.items()} | {word: word for word in HARD | SOFT}
"""Each keyword as people write it."""
MEMQL = {keyword: spelt for keyword, spelt in SPELT.items() if keyword not in FOREIGN}
"""Those that somebody may want to write."""
_NEAR = 0.6
"""From this likeness on a word may be a keyword misspelt."""

_WRITES = "a verb of MemQL stands behind the clauses that read"
INSTEAD = {
    "CREATE": ("CREATE", f"{_WRITES}: REMEMBER, LINK"),
    "MERGE": ("MERGE", f"{_WRITES}: REMEMBER, which finds an entity by its name"),
    "SET": ("SET", f"{_WRITES}: CORRECT m SET …"),
    "DELETE": ("DELETE", f"{_WRITES}: FORGET"),
    "DETACH": ("DELETE", f"{_WRITES}: FORGET"),
    "REMOVE": ("REMOVE", f"{_WRITES}: CORRECT m SET m.property = null"),
    "FOREACH": ("FOREACH", "UNWIND makes a row of each member, and a verb is done for each row"),
    "CALL": ("CALL", "there are no procedures: SEARCH finds, and CALL { … } asks a query for each row"),
    "YIELD": ("YIELD", "there are no procedures: SEARCH finds, and RETURN gives"),
    "LOAD": ("LOAD CSV", "read files with `memql import`"),
    "USE": ("USE", "a request names its tenant; a query has no other"),
    "WALK": ("WALK", "TRAIL, which is what a path is anyway: no relation is met twice within a MATCH"),
    "SIMPLE": ("SIMPLE", "ACYCLIC meets no node twice, TRAIL no relation"),
    "PATH": ("PATH", "leave it out: what follows is a path"),
    "PATHS": ("PATHS", "leave it out: what follows are paths"),
    "NULLS": ("NULLS", "leave it out, or ORDER BY x IS NULL, x"),
    "INSERT": ("INSERT", "REMEMBER (m:Memory {text: $text})"),
    "UPDATE": ("UPDATE", "MATCH (m:Memory {id: $id}) CORRECT m SET m.text = $text"),
    "SELECT": ("SELECT", "MATCH (m:Memory) RETURN m.text"),
    "FROM": ("FROM", "MATCH (m:Memory) says from where, RETURN what"),
    "GROUP": ("GROUP BY", "leave it out: what stands beside an aggregate in RETURN is what it groups by"),
    "HAVING": ("HAVING", "WITH … WHERE filters after an aggregate"),
    "LIKE": ("LIKE", "CONTAINS, STARTS WITH, ENDS WITH or =~"),
    "BETWEEN": ("BETWEEN", "1 <= x <= 9"),
    "ELSEIF": ("ELSEIF", "another WHEN"),
}
"""Words of Cypher, of ISO GQL and of SQL that are not MemQL's (or not here), each with what to write instead."""


def explained(table: Tables, given: Sequence[Token], start: str, at: int, states: Sequence[int]) -> Problem:
    """The problem with the token at that place, where the parser was in these states."""
    token = given[min(at, len(given) - 1)]
    before = given[at - 1] if at else None
    if problem := _instead(token, before, given, at) or _habit(token, before, given, at):
        return problem
    accepted = accepted_in(table, states)
    if token.type in HARD and "IDENT" in accepted:
        hint = f"to use it as a name write `{token.text}` in backquotes"
        return Problem("Q001", f"`{token.text}` is a keyword", hint=hint, span=token.span)
    if meant := _meant(table, given, start, at):
        mistaken, word = meant
        hint = f"did you mean {word}?"
        return Problem("Q001", f"unexpected `{mistaken.text[:60]}`", hint=hint, span=mistaken.span)
    expected = _phrase(accepted)
    if token.type == "$END":
        return Problem("Q001", "the query ends too early", hint=f"expected here: {expected}", span=token.span)
    return Problem("Q001", f"unexpected `{token.text[:60]}`", hint=f"expected here: {expected}", span=token.span)


def _instead(token: Token, before: Token | None, given: Sequence[Token], at: int) -> Problem | None:
    word = token.text.upper()
    follows = given[at + 1] if at + 1 < len(given) else None
    if token.type == "LIVE" or (before is not None and before.type == "LIVE" and word in ("EXPLAIN", "PROFILE")):
        hint = "LIVE stands once, before the query; EXPLAIN LIVE shows what wakes it, PROFILE runs it without LIVE"
        return Problem("Q520", f"{word} cannot stand here", hint=hint, span=token.span)
    if at > 1 and given[at - 2].type == "CREATE" and given[at - 1].type == "IDENT" and token.type != "(":
        hint = "instead: indexes keep themselves, and names are declared by declareKind and declareProperty"
        what = f"CREATE {given[at - 1].text.upper()[:60]}"
        return Problem("Q501", f"{what} is not supported", hint=hint, span=given[at - 2].span.to(given[at - 1].span))
    if problem := _of_time(given, at):
        return problem
    if token.type in ("PATTERN", "REPEATED"):
        hint = "match the pattern in a MATCH of its own, or test it in WHERE"
        return Problem("Q501", "a pattern as a value is not supported here", hint=hint, span=token.span)
    if problem := _of_paths(token, before, given, at):
        return problem
    if token.type not in ("STRING", "QUOTED", "PARAMETER"):
        if word in ("VALID", "WITH") and follows is not None:
            word = follows.text.upper()
        if word in INSTEAD:
            what, instead = INSTEAD[word]
            return Problem("Q501", f"{what} is not supported", hint=f"instead: {instead}", span=token.span)
    return None


TIMES = ("AS_OF", "VALID_AT", "VALID_DURING", "WITH_HISTORY")
WHEN = "it stands before the first clause, or behind the patterns of a MATCH and the ways of a SEARCH, before WHERE"


def _of_time(given: Sequence[Token], at: int) -> Problem | None:
    """A time where none can stand; AS OF may have been read as a column's name by then."""
    if given[at].type in TIMES:
        return Problem("Q502", f"{SPELT[given[at].type]} has no place here", hint=WHEN, span=given[at].span)
    if at > 1 and [each.text.upper() for each in given[at - 2 : at]] == ["AS", "OF"]:
        return Problem("Q502", "AS OF has no place here", hint=WHEN, span=given[at - 2].span.to(given[at - 1].span))
    return None


def _of_paths(token: Token, before: Token | None, given: Sequence[Token], at: int) -> Problem | None:
    """Words before a path that look like a call, and what is repeated but cannot be."""
    called = given[at - 2] if at > 1 and before is not None and before.text == "(" else None
    if called is not None and called.text.upper() in ("WALK", "SIMPLE", "PATH", "PATHS", "SHORTEST", "ALL"):
        word = called.text.upper()
        hints = {"SHORTEST": "say how many: SHORTEST 3; or ANY SHORTEST", "ALL": "leave it out, or ALL SHORTEST"}
        what, hint = INSTEAD.get(word, (f"{word} before a path", hints.get(word, "")))
        return Problem("Q501", f"{what} is not supported", hint=f"instead: {hint}", span=called.span)
    ahead = given[at + 1].type if at + 1 < len(given) else ""
    counted = token.type == "{" and ahead in ("INT", ",")
    if before is not None and before.type == ")" and (counted or token.type in ("+", "*")) and _is_node(given, at - 1):
        hint = "repeat the relation, -->{1,3}, or a group, ((a)-->(b)){1,3}"
        return Problem("Q006", "a node alone is not repeated", hint=hint, span=token.span)
    if token.type == "=" and at > 1 and given[at - 2].text == "(" and given[at - 3].type != "IDENT":
        hint = "name the whole path, before its selector or first node, or the nodes and relations of the group"
        return Problem("Q501", "a name for one time through a group is not supported", hint=hint, span=token.span)
    return None


def _is_node(given: Sequence[Token], end: int) -> bool:
    """Whether that bracket closes a node of a MATCH."""
    depth = 0
    for place in range(end, -1, -1):
        depth += (given[place].text == ")") - (given[place].text == "(")
        if not depth:
            return place > 0 and given[place - 1].type in ("MATCH", ",", "-", ">", "=", "+", "*", "}")
    return False


def _habit(token: Token, before: Token | None, given: Sequence[Token], at: int) -> Problem | None:
    """Operators of other languages."""
    follows = given[at + 1].text if at + 1 < len(given) else ""
    touching = before is not None and before.end == token.start
    hint = ""
    if at > 1 and given[at - 2].type == "VALID" and given[at - 1].text.upper() == "FROM":
        hint = "since when and until when stand behind it alone: VALID $since TO $until"
    elif token.text == "(" and before is not None and before.type in ("FORGET", "CORRECT", "SUPERSEDE"):
        hint = f"name what was matched: MATCH (m:Memory …) {before.text.upper()} m"
    elif token.text == "=" and touching and before is not None and before.text in ("=", "!"):
        hint = "equality is written =" if before.text == "=" else "inequality is written <>"
    elif token.text == "!" and follows == "=":
        hint = "inequality is written <>"
    elif token.text == "!":
        hint = "write NOT"
    elif token.text == "&":
        hint = "write AND"
    elif token.text == "|":
        hint = "write OR"
    elif token.text == ";" or (before is not None and before.text == ";"):
        hint = "one query at a time"
    return Problem("Q001", f"unexpected `{token.text}`", hint=hint, span=token.span) if hint else None


def _meant(table: Tables, given: Sequence[Token], start: str, at: int) -> tuple[Token, str] | None:
    """The token that is probably a keyword misspelt, and the keyword: the one with which the query reads farthest."""
    best: tuple[int, float] = (at, 0.0)
    meant: tuple[Token, str] | None = None
    for place in (at, at - 1, at - 2):
        if place < 0 or place >= len(given) or given[place].type not in ("IDENT", *HARD, *SOFT):
            continue
        for keyword, spelt in MEMQL.items():
            for words in (1, 2) if " " in spelt else (1,):
                written = given[place : place + words]
                likeness = _likeness([token.text for token in written], spelt)
                if likeness < _NEAR or written[0].type == keyword:
                    continue
                replaced = Token(keyword, spelt, written[0].start, written[0].line, written[0].column)
                trial = [*given[:place], replaced, *given[place + words :]]
                reached = _reached(table, trial, start) + words - 1
                if reached > at and (reached, likeness) > best:
                    best, meant = (reached, likeness), (written[0], spelt)
    return meant


def _likeness(written: Sequence[str], spelt: str) -> float:
    return float(OSA.normalized_similarity(" ".join(written).upper(), spelt))


def _reached(table: Tables, given: Sequence[Token], start: str) -> int:
    """How many of these tokens can be read."""
    states = [table.starts[start]]
    waiting = list(given)[::-1]
    apart = 0
    while waiting:
        kind = usable(table.rows[states[-1]], waiting[-1])
        if kind is not None and shift(table, states, kind):
            waiting.pop()
        elif waiting[-1].type in PAIRS.values():
            waiting[-1:] = taken_apart(waiting[-1])[::-1]
            apart += 1
        else:
            break
    return len(given) + apart - len(waiting)


def usable(row: Row, token: Token) -> str | None:
    """As what the token can be taken here: itself, or for a keyword a name, for a pattern's bracket a bracket."""
    if token.type in row:
        return token.type
    if token.type in ("PATTERN", "REPEATED"):
        return "(" if "(" in row else None
    if token.type in SOFT and "IDENT" in row:
        return "IDENT"
    if (token.type in SOFT or token.type in HARD) and "WORD" in row:
        return "WORD"
    return None


def shift(table: Tables, states: list[int], kind: str) -> bool:
    """Reads a terminal: reduces what it ends, then goes on. Tables are merged, so it may turn out to be none."""
    while True:
        move = table.rows[states[-1]].get(kind)
        if move is None:
            return False
        if move >= 0:
            states.append(move)
            return True
        rule = table.rules[-move - 1]
        del states[-rule.size :]
        states.append(table.rows[states[-1]][rule.origin])


def accepted_in(table: Tables, states: Sequence[int]) -> set[str]:
    """Every terminal that could stand here."""
    return {kind for kind in table.rows[states[-1]] if shift(table, list(states), kind)}


_VALUES = {"INT", "FLOAT", "STRING", "PARAMETER", "COUNT_ALL"}
_CLAUSES = ("MATCH", "SEARCH", "UNWIND", "WITH", "RETURN")


def _phrase(accepted: Iterable[str]) -> str:
    """What is expected, as people would say it: what closes something comes first."""
    found = set(accepted)
    said = [f"`{symbol}`" for symbol in (")", "]", "}", ",") if symbol in found]
    if found >= _VALUES - {"COUNT_ALL"}:
        said.append("an expression")
    elif "IDENT" in found:
        said.append("a name")
    elif "(" in found:
        said.append("`(`")
    if "INT" in found and "STRING" not in found:
        said.append("a whole number")
    if found.issuperset(_CLAUSES):
        said.append("a clause such as MATCH or RETURN")
    else:
        said += [word for word in _CLAUSES if word in found]
    words = sorted(SPELT[kind] for kind in found if kind in SPELT and kind not in _CLAUSES)
    structural = [word for word in words if word in ("WHERE", "AS", "THEN", "END", "BY", "SIMILAR TO", "MATCHES", "IN")]
    said += structural
    if "$END" in found:
        said.append("the end")
    if not said:
        said = [f"`{SPELT.get(kind, kind)}`" for kind in sorted(found) if not kind.startswith("_")][:5]
    return " or ".join(said[:4]) or "something else"
