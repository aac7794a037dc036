"""What a text names: by pattern, and by what the tenant knows already."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.decide.view import NEVER, ItemState
from engine.lifecycle.entities import named
from engine.lifecycle.gazetteer import BLOCKED, Gazetteer, find
from memql.values import Value


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("I met Sarah Connor at the Blue Bottle Café in New York.", ["Sarah Connor", "Blue Bottle Café", "New York"]),
        ("Dr. Smith wrote to O'Neil & Sons, then to AT&T.", ["Dr. Smith", "O'Neil & Sons", "AT&T"]),
        ("The Museum of Modern Art of New York City", ["Museum of Modern Art of New York City"]),
        ("It was Caroline's idea, and Mel agreed.", ["Caroline", "Mel"]),
        ("We use PostgreSQL, Node.js and an iPhone.", ["PostgreSQL", "Node.js", "iPhone"]),
        ("Ask Ada about it. Both Bo and Cy know. Visiting Porto helps.", ["Ada", "Bo", "Cy", "Porto"]),
        ("thanks Mel, see you on Monday in May", ["Mel"]),
        ("NBA said so, and so did the LGBTQ centre: DONE, OFF", ["NBA", "LGBTQ"]),
        ("Take Vitamin D, or Plan B", ["Vitamin D", "Plan B"]),
    ],
)
def test_runs_of_capitals_are_names(text: str, names: list[str]) -> None:
    """With the small words inside them, without titles of sentences, weekdays and what belongs to somebody."""
    assert [each.name for each in named(text)] == names


@pytest.mark.parametrize(
    "text",
    [
        "Sarah went home.",
        "Running late. Sorry! Painting helps.",
        "I'm sure I'll go, and I've told you so.",
        "THIS IS VERY LOUD AND SAYS NOTHING",
        "How To Build A Shed In Berlin",
        "It is JUST WONDERFUL, OK?",
        "See the `ClassName` and ```\nBuild The Thing\n```",
        "It costs 5 EUR on 3 March at 10 AM, or in mid-November",
        "nothing here at all",
        "",
    ],
)
def test_a_capital_alone_is_no_name(text: str) -> None:
    """At the start of a sentence, in a heading, shouted, in code, or on a word that always has one."""
    assert named(text) == []


def test_a_word_that_is_a_name_elsewhere_is_one_at_the_start_too() -> None:
    assert [each.name for each in named("Sarah went home. I saw Sarah there.")] == ["Sarah"]


def test_nouns_of_a_language_that_writes_them_so_are_not_taken_one_by_one() -> None:
    """There a capital says little, but several in a row still name something."""
    text = "Gestern habe ich den Hund meiner Schwester mit dem Auto zum Arzt nach Bad Aibling gebracht"
    assert [each.name for each in named(text)] == ["Bad Aibling"]


def test_addresses_tickets_and_handles_are_told_apart() -> None:
    """Each with its category, in the order of the text, without what a sentence hangs onto them."""
    text = (
        "Mail Ada@Example.org or @bo-2, see ABC-123 and UTF-8 "
        "(https://harbour.example/a_(b)?q=1#part), then HBR-7. HBR-7 again."
    )
    assert [(each.name, each.category) for each in named(text)] == [
        ("ada@example.org", "email"),
        ("bo-2", "person"),
        ("ABC-123", "ticket"),
        ("UTF-8", None),
        ("https://harbour.example/a_(b)?q=1", "url"),
        ("HBR-7", "ticket"),
    ]


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    """Each name is in the text, once, and not longer than a name is."""
    found = named(text)
    assert len({each.name.casefold() for each in found}) == len(found)
    assert all(1 < len(each.name) <= 120 for each in found)


# What is known


def entity(root: int, name: str, *aliases: str, owner: str = "ada", domain: str = "user") -> ItemState:
    properties: dict[str, Value] = {"name": name, "aliases": list(aliases), "category": "thing"}
    return ItemState(
        f"ent_{root}", root, root, 1, "Entity", owner, domain, 0, root, NEVER, 0, NEVER, root, NEVER, (), properties,
        False,
    )  # fmt: skip


def found(gazetteer: Gazetteer, text: str, owner: str = "ada", domain: str = "user") -> list[str]:
    return [str(known.id) for _, _, known in find(text, gazetteer.lexicons(owner, domain))]


def knowing(*entities: ItemState) -> Gazetteer:
    gazetteer = Gazetteer()
    gazetteer.learn(entities, {})
    return gazetteer


def test_names_and_aliases_are_found_as_whole_words() -> None:
    """The longest first, in any case, across gaps and before what belongs to it."""
    gazetteer = knowing(
        entity(1, "Ada"), entity(2, "Ada Lovelace", "the countess"), entity(3, "C++"), entity(4, ".NET", "dot-net")
    )
    assert found(gazetteer, "ADA's letter") == ["ent_1"]
    assert found(gazetteer, "ask ada  lovelace, The Countess") == ["ent_2", "ent_2"]
    assert found(gazetteer, "adamant Canada") == []
    assert found(gazetteer, "in C++ and .NET, not C or NET; dot-net") == ["ent_3", "ent_4", "ent_4"]


def test_a_name_that_is_a_word_too_counts_as_it_is_written() -> None:
    """And not where a sentence begins; three capitals are no pronoun."""
    gazetteer = knowing(entity(1, "Will"), entity(2, "Slack"), entity(3, "IT"), entity(4, "it"))
    assert found(gazetteer, "will you cut me some slack? Will it rain? it is") == []
    assert found(gazetteer, "I told Will on Slack, not in IT") == ["ent_1", "ent_2", "ent_3"]


def test_names_belong_to_an_owner_and_a_domain() -> None:
    """What is the organization's is known to all, what is someone's own to nobody else; own names come first."""
    gazetteer = knowing(
        entity(1, "Porto"), entity(2, "Lisbon", owner="bo"), entity(3, "Porto", owner="cy", domain="organization")
    )
    assert found(gazetteer, "Porto and Lisbon") == ["ent_1"]
    assert found(gazetteer, "Porto and Lisbon", owner="bo") == ["ent_3", "ent_2"]
    assert found(gazetteer, "Porto and Lisbon", domain="agent") == ["ent_3"]


def test_what_people_named_comes_before_what_was_found() -> None:
    """Also when it came later; one that was found and then changed by somebody counts as named."""
    auto = entity(1, "Porto")
    auto = replace(auto, properties={**auto.properties, "external_key": "user/porto"})
    gazetteer = knowing(auto)
    assert found(gazetteer, "Porto") == ["ent_1"]
    gazetteer.learn([entity(2, "Porto")], {})
    assert found(gazetteer, "Porto") == ["ent_2"]
    gazetteer.learn([replace(auto, version=2)], {})
    assert found(gazetteer, "Porto") == ["ent_1"]


def test_a_changed_entity_is_known_by_its_new_names_alone() -> None:
    gazetteer = knowing(entity(1, "Porto", "Oporto"), entity(2, "Porto"))
    assert found(gazetteer, "Porto") == ["ent_1"]
    gazetteer.learn([replace(entity(1, "Gaia", "Vila Nova"), version=2)], {})
    assert found(gazetteer, "Porto, Oporto, Gaia, vila nova") == ["ent_2", "ent_1", "ent_1"]


def test_what_was_retired_is_not_named_again() -> None:
    """Unless something took its place: then that is meant."""
    gazetteer = knowing(entity(1, "Painting"), entity(2, "Ada L"), entity(3, "Ada Lovelace"))
    gazetteer.learn([replace(entity(1, "Painting"), died=9), replace(entity(2, "Ada L"), died=9)], {2: 3})
    own, _ = gazetteer.lexicons("ada", "user")
    assert own.get("painting") is BLOCKED
    assert found(gazetteer, "Painting with Ada L") == ["ent_3"]
    gazetteer.learn([entity(4, "Painting")], {})
    assert found(gazetteer, "Painting") == ["ent_4"]


def test_what_was_erased_is_forgotten() -> None:
    gazetteer = knowing(entity(1, "Xyzzy"))
    gazetteer.learn([replace(entity(1, "Xyzzy"), died=9, erased=True, properties={})], {})
    own, _ = gazetteer.lexicons("ada", "user")
    assert own.get("xyzzy") is None
