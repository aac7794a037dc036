"""The command `memql import`: which files, how they are read, and what is said of them meanwhile and in the end."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Literal

import typer

from server.commands.options import Config, Data, Exit, OneTenant, Others, Url, reached, settle, stop
from server.commands.tables import Format, plain, show

if TYPE_CHECKING:
    from engine.limits import Limits
    from memql.errors import Refusal
    from server.commands.client import Client
    from server.commands.intake import Count
    from server.commands.transcripts import Bad, Line
    from server.settings import Loaded

app = typer.Typer()

COLUMNS = ("file", "recorded", "known", "refused", "position")
CALM_SECONDS = 10.0
"""How often a line tells how far an import is, where there is no terminal to draw on."""

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="What to import; - is standard input.")]


@app.command("import")
def import_(
    files: Files,
    stream: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Stream of lines that name none; absent: the file's name without its end."),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(metavar="PRINCIPAL", help="Whose the streams are that are opened; absent: yours.")
    ] = None,
    domain: Annotated[
        Literal["agent", "user", "organization"], typer.Option(help="Whose business those streams are.")
    ] = "user",
    strict: Annotated[
        bool, typer.Option("--strict", help="Record nothing unless every line is right, as far as reading shows it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, record nothing.")] = False,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--no-wait",
            help="Wait until all of it is remembered and found. Absent: where no server goes on with that.",
        ),
    ] = None,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Record conversations: JSONL, or ChatGPT's data export (conversations.json,
    or the .zip that holds it).

    Each line of JSONL is an event, and only its content must be there:

      {"stream": "tea", "content": "I only drink green tea.",
       "author": "Ada", "role": "user", "occurredAt": "2026-03-14T09:26:53Z",
       "externalKey": "m1", "replyTo": "m0", "importance": 0.8, "metadata": {}}

    or an entity that is to be known by its names:

      {"entity": {"name": "Ada Lovelace", "aliases": ["Ada"]}}

    What is known already, by its external key, is left alone: the same command
    again finishes what was interrupted, or adds what is new. A line that is
    wrong is told with its place and reason, and the others go in.

    Exit codes: 0 all of it is there · 1 it was stopped · 2 a file is missing ·
    4 some lines were refused.

    [bold]memql import talk.jsonl --stream standup[/bold]

    [bold]memql import chatgpt-export.zip --dry-run[/bold]
    """
    loaded = settle(config, data, others=others)
    chosen = Chosen(files, stream, _limits(loaded, url))
    chosen.check()
    rows: list[dict[str, Any]] = []
    with chosen.held(strict):
        if strict or dry_run:
            rows = chosen.checked(strict=strict)
        if dry_run:
            show(rows, form, ("file", "events", "entities", "streams", "refused"))
            raise typer.Exit(Exit.PARTLY if any(row["refused"] for row in rows) else Exit.OK)
        try:
            rows, late = asyncio.run(_recorded(loaded, url, tenant, chosen, owner, domain.upper(), strict, wait))
        except KeyboardInterrupt:
            stop(["INTERRUPTED: what was recorded stays; the same command goes on from there"])
    show(rows, form, COLUMNS)
    if late:
        stop(late.problems)
    raise typer.Exit(Exit.PARTLY if any(row["refused"] for row in rows) else Exit.OK)


def _limits(loaded: "Loaded", url: str | None) -> "Limits":
    """Those of the server where they are known; of a server elsewhere it alone knows them."""
    if url is None:
        return loaded.settings.limits
    return loaded.settings.limits.model_copy(update={"text_characters": sys.maxsize, "name_characters": sys.maxsize})


# Files


@dataclass(frozen=True, slots=True)
class Part:
    """One file, or one of those within a .zip, open to be read. `size`: its bytes, where they are known."""

    name: str
    file: BinaryIO
    size: int | None
    lines: "Callable[[], Iterator[Line]]"


