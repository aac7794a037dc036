"""What a generated Python client's shapes and answers stand on, as text."""

VALUES = '''"""What the shapes beside this stand on: records as they come, inputs as they go, and what may be absent.

Absent is not null: a field that is `UNSET` is not sent, one that is `None` is sent as null.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, PlainValidator, model_validator

E = TypeVar("E", bound=enum.StrEnum)
Json: TypeAlias = JsonValue


class Unset(enum.Enum):
    """Not given at all."""

    UNSET = object()

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET


class Unknown(str):
    """A value of an enum that this client does not know: the server is newer. Make the client again to name it."""

    __slots__ = ()


def either(of: type[E]) -> PlainValidator:
    """Reads a value of an enum, or one that it does not have yet."""

    def read(value: Any) -> E | Unknown:
        if not isinstance(value, str):
            raise ValueError("a name is expected")
        return of(value) if value in of.__members__.values() else Unknown(value)

    return PlainValidator(read)


def named(key: str) -> Any:
    """A field that GraphQL calls otherwise than its name lets one think."""
    return Field(validation_alias=key, serialization_alias=key)


def by_typename(tags: Mapping[str, str], other: str) -> Discriminator:
    """Tells records apart by `__typename`; whatever is not among these is `other`."""

    def tag(value: Any) -> str:
        name = value.get("__typename") if isinstance(value, dict) else getattr(value, "typename", None)
        return tags.get(str(name), other)

    return Discriminator(tag)


def camel(name: str) -> str:
    """What GraphQL calls a field: `valid_from` is `validFrom`, `in_` is `in`, `typename` is `__typename`."""
    if name == "typename":
        return "__typename"
    first, *others = name.rstrip("_").split("_")
    return first + "".join(each[:1].upper() + each[1:] for each in others)


class Shape(BaseModel):
    """What an answer consists of."""

    model_config = ConfigDict(
        frozen=True, alias_generator=camel, validate_by_name=True, validate_by_alias=True, protected_namespaces=()
    )


class Input(Shape):
    """What a question consists of. It is made by Python's names: one of them may be what GraphQL calls another."""

    model_config = ConfigDict(extra="forbid", validate_by_alias=False)


class OneOf(Input):
    """An input of which exactly one field is given."""

    @model_validator(mode="after")
    def _one_is_given(self) -> OneOf:
        given = [name for name in type(self).model_fields if getattr(self, name) is not UNSET]
        if len(given) != 1 or getattr(self, given[0]) is None:
            raise ValueError(f"exactly one of {', '.join(type(self).model_fields)} is to be given")
        return self


def to_json(value: object) -> Any:
    """A variable as JSON carries it; what is UNSET is left out."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, BaseModel):
        names = {name: info.serialization_alias or name for name, info in type(value).model_fields.items()}
        return to_json({key: getattr(value, name) for name, key in names.items()})
    if isinstance(value, Mapping):
        return {str(key): to_json(each) for key, each in value.items() if each is not UNSET}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [to_json(each) for each in value]
    raise TypeError(f"a {type(value).__name__} can't be sent")
'''

