"""Operations in GraphQL → typed clients, as text. Whoever asks for it writes the files.

The same operations and the same schema give the same text, whenever and wherever it is made; what stands at its top
says of which files it was made.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, TypeAlias

from graphql import DocumentNode, GraphQLSchema, validate

from memql.errors import Problem
from server.commands.clients import python, typescript
from server.commands.clients.additions import Documents, prepare
from server.commands.clients.manifest import digest, manifest
from server.commands.clients.operations import RULES, Problems, read, read_schema
from server.commands.clients.shaping import shapes

Language: TypeAlias = Literal["python", "ts"]
NAMED = 3
"""So many files are named at the top of what is made of them; more are counted."""


@dataclass(frozen=True, slots=True)
class Made:
    """Texts of files by their names; or, by the names of the sources, what is wrong with them."""

    files: Mapping[str, str]
    problems: Problems


def client(texts: dict[str, str], schema: GraphQLSchema, language: Language, trusted: bool = False) -> Made:
    """The client of all operations in those files, and the manifest of what it sends. A trusted one sends ids alone."""
    found = read(texts, schema)
    if isinstance(found, dict):
        return Made({}, found)
    documents = prepare(found, schema)
    if problems := _clashing(documents, schema, texts):
        return Made({}, problems)
    made = python if language == "python" else typescript
    told = shapes(documents, schema, made.RESERVED)
    sent = {each.name: (digest(each.text), each.text) for each in told.methods}
    files = made.files(told, sent, trusted, _head(language, texts))
    return Made({**files, "documents.json": manifest(sent)}, {})


def _clashing(documents: Documents, schema: GraphQLSchema, texts: Mapping[str, str]) -> Problems:
    """What no longer fits together once something was added."""
    nodes = (*(each.node for each in documents.operations), *documents.fragments.values())
    errors = validate(schema, DocumentNode(definitions=nodes), RULES)
    hint = "`cursor`, `after` and `idempotencyKey` are added to it: take another name for what is called so"
    said = [Problem("GRAPHQL_NAME", error.message.rstrip("."), hint=hint) for error in errors]
    return {next(iter(texts)): said} if said else {}


def _head(language: Language, texts: Mapping[str, str]) -> str:
    sign = "#" if language == "python" else "//"
    names = [PurePath(name).name for name in texts]
    of = ", ".join(names) if len(names) <= NAMED else f"{len(names)} files"
    known = hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()[:16]
    return f"{sign} Made by `memql codegen` from {of} ({known}): change that, and make it again.\n"


__all__ = ["Language", "Made", "client", "read_schema"]
