"""Kills a process that writes to a tenant, again and again, and looks whether anything acknowledged was lost.

    python -m tests.engine.kill --trials 200

Each trial starts a child with eight writers, rebuilds, seals and group commits going on, kills it with SIGKILL at a
random moment, and opens what is left. Every acknowledgement was noted by this process. Then: none is lost, none is
doubled, the chain verifies, and every store answers as it does when rebuilt from the journal.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path

import orjson
import structlog

from engine.clock import SystemClock
from engine.commands import (
    COMMANDS,
    Command,
    Curate,
    DeclareKind,
    Embedding,
    EraseItem,
    EventInput,
    FoldState,
    Link,
    MeetEntity,
    NameEntity,
    Principal,
    PropertyInput,
    RecordEvents,
    Relate,
    Remember,
    RetireItem,
    ReviseItem,
    SetGoal,
    StateInput,
    SupersedeItem,
    parse,
)
from engine.limits import Limits
from engine.records import Receipt, Record, unseal
from engine.recovery import verify
from engine.tenant import Tenant
from memql.errors import Refusal

WRITERS = 8
LIMITS = Limits(seal_records=40, text_commit_ms=20, graph_gather_ms=5, text_commit_documents=50, apply_records=64)
"""Small, so that seals, checkpoints and commits of the stores happen within a trial."""

WORDS = "tea coffee river stone paper lamp winter garden letter train music bread".split()


def principal(writer: int) -> Principal:
    return Principal(f"usr_{writer}")


def commands(writer: int, chance: random.Random) -> Generator[Command, Sequence[str], None]:
    """Mixed writing that never ends; it learns ids through `send`."""
    known: list[str] = []
    number = 0
    while True:
        number += 1
        text = " ".join(chance.choices(WORDS, k=6))
        vector = Embedding(model="toy", vector=tuple(chance.gauss(0, 1) for _ in range(8)))
        draw = chance.random()
        target = chance.choice(known) if known else None
        if draw < 0.35 or target is None:
            given = tuple(EventInput(content=f"{text} {n}", role="user") for n in range(chance.randint(1, 4)))
            command: Command = RecordEvents(stream=f"s{writer}", events=given)
        elif draw < 0.60:
            command = Remember(text=text, embedding=vector, links=(Link(kind="DERIVED_FROM", target=target),))
        elif draw < 0.72:
            command = ReviseItem(id=target, set={"text": f"{text} again"}, embedding=vector)
        elif draw < 0.82:
            command = Relate(source=chance.choice(known), kind=chance.choice(["ABOUT", "SAME_AS"]), target=target)
        elif draw < 0.86:
            steps = (
                Remember(text=text, embedding=vector, reason=text),
                MeetEntity(entity=NameEntity(name=chance.choice(WORDS), owner=principal(writer).id)),
                Relate(source="@0", kind="ABOUT", target="@1"),
                ReviseItem(id="@0", set={"importance": 0.5}),
                SupersedeItem(id=target, by="@0"),
            )
            command = Curate(statement=f"{text} {number}", read_at=0, last_dense=0, read=(), steps=steps)
        elif draw < 0.88:
            command = SetGoal(title=text, priority=number)
        elif draw < 0.93:
            command = FoldState(items=(StateInput(id=target, add={"access_count": 1}),))
        elif draw < 0.96:
            command = RetireItem(id=target)
        elif draw < 0.98:
            command = EraseItem(id=target)
        else:
            name = f"Kind{writer}x{number}"
            prefix = "".join(chance.choices("abcdefghijklmnop", k=10))
            command = DeclareKind(name=name, prefix=prefix, properties=(PropertyInput(name="n", type="integer"),))
        ids = yield command
        known = [*known, *ids][-40:]


def child(directory: Path, seed: int) -> None:
    """Writes until it is killed. Each acknowledgement is a line on standard output; nothing else may be."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    tenant = Tenant.open("trial", directory, clock=SystemClock(), limits=LIMITS)
    assert isinstance(tenant, Tenant), tenant
    out = threading.Lock()

    def write(writer: int) -> None:
        source = commands(writer, random.Random(seed * 100 + writer))
        command = next(source)
        for number in range(1_000_000):
            key = f"{seed}-{writer}-{number}"
            answer = tenant.write_now(command, principal(writer), key)
            ids = answer.ids if isinstance(answer, Receipt) else ()
            if isinstance(answer, Receipt):
                body = command.model_dump(mode="json")
                line = orjson.dumps([writer, key, answer.position, answer.ids, type(command).__name__, body])
                with out:
                    sys.stdout.buffer.write(line + b"\n")
                    sys.stdout.buffer.flush()
            command = source.send(ids)

    for writer in range(WRITERS):
        threading.Thread(target=write, args=(writer,), daemon=True).start()
    chance = random.Random(seed)
    while True:
        time.sleep(chance.uniform(0.05, 0.4))
        tenant.rebuild([chance.choice(["graph", "vectors", "texts"])])


