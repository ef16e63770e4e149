"""JSON answers, and what every handler gets at: who asks, and the parts of the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from roomcast.uploads.viewer import Viewer


async def default_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Which versions run here is nobody's business, and the page's modules are asked for anew after every upgrade."""
    response.headers["Server"] = "Roomcast"
    if request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"


VIEWER = web.RequestKey("viewer", Viewer)


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """`body` as JSON; states change, so nobody keeps one."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
    )
