"""The commands that ask: `memql recall` in plain words, `memql query` in MemQL."""

import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from server.commands.options import Config, Data, Exit, OneTenant, Others, Url, reached, settle, stop
from server.commands.tables import Form, Format, plain, show, show_json

if TYPE_CHECKING:
    from memql.errors import Refusal
    from server.commands.client import Client

app = typer.Typer()

AsOf = Annotated[
    str | None, typer.Option(metavar="TIME|POSITION", help="As it was known then: a time, or a position of an answer.")
]
ValidAt = Annotated[str | None, typer.Option(metavar="TIME", help="What was true then; absent: what is true now.")]

BRIEF = """
    fragment Brief on Item {
        __typename id kind validFrom properties
        ... on Event { stream { name } }
    }
"""
"""What is shown of an item in a line."""

SEARCH = (
    """
    query ($input: SearchInput!, $first: Int!) {
        search(input: $input, first: $first) {
            position embedder notices
            edges {
                score node { ...Brief } sources { ...Brief }
                explanation { parts { signal raw rank weight normalized share } }
            }
        }
    }
"""
    + BRIEF
)

_ANSWERED = """
            __typename
            ... on MemqlResult {
                columns { name type } rows position notices plan
                planNodes {
                    parent role operator detail engine filtering of time sees estimatedRows reason emitted
                    rows ms totalMs
                }
                receipt { position recordedAt repeated ids }
                changes { does kind id says }
            }
            ... on MemqlError { problems { code message line column hint rendered } }
            ... on Error { problems { code message place hint } }
"""
MEMQL = f"""
    query ($query: String!, $params: JSON, $consolidated: Boolean!) {{
        answer: memql(query: $query, params: $params, consolidated: $consolidated) {{ {_ANSWERED} }}
    }}
"""
CURATE = f"""
    mutation ($query: String!, $params: JSON, $consolidated: Boolean!) {{
        answer: curate(input: {{statement: $query, params: $params, consolidated: $consolidated}}) {{ {_ANSWERED} }}
    }}
"""
ONLY_READS = "Q503"
"""What the field `memql` says of a statement that writes."""

EXPLAINED = re.compile(r"\s*(EXPLAIN|PROFILE)\b", re.IGNORECASE)

HITS = ("rank", "score", "when", "who", "text", "source")
PARTS = ("signal", "raw", "signal_rank", "weight", "normalized", "share")


# In plain words


@app.command()
def recall(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Words, a question or a whole passage.")],
    first: Annotated[int, typer.Option(min=1, help="How many hits at most.")] = 10,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Only items of this kind. May be repeated.")
    ] = None,
    as_of: AsOf = None,
    valid_at: ValidAt = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show for each hit what every signal gave: score, rank and share.")
    ] = False,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Find what is remembered about a question, with the sentence that each hit
    comes from.

    The best stands first. `source` is the external key of the event behind it,
    or its id: [bold]memql show[/bold] leads there. Whether a model took part,
    or words alone, is said beneath.

    Exit codes: 0 asked, also where nothing was found · 1 refused, or no server
    to ask.

    [bold]memql recall "what does Ada drink?" --first 3[/bold]

    [bold]memql recall "when do we reopen?" --as-of 2026-09-20 --explain[/bold]
    """
    loaded = settle(config, data, others=others)
    given: dict[str, Any] = {"text": question}
    if kind:
        given["kinds"] = kind
    if as_of is not None:
        given["asOf"] = moment_or_position(as_of)
    if valid_at is not None:
        given["validAt"] = valid_at

    async def ask() -> dict[str, Any]:
        async with reached(loaded, "recall", url, tenant) as client:
            return await found(client, given, first)

    answer = asyncio.run(ask())
    rows = [hit_row(n, edge) for n, edge in enumerate(answer["edges"], 1)]
    if form == "json":
        show_json(_as_json(question, answer, rows, explain))
        return
    if explain and form == "csv":
        show([row | part for row, edge in _beside(rows, answer) for part in _parts(edge)], form, [*HITS, *PARTS])
    else:
        show(rows, form, HITS)
    if explain and form == "table":
        typer.echo()
        show([{"hit": row["rank"]} | part for row, edge in _beside(rows, answer) for part in _parts(edge)], form)
    _below(answer, len(rows))


def moment_or_position(given: str) -> dict[str, Any]:
    return {"position": int(given)} if given.isascii() and given.isdigit() else {"time": given}


async def found(client: "Client", given: Mapping[str, Any], first: int) -> dict[str, Any]:
    """What a search finds in all that was said; where that is not understood yet, in what is, with a notice."""
    from memql.errors import Refusal

    whole = given if "asOf" in given else {**given, "consolidated": True}
    answer, late = await _as_far_as_known(
        client, SEARCH, {"input": whole, "first": first}, {"input": given, "first": first}
    )
    if isinstance(answer, Refusal):
        stop(answer.problems)
    return _noted(answer["search"], late)


async def _as_far_as_known(
    client: "Client", document: str, whole: Mapping[str, Any], known: Mapping[str, Any]
) -> "tuple[dict[str, Any] | Refusal, str]":
    """The answer from all that was said; where that is not understood yet, from what is, and why."""
    from memql.errors import Refusal
    from server.commands.client import UNCONSOLIDATED, refused

    answer = await client.ask(document, **whole)
    refusal = answer if isinstance(answer, Refusal) else refused(answer.get("answer", {}))
    if refusal and all(problem.code in UNCONSOLIDATED for problem in refusal.problems):
        return await client.ask(document, **known), f"{refusal.problems[0].message}: this is what is known so far"
    return answer, ""


def _noted(answer: dict[str, Any], late: str) -> dict[str, Any]:
    return answer | {"notices": [*answer["notices"], late]} if late and "notices" in answer else answer


def hit_row(rank: int, edge: Mapping[str, Any]) -> dict[str, Any]:
    line = brief(edge["node"])
    sources = [brief(source) for source in edge["sources"]]
    return {
        "rank": rank,
        "score": round(edge["score"], 4),
        "when": line["when"],
        "who": line["who"] or next((source["who"] for source in sources if source["who"]), None),
        "text": line["text"],
        "source": " ".join(source["key"] or source["id"] for source in sources) or None,
    }


def brief(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item in a line: what it says, whose words those are, and since when they hold."""
    told = item["properties"]
    named = next((told[name] for name in ("content", "text", "title", "name") if told.get(name)), None)
    text = named or next((value for value in told.values() if isinstance(value, str)), None)
    return {
        "kind": item["kind"],
        "id": item["id"],
        "when": when(item["validFrom"]),
        "who": told.get("author"),
        "text": text,
        "key": told.get("external_key") if item["kind"] == "Event" else None,
        "stream": (item.get("stream") or {}).get("name"),
    }


