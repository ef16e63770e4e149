"""The Engine.IO server that python-socketio runs on.

`Engine` is a drop-in for `engineio.AsyncServer` with aiohttp: the same options, the same events, the same calls. It
keeps one small object per WebSocket instead of an HTTP request, a queue and three tasks. See README.md beside it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

import engineio
from aiohttp import hdrs, web

from roomcast.transport import packets
from roomcast.transport.frames import CloseCode
from roomcast.transport.handshake import Environ, Handshake, plain_handshake, switch_protocols
from roomcast.transport.packets import EncodedPacket, InvalidPacket
from roomcast.transport.session import Session, Transport
from roomcast.transport.timeouts import Timeouts
from roomcast.transport.websocket import WebSocket, WebSockets

_UPGRADE_SECONDS = 10.0
"""How long a WebSocket may take to take over from polling."""

_BODY_SECONDS = 10.0
"""How long the body of a polling request may take to arrive."""

_PACKETS_PER_TURN = 64
"""Packets of one polling body that are handled before other clients have their turn."""

_PLAIN_TEXT = "text/plain; charset=UTF-8"


class Engine(engineio.AsyncServer):  # type: ignore[misc]  # python-engineio has no types
    """All Engine.IO sessions of one server.

    Takes the options of `engineio.AsyncServer`. Has no use for `async_mode` (it is aiohttp), `cookie`, JSONP,
    `monitor_clients` and `http_compression`'s choice of method (aiohttp negotiates it).
    """

    def __init__(
        self,
        *,
        websocket_deflate: bool = False,
        max_packets_per_second: int = 500,
        max_unaccepted_per_address: int | None = None,
        accept_timeout: float | None = None,
        **options: Any,
    ) -> None:
        """
        :param websocket_deflate: negotiate permessage-deflate with clients that offer it.
        :param max_packets_per_second: packets that one client may send, on average over ten seconds. A client that
            sends more is disconnected.
        :param max_unaccepted_per_address: sessions of one network address that the application has not accepted yet
            (`accept`); more are refused with 429. None sets no limit.
        :param accept_timeout: seconds after which a session that has not been accepted is closed. None sets no limit.
        """
        options.setdefault("async_mode", "aiohttp")
        super().__init__(**options)
        self.path = "/engine.io/"
        self.sockets: dict[str, Session] = {}
        self._websocket_deflate = websocket_deflate
        self.max_packets_per_second = max_packets_per_second
        self._websockets = WebSockets(self.max_http_buffer_size)
        self._max_unaccepted = max_unaccepted_per_address
        self._unaccepted: Counter[str] = Counter()
        self._accepting = None if accept_timeout is None else Timeouts[Session](accept_timeout, Session.close)
        self._pings = Timeouts[Session](self.ping_interval + self.ping_interval_grace_period, self._ping)
        self._pongs = Timeouts[Session](self.ping_timeout, lambda session: session.close(self.reason.PING_TIMEOUT))
        self._upgrading = Timeouts[Transport](_UPGRADE_SECONDS, lambda transport: transport.close())
        self._tasks: set[asyncio.Task[None]] = set()
        # Without and with the upgrade to a WebSocket; the session's id is all that differs.
        self._open_packets = [
            packets.open_packet(
                upgrades=upgrades,
                ping_interval=self.ping_interval,
                ping_timeout=self.ping_timeout,
                max_bytes=self.max_http_buffer_size,
            )
            for upgrades in ([], ["websocket"])
        ]

    # --- what python-socketio calls ----------------------------------------------------------------------------------

    def attach(self, app: web.Application, engineio_path: str = "engine.io") -> None:
        """Serve the path's requests in an aiohttp application."""
        self.path = f"/{engineio_path.strip('/')}/"
        for method in (hdrs.METH_GET, hdrs.METH_POST, hdrs.METH_OPTIONS):
            app.router.add_route(method, self.path, self.handle_request)

    async def send(self, sid: str, data: Any) -> None:
        """Send a message: text, bytes, or a list or dictionary as JSON. Unknown sessions are ignored."""
        if session := self.sockets.get(sid):
            if not isinstance(data, str | bytes):
                json = engineio.packet.Packet.json  # the option `json`, if it was given
                data = bytes(data) if isinstance(data, bytearray) else json.dumps(data, separators=(",", ":"))
            session.send(EncodedPacket.message(data))

    async def send_packet(self, sid: str, pkt: Any) -> None:
        """Send an `engineio.packet.Packet`. Unknown sessions are ignored."""
        if session := self.sockets.get(sid):
            encoded = pkt.encode()
            binary = isinstance(encoded, bytes | bytearray)
            session.send(EncodedPacket.message(bytes(encoded)) if binary else EncodedPacket(encoded.encode()))

    async def disconnect(self, sid: str | None = None) -> None:
        """End a session, or all of them. Its `disconnect` handler runs afterwards."""
        sessions = list(self.sockets.values()) if sid is None else [self.sockets[sid]] if sid in self.sockets else []
        for session in sessions:
            session.close(self.reason.SERVER_DISCONNECT)

    async def shutdown(self) -> None:
        """End all sessions so that their clients reconnect, to this server's successor."""
        self.stop()

    def stop(self) -> None:
        """Do what `shutdown` does, at once."""
        for session in tuple(self.sockets.values()):
            session.cut()

    # --- for the application, beyond engineio's interface -----------------------------------------------------------

    def accept(self, sid: str) -> None:
        """Note that the application knows who a session's client is: it may stay."""
        session = self.sockets.get(sid)
        if session and not session.accepted and not session.ended:
            session.accepted = True
            self._forget_unaccepted(session)

    def unaccept(self, sid: str) -> None:
        """Note that the client has to be accepted again, within the time for it."""
        session = self.sockets.get(sid)
        if session and session.accepted and not session.ended:
            session.accepted = False
            self._unaccepted[session.address] += 1
            if self._accepting:
                self._accepting.start(session)

    # --- HTTP --------------------------------------------------------------------------------------------------------

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for `path`. Raises aiohttp's HTTP errors."""
        headers = self._check_origin(request)
        query = request.query
        transport, sid = query.get("transport"), query.get("sid")
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(headers=headers)
        upgrades = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        if transport not in self.transports or upgrades is not (transport == "websocket"):
            raise web.HTTPBadRequest(reason="The transport is unknown, or is not the one of the request.")
        if transport == "websocket":
            if request.transport is None or request.method != hdrs.METH_GET:
                raise web.HTTPBadRequest(reason="The request is not a valid WebSocket handshake.")
            self.upgrade(Handshake.of_request(request), request.transport)
            _detach(request)
            return web.Response()  # has no connection to go to
        if request.method == hdrs.METH_POST:
            body = await self._receive_payload(request, self._polling_session(sid))
        elif sid is None:
            body = await self._open_polling(request)
        else:
            body = await self._poll(request, self._polling_session(sid))
        response = web.Response(body=body, headers={**headers, hdrs.CONTENT_TYPE: _PLAIN_TEXT})
        response.headers[hdrs.CACHE_CONTROL] = "no-store"
        if self.http_compression and len(body) >= self.compression_threshold:
            response.enable_compression()
        return response

    def takes(self, data: bytes, remote: str) -> Handshake | None:
        """Return the handshake if `data` is a plain one for a WebSocket, from a page that may connect."""
        handshake = plain_handshake(data, self.path, remote)
        if handshake is None or "websocket" not in self.transports:
            return None
        if "origin" in handshake.headers and not self._allows_origin(handshake.environ):
            return None
        return handshake

    def upgrade(self, handshake: Handshake, connection: asyncio.Transport) -> None:
        """Answer a WebSocket handshake, and serve a session over the connection.

        Raises aiohttp's HTTP errors, with the connection untouched, when the handshake is refused.
        """
        if handshake.query.get("transport") != "websocket":
            raise web.HTTPBadRequest(reason="The transport is unknown.")
        response, deflate = switch_protocols(handshake.headers, deflate=self._websocket_deflate)
        sid = handshake.query.get("sid")
        if sid is None:
            session = self._open(handshake, upgrades=False)
        else:
            session = self._polling_session(sid)
            if not self.allow_upgrades:
                raise web.HTTPBadRequest(reason="The transport of a session cannot be changed here.")
        websocket = WebSocket(session, connection, self._websockets, deflate=deflate)
        connection.set_protocol(websocket)
        connection.write(response)
        if sid is None:
            session.serve_with(websocket)
        else:
            self._upgrading.start(websocket)

    async def _open_polling(self, request: web.Request) -> bytes:
        upgrades = self.allow_upgrades and "websocket" in self.transports
        session = self._open(Handshake.of_request(request), upgrades=upgrades)
        await session.wait_until_handled()
        if session.ended:
            raise web.HTTPUnauthorized(reason="The application refused the connection.")
        return await session.poll()

    async def _poll(self, request: web.Request, session: Session) -> bytes:
        body = await session.poll()
        if request.transport is None or request.transport.is_closing():
            session.abort()  # the packets of this poll are lost
        return body

    async def _receive_payload(self, request: web.Request, session: Session) -> bytes:
        body = await self._read_body(request)
        try:
            for number, packet in enumerate(packets.decode_payload(body), start=1):
                if session.exceeds_rate(1):
                    session.close(self.reason.TRANSPORT_ERROR)
                    raise web.HTTPTooManyRequests(reason="The client sends too many packets.")
                session.receive(packet)
                if number % _PACKETS_PER_TURN == 0:
                    await asyncio.sleep(0)
                    await session.wait_until_handled()
        except InvalidPacket as error:
            session.close(self.reason.TRANSPORT_ERROR)
            raise web.HTTPBadRequest(reason=str(error)) from error
        await session.wait_until_handled()
        if session.reason == self.reason.TRANSPORT_ERROR:
            raise web.HTTPBadRequest(reason="A packet in the body is invalid.")
        return b"ok"

    async def _read_body(self, request: web.Request) -> bytes:
        limit = self.max_http_buffer_size
        if (request.content_length or 0) > limit:
            raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=request.content_length or 0)
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > limit:
                        raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=len(body))
        except TimeoutError:
            raise web.HTTPRequestTimeout(reason="The body did not arrive in time.") from None
        return bytes(body)

    def _check_origin(self, request: web.Request) -> dict[str, str]:
        """Return the headers that let a page of the request's origin read the response; raises `HTTPForbidden`."""
        if hdrs.ORIGIN not in request.headers:
            return {}
        environ = Environ.of_request(request)
        if not self._allows_origin(environ):
            raise web.HTTPForbidden(reason="Pages of this origin may not connect.")
        return dict(self._cors_headers(environ))

    def _allows_origin(self, environ: Environ) -> bool:
        if self.cors_allowed_origins == []:
            return True
        allowed = self._cors_allowed_origins(environ)
        return allowed is None or environ["HTTP_ORIGIN"] in allowed

    # --- sessions ----------------------------------------------------------------------------------------------------

    def _open(self, handshake: Handshake, *, upgrades: bool) -> Session:
        """Open a session, which begins with polling until something else serves it."""
        if handshake.query.get("EIO") != "4":
            raise web.HTTPBadRequest(reason="The client speaks another version of the Engine.IO protocol.")
        address = sys.intern(handshake.environ.remote)
        if self._max_unaccepted is not None and self._unaccepted[address] >= self._max_unaccepted:
            raise web.HTTPTooManyRequests(reason="Too many connections from this address are not authenticated yet.")
        session = Session(self, self.generate_id(), address)
        self.sockets[session.sid] = session
        self._unaccepted[address] += 1
        if self._accepting:
            self._accepting.start(session)
        self._pings.start(session)
        session.push(EncodedPacket(self._open_packets[upgrades] % session.sid.encode()))
        session.start(handshake.environ)
        return session

    def _polling_session(self, sid: str | None) -> Session:
        """Return the open session with that id that is served by polling; raises `HTTPBadRequest`."""
        session = self.sockets.get(sid or "")
        if session is None or session.ended or session.upgraded:
            raise web.HTTPBadRequest(reason="The session is unknown.")
        return session

    def _ping(self, session: Session) -> None:
        self._pongs.start(session)
        session.push(packets.PING)

    def on_pong(self, session: Session) -> None:
        self._pongs.stop(session)
        self._pings.start(session)

    def on_upgraded(self, transport: Transport) -> None:
        self._upgrading.stop(transport)

    def on_ended(self, session: Session) -> None:
        self._pings.stop(session)
        self._pongs.stop(session)
        if not session.accepted:
            self._forget_unaccepted(session)

    def _forget_unaccepted(self, session: Session) -> None:
        if self._accepting:
            self._accepting.stop(session)
        self._unaccepted[session.address] -= 1
        if not self._unaccepted[session.address]:
            del self._unaccepted[session.address]

    # --- handlers ----------------------------------------------------------------------------------------------------

    def start_handling(self, session: Session) -> None:
        task = _start_task(self._handle(session))
        if not task.done():
            self._tasks.add(task)  # the event loop alone would not keep it from the garbage collector
            task.add_done_callback(self._tasks.discard)

    async def _handle(self, session: Session) -> None:
        """Call the handlers for what a session has received, one after another."""
        while session.received:
            event, argument = session.received.pop(0)
            try:
                await self._call_handler(session, event, argument)
            except InvalidPacket:
                session.close(self.reason.TRANSPORT_ERROR, CloseCode.PROTOCOL_ERROR)
            except Exception:
                self.logger.exception("%s handler error", event)
                if event == "connect":
                    session.close(self.reason.SERVER_DISCONNECT)
            if event == "disconnect":
                session.closed = True
                self.sockets.pop(session.sid, None)
        session.finish_handling()

    async def _call_handler(self, session: Session, event: str, argument: Any) -> None:
        handler: Callable[..., Any] | None = self.handlers.get(event)
        if handler is None:
            return
        try:
            result = handler(session.sid, argument)
        except TypeError:
            if event != "disconnect":
                raise
            result = handler(session.sid)  # handlers of older applications are not given the reason
        if isawaitable(result):
            result = await result
        if event == "connect" and result is not None and result is not True:
            session.close(self.reason.SERVER_DISCONNECT)


def _start_task(work: Any) -> asyncio.Task[None]:
    """Start a task, at once where Python can (3.12): then most of them end without a turn of the event loop."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
    return asyncio.create_task(work)


def _detach(request: web.Request) -> None:
    """Take a connection over from aiohttp: its part ends as if the connection had ended, but the connection goes on."""
    http = request.protocol
    http.transport = None
    http.connection_lost(None)
