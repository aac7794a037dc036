"""The command `memql shell`: queries in MemQL one after the other, from a person at a terminal or from a file."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server import __version__
from server.commands.options import Config, Data, Exit, OneTenant, Others, Url, reached, settle
from server.commands.tables import Format

if TYPE_CHECKING:
    from server.commands.shell.session import Session

app = typer.Typer()


@app.command()
def shell(
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on behind an error where no person is at the terminal.")
    ] = False,
    tenant: OneTenant = None,
    url: Url = None,
    config: Config = None,
    data: Data = None,
    others: Others = None,
    form: Format = "table",
) -> None:
    """Ask in MemQL, one query after the other, with completion and colours.

    Enter runs a query that is whole; \\? lists the commands, such as \\d for
    what there is to ask about. Queries also come from a file or a pipe, each
    with ; behind it or an empty line.

    Exit codes: 0 done · 1 a query is wrong or was refused, or no server to ask.

    [bold]memql shell --tenant demo[/bold]

    [bold]memql shell --format csv < asked.memql[/bold]
    """
    loaded = settle(config, data, others=others)

    async def run() -> bool:
        from engine.clock import SystemClock
        from server.commands.shell.screen import is_terminal
        from server.commands.shell.session import Session

        async with reached(loaded, "shell", url, tenant) as client:
            session = Session(client, SystemClock(), is_terminal(), form=form, keep_going=keep_going)
            return await (_talk(session) if session.interactive else _obey_input(session))

    if not asyncio.run(run()):
        raise typer.Exit(Exit.FAILED)


async def _talk(session: "Session") -> bool:
    """Reads, does and shows, until the person leaves. What went wrong was told, and is no failure of the shell."""
    from server.commands.shell.commands import run_all
    from server.commands.shell.editor import Editor
    from server.commands.shell.screen import complain
    from server.commands.shell.script import statements

    editor = Editor(session, history_file())
    where = "" if session.client.alone else f" at {session.client.url}"
    typer.echo(f"MemQL {__version__}{where}. \\? lists the commands, \\q leaves.")
    if refusal := await session.refresh(at_once=True):
        for problem in refusal.problems:
            complain(problem)
    loop = asyncio.get_running_loop()
    while not session.ended:
        try:
            entered = await editor.read()
        except KeyboardInterrupt:
            continue
        except EOFError:
            break
        finally:  # At the prompt Ctrl-C is a key, and the prompt takes our handler away.
            session.interrupted = False
            loop.add_signal_handler(signal.SIGINT, session.interrupt)
        await session.refresh()
        await run_all(session, statements(entered))
    return True


async def _obey_input(session: "Session") -> bool:
    """Does what standard input says, line by line, as it comes."""
    from server.commands.shell.commands import run_all
    from server.commands.shell.script import Script

    script, well = Script(), True
    while not session.ended:
        line = await asyncio.to_thread(sys.stdin.readline)
        whole = list(script.take(line) if line else script.end())
        well = await run_all(session, whole) and well
        if not line or (not well and not session.keep_going):
            break
    return well


def history_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir("memql", appauthor=False)) / "history.jsonl"
