"""Trusted documents: known by an id, asked by POST and by GET, and where it is set nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memql.errors import Refusal
from server.api.documents import identified, trusted_in
from server.api.schema import make_schema, wrong_documents
from server.bounds import RequestLimits
from server.cli import app
from tests.server.test_limits import ADMIN, READER, asking

PAGE = "query Page($n: Int! = 5) { memories(first: $n) { nodes { text } } }"
WRITE = "mutation Write($t: String!) { remember(input: {text: $t}) { __typename } }"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "trusted.json"
    documents = {identified(text): {"name": None, "text": text} for text in (PAGE, WRITE)}
    file.write_text(json.dumps({"format": "memql-documents-v1", "documents": documents}))
    return file


@pytest.mark.parametrize(
    "made",
    [
        lambda id_: {"format": "memql-documents-v1", "documents": {id_: {"name": "Page", "text": PAGE}}},
        lambda id_: {id_: PAGE},
        lambda id_: {id_.removeprefix("sha256:"): PAGE},
        lambda id_: {"0123456789abcdef0123456789abcdef": PAGE},
        lambda id_: {
            "format": "apollo-persisted-query-manifest", "version": 1,
            "operations": [{"id": id_.removeprefix("sha256:"), "body": PAGE, "name": "Page", "type": "query"}],
        },
    ],
)  # fmt: skip
def test_forms_of_manifests(tmp_path: Path, made: Any) -> None:
    """Of our own codegen, GraphQL Code Generator, Relay (whose ids are of another kind) and Apollo."""
    (tmp_path / "one.json").write_text(json.dumps(made(identified(PAGE))))
    assert trusted_in(tmp_path / "one.json") == {identified(PAGE): PAGE}
    assert trusted_in(tmp_path) == {identified(PAGE): PAGE}


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (b"{", "DOCUMENTS"), (b"[]", "DOCUMENTS"), (b"{}", "DOCUMENTS"), (b"\xff", "DOCUMENTS"),
        (b'{"format": "memql-documents-v1", "documents": {"sha256:1": 1}}', "DOCUMENTS"),
        (json.dumps({"0" * 64: PAGE}).encode(), "BAD_DOCUMENT"),
        (json.dumps({identified("{ a }"): "{ a }"}).encode(), "BAD_DOCUMENT"),
        (json.dumps({identified("{ "): "{ "}).encode(), "BAD_DOCUMENT"),
    ],
)  # fmt: skip
def test_a_bad_document_is_told_at_the_start(tmp_path: Path, written: bytes, code: str) -> None:
    """Before the server listens to anybody; every one of them."""
    file = tmp_path / "trusted.json"
    file.write_bytes(written)
    problems = wrong_documents(RequestLimits(documents=file))
    assert {problem.code for problem in problems} == {code}
    told = CliRunner().invoke(
        app, ["serve", "--port", "0", "--data", str(tmp_path / "d"), "--set", f"requests.documents={file}"]
    )
    assert told.exit_code == 1
    assert code in told.output


def test_a_missing_manifest_is_told(tmp_path: Path) -> None:
    """A path to nothing, an empty directory, and trust in nothing at all."""
    assert isinstance(trusted_in(tmp_path / "none.json"), Refusal)
    assert isinstance(trusted_in(tmp_path), Refusal)
    (problem,) = wrong_documents(RequestLimits(documents_only=True))
    assert problem.hint == "name `requests.documents`"


async def test_a_document_by_its_id(caller: Any, manifest: Path) -> None:
    """In place of its text, with its variables; an unknown id is said to be one."""
    await caller.do("remember", text="tea", domain="ORGANIZATION")
    client = asking(caller, READER, RequestLimits(documents=manifest))
    body: dict[str, Any] = {"documentId": identified(PAGE), "variables": {"n": 1}}
    answer = (await client.post("/graphql", json=body)).json()
    assert answer["data"] == {"memories": {"nodes": [{"text": "tea"}]}}
    for body, code in (
        ({"documentId": "sha256:" + "0" * 64}, "DOCUMENT_UNKNOWN"),
        ({"documentId": "sha256:xyz"}, "BAD_REQUEST"),
        ({"documentId": 5}, "BAD_REQUEST"),
        ({"documentId": identified(PAGE), "query": PAGE}, "BAD_REQUEST"),
        ({"documentId": identified(PAGE).upper()}, "BAD_REQUEST"),
        ({"query": "sha256:" + "0" * 64}, "DOCUMENT_UNKNOWN"),
    ):
        refused = await client.post("/graphql", json=body)
        assert [error["extensions"]["code"] for error in refused.json()["errors"]] == [code], body


async def test_nothing_but_trusted_documents(caller: Any, manifest: Path) -> None:
    """Where it is set so; an administrator may send any, and a trusted one may come as text."""
    await caller.do("remember", text="tea", domain="ORGANIZATION")
    limits = RequestLimits(documents=manifest, documents_only=True)
    reader, admin = asking(caller, READER, limits), asking(caller, ADMIN, limits)
    for query in ("{ position }", "{ nothing }", "{"):
        (error,) = (await reader.post("/graphql", json={"query": query})).json()["errors"]
        assert error["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
    assert (await reader.post("/graphql", json={"query": PAGE})).json()["data"]
    assert (await admin.post("/graphql", json={"query": "{ position }"})).json()["data"]


async def test_by_get(caller: Any, manifest: Path) -> None:
    """Only what is trusted and only reads; a browser may keep the answer, and asks whether it still holds."""
    await caller.do("remember", text="tea", domain="ORGANIZATION")
    client = asking(caller, READER, RequestLimits(documents=manifest))
    params = {"documentId": identified(PAGE), "variables": '{"n": 1}'}
    answer = await client.get("/graphql", params=params, headers={"accept": "application/graphql-response+json"})
    assert answer.json()["data"] == {"memories": {"nodes": [{"text": "tea"}]}}
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in answer.headers["vary"]
    again = await client.get("/graphql", params=params, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    await caller.do("remember", text="coffee", domain="ORGANIZATION")
    changed = await client.get("/graphql", params={"query": PAGE}, headers={"if-none-match": answer.headers["etag"]})
    assert changed.status_code == 200
    assert len(changed.json()["data"]["memories"]["nodes"]) == 2
    wrong = await client.get("/graphql", params=params | {"variables": '{"n": "x"}'})
    assert wrong.json()["errors"]
    assert wrong.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"documentId": identified(WRITE), "variables": '{"t": "x"}'}, 405, "GET_NOT_ALLOWED"),
        ({"query": WRITE, "variables": '{"t": "x"}'}, 405, "GET_NOT_ALLOWED"),
        ({"query": "{ position }"}, 405, "GET_NOT_ALLOWED"),
        ({"query": "{"}, 405, "GET_NOT_ALLOWED"),
        ({}, 405, "GET_NOT_ALLOWED"),
        ({"documentId": "sha256:" + "0" * 64}, 405, "GET_NOT_ALLOWED"),
        ({"documentId": "x"}, 400, "BAD_REQUEST"),
        ({"documentId": identified(PAGE), "variables": "{"}, 400, "BAD_REQUEST"),
        ({"documentId": identified(PAGE), "variables": "[]"}, 400, "BAD_REQUEST"),
        ({"documentId": identified(PAGE), "extensions": "5"}, 400, "BAD_REQUEST"),
    ],
)
async def test_what_may_not_come_by_get(
    caller: Any, manifest: Path, params: dict[str, str], status: int, code: str
) -> None:
    """Nothing that writes, nothing that a page of somebody else made up."""
    await caller.do("remember", text="tea", domain="ORGANIZATION")
    client = asking(caller, READER, RequestLimits(documents=manifest))
    answer = await client.get("/graphql", params=params)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["extensions"]["code"] == code


async def test_a_trusted_document_is_read_at_the_start(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And never again, whatever it is called by."""
    schema = make_schema(RequestLimits(documents=manifest))
    monkeypatch.setattr("server.api.documents.parse", lambda *given, **named: pytest.fail("parsed again"))
    assert schema.documents.get(PAGE) is schema.documents.get(identified(PAGE))
    assert schema.documents.get(PAGE).trusted


async def test_a_document_by_its_id_on_a_stream(manifest: Path) -> None:
    """Wherever a door takes a document's text, it takes the id of a trusted one."""
    schema = make_schema(RequestLimits(documents=manifest))
    results: list[Any] = [each async for each in await schema.stream("sha256:" + "0" * 64)]
    assert [error.extensions["code"] for each in results for error in each.errors] == ["DOCUMENT_UNKNOWN"]
