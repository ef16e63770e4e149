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

from roomcast.transport.connections import Connections, network
from roomcast.transport.scheduler import Scheduler
from roomcast.transport.timeouts import Timeouts

STALLED_SECONDS = 60.0
"""How long a client may read nothing of its response. A buffer of 48 KiB is read meanwhile, so a slow client reads."""

log = structlog.get_logger(__name__)


class RequestHandler(web_protocol.RequestHandler):
    """aiohttp's handler of a connection, but it does not inflate bodies, and it answers what is not HTTP with a short
    response, logged at debug level."""

    __slots__ = (
        "_address",
        "_connection",
        "_connections",
        "_first",
        "_lost",
        "_prepaid",
        "_reading_deferred",
        "_scheduler",
        "_stalled",
        "account",
    )

    def __init__(
        self,
        manager: web.Server,
        connections: Connections,
        scheduler: Scheduler,
        stalled: Timeouts[asyncio.Transport],
        **options: Any,
    ) -> None:
        """`stalled` are the connections whose client does not read its response."""
        self._connections = connections
        self._scheduler = scheduler
        self._stalled = stalled
        self._reading_deferred = False
        """Whether reading waits for the turn of the account."""
        self._prepaid = 0.0
        self._lost: asyncio.Event | None = None  # None until a task waits for it
        # Inflated, twenty kilobytes of a body could become a gigabyte. `identity_only` refuses such requests.
        super().__init__(manager, **{**options, "auto_decompress": False})

    @property
    def idle(self) -> bool:
        """Whether the connection waits for a request (see `Connections`)."""
        return self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._address = self._scheduler.account(network(peer[0] if isinstance(peer, tuple) else ""))
        self.account = self._address
        """Is charged for the work for this connection."""
        self._first = self._address
        """The account whose turn the next request waits for: that of the last one."""
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.remove(self._connection)
        self._stalled.cancel(self._connection)
        if self._lost:
            self._lost.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        started, prepaid, self._prepaid = self._scheduler.start(), self._prepaid, 0.0
        super().data_received(data)
        self._scheduler.charge(self.account, started, prepaid)
        if not self._reading_deferred and not self._scheduler.admits(self.account):
            self._reading_deferred = True
            self._pause_transport_reading()
            self._scheduler.defer(self.account, self._read_on)

    async def _handle_request(self, request: web.BaseRequest, *rest: Any) -> tuple[web.StreamResponse, bool]:
        """Handle a request when it is the turn of its account. Until it is authenticated, it is the address's."""
        first, self.account = self._first, self._address
        try:
            return await self._scheduler.run(self, self._handle_in_turn(request, *rest), first)
        finally:
            self._first = self.account

    async def _handle_in_turn(self, request: web.BaseRequest, *rest: Any) -> tuple[web.StreamResponse, bool]:
        """Handle a request. If the connection was lost before, the rest of its body fails to be read, as it does if the
        connection is lost later: aiohttp knows only of requests that it handles already."""
        if self.transport is None and not request.content.is_eof():
            request.content.set_exception(ConnectionResetError("The connection was closed."))
        return await super()._handle_request(request, *rest)

    def charge_to(self, name: str) -> None:
        """Charge the rest of the request to the account with this name, such as that of a viewer."""
        if name != self.account.name:
            self.account = self._scheduler.account(name)
            self._read_on(0.0)

    def _read_on(self, prepaid: float) -> None:
        """Read on after a deferral, unless aiohttp has paused reading as well."""
        if self._reading_deferred:
            self._reading_deferred, self._prepaid = False, prepaid
            if not self._reading_paused and not self._buffer_paused:
                self._resume_transport_reading()

    def _pause_transport_reading(self) -> None:
        if self._owns_reading:
            super()._pause_transport_reading()

    def _resume_transport_reading(self) -> None:
        if self._owns_reading and not self._reading_deferred:
            super()._resume_transport_reading()

    @property
    def _owns_reading(self) -> bool:
        """Whether this is the connection's protocol, which alone pauses and resumes reading. While another one reads a
        large body, a deferral of this one may end."""
        return self.transport is not None and self.transport.get_protocol() is self

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


def charge_to(request: web.BaseRequest, name: str) -> None:
    """Charge the rest of a request to the account with this name (see `Scheduler`)."""
    if isinstance(request.protocol, RequestHandler):
        request.protocol.charge_to(name)


def request_handlers(http: web.Server, connections: Connections, scheduler: Scheduler) -> Callable[[], RequestHandler]:
    """Return the server's factory of connection handlers, but for this class. To be called once for a server."""
    http.request_factory = partial(_make_request, http.request_factory)
    stalled = Timeouts[asyncio.Transport](STALLED_SECONDS, lambda connection: connection.abort())
    options = {"loop": http._loop, **http._kwargs}  # noqa: SLF001  (aiohttp has no public way)
    return lambda: RequestHandler(http, connections, scheduler, stalled, **options)
