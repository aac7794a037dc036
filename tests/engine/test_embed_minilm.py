"""MiniLM: what its vectors mean, that they depend on the text alone, and that nothing damaged is ever asked."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.embed import minilm
from engine.embed.minilm import VOCABULARY, WEIGHTS, MiniLM
from memql.errors import Refusal
from tests.model import MODEL, needs_model

WORDS = "the boat that we hired leaks, so the crossing has to wait until somebody mends its old pump".split()


@pytest.fixture(scope="module")
def model() -> MiniLM:
    opened = MiniLM.open(MODEL, threads=1)
    assert isinstance(opened, MiniLM), opened
    return opened


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """pytest would keep 90 MB a test, of three runs."""
    yield
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A directory of the model that may be spoiled."""
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns(".*"))
    return folder


def embedded(model: MiniLM, *texts: str) -> NDArray[np.float32]:
    vectors = model.embed(texts)
    assert not isinstance(vectors, Refusal), vectors
    return vectors


def code(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    return answer.problems[0].code


@needs_model
def test_what_means_the_same_is_near(model: MiniLM) -> None:
    """And what has nothing in common is not: padding that counted would bring all texts together."""
    tea, green, pump, pumps = embedded(
        model,
        "Ada only drinks tea.",
        "No coffee for Ada, she has tea.",
        "The pump leaks.",
        "Water comes out of the pump.",
    )
    assert tea @ green > 0.7
    assert pump @ pumps > 0.6
    assert abs(tea @ pump) < 0.15


@needs_model
def test_vectors_are_unit_and_in_order(model: MiniLM) -> None:
    """However long each text is, and however many there are."""
    texts = [" ".join(WORDS[: 1 + n % len(WORDS)]) + f" {n}" for n in range(90)]
    vectors = embedded(model, *texts)
    assert vectors.shape == (90, model.width)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for place in (0, 17, 89):
        assert np.array_equal(vectors[place], embedded(model, texts[place])[0])
    assert embedded(model).shape == (0, model.width)


@needs_model
def test_a_text_has_one_vector_whatever_it_comes_with(model: MiniLM) -> None:
    """To the last bit: alone, in a batch, in a batch of another size, on two threads."""
    texts = [f"{WORDS[n % 17]} {WORDS[n % 13]} {WORDS[n % 11]}" for n in range(40)]
    together = embedded(model, *texts)
    alone = np.concatenate([embedded(model, text) for text in texts])
    halves = np.concatenate([embedded(model, *texts[:7]), embedded(model, *texts[7:])])
    threaded = embedded(MiniLM(MODEL, threads=2), *texts)
    assert np.array_equal(together, alone)
    assert np.array_equal(together, halves)
    assert np.array_equal(together, threaded)


@needs_model
def test_the_beginning_of_a_long_text_counts(model: MiniLM) -> None:
    """256 tokens of it; a text of any length is taken, and takes no longer for its length."""
    long = " ".join(WORDS * 100)
    whole, cut, short, vast = embedded(model, long, " ".join(WORDS * 20), " ".join(WORDS * 5), long * 1_000)
    assert np.array_equal(whole, cut)
    assert np.array_equal(whole, vast)
    assert not np.array_equal(whole, short)


@needs_model
@pytest.mark.parametrize("text", ["", "  \n\t", "\x00", "\ud800", "\N{ZERO WIDTH SPACE}", "🫖" * 400, "x" * 5_000])
def test_any_text_is_taken(model: MiniLM, text: str) -> None:
    """Also one without words, one that is no Unicode, and one that is a single endless word."""
    vectors = embedded(model, text, "tea")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@needs_model
def test_many_threads_load_it_once() -> None:
    """And each gets its own answers."""
    shared = MiniLM(MODEL, threads=1)
    assert shared.state == "loading"
    texts = [f"{word} and {other}" for word in WORDS for other in WORDS[:4]]
    with ThreadPoolExecutor(8) as pool:
        rows: Sequence[NDArray[np.float32]] = list(pool.map(lambda text: embedded(shared, text)[0], texts))
    assert np.array_equal(np.stack(rows), embedded(shared, *texts))
    assert (shared.state, shared.problem) == ("ready", None)


def test_nothing_installed_is_a_refusal_with_a_way_on(tmp_path: Path) -> None:
    """The same when it is opened and when it is used."""
    assert code(MiniLM.open(tmp_path)) == "EMBEDDER_MISSING"
    refusal = MiniLM(tmp_path).embed(["tea"])
    assert code(refusal) == "EMBEDDER_MISSING"
    assert str(refusal) == (f"EMBEDDER_MISSING at {tmp_path}: no embedder is installed (run `memql embedder install`)")


@needs_model
def test_what_is_installed_meanwhile_is_found(tmp_path: Path) -> None:
    """Without starting anew."""
    model = MiniLM(tmp_path)
    assert code(model.warm()) == "EMBEDDER_MISSING"
    assert model.problem
    for name in (WEIGHTS, VOCABULARY):
        (tmp_path / name).symlink_to(MODEL / name)
    assert model.warm() is None
    assert model.state == "ready"


@needs_model
@pytest.mark.parametrize("name", [WEIGHTS, VOCABULARY])
def test_one_flipped_bit_is_found(copy: Path, name: str) -> None:
    """Wherever it is: each file has its digest."""
    with (copy / name).open("r+b") as file:
        file.seek(-100, 2)
        byte = file.read(1)
        file.seek(-100, 2)
        file.write(bytes([byte[0] ^ 1]))
    model = MiniLM.open(copy)
    assert isinstance(model, MiniLM)
    assert code(model.warm()) == "EMBEDDER_DAMAGED"
    assert code(model.embed(["tea"])) == "EMBEDDER_DAMAGED"
    assert f"{name} is not the published file" in str(model.problem)


@needs_model
def test_a_file_cut_short_is_found_at_once(copy: Path) -> None:
    """By its size, before anything is loaded."""
    with (copy / WEIGHTS).open("r+b") as file:
        file.truncate(1_000)
    assert code(MiniLM.open(copy)) == "EMBEDDER_DAMAGED"


@needs_model
@pytest.mark.parametrize(("table", "by"), [("BEGINNINGS", 2e-4), ("COSINES", 2e-4), ("BEGINNINGS", float("nan"))])
def test_a_runtime_that_reckons_otherwise_is_found(monkeypatch: pytest.MonkeyPatch, table: str, by: float) -> None:
    """Known sentences must get their known vectors."""
    rows = [list(row) for row in getattr(minilm, table)]
    rows[2][3] += by
    monkeypatch.setattr(minilm, table, rows)
    refusal = MiniLM(MODEL).warm()
    assert code(refusal) == "EMBEDDER_DAMAGED"
    assert "sentences with known vectors get others" in str(refusal)


@needs_model
def test_a_machine_without_the_runtime_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a sentence, with what else there is."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert code(MiniLM(MODEL).warm()) == "EMBEDDER_UNSUPPORTED"


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    """Whoever only chooses an embedder pays for none."""
    seen = "import sys, server.embedding, engine.embed.minilm, engine.embed.remote, engine.embed.install; "
    seen += "print(sorted({'onnxruntime', 'tokenizers', 'openai', 'httpx2'} & set(sys.modules)))"
    command, root = [sys.executable, "-c", seen], Path(__file__).parents[2]
    told = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert told.stdout == "[]\n", told.stderr
