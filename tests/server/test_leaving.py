"""Clients that leave before they are answered."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from engine.commands import Principal, Remember
from engine.execute.running import Running
from engine.limits import Limits
from engine.tenant import Tenant
from engine.tenants import Tenants
from server.context import Desk
from server.endpoint import Endpoint
from server.identity import Identity, Scope, always
from server.settings import RequestLimits

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
