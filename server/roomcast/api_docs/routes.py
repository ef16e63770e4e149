"""Serves `/openapi.json`, `/asyncapi.json`, the API reference that shows both, and the guides that it links to.

The documents are made at the first request, in a thread.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from roomcast.api_docs.asyncapi import asyncapi
from roomcast.api_docs.openapi import openapi
from roomcast.api_docs.socket_io import SOCKET_IO_OPERATIONS
from roomcast.errors import NotFound
from roomcast.http.downloads.response import send_compressed_file
from roomcast.http.operations import OPERATIONS, Operation, Parameter, ResponseSpec, RouteGroup, Tag, json_body
from roomcast.http.pages import PAGE_RESPONSE, STATIC, page_file
from roomcast.http.responses import json_response
from roomcast.settings.settings import Settings

GUIDES = STATIC.parent / "docs"
"""The folder of the guides: inside an installed package, at the top of a checkout."""

_HEADERS = {
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    # Swagger UI's icons are data URLs, and what it shows of a downloaded image is a blob.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


class ApiDocs(RouteGroup):
    """The documents describe every operation of the application, and are public: they hold no data."""

    def __init__(self, settings: Settings, *, open_mode: bool) -> None:
        server = settings.server
        here = f"http://{server.host}:{server.port}"
        self._url = server.base_url if server.public_url else f"{here}{server.prefix}"
        # OpenAPI has relative addresses, too: the port of an application that Roomcast is mounted into is not known.
        self._openapi_url = server.base_url or here
        self._cookie = None if open_mode else settings.auth.cookie
        # One at a time: pydantic parses source code for the descriptions, and in Python 3.11 two threads that use
        # `ast.parse` at once may fail with a SystemError (python/cpython#106905).
        self._generating = asyncio.Lock()
        self._openapi: dict[str, Any] | None = None
        self._asyncapi: dict[str, Any] | None = None

    @Operation("GET", "/openapi.json", Tag.PAGES, "OpenAPI 3.1", (json_body(dict[str, Any], "Every HTTP operation."),))
    async def _get_openapi(self, request: web.Request) -> web.Response:
        async with self._generating:
            if self._openapi is None:
                operations = [*SOCKET_IO_OPERATIONS, *request.app[OPERATIONS]]
                self._openapi = await asyncio.to_thread(openapi, operations, cookie=self._cookie, url=self._openapi_url)
        return json_response(self._openapi)

    @Operation(
        "GET",
        "/asyncapi.json",
        Tag.PAGES,
        "AsyncAPI 3.0",
        (json_body(dict[str, Any], "Every Socket.IO call and event."),),
    )
    async def _get_asyncapi(self, _: web.Request) -> web.Response:
        async with self._generating:
            if self._asyncapi is None:
                self._asyncapi = await asyncio.to_thread(asyncapi, cookie=self._cookie, url=self._url)
        return json_response(self._asyncapi)

    @Operation("GET", "/docs", Tag.PAGES, "The API reference", (PAGE_RESPONSE,))
    async def _get_page(self, request: web.Request) -> web.StreamResponse:
        return await send_compressed_file(request, page_file("docs/docs.html"), _HEADERS)

    @Operation(
        "GET",
        "/docs/{guide:[a-z]+[.]md}",
        Tag.PAGES,
        "A guide",
        (ResponseSpec(200, "The guide, in Markdown.", {"text/plain": str}),),
        parameters=(
            Parameter(
                "guide",
                Annotated[str, Field(pattern=r"^[a-z]+\.md$", examples=["tutorial.md"])],
                "The guide's file name.",
                "path",
                required=True,
            ),
        ),
        errors=(NotFound,),
    )
    async def _get_guide(self, request: web.Request) -> web.Response:
        path = GUIDES / request.match_info["guide"]
        if not path.is_file():
            raise NotFound("There is no such guide.")
        text = await asyncio.to_thread(path.read_text, encoding="utf-8")
        return web.Response(text=text, content_type="text/plain", headers=_HEADERS)
