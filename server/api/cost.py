"""What an operation costs, told from its document and its variables before anything is done.

A schema says by `@cost` what its fields cost. A document is read once, into lines; the sum is made once for each set of
the values that it depends on. Each fragment is summed up once, so a bomb of them costs no more than its text.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import strawberry
from graphql import (
    BooleanValueNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from strawberry.schema_directive import Location

LIST = 10
"""How long a list is taken to be of which nothing is said."""
PAGE = 20
"""How long a page is that is asked for without a length."""
INTROSPECTION = 2_500
"""What asking for the schema costs: it has some ten thousand fields, whatever the tenant holds."""
MOST = 2**53 - 1
"""What is dearer is told as this: the greatest number that every JSON holds."""
KEPT = 64
"""Sums that are kept of one document: clients page with few lengths."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description="What a field costs: `weight` once, and all beneath it, and 1 for each, as often as the greatest of "
    "the arguments named by `multipliers` says (a number, or the length of a list; a dot leads into an input); "
    "`assumed` where none of them is given. A field without it costs 1 if it is an object, of a list 10 are assumed, "
    "and a leaf costs nothing unless it has an alias.",
)
class Cost:
    weight: int
    multipliers: list[str] | None = None
    assumed: int | None = None


Slot: TypeAlias = tuple[str, tuple[str, ...]]
"""A variable, and the way into its value."""
Values: TypeAlias = tuple[int | None, ...]
"""What the slots of an operation hold: a number, the length of a list, 0 or 1 for no or yes; None for nothing."""


@dataclass(slots=True)
class _Line:
    """One field, or one fragment, of a selection."""

    name: str
    weight: int
    fixed: int = 1
    slots: tuple[tuple[int, int | None], ...] = ()
    """Which slots say how many there are, and how many if they say nothing."""
    assumed: int = 0
    each: int = 0
    inner: Sequence["_Line"] = ()
    included: tuple[tuple[int, bool], ...] = ()
    """Which slots must hold yes or no for it to count."""

    def times(self, values: Values) -> int:
        if not self.slots:
            return self.fixed
        said = [self.fixed] if self.fixed >= 0 else []
        for slot, otherwise in self.slots:
            given = values[slot] if values[slot] is not None else otherwise
            if given is not None:
                said.append(max(given, 0))
        return max(said, default=self.assumed)


class Dearest(NamedTuple):
    """The field that most of a cost is of: the way to it, and what it costs with all beneath it."""

    path: str
    cost: int


@dataclass(slots=True)
class Tariff:
    """What one operation of a document costs, as far as its text says."""

    slots: list[Slot]
    defaults: Mapping[str, ValueNode]
    lines: Sequence[_Line]
    _sums: OrderedDict[Values, int] = field(default_factory=OrderedDict)

    def cost(self, variables: Mapping[str, Any] | None) -> int:
        values = self._values(variables or {}) if self.slots else ()
        known = self._sums.get(values)
        if known is None:
            known = self._sums[values] = min(_sum(self.lines, values, {}), MOST)
            if len(self._sums) > KEPT:
                self._sums.popitem(last=False)
        return known

    def dearest(self, variables: Mapping[str, Any] | None) -> Dearest:
        """Goes down as long as one field is the greater part of what is above it."""
        values = self._values(variables or {})
        whole = _sum(self.lines, values, {})
        path: list[str] = []
        lines, found, factor = self.lines, whole, 1
        while lines:
            sums = [(_sum([line], values, {}) * factor, n) for n, line in enumerate(lines)]
            most, n = max(sums, key=lambda each: each[0])
            if path and most * 2 <= whole:
                break
            line, found = lines[n], most
            if line.name:
                path.append(line.name)
            factor *= line.times(values)
            lines = line.inner
        return Dearest(".".join(path), min(found, MOST))

    def _values(self, variables: Mapping[str, Any]) -> Values:
        return tuple(self._value(name, path, variables) for name, path in self.slots)

    def _value(self, name: str, path: Sequence[str], variables: Mapping[str, Any]) -> int | None:
        if name in variables:
            return _size(variables[name], path)
        default = self.defaults.get(name)
        found = _literal(default, path) if default else None
        return found if isinstance(found, int) else None


