"""Health: what is alive, what is ready, and what is said of that which is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.embed.minilm import MiniLM
from memql.errors import Refusal


async def test_alive(caller: Any) -> None:
    """The process answers, whatever its tenants do."""
    answer = await caller.http.get("/livez")
    assert (answer.status_code, answer.json()["status"]) == (200, "alive")


async def test_ready_names_every_store(caller: Any) -> None:
    """Each open tenant with the position of its journal, and how far each of its stores is."""
    assert (await caller.http.get("/readyz")).json()["tenants"] == {}
    receipt = await caller.do("remember", text="tea")
    await caller.ask('{ search(input: {text: "tea", atLeast: 1}) { position } }')
    answer = await caller.http.get("/readyz")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["reasons"], body["graph_engine"]) == ("ready", [], "kuzu")
    tenant = body["tenants"]["default"]
    assert tenant["position"] == receipt["position"]
    assert tenant["stores"].keys() == {"graph", "vectors", "texts"}
    assert tenant["stores"]["texts"] == {"phase": "following", "position": 1, "lag": 0}


async def test_ready_names_the_embedder(serving: Callable[..., Any]) -> None:
    """None, with what to do where one is wanted; or its model, and whether it can embed."""
    async with serving(embedder="none") as caller:
        body = (await caller.http.get("/readyz")).json()
    assert body["embedder"] == {"model": None, "state": "none", "problem": None}
    async with serving() as caller:
        told = (await caller.http.get("/readyz")).json()["embedder"]
    assert (told["model"], told["state"]) == (None, "none")
    assert "memql embedder install" in told["problem"]


async def test_an_embedder_that_failed_is_a_reason(serving: Callable[..., Any], tmp_path: Path) -> None:
    """What is written would be refused, so whoever watches is told."""
    lost = MiniLM(tmp_path / "nowhere")
    assert isinstance(lost.embed(["tea"]), Refusal)
    async with serving(model=lost) as caller:
        answer = await caller.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["embedder"]["state"] == "failed"
        assert answer.json()["reasons"][0].startswith(f"embedder `{lost.model}`")


async def test_a_damaged_tenant_is_a_reason(serving: Callable[..., Any], tmp_path: Path) -> None:
    """It is refused in words, other tenants go on, and who watches is told."""
    async with serving() as caller:
        await caller.do("remember", text="tea")
    (tmp_path / "data" / "tenants" / "default" / "journal.db").unlink()
    async with serving() as caller:
        (error,) = await caller.errors("{ position }")
        assert error["extensions"]["code"] == "JOURNAL_LOST"
        assert "memql recover --tenant default" in error["extensions"]["problems"][0]["hint"]
        refused = await caller.refused("remember", text="more tea")
        assert refused["__typename"] == "Unavailable"
        answer = await caller.http.get("/readyz")
        assert answer.status_code == 503
        (reason,) = answer.json()["reasons"]
        assert "tenant `default`" in reason
        assert (await caller.post("mutation { setCatalog(input: {open: true}) { __typename } }", "other")).json()
