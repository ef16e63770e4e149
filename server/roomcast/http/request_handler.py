"""aiohttp's side of an HTTP connection, but for what its parser refuses.

aiohttp logs such a request as an error, with a traceback and the line that it could not parse, and sends the line back.
The line may hold a token, and any stranger may send as many as they like.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from aiohttp import web, web_protocol
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.get_logger(__name__)


class RequestHandler(web_protocol.RequestHandler):
    """Answers what is not HTTP in a few words of its own, and logs it for debugging only."""

    __slots__ = ()

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
        log.debug("request refused by the parser", address=request.remote, reason=type(exc).__name__)
        headers = {"Server": "Roomcast", "X-Content-Type-Options": "nosniff"}
        response = web.Response(status=status, text="The request is not valid HTTP.\n", headers=headers)
        response.force_close()
        return response


def request_handlers(http: web.Server) -> Callable[[], RequestHandler]:
    """Return a factory of handlers of the server's connections, in the place of its own."""
    return lambda: RequestHandler(http, loop=http._loop, **http._kwargs)  # noqa: SLF001  (it names no class to use)
