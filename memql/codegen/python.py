"""Functions in Python: one module that awaits, its twin that does not, and what both stand on.

A row is a frozen dataclass, a node one of its kind. Dates and times are Python's; a duration is ISO 8601 text, since it
may have months; a parameter that may be left out is a keyword with a default.
"""

import json
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence

from memql.codegen.declared import Declared, Field, Function, Record
from memql.codegen.python_over_http import OVER_HTTP
from memql.codegen.python_runtime import ASYNC, RUNTIME, SYNC, Twin
from memql.describe import Parameter
from memql.types import ANY, Type

_NAMES = {
    "string": "str", "integer": "int", "float": "float", "boolean": "bool", "date": "date", "datetime": "datetime",
    "time": "time", "localtime": "time", "localdatetime": "datetime", "duration": "Duration", "null": "None",
    "map": "dict[str, Json]", "path": "Path",
}  # fmt: skip
_READERS = {
    "float": "to_float", "date": "to_date", "datetime": "to_datetime", "time": "to_time", "localtime": "to_time",
    "localdatetime": "to_datetime", "path": "Path.read",
}  # fmt: skip
_RUNTIME = (
    "Change", "Duration", "Executor", "Json", "LiveExecutor", "Node", "Path", "Relation", "SyncExecutor",
    "SyncLiveExecutor", "SyncWritingExecutor", "WritingExecutor",
    "by_kind", "changes", "first", "listed", "nullable", "only", "same", "sync_changes", "to_date",
    "to_datetime", "to_float", "to_time",
)  # fmt: skip
_HIDDEN = frozenset({"read", "str", "int", "float", "bool", "list", "dict", "tuple", "date", "datetime", "time"})
_TAKEN = frozenset({"executor", "idempotency_key", "rows", "row", "Any", "Mapping", "Sequence"})


def beside(head: str) -> Mapping[str, str]:
    """The files that every module stands on, by name; `head` stands above each."""
    package = '"""Typed functions of MemQL."""\n'
    return {
        "__init__.py": head + package,
        "runtime.py": head + RUNTIME,
        "over_http.py": head + OVER_HTTP,
        "py.typed": "",
    }


def modules(name: str, doc: str, head: str, declared: Declared) -> Mapping[str, str]:
    """The module of a file and its twin, by name."""
    return {
        f"{name}.py": head + "\n".join(_module(doc, declared)) + "\n",
        f"{name}_sync.py": head + "\n".join(_twin(name, doc, declared)) + "\n",
    }


def _module(doc: str, declared: Declared) -> Iterator[str]:
    unions = _unions(declared)
    body: list[str] = []
    for record in declared.records:
        body += ["", "", *_record(record, declared)]
    for name, kinds in unions.items():
        body += ["", "", *_union(name, kinds)]
    for function in declared.functions:
        body += ["", "", f"{_constant(function)} = {_text(function.text)}"]
    for function in declared.functions:
        body += ["", "", *_function(function, ASYNC, declared)]
    yield f'"""{doc}"""'
    yield ""
    yield from _imports("\n".join(body), ("AsyncIterator", "Callable", "Mapping", "Sequence"))
    yield from body


def _twin(name: str, doc: str, declared: Declared) -> Iterator[str]:
    body: list[str] = []
    for function in declared.functions:
        body += ["", "", *_function(function, SYNC, declared)]
    written = "\n".join(body)
    records = [each.name for each in declared.records]
    shared = [each for each in (*map(_constant, declared.functions), *records) if _mentions(written, each)]
    yield f'"""{doc} The same without waiting: made from the same template as `{name}`."""'
    yield ""
    outside, _, ours = "\n".join(_imports(written, ("Iterator", "Mapping", "Sequence"))).partition("\nfrom .runtime")
    yield outside
    yield f"from .{name} import ("
    yield from (f"    {each}," for each in sorted(shared))
    yield ")"
    yield f"from .runtime{ours}"
    yield from body


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


