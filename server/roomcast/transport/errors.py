"""The errors of Engine.IO's HTTP requests, with the codes and texts that Node's server has: clients look at them."""

from __future__ import annotations

import json
from enum import IntEnum

from aiohttp import web


class EngineError(IntEnum):
    """The `code` of an error's body."""

    UNKNOWN_TRANSPORT = 0
    UNKNOWN_SESSION = 1
    BAD_HANDSHAKE_METHOD = 2
    BAD_REQUEST = 3
    FORBIDDEN = 4
    UNSUPPORTED_PROTOCOL_VERSION = 5


_TEXTS = {
    EngineError.UNKNOWN_TRANSPORT: "Transport unknown",
    EngineError.UNKNOWN_SESSION: "Session ID unknown",
    EngineError.BAD_HANDSHAKE_METHOD: "Bad handshake method",
    EngineError.BAD_REQUEST: "Bad request",
    EngineError.FORBIDDEN: "Forbidden",
    EngineError.UNSUPPORTED_PROTOCOL_VERSION: "Unsupported protocol version",
}


def engine_error(
    code: EngineError, reason: str, status: type[web.HTTPClientError] = web.HTTPBadRequest
) -> web.HTTPClientError:
    """Return aiohttp's error with the JSON body `{"code", "message"}`. `reason` is a sentence about this request."""
    body = json.dumps({"code": code, "message": _TEXTS[code]}, separators=(",", ":"))
    return status(reason=reason, text=body, content_type="application/json")
