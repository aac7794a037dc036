"""Where answers are shown: as they are, or in a pager where they are longer than the screen."""

import io
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

import click
import typer

from memql.errors import Problem
from server.commands.tables import plain


class _Sheet(io.StringIO):
    """Text on its way to a terminal: who writes it may colour and wrap as on the terminal itself."""

    def isatty(self) -> bool:
        return True


def is_terminal() -> bool:
    """Whether a person is at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def paged(wanted: bool) -> Iterator[None]:
    """What is printed within comes at once, and a page at a time where it is longer than the screen."""
    if not wanted:
        yield
        return
    sheet = _Sheet()
    with redirect_stdout(sheet), redirect_stderr(sheet):
        yield
    text = sheet.getvalue()
    if text.count("\n") < shutil.get_terminal_size().lines - 1:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    os.environ.setdefault("LESS", "-RS")  # Long rows are walked along, not folded.
    before = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is the pager's.
    try:
        click.echo_via_pager(text, color=True)
    finally:
        signal.signal(signal.SIGINT, before)


def tell(text: str) -> None:
    """Beside an answer, not part of it."""
    typer.echo(typer.style(plain(text), dim=True), err=True)


def complain(problem: Problem | str) -> None:
    """One line for each problem, as every command has it."""
    typer.echo(typer.style(f"memql: {plain(str(problem))}", fg="red"), err=True)


def complain_of_query(rendered: str) -> None:
    """A problem with its line of the query, and a caret under the place."""
    head, _, rest = plain(rendered).partition("\n")
    colour = "yellow" if head.startswith("warning") else "red"
    typer.echo(typer.style(head, fg=colour, bold=True) + (f"\n{rest}" if rest else ""), err=True)
