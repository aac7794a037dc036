"""openCypher's conformance scenarios against MemQL: a scratch tenant of the real stores in which each scenario has its
own owner, who sees nothing of the others.

The runner and its scenarios are not part of this repository; it asks for `name`, `reset`, `load`, `parse` and `run`.

Two things that every item of ours has are not openCypher's, and are kept out of its way here and nowhere else. Its
graphs may have properties that are called as ours are reserved, such as `id`: they are written with a last capital, in
the graph and in the query. And its nodes have no kind: that of the scratch nodes is taken out of lists of labels.
"""

import atexit
import sys
import tempfile
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from engine.clock import SystemClock
from engine.commands import AddItem, Principal, Relate, SetCatalog
from engine.decide.view import ItemState, RelationState
from engine.execute import PathState, Rows, run
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant
from memql.catalog import RESERVED, Catalog
from memql.compiled import compile_query
from memql.errors import Problem, Refusal
from memql.lexer import pieces
from memql.temporal import TYPES, ours
from memql.world import RELATION_PROPERTIES

ROOT = Principal("usr_root", admin=True)
KIND = "Scratch"
"""The kind of every node: openCypher knows only labels."""
THEIRS = {name: name[:-1] + name[-1].upper() for name in RESERVED | RELATION_PROPERTIES}
"""Their names for properties, and what each is called here: as long, so that places in the text stay."""
OURS = {ours_: theirs for theirs, ours_ in THEIRS.items()}


def escaped(query: str) -> str:
    """The query with their names of properties as they are called here."""
    made = query
    read = pieces(query)
    for before, token, after in zip_longest(read, read[1:], read[2:]):
        if token is None:
            break
        is_key = before.text in "{," and after is not None and after.text == ":"
        if token.text in THEIRS and (before.text == "." or is_key):
            made = made[: token.start] + THEIRS[token.text] + made[token.end :]
    return made


class Refused(Exception):
    """A query that was not answered, with the place of the first problem."""

    def __init__(self, problem: Problem, phase: str) -> None:
        super().__init__(f"{problem.code} {problem.message}")
        self.phase = phase
        self.unsupported = problem.code.startswith("Q5")
        if problem.span is not None:
            self.line, self.column = problem.span.line, problem.span.column


class MemQL:
    """The adapter: one process, one tenant, as many graphs side by side as there are scenarios."""

    name = "memql"
    strict_errors = True
    strict_columns = True

    def __init__(self) -> None:
        self._tenant: Tenant | None = None
        self._scenarios = 0
        self._me = ROOT
        self._given: Any = sys.modules.get("tck")
        """The runner's own module, whose values of nodes, relations and paths it compares."""

    def reset(self) -> None:
        """A new owner, and so an empty graph."""
        self._scenarios += 1
        self._me = Principal(f"usr_{self._scenarios}")

    @property
    def tenant(self) -> Tenant:
        if self._tenant is None:
            folder = tempfile.TemporaryDirectory()
            limits = Limits(text_commit_ms=60_000, graph_gather_ms=60_000)
            opened = Tenant.open("tck", Path(folder.name) / "tck", clock=SystemClock(), limits=limits)
            assert isinstance(opened, Tenant), opened
            self._tenant = opened
            atexit.register(folder.cleanup)
            atexit.register(opened.close)
            receipt = opened.write_now(SetCatalog(open=True), ROOT)
            assert isinstance(receipt, Receipt), receipt
        return self._tenant

    def load(self, scenario: Mapping[str, Any]) -> bool:
        """Records the scenario's graph by the commands that everyone uses. False where it has what these refuse."""
        graph = scenario["graph"] or {"nodes": (), "rels": ()}
        ids = {}
        for node in graph["nodes"]:
            item = AddItem(kind=KIND, labels=tuple(node["labels"]), properties=self._held(node["props"]))
            recorded = self.tenant.write_now(item, self._me)
            if isinstance(recorded, Refusal):
                return False
            ids[node["id"]] = recorded.ids[0]
        for each in graph["rels"]:
            source, target = ids[each["src"]], ids[each["dst"]]
            relate = Relate(source=source, kind=each["type"], target=target, properties=self._held(each["props"]))
            if isinstance(self.tenant.write_now(relate, self._me), Refusal):
                return False
        return True

    def _held(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """As they are recorded. A value of time is given as the expression that makes it."""
        made = {}
        for theirs, value in properties.items():
            name = THEIRS.get(theirs, theirs)
            if isinstance(value, dict) and "$expr" in value:
                rows = run(self.tenant, f"RETURN {value['$expr']} AS made", {}, self._me)
                assert isinstance(rows, Rows), rows
                made[name] = rows.rows[0][0]
            elif value is not None:
                made[name] = value
        return made

    def parse(self, query: str) -> None:
        """Passes where the query could be run, whatever the graph."""
        compiled = compile_query(query, Catalog().opened(True))
        if isinstance(compiled, Refusal):
            raise Refused(compiled.problems[0], "compile")

    def run(self, query: str, params: Mapping[str, Any]) -> tuple[list[str], list[list[Any]]]:
        compiled = compile_query(query, self.tenant.catalog)
        if isinstance(compiled, Refusal):
            raise Refused(compiled.problems[0], "compile")
        rows = self.asked(escaped(query), params)
        if isinstance(rows, Refusal):
            raise Refused(rows.problems[0], "run")
        return [each.name for each in compiled.columns], [[self._value(each) for each in row] for row in rows.rows]

    def asked(self, query: str, params: Mapping[str, Any]) -> Rows | Refusal:
        """The answer to a query as it is written here."""
        return run(self.tenant, query, params, self._me)

    def _value(self, value: Any) -> Any:
        """As the runner compares them: temporal values as text."""
        match value:
            case ItemState():
                return self._given.Node(frozenset(value.labels), self._value(dict(value.properties)))
            case RelationState():
                return self._given.Rel(value.kind, self._value(dict(value.properties)))
            case PathState():
                steps = zip(value.nodes, value.relations, strict=False)
                forward = [relation.source == node.root for node, relation in steps]
                return self._given.Path(
                    [self._value(each) for each in value.nodes],
                    [self._value(each) for each in value.relations],
                    forward,
                )
            case list():
                return [self._value(each) for each in value if each != KIND]
            case dict():
                return {OURS.get(key, key): self._value(each) for key, each in value.items()}
            case str():
                return OURS.get(value, value)
        return str(ours(value)) if type(value) in TYPES else value
