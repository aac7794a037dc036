"""The manual, followed: each query in it is asked as `memql query` asks it, and prints what stands below it.

How MEMQL.md, CURATION.md and FUNCTIONS.md are read:

- A block ```memql is a query. Its first lines may give parameters: `// $name = "Ada"`, the value in JSON.
- A plain block right behind it is what is printed: a table, a plan, or what is wrong. `…` as its last line stands for
  all that follows. A query with no such block must only be answered.
- What stands between `<!-- made: name -->` and `<!-- end -->` is made of the program's own tables.
- Each part of the manual begins with the demonstration as `./run` loads it, so that what one part writes is not there
  in another. Its embedder is one that knows words alone: what depends on meaning is not printed.

pytest tests/test_manual.py --rewrite     writes what is printed now into the manual, to be read as a diff
"""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.clock import SystemClock
from engine.limits import Limits
from engine.tenants import Tenants
from memql.bind import PLAN_STEPS
from memql.codes import CODES
from memql.errors import Refusal
from memql.functions import Aggregate, Function, aggregates, graphs, histories, lists, numbers, texts, times
from memql.functions.function import MADE as MADE_BY_EXPRESSIONS
from memql.lexer import NESTING, TEXT_BYTES
from server.app import make_app
from server.commands.asking import answered, show_rows
from server.commands.client import Client
from server.commands.demo import TENANT, _files, _lines
from server.commands.intake import Intake, understood
from server.settings import Settings
from tests.engine.embedders import WordHashes

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MANUAL = DOCS / "MEMQL.md"
PAGES = ("MEMQL.md", "CURATION.md", "FUNCTIONS.md")
PART = re.compile(r"^##? (?P<title>.+?)\n(?P<body>.*?)(?=^##? |\Z)", re.MULTILINE | re.DOTALL)
QUERY = re.compile(r"^```memql\n(?P<query>.*?)^```\n(?:\n?```\n(?P<printed>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
POSITION = re.compile(r"position \d+")
"""How many records consolidation makes depends on how fast events come."""
GIVEN = re.compile(r"// \$(?P<name>\w+) = (?P<value>.+)\n")


MADE = re.compile(r"(?<=<!-- made: )(?P<name>\w+) -->\n(?P<text>.*?)(?=<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """`printed` is None where nothing is said of it."""

    query: str
    params: dict[str, Any]
    printed: str | None


def parts() -> list[Any]:
    return [
        pytest.param(page, part["title"], id=f"{page}: {part['title']}")
        for page in PAGES
        for part in PART.finditer((DOCS / page).read_text("utf-8"))
        if QUERY.search(part["body"])
    ]


def examples(body: str) -> Iterator[Example]:
    for block in QUERY.finditer(body):
        params = {given["name"]: json.loads(given["value"]) for given in GIVEN.finditer(block["query"])}
        yield Example(block["query"], params, block["printed"])


@asynccontextmanager
async def serving(data: Path) -> AsyncIterator[Client]:
    """The application on that directory, asked in memory."""
    settings = Settings(data=data)
    tenants = Tenants(data, clock=SystemClock(), limits=settings.limits, embedder=WordHashes())
    app = make_app(settings, tenants, SystemClock())
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        headers = {"x-memql-tenant": TENANT}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as http:
            yield Client(http, alone=True)


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which the demonstration is recorded and understood."""
    data = tmp_path_factory.mktemp("manual") / "data"

    async def record() -> None:
        async with serving(data) as client:
            lines = chain.from_iterable(map(_lines, _files(ROOT / "examples")))
            count = await Intake(client, lambda bad: pytest.fail(str(bad.problem))).take(lines, lambda count: None)
            assert await understood(client, count.position) is None

    asyncio.run(record())
    return data


@pytest.mark.parametrize(("page", "title"), parts())
def test_part(
    page: str,
    title: str,
    demonstration: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What a reader sees who follows this part of the manual."""
    document = (DOCS / page).read_text("utf-8")
    body = next(part["body"] for part in PART.finditer(document) if part["title"] == title)
    data = tmp_path / "data"
    shutil.copytree(demonstration, data)
    told = asyncio.run(_asked(data, list(examples(body)), capsys))
    written = body
    for example, printed in told:
        if example.printed is None:
            assert not printed.startswith("error"), f"{example.query}\n{printed}"
        elif request.config.getoption("--rewrite"):
            made = _cut(printed, example.printed)
            query = f"```memql\n{example.query}```\n"
            gap = "" if f"{query}```\n{example.printed}```\n" in written else "\n"
            written = written.replace(f"{query}{gap}```\n{example.printed}```\n", f"{query}{gap}```\n{made}```\n")
        else:
            assert _cut(printed, example.printed) == example.printed, example.query
    if written != body:
        (DOCS / page).write_text(document.replace(body, written), "utf-8")


async def _asked(data: Path, asked: list[Example], capsys: pytest.CaptureFixture[str]) -> list[tuple[Example, str]]:
    """What is printed for each, on the screen: rows, and below them what there is to be noted."""
    told: list[tuple[Example, str]] = []
    async with serving(data) as client:
        for example in asked:
            answer = await answered(client, example.query, example.params)
            assert not isinstance(answer, Refusal), (example.query, answer)
            capsys.readouterr()
            if answer["__typename"] == "MemqlError":
                told.append((example, "".join(f"{problem['rendered']}\n" for problem in answer["problems"])))
                continue
            show_rows(answer, "table")
            screen = capsys.readouterr()
            told.append((example, POSITION.sub("position …", screen.out + screen.err)))
    return told


def _cut(printed: str, expected: str) -> str:
    """What was printed, so far as it is expected to the letter."""
    lines = expected.splitlines()
    if not lines or lines[-1] != "…":
        return printed
    return "\n".join([*printed.splitlines()[: max(len(lines) - 1, 4)], "…"]) + "\n"


# What is made of tables


def test_tables_are_those_of_the_program(request: pytest.FixtureRequest) -> None:
    """Every function and every limit of queries is in the manual, as the program has it."""
    document = MANUAL.read_text("utf-8")
    made = {"functions": _functions(), "codes": _codes(), "limits": _limits()}
    assert {block["name"] for block in MADE.finditer(document)} == made.keys()
    now = MADE.sub(lambda block: f"{block['name']} -->\n{made[block['name']]}", document)
    if request.config.getoption("--rewrite"):
        MANUAL.write_text(now, "utf-8")
    else:
        assert now == document, "pytest tests/test_manual.py --rewrite writes it anew"


def _functions() -> str:
    groups: list[tuple[str, Sequence[Function | Aggregate]]] = [
        ("Numbers", numbers.FUNCTIONS), ("Texts", texts.FUNCTIONS), ("Lists, maps and whatever else", lists.FUNCTIONS),
        ("Dates and times", times.FUNCTIONS), ("Nodes, relations and paths", graphs.FUNCTIONS),
        ("Versions and their times", histories.FUNCTIONS), ("Aggregates", aggregates.AGGREGATES),
    ]  # fmt: skip
    return "".join(_table(title, ((each.signature(), each.doc) for each in group)) for title, group in groups)


def test_every_code_is_explained() -> None:
    """No refusal of the language has a code that nobody can look up, and none is explained that never comes."""
    sources = [path.read_text("utf-8") for folder in ("memql", "engine") for path in (ROOT / folder).rglob("*.py")
               if path.name != "codes.py"]  # fmt: skip
    used = {code for source in sources for code in re.findall(r'"(Q\d{3})"', source)}
    # An open catalog makes warnings of these.
    used |= {f"Q9{code[2:]}" for code in ("Q101", "Q102", "Q103")}
    assert used == CODES.keys()


def _codes() -> str:
    rows = [f"| `{code}` | {about.replace('*', chr(92) + '*')} |\n" for code, about in CODES.items()]
    return "".join(["| code | what it is about |\n|---|---|\n", *rows])


def _limits() -> str:
    fixed = [
        ("the text of a query", f"{TEXT_BYTES:,} bytes"),
        ("brackets and expressions within each other", f"{NESTING:,} deep"),
        ("clauses and patterns", f"{PLAN_STEPS:,} steps of a plan, roughly"),
        ("a text or a list that an expression makes", f"{MADE_BY_EXPRESSIONS:,} characters or members"),
    ]
    rows = [(what, most, "") for what, most in fixed]
    for name, limit in Limits.model_fields.items():
        if name.startswith(("query_", "search_", "read_ms", "expand_", "curat", "live_")):
            rows.append((f"`{name}`", f"{limit.default:,}", str(limit.description).replace("\n", " ")))
    return "".join(
        ["| limit | default | what it bounds |\n|---|---|---|\n", *map("| {0[0]} | {0[1]} | {0[2]} |\n".format, rows)]
    )


def _table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"| `{signature}` | {doc} |" for signature, doc in rows]
    # A stroke within a cell would end it.
    cells = [line[:2] + line[2:-2].replace("|", "\\|").replace("` \\| ", "` | ") + line[-2:] for line in lines]
    return "\n".join([f"### {title}", "", "| function | what it gives |", "|---|---|", *cells, "", ""])
