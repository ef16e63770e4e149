"""Report how requests arrive, and send responses whose timing is known. No route creates or changes anything.

Each process serves few of the requests that last at a time, so that they are no way to occupy it.
"""

# ruff: noqa: N815  (the contract's spelling)

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import structlog
from aiohttp import hdrs, web
from pydantic import Field

from roomcast.errors import Malformed, Stalled, TooMany
from roomcast.forwarded import TrustedProxies, joined_headers
from roomcast.http.operations import (
    EVENT_STREAM,
    Binary,
    EventStream,
    Operation,
    Parameter,
    ResponseSpec,
    RouteGroup,
    Tag,
    json_body,
)
from roomcast.http.responses import DOCTOR_HEADERS_PATH, Links, json_response
from roomcast.http.streams.sse import sse_event
from roomcast.http.streams.streams import STREAM_HEADERS
from roomcast.uploads.messages import Shape

MAX_SECONDS = 60
MAX_BODY_BYTES = 8 << 20
"""The most that is read of a body. A larger one is answered as soon as its head has arrived."""

log = structlog.get_logger(__name__)

_MAX_CONCURRENT = 8
_TICK_SECONDS = 0.25
_EXAMPLE_ID = "upload_" + "0" * 32

Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS)]


class ReceivedHeaders(Shape):
    """The headers of the request as the server received them."""

    headers: list[str]
    """Their lower-case names, each once, sorted."""
    nonce: str
    """A new value in every response."""


class RequestReport(Shape):
    """The request as the server received it, and what the server makes of it."""

    time: float
    """The server's clock, in seconds since the Unix epoch."""
    path: str
    """The path that arrived, without what a proxy removed."""
    peer: str
    """The address that the connection came from."""
    trusted: bool
    """Whether `ROOMCAST_TRUSTED_PROXIES` names the peer."""
    forwarded: bool
    """Whether the request names the client of a proxy."""
    address: str
    """The client's address, for which limits are counted."""
    scheme: str | None
    host: str | None
    prefix: str
    """The path that a trusted proxy has removed, as it says itself."""
    publicUrl: str | None
    origins: list[str]
    """The other origins whose pages may call."""
    contentUrl: str
    """The `contentUrl` of an upload that does not exist."""


class BodyReport(Shape):
    """How the body of a request arrived."""

    bytes: int
    spread: float
    """Seconds between the first of these bytes and the last."""


class StreamTick(Shape):
    """An event of the stream."""

    number: int


_SECONDS_PARAMETER = Parameter("seconds", Seconds, f"How long the response takes, up to {MAX_SECONDS}.")


class DiagnosticRoutes(RouteGroup):
    """Serves what `roomcast doctor` calls."""

    def __init__(self, proxies: TrustedProxies, links: Links, *, public_url: str | None, origins: list[str]) -> None:
        self._proxies = proxies
        self._links = links
        self._public_url = public_url
        self._origins = origins
        self._free = _MAX_CONCURRENT

    @Operation(
        "GET",
        DOCTOR_HEADERS_PATH,
        Tag.OPERATION,
        "Report which headers arrive",
        (json_body(ReceivedHeaders, "The names of the request's headers."),),
    )
    async def _get_headers(self, request: web.Request) -> web.Response:
        names = sorted({name.lower() for name in request.headers})
        received: ReceivedHeaders = {"headers": names, "nonce": secrets.token_hex(8)}
        return json_response(received)

    @Operation(
        "GET",
        "/api/doctor",
        Tag.OPERATION,
        "Report how a request arrives",
        (json_body(RequestReport, "The request, as a trusted proxy describes it."),),
    )
    async def _get_report(self, request: web.Request) -> web.Response:
        peer, get = request.remote or "", joined_headers(request.headers)
        resolved = self._proxies.resolve(peer, get)
        report: RequestReport = {
            "time": time.time(),
            "path": request.raw_path.partition("?")[0],
            "peer": peer,
            "trusted": self._proxies.trusts(peer),
            "forwarded": any(get(name) for name in ("x-forwarded-for", "forwarded")),
            "address": resolved.address,
            "scheme": resolved.scheme,
            "host": resolved.host or get("host"),
            "prefix": resolved.prefix,
            "publicUrl": self._public_url,
            "origins": self._origins,
            "contentUrl": self._links.content(_EXAMPLE_ID),
        }
        return json_response(report)

    @Operation(
        "POST",
        "/api/doctor/body",
        Tag.OPERATION,
        "Report how a body arrives",
        (json_body(BodyReport, "The bytes, which are discarded."),),
        description=f"A body that declares more than {MAX_BODY_BYTES >> 20} MiB is answered before it is read.",
        body={"application/octet-stream": Binary},
        body_optional=True,
        errors=(TooMany, Stalled),
    )
    async def _post_body(self, request: web.Request) -> web.Response:
        report: BodyReport = {"bytes": 0, "spread": 0.0}
        declared = request.content_length or 0
        if declared <= MAX_BODY_BYTES:
            async with self._slot():
                report = await _read_body(request)
        response = json_response(report)
        if declared > MAX_BODY_BYTES or report["bytes"] > MAX_BODY_BYTES:
            response.force_close()
        return response

    @Operation(
        "GET",
        "/api/doctor/wait",
        Tag.OPERATION,
        "Respond late",
        (ResponseSpec(204, "The time is over."),),
        parameters=(_SECONDS_PARAMETER,),
        errors=(Malformed, TooMany),
    )
    async def _get_late(self, request: web.Request) -> web.Response:
        seconds = _parse_seconds(request.query.get("seconds"))
        async with self._slot():
            await asyncio.sleep(seconds)
        return web.Response(status=204, headers={hdrs.CACHE_CONTROL: "no-store"})

    @Operation(
        "GET",
        "/api/doctor/stream",
        Tag.OPERATION,
        "Send an event stream",
        (
            ResponseSpec(
                200, f"An event every {_TICK_SECONDS:g} seconds.", {EVENT_STREAM: EventStream({"tick": StreamTick})}
            ),
        ),
        parameters=(_SECONDS_PARAMETER,),
        errors=(Malformed, TooMany),
    )
    async def _get_stream(self, request: web.Request) -> web.StreamResponse:
        seconds = _parse_seconds(request.query.get("seconds"))
        async with self._slot():
            response = web.StreamResponse(headers=STREAM_HEADERS)
            await response.prepare(request)
            for number in range(1, round(seconds / _TICK_SECONDS) + 2):
                tick: StreamTick = {"number": number}
                await response.write(sse_event("tick", tick))
                await asyncio.sleep(_TICK_SECONDS)
        return response

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Count one request that lasts. Raise `TooMany` if there are as many as this process serves."""
        if not self._free:
            raise TooMany("The server already answers as many diagnostic requests as it serves at a time. Try again.")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


async def _read_body(request: web.Request) -> BodyReport:
    """Read the body and discard it, up to a little more than `MAX_BODY_BYTES`, or until its client is gone."""
    loop, size = asyncio.get_running_loop(), 0
    first = last = loop.time()
    try:
        async with asyncio.timeout(2 * MAX_SECONDS):
            async for chunk in request.content.iter_any():
                last = loop.time()
                first = last if size == 0 else first
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    break
    except TimeoutError:
        raise Stalled("The body did not arrive in time.") from None
    except ConnectionError:
        log.debug("diagnostic_body_broke_off", bytes=size)
    return {"bytes": size, "spread": round(last - first, 3)}


def _parse_seconds(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= MAX_SECONDS):
        raise Malformed(f"The parameter seconds must be a whole number up to {MAX_SECONDS}.")
    return int(text)
