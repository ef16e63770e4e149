"""A web server with files to import, which can break off, lie and redirect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class RemoteFiles:
    """Serves `content` under `/file.png`; the number of bytes after which each response breaks off is in `cuts`."""

    content: bytes
    etag: str | None = '"one"'
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    stored: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the bytes before the next cut have been stored: a client drops what it has not read."""
    asked: list[str | None] = field(default_factory=list)
    """The `Range` header of each request."""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/file.png", self._file)
        app.router.add_get("/endless", self._endless)
        app.router.add_get("/page", self._page)
        app.router.add_get("/missing", self._missing)
        app.router.add_get("/redirect", self._redirect)
        app.router.add_get("/loop", self._loop)
        return app

    async def _file(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range")
        self.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if request.headers.get("If-Range") != self.etag:
            start = 0
        headers = {"ETag": self.etag} if self.etag else {}
        body = self.content[start:]
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        response.content_type = "image/png"
        response.content_length = len(body)
        await response.prepare(request)
        cut = self.cuts.pop(0) if self.cuts else None
        await response.write(body[:cut])
        if cut:
            await self.stored.wait()
            self.stored.clear()
        if cut is not None and request.transport:
            request.transport.close()
        return response

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(self.content[:100] + bytes(1 << 16))
        except ConnectionError:
            return response

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text="<html>Sorry</html>", content_type="text/html")

    async def _missing(self, _: web.Request) -> web.Response:
        return web.Response(status=404, text="<html>No</html>", content_type="text/html")

    async def _redirect(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["to"]})  # not checked, unlike HTTPFound's

    async def _loop(self, _: web.Request) -> Any:
        raise web.HTTPFound("/loop")
