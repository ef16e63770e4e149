"""From errors to HTTP answers: one table, one shape, and nothing of the server's inside."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from server.upload.errors import Code, Malformed, RoomcastError
from server.web.answers import json_answer

log = structlog.get_logger(__name__)

STATUS: dict[Code, int] = {
    Code.MALFORMED: 400,
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.STALLED: 408,
    Code.WRONG_STATE: 409,
    Code.ID_TAKEN: 409,
    Code.CANCELLED: 409,
    Code.TOO_LARGE: 413,
    Code.UNSUPPORTED_TYPE: 415,
    Code.UNREADABLE_MEDIA: 422,
    Code.TOO_MANY: 429,
    Code.TRANSCODE_ERROR: 500,
    Code.STORAGE_ERROR: 500,
    Code.WORKER_LOST: 500,
    Code.INTERNAL: 500,
    Code.TIMEOUT: 504,
    Code.DISK_FULL: 507,
}

_OWN_WORDS: dict[int, tuple[Code, str]] = {
    404: (Code.NOT_FOUND, "There is nothing here."),
    405: (Code.MALFORMED, "This address does not take that method."),
    413: (Code.TOO_LARGE, "The body is too large."),
}


def answer(error: RoomcastError) -> web.Response:
    """`{"error": {"code", "message", "details"?}}` with the code's status."""
    headers = {"WWW-Authenticate": "Bearer"} if error.code is Code.UNAUTHENTICATED else None
    return json_answer({"error": error.as_json()}, status=STATUS[error.code], headers=headers)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever a handler raises becomes the one shape of an error."""
    try:
        return await handler(request)
    except RoomcastError as error:
        return answer(error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code, text = _OWN_WORDS.get(error.status, (Code.MALFORMED, error.reason))
        body = {"error": {"code": code.value, "message": text}}
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return json_answer(body, status=error.status, headers=allow)
    except HttpProcessingError:
        return answer(Malformed("The request could not be understood."))
    except Exception:
        log.exception("request failed", method=request.method, path=request.path)
        return answer(RoomcastError("Something went wrong on the server."))
