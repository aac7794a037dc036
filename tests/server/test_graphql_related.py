"""Filters over relations, orders, pages in both directions and aggregates: each means what MemQL means."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.commands import Principal

ITEMS = """
    query ($where: ItemFilter, $kinds: [String!], $order: [ItemOrder!], $first: Int, $last: Int, $after: String,
           $before: String, $least: Position) {
        items(where: $where, kinds: $kinds, orderBy: $order, first: $first, last: $last, after: $after,
              before: $before, atLeast: $least) {
            nodes { kind properties }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
            totalCount
        }
    }
"""


def short(node: dict[str, Any]) -> str:
    told = node["properties"]
    return str(next(told[name] for name in ("content", "text", "title", "name") if name in told))


async def world(caller: Any) -> dict[str, str]:
    """A goal with two tasks, one done; memories that mention people; an insight with evidence for and against it."""
    ids: dict[str, str] = {}

    async def made(name: str, mutation: str, **input_: Any) -> None:
        field = {"nameEntity": "name", "remember": "text", "deriveInsight": "text"}.get(mutation, "title")
        (ids[name],) = (await caller.do(mutation, **{field: name}, **input_))["ids"]

    await made("Ada", "nameEntity", category="person")
    await made("Ben", "nameEntity", category="person", domain="ORGANIZATION")
    await made("Tea", "nameEntity", category="thing")
    await made("m1", "remember", importance=0.9, tags=["a", "b"], category="fact", validFrom="2026-03-02T08:00:00Z")
    await made("m2", "remember", importance=0.3, tags=["b"], domain="ORGANIZATION", validFrom="2026-03-08T08:00:00Z")
    await made("m3", "remember", validFrom="2026-03-09T08:00:00Z", confidence=0.5)
    await made("i1", "deriveInsight", confidence=0.8)
    await made("g1", "setGoal", priority=2)
    await made("g2", "setGoal", priority=1, dueAt="2026-06-01T00:00:00Z")
    for name, status in (("t1", "DONE"), ("t2", "OPEN")):
        await made(name, "addTask", partOf=ids["g1"], status=status, progress=0.5)
    for source, kind, target, weight in (
        ("m1", "MENTIONS", "Ada", 0.9),
        ("m1", "MENTIONS", "Tea", 0.2),
        ("m2", "MENTIONS", "Ben", 0.4),
        ("m2", "MENTIONS", "Ada", 1.0),
        ("m1", "SUPPORTS", "i1", 0.7),
        ("m3", "CONTRADICTS", "i1", 0.1),
        ("g1", "DEPENDS_ON", "g2", 1.0),
        ("g1", "DEPENDS_ON", "t1", 1.0),
    ):
        await caller.do("relate", source=ids[source], kind=kind, target=ids[target], weight=weight)
    return ids


async def found(caller: Any, where: Any, **more: Any) -> str:
    least = (await caller.ask("{ position }"))["position"]
    page = (await caller.ask(ITEMS, None, where=where, least=least, first=100, **more))["items"]
    assert page["totalCount"] == len(page["nodes"])
    return " ".join(short(node) for node in page["nodes"])


async def test_filters_over_relations(caller: Any) -> None:
    """Some, every and none of an item's relations, by direction, kind, weight, times and the item at the other end."""
    await world(caller)
    ada, person = {"text": {"eq": "Ada"}}, {"category": {"eq": "person"}}
    mentions = {"direction": "OUT", "kinds": ["MENTIONS"]}
    for related, expected in (
        ({**mentions, "some": {}}, "m1 m2"),
        ({**mentions, "some": {"other": ada}}, "m1 m2"),
        ({**mentions, "some": {"other": ada, "weight": {"gte": 1}}}, "m2"),
        ({**mentions, "some": {"weight": {"lt": 0.3}}}, "m1"),
        ({**mentions, "every": {"other": person}, "some": {}}, "m2"),
        ({**mentions, "every": {"weight": {"gt": 0.3}}, "some": {}}, "m2"),
        ({**mentions, "none": {"other": {"not": person}}, "some": {}}, "m2"),
        ({**mentions, "some": {"or": [{"other": {"text": {"eq": "Tea"}}}, {"weight": {"eq": 1}}]}}, "m1 m2"),
        ({**mentions, "some": {"not": {"other": person}}}, "m1"),
        ({"direction": "IN", "some": {"kind": {"eq": "MENTIONS"}, "other": {"text": {"eq": "m1"}}}}, "Ada Tea"),
        ({"direction": "IN", "kinds": ["MENTIONS"], "some": {"other": {"mentions": {"eq": "ben"}}}}, "Ada Ben"),
        ({"some": {"kind": {"in": ["SUPPORTS", "CONTRADICTS"]}}}, "m1 m3 i1"),
        ({"direction": "OUT", "some": {"kind": {"ne": "MENTIONS"}}}, "m1 m3 g1 t1 t2"),
        ({"none": {}}, ""),
        ({"direction": "OUT", "none": {}}, "Ada Ben Tea i1 g2"),
        ({"direction": "IN", "kinds": ["PART_OF"], "some": {"other": {"status": {"eq": "OPEN"}}}}, "g1"),
        (
            {"direction": "OUT", "kinds": ["SUPPORTS"], "some": {"other": {"relations": {
                "direction": "IN", "kinds": ["CONTRADICTS"], "some": {"other": {"confidence": {"lt": 0.6}}}}}}},
            "m1",
        ),
        ({"some": {"validTo": {"isNull": False}}}, ""),
        ({"direction": "OUT", "some": {"recordedAt": {"gt": "2099-01-01"}}}, ""),
    ):  # fmt: skip
        assert await found(caller, {"relations": related}) == expected, related
    assert await found(caller, {"not": {"relations": {**mentions, "some": {}}}, "kind": {"eq": "Memory"}}) == "m3"


