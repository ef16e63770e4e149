"""Who is connected by Socket.IO, in which rooms, in all web processes; and disconnecting them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, model_validator

from roomcast.errors import Forbidden, Malformed, TooLarge
from roomcast.http.admin.access import AdminAccess
from roomcast.http.admin.board import AdminBoard
from roomcast.http.admin.schema import DisconnectResult, Rooms
from roomcast.http.intake.json_body import read_json
from roomcast.http.operations import JSON, Operation, Parameter, RouteGroup, Tag, json_body
from roomcast.http.responses import VIEWER, json_response
from roomcast.services.calls.web_calls import DISCONNECT_SOCKETS, LIST_SOCKETS, MAX_SOCKETS, Answers, WebCalls

log = structlog.get_logger(__name__)

_MAX_BODY_BYTES = 4 * 1024

_Value = Annotated[str, Field(min_length=1, max_length=300)]


class DisconnectRequest(BaseModel):
    """The sockets to disconnect: one, or all of a user."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    sid: Annotated[_Value | None, Field(examples=["GVTd3cqU0w1cZUHhAAAB"])] = None
    user: _Value | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.sid is None) == (self.user is None):
            raise ValueError("It must have either a sid or a user.")
        return self


class RoomRoutes(RouteGroup):
    """`/api/admin/rooms` and `/api/admin/rooms/disconnect`."""

    def __init__(self, access: AdminAccess, board: AdminBoard, calls: WebCalls) -> None:
        self._access = access
        self._board = board
        self._calls = calls

    @Operation(
        "GET",
        "/api/admin/rooms",
        Tag.ADMIN,
        "List the sockets and their rooms",
        (json_body(Rooms, "The sockets of all web processes, oldest first."),),
        parameters=(
            Parameter("upload", str, "Only sockets in the room of this upload."),
            Parameter("user", str, "Only sockets of this user."),
        ),
        errors=(Forbidden,),
    )
    async def _list(self, request: web.Request) -> web.Response:
        self._access.check(request, request[VIEWER])
        wanted = {name: request.query[name] for name in ("upload", "user") if request.query.get(name)}
        answers = await self._call(LIST_SOCKETS, wanted)
        sockets = [socket for found in answers.by_process.values() for socket in found]
        sockets.sort(key=lambda one: one["since"])
        truncated = len(sockets) > MAX_SOCKETS
        return json_response(Rooms(sockets=sockets[:MAX_SOCKETS], missing=[*answers.missing], truncated=truncated))

    @Operation(
        "POST",
        "/api/admin/rooms/disconnect",
        Tag.ADMIN,
        "Disconnect sockets",
        (json_body(DisconnectResult, "How many sockets were disconnected."),),
        description="They may be connected to any process. A disconnected client does not reconnect by itself.",
        body={JSON: DisconnectRequest},
        errors=(Forbidden, Malformed, TooLarge),
    )
    async def _disconnect(self, request: web.Request) -> web.Response:
        viewer = request[VIEWER]
        self._access.check(request, viewer)
        asked = await read_json(request, DisconnectRequest, "request", max_bytes=_MAX_BODY_BYTES)
        answers = await self._call(DISCONNECT_SOCKETS, {**asked.model_dump(exclude_none=True), "by": viewer.user})
        disconnected = sum(answers.by_process.values())
        return json_response(DisconnectResult(disconnected=disconnected, missing=[*answers.missing]))

    async def _call(self, name: str, argument: Mapping[str, Any]) -> Answers:
        processes = [one.process for one in await self._board.web_processes()]
        return await self._calls.call(name, argument, processes)
