"""Import: what goes in, what is told of the rest, and that a second run finishes the first, wherever it was cut off."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner, Result

from engine.clock import SystemClock
from engine.commands import Principal
from engine.decide.streams import stream_scope
from engine.limits import Limits
from engine.lock import DataLock
from engine.tenant import Tenant
from engine.tenants import Tenants
from server.cli import app
from server.commands.chatgpt import chatgpt
from server.commands.intake import BATCH_EVENTS
from server.commands.options import Exit
from server.commands.transcripts import Bad, Line, Named, Said, fitted, jsonl

ROOT = Path(__file__).parents[2]


class Memql:
    """The program on a data directory of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"

    def run(self, *words: str | Path, given: bytes | None = None) -> Result:
        return CliRunner().invoke(app, [*map(str, words), "--data", str(self.data)], input=given)

    def imported(self, *words: str | Path, given: bytes | None = None, code: Exit = Exit.OK) -> list[dict[str, Any]]:
        """What is told of an import, by file."""
        told = self.run("import", *words, "--no-wait", "--format", "json", given=given)
        assert told.exit_code == code, told.output
        rows: list[dict[str, Any]] = json.loads(told.stdout)
        return rows

    def file(self, name: str, *lines: Mapping[str, Any] | str) -> Path:
        path = self.folder / name
        written = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        path.write_text("".join(f"{line}\n" for line in written), "utf-8")
        return path

    def events(self, stream: str) -> list[dict[str, Any]]:
        """The events of a stream as they can be read, through the engine's own door."""
        by = Principal("local", admin=True)
        tenants = Tenants(self.data, clock=SystemClock(), limits=Limits(), consolidate=False)
        with closing(tenants), tenants.use("default") as tenant:
            assert isinstance(tenant, Tenant)

            def ask(reader: Any) -> Any:
                root = reader.index.keyed(stream_scope(by.id), stream)
                page = reader.page(("Event",), limit=1_000, stream=root) if root else []
                return [dict(state.properties) for state in page]

            found = tenant.read_now(ask, by)
            assert isinstance(found, list)
            return found


