"""The generators of the TypeScript world on our schema: what they make of it is held to the compiler's strictest."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.server.node import node_with
from tests.server.operations import ROOT, ran

GENERATORS = ROOT / "tests" / "server" / "js" / "generators"

ASKED = """
query Recall($text: String!, $where: ItemFilter) {
  search(input: {text: $text, where: $where}) {
    position
    edges { score node { __typename id recordedAt properties ... on Memory { text tags } ... on Task { status } } }
  }
}
mutation Remember($input: RememberInput!) {
  remember(input: $input) {
    __typename
    ... on RememberPayload { position memory { id } }
    ... on Error { problems { code } }
  }
}
"""

USES = """
declare function ask<D, V>(document: TypedDocumentNode<D, V>, variables: V): Promise<D>;

const found = await ask(Recall, { text: "tea", where: { kind: { in: ["Memory"] } } });
for (const { score, node } of found.search.edges) {
  const text: string | null = node.__typename === "Memory" ? node.text : null;
  const status: "ABANDONED" | "ACTIVE" | "BLOCKED" | "DONE" | "OPEN" | null | undefined =
    node.__typename === "Task" ? node.status : undefined;
  const known: [number, string, string] = [score, node.id, node.recordedAt];
  console.log(text, status, known, found.search.position + 1);
}
const { remember } = await ask(Remember, { input: { text: "Ada drinks tea", domain: "USER" } });
if (remember.__typename === "RememberPayload") console.log(remember.memory?.id, remember.position);
else if ("problems" in remember) console.log(remember.problems[0]?.code);
const [edge] = found.search.edges;
if (edge === undefined) throw new Error("nothing was found");
"""

WRONG = (
    "await ask(Recall, {});",
    "await ask(Recall, { text: 1 });",
    "await ask(Recall, { text: 'tea', where: { knd: { eq: 'Memory' } } });",
    "edge.node.text;",
    "found.search.embedder;",
    "await ask(Remember, { input: { text: 'a', domain: 'NOBODY' } });",
    "remember.memory;",
)

PRESET = """
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { RecallDocument as Recall, RememberDocument as Remember } from "./gql/graphql.js";
"""

TADA = """
import { initGraphQLTada } from "gql.tada";
import type { TadaDocumentNode as TypedDocumentNode } from "gql.tada";
import type { introspection } from "./graphql-env.js";

const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: { DateTime: string; JSON: unknown; Position: number };
}>();
const Recall = graphql(`%s`);
const Remember = graphql(`%s`);
"""


@pytest.fixture(scope="module")
def node() -> str:
    """Node, with the packages of the lock file; without either, or a registry to install from, nothing is tested."""
    return node_with(GENERATORS, "nothing is generated")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package of an application's own."""
    (tmp_path / "node_modules").symlink_to(GENERATORS / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(ROOT / "schema.graphql", tmp_path)
    (tmp_path / "asked.graphql").write_text(ASKED, "utf-8")
    config = json.loads((ROOT / "tests" / "typescript" / "tsconfig.json").read_text())
    config["compilerOptions"] |= {
        "skipLibCheck": True,
        "plugins": [
            {"name": "gql.tada/ts-plugin", "schema": "./schema.graphql", "tadaOutputLocation": "./graphql-env.d.ts"}
        ],
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps(config))
    return tmp_path


def compiled(node: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return ran([node, "node_modules/typescript/bin/tsc", "--noEmit", "-p", ".", "--pretty", "false"], folder)


def holds(node: str, folder: Path, head: str) -> None:
    """What is right compiles; each wrong line is one error."""
    (folder / "uses.ts").write_text(head + USES + "export {};\n", "utf-8")
    told = compiled(node, folder)
    assert told.returncode == 0, told.stdout
    right = (head + USES).split("\n")[:-1]
    (folder / "uses.ts").write_text("\n".join([*right, *WRONG, "export {};"]), "utf-8")
    told = compiled(node, folder)
    found = [int(line) for line in re.findall(r"^uses\.ts\((\d+),", told.stdout, re.MULTILINE)]
    assert found == [len(right) + number for number in range(1, len(WRONG) + 1)], told.stdout


def test_the_client_preset_of_graphql_codegen(node: str, folder: Path) -> None:
    """Its typed documents say what ours say; its ids of persisted documents are of our form."""
    told = ran([node, str(GENERATORS / "preset.mjs"), "schema.graphql", "asked.graphql", "gql"], folder)
    assert told.returncode == 0, told.stderr
    holds(node, folder, PRESET)
    ids = json.loads((folder / "gql" / "persisted-documents.json").read_text())
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in ids)
    assert len(ids) == 2


def test_gql_tada(node: str, folder: Path) -> None:
    """It generates nothing but the schema's types: the compiler reads the operations themselves."""
    told = ran([node, "node_modules/gql.tada/bin/cli.js", "generate-output"], folder)
    assert told.returncode == 0, told.stdout + told.stderr
    recall, remember = ASKED.split("mutation")
    holds(node, folder, TADA % (recall, f"mutation{remember}"))
