"""What commands lead to, and every way in which one is refused: with a code, a place and a way on."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from engine.commands import (
    AddItem,
    AddTask,
    Asked,
    Command,
    DeclareKind,
    DeclareLabel,
    DeclareProperty,
    DeclareRelationKind,
    DeriveInsight,
    Embedding,
    EraseItem,
    EventInput,
    FoldState,
    Link,
    NameEntity,
    OpenStream,
    Principal,
    PropertyInput,
    RecordEvents,
    Relate,
    Remember,
    RetireItem,
    RetireRelation,
    ReviseItem,
    ReviseRelation,
    SetCatalog,
    SetGoal,
    StateInput,
    SupersedeItem,
    parse,
)
from engine.committer import Waiting
from engine.decide import Decision, View, decide
from engine.limits import Limits
from engine.records import Receipt
from memql.errors import Refusal
from memql.values import micros
from tests.engine.conftest import ME, Ledger

OTHER = Principal("usr_other")
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


def said(*contents: str, stream: str = "chat") -> RecordEvents:
    return RecordEvents(stream=stream, events=tuple(EventInput(content=content) for content in contents))


def test_events_go_into_a_stream_that_is_opened_by_name(ledger: Ledger) -> None:
    """The stream is opened once; its events inherit its owner and domain, and keep their order."""
    first = ledger.write(RecordEvents(stream="chat", domain="agent", events=(EventInput(content="a"),)))
    second = ledger.write(said("b", "c"))
    items = [ledger.index.item(id_) for id_ in (*first.ids, *second.ids)]
    assert [item and item.properties["content"] for item in items] == ["a", "b", "c"]
    assert {(item.owner, item.domain, item.stream) for item in items if item} == {("usr_me", "agent", 1)}
    assert [item.dense for item in items if item] == [2, 3, 4]


def test_an_event_keeps_what_came_with_it(ledger: Ledger) -> None:
    """Times, reply-to by external key, and metadata of any shape come back as they were given."""
    receipt = ledger.write(
        RecordEvents(
            stream="chat",
            events=(
                EventInput(content="q", external_key="1", occurred_at=NOON, metadata={"n": [1, {"$x": None}]}),
                EventInput(content="a", reply_to="1", role="tool", author="Ada", importance=0.5),
            ),
        )
    )
    question, answer = (ledger.index.item(id_) for id_ in receipt.ids)
    assert question
    assert answer
    assert question.valid_from == micros(NOON)
    assert question.properties["metadata"] == {"n": [1, {"$x": None}]}
    assert answer.properties["reply_to"] == question.id


def test_an_external_key_makes_an_event_once(ledger: Ledger) -> None:
    """The same event again is the event that is there; another one under its key is refused."""
    event = EventInput(content="a", external_key="1")
    ids = {ledger.write(RecordEvents(stream="chat", events=(event, event))).ids for _ in range(2)}
    assert len({id_ for pair in ids for id_ in pair}) == 1
    changed = RecordEvents(stream="chat", events=(EventInput(content="b", external_key="1"),))
    assert ledger.refused(changed) == [("EXTERNAL_KEY_TAKEN", "events[0].external_key")]


def test_a_key_makes_a_command_once(ledger: Ledger) -> None:
    """Asked again under its key, a command is answered and not repeated; the key is the principal's own."""
    first = ledger.write(said("a"), key="k")
    again = ledger.write(said("a"), key="k")
    assert again == first
    assert again.repeated
    assert ledger.refused(said("b"), key="k") == [("KEY_REUSED", "idempotency_key")]
    assert ledger.write(said("a"), OTHER, key="k").position == first.position + 1
    reopened = ledger.reopened()
    assert reopened.write(said("a"), key="k") == first
    reopened.close()


