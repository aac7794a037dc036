"""One session of the shell: whom it asks, with which parameters and in which form, and what it asked last."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from engine.clock import Clock
from memql.catalog import Catalog, Kind, Property, RelationKind
from memql.errors import Refusal
from server.commands.asking import answered, show_rows
from server.commands.client import Client
from server.commands.shell.screen import complain, complain_of_query, paged, tell
from server.commands.tables import Form

T = TypeVar("T")

CATALOG_SECONDS = 30.0
"""How long the names of a tenant are taken for current: somebody else may declare some meanwhile."""
GRACE_SECONDS = 0.2
"""How long a cancelled query is waited for: it may be on a thread, which ends by itself."""

CATALOG = """
    {
        catalog {
            version open labels
            kinds { name prefix layer text description properties { name type description } }
            relations { name description acyclic lasting properties { name type description } }
        }
    }
"""


@dataclass(slots=True)
class Session:
    """`interactive`: a person is at the terminal. `last` is the last query that was asked, `draft` what the next
    prompt begins with, `nested` how many files are being read, each by the one before."""

    client: Client
    clock: Clock
    interactive: bool
    form: Form = "table"
    timing: bool = False
    keep_going: bool = False
    params: dict[str, Any] = field(default_factory=dict)
    catalog: Catalog = field(default_factory=Catalog)
    last: str = ""
    draft: str = ""
    ended: bool = False
    nested: int = 0
    interrupted: bool = False
    _task: "asyncio.Future[Any] | None" = None
    _fetched: float = float("-inf")

    async def ask(self, query: str, *, remember: bool = True) -> bool:
        """Asks, and shows the answer or what is wrong; whether there was an answer."""
        if remember:
            self.last = query
        begun = self.clock.monotonic()
        answer = await self.whole(answered(self.client, query, self.params))
        took = self.clock.monotonic() - begun
        if answer is None:
            tell("cancelled")
            return False
        if isinstance(answer, Refusal):
            for problem in answer.problems:
                complain(problem)
            return False
        if answer["__typename"] == "MemqlError":
            for told in answer["problems"]:
                complain_of_query(told["rendered"])
            return False
        with paged(self.interactive):
            show_rows(answer, self.form)
            count = len(answer["rows"])
            if self.interactive and self.form == "table" and count:
                tell(f"{count:,} row{'' if count == 1 else 's'}")
        if self.timing:
            tell(f"{took * 1000:,.1f} ms")
        return True

    async def rows(self, query: str) -> list[list[Any]] | None:
        """The rows of a query of our own; None where it was refused, which is told."""
        answer = await self.whole(answered(self.client, query, {}, whole=False))
        if isinstance(answer, Refusal):
            for problem in answer.problems:
                complain(problem)
            return None
        rows: list[list[Any]] | None = answer.get("rows") if answer else None
        return rows

    async def refresh(self, *, at_once: bool = False) -> Refusal | None:
        """Fetches the names of the tenant where they may have changed. Where they can't be had, those that are built
        in are as good as any; who asked for them is told."""
        now = self.clock.monotonic()
        if not at_once and now - self._fetched < CATALOG_SECONDS:
            return None
        self._fetched = now
        told = await self.client.ask(CATALOG)
        if isinstance(told, Refusal):
            return told
        self.catalog = catalog_of(told["catalog"])
        return None

    async def whole(self, work: Awaitable[T]) -> T | None:
        """What the work gives; None where it was interrupted, which ends the work and not the shell."""
        task = asyncio.ensure_future(work)
        self._task = task
        while not task.done() and not self.interrupted:
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
        if not self.interrupted:
            return task.result()
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE_SECONDS)
        task.add_done_callback(_forget)
        return None

    def interrupt(self) -> None:
        """Ctrl-C: ends what runs, and whatever was to come behind it."""
        self.interrupted = True
        if self._task:
            self._task.cancel()


def _forget(task: "asyncio.Future[Any]") -> None:
    """Takes note of how a cancelled task ended, which nobody waits for."""
    if not task.cancelled():
        task.exception()


def catalog_of(told: Mapping[str, Any]) -> Catalog:
    """The catalog that a server told."""
    return Catalog(
        kinds=MappingProxyType({
            kind["name"]: Kind(
                kind["name"], kind["prefix"], kind["layer"], kind["text"], _properties(kind), kind["description"]
            )
            for kind in told["kinds"]
        }),
        relations=MappingProxyType({
            kind["name"]: RelationKind(
                kind["name"], kind["description"], kind["acyclic"], kind["lasting"], _properties(kind)
            )
            for kind in told["relations"]
        }),
        labels=frozenset(told["labels"]),
        open=told["open"],
        version=told["version"],
    )  # fmt: skip


def _properties(kind: Mapping[str, Any]) -> Mapping[str, Property]:
    return {each["name"]: Property(each["name"], each["type"], each["description"]) for each in kind["properties"]}
