"""Respond to requests that aiohttp's parser refuses.

aiohttp itself logs such a request as an error with a traceback and sends the line back that it could not parse. The
line may contain a token, and anyone may send as many such requests as they like.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web, web_protocol
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.get_logger(__name__)


class RequestHandler(web_protocol.RequestHandler):
    """aiohttp's handler of a connection, but it does not inflate bodies, and it answers what is not HTTP with a short
    response, logged at debug level."""

    __slots__ = ()

    def __init__(self, manager: web.Server, **options: Any) -> None:
        # Inflated, twenty kilobytes of a body could become a gigabyte. `identity_only` refuses such requests.
        super().__init__(manager, **{**options, "auto_decompress": False})

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


def request_handlers(http: web.Server) -> Callable[[], RequestHandler]:
    """Return the server's factory of connection handlers, but for this class."""
    return lambda: RequestHandler(http, loop=http._loop, **http._kwargs)  # noqa: SLF001  (aiohttp has no public way)
