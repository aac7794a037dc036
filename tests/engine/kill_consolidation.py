"""Kills a process that takes in a conversation and makes memories of it, again and again until it is through with it.

    python -m tests.engine.kill_consolidation --trials 50

In the end there are the same memories as after a run that nobody disturbed, once each: the same texts, authors and
times, each behind the same one in its stream, with the same sources, names and neighbours, and the same vectors,
however the events were cut into batches. Every trial takes batches of another size. With MiniLM where it is installed,
else with a small embedder of the tests' own.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import structlog
from platformdirs import user_data_path

from engine.clock import SystemClock
from engine.commands import Principal
from engine.decide.view import ItemState
from engine.embed import Embedder
from engine.embed.minilm import MiniLM
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.recovery import verify
from engine.tenant import Tenant
from memql.errors import Refusal
from tests.engine.conversation import conversation
from tests.engine.embedders import WordHashes

ADMIN = Principal("root", admin=True)
PATIENCE = 120
"""Seconds that a child may take for all of it."""


def embedder() -> Embedder:
    found = MiniLM.open(user_data_path("memql", appauthor=False) / "models" / "all-minilm-l6-v2")
    return WordHashes() if isinstance(found, Refusal) else found


def opened(directory: Path, batch: int, model: Embedder | None, *, consolidate: bool) -> Tenant:
    limits = Limits(
        consolidation_events=batch, consolidation_gather_ms=batch % 7, wait_ms=PATIENCE * 1000,
        seal_records=60, text_commit_ms=20, graph_gather_ms=5,
    )  # fmt: skip
    tenant = Tenant.open(
        "trial", directory, clock=SystemClock(), limits=limits, embedder=model, consolidate=consolidate
    )
    assert isinstance(tenant, Tenant), tenant
    return tenant


def work(directory: Path, events: int, batch: int, model: Embedder) -> None:
    """Takes in what is not there yet, and waits until all of it is consolidated."""
    tenant = opened(directory, batch, model, consolidate=True)
    for number, (command, by) in enumerate(conversation(events)):
        answer = tenant.write_now(command, by, f"conversation {number}")
        assert isinstance(answer, Receipt), answer
    reached = tenant.read_now(lambda reader: reader.position, ADMIN, consolidated=True)
    assert isinstance(reached, int), reached
    tenant.close()


def picture(directory: Path) -> dict[str, Any]:
    """What there is in the end, told without ids."""
    found = verify(directory)
    assert found.sound, found
    assert found.index_fits
    tenant = opened(directory, 1, None, consolidate=False)
    try:
        assert tenant.settled(PATIENCE), tenant.statuses()
        seen = tenant.read_now(_seen, ADMIN, valid_at=None)
        assert isinstance(seen, dict), seen
        return seen
    finally:
        tenant.close()


def _seen(reader: Reader) -> dict[str, Any]:
    events, memories, entities = (_all(reader, kind) for kind in ("Event", "Memory", "Entity"))
    streams = {state.root: state.properties["name"] for state in _all(reader, "Stream")}
    names: dict[int, object] = {state.root: (state.properties["external_key"]) for state in events}
    names |= {state.root: f"memory of {_event_of(reader, state)}" for state in memories}
    names |= {state.root: f"{state.domain}: {state.properties['name']}" for state in entities}
    vectors = {dense: (model, data) for dense, model, data in reader.vectors.dump()}
    state = reader.scope.columns.state
    return {
        "events": Counter((streams[each.stream], each.properties["external_key"]) for each in events),
        "memories": sorted(
            (
                names[each.root], streams[each.stream], each.owner, each.domain, each.valid_from, each.version,
                {name: value for name, value in each.properties.items() if name != "external_key"},
                _links(reader, each, names), vectors.get(each.dense),
            )
            for each in memories
        ),
        "entities": sorted(
            (each.owner, each.domain, each.valid_from if "external_key" in each.properties else 0,
             sorted(map(str, each.properties.items())), _links(reader, each, names))
            for each in entities
        ),
        "noise": {names[root]: flag for root, flag in state.get("noise", {}).items()},
        "consolidated": {streams[root]: names[int(dense)] for root, dense in state.get("consolidated", {}).items()},
        "relations": Counter(reader.scope.columns.names[kind] for kind in reader.adjacency.column("kind")[1:].tolist()),
    }  # fmt: skip


def _all(reader: Reader, kind: str) -> list[ItemState]:
    found = reader.page([kind], limit=1_000)
    assert isinstance(found, list), found
    return found


def _event_of(reader: Reader, memory: ItemState) -> object:
    event = reader.index.item(str(memory.properties["external_key"]))
    assert event
    return event.properties["external_key"]


def _links(reader: Reader, item: ItemState, names: dict[int, object]) -> list[tuple[str, str, float]]:
    steps = reader.expand([item.root], "out")
    assert not isinstance(steps, Refusal)
    relations = reader.relations(steps.rows.tolist())
    assert all(relation.valid_from == item.valid_from for relation in relations)
    return sorted((relation.kind, str(names[relation.target]), round(relation.weight, 4)) for relation in relations)


def trial(directory: Path, events: int, chance: random.Random, longest: float, most: int) -> int:
    """One conversation, killed until it is taken in and consolidated, or so often. Returns how often."""
    kills, batch = 0, chance.choice((1, 3, 8, 20, 64))
    while True:
        command = [
            sys.executable, "-m", "tests.engine.kill_consolidation",
            "--child", str(directory), "--events", str(events), "--batch", str(batch),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        try:
            process.wait(chance.uniform(0, longest) if kills < most else PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        problems = process.stderr.read().decode()
        process.stdout.close()
        process.stderr.close()
        if process.returncode == 0:
            return kills
        assert process.returncode == -signal.SIGKILL, problems


def run(
    trials: int, seed: int, *, events: int = 300, longest: float = 5.0, most: int = 20
) -> tuple[int, dict[str, Any], list[str]]:
    """Runs the trials. Returns the kills, what an undisturbed run leaves, and the problems found."""
    chance = random.Random(seed)
    problems: list[str] = []
    kills = 0
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        work(Path(folder), events, 128, embedder())
        expected = picture(Path(folder))
    for number in range(trials):
        directory = Path(tempfile.mkdtemp(prefix="kill-"))
        killed = trial(directory, events, chance, longest, most)
        kills += killed
        found = picture(directory)
        wrong = [name for name in expected if found[name] != expected[name]]
        say(f"trial {number + 1}/{trials}: killed {killed} times, {len(found['memories'])} memories"
            + (f", WRONG: {', '.join(wrong)}; kept in {directory}" if wrong else ""))  # fmt: skip
        if wrong:
            problems.append(f"trial {number + 1}: {wrong}, in {directory}")
        else:
            shutil.rmtree(directory)
    return kills, expected, problems


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=64, help=argparse.SUPPRESS)
    given = parser.parse_args()
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(40),
    )
    if given.child:
        say("begins")
        work(given.child, given.events, given.batch, embedder())
        return 0
    say(f"seed {given.seed}, embedder {embedder().model}")
    kills, expected, problems = run(given.trials, given.seed, events=given.events)
    say(f"{given.trials} trials, {kills:,} kills, {len(expected['memories'])} memories, {dict(expected['relations'])}")
    say(f"problems: {problems or 'none'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
