"""Statements of several steps: what they lead to together, and that a step which is refused leaves nothing."""

from collections.abc import Callable

from engine.commands import (
    Asked,
    Command,
    Curate,
    EraseItem,
    Link,
    MeetEntity,
    NameEntity,
    Principal,
    Relate,
    Remember,
    RetireItem,
    RetireRelation,
    ReviseItem,
    ReviseRelation,
    SupersedeItem,
)
from engine.decide import Decision
from engine.events import Curated, ItemRecorded, RelationRecorded
from engine.limits import Limits
from engine.records import Receipt, unseal
from tests.engine.conftest import ME, Ledger

OTHER = Principal("usr_other")


def statement(ledger: Ledger, *steps: Command, read: tuple[str, ...] = (), at: int | None = None) -> Curate:
    """A statement that was decided on what is there now, or on what was there at that position."""
    position = ledger.journal.position if at is None else at
    last = ledger.columns.count - 1
    return Curate(statement="…", read_at=position, last_dense=last, read=read, steps=steps)


def events(ledger: Ledger, position: int) -> list[object]:
    record = unseal(ledger.journal.read(position - 1, 1)[0])
    return list(record.events)  # type: ignore[union-attr]


def test_later_steps_see_earlier_ones(ledger: Ledger) -> None:
    """One record holds all of it, and says which statement it is of."""
    old = ledger.write(Remember(text="tea")).ids[0]
    position = ledger.journal.position
    receipt = ledger.write(
        statement(
            ledger,
            Remember(text="coffee", reason="said so", links=(Link(kind="DERIVED_FROM", target=old),)),
            MeetEntity(entity=NameEntity(name="Ada")),
            Relate(source="@0", kind="ABOUT", target="@1", weight=0.5),
            ReviseRelation(id="@2", weight=0.7),
            SupersedeItem(id=old, by="@0", reason="changed"),
        )
    )
    new, entity, relation = receipt.ids[:3]
    assert receipt.position == position + 1
    assert ledger.journal.position == position + 1
    found, superseded = ledger.index.item(new), ledger.index.item(old)
    assert found is not None
    assert found.properties == {"text": "coffee"}
    assert superseded is not None
    assert superseded.retired
    made = ledger.index.relation(relation)
    named = ledger.index.item(entity)
    assert made is not None
    assert named is not None
    assert (made.version, made.weight, made.source, made.target) == (2, 0.7, found.root, named.root)
    said, first, *_ = events(ledger, receipt.position)
    assert said == Curated(position, "…")
    assert isinstance(first, ItemRecorded)
    assert first.reason == "said so"
    reasons = [e.reason for e in events(ledger, receipt.position) if isinstance(e, RelationRecorded)]
    assert reasons == ["said so", "", "", "changed"]


def test_a_refused_step_leaves_nothing(ledger: Ledger) -> None:
    """Neither what came before it nor a position; and the place says which step it was."""
    kept = ledger.write(Remember(text="tea")).ids[0]
    position = ledger.journal.position
    asked = statement(ledger, Remember(text="coffee"), ReviseItem(id=kept, set={"text": "x"}), RetireItem(id="mem_no"))
    assert ledger.refused(asked) == [("NOT_FOUND", "steps[2].id")]
    assert ledger.journal.position == position
    item = ledger.index.item(kept)
    assert item is not None
    assert item.version == 1
    assert ledger.columns.count == 2


def test_what_was_read_must_still_be_so(ledger: Ledger) -> None:
    """An item or a relation that was changed or retired meanwhile refuses all of it."""
    one, two = (ledger.write(Remember(text=text)).ids[0] for text in ("tea", "coffee"))
    relation = ledger.write(Relate(source=one, kind="SUPPORTS", target=two)).ids[0]
    read_at = ledger.journal.position
    new = Remember(text="milk")
    ledger.write(ReviseItem(id=one, set={"text": "green tea"}))
    assert ledger.refused(statement(ledger, new, read=(one,), at=read_at)) == [("CHANGED", "")]
    ledger.write(RetireItem(id=two))
    assert ledger.refused(statement(ledger, new, read=(two,), at=read_at)) == [("CHANGED", "")]
    ledger.write(RetireRelation(id=relation, reason="no more"))
    assert ledger.refused(statement(ledger, new, read=(relation,), at=read_at)) == [("CHANGED", "")]
    assert ledger.write(statement(ledger, new, read=(one, two, relation))).position == ledger.journal.position


def test_nothing_to_change_is_no_record(ledger: Ledger) -> None:
    """A step that says what is so already is no mistake; where all steps are such, nothing is written."""
    one = ledger.write(Remember(text="tea")).ids[0]
    position = ledger.journal.position
    receipt = ledger.write(statement(ledger, ReviseItem(id=one, set={"text": "tea"})))
    assert (receipt.position, receipt.ids) == (position, (one,))
    assert ledger.journal.position == position
    both = ledger.write(statement(ledger, ReviseItem(id=one, set={"text": "tea"}), Remember(text="x")))
    assert both.position == position + 1


