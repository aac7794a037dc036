"""Laws of SEARCH, on real stores beside a reckoning of each item: the filter comes first and the limit is filled, the
same is found whichever way it is asked, what is not seen has no say, and scores are what they are said to be."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.commands import (
    AddItem,
    DeclareKind,
    DeclareProperty,
    DeriveInsight,
    EraseItem,
    NameEntity,
    PropertyInput,
    Remember,
    ReviseItem,
)
from engine.execute import Rows
from engine.limits import Limits
from engine.search import question, search
from memql.errors import Refusal
from memql.explain import walked
from memql.values import iso
from tests.engine.search_world import ADA, Place, Scores, by_meaning, by_nearness, by_words, fused
from tests.engine.search_world import WORDS as WORLD

QUERY, WORDS = "winter garden", "tea river stone"
FILTERS = {
    "true": "true",
    "half": "m.category IN ['half', 'some', 'few']",
    "some": "m.category = 'some' OR m.category = 'few'",
    "few": "m.category = 'few'",
    "pattern": "EXISTS { (m)-[:MENTIONS]->(:Entity {category: 'project'}) }",
    "pattern with a filter": "EXISTS { (m)-[r:MENTIONS]->(e:Entity) WHERE r.weight = 0.8 AND e.name CONTAINS 'tea' }",
    "label": "m:Pinned",
    "no pattern": "NOT EXISTS { (m)-[:SIMILAR_TO]-(:Memory) }",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("search") / "t")
    yield made
    made.tenant.close()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("search") / "t", strangers=False)
    yield made
    made.tenant.close()


def qualify(place: Place, condition: str) -> set[str]:
    return {each for (each,) in place.ask(f"MATCH (m:Memory) WHERE {condition} RETURN m.id")}


def vector(place: Place, text: str) -> NDArray[np.float32]:
    made = place.embedder.embed([text])
    assert not isinstance(made, Refusal)
    row: NDArray[np.float32] = made[0]
    return row


def agrees(found: list[tuple[str, float]], expected: Scores, limit: int) -> None:
    """The best of these, best first. Of equals any order will do, and at the end of the list any of them."""
    best = sorted(expected.values(), reverse=True)[:limit]
    assert len({each for each, _ in found}) == len(found) == min(limit, len(expected))
    assert np.allclose([score for _, score in found], best, rtol=1e-4, atol=1e-5)
    assert np.allclose([score for _, score in found], [expected[each] for each, _ in found], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("condition", FILTERS.values(), ids=FILTERS.keys())
@pytest.mark.parametrize("limit", [1, 7, 120])
def test_the_limit_is_filled_whenever_so_many_qualify(place: Place, condition: str, limit: int) -> None:
    """However few qualify and wherever they stand: exactly the best of them, by meaning and by words."""
    wanted = qualify(place, condition)
    ways = (("SIMILAR TO", by_meaning(place, vector(place, QUERY))), ("MATCHES", by_words(place, QUERY)))
    for way, scores in ways:
        part = "score.vector(m)" if way == "SIMILAR TO" else "score.text(m)"
        query = f"SEARCH m:Memory {way} $q WHERE {condition} LIMIT {limit} RETURN m.id, {part}"
        found = [(id_, score) for id_, score in place.ask(query, q=QUERY)]
        agrees(found, {each: score for each, score in scores.items() if each in wanted}, limit)


@pytest.mark.parametrize("condition", FILTERS.values(), ids=FILTERS.keys())
def test_the_same_is_found_whichever_way_it_is_asked(place: Place, condition: str) -> None:
    """The filter in SEARCH, or a MATCH whose rows are ranked; meaning before words, or words before meaning."""
    fuses = ("", "FUSE rrf", "FUSE linear {normalize: 'zscore'}")
    for one, other in ((QUERY, WORDS), (QUERY, QUERY)):
        for fuse in fuses:
            rest = "LIMIT 25 SCORE AS s RETURN m.id, s, rank(m), score(m).parts"
            meaning, words = "SIMILAR TO $one WEIGHT 0.7", "MATCHES $other"
            forms = (
                f"SEARCH m:Memory {meaning}, {words} {fuse} WHERE {condition} {rest}",
                f"SEARCH m:Memory {words}, {meaning} {fuse} WHERE {condition} {rest}",
                f"MATCH (m:Memory) WHERE {condition} SEARCH m {meaning}, {words} {fuse} {rest}",
            )
            first, *others = [place.ask(form, one=one, other=other) for form in forms]
            assert others == [first, first]


@pytest.mark.parametrize(
    ("fuse", "how"),
    [("", "zsum"), ("FUSE zsum", "zsum"), ("FUSE rrf", "rrf"), ("FUSE rrf {k: 5}", "rrf"),
     ("FUSE linear", "minmax"), ("FUSE linear {normalize: 'none'}", "none"),
     ("FUSE linear {normalize: 'zscore'}", "zsum")],
)  # fmt: skip
@pytest.mark.parametrize("condition", ["true", "m.category IN ['half', 'some', 'few']", "m.category = 'few'"])
def test_scores_are_fused_as_is_said(place: Place, fuse: str, how: str, condition: str) -> None:
    """Three signals of weights of their own, against ten lines that reckon the same."""
    start = place.entities[3]
    lists = [(0.6, by_meaning(place, vector(place, QUERY))), (0.4, by_words(place, WORDS)),
             (0.3, by_nearness(place, start, 2))]  # fmt: skip
    expected = fused(place, lists, qualify(place, condition), 80, how, 5 if "5" in fuse else 60)
    query = (
        "MATCH (e:Entity {id: $start}) SEARCH m:Memory SIMILAR TO $q WEIGHT 0.6, MATCHES $w WEIGHT 0.4, "
        f"NEAR e WITHIN 2 WEIGHT 0.3 {fuse} WHERE {condition} LIMIT 40 SCORE AS s "
        "RETURN m.id, s, score.vector(m), score.text(m), score.graph(m), score(m).parts"
    )
    found = place.ask(query, start=start, q=QUERY, w=WORDS)
    agrees([(row[0], row[1]) for row in found], expected, 40)
    for id_, total, *raw, parts in found:
        assert np.allclose(raw, [scores.get(id_, 0.0) for _, scores in lists], atol=1e-5)
        assert np.isclose(sum(part["share"] for part in parts), total)
        assert [part["weight"] for part in parts] == [0.4, 0.6, 0.3]


@pytest.mark.parametrize("within", [1, 2, 3, 4])
def test_nearness_is_that_of_the_best_chain(place: Place, within: int) -> None:
    """From an entity and from a memory, among all and among those that a filter leaves."""
    for start in (place.entities[0], place.entities[7], place.memories[11]):
        expected = by_nearness(place, start, within)
        for condition in ("true", "m.importance > 0.8"):
            wanted = qualify(place, condition)
            query = (
                f"MATCH (a {{id: $start}}) SEARCH m:Memory NEAR a WITHIN {within} WHERE {condition} LIMIT 500 "
                "RETURN m.id, score.graph(m)"
            )
            found = [(id_, near) for id_, near in place.ask(query, start=start)]
            agrees(found, {each: near for each, near in expected.items() if each in wanted}, 500)


def test_near_to_some_is_near_to_the_nearest(place: Place) -> None:
    """Of a list the best counts; of several NEARs each is a signal."""
    one, other = place.entities[0], place.entities[4]
    each = [by_nearness(place, start, 2) for start in (one, other)]
    best = {id_: max(scores.get(id_, 0.0) for scores in each) for id_ in {*each[0], *each[1]}}
    query = "MATCH (e:Entity) WHERE e.id IN [$one, $other] WITH collect(e) AS es "
    found = place.ask(
        query + "SEARCH m:Memory NEAR es WITHIN 2 LIMIT 500 RETURN m.id, score.graph(m)", one=one, other=other
    )
    agrees([(id_, near) for id_, near in found], best, 500)
    several = (
        "MATCH (a:Entity {id: $one}), (b:Entity {id: $other}) SEARCH m:Memory NEAR a WITHIN 2, NEAR b WITHIN 2 "
        "FUSE linear {normalize: 'none'} LIMIT 500 RETURN m.id, score(m)"
    )
    summed = {id_: sum(scores.get(id_, 0.0) for scores in each) for id_ in best}
    agrees([(id_, total) for id_, total in place.ask(several, one=one, other=other)], summed, 500)


SEEN = (
    "SEARCH m:Memory SIMILAR TO $q LIMIT 50 RETURN m.text, score(m), rank(m), score(m).parts",
    "SEARCH m SIMILAR TO $q LIMIT 50 RETURN m.text, score(m), rank(m), score(m).parts",
    "SEARCH m:Memory SIMILAR TO $q, MATCHES 'half few' ON category LIMIT 50 RETURN m.text, score(m), score(m).parts",
    "SEARCH m MATCHES 'half' ON category, aliases FUSE rrf LIMIT 50 RETURN m.text, score(m), score(m).parts",
    "MATCH (e:Entity) WITH e ORDER BY e.name LIMIT 3 SEARCH m NEAR e WITHIN 4 LIMIT 50 RETURN m.text, score(m)",
    "SEARCH m:Memory SIMILAR TO $q WHERE m.importance > 0.9 LIMIT 50 RETURN count(*) AS n, sum(score(m)) AS s",
    "MATCH (m) SEARCH m SIMILAR TO $q FUSE linear RETURN m.text, score(m)",
)


@pytest.mark.parametrize("query", SEEN)
def test_what_is_not_seen_has_no_say(place: Place, alone: Place, query: str) -> None:
    """The rows, ranks, scores and each part of them are those of a world in which it was never written."""
    assert place.ask(query, q=QUERY) == alone.ask(query, q=QUERY)


def test_words_of_what_is_not_seen_weigh_as_words_do(place: Place, alone: Place) -> None:
    """How rare a word is, is the tenant's; which rows there are and how they stand by one word alone, is not."""
    query = "SEARCH m:Memory MATCHES 'harbour' LIMIT 200 RETURN m.text, rank(m)"
    found, lonely = place.ask(query), alone.ask(query)
    assert {text for text, _ in found} == {text for text, _ in lonely}
    assert [rank for _, rank in found] == list(range(1, len(found) + 1))


