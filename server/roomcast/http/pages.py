"""The pages, the static files that they load, and the configuration that they read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from aiohttp import web
from pydantic import Field
from yarl import URL

from roomcast.errors import NotFound
from roomcast.http.downloads.response import send_file
from roomcast.http.media import FILE_PARAMETERS, FILE_RESPONSES
from roomcast.http.operations import HTML, Operation, Parameter, ResponseSpec, RouteGroup, Tag, json_body
from roomcast.http.responses import json_response
from roomcast.http.schema import Config
from roomcast.settings import Settings

_PACKAGE = Path(__file__).resolve().parents[1]
STATIC = next(folder for folder in (_PACKAGE / "static", _PACKAGE.parents[1] / "static") if folder.is_dir())
"""The folder of the page and the client: inside an installed package, beside it in a checkout."""

PAGE = "/progress-demo"
PAGE_RESPONSE = ResponseSpec(200, "The page.", {HTML: str})
_CDN = "https://cdn.jsdelivr.net"


def _page_headers(public_url: str | None) -> dict[str, str]:
    """Return the headers of the page, which may be opened under another name than the public one that links use."""
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


class Pages(RouteGroup):
    """`/progress-demo`, `/static` and `/api/config`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._headers = _page_headers(settings.server.public_url)

    @Operation(
        "GET",
        "/",
        Tag.PAGES,
        "Redirect to the demo page",
        (ResponseSpec(302, "The demo page.", headers=(Parameter("Location", str, "Its URL.", "header"),)),),
    )
    async def _redirect(self, _: web.Request) -> web.Response:
        raise web.HTTPFound(PAGE)

    @Operation("GET", PAGE, Tag.PAGES, "The demo page", (PAGE_RESPONSE,), aliases=(f"/admin{PAGE}",))
    async def _get_page(self, request: web.Request) -> web.StreamResponse:
        return await send_file(request, STATIC / "page" / "progress-demo.html", self._headers)

    @Operation(
        "GET",
        "/static/{filename:.+}",
        Tag.PAGES,
        "Scripts and styles",
        FILE_RESPONSES,
        parameters=(
            Parameter(
                "filename",
                Annotated[str, Field(examples=["roomcast.js"])],
                "The file's path.",
                "path",
                required=True,
            ),
            *FILE_PARAMETERS,
        ),
        errors=(NotFound,),
    )
    async def _get_static(self, request: web.Request) -> web.StreamResponse:
        try:
            path = (STATIC / request.match_info["filename"]).resolve()
        except (OSError, ValueError):  # ValueError: a NUL in the name
            path = STATIC.parent
        if not path.is_relative_to(STATIC):
            raise NotFound("Nothing was found at this URL.")
        return await send_file(request, path)

    @Operation(
        "GET", "/api/config", Tag.OPERATION, "Limits and templates", (json_body(Config, "What a page needs to start."),)
    )
    async def _get_config(self, _: web.Request) -> web.Response:
        settings = self._settings
        config: Config = {
            "maxUploadBytes": settings.intake.max_upload_bytes,
            "maxFiles": settings.intake.max_files,
            "templates": [{"name": one.name, "kind": one.kind} for one in settings.assemblies.loaded_templates],
            "openMode": settings.auth.open_mode,
        }
        return json_response(config)
