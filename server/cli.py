"""The command `memql`. Each command says what it did, and only by printing; what it works with is built elsewhere.

Stores, servers and settings are imported inside the commands that use them: `--help` answers at once.
"""

import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated

import typer

from server import __version__
from server.commands import asking, catalogs, codegen, embedder, importing, keys, shell, showing, upkeep
from server.commands.options import Config, Data, Exit, Host, Others, Port, settle, stop, tilde
from server.commands.tables import Format, show

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,
)


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
    """Memory for AI agents: a knowledge graph that says where everything in it
    came from.

    import, recall, query, shell, show and keys ask the server that has the data
    directory, or another one by --url; where none runs they do without. verify, recover,
    rebuild and tenants delete need the directory for themselves.

    check, fmt, describe and codegen work on files of queries, and with a
    --catalog that memql catalog wrote need neither.

    Settings come from flags, then MEMQL_… variables, then memql.toml, then
    defaults; [bold]memql settings[/bold] prints each with its origin and its
    reason.

    Exit codes: 0 done · 1 refused or failed · 2 the command was written wrongly
    · 3 damaged data was found · 4 done in part.
    """


@app.command()
def serve(
    demo: Annotated[
        bool,
        typer.Option(
            "--demo/--no-demo", help="Record the examples in the tenant `demo`, and show three things to try."
        ),
    ] = False,
    config: Config = None,
    data: Data = None,
    host: Host = None,
    port: Port = None,
    others: Others = None,
) -> None:
    """Serve GraphQL, until Ctrl-C: to this machine, which needs no key, or
    with --host to others, who do.

    Prints the address, the data directory, and a first request to paste.
    Meanwhile the other commands that ask, such as [bold]memql recall[/bold],
    ask this server. The first start makes the administrator's key, in the file
    admin.key of the data directory; [bold]memql keys create[/bold] makes others.

    [bold]memql serve --port 9000 --data ~/team[/bold]
    [bold]memql serve --host 0.0.0.0 --set hosts=memql.example.org
    --set tls.certificate=cert.pem --set tls.key=key.pem[/bold]
    """
    from memql.errors import Problem, Refusal

    settings = settle(config, data, host, port, others).settings
    from server.access import admin_key, keystore, obstacles
    from server.listener import address, is_local, listen

    if problems := obstacles(settings):
        stop(problems)
    listener = listen(settings.host, settings.port)
    if isinstance(listener, Problem):
        stop([listener])
    url = address(settings, *listener.getsockname()[:2])
    with closing(listener), upkeep.locked(settings, "serve", url):
        from engine.clock import SystemClock
        from engine.tenants import check_name
        from server import app, telemetry
        from server.api.schema import wrong_documents

        if refusal := check_name(settings.tenant):
            stop(refusal.problems)
        if wrong := wrong_documents(settings.requests):
            stop(wrong)
        with closing(keystore(settings, SystemClock())) as store:
            key = admin_key(settings.data, store)
        if isinstance(key, Refusal):
            stop(key.problems)
        keyed = not (is_local(settings.host) and settings.auth.local)
        telemetry.configure(settings.log_format, settings.log_level, sys.stderr)

        def started(going: app.Going) -> None:
            typer.echo(
                f"MemQL {__version__} serves {url}/graphql\n"
                f"data in {tilde(settings.data)}\n"
                + (f"requests need a key; the administrator's is in {tilde(key)}\n" if keyed else "")
                + f"try it:\n  {app.example(f'{url}/graphql', tilde(key) if keyed else '')}\n"
                "Ctrl-C stops it."
            )
            sys.stdout.flush()
            if demo:
                from server.commands.demo import begin

                begin(settings, url, going)

        with suppress(KeyboardInterrupt):
            app.serve(settings, listener, started)


@app.command()
def settings(
    config: Config = None,
    data: Data = None,
    host: Host = None,
    port: Port = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Print every setting: its value, where it came from, and why it is there.

    Each can be given in memql.toml, as a variable or as a flag:
    MEMQL_LIMITS__READ_ROWS=500 is --set limits.read_rows=500.

    [bold]memql settings --config team.toml --format json[/bold]
    """
    from server.settings import fields, value_of, variable

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
    if form != "table":
        show(rows, form)
        return
    for row in rows:
        name, origin = typer.style(row["name"], bold=True), typer.style(row["origin"], dim=True)
        value = "" if row["value"] is None else row["value"]
        typer.echo(f"{name} = {value}  {origin}\n    {typer.style(row['reason'], dim=True)}")


@app.command()
def schema(
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Tell what would break for clients of the schema in this file, instead."),
    ] = None,
) -> None:
    """Print the GraphQL schema in its own language.

    With --against, nothing is printed where clients of the released schema can
    go on; else what they could not, with exit code 4. A field may go when it was
    deprecated until a day that is over:
    @deprecated(reason: "removed after 2027-01-31; use X").

    [bold]memql schema > schema.graphql[/bold]

    [bold]memql schema --against released.graphql[/bold]
    """
    from server.api.schema import printed

    if against is None:
        typer.echo(printed(), nl=False)
        return
    from engine.clock import SystemClock
    from memql.values import instant
    from server.api.released import breaks

    if not against.is_file():
        stop([f"NOT_FOUND: there is no file {against}"])
    broken = breaks(against.read_text("utf-8"), printed(), instant(SystemClock().now()).date())
    for each in broken:
        typer.echo(each)
    raise typer.Exit(Exit.PARTLY if broken else Exit.OK)


app.add_typer(importing.app)
app.add_typer(asking.app)
app.add_typer(shell.app)
app.add_typer(showing.app)
app.add_typer(codegen.app)
app.add_typer(catalogs.app)
app.add_typer(keys.app)
app.add_typer(upkeep.app)
app.add_typer(embedder.app)


def main() -> None:
    app(prog_name="memql")


if __name__ == "__main__":
    main()
