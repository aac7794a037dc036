"""The schema: everything that GraphQL offers, put together, and printed as `schema.graphql` holds it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import strawberry
import structlog
from graphql import (
    ConstArgumentNode,
    ConstDirectiveNode,
    GraphQLError,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSyntaxError,
    NullValueNode,
    build_schema,
    lexicographic_sort_schema,
    print_ast,
    print_schema,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types.execution import ExecutionContext as Execution

from memql.errors import Problem, Refusal
from server.api.admission import Bounds
from server.api.cost import declare_costs
from server.api.documents import Documents, trusted_in
from server.api.executor import compiling
from server.api.mutations import Mutation
from server.api.queries import Query
from server.api.rates import Rates
from server.api.requirements import declare_scopes
from server.api.subscriptions import Subscription
from server.api.types import ITEMS, SCALARS, CustomItem
from server.bounds import RequestLimits
from server.responses import OUR_MISTAKE

log = structlog.get_logger(__name__)


class Schema(strawberry.Schema):
    documents: Documents
    rates: Rates

    def process_errors(self, errors: list[GraphQLError], execution_context: Execution | None = None) -> None:
        """Writes down our own mistakes, and nothing of what a caller wrote."""
        for error in errors:
            if not _is_told(error):
                log.error("a field failed", path=error.path, exc_info=error.original_error)


def make_schema(limits: RequestLimits) -> Schema:
    """The schema whose operations are held to these limits. Trusted documents are read; who wants to be told what is
    wrong with them asks `wrong_documents` before."""
    for root in (Query, Mutation, Subscription):
        declare_scopes(root)
    schema = Schema(
        Query,
        Mutation,
        Subscription,
        types=[*ITEMS.values(), CustomItem],
        config=StrawberryConfig(scalar_map=SCALARS),
        execution_context_class=compiling(limits.compiled, casts=False),
        extensions=[lambda: Bounds(documents, limits, rates)],
    )
    declare_costs(schema._schema)
    # Made anew for each operation, the extension stands on what is made once.
    documents, rates = Documents(schema._schema, limits), Rates(limits.cost_per_minute)
    schema.documents, schema.rates = documents, rates
    texts = trusted_in(limits.documents) if limits.documents else {}
    documents.trust({} if isinstance(texts, Refusal) else texts)
    return schema


def wrong_documents(limits: RequestLimits) -> Sequence[Problem]:
    """What is wrong with the trusted documents: nothing, where there are none."""
    if limits.documents is None:
        known = [
            Problem("DOCUMENTS", "there are none to be trusted", "requests.documents_only", "name `requests.documents`")
        ]
        return known if limits.documents_only else []
    texts = trusted_in(limits.documents)
    if isinstance(texts, Refusal):
        return texts.problems
    return make_schema(limits.model_copy(update={"documents": None})).documents.trust(texts)


def printed() -> str:
    """The schema in GraphQL's own language, sorted. A default of null says nothing, and is left out."""
    schema = build_schema(make_schema(RequestLimits()).as_str())
    lines = print_schema(lexicographic_sort_schema(schema)).replace(" = null", "").split("\n")
    return "\n".join(_applied(lines, schema)) + "\n"


def _applied(lines: Iterable[str], schema: GraphQLSchema) -> Iterator[str]:
    """With the directives that fields have, which graphql-core does not print: it knows those of documents alone."""
    fields: Mapping[str, GraphQLField] = {}
    name, described = "", False
    for line in lines:
        if line.count('"""') == 1:
            described = not described
        elif not described and (opened := _OPENED.match(line)):
            of = schema.get_type(opened[1])
            fields = of.fields if isinstance(of, GraphQLObjectType | GraphQLInterfaceType) else {}
        elif not described and (begun := _FIELD.match(line)):
            name = begun[1]
        # A field ends with its type: on its own line, or on the one that closes its arguments.
        ends = not described and _FIELD_END.match(line) and name in fields
        yield line + _directives(fields[name]) if ends else line


def _directives(field: GraphQLField) -> str:
    """Those that say something; a deprecation is printed already, and an argument of null says nothing."""
    node = field.ast_node
    return "".join(
        f" {print_ast(ConstDirectiveNode(name=each.name, arguments=_said(each)))}"
        for each in (node.directives or () if node else ())
        if each.name.value != "deprecated"
    )


def _said(directive: ConstDirectiveNode) -> tuple[ConstArgumentNode, ...]:
    return tuple(each for each in directive.arguments or () if not isinstance(each.value, NullValueNode))


_OPENED = re.compile(r"(?:type|interface|input|enum) (\w+)")
_FIELD = re.compile(r"  (\w+)[(:]")
_FIELD_END = re.compile(r"  (?:\w+|\w+\(.*\)|\)): [\w!\[\]]+( @deprecated.*)?\Z")


NO_SUCH_OPERATION = "no operation has the name that `operationName` says"


def _is_told(error: GraphQLError) -> bool:
    """Whether an error is a caller's to mend: graphql-core's about a document, or a refusal of ours."""
    return error.original_error is None or isinstance(error.original_error, GraphQLError | CannotGetOperationTypeError)


def tell(errors: Iterable[GraphQLError], limits: RequestLimits, request_id: str) -> Iterator[dict[str, Any]]:
    """The errors as callers get them. What is our own mistake is told by the id under which it is written down."""
    for error in errors:
        told = dict(error.formatted)
        if not _is_told(error):
            told["message"] = OUR_MISTAKE
            code = "INTERNAL"
        elif isinstance(error.original_error, CannotGetOperationTypeError):
            told["message"] = NO_SUCH_OPERATION
            code = "BAD_REQUEST"
        elif isinstance(error, GraphQLSyntaxError):
            code = "GRAPHQL_SYNTAX"
        else:
            code = "GRAPHQL_INVALID"
        yield {**told, "extensions": {"code": code, **(error.extensions or {}), "requestId": request_id}}
