"""The commands `memql keys`: to give keys out, list them, put new ones in the place of old ones, and end them. They ask
a server as any client does, so that its scopes and limits hold here too.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from server.commands.options import Config, Data, OneTenant, Others, Url, reached, settle, stop
from server.commands.tables import Format, show, show_json

if TYPE_CHECKING:
    from memql.errors import Refusal

app = typer.Typer()
keys_app = typer.Typer(
    no_args_is_help=True, help="Create keys to a tenant, list them, rotate or revoke them.", rich_markup_mode="rich"
)
app.add_typer(keys_app, name="keys")

FIELDS = "id name principal kind owners role scopes createdAt expiresAt usedAt revokedAt"
MADE = f"... on KeyPayload {{ secret key {{ {FIELDS} }} }}"

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id: what stands behind mk_ in the key.")]


@keys_app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for: you will read it in the list.")],
    principal: Annotated[str, typer.Option(metavar="NAME", help="Who acts with it.")],
    role: Annotated[
        Literal["reader", "member", "curator", "admin"],
        typer.Option(
            help="reader asks; member also writes; curator also erases and audits; admin sees and does everything."
        ),
    ] = "member",
    user: Annotated[bool, typer.Option("--user", help="The principal is a person; else it is an agent.")] = False,
    owner: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Whose items it acts for, beside its own. May be repeated."),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="Only this scope of the role: read, write, erase, audit. May be repeated."),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Expires after so many days; absent: never.")] = None,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Make a key to a tenant, and print it: this once.

    Standard output is the key alone, so that it can go where it belongs
    without being seen; what is known of it goes to standard error.

    [bold]memql keys create "support bot" --principal bot --owner ada > bot.key[/bold]
    """
    from datetime import timedelta

    from engine.clock import SystemClock
    from memql.values import iso

    if strange := set(scope or ()) - {"read", "write", "erase", "audit"}:
        raise typer.BadParameter(f"{min(strange)!r} is none of read, write, erase, audit", param_hint="--scope")
    expires = None
    if days is not None:
        expires = iso(SystemClock().now() + timedelta(days=days) // timedelta(microseconds=1))
    given = {
        "name": name,
        "principal": principal,
        "role": role.upper(),
        "kind": "USER" if user else "AGENT",
        "owners": owner or [],
        "scopes": [each.upper() for each in scope] if scope else None,
        "expiresAt": expires,
    }
    _print_made(_asked("createKey", MADE, given, tenant, url, config, data, others), form)


@keys_app.command("list")
def list_(
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Print the keys of a tenant, the newest first; of none the secret.

    [bold]memql keys list --tenant team --format json[/bold]
    """
    from memql.errors import Refusal

    loaded = settle(config, data, others=others)

    async def ask() -> "dict[str, Any] | Refusal":
        async with reached(loaded, "keys list", url, tenant) as client:
            return await client.ask(f"{{ keys {{ {FIELDS} tenant }} }}")

    answer = asyncio.run(ask())
    if isinstance(answer, Refusal):
        stop(answer.problems)
    if form == "json":
        show_json(answer["keys"])
        return
    show([_row(key) for key in answer["keys"]], form, list(_row(dict.fromkeys(FIELDS.split()))))


@keys_app.command()
def rotate(
    id_: KeyId,
    hours: Annotated[
        float, typer.Option(min=0, max=720, help="How long the old one stays good beside the new one; 0: not at all.")
    ] = 24,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Make a key like another that takes its place, and print it: this once.

    The old one stays good for a while, so that whoever uses it can change over.

    [bold]memql keys rotate abcdefghijklmnop --hours 1 > bot.key[/bold]
    """
    given = {"id": id_, "overlapSeconds": round(hours * 3_600)}
    _print_made(_asked("rotateKey", MADE, given, tenant, url, config, data, others), form)


@keys_app.command()
def revoke(
    id_: KeyId,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
) -> None:
    """End a key: it is good for nothing from now on. Again is once.

    [bold]memql keys revoke abcdefghijklmnop[/bold]
    """
    wanted = f"... on RevokeKeyPayload {{ key {{ {FIELDS} }} }}"
    key = _asked("revokeKey", wanted, {"id": id_}, tenant, url, config, data, others)["key"]
    typer.echo(f"{key['id']} ({key['name']}) is revoked")


def _asked(
    mutation: str,
    wanted: str,
    given: Mapping[str, Any],
    tenant: str | None,
    url: str | None,
    config: str | None,
    data: str | None,
    others: list[str] | None,
) -> dict[str, Any]:
    """What the mutation answers, or the end of the command with the reason why not."""
    from memql.errors import Refusal
    from server.commands.client import FAULTS, refused

    loaded = settle(config, data, others=others)
    document = (
        f"mutation ($input: {mutation[0].upper()}{mutation[1:]}Input!) "
        f"{{ answer: {mutation}(input: $input) {{ {FAULTS} {wanted} }} }}"
    )

    async def ask() -> "dict[str, Any] | Refusal":
        async with reached(loaded, f"keys {mutation.removesuffix('Key')}", url, tenant) as client:
            answer = await client.ask(document, input=given)
            return answer if isinstance(answer, Refusal) else refused(answer["answer"]) or answer["answer"]

    answer = asyncio.run(ask())
    if isinstance(answer, Refusal):
        stop(answer.problems)
    return answer


def _print_made(made: Mapping[str, Any], form: str) -> None:
    if form == "json":
        show_json({"secret": made["secret"], **made["key"]})
        return
    key = made["key"]
    until = f" until {key['expiresAt']}" if key["expiresAt"] else ""
    typer.echo(f"{key['id']} ({key['name']}): {key['principal']} as {key['role'].lower()}{until}", err=True)
    typer.echo(made["secret"])


def _row(key: Mapping[str, Any]) -> dict[str, Any]:
    """A key as a line of a table."""
    return {
        "id": key["id"],
        "name": key["name"],
        "principal": key["principal"],
        "owners": " ".join(key["owners"] or ()),
        "role": (key["role"] or "").lower(),
        "scopes": " ".join(scope.lower() for scope in key["scopes"] or ()),
        "expires": key["expiresAt"],
        "used": key["usedAt"],
        "revoked": key["revokedAt"],
    }
