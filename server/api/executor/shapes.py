"""What stands for the types of the schema in Python: the classes of their objects, and how a field is read off one.

Only what Strawberry itself would decide by the class alone. Where it asks the object, or what a schema's author wrote,
nothing is known here, and the selection is not compiled.
"""

import inspect
import keyword
from types import MemberDescriptorType
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    get_nullable_type,
    is_composite_type,
)
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.union import StrawberryUnion

from server.api.reading import Reading, reading_of


class Uncompilable(Exception):
    """Why a selection is left to graphql-core."""


def classes(schema: GraphQLSchema, of: GraphQLObjectType | GraphQLAbstractType) -> dict[type, GraphQLObjectType]:
    """The classes whose objects stand for a type, each with the object type that it is shown as."""
    if isinstance(of, GraphQLObjectType):
        return dict.fromkeys(_own(of), of)
    definition = _definition(of)
    custom = (
        definition.resolve_type
        if isinstance(definition, StrawberryObjectDefinition)
        else type(definition) is not StrawberryUnion
    )
    if custom:
        raise Uncompilable(f"{of} says in its own way what an object is")
    found: dict[type, GraphQLObjectType] = {}
    for possible in schema.get_possible_types(of):
        definition = _definition(possible)
        if not isinstance(definition, StrawberryObjectDefinition) or definition.is_type_of:
            continue
        kin = isinstance(of, GraphQLInterfaceType)
        if definition.concrete_of or schema.get_type(definition.name) is not possible:
            continue
        if kin and not issubclass(definition.origin, _definition(of).origin):
            continue
        found |= dict.fromkeys(_own(possible), possible)
    if not found:
        raise Uncompilable(f"{of} is no class's")
    return found


def reader(field: GraphQLField, of: type, name: str) -> str | Reading:
    """The attribute of the class that a field is read from, or how its resolver says that it is read."""
    definition = field.extensions.get("strawberry-definition")
    if not isinstance(definition, StrawberryField) or definition.extensions:
        raise Uncompilable(f"{name} is resolved")
    if definition.base_resolver is not None:
        reading = reading_of(definition.base_resolver.wrapped_func)
        if reading is None:
            raise Uncompilable(f"{name} is resolved")
        return reading
    attribute = definition.python_name
    held = inspect.getattr_static(of, attribute, None)
    computed = hasattr(held, "__get__") and not isinstance(held, MemberDescriptorType)
    if computed or definition.default_resolver is not getattr:
        raise Uncompilable(f"{name} is computed")
    if not attribute.isidentifier() or keyword.iskeyword(attribute):
        raise Uncompilable(f"{name} is no attribute")
    return attribute


def is_shared(field: GraphQLField) -> bool:
    """Whether many objects have the value of the field in common; that of a list they have not."""
    definition = field.extensions.get("strawberry-definition")
    composite = is_composite_type(get_nullable_type(field.type))
    return composite and isinstance(definition, StrawberryField) and definition.metadata.get("shared") is True


def _definition(of: GraphQLNamedType) -> Any:
    return of.extensions.get("strawberry-definition")


def _own(of: GraphQLObjectType) -> list[type]:
    """The class of a type; of one that was made from a generic first that of the generic, which its objects are of."""
    definition = _definition(of)
    if not isinstance(definition, StrawberryObjectDefinition) or definition.is_type_of:
        raise Uncompilable(f"{of} says in its own way what an object is")
    generic = [definition.concrete_of.origin] if definition.concrete_of else []
    origins = [*generic, definition.origin]
    return [origin for origin in origins if _is_plain(origin)]


def _is_plain(of: type) -> bool:
    """Whether objects of the class are what they seem: none is awaited, raised, or makes up its attributes."""
    strange = issubclass(of, BaseException) or hasattr(of, "__await__") or hasattr(of, "__getattr__")
    return not strange and "__getattribute__" not in {name for each in of.__mro__[:-1] for name in vars(each)}
