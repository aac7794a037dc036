"""Rows as a command prints them: a table for a person, JSON or CSV for a program.

On a terminal, or where COLUMNS says how wide one is, long text is wrapped into its column; elsewhere each row is one
line, however long, for `grep` and `less`.
"""

import csv
import io
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import orjson
import typer

_COMMANDS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

Form = Literal["table", "json", "csv"]
Format = Annotated[Form, typer.Option("--format", help="How to print: for a person, or for a program.")]


def show(rows: Sequence[Mapping[str, Any]], form: Form, columns: Sequence[str] = ()) -> None:
    """`columns` says which there are where there may be no row."""
    if form == "json":
        show_json(rows)
        return
    names = list(columns) or list(rows[0] if rows else ())
    if form == "csv":
        typer.echo(_csv(names, rows), nl=False)
    elif rows:
        _table(names, [[_cell(row.get(name)) for name in names] for row in rows], rows)


def wraps() -> bool:
    return sys.stdout.isatty() or "COLUMNS" in os.environ


def show_json(value: object) -> None:
    typer.echo(orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2))


def _csv(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """RFC 4180, but with plain line ends; what is no text or number is JSON within its cell."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    if names:
        writer.writerow(names)
    writer.writerows([_field(row.get(name)) for name in names] for row in rows)
    return written.getvalue()


def _field(value: object) -> object:
    if isinstance(value, bool | list | dict):
        return orjson.dumps(value, default=str).decode()
    return "" if value is None else value


def _table(names: Sequence[str], cells: Sequence[Sequence[str]], rows: Sequence[Mapping[str, Any]]) -> None:
    numbers = [all(_is_number(row.get(name)) for row in rows) for name in names]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    if wraps():
        _wrapped(names, cells, numbers)
        return
    for row in [names, *cells]:
        padded = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        )
        typer.echo("  ".join(padded).rstrip())


def _wrapped(names: Sequence[str], cells: Sequence[Sequence[str]], numbers: Sequence[bool]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for n, (name, number) in enumerate(zip(names, numbers, strict=True)):
        # A short cell is never broken: what wraps is text.
        short = max((len(row[n]) for row in cells), default=0) <= 24
        table.add_column(name, justify="right" if number else "left", no_wrap=short, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    """One line. Whole numbers stand as they are: a position is copied from here into the next command."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = orjson.dumps(value, default=str).decode() if isinstance(value, bool | list | dict) else str(value)
    return plain(" ".join(text.split()))


def plain(text: str) -> str:
    """The text without what a terminal would take for a command; lines stay lines."""
    return _COMMANDS.sub("�", text)
