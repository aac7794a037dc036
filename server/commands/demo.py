"""The demonstration of `memql serve --demo`: examples recorded in a tenant of their own, and three things to try.

All of it from outside, while the server serves: the lines go in as any import's, and what is printed under a command is
what that command answers. A second start finds the lines known, and adds nothing.
"""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from memql.errors import Refusal
from server import telemetry
from server.app import Going
from server.commands.client import key_for, over_http
from server.commands.intake import Intake, Stopped, understood
from server.commands.options import tilde
from server.commands.transcripts import Line, jsonl
from server.settings import Settings

TENANT = "demo"
ANSWER_SECONDS = 120.0
"""How long one of the commands may take: many times what it does on a slow machine."""
INDENT = "    "
GRAPHQL = "query ($text: String!) { search(input: {text: $text}, first: 1) { edges { score sources { content } } } }"


class Unanswered(Exception):
    """A command answered otherwise than it does where all is well."""


def begin(settings: Settings, url: str, going: Going) -> None:
    """Shows the demonstration beside the server, which goes on whatever becomes of it; it ends when the server does."""
    threading.Thread(target=_beside, args=(settings, url, going), name="demo", daemon=True).start()


def _beside(settings: Settings, url: str, going: Going) -> None:
    # Dozens of lines about requests that nobody made would hide the few that matter.
    with telemetry.quiet(TENANT):
        for text in shown(settings, url):
            if going():
                sys.stdout.write(f"{text}\n")
                sys.stdout.flush()


def folder() -> Path | None:
    """Where the examples are: within an installed package, or beside the sources."""
    here = Path(__file__).parents[1]
    return next((path for path in (here / "examples", here.parent / "examples") if path.is_dir()), None)


def shown(settings: Settings, url: str) -> Iterator[str]:
    """What there is to be told, as it comes."""
    examples = folder()
    if examples is None:
        yield "demo: the examples are not part of this installation; they are in the folder `examples` of the sources"
        return
    key = key_for(settings, here=True)
    if isinstance(key, Refusal):
        yield f"demo: {key}"
        return
    try:
        things = {thing["as"]: thing for thing in orjson.loads((examples / "questions.json").read_bytes())["try"]}
        yield from asyncio.run(_recorded(examples, url, key))
        yield from _tried(things, _place(settings), url, key)
        body = orjson.dumps({"query": GRAPHQL, "variables": {"text": things["search"]["question"]}}).decode()
        said = f"-H 'content-type: application/json' -H 'x-memql-tenant: {TENANT}' -d {shlex.quote(body)}"
        yield f"The first one in GraphQL:\n\n  curl -s {url}/graphql {said}\n"
    except Unanswered as problem:
        yield f"demo: {problem}"
    except subprocess.TimeoutExpired:
        yield f"demo: a question took too long; {url}/readyz says how the server is"
    except (OSError, LookupError, orjson.JSONDecodeError):
        yield f"demo: what is in {tilde(examples)} is not as it was"


async def _recorded(examples: Path, url: str, key: str) -> list[str]:
    """Records what the examples say, and waits until it is understood; what is to be told of it."""
    told: list[str] = []
    async with over_http(url, TENANT, key) as client:
        if isinstance(client, Refusal):
            raise Unanswered(client)
        intake = Intake(client, lambda bad: told.append(f"demo: {bad.spot}: {bad.problem}"))
        try:
            count = await intake.take(chain.from_iterable(map(_lines, _files(examples))), lambda count: None)
        except Stopped as stopped:
            raise Unanswered(stopped.refusal) from None
        if late := await understood(client, count.position):
            raise Unanswered(late)
    if count.recorded:
        told.append(f"demo: {count.recorded:,} lines of {tilde(examples)} are recorded in the tenant `{TENANT}`")
    return told


def _files(examples: Path) -> list[Path]:
    """Entities come first: they are there when the events that mention them are understood."""
    return sorted(examples.glob("*/*.jsonl"), key=lambda file: (file.stem != "entities", file))


def _lines(file: Path) -> Iterator[Line]:
    with file.open("rb") as opened:
        yield from jsonl(opened, file.name, file.stem)


# Three things to try


def _tried(things: dict[str, Any], place: Sequence[str], url: str, key: str) -> Iterator[str]:
    """Each as a command to paste, with what it answers here and now."""
    question = things["search"]["question"]
    yield "\nThree things to try, and what they answer:\n"
    for name, words in (
        ("search", ["recall", question, "--first", "3"]),
        ("memql", ["query", things["memql"]["query"].replace("\n", " ")]),
        ("walk", ["show", _first(question, url, key)]),
    ):
        command = " ".join([_program(), *map(quoted, [*words, "--tenant", TENANT, *place])])
        yield f"{things[name]['say']}\n\n  {command}\n\n{_indented(_answer(words, url, key))}\n"


def _first(question: str, url: str, key: str) -> str:
    """The id of what is found first."""
    hits = orjson.loads(_answer(["recall", question, "--first", "1", "--format", "json"], url, key))["hits"]
    if not hits:
        raise Unanswered("nothing was found")
    return str(hits[0]["id"])


def quoted(word: str) -> str:
    """The word as a shell takes it; in double quotes where single ones within would have to be taken apart."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`!\\') else shlex.quote(word)


def _program() -> str:
    """How the commands are started from here."""
    if shutil.which("memql"):
        return "memql"
    run = Path(__file__).parents[2] / "run"
    return "./run" if run.parent == Path.cwd() else shlex.quote(str(run))


def _place(settings: Settings) -> list[str]:
    """What leads a command to this server, where it would not find it by itself."""
    return [] if settings.data == Settings().data else ["--data", str(settings.data)]


def _answer(words: Sequence[str], url: str, key: str) -> str:
    """What the command prints, asked as anybody asks, by a process of its own. Told where this server is: it must not
    open the directory by itself when the server has just been stopped."""
    width = {"COLUMNS": str(shutil.get_terminal_size().columns - len(INDENT))} if sys.stdout.isatty() else {}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", *words, "--tenant", TENANT, "--url", url],
        env=os.environ | width | ({"MEMQL_KEY": key} if key else {}), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=ANSWER_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Unanswered(done.stderr.strip().removeprefix("memql: ") or "a question was not answered")
    return done.stdout.strip()


def _indented(text: str) -> str:
    return "\n".join(f"{INDENT}{line}".rstrip() for line in text.splitlines())
