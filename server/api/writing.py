"""Writes of several steps: a new item with relations to entities that are met or else named, and many writes at once.

Each row is a command of the engine's. Rows that belong together become one statement, which is decided step by step and
is one record: all of it happens, or nothing. The others are decided one after the other and committed together.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson

from engine.commands import Command, Curate, MeetEntity, NameEntity, Principal, RecordEvents, parse
from engine.execute.entities import Entities
from engine.meaning import embedded
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Tenant
from memql.errors import Problem, Refusal, invalid
from server.api.inputs import IDS, plain

_STEP = re.compile(r"steps\[(\d+)\]\.?")
_REFERENCE = re.compile(r"@(\d+)")


@dataclass(frozen=True, slots=True)
class Row:
    """One write that is asked for: the input of a command, and where it stands among what was asked."""

    shape: type[Command]
    given: Any
    place: str = ""


@dataclass(slots=True)
class _Steps:
    """Rows as the steps of one statement: those that meet an entity stand before the row that relates to it."""

    steps: list[Command] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    """Where in the input each step comes from."""
    rows: list[int] = field(default_factory=list)
    """Which step each row is."""

    def add(self, row: Row, met: "_Met", *, alone: bool = False) -> Refusal | None:
        given = plain(row.given, row.shape)
        if refusal := self._renumber(given, row.place, alone):
            return refusal
        for n, link in enumerate(getattr(row.given, "links", None) or ()):
            if link.entity is None:
                continue
            place = _joined(row.place, f"links[{n}]")
            if link.target is not None or link.external_key is not None:
                return invalid("GIVEN_TWICE", "where it leads is said twice", place, "give one of them")
            said: dict[str, Any] = {name: getattr(link.entity, name) for name in ("name", "category", "aliases")}
            said |= {name: given.get(name) for name in ("owner", "domain")}
            entity = parse("NameEntity", {name: value for name, value in said.items() if value is not None})
            if isinstance(entity, Refusal):
                return _at(entity, _joined(place, "entity"))
            assert isinstance(entity, NameEntity)
            given["links"][n]["target"] = f"@{len(self.steps)}"
            self._append(met.step(entity), _joined(place, "entity"))
        command = parse(row.shape.__name__, given)
        if isinstance(command, Refusal):
            return _at(command, row.place)
        self.rows.append(len(self.steps))
        self._append(command, row.place)
        return None

    def _renumber(self, given: dict[str, Any], place: str, alone: bool) -> Refusal | None:
        """References to rows before this one become those to their steps."""
        for holder, name, at in _ids(given):
            value = holder[name]
            found = []
            for id_ in value if isinstance(value, list) else [value]:
                reference = _REFERENCE.fullmatch(id_)
                if reference and alone:
                    return invalid("INVALID_VALUE", "this write stands alone", _joined(place, at), "give an id")
                if reference and int(reference[1]) >= len(self.rows):
                    hint = "rows are numbered from 0 on, and seen by those behind them"
                    return invalid("INVALID_VALUE", f"no row before is `{id_}`", _joined(place, at), hint)
                found.append(f"@{self.rows[int(reference[1])]}" if reference else id_)
            holder[name] = found if isinstance(value, list) else found[0]
        return None

    def _append(self, step: Command, place: str) -> None:
        self.steps.append(step)
        self.places.append(place)

    def told(self, refusal: Refusal) -> Refusal:
        """What is wrong, at its place in the input."""
        return replace(refusal, problems=tuple(map(self._told, refusal.problems)))

    def _told(self, problem: Problem) -> Problem:
        step = _STEP.match(problem.place)
        if step is None:
            return problem
        return replace(problem, place=_joined(self.places[int(step[1])], problem.place[step.end() :]))


class _Met:
    """The entities that rows name, as one reader sees them."""

    def __init__(self, rows: Sequence[Row], by: Principal) -> None:
        self._by = by
        self.names = {
            link.entity.name for row in rows for link in getattr(row.given, "links", None) or () if link.entity
        }
        self.last = self.position = 0
        self._known: Entities | None = None

    def read(self, reader: Reader) -> None:
        scope = reader.scope
        born = scope.columns.column("born")[: scope.count]
        self.position, self.last = scope.position, max(int(np.searchsorted(born, scope.position, "right")) - 1, 0)
        self._known = Entities(reader, self.names)

    def step(self, entity: NameEntity) -> MeetEntity:
        assert self._known is not None, "names are read before they are met"
        owner = entity.owner or self._by.id
        return MeetEntity(entity=entity, found=self._known.called(entity.name, owner, entity.domain, shared=True))


def needs_steps(row: Row) -> bool:
    """Whether a single write is more than its command."""
    return any(link.entity for link in getattr(row.given, "links", None) or ())


def write_together(tenant: Tenant, rows: Sequence[Row], by: Principal, key: str | None) -> list[Receipt] | Refusal:
    """The receipts of rows that are one record. An id `@n` stands for what row n makes. Blocks the calling thread."""
    met = _read(tenant, rows, by)
    if isinstance(met, Refusal):
        return met
    made = _Steps()
    for row in rows:
        if row.shape is RecordEvents and len(row.given.events) != 1:
            return invalid("INVALID_VALUE", "one event is expected", _joined(row.place, "events"), "a row for each")
        if refusal := made.add(row, met, alone=len(rows) == 1):
            return refusal
    command = _statement(made, rows, met)
    receipt = tenant.write_now(command, by, key)
    if isinstance(receipt, Refusal):
        return made.told(receipt)
    return [replace(receipt, ids=(receipt.ids[step],)) for step in made.rows]


def write_each(
    tenant: Tenant, rows: Sequence[Row], by: Principal
) -> list[Receipt | Refusal] | Refusal:  # fmt: skip
    """The receipt or refusal of each row, under its own key. Blocks the calling thread."""
    met = _read(tenant, rows, by)
    if isinstance(met, Refusal):
        return met
    answers: list[Receipt | Refusal | None] = [None] * len(rows)
    asked: list[tuple[int, _Steps, Command]] = []
    for n, row in enumerate(rows):
        made = _Steps()
        refusal = made.add(row, met, alone=True)
        if refusal:
            answers[n] = refusal
        else:
            asked.append((n, made, _statement(made, [row], met) if needs_steps(row) else made.steps[0]))
    whole = _embedded(tenant, [command for _, _, command in asked])
    if isinstance(whole, Refusal):
        return whole
    keyed = [(command, rows[n].given.idempotency_key) for (n, _, _), command in zip(asked, whole, strict=True)]
    for (n, made, _), receipt in zip(asked, tenant.write_all(keyed, by) if keyed else (), strict=True):
        if isinstance(receipt, Refusal):
            stepped = needs_steps(rows[n])
            answers[n] = made.told(receipt) if stepped else _at(receipt, rows[n].place)
        else:
            answers[n] = replace(receipt, ids=(receipt.ids[-1],)) if needs_steps(rows[n]) else receipt
    return [answer for answer in answers if answer is not None]


def _read(tenant: Tenant, rows: Sequence[Row], by: Principal) -> _Met | Refusal:
    met = _Met(rows, by)
    if not met.names:
        return met
    found = tenant.read_now(met.read, by)
    return found if isinstance(found, Refusal) else met


def _statement(made: _Steps, rows: Sequence[Row], met: _Met) -> Curate:
    """One command. The same input is the same request, whatever is met."""
    asked = [{row.shape.__name__: _asked(row)} for row in rows]
    return Curate(
        statement="writeMany" if len(rows) > 1 else rows[0].shape.__name__,
        parameters=orjson.dumps(asked, option=orjson.OPT_SORT_KEYS, default=str).decode(),
        read_at=met.position, last_dense=met.last, read=(), steps=tuple(made.steps),
    )  # fmt: skip


def _asked(row: Row) -> dict[str, Any]:
    given = plain(row.given, row.shape)
    for n, link in enumerate(getattr(row.given, "links", None) or ()):
        if link.entity is not None:
            given["links"][n]["entity"] = [link.entity.name, link.entity.category, link.entity.aliases]
    return given


def _ids(given: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Where ids stand in what is given of a command: in which map, under which name, at which place."""
    yield from ((given, name, name) for name in sorted(IDS & given.keys()))
    links = given.get("links", [])
    yield from ((link, "target", f"links[{n}].target") for n, link in enumerate(links) if "target" in link)


def _embedded(tenant: Tenant, commands: Sequence[Command]) -> list[Command] | Refusal:
    """These commands with the vectors of their texts, all embedded at once."""
    if tenant.embedder is None:
        return list(commands)
    parts = [each.steps if isinstance(each, Curate) else (each,) for each in commands]
    steps = tuple(step for part in parts for step in part)
    together = Curate(statement="", read_at=0, last_dense=0, read=(), steps=steps)
    whole = embedded(together, tenant.catalog, tenant.embedder, tenant.limits)
    if isinstance(whole, Refusal):
        return whole
    assert isinstance(whole, Curate)
    left = iter(whole.steps)
    made: list[Command] = []
    for command, part in zip(commands, parts, strict=True):
        own = tuple(next(left) for _ in part)
        made.append(command.model_copy(update={"steps": own}) if isinstance(command, Curate) else own[0])
    return made


def _at(refusal: Refusal, place: str) -> Refusal:
    problems = (replace(each, place=_joined(place, each.place)) for each in refusal.problems)
    return replace(refusal, problems=tuple(problems))


def _joined(place: str, step: str) -> str:
    return f"{place}.{step}" if place and step else place or step
