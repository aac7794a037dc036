"""Commands for files of queries; and what is made of them, held to the strictest checks of its language, and run on a
server with real rows."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from engine.clock import SystemClock
from engine.commands import AddTask, Command, Link, NameEntity, Principal, Remember
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant
from engine.tenants import Tenants
from server.cli import app
from server.commands.options import Exit
from tests.server.node import node_with

ROOT = Path(__file__).parents[2]
TYPESCRIPT = ROOT / "tests" / "typescript"

QUERIES = """// memories :many — what is remembered of somebody
MATCH (m:Memory)-[r:MENTIONS]->(e:Entity {name: $name})
WHERE m.importance >= $least::float?
   OR $least::float? IS NULL
RETURN m.text AS text, m.recorded_at AS since, m.importance AS importance, m, e {.id, .aliases} AS who, r
ORDER BY text LIMIT $limit
---
// memory :one
MATCH (m:Memory {id: $id}) RETURN m.text AS text, m.valid_to AS until
---
// how_many :one
MATCH (m:Memory) WHERE m.recorded_at > $since RETURN count(*) AS n, avg(m.importance) AS mean
---
// times :one
RETURN date('2026-03-14') AS day, duration($d::duration) AS d, [time('09:26:53+01:00')] AS times,
       localdatetime('2026-03-14T09:26:53.5') AS local, 0.0 / 0.0 AS nan, $any AS given
---
// anything :many
MATCH p = (a)-[r:MENTIONS]->(b) RETURN p, a, b.name AS name ORDER BY name
---
// note :one — writes a memory down
REMEMBER (m:Memory {text: $text, tags: $tags::str[]?}) BECAUSE $why RETURN m.id AS id, m.text AS text
---
// open_tasks :live
MATCH (t:Task {status: 'open'}) RETURN t.title AS title
"""


@dataclass(slots=True)
class World:
    """A directory in which Ada is remembered, the queries, and the catalog that was written."""

    folder: Path
    tea: str

    @property
    def queries(self) -> Path:
        return self.folder / "asked.memql"

    def run(self, *words: str | Path) -> Result:
        data = ["--data", str(self.folder / "data")] if words[0] != "fmt" else []
        return CliRunner().invoke(app, [*map(str, words), *data])

    def made(self, lang: str, out: str) -> Path:
        told = self.run("codegen", self.queries, "--lang", lang, "--out", self.folder / out)
        assert told.exit_code == Exit.OK, told.stderr
        return self.folder / out


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("codegen")
    made = Tenants(folder / "data", clock=SystemClock(), limits=Limits(), consolidate=False)
    with closing(made) as tenants, tenants.use("default") as tenant:
        assert isinstance(tenant, Tenant)

        def do(command: Command) -> str:
            receipt = tenant.write_now(command, Principal("local", admin=True))
            assert isinstance(receipt, Receipt), receipt
            return receipt.ids[0]

        ada = do(NameEntity(name="Ada", aliases=("Countess",)))
        links = (Link(kind="MENTIONS", target=ada, weight=0.5),)
        tea = do(Remember(text="Ada drinks tea", importance=0.75, tags=("drinks",), links=links))
        do(Remember(text="Ada writes", links=links))
        do(AddTask(title="Buy sencha"))
    (folder / "asked.memql").write_text(QUERIES, "utf-8")
    return World(folder, tea)


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[str]:
    """The address of `memql serve` on that directory."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MEMQL_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--data", str(world.folder / "data")],
        cwd=ROOT, env={**environ, "MEMQL_EMBEDDER": "none"}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    assert process.stdout
    found = re.search(r"http://[^/]+", process.stdout.readline())
    assert found
    yield found[0]
    process.terminate()
    process.communicate(timeout=30)


