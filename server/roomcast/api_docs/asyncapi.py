"""Makes the AsyncAPI 3.0 document of the Socket.IO calls and events. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints
from urllib.parse import urlsplit

from roomcast.api_docs.examples import example
from roomcast.api_docs.schemas import Schemas
from roomcast.errors import Code
from roomcast.fanout.relay import PLAYABLE
from roomcast.http.operations import JSON
from roomcast.rooms.handlers import CALLS, SocketCall
from roomcast.rooms.schema import ConnectAuth, ErrorAck, IdArgument
from roomcast.rooms.upload_rooms import DELETED, PROGRESS
from roomcast.uploads.lifecycle import TABLE, Stage, Status
from roomcast.uploads.messages import ApplicationEventJson, Element, Message, Playable, UploadError

_CHANNEL = "#/channels/socket"
_ABOUT = (
    "Every upload has a room. Connect, join the room of an upload, and receive its events until it ends. Calls are "
    "emitted with an acknowledgement callback. `/openapi.json` describes the HTTP API."
)
_ABOUT_EVENTS = {
    PROGRESS: "Sent whenever the state of an upload changes, and several times a second while a step works.",
    Status.STARTING: "Sent when the upload is created, and when it starts again after a failed attempt or a retry.",
    Status.COMPRESSING: "Sent once a worker begins to compress the file.",
    Status.UPLOADING: "Sent once the results are being stored.",
    Status.COMPLETED: "Sent once the results are stored. `element` has their URLs.",
    Status.ERROR: "Sent once the upload has failed or was cancelled. `error` says why.",
    PLAYABLE: "Sent once the beginning of a long film can be played, while the rest is compressed. See `playable`.",
    DELETED: "Sent once the upload is deleted, with its results.",
}
_ABOUT_APPLICATION_EVENTS = (
    "Sent when the application publishes an event of its own, under the name of that event. `event` has its payload."
)
_SENTENCES = {
    Status.STARTING: "Waiting for the file",
    Status.COMPRESSING: "Compressing the video",
    Status.UPLOADING: "Storing the result",
    Status.COMPLETED: "Done",
    Status.ERROR: "The file is broken.",
    DELETED: "Deleted",
}
"""The `message` in the example of each event."""

APPLICATION_EVENT = "application-event"
"""Stands for the name of any event of the application."""

_CONNECT = "connect"


def asyncapi(*, cookie: str | None, url: str | None = None) -> dict[str, Any]:
    """Return the document. `cookie` and `url` are those of `openapi`."""
    schemas = Schemas()
    messages = {_CONNECT: _message("The `auth` of the handshake.", schemas.of(ConnectAuth))}
    for name, text in _about_events().items():
        payload = _event_payload(name, schemas)
        messages[name] = _message(text, payload) | {"examples": [{"payload": example(payload, schemas.components)}]}
    operations = {_CONNECT: _operation("receive", [_CONNECT], "Connect.")}
    for name, call in CALLS.items():
        messages |= _call_messages(name, call, schemas)
        operations[name] = _operation("receive", [name], _summary(call)) | {
            "reply": {"channel": {"$ref": _CHANNEL}, "messages": _references([f"{name}.ack", f"{name}.refused"])}
        }
    operations |= {name: _operation("send", [name], text) for name, text in _about_events().items()}
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


def _about_events() -> dict[str, str]:
    """Return when each event is sent, by its name, a plain string as JSON needs it."""
    named = {str(name): text for name, text in _ABOUT_EVENTS.items()}
    return {**named, APPLICATION_EVENT: _ABOUT_APPLICATION_EVENTS}


def _event_payload(name: str, schemas: Schemas) -> dict[str, Any]:
    """Return the schema of an event's payload: a message, with what this event's messages have in common."""
    message = schemas.of(Message)
    if name == PROGRESS:
        return dict(message)
    if name == APPLICATION_EVENT:
        return {"allOf": [message, _with_fields({"event": schemas.of(ApplicationEventJson)})]}
    if name == PLAYABLE:
        return {"allOf": [message, _with_fields({"playable": schemas.of(Playable)})]}
    stage = Stage.DELETED if name == DELETED else next(stage for stage, row in TABLE.items() if row.status == name)
    row = TABLE[stage]
    fields: dict[str, Any] = {
        "status": {"const": row.status.value},
        # A worker of a newer version may report a stage that this one does not know.
        "stage": {"type": "string", "examples": [stage.value]},
        "message": {"type": "string", "examples": [_SENTENCES[name]]},
    }
    if row.share:
        fields["progress"] = {"type": "number", "examples": [row.share[0]]}
        fields["stageProgress"] = {"type": "number", "examples": [100 if row.status == Status.COMPLETED else 0]}
    if row.status != Status.COMPRESSING:
        fields |= {field: {"examples": [None]} for field in ("eta", "speed", "fps", "queuePosition")}
    if row.status == Status.COMPLETED:
        fields["element"] = schemas.of(Element)
    if row.status == Status.ERROR:
        fields["error"] = schemas.of(UploadError)
    if name == DELETED:
        of_deletion = _with_fields({"code": {"const": Code.DELETED.value}, "message": {"examples": ["Deleted."]}})
        fields["error"] = {"allOf": [fields["error"], of_deletion]}
    return {"allOf": [message, _with_fields(fields)]}


def _with_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(fields), "required": list(fields)}


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
