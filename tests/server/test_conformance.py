"""The audits of GraphQL over HTTP, by the reference implementation's own suite, on a server in a process of its own."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from server.api.documents import identified
from tests.server.node import node_with
from tests.server.process import served

AUDITS = Path(__file__).parent / "js" / "http"
BY_GET = ("{ __typename }", "query Type($name: String!) { __type(name: $name) { name } }")
"""What the audits ask by GET, which may be asked so where it is trusted."""


def ran(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, cwd=AUDITS, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def node() -> str:
    return node_with(AUDITS, "the audits of GraphQL over HTTP are not run")


def test_every_audit_is_ok(node: str, tmp_path: Path) -> None:
    """61 of 61, with the documents trusted that the audits ask by GET."""
    manifest = tmp_path / "trusted.json"
    documents = {identified(text): {"name": None, "text": text} for text in BY_GET}
    manifest.write_text(json.dumps({"format": "memql-documents-v1", "documents": documents}))
    with served(tmp_path / "data", "--set", f"requests.documents={manifest}") as url:
        told = ran([node, "audit.mjs", url])
    assert told.stdout.splitlines() == ["61 of 61"], told.stdout + told.stderr


def test_by_default_only_get_is_missing(node: str, tmp_path: Path) -> None:
    """All that must or should be is ok; what may be is left out where it is GET of whatever a link says."""
    with served(tmp_path / "data") as url:
        told = ran([node, "audit.mjs", url]).stdout.splitlines()
    *left_out, total = told
    assert total == "58 of 61"
    assert [line.split(" ")[:3] for line in left_out] == [
        ["notice", "5A70", "MAY"], ["notice", "D6D5", "MAY"], ["notice", "6A70", "MAY"],
    ]  # fmt: skip
