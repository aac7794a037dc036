"""The demonstration: what it prints is what its commands answer, and a second start adds nothing."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.commands import demo
from server.commands.demo import quoted
from server.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environ() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MEMQL_", "COLUMNS"))}
    return kept | {"MEMQL_EMBEDDER": "none"}


@contextmanager
def shown(data: Path, environ: dict[str, str]) -> Iterator[list[str]]:
    """What `memql serve --demo` prints, down to its last line; it serves as long as the block runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve", "--demo", "--port", "0", "--data", str(data)],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        lines: list[str] = []
        while line := process.stdout.readline():
            lines.append(line.rstrip("\n"))
            if line.startswith("demo: ") and "recorded" not in line:
                break
            if "x-memql-tenant: demo" in line:
                break
        yield lines
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def asked(url: str, query: str, tenant: str) -> Any:
    return httpx.post(f"{url}/graphql", json={"query": query}, headers={"x-memql-tenant": tenant}, timeout=30).json()


def test_three_things_that_answer_as_they_are_shown(tmp_path: Path, environ: dict[str, str]) -> None:
    """Pasted, each command prints what stands under it; and the second start is as good as the first."""
    with shown(tmp_path / "data", environ) as lines:
        assert sum(line.startswith("demo: ") for line in lines) == 1
        at = [n for n, line in enumerate(lines) if line.startswith("  ") and "/run " in line]
        assert [shlex.split(lines[n])[1] for n in at] == ["recall", "query", "show"]
        for n in at:
            words = shlex.split(lines[n])
            done = subprocess.run(
                [sys.executable, "-m", "server.cli", *words[1:]],
                cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True,
            )  # fmt: skip
            answer = [f"    {line}".rstrip() for line in done.stdout.strip().splitlines()]
            assert lines[n + 2 : n + 2 + len(answer)] == answer
        url = lines[0].rpartition(" ")[2].removesuffix("/graphql")
        before = asked(url, "{ position }", "demo")["data"]["position"]
        assert "NOT_FOUND" in json.dumps(asked(url, "{ position }", "default"))
        things = {thing["as"]: thing for thing in json.loads((ROOT / "examples/questions.json").read_text())["try"]}
        text = "\n".join(lines)
        assert things["search"]["answer"] in text
        for row in things["memql"]["rows"]:
            assert row[1] in text

    with shown(tmp_path / "data", environ) as again:
        assert not [line for line in again if line.startswith("demo: ")]
        assert [line for line in again if "/run " in line] == [line for line in lines if "/run " in line]
        url = again[0].rpartition(" ")[2].removesuffix("/graphql")
        assert asked(url, "{ position }", "demo")["data"]["position"] == before


def test_without_its_examples_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is missing of them; and where nobody answers."""
    monkeypatch.setattr(demo, "__file__", str(tmp_path / "server" / "demo.py"))
    settings, url = Settings(data=tmp_path), "http://127.0.0.1:9"
    (told,) = demo.shown(settings, url)
    assert "the examples are not part of this installation" in told
    (tmp_path / "examples" / "a").mkdir(parents=True)
    (told,) = demo.shown(settings, url)
    assert "is not as it was" in told
    (tmp_path / "examples" / "questions.json").write_text('{"try": []}')
    (tmp_path / "examples" / "a" / "b.jsonl").write_text('{"content": "a"}')
    (told,) = demo.shown(settings, url)
    assert told.startswith("demo: UNREACHABLE: nobody answers")


@pytest.mark.parametrize("word", ["plain", "two words", "it's", 'say "it\'s"', "$HOME's", "a\\b's", "`x`'s", "!1's"])
def test_words_are_quoted_so_that_a_shell_takes_them_back(word: str) -> None:
    """Whatever is in them."""
    told = subprocess.run(["sh", "-c", f"printf %s {quoted(word)}"], capture_output=True, text=True, check=True)
    assert told.stdout == word
