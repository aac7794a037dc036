"""From events to memories: what each becomes, how they are linked, who waits for it, and what gets in the way."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.clock import SystemClock
from engine.commands import (
    Command,
    Domain,
    EraseItem,
    EventInput,
    Link,
    NameEntity,
    Principal,
    RecordEvents,
    Remember,
    RetireItem,
    ReviseItem,
    SupersedeItem,
)
from engine.decide.view import ItemState
from engine.embed import Embedder
from engine.lifecycle.noise import Noise
from engine.limits import Limits
from engine.reader import Reader
from engine.records import Receipt
from engine.recovery import verify
from engine.tenant import Tenant
from engine.tenants import Tenants
from memql.errors import Refusal, invalid
from memql.values import micros
from tests.engine import kill_consolidation
from tests.engine.embedders import OUT, WordHashes

ADA, BO, CLERK = Principal("usr_ada"), Principal("usr_bo"), Principal("agt_clerk", owners=frozenset({"usr_ada"}))
ADMIN = Principal("root", admin=True)
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


class Picky(WordHashes):
    """Refuses one text for good, and breaks down at another."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | Refusal:
        if any("unheard" in text for text in texts):
            return invalid("NOT_TEXT", "this cannot be embedded")
        if any("poison" in text for text in texts):
            raise RuntimeError
        return super().embed(texts)


class World:
    """A tenant in which events become memories, and a look at what came of them."""

    def __init__(self, directory: Path, embedder: Embedder | None, **limits: Any) -> None:
        bounds = {"consolidation_gather_ms": 0, "text_commit_ms": 0, "graph_gather_ms": 0, "wait_ms": 20_000} | limits
        self.directory, self.embedder, self.limits = directory, embedder, Limits(**bounds)
        self.tenant = self.opened()

    def opened(self, *, consolidate: bool = True) -> Tenant:
        opened = Tenant.open(
            "t", self.directory, clock=SystemClock(), limits=self.limits, embedder=self.embedder,
            consolidate=consolidate,
        )  # fmt: skip
        assert isinstance(opened, Tenant), opened
        return opened

    def reopen(self, *, consolidate: bool = True) -> None:
        self.tenant.close()
        self.tenant = self.opened(consolidate=consolidate)

    def write(self, command: Command, by: Principal = ADA) -> str:
        """The first id of what must succeed."""
        answer = self.tenant.write_now(command, by)
        assert isinstance(answer, Receipt), answer
        return answer.ids[0]

    def say(self, *contents: str, by: Principal = ADA, stream: str = "s", domain: Domain = "user") -> list[str]:
        events = tuple(EventInput(content=content) for content in contents)
        answer = self.tenant.write_now(RecordEvents(stream=stream, domain=domain, events=events), by)
        assert isinstance(answer, Receipt), answer
        return list(answer.ids)

    def read(self, ask: Callable[[Reader], Any], by: Principal = ADMIN) -> Any:
        """What is read when all events have had their turn."""
        found = self.tenant.read_now(ask, by, consolidated=True)
        assert not isinstance(found, Refusal), found
        return found

    def of_kind(self, kind: str, by: Principal = ADMIN) -> list[ItemState]:
        found = self.read(lambda reader: reader.page([kind], limit=1_000), by)
        assert isinstance(found, list), found
        return found

    def texts(self, by: Principal = ADMIN) -> list[str]:
        return [str(memory.properties["text"]) for memory in self.of_kind("Memory", by)]

    def links(self, kind: str, by: Principal = ADMIN) -> list[tuple[str, str]]:
        """What relations of a kind join, by texts or names, in the order of their sources."""

        def ask(reader: Reader) -> list[tuple[str, str]]:
            items = reader.page(limit=1_000)
            assert isinstance(items, list)
            steps = reader.expand([item.root for item in items], "out", [kind])
            assert not isinstance(steps, Refusal)
            called = {item.root: _called(item) for item in items}
            return [(called[a], called[b]) for a, b in zip(steps.origins.tolist(), steps.ends.tolist(), strict=True)]

        found: list[tuple[str, str]] = self.read(ask, by)
        return found

    def flags(self) -> dict[str, int]:
        """The noise among the events, by content."""
        events = {item.root: str(item.properties.get("content")) for item in self.of_kind("Event")}
        return {events[root]: int(flag) for root, flag in self.tenant.columns.state.get("noise", {}).items()}


