"""A client in TypeScript: interfaces for results and inputs, typed documents, and a class with a method for each.

Names stay GraphQL's. Times stay the ISO 8601 text that they are in JSON: a Date has milliseconds, and they have
microseconds; where one is asked for, a Date will do. Whole numbers are exact up to 2^53.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from memql.codegen.declared import camel
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
from server.commands.clients.typescript_runtime import ANSWERS
from server.commands.clients.typescript_transport import TRANSPORT

_SCALARS = {
    "ID": "string", "String": "string", "Int": "number", "Float": "number", "Boolean": "boolean",
    "DateTime": "DateTime", "Date": "string", "Time": "string", "Position": "number",
}  # fmt: skip
"""Any other scalar is JSON."""
OTHER = "%other"
"""Stands for values that are newer than the client. No value is ever called so: it is what `default:` meets."""
RESERVED = frozenset(
    """Array AskOptions AsyncGenerator Asking Boolean Busy Client ClientError ClientOptions CutOff Date DateTime
    GraphqlError Json NotMemql NotReached Number Object Promise Refused Retries Sent String Symbol TimedOut
    TypedDocument Unauthenticated""".split()
)
"""What no type may be called."""
_OF_CLIENTS = frozenset("ask live post renews pause url options retries current constructor".split())
_ERRORS = ("Busy", "ClientError", "CutOff", "NotMemql", "NotReached", "Refused", "TimedOut", "Unauthenticated")
_ANSWERS, _TRANSPORT = ("DateTime", "Json"), ("AskOptions", "TypedDocument")


def files(shapes: Shapes, documents: Mapping[str, tuple[str, str]], trusted: bool, head: str) -> Mapping[str, str]:
    """The files of a client, by name. `documents` are the ids and texts of operations by their names; a trusted client
    has no texts."""
    return {
        "answers.ts": head + ANSWERS,
        "transport.ts": head + TRANSPORT,
        "inputs.ts": head + "\n".join(_inputs(shapes)) + "\n",
        "results.ts": head + "\n".join(_results(shapes)) + "\n",
        "documents.ts": head + "\n".join(_documents(shapes, documents, trusted)) + "\n",
        "client.ts": head + "\n".join(_client(shapes)) + "\n",
    }


def _module(doc: str, body: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A module that imports only what it mentions."""
    written = re.sub(r"/\*\*(?s:.*?)\*/", "", "\n".join(body))
    yield f"/** {doc} */"
    for source, names in groups.items():
        used = sorted({name for name in names if re.search(rf"(?<![\w$\"]){re.escape(name)}(?![\w$\"])", written)})
        if used:
            line = f'import type {{ {", ".join(used)} }} from "./{source}.js";'
            yield from [""] if source == next(iter(groups)) else []
            yield from (
                [line]
                if len(line) <= 120
                else ["import type {", *(f"  {each}," for each in used), line[line.index("} from") :]]
            )
    yield from body
    if not any(line.startswith(("export", "import")) for line in body):
        yield "\nexport {};"


# Inputs


def _inputs(shapes: Shapes) -> Iterator[str]:
    body: list[str] = []
    for enum in shapes.enums:
        body += ["", *_enum(enum)]
    for each in shapes.inputs:
        body += ["", *_input(each)]
    for method in shapes.methods:
        if method.variables:
            body += ["", f"export interface {variables_of(method, shapes)} {{", *_given(method.variables), "}"]
    yield from _module("What goes in: inputs, variables, and the enums of what goes in and comes back.", body,
                       {"answers": _ANSWERS})  # fmt: skip


def variables_of(method: Method, shapes: Shapes) -> str:
    """What the variables of an operation are called."""
    taken = {each.name for each in (*shapes.inputs, *shapes.enums, *shapes.results)}
    name = method.gives.name.removesuffix("Data").rstrip("_") + "Variables"
    while name in taken:
        name += "_"
    return name


