"""Random queries over the worlds of `worlds`: directed by the grammar, and typed, so that most of them mean something.

An expression of a type is one of the forms of that type, in which `@int` stands for any expression of type int, and so
on; `@+int` may use the variable `v`, which the form itself binds.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeAlias

from tests.memql.worlds import KINDS, LABELS, RELATIONS

Scope: TypeAlias = dict[str, str]
"""The variables in sight, each with its type."""

_HOLE = re.compile(r"@(\+?)(\w+)")

FORMS: dict[str, list[str]] = {
    kind: [form.strip() for form in " ".join(forms.split()).split(";")]
    for kind, forms in {
        "int": """
            @int % 7 + @int % 5 ; @int % 3 - 1 ; @int % 9 * 2 ; -(@int % 4) ; size(@str) ; size(@ints) ; size(@any_list)
            ; toInteger(@float) ; abs(@int % 9) ; CASE WHEN @bool THEN @int ELSE @int END ; coalesce(@int, @int) ; CASE
            @int WHEN 1, 2 THEN 0 WHEN @int THEN @int END ; COUNT { @pattern } ; COUNT { @matched } ; @date.year ;
            @datetime.month ; reduce(t = 0, v IN @ints | t + v % 3) ; toInteger(@str) ; head(@ints) ; @ints[@int % 3] ;
            last(@ints) ; length(@path) ; size(COLLECT { @collected }) ; sign(@float) ; CASE WHEN @bool THEN @int END ;
            size([@bare | 1]) ; @map.a % 5
        """,
        "float": """
            @float + @float ; @float * 0.5 ; @int / 2.0 ; sqrt(abs(@float)) ; toFloat(@int) ; round(@float) ;
            @rel.weight ; 0.0 / 0.0 ; 1.0 / 0.0 ; floor(@float) ; @float ^ 2 ; coalesce(@float, 0.5) ; @float % 2 ;
            toFloat(@str) ; CASE WHEN @bool THEN @float ELSE @float END
        """,
        "str": """
            @str + @str ; toUpper(@str) ; toLower(@str) ; trim(@str) ; left(@str, 2) ; substring(@str, 1) ;
            reverse(@str) ; replace(@str, 'a', @str) ; toString(@int) ; toString(@bool) ; toString(@date) ; split(@str,
            ' ')[0] ; @node.kind ; kind(@node) ; type(@rel) ; @node.id ; @strs[0] ; coalesce(@str, 'none') ;
            toString(@float) ; CASE WHEN @bool THEN @str ELSE @str END ; @node.domain ; head(labels(@node)) ; @str ||
            @str ; @map['b']
        """,
        "bool": """
            @int < @int ; @int >= @int ; @int = @int ; @int <> @float ; @float <= @float ; @str = @str ; @str < @str ;
            @str STARTS WITH @str ; @str ENDS WITH @str ; @str CONTAINS @str ; @any = @any ; @any IS NULL ; @any IS NOT
            NULL ; NOT @bool ; @bool AND @bool ; @bool OR @bool ; @bool XOR @bool ; @bool = @bool ; @int IN @ints ; @str
            IN @strs ; @any IN @any_list ; @node = @node ; @node <> @node ; @node:Thing ; @node:Red|Other ; @node:!Blue
            ; EXISTS { @pattern } ; EXISTS { @matched } ; @predicate ; NOT @predicate ; any(v IN @ints WHERE @+bool) ;
            all(v IN @ints WHERE @+bool) ; none(v IN @ints WHERE @+bool) ; single(v IN @ints WHERE @+bool) ; @date <
            @date ; @datetime >= @datetime ; @any < @any ; 0 < @int <= 5 ; @any_list = @any_list ; @map = @map ; @str =~
            't.*' ; @node.id IN @strs ; @node.id = @str ; isEmpty(@str) ; @strs = @strs ; @rel = @rel ; startNode(@rel)
            = @node ; @int IN COLLECT { @collected } ; @node.n = @int ; @node.s = @str ; @node.b ; @node.x > @float ;
            @node.n > @int ; @node.t < @datetime ; @node.s IS NULL ; any(v IN @nodes WHERE v.n > 0) ; toBoolean(@str) ;
            @node.v = @any ; @node.d = @date
        """,
        "ints": """
            [v IN @ints WHERE @+bool] ; [v IN @ints | @+int] ; [v IN @ints WHERE @+bool | @+int] ; @ints + @ints ;
            range(0, @int % 4) ; [@int, @int] ; @ints[0..@int] ; tail(@ints) ; reverse(@ints) ; @ints + @int
        """,
        "strs": """
            [@str, @str] ; labels(@node) ; split(@str, 'e') ; [v IN @ints | toString(v)] ; @strs[1..] ; @strs + @str
        """,
        "any_list": """
            [@any, @any] ; @ints ; @strs ; [@any, @any_list] ; nodes(@path) ; relationships(@path) ; [null, @int]
        """,
        "nodes": """
            nodes(@path) ; [@node] ; [@node, @node]
        """,
        "map": """
            {a: @int, b: @str} ; {a: @any} ; @subject {.n, .s} ; @subject {.*, extra: @int} ; {a: @map} ;
            properties(@node)
        """,
        "date": """
            date('2026-03-14') ; @date + duration('P1D') ; date(@datetime) ; date({year: 2026, month: 1 + abs(@int %
            12)})
        """,
        "datetime": """
            datetime('2026-03-14T09:26:53Z') ; @datetime + duration({hours: @int % 9}) ; @node.valid_from
        """,
        "any": """
            @int ; @float ; @str ; @bool ; @date ; @any_list ; @map ; @node ; @rel ; @any_list[0] ; @map[@str] ; CASE
            WHEN @bool THEN @int ELSE @str END ; coalesce(@any, @any) ; @node[@str] ; @datetime ; @node.v ; @map.a
        """,
        "aggregate": """
            count(*) ; count(@any) ; count(DISTINCT @any) ; min(@any) ; max(@int) ; sum(@int % 9) ; avg(@float) ;
            sum(@float % 2) ; size(collect(@any)) ; size(collect(DISTINCT @any)) ; count(*) + 1 ; percentileDisc(@int %
            5, 0.5) ; percentileCont(@float, 0.9) ; stDevP(@int % 9) ; count(DISTINCT @node) ; min(@str)
        """,
    }.items()
}
LITERALS: dict[str, tuple[str, ...]] = {
    "int": ("0", "1", "-1", "2", "3", "7", "2147483648", "9007199254740993", "9223372036854775807", "null", "0x1F"),
    "float": ("0.0", "-0.0", "0.5", "1.0", "-2.5", "1e300", "null"),
    "str": ("''", "'tea'", "'Tea'", "'ä'", "'it\\'s'", '"日本"', "'a b'", "'1'", "'🫖'", "'s'", "'n'", "'\\n'", "null"),
    "bool": ("true", "false", "null"),
    "ints": ("[]", "[1]", "[1, 2, 3]", "[3, null, 1]", "null"),
    "strs": ("[]", "['tea']", "['a', null, '']", "null"),
    "any_list": ("[]", "[1, 'a', null]", "[[1], {a: 1}]", "null"),
    "map": ("{}", "{a: 1}", "{a: null, b: 'x'}", "null"),
    "date": ("date'2026-03-14'", "date('1969-12-31')", "null"),
    "datetime": ("datetime'2026-03-14T09:26:53Z'", "null"),
    "any": ("null", "1", "1.0", "'tea'", "[1]", "{a: 1}", "true"),
    "node": ("null",), "rel": ("null",), "path": ("null",), "nodes": ("[]",),
}  # fmt: skip
OF_NODES = {
    "int": ("n", "version"), "float": ("x", "importance"), "str": ("s", "id", "kind", "domain", "text"),
    "bool": ("b",),
    "date": ("d",), "datetime": ("t", "valid_to", "recorded_at"), "ints": ("ns",), "strs": ("ss",), "map": ("m",
    ), "any": ("v", "s", "n"),
}  # fmt: skip
OF_RELATIONS = {"int": ("n",), "float": ("weight",), "str": ("s", "kind", "id"), "date": ("d",)}
GIVEN: dict[str, tuple[Any, ...]] = {
    "int": (0, 1, -1, 2**63 - 1, None), "float": (0.5, 1.0, None), "str": ("tea", "", "日本", None),
    "bool": (True, None),
    "ints": ([], [1, 2], None), "date": (date(2026, 3, 14), None), "any": (1, "tea", None, [1], {"a": 1}),
}  # fmt: skip


@dataclass
class Question:
    """A text, what is passed to it, and what is known of the order of its rows: `total` where ORDER BY names all
    columns. Columns that are called `bag…` hold lists whose order nobody promised."""

    text: str
    parameters: Mapping[str, Any]
    total: bool


@dataclass
class Writer:
    """Writes one query. `depth` is that of its expressions."""

    chance: random.Random
    moments: Sequence[datetime] = ()
    """Times at which something was recorded: where there are some, a MATCH may be of one of them."""
    depth: int = 2
    parameters: dict[str, Any] = field(default_factory=dict)
    _made: int = 0

    def question(self) -> Question:
        if self.chance.random() < 0.1:
            return self._united()
        text, total = self._single()
        return Question(text, self.parameters, total)

    def _united(self) -> Question:
        kinds = [self.chance.choice(("int", "str", "any", "node")) for _ in range(self.chance.randrange(1, 3))]
        parts = []
        for _ in range(self.chance.randrange(2, 4)):
            clauses, scope = self._clauses({})
            columns = [f"{self.expression(kind, scope)} AS c{at}" for at, kind in enumerate(kinds)]
            parts.append(" ".join((*clauses, f"RETURN {', '.join(columns)}")))
        return Question(self.chance.choice((" UNION ", " UNION ALL ")).join(parts), self.parameters, False)

    def _single(self) -> tuple[str, bool]:
        clauses, scope = self._clauses({})
        text, total = self._returned(scope)
        return " ".join((*clauses, text)), total

    # Clauses

    def _clauses(self, scope: Scope, most: int = 3) -> tuple[list[str], Scope]:
        written: list[str] = []
        for _ in range(self.chance.randrange(1, most + 1)):
            text, scope = self._clause(scope)
            written.append(text)
        return written, scope

    def _clause(self, scope: Scope) -> tuple[str, Scope]:
        which = self.chance.random()
        if which < 0.6 or not scope:
            optional = "OPTIONAL " if self.chance.random() < 0.25 else ""
            text, scope = (self._walk if self.chance.random() < 0.12 else self._match)(scope)
            return optional + text, scope
        if which < 0.75:
            kind, listed = self.chance.choice(
                (("int", "ints"), ("str", "strs"), ("any", "any_list"), ("node", "nodes"))
            )
            name = self._name(scope)
            return f"UNWIND {self.expression(listed, scope)} AS {name}", {**scope, name: kind}
        if which < 0.92:
            return self._with(scope)
        return self._call(scope)

    def _match(self, scope: Scope) -> tuple[str, Scope]:
        paths, behind = [], dict(scope)
        for _ in range(self.chance.choice((1, 1, 1, 2))):
            text, behind = self._pattern(behind, scope)
            paths.append(text)
        return f"MATCH {', '.join(paths)}{self._time()}{self._where(behind)}", behind

    def _time(self) -> str:
        if not self.moments or self.chance.random() < 0.9:
            return ""
        name = f"t{len(self.parameters)}"
        self.parameters[name] = self.chance.choice(self.moments)
        return f" {self.chance.choice(('AS OF', 'AS OF', 'VALID AT'))} ${name}"

    def _walk(self, scope: Scope) -> tuple[str, Scope]:
        """All shortest paths, or a group again and again. What one time through it binds are lists behind it."""
        behind, (one, other) = dict(scope), [self._name(scope) for _ in range(2)]
        ends = [self.chance.choice(("", ":Thing", ":Red", ":!Other")) for _ in range(2)]
        arrow = self.chance.choice(("->", "->", "-"))
        if self.chance.random() < 0.5:
            path = self._name(scope)
            text = f"MATCH {path} = ALL SHORTEST ({one}{ends[0]})-[:LINKS|ABOUT]{arrow}{{1,3}}({other}{ends[1]})"
            return text, {**behind, path: "path", one: "node", other: "node"}
        near, far, passed = (self._name(scope) for _ in range(3))
        times = self.chance.choice(("{1,2}", "{2}", "{0,2}", "{1}"))
        kinds = self.chance.choice(("", ":LINKS", ":LINKS|DERIVED_FROM"))
        where = self._where({near: "node", far: "node", passed: "rel"}, 0.3)
        group = f"(({near})-[{passed}{kinds}]{arrow}({far}){where}){times}"
        behind |= {one: "node", other: "node", near: "nodes", far: "nodes", passed: "rels"}
        return f"MATCH ({one}{ends[0]}){group}({other}{ends[1]})", behind

    def _where(self, scope: Scope, often: float = 0.35) -> str:
        return f" WHERE {self.expression('bool', scope)}" if self.chance.random() < often else ""

    def _with(self, scope: Scope) -> tuple[str, Scope]:
        items, behind = [], {}
        grouped = self.chance.random() < 0.3
        for name in self.chance.sample(sorted(scope), self.chance.randrange(0, min(3, len(scope)) + 1)):
            items.append(name)
            behind[name] = scope[name]
        for _ in range(1 if not items or grouped else self.chance.randrange(2)):
            kind = self.chance.choice(("int", "str", "any", "bool", "ints", "node"))
            name = self._name({**scope, **behind})
            of = self.expression("aggregate", scope) if grouped else self.expression(kind, scope)
            items.append(f"{of} AS {name}")
            behind[name] = "any" if grouped else kind
        distinct = "DISTINCT " if self.chance.random() < 0.2 else ""
        paged = self._paged(list(behind)) if self.chance.random() < 0.3 else ""
        return f"WITH {distinct}{', '.join(items)}{paged}{self._where(behind, 0.3)}", behind

    def _paged(self, columns: list[str]) -> str:
        """Rows in an order in which none but equal ones stand side by side, and some of them."""
        order = [f"{name}{self.chance.choice(('', '', ' DESC'))}" for name in self.chance.sample(columns, len(columns))]
        skip = f" SKIP {self.chance.randrange(3)}" if self.chance.random() < 0.3 else ""
        limit = f" LIMIT {self.chance.randrange(5)}" if self.chance.random() < 0.6 else ""
        return f" ORDER BY {', '.join(order)}{skip}{limit}"

    def _call(self, scope: Scope) -> tuple[str, Scope]:
        """A query for each row."""
        taken = self.chance.sample(sorted(scope), self.chance.randrange(0, min(2, len(scope)) + 1))
        match, inner = self._match({name: scope[name] for name in taken})
        kind, name = self.chance.choice(("int", "str", "node", "any")), self._name({**scope, **inner})
        value = self.expression("aggregate" if (counts := self.chance.random() < 0.3) else kind, inner)
        return f"CALL ({', '.join(taken)}) {{ {match} RETURN {value} AS {name} }}", {
            **scope,
            name: "any" if counts else kind,
        }

    def _returned(self, scope: Scope) -> tuple[str, bool]:
        items, columns = [], []
        grouped = self.chance.random() < 0.3
        for at in range(self.chance.randrange(1, 4)):
            kind = self.chance.choice(
                ("int", "float", "str", "bool", "any", "node", "map", "ints", "date", "path", "rel")
            )
            items.append(f"{self.expression(kind, scope)} AS c{at}")
            columns.append(f"c{at}")
        if grouped:
            items[-1] = f"{self.expression('aggregate', scope)} AS {columns[-1]}"
        distinct = "DISTINCT " if self.chance.random() < 0.15 else ""
        total = self.chance.random() < 0.3
        if not total and not distinct and self.chance.random() < 0.15:
            items.append(
                f"COLLECT {{ {self._collected(scope)} }} AS bag"
                if not grouped
                else f"collect({self.expression('any', scope)}) AS bag"
            )
        return f"RETURN {distinct}{', '.join(items)}{self._paged(columns) if total else ''}", total

    # Patterns

    def _pattern(self, scope: Scope, outside: Scope, hops: int = 2, *, named: bool = True) -> tuple[str, Scope]:
        """A path; variables of `outside` were bound before the clause."""
        behind = dict(scope)
        text = self._node(behind)
        for _ in range(self.chance.randrange(hops + 1)):
            text += self._hop(behind, named) + self._node(behind)
        mode = self.chance.choice(("ACYCLIC ", "TRAIL ")) if named and self.chance.random() < 0.08 else ""
        if named and self.chance.random() < 0.2:
            name = self._name(behind)
            behind[name] = "path"
            return f"{name} = {mode}{text}", behind
        text = mode + text
        return text, behind

    def _node(self, scope: Scope) -> str:
        known = [name for name, kind in scope.items() if kind == "node"]
        if known and self.chance.random() < 0.35:
            return f"({self.chance.choice(known)})"
        before, name = dict(scope), ""
        if self.chance.random() < 0.8:
            name = self._name(scope)
            scope[name] = "node"
        labels = self.chance.choice(
            ("", "", "", *(f":{each}" for each in (*KINDS, "Thing", *LABELS)), ":Thing|Memory", ":!Other", ":Thing&Red")
        )
        properties = ""
        if self.chance.random() < 0.15:
            kind, key = self.chance.choice((("int", "n"), ("str", "s"), ("bool", "b")))
            properties = f" {{{key}: {self._leaf(kind, before)}}}"
        return f"({name}{labels}{properties})"

    def _hop(self, scope: Scope, named: bool) -> str:
        kinds = self.chance.choice(("", "", "", "", *(f":{each}" for each in RELATIONS), ":LINKS|DERIVED_FROM"))
        many = self.chance.choice(("*1..2", "*0..1", "*2", "*..2", "*0..2")) if self.chance.random() < 0.15 else ""
        name = ""
        if named and self.chance.random() < 0.4:
            name = self._name(scope)
            scope[name] = "rels" if many else "rel"
        behind = ""
        if many and self.chance.random() < 0.5:
            many, behind = "", self.chance.choice(("{1,2}", "{2}", "{0,1}", "{,2}"))
        inside = f"[{name}{kinds}{many}]" if name or kinds or many else ""
        return self.chance.choice((f"-{inside}->", f"-{inside}->", f"<-{inside}-", f"-{inside}-")) + behind

    def _name(self, scope: Scope) -> str:
        self._made += 1
        return (
            self.chance.choice(("a", "b", "c", "m", "score", "order")) + str(self._made)
            if self.chance.random() < 0.95
            else f"`v {self._made}`"
        )

    # Expressions

    def expression(self, kind: str, scope: Scope, depth: int | None = None) -> str:
        depth = self.depth if depth is None else depth
        if kind not in FORMS or (kind in LITERALS and (depth <= 0 or self.chance.random() < 0.25)):
            return self._leaf(kind, scope)
        form = self.chance.choice(FORMS[kind])
        text = _HOLE.sub(
            lambda hole: self._filled(hole[2], {**scope, "v": "int"} if hole[1] else scope, depth - 1), form
        )
        return f"({text})"

    def _filled(self, kind: str, scope: Scope, depth: int) -> str:
        special: dict[str, Callable[[Scope], str]] = {
            "pattern": lambda scope: self._pattern(scope, scope)[0] + self._where(scope, 0.2),
            "matched": lambda scope: self._match(scope)[0], "collected": self._collected,
            "subject": self._subject, "predicate": self._predicate, "bare": self._predicate,
        }  # fmt: skip
        if kind in special:
            deeper, self.depth = self.depth, min(self.depth, 1)
            try:
                return special[kind](scope)
            finally:
                self.depth = deeper
        return self.expression(kind, scope, depth)

    def _collected(self, scope: Scope) -> str:
        match, inner = self._match(scope)
        return f"{match} RETURN {self.expression(self.chance.choice(('int', 'any')), inner, 1)} AS of"

    def _subject(self, scope: Scope) -> str:
        """A node by its name; where there is none, anything that a name may stand for."""
        return self.chance.choice(
            [name for name, of in scope.items() if of in ("node", "map")] or list(scope) or ["nobody"]
        )

    def _predicate(self, scope: Scope) -> str:
        """A pattern of nodes that are known, or have no name."""
        known = [name for name, kind in scope.items() if kind == "node"]
        ends = [f"({self.chance.choice(known)})" if known and self.chance.random() < 0.7 else "()" for _ in range(2)]
        return f"{ends[0]}{self._hop({}, False)}{ends[1]}"

    def _leaf(self, kind: str, scope: Scope) -> str:
        found = [name for name, of in scope.items() if of == kind]
        if kind == "any":
            found = list(scope)
        if kind == "any_list":
            found += [name for name, of in scope.items() if of in ("rels", "nodes", "ints", "strs")]
        nodes = [f"{name}.{key}" for name, of in scope.items() if of == "node" for key in OF_NODES.get(kind, ())]
        relations = [f"{name}.{key}" for name, of in scope.items() if of == "rel" for key in OF_RELATIONS.get(kind, ())]
        known = found * 2 + nodes + relations
        if known and self.chance.random() < 0.75:
            return self.chance.choice(known)
        if kind in GIVEN and self.chance.random() < 0.15:
            name = f"p{len(self.parameters)}"
            self.parameters[name] = self.chance.choice(GIVEN[kind])
            return f"${name}"
        return self.chance.choice(LITERALS[kind])
