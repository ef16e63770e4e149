"""The connections of HTTP: what aiohttp's parser refuses, and headers that need correction before a handler reads them.

aiohttp itself logs a request that it cannot parse as an error with a traceback and sends the line back. The line may
contain a token, and anyone may send as many such requests as they like.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import structlog
from aiohttp import hdrs, web, web_protocol
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy

from roomcast.transport.connections import Connections
from roomcast.transport.timeouts import Timeouts

STALLED_SECONDS = 60.0
"""How long a client may read nothing of its response. A buffer of 48 KiB is read meanwhile, so a slow client reads."""

log = structlog.get_logger(__name__)


class RequestHandler(web_protocol.RequestHandler):
    """aiohttp's handler of a connection, but it does not inflate bodies, and it answers what is not HTTP with a short
    response, logged at debug level."""

    __slots__ = ("_connection", "_connections", "_lost", "_stalled")

    def __init__(
        self, manager: web.Server, connections: Connections, stalled: Timeouts[asyncio.Transport], **options: Any
    ) -> None:
        """`stalled` are the connections whose client does not read its response."""
        self._connections = connections
        self._stalled = stalled
        self._lost: asyncio.Event | None = None  # None until a task waits for it
        # Inflated, twenty kilobytes of a body could become a gigabyte. `identity_only` refuses such requests.
        super().__init__(manager, **{**options, "auto_decompress": False})

    @property
    def idle(self) -> bool:
        """Whether the connection waits for a request (see `Connections`)."""
        return self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.remove(self._connection)
        self._stalled.cancel(self._connection)
        if self._lost:
            self._lost.set()
        super().connection_lost(exc)

    async def wait_until_lost(self) -> None:
        """Wait until the client has closed the connection."""
        self._lost = self._lost or asyncio.Event()
        if self.transport is not None:
            await self._lost.wait()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled.start(self._connection)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled.cancel(self._connection)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a request that could not be parsed, or whose handler raised an error."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        log.debug("request_not_parsed", address=request.remote, reason=type(exc).__name__)
        headers = {"Server": "Roomcast", "X-Content-Type-Options": "nosniff"}
        response = web.Response(status=status, text="The request is not valid HTTP.\n", headers=headers)
        response.force_close()
        return response


def corrected(message: RawRequestMessage) -> RawRequestMessage:
    """Return a request's head with headers that every handler can use.

    - Bytes that are not UTF-8 become U+FFFD. aiohttp makes lone surrogates of them, which nothing can encode again: not
      JSON, not the ledger, not the log.
    - An expectation other than `100-continue` is dropped (RFC 9110, section 10.1.1, allows that). aiohttp would answer
      it before any middleware, in plain text.
    """
    unusable = not all(value.isascii() for _, value in message.raw_headers)
    unexpected = message.headers.get(hdrs.EXPECT, "100-continue").lower() != "100-continue"
    if not unusable and not unexpected:
        return message
    headers = CIMultiDict(
        (name, value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        for name, value in message.headers.items()
    )
    if unexpected:
        del headers[hdrs.EXPECT]
    return message._replace(headers=CIMultiDictProxy(headers))


def _make_request(make: Callable[..., web.BaseRequest], message: RawRequestMessage, *rest: Any) -> web.BaseRequest:
    return make(corrected(message), *rest)


def request_handlers(http: web.Server, connections: Connections) -> Callable[[], RequestHandler]:
    """Return the server's factory of connection handlers, but for this class. To be called once for a server."""
    http.request_factory = partial(_make_request, http.request_factory)
    stalled = Timeouts[asyncio.Transport](STALLED_SECONDS, lambda connection: connection.abort())
    options = {"loop": http._loop, **http._kwargs}  # noqa: SLF001  (aiohttp has no public way)
    return lambda: RequestHandler(http, connections, stalled, **options)
