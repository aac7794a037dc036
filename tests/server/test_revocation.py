"""What goes on in the name of a key ends with it, in `requests.recheck_seconds` at the latest; nobody else's does."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from engine.clock import SystemClock
from server.access.keystore import KeyStore
from server.bounds import RequestLimits
from server.credentials import Credentials, Ended
from server.identity import ROLES, Role
from tests.server.served import Socket, closed, connected

CHANGES = """subscription { memoryChanged { __typename
    ... on Listening { cursor } ... on MemoryChanged { memory { text } } ... on ResumeAfter { why } } }"""
LIVE = """subscription { memqlLive(query: "LIVE MATCH (m:Memory) RETURN m.text") { __typename
    ... on LiveSnapshot { rows { row } } ... on LiveDelta { added { row } } ... on ResumeAfter { why } } }"""
AGAIN = 0.2
"""Seconds between two looks at the keys."""
SOON = 5
"""Seconds in which it must have happened, on a machine that has much else to do."""


@dataclass
class Town:
    """A server with keys, which an administrator at this machine gives out."""

    caller: Any
    url: str
    ids: dict[str, str] = field(default_factory=dict)

    async def key(self, name: str, **more: Any) -> str:
        given = {"name": name, "principal": "alice", **more}
        shown = "... on KeyPayload { secret key { id } }"
        asked = f"mutation ($input: CreateKeyInput!) {{ createKey(input: $input) {{ {shown} }} }}"
        made = (await self.caller.ask(asked, "default", input=given))["createKey"]
        self.ids[name] = made["key"]["id"]
        return str(made["secret"])

    async def revoke(self, name: str) -> None:
        asked = "mutation ($id: ID!) { revokeKey(input: {id: $id}) { __typename } }"
        told = await self.caller.ask(asked, "default", id=self.ids[name])
        assert told == {"revokeKey": {"__typename": "RevokeKeyPayload"}}

    async def rotate(self, name: str, seconds: int) -> None:
        asked = "mutation ($id: ID!, $n: Int!) { rotateKey(input: {id: $id, overlapSeconds: $n}) { __typename } }"
        told = await self.caller.ask(asked, "default", id=self.ids[name], n=seconds)
        assert told == {"rotateKey": {"__typename": "KeyPayload"}}

    async def remember(self, text: str) -> None:
        await self.caller.do("remember", text=text, domain="ORGANIZATION")

    @asynccontextmanager
    async def connected(self, secret: str) -> AsyncIterator[Socket]:
        async with connected(self.url, {"authorization": f"Bearer {secret}"}) as socket:
            yield socket

    async def events(self, secret: str, begun: asyncio.Event) -> list[tuple[str, Any]]:
        """All events of one subscription, until they end."""
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {secret}"}
        told: list[tuple[str, Any]] = []
        async with (
            httpx.AsyncClient(timeout=SOON) as http,
            http.stream("POST", self.url, json={"query": CHANGES}, headers=headers) as answer,
        ):
            kind = ""
            async for line in answer.aiter_lines():
                name, _, said = line.partition(": ")
                if name == "event":
                    kind = said
                elif name == "data":
                    told.append((kind, json.loads(said) if said else None))
                    begun.set()
        return told


@pytest.fixture
async def town(serving: Callable[..., Any]) -> AsyncIterator[Town]:
    async with serving(requests=RequestLimits(recheck_seconds=AGAIN)) as caller, caller.listening() as url:
        opened = Town(caller, url)
        await opened.remember("tea")
        yield opened


async def code_of(socket: Socket) -> tuple[int, str]:
    code, reason = await closed(socket.connection, SOON)
    return code, reason.partition(":")[0]


async def test_a_revoked_key_ends_its_connection_and_no_other(town: Town) -> None:
    """Also where both are told by one channel, which the one that is revoked began."""
    first, second = await town.key("first"), await town.key("second")
    async with town.connected(first) as one, town.connected(second) as other:
        for socket in (one, other):
            for query in (CHANGES, LIVE):
                await socket.subscribe(query)
                await socket.data()
        assert town.caller.streams.channels == 2
        await town.revoke("first")
        assert await code_of(one) == (4403, "REVOKED")
        assert town.caller.streams.channels == 2
        await town.remember("cake")
        told = sorted([await other.data(), await other.data()], key=lambda message: str(message["__typename"]))
        assert told == [
            {"__typename": "LiveDelta", "added": [{"row": ["cake"]}]},
            {"__typename": "MemoryChanged", "memory": {"text": "cake"}},
        ]


async def test_a_revoked_key_ends_its_events(town: Town) -> None:
    """With a last message that says why."""
    secret, begun = await town.key("events"), asyncio.Event()
    telling = asyncio.create_task(town.events(secret, begun))
    await begun.wait()
    await town.revoke("events")
    *_, (kind, last), (end, _) = await telling
    assert (kind, last["errors"][0]["extensions"]["code"], end) == ("next", "REVOKED", "complete")


async def test_who_was_revoked_is_not_heeded_before_they_leave(town: Town) -> None:
    """A client that goes on after it was told to go asks for nothing any more."""
    secret = await town.key("stubborn")
    async with town.connected(secret) as socket:
        await socket.subscribe(CHANGES)
        await socket.data()
        await town.revoke("stubborn")
        transport = socket.connection.transport
        transport.pause_reading()
        await asyncio.sleep(AGAIN * 4)
        with_mutation = 'mutation { remember(input: {text: "still here"}) { __typename } }'
        await socket.subscribe(with_mutation)
        await asyncio.sleep(AGAIN)
        transport.resume_reading()
        assert await code_of(socket) == (4403, "REVOKED")
    texts = (await town.caller.ask("{ memories { nodes { text } } }"))["memories"]["nodes"]
    assert texts == [{"text": "tea"}]


async def test_a_key_that_was_replaced_ends_after_the_overlap(town: Town) -> None:
    """Not before: whoever uses it is given the time to change over."""
    secret = await town.key("old")
    async with town.connected(secret) as socket:
        await socket.subscribe(CHANGES)
        await socket.data()
        await town.rotate("old", 1)
        await town.remember("cake")
        assert (await socket.data())["memory"] == {"text": "cake"}
        assert await code_of(socket) == (4403, "REVOKED")


async def test_a_key_that_expires_ends_when_it_says(town: Town) -> None:
    """As soon as it does: its connections are not looked for."""
    until = (datetime.now(UTC) + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    secret = await town.key("brief", expiresAt=until)
    async with town.connected(secret) as socket:
        await socket.subscribe(CHANGES)
        assert await code_of(socket) == (4403, "EXPIRED")


async def test_a_deleted_tenant_ends_what_follows_it(town: Town) -> None:
    """What goes on over it is told that it ends; its keys are keys no more."""
    secret, begun = await town.key("member"), asyncio.Event()
    async with town.connected(secret) as socket:
        await socket.subscribe(CHANGES)
        await socket.data()
        telling = asyncio.create_task(town.events(secret, begun))
        await begun.wait()
        assert town.caller.keys.forget_tenant("default") is None
        assert await asyncio.to_thread(town.caller.tenants.delete, "default") is None
        assert await socket.data() == {"__typename": "ResumeAfter", "why": "CLOSING"}
        assert await code_of(socket) == (4403, "REVOKED")
        assert (await telling)[-1][0] == "complete"


async def test_one_look_is_for_all(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand who are connected cost one query each time, and none when they have left."""
    keys: KeyStore = town.caller.keys
    looks: list[int] = []
    real = KeyStore.good

    def counted(self: KeyStore, ids: frozenset[str]) -> Any:
        looks.append(len(ids))
        return real(self, ids)

    monkeypatch.setattr(KeyStore, "good", counted)
    made = [
        keys.create(f"key {n}", "default", "alice", Role.MEMBER, by="local", scopes=ROLES[Role.MEMBER])
        for n in range(100)
    ]
    credentials = Credentials(keys, SystemClock(), 0.05)
    ended: list[Ended] = []
    held = [credentials.watched(new.key.identity, ended.append) for new in made for _ in range(10)]  # type: ignore[union-attr]
    for each in held:
        each.__enter__()
    await asyncio.sleep(0.3)
    assert set(looks) == {100}
    assert len(looks) <= 6
    assert not ended
    for each in held:
        each.__exit__(None, None, None)
    await asyncio.sleep(0.1)
    looks.clear()
    await asyncio.sleep(0.2)
    assert not looks
