"""What the commands have in common: their options, the settings made from them, how one ends.

Imports nothing that takes long: `--help` and a mistake in a flag answer at once.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from memql.errors import Problem
    from server.commands.client import Client
    from server.settings import Loaded


class Exit(IntEnum):
    """What a command's exit code says; scripts may rely on it."""

    OK = 0
    FAILED = 1
    USAGE = 2
    DAMAGE = 3
    PARTLY = 4


Config = Annotated[
    str | None, typer.Option(metavar="FILE", help="Settings file, in place of memql.toml or $MEMQL_CONFIG.")
]
Data = Annotated[str | None, typer.Option(metavar="DIR", help="Directory of all tenants.")]
Host = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.")]
Port = Annotated[str | None, typer.Option(metavar="NUMBER", help="Port to listen on.")]
Others = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Any other setting, such as limits.read_rows=500. May be repeated."
    ),
]

OneTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="NAME", help="The tenant; absent: the server's default.")
]
Url = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A server to ask; absent: the one that has the data directory, or none needed."),
]


def settle(
    config: str | None = None,
    data: str | None = None,
    host: str | None = None,
    port: str | None = None,
    others: list[str] | None = None,
) -> "Loaded":
    """The settings for one command, or the end of it with all that is wrong with them."""
    from memql.errors import Refusal
    from server.settings import load

    named = {"--config": config, "--data": data, "--host": host, "--port": port}
    flags = {flag: value for flag, value in named.items() if value is not None}
    for each in others or []:
        name, equals, value = each.partition("=")
        if not equals:
            raise typer.BadParameter(f"{each!r} has no value: write NAME=VALUE", param_hint="--set")
        flags[f"--set {name.strip()}"] = value.strip()
    loaded = load(flags, os.environ, Path.cwd())
    if isinstance(loaded, Refusal):
        stop(loaded.problems)
    return loaded


@asynccontextmanager
async def reached(loaded: "Loaded", command: str, url: str | None, tenant: str | None) -> "AsyncIterator[Client]":
    """The server that the command asks, or the end of it with the reason why there is none."""
    from memql.errors import Refusal
    from server.commands.client import reach

    async with reach(loaded, command, url, tenant) as client:
        if isinstance(client, Refusal):
            stop(client.problems)
        yield client


def stop(problems: "Sequence[Problem | str]", code: Exit = Exit.FAILED) -> NoReturn:
    """Ends the command with one line for each problem."""
    for problem in problems:
        typer.echo(f"memql: {problem}", err=True)
    raise typer.Exit(code)


def tilde(path: Path) -> str:
    """The path as people write it."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
