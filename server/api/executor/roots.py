"""Fields of Query, asked with arguments that were read before.

Only where a resolver is a coroutine function which gets nothing else, and the arguments are values that nobody can
change: a text, a number, an enum. All others are resolved by graphql-core and Strawberry, with the same outcome.
"""

import inspect
from collections.abc import Callable, Coroutine
from enum import Enum
from types import NoneType
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    get_named_type,
    is_input_object_type,
)
from graphql.execution.values import VariableValues, get_argument_values
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

Asked: TypeAlias = tuple[GraphQLField, Callable[[GraphQLResolveInfo[Any]], Coroutine[Any, Any, Any]]]
"""A field, and what its resolver is asked with."""

_UNCHANGING = (str, int, float, bool, NoneType, Enum)


def asked(schema: Any, of: GraphQLObjectType, node: FieldNode, variables: VariableValues) -> Asked | None:
    """How the field is asked with these variables; None: as graphql-core does it."""
    field = schema.get_field(of, node.name.value)
    definition = field.extensions.get("strawberry-definition") if field else None
    if not isinstance(definition, StrawberryField) or not _needs_arguments_alone(definition):
        return None
    assert definition.base_resolver
    ours = schema._strawberry_schema
    converter, config = ours.schema_converter, ours.config
    if converter.exception_handlers:
        return None
    try:
        read = get_argument_values(field, node, variables)
        given = convert_arguments(read, definition.arguments, converter.scalar_registry, config)
    except Exception:  # graphql-core and Strawberry say what is wrong
        return None
    # An input may make what it is of the request.
    if any(is_input_object_type(get_named_type(field.args[name].type)) and value for name, value in read.items()):
        return None
    if not all(isinstance(value, _UNCHANGING) for value in given.values()):
        return None
    resolver: Any = definition.base_resolver.wrapped_func
    informed = definition.base_resolver.info_parameter
    if informed is None:
        return field, lambda info: resolver(**given)
    name = informed.name
    return field, lambda info: resolver(**given, **{name: config.info_class(_raw_info=info, _field=definition)})


def _needs_arguments_alone(definition: StrawberryField) -> bool:
    resolver, usual = definition.base_resolver, type(definition).get_result is StrawberryField.get_result
    if resolver is None or not usual or definition.extensions or not inspect.iscoroutinefunction(resolver.wrapped_func):
        return False
    return not (resolver.self_parameter or resolver.parent_parameter or resolver.root_parameter)
