"""A client that is told of changes by a real server, which is stopped in the middle and started again."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server.operations import World, made, ran, serving_process, world

CHANGES = """
subscription Changes {
  memoryChanged { ... on MemoryChanged { memory { text } } ... on Error { message } }
}
mutation Note($text: String!) { remember(input: {text: $text}) { ... on Receipt { ids } ... on Error { message } } }
"""

USES = """
import asyncio
import sys

from told.client import Client
from told.results import ChangesListening, ChangesMemoryChanged, NoteRememberPayload
from told.transport import Retries


async def go(url: str) -> None:
    async with Client(url, retries=Retries(first=0.1, most=0.5, times=20)) as client:

        async def note(text: str) -> None:
            assert isinstance((await client.note(text=text)).remember, NoteRememberPayload)

        async for told in client.changes():
            match told.memory_changed:
                case ChangesListening():
                    await note("one")
                case ChangesMemoryChanged(memory=memory):
                    print(memory.text, flush=True)
                    if memory.text == "one":
                        # Here the server goes, and comes back.
                        await asyncio.to_thread(sys.stdin.readline)
                        await note("two")
                        await note("three")
                    if memory.text == "three":
                        return
                case other:
                    raise AssertionError(other)


asyncio.run(go(sys.argv[1]))
"""


@pytest.mark.parametrize("crash", [False, True])
def test_a_subscription_goes_on_through_a_restart(crash: bool, tmp_path: Path) -> None:
    """Whether the server says goodbye or not: nothing is missed or told twice, and whoever listens need not know."""
    here: World = world(tmp_path)
    (here.folder / "changes.graphql").write_text(CHANGES, "utf-8")
    (here.folder / "uses.py").write_text(USES, "utf-8")
    made(here.folder / "told", here.folder / "changes.graphql")
    words = [sys.executable, "-W", "error", "uses.py"]
    assert through_a_restart(here, words, here.folder, crash) == (0, "two\nthree\n")


def through_a_restart(here: World, words: list[str], folder: Path, crash: bool) -> tuple[int, str]:
    """How a process ends that is told of changes by a server which goes and comes back; and what it was told then."""
    with ExitStack() as first:
        port = first.enter_context(serving_process(here.folder / "data", crash=crash))
        asked = [*words, f"http://127.0.0.1:{port}"]
        process = subprocess.Popen(asked, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "one\n"
    with serving_process(here.folder / "data", port):
        process.stdin.write("it is back\n")
        told, _ = process.communicate(timeout=60)
    return process.returncode, told


TRUSTED = """
import asyncio
import sys

from told.client import Client
from told.results import ChangesListening, ChangesMemoryChanged, NoteRememberPayload


async def go(url: str) -> None:
    async with Client(url) as client:
        async for told in client.changes():
            match told.memory_changed:
                case ChangesListening():
                    assert isinstance((await client.note(text="one")).remember, NoteRememberPayload)
                case ChangesMemoryChanged(memory=memory):
                    assert memory.text == "one"
                    return
                case other:
                    raise AssertionError(other)


asyncio.run(go(sys.argv[1]))
"""


def test_a_trusted_client_needs_no_text(tmp_path: Path) -> None:
    """The server knows its operations from the manifest that was made beside it, subscriptions too."""
    here: World = world(tmp_path)
    (here.folder / "changes.graphql").write_text(CHANGES, "utf-8")
    (here.folder / "uses.py").write_text(TRUSTED, "utf-8")
    made(here.folder / "told", here.folder / "changes.graphql", "--trusted")
    manifest = here.folder / "told" / "documents.json"
    words = ["--set", f"requests.documents={manifest}", "--set", "requests.documents_only=true"]
    with serving_process(here.folder / "data", words=words) as port:
        told = ran([sys.executable, "-W", "error", "uses.py", f"http://127.0.0.1:{port}"], here.folder)
    assert told.returncode == 0, told.stderr