def ran(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


# The commands


def test_a_catalog_in_a_file(world: World) -> None:
    """What was written does in place of a server."""
    file = world.folder / "catalog.json"
    assert world.run("catalog", "--out", file).exit_code == Exit.OK
    assert {each["name"] for each in json.loads(file.read_text())["kinds"]} >= {"Memory", "Entity"}
    assert json.loads(world.run("catalog").stdout) == json.loads(file.read_text())
    elsewhere = CliRunner().invoke(app, ["check", str(world.queries), "--catalog", str(file), "--data", "nowhere"])
    assert elsewhere.stdout == "7 statements in 1 file: all sound\n"
    assert not Path("nowhere").exists()
    (world.folder / "none.json").write_text("{}")
    told = world.run("check", world.queries, "--catalog", world.folder / "none.json")
    assert (told.exit_code, "NO_CATALOG" in told.stderr) == (Exit.FAILED, True)
    assert world.run("check", world.queries, "--catalog", world.folder / "gone.json").exit_code == Exit.USAGE


def test_a_catalog_that_changes_breaks_a_query(world: World, tmp_path: Path) -> None:
    """The check fails with file, line and a caret."""
    assert world.run("check", world.queries).exit_code == Exit.OK
    catalog = json.loads(world.run("catalog").stdout)
    memory = next(each for each in catalog["kinds"] if each["name"] == "Memory")
    memory["properties"] = [each for each in memory["properties"] if each["name"] != "importance"]
    changed = tmp_path / "catalog.json"
    changed.write_text(json.dumps(catalog))
    told = world.run("check", world.queries, "--catalog", changed)
    assert told.exit_code == Exit.FAILED
    lines = told.stderr.splitlines()
    assert lines[0] == "error[Q102]: unknown property `importance` on `Memory`"
    assert lines[1].strip() == f"--> {world.queries}:3:9"
    assert lines[3].endswith("|         ^^^^^^^^^^")


def test_queries_are_laid_out(tmp_path: Path) -> None:
    """--check only tells; a file that can't be is left as it is."""
    file = tmp_path / "a.memql"
    file.write_text("// a :one\nmatch (m:Memory)   return count(*) as n")
    run = CliRunner().invoke
    assert run(app, ["fmt", str(file), "--check"]).exit_code == Exit.FAILED
    assert run(app, ["fmt", str(file)]).exit_code == Exit.OK
    assert file.read_text() == "// a :one\nMATCH (m:Memory)\nRETURN count(*) AS n\n"
    assert run(app, ["fmt", str(file), "--check"]).exit_code == Exit.OK
    broken = "MATCH (m) // here\n WHERE m.id = 1 RETURN m"
    file.write_text(broken)
    told = run(app, ["fmt", str(file)])
    assert (told.exit_code, file.read_text()) == (Exit.FAILED, broken)
    assert f"{file}:1:11" in told.stderr


def test_a_query_is_described(world: World) -> None:
    """As a table, and as data."""
    query = "MATCH (m:Memory {id: $id}) RETURN m.tags AS tags"
    told = world.run("describe", query)
    assert [line.split() for line in told.stdout.splitlines()[:3]] == [
        ["what", "name", "type"], ["parameter", "$id", "string", "(inferred)"], ["column", "tags", "string[]?"]
    ]  # fmt: skip
    assert json.loads(world.run("describe", query, "--format", "json").stdout)["rows"] == "at most one"
    assert world.run("describe", "MATCH (m:Memry) RETURN m").exit_code == Exit.FAILED


def test_what_is_not_up_to_date_is_found(world: World) -> None:
    """By --check, which writes nothing; made again, it is."""
    folder = world.made("python", "checked")
    assert "up to date" in world.run("codegen", world.queries, "--out", folder, "--check").stdout
    module = folder / "asked.py"
    module.write_text(module.read_text() + "# by hand\n")
    (folder / "runtime.py").unlink()
    told = world.run("codegen", world.queries, "--out", folder, "--check")
    assert told.exit_code == Exit.FAILED
    assert "asked.py: not up to date, 1 line" in told.stderr
    assert "runtime.py: is not there" in told.stderr
    assert "2 files written" in world.run("codegen", world.queries, "--out", folder).stdout
    assert world.run("codegen", world.queries, "--out", folder, "--check").exit_code == Exit.OK


# Python

USES = """
import asyncio
import math
import sys
from datetime import date, datetime, timedelta, timezone

from made import asked, asked_sync
from made.over_http import Http, SyncHttp
from made.runtime import Delta, Executor, Refused, Snapshot, SyncExecutor


async def wait(url: str, id: str) -> None:
    http = Http(url)
    executor: Executor = http
    first, second = await asked.memories(executor, name="Ada", limit=5)
    assert (first.text, second.text) == ("Ada drinks tea", "Ada writes")
    assert (first.importance, second.importance) == (0.75, None)
    assert isinstance(first.since, datetime) and first.since.tzinfo is not None
    assert (first.m.kind, first.m.tags, first.who.aliases) == ("Memory", ["drinks"], ["Countess"])
    assert (first.r.kind, first.r.weight, first.r.source) == ("MENTIONS", 0.5, id)
    assert [each.text for each in await asked.memories(executor, name="Ada", least=0.5, limit=5)] == [first.text]
    found = await asked.memory(executor, id=id)
    assert found is not None and (found.text, found.until) == ("Ada drinks tea", None)
    assert await asked.memory(executor, id="mem_none") is None
    count = await asked.how_many(executor, since=datetime(2020, 1, 1, tzinfo=timezone.utc))
    assert (count.n, count.mean) == (2, 0.75)
    times = await asked.times(executor, d=timedelta(days=1, seconds=1.5), any={"at": [date(2026, 3, 14)]})
    assert (times.day, times.given, math.isnan(times.nan)) == (date(2026, 3, 14), {"at": ["2026-03-14"]}, True)
    assert times.times[0].utcoffset() == timedelta(hours=1)
    assert times.local == datetime(2026, 3, 14, 9, 26, 53, 500_000)
    path, _ = await asked.anything(executor)
    assert (path.a.kind, path.p.nodes[1].properties["name"], path.p.relations[0].kind) == ("Memory", "Ada", "MENTIONS")
    noted = await asked.note(http, text="Ben has a shed", why="he said so", idempotency_key="k1")
    again = await asked.note(http, text="Ben has a shed", why="he said so", idempotency_key="k1")
    assert noted == again and noted.text == "Ben has a shed"
    async for change in asked.open_tasks(http):
        assert isinstance(change, Snapshot)
        assert [each.row.title for each in change.rows] == ["Buy sencha"]
        break
    try:
        await Http(url, tenant="none").rows("RETURN 1 AS x", {})
    except Refused as refused:
        assert refused.problems[0].code == "NOT_FOUND", refused
    else:
        raise AssertionError("a tenant that is not there answers")
    await http.close()


def go(url: str, id: str) -> None:
    http = SyncHttp(url)
    executor: SyncExecutor = http
    assert [each.text for each in asked_sync.memories(executor, name="Ada", limit=1)] == ["Ada drinks tea"]
    assert asked_sync.memory(executor, id="mem_none") is None
    told = asked_sync.open_tasks(http)
    snapshot = next(told)
    assert isinstance(snapshot, Snapshot)
    added = "REMEMBER (t:Task {title: $title}) BECAUSE 'of a test' RETURN t.id"
    (task,) = http.write(added, {"title": f"by {sys.version_info}"}, None)
    delta = next(told)
    assert isinstance(delta, Delta)
    assert [each.row.title for each in delta.added] == [f"by {sys.version_info}"]
    http.write("MATCH (t:Task {id: $id}) FORGET t BECAUSE 'it was a test' RETURN t.id", {"id": task[0]}, None)
    gone = next(told)
    assert isinstance(gone, Delta)
    assert gone.removed == tuple(each.key for each in delta.added)
    del told
    try:
        http.rows("RETURN nothing", {})
    except Refused as refused:
        assert "^" in refused.problems[0].rendered
    assert asked_sync.note(http, text="Ada has a cat", why="she said so").text == "Ada has a cat"
    http.close()


asyncio.run(wait(sys.argv[1], sys.argv[2]))
go(sys.argv[1], sys.argv[2])
"""


def checked_python(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--cache-dir",
        str(folder / ".mypy"),
        *files,
    ]
    return ran(words, folder)


def test_python_is_strict_and_runs(world: World, server: str) -> None:
    """Nothing is left untyped, in what is made and in what uses it; and the rows are those that were recorded."""
    world.made("python", "made")
    (world.folder / "uses.py").write_text(USES, "utf-8")
    told = checked_python(world.folder, "made", "uses.py")
    assert told.returncode == 0, told.stdout
    words = [sys.executable, "-W", "error", "uses.py", server, world.tea]
    told = ran(words, world.folder)
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("await asked.memory(executor, id=1)", "incompatible type"),
        ("await asked.memory(executor)", "Missing named argument"),
        ("(await asked.memory(executor, id='a')).text", "union-attr"),
        ("await asked.note(executor, text='', why='')", "incompatible type"),
        ("(await asked.how_many(executor, since='2026'))", "incompatible type"),
        ("(await asked.memories(executor, name='a', limit=1))[0].nmae", "attr-defined"),
        ("(await asked.memories(executor, name='a', limit=1))[0].text.year", "union-attr"),
    ],
)
def test_python_that_is_wrong_is_found(world: World, wrong: str, said: str) -> None:
    """By mypy, before anything runs."""
    world.made("python", "made")
    head = "from made import asked\nfrom made.runtime import Executor\n"
    # A name of its own: mypy takes a file of the same size and second for the one that it knows.
    file = world.folder / f"wrong_{len([*world.folder.glob('wrong_*.py')])}.py"
    file.write_text(f"{head}\n\nasync def f(executor: Executor) -> None:\n    {wrong}\n")
    told = checked_python(world.folder, file.name)
    assert told.returncode == 1
    assert said in told.stdout


