"""The settings of one process, from flags, environment, file and defaults; each value knows the place it came from.

Reads the one file that it is pointed to and nothing else; guesses at no value: a name that is unknown anywhere is
refused, since a mistyped limit that is silently ignored is found only when it is needed. All problems come at once.
pydantic-settings finds the values and merges them; what is wrong with one is said here, in our own words.
"""

import os
import re
import tomllib
from abc import abstractmethod
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from engine.limits import Limits
from memql.errors import Problem, Reason, Refusal, nearest
from server.authentication import Auth, Tls
from server.bounds import RequestLimits

FILE = "memql.toml"
ELSEWHERE = frozenset({"MEMQL_CONFIG", "MEMQL_PYTHON", "MEMQL_EMBEDDING_KEY", "MEMQL_KEY"})
"""Variables that are no settings: which file to read, which Python `./run` sets up with, an API's key, our own key."""


class Embedding(BaseModel):
    """Where the embedder is, and the bounds on one that is elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    minilm_directory: Path = Field(
        default_factory=lambda: user_data_path("memql", appauthor=False) / "models" / "all-minilm-l6-v2"
    )
    """Directory of MiniLM, where `memql embedder install` puts it; all data directories share it."""
    threads: int = Field(0, ge=0, le=256)
    """Processors that MiniLM works on; 0 takes what this process may use, up to 4, since others work here too."""
    base_url: str = Field("https://api.openai.com/v1", min_length=1)
    """The API that embedder = openai asks, any that speaks OpenAI's. Its key is the variable MEMQL_EMBEDDING_KEY, or
    OPENAI_API_KEY where it is OpenAI's own: what stands in a file or a flag is copied and logged."""
    model: str = Field("text-embedding-3-small", min_length=1)
    """Model that the API is asked for. Vectors of two models do not compare, so a change is a new space of them."""
    dimensions: int = Field(1_536, ge=1, le=8_192)
    """Numbers in a vector of that model; an answer of another width is refused."""
    ask_dimensions: bool = False
    """Asks the API for so many numbers: some models can give fewer than they have; many servers know no such wish."""
    text_characters: int = Field(20_000, ge=1)
    """Characters of one text that are sent: what follows would pass the 8,000 tokens that most models take."""
    batch_texts: int = Field(256, ge=1, le=2_048)
    """Texts of one request: more save little time, and are lost together."""
    batch_characters: int = Field(400_000, ge=1)
    """Characters of one request: some 100,000 tokens, of the 300,000 that OpenAI takes."""
    timeout_seconds: float = Field(30, gt=0)
    """Longest that one request takes."""
    attempts: int = Field(4, ge=1, le=20)
    """Times that one request is made while the API is busy, late or broken, each after twice the wait of the last."""
    wait_seconds: float = Field(20, ge=0)
    """Longest wait between two of them; an API that asks for a longer one is not asked again: the caller may."""
    breaker_failures: int = Field(5, ge=1)
    """Failures in a row after which the API is given a rest: callers then hear so at once."""
    rest_seconds: float = Field(30, ge=0)
    """How long that rest is; then one request tries whether the API is back."""
    price: float = Field(0.02, ge=0)
    """What a million tokens cost, in the currency of `spend`; 0 where nothing has to be paid."""
    spend: float = Field(5.0, ge=0)
    """Most that one process spends on the API: a loop gone wrong must not be found on the bill. Counted by the tokens
    that the API reports, anew with each start."""


