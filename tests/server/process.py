"""A server as people run it: the command in a process of its own, on a data directory of the test's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


@contextmanager
def served(data: Path, *flags: str, port: int = 0, crash: bool = False) -> Iterator[str]:
    """Serves as long as the block runs; gives the URL of its GraphQL. In the end it is asked to stop, or it crashes."""
    command = [sys.executable, "-m", "server.cli", "serve", "--port", str(port), "--data", str(data), *flags]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MEMQL_")}
    log = data.parent / "serve.log"
    with log.open("w") as errors:
        server = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
            env=environ | {"MEMQL_EMBEDDER": "none"},
        )
    assert server.stdout is not None
    try:
        first = server.stdout.readline()
        assert " serves " in first, log.read_text()
        yield first.split(" serves ")[1].strip()
    finally:
        server.kill() if crash else server.terminate()
        server.wait(30)
        server.stdout.close()
