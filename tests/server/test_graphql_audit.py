"""What was done, by whom and why: every record that touched what its reader sees, and nothing of what they don't."""

from typing import Any

from engine.commands import Principal

AUDIT = """
    query ($target: ID, $actor: String, $command: String, $first: Int, $after: String, $last: Int, $asOf: AsOf) {
        audit(target: $target, actor: $actor, command: $command, first: $first, after: $after, last: $last, asOf: $asOf)
        {
            totalCount pageInfo { hasNextPage endCursor }
            nodes {
                position actor command reason statement
                changes {
                    action id name reason
                    node { id ... on Memory { text version } ... on Relation { kind version } }
                    before { ... on Memory { text version } }
                }
            }
        }
    }
"""


async def worked(caller: Any) -> tuple[str, str, str]:
    """A memory that was corrected, related and superseded; an event that was erased; a kind that was declared."""
    (one,) = (await caller.do("remember", text="one"))["ids"]
    await caller.do("reviseItem", id=one, set={"text": "two"}, reason="a slip")
    (other,) = (await caller.do("remember", text="other", domain="ORGANIZATION"))["ids"]
    (about,) = (await caller.do("relate", source=one, kind="ABOUT", target=other))["ids"]
    await caller.do("supersedeItem", id=one, by=other, reason="better")
    await caller.do("declareLabel", label="Urgent")
    return one, other, about


async def told(caller: Any, **asked: Any) -> list[dict[str, Any]]:
    found = (await caller.ask(AUDIT, None, **asked))["audit"]
    assert found["totalCount"] >= len(found["nodes"])
    nodes: list[dict[str, Any]] = found["nodes"]
    return nodes


async def test_every_record_is_told(caller: Any) -> None:
    """The latest first, each with what it did, as it was before and afterwards."""
    one, _, _ = await worked(caller)
    nodes = await told(caller)
    assert [(node["position"], node["command"]) for node in nodes] == [
        (6, "DeclareLabel"), (5, "SupersedeItem"), (4, "Relate"), (3, "Remember"), (2, "ReviseItem"), (1, "Remember"),
    ]  # fmt: skip
    assert nodes[0]["changes"] == [
        {"action": "DECLARED", "id": None, "name": "Urgent", "reason": None, "node": None, "before": None}
    ]
    ended, related = nodes[1]["changes"]
    if ended["action"] == "RELATED":
        ended, related = related, ended
    assert (ended["action"], ended["id"], ended["reason"]) == ("SUPERSEDED", one, "better")
    assert related["node"]["kind"] == "SUPERSEDES"
    assert nodes[1]["reason"] == "better"
    (revised,) = nodes[4]["changes"]
    assert (revised["action"], revised["node"]["text"], revised["before"]) == (
        "REVISED", "two", {"text": "one", "version": 1},
    )  # fmt: skip
    assert {node["actor"] for node in nodes} == {"local"}
    assert [node["position"] for node in await told(caller, asOf={"position": 2})] == [2, 1]


async def test_of_one_item_actor_or_command(caller: Any) -> None:
    """An item's own versions and its relations; a relation's; whoever asked, and by what."""
    one, other, about = await worked(caller)
    ben = caller.acting_as(Principal("usr_ben", admin=True))
    await ben.do("reviseRelation", id=about, weight=0.5)
    for asked, expected in (
        ({"target": one}, [7, 5, 4, 2, 1]),
        ({"target": other}, [7, 5, 4, 3]),
        ({"target": about}, [7, 4]),
        ({"target": "mem_nobody"}, []),
        ({"actor": "usr_ben"}, [7]),
        ({"actor": "local", "command": "Remember"}, [3, 1]),
        ({"target": one, "command": "ReviseItem"}, [2]),
        ({"command": "Forget"}, []),
    ):
        assert [node["position"] for node in await told(caller, **asked)] == expected, asked
    await ben.http.aclose()


async def test_an_erasure_is_told_and_what_was_erased_is_not(caller: Any) -> None:
    """Also of what was retired long before."""
    one, _, _ = await worked(caller)
    await caller.do("eraseItem", id=one, reason="asked to")
    nodes = await told(caller, target=one)
    assert nodes[0]["command"] == "EraseItem"
    assert nodes[0]["changes"][-1] | {"node": None} == {
        "action": "ERASED", "id": one, "name": None, "reason": None, "node": None, "before": None,
    }  # fmt: skip
    assert "two" not in repr(nodes)
    assert nodes[-1]["changes"][0]["node"]["text"] is None


async def test_pages_of_an_audit(caller: Any) -> None:
    """Go on at the same position while others write."""
    await worked(caller)
    seen: list[int] = []
    after, more = None, True
    while more:
        page = (await caller.ask(AUDIT, None, first=4, after=after))["audit"]
        seen += [node["position"] for node in page["nodes"]]
        more, after = page["pageInfo"]["hasNextPage"], page["pageInfo"]["endCursor"]
        await caller.do("remember", text="later")
    assert seen == [6, 5, 4, 3, 2, 1]
    assert [node["position"] for node in await told(caller, last=1)] == [1]


async def test_an_audit_shows_only_what_its_reader_sees(caller: Any) -> None:
    """Neither records, nor changes, nor relations, nor counts, nor the statement of somebody else."""
    one, other, about = await worked(caller)
    statement = (
        'MATCH (m:Memory {text: "other"}) REMEMBER (n:Memory {text: "secret"}) LINK (n)-[:ABOUT]->(m) '
        "CORRECT m SET m.importance = 0.5 RETURN n.text"
    )
    document = (
        "mutation ($i: CurateInput!) { curate(input: $i) { __typename ... on MemqlError { problems { rendered } } } }"
    )
    answer = await caller.ask(document, None, i={"statement": statement})
    assert answer["curate"]["__typename"] == "MemqlResult", answer
    ben = caller.acting_as(Principal("usr_ben"))
    nodes = await told(ben)
    assert [(node["position"], [each["action"] for each in node["changes"]]) for node in nodes] == [
        (7, ["REVISED"]), (3, ["RECORDED"]),
    ]  # fmt: skip
    assert nodes[0]["statement"] is None
    assert "secret" not in repr(nodes)
    for target in (one, about):
        assert await told(ben, target=target) == []
    assert (await told(caller))[0]["statement"] == statement
    assert len(await told(ben, target=other)) == 2
    await ben.http.aclose()
