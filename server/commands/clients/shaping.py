"""From operations to shapes: what a selection gives, fragments, conditions and types taken together.

One class for each way in which a value can look: of a union of ten types, of which an operation selects two, there are
three. A fragment is a class of its own wherever it stands; what spreads it and selects more is a class under it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
    type_from_ast,
)

from memql.codegen.declared import pascal
from server.commands.clients.additions import TYPENAME, Documents, Prepared
from server.commands.clients.naming import class_of, joined, one_of
from server.commands.clients.operations import doc_of
from server.commands.clients.shapes import (
    Choice,
    Chosen,
    Enum,
    Field,
    Input,
    Kind,
    Listed,
    Method,
    Named,
    Nullable,
    Record,
    Scalar,
    Shapes,
    Typename,
)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A field as it stands in a selection: `of` is the type that it is selected of there."""

    node: FieldNode
    of: str
    optional: bool


_Collected: TypeAlias = dict[str, list[_Seen]]
_Selected: TypeAlias = Sequence[tuple[SelectionSetNode, str, bool]]
"""Selections with the type that each is of, and whether it may be left out."""


def shapes(documents: Documents, schema: GraphQLSchema, reserved: frozenset[str]) -> Shapes:
    """The shapes of all operations; no name is one of the reserved."""
    return _Shaping(documents, schema, reserved).made