def test_a_question_is_what_graphql_asks(place: Place) -> None:
    """Words and meaning of one text, not fused otherwise: the same rows, scores and parts as the search of the API."""

    def asked(reader: Any) -> list[tuple[str, float, list[tuple[str, float]]]]:
        ranking = search(reader, question(QUERY), reader.scope.of_kind("Memory"))
        assert not isinstance(ranking, Refusal)
        return [
            (item.id, float(ranking.totals[n]), [(part.name, float(part.raw[n])) for part in ranking.parts])
            for n, item in enumerate(reader.items(ranking.denses[:60].tolist()))
        ]

    query = "SEARCH m:Memory SIMILAR TO $q, MATCHES $q {} LIMIT 60 RETURN m.id, score(m), score(m).parts"
    expected = place.read(asked)
    for fuse in ("", "FUSE zsum"):
        found = place.ask(query.format(fuse), q=QUERY)
        assert expected == [
            (id_, total, [(part["signal"], part["raw"]) for part in parts]) for id_, total, parts in found
        ]
    parts = place.ask(query.format("FUSE rrf"), q=QUERY)[0][2]
    assert [part["signal"] for part in parts] == ["words", "meaning"]


def test_a_node_is_searched_for_by_its_own_vector(place: Place) -> None:
    """Nothing is embedded for it, and what it is compared with is what `similarity` compares."""
    calls = len(place.embedder.calls)
    query = (
        "MATCH (a:Memory) WHERE a.id IN $ids SEARCH m:Memory SIMILAR TO a WHERE m <> a LIMIT 3 "
        "RETURN a.id, m.id, score.vector(m), similarity(a, m), rank(m)"
    )
    found = place.ask(query, ids=place.memories[:20])
    assert len(place.embedder.calls) == calls
    assert len(found) == 60
    assert all(one != other and np.isclose(cosine, alike, atol=1e-5) for one, other, cosine, alike, _ in found)