async def test_a_retired_end_is_seen_through_provenance_alone(caller: Any) -> None:
    """As in MemQL: DERIVED_FROM leads to what was retired, MENTIONS no more."""
    ids = await world(caller)
    links = [{"kind": "DERIVED_FROM", "target": ids["m3"]}, {"kind": "MENTIONS", "target": ids["Tea"]}]
    await caller.do("remember", text="m4", links=links)
    for name in ("m3", "Tea"):
        await caller.do("retireItem", id=ids[name])
    for kind, name, expected in (("DERIVED_FROM", "m3", "m4"), ("MENTIONS", "Tea", "")):
        where = {"relations": {"kinds": [kind], "some": {"other": {"text": {"eq": name}}}}}
        assert await found(caller, where) == expected
        text = (
            f"MATCH (a) WHERE EXISTS {{ (a)-[:{kind}]->(b) WHERE coalesce(b.text, b.name) = '{name}' }} RETURN a.text"
        )
        rows = await caller.ask(
            "query ($q: String!) { memql(query: $q) { ... on MemqlResult { rows } } }", None, q=text
        )
        assert rows["memql"]["rows"] == ([[expected]] if expected else [])


async def test_a_filter_sees_no_relation_that_its_reader_does_not(caller: Any) -> None:
    """Neither one whose other end is hidden, nor by asking that there be none."""
    await world(caller)
    ben = caller.acting_as(Principal("usr_ben"))
    assert await found(ben, {}) == "Ben m2"
    related = {"direction": "OUT", "kinds": ["MENTIONS"]}
    assert await found(ben, {"relations": {**related, "some": {"other": {"text": {"eq": "Ada"}}}}}) == ""
    assert await found(ben, {"relations": {**related, "every": {"other": {"text": {"eq": "Ben"}}}}}) == "Ben m2"
    await ben.http.aclose()


