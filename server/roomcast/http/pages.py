"""The static page, and what it needs to know before it starts."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from yarl import URL

from roomcast.errors import NotFound
from roomcast.http.responses import json_response
from roomcast.http.schema import Config
from roomcast.settings import Settings

_PACKAGE = Path(__file__).resolve().parents[1]
STATIC = next(folder for folder in (_PACKAGE / "static", _PACKAGE.parents[1] / "static") if folder.is_dir())
"""The page and the client: packed into an installed package, or beside it in a checkout."""

PAGE = "/progress-demo"
_CDN = "https://cdn.jsdelivr.net"


def _page_headers(public_url: str | None) -> dict[str, str]:
    """The page may also be opened under another name than the public one, which its links lead to."""
    web_origins = f"https: {URL(public_url).origin()}" if public_url else "https:"
    policy = (
        f"default-src 'self'; script-src 'self' {_CDN}; connect-src 'self' {web_origins} ws: wss:; "
        f"img-src 'self' blob: data: {web_origins}; media-src 'self' blob: {web_origins}; object-src 'none'; "
        "base-uri 'none'; frame-ancestors 'self'; form-action 'self'"
    )
    return {
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Content-Security-Policy": policy,
    }


class Pages:
    """`/progress-demo`, `/static`, `/api/config`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._headers = _page_headers(settings.server.public_url)

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/", self._home)
        app.router.add_get(PAGE, self._page)
        app.router.add_get(f"/admin{PAGE}", self._page)
        app.router.add_get("/api/config", self._config)
        app.router.add_get("/static/{filename:.+}", self._static)

    async def _home(self, _: web.Request) -> web.Response:
        raise web.HTTPFound(PAGE)

    async def _page(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / "progress-demo.html", headers=self._headers)

    async def _static(self, request: web.Request) -> web.FileResponse:
        path = STATIC / request.match_info["filename"]
        # Not `add_static`: what it does not find, it answers in a shape of its own.
        if "\0" in path.name or not path.resolve().is_relative_to(STATIC) or not path.is_file():
            raise NotFound("There is nothing here.")
        return web.FileResponse(path)

    async def _config(self, _: web.Request) -> web.Response:
        settings = self._settings
        config: Config = {
            "maxUploadBytes": settings.intake.max_upload_bytes,
            "maxFiles": settings.intake.max_files,
            "templates": [{"name": one.name, "kind": one.kind} for one in settings.assemblies.loaded_templates],
            "openMode": settings.auth.open_mode,
        }
        return json_response(config)