# TypeScript


@pytest.fixture(scope="module")
def tsc() -> list[str]:
    """The compiler of the lock file; without node, or a registry to install from, these tests are skipped."""
    node = node_with(TYPESCRIPT, "generated TypeScript is not checked")
    return [node, str(TYPESCRIPT / "node_modules" / "typescript" / "bin" / "tsc")]


USES_TS = """
import { anything, howMany, memories, memory, note, openTasks, times } from "./asked.js";
import { Http, Refused } from "./runtime.js";
import type { Executor } from "./runtime.js";

declare const process: { argv: string[]; exit(code: number): void };

function same(found: unknown, wanted: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`${one}, not ${other}`);
}

const [, , url = "", id = ""] = process.argv;
const http = new Http(url);
const executor: Executor = http;
const [first, second] = await memories(executor, { name: "Ada", limit: 5 });
same([first?.text, second?.importance, first?.m.tags, first?.r.weight], ["Ada drinks tea", null, ["drinks"], 0.5]);
same(first?.who.aliases, ["Countess"]);
same(Number.isNaN(new Date(first?.since ?? "").getTime()), false);
same((await memories(executor, { name: "Ada", least: 0.5, limit: 5 })).length, 1);
same((await memory(executor, { id }))?.until, null);
same(await memory(executor, { id: "mem_none" }), null);
same((await howMany(executor, { since: new Date(0) })).n >= 2, true);
const told = await times(executor, { d: "P1D", any: { at: 1 } });
same([told.day, told.given, Number.isNaN(told.nan)], ["2026-03-14", { at: 1 }, true]);
same((await anything(executor))[0]?.p.nodes.map((node) => node["kind"]), ["Memory", "Entity"]);
const ben = { text: "Ben has a roof", why: "he said so", tags: ["roofs"] };
const noted = await note(http, ben, { idempotencyKey: "k2" });
same(await note(http, ben, { idempotencyKey: "k2" }), noted);
let task: unknown = null;
let key: string | undefined;
for await (const change of openTasks(http)) {
  if (change.is === "snapshot") {
    same(change.rows.map((each) => each.row.title), ["Buy sencha"]);
    const added = "REMEMBER (t:Task {title: 'Boil water'}) BECAUSE 'of a test' RETURN t.id";
    task = (await http.write(added, {}, {}))[0]?.[0];
  } else if (change.added.length > 0) {
    same(change.added.map((each) => each.row.title), ["Boil water"]);
    key = change.added[0]?.key;
    await http.write("MATCH (t:Task {id: $id}) FORGET t BECAUSE 'it was a test' RETURN t.id", { id: task }, {});
  } else {
    same(change.removed, [key]);
    break;
  }
}
try {
  await new Http(url).rows("RETURN nothing", {});
  throw new Error("what is wrong is answered");
} catch (refused) {
  if (!(refused instanceof Refused)) throw refused;
  same(refused.problems[0]?.rendered?.includes("^"), true);
}
process.exit(0);
"""


