"""Whether the sentences that answer a question are found: evidence recall on LoCoMo, through the product's own door.

    python bench/locomo.py LOCOMO_JSON [--data DIR]

Each conversation becomes a tenant, each session a stream, each turn an event. The server is started, fed through
GraphQL, stopped and started again; then every question that has evidence is asked by `search`, and its hits are led
back to their source events. The same server without an embedder gives the lexical figures. Beside them, from the same
texts: BM25 and MiniLM alone as a default installation has them, and their reciprocal rank fusion.

The data are CC BY-NC 4.0, for measuring only: bring your own copy. Ends with 1 where recall is below the gates.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

# Where a file is run Python looks for modules first, and here `memql` is a benchmark.
sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
import numpy as np
import tantivy

from bench.measure import folder, say

KS = (5, 10, 20)
CATEGORIES = {4: "single", 1: "multi", 2: "temporal", 3: "open", 5: "adversarial"}
GATES = {"hybrid": 0.79, "lexical": 0.73}
"""Least recall at 10 on the development conversations."""
BATCH = 200


@dataclass(frozen=True)
class Turn:
    id: str
    session: int
    at: datetime
    speaker: str
    text: str


@dataclass(frozen=True)
class Asked:
    text: str
    evidence: frozenset[str]
    category: int


@dataclass(frozen=True)
class Conversation:
    tenant: str
    turns: Sequence[Turn]
    asked: Sequence[Asked]


def conversations(path: Path) -> Iterator[Conversation]:
    for number, each in enumerate(json.loads(path.read_text())):
        conversation = each["conversation"]
        sessions = sorted(int(key.split("_")[1]) for key in conversation if re.fullmatch(r"session_\d+", key))
        turns = [turn for session in sessions for turn in _turns(conversation, session)]
        known = {turn.id for turn in turns}
        asked = [Asked(qa["question"], _evidence(qa, known), qa["category"]) for qa in each["qa"]]
        yield Conversation(f"conversation-{number}", turns, [one for one in asked if one.evidence])


def _turns(conversation: Mapping[str, Any], session: int) -> Iterator[Turn]:
    said = conversation[f"session_{session}_date_time"]
    began = datetime.strptime(said, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
    for number, turn in enumerate(conversation[f"session_{session}"]):
        caption = turn.get("blip_caption")
        text = (turn.get("text") or "") + (f" [shares {caption}]" if caption else "")
        yield Turn(turn["dia_id"], session, began + timedelta(seconds=number), turn["speaker"], text)


def _evidence(qa: Mapping[str, Any], known: set[str]) -> frozenset[str]:
    """Ids are written in several ways: "D1:3", "D:1:3", "(D1:3) D1:5"."""
    named = (pair for text in qa.get("evidence", []) for pair in re.findall(r"D:?(\d+):(\d+)", text.replace("(", "")))
    return frozenset(f"D{int(a)}:{int(b)}" for a, b in named) & known


# The product


class Server:
    """One `memql serve` on a directory, as a client sees it."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=120)

    def ask(self, tenant: str, document: str, **variables: Any) -> dict[str, Any]:
        body = {"query": document, "variables": variables}
        answer = self._client.post("/graphql", json=body, headers={"X-MemQL-Tenant": tenant}).json()
        if "errors" in answer:
            raise RuntimeError(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    def ready(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get("/readyz").json()
        return found


@contextmanager
def server(data: Path, *settings: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "server.cli", "serve", "--no-demo", "--data", str(data), "--port", "0"]
    for each in settings:
        command += ["--set", each]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path(__file__).parent.parent
    ) as process:
        assert process.stdout
        try:
            url = next(
                found[0] for line in process.stdout if (found := re.search(r"http://[\w.:\[\]-]+(?=/graphql)", line))
            )
            yield Server(url)
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            process.wait()


RECORD = """
mutation ($input: RecordEventsInput!) {
  recordEvents(input: $input) { ... on RecordEventsPayload { position } ... on Error { message } }
}"""
CONSOLIDATED = "query ($position: Position!) { position(atLeast: $position, consolidated: true) }"
SEARCH = """
query ($text: String!) {
  search(input: {text: $text}, first: 40) { embedder edges { sources { externalKey } } }
}"""


def feed(door: Server, conversation: Conversation) -> None:
    streams: dict[int, list[Turn]] = defaultdict(list)
    for turn in conversation.turns:
        streams[turn.session].append(turn)
    position = 0
    for session, turns in streams.items():
        for start in range(0, len(turns), BATCH):
            events = [
                {
                    "content": turn.text or ".",
                    "author": turn.speaker,
                    "role": "user",
                    "occurredAt": turn.at.isoformat(),
                    "externalKey": turn.id,
                }
                for turn in turns[start : start + BATCH]
            ]
            recorded = door.ask(conversation.tenant, RECORD, input={"stream": f"session-{session}", "events": events})
            position = recorded["recordEvents"]["position"]
    wait(door, conversation.tenant, position)


def wait(door: Server, tenant: str, position: int) -> None:
    deadline = time.monotonic() + 600
    while True:
        try:
            door.ask(tenant, CONSOLIDATED, position=position)
            return
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def found(door: Server, conversation: Conversation, asked: Asked) -> tuple[list[str], str]:
    """External keys of the events that the hits lead back to, best first, and the model that took part."""
    answer = door.ask(conversation.tenant, SEARCH, text=asked.text)["search"]
    keys = [source["externalKey"] for edge in answer["edges"] for source in edge["sources"]]
    return list(dict.fromkeys(keys)), answer["embedder"]


# Peers


class Peers:
    """The turns of one conversation in a default Tantivy index and as MiniLM vectors."""

    def __init__(self, conversation: Conversation, embedder: Any) -> None:
        self._ids = [turn.id for turn in conversation.turns]
        schema = (
            tantivy.SchemaBuilder()
            .add_text_field("text", tokenizer_name="en_stem")
            .add_integer_field("row", stored=True)
            .build()
        )
        self._index = tantivy.Index(schema)
        writer = self._index.writer()
        for row, turn in enumerate(conversation.turns):
            document = tantivy.Document()
            document.add_text("text", f"{turn.speaker}: {turn.text}")
            document.add_integer("row", row)
            writer.add_document(document)
        writer.commit()
        self._index.reload()
        self._embed = embedder.embed if embedder else None
        self._vectors = embedder.embed([turn.text or "." for turn in conversation.turns]) if embedder else None

    def bm25(self, text: str) -> list[int]:
        searcher = self._index.searcher()
        query, _ = self._index.parse_query_lenient(text, ["text"])
        return [searcher.doc(address)["row"][0] for _, address in searcher.search(query, 200).hits]

    def dense(self, text: str) -> list[int]:
        assert self._embed is not None
        scores = self._vectors @ self._embed([text])[0]
        rows: list[int] = np.argsort(-scores, kind="stable")[:200].tolist()
        return rows

    def keys(self, rows: Sequence[int]) -> list[str]:
        return [self._ids[row] for row in rows]


def fused(*lists: Sequence[int]) -> list[int]:
    """Reciprocal rank fusion with k = 60."""
    scores: dict[int, float] = defaultdict(float)
    for rows in lists:
        for place, row in enumerate(rows, 1):
            scores[row] += 1 / (60 + place)
    return sorted(scores, key=lambda row: (-scores[row], row))


# The figures


class Figures:
    """Recall at each k, by way and category."""

    def __init__(self) -> None:
        self._recall: dict[str, dict[int, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))

    def add(self, way: str, asked: Asked, keys: Sequence[str]) -> None:
        recall = tuple(len(asked.evidence.intersection(keys[:k])) / len(asked.evidence) for k in KS)
        self._recall[way][asked.category].append(recall)

    def mean(self, way: str, category: int = 0) -> tuple[float, ...]:
        by = self._recall[way]
        rows = by[category] if category else [row for rows in by.values() for row in rows]
        means: tuple[float, ...] = tuple(np.mean(rows, axis=0).tolist())
        return means

    def tell(self) -> None:
        names = ["all", *CATEGORIES.values()]
        say(f"{'recall at ' + '/'.join(map(str, KS)):18}" + "".join(f"{name:>18}" for name in names))
        for way, by in self._recall.items():
            cells = [self.mean(way, category) for category in (0, *CATEGORIES)]
            say(f"{way:18}" + "".join(f"{'/'.join(f'{100 * x:.1f}' for x in cell):>18}" for cell in cells))
            counts = [sum(map(len, by.values())), *(len(by[category]) for category in CATEGORIES)]
        say(f"{'questions':18}" + "".join(f"{count:>18}" for count in counts))


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--first", type=int, default=1_000, help="only so many conversations")
    given = arguments.parse_args()
    worlds = list(conversations(given.data))[: given.first]
    figures, models, milliseconds = Figures(), set(), []
    with folder() as data:
        began = time.perf_counter()
        with server(data) as door:
            for each in worlds:
                feed(door, each)
        turns = sum(len(each.turns) for each in worlds)
        say(f"{turns:,} turns of {len(worlds)} conversations consolidated in {time.perf_counter() - began:.0f} s")
        for way, settings in (("hybrid", ()), ("lexical", ("embedder=none",))):
            with server(data, *settings) as door:
                for each in worlds:
                    for asked in each.asked:
                        began = time.perf_counter()
                        keys, model = found(door, each, asked)
                        milliseconds.append(1e3 * (time.perf_counter() - began))
                        figures.add(way, asked, keys)
                        models.add(f"{way}: {model}")
            say(f"{way}: wall ms a question, p50 {np.percentile(milliseconds, 50):.1f}, p95 "
                f"{np.percentile(milliseconds, 95):.1f}")  # fmt: skip
            milliseconds.clear()
    say("; ".join(sorted(models)))
    embedder = _embedder()
    for each in worlds:
        peers = Peers(each, embedder)
        for asked in each.asked:
            words = peers.bm25(asked.text)
            figures.add("bm25", asked, peers.keys(words))
            if embedder:
                meaning = peers.dense(asked.text)
                figures.add("dense", asked, peers.keys(meaning))
                figures.add("rrf 60", asked, peers.keys(fused(words, meaning)))
    figures.tell()
    below = [way for way, least in GATES.items() if figures.mean(way)[KS.index(10)] < least]
    for way in below:
        say(f"{way} is below its gate of {GATES[way]}")
    return 1 if below else 0


def _embedder() -> Any:
    from engine.clock import SystemClock
    from server.embedding import chosen
    from server.settings import Loaded, load

    loaded = load({}, os.environ, Path.cwd())
    assert isinstance(loaded, Loaded)
    return chosen(loaded.settings, SystemClock())


if __name__ == "__main__":
    sys.exit(main())
