"""What each root field of the schema needs, in one table; checked once for an operation, before anything of it is done.

The schema prints it as `@requires`. A field that stands in no table is nobody's but an administrator's, and a test
fails until it has its place. What of a tenant is then seen is the plan's to say, and what may be changed the engine's.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from strawberry.schema_directive import Location
from strawberry.types.base import StrawberryObjectDefinition

from server.identity import FORBIDDEN, ROLES, Identity, Scope

_READ, _WRITE, _ADMIN = Scope.READ, Scope.WRITE, Scope.ADMIN

REQUIRED: Mapping[str, Mapping[str, Scope]] = {
    "Query": dict.fromkeys(
        (
            "node", "nodes", "event", "memory", "entity", "items", "events", "memories", "insights", "goals", "tasks",
            "entities", "search", "memql", "memqlCheck", "memqlComplete", "memqlDescribe", "catalog", "position", "me",
            "insight", "goal", "task", "stream", "memqlExplain", "memqlWord",
        ),
        _READ,
    )
    | {"audit": Scope.AUDIT, "keys": _ADMIN},
    "Mutation": dict.fromkeys(
        (
            "openStream", "recordEvents", "remember", "deriveInsight", "setGoal", "addTask", "nameEntity", "addItem",
            "reviseItem", "supersedeItem", "retireItem", "relate", "reviseRelation", "retireRelation", "curate",
            "writeMany",
            # What is not one's own takes the scope `erase` too, as the engine says when it knows whose it is.
            "eraseItem",
        ),
        _WRITE,
    )
    | dict.fromkeys(
        (
            "declareKind", "declareRelationKind", "declareProperty", "declareLabel", "setCatalog",
            "createKey", "rotateKey", "revokeKey",
        ),
        _ADMIN,
    ),
    "Subscription": dict.fromkeys(
        (
            "memoryChanged", "insightChanged", "goalChanged", "taskChanged", "itemChanged", "relationChanged",
            "memqlLive", "searchStream",
        ),
        _READ,
    )
    | {"auditRecorded": Scope.AUDIT},
}  # fmt: skip


def _value(value: object, description: str) -> Any:
    return strawberry.enum_value(value, description=description)


@strawberry.enum(name="Scope", description="What a principal may do at all.")
class Required(Enum):
    READ = _value("read", "Ask for what it may see: the organization's items, its own, and those of whom it acts for.")
    WRITE = _value("write", "Record, revise, relate and retire what it may see; erase what is its own.")
    ERASE = _value("erase", "Erase whatever it may see.")
    AUDIT = _value("audit", "Read who did what.")
    ADMIN = _value("admin", "See and do everything in the tenant: its names, its keys, the items of all principals.")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], description="The scope that an operation needs to ask for this field."
)
class Requires:
    scope: Required


def declare_scopes(root: type | None) -> None:
    """Writes on each field of a root type what it needs."""
    definition: StrawberryObjectDefinition = getattr(root, "__strawberry_definition__")  # noqa: B009  # Strawberry's own
    needed = REQUIRED[definition.name]
    for field in definition.fields:
        name = field.graphql_name or _camel(field.python_name)
        if not any(isinstance(each, Requires) for each in field.directives):
            scope = needed.get(name, _ADMIN)
            field.directives = [*field.directives, Requires(scope=Required(scope.value))]


def needs_of(document: DocumentNode, operation: OperationDefinitionNode) -> Mapping[Scope, FieldNode]:
    """The scopes that an operation needs, each with the first root field that does. Fields that a variable leaves out
    are counted, so that this depends on the document alone."""
    needed = REQUIRED[operation.operation.value.capitalize()]
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    needs: dict[Scope, FieldNode] = {}
    for field in _fields(operation.selection_set, fragments, set()):
        if not field.name.value.startswith("__"):
            needs.setdefault(needed.get(field.name.value, _ADMIN), field)
    return needs


def lacking(needs: Mapping[Scope, FieldNode], identity: Identity) -> GraphQLError | None:
    """Why an operation that needs these scopes is not this identity's to ask."""
    for scope, field in needs.items():
        if identity.may(scope):
            continue
        roles = next(role.value for role, scopes in ROLES.items() if scope in scopes)
        message = f"`{field.name.value}` needs the scope `{scope.value}`, which you do not have"
        hint = f"ask with a key of the role {roles}, or ask an administrator of the tenant for one"
        problem = {"code": FORBIDDEN, "message": message, "place": field.name.value, "hint": hint}
        extensions = {"code": FORBIDDEN, "reason": "forbidden", "scope": scope.value, "problems": [problem]}
        return GraphQLError(f"{message}: {hint}", field, extensions=extensions)
    return None


def _fields(
    selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode], met: set[str]
) -> Iterator[FieldNode]:
    for node in selections.selections:
        match node:
            case FieldNode():
                yield node
            case InlineFragmentNode():
                yield from _fields(node.selection_set, fragments, met)
            case FragmentSpreadNode() if node.name.value not in met and node.name.value in fragments:
                met.add(node.name.value)
                yield from _fields(fragments[node.name.value].selection_set, fragments, met)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