def compiled(tsc: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    shutil.copy(TYPESCRIPT / "tsconfig.json", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    words = [*tsc, "-p", ".", "--outDir", "out", "--pretty", "false"]
    return ran(words, folder)


def test_typescript_is_strict_and_runs(world: World, server: str, tsc: list[str]) -> None:
    """With all that is strict in the compiler; and the rows are those that were recorded."""
    folder = world.made("ts", "typescript")
    (folder / "uses.ts").write_text(USES_TS, "utf-8")
    told = compiled(tsc, folder)
    assert told.returncode == 0, told.stdout
    words = [tsc[0], "out/uses.js", server, world.tea]
    told = ran(words, folder)
    assert told.returncode == 0, told.stderr


def test_typescript_that_is_wrong_is_found(world: World, tsc: list[str]) -> None:
    """Each wrong line is one error of the compiler."""
    folder = world.made("ts", "wrong")
    wrong = [
        "await memory(executor, { id: 1 });",
        "await memory(executor, {});",
        "(await memory(executor, { id: 'a' })).text;",
        "await memories(executor, { name: 'a', limit: 1, most: 2 });",
        "(await memories(executor, { name: 'a', limit: 1 }))[0]!.nmae;",
        "const n: string = (await howMany(executor, { since: '' })).n;",
        "openTasks({ rows: executor.rows });",
        "await note(executor, { text: '', why: '' });",
    ]
    head = [
        'import { howMany, memories, memory, note, openTasks } from "./asked.js";',
        'import type { Executor } from "./runtime.js";',
        "declare const executor: Executor;",
    ]
    (folder / "wrong.ts").write_text("\n".join([*head, *wrong, "export { n };"]), "utf-8")
    told = compiled(tsc, folder)
    found = [int(line) for line in re.findall(r"^wrong\.ts\((\d+),", told.stdout, re.MULTILINE)]
    assert found == [len(head) + number for number in range(1, len(wrong) + 1)], told.stdout
