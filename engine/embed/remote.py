"""An embedder elsewhere: any API that speaks OpenAI's `/v1/embeddings`. The only file that knows package openai.

Texts leave this machine here, and nowhere else. It is asked only where a person configured it, and each request is
bounded: in texts, characters, seconds, attempts, bytes of its answer and money. What is refused, late or broken for a
while is asked again, later each time; after several failures in a row it is left in peace until it has had a rest, and
then one request tries whether it is back. An answer counts only when it is one finite vector of the right width for
each text. The key is held here and shown nowhere; the API's own words reach nobody.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from engine.clock import Clock
from memql.errors import Problem, Reason, Refusal

if TYPE_CHECKING:
    from openai import APIResponse, APIStatusError, OpenAI

Vectors = NDArray[np.float32]

OPENAI = "https://api.openai.com/v1"
CHARACTERS_PER_TOKEN = 3
"""For an estimate that is rather too high: English has 4 to 5, other languages fewer."""
FIRST_WAIT_SECONDS = 0.5
"""Before the second attempt; twice as long before each further one."""
BYTES_PER_NUMBER, BYTES_BESIDE = 32, 1_048_576
"""What an answer may have: more than a number takes as text, and than what stands beside the vectors."""
NOTHING = "."
"""Sent for a text without words: the API takes no empty one, and this is the next to nothing."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for, and within which bounds. The settings `[embedding]` say what each is for."""

    base_url: str
    model: str
    dimensions: int
    ask_dimensions: bool
    text_characters: int
    batch_texts: int
    batch_characters: int
    timeout_seconds: float
    attempts: int
    wait_seconds: float
    breaker_failures: int
    rest_seconds: float
    price: float
    spend: float


@dataclass(frozen=True, slots=True)
class _Failure:
    """One request that did not give vectors. `again`: another attempt may. `after`: seconds that it asks for.
    `billed`: it may have to be paid all the same. `theirs`: it says something about the API, not about the texts."""

    problem: Problem
    again: bool = False
    after: float = 0.0
    billed: bool = False
    theirs: bool = True

    @property
    def refusal(self) -> Refusal:
        return Refusal(Reason.UNAVAILABLE, (self.problem,))


