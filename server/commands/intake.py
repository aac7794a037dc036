"""What was read from files, recorded: in batches, each line once, however often it is asked for.

An event's external key makes it one event of its stream: what is known already is sent again and answers with what is
there, so an import that was cut off anywhere is finished by the same import. A line that is refused takes no other
with it. Streams are sent side by side, and the lines of one stream in their order.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from memql.errors import Problem, Reason, Refusal
from server.commands.client import FAULTS, PATIENT, Client, refused
from server.commands.transcripts import Bad, Line, Named, Said, field_of

BATCH_EVENTS = 500
"""Events in one command: half of what a tenant takes by default."""
BATCH_BYTES = 4_194_304
"""Bytes that are gathered before they are sent: a quarter of what a request may carry by default."""
GATHERED = 2_000
"""Lines that are gathered before they are sent."""
NAMES = 20
"""Entities that are named in one request."""
SIDE_BY_SIDE = 4
"""Streams that are sent at once: the server commits together what comes together."""
PAGE = 500

RECORD = f"""
    mutation ($input: RecordEventsInput!) {{
        answer: recordEvents(input: $input) {{
            {FAULTS} ... on RecordEventsPayload {{ position recordedAt events {{ recordedAt }} }}
        }}
    }}
"""
OPEN = f"""
    mutation ($input: OpenStreamInput!) {{
        answer: openStream(input: $input) {{ {FAULTS} ... on Receipt {{ position ids }} }}
    }}
"""
STREAMS = f"""
    query ($after: String) {{
        items(kinds: ["Stream"], first: {PAGE}, after: $after) {{
            nodes {{ id owner ... on Stream {{ name }} }} pageInfo {{ hasNextPage endCursor }}
        }}
    }}
"""
POSITION = "{ position }"
UNDERSTOOD = """
    query ($position: Position!) {
        search(input: {text: "everything", atLeast: $position, consolidated: true}, first: 1) { position }
    }
"""
LOOK_SECONDS = 0.25
"""How long to wait before asking again whether all is understood."""

_INDEX = re.compile(r"events\[(\d+)\]")


@dataclass(slots=True)
class Count:
    """What became of the lines of one file."""

    recorded: int = 0
    known: int = 0
    refused: int = 0
    position: int = 0
    """One that shows every line that is there."""

    @property
    def lines(self) -> int:
        return self.recorded + self.known + self.refused


class Stopped(Exception):
    """The server takes nothing more; what was taken stays."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


