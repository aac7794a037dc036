"""openCypher's conformance scenarios once more, in other forms that mean the same: no verdict may differ.

`InParameters` passes every literal of a query as a parameter, so that nothing is known of it when it is compiled.
`AsProperties` stores them as properties of a node that the query matches first, so that what stores are asked for is
tried. Both go the way through the printer as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field, fields, replace
from typing import Any

from engine.commands import AddItem
from engine.execute import Rows
from memql import ast
from memql.errors import Refusal
from memql.functions import AGGREGATES
from memql.parse import parse
from memql.printer import printed
from tests.tck_adapter import MemQL

Replaced = Callable[[ast.Literal], ast.Expression]
_KEPT = frozenset({"span", "keys", "skip", "limit", "hops"})
"""Parts of a query in which there are no expressions, or none that may depend on a row."""


class InParameters(MemQL):
    """Literals as parameters; those that are equal are one, so that columns that were equal still are."""

    name = "memql, literals as parameters"
    strict_errors = False

    def asked(self, query: str, params: Mapping[str, Any]) -> Rows | Refusal:
        names: dict[tuple[type, object], str] = {}

        def by(literal: ast.Literal) -> ast.Expression:
            return ast.Parameter(names.setdefault((type(literal.value), literal.value), f"literal_{len(names)}"))

        statement = parse(query)
        if isinstance(statement, Refusal):
            return statement
        lifted = printed(_lifted(statement, by))
        return super().asked(lifted, {**params, **{name: value for (_, value), name in names.items()}})


class AsProperties(MemQL):
    """Literals as properties of one node, which is matched wherever one is needed. For queries without a graph: in one,
    the node would be found as well."""

    name = "memql, literals as properties"
    strict_errors = False

    def asked(self, query: str, params: Mapping[str, Any]) -> Rows | Refusal:
        statement = parse(query)
        if isinstance(statement, Refusal):
            return statement
        given: dict[str, Any] = {}
        parts = tuple(replace(part, clauses=_matched(part.clauses, given)) for part in statement.query.parts)
        if given:
            stored = self.tenant.write_now(AddItem(kind="Held", properties=given), self._me)
            if isinstance(stored, Refusal):
                return super().asked(query, params)
        return super().asked(printed(replace(statement, query=replace(statement.query, parts=parts))), params)


def _matched(clauses: tuple[ast.Clause, ...], given: dict[str, Any]) -> tuple[ast.Clause, ...]:
    """Each clause that has literals, behind a MATCH of the node that holds them."""
    made: list[ast.Clause] = []
    holder = ""
    for place, clause in enumerate(clauses):
        node = holder or f"held_{place}"

        def by(literal: ast.Literal, node: str = node) -> ast.Expression:
            name = f"p{len(given)}"
            given[name] = literal.value
            return ast.Property(ast.Name(node), name)

        count = len(given)
        lifted = _lifted_of_rows(clause, by)
        if len(given) > count and not holder:
            pattern = ast.PathPattern((ast.NodePattern(ast.Name(node), ast.Label("Held")),), ())
            made.append(ast.Match((pattern,)))
            holder = node
        made.append(lifted)
        if isinstance(clause, ast.With):
            holder = ""
    return tuple(made)


def _lifted_of_rows(clause: ast.Clause, by: Replaced) -> ast.Clause:
    """The clause with its literals replaced by what depends on a row. What stands beside an aggregate, or behind one or
    DISTINCT, may not depend on one; and `*` would give the node away."""
    if not isinstance(clause, ast.With | ast.Return):
        return _lifted(clause, by)  # type: ignore[no-any-return]
    projection = clause.projection
    if projection.star:
        return clause
    if any(map(_aggregates, projection.items)):
        items = tuple(_in_aggregates(item, by) for item in projection.items)
        return replace(clause, projection=replace(projection, items=items))
    if projection.distinct:
        return replace(clause, projection=replace(projection, items=_lifted(projection.items, by)))
    return _lifted(clause, by)  # type: ignore[no-any-return]


def _aggregates(tree: Any) -> bool:
    if isinstance(tree, ast.CountAll) or (isinstance(tree, ast.Call) and tree.name.lower() in AGGREGATES):
        return True
    inside = tree if isinstance(tree, tuple) else [getattr(tree, each.name) for each in _fields(tree)]
    return any(map(_aggregates, inside))


def _in_aggregates(tree: Any, by: Replaced) -> Any:
    if isinstance(tree, ast.Call) and tree.name.lower() in AGGREGATES:
        return replace(tree, arguments=(_lifted(tree.arguments[0], by), *tree.arguments[1:]))
    if isinstance(tree, tuple):
        return tuple(_in_aggregates(each, by) for each in tree)
    changes = {each.name: _in_aggregates(getattr(tree, each.name), by) for each in _fields(tree)}
    return replace(tree, **changes) if changes else tree


def _fields(tree: Any) -> list[Field[Any]]:
    return [each for each in fields(tree) if each.name not in _KEPT] if isinstance(tree, ast.Written) else []


def _lifted(tree: Any, by: Replaced) -> Any:
    """The tree with its literals replaced, wherever any expression may stand instead."""
    if isinstance(tree, ast.Literal):
        return tree if tree.value is None else by(tree)
    if isinstance(tree, tuple):
        return tuple(_lifted(each, by) for each in tree)
    changes = {each.name: _lifted(getattr(tree, each.name), by) for each in _fields(tree)}
    return replace(tree, **changes) if changes else tree
