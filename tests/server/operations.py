"""Operations of which clients are made in tests, and a server on real data that they ask."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from engine.clock import SystemClock
from engine.commands import AddTask, Command, Link, NameEntity, Principal, Remember
from engine.limits import Limits
from engine.records import Receipt
from engine.tenant import Tenant
from engine.tenants import Tenants
from server.cli import app
from server.commands.options import Exit
from tests.server.process import served

ROOT = Path(__file__).parents[2]

ASKED = """
# What fits a question, the best first.
query Recall($text: String!, $first: Int! = 10, $where: ItemFilter) {
  search(input: {text: $text, where: $where, kinds: ["Memory", "Task", "Entity"]}, first: $first) {
    position
    edges {
      score
      node {
        ...ItemParts
        ... on Memory { ...MemoryParts tags }
        ... on Task { title status dueAt }
      }
    }
  }
}

query MemoryOf($id: ID!, $history: Boolean! = false) {
  memory(id: $id) { ...MemoryParts history @include(if: $history) { version } }
}

query Since($from: DateTime!, $asOf: AsOf) {
  memories(where: {recordedAt: {gte: $from}}, asOf: $asOf) { nodes { ...MemoryParts } position }
}

mutation Remember($input: RememberInput!) {
  remember(input: $input) { ...Written ... on RememberPayload { memory { ...MemoryParts } } ...Faults }
}

mutation Note($text: String!, $tags: [String!]) {
  remember(input: {text: $text, tags: $tags}) { ...Written ...Faults }
}

# One key can't be that of two changes: this is asked once.
mutation Twice($input: RememberInput!) {
  a: remember(input: $input) { ...Written }
  b: remember(input: $input) { ...Written }
}
"""

FRAGMENTS = """
fragment ItemParts on Item { id kind recordedAt properties }
fragment MemoryParts on Memory { ...ItemParts text importance stream { id name } }
fragment Written on Receipt { ids position repeated }
fragment Faults on Error { message problems { code message place hint } }
"""

TICKS = "subscription Ticks($from: String) { ticks(after: $from) { ... on Tick { n said } } }"
TICKING = """
type Query { none: Int }
interface Message { cursor: String! }
type Tick implements Message { cursor: String! n: Int! said: String! }
"Where to go on."
type GoOn { after: String }
union Told = Tick | GoOn
type Subscription { ticks(after: String): Told! }
"""


def block(language: str) -> str:
    """The first block of a language in docs/CLIENTS.md."""
    found = re.search(rf"^```{language}\n(.*?)^```", (ROOT / "docs" / "CLIENTS.md").read_text("utf-8"), re.M | re.S)
    assert found
    return found[1]


@dataclass(slots=True)
class World:
    """A directory in which Ada is remembered, and files of operations."""

    folder: Path
    tea: str

    def made(self, out: str, *words: str) -> Path:
        """A client of all that is asked there."""
        return made(self.folder / out, self.folder / "asked.graphql", self.folder / "parts.graphql", *words)

    def ticks(self, out: str, *words: str) -> Path:
        """A client of a stream that breaks off."""
        return made(
            self.folder / out, self.folder / "ticks.graphql", "--schema", self.folder / "ticking.graphqls", *words
        )


def made(out: Path, *words: str | Path) -> Path:
    told = CliRunner().invoke(app, ["codegen", "--out", str(out), *map(str, words)])
    assert told.exit_code == Exit.OK, told.stderr
    return out


def world(folder: Path) -> World:
    tenants = Tenants(folder / "data", clock=SystemClock(), limits=Limits(), consolidate=False)
    with closing(tenants), tenants.use("default") as tenant:
        assert isinstance(tenant, Tenant)

        def do(command: Command) -> str:
            receipt = tenant.write_now(command, Principal("local", admin=True))
            assert isinstance(receipt, Receipt), receipt
            return receipt.ids[0]

        links = (Link(kind="MENTIONS", target=do(NameEntity(name="Ada"))),)
        tea = do(Remember(text="Ada drinks tea", importance=0.75, tags=("drinks",), links=links))
        do(AddTask(title="Buy tea for Ada"))
    (folder / "asked.graphql").write_text(ASKED, "utf-8")
    (folder / "parts.graphql").write_text(FRAGMENTS, "utf-8")
    (folder / "ticks.graphql").write_text(TICKS, "utf-8")
    (folder / "ticking.graphqls").write_text(TICKING, "utf-8")
    return World(folder, tea)


@contextmanager
def serving_process(data: Path, port: int = 0, crash: bool = False, words: Sequence[str] = ()) -> Iterator[int]:
    """The port of `memql serve` on that directory; in the end it is asked to stop, or it crashes."""
    with served(data, *words, port=port, crash=crash) as url:
        yield int(url.removesuffix("/graphql").rpartition(":")[2])


def ran(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
