"""How generated Python asks a server over HTTP, as text: the one part of it that needs a package, httpx."""

from memql.codegen.python_runtime import ASYNC, SYNC

_ASKER = '''

class <http>:
    """Asks a server at `url` about one tenant, with `token`, a key or a token, where one is needed. What is told of a
    live query goes on where it was when the connection breaks, however often."""

    def __init__(
        self, url: str, *, tenant: str | None = None, token: str | None = None,
        client: httpx.<client> | None = None,
    ) -> None:
        self._url = url.rstrip("/").removesuffix("/graphql") + "/graphql"
        self._headers = {"x-memql-tenant": tenant} if tenant else {}
        if token is not None:
            self._headers["authorization"] = f"Bearer {token}"
        self._client = client or httpx.<client>(timeout=120.0)

    <define> close(self) -> None:
        <wait>self._client.<close>()

    <define> rows(self, query: str, params: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        return _rows(<wait>self._asked(DOCUMENT, query, params))

    <define> write(self, query: str, params: Mapping[str, object], key: str | None) -> Sequence[Sequence[Any]]:
        return _rows(<wait>self._asked(WRITING, query, params, key))

    <define> live(self, query: str, params: Mapping[str, object]) -> <iterator>[Change[Sequence[Any]]]:
        after: str | None = None
        failures = 0
        while True:
            given = {"query": query, "params": to_json(params), "after": after}
            try:
                <within> self._client.stream(
                    "POST", self._url, json={"query": LIVE, "variables": given},
                    headers={**self._headers, "accept": "text/event-stream"}, timeout=SILENCE,
                ) as response:
                    if "text/event-stream" not in response.headers.get("content-type", ""):
                        <wait>response.<read>()
                        _refuse(response)
                    rest = b""
                    <each> chunk in response.<chunks>():
                        # Not httpx's own lines: those end at characters that JSON may hold, too.
                        *lines, rest = (rest + chunk).split(b"\\n")
                        for line in lines:
                            if (told := _told(line.decode())) is None:
                                continue
                            after, failures = told.get("cursor") or told.get("after") or after, 0
                            if "cursor" in told:
                                yield _change(told)
            except httpx.TransportError:
                pass
            <sleep>(min(FIRST_PAUSE * 2**failures, LONGEST_PAUSE))
            failures += 1

    <define> _asked(
        self, document: str, query: str, params: Mapping[str, object], key: str | None = None
    ) -> dict[str, Any]:
        given = {"query": query, "params": to_json(params), **({"key": key} if key is not None else {})}
        body = {"query": document, "variables": given}
        return _answer(<wait>self._client.post(self._url, json=body, headers=self._headers))
'''

OVER_HTTP = '''"""Asking a server over HTTP, through its `memql`, `curate` and `memqlLive`. Only this needs httpx."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import httpx

from .runtime import Change, Delta, Keyed, Problem, Refused, Snapshot, to_json

ANSWER = """{
    ... on MemqlResult { rows position }
    ... on MemqlError { problems { code message hint rendered } }
    ... on Error { problems { code message hint } }
}"""
DOCUMENT = f"query ($query: String!, $params: JSON) {{ answer: memql(query: $query, params: $params) {ANSWER} }}"
WRITING = f"""mutation ($query: String!, $params: JSON, $key: String) {{
    answer: curate(input: {{statement: $query, params: $params, idempotencyKey: $key}}) {ANSWER}
}}"""
LIVE = """subscription ($query: String!, $params: JSON, $after: String) {
    answer: memqlLive(query: $query, params: $params, after: $after) {
        ... on LiveSnapshot { cursor rows { key row place } }
        ... on LiveDelta { cursor added { key row place } changed { key row place } removed }
        ... on ResumeAfter { after }
        ... on MemqlError { problems { code message hint rendered } }
        ... on Error { problems { code message hint } }
    }
}"""

SILENCE = httpx.Timeout(10.0, read=60.0)
"""Seconds after which a connection is taken for broken: a server says something more often."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds before it is tried again, twice as long each time that nothing was told."""
<asking>

def _refuse(response: httpx.Response) -> None:
    """Says why no events come; whether a server that is not well will be again is for the next try to find out."""
    if response.status_code >= 500:
        raise httpx.RemoteProtocolError(f"status {response.status_code}", request=response.request)
    _answer(response)


def _told(line: str) -> dict[str, Any] | None:
    """What a line of the events tells; None where it tells nothing."""
    name, _, data = line.partition(": ")
    return _answered(json.loads(data)) if name == "data" and data.startswith("{") else None


def _change(told: Mapping[str, Any]) -> Change[Sequence[Any]]:
    if "rows" in told:
        return Snapshot(told["cursor"], _keyed(told["rows"]))
    return Delta(told["cursor"], _keyed(told["added"]), _keyed(told["changed"]), tuple(told["removed"]))


def _keyed(rows: Sequence[Mapping[str, Any]]) -> tuple[Keyed[Sequence[Any]], ...]:
    return tuple(Keyed(each["key"], each["row"], each["place"]) for each in rows)


def _answer(response: httpx.Response) -> dict[str, Any]:
    """The answer of the field."""
    try:
        body = response.json()
    except ValueError:
        raise Refused([Problem("NOT_MEMQL", f"what answers at {response.url} is no MemQL")]) from None
    return _answered(body)


def _answered(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer in there; what else is in there says why there is none."""
    if errors := body.get("errors"):
        codes = [error.get("extensions", {}).get("code", "REFUSED") for error in errors]
        raise Refused([Problem(code, error["message"]) for code, error in zip(codes, errors)])
    answer: dict[str, Any] = body["data"]["answer"]
    if problems := answer.get("problems"):
        raise Refused(
            [Problem(each["code"], each["message"], each["hint"] or "", each.get("rendered", "")) for each in problems]
        )
    return answer


def _rows(answer: Mapping[str, Any]) -> list[list[Any]]:
    rows: list[list[Any]] = answer["rows"]
    return rows

'''.replace(
    "<asking>",
    ASYNC.of(_ASKER).replace("<close>", "aclose").replace("<read>", "aread")
    + SYNC.of(_ASKER).replace("<close>", "close").replace("<read>", "read"),
)
