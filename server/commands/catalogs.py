"""The catalog that a command works with: of a file, or of the tenant that a server has; and the command that writes one
into a file."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from server.commands.options import Config, Data, Exit, OneTenant, Others, Url, reached, settle, stop

if TYPE_CHECKING:
    from memql.catalog import Catalog
    from memql.errors import Refusal

app = typer.Typer()

CATALOG = """
    {
        catalog {
            version open labels
            kinds { name prefix layer text description properties { name type description } }
            relations { name description acyclic lasting properties { name type description } }
        }
    }
"""

CatalogFile = Annotated[
    str | None,
    typer.Option("--catalog", metavar="FILE", help="A catalog that `memql catalog` wrote; absent: the tenant's."),
]


@app.command()
def catalog(
    out: Annotated[str | None, typer.Option(metavar="FILE", help="The file to write; absent: standard output.")] = None,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
) -> None:
    """Write the names of a tenant as JSON: its kinds, labels, properties and kinds
    of relations.

    With that file [bold]memql check[/bold], [bold]codegen[/bold] and
    [bold]describe[/bold] need no server: keep it beside the queries.

    Exit codes: 0 written · 1 no server to ask, or the file can't be written.

    [bold]memql catalog --out catalog.json[/bold]
    """
    written = orjson.dumps(_asked(tenant, url, config, data, others), option=orjson.OPT_INDENT_2) + b"\n"
    if out is None:
        typer.echo(written, nl=False)
        return
    try:
        Path(out).write_bytes(written)
    except OSError:
        stop([f"NOT_WRITTEN: {out} can't be written"])


def catalog_for(
    file: str | None,
    tenant: str | None,
    url: str | None,
    config: str | None,
    data: str | None,
    others: list[str] | None,
) -> "Catalog":
    """That of the file, or of the server's tenant; or the end of the command."""
    from memql.catalogfile import read
    from memql.errors import Refusal

    if file is None:
        made = read(_asked(tenant, url, config, data, others))
    else:
        try:
            made = read(orjson.loads(Path(file).read_bytes()))
        except OSError:
            stop([f"NO_FILE: {file} can't be read"], Exit.USAGE)
        except orjson.JSONDecodeError:
            made = read(None)
    if isinstance(made, Refusal):
        stop([f"{each}: {file}" if file else str(each) for each in made.problems])
    return made


def _asked(
    tenant: str | None, url: str | None, config: str | None, data: str | None, others: list[str] | None
) -> dict[str, Any]:
    from memql.errors import Refusal

    loaded = settle(config, data, others=others)

    async def ask() -> "dict[str, Any] | Refusal":
        async with reached(loaded, "catalog", url, tenant) as client:
            return await client.ask(CATALOG)

    answer = asyncio.run(ask())
    if isinstance(answer, Refusal):
        stop(answer.problems)
    found: dict[str, Any] = answer["catalog"]
    return found
