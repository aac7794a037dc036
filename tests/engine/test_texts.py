"""Texts: the best by BM25 whatever qualifies, the same after any crash, and gone when erased."""

import math
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.events import CatalogSet, Event, ItemErased, ItemRecorded, ItemRetired, KindDeclared
from engine.limits import Limits
from engine.projection import Projection, Unapplied
from engine.records import Record
from engine.texts import Texts

WORDS = ("amber", "birch", "cobalt", "dune", "ember", "fjord", "grove", "harbor", "iris", "juniper")


def item(
    dense: int, text: str, root: int = 0, kind: str = "Memory", name: str = "text", **more: object
) -> ItemRecorded:
    """A version of an item; its own first one unless `root` says otherwise."""
    root = root or dense
    properties = {name: text, **more}
    return ItemRecorded(f"id_{root}", root, dense, 1, 0, kind, "ann", "user", 0, properties=properties)  # type: ignore[arg-type]


def erasure(root: int) -> ItemErased:
    return ItemErased(f"id_{root}", root, ())


def journal(*events: Event, after: int = 0) -> list[Record]:
    """One record an event."""
    return [Record(after + n, after + n, "ann", "Remember", (event,)) for n, event in enumerate(events, 1)]


def chance(count: int, seed: int = 1, longest: int = 60) -> list[str]:
    """Texts of a few common words, long ones among them: Tantivy keeps their lengths only roughly."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, longest))) for _ in range(count)]


def items(first: int, texts: Sequence[str]) -> list[ItemRecorded]:
    return [item(dense, text) for dense, text in enumerate(texts, first)]


def opened(folder: Path, documents: int = 1_000, tenant: str = "t") -> Texts:
    return Texts(folder, tenant=tenant, limits=Limits(text_commit_documents=documents))


def filled(folder: Path, *events: Event) -> Texts:
    store = opened(folder)
    store.apply(journal(*events))
    store.settle()
    return store


def found(store: Texts, text: str, keep: NDArray[np.bool_] | None = None, limit: int = 10) -> list[int]:
    return [int(dense) for dense in store.search(text, keep=keep, limit=limit)[0]]


def bytes_below(folder: Path) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in folder.rglob("*") if path.is_file())


def same(one: Texts, other: Texts) -> None:
    """Two stores of one journal hold the same and answer the same."""
    assert one.dump() == other.dump()
    for text in (*WORDS, "amber birch cobalt dune", " ".join(WORDS), "amber amber fjord iris iris"):
        a, b = (store.search(text, keep=None, limit=25) for store in (one, other))
        assert a[0].tolist() == b[0].tolist()
        np.testing.assert_allclose(a[1], b[1], atol=1e-5)


# What is found


def test_it_is_a_projection(tmp_path: Path) -> None:
    """The follower drives it as it drives every store."""
    store: Projection = opened(tmp_path)
    assert (store.name, store.position) == ("texts", 0)


def test_words_are_found_in_any_form(tmp_path: Path) -> None:
    """Case, accents, English endings and composed letters make no difference."""
    store = filled(tmp_path, item(1, "The cafés of Zürich"), item(2, "She was running late"), item(3, "Nothing here"))
    for query in ("CAFE", "café", "cafe\u0301", "zurich cafés"):
        assert found(store, query) == [1]
    assert found(store, "run") == found(store, "who runs?") == [2]


def test_function_words_count_only_alone(tmp_path: Path) -> None:
    """They are in the documents, and a query of nothing else may ask for them."""
    store = filled(tmp_path, item(1, "to be or not to be"), item(2, "what the harbor was"))
    assert found(store, "what was the harbor to be?") == [2]
    assert found(store, "to be") == [1]


@pytest.mark.parametrize("text", ["", "   ", "?!", "unheardof", "\u0301", "x" * 500])
def test_no_words_no_hits(tmp_path: Path, text: str) -> None:
    store = filled(tmp_path, item(1, "amber"))
    assert found(store, text) == []
    assert store.scores(text, np.array([1])).tolist() == [0]


@pytest.mark.parametrize(
    "text", ['dense:1 "unclosed', "root:[1 TO *]", "* amber", "-amber", "amber AND (", "text:amber^9", "amber~2 /a.*/"]
)
def test_a_query_is_only_words(tmp_path: Path, text: str) -> None:
    """No operator, field or wildcard of the store's own language is heard."""
    store = filled(tmp_path, item(1, "birch"), item(2, "amber birch"))
    assert found(store, text) in ([2], [])
    assert (found(store, text) == [2]) == ("amber" in text)