def _called(item: ItemState) -> str:
    told = (item.properties.get(name) for name in ("text", "content", "name"))
    return next((found for found in told if isinstance(found, str)), item.kind)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, WordHashes())
    yield made
    made.tenant.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Worlds with an embedder or limits of the test's own."""
    made: list[World] = []

    def world(embedder: Embedder | None = None, **limits: Any) -> World:
        made.append(World(tmp_path / str(len(made)), embedder, **limits))
        return made[-1]

    yield world
    for each in made:
        each.tenant.close()


# What an event becomes


def test_an_event_becomes_a_memory_that_quotes_it(world: World) -> None:
    """With its author, owner, domain, time and weight, known by the event's id, and leading back to it."""
    event = EventInput(
        content="I moved to Lisbon.", author="Ada Marlowe", role="user", occurred_at=NOON, importance=0.75
    )
    id_ = world.write(RecordEvents(stream="s", domain="agent", events=(event,)))
    (memory,) = world.of_kind("Memory")
    assert dict(memory.properties) == {
        "text": "I moved to Lisbon.", "author": "Ada Marlowe", "importance": 0.75, "external_key": id_,
    }  # fmt: skip
    assert (memory.owner, memory.domain, memory.valid_from) == ("usr_ada", "agent", micros(NOON))
    columns = world.tenant.columns
    assert columns.column("stream")[memory.dense] == 1
    assert columns.names[int(columns.column("author")[memory.dense])] == "Ada Marlowe"
    sources = world.read(lambda reader: reader.sources([memory.root]))
    assert [source.id for source in sources[memory.root]] == [id_]
    assert world.tenant.settled(20)
    assert [dense for dense, _, _ in world.tenant.vectors.dump()] == [memory.dense]


def test_noise_is_flagged_and_stays_an_event(world: World) -> None:
    """No memory is made of it, and those around it follow each other."""
    world.say("The pump was repaired.", "ok", "👍", "It was the valve that leaked.", "Thanks, Bo!")
    world.say("Another stream knows nothing of pumps.", stream="other")
    world.say("The valve came from Porto.")
    flags = world.flags()
    assert flags == {"ok": Noise.PLEASANTRY, "👍": Noise.SYMBOLS, "Thanks, Bo!": Noise.PLEASANTRY}
    assert len(world.of_kind("Event")) == 7
    assert world.links("FOLLOWS") == [
        ("It was the valve that leaked.", "The pump was repaired."),
        ("The valve came from Porto.", "It was the valve that leaked."),
    ]


def test_the_order_is_that_of_recording(world: World) -> None:
    """Also where what is told last happened first."""
    events = (
        EventInput(content="The crane was sold.", occurred_at=NOON),
        EventInput(content="The crane was bought.", occurred_at=NOON.replace(year=2020)),
    )
    world.write(RecordEvents(stream="s", events=events))
    assert world.links("FOLLOWS") == [("The crane was bought.", "The crane was sold.")]


def test_links_are_as_old_as_what_was_said(world: World) -> None:
    """Who asks what was true then sees memories with their relations, though all was recorded later."""
    events = tuple(EventInput(content=f"I met Tom Okafor on quay {n}.", occurred_at=NOON) for n in (1, 2))
    world.write(RecordEvents(stream="s", events=events))
    world.read(lambda reader: None)

    def kinds(reader: Reader) -> set[str]:
        memories = reader.page(["Memory"], limit=10)
        assert isinstance(memories, list)
        steps = reader.expand([memory.root for memory in memories], "out")
        assert not isinstance(steps, Refusal)
        return {relation.kind for relation in reader.relations(steps.rows.tolist())}

    assert world.tenant.read_now(kinds, ADA, valid_at=micros(NOON)) == {
        "DERIVED_FROM", "FOLLOWS", "MENTIONS", "SIMILAR_TO",
    }  # fmt: skip


