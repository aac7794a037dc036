"""The commands: what they print and how they end; and the whole program, killed and started again."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from engine.clock import SystemClock
from engine.commands import Principal, Remember
from engine.limits import Limits
from engine.lock import DataLock
from engine.records import Receipt
from engine.tenant import Tenant
from engine.tenants import Tenants
from server.cli import app
from server.commands.options import Exit

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with five records in one tenant, and none in use."""
    folder = tmp_path / "data"
    made = Tenants(folder, clock=SystemClock(), limits=Limits(), consolidate=False)
    with closing(made) as tenants, tenants.use("notes") as tenant:
        assert isinstance(tenant, Tenant)
        for n in range(5):
            written = tenant.write_now(Remember(text=f"fact {n}"), Principal("usr_me"))
            assert isinstance(written, Receipt)
    return folder


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def spoil(data: Path, position: int) -> None:
    """Changes one byte of a record, as a failing disk would."""
    with closing(sqlite3.connect(data / "tenants" / "notes" / "journal.db")) as db:
        (header,) = db.execute("SELECT header FROM records WHERE position = ?", (position,)).fetchone()
        header = header[:20] + bytes([header[20] ^ 1]) + header[21:]
        db.execute("UPDATE records SET header = ? WHERE position = ?", (header, position))
        db.commit()


def test_verify_a_sound_journal(data: Path) -> None:
    """Every record was read."""
    told = run("verify", "--data", data, "--format", "json")
    assert told.exit_code == Exit.OK, told.output
    (row,) = json.loads(told.stdout)
    assert (row["tenant"], row["records"], row["position"], row["verdict"]) == ("notes", 5, 5, "sound")


def test_verify_names_the_first_bad_position(data: Path) -> None:
    """And ends with the code of damage, as a table too."""
    spoil(data, 3)
    told = run("verify", "--data", data, "--tenant", "notes")
    assert told.exit_code == Exit.DAMAGE
    assert "damaged at position 3: it does not follow from the record before it" in told.stdout
    assert told.stdout.startswith("tenant  records  position")


def test_recover_asks_first_and_keeps_the_evidence(data: Path) -> None:
    """Both positions are said, before and after; what was kept is sound, and lost positions are never given again."""
    assert "Nothing to do" in run("recover", "--data", data, "--tenant", "notes").stdout
    spoil(data, 4)
    told = run("recover", "--data", data, "--tenant", "notes")
    assert told.exit_code == Exit.DAMAGE
    assert "damaged at position 4" in told.stdout
    assert "ends at position 3" in told.stdout
    assert run("verify", "--data", data).exit_code == Exit.DAMAGE

    told = run("recover", "--data", data, "--tenant", "notes", "--accept-loss")
    assert told.exit_code == Exit.OK, told.output
    assert "goes on from position 3: positions 4 to 5 are lost" in told.stdout
    assert (Path(told.stdout.strip().rpartition("The evidence is in ")[2].replace("\n", "")) / "journal.db").is_file()
    (row,) = json.loads(run("verify", "--data", data, "--format", "json").stdout)
    assert (row["records"], row["position"], row["verdict"].partition(";")[0]) == (4, 6, "sound")


def test_rebuild_one_store_or_all(data: Path) -> None:
    """The journal is the truth: what is thrown away comes back."""
    for path in (data / "tenants" / "notes").glob("graph.kuzu*"):
        path.unlink()
    told = run("rebuild", "--data", data, "texts")
    assert (told.exit_code, told.stdout) == (Exit.OK, "notes: texts show position 5\n")
    assert run("rebuild", "--data", data).stdout == "notes: graph, vectors, texts show position 5\n"
    assert run("rebuild", "--data", data, "grahp").exit_code == Exit.USAGE


def test_tenants_are_listed_and_deleted(data: Path) -> None:
    """Deleting is asked for twice, and nothing of it is left."""
    (row,) = json.loads(run("tenants", "list", "--data", data, "--format", "json").stdout)
    assert (row["tenant"], row["position"]) == ("notes", 5)
    assert row["bytes"] > 10_000
    assert run("tenants", "delete", "notes", "--data", data).exit_code == Exit.USAGE
    assert run("tenants", "delete", "notse", "--data", data, "--yes").exit_code == Exit.FAILED
    assert run("tenants", "delete", "notes", "--data", data, "--yes").stdout == "notes is deleted\n"
    assert run("tenants", "list", "--data", data).stdout == ""


