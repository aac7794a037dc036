"""The commands that look after a data directory: verify, recover, rebuild, tenants. They need no server, and none may
run on the same directory meanwhile.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.options import Config, Data, Exit, Others, settle, stop
from server.commands.tables import Format, show

if TYPE_CHECKING:
    from engine.recovery import Progress, Verification
    from engine.tenant import Store
    from engine.tenants import Tenants
    from server.settings import Settings

app = typer.Typer()
tenants_app = typer.Typer(no_args_is_help=True, help="List tenants, or delete one.")
app.add_typer(tenants_app, name="tenants")

OneTenant = Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only this tenant; absent: all.")]
ThisTenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant.")]

LOOK_SECONDS = 0.2
"""How often a rebuild is looked at."""


@app.command()
def verify(
    tenant: OneTenant = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Read every record of the journals, and say whether each is as it was
    written. Changes nothing.

    Where one is not, its position is named: see [bold]memql recover[/bold].

    Exit codes: 0 all are sound · 1 could not look · 3 damage was found.

    [bold]memql verify --tenant team[/bold]
    """
    from engine import recovery

    settings = settle(config, data, others=others).settings
    rows, damaged = [], False
    with locked(settings, "verify"):
        for name in _names(settings, tenant):
            with _progress(f"reading {name}") as done:
                found = recovery.verify(_directory(settings, name), done)
            rows.append(
                {
                    "tenant": name,
                    "records": found.records,
                    "position": found.position,
                    "hash": found.hash.hex()[:16],
                    "verdict": _verdict(found),
                }
            )
            damaged = damaged or not found.sound
    show(rows, form)
    raise typer.Exit(Exit.DAMAGE if damaged else Exit.OK)


def _verdict(found: "Verification") -> str:
    if found.damage:
        return f"damaged at position {found.damage.position:,}: {found.damage.what}"
    if found.damaged:
        return f"damaged: {found.damaged}"
    return "sound" if found.index_fits else "sound; its index is derived anew when it is next opened"


@app.command()
def recover(
    tenant: ThisTenant,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Go on without what is lost. Without it nothing is changed.")
    ] = False,
    config: Config = None,
    data: Data = None,
    others: Others = None,
) -> None:
    """Go on with a damaged journal, without the records that can't be read.

    Says what will be lost, and does it only with [bold]--accept-loss[/bold]:
    then the damaged files are kept as evidence, lost positions are never given
    again, and that a person accepted the loss is itself recorded.

    Exit codes: 0 sound, or gone on · 1 could not look · 3 damaged, and nothing
    was changed.

    [bold]memql recover --tenant team[/bold]
    """
    from engine import recovery
    from engine.clock import SystemClock
    from server.identity import LOCAL

    settings = settle(config, data, others=others).settings
    with locked(settings, "recover"):
        (name,) = _names(settings, tenant)
        directory = _directory(settings, name)
        with _progress(f"reading {name}") as done:
            found = recovery.verify(directory, done)
        if found.sound:
            typer.echo(f"{name} is sound: {found.records:,} records up to position {found.position:,}. Nothing to do.")
            return
        if found.damaged and found.damaged.code == "JOURNAL_NEWER":
            stop([f"{name} is not damaged: {found.damaged}; use the MemQL that wrote it"])
        typer.echo(f"{name} is {_verdict(found)}")
        if not accept_loss:
            typer.echo(
                f"What can still be read ends at position {found.position:,}; what comes after it would be lost, and "
                f"so would content that is damaged.\nCopy {directory} first if you can. To go on without it:\n"
                f"  memql recover --tenant {name} --accept-loss"
            )
            raise typer.Exit(Exit.DAMAGE)
        outcome = recovery.accept_loss(directory, SystemClock(), LOCAL.by.id)
    kept, last = outcome.kept, outcome.lost
    lost = f"positions {kept + 1:,} to {last:,} are lost" if last > kept else "no record is lost"
    spoiled = f"; content is lost at {', '.join(map(str, outcome.spoiled))}" if outcome.spoiled else ""
    typer.echo(f"{name} goes on from position {kept:,}: {lost}{spoiled}.\nThe evidence is in {outcome.evidence}")


@app.command()
def rebuild(
    stores: Annotated[
        list[str] | None, typer.Argument(metavar="[STORE]...", help="graph, vectors or texts; absent: all three.")
    ] = None,
    tenant: OneTenant = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
) -> None:
    """Throw stores away and make them anew from the journal. Nothing that was
    written can be lost by it.

    Exit codes: 0 they show all that was written · 1 one could not be made · 3 a
    journal is damaged.

    [bold]memql rebuild texts --tenant team[/bold]
    """
    from engine.tenant import STORES

    chosen = [store for store in STORES if not stores or store in stores]
    if strange := sorted(set(stores or ()) - set(STORES)):
        stop([f"there is no store `{strange[0]}`: choose from {', '.join(STORES)}"], Exit.USAGE)
    settings = settle(config, data, others=others).settings
    with locked(settings, "rebuild"), _opened(settings) as tenants:
        for name in _names(settings, tenant):
            _rebuild(tenants, name, chosen)


