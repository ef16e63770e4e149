"""Who may call from where: the viewer of every request, and CORS."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from server.access import Authenticator, bearer
from server.upload.errors import Forbidden
from server.web.answers import VIEWER

_SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_CORS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Max-Age": "600",
}


def authentication(authenticator: Authenticator, cookie: str, origins: Iterable[str]) -> Middleware:
    """Every call below `/api/` has a viewer, or is refused.

    A browser sends cookies for other people's pages too, so a change that comes with a cookie must come from a page
    of ours or of an allowed origin.
    """
    allowed = frozenset(origins)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/api/") and request.path != "/api/config":
            token = bearer(request.headers)
            if token is None and (token := request.cookies.get(cookie)) and request.method not in _SAFE:
                _check_origin(request, allowed)
            request[VIEWER] = authenticator.viewer(token)
        return await handler(request)

    return middleware


def cors(origins: Iterable[str]) -> Middleware:
    """Pages of the allowed origins may call; all others are left to the browser's same-origin rule."""
    allowed = frozenset(origins)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin not in allowed or request.path.startswith("/socket.io/"):
            return await handler(request)
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=204, headers={**_CORS, **_allow(origin)})

        response = await handler(request)
        if not response.prepared:
            response.headers.update(_allow(origin))
        return response

    return middleware


def _allow(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "Location",
        "Vary": "Origin",
    }


def _check_origin(request: web.Request, allowed: frozenset[str]) -> None:
    origin = request.headers.get("Origin")
    if origin is None or origin in allowed or origin.partition("://")[2] == request.host:
        return
    raise Forbidden("Another site's page may not do this.")