@dataclass(slots=True)
class Intake:
    """Records lines at one server. `told` gets each line that is refused; with `strict` the first one ends it all."""

    client: Client
    told: Callable[[Bad], None]
    owner: str | None = None
    domain: str = "USER"
    strict: bool = False
    count: Count = field(default_factory=Count)
    reached: int = 0
    """The position that the tenant is known to have reached."""
    _names: list[Named] = field(default_factory=list)
    _events: dict[str, list[Said]] = field(default_factory=dict)
    _size: int = 0
    _gathered: int = 0
    _most: int = BATCH_EVENTS
    _streams: dict[tuple[str, str], str] | None = None

    async def take(self, lines: Iterable[Line], progress: Callable[[Count], None]) -> Count:
        """Records all lines, a batch at a time."""
        self.count = Count()
        answer = await self.client.ask(POSITION)
        if isinstance(answer, dict):  # else the tenant is yet to be made, or recording will say what is wrong
            self._reach(answer["position"])
        for line in lines:
            match line:
                case Bad():
                    self._refuse(line)
                case Named():
                    self._names.append(line)
                case Said():
                    self._events.setdefault(await self._stream(line), []).append(line)
                    self._size += line.size
            self._gathered += 1
            if self._gathered >= GATHERED or self._size >= BATCH_BYTES:
                await self._flush()
                progress(self.count)
        await self._flush()
        progress(self.count)
        return self.count

    async def _flush(self) -> None:
        """Sends what was gathered. Entities go first: they are there when the events are understood."""
        names, events, before = self._names, self._events, self.reached
        self._names, self._events, self._size, self._gathered = [], {}, 0, 0
        for start in range(0, len(names), NAMES):
            await self._name(names[start : start + NAMES])
        turns = asyncio.Semaphore(SIDE_BY_SIDE)

        async def send(stream: str, said: list[Said]) -> None:
            async with turns:
                await self._record(stream, said, before)

        try:
            async with asyncio.TaskGroup() as group:
                for stream, said in events.items():
                    group.create_task(send(stream, said))
        except* Stopped as stopped:
            raise stopped.exceptions[0] from None

    # Events

    async def _record(self, stream: str, said: Sequence[Said], before: int) -> None:
        while said:
            batch = _batch(said, self._most)
            answer = await self._send(RECORD, {"stream": stream, "domain": self.domain, "events": _inputs(batch)})
            if isinstance(answer, Refusal):
                said = await self._without(stream, batch, answer, before) + list(said[len(batch) :])
                continue
            said = said[len(batch) :]
            new = answer["position"] > before  # else nothing was new, and the receipt is of a record before it
            recorded = sum(new and event["recordedAt"] == answer["recordedAt"] for event in answer["events"])
            self.count.recorded += recorded
            self.count.known += len(batch) - recorded
            self._reach(answer["position"])

    async def _without(self, stream: str, batch: Sequence[Said], refusal: Refusal, before: int) -> list[Said]:
        """What of a refused batch is to be sent again. Nothing of it was recorded."""
        wrong = {int(found[1]): problem for problem in refusal.problems if (found := _INDEX.match(problem.place))}
        if refusal.reason is Reason.CONFLICT and wrong:
            # It is told of alone, and what stands before it is right: sent again as a whole, a batch of conflicts
            # would be decided once for each.
            first = min(wrong)
            await self._record(stream, batch[:first], before)
            self._refuse(_bad(batch[first], wrong[first]))
            return list(batch[first + 1 :])
        if wrong:
            for n, problem in wrong.items():
                self._refuse(_bad(batch[n], problem))
            return [line for n, line in enumerate(batch) if n not in wrong]
        problem = refusal.problems[0]
        if problem.place == "stream" or len(batch) == 1:
            for line in batch:
                self._refuse(_bad(line, problem))
            return []
        # Too much at once, or nobody says which line it is: halves find it.
        half = len(batch) // 2
        if refusal.reason is Reason.LIMIT or problem.code == "LIMIT_EXCEEDED":
            self._most = max(1, half)
        await self._record(stream, batch[:half], before)
        return list(batch[half:])

    # Entities and streams

    async def _name(self, lines: Sequence[Named]) -> None:
        whose = {"domain": self.domain} | ({"owner": self.owner} if self.owner else {})
        given = {f"i{n}": {**whose, **line.entity} for n, line in enumerate(lines)}
        answers = await self.client.ask(_naming(len(lines)), **given)
        if isinstance(answers, Refusal):
            if answers.reason is Reason.UNAVAILABLE:
                raise Stopped(answers)
            if len(lines) == 1:
                self._refuse(Bad(lines[0].spot, answers.problems[0]))
                return
            for line in lines:  # the server takes less at once, or one of them is not as it understands it
                await self._name([line])
            return
        for n, line in enumerate(lines):
            answer = answers[f"a{n}"]
            refusal = refused(answer)
            if refusal is None:
                self.count.recorded += 1
                self._reach(answer["position"])
            elif refusal.reason is Reason.UNAVAILABLE:
                raise Stopped(refusal)
            elif any(problem.code == "EXTERNAL_KEY_TAKEN" for problem in refusal.problems):
                self.count.known += 1
            else:
                problem = refusal.problems[0]
                self._refuse(Bad(line.spot, replace(problem, place=f"entity.{field_of(problem.place)}")))

    async def _stream(self, line: Said) -> str:
        """How the server is told of a line's stream: by name, unless it is another owner's, or a conversation that
        had another title when it was last imported."""
        if line.stream.startswith("str_") or not (self.owner or line.conversation):
            return line.stream
        if self._streams is None:
            self._streams = await self._known_streams()
        owner = self.owner or ""
        if known := self._streams.get((owner, line.conversation or line.stream)):
            return known
        known = line.stream
        if self.owner:
            given = {"name": line.stream, "owner": self.owner, "domain": self.domain}
            answer = await self._send(OPEN, given)
            if isinstance(answer, Refusal):
                raise Stopped(answer)
            known = answer["ids"][0]
        self._streams[owner, line.conversation or line.stream] = known
        return known

    async def _known_streams(self) -> dict[tuple[str, str], str]:
        """The ids of the streams that there are, by owner and name, and by owner and what stands in brackets at the
        name's end. Without an owner asked for, everybody's stand under none: their names are the caller's own."""
        known: dict[tuple[str, str], str] = {}
        after: str | None = None
        while True:
            answer = await self.client.ask(STREAMS, after=after)
            if isinstance(answer, Refusal):
                return known  # there is no such tenant yet
            for node in answer["items"]["nodes"]:
                if name := node["name"]:
                    owner = node["owner"] if self.owner else ""
                    known[owner, name] = known[owner, name.rpartition("(")[2].removesuffix(")")] = node["id"]
            page = answer["items"]["pageInfo"]
            after = page["endCursor"]
            if not page["hasNextPage"]:
                return known

    # Telling

    async def _send(self, document: str, input_: Mapping[str, Any]) -> dict[str, Any] | Refusal:
        answer = await self.client.ask(document, input=input_)
        if isinstance(answer, dict):
            told: dict[str, Any] = answer["answer"]
            refusal = refused(told)
        else:
            refusal = answer
        if refusal and refusal.reason is Reason.UNAVAILABLE:
            raise Stopped(refusal)
        return refusal or told

    def _reach(self, position: int) -> None:
        self.reached = self.count.position = max(self.reached, position)

    def _refuse(self, line: Bad) -> None:
        self.count.refused += 1
        self.told(line)
        if self.strict:
            raise Stopped(Refusal(Reason.INVALID, (Problem("STRICT", "stopped at the first line that is refused"),)))


async def understood(client: Client, position: int) -> Refusal | None:
    """Waits until everything up to that position has become memories, and search finds them."""
    while isinstance(answer := await client.ask(UNDERSTOOD, position=position), Refusal):
        if not all(problem.code in PATIENT for problem in answer.problems):
            return answer
        await asyncio.sleep(LOOK_SECONDS)
    return None


def _naming(count: int) -> str:
    """One request for so many entities."""
    given = ", ".join(f"$i{n}: NameEntityInput!" for n in range(count))
    fields = (f"a{n}: nameEntity(input: $i{n}) {{ {FAULTS} ... on Receipt {{ position }} }}" for n in range(count))
    return f"mutation ({given}) {{ {' '.join(fields)} }}"


def _batch(said: Sequence[Said], most: int) -> Sequence[Said]:
    """As many as fit into one command; one at least."""
    size = 0
    for n, line in enumerate(said[:most]):
        size += line.size
        if size > BATCH_BYTES and n:
            return said[:n]
    return said[:most]


def _inputs(batch: Sequence[Said]) -> list[Mapping[str, Any]]:
    return [line.event for line in batch]


def _bad(line: Said, problem: Problem) -> Bad:
    return Bad(line.spot, replace(problem, place=field_of(problem.place)))
