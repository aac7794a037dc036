"""The variables in sight at a place of an unfinished query, and what is known of their types.

Goes by tokens alone, and takes a doubtful one for what it probably is: a wrong guess costs a suggestion and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from memql.assist.reading import CLAUSES, NEAR, WRITES, Reading
from memql.bind.expressions import SCORE_PARTS
from memql.bind.names import property_type
from memql.binding import Binding
from memql.catalog import STATE, Catalog
from memql.errors import Span
from memql.functions import AGGREGATES, FUNCTIONS, SCORES
from memql.lexer import Token
from memql.types import ANY, FLOAT, PATH, Type, declared, list_of

SCORE = Type("score")
"""What `score(m)` is while its parts may still be asked for."""
_NOWHERE = Span(1, 1, 1, 0)
_STEPS = 20
"""How far into an operand is looked for its type: `a.b.c`, `f(g(x))`."""


@dataclass(frozen=True, slots=True)
class Known:
    """A variable in sight. `column`: the projection at hand gives it its name."""

    name: str
    type: Type
    column: bool = False


@dataclass(slots=True)
class _Frame:
    """What holds within one pair of brackets and is put back behind it."""

    mode: str
    shadowed: dict[str, Known | None] = field(default_factory=dict)
    outer: "_Query | None" = None
    group: frozenset[str] | None = None
    """Of a group of a path the names that were in sight before it: those that it gives are lists outside."""


@dataclass(slots=True)
class _Query:
    """Where a query or subquery is. `begun`: where the item of a projection begins; -1: in none."""

    sight: dict[str, Known]
    clause: str = ""
    begun: int = -1
    columns: dict[str, Known] = field(default_factory=dict)


def spelt(token: Token) -> str:
    """A name as it is meant, without its backquotes."""
    return token.text[1:-1].replace("``", "`") if token.type == "QUOTED" else token.text


def seen(reading: Reading, catalog: Catalog, end: int) -> Mapping[str, Known]:
    """The variables in sight right before the token at `end`."""
    walk = _Walk(reading, catalog)
    for place in range(min(end, len(reading.tokens))):
        walk.step(place)
    return walk.query.sight


class _Walk:
    def __init__(self, reading: Reading, catalog: Catalog) -> None:
        self.reading = reading
        self.catalog = catalog
        self.query = _Query({})
        self.mode = ""
        self.frames: list[_Frame] = []

    def step(self, place: int) -> None:
        reading, token = self.reading, self.reading.tokens[place]
        kind, query = token.type, self.query
        if reading.begins_clause(place):
            self._begin(place, token)
        elif kind in ("WHERE", "ORDER_BY", "SKIP", "OFFSET", "LIMIT") and self._between_items(place):
            self._item(place)
            query.sight = {**query.sight, **query.columns}
            query.begun = -1
        elif kind == "," and query.begun >= 0 and self._between_items(place):
            self._item(place)
            query.begun = place + 1
        if kind == "WHERE":
            self.mode = "expression"
        elif kind in ("(", "[", "{"):
            self._open(place)
        elif kind in (")", "]", "}") and place in reading.partner and self.frames:
            self._close()
        elif kind == "=" and self.mode == "pattern" and reading.is_name(place - 1):
            if reading.type(place - 2) in (*CLAUSES, ",", "IDENT"):
                self._know(place - 1, PATH)
        elif kind == "IN" and reading.is_name(place - 1) and self.frames:
            self._member(place)
        elif reading.type(place - 1) == "AS" and reading.is_name(place) and query.begun < 0:
            self._alias(place)
        elif query.clause == "SEARCH" and reading.type(place - 1) == "SEARCH" and reading.is_name(place):
            self._know(place, Type("node", nullable=False, kinds=self._kinds(place + 1, self.catalog.kinds)))

    def _begin(self, place: int, token: Token) -> None:
        query, word = self.query, token.text.upper()
        if query.begun >= 0:
            self._item(place)
            query.begun = -1
        if query.clause == "WITH":
            query.sight = {name: Known(name, each.type) for name, each in query.columns.items()}
        query.clause = word if word in WRITES else token.type
        self.mode = "pattern" if word in ("MATCH", "OPTIONAL") or word in WRITES else "expression"
        if token.type in ("WITH", "RETURN"):
            query.columns, query.begun = {}, place + 1
        elif token.type == "UNION":
            query.sight = {}

    def _between_items(self, place: int) -> bool:
        at = self.reading.opener[place]
        inside = at >= 0 and not self.reading.is_subquery(at)
        return self.query.begun >= 0 and not inside

    def _item(self, end: int) -> None:
        """Reads an item of a projection, which ends before that place."""
        query, reading, begun = self.query, self.reading, self.query.begun
        if reading.type(begun) == "DISTINCT":
            begun += 1
        if begun >= end:
            return
        if reading.type(end - 2) == "AS" and reading.is_name(end - 1):
            name = spelt(reading.tokens[end - 1])
            query.columns[name] = Known(name, type_of(reading, self.catalog, query.sight, begun, end - 3), True)
        elif end - begun == 1 and reading.type(begun) == "*":
            query.columns |= query.sight
        elif end - begun == 1 and reading.is_name(begun):
            name = spelt(reading.tokens[begun])
            query.columns[name] = Known(name, query.sight[name].type if name in query.sight else ANY, True)

    def _open(self, place: int) -> None:
        reading, frame = self.reading, _Frame(self.mode)
        self.frames.append(frame)
        if reading.is_subquery(place):
            frame.outer = self.query
            self.query = _Query(dict(self.query.sight))
            self.mode = "pattern"
        elif reading.is_relation(place):
            if reading.is_name(place + 1):
                kinds = self._kinds(place + 2, self.catalog.relations)
                one = Type("relation", kinds=kinds)
                close = min(reading.partner.get(place, len(reading.tokens)), place + NEAR)
                far = any(reading.type(at) == "*" for at in range(place, close))
                self._know(place + 1, list_of(one) if far else one)
        elif self.mode == "pattern" and reading.type(place) == reading.type(place + 1) == "(":
            frame.group = frozenset(self.query.sight)
        elif self.mode == "pattern" and reading.is_node(place):
            if reading.is_name(place + 1):
                self._know(place + 1, Type("node", nullable=False, kinds=self._kinds(place + 2, self.catalog.kinds)))
        elif reading.type(place) in ("[", "{") or reading.is_name(place - 1):
            self.mode = "expression"

    def _close(self) -> None:
        frame = self.frames.pop()
        self.mode = frame.mode
        if frame.outer is not None:
            self.query = frame.outer
        if frame.group is not None:
            own = {name: each for name, each in self.query.sight.items() if name not in frame.group}
            self.query.sight |= {name: Known(name, list_of(each.type)) for name, each in own.items()}
        for name, known in frame.shadowed.items():
            if known is None:
                self.query.sight.pop(name, None)
            else:
                self.query.sight[name] = known

    def _know(self, place: int, of: Type) -> None:
        name = spelt(self.reading.tokens[place])
        known = self.query.sight.get(name)
        narrower = of.kinds is not None and known is not None and known.type.name == of.name and not known.type.kinds
        if known is None or narrower:
            self.query.sight[name] = Known(name, of)

    def _member(self, place: int) -> None:
        """`[x IN list …]`, `any(x IN list WHERE …)`: a variable as far as the bracket goes."""
        reading = self.reading
        if reading.type(place - 2) not in ("[", "(", ",") or reading.is_relation(place - 2):
            return
        name = spelt(reading.tokens[place - 1])
        end, most = place + 1, min(len(reading.tokens), place + NEAR)
        while end < most and reading.type(end) not in ("WHERE", "|", "BAR", "]", ")", "}"):
            end = reading.partner.get(end, end) + 1
        of = type_of(reading, self.catalog, self.query.sight, place + 1, end - 1)
        self.frames[-1].shadowed.setdefault(name, self.query.sight.get(name))
        self.query.sight[name] = Known(name, of.member or ANY)
        total = reading.opener[place] + 1
        if reading.type(total + 1) == "=" and reading.is_name(total):  # reduce(total = 0, x IN list | …)
            before = spelt(reading.tokens[total])
            self.frames[-1].shadowed.setdefault(before, self.query.sight.get(before))
            self.query.sight[before] = Known(before, ANY)

    def _alias(self, place: int) -> None:
        """`UNWIND list AS x`, `SCORE AS s`."""
        reading, query = self.reading, self.query
        of = FLOAT if reading.type(place - 2) == "SCORE" else ANY
        if query.clause == "UNWIND":
            near = range(place, max(-1, place - NEAR), -1)
            begun = next((at for at in near if reading.type(at) == "UNWIND"), place)
            of = type_of(reading, self.catalog, query.sight, begun + 1, place - 2).member or ANY
        self._know(place, of)

    def _kinds(self, place: int, known: Mapping[str, object]) -> frozenset[str] | None:
        """The kinds named behind a colon there: those of `:A|B`; None for what is more than that."""
        reading = self.reading
        if reading.type(place) != ":":
            return None
        found = []
        while reading.type(place) in (":", "|") and reading.is_word(place + 1):
            found.append(spelt(reading.tokens[place + 1]))
            place += 2
        plain = reading.type(place) not in (":", "&", "!", "|", "%") and all(each in known for each in found)
        return frozenset(found) if found and plain else None


def type_of(reading: Reading, catalog: Catalog, sight: Mapping[str, Known], begin: int, end: int) -> Type:
    """The type of what is written from one place to another: of a variable, a property, a call; `any` where it would
    take more than a look."""
    begun, of = _ending(reading, catalog, sight, end)
    return of if begun == begin else ANY


def type_before(reading: Reading, catalog: Catalog, sight: Mapping[str, Known], dot: int) -> Type:
    """The type of what stands before a dot."""
    return _ending(reading, catalog, sight, dot - 1)[1]


def _ending(
    reading: Reading, catalog: Catalog, sight: Mapping[str, Known], end: int, depth: int = 0
) -> tuple[int, Type]:
    """Where the operand that ends there begins, and its type."""
    kind = reading.type(end)
    if depth > _STEPS:
        return end, ANY
    if kind == "COUNT_ALL":
        return end, Type("integer", nullable=False)
    if kind == "PARAMETER" and "::" in reading.tokens[end].text:
        return end, parameter_type(reading.tokens[end].text)
    if kind in ("STRING", "INT", "FLOAT"):
        return end, Type({"STRING": "string", "INT": "integer", "FLOAT": "float"}[kind], nullable=False)
    if reading.is_word(end):
        name = spelt(reading.tokens[end])
        if reading.type(end - 1) == ".":
            begun, of = _ending(reading, catalog, sight, end - 2, depth + 1)
            return begun, _property(catalog, of, name)
        return end, sight[name].type if name in sight else ANY
    if kind == ")" and end in reading.partner:
        begun = reading.partner[end]
        if reading.is_name(begun - 1) and reading.type(begun - 2) != ".":
            return begun - 1, _call(reading, catalog, sight, begun, end, depth)
        inner, of = _ending(reading, catalog, sight, end - 1, depth + 1)
        return begun, of if inner == begun + 1 else ANY
    if kind == "]" and end in reading.partner:
        begun, of = _ending(reading, catalog, sight, reading.partner[end] - 1, depth + 1)
        inside = range(reading.partner[end] + 1, end)
        sliced = any(reading.type(at) == ".." for at in inside)
        return begun, of if sliced else of.member or ANY
    return end, ANY


def _call(reading: Reading, catalog: Catalog, sight: Mapping[str, Known], begun: int, end: int, depth: int) -> Type:
    name = spelt(reading.tokens[begun - 1]).lower()
    if name in SCORES:
        return SCORE if name == "score" else SCORE_PARTS[SCORES[name]]
    first = _first_argument(reading, begun, end)
    where, of = _ending(reading, catalog, sight, first, depth + 1)
    given = of if where == begun + 1 else ANY
    if name in AGGREGATES:
        return AGGREGATES[name].type(given)
    if name not in FUNCTIONS:
        return ANY
    function = FUNCTIONS[name]
    return function.type([given, *[ANY] * max(0, len(function.takes) - 1)])


def _first_argument(reading: Reading, begun: int, end: int) -> int:
    """Where the first argument ends."""
    at = begun + 1
    while at < end and not (reading.type(at) == "," and reading.opener[at] == begun):
        at += 1
    return at - 1


def parameter_type(written: str) -> Type:
    """The type that `$name::type` says."""
    named = written.partition("::")[2].strip().removesuffix("?").replace(" ", "")
    names = {"str": "string", "int": "integer", "bool": "boolean"}
    scalar = named.removesuffix("[]")
    return declared(names.get(scalar, scalar) + named[len(scalar) :])


def _property(catalog: Catalog, of: Type, name: str) -> Type:
    if of == SCORE:
        return SCORE_PARTS.get(name, ANY)
    if of.name == "node" and name in STATE and not any(name in kind.properties for kind in catalog.kinds.values()):
        return declared(STATE[name])
    return property_type(Binding(catalog, ""), of, name, _NOWHERE) or ANY
