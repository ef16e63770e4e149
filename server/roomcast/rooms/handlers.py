"""The Socket.IO event handlers. Each call is acknowledged: `{ok: true, …}` or `{ok: false, error: {code, message}}`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import structlog
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import TypeAdapter, ValidationError
from socketio.exceptions import ConnectionRefusedError as ErrorResponse

from roomcast.assemblies.links import UploadLinks
from roomcast.credentials import CallerRequest
from roomcast.errors import Malformed, RoomcastError, unexpected_error
from roomcast.forwarded import TrustedProxies, environ_headers
from roomcast.origins import PageHeaders
from roomcast.rooms.link_sockets import LinkSockets
from roomcast.rooms.schema import (
    AssemblyArgument,
    ErrorAck,
    IdArgument,
    JoinAck,
    JoinAssemblyAck,
    OkAck,
    RetryAck,
    UploadArgument,
)
from roomcast.rooms.shared_server import SharedServer, SocketHandler
from roomcast.rooms.upload_rooms import UploadRooms
from roomcast.runtime.clocks import unix_time
from roomcast.services.authentication import Authenticator
from roomcast.services.uploads import UploadService, check_id
from roomcast.uploads.viewer import ANONYMOUS, LinkAction, Viewer

T = TypeVar("T")

log = structlog.get_logger(__name__)

SOCKET_PATH = "/socket.io/"
"""The path of the Socket.IO server, below the prefix."""

MAX_PENDING_CALLS = 256
"""Calls of one client that may be in progress, or whose acknowledgements it has not read."""

Ack = OkAck | ErrorAck
_UPLOAD_ARGUMENT: TypeAdapter[UploadArgument | str] = TypeAdapter(UploadArgument | IdArgument)
_ASSEMBLY_ARGUMENT: TypeAdapter[AssemblyArgument | str] = TypeAdapter(AssemblyArgument | IdArgument)


class AuthenticatedClient:
    """A client that is connected to the main namespace."""

    __slots__ = ("_call_lock", "expiry", "pending", "sid", "since", "viewer")

    def __init__(self, sid: str, viewer: Viewer) -> None:
        self.sid = sid
        self.viewer = viewer
        self.since = unix_time()
        """When it connected, a Unix time."""
        self.pending = 0
        """Number of its calls that are in progress."""
        self._call_lock: asyncio.Lock | None = None  # None until the first call
        self.expiry: asyncio.TimerHandle | None = None

    @property
    def call_lock(self) -> asyncio.Lock:
        """The lock that makes calls run in order: a client may retry an upload and join it without awaiting the ack.

        A cancel does not take it, because it may last for seconds.
        """
        if self._call_lock is None:
            self._call_lock = asyncio.Lock()
        return self._call_lock


class Handlers:
    """The event handlers of the main namespace."""

    def __init__(
        self,
        server: SharedServer,
        rooms: UploadRooms,
        uploads: UploadService,
        authenticator: Authenticator,
        *,
        links: UploadLinks,
        proxies: TrustedProxies,
    ) -> None:
        self._server = server
        self._rooms = rooms
        self._uploads = uploads
        self._authenticator = authenticator
        self._proxies = proxies
        self._clients: dict[str, AuthenticatedClient] = {}
        self._link_sockets = LinkSockets(links, self.disconnect_client, server.start_background_task)
        calls = {name: partial(self.dispatch, name) for name in CALLS}
        connection: dict[str, SocketHandler] = {"connect": self.connect, "disconnect": self.disconnect}
        server.add_own({**connection, **calls}, self.authenticate, lambda sid: self._clients[sid].viewer)

    async def connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> None:
        """Authenticate a client. Raises python-socketio's `ConnectionRefusedError`."""
        viewer = await self.authenticate(environ, auth)
        client = self._clients[sid] = AuthenticatedClient(sid, viewer)
        if not self._authenticator.open_mode and (eio_sid := self._server.manager.eio_sid_from_sid(sid, "/")):
            self._server.eio.charge_to(eio_sid, viewer.account)
        if viewer.expires_at is not None:
            remaining = max(0.0, viewer.expires_at - time.time())
            client.expiry = asyncio.get_running_loop().call_later(remaining, self._schedule_expiry, sid)
        if viewer.link:
            self._link_sockets.add(sid, viewer.link)
        try:
            await self._server.call_application("connect", sid, environ, auth)
        except BaseException:
            self._remove(sid)
            raise

    async def disconnect(self, sid: str, reason: str) -> None:
        """Remove a client that has disconnected."""
        try:
            if sid in self._clients:
                await self._server.call_application("disconnect", sid, reason)
        finally:
            self._remove(sid)

    def _remove(self, sid: str) -> None:
        client = self._clients.pop(sid, None)
        if client and client.expiry:
            client.expiry.cancel()
        if client and client.viewer.link:
            self._link_sockets.remove(sid, client.viewer.link)

    async def dispatch(self, name: str, sid: str, *arguments: Any) -> Ack | None:
        """Run the handler of a call, and return the acknowledgement. Errors become an `ErrorAck`."""
        client = self._clients.get(sid)
        connection = self._server.manager.connection(self._server.manager.eio_sid_from_sid(sid, "/"))
        if client is None or connection is None:
            return None
        if client.pending + connection.session.queued_packets > MAX_PENDING_CALLS:
            log.warning("client_disconnected", sid=sid, reason="the client reads no acknowledgements")
            connection.session.abort()
            return None
        call = CALLS[name]
        client.pending += 1
        try:
            if client.viewer.link:
                async with client.call_lock:
                    await self._link_sockets.check(client.viewer.link)
            client.viewer.check_link_allows(call.link_action)
            return await call.handler(self, client, call.parse(arguments))
        except RoomcastError as error:
            return _error_ack(error)
        except Exception:
            log.exception("socket_call_failed", call=name)
            return _error_ack(unexpected_error())
        finally:
            client.pending -= 1

    async def join_upload(self, client: AuthenticatedClient, argument: UploadArgument) -> JoinAck:
        """Join the room of an upload. The acknowledgement has its state, and the events after `since`."""
        check_id(argument.uploadId)
        async with client.call_lock:
            joined = await self._rooms.join(
                client.sid, client.viewer, argument.uploadId, since=argument.since, epoch=argument.epoch
            )
        return {"ok": True, **joined}

    async def leave_upload(self, client: AuthenticatedClient, argument: UploadArgument) -> OkAck:
        """Leave the room of an upload."""
        async with client.call_lock:
            self._rooms.leave(client.sid, argument.uploadId)
        return {"ok": True}

    async def join_assembly(self, client: AuthenticatedClient, argument: AssemblyArgument) -> JoinAssemblyAck:
        """Join the rooms of all uploads of an assembly. The acknowledgement has their states, in order."""
        async with client.call_lock:
            assembly = await self._uploads.get_assembly(client.viewer, argument.assemblyId)
            joined = [await self._rooms.join(client.sid, client.viewer, upload.id) for upload in assembly.uploads]
        return {"ok": True, "assemblyId": argument.assemblyId, "states": [room["state"] for room in joined]}

    async def leave_assembly(self, client: AuthenticatedClient, argument: AssemblyArgument) -> OkAck:
        """Leave the rooms of all uploads of an assembly."""
        async with client.call_lock:
            assembly = await self._uploads.get_assembly(client.viewer, argument.assemblyId)
            for upload in assembly.uploads:
                self._rooms.leave(client.sid, upload.id)
        return {"ok": True}

    async def cancel_upload(self, client: AuthenticatedClient, argument: UploadArgument) -> OkAck:
        """Cancel an upload. It is acknowledged when the work has stopped and the files are deleted."""
        await self._uploads.cancel(client.viewer, argument.uploadId)
        return {"ok": True}

    async def retry_upload(self, client: AuthenticatedClient, argument: UploadArgument) -> RetryAck:
        """Retry an upload that failed or was cancelled."""
        async with client.call_lock:
            upload = await self._uploads.retry(client.viewer, argument.uploadId)
        return {"ok": True, "state": self._uploads.message(upload)}

    async def authenticate(self, environ: Mapping[str, Any], auth: Any) -> Viewer:
        """Return who opens a socket. Raise python-socketio's `ConnectionRefusedError` for unknown credentials.

        A page of any origin can read a WebSocket, so the request is not a safe one.
        """
        if self._authenticator.open_mode:
            return Viewer(ANONYMOUS)
        headers = CIMultiDict(
            (key.removeprefix("HTTP_").replace("_", "-").title(), value)
            for key, value in environ.items()
            if key.startswith("HTTP_")
        )
        client = self._proxies.client(environ.get("REMOTE_ADDR", ""), environ_headers(environ))
        query = dict(reversed(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)))
        request = CallerRequest("socket", "GET", SOCKET_PATH, CIMultiDictProxy(headers), query, client, auth)
        page = PageHeaders.of_environ(environ, self._proxies)
        try:
            return await self._authenticator.viewer(request, page, safe=False)
        except RoomcastError as error:
            raise ErrorResponse(error.message, error.to_json()) from error

    def _schedule_expiry(self, sid: str) -> None:
        self._server.start_background_task(self.disconnect_client, sid)

    def clients(self) -> list[AuthenticatedClient]:
        """Return the clients that are connected now."""
        return list(self._clients.values())

    async def disconnect_client(self, sid: str) -> None:
        """Disconnect a client. It does not reconnect by itself, and needs another token or link if its own expired."""
        eio_sid = self._server.manager.eio_sid_from_sid(sid, "/")
        await self._server.disconnect(sid)
        if eio_sid:
            await self._server.eio.disconnect(eio_sid)


