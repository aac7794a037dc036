"""Search: every hit says why it stands where it does and what it comes from; pages go on where the one before ended."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.commands import Principal
from memql.errors import Refusal, unavailable

SEARCH = """
    query ($input: SearchInput!, $first: Int! = 10, $after: String) {
        search(input: $input, first: $first, after: $after) {
            embedder notices position
            edges {
                cursor score node { __typename id ... on Memory { text } } sources { id content }
                explanation { parts { signal raw rank weight normalized share } }
            }
            nodes { id } totalCount
            pageInfo { hasNextPage hasPreviousPage endCursor }
        }
    }
"""


class Drinks:
    """An embedder of three drinks: what a text is about is which of them it names."""

    model, width, digest = "drinks@1", 3, "1"

    def __init__(self, down: bool = False) -> None:
        self.down = down

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32] | Refusal:
        if self.down:
            return unavailable("EMBEDDER_DOWN", "the embedder does not answer", "ask again")
        names = (("tea", "leaves"), ("coffee", "beans"), ("water", "rain"))
        rows = [[0.1 + any(name in text for name in drink) for drink in names] for text in texts]
        return np.array([np.array(row) / np.linalg.norm(row) for row in rows], np.float32)


async def remembered(caller: Any, *texts: str) -> list[str]:
    """Each said in the stream and remembered; the ids of the memories."""
    said = await caller.do("recordEvents", stream="talk", events=[{"content": text} for text in texts])
    ids = []
    for text, event in zip(texts, said["ids"], strict=True):
        links = [{"kind": "DERIVED_FROM", "target": event}]
        ids += (await caller.do("remember", text=text, links=links))["ids"]
    return ids


async def found(caller: Any, text: str, /, first: int = 10, after: str | None = None, **input_: Any) -> Any:
    position = (await caller.ask("{ position }"))["position"]
    input_ = {"text": text, "atLeast": position} | input_
    return (await caller.ask(SEARCH, None, input=input_, first=first, after=after))["search"]


def texts_of(page: Any) -> list[str]:
    return [edge["node"]["text"] for edge in page["edges"]]


async def test_shares_add_up_to_the_score(serving: Callable[..., Any]) -> None:
    """By words and by meaning: every hit with every signal, what it was compared by, and how much that counted."""
    async with serving(model=Drinks()) as caller:
        ids = await remembered(caller, "Ada likes green tea.", "Leaves need hot rain.", "Coffee is for Ben.", "No.")
        page = await found(caller, "tea for Ada?")
    assert (page["embedder"], page["notices"]) == ("drinks@1", [])
    assert page["edges"][0]["node"]["id"] == ids[0]
    assert [node["id"] for node in page["nodes"]] == [edge["node"]["id"] for edge in page["edges"]]
    signals = [[part["signal"] for part in edge["explanation"]["parts"]] for edge in page["edges"]]
    assert signals[0][:1] == ["words"]
    assert "meaning" in signals[0]
    assert all(each == signals[0] for each in signals)
    for edge in page["edges"]:
        parts = edge["explanation"]["parts"]
        assert sum(part["share"] for part in parts) == pytest.approx(edge["score"])
        assert all(part["share"] == pytest.approx(part["weight"] * part["normalized"]) for part in parts)
    best = {part["signal"]: part for part in page["edges"][0]["explanation"]["parts"]}
    assert (best["words"]["rank"], best["meaning"]["rank"]) == (1, 1)
    assert best["meaning"]["raw"] == pytest.approx(1.0, abs=0.01)
    unmatched = {part["signal"]: part for part in page["edges"][-1]["explanation"]["parts"]}
    assert page["edges"][0]["sources"][0]["content"] == "Ada likes green tea."
    assert unmatched["words"]["normalized"] < best["words"]["normalized"]


async def test_without_an_embedder_words_alone_are_said(caller: Any) -> None:
    """In every answer; what only means the same is not found, and nothing pretends to."""
    await remembered(caller, "Ada likes green tea.", "Ben likes leaves.")
    page = await found(caller, "tea")
    assert page["embedder"] == "none"
    assert len(page["notices"]) == 1
    assert "words alone" in page["notices"][0]
    assert texts_of(page)[0] == "Ada likes green tea."


async def test_an_embedder_that_is_down_is_said(serving: Callable[..., Any]) -> None:
    """The words are still found."""
    embedder = Drinks()
    async with serving(model=embedder) as caller:
        await remembered(caller, "Ada likes green tea.")
        embedder.down = True
        page = await found(caller, "tea")
    assert texts_of(page) == ["Ada likes green tea."]
    assert page["embedder"] == "none"
    assert page["notices"] == ["found by words alone: the embedder does not answer"]


async def test_where_nothing_is_embedded_yet(serving: Callable[..., Any]) -> None:
    """The words are found: a new tenant has events before it has memories."""
    async with serving(model=Drinks()) as caller:
        await caller.do("recordEvents", stream="talk", events=[{"content": "tea"}])
        page = await found(caller, "tea", kinds=["Event"])
    assert [edge["sources"][0]["content"] for edge in page["edges"]] == ["tea"]


async def test_what_was_made_of_events_is_found_not_the_events(caller: Any) -> None:
    """Unless they are asked for by their kind; an event is its own source."""
    await remembered(caller, "green tea")
    await caller.do("nameEntity", name="tea")
    await caller.do("setGoal", title="less tea")
    assert {edge["node"]["__typename"] for edge in (await found(caller, "tea"))["edges"]} == {"Memory", "Goal"}
    (edge,) = (await found(caller, "tea", kinds=["Event"]))["edges"]
    assert edge["sources"][0]["id"] == edge["node"]["id"]


@pytest.mark.parametrize("rankings", [128, 0])
async def test_pages_go_on_whatever_is_written_meanwhile(serving: Callable[..., Any], rankings: int) -> None:
    """All at the position of the first; the order is that of the first, also where its ranking was not kept."""
    async with serving(requests={"rankings": rankings}) as caller:
        await remembered(caller, *(f"tea number {n}" + " tea" * (n % 4) for n in range(11)))
        whole = await found(caller, "tea", first=20)
        pages, after = [], None
        while True:
            page = await found(caller, "tea", first=3, after=after)
            pages.append(page)
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
            await remembered(caller, "tea", "more tea", "nothing")
    assert [edge["node"] for page in pages for edge in page["edges"]] == [edge["node"] for edge in whole["edges"]]
    assert [len(page["edges"]) for page in pages] == [3, 3, 3, 2]
    assert {page["position"] for page in pages} == {whole["position"]}
    assert [page["pageInfo"]["hasPreviousPage"] for page in pages] == [False, True, True, True]


async def test_a_cursor_is_of_one_question(caller: Any) -> None:
    """For another, for another kind of page, or made up, it leads nowhere, and that is said."""
    await remembered(caller, "green tea", "black tea", "no tea")
    page = await found(caller, "tea", first=1)
    after = page["pageInfo"]["endCursor"]
    memories = "{ memories(first: 1) { pageInfo { endCursor } } }"
    other = (await caller.ask(memories))["memories"]["pageInfo"]["endCursor"]
    for text, cursor in (("tee", after), ("tea", other), ("tea", "abc"), ("tea", "ñ")):
        (error,) = await caller.errors(SEARCH, None, input={"text": text}, after=cursor)
        assert error["extensions"]["code"] == "BAD_CURSOR"


async def test_what_was_erased_is_on_no_further_page(caller: Any) -> None:
    """Though it was ranked before."""
    ids = await remembered(caller, "green tea", "black tea", "white tea")
    page = await found(caller, "tea", first=1)
    last = (await found(caller, "tea"))["edges"][-1]["node"]["id"]
    await caller.do("eraseItem", id=last)
    rest = await found(caller, "tea", after=page["pageInfo"]["endCursor"])
    assert {edge["node"]["id"] for edge in rest["edges"]} == {*ids} - {last, page["edges"][0]["node"]["id"]}


async def test_each_sees_what_it_may(caller: Any) -> None:
    """Of others only what is the organization's; a cursor of somebody who sees more leads to no more."""
    for domain in ("USER", "ORGANIZATION"):
        for n in range(2):
            await caller.do("remember", text=f"tea of {domain.lower()} {n}", domain=domain)
    assert len((await found(caller, "tea"))["edges"]) == 4
    ben = caller.acting_as(Principal("usr_ben"))
    page = await found(ben, "tea")
    assert sorted(texts_of(page)) == ["tea of organization 0", "tea of organization 1"]
    admins = await found(caller, "tea", first=1)
    rest = await found(ben, "tea", after=admins["pageInfo"]["endCursor"])
    assert set(texts_of(rest)) <= set(texts_of(page))
    await ben.http.aclose()


