"""Files of queries: read, checked, laid out, and made functions of. What is made stands beside the queries, to be read.

pytest tests/memql/test_codegen.py --rewrite     writes what is made now, to be read as a diff
"""

import ast
import json
from pathlib import Path

import pytest

from memql.catalog import Catalog, Kind, Property, RelationKind
from memql.catalogfile import read, written
from memql.codegen import Language, Source, generated
from memql.codegen.declared import camel, labels, pascal
from memql.errors import Problem, Refusal, rendered
from memql.layout import laid_out, wrapped
from memql.parse import parse
from memql.statements import all_checked, statements

FOLDER = Path(__file__).parent / "codegen"
NOTES = Source("notes.memql", (FOLDER / "notes.memql").read_text("utf-8"))


def made(text: str, language: Language = "python", catalog: Catalog | None = None) -> dict[str, str]:
    found = generated([Source("asked.memql", text)], catalog or Catalog(), language)
    assert not found.problems, found.problems
    return found.files


def wrong(text: str) -> list[Problem]:
    return generated([Source("asked.memql", text)], Catalog(), "python").problems["asked.memql"]


# What is made


@pytest.mark.parametrize(
    ("language", "file"), [("python", "notes.py"), ("python", "notes_sync.py"), ("ts", "notes.ts")]
)
def test_what_is_made(language: Language, file: str, request: pytest.FixtureRequest) -> None:
    """To be read as one would read what a colleague wrote."""
    text = generated([NOTES], Catalog(), language).files[file]
    golden = FOLDER / f"{file}.txt"
    if request.config.getoption("--rewrite"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


def test_the_same_is_made_of_the_same() -> None:
    """Whatever was made before, and with the kinds declared in whatever order."""
    catalog = Catalog()
    reordered = Catalog(kinds=dict(sorted(catalog.kinds.items(), reverse=True)), relations=catalog.relations)
    assert generated([NOTES], catalog, "python") == generated([NOTES], reordered, "python")


def test_all_that_is_made_is_python() -> None:
    """Each file compiles, and the twins have the same functions."""
    files = generated([NOTES], Catalog(), "python").files
    assert set(files) == {"__init__.py", "runtime.py", "over_http.py", "py.typed", "notes.py", "notes_sync.py"}
    trees = {name: ast.parse(text) for name, text in files.items() if name.endswith(".py")}
    named = [
        [each.name for each in trees[name].body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
        for name in ("notes.py", "notes_sync.py")
    ]
    assert named[0] == named[1] == ["recall", "memory", "count_memories", "open_tasks"]
    assert "await" not in files["notes_sync.py"]
    assert not any("await" in line or "async" in line for line in files["runtime.py"].split("class SyncExecutor")[1]
                   .split("def only")[0].splitlines())  # fmt: skip


def test_words_that_are_reserved() -> None:
    """Names of functions, parameters and columns that mean something there are escaped, and their keys not."""
    text = "// class :many\nMATCH (m:Memory) WHERE m.text = $from RETURN m.id AS import, m.text AS date"
    python = made(text)["asked.py"]
    assert "async def class_(" in python
    assert "from_: str," in python
    assert '{"from": from_}' in python
    assert "import_: str" in python
    assert "date_: str" in python
    typescript = made(text, "ts")["asked.ts"]
    assert "function class_(" in typescript
    assert "readonly from: string" in typescript


def test_texts_of_queries_arrive_as_they_are() -> None:
    """Quotes, backslashes and ends of lines in a query are those in the constant."""
    query = 'RETURN "a\\"b" AS x, \'\\\\n"""\' AS y,\n  "\\u00e9 ${x}" AS z, "q"'
    text = f"// odd :one\n{query}"
    tree = ast.parse(made(text)["asked.py"])
    (constant,) = (each for each in tree.body if isinstance(each, ast.Assign))
    assert ast.literal_eval(constant.value) == query
    (line,) = (each for each in made(text, "ts")["asked.ts"].splitlines() if each.startswith("export const ODD_QUERY"))
    assert json.loads(line.partition(" = ")[2].removesuffix(";")) == query


def test_names_in_code() -> None:
    """Made of any name that a column may have."""
    assert [pascal(each) for each in ("due_tasks", "dueTasks", "DERIVED_FROM", "a1")] == [
        "DueTasks", "DueTasks", "DerivedFrom", "A1"
    ]  # fmt: skip
    assert camel("due_tasks") == "dueTasks"
    assert labels(["m.text", "e.name", "n"]) == ["text", "name", "n"]
    assert labels(["m.text", "e.text", "text"]) == ["m_text", "e_text", "text"]
    assert labels(["count(*)", "1 + 1", "m.a + 1"]) == ["count", "column_1_1", "m_a_1"]
    assert labels(["a b", "a-b"]) == ["a_b", "a_b_2"]


def test_kinds_of_the_users_own() -> None:
    """Items and relations of any kind become types, and several kinds together a union."""
    prefixed = Kind(
        "Recipe", "rec", None, "title", {"title": Property("title", "string"), "on": Property("on", "date")}
    )
    catalog = Catalog().with_kind(prefixed).with_relation(
        RelationKind("NEEDS", "needs", properties={"grams": Property("grams", "float")})
    )  # fmt: skip
    text = "// needs :many\nMATCH (r:Recipe)-[n:NEEDS]->(e:Entity|Recipe) RETURN r, n, e"
    python = made(text, catalog=catalog)["asked.py"]
    assert "class Recipe:" in python
    assert "    on: date | None" in python
    assert "class Needs:" in python
    assert "    e: Entity | Recipe" in python
    assert "grams?: number | null;" in made(text, "ts", catalog)["asked.ts"]


# What is wrong


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("RETURN 1 AS x", "Q008", (1, 1)),
        ("// a :some\nRETURN 1 AS x", "Q009", (1, 1)),
        ("// a :one\nRETURN 1 AS x\n---\n  // a :one\nRETURN 2 AS x", "Q009", (4, 3)),
        ("// a_b :one\nRETURN 1 AS x\n---\n// aB :one\nRETURN 2 AS x", "Q009", (4, 1)),
        ("// a :one\n\nMATCH (m:Memory) RETURN m", "Q330", (3, 1)),
        ("// a :many\nEXPLAIN MATCH (m:Memory) RETURN m", "Q009", (2, 1)),
        ("// a :live\nAS OF $t MATCH (m:Memory) RETURN m", "Q521", (2, 7)),
        ("// a :many\nMATCH (m:Memory)\nRETURN m.nmae", "Q102", (3, 10)),
        ("// a :one\nRETURN 1 AS x;  // b :many\n  MATCH (m:Memory) RETURN m.nmae", "Q102", (3, 29)),
    ],
)
def test_what_is_wrong_has_its_place_in_the_file(text: str, code: str, place: tuple[int, int]) -> None:
    """Not in the statement: a file is what somebody has open."""
    (problem,) = wrong(text)
    assert problem.code == code
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == place
    assert problem.place == f"line {place[0]}, column {place[1]}"
    assert f"--> asked.memql:{place[0]}:{place[1]}" in rendered(problem, text, "asked.memql")