async def test_relations_of_an_item_that_fit(caller: Any) -> None:
    """By the same filter, sorted by weight, from both ends, and counted."""
    ids = await world(caller)
    query = """
        query ($id: ID!, $where: RelationFilter, $order: [RelationOrder!], $first: Int, $last: Int, $after: String) {
            memory(id: $id) {
                relations(direction: OUT, where: $where, orderBy: $order, first: $first, last: $last, after: $after) {
                    totalCount pageInfo { hasNextPage hasPreviousPage endCursor }
                    edges { node { kind weight } other { kind ... on Entity { name } } }
                }
            }
        }
    """

    async def page(**asked: Any) -> Any:
        return (await caller.ask(query, None, id=ids["m1"], **asked))["memory"]["relations"]

    order = [{"field": "WEIGHT", "direction": "DESC"}]
    whole = await page(order=order)
    assert [edge["node"]["weight"] for edge in whole["edges"]] == [0.9, 0.7, 0.2]
    assert (whole["totalCount"], whole["pageInfo"]["hasNextPage"]) == (3, False)
    last = await page(order=order, last=1)
    assert [edge["node"]["weight"] for edge in last["edges"]] == [0.2]
    assert (last["pageInfo"]["hasPreviousPage"], last["pageInfo"]["hasNextPage"]) == (True, False)
    first = await page(order=order, first=2)
    rest = await page(order=order, first=2, after=first["pageInfo"]["endCursor"])
    assert [*first["edges"], *rest["edges"]] == whole["edges"]
    fits = await page(where={"kind": {"eq": "MENTIONS"}, "other": {"category": {"eq": "person"}}})
    assert [edge["other"]["name"] for edge in fits["edges"]] == ["Ada"]
    assert fits["totalCount"] == 1


async def test_properties_by_name(caller: Any) -> None:
    """Of kinds of one's own, by the operators of their types; of relations too."""
    properties = [
        {"name": name, "type": type_}
        for name, type_ in (
            ("headline", "string"), ("year", "integer"), ("open", "boolean"), ("topics", "string[]"),
        )
    ]  # fmt: skip
    await caller.do("declareKind", name="Paper", text="headline", properties=properties)
    await caller.do("declareRelationKind", name="CITES", properties=[{"name": "page", "type": "integer"}])
    ids = []
    for name, year, open_ in (("p1", 2019, True), ("p2", 2024, False)):
        said = {"headline": name, "year": year, "open": open_, "topics": [name, "all"]}
        (id_,) = (await caller.do("addItem", kind="Paper", properties=said))["ids"]
        ids.append(id_)
    one, two = ids
    await caller.do("relate", source=two, kind="CITES", target=one, properties={"page": 7})
    query = "query ($where: ItemFilter) { items(where: $where) { nodes { properties } } }"

    async def papers(where: Any) -> str:
        page = (await caller.ask(query, None, where=where))["items"]["nodes"]
        return " ".join(node["properties"]["headline"] for node in page)

    for property_, expected in (
        ({"name": "year", "number": {"gt": 2020}}, "p2"),
        ({"name": "open", "boolean": {"eq": True}}, "p1"),
        ({"name": "headline", "string": {"startsWith": "p"}}, "p1 p2"),
        ({"name": "topics", "list": {"has": "p2"}}, "p2"),
        ({"name": "year", "number": {"isNull": True}}, ""),
    ):
        assert await papers({"kind": {"eq": "Paper"}, "properties": [property_]}) == expected, property_
    related = {"direction": "OUT", "some": {"properties": [{"name": "page", "number": {"eq": 7}}]}}
    assert await papers({"relations": related}) == "p2"
    for where, code, place, hint in (
        ({"properties": [{"name": "yaer", "number": {"eq": 1}}]}, "UNKNOWN_PROPERTY", "where.properties[0]",
         "did you mean `year`?"),
        ({"properties": [{"name": "year", "string": {"eq": "x"}}]}, "INVALID_TYPE", "where.properties[0].string",
         "ask by `number`"),
        ({"relations": {"kinds": ["CITE"], "some": {}}}, "UNKNOWN_RELATION", "where.relations.kinds",
         "did you mean `CITES`?"),
        ({"relations": {"direction": "OUT"}}, "MISSING", "where.relations", "give `some`, `every` or `none`"),
        ({"relations": {"some": {"kind": {"eq": "CITE"}}}}, "UNKNOWN_RELATION", "where.relations.some.kind.eq",
         "did you mean `CITES`?"),
    ):  # fmt: skip
        (error,) = await caller.errors(query, None, where=where)
        (problem,) = error["extensions"]["problems"]
        assert (problem["code"], problem["place"], problem["hint"]) == (code, place, hint)


