"""Vectors: exact in memory, near enough on disk, the same after any crash, and gone when erased."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from engine.events import Event, ItemErased, ItemRecorded, Vector
from engine.limits import Limits
from engine.projection import Projection, Unapplied
from engine.records import Record
from engine.vectors import Vectors
from memql.errors import Refusal

Array = NDArray[np.float32]
Hits = tuple[NDArray[np.int64], NDArray[np.float32]]


def item(dense: int, vector: ArrayLike | None, root: int = 0, model: str = "m") -> ItemRecorded:
    """A version of a memory; its own first one unless `root` says otherwise."""
    data = None if vector is None else Vector(model, np.asarray(vector, "<f4").tobytes())
    root = root or dense
    return ItemRecorded(f"mem_{root}", root, dense, 1, 0, "Memory", "ann", "user", 0, vector=data)


def erasure(root: int) -> ItemErased:
    return ItemErased(f"mem_{root}", root, ())


def journal(*events: Event, after: int = 0) -> list[Record]:
    """One record an event."""
    return [Record(after + n, after + n, "ann", "Remember", (event,)) for n, event in enumerate(events, 1)]


def rows(first: int, vectors: Array, model: str = "m") -> list[ItemRecorded]:
    return [item(dense, vector, model=model) for dense, vector in enumerate(vectors, first)]


def chance(count: int, width: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


def clusters(count: int, width: int, of: int, seed: int = 1) -> Array:
    """Vectors round some centres, as embeddings lie."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((of, width))
    return (centres[np.arange(count) % of] + 0.9 * rng.standard_normal((count, width))).astype(np.float32)


def found(answer: Hits | Refusal) -> list[int]:
    assert not isinstance(answer, Refusal)
    return [int(dense) for dense in answer[0]]


def truth(vectors: Mapping[int, Array], query: Array, limit: int, keep: NDArray[np.bool_] | None = None) -> list[int]:
    """The nearest by cosine, the plain way: in float64, one by one."""
    scores = {
        dense: np.float32(np.dot(*(v.astype(float) / np.linalg.norm(v.astype(float)) for v in (vector, query))))
        for dense, vector in vectors.items()
        if keep is None or (dense < len(keep) and keep[dense])
    }
    return sorted(scores, key=lambda dense: (-scores[dense], dense))[:limit]


def opened(folder: Path, memory: int = 1 << 28, tenant: str = "t") -> Vectors:
    store = Vectors(folder, tenant=tenant, limits=Limits(vector_memory=memory))
    try:
        store.load()
    except Unapplied:
        store.clear()  # as its follower does, which then rebuilds it
    return store


def bytes_below(folder: Path) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in folder.rglob("*") if path.is_file())


# In memory


def test_it_is_a_projection(tmp_path: Path) -> None:
    """The follower drives it as it drives every store."""
    store: Projection = opened(tmp_path)
    assert (store.name, store.position) == ("vectors", 0)


whole = st.integers(-3, 3)


@settings(max_examples=40, deadline=None)
@given(
    vectors=st.lists(st.tuples(whole, whole, whole).filter(any), min_size=1, max_size=30),
    query=st.tuples(whole, whole, whole).filter(any),
    keep=st.none() | st.lists(st.booleans(), max_size=40),
    limit=st.integers(1, 12),
)
def test_search_finds_the_nearest(
    tmp_path_factory: pytest.TempPathFactory,
    vectors: list[tuple[int, int, int]],
    query: tuple[int, int, int],
    keep: list[bool] | None,
    limit: int,
) -> None:
    """By cosine, equal ones by dense id, whatever the mask; as many as qualify."""
    store = opened(tmp_path_factory.mktemp("t"))
    matrix = np.array(vectors, np.float32)
    store.apply(journal(*rows(1, matrix)))
    mask = None if keep is None else np.array(keep, bool)
    asked = np.array(query, np.float32)
    hits = store.search("m", asked, keep=mask, limit=limit)
    expected = store.scores("m", asked, np.array(truth(dict(enumerate(matrix, 1)), asked, limit, mask), np.int64))
    assert not isinstance(hits, Refusal)
    assert not isinstance(expected, Refusal)
    np.testing.assert_allclose(hits[1], expected, atol=1e-5)
    assert found(hits) == [int(hits[0][n]) for n in np.lexsort((hits[0], -hits[1]))]
    assert mask is None or all(mask[hits[0]])


