"""Writing an object: with one PUT if it is small, otherwise in parts as its bytes arrive.

Memory is bounded: one part that is being filled and `PARTS_IN_FLIGHT` that are being sent for each object, and the
bucket's `part_slots` for all objects together. An object that is not committed leaves nothing in the bucket, neither an
object nor a multipart upload.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import structlog

from roomcast.errors import NotFound, RoomcastError, StorageError, TooLarge
from roomcast.media.contract import Data
from roomcast.media.s3.client import MAX_ATTEMPTS, S3_BACKOFF, Bucket, TransientError, Unsupported, with_retries
from roomcast.runtime.tasks import finish_despite_cancel

log = structlog.get_logger(__name__)

PARTS_IN_FLIGHT = 3
PART_BYTES = 8 << 20
PART_BYTES_FIELD = "part-bytes"
"""Name in an object's metadata: the size of each of its parts but the last, which its ETag can be computed from."""

_MAX_PARTS = 10_000
_MIB = 1 << 20
_ABORT_SECONDS = 20.0
_SEND_BYTES = 256 * 1024
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


class CompletionMismatch(StorageError):
    """The completed object is not the one that was sent."""


def part_bytes_for(size: int) -> int:
    """Return the part size for an object of at most `size` bytes: 8 MiB, or more if that would be over 10,000 parts."""
    needed = -(-size // _MAX_PARTS)
    return max(PART_BYTES, -(-needed // _MIB) * _MIB)


def etag_of_parts(md5s: list[bytes]) -> str:
    """Return the ETag, without quotes, of an object whose parts have these MD5s."""
    return f"{hashlib.md5(b''.join(md5s), usedforsecurity=False).hexdigest()}-{len(md5s)}"


def etag_is_md5(bucket: Bucket, response: Mapping[str, Any]) -> bool:
    """Return whether the ETag in a response is made of MD5s. Those of objects encrypted with a client's own key are
    not."""
    kms = str(response.get("ServerSideEncryption", "")).startswith("aws:kms")
    return bucket.md5_etags and not kms and "SSECustomerAlgorithm" not in response


@dataclass(frozen=True)
class _Part:
    """A part with its checksums. `crc32` is in Base64."""

    number: int
    content: memoryview
    md5: bytes
    crc32: str

    def __len__(self) -> int:
        return len(self.content)


class ObjectWriter:
    """Writes one object. Unless `commit` succeeds before its context is left, everything written is deleted.

    `headers` are the object's, as botocore names them. `on_bytes` is called with the size of each part that has been
    sent. `same_bytes` says that all writers of this key write the same bytes: an object that is there is then not
    deleted, as it may be another writer's.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        *,
        part_bytes: int,
        headers: Mapping[str, Any],
        on_bytes: Callable[[int], None] | None = None,
        same_bytes: bool = False,
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._part_bytes = part_bytes
        self._headers = dict(headers)
        self._on_bytes = on_bytes or (lambda _: None)
        self._same_bytes = same_bytes
        self._buffer = bytearray(part_bytes)
        self._filled = 0
        self._size = 0
        self._crc32 = 0
        self._slots = asyncio.Semaphore(PARTS_IN_FLIGHT)
        self._sending: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._entries: dict[int, dict[str, Any]] = {}
        self._md5s: list[bytes] = []
        self._multipart_id = ""
        self._multipart = self._may_exist = self._committed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._committed:
            await finish_despite_cancel(self._abort, idempotent=True)

    async def write(self, data: Data) -> None:
        """Append bytes. Waits while `PARTS_IN_FLIGHT` parts are being sent. Raise the failure of an earlier part."""
        view = memoryview(data)
        while view:
            if self._filled == self._part_bytes:
                await self._send()
            count = min(len(view), self._part_bytes - self._filled)
            self._buffer[self._filled : self._filled + count] = view[:count]
            self._filled += count
            self._size += count
            view = view[count:]
        self._raise_failure()

    async def commit(self) -> None:
        """Make the object complete, and verify that it is what was written."""
        if not self._multipart:
            part = await self._next_part()
            self._may_exist = True
            await finish_despite_cancel(lambda: with_retries(lambda: self._put_object(part)))
        else:
            if self._filled:
                await self._send()
            while self._sending:
                await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
                self._raise_failure()
            self._raise_failure()
            self._may_exist = True
            await finish_despite_cancel(self._complete)
        self._committed = True

    async def _send(self) -> None:
        """Start to send the buffer as a part; the next part is collected in a new buffer."""
        if not self._multipart:
            self._multipart = True
            await finish_despite_cancel(self._begin)
        await self._acquire_slot()
        try:
            self._raise_failure()
            if len(self._md5s) == _MAX_PARTS:
                raise TooLarge("The file is larger than the media store accepts.")
            part = await self._next_part()
        except BaseException:
            self._release_slot()
            raise
        sending = asyncio.create_task(self._send_part(part))
        self._sending.add(sending)
        sending.add_done_callback(self._on_sent)
        self._buffer = bytearray(self._part_bytes)
        self._filled = 0

    async def _acquire_slot(self) -> None:
        await self._slots.acquire()
        try:
            await self._bucket.part_slots.acquire()
        except BaseException:
            self._slots.release()
            raise

    def _release_slot(self) -> None:
        self._bucket.part_slots.release()
        self._slots.release()

    async def _next_part(self) -> _Part:
        """Return the buffer as a part. Checksums are computed off the event loop, and in order: the CRC-32 continues
        over all parts."""
        content = memoryview(self._buffer)[: self._filled]
        md5, crc32, self._crc32 = await asyncio.to_thread(_checksums, content, self._crc32)
        self._md5s.append(md5)
        return _Part(len(self._md5s), content, md5, _base64(crc32))

    async def _begin(self) -> None:
        checksum: dict[str, Any] = {}
        if self._bucket.full_checksums:
            checksum = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        headers = {**self._headers, **checksum}
        self._multipart_id = await begin_multipart(self._bucket, self._key, self._part_bytes, headers)

    async def _send_part(self, part: _Part) -> None:
        try:
            etag = await with_retries(lambda: self._upload_part(part))
        except NotFound as error:
            raise StorageError("The file was deleted while it was being received.") from error
        checksum = {"ChecksumCRC32": part.crc32} if self._bucket.full_checksums else {}
        self._entries[part.number] = {"PartNumber": part.number, "ETag": etag, **checksum}
        self._on_bytes(len(part))

    def _on_sent(self, sending: asyncio.Task[None]) -> None:
        # Not at the end of `_send_part`, which does not run at all if it is cancelled before its first step.
        self._release_slot()
        self._sending.discard(sending)
        if not sending.cancelled():
            self._failure = self._failure or sending.exception()

    async def _upload_part(self, part: _Part) -> str:
        response = await self._bucket.call(
            "upload_part",
            size=len(part),
            Key=self._key,
            UploadId=self._multipart_id,
            PartNumber=part.number,
            Body=_Body(part.content),
            **_checksum_headers(self._bucket, part),
        )
        _check_etag(self._bucket, response, part)
        return str(response["ETag"])

    async def _put_object(self, part: _Part) -> None:
        await _put(self._bucket, self._key, part, self._headers)
        self._on_bytes(len(part))

    async def _complete(self) -> None:
        checksums: dict[str, Any] = {}
        if self._bucket.full_checksums:
            crc32 = _base64(self._crc32)
            checksums = {"ChecksumCRC32": crc32, "ChecksumType": "FULL_OBJECT", "MpuObjectSize": self._size}
        entries = [self._entries[number] for number in sorted(self._entries)]
        await complete_multipart(
            self._bucket,
            self._key,
            self._multipart_id,
            entries,
            md5s=self._md5s,
            size=self._size,
            checksums=checksums,
        )

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    async def _abort(self) -> None:
        for sending in self._sending:
            sending.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        try:
            async with asyncio.timeout(_ABORT_SECONDS):
                if self._multipart_id:
                    await abort_multipart(self._bucket, self._key, self._multipart_id)
                elif self._multipart:
                    # `_begin` got no response. The id is not known, but it is listed under this key.
                    await abort_all_multiparts(self._bucket, self._key)
                if self._may_exist and not self._same_bytes:
                    await self._bucket.call("delete_object", Key=self._key)
        except (RoomcastError, TimeoutError):
            # The sweep deletes the rest later. The failure or cancellation that led here is what the caller must see.
            log.warning("s3_abort_failed", exc_info=True)


async def put_object(bucket: Bucket, key: str, content: bytes | bytearray, headers: Mapping[str, Any]) -> None:
    """Store a small object. If this fails, it may be stored or not."""
    view = memoryview(content)
    md5, crc32, _ = await asyncio.to_thread(_checksums, view, 0)
    part = _Part(1, view, md5, _base64(crc32))
    await finish_despite_cancel(lambda: with_retries(lambda: _put(bucket, key, part, headers)))


async def _put(bucket: Bucket, key: str, part: _Part, headers: Mapping[str, Any]) -> None:
    response = await bucket.call(
        "put_object",
        size=len(part),
        Key=key,
        Body=_Body(part.content),
        **_checksum_headers(bucket, part),
        **headers,
    )
    _check_etag(bucket, response, part)


def _checksum_headers(bucket: Bucket, part: _Part) -> dict[str, Any]:
    crc32 = {"ChecksumCRC32": part.crc32} if bucket.full_checksums else {}
    return {"ContentMD5": b64encode(part.md5).decode(), **crc32}


def _check_etag(bucket: Bucket, response: Mapping[str, Any], part: _Part) -> None:
    md5 = _MD5.fullmatch(str(response.get("ETag")))
    if md5 and etag_is_md5(bucket, response) and md5[1] != part.md5.hex():
        raise TransientError("The media store received other bytes than were sent.")


async def begin_multipart(bucket: Bucket, key: str, part_bytes: int, headers: Mapping[str, Any]) -> str:
    """Begin a multipart upload whose parts will have `part_bytes` each. Return its id."""
    metadata = {PART_BYTES_FIELD: str(part_bytes)}
    response = await bucket.call("create_multipart_upload", Key=key, Metadata=metadata, **headers)
    multipart_id = str(response["UploadId"])
    if response["ResponseMetadata"].get("RetryAttempts"):
        # The response to an earlier attempt was lost, and with it the id of the multipart upload that it began.
        await abort_all_multiparts(bucket, key, but=multipart_id)
    return multipart_id


async def complete_multipart(
    bucket: Bucket,
    key: str,
    multipart_id: str,
    entries: list[dict[str, Any]],
    *,
    md5s: list[bytes],
    size: int,
    checksums: Mapping[str, Any],
) -> None:
    """Make an object of the parts, and verify its size and, if the server's ETags are MD5s, their MD5s.

    If the response is lost, the object itself tells whether the parts were completed. Raise `CompletionMismatch` if the
    object is another one, and `StorageError` if there is none.
    """
    for failures in range(1, MAX_ATTEMPTS + 1):
        try:
            parts = {"Parts": entries}
            await bucket.call(
                "complete_multipart_upload", Key=key, UploadId=multipart_id, MultipartUpload=parts, **checksums
            )
        except (TransientError, NotFound) as error:
            if await _is_complete(bucket, key, md5s, size):
                return
            if isinstance(error, NotFound) or failures == MAX_ATTEMPTS:
                raise StorageError("The media store could not complete the file.") from error
            await S3_BACKOFF.wait(failures)
        else:
            if not await _is_complete(bucket, key, md5s, size):
                raise CompletionMismatch("The media store completed the file incorrectly.")
            return


async def _is_complete(bucket: Bucket, key: str, md5s: list[bytes], size: int) -> bool:
    try:
        response = await bucket.call("head_object", Key=key)
    except NotFound:
        return False
    etag = str(response["ETag"]).strip('"')
    comparable = etag_is_md5(bucket, response) and etag.endswith(f"-{len(md5s)}")
    return response["ContentLength"] == size and (not comparable or etag == etag_of_parts(md5s))


async def abort_multipart(bucket: Bucket, key: str, multipart_id: str) -> None:
    """Abort a multipart upload. Do nothing if there is none.

    A part that is being sent may arrive after the abort, so it is repeated until the multipart upload is gone.
    """
    for _ in range(MAX_ATTEMPTS):
        try:
            await bucket.call("abort_multipart_upload", Key=key, UploadId=multipart_id)
            await bucket.call("list_parts", Key=key, UploadId=multipart_id, MaxParts=1)
        except NotFound:
            return


async def list_multiparts(bucket: Bucket, prefix: str) -> list[dict[str, Any]]:
    """Return `Key`, `UploadId` and `Initiated` of the multipart uploads whose keys begin with `prefix`. The list is
    empty if the server cannot list them: it must then delete old ones itself."""
    try:
        return await bucket.list_all("list_multipart_uploads", "Uploads", Prefix=prefix)
    except Unsupported:
        return []


async def abort_all_multiparts(bucket: Bucket, key: str, *, but: str | None = None) -> None:
    """Abort all multipart uploads of a key, except the one with the id `but`."""
    for entry in await list_multiparts(bucket, key):
        if entry["Key"] == key and entry["UploadId"] != but:
            await abort_multipart(bucket, key, entry["UploadId"])


class _Body:
    """Bytes as a request body that can be sent again. botocore wants a file and aiohttp an iterator; neither of them
    copies all of it or writes it in one go."""

    def __init__(self, content: memoryview) -> None:
        self._content = content
        self._position = 0

    def __len__(self) -> int:
        return len(self._content)

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, len(self._content))[whence]
        return self._position

    def read(self, size: int = -1) -> bytes:
        stop = len(self._content) if size < 0 else self._position + size
        data = bytes(self._content[self._position : stop])
        self._position += len(data)
        return data

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        for chunk in self._chunks():
            yield chunk

    def _chunks(self) -> Iterator[memoryview]:
        for start in range(0, len(self._content), _SEND_BYTES):
            yield self._content[start : start + _SEND_BYTES]


def _checksums(content: memoryview, crc32_before: int) -> tuple[bytes, int, int]:
    """Return the MD5 and CRC-32 of `content`, and the CRC-32 of everything before it and it."""
    md5 = hashlib.md5(content, usedforsecurity=False).digest()
    return md5, zlib.crc32(content), zlib.crc32(content, crc32_before)


def _base64(crc32: int) -> str:
    return b64encode(crc32.to_bytes(4, "big")).decode()
