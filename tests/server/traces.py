"""What an answer must never show: how the server is made, and where it is."""

import re
import sys
from pathlib import Path

_TRACES = re.compile(
    r"Traceback|\.py\b|site-packages|\bobject at 0x|<(?:class|function|module|bound method) "
    r"|\b[A-Z]\w*(?:Error|Exception): |NoneType|\bself\.|__\w+__(?<!__typename)(?<!__schema)(?<!__type)"
    r"|sqlite|k[uù]zu|ladybug|lance|tantivy|strawberry|starlette|uvicorn|graphql-core|pydantic|orjson|numpy"
    r"|set_int_max_str_digits|/(?:tmp|usr|home|root|var)/|[A-Z]:\\\\",
    re.IGNORECASE,
)
_PLACES = {str(Path(__file__).parents[2]), sys.prefix, str(Path.home())} - {"/"}


def traces(shown: str, sent: str = "") -> list[str]:
    """Those in what was shown that the caller did not bring along."""
    found = [match[0] for match in _TRACES.finditer(shown)] + [place for place in _PLACES if place in shown]
    return [each for each in found if each not in sent]
