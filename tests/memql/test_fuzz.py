"""Some of the queries that `python -m tests.memql.fuzz` asks any number of; and what it looks for is found."""

import os

from engine.execute import Rows
from memql.errors import Problem, Reason, Refusal, Span
from memql.parse import parse
from memql.printer import printed
from tests.memql.fuzz import Fuzzer, fuzz, wrongs


def test_no_query_crashes_hangs_or_raises() -> None:
    """In a process of its own; valid ones find rows, broken ones are refused in words of ours."""
    told: list[str] = []
    became = fuzz(
        int(os.environ.get("MEMQL_QUERIES", "500")), seed=int(os.environ.get("MEMQL_SEED", "1")), told=told.append
    )
    assert not told, "\n".join(told)
    assert became["rows"] > became.total() / 10
    assert became["Q001"] > became.total() / 20


def test_what_is_printed_of_random_queries_is_read_the_same() -> None:
    """Of valid ones and of broken ones that happen to be queries; and printing again changes nothing."""
    fuzzer, read = Fuzzer(3), 0
    for number in range(1_500):
        tree = parse(fuzzer.query(number)[0][:4_000])
        if not isinstance(tree, Refusal):
            again = parse(printed(tree))
            assert again == tree
            assert not isinstance(again, Refusal)
            assert printed(again) == printed(tree)
            read += 1
    assert read > 500


def test_what_is_wrong_with_an_answer_is_seen() -> None:
    """An engine's words, a code of nobody's, a place outside of the text, or none where the text is at fault."""

    def said(code: str, message: str, place: str = "line 1, column 1", span: Span | None = None) -> list[str]:
        return list(wrongs(Refusal(Reason.INVALID, (Problem(code, message, place, "", span),)), "RETURN 1"))

    assert not said("Q201", "`kuzu` is no name", span=Span(1, 1, 6, 0))
    assert "kuzu" in said("Q201", "kuzu failed")[0]
    assert "exception" in said("Q201", "Binder exception: x")[0]
    assert "code" in said("oops", "no")[0]
    assert "outside" in said("Q201", "no", span=Span(2, 1, 1, 0))[0]
    assert "no place" in said("Q104", "unknown", place="")[0]
    assert not list(wrongs(Rows((), [], 1), "RETURN 1"))