def _error_ack(error: RoomcastError) -> ErrorAck:
    return {"ok": False, "error": error.to_json()}


def _parse_argument(arguments: Sequence[Any], adapter: TypeAdapter[T], expected: str) -> T:
    """Return a call's only argument. Raises `Malformed`; `expected` completes the error's sentence."""
    if len(arguments) != 1:
        raise Malformed(f"The call takes one argument: {expected}.")
    try:
        return adapter.validate_python(arguments[0])
    except ValidationError as error:
        raise Malformed(f"The argument must be {expected}.") from error


def _parse_upload_argument(arguments: Sequence[Any]) -> UploadArgument:
    argument = _parse_argument(arguments, _UPLOAD_ARGUMENT, "an upload's id, or an object with `uploadId`")
    return UploadArgument(uploadId=argument) if isinstance(argument, str) else argument


def _parse_assembly_argument(arguments: Sequence[Any]) -> AssemblyArgument:
    argument = _parse_argument(arguments, _ASSEMBLY_ARGUMENT, "an assembly's id, or an object with `assemblyId`")
    return AssemblyArgument(assemblyId=argument) if isinstance(argument, str) else argument


@dataclass(frozen=True)
class SocketCall:
    """A call that clients may make: the parser of its arguments (a bare string is the id), its handler, and what it
    does as far as lasting links are concerned."""

    parse: Callable[[Sequence[Any]], Any]
    handler: Callable[[Handlers, AuthenticatedClient, Any], Awaitable[OkAck]]
    link_action: LinkAction = None


CALLS: Mapping[str, SocketCall] = {
    "join-upload": SocketCall(_parse_upload_argument, Handlers.join_upload, "view"),
    "leave-upload": SocketCall(_parse_upload_argument, Handlers.leave_upload, "view"),
    "cancel-upload": SocketCall(_parse_upload_argument, Handlers.cancel_upload, "control"),
    "retry-upload": SocketCall(_parse_upload_argument, Handlers.retry_upload, "control"),
    "join-assembly": SocketCall(_parse_assembly_argument, Handlers.join_assembly),
    "leave-assembly": SocketCall(_parse_assembly_argument, Handlers.leave_assembly),
}
"""All calls that clients may make, by name."""