@pytest.mark.parametrize("share", [1.0, 0.6, 0.05, 0.0])
def test_a_mask_narrows_the_search(tmp_path: Path, share: float) -> None:
    """Every way of applying it gives the plain answer."""
    vectors = chance(3_000, 16)
    store = opened(tmp_path)
    store.apply(journal(*rows(1, vectors)))
    keep = np.random.default_rng(2).random(3_001) < share
    query = chance(1, 16, seed=3)[0]
    hits = store.search("m", query, keep=keep, limit=20)
    assert found(hits) == truth(dict(enumerate(vectors, 1)), query, 20, keep)


def test_equal_vectors_come_by_dense_id(tmp_path: Path) -> None:
    """Wherever they lie in the matrix, and however many they are."""
    store = opened(tmp_path)
    same = np.tile(chance(1, 37), (1_003, 1))
    store.apply(journal(*rows(1, same)))
    assert found(store.search("m", chance(1, 37, seed=2)[0], keep=None, limit=7)) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("memory", [1 << 28, 0])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_what_is_alike_is_found_for_many_at_once(tmp_path: Path, memory: int, share: float) -> None:
    """Over a bound, the highest first and of equal ones the newest; the same for each query as for it alone."""
    matrix = np.repeat(clusters(300, 24, of=9), 2, axis=0)
    store = opened(tmp_path, memory)
    store.apply(journal(*rows(1, matrix)))
    store.seal()
    keep = np.random.default_rng(3).random(len(matrix) + 1) < share
    unit = (matrix / np.linalg.norm(matrix.astype(float), axis=1, keepdims=True)).astype(np.float32)
    together = store.alike("m", unit[:40], keep=keep, least=0.5, limit=5)
    for query, (denses, scores) in zip(unit[:40], together, strict=True):
        cosines = np.round(unit.astype(np.float64) @ query.astype(np.float64), 4)
        fitting = [dense for dense in range(1, len(matrix) + 1) if keep[dense] and cosines[dense - 1] > 0.5]
        assert denses.tolist() == sorted(fitting, key=lambda dense: (-cosines[dense - 1], -dense))[:5]
        np.testing.assert_allclose(scores, cosines[denses - 1], atol=1e-6)
        ((alone, same),) = store.alike("m", query[None], keep=keep, least=0.5, limit=5)
        assert (alone.tolist(), same.tolist()) == (denses.tolist(), scores.tolist())
    assert [len(denses) for denses, _ in store.alike("other", unit[:2], keep=None, least=0.5, limit=5)] == [0, 0]


def test_a_row_born_after_the_mask_is_not_in_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.apply(journal(*rows(1, np.ones((5, 2), np.float32))))
    assert found(store.search("m", np.ones(2, np.float32), keep=np.array([True, True, False, True]), limit=9)) == [1, 3]


def test_scores_are_cosines_in_the_order_asked(tmp_path: Path) -> None:
    """And 0 for what has no vector of that model."""
    store = opened(tmp_path)
    store.apply(journal(item(2, [3, 4]), item(3, None), item(5, [-6, 0])))
    scores = store.scores("m", np.array([2, 0], np.float32), np.array([5, 3, 2, 99, 0, 5]))
    assert not isinstance(scores, Refusal)
    np.testing.assert_allclose(scores, [-1, 0, 0.6, 0, 0, -1], atol=1e-6)


def test_models_are_kept_apart(tmp_path: Path) -> None:
    """Two models of one width, and one model of two widths; names may hold anything."""
    store = opened(tmp_path)
    odd = "ünïcode/../' OR 1=1 --"
    store.apply(journal(item(1, [1, 1]), item(2, [1, 1], model=odd), item(3, [1, 1, 1], model=odd), item(4, [1, 1])))
    store.close()
    store = opened(tmp_path)
    assert found(store.search("m", np.ones(2, np.float32), keep=None, limit=9)) == [1, 4]
    assert found(store.search(odd, np.ones(2, np.float32), keep=None, limit=9)) == [2]
    assert found(store.search(odd, np.ones(3, np.float32), keep=None, limit=9)) == [3]
    assert found(store.search("nobody's", np.ones(3, np.float32), keep=None, limit=9)) == []
    assert store.spaces() == {("m", 2): 2, (odd, 2): 1, (odd, 3): 1}


