"""The same journal gives the same answers: whatever became of the stores, on either graph engine, and then as now."""

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.memql.answers import always_asked, answers
from tests.memql.worlds import EVERYBODY, fill, grow, opened

EXAMPLES = int(os.environ.get("MEMQL_EXAMPLES", "10"))
ROOT = Path(__file__).parents[2]
STORES = ("graph.kuzu", "vectors", "text")

laws = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


@pytest.fixture(autouse=True, scope="module")
def asking() -> Iterator[None]:
    with always_asked():
        yield


@laws
@given(st.integers(0, 2**32))
def test_a_tenant_made_anew_answers_as_it_did(seed: int) -> None:
    """Every store deleted, and the tenant opened again: the journal alone says what is."""
    chance = random.Random(seed)
    by = chance.choice(EVERYBODY)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "t"
        with opened(directory) as tenant:
            fill(tenant, chance, 12)
            live = answers(tenant, seed, by)
        for name in STORES:
            for path in directory.glob(f"{name}*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        with opened(directory) as tenant:
            assert tenant.settled(60), tenant.statuses()
            assert answers(tenant, seed, by) == live


@laws
@given(st.integers(0, 2**32))
def test_the_past_answers_as_it_did(seed: int) -> None:
    """AS OF any position that was, whatever was written since; only erasure reaches back."""
    chance = random.Random(seed)
    by = chance.choice(EVERYBODY)
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "t") as tenant:
        fill(tenant, chance, erasing=False)
        then = {tenant.position: answers(tenant, seed, by)}
        for _ in range(2):
            grow(tenant, chance, erasing=False)
            then[tenant.position] = answers(tenant, seed, by)
        for position, said in then.items():
            assert answers(tenant, seed, by, as_of=position) == said


@pytest.mark.skipif(importlib.util.find_spec("ladybug") is None, reason="Ladybug is not installed")
@pytest.mark.timeout(600)
def test_both_graph_engines_answer_the_same() -> None:
    """Each in a process of its own, over the same journals."""
    for seed in range(max(2, EXAMPLES // 5)):
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder) / "t"
            with opened(directory) as tenant:
                fill(tenant, random.Random(seed), 25)
            said = [_asked(directory, seed, engine) for engine in ("kuzu", "ladybug")]
            assert said[0] == said[1]
            assert len(said[0]) > 30


def _asked(directory: Path, seed: int, engine: str) -> list[str]:
    command = [sys.executable, "-m", "tests.memql.answers", str(directory), str(seed), engine]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    (line,) = [each for each in done.stdout.splitlines() if each.startswith("ANSWERS ")]
    found: list[str] = json.loads(line.removeprefix("ANSWERS "))
    return found
