"""Serve the HTTP requests and WebSockets of an ASGI 3 application with aiohttp."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast
from urllib.parse import unquote

import structlog
from aiohttp import WSMsgType, hdrs, web

from roomcast.errors import unexpected_error
from roomcast.hosting.lifespan import lifespan
from roomcast.hosting.loading import AsgiApplication, AsgiMessage
from roomcast.http.request_handler import RequestHandler

log = structlog.get_logger(__name__)

_MAX_MESSAGE_BYTES = 16 << 20
"""The largest message of a WebSocket, as in uvicorn."""

_WITHOUT_BODY = frozenset({204, 304})

_SPECIFICATION = {"version": "3.0", "spec_version": "2.3"}


class AsgiHost:
    """Serves all paths of an aiohttp application that have no route."""

    def __init__(self, outer: web.Application, application: AsgiApplication) -> None:
        self._application = application
        self._state: dict[str, Any] = {}
        outer.router.add_route("*", "/{path:.*}", self._handle, expect_handler=_continue_later)
        outer.cleanup_ctx.append(self._running)

    async def _running(self, _: web.Application) -> AsyncIterator[None]:
        async with lifespan(self._application) as self._state:
            yield

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket" and request.method == hdrs.METH_GET:
            return await _WebSocket(request, self._state).run(self._application)
        return await _Exchange(request, self._state).run(self._application)


class _Exchange:
    """One HTTP request and its response."""

    def __init__(self, request: web.Request, state: dict[str, Any]) -> None:
        self._request = request
        self._scope = {**_scope(request, "http", state), "method": request.method}
        self._head: AsgiMessage | None = None
        self._response: web.StreamResponse | None = None
        self._received = False
        """Whether the application has the whole body."""
        self._sent = False
        """Whether the response is complete."""
        self._must_continue = request.headers.get(hdrs.EXPECT, "").lower() == "100-continue"

    async def run(self, application: AsgiApplication) -> web.StreamResponse:
        """Return the application's response."""
        try:
            await application(self._scope, self._receive, self._send)
        except Exception:
            log.exception("asgi_request_failed", method=self._request.method, path=self._request.path)
            return self._failed()
        if self._response is None or not self._sent:
            log.error("asgi_response_incomplete", method=self._request.method, path=self._request.path)
            return self._failed()
        return self._response

    def _failed(self) -> web.StreamResponse:
        """Return the response for an application that has failed.

        One that it has completed before is the response: frameworks send their page for an error and raise it then. The
        connection is closed if a response has begun.
        """
        if self._response is not None and self._sent:
            return self._response
        if self._response is None:
            return web.Response(status=500, text=f"{unexpected_error().message}\n")
        if self._request.transport:
            self._request.transport.abort()
        return self._response

    async def _receive(self) -> AsgiMessage:
        request = self._request
        if self._must_continue:
            self._must_continue = False
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self._received:
            try:
                chunk = await request.content.readany()
            except Exception:  # noqa: BLE001  (the client has gone, or has broken the rules of HTTP)
                return {"type": "http.disconnect"}
            self._received = request.content.at_eof()
            return {"type": "http.request", "body": chunk, "more_body": not self._received}
        if not self._sent:
            await cast(RequestHandler, request.protocol).wait_until_lost()
        return {"type": "http.disconnect"}

    async def _send(self, message: AsgiMessage) -> None:
        if message["type"] == "http.response.start" and self._head is None:
            self._head = message
        elif message["type"] == "http.response.body" and self._head is not None and not self._sent:
            await self._send_body(self._head, message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"The ASGI message {message['type']!r} is not expected now.")

    async def _send_body(self, head: AsgiMessage, body: bytes, *, more: bool) -> None:
        if self._response is None and not more:
            self._response = web.Response(status=head["status"], body=body)
            _add_headers(self._response, head)
            self._sent = True
            return
        try:
            if self._response is None:
                self._response = web.StreamResponse(status=head["status"])
                _add_headers(self._response, head)
                await self._response.prepare(self._request)
            if body and self._request.method != hdrs.METH_HEAD and head["status"] not in _WITHOUT_BODY:
                await self._response.write(body)
            if not more:
                self._sent = True
                await self._response.write_eof()
        except ConnectionError:
            self._sent = self._sent or not more  # the client has gone, which `receive` says


