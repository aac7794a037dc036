"""Search: by words, by meaning, by what stands around, and what a filter, a principal and a moment leave of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.clock import SystemClock
from engine.commands import (
    Command,
    DeriveInsight,
    Embedding,
    EventInput,
    Link,
    Principal,
    RecordEvents,
    Remember,
    RetireItem,
    ReviseItem,
)
from engine.embed import Embedder
from engine.limits import Limits
from engine.rank import Ranking
from engine.reader import Reader
from engine.records import Receipt
from engine.search import Way, question, search
from engine.tenant import Tenant
from memql.errors import Refusal, unavailable
from memql.values import instant

ADA, BEN = Principal("usr_ada"), Principal("usr_ben")
MODEL = "directions@1"
WEST, NORTH, UP = np.eye(3, dtype=np.float32)
KINDS = ("Memory", "Insight", "Goal", "Task")


class Directions:
    """An embedder of three words: what a text is about is which of them it holds."""

    model, width, digest = MODEL, 3, "1"

    def __init__(self, down: bool = False) -> None:
        self.down = down

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | Refusal:
        if self.down:
            return unavailable("EMBEDDER_DOWN", "the embedder does not answer", "ask again")
        rows = [WEST * ("west" in text) + NORTH * ("north" in text) + UP * 0.1 for text in texts]
        return np.array([row / np.linalg.norm(row) for row in rows], np.float32)


class World:
    """A tenant to which conversations are told; memories are made of them one by one."""

    def __init__(self, path: Path) -> None:
        opened = Tenant.open("t", path, clock=SystemClock(), limits=Limits(text_commit_ms=0))
        assert isinstance(opened, Tenant)
        self.tenant = opened
        self.ids: dict[str, str] = {}

    def write(self, command: Command, by: Principal = ADA) -> Receipt:
        receipt = self.tenant.write_now(command, by)
        assert isinstance(receipt, Receipt), receipt
        return receipt

    def tell(
        self, stream: str, *lines: tuple[str, str], by: Principal = ADA, vectors: bool = True, at: int = 0
    ) -> None:
        """Lines of author and text, a minute apart, each remembered and following the one before."""
        moments = [instant(at + 60_000_000 * number) for number in range(len(lines))] if at else [None] * len(lines)
        events = tuple(
            EventInput(content=text, author=author, occurred_at=moment)
            for (author, text), moment in zip(lines, moments, strict=True)
        )
        said = self.write(RecordEvents(stream=stream, events=events), by)
        before = ""
        for (author, text), event, moment in zip(lines, said.ids, moments, strict=True):
            links = [
                Link(kind="DERIVED_FROM", target=event),
                *([Link(kind="FOLLOWS", target=before)] if before else []),
            ]
            rows = Directions().embed([text])
            assert not isinstance(rows, Refusal)
            embedding = Embedding(model=MODEL, vector=rows[0].tobytes()) if vectors else None
            made = Remember(text=text, author=author, links=tuple(links), embedding=embedding, valid_from=moment)
            (before,) = self.write(made, by).ids
            self.ids[text] = before

    def ask(
        self, ways: Sequence[Way], by: Principal = ADA, embedder: Embedder | None = None, *,
        kinds: Sequence[str] = KINDS, only: Callable[[Reader], NDArray[np.bool_]] | None = None, **when: Any,
    ) -> tuple[list[str], Ranking]:  # fmt: skip
        """The texts found, best first, and the ranking."""

        def read(reader: Reader) -> tuple[list[str], Ranking]:
            reader = replace(reader, embedder=embedder)
            keep = reader.scope.of_kind(*kinds)
            found = search(reader, ways, keep & only(reader) if only else keep)
            assert not isinstance(found, Refusal), found
            return [str(item.properties["text"]) for item in reader.items(found.denses.tolist())], found

        assert self.tenant.settled(20)
        answer = self.tenant.read_now(read, by, needs=("vectors", "texts"), **when)
        assert not isinstance(answer, Refusal), answer
        return answer


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.tenant.close()


def part(ranking: Ranking, name: str) -> list[float]:
    raw: list[float] = next(each.raw for each in ranking.parts if each.name == name).tolist()
    return raw


def test_one_way_ranks_by_that_alone(world: World) -> None:
    """Words by BM25, a vector by its cosine; nothing else has a say."""
    world.tell("s", ("Ada", "the kettle is blue"), ("Ben", "west of here"), ("Ada", "a blue blue door"))
    texts, found = world.ask([Way("words", "blue")])
    assert texts == ["a blue blue door", "the kettle is blue"]
    assert [each.name for each in found.parts] == ["words"]
    texts, found = world.ask([Way("meaning", WEST)])
    assert texts[0] == "west of here"
    assert part(found, "meaning")[0] == pytest.approx(1 / np.sqrt(1.01), abs=1e-6)


def test_a_question_counts_what_stands_around(world: World) -> None:
    """The answer to a question shares no word with what is asked; its neighbour does."""
    world.tell("s", ("Ada", "where shall we keep the ladder?"), ("Ben", "behind the shed"), ("Ada", "fine by me"))
    world.tell("other", ("Ben", "nothing of the kind"), ("Ben", "nor this"))
    texts, found = world.ask(question("where is the ladder kept?"))
    assert texts[:2] == ["where shall we keep the ladder?", "behind the shed"]
    assert "nothing of the kind" not in texts
    raw = part(found, "words")
    assert raw[1] == pytest.approx(raw[0] / 2)
    assert (part(found, "stream")[0], part(found, "stream")[1]) == (raw[0], raw[0])


def test_words_and_meaning_together(world: World) -> None:
    """Each finds what the other does not; the explanation has both, and the shares are the total."""
    world.tell("a", ("Ada", "the ferry goes west"))
    world.tell("b", ("Ada", "a compass for the captain"))
    world.tell("c", ("Ada", "bread and north wind"))
    texts, found = world.ask(question("does the compass point west?"), embedder=Directions())
    assert set(texts[:2]) == {"the ferry goes west", "a compass for the captain"}
    assert found.embedder == MODEL
    assert {each.name for each in found.parts} == {"words", "stream", "meaning", "meaning around"}
    assert np.allclose(sum(each.share for each in found.parts), found.totals)


def test_without_an_embedder_it_says_so(world: World) -> None:
    """By words alone, and the answer says why."""
    world.tell("a", ("Ada", "the ferry goes west"))
    _, found = world.ask(question("ferry"))
    assert found.embedder == "none"
    assert found.notices == ("there is no embedder: found by words alone",)
    _, found = world.ask(question("ferry"), embedder=Directions(down=True))
    assert (found.embedder, len(found.notices)) == ("none", 1)
    assert "does not answer" in found.notices[0]


def test_another_models_vectors_are_not_mixed(world: World) -> None:
    """A tenant embedded by one model is not asked by another's vectors."""

    class Other(Directions):
        model = "other@2"

    world.tell("a", ("Ada", "the ferry goes west"))
    texts, found = world.ask(question("ferry"), embedder=Other())
    assert (texts, found.embedder) == (["the ferry goes west"], "none")
    assert MODEL in found.notices[0]


