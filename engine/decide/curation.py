"""Statements of MemQL: steps that are decided one after the other, and happen at one moment or not at all."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.commands import (
    Command,
    Curate,
    MeetEntity,
    NameEntity,
    Principal,
    RetireItem,
    ReviseItem,
    SupersedeItem,
)
from engine.decide import items
from engine.decide.staged import Staged
from engine.decide.view import Decision, ItemState, View
from engine.events import Curated
from memql.errors import Refusal, conflict, over_limit
from memql.values import Value

Decide = Callable[[View, Command, Principal], Decision | Refusal]

_AS_IT_IS = "NOTHING_TO_CHANGE"
_ENDING = (SupersedeItem, RetireItem)


def curate(view: View, command: Curate, by: Principal, decide: Decide) -> Decision | Refusal:
    """`decide` tells what one step leads to. A refusal's place begins with the number of its step."""
    if len(command.steps) > view.limits.curated_steps:
        return over_limit("curated_steps", view.limits.curated_steps, len(command.steps), "")
    for id_ in command.read:
        if _changed(view, id_, command.read_at):
            message = f"`{id_}` was changed while the statement ran; nothing was written"
            return conflict("CHANGED", message, "", "run it again: it will read what is so now")
    staged = Staged(view)
    # All of it happens at one moment: an item is ended when the rest is done, so that it can still be joined.
    for number, step in sorted(enumerate(command.steps), key=lambda each: isinstance(each[1], _ENDING)):
        if isinstance(step, MeetEntity):
            decision = _met(staged, step, command.last_dense, by)
        else:
            decision = decide(staged, step, by)
        if isinstance(decision, Refusal):
            if decision.problems[0].code != _AS_IT_IS:
                return _at(decision, number)
            assert isinstance(getattr(step, "id", None), str), "what has nothing to change has an id"
            decision = Decision((), (staged.named(step.id),))  # type: ignore[attr-defined]
        staged.take(number, decision)
    ids = tuple(staged.ids[number] for number in range(len(command.steps)))
    said = Curated(command.read_at, command.statement)
    return Decision((said, *staged.events) if staged.events else (), ids)


def _changed(view: View, id_: str, since: int) -> bool:
    """Whether it was recorded anew or ended behind that position."""
    state = view.relation(id_) if id_.startswith("rel_") else view.item(id_)
    return state is None or state.born > since or (state.retired and state.died > since)


def _at(refusal: Refusal, number: int) -> Refusal:
    problems = (replace(each, place=f"steps[{number}].{each.place}".rstrip(".")) for each in refusal.problems)
    return replace(refusal, problems=tuple(problems))


def _met(staged: Staged, step: MeetEntity, last_dense: int, by: Principal) -> Decision | Refusal:
    known = staged.item(step.found) if step.found else None
    if known is None or known.retired:
        known = _named_since(staged, step, last_dense, by)
    if known is None:
        return items.new_item(staged, step.entity, by)
    change = ReviseItem(id=known.id, set=_news(known, step.entity), labels=_labels(known, step.entity))
    if not change.set and change.labels is None:
        return Decision((), (known.id,))
    return items.revise(staged, change.model_copy(update={"reason": step.entity.reason}), by)


def _named_since(staged: Staged, step: MeetEntity, last_dense: int, by: Principal) -> ItemState | None:
    entity, owner = step.entity, step.entity.owner or by.id
    found = staged.since(last_dense, "Entity")
    same = [each for each in found if each.properties.get("name") == entity.name and by.sees(each.owner, each.domain)]
    own = (each for each in same if (each.owner, each.domain) == (owner, entity.domain))
    shared = (each for each in same if step.shared and each.domain == "organization")
    return next(own, None) or next(shared, None)


def _news(known: ItemState, entity: NameEntity) -> Mapping[str, Value]:
    """What is said of the entity and was not known."""
    said: dict[str, Value] = dict(entity.properties)
    for name in ("category", "external_key", "metadata"):
        if (value := getattr(entity, name)) is not None:
            said[name] = value
    if entity.aliases is not None:
        said["aliases"] = list(entity.aliases)
    return {name: value for name, value in said.items() if known.properties.get(name) != value}


def _labels(known: ItemState, entity: NameEntity) -> tuple[str, ...] | None:
    """All labels, where there is a new one among them."""
    return tuple(dict.fromkeys((*known.labels, *entity.labels))) if set(entity.labels) - set(known.labels) else None
