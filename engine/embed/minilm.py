"""MiniLM: a small model of English sentences, on this machine, without a network or PyTorch. The only file that knows
ONNX Runtime and tokenizers.

A text's first 256 tokens make its vector of 384 numbers. The same text has the same vector to the last bit, whatever
texts it is embedded with and on however many threads, so that replayed and live never differ in it; another processor
may differ in the last bits. A text without words has the vector that the model gives to nothing.

Only the published files are taken, each known by its digest, and at every load a few sentences are embedded whose
vectors are known: ONNX Runtime, the tokenizer and this file must still fit together, or nothing is embedded at all.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.embed import layers
from memql.errors import Problem, Reason, Refusal, unavailable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions
    from tokenizers import Tokenizer

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Published:
    """A file of the model, as it was published."""

    bytes: int
    sha256: str


WEIGHTS, VOCABULARY = "model.safetensors", "tokenizer.json"
FILES: Final = {
    WEIGHTS: Published(90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    VOCABULARY: Published(466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
}
NAME = "all-minilm-l6-v2"

TOKENS = 256
"""Tokens of a text that count: what the model was trained on."""
CHARACTERS = 32_768
"""Characters that are looked at for them. Ordinary text has fewer than 2,000 in 256 tokens."""
BATCH_TEXTS, BATCH_TOKENS = 32, 1_024
"""Texts, and their tokens, that are embedded at once: more are no faster, and 8,192 tokens would take 300 MB."""
THREADS = 4
"""Processors that are used where none are named: the model is small, and others work here too."""

# Three sentences of 13, 13 and 14 tokens and one of 15, the beginnings of their vectors, and their cosines.
SENTENCES = (
    "Ada moved to Lisbon in the spring of 2023.",
    "In spring 2023 Ada went to live in Lisbon.",
    "Crème brûlée für ZOË, 日本語!",
    "The pump's sensor reads 4.2 bar since Monday.",
)
BEGINNINGS = (
    (-0.00943, -0.09490, -0.00824, 0.04707, -0.02460, 0.02533),
    (-0.01261, -0.03232, 0.00371, 0.04676, -0.04637, 0.03435),
    (-0.02042, 0.00447, 0.10531, -0.08450, -0.07498, 0.03253),
    (0.03871, -0.00124, 0.05545, -0.03393, 0.01284, -0.03603),
)
COSINES = (
    (1.00000, 0.92741, -0.00551, 0.10108),
    (0.92741, 1.00000, -0.00664, 0.07111),
    (-0.00551, -0.00664, 1.00000, 0.01451),
    (0.10108, 0.07111, 0.01451, 1.00000),
)
TOLERANCE = 1e-4
"""A thousand times what processors differ by, a hundredth of what a wrong token makes."""

ANEW = "run `memql embedder install`, then start again"


class MiniLM:
    """The model of one directory. Cheap to make: it is loaded when it is first needed, once. Any thread."""

    model = f"{NAME}@{FILES[WEIGHTS].sha256[:12]}"
    width = layers.WIDTH
    digest = FILES[WEIGHTS].sha256

    def __init__(self, directory: Path, threads: int = 0) -> None:
        """`threads` work on each batch; 0 takes what this process may use, up to THREADS."""
        self.directory = directory
        self._threads = threads or min(THREADS, _processors())
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._problem: Refusal | None = None

    @classmethod
    def open(cls, directory: Path, threads: int = 0) -> "MiniLM | Refusal":
        """Looks only whether the files are there, and whole by their sizes."""
        return missing(directory) or cls(directory, threads)

    @property
    def there(self) -> bool:
        """Whether its weights are in the directory, be they damaged: that is to be mended, not passed over."""
        return (self.directory / WEIGHTS).exists()

    @property
    def state(self) -> Literal["loading", "ready", "failed"]:
        """Loading also before anyone asked for it: it is one and the same to who waits."""
        return "ready" if self._loaded else "failed" if self._problem else "loading"

    @property
    def problem(self) -> Refusal | None:
        """Why it could not be loaded."""
        return self._problem

    def warm(self) -> Refusal | None:
        """Loads it, if it isn't."""
        loaded = self._load()
        return loaded if isinstance(loaded, Refusal) else None

    def embed(self, texts: Sequence[str]) -> Vectors | Refusal:
        loaded = self._load()
        return loaded if isinstance(loaded, Refusal) else loaded.embed(texts)

    def _load(self) -> "_Loaded | Refusal":
        if self._loaded:
            return self._loaded
        with self._lock:
            if self._loaded:
                return self._loaded
            # What is missing may be installed while this runs; what is damaged stays so until it is.
            if not self._problem or self._problem.problems[0].code == "EMBEDDER_MISSING":
                found = missing(self.directory) or _loaded(self.directory, self._threads)
                self._problem = found if isinstance(found, Refusal) else None
                self._loaded = None if isinstance(found, Refusal) else found
            return self._loaded or self._problem or _missing(self.directory)


