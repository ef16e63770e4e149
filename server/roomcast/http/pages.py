"""The pages, the static files that they load, and the configuration that they read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated

from aiohttp import web
from pydantic import Field
from yarl import URL

from roomcast.errors import NotFound
from roomcast.http.downloads.bundle import FOLDER, load_bundle
from roomcast.http.downloads.response import send_compressed_file, send_file
from roomcast.http.media import FILE_PARAMETERS, FILE_RESPONSES
from roomcast.http.operations import HTML, Operation, Parameter, ResponseSpec, RouteGroup, Tag, json_body
from roomcast.http.responses import json_response
from roomcast.http.schema import Config, TemplateSummary
from roomcast.settings.settings import Settings
from roomcast.uploads.sniff import AUDIO_FORMATS, IMAGE_FORMATS, VIDEO_FORMATS
from roomcast.uploads.templates import Template

_PACKAGE = Path(__file__).resolve().parents[1]
STATIC = next(folder for folder in (_PACKAGE / "static", _PACKAGE.parents[1] / "static") if folder.is_dir())
"""The folder of the page and the client: inside an installed package, beside it in a checkout."""

PAGE = "/progress-demo"
_SOURCE = "page/progress-demo.html"
PAGE_RESPONSE = ResponseSpec(200, "The page.", {HTML: str})

LIBRARIES = frozenset(
    {
        "hls.js/dist/hls.min.mjs",
        "socket.io-client/dist/socket.io.esm.min.js",
        "swagger-ui-dist/swagger-ui-bundle.js",
        "swagger-ui-dist/swagger-ui.css",
        "tus-js-client/dist/tus.min.js",
        "uplot/dist/uPlot.esm.js",
        "uplot/dist/uPlot.min.css",
    }
)
"""What pages load of the npm packages, below `node_modules`. Nothing else of them is served."""

CDN_SCRIPTS = (
    "https://cdn.jsdelivr.net/npm/hls.js@1.7.4/dist/hls.min.js",
    "https://cdn.jsdelivr.net/npm/socket.io-client@4.8.4/dist/socket.io.min.js",
    "https://cdn.jsdelivr.net/npm/tus-js-client@4.3.1/dist/tus.min.js",
)
"""What `static/shared/lazy-import.js` loads where npm was missing, each with the hash of its content. A policy that
named the whole host would allow every script of npm."""

_IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}
"""The caching of files whose names change with their content."""

_SERVED_SUFFIXES = frozenset({".js", ".css", ".svg", ".ts"})


def page_file(source: str) -> Path:
    """Return the file of a page, by the path of its source below `static/`: the bundle's, else the source itself."""
    return load_bundle(STATIC).pages.get(source, STATIC / source)


def page_policy(origins: Iterable[str], *, inline: bool = False, cdn: bool = True) -> str:
    """Return the Content-Security-Policy of a page that uploads and shows results, which `origins` have as well.

    `inline` allows scripts and styles in the page itself; `cdn` allows the libraries of a server without npm.
    """
    elsewhere = "".join(f" {origin}" for origin in origins)
    code = " 'unsafe-inline'" if inline else ""
    scripts = "".join(f" {script}" for script in CDN_SCRIPTS) if cdn else ""
    return (
        f"default-src 'none'; script-src 'self'{code}{scripts}; style-src 'self'{code}; "
        f"connect-src 'self'{elsewhere}; img-src 'self' blob: data:{elsewhere}; media-src 'self' blob:{elsewhere}; "
        "font-src 'self'; base-uri 'none'; frame-ancestors 'self'; form-action 'self'"
    )


def result_origins(settings: Settings, media_origins: Iterable[str]) -> list[str]:
    """Return the origins of the results' URLs. A page may be opened under another name than the public one, which the
    URLs have."""
    public = [str(URL(settings.server.public_url).origin())] if settings.server.public_url else []
    return list(dict.fromkeys((*public, *media_origins)))


