"""Vectors: what is near in meaning, and how near.

Each version recorded with an embedding is one row: its dense id, its root and its unit vector, so that a dot product
is the cosine. The vectors of one model and width are a space; each space is a Lance table, its durable tier. While a
tenant's vectors fit `limits.vector_memory` they also lie in memory and search is exact. Of a space beyond that only
the newest rows do, and an index on disk (IVF_SQ) chooses among the others. Scores are always exact: the index only
says which rows are scored.
"""

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.events import ItemErased, ItemRecorded
from engine.limits import Limits
from engine.records import Record
from engine.seal import Seal
from engine.vectors.nearest import NO_HITS, Dense, Hits, Mask, Query, Rows, Scores
from engine.vectors.space import APPEND_ROWS, Space
from engine.vectors.table import FORM, REWRITTEN, Table, our_words
from memql.errors import Refusal, invalid

__all__ = ["Vectors"]


class Vectors:
    """The vectors of one tenant: `vectors/` in the tenant's folder, sealed by `vectors.seal`."""

    name = "vectors"

    def __init__(self, folder: Path, *, tenant: str, limits: Limits) -> None:
        self._folder = folder / "vectors"
        self._limits = limits
        self._seal = Seal(
            folder / "vectors.seal",
            tenant=tenant,
            form=FORM,
            base=folder,
            pattern="vectors/**/*",
            rewritten=(REWRITTEN,),
        )
        # Replaced, never changed, when a space comes: reads go on meanwhile.
        self._spaces: Mapping[tuple[str, int], Space] = {}
        self._position = 0
        self._whole = True
        self._loaded = False
        restored = self._seal.restore()
        if restored is None:
            self.clear()
        else:
            self._position = restored

    def load(self) -> None:
        """Reads the vectors. Not done when the tenant is opened: Lance takes two seconds to import."""
        if not self._loaded:
            with our_words("opened"):
                self._open()
            self._loaded = True

    def _open(self) -> None:
        for path in sorted(self._folder.glob("*.lance")):
            if any(path.glob("_versions/*.manifest")):
                table = Table(self._folder, path.stem)
                self._add(Space(self._folder, table.model, table.width, table))
            else:
                # Made after the seal: restoring took its files and left the folders.
                shutil.rmtree(path)
        room = self._limits.vector_memory
        for space in sorted(self._spaces.values(), key=lambda space: space.size):
            room -= space.size
            if room >= 0:
                space.load()

    def _add(self, space: Space) -> Space:
        self._spaces = {**self._spaces, (space.model, space.width): space}
        return space

    @property
    def position(self) -> int:
        return self._position

    def apply(self, records: Sequence[Record]) -> None:
        fresh: dict[tuple[str, int], list[ItemRecorded]] = defaultdict(list)
        erased: set[int] = set()
        position = self._position
        for record in records:
            if record.position <= position:
                continue
            for event in record.events:
                if isinstance(event, ItemRecorded) and event.vector:
                    fresh[event.vector.model, event.vector.width].append(event)
                elif isinstance(event, ItemErased):
                    erased.add(event.root)
            position = record.position
        self._whole = False
        with our_words("written"):
            for (model, width), events in fresh.items():
                if lasting := [event for event in events if event.root not in erased]:
                    space = self._spaces.get((model, width)) or self._add(Space(self._folder, model, width))
                    space.extend(lasting)
            rewritten = self._erase(erased)
            for space in self._spaces.values():
                if space.unstored >= APPEND_ROWS:
                    space.store()
            self._fit()
        self._position = position
        self._whole = True
        if rewritten:
            # Sealed files are gone: without a seal of the new ones a crash would cost a replay of the whole journal.
            self._store_and_seal()

    def _erase(self, roots: set[int]) -> bool:
        rewritten = False
        for space in self._spaces.values() if roots else ():
            rewritten |= space.erase(np.array(sorted(roots)))
        return rewritten

    def _fit(self) -> None:
        """Leaves the largest spaces to the disk until the others fit in memory."""
        while True:
            resident = [space for space in self._spaces.values() if space.resident]
            if sum(space.size for space in resident) <= self._limits.vector_memory:
                return
            max(resident, key=lambda space: space.size).unload()

    def settle(self) -> None:
        """Nothing is left to do: a row is shown as soon as it is applied."""

    def seal(self) -> None:
        with our_words("written"):
            for space in self._spaces.values():
                space.store()
                space.tidy()
            self._seal.write(self._position)

    def _store_and_seal(self) -> None:
        with our_words("written"):
            for space in self._spaces.values():
                space.store()
            self._seal.write(self._position)

    def clear(self) -> None:
        self._spaces = {}
        self._position = 0
        self._whole = self._loaded = True
        self._seal.remove()
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        # What broke off in the midst of a record, or was never read, keeps its last seal: opening returns to that.
        if self._whole and self._loaded:
            self.seal()
        self._spaces = {}

    # Reads

    def spaces(self) -> dict[tuple[str, int], int]:
        """Rows of each model and width."""
        return {name: space.count for name, space in sorted(self._spaces.items())}

    def search(self, model: str, query: NDArray[np.float32], *, keep: Mask | None, limit: int) -> Hits | Refusal:
        """The `limit` rows nearest to the query among those that `keep` is true for, by dense id; all where it is
        None. No hits where the tenant has no vector of that model."""
        asked = self._asked(model, query)
        if isinstance(asked, Refusal):
            return asked
        space, direction = asked
        return space.search(direction, keep, limit) if space and limit > 0 else NO_HITS

    def alike(self, model: str, queries: Rows, *, keep: Mask | None, least: float, limit: int) -> list[Hits]:
        """Of each query, a unit vector, the rows whose cosine with it is more than `least`: the `limit` highest, to
        four decimals, of equal ones the newest first."""
        space = self._spaces.get((model, queries.shape[1]))
        return space.alike(queries, keep, least, limit) if space else [NO_HITS for _ in queries]

    def scores(self, model: str, query: NDArray[np.float32], denses: Dense) -> Scores | Refusal:
        """The cosine of each of those rows with the query, in their order; 0 for what has no vector of the model."""
        asked = self._asked(model, query)
        if isinstance(asked, Refusal):
            return asked
        space, direction = asked
        return space.scores(direction, denses) if space else np.zeros(len(denses), np.float32)

    def rows(self, model: str, width: int, denses: Dense) -> Rows:
        """The unit vectors of those rows, in their order, shape (denses, width); zeros for what has none."""
        space = self._spaces.get((model, width))
        return space.rows(denses) if space else np.zeros((len(denses), width), np.float32)

    def dump(self) -> list[tuple[int, str, bytes]]:
        """Dense id, model and bytes of every row, in order: what a store and its rebuilt twin agree in."""
        return sorted(row for space in self._spaces.values() for row in space.dump())

    def _asked(self, model: str, query: NDArray[np.float32]) -> tuple[Space | None, Query] | Refusal:
        """The space that the query is for, if there is one, and the query as a unit vector."""
        given = query.astype(np.float64)
        length = float(np.sqrt(given @ given))
        if not 0 < length < np.inf:
            return invalid("NO_DIRECTION", "the query vector is zero or not finite", "vector")
        spaces = self._spaces
        space = spaces.get((model, len(given)))
        widths = [width for name, width in sorted(spaces) if name == model]
        if space is None and widths:
            expected = " or ".join(map(str, widths))
            message = f"the query vector has {len(given)} numbers; those of `{model}` have {expected}"
            return invalid("WRONG_WIDTH", message, "vector", "embed the query with the same model")
        return space, given / length
