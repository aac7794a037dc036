"""Help for who writes a query: what could come next, what is wrong and how to mend it, and what a word is."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memql.assist import Completion, complete, describe_word, diagnose, highlight, unfinished
from memql.catalog import Catalog, Kind, Property, RelationKind
from memql.functions import AGGREGATES, FUNCTIONS
from memql.lexer import pieces

PAPER = Kind("Paper", "paper", None, "title", {"title": Property("title", "string", "as printed")}, "what was read")
CITES = RelationKind("CITES", "names as a source", properties={"page": Property("page", "integer")})
CATALOG = Catalog().with_kind(PAPER).with_relation(CITES).with_label("Draft")
CASES = Path(__file__).parent / "cases"
QUERIES = [
    query
    for path in sorted(CASES.glob("*.md"))
    for query in re.findall(r"^```memql[^\n]*\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
]


def offered(written: str, **parameters: str) -> list[Completion]:
    """What is offered at the stroke in the text."""
    at = written.rindex("¦")
    return list(complete(written.replace("¦", ""), at, CATALOG, parameters))


def texts(written: str, **parameters: str) -> list[str]:
    return [each.text for each in offered(written, **parameters)]


# What could come next


def test_a_query_begins_with_a_clause() -> None:
    """Nothing else is offered on an empty page, and the common ones come first."""
    assert texts("¦")[:3] == ["MATCH", "RETURN", "SEARCH"]
    assert {each.kind for each in offered("¦")} == {"keyword"}
    assert texts("ma¦")[0] == "MATCH"


def test_labels_where_a_label_stands() -> None:
    """Kinds with what they are, the tenant's own too, and labels."""
    found = {each.text: each for each in offered("MATCH (m:¦")}
    assert {"Memory", "Paper", "Draft"} <= found.keys()
    assert found["Paper"].description == "what was read"
    assert texts("MATCH (m:Memory|Pa¦") == ["Paper"]
    assert texts("MATCH (m) WHERE m:Me¦") == ["Memory"]
    assert texts("SEARCH m:Me¦") == ["Memory"]
    assert texts("MATCH (m)--(:Pap¦)") == ["Paper"]


def test_relation_kinds_where_one_stands() -> None:
    """In the brackets of a relation, and of a variable that is one."""
    found = {each.text: each for each in offered("MATCH (m)-[:¦")}
    assert {"DERIVED_FROM", "CITES"} <= found.keys()
    assert "Memory" not in found
    assert found["CITES"].description == "names as a source"
    assert texts("MATCH (m)<-[r:CIT¦]-(n)") == ["CITES"]
    assert texts("MATCH (m)-[r]->(n) WHERE r:CIT¦") == ["CITES"]


def test_properties_of_what_is_before_the_dot() -> None:
    """Own ones first, then those that every item has; with their types."""
    found = offered("MATCH (p:Paper) WHERE p.¦")
    assert found[0].text == "title"
    assert (found[0].detail, found[0].description) == ("string", "as printed")
    assert {"id", "valid_from", "rank"} <= {each.text for each in found}
    assert "importance" not in {each.text for each in found}
    assert texts("MATCH (m:Memory)-[r:CITES]->(p) RETURN r.pa¦") == ["page"]
    assert texts("MATCH (m) RETURN m.valid_from.ye¦") == ["year"]
    assert texts("MATCH (m:Memory) RETURN m {.te¦") == ["text"]
    assert texts("MATCH (m:Memory {te¦") == ["text: "]
    assert texts("SEARCH m:Memory MATCHES $q RETURN score(m).w¦") == ["words"]
    assert texts("SEARCH m:Memory MATCHES $q RETURN score.te¦") == ["text("]
    assert texts("MATCH ()-[r:CITES]->() RETURN startNode(r).tit¦") == ["title"]


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("MATCH (m:Memory)-[r:ABOUT]->(e) WHERE ¦", {"m", "r", "e"}),
        ("MATCH p = (m)--(n) RETURN ¦", {"p", "m", "n"}),
        ("MATCH (m) WITH m.text AS t RETURN ¦", {"t"}),
        ("MATCH (m) WITH *, 1 AS one RETURN ¦", {"m", "one"}),
        ("MATCH (m) RETURN m.text AS t, count(*) AS n ORDER BY ¦", {"m", "t", "n"}),
        ("MATCH (a) RETURN a UNION MATCH (b) RETURN ¦", {"b"}),
        ("UNWIND [1, 2] AS x RETURN ¦", {"x"}),
        ("SEARCH m:Memory MATCHES 'x' SCORE AS s RETURN ¦", {"m", "s"}),
        ("MATCH (m) RETURN [x IN m.tags WHERE ¦", {"m", "x"}),
        ("MATCH (m) RETURN [x IN m.tags | x], ¦", {"m"}),
        ("MATCH (m) RETURN reduce(t = 0, x IN m.tags | ¦", {"m", "t", "x"}),
        ("MATCH (m) WHERE EXISTS { (m)--(n) WHERE ¦", {"m", "n"}),
        ("MATCH (m) WHERE EXISTS { (m)--(n) } RETURN ¦", {"m"}),
        ("MATCH (`odd name`) RETURN ¦", {"`odd name`"}),
        ("MATCH (m) WHERE m.text = 'RETURN x' AND ¦", {"m"}),
    ],
)
def test_variables_in_sight(written: str, known: set[str]) -> None:
    """Those that this clause may use, and no others."""
    assert {each.text for each in offered(written) if each.kind == "variable"} == known


