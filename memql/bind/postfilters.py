"""Filters that come after a SEARCH: they choose among the rows that its LIMIT has left, and may leave fewer."""

from collections.abc import Iterator
from typing import Any

from memql import ast
from memql.binding import Binding

_SCORES = ("score", "rank")


class PostFilters:
    """Looks along the clauses of a query for conditions on what a SEARCH with a limit has bound."""

    def __init__(self, binding: Binding) -> None:
        self._binding = binding
        self._found: set[str] = set()

    def pass_by(self, clause: ast.Clause) -> None:
        match clause:
            case ast.Search():
                self._found.add(clause.variable.name)
            case ast.Match(optional=False):
                self._look(clause)
            case ast.With():
                self._found = {
                    (item.alias or item.expression).name
                    for item in clause.projection.items
                    if isinstance(item.expression, ast.Name) and item.expression.name in self._found
                } | (self._found if clause.projection.star else set())
                if clause.where is not None:
                    self._warn(clause.where, set(_names(clause.where)))

    def _look(self, clause: ast.Match) -> None:
        """A pattern from a hit says what else is asked for; with conditions it also says which hits are wanted."""
        conditions = [each for each in _written(clause) if isinstance(each, ast.NodePattern | ast.RelationPattern)]
        narrow = [each for each in conditions if each.properties is not None or each.where is not None]
        condition = clause.where if clause.where is not None else narrow[0] if narrow else None
        if condition is not None:
            self._warn(condition, {name for path in clause.paths for name in _names(path)})

    def _warn(self, condition: ast.Written, names: set[str]) -> None:
        for name in sorted(names & self._found):
            hint = "as the SEARCH's own WHERE, also by EXISTS { pattern }, it is asked before, and the LIMIT is filled"
            message = f"this filters what the SEARCH of `{name}` has found, and may leave fewer than its LIMIT"
            self._binding.warning("Q911", message, condition.span, hint)


def _names(written: Any) -> Iterator[str]:
    """The variables that it asks about, other than for their scores: those fall with the rank anyway."""
    if isinstance(written, ast.Call) and written.name.split(".")[0].lower() in _SCORES:
        return
    if isinstance(written, ast.Property) and isinstance(written.of, ast.Call):
        yield from _names(written.of)
    elif isinstance(written, ast.Name):
        yield written.name
    else:
        for each in _inside(written):
            yield from _names(each)


def _written(written: Any) -> Iterator[Any]:
    yield written
    for each in _inside(written):
        yield from _written(each)


def _inside(written: Any) -> Iterator[Any]:
    if isinstance(written, tuple):
        yield from written
    elif isinstance(written, ast.Written):
        yield from (getattr(written, name) for name in written.__dataclass_fields__ if name != "span")
