"""`/media/…`: serves results by signed links, which are valid for all files of one upload."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from roomcast.dialects.errors import ErrorResponse
from roomcast.errors import Malformed, NotFound, RoomcastError
from roomcast.http.downloads.growing import GrowingPlaylists
from roomcast.http.downloads.response import content_response, send_file
from roomcast.http.operations import (
    JSON,
    OWNERSHIP_ERRORS,
    Binary,
    Operation,
    Parameter,
    ResponseSpec,
    RouteGroup,
    Tag,
)
from roomcast.ledger.contract import Ledger
from roomcast.media.contract import DiskFile, InlineFile, MediaStore, Redirect
from roomcast.media.result_keys import attachment, content_disposition, is_possible, is_saved, mime_type
from roomcast.media.url_signer import UrlSigner
from roomcast.uploads.ids import is_upload_id

FILE_PARAMETERS = (
    Parameter("Range", Annotated[str, Field(examples=["bytes=0-1023"])], "The bytes to send.", "header"),
    Parameter("If-Range", str, "The `ETag` or `Last-Modified` of the file that the range belongs to.", "header"),
    Parameter("If-None-Match", str, "The `ETag` of the file that you have.", "header"),
    Parameter("If-Match", str, "The `ETag` of the file that you want.", "header"),
)
DOWNLOAD_PARAMETER = Parameter(
    "download", Literal["1"], "Save the file, under the name of the uploaded file, instead of displaying it."
)
FILE_RESPONSES = (
    ResponseSpec(200, "The file.", {"*/*": Binary}),
    ResponseSpec(206, "The range of the file.", {"*/*": Binary}),
    ResponseSpec(304, "The file has not changed."),
    ResponseSpec(412, "The file does not match `If-Match`.", {JSON: ErrorResponse}),
    ResponseSpec(
        416,
        "The range is outside the file.",
        {JSON: ErrorResponse},
        (Parameter("Content-Range", str, "The size of the file.", "header", required=True),),
    ),
)
_PATH_PARAMETERS = (
    Parameter(
        "grant",
        Annotated[str, Field(examples=["1767225600.c2ln"])],
        "The signature of the link.",
        "path",
        required=True,
    ),
    Parameter(
        "folder",
        Annotated[str, Field(min_length=1, examples=["upload_5f0c9a4e1b7d43828e6a90b1c2d3e4f5"])],
        "The folder of the upload's results; it may contain slashes.",
        "path",
        required=True,
    ),
    Parameter(
        "name",
        Annotated[str, Field(pattern=r"^[^/.][^/]*$", examples=["video.mp4"])],
        "The file's name.",
        "path",
        required=True,
    ),
)


class MediaRoute(RouteGroup):
    """Serves the files that workers stored, and the playlists of films that are being compressed."""

    def __init__(self, media: MediaStore, signer: UrlSigner, ledger: Ledger, *, max_age_seconds: int) -> None:
        self._media = media
        self._signer = signer
        self._ledger = ledger
        self._growing = GrowingPlaylists(ledger.segments)
        self._cache_control = f"private, max-age={max_age_seconds}, immutable"

    @Operation(
        "GET",
        "/media/{grant}/{folder:.+}/{name:[^/]+}",
        Tag.UPLOADS,
        "Download a result",
        (
            *FILE_RESPONSES,
            ResponseSpec(
                302, "The file is in the bucket.", headers=(Parameter("Location", str, "Its URL.", "header"),)
            ),
        ),
        description="The URL is a signed link of an `element`, or that of a `playable`: a playlist that grows. It "
        "gives access to all files of its folder and needs no token.",
        parameters=(*_PATH_PARAMETERS, DOWNLOAD_PARAMETER, *FILE_PARAMETERS),
        errors=(*OWNERSHIP_ERRORS, Malformed),
    )
    async def _get(self, request: web.Request) -> web.StreamResponse:
        folder, name = request.match_info["folder"], request.match_info["name"]
        if request.query.get("download", "1") != "1":
            raise Malformed("The parameter download must be 1.")
        self._signer.verify(request.match_info["grant"], folder)
        key = f"{folder}/{name}"
        mime = mime_type(key)
        if mime is None or "/" in name or name.startswith(".") or not is_possible(key):
            raise NotFound("There is no such file.")
        growing = await self._growing.find(folder, name)
        filename = await self._filename(key)
        saved = attachment(key, filename) if request.query.get("download") == "1" else None
        headers = {
            "Content-Type": mime,
            "Content-Disposition": saved or content_disposition(key, filename),
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": self._cache_control if growing is None else "private, no-cache",
            # A browser that opens a film in a tab of its own loads it as the media of a page.
            "Content-Security-Policy": "default-src 'none'; media-src 'self'; sandbox",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if growing is not None:
            return content_response(request, growing.content, headers, gzipped=growing.gzipped)
        match await self._media.serve(key, disposition=saved):
            case DiskFile(path):
                return await send_file(request, path, headers)
            case InlineFile(content):
                return content_response(request, content, headers)
            case Redirect(url):
                return web.Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})

    async def _filename(self, key: str) -> str | None:
        """Return the name of the file that a result was made of; None if it is not known, or if it is not needed."""
        upload_id = key.rpartition("/")[0].rpartition("/")[2]
        if is_saved(key) and is_upload_id(upload_id):
            with suppress(RoomcastError):  # the result is served even if the ledger has forgotten its upload
                return (await self._ledger.get(upload_id)).filename
        return None
