"""What one GraphQL document may ask, found before anything is done: how deep it goes and how many aliases it uses.

One walk over the document with a memory for fragments, so that a bomb of fragments costs as little as its text.
Introspection is left to graphql-core, which bounds it by itself.
"""

from functools import cache
from typing import NamedTuple

from graphql import (
    ASTValidationRule,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    MaxIntrospectionDepthRule,
    OperationDefinitionNode,
    SelectionSetNode,
    ValidationContext,
    ValidationRule,
)

from server.settings import RequestLimits


class _Extent(NamedTuple):
    depth: int
    aliases: int


@cache
def rules(limits: RequestLimits) -> tuple[type[ASTValidationRule], ...]:
    """The rules for these limits: the same classes each time, since what is known to be valid is kept by them."""

    class Extent(ValidationRule):
        def __init__(self, context: ValidationContext) -> None:
            super().__init__(context)
            self._fragments: dict[str, _Extent] = {}
            for definition in context.document.definitions:
                if isinstance(definition, OperationDefinitionNode):
                    extent = self._of(definition.selection_set, frozenset())
                    for name, most, found in (
                        ("depth", limits.depth, extent.depth),
                        ("aliases", limits.aliases, extent.aliases),
                    ):
                        if found > most:
                            context.report_error(
                                GraphQLError(over(name, most), definition, extensions={"code": "LIMIT_EXCEEDED"})
                            )

        def _of(self, selections: SelectionSetNode | None, within: frozenset[str]) -> _Extent:
            depth = aliases = 0
            for node in selections.selections if selections else ():
                inner = self._inside(node, within)
                depth, aliases = max(depth, inner.depth), aliases + inner.aliases
            return _Extent(depth, aliases)

        def _inside(self, node: object, within: frozenset[str]) -> _Extent:
            if isinstance(node, FragmentSpreadNode):
                return self._of_fragment(node.name.value, within)
            inner = self._of(getattr(node, "selection_set", None), within)
            if not isinstance(node, FieldNode):
                return inner
            if node.name.value.startswith("__"):
                return _Extent(1, inner.aliases)
            return _Extent(inner.depth + 1, inner.aliases + bool(node.alias))

        def _of_fragment(self, name: str, within: frozenset[str]) -> _Extent:
            if name not in self._fragments:
                fragment = self.context.get_fragment(name)
                # A fragment within itself is another rule's to refuse.
                if name in within or not isinstance(fragment, FragmentDefinitionNode):
                    return _Extent(0, 0)
                self._fragments[name] = self._of(fragment.selection_set, within | {name})
            return self._fragments[name]

    return (Extent, MaxIntrospectionDepthRule)


def over(limit: str, most: int) -> str:
    """What is said of a document that is beyond a limit of `requests`."""
    return f"this document is beyond `requests.{limit}` ({most:,}); ask for it in several requests"