def tariff(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Tariff | None:
    """None where the schema has no such operations."""
    root = schema.get_root_type(operation.operation)
    if root is None:
        return None
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    reading = _Reading(schema, fragments)
    lines = reading.lines(operation.selection_set, root)
    defaults = {
        each.variable.name.value: each.default_value
        for each in operation.variable_definitions or ()
        if each.default_value
    }
    return Tariff(list(reading.slots), defaults, lines)


class _Reading:
    """Reads the selections of one document, whose fragments are known not to be within themselves."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._read: dict[str, Sequence[_Line]] = {}
        self.slots: dict[Slot, int] = {}

    def lines(self, selection: SelectionSetNode | None, of: GraphQLNamedType | None) -> Sequence[_Line]:
        return [line for node in (selection.selections if selection else ()) for line in self._line(node, of)]

    def _line(self, node: SelectionNode, of: GraphQLNamedType | None) -> Iterator[_Line]:
        included = tuple(self._conditions(node))
        if None in included:
            return
        match node:
            case FieldNode():
                line = self._field(node, of)
            case FragmentSpreadNode(name=name):
                line = _Line("", 0, inner=self._fragment(name.value))
            case InlineFragmentNode(type_condition=condition, selection_set=within):
                on = self._schema.get_type(condition.name.value) if condition else of
                line = _Line("", 0, inner=self.lines(within, on))
            case _:
                return
        line.included = tuple(each for each in included if each)
        yield line

    def _fragment(self, name: str) -> Sequence[_Line]:
        if name not in self._read:
            fragment = self._fragments[name]
            on = self._schema.get_type(fragment.type_condition.name.value)
            self._read[name] = self.lines(fragment.selection_set, on)
        return self._read[name]

    def _field(self, node: FieldNode, of: GraphQLNamedType | None) -> _Line:
        name = node.name.value
        shown = f"{node.alias.value}: {name}" if node.alias else name
        if name.startswith("__"):
            return _Line(shown, 0 if name == "__typename" else INTROSPECTION)
        assert isinstance(of, GraphQLObjectType | GraphQLInterfaceType), "the document is valid"
        declared = of.fields[name]
        cost, inner = cost_of(declared), self.lines(node.selection_set, get_named_type(declared.type))
        if cost is None:
            if is_leaf_type(get_named_type(declared.type)):
                return _Line(shown, 1 if node.alias else 0)
            cost = _unsaid(declared)
        if not cost.multipliers and not cost.assumed:
            return _Line(shown, cost.weight, inner=inner)
        assumed = cost.assumed or LIST
        fixed, slots = self._counts(node, declared, cost.multipliers or ())
        if not slots:
            fixed = assumed if fixed < 0 else fixed
        return _Line(shown, cost.weight, fixed, slots, assumed, 1, inner)

    def _counts(
        self, node: FieldNode, declared: GraphQLField, multipliers: Sequence[str]
    ) -> tuple[int, tuple[tuple[int, int | None], ...]]:
        """The greatest number that the document itself says (-1: none), and the slots that may say another."""
        given = {each.name.value: each.value for each in node.arguments or ()}
        fixed, slots = -1, []
        for multiplier in multipliers:
            name, *path = multiplier.split(".")
            default = declared.args[name].default_value if name in declared.args else Undefined
            otherwise = _size(default, path)
            said = _literal(given[name], path) if name in given else None
            if isinstance(said, tuple):
                slots.append((self._slot(said), otherwise))
            elif said is not None or otherwise is not None:
                fixed = max(fixed, said if said is not None else otherwise or 0, 0)
        return fixed, tuple(slots)

    def _conditions(self, node: SelectionNode) -> Iterator[tuple[int, bool] | None]:
        """By which slots it is included; None where the document itself leaves it out."""
        for directive in node.directives or ():
            if directive.name.value in ("skip", "include") and directive.arguments:
                wanted = directive.name.value == "include"
                match directive.arguments[0].value:
                    case VariableNode(name=name):
                        yield self._slot((name.value, ())), wanted
                    case BooleanValueNode(value=value) if value is not wanted:
                        yield None

    def _slot(self, slot: Slot) -> int:
        return self.slots.setdefault(slot, len(self.slots))


def declare_costs(schema: GraphQLSchema) -> None:
    """Says of pages and of writes what follows from their form: they count their rows, so that what holds these does
    not. What says something of its own keeps it."""
    for of in schema.type_map.values():
        if not isinstance(of, GraphQLObjectType | GraphQLInterfaceType) or of.name.startswith("__"):
            continue
        for name, declared in of.fields.items():
            cost = _of_a_write(declared) if of is schema.mutation_type else _of_a_page(of.name, name, declared)
            ours = declared.extensions.get("strawberry-definition")
            if cost and ours and cost_of(declared) is None:
                ours.directives = [*ours.directives, cost]


def _of_a_page(of: str, name: str, declared: GraphQLField) -> Cost | None:
    counted = {"Connection": ("edges", "nodes", "pageInfo"), "Edge": ("node",)}
    if any(of.endswith(holder) and name in names for holder, names in counted.items()):
        return Cost(weight=0)
    if of.endswith("Payload") and _is_list(declared.type) and not is_leaf_type(get_named_type(declared.type)):
        return Cost(weight=0)
    pages: list[str] = [each for each in ("first", "last") if each in declared.args]
    return (
        Cost(weight=2, multipliers=pages, assumed=PAGE)
        if pages and not is_leaf_type(get_named_type(declared.type))
        else None
    )


def _of_a_write(declared: GraphQLField) -> Cost:
    """A write for each input, where it takes many; the events of one command are as many as it shows."""
    answers = get_named_type(declared.type)
    shown = {
        name
        for each in (answers.types if isinstance(answers, GraphQLUnionType) else ())
        for name, found in each.fields.items()
        if _is_list(found.type)
    }
    many = [name for name, argument in declared.args.items() if _is_list(argument.type)]
    for name, argument in declared.args.items():
        input_ = get_named_type(argument.type)
        if isinstance(input_, GraphQLInputObjectType) and name not in many:
            many += [f"{name}.{each}" for each, of in input_.fields.items() if each in shown and _is_list(of.type)]
    return Cost(weight=10, multipliers=many or None)


def _is_list(of: object) -> bool:
    return is_list_type(of.of_type if is_non_null_type(of) else of)


def cost_of(declared: GraphQLField) -> Cost | None:
    """What a field's `@cost` says."""
    ours = declared.extensions.get("strawberry-definition")
    return next((each for each in getattr(ours, "directives", ()) if isinstance(each, Cost)), None)


def _sum(lines: Sequence[_Line], values: Values, known: dict[int, int]) -> int:
    total = 0
    for line in lines:
        if any(bool(values[slot]) is not wanted for slot, wanted in line.included):
            continue
        inner = 0
        if line.inner:
            # A fragment has the same lines wherever it is spread.
            kept = known.get(id(line.inner))
            inner = known[id(line.inner)] = _sum(line.inner, values, known) if kept is None else kept
        total += line.weight + line.times(values) * (line.each + inner)
    return total


def _size(value: object, path: Sequence[str]) -> int | None:
    """How many a value says: itself, if it is a number; what is no list is a list of one."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    match value:
        case int():
            return int(value)
        case list() | tuple():
            return len(value)
        case dict():
            return 1
        case _:
            return None


def _literal(node: ValueNode, path: Sequence[str]) -> int | Slot | None:
    """The same of a value in a document; the slot, where a variable holds it."""
    match node:
        case VariableNode(name=name):
            return name.value, tuple(path)
        case ObjectValueNode(fields=fields):
            if not path:
                return 1
            inner = next((each.value for each in fields if each.name.value == path[0]), None)
            return _literal(inner, path[1:]) if inner else None
        case IntValueNode(value=value):
            # What is too long for an Int is refused elsewhere, and not read here.
            return int(value) if len(value) < 12 else None
        case ListValueNode(values=values):
            return len(values)
        case BooleanValueNode(value=value):
            return int(value)
        case NullValueNode():
            return None
        case _:
            return None if path else 1


def _unsaid(declared: GraphQLField) -> Cost:
    """What a field with fields in it costs of which nothing is said."""
    return Cost(weight=0, assumed=LIST) if _is_list(declared.type) else Cost(weight=1)
