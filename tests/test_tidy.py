"""The laws of the tree: who may know whom, and how a file is kept. Reads the sources and imports none of them."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("memql", "engine", "server")

# Each folder bottom up. A module may import what stands before it in its list, and any layer beneath its own.
ORDER: dict[str, tuple[str, ...]] = {
    "": LAYERS,
    "memql": (
        "temporal",
        "values",
        "errors",
        "codes",
        "catalog",
        "catalogfile",
        "types",
        "world",
        "order",
        "functions",
        "ast",
        "lexer",
        "grammar",
        "actions",
        "misreading",
        "parse",
        "spelling",
        "printer",
        "bound",
        "verbs",
        "walking",
        "binding",
        "typecheck",
        "bind",
        "changes",
        "footprint",
        "rowkeys",
        "waking",
        "routes",
        "plan",
        "needs",
        "lower",
        "statistics",
        "estimating",
        "rules",
        "evaluate",
        "compiled",
        "inference",
        "describe",
        "statements",
        "layout",
        "codegen",
        "expressed",
        "explain",
        "assist",
    ),
    "memql.temporal": (
        "untimely",
        "calendar",
        "zones",
        "instants",
        "durations",
        "reading",
        "making",
        "truncating",
        "reckoning",
        "parts",
        "stored",
    ),
    "memql.functions": ("function", "times", "numbers", "texts", "lists", "graphs", "histories", "aggregates"),
    "memql.ast": ("expressions", "curation", "clauses"),
    "memql.actions": ("made", "expressions", "patterns", "clauses", "curation"),
    "memql.codegen": ("declared", "python_runtime", "python_over_http", "python", "typescript_runtime", "typescript"),
    "memql.assist": (
        "reading",
        "sight",
        "keywords",
        "properties",
        "completion",
        "description",
        "diagnosis",
        "highlighting",
    ),
    "memql.rules": ("sayings", "weighing", "beginnings", "conditions", "selections", "scans", "graphs", "pages"),
    "memql.bind": (
        "names",
        "expressions",
        "paths",
        "constants",
        "times",
        "patterns",
        "foreign",
        "projections",
        "live",
        "searches",
        "postfilters",
        "said",
        "curation",
        "clauses",
    ),
    "engine": (
        "limits",
        "clock",
        "stopping",
        "lock",
        "commands",
        "events",
        "records",
        "seal",
        "decide",
        "head",
        "journal",
        "index",
        "salvage",
        "recovery",
        "projection",
        "embed",
        "columns",
        "adjacency",
        "properties",
        "survey",
        "cypher",
        "graph",
        "vectors",
        "texts",
        "named",
        "rank",
        "reader",
        "identities",
        "provenance",
        "audit",
        "search",
        "meaning",
        "committer",
        "follower",
        "feed",
        "execute",
        "filter",
        "changed",
        "keyed",
        "subscription",
        "turns",
        "live",
        "lifecycle",
        "tenant",
        "tenants",
    ),
    "engine.embed": ("layers", "minilm", "install", "remote"),
    "engine.graph": ("file", "gathered"),
    "engine.search": ("times", "question", "nearness", "ways", "meanings", "inquiry"),
    "engine.vectors": ("nearest", "table", "space"),
    "engine.execute": (
        "seen",
        "batch",
        "alike",
        "figures",
        "columnar",
        "parameters",
        "times",
        "together",
        "running",
        "scan",
        "graphed",
        "expand",
        "sight",
        "repeating",
        "choosing",
        "reaching",
        "ordering",
        "seeking",
        "rows",
        "operands",
        "searching",
        "operators",
        "changes",
        "answer",
        "outcomes",
        "considering",
        "grouping",
        "entities",
        "drafting",
        "curation",
        "compilations",
    ),
    "engine.lifecycle": ("noise", "entities", "gazetteer", "plan", "knowledge", "consolidation"),
    "engine.decide": ("view", "checks", "declarations", "items", "streams", "relations", "staged", "curation"),
    "server": (
        "authentication",
        "bounds",
        "settings",
        "telemetry",
        "embedding",
        "identity",
        "listener",
        "access",
        "responses",
        "api",
        "credentials",
        "events",
        "sockets",
        "endpoint",
        "health",
        "app",
        "commands",
        "cli",
    ),
    "server.api": (
        "limits",
        "cost",
        "rates",
        "requirements",
        "documents",
        "cursors",
        "kept",
        "selection",
        "reading",
        "types",
        "connections",
        "conditions",
        "filtering",
        "orders",
        "pages",
        "overviews",
        "related",
        "answers",
        "rankings",
        "context",
        "channels",
        "streams",
        "arguments",
        "refusals",
        "principals",
        "filters",
        "listing",
        "audits",
        "search",
        "plans",
        "language",
        "descriptions",
        "assist",
        "catalog",
        "subscriptions",
        "queries",
        "inputs",
        "receipts",
        "writing",
        "batches",
        "statements",
        "mutations",
        "admission",
        "executor",
        "schema",
        "released",
    ),
    "server.commands": (
        "client",
        "transcripts",
        "chatgpt",
        "intake",
        "tables",
        "options",
        "importing",
        "asking",
        "shell",
        "showing",
        "catalogs",
        "keys",
        "clients",
        "codegen",
        "demo",
        "upkeep",
        "embedder",
    ),
    "server.access": ("form", "tally", "origins", "keystore", "keysets", "tokens", "gate"),
    "server.api.executor": ("leaves", "shapes", "compiler", "roots"),
    "server.commands.clients": (
        "operations",
        "additions",
        "shapes",
        "naming",
        "shaping",
        "python_runtime",
        "python_transport",
        "python",
        "typescript_runtime",
        "typescript_transport",
        "typescript",
        "manifest",
    ),
    "server.api.subscriptions": ("messages", "feeds", "items", "relations", "audit", "live", "searching"),
    "server.commands.shell": ("screen", "script", "history", "session", "commands", "editor"),
}

# What stands for an import whose name is computed: it hides what is known, so it too has its place.
COMPUTED = "(computed)"

# The only modules that may know a store or the parser.
KNOWERS = {
    "kuzu": ("engine.graph", "engine.cypher"),
    "ladybug": ("engine.graph", "engine.cypher"),
    "lancedb": ("engine.vectors",),
    "tantivy": ("engine.texts",),
    "onnxruntime": ("engine.embed.minilm",),
    "tokenizers": ("engine.embed.minilm",),
    "openai": ("engine.embed.remote",),
    "lark": ("memql",),
    COMPUTED: ("engine.graph",),
}

OUTSIDE_MEMQL = frozenset(
    "asyncio concurrent fcntl ftplib getpass glob http importlib io logging mmap multiprocessing os "
    "pathlib pickle platform queue random resource secrets select selectors shelve shutil signal smtplib socket "
    "socketserver sqlite3 ssl subprocess sys tempfile threading time urllib uuid webbrowser zipfile".split()
)
THIRD_PARTIES_OF_MEMQL = frozenset({"lark", "rapidfuzz"})
OUTSIDE_ENGINE = frozenset(
    "socket socketserver ssl http urllib httpx starlette strawberry graphql uvicorn etcd etcd3 grpc typer rich".split()
)

VAGUE = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "service", "misc"})
LONGEST = 420
TEXTS = frozenset({".py", ".md", ".toml", ".sh", ".lark", ".memql", ".yml", ".yaml", ".ts", ".tsx", ""})
SKIPPED = frozenset({"node_modules", "dist", "generated", "__pycache__"})


# The tree, read


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def texts() -> Iterator[Path]:
    """Every text that people write here. Folders of the tools begin with a dot; of those only .ci is ours."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") for part in parts) and parts[0] != ".ci"
        if not hidden and not SKIPPED & set(parts) and path.suffix in TEXTS and path.is_file():
            yield path