def test_columns_come_first_where_rows_are_sorted() -> None:
    """What was given a name is most likely sorted by."""
    assert texts("MATCH (m) RETURN m.text AS t ORDER BY ¦")[0] == "t"


def test_functions_with_signatures() -> None:
    """All of the one table, with their descriptions."""
    found = {each.text.rstrip("()"): each for each in offered("RETURN ¦") if each.kind == "function"}
    assert {each.name for each in FUNCTIONS.values()} | {each.name for each in AGGREGATES.values()} <= found.keys()
    assert found["substring"].detail == FUNCTIONS["substring"].signature()
    assert found["collect"].description == AGGREGATES["collect"].doc
    assert texts("RETURN subs¦") == ["substring("]


@pytest.mark.parametrize(
    ("written", "first"),
    [
        ("MATCH (m) RETURN m ORD¦", "ORDER BY"),
        ("MATCH (m) RETURN m ORDER ¦", "ORDER BY"),
        ("MATCH (m) RETURN m ORDER b¦", "ORDER BY"),
        ("SEARCH m:Memory ¦", "SIMILAR TO"),
        ("SEARCH m:Memory ¦", "NEAR"),
        ("SEARCH m:Memory MATCHES 'x' o¦", "ON"),
        ("SEARCH m:Memory NEAR e wi¦", "WITHIN"),
        ("SEARCH m:Memory MATCHES 'x' FUSE ¦", "rrf"),
        ("MATCH (m) WHERE m.text st¦", "STARTS WITH"),
        ("RETURN CASE WHEN true ¦", "THEN"),
        ("opt¦", "OPTIONAL MATCH"),
        ("EXPLAIN ¦", "AST"),
    ],
)
def test_keywords_that_the_grammar_takes(written: str, first: str) -> None:
    """Two words that are one are offered as one, also when half of them is written."""
    found = [each for each in offered(written) if each.kind == "keyword"]
    assert first in [each.text for each in found][:8]
    if "ORDER" in written:
        assert written[found[0].start : found[0].end] in ("ORDER ", "ORDER b")


def test_properties_whose_words_are_searched() -> None:
    """Of the kinds that are searched, those that are texts; behind a comma as well."""
    assert texts("SEARCH g:Goal MATCHES $q ON ¦") == ["title", "description", "status", "external_key"]
    assert texts("SEARCH g:Goal MATCHES $q ON title, de¦") == ["description"]
    assert texts("SEARCH x:Memory|Entity MATCHES 'a' ON ca¦") == ["category"]
    assert "importance" not in texts("SEARCH x MATCHES 'a' ON ¦")


def test_parameters() -> None:
    """Those at hand, and those that the query itself names elsewhere, with their types."""
    assert texts("RETURN $¦ + $least::int", who="'Ada'") == ["$who", "$least"]
    assert [each.detail for each in offered("RETURN $l¦ + $least::int")] == ["integer"]
    assert texts("RETURN $q::dat¦") == ["date", "datetime"]


@pytest.mark.parametrize(
    "written", ["RETURN 'MAT¦", "RETURN 1 // MAT¦", "/* MAT¦", "RETURN 12¦", "RETURN 1 AS ¦", "MATCH (m)¦"]
)
def test_nothing_where_nothing_fits(written: str) -> None:
    """Inside texts and comments, behind what is complete, and where a new name is given."""
    assert texts(written) == []


def test_what_is_replaced() -> None:
    """The whole word at the cursor."""
    (found,) = offered("MATCH (m:Mem¦xx) RETURN m")
    assert (found.start, found.end) == (9, 14)


def test_a_mistake_before_does_not_silence() -> None:
    """Reading begins anew at the next clause."""
    assert "title" in texts("MATCH (p:Paper RETRUN x MATCH (q:Paper) WHERE q.¦")
    assert "WHERE" in texts("MTCH (p) MATCH (q:Paper) ¦")


