"""Files of operations: what is wrong with them is told with its place; what is made of them is what it should be."""

import asyncio
import hashlib
import importlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from server.cli import app
from server.commands.clients import client
from server.commands.clients.operations import read_schema
from server.commands.options import Exit
from tests.server.odd import ASKED as ODD
from tests.server.odd import odd
from tests.server.operations import ASKED, FRAGMENTS, ROOT, TICKING, TICKS, world


def run(folder: Path, *words: str, **files: str) -> Result:
    """`memql codegen` on those files, in that folder."""
    for name, text in files.items():
        (folder / f"{name}.graphql").write_text(text, "utf-8")
    names = [str(folder / f"{name}.graphql") for name in files]
    return CliRunner().invoke(app, ["codegen", *names, "--out", str(folder / "out"), *words])


def made(folder: Path, *words: str, **files: str) -> dict[str, str]:
    """The files that come of it, by name."""
    told = run(folder, *words, **files)
    assert told.exit_code == Exit.OK, told.stderr
    return {path.name: path.read_text("utf-8") for path in (folder / "out").iterdir()}


# What is wrong


@pytest.mark.parametrize(
    ("text", "place", "said", "way_on"),
    [
        (
            "query A { memory(id: 1) { txt } }",
            "1:27",
            "Cannot query field 'txt' on type 'Memory'",
            "did you mean 'text'",
        ),
        ("query A {\n  memory { text }\n}", "2:3", "of type 'ID!' is required", "^^^^^^"),
        ("{ position }", "1:1", "an operation without a name", "query Recall"),
        ("query A { position", "1:19", "Expected Name, found <EOF>", "may lack"),
        ("query A($n: Intt) { position }", "1:13", "Unknown type 'Intt'", "did you mean 'Int'"),
        ("query A { position } query a { position }", "1:28", "`a` and `A` are one name in code", "capitals"),
        ("query A { __x: position }", "1:11", "GraphQL keeps to itself", "two underscores"),
        ("query A { memory(id: 1) { ...Gone } }", "1:30", "Unknown fragment 'Gone'", "schema"),
        ("# nothing yet", "", "there is no operation here", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, place: str, said: str, way_on: str) -> None:
    """File, line, column, a caret and a way on; nothing is written."""
    told = run(tmp_path, asked=text)
    assert told.exit_code == Exit.FAILED
    assert said in told.stderr
    assert f"asked.graphql{':' * bool(place)}{place}\n" in told.stderr
    assert ("^" in told.stderr) is bool(place)
    assert way_on in told.stderr
    assert not (tmp_path / "out").exists()


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Of each file what is its own."""
    told = run(tmp_path, a="query A { gone }", b="query B { memory(id: 1) { gone } }", c="query C { position }")
    assert re.findall(r"(\w)\.graphql:", told.stderr) == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["type Query {", "type Query { a: Gone }", "type A { a: Int }", "input Query { a: Int }"]
)
def test_a_schema_that_is_none_is_told(tmp_path: Path, text: str) -> None:
    """With the file's name, in a line of our own."""
    schema = tmp_path / "own.graphqls"
    schema.write_text(text)
    told = run(tmp_path, "--schema", str(schema), asked="query A { a }")
    assert told.exit_code == Exit.FAILED
    assert re.match(r"error\[(BAD_SCHEMA|GRAPHQL_SYNTAX)\]", told.stderr), told.stderr
    assert "own.graphqls" in told.stderr
    assert run(tmp_path, "--schema", "gone.graphqls", asked="query A { a }").exit_code == Exit.USAGE


# What is made


def test_what_is_made_is_found_up_to_date(tmp_path: Path) -> None:
    """By --check, which writes nothing; the same operations give the same text."""
    made(tmp_path, asked=ASKED, parts=FRAGMENTS)
    assert "up to date" in run(tmp_path, "--check", asked=ASKED, parts=FRAGMENTS).stdout
    (tmp_path / "out" / "client.py").write_text("# by hand\n")
    (tmp_path / "out" / "documents.json").unlink()
    told = run(tmp_path, "--check", asked=ASKED, parts=FRAGMENTS)
    assert told.exit_code == Exit.FAILED
    assert "client.py: not up to date" in told.stderr
    assert "documents.json: is not there" in told.stderr


@pytest.mark.parametrize("lang", ["python", "ts"])
def test_queries_and_operations_in_one_directory(tmp_path: Path, lang: str) -> None:
    """One command takes both; a module of one does not take the other's place."""
    catalog, queries = str(tmp_path / "catalog.json"), tmp_path / "notes.memql"
    told = CliRunner().invoke(app, ["catalog", "--out", catalog, "--data", str(world(tmp_path).folder / "data")])
    assert told.exit_code == Exit.OK, told.stderr
    queries.write_text("// texts :many\nMATCH (m:Memory) RETURN m.text AS text\n")
    words = (str(queries), "--lang", lang, "--catalog", catalog)
    files = made(tmp_path, *words, asked=ASKED, parts=FRAGMENTS)
    ending = "py" if lang == "python" else "ts"
    assert {f"notes.{ending}", f"runtime.{ending}", f"client.{ending}", "documents.json"} <= set(files)
    assert "up to date" in run(tmp_path, *words, "--check", asked=ASKED, parts=FRAGMENTS).stdout
    queries.rename(tmp_path / "client.memql")
    told = run(tmp_path, str(tmp_path / "client.memql"), *words[1:], asked=ASKED, parts=FRAGMENTS)
    assert told.exit_code == Exit.FAILED
    assert "rename the file of queries" in told.stderr


def test_a_fragment_is_one_type(tmp_path: Path) -> None:
    """Wherever it is spread, also in another file; what selects more stands under it."""
    for lang, one, under in (
        ("python", "class MemoryParts(ItemParts):", "class RecallEdgeNodeMemory(MemoryParts):"),
        ("ts", "interface MemoryParts extends ItemParts {", "interface RecallEdgeNodeMemory extends MemoryParts {"),
    ):
        results = made(tmp_path, "--lang", lang, asked=ASKED, parts=FRAGMENTS)
        text = results["results.py" if lang == "python" else "results.ts"]
        assert text.count(one) == text.count(under) == 1


@pytest.mark.parametrize("lang", ["python", "ts"])
def test_the_manifest_has_what_is_sent(tmp_path: Path, lang: str) -> None:
    """Under the digest of the exact text; a trusted client has only that."""
    files = made(tmp_path, "--lang", lang, asked=ASKED, parts=FRAGMENTS)
    manifest = json.loads(files["documents.json"])
    code = files["documents.py" if lang == "python" else "documents.ts"]
    assert manifest["format"] == "memql-documents-v1"
    assert {each["name"] for each in manifest["documents"].values()} >= {"Recall", "Remember", "Note"}
    for known, each in manifest["documents"].items():
        assert known == f"sha256:{hashlib.sha256(each['text'].encode()).hexdigest()}"
        assert known in code
        assert each["text"] in code
    trusted = made(tmp_path, "--lang", lang, "--trusted", asked=ASKED, parts=FRAGMENTS)
    assert trusted["documents.json"] == files["documents.json"]
    only = trusted["documents.py" if lang == "python" else "documents.ts"]
    assert all(known in only for known in manifest["documents"])
    assert "search(" not in only


def test_what_is_added_to_operations() -> None:
    """Keys where a change takes one, in each place; cursors where a stream has them; the types' names of unions."""
    schema = odd()
    text = json.loads(client({"odd": ODD}, schema, "python").files["documents.json"])["documents"].values()
    sent = {each["name"]: each["text"] for each in text}
    assert "mutation inline($at: DateTime, $idempotencyKey: String, $idempotencyKey2: String" in sent["inline"]
    assert '[{ at: $at, idempotencyKey: $idempotencyKey2 }, { idempotencyKey: "k" }]' in sent["inline"]
    assert "bare(idempotencyKey: $idempotencyKey3)" in sent["inline"]
    assert "events(after: $after) {\n    n\n    cursor\n  }" in sent["events"]
    assert "... on Event {\n      cursor\n    }" in sent["told"]
    assert "after" not in sent["aliased"] + sent["bare"]
    assert "many {\n    __typename" in sent["class"]
    ticks = read_schema(TICKING)
    assert not isinstance(ticks, list)
    [ticking] = json.loads(client({"t": TICKS}, ticks, "ts").files["documents.json"])["documents"].values()
    assert "... on Message {\n      cursor\n    }\n    ... on GoOn {\n      after\n    }" in ticking["text"]


def test_what_is_said_of_an_operation_is_said_of_its_method(tmp_path: Path) -> None:
    """As a description or as a comment, of its variables too; none of it is sent."""
    asked = """
# Not of it.

# What fits.
# The best first.
query Recall($text: String!) { search(input: {text: $text}) { position } }
"One memory." query One("Its id." $id: ID!) { memory(id: $id) { text } }
"""
    files = made(tmp_path, asked=asked)
    assert '        """What fits.\n        The best first.\n        """\n' in files["client.py"]
    assert '        """One memory.\n\n        `id`: Its id.\n        """\n' in files["client.py"]
    assert "One memory" not in files["documents.json"]
    assert "Not of it" not in files["client.py"]
    files = made(tmp_path, "--lang", "ts", asked=asked)
    assert "/** One memory. */" in files["client.ts"]
    assert "  /** Its id. */\n  readonly id: string;" in files["inputs.ts"]


def test_the_shipped_schema_is_the_default(tmp_path: Path) -> None:
    """It is made of the code: what was generated of the file is the same."""
    shipped = made(tmp_path, asked=ASKED, parts=FRAGMENTS)
    assert made(tmp_path, "--schema", str(ROOT / "schema.graphql"), asked=ASKED, parts=FRAGMENTS) == shipped


def test_odd_names_are_names(tmp_path: Path) -> None:
    """Of Python and of pydantic, with no warning; no two are one."""
    results, client_ = imported(tmp_path, "odd_names", client({"odd": ODD}, odd(), "python").files)
    fields = results.ClassBImport.model_fields
    assert {"str_", "int_", "in_", "not_", "copy_", "json_", "x", "foo_bar", "foo_bar_2", "typename_2"} <= set(fields)
    assert {each.validation_alias for each in fields.values()} >= {"_x", "fooBar", "foo_bar", "in", "typename"}
    inputs = sys.modules["odd_names.inputs"]
    given = inputs.OrderBy(str_="a", in_=[[1]], not_=inputs.OrderBy(str_="b"), foo_bar=1, foo_bar_2=None)
    assert sys.modules["odd_names.values"].to_json(given) == {
        "str": "a", "in": [[1]], "not": {"str": "b"}, "fooBar": 1, "foo_bar": None
    }  # fmt: skip
    assert callable(client_.Client("http://localhost").close_)


def imported(folder: Path, name: str, files: Any) -> tuple[Any, Any]:
    """The results and the client, as Python has them."""
    (folder / name).mkdir()
    for file, text in files.items():
        (folder / name / file).write_text(text, "utf-8")
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        importlib.import_module(f"{name}.client_sync")
        return importlib.import_module(f"{name}.results"), importlib.import_module(f"{name}.client")
    finally:
        sys.path.remove(str(folder))


# What is answered

SMALL = """
enum Mood { GLAD SAD }
interface Thing { id: ID! }
type Cat implements Thing { id: ID! mood: Mood! }
type Dog implements Thing { id: ID! name: String }
type Query { things: [Thing!]! }
input NoteInput { text: String! idempotencyKey: String }
type Mutation { note(input: NoteInput!): Int shout(text: String): Int }
"""
SMALL_ASKED = """
query Things { things { id ... on Cat { mood } } }
mutation Note($input: NoteInput!) { note(input: $input) }
mutation Shout($text: String) { shout(text: $text) }
"""
Answer = Callable[[httpx.Request], httpx.Response]


class Small:
    """A client of a small schema, and what it is answered: one answer after the other."""

    def __init__(self, folder: Path, name: str, trusted: bool = False) -> None:
        schema = read_schema(SMALL)
        assert not isinstance(schema, list)
        files = client({"small": SMALL_ASKED}, schema, "python", trusted).files
        self.results, self._client = imported(folder, name, files)
        self.answers: Any = sys.modules[f"{name}.answers"]
        self.inputs: Any = sys.modules[f"{name}.inputs"]
        self._retries = sys.modules[f"{name}.transport"].Retries(first=0.0)
        self.asked: list[httpx.Request] = []

    def client(self, *answers: httpx.Response | Exception, **options: Any) -> Any:
        waiting = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            told = waiting.pop(0)
            if isinstance(told, Exception):
                raise told
            return told

        http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        return self._client.Client("http://there", http=http, retries=self._retries, **options)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(each.content) for each in self.asked]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return Small(tmp_path_factory.mktemp("small"), "small_client")


@pytest.fixture(autouse=True)
def forgotten(small: Small) -> None:
    small.asked.clear()


THINGS = httpx.Response(200, json={"data": {"things": []}})


async def test_what_is_newer_than_the_client_is_read(small: Small) -> None:
    """A value of an enum, a type of an interface; what no longer fits is told as that."""
    things = [
        {"__typename": "Cat", "id": "1", "mood": "GLAD"},
        {"__typename": "Cat", "id": "2", "mood": "GRUMPY"},
        {"__typename": "Fish", "id": "3"},
    ]
    glad, grumpy, fish = (await small.client(httpx.Response(200, json={"data": {"things": things}})).things()).things
    assert glad.mood is small.inputs.Mood.GLAD
    assert (grumpy.mood, type(grumpy.mood).__name__) == ("GRUMPY", "Unknown")
    assert (type(fish).__name__, fish.typename, fish.id) == ("ThingsOther", "Fish", "3")
    wrong = httpx.Response(200, json={"data": {"things": [{"__typename": "Cat", "id": None, "mood": "SAD"}]}})
    with pytest.raises(small.answers.Unexpected, match=r"things\.0.*id.* make it again"):
        await small.client(wrong).things()


async def test_what_passes_is_asked_again(small: Small) -> None:
    """Where nobody answers, the wire is cut, a server is busy; not longer than is patient, and no slow answer."""
    busy = httpx.Response(503, text="<html>", headers={"retry-after": "0"})
    limited = httpx.Response(
        429, json={"errors": [{"message": "later", "extensions": {"code": "LIMIT_EXCEEDED", "requestId": "r7"}}]},
        headers={"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"},
    )  # fmt: skip
    await small.client(httpx.ConnectError("gone"), httpx.ReadError("cut"), busy, limited, THINGS).things()
    assert len(small.asked) == 5
    limited.headers["retry-after"] = "3600"
    with pytest.raises(small.answers.Busy) as found:
        await small.client(limited).things()
    assert (found.value.code, found.value.request_id, found.value.wait) == ("LIMIT_EXCEEDED", "r7", 3600)
    with pytest.raises(small.answers.TimedOut):
        await small.client(httpx.ReadTimeout("slow")).things()
    with pytest.raises(small.answers.CutOff):
        await small.client(*(httpx.ReadError("cut") for _ in range(5))).things()
    with pytest.raises(small.answers.NotMemql):
        await small.client(httpx.Response(200, text="hello")).things()


async def test_a_change_is_made_once(small: Small) -> None:
    """Under one key however often it is asked, the caller's or one of its own; without one it is asked once."""
    noted = httpx.Response(200, json={"data": {"note": 1}})
    note = small.inputs.NoteInput
    await small.client(httpx.ReadError("cut"), noted, new_key=lambda: "k1").note(input=note(text="a"))
    await small.client(noted).note(input=note(text="a", idempotency_key="mine"))
    keys = [each["variables"]["input"]["idempotencyKey"] for each in small.bodies]
    assert keys == ["k1", "k1", "mine"]
    small.asked.clear()
    with pytest.raises(small.answers.CutOff):
        await small.client(httpx.ReadError("cut")).shout(text="a")
    # Who was never reached was never asked.
    await small.client(httpx.ConnectError("gone"), httpx.Response(200, json={"data": {"shout": 1}})).shout()
    assert [each["variables"] for each in small.bodies] == [{"text": "a"}, {}, {}]


async def test_a_token_that_is_over_is_renewed_once(small: Small) -> None:
    """Where the caller gives a way to another."""
    over = httpx.Response(401, json={"errors": [{"message": "it is over", "extensions": {"code": "UNAUTHENTICATED"}}]})
    tokens = iter(("one", "two", "three"))
    asks = small.client(over, THINGS, THINGS, token=lambda: next(tokens), tenant="acme")
    await asks.things()
    await asks.things()
    assert [each.headers["authorization"][7:] for each in small.asked] == ["one", "two", "two"]
    assert {each.headers["x-memql-tenant"] for each in small.asked} == {"acme"}
    with pytest.raises(small.answers.Unauthenticated):
        await small.client(over, over, token=lambda: asyncio.sleep(0, "x")).things()
    with pytest.raises(small.answers.Unauthenticated):
        await small.client(over, token="one").things()


async def test_a_trusted_client_sends_ids_alone(tmp_path: Path, small: Small) -> None:
    """Never the text, whatever the server says."""
    trusted = Small(tmp_path, "small_trusted", trusted=True)
    unknown = httpx.Response(400, json={"errors": [{"message": "unknown", "extensions": {"code": "NOT_FOUND"}}]})
    await trusted.client(THINGS).things()
    with pytest.raises(trusted.answers.Refused):
        await trusted.client(unknown).things()
    await small.client(THINGS).things()
    text = small.bodies[0]["query"]
    known = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    assert trusted.bodies == [{"documentId": known, "operationName": "Things", "variables": {}}] * 2
