"""The settings of one process, from flags, environment, file and defaults; each value knows the place it came from.

Reads the one file that it is pointed to and nothing else; guesses at no value: a name that is unknown anywhere is
refused, since a mistyped limit that is silently ignored is found only when it is needed. All problems come at once.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from engine.limits import Limits
from memql.errors import Problem, Reason, Refusal, nearest

FILE = "memql.toml"
ELSEWHERE = frozenset({"MEMQL_CONFIG", "MEMQL_PYTHON"})
"""Variables that are no settings: which file to read, and which Python `./run` sets up with."""


class Settings(BaseModel):
    """What one process was told."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    data: Path = Field(default_factory=lambda: user_data_path("memql", appauthor=False))
    """Directory of all tenants; the default is where this system keeps a user's application data."""
    host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on; only this machine can reach the default."""
    port: int = Field(8484, ge=0, le=65_535)
    """Port to listen on; 0 takes any that is free."""
    tenant: str = Field("default", min_length=1, max_length=63)
    """Tenant of callers that name none: one person's agents need never think of tenants."""
    graph_engine: Literal["kuzu", "ladybug"] = "kuzu"
    """Store of the graph. Ladybug, Kùzu's successor, expands faster; a change rebuilds the graph from the journal."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """How log lines look; auto is console on a terminal and JSON everywhere else, where programs read them."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe line that is written."""
    limits: Limits = Limits()
    """Bounds on what a tenant, a command or a read may use."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each name (`port`, `limits.read_rows`) where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Given:
    """A value as someone wrote it. A relative path in it starts at `folder`.

    Only a file is `typed`: flags and variables are always text, in TOML 8484 and "8484" differ.
    """

    value: object
    place: str
    folder: Path
    typed: bool = False


def fields(model: type[BaseModel] = Settings, above: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every single setting by its full name, in the order in which they are declared."""
    for name, info in model.model_fields.items():
        table = _table(info)
        if table:
            yield from fields(table, f"{above}{name}.")
        else:
            yield above + name, info


def variable(name: str) -> str:
    """The environment variable of a setting: `limits.read_rows` is MEMQL_LIMITS__READ_ROWS."""
    return "MEMQL_" + name.replace(".", "__").upper()


def value_of(settings: Settings, name: str) -> object:
    value: object = settings
    for part in name.split("."):
        value = getattr(value, part)
    return value


def load(flags: Mapping[str, str], environ: Mapping[str, str], cwd: Path) -> Loaded | Refusal:
    """Flags over environment over file over defaults. `flags` is keyed as typed: `--port`, `--set limits.read_rows`."""
    known = dict(fields())
    problems: list[Problem] = []
    values: dict[str, object] = {}
    origins = dict.fromkeys(known, "default")
    # All are read, also those that a later source hides: what was written wrongly is wrong.
    for name, given in (
        *_in_file(flags, environ, cwd, problems),
        *_in_environment(environ, cwd),
        *_in_flags(flags, cwd),
    ):
        if name not in known:
            problems.append(_unknown(name, given.place, known))
            continue
        value = _read(name, known[name], given)
        if isinstance(value, Problem):
            problems.append(value)
        else:
            values[name], origins[name] = value, given.place
    if problems:
        return Refusal(Reason.INVALID, tuple(problems))
    return Loaded(Settings.model_validate(_nested(values)), origins)


def _in_flags(flags: Mapping[str, str], cwd: Path) -> Iterator[tuple[str, _Given]]:
    for flag, value in flags.items():
        if flag != "--config":
            name = flag.removeprefix("--set ").removeprefix("--").replace("-", "_")
            yield name, _Given(value, f"flag {flag}", cwd)


def _in_environment(environ: Mapping[str, str], cwd: Path) -> Iterator[tuple[str, _Given]]:
    """A variable that is no setting's keeps its own name, and is then refused by it."""
    names = {variable(name): name for name, _ in fields()}
    for key, value in sorted(environ.items()):
        if key.startswith("MEMQL_") and key not in ELSEWHERE:
            yield names.get(key, key), _Given(value, f"environment {key}", cwd)


