"""An embedder elsewhere, against an API that fails in every way: what is asked again, what is refused, what is spent.

Nothing is said here about the quality of any API's vectors.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.embed.remote import OPENAI, Remote, Terms
from memql.errors import Reason, Refusal
from tests.engine.embedding_api import (
    WIDTH,
    Answer,
    Api,
    cut,
    dripping,
    endless,
    hung_up,
    other,
    raw,
    served,
    silent,
    status,
    vector,
    vectors,
    well,
)

TERMS = Terms(
    base_url="",
    model="m",
    dimensions=WIDTH,
    ask_dimensions=False,
    text_characters=1_000,
    batch_texts=10,
    batch_characters=5_000,
    timeout_seconds=20,
    attempts=3,
    wait_seconds=20,
    breaker_failures=100,
    rest_seconds=30,
    price=0,
    spend=0,
)
KEY = "sk-very-secret"


class Hours:
    """A clock that goes on only when somebody waits, and remembers how long they waited."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.seconds = 1_000.0

    def now(self) -> int:
        return int(self.seconds * 1e6)

    def monotonic(self) -> float:
        return self.seconds

    def entropy(self, count: int) -> bytes:
        return bytes(count)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


@pytest.fixture
def api() -> Iterator[Api]:
    with served() as serving:
        yield serving


@pytest.fixture
def clock() -> Hours:
    return Hours()


@pytest.fixture
def made(api: Api, clock: Hours) -> Iterator[Callable[..., Remote]]:
    """Makes embedders of the API, with terms of the test's own."""
    opened: list[Remote] = []

    def make(key: str = KEY, **terms: Any) -> Remote:
        remote = Remote(replace(TERMS, base_url=api.url, **terms), clock, key, clock.wait)
        opened.append(remote)
        return remote

    yield make
    for remote in opened:
        remote.close()


def refused(answer: object) -> str:
    assert isinstance(answer, Refusal), answer
    assert "secret" not in str(answer), "neither the key nor the API's own words"
    return answer.problems[0].code


def test_vectors_come_as_units_and_in_order(made: Callable[..., Remote], api: Api) -> None:
    """Whatever order the API gives them in."""
    texts = ["a", "bb", "ccc"]
    found = made().embed(texts)
    assert isinstance(found, np.ndarray)
    assert found.shape == (3, WIDTH)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found * 3, [vector(text) for text in texts])
    (told,) = api.requests
    assert told.path == "/v1/embeddings"
    assert told.body == {"input": texts, "model": "m", "encoding_format": "float"}
    assert told.headers["authorization"] == f"Bearer {KEY}"


def test_nothing_is_asked_for_nothing(made: Callable[..., Remote], api: Api) -> None:
    """Neither by being made, nor by being warmed, nor for no text."""
    remote = made()
    assert remote.warm() is None
    found = remote.embed([])
    assert isinstance(found, np.ndarray)
    assert found.shape == (0, WIDTH)
    assert not api.requests


