"""Makes the AsyncAPI 3.0 document of the Socket.IO calls and events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from roomcast.api_docs.schemas import Schemas
from roomcast.http.operations import JSON
from roomcast.rooms.handlers import CALLS, SocketCall
from roomcast.rooms.schema import ConnectAuth, ErrorAck, IdArgument
from roomcast.rooms.upload_rooms import DELETED, PROGRESS
from roomcast.uploads.lifecycle import Status
from roomcast.uploads.messages import Message

_CHANNEL = "#/channels/socket"
_ABOUT = (
    "Every upload has a room. Connect, join the room of an upload, and receive its events until it ends. Calls are "
    "emitted with an acknowledgement callback. `/openapi.json` describes the HTTP API."
)
_EVENTS = {
    PROGRESS: "The state of an upload whose room you have joined: at every event, and at ticks between events.",
    **{status.value: f"The same message again, when the status has become `{status}`." for status in Status},
    DELETED: "The same message again, when the upload was deleted.",
}
_ABOUT_APPLICATION_EVENTS = (
    "The same message again, under the name of the application's own event that it carries as `event`."
)
APPLICATION_EVENT = "application-event"
"""Stands for the name of any event of the application."""

_CONNECT = "connect"


def asyncapi(*, cookie: str | None, url: str | None = None) -> dict[str, Any]:
    """Return the document. `cookie` and `url` are those of `openapi`."""
    schemas = Schemas()
    messages = {
        _CONNECT: _message("The `auth` of the handshake.", schemas.of(ConnectAuth)),
        **{name: _message(text, schemas.of(Message)) for name, text in _EVENTS.items()},
        APPLICATION_EVENT: _message(_ABOUT_APPLICATION_EVENTS, schemas.of(Message)),
    }
    operations = {_CONNECT: _operation("receive", [_CONNECT], "Connect.")}
    for name, call in CALLS.items():
        messages |= _call_messages(name, call, schemas)
        operations[name] = _operation("receive", [name], _summary(call)) | {
            "reply": {"channel": {"$ref": _CHANNEL}, "messages": _references([f"{name}.ack", f"{name}.refused"])}
        }
    operations |= {name: _operation("send", [name], text) for name, text in _EVENTS.items()}
    operations[APPLICATION_EVENT] = _operation("send", [APPLICATION_EVENT], _ABOUT_APPLICATION_EVENTS)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Roomcast", "version": "1", "description": _ABOUT},
        "defaultContentType": JSON,
        "servers": {"roomcast": _server(url, secured=cookie is not None)},
        "channels": {
            "socket": {
                "address": "/",
                "title": "The default namespace",
                "description": "The name of a message is the name of the Socket.IO event.",
                "messages": messages,
            }
        },
        "operations": operations,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            **({"securitySchemes": _security_schemes(cookie)} if cookie is not None else {}),
        },
    }


def _server(url: str | None, *, secured: bool) -> dict[str, Any]:
    base = urlsplit(url or "http://127.0.0.1:8000")
    schemes = [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("bearer", "cookie")]
    return {
        "host": base.netloc,
        "pathname": f"{base.path.rstrip('/')}/socket.io/",
        "protocol": "wss" if base.scheme == "https" else "ws",
        "protocolVersion": "5",
        "description": "Socket.IO 5 over Engine.IO 4.",
        **({"security": schemes} if secured else {}),
    }


def _call_messages(name: str, call: SocketCall, schemas: Schemas) -> dict[str, Any]:
    hints = get_type_hints(call.handler)
    return {
        name: _message(
            "The argument. A string is taken as the id.", schemas.of(hints["argument"] | IdArgument, "validation")
        ),
        f"{name}.ack": _message("The acknowledgement of a call that succeeded.", schemas.of(hints["return"])),
        f"{name}.refused": _message("The acknowledgement of a call that failed.", schemas.of(ErrorAck)),
    }


def _summary(call: SocketCall) -> str:
    return (call.handler.__doc__ or "").strip()


def _message(summary: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "payload": payload}


def _operation(action: str, messages: Iterable[str], summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": _CHANNEL}, "summary": summary, "messages": _references(messages)}


def _references(messages: Iterable[str]) -> list[dict[str, str]]:
    return [{"$ref": f"{_CHANNEL}/messages/{name}"} for name in messages]


def _security_schemes(cookie: str) -> dict[str, Any]:
    return {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "cookie": {"type": "httpApiKey", "in": "cookie", "name": cookie},
    }
