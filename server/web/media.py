"""`/media/…`: results out of the directory, to whoever has a signed link. Range, conditions and types included."""

from __future__ import annotations

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from server.upload.directory_media import DirectoryMediaStore
from server.upload.errors import NotFound
from server.upload.signing import UrlSigner

_MIME = {".mp4": "video/mp4", ".jpg": "image/jpeg", ".webp": "image/webp"}


class MediaRoute:
    """Serves what the workers stored, and nothing else."""

    def __init__(self, media: DirectoryMediaStore, signer: UrlSigner, *, max_age_seconds: int) -> None:
        self._media = media
        self._signer = signer
        self._max_age_seconds = max_age_seconds

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/media/{key:.+}", self._get)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        self._signer.check(request.path, query.get("expires", ""), query.get("signature", ""))
        path = self._media.path(request.match_info["key"])
        mime = _MIME.get(path.suffix)
        if mime is None:
            raise NotFound("There is no such file.")
        headers = {
            "Content-Type": mime,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": f"private, max-age={self._max_age_seconds}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        return _Result(path, headers=headers)


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
