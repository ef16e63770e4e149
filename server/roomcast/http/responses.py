"""What handlers share: the viewer of a request, JSON responses, default headers, and the URLs of an upload's routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from roomcast.uploads.viewer import Viewer

TUS_PATH = "/api/tus"
"""The path below which all tus requests are."""

DOCTOR_HEADERS_PATH = "/api/doctor/headers"
"""Needs no token, so that `roomcast doctor` can name a proxy that removes tokens."""

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


_POLICY = "Content-Security-Policy"
_UNUSED_FEATURES = (
    "accelerometer", "camera", "display-capture", "encrypted-media", "geolocation", "gyroscope", "magnetometer",
    "microphone", "midi", "payment", "publickey-credentials-get", "screen-wake-lock", "usb", "xr-spatial-tracking",
)  # fmt: skip
"""Features of browsers that no page needs, and no script that came into one may use."""

_HTML_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in _UNUSED_FEATURES),
    "Referrer-Policy": "same-origin",
    _POLICY: "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}


async def default_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that every response has: the type is the one that is declared, and the server has no version.

    Browsers revalidate static modules, so that an upgrade reaches them, unless the handler says otherwise. Every HTML
    page has a Content-Security-Policy, which says who may frame it; a handler's own takes precedence.
    """
    headers = response.headers
    headers["Server"] = "Roomcast"
    headers["X-Content-Type-Options"] = "nosniff"
    if request.path.startswith("/static/"):
        headers.setdefault("Cache-Control", "no-cache")
    if response.content_type == "text/html":
        for name, value in _HTML_HEADERS.items():
            headers.setdefault(name, value)
        framing = "SAMEORIGIN" if "frame-ancestors 'self'" in headers[_POLICY] else "DENY"
        headers["X-Frame-Options"] = framing  # for browsers that do not know `frame-ancestors`


class Links:
    """Makes the URLs of an upload's own routes: absolute if the server's public URL is known, otherwise paths, which
    clients resolve against the URL that they called."""

    def __init__(self, base: str = "") -> None:
        """`base` is what URLs begin with (`ServerSettings.base_url`)."""
        self._base = base

    def content(self, upload_id: str) -> str:
        """Return where the bytes of a reservation are sent in one request."""
        return f"{self._base}/api/uploads/{upload_id}/content"

    def tus(self, upload_id: str) -> str:
        """Return where the bytes are sent in chunks."""
        return f"{self._base}{TUS_PATH}/{upload_id}"

    def page(self, token: str) -> str:
        """Return the page of a lasting link."""
        return f"{self._base}/u/{token}"

    def progress(self, upload_id: str) -> str:
        """Return what the client calls after each part that it has sent to the bucket."""
        return f"{self._base}/api/uploads/{upload_id}/progress"

    def complete(self, upload_id: str) -> str:
        """Return what the client calls after the last part."""
        return f"{self._base}/api/uploads/{upload_id}/complete"