def test_what_is_said_of_whom(made: Callable[..., Remote], api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key none is sent; what the environment holds for OpenAI goes to nobody else; a width only if asked."""
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "for OpenAI alone")
    assert isinstance(made(key="", ask_dimensions=True).embed(["a"]), np.ndarray)
    (told,) = api.requests
    assert told.body["dimensions"] == WIDTH
    assert "authorization" not in told.headers
    assert "OpenAI alone" not in str(told.headers)


def test_its_name_is_the_name_of_its_space(api: Api, clock: Hours) -> None:
    """Another address, model or width is another space; the key and the bounds are not."""
    terms = replace(TERMS, base_url=OPENAI)
    name = Remote(terms, clock).model
    assert name == "openai/m@" + Remote(terms, clock).digest[:12]
    assert name == Remote(replace(terms, base_url=f"{OPENAI}/", attempts=9), clock, KEY).model
    others = (replace(terms, base_url=api.url), replace(terms, model="n"), replace(terms, dimensions=9))
    assert len({name, *(Remote(each, clock).model for each in others)}) == 4


def test_batches_by_count_and_by_characters(made: Callable[..., Remote], api: Api) -> None:
    """Each text whole in one request, and none longer than it may be; what has no words, or is no Unicode, goes too."""
    texts = ["x" * 30, "y" * 30, "z" * 500, "", " \n", "\ud800", "a", "b", "c"]
    found = made(batch_texts=4, batch_characters=60, text_characters=100).embed(texts)
    assert isinstance(found, np.ndarray)
    assert [told.texts for told in api.requests] == [
        ["x" * 30, "y" * 30],
        ["z" * 100],
        [".", ".", "?", "a"],
        ["b", "c"],
    ]
    assert len(found) == len(texts)


@pytest.mark.parametrize(
    "answer",
    [status(429), status(500), status(503), status(408), cut, hung_up, raw(b'{"data": ['), raw(b"<html>")],
    ids=["429", "500", "503", "408", "cut", "hung up", "half", "html"],
)
def test_what_passes_is_asked_again(made: Callable[..., Remote], api: Api, clock: Hours, answer: Answer) -> None:
    """Each time after twice the wait."""
    api.script.extend([answer, answer])
    assert isinstance(made().embed(["a"]), np.ndarray)
    assert len(api.requests) == 3
    assert clock.waits == [0.5, 1.0]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (status(429), "EMBEDDER_BUSY"),
        (status(500), "EMBEDDER_BUSY"),
        (cut, "EMBEDDER_ANSWER"),
        (hung_up, "EMBEDDER_UNREACHABLE"),
    ],
    ids=["429", "500", "cut", "hung up"],
)
def test_but_not_for_ever(made: Callable[..., Remote], api: Api, answer: Answer, code: str) -> None:
    """The last failure is the answer."""
    api.script.extend([answer] * 9)
    assert refused(made().embed(["a"])) == code
    assert len(api.requests) == 3


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (status(401), "EMBEDDER_KEY"),
        (status(403), "EMBEDDER_KEY"),
        (status(402), "EMBEDDER_QUOTA"),
        (status(429, {"code": "insufficient_quota"}), "EMBEDDER_QUOTA"),
        (status(404), "EMBEDDER_MODEL"),
        (status(400), "EMBEDDER_REFUSED"),
        (status(413), "EMBEDDER_REFUSED"),
        (vectors([1.0] * 7, [1.0] * 7), "EMBEDDER_ANSWER"),
        (vectors([1.0] * WIDTH), "EMBEDDER_ANSWER"),
        (vectors(*[[1.0] * WIDTH] * 3), "EMBEDDER_ANSWER"),
        (vectors([0.0] * WIDTH, [1.0] * WIDTH), "EMBEDDER_ANSWER"),
        (vectors([1e308] * WIDTH, [1.0] * WIDTH), "EMBEDDER_ANSWER"),
        (vectors([None] * WIDTH, [1.0] * WIDTH), "EMBEDDER_ANSWER"),
        (vectors(["one"] * WIDTH, [1.0] * WIDTH), "EMBEDDER_ANSWER"),
        (vectors([[1.0]] * WIDTH, [1.0] * WIDTH), "EMBEDDER_ANSWER"),
        (vectors("AACAPw==", "AACAPw=="), "EMBEDDER_ANSWER"),
        (other(data=[{"index": 0, "embedding": [1.0] * WIDTH}] * 2), "EMBEDDER_ANSWER"),
        (other(data=None), "EMBEDDER_ANSWER"),
        (raw(b"[]"), "EMBEDDER_ANSWER"),
        (endless, "EMBEDDER_ANSWER"),
    ],
    ids=(
        "401 403 402 quota 404 400 413 narrow fewer more zero huge null text deep base64 twice nothing list endless"
    ).split(),
)
def test_what_does_not_pass_is_asked_once(made: Callable[..., Remote], api: Api, answer: Answer, code: str) -> None:
    """No made-up vector ever comes of it."""
    api.script.append(answer)
    assert refused(made().embed(["a", "b"])) == code
    assert len(api.requests) == 1


def test_not_a_number_is_no_vector(made: Callable[..., Remote], api: Api) -> None:
    """Some servers write NaN, which is no JSON either."""
    api.script.extend([vectors([float("nan")] * WIDTH)] * 3)
    assert refused(made().embed(["a"])) == "EMBEDDER_ANSWER"


def test_a_failure_names_the_way_on(made: Callable[..., Remote], api: Api) -> None:
    """With the settings that are about it."""
    api.script.append(vectors([1.0] * 3))
    assert str(made().embed(["a"])) == (
        "EMBEDDER_ANSWER: the embedding API's answer has vectors of 3 numbers in place of 8 "
        "(set `embedding.dimensions` to what the model gives)"
    )
    api.script.append(status(401))
    assert str(made(key="").embed(["a"])) == (
        "EMBEDDER_KEY: the embedding API wants a key (set MEMQL_EMBEDDING_KEY to one of its own)"
    )


def test_a_silent_api_is_late(made: Callable[..., Remote], api: Api) -> None:
    """Named with the setting that bounds it."""
    api.script.append(silent(3))
    answer = made(timeout_seconds=0.2, attempts=1).embed(["a"])
    assert refused(answer) == "EMBEDDER_LATE"
    assert "`embedding.timeout_seconds` (0.2)" in str(answer)


def test_a_dripping_api_is_late(api: Api) -> None:
    """It would never pass the time of a single read."""
    from engine.clock import SystemClock

    api.script.append(dripping)
    remote = Remote(replace(TERMS, base_url=api.url, timeout_seconds=0.3, attempts=1), SystemClock(), KEY)
    assert refused(remote.embed(["a"])) == "EMBEDDER_LATE"
    remote.close()


def test_an_api_that_is_not_there_is_said(clock: Hours) -> None:
    """So is an address that is none."""
    for url in ("http://127.0.0.1:9/v1", "nonsense", "http://[", "ftp://127.0.0.1/"):
        remote = Remote(replace(TERMS, base_url=url, attempts=1), clock, KEY, clock.wait)
        assert refused(remote.embed(["a"])) in {"EMBEDDER_UNREACHABLE", "EMBEDDER_UNSUPPORTED"}
        remote.close()


@pytest.mark.parametrize(
    ("said", "waits"), [("7", [7.0]), ("0", [0.5]), ("soon", [0.5]), ("nan", [0.5]), ("-3", [0.5])]
)
def test_it_waits_as_long_as_it_is_asked_to(
    made: Callable[..., Remote], api: Api, clock: Hours, said: str, waits: list[float]
) -> None:
    """And as long as it would have, where that makes no sense."""
    api.script.append(status(429, retry_after=said))
    assert isinstance(made().embed(["a"]), np.ndarray)
    assert clock.waits == waits


def test_it_may_be_asked_to_wait_until_a_date(made: Callable[..., Remote], api: Api, clock: Hours) -> None:
    """As HTTP writes dates."""
    api.script.append(status(503, retry_after="Thu, 01 Jan 1970 00:16:52 GMT"))
    assert isinstance(made().embed(["a"]), np.ndarray)
    assert clock.waits == [12.0]


def test_it_does_not_wait_longer_than_it_may(made: Callable[..., Remote], api: Api, clock: Hours) -> None:
    """Whoever asked is told how long it would have been."""
    api.script.append(status(429, retry_after="3600"))
    answer = made(wait_seconds=20).embed(["a"])
    assert refused(answer) == "EMBEDDER_BUSY"
    assert "it asks to wait 3,600 seconds" in str(answer)
    assert not clock.waits


def test_many_that_failed_at_once_come_apart(made: Callable[..., Remote], clock: Hours) -> None:
    """Each wait is at random up to half shorter."""
    clock.entropy = lambda count: b"\xff" * count  # type: ignore[method-assign]
    remote = made()
    assert 0.25 < remote._backoff(1) < 0.2501


def test_after_failures_in_a_row_it_rests(made: Callable[..., Remote], api: Api, clock: Hours) -> None:
    """Nobody waits for it meanwhile; after the rest one request tries, and its answer is everyone's."""
    remote = made(attempts=1, breaker_failures=2, rest_seconds=30)
    api.script.extend([status(500), well, status(500), status(503), status(500), well])
    codes = [remote.embed(["a"]) for _ in range(6)]
    assert [refused(codes[place]) for place in (0, 2, 3, 4, 5)] == [
        "EMBEDDER_BUSY",
        "EMBEDDER_BUSY",
        "EMBEDDER_BUSY",
        "EMBEDDER_RESTS",
        "EMBEDDER_RESTS",
    ]
    assert isinstance(codes[1], np.ndarray), "what works in between begins the count anew"
    assert len(api.requests) == 4
    assert "after 2 failures in a row; the last: the embedding API fails with status 503" in str(remote.problem)

    clock.seconds += 30
    assert remote.problem is None
    assert refused(remote.embed(["a"])) == "EMBEDDER_BUSY"
    assert refused(remote.embed(["a"])) == "EMBEDDER_RESTS", "the one that tried failed: another rest"
    clock.seconds += 30
    assert isinstance(remote.embed(["a"]), np.ndarray)
    assert isinstance(remote.embed(["a"]), np.ndarray)
    assert len(api.requests) == 7


def test_only_one_tries_after_a_rest(made: Callable[..., Remote], api: Api, clock: Hours) -> None:
    """The others hear at once that it is tried."""
    remote = made(attempts=1, breaker_failures=1, rest_seconds=30)
    api.script.append(status(500))
    refused(remote.embed(["a"]))
    clock.seconds += 31
    begun, go_on = threading.Event(), threading.Event()

    def slow(asked: Any) -> None:
        begun.set()
        go_on.wait(20)
        well(asked)

    api.script.append(slow)
    answers: list[object] = []
    trying = threading.Thread(target=lambda: answers.append(remote.embed(["a"])))
    trying.start()
    assert begun.wait(20)
    assert refused(remote.embed(["b"])) == "EMBEDDER_RESTS"
    go_on.set()
    trying.join()
    assert isinstance(answers[0], np.ndarray)
    assert isinstance(remote.embed(["b"]), np.ndarray)


def test_texts_that_it_does_not_take_are_not_its_failure(made: Callable[..., Remote], api: Api) -> None:
    """One bad text must not stop everyone's."""
    remote = made(breaker_failures=1)
    api.script.extend([status(400), status(400)])
    assert refused(remote.embed(["a"])) == "EMBEDDER_REFUSED"
    assert refused(remote.embed(["a"])) == "EMBEDDER_REFUSED"
    assert isinstance(remote.embed(["b"]), np.ndarray)


def test_a_rest_ends_the_attempts(made: Callable[..., Remote], api: Api, clock: Hours) -> None:
    """And the answer is what went wrong, not that it rests."""
    api.script.extend([status(500)] * 9)
    assert refused(made(attempts=9, breaker_failures=2).embed(["a"])) == "EMBEDDER_BUSY"
    assert len(api.requests) == 2


def test_it_spends_what_the_api_reports(made: Callable[..., Remote], api: Api) -> None:
    """Seven tokens a request, here at a million a million."""
    remote = made(price=1e6, spend=1_000)
    remote.embed(["a"])
    remote.embed(["a"])
    assert remote.spent == 14
    api.script.extend([other(usage=None), other(usage={"total_tokens": -9})])
    remote.embed(["a" * 30])
    remote.embed(["a" * 30])
    assert remote.spent == 14 + 2 * 11, "an estimate where it says nothing of use"


def test_it_spends_no_more_than_it_may(made: Callable[..., Remote], api: Api) -> None:
    """The refusal has the limit's name, and nothing was asked."""
    remote = made(price=1e6, spend=8)
    assert isinstance(remote.embed(["a"]), np.ndarray)
    answer = remote.embed(["abcdefghi"])
    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.LIMIT
    assert str(answer) == (
        "EMBEDDER_SPEND at embedding.spend: one more request could pass `embedding.spend` (8.00) "
        "(7.0000 is spent since this process began; raise `embedding.spend`, or start again)"
    )
    assert len(api.requests) == 1
    assert isinstance(remote.embed(["a"]), np.ndarray), "a smaller one still fits"


def test_what_may_have_to_be_paid_counts(made: Callable[..., Remote], api: Api) -> None:
    """An answer that broke off was made all the same; one that was refused was not."""
    remote = made(price=1e6, spend=1_000, attempts=1)
    api.script.extend([status(500), status(401), status(429)])
    for _ in range(3):
        refused(remote.embed(["a"]))
    assert remote.spent == 0
    api.script.append(cut)
    refused(remote.embed(["a"]))
    assert remote.spent == 1


def test_many_threads_spend_within_the_ceiling(made: Callable[..., Remote], api: Api) -> None:
    """What is on its way is counted before it is paid."""
    remote = made(price=1e6, spend=40, batch_texts=1)
    threads = [threading.Thread(target=remote.embed, args=(["abc"] * 3,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < len(api.requests) <= 24
    assert remote.spent == 7 * len(api.requests)
    assert remote.spent <= 40 + 7 * 8


def test_the_key_is_nowhere_to_be_read(made: Callable[..., Remote], api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Not in what it prints as, and not in a log of everything; nor are the texts."""
    caplog.set_level(logging.INFO)
    remote = made()
    api.script.append(status(500))
    remote.embed(["what Ada said"])
    seen = repr(remote) + str(vars(remote)["_terms"]) + caplog.text
    assert KEY not in seen
    assert "Ada" not in seen