class Remote:
    """The embedder at one address. Cheap to make: it imports and asks nothing before it is needed. Any thread."""

    def __init__(
        self, terms: Terms, clock: Clock, key: str = "", pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._terms, self._clock, self._key, self._pause = terms, clock, key, pause
        named = "\n".join((terms.base_url.rstrip("/"), terms.model, str(terms.dimensions)))
        self.digest = sha256(named.encode()).hexdigest()
        self.model = f"openai/{terms.model}@{self.digest[:12]}"
        self.width = terms.dimensions
        self._making = threading.Lock()
        self._made: OpenAI | None = None
        self._breaker = _Breaker(terms, clock)
        self._purse = _Purse(terms)

    @property
    def spent(self) -> float:
        """Since this was made, in the currency of `price`."""
        return self._purse.spent

    @property
    def problem(self) -> Refusal | None:
        """Why it is not asked just now."""
        return self._breaker.resting()

    def warm(self) -> Refusal | None:
        """Loads what asks; asks nothing, for that has its price."""
        client = self._client()
        return client.refusal if isinstance(client, _Failure) else None

    def close(self) -> None:
        if self._made:
            self._made.close()

    def embed(self, texts: Sequence[str]) -> Vectors | Refusal:
        """All of them or none; what was embedded before a failure is lost, and paid."""
        rows = []
        for batch in self._batches(texts):
            answer = self._embed(batch)
            if isinstance(answer, Refusal):
                return answer
            rows.append(answer)
        return np.concatenate(rows) if rows else np.empty((0, self.width), np.float32)

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        characters = 0
        for text in texts:
            # Half a surrogate pair is no character, and JSON takes none.
            sent = text[: self._terms.text_characters].encode("utf-8", "replace").decode()
            sent = sent if sent.strip() else NOTHING
            full = len(batch) >= self._terms.batch_texts or characters + len(sent) > self._terms.batch_characters
            if batch and full:
                yield batch
                batch, characters = [], 0
            batch.append(sent)
            characters += len(sent)
        if batch:
            yield batch

    def _embed(self, batch: list[str]) -> Vectors | Refusal:
        estimate = sum(map(len, batch)) // CHARACTERS_PER_TOKEN + len(batch)
        for attempt in range(1, self._terms.attempts + 1):
            if refusal := self._purse.reserve(estimate):
                return refusal
            if refusal := self._breaker.admit():
                self._purse.settle(estimate, 0)
                return refusal
            answer = self._ask(batch, estimate)
            if not isinstance(answer, _Failure):
                vectors, tokens = answer
                self._purse.settle(estimate, tokens)
                self._breaker.succeeded()
                return vectors
            self._purse.settle(estimate, estimate if answer.billed else 0)
            rests = self._breaker.failed(answer)
            wait = max(answer.after, self._backoff(attempt))
            if not answer.again or rests or attempt == self._terms.attempts or wait > self._terms.wait_seconds:
                return answer.refusal
            self._pause(wait)
        raise AssertionError("the last attempt answers")

    def _backoff(self, attempt: int) -> float:
        """Twice as long each time; at random up to half of it less, so that many who failed at once come apart."""
        chance = int.from_bytes(self._clock.entropy(2), "big") / 65_536
        return min(FIRST_WAIT_SECONDS * 2.0 ** (attempt - 1), self._terms.wait_seconds) * (1 - chance / 2)

    # One request

    def _client(self) -> "OpenAI | _Failure":
        with self._making:
            if self._made is None:
                try:
                    import openai

                    self._made = openai.OpenAI(
                        base_url=self._terms.base_url,
                        api_key=self._key or "none",
                        timeout=self._terms.timeout_seconds,
                        max_retries=0,
                    )
                except Exception:  # whatever it is, there is no client
                    what = "the client of the embedding API can't be made"
                    return _Failure(Problem("EMBEDDER_UNSUPPORTED", what, "", "is `embedding.base_url` an address?"))
            return self._made

    def _ask(self, batch: list[str], estimate: int) -> tuple[Vectors, int] | _Failure:
        """The vectors of one batch, and the tokens to be paid for them."""
        client = self._client()
        if isinstance(client, _Failure):
            return client
        import openai

        terms = self._terms
        deadline = self._clock.monotonic() + terms.timeout_seconds
        # Without a key no header of it; and what the environment holds for OpenAI is told to nobody else.
        unsaid = [] if self._key else ["Authorization"]
        unsaid += [] if terms.base_url.rstrip("/") == OPENAI else ["OpenAI-Organization", "OpenAI-Project"]
        try:
            with client.embeddings.with_streaming_response.create(
                input=batch,
                model=terms.model,
                encoding_format="float",
                dimensions=terms.dimensions if terms.ask_dimensions else openai.omit,
                extra_headers=dict.fromkeys(unsaid, openai.omit),
            ) as response:
                body = self._body(response, len(batch), deadline)
        except openai.APIStatusError as error:
            return self._refused(error)
        except openai.APITimeoutError:
            return _late(terms)
        except openai.APIConnectionError:
            hint = "check the network and `embedding.base_url`"
            return _Failure(Problem("EMBEDDER_UNREACHABLE", "the embedding API can't be reached", "", hint), again=True)
        return body if isinstance(body, _Failure) else _read(body, len(batch), terms.dimensions, estimate)

    def _body(self, response: "APIResponse[Any]", count: int, deadline: float) -> bytes | _Failure:
        """The whole answer; or none, when there is no end of it in bytes or in time."""
        most = BYTES_BESIDE + count * self._terms.dimensions * BYTES_PER_NUMBER
        body = bytearray()
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > most:
                    return _unfit(f"has more than {most:,} bytes")
                if self._clock.monotonic() > deadline:
                    return _late(self._terms)
        except Exception:  # what breaks off while it is read is an exception of the HTTP client beneath
            what = "the embedding API broke off its answer"
            return _Failure(Problem("EMBEDDER_ANSWER", what, "", "try again later"), again=True, billed=True)
        return bytes(body)

    def _refused(self, error: "APIStatusError") -> _Failure:
        """What a status means for whoever waits for vectors."""
        status, after = error.status_code, _after(error.response.headers, self._clock)
        if status in (401, 403):
            what = "does not accept the key" if self._key else "wants a key"
            problem = Problem(
                "EMBEDDER_KEY", f"the embedding API {what}", "", "set MEMQL_EMBEDDING_KEY to one of its own"
            )
            return _Failure(problem)
        if status == 402 or error.code == "insufficient_quota":
            hint = "see your account there"
            return _Failure(Problem("EMBEDDER_QUOTA", "the embedding API's account has nothing left", "", hint))
        if status == 404:
            what = f"the embedding API has no model `{self._terms.model}`, or is not there"
            return _Failure(Problem("EMBEDDER_MODEL", what, "", "check `embedding.model` and `embedding.base_url`"))
        if status in (408, 409, 425, 429) or status >= 500:
            what = "is asked too often" if status == 429 else f"fails with status {status}"
            hint = f"it asks to wait {after:,.0f} seconds" if after else "try again later"
            return _Failure(Problem("EMBEDDER_BUSY", f"the embedding API {what}", "", hint), again=True, after=after)
        what = f"the embedding API does not take this, with status {status}"
        hint = "check `embedding.model`, `embedding.dimensions` and `embedding.text_characters`"
        return _Failure(Problem("EMBEDDER_REFUSED", what, "", hint), theirs=False)


class _Breaker:
    """Counts failures in a row, and then gives the API a rest. Any thread."""

    def __init__(self, terms: Terms, clock: Clock) -> None:
        self._terms, self._clock = terms, clock
        self._lock = threading.Lock()
        self._failures, self._until, self._trying = 0, 0.0, False
        self._last = ""

    def admit(self) -> Refusal | None:
        """Whether it may be asked. After a rest one may try, and the others wait for what comes of it."""
        with self._lock:
            if refusal := self._resting():
                return refusal
            self._trying = self._failures >= self._terms.breaker_failures
            return None

    def resting(self) -> Refusal | None:
        with self._lock:
            return self._resting()

    def _resting(self) -> Refusal | None:
        if self._failures < self._terms.breaker_failures:
            return None
        left = self._until - self._clock.monotonic()
        if left <= 0 and not self._trying:
            return None
        what = f"the embedding API is given a rest, after {self._failures} failures in a row; the last: {self._last}"
        hint = f"it is asked again in {max(1, math.ceil(left))} seconds"
        return Refusal(Reason.UNAVAILABLE, (Problem("EMBEDDER_RESTS", what, "", hint),))

    def succeeded(self) -> None:
        with self._lock:
            self._failures, self._trying = 0, False

    def failed(self, failure: _Failure) -> bool:
        """Takes note, and says whether it rests now."""
        with self._lock:
            self._trying = False
            if not failure.theirs:
                # It answered, as it should: the texts are what is wrong.
                self._failures = 0
                return False
            self._failures += 1
            self._last = failure.problem.message
            if self._failures < self._terms.breaker_failures:
                return False
            self._until = self._clock.monotonic() + max(self._terms.rest_seconds, failure.after)
            return True


class _Purse:
    """What was spent, and what requests that are on their way may come to. Any thread."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._lock = threading.Lock()
        self.spent = self._reserved = 0.0

    def reserve(self, tokens: int) -> Refusal | None:
        cost = self._cost(tokens)
        with self._lock:
            if not cost or self.spent + self._reserved + cost <= self._terms.spend:
                self._reserved += cost
                return None
        what = f"one more request could pass `embedding.spend` ({self._terms.spend:,.2f})"
        hint = f"{self.spent:,.4f} is spent since this process began; raise `embedding.spend`, or start again"
        return Refusal(Reason.LIMIT, (Problem("EMBEDDER_SPEND", what, "embedding.spend", hint),))

    def settle(self, reserved: int, tokens: int) -> None:
        with self._lock:
            self._reserved = max(0.0, self._reserved - self._cost(reserved))
            self.spent += self._cost(tokens)

    def _cost(self, tokens: int) -> float:
        return tokens * self._terms.price / 1e6


def _read(body: bytes, count: int, width: int, estimate: int) -> tuple[Vectors, int] | _Failure:
    """The vectors of an answer in the order of the texts, and the tokens that it says they took."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _unfit("is not JSON", again=True)
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        return _unfit("has no list of vectors")
    if len(data) != count:
        return _unfit(f"has {len(data):,} vectors for {count:,} texts")
    places = [each.get("index", place) for place, each in enumerate(data)]
    rows = [each.get("embedding") for each in data]
    if sorted(place for place in places if isinstance(place, int)) != list(range(count)):
        return _unfit("does not say which vector is whose")
    if strange := next((row for row in rows if not isinstance(row, list) or len(row) != width), None):
        found = f"of {len(strange):,} numbers" if isinstance(strange, list) else "that are no lists"
        return _unfit(
            f"has vectors {found} in place of {width:,}", "set `embedding.dimensions` to what the model gives"
        )
    try:
        numbers = np.array(rows, np.float64)
    except (ValueError, TypeError, OverflowError):
        return _unfit("has vectors with something else than numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(numbers, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        return _unfit("has a vector without a direction")
    vectors = np.empty((count, width), np.float32)
    vectors[np.array(places, np.int64)] = numbers / lengths
    usage = answer.get("usage")
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    return vectors, tokens if isinstance(tokens, int) and tokens >= 0 else estimate


def _unfit(what: str, hint: str = "is this an API for embeddings?", *, again: bool = False) -> _Failure:
    problem = Problem("EMBEDDER_ANSWER", f"the embedding API's answer {what}", "", hint)
    return _Failure(problem, again=again, billed=True)


def _late(terms: Terms) -> _Failure:
    what = f"the embedding API did not answer within `embedding.timeout_seconds` ({terms.timeout_seconds:g})"
    return _Failure(Problem("EMBEDDER_LATE", what, "", "try again later, or raise it"), again=True, billed=True)


def _after(headers: Any, clock: Clock) -> float:
    """Seconds that an answer asks to wait, as a number or as a date; 0 where it asks for none."""
    said = str(headers.get("retry-after", ""))
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(said).timestamp() - clock.now() / 1e6
        except ValueError:
            return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
