"""Requests that are none, or almost: each is answered in our words, with an id, and shows nothing of our making."""

import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from engine.limits import Limits
from server.api.answers import Answer
from server.identity import LOCAL
from tests.server.test_limits import READER, asking
from tests.server.traces import traces

JSON = {"content-type": "application/json"}
OURS = {
    "BAD_REQUEST", "BATCHING_OFF", "COST_EXCEEDED", "DOCUMENT_UNKNOWN", "GET_NOT_ALLOWED", "GRAPHQL_INVALID",
    "GRAPHQL_SYNTAX", "LIMIT_EXCEEDED", "NOT_HERE", "WRONG_ORIGIN",
}  # fmt: skip


def in_order(answer: httpx.Response, sent: str = "") -> None:
    assert answer.status_code < 500, answer.text
    assert not traces(answer.text, sent), answer.text
    assert answer.headers["x-request-id"]
    assert len(answer.content) < 20_000
    for error in answer.json().get("errors", ()):
        assert error["extensions"]["code"] in OURS, error
        assert error["extensions"]["requestId"] == answer.headers["x-request-id"]


BODIES = [
    b"", b"{", b"nul", b'{"query": "{ position }"', b'{"query": "{ position }",}', b"{'query': 1}", b"\xff\xfe\x00",
    b'\xef\xbb\xbf{"query": "{ position }"}', '{"query": "{ position }"}'.encode("utf-16"), b'{"query": "\xc3\x28"}',
    b'{"query": "{ position }", "query": "{ a }"}', b'{"query": "\\ud800"}', b'{"query": "\\u0000"}',
    b'{"query": "{ memory(id: \\"\\\\ud800\\") { id } }"}', b'{"query": "{ memory(id: \\"\\\\u0000\\") { id } }"}',
    b'{"query": ' + b"[" * 100_000, b'{"query": "{ position }", "variables": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
    b'{"query": "{ position }", "variables": {"x": 1' + b"0" * 5_000 + b"}}", b"[" * 50_000 + b"]" * 50_000,
    b'{"query": "{ position }", "variables": {"x": 1e999}}', b'{"query": "{ position }", "variables": {"x": NaN}}',
    b'{"query": "{ position }", "operationName": ""}', b'{"query": "{ position }", "operationName": "\\u0000"}',
    b'{"query": "{ position }", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "x"}}}',
    b'{"query": ""}', b'{"query": " "}', b'{"query": "#"}', b'{"query": "\\ufeff{ position }"}', b'{"documentId": ""}',
    b'{"query": "schema { query: Query }"}', b'{"query": "type A { a: Int }"}',
    b'{"query": "fragment A on Query { position }"}',
    b'{"query": "subscription { position }"}', b'{"query": "query A { position } query A { position }"}',
    b'{"query": "{ position }", "variables": {"__proto__": 1}}', b'{"query": "{ constructor }"}',
    b'{"query": "query ($x: Nothing) { position }"}', b'{"query": "query ($x: Int!) { position(atLeast: $x) }"}',
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_bodies(caller: Any, body: bytes) -> None:
    """Malformed, of another alphabet, too deep, too large, and of things that are no operation."""
    await caller.do("remember", text="x")
    for accept in ("application/json", "application/graphql-response+json"):
        answer = await caller.http.post("/graphql", content=body, headers=JSON | {"accept": accept})
        in_order(answer)


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        ("text/plain", b'{"query": "{ position }"}'), ("application/x-www-form-urlencoded", b"query={position}"),
        ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="query"\r\n\r\n{a}\r\n--x--'),
        ("application/graphql", b"{ position }"), ("application/json; charset=utf-16", b'{"query": 1}'), ("", b"{}"),
        ("application/", b"{}"), ("\xe9", b"{}"), ("application/xml", b"<a/>"),
    ],
)  # fmt: skip
async def test_types_of_bodies(caller: Any, type_: str, body: bytes) -> None:
    """Only JSON, which no page of another site sends without asking first."""
    answer = await caller.http.post("/graphql", content=body, headers={"content-type": type_.encode("latin-1")})
    assert answer.status_code in (400, 415)
    in_order(answer)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "QUERY"])
async def test_methods(caller: Any, method: str) -> None:
    """None but POST; and no other site is told that it may ask, nor by which method."""
    for page, status, allow in (({}, 405, "POST"), ({"origin": "https://evil.example"}, 403, None)):
        answer = await caller.http.request(method, "/graphql", content=b"{}", headers=JSON | page)
        assert (answer.status_code, answer.headers.get("allow")) == (status, allow)
        assert not [name for name in answer.headers if name.startswith("access-control")]
        if method != "HEAD":
            in_order(answer)


@pytest.mark.parametrize(
    "path",
    [
        "/graphql/",
        "/GRAPHQL",
        "/graphql%00",
        "/../etc/passwd",
        "/%2e%2e/x",
        "/a" * 900,
        "/%ff%fe",
        "/.git",
    ],
)
async def test_paths(caller: Any, path: str) -> None:
    """What is not here is said not to be here."""
    answer = await caller.http.post(path, content=b"{}", headers=JSON, follow_redirects=False)
    assert answer.status_code in (400, 404, 307)
    if answer.status_code != 307:
        in_order(answer)


