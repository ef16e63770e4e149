"""`/media/…`: results, to whoever has a signed link to one of their upload. Range, conditions and types included."""

from __future__ import annotations

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from roomcast.errors import NotFound
from roomcast.media.contract import InlineFile, LocalFile, MediaStore, Redirect
from roomcast.media.result_keys import content_disposition, mime_type
from roomcast.media.url_signer import UrlSigner

_PATH = "/media/{grant}/{folder:.+}/{name:[^/]+}"


class MediaRoute:
    """Serves what the workers stored, and nothing else."""

    def __init__(self, media: MediaStore, signer: UrlSigner, *, max_age_seconds: int) -> None:
        self._media = media
        self._signer = signer
        self._cache_control = f"private, max-age={max_age_seconds}, immutable"

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get(_PATH, self._get)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        folder, name = request.match_info["folder"], request.match_info["name"]
        self._signer.verify(request.match_info["grant"], folder)
        key = f"{folder}/{name}"
        mime = mime_type(key)
        if mime is None or "/" in name or name.startswith("."):
            raise NotFound("There is no such file.")
        headers = {
            "Content-Type": mime,
            "Content-Disposition": content_disposition(key),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": self._cache_control,
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        match await self._media.serve(key):
            case LocalFile(path):
                return _Result(path, headers=headers)
            case InlineFile(content):
                return web.Response(body=content, headers=headers)
            case Redirect(url):
                return web.Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})


class _Result(web.FileResponse):
    """A file response that also knows `If-Range` with an entity tag; aiohttp's own knows dates alone."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        condition = request.headers.get("If-Range", "")
        if condition.endswith('"') and condition != self._tag():
            # Another version than the client's: all of it, not a part.
            headers = CIMultiDict(request.headers)
            headers.popall("Range", None)
            request = request.clone(headers=headers)
        return await super().prepare(request)

    def _tag(self) -> str:
        """The entity tag as aiohttp makes it."""
        facts = self._path.stat()
        return f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