# Names


def test_memories_mention_what_they_name(world: World) -> None:
    """By pattern, and by the names that are known; each entity once for an owner and domain."""
    world.write(NameEntity(name="tide tables", aliases=("the tables",)))
    world.say("I met Tom Okafor about the tide tables.", "Tom Okafor has The Tables.", "TOM OKAFOR keeps them.")
    world.say("I wrote to Tom Okafor as well.", by=BO)
    assert world.links("MENTIONS") == [
        ("I met Tom Okafor about the tide tables.", "Tom Okafor"),
        ("I met Tom Okafor about the tide tables.", "tide tables"),
        ("Tom Okafor has The Tables.", "Tom Okafor"),
        ("Tom Okafor has The Tables.", "tide tables"),
        ("TOM OKAFOR keeps them.", "Tom Okafor"),
        ("I wrote to Tom Okafor as well.", "Tom Okafor"),
    ]
    named = [(item.owner, item.properties.get("name"), item.properties.get("external_key"))
             for item in world.of_kind("Entity")]  # fmt: skip
    assert named == [
        ("usr_ada", "tide tables", None),
        ("usr_ada", "Tom Okafor", "user/tom okafor"),
        ("usr_bo", "Tom Okafor", "user/tom okafor"),
    ]


def test_who_speaks_is_an_entity(world: World) -> None:
    """A person or an agent, also by first name; who has only a role or a number is nobody in particular."""
    said = [("Ada Marlowe", "user"), ("Watcher", "tool"), ("assistant", "assistant"), ("U0423991", "user")]
    events = tuple(EventInput(content=f"The crane moved {n}", author=a, role=r) for n, (a, r) in enumerate(said))
    world.write(RecordEvents(stream="s", events=(*events, EventInput(content="I asked Ada and Watcher about it"))))
    entities = [
        (item.properties["name"], item.properties.get("category"), item.properties.get("aliases"))
        for item in world.of_kind("Entity")
    ]
    assert entities == [("Ada Marlowe", "person", ["Ada"]), ("Watcher", "agent", None)]
    assert [name for _, name in world.links("MENTIONS")] == ["Ada Marlowe", "Watcher"]


def test_what_people_say_about_entities_holds_from_then_on(world: World) -> None:
    """A new alias is found, a retired name is not made again, and what was superseded means what took its place."""
    world.say("I saw Greta near the mill.", "It was Painting day, with Greta L.")
    entities = {str(item.properties["name"]): item.id for item in world.of_kind("Entity")}
    assert entities.keys() == {"Greta", "Greta L", "Painting"}
    lind = world.write(NameEntity(name="Greta Lind"))
    world.write(ReviseItem(id=lind, set={"aliases": ["the miller"]}))
    world.write(RetireItem(id=entities["Painting"]))
    for name in ("Greta", "Greta L"):
        world.write(SupersedeItem(id=entities[name], by=lind))
    world.say("So Greta likes Painting.", "The miller is away.", "We asked Greta L about Painting.")
    assert [name for text, name in world.links("MENTIONS") if "near" not in text] == ["Greta Lind"] * 3


def test_what_is_the_organizations_has_a_twin_in_each_domain(world: World) -> None:
    """Joined by SAME_AS; within the organization it is one, whoever speaks."""
    kestrel = world.write(NameEntity(name="Kestrel Yard", aliases=("the yard",), domain="organization"), BO)
    world.say("The yard is closed.", stream="board", domain="organization")
    world.say("I walked past the yard.", "And Kestrel Yard was closed.")
    entities = [(item.owner, item.domain, item.id == kestrel) for item in world.of_kind("Entity")]
    assert entities == [("usr_bo", "organization", True), ("usr_ada", "user", False)]
    assert world.links("SAME_AS") == [("Kestrel Yard", "Kestrel Yard")]
    assert world.links("MENTIONS", BO) == [("The yard is closed.", "Kestrel Yard")]
    assert len(world.links("MENTIONS", ADA)) == 3


