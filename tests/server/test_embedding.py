"""Which embedder the settings choose, how it says that it is, and the commands that look after it."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from engine.clock import SystemClock
from engine.embed.minilm import FILES, WEIGHTS, MiniLM
from engine.embed.remote import OPENAI, Remote
from memql.errors import Refusal
from server import telemetry
from server.cli import app
from server.commands.options import Exit
from server.embedding import Readiness, chosen, readiness, warm
from server.settings import Settings
from tests.engine.embedding_api import WIDTH, Api, served, status
from tests.model import MODEL, needs_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands read the environment of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("MEMQL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def api() -> Iterator[Api]:
    with served() as serving:
        yield serving


def settings(embedder: str = "auto", **embedding: Any) -> Settings:
    return Settings.model_validate({"embedder": embedder, "embedding": embedding})


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@needs_model
def test_auto_is_minilm_where_it_is_installed() -> None:
    """And it is ready when it is warm."""
    told = settings(minilm_directory=MODEL)
    embedder = chosen(told, SystemClock())
    assert isinstance(embedder, MiniLM)
    assert readiness(told, embedder) == Readiness(embedder.model, "loading")
    assert warm(embedder) is None
    assert readiness(told, embedder) == Readiness(embedder.model, "ready")


def test_auto_is_none_elsewhere_and_says_how_to_get_one(tmp_path: Path) -> None:
    """None that was asked for has nothing to say."""
    told = settings(minilm_directory=tmp_path)
    assert chosen(told, SystemClock()) is None
    problem = "no embedder is installed: run `memql embedder install`"
    assert readiness(told, None) == Readiness(None, "none", problem)
    assert chosen(settings("none"), SystemClock()) is None
    assert readiness(settings("none"), None) == Readiness(None, "none")
    assert warm(None) is None


def test_one_that_was_named_is_never_passed_over(tmp_path: Path) -> None:
    """Nor is one that is there and damaged: texts kept without their vectors would be found by nobody."""
    told = settings("minilm", minilm_directory=tmp_path)
    embedder = chosen(told, SystemClock())
    assert embedder
    assert isinstance(warm(embedder), Refusal)
    found = readiness(told, embedder)
    assert (found.state, found.problem.partition(" ")[0]) == ("failed", "EMBEDDER_MISSING")
    (tmp_path / WEIGHTS).write_text("half")
    told = settings("auto", minilm_directory=tmp_path)
    embedder = chosen(told, SystemClock())
    assert isinstance(embedder, MiniLM)
    warm(embedder)
    assert readiness(told, embedder).problem.startswith("EMBEDDER_DAMAGED")


@pytest.mark.parametrize(
    ("url", "environ", "key"),
    [
        (OPENAI, {"OPENAI_API_KEY": "theirs"}, "theirs"),
        (f"{OPENAI}/", {"OPENAI_API_KEY": "theirs"}, "theirs"),
        (OPENAI, {"OPENAI_API_KEY": "theirs", "MEMQL_EMBEDDING_KEY": "ours"}, "ours"),
        ("http://127.0.0.1:9/v1", {"OPENAI_API_KEY": "theirs"}, ""),
        ("http://127.0.0.1:9/v1", {"MEMQL_EMBEDDING_KEY": "ours"}, "ours"),
    ],
)
def test_a_key_goes_only_where_it_belongs(url: str, environ: dict[str, str], key: str) -> None:
    """OpenAI's to OpenAI alone, whatever else is configured."""
    embedder = chosen(settings("openai", base_url=url), SystemClock(), environ)
    assert isinstance(embedder, Remote)
    assert embedder._key == key
    assert (embedder.width, embedder.model.partition("@")[0]) == (1_536, "openai/text-embedding-3-small")


def test_an_api_that_rests_is_not_ready(api: Api) -> None:
    """It is ready before it was ever asked: nothing is asked of it for this."""
    told = settings("openai", base_url=api.url, dimensions=WIDTH, attempts=1, breaker_failures=1)
    embedder = chosen(told, SystemClock(), {})
    assert isinstance(embedder, Remote)
    assert warm(embedder) is None
    assert readiness(told, embedder) == Readiness(embedder.model, "ready")
    assert not api.requests
    api.script.append(status(500))
    embedder.embed(["a"])
    assert readiness(told, embedder).state == "failed"
    embedder.close()


def test_texts_that_are_sent_are_not_logged(api: Api) -> None:
    """Not even where everything is."""
    stream = io.StringIO()
    telemetry.configure("json", "debug", stream)
    embedder = chosen(settings("openai", base_url=api.url, dimensions=WIDTH), SystemClock(), {})
    assert isinstance(embedder, Remote)
    assert isinstance(embedder.embed(["what Ada said"]), np.ndarray)
    embedder.close()
    logging.getLogger("memql").debug("the end")
    assert "the end" in stream.getvalue()
    assert "Ada" not in stream.getvalue()


