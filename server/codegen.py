"""The commands for files of queries: check them, lay them out, describe them, and make typed functions of them."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from server.catalogs import CatalogFile, catalog_for
from server.options import Config, Data, Exit, OneTenant, Others, Url, stop
from server.tables import Format, plain, show, show_json

if TYPE_CHECKING:
    from memql.errors import Problem

app = typer.Typer()

Files = Annotated[list[str], typer.Argument(metavar="FILE.memql…", help="Files of queries.")]
DIFFERENT = 20
"""Lines of a difference that are shown of one file."""


@app.command()
def check(
    files: Files,
    catalog_file: CatalogFile = None,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
) -> None:
    """Check that every query in the files can be asked: its names are known, its
    types fit, and it gives as many rows as its heading says.

    Queries are divided by a line [bold]---[/bold] or by a semicolon. A heading
    is a comment above one: [bold]// recall :many — what it is for[/bold], with
    :one, :many or :live.

    Exit codes: 0 all are sound, perhaps with warnings · 1 one is not · 2 a file
    can't be read.

    [bold]memql check queries/*.memql --catalog catalog.json[/bold]
    """
    from memql.statements import all_checked, statements

    texts = _texts(files)
    known = catalog_for(catalog_file, tenant, url, config, data, others)
    count, wrong = 0, 0
    for name, text in texts.items():
        good, problems = all_checked(statements(text), known, named=False)
        warnings = [each for one in good for each in one.description.warnings]
        _tell([*problems, *warnings], name, text)
        count, wrong = count + len(good), wrong + len(problems)
    if wrong:
        typer.echo(f"{_counted(wrong, 'problem')} in {_counted(len(texts), 'file')}", err=True)
        raise typer.Exit(Exit.FAILED)
    typer.echo(f"{_counted(count, 'statement')} in {_counted(len(texts), 'file')}: all sound")


@app.command("fmt")
def fmt(
    files: Files,
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; say which files are laid out otherwise.")
    ] = False,
) -> None:
    """Lay queries out in one form: a clause a line, long ones broken, comments
    where they were.

    A file with a query that can't be read, or a comment within a clause, is
    left as it is, and said so.

    Exit codes: 0 done · 1 a file was left as it is; with --check: one is laid
    out otherwise · 2 a file can't be read.

    [bold]memql fmt queries/*.memql[/bold]
    """
    from memql.layout import laid_out

    failed = False
    for name, text in _texts(files).items():
        made = laid_out(text)
        if isinstance(made, list):
            _tell(made, name, text)
            typer.echo(f"{name}: left as it is", err=True)
            failed = True
        elif made != text and check_only:
            typer.echo(f"{name}: would be laid out otherwise")
            failed = True
        elif made != text:
            _write(Path(name), made)
            typer.echo(f"{name}: laid out")
    if failed:
        raise typer.Exit(Exit.FAILED)


@app.command()
def codegen(
    files: Files,
    out: Annotated[str, typer.Option(metavar="DIR", help="The directory of what is made.")],
    lang: Annotated[Literal["python", "ts"], typer.Option(help="The language of the functions.")] = "python",
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where what is there is not what would be made.")
    ] = False,
    catalog_file: CatalogFile = None,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
) -> None:
    """Make typed functions of queries: a module for each file, and what they stand
    on beside it.

    Each query needs a heading: [bold]// recall :many — what it is for[/bold].
    :one gives one row or none, :many a list, :live goes on telling how the
    rows change; the text behind it becomes the function's documentation.

    python: functions that await and their twins that don't, with frozen
    dataclasses; [bold]over_http.py[/bold] asks a server, and alone needs httpx.
    ts: interfaces and functions over fetch; nothing else is needed.

    Exit codes: 0 made, or up to date · 1 a query is not sound, or --check found
    a difference · 2 a file can't be read.

    [bold]memql codegen queries/*.memql --lang ts --out src/memory[/bold]

    [bold]memql codegen queries/*.memql --out app/memory --catalog catalog.json --check[/bold]
    """
    from memql.codegen import Source, generated

    texts = _texts(files)
    known = catalog_for(catalog_file, tenant, url, config, data, others)
    sources = {Source(Path(name).name, text): name for name, text in texts.items()}
    made = generated(list(sources), known, lang)
    if made.problems:
        for source, name in sources.items():
            _tell(made.problems.get(source.name, []), name, source.text)
        raise typer.Exit(Exit.FAILED)
    folder = Path(out)
    stale = [name for name, text in made.files.items() if _current(folder / name) != text]
    if check_only:
        for name in stale:
            _tell_difference(folder / name, made.files[name])
        if stale:
            raise typer.Exit(Exit.FAILED)
        typer.echo(f"{_counted(len(made.files), 'file')} in {out}: up to date")
        return
    for name in stale:
        _write(folder / name, made.files[name])
    typer.echo(f"{_counted(len(stale), 'file')} written, {len(made.files) - len(stale)} up to date, in {out}")


@app.command()
def describe(
    text: Annotated[str, typer.Argument(metavar="QUERY|FILE.memql", help="The query, or a file of one.")],
    catalog_file: CatalogFile = None,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Tell what a query asks for and gives, without asking it: parameters, columns
    with their types, how many rows, and what it reads.

    A type with ? may be null; a parameter with ? may be left out.

    Exit codes: 0 told · 1 the query is wrong · 2 a file can't be read.

    [bold]memql describe 'MATCH (m:Memory {id: $id}) RETURN m.text AS text'[/bold]
    """
    from memql.describe import as_data
    from memql.describe import describe as told
    from memql.errors import Refusal

    file = text if text.endswith(".memql") and len(text.split()) == 1 else ""
    query = _texts([file])[file] if file else text
    found = told(query, catalog_for(catalog_file, tenant, url, config, data, others))
    if isinstance(found, Refusal):
        _tell(found.problems, file, query)
        raise typer.Exit(Exit.FAILED)
    told_data = as_data(found)
    if form == "json":
        show_json(told_data)
    else:
        show(_rows(told_data), form, ("what", "name", "type"))
    _tell(found.warnings, file, query)


def _rows(told: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = [
        {"what": "parameter", "name": f"${each['name']}", "type": each["type"] + " (inferred)" * each["inferred"]}
        for each in told["parameters"]
    ]
    rows += [{"what": "column", "name": each["name"], "type": each["type"]} for each in told["columns"]]
    rows.append({"what": "rows", "name": told["rows"], "type": told["does"]})
    for what, names in told["reads"].items():
        if names is None or names:
            rows.append({"what": "reads", "name": what, "type": "any" if names is None else ", ".join(names)})
    return rows


# Files


def _texts(files: list[str]) -> dict[str, str]:
    """What stands in the files, by their names; a file that is named twice is read once."""
    found: dict[str, str] = {}
    for name in files:
        try:
            found[name] = Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            stop([f"NO_FILE: {name} can't be read"], Exit.USAGE)
    return found


def _current(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="\n")
    except OSError:
        stop([f"NOT_WRITTEN: {path} can't be written"])


def _tell(problems: "list[Problem] | tuple[Problem, ...]", name: str, text: str) -> None:
    from memql.errors import rendered

    for problem in problems:
        typer.echo(plain(rendered(problem, text, name)), err=True)


def _tell_difference(path: Path, text: str) -> None:
    current = _current(path)
    if current is None:
        typer.echo(f"{path}: is not there", err=True)
        return
    lines = list(
        difflib.unified_diff(current.splitlines(), text.splitlines(), "as it is", "as it would be", lineterm="")
    )
    changed = [line for line in lines[2:] if line[:1] in "+-"]
    typer.echo(f"{path}: not up to date, {_counted(len(changed), 'line')} of difference", err=True)
    for line in lines[2 : 2 + DIFFERENT]:
        typer.echo(f"  {plain(line)}", err=True)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
