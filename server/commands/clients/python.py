"""A client in Python: results and inputs as pydantic models, and a class with a method for each operation, once for who
awaits and once for who does not.

Names are Python's, GraphQL's stand behind them as aliases; where one can't be told from the other, it is written down.
"""

import json
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap

from pydantic import BaseModel

from server.commands.clients.python_runtime import ANSWERS, VALUES
from server.commands.clients.python_transport import ASYNC, SYNC, TRANSPORT
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

_SCALARS = {
    "ID": "str", "String": "str", "Int": "int", "Float": "float", "Boolean": "bool", "DateTime": "datetime",
    "Date": "date", "Time": "time", "Position": "int",
}  # fmt: skip
"""Any other scalar is JSON."""
RESERVED = frozenset(
    """Annotated Any AsyncGenerator Asking BaseModel Client Document Enum Final Generator Input Json Literal Mapping
    None OneOf Sequence Shape StrEnum SyncAsking SyncClient Tag True False TypeAlias UNSET Unknown Unset""".split()
)
"""What no class may be called."""
_HIDING = frozenset(
    """bool by_typename camel date datetime dict documents either float given int list named object self str time
    tuple""".split()
)
"""What a field may not be called, since annotations in its class mean something else by it."""
LINE = 120
"""So long a line may be: what is made need not be laid out by anything else."""
_OF_CLIENTS = frozenset("aclose close documents".split())


def files(shapes: Shapes, documents: Mapping[str, tuple[str, str]], trusted: bool, head: str) -> Mapping[str, str]:
    """The files of a client, by name. `documents` are the ids and texts of operations by their names; a trusted client
    has no texts."""
    return {
        # As the functions of .memql files have it, which may stand in the same directory.
        "__init__.py": '# Made by `memql codegen`: change that, and make it again.\n"""Typed functions of MemQL."""\n',
        "py.typed": "",
        "values.py": head + VALUES,
        "answers.py": head + ANSWERS,
        "transport.py": head + TRANSPORT,
        "inputs.py": head + "\n".join(_inputs(shapes)) + "\n",
        "results.py": head + "\n".join(_results(shapes)) + "\n",
        "documents.py": head + "\n".join(_documents(shapes, documents, trusted)) + "\n",
        "client.py": head + "\n".join(_client(shapes, ASYNC)) + "\n",
        "client_sync.py": head + "\n".join(_client(shapes, SYNC)) + "\n",
    }


