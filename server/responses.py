"""Answers over HTTP: JSON as orjson writes it, and errors in the form that GraphQL's clients read."""

from typing import Any

import orjson
from starlette.responses import Response

OUR_MISTAKE = "something went wrong on our side; whoever runs this server finds it by the request's id"


def json_response(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def error_response(status: int, code: str, message: str, request_id: str) -> Response:
    """A request that did not get as far as GraphQL."""
    extensions = {"code": code, "requestId": request_id}
    return json_response({"errors": [{"message": message, "extensions": extensions}]}, status)
