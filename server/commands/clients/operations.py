"""Files of GraphQL operations, read and held against a schema: what is wrong with them, and where.

All files of one command are one document: a fragment is written once and spread anywhere. Names are kept apart here as
code must keep them apart, so that what comes behind need not ask.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from graphql import (
    DefinitionNode,
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    LoneAnonymousOperationRule,
    NoUnusedFragmentsRule,
    OperationDefinitionNode,
    Source,
    build_ast_schema,
    parse,
    specified_rules,
    validate,
    validate_schema,
)
from graphql.language import Node, SourceLocation, Visitor, get_location, visit

from memql.codegen.declared import pascal
from memql.errors import Problem, Span

RULES = tuple(rule for rule in specified_rules if rule not in (LoneAnonymousOperationRule, NoUnusedFragmentsRule))
"""A fragment that only another command uses is no mistake; that an operation has no name is said here, in our words."""


@dataclass(frozen=True, slots=True)
class Operations:
    """Sound operations in the order of their files, and the fragments that they may spread."""

    operations: tuple[OperationDefinitionNode, ...]
    fragments: dict[str, FragmentDefinitionNode]


Problems = dict[str, list[Problem]]
"""What is wrong, by the names of the files."""


def read_schema(text: str) -> GraphQLSchema | list[Problem]:
    """The schema that a text in GraphQL's own language declares."""
    try:
        schema = build_ast_schema(parse(text), assume_valid_sdl=False)
    except GraphQLSyntaxError as error:
        return [_problem(error, "GRAPHQL_SYNTAX")]
    except (TypeError, GraphQLError) as error:
        return [Problem("BAD_SCHEMA", str(error).split("\n\n")[0])]
    return [Problem("BAD_SCHEMA", wrong.message, span=_span(wrong)) for wrong in validate_schema(schema)] or schema


def read(texts: dict[str, str], schema: GraphQLSchema) -> Operations | Problems:
    """The operations of files, by the files' names and texts; or all that is wrong with them."""
    problems: Problems = {}
    definitions: list[DefinitionNode] = []
    for name, text in texts.items():
        try:
            definitions += parse(Source(text, name)).definitions
        except GraphQLSyntaxError as error:
            empty = text.strip() == "" or all(line.lstrip().startswith("#") for line in text.splitlines() if line)
            problems[name] = (
                [Problem("GRAPHQL_EMPTY", "there is no operation here")]
                if empty
                else [_problem(error, "GRAPHQL_SYNTAX")]
            )
    if problems:
        return problems
    for wrong in validate(schema, DocumentNode(definitions=tuple(definitions)), RULES):
        problems.setdefault(_file(wrong.nodes or ()), []).append(_problem(wrong, "GRAPHQL_INVALID"))
    for node, problem in _unnameable([each for each in definitions if isinstance(each, ExecutableDefinitionNode)]):
        problems.setdefault(_file([node]), []).append(problem)
    if problems:
        return problems
    return Operations(
        tuple(each for each in definitions if isinstance(each, OperationDefinitionNode)),
        {each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)},
    )


def _unnameable(definitions: Sequence[ExecutableDefinitionNode]) -> Iterator[tuple[Node, Problem]]:
    """What can't be called anything in code."""
    known: dict[tuple[type, str], str] = {}
    for each in definitions:
        if each.name is None:
            said = "an operation without a name"
            yield each, Problem("GRAPHQL_UNNAMED", said, hint="its method is called like it: query Recall { … }",
                                span=_over(each, len("query")))  # fmt: skip
            continue
        name = each.name.value
        other = known.setdefault((type(each), pascal(name)), name)
        if other != name:
            yield each, Problem("GRAPHQL_NAME", f"`{name}` and `{other}` are one name in code",
                                hint="names differ by more than capitals and underscores",
                                span=_over(each.name, len(name)))  # fmt: skip
        for field in _reserved(each):
            alias = field.alias or field.name
            yield field, Problem("GRAPHQL_NAME", f"`{alias.value}` is a name that GraphQL keeps to itself",
                                 hint="an alias begins with no two underscores",
                                 span=_over(alias, len(alias.value)))  # fmt: skip


def _reserved(definition: Node) -> list[FieldNode]:
    found: list[FieldNode] = []

    class Aliases(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            if node.alias and node.alias.value.startswith("__") and node.alias.value != node.name.value:
                found.append(node)

    visit(definition, Aliases())
    return found


def doc_of(node: OperationDefinitionNode) -> str:
    """What is said of an operation: its description, else the comment that stands right above it."""
    if described := getattr(node, "description", None):
        return str(described.value)
    if node.loc is None:
        return ""
    lines = node.loc.source.body[: node.loc.start].split("\n")[:-1]
    said: list[str] = []
    for line in reversed(lines):
        if not line.lstrip().startswith("#"):
            break
        said.insert(0, line.strip().lstrip("#").strip())
    return "\n".join(said).strip()


# Errors


def _problem(error: GraphQLError, code: str) -> Problem:
    """The error of a document as ours: what graphql-core suggests becomes the way on."""
    message, _, hint = error.message.removeprefix("Syntax Error: ").partition(" Did you mean ")
    way_on = f"did you mean {hint}" if hint else _WAYS_ON.get(message.split(" ")[0], "")
    return Problem(code, message.rstrip("."), hint=way_on, span=_span(error))


_WAYS_ON = {
    "Cannot": "the schema says what there is; --schema takes another",
    "Unknown": "the schema says what there is; --schema takes another",
    "Expected": "the text before it may lack something",
}


def _file(nodes: Iterable[Node]) -> str:
    return next((node.loc.source.name for node in nodes if node.loc), "")


def _span(error: GraphQLError) -> Span | None:
    for node in error.nodes or ():
        named = getattr(node, "name", None) or node
        at = named if named.loc else node
        if at.loc:
            return _over(at, at.loc.end - at.loc.start)
    if error.source and error.positions:
        start = next(iter(error.positions))
        return _at(get_location(error.source, start), 1, start)
    return None


def _over(node: Node, length: int) -> Span | None:
    return _at(get_location(node.loc.source, node.loc.start), length, node.loc.start) if node.loc else None


def _at(place: SourceLocation, length: int, start: int) -> Span:
    return Span(place.line, place.column, max(1, length), start)
