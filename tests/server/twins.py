"""Two tenants with the same history for everybody but Bob: in `with` he has private items, which in `without` there
never were. Whoever may not see them must get the same answers from both.

What differs by design is levelled before answers are compared: ids are called by name, and positions, times, cursors
and milliseconds, which count all that happens in a tenant, are taken out. A name of something private stands, where it
never was, for an id that nobody ever had.
"""

import asyncio
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from engine.tenant import Tenant
from engine.tenants import Tenants

WITH, WITHOUT = "with", "without"
ROLES = ("reader", "member", "curator")
PRIVATE = "private"
SECONDS = 60

_ID = re.compile(r"\b([a-z]{2,12})_[0-9A-HJKMNP-TV-Z]{26}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_LEVELLED = (
    (re.compile(r" +\d+(\.\d+)? ms\b"), " ~ ms"),
    (re.compile(r"\bpositions? [\d,]+"), "position ~"),
    (re.compile(r"\bat [\d,]+\b(?=;| of)"), "at ~"),
)
_COUNTED = frozenset(
    "position recordedAt recorded_at retiredAt validFrom valid_from validTo cursor startCursor endCursor requestId ms "
    "totalMs createdAt usedAt secret follows at".split()
)
"""Fields that tell a position, a time or a chance."""

Step = tuple[str, str, str, Mapping[str, Any]]
"""Who, under which name, does what with which input; a name that begins with `private` is Bob's own business."""

ADA = "Ada prefers green tea in the morning"

