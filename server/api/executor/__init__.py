"""Execution as graphql-core does it, except that a selection is compiled once and then runs as one function.

Where a value has fields beneath, the function of its selection (`compiler`) makes the answer of all of them. Whatever
it was not made for (a null that may not be, a wrong type, an error, something to await) makes it give up, and
graphql-core completes the value: errors, their paths and what becomes null are its own, and nothing was done twice but
reading. What is resolved by a function that does not say how it is read is resolved by graphql-core too, and the rest
of its object is not; a field of Query is asked with arguments that were read before (`roots`). Middleware sees every
field, so where there is any nothing is compiled.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from graphql import (
    GraphQLAbstractType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    OperationType,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import Path as ResponsePath
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from server.api.executor.compiler import Budget, Compiled, Operation, Parts, Run, compiled, fits, parts
from server.api.executor.roots import Asked, asked
from server.api.executor.shapes import Uncompilable
from server.api.kept import ByValues, Kept, Sites, variables_in

_UNSEEN = object()


class CompilingExecutor(StrawberryGraphQLCoreExecutionContext):
    """One execution. Made by `compiling`, which says what is kept from one to the next."""

    kept: ClassVar[Kept]
    casts: ClassVar[bool] = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        watched = self.middleware_manager is not None and self.middleware_manager.middlewares
        self._compiles = not watched and self.abort_signal is None
        self._looked_up = False
        self._sites: Sites | None = None
        # By the lists of nodes that graphql-core hands on, which it keeps as long as the execution.
        self._runs: dict[tuple[int, int], tuple[object, Run | None]] = {}
        self._parts: dict[int, tuple[object, Run | None, GroupedFieldSet]] = {}

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, field_details_list: FieldDetailsList, path: ResponsePath,
        position_context: Any,
    ) -> Any:  # fmt: skip
        """A field of Query whose resolver needs no more than arguments that are known already is asked at once."""
        call = self._asked(parent_type, field_details_list, path) if position_context is None else None
        if call is None:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        field, result_of = call
        nodes = [details.node for details in field_details_list]
        info = self.build_resolve_info(field, nodes, parent_type, path)
        return self.complete_awaitable_value(
            field.type, field_details_list, info, path, result_of(info), position_context
        )

    def complete_list_value(
        self, return_type: GraphQLList[Any], field_details_list: FieldDetailsList, info: GraphQLResolveInfo[Any],
        path: ResponsePath, result: Any, position_context: Any,
    ) -> Any:  # fmt: skip
        made = self._made(return_type, field_details_list, path, result, position_context)
        if made is not None:
            return made
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def complete_object_value(
        self, return_type: GraphQLObjectType, field_details_list: FieldDetailsList, info: GraphQLResolveInfo[Any],
        path: ResponsePath, result: Any, position_context: Any,
    ) -> Any:  # fmt: skip
        made = self._made(return_type, field_details_list, path, result, position_context)
        if made is not None:
            return made
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def complete_abstract_value(
        self, return_type: GraphQLAbstractType, field_details_list: FieldDetailsList, info: GraphQLResolveInfo[Any],
        path: ResponsePath, result: Any, position_context: Any,
    ) -> Any:  # fmt: skip
        made = self._made(return_type, field_details_list, path, result, position_context)
        if made is not None:
            return made
        return super().complete_abstract_value(return_type, field_details_list, info, path, result, position_context)

    def execute_fields(
        self, parent_type: GraphQLObjectType, source_value: Any, path: ResponsePath | None,
        grouped_field_set: GroupedFieldSet, position_context: Any,
    ) -> Any:  # fmt: skip
        """The fields of an object of which not all are compiled: first those that are, since they cause nothing."""
        if not self._compiles or path is None or position_context is not None:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        run, rest = self._split(parent_type, path, grouped_field_set)
        shown = self._run(run, source_value)
        if shown is None:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        others: Any = super().execute_fields(parent_type, source_value, path, rest, position_context)
        if self.is_awaitable(others):
            return _joined_when_there(grouped_field_set, shown, others)
        return _joined(grouped_field_set, shown, others)

    def build_per_event_executor(self, payload: Any) -> "CompilingExecutor":
        """Each event of a subscription is an execution: what is known of the lists of nodes goes with it. They are
        other lists for each, and would pile up as long as somebody listens."""
        executor: Any = super().build_per_event_executor(payload)
        executor._runs, executor._parts, executor._relevant_sub_fields = {}, {}, {}
        own: CompilingExecutor = executor
        return own

    # What is compiled, and where it is kept

    def _made(
        self, of: GraphQLOutputType, details: FieldDetailsList, path: ResponsePath, value: Any, position: Any
    ) -> Any:
        """The answer of a value by its compiled selection; None where there is none or it gives up."""
        if not self._compiles or position is not None:
            return None
        known = self._runs.get((id(details), id(of)))
        if known is None:
            known = self._runs[id(details), id(of)] = (details, self._compiled(of, details, path))
        return self._run(known[1], value)

    def _run(self, run: Run | None, value: Any) -> Any:
        if run is None:
            return None
        try:
            return run(value)
        except Exception:  # whatever it was, graphql-core will meet it again and say it in its own way
            return None

    def _compiled(self, of: GraphQLOutputType, details: FieldDetailsList, path: ResponsePath) -> Run | None:
        return self._fitting(self._at(compiled, of, details, path))

    def _split(
        self, of: GraphQLObjectType, path: ResponsePath, fields: GroupedFieldSet
    ) -> tuple[Run | None, GroupedFieldSet]:
        """What of an object's fields is compiled, and what is left to graphql-core."""
        known = self._parts.get(id(fields))
        if known is None:
            found = self._at(parts, of, fields, path)
            run = self._fitting(found.compiled if isinstance(found, Parts) else None)
            rest = {name: fields[name] for name in found.rest} if isinstance(found, Parts) else {}
            known = self._parts[id(fields)] = (fields, run, rest)
        return known[1], known[2]

    def _at(self, how: Any, of: object, given: object, path: ResponsePath) -> Any:
        """What `how` makes of what is given, made once for each place in the operation."""
        sites, place = self._kept(), _place(path)
        if sites is None:
            return None
        found = sites.get((how, of, place), _UNSEEN)
        if found is _UNSEEN:
            found = sites[how, of, place] = self._try(sites, how, of, given, tuple(name for name, _ in place))
        return found

    def _try(self, sites: Sites, how: Any, *given: object) -> Any:
        budget = sites.setdefault((Budget,), Budget())
        operation = Operation(self.schema, self.operation, self.fragments, self.variable_values, budget, self.casts)
        try:
            return how(operation, *given)
        except (Uncompilable, RecursionError):
            return None

    def _asked(self, of: GraphQLObjectType, details: FieldDetailsList, path: ResponsePath) -> Asked | None:
        if path.prev or not self._compiles or self.operation.operation is not OperationType.QUERY:
            return None
        sites, node = self._kept(), details[0].node
        if sites is None:
            return None
        known: ByValues[Asked | None] | None = sites.get((asked, path.key))
        if known is None:
            known = sites[asked, path.key] = ByValues(variables_in(node.arguments or (), {}))
        return known.of(self.variable_values.coerced, lambda: asked(self.schema, of, node, self.variable_values))

    def _fitting(self, found: Compiled | None) -> Run | None:
        """What was compiled, unless the arguments of this execution do not fit: that is for graphql-core to say."""
        fit = found and all(fits(given, self.variable_values) for given in found.given)
        return found.run if found and fit else None

    def _kept(self) -> Sites | None:
        if not self._looked_up:
            self._looked_up, variables = True, self.variable_values.coerced
            self._sites = self.kept.sites(self.schema, self.operation, self.fragment_definitions, variables)
        return self._sites


def compiling(most: int, *, casts: bool = True) -> type[CompilingExecutor]:
    """An executor for one schema, which keeps what it compiled of so many operations. Without `casts` no object is
    asked whether it was cast to another type than its class (`strawberry.cast`)."""
    return type("Executor", (CompilingExecutor,), {"kept": Kept(most), "casts": casts})


def _place(path: ResponsePath | None) -> tuple[tuple[str, str | None], ...]:
    """Where a field stands: the names on the way to it and the types that they are of, without places in lists."""
    place = []
    while path:
        if isinstance(path.key, str):
            place.append((path.key, path.typename))
        path = path.prev
    return tuple(reversed(place))


def _joined(names: Iterable[str], shown: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Both as one answer, in the order in which they were asked for."""
    both = {**shown, **others}
    return {name: both[name] for name in names if name in both}


async def _joined_when_there(names: Iterable[str], shown: dict[str, Any], others: Any) -> dict[str, Any]:
    return _joined(names, shown, await others)