def test_what_is_wrong_in_a_live_query_stands_where_it_was_written() -> None:
    """LIVE is put before it, and moves nothing."""
    (problem,) = wrong("// a :live\nMATCH (m:Memory) RETURN m.nmae")
    assert problem.span is not None
    assert (problem.span.column, problem.span.start) == (27, 37)


def test_nothing_is_made_where_one_thing_is_wrong() -> None:
    """Half of a library is none."""
    found = generated([NOTES, Source("asked.memql", "// a :one\nRETURN")], Catalog(), "python")
    assert found.files == {}
    assert list(found.problems) == ["asked.memql"]


def test_a_name_that_is_taken() -> None:
    """A file called like what is made beside it, or like another, would be lost."""
    for name in ("runtime.memql", "notes.memql", "notes_sync.memql"):
        found = generated([NOTES, Source(name, "// a :one\nRETURN 1 AS x")], Catalog(), "python")
        assert [each.code for each in found.problems[name]] == ["Q009"]


def test_a_change_of_the_catalog_that_breaks_a_query() -> None:
    """It is found where the query says it."""
    catalog = Catalog().with_property("Memory", Property("mood", "string"))
    text = "// moody :many\nMATCH (m:Memory)\nWHERE m.mood = $mood\nRETURN m.text"
    assert all_checked(statements(text), catalog, named=True)[1] == []
    (gone,) = all_checked(statements(text), Catalog(), named=True)[1]
    assert (gone.code, gone.place) == ("Q102", "line 3, column 9")
    other = Catalog().with_property("Memory", Property("mood", "datetime"))
    assert "mood: datetime" in made(text, catalog=other)["asked.py"]


# Where statements begin and end


