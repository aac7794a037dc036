"""The page on GraphQL, asked: each operation in it is sent as a client sends it, and answers what stands below it.

How GRAPHQL.md is read:

- A block ```graphql is an operation. Its first lines may give variables: `# $name = "Ada"`, the value in JSON.
- A block ```json right behind it is its answer: `data`, or all of it where there are errors. Ids, cursors, positions,
  times of recording and scores differ from run to run, and are not compared; `…` in a line stands for anything.
- What stands between `<!-- made: name -->` and `<!-- end -->` is made of the program's own tables.
- The page's parts are asked in order, of one server with the demonstration, so that a part reads what another wrote.
- Commands and the files that they need are followed by `test_readme`, as in the README.

pytest tests/test_graphql_manual.py --rewrite     writes what is answered now into the page, to be read as a diff
"""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from server.bounds import RequestLimits
from tests.test_manual import demonstration as shown
from tests.test_manual import serving
from tests.test_readme import missing

PAGE = Path(__file__).parent.parent / "docs" / "GRAPHQL.md"
OPERATION = re.compile(
    r"^```graphql\n(?P<text>.*?)^```\n(?:\n?```json\n(?P<answer>.*?)^```\n)?", re.MULTILINE | re.DOTALL
)
GIVEN = re.compile(r"# \$(?P<name>\w+) = (?P<value>.+)\n")
MADE = re.compile(r"(?<=<!-- made: )(?P<name>\w+) -->\n(?P<text>.*?)(?=<!-- end -->)", re.DOTALL)
WIDTH = 110
demonstration = shown
"""The fixture is the manual's."""


def test_every_operation_answers_so(demonstration: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """What a reader sees who sends them one after the other."""
    data = tmp_path / "data"
    shutil.copytree(demonstration, data)
    page = PAGE.read_text("utf-8")
    parts, at = [], 0
    for block, answer in asyncio.run(_answers(page, data)):
        if block["answer"] is None:
            assert "errors" not in answer, f"{block['text']}\n{answer}"
            continue
        told = f"{_printed(answer)}\n"
        if not request.config.getoption("--rewrite"):
            assert not (line := missing(block["answer"], told)), f"{block['text']}\nnot answered: {line}\n{told}"
        parts += [page[at : block.start("answer")], told if missing(block["answer"], told) else block["answer"]]
        at = block.end("answer")
    if request.config.getoption("--rewrite"):
        PAGE.write_text("".join([*parts, page[at:]]), "utf-8")


async def _answers(page: str, data: Path) -> list[tuple[re.Match[str], dict[str, Any]]]:
    found = []
    async with serving(data) as client:
        for block in OPERATION.finditer(page):
            variables = {given["name"]: json.loads(given["value"]) for given in GIVEN.finditer(block["text"])}
            body = {"query": block["text"], "variables": variables}
            found.append((block, (await client._http.post("/graphql", json=body)).json()))
    return found


def _printed(answer: dict[str, Any]) -> str:
    return _laid_out(answer if "errors" in answer else answer["data"])


def _laid_out(value: Any, indent: int = 0, before: int = 0) -> str:
    """JSON as people lay it out: what fits a line stands on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + before + len(flat) <= WIDTH or not isinstance(value, dict | list) or not value:
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        members = [
            f"{inner}{json.dumps(name)}: {_laid_out(each, indent + 2, len(name) + 4)}" for name, each in value.items()
        ]
        return "{\n" + ",\n".join(members) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(f"{inner}{_laid_out(each, indent + 2)}" for each in value) + "\n" + " " * indent + "]"


def test_limits_are_those_of_the_program(request: pytest.FixtureRequest) -> None:
    """Every limit of a request is on the page, with its default and its reason."""
    page = PAGE.read_text("utf-8")
    made = {"limits": _limits()}
    assert {block["name"] for block in MADE.finditer(page)} == made.keys()
    now = MADE.sub(lambda block: f"{block['name']} -->\n{made[block['name']]}", page)
    if request.config.getoption("--rewrite"):
        PAGE.write_text(now, "utf-8")
    else:
        assert now == page, "pytest tests/test_graphql_manual.py --rewrite writes it anew"


def _limits() -> str:
    rows = [
        f"| `requests.{name}` | {limit.default:,} | {str(limit.description).replace(chr(10), ' ')} |\n"
        if isinstance(limit.default, int)
        else f"| `requests.{name}` | {limit.default} | {str(limit.description).replace(chr(10), ' ')} |\n"
        for name, limit in RequestLimits.model_fields.items()
    ]
    return "".join(["| limit | default | what it bounds |\n|---|---|---|\n", *rows])
