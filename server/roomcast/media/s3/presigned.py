"""Direct uploads: the client sends the parts of a source to the bucket itself, by presigned URLs.

The bucket needs a CORS rule for the pages' origins that allows PUT and exposes the `ETag` header.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from roomcast.errors import Malformed, NotFound
from roomcast.media.contract import PartETag, PresignedParts, StoredPart
from roomcast.media.s3.client import Bucket
from roomcast.media.s3.download import look, read_all, read_range
from roomcast.media.s3.multipart import (
    CompletionMismatch,
    abort_multipart,
    abort_multiparts,
    begin_multipart,
    complete_multipart,
    part_bytes_for,
)
from roomcast.runtime.tasks import finish_despite_cancel


class S3PresignedUploads:
    """The server's side of direct uploads. Every failure of the bucket is `DiskFull` or `StorageError`; a token or
    source that is not there is `NotFound`."""

    def __init__(self, bucket: Bucket, source_key: Callable[[str], str]) -> None:
        self._bucket = bucket
        self._source_key = source_key

    async def begin(self, name: str, size: int) -> PresignedParts:
        """Open a source of `size` bytes, at least one. The URLs live as long as those of results."""
        if size < 1:
            raise Malformed("The file is empty.")
        key, part_size = self._source_key(name), part_bytes_for(size)
        token = ""

        async def begin() -> None:
            nonlocal token
            token = await begin_multipart(self._bucket, key, part_size, {"ContentType": "application/octet-stream"})

        try:
            await finish_despite_cancel(begin)
            urls = [
                self._bucket.urls.put_part(key, token, number, min(part_size, size - start))
                for number, start in enumerate(range(0, size, part_size), 1)
            ]
        except BaseException:
            await finish_despite_cancel(lambda: abort_multiparts(self._bucket, key), idempotent=True)
            raise
        return PresignedParts(part_size, urls, token)

    async def list_parts(self, name: str, token: str) -> list[StoredPart]:
        """The parts that the bucket has so far: the truth behind a progress bar, and what a client that comes back
        need not send again."""
        key, parts, after = self._source_key(name), [], 0
        while True:
            answer = await self._bucket.call("list_parts", Key=key, UploadId=token, PartNumberMarker=after)
            parts += [
                StoredPart(part["PartNumber"], str(part["ETag"]).strip('"'), part["Size"])
                for part in answer.get("Parts", ())
            ]
            if not answer.get("IsTruncated"):
                return parts
            after = int(answer["NextPartNumberMarker"])

    async def verify(self, name: str, token: str, parts: Sequence[PartETag], *, size: int) -> None:
        """`Malformed` when the parts could not be joined to a source of `size` bytes."""
        _check(parts, await self.list_parts(name, token), size)

    async def complete(self, name: str, token: str, parts: Sequence[PartETag], *, size: int) -> str:
        """Join the parts to a source of `size` bytes; its key.

        `Malformed` when they are not all the parts, or not what the bucket has, or not `size` bytes together; the
        parts then stay, and the missing ones can still be sent. Called again after it succeeded it succeeds again.
        """
        key = self._source_key(name)
        try:
            sent = await self.list_parts(name, token)
        except NotFound:
            if (await look(self._bucket, key)).size == size:
                return name
            raise
        _check(parts, sent, size)
        entries = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in sent]
        md5s = [_md5(part.etag) for part in sent]
        try:
            await finish_despite_cancel(
                lambda: complete_multipart(self._bucket, key, token, entries, md5s=md5s, size=size, whole={})
            )
        except CompletionMismatch:
            await finish_despite_cancel(lambda: self._bucket.call("delete_object", Key=key))
            raise
        return name

    async def abort(self, name: str, token: str) -> None:
        """Delete the parts sent so far; silent when there are none."""
        await finish_despite_cancel(
            lambda: abort_multipart(self._bucket, self._source_key(name), token), idempotent=True
        )

    async def read_head(self, key: str, count: int) -> bytes:
        """The source's first bytes, up to `count`."""
        facts = await look(self._bucket, self._source_key(key))
        async with aclosing(read_range(self._bucket, facts, 0, min(count, facts.size))) as pieces:
            return b"".join([piece async for piece in pieces])

    async def read_chunks(self, key: str) -> AsyncGenerator[bytes, None]:
        """The whole source, in pieces of up to 1 MiB."""
        facts = await look(self._bucket, self._source_key(key))
        async with aclosing(read_all(self._bucket, facts)) as pieces:
            async for piece in pieces:
                yield piece


def _check(parts: Sequence[PartETag], sent: Sequence[StoredPart], size: int) -> None:
    """`Malformed` unless the parts that were named are those that were sent, and all that make up `size` bytes."""
    told = sorted((part.number, part.etag.strip('"').lower()) for part in parts)
    if told != [(part.number, part.etag.lower()) for part in sent]:
        raise Malformed("The parts that were named are not the parts that were sent.")
    lengths = [min(part_bytes_for(size), size - start) for start in range(0, size, part_bytes_for(size))]
    if [part.number for part in sent] != list(range(1, len(lengths) + 1)):
        raise Malformed(f"The file was declared to have {len(lengths)} parts; others were sent.")
    if [part.size for part in sent] != lengths:
        raise Malformed(f"The file was declared to have {size} bytes; its parts have others.")


def _md5(etag: str) -> bytes:
    """What an ETag says that a part's MD5 is; if it is none, nobody will compare it."""
    try:
        return bytes.fromhex(etag)
    except ValueError:
        return b""
