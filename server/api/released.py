"""What a change of the schema breaks for clients of a released one, unless they were told so long enough before.

`released.graphql` is the schema as it was last released. A field, argument, input field or enum value of it may go
where it was deprecated with a day that is over: `@deprecated(reason: "… removed after 2027-01-31; use X")`.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from graphql import (
    REMOVE,
    DirectiveNode,
    EnumValueDefinitionNode,
    FieldDefinitionNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InputValueDefinitionNode,
    Node,
    StringValueNode,
    Visitor,
    build_ast_schema,
    build_schema,
    find_breaking_changes,
    get_named_type,
    parse,
    visit,
)

REASON = re.compile(r"removed after (\d{4}-\d{2}-\d{2}); use \S")
"""How a deprecation says until when it holds, and what to do instead."""
_MAY_GO = (FieldDefinitionNode, InputValueDefinitionNode, EnumValueDefinitionNode)


def breaks(released: str, now: str, today: date) -> list[str]:
    """What clients of the released schema could not go on with, each as a sentence; nothing: all of them can."""
    left = build_ast_schema(visit(parse(released), _Expired(today)), assume_valid=True)
    known = _reached(left)
    changes = find_breaking_changes(left, build_schema(now))
    gone = (f"{name} was removed." for name in left.type_map.keys() - known)
    expected = frozenset(gone)
    return sorted(each.description for each in changes if each.description not in expected)


def undated(schema: str) -> list[str]:
    """Deprecations that say no day, or nothing to use instead."""
    found: list[str] = []
    visit(parse(schema), _Deprecations(found))
    return found


class _Expired(Visitor):
    """Takes away what was deprecated until a day that is over."""

    def __init__(self, today: date) -> None:
        super().__init__()
        self._today = today

    def enter(self, node: Node, *_: Any) -> Any:
        if not isinstance(node, _MAY_GO):
            return None
        reason = REASON.search(_reason(node.directives or ()))
        return REMOVE if reason and _day(reason[1]) < self._today else None


class _Deprecations(Visitor):
    def __init__(self, found: list[str]) -> None:
        super().__init__()
        self._found = found

    def enter(self, node: Node, *_: Any) -> None:
        if not isinstance(node, _MAY_GO):
            return
        reason = _reason(node.directives or ())
        match = REASON.search(reason)
        if reason and (match is None or _day(match[1]) == date.max):
            self._found.append(f"{node.name.value}: {reason}")


def _reason(directives: tuple[DirectiveNode, ...]) -> str:
    for directive in directives:
        if directive.name.value == "deprecated":
            given = [argument.value for argument in directive.arguments or () if argument.name.value == "reason"]
            return next((each.value for each in given if isinstance(each, StringValueNode)), "No longer supported")
    return ""


def _day(written: str) -> date:
    """A day that is none never comes."""
    try:
        return date.fromisoformat(written)
    except ValueError:
        return date.max


def _reached(schema: GraphQLSchema) -> set[str]:
    """The types that a document can still meet. The others went with what led to them."""
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    ahead: list[GraphQLNamedType] = [each for each in roots if each]
    ahead += [get_named_type(argument.type) for each in schema.directives for argument in each.args.values()]
    known: set[str] = set()
    while ahead:
        each = ahead.pop()
        if each.name not in known:
            known.add(each.name)
            ahead += _next(schema, each)
    return known


def _next(schema: GraphQLSchema, of: GraphQLNamedType) -> Iterator[GraphQLNamedType]:
    for field in getattr(of, "fields", {}).values():
        yield get_named_type(field.type)
        yield from (get_named_type(argument.type) for argument in getattr(field, "args", {}).values())
    if isinstance(of, GraphQLInterfaceType | GraphQLUnionType):
        yield from schema.get_possible_types(of)
    if isinstance(of, GraphQLInterfaceType | GraphQLObjectType):
        yield from of.interfaces
