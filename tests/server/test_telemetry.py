"""Log lines: one form for all loggers, the request on each, and nothing in them that a user said."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from server.telemetry import configure, quiet


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure("json", "info", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_and_the_libraries_look_alike(lines: io.StringIO) -> None:
    """Both carry the time in UTC, the level, the logger and the request they belong to."""
    with structlog.contextvars.bound_contextvars(request_id="r1", tenant="team"):
        structlog.get_logger("memql").info("opened", position=7)
        logging.getLogger("uvicorn.error").warning("closed after %d s", 3)
    ours, theirs = told(lines)
    assert (ours["event"], ours["position"], ours["level"], ours["logger"]) == ("opened", 7, "info", "memql")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("closed after 3 s", "warning", "uvicorn.error")
    for line in (ours, theirs):
        assert (line["request_id"], line["tenant"]) == ("r1", "team")
        assert line["timestamp"].endswith("Z")


def test_below_its_level_nothing_is_written(lines: io.StringIO) -> None:
    """The level holds for every logger."""
    structlog.get_logger("memql").debug("detail")
    logging.getLogger("lance").debug("detail")
    assert told(lines) == []


def test_what_a_user_said_is_told_by_size_only(lines: io.StringIO) -> None:
    """Also a query in an address, which uvicorn would print."""
    structlog.get_logger("memql").info("written", text="my secret", variables={"name": "my secret"})
    access = logging.getLogger("uvicorn.access")
    access.info('%s - "%s %s HTTP/%s" %d', "::1", "GET", "/graphql?query=secret", "1.1", 200)
    assert "secret" not in lines.getvalue()
    assert told(lines)[0]["text"] == "<9>"
    assert told(lines)[1]["event"] == '::1 - "GET /graphql HTTP/1.1" 200'


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_variables(lines: io.StringIO, form: Any) -> None:
    """They hold what users wrote."""
    configure(form, "info", lines)
    said = "".join(["hush", "-hush"])
    try:
        raise KeyError(len(said))
    except KeyError:
        structlog.get_logger("memql").exception("failed")
    assert "KeyError" in lines.getvalue()
    assert "hush-hush" not in lines.getvalue()


def test_a_terminal_gets_words_and_a_pipe_gets_json(lines: io.StringIO) -> None:
    """What auto means."""
    configure("console", "info", lines)
    structlog.get_logger("memql").info("opened", position=7)
    assert "opened" in lines.getvalue()
    assert "position=7" in lines.getvalue()
    configure("auto", "info", lines)
    structlog.get_logger("memql").info("piped")
    assert json.loads(lines.getvalue().splitlines()[-1])["event"] == "piped"


def test_requests_of_one_tenant_may_be_left_out(lines: io.StringIO) -> None:
    """Those that went well, for as long as somebody asks for it."""
    log = structlog.get_logger("memql")
    with quiet("demo"):
        log.info("request", tenant="demo", status=200)
        log.info("request", tenant="demo", status=500)
        log.info("request", tenant="team", status=200)
    log.info("request", tenant="demo", status=200)
    assert [(line["tenant"], line["status"]) for line in told(lines)] == [("demo", 500), ("team", 200), ("demo", 200)]
