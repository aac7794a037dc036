"""The shell's own commands: a backslash, a word, and what it takes. A table of them is what `\\?` prints."""

import asyncio
import os
import shlex
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import typer

from memql.assist.properties import properties_of
from memql.errors import nearest
from memql.functions import AGGREGATES, FUNCTIONS
from memql.types import Type
from memql.values import iso
from server.commands.asking import EXPLAINED
from server.commands.shell.screen import complain, paged, tell
from server.commands.shell.script import statements
from server.commands.shell.session import Session
from server.commands.tables import show, show_json

FORMS = ("table", "json", "csv")
NESTED = 8
"""Files that may read one another: one that reads itself ends here."""
SHORTEST_WATCH = 0.1
"""Seconds between two answers of a watch at least: a server has others to serve."""

Act = Callable[[Session, str], Awaitable[bool]]


class Command(NamedTuple):
    usage: str
    said: str
    act: Act


async def obey(session: Session, line: str) -> bool:
    """Does what the line says; whether it could be done."""
    word, _, rest = line.strip().removeprefix("\\").partition(" ")
    command = COMMANDS.get(word)
    if command is None:
        hint = nearest(word, COMMANDS).replace("`", "\\", 1).replace("`", "") or "\\? lists all"
        complain(f"there is no command \\{word}: {hint}")
        return False
    return await command.act(session, rest.strip().removesuffix(";").strip())


async def execute(session: Session, statement: str) -> bool:
    """A query is asked, a command obeyed."""
    return await (obey(session, statement) if statement.startswith("\\") else session.ask(statement))


# What there is


async def _describe(session: Session, name: str) -> bool:
    if refusal := await session.refresh(at_once=True):
        for problem in refusal.problems:
            complain(problem)
        return False
    return await (_one(session, name) if name else _all(session))


async def _all(session: Session) -> bool:
    nodes = await session.rows("MATCH (n) RETURN kind(n) AS kind, count(*) AS items")
    relations = await session.rows("MATCH ()-[r]->() RETURN type(r) AS kind, count(*) AS relations")
    if nodes is None or relations is None:
        return False
    counts: dict[str, int] = {row[0]: row[1] for row in (*nodes, *relations)}
    catalog = session.catalog
    kinds = [
        {"kind": each.name, "layer": each.layer, "items": counts.get(each.name, 0), "description": each.description}
        for each in catalog.kinds.values()
    ]
    between = [
        {"relation": each.name, "count": counts.get(each.name, 0), "description": each.description}
        for each in catalog.relations.values()
    ]
    with paged(session.interactive):
        if session.form == "json":
            show_json({"kinds": kinds, "relations": between, "labels": sorted(catalog.labels)})
            return True
        show(kinds, session.form, ("kind", "layer", "items", "description"))
        typer.echo()
        show(between, session.form, ("relation", "count", "description"))
        if catalog.labels and session.form == "table":
            typer.echo(f"\nlabels: {', '.join(sorted(catalog.labels))}")
    return True


async def _one(session: Session, name: str) -> bool:
    catalog = session.catalog
    known = {each.lower(): each for each in (*catalog.relations, *catalog.kinds)}
    found = known.get(name.lower())
    if found is None:
        hint = nearest(name, known.values()) or "\\d lists all"
        complain(f"there is no kind `{name}`: {hint}")
        return False
    of = Type("node" if found in catalog.kinds else "relation", kinds=frozenset({found}))
    rows = [
        {"property": each.name, "type": each.type, "of": each.whose, "description": each.said}
        for each in properties_of(catalog, of)
    ]
    said = (catalog.kinds.get(found) or catalog.relations[found]).description
    with paged(session.interactive):
        if session.form == "table":
            typer.echo(f"{found}: {said}" if said else found)
        show(rows, session.form, ("property", "type", "of", "description"))
    return True


async def _functions(session: Session, name: str) -> bool:
    every = {each.name: (each.signature(), each.doc) for each in FUNCTIONS.values()}
    every |= {each.name: (each.signature(), each.doc) for each in AGGREGATES.values()}
    chosen = sorted((each for each in every if name.lower() in each.lower()), key=str.lower)
    if not chosen:
        hint = nearest(name, every) or "\\df lists all"
        complain(f"there is no function `{name}`: {hint}")
        return False
    rows = [{"function": every[each][0], "description": every[each][1]} for each in chosen]
    with paged(session.interactive):
        show(rows, session.form, ("function", "description"))
    return True


# How it asks


async def _timing(session: Session, given: str) -> bool:
    if given not in ("", "on", "off"):
        return _usage("timing")
    session.timing = not session.timing if not given else given == "on"
    tell(f"timing is {'on' if session.timing else 'off'}")
    return True


async def _format(session: Session, given: str) -> bool:
    if given and given not in FORMS:
        return _usage("format")
    if given:
        session.form = given  # type: ignore[assignment]
    tell(f"answers come as {session.form}")
    return True


async def _set(session: Session, given: str) -> bool:
    name, _, value = given.partition(" ")
    if not name:
        return await _params(session, "")
    if not value.strip():
        return _usage("set")
    try:
        session.params[name.removeprefix("$")] = orjson.loads(value)
    except orjson.JSONDecodeError:
        session.params[name.removeprefix("$")] = value.strip()
    return True


async def _unset(session: Session, given: str) -> bool:
    if not given:
        return _usage("unset")
    if given.removeprefix("$") not in session.params:
        complain(f"there is no parameter `{given}`: \\params lists them")
        return False
    del session.params[given.removeprefix("$")]
    return True