@pytest.mark.parametrize("command", [["verify"], ["rebuild"], ["recover", "--tenant", "notes"], ["serve"]])
def test_one_process_at_a_time(data: Path, command: list[str]) -> None:
    """Whoever has the directory is named."""
    lock = DataLock.take(data, "memql serve")
    assert isinstance(lock, DataLock)
    with closing(lock):
        told = run(*command, "--data", data, "--set", "port=0")
    assert told.exit_code == Exit.FAILED
    assert f"in use by process {os.getpid()} (memql serve)" in told.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["verify", "--tenant", "nots"], "there is no tenant `nots` (did you mean `notes`?)"),
        (
            ["serve", "--host", "0.0.0.0"],
            "`0.0.0.0` can be reached from other machines, and keys would travel in the clear",
        ),
        (["serve", "--host", "example.org"], "`example.org` can be reached from other machines"),
        (["serve", "--port", "0", "--set", "tenant=No"], "`No` cannot be a tenant's name"),
        (["serve", "--port", "x"], "`port` must be a whole number"),
    ],
)
def test_what_cannot_be_is_said(data: Path, words: list[str], sentence: str) -> None:
    """In one sentence, and without a traceback."""
    told = run(*words, "--data", data)
    assert told.exit_code == Exit.FAILED
    assert sentence in told.stderr


def test_a_port_that_is_taken(data: Path) -> None:
    """By whom is not ours to know; another is chosen by a flag."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        told = run("serve", "--data", data, "--port", str(other.getsockname()[1]))
    assert told.exit_code == Exit.FAILED
    assert "PORT_TAKEN" in told.stderr
    assert "--port" in told.stderr


def test_a_data_directory_that_is_none(tmp_path: Path) -> None:
    """A file stands where it should be."""
    (tmp_path / "file").write_text("x")
    told = run("verify", "--data", tmp_path / "file")
    assert told.exit_code == Exit.FAILED
    assert "can't be used: " in told.stderr


def test_help_and_settings_wait_for_nothing() -> None:
    """No store, no server and no GraphQL is imported for them."""
    script = (
        "import sys; from typer.testing import CliRunner; from server.cli import app; "
        "CliRunner().invoke(app, ['--help']); before = {*sys.modules}; CliRunner().invoke(app, ['settings']); "
        "heavy = {'kuzu', 'lancedb', 'tantivy', 'strawberry', 'graphql', 'uvicorn', 'starlette', 'numpy', 'pyarrow'}; "
        "assert not heavy & {*sys.modules}, heavy & {*sys.modules}; assert 'pydantic' not in before"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_the_schema_is_printed() -> None:
    """As it is kept in the tree."""
    assert run("schema").stdout == (ROOT / "schema.graphql").read_text("utf-8")


# The whole program


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], str]]]:
    """Starts `memql serve` on a free port; gives the process, and its address as it printed it."""
    running: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], str]:
        words = ["serve", "--port", "0", "--data", str(tmp_path / "data")]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("MEMQL_")}
        environ["MEMQL_EMBEDDER"] = "none"
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", *words],
            cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        running.append(process)
        assert process.stdout
        first = process.stdout.readline()
        found = re.search(r"http://\S+/graphql", first)
        assert found, first
        return process, found[0]

    yield start
    for process in running:
        process.kill()
        process.communicate(timeout=30)


def asked(url: str, query: str, **variables: Any) -> dict[str, Any]:
    body = httpx.post(url, json={"query": query, "variables": variables}, timeout=30).json()
    assert "errors" not in body, body
    data: dict[str, Any] = body["data"]
    return data


RECORD = """
    mutation ($content: String!) {
        recordEvents(input: {stream: "talk", events: [{content: $content, externalKey: "m1"}]}) {
            ... on RecordEventsPayload { position events { id content } }
        }
    }
"""
FIND = """
    query ($text: String!, $atLeast: Position) {
        search(input: {text: $text, kinds: "Event", atLeast: $atLeast}) {
            position edges { node { id } sources { id content } }
        }
    }
"""


def test_what_was_acknowledged_outlives_the_process(started: Callable[[], tuple[Any, str]]) -> None:
    """Written over HTTP, found at once; after kill -9 and a new start found again, with its content."""
    process, url = started()
    written = asked(url, RECORD, content="The lighthouse keeper paints at night.")["recordEvents"]
    (event,) = written["events"]
    expected = [{"node": {"id": event["id"]}, "sources": [event]}]
    found = asked(url, FIND, text="who paints?", atLeast=written["position"])["search"]
    assert found["edges"] == expected
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)

    process, url = started()
    found = asked(url, FIND, text="lighthouse keepers", atLeast=written["position"])["search"]
    assert found["edges"] == expected
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    _, url = started()
    # Behind the event there is by now the memory that was made of it.
    assert asked(url, "{ position }")["position"] >= found["position"] >= written["position"]