# The commands


@needs_model
def test_install_from_a_folder_then_look_then_try(tmp_path: Path) -> None:
    """Standard output is the directory alone, for scripts; what is done is said beside it."""
    brought, target = tmp_path / "brought", tmp_path / "models" / "minilm"
    brought.mkdir()
    for name in FILES:
        (brought / name).symlink_to(MODEL / name)
    there = ["--set", f"embedding.minilm_directory={target}"]
    told = run("embedder", "install", "--from", brought, *there)
    assert told.exit_code == Exit.OK, told.output
    assert told.stdout.splitlines() == [str(target)]
    assert "MiniLM: unpacking model.safetensors (91 MB)" in told.stderr
    assert "MiniLM is installed in" in told.stderr
    told = run("embedder", "install", *there)
    assert (told.exit_code, told.stderr) == (Exit.OK, "MiniLM is installed.\n")

    told = run("embedder", "status", *there, "--format", "json")
    (row,) = json.loads(told.stdout)
    assert row == {
        "embedder": "auto", "state": "ready", "model": "all-minilm-l6-v2@53aa51172d14", "width": 384, "at": str(target),
    }  # fmt: skip

    told = run("embedder", "try", "Ada drinks tea", "tea is what Ada has", "the pump leaks", *there, "--format", "json")
    rows = json.loads(told.stdout)
    assert rows[0]["text"] == "Ada drinks tea"
    assert rows[0]["1"] == 1
    assert rows[0]["2"] > 0.7
    assert rows[0]["3"] < 0.3
    for path in (*target.iterdir(), *brought.iterdir()):
        path.unlink()  # pytest would keep them


def test_install_that_fails_says_why_and_where(tmp_path: Path) -> None:
    """The directory all the same: whoever watches it sees when it was installed after all."""
    there = ["--set", f"embedding.minilm_directory={tmp_path / 'models'}"]
    told = run("embedder", "install", "--from", tmp_path / "away", *there)
    assert told.exit_code == Exit.FAILED
    assert told.stdout == f"{tmp_path / 'models'}\n"
    assert "memql: EMBEDDER_STRANGE" in told.stderr


@pytest.mark.parametrize("embedder", ["none", "openai"])
def test_install_where_it_is_not_wanted(tmp_path: Path, embedder: str) -> None:
    """Nothing is brought, and nothing said."""
    words = ["embedder", "install", "--wanted", "--set", f"embedder={embedder}"]
    told = run(*words, "--set", f"embedding.minilm_directory={tmp_path}")
    assert (told.exit_code, told.output) == (Exit.OK, "")
    assert not list(tmp_path.iterdir())


def test_status_and_try_without_one(tmp_path: Path) -> None:
    """What is missing, and how to get it; none that was asked for is no problem."""
    there = ["--set", f"embedding.minilm_directory={tmp_path}"]
    told = run("embedder", "status", *there)
    assert told.exit_code == Exit.FAILED
    assert told.stderr == "memql: no embedder is installed: run `memql embedder install`\n"
    told = run("embedder", "try", "a", "b", *there)
    assert told.exit_code == Exit.FAILED
    assert told.stderr == "memql: no embedder is installed: run `memql embedder install`\n"
    assert run("embedder", "status", "--set", "embedder=none").exit_code == Exit.OK
    told = run("embedder", "try", "a", "b", "--set", "embedder=none")
    assert told.stderr == "memql: there is no embedder: the setting `embedder` is none\n"


def test_try_asks_the_api_that_is_configured(api: Api) -> None:
    """And ends with its refusal, in our words."""
    told = ["--set", "embedder=openai", "--set", f"embedding.base_url={api.url}"]
    told += ["--set", f"embedding.dimensions={WIDTH}"]
    rows = json.loads(run("embedder", "try", "a", "b", "cc", *told, "--format", "json").stdout)
    assert [row["1"] for row in rows] == [1, 1, 0]
    api.script.append(status(401))
    answer = run("embedder", "try", "a", *told)
    assert answer.exit_code == Exit.FAILED
    assert "EMBEDDER_KEY" in answer.stderr


@pytest.mark.parametrize(
    "words", [["--help"], ["embedder", "--help"], ["settings"], ["embedder", "install", "--wanted"]]
)
def test_no_command_pays_for_a_model_that_it_does_not_use(words: list[str], tmp_path: Path) -> None:
    """Importing one takes half a second."""
    code = "import sys; from typer.testing import CliRunner; from server.cli import app; "
    code += f"print(CliRunner().invoke(app, {words!r}).exit_code); "
    code += "print(sorted({'onnxruntime', 'tokenizers', 'openai', 'httpx2'} & set(sys.modules)))"
    environ = {"MEMQL_EMBEDDER": "none", "HOME": str(tmp_path), "PATH": ""}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, check=False, capture_output=True, text=True
    )
    assert told.stdout == "0\n[]\n", told.stderr
