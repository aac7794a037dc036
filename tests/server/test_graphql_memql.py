"""MemQL through GraphQL: rows and items of one read, seen as whoever asks sees them; and errors with their place."""

from collections.abc import Callable
from typing import Any

from engine.commands import Principal

MEMQL = """
    query ($query: String!, $params: JSON, $atLeast: Position) {
        memql(query: $query, params: $params, atLeast: $atLeast) {
            __typename
            ... on MemqlResult {
                columns { name type } rows position notices plan
                nodes {
                    id ... on Memory { text sources { content } relations { totalCount } provenance { command } }
                }
            }
            ... on MemqlError { problems { code message line column length hint rendered } }
            ... on Error { message problems { code place hint } }
        }
    }
"""


async def asked(caller: Any, query: str, /, at_least: int | None = None, **params: Any) -> Any:
    return (await caller.ask(MEMQL, None, query=query, params=params, atLeast=at_least))["memql"]


async def drinks(caller: Any) -> tuple[list[str], int]:
    """What three people drink, each said, remembered, and about a person."""
    said = await caller.do("recordEvents", stream="talk", events=[{"content": f"tea {n}"} for n in range(3)])
    ids = []
    for n, event in enumerate(said["ids"]):
        links = [{"kind": "DERIVED_FROM", "target": event}]
        ids += (await caller.do("remember", text=f"tea {n}", importance=n / 4, links=links))["ids"]
    (ada,) = (await caller.do("nameEntity", name="Ada"))["ids"]
    receipt = await caller.do("relate", source=ids[1], kind="MENTIONS", target=ada)
    return ids, receipt["position"]


async def test_rows_and_the_items_in_them(caller: Any) -> None:
    """Columns with their types, rows as JSON, and each item once, with all that may be asked of one."""
    ids, position = await drinks(caller)
    query = """
        MATCH (m:Memory)-[:MENTIONS]->(e:Entity)
        WHERE m.importance >= $least
        RETURN m, e.name AS who, m.importance AS weight, m.valid_from < $till AS early, m AS again
    """
    answer = await asked(caller, query, position, least=0.25, till="2100-01-01T00:00:00Z")
    assert answer["__typename"] == "MemqlResult", answer
    assert [column["name"] for column in answer["columns"]] == ["m", "who", "weight", "early", "again"]
    assert [column["type"] for column in answer["columns"]][:3] == ["node", "string", "float"]
    (row,) = answer["rows"]
    assert (row[0]["id"], row[0]["kind"], row[0]["text"], *row[1:4]) == (ids[1], "Memory", "tea 1", "Ada", 0.25, True)
    assert answer["nodes"] == [
        {
            "id": ids[1], "text": "tea 1", "sources": [{"content": "tea 1"}], "relations": {"totalCount": 2},
            "provenance": {"command": "Remember"},
        }
    ]  # fmt: skip
    assert (answer["position"], answer["notices"], answer["plan"]) == (position, [], None)


async def test_a_search_in_a_query(caller: Any) -> None:
    """Waits for what was just written; nulls are values of a row."""
    ids, position = await drinks(caller)
    query = "SEARCH m:Memory MATCHES $q WHERE m.importance > 0.1 LIMIT 5 SCORE AS s RETURN m.id AS id, m.category AS c"
    answer = await asked(caller, query, position, q="tea")
    assert sorted(answer["rows"]) == sorted([[ids[1], None], [ids[2], None]])


async def test_errors_have_a_place(caller: Any) -> None:
    """Line, column and length for an editor, and the same as text for people."""
    await drinks(caller)
    answer = await asked(caller, "MATCH (m:Memory)\nWHERE m.txet = 'tea'\nRETURN m")
    assert answer["__typename"] == "MemqlError"
    (problem,) = answer["problems"]
    assert (problem["code"], problem["line"], problem["column"], problem["length"]) == ("Q102", 2, 9, 4)
    assert "text" in problem["hint"]
    assert problem["rendered"].splitlines()[2] == "2 | WHERE m.txet = 'tea'"
    for query, code in (("MATCH (m", "Q0"), ("RETURN $missing", "Q2"), ("", "Q0")):
        (problem,) = (await asked(caller, query))["problems"]
        assert problem["code"].startswith(code), problem
        assert problem["rendered"].startswith("error[Q")