ANSWERS = '''"""What comes back: the data of an answer, or why there is none.

ClientError
├─ NotReached         nobody took the connection
├─ CutOff             it ended before the answer: what was asked may have been done
├─ TimedOut           no answer in time; the server may still be at it
├─ NotMemql           what answers is no GraphQL
├─ Refused            errors of GraphQL, each with its code and the request's id
│  ├─ Unauthenticated nobody is known by that token, or it is over
│  └─ Busy            too much was asked, or the server can't now; `wait` says for how many seconds
└─ Unexpected         an answer of another shape: make the client again
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, TypeVar

import httpx
from pydantic import ValidationError

from .values import Shape

T = TypeVar("T", bound=Shape)
EXPIRED = frozenset({"UNAUTHENTICATED", "TOKEN_EXPIRED", "EXPIRED"})
"""Codes by which a stream says that its token is over."""
PASSING = frozenset({"SLOW_SUBSCRIBER", "SHUTTING_DOWN", "UNAVAILABLE", "NOT_YET"})
"""Codes by which a server says that asking again will do."""


# What can go wrong


class ClientError(Exception):
    """Nothing was answered."""

    never_asked: ClassVar[bool] = False
    """Whether it is certain that the server was never asked."""
    passing: bool = False
    """Whether asking again may do."""
    wait: float | None = None
    """How many seconds the server wants to be left alone."""


class NotReached(ClientError):
    never_asked = True
    passing = True


class CutOff(ClientError):
    passing = True


class TimedOut(ClientError):
    pass


class NotMemql(ClientError):
    pass


class Unexpected(ClientError):
    pass


@dataclass(frozen=True, slots=True)
class GraphqlError:
    """One error: `code` stays the same, `request_id` finds it in the server's log, `path` is the field."""

    message: str
    code: str
    request_id: str = ""
    path: tuple[str | int, ...] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)


class Refused(ClientError):
    """`data` is what was answered in spite of the errors, as JSON."""

    def __init__(
        self, errors: Sequence[GraphqlError], status: int, data: Any = None, wait: float | None = None
    ) -> None:
        super().__init__("; ".join(f"{each.code}: {each.message}" for each in errors))
        self.errors, self.status, self.data, self.wait = tuple(errors), status, data, wait

    @property
    def code(self) -> str:
        return self.errors[0].code

    @property
    def request_id(self) -> str:
        return self.errors[0].request_id


class Unauthenticated(Refused):
    pass


class Busy(Refused):
    passing = True


def failed(error: Exception, url: str, waiting: bool = True) -> ClientError:
    """A failure of the connection as ours. Who waits for one answer asks a server that is slow no second time: it
    would be slower still; a stream that falls silent is dead."""
    if isinstance(error, ClientError):
        return error
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return NotReached(f"nobody answers at {url}")
    if isinstance(error, httpx.TimeoutException) and waiting:
        return TimedOut(f"{url} gave no answer in time")
    if isinstance(error, httpx.TransportError):
        return CutOff(f"{url} broke off before its answer")
    return NotMemql(f"{url} can't be asked")


# What is answered


def told(response: httpx.Response) -> Any:
    """The data of an answer. What stands before a server may say in its own words that it is not to be had."""
    try:
        body = read_json(response.content, str(response.url))
    except NotMemql:
        if response.status_code not in (401, 429, 502, 503, 504):
            raise
        said = {"message": response.reason_phrase, "extensions": {"code": f"HTTP_{response.status_code}"}}
        body = {"errors": [said]}
    return checked(body, response.status_code, response.headers.get("retry-after"))


def read_json(text: str | bytes, url: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise NotMemql(f"what answers at {url} is no GraphQL") from None


def checked(body: Any, status: int, retry_after: str | None = None) -> Any:
    """The data, where there are no errors beside it."""
    if not isinstance(body, dict) or not ("data" in body or "errors" in body):
        raise NotMemql("what answers is no GraphQL")
    if body.get("errors"):
        errors = [_error(each) for each in body["errors"]]
        wait = _seconds(retry_after)
        if status == 401 or any(each.code in EXPIRED for each in errors):
            raise Unauthenticated(errors, status, body.get("data"), wait)
        if status in (429, 502, 503, 504) or (status == 200 and all(each.code in PASSING for each in errors)):
            raise Busy(errors, status, body.get("data"), wait)
        raise Refused(errors, status, body.get("data"), wait)
    if body.get("data") is None:
        raise NotMemql("what answers gives neither data nor errors")
    return body["data"]


def _error(each: Mapping[str, Any]) -> GraphqlError:
    more = each.get("extensions") or {}
    code, request_id = str(more.get("code", "REFUSED")), str(more.get("requestId", ""))
    return GraphqlError(str(each.get("message", "")), code, request_id, tuple(each.get("path") or ()), more)


def _seconds(retry_after: str | None) -> float | None:
    """How long to wait, told in seconds or as the time until when."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


def read_answer(read: type[T], data: Any) -> T:
    try:
        # By GraphQL's names alone: one of them may be what Python calls another.
        return read.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        place = ".".join(str(each) for each in error.errors()[0]["loc"])
        raise Unexpected(f"`{place}` is not what the schema said when this client was made: make it again") from error


class Events:
    """Bytes of a stream as its events, each with its name and its data."""

    def __init__(self) -> None:
        self._rest, self._event, self._data = b"", "", list[str]()

    def of(self, chunk: bytes) -> Iterator[tuple[str, str]]:
        *lines, self._rest = (self._rest + chunk).split(b"\\n")
        for line in lines:
            name, _, value = line.rstrip(b"\\r").decode("utf-8", "replace").partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._event = value
            elif name == "data":
                self._data.append(value)
            elif not name and not value and (self._event or self._data) and not line.startswith(b":"):
                yield self._event, "\\n".join(self._data)
                self._event, self._data = "", []
'''
