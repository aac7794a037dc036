"""What is added to an operation, so that a client can be kind: nothing of it changes what the operation means.

- `__typename` where a value may be one of several types: by it they are told apart.
- `after` and `cursor` in a subscription whose field takes and gives them: by them it goes on where it broke off.
- `idempotencyKey` in the input of a mutation that takes one: with it a retry never writes twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from graphql import (
    ArgumentNode,
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    NamedTypeNode,
    NameNode,
    NullValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_interface_type,
    is_list_type,
    is_union_type,
    print_ast,
)
from graphql.language import Node, Visitor, visit

from server.commands.clients.operations import Operations

D = TypeVar("D", bound=Node)
KEY, CURSOR, AFTER, TYPENAME = "idempotencyKey", "cursor", "after", "__typename"


@dataclass(frozen=True, slots=True)
class Resume:
    """How a subscription goes on: `variable` takes the cursor that was last seen under the root field `field`. A
    message of type `ends` says that it ends though there will be more, and where to go on."""

    variable: str
    field: str
    ends: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation as it is sent. `keys` are the places of its idempotency keys among the variables (`*` is each of a
    list); `repeatable` says that asking twice does no more than asking once."""

    node: OperationDefinitionNode
    keys: tuple[tuple[str, ...], ...] = ()
    repeatable: bool = True
    resume: Resume | None = None


@dataclass(frozen=True, slots=True)
class Documents:
    operations: tuple[Prepared, ...]
    fragments: dict[str, FragmentDefinitionNode]

    def text(self, operation: Prepared) -> str:
        """The operation in GraphQL's one printed form, and behind it the fragments that it reaches, by name."""
        reached: dict[str, FragmentDefinitionNode] = {}
        waiting: list[Node] = [operation.node]
        while waiting:
            for name in _spread(waiting.pop()):
                if name not in reached:
                    reached[name] = self.fragments[name]
                    waiting.append(self.fragments[name])
        definitions = (operation.node, *(reached[name] for name in sorted(reached)))
        return print_ast(DocumentNode(definitions=tuple(map(_undescribed, definitions))))


def _undescribed(definition: ExecutableDefinitionNode) -> ExecutableDefinitionNode:
    """Descriptions are for the client's code: a server need not read them, and older ones can't."""
    variables = tuple(replace(each, description=None) for each in definition.variable_definitions or ())
    return replace(definition, description=None, variable_definitions=variables)


def prepare(operations: Operations, schema: GraphQLSchema) -> Documents:
    """The operations with all that is added to them."""
    made: list[Prepared] = []
    for node in operations.operations:
        match node.operation:
            case OperationType.MUTATION:
                made.append(_with_keys(node, schema))
            case OperationType.SUBSCRIPTION:
                made.append(_with_cursor(node, schema))
            case _:
                made.append(Prepared(node))
    return Documents(
        tuple(replace(each, node=_with_typenames(each.node, schema)) for each in made),
        {name: _with_typenames(each, schema) for name, each in operations.fragments.items()},
    )


def _spread(definition: Node) -> list[str]:
    names: list[str] = []

    class Spreads(Visitor):
        def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
            names.append(node.name.value)

    visit(definition, Spreads())
    return names


# Types' names


def _with_typenames(definition: D, schema: GraphQLSchema) -> D:
    info = TypeInfo(schema)

    class Typenames(Visitor):
        def enter_selection_set(
            self, node: SelectionSetNode, _key: object, parent: Node, *_: object
        ) -> SelectionSetNode | None:
            if not isinstance(parent, FieldNode | FragmentDefinitionNode) or not is_abstract_type(
                info.get_parent_type()
            ):
                return None
            return node if _has(node, TYPENAME) else _and(node, _field(TYPENAME), first=True)

    made: D = visit(definition, TypeInfoVisitor(info, Typenames()))
    return made


def _has(selections: SelectionSetNode, name: str) -> bool:
    """Whether a field is always selected under its own name."""
    return any(
        isinstance(each, FieldNode)
        and each.name.value == name
        and (each.alias is None or each.alias.value == name)
        and not each.directives
        for each in selections.selections
    )


