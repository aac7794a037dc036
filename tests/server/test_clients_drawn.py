"""Clients of operations that nobody would write: whatever a server may answer is read, and nothing of it is lost."""

import importlib
import sys
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from graphql import (
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    type_from_ast,
)
from graphql.execution import ExecutionResult

from server.api.schema import printed
from server.commands.clients import client
from tests.server.odd import Drawing, odd, value

ROUNDS, EACH = 12, 8


def imported(files: dict[str, str], folder: Path, name: str) -> ModuleType:
    """The results of a client, as Python has them."""
    (folder / name).mkdir()
    for file, text in files.items():
        (folder / name / file).write_text(text, "utf-8")
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        importlib.import_module(f"{name}.client_sync")
        importlib.import_module(f"{name}.client")
        return importlib.import_module(f"{name}.results")
    finally:
        sys.path.remove(str(folder))


def answered(schema: GraphQLSchema, text: str, random: Random) -> object:
    """What a server with any data could answer, by graphql-core."""

    def resolve(_: object, info: GraphQLResolveInfo[Any], **__: object) -> object:
        return value(info.return_type, random)

    def told(_: object, info: GraphQLResolveInfo[Any], of: object) -> str:
        return random.choice(info.schema.get_possible_types(of)).name  # type: ignore[arg-type]

    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    given = {
        each.variable.name.value: type_from_ast(schema, each.type) for each in operation.variable_definitions or ()
    }
    variables = {name: value(of, random) for name, of in given.items()}
    found = execute_sync(schema, document, {}, None, variables, field_resolver=resolve, type_resolver=told)
    assert isinstance(found, ExecutionResult)
    assert not found.errors, found.errors
    return found.data


@pytest.mark.parametrize("of", ["ours", "odd"])
def test_whatever_is_answered_is_read(of: str, tmp_path: Path) -> None:
    """What was read, written again, is what was answered: no field is lost, none is made up."""
    schema = odd() if of == "odd" else build_schema(printed())
    for seed in range(ROUNDS):
        random = Random(seed)
        text = Drawing(schema, random).operations(EACH)
        made = client({"drawn.graphql": text}, schema, "python")
        assert not made.problems, (seed, made.problems, text)
        results = imported(dict(made.files), tmp_path, f"drawn_{of}_{seed}")
        read_answer = importlib.import_module(f"drawn_{of}_{seed}.answers").read_answer
        documents = importlib.import_module(f"drawn_{of}_{seed}.documents")
        for number in range(EACH):
            sent = getattr(documents, f"DRAWN{number}").text
            for _ in range(3):
                data = answered(schema, sent, random)
                read = read_answer(getattr(results, f"Drawn{number}Data"), data)
                again = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
                assert again == data, (seed, sent)
