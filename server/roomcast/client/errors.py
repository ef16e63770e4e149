"""How things go wrong for a client: the server's own word on it, or that there was none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roomcast.errors import RETRYABLE, Code

NETWORK = "NETWORK"
"""The server could not be reached, or fell silent."""

LOCAL_FILE = "LOCAL_FILE"
"""A file on this side could not be read or written."""

_LOCKED = 423

_OFFSET = "offset"
"""A detail of the refusal of a piece that begins elsewhere than the server is: where that is has to be asked anew."""

_BY_STATUS = {
    401: Code.UNAUTHENTICATED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    410: Code.NOT_FOUND,
    413: Code.TOO_LARGE,
    429: Code.TOO_MANY,
    _LOCKED: Code.WRONG_STATE,
}
"""What a status means where no code comes with it: an answer to HEAD, or a proxy's."""


class RoomcastError(Exception):
    """Every failure. `code` is one of the server's stable codes, `NETWORK` or `LOCAL_FILE`; `message` is a sentence for
    a person; `retryable`: whether the same may succeed later; `status`: HTTP's, None where no answer came."""

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

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


def told(status: int, body: Any) -> RoomcastError:
    """The error that an answer tells of; from its status alone, if it is not Roomcast's own."""
    problem = body.get("error") if isinstance(body, dict) else None
    if isinstance(problem, dict) and "code" in problem:
        code, message = str(problem["code"]), str(problem.get("message", ""))
    else:
        # An assembly's status is refused with a sentence alone.
        message = problem if isinstance(problem, str) else f"The server answered {status}."
        problem = {}
        code = _BY_STATUS.get(status, Code.MALFORMED if status < 500 else Code.INTERNAL).value
    details = problem.get("details") or {}
    retryable = code in RETRYABLE or status == _LOCKED or _OFFSET in details
    return RoomcastError(code, message, retryable=retryable, status=status, details=details)


def failure(error: Mapping[str, Any]) -> RoomcastError:
    """The error of a message whose upload has ended in one."""
    return RoomcastError(str(error["code"]), error["message"], retryable=error["retryable"])
