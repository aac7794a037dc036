"""The command `memql show`: one item or relation, what it is joined to, and the walk to the sentence it came from."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.commands.asking import AsOf, ValidAt, brief, moment_or_position, when
from server.commands.options import Config, Data, OneTenant, Others, Url, reached, settle, stop
from server.commands.tables import Format, plain, show, show_json, wraps

if TYPE_CHECKING:
    from rich.tree import Tree

    from memql.errors import Refusal
    from server.commands.client import Client

app = typer.Typer()

STEPS = 4
"""Steps of a walk that are shown: from a conclusion of conclusions to the sentence."""
RELATIONS = 50
"""Relations that are shown unless more are asked for."""
SHORT = 100
"""Characters of what stands at the other end of a relation."""
UNBROKEN = 1_000_000
"""Characters of a line where nothing is wrapped."""


def _walk(steps: int) -> str:
    """What an item was derived from, and that in turn."""
    inner = _walk(steps - 1) if steps > 1 else ""
    return f"provenance {{ actor command reason recordedAt position derivedFrom {{ ...Line {inner} }} }}"


NODE = f"""
    fragment Line on Item {{ id kind validFrom properties ... on Event {{ stream {{ name }} }} }}
    query ($id: ID!, $asOf: AsOf, $validAt: DateTime, $relations: Int!) {{
        position
        node(id: $id, asOf: $asOf, validAt: $validAt) {{
            __typename id
            ... on Item {{
                ...Line version labels owner domain validTo recordedAt retiredAt erased
                {_walk(STEPS)}
                sources {{ ...Line }}
                relations(first: $relations) {{
                    totalCount edges {{ node {{ id kind weight source {{ id }} }} other {{ ...Line }} }}
                }}
            }}
            ... on Relation {{
                kind version weight validFrom validTo recordedAt retiredAt properties
                source {{ ...Line }} target {{ ...Line }}
            }}
        }}
    }}
"""

KEYED = """
    query ($key: String!) {
        answer: memql(query: "MATCH (e:Event {external_key: $key}) RETURN e.id LIMIT 10", params: {key: $key}) {
            ... on MemqlResult { rows }
        }
    }
"""

COLUMNS = ("as", "kind", "id", "weight", "when", "who", "text", "stream", "key")


@app.command("show")
def show_(
    id_: Annotated[str, typer.Argument(metavar="ID|KEY", help="The id of an item or relation, or an event's own key.")],
    first: Annotated[int, typer.Option(min=0, help="How many relations at most.")] = RELATIONS,
    as_of: AsOf = None,
    valid_at: ValidAt = None,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Show an item: what it says, who recorded it, the sentence that it came from,
    and what it is related to.

    An event also goes by its external key, as [bold]memql recall[/bold] names
    it.

    Exit codes: 0 shown · 1 there is none of that id, or it may not be seen.

    [bold]memql show mem_01M7Y7KQT5GWTWKAASGC0NCV83[/bold]

    [bold]memql show board-0924/6 --as-of 2026-09-25 --format json[/bold]
    """
    from memql.errors import Refusal

    loaded = settle(config, data, others=others)
    given = {"id": id_, "relations": first, "validAt": valid_at}
    if as_of is not None:
        given["asOf"] = moment_or_position(as_of)

    async def ask() -> "Mapping[str, Any] | Refusal":
        async with reached(loaded, "show", url, tenant) as client:
            return await _found(client, given)

    node = asyncio.run(ask())
    if isinstance(node, Refusal):
        stop(node.problems)
    if form == "json":
        show_json(node)
    elif form == "csv":
        show(list(_rows(node)), form, COLUMNS)
    else:
        for line in _told(node):
            typer.echo(line)


async def _found(client: "Client", given: Mapping[str, Any]) -> "Mapping[str, Any] | Refusal":
    """The item or relation of that id, or the event of that key."""
    from memql.errors import Refusal, conflict, invalid

    answer = await client.ask(NODE, **given)
    if isinstance(answer, Refusal) or answer["node"]:
        return answer if isinstance(answer, Refusal) else answer["node"]
    keyed = await client.ask(KEYED, key=given["id"])
    ids = [row[0] for row in keyed["answer"].get("rows", ())] if isinstance(keyed, dict) else []
    if len(ids) > 1:
        message = f"events of several streams have the key `{given['id']}`"
        return conflict("AMBIGUOUS", message, "", f"name one by its id: {', '.join(ids)}")
    if not ids:
        hint = "check it; what was retired or is no longer true is seen with --as-of and --valid-at"
        return invalid("NOT_FOUND", f"there is nothing of the id or key `{given['id']}`", "", hint)
    answer = await client.ask(NODE, **{**given, "id": ids[0]})
    return answer if isinstance(answer, Refusal) else answer["node"]