def test_rows_that_ask_the_same_share_a_search(place: Place) -> None:
    """A thousand rows of three texts: embedded in one call, each once; the rows are those of three searches."""
    texts = ["winter garden", "milk and sugar", "north wind"]
    calls = len(place.embedder.calls)
    query = "UNWIND $texts AS t SEARCH m:Memory SIMILAR TO t LIMIT 2 RETURN t, m.id, score(m)"
    many = place.ask(query, texts=[texts[n % 3] for n in range(100)])
    assert [len(call) for call in place.embedder.calls[calls:]] == [3]
    alone = [row for text in texts for row in place.ask(query, texts=[text])]
    assert many == [row for n in range(100) for row in alone[2 * (n % 3) : 2 * (n % 3) + 2]]


def test_rows_that_ask_different_things_are_ranked_apart(place: Place) -> None:
    """After a MATCH: for each entity the best of its own memories, as a search with that filter finds them."""
    ids = place.entities[:5]
    query = (
        "MATCH (e:Entity)<-[:MENTIONS]-(m:Memory) WHERE e.id IN $ids SEARCH m SIMILAR TO e.name LIMIT 3 "
        "RETURN e.id AS e, m.id, rank(m) AS rank, score(m) ORDER BY e, rank"
    )
    before = (
        "MATCH (e:Entity) WHERE e.id IN $ids SEARCH m:Memory SIMILAR TO e.name WHERE (m)-[:MENTIONS]->(e) LIMIT 3 "
        "RETURN e.id AS e, m.id, rank(m) AS rank, score(m) ORDER BY e, rank"
    )
    found = place.ask(query, ids=ids)
    assert len(found) == 15
    assert found == place.ask(before, ids=ids)


