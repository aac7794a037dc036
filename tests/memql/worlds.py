"""Small random worlds in which every type of value occurs: nothing at all, what is not a number, the empty, the
negative, the huge, texts in any script, times, lists and maps; with labels, versions, owners and ends."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.clock import SystemClock
from engine.commands import (
    AddItem,
    Command,
    DeclareKind,
    DeclareLabel,
    DeclareRelationKind,
    EraseItem,
    Principal,
    PropertyInput,
    Relate,
    Remember,
    RetireItem,
    RetireRelation,
    ReviseItem,
    ReviseRelation,
    SupersedeItem,
)
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import GraphEngine, Tenant
from tests.engine.world import ADMIN, DOMAINS, PEOPLE

KINDS = ("Thing", "Other", "Memory")
RELATIONS = ("LINKS", "ABOUT", "DERIVED_FROM")
LABELS = ("Red", "Blue")
PROPERTIES = {
    "n": "integer", "x": "float", "s": "string", "b": "boolean", "d": "date", "t": "datetime", "ns": "integer[]",
    "ss": "string[]", "m": "map", "v": "any",
}  # fmt: skip
EVERYBODY = (*PEOPLE, ADMIN)

_DAY = date(2026, 3, 14)
VALUES: dict[str, tuple[Any, ...]] = {
    "integer": (0, 1, -1, 2, 3, 7, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)),
    "float": (0.0, -0.0, 0.5, 1.0, -2.5, 3.0, 1e300, 5e-324),
    "string": ("", "tea", "Tea", "ä", "it's", "日本", "a b", "%", "1", "true", "🫖", "e\u0301", "'; RETURN 1"),
    "boolean": (True, False),
    "date": (_DAY, date(1, 1, 1), date(9999, 12, 31), date(1969, 12, 31)),
    "datetime": (datetime(2026, 3, 14, 9, 26, 53, 589_793, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)),
    "integer[]": ([], [1], [1, 2, 3], [3, 1], [2**63 - 1, 0]),
    "string[]": ([], ["tea"], ["tea", "ä", ""], ["b", "a"]),
    "map": ({}, {"a": 1}, {"a": None, "b": "x"}, {"a": {"b": [1]}}),
    "any": (1, 1.0, "tea", True, [], [1, "a", None], {"a": 1}, _DAY),
}


@contextmanager
def opened(directory: Path, engine: GraphEngine = "kuzu") -> Iterator[Tenant]:
    tenant = Tenant.open("t", directory, clock=SystemClock(), limits=Limits(), engine=engine)
    assert isinstance(tenant, Tenant), tenant
    try:
        yield tenant
    finally:
        tenant.close()


def fill(tenant: Tenant, chance: random.Random, size: int = 7, *, erasing: bool = True) -> None:
    """Writes a world of some `size` items."""
    for command in _declarations():
        assert isinstance(tenant.write_now(command, ADMIN), Receipt)
    grow(tenant, chance, size, erasing=erasing)


def grow(tenant: Tenant, chance: random.Random, size: int = 7, *, erasing: bool = True) -> None:
    """Some `size` items more. What is refused, as a change of what was retired, is left out."""
    items: list[str] = []
    relations: list[str] = []
    for _ in range(chance.randrange(1, size + 1)):
        items += _taken(tenant, _item(chance), chance.choice(EVERYBODY))
    for _ in range(chance.randrange(4 * size)):
        known = relations if chance.random() < 0.6 else items
        command = _change(chance, items, relations)
        if isinstance(command, EraseItem) and not erasing:
            continue
        for id_ in _taken(tenant, command, ADMIN):
            if id_ not in known and id_.startswith("rel_"):
                relations.append(id_)


def _declarations() -> list[Command]:
    properties = tuple(PropertyInput(name=name, type=of) for name, of in PROPERTIES.items())
    few = tuple(PropertyInput(name=name, type=PROPERTIES[name]) for name in ("n", "s", "d"))
    return [
        DeclareKind(name="Thing", properties=properties), DeclareKind(name="Other", properties=properties[:4]),
        DeclareRelationKind(name="LINKS", properties=few), *(DeclareLabel(label=label) for label in LABELS),
    ]  # fmt: skip


def _taken(tenant: Tenant, command: Command, by: Principal) -> list[str]:
    receipt = tenant.write_now(command, by)
    return list(receipt.ids) if isinstance(receipt, Receipt) else []


def _item(chance: random.Random) -> Command:
    domain, labels = (
        chance.choice((*DOMAINS, "organization", "organization")),
        chance.sample(LABELS, chance.choice((0, 0, 1, 2))),
    )
    given: dict[str, Any] = {"domain": domain, "labels": tuple(labels), **_span(chance)}
    match chance.choice(KINDS):
        case "Memory":
            return Remember(
                text=chance.choice(("tea", "the tea is cold", "日本 tea")),
                importance=chance.choice((None, 0.5, 1.0)),
                **given,
            )
        case "Other":
            return AddItem(kind="Other", properties=_properties(chance, list(PROPERTIES)[:4]), **given)
    return AddItem(kind="Thing", properties=_properties(chance, list(PROPERTIES)), **given)


def _properties(chance: random.Random, names: list[str]) -> dict[str, Any]:
    return {name: chance.choice(VALUES[PROPERTIES[name]]) for name in names if chance.random() < 0.6}


def _span(chance: random.Random) -> dict[str, Any]:
    """Mostly for ever; else until yesterday, or from tomorrow on."""
    now = datetime.now(UTC)
    ago, ahead = now - timedelta(days=chance.randrange(1, 9)), now + timedelta(days=chance.randrange(1, 9))
    return chance.choice(
        (
            {},
            {},
            {},
            {},
            {"valid_from": ago},
            {"valid_to": ago, "valid_from": ago - timedelta(days=3)},
            {"valid_from": ahead},
        )
    )


def _change(chance: random.Random, items: list[str], relations: list[str]) -> Command:
    one, other = chance.choice(items), chance.choice(items)
    which = chance.random()
    if which < 0.7 or not relations:
        kind = chance.choice(RELATIONS)
        own = _properties(chance, ["n", "s", "d"]) if kind == "LINKS" else {}
        weight = chance.choice((0.0, 0.5, 1.0))
        return Relate(source=one, kind=kind, target=other, weight=weight, properties=own, **_span(chance))
    if which < 0.8:
        return ReviseItem(
            id=one,
            labels=tuple(chance.sample(LABELS, 1)),
            set={"s": chance.choice(VALUES["string"])} if chance.random() < 0.5 else {},
        )
    if which < 0.86:
        return RetireItem(id=one)
    if which < 0.9:
        return SupersedeItem(id=one, by=other)
    if which < 0.94:
        return ReviseRelation(id=chance.choice(relations), weight=chance.choice((0.25, 0.75)))
    return RetireRelation(id=chance.choice(relations)) if which < 0.98 else EraseItem(id=one)