def _rebuild(tenants: "Tenants", name: str, stores: "list[Store]") -> None:
    from engine.follower import Phase
    from memql.errors import Refusal

    with tenants.use(name, create=False) as tenant:
        if isinstance(tenant, Refusal):
            stop(tenant.problems, Exit.DAMAGE)
        tenant.rebuild(stores)
        with _progress(f"rebuilding {name}") as done:
            settled = False
            while not settled:
                settled = tenant.settled(LOOK_SECONDS)
                statuses = [status for status in tenant.statuses() if status.name in stores]
                done(sum(status.position for status in statuses), sum(status.target for status in statuses))
                for status in statuses:
                    if status.phase is Phase.FAILED:
                        stop([f"`{status.name}` of {name} stopped: {status.problem}"])
        typer.echo(f"{name}: {', '.join(stores)} show position {tenant.position:,}")


@tenants_app.command("list")
def list_tenants(config: Config = None, data: Data = None, others: Others = None, form: Format = "table") -> None:
    """Print every tenant: the last position it acknowledged, and its bytes on
    disk. A server may run.

    [bold]memql tenants list --format csv[/bold]
    """
    from engine import head
    from engine.salvage import HEAD

    settings = settle(config, data, others=others).settings
    rows = []
    for name in _names(settings, None):
        witness = head.read(_directory(settings, name) / HEAD).witness
        sizes = [path.stat().st_size for path in _directory(settings, name).rglob("*") if path.is_file()]
        rows.append({"tenant": name, "position": witness.position if witness else None, "bytes": sum(sizes)})
    show(rows, form)


@tenants_app.command("delete")
def delete_tenant(
    name: Annotated[str, typer.Argument(help="The tenant.")],
    yes: Annotated[bool, typer.Option("--yes", help="Yes: every byte of it, for good.")] = False,
    config: Config = None,
    data: Data = None,
    others: Others = None,
) -> None:
    """Delete a tenant: its journal, its stores, its evidence. There is no way
    back.

    [bold]memql tenants delete demo --yes[/bold]
    """
    settings = settle(config, data, others=others).settings
    if not yes:
        stop([f"this removes every byte of `{name}`, for good; say --yes"], Exit.USAGE)
    from engine.clock import SystemClock
    from server.access import keystore

    with (
        locked(settings, "tenants delete"),
        _opened(settings) as tenants,
        closing(keystore(settings, SystemClock())) as keys,
    ):
        # Its keys first: they must not be good for the next tenant of that name.
        if refusal := keys.forget_tenant(name) or tenants.delete(name):
            stop(refusal.problems)
    typer.echo(f"{name} is deleted")


@contextmanager
def locked(settings: "Settings", command: str, url: str = "") -> Iterator[None]:
    """Has the data directory for one command; or ends it by naming who has it. `url` is where the command serves it."""
    from engine.lock import DataLock, Locked

    try:
        lock = DataLock.take(settings.data, f"memql {command}", url)
    except OSError as error:
        stop([f"{settings.data} can't be used: {os.strerror(error.errno or 0).lower()}; choose another with --data"])
    if isinstance(lock, Locked):
        stop([str(lock)])
    try:
        yield
    finally:
        lock.close()


@contextmanager
def _opened(settings: "Settings") -> "Iterator[Tenants]":
    from engine.clock import SystemClock
    from engine.tenants import Tenants
    from server import telemetry

    telemetry.configure(settings.log_format, "warning", sys.stderr)
    tenants = Tenants(
        settings.data, clock=SystemClock(), limits=settings.limits, engine=settings.graph_engine, consolidate=False
    )
    try:
        yield tenants
    finally:
        tenants.close()


def _directory(settings: "Settings", name: str) -> Path:
    return settings.data / "tenants" / name


def _names(settings: "Settings", chosen: str | None) -> list[str]:
    """The tenants that a command is about: all, or the one that was chosen and is there."""
    from engine.tenants import NAME

    folder = settings.data / "tenants"
    names = sorted(path.name for path in folder.iterdir() if NAME.match(path.name)) if folder.is_dir() else []
    if chosen is not None and chosen not in names:
        from memql.errors import nearest

        hint = nearest(chosen, names) or f"those in {settings.data}: {', '.join(names) or 'none'}"
        stop([f"there is no tenant `{chosen}` ({hint})"])
    return [chosen] if chosen is not None else names


@contextmanager
def _progress(doing: str) -> "Iterator[Progress]":
    """A bar on a terminal, and nothing anywhere else."""
    from rich import progress
    from rich.console import Console

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn())
    quiet = not sys.stderr.isatty()
    with progress.Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