class Chosen:
    """The files of one import. Standard input can be read but once: what must be read twice is kept meanwhile."""

    def __init__(self, files: list[str], stream: str | None, limits: "Limits") -> None:
        self._files = files
        self._stream = stream
        self._limits = limits
        self._kept: BinaryIO | None = None

    def check(self) -> None:
        """Ends the command where a file can't be read: before anything is recorded."""
        problems: list[str] = []
        for file in self._files:
            if file != "-" and not Path(file).is_file():
                what = "is a directory" if Path(file).is_dir() else "there is no such file"
                problems.append(f"NO_FILE: {file}: {what}")
            elif file != "-":
                try:
                    Path(file).open("rb").close()
                except OSError:
                    problems.append(f"NO_FILE: {file}: it can't be read")
        if problems:
            stop(problems, Exit.USAGE)

    @contextmanager
    def held(self, twice: bool) -> Iterator[None]:
        """Keeps standard input on disk for as long as it is needed, if it is to be read twice."""
        import shutil
        import tempfile

        if not twice or "-" not in self._files:
            yield
            return
        with tempfile.TemporaryFile() as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
            self._kept = kept
            yield

    def parts(self) -> "Iterator[Part]":
        for file in self._files:
            if file == "-":
                if self._kept:
                    self._kept.seek(0)
                yield self._part("stdin", self._kept or sys.stdin.buffer, None, self._stream or "")
            else:
                yield from self._of_path(Path(file))

    def _of_path(self, path: Path) -> "Iterator[Part]":
        import zipfile

        if not zipfile.is_zipfile(path):
            with path.open("rb") as opened:
                yield self._part(str(path), opened, path.stat().st_size, self._stream or path.name.split(".")[0])
            return
        from server.commands.chatgpt import MEMBER

        with zipfile.ZipFile(path) as archive:
            members = sorted(info.filename for info in archive.infolist() if MEMBER.match(info.filename))
            if not members:
                stop([f"NO_EXPORT: {path}: there is no conversations.json within"], Exit.USAGE)
            for member in members:
                with archive.open(member) as opened:
                    yield self._part(f"{path}/{member}", opened, archive.getinfo(member).file_size, "")  # type: ignore[arg-type]

    def _part(self, name: str, file: BinaryIO, size: int | None, stream: str) -> Part:
        from server.commands.chatgpt import chatgpt
        from server.commands.transcripts import fitted, jsonl

        def lines() -> "Iterator[Line]":
            begin = file.peek(64) if hasattr(file, "peek") else b""
            is_list = begin.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
            read = chatgpt(file, name) if is_list else jsonl(file, name, stream)
            return (fitted(line, self._limits) for line in read)

        return Part(name, file, size, lines)

    def checked(self, *, strict: bool) -> list[dict[str, Any]]:
        """What reading alone shows of every file; with `strict` the end of the command if that is not good."""
        from server.commands.transcripts import Bad, Named, Said

        rows: list[dict[str, Any]] = []
        for part in self.parts():
            events = entities = refused = 0
            streams: set[str] = set()
            for line in part.lines():
                match line:
                    case Bad():
                        refused += 1
                        tell(line)
                    case Named():
                        entities += 1
                    case Said():
                        events += 1
                        streams.add(line.stream)
            told = {"events": events, "entities": entities, "streams": len(streams), "refused": refused}
            rows.append({"file": part.name, **told})
        if strict and any(row["refused"] for row in rows):
            stop(["STRICT: nothing was recorded"], Exit.PARTLY)
        return rows


def tell(line: "Bad") -> None:
    """One line on stderr for each that is refused, in the form that editors lead to its place."""
    at = f" {line.problem.place}:" if line.problem.place else ""
    hint = f" ({line.problem.hint})" if line.problem.hint else ""
    typer.echo(plain(f"{line.spot}:{at} {line.problem.code}: {line.problem.message}{hint}"), err=True)


# Recording


async def _recorded(
    loaded: "Loaded",
    url: str | None,
    tenant: str | None,
    chosen: Chosen,
    owner: str | None,
    domain: str,
    strict: bool,
    wait: bool | None,
) -> "tuple[list[dict[str, Any]], Refusal | None]":
    """What became of each file; and why the rest could not be waited for, if it could not."""
    from server.commands.intake import Intake, Stopped

    rows: list[dict[str, Any]] = []
    late: Refusal | None = None
    async with reached(loaded, "import", url, tenant) as client:
        intake = Intake(client, tell, owner, domain, strict)
        try:
            for part in chosen.parts():
                with _progress(part) as shown:
                    count = await intake.take(part.lines(), shown)
                rows.append(_row(part.name, count))
        except Stopped as stopped:
            if intake.count.lines:
                typer.echo(_line(part.name, intake.count), err=True)
            way_on = [] if strict else ["what was recorded stays; the same command goes on from there"]
            stop([*stopped.refusal.problems, *way_on])
        if client.alone if wait is None else wait:
            late = await _settled(client, intake.reached)
    return rows, late


def _row(name: str, count: "Count") -> dict[str, Any]:
    return {
        "file": name,
        "recorded": count.recorded,
        "known": count.known,
        "refused": count.refused,
        "position": count.position,
    }


def _line(name: str, count: "Count") -> str:
    return f"{name}: {count.recorded:,} recorded, {count.known:,} known already, {count.refused:,} refused"


@contextmanager
def _progress(part: Part) -> "Iterator[Callable[[Count], None]]":
    """A bar on a terminal; elsewhere a line now and then, so that nobody thinks it hangs."""
    from rich import progress
    from rich.console import Console

    from engine.clock import SystemClock

    clock = SystemClock()
    began = said = clock.monotonic()
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[told]}"),
        progress.TimeElapsedColumn(),
    )
    on_terminal = sys.stderr.isatty()
    with progress.Progress(*columns, console=Console(stderr=True), transient=True, disable=not on_terminal) as bar:
        task = bar.add_task(Path(part.name).name, total=part.size, told="")

        def shown(count: "Count") -> None:
            nonlocal said
            told = f"{count.recorded:,} recorded, {count.known:,} known, {count.refused:,} refused"
            with suppress(OSError, ValueError):  # a pipe knows no place
                bar.update(task, completed=part.file.tell())
            bar.update(task, told=told)
            now = clock.monotonic()
            if not on_terminal and now - said >= CALM_SECONDS:
                said = now
                typer.echo(f"{part.name}: {told} in {now - began:.0f} s", err=True)

        yield shown


async def _settled(client: "Client", position: int) -> "Refusal | None":
    from rich.console import Console

    from server.commands.intake import understood

    console = Console(stderr=True)
    waiting = partial(console.status, "remembering what was said …") if console.is_terminal else suppress
    with waiting():
        return await understood(client, position)
