"""Reading: what is written is read, what is printed is read the same, and whatever else is typed gets an answer."""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memql import ast, grammar
from memql.actions import ACTIONS
from memql.errors import Problem, Refusal
from memql.lexer import HARD, KEYWORDS, NESTING, SOFT, TEXT_BYTES, tokens
from memql.parse import expression, parse
from memql.printer import printed

CASES = Path(__file__).parent / "cases"
QUERIES = [
    query
    for path in sorted(CASES.glob("*.md"))
    for query in re.findall(r"^```memql[^\n]*\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
]
READ = [query for query in QUERIES if not isinstance(parse(query), Refusal)]


def read(text: str) -> ast.Statement:
    found = parse(text)
    assert not isinstance(found, Refusal), f"{found}\n{text}"
    return found


def refused(text: str) -> Problem:
    """What is said of a query that cannot be read: it has a place inside the text, and no Python in it."""
    found = parse(text)
    assert isinstance(found, Refusal), text
    (problem,) = found.problems
    assert re.fullmatch(r"Q[045]\d\d", problem.code)
    assert problem.span is not None
    assert 0 <= problem.span.start <= max(len(text), 1)
    assert 1 <= problem.span.line <= text.count("\n") + 1
    assert problem.message
    ours = re.sub(r"`[^`]*`+", "", problem.message + problem.hint)  # What was typed is quoted.
    assert not re.search(r"Traceback|Error\b|lark|Token\(|__", ours)
    return problem


def test_the_tables_are_of_this_grammar() -> None:
    """Whoever changes the grammar makes the tables anew: python -m tests.memql.tables"""
    assert grammar.tables().digest == grammar.grammar_digest()


def test_the_grammar_has_no_conflicts() -> None:
    """Making the tables refuses one; and what is shipped is what is made, to the byte."""
    assert grammar.built() == (Path(grammar.__file__).parent / "memql.tables").read_bytes()


def test_every_rule_is_made_into_something() -> None:
    """A rule without a function would be found only by who writes it."""
    named = {rule.makes for rule in grammar.tables().rules if rule.makes}
    assert named - ACTIONS.keys() == set()


@pytest.mark.parametrize("query", READ)
def test_what_is_printed_is_read_the_same(query: str) -> None:
    """Of every query of the cases."""
    tree = read(query)
    assert read(printed(tree)) == tree
    assert printed(read(printed(tree))) == printed(tree)


NAMES = st.sampled_from(["a", "m", "count", "score", "order", "with space", "match", "ü", "e`e"])
LABELS = st.recursive(
    st.one_of(NAMES.map(ast.Label), st.just(ast.AnyLabel())),
    lambda inner: st.one_of(
        inner.map(ast.NoLabel),
        st.tuples(st.sampled_from("&|"), st.lists(inner, min_size=2, max_size=3)).map(
            lambda made: ast.JoinedLabels(made[0], tuple(made[1]))
        ),
    ),
    max_leaves=4,
)
LITERALS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5),
).map(ast.Literal)  # fmt: skip
LEAVES = st.one_of(
    LITERALS, NAMES.map(ast.Name), st.just(ast.CountAll()), st.just(ast.TimeLiteral("date", "2026-03-14")),
    st.builds(ast.Parameter, st.sampled_from(["p", "1", "with space"]), st.sampled_from(["", "str", "int[]"])),
)  # fmt: skip


