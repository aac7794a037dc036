"""What follows from a document, kept for as long as the document, and for no more documents than may be.

A document is known again by its node in memory, which the cache of parsed documents hands out for the same text.
"""

import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, Generic, TypeVar

from graphql import (
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

T = TypeVar("T")

MOST_VARIANTS = 16
"""Variants of one operation, by what its conditions (`@skip`, `@include`) are: a client asks few, an attacker 2^n. What
is beyond is not kept."""

MOST_VALUES = 16
"""Values of the variables of one field for which something is kept: those that came last. A page has its own cursor."""

LONGEST = 200
"""Characters of a value that something is kept for: a cursor, an id, a name."""


class Sites(dict[Hashable, Any]):
    """What was made of the parts of an operation, by where they stand; None where nothing can be."""


class ByValues(Generic[T]):
    """What follows from the values of some variables: for the values that came last it is made but once."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(sorted(names))
        self._made: dict[tuple[object, ...], T] = {}

    def of(self, variables: Mapping[str, Any], make: Callable[[], T]) -> T:
        values: list[object] = []
        for name in self._names:
            value = variables.get(name, _ABSENT)
            kind = type(value)
            if kind not in _PLAIN or (kind is str and len(value) > LONGEST):
                return make()
            values += (kind, value)  # 1 is not True
        key = tuple(values)
        made = self._made.pop(key, _ABSENT)
        if isinstance(made, _Absent):
            made = make()
        self._made[key] = made
        if len(self._made) > MOST_VALUES:
            del self._made[next(iter(self._made))]
        return made


class _Absent:
    """The value of a variable that has none."""


_ABSENT = _Absent()
_PLAIN = frozenset({str, int, bool, NoneType, _Absent})


class Kept:
    """Operations of one process, the one used longest ago leaving first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._operations: dict[int, _Operation] = {}

    def __len__(self) -> int:
        return len(self._operations)

    def sites(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        variables: dict[str, Any],
    ) -> Sites | None:
        """What was made of this operation, with conditions as these variables have them; None where nothing more is to
        be kept of it."""
        name = id(operation)
        kept = self._operations.pop(name, None)
        if kept is None or not kept.is_of(schema, operation, fragments):
            kept = _Operation(schema, operation, fragments, self._forget)
        self._operations[name] = kept
        while len(self._operations) > self._most:
            self._operations.pop(next(iter(self._operations)), None)
        return kept.variant(variables)

    def _forget(self, gone: "weakref.ref[OperationDefinitionNode]") -> None:
        for name, kept in list(self._operations.items()):
            if kept.operation is gone:
                self._operations.pop(name, None)


class _Operation:
    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        forget: Any,
    ) -> None:
        self.operation = weakref.ref(operation, forget)
        self._schema = schema
        self._fragments = tuple(fragments.values())
        selections = (operation.selection_set, *(each.selection_set for each in self._fragments))
        self._conditions = sorted({name for selection in selections for name in _conditions(selection)})
        self._variants: dict[tuple[object, ...], Sites] = {}

    def is_of(
        self, schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: dict[str, FragmentDefinitionNode]
    ) -> bool:
        """Whether that is the operation, with the fragments that it had."""
        same = self.operation() is operation and self._schema is schema and len(fragments) == len(self._fragments)
        return same and all(a is b for a, b in zip(self._fragments, fragments.values(), strict=True))

    def variant(self, variables: dict[str, Any]) -> Sites | None:
        values = tuple(variables.get(name) for name in self._conditions)
        sites = self._variants.get(values)
        if sites is None and len(self._variants) < MOST_VARIANTS:
            sites = self._variants[values] = Sites()
        return sites


def _conditions(selection: SelectionSetNode | None) -> Iterator[str]:
    """The variables that decide what of a selection there is."""
    for node in selection.selections if selection else ():
        yield from _named(argument.value for each in node.directives or () for argument in each.arguments or ())
        yield from _conditions(getattr(node, "selection_set", None))


def _named(values: Iterable[object]) -> Iterator[str]:
    return (value.name.value for value in values if isinstance(value, VariableNode))


def variables_in(nodes: Sequence[Node], fragments: Mapping[str, FragmentDefinitionNode]) -> set[str]:
    """The variables that these nodes use, and the fragments that they spread."""
    found: set[str] = set()
    ahead, spread = list(nodes), set[str]()
    while ahead:
        node = ahead.pop()
        if isinstance(node, VariableNode):
            found.add(node.name.value)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
            spread.add(node.name.value)
            ahead.append(fragments[node.name.value])
        for key in node.keys:
            held = getattr(node, key, None)
            ahead += (each for each in (held if isinstance(held, list | tuple) else (held,)) if isinstance(each, Node))
    return found
