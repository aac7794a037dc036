"""The commands for files of queries: check them, lay them out, describe them, and make typed code of them; and of files
of operations, typed clients."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from server.commands.catalogs import CatalogFile, catalog_for
from server.commands.options import Config, Data, Exit, OneTenant, Others, Url, stop
from server.commands.tables import Format, plain, show, show_json

if TYPE_CHECKING:
    from memql.catalog import Catalog
    from memql.errors import Problem

app = typer.Typer()

Files = Annotated[list[str], typer.Argument(metavar="FILE.memql…", help="Files of queries.")]
SHARED = ("__init__.py", "py.typed")
"""Files that functions and a client have in common."""
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
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Files of queries (.memql) and of operations (.graphql).")
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="The directory of what is made.")],
    lang: Annotated[Literal["python", "ts"], typer.Option(help="The language of what is made.")] = "python",
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where what is there is not what would be made.")
    ] = False,
    schema_file: Annotated[
        str | None,
        typer.Option("--schema", metavar="FILE", help="The schema of operations; absent: that of this release."),
    ] = None,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="The client sends ids of operations in place of their texts.")
    ] = False,
    catalog_file: CatalogFile = None,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
) -> None:
    """Make typed code of queries: of .memql files functions, of .graphql files a
    client. One command may take both, into one directory.

    [bold].graphql[/bold]: write operations as any GraphQL tool knows them.

      # What fits a question, the best first.
      query Recall($text: String!) {
        search(input: {text: $text}) { nodes { id ... on Memory { text } } }
      }

    Of this comes [bold]await client.recall(text="tea")[/bold], and in TypeScript
    [bold]client.recall({ text: "tea" })[/bold]. A fragment is one type wherever it is
    spread, members of a union are told apart by __typename. What fails is
    asked again where that is safe: changes under a key by which they are made
    once, subscriptions from the last cursor on. documents.json beside it is
    what a server needs to take these operations and no others; with --trusted
    the client sends nothing else. The schema needs no server: it is that of
    this release, or a --schema.

    [bold].memql[/bold]: each query needs a heading, [bold]// recall :many — what it is
    for[/bold]. :one gives one row or none, :many a list, :live goes on telling how
    the rows change. Their types are those of the tenant's catalog.

    python needs pydantic and httpx for a client, nothing for functions (httpx
    for [bold]over_http.py[/bold]); each comes twice, for who awaits and for who does not.
    ts needs nothing but fetch.

    Exit codes: 0 made, or up to date · 1 something is not sound, or --check
    found a difference · 2 a file can't be read.

    [bold]memql codegen queries/*.graphql --lang ts --out src/memory[/bold]

    [bold]memql codegen queries/* --out app/memory --catalog catalog.json --check[/bold]
    """
    texts = _texts(files)
    asked = {name: text for name, text in texts.items() if name.endswith((".graphql", ".gql"))}
    queries = {name: text for name, text in texts.items() if name not in asked}
    client = _client(asked, lang, schema_file, trusted) if asked else {}
    functions: Mapping[str, str] = {}
    if queries:
        functions = _functions(queries, lang, catalog_for(catalog_file, tenant, url, config, data, others))
    if both := sorted(client.keys() & functions.keys() - set(SHARED)):
        stop([f"GRAPHQL_NAME: {name} is made of the operations; rename the file of queries" for name in both])
    made = {**client, **functions}
    folder = Path(out)
    stale = [name for name, text in made.items() if _current(folder / name) != text]
    if check_only:
        for name in stale:
            _tell_difference(folder / name, made[name])
        if stale:
            raise typer.Exit(Exit.FAILED)
        typer.echo(f"{_counted(len(made), 'file')} in {out}: up to date")
        return
    for name in stale:
        _write(folder / name, made[name])
    typer.echo(f"{_counted(len(stale), 'file')} written, {len(made) - len(stale)} up to date, in {out}")


def _functions(texts: Mapping[str, str], lang: Literal["python", "ts"], catalog: "Catalog") -> dict[str, str]:
    """What is made of queries, or the end of the command with all that is wrong with them."""
    from memql.codegen import Source, generated

    sources = {Source(Path(name).name, text): name for name, text in texts.items()}
    made = generated(list(sources), catalog, lang)
    if made.problems:
        for source, name in sources.items():
            _tell(made.problems.get(source.name, []), name, source.text)
        raise typer.Exit(Exit.FAILED)
    return made.files


def _client(
    texts: dict[str, str], lang: Literal["python", "ts"], schema_file: str | None, trusted: bool
) -> Mapping[str, str]:
    """What is made of operations, or the end of the command with all that is wrong with them."""
    from server.commands.clients import client, read_schema

    if schema_file is None:
        from server.api.schema import printed

        text = printed()
    else:
        text = _texts([schema_file])[schema_file]
    schema = read_schema(text)
    if isinstance(schema, list):
        _tell(schema, schema_file or "", text)
        raise typer.Exit(Exit.FAILED)
    made = client(texts, schema, lang, trusted)
    for name, problems in made.problems.items():
        _tell(problems, name, texts[name])
    if made.problems:
        raise typer.Exit(Exit.FAILED)
    return made.files


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
