"""Statements that write, through GraphQL: by their mutation alone, once under one key, and previewed by a query."""

from typing import Any

from engine.commands import Principal

_ANSWER = """
    __typename
    ... on MemqlResult {
        columns { name type } rows position notices plan
        nodes { id ... on Memory { text provenance { command reason } sources { content } } }
        receipt { position repeated ids } changes { does kind id says }
    }
    ... on MemqlError { problems { code message line column hint rendered } }
    ... on Error { message problems { code place hint } }
"""
CURATE = f"mutation ($input: CurateInput!) {{ curate(input: $input) {{ {_ANSWER} }} }}"
MEMQL = f"query ($query: String!, $params: JSON) {{ memql(query: $query, params: $params) {{ {_ANSWER} }} }}"


async def curated(
    caller: Any, statement: str, /, by: Principal | None = None, key: str | None = None, **params: Any
) -> Any:
    given = {"statement": statement, "params": params, "idempotencyKey": key}
    return (await caller.ask(CURATE, by, input=given))["curate"]


async def asked(caller: Any, query: str, **params: Any) -> Any:
    return (await caller.ask(MEMQL, None, query=query, params=params))["memql"]


REMEMBER = """
    REMEMBER (m:Memory {text: $text})-[:ABOUT]->(e:Entity {name: $name})
    FROM $event BECAUSE 'said so' RETURN m, e.name AS who
"""


async def test_a_statement_writes_and_returns_what_it_wrote(caller: Any) -> None:
    """With its receipt, and with everything that may be asked of an item."""
    said = await caller.do("recordEvents", stream="talk", events=[{"content": "I like tea"}])
    (event,) = said["ids"]
    answer = await curated(caller, REMEMBER, text="Ada likes tea", name="Ada", event=event)
    assert answer["__typename"] == "MemqlResult", answer
    ((memory, who),) = answer["rows"]
    assert (memory["text"], who) == ("Ada likes tea", "Ada")
    assert answer["receipt"] == {
        "position": answer["position"], "repeated": False, "ids": answer["receipt"]["ids"]
    }  # fmt: skip
    assert answer["receipt"]["ids"][0] == memory["id"]
    (node,) = answer["nodes"]
    assert node["provenance"] == {"command": "Curate", "reason": "said so"}
    assert node["sources"] == [{"content": "I like tea"}]


async def test_a_statement_may_be_the_first_of_a_tenant(caller: Any) -> None:
    """As any other mutation."""
    answer = await curated(caller, "REMEMBER (m:Memory {text: 'first'})")
    assert answer["rows"] == [[1, 0, 0, 0, 0]]
    assert [column["name"] for column in answer["columns"]] == [
        "remembered", "linked", "corrected", "superseded", "forgotten",
    ]  # fmt: skip
    assert answer["position"] == answer["receipt"]["position"] == 1


async def test_a_query_only_reads(caller: Any) -> None:
    """The query field names the mutation, also where there is no tenant yet, and writes nothing."""
    first = await asked(caller, "REMEMBER (m:Memory {text: 'x'})")
    await curated(caller, "REMEMBER (m:Memory {text: 'tea'})")
    second = await asked(caller, "MATCH (m:Memory) FORGET m")
    for answer in (first, second):
        (problem,) = answer["problems"]
        assert (problem["code"], problem["line"]) == ("Q503", 1)
        assert "`curate`" in problem["hint"]
    assert (await asked(caller, "MATCH (m:Memory) RETURN m.text"))["rows"] == [["tea"]]


async def test_a_preview_is_a_query(caller: Any) -> None:
    """EXPLAIN tells what would change, through either door, and changes nothing."""
    await curated(caller, "UNWIND range(1, 12) AS n REMEMBER (m:Memory {text: 'tea ' + toString(n)})")
    preview = "EXPLAIN MATCH (m:Memory) FORGET m"
    one, other = await asked(caller, preview), await curated(caller, preview)
    assert one == other
    assert one["rows"] == []
    assert one["receipt"] is None
    assert "would be 12 forgotten" in one["plan"]
    assert "… and 2 more" in one["plan"]
    assert len(one["changes"]) == 10
    assert {(each["does"], each["kind"]) for each in one["changes"]} == {("forgotten", "Memory")}
    assert all(each["id"].startswith("mem_") and each["says"].startswith('(Memory "tea') for each in one["changes"])
    assert (await asked(caller, "MATCH (m:Memory) RETURN count(*) AS n"))["rows"] == [[12]]


async def test_asked_again_under_its_key(caller: Any) -> None:
    """Nothing is written, and the answer is the one that was given, whatever has happened since."""
    await curated(caller, "UNWIND ['a', 'b'] AS t REMEMBER (m:Memory {text: t})")
    statement = (
        "MATCH (m:Memory) FORGET m REMEMBER (n:Insight {text: 'about ' + m.text}) RETURN m.text AS was, n.id AS id"
    )
    first = await curated(caller, statement, key="k")
    await curated(caller, "REMEMBER (m:Memory {text: 'c'})")
    again = await curated(caller, statement, key="k")
    assert not first["receipt"]["repeated"]
    assert again["receipt"] == first["receipt"] | {"repeated": True}
    assert again["rows"] == first["rows"]
    assert again["position"] == first["position"]
    assert (await asked(caller, "MATCH (i:Insight) RETURN count(*) AS n"))["rows"] == [[2]]
    other = await curated(caller, "MATCH (m:Memory) FORGET m", key="k")
    assert (other["__typename"], other["problems"][0]["code"]) == ("Conflict", "KEY_REUSED")


async def test_what_is_wrong_has_a_place(caller: Any) -> None:
    """What the compiler refuses, and what the command does."""
    wrong = await curated(caller, "REMEMBER (m:Memory {txet: 'x'})")
    assert wrong["__typename"] == "MemqlError"
    assert [problem["code"] for problem in wrong["problems"]] == ["Q314", "Q102"]
    refused = await curated(caller, "REMEMBER (m:Memory {text: 'x'})\nREMEMBER (n:Memory {text: 'x', confidence: 7})")
    assert refused["__typename"] == "InvalidInput"
    (problem,) = refused["problems"]
    assert (problem["code"], problem["place"]) == ("OUT_OF_RANGE", "line 2, column 10")
    params = (await caller.ask(CURATE, None, input={"statement": "RETURN 1", "params": [1]}))["curate"]
    assert params["problems"][0]["code"] == "INVALID_TYPE"


async def test_the_mutation_also_reads(caller: Any) -> None:
    """Whoever may write need not tell the two apart."""
    answer = await curated(caller, "RETURN 1 AS one")
    assert (answer["rows"], answer["receipt"]) == ([[1]], None)