def test_a_list_of_names_is_cut(make: Callable[..., World]) -> None:
    """No more mentions than the limit, and no entities for the rest."""
    world = make(mentions_per_memory=2)
    world.say("We asked Tom Okafor, Greta Lind, Ines Duarte and Cy Abara.")
    assert [name for _, name in world.links("MENTIONS")] == ["Tom Okafor", "Greta Lind"]
    assert len(world.of_kind("Entity")) == 2


# What is near in meaning


def test_what_says_nearly_the_same_is_similar(make: Callable[..., World]) -> None:
    """To what was said before, with the cosine as weight, at most so many; of equal ones to the newest: no hub."""
    world = make(WordHashes(), similar_relations=2, consolidation_events=3)
    told = "the crane was moved to the old mill"
    world.say(*[f"{told}" for _ in range(6)], "insurance costs forty euros", f"{told} again")

    def similar(reader: Reader) -> list[tuple[int, int, float]]:
        kinds = reader.adjacency.column("kind")
        rows = np.flatnonzero(kinds == reader.scope.columns.codes["SIMILAR_TO"])
        ends = (reader.adjacency.column(name)[rows].tolist() for name in ("source", "target", "weight"))
        return list(zip(*ends, strict=True))

    found = world.read(similar)
    roots = [memory.root for memory in world.of_kind("Memory")]
    places = [(roots.index(source), roots.index(target)) for source, target, _ in found]
    assert places == [(1, 0), (2, 1), (2, 0), (3, 2), (3, 1), (4, 3), (4, 2), (5, 4), (5, 3), (7, 5), (7, 4)]
    assert [weight for _, _, weight in found[:9]] == [1.0] * 9
    assert all(0.7 < weight < 1 for _, _, weight in found[9:])


def test_likeness_stays_within_an_owner_and_domain_or_the_organization(world: World) -> None:
    """Nobody's memory leads to what is another's own; the organization's leads to the organization's alone."""
    told = "the crane was moved to the old mill"
    world.say(f"{told} {ADA.id}")
    world.say(f"{told} {BO.id}", by=BO)
    world.say(f"{told} board", stream="board", domain="organization")
    world.say(f"{told} agent", stream="agent", domain="agent")
    world.say(f"{told} later", by=BO)
    world.say(f"{told} board too", by=BO, stream="board too", domain="organization")
    assert set(world.links("SIMILAR_TO")) == {
        (f"{told} agent", f"{told} board"),
        (f"{told} later", f"{told} {BO.id}"),
        (f"{told} later", f"{told} board"),
        (f"{told} board too", f"{told} board"),
    }


def test_memories_that_people_wrote_are_neighbours_too(world: World) -> None:
    world.write(Remember(text="the crane was moved to the old mill"))
    world.say("the crane was moved to the old mill today")
    assert len(world.links("SIMILAR_TO")) == 1


def test_without_an_embedder_there_is_all_but_likeness(make: Callable[..., World]) -> None:
    world = make(None)
    world.say("I met Tom Okafor.", "I met Tom Okafor.")
    assert world.links("SIMILAR_TO") == []
    assert [len(world.links(kind)) for kind in ("DERIVED_FROM", "FOLLOWS", "MENTIONS")] == [2, 1, 2]


def test_batches_leave_no_trace(tmp_path: Path) -> None:
    """However the events are cut into batches, and whether they come before or while memories are made of them."""
    pictures = []
    for batch in (1, 7, 128):
        kill_consolidation.work(tmp_path / str(batch), 60, batch, WordHashes())
        pictures.append(kill_consolidation.picture(tmp_path / str(batch)))
    assert pictures[0] == pictures[1] == pictures[2]
    assert pictures[0]["relations"]["SIMILAR_TO"] > 0


# Who sees it


