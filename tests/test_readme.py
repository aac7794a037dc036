"""The README and the page on GraphQL, followed: their commands run in a fresh clone, and what they print is what the
page says they print.

How a page is read:

- A block is fenced or indented by four spaces, and ends at an empty line. One whose first line begins with `./run`,
  `memql`, `curl`, `cat`, `echo` or `.venv/bin/python` is of commands, each run by sh, in order, in the folder of the
  clone. A file is made by its fence: what stands in ```json file=tea.jsonl is written to it. Operations in ```graphql
  and their answers in ```json are another test's to ask. Any other block is what the commands before it print, or the
  server does.
- Every line of such a block must be printed, in that order, with anything between: numbers, ids, times and spaces may
  differ, and … stands for anything.
- `./run` alone and `./run serve …` are left running, the first when it has shown what there is to try. They are stopped
  by Ctrl-C before another or at the end; also before `./run verify`, `recover`, `rebuild` and `tenants delete`, which
  need the directory for themselves.
- What would test, lint or bring the sources (`./run test`, `./run lint`, `./run types`, `git clone`) is not run here.

The clone is given this checkout's own .venv where that fits, and this user's embedder where there is one; with
MEMQL_FRESH=1 `./run` sets up everything anew, as it does for a newcomer.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from platformdirs import user_data_path

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/GRAPHQL.md")
PROGRAMS = ("./run", "memql", "curl", "cat", "echo", "git", ".venv/bin/python")
ASKED_ELSEWHERE = ("graphql", "json")
LEFT_OUT = ("./run test", "./run lint", "./run types", "./run lock", "git clone")
ALONE = ("./run verify", "./run recover", "./run rebuild", "./run tenants delete")
LOCKS = ("requirements.lock", "requirements-dev.lock")
SECONDS = 300
"""How long anything may take that a reader waits for."""
QUIET_SECONDS = 5
"""How long the server is listened to for what a command did not print."""


# What a page says


@dataclass(frozen=True, slots=True)
class Block:
    """`file`: where the text is to be written before anything else; empty for commands and for what they print."""

    line: int
    text: str
    file: str = ""
    language: str = ""

    @property
    def commands(self) -> bool:
        return not self.file and self.text.split(maxsplit=1)[0] in PROGRAMS


def blocks(readme: str) -> Iterator[Block]:
    """Every block, with the number of its first line."""
    fence = file = language = ""
    held: list[str] = []
    for number, line in enumerate([*readme.splitlines(), ""], 1):
        mark = re.match(r"(```+)\s*(.*)", line)
        within = bool(fence) or line.startswith("    ")
        if held and (not within or mark or (not line.strip() and not file)):
            yield Block(number - len(held), "\n".join(held).rstrip(), file, language)
            held = []
        if mark and (not fence or line.startswith(fence)):
            fence = "" if fence else mark[1]
            named = re.search(r"file=(\S+)", mark[2])
            file = named[1] if named else ""
            language = mark[2].split(" ")[0] if fence else ""
        elif within and (line.strip() or file):
            held.append(line if fence else line[4:])


def statements(text: str) -> Iterator[str]:
    """The commands of a block, each with its continued lines, its quotes and its here-document."""
    held, ends = "", ""
    for line in text.splitlines():
        held += line + "\n"
        if ends and line != ends:
            continue
        if not ends:
            if begun := re.search(r"<<-?\s*'?(\w+)'?", line):
                ends = begun[1]
                continue
            if line.endswith("\\") or not _whole(held):
                continue
        if held.strip() and not held.lstrip().startswith("#"):
            yield held
        held, ends = "", ""


def _whole(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True


def pattern(line: str) -> str:
    """What a printed line may look like: numbers, ids and spaces differ from one run to the next."""
    parts = []
    for token in re.split(r"(\b[a-z]+_[0-9A-HJKMNP-TV-Z]{26}\b|\d+(?:[.,]\d+)*|…|\s+)", line.strip()):
        if re.fullmatch(r"[a-z]+_[0-9A-Z]{26}", token):
            parts.append(r"[a-z]+_[0-9A-Z]{26}")
        elif re.fullmatch(r"\d+(?:[.,]\d+)*", token):
            parts.append(r"\d+(?:[.,]\d+)*(?:e-?\d+)?")
        elif token == "…":
            parts.append(".*?")
        elif token.isspace():
            parts.append(r"\s+")
        else:
            parts.append(re.escape(token))
    return "".join(parts)


def missing(expected: str, printed: str) -> str:
    """The first line that is not printed, or nothing."""
    at = 0
    for line in expected.splitlines():
        if not line.strip():
            continue
        found = re.compile(pattern(line), re.DOTALL).search(printed, at)
        if not found:
            return line
        at = found.end()
    return ""


# A reader


class Reader:
    """Follows the README in a clone, with a home of its own and a port that is free."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "memql"
        self.home = folder / "home"
        self.home.mkdir()
        self.port = str(_free_port())
        self.server: subprocess.Popen[str] | None = None
        self.heard = ""
        self.printed = ""

    def environ(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MEMQL_", "XDG_", "COLUMNS"))}
        return kept | {"HOME": str(self.home), "MEMQL_PORT": self.port}

    def told(self, text: str) -> str:
        return text.replace("8484", self.port)

    def run(self, statement: str) -> None:
        words = shlex.split(statement.splitlines()[0].partition("<<")[0], comments=True)
        command = " ".join(words)
        if command.startswith(LEFT_OUT):
            return
        if command.startswith(ALONE):
            self.stop()
        if words == ["./run"] or words[:2] in (["./run", "serve"], ["memql", "serve"]):
            self.stop()
            self.serve(self.told(statement), shows=words == ["./run"] or "--demo" in words)
            return
        done = subprocess.run(
            ["sh", "-c", self.told(statement)],
            cwd=self.clone, env=self.environ(), capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{statement}\n{done.stdout}\n{done.stderr}"
        self.printed = done.stdout + done.stderr

    def serve(self, statement: str, *, shows: bool) -> None:
        self.printed = self.heard = ""
        self.server = subprocess.Popen(
            ["sh", "-c", f"exec {statement}"],
            cwd=self.clone, env=self.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        threading.Thread(target=self._hear, args=(self.server,), daemon=True).start()
        self.expect(f"serves http://127.0.0.1:{self.port}/graphql")
        if shows:
            self.expect(
                f"http://127.0.0.1:{self.port}/graphql -H 'content-type: application/json' -H 'x-memql-tenant: demo'"
            )

    def _hear(self, server: subprocess.Popen[str]) -> None:
        assert server.stdout
        for line in server.stdout:
            self.heard += line

    def expect(self, text: str) -> None:
        """Waits until it is printed, by the last command or by the server."""
        deadline = time.monotonic() + SECONDS
        while (line := missing(self.told(text), self.printed)) and (line := missing(self.told(text), self.heard)):
            going = self.server is not None and self.server.poll() is None
            if not going or self.quiet() or time.monotonic() > deadline:
                pytest.fail(f"not printed: {line}\n\nby the command:\n{self.printed}\n\nby the server:\n{self.heard}")
            time.sleep(0.1)

    def quiet(self) -> bool:
        """Whether nothing more is to be expected: a command has ended, and the server says nothing for a while."""
        heard = len(self.heard)
        time.sleep(QUIET_SECONDS if self.printed else 0)
        return bool(self.printed) and heard == len(self.heard)

    def stop(self) -> None:
        if self.server:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(timeout=60)
            if self.server.stdout:
                self.server.stdout.close()
            self.server = None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _cloned(folder: Path) -> None:
    """All that git would give, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def _lend(folder: Path, home: Path) -> None:
    """Links to what is installed here, where it is what the clone would install."""
    ours, models = ROOT / ".venv", user_data_path("memql", appauthor=False) / "models"
    fits = all(
        (ours / f"installed-{lock}").is_file()
        and (ours / f"installed-{lock}").read_bytes() == (ROOT / lock).read_bytes()
        for lock in LOCKS
    )
    if os.environ.get("MEMQL_FRESH") or not fits or not (ours / "made-by-run").exists():
        return
    try:
        shutil.copytree(ours, folder / ".venv", symlinks=True, copy_function=os.link)
    except (OSError, shutil.Error):  # another file system: it is set up as for anybody
        shutil.rmtree(folder / ".venv", ignore_errors=True)
        return
    for written in (folder / ".venv").iterdir():
        if written.is_file():  # what ./run may write again must not be written through a link
            kept = written.read_bytes()
            written.unlink()
            written.write_bytes(kept)
    (folder / ".venv" / "embedder").unlink(missing_ok=True)
    if models.is_dir():
        at = home / ".local" / "share" / "memql"
        at.mkdir(parents=True)
        (at / "models").symlink_to(models)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    reader.clone.mkdir()
    _cloned(reader.clone)
    _lend(reader.clone, reader.home)
    yield reader
    reader.stop()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", PAGES)
def test_the_page_can_be_followed(page: str, reader: Reader) -> None:
    """From its first command to its last, in order."""
    followed = 0
    for block in blocks((reader.clone / page).read_text("utf-8")):
        if block.file:
            (reader.clone / block.file).write_text(reader.told(block.text) + "\n", "utf-8")
        elif block.commands:
            for statement in statements(block.text):
                reader.run(statement)
                followed += 1
        elif block.language not in ASKED_ELSEWHERE:
            reader.expect(block.text)
    assert followed > 1


# How it is read


def test_blocks_are_found_however_they_are_written() -> None:
    """Indented, fenced, and with a file's name."""
    readme = "a\n\n    ./run   # go\n    ./run x\n\nb\n\n```sh file=a.jsonl\n{}\n```\n\n    out\n\n    more\n"
    found = [(block.line, block.text, block.file, block.commands) for block in blocks(readme)]
    assert found == [
        (3, "./run   # go\n./run x", "", True),
        (9, "{}", "a.jsonl", False),
        (12, "out", "", False),
        (14, "more", "", False),
    ]


def test_a_command_ends_where_it_ends() -> None:
    """With its quotes, its continued lines and its here-document."""
    text = "./run a \\\n  b\ncurl -d @- <<'X'\n{\"it's\": 1}\nX\n# said\n./run q 'one\ntwo'\n"
    assert list(statements(text)) == [
        "./run a \\\n  b\n",
        "curl -d @- <<'X'\n{\"it's\": 1}\nX\n",
        "./run q 'one\ntwo'\n",
    ]


def test_what_may_differ_and_what_may_not() -> None:
    """Numbers and ids do from run to run; words don't."""
    printed = '{"position":17,"ids":["evt_01M7Y7KQT5GWTWKAASGC0NCV99"]}\nscore   7.114\nwho said it\n'
    assert not missing('{"position":1,"ids":["evt_01M7Y7KQT5GWTWKAASGC0NCV83"]}\nscore 0.5\nwho … it', printed)
    assert missing("who said what", printed) == "who said what"
    assert missing("who\nscore", printed) == "score"
