"""The Engine.IO server that python-socketio runs on.

`Engine` replaces `engineio.AsyncServer` with aiohttp: same options, same events, same methods. A WebSocket takes one
small object instead of an HTTP request, a queue and three tasks. See README.md in this folder.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from inspect import isawaitable
from typing import Any

import engineio
from aiohttp import hdrs, web

from roomcast.transport import packets
from roomcast.transport.connections import Connections, network
from roomcast.transport.errors import EngineError, engine_error
from roomcast.transport.frames import CloseCode
from roomcast.transport.handshake import Environ, Handshake, accept_handshake, parse_plain_handshake
from roomcast.transport.packets import EncodedPacket, InvalidPacket
from roomcast.transport.scheduler import Payer, Scheduler
from roomcast.transport.session import Session, Transport
from roomcast.transport.timeouts import Timeouts
from roomcast.transport.websocket import WebSocket, WebSocketContext

_UPGRADE_SECONDS = 10.0
"""How long an upgrade from polling to a WebSocket may take."""

_BODY_SECONDS = 10.0
"""How long the body of a polling request may take to arrive."""

_PACKETS_PER_TURN = 64
"""Packets of one polling body that are handled in a turn of the event loop."""

_payer: ContextVar[Payer | None] = ContextVar("payer", default=None)
"""The session whose handler is running."""

_PLAIN_TEXT = "text/plain; charset=UTF-8"


class Engine(engineio.AsyncServer):  # type: ignore[misc]  # python-engineio has no types
    """An Engine.IO server: all sessions of one Socket.IO server.

    Accepts the options of `engineio.AsyncServer`. Ignored are `async_mode` (it is aiohttp), `cookie`, JSONP and
    `monitor_clients`; aiohttp negotiates the method of `http_compression`.
    """

    def __init__(
        self,
        *,
        websocket_deflate: bool = False,
        max_packets_per_second: int = 500,
        max_unaccepted_per_address: int | None = None,
        accept_timeout: float | None = None,
        connections: Connections | None = None,
        scheduler: Scheduler | None = None,
        allow_handshake: Callable[[Environ], bool] | None = None,
        client_address: Callable[[Environ], str] | None = None,
        **options: Any,
    ) -> None:
        """
        :param websocket_deflate: negotiate permessage-deflate with clients that offer it.
        :param max_packets_per_second: packets that one client may send per second, on average over ten seconds. A
            client that sends more is disconnected.
        :param max_unaccepted_per_address: sessions of one network address that the application has not accepted yet
            (`accept`); more are refused with 429. None: no limit.
        :param accept_timeout: seconds after which a session that has not been accepted is closed. None: no limit.
        :param connections: counts and limits the connections of `protocol_factory`. None: no limit.
        :param scheduler: divides the event loop's time between the clients. None: a scheduler of its own.
        :param allow_handshake: whether a plain WebSocket handshake with this environ is answered without HTTP. One that
            is not goes through the application's middlewares. None: every one.
        :param client_address: the network address that a session counts for, such as that of a proxy's client. None:
            the peer's.
        """
        options.setdefault("async_mode", "aiohttp")
        super().__init__(**options)
        self.path = "/engine.io/"
        self.sockets: dict[str, Session] = {}
        self._websocket_deflate = websocket_deflate
        self.allow_handshake = allow_handshake
        self._client_address = client_address or (lambda environ: environ.remote)
        self.max_packets_per_second = max_packets_per_second
        self.connections = Connections() if connections is None else connections
        self.scheduler = Scheduler() if scheduler is None else scheduler
        self._websocket_context = WebSocketContext(self.max_http_buffer_size, self.connections, self.scheduler)
        self._max_unaccepted = max_unaccepted_per_address
        self._unaccepted: Counter[str] = Counter()
        self._accept_timeouts = None if accept_timeout is None else Timeouts[Session](accept_timeout, Session.close)
        self._ping_timers = Timeouts[Session](self.ping_interval + self.ping_interval_grace_period, self._ping)
        self._pong_timeouts = Timeouts[Session](
            self.ping_timeout, lambda session: session.close(self.reason.PING_TIMEOUT)
        )
        self._upgrade_timeouts = Timeouts[Transport](_UPGRADE_SECONDS, lambda transport: transport.close())
        self._tasks: set[asyncio.Task[None]] = set()
        # Without and with an upgrade to a WebSocket. Only the session's id must be filled in.
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
        """Add the routes of `engineio_path` to an aiohttp application."""
        self.path = f"/{engineio_path.strip('/')}/"
        for method in (hdrs.METH_GET, hdrs.METH_POST, hdrs.METH_OPTIONS):
            app.router.add_route(method, self.path, self.handle_request)

    async def send(self, sid: str, data: Any) -> None:
        """Send a message: text, bytes, or a list or dictionary as JSON. An unknown session is ignored."""
        if session := self.sockets.get(sid):
            if not isinstance(data, str | bytes):
                json = engineio.packet.Packet.json  # the option `json`, if it was given
                data = bytes(data) if isinstance(data, bytearray) else json.dumps(data, separators=(",", ":"))
            session.send(EncodedPacket.message(data))

    async def send_packet(self, sid: str, pkt: Any) -> None:
        """Send an `engineio.packet.Packet`. An unknown session is ignored."""
        if session := self.sockets.get(sid):
            encoded = pkt.encode()
            binary = isinstance(encoded, bytes | bytearray)
            session.send(EncodedPacket.message(bytes(encoded)) if binary else EncodedPacket(encoded.encode()))

    async def disconnect(self, sid: str | None = None) -> None:
        """End a session, or all (None). The `disconnect` handler runs afterwards. An unknown session is ignored."""
        sessions = list(self.sockets.values()) if sid is None else [self.sockets[sid]] if sid in self.sockets else []
        for session in sessions:
            session.close(self.reason.SERVER_DISCONNECT)

    async def shutdown(self) -> None:
        """End all sessions without a close packet, so that their clients reconnect."""
        for session in tuple(self.sockets.values()):
            session.close(code=None)

    # --- what engineio does not have ---------------------------------------------------------------------------------

    def accept(self, sid: str) -> None:
        """Accept a session: `accept_timeout` and `max_unaccepted_per_address` no longer apply to it."""
        session = self.sockets.get(sid)
        if session and not session.accepted and not session.closing:
            session.accepted = True
            self._discard_unaccepted(session)

    def charge_to(self, sid: str, name: str) -> None:
        """Charge the work for a session to the account with this name from now on. An unknown session is ignored."""
        if session := self.sockets.get(sid):
            session.account = self.scheduler.account(name)

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """Start a task. One that a session's handler starts is charged to the session's account."""
        work, payer = target(*args, **kwargs), _payer.get()
        return asyncio.create_task(self.scheduler.run(payer, work) if payer else work)

    def revoke(self, sid: str) -> None:
        """Revoke an acceptance: the session must be accepted again within `accept_timeout`."""
        session = self.sockets.get(sid)
        if session and session.accepted and not session.closing:
            session.accepted = False
            self._unaccepted[session.address] += 1
            if self._accept_timeouts:
                self._accept_timeouts.start(session)

    # --- HTTP --------------------------------------------------------------------------------------------------------

    async def handle_request(self, request: web.Request) -> web.StreamResponse:
        """Respond to a request for `path`. Raises aiohttp's HTTP errors."""
        headers = self._check_origin(request)
        query = request.query
        transport, sid = query.get("transport"), query.get("sid")
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(headers=headers)
        upgrades = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        if transport not in self.transports:
            raise engine_error(EngineError.UNKNOWN_TRANSPORT, "The transport is unknown.")
        if sid is None and request.method != hdrs.METH_GET:
            raise engine_error(EngineError.BAD_HANDSHAKE_METHOD, "A session is opened by a GET request.")
        if upgrades is not (transport == "websocket"):
            dropped = "The request is no WebSocket handshake. A proxy may have dropped its Upgrade header."
            reason = "The request is a WebSocket handshake, and names another transport." if upgrades else dropped
            raise engine_error(EngineError.BAD_REQUEST, reason)
        if transport == "websocket":
            if request.transport is None or request.method != hdrs.METH_GET:
                raise engine_error(EngineError.BAD_REQUEST, "The request is not a valid WebSocket handshake.")
            self.upgrade(Handshake.from_request(request), request.transport)
            _detach(request)
            return web.Response()  # is not written: the request has no connection any more
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

    def parse_handshake(self, data: bytes, remote: str) -> Handshake | None:
        """Return the handshake if `data` is exactly a plain WebSocket handshake of an allowed origin, else None."""
        handshake = parse_plain_handshake(data, self.path, remote)
        if handshake is None or "websocket" not in self.transports:
            return None
        if "origin" in handshake.headers and not self._allows_origin(handshake.environ):
            return None
        if self.allow_handshake and not self.allow_handshake(handshake.environ):
            return None
        return handshake

    def upgrade(self, handshake: Handshake, connection: asyncio.Transport) -> None:
        """Accept a WebSocket handshake, and serve a new or a polling session over the connection.

        Raises aiohttp's HTTP errors, before anything is written, when the handshake is refused.
        """
        if handshake.query.get("transport") != "websocket":
            raise engine_error(EngineError.UNKNOWN_TRANSPORT, "The transport is unknown.")
        response, deflate = accept_handshake(handshake.headers, deflate=self._websocket_deflate)
        sid = handshake.query.get("sid")
        if sid is None:
            session = self._open_session(handshake, upgrades=False)
        else:
            session = self._polling_session(sid)
            if not self.allow_upgrades:
                raise engine_error(EngineError.BAD_REQUEST, "The transport of a session cannot be changed here.")
        websocket = WebSocket(session, connection, self._websocket_context, deflate=deflate)
        connection.set_protocol(websocket)
        connection.resume_reading()  # the protocol until now may have paused it, and resumes it no more
        self.connections.on_upgrade(connection)
        connection.write(response)
        if sid is None:
            session.attach(websocket)
        else:
            self._upgrade_timeouts.start(websocket)

    async def _open_polling(self, request: web.Request) -> bytes:
        upgrades = self.allow_upgrades and "websocket" in self.transports
        session = self._open_session(Handshake.from_request(request), upgrades=upgrades)
        await session.wait_until_handled()
        if session.closing:
            reason = "The application refused the connection."
            raise engine_error(EngineError.FORBIDDEN, reason, web.HTTPUnauthorized)
        return await session.poll()

    async def _poll(self, request: web.Request, session: Session) -> bytes:
        body = await session.poll()
        if request.transport is None or request.transport.is_closing():
            session.abort()  # the packets in this body cannot arrive any more
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
            raise engine_error(EngineError.BAD_REQUEST, str(error)) from error
        await session.wait_until_handled()
        if session.reason == self.reason.TRANSPORT_ERROR:
            raise engine_error(EngineError.BAD_REQUEST, "A packet in the body is invalid.")
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
        """Return the CORS headers for the request's origin. Raises `HTTPForbidden` when it is not allowed."""
        if hdrs.ORIGIN not in request.headers:
            return {}
        environ = Environ.from_request(request)
        if not self._allows_origin(environ):
            raise engine_error(EngineError.FORBIDDEN, "Pages of this origin may not connect.", web.HTTPForbidden)
        return dict(self._cors_headers(environ))

    def _allows_origin(self, environ: Environ) -> bool:
        if self.cors_allowed_origins == []:
            return True
        allowed = self._cors_allowed_origins(environ)
        return allowed is None or environ["HTTP_ORIGIN"] in allowed

    # --- sessions ----------------------------------------------------------------------------------------------------

    def _open_session(self, handshake: Handshake, *, upgrades: bool) -> Session:
        """Open a session, which is served by polling until a WebSocket is attached."""
        if handshake.query.get("EIO") != "4":
            reason = "The version of the Engine.IO protocol is not supported."
            raise engine_error(EngineError.UNSUPPORTED_PROTOCOL_VERSION, reason)
        address = sys.intern(network(self._client_address(handshake.environ)))
        if self._max_unaccepted is not None and self._unaccepted[address] >= self._max_unaccepted:
            raise web.HTTPTooManyRequests(reason="Too many connections from this address are not authenticated yet.")
        session = Session(self, self.generate_id(), address, self.scheduler.account(address))
        self.sockets[session.sid] = session
        self._unaccepted[address] += 1
        if self._accept_timeouts:
            self._accept_timeouts.start(session)
        self._ping_timers.start(session)
        session.send_direct(EncodedPacket(self._open_packets[upgrades] % session.sid.encode()))
        session.start(handshake.environ)
        return session

    def _polling_session(self, sid: str | None) -> Session:
        """Return the open session with this id that is served by polling. Raises `HTTPBadRequest`."""
        session = self.sockets.get(sid or "")
        if session is None or session.closing:
            raise engine_error(EngineError.UNKNOWN_SESSION, "The session is unknown.")
        if session.upgraded:
            raise engine_error(EngineError.BAD_REQUEST, "The session has another transport.")
        return session

    def _ping(self, session: Session) -> None:
        self._pong_timeouts.start(session)
        session.send_direct(packets.PING)

    def on_pong(self, session: Session) -> None:
        self._pong_timeouts.cancel(session)
        self._ping_timers.start(session)

    def on_upgrade_done(self, transport: Transport) -> None:
        self._upgrade_timeouts.cancel(transport)

    def on_closing(self, session: Session) -> None:
        self._ping_timers.cancel(session)
        self._pong_timeouts.cancel(session)
        if not session.accepted:
            self._discard_unaccepted(session)

    def _discard_unaccepted(self, session: Session) -> None:
        if self._accept_timeouts:
            self._accept_timeouts.cancel(session)
        self._unaccepted[session.address] -= 1
        if not self._unaccepted[session.address]:
            del self._unaccepted[session.address]

    # --- handlers ----------------------------------------------------------------------------------------------------

    def start_handling(self, session: Session) -> None:
        task = _start_eagerly(self.scheduler.run(session, self._handle_events(session)))
        if not task.done():
            self._tasks.add(task)  # the event loop has only a weak reference to it
            task.add_done_callback(self._tasks.discard)

    async def _handle_events(self, session: Session) -> None:
        """Call the handlers for a session's pending events, one after another."""
        _payer.set(session)
        while session.pending_events:
            event, argument = session.pending_events.pop(0)
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
            if not self.scheduler.admits(session.account):
                await asyncio.sleep(0)  # the scheduler lets it wait for its turn
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
            result = handler(session.sid)  # a handler that does not accept the reason
        if isawaitable(result):
            result = await result
        if event == "connect" and result is not None and result is not True:
            session.close(self.reason.SERVER_DISCONNECT)


def _start_eagerly(work: Any) -> asyncio.Task[None]:
    """Start a task, from Python 3.12 on eagerly: most of these tasks then end without a turn of the event loop."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)
    return asyncio.create_task(work)


def _detach(request: web.Request) -> None:
    """Detach the connection from aiohttp, which sees a closed connection, while the socket stays open."""
    http = request.protocol
    http.transport = None
    http.connection_lost(None)
