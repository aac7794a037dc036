"""The demo data: whole, in order, and answering what its questions ask."""

import json
import re
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
GAZETTEER = "entities.jsonl"
FIELDS = {"stream", "occurredAt", "author", "role", "content", "externalKey", "replyTo", "importance", "metadata"}
NEEDED = FIELDS - {"replyTo", "importance", "metadata"}
LONGEST = 600
"""Characters of one event: what someone says in one breath, and well within what an embedder reads."""

Line = dict[str, Any]


def lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


FILES = {path: lines(path) for path in sorted(EXAMPLES.glob("*/*.jsonl"))}
STREAMS = {path.stem: events for path, events in FILES.items() if path.name != GAZETTEER}
EVENTS = [event for events in STREAMS.values() for event in events]
ENTITIES = [line["entity"] for path, found in FILES.items() if path.name == GAZETTEER for line in found]
BY_KEY = {event["externalKey"]: event for event in EVENTS}
ASKED = json.loads((EXAMPLES / "questions.json").read_text("utf-8"))


def moment(event: Line) -> datetime:
    assert event["occurredAt"].endswith("Z"), event
    return datetime.fromisoformat(event["occurredAt"])


def mentions(text: str, entity: Line) -> bool:
    """Whether a text has one of the entity's names, as whole words."""
    names = "|".join(re.escape(name) for name in (entity["name"], *entity["aliases"]))
    return re.search(rf"(?<!\w)(?:{names})(?!\w)", text, re.IGNORECASE) is not None


def test_events_have_the_fields_of_an_import() -> None:
    """Every line is an event, with nothing missing, nothing unknown and nothing of another type."""
    assert len(EVENTS) > 400
    for event in EVENTS:
        assert set(event) >= NEEDED, event
        assert set(event) <= FIELDS, event
        assert event["role"] in {"user", "assistant", "tool", "system"}, event
        assert all(isinstance(event[name], str) and event[name].strip() for name in NEEDED), event
        assert 0 <= event.get("importance", 0) <= 1, event
        assert isinstance(event.get("metadata", {}), dict), event


def test_texts_are_said_in_one_breath() -> None:
    """No event is a document, and none has a character that could not be typed."""
    for event in EVENTS:
        assert len(event["content"]) <= LONGEST, event
        assert event["content"].replace("\n", "").isprintable(), event


def test_keys_are_unique() -> None:
    """An import that is repeated adds nothing, because each key names one event."""
    assert len(BY_KEY) == len(EVENTS)


def test_a_file_is_a_stream_in_the_order_of_time() -> None:
    """No two events of a stream are at the same time, and a key names the day it stands for."""
    for name, events in STREAMS.items():
        assert {event["stream"] for event in events} == {name}
        for before, after in pairwise(events):
            assert moment(before) < moment(after), after
    for event in EVENTS:
        assert event["externalKey"].rpartition("/")[0].endswith(f"-{moment(event):%m%d}"), event


def test_replies_answer_what_was_said_before() -> None:
    """A reply names an earlier event of its own stream."""
    replies = [event for event in EVENTS if "replyTo" in event]
    assert replies
    for event in replies:
        answered = BY_KEY[event["replyTo"]]
        assert answered["stream"] == event["stream"], event
        assert moment(answered) < moment(event), event


def test_an_author_has_one_role() -> None:
    """Whoever speaks is a person, an agent, a tool or the system, everywhere."""
    roles: dict[str, set[str]] = {}
    for event in EVENTS:
        roles.setdefault(event["author"], set()).add(event["role"])
    assert all(len(each) == 1 for each in roles.values()), roles


def test_entities_are_told_apart_and_are_mentioned() -> None:
    """No name or alias stands for two entities, and somebody speaks of each."""
    names = [name.casefold() for entity in ENTITIES for name in (entity["name"], *entity["aliases"])]
    assert len(names) == len(set(names))
    for entity in ENTITIES:
        assert set(entity) == {"name", "category", "aliases"}
        assert any(mentions(event["content"], entity) for event in EVENTS), entity


def test_tool_output_that_looks_like_json_is_json() -> None:
    """What a tool printed can be read by a machine again."""
    printed = [event["content"] for event in EVENTS if event["role"] == "tool" and event["content"].startswith("{")]
    assert printed
    for content in printed:
        json.loads(content)


def test_addresses_lead_nowhere() -> None:
    """Every host is of example.org, which belongs to nobody."""
    for event in EVENTS:
        whole = json.dumps(event)
        hosts = re.findall(r"https?://([\w.-]+)", whole) + re.findall(r"[\w.]+@([\w.-]+\w)", whole)
        assert all(host.endswith(".example.org") for host in hosts), event


@pytest.mark.parametrize(
    "asked", [*ASKED["questions"], *ASKED["try"]], ids=lambda asked: asked.get("id") or asked["as"]
)
def test_questions_have_evidence(asked: Line) -> None:
    """Each question is answered, and each event that answers it is there once."""
    assert asked["question"].endswith("?")
    assert asked["evidence"]
    assert len(set(asked["evidence"])) == len(asked["evidence"])
    assert set(asked["evidence"]) <= set(BY_KEY)


def test_questions_are_told_apart() -> None:
    """No id and no question stands twice."""
    questions = ASKED["questions"]
    assert len({each["id"] for each in questions}) == len({each["question"] for each in questions}) == len(questions)


def test_the_three_things_to_try_promise_what_was_said() -> None:
    """Search, MemQL and walk: their expected answers are the very words and times of the events."""
    search, memql, walk = ASKED["try"]
    assert [each["as"] for each in ASKED["try"]] == ["search", "memql", "walk"]
    assert search["answer"] == BY_KEY[search["first"]]["content"]

    pump = next(entity for entity in ENTITIES if entity["name"] == "Pump Two")
    said = [event for event in EVENTS if event["author"] == "Mina" and mentions(event["content"], pump)]
    said.sort(key=moment)
    assert memql["rows"] == [[event["occurredAt"], event["content"]] for event in said]
    assert memql["evidence"] == [event["externalKey"] for event in said]

    sentence, after = (BY_KEY[key] for key in walk["evidence"])
    stream = STREAMS[sentence["stream"]]
    assert stream[stream.index(sentence) + 1] == after
    told = [sentence["author"], sentence["occurredAt"], sentence["content"], after["author"], after["content"]]
    assert walk["rows"] == [told]