def test_who_does_not_see_an_event_sees_nothing_made_of_it(world: World) -> None:
    """Neither its memory, nor its entities, nor relations; who acts for the owner does."""
    world.say("I met Tom Okafor about the crane.", "Tom Okafor sold the crane.")
    world.say("The board met Ines Duarte.", stream="board", domain="organization")
    assert world.texts(BO) == ["The board met Ines Duarte."]
    assert [item.properties["name"] for item in world.of_kind("Entity", BO)] == ["Ines Duarte"]
    assert world.links("FOLLOWS", BO) == []
    assert world.links("MENTIONS", BO) == [("The board met Ines Duarte.", "Ines Duarte")]
    assert len(world.texts(CLERK)) == 3
    assert len(world.links("FOLLOWS", CLERK)) == 1


# Who waits


def test_a_read_can_wait_for_the_memories(world: World) -> None:
    """Of its own write, or of all there is; in the stores too."""
    (event,) = world.say("The lighthouse keeper paints at night.")
    position = world.tenant.position

    def found(reader: Reader) -> list[str]:
        hits = reader.search_text("lighthouse", ["Memory"])
        assert isinstance(hits, list)
        return [str(hit.item.properties["external_key"]) for hit in hits]

    at_least = world.tenant.read_now(found, ADA, needs=["texts"], at_least=position, consolidated=True)
    assert at_least == [event]
    assert world.tenant.read_now(found, ADA, needs=["texts"], consolidated=True) == [event]
    assert world.tenant.consolidated_position >= position


async def test_a_coroutine_can_wait_as_well(world: World) -> None:
    events = (EventInput(content="The lighthouse keeper paints at night."),)
    receipt = await world.tenant.write(RecordEvents(stream="s", events=events), ADA)
    assert isinstance(receipt, Receipt)
    count = await world.tenant.read(
        lambda reader: reader.count("Memory"), ADA, at_least=receipt.position, consolidated=True
    )
    assert count == 1


def test_where_nothing_is_consolidated_nobody_waits(world: World) -> None:
    """It is said at once, and the events wait for the next opening."""
    world.reopen(consolidate=False)
    world.say("The crane was sold.")
    refused = world.tenant.read_now(lambda reader: None, ADA, consolidated=True)
    assert isinstance(refused, Refusal)
    assert refused.problems[0].code == "CONSOLIDATION_OFF"
    assert world.tenant.consolidated_position == 0
    assert [status.name for status in world.tenant.statuses()] == ["graph", "vectors", "texts"]
    world.reopen()
    assert world.texts() == ["The crane was sold."]
    assert world.tenant.statuses()[-1].name == "consolidation"


def test_a_model_that_does_not_answer_is_waited_for(make: Callable[..., World]) -> None:
    """Reads that want its memories are refused in time and told why; when it answers again, all is made up for."""
    embedder = WordHashes()
    world = make(embedder, wait_ms=300)
    embedder.fails = OUT
    world.say("The crane was sold.", "ok")
    refused = world.tenant.read_now(lambda reader: None, ADA, consolidated=True)
    assert isinstance(refused, Refusal)
    assert refused.problems[0].code == "CONSOLIDATION_WAITS"
    assert "the model does not answer" in refused.problems[0].message
    status = world.tenant.statuses()[-1]
    assert (status.position, status.target, status.problem) == (0, 1, "the model does not answer")
    assert world.tenant.read_now(lambda reader: reader.count("Memory"), ADA) == 0
    embedder.fails = None
    done = threading.Event()
    while world.tenant.consolidated_position < 1:
        done.wait(0.05)
    assert world.texts() == ["The crane was sold."]
    assert world.tenant.statuses()[-1].problem == ""


def test_closing_does_not_wait_for_a_model(make: Callable[..., World]) -> None:
    """What was left is done after the next opening."""
    embedder = WordHashes()
    world = make(embedder)
    embedder.fails = OUT
    world.say("The crane was sold.")
    embedder.fails = None
    world.reopen()
    assert world.texts() == ["The crane was sold."]


# What gets in the way


def test_what_is_gone_before_its_turn_makes_no_memory(world: World) -> None:
    """Retired or erased; the others follow each other."""
    world.reopen(consolidate=False)
    _, second, third, _ = world.say("The crane came.", "It was a secret.", "It was a mistake.", "The crane went.")
    world.write(EraseItem(id=second))
    world.write(RetireItem(id=third))
    world.reopen()
    assert world.texts() == ["The crane came.", "The crane went."]
    assert world.links("FOLLOWS") == [("The crane went.", "The crane came.")]


