"""Writing one object: whole by a single put when it is small, in parts as its bytes come when it is not.

Memory is bounded by one part that gathers and `IN_FLIGHT` that are being sent, and by the bucket's slots for all
objects together. Nothing of an object is in the bucket before it is whole, and nothing of it remains when it never
becomes so: neither the object nor a multipart upload.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from roomcast.errors import NotFound, RoomcastError, StorageError, TooLarge
from roomcast.media.contract import Data
from roomcast.media.s3.client import BACKOFF, TRIES, Bucket, TransientError, Unsupported, with_retries
from roomcast.runtime.tasks import finish_despite_cancel

log = structlog.get_logger(__name__)

IN_FLIGHT = 3
PART_BYTES = 8 << 20
PART_BYTES_FIELD = "part-bytes"
"""In an object's metadata: the size of each of its parts but the last, by which its ETag can be made again."""

_MOST_PARTS = 10_000
_MIB = 1 << 20
_UNDO_SECONDS = 20.0
_SEND_BYTES = 256 * 1024
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


class CompletionMismatch(StorageError):
    """There is an object, and it is not the one that was sent."""


def part_bytes_for(size: int) -> int:
    """The size of the parts of an object of up to `size` bytes: 8 MiB, or as much more as keeps them to 10,000."""
    needed = -(-size // _MOST_PARTS)
    return max(PART_BYTES, -(-needed // _MIB) * _MIB)


def etag_of_parts(digests: list[bytes]) -> str:
    """The ETag, without quotes, of an object whose parts have these MD5s."""
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


def etag_is_md5(bucket: Bucket, answer: Mapping[str, Any]) -> bool:
    """Whether ETags in this answer are made of MD5s; those of objects under a key of their own never are."""
    kms = str(answer.get("ServerSideEncryption", "")).startswith("aws:kms")
    return bucket.md5_etags and not kms and "SSECustomerAlgorithm" not in answer


@asynccontextmanager
async def writing(
    bucket: Bucket,
    key: str,
    *,
    part_bytes: int,
    headers: Mapping[str, Any],
    on_bytes: Callable[[int], None] | None = None,
    same_bytes: bool = False,
) -> AsyncIterator[ObjectWriter]:
    """An object to be written; see `ObjectWriter`. Left without a commit that came to its end, nothing remains; but
    when all who write this key write the `same_bytes`, a whole object of another's is let be."""
    writer = ObjectWriter(bucket, key, part_bytes=part_bytes, headers=headers, on_bytes=on_bytes, same_bytes=same_bytes)
    try:
        yield writer
    finally:
        await writer.close()


@dataclass(frozen=True)
class _Part:
    """A part that is ready to go, or has arrived. `crc32` is big-endian, in base64."""

    number: int
    content: memoryview
    md5: bytes
    crc32: str

    def __len__(self) -> int:
        return len(self.content)


class ObjectWriter:
    """One object on its way into the bucket."""

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        *,
        part_bytes: int,
        headers: Mapping[str, Any],
        on_bytes: Callable[[int], None] | None,
        same_bytes: bool,
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._part_bytes = part_bytes
        self._headers = dict(headers)
        self._on_bytes = on_bytes or (lambda _: None)
        self._same_bytes = same_bytes
        self._gathering = bytearray(part_bytes)
        self._filled = 0
        self._size = 0
        self._crc32 = 0
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._sending: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._entries: dict[int, dict[str, Any]] = {}
        self._digests: list[bytes] = []
        self._multipart_id = ""
        self._begun = self._may_exist = self._committed = False

    async def write(self, data: Data) -> None:
        """Append; waits while `IN_FLIGHT` parts are on their way."""
        view = memoryview(data)
        while view:
            if self._filled == self._part_bytes:
                await self._send()
            count = min(len(view), self._part_bytes - self._filled)
            self._gathering[self._filled : self._filled + count] = view[:count]
            self._filled += count
            self._size += count
            view = view[count:]
        self._check()

    async def commit(self) -> None:
        """Make the object whole, and see that it is what was written."""
        if not self._begun:
            part = await self._ready()
            self._may_exist = True
            await finish_despite_cancel(lambda: with_retries(lambda: self._put_whole(part)))
        else:
            if self._filled:
                await self._send()
            while self._sending:
                await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
                self._check()
            self._check()
            self._may_exist = True
            await finish_despite_cancel(self._complete)
        self._committed = True

    async def close(self) -> None:
        """After a commit nothing; otherwise undo."""
        if not self._committed:
            await finish_despite_cancel(self._undo, idempotent=True)

    async def _send(self) -> None:
        """Hand the gathered part over; the next one gathers in fresh memory."""
        if not self._begun:
            self._begun = True
            await finish_despite_cancel(self._begin)
        await self._take_slot()
        try:
            self._check()
            if len(self._digests) == _MOST_PARTS:
                raise TooLarge("The file is larger than the media store takes.")
            part = await self._ready()
        except BaseException:
            self._give_slot()
            raise
        sending = asyncio.create_task(self._put(part))
        self._sending.add(sending)
        sending.add_done_callback(self._sent)
        self._gathering = bytearray(self._part_bytes)
        self._filled = 0

    async def _take_slot(self) -> None:
        await self._slots.acquire()
        try:
            await self._bucket.slots.acquire()
        except BaseException:
            self._slots.release()
            raise

    def _give_slot(self) -> None:
        self._bucket.slots.release()
        self._slots.release()

    async def _ready(self) -> _Part:
        """The gathered bytes with their digests, made off the event loop and in order: the CRC goes over all."""
        content = memoryview(self._gathering)[: self._filled]
        md5, crc32, self._crc32 = await asyncio.to_thread(_digests, content, self._crc32)
        self._digests.append(md5)
        return _Part(len(self._digests), content, md5, _in_base64(crc32))

    async def _begin(self) -> None:
        checksum: dict[str, Any] = {}
        if self._bucket.full_checksums:
            checksum = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        headers = {**self._headers, **checksum}
        self._multipart_id = await begin_multipart(self._bucket, self._key, self._part_bytes, headers)

    async def _put(self, part: _Part) -> None:
        """Send one part."""
        try:
            etag = await with_retries(lambda: self._put_part(part))
        except NotFound as error:
            raise StorageError("The file was discarded while it arrived.") from error
        checksum = {"ChecksumCRC32": part.crc32} if self._bucket.full_checksums else {}
        self._entries[part.number] = {"PartNumber": part.number, "ETag": etag, **checksum}
        self._on_bytes(len(part))

    def _sent(self, sending: asyncio.Task[None]) -> None:
        # Here and not in `_put`, of which nothing runs when it is cancelled before its first step.
        self._give_slot()
        self._sending.discard(sending)
        if not sending.cancelled():
            self._failure = self._failure or sending.exception()

    async def _put_part(self, part: _Part) -> str:
        answer = await self._bucket.call(
            "upload_part",
            size=len(part),
            Key=self._key,
            UploadId=self._multipart_id,
            PartNumber=part.number,
            **_carrying(self._bucket, part),
        )
        _check_etag(self._bucket, answer, part)
        return str(answer["ETag"])

    async def _put_whole(self, part: _Part) -> None:
        await _put_object(self._bucket, self._key, part, self._headers)
        self._on_bytes(len(part))

    async def _complete(self) -> None:
        whole: dict[str, Any] = {}
        if self._bucket.full_checksums:
            crc32 = _in_base64(self._crc32)
            whole = {"ChecksumCRC32": crc32, "ChecksumType": "FULL_OBJECT", "MpuObjectSize": self._size}
        entries = [self._entries[number] for number in sorted(self._entries)]
        await complete_multipart(
            self._bucket, self._key, self._multipart_id, entries, md5s=self._digests, size=self._size, whole=whole
        )

    def _check(self) -> None:
        """Raise the failure of a part."""
        if self._failure:
            raise self._failure

    async def _undo(self) -> None:
        for sending in self._sending:
            sending.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        try:
            async with asyncio.timeout(_UNDO_SECONDS):
                if self._multipart_id:
                    await abort_multipart(self._bucket, self._key, self._multipart_id)
                elif self._begun:
                    # Begun, but cut off before the answer: whatever its id is, it is under this key.
                    await abort_multiparts(self._bucket, self._key)
                if self._may_exist and not self._same_bytes:
                    await self._bucket.call("delete_object", Key=self._key)
        except (RoomcastError, TimeoutError):
            # What is left now is for the sweep; the failure or cancellation that led here is what counts.
            log.warning("media store: leftovers of an object not deleted", exc_info=True)


async def put_whole(bucket: Bucket, key: str, content: bytes | bytearray, headers: Mapping[str, Any]) -> None:
    """Put a small object. Left by an exception, it may be there or not."""
    view = memoryview(content)
    md5, crc32, _ = await asyncio.to_thread(_digests, view, 0)
    part = _Part(1, view, md5, _in_base64(crc32))
    await finish_despite_cancel(lambda: with_retries(lambda: _put_object(bucket, key, part, headers)))


async def _put_object(bucket: Bucket, key: str, part: _Part, headers: Mapping[str, Any]) -> None:
    answer = await bucket.call("put_object", size=len(part), Key=key, **_carrying(bucket, part), **headers)
    _check_etag(bucket, answer, part)


def _carrying(bucket: Bucket, part: _Part) -> dict[str, Any]:
    checksum = {"ChecksumCRC32": part.crc32} if bucket.full_checksums else {}
    return {"Body": _Body(part.content), "ContentMD5": b64encode(part.md5).decode(), **checksum}


def _check_etag(bucket: Bucket, answer: Mapping[str, Any], part: _Part) -> None:
    md5 = _MD5.fullmatch(str(answer.get("ETag")))
    if md5 and etag_is_md5(bucket, answer) and md5[1] != part.md5.hex():
        raise TransientError("The media store took in other bytes than were sent.")


async def begin_multipart(bucket: Bucket, key: str, part_bytes: int, headers: Mapping[str, Any]) -> str:
    """The id of a new multipart upload, whose parts are to have `part_bytes` each."""
    metadata = {PART_BYTES_FIELD: str(part_bytes)}
    answer = await bucket.call("create_multipart_upload", Key=key, Metadata=metadata, **headers)
    multipart_id = str(answer["UploadId"])
    if answer["ResponseMetadata"].get("RetryAttempts"):
        # An answer was lost, and the upload that it told of with it.
        await abort_multiparts(bucket, key, but=multipart_id)
    return multipart_id


async def complete_multipart(
    bucket: Bucket,
    key: str,
    multipart_id: str,
    entries: list[dict[str, Any]],
    *,
    md5s: list[bytes],
    size: int,
    whole: Mapping[str, Any],
) -> None:
    """Make one object of the parts, and see that it has their `size` together and, as far as the server's ETags tell,
    their MD5s. An answer that was lost is made up for by a look at the object: the parts may be joined already."""
    for failures in range(1, TRIES + 1):
        try:
            parts = {"Parts": entries}
            await bucket.call(
                "complete_multipart_upload", Key=key, UploadId=multipart_id, MultipartUpload=parts, **whole
            )
        except (TransientError, NotFound) as error:
            if await _is_whole(bucket, key, md5s, size):
                return
            if isinstance(error, NotFound) or failures == TRIES:
                raise StorageError("The media store did not join the parts of the file.") from error
            await BACKOFF.wait(failures)
        else:
            if not await _is_whole(bucket, key, md5s, size):
                raise CompletionMismatch("The media store joined the parts of the file wrongly.")
            return


async def _is_whole(bucket: Bucket, key: str, md5s: list[bytes], size: int) -> bool:
    try:
        found = await bucket.call("head_object", Key=key)
    except NotFound:
        return False
    etag = str(found["ETag"]).strip('"')
    comparable = etag_is_md5(bucket, found) and etag.endswith(f"-{len(md5s)}")
    return found["ContentLength"] == size and (not comparable or etag == etag_of_parts(md5s))


async def abort_multipart(bucket: Bucket, key: str, multipart_id: str) -> None:
    """End a multipart upload; silent when there is none. A part that was under way may land after the abort, so it
    is repeated until the upload is seen to be gone."""
    for _ in range(TRIES):
        try:
            await bucket.call("abort_multipart_upload", Key=key, UploadId=multipart_id)
            await bucket.call("list_parts", Key=key, UploadId=multipart_id, MaxParts=1)
        except NotFound:
            return


async def multiparts(bucket: Bucket, prefix: str) -> list[dict[str, Any]]:
    """The multipart uploads of the keys that begin with `prefix`, as the client lists them: `Key`, `UploadId`,
    `Initiated`. None when the server cannot list them: then it has to clear them away by itself."""
    try:
        return await bucket.listed("list_multipart_uploads", "Uploads", Prefix=prefix)
    except Unsupported:
        return []


async def abort_multiparts(bucket: Bucket, key: str, *, but: str | None = None) -> None:
    """End every multipart upload of a key, `but` one."""
    for entry in await multiparts(bucket, key):
        if entry["Key"] == key and entry["UploadId"] != but:
            await abort_multipart(bucket, key, entry["UploadId"])


class _Body:
    """Bytes as a request's body that can be sent again: botocore asks for a file, aiohttp for an iterator, and
    neither copies them whole or writes them all at once."""

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
        for piece in self._pieces():
            yield piece

    def _pieces(self) -> Iterator[memoryview]:
        for start in range(0, len(self._content), _SEND_BYTES):
            yield self._content[start : start + _SEND_BYTES]


def _digests(content: memoryview, before: int) -> tuple[bytes, int, int]:
    """MD5 and CRC-32 of `content`, and the CRC-32 of all that came before it and it."""
    md5 = hashlib.md5(content, usedforsecurity=False).digest()
    return md5, zlib.crc32(content), zlib.crc32(content, before)


def _in_base64(crc32: int) -> str:
    return b64encode(crc32.to_bytes(4, "big")).decode()
