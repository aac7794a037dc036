"""A schema and operations that are as odd as GraphQL allows: names that Python and TypeScript keep for themselves, that
become one, interfaces in interfaces, lists in lists, inputs in themselves; and operations drawn by lot."""

from pathlib import Path
from random import Random
from typing import Literal

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLSchema,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_object_type,
    is_required_argument,
    is_required_input_field,
    is_union_type,
    parse,
    validate,
)

from server.commands.clients import client

SCHEMA = """
interface Top { id: ID! }
interface Middle implements Top { id: ID! class: String list: [[Int!]]! self: Middle }
interface Low implements Middle & Top { id: ID! class: String list: [[Int!]]! self: Low! copy: String }
type import implements Low & Middle & Top {
  id: ID! class: String list: [[Int!]]! self: import! copy: String json: JSON str: String int: Int
  model_config: String schema: String _x: String fooBar: Int foo_bar: Int typename: String in: in_enum not: [in_enum!]
}
type Other implements Middle & Top {
  id: ID! class: String list: [[Int!]]! self: Other from: Date when: DateTime matrix: [[[import]!]!]!
  dict: String datetime: DateTime camel: Int named: [String]
}
type List { value: Int }
type Data { any: Any_Thing }
union Any_Thing = import | Other | List
scalar JSON
scalar DateTime
scalar Date
enum in_enum { None True class title _x name mro }
input order_by { and: [order_by!] not: order_by in: [[Int!]!] model_fields: String
  kind: in_enum = class str: String! fooBar: Int foo_bar: Int object: JSON }
input one @oneOf { a: Int b: order_by }
input Sub { at: DateTime idempotencyKey: String many: [Sub!] }
type Query {
  top(by: order_by, one: one, self: Int, in: [in_enum!]): Top!
  many: [[Any_Thing!]!]! data: Data }
type Mutation { write(input: Sub!): Int plain(x: Int): Int list(inputs: [Sub!]!): Int
  bare(idempotencyKey: String): Int deep(a: Int, input: Sub): Int }
type Event { cursor: String! n: Int }
type Tick { at: DateTime }
union Told = Event | Tick
type Subscription { events(after: String): Event! told(after: String, kind: Int): Told! bare: Tick! }
"""

ASKED = """
query class($self: Int, $by: order_by, $list: [in_enum!], $one: one, $documents: Int, $given: Int = 1) {
  a: top(self: $self, by: $by, in: $list, one: $one) { ...t }
  b: top(self: $documents) { id ... on Middle { class list self { id self { id } } ... on Low { copy
    ... on import { json str int model_config schema _x fooBar foo_bar typename in not } } }
    ... on Other { from when matrix { self { ...deep } } dict datetime camel named } }
  c: top(self: $given) { kind: __typename }
  many { ... on List { value } ...deep }
  data { any { __typename } }
}
fragment t on Top { id ... on Low { self { ...t2 } } }
fragment t2 on Low { copy list }
fragment deep on import { ...t2 self { id } }
query import { data { any { ... on Other { self { id } ...oo } } } }
fragment oo on Other { self { class } }
query List($x: Boolean!) { data @include(if: $x) { any @skip(if: $x) { ... on List @include(if: $x) { value } } }
  many { ...deep @include(if: $x) } }
mutation close { plain(x: 1) }
mutation both($a: Sub!) { one: write(input: $a) two: write(input: $a) }
mutation Lists($a: [Sub!]!) { list(inputs: $a) }
mutation inline($at: DateTime) { write(input: {at: $at, many: [{at: $at}]})
  list(inputs: [{at: $at}, {idempotencyKey: "k"}]) bare deep(input: null) }
subscription events { events { n } }
subscription told($from: String, $k: Int) { told(after: $from, kind: $k) { ... on Tick { at } } }
subscription bare { bare { at } }
subscription aliased { events { cursor: n } }
"""