# What is wrong


def test_problems_with_their_places_and_what_mends_them() -> None:
    """Several at once, each with the text that would stand for it."""
    text = "MATCH (m:Memry)-[:MENTION]->(e)\nWHERE siz(e.nmae) > 1 RETURN m"
    found = diagnose(text, CATALOG)
    fixes = [(each.problem.code, text[each.span.start : each.span.end], each.fix and each.fix.text) for each in found]
    assert fixes == [
        ("Q101", "Memry", "Memory"), ("Q103", "MENTION", "MENTIONS"), ("Q106", "siz", "size"), ("Q102", "nmae", "name"),
    ]  # fmt: skip
    assert {each.severity for each in found} == {"error"}


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("RETRUN 1", "RETURN 1"),
        ("MATCH (m:Memory) RETURN m ODER BY m.text", "MATCH (m:Memory) RETURN m ORDER BY m.text"),
        ("MATCH (m:Memory) RETURN m ORDER YB m.text", "MATCH (m:Memory) RETURN m ORDER BY m.text"),
        ("MATCH (m:Memory) RETURN m {.txet,\n.id} AS x", "MATCH (m:Memory) RETURN m {.text,\n.id} AS x"),
        ("MATCH (m:Memory {ctegory: 'tea'}) RETURN m", "MATCH (m:Memory {category: 'tea'}) RETURN m"),
        ("RETURN 1 == 2", "RETURN 1 = 2"),
        ("RETURN 1 != 2", "RETURN 1 <> 2"),
        ("RETURN !true", "RETURN NOT true"),
        ("RETURN true && false", "RETURN true AND false"),
        ("UNWIND [1] AS x RETURN MATCH", "UNWIND [1] AS x RETURN `MATCH`"),
    ],
)
def test_a_fix_mends(text: str, mended: str) -> None:
    """What was written in the habit of another language, or with a slip of the hand."""
    (found, *_) = diagnose(text, CATALOG)
    assert found.fix is not None
    assert found.fix.applied(text) == mended


def test_warnings_are_told_apart() -> None:
    """A query that can be answered may yet not be what was meant."""
    (found,) = diagnose("MATCH (a:Memory), (b:Event) RETURN a, b", CATALOG)
    assert (found.severity, found.problem.code) == ("warning", "Q910")


@pytest.mark.parametrize("text", ["", "  \n", "// nothing yet", "MATCH (m:Paper) RETURN m.title"])
def test_nothing_is_wrong(text: str) -> None:
    """With a sound query, nor with an empty page."""
    assert diagnose(text, CATALOG) == ()


@pytest.mark.parametrize(
    "text", ["MATCH (m:Memory)", "MATCH (m", "RETURN 'a", "RETURN", "RETURN 1 +", "MATCH (m) RETURN m ORDER", "/* a"]
)
def test_more_is_to_come(text: str) -> None:
    """Where something is missing at the end."""
    assert unfinished(text)


@pytest.mark.parametrize("text", ["", "RETURN 1", "RETURN 1;", "RETRUN 1", "RETURN )", "MATCH (m) RETURN m LIMIT 3"])
def test_nothing_more_is_to_come(text: str) -> None:
    """What is whole, and what no further word could mend."""
    assert not unfinished(text)


# What it is


@pytest.mark.parametrize(
    ("written", "title", "said"),
    [
        ("MATCH (¦m:Memory) RETURN m", "m: node of Memory", "variable"),
        ("MATCH (m:Pa¦per) RETURN m", "kind Paper", "what was read"),
        ("MATCH (m)-[:CI¦TES]->(n) RETURN m", "relation CITES", "names as a source"),
        ("MATCH (p:Paper) RETURN p.ti¦tle", "title: string", "as printed"),
        ("MATCH (p:Paper {¦title: 'x'}) RETURN p", "title: string", "as printed"),
        ("RETURN siz¦e('x')", "size(list|string|map) → integer", ""),
        ("RETURN coun¦t(*)", "count(*) → integer", "rows"),
        ("MAT¦CH (m) RETURN m", "MATCH", "pattern"),
        ("RETURN $li¦mit::int", "$limit: integer", "parameter"),
    ],
)
def test_what_a_word_is(written: str, title: str, said: str) -> None:
    """The thing under the cursor, in a line, and what there is to know of it."""
    found = describe_word(written.replace("¦", ""), written.index("¦"), CATALOG)
    assert found is not None
    assert title in found.title or found.title.startswith(title.partition("(")[0])
    assert said in found.text


def test_what_no_one_knows_is_not_described() -> None:
    """A text, a number, white space, a name that nobody gave."""
    text = "MATCH (m) RETURN 'MATCH', 12, m.nonsense + other"
    for word in ("'MATCH", "12", "nonsense", "other"):
        assert describe_word(text, text.index(word) + 1, CATALOG) is None, word


