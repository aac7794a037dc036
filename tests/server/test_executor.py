"""Compiled selections: they answer as graphql-core does, nothing that a caller writes is code, and nothing is kept."""

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    experimental_execute_incrementally,
    get_named_type,
    is_leaf_type,
    parse,
)
from graphql.execution import ExperimentalIncrementalExecutionResults
from graphql.execution.collect_fields import FragmentDetails, collect_fields
from graphql.execution.values import VariableValues
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as Stock

from server.api.context import Desk
from server.api.executor import CompilingExecutor, compiling
from server.api.executor.compiler import MOST_FIELDS, Budget, Operation, compiled, parts
from server.api.executor.shapes import Uncompilable
from server.api.kept import LONGEST, MOST_VALUES, MOST_VARIANTS, ByValues, Kept
from server.api.reading import SHARED
from server.api.schema import make_schema
from server.api.streams import Asker
from server.api.streams import Operation as StreamOperation
from server.bounds import RequestLimits
from server.endpoint import Endpoint
from server.identity import LOCAL, always
from tests.server.conftest import Caller
from tests.server.documents import documents
from tests.server.executor_diff import Counting, cases


@strawberry.type
class Leaf:
    name: str
    size: int


@strawberry.type
class Tree:
    name: str
    leaves: list[Leaf]

    @strawberry.field
    def shouted(self) -> str:
        if self.name == "mute":
            raise ValueError("it can't shout")
        return self.name.upper()

    @strawberry.field
    async def slowly(self) -> str:
        await asyncio.sleep(0)
        return self.name


@strawberry.type
class Query:
    trees: strawberry.Streamable[Tree]


SCHEMA = strawberry.Schema(Query, config=StrawberryConfig(enable_experimental_incremental_execution=True))


def grown(*names: str) -> SimpleNamespace:
    return SimpleNamespace(trees=[Tree(name=name, leaves=[Leaf(name="l", size=n)]) for n, name in enumerate(names)])


@pytest.fixture
def executor() -> type[CompilingExecutor]:
    return compiling(8)


def ask(document: DocumentNode, how: Any, root: object, variables: dict[str, Any] | None = None) -> ExecutionResult:
    result = experimental_execute_incrementally(
        SCHEMA._schema, document, root_value=root, variable_values=variables or {}, executor_class=how
    )
    assert isinstance(result, ExecutionResult)
    return result


async def test_random_cases_are_answered_as_graphql_core_answers_them() -> None:
    """Data, messages, paths and places; `python -m tests.server.executor_diff` goes on where this stops."""
    tally: Counter[str] = Counter()
    wrong = await cases(seed=3, first=0, number=400, tally=tally)
    assert not wrong, wrong[0]
    assert tally["with errors"] > 100
    assert tally["whole"] > tally["asked"] / 2


def fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}


def operations(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]


