"""Subscriptions: who is told what, and how they end. The real application in this process, on a socket of its own."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from engine.clock import SystemClock
from engine.commands import (
    Command,
    EraseItem,
    EventInput,
    Principal,
    RecordEvents,
    Relate,
    Remember,
    RetireItem,
    ReviseItem,
    SetGoal,
)
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant
from engine.tenants import Tenants
from memql.errors import Problem, Reason, Refusal
from server.api.context import Desk
from server.api.streams import Streams
from server.app import Requests
from server.bounds import RequestLimits
from server.endpoint import Endpoint
from server.identity import Identity, Scope
from server.sockets import Protocol
from tests.engine.embedders import WordHashes
from tests.server.served import PROTOCOL, Socket, closed, connected

ADA, BO = Principal("usr_ada"), Principal("usr_bo")
ROOT = Principal("root", admin=True)
ITEMS = """subscription ($after: String, $where: ItemFilter) { itemChanged(after: $after, where: $where) { __typename
    ... on Message { cursor } ... on ItemChanged { id kind matches item { kind owner properties } before { id } }
    ... on ResumeAfter { after why } ... on Error { problems { code } } } }"""


LIVE = """subscription { memqlLive(query: "LIVE MATCH (g:Goal) RETURN g.id") {
    ... on LiveSnapshot { rows { row } } ... on LiveDelta { added { row } } } }"""


class Town:
    """A server whose callers say their names, and a tenant to write in."""

    def __init__(self, url: str, tenants: Tenants, streams: Streams) -> None:
        self.url, self.tenants, self.streams = url, tenants, streams

    def write(self, command: Command, by: Principal = ADA) -> Receipt:
        with self.tenants.use("default") as tenant:
            assert isinstance(tenant, Tenant)
            receipt = tenant.write_now(command, by)
        assert isinstance(receipt, Receipt), receipt
        return receipt

    async def wrote(self, command: Command, by: Principal = ADA) -> str:
        return (await asyncio.to_thread(self.write, command, by)).ids[0]

    @asynccontextmanager
    async def as_(self, name: str) -> AsyncIterator[Socket]:
        async with connected(self.url, {"authorization": f"Bearer {name}"}) as socket:
            yield socket


async def until(so: Callable[[], bool]) -> None:
    for _ in range(500):
        if so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it is not so in time")


LIFETIME = 1_500_000
"""Microseconds for which the credentials `brief` hold."""


async def identify(connection: HTTPConnection, credentials: str | None) -> Identity | Refusal:
    """Whoever says a name is that one."""
    name = (credentials or connection.headers.get("authorization", "")).removeprefix("Bearer ")
    scopes = frozenset({Scope.READ, Scope.WRITE})
    match name:
        case "ada" | "bo":
            return Identity(ADA if name == "ada" else BO, scopes, key=name)
        case "agent":
            return Identity(Principal("agt_1", owners=frozenset({"usr_ada"})), scopes, key=name)
        case "brief":
            return Identity(ADA, scopes, expires_at=SystemClock().now() + LIFETIME, key=name)
        case "elsewhere":
            return Identity(ADA, scopes, tenant="other", key=name)
        case "curator":
            return Identity(BO, scopes | {Scope.AUDIT}, key=name)
        case "root":
            return Identity(ROOT, frozenset(Scope), key=name)
    problem = Problem("UNAUTHENTICATED", "nobody is known by that", "authorization")
    return Refusal(Reason.FORBIDDEN, (problem,))


@pytest.fixture
def open_town(tmp_path: Path) -> Callable[..., Any]:
    @asynccontextmanager
    async def opened(embedder: Any = None, **limits: Any) -> AsyncIterator[Town]:
        bounds = Limits(live_gather_ms=0, text_commit_ms=0, graph_gather_ms=0)
        tenants = Tenants(tmp_path, clock=SystemClock(), limits=bounds, embedder=embedder, consolidate=False)
        endpoint = Endpoint(Desk(tenants), identify, "default", RequestLimits(**limits))
        app = Starlette(
            routes=[Route("/graphql", endpoint), WebSocketRoute("/graphql", endpoint)],
            middleware=[Middleware(Requests, clock=SystemClock())],
        )
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws=Protocol, lifespan="off"))
        serving = asyncio.create_task(server.serve([listener]))
        town = Town(f"http://127.0.0.1:{listener.getsockname()[1]}/graphql", tenants, endpoint.streams)
        await town.wrote(SetGoal(title="begin", domain="organization"))
        try:
            yield town
        finally:
            await endpoint.streams.close(1)
            server.should_exit = True
            await serving
            listener.close()
            await asyncio.to_thread(tenants.close)

    return opened


@pytest.fixture
async def town(open_town: Callable[..., Any]) -> AsyncIterator[Town]:
    async with open_town() as opened:
        yield opened


async def test_what_one_may_not_see_is_not_told(town: Town) -> None:
    """Not that it was made, changed, related, retired or erased; what all see is told to all."""
    async with town.as_("ada") as ada, town.as_("bo") as bo, town.as_("agent") as agent, town.as_("root") as root:
        for each in (ada, bo, agent, root):
            await each.subscribe(ITEMS)
            await each.data()
        await bo.subscribe(
            "subscription { relationChanged { ... on RelationChanged { id } ... on Message { cursor } } }"
        )
        await bo.data()
        secret = await town.wrote(Remember(text="a secret", domain="user"))
        goal = await town.wrote(SetGoal(title="for all", domain="organization"))
        await town.wrote(Relate(source=secret, kind="SUPPORTS", target=goal))
        await town.wrote(ReviseItem(id=secret, set={"text": "another"}))
        await town.wrote(RetireItem(id=secret))
        await town.wrote(EraseItem(id=secret))
        last = await town.wrote(SetGoal(title="the last", domain="organization"))
        for each, wanted in (
            (ada, [secret, goal, secret, secret, secret, last]),
            (agent, [secret, goal, secret, secret, secret, last]),
            (root, [secret, goal, secret, secret, secret, last]),
            (bo, [goal, last]),
        ):
            assert [(await each.data())["id"] for _ in wanted] == wanted
        # Resumed, the same is hidden: also in what is read from the journal.
        await bo.subscribe(ITEMS, after="1")
        assert [(await bo.data())["id"] for _ in range(2)] == [goal, last]
        # Who reads late is told as much as who read at once, also of what is erased.
        await ada.subscribe(ITEMS, after="1")
        late = [await ada.data() for _ in range(6)]
        assert [each["id"] for each in late] == [secret, goal, secret, secret, secret, last]
        assert [each["kind"] for each in late] == ["CREATED", "CREATED", "UPDATED", "RETIRED", "ERASED", "CREATED"]
        assert late[0]["item"]["properties"] == {}


async def test_records_are_for_who_may_audit(town: Town) -> None:
    """Others are refused; and one who may is told of what it sees, with the ids that it sees."""
    query = """subscription { auditRecorded { __typename ... on RecordAudited { command ids reason }
        ... on Error { problems { code } } } }"""
    async with town.as_("ada") as ada, town.as_("root") as root, town.as_("curator") as curator:
        await ada.subscribe(query)
        assert (await ada.next())["payload"][0]["extensions"]["code"] == "FORBIDDEN"
        for each in (root, curator):
            await each.subscribe(query)
            assert await each.data() == {"__typename": "Listening"}
        secret = await town.wrote(Remember(text="a secret", domain="user"))
        await town.wrote(RetireItem(id=secret, reason="hers"))
        goal = await town.wrote(SetGoal(title="for all", domain="organization"))
        assert [(await root.data())["ids"] for _ in range(3)] == [[secret], [secret], [goal]]
        assert (await curator.data())["ids"] == [goal]


async def test_one_evaluation_for_all_who_ask_the_same(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sees otherwise has another; where one begins makes no difference."""
    async with town.as_("ada") as one, town.as_("ada") as two, town.as_("bo") as other:
        for each, after in ((one, None), (two, None), (one, "1"), (other, None)):
            await each.subscribe(ITEMS, after=after)
        told = town.streams._told
        made: list[Any] = []

        def counted(*each: Any) -> Any:
            made.append(each)
            return told(*each)

        monkeypatch.setattr(town.streams, "_told", counted)
        for each in (one, two, other):
            await each.data()
        await until(lambda: town.streams.count == 4)
        assert town.streams.channels == 2
        made.clear()
        await town.wrote(SetGoal(title="once", domain="organization"))
        for each in (one, two, one, other):
            assert (await each.data())["item"]["properties"]["title"] == "once"
        assert len(made) == 2
    await until(lambda: not town.streams.count and not town.streams.channels)