def test_before_the_first_text_nothing_is_found(tmp_path: Path) -> None:
    store = filled(tmp_path, CatalogSet(True), item(1, ""), item(2, "amber", kind="Stream", name="name"))
    assert (store.position, found(store, "amber"), store.dump()) == (3, [], [])
    store.close()
    assert opened(tmp_path).position == 3


def test_aliases_and_tags_are_searched(tmp_path: Path) -> None:
    """People look for things by them."""
    ada = item(1, "Ada Lovelace", kind="Entity", name="name", aliases=["Countess", "Augusta"], category="person")
    store = filled(tmp_path, ada, item(2, "likes tea", tags=["preference", "drinks"]), item(3, "", tags=["lonely"]))
    assert found(store, "countess") == [1]
    assert found(store, "drink preferences") == [2]
    assert found(store, "lonely") == [3]
    assert found(store, "person") == []


def test_each_version_is_a_document(tmp_path: Path) -> None:
    """Also of what was retired: which version may be seen is the mask's to say."""
    store = filled(tmp_path, item(1, "amber"), item(2, "amber dune", root=1), ItemRetired("id_1", 1, 2))
    assert sorted(found(store, "amber")) == [1, 2]
    assert store.dump() == [(1, 1, "amber"), (2, 1, "amber dune")]


def test_the_catalog_of_its_time_says_where_the_text_is(tmp_path: Path) -> None:
    """Also where the store was opened between the declaration and the item."""
    declaration = KindDeclared("Recipe", "rec", "steps", (("steps", "string", ""), ("text", "string", "")))
    events = (
        item(1, "amber", kind="Recipe", steps="birch"),
        declaration,
        item(2, "amber", kind="Recipe", steps="birch"),
        item(3, "amber", kind="Recipe", steps="birch"),
    )
    store = opened(tmp_path / "live")
    for at, record in enumerate(journal(*events)):
        store.apply([record])
        store.close()
        store = opened(tmp_path / "live")
        assert store.position == at + 1
    assert (found(store, "amber"), found(store, "birch")) == ([1], [2, 3])
    same(store, filled(tmp_path / "rebuilt", *events))


# How well it fits


def bm25(texts: Mapping[int, str], query: str) -> dict[int, float]:
    """The score by the book (k1 1.2, b 0.75), for texts of up to 40 words, whose lengths Tantivy keeps exactly."""
    words = {dense: Counter(text.split()) for dense, text in texts.items()}
    average = sum(map(Counter.total, words.values())) / len(words)
    scores = dict.fromkeys(words, 0.0)
    for word, times in Counter(query.split()).items():
        having = sum(word in counted for counted in words.values())
        idf = math.log(1 + (len(words) - having + 0.5) / (having + 0.5))
        for dense, counted in words.items():
            norm = 1.2 * (0.25 + 0.75 * counted.total() / average)
            scores[dense] += times * idf * counted[word] * 2.2 / (counted[word] + norm)
    return {dense: score for dense, score in scores.items() if score}


@pytest.mark.parametrize("query", ["amber", "amber birch", "amber fjord amber iris", " ".join(WORDS)])
def test_scores_are_bm25(tmp_path: Path, query: str) -> None:
    texts = dict(enumerate(chance(400, longest=40), 1))
    store = opened(tmp_path, documents=30)
    store.apply(journal(*items(1, list(texts.values()))))
    store.settle()
    expected = bm25(texts, query)
    dense, scores = store.search(query, keep=None, limit=400)
    assert set(dense.tolist()) == set(expected)
    np.testing.assert_allclose(scores, [expected[int(n)] for n in dense], rtol=1e-4)
    assert dense.tolist() == [int(dense[n]) for n in np.lexsort((dense, -scores))]


