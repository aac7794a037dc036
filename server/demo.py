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
from server.client import over_http
from server.intake import Intake, Stopped, understood
from server.options import tilde
from server.settings import Settings
from server.transcripts import Line, jsonl

TENANT = "demo"
ANSWER_SECONDS = 120.0
"""How long one of the commands may take: many times what it does on a slow machine."""
INDENT = "    "
GRAPHQL = "query ($text: String!) { search(input: {text: $text}, first: 1) { edges { score sources { content } } } }"


def begin(settings: Settings, url: str) -> None:
    """Shows the demonstration beside the server, which goes on whatever becomes of it."""
    threading.Thread(target=_shown, args=(settings, url), name="demo", daemon=True).start()


def folder() -> Path | None:
    """Where the examples are: within an installed package, or beside the sources."""
    here = Path(__file__).parent
    return next((path for path in (here / "examples", here.parent / "examples") if path.is_dir()), None)


def _shown(settings: Settings, url: str) -> None:
    examples = folder()
    if examples is None:
        _say("demo: the examples are not part of this installation; they are in the folder `examples` of the sources")
        return
    # Dozens of lines about requests that nobody made would hide the few that matter.
    with telemetry.quiet(TENANT):
        _show(settings, url, examples)


def _show(settings: Settings, url: str, examples: Path) -> None:
    try:
        things = {thing["as"]: thing for thing in orjson.loads((examples / "questions.json").read_bytes())["try"]}
        if problem := asyncio.run(_recorded(examples, url)):
            _say(f"demo: {problem}")
            return
        options = ["--tenant", TENANT, *_place(settings)]
        for text in _tried(things, options):
            _say(text)
        body = orjson.dumps({"query": GRAPHQL, "variables": {"text": things["search"]["question"]}}).decode()
        said = f"-H 'content-type: application/json' -H 'x-memql-tenant: {TENANT}' -d {shlex.quote(body)}"
        _say(f"The first one in GraphQL:\n\n  curl -s {url}/graphql {said}\n")
    except (OSError, LookupError, orjson.JSONDecodeError):
        _say(f"demo: what is in {tilde(examples)} is not as it was")
    except subprocess.TimeoutExpired:
        _say(f"demo: a question took too long; {url}/readyz says how the server is")


async def _recorded(examples: Path, url: str) -> str | None:
    """What the examples say, recorded and understood; or why it is not."""
    async with over_http(url, TENANT) as client:
        if isinstance(client, Refusal):
            return str(client)
        intake = Intake(client, lambda bad: _say(f"demo: {bad.spot}: {bad.problem}"))
        try:
            count = await intake.take(chain.from_iterable(map(_lines, _files(examples))), lambda count: None)
        except Stopped as stopped:
            return str(stopped.refusal)
        if count.recorded:
            _say(f"demo: {count.recorded:,} lines of {tilde(examples)} are recorded in the tenant `{TENANT}`")
        late = await understood(client, count.position)
        return str(late) if late else None


def _files(examples: Path) -> list[Path]:
    """Entities come first: they are there when the events that mention them are understood."""
    return sorted(examples.glob("*/*.jsonl"), key=lambda file: (file.stem != "entities", file))


def _lines(file: Path) -> Iterator[Line]:
    with file.open("rb") as opened:
        yield from jsonl(opened, file.name, file.stem)


# Three things to try


def _tried(things: dict[str, Any], options: Sequence[str]) -> Iterator[str]:
    """Each as a command to paste, with what it answers here and now."""
    question = things["search"]["question"]
    yield "\nThree things to try, and what they answer:\n"
    for name, words in (
        ("search", ["recall", question, "--first", "3"]),
        ("memql", ["query", things["memql"]["query"].replace("\n", " ")]),
        ("walk", ["show", _first(question, options)]),
    ):
        command = " ".join([_program(), *map(quoted, [*words, *options])])
        yield f"{things[name]['say']}\n\n  {command}\n\n{_indented(_answer([*words, *options]))}\n"


def _first(question: str, options: Sequence[str]) -> str:
    """The id of what is found first."""
    found = orjson.loads(_answer(["recall", question, "--first", "1", "--format", "json", *options]))
    return str(found["hits"][0]["id"])


def quoted(word: str) -> str:
    """The word as a shell takes it; in double quotes where single ones within would have to be taken apart."""
    return f'"{word}"' if "'" in word and not set(word) & set('"$`!\\') else shlex.quote(word)


def _program() -> str:
    """How the commands are started from here."""
    if shutil.which("memql"):
        return "memql"
    run = Path(__file__).parent.parent / "run"
    return "./run" if run.parent == Path.cwd() else shlex.quote(str(run))


def _place(settings: Settings) -> list[str]:
    """What leads a command to this server, where it would not find it by itself."""
    return [] if settings.data == Settings().data else ["--data", str(settings.data)]


def _answer(words: Sequence[str]) -> str:
    """What the command prints, asked as anybody asks: by a process of its own."""
    width = {"COLUMNS": str(shutil.get_terminal_size().columns - len(INDENT))} if sys.stdout.isatty() else {}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "server.cli", *words],
        env=os.environ | width, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_SECONDS,
        check=False,
    )  # fmt: skip
    return done.stdout.strip() or done.stderr.strip()


def _indented(text: str) -> str:
    return "\n".join(f"{INDENT}{line}".rstrip() for line in text.splitlines())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