async def test_who_comes_first_may_leave(town: Town) -> None:
    """What was begun for it goes on for the others."""
    async with town.as_("ada") as stays:
        async with town.as_("ada") as leaves:
            for query in (ITEMS, LIVE):
                for each in (leaves, stays):
                    await each.subscribe(query, where={"text": {"contains": "on"}})
                    await each.data()
        await until(lambda: town.streams.count == 2)
        for _ in range(3):
            id_ = await town.wrote(SetGoal(title="on", domain="organization"))
            told = [await stays.data(), await stays.data()]
            assert id_ in str(told[0])
            assert id_ in str(told[1])


async def test_one_record_may_change_more_than_an_answer_shows(open_town: Callable[..., Any]) -> None:
    """The bound is each message's; one message that is beyond it is refused."""
    query = """subscription ($n: Int) { itemChanged(kinds: ["Event"]) { ... on Message { cursor }
        ... on ItemChanged { item { history { relations(first: $n) { nodes { source { id } } } } } }
        ... on Error { message } } }"""
    async with open_town(rows=5) as town, town.as_("ada") as ada:
        await ada.subscribe(query)
        await ada.data()
        events = tuple(EventInput(content=f"{n}") for n in range(20))
        await town.wrote(RecordEvents(stream="long", events=events))
        assert len({(await ada.data())["cursor"] for _ in events}) == 20


