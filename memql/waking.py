"""What wakes a live query, to be read: `EXPLAIN LIVE`."""

from collections.abc import Iterable, Iterator

from memql import bound
from memql.bound import Expression
from memql.changes import Footprint, Read, Site, Step
from memql.spelling import text


def wakes(footprint: Footprint) -> Iterator[str]:
    """What of the data is read, a line each."""
    if footprint.anything:
        yield "any change"
        return
    if footprint.searches:
        yield f"any item, since it searches by {' and '.join(sorted(footprint.searches))}"
    for site in dict.fromkeys(footprint.sites):
        yield f"items {_site(site)}, {_which(site)}"
    for step in dict.fromkeys(footprint.steps):
        yield f"relations {_step(step)}"
    yield from sorted(_reads("items", footprint.items))
    yield from sorted(_reads("relations", footprint.relations))
    if footprint.figures:
        yield f"state: {', '.join(sorted(footprint.figures))}"
    if footprint.ordered:
        yield "any new version of these" + ("" if footprint.past else ", since their order decides")
    if footprint.past:
        yield "the same of versions that are not the current ones"
    if footprint.dated:
        yield "the next time that one of these begins or ceases to be true"


def _reads(what: str, reads: Iterable[Read]) -> Iterator[str]:
    for read in reads:
        names = "all properties" if read.names is None else ", ".join(sorted(read.names))
        yield f"new versions of {what} {_kinds(read.kinds)}: {names}"


def _which(site: Site) -> str:
    if site.beside is not None:
        return f"with a relation {_kinds(site.beside[0])} to id {' or '.join(map(_value, site.beside[1]))}"
    return "each" if site.alone else "once they have a relation"


def _site(site: Site) -> str:
    kinds = site.kinds if site.kinds is not None else site.labels
    ids = "" if site.ids is None else f" of id {' or '.join(map(_value, site.ids)) or 'none'}"
    return f"{_kinds(kinds)}{ids}"


def _step(step: Step) -> str:
    near, far = ("any", "any") if not step.near.alone and step.near == step.far else (_site(step.near), _site(step.far))
    arrow = {"out": ("-", "->"), "in": ("<-", "-"), "any": ("-", "-")}[step.direction]
    return f"({near}){arrow[0]}[{_kinds(step.kinds)}]{arrow[1]}({far})"


def _kinds(kinds: frozenset[str] | None) -> str:
    return "of any kind" if kinds is None else ":" + "|".join(sorted(kinds))


def _value(expression: Expression) -> str:
    match expression:
        case bound.Parameter(name=name):
            return f"${name}"
        case bound.Constant(value=str() as value):
            return text(value)
    return "…"