# Cursors


def _with_cursor(operation: OperationDefinitionNode, schema: GraphQLSchema) -> Prepared:
    root = schema.subscription_type
    fields = operation.selection_set.selections
    if root is None or len(fields) != 1 or not isinstance(fields[0], FieldNode):
        return Prepared(operation, repeatable=False)
    field = fields[0]
    told = root.fields[field.name.value]
    selected = _selecting_cursor(field, told, schema)
    if AFTER not in told.args or selected is None:
        return Prepared(operation, repeatable=False)
    given = next((each for each in field.arguments or () if each.name.value == AFTER), None)
    if given is not None and not isinstance(given.value, VariableNode):
        return Prepared(operation, repeatable=False)
    if given is not None and isinstance(given.value, VariableNode):
        variable = given.value.name.value
    else:
        variable = _free(AFTER, operation)
        operation = _declaring(operation, variable, get_named_type(told.args[AFTER].type).name)
        selected = replace(selected, arguments=(*(selected.arguments or ()), _argument(AFTER, variable)))
    operation = replace(operation, selection_set=SelectionSetNode(selections=(selected,)))
    resume = Resume(variable, (field.alias or field.name).value, _ending(told, schema))
    return Prepared(operation, repeatable=False, resume=resume)


def _selecting_cursor(field: FieldNode, told: GraphQLField, schema: GraphQLSchema) -> FieldNode | None:
    """The field with `cursor` among what it selects; None: it has none, or another field goes by that name."""
    of, selections = get_named_type(told.type), field.selection_set
    if selections is None or is_list_type(get_nullable_type(told.type)):
        return None
    if _has(selections, CURSOR):
        return field
    if any(isinstance(each, FieldNode) and each.alias and each.alias.value == CURSOR for each in selections.selections):
        return None
    if not is_union_type(of):
        return replace(field, selection_set=_and(selections, _field(CURSOR))) if CURSOR in of.fields else None  # type: ignore[attr-defined]
    having = {each.name for each in schema.get_possible_types(of) if CURSOR in each.fields}
    added = [_when(each, _field(CURSOR)) for each in _together(having, of, schema)]
    if ends := _ending(told, schema):
        added.append(_when(ends, _field(AFTER)))
    return replace(field, selection_set=_and(selections, *added)) if having else None


def _ending(told: GraphQLField, schema: GraphQLSchema) -> str:
    """The type of message that only says where to go on: it has `after`, where others have `cursor`."""
    of = get_named_type(told.type)
    members = schema.get_possible_types(of) if is_union_type(of) else ()
    return next((each.name for each in members if AFTER in each.fields and CURSOR not in each.fields), "")


def _together(having: set[str], of: GraphQLNamedType, schema: GraphQLSchema) -> list[str]:
    """The members of a union that have a cursor, as one interface where there is one that says just that."""
    members = {each.name for each in schema.get_possible_types(of)}  # type: ignore[arg-type]
    for name, each in sorted(schema.type_map.items()):
        if not is_interface_type(each) or CURSOR not in each.fields:
            continue
        if {one.name for one in schema.get_possible_types(each)} & members == having:
            return [name]
    return sorted(having)


# Keys


def _with_keys(operation: OperationDefinitionNode, schema: GraphQLSchema) -> Prepared:
    root = schema.mutation_type
    keys: list[tuple[str, ...]] = []
    fields: list[SelectionNode] = []
    keyed = root is not None
    for field in operation.selection_set.selections:
        if root is None or not isinstance(field, FieldNode):
            keyed = False
            fields.append(field)
            continue
        given = {each.name.value: each for each in field.arguments or ()}
        places: list[tuple[str, ...]] | None = None
        for name, argument in root.fields[field.name.value].args.items() if field.name.value in root.fields else ():
            if name == KEY and name not in given:
                variable = _free(KEY, operation)
                operation = _declaring(operation, variable, get_named_type(argument.type).name)
                given[name], places = _argument(KEY, variable), [(variable,)]
            elif name == KEY:
                places = _key_of(given[name].value)
            elif name in given and _takes_key(argument.type):
                operation, value, places = _keyed(operation, given[name].value, argument.type)
                given[name] = replace(given[name], value=value)
        fields.append(replace(field, arguments=tuple(given.values())))
        keyed = keyed and places is not None
        keys += places or []
    # Two fields that take one key would be one command under it, and the second a conflict.
    if len(set(keys)) != len(keys):
        keyed, keys = False, []
    operation = replace(operation, selection_set=SelectionSetNode(selections=tuple(fields)))
    return Prepared(operation, tuple(keys), repeatable=keyed)