def _imports(body: str, abstract: Sequence[str]) -> Iterator[str]:
    """Only what is used: what reads generated code may have rules about that."""
    from_abc = [each for each in abstract if _mentions(body, each)]
    times = [each for each in ("date", "datetime", "time", "timedelta") if _mentions(body, each)]
    typing = [each for each in ("Any", "Literal") if _mentions(body, each)]
    ours = [each for each in _RUNTIME if _mentions(body, each)]
    if from_abc:
        yield f"from collections.abc import {', '.join(from_abc)}"
    if _mentions(body, "dataclass"):
        yield "from dataclasses import dataclass"
    if times:
        yield f"from datetime import {', '.join(times)}"
    if typing:
        yield f"from typing import {', '.join(typing)}"
    if ours:
        yield ""
        yield "from .runtime import ("
        yield from (f"    {each}," for each in ours)
        yield ")"


# Records


def _record(record: Record, declared: Declared) -> Iterator[str]:
    yield "@dataclass(frozen=True, slots=True)"
    yield f"class {record.name}:"
    if record.doc:
        yield f'    """{_sentence(record.doc)}"""'
        yield ""
    lines = [*_own(record), *((_field(each.name), annotated(each.type, declared)) for each in record.fields)]
    yield from (f"    {name}: {of}" for name, of in lines)
    if not lines:
        yield "    pass"
    yield ""
    what = "row" if record.of == "row" else "value"
    yield "    @classmethod"
    yield f'    def read(cls, {what}: Any) -> "{record.name}":'
    yield "        return cls("
    if record.of in ("node", "relation"):
        yield '            value["id"],'
        yield '            value["kind"],'
    if record.of == "node":
        yield '            tuple(value.get("labels", ())),'
    if record.of == "relation":
        yield '            value["source"],'
        yield '            value["target"],'
        yield '            value["weight"],'
    for place, each in enumerate(record.fields):
        got = f"row[{place}]" if record.of == "row" else _taken(each)
        yield f"            {_read(each.type, got, declared)},"
    yield "        )"


def _own(record: Record) -> list[tuple[str, str]]:
    """What every node or relation has."""
    if record.of == "node":
        return [("id", "str"), ("kind", f'Literal["{record.kind}"]'), ("labels", "tuple[str, ...]")]
    if record.of == "relation":
        kind = ("kind", f'Literal["{record.kind}"]')
        return [("id", "str"), kind, ("source", "str"), ("target", "str"), ("weight", "float")]
    return []


def _taken(each: Field) -> str:
    """What a map has may be absent where it may be null."""
    key = json.dumps(each.key, ensure_ascii=False)
    return f"value.get({key})" if each.type.nullable or each.type.name == "any" else f"value[{key}]"


def _unions(declared: Declared) -> dict[str, list[Record]]:
    """Nodes or relations of several kinds that come together, each with the name of what reads them."""
    found: dict[str, list[Record]] = {}

    def look(of: Type) -> None:
        if of.member is not None:
            look(of.member)
        if (records := declared.items(of)) and len(records) > 1:
            found[_reader_of(records)] = records

    for record in declared.records:
        for each in record.fields:
            look(each.type)
    return dict(sorted(found.items()))


def _reader_of(records: Sequence[Record]) -> str:
    return f"read_{'_or_'.join(each.name.lower() for each in records)}"


def _union(name: str, records: Sequence[Record]) -> Iterator[str]:
    yield f"def {name}(value: Any) -> {' | '.join(each.name for each in records)}:"
    of = " | ".join(each.name for each in records)
    yield f"    readers: Mapping[str, Callable[[Any], {of}]] = {{"
    yield from (f'        "{each.kind}": {each.name}.read,' for each in records)
    yield "    }"
    yield "    return by_kind(value, readers)"


# Types


def annotated(of: Type, declared: Declared) -> str:
    """The type of a value that is given."""
    if of.name == "any":
        return "Json"
    name = _present(of, declared)
    return f"{name} | None" if of.nullable and name != "None" else name


def _present(of: Type, declared: Declared) -> str:
    if of.name == "list":
        return f"list[{annotated(of.member or ANY, declared)}]"
    if of.fields is not None:
        return declared.maps[of.fields].name
    if of.name in ("node", "relation"):
        records = declared.items(of)
        return " | ".join(each.name for each in records) if records else of.name.capitalize()
    return _NAMES[of.name]