async def test_orders(caller: Any) -> None:
    """By fields and properties, nulls last unless asked otherwise, ties as they were recorded."""
    await world(caller)
    memories = {"kind": {"eq": "Memory"}}
    for where, order, expected in (
        (memories, [{"field": "IMPORTANCE"}], "m2 m1 m3"),
        (memories, [{"field": "IMPORTANCE", "direction": "DESC"}], "m1 m2 m3"),
        (memories, [{"field": "IMPORTANCE", "direction": "DESC", "nulls": "FIRST"}], "m3 m1 m2"),
        (memories, [{"field": "IMPORTANCE", "nulls": "FIRST"}], "m3 m2 m1"),
        (memories, [{"field": "VALID_FROM", "direction": "DESC"}], "m3 m2 m1"),
        (memories, [{"field": "CATEGORY"}, {"field": "TEXT", "direction": "DESC"}], "m1 m3 m2"),
        (memories, [{"property": "confidence"}], "m3 m1 m2"),
        ({"kind": {"in": ["Goal", "Task"]}}, [{"field": "PRIORITY"}], "g2 g1 t1 t2"),
        ({"kind": {"in": ["Goal", "Task"]}}, [{"field": "KIND", "direction": "DESC"}], "t1 t2 g1 g2"),
        ({"kind": {"in": ["Goal", "Task"]}}, [{"field": "DUE_AT"}, {"field": "PROGRESS"}], "g2 t1 t2 g1"),
    ):
        assert await found(caller, where, order=order) == expected, order
    for wrong, code in (
        ([{}], "INVALID_VALUE"),
        ([{"field": "TEXT", "property": "text"}], "INVALID_VALUE"),
        ([{"property": "importanze"}], "UNKNOWN_PROPERTY"),
        ([{"field": "TEXT"}] * 9, "LIMIT_EXCEEDED"),
    ):
        (error,) = await caller.errors(ITEMS, None, order=wrong)
        assert error["extensions"]["code"] == code


async def test_pages_from_both_ends(caller: Any) -> None:
    """Each page says rightly whether there is more on either side; others may write meanwhile."""
    await world(caller)
    for order in (None, [{"field": "IMPORTANCE", "direction": "DESC"}]):
        asked = {"where": {"kind": {"in": ["Memory", "Goal", "Task"]}}, "order": order}
        whole = (await caller.ask(ITEMS, None, **asked))["items"]["nodes"]
        forward: list[Any] = []
        after = None
        while True:
            page = (await caller.ask(ITEMS, None, **asked, first=3, after=after))["items"]
            assert page["pageInfo"]["hasPreviousPage"] == bool(forward)
            forward += page["nodes"]
            after = page["pageInfo"]["endCursor"]
            assert page["totalCount"] == len(whole)
            if not page["pageInfo"]["hasNextPage"]:
                break
            await caller.do("remember", text="new", importance=0.99)
        assert forward == whole
        (start,) = [(await caller.ask(ITEMS, None, **asked, last=1))["items"]]
        assert start["pageInfo"]["hasNextPage"] is False
        backward: list[Any] = []
        before = after
        while True:
            page = (await caller.ask(ITEMS, None, **asked, last=3, before=before))["items"]
            assert page["pageInfo"]["hasNextPage"] is True
            backward = page["nodes"] + backward
            before = page["pageInfo"]["startCursor"]
            if not page["pageInfo"]["hasPreviousPage"]:
                break
        assert backward == whole[:-1]
    for wrong, code in (
        ({"first": 1, "last": 1}, "INVALID_VALUE"),
        ({"last": -1}, "INVALID_VALUE"),
        ({"last": 1000}, "LIMIT_EXCEEDED"),
        ({"last": 1, "before": "x"}, "BAD_CURSOR"),
        ({"first": 1, "after": after}, "BAD_CURSOR"),
    ):
        (error,) = await caller.errors(ITEMS, None, **wrong)
        assert error["extensions"]["code"] == code


async def test_an_ordered_page_goes_on_where_a_row_was_erased(caller: Any) -> None:
    """What it was sorted by is gone with it; the pages behind it neither skip nor repeat what is left."""
    ids = [(await caller.do("remember", text=f"m{n}", importance=n / 10))["ids"][0] for n in range(6)]
    asked = {"where": {"kind": {"eq": "Memory"}}, "order": [{"field": "IMPORTANCE"}]}
    first = (await caller.ask(ITEMS, None, **asked, first=3))["items"]
    await caller.do("eraseItem", id=ids[2])
    rest = (await caller.ask(ITEMS, None, **asked, first=3, after=first["pageInfo"]["endCursor"]))["items"]
    assert [node["properties"].get("text") for node in rest["nodes"]] == ["m3", "m4", "m5"]


