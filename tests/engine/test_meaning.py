"""Texts are embedded as they are written, by the tenant's model, and by nobody else's."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.clock import SystemClock
from engine.commands import (
    AddItem,
    AddTask,
    Command,
    DeclareKind,
    DeriveInsight,
    Embedding,
    EventInput,
    NameEntity,
    PropertyInput,
    RecordEvents,
    Remember,
    ReviseItem,
    SetGoal,
)
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant
from memql.errors import Refusal
from tests.engine.conftest import ME
from tests.engine.embedders import OUT, WordHashes

LIMITS = Limits(text_commit_ms=0, graph_gather_ms=0)


@pytest.fixture
def embedder() -> WordHashes:
    return WordHashes()


@pytest.fixture
def tenant(tmp_path: Path, embedder: WordHashes) -> Iterator[Tenant]:
    opened = Tenant.open("t", tmp_path, clock=SystemClock(), limits=LIMITS, embedder=embedder)
    assert isinstance(opened, Tenant), opened
    yield opened
    opened.close()


@pytest.fixture
def write(tenant: Tenant) -> Callable[..., str]:
    """Writes what must succeed; gives the first id."""

    def written(command: Command, key: str | None = None) -> str:
        answer = tenant.write_now(command, ME, key)
        assert isinstance(answer, Receipt), answer
        return answer.ids[0] if answer.ids else ""

    return written


def held(tenant: Tenant) -> list[tuple[int, str, bytes]]:
    assert tenant.settled(20)
    return tenant.vectors.dump()


def test_what_is_found_by_its_meaning_is_embedded(
    tenant: Tenant, embedder: WordHashes, write: Callable[..., str]
) -> None:
    """Memories, insights, goals, tasks and kinds of one's own that have a text; not events, entities, or new tags."""
    memory = write(Remember(text="Ada drinks tea"))
    write(DeriveInsight(text="tea is liked"))
    write(SetGoal(title="buy tea"))
    write(AddTask(title="go to the shop"))
    write(DeclareKind(name="Paper", text="title", properties=(PropertyInput(name="title", type="string"),)))
    write(AddItem(kind="Paper", properties={"title": "On tea"}))
    write(RecordEvents(stream="s", events=(EventInput(content="hello"),)))
    write(NameEntity(name="Ada"))
    write(ReviseItem(id=memory, set={"text": "Ada drinks coffee"}))
    write(ReviseItem(id=memory, set={"tags": ["taste"]}))
    texts = ["Ada drinks tea", "tea is liked", "buy tea", "go to the shop", "On tea", "Ada drinks coffee"]
    assert embedder.calls == [[text] for text in texts]
    rows = held(tenant)
    assert {model for _, model, _ in rows} == {"word-hashes"}
    assert [dense for dense, _, _ in rows] == [1, 2, 3, 4, 5, 9, 10]
    assert rows[-1][2] == rows[-2][2]
    expected = embedder.embed(["Ada drinks coffee"])
    assert not isinstance(expected, Refusal)
    assert np.allclose(np.frombuffer(rows[-1][2], np.float32), expected[0], atol=1e-6)


def test_a_vector_that_is_given_is_kept(tenant: Tenant, embedder: WordHashes, write: Callable[..., str]) -> None:
    write(Remember(text="tea", embedding=Embedding(model="mine", vector=(1.0, 0.0))))
    assert embedder.calls == []
    assert [model for _, model, _ in held(tenant)] == ["mine"]


async def test_what_cannot_be_embedded_is_not_written(tenant: Tenant, embedder: WordHashes) -> None:
    """Through either door; the refusal is the embedder's own, and nothing is recorded."""
    embedder.fails = OUT
    assert tenant.write_now(Remember(text="tea"), ME) == OUT
    assert await tenant.write(Remember(text="tea"), ME) == OUT
    assert tenant.position == 0
    embedder.fails = None
    assert isinstance(await tenant.write(Remember(text="tea"), ME), Receipt)
    assert len(held(tenant)) == 1


def test_what_cannot_be_written_is_not_embedded(tenant: Tenant, embedder: WordHashes) -> None:
    """It is refused for its own reason."""
    for text, code in ((" ", "EMPTY"), ("nul\x00", "INVALID_TYPE"), ("x" * 100_001, "LIMIT_EXCEEDED")):
        refused = tenant.write_now(Remember(text=text), ME)
        assert isinstance(refused, Refusal)
        assert refused.problems[0].code == code
    assert embedder.calls == []


def test_the_same_text_again_changes_nothing(tenant: Tenant, write: Callable[..., str]) -> None:
    """Also when it was embedded once more; and a key repeated is the first receipt."""
    memory = write(Remember(text="tea"), "k")
    assert write(Remember(text="tea"), "k") == memory
    refused = tenant.write_now(ReviseItem(id=memory, set={"text": "tea"}), ME)
    assert isinstance(refused, Refusal)
    assert refused.problems[0].code == "NOTHING_TO_CHANGE"
