"""What a statement would write: the rows that were read, and the steps that its verbs make of them.

Verb by verb, and within a verb row by row: so every step of a later verb can name what an earlier one made. Rows that
say the same of the same item say it once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.commands import (
    AddItem,
    AddTask,
    Command,
    DeriveInsight,
    MeetEntity,
    NameEntity,
    NewItem,
    Principal,
    Remember,
    SetGoal,
    parse,
)
from engine.execute.batch import Batch, joined
from engine.execute.entities import Entities
from engine.execute.operators import batches
from engine.execute.parameters import moment
from engine.execute.running import Running, too_much
from engine.execute.seen import Stopped
from memql import bound, plan, walking
from memql.bound import Expression, Variable
from memql.errors import Problem, Reason, Refusal, Span
from memql.functions.function import shown
from memql.order import group_key
from memql.values import instant
from memql.verbs import ALL, Step
from memql.world import Datum, Node, Path, Relation

_SHAPES: Mapping[str, type[NewItem]] = {
    shape.kind_name: shape for shape in (Remember, DeriveInsight, SetGoal, AddTask, NameEntity)
}
_OF_THE_ITEM = frozenset({"owner", "domain", "external_key", "metadata"})
_AS_PROPERTIES = frozenset({"due_at"})
"""Fields of commands that are left to the checks of properties, which take every form of time."""


@dataclass(slots=True)
class Draft:
    """`steps` with the place of the verb of each; `read`: the items and relations that they are decided on; `rows` as
    they were read, and of each row the name of what each step made: its id, or `@n` for what step n makes."""

    rows: Batch
    steps: list[Command] = field(default_factory=list)
    places: list[Span] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    made: dict[Variable, list[str]] = field(default_factory=dict)
    position: int = 0
    last_dense: int = 0
    notices: tuple[str, ...] = ()


def drafted(running: Running, operator: plan.Curate, by: Principal) -> Draft:
    """What the verbs would write of what there is now."""
    gathered: list[Batch] = []
    size = 0
    for batch in batches(running, operator.source):
        gathered.append(batch)
        size += batch.size
        most = running.reader.limits.curated_rows
        if size > most:
            message = f"the statement would write for more than {most:,} rows"
            raise Stopped(
                too_much("curated_rows", message, "say more closely what is meant, or write in several steps")
            )
    scope = running.reader.scope
    last = int(np.searchsorted(scope.columns.column("born")[: scope.count], scope.position, "right")) - 1
    draft = Draft(joined(gathered) if gathered else Batch(0, {}), position=scope.position, last_dense=max(last, 0))
    if draft.rows.size:
        drafting = _Drafting(running, draft, by)
        for step in operator.steps:
            drafting.take(step)
    draft.notices = tuple(running.notices)
    return draft


class _Drafting:
    def __init__(self, running: Running, draft: Draft, by: Principal) -> None:
        self._running = running
        self._draft = draft
        self._by = by
        self._rows = draft.rows
        self._links: dict[object, str] = {}

    def take(self, step: Step) -> None:
        for variable in self._touched(step):
            for datum in self._rows.columns[variable].datums(self._running.seen):
                self._draft.read.update(_ids(datum))
        match step.does:
            case "remember":
                self._remember(step)
            case "meet":
                self._meet(step)
            case "link":
                self._link(step)
            case "correct":
                self._correct(step)
            case "supersede":
                self._supersede(step)
            case "forget":
                self._forget(step)

    def _touched(self, step: Step) -> set[Variable]:
        """The variables of the rows that the step acts on or looks into."""
        named = set(step.uses).union(*map(walking.variables, step.expressions()))
        return {each for each in named if each in self._rows.columns}

    def _add(self, step: Step, command: Command) -> str:
        """The name of what the step makes or meets."""
        self._draft.steps.append(command)
        self._draft.places.append(step.span)
        return f"@{len(self._draft.steps) - 1}"

    # What is new

    def _remember(self, step: Step) -> None:
        names = []
        for given, said, links in zip(self._values(step), self._said(step), self._sources(step), strict=True):
            body = {**_new(step, given), **said, "links": links}
            names.append(self._add(step, _parsed(_SHAPES.get(step.kind, AddItem), body, step.span)))
        self._draft.made[step.subject] = names

    def _meet(self, step: Step) -> None:
        """Who is named alike in several rows is met once."""
        asked = []
        for given, said in zip(self._values(step), self._said(step), strict=True):
            entity = _parsed(NameEntity, {**_new(step, given), **said}, step.span)
            assert isinstance(entity, NameEntity)
            asked.append((entity, not given.keys() & {"owner", "domain"}))
        known = Entities(self._running.reader, {entity.name for entity, _ in asked})
        names: list[str] = []
        once: dict[object, str] = {}
        for entity, shared in asked:
            key = entity.model_dump_json()
            if key not in once:
                found = known.called(entity.name, entity.owner or self._by.id, entity.domain, shared=shared)
                if found is not None:
                    self._draft.read.add(found)
                once[key] = self._add(step, MeetEntity(entity=entity, found=found, shared=shared))
            names.append(once[key])
        self._draft.made[step.subject] = names

    def _link(self, step: Step) -> None:
        assert step.ends is not None
        sources, targets = (self._named(step, each) for each in step.ends)
        names = []
        for row, (given, said) in enumerate(zip(self._values(step), self._said(step), strict=True)):
            source, target = sources[row], targets[row]
            if source is None or target is None:
                missing = step.ends[0 if source is None else 1]
                hint = f"WHERE {missing.name or 'it'} IS NOT NULL before the verb leaves such rows out"
                raise _refused("Q213", "a relation would lead from or to nothing", step.span, hint)
            key = (step.subject, source, target, group_key(given), tuple(said.items()))
            if key not in self._links:
                weight = given.pop("weight", None)
                body = {"source": source, "kind": step.kind, "target": target, **said}
                body |= {"properties": _present(given), **({} if weight is None else {"weight": weight})}
                self._links[key] = self._add(step, _parsed("Relate", body, step.span))
            names.append(self._links[key])
        self._draft.made[step.subject] = names

    # What is there

    def _correct(self, step: Step) -> None:
        once: dict[str, object] = {}
        subjects = self._named(step, step.subject)
        related = step.subject.type.name == "relation"
        for subject, given, said in zip(subjects, self._values(step), self._said(step), strict=True):
            if subject is None:
                continue
            relation = related or subject.startswith("rel_")
            key = (group_key(given), tuple(said.items()))
            if subject in once:
                if once[subject] != key:
                    hint = "WITH … first, so that there is one row for each item"
                    raise _refused("Q213", "two rows correct the same item differently", step.span, hint)
                continue
            once[subject] = key
            body = {"id": subject, **said}
            own = "weight" if relation else "labels"
            if own in given and (value := given.pop(own)) is not None:
                body[own] = value
            body["set"] = given
            self._add(step, _parsed("ReviseRelation" if relation else "ReviseItem", body, step.span))

    def _supersede(self, step: Step) -> None:
        assert step.other is not None
        once: dict[str, str] = {}
        subjects, others = self._named(step, step.subject), self._named(step, step.other)
        for old, new, said in zip(subjects, others, self._said(step), strict=True):
            if old is None or new is None:
                continue
            if once.get(old, new) != new:
                hint = "WITH … first, so that there is one row for each item"
                raise _refused("Q213", "two items would take the place of the same one", step.span, hint)
            if old not in once:
                once[old] = new
                self._add(step, _parsed("SupersedeItem", {"id": old, "by": new, **said}, step.span))

    def _forget(self, step: Step) -> None:
        once: set[str] = set()
        for subject, said in zip(self._named(step, step.subject), self._said(step), strict=True):
            if subject is None or subject in once:
                continue
            once.add(subject)
            relation = subject.startswith("rel_") or step.subject.type.name == "relation"
            command = "RetireRelation" if relation else "RetireItem"
            self._add(step, _parsed(command, {"id": subject, **said}, step.span))

    # What rows say

    def _named(self, step: Step, variable: Variable) -> list[str | None]:
        """Of each row the name of the item or relation that the variable is; None where it is null."""
        if variable in self._draft.made:
            return list(self._draft.made[variable])
        names: list[str | None] = []
        for datum in self._rows.columns[variable].datums(self._running.seen):
            if not isinstance(datum, Node | Relation | None):
                message = f"`{variable.name}` is {shown(datum)}, and neither a node nor a relation"
                raise _refused("Q213", message, step.span, "name what was matched")
            names.append(None if datum is None else datum.id)
        return names

    def _column(self, expression: Expression) -> Sequence[Datum]:
        return self._running.meaning(expression).datums(self._rows)

    def _values(self, step: Step) -> list[dict[str, Datum]]:
        """What is set in each row; of a map all that it names."""
        rows: list[dict[str, Datum]] = [{} for _ in range(self._rows.size)]
        for name, expression in step.values:
            for row, value in zip(rows, self._column(expression), strict=True):
                if name != ALL:
                    row[name] = value
                elif isinstance(value, dict):
                    row.update(value)
                elif value is not None:
                    raise _refused("Q213", f"a map is expected, not {shown(value)}", expression.span)
        return rows

    def _said(self, step: Step) -> list[dict[str, Any]]:
        """The reason and the times of each row, where there are such."""
        rows: list[dict[str, Any]] = [{} for _ in range(self._rows.size)]
        if step.because is not None:
            for row, value in zip(rows, self._column(step.because), strict=True):
                if value is not None:
                    row["reason"] = value
        for name, expression in (("valid_from", step.valid_from), ("valid_to", step.valid_to)):
            if expression is None:
                continue
            for row, value in zip(rows, self._column(expression), strict=True):
                if value is None:
                    continue
                at = moment(value)
                if at is None:
                    hint = "such as 2026-03-14T09:00:00Z"
                    raise _refused("Q213", "VALID takes a date or a time", expression.span, hint)
                row[name] = instant(at)
        return rows

    def _sources(self, step: Step) -> list[list[dict[str, Any]]]:
        """A link to each source that a row names, once. It is true from when the item is, so that what was true then
        can be traced then."""
        found: list[dict[str, None]] = [{} for _ in range(self._rows.size)]
        for expression in step.sources:
            if isinstance(expression, bound.Local) and expression.variable in self._draft.made:
                for row, name in zip(found, self._draft.made[expression.variable], strict=True):
                    row[name] = None
                continue
            for row, value in zip(found, self._column(expression), strict=True):
                for each in value if isinstance(value, list) else [value]:
                    if not isinstance(each, Node | str | None):
                        message = f"FROM takes items and ids of items, not {shown(each)}"
                        raise _refused("Q213", message, expression.span)
                    if each is not None:
                        row[each.id if isinstance(each, Node) else each] = None
        times = [{"valid_from": said["valid_from"]} if "valid_from" in said else {} for said in self._said(step)]
        return [
            [{"kind": "DERIVED_FROM", "target": name, **time} for name in row]
            for row, time in zip(found, times, strict=True)
        ]


def _new(step: Step, given: Mapping[str, Datum]) -> dict[str, Any]:
    """The fields of the command that makes a new item."""
    shape = _SHAPES.get(step.kind, AddItem)
    own = (shape.model_fields.keys() - NewItem.model_fields.keys() - _AS_PROPERTIES) | _OF_THE_ITEM
    present = _present(given)
    body = {name: value for name, value in present.items() if name in own}
    body["properties"] = {name: value for name, value in present.items() if name not in own}
    body["labels"] = list(step.labels)
    return body if shape is not AddItem else {**body, "kind": step.kind}


def _present(given: Mapping[str, Datum]) -> dict[str, Datum]:
    return {name: value for name, value in given.items() if value is not None}


def _parsed(shape: type[Command] | str, body: Mapping[str, Any], span: Span) -> Command:
    made = parse(shape if isinstance(shape, str) else shape.__name__, body)
    if isinstance(made, Refusal):
        raise Stopped(placed(made, span))
    return made


def placed(refusal: Refusal, span: Span, *, said: bool = True) -> Refusal:
    """What a command was refused for, at the place of its verb; where in the command is part of the message."""
    problems = []
    for each in refusal.problems:
        where = each.place.rpartition("].")[2] if each.place.startswith("steps[") else each.place
        message = f"{each.message} ({where})" if where and said else each.message
        place = f"line {span.line}, column {span.column}"
        problems.append(Problem(each.code, message, place, each.hint, span))
    return Refusal(refusal.reason, tuple(problems))


def _refused(code: str, message: str, span: Span, hint: str = "") -> Stopped:
    problem = Problem(code, message, f"line {span.line}, column {span.column}", hint, span)
    return Stopped(Refusal(Reason.INVALID, (problem,)))


def _ids(datum: Datum) -> Iterator[str]:
    """The items and relations in a value."""
    match datum:
        case Node() | Relation():
            yield datum.id
        case Path():
            yield from (each.id for each in datum.nodes)
            yield from (each.id for each in datum.relations)
        case list():
            for each in datum:
                yield from _ids(each)
        case dict():
            yield from _ids(list(datum.values()))
