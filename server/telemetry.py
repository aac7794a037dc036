"""Log lines: one form for our own and for the libraries', to stderr, in words for a terminal or in JSON for a program.

Writes no text of a user's: what people and agents say belongs in the journal, where it can be erased, and not in logs,
where it can't. Says nothing about metrics or traces.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO

import structlog

TEXTS = frozenset({"text", "body", "content", "properties", "query", "variables", "arguments", "vector"})
"""Keys whose values may hold what a user said; a line tells only their size."""


def configure(form: Literal["auto", "console", "json"], level: str, stream: TextIO = sys.stderr) -> None:
    """Routes every logger of the process, structlog's and the standard library's, into one handler on `stream`.

    What `structlog.contextvars` holds (`request_id`, `tenant`) is on each line. May be called again.
    """
    on_terminal = stream.isatty()
    console = form == "console" or (form == "auto" and on_terminal)
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        hide_texts,
    ]
    after: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if console:
        # The renderer's usual traceback prints local variables, and those hold users' text.
        plain = structlog.dev.plain_traceback
        after.append(structlog.dev.ConsoleRenderer(colors=on_terminal, exception_formatter=plain))
    else:
        after += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]

    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after))
    handler.addFilter(_without_query_string)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "py.warnings"):
        # uvicorn would add handlers of its own; ours is enough.
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2", "websockets"):
        # Below a warning they print what is asked: users' text; or what our own line says of each connection.
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def hide_texts(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Puts a size where a user's text would stand."""
    for key in TEXTS & line.keys():
        value = line[key]
        line[key] = f"<{len(value)}>" if hasattr(value, "__len__") else "<hidden>"
    return line


def _without_query_string(record: logging.LogRecord) -> bool:
    """A GraphQL GET carries its query in the address, which uvicorn's lines print whole; of WebSockets, beside ours."""
    if record.name == "uvicorn.error" and str(record.msg).startswith('%s - "WebSocket'):
        return False
    if record.name == "uvicorn.access" and isinstance(record.args, tuple) and len(record.args) == 5:
        client, method, path, version, status = record.args
        record.args = (client, method, str(path).partition("?")[0], version, status)
    return True


@contextmanager
def quiet(tenant: str) -> Iterator[None]:
    """Writes no line for requests of that tenant that went well, as long as the block runs."""

    def told(record: logging.LogRecord) -> bool:
        line = record.msg if isinstance(record.msg, dict) else {}
        return not (line.get("event") == "request" and line.get("tenant") == tenant and line.get("status") == 200)

    handlers = logging.getLogger().handlers[:]
    for handler in handlers:
        handler.addFilter(told)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(told)