def is_served(path: PurePosixPath) -> bool:
    """Return whether `/static` serves this file of its folder: what pages load, and pages that were put beside it.

    Our own pages are in folders and have routes with headers of their own. Files for npm and for tools are not served.
    """
    if path.parts[:1] == ("node_modules",):
        return str(PurePosixPath(*path.parts[1:])) in LIBRARIES
    if any(part.startswith(".") for part in path.parts):
        return False
    return path.suffix in _SERVED_SUFFIXES or (path.suffix == ".html" and len(path.parts) == 1)


class Pages(RouteGroup):
    """`/progress-demo`, `/static`, `/favicon.ico` and `/api/config`."""

    def __init__(self, settings: Settings, media_origins: Sequence[str], *, open_mode: bool) -> None:
        """`media_origins` are those of the results' URLs, besides the server's own."""
        self._settings = settings
        self._open_mode = open_mode
        origins = result_origins(settings, media_origins)
        self._bundle = load_bundle(STATIC)
        self._page = page_file(_SOURCE)
        policy = page_policy(origins, cdn=_SOURCE not in self._bundle.pages)
        self._page_headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy}
        self._user_page_headers = {"Content-Security-Policy": page_policy(origins, inline=True)}

    @Operation(
        "GET",
        "/",
        Tag.PAGES,
        "Redirect to the demo page",
        (ResponseSpec(302, "The demo page.", headers=(Parameter("Location", str, "Its URL.", "header"),)),),
    )
    async def _redirect(self, _: web.Request) -> web.Response:
        raise web.HTTPFound(PAGE.removeprefix("/"))  # relative: a prefix may be before it

    @Operation(
        "GET",
        "/favicon.ico",
        Tag.PAGES,
        "The icon",
        FILE_RESPONSES,
        parameters=FILE_PARAMETERS,
    )
    async def _get_icon(self, request: web.Request) -> web.StreamResponse:
        return await send_file(request, STATIC / "favicon.svg", {})

    @Operation(
        "GET",
        f"/admin{PAGE}",
        Tag.PAGES,
        "Redirect to the demo page",
        (ResponseSpec(302, "The demo page.", headers=(Parameter("Location", str, "Its URL.", "header"),)),),
    )
    async def _redirect_from_admin(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(f"..{PAGE}?{request.query_string}" if request.query_string else f"..{PAGE}")

    @Operation("GET", PAGE, Tag.PAGES, "The demo page", (PAGE_RESPONSE,))
    async def _get_page(self, request: web.Request) -> web.StreamResponse:
        return await send_compressed_file(request, self._page, self._page_headers)

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
        if not path.is_relative_to(STATIC) or not is_served(PurePosixPath(path.relative_to(STATIC))):
            raise NotFound("Nothing was found at this URL.")
        name = path.relative_to(STATIC)
        if (bundled := self._bundle.modules.get(name.as_posix())) is not None:
            return await send_file(request, bundled, {"Content-Type": "text/javascript"})
        if name.parts[0] == FOLDER:
            return await send_compressed_file(request, path, _IMMUTABLE)
        return await send_file(request, path, self._user_page_headers if path.suffix == ".html" else {})

    @Operation(
        "GET", "/api/config", Tag.OPERATION, "Limits and templates", (json_body(Config, "What a page needs to start."),)
    )
    async def _get_config(self, _: web.Request) -> web.Response:
        settings = self._settings
        config: Config = {
            "maxUploadBytes": settings.intake.max_upload_bytes,
            "maxFiles": settings.intake.max_files,
            "maxDurationSeconds": settings.worker.max_duration_seconds,
            "maxPixels": settings.worker.max_pixels,
            "formats": {"video": [*VIDEO_FORMATS], "image": [*IMAGE_FORMATS], "audio": [*AUDIO_FORMATS]},
            "templates": [self._summary(one) for one in settings.assemblies.loaded_templates],
            "openMode": self._open_mode,
        }
        return json_response(config)

    def _summary(self, template: Template) -> TemplateSummary:
        return {
            "name": template.name,
            "title": template.title or template.name,
            "kind": template.kind,
            "maxBytes": template.max_bytes_within(self._settings.intake.max_upload_bytes),
            "builtIn": template.is_built_in,
        }