def named(path: Path) -> str:
    """engine/decide/items.py is engine.decide.items, and engine/decide/__init__.py is engine.decide."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> frozenset[str]:
    return frozenset(named(path) for path in sources(*LAYERS))


def imports(tree: ast.AST, module: str) -> Iterator[str]:
    """Every module or name that a source imports, wherever in it, by statement or by call. What one module of a folder
    only names in its types, of another there, is left out: types may be about each other."""
    typed = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for each in node.body
        if isinstance(each, ast.ImportFrom) and (each.module or "").rpartition(".")[0] == module.rpartition(".")[0]
    }
    for node in ast.walk(tree):
        if id(node) in typed:
            continue
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                base = ".".join(module.split(".")[: len(module.split(".")) - level]) if level else ""
                whole = ".".join(filter(None, (base, source)))
                yield from (f"{whole}.{each.name}" for each in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[name, *_],
            ):
                yield str(name.value) if isinstance(name, ast.Constant) else COMPUTED


def known(name: str) -> str | None:
    """The module of ours that an imported name stands for: `engine.head.Head` is engine.head."""
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or None


def beneath(name: str, *tops: str) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in tops)


# The laws, as functions from what is there to what is wrong


def floor(module: str) -> list[int] | str:
    """Where a module stands, folder by folder. A package itself is the top of its folder. Or what to add where."""
    above, place = "", []
    for part in module.split("."):
        order = ORDER.get(above)
        if order is None or part not in order:
            return f"{module}: add `{part}` to the list of `{above or 'the root'}` in this test, at its floor"
        place.append(order.index(part))
        above = f"{above}.{part}".lstrip(".")
    return [*place, len(ORDER[above])] if above in ORDER else place


def upward(importer: str, imported: str) -> str | None:
    here, there = floor(importer), floor(imported)
    if isinstance(here, str):
        return here
    if isinstance(there, str):
        return there
    return None if there < here else f"{importer} imports {imported}, which is not beneath it"


def forbidden(module: str, name: str) -> str | None:
    """Why a module may not import a foreign name, if it may not."""
    top = name.partition(".")[0]
    if top in KNOWERS and not beneath(module, *KNOWERS[top]):
        return f"{module} knows {top}; only {', '.join(KNOWERS[top])} may"
    if beneath(module, "memql"):
        if top in OUTSIDE_MEMQL:
            return f"{module} imports {top}; memql does no I/O"
        if top not in sys.stdlib_module_names | THIRD_PARTIES_OF_MEMQL:
            return f"{module} imports {top}; memql stands on {', '.join(sorted(THIRD_PARTIES_OF_MEMQL))} and Python"
    if beneath(module, "engine") and top in OUTSIDE_ENGINE:
        return f"{module} imports {top}; the engine serves no socket and knows no GraphQL and no etcd"
    return None


def impure(tree: ast.AST) -> Iterator[str]:
    """What the language may not do even without an import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield "waits"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"open", "print", "input"}
        ):
            yield f"calls {node.func.id}()"
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
            yield f"reads a clock: .{node.attr}"


UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
ISSUE = re.compile(r"(?<![\w&/#])#\d+\b|\bissue \d+", re.IGNORECASE)
MACHINE = re.compile(r"(?<![\w.*~])/(home|Users|root|work|opt|tmp)/\w|\b[A-Z]:\\Users|file:///")


def blemishes(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, what in ((UNFINISHED, "unfinished"), (ISSUE, "an issue's number"), (MACHINE, "a machine's path")):
            if pattern.search(line):
                yield f"{number}: {what}: {line.strip()}"


# Held to the tree


def test_imports_go_down_only() -> None:
    """A module knows only what lies beneath it."""
    wrong: set[str | None] = set()
    for path in sources(*LAYERS):
        module = named(path)
        if isinstance(place := floor(module), str):
            wrong.add(place)
        for name in imports(ast.parse(path.read_text("utf-8")), module):
            found = known(name) if name.partition(".")[0] in LAYERS else None
            if found and found != module and found not in LAYERS:
                wrong.add(upward(module, found))
    assert wrong <= {None}, "\n".join(sorted(filter(None, wrong)))


def test_foreign_modules_are_known_where_they_belong() -> None:
    """Each store has one file that speaks to it, the language stands on Python, and the engine serves nobody."""
    wrong = {
        forbidden(named(path), name)
        for path in sources(*LAYERS)
        for name in imports(ast.parse(path.read_text("utf-8")), named(path))
        if name.partition(".")[0] not in LAYERS
    }
    assert wrong <= {None}, "\n".join(sorted(filter(None, wrong)))


def test_the_language_only_thinks() -> None:
    """memql/ opens no file, prints nothing, waits for nothing and reads no clock."""
    wrong = [
        f"{named(path)} {what}" for path in sources("memql") for what in impure(ast.parse(path.read_text("utf-8")))
    ]
    assert not wrong, "\n".join(wrong)


def test_every_module_says_what_it_is() -> None:
    """The docstring is where a stranger starts."""
    silent = [
        str(path) for path in sources(*LAYERS, "tests", "bench") if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent, "\n".join(silent)


def test_names_are_nouns_of_the_subject() -> None:
    """A vague name is a story not yet understood."""
    vague = [str(path) for path in sources(*LAYERS, "tests", "bench") if VAGUE & set(path.with_suffix("").parts[-2:])]
    assert not vague, "\n".join(vague)


def test_files_tell_one_story() -> None:
    """A file that is longer than a story is two."""
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in (*sources(*LAYERS, "bench"), ROOT / "run")}
    long = [f"{path}: {lines} lines" for path, lines in lengths.items() if lines > LONGEST]
    assert not long, "\n".join(long)


def test_texts_are_finished_and_at_home_anywhere() -> None:
    """No promise to do it later, no number of a tracker that a reader can't open, no path of one machine."""
    wrong = [
        f"{path.relative_to(ROOT)}:{blemish}"
        for path in texts()
        if path != Path(__file__)
        for blemish in blemishes(path.read_text("utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


# The laws can fail


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("memql.values", "engine.limits"),
        ("engine.journal", "engine.tenant"),
        ("engine.records", "engine.decide.view"),
        ("engine.decide.view", "engine.decide.checks"),
        ("engine.decide.view", "engine.decide"),
        ("engine.decide.view", "engine.journal"),
        ("engine.tenant", "server.settings"),
    ],
)
def test_an_upward_import_is_found(importer: str, imported: str) -> None:
    """Also out of and into a folder within a folder; the other way round each is allowed."""
    assert upward(importer, imported)
    assert upward(imported, importer) is None


def test_a_module_without_a_floor_is_found() -> None:
    """A new module has to say where it stands."""
    assert "add `wishes` to the list of `engine`" in str(floor("engine.wishes"))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("server.app", "import kuzu"),
        ("server.app", "def f():\n    from lancedb.index import IvfSq"),
        ("engine.tenant", "importlib.import_module('ladybug')"),
        ("engine.tenant", "import_module(name)"),
        ("engine.tenant", "import lark"),
        ("engine.journal", "from http import client"),
        ("memql.values", "import os.path"),
        ("memql.values", "import numpy"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    """Wherever in a module it stands, and however it is written."""
    assert [reason for name in imports(ast.parse(source), module) if (reason := forbidden(module, name))]


@pytest.mark.parametrize("source", ["async def f(): ...", "open('x')", "datetime.now()"])
def test_an_impure_act_is_found(source: str) -> None:
    """Without any import."""
    assert list(impure(ast.parse(source)))


@pytest.mark.parametrize("line", ["# TODO: later", "see #12", "/home/me/memql", "in issue 7", r"C:\Users\me"])
def test_a_blemish_is_found(line: str) -> None:
    """Each of the three kinds."""
    assert list(blemishes(line))


@pytest.mark.parametrize("line", ["# 12 rows", "color: #fff", "docs/work/plan", "https://a.b/c#3d", "/var/lib/memql"])
def test_ordinary_lines_are_left_alone(line: str) -> None:
    """What only looks like one."""
    assert not list(blemishes(line))