def test_what_is_searched_for_each_row_shares_what_is_the_same(place: Place) -> None:
    """Also in a CALL: what qualifies is found out once, and each text is embedded once."""
    calls = len(place.embedder.calls)
    inside = (
        "UNWIND $texts AS t CALL (t) { SEARCH m:Memory SIMILAR TO t WHERE m.importance > 0.2 LIMIT 2 "
        "RETURN m, score(m) AS s } RETURN t, m.id, s"
    )
    plain = "UNWIND $texts AS t SEARCH m:Memory SIMILAR TO t WHERE m.importance > 0.2 LIMIT 2 RETURN t, m.id, score(m)"
    texts = ["winter garden", "milk and sugar", "winter garden"]
    found = place.ask(inside, texts=texts)
    assert sum(len(call) for call in place.embedder.calls[calls:]) == 2
    assert found == place.ask(plain, texts=texts)
    profile = place.answer(f"PROFILE {inside}", texts=texts)
    assert isinstance(profile, Rows)
    assert profile.plan
    (scanned,) = [node.rows for _, node in walked(profile.plan) if node.operator == "Scan"]
    assert scanned == len(place.memories)


def test_a_way_of_no_weight_is_told_and_finds_nothing(place: Place) -> None:
    """The rows are those of the other way, and its own score stands beside theirs."""
    words = place.ask("SEARCH m:Memory MATCHES 'harbour' LIMIT 200 RETURN m.id, score.text(m)")
    meant = by_meaning(place, vector(place, QUERY))
    for to in (QUERY, "harbour"):
        found = place.ask(
            "SEARCH m:Memory MATCHES 'harbour', SIMILAR TO $to WEIGHT 0 LIMIT 200 "
            "RETURN m.id, score.text(m), score.vector(m)", to=to,
        )  # fmt: skip
        assert [(id_, text) for id_, text, _ in found] == words
        assert to != QUERY or np.allclose(
            [cosine for *_, cosine in found], [meant[id_] for id_, *_ in found], atol=1e-5
        )


