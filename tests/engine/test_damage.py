"""Damage to the journal, its log and its head: what is opened afterwards is right, or it is refused with positions.

The bytes of the last records are flipped and the files cut. By default a sample of the places, with
MEMQL_EVERY_BYTE=1 each of them (some minutes).
"""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.commands import (
    AddTask,
    DeclareKind,
    EventInput,
    FoldState,
    Link,
    PropertyInput,
    RecordEvents,
    Remember,
    ReviseItem,
    StateInput,
)
from engine.events import LossAccepted
from engine.journal import UNREADABLE
from engine.limits import Limits
from engine.records import Record, unseal
from engine.recovery import Damaged, accept_loss, open_journal, rebuild_index, verify
from engine.tenant import declared_catalog
from tests.engine.conftest import Ledger, SteppingClock

EVERY = os.environ.get("MEMQL_EVERY_BYTE") == "1"
SAMPLE = 60
"""Places tried in each file unless every one is asked for."""


def fill(ledger: Ledger) -> None:
    """A little of everything that the index shows."""
    for n in range(6):
        events = tuple(EventInput(content=f"event {n}.{m}", external_key=f"{n}.{m}") for m in range(3))
        receipt = ledger.write(RecordEvents(stream="chat", events=events), key=f"events {n}")
        link = Link(kind="DERIVED_FROM", target=receipt.ids[0], weight=n / 7)
        memory = ledger.write(Remember(text=f"memory {n}", links=(link,), external_key=f"m{n}"), key=f"memory {n}")
        ledger.write(ReviseItem(id=memory.ids[0], set={"text": f"memory {n}, again"}))
    ledger.write(DeclareKind(name="Paper", properties=(PropertyInput(name="year", type="integer"),)), key="kind")
    ledger.write(FoldState(items=(StateInput(id=memory.ids[0], set={"activation": 0.5}, add={"access_count": 3}),)))
    ledger.write(AddTask(title="the last one"), key="task")


def truth(ledger: Ledger) -> object:
    """Everything that a reader or a writer may ask of the journal and its index."""
    items = ledger.index.items(range(1, ledger.columns.count))
    relations = ledger.index.relations(range(1, ledger.adjacency.count))
    records = [unseal(sealed) for sealed in ledger.journal.read(0, 1_000)]
    assert all(isinstance(record, Record) for record in records), "a damaged record was read as if it were sound"
    by_id = (
        [ledger.index.item(item.id) for item in items.values()],
        [ledger.index.relation(r.id) for r in relations.values()],
    )
    keys = [
        ledger.index.keyed(f"Event/{item.stream}", str(item.properties.get("external_key"))) for item in items.values()
    ]
    asked = [ledger.index.asked(record.key) for record in records if isinstance(record, Record) and record.key]
    columns = [ledger.columns.column(name).tolist() for name in ("root", "born", "died", "kind", "owner")]
    names = declared_catalog(ledger.index, ledger.journal), ledger.columns.state
    return items, relations, records, by_id, keys, asked, columns, names, ledger.journal.position


