"""What Socket.IO clients may call, each acknowledged: `{ok: true, …}` or `{ok: false, error: {code, message}}`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError
from socketio.exceptions import ConnectionRefusedError as ErrorResponse

from roomcast.auth import Authenticator, bearer
from roomcast.errors import Malformed, RoomcastError
from roomcast.origins import OriginPolicy, own_hosts
from roomcast.rooms.schema import (
    AssemblyArgument,
    AssemblyJoined,
    CallRefused,
    Done,
    Id,
    Joined,
    Retried,
    UploadArgument,
)
from roomcast.rooms.server import Server
from roomcast.rooms.upload_rooms import UploadRooms, WithUrls
from roomcast.services.uploads import UploadService, check_id
from roomcast.uploads.model import message
from roomcast.uploads.viewer import Viewer

log = structlog.get_logger(__name__)

MAX_PENDING_CALLS = 256
"""Calls of one client that may be in progress, or have answers that it has not read."""

Ack = Done | CallRefused
_ARGUMENT: TypeAdapter[UploadArgument | str] = TypeAdapter(UploadArgument | Id)
_ASSEMBLY: TypeAdapter[AssemblyArgument | str] = TypeAdapter(AssemblyArgument | Id)


class Client:
    """A connected client of the main namespace."""

    __slots__ = ("expiry", "lock", "pending", "sid", "viewer")

    def __init__(self, sid: str, viewer: Viewer) -> None:
        self.sid = sid
        self.viewer = viewer
        self.pending = 0
        """How many of its calls are in progress."""
        self.lock: asyncio.Lock | None = None
        """Keeps its calls in order, but for a cancel, which may take long: a client that retries and joins without
        waiting for acknowledgements is in the room of the upload that has started over."""
        self.expiry: asyncio.TimerHandle | None = None

    def in_order(self) -> asyncio.Lock:
        """Return the lock, which clients that never call do not need."""
        if self.lock is None:
            self.lock = asyncio.Lock()
        return self.lock


class Handlers:
    """The event handlers of the main namespace."""

    def __init__(
        self,
        server: Server,
        rooms: UploadRooms,
        control: UploadService,
        authenticator: Authenticator,
        with_urls: WithUrls,
        *,
        origins: OriginPolicy,
        cookie: str,
    ) -> None:
        """`cookie` names the cookie that may carry a token, for pages of `origins`."""
        self._server = server
        self._rooms = rooms
        self._control = control
        self._authenticator = authenticator
        self._with_urls = with_urls
        self._origins = origins
        self._cookie = cookie
        self._clients: dict[str, Client] = {}
        server.on("connect", self.connect)
        server.on("disconnect", self.disconnect)
        for name in CALLS:
            server.on(name, partial(self.answer, name))

    def connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> None:
        """Authenticate a client. Raises python-socketio's `ConnectionRefusedError`."""
        token = auth.get("token") if isinstance(auth, dict) else None
        try:
            viewer = self._authenticator.viewer(token if isinstance(token, str) else self._credential(environ))
        except RoomcastError as error:
            raise ErrorResponse(error.message, error.as_json()) from error
        client = self._clients[sid] = Client(sid, viewer)
        if viewer.expires_at is not None:
            remaining = max(0.0, viewer.expires_at - time.time())
            client.expiry = asyncio.get_running_loop().call_later(remaining, self._expire, sid)

    def disconnect(self, sid: str, _reason: str) -> None:
        """Note that a client has gone."""
        client = self._clients.pop(sid, None)
        if client and client.expiry:
            client.expiry.cancel()

    async def answer(self, name: str, sid: str, *arguments: Any) -> Ack | None:
        """Carry out a call, and return its acknowledgement."""
        client = self._clients.get(sid)
        connection = self._server.manager.connection(self._server.manager.eio_sid_from_sid(sid, "/"))
        if client is None or connection is None:
            return None
        if client.pending + connection.session.waiting > MAX_PENDING_CALLS:
            log.warning("client disconnected", sid=sid, reason="it calls and reads no answers")
            connection.session.abort()
            return None
        call = CALLS[name]
        client.pending += 1
        try:
            return await call.run(self, client, call.read(arguments))
        except RoomcastError as error:
            return _refused(error)
        except Exception:
            log.exception("call failed", call=name)
            return _refused(RoomcastError("Something went wrong on the server."))
        finally:
            client.pending -= 1

    async def join_upload(self, client: Client, argument: UploadArgument) -> Joined:
        """Into the upload's room: its state, and the events that the client has missed."""
        check_id(argument.uploadId)
        async with client.in_order():
            joined = await self._rooms.join(
                client.sid, client.viewer, argument.uploadId, since=argument.since, epoch=argument.epoch
            )
        return {"ok": True, **joined}

    async def leave_upload(self, client: Client, argument: UploadArgument) -> Done:
        """Out of the upload's room."""
        async with client.in_order():
            self._rooms.leave(client.sid, argument.uploadId)
        return {"ok": True}

    async def join_assembly(self, client: Client, argument: AssemblyArgument) -> AssemblyJoined:
        """Into the rooms of all its uploads: their states, in the assembly's order."""
        async with client.in_order():
            assembly = await self._control.get_assembly(client.viewer, argument.assemblyId)
            joined = [await self._rooms.join(client.sid, client.viewer, upload.id) for upload in assembly.uploads]
        return {"ok": True, "assemblyId": argument.assemblyId, "states": [room["state"] for room in joined]}

    async def leave_assembly(self, client: Client, argument: AssemblyArgument) -> Done:
        """Out of the rooms of all its uploads."""
        async with client.in_order():
            assembly = await self._control.get_assembly(client.viewer, argument.assemblyId)
            for upload in assembly.uploads:
                self._rooms.leave(client.sid, upload.id)
        return {"ok": True}

    async def cancel_upload(self, client: Client, argument: UploadArgument) -> Done:
        """Cancel; acknowledged once the work has stopped and its files are gone."""
        await self._control.cancel(client.viewer, argument.uploadId)
        return {"ok": True}

    async def retry_upload(self, client: Client, argument: UploadArgument) -> Retried:
        """Start an upload over that failed or was cancelled."""
        async with client.in_order():
            upload = await self._control.retry(client.viewer, argument.uploadId)
        return {"ok": True, "state": self._with_urls(message(upload))}

    def _credential(self, environ: Mapping[str, Any]) -> str | None:
        """Return the token of the bearer header, or of the cookie if the page's origin may use it."""
        headers = {
            name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "")
            for name in ("Authorization", "Cookie", "Host", "X-Forwarded-Host")
        }
        if token := bearer(headers):
            return token
        if not self._origins.accepts_cookie(environ.get("HTTP_ORIGIN"), *own_hosts(headers)):
            return None
        pairs = (pair.strip().partition("=") for pair in headers["Cookie"].split(";"))
        return next((value.strip('"') for name, _, value in pairs if name == self._cookie), None) or None

    def _expire(self, sid: str) -> None:
        self._server.start_background_task(self._expel, sid)

    async def _expel(self, sid: str) -> None:
        """End the session of a client whose token has expired; it needs a new token to come back."""
        eio_sid = self._server.manager.eio_sid_from_sid(sid, "/")
        await self._server.disconnect(sid)
        if eio_sid:
            await self._server.eio.disconnect(eio_sid)