def test_what_was_so_already_makes_no_record_unless_it_has_a_key(ledger: Ledger) -> None:
    """With a key the answer stays, even when the same would not be so any more."""
    event = RecordEvents(stream="chat", events=(EventInput(content="a", external_key="1"),))
    first = ledger.write(event)
    assert ledger.write(event) == first
    kept = ledger.write(event, key="k")
    assert (kept.position, kept.ids) == (2, first.ids)
    ledger.write(EraseItem(id=first.ids[0]))
    assert ledger.write(event, key="k") == kept
    assert ledger.write(event).ids != first.ids


def test_a_correction_is_a_new_version(ledger: Ledger) -> None:
    """The identity stays, the version rises, null takes away, and the vector stays with unchanged text."""
    vector = Embedding(model="m", vector=(1.0, 0.0))
    (id_,) = ledger.write(Remember(text="tea", category="taste", importance=0.5, embedding=vector)).ids
    ledger.write(ReviseItem(id=id_, set={"importance": 0.9, "category": None}, if_version=1, reason="she said so"))
    item = ledger.index.item(id_)
    assert item
    assert (item.version, item.root, item.dense, dict(item.properties)) == (2, 1, 2, {"text": "tea", "importance": 0.9})
    assert ledger.refused(ReviseItem(id=id_, set={"text": "x"}, if_version=1)) == [("VERSION_CHANGED", "if_version")]
    assert ledger.refused(ReviseItem(id=id_, set={"importance": 0.9})) == [("NOTHING_TO_CHANGE", "set")]


def test_superseding_retires_one_identity_for_another(ledger: Ledger) -> None:
    """What was superseded can be looked up and linked to as a source, but no longer changed."""
    old, new = (ledger.write(Remember(text=text)).ids[0] for text in ("tea", "coffee"))
    ledger.write(SupersedeItem(id=old, by=new, reason="she changed her mind"))
    item = ledger.index.item(old)
    assert item
    assert item.retired
    assert ledger.refused(ReviseItem(id=old, set={"text": "x"})) == [("RETIRED", "id")]
    assert ledger.refused(SupersedeItem(id=old, by=new)) == [("RETIRED", "id")]
    assert ledger.refused(SupersedeItem(id=new, by=new)) == [("ITSELF", "by")]
    ledger.write(Relate(source=new, kind="DERIVED_FROM", target=old))
    assert ledger.refused(Relate(source=new, kind="ABOUT", target=old)) == [("RETIRED", "target")]


def test_erasure_takes_the_content_out_of_every_version(ledger: Ledger) -> None:
    """The secret is in no file of the tenant afterwards; that there was an item stays known."""
    secret = "xyzzy-plugh"
    (id_,) = ledger.write(Remember(text=f"the word is {secret}", external_key=f"key-{secret}")).ids
    ledger.write(ReviseItem(id=id_, set={"text": f"the word was {secret}"}, reason=f"{secret} is old"))
    ledger.write(EraseItem(id=id_, reason="asked to"))
    item = ledger.index.item(id_)
    assert item
    assert (item.erased, item.version, dict(item.properties)) == (True, 2, {})
    for path in ledger.directory.iterdir():
        assert secret.encode() not in path.read_bytes(), path.name
    assert ledger.refused(EraseItem(id=id_)) == [("ERASED", "id")]
    assert ledger.refused(ReviseItem(id=id_, set={"text": "x"})) == [("ERASED", "id")]
    ledger.reopened().close()


def test_an_item_is_erased_in_the_group_that_made_it(ledger: Ledger) -> None:
    """Erasure reaches records that are not yet committed."""
    made = ledger.write(Remember(text="first"))
    waiting = [
        ledger.committer.enqueue(Waiting(Asked(command, ME)))
        for command in (ReviseItem(id=made.ids[0], set={"text": "plugh"}), EraseItem(id=made.ids[0]))
    ]
    ledger.committer.commit_group()
    assert all(not isinstance(one.answer, Refusal) for one in waiting)
    ledger.journal.scrub()
    for path in ledger.directory.iterdir():
        assert b"plugh" not in path.read_bytes()
        assert b"first" not in path.read_bytes()


