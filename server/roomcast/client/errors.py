"""Errors of the client: those that the server reports, and those of the connection or of a local file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roomcast.errors import RETRYABLE, Code

NETWORK = "NETWORK"
"""The code of a server that cannot be reached or stopped answering."""

LOCAL_FILE = "LOCAL_FILE"
"""The code of a local file that cannot be read or written."""

_LOCKED = 423

_OFFSET = "offset"
"""The detail of an error about a chunk at a wrong offset. The client asks for the offset and continues there."""

_BY_STATUS = {
    401: Code.UNAUTHENTICATED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    410: Code.NOT_FOUND,
    413: Code.TOO_LARGE,
    429: Code.TOO_MANY,
    _LOCKED: Code.WRONG_STATE,
}
"""The codes of responses that have none: those to HEAD requests, and those of proxies."""


class ClientError(Exception):
    """An error of any call of the client.

    `code` is one of the server's stable codes, `NETWORK` or `LOCAL_FILE`. `message` is a sentence for a person.
    `retryable` is whether the same call may succeed later. `status` is the HTTP status, or None without a response.
    `anonymous` is whether the request had no token.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.status = status
        self.details = details
        self.anonymous = False

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


def error_from_response(status: int, body: Any) -> ClientError:
    """Make the error of a response, from its status alone when its body is not Roomcast's."""
    problem = body.get("error") if isinstance(body, dict) else None
    if isinstance(problem, dict) and "code" in problem:
        code, message = str(problem["code"]), str(problem.get("message", ""))
    else:
        # Errors of the assembly status are a sentence without a code.
        message = problem if isinstance(problem, str) else f"The server answered {status}."
        problem = {}
        code = _BY_STATUS.get(status, Code.MALFORMED if status < 500 else Code.INTERNAL).value
    details = problem.get("details") or {}
    retryable = code in RETRYABLE or status == _LOCKED or _OFFSET in details
    return ClientError(code, message, retryable=retryable, status=status, details=details)


def error_from_message(error: Mapping[str, Any]) -> ClientError:
    """Make the error of an upload from the `error` of its message."""
    return ClientError(str(error["code"]), error["message"], retryable=error["retryable"])
