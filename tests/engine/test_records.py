"""How records are written: what goes in comes out, what was changed is found, what was erased is gone."""

import itertools
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import (
    CatalogSet,
    Event,
    ItemErased,
    ItemRecorded,
    ItemRetired,
    KindDeclared,
    LabelDeclared,
    LossAccepted,
    PropertyDeclared,
    RelationKindDeclared,
    RelationRecorded,
    RelationRetired,
    StateFolded,
    Vector,
)
from engine.records import (
    GENESIS,
    RECORD_VERSION,
    Damage,
    Record,
    Sealed,
    chain,
    seal,
    spare,
    unseal,
    without,
)

PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=20), st.dates())
VALUES = st.recursive(
    st.one_of(PLAIN, st.floats(allow_nan=False, allow_infinity=False), st.datetimes(timezones=st.timezones())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PROPERTIES = st.dictionaries(st.sampled_from(["text", "n", "$x", "metadata"]), VALUES, max_size=3)
NUMBERS = st.integers(1, 2**40)
NAMED = st.lists(st.tuples(st.text(max_size=5), st.just("string"), st.text(max_size=5)), max_size=2).map(tuple)

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        lambda dense, **rest: ItemRecorded(dense=dense, root=dense, version=1, previous=0, **rest),
        id=st.text(max_size=9), dense=NUMBERS, kind=st.just("Memory"), owner=st.text(max_size=5),
        domain=st.just("user"), valid_from=st.integers(-(2**62), 2**62), stream=st.integers(0, 9),
        labels=st.lists(st.text(max_size=5), max_size=2).map(tuple), properties=PROPERTIES,
        vector=st.none() | st.builds(Vector, st.just("m"), st.binary(min_size=4, max_size=4)),
        reason=st.text(max_size=9),
    ),
    st.builds(
        ItemRecorded, st.text(), NUMBERS, NUMBERS, st.integers(2, 99), NUMBERS, st.just("Memory"), st.text(),
        st.just("agent"), NUMBERS, NUMBERS, properties=PROPERTIES,
    ),
    st.builds(ItemRetired, st.text(), NUMBERS, NUMBERS, NUMBERS, st.text()),
    st.builds(ItemErased, st.text(), NUMBERS, st.lists(NUMBERS, max_size=3).map(tuple)),
    st.builds(
        RelationRecorded, st.text(), NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.just("ABOUT"), NUMBERS, NUMBERS,
        st.floats(allow_nan=False, allow_infinity=False), NUMBERS, NUMBERS, NUMBERS, PROPERTIES,
    ),
    st.builds(RelationRetired, st.text(), NUMBERS, NUMBERS),
    st.builds(KindDeclared, st.text(), st.text(), st.text(), NAMED, st.text()),
    st.builds(RelationKindDeclared, st.text(), st.booleans(), NAMED, st.text()),
    st.builds(PropertyDeclared, st.text(), st.text(), st.text(), st.text()),
    st.builds(LabelDeclared, st.text()),
    st.builds(CatalogSet, st.booleans()),
    st.builds(
        lambda pairs: StateFolded({"activation": pairs}, {}), st.lists(st.tuples(NUMBERS, st.just(0.5))).map(tuple)
    ),
    st.builds(LossAccepted, NUMBERS, NUMBERS, st.lists(NUMBERS, max_size=2).map(tuple)),
)  # fmt: skip
RECORDS = st.builds(
    Record, NUMBERS, NUMBERS, st.text(), st.just("Remember"), st.lists(EVENTS, max_size=4).map(tuple),
    st.lists(st.text(), max_size=2).map(tuple), st.binary(max_size=16), st.binary(max_size=16),
)  # fmt: skip


def chance(count: int) -> bytes:
    return bytes(itertools.islice(itertools.cycle(range(256)), count))


def sealed(*events: Event) -> Sealed:
    return seal(Record(1, 1, "usr_me", "Remember", events), GENESIS, chance)


def memory(dense: int, text: str) -> ItemRecorded:
    return ItemRecorded(f"mem_{dense}", dense, dense, 1, 0, "Memory", "usr_me", "user", 1, properties={"text": text})


@given(RECORDS)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    assert unseal(seal(record, GENESIS, chance)) == record


@given(RECORDS, st.data())
def test_a_flipped_bit_is_found(record: Record, data: st.DataObject) -> None:
    """In the header by the chain, in a frame by its digest or its length."""
    whole = seal(record, GENESIS, chance)
    part = data.draw(st.sampled_from(["header", "frames"] if whole.frames else ["header"]))
    spoiled = bytearray(getattr(whole, part))
    at = data.draw(st.integers(0, len(spoiled) - 1))
    spoiled[at] ^= 1 << data.draw(st.integers(0, 7))
    if part == "header":
        assert chain(GENESIS, bytes(spoiled)) != whole.hash
    else:
        assert isinstance(unseal(replace(whole, frames=bytes(spoiled))), Damage)


def test_erasing_one_item_leaves_the_others_and_the_chain() -> None:
    """Content and salt are gone; the header, and so the hash, stay."""
    whole = sealed(memory(1, "keep me"), memory(2, "plugh"))
    emptied = without(whole, 2)
    assert (emptied.header, emptied.hash) == (whole.header, whole.hash)
    assert b"plugh" not in emptied.frames
    record = unseal(emptied)
    assert isinstance(record, Record)
    assert record.events == (memory(1, "keep me"), replace(memory(2, ""), properties={}, erased=True))
    assert spare(whole) is None
    assert spare(emptied) == emptied


def test_equal_contents_have_unequal_digests() -> None:
    """Without its salt, a digest says nothing about what was erased."""
    header = orjson.loads(sealed(memory(1, "yes"), memory(2, "yes")).header)
    assert header["digests"][:64] != header["digests"][64:]


def test_an_older_record_is_read_through_its_upgrades() -> None:
    """As the next version will do it: each step brings a header one version on; the bytes stay as they are."""
    written = sealed(memory(1, "tea"))

    def renamed(header: dict[str, object]) -> dict[str, object]:
        return header | {"actor": f"renamed {header['actor']}"}

    read = unseal(written, {RECORD_VERSION: renamed}, RECORD_VERSION + 1)
    assert isinstance(read, Record)
    assert read.actor == "renamed usr_me"


def test_a_newer_record_is_refused_by_name() -> None:
    header = orjson.loads(sealed().header) | {"v": RECORD_VERSION + 1}
    damage = unseal(replace(sealed(), header=orjson.dumps(header)))
    assert isinstance(damage, Damage)
    assert f"version {RECORD_VERSION + 1}" in damage.what


@pytest.mark.parametrize("frames", [b"\x01", b"\xff\xff\xff\x00" + bytes(20), b""])
def test_frames_that_do_not_fit_the_header_are_damage(frames: bytes) -> None:
    assert isinstance(unseal(replace(sealed(memory(1, "tea")), frames=frames)), Damage)
