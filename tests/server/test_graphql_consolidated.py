"""From what was said to what is remembered: reads that wait for the memories of events, and what they lead back to."""

from collections.abc import Callable
from typing import Any

SAY = """
    mutation ($input: RecordEventsInput!) {
        recordEvents(input: $input) { ... on RecordEventsPayload { position repeated events { id } } }
    }
"""
TALK = (
    {"content": "Hello!", "author": "Ada", "externalKey": "m1"},
    {"content": "I drink green tea since May.", "author": "Ada", "externalKey": "m2"},
    {"content": "And I keep bees on the roof.", "author": "Ben", "externalKey": "m3", "replyTo": "m2"},
)


async def told(caller: Any) -> dict[str, Any]:
    input_ = {"stream": "talk", "events": TALK, "idempotencyKey": "once"}
    answer: dict[str, Any] = (await caller.ask(SAY, None, input=input_))["recordEvents"]
    return answer


async def test_what_was_said_is_found_as_what_is_remembered(serving: Callable[..., Any]) -> None:
    """`consolidated` waits until the events at `atLeast` are memories; each leads back to its event, and knows who made
    it of what."""
    async with serving(consolidate=True) as caller:
        said = await told(caller)
        query = """
            query ($least: Position) {
                search(input: {text: "who keeps bees?", atLeast: $least, consolidated: true}) {
                    edges {
                        node {
                            __typename
                            ... on Memory {
                                text author externalKey stream { name }
                                provenance { actor command derivedFrom { id } }
                                before: relations(kinds: "FOLLOWS", direction: OUT) {
                                    edges { other { ... on Memory { text } } }
                                }
                            }
                        }
                        sources { id externalKey content }
                    }
                }
            }
        """
        found = (await caller.ask(query, None, least=said["position"]))["search"]["edges"][0]
        event = said["events"][2]["id"]
        assert found == {
            "node": {
                "__typename": "Memory", "text": TALK[2]["content"], "author": "Ben", "externalKey": event,
                "stream": {"name": "talk"},
                "provenance": {
                    "actor": "memql:consolidation", "command": "Remember", "derivedFrom": [{"id": event}]
                },
                "before": {"edges": [{"other": {"text": TALK[1]["content"]}}]},
            },
            "sources": [{"id": event, "externalKey": "m3", "content": TALK[2]["content"]}],
        }  # fmt: skip
        again = await told(caller)
        assert again == said | {"repeated": True}


async def test_every_read_can_wait(serving: Callable[..., Any]) -> None:
    """Pages, single items, MemQL and the position itself; without a position they wait for all events there are."""
    async with serving(consolidate=True) as caller:
        await told(caller)
        query = """
            {
                memories(consolidated: true, where: {stream: {eq: "talk"}}) { nodes { text } }
                memql(query: "MATCH (m:Memory) RETURN m.text ORDER BY m.text", consolidated: true) {
                    ... on MemqlResult { rows }
                }
                position(consolidated: true)
            }
        """
        found = await caller.ask(query)
        texts = [TALK[1]["content"], TALK[2]["content"]]
        assert [node["text"] for node in found["memories"]["nodes"]] == texts
        assert found["memql"]["rows"] == [[text] for text in sorted(texts)]
        assert found["position"] > 1
        ready = (await caller.http.get("/readyz")).json()["tenants"]["default"]
        assert ready["stores"].keys() == {"graph", "vectors", "texts"}
        assert (ready["consolidation"]["phase"], ready["consolidation"]["lag"]) == ("following", 0)
        assert ready["consolidation"]["position"] >= 1


async def test_where_no_memories_are_made_that_is_said(serving: Callable[..., Any]) -> None:
    """Not waited for in vain."""
    async with serving(consolidate=False) as caller:
        await told(caller)
        (error,) = await caller.errors("{ memories(consolidated: true) { position } }")
        assert error["extensions"]["code"] == "CONSOLIDATION_OFF"
        answer = '{ memql(query: "RETURN 1", consolidated: true) { ... on Error { problems { code } } } }'
        assert (await caller.ask(answer))["memql"]["problems"] == [{"code": "CONSOLIDATION_OFF"}]
        assert (await caller.http.get("/readyz")).json()["tenants"]["default"]["consolidation"] is None
