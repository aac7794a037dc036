"""Clients in TypeScript: held to the compiler's strictest, and run in node against a server with real rows, over wires
that are cut and streams that break off."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.api.schema import printed
from tests.server.failing import LAST, ticking, wire
from tests.server.node import node_with
from tests.server.odd import clients
from tests.server.operations import ROOT, World, block, made, ran, serving_process
from tests.server.operations import world as world_in
from tests.server.test_clients_live import CHANGES, through_a_restart

TYPESCRIPT = ROOT / "tests" / "typescript"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_in(tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="module")
def port(world: World) -> Iterator[int]:
    with serving_process(world.folder / "data") as opened:
        yield opened


@pytest.fixture(scope="module")
def tsc() -> list[str]:
    """The compiler of the lock file; without node, or a registry to install from, these tests are skipped."""
    node = node_with(TYPESCRIPT, "generated TypeScript is not checked")
    return [node, str(TYPESCRIPT / "node_modules" / "typescript" / "bin" / "tsc")]


def compiled(tsc: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    shutil.copy(TYPESCRIPT / "tsconfig.json", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return ran([*tsc, "-p", ".", "--outDir", "out", "--pretty", "false"], folder)


HEAD = """
declare const process: {
  argv: string[];
  exit(code: number): void;
  stdin: { once(what: string, then: () => void): void };
};

export function same(found: unknown, wanted: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`${one}, not ${other}`);
}

export async function fails(asked: Promise<unknown>): Promise<unknown> {
  try {
    await asked;
  } catch (error) {
    return error;
  }
  throw new Error("what must fail does not");
}
"""

USES = """
import { Client, CutOff, NotReached, Refused } from "./client.js";
import type { ItemParts, MemoryParts, RecallEdgeNode } from "./client.js";
import { RecallDocument } from "./documents.js";
""" + HEAD + """
const [, , url = "", cut = "", tea = "", gone = ""] = process.argv;
const client = new Client(url);

function title(node: RecallEdgeNode): string | null {
  switch (node.__typename) {
    case "Memory":
      return node.text;
    case "Task":
      return node.title;
    default:
      return node.kind;
  }
}

const found = await client.recall({ text: "tea" });
same(found.search.edges.map((edge) => title(edge.node)).sort(), ["Ada drinks tea", "Buy tea for Ada"]);
const memory = found.search.edges.map((edge) => edge.node).find((node) => node.__typename === "Memory");
if (memory?.__typename !== "Memory") throw new Error("no memory");
const parts: MemoryParts & ItemParts = memory;
same([parts.id, parts.importance, parts.stream, memory.tags], [tea, 0.75, null, ["drinks"]]);
same((await client.memoryOf({ id: tea, history: true })).memory?.history?.[0]?.version, 1);
same((await client.memoryOf({ id: tea })).memory?.history, undefined);
same((await client.ask(RecallDocument, { text: "tea", where: { kind: { in: ["Task"] } } })).search.edges.length, 1);
const since = { from: new Date(0), asOf: { position: found.search.position } };
same((await client.since(since)).memories.nodes.map((node) => node.text), ["Ada drinks tea"]);

const given = { text: "Ada has a dog", importance: null, tags: undefined, idempotencyKey: "dog" };
const { remember: first } = await client.remember({ input: given });
const { remember: second } = await client.remember({ input: given });
if (first.__typename !== "RememberPayload" || second.__typename !== "RememberPayload") throw new Error("refused");
same([first.repeated, second.repeated, first.ids], [false, true, second.ids]);
const wrong = (await client.remember({ input: { text: "x", importance: 7 } })).remember;
same("problems" in wrong && wrong.problems[0]?.place, "importance");

// The answer is lost, so it is asked again; under one key that is one change.
const wired = new Client(cut, { retries: { first: 10 } });
const lost = (await wired.note({ text: "cut-once: Ada runs", tags: ["running"] })).remember;
same("repeated" in lost && lost.repeated, true);
same((await wired.recall({ text: "cut-once: for all" })).search.position > 0, true);
same((await fails(wired.twice({ input: { text: "cut-once: Ada falls" } }))) instanceof CutOff, true);
const kept = (await client.since({ from: new Date(0) })).memories.nodes.map((node) => node.text ?? "");
same(kept.filter((text) => text.startsWith("cut")).sort(), [
  "cut-once: Ada falls", "cut-once: Ada falls", "cut-once: Ada runs"
]);