def _reader(of: Type, declared: Declared) -> str:
    """A function that makes such a value of JSON; empty: it is one already."""
    inner = ""
    if of.name == "list":
        member = _reader(of.member or ANY, declared)
        inner = f"listed({member})" if member else ""
    elif of.fields is not None:
        inner = f"{declared.maps[of.fields].name}.read"
    elif of.name in ("node", "relation"):
        records = declared.items(of)
        inner = f"{of.name.capitalize()}.read" if not records else f"{records[0].name}.read"
        inner = _reader_of(records) if records and len(records) > 1 else inner
    else:
        inner = _READERS.get(of.name, "")
    return f"nullable({inner})" if inner and of.nullable else inner


def _read(of: Type, got: str, declared: Declared) -> str:
    reader = _reader(of, declared)
    return f"{reader}({got})" if reader else got


def asked(of: Type) -> str:
    """The type of a parameter: whatever such a value can be made of."""
    if of.name == "any":
        return "object"
    if of.name == "list":
        name = f"Sequence[{asked(of.member or ANY)}]"
    else:
        name = {"duration": "Duration | timedelta", "map": "Mapping[str, object]"}.get(of.name) or _NAMES[of.name]
    return f"{name} | None" if of.nullable else name


# Functions


def _function(function: Function, twin: Twin, declared: Declared) -> Iterator[str]:
    live = function.how == "live"
    executor = twin.live if live else twin.writing if function.writes else twin.executor
    yield twin.of(f"{'def' if live else '<define>'} {_name(function.name)}(")
    yield f"    executor: {executor},"
    yield "    /,"
    if function.parameters or function.writes:
        yield "    *,"
    for each in sorted(function.parameters, key=lambda each: each.optional):
        yield f"    {_parameter(each)}: {asked(each.type)}{' = None' if each.optional else ''},"
    if function.writes:
        yield "    idempotency_key: str | None = None,"
    yield f") -> {_gives(function, twin)}:"
    if function.doc:
        yield from _docstring(function.doc)
    given = ", ".join(f'"{each.name}": {_parameter(each)}' for each in function.parameters)
    call = f"{_constant(function)}, {{{given}}}"
    yield from (f"    {line}" for line in _body(function, twin, call))


def _gives(function: Function, twin: Twin) -> str:
    if not function.row:
        return "None"
    match function.how:
        case "live":
            return f"{twin.iterator}[Change[{function.row}]]"
        case "one":
            return function.row if function.rows == "one" else f"{function.row} | None"
    return f"list[{function.row}]"


def _body(function: Function, twin: Twin, call: str) -> Iterator[str]:
    asks = f"{twin.wait}executor.{f'write({call}, idempotency_key)' if function.writes else f'rows({call})'}"
    if not function.row:
        yield asks
    elif function.how == "live":
        yield f"return {twin.changes}(executor.live({call}), {function.row}.read)"
    elif function.how == "one" and function.rows == "one":
        yield f"return {function.row}.read(only({asks}))"
    elif function.how == "one":
        yield f"row = first({asks})"
        yield f"return None if row is None else {function.row}.read(row)"
    else:
        yield f"rows = {asks}"
        yield f"return [{function.row}.read(row) for row in rows]"


# Names and texts


def _name(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) or name == "read" else name


def _field(name: str) -> str:
    """A field that is called like a type would hide it from those behind."""
    return f"{name}_" if keyword.iskeyword(name) or name in _HIDDEN else name


def _parameter(each: Parameter) -> str:
    name = each.name if each.name.isidentifier() else f"p_{each.name}"
    return f"{name}_" if keyword.iskeyword(name) or name in _TAKEN else name


def _constant(function: Function) -> str:
    return f"{function.name.upper()}_QUERY"


def _text(text: str) -> str:
    written = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    written = written[:-1] + '\\"' if written.endswith('"') else written
    return f'"""{written}"""'


def _sentence(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', "'")
    return text if text.endswith(".") else f"{text[0].upper()}{text[1:]}."


def _docstring(doc: str) -> Iterator[str]:
    first, *others = doc.replace("\\", "\\\\").replace('"""', "'''").splitlines()
    first = f"{first} " if first.endswith('"') and not others else first
    if not others:
        yield f'    """{first}"""'
        return
    yield f'    """{first}'
    yield from (f"    {line}".rstrip() for line in others)
    yield '    """'
