"""What a reader sees by name: items and relations by their ids, many at once, entities and streams by their names."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

import numpy as np
import orjson

from engine.decide.streams import stream_scope
from engine.decide.view import ItemState, RelationState
from engine.journal import JournalFailed
from engine.reader import Reader
from memql.errors import Refusal

_WORD = re.compile(r"\w")
_NAMED = 1_000
"""Entities that share a word with a name before all of them are looked at."""

_IDS = "SELECT id, root, current FROM ids WHERE id IN (SELECT value FROM json_each(?))"


def items(reader: Reader, ids: Iterable[str]) -> dict[str, ItemState]:
    """The items of these ids as a default read shows them; those that are not to be seen are left out."""
    numbers = _numbers(reader, (id_ for id_ in ids if not id_.startswith("rel_")))
    shown = reader.scope.shown(np.array([root for root, _ in numbers.values()], np.int64))
    found = {state.root: state for state in reader.items(shown[shown > 0].tolist())}
    if any(root in found and found[root].id != id_ for id_, (root, _) in numbers.items()):
        raise JournalFailed("the index leads from an id to another item")
    return {id_: found[root] for id_, (root, _) in numbers.items() if root in found}


def relations(reader: Reader, ids: Iterable[str]) -> dict[str, RelationState] | Refusal:
    """The relations of these ids as they are seen from their sources; those that are not are left out."""
    numbers = _numbers(reader, (id_ for id_ in ids if id_.startswith("rel_")))
    newest = reader.index.relations(current for _, current in numbers.values()).values()
    sources, kinds = sorted({state.source for state in newest}), sorted({state.kind for state in newest})
    steps = reader.expand(sources, "out", kinds)
    if isinstance(steps, Refusal):
        return steps
    roots = reader.adjacency.column("root")[steps.rows]
    rows = steps.rows[np.isin(roots, [root for root, _ in numbers.values()])]
    found = {state.id: state for state in reader.relations(rows.tolist())}
    if not found.keys() <= numbers.keys():
        raise JournalFailed("the index leads from an id to another relation")
    return found


def _numbers(reader: Reader, ids: Iterable[str]) -> Mapping[str, tuple[int, int]]:
    """Root and newest version of each of these ids that there is."""
    found = reader.index.db.execute(_IDS, (orjson.dumps(list(ids)).decode(),))
    return {id_: (root, current) for id_, root, current in found}


def entities(reader: Reader, name: str) -> list[ItemState]:
    """The entities that are called so, then those that have such an alias, the oldest first. Found by their words."""
    among, spoken = reader.scope.of_kind("Entity"), _spoken(name)
    if not spoken or len(name) > reader.limits.text_characters:
        return []
    found, _ = reader.texts.search(name, keep=among, limit=_NAMED)
    if len(found) == _NAMED or not _WORD.search(name):
        found = np.flatnonzero(among)
    states = reader.items(np.sort(found).tolist())
    called = [state for state in states if _spoken(state.properties.get("name")) == spoken]
    also = [state for state in states if spoken in map(_spoken, _listed(state.properties.get("aliases")))]
    return [*called, *(state for state in also if state not in called)]


def stream(reader: Reader, name: str) -> int:
    """The root of the stream of that id, or of that name among the caller's own; also of one that was retired. 0 where
    there is none to be seen."""
    by_name = reader.index.keyed(stream_scope(reader.scope.by.id), name)
    item = None if by_name else reader.item(name)
    root = by_name or (item.root if item and item.kind == "Stream" else 0)
    return root if root and reader.lasting([root]) else 0


def _spoken(name: object) -> str:
    """A name as it sounds: small and large letters, and the ways to write an accent, are the same."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split()) if isinstance(name, str) else ""


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