async def test_hits_are_read_together(caller: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: rows, sources and reasons take the same few statements, and a further page fewer."""
    statements: list[str] = []
    real = sqlite3.connect

    def traced(*given: Any, **named: Any) -> Any:
        db = real(*given, **named)
        db.set_trace_callback(statements.append)
        return db

    monkeypatch.setattr("engine.journal.sqlite3.connect", traced)
    await remembered(caller, *(f"tea number {n}" for n in range(40)))
    await found(caller, "tea")
    counts, after = [], None
    for first in (2, 30, 5):
        position = (await caller.ask("{ position }"))["position"]
        statements.clear()
        input_ = {"text": "tea", "atLeast": position}
        page = (await caller.ask(SEARCH, None, input=input_, first=first, after=after))["search"]
        assert len(page["edges"]) == first
        assert all(edge["sources"][0]["content"] == edge["node"]["text"] for edge in page["edges"])
        counts.append(sum("SELECT" in statement for statement in statements))
        after = page["pageInfo"]["endCursor"] if first == 30 else None
    assert counts[0] == counts[1] <= 6
    assert counts[2] <= counts[1]


async def test_limits_of_a_search(serving: Callable[..., Any]) -> None:
    """A text too long to be a question, and more rows than an answer has, are refused by name."""
    async with serving(limits={"text_characters": 100, "read_rows": 10}) as caller:
        await remembered(caller, "tea")
        for input_, first, name in (({"text": "x" * 101}, 5, "text_characters"), ({"text": "x"}, 10, "read_rows")):
            (error,) = await caller.errors(SEARCH, None, input=input_, first=first)
            assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
            assert f"`{name}`" in error["message"]
        (error,) = await caller.errors(SEARCH, None, input={"text": "tea"}, first=-1)
        assert error["extensions"]["code"] == "INVALID_VALUE"
        assert (await found(caller, "", first=3))["edges"] == []


async def test_ways_weights_and_fusions(serving: Callable[..., Any]) -> None:
    """A way of weight 0 finds nothing; near is a way of its own; other fusions fuse the lists, and nothing else."""
    async with serving(model=Drinks()) as caller:
        ids = await remembered(caller, "green tea", "leaves", "coffee", "rain")
        await caller.do("relate", source=ids[2], kind="ABOUT", target=ids[3], weight=0.8)
        asked: Any
        for asked, expected in (
            ({"weights": {"meaning": 0.0}}, {"green tea"}),
            ({"weights": {"words": 0.0}, "fuse": {"how": "LINEAR"}}, {"green tea", "leaves", "coffee", "rain"}),
            ({"weights": {"words": 0.0, "meaning": 0.0}, "near": [ids[3]], "within": 1}, {"rain", "coffee"}),
            ({"weights": {"words": 0.0, "meaning": 0.0}}, set()),
        ):
            hits = (await found(caller, "tea", **asked))["edges"]
            assert (await found(caller, "tea", first=1, **asked))["totalCount"] == len(hits)
            assert {edge["node"]["text"] for edge in hits} == expected, asked
        near: Any = {"near": [ids[3]], "weights": {"near": 9.0}}
        for fuse in ({"how": "RRF", "k": 10}, {"how": "LINEAR", "normalize": "ZSCORE"}, {"how": "ZSUM"}):
            edges = (await found(caller, "tea", fuse=fuse, **near))["edges"]
            assert edges[0]["node"]["text"] == "rain", fuse
            parts = edges[0]["explanation"]["parts"]
            assert edges[0]["score"] == pytest.approx(sum(part["share"] for part in parts), abs=1e-6)
            assert "graph" in {part["signal"] for part in parts}


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"weights": {"words": -1.0}}, "weights.words"),
        ({"within": 0}, "within"),
        ({"within": 100}, "within"),
        ({"fuse": {"how": "RRF", "k": -1.0}}, "fuse.k"),
    ],
)
async def test_what_is_wrong_with_ways(caller: Any, asked: Any, place: str) -> None:
    """It is told at its place."""
    await remembered(caller, "tea")
    (error,) = await caller.errors(SEARCH, None, input={"text": "tea"} | asked)
    assert error["extensions"]["problems"][0]["place"] == place


async def test_nearness_does_not_lead_through_what_is_hidden(caller: Any) -> None:
    """Neither from an item that its asker does not see, nor by relations of it."""
    (one,) = (await caller.do("remember", text="tea", domain="ORGANIZATION"))["ids"]
    (hidden,) = (await caller.do("remember", text="secret"))["ids"]
    await caller.do("relate", source=one, kind="ABOUT", target=hidden)
    ben = caller.acting_as(Principal("usr_ben"))
    alone: Any = {"near": [hidden], "weights": {"words": 0.0, "meaning": 0.0}}
    assert (await found(caller, "x", **alone))["edges"]
    assert (await found(ben, "x", **alone))["edges"] == []
    await ben.http.aclose()