@pytest.fixture(scope="module", params=["closed", "killed"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    """The files of a tenant as a clean close and as a kill leave them, and what they hold."""
    directory = tmp_path_factory.mktemp("world")
    ledger = Ledger(directory, SteppingClock(), Limits())
    fill(ledger)
    held = truth(ledger)
    copy = tmp_path_factory.mktemp(request.param)
    if request.param == "closed":
        ledger.close()
    for path in directory.iterdir():
        if not path.name.endswith("-shm"):
            shutil.copy(path, copy / path.name)
    ledger.close()
    return copy, held


def opened(directory: Path) -> Ledger | Damaged:
    """As a tenant is opened: an index that does not fit its records is derived anew."""
    for _ in range(2):
        found = open_journal(directory, SteppingClock())
        if isinstance(found, Damaged):
            return found
        found[0].close()
        try:
            return Ledger(directory, SteppingClock(), Limits())
        except UNREADABLE:
            if damaged := rebuild_index(directory):
                return damaged
    raise AssertionError("an index derived anew does not fit")


def check(directory: Path, held: object) -> str:
    """Right, or refused: which of the two."""
    found = opened(directory)
    if isinstance(found, Damaged):
        assert found.witnessed or found.held, found
        assert "sqlite" not in str(found).lower()
        return found.code
    try:
        assert truth(found) == held
        return "RIGHT"
    except UNREADABLE:
        found.close()
        assert rebuild_index(directory) is None
        mended = opened(directory)
        assert isinstance(mended, Ledger)
        assert truth(mended) == held
        mended.close()
        return "FOUND_WHEN_READ"
    finally:
        found.close()


def places(path: Path, step: int | None = None) -> Iterator[int]:
    size = path.stat().st_size
    yield from range(0, size, 1 if EVERY else step or max(1, size // SAMPLE))


@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "journal.head"])
@pytest.mark.parametrize("how", ["flip", "cut"])
def test_damage_is_found_or_harmless(world: tuple[Path, object], tmp_path: Path, name: str, how: str) -> None:
    source, held = world
    if not (source / name).exists():
        pytest.skip("a clean close leaves no such file")
    seen = Counter[str]()
    for at in places(source / name):
        directory = tmp_path / "try"
        shutil.copytree(source, directory)
        data = bytearray((directory / name).read_bytes())
        if how == "flip":
            data[at] ^= 1 << at % 8
        else:
            del data[at:]
        (directory / name).write_bytes(data)
        seen[check(directory, held)] += 1
        shutil.rmtree(directory)
    sys.stderr.write(f"{name} {how}: {dict(seen)}\n")


@pytest.mark.parametrize("name", ["journal.db", "journal.head"])
def test_a_file_that_is_gone_is_missed(world: tuple[Path, object], tmp_path: Path, name: str) -> None:
    directory = tmp_path / "try"
    shutil.copytree(world[0], directory)
    (directory / name).unlink()
    found = open_journal(directory, SteppingClock())
    assert isinstance(found, Damaged)
    assert found.code == {"journal.db": "JOURNAL_LOST", "journal.head": "HEAD_LOST"}[name]


def test_an_older_copy_of_the_journal_is_refused_with_both_positions(
    open_ledger: Callable[..., Ledger], tmp_path: Path
) -> None:
    """An older copy of the head is harmless: the journal is ahead of it."""
    ledger = open_ledger()
    ledger.write(AddTask(title="a"))
    ledger = ledger.reopened()
    old = {name: (ledger.directory / name).read_bytes() for name in ("journal.db", "journal.head")}
    ledger.write(AddTask(title="b"))
    ledger.close()
    new = {name: (ledger.directory / name).read_bytes() for name in old}
    (ledger.directory / "journal.head").write_bytes(old["journal.head"])
    ledger = open_ledger()
    assert ledger.journal.position == 2
    ledger.close()
    (ledger.directory / "journal.head").write_bytes(new["journal.head"])
    (ledger.directory / "journal.db").write_bytes(old["journal.db"])
    found = open_journal(ledger.directory, SteppingClock())
    assert isinstance(found, Damaged)
    assert (found.code, found.held, found.witnessed) == ("RECORDS_LOST", 1, 2)


def test_another_tenants_head_is_refused(open_ledger: Callable[..., Ledger]) -> None:
    one, other = open_ledger(name="one"), open_ledger(name="other")
    other.clock.entropy(8)
    one.write(AddTask(title="a"))
    other.write(AddTask(title="a"))
    one.close()
    other.close()
    shutil.copy(other.directory / "journal.db", one.directory / "journal.db")
    found = open_journal(one.directory, SteppingClock())
    assert isinstance(found, Damaged)
    assert found.code in ("HEAD_FOREIGN", "RECORDS_CHANGED")


def test_going_on_after_a_loss_is_recorded(open_ledger: Callable[..., Ledger]) -> None:
    """The evidence is kept, what is left is whole, and no lost position is given again."""
    ledger = open_ledger()
    fill(ledger)
    position = ledger.journal.position
    live = (ledger.directory / "journal.db-wal").read_bytes()
    ledger.close()
    ledger = open_ledger(name="cut")
    fill(ledger)
    wal = bytearray((ledger.directory / "journal.db-wal").read_bytes())
    directory = ledger.directory.parent / "damaged"
    directory.mkdir()
    for name in ("journal.db", "journal.head"):
        shutil.copy(ledger.directory / name, directory / name)
    ledger.close()
    assert len(live) == len(wal)
    wal[len(wal) * 3 // 4] ^= 1
    (directory / "journal.db-wal").write_bytes(wal)
    found = open_journal(directory, SteppingClock())
    assert isinstance(found, Damaged)
    assert found.code == "RECORDS_LOST"
    assert found.witnessed == position
    done = accept_loss(directory, SteppingClock(), "usr_admin")
    assert (done.kept, done.lost) == (found.held, position)
    assert (done.evidence / "journal.db-wal").read_bytes() == wal
    mended = open_ledger(name="damaged")
    assert mended.journal.position == position + 1
    receipt = mended.write(AddTask(title="after it"))
    assert receipt.position == position + 2
    last = unseal(mended.journal.read(position, 1)[0])
    assert isinstance(last, Record)
    assert last.events == (LossAccepted(found.held, position, ()),)
    assert mended.index.item("task_?") is None
    mended.close()
    assert verify(directory).sound
    open_ledger(name="damaged").close()


def test_a_spoiled_record_is_named_and_its_neighbours_are_kept(open_ledger: Callable[..., Ledger]) -> None:
    """`verify` names the first bad position; `accept_loss` loses that content and nothing else."""
    ledger = open_ledger()
    fill(ledger)
    ledger.journal.db.execute(
        "UPDATE records SET frames = CAST(replace(frames, 'event 1.0', 'event 9.9') AS BLOB) WHERE position = 4"
    )
    position = ledger.journal.position
    ledger.close()
    found = verify(ledger.directory)
    assert found.damage
    assert found.damage.position == 4
    refused = open_journal(ledger.directory, SteppingClock())
    assert isinstance(refused, Damaged)
    assert refused.code == "RECORD_DAMAGED"
    done = accept_loss(ledger.directory, SteppingClock(), "usr_admin")
    assert (done.kept, done.lost, done.spoiled) == (position, position, (4,))
    mended = open_ledger()
    assert [item.erased for item in mended.index.items([4, 5, 6, 7, 8]).values()].count(True) == 1
    mended.close()
    assert verify(ledger.directory).sound


def test_a_header_that_was_changed_breaks_the_chain(open_ledger: Callable[..., Ledger]) -> None:
    ledger = open_ledger()
    fill(ledger)
    ledger.journal.db.execute(
        "UPDATE records SET header = CAST(replace(header, 'usr_me', 'usr_it') AS BLOB) WHERE position = 3"
    )
    ledger.close()
    found = verify(ledger.directory)
    assert found.damage
    assert found.damage.position == 3
    assert accept_loss(ledger.directory, SteppingClock(), "usr_admin").kept == 2


def test_a_record_that_is_missing_is_named(open_ledger: Callable[..., Ledger]) -> None:
    ledger = open_ledger()
    fill(ledger)
    ledger.journal.db.execute("DELETE FROM records WHERE position = 5")
    ledger.close()
    found = verify(ledger.directory)
    assert found.damage
    assert found.damage.position in (5, 6)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM ids WHERE id LIKE 'task%'",
        "UPDATE ids SET root = 1 WHERE id LIKE 'task%'",
        "DELETE FROM keys",
        "DELETE FROM externals",
        "UPDATE items SET body = replace(body, 'event', 'evenT')",
        "UPDATE items SET owner = 1 WHERE dense = 4",
        "UPDATE relations SET weight = 0.5 WHERE row = 2",
        "DELETE FROM relations WHERE row = 3",
        "DELETE FROM items WHERE dense = 9",
        "DROP INDEX versions",
        "DELETE FROM codes WHERE code = 2",
        "UPDATE declarations SET position = 3",
        "UPDATE state SET value = 4",
        "UPDATE codes SET name = 'Uask' WHERE name = 'Task'",
        "UPDATE ids SET current = current - 1 WHERE root < current",
        "UPDATE externals SET root = 3 WHERE key = '2.1'",
        "UPDATE keys SET position = 2 WHERE position = 1",
    ],
)
def test_the_index_is_derived_anew_where_it_is_damaged(open_ledger: Callable[..., Ledger], sql: str) -> None:
    """Nobody is asked: it holds nothing that the records do not."""
    ledger = open_ledger()
    fill(ledger)
    held = truth(ledger)
    ledger.journal.db.execute(sql)
    ledger.close()
    assert check(ledger.directory, held) == "RIGHT"


def test_a_full_disk_refuses_and_loses_nothing(open_ledger: Callable[..., Ledger]) -> None:
    """SQLite's own page limit stands for the disk's: the same error, at a commit or before it."""
    ledger = open_ledger()
    fill(ledger)
    (pages,) = ledger.journal.db.execute("PRAGMA page_count").fetchone()
    ledger.journal.db.execute(f"PRAGMA max_page_count = {pages + 2}")
    answers = [ledger.ask(Remember(text="x" * 5_000), key=f"k{n}") for n in range(4)]
    written = [answer for answer in answers if not hasattr(answer, "problems")]
    refused = [answer.problems[0].code for answer in answers if hasattr(answer, "problems")]
    assert set(refused) == {"STORAGE_FULL"}
    ledger.journal.db.execute("PRAGMA max_page_count = 100000")
    ledger.write(Remember(text="there is space again"))
    held = truth(ledger)
    ledger.close()
    assert check(ledger.directory, held) == "RIGHT"
    assert len(written) + len(refused) == 4


def test_a_newer_form_is_refused_in_words(open_ledger: Callable[..., Ledger]) -> None:
    ledger = open_ledger()
    ledger.write(AddTask(title="a"))
    ledger.journal.db.execute("PRAGMA user_version = 99")
    ledger.close()
    found = open_journal(ledger.directory, SteppingClock())
    assert isinstance(found, Damaged)
    assert found.code == "JOURNAL_NEWER"


@pytest.mark.parametrize("records", [0, 3])
def test_an_older_form_is_written_anew(open_ledger: Callable[..., Ledger], records: int) -> None:
    """As the first version left it, without the column of authors: every answer stays."""
    ledger = open_ledger()
    for n in range(records):
        ledger.write(RecordEvents(stream="chat", events=(EventInput(content=f"event {n}", author="Ada"),)))
    held = truth(ledger)
    db = ledger.journal.db
    columns = [name for _, name, *_ in db.execute("PRAGMA table_info(items)") if name != "author"]
    db.execute(f"CREATE TABLE old AS SELECT {', '.join(columns)} FROM items")
    db.execute("DROP TABLE items")
    db.execute("ALTER TABLE old RENAME TO items")
    db.execute("PRAGMA user_version = 1")
    ledger.close()
    assert check(ledger.directory, held) == "RIGHT"
    written = open_journal(ledger.directory, SteppingClock())
    assert not isinstance(written, Damaged)
    assert written[0].db.execute("PRAGMA user_version").fetchone() == (2,)
    written[0].close()


def test_the_witness_moves_before_the_acknowledgement(
    open_ledger: Callable[..., Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit whose witness could not be written is not acknowledged; asking again finds out."""
    ledger = open_ledger()

    def failing(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(ledger.journal._head, "advance", failing)
        answer = ledger.ask(AddTask(title="a"), key="k")
        assert [p.code for p in answer.problems] == ["OUTCOME_UNKNOWN"]  # type: ignore[union-attr]
    assert [p.code for p in ledger.ask(AddTask(title="b")).problems] == ["OUTCOME_UNKNOWN"]  # type: ignore[union-attr]
    ledger = ledger.reopened()
    assert ledger.write(AddTask(title="a"), key="k").position == 1
    ledger.close()
