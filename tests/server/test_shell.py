"""The shell: through a pipe, as scripts use it, and at a terminal, as people do."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine.clock import SystemClock
from engine.commands import DeclareKind, NameEntity, Principal, PropertyInput, Remember
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant
from engine.tenants import Tenants
from server.cli import app
from server.commands.shell.history import ENTRIES, BoundedHistory
from server.commands.shell.script import Script, statements

LOCAL = Principal("local", admin=True)
ESCAPES = re.compile(rb"\x1b(\[[0-9;?]*[A-Za-z]|[=>]|\][^\x07]*\x07)")
WHERE_AM_I = b"\x1b[6n"
"""What a program asks its terminal for the place of the cursor."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a tenant that remembers two things, and another."""
    folder = tmp_path_factory.mktemp("shell") / "data"
    with closing(Tenants(folder, clock=SystemClock(), limits=Limits(), consolidate=False)) as tenants:
        paper = DeclareKind(name="Paper", properties=(PropertyInput(name="pages", type="integer"),))
        remembered = [Remember(text="Ada drinks sencha"), Remember(text="Ben builds roofs"), NameEntity(name="Ada")]
        for name, commands in (("default", remembered), ("other", [Remember(text="elsewhere"), paper])):
            with tenants.use(name) as tenant:
                assert isinstance(tenant, Tenant)
                for command in commands:
                    assert isinstance(tenant.write_now(command, LOCAL), Receipt)
    return folder


def piped(data: Path, text: str, *words: str) -> Result:
    environment = {"MEMQL_EMBEDDER": "none"}
    return CliRunner().invoke(app, ["shell", "--data", str(data), *words], input=text, env=environment)


# Lines


def test_where_a_query_ends() -> None:
    """At a semicolon that is one, and at an empty line where nothing is missing."""
    assert statements("RETURN 1; RETURN 2;\nRETURN 3") == ["RETURN 1", "RETURN 2", "RETURN 3"]
    assert statements("MATCH (m)\n\nRETURN m\n\nRETURN 2") == ["MATCH (m)\n\nRETURN m", "RETURN 2"]
    assert statements("RETURN ';'; // a;\nRETURN 'x\n;y'") == ["RETURN ';'", "// a;\nRETURN 'x\n;y'"]
    assert statements("RETURN 1\n\\timing\n// nothing\n") == ["RETURN 1", "\\timing"]
    assert statements("/* \\q\n */ RETURN 1") == ["/* \\q\n */ RETURN 1"]
    assert list(Script().end()) == []


# Through a pipe


def test_queries_and_commands_of_a_pipe(data: Path) -> None:
    """One after the other, each with its answer."""
    told = piped(data, "MATCH (m:Memory)\nRETURN m.text AS t\nORDER BY t\n\n\\set n 2\nRETURN $n + 1 AS sum;\n")
    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines() == ["t", "Ada drinks sencha", "Ben builds roofs", "sum", "  3"]


def test_each_form(data: Path) -> None:
    """From the start or from a line on."""
    told = piped(data, "RETURN 'a,b' AS x\n\n\\format json\nRETURN 1 AS y", "--format", "csv")
    head, _, rest = told.stdout.partition("{")
    assert head == 'x\n"a,b"\n'
    assert json.loads("{" + rest)["rows"] == [{"y": 1}]


def test_the_first_error_ends_it(data: Path) -> None:
    """With a caret beneath the place; unless it is told to go on, which also ends in 1."""
    text = "RETURN 1 AS a;\nMATCH (m:Memory) RETURN m.txet;\nRETURN 2 AS b;"
    told = piped(data, text)
    assert told.exit_code == 1
    assert told.stdout == "a\n1\n"
    assert "1 | MATCH (m:Memory) RETURN m.txet\n  |                           ^^^^\n" in told.stderr
    assert "did you mean `text`?" in told.stderr
    assert "b\n2" in (on := piped(data, text, "--keep-going")).stdout
    assert on.exit_code == 1


def test_what_there_is(data: Path) -> None:
    """Kinds and relations with their counts; the properties of one, with their types; functions."""
    told = piped(data, "\\d")
    assert re.search(r"^Memory +1 +2 +a stable fact", told.stdout, re.MULTILINE)
    assert re.search(r"^DERIVED_FROM +0 +was made from", told.stdout, re.MULTILINE)
    one = piped(data, "\\d memory\n\\df substr")
    assert one.stdout.startswith("Memory: a stable fact")
    assert re.search(r"^importance +float +own", one.stdout, re.MULTILINE)
    assert "substring(string, integer, integer?) → string" in one.stdout
    assert "did you mean `Memory`?" in piped(data, "\\d Memry").stderr


