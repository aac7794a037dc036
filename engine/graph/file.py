"""The file of one tenant's graph, and the engine that reads and writes it: Kùzu, or its maintained fork Ladybug.

One connection writes; each read has one of its own. What an engine says is never passed on: a failed read is a
`GraphFailed` in our words, and a failed write is an exception that makes the whole file void.
"""

import ctypes
import importlib.util  # Kùzu reads Arrow tables through `importlib.util`, which it does not import itself.
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from threading import Condition
from typing import Any, Literal, TypeAlias, TypeVar

from engine import cypher
from engine.limits import Limits
from engine.stopping import current

Engine: TypeAlias = Literal["kuzu", "ladybug"]
T = TypeVar("T")

_THREADS = 2
"""Of one query: more gain little on short reads, and every tenant has its own."""

_LEAST_BUFFER: dict[Engine, int] = {"kuzu": 64 << 20, "ladybug": 128 << 20}
"""Below it a million relations cannot be written: the page cache is full at a copy or a checkpoint."""

_STATEMENTS = 256
"""Prepared statements kept; each shape of an item has its own."""


class EngineUnavailable(Exception):
    """The graph engine is not installed, or this process already uses the other one."""


class GraphFailed(Exception):
    """A read that was not answered. `code` is stable; the message is ours, the engine's is only its cause."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def version(engine: Engine) -> str:
    """The version that is installed, without importing it."""
    try:
        return metadata.version(engine)
    except metadata.PackageNotFoundError:
        raise EngineUnavailable(f"the graph engine {engine} is not installed") from None


def _load(engine: Engine) -> Any:
    """The engine's library, imported on first use: it costs 70 ms, and both in one process end in a crash."""
    other = "ladybug" if engine == "kuzu" else "kuzu"
    if other in sys.modules:
        raise EngineUnavailable(
            f"this process already uses the graph engine {other}, and cannot use {engine} beside it"
        )
    return importlib.import_module(engine)