class Drawing:
    """Draws sound operations by lot, whose every variable is its own."""

    def __init__(self, schema: GraphQLSchema, random: Random) -> None:
        self._schema, self._random = schema, random
        self._variables: list[str] = []
        self._fragments: list[str] = []

    def operations(self, count: int) -> str:
        """So many operations, with the fragments that they spread."""
        made: list[str] = []
        while len(made) < count:
            text = self._operation(f"Drawn{len(made)}")
            if not validate(self._schema, parse(text)):
                made.append(text)
        return "\n".join(made)

    def _operation(self, name: str) -> str:
        root = self._schema.query_type
        assert root is not None
        self._variables, self._fragments = ["$on: Boolean!"], []
        selected = self._selection(root, 5, name)
        text = f"query {name}({', '.join(self._variables)}) {selected}"
        used = " @include(if: $on)" if "$on" not in text.partition("{")[2] else ""
        return "\n".join([text.replace("{", "{ __typename" + used, 1), *self._fragments])

    def _selection(self, of: GraphQLNamedType, depth: int, path: str) -> str:
        """A selection of values of a type; most are small, or nothing would ever end."""
        random = self._random
        parts: list[str] = []
        fields = {} if is_union_type(of) else of.fields  # type: ignore[attr-defined]
        leaves = [name for name, each in fields.items() if not is_composite_type(get_named_type(each.type))]
        inner = [name for name in fields if name not in leaves]
        chosen = random.sample(leaves, min(len(leaves), random.randint(0, 4)))
        chosen += random.sample(inner, min(len(inner), random.randint(0, 2) if path.count("_") else 1)) if depth else []
        for name in chosen:
            parts.append(self._field(name, fields[name], depth, path))
        if depth and is_abstract_type(of):
            members = [*self._schema.get_possible_types(of), *self._interfaces(of)]
            for each in random.sample(members, min(len(members), random.randint(0, 3))):
                parts.append(self._fragment(each, depth, path))
        elif depth and random.random() < 0.2:
            parts.append(self._fragment(of, depth, path))
        return f"{{ {' '.join(parts or ['__typename'])} }}"

    def _interfaces(self, of: GraphQLNamedType) -> list[GraphQLNamedType]:
        possible = set(self._schema.get_possible_types(of))  # type: ignore[arg-type]
        among = [each for each in self._schema.type_map.values() if is_abstract_type(each) and each is not of]
        return [each for each in among if possible & set(self._schema.get_possible_types(each))]

    def _fragment(self, of: GraphQLNamedType, depth: int, path: str) -> str:
        inside = self._selection(of, depth - 1, f"{path}_{of.name}")
        if self._random.random() < 0.5:
            return f"... on {of.name}{self._maybe()} {inside}"
        name = f"{path.partition('_')[0]}Part{len(self._fragments)}"
        self._fragments.append("")
        self._fragments[-1] = f"fragment {name} on {of.name} {inside}"
        return f"...{name}{self._maybe()}"

    def _field(self, name: str, field: GraphQLField, depth: int, path: str) -> str:
        given = [self._argument(key, each) for key, each in field.args.items() if self._gives(each)]
        # Under one name in two members of a union a field must be of one type: an alias keeps them apart.
        alias = (
            f"{path.rpartition('_')[2]}{len(self._variables)}_{name}: " if given or self._random.random() < 0.6 else ""
        )
        arguments = f"({', '.join(given)})" if given else ""
        named = get_named_type(field.type)
        inside = f" {self._selection(named, depth - 1, f'{path}_{name}')}" if is_composite_type(named) else ""
        return f"{alias}{name}{arguments}{self._maybe()}{inside}"

    def _gives(self, argument: GraphQLArgument) -> bool:
        return is_required_argument(argument) or self._random.random() < 0.2

    def _argument(self, name: str, argument: GraphQLArgument) -> str:
        variable = f"v{len(self._variables)}"
        self._variables.append(f"${variable}: {argument.type}")
        return f"{name}: ${variable}"

    def _maybe(self) -> str:
        return f" @{self._random.choice(('include', 'skip'))}(if: $on)" if self._random.random() < 0.15 else ""


def value(of: object, random: Random) -> object:
    """A value of a type as a resolver gives it; of an object any will do."""
    if not str(of).endswith("!") and random.random() < 0.2:
        return None
    of = get_nullable_type(of)  # type: ignore[call-overload]
    if is_list_type(of):
        return [value(of.of_type, random) for _ in range(random.randint(0, 2))]
    if is_enum_type(of):
        return random.choice([each.value for each in of.values.values()])
    if is_object_type(of) or is_abstract_type(of):
        return {}
    if is_input_object_type(of):
        given = {key: each.type for key, each in of.fields.items() if is_required_input_field(each)}
        first = next(iter(of.fields))
        chosen = {first: GraphQLNonNull(get_nullable_type(of.fields[first].type))} if of.is_one_of else given
        return {key: value(each, random) for key, each in chosen.items()}
    match getattr(of, "name", ""):
        case "Int" | "Position":
            return random.randint(-5, 2**31 - 1)
        case "Float":
            return random.choice((0.5, -1.25, 1e10))
        case "Boolean":
            return random.random() < 0.5
        case "DateTime":
            return f"2026-03-{random.randint(10, 28)}T09:26:53.{random.randint(100000, 999999)}Z"
        case "Date":
            return "2026-03-14"
        case "JSON":
            return random.choice(({"a": [1, None, {"b": "c"}]}, [], "text", 7, True))
        case _:
            return random.choice(("", "tea", "é\u2028"))


def odd() -> GraphQLSchema:
    return build_schema(SCHEMA)


def clients(folder: Path, language: Literal["python", "ts"], ours: str) -> list[str]:
    """Clients of odd operations and of some drawn by lot, each in a directory of its own; their names."""
    schemas = {"odd": odd(), "drawn_odd": odd(), "drawn_ours": build_schema(ours)}
    for name, schema in schemas.items():
        text = ASKED if name == "odd" else Drawing(schema, Random(1)).operations(25)
        made = client({f"{name}.graphql": text}, schema, language)
        assert not made.problems, made.problems
        (folder / name).mkdir()
        for file, written in made.files.items():
            (folder / name / file).write_text(written, "utf-8")
    return list(schemas)