def when(moment: str | None) -> str | None:
    """A time to the second, as people read it; in UTC, as all times here."""
    return moment[:19].replace("T", " ") if moment else None


def _parts(edge: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "signal": part["signal"],
            "raw": round(part["raw"], 4),
            "signal_rank": part["rank"],
            "weight": part["weight"],
            "normalized": round(part["normalized"], 4),
            "share": round(part["share"], 4),
        }
        for part in edge["explanation"]["parts"]
    ]


def _beside(rows: Sequence[dict[str, Any]], answer: Mapping[str, Any]) -> "zip[tuple[dict[str, Any], Any]]":
    return zip(rows, answer["edges"], strict=True)


def _as_json(question: str, answer: Mapping[str, Any], rows: Sequence[dict[str, Any]], explain: bool) -> dict[str, Any]:
    hits = []
    for row, edge in _beside(rows, answer):
        node = edge["node"]
        hit = {"rank": row["rank"], "score": edge["score"], "id": node["id"], "kind": node["kind"]}
        hit |= {"when": node["validFrom"], "who": row["who"], "text": row["text"]}
        hit["sources"] = [brief(source) | {"when": source["validFrom"]} for source in edge["sources"]]
        hits.append(hit | ({"explanation": edge["explanation"]["parts"]} if explain else {}))
    told = {name: answer[name] for name in ("position", "embedder", "notices")}
    return {"question": question, **told, "hits": hits}


def _below(answer: Mapping[str, Any], rows: int) -> None:
    """How the answer came about; beside it, not within: programs read the rows alone."""
    if not rows:
        typer.echo("nothing was found", err=True)
    how = "by words alone" if answer["embedder"] == "none" else f"by words and by meaning ({answer['embedder']})"
    typer.echo(typer.style(f"asked {how}, at position {answer['position']}", dim=True), err=True)
    for notice in answer["notices"]:
        typer.echo(typer.style(f"note: {plain(notice)}", dim=True), err=True)


# In MemQL


