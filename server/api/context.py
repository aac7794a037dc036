"""What one request works with: the tenant it names, who it acts for, and the words for what it is refused.

The only place where GraphQL meets a tenant. Resolvers say what they want; who may see it, as of when and at which
position is decided beneath, in the tenant's scope.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from graphql import GraphQLError

from engine.commands import Command, Principal
from engine.reader import Reader
from engine.records import Receipt
from engine.tenant import Store, Tenant
from engine.tenants import Tenants
from memql.errors import Reason, Refusal, unavailable
from server.access.keystore import KeyStore
from server.api.answers import Answer
from server.api.rankings import Rankings
from server.bounds import RequestLimits
from server.identity import Identity

T = TypeVar("T")


class Refused(GraphQLError):
    """A refusal where the answer has no place for one: an error of the whole field, in our words."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        problems = [
            {"code": problem.code, "message": problem.message, "place": problem.place, "hint": problem.hint}
            for problem in refusal.problems
        ]
        extensions = {"code": refusal.problems[0].code, "reason": refusal.reason.value, "problems": problems}
        super().__init__("; ".join(problem.message for problem in refusal.problems), extensions=extensions)


@dataclass(frozen=True, slots=True)
class When:
    """As of when a read is, and what it waits for. `time` and `position` are two ways to say as of when; `valid_at`
    None means whenever it is valid."""

    time: int | None = None
    position: int | None = None
    valid_at: int | Literal["now"] | None = "now"
    at_least: int = 0
    consolidated: bool = False


class Desk:
    """The tenants as requests use them, what became of those that would not open, and the keys to them (None: who asks
    is told otherwise)."""

    def __init__(self, tenants: Tenants, keys: KeyStore | None = None) -> None:
        self.tenants = tenants
        self.keys = keys
        self.damaged: dict[str, Refusal] = {}

    async def take(self, name: str, *, create: bool) -> Tenant | Refusal:
        """The tenant, held open until it is given back. Opening one takes up to seconds, so it is left to a thread."""
        tenant: Tenant | Refusal | None = self.tenants.acquire_open(name)
        if tenant is None:
            tenant = await asyncio.to_thread(self.tenants.acquire, name, create=create)
        if isinstance(tenant, Tenant):
            self.damaged.pop(name, None)
        elif tenant.reason is Reason.UNAVAILABLE:
            self.damaged[name] = tenant
        return tenant

    async def give_back(self, tenant: Tenant) -> None:
        if tenant.suspect:  # the last user of such a one closes it
            await asyncio.to_thread(self.tenants.release, tenant.name)
        else:
            self.tenants.release(tenant.name)


class Context:
    """One request. Takes its tenant at the first need of it and keeps it until `close`."""

    def __init__(self, desk: Desk, tenant: str, identity: Identity, limits: RequestLimits, rankings: Rankings) -> None:
        self.identity = identity
        self.by = identity.by
        self.rankings = rankings
        self._desk = desk
        self.tenant = tenant
        self.limits = limits
        self.counted = True
        """Whether what it costs is counted in the minute of who asks; not where it only carries on what was."""
        self._tenant: Tenant | None = None
        self._taking = asyncio.Lock()
        self._begun: list[asyncio.Future[Any]] = []

    async def close(self) -> None:
        """Gives the tenant back when all that was begun is ended: threads go on when nobody waits for them any more."""
        await asyncio.gather(*self._begun, return_exceptions=True)
        if self._tenant:
            await self._desk.give_back(self._tenant)

    @property
    def reading(self) -> tuple[bytes, Principal]:
        """Which tenant is read, and for whom: what an answer that is kept belongs to."""
        assert self._tenant, "a read has begun"
        return self._tenant.journal.uid, self.by

    async def write(self, command: Command, key: str | None) -> Receipt | Refusal:
        tenant = await self._take(create=True)
        return tenant if isinstance(tenant, Refusal) else await self._whole(tenant.write(command, self.by, key))

    async def read(self, ask: Callable[[Answer], T], when: When, needs: Iterable[Store] = ()) -> T:
        """What `ask` gathers in one read; `Refused` where there is a reason against it."""
        tenant = await self._take(create=False)
        if isinstance(tenant, Refusal):
            raise Refused(tenant)
        answer = await self._whole(self._read(tenant, ask, when, needs))
        if isinstance(answer, Refusal):
            raise Refused(answer)
        return answer

    async def ask(self, work: Callable[[Tenant], T | Refusal], *, create: bool = False) -> T | Refusal:
        """What `work` finds in the tenant; it blocks a thread of its own."""
        tenant = await self._take(create=create)
        return tenant if isinstance(tenant, Refusal) else await self._whole(asyncio.to_thread(work, tenant))

    async def administer(self, work: Callable[[KeyStore], T | Refusal]) -> T | Refusal:
        """What `work` finds or does with the keys; it blocks a thread of its own."""
        if self._desk.keys is None:
            return unavailable("NO_KEYS", "no keys are given out here", "ask whoever runs this server for access")
        return await self._whole(asyncio.to_thread(work, self._desk.keys))

    def answer(self, reader: Reader) -> Answer:
        """An answer to this request, to be gathered from that reader."""
        return Answer(reader, self.limits)

    async def _read(
        self, tenant: Tenant, ask: Callable[[Answer], T], when: When, needs: Iterable[Store]
    ) -> T | Refusal:
        as_of = when.position
        if when.time is not None:
            as_of = await asyncio.to_thread(tenant.position_at, when.time)
        return await tenant.read(
            lambda reader: self._gather(ask, reader),
            self.by,
            needs=needs,
            at_least=when.at_least,
            as_of=as_of,
            valid_at=when.valid_at,
            consolidated=when.consolidated,
        )

    async def _take(self, *, create: bool) -> Tenant | Refusal:
        async with self._taking:
            if self._tenant is None:
                return await self._whole(self._taken(create))
            return self._tenant

    async def _taken(self, create: bool) -> Tenant | Refusal:
        taken = await self._desk.take(self.tenant, create=create)
        if isinstance(taken, Tenant):
            self._tenant = taken
        return taken

    async def _whole(self, work: Coroutine[Any, Any, T]) -> T:
        """What was begun is ended, also when its request is not."""
        begun = asyncio.ensure_future(work)
        self._begun.append(begun)
        return await asyncio.shield(begun)

    def _gather(self, ask: Callable[[Answer], T], reader: Reader) -> T | Refusal:
        answer = self.answer(reader)
        found = ask(answer)
        return answer.refusal or found