def _rows(node: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Everything that is shown, a row each: the item itself, what it came from, what it is related to."""
    if node["__typename"] == "Relation":
        yield {"as": "relation", "kind": node["kind"], "id": node["id"], "weight": node["weight"]}
        yield {"as": "source"} | brief(node["source"])
        yield {"as": "target"} | brief(node["target"])
        return
    yield {"as": "item"} | brief(node)
    for step in _steps(node):
        yield {"as": "derived from"} | brief(step)
    for way, edge in _edges(node):
        yield {"as": f"{way} {edge['node']['kind']}", "weight": edge["node"]["weight"]} | brief(edge["other"])


def _steps(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What the item came from, nearest first, each thing once; and the sentences that lie beyond the steps shown."""
    seen: set[str] = set()
    ahead = list(_derived(node))
    while ahead:
        step = ahead.pop(0)
        if step["id"] not in seen:
            seen.add(step["id"])
            yield step
            ahead += _derived(step)
    yield from (source for source in node["sources"] if source["id"] not in seen | {node["id"]})


def _derived(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = (node.get("provenance") or {}).get("derivedFrom") or []
    return found


def _edges(node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for edge in node["relations"]["edges"]:
        yield "to" if edge["node"]["source"]["id"] == node["id"] else "from", edge


# For a person


def _told(node: Mapping[str, Any]) -> Iterator[str]:
    if node["__typename"] == "Relation":
        yield f"{node['kind']} {node['id']}, weight {node['weight']:.4g}, {_span(node)}"
        yield f"  from  {_line(node['source'])}"
        yield f"  to    {_line(node['target'])}"
        yield from _properties(node["properties"])
        return
    item = brief(node)
    erased = ", erased" if node["erased"] else ""
    retired = f", retired {when(node['retiredAt'])}" if node["retiredAt"] else ""
    yield typer.style(f"{node['kind']} {node['id']}", bold=True) + f", version {node['version']}{retired}{erased}"
    if item["text"]:
        yield plain(f"  {item['text']}")
    yield from _properties(
        {name: value for name, value in node["properties"].items() if value != item["text"]}
        | ({"labels": node["labels"]} if node["labels"] else {})
        | ({"stream": item["stream"]} if item["stream"] else {})
    )
    told = node["provenance"]
    why = f" ({told['reason']})" if told["reason"] else ""
    yield f"  valid: {_span(node)}; owner: {node['owner']} ({node['domain'].lower()})"
    by = f"by {told['actor']} ({told['command']}), position {told['position']}{why}"
    yield f"  recorded: {when(told['recordedAt'])} {by}"
    yield ""
    yield from _drawn(node)
    if node["relations"]["edges"]:
        yield ""
        yield from _related(node)


def _span(node: Mapping[str, Any]) -> str:
    end = f" to {when(node['validTo'])}" if node["validTo"] else ""
    return f"from {when(node['validFrom'])}{end}"


def _properties(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        yield plain(f"  {name}: {value}")


def _line(item: Mapping[str, Any], most: int = UNBROKEN) -> str:
    """An item in one line, with where to look further."""
    told = brief(item)
    who = f"{told['who']}, " if told["who"] else ""
    when = f"{who}{told['when']}: " if told["kind"] not in ("Entity", "Stream") else ""
    where = f" in `{told['stream']}`" if told["stream"] else ""
    key = f" [{told['key']}]" if told["key"] else ""
    text = " ".join(str(told["text"] or "").split())
    text = text if len(text) <= most else f"{text[:most].rstrip()}…"
    return plain(f"{told['kind']} {told['id']}{where}{key}: {when}“{text}”")


def _drawn(node: Mapping[str, Any]) -> Iterator[str]:
    """The walk to the sentence, as a tree."""
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree("came from")
    drawn = _branch(tree, node)
    for source in node["sources"]:
        if source["id"] not in drawn | {node["id"]}:
            tree.add(Text(_line(source)))
            drawn.add(source["id"])
    if not drawn:
        yield "came from nothing before it" if node["kind"] != "Event" else "it is itself what was said or done"
        return
    console = Console(highlight=False, width=None if wraps() else UNBROKEN)
    with console.capture() as captured:
        console.print(tree)
    yield "\n".join(line.rstrip() for line in captured.get().splitlines())


def _branch(tree: "Tree", node: Mapping[str, Any]) -> set[str]:
    from rich.text import Text

    drawn: set[str] = set()
    for step in _derived(node):
        drawn |= {step["id"]} | _branch(tree.add(Text(_line(step))), step)
    return drawn


def _related(node: Mapping[str, Any]) -> Iterator[str]:
    edges = list(_edges(node))
    total = node["relations"]["totalCount"]
    yield f"{total} relations" + (
        f", of which {len(edges)} are shown (--first shows more)" if total > len(edges) else ""
    )
    for way, edge in edges:
        arrow = "-->" if way == "to" else "<--"
        weight = f" {edge['node']['weight']:.2f}" if edge["node"]["weight"] != 1 else ""
        yield f"  {arrow} {edge['node']['kind']}{weight} {_line(edge['other'], SHORT)}"
