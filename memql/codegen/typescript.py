"""Functions in TypeScript: interfaces, and functions over a small `Executor`; no package is needed.

Dates and times stay the ISO 8601 text that they are in JSON: a Date has milliseconds, and they have microseconds. Where
a datetime is asked for, a Date will do. Whole numbers are numbers, exact up to 2^53.
"""

import json
import re
from collections.abc import Iterator, Mapping

from memql.codegen.declared import Declared, Function, Record, camel
from memql.codegen.typescript_runtime import RUNTIME
from memql.describe import Parameter
from memql.types import ANY, Type

_NAMES = {
    "string": "string", "integer": "number", "float": "number", "boolean": "boolean", "date": "string",
    "datetime": "DateTime", "time": "string", "localtime": "string", "localdatetime": "string",
    "duration": "Duration", "null": "null", "map": "{ readonly [name: string]: Json }", "path": "Path", "any": "Json",
}  # fmt: skip
_TYPES = (
    "Change",
    "DateTime",
    "Duration",
    "Executor",
    "Json",
    "LiveExecutor",
    "Node",
    "Params",
    "Path",
    "Relation",
    "WriteOptions",
    "WritingExecutor",
)
_VALUES = ("changes", "first", "only")
_RESERVED = frozenset(
    """break case catch class const continue debugger default delete do else enum export extends false finally for
    function if import in instanceof new null return super switch this throw true try typeof var void while with yield
    let static implements interface package private protected public await async arguments eval""".split()
)
_PLAIN = re.compile(r"[A-Za-z_$][\w$]*\Z", re.ASCII)


def beside(head: str) -> Mapping[str, str]:
    return {"runtime.ts": head + RUNTIME}


def modules(name: str, doc: str, head: str, declared: Declared) -> Mapping[str, str]:
    return {f"{name}.ts": head + "\n".join(_module(doc, declared)) + "\n"}


def _module(doc: str, declared: Declared) -> Iterator[str]:
    body: list[str] = []
    for record in declared.records:
        body += ["", *_interface(record, declared)]
    for function in declared.functions:
        body += ["", f"export const {_constant(function)} = {json.dumps(function.text, ensure_ascii=False)};"]
    for record in declared.records:
        if record.of == "row":
            body += ["", *_reader(record, declared)]
    for function in declared.functions:
        body += ["", *_function(function, declared)]
    written = "\n".join(body)
    types = [f"type {each}" for each in _TYPES if re.search(rf"\b{each}\b", written)]
    values = [each for each in _VALUES if re.search(rf"\b{each}\(", written)]
    yield f"/** {doc} */"
    yield ""
    yield "import {"
    yield from (f"  {each}," for each in (*types, *values))
    yield '} from "./runtime.js";'
    yield from body


# Records


def _interface(record: Record, declared: Declared) -> Iterator[str]:
    if record.doc:
        yield from _comment(record.doc, "")
    yield f"export interface {record.name} {{"
    if record.of in ("node", "relation"):
        yield "  readonly id: string;"
        yield f"  readonly kind: {json.dumps(record.kind)};"
    if record.of == "node":
        yield "  readonly labels?: readonly string[];"
    if record.of == "relation":
        yield "  readonly source: string;"
        yield "  readonly target: string;"
        yield "  readonly weight: number;"
    for each in record.fields:
        # What a node does not say is not there, and the same goes for a map that is made of one.
        absent = "?" if record.of != "row" and each.type.nullable else ""
        yield f"  readonly {_key(each.name if record.of == 'row' else each.key)}{absent}: {typed(each.type, declared)};"
    yield "}"


def _reader(record: Record, declared: Declared) -> Iterator[str]:
    yield f"function read{record.name}(row: readonly unknown[]): {record.name} {{"
    yield "  return {"
    for place, each in enumerate(record.fields):
        # JSON has no number for what is none.
        got = f"(row[{place}] ?? NaN)" if each.type == Type("float", False) else f"row[{place}]"
        yield f"    {_key(each.name)}: {got} as {typed(each.type, declared)},"
    yield "  };"
    yield "}"


def _key(name: str) -> str:
    return name if _PLAIN.match(name) else json.dumps(name)


# Types


def typed(of: Type, declared: Declared) -> str:
    if of.name == "list":
        member = typed(of.member or ANY, declared)
        name = f"readonly ({member})[]" if " " in member else f"readonly {member}[]"
    elif of.fields is not None:
        name = declared.maps[of.fields].name
    elif of.name in ("node", "relation"):
        records = declared.items(of)
        name = " | ".join(each.name for each in records) if records else of.name.capitalize()
    else:
        name = _NAMES[of.name]
    return f"{name} | null" if of.nullable and of.name not in ("any", "null") else name


def asked(of: Type) -> str:
    """The type of a parameter."""
    if of.name == "any":
        return "unknown"
    if of.name == "list":
        member = asked(of.member or ANY)
        name = f"readonly ({member})[]" if " " in member else f"readonly {member}[]"
    else:
        name = {"datetime": "DateTime | Date", "map": "Params"}.get(of.name) or _NAMES[of.name]
    return f"{name} | null" if of.nullable else name


# Functions


def _function(function: Function, declared: Declared) -> Iterator[str]:
    if function.doc:
        yield from _comment(function.doc, "")
    live = function.how == "live"
    executor = "LiveExecutor" if live else "WritingExecutor" if function.writes else "Executor"
    yield f"export {'' if live else 'async '}function {_name(function.name)}("
    yield f"  executor: {executor},"
    if function.parameters:
        fields = "; ".join(map(_parameter, function.parameters))
        default = " = {}" if all(each.optional for each in function.parameters) else ""
        yield f"  params: {{ {fields} }}{default},"
    if function.writes:
        yield "  options: WriteOptions = {},"
    yield f"): {_gives(function)} {{"
    given = "params" if function.parameters else "{}"
    call = f"{_constant(function)}, {given}"
    asks = f"executor.write({call}, options)" if function.writes else f"executor.rows({call})"
    reader = f"read{function.row}"
    if not function.row:
        yield f"  await {asks};"
    elif live:
        yield f"  return changes(executor.live({call}), {reader});"
    elif function.how == "one" and function.rows == "one":
        yield f"  return {reader}(only(await {asks}));"
    elif function.how == "one":
        yield f"  const row = first(await {asks});"
        yield f"  return row === null ? null : {reader}(row);"
    else:
        yield f"  return (await {asks}).map({reader});"
    yield "}"


def _parameter(each: Parameter) -> str:
    return f"readonly {_key(each.name)}{'?' if each.optional else ''}: {asked(each.type)}"


def _gives(function: Function) -> str:
    if not function.row:
        return "Promise<void>"
    match function.how:
        case "live":
            return f"AsyncIterable<Change<{function.row}>>"
        case "one":
            return f"Promise<{function.row}{'' if function.rows == 'one' else ' | null'}>"
    return f"Promise<{function.row}[]>"


def _name(name: str) -> str:
    made = camel(name)
    return f"{made}_" if made in _RESERVED else made


def _constant(function: Function) -> str:
    return f"{function.name.upper()}_QUERY"


def _comment(doc: str, pad: str) -> Iterator[str]:
    lines = doc.replace("*/", "* /").splitlines()
    if len(lines) == 1:
        yield f"{pad}/** {lines[0]} */"
        return
    yield f"{pad}/**"
    yield from (f"{pad} * {line}".rstrip() for line in lines)
    yield f"{pad} */"