def test_scores_of_given_documents(tmp_path: Path) -> None:
    """In the order asked; the same as those of the search, and 0 for what does not match or is not there."""
    store = filled(tmp_path, *items(1, chance(300)), item(301, "nothing of the kind"))
    dense, scores = store.search("amber fjord", keep=None, limit=50)
    asked = np.concatenate([dense[::-1], [301, 999, 0], dense[:2]])
    expected = np.concatenate([scores[::-1], [0, 0, 0], scores[:2]])
    np.testing.assert_array_equal(store.scores("amber fjord", asked), expected.astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(st.lists(st.sampled_from(WORDS[:3]), max_size=3).map(" ".join), min_size=1, max_size=30),
    keep=st.none() | st.lists(st.booleans(), max_size=40),
    limit=st.integers(1, 12),
    commits=st.integers(1, 9),
)
def test_a_mask_is_met_first(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], keep: list[bool] | None, limit: int, commits: int
) -> None:
    """`limit` documents come back whenever so many qualify, the best of them, equal ones by dense id."""
    store = opened(tmp_path_factory.mktemp("t"), documents=commits)
    store.apply(journal(*items(1, texts)))
    store.settle()
    mask = None if keep is None else np.array(keep, bool)
    dense, scores = store.search("amber birch", keep=None, limit=99)
    qualify = [n for n in range(len(dense)) if keep is None or (dense[n] < len(keep) and keep[dense[n]])]
    hits = store.search("amber birch", keep=mask, limit=limit)
    assert hits[0].tolist() == dense[qualify][:limit].tolist()
    assert hits[1].tolist() == scores[qualify][:limit].tolist()


@pytest.mark.parametrize("share", [0.9, 0.3, 0.02])
def test_a_mask_narrows_a_large_index(tmp_path: Path, share: float) -> None:
    """By way of the best of all, and by way of naming the few."""
    store = opened(tmp_path)
    store.apply(journal(*items(1, chance(8_000, longest=6))))
    store.settle()
    keep = np.random.default_rng(3).random(8_001) < share
    dense, scores = store.search("amber iris dune", keep=None, limit=8_000)
    hits = store.search("amber iris dune", keep=keep, limit=40)
    assert hits[0].tolist() == dense[keep[dense]][:40].tolist()
    np.testing.assert_array_equal(hits[1], scores[keep[dense]][:40])


def test_equal_documents_come_by_dense_id(tmp_path: Path) -> None:
    """However many there are, and wherever their segments lie."""
    store = opened(tmp_path, documents=70)
    store.apply(journal(*items(1, ["amber grove"] * 500)))
    store.settle()
    assert found(store, "amber", limit=7) == [1, 2, 3, 4, 5, 6, 7]
    assert found(store, "amber", keep=np.arange(501) > 300, limit=3) == [301, 302, 303]


def test_a_pasted_page_is_a_query(tmp_path: Path) -> None:
    """Its rarest words count; thousands of others cost nothing."""
    store = filled(tmp_path, *items(1, chance(50)), item(51, "zephyr"), item(52, " ".join(f"w{n}" for n in range(900))))
    page = " ".join(f"word{n}" for n in range(5_000)) + " zephyr " + " ".join(WORDS)
    assert found(store, page)[0] == 51
    assert found(store, " ".join(f"w{n}" for n in range(900))) == [52]


# What is shown, and when


