"""Compiled selections, kept for as long as the document that they are of, and for no more documents than may be.

A document is known again by its node in memory, which the cache of parsed documents hands out for the same text.
"""

import weakref
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from server.executor.compiler import Budget

MOST_VARIANTS = 16
"""Variants of one operation, by what its conditions (`@skip`, `@include`) are: a client asks few, an attacker 2^n. What
is beyond is not compiled."""


class Sites(dict[Hashable, Any]):
    """What was compiled, by where in the operation it stands; None where it cannot be."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = Budget()


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
        """Where in this operation, with conditions as these variables have them, something was compiled; None where
        nothing is to be."""
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
        """Whether that is the operation, with the fragments that it was compiled with."""
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
