"""The Socket.IO calls of the contract, each acknowledged: `{ok: true, …}` or `{ok: false, error: {code, message}}`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import socketio
import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from socketio.exceptions import ConnectionRefusedError as Refused

from server.access import Authenticator, bearer
from server.backlog import Traffic
from server.control import Control, check_id
from server.realtime.hub import Client, Hub
from server.realtime.outbox import Outbox
from server.realtime.transports import Transports, websocket_transport
from server.upload.errors import Malformed, RoomcastError, Unauthenticated
from server.upload.events import Message, message

log = structlog.get_logger(__name__)

CALLS_AHEAD = 256
"""Calls of one client that may be under way or wait to have their answers read."""

Ack = dict[str, Any]
UploadId = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class UploadArgument(BaseModel):
    """The argument of every call; a bare string is the upload's id."""

    model_config = ConfigDict(strict=True)

    uploadId: UploadId  # noqa: N815  (the contract's spelling)
    since: Annotated[int, Field(ge=0)] | None = None
    epoch: Annotated[str, StringConstraints(max_length=100)] | None = None


class AssemblyArgument(BaseModel):
    """The argument of the calls about an assembly; a bare string is its id."""

    model_config = ConfigDict(strict=True)

    assemblyId: UploadId  # noqa: N815  (the contract's spelling)


_ARGUMENT: TypeAdapter[UploadArgument | str] = TypeAdapter(UploadArgument | UploadId)
_ASSEMBLY: TypeAdapter[AssemblyArgument | str] = TypeAdapter(AssemblyArgument | UploadId)
Call = Callable[[Client, tuple[Any, ...]], Awaitable[Ack]]


