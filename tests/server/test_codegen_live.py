"""A generated function of a live query, and a server that is killed under it."""

import asyncio
import importlib
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from memql.catalog import Catalog
from memql.codegen import Source, generated
from tests.server.served import Served, ask

ENDS = " \u2028\u2029\x85"
"""Characters that end a line for some, and not in JSON."""
TASKS = "// tasks :live\nMATCH (t:Task) RETURN t.title AS title"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The functions, as an application imports them."""
    folder = tmp_path / "made_live"
    folder.mkdir()
    for name, text in generated([Source("asked.memql", TASKS)], Catalog(), "python").files.items():
        (folder / name).write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module
    for name in [name for name in sys.modules if name.startswith("made_live")]:
        del sys.modules[name]


async def test_it_goes_on_when_the_server_was_killed(made: Any, tmp_path: Path) -> None:
    """Deltas only, each row once, whatever was written while nobody was told."""
    asked, over_http = made("made_live.asked"), made("made_live.over_http")
    served = Served(tmp_path / "data", **{"limits.live_gather_ms": 0})
    served.start()
    new = "mutation ($t: String!) { addTask(input: {title: $t}) { __typename } }"
    rows: dict[str, str] = {}
    told: list[str] = []
    begun = asyncio.Event()

    async def listen() -> None:
        async for change in asked.tasks(over_http.Http(served.url)):
            told.append(type(change).__name__)
            for each in change.rows if told[-1] == "Snapshot" else change.added:
                assert each.key not in rows
                rows[each.key] = each.row.title
            begun.set()

    try:
        async with httpx.AsyncClient(timeout=20) as http:
            await ask(http, served.url, new, t=f"0{ENDS}")
            listening = asyncio.create_task(listen())
            await begun.wait()
            for n in range(1, 13):
                if n % 5 == 0:
                    await asyncio.to_thread(served.kill)
                    await asyncio.to_thread(served.start)
                await ask(http, served.url, new, t=f"{n}{ENDS}")
            async with asyncio.timeout(30):
                while len(rows) < 13 and not listening.done():  # noqa: ASYNC110 - told by another task
                    await asyncio.sleep(0.05)
        assert sorted(rows.values()) == sorted(f"{n}{ENDS}" for n in range(13))
        assert told.count("Snapshot") == 1
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    finally:
        served.stop()


async def test_what_is_refused_is_raised(made: Any, tmp_path: Path) -> None:
    """A tenant that is not there will not be there by asking again."""
    asked, over_http, runtime = made("made_live.asked"), made("made_live.over_http"), made("made_live.runtime")
    served = Served(tmp_path / "data")
    served.start()
    try:
        with pytest.raises(runtime.Refused) as refused:
            async for _ in asked.tasks(over_http.Http(served.url, tenant="nobody")):
                pass
        assert refused.value.problems[0].code == "NOT_FOUND"
    finally:
        served.stop()


async def test_a_key_is_shown(made: Any, tmp_path: Path) -> None:
    """Where nobody is trusted for sitting here: in questions, and in what goes on."""
    asked, over_http, runtime = made("made_live.asked"), made("made_live.over_http"), made("made_live.runtime")
    served = Served(tmp_path / "data", **{"auth.local": "false"})
    served.start()
    try:
        token = (tmp_path / "data" / "admin.key").read_text().strip()
        http = over_http.Http(served.url, token=token)
        await http.write("REMEMBER (t:Task {title: 'sencha'})", {}, None)
        async with aclosing(asked.tasks(http)) as changes:
            assert [each.row.title for each in (await anext(changes)).rows] == ["sencha"]
        await http.close()
        http = over_http.Http(served.url)
        with pytest.raises(runtime.Refused) as refused:
            await http.rows("RETURN 1 AS n", {})
        await http.close()
        assert refused.value.problems[0].code == "UNAUTHENTICATED"
    finally:
        served.stop()