def test_a_query_of_another_width_is_refused(tmp_path: Path) -> None:
    """In our words, with what would fit."""
    store = opened(tmp_path)
    store.apply(journal(item(1, [1, 1]), item(2, [1, 1, 1])))
    refusal = store.search("m", np.ones(4, np.float32), keep=None, limit=1)
    assert isinstance(refusal, Refusal)
    assert str(refusal) == (
        "WRONG_WIDTH at vector: the query vector has 4 numbers; those of `m` have 2 or 3 "
        "(embed the query with the same model)"
    )
    assert isinstance(store.scores("m", np.ones(4, np.float32), np.array([1])), Refusal)


@pytest.mark.parametrize("query", [[0, 0], [np.nan, 1], [np.inf, 1]])
def test_a_query_without_direction_is_refused(tmp_path: Path, query: Sequence[float]) -> None:
    store = opened(tmp_path)
    store.apply(journal(item(1, [1, 1])))
    assert "NO_DIRECTION" in str(store.search("m", np.array(query, np.float32), keep=None, limit=1))


def test_records_are_applied_once(tmp_path: Path) -> None:
    """However often they are handed in; a row is shown at once."""
    store = opened(tmp_path)
    records = journal(*rows(1, chance(30, 4)))
    store.apply(records[:20])
    assert store.position == 20
    store.apply(records)
    store.apply(records)
    assert (store.position, len(store.dump())) == (30, 30)


def test_without_vectors_lance_stays_outside(tmp_path: Path) -> None:
    """It costs two seconds and 193 MB."""
    program = (
        "import sys; from pathlib import Path; from engine.limits import Limits; from engine.vectors import Vectors\n"
        "for _ in range(2):\n"
        "    store = Vectors(Path(sys.argv[1]), tenant='t', limits=Limits()); store.close()\n"
        "assert 'lancedb' not in sys.modules and 'pyarrow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


# On disk


def test_it_comes_back_as_it_was_closed(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.apply(journal(*rows(1, chance(2_500, 8))))
    before, query = store.dump(), chance(1, 8, seed=5)[0]
    answer = store.search("m", query, keep=None, limit=10)
    store.close()
    store = opened(tmp_path)
    assert (store.position, store.dump()) == (2_500, before)
    assert found(store.search("m", query, keep=None, limit=10)) == found(answer)


def test_a_rebuilt_store_is_the_same(tmp_path: Path) -> None:
    """Applied one by one and reopened between, or all at once: the same rows to the bit, and the same answers."""
    records = journal(*rows(1, chance(700, 8)), erasure(5), erasure(650), *rows(701, chance(500, 8, seed=2)))
    live = opened(tmp_path / "live")
    for at in range(0, len(records), 90):
        live.apply(records[at : at + 90])
        live.close()
        live = opened(tmp_path / "live")
    rebuilt = opened(tmp_path / "rebuilt")
    rebuilt.apply(records)
    assert live.dump() == rebuilt.dump()
    query = chance(1, 8, seed=3)[0]
    one, other = (store.search("m", query, keep=None, limit=50) for store in (live, rebuilt))
    assert not isinstance(one, Refusal)
    assert not isinstance(other, Refusal)
    assert one[0].tolist() == other[0].tolist()
    np.testing.assert_allclose(one[1], other[1], atol=1e-5)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_vectors as t
store = t.opened(Path(sys.argv[1]))
records = t.journal(*t.rows(1, t.chance(4_000, 8)), t.item(4_001, t.chance(1, 5)[0], model="late"), t.erasure(3))
store.apply(records[:1_500])
store.seal()
store.apply(records[1_500:int(sys.argv[3])])
for space in store._spaces.values():
    space.store()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("killed_at", "restored"), [(4_001, 1_500), (4_002, 4_002)])
def test_a_kill_returns_to_the_seal(tmp_path: Path, killed_at: int, restored: int) -> None:
    """What was appended, or begun, after it is removed and applied anew. An erasure is sealed at once."""
    program = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent), str(killed_at)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run(program, env=environment, check=False).returncode == -signal.SIGKILL
    store = opened(tmp_path)
    assert store.position == restored
    records = journal(*rows(1, chance(4_000, 8)), item(4_001, chance(1, 5)[0], model="late"), erasure(3))
    store.apply(records)
    rebuilt = opened(tmp_path / "rebuilt")
    rebuilt.apply(records)
    assert store.dump() == rebuilt.dump()
    store.close()
    assert opened(tmp_path).dump() == rebuilt.dump()