HISTORY: Sequence[Step] = (
    ("bob", "private-said", "recordEvents",
     {"stream": "chat", "events": [{"content": "Bob hides the tea in the cellar"}, {"content": "nobody knows of it"}]}),
    ("alice", "said", "recordEvents",
     {"stream": "chat", "events": [{"content": "Ada prefers green tea", "externalKey": "e1", "author": "Ada"},
                                   {"content": "she moved to Oslo in spring"}]}),
    ("bob", "town", "recordEvents",
     {"stream": "town", "domain": "ORGANIZATION", "events": [{"content": "the office opens at nine and serves tea"}]}),
    ("bob", "private-recipe", "remember",
     {"text": "the secret tea recipe of the cellar", "domain": "AGENT", "externalKey": "k1", "tags": ["hidden"],
      "links": [{"kind": "DERIVED_FROM", "target": "%private-said"}]}),
    ("alice", "tea", "remember",
     {"text": ADA, "externalKey": "k1", "tags": ["drinks"], "importance": 0.5,
      "links": [{"kind": "DERIVED_FROM", "target": "%said"}]}),
    ("bob", "office", "remember",
     {"text": "the office serves tea at nine", "domain": "ORGANIZATION", "confidence": 0.9,
      "links": [{"kind": "DERIVED_FROM", "target": "%town"}]}),
    ("alice", "team", "remember", {"text": "the team drinks coffee", "owner": "team", "domain": "AGENT"}),
    ("bob", "private-ada", "nameEntity", {"name": "Ada", "aliases": ["the countess"], "category": "person"}),
    ("alice", "ada", "nameEntity", {"name": "Ada", "category": "person"}),
    ("bob", "oslo", "nameEntity", {"name": "Oslo", "domain": "ORGANIZATION", "category": "place"}),
    ("bob", "private-zanzibar", "nameEntity", {"name": "Zanzibar", "domain": "AGENT"}),
    ("alice", "about", "relate", {"source": "%tea", "kind": "ABOUT", "target": "%ada", "weight": 0.7}),
    ("alice", "mentions", "relate", {"source": "%tea", "kind": "MENTIONS", "target": "%oslo"}),
    ("bob", "private-about", "relate", {"source": "%office", "kind": "ABOUT", "target": "%private-ada"}),
    ("bob", "private-supports", "relate", {"source": "%private-recipe", "kind": "SUPPORTS", "target": "%office"}),
    ("bob", "insight", "deriveInsight",
     {"text": "everybody likes tea", "domain": "ORGANIZATION",
      "links": [{"kind": "DERIVED_FROM", "target": "%office"}, {"kind": "DERIVED_FROM", "target": "%private-recipe"}]}),
    ("bob", "private-goal", "setGoal", {"title": "drink all the tea", "status": "ACTIVE"}),
    ("alice", "goal", "setGoal", {"title": "drink less tea", "status": "ACTIVE"}),
    ("alice", "task", "addTask", {"title": "buy a smaller cup", "partOf": "%goal"}),
    ("bob", "private-task", "addTask", {"title": "buy the largest cup", "partOf": "%private-goal"}),
    ("admin", "kind", "declareKind",
     {"name": "Paper", "text": "title", "properties": [{"name": "title", "type": "string"}]}),
    ("bob", "private-paper", "addItem", {"kind": "Paper", "properties": {"title": "on hiding tea"}}),
    ("bob", "paper", "addItem",
     {"kind": "Paper", "domain": "ORGANIZATION", "properties": {"title": "on serving tea"}, "labels": ["Paper"]}),
    ("alice", "tea", "reviseItem", {"id": "%tea", "set": {"importance": 0.8}, "reason": "she said so again"}),
    ("bob", "private-recipe", "reviseItem", {"id": "%private-recipe", "set": {"importance": 1.0}}),
    ("bob", "old", "remember", {"text": "the office serves water", "domain": "ORGANIZATION"}),
    ("bob", "old", "supersedeItem", {"id": "%old", "by": "%office", "reason": "they bought tea"}),
    ("bob", "private-gone", "remember", {"text": "a tea that is gone", "domain": "USER"}),
    ("bob", "private-gone", "retireItem", {"id": "%private-gone", "reason": "nobody shall drink the tea"}),
    ("bob", "plan", "setGoal", {"title": "tea for all", "status": "ACTIVE", "domain": "ORGANIZATION", "priority": 2}),
    ("bob", "step", "addTask",
     {"title": "find a larger pot", "partOf": "%plan", "domain": "ORGANIZATION", "status": "OPEN"}),
    ("bob", "private-step", "addTask", {"title": "hide the pot", "partOf": "%plan"}),
    ("bob", "needs", "relate", {"source": "%plan", "kind": "DEPENDS_ON", "target": "%step"}),
    ("bob", "private-needs", "relate", {"source": "%plan", "kind": "DEPENDS_ON", "target": "%private-goal"}),
    ("bob", "supports", "relate", {"source": "%office", "kind": "SUPPORTS", "target": "%insight", "weight": 0.3}),
    ("bob", "private-hints", "relate", {"source": "%private-recipe", "kind": "SUPPORTS", "target": "%insight"}),
    ("alice", "doubts", "relate", {"source": "%tea", "kind": "CONTRADICTS", "target": "%insight"}),
    ("bob", "private-doubts", "relate", {"source": "%private-recipe", "kind": "CONTRADICTS", "target": "%insight"}),
    ("bob", "private-mentions", "relate", {"source": "%private-recipe", "kind": "MENTIONS", "target": "%oslo"}),
    ("bob", "supports", "reviseRelation", {"id": "%supports", "weight": 0.6, "reason": "the office is sure"}),
    ("bob", "private-about", "reviseRelation", {"id": "%private-about", "weight": 0.1, "reason": "she knows too much"}),
    ("bob", "private-hints", "retireRelation", {"id": "%private-hints", "reason": "it gives the cellar away"}),
    ("bob", "private-cellar", "openStream", {"name": "cellar"}),
    ("bob", "private-first", "remember", {"text": "a first secret", "domain": "AGENT"}),
    ("bob", "private-first", "supersedeItem",
     {"id": "%private-first", "by": "%private-recipe", "reason": "the better secret"}),
    # Of the memories and relations that these touch he hides some.
    ("bob", "stated", "curate",
     {"statement": "MATCH (m:Memory) WHERE m.owner = 'bob' CORRECT m SET m.confidence = 0.7"}),
    ("bob", "unsaid", "curate",
     {"statement": "MATCH (m {id: '%office'})-[r:ABOUT|SUPPORTS]->(x) CORRECT r SET r.weight = 0.5"}),
    ("bob", "theme", "deriveInsight",
     {"text": "tea is a matter of trust", "domain": "ORGANIZATION", "reason": "it shows",
      "links": [{"kind": "DERIVED_FROM", "target": "%private-recipe"}, {"kind": "DERIVED_FROM", "target": "%office"}]}),
)  # fmt: skip

_ABSENT = {"said": "evt", "ada": "ent", "zanzibar": "ent", "goal": "goal", "task": "task", "step": "task",
           "paper": "paper", "about": "rel", "supports": "rel", "needs": "rel", "hints": "rel", "doubts": "rel",
           "mentions": "rel", "cellar": "str"}  # fmt: skip

RECEIPT = (
    "__typename ... on Receipt { ids repeated position } ... on Error { message problems { code message place hint } }"
)
OTHER: Mapping[str, str] = {
    "writeMany": "... on WriteManyPayload { position results { ... on Receipt { ids } } }",
    "curate": "... on MemqlResult { receipt { ids position } }",
}
"""What is asked of answers that have no receipt of their own."""