def test_documents_are_gathered(tmp_path: Path) -> None:
    """`position` is what reads show: after so many documents, or when somebody asks."""
    store = opened(tmp_path, documents=10)
    store.apply(journal(*items(1, ["amber"] * 7)))
    assert (store.position, found(store, "amber")) == (0, [])
    store.apply(journal(*items(1, ["amber"] * 13)))
    assert (store.position, len(found(store, "amber", limit=99))) == (10, 10)
    store.settle()
    assert (store.position, len(found(store, "amber", limit=99))) == (13, 13)
    store.apply(journal(CatalogSet(True), after=13))
    assert store.position == 14


def test_records_are_applied_once(tmp_path: Path) -> None:
    """However often they are handed in, and never in part."""
    store = opened(tmp_path, documents=3)
    records = [Record(n, n, "ann", "Remember", tuple(items(5 * n, ["amber"] * 5))) for n in range(1, 9)]
    store.apply(records[:4])
    store.apply(records)
    store.close()
    store = opened(tmp_path)
    store.apply(records)
    assert (store.position, [row[0] for row in store.dump()]) == (8, list(range(5, 45)))


def test_an_idle_store_holds_no_writer(tmp_path: Path) -> None:
    """Writers hold megabytes and threads; the lock of a second one would say so."""
    before = threading.active_count()
    store = filled(tmp_path, *items(1, chance(50)))
    assert threading.active_count() == before
    twin = opened(tmp_path)
    twin.apply(journal(item(51, "amber"), after=50))
    twin.settle()
    assert store.position == 50


# On disk


def test_it_comes_back_as_it_was_closed(tmp_path: Path) -> None:
    """Also what was only gathered."""
    store = opened(tmp_path, documents=100)
    store.apply(journal(*items(1, chance(950))))
    store.close()
    again = opened(tmp_path)
    assert again.position == 950
    same(again, filled(tmp_path / "rebuilt", *items(1, chance(950))))


@settings(max_examples=20, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=70).map(" ".join), st.integers(0, 60)),
        min_size=1,
        max_size=40,
    ),
    commits=st.integers(1, 20),
    reopened=st.integers(5, 30),
)
def test_a_rebuilt_store_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], commits: int, reopened: int
) -> None:
    """Whenever commits, merges, erasures and restarts came: the same documents, and the same scores."""
    folder = tmp_path_factory.mktemp("t")
    events: list[Event] = []
    for dense, (text, erased) in enumerate(steps, 1):
        events.append(item(dense, text))
        if erased in range(1, dense):
            events.append(erasure(erased))
    records = journal(*events)
    live = opened(folder / "live", documents=commits)
    for at in range(0, len(records), reopened):
        live.apply(records[at : at + reopened])
        live.close()
        live = opened(folder / "live", documents=commits)
    assert live.position == len(records)
    same(live, filled(folder / "rebuilt", *events))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_texts as t
store = t.opened(Path(sys.argv[1]), documents=100)
seal = store._seal.write
def until(position):
    if position >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    seal(position)
store._seal.write = until
store.apply(t.journal(*t.items(1, t.chance(2_000))))
"""


@pytest.mark.parametrize(("killed_at", "restored"), [(100, 0), (300, 200), (800, 0), (900, 800), (1_700, 1_600)])
def test_a_kill_between_a_commit_and_its_seal(tmp_path: Path, killed_at: int, restored: int) -> None:
    """Returns to the seal before it; where that commit merged sealed files away, to nothing. Then it is replayed."""
    program = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent), str(killed_at)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run(program, env=environment, check=False).returncode == -signal.SIGKILL
    store = opened(tmp_path)
    assert store.position == restored
    assert len(store.dump()) == restored
    store.apply(journal(*items(1, chance(2_000))))
    store.close()
    same(opened(tmp_path), filled(tmp_path / "rebuilt", *items(1, chance(2_000))))


def test_a_spoiled_file_makes_the_store_void(tmp_path: Path) -> None:
    """One byte is enough; so is another tenant's name."""
    store = filled(tmp_path, *items(1, chance(50)))
    store.close()
    assert opened(tmp_path).position == 50
    data = next((tmp_path / "text").glob("*.idx"))
    data.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    store = opened(tmp_path)
    assert (store.position, store.dump(), list(tmp_path.iterdir())) == (0, [], [])
    store.apply(journal(*items(1, chance(50))))
    store.close()
    assert opened(tmp_path, tenant="another").position == 0


