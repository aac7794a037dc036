"""Every root field of Subscription, by every role: messages are those of a tenant in which nothing hidden ever was.

While Bob goes on in secret in one of two tenants, everybody else is told the same in both: as many messages, with the
same in each, and the same again to who resumes.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import MappingProxyType
from typing import Any

import httpx

from server.api.requirements import REQUIRED
from server.identity import ROLES, Role
from tests.engine.embedders import WordHashes
from tests.server.served import Socket, connected
from tests.server.test_matrix import BOUNDS, ITEM, OF, OWN, different, roots
from tests.server.twins import Step, Twin, twins

ERROR = "__typename ... on Error { message problems { code message place hint } }"
PLACED = f"{ERROR} ... on Message {{ cursor }} ... on ResumeAfter {{ after why }}"
CHANGED = f"{PLACED} ... on Changed {{ kind id matches actor command reason recordedAt position }}"
BEFORE = "before { id version ... on Item { properties } }"
END = "{ id kind }"
RELATION = f"id version weight properties source {END} target {END} history {{ version weight }}"
SHOWN: Mapping[str, str] = {
    "itemChanged": f"... on ItemChanged {{ item {{ {OF} }} {BEFORE} }}",
    "memoryChanged": f"... on MemoryChanged {{ memory {{ {ITEM} {OWN['Memory']} }} {BEFORE} }}",
    "insightChanged": f"... on InsightChanged {{ insight {{ {ITEM} {OWN['Insight']} }} {BEFORE} }}",
    "goalChanged": f"... on GoalChanged {{ goal {{ {ITEM} {OWN['Goal']} }} {BEFORE} }}",
    "taskChanged": f"... on TaskChanged {{ task {{ {ITEM} {OWN['Task']} }} {BEFORE} }}",
    "relationChanged": f"... on RelationChanged {{ relation {{ {RELATION} }} before {{ version weight }} }}",
    "auditRecorded": "... on RecordAudited { position recordedAt actor command ids reason }",
    "memqlLive": """
        ... on LiveSnapshot { position columns { name } ordered notices because rows { key place row } }
        ... on LiveDelta { position added { key place row } changed { key place row } removed }
    """,
    "searchStream": "... on SearchResults { complete results { totalCount notices nodes { id } } }",
}
"""What is asked of the messages of each field."""
FILTERS: Mapping[str, Sequence[str]] = {
    "itemChanged": (
        "", 'kinds: ["Memory", "Stream", "Entity"]', 'where: {relations: {some: {other: {owner: {eq: "bob"}}}}}',
        'where: {relations: {some: {other: {domain: {eq: AGENT}}}}}', 'where: {tags: {has: "hidden"}}',
    ),
    "memoryChanged": ("", 'where: {not: {text: {contains: "tea"}}}'),
    "insightChanged": ("", 'where: {relations: {kinds: ["SUPPORTS"], none: {other: {owner: {eq: "bob"}}}}}'),
    "goalChanged": ("",),
    "taskChanged": ("", "where: {status: {eq: DONE}}"),
    "relationChanged": (
        "", 'kinds: ["SUPPORTS"]', 'where: {either: ["%private-recipe"]}', 'where: {either: ["%office"]}',
        "where: {weight: {gt: 0.5}}",
    ),
    "auditRecorded": ("", 'actors: ["bob"]', 'commands: ["DeriveInsight", "RetireItem"]'),
    "memqlLive": tuple(
        f'query: """LIVE {text}"""'
        for text in (
            "MATCH (n) RETURN count(*) AS n",
            "MATCH (m:Memory) RETURN m.id AS id, m.text AS text ORDER BY m.text",
            "MATCH (a)-[r]->(b) RETURN a.kind AS a, type(r) AS kind, count(*) AS n",
            "MATCH (m {id: '%office'})-[r]-(x) RETURN r.weight AS weight, x.kind AS kind",
            "MATCH (m {id: '%private-recipe'}) RETURN m.importance AS importance",
            "MATCH (g:Goal) RETURN COUNT { MATCH (g)<-[:PART_OF]-(:Task) } AS n, g.title AS title",
            "MATCH (i:Insight) RETURN i.text AS text, EXISTS { MATCH (i)-[:DERIVED_FROM]->(:Memory) } AS made",
        )
    ),
    "searchStream": ('input: {text: "secret tea recipe"}', 'input: {text: "Zanzibar", near: ["%private-ada"]}'),
}  # fmt: skip
WHO = ("reader", "member", "curator", "admin")

HIDDEN = {"domain": "AGENT", "tags": ["hidden"]}
MEANWHILE: Sequence[Step] = (
    ("bob", "private-late", "remember",
     {"text": "a late secret of tea", **HIDDEN, "links": [{"kind": "DERIVED_FROM", "target": "%private-recipe"}]}),
    ("alice", "cake", "remember", {"text": "Ada likes cake", "links": [{"kind": "ABOUT", "target": "%ada"}]}),
    ("bob", "private-recipe", "reviseItem", {"id": "%private-recipe", "set": {"importance": 0.2}, "reason": "tired"}),
    ("bob", "office", "reviseItem", {"id": "%office", "set": {"importance": 0.3}, "reason": "it closes"}),
    ("bob", "private-link", "relate", {"source": "%office", "kind": "ABOUT", "target": "%private-zanzibar"}),
    ("bob", "finding", "deriveInsight",
     {"text": "offices run on tea", "domain": "ORGANIZATION", "reason": "as one sees",
      "links": [{"kind": "DERIVED_FROM", "target": "%private-recipe"}, {"kind": "DERIVED_FROM", "target": "%office"}]}),
    ("bob", "private-backs", "relate", {"source": "%private-late", "kind": "SUPPORTS", "target": "%finding"}),
    ("bob", "backs", "relate", {"source": "%office", "kind": "SUPPORTS", "target": "%finding", "weight": 0.8}),
    ("bob", "backs", "reviseRelation", {"id": "%backs", "weight": 0.2, "reason": "less so"}),
    ("bob", "private-backs", "reviseRelation", {"id": "%private-backs", "weight": 0.9, "reason": "more so"}),
    ("bob", "private-chore", "addTask", {"title": "wash the pot in secret", "partOf": "%plan"}),
    ("bob", "chore", "addTask", {"title": "wash the pot", "partOf": "%plan", "domain": "ORGANIZATION"}),
    ("bob", "chore", "reviseItem", {"id": "%chore", "set": {"status": "done"}}),
    ("bob", "private-goal", "reviseItem", {"id": "%private-goal", "set": {"status": "done"}}),
    ("bob", "plan", "reviseItem", {"id": "%plan", "set": {"progress": 0.5}}),
    ("bob", "both", "writeMany",
     {"atomic": True, "inputs": [
         {"remember": {"text": "private tea first", **HIDDEN}},
         {"remember": {"text": "the office has cups", "domain": "ORGANIZATION"}}]}),
    ("alice", "tea", "reviseItem", {"id": "%tea", "set": {"tags": ["drinks", "green"]}}),
    ("bob", "private-late", "retireItem", {"id": "%private-late", "reason": "they are near"}),
    ("alice", "cake", "retireItem", {"id": "%cake", "reason": "eaten"}),
    ("bob", "private-link", "retireRelation", {"id": "%private-link", "reason": "no trace"}),
    ("bob", "backs", "retireRelation", {"id": "%backs", "reason": "no more"}),
    ("bob", "private-late", "eraseItem", {"id": "%private-late"}),
    ("alice", "cake", "eraseItem", {"id": "%cake"}),
)  # fmt: skip
"""What goes on while they are subscribed."""


def documents(cursors: Mapping[str, str]) -> dict[str, str]:
    """Each subscription, by what it is called here; behind the cursor of that name where there is one."""
    asked = {}
    for field, filters in FILTERS.items():
        for filter_ in filters:
            name = f"{field} {filter_}"
            after = f'after: "{cursors[name]}"' if name in cursors else ""
            given = f"({filter_} {after})" if filter_ or after else ""
            told = CHANGED if "Changed" in field else ERROR if field == "searchStream" else PLACED
            asked[name] = f"subscription {{ {field}{given} {{ {told} {SHOWN[field]} }} }}"
    return asked


class Ear:
    """All that one role is told by one twin, over WebSocket and as events."""

    def __init__(self, twin: Twin, who: str, url: str, cursors: Mapping[str, str] = MappingProxyType({})) -> None:
        self.twin, self.who, self.url, self._cursors = twin, who, url, cursors
        self.told: dict[str, list[Any]] = {}
        self.heard = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            authorization = f"Bearer {self.twin.keys[self.who]}"
            socket = await stack.enter_async_context(connected(self.url, {"authorization": authorization}))
            headers = {"authorization": authorization, "accept": "text/event-stream"}
            http = await stack.enter_async_context(httpx.AsyncClient(timeout=None, headers=headers))
            tasks = [asyncio.create_task(self._hear(socket))]
            for name, document in documents(self._cursors).items():
                payload = {"query": self.twin.filled(document)}
                self.told[name] = []
                await socket.send({"type": "subscribe", "id": name, "payload": payload})
                if name in (f"{field} " for field in FILTERS):
                    self.told[f"events of {name}"] = []
                    tasks.append(asyncio.create_task(self._read(http, f"events of {name}", payload)))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self, socket: Socket) -> None:
        while True:
            message = await socket.next(3_600)
            self._put(message["id"], {key: message.get(key) for key in ("type", "payload")})

    async def _read(self, http: httpx.AsyncClient, name: str, payload: Mapping[str, Any]) -> None:
        async with http.stream("POST", self.url, json=payload) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    self._put(name, {"type": "next", "payload": json.loads(line.removeprefix("data: "))})
                elif line == "event: complete":
                    self._put(name, {"type": "complete", "payload": None})

    def _put(self, name: str, message: Any) -> None:
        self.heard += 1
        self.told[name].append(message)

    def begun(self) -> dict[str, str]:
        """The cursors of the first messages, where there are any."""
        firsts = {name: messages[0] for name, messages in self.told.items() if messages[0]["type"] == "next"}
        data = {name: next(iter((first["payload"].get("data") or {"": {}}).values())) for name, first in firsts.items()}
        return {name: said["cursor"] for name, said in data.items() if "cursor" in said}

    def levelled(self) -> dict[str, Any]:
        """The messages without what differs by design. The place of a change in its record is left, and rows of live
        queries are numbered as they come."""
        return {name: self.twin.levelled(_numbered(messages)) for name, messages in self.told.items()}


def _numbered(messages: list[Any]) -> Any:
    keys: dict[str, str] = {}

    def number(given: Any, name: str = "") -> Any:
        match given:
            case dict():
                return {key: number(value, key) for key, value in given.items()} | _place(given)
            case list():
                return [number(each, name) for each in given]
            case str() if name in ("key", "removed"):
                return keys.setdefault(given, f"row {len(keys)}")
        return given

    return number(messages)


def _place(message: dict[str, Any]) -> dict[str, Any]:
    found = re.fullmatch(r"\d+(-\d{1,9})", str(message.get("cursor")))
    return {"place": found[1]} if found else {}


def _changes(messages: Sequence[Any]) -> list[Any]:
    """What became of what, and where; what was erased in between is told no more."""
    told = [said for message in messages for said in message["payload"]["data"].values()]
    return [tuple(each[name] for name in ("id", "kind", "place")) for each in told if "%cake" not in each["id"]]


async def quiet(ears: Sequence[Ear], seconds: float = 0.25) -> None:
    """Until nobody is told anything for so long."""
    heard = -1
    while heard < sum(ear.heard for ear in ears):
        heard = sum(ear.heard for ear in ears)
        await asyncio.sleep(seconds)


def test_every_subscription_has_a_row_and_a_scope() -> None:
    """The schema says which there are."""
    assert roots("Subscription") == FILTERS.keys() == SHOWN.keys() == REQUIRED["Subscription"].keys()


async def test_no_message_tells_of_what_is_hidden(serving: Callable[..., Any]) -> None:
    """Over WebSocket and as events, of each change as it comes, and of all of them to who resumes."""
    async with (
        serving(model=WordHashes(), requests=BOUNDS) as opened,
        opened.listening() as url,
        AsyncExitStack() as stack,
    ):
        both = await twins(opened)
        ears = [Ear(twin, who, url) for who in WHO for twin in both]
        for ear in ears:
            await stack.enter_async_context(ear.listening())
        await quiet(ears, 1)
        for step in MEANWHILE:
            for twin in both:
                await twin.takes(step)
            for twin in both:
                await twin.settled()
            await quiet(ears)
        await quiet(ears, 1)
        again = [Ear(ear.twin, ear.who, url, ear.begun()) for ear in ears]
        for ear in again:
            await stack.enter_async_context(ear.listening())
        await quiet(again, 1)
        told: list[str] = []
        lively: set[tuple[str, str]] = set()
        for n, who in enumerate(WHO):
            one, other = (ear.levelled() for ear in ears[2 * n : 2 * n + 2])
            if who == "admin":
                differing = {name.removeprefix("events of ").split()[0] for name in one if one[name] != other[name]}
                assert differing == FILTERS.keys()
                continue
            for name in one:
                told += different(f"{who}: {name}", {"told": one[name]}, {"told": other[name]})
                field = name.removeprefix("events of ").split()[0]
                allowed = REQUIRED["Subscription"][field] in ROLES[Role(who)]
                assert allowed or "FORBIDDEN" in repr(one[name]), (who, name)
            resumed = [ear.levelled() for ear in again[2 * n : 2 * n + 2]]
            for name in resumed[0]:
                told += different(f"{who} resumes: {name}", *({"told": each[name]} for each in resumed))
                if "Changed " in name and "events" not in name:
                    assert _changes(one[name][1:]) == _changes(resumed[0][name]), (who, name)
            for name in one:
                field = name.removeprefix("events of ").split()[0]
                lively |= {(who, field)} if len(one[name]) > 1 and "FORBIDDEN" not in repr(one[name]) else set()
        assert not told, "\n".join(told)
        fields = REQUIRED["Subscription"].items()
        assert lively == {(who, field) for who in WHO[:3] for field, scope in fields if scope in ROLES[Role(who)]}
