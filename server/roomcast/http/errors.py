"""Turns errors into HTTP responses: one table from code to status, and the body that the route's dialect has."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import orjson
import structlog
from aiohttp import ClientConnectionResetError, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from roomcast.dialects.errors import NATIVE, error_format
from roomcast.errors import Code, Interrupted, Malformed, Problem, RoomcastError, unexpected_error
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
    405: (Code.MALFORMED, "This address does not accept that method."),
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


_NOT_FOUND_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Page not found · Roomcast</title>
<link rel="icon" href="{base}static/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="{base}static/base.css">
<link rel="stylesheet" href="{base}static/page.css">
<link rel="stylesheet" href="{base}static/page/link-page.css">
<main>
<h1>Page not found</h1>
<p>There is no page at this address.</p>
<ul>
<li><a href="{base}progress-demo">Upload files</a></li>
<li><a href="{base}docs">API reference</a></li>
</ul>
</main>
</html>
"""
_NOT_FOUND_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Vary": "Accept",
}


def wants_page(request: web.Request) -> bool:
    """Return whether a browser shows the response to a person, as opposed to a client of the API."""
    accepted = request.headers.get(hdrs.ACCEPT, "").lower()
    is_page = not request.path.startswith(("/api/", "/socket.io/"))
    return is_page and request.method in (hdrs.METH_GET, hdrs.METH_HEAD) and "text/html" in accepted


def not_found_page(base: str) -> web.Response:
    """Return the page for an address that does not exist. `base` is what the URLs of its links begin with, and ends
    with a slash or is empty."""
    text = _NOT_FOUND_PAGE.format(base=escape(base))
    return web.Response(status=404, text=text, content_type="text/html", headers=_NOT_FOUND_HEADERS)


def _relative_base(request: web.Request) -> str:
    """Return the relative URL of the server's root, which needs no knowledge of the prefix before it."""
    return "../" * (request.rel_url.raw_path.count("/") - 1) or "./"


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every exception of a handler in JSON, without internals.

    A person whose address is of no operation gets a page.
    """
    try:
        return await handler(request)
    except RoomcastError as error:
        return refuse(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        if error is request.match_info.http_exception and error.status == 404 and wants_page(request):
            return not_found_page(_relative_base(request))
        code, text = _LIBRARY_ERRORS.get(error.status, (Code.MALFORMED, None))
        facts = {name: error.headers[name] for name in _FACTS if name in error.headers}
        problem: Problem = {"code": code, "message": text or error.reason}
        # Engine.IO's clients know its errors by fields of their own.
        own = orjson.loads(error.text or "{}") if error.content_type == "application/json" else None
        return error_response(request.path, problem, error.status, facts, beside=own)
    except HttpProcessingError:
        return refuse(request, Malformed("The request is not valid HTTP."))
    except ClientConnectionResetError:  # the handler wrote to a client that had gone, which is not answered either
        return refuse(request, Interrupted("The connection was closed."))
    except Exception:
        log.exception("request_failed", method=request.method, path=request.path)
        return refuse(request, unexpected_error())
