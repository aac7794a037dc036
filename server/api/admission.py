"""Whether an operation is executed: by whom it is asked, what it costs, and how much has been asked lately.

Part of the schema, so that it holds for every door. All that follows from a document alone is found once and kept with
it; for each request a few looks are left. What is not admitted is told as errors of a request, before anything is done.
"""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

from graphql import GraphQLError
from graphql import OperationType as Kind
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from engine.stopping import Stop
from memql.errors import Problem, Reason, Refusal
from server.api.context import Context
from server.api.documents import Documents, Prepared, wrong
from server.api.limits import too_large
from server.api.rates import Rates
from server.api.requirements import lacking
from server.api.streams import Streamed
from server.bounds import RequestLimits
from server.identity import LOCAL, Identity, Scope

CHARACTERS = 10
"""Characters of a document that is not known yet which cost as much as an object that is read."""

_SUGGESTION = re.compile(r" Did you mean (?:the enum value )?(?:'\w+'(?:, or | or |, )?)+\?")


class Bounds(SchemaExtension):
    def __init__(self, documents: Documents, limits: RequestLimits, rates: Rates) -> None:
        self._documents = documents
        self._limits = limits
        self._rates = rates
        self._prepared: Prepared | None = None
        self._cost: int | None = None

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        text = context.query or ""
        self._prepared = self._documents.known(text) or self._read(text)
        context.graphql_document = self._prepared.document
        yield

    def on_validate(self) -> Iterator[None]:
        self.execution_context.pre_execution_errors = self._refused()
        yield

    def on_execute(self) -> Iterator[None]:
        context = self.execution_context
        if context.operation_type is not OperationType.QUERY:
            # What writes is carried out whole, and what goes on has no end; its reads have bounds of their own.
            yield
        else:
            with Stop().watched() as stop:
                late = asyncio.get_running_loop().call_later(
                    self._limits.deadline_ms / 1_000, stop.ask, _late(self._limits)
                )
                try:
                    yield
                finally:
                    late.cancel()
        if context.result and context.result.errors and not may_introspect(self._identity, self._limits):
            for n, error in enumerate(context.result.errors):
                if error.original_error is None or isinstance(error.original_error, GraphQLError):
                    context.result.errors[n] = _without_suggestion(error)

    def get_results(self) -> dict[str, Any]:
        """The cost stands in the answer to who asks for it: `"extensions": {"cost": true}`, beside the query."""
        if self._cost is None or not (self.execution_context.operation_extensions or {}).get("cost"):
            return {}
        return {"cost": {"requested": self._cost, "limit": self._limits.cost}}

    def _read(self, text: str) -> Prepared:
        """To read a document is work by itself, whatever comes of it."""
        refused = self._rated(self._identity, len(text) // CHARACTERS)
        return wrong(*refused) if refused else self._documents.read(text)

    @property
    def _identity(self) -> Identity:
        """Without a context it is this process itself that asks."""
        context = self.execution_context.context
        identity: Identity = LOCAL if context is None else context.identity
        return identity

    def _refused(self) -> list[GraphQLError]:
        """Why it is not executed; nothing, if it is."""
        context, limits, prepared, identity = self.execution_context, self._limits, self._prepared, self._identity
        assert prepared
        if limits.documents_only and not prepared.trusted and not identity.may(Scope.ADMIN):
            return [_TRUSTED_ONLY]
        if prepared.errors:
            told = prepared.errors if may_introspect(identity, limits) else prepared.plain_errors
            return list(told)
        asked = context._provided_operation_name
        if not asked and len(prepared.operations) > 1:
            return [GraphQLError("several operations are here: say which by `operationName`")]
        found = prepared.operation(asked)
        if found is None:
            return [GraphQLError("no operation has this name" if asked else "no operation is here, only fragments")]
        if prepared.introspects and not may_introspect(identity, limits):
            return [_NO_INTROSPECTION]
        if context.variables and (error := too_large(context.variables, limits)):
            return [error]
        if found.operation is Kind.SUBSCRIPTION and not isinstance(context.context, Streamed):
            return [_NEEDS_A_STREAM]
        name = found.name.value if found.name else None
        if error := lacking(prepared.needs[name], identity):
            return [error]
        tariff = prepared.tariffs[name]
        if tariff is None:
            return []
        self._cost = tariff.cost(context.variables)
        if self._cost > limits.cost:
            path, most = tariff.dearest(context.variables)
            message = (
                f"this operation costs {self._cost:,}, more than `requests.cost` allows ({limits.cost:,}); most of it "
                f"is `{path}` ({most:,}): ask for fewer there"
            )
            code = {"code": "COST_EXCEEDED", "cost": self._cost, "limit": limits.cost, "dearest": path}
            return [GraphQLError(message, extensions=code)]
        # Each operation costs something, if only for its asking.
        return self._rated(identity, max(self._cost, 1))

    def _rated(self, identity: Identity, cost: int) -> list[GraphQLError]:
        context = self.execution_context.context
        if isinstance(context, Context) and not context.counted:
            return []
        if not is_rated(identity, self._limits):
            return []
        wait = self._rates.spend(identity.key, cost)
        if not wait:
            return []
        message = (
            f"this is beyond `requests.cost_per_minute` ({self._rates.most:,}); ask again in {-(-wait // 1_000)} s"
        )
        return [GraphQLError(message, extensions={"code": "RATE_LIMITED", "retryAfterMs": wait})]


def is_rated(identity: Identity, limits: RequestLimits) -> bool:
    """Whether its minute is counted: everybody's but this machine's own."""
    return limits.limit_local or identity is not LOCAL


def may_introspect(identity: Identity, limits: RequestLimits) -> bool:
    match limits.introspection:
        case "everyone":
            return True
        case "administrators":
            return identity.may(Scope.ADMIN)
        case "nobody":
            return identity is LOCAL


def _without_suggestion(error: GraphQLError) -> GraphQLError:
    return GraphQLError(
        _SUGGESTION.sub("", error.message), error.nodes, error.source, error.positions, error.path,
        extensions=error.extensions,
    )  # fmt: skip


def _late(limits: RequestLimits) -> Refusal:
    message = f"the operation took longer than `requests.deadline_ms` allows ({limits.deadline_ms:,} ms)"
    hint = "ask for less, or in several requests"
    return Refusal(Reason.LIMIT, (Problem("TOO_SLOW", message, "", hint),))


_TRUSTED_ONLY = GraphQLError(
    "this server answers trusted documents only (`requests.documents_only`); name one by `documentId`",
    extensions={"code": "DOCUMENT_NOT_TRUSTED"},
)
_NEEDS_A_STREAM = GraphQLError(
    "a subscription has many messages: ask with `accept: text/event-stream`, or over a WebSocket by "
    "graphql-transport-ws",
    extensions={"code": "NEEDS_A_STREAM"},
)
_NO_INTROSPECTION = GraphQLError(
    "you may not ask for the schema (`requests.introspection`); it is published as `schema.graphql`",
    extensions={"code": "INTROSPECTION_FORBIDDEN"},
)