const refused = await fails(new Client(url, { tenant: "none" }).recall({ text: "tea" }));
if (!(refused instanceof Refused)) throw refused;
same([refused.code, refused.requestId !== "", refused.errors[0]?.path], ["NOT_FOUND", true, ["search"]]);
const nobody = new Client(gone, { retries: { times: 1, first: 10 } });
same((await fails(nobody.recall({ text: "tea" }))) instanceof NotReached, true);
const left = new AbortController();
left.abort(new Error("not wanted"));
same(((await fails(client.recall({ text: "tea" }, { signal: left.signal }))) as Error).message, "not wanted");
process.exit(0);
"""  # fmt: skip


def test_a_client_is_strict_and_asks(world: World, port: int, tsc: list[str]) -> None:
    """With all that is strict; what was recorded comes back; what is lost on the way is written once."""
    folder = world.made("made", "--lang", "ts")
    (folder / "uses.ts").write_text(USES, "utf-8")
    told = compiled(tsc, folder)
    assert told.returncode == 0, told.stdout
    with wire(port) as gone:
        pass
    with wire(port) as cut:
        told = ran([tsc[0], "out/uses.js", f"http://127.0.0.1:{port}", cut, world.tea, gone], folder)
    assert told.returncode == 0, told.stderr


WRONG = (
    "await client.recall({ text: 1 });",
    "await client.recall({});",
    "await client.recall({ text: 'tea', most: 1 });",
    "(await client.recall({ text: 'tea' })).search.embedder;",
    "(await client.recall({ text: 'tea' })).search.edges[0]!.node.text;",
    "(await client.memoryOf({ id: 'a' })).memory.text;",
    "(await client.memoryOf({ id: 'a', history: true })).memory!.history[0];",
    "await client.remember({ input: { txt: 'a' } });",
    "await client.remember({ input: { text: null } });",
    "(await client.remember({ input: { text: 'a' } })).remember.problems;",
    "await client.since({ from: new Date(0), asOf: { position: 1, time: new Date(0) } });",
    "await client.recall({ text: 'tea', where: { status: { eq: 'GONE' } } });",
)


def test_what_is_wrong_is_found(world: World, tsc: list[str]) -> None:
    """By the compiler, each line: types, what is missing, what was not selected, unions that are not told apart."""
    folder = world.made("wrong", "--lang", "ts")
    head = ['import type { Client } from "./client.js";', "declare const client: Client;"]
    (folder / "wrong.ts").write_text("\n".join([*head, *WRONG, "export {};"]), "utf-8")
    told = compiled(tsc, folder)
    found = [int(line) for line in re.findall(r"^wrong\.ts\((\d+),", told.stdout, re.MULTILINE)]
    assert found == [len(head) + number for number in range(1, len(WRONG) + 1)], told.stdout


LIVE = """
import { Client } from "./client.js";
""" + HEAD + """
const client = new Client(process.argv[2] ?? "", { retries: { first: 100, most: 500, times: 20 } });
const note = async (text: string): Promise<void> => {
  same((await client.note({ text })).remember.__typename, "RememberPayload");
};
for await (const { memoryChanged: told } of client.changes()) {
  if (told.__typename === "Listening") await note("one");
  if (told.__typename !== "MemoryChanged") continue;
  console.log(told.memory.text);
  if (told.memory.text === "one") {
    // Here the server goes, and comes back.
    await new Promise<void>((resolve) => process.stdin.once("data", resolve));
    await note("two");
    await note("three");
  }
  if (told.memory.text === "three") process.exit(0);
}
"""  # fmt: skip


@pytest.mark.parametrize("crash", [False, True])
def test_a_subscription_goes_on_through_a_restart(crash: bool, tmp_path: Path, tsc: list[str]) -> None:
    """Whether the server says goodbye or not: nothing is missed or told twice, and whoever listens need not know."""
    here = world_in(tmp_path)
    (here.folder / "changes.graphql").write_text(CHANGES, "utf-8")
    folder = made(here.folder / "told", here.folder / "changes.graphql", "--lang", "ts")
    (folder / "uses.ts").write_text(LIVE, "utf-8")
    told = compiled(tsc, folder)
    assert told.returncode == 0, told.stdout
    assert through_a_restart(here, [tsc[0], "out/uses.js"], folder, crash) == (0, "two\nthree\n")


def test_whatever_is_asked_is_strict(tmp_path: Path, tsc: list[str]) -> None:
    """Odd names, and operations that nobody would write."""
    clients(tmp_path, "ts", printed())
    told = compiled(tsc, tmp_path)
    assert told.returncode == 0, told.stdout


def test_the_manual_is_right(tmp_path: Path, tsc: list[str]) -> None:
    """Of its operations comes what its TypeScript uses."""
    (tmp_path / "asked.graphql").write_text(block("graphql"), "utf-8")
    made(tmp_path / "memory", tmp_path / "asked.graphql", "--lang", "ts")
    (tmp_path / "uses.ts").write_text(block("ts"), "utf-8")
    told = compiled(tsc, tmp_path)
    assert told.returncode == 0, told.stdout


TICKING = """
import { Client, Unauthenticated } from "./client.js";
""" + HEAD + """
const [, , how = "", url = ""] = process.argv;
let made = 0;
const token = how === "over" ? "one" : async () => `token ${made++}`;
const client = new Client(url, { token, retries: { first: 10, chance: () => 0 } });
const seen: number[] = [];
const listen = async (): Promise<void> => {
  for await (const { ticks } of client.ticks()) {
    if (ticks.__typename !== "Tick") throw new Error(`a ${ticks.__typename}`);
    same(ticks.said, "tick\\u2028\\u00e9");
    seen.push(ticks.n);
    if (how === "break" && ticks.n === 5) break;
  }
};
if (how === "over") {
  same((await fails(listen())) instanceof Unauthenticated, true);
} else await listen();
console.log(seen.join(" "));
"""  # fmt: skip


def test_a_subscription_goes_on_where_it_broke_off(world: World, tsc: list[str]) -> None:
    """Through a server that is busy, one that says where to go on, a token that is over, and a stream that is cut."""
    folder = world.ticks("ticks", "--lang", "ts")
    (folder / "ticking.ts").write_text(TICKING, "utf-8")
    told = compiled(tsc, folder)
    assert told.returncode == 0, told.stdout
    for how, last in (("wait", LAST), ("break", 5), ("over", 3)):
        with ticking() as (url, asked):
            told = ran([tsc[0], "out/ticking.js", how, url], folder)
        assert told.returncode == 0, told.stderr
        assert told.stdout.split() == [str(number) for number in range(1, last + 1)]
        if how == "wait":
            assert [each.get("from") or "0" for each in asked] == ["0", "0", "3", "3", "6", "9", "9"]
            assert [each["token"][-1:] for each in asked] == ["0", "0", "0", "1", "2", "2", "3"]
