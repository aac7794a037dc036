"""Every GraphQL document that is written down here: in what people read, in the commands, in tests and benchmarks.

A document is any text in them that is one, and valid: pieces put together at run time are put together as far as the
names of their module tell.
"""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, parse, validate

ROOT = Path(__file__).parents[2]
_FENCED = re.compile(r"^```(?:graphql|gql)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_IN_JSON = re.compile(r'"query":\s*("(?:[^"\\]|\\.)*")')


def documents(schema: GraphQLSchema) -> Iterator[tuple[str, DocumentNode]]:
    """Each with where it stands."""
    seen: set[str] = set()
    for path in sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")}):
        text = path.read_text("utf-8")
        for written in (*_FENCED.findall(text), *(json.loads(each) for each in _IN_JSON.findall(text))):
            yield from _valid(schema, path, written, seen)
    for path in sorted({*ROOT.rglob("*.graphql")} - {ROOT / "schema.graphql", ROOT / "released.graphql"}):
        if "node_modules" not in path.parts and ".venv" not in path.parts:
            yield from _valid(schema, path, path.read_text("utf-8"), seen)
    for folder in ("server", "tests/server", "bench"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for written in _texts(path):
                yield from _valid(schema, path, written, seen)


def _valid(schema: GraphQLSchema, path: Path, written: str, seen: set[str]) -> Iterator[tuple[str, DocumentNode]]:
    if "{" not in written or written in seen:
        return
    seen.add(written)
    try:
        document = parse(written)
    except GraphQLError:
        return
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if operations and not validate(schema, document):
        yield str(path.relative_to(ROOT)), document


def _texts(path: Path) -> Iterator[str]:
    """The texts of a module, and what its f-strings make of its own names."""
    tree = ast.parse(path.read_text("utf-8"))
    names: dict[str, Any] = {}
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if any(isinstance(node, ast.JoinedStr) for node in ast.walk(tree)) and path.name != "__main__.py":
        try:
            names = vars(importlib.import_module(module.removesuffix(".__init__")))
        except (ImportError, pytest.skip.Exception):  # of packages that are not here
            names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            try:
                yield eval(compile(ast.Expression(node), "<document>", "eval"), dict(names))  # noqa: S307  # our own text
            except Exception:  # made of what only a running function knows
                continue