def test_an_author_is_gone_with_the_last_item_that_has_the_name(ledger: Ledger) -> None:
    """Erasure takes a name out of the index as well, unless others still have it; its number is never another's."""
    events = tuple(EventInput(content=f"hello {author}", author=author) for author in ("Xyzzy", "Plugh", "Plugh"))
    ids = ledger.write(RecordEvents(stream="chat", events=events)).ids
    codes = ledger.columns.codes
    assert ledger.columns.column("author").tolist() == [0, 0, codes["Xyzzy"], codes["Plugh"], codes["Plugh"]]
    for id_ in ids[:2]:
        ledger.write(EraseItem(id=id_))
    assert ledger.columns.column("author").tolist() == [0, 0, 0, 0, codes["Plugh"]]
    assert "Xyzzy" not in ledger.columns.codes
    for path in ledger.directory.iterdir():
        assert b"Xyzzy" not in path.read_bytes(), path.name
        assert path.name.endswith(("-wal", "-shm", ".head")) or b"Plugh" in path.read_bytes(), path.name
    ledger.write(RecordEvents(stream="chat", events=(EventInput(content="hello", author="Bo"),)))
    assert ledger.columns.codes["Bo"] not in codes.values()
    assert ledger.columns.code("Bo") == ledger.columns.column("author")[-1]
    reopened = ledger.reopened()
    assert reopened.columns.codes == ledger.columns.codes
    assert reopened.columns.column("author").tolist() == ledger.columns.column("author").tolist()
    reopened.close()


def test_an_erased_event_takes_the_memory_that_quotes_it_along(ledger: Ledger) -> None:
    """What is under the event's id as its key says the same words; nothing new is made from the event either."""
    (event,) = ledger.write(said("the word is plugh")).ids
    link = Link(kind="DERIVED_FROM", target=event)
    (memory,) = ledger.write(Remember(text="the word is plugh", external_key=event, links=(link,))).ids
    assert ledger.write(EraseItem(id=event, reason="asked to")).ids == (event, memory)
    for id_ in (event, memory):
        assert (item := ledger.index.item(id_))
        assert (item.erased, item.retired) == (True, True)
    assert ledger.refused(Remember(text="it was plugh", links=(link,))) == [("ERASED", "links[0].target")]
    for path in ledger.directory.iterdir():
        assert b"plugh" not in path.read_bytes(), path.name


def test_a_link_may_name_its_end_by_the_key_it_is_known_by_outside(ledger: Ledger) -> None:
    """Among the items of the new one's owner, also one that waits in the same group; in one way or the other."""
    by_key = Link(kind="FOLLOWS", external_key="first")
    group = [
        Remember(text="one", external_key="first"),
        Remember(text="two", links=(by_key,)),
        NameEntity(name="Ada", external_key="first"),
        Remember(text="three", links=(Link(kind="MENTIONS", external_key="first", of="Entity"),)),
    ]
    waiting = [ledger.committer.enqueue(Waiting(Asked(command, ME))) for command in group]
    ledger.committer.commit_group()
    assert [one.answer.ids[0][:4] for one in waiting if isinstance(one.answer, Receipt)] == [
        "mem_", "mem_", "ent_", "mem_",
    ]  # fmt: skip
    rows = ledger.index.relations([1, 2])
    assert [(row.kind, row.source, row.target) for row in rows.values()] == [("FOLLOWS", 2, 1), ("MENTIONS", 4, 3)]
    assert ledger.refused(Remember(text="x", links=(by_key,)), OTHER) == [("NOT_FOUND", "links[0].external_key")]
    for wrong, found in (
        (Link(kind="ABOUT"), ("ONE_OF_TWO", "links[0].target")),
        (Link(kind="ABOUT", target="mem_x", external_key="first"), ("ONE_OF_TWO", "links[0].target")),
        (Link(kind="ABOUT", external_key="first", of="Event"), ("BY_ID", "links[0].of")),
        (Link(kind="ABOUT", external_key="first", of="Goal"), ("NOT_FOUND", "links[0].external_key")),
    ):
        assert ledger.refused(Remember(text="x", links=(wrong,))) == [found]


