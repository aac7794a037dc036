"""What a batch of events leads to: for each a memory that quotes it, the entities it names, and the links between them.

Pure, and the same however the events are cut into batches: what one event of a batch makes known, such as a name, is
known to the next as if it had been read from the tenant.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.commands import Command, Embedding, Link, NameEntity, Remember, Time
from engine.decide.view import ItemState
from engine.lifecycle.entities import LONGEST_NAME, named
from engine.lifecycle.gazetteer import BLOCKED, ORGANIZATION, Gazetteer, Known, Lexicon, find, fold, ordinary
from engine.lifecycle.gazetteer import key_of as entity_key
from engine.limits import Limits
from memql.values import instant

SIMILAR = 0.7
"""Cosine of raw texts above which two memories are SIMILAR_TO each other: some 0.4 links a turn in conversations."""

_AGENTS = frozenset("assistant agent bot tool system function developer ai model".split())
"""Roles of what is no person."""
_NOBODY = _AGENTS | frozenset(
    "user human me you i visitor guest customer client caller unknown anonymous none null n/a".split()
)
"""Authors called so have no name."""
_DIGITS_OF_AN_ID = 3
"""An author in one word with so many digits is an account's number."""
_FIRST_NAME = 3
"""Letters of a first name by which somebody may be called."""


@dataclass(frozen=True, slots=True)
class Alike:
    """An earlier memory that is near in meaning: by its id, or by its key where it is of the same batch."""

    weight: float
    id: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """An event whose turn it is. `bare`: its links were refused before, so it is to be remembered without them."""

    event: ItemState
    embedding: Embedding | None = None
    alike: Sequence[Alike] = ()
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What is asked for one event, each with its key: entities that it is the first to name, and last its memory."""

    event: ItemState
    asked: tuple[tuple[Command, str], ...]


def plan(turns: Sequence[Turn], gazetteer: Gazetteer, last: Mapping[int, str], limits: Limits) -> list[Step]:
    """The steps of a batch in the order of its events. `last` is the key of each stream's last memory."""
    planning = _Planning(gazetteer, dict(last), limits)
    return [planning.step(turn) for turn in turns]


def cut(events: Sequence[ItemState]) -> int:
    """How many of these events fit into one batch. Links within a batch go by key, and so among one owner's items:
    what one owner made for the organization can be linked to by another only when it has an id."""
    shared_by: str | None = None
    for number, event in enumerate(events):
        if shared_by is not None and event.owner != shared_by:
            return number
        if event.domain == ORGANIZATION:
            shared_by = event.owner
    return len(events)


def joined(event: ItemState, other: ItemState) -> bool:
    """Whether a memory of the one may be linked to an earlier one of the other: of the same owner and domain, or the
    organization's."""
    return other.domain == ORGANIZATION or (event.owner, event.domain) == (other.owner, other.domain)


def text_of(event: ItemState) -> str:
    content = event.properties.get("content")
    return content if isinstance(content, str) else ""


class _Planning:
    """A plan in the making: what its steps so far have made known."""

    def __init__(self, gazetteer: Gazetteer, last: dict[int, str], limits: Limits) -> None:
        self._gazetteer = gazetteer
        self._last = last
        self._limits = limits
        self._fresh: defaultdict[tuple[str, str], Lexicon] = defaultdict(Lexicon)

    def step(self, turn: Turn) -> Step:
        event, since = turn.event, instant(turn.event.valid_from)
        links = [Link(kind="DERIVED_FROM", target=event.id, valid_from=since)]
        entities: list[tuple[Command, str]] = []
        if not turn.bare:
            if previous := self._last.get(event.stream):
                links.append(Link(kind="FOLLOWS", external_key=previous, valid_from=since))
            naming = _Naming(event, self._lexicons(event), self._limits)
            links += [
                Link(kind="MENTIONS", target=known.id, external_key=known.key, of="Entity", valid_from=since)
                for known in naming.mentioned()
            ]
            entities += naming.made
            links += [
                Link(kind="SIMILAR_TO", target=one.id, external_key=one.key, weight=one.weight, valid_from=since)
                for one in turn.alike
            ]
        self._last[event.stream] = event.id
        return Step(event, (*entities, (_memory(turn, tuple(links), since), key_of(event))))

    def _lexicons(self, event: ItemState) -> tuple[Lexicon, Lexicon, Lexicon, Lexicon]:
        """The names that count for an event, its owner's first; of each those that this batch made last."""
        own, shared = self._gazetteer.lexicons(event.owner, event.domain)
        return own, self._fresh[event.owner, event.domain], shared, self._fresh["", ORGANIZATION]