def test_who_is_asked_for_is_lifted(world: World) -> None:
    """A name in the question is who should have spoken, not a word to be found."""
    world.tell("a", ("Ada", "the paint is green"))
    world.tell("b", ("Ben", "the paint is green"))
    texts, found = world.ask(question("What did Ben say about the paint?"))
    assert part(found, "speaker") == [1, 0]
    assert texts == ["the paint is green"] * 2
    assert found.denses[0] > found.denses[1]
    _, found = world.ask(question("What about the paint?"))
    assert "speaker" not in {each.name for each in found.parts}


def test_when_is_asked_for_is_lifted(world: World) -> None:
    """A month in the question lifts what was said in it, and what was said to be about it."""
    june, august = 1_686_000_000_000_000, 1_691_500_000_000_000
    world.tell("a", ("Ada", "we painted the boat bright green"), at=june)
    world.tell("b", ("Ada", "we painted the boat dark green"), at=august)
    world.tell("c", ("Ada", "we painted the boat last month"), at=august)
    texts, found = world.ask(question("Who painted the boat in July?"))
    assert texts[0] == "we painted the boat last month"
    assert sorted(part(found, "about then")) == [0, 0, 1]
    assert part(found, "said then") == [0, 0, 0]
    _, found = world.ask(question("Who painted the boat in June?"))
    assert part(found, "said then")[0] == 1
    texts, found = world.ask(question("When was the boat painted?"))
    assert texts[0] == "we painted the boat last month"
    assert sorted(part(found, "when")) == [0, 0, 1]