@pytest.fixture
def memql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memql:
    for name in [name for name in os.environ if name.startswith("MEMQL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MEMQL_EMBEDDER", "none")
    return Memql(tmp_path)


def counts(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return row["recorded"], row["known"], row["refused"]


TEA = {"content": "I only drink green tea.", "author": "Ada", "role": "user", "externalKey": "m1", "stream": "tea"}
NOTED = {"content": "Noted.", "role": "assistant", "replyTo": "m1", "externalKey": "m2", "stream": "tea"}


# JSONL


def test_each_line_once(memql: Memql) -> None:
    """The same command again records nothing, and says so; a line more is a line more."""
    talk = memql.file("talk.jsonl", {"entity": {"name": "Ada Lovelace", "aliases": ["Ada"]}}, TEA, NOTED)
    (row,) = memql.imported(talk)
    assert counts(row) == (3, 0, 0)
    (again,) = memql.imported(talk)
    assert counts(again) == (0, 3, 0)
    assert again["position"] == row["position"]
    memql.file("talk.jsonl", TEA, NOTED, {"content": "Thanks.", "stream": "tea"})
    assert counts(memql.imported(talk)[0]) == (1, 2, 0)
    first, second, third = memql.events("tea")
    assert (first["content"], first["author"], first["external_key"]) == ("I only drink green tea.", "Ada", "m1")
    assert second["reply_to"].startswith("evt_")
    assert third["content"] == "Thanks."


def test_lines_without_a_key_are_recorded_once_too(memql: Memql) -> None:
    """Even where two of them say the same, and where another line between them is mended."""
    lines: list[dict[str, str] | str] = [
        {"content": "ok"},
        "not json",
        {"content": "ok"},
        {"content": "ok", "role": "user"},
    ]
    talk = memql.file("talk.jsonl", *lines)
    assert counts(memql.imported(talk, code=Exit.PARTLY)[0]) == (3, 0, 1)
    memql.file("talk.jsonl", *(line for line in lines if line != "not json"))
    assert counts(memql.imported(talk)[0]) == (0, 3, 0)
    assert [event["content"] for event in memql.events("talk")] == ["ok", "ok", "ok"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("not json", "2:1: NO_JSON: this is no JSON (each line is one whole object)"),
        ('{"content": "a", ]', "2:18: NO_JSON: this is no JSON"),
        ("[1]", '2: NO_OBJECT: an object is expected (such as {"content": "…"})'),
        ({"author": "Ada"}, "2: content: MISSING: this must be given"),
        ({"content": "  "}, "2: content: EMPTY: there is no text here"),
        ({"content": 5}, "2: content: INVALID_TYPE: text is expected"),
        ({"content": "a", "occuredAt": "2026"}, "2: occuredAt: UNKNOWN_FIELD: there is no such field (did you mean"),
        ({"content": "a", "occurredAt": "soon"}, "2: occurredAt: INVALID_VALUE: `soon` is no ISO 8601 time"),
        ({"content": "a", "importance": 2}, "2: importance: OUT_OF_RANGE: 2.0 is not between 0 and 1"),
        ({"content": "a", "metadata": []}, "2: metadata: INVALID_TYPE: a map is expected"),
        ({"content": "a", "author": "x" * 300}, "2: author: LIMIT_EXCEEDED: 300 is more than `name_characters` allows"),
        ({"content": "a", "stream": 5}, "2: stream: INVALID_TYPE: text is expected"),
        ({"content": "a", "replyTo": "nobody"}, "2: replyTo: NOT_FOUND: no event `nobody`"),
        ({"content": "other", "externalKey": "m1"}, "2: externalKey: EXTERNAL_KEY_TAKEN: another event"),
        ({"entity": {"aliases": []}}, "2: entity.name: MISSING: this must be given"),
        ({"entity": {"name": "Ada", "alias": []}}, "2: entity.alias: UNKNOWN_FIELD: there is no such field"),
        ({"entity": {"name": "Ada"}, "content": "a"}, "2: entity: TWO_IN_ONE: an entity stands on a line of its own"),
    ],
)
def test_a_bad_line_is_told_with_its_place(memql: Memql, line: Any, told: str) -> None:
    """File, line, field and reason; the lines around it go in."""
    talk = memql.file("tea.jsonl", TEA, line, {"content": "after"})
    answer = memql.run("import", talk, "--no-wait", "--format", "csv")
    assert answer.exit_code == Exit.PARTLY
    assert answer.stderr.startswith(f"{talk}:{told}")
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stdout.splitlines()[0] == "file,recorded,known,refused,position"
    assert answer.stdout.splitlines()[1].startswith(f"{talk},2,0,1,")


def test_many_refusals_in_one_batch(memql: Memql) -> None:
    """Each is told, and none takes another with it."""
    memql.imported(
        memql.file("a.jsonl", *({"content": f"c{n}", "externalKey": f"k{n}"} for n in range(100))), "--stream=s"
    )
    mixed = [{"content": f"c{n}" if n % 3 else "another", "externalKey": f"k{n}"} for n in range(200)]
    mixed[150] |= {"replyTo": "nobody"}
    answer = memql.run("import", memql.file("b.jsonl", *mixed), "--stream", "s", "--no-wait", "--format", "json")
    (row,) = json.loads(answer.stdout)
    assert counts(row) == (99, 66, 35)
    assert len(answer.stderr.splitlines()) == 35
    assert len(memql.events("s")) == 199


def test_more_than_a_tenant_takes_at_once(memql: Memql) -> None:
    """Batches give way to the limits of whoever takes them."""
    lines = [{"content": f"c{n}", "externalKey": f"k{n}"} for n in range(BATCH_EVENTS + 20)]
    rows = memql.imported(memql.file("a.jsonl", *lines), "--set", "limits.events_per_command=30")
    assert counts(rows[0]) == (len(lines), 0, 0)
    assert [event["content"] for event in memql.events("a")] == [line["content"] for line in lines]


def test_strict_records_nothing_unless_all_is_right(memql: Memql) -> None:
    """Also from standard input, which can be read but once."""
    given = b'{"content": "a"}\n{"content": 1}\n'
    answer = memql.run("import", "-", "--stream", "s", "--strict", "--no-wait", given=given)
    assert answer.exit_code == Exit.PARTLY
    assert "stdin:2: content: INVALID_TYPE" in answer.stderr
    assert "nothing was recorded" in answer.stderr
    assert not (memql.data / "tenants" / "default").exists()
    (row,) = memql.imported("-", "--stream", "s", "--strict", given=b'{"content": "a"}\n')
    assert (row["file"], *counts(row)) == ("stdin", 1, 0, 0)


def test_a_dry_run_reads_and_records_nothing(memql: Memql) -> None:
    """It counts what would go in."""
    talk = memql.file("talk.jsonl", {"entity": {"name": "Ada"}}, TEA, NOTED, {"content": "x"}, {"content": ""})
    answer = memql.run("import", talk, "--dry-run", "--format", "json")
    assert answer.exit_code == Exit.PARTLY
    assert json.loads(answer.stdout) == [{"file": str(talk), "events": 3, "entities": 1, "streams": 2, "refused": 1}]
    assert not memql.data.exists()


def test_streams_of_somebody_else(memql: Memql) -> None:
    """Opened in that name and domain, and found again by it."""
    talk = memql.file("talk.jsonl", TEA, NOTED)
    words: list[str | Path] = [talk, "--owner", "agent:scribe", "--domain", "agent"]
    assert counts(memql.imported(*words)[0]) == (2, 0, 0)
    assert counts(memql.imported(*words)[0]) == (0, 2, 0)
    assert memql.events("tea") == []
    assert counts(memql.imported(talk)[0]) == (2, 0, 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["missing.jsonl"], "missing.jsonl: there is no such file"),
        (["."], ".: is a directory"),
        (["empty.zip"], "empty.zip: there is no conversations.json within"),
    ],
)
def test_what_cannot_be_read_is_said_before_anything_is_done(
    memql: Memql, words: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exit code of a command that was written wrongly."""
    monkeypatch.chdir(memql.folder)
    with ZipFile("empty.zip", "w") as archive:
        archive.writestr("chat.html", "")
    answer = memql.run("import", *words, "--no-wait")
    assert (answer.exit_code, answer.stderr) == (
        Exit.USAGE,
        f"memql: NO_{'EXPORT' if 'zip' in told else 'FILE'}: {told}\n",
    )


def test_a_line_that_does_not_end_is_passed_over() -> None:
    """Without being held in memory; the next one goes on."""
    file = io.BytesIO(b'{"content": "' + b"x" * 17_000_000 + b'"}\n{"content": "next"}')
    first, second = jsonl(file, "f", "s")
    assert isinstance(first, Bad)
    assert first.problem.code == "LINE_TOO_LONG"
    assert isinstance(second, Said)
    assert (second.event["content"], str(second.spot)) == ("next", "f:2")


# ChatGPT


def message(id_: str, parent: str | None, *parts: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    content = {"content_type": "text", "parts": list(parts)}
    said = {"id": id_, "author": {"role": role}, "content": content, **more} if parts or more else None
    return {"id": id_, "message": said, "parent": parent, "children": []}


def conversation(id_: str, title: str | None, *nodes: dict[str, Any], last: str | None) -> dict[str, Any]:
    for node in nodes:
        node["children"] = [other["id"] for other in nodes if other["parent"] == node["id"]]
    return {
        "title": title,
        "conversation_id": id_,
        "create_time": 1_770_000_000.5,
        "current_node": last,
        "mapping": {node["id"]: node for node in nodes},
    }


PICTURE = {"content_type": "image_asset_pointer", "asset_pointer": "file://x", "width": 3}
MIXED = {"content_type": "multimodal_text", "parts": [PICTURE, "Is this it?"]}

BROWSED = {"content_type": "tether_browsing_display", "result": "Ferry table"}


def trip() -> dict[str, Any]:
    """A conversation with a branch that was left, a picture, a tool, and things that nobody said."""
    return conversation(
        "c-1",
        "Trip to\nNorway",
        message("root", None),
        message("sys", "root", "", role="system", metadata={"is_visually_hidden_from_conversation": True}),
        message("u1", "sys", "When does the ferry go?", create_time=1_770_000_060.25),
        message("a1", "u1", "At noon.", role="assistant", create_time=1_770_000_070),
        message("a2", "u1", "At ten\x07.", role="assistant", create_time=1_770_000_080, metadata={"model_slug": "m-4"}),
        message("u2", "a2", content=MIXED, metadata={"attachments": [{"name": "ferry.png"}]}),
        message("t1", "u2", author={"role": "tool", "name": "browser"}, content=BROWSED),
        message("a3", "t1", "It is.", role="assistant"),
        last="a3",
    )  # fmt: skip


def said(lines: Iterator[Line]) -> list[Said]:
    found = list(lines)
    assert not [line for line in found if isinstance(line, Bad)]
    return [line for line in found if isinstance(line, Said)]


def test_the_branch_on_the_screen_is_what_was_said() -> None:
    """In its order, with roles, authors, times and keys; pictures and files in words; what was hidden is left out."""
    lines = said(fitted(line, Limits()) for line in chatgpt(io.BytesIO(json.dumps([trip()]).encode()), "c.json"))
    assert {line.stream for line in lines} == {"Trip to Norway (c-1)"}
    told = [(e["externalKey"], e["role"], e.get("author"), e["content"]) for e in (line.event for line in lines)]
    assert told == [
        ("u1", "user", None, "When does the ferry go?"),
        ("a2", "assistant", "ChatGPT", "At ten."),
        ("u2", "user", None, "[image]\n\nIs this it?\n\n[attachment: ferry.png]"),
        ("t1", "tool", "browser", "Ferry table"),
        ("a3", "assistant", "ChatGPT", "It is."),
    ]
    times = [line.event["occurredAt"] for line in lines]
    assert times == sorted(times)
    assert times[0] == "2026-02-02T02:41:00.250000+00:00"
    assert lines[1].event["metadata"] == {"model": "m-4"}


@pytest.mark.parametrize("form", ["json", "zip", "numbered"])
def test_an_export_in_each_of_its_forms(memql: Memql, form: str) -> None:
    """One file, a .zip, and the .zip with numbered files; a conversation without a title goes by its id."""
    plain = conversation("c-2", None, message("p1", None, "Hello"), last="p1")
    if form == "json":
        path = memql.file("conversations.json", json.dumps([trip(), plain]))
    else:
        path = memql.folder / "export.zip"
        with ZipFile(path, "w") as archive:
            archive.writestr("chat.html", "<html>")
            if form == "zip":
                archive.writestr("conversations.json", json.dumps([trip(), plain]))
            else:
                archive.writestr("conversations-000.json", json.dumps([trip()]))
                archive.writestr("conversations-001.json", json.dumps([plain]))
    assert sum(row["recorded"] for row in memql.imported(path)) == 6
    assert [event["external_key"] for event in memql.events("Trip to Norway (c-1)")] == ["u1", "a2", "u2", "t1", "a3"]
    assert [event["content"] for event in memql.events("(c-2)")] == ["Hello"]


def test_a_conversation_that_was_renamed_stays_the_same(memql: Memql) -> None:
    """A later export of it adds what is new, to the stream that there is."""
    memql.imported(memql.file("conversations.json", json.dumps([trip()])))
    later = trip()
    later["title"] = "Norway by ferry"
    later["mapping"]["u4"] = message("u4", "a3", "Thanks!")
    later["current_node"] = "u4"
    assert counts(memql.imported(memql.file("conversations.json", json.dumps([later])))[0]) == (1, 5, 0)
    assert len(memql.events("Trip to Norway (c-1)")) == 6
    assert memql.events("Norway by ferry (c-1)") == []


def test_a_long_export_is_read_a_conversation_at_a_time() -> None:
    """Whatever it is cut into on the way, in the middle of signs of several bytes too."""
    exported = [conversation(f"c{n}", "é" * n, message(f"m{n}", None, "ø" * 50_000), last=f"m{n}") for n in range(30)]
    whole = json.dumps(exported, ensure_ascii=False, indent=1).encode()
    lines = said(chatgpt(io.BytesIO(whole), "c.json"))
    assert [line.conversation for line in lines] == [f"c{n}" for n in range(30)]
    assert {len(line.event["content"]) for line in lines} == {50_000}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (json.dumps([trip()])[:-1], "CUT_SHORT"),
        (json.dumps([trip()])[:-20], "NO_JSON"),
        ('[{"a": 1}]', "NO_CONVERSATION"),
        ("[nonsense", "NO_JSON"),
        ('[{"mapping": {}}]', "NO_ID"),
    ],
)
def test_an_export_that_is_not_whole_is_told(memql: Memql, text: str, told: str) -> None:
    """With the conversation where it goes wrong; what stands before it goes in."""
    answer = memql.run("import", memql.file("conversations.json", text), "--no-wait")
    assert answer.exit_code == Exit.PARTLY
    assert "conversations.json: conversation " in answer.stderr
    assert f"{told}: " in answer.stderr


# Whole processes

LINES = 10_000


def started(memql: Memql, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "server.cli", *words, "--data", str(memql.data)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_killed_on_the_way_and_finished_by_a_second_run(memql: Memql) -> None:
    """Nothing is lost and nothing is doubled, wherever kill -9 met it."""
    lines = [{"content": f"said {n}", "externalKey": f"k{n}", "stream": f"s{n % 7}"} for n in range(LINES)]
    talk = memql.file("talk.jsonl", *lines)
    first = started(memql, "import", str(talk), "--no-wait")
    journal = memql.data / "tenants" / "default" / "journal.db-wal"
    while first.poll() is None and (not journal.exists() or journal.stat().st_size < 200_000):
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=30)
    assert first.returncode == -signal.SIGKILL, "it was over before it could be killed"

    (row,) = memql.imported(talk)
    recorded, known, refused = counts(row)
    assert (recorded + known, refused) == (LINES, 0)
    assert known > 0
    assert recorded > 0
    assert counts(memql.imported(talk)[0]) == (0, LINES, 0)


def test_what_is_imported_is_found(memql: Memql) -> None:
    """At once: without a server the command itself waits until it is remembered, as nobody else would go on with it."""
    told = memql.run("import", memql.file("talk.jsonl", TEA, NOTED), "--format", "json")
    assert told.exit_code == Exit.OK, told.output
    assert counts(json.loads(told.stdout)[0]) == (2, 0, 0)
    (hit, *_) = json.loads(memql.run("recall", "what does Ada drink?", "--format", "json").stdout)["hits"]
    assert (hit["kind"], hit["text"], hit["sources"][0]["key"]) == ("Memory", "I only drink green tea.", "m1")


def test_into_a_server_that_runs(memql: Memql) -> None:
    """The same command finds it by the data directory, and asks it."""
    server = started(memql, "serve", "--port", "0")
    try:
        assert server.stdout
        assert "serves http://" in server.stdout.readline()
        talk = memql.file("talk.jsonl", TEA, NOTED)
        assert counts(memql.imported(talk)[0]) == (2, 0, 0)
        assert counts(memql.imported(talk, "--tenant", "other")[0]) == (2, 0, 0)
        assert memql.run("import", talk, "--wait").exit_code == Exit.OK
        found = memql.run("query", "MATCH (m:Memory) RETURN m.text AS text", "--format", "csv")
        assert "I only drink green tea." in found.stdout
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)
    assert len(memql.events("tea")) == 2


def test_whoever_else_has_the_directory_is_named(memql: Memql) -> None:
    """And a server that is named but is none, or no address at all."""
    talk = memql.file("talk.jsonl", TEA)
    lock = DataLock.take(memql.data, "memql verify")
    assert isinstance(lock, DataLock)
    answer = memql.run("import", talk)
    lock.close()
    assert answer.exit_code == Exit.FAILED
    assert f"in use by process {os.getpid()} (memql verify)" in answer.stderr
    for url, told in (("http://127.0.0.1:9", "nobody answers at http://127.0.0.1:9"), ("nowhere", "is no address")):
        answer = memql.run("import", talk, "--url", url)
        assert answer.exit_code == Exit.FAILED
        assert told in answer.stderr
    assert not (memql.data / "tenants").exists()


def test_entities_of_lines() -> None:
    """Known by a key of their own, so that the same gazetteer is taken once."""
    (line,) = jsonl(io.BytesIO(b'{"entity": {"name": "Ada Lovelace"}}'), "f", "s")
    assert isinstance(line, Named)
    assert line.entity == {"externalKey": "entity:ada lovelace", "name": "Ada Lovelace"}
