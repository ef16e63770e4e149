"""Who may call from where: the viewer of every request, and CORS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from server.access import Authenticator, bearer
from server.upload.errors import Forbidden
from server.web.answers import VIEWER
from server.web.tus_protocol import ANSWER_HEADERS, REQUEST_HEADERS, TUS

SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_CORS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": f"Authorization, Content-Type, Last-Event-ID, Range, {REQUEST_HEADERS}",
    "Access-Control-Max-Age": "600",
}
_VARY = {"Vary": "Origin"}

OnPrepare = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def authentication(authenticator: Authenticator, cookie: str, origins: Iterable[str]) -> Middleware:
    """Every call below `/api/`, and of `/metrics`, has a viewer, or is refused.

    A browser sends cookies for other people's pages too, so a change that comes with a cookie must come from a page
    of ours or of an allowed origin.
    """
    allowed = frozenset(origins)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if needs_viewer(request.method, request.path):
            token = bearer(request.headers)
            if token is None and (token := request.cookies.get(cookie)) and request.method not in SAFE:
                _check_origin(request, allowed)
            request[VIEWER] = authenticator.viewer(token)
        return await handler(request)

    return middleware


def cors(origins: Iterable[str]) -> tuple[Middleware, OnPrepare]:
    """Pages of the allowed origins may call; all others are left to the browser's same-origin rule.

    Two parts: what answers a browser that asks beforehand, and what marks every answer before its head goes out (a
    stream's goes out long before its handler returns).
    """
    allowed = frozenset(origins)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        asks = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if origin in allowed and asks and not _is_socket(request):
            return web.Response(status=204, headers=_CORS)
        return await handler(request)

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        if allowed and not _is_socket(request):
            origin = request.headers.get("Origin")
            own = response.headers.get(hdrs.VARY)
            response.headers.update(_allow(origin) if origin in allowed else _VARY)
            if own:
                response.headers[hdrs.VARY] = f"{own}, Origin"

    return middleware, mark


def needs_viewer(method: str, path: str) -> bool:
    """Whether a call needs credentials, where there are any."""
    if path == "/api/config" or (method == hdrs.METH_OPTIONS and path.startswith(TUS)):
        return False
    return path.startswith("/api/") or path == "/metrics"


def _is_socket(request: web.Request) -> bool:
    """Socket.IO has a rule of its own."""
    return request.path.startswith("/socket.io/")


def _allow(origin: str) -> dict[str, str]:
    return {
        **_VARY,
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": f"Accept-Ranges, Content-Range, ETag, Location, {ANSWER_HEADERS}",
    }


def _check_origin(request: web.Request, allowed: frozenset[str]) -> None:
    origin = request.headers.get("Origin")
    if origin is None or origin in allowed or origin.partition("://")[2] == request.host:
        return
    raise Forbidden("Another site's page may not do this.")