def key_of(event: ItemState, name: str = "") -> str:
    """The idempotency key under which an event's memory is made once, and each entity it is the first to name."""
    return f"consolidate/{event.id}/{name}" if name else f"consolidate/{event.id}"


def _memory(turn: Turn, links: tuple[Link, ...], since: Time) -> Remember:
    event = turn.event
    author, importance = event.properties.get("author"), event.properties.get("importance")
    return Remember(
        text=text_of(event),
        author=author if isinstance(author, str) else None,
        importance=importance if isinstance(importance, float) else None,
        owner=event.owner,
        domain=event.domain,  # type: ignore[arg-type]
        valid_from=since,
        external_key=event.id,
        links=links,
        embedding=turn.embedding,
    )


class _Naming:
    """The entities of one event: those it mentions, and the commands that make those not known yet."""

    def __init__(self, event: ItemState, lexicons: tuple[Lexicon, Lexicon, Lexicon, Lexicon], limits: Limits) -> None:
        self._event = event
        self._own, self._fresh, self._shared, self._fresh_shared = lexicons
        self._lexicons = lexicons
        self._limits = limits
        self.made: list[tuple[Command, str]] = []

    def mentioned(self) -> list[Known]:
        """In the order of first mention. Who speaks is made known before, so that a greeting by name finds them."""
        self._introduce_author()
        text = text_of(self._event)
        known = list(find(text, self._lexicons))
        found = [(start, each.name, each.category) for start, _, each in known]
        # Of a name that is known, a part by itself is none: no TOM in TOM OKAFOR.
        found += [
            (each.start, each.name, each.category)
            for each in named(text)
            if not any(start <= each.start and each.start + len(each.name) <= end for start, end, _ in known)
        ]
        once: dict[tuple[str | None, str | None], Known] = {}
        for _, name, category in sorted(found, key=lambda each: each[0]):
            if len(once) >= self._limits.mentions_per_memory:
                break
            if entity := self._entity(name, category):
                once.setdefault((entity.id, entity.key), entity)
        return list(once.values())

    def _introduce_author(self) -> None:
        author, role = self._event.properties.get("author"), self._event.properties.get("role")
        if not isinstance(author, str) or fold(author) in _NOBODY:
            return
        parts = author.split()
        if len(parts) == 1 and sum(map(str.isdigit, author)) >= _DIGITS_OF_AN_ID:
            return
        agent = isinstance(role, str) and fold(role) in _AGENTS
        first = parts[0]
        called = len(parts) > 1 and not agent and len(first) >= _FIRST_NAME and not ordinary(first)
        aliases = (first,) if called and all(lexicon.get(first) is None for lexicon in self._lexicons) else ()
        self._entity(author, "agent" if agent else "person", aliases)

    def _entity(self, name: str, category: str | None, aliases: tuple[str, ...] = ()) -> Known | None:
        """The entity of that name in the event's own domain, made if need be; None where it may not be mentioned."""
        event = self._event
        for lexicon in (self._own, self._fresh):
            if known := lexicon.get(name):
                return None if known is BLOCKED else known
        twin = self._shared.get(name) or self._fresh_shared.get(name)
        if twin is BLOCKED:
            return None
        if twin is not None:
            if event.domain == ORGANIZATION:
                return twin
            if fold(twin.name) != fold(name):  # by an alias: it is kept here under its own name
                return self._entity(twin.name, twin.category)
        key = entity_key(name, event.domain)
        if not 0 < len(fold(name)) <= LONGEST_NAME or len(key) > self._limits.name_characters:
            return None
        since = instant(event.valid_from)
        category = twin.category if twin else category
        links: tuple[Link, ...] = ()
        if twin is not None:
            links = (Link(kind="SAME_AS", target=twin.id, external_key=twin.key, of="Entity", valid_from=since),)
        command = NameEntity(
            name=twin.name if twin else name,
            category=category,
            aliases=aliases or None,
            owner=event.owner,
            domain=event.domain,  # type: ignore[arg-type]
            valid_from=since,
            external_key=key,
            links=links,
        )
        self.made.append((command, key_of(event, fold(name))))
        known = Known(command.name, key=key, category=category)
        for lexicon in (self._fresh, *((self._fresh_shared,) if event.domain == ORGANIZATION else ())):
            for each in (command.name, *aliases):
                lexicon.add(each, known)
        return known
