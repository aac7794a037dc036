"""Items and relations by id and by name, and how each version came to be, by the records of the journal."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

PROVENANCE = "provenance { actor command reason recordedAt position }"


async def worked(caller: Any) -> tuple[list[str], str]:
    """Three events of one record, and a memory of two of them that was corrected once."""
    events = await caller.do(
        "recordEvents",
        stream="talk",
        events=[{"content": f"Ada says {n}", "externalKey": f"m{n}"} for n in range(3)],
    )
    links = [{"kind": "DERIVED_FROM", "target": id_} for id_ in events["ids"][:2]]
    (memory,) = (await caller.do("remember", text="Ada counts.", links=links))["ids"]
    await caller.do("reviseItem", id=memory, set={"text": "Ada counts well."}, reason="she went on to a hundred")
    return events["ids"], memory


async def test_provenance_of_every_version(caller: Any) -> None:
    """Who recorded it, by which command, why, and from which events; and what ended the version before it."""
    events, memory = await worked(caller)
    query = f"""
        query ($id: ID!) {{
            memory(id: $id) {{
                {PROVENANCE}
                made: provenance {{ derivedFrom {{ id ... on Event {{ content stream {{ name }} }} }} }}
                history {{
                    version {PROVENANCE} provenance {{ derivedFrom {{ id }} }} ending {{ command reason position }}
                }}
            }}
        }}
    """
    found = (await caller.ask(query, None, id=memory))["memory"]
    assert found["provenance"] | {"recordedAt": None} == {
        "actor": "local", "command": "ReviseItem", "reason": "she went on to a hundred", "recordedAt": None,
        "position": 3,
    }  # fmt: skip
    assert found["made"]["derivedFrom"] == [
        {"id": events[n], "content": f"Ada says {n}", "stream": {"name": "talk"}} for n in range(2)
    ]
    first, second = found["history"]
    assert (first["provenance"]["command"], first["provenance"]["reason"]) == ("Remember", None)
    assert first["provenance"]["recordedAt"] < second["provenance"]["recordedAt"]
    assert [each["id"] for each in first["provenance"]["derivedFrom"]] == events[:2]
    assert first["ending"] == {"command": "ReviseItem", "reason": "she went on to a hundred", "position": 3}
    assert second["ending"] is None


async def test_why_something_ended(caller: Any) -> None:
    """Also of relations; a read as of before knows nothing of it."""
    _, memory = await worked(caller)
    (ada,) = (await caller.do("nameEntity", name="Ada"))["ids"]
    (about,) = (await caller.do("relate", source=memory, kind="MENTIONS", target=ada))["ids"]
    await caller.do("reviseRelation", id=about, weight=0.5)
    query = f"""
        query ($ids: [ID!]!, $asOf: AsOf) {{
            nodes(ids: $ids, asOf: $asOf) {{
                ... on Item {{ history {{ version ending {{ command reason }} }} }}
                ... on Relation {{ version {PROVENANCE} ending {{ command }} }}
            }}
        }}
    """
    item, relation = (await caller.ask(query, None, ids=[memory, about]))["nodes"]
    assert relation["version"] == 2
    assert (relation["provenance"]["command"], relation["provenance"]["position"]) == ("ReviseRelation", 6)
    assert relation["ending"] is None
    await caller.do("retireItem", id=memory, reason="she stopped")
    then, _ = (await caller.ask(query, None, ids=[memory, about], asOf={"position": 6}))["nodes"]
    assert then == item
    now = await caller.ask(query, None, ids=[memory, about])
    assert now["nodes"] == [None, None]
    erased = """
        mutation ($id: ID!) {
            eraseItem(input: {id: $id, reason: "asked to"}) {
                ... on EraseItemPayload { item { provenance { command reason } history { ending { reason } } } }
            }
        }
    """
    (last,) = (await caller.do("remember", text="to go"))["ids"]
    item = (await caller.ask(erased, None, id=last))["eraseItem"]["item"]
    assert item["provenance"] == {"command": "Remember", "reason": None}


async def test_nodes_stand_in_the_order_asked(caller: Any) -> None:
    """Items and relations mixed, the same one twice; null for what there is not, and a limit on how many."""
    events, memory = await worked(caller)
    query = """
        query ($id: ID!) {
            node(id: $id) { ... on Item { relations { nodes { id kind target { id } provenance { command } } } } }
        }
    """
    relations = (await caller.ask(query, None, id=memory))["node"]["relations"]["nodes"]
    assert {each["provenance"]["command"] for each in relations} == {"Remember"}
    ids = [relations[0]["id"], events[0], "evt_nobody", memory, events[0], "rel_nobody", "", "ñ"]
    nodes = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
    found = (await caller.ask(nodes, None, ids=ids))["nodes"]
    assert [each and each["id"] for each in found] == [*ids[:2], None, memory, events[0], None, None, None]
    assert [each and each["__typename"] for each in found[:4]] == ["Relation", "Event", None, "Memory"]
    (error,) = await caller.errors(nodes, None, ids=["x"] * 1001)
    assert error["extensions"]["problems"][0]["place"] == "ids"


async def test_a_level_is_read_at_once(caller: Any, monkeypatch: Any) -> None:
    """However many there are on a page: provenance and sources take the same few statements."""
    statements: list[str] = []
    real = sqlite3.connect

    def traced(*given: Any, **named: Any) -> Any:
        db = real(*given, **named)
        db.set_trace_callback(statements.append)
        return db

    monkeypatch.setattr("engine.journal.sqlite3.connect", traced)
    events = await caller.do("recordEvents", stream="talk", events=[{"content": f"event {n}"} for n in range(40)])
    for id_ in events["ids"]:
        await caller.do("remember", text="a memory", links=[{"kind": "DERIVED_FROM", "target": id_}])
    query = """
        query ($first: Int!) {
            memories(first: $first) {
                nodes {
                    text sources { content } provenance { actor derivedFrom { id } } ending { actor }
                    relations { edges { node { provenance { command } } other { history { version } } } }
                }
            }
        }
    """
    counts = []
    await caller.ask(query, None, first=1)
    for first in (2, 40):
        statements.clear()
        nodes = (await caller.ask(query, None, first=first))["memories"]["nodes"]
        assert [node["sources"][0]["content"] for node in nodes] == [f"event {n}" for n in range(first)]
        counts.append(sum("SELECT" in statement for statement in statements))
    assert counts[0] == counts[1] <= 12


async def test_a_record_that_is_not_as_written_tells_nothing(serving: Callable[..., Any], tmp_path: Path) -> None:
    """Neither an actor nor a reason that nobody wrote."""
    async with serving() as caller:
        _, memory = await worked(caller)
    with closing(sqlite3.connect(tmp_path / "data" / "tenants" / "default" / "journal.db")) as db:
        (header,) = db.execute("SELECT header FROM records WHERE position = 2").fetchone()
        db.execute("UPDATE records SET header = ? WHERE position = 2", (header.replace(b'"local"', b'"other"'),))
        db.commit()
    async with serving() as caller:
        query = "query ($id: ID!) { memory(id: $id, asOf: {position: 2}) { provenance { actor } } }"
        (error,) = await caller.errors(query, None, id=memory)
        assert error["extensions"]["code"] in ("JOURNAL_DAMAGED", "RECORD_DAMAGED")


async def test_an_entity_by_its_name(caller: Any) -> None:
    """Or by an alias, in any letters; a name comes before an alias, and the oldest first."""
    for name, aliases in (("ADA", ["Countess of Lovelace"]), ("Ada", []), ("Countess", ["Ada"]), ("日本", ["?!"])):
        receipt = await caller.do("nameEntity", name=name, aliases=aliases)
    query = "query ($name: String!, $least: Position) { entity(name: $name, atLeast: $least) { name } }"

    async def named(name: str) -> Any:
        found = (await caller.ask(query, None, name=name, least=receipt["position"]))["entity"]
        return found and found["name"]

    assert await named("ada") == "ADA"
    assert await named("countess  of LOVELACE") == "ADA"
    assert await named("Countess") == "Countess"
    assert await named("日本") == "日本"
    assert await named("?!") == "日本"
    assert await named("") is None
    assert await named("love") is None


async def test_pages_of_each_kind(caller: Any) -> None:
    """Each shows its own alone, in the order in which they were recorded."""
    await caller.do("deriveInsight", text="i")
    for n in range(3):
        await caller.do("setGoal", title=f"g{n}")
        await caller.do("addTask", title=f"t{n}")
    await caller.do("nameEntity", name="e")
    query = """
        query ($after: String) {
            insights { nodes { text } } goals(first: 2, after: $after) { nodes { title } pageInfo { endCursor } }
            tasks { nodes { title } } entities { nodes { name } }
        }
    """
    first = await caller.ask(query)
    assert [len(first[name]["nodes"]) for name in ("insights", "goals", "tasks", "entities")] == [1, 2, 3, 1]
    second = await caller.ask(query, None, after=first["goals"]["pageInfo"]["endCursor"])
    assert second["goals"]["nodes"] == [{"title": "g2"}]


async def test_each_kind_has_a_field_of_its_own(caller: Any) -> None:
    """Null for an id of another kind; a stream is found by its name as well."""
    (goal,) = (await caller.do("setGoal", title="g"))["ids"]
    (task,) = (await caller.do("addTask", title="t", partOf=goal))["ids"]
    (insight,) = (await caller.do("deriveInsight", text="i"))["ids"]
    await caller.do("recordEvents", stream="talk", events=[{"content": "e"}])
    query = """
        query ($goal: ID!, $task: ID!, $insight: ID!, $at: AsOf) {
            goal(id: $goal, asOf: $at) { title } task(id: $task, asOf: $at) { title goal { title } }
            insight(id: $insight, asOf: $at) { text } stream(name: "talk", asOf: $at) { name }
            none: goal(id: $task) { title } nobody: stream(name: "nobody") { name }
        }
    """
    ids = {"goal": goal, "task": task, "insight": insight}
    assert await caller.ask(query, None, **ids) == {
        "goal": {"title": "g"}, "task": {"title": "t", "goal": {"title": "g"}}, "insight": {"text": "i"},
        "stream": {"name": "talk"}, "none": None, "nobody": None,
    }  # fmt: skip
    told = await caller.ask(query, None, **ids, at={"position": 1})
    assert (told["goal"], told["task"]) == ({"title": "g"}, None)
