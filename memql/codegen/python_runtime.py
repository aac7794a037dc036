"""What generated Python stands on, as text: it is written beside the functions, so that they need nothing but Python.

What awaits and what does not are written once and made twice: `Twin` says how a text reads for each.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Twin:
    """How code reads that awaits, or that does not."""

    define: str
    wait: str
    executor: str
    live: str
    writing: str
    iterator: str
    changes: str
    each: str
    http: str
    client: str
    sleep: str
    within: str
    chunks: str

    def of(self, template: str) -> str:
        """The template with each `<name>` as it reads here."""
        for name in self.__slots__:
            template = template.replace(f"<{name}>", getattr(self, name))
        return template


ASYNC = Twin("async def", "await ", "Executor", "LiveExecutor", "WritingExecutor", "AsyncIterator",
             "changes", "async for", "Http",
             "AsyncClient", "await asyncio.sleep", "async with", "aiter_bytes")  # fmt: skip
SYNC = Twin("def", "", "SyncExecutor", "SyncLiveExecutor", "SyncWritingExecutor", "Iterator",
            "sync_changes", "for", "SyncHttp", "Client",
            "time.sleep", "with", "iter_bytes")  # fmt: skip

_TWINS = '''
class <executor>(Protocol):
    """What asks: `Http` over HTTP, or anything of your own that has this method."""

    <define> rows(self, query: str, params: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        """The rows of a query, each with its columns in order, as JSON has their values."""
        ...


class <writing>(<executor>, Protocol):
    """What can also write."""

    <define> write(self, query: str, params: Mapping[str, object], key: str | None) -> Sequence[Sequence[Any]]:
        """The rows of a statement that writes. Under the same key it is carried out once, with the same answer."""
        ...


class <live>(<executor>, Protocol):
    """What can also be told how rows change."""

    def live(self, query: str, params: Mapping[str, object]) -> <iterator>[Change[Sequence[Any]]]:
        """First all rows, then what is different."""
        ...


<define> <changes>(
    told: <iterator>[Change[Sequence[Any]]], read: Callable[[Any], T]
) -> <iterator>[Change[T]]:
    """What is told of rows, as what is told of records."""
    <each> each in told:
        yield each.map(read)
'''

RUNTIME = '''"""What the functions beside this stand on: who asks, what is told of rows, and how JSON becomes values."""

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, Union

T = TypeVar("T")
U = TypeVar("U")

Json: TypeAlias = Union[None, bool, int, float, str, list["Json"], dict[str, "Json"]]
Duration: TypeAlias = str
"""A duration in ISO 8601: it may have months, which no timedelta has."""


class Unexpected(Exception):
    """An answer that is not what the query gave when these functions were made: make them again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `rendered` shows the place in the query."""

    code: str
    message: str
    hint: str = ""
    rendered: str = ""


class Refused(Exception):
    """Nothing was answered; `problems` say why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\\n".join(each.rendered or f"{each.code}: {each.message}" for each in problems))
        self.problems = tuple(problems)


# Nodes, relations and paths of no particular kind


@dataclass(frozen=True, slots=True)
class Node:
    id: str
    kind: str
    labels: tuple[str, ...]
    properties: Mapping[str, Json]

    @classmethod
    def read(cls, value: Any) -> "Node":
        others = {name: each for name, each in value.items() if name not in ("id", "kind", "labels")}
        return cls(value["id"], value["kind"], tuple(value.get("labels", ())), others)


@dataclass(frozen=True, slots=True)
class Relation:
    """`source` and `target` are the ids of what it joins."""

    id: str
    kind: str
    source: str
    target: str
    weight: float
    properties: Mapping[str, Json]

    @classmethod
    def read(cls, value: Any) -> "Relation":
        known = ("id", "kind", "source", "target", "weight")
        others = {name: each for name, each in value.items() if name not in known}
        ends = value["source"], value["target"]
        return cls(value["id"], value["kind"], *ends, value["weight"], others)


@dataclass(frozen=True, slots=True)
class Path:
    nodes: tuple[Node, ...]
    relations: tuple[Relation, ...]

    @classmethod
    def read(cls, value: Any) -> "Path":
        return cls(tuple(map(Node.read, value["nodes"])), tuple(map(Relation.read, value["relations"])))


# What is told of rows


@dataclass(frozen=True, slots=True)
class Keyed(Generic[T]):
    """A row under the key by which it is known again; `place` is where it stands, if the query sorts."""

    key: str
    row: T
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """All rows."""

    cursor: str
    rows: tuple[Keyed[T], ...]

    def map(self, read: Callable[[T], U]) -> "Snapshot[U]":
        return Snapshot(self.cursor, _mapped(self.rows, read))


@dataclass(frozen=True, slots=True)
class Delta(Generic[T]):
    """What makes other rows of those before."""

    cursor: str
    added: tuple[Keyed[T], ...]
    changed: tuple[Keyed[T], ...]
    removed: tuple[str, ...]

    def map(self, read: Callable[[T], U]) -> "Delta[U]":
        return Delta(self.cursor, _mapped(self.added, read), _mapped(self.changed, read), self.removed)


Change: TypeAlias = Union[Snapshot[T], Delta[T]]


def _mapped(rows: tuple[Keyed[T], ...], read: Callable[[T], U]) -> tuple[Keyed[U], ...]:
    return tuple(Keyed(each.key, read(each.row), each.place) for each in rows)


# Who asks
<asking>

# From JSON


def only(rows: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """The one row that the query always gives."""
    if len(rows) != 1:
        raise Unexpected(f"{len(rows)} rows, where there is always one")
    return rows[0]


def first(rows: Sequence[Sequence[Any]]) -> Sequence[Any] | None:
    if len(rows) > 1:
        raise Unexpected(f"{len(rows)} rows, where there is at most one")
    return rows[0] if rows else None


def same(value: Any) -> Any:
    return value


def to_float(value: Any) -> float:
    """JSON has no number for what is none."""
    return math.nan if value is None else float(value)


def to_date(value: Any) -> date:
    return date.fromisoformat(value)


def to_time(value: Any) -> time:
    return time.fromisoformat(value)


def to_datetime(value: Any) -> datetime:
    """Behind the offset there may be the name of a zone."""
    return datetime.fromisoformat(value.partition("[")[0])


def nullable(read: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else read(value)


def listed(read: Callable[[Any], T]) -> Callable[[Any], list[T]]:
    return lambda value: [read(each) for each in value]


def by_kind(value: Any, readers: Mapping[str, Callable[[Any], T]]) -> T:
    read = readers.get(value["kind"])
    if read is None:
        raise Unexpected(f"a {value['kind']}, where there is {' or '.join(readers)}")
    return read(value)


# To JSON


def to_json(value: object) -> Json:
    """A parameter as JSON carries it."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        seconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
        sign = "-" if seconds < 0 else ""
        return f"PT{sign}{abs(seconds) // 1_000_000}.{abs(seconds) % 1_000_000:06}S"
    if isinstance(value, Mapping):
        return {str(name): to_json(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [to_json(each) for each in value]
    raise TypeError(f"a {type(value).__name__} is no value of MemQL")
'''.replace("<asking>", ASYNC.of(_TWINS) + "\n" + SYNC.of(_TWINS))