def test_a_spoiled_file_makes_the_store_void(tmp_path: Path) -> None:
    """One byte is enough; so is another tenant's name."""
    store = opened(tmp_path)
    store.apply(journal(*rows(1, chance(50, 8))))
    store.close()
    assert opened(tmp_path).position == 50
    data = next((tmp_path / "vectors").rglob("data/*.lance"))
    data.write_bytes(bytes([data.read_bytes()[0] ^ 1]) + data.read_bytes()[1:])
    store = opened(tmp_path)
    assert (store.position, store.dump()) == (0, [])
    store.apply(journal(*rows(1, chance(50, 8))))
    store.close()
    assert opened(tmp_path, tenant="another").position == 0


def test_a_store_that_broke_off_is_not_sealed(tmp_path: Path) -> None:
    """Closing it keeps the last seal, so that nothing is applied twice."""
    store = opened(tmp_path)
    store.apply(journal(item(1, [1, 1])))
    store.seal()
    with pytest.raises(Unapplied, match="no direction"):
        store.apply(journal(item(2, [1, 1]), item(3, [0, 0, 0]), after=1))
    store.close()
    store = opened(tmp_path)
    assert (store.position, [row[0] for row in store.dump()]) == (1, [1])


def test_clear_forgets_everything(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.apply(journal(*rows(1, chance(50, 8))))
    store.seal()
    store.clear()
    assert (store.position, store.dump(), list(tmp_path.iterdir())) == (0, [], [])
    store.apply(journal(*rows(1, chance(50, 8))))
    assert len(store.dump()) == 50


# Beyond the memory


def test_the_largest_spaces_go_to_disk(tmp_path: Path) -> None:
    """The others stay, also after opening again; all answer alike."""
    vectors = chance(1_200, 16)
    store = opened(tmp_path, memory=40_000)
    store.apply(journal(*rows(1, chance(500, 16), model="small"), *rows(501, vectors, model="large")))
    query = chance(1, 16, seed=2)[0]
    for _ in range(2):
        resident = {model: space.resident for (model, _), space in store._spaces.items()}
        assert resident == {"small": True, "large": False}
        hits = store.search("large", query, keep=None, limit=10)
        assert found(hits) == truth(dict(enumerate(vectors, 501)), query, 10)
        store.close()
        store = opened(tmp_path, memory=40_000)
    store.apply(journal(item(1_701, query, model="large"), after=1_700))
    assert found(store.search("large", query, keep=None, limit=1)) == [1_701]
    scores = store.scores("large", query, np.array([1_701, 600, 3, 501]))
    assert not isinstance(scores, Refusal)
    expected = vectors[[99, 0]] @ query / np.linalg.norm(vectors[[99, 0]], axis=1) / np.linalg.norm(query)
    np.testing.assert_allclose(scores, [1, expected[0], 0, expected[1]], atol=1e-5)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Array]:
    """30,000 clustered vectors, indexed, and 300 behind the index."""
    folder, vectors = tmp_path_factory.mktemp("large"), clusters(30_300, 48, of=150)
    store = opened(folder, memory=0)
    records = journal(*rows(1, vectors))
    store.apply(records[:30_000])
    store.apply(records[30_000:])
    store.close()
    return folder, vectors