def test_texts_to_embed_are_counted(tmp_path: Path) -> None:
    """Beyond the limit the query is refused, by the limit's name; what is asked twice counts once."""
    made = Place(tmp_path / "t", memories=10, limits=Limits(text_commit_ms=0, graph_gather_ms=0, search_texts=20))
    query = "UNWIND range(1, $n) AS n SEARCH m:Memory SIMILAR TO 'text ' + toString(n % $of) LIMIT 1 RETURN m.id"
    assert len(made.ask(query, n=300, of=20)) == 300
    refused = made.answer(query, n=300, of=21)
    assert isinstance(refused, Refusal)
    assert refused.problems[0].code == "Q404"
    assert "search_texts" in refused.problems[0].message
    made.tenant.close()


def test_a_vector_may_be_given(place: Place) -> None:
    """As a parameter of its own type: what its text finds. Of another width it is refused, and the width is said."""
    given = [float(number) for number in vector(place, QUERY)]
    by_text = place.ask("SEARCH m:Memory SIMILAR TO $q LIMIT 9 RETURN m.id, score(m)", q=QUERY)
    assert place.ask("SEARCH m:Memory SIMILAR TO $v::vector LIMIT 9 RETURN m.id, score(m)", v=given) == by_text
    for wrong in (given[:5], [0.0] * 96):
        refused = place.answer("SEARCH m:Memory SIMILAR TO $v::vector RETURN m.id", v=wrong)
        assert isinstance(refused, Refusal)
        assert ("96 numbers" if len(wrong) == 5 else "direction") in refused.problems[0].message
    assert isinstance(place.answer("SEARCH m:Memory SIMILAR TO $v::vector RETURN m.id", v="tea"), Refusal)


def test_words_of_named_properties_follow_what_is_written(tmp_path: Path) -> None:
    """What is written, changed and erased later is found, changed and gone; AS OF before, it is as it was."""
    made = Place(tmp_path / "t", memories=5)
    query = "SEARCH e:Entity MATCHES 'lighthouse' ON aliases RETURN e.name"
    assert made.ask(query) == []
    id_ = made.write(NameEntity(name="the tower", aliases=("old lighthouse", "beacon")))
    assert made.ask(query) == [("the tower",)]
    before = iso(made.tenant.clock.now())
    made.write(ReviseItem(id=id_, set={"aliases": ["beacon"]}))
    assert made.ask(query) == []
    assert made.ask(f"AS OF $before {query}", before=before) == [("the tower",)]
    made.write(EraseItem(id=id_))
    assert made.ask(f"AS OF $before {query}", before=before) == []
    made.tenant.close()


def test_words_are_counted_as_the_text_index_counts_them(tmp_path: Path) -> None:
    """What all items say in two properties scores the same by either, where all of them are seen."""
    made = Place(tmp_path / "t", memories=0, strangers=False)
    made.write(DeclareKind(name="Leaf", text="front", properties=tuple(
        PropertyInput(name=name, type="string") for name in ("front", "back"))))  # fmt: skip
    for id_ in made.entities:
        made.write(EraseItem(id=id_))
    chance = random.Random(3)
    for _ in range(40):
        said = " ".join(chance.choices(WORLD, k=chance.randint(1, 30)))
        made.write(AddItem(kind="Leaf", properties={"front": said, "back": said}))
    for words in ("tea", "tea tea stone", "winter gardens and the rivers", "nothing"):
        query = "SEARCH x:Leaf MATCHES $w {} LIMIT 100 RETURN x.front, score.text(x)"
        front, back = (made.ask(query.format(on), w=words) for on in ("ON front", "ON back"))
        assert [text for text, _ in front] == [text for text, _ in back]
        assert np.allclose([score for _, score in front], [score for _, score in back], rtol=1e-4)
    made.tenant.close()


