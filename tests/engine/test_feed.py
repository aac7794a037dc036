"""The feed: every record once and in order, from any position on, however slow the reader and whoever writes."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.clock import SystemClock
from engine.commands import EraseItem, Principal, Remember
from engine.events import ItemRecorded
from engine.limits import Limits
from engine.records import Receipt, Record
from engine.tenant import Tenant

ME = Principal("usr_me")


@contextmanager
def tenant(path: Path, limits: Limits | None = None) -> Iterator[Tenant]:
    opened = Tenant.open("t", path, clock=SystemClock(), limits=limits or Limits())
    assert isinstance(opened, Tenant)
    try:
        yield opened
    finally:
        opened.close()


def note(tenant: Tenant, text: str) -> Receipt:
    receipt = tenant.write_now(Remember(text=text), ME)
    assert isinstance(receipt, Receipt)
    return receipt


async def taken(tenant: Tenant, after: int | None, upto: int, pause: float = 0.0) -> list[Record]:
    found = []
    async with aclosing(tenant.feed(after)) as feed:
        async for record in feed:
            assert isinstance(record, Record)
            found.append(record)
            if record.position >= upto:
                break
            if pause:
                await asyncio.sleep(pause)
    return found


async def test_the_feed_goes_on_from_any_position(tmp_path: Path) -> None:
    """What was there is read from the journal, what comes is told, and nothing comes twice."""
    with tenant(tmp_path, Limits(apply_records=3)) as opened:
        for n in range(10):
            note(opened, f"n{n}")
        readers = [asyncio.create_task(taken(opened, after, 20)) for after in (0, 4, 9, 10, 15)]
        for n in range(10, 20):
            await asyncio.to_thread(note, opened, f"n{n}")
        for after, records in zip((0, 4, 9, 10, 15), await asyncio.gather(*readers), strict=True):
            assert [record.position for record in records] == list(range(after + 1, 21))


async def test_a_reader_without_a_position_is_told_what_comes(tmp_path: Path) -> None:
    """It begins where the tenant is."""
    with tenant(tmp_path) as opened:
        note(opened, "before")
        reader = asyncio.create_task(taken(opened, None, 2))
        await asyncio.sleep(0)
        await asyncio.to_thread(note, opened, "after")
        assert [record.position for record in await reader] == [2]


async def test_what_is_told_can_be_read(tmp_path: Path) -> None:
    """A read that begins when a record is told sees it, without waiting."""
    with tenant(tmp_path) as opened:
        async with aclosing(opened.feed()) as feed:
            told = asyncio.ensure_future(anext(feed))
            await asyncio.sleep(0)
            writing = asyncio.create_task(asyncio.to_thread(note, opened, "tea"))
            record = await told
            assert isinstance(record, Record)
            assert opened.read_now(lambda reader: reader.position, ME, wait_ms=0) == record.position
            await writing


async def test_what_was_erased_is_told_to_nobody(tmp_path: Path) -> None:
    """A reader behind the erasure gets the record without its content, although it is still remembered whole."""
    with tenant(tmp_path) as opened:
        (id_, *_) = note(opened, "a secret").ids
        note(opened, "tea")
        assert isinstance(opened.write_now(EraseItem(id=id_), ME), Receipt)
        first, second, _ = await taken(opened, 0, 3)
        assert [e.properties for e in first.events if isinstance(e, ItemRecorded)] == [{}]
        assert [e.properties["text"] for e in second.events if isinstance(e, ItemRecorded)] == ["tea"]


async def test_closing_ends_the_feed(tmp_path: Path) -> None:
    """Who waits is let go, and no task is left."""
    with tenant(tmp_path) as opened:
        reader = asyncio.create_task(taken(opened, None, 99))
        await asyncio.sleep(0.01)
    assert await asyncio.wait_for(reader, 5) == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0.0, 0.0005])), min_size=1, max_size=4),
    st.integers(1, 5),
)
def test_nothing_is_lost_or_doubled(groups: list[int], readers: list[tuple[int, float]], step: int) -> None:
    """For any groups of commits, and readers that begin anywhere and are slow or not."""

    async def go(opened: Tenant) -> None:
        upto = sum(groups)
        tasks = [
            asyncio.create_task(taken(opened, after, upto, pause)) for after, pause in readers if after < upto
        ]  # fmt: skip
        for size in groups:
            receipts = await asyncio.gather(*(opened.write(Remember(text=f"n{n}"), ME) for n in range(size)))
            assert all(isinstance(each, Receipt) for each in receipts)
        for (after, _), records in zip(
            [each for each in readers if each[0] < upto], await asyncio.gather(*tasks), strict=True
        ):
            assert [record.position for record in records] == list(range(after + 1, upto + 1))

    with tempfile.TemporaryDirectory() as folder, tenant(Path(folder) / "t", Limits(apply_records=step)) as opened:
        asyncio.run(go(opened))
