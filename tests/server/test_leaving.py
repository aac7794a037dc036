"""Clients that leave before they are answered."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.commands import Principal, Remember
from engine.execute.running import Running
from engine.limits import Limits
from engine.tenant import Tenant
from engine.tenants import Tenants
from server.api.answers import Answer
from server.api.context import Desk
from server.bounds import RequestLimits
from server.endpoint import Endpoint
from server.identity import Identity, Scope, always

ENDLESS = "MATCH (a), (b), (c), (d), (e), (f), (g) RETURN count(*) AS n"


async def test_the_query_of_a_client_that_left_ends(
    serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its next look; and its tenant is given back."""
    begun, real, steps = threading.Event(), Running.count, [0]

    def counted(self: Running, rows: int) -> None:
        steps[0] += 1
        if steps[0] == 50:
            begun.set()
        real(self, rows)

    monkeypatch.setattr(Running, "count", counted)
    async with serving(limits=Limits(read_ms=3_600_000, query_steps=2**60)) as caller:
        tenants: Tenants = caller.tenants
        tenant = tenants.acquire("default", create=True)
        assert isinstance(tenant, Tenant)
        for n in range(40):
            tenant.write_now(Remember(text=f"tea {n}"), Principal("usr_me"))
        tenants.release("default")
        endpoint = Endpoint(
            Desk(tenants), always(Identity(Principal("usr_me"), frozenset(Scope))), "default", RequestLimits()
        )
        query = "query($q: String!) { memql(query: $q) { __typename ... on Error { problems { code } } } }"
        body = json.dumps({"query": query, "variables": {"q": ENDLESS}}).encode()
        sent: list[dict[str, Any]] = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            await asyncio.to_thread(begun.wait)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json"), (b"host", b"localhost")]
        scope = {
            "type": "http", "method": "POST", "path": "/graphql", "raw_path": b"/graphql", "query_string": b"",
            "headers": headers, "http_version": "1.1", "scheme": "http", "server": ("localhost", 80),
            "client": ("localhost", 1), "root_path": "", "state": {"request_id": "r"},
        }  # fmt: skip
        await endpoint(scope, receive, send)
        answered = json.loads(sent[-1]["body"])
        assert answered["data"]["memql"]["problems"] == [{"code": "STOPPED"}]


SLOW = "query($q: String!) { a: memql(query: $q) { ...R } b: memql(query: $q) { ...R } } fragment R on MemqlOutcome "
SLOW += "{ __typename ... on Error { message problems { code } } }"


async def test_an_operation_has_one_deadline(serving: Callable[..., Any]) -> None:
    """Which all its fields share; when it is over, the work in the stores ends, and the answer names the limit."""
    endless = Limits(read_ms=3_600_000, query_steps=2**60)
    async with serving(limits=endless, requests={"deadline_ms": 600}) as caller:
        for n in range(40):
            await caller.do("remember", text=f"tea {n}")
        began = time.monotonic()
        answer = await caller.ask(SLOW, None, q=ENDLESS)
        assert 0.5 < time.monotonic() - began < 5
        for each in answer.values():
            assert each["problems"] == [{"code": "TOO_SLOW"}]
            assert "`requests.deadline_ms` allows (600 ms)" in each["message"]


async def test_a_field_ends_at_the_deadline(serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two levels of an answer, and in a read that waited for its thread meanwhile."""
    real = Answer.items

    def slow(self: Answer, states: Any, wants: Any = ()) -> Any:
        threading.Event().wait(0.2)
        levels.append(len(states))
        return real(self, states, wants)

    monkeypatch.setattr(Answer, "items", slow)
    async with serving(requests={"deadline_ms": 300}) as caller:
        await caller.do("remember", text="tea")
        levels: list[int] = []
        deep = "{ memories(first: 1) { nodes { history { history { history { history { history { id } } } } } } } }"
        (error,) = await caller.errors(deep)
        assert error["extensions"]["code"] == "TOO_SLOW"
        assert "`requests.deadline_ms`" in error["message"]
        assert len(levels) <= 3


async def test_what_writes_is_never_cut_short(serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutation takes as long as it takes, also past the deadline, and its answer is shown."""
    real = Answer.items

    def slow(self: Answer, states: Any, wants: Any = ()) -> Any:
        threading.Event().wait(0.2)
        return real(self, states, wants)

    monkeypatch.setattr(Answer, "items", slow)
    async with serving(requests={"deadline_ms": 50}) as caller:
        query = 'mutation { remember(input: {text: "tea"}) { ... on RememberPayload { memory { text } } } }'
        assert (await caller.ask(query))["remember"] == {"memory": {"text": "tea"}}


async def test_a_read_that_is_in_time_is_left_alone(serving: Callable[..., Any]) -> None:
    """And nothing of its deadline stays behind."""
    async with serving(requests={"deadline_ms": 400}) as caller:
        await caller.do("remember", text="tea")
        for _ in range(3):
            assert await caller.ask("{ position }") == {"position": 1}
        await asyncio.sleep(0.5)
        assert await caller.ask("{ position }") == {"position": 1}