class GraphFile:
    """Opened when first used, so that a tenant that never asks its graph does not pay for it.

    `begin` is called when it is opened, before anyone reads: with whether the file was made just now.
    """

    def __init__(self, path: Path, engine: Engine, limits: Limits, begin: Callable[[bool], None]) -> None:
        self.path = path
        self._engine = engine
        self._limits = limits
        self._begin = begin
        self._gate = Condition()
        self._barred = False
        self._ending = False
        self._closed = False
        self._readers: set[Any] = set()
        self._library: Any = None
        self._database: Any = None
        self._writer: Any = None
        self._statements: dict[str, Any] = {}

    def open(self) -> None:
        with self._gate:
            if self._database is not None:
                return
            if self._closed:
                raise GraphFailed("GRAPH_CLOSED", "the graph was closed")
            self._library = _load(self._engine)
            fresh = not self.path.exists()
            try:
                self._open(fresh=fresh)
            except RuntimeError as error:
                self.let_go(broken=fresh)
                raise GraphFailed("GRAPH_UNOPENED", "the graph's file could not be opened") from error

    def _open(self, *, fresh: bool) -> None:
        self._database = self._library.Database(
            str(self.path),
            buffer_pool_size=max(self._limits.graph_buffer, _LEAST_BUFFER[self._engine]),
            max_num_threads=_THREADS,
            max_db_size=1 << (self._limits.graph_size - 1).bit_length(),  # A power of two is required.
            auto_checkpoint=False,
        )
        self._writer = self._library.Connection(self._database)
        # Otherwise Kùzu writes to the file on closing even where nothing changed, and it is not as sealed.
        self.execute(cypher.CLOSE_WITHOUT_CHECKPOINT)
        self._begin(fresh)

    def close(self, *, broken: bool = False) -> None:
        """For good. Ends reads that are running; changes nothing on disk."""
        self._closed = True
        self.let_go(broken=broken)

    def let_go(self, *, broken: bool = False) -> None:
        """As if it had not been opened yet. `broken`: the engine failed at a write, and the file is to be removed."""
        with self.alone(hurry=True):
            self._statements.clear()
            if broken:
                self._abandon()
            else:
                if self._writer is not None:
                    self._writer.close()
                if self._database is not None:
                    self._database.close()
            self._library = self._database = self._writer = None

    def _abandon(self) -> None:
        """Closing a Kùzu database that could not write, on a full disk, ends the process: its destructor throws. So it
        is never destroyed. Its file is emptied, because a file that is open keeps its space when it is removed."""
        for kept in (self._writer, self._database):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
        if self.path.exists():
            os.truncate(self.path, 0)

    @contextmanager
    def alone(self, *, hurry: bool = False) -> Iterator[None]:
        """Waits for the reads that are running, or ends them, and lets none begin.

        Kùzu's checkpoint holds the lock that a read needs to end: beside any read it waits five seconds and fails.
        """
        with self._gate:
            self._barred = True
            self._ending = hurry
            while self._readers:
                if hurry:
                    # Again and again: an engine that is between two statements forgets that it was interrupted.
                    for connection in self._readers:
                        connection.interrupt()
                self._gate.wait(0.05 if hurry else None)
        try:
            yield
        finally:
            with self._gate:
                self._barred = self._ending = False
                self._gate.notify_all()

    # Writes, by one thread

    def execute(self, text: str, parameters: Mapping[str, object] | None = None) -> None:
        self._answer(text, parameters).close()

    def rows(self, text: str, parameters: Mapping[str, object] | None = None) -> list[list[Any]]:
        result = self._answer(text, parameters)
        try:
            return result.get_all()  # type: ignore[no-any-return]
        finally:
            result.close()

    def load(self, text: str, rows: object) -> None:
        """A statement that reads the Arrow table `$rows`."""
        self._writer.execute(text, {"rows": rows}).close()

    def forget_statements(self) -> None:
        """Prepared statements are of the tables and columns that there were."""
        self._statements.clear()

    def _answer(self, text: str, parameters: Mapping[str, object] | None) -> Any:
        if parameters is None:
            return self._writer.execute(text)
        statement = self._statements.get(text)
        if statement is None:
            if len(self._statements) >= _STATEMENTS:
                self._statements.clear()
            statement = self._statements[text] = self._library.PreparedStatement(self._writer, text)
        return self._writer.execute(statement, dict(parameters))

    # Reads, by any thread

    def read(self, statement: str, parameters: Mapping[str, object], deadline_ms: int, take: Callable[[Any], T]) -> T:
        """What `take` makes of the engine's result. The engine is stopped at the deadline; `take` must be short."""
        with self._reading(deadline_ms) as connection:
            try:
                connection.set_query_timeout(deadline_ms)
                with current().interrupting(connection.interrupt):
                    connection.execute(cypher.BEGIN_READ).close()
                    result = connection.execute(statement, dict(parameters))
                try:
                    return take(result)
                finally:
                    result.close()
                    connection.execute(cypher.COMMIT).close()
            except RuntimeError as error:
                raise self._failure(str(error), deadline_ms) from error

    @contextmanager
    def _reading(self, deadline_ms: int) -> Iterator[Any]:
        with self._gate:
            if not self._gate.wait_for(lambda: not self._barred, deadline_ms / 1000):
                raise GraphFailed("GRAPH_DEADLINE", f"the graph was being written for {deadline_ms:,} ms")
            self.open()
            connection = self._library.Connection(self._database)
            self._readers.add(connection)
        try:
            yield connection
        finally:
            with self._gate:
                connection.close()
                self._readers.remove(connection)
                self._gate.notify_all()

    def _failure(self, said: str, deadline_ms: int) -> GraphFailed:
        if "Interrupted" in said:
            if current().asked:
                return GraphFailed("GRAPH_STOPPED", "the graph was read for somebody who left")
            if self._ending:
                return GraphFailed("GRAPH_CLOSED", "the graph was closed while it was read")
            return GraphFailed("GRAPH_DEADLINE", f"the graph was read for {deadline_ms:,} ms, and then stopped")
        if "buffer pool is full" in said:
            return GraphFailed("GRAPH_MEMORY", "the read needs more memory than `limits.graph_buffer` allows")
        return GraphFailed("GRAPH_STATEMENT", "the graph could not answer this statement")