def _takes_key(of: GraphQLInputType) -> bool:
    named = get_named_type(of)
    return isinstance(named, GraphQLInputObjectType) and KEY in named.fields


def _key_of(value: ValueNode) -> list[tuple[str, ...]] | None:
    """Where a value that is a key comes from: a variable; from nowhere, where it is written out."""
    if isinstance(value, VariableNode):
        return [(value.name.value,)]
    return None if isinstance(value, NullValueNode) else []


def _keyed(
    operation: OperationDefinitionNode, value: ValueNode, of: GraphQLInputType
) -> tuple[OperationDefinitionNode, ValueNode, list[tuple[str, ...]] | None]:
    """An input with a key in it, and where among the variables that comes from; None: it has none."""
    if isinstance(value, VariableNode):
        steps = ("*",) if is_list_type(get_nullable_type(of)) else ()
        return operation, value, [(value.name.value, *steps, KEY)]
    if isinstance(value, ListValueNode):
        made: list[ValueNode] = []
        all_places: list[tuple[str, ...]] = []
        for each in value.values:
            operation, one, places = _keyed(operation, each, get_nullable_type(of).of_type)  # type: ignore[union-attr]
            if places is None:
                return operation, value, None
            made.append(one)
            all_places += places
        return operation, replace(value, values=tuple(made)), all_places
    if not isinstance(value, ObjectValueNode):
        return operation, value, None
    if written := next((each for each in value.fields if each.name.value == KEY), None):
        return operation, value, _key_of(written.value)
    variable = _free(KEY, operation)
    named = get_named_type(of)
    assert isinstance(named, GraphQLInputObjectType)
    told: GraphQLInputField = named.fields[KEY]
    operation = _declaring(operation, variable, get_named_type(told.type).name)
    added = ObjectFieldNode(name=NameNode(value=KEY), value=VariableNode(name=NameNode(value=variable)))
    return operation, replace(value, fields=(*value.fields, added)), [(variable,)]


# Nodes


def _free(name: str, operation: OperationDefinitionNode) -> str:
    """A name for another variable: that one, or with a number."""
    taken = {each.variable.name.value for each in operation.variable_definitions or ()}
    tries = [name, *(f"{name}{number}" for number in range(2, len(taken) + 3))]
    return next(each for each in tries if each not in taken)


def _declaring(operation: OperationDefinitionNode, variable: str, of: str) -> OperationDefinitionNode:
    added = VariableDefinitionNode(
        variable=VariableNode(name=NameNode(value=variable)), type=NamedTypeNode(name=NameNode(value=of))
    )
    return replace(operation, variable_definitions=(*(operation.variable_definitions or ()), added))


def _argument(name: str, variable: str) -> ArgumentNode:
    return ArgumentNode(name=NameNode(value=name), value=VariableNode(name=NameNode(value=variable)))


def _field(name: str) -> FieldNode:
    return FieldNode(name=NameNode(value=name))


def _when(of: str, *selected: SelectionNode) -> InlineFragmentNode:
    condition = NamedTypeNode(name=NameNode(value=of))
    return InlineFragmentNode(type_condition=condition, selection_set=SelectionSetNode(selections=selected))


def _and(selections: SelectionSetNode, *added: SelectionNode, first: bool = False) -> SelectionSetNode:
    before: Sequence[SelectionNode] = added if first else ()
    return SelectionSetNode(selections=(*before, *selections.selections, *(() if first else added)))