async def test_what_is_no_fault_of_the_query(serving: Callable[..., Any]) -> None:
    """Is told as for any field: parameters that are no map, a position that is not reached, more than may be shown."""
    async with serving(limits={"wait_ms": 50}, requests={"rows": 2}) as caller:
        missing = (await caller.ask(MEMQL, None, query="RETURN 1"))["memql"]
        assert (missing["__typename"], missing["problems"][0]["code"]) == ("NotFound", "NOT_FOUND")
        await drinks(caller)
        wrong = (await caller.ask(MEMQL, None, query="RETURN 1", params=[1]))["memql"]
        assert (wrong["__typename"], wrong["problems"][0]["place"]) == ("InvalidInput", "params")
        late = await asked(caller, "RETURN 1", 99)
        assert (late["__typename"], late["problems"][0]["code"]) == ("Unavailable", "NOT_YET")
        much = await asked(caller, "MATCH (m:Memory) RETURN m")
        assert much["__typename"] == "LimitExceeded"
        assert "`requests.rows`" in much["message"]


async def test_nobody_sees_more_by_asking_in_memql(caller: Any) -> None:
    """Rows, counts and relations are those of whoever asks."""
    await drinks(caller)
    await caller.do("remember", text="for all", domain="ORGANIZATION")
    ben = caller.acting_as(Principal("usr_ben"))
    assert (await asked(ben, "MATCH (m:Memory) RETURN m.text AS t"))["rows"] == [["for all"]]
    assert (await asked(ben, "MATCH (n) RETURN count(*) AS n"))["rows"] == [[1]]
    assert (await asked(ben, "MATCH (a)-[r]->(b) RETURN count(r) AS n"))["rows"] == [[0]]
    assert (await asked(caller, "MATCH (a)-[r]->(b) RETURN count(r) AS n"))["rows"] == [[4]]
    await ben.http.aclose()


async def test_plans_and_time(caller: Any) -> None:
    """EXPLAIN answers with the plan alone; AS OF is the query's own."""
    await drinks(caller)
    receipt = await caller.do("remember", text="later")
    answer = await asked(caller, "EXPLAIN MATCH (m:Memory) RETURN m")
    assert answer["rows"] == []
    assert "Memory" in answer["plan"]
    now = await asked(caller, "MATCH (m:Memory) RETURN count(*) AS n", receipt["position"])
    assert now["rows"] == [[4]]
    then = (await caller.ask("{ memories { nodes { recordedAt } } }"))["memories"]["nodes"][2]["recordedAt"]
    before = await asked(caller, "AS OF $then MATCH (m:Memory) RETURN count(*) AS n", then=then)
    assert before["rows"] == [[3]]


async def test_a_plan_as_objects(caller: Any) -> None:
    """Each step with the one above it, where it looks, and for PROFILE what it gave and cost; no plan, no steps."""
    await drinks(caller)
    query = """query ($query: String!) { memql(query: $query) { ... on MemqlResult {
        planNodes { number parent depth operator detail engine time sees filtering of rows ms totalMs }
    } } }"""

    async def steps(text: str) -> Any:
        return (await caller.ask(query, None, query=text))["memql"]["planNodes"]

    asked_ = "MATCH (m:Memory) WHERE EXISTS { (m)-[:MENTIONS]->(:Entity) } RETURN m.text"
    told = await steps(f"PROFILE {asked_}")
    assert [step["number"] for step in told] == list(range(len(told)))
    above = {step["number"]: step for step in told}
    assert told[0]["parent"] is None
    assert all(above[step["parent"]]["depth"] == step["depth"] - 1 for step in told[1:])
    assert {step["operator"]: step["engine"] for step in told}["Expand"] == "adjacency"
    (scan,) = (step for step in told if step["operator"] == "Scan")
    assert (scan["rows"], scan["time"], scan["detail"]) == (3, "now", "(m:Memory)")
    assert all(0 <= step["ms"] <= step["totalMs"] for step in told)
    assert [step["rows"] for step in await steps(f"EXPLAIN {asked_}")] == [None] * len(told)
    assert await steps(asked_) == await steps(f"EXPLAIN BOUND {asked_}") == []


TIMES = """
    query ($query: String!, $asOf: AsOf, $validAt: DateTime, $first: Int) {
        memql(query: $query, asOf: $asOf, validAt: $validAt, first: $first) {
            __typename
            ... on MemqlResult { rows truncated position columns { name type nullable spelled } nodes { id } }
            ... on MemqlError { problems { code } }
            ... on Error { problems { code place } }
        }
    }
"""