def trees(inner: st.SearchStrategy[ast.Expression]) -> st.SearchStrategy[ast.Expression]:
    """Every form of expression over smaller ones."""
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    names = NAMES.map(ast.Name)
    maybe = st.one_of(st.none(), inner)
    return st.one_of(
        st.builds(ast.Binary, st.sampled_from(
            ["+", "-", "*", "/", "%", "^", "||", "=~", "IN", "STARTS WITH", "ENDS WITH", "CONTAINS"]), inner, inner),
        st.builds(ast.Unary, st.sampled_from(["NOT", "-", "+", "IS NULL", "IS NOT NULL"]), inner).filter(_printable),
        st.builds(ast.Joined, st.sampled_from(["AND", "OR", "XOR"]), several),
        st.builds(lambda signs, first, others: ast.Compared(tuple(signs[: len(others)]), (first, *others)),
                  st.lists(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), min_size=3, max_size=3), inner, several),
        st.builds(ast.Property, inner, NAMES), st.builds(ast.Index, inner, inner),
        st.builds(ast.Slice, inner, maybe, maybe),
        st.builds(ast.Call, st.sampled_from(["size", "score.text", "left"]), several, st.booleans()),
        st.builds(ast.ListOf, several), st.builds(ast.MapOf, st.lists(st.tuples(NAMES, inner), max_size=2).map(tuple)),
        st.builds(ast.MapProjection, names, st.lists(st.tuples(NAMES, maybe), max_size=2).map(tuple)),
        st.builds(ast.Comprehension, names, inner, maybe, maybe),
        st.builds(ast.Quantified, st.sampled_from(["all", "any", "none", "single"]), names, inner, inner),
        st.builds(ast.Reduce, names, inner, names, inner, inner),
        st.builds(ast.Case, maybe, st.lists(st.builds(ast.Branch, st.tuples(inner), inner), min_size=1, max_size=2)
                  .map(tuple), maybe),
        st.builds(ast.Labelled, names, LABELS),
        st.builds(ast.PatternList, st.builds(_step, st.one_of(st.none(), names), names), maybe, inner),
        st.builds(
            lambda asks, each, given: ast.Subquery(asks, _query(ast.Apply(_query(each), given), each)),
            st.sampled_from(["exists", "count", "collect"]), inner,
            st.one_of(st.none(), st.lists(names, max_size=2).map(tuple)),
        ),
        st.builds(ast.Subpattern, st.sampled_from(["exists", "count"]), st.tuples(paths(inner)), maybe),
    )  # fmt: skip


def _step(path: ast.Name | None, node: ast.Name) -> ast.PathPattern:
    return ast.PathPattern((ast.NodePattern(node), ast.NodePattern()), (ast.RelationPattern("out"),), path)


def _query(*clauses: ast.Apply | ast.Expression) -> ast.Query:
    """A query of these clauses; an expression is what one returns."""
    made = [each if isinstance(each, ast.Apply) else ast.Return(ast.Projection((ast.Item(each),))) for each in clauses]
    return ast.Query((ast.Part(tuple(made)),))


def _printable(unary: ast.Unary) -> bool:
    """A minus before a number is part of the number."""
    return unary.operator != "-" or not isinstance(unary.operand, ast.Literal)


def paths(inner: st.SearchStrategy[ast.Expression]) -> st.SearchStrategy[ast.PathPattern]:
    maybe = st.one_of(st.none(), inner)
    properties = st.one_of(st.none(), st.builds(ast.MapOf, st.lists(st.tuples(NAMES, inner), max_size=2).map(tuple)))
    named = st.one_of(st.none(), NAMES.map(ast.Name))
    node = st.builds(ast.NodePattern, named, st.one_of(st.none(), LABELS), properties, maybe)
    hops = st.one_of(
        st.none(), st.sampled_from([ast.Hops(1, None), ast.Hops(2, 4), ast.Hops(3, 3), ast.Hops(2, None),
                                    ast.Hops(0, 3, False), ast.Hops(1, None, False), ast.Hops(0, None, False)])
    )  # fmt: skip
    relation = st.builds(
        ast.RelationPattern, st.sampled_from(["out", "in", "any"]), named, st.one_of(st.none(), LABELS), hops,
        properties, maybe,
    )  # fmt: skip
    return st.builds(
        lambda first, steps: ast.PathPattern((first, *(step[1] for step in steps)), tuple(step[0] for step in steps)),
        node, st.lists(st.tuples(relation, node), max_size=2),
    )  # fmt: skip


@given(st.recursive(LEAVES, trees, max_leaves=6))
def test_any_expression_is_read_as_it_was_printed(tree: ast.Expression) -> None:
    """parse ∘ print is the identity."""
    text = printed(tree)
    assert expression(text) == tree, text