def _enum(enum: Enum) -> Iterator[str]:
    yield from _comment(enum.doc, "", "")
    yield f"export type {enum.name} ="
    for place, (value, doc) in enumerate(enum.values, 1):
        yield from _comment(doc, "", "  ")
        yield f"  | {json.dumps(value)}{';' if place == len(enum.values) else ''}"


def _input(each: Input) -> Iterator[str]:
    yield from _comment(each.doc, "", "")
    if not each.one_of:
        yield f"export interface {each.name} {{"
        yield from _given(each.fields)
        yield "}"
        return
    yield f"export type {each.name} ="
    for place, one in enumerate(each.fields, 1):
        kind = one.kind.of if isinstance(one.kind, Nullable) else one.kind
        others = "".join(f"; readonly {other.key}?: never" for other in each.fields if other is not one)
        yield from _comment(one.doc, one.deprecated, "  ")
        end = ";" if place == len(each.fields) else ""
        yield f"  | {{ readonly {one.key}: {asked(kind)}{others} }}{end}"


def _given(fields: Sequence[Field]) -> Iterator[str]:
    for one in fields:
        yield from _comment(one.doc, one.deprecated, "  ")
        absent = " | undefined" if one.optional else ""
        yield f"  readonly {one.key}{'?' * one.optional}: {asked(one.kind)}{absent};"


def asked(of: Kind) -> str:
    """The type of what is given."""
    match of:
        case Nullable(Scalar(name)) if name not in _SCALARS:
            return "unknown"
        case Nullable(inner):
            return f"{asked(inner)} | null"
        case Listed(inner):
            return _list(asked(inner))
        case Scalar("DateTime"):
            return "DateTime | Date"
        case Scalar(name):
            return _SCALARS.get(name, "unknown")
        case Chosen(name) | Named(name):
            return name
    raise AssertionError(of)


# Results


def _results(shapes: Shapes) -> Iterator[str]:
    others = {each.other.name for each in shapes.results if isinstance(each, Choice)}
    body: list[str] = []
    for each in shapes.results:
        body += ["", *(_record(each, each.name in others) if isinstance(each, Record) else _choice(each))]
    groups = {"inputs": [each.name for each in shapes.enums], "answers": _ANSWERS}
    yield from _module("What comes back: the data of each operation, and the fragments that they share.", body, groups)


def _record(record: Record, other: bool) -> Iterator[str]:
    yield from _comment(record.doc, "", "")
    bases = f" extends {', '.join(base.name for base in record.bases)}" if record.bases else ""
    yield f"export interface {record.name}{bases} {{"
    own = record.own
    if other and not any(each.key == "__typename" for each in own):
        yield f"  readonly __typename: {json.dumps(OTHER)};"
    for each in own:
        yield from _comment(each.doc, each.deprecated, "  ")
        of = json.dumps(OTHER) if other and each.key == "__typename" else got(each.kind)
        yield f"  readonly {each.key}{'?' * each.optional}: {of};"
    yield "}"


def _choice(choice: Choice) -> Iterator[str]:
    yield from _comment(choice.doc, "", "")
    members = [*(record.name for _, record in choice.members), choice.other.name]
    yield f"export type {choice.name} = {' | '.join(members)};"


def got(of: Kind) -> str:
    """The type of what comes back."""
    match of:
        case Nullable(Scalar(name)) if name not in _SCALARS:
            return "Json"
        case Nullable(inner):
            return f"{got(inner)} | null"
        case Listed(inner):
            return _list(got(inner))
        case Scalar(name):
            return _SCALARS.get(name, "Json")
        case Chosen(name):
            return f"{name} | {json.dumps(OTHER)}"
        case Named(name):
            return name
        case Typename(names):
            return " | ".join(map(json.dumps, names)) or "string"
    raise AssertionError(of)


def _list(member: str) -> str:
    return f"readonly ({member})[]" if " " in member else f"readonly {member}[]"


# The client