class _Loaded:
    """The model in memory: some 60 MB of it its own, the table of words mapped from the file."""

    def __init__(self, session: "InferenceSession", tokenizer: "Tokenizer") -> None:
        self._session = session
        self._tokenizer = tokenizer

    def embed(self, texts: Sequence[str]) -> Vectors | Refusal:
        # One by one: the tokenizer's own threads gain nothing here, and do not survive a fork.
        tokens = [self._tokenizer.encode(_clean(text)).ids for text in texts]
        vectors = np.empty((len(tokens), layers.WIDTH), np.float32)
        for batch in _batches(tokens):
            ids = np.array([tokens[place] for place in batch], np.int64)
            try:
                (rows,) = self._session.run(None, {"ids": ids})
            except Exception:  # ONNX Runtime's exceptions have no class of their own
                return unavailable("EMBEDDER_FAILED", "the model could not embed a text", "is there memory left?")
            # Not in the graph: see there.
            means = rows.reshape(*ids.shape, layers.WIDTH).mean(axis=1)
            vectors[batch] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors


def _batches(tokens: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Places of texts with equally many tokens, the short ones first."""
    by_length: dict[int, list[int]] = {}
    for place, ids in enumerate(tokens):
        by_length.setdefault(len(ids), []).append(place)
    for length, places in sorted(by_length.items()):
        step = max(1, min(BATCH_TEXTS, BATCH_TOKENS // length))
        yield from (places[at : at + step] for at in range(0, len(places), step))


def _clean(text: str) -> str:
    """Half a surrogate pair is no character, and no tokenizer takes one."""
    return text[:CHARACTERS].encode("utf-8", "replace").decode()


def _loaded(directory: Path, threads: int) -> "_Loaded | Refusal":
    for name in FILES:
        if refusal := unlike(directory / name, name):
            return refusal
    try:
        import onnxruntime
        import tokenizers
    except ImportError:
        what = "ONNX Runtime and tokenizers can't be loaded on this machine"
        return unavailable("EMBEDDER_UNSUPPORTED", what, "set `embedder` to none, or to openai")
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(directory / VOCABULARY))
        tokenizer.no_padding()
        tokenizer.enable_truncation(TOKENS)
        # ONNX Runtime follows no link out of the folder that it is given; model hubs keep links.
        weights = (directory / WEIGHTS).resolve()
        session = onnxruntime.InferenceSession(
            layers.graph(weights), _options(weights.parent, threads), providers=["CPUExecutionProvider"]
        )
    except Exception:  # neither package has a class for what it raises
        return damaged("it can't be loaded")
    loaded = _Loaded(session, tokenizer)
    return _unknown(loaded) or loaded


def _options(folder: Path, threads: int) -> "SessionOptions":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Waiting threads would spin, and take the processors from everyone else here.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    # An arena keeps the most that was ever used; batches differ in shape, so no pattern of them comes again.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 4
    return options


def _unknown(loaded: _Loaded) -> Refusal | None:
    """Whether known sentences get their known vectors."""
    vectors = loaded.embed(SENTENCES)
    if isinstance(vectors, Refusal):
        return vectors
    off = max(
        np.abs(vectors[:, : len(BEGINNINGS[0])] - np.array(BEGINNINGS)).max(),
        np.abs(vectors @ vectors.T - np.array(COSINES)).max(),
    )
    # Not `off > TOLERANCE`: it may be no number.
    return None if off <= TOLERANCE else damaged("sentences with known vectors get others")


def missing(directory: Path) -> Refusal | None:
    """Whether a file of the model is not there, or not as long as it must be."""
    for name, published in FILES.items():
        try:
            size = (directory / name).stat().st_size
        except OSError:
            return _missing(directory)
        if size != published.bytes:
            return damaged(f"{directory / name} has {size:,} bytes in place of {published.bytes:,}")
    return None


def unlike(file: Path, name: str) -> Refusal | None:
    """Whether a file is not, byte for byte, the published one of that name. 90 MB take 0.1 s."""
    try:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return damaged(f"{file} can't be read")
    return None if found == FILES[name].sha256 else damaged(f"{file} is not the published file")


def damaged(what: str) -> Refusal:
    return unavailable("EMBEDDER_DAMAGED", f"the embedder is not usable: {what}", ANEW)


def _missing(directory: Path) -> Refusal:
    hint = "run `memql embedder install`"
    return Refusal(Reason.UNAVAILABLE, (Problem("EMBEDDER_MISSING", "no embedder is installed", str(directory), hint),))


def _processors() -> int:
    """Those that this process may use; not every system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
