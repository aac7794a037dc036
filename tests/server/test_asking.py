"""Asking from the command line: what is shown, in each form; what is wrong, in words; with a server and without."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine.clock import SystemClock
from engine.commands import Command, EventInput, Link, NameEntity, Principal, RecordEvents, Remember
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant
from engine.tenants import Tenants
from memql.values import instant, read_instant
from server.cli import app
from server.commands.options import Exit
from server.commands.tables import plain

ROOT = Path(__file__).parents[2]
LOCAL = Principal("local", admin=True)
SENTENCE = "No coffee for me, thanks, I only drink sencha."


def at(text: str) -> Any:
    read = read_instant(text)
    assert isinstance(read, int)
    return instant(read)


class World:
    """A data directory in which Ada and Ben spoke, and somebody remembered what it means. What they said becomes a
    memory by itself, in their own words."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with closing(Tenants(data, clock=SystemClock(), limits=Limits())) as tenants, tenants.use("default") as tenant:
            assert isinstance(tenant, Tenant)
            self.event, self.other = self._do(
                tenant,
                RecordEvents(
                    stream="kitchen",
                    events=(
                        EventInput(content=SENTENCE, author="Ada", external_key="k/1", occurred_at=at("2026-03-14")),
                        EventInput(content="Slate is too heavy.", author="Ben", external_key="k/2"),
                    ),
                ),
            ).ids
            (self.entity,) = self._do(tenant, NameEntity(name="Ada Lovelace", aliases=("Ada",))).ids
            self.receipt = self._do(
                tenant,
                Remember(
                    text="Ada drinks green tea", valid_from=at("2026-03-14"), tags=("drinks",),
                    links=(Link(kind="DERIVED_FROM", target=self.event), Link(kind="MENTIONS", target=self.entity)),
                ),
            )  # fmt: skip
            (self.memory,) = self.receipt.ids
            self._do(tenant, Remember(text="Roofs of slate need strong beams"))

    def _do(self, tenant: Tenant, command: Command) -> Receipt:
        receipt = tenant.write_now(command, LOCAL)
        assert isinstance(receipt, Receipt), receipt
        return receipt

    def run(self, *words: str, given: str | None = None) -> Result:
        return CliRunner().invoke(app, [*words, "--data", str(self.data)], input=given)

    def answer(self, *words: str) -> Any:
        """What is printed for programs, of a command that must succeed."""
        told = self.run(*words, "--format", "json")
        assert told.exit_code == Exit.OK, told.output
        return json.loads(told.stdout)

    def rows(self, *words: str) -> list[dict[str, str]]:
        told = self.run(*words, "--format", "csv")
        assert told.exit_code == Exit.OK, told.output
        return list(csv.DictReader(io.StringIO(told.stdout)))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in [name for name in os.environ if name.startswith("MEMQL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MEMQL_EMBEDDER", "none")
    return World(tmp_path / "data")


# In plain words


def test_recall_leads_back_to_the_sentence(world: World) -> None:
    """The hit, the event behind it, and how it was found."""
    told = world.answer("recall", "green tea", "--first", "1")
    (hit,) = told["hits"]
    assert (hit["rank"], hit["id"], hit["kind"], hit["text"]) == (1, world.memory, "Memory", "Ada drinks green tea")
    (source,) = hit["sources"]
    assert (source["id"], source["key"], source["stream"], source["text"]) == (world.event, "k/1", "kitchen", SENTENCE)
    assert (told["question"], told["embedder"]) == ("green tea", "none")
    assert told["position"] >= world.receipt.position
    assert any("found by words alone" in notice for notice in told["notices"])
    assert "explanation" not in hit


def test_recall_as_a_table(world: World) -> None:
    """A row a hit; how it was found is said beside it."""
    told = world.run("recall", "green tea")
    assert told.exit_code == Exit.OK
    head, row = told.stdout.splitlines()
    assert head.split() == ["rank", "score", "when", "who", "text", "source"]
    assert re.fullmatch(r" +1 +[\d.]+ +2026-03-14 00:00:00 +Ada +Ada drinks green tea +k/1", row)
    assert "asked by words alone, at position" in told.stderr


def test_recall_for_programs(world: World) -> None:
    """With --explain a row for each signal of each hit."""
    (row,) = world.rows("recall", "green tea")
    assert (row["rank"], row["who"], row["source"]) == ("1", "Ada", "k/1")
    parts = world.rows("recall", "green tea", "--explain")
    assert [part["signal"] for part in parts] == ["words", "stream"]
    assert {"raw", "signal_rank", "weight", "normalized", "share", "text"} <= parts[0].keys()
    (hit,) = world.answer("recall", "green tea", "--explain")["hits"]
    assert hit["explanation"][0]["signal"] == "words"
    assert "signal_rank" in world.run("recall", "green tea", "--explain").stdout


def test_recall_what_was_known_then(world: World) -> None:
    """At a position of an answer, or at a time; only of some kinds; valid at a time."""
    before = str(world.receipt.position - 1)
    assert world.answer("recall", "green tea", "--as-of", before)["hits"] == []
    assert world.answer("recall", "green tea", "--as-of", "2026-01-01")["hits"] == []
    assert world.answer("recall", "green tea", "--valid-at", "2026-01-01")["hits"] == []
    hit, *_ = world.answer("recall", "sencha", "--kind", "Event", "--as-of", before)["hits"]
    assert hit["id"] == world.event
    assert world.answer("recall", "sencha", "--as-of", before)["hits"] == []
    hit, *_ = world.answer("recall", "sencha")["hits"]
    assert (hit["text"], hit["who"], hit["sources"][0]["id"]) == (SENTENCE, "Ada", world.event)


def test_nothing_found_is_an_answer(world: World) -> None:
    """An empty one, and said so."""
    told = world.run("recall", "zeppelins")
    assert (told.exit_code, told.stdout) == (Exit.OK, "")
    assert "nothing was found" in told.stderr
    assert world.run("recall", "zeppelins", "--format", "csv").stdout == "rank,score,when,who,text,source\n"


# In MemQL


def test_query_in_each_form(world: World) -> None:
    """Cells of a table are for reading; JSON and CSV keep all of an item."""
    text = (
        "MATCH (m:Memory)-[:DERIVED_FROM]->(e:Event) WHERE m.text CONTAINS 'green' "
        "RETURN m, e.author AS who, 1 + 1 AS two"
    )
    told = world.run("query", text)
    assert told.exit_code == Exit.OK, told.output
    head, row = told.stdout.splitlines()
    assert head.split() == ["m", "who", "two"]
    assert row.split() == ["Memory", world.memory, *"Ada drinks green tea Ada 2".split()]
    answer = world.answer("query", text)
    assert [column["name"] for column in answer["columns"]] == ["m", "who", "two"]
    (found,) = answer["rows"]
    assert (found["m"]["id"], found["m"]["text"], found["two"]) == (world.memory, "Ada drinks green tea", 2)
    (line,) = world.rows("query", text)
    assert json.loads(line["m"])["id"] == world.memory
    assert (line["who"], line["two"]) == ("Ada", "2")


def test_parameters_by_flag_and_by_file(world: World, tmp_path: Path) -> None:
    """JSON where it is JSON, else text; a flag hides what the file says."""
    text = "MATCH (e:Event) WHERE e.author = $who RETURN e.external_key AS key, $n AS n"
    (row,) = world.answer("query", text, "--param", "who=Ben", "--param", "n=[1, 2]")["rows"]
    assert row == {"key": "k/2", "n": [1, 2]}
    file = tmp_path / "params.json"
    file.write_text('{"who": "Ben", "n": "5"}')
    (row,) = world.answer("query", text, "--params", str(file), "--param", "who=Ada")["rows"]
    assert row == {"key": "k/1", "n": "5"}
    file.write_text("[]")
    assert world.run("query", text, "--params", str(file)).exit_code == Exit.USAGE
    assert world.run("query", text, "--param", "who").exit_code == Exit.USAGE


def test_the_text_of_a_query_from_elsewhere(world: World, tmp_path: Path) -> None:
    """From a file, and from standard input."""
    file = tmp_path / "asked.memql"
    file.write_text("MATCH (e:Event)\nRETURN count(e) AS n\n")
    assert world.answer("query", str(file))["rows"] == [{"n": 2}]
    told = world.run("query", "-", "--format", "csv", given="MATCH (e:Event) RETURN count(e) AS n")
    assert told.stdout == "n\n2\n"
    assert world.run("query", str(tmp_path / "none.memql")).exit_code == Exit.USAGE


def test_explain_shows_the_plan_alone(world: World) -> None:
    """In each form."""
    text = "MATCH (e:Event) RETURN count(e) AS n"
    assert "Scan (e:Event)" in world.run("query", text, "--explain").stdout
    assert "Scan (e:Event)" in world.answer("query", text, "--explain")["plan"]
    tree = world.answer("query", text, "--explain")["plan_tree"]
    while "children" in tree:
        (tree,) = tree["children"]
    assert (tree["operator"], tree["detail"], tree["engine"], tree["time"]) == (
        "Scan", "(e:Event)", "columns", "now"
    )  # fmt: skip
    assert any("Scan (e:Event)" in row["plan"] for row in world.rows("query", f"explain {text}", "--explain"))


def test_a_wrong_query_is_shown_with_its_place(world: World) -> None:
    """A caret beneath it, and a way on."""
    told = world.run("query", "MATCH (e:Evnt) RETURN e")
    assert told.exit_code == Exit.FAILED
    assert told.stdout == ""
    assert "1 | MATCH (e:Evnt) RETURN e\n  |          ^^^^" in told.stderr
    assert "did you mean `Event`?" in told.stderr


# One item


def test_show_walks_to_the_sentence(world: World) -> None:
    """What it says, who recorded it, what it came from, and what it is joined to."""
    told = world.run("show", world.memory)
    assert told.exit_code == Exit.OK, told.output
    assert told.stdout.startswith(f"Memory {world.memory}, version 1\n  Ada drinks green tea\n")
    assert f"by local (Remember), position {world.receipt.position}" in told.stdout
    assert (
        f"came from\n└── Event {world.event} in `kitchen` [k/1]: Ada, 2026-03-14 00:00:00: “{SENTENCE}”" in told.stdout
    )
    assert "2 relations" in told.stdout
    assert f"--> MENTIONS Entity {world.entity}" in told.stdout


def test_show_for_programs(world: World) -> None:
    """Everything in JSON; in CSV a row for each thing."""
    answer = world.answer("show", world.memory)
    assert [source["id"] for source in answer["sources"]] == [world.event]
    assert answer["provenance"]["derivedFrom"][0]["id"] == world.event
    rows = world.rows("show", world.memory)
    assert [(row["as"], row["id"]) for row in rows] == [
        ("item", world.memory),
        ("derived from", world.event),
        ("to DERIVED_FROM", world.event),
        ("to MENTIONS", world.entity),
    ]


def test_show_by_key_and_a_relation(world: World) -> None:
    """An event goes by the key that recall names; a relation is shown with both its ends."""
    told = world.run("show", "k/1")
    assert told.stdout.startswith(f"Event {world.event}, version 1\n  {SENTENCE}\n")
    assert "it is itself what was said or done" in told.stdout
    assert f"<-- DERIVED_FROM Memory {world.memory}" in told.stdout
    relation = world.answer("show", world.memory)["relations"]["edges"][0]["node"]["id"]
    told = world.run("show", relation)
    assert told.stdout.startswith(f"DERIVED_FROM {relation}, weight 1")
    assert f"from  Memory {world.memory}" in told.stdout
    assert f"to    Event {world.event}" in told.stdout
    assert [row["as"] for row in world.rows("show", relation)] == ["relation", "source", "target"]


def test_show_what_is_not_there(world: World) -> None:
    """And what was not there yet."""
    told = world.run("show", "mem_none")
    assert told.exit_code == Exit.FAILED
    assert "there is nothing of the id or key `mem_none`" in told.stderr
    assert world.run("show", world.memory, "--as-of", "1").exit_code == Exit.FAILED


# With a server


@pytest.fixture
def server(world: World) -> Iterator[str]:
    """The address of `memql serve` on the same directory."""
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--data", str(world.data)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout
    found = re.search(r"http://[^/]+", process.stdout.readline())
    assert found
    yield found[0]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_with_a_server_it_is_the_same(world: World, server: str, tmp_path: Path) -> None:
    """The commands ask it, found by the data directory or named; in another tenant there is nothing."""
    told = world.answer("recall", "green tea")
    assert told["hits"][0]["id"] == world.memory
    assert world.answer("query", "MATCH (e:Event) RETURN count(e) AS n")["rows"] == [{"n": 2}]
    assert world.run("show", world.memory).exit_code == Exit.OK
    elsewhere = CliRunner().invoke(
        app, ["recall", "green tea", "--url", f"{server}/graphql", "--data", str(tmp_path / "none"), "--format", "json"]
    )
    assert json.loads(elsewhere.stdout)["hits"][0]["id"] == world.memory
    assert not (tmp_path / "none").exists()
    other = world.run("recall", "tea", "--tenant", "other")
    assert other.exit_code == Exit.FAILED
    assert "no tenant `other`" in other.stderr
    locked = world.run("verify")
    assert "(memql serve)" in locked.stderr


def test_what_is_no_server_is_said(world: World) -> None:
    """Nobody, somebody else, and no address."""
    for url, told in (
        ("http://127.0.0.1:9", "nobody answers at http://127.0.0.1:9"),
        ("ftp://x", "is no address of a server"),
    ):
        answer = world.run("recall", "tea", "--url", url)
        assert answer.exit_code == Exit.FAILED
        assert told in answer.stderr


def test_text_cannot_move_a_terminals_cursor() -> None:
    """What a stranger wrote is shown as text, whatever it is."""
    assert plain("a\x1b[2Jb\x9b\n\u200d") == "a�[2Jb�\n\u200d"


@pytest.mark.parametrize(
    "command",
    ["serve", "import", "recall", "query", "show", "verify", "recover", "rebuild", "settings", "schema",
     "tenants list", "tenants delete", "embedder install", "embedder status", "embedder try"],
)  # fmt: skip
def test_every_help_has_an_example(command: str) -> None:
    """One that begins as it is typed."""
    told = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert told.exit_code == Exit.OK
    assert f"memql {command}" in told.stdout.partition("Usage:")[2].partition("\n")[2]


def test_a_query_that_writes(world: World) -> None:
    """The command finds its way to the mutation; what was written is told beside the rows, a preview writes nothing."""
    correct = "CORRECT m SET m.text = 'Ada drinks sencha' BECAUSE 'typo' RETURN m.text AS says"
    asked = ("query", f"MATCH (m:Memory {{id: $id}}) {correct}", "--param", f"id={world.memory}")
    preview = world.run(*asked, "--explain")
    assert "would be 1 corrected" in preview.stdout
    assert '"Ada drinks green tea" → "Ada drinks sencha"' in preview.stdout
    written = world.run(*asked)
    assert written.exit_code == Exit.OK, written.output
    assert "Ada drinks sencha" in written.stdout
    assert "written at position" in written.stderr
    told = world.answer("query", "MATCH (m:Memory) FORGET m")
    assert told["rows"] == [
        {"remembered": 0, "linked": 0, "corrected": 0, "superseded": 0, "forgotten": told["rows"][0]["forgotten"]}
    ]
    assert told["receipt"]["position"] == told["position"]
    assert told["rows"][0]["forgotten"] >= 2
