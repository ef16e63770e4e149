"""Who may call from where: the viewer of every request, and CORS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from roomcast.auth import Authenticator, bearer
from roomcast.errors import Forbidden
from roomcast.http.responses import VIEWER
from roomcast.http.tus.protocol import REQUEST_HEADERS, RESPONSE_HEADERS, TUS
from roomcast.origins import OriginPolicy, own_hosts

SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": f"Authorization, Content-Type, Last-Event-ID, Range, {REQUEST_HEADERS}",
    "Access-Control-Max-Age": "600",
}
_ALLOW = str(hdrs.ACCESS_CONTROL_ALLOW_ORIGIN)
_EXPOSED = f"Accept-Ranges, Content-Range, ETag, Location, {RESPONSE_HEADERS}"

Credential = Callable[[web.Request], str | None]
"""Finds the token of a request."""

OnPrepare = Callable[[web.Request, web.StreamResponse], Awaitable[None]]


def authentication(authenticator: Authenticator, credential: Credential) -> Middleware:
    """Give every call below `/api/`, and of `/metrics`, its viewer, or refuse it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if needs_viewer(request.method, request.path):
            request[VIEWER] = authenticator.viewer(credential(request))
        return await handler(request)

    return middleware


def credential_of(request: web.Request, cookie: str, policy: OriginPolicy) -> str | None:
    """The token that came as a bearer header, or else as a cookie. Raises `Forbidden`.

    A browser sends cookies for other people's pages too. A change that comes with a cookie must therefore come from a
    page of this server or of a named origin. Where every origin is allowed, a cookie from another origin is ignored.
    """
    token = bearer(request.headers)
    if token or not (token := request.cookies.get(cookie)):
        return token
    if policy.accepts_cookie(request.headers.get("Origin"), *own_hosts(request.headers)):
        return token
    if policy.any:
        return None
    if request.method not in SAFE:
        raise Forbidden("Another site's page may not do this.")
    return token  # the page of the other site cannot read the answer


def cors(policy: OriginPolicy) -> tuple[Middleware, OnPrepare]:
    """Let pages of the allowed origins call; all others are left to the browser's same-origin rule.

    Two parts: what answers a browser that asks beforehand, and what marks every answer before its head goes out (a
    stream's goes out long before its handler returns).
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        asks = request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        if asks and not _is_socket(request) and _ALLOW in policy.response_headers(request.headers.get("Origin")):
            return web.Response(status=204, headers=_PREFLIGHT)
        return await handler(request)

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        headers = policy.response_headers(request.headers.get("Origin"))
        own = response.headers.get(hdrs.VARY)
        response.headers.update(headers)
        if _ALLOW in headers:
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
        if own and hdrs.VARY in headers:
            response.headers[hdrs.VARY] = f"{own}, {headers[hdrs.VARY]}"

    return middleware, mark


def needs_viewer(method: str, path: str) -> bool:
    """Whether a call needs credentials, where there are any."""
    if path == "/api/config" or (method == hdrs.METH_OPTIONS and path.startswith(TUS)):
        return False
    return path.startswith("/api/") or path == "/metrics"


def _is_socket(request: web.Request) -> bool:
    """Whether Socket.IO answers, which allows the methods and headers of its own requests."""
    return request.path.startswith("/socket.io/")
