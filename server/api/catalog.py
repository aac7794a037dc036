"""The field `catalog`: the names of a tenant, built in and declared, as who writes a query needs them."""

from typing import Any, TypeAlias

import strawberry
from strawberry import Info

from engine.tenant import Tenant
from memql import catalog as names
from memql.errors import Refusal
from server.api.context import Context, Refused
from server.api.types import said

Told: TypeAlias = Info[Context, Any]


@strawberry.type(description="A property that a kind, or a kind of relation, declares.")
class CatalogProperty:
    name: str = said("Its name.")
    type: str = said("The type of its values: string, integer, float, boolean, date, datetime, string[], map, any …")
    description: str = said("What it says; empty where nobody said so.")


@strawberry.type(description="A kind of item.")
class CatalogKind:
    name: str = said("Its name.")
    prefix: str = said("How the ids of its items begin.")
    layer: int | None = said("Its layer: 0 events, 1 memories, 2 insights, 3 goals and tasks; null: it is in none.")
    text: str = said("The property that is searched by words and meaning; empty: none.")
    description: str = said("What its items are.")
    properties: list[CatalogProperty] = said("Its own properties, in the order of their declaration.")


@strawberry.type(description="A kind of relation.")
class CatalogRelation:
    name: str = said("Its name.")
    description: str = said("What it says of its source and its target.")
    acyclic: bool = said("Whether no chain of such relations leads back to where it began.")
    lasting: bool = said("Whether its target is seen even when retired or no longer valid.")
    properties: list[CatalogProperty] = said("Its own properties, in the order of their declaration.")


@strawberry.type(description="The names of a tenant: what its queries may speak of.")
class Catalog:
    version: int = said("Rises with each declaration.")
    open: bool = said("Whether names that nobody declared are taken too.")
    kinds: list[CatalogKind] = said("The kinds of items, those that are built in first.")
    labels: list[str] = said("The further labels that items may have.")
    relations: list[CatalogRelation] = said("The kinds of relations, those that are built in first.")


async def tell(info: Told) -> Catalog:
    def work(tenant: Tenant) -> Catalog | Refusal:
        return _told(tenant.catalog)

    found = await info.context.ask(work)
    if isinstance(found, Refusal):
        raise Refused(found)
    return found


def _told(known: names.Catalog) -> Catalog:
    return Catalog(
        version=known.version,
        open=known.open,
        kinds=[
            CatalogKind(
                name=kind.name, prefix=kind.prefix, layer=kind.layer, text=kind.text, description=kind.description,
                properties=_properties(kind),
            )
            for kind in known.kinds.values()
        ],
        labels=sorted(known.labels),
        relations=[
            CatalogRelation(
                name=kind.name, description=kind.description, acyclic=kind.acyclic, lasting=kind.lasting,
                properties=_properties(kind),
            )
            for kind in known.relations.values()
        ],
    )  # fmt: skip


def _properties(kind: names.Kind | names.RelationKind) -> list[CatalogProperty]:
    return [
        CatalogProperty(name=each.name, type=each.type, description=each.description)
        for each in kind.properties.values()
    ]
