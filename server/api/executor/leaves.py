"""Leaves as a compiled selection hands them over: the plain case in a line of code, all others by graphql-core's own.

Each leaf is some lines that turn the variable which holds the value into what the answer holds. What graphql-core would
refuse, await or take for absent is a `Surprise`: the selection is then completed without compiling.
"""

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from strawberry.execution import optimized_is_awaitable

Bind = Callable[[object], str]
"""Gives an object a name that the code can use."""


class Surprise(Exception):
    """Not what a compiled selection is made for."""


_ANSWERS = frozenset({str, int, float, bool, dict, list, tuple})
"""What an answer may hold: of these types no value is null, an exception, or to be awaited."""

_PLAIN = _ANSWERS | {bytes, datetime.datetime, datetime.date, datetime.time, Decimal}

# When a value cannot be handed over as it is. NaN and the infinities do not differ from themselves by 0.
_OTHERWISE: dict[object, str] = {
    GraphQLString: "type({v}) is not str",
    GraphQLID: "type({v}) is not str",
    GraphQLBoolean: "type({v}) is not bool",
    # Python compares larger numbers in a slower way; the largest Ints are left to graphql-core.
    GraphQLInt: "type({v}) is not int or not -1073741823 <= {v} <= 1073741823",
    GraphQLFloat: "type({v}) is not float or {v} - {v} != 0.0",
}
_ITSELF: dict[object, str] = {int: "type({v}) is not int", str: "type({v}) is not str"}
"""Serialisers that leave values of their own type as they are."""


def leaf(of: GraphQLLeafType, v: str, nullable: bool, bind: Bind) -> Iterator[str]:
    """The lines that hand over the leaf in the variable `v`."""
    slow = bind(_completed(of, nullable))
    otherwise = _OTHERWISE.get(of) or _ITSELF.get(of.coerce_output_value)
    if otherwise:
        rare = f"({otherwise}) and {v} is not None" if nullable else otherwise
        yield f"if {rare.format(v=v)}: {v} = {slow}({v})"
    elif isinstance(of, GraphQLEnumType):
        known = bind(_names(of))
        # By identity: members of an enum hash themselves in Python.
        yield f"n = {known}.get(id({v}))"
        yield f"{v} = n if n is not None else {slow}({v})"
    else:
        yield f"if type({v}) in {bind(_PLAIN)}:"
        yield f"    {v} = {bind(of.coerce_output_value)}({v})"
        yield f"    if type({v}) not in {bind(_ANSWERS)}: raise {bind(Surprise)}"
        yield f"{f'elif {v} is not None' if nullable else 'else'}: {v} = {slow}({v})"


@lru_cache(maxsize=1_024)
def _names(of: GraphQLEnumType) -> dict[int, str]:
    """The names of an enum's members, by their identity; they live as long as their type."""
    members = getattr(of, "wrapped_cls", None)
    if not (isinstance(members, type) and issubclass(members, Enum)):
        return {}
    named = {}
    for member in members:
        try:
            named[id(member)] = of.coerce_output_value(member)
        except Exception:  # a member without a name in the schema is graphql-core's to refuse
            continue
    return named


@lru_cache(maxsize=1_024)
def _completed(of: GraphQLLeafType, nullable: bool) -> Callable[[Any], Any]:
    """Completes a leaf as graphql-core does, as long as it has no reason to complain."""

    def completed(value: Any) -> Any:
        if value is None and nullable:
            return None
        if value is None or value is Undefined or isinstance(value, Exception) or optimized_is_awaitable(value):
            raise Surprise
        told = of.coerce_output_value(value)
        if told is None or told is Undefined or optimized_is_awaitable(told):
            raise Surprise
        return told

    return completed