def note(process: subprocess.Popen[bytes], acknowledged: list[list[object]]) -> None:
    assert process.stdout
    for line in process.stdout:
        if line.endswith(b"\n"):
            acknowledged.append(orjson.loads(line))


def answers(tenant: Tenant) -> dict[str, object]:
    """What the stores hold and answer."""
    assert tenant.settled(60), tenant.statuses()
    admin = Principal("root", admin=True)
    found: dict[str, object] = {
        "graph": tenant.graph.dump(),
        "vectors": tenant.vectors.dump(),
        "texts": tenant.texts.dump(),
    }
    for word in WORDS[:4]:
        hits = tenant.read_now(lambda reader, word=word: reader.search_text(word, limit=20), admin, needs=["texts"])  # type: ignore[misc]
        assert isinstance(hits, list), hits
        found[word] = [(hit.item.dense, round(hit.score, 4)) for hit in hits]
    return found


def asked(name: str, body: object) -> Command | Refusal:
    """The command again, as it was noted. A statement is known by its text, whatever it would do now."""
    if name == "Curate":
        assert isinstance(body, dict)
        return Curate(statement=body["statement"], read_at=0, last_dense=0, read=(), steps=())
    assert name in COMMANDS
    return parse(name, body)


def check(directory: Path, acknowledged: list[list[object]]) -> str:
    """What is wrong after a kill, or nothing."""
    found = verify(directory)
    if not found.sound:
        return f"the journal does not verify: {found}"
    tenant = Tenant.open("trial", directory, clock=SystemClock(), limits=LIMITS)
    if not isinstance(tenant, Tenant):
        return f"the tenant does not open: {tenant}"
    try:
        for writer, key, position, ids, name, body in acknowledged:
            assert isinstance(writer, int)
            assert isinstance(key, str)
            command = asked(str(name), body)
            again = tenant.write_now(command, principal(writer), key)  # type: ignore[arg-type]
            if not isinstance(again, Receipt) or not again.repeated:
                return f"lost: {key} at {position}: {again}"
            if [again.position, list(again.ids)] != [position, ids]:
                return f"changed: {key} at {position}: {again}"
        keys: Counter[bytes] = Counter()
        for sealed in tenant.journal.read(0, 10_000_000):
            record = unseal(sealed)
            assert isinstance(record, Record)
            keys[record.key] += 1
        if doubled := [key for key, count in keys.items() if key and count > 1]:
            return f"doubled: {len(doubled)} keys"
        live = answers(tenant)
        tenant.rebuild()
        rebuilt = answers(tenant)
        if wrong := [name for name in live if live[name] != rebuilt[name]]:
            return f"answers differ from a rebuild's: {wrong}"
    finally:
        tenant.close()
    return ""


def run(trials: int, seed: int, *, rounds: int = 8, longest: float = 2.5) -> tuple[int, Counter[str]]:
    """Runs the trials; `rounds` of them go on in one directory. Returns acknowledgements and problems found."""
    chance = random.Random(seed)
    problems: Counter[str] = Counter()
    total = 0
    for first in range(0, trials, rounds):
        directory = Path(tempfile.mkdtemp(prefix="kill-"))
        acknowledged: list[list[object]] = []
        for trial in range(first, min(first + rounds, trials)):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.engine.kill", "--child", str(directory), "--seed", str(seed + trial)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            reading = threading.Thread(target=note, args=(process, acknowledged))
            before = len(acknowledged)
            reading.start()
            deadline = time.monotonic() + 30
            while len(acknowledged) == before and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, longest))
            process.send_signal(signal.SIGKILL)
            process.wait()
            reading.join()
            assert process.stdout
            process.stdout.close()
            problem = check(directory, acknowledged)
            if problem:
                problems[problem] += 1
                say(f"trial {trial}, seed {seed + trial}: {problem}\n  kept in {directory}")
            say(f"trial {trial + 1}/{trials}: {len(acknowledged) - before} acknowledged")
            if problem:
                break
        total += len(acknowledged)
        if not problems:
            shutil.rmtree(directory)
    return total, problems


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.seed)
    say(f"seed {given.seed}")
    total, problems = run(given.trials, given.seed)
    say(f"{given.trials} trials, {total:,} acknowledged, problems: {dict(problems) or 'none'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
