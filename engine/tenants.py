"""The tenants of one data directory: opened on demand, the least used closed for the next, deleted whole.

Whoever opens them has the directory's lock (`engine/lock.py`).
"""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.clock import Clock, ulid
from engine.embed import Embedder
from engine.limits import Limits
from engine.recovery import Damaged
from engine.tenant import GraphEngine, Tenant
from memql.errors import Refusal, invalid, not_found, over_limit, unavailable

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")


@dataclass(slots=True)
class _Entry:
    tenant: Tenant | None = None
    leases: int = 0
    used: int = 0
    going: bool = False


class Tenants:
    """Every tenant of a data directory. Any thread."""

    def __init__(
        self, data: Path, *,
        clock: Clock, limits: Limits, engine: GraphEngine = "kuzu", embedder: Embedder | None = None,
        consolidate: bool = True,
    ) -> None:  # fmt: skip
        self.data = data
        self.clock = clock
        self._limits = limits
        self._engine: GraphEngine = engine
        self.embedder = embedder
        self._consolidate = consolidate
        self._entries: dict[str, _Entry] = {}
        self._changed = threading.Condition()
        self._uses = 0
        self._root = data / "tenants"
        self._root.mkdir(parents=True, exist_ok=True)
        self._finish_deletions()

    def names(self) -> list[str]:
        return sorted(path.name for path in self._root.iterdir() if NAME.match(path.name))

    def directory(self, name: str) -> Path:
        return self._root / name

    def is_open(self, name: str) -> bool:
        return (entry := self._entries.get(name)) is not None and entry.tenant is not None

    @contextmanager
    def use(self, name: str, *, create: bool = True) -> Iterator[Tenant | Refusal]:
        """The tenant, open for as long as the block runs."""
        tenant = self.acquire(name, create=create)
        try:
            yield tenant
        finally:
            if isinstance(tenant, Tenant):
                self.release(name)

    def acquire(self, name: str, *, create: bool = True) -> Tenant | Refusal:
        """Opens the tenant unless it is open, and keeps it so until it is released as often."""
        if refusal := check_name(name):
            return refusal
        if not create and not self.directory(name).exists():
            return not_found("tenant", name, "tenant")
        with self._changed:
            while (entry := self._entries.get(name)) and (entry.going or entry.tenant is None):
                self._changed.wait()
            self._uses += 1
            if entry and entry.tenant:
                entry.leases += 1
                entry.used = self._uses
                return entry.tenant
            idle = self._make_room()
            if isinstance(idle, Refusal):
                return idle
            self._entries[name] = _Entry(used=self._uses)
        try:
            self._close(idle)
            opened = Tenant.open(
                name, self.directory(name),
                clock=self.clock, limits=self._limits, engine=self._engine, embedder=self.embedder,
                consolidate=self._consolidate,
            )  # fmt: skip
        except BaseException:
            self._forget(name)
            raise
        if isinstance(opened, Damaged):
            self._forget(name)
            return unavailable(opened.code, f"tenant `{name}` is damaged: {opened}", f"memql recover --tenant {name}")
        with self._changed:
            entry = self._entries[name]
            entry.tenant, entry.leases = opened, 1
            self._changed.notify_all()
        return opened

    def acquire_open(self, name: str) -> Tenant | None:
        """The tenant where it is open already, kept so as by `acquire`. Waits for nothing."""
        with self._changed:
            entry = self._entries.get(name)
            if entry is None or entry.tenant is None or entry.going:
                return None
            self._uses += 1
            entry.leases += 1
            entry.used = self._uses
            return entry.tenant

    def release(self, name: str) -> None:
        """Gives the tenant back. One whose journal could not be read is closed with its last user, to be mended."""
        with self._changed:
            entry = self._entries[name]
            entry.leases -= 1
            self._changed.notify_all()
            if entry.leases or entry.tenant is None or not entry.tenant.suspect:
                return
            entry.going = True
        self._close([name])

    def delete(self, name: str) -> Refusal | None:
        """Removes every byte of the tenant, when the last one who uses it is done, as who subscribes is told to be. A
        crash on the way is made up for when the directory is next opened."""
        if refusal := check_name(name):
            return refusal
        if not self.directory(name).exists():
            return not_found("tenant", name, "tenant")
        if (entry := self._entries.get(name)) and entry.tenant:
            entry.tenant.end_subscriptions()
        with self._changed:
            while (entry := self._entries.get(name)) and (entry.leases or entry.tenant is None or entry.going):
                self._changed.wait()
            entry = self._entries.setdefault(name, _Entry())
            entry.going = True
        try:
            if entry.tenant:
                entry.tenant.close()
            doomed = self.data / "deleted" / f"{name}-{ulid(self.clock.now(), self.clock.entropy(10))}"
            doomed.parent.mkdir(exist_ok=True)
            self.directory(name).rename(doomed)
            shutil.rmtree(doomed)
        finally:
            self._forget(name)
        return None

    def close(self) -> None:
        """Closes every tenant. Nobody may be using one."""
        with self._changed:
            names = [name for name, entry in self._entries.items() if entry.tenant]
        self._close(names)

    def _make_room(self) -> list[str] | Refusal:
        """The idle tenants that must be closed before another can be opened; they take no more users."""
        surplus = len(self._entries) + 1 - self._limits.open_tenants
        if surplus <= 0:
            return []
        idle = sorted(
            (entry.used, name)
            for name, entry in self._entries.items()
            if entry.tenant and not entry.leases and not entry.going
        )
        if len(idle) < surplus:
            most = self._limits.open_tenants
            return over_limit("open_tenants", most, most + 1, "tenant")
        chosen = [name for _, name in idle[:surplus]]
        for name in chosen:
            self._entries[name].going = True
        return chosen

    def _close(self, names: list[str]) -> None:
        for name in names:
            tenant = self._entries[name].tenant
            try:
                if tenant:
                    tenant.close()
            finally:
                self._forget(name)

    def _forget(self, name: str) -> None:
        with self._changed:
            self._entries.pop(name, None)
            self._changed.notify_all()

    def _finish_deletions(self) -> None:
        shutil.rmtree(self.data / "deleted", ignore_errors=True)


def check_name(name: str) -> Refusal | None:
    """A tenant's name is a directory's: 1 to 63 small letters, digits, `-` and `_`."""
    if NAME.match(name):
        return None
    hint = "1 to 63 small letters, digits, - and _, the first a letter or digit"
    return invalid("BAD_TENANT", f"`{name[:80]}` cannot be a tenant's name", "tenant", hint)
