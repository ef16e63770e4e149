"""`/openapi.json`, `/asyncapi.json` and `/docs`: each made when it is first asked for, away from the event loop."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any

from aiohttp import web

from roomcast.api_docs.asyncapi import asyncapi
from roomcast.api_docs.docs import page
from roomcast.api_docs.openapi import Route, openapi
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


class Descriptions:
    """Of what `app` serves, itself included. They hold nothing of anybody's uploads, and are for everybody."""

    def __init__(self, app: web.Application, settings: Settings) -> None:
        self._app, server = app, settings.server
        self._url = (server.public_url or f"http://{server.host}:{server.port}").rstrip("/")
        self._cookie = None if settings.auth.open_mode else settings.auth.cookie

    def add_routes(self) -> None:
        self._app.router.add_get("/openapi.json", self._get_openapi)
        self._app.router.add_get("/asyncapi.json", self._get_asyncapi)
        self._app.router.add_get("/docs", self._get_page)

    async def _get_openapi(self, _: web.Request) -> web.Response:
        return json_response(await asyncio.to_thread(lambda: self._openapi))

    async def _get_asyncapi(self, _: web.Request) -> web.Response:
        return json_response(await asyncio.to_thread(lambda: self._asyncapi))

    async def _get_page(self, _: web.Request) -> web.Response:
        text = await asyncio.to_thread(lambda: self._page)
        return web.Response(text=text, content_type="text/html", headers=_HEADERS)

    @cached_property
    def _openapi(self) -> dict[str, Any]:
        return openapi(served(self._app), cookie=self._cookie, url=self._url)

    @cached_property
    def _asyncapi(self) -> dict[str, Any]:
        return asyncapi(cookie=self._cookie, url=self._url)

    @cached_property
    def _page(self) -> str:
        return page(self._openapi, self._asyncapi, url=self._url)


def served(app: web.Application) -> set[Route]:
    """Every method and path that the application answers."""
    return {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
