"""The command `memql`. Each command says what it did, and only by printing; what it works with is built elsewhere.

Stores and servers are imported inside the commands that use them: `--help` and a mistake in a flag answer at once.
"""

import os
import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import orjson
import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from memql.errors import Problem, Refusal
from server import __version__
from server.settings import Loaded, fields, load, value_of, variable

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
)


class Exit(IntEnum):
    """What a command's exit code says; scripts may rely on it."""

    OK = 0
    FAILED = 1
    USAGE = 2
    DAMAGE = 3


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


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"memql {__version__}")
        raise typer.Exit


@app.callback()
def memql(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """Memory for AI agents: a knowledge graph that says where everything in it came from.

    Settings come from flags, then MEMQL_… variables, then memql.toml, then defaults; [bold]memql settings[/bold]
    prints each with its origin and its reason.

    Exit codes: 0 done · 1 refused or failed · 2 the command was written wrongly · 3 damaged data was found.
    """


@app.command()
def settings(
    config: Config = None,
    data: Data = None,
    host: Host = None,
    port: Port = None,
    others: Others = None,
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="How to print.")] = "text",
) -> None:
    """Print every setting: its value, where it came from, and why it is there."""
    loaded = settle(config, data, host, port, others)
    rows = [
        {
            "name": name,
            "value": value_of(loaded.settings, name),
            "origin": loaded.origins[name],
            "variable": variable(name),
            "reason": info.description,
        }
        for name, info in fields()
    ]
    if form == "json":
        sys.stdout.buffer.write(orjson.dumps(rows, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return
    console = Console()
    for row in rows:
        console.print(Text.assemble((str(row["name"]), "bold"), f" = {row['value']}  ", (str(row["origin"]), "dim")))
        console.print(Padding(Text(str(row["reason"]), "dim"), (0, 0, 0, 4)))


def settle(
    config: str | None, data: str | None, host: str | None, port: str | None, others: list[str] | None
) -> Loaded:
    """The settings for one command, or the end of it with all that is wrong with them."""
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


def stop(problems: tuple[Problem, ...], code: Exit = Exit.FAILED) -> NoReturn:
    """Ends the command with one line for each problem."""
    for problem in problems:
        typer.echo(f"memql: {problem}", err=True)
    raise typer.Exit(code)


def main() -> None:
    app(prog_name="memql")


if __name__ == "__main__":
    main()
