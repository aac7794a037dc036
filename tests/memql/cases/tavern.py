"""The small world of the cases: a few evenings of talk about tea, written by hand, so that every answer can be seen
to be right."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.clock import SystemClock
from engine.commands import (
    AddTask,
    Command,
    DeclareLabel,
    DeriveInsight,
    Domain,
    EventInput,
    FoldState,
    Link,
    NameEntity,
    Principal,
    RecordEvents,
    Relate,
    Remember,
    RetireItem,
    ReviseItem,
    SetGoal,
    StateInput,
    SupersedeItem,
)
from engine.decide.view import ItemState, RelationState
from engine.execute import PathState
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant
from memql.values import iso, micros
from tests.engine.embedders import WordHashes

ADA, BO, ALL = Principal("usr_ada"), Principal("usr_bo"), Principal("usr_root", admin=True)


class Tavern:
    """An open tenant with that world in it. `ids` are known by the names that the cases use."""

    def __init__(self, directory: Path) -> None:
        limits = Limits(text_commit_ms=0, graph_gather_ms=0)
        opened = Tenant.open("tavern", directory, clock=SystemClock(), limits=limits, embedder=WordHashes())
        assert isinstance(opened, Tenant)
        self.tenant = opened
        self.ids: dict[str, str] = {}
        self.times: dict[str, str] = {}
        self._people()
        self._talk()
        self._memories()
        self._work()
        self._later()
        assert self.tenant.settled(30)

    def do(self, command: Command, *names: str, by: Principal = ADA) -> None:
        receipt = self.tenant.write_now(command, by)
        assert isinstance(receipt, Receipt), receipt
        ids = [id_ for id_ in receipt.ids if not id_.startswith("rel_")]
        self.ids.update(zip(names, ids, strict=False))

    def _people(self) -> None:
        shared: Domain = "organization"
        self.do(NameEntity(name="Ada", category="person", aliases=("the guest",), domain=shared), "ada")
        self.do(NameEntity(name="Bo", category="person", domain=shared), "bo")
        self.do(NameEntity(name="Darjeeling", category="tea", domain=shared), "darjeeling")

    def _talk(self) -> None:
        said = (
            ("I take my tea without milk", "Ada", 10),
            ("We are out of Darjeeling", "Bo", 11),
            ("Then bring me coffee", "Ada", 12),
        )
        events = tuple(
            EventInput(content=content, author=author, role="user", external_key=f"e{number}", occurred_at=_day(day))
            for number, (content, author, day) in enumerate(said, 1)
        )
        self.do(RecordEvents(stream="evening", events=events, domain="organization"), "e1", "e2", "e3")

    def _memories(self) -> None:
        self._memory("m1", "Ada takes her tea without milk", "taste", 0.9, 10, "e1", ("ada",))
        self._memory("m2", "There is no Darjeeling left", "stock", 0.4, 11, "e2", ("darjeeling",))
        self._memory("m3", "Ada drinks coffee when the tea is out", "taste", 0.7, 12, "e3", ("ada", "darjeeling"))
        self._memory("m4", "Bo keeps the spare key", None, None, 13, None, ("bo",), by=BO, domain="user")
        insight = DeriveInsight(
            text="Ada likes her drinks plain", confidence=0.6, domain="organization",
            links=tuple(Link(kind="DERIVED_FROM", target=self.ids[each]) for each in ("m1", "m3")),
        )  # fmt: skip
        self.do(insight, "i1")
        for source, target, weight in (("m1", "m3", 0.8), ("m2", "m3", 0.5)):
            self.do(Relate(source=self.ids[source], kind="SIMILAR_TO", target=self.ids[target], weight=weight))

    def _memory(
        self, name: str, text: str, category: str | None, importance: float | None, day: int, event: str | None,
        about: tuple[str, ...], *, by: Principal = ADA, domain: Domain = "organization",
    ) -> None:  # fmt: skip
        links = tuple(Link(kind="MENTIONS", target=self.ids[each]) for each in about)
        if event:
            links = (Link(kind="DERIVED_FROM", target=self.ids[event]), *links)
        remembered = Remember(
            text=text, category=category, importance=importance, valid_from=_day(day), domain=domain, links=links,
            tags=("drinks",) if category == "taste" else None,
        )  # fmt: skip
        self.do(remembered, name, by=by)

    def _work(self) -> None:
        self.do(SetGoal(title="Restock the tea", status="active", priority=1, domain="organization"), "goal")
        self.do(AddTask(title="Order Darjeeling", part_of=self.ids["goal"], priority=2, domain="organization"), "t1")
        second = AddTask(
            title="Clean the shelf", status="done", part_of=self.ids["goal"], priority=3, domain="organization",
            due_at=_day(20), depends_on=(self.ids["t1"],),
        )  # fmt: skip
        self.do(second, "t2")

    def _later(self) -> None:
        """What changed after the time that is called `before`."""
        self.do(DeclareLabel(label="Pinned"), by=ALL)
        self.do(ReviseItem(id=self.ids["m1"], labels=("Pinned",)))
        self.times["before"] = iso(self.tenant.clock.now())
        self.do(ReviseItem(id=self.ids["m2"], set={"text": "The Darjeeling has come", "importance": 0.5}))
        self.do(RetireItem(id=self.ids["e3"]))
        new = Remember(text="Bo keeps both keys", valid_from=_day(14), domain="organization")
        self.do(new, "m5", by=BO)
        self.do(SupersedeItem(id=self.ids["m4"], by=self.ids["m5"]), by=BO)
        self.do(FoldState(items=(StateInput(id=self.ids["m1"], add={"access_count": 3}),)), by=ALL)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the cases may pass: `$m1` is an id, `$before` a time."""
        return {**self.ids, **self.times, "name": "Ada", "q": "tea without milk", "least": 0.5, "two": 2,
                "words": ["tea", "milk"], "nothing": None}  # fmt: skip

    def shown(self, value: Any) -> str:
        """A value as the cases have it: an item by the name it has in this world."""
        names = {id_: name for name, id_ in self.ids.items()}
        match value:
            case ItemState():
                return f"({names.get(value.id, value.kind)})"
            case RelationState():
                return f"[{value.kind} {value.weight:g}]"
            case PathState():
                steps = [f"-{self.shown(each)}-" for each in value.relations]
                nodes = [self.shown(node) for node in value.nodes]
                return nodes[0] + "".join(step + node for step, node in zip(steps, nodes[1:], strict=True))
            case list():
                return f"[{', '.join(map(self.shown, value))}]"
            case dict():
                return f"{{{', '.join(f'{key}: {self.shown(each)}' for key, each in value.items())}}}"
            case datetime():
                return iso(micros(value))
            case float():
                return f"{value:.6g}" if value % 1 else f"{value:.1f}"
            case str() if value in names:
                return names[value]
            case None | bool():
                return {None: "null", True: "true", False: "false"}[value]
        return str(value)


def _day(day: int) -> datetime:
    return datetime(2026, 3, day, 18, tzinfo=UTC)