class _Shaping:
    def __init__(self, documents: Documents, schema: GraphQLSchema, reserved: frozenset[str]) -> None:
        self.made = Shapes()
        self._documents, self._schema = documents, schema
        self._taken = set(reserved)
        self._types: dict[str, str] = {}
        self._declared: dict[str, Record | Choice] = {}
        self._fragments: dict[str, Record | Choice] = {}
        for prepared in documents.operations:
            self._inputs_of(prepared)
        self._fragment_names = {name: self._free(pascal(name)) for name in documents.fragments}
        data = [self._free(f"{pascal(each.node.name.value)}Data") for each in documents.operations if each.node.name]
        for prepared, name in zip(documents.operations, data, strict=True):
            self.made.methods.append(self._method(prepared, name))

    def _free(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    # What goes in

    def _inputs_of(self, prepared: Prepared) -> None:
        for each in prepared.node.variable_definitions or ():
            found = type_from_ast(self._schema, each.type)
            assert found is not None
            self._declare_input(get_named_type(found))  # type: ignore[arg-type]

    def _declare_input(self, of: GraphQLInputType) -> None:
        if isinstance(of, GraphQLEnumType):
            self._declare_enum(of)
        if isinstance(of, GraphQLScalarType):
            self.made.scalars.add(of.name)
        if not isinstance(of, GraphQLInputObjectType) or of.name in self._types:
            return
        name = self._types[of.name] = self._free(class_of(of.name))
        for each in of.fields.values():
            self._declare_input(get_named_type(each.type))
        fields = tuple(
            Field(key, self._given(each.type), not is_required_input_field(each), each.description or "",
                  each.deprecation_reason or "")
            for key, each in of.fields.items()
        )  # fmt: skip
        self.made.inputs.append(Input(name, of.description or "", fields, bool(of.is_one_of)))

    def _declare_enum(self, of: GraphQLEnumType) -> None:
        if of.name not in self._types:
            self._types[of.name] = self._free(class_of(of.name))
            values = tuple((name, each.description or "") for name, each in of.values.items())
            self.made.enums.append(Enum(self._types[of.name], of.description or "", values))

    def _given(self, of: GraphQLInputType) -> Kind:
        return self._kind(of, lambda named: Named(self._types[named.name]))

    def _kind(self, of: object, composite: Callable[[Any], Kind]) -> Kind:
        if is_non_null_type(of):
            return self._present(of.of_type, composite)
        return Nullable(self._present(of, composite))

    def _present(self, of: object, composite: Callable[[Any], Kind]) -> Kind:
        if is_list_type(of):
            return Listed(self._kind(of.of_type, composite))
        if isinstance(of, GraphQLEnumType):
            self._declare_enum(of)
            return Chosen(self._types[of.name])
        if isinstance(of, GraphQLScalarType):
            self.made.scalars.add(of.name)
            return Scalar(of.name)
        return composite(of)

    # What comes back

    def _method(self, prepared: Prepared, data: str) -> Method:
        node = prepared.node
        assert node.name is not None
        root = self._schema.get_root_type(node.operation)
        assert root is not None
        said = f"What {node.operation.value} `{node.name.value}` gives."
        selected = [(node.selection_set, root.name, False)]
        gives = self._record(
            data, said, selected, self._collect(selected, root.name), (root.name,), pascal(node.name.value)
        )
        variables = tuple(
            Field(
                each.variable.name.value,
                self._given(type_from_ast(self._schema, each.type)),  # type: ignore[arg-type]
                not is_non_null_type(type_from_ast(self._schema, each.type)) or each.default_value is not None,
                each.description.value if each.description else "",
            )
            for each in node.variable_definitions or ()
        )
        return Method(
            node.name.value, node.operation.value, doc_of(node), self._documents.text(prepared), variables, gives,
            prepared.keys, prepared.repeatable and node.operation is not OperationType.SUBSCRIPTION, prepared.resume,
        )  # fmt: skip

    def _fragment(self, name: str) -> Record | Choice:
        if name not in self._fragments:
            node = self._documents.fragments[name]
            of, called = node.type_condition.name.value, self._fragment_names[name]
            selected = [(node.selection_set, of, False)]
            self._fragments[name] = self._composite(called, f"Fragment `{name}`, of {of}.", selected, of)
        return self._fragments[name]

    def _composite(self, name: str, doc: str, selected: _Selected, of: str) -> Record | Choice:
        """What a selection of values of one type gives; `name` is free, or taken for this."""
        named = self._schema.get_type(of)
        if not is_abstract_type(named):
            return self._record(name, doc, selected, self._collect(selected, of), (of,))
        always = self._collect(selected, None)
        groups: dict[object, list[str]] = {}
        for each in sorted(self._schema.get_possible_types(named), key=lambda each: each.name):
            collected = self._collect(selected, each.name)
            groups.setdefault(_sign(collected), []).append(each.name)
        groups.pop(_sign(always), None)
        if not groups:
            return self._record(name, doc, selected, always, ())
        members: list[tuple[tuple[str, ...], Record]] = []
        for types in groups.values():
            called = self._called(types, of, selected)
            own = self._free(joined(name, called))
            said = self._said(types[0]) if len(types) == 1 else f"One of {', '.join(types)}."
            members.append(
                (tuple(types), self._record(own, said, selected, self._collect(selected, types[0]), tuple(types)))
            )
        other = self._record(self._free(f"{name}Other"), "Of another type, perhaps one that is newer than this client.",
                             selected, always, ())  # fmt: skip
        choice = Choice(name, doc, tuple(members), other)
        self._declare(choice)
        return choice

    def _called(self, types: Sequence[str], of: str, selected: _Selected) -> str:
        """What several types are called together: like the condition that they meet, else like all of them."""
        if len(types) == 1:
            return pascal(types[0])
        among = self._among(self._schema.get_type(of))
        for condition in self._conditions(selected):
            if condition != of and self._among(self._schema.get_type(condition)) & among == set(types):
                return pascal(condition)
        return "Or".join(map(pascal, types)) if len(types) < 4 else f"{pascal(types[0])}OrLike"

    def _conditions(self, selected: _Selected) -> list[str]:
        """The types on whose condition something is selected, the outermost first."""
        found: list[str] = []
        for selections, of, _ in selected:
            for each in selections.selections:
                if isinstance(each, FragmentSpreadNode | InlineFragmentNode):
                    found.append(self._condition(each, of))
                if isinstance(each, InlineFragmentNode):
                    found += self._conditions([(each.selection_set, found[-1], False)])
        return found

    def _among(self, of: object) -> set[str]:
        return {each.name for each in self._schema.get_possible_types(of)} if is_abstract_type(of) else set()

    def _said(self, of: str) -> str:
        named = self._schema.get_type(of)
        return (named.description if named else None) or ""

    def _record(
        self, name: str, doc: str, selected: _Selected, collected: _Collected, types: tuple[str, ...], path: str = ""
    ) -> Record:
        """One object; `path` is what the names of those within begin with."""
        bases = self._bases(selected, collected, types)
        inherited = {each.key: (each, base) for base in bases for each in base.fields}
        fields: list[Field] = []
        for key, seen in collected.items():
            if all(one.node.name.value == TYPENAME for one in seen):
                fields.append(Field(key, Typename(types), all(one.optional for one in seen)))
            elif key in inherited and seen[0].node.selection_set:
                fields.append(inherited[key][0])
            else:
                # Of `query Recall { search }` comes a Recall: there is nothing else that it might mean.
                fields.append(self._field(key, seen, path or name, path if len(collected) == 1 else ""))
        made = Record(name, doc, tuple(fields), bases)
        self._declare(made)
        return made

    def _field(self, key: str, seen: Sequence[_Seen], path: str, name: str = "") -> Field:
        each = self._nearest(seen)
        told = self._schema.get_type(each.of).fields[each.node.name.value]  # type: ignore[union-attr]
        optional = all(one.optional for one in seen)
        named = get_named_type(told.type)

        def composite(of: object) -> Kind:
            inner = [
                (one.node.selection_set, named.name, one.optional and len(seen) > 1)
                for one in seen
                if one.node.selection_set
            ]
            if (shared := self._shared(inner, named.name)) is not None:
                return Named(shared.name)
            called = name or path + one_of(pascal(key), told.type)
            return Named(self._composite(self._free(called), named.description or "", inner, named.name).name)

        return Field(
            key, self._kind(told.type, composite), optional, told.description or "", told.deprecation_reason or ""
        )

    def _nearest(self, seen: Sequence[_Seen]) -> _Seen:
        """Of the places where one field is selected, the one that says most of its type."""

        def says(each: _Seen) -> tuple[bool, bool]:
            of = self._schema.get_type(each.of)
            told: GraphQLOutputType = of.fields[each.node.name.value].type  # type: ignore[union-attr]
            return isinstance(of, GraphQLObjectType), is_non_null_type(told)

        return max(seen, key=says)

    def _shared(self, inner: _Selected, of: str) -> Record | Choice | None:
        """The fragment's, where a selection is one fragment and nothing else."""
        if len(inner) != 1:
            return None
        selections = [each for each in inner[0][0].selections if not _is_typename(each)]
        if len(selections) != 1 or not isinstance(selections[0], FragmentSpreadNode) or selections[0].directives:
            return None
        name = selections[0].name.value
        if not self._covers(self._documents.fragments[name], of):
            return None
        found = self._fragment(name)
        asked = len(selections) < len(inner[0][0].selections)
        if asked and isinstance(found, Record) and not any(each.key == TYPENAME for each in found.fields):
            return None
        if isinstance(found, Choice) and not is_abstract_type(self._schema.get_type(of)):
            return next((record for types, record in found.members if of in types), found.other)
        return found

    def _covers(self, fragment: FragmentDefinitionNode, of: str) -> bool:
        return self._applies(fragment.type_condition.name.value, of)

    def _bases(self, selected: _Selected, collected: _Collected, types: tuple[str, ...]) -> tuple[Record, ...]:
        """The fragments whose fields are all here as they are there: what has them is also one of those."""
        if len(selected) != 1:
            return ()
        found: list[Record] = []
        for name in self._spread(selected[0][0], selected[0][1], types or (selected[0][1],)):
            base = self._fragment(name)
            if isinstance(base, Choice):
                continue
            inside = self._collect([(self._documents.fragments[name].selection_set,
                                     self._documents.fragments[name].type_condition.name.value, False)],
                                   types[0] if types else None)  # fmt: skip
            whole = all(
                not seen[0].node.selection_set
                or {id(one.node) for one in collected[key]} == {id(one.node) for one in seen}
                for key, seen in inside.items()
            )
            covering = {each.key for each in base.fields} <= set(collected)
            if whole and covering and base not in found:
                found.append(base)
        nearest = [each for each in found if not any(each in _ancestors(one) for one in found)]
        agreeing: dict[str, Field] = {}
        kept: list[Record] = []
        for base in nearest:
            if all(agreeing.get(each.key, each) == each for each in base.fields):
                agreeing |= {each.key: each for each in base.fields}
                kept.append(base)
        return tuple(kept)

    def _spread(self, selections: SelectionSetNode, of: str, types: tuple[str, ...]) -> list[str]:
        """The fragments that are always spread in a selection of these types; of none in particular: of its own."""
        names: list[str] = []
        for each in selections.selections:
            if not isinstance(each, FragmentSpreadNode | InlineFragmentNode) or each.directives:
                continue
            condition = self._condition(each, of)
            if not all(self._applies(condition, one) for one in types):
                continue
            if isinstance(each, FragmentSpreadNode):
                names.append(each.name.value)
            else:
                names += self._spread(each.selection_set, condition, types)
        return names

    def _condition(self, each: FragmentSpreadNode | InlineFragmentNode, of: str) -> str:
        if isinstance(each, FragmentSpreadNode):
            return self._documents.fragments[each.name.value].type_condition.name.value
        return each.type_condition.name.value if each.type_condition else of

    def _collect(self, selected: _Selected, one: str | None) -> _Collected:
        """The fields of values of type `one`; None: of whatever type the values are, those that always are there."""
        found: _Collected = {}

        def look(selections: SelectionSetNode, of: str, optional: bool, value: str) -> None:
            for each in selections.selections:
                maybe = optional or any(said.name.value in ("skip", "include") for said in each.directives or ())
                if isinstance(each, FieldNode):
                    key = (each.alias or each.name).value
                    found.setdefault(key, []).append(_Seen(each, of, maybe))
                    continue
                assert isinstance(each, FragmentSpreadNode | InlineFragmentNode)
                condition = self._condition(each, of)
                if not self._applies(condition, value):
                    continue
                inside = (
                    self._documents.fragments[each.name.value].selection_set
                    if isinstance(each, FragmentSpreadNode)
                    else each.selection_set
                )
                look(inside, condition, maybe, value)

        for selections, of, optional in selected:
            look(selections, of, optional, one or of)
        return found

    def _applies(self, condition: str, of: str) -> bool:
        """Whether whatever is of type `of` meets a condition."""
        if condition == of:
            return True
        wider, narrower = self._schema.get_type(condition), self._schema.get_type(of)
        if not is_abstract_type(wider) or not is_composite_type(narrower):
            return False
        if is_abstract_type(narrower):
            return self._among(narrower) <= self._among(wider)
        return self._schema.is_sub_type(wider, narrower)

    def _declare(self, made: Record | Choice) -> None:
        self.made.results.append(made)


def _sign(collected: _Collected) -> object:
    """What two collections have in common that have the same fields of the same places."""
    return frozenset((id(one.node), one.optional) for seen in collected.values() for one in seen)


def _is_typename(each: object) -> bool:
    return isinstance(each, FieldNode) and each.name.value == TYPENAME and each.alias is None and not each.directives


def _ancestors(record: Record) -> Iterable[Record]:
    for base in record.bases:
        yield base
        yield from _ancestors(base)
