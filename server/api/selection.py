"""What a caller asked for beneath one field of Query: known before the read, so that one read can gather all of it.

Knows the document alone. Fragments are opened, `@skip` and `@include` are heeded, and arguments have their values.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLBoolean,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    InlineFragmentNode,
    NamedTypeNode,
    SelectionNode,
    SelectionSetNode,
    Undefined,
    get_named_type,
    is_abstract_type,
    value_from_ast,
)
from graphql.pyutils import Path as ResponsePath
from strawberry.types.arguments import convert_arguments

from server.api.kept import ByValues, Kept, variables_in

Ask: TypeAlias = GraphQLResolveInfo[Any]
Path: TypeAlias = tuple[str, ...]
"""Where a field stands in the answer: the names on the way to it, as the caller gave them, without places in lists."""

_COSTLY = frozenset({"totalCount"})
"""Fields without fields in them that must be read, or reckoned, before an answer is made."""


_KEPT = Kept(128)
"""Operations of which it is known what is wanted beneath their fields: as many as documents are kept parsed."""


@dataclass(frozen=True, slots=True)
class Want:
    """A field with fields in it or one that costs, and the types of the objects `on` which it is wanted."""

    path: Path
    name: str
    arguments: Mapping[str, Any]
    inner: Sequence["Want"]
    on: frozenset[str]


def wanted(info: Ask) -> Sequence[Want]:
    """What is wanted of the field that is being resolved; asked again with the same variables, the same."""
    path, variables = path_of(info.path), _variables(info)

    def find() -> Sequence[Want]:
        return _inside(info, info.field_nodes, get_named_type(info.return_type), path)

    sites = _KEPT.sites(info.schema, info.operation, info.fragments, variables)
    if sites is None:
        return find()
    place = (info.parent_type, path, *map(id, info.field_nodes))
    known: ByValues[Sequence[Want]] | None = sites.get(place)
    if known is None:
        beneath = [node.selection_set for node in info.field_nodes if node.selection_set]
        known = sites[place] = ByValues(variables_in(beneath, info.fragments))
    return known.of(variables, find)


def inside(wants: Iterable[Want], *path: str) -> list[Want]:
    """What is wanted at the end of a path of fields, whatever the caller calls them."""
    found = list(wants)
    for name in path:
        found = [inner for want in found if want.name == name for inner in want.inner]
    return found


def path_of(at: ResponsePath | None) -> Path:
    keys: list[str] = []
    while at:
        if isinstance(at.key, str):
            keys.append(at.key)
        at = at.prev
    return tuple(reversed(keys))


def _inside(info: Ask, nodes: Iterable[FieldNode], of: GraphQLNamedType, path: Path) -> list[Want]:
    """What these nodes of one field want: the same field given twice, or by two fragments, is one."""
    same: dict[tuple[str, str], list[_Given]] = {}
    for node in nodes:
        for given in _given(info, node.selection_set, of, _possible(info, of)):
            same.setdefault((given.key, repr(given.arguments)), []).append(given)
    return [
        Want(
            (*path, key),
            first.node.name.value,
            first.arguments,
            _inside(info, [given.node for given in each], get_named_type(first.field.type), (*path, key)),
            frozenset().union(*(given.on for given in each)),
        )
        for (key, _), each in same.items()
        for first in each[:1]
    ]


class _Given(NamedTuple):
    """A field as the document has it."""

    node: FieldNode
    field: GraphQLField
    arguments: dict[str, Any]
    on: frozenset[str]

    @property
    def key(self) -> str:
        return self.node.alias.value if self.node.alias else self.node.name.value


def _given(
    info: Ask, selection: SelectionSetNode | None, of: GraphQLNamedType | None, on: frozenset[str]
) -> Iterator[_Given]:
    """The fields of a selection on a type; each condition narrows the objects they are wanted of."""
    for node in selection.selections if selection and of else ():
        if not _included(info, node):
            continue
        match node:
            case FieldNode(selection_set=within, name=name) if within or name.value in _COSTLY:
                if isinstance(of, GraphQLObjectType | GraphQLInterfaceType) and name.value in of.fields:
                    field = of.fields[name.value]
                    yield _Given(node, field, _arguments(info, node, field), on)
            case InlineFragmentNode(type_condition=None, selection_set=within):
                yield from _given(info, within, of, on)
            case InlineFragmentNode(type_condition=NamedTypeNode(name=name), selection_set=within):
                yield from _narrowed(info, within, name.value, on)
            case FragmentSpreadNode(name=name):
                fragment = info.fragments[name.value]
                yield from _narrowed(info, fragment.selection_set, fragment.type_condition.name.value, on)


def _narrowed(info: Ask, selection: SelectionSetNode, condition: str, on: frozenset[str]) -> Iterator[_Given]:
    of = info.schema.get_type(condition)
    yield from _given(info, selection, of, on & _possible(info, of))


def _possible(info: Ask, of: GraphQLNamedType | None) -> frozenset[str]:
    types = info.schema.get_possible_types(of) if is_abstract_type(of) else (of,)
    return frozenset(each.name for each in types if each)


def _arguments(info: Ask, node: FieldNode, field: GraphQLField) -> dict[str, Any]:
    """Those that were given, as our resolvers get them; what is absent has its default where it is used."""
    given = {each.name.value: each.value for each in node.arguments or ()}
    read = {
        name: value_from_ast(given[name], argument.type, _variables(info))
        for name, argument in field.args.items()
        if name in given
    }
    present = {name: value for name, value in read.items() if value is not Undefined}
    if not present:
        return present
    schema: Any = info.schema
    ours = schema._strawberry_schema
    arguments = field.extensions["strawberry-definition"].arguments
    return convert_arguments(present, arguments, ours.schema_converter.scalar_registry, ours.config)


def _variables(info: Ask) -> dict[str, Any]:
    """Strawberry's executor hands on the values alone, graphql-core's has them in a record."""
    values: Any = info.variable_values
    coerced: dict[str, Any] = getattr(values, "coerced", values)
    return coerced


def _included(info: Ask, node: SelectionNode) -> bool:
    for directive in node.directives or ():
        name = directive.name.value
        if name in ("skip", "include") and directive.arguments:
            (argument,) = directive.arguments
            if bool(value_from_ast(argument.value, GraphQLBoolean, _variables(info))) is (name == "skip"):
                return False
    return True
