"""Filters: the same on every page and in every search, meaning what MemQL means; what is wrong with one, and where."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.commands import Principal

PAGE = """
    query ($where: ItemFilter, $kinds: [String!], $first: Int! = 100, $after: String, $least: Position) {
        items(where: $where, kinds: $kinds, first: $first, after: $after, atLeast: $least) {
            nodes { kind properties id } pageInfo { hasNextPage endCursor }
        }
    }
"""
UNSEEN = "check the id, or whether you may see it"
FIRST, LAST = "2026-03-01T00:00:00Z", "2026-06-01T00:00:00Z"


async def world(caller: Any) -> dict[str, str]:
    """Items by a short name, which is their text."""
    said = await caller.do(
        "recordEvents",
        stream="talk",
        events=[
            {"content": "e1", "author": "Ada", "role": "user", "externalKey": "k1", "occurredAt": FIRST},
            {"content": "e2", "author": "Ben", "importance": 0.2},
        ],
    )
    await caller.do("recordEvents", stream="other", events=[{"content": "e3", "author": "Ada"}])
    (ada,) = (await caller.do("nameEntity", name="Ada", aliases=["Countess"], category="person"))["ids"]
    (tea,) = (await caller.do("nameEntity", name="Tea"))["ids"]
    links = [{"kind": "MENTIONS", "target": ada}, {"kind": "DERIVED_FROM", "target": said["ids"][0]}]
    await caller.do(
        "remember", text="m1", tags=["a", "b"], importance=0.9, confidence=0.5, category="fact", author="Ada",
        validFrom=FIRST, links=links,
    )  # fmt: skip
    links = [{"kind": "MENTIONS", "target": tea}, {"kind": "MENTIONS", "target": ada}]
    await caller.do("remember", text="m2", tags=["b"], importance=0.3, validTo="2099-01-01", links=links)
    await caller.do("remember", text="M3", domain="ORGANIZATION")
    await caller.do("deriveInsight", text="i1", confidence=0.8, tags=[])
    await caller.do("declareLabel", label="Urgent")
    await caller.do("setGoal", title="g1", status="ACTIVE", priority=3, dueAt=LAST, labels=["Urgent"])
    receipt = await caller.do("addTask", title="t1", progress=0.5)
    nodes = (await caller.ask(PAGE, None, least=receipt["position"]))["items"]["nodes"]
    return {short(node): node["id"] for node in nodes}


def short(node: dict[str, Any]) -> str:
    told = node["properties"]
    return str(next(told[name] for name in ("content", "text", "title", "name") if name in told))


async def found(caller: Any, where: Any, kinds: list[str] | None = None) -> str:
    least = (await caller.ask("{ position }"))["position"]
    page = (await caller.ask(PAGE, None, where=where, kinds=kinds, least=least))["items"]
    return " ".join(short(node) for node in page["nodes"] if node["kind"] != "Stream")


async def test_every_field_and_operator(caller: Any) -> None:
    """All that is given must hold; what has no value meets no condition but isNull."""
    ids = await world(caller)
    (talk,) = [ids[name] for name in ids if name == "talk"]
    for where, expected in (
        ({}, "e1 e2 e3 Ada Tea m1 m2 M3 i1 g1 t1"),
        ({"id": {"eq": ids["m1"]}}, "m1"),
        ({"id": {"in": [ids["m2"], ids["e1"], "nobody"]}}, "e1 m2"),
        ({"id": {"ne": ids["m1"]}, "kind": {"eq": "Memory"}}, "m2 M3"),
        ({"kind": {"in": ["Goal", "Task"]}}, "g1 t1"),
        ({"text": {"startsWith": "m"}}, "m1 m2"),
        ({"text": {"contains": "3"}}, "e3 M3"),
        ({"text": {"in": ["e1", "g1", "Ada"]}}, "e1 Ada g1"),
        ({"author": {"eq": "Ada"}}, "e1 e3 m1"),
        ({"author": {"ne": "Ada"}}, "e2"),
        ({"author": {"isNull": True}, "kind": {"eq": "Memory"}}, "m2 M3"),
        ({"role": {"eq": "user"}}, "e1"),
        ({"category": {"isNull": False}}, "Ada m1"),
        ({"tags": {"has": "b"}}, "m1 m2"),
        ({"tags": {"hasAll": ["a", "b"]}}, "m1"),
        ({"tags": {"hasAny": ["a", "x"]}}, "m1"),
        ({"tags": {"isEmpty": True}, "kind": {"in": ["Memory", "Insight"]}}, "M3 i1"),
        ({"tags": {"isEmpty": False}}, "m1 m2"),
        ({"tags": {"hasAny": []}}, ""),
        ({"labels": {"has": "Urgent"}}, "g1"),
        ({"importance": {"gt": 0.2}}, "m1 m2"),
        ({"importance": {"gte": 0.2, "lt": 0.9}}, "e2 m2"),
        ({"confidence": {"lte": 0.5}}, "m1"),
        ({"importance": {"in": [0.2, 0.9]}}, "e2 m1"),
        ({"status": {"eq": "ACTIVE"}}, "g1"),
        ({"status": {"ne": "ACTIVE"}}, "t1"),
        ({"priority": {"gte": 3}}, "g1"),
        ({"progress": {"eq": 0.5}}, "t1"),
        ({"dueAt": {"lte": LAST}}, "g1"),
        ({"validFrom": {"lte": FIRST}}, "e1 m1"),
        ({"validTo": {"isNull": False}}, "m2"),
        ({"validTo": {"gt": "2030-01-01"}}, "m2"),
        ({"recordedAt": {"gt": "2099-01-01"}}, ""),
        ({"owner": {"eq": "local"}, "domain": {"eq": "ORGANIZATION"}}, "M3"),
        ({"externalKey": {"eq": "k1"}}, "e1"),
        ({"stream": {"eq": "talk"}}, "e1 e2 m1"),
        ({"stream": {"in": ["other", talk]}}, "e1 e2 e3 m1"),
        ({"mentions": {"eq": "ada"}}, "m1 m2"),
        ({"mentions": {"eq": "COUNTESS"}, "importance": {"lt": 0.5}}, "m2"),
        ({"mentions": {"in": ["Tea", "nobody"]}}, "m2"),
    ):
        assert await found(caller, where) == expected, where


async def test_and_or_not(caller: Any) -> None:
    """Nested as one likes. What is unknown is neither so nor not so, beneath any number of nots."""
    await world(caller)
    known = {"importance": {"gt": 0.5}}
    talk, ada, tea = ({"stream": {"eq": "talk"}}, {"mentions": {"eq": "Ada"}}, {"mentions": {"eq": "Tea"}})
    for where, expected in (
        ({"or": [known, {"kind": {"eq": "Goal"}}]}, "m1 g1"),
        ({"or": []}, ""),
        ({"and": []}, "e1 e2 e3 Ada Tea m1 m2 M3 i1 g1 t1"),
        ({"not": known}, "e2 m2"),
        ({"not": {"not": known}}, "m1"),
        ({"not": {"or": []}}, "e1 e2 e3 Ada Tea m1 m2 M3 i1 g1 t1"),
        ({"not": talk}, "e3"),
        ({"not": {"not": talk}, "kind": {"eq": "Event"}}, "e1 e2"),
        ({"and": [ada, {"not": tea}]}, "m1"),
        ({"not": ada, "kind": {"eq": "Memory"}}, "M3"),
        ({"or": [talk, tea]}, "e1 e2 m1 m2"),
        ({"not": {"or": [talk, tea, {"kind": {"ne": "Event"}}]}}, "e3"),
        ({"not": {"and": [ada, known]}}, "e1 e2 e3 Ada Tea m2 M3 i1 g1 t1"),
        ({"not": {"and": [talk, known, {"not": tea}]}}, "e2 e3 m2"),
        ({"or": [{"and": [talk, {"author": {"eq": "Ben"}}]}, {"and": [known, ada]}]}, "e2 m1"),
    ):
        assert await found(caller, where) == expected, where


async def test_the_same_filter_on_every_page(caller: Any) -> None:
    """Pages of a kind, of a stream, and of what a search may find; a page goes on among what the filter leaves."""
    await world(caller)
    query = """
        query ($where: ItemFilter!, $after: String) {
            memories(where: $where) { nodes { text } }
            events(where: $where, stream: "talk") { nodes { content } }
            entities(where: $where) { nodes { name } } goals(where: $where) { nodes { title } }
            page: items(where: $where, first: 1, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } }
        }
    """
    pages = await caller.ask(query, None, where={"author": {"eq": "Ada"}})
    assert pages["memories"]["nodes"] == [{"text": "m1"}]
    assert pages["events"]["nodes"] == [{"content": "e1"}]
    assert pages["entities"]["nodes"] == pages["goals"]["nodes"] == []
    seen, more, after = [], True, None
    while more:
        page = (await caller.ask(query, None, where={"author": {"eq": "Ada"}}, after=after))["page"]
        seen += page["nodes"]
        more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
    assert len(seen) == 3


async def test_a_search_fills_its_page_behind_the_filter(caller: Any) -> None:
    """The filter is asked first: what it leaves is ranked, however little of the best that is."""
    for n in range(60):
        receipt = await caller.do("remember", text="tea tea tea" if n % 20 else "tea", importance=float(n % 20 == 0))
    query = """
        query ($input: SearchInput!, $first: Int! = 2, $after: String) {
            search(input: $input, first: $first, after: $after) {
                edges { node { ... on Memory { text importance } } } pageInfo { hasNextPage endCursor }
            }
        }
    """
    asked = {"text": "tea", "where": {"importance": {"eq": 1}}, "atLeast": receipt["position"]}
    first = (await caller.ask(query, None, input=asked))["search"]
    assert [edge["node"]["importance"] for edge in first["edges"]] == [1, 1]
    after = first["pageInfo"]["endCursor"]
    rest = (await caller.ask(query, None, input=asked, after=after))["search"]
    assert (len(rest["edges"]), rest["pageInfo"]["hasNextPage"]) == (1, False)
    (error,) = await caller.errors(query, None, input={**asked, "where": {"importance": {"eq": 0}}}, after=after)
    assert error["extensions"]["code"] == "BAD_CURSOR"


@pytest.mark.parametrize(
    ("where", "code", "place", "hint"),
    [
        ({"kind": {"in": ["Goal", "Memroy"]}}, "UNKNOWN_KIND", "where.kind.in", "did you mean `Memory`?"),
        ({"and": [{}, {"not": {"kind": {"eq": "X"}}}]}, "UNKNOWN_KIND", "where.and[1].not.kind.eq", None),
        ({"author": {"eq": None}}, "INVALID_VALUE", "where.author.eq", "leave it out, or ask for `isNull`"),
        ({"validFrom": None}, "INVALID_VALUE", "where.validFrom", "leave it out, or ask for `isNull`"),
        ({"or": [{"stream": {"eq": "x"}}]}, "NOT_FOUND", "where.or[0].stream.eq", UNSEEN),
        ({"year": {"gt": 3}}, "GRAPHQL_INVALID", None, None),
        ({"importance": {"gt": "much"}}, "GRAPHQL_INVALID", None, None),
        ({"validFrom": {"gt": "soon"}}, "GRAPHQL_INVALID", None, None),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_filter(caller: Any, where: Any, code: str, place: str, hint: str) -> None:
    """A code, the place in the input as it was written, and what to do about it."""
    await world(caller)
    (error,) = await caller.errors(PAGE, None, where=where)
    assert error["extensions"]["code"] == code, error
    if place:
        (problem,) = error["extensions"]["problems"]
        assert (problem["place"], problem["hint"] or None) == (place, hint)


async def test_a_filter_has_limits(serving: Callable[..., Any]) -> None:
    """So many comparisons, so many levels; and one that is nested beyond any sense is an error, not a fall."""
    async with serving(requests={"conditions": 10}) as caller:
        await caller.do("remember", text="x")
        (error,) = await caller.errors(PAGE, None, where={"id": {"in": ["x"] * 10}})
        assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
        assert "`requests.conditions`" in error["message"]
    async with serving() as caller:
        for levels in (40, 400, 40_000):
            where = '{"not":' * levels + '{"text": {"eq": "x"}}' + "}" * levels
            query = "query ($w: ItemFilter) { items(where: $w) { position } }"
            body = f'{{"query": "{query}", "variables": {{"w": {where}}}}}'
            answer = await caller.http.post("/graphql", content=body, headers={"content-type": "application/json"})
            (error,) = answer.json()["errors"]
            assert error["extensions"]["code"] in ("TOO_DEEP", "LIMIT_EXCEEDED", "BAD_REQUEST"), levels


async def test_a_filter_tells_nobody_of_what_they_do_not_see(caller: Any) -> None:
    """Neither by an entity's name nor by a stream's, nor by an id."""
    ids = await world(caller)
    await caller.do(
        "remember", text="for all", domain="ORGANIZATION", links=[{"kind": "MENTIONS", "target": ids["Ada"]}]
    )
    ben = caller.acting_as(Principal("usr_ben"))
    assert await found(ben, {}) == "M3 for all"
    for where in ({"mentions": {"eq": "Ada"}}, {"id": {"eq": ids["m1"]}}, {"author": {"eq": "Ada"}}):
        assert await found(ben, where) == ""
    for name in ("talk", ids["talk"]):
        (error,) = await ben.errors(PAGE, None, where={"stream": {"eq": name}})
        assert error["extensions"]["code"] == "NOT_FOUND"
    await ben.http.aclose()


async def test_kinds_of_ones_own(caller: Any) -> None:
    """Are searched by their own text, and may call another type by a name that we use."""
    properties = [{"name": name, "type": "string"} for name in ("headline", "importance", "tags")]
    await caller.do("declareKind", name="Paper", text="headline", properties=properties)
    await caller.do("addItem", kind="Paper", properties={"headline": "On Tea", "importance": "much"})
    await caller.do("remember", text="On coffee", importance=1.0)
    query = "query ($where: ItemFilter, $kinds: [String!]) { items(where: $where, kinds: $kinds) { nodes { kind } } }"

    async def kinds_of(where: Any, *kinds: str) -> list[str]:
        nodes = (await caller.ask(query, None, where=where, kinds=kinds or None))["items"]["nodes"]
        return [node["kind"] for node in nodes]

    assert await kinds_of({"text": {"startsWith": "On"}}) == ["Paper", "Memory"]
    assert await kinds_of({"importance": {"gt": 0.5}}) == ["Memory"]
    (error,) = await caller.errors(query, None, where={"tags": {"has": "x"}}, kinds=["Paper"])
    (problem,) = error["extensions"]["problems"]
    assert (problem["code"], problem["place"]) == ("Q201", "where.tags.has")
    await caller.do("setCatalog", open=True)
    await caller.do("addItem", kind="Note", properties={"tags": "no list", "text": "On tags"})
    assert await kinds_of({"tags": {"has": "x"}}, "Memory") == []
    (error,) = await caller.errors(query, None, where={"tags": {"has": "x"}}, kinds=["Note"])
    assert error["extensions"]["problems"][0]["place"] == "where"
    assert await kinds_of({"text": {"eq": "On tags"}}) == ["Note"]
