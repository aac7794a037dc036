"""Functions of lists and maps, what tests for null, and the operators that make truths."""

from memql.functions.function import Function, Given, Unanswerable, first, member, mistyped, not_too_long
from memql.order import Truth, equal
from memql.types import INTEGER, STRING, Type, common, list_of
from memql.world import Datum, Node, Path, Relation


def within(value: Datum, members: Datum) -> Truth:
    """Whether one of the members equals the value; null where a null may hide it."""
    if members is None:
        return None
    if not isinstance(members, list):
        mistyped("IN", "a list", members)
    found: Truth = False
    for each in members:
        same = equal(value, each)
        if same:
            return True
        found = None if same is None else found
    return found


def size(value: Datum) -> int:
    return len(value) if isinstance(value, list | str | dict) else mistyped("size", "a list, a text or a map", value)


def length(value: Datum) -> int:
    return len(value.relations) if isinstance(value, Path) else mistyped("length", "a path", value)


def _list(name: str, value: Datum) -> list[Datum]:
    return value if isinstance(value, list) else mistyped(name, "a list", value)


def _range(start: Datum, end: Datum, step: Datum = 1) -> list[int]:
    for value in (start, end, step):
        if isinstance(value, bool) or not isinstance(value, int):
            mistyped("range", "whole numbers", value)
    if step == 0:
        raise Unanswerable("Q213", "`range` cannot go on by 0")
    made = range(start, end + (1 if step > 0 else -1), step)
    not_too_long(max(0, (made.stop - made.start) // made.step))
    return list(made)


def _coalesce(*values: Datum) -> Datum:
    return next((value for value in values if value is not None), None)


def _common(given: Given) -> Type:
    of = common(given)
    return of if all(each.nullable for each in given) else of.present()


def _keys(value: Datum) -> list[str]:
    match value:
        case dict():
            return list(value)
        case Node() | Relation():
            return sorted(value.properties)
    return mistyped("keys", "a map, a node or a relation", value)


def _empty(value: Datum) -> bool:
    return not value if isinstance(value, list | str | dict) else mistyped("isEmpty", "a list, text or map", value)


def _concatenated(one: Datum, other: Datum) -> Datum:
    if type(one) is not type(other) or not isinstance(one, str | list):
        mistyped("||", "two texts or two lists", other)
    not_too_long(len(one) + len(other))
    return one + other


OPERATORS = (
    Function("IN", ("any", "list"), "boolean", "whether the value is a member of the list", within, nulls=True),
    Function("IS NULL", ("any",), "boolean", "whether there is no value", lambda value: value is None, nulls=True),
    Function("IS NOT NULL", ("any",), "boolean", "whether there is a value", lambda value: value is not None,
             nulls=True),
    Function("||", ("string|list", "string|list"), first, "texts or lists, one after the other",
             _concatenated),
)  # fmt: skip

FUNCTIONS = (
    Function("size", ("list|string|map",), "integer", "members of a list, characters of a text", size),
    Function("length", ("path",), "integer", "relations of a path", length),
    Function("head", ("list",), member, "the first member", lambda each: next(iter(_list("head", each)), None)),
    Function("last", ("list",), member, "the last member", lambda each: next(iter(_list("last", each)[::-1]), None)),
    Function("tail", ("list",), first, "all members but the first", lambda each: _list("tail", each)[1:]),
    Function("range", ("integer", "integer", "integer"), lambda given: list_of(INTEGER.present()),
             "the numbers from the first to the second, both included, by steps of the third", _range, optional=1),
    Function("coalesce", ("any",), _common, "the first value that is not null", _coalesce, repeats=True, nulls=True),
    Function("keys", ("map|entity",), lambda given: list_of(STRING.present()), "the names of its properties", _keys),
    Function("isEmpty", ("list|string|map",), "boolean", "whether nothing is in it", _empty),
    Function("exists", ("any",), "boolean", "whether there is a value", lambda value: value is not None, nulls=True),
)  # fmt: skip
