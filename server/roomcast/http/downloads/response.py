"""Send a file of this machine in response to a request."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from aiohttp import hdrs, web

from roomcast.errors import NotFound
from roomcast.http.downloads.conditions import ContentVersion, FileVersion, Selection, Version, select
from roomcast.http.downloads.encodings import preferred_encoding
from roomcast.runtime.files import run_in_thread_shielded

_CHUNK_BYTES = 1 << 18
_COMPRESSED_SUFFIXES = {"br": ".br", "gzip": ".gz"}
"""The suffixes of a file's compressed copies, by their content coding; the smallest first."""


async def send_file(request: web.Request, path: Path, headers: Mapping[str, str] | None = None) -> web.StreamResponse:
    """Respond with the file, or with the part of it that the request selects. The type follows from the file's suffix
    unless `headers` name it.

    Raises `NotFound`, and aiohttp's errors 412 and 416 for a precondition that fails and a range outside the file.
    """
    with _open(path) as file:
        stat = os.fstat(file.fileno())
        version = FileVersion(stat.st_size, stat.st_mtime_ns)
        selected = _select(request, version)
        mime = mimetypes.guess_type(path)[0] or "application/octet-stream"
        defaults = {"Content-Type": mime, "ETag": version.entity_tag, "Last-Modified": version.last_modified}
        headers = {**defaults, **(headers or {})}
        if selected.status == web.HTTPNotModified.status_code:
            return web.Response(status=selected.status, headers=headers)
        response = web.StreamResponse(status=selected.status, headers={**headers, **_range_headers(selected, version)})
        response.content_length = selected.stop - selected.start
        with suppress(ConnectionError):  # the client has left
            await response.prepare(request)
            if request.method != hdrs.METH_HEAD:
                await _send(response, file, selected.start, selected.stop)
            await response.write_eof()
        return response


def content_response(
    request: web.Request, content: bytes, headers: Mapping[str, str], *, gzipped: bytes | None = None
) -> web.Response:
    """Return the response with content from memory, or with the part of it that the request selects. A client that
    accepts it and wants all of the content gets what is `gzipped`.

    Raises what `send_file` raises for preconditions and ranges.
    """
    if gzipped is not None:
        headers = {**headers, "Vary": "Accept-Encoding"}
        accepted = ",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))
        if hdrs.RANGE not in request.headers and preferred_encoding(accepted, ["gzip"]):
            content, headers = gzipped, {**headers, "Content-Encoding": "gzip"}
    version = ContentVersion(content)
    selected = _select(request, version)
    headers = {**headers, "ETag": version.entity_tag}
    if selected.status == web.HTTPNotModified.status_code:
        return web.Response(status=selected.status, headers=headers)
    body = content[selected.start : selected.stop]
    return web.Response(body=body, status=selected.status, headers={**headers, **_range_headers(selected, version)})


async def send_compressed_file(request: web.Request, path: Path, headers: Mapping[str, str]) -> web.StreamResponse:
    """Respond with a file, or with the compressed copy beside it that the client prefers.

    Raises what `send_file` raises.
    """
    suffixes = {
        name: suffix for name, suffix in _COMPRESSED_SUFFIXES.items() if path.with_name(path.name + suffix).is_file()
    }
    if not suffixes:
        return await send_file(request, path, headers)
    accepted = ",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, ()))
    encoding = preferred_encoding(accepted, suffixes)
    headers = {**headers, "Vary": "Accept-Encoding"}
    if encoding is None:
        return await send_file(request, path, headers)
    mime = mimetypes.guess_type(path)[0] or "application/octet-stream"
    headers = {**headers, "Content-Type": mime, "Content-Encoding": encoding}
    return await send_file(request, path.with_name(path.name + suffixes[encoding]), headers)


def _select(request: web.Request, version: Version) -> Selection:
    """Return what the request selects. Raise aiohttp's errors 412 and 416."""
    selected = select(request.method, request.headers, version)
    if selected.status == web.HTTPPreconditionFailed.status_code:
        raise web.HTTPPreconditionFailed(reason="The file does not meet the condition of the request.")
    if selected.status == web.HTTPRequestRangeNotSatisfiable.status_code:
        raise web.HTTPRequestRangeNotSatisfiable(headers={hdrs.CONTENT_RANGE: f"bytes */{version.size}"})
    return selected


def _range_headers(selected: Selection, version: Version) -> dict[str, str]:
    if selected.status != web.HTTPPartialContent.status_code:
        return {hdrs.ACCEPT_RANGES: "bytes"}
    selected_range = f"bytes {selected.start}-{selected.stop - 1}/{version.size}"
    return {hdrs.ACCEPT_RANGES: "bytes", hdrs.CONTENT_RANGE: selected_range}


async def _send(response: web.StreamResponse, file: BinaryIO, start: int, stop: int) -> None:
    descriptor = file.fileno()
    while start < stop:
        chunk = await run_in_thread_shielded(partial(os.pread, descriptor, min(_CHUNK_BYTES, stop - start), start))
        if not chunk:
            break
        await response.write(chunk)
        start += len(chunk)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise NotFound("There is no such file.") from error
