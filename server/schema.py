"""The schema: everything that GraphQL offers, put together, and printed as `schema.graphql` holds it."""

from collections.abc import Iterable, Iterator
from typing import Any

import strawberry
import structlog
from graphql import (
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    build_schema,
    lexicographic_sort_schema,
    print_schema,
)
from graphql import (
    OperationType as GraphQLOperation,
)
from strawberry.extensions import AddValidationRules, MaxTokensLimiter, ParserCache, SchemaExtension, ValidationCache
from strawberry.schema.config import StrawberryConfig
from strawberry.types.execution import ExecutionContext as Execution

from server.limits import over, rules
from server.mutations import Mutation
from server.queries import Query
from server.responses import OUR_MISTAKE
from server.settings import RequestLimits
from server.streams import Streamed
from server.subscriptions import Subscription
from server.types import ITEMS, SCALARS, CustomItem

log = structlog.get_logger(__name__)


class Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: Execution | None = None) -> None:
        """Writes down our own mistakes, and nothing of what a caller wrote."""
        for error in errors:
            if not _is_told(error):
                log.error("a field failed", path=error.path, exc_info=error.original_error)


class OneOperation(SchemaExtension):
    """Refuses to guess which of several operations is meant, where Strawberry would take the first. Stands behind the
    cache of what is valid, which knows documents alone."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        definitions = context.graphql_document.definitions if context.graphql_document else ()
        several = sum(isinstance(definition, OperationDefinitionNode) for definition in definitions) > 1
        if several and context._provided_operation_name is None and not context.pre_execution_errors:
            context.pre_execution_errors = [GraphQLError("several operations are here: say which by `operationName`")]
        yield


class ManyMessages(SchemaExtension):
    """Refuses a subscription where there can be one answer only. Stands behind the cache of what is valid."""

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if not context.pre_execution_errors and not isinstance(context.context, Streamed) and _subscribes(context):
            how = "ask with `accept: text/event-stream`, or over a WebSocket by graphql-transport-ws"
            error = GraphQLError(f"a subscription has many messages: {how}", extensions={"code": "NEEDS_A_STREAM"})
            context.pre_execution_errors = [error]
        yield


def _subscribes(context: Execution) -> bool:
    definitions = context.graphql_document.definitions if context.graphql_document else ()
    name = context._provided_operation_name
    return any(
        isinstance(definition, OperationDefinitionNode)
        and definition.operation is GraphQLOperation.SUBSCRIPTION
        and (name is None or (definition.name is not None and definition.name.value == name))
        for definition in definitions
    )


def make_schema(limits: RequestLimits) -> Schema:
    """The schema whose documents are held to these limits."""
    # Extensions are made anew for each document; the rules in them must not be: what was found valid is kept by them.
    kept = list(rules(limits))
    return Schema(
        Query,
        Mutation,
        Subscription,
        types=[*ITEMS.values(), CustomItem],
        config=StrawberryConfig(scalar_map=SCALARS),
        extensions=[
            ParserCache,
            ValidationCache,
            OneOperation,
            ManyMessages,
            lambda: AddValidationRules(kept),
            lambda: MaxTokensLimiter(limits.tokens),
        ],
    )


def printed() -> str:
    """The schema in GraphQL's own language, sorted. A default of null says nothing, and is left out."""
    schema = build_schema(make_schema(RequestLimits()).as_str())
    return print_schema(lexicographic_sort_schema(schema)).replace(" = null", "") + "\n"


def _is_told(error: GraphQLError) -> bool:
    """Whether an error is a caller's to mend: graphql-core's about a document, or a refusal of ours."""
    return error.original_error is None or isinstance(error.original_error, GraphQLError)


def tell(errors: Iterable[GraphQLError], limits: RequestLimits, request_id: str) -> Iterator[dict[str, Any]]:
    """The errors as callers get them. What is our own mistake is told by the id under which it is written down."""
    for error in errors:
        told = dict(error.formatted)
        if not _is_told(error):
            told["message"] = OUR_MISTAKE
            code = "INTERNAL"
        elif isinstance(error, GraphQLSyntaxError):
            code = "GRAPHQL_SYNTAX"
            if "tokens" in error.message:
                told["message"] = over("tokens", limits.tokens)
                code = "LIMIT_EXCEEDED"
        else:
            code = "GRAPHQL_INVALID"
        yield {**told, "extensions": {"code": code, **(error.extensions or {}), "requestId": request_id}}
