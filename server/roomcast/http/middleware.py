"""What holds for every request: no compressed bodies, authentication, and CORS."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Handler, Middleware

from roomcast.credentials import CallerRequest
from roomcast.errors import TooMany, UnsupportedType
from roomcast.forwarded import TrustedProxies, joined_headers
from roomcast.http.errors import refuse
from roomcast.http.request_handler import charge_to
from roomcast.http.responses import DOCTOR_HEADERS_PATH, TUS_PATH, VIEWER
from roomcast.origins import OpenModeGuard, OriginPolicy, PageHeaders
from roomcast.services.authentication import Authenticator
from roomcast.tracing import span
from roomcast.transport.connections import Connections, network
from roomcast.uploads.viewer import LinkAction, Viewer

ADMIN_PATH = "/admin"

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
"""The health checks, which are answered beyond all limits."""

SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
"""The methods that change nothing."""

_REQUEST_HEADERS = (
    "Authorization, Content-Type, Last-Event-ID, Range, Tus-Resumable, Upload-Length, Upload-Defer-Length,"
    " Upload-Metadata, Upload-Offset, Upload-Checksum, Upload-Concat, X-HTTP-Method-Override, X-Requested-With,"
    " X-Request-ID"
)
_RESPONSE_HEADERS = (
    "Accept-Ranges, Content-Range, ETag, Location, Tus-Resumable, Tus-Version, Tus-Extension, Tus-Max-Size,"
    " Tus-Checksum-Algorithm, Upload-Length, Upload-Defer-Length, Upload-Metadata, Upload-Offset, Upload-Concat,"
    " Upload-Expires"
)
"""The headers that pages of other origins may send and read; those of tus among them."""

_PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": _REQUEST_HEADERS,
    "Access-Control-Max-Age": "600",
}
_LINK_PATH = re.compile(r"/api/uploads/[^/]+(|/events|/cancel|/retry)")
_VIEWS: dict[str, LinkAction] = {"": "view", "/events": "view"}
_CONTROLS: dict[str, LinkAction] = {"/cancel": "control", "/retry": "control"}

_ALLOW_ORIGIN = str(hdrs.ACCESS_CONTROL_ALLOW_ORIGIN)

OnPrepare = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def requires_auth(method: str, path: str) -> bool:
    """Return whether a request needs a viewer: everything below `/api/`, and `/metrics`, except what a page or a tus
    client reads before it has a token."""
    if path in ("/api/config", DOCTOR_HEADERS_PATH) or (method == hdrs.METH_OPTIONS and path.startswith(TUS_PATH)):
        return False
    return path.startswith("/api/") or path == "/metrics"


@web.middleware
async def identity_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Raise `UnsupportedType` for a compressed request body. Media is compressed already, and nothing is inflated."""
    content = request.headers.getall(hdrs.CONTENT_ENCODING, ())
    transfer = request.headers.getall(hdrs.TRANSFER_ENCODING, ())
    if _names(content) - {"identity"} or _names(transfer) - {"chunked"}:
        raise UnsupportedType("The body must not be compressed. Send it without Content-Encoding.")
    return await handler(request)


def _names(values: Iterable[str]) -> set[str]:
    """Return the names in the values of a header that has a list."""
    return {name.strip().lower() for value in values for name in value.split(",")} - {""}