@dataclass(slots=True)
class Twin:
    """One of the two tenants, asked with the keys of its own."""

    http: httpx.AsyncClient
    tenants: Tenants
    tenant: str
    keys: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)

    def id(self, name: str) -> str:
        """The id of that name, or one that nobody has."""
        if name in self.ids:
            return self.ids[name]
        kind = _ABSENT.get(name.removeprefix("private-"), "mem")
        return f"{kind}_{zlib.crc32(name.encode()):026d}"

    def filled(self, given: Any) -> Any:
        """What is given, with the ids of this tenant for names behind a percent sign."""
        if isinstance(given, str):
            return re.sub(r"%([a-z]+(?:-[a-z]+)*)", lambda found: self.id(found[1]), given)
        if isinstance(given, Mapping):
            return {name: self.filled(value) for name, value in given.items()}
        if isinstance(given, list | tuple):
            return [self.filled(each) for each in given]
        return given

    async def ask(self, who: str, document: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The whole answer, as it came."""
        body = {"query": self.filled(document), "variables": self.filled(variables or {})}
        headers = {"authorization": f"Bearer {self.keys[who]}"}
        answer: dict[str, Any] = (await self.http.post("/graphql", json=body, headers=headers)).json()
        return answer

    async def do(self, who: str, mutation: str, input_: Mapping[str, Any], answer: str = RECEIPT) -> dict[str, Any]:
        if mutation == "writeMany":
            given = "$inputs: [WriteInput!]!, $atomic: Boolean!"
            told = f"answer: writeMany(inputs: $inputs, atomic: $atomic) {{ {answer} }}"
            return await self.ask(who, f"mutation ({given}) {{ {told} }}", input_)
        named = f"{mutation[0].upper()}{mutation[1:]}Input"
        document = f"mutation ($input: {named}!) {{ answer: {mutation}(input: $input) {{ {answer} }} }}"
        return await self.ask(who, document, {"input": input_})

    async def lived(self, *, consolidated: bool = False) -> None:
        """Goes through the history; then all stores show it. With `consolidated` what comes by itself comes step by
        step, so that it is the same each time."""
        for step in HISTORY:
            await self.takes(step)
            if consolidated:
                await self.ask("admin", "{ position(consolidated: true) }")
        await self.settled()

    async def takes(self, step: Step) -> None:
        """One step, without what of it is hidden where that never was."""
        who, name, mutation, input_ = step
        if self.tenant == WITHOUT:
            if name.startswith(PRIVATE):
                return
            input_ = {key: _without(value) if isinstance(value, list) else value for key, value in input_.items()}
        answer = (await self.do(who, mutation, input_, OTHER.get(mutation, RECEIPT))).get("data", {}).get("answer", {})
        answer = answer.get("receipt") or answer
        ids = answer.get("ids", [each["ids"][0] for each in answer.get("results", ())])
        assert "position" in answer, (name, answer)
        self.positions[name] = answer["position"]
        if ids and mutation != "curate":
            self.ids[name] = ids[-1] if mutation == "writeMany" else ids[0]

    async def settled(self) -> None:
        """All stores show all that was written: else an answer is of where the slowest of them is."""

        def wait() -> bool:
            with self.tenants.use(self.tenant) as tenant:
                return isinstance(tenant, Tenant) and tenant.settled(SECONDS)

        assert await asyncio.to_thread(wait)

    def levelled(self, answer: Any) -> Any:
        """The answer without what differs by design."""
        names = {id_: f"%{name}" for name, id_ in self.ids.items()}
        names |= {self.id(name): f"%{name}" for _, name, _, _ in HISTORY}
        return _levelled(answer, names, self.tenant)


def _without(listed: list[Any]) -> list[Any]:
    """Those of some links or writes that are not hidden."""
    return [each for each in listed if PRIVATE not in repr(each)]


def _levelled(given: Any, names: Mapping[str, str], tenant: str) -> Any:
    match given:
        case {"signal": "words" | "stream", **part}:
            # How much a word says is a figure of the whole tenant, as docs/SECURITY.md has it.
            return {"signal": given["signal"], "rank": part["rank"]}
        case dict():
            return {
                name: "~" if name in _COUNTED and value is not None else _levelled(value, names, tenant)
                for name, value in given.items()
            }
        case list():
            return [_levelled(each, names, tenant) for each in given]
        case str():
            text = _ID.sub(lambda found: names.get(found[0], f"<{found[1]}>"), given)
            text = _TIME.sub("<time>", text)
            for pattern, instead in _LEVELLED:
                text = pattern.sub(instead, text)
            return "<tenant>" if text == tenant else text
    return given


async def twins(opened: Any, *, consolidated: bool = False) -> tuple[Twin, Twin]:
    """Both, with a key for each who asks: Alice in three roles, Bob, an administrator."""
    made = (Twin(opened.http, opened.tenants, WITH), Twin(opened.http, opened.tenants, WITHOUT))
    for twin in made:
        asked = [(role, "alice", role.upper(), ["team"]) for role in ROLES]
        asked += [("alice", "alice", "MEMBER", ["team"]), ("bob", "bob", "MEMBER", []), ("admin", "root", "ADMIN", [])]
        for name, principal, role, owners in asked:
            document = """
                mutation ($input: CreateKeyInput!) { createKey(input: $input) { ... on KeyPayload { secret } } }
            """
            given = {"name": name, "principal": principal, "role": role, "owners": owners}
            answer = await opened.ask(document, twin.tenant, input=given)
            twin.keys[name] = answer["createKey"]["secret"]
        await twin.lived(consolidated=consolidated)
    return made