class _WebSocket:
    """One WebSocket."""

    def __init__(self, request: web.Request, state: dict[str, Any]) -> None:
        self._request = request
        offered = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "")
        self._scope = {
            **_scope(request, "websocket", state),
            "subprotocols": [name.strip() for name in offered.split(",") if name.strip()],
        }
        self._scope["scheme"] = {"http": "ws", "https": "wss"}[request.scheme]
        self._socket: web.WebSocketResponse | None = None
        self._refused: web.Response | None = None
        self._connected = False

    async def run(self, application: AsgiApplication) -> web.StreamResponse:
        """Return the response of the handshake when the application has ended."""
        try:
            await application(self._scope, self._receive, self._send)
        except Exception:
            log.exception("asgi_websocket_failed", path=self._request.path)
            if self._socket is None:
                return self._refused or web.Response(status=500, text=f"{unexpected_error().message}\n")
            await self._socket.close(code=1011)
        if self._socket is None:
            return self._refused or web.Response(status=403)
        await self._socket.close()
        return self._socket

    async def _receive(self) -> AsgiMessage:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        if self._socket is None:
            return {"type": "websocket.disconnect", "code": 1006}
        received = await self._socket.receive()
        if received.type is WSMsgType.TEXT:
            return {"type": "websocket.receive", "text": received.data}
        if received.type is WSMsgType.BINARY:
            return {"type": "websocket.receive", "bytes": received.data}
        return {"type": "websocket.disconnect", "code": self._socket.close_code or 1006}

    async def _send(self, message: AsgiMessage) -> None:
        match message["type"]:
            case "websocket.accept" if self._socket is None and self._refused is None:
                chosen = message.get("subprotocol")
                socket = web.WebSocketResponse(
                    protocols=(chosen,) if chosen else (), max_msg_size=_MAX_MESSAGE_BYTES, compress=False
                )
                for name, value in message.get("headers", ()):
                    socket.headers.add(name.decode("latin-1"), value.decode("latin-1"))
                await socket.prepare(self._request)
                self._socket = socket
            case "websocket.close" if self._socket is None:
                self._refused = web.Response(status=403)
            case "websocket.close" if self._socket:
                await self._socket.close(code=message.get("code", 1000), message=(message.get("reason") or "").encode())
            case "websocket.send" if self._socket:
                try:
                    if message.get("bytes") is not None:
                        await self._socket.send_bytes(message["bytes"])
                    else:
                        await self._socket.send_str(message["text"])
                except ConnectionError:
                    return  # the client has gone, which `receive` says
            case other:
                raise RuntimeError(f"The ASGI message {other!r} is not expected now.")


def _scope(request: web.Request, kind: str, state: dict[str, Any]) -> dict[str, Any]:
    raw_path, _, query = request.raw_path.partition("?")
    transport = request.transport
    client = transport.get_extra_info("peername") if transport else None
    server = transport.get_extra_info("sockname") if transport else None
    return {
        "type": kind,
        "asgi": dict(_SPECIFICATION),
        "http_version": f"{request.version.major}.{request.version.minor}",
        "scheme": request.scheme,
        "path": unquote(raw_path),
        "raw_path": raw_path.encode("ascii", "replace"),
        "query_string": query.encode("ascii", "replace"),
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.raw_headers],
        "client": tuple(client[:2]) if isinstance(client, tuple) else None,
        "server": tuple(server[:2]) if isinstance(server, tuple) else None,
        "state": state.copy(),
    }


def _add_headers(response: web.StreamResponse, head: AsgiMessage) -> None:
    """Add the application's headers. The framing of the body is aiohttp's."""
    for raw_name, raw_value in head.get("headers", ()):
        name, value = bytes(raw_name).decode("latin-1"), bytes(raw_value).decode("latin-1")
        if name.lower() not in ("transfer-encoding", "connection"):
            response.headers.add(name, value)
    response.headers.setdefault(hdrs.SERVER, "Roomcast")


async def _continue_later(_: web.Request) -> None:
    """Leave an `Expect` header until the application reads the body, which it may refuse."""
