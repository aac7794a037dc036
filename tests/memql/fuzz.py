"""Any number of queries, valid and broken, in a process of their own: none may crash, hang or raise, and what is
refused is refused in words of ours.

python -m tests.memql.fuzz --queries 100000     each query is made of the seed and its number; what is wrong is printed
                                                with both, and `--first NUMBER --queries 1` asks that one again
"""

import argparse
import json
import os
import random
import re
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from engine.clock import SystemClock
from engine.commands import Principal
from engine.execute import Rows, json_rows, run_for
from engine.limits import Limits
from engine.reader import Reader
from engine.tenant import Tenant
from memql.assist import complete, diagnose, highlight
from memql.errors import Problem, Refusal, rendered
from memql.lexer import HARD, SOFT, pieces
from tests.engine.embedders import WordHashes
from tests.memql.questions import Writer
from tests.memql.worlds import EVERYBODY, fill

HANGS = 120.0
"""Seconds after which a query counts as hung: its own deadline is two, and the machine may have other things to do."""
LIMITS = Limits(read_ms=2_000, query_steps=200_000, query_rows=5_000, query_rows_held=100_000)
TELLTALE = re.compile(
    r"Traceback|kuzu|ladybug|lance\b|lancedb|tantivy|sqlite|Exception|object at 0x|numpy|dtype|pyarrow|NoneType|<class|"
    r"\blark\b|Error\b|__\w+__|\bndarray|\bself\b|errno|site-packages",
    re.IGNORECASE,
)
"""What only an engine or Python says."""
QUOTED = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"", re.DOTALL)
ODD = ("\u0000", "\ud800", "\u200b", "\u202e", "é", "𝔐", "🫖", "\ufeff", "\u2028", "ﬁ", "İ", "ẞ", "\\", "\t", "\x07")
WORDS = (
    *sorted(HARD | SOFT), *list("()[]{}<>=-+*/%^|&!.,:;$`'\"\\") * 2, "->", "<-", "..", "$p", "1", "0.5", "'a'", "n",
    "m.n", ":Thing",
)  # fmt: skip
NESTED = (
    ("(", "1", ")"), ("[", "1", "]"), ("{a: ", "1", "}"), ("NOT ", "true", ""), ("-", "1", ""), ("size([", "1", "])"),
    ("CASE WHEN true THEN ", "1", " END"), ("COUNT { MATCH (n) WHERE n.n = ", "1", " }"), ("[x IN [", "1", "] | x]"),
    ("EXISTS { MATCH (n) WHERE ", "true", " }"), ("coalesce(", "1", ", 2)"), ("reduce(t = ", "0", ", x IN [1] | t)"),
    ("1 + ", "1", ""), ("true AND ", "true", ""), ("n.", "n", ""), ("all(x IN [1] WHERE ", "true", ")"),
)  # fmt: skip
"""What may stand inside of itself: how it begins, what is innermost, how it ends."""
CASES = Path(__file__).parent / "cases"


