"""A client that is told of changes by a real server, which is stopped in the middle and started again."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from graphql import build_schema

from server.schema import printed
from tests.server.operations import World, made, serving_process, world

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


@pytest.mark.skipif(
    "memoryChanged" not in getattr(build_schema(printed()).subscription_type, "fields", {}),
    reason="this server tells nobody of changes",
)
@pytest.mark.parametrize("crash", [False, True])
def test_a_subscription_goes_on_through_a_restart(crash: bool, tmp_path: Path) -> None:
    """Whether the server says goodbye or not: nothing is missed or told twice, and whoever listens need not know."""
    here: World = world(tmp_path)
    (here.folder / "changes.graphql").write_text(CHANGES, "utf-8")
    (here.folder / "uses.py").write_text(USES, "utf-8")
    made(here.folder / "told", here.folder / "changes.graphql")
    with ExitStack() as first:
        port = first.enter_context(serving_process(here.folder / "data", crash=crash))
        words = [sys.executable, "-W", "error", "uses.py", f"http://127.0.0.1:{port}"]
        process = subprocess.Popen(words, cwd=here.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "one\n"
    with serving_process(here.folder / "data", port):
        process.stdin.write("it is back\n")
        told, _ = process.communicate(timeout=60)
    assert (process.returncode, told) == (0, "two\nthree\n")