def test_statements_of_a_file() -> None:
    """Dividers within texts, names and comments are none; what is said above one belongs to it."""
    text = (
        "// about the file\n---\n// a :one — says\n// more; and --- more\nRETURN ';' AS `---;` // end; of line\n"
        "/* not\n---\n; this */\n;\n\nRETURN 2 AS x ; RETURN 3 AS x\n---\n---\n"
    )
    found = statements(text)
    assert [each.text for each in found] == ["RETURN ';' AS `---;`", "RETURN 2 AS x", "RETURN 3 AS x"]
    assert (found[0].name, found[0].how, found[0].doc) == ("a", "one", "says\nmore; and --- more")
    assert all(text[each.place.start : each.place.end] == each.text for each in found)
    assert statements("") == statements("// nothing\n---\n") == []


@pytest.mark.parametrize(
    "heading", ["// a :one — says", "//a :one says", "// a :one: says", "// a  :one - says", "//   a :one – says"]
)
def test_headings(heading: str) -> None:
    """However the dash is written."""
    (found,) = statements(f"{heading}\nRETURN 1 AS x")
    assert (found.name, found.how, found.doc) == ("a", "one", "says")


# In one form


def test_a_file_is_laid_out() -> None:
    """A clause a line; comments above a clause, behind it and between statements stay where they were."""
    text = (
        "// file\n---\n//   a :one\nmatch (m:`Memory`)   where m.id=$id // that one\n"
        "// and then\nreturn m.text as `text`, collect( m.id ) AS ids limit 1 // last\n;\nRETURN 1 AS x\n// end\n"
    )
    assert laid_out(text) == (
        "// file\n---\n//   a :one\nMATCH (m:Memory) WHERE m.id = $id  // that one\n"
        "// and then\nRETURN m.text AS text, collect(m.id) AS ids LIMIT 1  // last\n;\n\nRETURN 1 AS x\n// end\n"
    )


def test_a_comment_within_a_clause_is_not_lost() -> None:
    """The file is left as it is, and the place is told."""
    found = laid_out("RETURN 1 AS x;\nMATCH (m:Memory) // those\n  WHERE m.id = $id\nRETURN m")
    assert isinstance(found, list)
    assert [(each.code, each.place) for each in found] == [("Q010", "line 2, column 18")]


def test_long_clauses_are_broken() -> None:
    """Before their parts, then behind their commas."""
    line = (
        "SEARCH m:Memory SIMILAR TO $question WEIGHT 0.6, MATCHES $question WEIGHT 0.4 FUSE rrf {k: 60} "
        "WHERE m.confidence > 0.3 LIMIT 50 SCORE AS s"
    )
    assert wrapped(line) == [
        "SEARCH m:Memory",
        "  SIMILAR TO $question WEIGHT 0.6,",
        "  MATCHES $question WEIGHT 0.4",
        "  FUSE rrf {k: 60}",
        "  WHERE m.confidence > 0.3",
        "  LIMIT 50",
        "  SCORE AS s",
    ]
    assert wrapped("RETURN 1 AS x") == ["RETURN 1 AS x"]


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "cases").glob("*.md")), ids=lambda path: path.stem)
def test_layout_keeps_the_meaning_and_is_settled(path: Path) -> None:
    """On every query of the cases: the same tree, and once laid out it stays."""
    from tests.memql.test_cases import BLOCK

    for block in BLOCK.finditer(path.read_text("utf-8")):
        if block["form"].split()[0] != "memql" or isinstance(parse(block["text"]), Refusal):
            continue
        once = laid_out(block["text"])
        if isinstance(once, list):
            assert {each.code for each in once} == {"Q010"}
            continue
        again = [parse(each.text) for each in statements(once)]
        assert again == [parse(each.text) for each in statements(block["text"])]
        assert laid_out(once) == once


def test_what_cannot_be_read_is_left_as_it_is() -> None:
    """With its place in the file."""
    found = laid_out("RETURN 1 AS x\n---\nMATCH (\n")
    assert isinstance(found, list)
    assert found[0].span is not None
    assert found[0].span.line >= 3


# A catalog as a file


def test_a_catalog_is_read_as_it_was_written() -> None:
    """With all that it knows; what is none is refused."""
    catalog = (
        Catalog().with_property("ABOUT", Property("since", "date", "since when")).with_label("Secret").opened(True)
    )
    assert read(json.loads(json.dumps(written(catalog)))) == catalog
    half = {"version": 0, "open": False, "labels": [], "kinds": [{}], "relations": []}
    none: tuple[object, ...] = (None, [], {}, {"kinds": 1}, half)
    for data in none:
        assert isinstance(read(data), Refusal)
