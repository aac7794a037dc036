"""What a command leads to: events, or a refusal. Pure: all it knows of the world is the view that it is given."""

from engine.commands import (
    Asked,
    Command,
    Curate,
    DeclareKind,
    DeclareLabel,
    DeclareProperty,
    DeclareRelationKind,
    EraseItem,
    FoldState,
    NewItem,
    OpenStream,
    Principal,
    RecordEvents,
    Relate,
    RetireItem,
    RetireRelation,
    ReviseItem,
    ReviseRelation,
    SetCatalog,
    SupersedeItem,
)
from engine.decide import curation, declarations, items, relations, streams
from engine.decide.view import Decision, ItemState, RelationState, View
from memql.errors import Refusal

__all__ = ["Decision", "ItemState", "RelationState", "View", "decide"]


def decide(view: View, asked: Asked) -> Decision | Refusal:
    """The one answer to a command, given what the tenant holds. Does nothing; only the committer acts."""
    if isinstance(asked.command, Curate):
        return curation.curate(view, asked.command, asked.by, _decided)
    return _decided(view, asked.command, asked.by)


def _decided(view: View, asked: Command, by: Principal) -> Decision | Refusal:
    match asked:
        case RecordEvents() as command:
            return streams.record_events(view, command, by)
        case OpenStream() as command:
            return streams.open_stream(view, command, by)
        case NewItem() as command:
            return items.new_item(view, command, by)
        case ReviseItem() as command:
            return items.revise(view, command, by)
        case RetireItem() as command:
            return items.retire(view, command, by)
        case SupersedeItem() as command:
            return items.supersede(view, command, by)
        case EraseItem() as command:
            return items.erase(view, command, by)
        case Relate() as command:
            return relations.relate(view, command, by)
        case ReviseRelation() as command:
            return relations.revise(view, command, by)
        case RetireRelation() as command:
            return relations.retire(view, command, by)
        case DeclareKind() as command:
            return declarations.declare_kind(view, command)
        case DeclareRelationKind() as command:
            return declarations.declare_relation_kind(view, command)
        case DeclareProperty() as command:
            return declarations.declare_property(view, command)
        case DeclareLabel() as command:
            return declarations.declare_label(view, command)
        case SetCatalog() as command:
            return declarations.set_catalog(view, command)
        case FoldState() as command:
            return declarations.fold_state(view, command, by)
    raise AssertionError(f"{type(asked).__name__} has no decision")