@web.middleware
async def request_spans(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record a span for a request, in the trace that its `traceparent` names. Health checks and sockets have none."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else ""
    if request.path in HEALTH_PATHS or route.endswith("/socket.io/"):
        return await handler(request)
    with span(f"{request.method} {route}", parent=request.headers.get("traceparent")) as recorded:
        recorded.set(**{"http.request.method": request.method, "http.route": route})
        response = await handler(request)
        recorded.set(**{"http.response.status_code": response.status})
        return response


def open_mode_guard(guard: OpenModeGuard, proxies: TrustedProxies) -> Middleware:
    """Return the middleware that refuses, in open mode, the requests of other sites' pages. It raises `Forbidden`.

    The admin page has a stricter check of its own, whose answer is a page.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        # Health checks of HTTP/1.0 send no host; every browser does.
        from_browser = hdrs.HOST in request.headers or request.version >= HttpVersion11
        if from_browser and request.path != ADMIN_PATH:
            safe = request.method in SAFE_METHODS and hdrs.UPGRADE not in request.headers
            guard.check(page_headers(request, proxies), safe=safe)
        return await handler(request)

    return middleware


def connection_limits(connections: Connections, *, open_mode: bool) -> Middleware:
    """Return the middleware that refuses requests of excess connections, but for health checks. It must follow
    `authentication`: the limit of an address does not apply to connections that have authenticated."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (connection := request.transport) is None:
            return await handler(request)
        if VIEWER in request and not open_mode:
            connections.exempt(connection)
        if not connections.is_excess(connection):
            return await handler(request)
        if request.path in HEALTH_PATHS:
            response = await handler(request)
        else:
            response = refuse(request, TooMany("The server has as many connections as it can serve. Try again."))
        response.force_close()
        return response

    return middleware


def authentication(authenticator: Authenticator, proxies: TrustedProxies) -> Middleware:
    """Return the middleware that sets the viewer of each request that needs one. It raises `Unauthenticated`."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if requires_auth(request.method, request.path):
            viewer = request[VIEWER] = await viewer_of(request, authenticator, proxies)
            viewer.check_link_allows(_link_action(request.method, request.path))
            charge_to(request, viewer.account)
        else:
            charge_to(request, network(proxies.client(request.remote or "", joined_headers(request.headers))))
        return await handler(request)

    return middleware


def _link_action(method: str, path: str) -> LinkAction:
    """Return what a request does that a lasting link may allow."""
    found = _LINK_PATH.fullmatch(path)
    if found is None:
        return None
    return (_VIEWS if method in SAFE_METHODS else _CONTROLS if method == hdrs.METH_POST else {}).get(found[1])


async def viewer_of(request: web.Request, authenticator: Authenticator, proxies: TrustedProxies) -> Viewer:
    """Return who makes a request. Raises what `Authenticator.viewer` does."""
    address = proxies.client(request.remote or "", joined_headers(request.headers))
    caller = CallerRequest("http", request.method, request.path, request.headers, request.query, address)
    safe = request.method in SAFE_METHODS
    viewer = await authenticator.viewer(caller, page_headers(request, proxies), safe=safe)
    return replace(viewer, address=network(address)) if authenticator.open_mode else viewer


def page_headers(request: web.Request, proxies: TrustedProxies) -> PageHeaders:
    """Return which page made a request."""
    return PageHeaders.read(joined_headers(request.headers), request.remote or "", proxies)


def cors(origins: OriginPolicy) -> tuple[Middleware, OnPrepare]:
    """Return the two parts that let pages of allowed origins call: a middleware that answers preflight requests, and a
    signal handler that adds the headers to every response before it is sent. (A stream's headers are sent long before
    its handler returns, so a middleware would be too late.)"""

    @web.middleware
    async def answer_preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
        preflight = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        # Socket.IO answers its own, which allow the methods and headers of its requests.
        ours = preflight and not request.path.startswith("/socket.io/")
        if ours and _ALLOW_ORIGIN in origins.response_headers(request.headers.get("Origin")):
            return web.Response(status=204, headers=_PREFLIGHT_HEADERS)
        return await handler(request)

    async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
        headers = origins.response_headers(request.headers.get("Origin"))
        vary = response.headers.get(hdrs.VARY)
        response.headers.update(headers)
        if _ALLOW_ORIGIN in headers:
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _RESPONSE_HEADERS
        if vary and hdrs.VARY in headers:
            response.headers[hdrs.VARY] = f"{vary}, {headers[hdrs.VARY]}"

    return answer_preflight, add_headers
