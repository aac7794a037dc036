"""How figures are taken and told: process CPU, medians, ratios to a floor that was measured in the same run."""

import os

# numpy's own threads wait by spinning, which would count as work on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from engine.clock import SystemClock
from engine.commands import Principal
from engine.limits import Limits
from engine.tenant import Tenant

ME = Principal("usr_bench")
CLOCK = SystemClock()
WORDS = [f"word{n}" for n in range(5_000)]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def verdict(name: str, ours: float, floor: float, most: float, unit_: str) -> None:
    ratio = ours / floor
    mark = "ok" if ratio <= most else "OVER"
    say(f"  {name}: {ours:.3f} {unit_} against {floor:.3f} {unit_} = {ratio:.2f}x (at most {most}x) {mark}")


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def opened(path: Path, limits: Limits | None = None) -> Tenant:
    tenant = Tenant.open("bench", path, clock=CLOCK, limits=limits or Limits())
    assert isinstance(tenant, Tenant), tenant
    return tenant


def median_cpu(work: Callable[[], object], times: int) -> float:
    """Milliseconds of process CPU, the median of so many runs."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken) * 1e3


def text(chance: np.random.Generator, words: int = 16) -> str:
    return " ".join(WORDS[n] for n in chance.zipf(1.3, words) % len(WORDS))