WORDS = [*sorted(KEYWORDS), "m", "Memory", "'tea'", "$q", "1", ".5", "(", ")", "[", "]", "{", "}", "-", "->", "<-",
         ":", ",", ".", "..", "*", "|", "=", "<>", "count(*)", "/*", "//", "\n", "`", "'", "$", "ORDER BY",
         "AS OF"]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_any_words_get_an_answer(words: list[str]) -> None:
    """A tree, or one problem with a place."""
    text = " ".join(words)
    if isinstance(parse(text), Refusal):
        refused(text)


@given(st.text(max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    """Also what is no language at all."""
    if isinstance(parse(text), Refusal):
        refused(text)


@given(st.sampled_from(QUERIES), st.randoms(use_true_random=False))
def test_any_slip_gets_an_answer(query: str, chance: random.Random) -> None:
    """A query with a piece cut out, doubled or moved."""
    begin, end = sorted((chance.randrange(len(query) + 1), chance.randrange(len(query) + 1)))
    piece = query[begin:end]
    slipped = chance.choice([query[:begin] + query[end:], query[:end] + piece + query[end:], piece + query])
    if isinstance(parse(slipped), Refusal):
        refused(slipped)


@pytest.mark.parametrize("word", sorted(SOFT | {"order", "by", "of", "at", "starts", "valid"}))
def test_soft_words_are_names(word: str) -> None:
    """Where the grammar has another use for a word, it still may be what something is called."""
    low = word.lower()
    read(f"MATCH ({low}:Memory) WITH {low}, {low}.{low} AS x RETURN {low}.text AS {low} ORDER BY {low}")


@pytest.mark.parametrize("word", sorted(HARD))
def test_hard_words_are_names_of_properties(word: str) -> None:
    """Behind a point, a colon, AS, and in maps; a variable needs backquotes."""
    low = word.lower()
    read(f"MATCH (m:{low}) RETURN m.{low} AS {low}, {{{low}: 1}} AS map")
    read(f"MATCH (`{low}`) RETURN `{low}`.text AS x")
    assert refused(f"MATCH ({low}) RETURN 1").hint


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("RETURN " + "(" * (NESTING + 1) + "1" + ")" * (NESTING + 1), "Q401"),
        ("RETURN " + "NOT " * (NESTING + 50) + "true", "Q401"),
        ("RETURN " + " + ".join(["1"] * (NESTING + 50)), "Q401"),
        (f"RETURN '{'x' * TEXT_BYTES}'", "Q402"),
        (f"RETURN '{'ä' * (TEXT_BYTES // 2)}'", "Q402"),
    ],
    ids=["brackets", "NOT", "sum", "long", "long in bytes"],
)
def test_what_is_too_much_is_refused(text: str, code: str) -> None:
    """By a limit with a name, before it could cost anything."""
    assert refused(text).code == code


def test_as_much_as_is_allowed_is_read() -> None:
    """Just within the limits; and many operands of OR are no nesting."""
    read("RETURN " + "(" * (NESTING - 10) + "1" + ")" * (NESTING - 10))
    read("MATCH (m) WHERE " + " OR ".join(f"m.id = '{n}'" for n in range(2_000)) + " RETURN m")
    read(f"RETURN [{', '.join(map(str, range(5_000)))}] AS x")


def test_places_count_lines_and_columns() -> None:
    """From 1, over comments and texts of several lines."""
    found = tokens("MATCH // all\n  (m)\n/* a\nb */ RETURN 'x\ny' , m")
    assert not isinstance(found, Problem)
    assert [(token.text[:6], token.line, token.column) for token in found if token.text] == [
        ("MATCH", 1, 1), ("(", 2, 3), ("m", 2, 4), (")", 2, 5), ("RETURN", 4, 6), ("'x\ny'", 4, 13), (",", 5, 4),
        ("m", 5, 6),
    ]  # fmt: skip
