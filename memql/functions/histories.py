"""Functions of versions: when each was true and known, who made it and why, and which others there are."""

from collections.abc import Callable
from datetime import datetime

from memql.functions.function import Function, Given
from memql.functions.graphs import entity
from memql.types import Type, list_of
from memql.world import Change, Datum, World, moment


def _moment(name: str, field: str, doc: str) -> Function:
    """Of a version the time in that field of its state; null where it never comes."""

    def meaning(value: Datum) -> datetime | None:
        return None if value is None else moment(getattr(entity(name, value).state, field))

    return Function(name, ("entity",), "datetime", doc, meaning, nulls=True, example=f"{name}(m)")


def _told(name: str, doc: str, part: Callable[[Change], str], *, ended: bool = False) -> Function:
    """Something of the record that began a version, or of the one that ended it; null where it says nothing."""

    def meaning(world: World, value: Datum) -> str | None:
        change = None if value is None else world.change(entity(name, value), ended=ended)
        return (part(change) or None) if change is not None else None

    return Function(name, ("entity",), "string", doc, meaning, nulls=True, asks=True, example=f"{name}(m)")


def _versions(given: Given) -> Type:
    return list_of(given[0].present())


FUNCTIONS = (
    _moment("valid_from", "valid_from", "when it began to be true"),
    _moment("valid_to", "valid_to", "when it ceased to be true; null: it still is"),
    _moment("recorded_at", "recorded_at", "when this version became known"),
    _moment("retired_at", "retired_at", "when this version ceased to be the current one; null: it is"),
    _moment("tx_from", "recorded_at", "when this version became known: recorded_at by another name"),
    _moment("tx_to", "retired_at", "when this version ceased to be the current one: retired_at by another name"),
    _told("changed_by", "who recorded this version", lambda change: change.actor),
    _told("changed_because", "why this version was recorded; null: nobody said", lambda change: change.reason),
    _told("retired_by", "who ended this version; null: it is the current one", lambda change: change.actor, ended=True),
    _told("retired_because", "why this version was ended; null: it was not, or nobody said",
          lambda change: change.reason, ended=True),
    Function("history", ("entity",), _versions, "every version of it that was known, the oldest first",
             lambda world, value: list(world.history(entity("history", value))), asks=True,
             example="[v IN history(m) | v.text]"),
)  # fmt: skip