def test_the_text_of_a_kind_is_its_default(place: Place) -> None:
    """ON the property that is a kind's text is no other search than none."""
    for kind, text in (("Memory", "text"), ("Entity", "name"), ("Memory|Entity", "text, name")):
        query = f"SEARCH m:{kind} MATCHES 'winter tea' {{}} LIMIT 100 RETURN m.id, score(m)"
        assert place.ask(query.format(f"ON {text}")) == place.ask(query.format(""))


def test_everything_answers_as_that_principal(place: Place) -> None:
    """Nothing of another's is found by any way, with a label or without."""
    owners = {
        owner
        for way in ("SIMILAR TO $q", "MATCHES 'tea garden half' ON text, category", "MATCHES $q")
        for (owner,) in place.ask(f"SEARCH m {way} LIMIT 1000 RETURN m.owner", q=QUERY)
    }
    assert owners == {ADA.id}
    assert isinstance(place.answer("SEARCH m MATCHES 'tea' RETURN m.owner"), Rows)


ASKED = {
    "a vector search with a filter": (
        "SEARCH m:Memory SIMILAR TO $question WHERE m.confidence > 0.4 LIMIT 10 SCORE AS s "
        "RETURN m.text, s ORDER BY s DESC",
        10,
    ),
    "words in named properties of two kinds": (
        "SEARCH m:Memory|Insight MATCHES '\"latency budget\" OR p95' ON text, title LIMIT 25 SCORE AS s "
        "RETURN labels(m), m.text, s",
        4,
    ),
    "fused by rank, then the graph": (
        "SEARCH m:Memory SIMILAR TO $question WEIGHT 0.6, MATCHES $question WEIGHT 0.4 FUSE rrf {k: 60} "
        "WHERE m.confidence > 0.3 LIMIT 50 SCORE AS s MATCH (m)-[:MENTIONS]->(e:Entity) "
        "RETURN m {.id, .text, score: s, entities: collect(e.name)} AS hit ORDER BY s DESC LIMIT 10",
        10,
    ),
    "near to someone as a third signal": (
        "MATCH (me:Entity {name: $me}) SEARCH m:Memory SIMILAR TO $question, MATCHES $question, "
        "NEAR me WITHIN 3 WEIGHT 0.3 FUSE linear {normalize: 'minmax'} LIMIT 20 SCORE AS s "
        "RETURN m.text, s, score.vector(m) AS v, score.text(m) AS t, score.graph(m) AS g",
        20,
    ),
    "a pattern asked before the search": (
        "SEARCH m:Memory SIMILAR TO $question WHERE EXISTS { (m)-[:MENTIONS]->(:Entity {category: 'project'}) } "
        "LIMIT 10 SCORE AS s RETURN m.id, s",
        10,
    ),
    "what means nearly the same": (
        "MATCH (a:Insight), (b:Insight) WHERE a.id < b.id AND similarity(a, b) > 0.9 "
        "RETURN a.id, b.id, similarity(a, b) AS s ORDER BY s DESC LIMIT 50",
        1,
    ),
    "profiled": (
        "PROFILE SEARCH m:Memory SIMILAR TO $question LIMIT 5 SCORE AS s MATCH (m)-[:MENTIONS]->(e) RETURN e.name, s",
        10,
    ),
}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The same world with what such questions are about."""
    made = Place(tmp_path_factory.mktemp("office") / "t", memories=60)
    for kind in ("Memory", "Insight"):
        made.write(DeclareProperty(kind=kind, name="title", type="string"))
    made.write(Remember(text="the latency budget is spent", properties={"title": "a note"}))
    made.write(Remember(text="nothing was said", properties={"title": "what p95 means"}))
    for text in ("the budget of the team", "the budget of the team!"):
        made.write(DeriveInsight(text=text, properties={"title": "money"}))
    for id_ in made.memories:
        made.write(ReviseItem(id=id_, set={"confidence": 0.5 if int(id_[-1], 36) % 2 else 0.35}))
    yield made
    made.tenant.close()


@pytest.mark.parametrize(("query", "rows"), ASKED.values(), ids=ASKED.keys())
def test_what_people_ask(office: Place, query: str, rows: int) -> None:
    """Each form in full, on a world that has what it asks about."""
    me = office.ask("MATCH (e:Entity) RETURN e.name ORDER BY e.name LIMIT 1")[0][0]
    found = office.answer(query, question="winter garden paper lamp", me=me)
    assert isinstance(found, Rows), found
    assert len(found.rows) == rows
    if "PROFILE" in query:
        assert "Search find m similar to $question" in found.plan_text
    elif "NEAR" in query:
        assert all(s >= 0 and -1 <= v <= 1 and t >= 0 and 0 <= g <= 0.5 for _, s, v, t, g in found.rows)
        assert len({g for *_, g in found.rows}) > 1
    elif "p95" in query:
        assert {text for _, text, _ in found.rows} >= {"the latency budget is spent", "nothing was said"}


def test_kinds_and_labels_of_ones_own(tmp_path: Path) -> None:
    """By the text that the kind names, by other properties, by meaning, by a label, by all but a kind, by anything."""
    made = Place(tmp_path / "t", memories=5)
    made.write(
        DeclareKind(
            name="Recipe", text="body",
            properties=(PropertyInput(name="body", type="string"), PropertyInput(name="title", type="string"),
                        PropertyInput(name="steps", type="string[]"), PropertyInput(name="extra", type="any"),
                        PropertyInput(name="minutes", type="integer")),
        )
    )  # fmt: skip
    made.write(DeclareKind(name="Note", properties=(PropertyInput(name="remark", type="string"),)))
    soup = {"body": "boil the leeks", "title": "Soup", "steps": ["wash", "chop"], "extra": "served cold", "minutes": 20}
    made.write(AddItem(kind="Recipe", properties=soup, labels=("Pinned",)))
    made.write(AddItem(kind="Recipe", properties={"body": "stir the tea", "title": "Cold tea", "extra": 7}))
    made.write(AddItem(kind="Note", properties={"remark": "wash the leeks"}))

    def found(query: str) -> set[str]:
        return {title for (title,) in made.ask(f"{query} RETURN coalesce(properties(x).title, properties(x).remark)")}

    assert found("SEARCH x:Recipe MATCHES 'leeks soup'") == {"Soup"}
    assert found("SEARCH x:Recipe MATCHES 'leeks tea' ON title") == {"Cold tea"}
    assert found("SEARCH x:Recipe MATCHES 'chop cold' ON steps, extra") == {"Soup"}
    assert found("SEARCH x:Recipe MATCHES 'cold' ON title, extra") == {"Soup", "Cold tea"}
    assert found("SEARCH x:Recipe|Note MATCHES 'leeks wash' ON body, remark") == {"Soup", "wash the leeks"}
    assert found("SEARCH x:Pinned MATCHES 'leeks'") == {"Soup"}
    assert found("SEARCH x:Recipe&!Pinned MATCHES 'tea leeks'") == {"Cold tea"}
    assert found("SEARCH x MATCHES 'wash' ON remark, steps") == {"Soup", "wash the leeks"}
    assert found("SEARCH x:Recipe SIMILAR TO 'stir the tea' LIMIT 1") == {"Cold tea"}
    refused = made.answer("SEARCH x:Recipe MATCHES 'tea' ON minutes RETURN x")
    assert isinstance(refused, Refusal)
    assert refused.problems[0].hint == "these have: body, extra, steps, title"
    made.tenant.close()