def test_a_memory_stands_in_the_stream_of_the_event_that_it_came_from(ledger: Ledger) -> None:
    """Through all its versions; one that comes from several streams stands in none."""
    here, there = (ledger.write(said("tea", stream=stream)).ids[0] for stream in ("here", "there"))
    (one,) = ledger.write(Remember(text="tea", links=(Link(kind="DERIVED_FROM", target=here),))).ids
    both = tuple(Link(kind="DERIVED_FROM", target=target) for target in (here, there))
    ledger.write(Remember(text="tea twice", links=both))
    ledger.write(ReviseItem(id=one, set={"text": "green tea"}))
    assert ledger.columns.column("stream").tolist() == [0, 0, 1, 0, 3, 1, 0, 1]


def test_an_embedding_is_no_part_of_what_is_asked(ledger: Ledger) -> None:
    """The same text, embedded once more by another machine, is the same request."""
    vectors = [Embedding(model="m", vector=(1.0, tail)) for tail in (0.5, 0.5000001)]
    receipts = [ledger.write(Remember(text="tea", embedding=vector), key="k") for vector in vectors]
    assert receipts[0] == receipts[1]
    assert ledger.refused(Remember(text="coffee", embedding=vectors[0]), key="k") == [("KEY_REUSED", "idempotency_key")]


def test_cycles_are_refused_where_they_mean_nothing(ledger: Ledger) -> None:
    """Also within one group of commands, before anything of it is in memory."""
    a, b, c = (ledger.write(AddTask(title=title)).ids[0] for title in "abc")
    ledger.write(Relate(source=a, kind="DEPENDS_ON", target=b))
    ledger.write(Relate(source=b, kind="DEPENDS_ON", target=c))
    assert ledger.refused(Relate(source=c, kind="DEPENDS_ON", target=a)) == [("CYCLE", "target")]
    assert ledger.refused(Relate(source=a, kind="DEPENDS_ON", target=a)) == [("CYCLE", "target")]
    ledger.write(Relate(source=c, kind="SIMILAR_TO", target=a))


def test_a_cycle_inside_a_group_is_refused(ledger: Ledger) -> None:
    a, b = (ledger.write(AddTask(title=title)).ids[0] for title in "ab")
    waiting = [
        ledger.committer.enqueue(Waiting(Asked(Relate(source=x, kind="DEPENDS_ON", target=y), ME)))
        for x, y in ((a, b), (b, a))
    ]
    ledger.committer.commit_group()
    assert [isinstance(one.answer, Refusal) for one in waiting] == [False, True]


def test_what_one_may_not_see_is_not_there(ledger: Ledger) -> None:
    """The same words as for what does not exist; what is the organization's is everyone's."""
    (mine,) = ledger.write(Remember(text="tea")).ids
    (ours,) = ledger.write(Remember(text="tea", domain="organization")).ids
    for command in (ReviseItem(id=mine, set={"text": "x"}), RetireItem(id=mine), EraseItem(id=mine)):
        assert ledger.refused(command, OTHER) == [("NOT_FOUND", "id")]
    assert ledger.refused(Remember(text="x", owner="usr_me"), OTHER) == [("NOT_FOUND", "owner")]
    assert ledger.refused(Relate(source=ours, kind="ABOUT", target=mine), OTHER) == [("NOT_FOUND", "target")]
    (relation,) = ledger.write(Relate(source=ours, kind="ABOUT", target=mine)).ids
    assert ledger.refused(ReviseRelation(id=relation, weight=2.0), OTHER) == [("NOT_FOUND", "id")]
    ledger.write(ReviseItem(id=ours, set={"text": "coffee"}), OTHER)
    ledger.write(ReviseItem(id=mine, set={"text": "x"}), Principal("usr_root", admin=True))


