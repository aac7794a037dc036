"""Random worlds: commands that fit what is there, from numbers that Hypothesis chooses and can make smaller."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from hypothesis import strategies as st

from engine.commands import (
    AddItem,
    AddTask,
    Command,
    Curate,
    DeclareKind,
    DeclareProperty,
    DeclareRelationKind,
    Domain,
    Embedding,
    EraseItem,
    EventInput,
    FoldState,
    Link,
    MeetEntity,
    NameEntity,
    Principal,
    PropertyInput,
    RecordEvents,
    Relate,
    Remember,
    RetireItem,
    RetireRelation,
    ReviseItem,
    ReviseRelation,
    SetGoal,
    StateInput,
    SupersedeItem,
)

WORDS = ("tea", "coffee", "river", "stone", "paper", "lamp", "winter", "garden")
PEOPLE = (Principal("usr_ada"), Principal("usr_bo"), Principal("agt_c", owners=frozenset({"usr_bo"})))
ADMIN = Principal("usr_root", admin=True)
DOMAINS: tuple[Domain, ...] = ("agent", "user", "organization")
KINDS = ("ABOUT", "SIMILAR_TO", "DERIVED_FROM", "DEPENDS_ON", "CITES", "SAME_AS")
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)

Step: TypeAlias = tuple[int, int, int, int]
"""What kind of step, who takes it, and two numbers that choose among what is there."""

STEPS = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 2), st.integers(0, 10_000), st.integers(0, 10_000)),
    min_size=1,
    max_size=40,
)


class World:
    """Turns steps into commands; remembers the ids that were given so far."""

    def __init__(self, *, erasing: bool = True) -> None:
        self.items: list[str] = []
        self.relations: list[str] = []
        self._erasing = erasing
        self._declared = 0

    def command(self, step: Step) -> tuple[Command, Principal]:
        what, who, a, b = step
        by = PEOPLE[who]
        return self._command(what, a, b), by

    def learn(self, command: Command, ids: Sequence[str]) -> None:
        for id_ in ids:
            known = self.relations if id_.startswith("rel_") else self.items
            if id_ not in known:
                known.append(id_)

    def _command(self, what: int, a: int, b: int) -> Command:
        text = f"{_word(a)} {_word(a // 8)} {_word(b)}"
        item = self.items[a % len(self.items)] if self.items else None
        other = self.items[b % len(self.items)] if self.items else None
        if what < 20 or item is None or other is None:
            events = tuple(
                EventInput(
                    content=f"{text} {n}",
                    author=_word(b) if a % 5 else None,
                    external_key=f"k{(a + n) % 50}" if a % 3 else None,
                )
                for n in range(1 + b % 3)
            )
            return RecordEvents(stream=f"s{b % 2}", domain=DOMAINS[a % 3], events=events)
        if what < 27:
            return self._curate(text, a, b, item, other)
        if what < 40:
            bounded = a % 4 == 0
            return Remember(
                text=text, author=_word(a) if b % 5 == 0 else None, domain=DOMAINS[b % 3],
                importance=(a % 11) / 10, embedding=_vector(a, b),
                links=(Link(kind="DERIVED_FROM", target=other),) if b % 2 else (),
                valid_from=EPOCH + timedelta(days=b % 400) if bounded else None,
                valid_to=EPOCH + timedelta(days=b % 400 + 1 + a % 5) if bounded else None,
            )  # fmt: skip
        if what < 44:
            return NameEntity(name=_word(a), aliases=(_word(b),), domain=DOMAINS[b % 3])
        if what < 48:
            return SetGoal(title=text, priority=b % 5, domain=DOMAINS[a % 3], due_at=_day(a))
        if what < 52:
            return AddTask(title=text, depends_on=(other,) if a % 2 else ())
        if what < 64:
            change: dict[str, object] = {"metadata": {"n": b}} if b % 3 else {"metadata": None, "external_key": None}
            if item.startswith("mem_"):
                change = {"text": text} if b % 2 else {"importance": (b % 11) / 10}
            return ReviseItem(id=item, set=change, embedding=_vector(b, a) if a % 2 else None)
        if what < 78:
            return Relate(source=item, kind=KINDS[b % len(KINDS)], target=other, weight=(a % 100) / 100)
        if what < 82 and self.relations:
            return ReviseRelation(id=self.relations[a % len(self.relations)], weight=(b % 100) / 100)
        if what < 85 and self.relations:
            return RetireRelation(id=self.relations[b % len(self.relations)])
        if what < 89:
            return RetireItem(id=item)
        if what < 92:
            return SupersedeItem(id=item, by=other)
        if what < 94 and self._erasing:
            return EraseItem(id=item)
        if what < 96:
            return FoldState(items=(StateInput(id=item, set={"activation": b / 7}, add={"access_count": 1}),))
        if what < 97:
            return DeclareProperty(kind="Memory", name=f"p{b % 3}", type=("integer", "string", "boolean")[b % 3])
        if what < 98:
            return DeclareRelationKind(name="CITES")
        if what < 99:
            return AddItem(kind="Paper", properties={"title": text, "year": b})
        properties = (PropertyInput(name="title", type="string"), PropertyInput(name="year", type="integer"))
        return DeclareKind(name="Paper", text="title", properties=properties)

    def _curate(self, text: str, a: int, b: int, item: str, other: str) -> Curate:
        """A statement of several steps, which are about each other."""
        entity = NameEntity(name=_word(a), domain=DOMAINS[b % 3], category=_word(b) if b % 2 else None)
        relation = self.relations[a % len(self.relations)] if self.relations and a % 2 else "@2"
        steps: list[Command] = [
            MeetEntity(entity=entity, found=other if other.startswith("ent_") else None),
            Remember(text=text, embedding=_vector(a, b), reason=text,
                     links=(Link(kind="DERIVED_FROM", target=other),) if b % 2 else ()),
            Relate(source="@1", kind=KINDS[b % len(KINDS)], target="@0", reason=text),
            ReviseItem(id="@1", set={"importance": (b % 11) / 10}, reason=text),
            MeetEntity(entity=entity.model_copy(update={"aliases": (_word(a + 1),)})),
            ReviseRelation(id=relation, weight=(b % 100) / 100),
            Relate(source=item, kind=KINDS[a % len(KINDS)], target="@1"),
            SupersedeItem(id=item, by="@1") if a % 5 else RetireItem(id="@1"),
            RetireRelation(id=relation),
        ]  # fmt: skip
        return Curate(statement=text, read_at=0, last_dense=0, read=(), steps=tuple(steps[: 3 + a % 7]))


def _word(n: int) -> str:
    return WORDS[n % len(WORDS)]


def _day(n: int) -> datetime:
    return EPOCH + timedelta(days=n % 400)


def _vector(a: int, b: int) -> Embedding:
    return Embedding(model="toy", vector=(1.0 + a % 7, float(b % 5), float((a + b) % 3), 0.5))