async def test_a_query_is_read_at_another_time(caller: Any) -> None:
    """By arguments as every other read; a time that it names itself goes before them."""
    await caller.do("remember", text="tea", validFrom="2026-01-01", validTo="2026-02-01")
    (id_,) = (await caller.do("remember", text="rain"))["ids"]
    await caller.do("reviseItem", id=id_, set={"text": "snow"})
    query = "MATCH (m:Memory) RETURN m.text AS text ORDER BY text"
    for asked, rows in (
        ({}, [["snow"]]),
        ({"asOf": {"position": 2}}, [["rain"]]),
        ({"validAt": "2026-01-15"}, [["tea"]]),
        ({"asOf": {"time": "2026-01-01"}}, []),
        ({"asOf": {"position": 2}, "query": f"AS OF '2099-01-01' {query}"}, [["rain"]]),
    ):
        told = (await caller.ask(TIMES, None, **({"query": query} | asked)))["memql"]
        assert told.get("rows") == rows, (asked, told)
    told = (await caller.ask(TIMES, None, query="MATCH (m:Memory) RETURN m.strength", asOf={"position": 2}))["memql"]
    assert told["__typename"] == "MemqlError", "figures are not versioned"


async def test_so_many_rows_and_whether_there_are_more(caller: Any) -> None:
    """Nothing is left out in silence."""
    for n in range(3):
        await caller.do("remember", text=f"m{n}")
    query = "MATCH (m:Memory) RETURN m, m.text AS text, 1 AS one ORDER BY text"
    told = (await caller.ask(TIMES, None, query=query, first=2))["memql"]
    assert (len(told["rows"]), len(told["nodes"]), told["truncated"]) == (2, 2, True)
    assert told["columns"] == [
        {"name": "m", "type": "node", "nullable": False, "spelled": "Memory"},
        {"name": "text", "type": "string", "nullable": True, "spelled": "string?"},
        {"name": "one", "type": "integer", "nullable": False, "spelled": "integer"},
    ]
    assert (await caller.ask(TIMES, None, query=query, first=3))["memql"]["truncated"] is False
    wrong = (await caller.ask(TIMES, None, query=query, first=-1))["memql"]
    assert wrong["problems"] == [{"code": "INVALID_VALUE", "place": "first"}]


async def test_a_query_is_described_and_explained_without_running_it(caller: Any) -> None:
    """Parameters, columns, how many rows, what it reads and how; of one that writes nothing is written."""
    await caller.do("remember", text="tea")
    query = """
        query ($query: String!) {
            memqlDescribe(query: $query) {
                ... on MemqlDescription {
                    parameters { name type optional inferred } columns { name spelled } rows does
                    kinds labels relations properties warnings
                }
                ... on MemqlError { problems { code line column } }
            }
            memqlExplain(query: $query) {
                ... on MemqlPlan { text estimatedRows nodes { operator rows } }
                ... on MemqlError { problems { code line column } }
            }
        }
    """
    text = "MATCH (m:Memory {id: $id})-[:MENTIONS]->(e) WHERE e.name = $name::string RETURN m.text AS text LIMIT 1"
    told = await caller.ask(query, None, query=text)
    described = told["memqlDescribe"]
    assert {each["name"]: each["type"] for each in described["parameters"]} == {"id": "string", "name": "string"}
    assert (described["rows"], described["does"]) == ("AT_MOST_ONE", "READ")
    assert described["columns"] == [{"name": "text", "spelled": "string?"}]
    assert described["relations"] == ["MENTIONS"]
    assert "Project" in {node["operator"] for node in told["memqlExplain"]["nodes"]}
    assert all(node["rows"] is None for node in told["memqlExplain"]["nodes"])
    told = await caller.ask(query, None, query='REMEMBER (m:Memory {text: "x"}) RETURN m')
    assert told["memqlDescribe"]["does"] == "WRITE"
    told = await caller.ask(query, None, query="MATCH (m:Memroy) RETURN m")
    assert told["memqlDescribe"] == told["memqlExplain"]
    assert told["memqlDescribe"]["problems"][0]["line"] == 1
    assert (await caller.ask("{ memories { totalCount } position }")) == {"memories": {"totalCount": 1}, "position": 1}
