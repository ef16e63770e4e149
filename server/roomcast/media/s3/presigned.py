"""Presigned uploads: clients send the parts of a source to the bucket themselves.

The bucket needs a CORS rule for the origins of the pages, which allows PUT and exposes the `ETag` header.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from roomcast.errors import Malformed, NotFound
from roomcast.media.contract import PartETag, PresignedParts, StoredPart
from roomcast.media.s3.client import Bucket
from roomcast.media.s3.download import head_object, read_all
from roomcast.media.s3.multipart import (
    CompletionMismatch,
    abort_all_multiparts,
    abort_multipart,
    begin_multipart,
    complete_multipart,
    part_bytes_for,
)
from roomcast.runtime.tasks import finish_despite_cancel


class S3PresignedUploads:
    """Presigns the parts of multipart uploads and completes them. Implements
    `roomcast.media.contract.PresignedUploads`. The URLs are valid for as long as those of results."""

    def __init__(self, bucket: Bucket, source_key: Callable[[str], str]) -> None:
        self._bucket = bucket
        self._source_key = source_key

    async def begin(self, name: str, size: int) -> PresignedParts:
        if size < 1:
            raise Malformed("The file is empty.")
        key, part_size = self._source_key(name), part_bytes_for(size)
        token = ""

        async def begin() -> None:
            nonlocal token
            token = await begin_multipart(self._bucket, key, part_size, {"ContentType": "application/octet-stream"})

        def presign() -> list[str]:
            return [
                self._bucket.urls.put_part(key, token, number, min(part_size, size - start))
                for number, start in enumerate(range(0, size, part_size), 1)
            ]

        try:
            await finish_despite_cancel(begin)
            # 10,000 URLs take more than a second, in which the event loop would stand still.
            urls = await asyncio.to_thread(presign)
        except BaseException:
            await finish_despite_cancel(lambda: abort_all_multiparts(self._bucket, key), idempotent=True)
            raise
        return PresignedParts(part_size, urls, token)

    async def list_parts(self, name: str, token: str) -> list[StoredPart]:
        key, parts, after = self._source_key(name), [], 0
        while True:
            response = await self._bucket.call("list_parts", Key=key, UploadId=token, PartNumberMarker=after)
            parts += [
                StoredPart(part["PartNumber"], str(part["ETag"]).strip('"'), part["Size"])
                for part in response.get("Parts", ())
            ]
            if not response.get("IsTruncated"):
                return parts
            after = int(response["NextPartNumberMarker"])

    async def verify(self, name: str, token: str, parts: Sequence[PartETag], *, size: int) -> None:
        _verify(parts, await self.list_parts(name, token), size)

    async def complete(self, name: str, token: str, parts: Sequence[PartETag], *, size: int) -> str:
        key = self._source_key(name)
        try:
            stored = await self.list_parts(name, token)
        except NotFound:
            if (await head_object(self._bucket, key)).size == size:
                return name  # it was completed before
            raise
        _verify(parts, stored, size)
        entries = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in stored]
        md5s = [_md5_of(part.etag) for part in stored]
        try:
            await finish_despite_cancel(
                lambda: complete_multipart(self._bucket, key, token, entries, md5s=md5s, size=size, checksums={})
            )
        except CompletionMismatch:
            await finish_despite_cancel(lambda: self._bucket.call("delete_object", Key=key))
            raise
        return name

    async def abort(self, name: str, token: str) -> None:
        key = self._source_key(name)
        await finish_despite_cancel(lambda: abort_multipart(self._bucket, key, token), idempotent=True)

    async def read_chunks(self, key: str) -> AsyncGenerator[bytes, None]:
        info = await head_object(self._bucket, self._source_key(key))
        async with aclosing(read_all(self._bucket, info)) as chunks:
            async for chunk in chunks:
                yield chunk


def _verify(parts: Sequence[PartETag], stored: Sequence[StoredPart], size: int) -> None:
    reported = sorted((part.number, part.etag.strip('"').lower()) for part in parts)
    if reported != [(part.number, part.etag.lower()) for part in stored]:
        raise Malformed("The parts in the request are not the parts that were sent.")
    lengths = [min(part_bytes_for(size), size - start) for start in range(0, size, part_bytes_for(size))]
    if [part.number for part in stored] != list(range(1, len(lengths) + 1)):
        raise Malformed(f"The file has {len(lengths)} parts, but other parts were sent.")
    if [part.size for part in stored] != lengths:
        raise Malformed(f"The file has {size} bytes, but its parts have other sizes.")


def _md5_of(etag: str) -> bytes:
    """Return the MD5 that an ETag is. If it is none, the server's ETags are not compared, and the value is not used."""
    try:
        return bytes.fromhex(etag)
    except ValueError:
        return b""
