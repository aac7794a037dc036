"""What engine tests stand on: real stores in a temporary folder, and a clock that is told what to say."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.adjacency import Adjacency
from engine.clock import Clock
from engine.columns import Columns
from engine.commands import Asked, Command, Principal
from engine.committer import Committer
from engine.index import Index
from engine.journal import Journal
from engine.limits import Limits
from engine.records import Receipt
from engine.recovery import Damaged, open_journal
from memql.catalog import Catalog
from memql.errors import Refusal

ME = Principal("usr_me")
"""Who asks where it does not matter who."""


class SteppingClock:
    """A world in which each look at the clock is one millisecond later, and chance is a counter."""

    def __init__(self, start: int = 1_700_000_000_000_000) -> None:
        self._now = itertools.count(start, 1_000)
        self._entropy = itertools.count(1)

    def now(self) -> int:
        return next(self._now)

    def monotonic(self) -> float:
        return next(self._now) / 1e6

    def entropy(self, count: int) -> bytes:
        return b"".join(next(self._entropy).to_bytes(8, "big") for _ in range(count // 8 + 1))[:count]


class Ledger:
    """A tenant's journal and writer without any store: enough to write and to look at what was recorded."""

    def __init__(self, directory: Path, clock: Clock, limits: Limits) -> None:
        self.directory, self.clock, self.limits = directory, clock, limits
        opened = open_journal(directory, clock)
        assert not isinstance(opened, Damaged), opened
        self.journal: Journal
        self.index: Index
        self.journal, self.index = opened
        self.columns = Columns(self.index, self.journal.position)
        self.adjacency = Adjacency(self.index, self.columns, self.journal.position)
        self.committer = Committer(
            self.journal, self.index, self.columns, self.adjacency,
            catalog=Catalog(), clock=clock, limits=limits, told=lambda records: None,
        )  # fmt: skip

    def ask(self, command: Command, by: Principal = ME, key: str | None = None) -> Receipt | Refusal:
        return self.committer.write(Asked(command, by, key))

    def write(self, command: Command, by: Principal = ME, key: str | None = None) -> Receipt:
        """The receipt of what must succeed."""
        answer = self.ask(command, by, key)
        assert isinstance(answer, Receipt), answer
        return answer

    def refused(self, command: Command, by: Principal = ME, key: str | None = None) -> list[tuple[str, str]]:
        """Code and place of each problem of what must be refused."""
        answer = self.ask(command, by, key)
        assert isinstance(answer, Refusal), answer
        return [(problem.code, problem.place) for problem in answer.problems]

    def close(self) -> None:
        self.journal.close()

    def reopened(self) -> "Ledger":
        self.close()
        return Ledger(self.directory, self.clock, self.limits)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path, SteppingClock(), Limits())
    yield opened
    opened.close()


@pytest.fixture
def open_ledger(tmp_path: Path) -> Callable[..., Ledger]:
    """Opens ledgers in the test's folder, with limits of the test's own."""

    def opened(limits: Limits | None = None, name: str = "tenant") -> Ledger:
        (tmp_path / name).mkdir(exist_ok=True)
        return Ledger(tmp_path / name, SteppingClock(), limits or Limits())

    return opened
