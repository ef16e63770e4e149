"""The HTTP operations of Socket.IO's transport, which python-socketio adds to the application by itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from roomcast.errors import Forbidden, Malformed, Stalled, TooLarge, TooMany
from roomcast.http.operations import Operation, Parameter, ResponseSpec, Tag

_PATH = "/socket.io/"
_PARAMETERS = (
    Parameter("EIO", Annotated[str, Field(pattern="^4$", examples=["4"])], "The version of Engine.IO.", required=True),
    Parameter("transport", Annotated[str, Field(examples=["websocket"])], "`polling` or `websocket`."),
    Parameter("sid", str, "The session's id, after the first request."),
)
_PACKETS = ResponseSpec(200, "Packets.", {"text/plain": str})

SOCKET_IO_OPERATIONS = (
    Operation(
        "GET",
        _PATH,
        Tag.SOCKET_IO,
        "Connect, or poll",
        (ResponseSpec(101, "A WebSocket."), _PACKETS),
        description="Use a Socket.IO client. `/asyncapi.json` describes its calls and events.",
        parameters=_PARAMETERS,
        errors=(Malformed, Forbidden, TooMany),
    ),
    Operation(
        "POST",
        _PATH,
        Tag.SOCKET_IO,
        "Send packets",
        (_PACKETS,),
        parameters=_PARAMETERS,
        body={"text/plain": str},
        errors=(Malformed, Forbidden, Stalled, TooLarge, TooMany),
    ),
    Operation(
        "OPTIONS",
        _PATH,
        Tag.SOCKET_IO,
        "Preflight requests of browsers",
        (ResponseSpec(200, "The request is allowed."),),
        errors=(Forbidden,),
    ),
)
