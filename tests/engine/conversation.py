"""A conversation for tests: several streams of people and agents who speak of the same few things, some of it noise.

Made from numbers, so that there can be as much of it as a test needs, the same each time.
"""

import random
from datetime import UTC, datetime, timedelta

from engine.commands import Command, Domain, EventInput, NameEntity, Principal, RecordEvents

BEGAN = datetime(2026, 3, 2, 9, tzinfo=UTC)
ADA, BO = Principal("usr_ada"), Principal("usr_bo")
STREAMS: tuple[tuple[str, Principal, Domain, tuple[tuple[str, str], ...]], ...] = (
    ("harbour", ADA, "user", (("Ada Marlowe", "user"), ("assistant", "assistant"))),
    ("kitchen", BO, "user", (("Bo", "user"), ("Clerk", "assistant"))),
    ("crane", ADA, "agent", (("Watcher", "tool"), ("Ada Marlowe", "user"))),
    ("board", ADA, "organization", (("Ada Marlowe", "user"), ("Bo", "user"), ("Ines Duarte", "user"))),
)
PEOPLE = "Ines Duarte;Tom Okafor;Greta Lind;Professor Halloran".split(";")
PLACES = "Porto;the Old Mill;Lake Verna;Bank of Tarn;Kestrel Yard".split(";")
THINGS = "the crane;the tide tables;our insurance;a second pump;the grant;my bicycle;the night shift".split(";")
SAYINGS = (
    "I met {person} in {place} and we spoke about {thing}.",
    "Can you ask {person} whether {thing} is ready before Friday?",
    "{thing} was moved to {place} because {person} wanted it so.",
    "We decided against {thing}; see {ticket} for the reasons.",
    "{person} wrote from {place}: {thing} costs {number} euros now.",
    "Please send {thing} to {mail}, not to {person}.",
    "The sensor at {place} reads {number} millibar, see https://harbour.example/log/{number}.",
    "I no longer believe that {thing} matters as much as {person} says.",
    "We decided against {thing}; see {ticket} for the reasons, which are the same as before.",
)
CHATTER = (
    "Hi!",
    "Thanks, Ada!",
    "ok",
    "👍",
    "haha",
    "See you later",
    "Good morning",
    "Sure, will do.",
    "...",
    "You too!",
)


def conversation(events: int, seed: int = 7) -> list[tuple[Command, Principal]]:
    """What is recorded, in order: a few names that are known beforehand, and then so many events."""
    chance = random.Random(seed)
    asked: list[tuple[Command, Principal]] = [
        (NameEntity(name="Kestrel Yard", category="place", aliases=("the yard",), domain="organization"), ADA),
        (NameEntity(name="insurance", category="topic"), ADA),
        (NameEntity(name="Clerk", category="agent"), BO),
    ]
    said = 0
    while said < events:
        stream, by, domain, authors = chance.choice(STREAMS)
        given = []
        for _ in range(min(chance.randint(1, 7), events - said)):
            author, role = chance.choice(authors)
            said += 1
            given.append(
                EventInput(
                    content=_content(chance), author=author, role=role, external_key=f"{said}",
                    occurred_at=BEGAN + timedelta(minutes=7 * said), importance=chance.choice((None, 0.25, 0.75)),
                )
            )  # fmt: skip
        asked.append((RecordEvents(stream=stream, domain=domain, events=tuple(given)), by))
    return asked


def _content(chance: random.Random) -> str:
    if chance.random() < 0.2:
        return chance.choice(CHATTER)
    told = chance.choice(SAYINGS).format(
        person=chance.choice(PEOPLE), place=chance.choice(PLACES), thing=chance.choice(THINGS),
        ticket=f"HBR-{chance.randint(1, 9)}", number=chance.randint(1, 40), mail="office@harbour.example",
    )  # fmt: skip
    return told[0].upper() + told[1:]