async def test_no_more_connections_than_that(open_town: Callable[..., Any]) -> None:
    """Whoever comes too late is told so before anything is kept for it."""
    async with open_town(connections=1) as town, town.as_("ada"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(town.url.replace("http", "ws", 1), subprotocols=[PROTOCOL])
        assert refused.value.response.status_code == 503
        assert b"requests.connections" in (refused.value.response.body or b"")


async def test_who_is_slow_is_told_where_to_resume(open_town: Callable[..., Any]) -> None:
    """It holds up nobody; behind that cursor nothing is lost."""
    async with open_town(waiting_messages=4) as town, town.as_("ada") as slow, town.as_("ada") as quick:
        transport = slow.connection.transport
        for each in (slow, quick):
            await each.subscribe(ITEMS)
            await each.data()
        transport.pause_reading()
        text = "long " * 15_000
        ids = []
        for _ in range(80):
            ids.append(await town.wrote(Remember(text=text, domain="organization")))
            assert (await quick.data())["id"] == ids[-1]
        transport.resume_reading()
        told: list[Any] = []
        while (each := await slow.next())["type"] == "next":
            told.append(each["payload"]["data"]["itemChanged"])
        *before, last = told
        assert last["__typename"] == "ResumeAfter"
        assert last["why"] == "SLOW"
        assert 0 < len(before) < len(ids)
        await slow.subscribe(ITEMS, after=last["after"])
        behind = [(await slow.data())["id"] for _ in range(len(ids) - len(before))]
        assert [*(each["id"] for each in before), *behind] == ids


async def test_credentials_end(town: Town) -> None:
    """A connection is closed with 4403, and events say so, when they do."""
    async with town.as_("brief") as brief:
        await brief.subscribe(ITEMS)
        assert (await closed(brief.connection))[0] == 4403
    headers = {"accept": "text/event-stream", "authorization": "Bearer brief"}
    async with httpx.AsyncClient(timeout=10) as http:
        answer = await http.post(town.url, json={"query": ITEMS}, headers=headers)
    *_, last, complete, _ = answer.text.split("\n\n")
    assert json.loads(last.partition("data: ")[2])["errors"][0]["extensions"]["code"] == "EXPIRED"
    assert complete.startswith("event: complete")


@pytest.mark.parametrize(
    ("payload", "code", "said"),
    [
        (None, 4403, "UNAUTHENTICATED"),
        ({"authorization": "Bearer nobody"}, 4403, "UNAUTHENTICATED"),
        ({"authorization": "Bearer elsewhere", "tenant": "default"}, 4403, "WRONG_TENANT"),
    ],
)
async def test_nobody_gets_in_unknown(town: Town, payload: dict[str, str] | None, code: int, said: str) -> None:
    """Nor into another tenant than the credentials are of."""
    async with connect(town.url.replace("http", "ws", 1), subprotocols=[PROTOCOL]) as connection:
        await connection.send(json.dumps({"type": "connection_init", **({"payload": payload} if payload else {})}))
        found, reason = await closed(connection)
    assert (found, reason.partition(":")[0]) == (code, said)


async def test_so_many_of_one_principal_and_in_all(open_town: Callable[..., Any]) -> None:
    """The limit that is met is named; others are not held up by one who takes all of its own."""
    limits = {"subscriptions_per_principal": 2, "subscriptions": 3}
    async with open_town(**limits) as town, town.as_("ada") as ada, town.as_("bo") as bo:
        for _ in range(2):
            await ada.subscribe(ITEMS)
            await ada.data()
        await ada.subscribe(ITEMS)
        assert "requests.subscriptions_per_principal" in (await ada.next())["payload"][0]["message"]
        await bo.subscribe(ITEMS)
        await bo.data()
        await bo.subscribe(ITEMS)
        assert "requests.subscriptions`" in (await bo.next())["payload"][0]["message"]


async def test_the_server_says_goodbye(town: Town) -> None:
    """Everyone is told where to go on; connections are closed as going away, events complete."""
    async with town.as_("ada") as ada, httpx.AsyncClient() as http:
        await ada.subscribe(ITEMS)
        cursor = (await ada.data())["cursor"]
        headers = {"accept": "text/event-stream", "authorization": "Bearer bo"}
        events = asyncio.create_task(http.post(town.url, json={"query": ITEMS}, headers=headers))
        await until(lambda: town.streams.count == 2)
        await town.streams.close(2)
        assert await ada.data() == {"__typename": "ResumeAfter", "after": cursor, "why": "CLOSING"}
        assert (await ada.next())["type"] == "complete"
        assert (await closed(ada.connection))[0] == 1001
        text = (await events).text
        assert '"why":"CLOSING"' in text
        assert text.endswith("event: complete\ndata: \n\n")


async def test_a_tenant_that_is_deleted_ends_what_follows_it(town: Town) -> None:
    """With a last message; and is gone."""
    async with town.as_("ada") as ada:
        await ada.subscribe(ITEMS)
        await ada.data()
        query = 'subscription { memqlLive(query: "LIVE MATCH (g:Goal) RETURN g.id") { ... on ResumeAfter { why } } }'
        await ada.subscribe(query)
        await ada.data()
        assert await asyncio.to_thread(town.tenants.delete, "default") is None
        told = [each for each in [await ada.next() for _ in range(4)] if each["type"] == "next"]
        assert [next(iter(each["payload"]["data"].values()))["why"] for each in told] == ["CLOSING", "CLOSING"]


async def test_a_search_is_told_twice_where_there_is_a_model(open_town: Callable[..., Any]) -> None:
    """What words find at once, then what `search` finds."""
    async with open_town(embedder=WordHashes()) as town, town.as_("ada") as ada:
        await town.wrote(Remember(text="green tea from Uji"))
        await town.wrote(Remember(text="black coffee"))
        position = (await asyncio.to_thread(town.write, Remember(text="tea and cake"))).position
        query = """subscription ($p: Position) { searchStream(input: {text: "tea", atLeast: $p}) {
            ... on SearchResults { complete results { embedder position edges { score node { id } } } } } }"""
        await ada.subscribe(query, p=position)
        words, both = await ada.data(), await ada.data()
        assert (words["complete"], words["results"]["embedder"]) == (False, "none")
        assert both["complete"] is True
        assert both["results"]["embedder"] != "none"
        assert (await ada.next())["type"] == "complete"
        plain = query.replace("subscription", "query").replace("searchStream", "search")
        plain = plain.replace("... on SearchResults { complete results {", "").replace("} } } } }", "} } }")
        await ada.subscribe(plain, p=position)
        assert (await ada.data())["edges"] == both["results"]["edges"]


async def test_many_changes_of_one_record(town: Town) -> None:
    """Each with a cursor of its own, in their order; the stream before its events."""
    async with town.as_("ada") as ada:
        await ada.subscribe(ITEMS)
        await ada.data()
        await town.wrote(RecordEvents(stream="talk", events=(EventInput(content="one"), EventInput(content="two"))))
        told = [await ada.data() for _ in range(3)]
        assert [each["item"]["kind"] for each in told] == ["Stream", "Event", "Event"]
        assert len({each["cursor"] for each in told}) == 3
