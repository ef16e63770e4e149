"""What a server with a prefix answers at the paths that are not below the prefix, where nothing else is served."""

from __future__ import annotations

from aiohttp import web

from roomcast.errors import NotFound
from roomcast.http.errors import not_found_page, refuse, wants_page
from roomcast.http.pages import PAGE


def add_routes_above(root: web.Application, prefix: str) -> None:
    """Redirect `/` to the demo page, and answer everything else as not found: for people with a page."""

    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPFound(f"{prefix}{PAGE}")

    async def refuse_path(request: web.Request) -> web.Response:
        if wants_page(request):
            return not_found_page(f"{prefix}/")
        return refuse(request, NotFound(f"Nothing was found at this URL. Everything is below {prefix}/."))

    root.router.add_get("/", redirect)
    root.router.add_route("*", "/{path:.*}", refuse_path)
