"""A selection as one Python function: from the value that a field has to what the answer shows of it.

    memories { nodes { id tags } }   is, for the value of `memories`:

    def f1(v1):
        if type(v1) is c1:                          # Connection
            v2 = v1.nodes
            if type(v2) is list or type(v2) is tuple:
                v3 = []
                for v4 in v2:
                    if type(v4) is c2: ...          # Memory: its fields, and then v4 = {'id': v5, 'tags': v6}
                    v3.append(v4)
                v2 = v3
            else: raise c3                          # Surprise
            v1 = {'nodes': v2}
        ...
        return v1

What a caller wrote is in it as literals of text alone; everything else is bound by name. The function either gives what
graphql-core would give, without an error, or raises.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, GroupedFieldSet, collect_subfields
from graphql.execution.values import VariableValues, get_argument_values

from server.api.executor.leaves import Surprise, leaf
from server.api.executor.shapes import Uncompilable, classes, is_shared, reader
from server.api.selection import Path

Run: TypeAlias = Callable[[Any], Any]
Given: TypeAlias = tuple[GraphQLField, FieldNode]
"""A field and a node of it with arguments that variables decide: each execution has to see whether they fit."""

MOST_FIELDS = 2_000
"""Fields that are written of one operation, counted for each type that they are read off: some 50 µs each. A few lines
can ask for a million, which graphql-core would never come to."""

_DEEPEST = 10
"""How deep blocks stand in one another before a function of their own takes over; Python itself allows 20."""

_GROWING = frozenset({"defer", "stream"})


@dataclass
class Budget:
    """How much may still be written of an operation."""

    fields: int = MOST_FIELDS


class Operation(NamedTuple):
    """What a selection is part of."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    variables: VariableValues
    budget: Budget
    casts: bool = True
    """Whether an object may say that it is of another type than its class (`strawberry.cast`)."""


class Compiled(NamedTuple):
    run: Run
    given: Sequence[Given]


class Parts(NamedTuple):
    """The fields of one type's objects: those that are compiled, and the names of those that are not."""

    compiled: Compiled
    rest: Sequence[str]


def compiled(of: Operation, type_: GraphQLOutputType, details: Sequence[FieldDetails], path: Path) -> Compiled:
    """The whole selection of a field, for values of this type; `Uncompilable` where something in it is not ours."""
    if not _at_once(details):
        raise Uncompilable("a part comes later")
    writer = _Writer(of)
    return writer.done(writer.function(type_, details, path, nullable=True))


def parts(of: Operation, type_: GraphQLObjectType, fields: GroupedFieldSet, path: Path) -> Parts | None:
    """As many as can be of the fields of an object; nothing where none can."""
    rest = []
    for name, details in fields.items():
        try:
            compiled_fields(of, type_, {name: details}, path)
        except Uncompilable:
            rest.append(name)
    if len(rest) == len(fields):
        return None
    return Parts(compiled_fields(of, type_, {n: d for n, d in fields.items() if n not in rest}, path), rest)


def compiled_fields(of: Operation, type_: GraphQLObjectType, fields: GroupedFieldSet, path: Path) -> Compiled:
    """These fields of an object of the type."""
    writer = _Writer(of)
    return writer.done(writer.object_function(type_, fields, path))