def test_a_commit_that_broke_off_is_not_sealed(tmp_path: Path) -> None:
    """Closing keeps the last seal; whoever held the lock is not named, nor Tantivy."""
    store = filled(tmp_path, item(1, "amber"))
    assert store._index
    other = store._index.writer(15_000_000, 1)
    store.apply(journal(item(2, "amber"), after=1))
    with pytest.raises(Unapplied, match=r"^the text index could not be written$"):
        store.settle()
    store.close()
    del other
    store = opened(tmp_path)
    assert (store.position, found(store, "amber")) == (1, [1])


def test_clear_forgets_everything(tmp_path: Path) -> None:
    store = filled(tmp_path, *items(1, chance(50)))
    store.clear()
    assert (store.position, store.dump(), found(store, "amber"), list(tmp_path.iterdir())) == (0, [], [], [])
    store.apply(journal(*items(1, chance(50))))
    store.settle()
    assert len(store.dump()) == 50


# Erasure


def test_what_is_erased_is_in_no_file(tmp_path: Path) -> None:
    """All versions of the item, words and stems; the others stay, and score as if it had never been."""
    texts = chance(900)
    events: list[Event] = [*items(1, texts)]
    events[400] = item(401, "the xylophone amber of Quetzalcoatl", tags=["zanzibar"])
    events[700] = item(701, "amber xylophones again", root=401)
    store = opened(tmp_path, documents=100)
    store.apply(journal(*events))
    store.settle()
    traces = [b"xylophon", b"uetzalcoatl"]
    assert all(any(trace in content for content in bytes_below(tmp_path)) for trace in traces)
    segments = {path.stem for path in (tmp_path / "text").glob("*.idx")}
    store.apply(journal(erasure(401), after=900))
    store.settle()
    assert not any(trace in content for trace in traces for content in bytes_below(tmp_path))
    # Dictionaries and stores are packed, so that bytes alone prove little: no file of the old segments is left.
    assert not segments & {path.stem for path in (tmp_path / "text").iterdir()}
    assert found(store, "xylophone quetzalcoatl zanzibar") == []
    assert opened(tmp_path).dump() == store.dump()
    rest = [event for event in events if isinstance(event, ItemRecorded) and event.root != 401]
    same(store, filled(tmp_path / "rebuilt", *rest))


def test_what_is_erased_before_its_commit_is_never_written(tmp_path: Path) -> None:
    store = filled(tmp_path, item(1, "amber"), item(2, "xylophone"), erasure(2))
    assert store.position == 3
    assert not any(b"xylophon" in content for content in bytes_below(tmp_path))
    assert [row[0] for row in store.dump()] == [1]


def test_erasing_the_only_document_leaves_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path, item(1, "xylophone"))
    store.apply(journal(erasure(1), after=1))
    store.close()
    assert not any(b"xylophon" in content for content in bytes_below(tmp_path))
    store = opened(tmp_path)
    assert (store.position, store.dump(), found(store, "xylophone")) == (2, [], [])
    store.apply(journal(item(2, "amber"), after=2))
    store.settle()
    assert found(store, "amber") == [2]


def test_reads_go_on_while_the_index_is_written_anew(tmp_path: Path) -> None:
    """A search sees the documents of one commit."""
    store = filled(tmp_path, *items(1, ["amber"] * 500))
    counts: set[int] = set()
    done = threading.Event()

    def reading() -> None:
        while not done.is_set():
            counts.add(len(found(store, "amber", limit=1_000)))

    reader = threading.Thread(target=reading)
    reader.start()
    for n in range(10):
        store.apply(journal(erasure(n + 1), after=500 + n))
        store.settle()
    done.set()
    reader.join()
    assert counts <= set(range(490, 501))
