"""Reading one object: by ranges, each of which is tried again where it broke off, and all of the same object."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import zlib
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from roomcast.errors import DiskFull, StorageError
from roomcast.media.s3.client import BACKOFF, TRIES, Bucket, TransientError, mapped_errors, with_retries
from roomcast.media.s3.multipart import PART_BYTES, PART_BYTES_FIELD, etag_is_md5, etag_of_parts
from roomcast.runtime.tasks import finish_despite_cancel

T = TypeVar("T")

_AT_ONCE = 4
_WRITE_BYTES = 1 << 20
_PLAIN_MD5 = re.compile(r"[0-9a-f]{32}")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class ObjectInfo:
    """What the bucket says of an object. Sizes in bytes; `part_bytes` is 0 when it is not in the metadata. `md5s`:
    the ETag is made of MD5s if it looks like it. `crc32` is of the whole object, in base64."""

    key: str
    size: int
    etag: str
    part_bytes: int
    md5s: bool
    crc32: str | None


async def look(bucket: Bucket, key: str) -> ObjectInfo:
    """`NotFound` when there is no such object."""
    asking: dict[str, Any] = {"ChecksumMode": "ENABLED"} if bucket.full_checksums else {}
    answer = await bucket.call("head_object", Key=key, **asking)
    whole = answer.get("ChecksumType") == "FULL_OBJECT"
    return ObjectInfo(
        key=key,
        size=answer["ContentLength"],
        etag=answer["ETag"],
        part_bytes=int(answer.get("Metadata", {}).get(PART_BYTES_FIELD, 0)),
        md5s=etag_is_md5(bucket, answer),
        crc32=answer.get("ChecksumCRC32") if whole else None,
    )


async def read_range(bucket: Bucket, facts: ObjectInfo, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """The bytes from `start` to before `stop`, in pieces of up to 1 MiB."""
    failures = 0
    while start < stop:
        try:
            with mapped_errors():
                answer = await bucket.call(
                    "get_object", Key=facts.key, Range=f"bytes={start}-{stop - 1}", IfMatch=facts.etag
                )
            body = answer["Body"]
            async with body:
                while start < stop:
                    with mapped_errors():
                        piece = await _piece(body, min(stop - start, _WRITE_BYTES))
                    start += len(piece)
                    yield piece
        except TransientError:
            failures += 1
            if failures == TRIES:
                raise
            await BACKOFF.wait(failures)


async def read_all(bucket: Bucket, facts: ObjectInfo) -> AsyncGenerator[bytes, None]:
    """All of the object, in pieces of up to 1 MiB."""
    for start, stop in _ranges(facts.size, PART_BYTES):
        async with aclosing(read_range(bucket, facts, start, stop)) as pieces:
            async for piece in pieces:
                yield piece


async def download(bucket: Bucket, key: str, path: Path) -> None:
    """Write the object to a new file and verify it: its size, and its CRC or its MD5s as far as the server keeps any.
    On failure the file stays behind, partial."""
    facts = await look(bucket, key)
    await with_retries(lambda: _download(bucket, facts, path))


async def _download(bucket: Bucket, facts: ObjectInfo, path: Path) -> None:
    ranges = _ranges(facts.size, facts.part_bytes or PART_BYTES)
    digests: list[bytes] = [b""] * len(ranges)
    left = iter(enumerate(ranges))
    # Opened here and not in a thread: nobody would close a file that a cancelled caller did not get to see.
    with _disk_errors():
        descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)

    async def take_ranges() -> None:
        for index, (start, stop) in left:
            digests[index] = await _take_range(bucket, facts, descriptor, start, stop)

    takers = [asyncio.create_task(take_ranges()) for _ in range(min(_AT_ONCE, len(ranges)))]
    try:
        await asyncio.gather(*takers)
        await _verify(facts, digests, path)
    finally:
        for taker in takers:
            taker.cancel()
        # The file may be closed only when nobody writes to it any more.
        await finish_despite_cancel(lambda: _close(descriptor, takers), idempotent=True)


async def _take_range(bucket: Bucket, facts: ObjectInfo, descriptor: int, start: int, stop: int) -> bytes:
    """Write a range to its place; its MD5."""
    md5 = hashlib.md5(usedforsecurity=False)

    def put(piece: bytes, position: int) -> None:
        view = memoryview(piece)
        while view:
            count = os.pwrite(descriptor, view, position)
            md5.update(view[:count])
            position += count
            view = view[count:]

    async with aclosing(read_range(bucket, facts, start, stop)) as pieces:
        async for piece in pieces:
            await _on_disk(partial(put, piece, start))
            start += len(piece)
    return md5.digest()


async def _verify(facts: ObjectInfo, digests: list[bytes], path: Path) -> None:
    etag = facts.etag.strip('"')
    if facts.crc32 is not None:
        right = await _on_disk(lambda: _crc32_of(path)) == facts.crc32
    elif not facts.md5s:
        right = True
    elif _PLAIN_MD5.fullmatch(etag):
        right = await _on_disk(lambda: _md5_of(path, digests)) == etag
    else:
        comparable = facts.part_bytes and etag.endswith(f"-{len(digests)}")
        right = not comparable or etag_of_parts(digests) == etag
    if not right or await _on_disk(lambda: path.stat().st_size) != facts.size:
        raise TransientError("The file was damaged on its way from the media store.")


async def _piece(body: Any, size: int) -> bytes:
    """Up to `size` bytes, gathered from what the connection has, so that a file is not written in crumbs."""
    piece = bytearray()
    while len(piece) < size:
        data: bytes = await body.read(size - len(piece))
        if not data:
            break
        piece += data
    if not piece:
        raise TransientError("The media store broke off.")
    return bytes(piece)


async def _close(descriptor: int, takers: list[asyncio.Task[None]]) -> None:
    await asyncio.gather(*takers, return_exceptions=True)
    os.close(descriptor)


async def _on_disk(work: Callable[[], T]) -> T:
    """`work` in a thread that is not left before it is over."""
    with _disk_errors():
        return await finish_despite_cancel(lambda: asyncio.to_thread(work))


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Errors of the disk in our words."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull("The disk is full.") from error
        raise StorageError("The file could not be kept on disk.") from error


def _ranges(size: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, size)) for start in range(0, size, step)]


def _md5_of(path: Path, digests: list[bytes]) -> str:
    if len(digests) == 1:
        return digests[0].hex()
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _crc32_of(path: Path) -> str:
    crc32 = 0
    with path.open("rb") as file:
        while data := file.read(_WRITE_BYTES):
            crc32 = zlib.crc32(data, crc32)
    return b64encode(crc32.to_bytes(4, "big")).decode()