class _Writer:
    """Writes the functions of one selection: one for each field with fields beneath that several types share."""

    def __init__(self, of: Operation) -> None:
        self._of = of
        self._bound: dict[str, object] = {}
        self._names: dict[int, str] = {}
        self._functions: dict[object, str] = {}
        self._shared: dict[object, str] = {}
        self._remembers: dict[str, None] = {}
        self._readings: dict[object, Run] = {}
        self._lines: list[str] = []
        self._given: dict[tuple[int, int], Given] = {}
        self._number = itertools.count(1)
        self._raise = f"raise {self._bind(Surprise)}"

    def done(self, function: str) -> Compiled:
        try:
            code = compile("\n".join(self._lines), "<a compiled selection>", "exec", dont_inherit=True)
        except (SyntaxError, RecursionError, MemoryError) as error:  # nested deeper than Python goes
            raise Uncompilable("nested too deeply") from error
        exec(code, self._bound)  # noqa: S102  # of a caller's there are literals in it, and nothing else
        run: Any = self._bound[function]
        return Compiled(run, tuple(self._given.values()))

    def function(self, of: GraphQLOutputType, details: Sequence[FieldDetails], path: Path, *, nullable: bool) -> str:
        """The name of the function that completes values of a field."""
        known = (str(of), nullable, path, *(id(each.node) for each in details))
        if known not in self._functions:
            name, v = f"f{len(self._functions)}", self._new("v")
            self._functions[known] = name
            self._define(name, v, lambda: self._value(of, v, details, path, nullable, 1))
        return self._functions[known]

    def object_function(self, of: GraphQLObjectType, fields: GroupedFieldSet, path: Path) -> str:
        """The name of the function that gives these fields of objects of a type."""
        v = self._new("v")
        shown = classes(self._of.schema, of)
        cast = of.is_type_of is not None
        self._define("f", v, lambda: self._dispatched(shown, v, lambda _: fields, path, False, cast, 1))
        return "f"

    def _define(self, name: str, v: str, write: Callable[[], Iterator[str]]) -> None:
        outer, self._remembers = self._remembers, {}
        lines = list(write())
        self._lines += [f"def {name}({v}):", *(f"    {known} = {{}}" for known in self._remembers)]
        self._lines += [*_indented(lines), f"    return {v}"]
        self._remembers = outer

    # Values: lines that turn what the variable `v` holds into what the answer shows

    def _value(
        self, of: GraphQLOutputType, v: str, details: Sequence[FieldDetails], path: Path, nullable: bool, depth: int
    ) -> Iterator[str]:
        if is_non_null_type(of):
            of, nullable = of.of_type, False
        if is_leaf_type(of):
            return leaf(of, v, nullable, self._bind)
        if is_list_type(of):
            return self._list(of.of_type, v, details, path, nullable, depth)
        assert is_abstract_type(of) or is_object_type(of)
        shown = classes(self._of.schema, of)
        cast = not is_object_type(of) or of.is_type_of is not None
        return self._dispatched(shown, v, lambda of: self._subfields(of, details), path, nullable, cast, depth)

    def _list(
        self, of: GraphQLOutputType, v: str, details: Sequence[FieldDetails], path: Path, nullable: bool, depth: int
    ) -> Iterator[str]:
        all_, each = self._new("v"), self._new("v")
        yield f"if type({v}) is list or type({v}) is tuple:"
        yield f"    {all_} = []"
        yield f"    for {each} in {v}:"
        yield from _indented(self._value(of, each, details, path, True, depth + 2), 2)
        yield f"        {all_}.append({each})"
        yield f"    {v} = {all_}"
        yield self._otherwise(v, nullable)

    def _dispatched(
        self, shown: dict[type, GraphQLObjectType], v: str, fields: Callable[[GraphQLObjectType], GroupedFieldSet],
        path: Path, nullable: bool, cast: bool, depth: int,
    ) -> Iterator[str]:  # fmt: skip
        """The fields of an object by its class. What is the same for several classes is written once."""
        blocks: dict[tuple[str, ...], list[type]] = {}
        start = next(self._number)
        for of_class, of in shown.items():
            self._number = itertools.count(start)  # the same variables, so that what is the same looks the same
            lines = tuple(self._fields(of, of_class, v, fields(of), path, len(shown) > 1, depth + 1))
            blocks.setdefault(lines, []).append(of_class)
        if cast and self._of.casts:
            yield f"if {self._bind(getattr)}({v}, '__as_strawberry_type__', None) is not None: {self._raise}"
        for n, (lines, alike) in enumerate(blocks.items()):
            few = " or ".join(f"type({v}) is {self._bind(of_class)}" for of_class in alike[:2])
            test = few if len(alike) <= 2 else f"type({v}) in {self._bind(frozenset(alike))}"
            yield f"{'elif' if n else 'if'} {test}:"
            yield from _indented(lines)
        yield self._otherwise(v, nullable)

    def _fields(
        self, of: GraphQLObjectType, of_class: type, v: str, fields: GroupedFieldSet, path: Path, several: bool,
        depth: int,
    ) -> Iterator[str]:  # fmt: skip
        shown = []
        for name, details in fields.items():
            self._of.budget.fields -= 1
            if self._of.budget.fields < 0:
                raise Uncompilable("too many fields")
            node = details[0].node
            if node.name.value == "__typename":
                shown.append(f"{_text(name)}: {_text(of.name)}")
                continue
            value, at = self._new("v"), (*path, name)
            field = self._of.schema.get_field(of, node.name.value)
            if field is None:
                continue
            self._check(field, details)
            read = reader(field, of_class, node.name.value)
            if not isinstance(read, str):
                known = (read, at, node.name.value)
                self._readings[known] = self._readings.get(known) or read(at, node.name.value)
                yield f"{value} = {self._bind(self._readings[known])}({v})"
            else:
                yield f"{value} = {v}.{read}"
            if node.selection_set and is_shared(field):
                yield from self._once(field.type, value, details, at, several, depth)
            else:
                yield from self._beneath(field.type, value, details, at, several, depth)
            shown.append(f"{_text(name)}: {value}")
        yield f"{v} = {{{', '.join(shown)}}}"

    def _beneath(
        self, of: GraphQLOutputType, v: str, details: Sequence[FieldDetails], path: Path, several: bool, depth: int
    ) -> Iterator[str]:
        if details[0].node.selection_set and (several or depth > _DEEPEST):
            yield f"{v} = {self.function(of, details, path, nullable=True)}({v})"
        else:
            yield from self._value(of, v, details, path, True, depth)

    def _once(
        self, of: GraphQLOutputType, v: str, details: Sequence[FieldDetails], path: Path, several: bool, depth: int
    ) -> Iterator[str]:
        """What is shown of a value that was met already is taken from there. The value is held, so that no other comes
        to be in its place in memory."""
        known = (str(of), path, *(id(each.node) for each in details))
        shown = self._shared.setdefault(known, f"shown{len(self._shared)}")
        self._remembers[shown] = None
        held, met = self._new("v"), self._new("v")
        yield f"{held} = {v}"
        yield f"{met} = {shown}.get(id({held}))"
        yield f"if {met} is None:"
        yield from _indented(self._beneath(of, v, details, path, several, depth + 1))
        yield f"    {shown}[id({held})] = {v}, {held}"
        yield f"else: {v} = {met}[0]"

    # What the lines stand on

    def _subfields(self, of: GraphQLObjectType, details: Sequence[FieldDetails]) -> GroupedFieldSet:
        schema, operation, fragments, variables = self._of[:4]
        try:
            collected = collect_subfields(schema, fragments, variables, operation, of, list(details))
        except GraphQLError as error:
            raise Uncompilable("a condition does not fit") from error
        if collected.new_defer_usages:
            raise Uncompilable("a part comes later")
        return collected.grouped_field_set

    def _check(self, field: GraphQLField, details: Sequence[FieldDetails]) -> None:
        """That a field is whole at once, and that its arguments fit: now, or by what has to be seen each time."""
        if not _at_once(details):
            raise Uncompilable("a part comes later")
        node = details[0].node
        if not field.args and not node.arguments:
            return
        if any(_has_variables(argument.value) for argument in node.arguments or ()):
            self._given[id(field), id(node)] = (field, node)
        elif not fits((field, node), self._of.variables):
            raise Uncompilable("arguments do not fit")

    def _otherwise(self, v: str, nullable: bool) -> str:
        return f"elif {v} is not None: {self._raise}" if nullable else f"else: {self._raise}"

    def _bind(self, value: object) -> str:
        name = self._names.get(id(value))
        if name is None:
            name = f"c{len(self._bound)}"
            self._names[id(value)], self._bound[name] = name, value
        return name

    def _new(self, kind: str) -> str:
        return f"{kind}{next(self._number)}"


def _at_once(details: Iterable[FieldDetails]) -> bool:
    """Whether nothing of a field comes later than the rest, nor stands in a fragment with variables of its own."""
    return not any(
        deferred or within or any(each.name.value in _GROWING for each in node.directives or ())
        for node, deferred, within in details
    )


def fits(given: Given, variables: VariableValues) -> bool:
    """Whether graphql-core finds nothing wrong with the arguments of a field."""
    field, node = given
    try:
        get_argument_values(field, node, variables)
    except GraphQLError:
        return False
    return True


def _has_variables(value: Any) -> bool:
    if isinstance(value, VariableNode):
        return True
    inner = [*getattr(value, "values", ()), *(each.value for each in getattr(value, "fields", ()))]
    return any(_has_variables(each) for each in inner)


def _text(of: str) -> str:
    """A literal of a text: whatever is in it, it is nothing but text."""
    return repr(str.__str__(of))


def _indented(lines: Iterable[str], by: int = 1) -> Iterator[str]:
    return ("    " * by + line for line in lines)
