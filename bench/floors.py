"""What the engine costs, each figure beside its floor or peer, measured in one run.

    python -m bench.floors [acknowledge] [writers] [expand] [import] [vectors] [tenants]

Times are process CPU unless a line says wall; machines are noisy, so read the ratios. Everything happens in a temporary
folder. `expand` also asks Ladybug, in a process of its own, where it is installed.
"""

import argparse
import asyncio
import gc
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import structlog

from bench.expansion import cypher, expand
from bench.measure import ME, folder, opened, say, text, verdict
from bench.stores import import_, vectors
from engine.commands import Embedding, EventInput, Link, RecordEvents, Remember
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant


def acknowledge() -> None:
    """One writer, one event a record, no embedding, against a bare SQLite commit with synchronous=FULL."""
    say("acknowledged record")
    chance = np.random.default_rng(1)
    contents = [text(chance) for _ in range(2_000)]
    with folder() as path:
        tenant = opened(path)
        tenant.write_now(RecordEvents(stream="s", events=(EventInput(content="first"),)), ME)
        sizes = tenant.journal.read(0, 1)
        bare = sqlite3.connect(path / "bare.db", isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            bare.execute(f"PRAGMA {pragma}")
        bare.execute("CREATE TABLE records (position INTEGER PRIMARY KEY, body BLOB)")
        size = len(sizes[0].header) + len(sizes[0].frames)
        ours: list[float] = []
        floor: list[float] = []
        for content in contents:
            body = os.urandom(size)
            began = time.perf_counter()
            bare.execute("BEGIN")
            bare.execute("INSERT INTO records (body) VALUES (?)", (body,))
            bare.execute("COMMIT")
            floor.append(time.perf_counter() - began)
            began = time.perf_counter()
            tenant.write_now(RecordEvents(stream="s", events=(EventInput(content=content),)), ME)
            ours.append(time.perf_counter() - began)
        verdict("one writer, median wall", statistics.median(ours) * 1e3, statistics.median(floor) * 1e3, 3.0, "ms")
        tenant.close()


def writers() -> None:
    """Sixteen writers against one, all through the async door and its committer."""
    say("group commit")

    async def rate(tenant: Tenant, count: int, each: int) -> float:
        async def one(writer: int) -> None:
            for n in range(each):
                event = EventInput(content=f"writer {writer} says {n}, and a little more than that")
                await tenant.write(RecordEvents(stream=f"s{writer}", events=(event,)), ME)

        began = time.perf_counter()
        await asyncio.gather(*(one(writer) for writer in range(count)))
        return count * each / (time.perf_counter() - began)

    with folder() as path:
        tenant = opened(path, Limits(text_commit_ms=60_000, text_commit_documents=1_000_000))
        rates: dict[int, list[float]] = {1: [], 16: []}
        for _ in range(5):
            rates[1].append(asyncio.run(rate(tenant, 1, 500)))
            rates[16].append(asyncio.run(rate(tenant, 16, 250)))
        single, many = statistics.median(rates[1]), statistics.median(rates[16])
        mark = "ok" if many >= 4 * single else "UNDER"
        say(f"  16 writers: {many:,.0f}/s against {single:,.0f}/s of one = {many / single:.1f}x (at least 4x) {mark}")
        tenant.close()


def tenants() -> None:
    """Memory and disk for open tenants that are being written to, beside one process that has none."""
    say("open tenants, while writing")
    for count in (1, 16, 64):
        command = [sys.executable, "-m", "bench.floors", "--tenants", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rest, grown, disk = json.loads(done.stdout)
        each = grown / count
        mark = "ok" if each <= 40 else "OVER"
        say(
            f"  {count:2} open: {grown:,.0f} MB beyond {rest:,.0f} MB of the libraries = {each:.1f} MB each "
            f"(at most 40) {mark}; {disk / count:.1f} MB each on disk"
        )


def open_tenants(count: int) -> None:
    """Prints megabytes: of a process with the libraries loaded, what tenants add to it, what they have on disk."""
    with folder() as warm, folder() as path:
        one = opened(warm)
        write_some(one, 1)
        one.close()
        rest = resident()
        held = [opened(path / str(n), Limits(graph_buffer=67_108_864)) for n in range(count)]
        for _ in range(3):
            for tenant in held:
                write_some(tenant, 40)
        grown = resident() - rest
        disk = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
        for tenant in held:
            tenant.close()
        say(json.dumps([rest, grown, disk]))


def write_some(tenant: Tenant, count: int) -> None:
    chance = np.random.default_rng(1)
    for n in range(count):
        vector = Embedding(model="bench", vector=chance.normal(size=384).astype(np.float32).tobytes())
        answer = tenant.write_now(Remember(text=text(chance), embedding=vector), ME)
        assert isinstance(answer, Receipt)
        event = EventInput(content=text(chance))
        tenant.write_now(RecordEvents(stream=f"s{n % 3}", events=(event,)), ME)
        if n:
            tenant.write_now(Remember(text="linked", links=(Link(kind="ABOUT", target=answer.ids[0]),)), ME)
    assert tenant.settled(60)


def resident() -> float:
    """Megabytes of memory that this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


SECTIONS: dict[str, Callable[[], None]] = {
    "acknowledge": acknowledge,
    "writers": writers,
    "expand": expand,
    "import": import_,
    "vectors": vectors,
    "tenants": tenants,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS], help="all by default")
    parser.add_argument("--cypher", help=argparse.SUPPRESS)
    parser.add_argument("--tenants", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    gc.set_threshold(200_000, 50, 100)  # as the server does
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    if given.cypher:
        cypher(given.cypher)
    elif given.tenants:
        open_tenants(given.tenants)
    else:
        for name in given.sections or SECTIONS:
            SECTIONS[name]()
            gc.collect()


if __name__ == "__main__":
    main()