class Calls:
    """The handlers of one Socket.IO server."""

    def __init__(
        self,
        sio: socketio.AsyncServer,
        hub: Hub,
        control: Control,
        authenticator: Authenticator,
        transports: Transports,
        present: Callable[[Message], Message],
        cookie: str,
        traffic: Traffic,
    ) -> None:
        self._sio = sio
        self._hub = hub
        self._control = control
        self._authenticator = authenticator
        self._transports = transports
        self._present = present
        self._cookie = cookie
        self._traffic = traffic
        self._expiry: dict[str, asyncio.TimerHandle] = {}
        self._leaving: set[asyncio.Future[None]] = set()
        self._calls: dict[str, Call] = {
            "join-upload": _about_upload(self._join),
            "leave-upload": _about_upload(self._leave),
            "cancel-upload": _about_upload(self._cancel),
            "retry-upload": _about_upload(self._retry),
            "join-assembly": _about_assembly(self._join_assembly),
            "leave-assembly": _about_assembly(self._leave_assembly),
        }
        sio.on("connect", self._on_connect)
        sio.on("disconnect", self._on_disconnect)
        sio.on("*", self._on_call)

    async def _on_connect(self, sid: str, environ: Any, auth: Any = None) -> Ack | None:
        if self._hub.client(sid):
            return await self._on_call("connect", sid)  # not a connection, but a call that a client named so
        request: web.Request = environ["aiohttp.request"]
        try:
            viewer = self._authenticator.viewer(self._token(request, auth))
        except Unauthenticated as error:
            # The second argument becomes the client's `connect_error.data`.
            raise Refused(error.message, error.as_json()) from error
        eio_sid = self._sio.manager.eio_sid_from_sid(sid, "/")
        socket = self._sio.eio.sockets[eio_sid]
        outbox = Outbox(socket, websocket_transport(request), self._traffic)
        self._transports.follow(eio_sid, outbox)
        self._hub.enter(Client(sid, viewer, outbox))
        if viewer.expires_at is not None:
            left = max(0.0, viewer.expires_at - time.time())
            self._expiry[sid] = asyncio.get_running_loop().call_later(left, self._expire, sid)
        return None

    async def _on_disconnect(self, sid: str, *_: Any) -> Ack | None:
        if self._sio.manager.is_connected(sid, "/"):
            return await self._on_call("disconnect", sid)  # likewise
        if timer := self._expiry.pop(sid, None):
            timer.cancel()
        if eio_sid := self._sio.manager.eio_sid_from_sid(sid, "/"):
            self._transports.forget(eio_sid)
        self._hub.leave(sid)
        return None

    async def _on_call(self, event: str, sid: str, *arguments: Any) -> Ack | None:
        client = self._hub.client(sid)
        call = self._calls.get(event)
        if call is None or client is None:
            return _refused(Malformed("There is no such call."))
        if client.calls + client.outbox.ahead > CALLS_AHEAD:
            self._hub.drop(client, "it calls and reads no answer")
            return None
        client.calls += 1
        try:
            return await call(client, arguments)
        except RoomcastError as error:
            return _refused(error)
        except Exception:
            log.exception("call failed", call=event)
            return _refused(RoomcastError("Something went wrong on the server."))
        finally:
            client.calls -= 1

    async def _join(self, client: Client, argument: UploadArgument) -> Ack:
        check_id(argument.uploadId)
        return {"ok": True, **await self._hub.join(client, argument.uploadId, argument.since, argument.epoch)}

    async def _leave(self, client: Client, argument: UploadArgument) -> Ack:
        async with client.one_at_a_time:
            self._hub.part(client, argument.uploadId)
        return {"ok": True}

    async def _join_assembly(self, client: Client, assembly_id: str) -> Ack:
        """Into the rooms of all its uploads: their states, in the assembly's order."""
        assembly = await self._control.look_at_assembly(client.viewer, assembly_id)
        joined = [await self._hub.join(client, upload.id, None, None) for upload in assembly.uploads]
        return {"ok": True, "assemblyId": assembly_id, "states": [room["state"] for room in joined]}

    async def _leave_assembly(self, client: Client, assembly_id: str) -> Ack:
        assembly = await self._control.look_at_assembly(client.viewer, assembly_id)
        async with client.one_at_a_time:
            for upload in assembly.uploads:
                self._hub.part(client, upload.id)
        return {"ok": True}

    async def _cancel(self, client: Client, argument: UploadArgument) -> Ack:
        await self._control.cancel(client.viewer, argument.uploadId)
        return {"ok": True}

    async def _retry(self, client: Client, argument: UploadArgument) -> Ack:
        upload = await self._control.retry(client.viewer, argument.uploadId)
        return {"ok": True, "state": self._present(message(upload))}

    def _token(self, request: web.Request, auth: Any) -> str | None:
        offered = auth.get("token") if isinstance(auth, dict) else None
        if isinstance(offered, str):
            return offered
        return bearer(request.headers) or request.cookies.get(self._cookie)

    def _expire(self, sid: str) -> None:
        """A token that has expired lets nobody listen on. The client is told, and needs a new one to come back."""
        leaving = asyncio.ensure_future(self._sio.disconnect(sid))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)


def _refused(error: RoomcastError) -> Ack:
    return {"ok": False, "error": error.as_json()}


def _about_upload(call: Callable[[Client, UploadArgument], Awaitable[Ack]]) -> Call:
    return lambda client, arguments: call(client, _argument(arguments))


def _about_assembly(call: Callable[[Client, str], Awaitable[Ack]]) -> Call:
    return lambda client, arguments: call(client, _assembly_id(arguments))


def _assembly_id(arguments: tuple[Any, ...]) -> str:
    try:
        (argument,) = arguments
        argument = _ASSEMBLY.validate_python(argument)
    except ValueError as error:
        raise Malformed("The call takes one argument: an assembly's id, or an object with `assemblyId`.") from error
    return argument if isinstance(argument, str) else argument.assemblyId


def _argument(arguments: tuple[Any, ...]) -> UploadArgument:
    if len(arguments) != 1:
        raise Malformed("The call takes one argument: an upload's id, or an object with `uploadId`.")
    try:
        argument = _ARGUMENT.validate_python(arguments[0])
    except ValidationError as error:
        raise Malformed("The argument must be an upload's id, or an object with `uploadId`.") from error
    return UploadArgument(uploadId=argument) if isinstance(argument, str) else argument
