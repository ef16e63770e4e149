"""What handlers share: the viewer of a request, JSON responses, default headers, and the URLs of an upload's routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from roomcast.uploads.viewer import Viewer

TUS_PATH = "/api/tus"
"""The path below which all tus requests are."""

VIEWER = web.RequestKey("viewer", Viewer)
"""The authenticated caller, for every path that needs one."""


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON response. It is not cached, unless `headers` allow it, because states change."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
    )


async def default_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Hide the server's version, and make browsers revalidate static modules, so that an upgrade reaches them."""
    response.headers["Server"] = "Roomcast"
    if request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"


class Links:
    """Makes the URLs of an upload's own routes: absolute if the server's public URL is known, otherwise paths, which
    clients resolve against the URL that they called."""

    def __init__(self, public_url: str | None = None) -> None:
        self._base = (public_url or "").rstrip("/")

    def content(self, upload_id: str) -> str:
        """Return where the bytes of a reservation are sent in one request."""
        return f"{self._base}/api/uploads/{upload_id}/content"

    def tus(self, upload_id: str) -> str:
        """Return where the bytes are sent in chunks."""
        return f"{self._base}{TUS_PATH}/{upload_id}"

    def progress(self, upload_id: str) -> str:
        """Return what the client calls after each part that it has sent to the bucket."""
        return f"{self._base}/api/uploads/{upload_id}/progress"

    def complete(self, upload_id: str) -> str:
        """Return what the client calls after the last part."""
        return f"{self._base}/api/uploads/{upload_id}/complete"