async def test_aggregates(caller: Any) -> None:
    """Over what the filter lets through, of all pages; counts and figures are of what is seen."""
    await world(caller)
    query = """
        query ($where: ItemFilter) {
            memories(where: $where, first: 1) {
                totalCount
                aggregate {
                    count importance { avg min max sum } confidence { avg sum } priority { max sum }
                    validFrom { min max } property(name: "importance") { max }
                    groups(by: [TAG]) { totalCount nodes { keys { by value } count importance { avg } } }
                    weeks: groups(by: [VALID_WEEK, DOMAIN]) { nodes { keys { value } count } }
                    entities: groups(by: [ENTITY], first: 1) {
                        totalCount nodes { count keys { node { ... on Entity { name } } } }
                    }
                }
            }
        }
    """
    told = (await caller.ask(query))["memories"]
    whole = told["aggregate"]
    assert (told["totalCount"], whole["count"]) == (3, 3)
    assert whole["importance"] == {"avg": 0.6, "min": 0.3, "max": 0.9, "sum": 1.2}
    assert whole["confidence"] == {"avg": 0.5, "sum": 0.5}
    assert whole["priority"] == {"max": None, "sum": 0}
    assert whole["validFrom"] == {"min": "2026-03-02T08:00:00Z", "max": "2026-03-09T08:00:00Z"}
    assert whole["property"] == {"max": 0.9}
    assert whole["groups"] == {
        "totalCount": 2,
        "nodes": [
            {"keys": [{"by": "TAG", "value": "b"}], "count": 2, "importance": {"avg": 0.6}},
            {"keys": [{"by": "TAG", "value": "a"}], "count": 1, "importance": {"avg": 0.9}},
        ],
    }
    assert [([key["value"] for key in group["keys"]], group["count"]) for group in whole["weeks"]["nodes"]] == [
        (["2026-03-02", "ORGANIZATION"], 1), (["2026-03-02", "USER"], 1), (["2026-03-09", "USER"], 1),
    ]  # fmt: skip
    assert whole["entities"] == {"totalCount": 3, "nodes": [{"count": 2, "keys": [{"node": {"name": "Ada"}}]}]}
    none = (await caller.ask(query, None, where={"text": {"eq": "nothing"}}))["memories"]["aggregate"]
    assert (none["count"], none["importance"]["avg"], none["groups"]["nodes"]) == (0, None, [])
    ben = caller.acting_as(Principal("usr_ben"))
    told = (await ben.ask(query))["memories"]["aggregate"]
    assert (told["count"], told["importance"]["sum"], told["entities"]["totalCount"]) == (1, 0.3, 1)
    await ben.http.aclose()


async def test_every_key_groups(caller: Any) -> None:
    """Kinds, authors, statuses, streams and labels too; what has none of a single key is a group of its own."""
    await world(caller)
    await caller.do("recordEvents", stream="talk", events=[{"content": "e1", "author": "Ada"}, {"content": "e2"}])
    query = """
        query ($by: [GroupBy!]!) {
            items { aggregate { groups(by: $by) { nodes { count keys { value node { kind } } } } } }
        }
    """

    async def groups(*by: str) -> list[Any]:
        nodes = (await caller.ask(query, None, by=by))["items"]["aggregate"]["groups"]["nodes"]
        return [(*(key["value"] for key in node["keys"]), node["count"]) for node in nodes]

    assert await groups("KIND") == [
        ("Entity", 3), ("Memory", 3), ("Event", 2), ("Goal", 2), ("Task", 2), ("Insight", 1), ("Stream", 1),
    ]  # fmt: skip
    assert await groups("AUTHOR") == [(None, 13), ("Ada", 1)]
    assert await groups("STATUS", "KIND") == [
        (None, "Entity", 3), (None, "Memory", 3), ("OPEN", "Goal", 2), (None, "Event", 2), ("DONE", "Task", 1),
        ("OPEN", "Task", 1), (None, "Insight", 1), (None, "Stream", 1),
    ]  # fmt: skip
    assert await groups("OWNER") == [("local", 14)]
    assert await groups("LABEL") == []
    assert [count for _, count in await groups("STREAM")] == [12, 2]
    assert len(await groups("RECORDED_MONTH")) == 1
    for by, code in (([], "MISSING"), (["KIND"] * 5, "LIMIT_EXCEEDED")):
        (error,) = await caller.errors(query, None, by=by)
        assert error["extensions"]["code"] == code


