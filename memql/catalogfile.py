"""A catalog as JSON: what `memql catalog` writes, and commands read that work without a server."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from memql.catalog import Catalog, Kind, Property, RelationKind
from memql.errors import Refusal, invalid


def written(catalog: Catalog) -> dict[str, Any]:
    return {
        "version": catalog.version,
        "open": catalog.open,
        "kinds": [
            {
                "name": kind.name, "prefix": kind.prefix, "layer": kind.layer, "text": kind.text,
                "description": kind.description, "properties": _properties(kind.properties),
            }
            for kind in catalog.kinds.values()
        ],
        "labels": sorted(catalog.labels),
        "relations": [
            {
                "name": kind.name, "description": kind.description, "acyclic": kind.acyclic, "lasting": kind.lasting,
                "properties": _properties(kind.properties),
            }
            for kind in catalog.relations.values()
        ],
    }  # fmt: skip


def _properties(known: Mapping[str, Property]) -> list[dict[str, str]]:
    return [{"name": each.name, "type": each.type, "description": each.description} for each in known.values()]


def read(data: object) -> Catalog | Refusal:
    """The catalog that was written so. Whatever else may be in it is left to those who know it."""
    try:
        return _read(data)
    except (KeyError, TypeError, ValueError, AttributeError):
        return invalid("NO_CATALOG", "this holds no catalog", "", "`memql catalog --out FILE` writes one")


def _read(data: Any) -> Catalog:
    kinds = {
        str(each["name"]): Kind(
            str(each["name"]), str(each["prefix"]), each["layer"], str(each["text"]), _known(each),
            str(each["description"]),
        )
        for each in data["kinds"]
    }  # fmt: skip
    relations = {
        str(each["name"]): RelationKind(
            str(each["name"]), str(each["description"]), bool(each["acyclic"]), bool(each["lasting"]), _known(each)
        )
        for each in data["relations"]
    }
    return Catalog(
        MappingProxyType(kinds), MappingProxyType(relations), frozenset(map(str, data["labels"])),
        bool(data["open"]), int(data["version"]),
    )  # fmt: skip


def _known(each: Any) -> Mapping[str, Property]:
    return MappingProxyType(
        {
            str(one["name"]): Property(str(one["name"]), str(one["type"]), str(one.get("description", "")))
            for one in each["properties"]
        }
    )