def test_relations_are_versioned(ledger: Ledger) -> None:
    a, b = (ledger.write(NameEntity(name=name)).ids[0] for name in "ab")
    (id_,) = ledger.write(Relate(source=a, kind="ABOUT", target=b, weight=0.5)).ids
    ledger.write(ReviseRelation(id=id_, weight=0.75, if_version=1))
    relation = ledger.index.relation(id_)
    assert relation
    assert (relation.version, relation.weight, relation.row, relation.root) == (2, 0.75, 2, 1)
    assert ledger.refused(ReviseRelation(id=id_, weight=0.75)) == [("NOTHING_TO_CHANGE", "")]
    ledger.write(RetireRelation(id=id_))
    assert ledger.refused(RetireRelation(id=id_)) == [("RETIRED", "id")]


def test_a_kind_of_ones_own(ledger: Ledger) -> None:
    """Declared with typed properties, it is written and checked like a built-in one."""
    properties = (PropertyInput(name="title", type="string"), PropertyInput(name="year", type="integer"))
    paper = DeclareKind(name="Paper", text="title", properties=properties)
    ledger.write(paper)
    assert ledger.refused(paper) == [("PREFIX_TAKEN", "prefix")]
    (id_,) = ledger.write(AddItem(kind="Paper", properties={"title": "On memory", "year": 1885})).ids
    assert id_.startswith("paper_")
    assert ledger.refused(AddItem(kind="Paper", properties={"yaer": 1})) == [("UNKNOWN_PROPERTY", "properties.yaer")]
    assert ledger.refused(AddItem(kind="Paper", properties={"year": "x"})) == [("INVALID_TYPE", "properties.year")]
    assert ledger.refused(AddItem(kind="Papier")) == [("UNKNOWN_KIND", "kind")]
    ledger.write(DeclareProperty(kind="Paper", name="doi", type="string"))
    ledger.write(ReviseItem(id=id_, set={"doi": "10.1/1"}))
    assert ledger.refused(DeclareProperty(kind="Paper", name="doi", type="float")) == [("PROPERTY_EXISTS", "type")]
    ledger.write(DeclareRelationKind(name="CITES", properties=(PropertyInput(name="page", type="integer"),)))
    ledger.write(Relate(source=id_, kind="CITES", target=id_, properties={"page": 7}))
    ledger.write(DeclareLabel(label="Seminal"))
    ledger.write(ReviseItem(id=id_, labels=("Seminal",)))


def test_an_open_catalog_takes_names_nobody_declared(ledger: Ledger) -> None:
    item = AddItem(kind="Thing", labels=("A", "b"), properties={"x": [1, "a"]})
    assert ledger.refused(item) == [("UNKNOWN_KIND", "kind")]
    ledger.write(SetCatalog(open=True))
    (id_,) = ledger.write(item).ids
    ledger.write(Relate(source=id_, kind="knows", target=id_))
    ledger.write(SetCatalog(open=False))
    assert ledger.refused(item) == [("UNKNOWN_KIND", "kind")]


def test_state_is_folded_and_not_versioned(ledger: Ledger) -> None:
    (id_,) = ledger.write(Remember(text="tea")).ids
    for _ in range(2):
        ledger.write(FoldState(items=(StateInput(id=id_, set={"activation": 0.5}, add={"access_count": 2}),)))
    assert ledger.columns.state == {"activation": {1: 0.5}, "access_count": {1: 4.0}}
    item = ledger.index.item(id_)
    assert item
    assert item.version == 1
    assert ledger.reopened().columns.state == {"activation": {1: 0.5}, "access_count": {1: 4.0}}