class Settings(BaseSettings):
    """What one process was told. Made by `load`; made by hand it holds what it is given, and defaults."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, env_prefix="MEMQL_", env_nested_delimiter="__"
    )

    data: Path = Field(default_factory=lambda: user_data_path("memql", appauthor=False))
    """Directory of all tenants; the default is where this system keeps a user's application data."""
    host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on. One that other machines can reach needs `hosts`, and TLS or `auth.plain_http`; then every
    request needs a key."""
    port: int = Field(8484, ge=0, le=65_535)
    """Port to listen on; 0 takes any that is free."""
    hosts: str = ""
    """Names by which it may be asked, beside this machine's own, separated by commas: a page of another site can make a
    name of its own lead here, but not another name stand in the request."""
    key_file: Path | None = None
    """File with the key that commands show to a server. Absent: the variable MEMQL_KEY, or `admin.key` in the data
    directory for the server that has it."""
    tenant: str = Field("default", min_length=1, max_length=63)
    """Tenant of callers that name none: one person's agents need never think of tenants."""
    graph_engine: Literal["kuzu", "ladybug"] = "kuzu"
    """Store of the graph. Ladybug, Kùzu's successor, expands faster; a change rebuilds the graph from the journal."""
    embedder: Literal["auto", "none", "minilm", "openai"] = "auto"
    """What gives texts a vector of their meaning: auto is MiniLM where it is installed and none elsewhere. With none
    search goes by words alone, and says so; only openai sends texts to another machine."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """How log lines look; auto is console on a terminal and JSON everywhere else, where programs read them."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe line that is written."""
    auth: Auth = Auth()
    """Who is let in."""
    tls: Tls = Tls()
    """The certificate that the server shows."""
    embedding: Embedding = Field(default_factory=Embedding)
    """Where the embedder is, and the bounds on one that is elsewhere."""
    limits: Limits = Limits()
    """Bounds on what a tenant, a command or a read may use."""
    requests: RequestLimits = RequestLimits()
    """Bounds on what one request may ask."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read behind a caller's back: environment and file are `load`'s to name."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each name (`port`, `limits.read_rows`) where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


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
    named = flags.get("--config") or environ.get("MEMQL_CONFIG") or FILE
    sources = (_Flags(flags, cwd), _Environment(environ, cwd), _File(named, cwd))
    settings = Settings(_build_sources=(sources, {}))
    # All were read, also what a higher source hides: what was written wrongly is wrong.
    if problems := [problem for source in reversed(sources) for problem in source.problems]:
        return Refusal(Reason.INVALID, tuple(problems))
    return Loaded(settings, ChainMap(*(source.origins for source in sources), dict.fromkeys(dict(fields()), "default")))


class _Source(PydanticBaseSettingsSource):
    """What all three sources do with the values that pydantic-settings finds: each is read as its setting's own type.

    What does not fit or is nobody's is left out, and is a problem. Only a file is `typed`: flags and variables are
    always text, in TOML 8484 and "8484" differ. A relative path starts at `folder`.
    """

    folder: Path
    problems: list[Problem]
    origins: dict[str, str]
    typed = False

    @abstractmethod
    def place(self, name: str) -> str:
        """Where a person wrote the value of that name."""

    def __call__(self) -> dict[str, Any]:
        known = dict(fields())
        values: dict[str, object] = {}
        for name, written in _flat(super().__call__()):  # type: ignore[safe-super]  # what this is mixed into finds them
            place = self.place(name)
            if name not in known:
                self.problems.append(_unknown(name, place, known))
                continue
            value = _read(name, known[name], written, place, typed=self.typed)
            if isinstance(value, Problem):
                self.problems.append(value)
            else:
                values[name] = self.folder / value.expanduser() if isinstance(value, Path) else value
                self.origins[name] = place
        return _nested(values)


class _Flags(_Source, InitSettingsSource):
    def __init__(self, flags: Mapping[str, str], cwd: Path) -> None:
        names = {flag: flag.removeprefix("--set ").removeprefix("--").replace("-", "_") for flag in flags}
        self._flags = {name: flag for flag, name in names.items() if flag != "--config"}
        known = dict(fields())
        self.folder, self.origins = cwd, {}
        self.problems = [_unknown(name, self.place(name), known) for name in self._flags if name not in known]
        values: dict[str, object] = {name: flags[flag] for name, flag in self._flags.items() if name in known}
        super().__init__(Settings, _nested(values))

    def place(self, name: str) -> str:
        return f"flag {self._flags[name]}"


class _Environment(_Source, EnvSettingsSource):
    def __init__(self, environ: Mapping[str, str], cwd: Path) -> None:
        """A variable that is no setting's is refused by its own name, so the library is handed the others alone."""
        ours = {key: value for key, value in sorted(environ.items()) if key.startswith("MEMQL_")}
        known = dict(fields())
        variables = {variable(name) for name in known}
        strange = ours.keys() - variables - ELSEWHERE
        self.folder, self.origins = cwd, {}
        self.problems = [_unknown(key, f"environment {key}", known) for key in sorted(strange)]
        self._variables = {key.lower(): value for key, value in ours.items() if key in variables}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables

    def place(self, name: str) -> str:
        return f"environment {variable(name)}"


class _File(_Source, TomlConfigSettingsSource):
    """The file is called by the name that the person gave it. Without one of the default name there is none."""

    typed = True

    def __init__(self, named: str, cwd: Path) -> None:
        self._named = named
        file = cwd / Path(named).expanduser()
        self.folder, self.origins, self.problems = file.parent, {}, []
        if not file.is_file() and (named != FILE or file.exists()):
            what = "it can't be read: is a directory" if file.is_dir() else "there is no such file"
            self.problems.append(Problem("SETTINGS_FILE", what, named, "check --config or MEMQL_CONFIG"))
        super().__init__(Settings, file)

    def place(self, name: str) -> str:
        return f"{self._named}: {name}"

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        table = _table_of(file_path, self._named)
        if isinstance(table, Problem):
            self.problems.append(table)
            return {}
        return table


def _table_of(file: Path, named: str) -> dict[str, Any] | Problem:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        # The parser's own words are for its authors; the spot is what helps.
        spot = re.search(r"line (\d+), column (\d+)", str(error))
        at = f"line {spot[1]}, column {spot[2]}" if spot else "its end"
        return Problem("SETTINGS_FILE", f"this is not TOML at {at}", named, "text values need quotes")
    except UnicodeDecodeError:
        return Problem("SETTINGS_FILE", "this is not UTF-8 text", named, "save it as UTF-8")
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else "the disk failed"
        return Problem("SETTINGS_FILE", f"it can't be read: {why}", named, "check --config or MEMQL_CONFIG")


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


def _read(name: str, info: FieldInfo, written: object, place: str, *, typed: bool) -> object:
    """The value in the field's own type, or a `Problem`."""
    kind: Any = info.annotation
    if NoneType in get_args(kind) and str(written).lower() in ("", "none"):
        return None
    if kind == Path | None:
        kind = Path
    rule = TypeAdapter[object](Annotated[kind, *info.metadata] if info.metadata else kind)
    try:
        # TOML has no paths: there too a path is text.
        strict = typed and kind is not Path and Path not in get_args(kind)
        return rule.validate_python(written, strict=True) if strict else rule.validate_strings(written)
    except ValidationError:
        hint = nearest(str(written), _choices(info))
        return Problem("SETTING_INVALID", f"`{name}` must be {_wanted(info)}, not {written!r}", place, hint)


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
    nouns[Path | None] = "a path, or nothing"
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
    noun = "a path, or none" if Path in get_args(info.annotation) else nouns.get(info.annotation, "text")
    return f"{noun}, {' and '.join(bounds)}" if bounds else noun
