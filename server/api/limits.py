"""What one GraphQL document may ask, found before anything is done: how deep it goes, and how much of a kind it holds.

One walk over the document with a memory for fragments, so that a bomb of fragments costs as little as its text. It is
made before the document is validated, since some rules of validation compare each field with each other. Introspection
is left to graphql-core, which bounds it by itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)

from server.bounds import RequestLimits


class _Extent(NamedTuple):
    """What a selection holds: fields on its own level, the most in any level, and all that stands beneath it."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    fields: int = 0
    selections: int = 0


def beyond(document: DocumentNode, limits: RequestLimits) -> Iterator[GraphQLError]:
    """Every limit that an operation of the document is beyond."""
    walk = _Walk(document)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            extent = walk.of(definition.selection_set, frozenset())
            for name, most, found in (
                ("depth", limits.depth, extent.depth),
                ("aliases", limits.aliases, extent.aliases),
                ("directives", limits.directives, extent.directives + len(definition.directives or ())),
                ("root_fields", limits.root_fields, extent.fields),
                ("selections", limits.selections, extent.selections),
            ):
                if found > most:
                    yield GraphQLError(over(name, most), definition, extensions={"code": "LIMIT_EXCEEDED"})


class _Walk:
    def __init__(self, document: DocumentNode) -> None:
        self._definitions = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._fragments: dict[str, _Extent] = {}

    def of(self, selections: SelectionSetNode | None, within: frozenset[str]) -> _Extent:
        depth = aliases = directives = fields = most = 0
        for node in selections.selections if selections else ():
            inner = self._inside(node, within)
            depth, most = max(depth, inner.depth), max(most, inner.selections)
            aliases, directives = aliases + inner.aliases, directives + inner.directives + len(node.directives or ())
            fields += inner.fields
        own = len(selections.selections) if selections else 0
        return _Extent(depth, aliases, directives, fields, max(most, own, fields))

    def _inside(self, node: object, within: frozenset[str]) -> _Extent:
        if isinstance(node, FragmentSpreadNode):
            return self._of_fragment(node.name.value, within)
        inner = self.of(getattr(node, "selection_set", None), within)
        if not isinstance(node, FieldNode):
            return inner
        inner = inner._replace(fields=1)
        if node.name.value.startswith("__"):
            return inner._replace(depth=1)
        return inner._replace(depth=inner.depth + 1, aliases=inner.aliases + bool(node.alias))

    def _of_fragment(self, name: str, within: frozenset[str]) -> _Extent:
        if name not in self._fragments:
            fragment = self._definitions.get(name)
            # A fragment within itself, or one that is not there, is for validation to refuse.
            if name in within or fragment is None:
                return _Extent()
            self._fragments[name] = self.of(fragment.selection_set, within | {name})
        return self._fragments[name]


def too_large(variables: Mapping[str, Any] | None, limits: RequestLimits) -> GraphQLError | None:
    """Which limit the variables are beyond: found level by level, since what is deep ends a walk that calls itself."""
    level: list[Any] = [variables] if variables else []
    held = depth = 0
    while level:
        depth += 1
        beneath: list[Any] = []
        for each in level:
            members = each.values() if isinstance(each, dict) else each
            held += len(members)
            beneath += [member for member in members if isinstance(member, dict | list)]
        for name, most, found in (
            ("variable_depth", limits.variable_depth, depth),
            ("variable_values", limits.variable_values, held),
        ):
            if found > most:
                message = f"these variables are beyond `requests.{name}` ({most:,}); send less at once"
                return GraphQLError(message, extensions={"code": "LIMIT_EXCEEDED"})
        level = beneath
    return None


def over(limit: str, most: int) -> str:
    """What is said of a document that is beyond a limit of `requests`."""
    return f"this document is beyond `requests.{limit}` ({most:,}); ask for it in several requests"
