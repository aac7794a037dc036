"""Nested writes and many at once: one record or each by itself, with keys, entities met by name and limits."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.commands import Principal

MANY = """
    mutation ($inputs: [WriteInput!]!, $atomic: Boolean! = false, $key: String) {
        writeMany(inputs: $inputs, atomic: $atomic, idempotencyKey: $key) {
            __typename
            ... on WriteManyPayload {
                position written refused
                results {
                    __typename
                    ... on WritePayload { position repeated ids nodes { id ... on Memory { text version } } }
                    ... on Error { problems { code place } }
                }
            }
            ... on Error { problems { code message place } }
        }
    }
"""
MENTIONED = """
    query ($least: Position) {
        memories(atLeast: $least) { nodes { text entities { name category aliases domain } } }
        entities { totalCount }
    }
"""


async def many(caller: Any, *rows: Any, **more: Any) -> Any:
    return (await caller.ask(MANY, None, inputs=list(rows), **more))["writeMany"]


async def test_a_memory_with_its_entities_is_one_record(caller: Any) -> None:
    """Entities are met by their names, or named; asking again under the same key is asking once."""
    await caller.do("nameEntity", name="Ada", aliases=["Countess"])
    before = (await caller.ask("{ position }"))["position"]
    links = [
        {"kind": "MENTIONS", "entity": {"name": "Ada", "category": "person"}, "weight": 0.5},
        {"kind": "MENTIONS", "entity": {"name": "Tea", "aliases": ["chai"]}},
    ]
    receipt = await caller.do("remember", text="Ada drinks tea.", links=links, idempotencyKey="k")
    assert (receipt["position"], len(receipt["ids"])) == (before + 1, 1)
    again = await caller.do("remember", text="Ada drinks tea.", links=links, idempotencyKey="k")
    assert again == receipt | {"repeated": True}
    told = await caller.ask(MENTIONED, None, least=receipt["position"])
    assert told["entities"]["totalCount"] == 2
    (memory,) = told["memories"]["nodes"]
    assert memory["entities"] == [
        {"name": "Ada", "category": "person", "aliases": ["Countess"], "domain": "USER"},
        {"name": "Tea", "category": None, "aliases": ["chai"], "domain": "USER"},
    ]
    refusal = await caller.refused("remember", text="x", links=links, idempotencyKey="k")
    assert refusal["__typename"] == "Conflict"


@pytest.mark.parametrize(
    ("link", "code", "place"),
    [
        ({"kind": "MENTIONS", "entity": {"name": ""}}, "EMPTY", "links[0].entity.name"),
        ({"kind": "MENTIONS", "entity": {"name": "x"}, "target": "ent_1"}, "GIVEN_TWICE", "links[0]"),
        ({"kind": "MENTIONZ", "entity": {"name": "x"}}, "UNKNOWN_RELATION", "links[0].kind"),
    ],
)
async def test_what_is_wrong_with_a_nested_write(caller: Any, link: Any, code: str, place: str) -> None:
    """It is told at its place in the input, and nothing is written."""
    refusal = await caller.refused("remember", text="x", links=[link])
    assert (refusal["problems"][0]["code"], refusal["problems"][0]["place"]) == (code, place)
    assert (await caller.ask("{ entities { totalCount } position }")) == {"entities": {"totalCount": 0}, "position": 0}


async def test_many_writes_are_told_row_by_row(caller: Any) -> None:
    """What is wrong with one keeps none of the others; each has a key of its own."""
    rows = [
        {"remember": {"text": "one", "idempotencyKey": "k1", "links": [{"kind": "MENTIONS", "entity": {"name": "A"}}]}},
        {"remember": {"text": ""}},
        {"addTask": {"title": "t", "idempotencyKey": "k2"}},
        {"remember": {"text": "two", "links": [{"kind": "MENTIONS", "entity": {"name": "A"}}]}},
        {"relate": {"source": "@0", "kind": "ABOUT", "target": "mem_x"}},
    ]
    told = await many(caller, *rows)
    assert (told["written"], told["refused"]) == (3, 2)
    names = [result["__typename"] for result in told["results"]]
    assert names == ["WritePayload", "InvalidInput", "WritePayload", "WritePayload", "InvalidInput"]
    assert told["results"][1]["problems"] == [{"code": "EMPTY", "place": "inputs[1].remember.text"}]
    assert told["results"][4]["problems"][0]["place"] == "inputs[4].relate.source"
    assert told["results"][0]["nodes"] == [{"id": told["results"][0]["ids"][0], "text": "one", "version": 1}]
    assert told["position"] == max(each["position"] for each in told["results"] if "position" in each)
    again = await many(caller, *rows)
    assert [result.get("repeated") for result in again["results"]] == [True, None, True, False, None]
    least = again["position"]
    seen = await caller.ask(MENTIONED, None, least=least)
    assert (len(seen["memories"]["nodes"]), seen["entities"]["totalCount"]) == (3, 1)


async def test_many_writes_in_one_record(caller: Any) -> None:
    """A later row speaks of an earlier one by its number; one that is wrong undoes all of them."""
    rows = [
        {"recordEvents": {"stream": "talk", "events": [{"content": "Ada drinks tea."}]}},
        {"nameEntity": {"name": "Ada"}},
        {"remember": {"text": "m", "links": [
            {"kind": "DERIVED_FROM", "target": "@0"}, {"kind": "MENTIONS", "target": "@1"},
            {"kind": "MENTIONS", "entity": {"name": "Tea"}},
        ]}},
        {"setGoal": {"title": "g"}},
        {"addTask": {"title": "t", "partOf": "@3"}},
        {"relate": {"source": "@2", "kind": "SUPPORTS", "target": "@3", "weight": 0.5}},
        {"reviseItem": {"id": "@2", "set": {"importance": 1.0}, "ifVersion": 1}},
    ]  # fmt: skip
    told = await many(caller, *rows, atomic=True, key="all")
    assert (told["__typename"], told["written"]) == ("WriteManyPayload", 7), told
    assert {result["position"] for result in told["results"]} == {1}
    assert told["results"][2]["nodes"][0]["version"] == 2
    query = """{
        memories { nodes { text importance entities { name } sources { content } } }
        goals { nodes { tasks { title } relations(direction: IN, kinds: ["SUPPORTS"]) { totalCount } } }
    }"""
    seen = await caller.ask(query)
    assert seen["memories"]["nodes"] == [
        {
            "text": "m", "importance": 1.0, "entities": [{"name": "Ada"}, {"name": "Tea"}],
            "sources": [{"content": "Ada drinks tea."}],
        }
    ]  # fmt: skip
    assert seen["goals"]["nodes"] == [{"tasks": [{"title": "t"}], "relations": {"totalCount": 1}}]
    again = await many(caller, *rows, atomic=True, key="all")
    assert [result["repeated"] for result in again["results"]] == [True] * 7
    wrong = [{"remember": {"text": "x"}}, {"addTask": {"title": "", "partOf": told["results"][3]["ids"][0]}}]
    refusal = await many(caller, *wrong, atomic=True)
    assert refusal["problems"][0]["place"] == "inputs[1].addTask.title"
    assert (await caller.ask("{ memories { totalCount } position }")) == {"memories": {"totalCount": 1}, "position": 1}


async def test_what_many_writes_refuse_as_a_whole(serving: Callable[..., Any]) -> None:
    """Too many of them, keys where they mean nothing, rows that are not there yet."""
    async with serving(requests={"writes": 3}) as caller:
        row = {"remember": {"text": "x"}}
        keyed = {"remember": {"text": "x", "idempotencyKey": "k"}}
        later = {"remember": {"text": "x", "links": [{"kind": "ABOUT", "target": "@1"}]}}
        events = {"recordEvents": {"stream": "s", "events": [{"content": "a"}, {"content": "b"}]}}
        for rows, more, code, place in (
            ([row] * 4, {}, "LIMIT_EXCEEDED", "inputs"),
            ([row], {"key": "k"}, "INVALID_VALUE", "idempotencyKey"),
            ([row, keyed], {"atomic": True}, "INVALID_VALUE", "inputs[1].remember.idempotencyKey"),
            ([later, row], {"atomic": True}, "INVALID_VALUE", "inputs[0].remember.links[0].target"),
            ([events, row], {"atomic": True}, "INVALID_VALUE", "inputs[0].recordEvents.events"),
        ):
            told = await many(caller, *rows, **more)
            assert (told["problems"][0]["code"], told["problems"][0]["place"]) == (code, place), told
        (error,) = await caller.errors(MANY, None, inputs=[{}])
        assert "exactly one" in error["message"].lower()
        assert (await many(caller))["written"] == 0
        assert (await caller.ask("{ position }"))["position"] == 0


async def test_many_writes_meet_nobody_elses_entities(caller: Any) -> None:
    """An entity that its writer does not see is neither met nor told of."""
    await caller.do("nameEntity", name="Ada", category="secret")
    ben = caller.acting_as(Principal("usr_ben"))
    told = await many(ben, {"remember": {"text": "m", "links": [{"kind": "MENTIONS", "entity": {"name": "Ada"}}]}})
    assert told["written"] == 1
    seen = await ben.ask(MENTIONED, None, least=told["position"])
    assert seen["memories"]["nodes"][0]["entities"] == [
        {"name": "Ada", "category": None, "aliases": [], "domain": "USER"}
    ]
    await ben.http.aclose()


async def test_a_version_that_is_superseded_unseen(caller: Any) -> None:
    """`ifVersion` is heeded wherever something is changed."""
    one, two = [(await caller.do("remember", text=text))["ids"][0] for text in ("a", "b")]
    await caller.do("reviseItem", id=one, set={"importance": 0.5})
    refusal = await caller.refused("supersedeItem", id=one, by=two, ifVersion=1)
    assert refusal["problems"][0]["code"] == "VERSION_CHANGED"
    await caller.do("supersedeItem", id=one, by=two, ifVersion=2)