async def test_shorthands(caller: Any) -> None:
    """Readable names for relations, each loaded for all items of a level at once."""
    await world(caller)
    query = """
        {
            goals { nodes { title tasks { title goal { title } } blockedBy { ... on Goal { title } } } }
            insights { nodes { supportedBy { ... on Memory { text } } contradictedBy { ... on Memory { text } } } }
            memories(first: 1) { nodes { entities { name mentions(first: 1) {
                totalCount nodes { ... on Memory { text } } pageInfo { hasNextPage } aggregate { count }
            } } } }
        }
    """
    told = await caller.ask(query)
    assert told["goals"]["nodes"] == [
        {
            "title": "g1",
            "tasks": [{"title": name, "goal": {"title": "g1"}} for name in ("t1", "t2")],
            "blockedBy": [{"title": "g2"}],
        },
        {"title": "g2", "tasks": [], "blockedBy": []},
    ]
    assert told["insights"]["nodes"] == [{"supportedBy": [{"text": "m1"}], "contradictedBy": [{"text": "m3"}]}]
    (memory,) = told["memories"]["nodes"]
    ada, tea = memory["entities"]
    assert (ada["name"], ada["mentions"]["totalCount"], ada["mentions"]["nodes"]) == ("Ada", 2, [{"text": "m1"}])
    assert (ada["mentions"]["pageInfo"], ada["mentions"]["aggregate"]) == ({"hasNextPage": True}, {"count": 2})
    assert tea["mentions"]["totalCount"] == 1


async def test_limits_have_names(serving: Callable[..., Any]) -> None:
    """A page that asks for no number has that of `requests.page`; groups end at theirs."""
    async with serving(requests={"page": 2, "groups": 1}) as caller:
        await world(caller)
        assert len((await caller.ask("{ items { nodes { id } } }"))["items"]["nodes"]) == 2
        query = "{ items { aggregate { groups(by: [KIND], first: 2) { totalCount } } } }"
        (error,) = await caller.errors(query)
        assert "`requests.groups`" in error["message"]


async def test_the_history_of_a_relation(caller: Any) -> None:
    """Every version that was known, the oldest first, with who changed it."""
    ids = await world(caller)
    (relation,) = (await caller.do("relate", source=ids["g2"], kind="ABOUT", target=ids["Ada"]))["ids"]
    await caller.do("reviseRelation", id=relation, weight=0.5)
    query = """
        query ($id: ID!) { node(id: $id) { ... on Relation {
            history { version weight provenance { command } ending { command } source { kind } }
        } } }
    """
    history = (await caller.ask(query, None, id=relation))["node"]["history"]
    assert [(each["version"], each["weight"], each["provenance"]["command"]) for each in history] == [
        (1, 1.0, "Relate"), (2, 0.5, "ReviseRelation"),
    ]  # fmt: skip
    assert history[0]["ending"] == {"command": "ReviseRelation"}
    assert history[0]["source"] == {"kind": "Goal"}


@pytest.mark.parametrize("kind", ["remember", "deriveInsight"])
async def test_what_is_near_in_meaning(caller: Any, kind: str) -> None:
    """The nearest of its own kind, the nearest first, and never itself."""
    for text, vector in (("tea", [1.0, 0.0]), ("chai", [0.9, 0.1]), ("rain", [0.0, 1.0])):
        await caller.do(kind, text=text, embedding={"model": "own", "vector": vector})
    field = "memories" if kind == "remember" else "insights"
    query = f"{{ {field} {{ nodes {{ text similar(first: 1) {{ score node {{ properties }} }} }} }} }}"
    nodes = (await caller.ask(query))[field]["nodes"]
    assert [node["similar"][0]["node"]["properties"]["text"] for node in nodes] == ["chai", "tea", "chai"]
    assert nodes[0]["similar"][0]["score"] == pytest.approx(0.9 / (0.82**0.5), abs=1e-4)