@app.command()
def query(
    text: Annotated[
        str, typer.Argument(metavar="TEXT|FILE.memql|-", help="The query, a file that holds it, or - for stdin.")
    ],
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A parameter: JSON where it is JSON, else text. May be repeated."),
    ] = None,
    params: Annotated[
        str | None, typer.Option(metavar="FILE", help="Parameters as one JSON object; --param comes on top.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show how it would be answered, and answer nothing.")
    ] = False,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Ask in MemQL, or write in it: REMEMBER, CORRECT, SUPERSEDE, LINK, FORGET;
    --explain shows what would change. What is wrong with a query is shown beneath
    the place where it is wrong.

    Exit codes: 0 answered · 1 the query is wrong or was refused · 2 a file or
    parameter can't be read.

    [bold]memql query "MATCH (m:Memory) RETURN m.text ORDER BY m.valid_from DESC LIMIT 5"[/bold]

    [bold]memql query asked.memql --param who=Ada --param since='"2026-09-01"' --format json[/bold]
    """
    loaded = settle(config, data, others=others)
    written = _text(text)
    if explain and not EXPLAINED.match(written):
        written = f"EXPLAIN {written}"
    given = _params(param or [], params)

    async def ask() -> "dict[str, Any] | Refusal":
        async with reached(loaded, "query", url, tenant) as client:
            return await answered(client, written, given, whole=not explain)

    from memql.errors import Refusal

    answer = asyncio.run(ask())
    if isinstance(answer, Refusal):
        stop(answer.problems)
    if answer["__typename"] == "MemqlError":
        for problem in answer["problems"]:
            typer.echo(plain(problem["rendered"]), err=True)
        raise typer.Exit(Exit.FAILED)
    show_rows(answer, form)


async def answered(
    client: "Client", written: str, params: Mapping[str, Any], *, whole: bool = True
) -> "dict[str, Any] | Refusal":
    """What a query found, or a `MemqlError` that says what is wrong with it. `whole`: in all that was said; where that
    is not understood yet, in what is, with a notice."""
    from memql.errors import Refusal
    from server.commands.client import refused

    known = {"query": written, "params": params, "consolidated": False}
    asked, late = await _as_far_as_known(client, MEMQL, known | {"consolidated": whole}, known)
    if isinstance(asked, Refusal):
        return asked
    if any(problem["code"] == ONLY_READS for problem in asked["answer"].get("problems", ())):
        asked, late = await _as_far_as_known(client, CURATE, known | {"consolidated": whole}, known)
        if isinstance(asked, Refusal):
            return asked
    answer = _noted(asked["answer"], late)
    return refused(answer) or answer


def show_rows(answer: Mapping[str, Any], form: Form) -> None:
    """The rows of a MemQL answer, or its plan where that was asked for."""
    names = [column["name"] for column in answer["columns"]]
    if form == "json":
        rows = [dict(zip(names, row, strict=True)) for row in answer["rows"]]
        told = {name: answer[name] for name in ("position", "notices", "plan", "receipt") if answer[name] is not None}
        if answer["changes"]:
            told["changes"] = answer["changes"]
        if answer["planNodes"]:
            told["plan_tree"] = _as_tree(answer["planNodes"])
        show_json({"columns": answer["columns"], "rows": rows, **told})
        return
    if answer["plan"] and form == "table":
        typer.echo(plain(answer["plan"].rstrip()))
    elif answer["plan"] and not answer["rows"]:
        names, answer = ["plan"], {**answer, "rows": [[line] for line in answer["plan"].splitlines()]}
    elif not answer["rows"]:
        typer.echo("no rows", err=True)
    shown = [[_value(value) for value in row] if form == "table" else row for row in answer["rows"]]
    show([dict(zip(names, row, strict=True)) for row in shown], form, names)
    if receipt := answer["receipt"]:
        again = " before, under the same key" if receipt["repeated"] else ""
        typer.echo(typer.style(f"written at position {receipt['position']}{again}", dim=True), err=True)
    for notice in answer["notices"]:
        typer.echo(typer.style(f"note: {plain(notice)}", dim=True), err=True)


def _as_tree(nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The plan's first node, each with those beneath it; what is not said of a node is left out."""
    made: list[dict[str, Any]] = []
    for node in nodes:
        made.append({name: value for name, value in node.items() if name != "parent" and value not in (None, "", [])})
        if node["parent"] is not None:
            made[node["parent"]].setdefault("children", []).append(made[-1])
    return made[0]


def _value(value: Any) -> Any:
    """A node in a cell of a table: its kind, its id and what it says."""
    if isinstance(value, dict) and "id" in value and "kind" in value:
        text = next((value[name] for name in ("content", "text", "title", "name") if value.get(name)), "")
        return f"{value['kind']} {value['id']} {text}".rstrip()
    return value


def _text(given: str) -> str:
    if given == "-":
        return sys.stdin.read()
    if given.endswith(".memql") and len(given.split()) == 1:
        try:
            return Path(given).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            stop([f"NO_FILE: {given} can't be read"], Exit.USAGE)
    return given


def _params(given: list[str], file: str | None) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if file is not None:
        try:
            read = orjson.loads(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
        except (OSError, orjson.JSONDecodeError):
            read = None
        if not isinstance(read, dict):
            stop([f"NO_PARAMETERS: {file} holds no JSON object"], Exit.USAGE)
        params |= read
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{each!r} has no value: write NAME=VALUE", param_hint="--param")
        try:
            params[name.strip().removeprefix("$")] = orjson.loads(value)
        except orjson.JSONDecodeError:
            params[name.strip().removeprefix("$")] = value
    return params
