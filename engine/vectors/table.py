"""One Lance table: the vectors of one model and width on disk. The only file that knows LanceDB and Arrow.

Rows lie in the order of their dense ids, so that a row is its offset, and nothing is ever said in Lance's own language
(its `where` is SQL text). Rows are only appended. To remove some, the table is written anew under another name:
what Lance deletes stays in its files, and in the bytes of its index.
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.projection import Unapplied
from engine.vectors.nearest import Dense, Offsets, Query, Rows

FORM = "lance 0.40, 1"
REWRITTEN = "latest_version_hint.json"
"""The one file of a table that Lance changes in place."""

_METRIC = "l2"
"""For unit vectors it ranks as the dot product does. An index by `dot` takes twice the time, and its clustering can
collapse: of 79 partitions asked for, 4 were made."""
_COMPACT_FRAGMENTS = 100
"""Fragments that make a table be compacted: loading and scanning pay for each."""
_INDEX_ROWS = 20_000
"""Rows from which an index pays: a flat search of so many costs 25 ms, one by index never less than 5."""
_UNINDEXED = 0.05
"""Share of rows that the index lacks, and a search compares one by one, which makes it take them in."""
_OUTGROWN = 4
"""The index is trained anew when the table is so many times as large as it was then."""
_SCAN_ROWS = 8_192


@contextmanager
def our_words(doing: str) -> Iterator[None]:
    """What Lance cannot do is said in our words; its own stay in the cause, for whoever reads the log."""
    try:
        yield
    except (RuntimeError, OSError, ValueError) as error:
        raise Unapplied(f"the vectors on disk could not be {doing}") from error


def _libraries() -> tuple[Any, Any]:
    """LanceDB and Arrow, imported only where there are vectors: they take two seconds and 193 MB."""
    import lancedb
    import pyarrow

    return lancedb, pyarrow


class Table:
    """`<digest of the model>_<width>_<turn>.lance` in the folder; the model's name is in its schema."""

    def __init__(self, folder: Path, name: str) -> None:
        lancedb, _ = _libraries()
        self.path = folder / f"{name}.lance"
        self._lance: Any = lancedb.connect(folder).open_table(name)
        self.model: str = self._lance.schema.metadata[b"model"].decode()
        _, width, turn = name.split("_")
        self.width, self.turn = int(width), int(turn)

    @classmethod
    def write(
        cls, folder: Path, model: str, width: int, rows: Iterable[tuple[Dense, Dense, Rows]], turn: int
    ) -> "Table":
        """A new table of those dense ids, roots and vectors; `turn` tells it from the one that it replaces."""
        lancedb, pa = _libraries()
        name = f"{hashlib.sha256(model.encode()).hexdigest()[:16]}_{width}_{turn}"
        batches = (_batch(model, width, *some) for some in rows)
        reader = pa.RecordBatchReader.from_batches(_schema(model, width), batches)
        lancedb.connect(folder).create_table(name, data=reader)
        return cls(folder, name)

    def count(self) -> int:
        return int(self._lance.count_rows())

    def append(self, dense: Dense, root: Dense, vector: Rows) -> None:
        _, pa = _libraries()
        self._lance.add(pa.Table.from_batches([_batch(self.model, self.width, dense, root, vector)]))

    def scan(self, *columns: str) -> Iterator[tuple[NDArray[Any], ...]]:
        """Columns of all rows, in their order, some thousands of rows at a time."""
        for batch in self._lance.search().select(list(columns)).to_batches(_SCAN_ROWS):
            yield tuple(self._column(batch, name) for name in columns)

    def take(self, at: Offsets) -> tuple[Dense, Rows]:
        """Dense ids and vectors of the rows at those offsets, by dense id."""
        taken = self._lance.take_offsets(at.tolist()).select(["dense", "vector"]).to_arrow().combine_chunks()
        dense, vector = self._column(taken, "dense"), self._column(taken, "vector")
        order = np.argsort(dense)
        return dense[order], vector[order]

    def near(self, query: Query, limit: int, probes: int) -> Dense:
        """Dense ids of what is nearest by the index, which reads `probes` of its partitions and ranks by bytes instead
        of floats. Rows not yet in it are compared one by one."""
        search = self._lance.search(query.astype(np.float32)).distance_type(_METRIC).nprobes(probes)
        # Without `_distance` among the columns Lance prints a warning for each search.
        found = search.select(["dense", "_distance"]).limit(limit).to_arrow().combine_chunks()
        dense: Dense = self._column(found, "dense")
        return dense

    def due(self, *, indexed: bool) -> bool:
        """Whether there are fragments to compact, or an index to build, to fill or to train anew."""
        if len(list((self.path / "data").iterdir())) >= _COMPACT_FRAGMENTS:
            return True
        return indexed and (self._outgrown() or self._unindexed() > _UNINDEXED * self.count())

    def tidy(self, *, indexed: bool) -> None:
        """Does what is due, and removes the files of all versions but the last. May break a search under way."""
        if indexed and self._outgrown():
            lancedb, _ = _libraries()
            for old in self._lance.list_indices():
                self._lance.drop_index(old.name)
            rows = self.count()
            # 79 partitions for 100,000 rows, 250 for a million: as measured to be good.
            config = lancedb.index.IvfSq(distance_type=_METRIC, num_partitions=int(rows**0.5 / 4))
            self._lance.create_index("vector", config=config, name=f"trained_on_{rows}")
        self._lance.optimize(cleanup_older_than=timedelta(milliseconds=1), delete_unverified=True)

    def remove(self) -> None:
        shutil.rmtree(self.path)

    def _outgrown(self) -> bool:
        trained = [int(index.name.rsplit("_", 1)[1]) for index in self._lance.list_indices()]
        return self.count() >= max(_INDEX_ROWS, _OUTGROWN * max(trained, default=0))

    def _unindexed(self) -> int:
        return sum(self._lance.index_stats(index.name).num_unindexed_rows for index in self._lance.list_indices())

    def _column(self, rows: Any, name: str) -> NDArray[Any]:
        """A column of an Arrow table of one chunk, or of a batch, as numpy."""
        column = rows[name]
        if hasattr(column, "combine_chunks"):
            column = column.combine_chunks()
        if name == "vector":
            numbers: NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=False)
            return numbers.reshape(-1, self.width)
        ids: NDArray[np.int64] = column.to_numpy(zero_copy_only=False)
        return ids


def _schema(model: str, width: int) -> Any:
    _, pa = _libraries()
    fields = [("dense", pa.int64()), ("root", pa.int64()), ("vector", pa.list_(pa.float32(), width))]
    return pa.schema(fields, metadata={"model": model})


def _batch(model: str, width: int, dense: Dense, root: Dense, vector: Rows) -> Any:
    _, pa = _libraries()
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(vector.ravel()), width)
    return pa.record_batch([pa.array(dense), pa.array(root), vectors], schema=_schema(model, width))