def _in_file(
    flags: Mapping[str, str], environ: Mapping[str, str], cwd: Path, problems: list[Problem]
) -> Iterator[tuple[str, _Given]]:
    """The file is called by the name that the person gave it. Without one of the default name there is none."""
    source = flags.get("--config") or environ.get("MEMQL_CONFIG") or FILE
    file = cwd / Path(source).expanduser()
    table = _table_of(file, source)
    if isinstance(table, Problem):
        problems.append(table)
        return
    for name, value in _flat(table):
        yield name, _Given(value, f"{source}: {name}", file.parent, typed=True)


def _table_of(file: Path, source: str) -> dict[str, object] | Problem:
    where = "check --config or MEMQL_CONFIG"
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {} if source == FILE else Problem("SETTINGS_FILE", "there is no such file", source, where)
    except tomllib.TOMLDecodeError as error:
        # The parser's own words are for its authors; the spot is what helps.
        spot = re.search(r"line (\d+), column (\d+)", str(error))
        at = f"line {spot[1]}, column {spot[2]}" if spot else "its end"
        return Problem("SETTINGS_FILE", f"this is not TOML at {at}", source, "text values need quotes")
    except UnicodeDecodeError:
        return Problem("SETTINGS_FILE", "this is not UTF-8 text", source, "save it as UTF-8")
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else "the disk failed"
        return Problem("SETTINGS_FILE", f"it can't be read: {why}", source, where)


def _flat(
    table: Mapping[str, object], above: str = "", model: type[BaseModel] = Settings
) -> Iterator[tuple[str, object]]:
    """Opens only the tables that the settings have: any other table is a value, and the wrong one."""
    for key, value in table.items():
        info = model.model_fields.get(key)
        inner = _table(info) if info else None
        if inner and isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.", inner)
        else:
            yield above + key, value


def _nested(values: Mapping[str, object]) -> dict[str, object]:
    nested: dict[str, object] = {}
    for name, value in values.items():
        *tables, leaf = name.split(".")
        at = nested
        for table in tables:
            inner = at.setdefault(table, {})
            assert isinstance(inner, dict)
            at = inner
        at[leaf] = value
    return nested


def _table(info: FieldInfo) -> type[BaseModel] | None:
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _read(name: str, info: FieldInfo, given: _Given) -> object:
    """The value in the field's own type, or a `Problem`."""
    kind: Any = info.annotation
    rule = TypeAdapter[object](Annotated[kind, *info.metadata] if info.metadata else kind)
    try:
        # TOML has no paths: there too a path is text.
        strict = given.typed and info.annotation is not Path
        value = rule.validate_python(given.value, strict=True) if strict else rule.validate_strings(given.value)
    except ValidationError:
        hint = nearest(str(given.value), _choices(info))
        return Problem("SETTING_INVALID", f"`{name}` must be {_wanted(info)}, not {given.value!r}", given.place, hint)
    return given.folder / value.expanduser() if isinstance(value, Path) else value


def _unknown(name: str, place: str, known: Iterable[str]) -> Problem:
    if name.startswith("MEMQL_"):
        known = [*map(variable, known), *ELSEWHERE]
    if any(each.startswith(f"{name}.") for each in known):
        return Problem("SETTING_INVALID", f"`{name}` is a table of settings, not a value", place, f"write [{name}]")
    hint = nearest(name, known) or "`memql settings` lists all"
    return Problem("SETTING_UNKNOWN", f"there is no setting `{name}`", place, hint)


def _choices(info: FieldInfo) -> tuple[str, ...]:
    return get_args(info.annotation) if get_origin(info.annotation) is Literal else ()


def _wanted(info: FieldInfo) -> str:
    """What a field takes, in words: the one sentence for every way of missing it."""
    choices = _choices(info)
    if choices:
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    nouns: dict[object, str] = {int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
    bounds = []
    for rule in info.metadata:
        match rule:
            case Ge(ge=least):
                bounds.append(f"at least {least}")
            case Gt(gt=least):
                bounds.append(f"more than {least}")
            case Le(le=most):
                bounds.append(f"at most {most}")
            case Lt(lt=most):
                bounds.append(f"less than {most}")
            case MinLen(min_length=least):
                bounds.append(f"at least {least} long")
            case MaxLen(max_length=most):
                bounds.append(f"at most {most} long")
    noun = nouns.get(info.annotation, "text")
    return f"{noun}, {' and '.join(bounds)}" if bounds else noun
