"""Serves `/openapi.json`, `/asyncapi.json` and `/docs`. The documents are made at the first request, in a thread."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from roomcast.api_docs.asyncapi import asyncapi
from roomcast.api_docs.docs import page
from roomcast.api_docs.openapi import openapi
from roomcast.api_docs.socket_io import SOCKET_IO_OPERATIONS
from roomcast.http.operations import OPERATIONS, RouteGroup, Tag, json_body, operation
from roomcast.http.pages import PAGE_RESPONSE
from roomcast.http.responses import json_response
from roomcast.settings import Settings

_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}


class ApiDocs(RouteGroup):
    """The documents describe every operation of the application, and are public: they hold no data."""

    def __init__(self, settings: Settings) -> None:
        server = settings.server
        self._url = (server.public_url or f"http://{server.host}:{server.port}").rstrip("/")
        self._cookie = None if settings.auth.open_mode else settings.auth.cookie
        self._openapi: dict[str, Any] | None = None
        self._asyncapi: dict[str, Any] | None = None

    @operation("GET", "/openapi.json", Tag.PAGES, "OpenAPI 3.1", json_body(dict[str, Any], "Every HTTP operation."))
    async def _get_openapi(self, request: web.Request) -> web.Response:
        return json_response(await self._openapi_document(request.app))

    @operation(
        "GET",
        "/asyncapi.json",
        Tag.PAGES,
        "AsyncAPI 3.0",
        json_body(dict[str, Any], "Every Socket.IO call and event."),
    )
    async def _get_asyncapi(self, _: web.Request) -> web.Response:
        return json_response(await self._asyncapi_document())

    @operation("GET", "/docs", Tag.PAGES, "The API reference", PAGE_RESPONSE)
    async def _get_page(self, request: web.Request) -> web.Response:
        documents = await self._openapi_document(request.app), await self._asyncapi_document()
        text = await asyncio.to_thread(page, *documents, url=self._url)
        return web.Response(text=text, content_type="text/html", headers=_HEADERS)

    async def _openapi_document(self, app: web.Application) -> dict[str, Any]:
        if self._openapi is None:
            operations = [*SOCKET_IO_OPERATIONS, *app[OPERATIONS]]
            self._openapi = await asyncio.to_thread(openapi, operations, cookie=self._cookie, url=self._url)
        return self._openapi

    async def _asyncapi_document(self) -> dict[str, Any]:
        if self._asyncapi is None:
            self._asyncapi = await asyncio.to_thread(asyncapi, cookie=self._cookie, url=self._url)
        return self._asyncapi