async def _params(session: Session, given: str) -> bool:
    if session.form == "json":
        show_json(session.params)
        return True
    if not session.params:
        tell("no parameters: \\set NAME VALUE")
    rows = [{"parameter": f"${name}", "value": value} for name, value in session.params.items()]
    show(rows, session.form, ("parameter", "value"))
    return True


async def _tenant(session: Session, name: str) -> bool:
    if not name:
        tell(f"asking about {session.client.tenant or 'the default tenant'}")
        return True
    before = session.client.tenant
    session.client.turn_to(name)
    if refusal := await session.refresh(at_once=True):
        session.client.turn_to(before)
        for problem in refusal.problems:
            complain(problem)
        return False
    tell(f"asking about {name}")
    return True


# What it asks


async def _explain(session: Session, given: str) -> bool:
    query = given or session.last
    if not query:
        complain("nothing was asked yet: \\explain QUERY")
        return False
    return await session.ask(query if EXPLAINED.match(query) else f"EXPLAIN {query}", remember=False)


async def _watch(session: Session, given: str) -> bool:
    """The last query again and again, until Ctrl-C, an error, or so many times."""
    seconds, _, times = given.partition(" ")
    try:
        pause, left = float(seconds or 2), int(times) if times else -1
    except ValueError:
        return _usage("watch")
    if not pause >= SHORTEST_WATCH or not pause < 1e6:
        complain(f"a watch asks every {SHORTEST_WATCH} seconds at most")
        return False
    if not session.last:
        complain("nothing was asked yet: ask, then \\watch")
        return False
    while left:
        tell(f"{iso(session.clock.now() // 1_000_000 * 1_000_000)}, every {pause:g} s, Ctrl-C ends it")
        if not await session.ask(session.last):
            return False
        left -= 1
        if left and await session.whole(_pause(pause)) is None:
            break
    return True


async def _pause(seconds: float) -> bool:
    await asyncio.sleep(seconds)
    return True


async def _edit(session: Session, given: str) -> bool:
    """The last query in an editor; what comes back stands at the prompt, to be run or changed."""
    if not session.interactive:
        complain("\\e needs a terminal")
        return False
    text = await asyncio.to_thread(_edited, (given or session.last) + "\n")
    if text is None:
        return False
    session.draft = text
    return True


def _edited(text: str) -> str | None:
    """What becomes of the text in the person's editor; None where that failed, which is told."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="memql-") as folder:
        file = Path(folder, "query.memql")
        file.write_text(text, "utf-8")
        try:
            ended = subprocess.run([*shlex.split(editor), str(file)], check=False)
            text = file.read_text("utf-8").strip()
        except (OSError, ValueError):
            complain(f"the editor `{editor}` can't be used: set EDITOR")
            return None
    if ended.returncode:
        complain(f"the editor ended with {ended.returncode}: nothing was changed")
        return None
    return text


async def _include(session: Session, given: str) -> bool:
    if not given:
        return _usage("i")
    if session.nested >= NESTED:
        complain(f"files are read {NESTED} deep at most")
        return False
    text = await asyncio.to_thread(_read, given)
    if text is None:
        complain(f"{given} can't be read")
        return False
    session.nested += 1
    try:
        return await run_all(session, statements(text))
    finally:
        session.nested -= 1


def _read(file: str) -> str | None:
    try:
        return Path(file).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError, RuntimeError):
        return None


async def run_all(session: Session, given: list[str]) -> bool:
    """One after the other, to the first that fails unless all shall be tried; whether all went well."""
    well = True
    for statement in given:
        if session.ended or session.interrupted:
            break
        well = await execute(session, statement) and well
        if not well and not session.keep_going:
            break
    return well


# The shell itself


async def _help(session: Session, given: str) -> bool:
    width = max(len(each.usage) for each in COMMANDS.values())
    lines = [f"  {each.usage.ljust(width)}  {each.said}" for each in dict.fromkeys(COMMANDS.values())]
    keys = "Enter runs a query that is whole, or that ends with ; or an empty line. Alt-Enter begins a line. Tab"
    with paged(session.interactive):
        typer.echo("\n".join(lines))
        typer.echo(f"\n{keys} completes.\nCtrl-C cancels what runs, Ctrl-R searches what was asked before.")
    return True


async def _quit(session: Session, given: str) -> bool:
    session.ended = True
    return True


def _usage(word: str) -> bool:
    complain(f"write {COMMANDS[word].usage}")
    return False


COMMANDS: dict[str, Command] = {
    "d": Command("\\d [NAME]", "kinds and kinds of relations with their counts; the properties of one", _describe),
    "df": Command("\\df [NAME]", "functions; those whose name has that in it", _functions),
    "set": Command("\\set NAME VALUE", "a parameter for the queries to come: JSON, else text", _set),
    "unset": Command("\\unset NAME", "takes a parameter away", _unset),
    "params": Command("\\params", "the parameters", _params),
    "format": Command("\\format table|json|csv", "how answers are shown", _format),
    "timing": Command("\\timing [on|off]", "whether the time of each answer is told", _timing),
    "explain": Command("\\explain [QUERY]", "how the last query, or this one, is answered", _explain),
    "watch": Command("\\watch [SECONDS] [TIMES]", "asks the last query again and again, until Ctrl-C", _watch),
    "e": Command("\\e [QUERY]", "the last query, or this one, in $EDITOR", _edit),
    "i": Command("\\i FILE", "runs the queries and commands of a file", _include),
    "tenant": Command("\\tenant [NAME]", "turns to another tenant; says which one is asked", _tenant),
    "?": Command("\\?", "this list", _help),
    "q": Command("\\q", "leaves; so does Ctrl-D", _quit),
}


def first_words() -> dict[str, Any]:
    """The commands by the word they begin with, as completion shows them."""
    return {f"\\{word}": command for word, command in COMMANDS.items()}