def test_another_tenant(data: Path) -> None:
    """Its names are known from then on; one that is not there is not turned to."""
    told = piped(data, "\\tenant other\nMATCH (m:Memory) RETURN m.text AS t;\n\\d Paper")
    assert told.exit_code == 0, told.output
    assert "elsewhere" in told.stdout
    assert "pages" in told.stdout
    missing = piped(data, "\\tenant nowhere\n\\tenant", "--keep-going")
    assert "NOT_FOUND" in missing.stderr
    assert "asking about the default tenant" in missing.stderr


def test_parameters_timing_plans_and_watches(data: Path, tmp_path: Path) -> None:
    """And queries of a file, which may read another, but not itself for ever."""
    told = piped(data, "\\set who Ada\n\\set list [1, 2]\n\\params\n\\unset who\n\\timing on\nRETURN size($list) AS s;")
    assert told.exit_code == 0, told.output
    assert re.search(r"^\$who +Ada$", told.stdout, re.MULTILINE)
    assert re.search(r"^[\d.]+ ms$", told.stderr, re.MULTILINE)
    assert "Project 1 AS one" in piped(data, "RETURN 1 AS one;\n\\explain").stdout
    assert piped(data, "RETURN 1 AS one;\n\\watch 0.1 2").stdout == "one\n  1\n" * 3
    file = tmp_path / "asked.memql"
    file.write_text("RETURN 5 AS five;\n")
    assert piped(data, f"\\i {file}").stdout == "five\n   5\n"
    file.write_text(f"\\i {file}\n")
    endless = piped(data, f"\\i {file}")
    assert (endless.exit_code, "deep at most" in endless.stderr) == (1, True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\\timng", "did you mean \\timing?"),
        ("\\format xml", "write \\format table|json|csv"),
        ("\\set x", "write \\set NAME VALUE"),
        ("\\unset x", "there is no parameter `x`"),
        ("\\i /nowhere/at/all", "can't be read"),
        ("\\watch", "nothing was asked yet"),
        ("\\watch x", "write \\watch"),
        ("\\explain", "nothing was asked yet"),
        ("\\e", "needs a terminal"),
    ],
)
def test_a_command_that_cannot_be(data: Path, line: str, said: str) -> None:
    """Is told what to write instead, and counts as an error."""
    told = piped(data, line)
    assert told.exit_code == 1
    assert said in told.stderr


# At a terminal


def dense(text: str) -> str:
    return "".join(text.replace("\b", "").split())


class Terminal:
    """A shell at a terminal of its own: types, and reads what comes."""

    def __init__(self, data: Path, state: Path, **environment: str) -> None:
        self.state = state
        self._bytes, self._used = b"", 0
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
        told = {**os.environ, "TERM": "xterm", "XDG_STATE_HOME": str(state)}
        told |= {"MEMQL_EMBEDDER": "none", "PAGER": "cat", **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "shell", "--data", str(data)],
            stdin=slave, stdout=slave, stderr=slave, env=told, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.master = master

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def enter(self, text: str) -> None:
        """Types at the next prompt."""
        self.until("memql>")
        self.type(f"{text}\r")
        self.until(text[-12:])

    def until(self, wanted: str, seconds: float = 15) -> str:
        """What is shown until that comes, without white space: much of it is moves of the cursor."""
        deadline, sought = time.monotonic() + seconds, dense(wanted)
        while (at := self.shown.find(sought, self._used)) < 0:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{wanted!r} is not in {self.shown[self._used :]!r}"
            try:
                read = os.read(self.master, 65_536)
            except OSError:
                raise AssertionError(f"ended before {wanted!r}: {self.shown!r}") from None
            self._bytes += read
            for _ in range(read.count(WHERE_AM_I)):
                os.write(self.master, b"\x1b[1;1R")
        before, self._used = self._used, at + len(sought)
        return self.shown[before : self._used]

    @property
    def shown(self) -> str:
        return dense(ESCAPES.sub(b"", self._bytes).decode(errors="replace"))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        os.close(self.master)


