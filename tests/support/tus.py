"""tus requests one at a time, right ones and wrong ones."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tests.support.harness import Api, HalfSent, Reply, ServerUnderTest, eventually

MIB = 1 << 20

VERSION = {"Tus-Resumable": "1.0.0"}
CHUNK_HEADERS = {**VERSION, "Content-Type": "application/offset+octet-stream"}


def metadata(**values: str) -> str:
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in values.items())


def checksum(algorithm: str, content: bytes) -> dict[str, str]:
    digest = hashlib.new(algorithm, content, usedforsecurity=False).digest()
    return {"Upload-Checksum": f"{algorithm} {b64encode(digest).decode()}"}


class Tus:
    """Sends the protocol's requests as one viewer. Given headers replace the right ones; None leaves a header out."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def post(self, content: bytes | None = None, /, **headers: str | None) -> Reply:
        right = VERSION if content is None else CHUNK_HEADERS
        return await self._request("POST", "/api/tus/", right, headers, content)

    async def create(self, length: int | None, content: bytes | None = None, /, **values: str) -> str:
        """Create an upload of so many bytes, or with a deferred length; return its URL."""
        declared = {"Upload_Defer_Length": "1"} if length is None else {"Upload_Length": str(length)}
        reply = await self.post(content, Upload_Metadata=metadata(**values) if values else None, **declared)
        assert reply.status == 201, reply.body
        return str(reply.headers["Location"])

    async def patch(self, url: str, offset: int, content: bytes = b"", /, **headers: str | None) -> Reply:
        return await self._request("PATCH", url, {**CHUNK_HEADERS, "Upload-Offset": str(offset)}, headers, content)

    async def head(self, url: str, **headers: str | None) -> Reply:
        return await self._request("HEAD", url, VERSION, headers, None)

    async def delete(self, url: str, **headers: str | None) -> Reply:
        return await self._request("DELETE", url, VERSION, headers, None)

    async def offset(self, url: str) -> int:
        reply = await self.head(url)
        assert reply.status == 200
        return int(reply.headers["Upload-Offset"])

    async def _request(
        self, method: str, url: str, right: Mapping[str, str], given: Mapping[str, str | None], content: bytes | None
    ) -> Reply:
        merged: dict[str, Any] = {**right, **{name.replace("_", "-"): value for name, value in given.items()}}
        headers = {name: value for name, value in merged.items() if value is not None}
        skipped = [] if "Content-Type" in headers else ["Content-Type"]
        return await self._api.request(method, url, headers=headers, data=content, skip_auto_headers=skipped)


def half_sent(
    server: ServerUnderTest, url: str, offset: int, content: bytes, first: int, headers: Mapping[str, str] = {}
) -> HalfSent:
    """Return a PATCH that stops after its `first` bytes."""
    return HalfSent(
        server, "PATCH", url, content, first=first, headers={**CHUNK_HEADERS, "Upload-Offset": str(offset), **headers}
    )


def id_of(url: str) -> str:
    return url.rpartition("/")[2]


async def reserved(api: Api, content: bytes) -> str:
    """Reserve an upload that declares the file's MD5, so that no other bytes complete it; return its tusUrl."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    files = [{"filename": "picture.png", "size": len(content), "md5": md5}]
    reply = await api.request("POST", "/api/uploads", json={"files": files})
    assert reply.status == 201, reply.body
    return str(reply.body["uploads"][0]["tusUrl"])


async def on_disk(server: ServerUnderTest, url: str, size: int) -> None:
    """Wait until so many of the upload's bytes are on the disk."""

    def stored() -> int:
        count = 0
        for path in server.files_of(id_of(url)):
            with suppress(FileNotFoundError):  # it has just been renamed or deleted
                count += path.stat().st_size
        return count

    await eventually(lambda: stored() >= size, what=f"{size} bytes on disk")


async def completed(api: Api, url: str) -> dict[str, Any]:
    """Wait until the upload is completed, and return its last message."""
    last = await api.finished(id_of(url))
    assert last["status"] == "completed", last
    return last
