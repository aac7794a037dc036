"""Who asks, and the keys of a tenant: the field `me`, and for administrators `keys` and the mutations about them.

Who administers one tenant sees, makes and ends keys of that one; who administers them all does so in the tenant that
the request names.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Annotated, Any, TypeAlias, TypeVar, Union

import strawberry
import structlog
from strawberry import Info

from engine.tenants import check_name
from memql.errors import Problem, Reason, Refusal, invalid
from server.access.keystore import Key, KeyStore, NewKey
from server.access.tokens import NAME_CHARACTERS, OWNERS, is_name
from server.api.context import Context, Refused
from server.api.refusals import ERRORS, refused
from server.api.requirements import Required
from server.api.types import Moment, member, said
from server.identity import ROLES, Role, Scope, Sort

Told: TypeAlias = Info[Context, Any]
T = TypeVar("T")
log = structlog.get_logger("memql")

SECOND = 1_000_000
OVERLAP_SECONDS, MOST_OVERLAP_SECONDS = 86_400, 30 * 86_400
"""How long a key is good beside the one that takes its place where nobody says otherwise, and at most."""


@strawberry.enum(name="Role", description="What somebody is to a tenant: a name for scopes that belong together.")
class RoleName(Enum):
    READER = member("reader", "Asks. Scope: read.")
    MEMBER = member("member", "What an agent ordinarily is: asks and writes. Scopes: read, write.")
    CURATOR = member("curator", "Looks after what others wrote. Scopes: read, write, erase, audit.")
    ADMIN = member("admin", "Sees and does everything in the tenant. All scopes.")


@strawberry.enum(name="PrincipalKind", description="What a principal is.")
class SortName(Enum):
    USER = member("user", "A person.")
    AGENT = member("agent", "A program that acts for itself, or for the owners that it was given.")


@strawberry.type(description="Who asks, and what they may do.")
class Me:
    principal: strawberry.ID = said("What is recorded as the actor of what you write, and the owner of what you add.")
    kind: SortName = said("A user, or an agent.")
    owners: list[strawberry.ID] = said("Whose items you act for, beside your own: you see and may own them.")
    tenant: str | None = said("The tenant that you may ask; null: any.")
    role: RoleName = said("What you are to it.")
    scopes: list[Required] = said("What you may do.")
    expires_at: Moment | None = said("When your credentials cease to hold; null: not by themselves.")


@strawberry.type(description="A key that was given out. What it is written like is not kept.")
class ApiKey:
    id: strawberry.ID = said("Its id, which is the first part of the key.")
    name: str = said("What it is for.")
    tenant: str | None = said("The tenant that it opens; null: any.")
    principal: strawberry.ID = said("Who acts with it.")
    kind: SortName = said("What the principal is.")
    owners: list[strawberry.ID] = said("Whose items the principal acts for.")
    role: RoleName = said("What its principal is to the tenant.")
    scopes: list[Required] = said("What may be done with it.")
    created_by: strawberry.ID = said("Who made it.")
    created_at: Moment = said("When it was made.")
    expires_at: Moment | None = said("When it ceases to be good; null: not by itself.")
    used_at: Moment | None = said("When it was last used, to the minute; null: never.")
    revoked_at: Moment | None = said("When it was revoked; null: it was not.")
    follows: strawberry.ID | None = said("The key that it took the place of; null: none.")


# What may be asked


async def _me(info: Told) -> Me:
    asks = info.context.identity
    return Me(
        principal=strawberry.ID(asks.by.id), kind=SortName(asks.sort.value), owners=_ids(asks.by.owners),
        tenant=asks.tenant, role=RoleName(asks.role.value), scopes=_scopes(asks.scopes),
        expires_at=None if asks.expires_at is None else Moment(asks.expires_at),
    )  # fmt: skip


async def _keys(info: Told) -> list[ApiKey]:
    context = info.context
    found = await context.administer(lambda keys: keys.of(context.tenant, every=context.identity.tenant is None))
    if isinstance(found, Refusal):
        raise Refused(found)
    return [_shown(key) for key in found]


ME = strawberry.field(resolver=_me, description="Who you are to this server, and what you may do.")
KEYS = strawberry.field(resolver=_keys, description="The keys of the tenant, the newest first; of none the secret.")


# What may be done


def _maybe(description: str) -> Any:
    """A field that may be left out."""
    return strawberry.field(description=description, default=None)


@strawberry.input(description="A key to be made, for this tenant.")
class CreateKeyInput:
    name: str = said("What it is for, so that whoever reads the list knows what stops when it is revoked.")
    principal: strawberry.ID = said("Who acts with it.")
    kind: SortName = strawberry.field(description="What the principal is.", default=SortName.AGENT)
    owners: list[strawberry.ID] = strawberry.field(
        description="Whose items the principal acts for, beside its own.", default_factory=list
    )
    role: RoleName = strawberry.field(description="What the principal is to the tenant.", default=RoleName.MEMBER)
    scopes: list[Required] | None = _maybe("Fewer scopes than the role has, `READ` among them; absent: all of them.")
    expires_at: Moment | None = _maybe("When it ceases to be good; absent: not by itself.")


@strawberry.input(description="A key that another is to take the place of.")
class RotateKeyInput:
    id: strawberry.ID = said("Its id.")
    overlap_seconds: int = strawberry.field(
        description=f"How long it stays good beside the new one, {MOST_OVERLAP_SECONDS:,} at most; 0: not at all.",
        default=OVERLAP_SECONDS,
    )


@strawberry.input(description="A key that is to be good no more.")
class RevokeKeyInput:
    id: strawberry.ID = said("Its id.")


@strawberry.type(description="A key that was made.")
class KeyPayload:
    key: ApiKey = said("What is known of it from now on.")
    secret: str = said("The key as it is to be sent. It is shown this once, and kept nowhere: write it down now.")


@strawberry.type(description="The key that is good no more.")
class RevokeKeyPayload:
    key: ApiKey = said("The key, as it is now.")


async def _create(
    info: Told, input_: Annotated[CreateKeyInput, strawberry.argument(name="input", description="What the key is for.")]
) -> Any:
    context = info.context
    role = Role(input_.role.value)
    scopes = ROLES[role] if input_.scopes is None else frozenset(Scope(each.value) for each in input_.scopes)
    problems = [*_wrong(input_, role, scopes)]
    if refusal := check_name(context.tenant):
        problems += refusal.problems
    if problems:
        return refused(Refusal(Reason.INVALID, tuple(problems)))

    def work(keys: KeyStore) -> NewKey | Refusal:
        return keys.create(
            input_.name, context.tenant, input_.principal, role, by=context.by.id, sort=Sort(input_.kind.value),
            owners=frozenset(input_.owners), scopes=scopes, expires_at=input_.expires_at,
        )  # fmt: skip

    return _made(context, "a key was made", await context.administer(work))


def _wrong(given: CreateKeyInput, role: Role, scopes: frozenset[Scope]) -> Iterator[Problem]:
    if not is_name(given.name):
        yield Problem("BAD_NAME", f"a name is 1 to {NAME_CHARACTERS} characters of one line", "name")
    if not is_name(given.principal):
        hint = f"1 to {NAME_CHARACTERS} characters of one line; not `memql:…`, which are our own"
        yield Problem("BAD_NAME", "this can't be a principal", "principal", hint)
    if len(given.owners) > OWNERS or not all(map(is_name, given.owners)):
        yield Problem("BAD_NAME", f"up to {OWNERS:,} principals are expected", "owners", "each of one line")
    if beyond := sorted(scope.value for scope in scopes - ROLES[role]):
        hint = "choose a role that has it, or leave it away"
        yield Problem("INVALID_VALUE", f"the role {role.value} has no scope `{beyond[0]}`", "scopes", hint)
    if Scope.READ not in scopes:
        hint = "who writes is shown what was written: add READ"
        yield Problem("INVALID_VALUE", "nothing can be done without reading", "scopes", hint)


async def _rotate(
    info: Told,
    input_: Annotated[
        RotateKeyInput, strawberry.argument(name="input", description="Which key, and how soon it ends.")
    ],
) -> Any:
    context, overlap = info.context, input_.overlap_seconds
    if not 0 <= overlap <= MOST_OVERLAP_SECONDS:
        message = f"{overlap:,} is not between 0 and {MOST_OVERLAP_SECONDS:,}"
        return refused(invalid("OUT_OF_RANGE", message, "overlap_seconds", "give the time that the change takes"))

    def work(keys: KeyStore) -> NewKey | Refusal:
        return keys.rotate(input_.id, context.identity.tenant, by=context.by.id, overlap=overlap * SECOND)

    return _made(context, "a key was rotated", await context.administer(work))


async def _revoke(
    info: Told, input_: Annotated[RevokeKeyInput, strawberry.argument(name="input", description="Which key.")]
) -> Any:
    context = info.context
    found = await context.administer(lambda keys: keys.revoke(input_.id, context.identity.tenant))
    if isinstance(found, Refusal):
        return refused(found)
    log.info("a key was revoked", key=found.id, tenant=found.tenant, by=context.by.id)
    return RevokeKeyPayload(key=_shown(found))


def _made(context: Context, what: str, made: NewKey | Refusal) -> Any:
    if isinstance(made, Refusal):
        return refused(made)
    log.info(what, key=made.key.id, tenant=made.key.tenant, principal=made.key.principal, by=context.by.id)
    return KeyPayload(key=_shown(made.key), secret=made.written)


def _answered(resolve: Callable[..., Any], name: str, payload: type, description: str) -> Any:
    answer = strawberry.union(f"{name[0].upper()}{name[1:]}Result", description="What was done, or why nothing was.")
    return strawberry.field(
        resolver=resolve, name=name, description=description,
        graphql_type=Annotated[Union[(payload, *ERRORS.values())], answer],
    )  # fmt: skip


CHANGES = [
    _answered(_create, "createKey", KeyPayload, "Makes a key for this tenant, and shows it this once."),
    _answered(
        _rotate, "rotateKey", KeyPayload, "Makes a key in the place of another, which stays good for a while beside it."
    ),
    _answered(_revoke, "revokeKey", RevokeKeyPayload, "Ends a key: it is good for nothing from now on."),
]
"""The mutations about keys."""


def _shown(key: Key) -> ApiKey:
    def moment(at: int | None) -> Moment | None:
        return None if at is None else Moment(at)

    return ApiKey(
        id=strawberry.ID(key.id), name=key.name, tenant=key.tenant, principal=strawberry.ID(key.principal),
        kind=SortName(key.sort.value), owners=_ids(key.owners), role=RoleName(key.role.value),
        scopes=_scopes(key.scopes), created_by=strawberry.ID(key.created_by), created_at=Moment(key.created_at),
        expires_at=moment(key.expires_at), used_at=moment(key.used_at), revoked_at=moment(key.revoked_at),
        follows=None if key.follows is None else strawberry.ID(key.follows),
    )  # fmt: skip


def _ids(names: Iterable[str]) -> list[strawberry.ID]:
    return [strawberry.ID(name) for name in sorted(names)]


def _scopes(scopes: frozenset[Scope]) -> list[Required]:
    return [Required(scope.value) for scope in Scope if scope in scopes]
