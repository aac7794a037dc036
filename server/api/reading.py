"""How a field with a resolver is read where nobody resolves fields one by one.

A resolver that only looks up what is there already says with `read_as` how, so that a compiled selection needs none of
what a resolver is handed. It promises that both ways give the same, and that arguments which fit change nothing.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from server.api.selection import Path

Reading: TypeAlias = Callable[[Path, str], Callable[[Any], Any]]
"""From where a field stands and its name in the schema, to what reads it off an object."""

SHARED = {"shared": True}
"""Metadata of a field whose value many objects have in common: what is shown of it is made once for all of them."""

R = TypeVar("R", bound=Callable[..., Any])


def read_as(reading: Reading) -> Callable[[R], R]:
    """Declares how the values of a resolver are read without it."""

    def declared(resolver: R) -> R:
        resolver.__dict__["read_as"] = reading
        return resolver

    return declared


def of_object_alone(resolver: R) -> R:
    """Declares a resolver that needs nothing but the object: it is its own reading."""
    return read_as(lambda path, name: resolver)(resolver)


def reading_of(resolver: object) -> Reading | None:
    """How a resolver said to be read, if it did."""
    return getattr(resolver, "read_as", None)
