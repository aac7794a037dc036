"""Functions of nodes, relations and paths, and of what is known about them."""

from memql.functions.function import Function, mistyped
from memql.types import DATETIME, INTEGER, NODE, RELATION, STRING, Type, list_of
from memql.world import Datum, Node, Path, Relation, World, moment


def entity(name: str, value: Datum) -> Node | Relation:
    return value if isinstance(value, Node | Relation) else mistyped(name, "a node or a relation", value)


def _relation(name: str, value: Datum) -> Relation:
    return value if isinstance(value, Relation) else mistyped(name, "a relation", value)


def _node(name: str, value: Datum) -> Node:
    return value if isinstance(value, Node) else mistyped(name, "a node", value)


def _path(name: str, value: Datum) -> Path:
    return value if isinstance(value, Path) else mistyped(name, "a path", value)


def _properties(value: Datum) -> dict[str, Datum]:
    return dict(value if isinstance(value, dict) else entity("properties", value).properties)


def _provenance(world: World, value: Datum) -> dict[str, Datum]:
    """Where it came from: the events at its origin, and who wrote it when."""
    node = _node("provenance", value)
    events = world.sources(node)
    return {
        "sources": [event.id for event in events],
        "external_keys": [event.properties.get("external_key") for event in events],
        "version": node.state.version,
        "owner": node.state.owner,
        "recorded_at": moment(node.state.recorded_at),
    }


_PROVENANCE = Type("map", fields=(
    ("sources", list_of(STRING.present()).present()), ("external_keys", list_of(STRING).present()),
    ("version", INTEGER.present()), ("owner", STRING.present()), ("recorded_at", DATETIME.present()),
))  # fmt: skip

FUNCTIONS = (
    Function("id", ("entity",), "string", "its id", lambda value: entity("id", value).id),
    Function("elementId", ("entity",), "string", "its id", lambda value: entity("elementId", value).id),
    Function("kind", ("entity",), "string", "what it is", lambda value: entity("kind", value).kind),
    Function("labels", ("node",), lambda given: list_of(STRING.present()), "its kind, and its further labels",
             lambda value: [_node("labels", value).kind, *value.labels]),
    Function("type", ("relation",), "string", "the kind of the relation", lambda value: _relation("type", value).kind),
    Function("properties", ("map|entity",), "map", "its properties as a map", _properties),
    Function("startNode", ("relation",), lambda given: NODE, "what the relation comes from",
             lambda world, value: world.ends(_relation("startNode", value))[0], asks=True),
    Function("endNode", ("relation",), lambda given: NODE, "what the relation leads to",
             lambda world, value: world.ends(_relation("endNode", value))[1], asks=True),
    Function("nodes", ("path",), lambda given: list_of(NODE.present()), "the nodes of a path",
             lambda value: list(_path("nodes", value).nodes)),
    Function("relationships", ("path",), lambda given: list_of(RELATION.present()), "the relations of a path",
             lambda value: list(_path("relationships", value).relations)),
    Function("provenance", ("node",), lambda given: _PROVENANCE,
             "the events it came from, who wrote it and when", _provenance, asks=True),
    Function("similarity", ("node", "node"), "float", "how near the meanings of two nodes are, from -1 to 1",
             lambda world, one, other: world.similarity(_node("similarity", one), _node("similarity", other)),
             asks=True),
)  # fmt: skip