def _documents(shapes: Shapes, documents: Mapping[str, tuple[str, str]], trusted: bool) -> Iterator[str]:
    body: list[str] = []
    for each in shapes.methods:
        known, text = documents[each.name]
        body += ["", *_comment(each.doc, "", "")]
        body.append(
            f"export const {constant_of(each)}: TypedDocument<{each.gives.name}, {_variables(each, shapes)}> = {{"
        )
        body.append(f"  name: {json.dumps(each.name)},")
        body.append(f"  id: {json.dumps(known)},")
        body.append("  text: null," if trusted else f"  text: {_text(text)},")
        if each.keys:
            body.append(f"  keys: {json.dumps(each.keys)},")
        body.append(f"  repeatable: {json.dumps(each.repeatable)},")
        if each.resume:
            variable, field = json.dumps(each.resume.variable), json.dumps(each.resume.field)
            ends = f", ends: {json.dumps(each.resume.ends)}" if each.resume.ends else ""
            body.append(f"  resume: {{ variable: {variable}, field: {field}{ends} }},")
        body.append("};")
    groups = {
        "inputs": [variables_of(each, shapes) for each in shapes.methods],
        "results": [each.gives.name for each in shapes.methods], "transport": _TRANSPORT,
    }  # fmt: skip
    yield from _module("The operations, as they are sent, with the types of what they give and take.", body, groups)


def constant_of(method: Method) -> str:
    return f"{method.gives.name.removesuffix('Data').rstrip('_')}Document"


def _client(shapes: Shapes) -> Iterator[str]:
    body = ["", "/** A method for each operation. */", "export class Client extends Asking {"]
    for each in shapes.methods:
        body += [*([""] if body[-1] != "export class Client extends Asking {" else []), *_method(each, shapes)]
    body.append("}")
    groups = {
        "inputs": [variables_of(each, shapes) for each in shapes.methods],
        "results": [each.gives.name for each in shapes.methods], "transport": _TRANSPORT,
    }  # fmt: skip
    lines = list(_module("The client.", body, groups))
    values = ['import { Asking } from "./transport.js";']
    if shapes.methods:
        values.insert(0, 'import * as documents from "./documents.js";')
    yield lines[0]
    yield ""
    yield from values
    yield from (lines[2:] if lines[1:2] == [""] else lines[1:])
    yield ""
    yield f'export {{ {", ".join(_ERRORS)} }} from "./answers.js";'
    yield 'export type { DateTime, GraphqlError, Json } from "./answers.js";'
    yield 'export type { AskOptions, ClientOptions, Retries, TypedDocument } from "./transport.js";'
    yield 'export type * from "./inputs.js";'
    yield 'export type * from "./results.js";'


def _method(each: Method, shapes: Shapes) -> Iterator[str]:
    name = camel(each.name)
    name = f"{name}_" if name in _OF_CLIENTS else name
    yield from _comment(each.doc, "", "  ")
    live = each.how == "subscription"
    gives = f"AsyncGenerator<{each.gives.name}, void>" if live else f"Promise<{each.gives.name}>"
    default = "" if any(not one.optional for one in each.variables) else " = {}"
    variables = f"variables: {_variables(each, shapes)}{default}, " if each.variables else ""
    yield f"  {name}({variables}options: AskOptions = {{}}): {gives} {{"
    given = "variables" if each.variables else "{}"
    yield f"    return this.{'live' if live else 'ask'}(documents.{constant_of(each)}, {given}, options);"
    yield "  }"


def _variables(each: Method, shapes: Shapes) -> str:
    return variables_of(each, shapes) if each.variables else "object"


# Texts


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${")
    return f"`{escaped}`"


def _comment(doc: str, deprecated: str, pad: str) -> Iterator[str]:
    lines = doc.replace("*/", "* /").splitlines()
    lines += [f"@deprecated {' '.join(deprecated.replace('*/', '* /').split())}"] if deprecated else []
    if len(lines) == 1:
        yield f"{pad}/** {lines[0]} */"
    elif lines:
        yield f"{pad}/**"
        yield from (f"{pad} * {line}".rstrip() for line in lines)
        yield f"{pad} */"