@pytest.fixture
def terminal(data: Path, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(**environment: str) -> Terminal:
        opened.append(Terminal(data, tmp_path / "state", **environment))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_a_person_asks(terminal: Callable[..., Terminal]) -> None:
    """Enter goes on where something is missing, runs what is whole, and shows what is wrong; \\q leaves."""
    shell = terminal()
    shell.enter("MATCH (m:Memory)")
    shell.until("·")
    shell.type("RETURN m.text AS said ORDER BY said\r")
    assert dense("Ada drinks sencha") in shell.until("2 rows")
    shell.enter("MATCH (m:Memory) RETURN m.txet")
    assert "^^^^" in shell.until("help: did you mean `text`?")
    shell.enter("\\q")
    assert shell.process.wait(20) == 0
    file = shell.state / "memql" / "history.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text().splitlines()[0]).startswith("MATCH (m:Memory)\nRETURN")


def test_completion_is_shown(terminal: Callable[..., Terminal]) -> None:
    """While it is typed, with types and descriptions; Tab takes the one that there is."""
    shell = terminal()
    shell.until("memql>")
    shell.type("MATCH (m:Mem")
    shell.until("a stable fact or procedure")
    shell.type("\t)-[:DERI")
    shell.until("was made from")
    shell.type("\t]->(e) RETURN m.impor")
    shell.until("float")
    shell.type("\t AS x\r")
    shell.until("no rows")
    shell.enter("\\q")
    assert shell.process.wait(20) == 0


def test_mistakes_show_while_they_are_made(terminal: Callable[..., Terminal]) -> None:
    """Beneath the line, before it is run."""
    shell = terminal()
    shell.until("memql>")
    shell.type("MATCH (m:Memroy) RETURN m ")
    shell.until("unknown label `Memroy` (did you mean `Memory`?)")


def test_ctrl_c_ends_a_query_and_not_the_shell(terminal: Callable[..., Terminal]) -> None:
    """Nor does it at the prompt, where it clears the line."""
    shell = terminal(MEMQL_LIMITS__READ_MS="3000")
    shell.until("memql>")
    shell.type("RETURN nonsense\x03")
    shell.enter("RETURN 1 AS one")
    shell.until("1 row")
    shell.enter("\\watch 60")
    shell.until("every 60 s")
    shell.until("1 row")
    os.kill(shell.process.pid, signal.SIGINT)
    shell.enter("RETURN 41 + 1 AS answer")
    shell.until("42")
    slow = (
        "UNWIND range(1, 1000) AS a UNWIND range(1, 1000) AS b UNWIND range(1, 100) AS c RETURN count(a * b * c) AS n"
    )
    shell.enter(slow)
    shell.until("AS n")
    time.sleep(0.5)
    os.kill(shell.process.pid, signal.SIGINT)
    shell.until("cancelled")
    shell.enter("\\q")
    assert shell.process.wait(30) == 0


def test_an_editor_and_a_pager(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """What the editor leaves stands at the prompt; what is longer than the screen comes through the pager."""
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nprintf 'RETURN 6 * 7 AS product' > \"$1\"\n")
    editor.chmod(0o755)
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\nhead -n 2; echo PAGED\n")
    pager.chmod(0o755)
    shell = terminal(EDITOR=str(editor), VISUAL="", PAGER=str(pager))
    shell.enter("\\e")
    shell.until("AS product")
    shell.type("\r")
    shell.until("42")
    shell.enter("UNWIND range(1, 100) AS n RETURN n")
    assert "99" not in shell.until("PAGED")
    shell.enter("\\q")
    assert shell.process.wait(20) == 0


# History


def test_history_is_bounded_and_private(tmp_path: Path) -> None:
    """The latest are kept; what is broken is left out; no file is no failure."""
    file = tmp_path / "state" / "history.jsonl"
    history = BoundedHistory(file)
    history.store_string("RETURN 1\n+ 1")
    history.store_string("x" * 100_000)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(BoundedHistory(file).load_history_strings()) == ["RETURN 1\n+ 1"]
    with file.open("a") as more:
        more.write("broken\n" + "".join(f'"RETURN {n}"\n' for n in range(ENTRIES)))
    assert next(iter(BoundedHistory(file).load_history_strings())) == f"RETURN {ENTRIES - 1}"
    assert len(file.read_text().splitlines()) == ENTRIES
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    unusable: Any = BoundedHistory(tmp_path / "state" / "history.jsonl" / "beneath")
    unusable.store_string("RETURN 1")
    assert list(unusable.load_history_strings()) == []