def test_an_entity_is_met_by_its_name(ledger: Ledger) -> None:
    """The one that was read; else the owner's, else the organization's, also where it was named meanwhile; else a new
    one, once for all steps."""
    read_at, last = ledger.journal.position, ledger.columns.count - 1
    ada = MeetEntity(entity=NameEntity(name="Ada", category="person"))
    first = ledger.write(Curate(statement="1", read_at=read_at, last_dense=last, read=(), steps=(ada, ada)))
    assert first.ids[0] == first.ids[1]
    again = ledger.write(Curate(statement="2", read_at=read_at, last_dense=last, read=(), steps=(ada,)))
    assert again.ids[0] == first.ids[0]
    assert again.position == first.position, "nothing new was said of her"
    more = MeetEntity(entity=NameEntity(name="Ada", aliases=("the guest",)), found=first.ids[0])
    told = ledger.write(statement(ledger, more))
    found = ledger.index.item(told.ids[0])
    assert found is not None
    assert found.properties == {"name": "Ada", "category": "person", "aliases": ["the guest"]}
    shared = ledger.write(NameEntity(name="Bo", domain="organization"), by=OTHER).ids[0]
    bo = NameEntity(name="Bo")
    met = Curate(statement="3", read_at=read_at, last_dense=last, read=(), steps=(MeetEntity(entity=bo),))
    assert ledger.write(met).ids == (shared,)
    own = Curate(statement="4", read_at=read_at, last_dense=last, read=(), steps=(MeetEntity(entity=bo, shared=False),))
    assert ledger.write(own).ids != (shared,)
    private = ledger.write(NameEntity(name="Cy"), by=OTHER).ids[0]
    cy = Curate(statement="5", read_at=0, last_dense=0, read=(), steps=(MeetEntity(entity=NameEntity(name="Cy")),))
    assert ledger.write(cy).ids != (private,)


def test_what_ends_is_ended_last(ledger: Ledger) -> None:
    """So that a statement can join what it supersedes, whatever the order of its verbs."""
    old, new = (ledger.write(Remember(text=text)).ids[0] for text in ("tea", "coffee"))
    ending, joining = SupersedeItem(id=old, by=new), Relate(source=new, kind="SUPPORTS", target=old)
    receipt = ledger.write(statement(ledger, ending, joining))
    item = ledger.index.item(old)
    assert item is not None
    assert item.retired
    assert receipt.ids[0] == old
    assert receipt.ids[1].startswith("rel_")
    assert ledger.refused(joining) == [("RETIRED", "target")]


def test_others_are_not_to_be_changed(ledger: Ledger) -> None:
    """The commands' own checks hold for each step: what is not seen is not found."""
    hidden = ledger.write(Remember(text="secret"), by=OTHER).ids[0]
    position = ledger.journal.position
    for step in (RetireItem(id=hidden), ReviseItem(id=hidden, set={"text": "x"}), SupersedeItem(id=hidden, by=hidden)):
        assert ledger.refused(statement(ledger, step)) == [("NOT_FOUND", "steps[0].id")]
    owned = Remember(text="x", owner="usr_other")
    assert ledger.refused(statement(ledger, owned)) == [("NOT_FOUND", "steps[0].owner")]
    assert ledger.journal.position == position


def test_external_keys_are_taken_by_earlier_steps(ledger: Ledger) -> None:
    """Within one statement as between two."""
    twice = Remember(text="x", external_key="k")
    assert ledger.refused(statement(ledger, twice, twice)) == [("EXTERNAL_KEY_TAKEN", "steps[1].external_key")]


def test_cycles_are_found_among_steps(ledger: Ledger) -> None:
    """Relations of earlier steps count, those that they retired do not."""
    one, two = (ledger.write(Remember(text=text)).ids[0] for text in ("a", "b"))
    forth, back = Relate(source=one, kind="PART_OF", target=two), Relate(source=two, kind="PART_OF", target=one)
    assert ledger.refused(statement(ledger, forth, back)) == [("CYCLE", "steps[1].target")]
    ledger.write(statement(ledger, forth, RetireRelation(id="@0"), back))
    backwards = ledger.index.item(two)
    assert backwards is not None
    assert ledger.adjacency.live("PART_OF", backwards.root)
    assert ledger.refused(statement(ledger, forth)) == [("CYCLE", "steps[0].target")]


def test_a_statement_may_hold_so_many_steps(open_ledger: Callable[..., Ledger]) -> None:
    """The limit has a name."""
    ledger = open_ledger(Limits(curated_steps=2))
    asked = statement(ledger, *[Remember(text="x")] * 3)
    assert ledger.refused(asked) == [("LIMIT_EXCEEDED", "")]
    ledger.close()


def test_the_same_statement_is_the_same_request(ledger: Ledger) -> None:
    """Under one key, whatever it reads the second time."""
    asked = Curate(statement="q", parameters="{}", read_at=0, last_dense=0, read=(), steps=(Remember(text="x"),))
    first = ledger.write(asked, key="k")
    again = ledger.write(asked.model_copy(update={"steps": (), "read_at": 7}), key="k")
    assert again == first
    assert again.repeated
    other = asked.model_copy(update={"parameters": '{"a":1}'})
    assert ledger.refused(other, key="k") == [("KEY_REUSED", "idempotency_key")]


def test_considering_writes_nothing(ledger: Ledger) -> None:
    """What would happen is told, and nothing has happened."""
    asked = statement(ledger, Remember(text="x"))
    considered = ledger.committer.considered(Asked(asked, ME))
    assert isinstance(considered, Decision)
    assert len(considered.events) == 2
    assert ledger.journal.position == 0
    assert isinstance(ledger.ask(asked), Receipt)


def test_erasing_takes_the_statement_along(ledger: Ledger) -> None:
    """A statement may quote what it wrote; it goes with it, and the journal is whole after that."""
    asked = Curate(statement="REMEMBER 'secret'", read_at=0, last_dense=0, read=(), steps=(Remember(text="secret"),))
    receipt = ledger.write(asked)
    ledger.write(EraseItem(id=receipt.ids[0]))
    sealed = ledger.journal.read(receipt.position - 1, 1)[0]
    assert b"secret" not in sealed.frames + sealed.header
    assert events(ledger, receipt.position)[0] == Curated(0, "")
    reopened = ledger.reopened()
    assert reopened.index.item(receipt.ids[0]) is not None
    reopened.close()