@pytest.mark.parametrize("share", [1.0, 0.5, 0.05, 0.005])
def test_the_index_finds_nearly_all(large: tuple[Path, Array], share: float) -> None:
    """A recall of 0.95 at least, whatever share of the rows the mask keeps; and always as many as were asked for."""
    folder, vectors = large
    store = opened(folder, memory=0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    keep = np.random.default_rng(7).random(len(vectors) + 1) < share
    recalls = []
    for query in clusters(20, 48, of=150, seed=1)[:20] + 0.3 * chance(20, 48):
        scores = np.where(keep[1:], unit @ query, -9)
        nearest = set((np.argsort(-scores)[:50] + 1).tolist())
        hits = found(store.search("m", query, keep=keep, limit=50))
        assert len(hits) == 50
        assert keep[hits].all()
        recalls.append(len(nearest & set(hits)) / 50)
    assert np.mean(recalls) >= 0.95


def test_a_mask_of_what_lies_far_off_is_still_met(large: tuple[Path, Array]) -> None:
    """Here the index names nothing that qualifies, so all that does is scored."""
    folder, vectors = large
    store = opened(folder, memory=0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    query = unit[17]
    far = unit @ query < np.quantile(unit @ query, 0.1)
    hits = found(store.search("m", query, keep=np.concatenate([[False], far]), limit=30))
    assert hits == truth({n: vectors[n - 1] for n in range(1, len(vectors) + 1) if far[n - 1]}, query, 30)


# Erasure


@pytest.mark.parametrize("memory", [1 << 28, 0])
def test_what_is_erased_is_in_no_file(tmp_path: Path, memory: int) -> None:
    """All versions of the item, the moment that the record is applied; the others stay."""
    vectors = chance(2_000, 24)
    store = opened(tmp_path, memory)
    secret, revised = vectors[10], vectors[1_500]
    events = rows(1, vectors)
    events[1_500] = item(1_501, revised, root=11)
    store.apply(journal(*events))
    store.seal()
    traces = [(v / np.linalg.norm(v.astype(float))).astype("<f4").tobytes()[16:64] for v in (secret, revised)]
    present = [sum(trace in content for content in bytes_below(tmp_path)) for trace in traces]
    assert present == [1, 1]
    store.apply(journal(erasure(11), after=2_000))
    assert not any(trace in content for trace in traces for content in bytes_below(tmp_path))
    left = {n: v for n, v in enumerate(vectors, 1) if n not in (11, 1_501)}
    assert [row[0] for row in store.dump()] == sorted(left)
    for query in (secret, revised):
        assert found(store.search("m", query, keep=None, limit=10)) == truth(left, query, 10)
    assert opened(tmp_path, memory).dump() == store.dump()


def test_erasing_the_only_row_leaves_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.apply(journal(item(1, [1, 1])))
    store.seal()
    store.apply(journal(erasure(1), item(2, [1, 1], model="other"), after=1))
    assert found(store.search("m", np.ones(2, np.float32), keep=None, limit=5)) == []
    store.apply(journal(item(3, [1, 1]), after=3))
    store.close()
    assert [row[:2] for row in opened(tmp_path).dump()] == [(2, "other"), (3, "m")]


def test_reads_go_on_while_files_are_replaced(tmp_path: Path) -> None:
    """A read whose files are taken away is done again; it never fails and never shows what was erased."""
    vectors = clusters(21_000, 8, of=20)
    store = opened(tmp_path, memory=0)
    store.apply(journal(*rows(1, vectors[:20_500])))
    wrong: list[object] = []
    done = threading.Event()

    def reading() -> None:
        while not done.is_set():
            try:
                hits = found(store.search("m", vectors[3], keep=None, limit=20))
                if len(hits) != 20 or len(set(hits)) != 20:
                    wrong.append(hits)
            except Exception as error:
                wrong.append(error)

    readers = [threading.Thread(target=reading) for _ in range(2)]
    for reader in readers:
        reader.start()
    for n in range(5):
        store.apply(journal(*rows(20_501 + 100 * n, vectors[:100]), erasure(100 + n), after=store.position))
        store.seal()
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert not {100, 101, 102, 103, 104} & {row[0] for row in store.dump()}