def test_an_erased_event_takes_its_memory_along(world: World) -> None:
    """Its words are then in no file, and what comes next follows the one before."""
    _, second = world.say("The crane came.", "The word is xyzzyplugh.")
    assert len(world.texts()) == 2
    world.write(EraseItem(id=second))
    world.say("The crane went.")
    assert world.texts() == ["The crane came.", "The crane went."]
    assert world.links("FOLLOWS") == [("The crane went.", "The crane came.")]
    assert world.tenant.settled(30)
    for path in world.directory.rglob("*"):
        assert not path.is_file() or b"xyzzyplugh" not in path.read_bytes(), path


def test_what_people_did_with_memories_is_kept(world: World) -> None:
    """A corrected memory stays corrected, a retired one is not made again; what comes next follows what is left."""
    world.say("The crane is red.", "The crane is blue.")
    red, blue = world.of_kind("Memory")
    world.write(ReviseItem(id=red.id, set={"text": "The crane is green."}))
    world.write(RetireItem(id=blue.id))
    world.say("The crane is old.")
    world.reopen()
    assert world.texts() == ["The crane is green.", "The crane is old."]
    assert world.links("FOLLOWS") == [("The crane is old.", "The crane is green.")]


def test_a_memory_that_is_there_is_not_made_again(world: World) -> None:
    """Whoever made it, under the event's id as its key."""
    world.reopen(consolidate=False)
    first, _ = world.say("The crane came.", "The crane went.")
    links = (Link(kind="DERIVED_FROM", target=first),)
    world.write(Remember(text="A crane came, I am told.", external_key=first, links=links))
    world.reopen()
    assert world.texts() == ["A crane came, I am told.", "The crane went."]
    assert world.links("FOLLOWS") == [("The crane went.", "A crane came, I am told.")]


def test_a_text_that_cannot_be_embedded_is_remembered_without_a_vector(make: Callable[..., World]) -> None:
    world = make(Picky())
    world.say("The crane came.", "It went unheard.", "The crane went.")
    assert world.texts() == ["The crane came.", "It went unheard.", "The crane went."]
    assert world.tenant.settled(20)
    assert len(world.tenant.vectors.dump()) == 2


def test_one_event_that_breaks_something_stops_no_other(make: Callable[..., World]) -> None:
    """It is flagged, and the others are remembered."""
    world = make(Picky(), wait_ms=60_000)
    world.say("The crane came.", "It was poison.", "The crane went.")
    assert world.texts() == ["The crane came.", "The crane went."]
    assert world.flags() == {"It was poison.": Noise.REFUSED}
    assert world.links("FOLLOWS") == [("The crane went.", "The crane came.")]


def test_a_memory_that_is_refused_for_good_is_flagged(make: Callable[..., World]) -> None:
    """As where a limit was made smaller after the event was recorded: no memory, and the others go on."""
    world = make(None, wait_ms=60_000)
    world.reopen(consolidate=False)
    world.say("The crane came.", "The crane " + "was very, very old. " * 10, "The crane went.")
    world.limits = world.limits.model_copy(update={"text_characters": 100})
    world.reopen()
    assert world.texts() == ["The crane came.", "The crane went."]
    assert list(world.flags().values()) == [Noise.REFUSED]
    assert verify(world.directory).sound


def test_it_is_on_for_all_tenants_of_a_directory_unless_told_otherwise(tmp_path: Path) -> None:
    for on in (True, False):
        tenants = Tenants(tmp_path / str(on), clock=SystemClock(), limits=Limits(), consolidate=on)
        with tenants.use("t") as tenant:
            assert isinstance(tenant, Tenant)
            tenant.write_now(RecordEvents(stream="s", events=(EventInput(content="The crane came."),)), ADA)
            found = tenant.read_now(lambda reader: reader.count("Memory"), ADA, consolidated=True)
            assert found == 1 if on else isinstance(found, Refusal)
        tenants.close()
