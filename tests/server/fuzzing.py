"""Cases of the schema's own making: schemathesis asks every field with whatever its arguments take.

Run as a file it asks as many cases as it is told, on a server of its own with data in it: `fuzzing.py 10000 [SEED]`.
For schemathesis it is the module of hooks: what our scalars look like, and what no answer may be.
"""

import os
import re
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import graphql
import httpx
import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from tests.server.process import ROOT, served
from tests.server.traces import traces

IDS = os.environ.get("FUZZED_IDS", "").split()
SEED = 20_261_129
FLAGS = ("--set", "limits.wait_ms=1")
"""A position that is asked for at random is seldom reached."""

_TEXTS = st.text(max_size=12) | st.sampled_from(
    ("tea", "a" * 500, "' OR 1=1", "MATCH (n) RETURN n", "$x", "\u202e", ".")
)
_NUMBERS = st.integers(-(2**70), 2**70)


def _map(given: dict[str, str]) -> graphql.ObjectValueNode:
    fields = [
        graphql.ObjectFieldNode(name=graphql.NameNode(value=name), value=nodes.String(text))
        for name, text in given.items()
    ]
    return graphql.ObjectValueNode(fields=tuple(fields))


schemathesis.graphql.scalar("Position", (st.integers(0, 60) | _NUMBERS).map(nodes.Int) | _TEXTS.map(nodes.String))
schemathesis.graphql.scalar(
    "DateTime",
    st.datetimes().map(lambda at: nodes.String(at.isoformat()))
    | st.sampled_from(("2026-03-14T09:26:53Z", "2026-02-30", "now", "0001-01-01T00:00:00+14:00", "")).map(nodes.String),
)
schemathesis.graphql.scalar(
    "JSON",
    _TEXTS.map(nodes.String) | _NUMBERS.map(nodes.Int) | st.booleans().map(nodes.Boolean) | st.just(nodes.Null)
    | st.floats(allow_nan=False, allow_infinity=False).map(nodes.Float)
    | st.dictionaries(st.from_regex(r"[a-z]\w{0,6}", fullmatch=True), _TEXTS, max_size=3).map(_map),
)  # fmt: skip
if IDS:
    schemathesis.graphql.scalar("ID", (st.sampled_from(IDS) | _TEXTS).map(nodes.String))


class _Plain(graphql.Visitor):
    """Asks for all that there is, and for few of each."""

    def enter_argument(self, node: graphql.ArgumentNode, *_: object) -> Any:
        if node.name.value in ("after", "asOf", "validAt", "atLeast", "where", "kinds", "stream"):
            return graphql.REMOVE
        if node.name.value in ("first", "last"):
            return graphql.ArgumentNode(name=node.name, value=nodes.Int(5))
        return None


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: graphql.DocumentNode) -> graphql.DocumentNode:
    """Half of the cases find something: what arguments may hold mostly ends in a refusal."""
    if zlib.crc32(graphql.print_ast(body).encode()) % 2:
        return body
    plain: graphql.DocumentNode = graphql.visit(body, _Plain())
    return plain


@schemathesis.check
def in_our_words(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]) -> None:
    """No failure of ours, and nothing of how the server is made."""
    shown = response.content.decode()
    assert response.status_code < 500, shown
    assert '"INTERNAL"' not in shown, shown
    assert not (found := traces(shown, str(case.body))), f"{found} in {shown}"


def fuzz(url: str, cases: int, seed: int = SEED) -> subprocess.CompletedProcess[str]:
    """Asks about so many cases, evenly for every field of Query and Mutation."""
    ids = record(url)
    kinds = httpx.post(url, json={"query": FIELDS}).json()["data"]["__schema"].values()
    each = max(1, round(cases / sum(len(kind["fields"]) for kind in kinds)))
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", url, "--checks", "in_our_words", "--seed", str(seed),
        "--max-examples", str(each), "--continue-on-failure", "--phases", "fuzzing", "--no-color",
        "--suppress-health-check", "all", "--generation-database", "none", "--request-timeout", "60",
    ]  # fmt: skip
    hooks = {"SCHEMATHESIS_HOOKS": "tests.server.fuzzing", "FUZZED_IDS": " ".join(ids), "PYTHONPATH": str(ROOT)}
    # It keeps notes of its own where it stands.
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, check=False, cwd=folder, env=os.environ | hooks, capture_output=True, text=True)


RECORDED = """
    mutation {
        a: recordEvents(input: {stream: "s", events: [{content: "Ada drinks tea."}, {content: "Bob naps."}]}) { ...R }
        b: remember(input: {text: "tea"}) { ...R }
        c: setGoal(input: {title: "tea"}) { ...R }
        d: nameEntity(input: {name: "Ada"}) { ...R }
        e: deriveInsight(input: {text: "all drink tea"}) { ...R }
    }
    fragment R on Receipt { ids }
"""
RELATED = """
    mutation ($a: ID!, $b: ID!) {
        a: relate(input: {source: $a, target: $b, kind: "ABOUT"}) { ... on Receipt { ids } }
    }
"""
FIELDS = "{ __schema { queryType { fields { name } } mutationType { fields { name } } } }"


def record(url: str) -> list[str]:
    """Some of every kind, so that there is something to find; gives the ids."""
    answer = httpx.post(url, json={"query": RECORDED}, timeout=60).json()
    ids: list[str] = [id_ for each in answer["data"].values() for id_ in each["ids"]]
    body = {"query": RELATED, "variables": {"a": ids[-1], "b": ids[-2]}}
    related: list[str] = httpx.post(url, json=body, timeout=60).json()["data"]["a"]["ids"]
    return ids + related


def counted(told: str) -> int:
    """The cases that a run says it made."""
    found = re.search(r"(\d+) generated", told.replace(",", ""))
    return int(found[1]) if found else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "data", *FLAGS) as address:
        run = fuzz(address, int(sys.argv[1]), *map(int, sys.argv[2:]))
    sys.stdout.write(run.stdout + run.stderr)
    sys.exit(run.returncode)