def _refused(error: RoomcastError) -> CallRefused:
    return {"ok": False, "error": error.as_json()}


def _about_assembly(arguments: Sequence[Any]) -> AssemblyArgument:
    try:
        (argument,) = arguments
        argument = _ASSEMBLY.validate_python(argument)
    except ValueError as error:
        raise Malformed("The call takes one argument: an assembly's id, or an object with `assemblyId`.") from error
    return AssemblyArgument(assemblyId=argument) if isinstance(argument, str) else argument


def _about_upload(arguments: Sequence[Any]) -> UploadArgument:
    if len(arguments) != 1:
        raise Malformed("The call takes one argument: an upload's id, or an object with `uploadId`.")
    try:
        argument = _ARGUMENT.validate_python(arguments[0])
    except ValidationError as error:
        raise Malformed("The argument must be an upload's id, or an object with `uploadId`.") from error
    return UploadArgument(uploadId=argument) if isinstance(argument, str) else argument


@dataclass(frozen=True)
class Call:
    """How a call's arguments are parsed (a bare string is the id), and the method that carries it out."""

    read: Callable[[Sequence[Any]], Any]
    run: Callable[[Handlers, Client, Any], Awaitable[Done]]


CALLS: Mapping[str, Call] = {
    "join-upload": Call(_about_upload, Handlers.join_upload),
    "leave-upload": Call(_about_upload, Handlers.leave_upload),
    "cancel-upload": Call(_about_upload, Handlers.cancel_upload),
    "retry-upload": Call(_about_upload, Handlers.retry_upload),
    "join-assembly": Call(_about_assembly, Handlers.join_assembly),
    "leave-assembly": Call(_about_assembly, Handlers.leave_assembly),
}
"""All calls that clients may make."""
