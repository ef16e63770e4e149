"""Events of the application in the rooms of uploads: what they may be called and contain. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from roomcast.uploads.lifecycle import Stage, Status
from roomcast.uploads.model import ApplicationEvent

MAX_PAYLOAD_BYTES = 4096
"""Of the payload as JSON."""

RESERVED_NAMES = frozenset(
    {
        *(status.value for status in Status),
        *(stage.value for stage in Stage),
        *("connect", "connect_error", "disconnect", "disconnecting", "error", "message", "open", "close"),
        *("upload-progress", "progress", "playable", "deleted", "newListener", "removeListener", "ping", "pong"),
    }
)
"""Names that Roomcast, Socket.IO or EventSource use themselves."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.:][A-Za-z0-9]+)*", re.ASCII)
_MAX_NAME = 64


def application_event(name: str, payload: Any, now: float) -> ApplicationEvent:
    """Return an event. Raise `ValueError` for a name that is not free, and a payload that is no JSON or too large."""
    if not isinstance(name, str) or len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise ValueError(f"An event cannot be called {name!r}: letters and digits, with - _ . or : between them.")
    if name in RESERVED_NAMES or name.startswith(("join-", "leave-", "cancel-", "retry-")):
        raise ValueError(f"The name {name!r} is used by Roomcast itself. Choose another one.")
    try:
        body = orjson.dumps(payload)  # which writes numbers that are not finite as null
        json.dumps(payload, allow_nan=False, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"The payload of the event {name} is not JSON: {error}.") from error
    if len(body) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"The payload of the event {name} has {len(body)} bytes, and may have {MAX_PAYLOAD_BYTES}.")
    return ApplicationEvent(name, orjson.loads(body), now)