@pytest.mark.parametrize(
    "params",
    [
        "query=%ff",
        "query[]=1",
        "variables=%7B",
        "documentId=%00",
        "query=" + "a" * 20_000,
        "=&&=;",
        "query=%7Bposition%7D&query=%7Ba%7D",
    ],
)
async def test_by_get(caller: Any, params: str) -> None:
    """Whatever a link holds."""
    in_order(await caller.http.get(f"/graphql?{params}"))


VALUES: list[Any] = [
    None, True, 0, -1, 2**31, 2**53, 2**63, 2**64, 10**30, 1e308, -0.0, 1.5, "", " ", "x" * 3_000, "\0", "\ud7ff", "é́",
    "' OR 1=1 --", "{{7*7}}", "../../etc/passwd", "2026-99-99T00:00:00Z", "9999-12-31T23:59:59.999999Z",
    "0000-00-00", "-2026-01-01", [], [None], [[]], {}, {"a": None}, {"eq": {}}, {"id": {"in": [None]}}, ["x"] * 2_000,
]  # fmt: skip
ASKED = {
    "ID!": "query ($v: ID!) { node(id: $v) { id } memory(id: $v) { text } }",
    "[ID!]!": "query ($v: [ID!]!) { nodes(ids: $v) { id } }",
    "Int!": "query ($v: Int!) { memories(first: $v) { nodes { relations(first: $v) { totalCount } } } }",
    "String!": "query ($v: String!) { entity(name: $v) { id } memql(query: $v) { __typename } memqlCheck(query: $v) "
    "{ problems { message } } search(input: {text: $v}) { notices } events(stream: $v, after: $v) { position } }",
    "Position!": "query ($v: Position!) { position(atLeast: $v) items(asOf: {position: $v}) { position } }",
    "DateTime!": "query ($v: DateTime!) { items(validAt: $v, asOf: {time: $v}) { position } }",
    "ItemFilter!": "query ($v: ItemFilter!) { items(where: $v) { position } }",
    "JSON": 'query ($v: JSON) { memql(query: "RETURN $x AS x", params: $v) { __typename ... on Error { message } '
    "... on MemqlResult { rows } ... on MemqlError { problems { message } } } }",
    "RememberInput!": "mutation ($v: RememberInput!) { remember(input: $v) { __typename ... on Error { message } } }",
    "JSON!": 'mutation ($v: JSON!) { remember(input: {text: "x", metadata: $v}) { __typename ... on Error { message } '
    "... on RememberPayload { memory { metadata } } } }",
    "Domain": 'mutation ($v: Domain) { remember(input: {text: "x", domain: $v}) { __typename } }',
    "Float": 'mutation ($v: Float) { remember(input: {text: "x", importance: $v}) { __typename } }',
}


@pytest.mark.parametrize("of", ASKED)
async def test_values(serving: Callable[..., Any], of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a variable holds, and whoever gives it: an answer, or a refusal in our words."""
    monkeypatch.setitem(globals(), "OURS", _Any())
    async with serving(limits=Limits(wait_ms=1)) as caller:
        await caller.do("remember", text="x", domain="ORGANIZATION")
        for identity in (LOCAL, READER):
            client = asking(caller, identity)
            for value in VALUES:
                for given in (value, {"x": value}, [value]) if identity is LOCAL else (value,):
                    body = {"query": ASKED[of], "variables": {"v": given}}
                    answer = await client.post("/graphql", json=body)
                    codes = [error["extensions"]["code"] for error in answer.json().get("errors", ())]
                    assert "INTERNAL" not in codes, (given, answer.text)
                    in_order(answer, repr(given))


class _Any(frozenset[str]):
    """Every code but that of our own mistakes, which is looked for by name."""

    def __contains__(self, code: object) -> bool:
        return code != "INTERNAL"


async def test_what_fails_here_is_masked(caller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it says of itself; the id in the answer is that of the line in the log."""

    def failing(self: Answer, states: Any, wants: Any = ()) -> Any:
        raise RuntimeError("boom: secret=42 in sqlite3")

    await caller.do("remember", text="x")
    monkeypatch.setattr(Answer, "items", failing)
    answer = await caller.http.post("/graphql", json={"query": "{ memories { nodes { id } } }"})
    assert not traces(answer.text)
    assert "secret" not in answer.text
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": answer.headers["x-request-id"]}


async def test_random_bytes(caller: Any) -> None:
    """From a seed: cut, doubled and turned, an ordinary request never does harm."""
    chance = random.Random(11)
    plain = b'{"query": "query ($n: Int!) { memories(first: $n) { nodes { id text } } }", "variables": {"n": 3}}'
    await caller.do("remember", text="x")
    for _ in range(300):
        body = bytearray(plain)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(body))
            body[at : at + chance.randint(0, 3)] = bytes(chance.randrange(256) for _ in range(chance.randint(0, 3)))
        in_order(await caller.http.post("/graphql", content=bytes(body), headers=JSON), body.decode("latin-1"))
