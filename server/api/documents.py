"""Documents, read once: parsed, validated, and what they cost; and those that are trusted, which have an id.

Wherever the text of a document is expected, the id of a trusted one may stand: `sha256:` and 64 hexadecimal digits, as
GraphQL over HTTP has it, which is no GraphQL. Knows nothing of who asks.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    MaxIntrospectionDepthRule,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    TokenKind,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from memql.errors import Problem, Reason, Refusal
from server.api.cost import Tariff, tariff
from server.api.limits import beyond, over
from server.api.requirements import needs_of
from server.bounds import RequestLimits
from server.identity import Scope

RULES = (*specified_rules, MaxIntrospectionDepthRule, MaybeNullValidationRule, OneOfInputValidationRule)
DIGITS = 400
"""As many as the greatest number has that a float can be."""
FORMAT = "memql-documents-v1"
ID = re.compile(r"sha256:[0-9a-f]{64}\Z")

Errors: TypeAlias = Sequence[GraphQLError]


@dataclass(slots=True)
class Prepared:
    """A document, and what is to be known of it whoever asks."""

    document: DocumentNode
    errors: Errors = ()
    """Why it can't be executed, with what names a wrong one is near to; and without."""
    plain_errors: Errors = ()
    introspects: bool = False
    trusted: bool = False
    operations: Mapping[str | None, OperationDefinitionNode] = field(default_factory=dict)
    tariffs: dict[str | None, Tariff | None] = field(default_factory=dict)
    needs: dict[str | None, Mapping[Scope, FieldNode]] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """The one of that name; without a name, or with an empty one, the only one."""
        if not name and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        return self.operations.get(name) if name else None

    @property
    def reads(self) -> bool:
        """Whether nothing in it writes, or goes on."""
        return all(each.operation is OperationType.QUERY for each in self.operations.values())


NOTHING = parse("{ __typename }")
"""Stands for a document that is none, so that its errors take the way that all errors take."""


def identified(text: str) -> str:
    """The id of a document."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def by_id(asked: Mapping[str, Any]) -> dict[str, Any] | str:
    """A request in which the id of a document stands where its text would; or what is wrong with it."""
    named = dict(asked)
    id_ = named.pop("documentId", None)
    if id_ is None:
        return named
    if named.get("query") is not None:
        return "give `query` or `documentId`, not both"
    if not isinstance(id_, str) or not ID.match(id_):
        return "a `documentId` is text: sha256: and 64 hexadecimal digits, in small letters"
    return {**named, "query": id_}


class Documents:
    """The documents of one schema: the trusted ones for good, of all others those asked for last."""

    def __init__(self, schema: GraphQLSchema, limits: RequestLimits) -> None:
        self._schema = schema
        self._limits = limits
        self._trusted: dict[str, Prepared] = {}
        self._kept: OrderedDict[str, Prepared] = OrderedDict()
        self._characters = 0

    def trust(self, texts: Mapping[str, str]) -> list[Problem]:
        """Takes these in as trusted, by id; what is wrong with those that can't be asked."""
        problems = []
        for id_, text in texts.items():
            prepared = self._prepared(text)
            prepared.trusted = True
            self._trusted[id_] = prepared
            for error in prepared.errors:
                place = f", line {error.locations[0].line}" if error.locations else ""
                problems.append(Problem("BAD_DOCUMENT", error.message, f"{id_}{place}", "generate the manifest anew"))
        return problems

    def get(self, text: str) -> Prepared:
        """The document of that text, or the trusted one of that id."""
        return self.known(text) or self.read(text)

    def trusted(self, text: str) -> Prepared | None:
        """The trusted document of that id, or of that text: a client may send either."""
        return self._trusted.get(text if ID.match(text) else identified(text)) if self._trusted else None

    def known(self, text: str) -> Prepared | None:
        """What needs not be read any more."""
        if text.startswith("sha256:"):
            return self._trusted.get(text) or _UNKNOWN
        kept = self._kept.get(text)
        if kept is None:
            return self.trusted(text)
        self._kept.move_to_end(text)
        return kept

    def read(self, text: str) -> Prepared:
        prepared = self._prepared(text)
        self._keep(text, prepared)
        return prepared

    def _keep(self, text: str, prepared: Prepared) -> None:
        if len(text) > self._limits.document_characters:
            return
        self._kept[text] = prepared
        self._characters += len(text)
        while self._characters > self._limits.kept_characters:
            dropped, _ = self._kept.popitem(last=False)
            self._characters -= len(dropped)

    def _prepared(self, text: str) -> Prepared:
        limits = self._limits
        if len(text) > limits.document_characters:
            return wrong(_beyond("document_characters", limits.document_characters))
        try:
            document = parse(text, max_lexical_tokens=limits.tokens)
        except GraphQLSyntaxError as error:
            if error.message.startswith("Syntax Error: Document contains more than"):
                return wrong(_beyond("tokens", limits.tokens))
            return wrong(error)
        except GraphQLError:
            return wrong(_beyond("depth", limits.depth))
        if errors := [*_endless_numbers(document), *beyond(document, limits)]:
            return wrong(*errors)
        errors = _once(validate(self._schema, document, RULES))
        if len(errors) == 1 and isinstance(errors[0], ValidationAbortedError):
            # Fragments within fragments, deeper than graphql-core goes.
            return wrong(_beyond("depth", limits.depth))
        plain = _once(validate(self._schema, document, RULES, hide_suggestions=True)) if errors else []
        operations = {
            node.name.value if node.name else None: node
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        }
        prepared = Prepared(document, errors, plain, operations=operations)
        if not errors:
            prepared.introspects = _introspects(document)
            prepared.tariffs = {name: tariff(self._schema, document, node) for name, node in operations.items()}
            prepared.needs = {name: needs_of(document, node) for name, node in operations.items()}
        return prepared