def test_a_filter_leaves_out_before_it_ranks(world: World) -> None:
    """Whoever does not qualify is no candidate; as context it counts all the same."""
    lines = [("Ada", f"green paint number {number}") for number in range(30)]
    world.tell("a", *lines, ("Ben", "it is in the shed"))

    def bens(reader: Reader) -> NDArray[np.bool_]:
        columns = reader.scope.columns
        mask: NDArray[np.bool_] = columns.column("author")[: reader.scope.count] == columns.codes["Ben"]
        return mask

    texts, found = world.ask(question("where is the green paint number 29?"), only=bens)
    assert texts == []
    texts, found = world.ask(question("green paint shed"), only=bens)
    assert texts == ["it is in the shed"]
    assert part(found, "words")[0] > 0
    assert set(part(found, "stream")) == {part(found, "stream")[0]}


def test_nobody_finds_what_they_may_not_see(world: World) -> None:
    """Neither as a hit nor as a neighbour, and ranks are among what is seen."""
    world.tell("a", ("Ada", "the key is under the stone"), ("Ada", "west"))
    world.tell("b", ("Ben", "which key?"), by=BEN)
    texts, found = world.ask(question("where is the key?"), by=BEN, embedder=Directions())
    assert texts == ["which key?"]
    assert part(found, "words")[0] > 0
    words = next(each for each in found.parts if each.name == "words")
    assert words.rank.tolist() == [1]


def test_a_name_that_is_not_seen_is_a_word(world: World) -> None:
    """Whose names are names depends on what is seen: nobody learns by asking that somebody speaks here."""
    world.tell("a", ("Rosa", "the key is under the stone"))
    world.tell("b", ("Ben", "a rosa is a rose"), by=BEN)
    texts, found = world.ask(question("rosa key"), by=BEN)
    assert texts == ["a rosa is a rose"]
    assert "speaker" not in {each.name for each in found.parts}
    assert "speaker" in {each.name for each in world.ask(question("rosa key"))[1].parts}


def test_a_search_as_of_an_earlier_position(world: World) -> None:
    """What was revised since is found in the words it had then."""
    world.tell("a", ("Ada", "the fence is red"))
    before = world.tenant.position
    world.write(ReviseItem(id=world.ids["the fence is red"], set={"text": "the fence is white"}))
    assert world.ask(question("fence"))[0] == ["the fence is white"]
    assert world.ask(question("fence"), as_of=before)[0] == ["the fence is red"]
    assert world.ask([Way("words", "white")], as_of=before)[0] == []


def test_nothing_to_find_is_an_empty_answer(world: World) -> None:
    """No words that are known, no text at all, nothing recorded."""
    assert world.ask(question("anything?"))[0] == []
    world.tell("a", ("Ada", "the fence is red"))
    for text in ("", "?!", "zebra", "the of and"):
        assert world.ask(question(text))[0] == ([] if text != "the of and" else ["the fence is red"])


def test_provenance_goes_on_through_what_was_retired(world: World) -> None:
    """An insight leads to the sentence although the memory between them was retired."""
    world.tell("a", ("Ada", "the fence is red"))
    memory = world.ids["the fence is red"]
    insight = world.write(DeriveInsight(text="red it is", links=(Link(kind="DERIVED_FROM", target=memory),)))
    world.write(RetireItem(id=memory))

    def read(reader: Reader) -> list[str]:
        item = reader.item(insight.ids[0])
        assert item
        sources = reader.sources([item.root])
        assert not isinstance(sources, Refusal)
        return [str(event.properties["content"]) for event in sources[item.root]]

    assert world.tenant.read_now(read, ADA) == ["the fence is red"]
