"""Queries and what becomes of them, as prose: each case is a query, and then its plan, its rows or its errors.

pytest tests/memql/test_cases.py --rewrite     writes what is answered now into the files, to be read as a diff
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.commands import Principal
from engine.execute import Rows, run
from memql.compiled import compile_query
from memql.errors import Refusal, rendered
from memql.explain import explained, plan_text
from memql.lower import lower
from memql.parse import parse
from memql.printer import printed
from memql.rules import RULES
from memql.statistics import UNKNOWN, Statistics
from tests.memql.cases.tavern import ADA, ALL, BO, Tavern

FOLDER = Path(__file__).parent / "cases"
CASE = re.compile(r"^## (?P<title>.+?)\n(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(?P<form>[a-z_ ]+)\n(?P<text>.*?)^```\n", re.MULTILINE | re.DOTALL)
WHO = {"ada": ADA, "bo": BO, "all": ALL}


@pytest.fixture(scope="module")
def tavern(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tavern]:
    opened = Tavern(tmp_path_factory.mktemp("cases") / "tavern")
    yield opened
    opened.tenant.close()


def cases() -> list[Any]:
    found = []
    for path in sorted(FOLDER.glob("*.md")):
        found += [pytest.param(path, case["title"], id=f"{path.stem}: {case['title']}")
                  for case in CASE.finditer(path.read_text("utf-8"))]  # fmt: skip
    return found


@pytest.mark.parametrize(("path", "title"), cases())
def test_case(path: Path, title: str, tavern: Tavern, request: pytest.FixtureRequest) -> None:
    """Each block behind the query says what one station makes of it."""
    document = path.read_text("utf-8")
    body = next(case["body"] for case in CASE.finditer(document) if case["title"] == title)
    query, *expected = [(block["form"], block["text"]) for block in BLOCK.finditer(body)]
    assert query[0].split()[0] == "memql", "a case begins with its query"
    by = WHO[(query[0].split()[1:] or ["all"])[0]]
    written = body
    for form, text in expected:
        made = answer(tavern, form, query[1].rstrip("\n"), by)
        if request.config.getoption("--rewrite"):
            written = written.replace(f"```{form}\n{text}```\n", f"```{form}\n{made}\n```\n")
        else:
            assert made == text.rstrip("\n"), f"{path.name}: {title}"
    if written != body:
        path.write_text(document.replace(body, written), "utf-8")


LARGE = Statistics(
    kinds=(("Entity", 1024), ("Event", 131072), ("Memory", 65536), ("Task", 32)),
    relations=(
        ("MENTIONS", "Memory", "out", 131072), ("MENTIONS", "Entity", "in", 131072),
        ("DERIVED_FROM", "Memory", "out", 65536), ("DERIVED_FROM", "Event", "in", 65536),
        ("ABOUT", "Memory", "out", 64), ("ABOUT", "Task", "in", 64),
        ("SIMILAR_TO", "Memory", "out", 524288), ("SIMILAR_TO", "Memory", "in", 524288),
    ),
    most=(("MENTIONS", "out", 16), ("MENTIONS", "in", 8192)),
)  # fmt: skip
"""How much there is where the cases of rules say that much is."""


def answer(tavern: Tavern, form: str, query: str, by: Principal) -> str:
    catalog = tavern.tenant.catalog
    match form.split():
        case ["ast"]:
            statement = parse(query)
            return problems(statement, query) if isinstance(statement, Refusal) else printed(statement)
        case ["bound"]:
            compiled = compile_query(query, catalog)
            return problems(compiled, query) if isinstance(compiled, Refusal) else explained(compiled, "BOUND")
        case ["live"]:
            compiled = compile_query(query, catalog)
            if isinstance(compiled, Refusal):
                return problems(compiled, query)
            return explained(compiled, "LIVE").partition("woken by:\n")[2]
        case ["plan"]:
            compiled = compile_query(query, catalog)
            return problems(compiled, query) if isinstance(compiled, Refusal) else plan_text(compiled.plan)
        case ["plain"]:
            compiled = compile_query(query, catalog, ())
            return problems(compiled, query) if isinstance(compiled, Refusal) else plan_text(compiled.plan)
        case ["after", rule, *rest]:
            statistics = LARGE if rest == ["where", "much", "is"] else UNKNOWN
            compiled = compile_query(query, catalog, ())
            assert not isinstance(compiled, Refusal)
            made = lower(compiled.query)
            for each in RULES:
                made = each(made, statistics)
                if each.__name__ == rule:
                    return plan_text(made)
        case ["preview"]:
            query = f"EXPLAIN {query}"
    found = run(tavern.tenant, query, tavern.parameters, by)
    if isinstance(found, Refusal):
        return problems(found, query)
    if form == "preview":
        return found.plan_text.partition("\n\n")[2]
    return table(tavern, found) if form in ("rows", "error") else "\n".join(found.notices)


def problems(refusal: Refusal, query: str) -> str:
    return "\n".join(rendered(problem, query) for problem in refusal.problems)


def table(tavern: Tavern, rows: Rows) -> str:
    """Columns under their names. Without ORDER BY rows have no order, and stand here in that of their text."""
    shown = [[tavern.shown(value) for value in row] for row in rows.rows]
    names = [column.name for column in rows.columns]
    widths = [max(len(line[at]) for line in [names, *shown]) for at in range(len(names))]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [names, *shown]
    ]
    return "\n".join(line.rstrip() for line in lines)
