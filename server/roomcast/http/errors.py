"""Turns errors into HTTP responses: one table from code to status, and the body that the route's dialect has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from roomcast.dialects.errors import NATIVE, error_format
from roomcast.errors import Code, Malformed, Problem, RoomcastError
from roomcast.http.responses import json_response

log = structlog.get_logger(__name__)

STATUS: dict[str, int] = {
    Code.MALFORMED: 400,
    Code.INVALID_METADATA: 400,
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.STALLED: 408,
    Code.DELETED: 410,
    Code.WRONG_STATE: 409,
    Code.ID_TAKEN: 409,
    Code.CANCELLED: 409,
    Code.SOURCE_GONE: 409,
    Code.TOO_LARGE: 413,
    Code.UNSUPPORTED_TYPE: 415,
    Code.UNREADABLE_MEDIA: 422,
    Code.ADDRESS_REFUSED: 422,
    Code.TOO_MANY: 429,
    Code.TRANSCODE_ERROR: 500,
    Code.STORAGE_ERROR: 500,
    Code.WORKER_LOST: 500,
    Code.UNREADABLE_RECORD: 500,
    Code.INTERNAL: 500,
    Code.IMPORT_FAILED: 502,
    Code.TIMEOUT: 504,
    Code.HOOK_FAILED: 503,
    Code.STEP_FAILED: 500,
    Code.DISK_FULL: 507,
}
"""The status of each error code."""

REJECTED_STATUS = 422
"""The status of a code that is the application's own."""


def status_of(error: RoomcastError) -> int:
    """Return the status of the response for an error."""
    return STATUS.get(error.code, REJECTED_STATUS)


_LIBRARY_ERRORS: dict[int, tuple[Code, str | None]] = {
    401: (Code.UNAUTHENTICATED, None),
    403: (Code.FORBIDDEN, None),
    404: (Code.NOT_FOUND, "Nothing was found at this URL."),
    405: (Code.MALFORMED, "This address does not take that method."),
    408: (Code.STALLED, None),
    413: (Code.TOO_LARGE, "The body is too large."),
    416: (Code.MALFORMED, "The range is outside the file."),
    429: (Code.TOO_MANY, None),
}
"""The code and message of errors that aiohttp raises, by status; without a message, aiohttp's own reason is sent."""

_FACTS = ("Allow", "Content-Range")
"""The headers of aiohttp's errors that are part of the response."""

CODE_HEADER = "X-Error-Code"
"""Carries the stable code of an error whose body, a dialect's, has no field for it."""


def error_response(
    path: str,
    problem: Problem,
    status: int,
    headers: Mapping[str, str] | None = None,
    *,
    beside: Mapping[str, Any] | None = None,
) -> web.Response:
    """Return the response to a request on `path` that failed, in its dialect's format with the fields of `beside`."""
    found = error_format(path)
    code = {} if found is NATIVE else {CODE_HEADER: str(problem["code"])}
    body = found.render(problem)
    return json_response({**body, **(beside or {})}, status=status, headers={**code, **(headers or {})})


def refuse(request: web.Request, error: RoomcastError) -> web.Response:
    """Return the response for an error, with the status of its code."""
    headers = {"WWW-Authenticate": "Bearer"} if error.code is Code.UNAUTHENTICATED else None
    return error_response(request.path, error.to_json(), status_of(error), headers)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever a handler raises in JSON, without internals."""
    try:
        return await handler(request)
    except RoomcastError as error:
        return refuse(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code, text = _LIBRARY_ERRORS.get(error.status, (Code.MALFORMED, None))
        facts = {name: error.headers[name] for name in _FACTS if name in error.headers}
        problem: Problem = {"code": code, "message": text or error.reason}
        # Engine.IO's clients know its errors by fields of their own.
        own = orjson.loads(error.text or "{}") if error.content_type == "application/json" else None
        return error_response(request.path, problem, error.status, facts, beside=own)
    except HttpProcessingError:
        return refuse(request, Malformed("The request is not valid HTTP."))
    except Exception:
        log.exception("request_failed", method=request.method, path=request.path)
        return refuse(request, RoomcastError("Something went wrong on the server."))