BAD: list[tuple[Command, list[tuple[str, str]]]] = [
    (RecordEvents(stream="s", events=()), [("EMPTY", "events")]),
    (said(""), [("EMPTY", "events[0].content")]),
    (said("ok", " \n"), [("EMPTY", "events[1].content")]),
    (said("nul\x00"), [("BAD_CHARACTER", "events[0].content")]),
    (said("half \ud800"), [("BAD_CHARACTER", "events[0].content")]),
    (said("x", stream=""), [("EMPTY", "stream")]),
    (said("x", stream="two\nlines"), [("BAD_CHARACTER", "stream")]),
    (said("x", stream="str_01ARZ3NDEKTSV4RRFFQ69G5FAV"), [("NOT_FOUND", "stream")]),
    (said("x" * 100_001), [("LIMIT_EXCEEDED", "events[0].content")]),
    (said("x", stream="s" * 201), [("LIMIT_EXCEEDED", "stream")]),
    (said(*["x"] * 1_001), [("LIMIT_EXCEEDED", "events")]),
    (
        RecordEvents(stream="s", events=(EventInput(content="x", importance=2.0, reply_to="?", role=""),)),
        [("EMPTY", "events[0].role"), ("OUT_OF_RANGE", "events[0].importance"), ("NOT_FOUND", "events[0].reply_to")],
    ),
    (
        RecordEvents(stream="s", events=(EventInput(content="x", metadata={"a": object()}),)),
        [("INVALID_TYPE", "events[0].metadata.a")],
    ),
    (Remember(text="x", confidence=float("nan")), [("INVALID_TYPE", "confidence")]),
    (Remember(text="x", properties={"text": "y"}), [("GIVEN_TWICE", "properties.text")]),
    (Remember(text="x", properties={"owner": "y"}), [("RESERVED_NAME", "properties.owner")]),
    (Remember(text="x", properties={"colour": "y"}), [("UNKNOWN_PROPERTY", "properties.colour")]),
    (Remember(text="x", labels=("Nope",)), [("UNKNOWN_LABEL", "labels[0]")]),
    (Remember(text="x", tags=("", "ok")), [("EMPTY", "tags[0]")]),
    (Remember(text="x", valid_from=NOON, valid_to=NOON), [("BAD_TIME", "valid_to")]),
    (Remember(text="x", embedding=Embedding(model="m", vector=(0.0, 0.0))), [("BAD_VECTOR", "embedding.vector")]),
    (Remember(text="x", embedding=Embedding(model="m", vector=b"abc")), [("BAD_VECTOR", "embedding.vector")]),
    (
        Remember(text="x", embedding=Embedding(model="m", vector=(1.0,) * 8_193)),
        [("LIMIT_EXCEEDED", "embedding.vector")],
    ),
    (Remember(text="x", links=(Link(kind="ABUOT", target="?"),)), [("UNKNOWN_RELATION", "links[0].kind")]),
    (Remember(text="x", links=(Link(kind="ABOUT", target="mem_?"),)), [("NOT_FOUND", "links[0].target")]),
    (DeriveInsight(text=""), [("EMPTY", "text")]),
    (SetGoal(title="x", status="opne"), [("INVALID_VALUE", "status")]),
    (SetGoal(title="x", progress=1.5), [("OUT_OF_RANGE", "progress")]),
    (SetGoal(title="x", priority=2**63), [("INVALID_TYPE", "priority")]),
    (AddTask(title="x", depends_on=("task_?",)), [("NOT_FOUND", "depends_on[0]")]),
    (AddItem(kind="Event"), [("OWN_COMMAND", "kind")]),
    (ReviseItem(id="mem_?"), [("NOT_FOUND", "id")]),
    (Relate(source="a", kind="ABOUT", target="b"), [("NOT_FOUND", "source")]),
    (Relate(source="a", kind="ABOUT", target="b", weight=float("inf")), [("OUT_OF_RANGE", "weight")]),
    (RetireRelation(id="rel_?"), [("NOT_FOUND", "id")]),
    (OpenStream(name=""), [("EMPTY", "name")]),
    (DeclareKind(name="paper"), [("BAD_NAME", "name")]),
    (DeclareKind(name="Rel"), [("PREFIX_TAKEN", "prefix")]),
    (
        DeclareKind(name="Paper", text="x", properties=(PropertyInput(name="id", type="strin"),)),
        [("RESERVED_NAME", "properties[0].name"), ("UNKNOWN_TYPE", "properties[0].type"), ("UNKNOWN_PROPERTY", "text")],
    ),
    (DeclareRelationKind(name="cites"), [("BAD_NAME", "name")]),
    (DeclareProperty(kind="Memroy", name="x", type="string"), [("UNKNOWN_KIND", "kind")]),
    (FoldState(items=()), [("EMPTY", "items")]),
    (FoldState(items=(StateInput(id="mem_?"),)), [("NOT_FOUND", "items[0].id")]),
]