def _once(errors: Iterable[GraphQLError]) -> list[GraphQLError]:
    """What is said of several places is said once, with all of them."""
    same: dict[str, list[GraphQLError]] = {}
    for error in errors:
        same.setdefault(error.message, []).append(error)
    return [
        first if not others else GraphQLError(message, [node for each in (first, *others) for node in each.nodes or ()])
        for message, (first, *others) in same.items()
    ]


def _endless_numbers(document: DocumentNode) -> Iterator[GraphQLError]:
    """Numbers that nothing here could hold; Python itself fails on those of some thousand digits."""
    at = document.loc
    token = at.start_token if at else None
    while at and token:
        if token.kind in (TokenKind.INT, TokenKind.FLOAT) and len(token.value or "") > DIGITS:
            message = f"a number can't have more than {DIGITS} digits"
            yield GraphQLError(message, source=at.source, positions=[token.start])
        token = token.next


def wrong(*errors: GraphQLError) -> Prepared:
    """What is no document, and why."""
    return Prepared(NOTHING, errors, errors)


def _beyond(name: str, most: int) -> GraphQLError:
    return GraphQLError(over(name, most), extensions={"code": "LIMIT_EXCEEDED"})


_UNKNOWN = wrong(
    GraphQLError("no trusted document has this id; send its text", extensions={"code": "DOCUMENT_UNKNOWN"})
)


def _introspects(document: DocumentNode) -> bool:
    """Whether it asks for the schema anywhere; what type an answer has may always be asked."""
    ahead: list[SelectionSetNode | None] = [
        node.selection_set
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while ahead:
        selection = ahead.pop()
        for node in selection.selections if selection else ():
            if isinstance(node, FieldNode) and node.name.value in ("__schema", "__type"):
                return True
            ahead.append(getattr(node, "selection_set", None))
    return False


# Manifests


def trusted_in(place: Path) -> dict[str, str] | Refusal:
    """The texts of a manifest, or of all manifests of a directory, by their ids."""
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not files:
        problems.append(Problem("DOCUMENTS", "there is no manifest (*.json) in it", str(place), "run memql codegen"))
    for file in files:
        read = _manifest(file)
        if isinstance(read, Problem):
            problems.append(read)
            continue
        for id_, text in read.items():
            if ID.match(id_) and id_ != identified(text):
                problems.append(Problem("BAD_DOCUMENT", "this id is not that of the text", f"{file.name}: {id_}", ""))
            texts[id_ if ID.match(id_) else identified(text)] = text
    return Refusal(Reason.INVALID, tuple(problems)) if problems else texts


def _manifest(file: Path) -> dict[str, str] | Problem:
    hint = f'{{"format": "{FORMAT}", "documents": {{"sha256:…": {{"text": "…"}}}}}}, or a map of hashes to texts'
    try:
        read: Any = orjson.loads(file.read_bytes())
    except OSError:
        return Problem("DOCUMENTS", "it can't be read", str(file), "check `requests.documents`")
    except orjson.JSONDecodeError:
        return Problem("DOCUMENTS", "this is no JSON", str(file), hint)
    texts = dict(_texts(read)) if isinstance(read, dict) else {}
    return texts or Problem("DOCUMENTS", "this is no manifest of documents", str(file), hint)


def _texts(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of `memql codegen`; of Apollo (a list of operations with bodies); of GraphQL Code Generator and Relay (a map)."""
    match manifest:
        case {"format": str(form), "documents": dict(documents)} if form == FORMAT:
            named = ((id_, each.get("text")) for id_, each in documents.items() if isinstance(each, dict))
        case {"format": "apollo-persisted-query-manifest", "operations": list(operations)}:
            named = ((str(each.get("id")), each.get("body")) for each in operations if isinstance(each, dict))
        case _:
            named = ((id_, text) for id_, text in manifest.items())
    for id_, text in named:
        if isinstance(text, str):
            yield (f"sha256:{id_}" if ID.match(f"sha256:{id_}") else id_), text