def examples() -> list[str]:
    """The queries of the cases."""
    block = re.compile(r"^```memql[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [query for path in sorted(CASES.glob("*.md")) for query in block.findall(path.read_text("utf-8"))]


# Queries


class Fuzzer:
    """Makes the query of a number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._examples = examples()

    def query(self, number: int) -> tuple[str, dict[str, Any], random.Random]:
        chance = random.Random(f"{self._seed}:{number}")
        ways = {self._valid: 30, self._example: 10, self._broken: 35, self._salad: 10, self._odd: 8, self._deep: 4,
                self._long: 3}  # fmt: skip
        which = chance.choices(list(ways), list(ways.values()))[0]
        text, given = which(chance)
        named = set(re.findall(r"\$(\w+)", text))
        return text, {name: given.get(name, _any_value(chance)) for name in named if chance.random() < 0.97}, chance

    def _valid(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        question = Writer(chance).question()
        prefix = chance.choice(
            ("", "", "", "", "EXPLAIN ", "PROFILE ", "EXPLAIN BOUND ", "VALID AT $then ", "AS OF $t ")
        )
        return prefix + question.text, dict(question.parameters)

    def _example(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        return chance.choice(self._examples), {}

    def _broken(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        text, given = chance.choice((self._valid, self._example))(chance)
        words = [token.text for token in pieces(text)]
        for _ in range(chance.randrange(1, 4)):
            at, other = chance.randrange(len(words)), chance.randrange(len(words))
            words[at : at + 1] = chance.choice(
                ([], [words[at]] * 2, [words[other]], [_slipped(words[at], chance)], words[at : at + 2][::-1])
            )
            words = words or [""]
        return " ".join(words), given

    def _salad(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        return " ".join(chance.choices(WORDS, k=chance.randrange(1, 25))), {}

    def _deep(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        depth = chance.choice((5, 50, 150, 250, 2_000))
        opening, core, closing = chance.choice(NESTED)
        return f"MATCH (n) RETURN {opening * depth}{core}{closing * depth} AS x LIMIT 1", {}

    def _long(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        size = chance.choice((100, 5_000, 30_000, 70_000))
        few = size // 100
        text = chance.choice((
            f"RETURN '{'x' * size}' AS x", f"RETURN {'9' * size} AS x", f"RETURN [{', '.join(['1'] * 30 * few)}] AS x",
            f"RETURN 1.{'3' * size} AS x", f"MATCH ({'n' * size}) RETURN 1 AS x", f"RETURN '{'🫖' * (size // 4)}' AS x",
            f"MATCH {', '.join(['()'] * few)} RETURN 1 AS x LIMIT 1", f"RETURN 1 AS x /*{'*' * size}*/",
            f"MATCH {'-->'.join(['()'] * few)} RETURN 1 AS x LIMIT 1", f"RETURN {'a' * size}() AS x",
            f"RETURN {' OR '.join(['false'] * (size // 9))} AS x", f"RETURN 1e{size} AS x",
            " UNION ALL ".join(["RETURN 1 AS x"] * few),
        ))  # fmt: skip
        return text, {}

    def _odd(self, chance: random.Random) -> tuple[str, dict[str, Any]]:
        text, given = chance.choice((self._valid, self._example))(chance)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(ODD) * chance.choice((1, 1, 3)) + text[at:]
        return text, given


def _slipped(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word) + 1)
    return chance.choice((word[:at] + word[at + 1 :], word[:at] + chance.choice("aeixz0_'$`") + word[at:], word[::-1]))


def _any_value(chance: random.Random) -> Any:
    return chance.choice((
        None, True, 0, 1, -1, 2**63 - 1, 2**70, 10**5_000, 2.5, 1e308, float("nan"), "tea", "", "'", "\u0000",
        "x" * 5_000, "2026-03-14", [], ["a", 1], [[[]]], {"a": 1}, {"a": {"b": [None]}}, {1: 2}, b"x", object,
    ))  # fmt: skip


# What an answer must be


def wrongs(answer: Rows | Refusal, text: str) -> Iterator[str]:
    """What is wrong with an answer, whatever was asked."""
    if isinstance(answer, Rows):
        if problem := TELLTALE.search(QUOTED.sub("", " ".join(answer.notices))):
            yield f"a notice says {problem[0]}"
        return
    for problem_ in answer.problems:
        yield from _wrong(problem_, text)
    if not answer.problems:
        yield "a refusal without a problem"


def _wrong(problem: Problem, text: str) -> Iterator[str]:
    if not re.fullmatch(r"Q\d\d\d|[A-Z][A-Z_]+", problem.code):
        yield f"the code {problem.code}"
    if found := TELLTALE.search(QUOTED.sub("", f"{problem.message} {problem.hint}")):
        yield f"a message that says {found[0]}: {problem}"
    if not problem.message:
        yield "no message"
    about_text = problem.code[:2] in ("Q0", "Q1", "Q2", "Q3") and not problem.place.startswith("params.")
    if about_text and not problem.place:
        yield f"no place: {problem}"
    if problem.span is not None:
        lines = text.split("\n")
        inside = 1 <= problem.span.line <= len(lines) and 0 <= problem.span.start <= len(text)
        if not inside or not 1 <= problem.span.column <= len(lines[problem.span.line - 1]) + 1:
            yield f"a place outside of the text: {problem} {problem.span}"
    rendered(problem, text)


def _handed_out(reader: Reader, rows: Rows) -> Rows:
    """The rows, which can be made JSON of as every door does."""
    orjson.dumps(json_rows(reader, rows.rows))
    return rows


def asked(
    tenant: Tenant, text: str, given: dict[str, Any], by: Principal, chance: random.Random
) -> tuple[str, list[str]]:
    """What became of a query, and what was wrong with that."""
    try:
        answer = run_for(tenant, text, given, by, _handed_out)
        wrong = list(wrongs(answer, text))
        if chance.random() < 0.1:
            catalog = tenant.catalog
            wrong += [problem for each in diagnose(text, catalog) for problem in _wrong(each.problem, text)]
            highlight(text)
            complete(text, chance.randrange(len(text) + 1), catalog)
    except Exception as raised:  # whatever it is, it is what we look for
        return "raised", [f"{type(raised).__name__}: {raised}"[:300]]
    return ("rows" if isinstance(answer, Rows) else answer.problems[0].code), wrong


# The processes


def worker(first: int, count: int, seed: int) -> None:
    """Asks them one after the other; says of each what became of it."""
    fuzzer = Fuzzer(seed)
    with tempfile.TemporaryDirectory() as folder:
        opened = Tenant.open("t", Path(folder) / "t", clock=SystemClock(), limits=LIMITS, embedder=WordHashes())
        assert isinstance(opened, Tenant), opened
        try:
            fill(opened, random.Random(seed), 40)
            opened.settled(30)
            for number in range(first, first + count):
                text, given, chance = fuzzer.query(number)
                became, wrong = asked(opened, text, given, chance.choice(EVERYBODY), chance)
                print(json.dumps([number, became, wrong, text[:2_000] if wrong else ""]), flush=True)  # noqa: T201
        finally:
            opened.close()


def fuzz(queries: int, *, first: int = 0, seed: int = 0, told: Callable[[str], object] = print) -> Counter[str]:
    """What became of so many queries. A worker that dies or hangs has met something wrong, and another goes on."""
    became: Counter[str] = Counter()
    number = first
    while number < first + queries:
        left = first + queries - number
        # So many for one process: what one would gather of memory over hours is no subject here.
        command = [sys.executable, "-m", "tests.memql.fuzz", "--worker", "--first", str(number), "--seed", str(seed),
                   "--queries", str(min(left, 20_000))]  # fmt: skip
        ended = ""
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
            assert child.stdout is not None
            buffer = b""
            while True:
                ready, _, _ = select.select([child.stdout], [], [], HANGS)
                if not ready:
                    ended = "hung"
                    child.kill()
                    break
                chunk = os.read(child.stdout.fileno(), 1 << 16)
                if not chunk:
                    break
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in (each for each in lines if each.startswith(b"[")):  # others are logs
                    number, verdict, wrong, text = json.loads(line)
                    number += 1
                    became[verdict] += 1
                    for each in wrong:
                        became["wrong"] += 1
                        told(f"{number - 1}: {each}\n  {text!r}")
        if not ended and child.returncode:
            ended = f"died ({child.returncode})"
        if ended:
            became["wrong"] += 1
            told(f"{number}: {ended}\n  {Fuzzer(seed).query(number)[0][:2_000]!r}")
            number += 1
    return became


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        worker(given.first, given.queries, given.seed)
        return 0
    became = fuzz(given.queries, first=given.first, seed=given.seed)
    print(f"{given.queries:,} queries: {dict(became.most_common())}")  # noqa: T201
    return 1 if became["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