def uncompiled(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> str | None:
    """Why an operation is not compiled whole, if it is not. Its conditions are taken to hold."""
    details = {name: FragmentDetails(each) for name, each in fragments(document).items()}
    given = {each.variable.name.value: True for each in operation.variable_definitions or ()}
    of = Operation(schema, operation, details, VariableValues({}, given), Budget())
    root = schema.get_root_type(operation.operation)
    assert root
    for name, nodes in collect_fields(schema, details, of.variables, root, operation).grouped_field_set.items():
        field = schema.get_field(root, nodes[0].node.name.value)
        assert field
        if not is_leaf_type(get_named_type(field.type)):
            try:
                compiled(of, field.type, nodes, (name,))
            except Uncompilable as error:
                return str(error)
    return None


def test_our_operations_are_compiled_whole() -> None:
    """Those of the documents, the commands, the tests and the benchmarks."""
    schema = make_schema(RequestLimits())._schema
    number, wanting = 0, []
    for place, document in documents(schema):
        for operation in operations(document):
            number += 1
            if reason := uncompiled(schema, document, operation):
                wanting.append(f"{place}: {reason}")
    share = 1 - len(wanting) / number
    sys.stdout.write(f"{number} operations, {share:.1%} compiled whole\n" + "\n".join(wanting))
    assert number > 60
    assert share >= 0.95, wanting


HOSTILE = (
    '"}; import os; os.abort() #', "'): raise SystemExit #", "\\", "\n    raise SystemExit\n", "{v1}", "%s", "\u2028",
    "\ud800", "c0", "f0", "__import__('os').abort()", "'''", "\x00", "𝔐",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_caller_writes_is_nothing_but_text(name: str, executor: type[CompilingExecutor]) -> None:
    """No grammar lets such names through; the compiler does not rely on it."""
    document = parse("{ trees { a: name b: __typename leaves { size } shouted } }")
    for node in walked(document):
        if isinstance(node, FieldNode) and node.alias:
            object.__setattr__(node.alias, "value", node.alias.value + name)
    expected = ask(document, Stock, grown("oak", "ash"))
    assert ask(document, executor, grown("oak", "ash")) == expected
    assert list(expected.data["trees"][0]) == [f"a{name}", f"b{name}", "leaves", "shouted"]  # type: ignore[index]


def walked(node: Any) -> Iterator[Node]:
    yield node
    for key in node.keys:
        value = getattr(node, key, None)
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, Node):
                yield from walked(each)


def test_what_is_resolved_is_all_that_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other fields of its object, and all that is beneath them, are compiled."""
    monkeypatch.setattr(Counting, "counts", Counter())
    document = parse("{ trees { name shouted leaves { name size } } }")
    found = ask(document, Counting, grown("oak", "ash"))
    assert found == ask(document, Stock, grown("oak", "ash"))
    assert list(found.data["trees"][0]) == ["name", "shouted", "leaves"]  # type: ignore[index]
    assert Counting.counts["walked"] == 2, "one field of two trees"


async def awaited(document: DocumentNode, how: Any, root: object) -> Any:
    found: Any = experimental_execute_incrementally(SCHEMA._schema, document, root_value=root, executor_class=how)
    return await found if asyncio.iscoroutine(found) else found


async def test_what_is_awaited_stands_in_its_place(executor: type[CompilingExecutor]) -> None:
    """Also between fields that are compiled, and when something beside it fails."""
    document = parse("{ trees { name slowly leaves { size } shouted } }")
    for names in (("oak", "ash"), ("oak", "mute")):
        found, expected = [await awaited(document, how, grown(*names)) for how in (executor, Stock)]
        assert str(found) == str(expected)


@pytest.mark.parametrize(
    "query",
    [
        "{ trees { name ... @defer { leaves { size } } } }",
        "{ trees { name ... @defer { shouted leaves { size } } } }",
        "{ trees @stream(initialCount: 1) { name leaves { size } } }",
        "query ($no: Boolean = false) { trees { name ... @defer(if: $no) { leaves { size } } } }",
    ],
)
async def test_parts_that_come_later_come_as_from_graphql_core(query: str, executor: type[CompilingExecutor]) -> None:
    """What is deferred or streamed is left to it."""
    told = []
    for how in (executor, Stock):
        found = await awaited(parse(query), how, grown("oak", "ash"))
        if isinstance(found, ExperimentalIncrementalExecutionResults):
            told.append([str(found.initial_result), *[str(each) async for each in found.subsequent_results]])
        else:
            told.append([str(found)])
    assert told[0] == told[1]


def test_middleware_sees_every_field() -> None:
    """So nothing is compiled where there is any."""
    seen: list[str] = []

    class Watching(SchemaExtension):
        def resolve(self, _next: Callable[..., Any], root: Any, info: Any, *args: str, **kwargs: Any) -> Any:
            seen.append(info.field_name)
            return _next(root, info, *args, **kwargs)

    schema = strawberry.Schema(Query, extensions=[Watching], execution_context_class=compiling(8))
    schema.execute_sync("{ trees { name leaves { size } } }", root_value=grown("oak", "ash"))
    assert Counter(seen) == {"trees": 1, "name": 2, "leaves": 2, "size": 2}


CHANGES = """subscription { memoryChanged {
    __typename ... on MemoryChanged { kind memory { id text sources { content } relations { totalCount } } }
} }"""


async def test_a_subscription_is_compiled_once(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its events are whole compiled runs, each once for all who listen, and nothing piles up of them."""
    endpoint = Endpoint(Desk(caller.tenants), always(LOCAL), "default", RequestLimits())
    how: Any = endpoint.schema.execution_context_class
    counts: Counter[str] = Counter()
    trying, running, walking = how._try, how._run, how.execute_field

    def tried(self: CompilingExecutor, *args: Any) -> Any:
        counts["compiled"] += 1
        return trying(self, *args)

    def ran(self: CompilingExecutor, *args: Any) -> Any:
        shown = running(self, *args)
        counts["ran"] += shown is not None
        assert len(self._runs) + len(self._parts) + len(self._relevant_sub_fields) == 1
        return shown

    def walked(self: CompilingExecutor, *args: Any) -> Any:
        counts["walked"] += args[3].prev is not None
        return walking(self, *args)

    await caller.do("remember", text="before")
    for name, counting in (("_try", tried), ("_run", ran), ("execute_field", walked)):
        monkeypatch.setattr(how, name, counting)
    async with AsyncExitStack() as stack:
        listening = []
        for name in ("one", "other"):
            told = endpoint.streams.carried_out(StreamOperation(CHANGES), Asker(LOCAL, "default", name))
            listening.append(await stack.enter_async_context(aclosing(told)))
            assert "Listening" in (await anext(told)).text
        assert counts == {"compiled": 1, "ran": 2, "walked": 0}
        for n in range(1, 6):
            await caller.do("remember", text=f"{n}")
            first, second = [(await anext(told)).text for told in listening]
            assert first == second
            assert orjson.loads(first)["data"]["memoryChanged"]["memory"]["text"] == f"{n}"
            assert counts == {"compiled": 1, "ran": 2 + n, "walked": 0}


# What is kept


def test_a_document_that_comes_again_is_not_compiled_again(
    executor: type[CompilingExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for the same values of its conditions; of a new one its own variant is compiled."""
    tried: list[object] = []
    trying: Any = executor._try

    def counted(self: CompilingExecutor, *args: Any) -> Any:
        tried.append(args)
        return trying(self, *args)

    monkeypatch.setattr(executor, "_try", counted)
    document = parse("query ($big: Boolean!) { trees { name @include(if: $big) leaves { size } } }")
    for big, compilations in ((True, 1), (True, 1), (False, 2), (True, 2), (False, 2)):
        found = ask(document, executor, grown("oak"), {"big": big})
        assert found == ask(document, Stock, grown("oak"), {"big": big})
        assert len(tried) == compilations


def test_no_more_is_kept_than_may_be(executor: type[CompilingExecutor]) -> None:
    """The operation used longest ago leaves; of one operation, what is beyond so many variants is not compiled."""
    held = [parse(f"{{ trees {{ name a{n}: name }} }}") for n in range(20)]
    for document in held:
        ask(document, executor, grown("oak"))
    assert len(executor.kept) == 8
    names = [f"v{n}" for n in range(6)]
    given = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: name @skip(if: ${name})" for name in names)
    document = parse(f"query ({given}) {{ trees {{ name {fields} }} }}")
    for bits in range(64):
        ask(document, executor, grown("oak"), {name: bool(bits >> n & 1) for n, name in enumerate(names)})
    (operation,) = operations(document)
    assert len(executor.kept._operations[id(operation)]._variants) == MOST_VARIANTS


def test_a_document_that_would_be_much_code_is_not_compiled(executor: type[CompilingExecutor]) -> None:
    """It is answered all the same, and what was spent on it is bounded."""
    fields = " ".join(f"f{n}: name" for n in range(MOST_FIELDS + 1))
    document = parse(f"{{ trees {{ {fields} }} }}")
    assert ask(document, executor, grown("oak")) == ask(document, Stock, grown("oak"))
    (operation,) = operations(document)
    (sites,) = executor.kept._operations[id(operation)]._variants.values()
    tried = [made for at, made in sites.items() if isinstance(at, tuple) and at[0] in (compiled, parts)]
    assert tried == [None] * len(tried)


def test_nothing_of_a_document_outlives_it(executor: type[CompilingExecutor]) -> None:
    """Neither its tree nor what was compiled of it."""
    for n in range(5):
        query = f"{{ trees {{ a{n}: name ...F }} }} fragment F on Tree {{ leaves {{ size }} }}"
        ask(parse(query), executor, grown("oak"))
    gc.collect()
    assert len(executor.kept) == 0


def test_what_follows_from_values_is_kept_for_the_last_of_them() -> None:
    """Neither for a long text, nor for what can be changed; and 1 is not true."""
    made: list[object] = []

    def of(value: object) -> object:
        def make() -> object:
            made.append(value)
            return value

        return known.of({"v": value, "other": object()}, make)

    known = ByValues[object](["v"])
    assert [of(1), of(True), of(1), of(None), of("a"), of("a")] == [1, True, 1, None, "a", "a"]
    assert made == [1, True, None, "a"]
    for value in ([1], "a" * (LONGEST + 1), 1.5):
        assert of(value) == of(value) == value
    assert len(made) == 10
    for n in range(10, 10 + MOST_VALUES):
        of(n)
    assert len(known._made) == MOST_VALUES
    of(1)
    assert made[-1] == 1


def test_what_many_have_in_common_is_shown_once(executor: type[CompilingExecutor]) -> None:
    """It is the same part of the answer, and equal to what graphql-core makes of it each time."""

    @strawberry.type
    class Twig:
        tree: Tree | None = strawberry.field(metadata=SHARED)

    @strawberry.type
    class Query:
        twigs: list[Twig]

    schema = strawberry.Schema(Query, execution_context_class=executor)
    oak = Tree(name="oak", leaves=[])
    root = SimpleNamespace(twigs=[Twig(tree=each) for each in (oak, None, oak, Tree(name="ash", leaves=[]))])
    found = schema.execute_sync("{ twigs { tree { name } } }", root_value=root).data
    assert found == strawberry.Schema(Query).execute_sync("{ twigs { tree { name } } }", root_value=root).data
    assert found
    assert found["twigs"][0]["tree"] is found["twigs"][2]["tree"]


def test_two_documents_with_one_operation_are_two() -> None:
    """Another fragment under the same name is another selection."""
    kept, document = Kept(4), parse("{ trees { ...F } } fragment F on Tree { name }")
    (operation,) = operations(document)
    first = kept.sites(SCHEMA._schema, operation, fragments(document), {})
    assert kept.sites(SCHEMA._schema, operation, fragments(document), {}) is first
    other = fragments(parse("fragment F on Tree { shouted }"))
    assert kept.sites(SCHEMA._schema, operation, other, {}) is not first