@pytest.mark.parametrize(("command", "problems"), BAD, ids=lambda value: type(value).__name__)
def test_bad_input_is_refused_with_its_place(ledger: Ledger, command: Command, problems: list[tuple[str, str]]) -> None:
    """And nothing of it is written."""
    assert ledger.refused(command) == problems
    assert ledger.journal.position == 0


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("Rember", {}, [("UNKNOWN_COMMAND", "command")]),
        ("Remember", {}, [("MISSING", "text")]),
        ("Remember", {"text": 1}, [("INVALID_TYPE", "text")]),
        ("Remember", {"text": "x", "txet": "y"}, [("UNKNOWN_FIELD", "txet")]),
        ("Remember", {"text": "x", "valid_from": "soon"}, [("INVALID_VALUE", "valid_from")]),
        ("Remember", {"text": "x", "domain": "world"}, [("INVALID_VALUE", "domain")]),
        ("RecordEvents", {"stream": "s", "events": [{"content": None}]}, [("INVALID_TYPE", "events[0].content")]),
        ("RecordEvents", {"stream": "s", "events": "x"}, [("INVALID_TYPE", "events")]),
        ("RecordEvents", [], [("INVALID_TYPE", "")]),
        ("RecordEvents", b"{", [("INVALID_TYPE", "")]),
    ],
)
def test_what_has_not_the_shape_of_a_command_is_refused(
    name: str, body: object, expected: list[tuple[str, str]]
) -> None:
    refusal = parse(name, body)
    assert isinstance(refusal, Refusal)
    assert [(problem.code, problem.place) for problem in refusal.problems] == expected
    assert all("pydantic" not in problem.message for problem in refusal.problems)


def test_one_bad_command_in_a_group_touches_no_other(ledger: Ledger) -> None:
    commands = [said("a"), said(""), said("b"), ReviseItem(id="mem_?"), said("c")]
    waiting = [ledger.committer.enqueue(Waiting(Asked(command, ME))) for command in commands]
    ledger.committer.commit_group()
    assert [isinstance(one.answer, Refusal) for one in waiting] == [False, True, False, True, False]
    assert ledger.journal.position == 3


def test_a_full_queue_is_an_answer(open_ledger: Callable[..., Ledger]) -> None:
    ledger = open_ledger(Limits(waiting_commands=1))
    first, second = (ledger.committer.enqueue(Waiting(Asked(said("a"), ME))) for _ in range(2))
    assert first.answer is None
    assert isinstance(second.answer, Refusal)
    ledger.committer.commit_group()
    assert first.answer is not None
    ledger.close()


def test_a_mistake_of_ours_is_seen_by_its_command_alone(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected failure undoes the group; the others are then committed each on its own."""

    def failing(view: View, asked: Asked) -> Decision | Refusal:
        if asked.command == said("boom"):
            raise ZeroDivisionError
        return decide(view, asked)

    monkeypatch.setattr("engine.committer.decide", failing)
    waiting = [ledger.committer.enqueue(Waiting(Asked(said(word), ME))) for word in ("a", "boom", "b")]
    ledger.committer.commit_group()
    assert [type(one.failure) for one in waiting] == [type(None), ZeroDivisionError, type(None)]
    assert ledger.journal.position == 2
