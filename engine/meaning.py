"""What of a command has a meaning to embed, and the command with the vector of it.

Events and entities are not embedded here: memories are made from events, and an entity is found by its name.
"""

import numpy as np

from engine.commands import AddItem, Command, Curate, Embedding, NewItem, ReviseItem
from engine.embed import Embedder
from engine.limits import Limits
from memql.catalog import Catalog
from memql.errors import Refusal
from memql.values import text_misfit

_NOT_EMBEDDED = ("Event", "Entity", "Stream")


def embedded(command: Command, catalog: Catalog, embedder: Embedder | None, limits: Limits) -> Command | Refusal:
    """The command with the vector of its text, if it sets a text and brings no vector; or why there is none now. Of a
    statement each step, all embedded at once."""
    if embedder is None:
        return command
    steps = command.steps if isinstance(command, Curate) else (command,)
    texts = {place: text for place, step in enumerate(steps) if (text := _to_embed(step, catalog, limits))}
    if not texts:
        return command
    vectors = embedder.embed(list(texts.values()))
    if isinstance(vectors, Refusal):
        return vectors
    whole = list(steps)
    for place, vector in zip(texts, vectors, strict=True):
        made = Embedding(model=embedder.model, vector=vector.astype(np.dtype("<f4")).tobytes())
        whole[place] = whole[place].model_copy(update={"embedding": made})
    return command.model_copy(update={"steps": tuple(whole)}) if isinstance(command, Curate) else whole[0]


def _to_embed(command: Command, catalog: Catalog, limits: Limits) -> str:
    """What is to be embedded of it. What cannot be written is refused for that reason, in the decision."""
    if not isinstance(command, NewItem | ReviseItem) or command.embedding is not None:
        return ""
    text = _text(command, catalog)
    return "" if not text.strip() or len(text) > limits.text_characters or text_misfit(text) else text


def _text(command: NewItem | ReviseItem, catalog: Catalog) -> str:
    """The text that the command sets and by which its item is to be found, or nothing."""
    if isinstance(command, ReviseItem):
        prefix = command.id.partition("_")[0]
        kind = next((name for name, kind in catalog.kinds.items() if kind.prefix == prefix), "")
        given = dict(command.set)
    else:
        kind = command.kind if isinstance(command, AddItem) else command.kind_name
        given = {name: getattr(command, name) for name in type(command).model_fields} | dict(command.properties)
    return "" if kind in _NOT_EMBEDDED else catalog.text_of(kind, given)
