"""By what a row of an answer is known again when the query is asked anew, and whether its rows have an order."""

from memql import bound
from memql.bound import Expression


def key_columns(query: bound.Query) -> tuple[int, ...] | None:
    """The columns that tell rows apart: the keys that the rows are grouped by, else the nodes and relations that are
    returned, or their ids. None: only all columns together do."""
    if len(query.parts) > 1:
        return None
    last = query.parts[0].clauses[-1]
    if not isinstance(last, bound.Project):
        return None
    places = {expression: place for place, (_, expression) in enumerate(last.items)}
    if last.grouped:
        found = [places.get(bound.local(variable)) for variable, _ in last.keys]
        return None if None in found else tuple(place for place in found if place is not None)
    return tuple(place for place, (_, expression) in enumerate(last.items) if _is_identity(expression)) or None


def is_ordered(query: bound.Query) -> bool:
    """Whether rows have places: the last thing done to all of them is to sort them."""
    last = query.parts[0].clauses[-1]
    return len(query.parts) == 1 and isinstance(last, bound.Project) and bool(last.order)


def _is_identity(expression: Expression) -> bool:
    match expression:
        case bound.Local():
            return expression.type.name in ("node", "relation")
        case bound.Property(of=of, name="id"):
            return of.type.name in ("node", "relation")
        case bound.Call(function=function, arguments=(of,)):
            return function.lower() in ("id", "elementid") and of.type.name in ("node", "relation")
    return False