# Colours


def test_colours() -> None:
    """Each stretch with what it is; a word that is also a keyword goes by its place."""
    text = "MATCH (m:Memory {text: $q})-[:ABOUT]->(n) WHERE n.limit > 1.5 RETURN size('a') AS s, null // end"
    shades = {text[start:end]: shade for start, end, shade in highlight(text)}
    assert shades == {
        "MATCH": "keyword", "WHERE": "keyword", "RETURN": "keyword", "AS": "keyword", "(": "bracket", ")": "bracket",
        "{": "bracket", "}": "bracket", "[": "bracket", "]": "bracket", "m": "variable", "n": "variable",
        "s": "variable", ":": "operator", "-": "operator", ">": "operator", ".": "operator", ",": "operator",
        "Memory": "label", "text": "property", "limit": "property", "$q": "parameter", "ABOUT": "relation",
        "1.5": "number", "size": "function", "'a'": "string", "null": "constant", "// end": "comment",
    }  # fmt: skip


# For any text


_ALPHABET = st.sampled_from(
    "MATCH|(|)|[|]|{|}|m|m.|:Memory|:|-|->|<-|$q|$|::|'|\"|`|/*|*/|//|\n|WITH|RETURN|WHERE|AS|,|ORDER|BY|.|..|1|IN|"
    "EXISTS {|COUNT|CALL|SEARCH|reduce(|x IN xs|=|UNION|é|\x00|\\|;|score(m).|any(|all|UNWIND|#".split("|")
)


@given(st.one_of(st.text(max_size=80), st.lists(_ALPHABET, max_size=30).map(" ".join), st.sampled_from(QUERIES)),
       st.floats(0, 1))  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_there_is_an_answer_to_any_text_at_any_place(text: str, part: float) -> None:
    """Nothing that is typed makes them fail, and every place that they name is in the text."""
    at = round(part * len(text))
    for each in complete(text, at, CATALOG):
        assert 0 <= each.start <= at <= each.end <= len(text)
        assert each.text
    found = describe_word(text, at, CATALOG)
    assert found is None or 0 <= found.span.start <= at <= found.span.end <= len(text)
    end = 0
    for start, stop, _ in highlight(text):
        assert end <= start < stop <= len(text)
        assert not text[end:start].strip()
        end = stop
    for diagnosis in diagnose(text, CATALOG):
        assert 0 <= diagnosis.span.start <= len(text)
        if diagnosis.fix:
            assert diagnosis.fix.applied(text) != text
    unfinished(text)


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_written_would_have_been_offered(query: str) -> None:
    """Of a query that is right, each name and keyword is among what is offered at its first letter."""
    if any(each.severity == "error" for each in diagnose(query, Catalog())):
        return
    for word in (each for each in pieces(query) if each.type == "PROPERTY" or each.text[:1].isalpha()):
        described = describe_word(query, word.start, Catalog())
        if described is None or described.kind in ("variable", "parameter"):
            continue
        offered_there = {each.text.rstrip("(): ").upper() for each in complete(query, word.start + 1, Catalog())}
        first = re.split(r"[\s(]", word.text.upper())[0]
        assert any(each.startswith(first) for each in offered_there), (word.text, offered_there)


@pytest.mark.parametrize("text", ["(" * 5_000, "-[" * 5_000, "a." * 5_000, "a:" * 5_000, "f(" * 5_000, "{" * 5_000,
                                  "[x IN " * 3_000, "UNWIND x AS a " * 2_000, "MATCH (a) " * 3_000])  # fmt: skip
def test_a_text_that_is_nothing_but_deep(text: str) -> None:
    """Takes no stack, and no time to speak of."""
    complete(text, len(text), CATALOG)
    describe_word(text, len(text) - 1, CATALOG)
    highlight(text)
    unfinished(text)
    diagnose(text, CATALOG)


def test_names_of_a_group_are_lists_behind_it() -> None:
    """Within a group a name is one node; behind it a list of them, of which no property can be asked."""
    group = "MATCH ((a:Memory)-[r]->(b:Entity) WHERE "
    within = {each.text for each in complete(f"{group}b.na", len(f"{group}b.na"), Catalog())}
    behind = f"{group}b.name = 'Ada'){{1,3}}(c:Entity) RETURN [x IN b | x.na"
    assert "name" in within
    assert "name" in {each.text for each in complete(behind, len(behind), Catalog())}
    plain = behind.replace("[x IN b | x.na", "b.na")
    assert "name" not in {each.text for each in complete(plain, len(plain), Catalog())}