def _module(doc: str, body: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A module that imports only what it mentions."""
    written = re.sub(r'"""(?s:.*?)"""', "", "\n".join(body))
    yield f'"""{doc}"""'
    yield ""
    yield "from __future__ import annotations"
    before = ""
    for source, names in groups.items():
        used = sorted(
            {name for name in names if re.search(rf"\b{name}\b", written)},
            key=_sorting,
        )
        if not used:
            continue
        whose = "ours" if source.startswith(".") else source if source == "pydantic" else "python"
        yield from ("",) * (whose != before)
        before = whose
        yield from _wrapped(f"from {source} import ", ", ".join(used), "(", ")")
    yield from body


def _sorting(name: str) -> tuple[bool, bool, list[str | int]]:
    """As isort has it: constants, classes, functions; `B2` before `B10`."""
    parts = [int(each) if each.isdigit() else each for each in re.split(r"(\d+)", name)]
    return not name.isupper() or len(name) == 1, name[0].islower(), [*parts]


def _wrapped(before: str, listed: str, opening: str, closing: str, pad: str = "") -> Iterator[str]:
    """What is listed on one line, or on a line each in brackets."""
    inside = "" if opening == "(" and before.startswith("from ") else opening
    line = f"{pad}{before}{inside}{listed}{closing if inside else ''}"
    if len(line) <= LINE:
        yield line
        return
    yield f"{pad}{before}{opening}"
    yield from (f"{pad}    {each}," for each in listed.split(", "))
    yield f"{pad}{closing}"


_ABC = {
    "collections.abc": ("AsyncGenerator", "Generator", "Mapping", "Sequence"),
    "datetime": ("date", "datetime", "time"),
}
_VALUES = ("Input", "Json", "OneOf", "Shape", "UNSET", "Unknown", "Unset", "by_typename", "either", "named")


# Inputs


def _inputs(shapes: Shapes) -> Iterator[str]:
    body: list[str] = []
    for enum in shapes.enums:
        body += ["", "", *_enum(enum)]
    for each in shapes.inputs:
        body += ["", "", *_input(each)]
    groups = {**_ABC, "enum": ("StrEnum",), "typing": ("Annotated",), ".values": _VALUES}
    yield from _module("What goes in: inputs, and the enums of what goes in and comes back.", body, groups)


def _enum(enum: Enum) -> Iterator[str]:
    yield f"class {enum.name}(StrEnum):"
    yield from _docstring(enum.doc, "    ")
    if enum.doc:
        yield ""
    for (value, doc), name in zip(enum.values, _members([value for value, _ in enum.values]), strict=True):
        yield f'    {name} = "{value}"'
        yield from _docstring(doc, "    ")


def _input(each: Input) -> Iterator[str]:
    yield f"class {each.name}({'OneOf' if each.one_of else 'Input'}):"
    yield from _docstring(each.doc, "    ")
    if each.doc:
        yield ""
    for one, name in zip(each.fields, _fields([one.key for one in each.fields]), strict=True):
        of = asked(one.kind)
        if one.optional and each.one_of and isinstance(one.kind, Nullable):
            of = asked(one.kind.of)
        yield f"    {name}: {_aliased(of + ' | Unset' * one.optional, one.key, name)}{' = UNSET' * one.optional}"
        yield from _docstring(_said(one), "    ")


def asked(of: Kind) -> str:
    """The type of what is given."""
    match of:
        case Nullable(Scalar(name)) if name not in _SCALARS:
            return "object"
        case Nullable(inner):
            return f"{asked(inner)} | None"
        case Listed(inner):
            return f"Sequence[{asked(inner)}]"
        case Scalar(name):
            return _SCALARS.get(name, "object")
        case Chosen(name) | Named(name):
            return name
    raise AssertionError(of)


# Results


def _results(shapes: Shapes) -> Iterator[str]:
    body: list[str] = []
    names = _names_of(shapes)
    for each in shapes.results:
        body += ["", "", *(_record(each, names) if isinstance(each, Record) else _choice(each))]
    groups = {
        **_ABC, "typing": ("Annotated", "Literal", "TypeAlias"), "pydantic": ("Tag",),
        ".inputs": [each.name for each in shapes.enums], ".values": _VALUES,
    }  # fmt: skip
    yield from _module("What comes back: the data of each operation, and the fragments that they share.", body, groups)


def _names_of(shapes: Shapes) -> dict[str, str]:
    """What each key of any record is called: the same in all of them, since one may stand under another. Those that are
    written as is usual come first."""
    keys = {each.key for record in shapes.results if isinstance(record, Record) for each in record.fields}
    order = ["__typename", *sorted(keys - {"__typename"}, key=lambda key: (camel(snake(key)) != key, key))]
    return dict(zip(order, _fields(order), strict=True))


def _record(record: Record, names: Mapping[str, str]) -> Iterator[str]:
    yield f"class {record.name}({', '.join(base.name for base in record.bases) or 'Shape'}):"
    yield from _docstring(record.doc, "    ")
    if record.own and record.doc:
        yield ""
    for each in record.own:
        name = names[each.key]
        of = got(each.kind)
        if each.optional and not isinstance(each.kind, Nullable):
            of = f"{of} | None"
        if isinstance(each.kind, Typename) and each.kind.names and name == "typename" and not each.optional:
            yield from _wrapped(f"{name}: Literal", ", ".join(map(json.dumps, each.kind.names)), "[", "]", "    ")
            continue
        yield f"    {name}: {_aliased(of, each.key, name)}{' = None' * each.optional}"
        yield from _docstring(_said(each), "    ")
    if not record.own and not record.doc:
        yield "    pass"


def _choice(choice: Choice) -> Iterator[str]:
    yield f"{choice.name}: TypeAlias = Annotated["
    records = [*(record for _, record in choice.members), choice.other]
    members = [f'Annotated[{record.name}, Tag("{record.name}")]' for record in records]
    if len(line := f"    {' | '.join(members)},") <= LINE:
        yield line
    else:
        yield f"    {members[0]}"
        yield from (f"    | {each}{',' * (each is members[-1])}" for each in members[1:])
    tags = [f'"{name}": "{record.name}"' for types, record in choice.members for name in types]
    line = f'    by_typename({{{", ".join(tags)}}}, "{choice.other.name}"),'
    if len(line) <= LINE:
        yield line
    else:
        yield "    by_typename("
        yield "        {"
        yield from (f"            {tag}," for tag in tags)
        yield "        },"
        yield f'        "{choice.other.name}",'
        yield "    ),"
    yield "]"
    yield from _docstring(choice.doc, "")


def got(of: Kind) -> str:
    """The type of what comes back."""
    match of:
        case Nullable(Scalar(name)) if name not in _SCALARS:
            return "Json"
        case Nullable(inner):
            return f"{got(inner)} | None"
        case Listed(inner):
            return f"list[{got(inner)}]"
        case Scalar(name):
            return _SCALARS.get(name, "Json")
        case Chosen(name):
            return f"Annotated[{name} | Unknown, either({name})]"
        case Named(name):
            return name
        case Typename(names):
            return f"Literal[{', '.join(map(json.dumps, names))}]" if names else "str"
    raise AssertionError(of)


# The client


def _documents(shapes: Shapes, documents: Mapping[str, tuple[str, str]], trusted: bool) -> Iterator[str]:
    body: list[str] = []
    for each, constant in zip(shapes.methods, _constants(shapes), strict=True):
        known, text = documents[each.name]
        body += ["", "", f"{constant} = Document(", f'    "{each.name}",', f'    "{known}",']
        body.append("    None," if trusted else f"    {_text(text)},")
        if each.keys:
            body.append(f"    keys={_tuples(each.keys)},")
        if not each.repeatable:
            body.append("    repeatable=False,")
        if each.resume:
            body.append(f'    after="{each.resume.variable}",')
            body.append(f'    field="{each.resume.field}",')
            body += [f'    ends="{each.resume.ends}",'] if each.resume.ends else []
        body.append(")")
    yield from _module("The operations, as they are sent.", body[1:], {".transport": ("Document",)})


def _client(shapes: Shapes, twin: Mapping[str, str]) -> Iterator[str]:
    own = "SyncClient" if twin is SYNC else "Client"
    body = ["", "", f"class {own}({twin['asking']}):"]
    body.append(f'    """A method for each operation{"; none of them waits" if twin is SYNC else ""}."""')
    names = _unique([_plain(snake(each.name), _OF_CLIENTS) for each in shapes.methods])
    for each, name, constant in zip(shapes.methods, names, _constants(shapes), strict=True):
        body += ["", *(f"    {line}".rstrip() for line in _method(each, name, constant, twin))]
    given = [*(each.name for each in shapes.enums), *(each.name for each in shapes.inputs)]
    groups = {
        **_ABC, ".": ("documents",), ".inputs": given,
        ".results": [each.gives.name for each in shapes.methods], ".transport": ("Asking", "SyncAsking"),
        ".values": ("UNSET", "Unset"),
    }  # fmt: skip
    yield from _module(
        "The client." if twin is ASYNC else "The client that does not wait: made from the same template.", body, groups
    )


def _method(each: Method, name: str, constant: str, twin: Mapping[str, str]) -> Iterator[str]:
    live = each.how == "subscription"
    arguments = _fields([one.key for one in each.variables])
    yield f"{'def' if live else twin['define']} {name}("
    yield "    self,"
    if each.variables:
        yield "    *,"
    for one, argument in zip(each.variables, arguments, strict=True):
        yield f"    {argument}: {asked(one.kind)}{' | Unset = UNSET' * one.optional},"
    gives = twin["generator"].replace("T", each.gives.name, 1) if live else each.gives.name
    yield f") -> {gives}:"
    said = [f"`{argument}`: {one.doc}" for one, argument in zip(each.variables, arguments, strict=True) if one.doc]
    yield from _docstring(
        "\n".join([*filter(None, (each.doc, "" if not said or not each.doc else " ")), *said]), "    "
    )
    given = ", ".join(f'"{one.key}": {argument}' for one, argument in zip(each.variables, arguments, strict=True))
    asks = "return self._live" if live else f"return {twin['wait']}self._ask"
    if len(given) < 60:
        yield f"    {asks}(documents.{constant}, {{{given}}}, {each.gives.name})"
        return
    yield from _wrapped("given = ", given, "{", "}", "    ")
    yield f"    {asks}(documents.{constant}, given, {each.gives.name})"


def _tuples(keys: Sequence[Sequence[str]]) -> str:
    """As Python writes them, with double quotes."""
    made = ["(" + ", ".join(f'"{step}"' for step in path) + "," * (len(path) == 1) + ")" for path in keys]
    return f"({', '.join(made)}{',' * (len(made) == 1)})"


def _constants(shapes: Shapes) -> list[str]:
    return _unique([_plain(snake(each.name).upper(), frozenset()) for each in shapes.methods])


# Names


def snake(key: str) -> str:
    """`validFrom` is `valid_from`, `asJSON` is `as_json`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", key).lower()


def camel(name: str) -> str:
    """As generated code reads a name."""
    if name == "typename":
        return "__typename"
    first, *others = name.rstrip("_").split("_")
    return first + "".join(each[:1].upper() + each[1:] for each in others)


_OF_MODELS = frozenset(dir(BaseModel)) | {"model_config", "model_fields", "model_computed_fields"}


def _fields(keys: Sequence[str]) -> list[str]:
    named = ("typename" if key == "__typename" else _plain(snake(key), _HIDING | _OF_MODELS) for key in keys)
    return _unique([*named])


def _members(values: Sequence[str]) -> list[str]:
    return _unique([_plain(value, frozenset(dir(str)) | {"name", "value", "mro"}) for value in values])


def _plain(name: str, hidden: frozenset[str]) -> str:
    name = name.strip("_") or "field"
    name = f"field_{name}" if name[0].isdigit() else name
    return f"{name}_" if keyword.iskeyword(name) or name in hidden else name


def _unique(names: Sequence[str]) -> list[str]:
    """The names, where one comes again with a number behind it."""
    made: list[str] = []
    for name in names:
        number, own = 2, name
        while own in made:
            number, own = number + 1, f"{name.rstrip('_')}_{number}"
        made.append(own)
    return made


def _aliased(of: str, key: str, name: str) -> str:
    return of if camel(name) == key else f'Annotated[{of}, named("{key}")]'


# Texts


def _said(each: Field) -> str:
    old = f"Deprecated: {each.deprecated}" if each.deprecated else ""
    return "\n".join(filter(None, (each.doc, old)))


def _docstring(doc: str, pad: str) -> Iterator[str]:
    if not doc:
        return
    lines = doc.replace("\\", "\\\\").replace('"""', "'''").splitlines()
    first, *others = [part for line in lines for part in wrap(line, 108, break_long_words=False) or [""]]
    if not others:
        yield f'{pad}"""{first}{" " * first.endswith(chr(34))}"""'
        return
    yield f'{pad}"""{first}'
    yield from (f"{pad}{line}".rstrip() for line in others)
    yield f'{pad}"""'


def _text(text: str) -> str:
    written = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{written}"""' if not written.endswith('"') else f'"""{written[:-1]}\\""""'
