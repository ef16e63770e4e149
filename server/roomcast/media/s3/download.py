"""Reading an object: by ranges, each of which is retried where it broke off, and all of the same version."""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from roomcast.media.byte_ranges import divided
from roomcast.media.s3.client import MAX_ATTEMPTS, S3_BACKOFF, Bucket, TransientError, mapped_errors, with_retries
from roomcast.media.s3.multipart import PART_BYTES, PART_BYTES_FIELD, etag_is_md5, etag_of_parts
from roomcast.runtime.files import disk_error, run_in_thread_shielded
from roomcast.runtime.tasks import run_for_each

_RANGES_IN_FLIGHT = 4
_CHUNK_BYTES = 1 << 20
_PLAIN_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class ObjectInfo:
    """The metadata of an object. Sizes in bytes.

    `part_bytes` is 0 if it is not in the metadata. `md5_etag`: if the ETag looks like MD5s, it is made of MD5s.
    `crc32` is that of the whole object, in Base64.
    """

    key: str
    size: int
    etag: str
    part_bytes: int
    md5_etag: bool
    crc32: str | None


async def head_object(bucket: Bucket, key: str) -> ObjectInfo:
    """Return the metadata of an object. Raise `NotFound` if there is none."""
    options: dict[str, Any] = {"ChecksumMode": "ENABLED"} if bucket.full_checksums else {}
    response = await bucket.call("head_object", Key=key, **options)
    full = response.get("ChecksumType") == "FULL_OBJECT"
    return ObjectInfo(
        key=key,
        size=response["ContentLength"],
        etag=response["ETag"],
        part_bytes=int(response.get("Metadata", {}).get(PART_BYTES_FIELD, 0)),
        md5_etag=etag_is_md5(bucket, response),
        crc32=response.get("ChecksumCRC32") if full else None,
    )


async def read_range(bucket: Bucket, info: ObjectInfo, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Yield the bytes from `start` to before `stop`, in chunks of at most 1 MiB."""
    failures = 0
    while start < stop:
        try:
            response = await bucket.call(
                "get_object", Key=info.key, Range=f"bytes={start}-{stop - 1}", IfMatch=info.etag
            )
            body = response["Body"]
            async with body:
                while start < stop:
                    with mapped_errors():
                        chunk = await _read_chunk(body, min(stop - start, _CHUNK_BYTES))
                    start += len(chunk)
                    yield chunk
        except TransientError:
            failures += 1
            if failures == MAX_ATTEMPTS:
                raise
            await S3_BACKOFF.wait(failures)


async def read_all(bucket: Bucket, info: ObjectInfo) -> AsyncGenerator[bytes, None]:
    """Yield all bytes of the object, in chunks of at most 1 MiB."""
    for start, stop in divided([(0, info.size)], PART_BYTES):
        async with aclosing(read_range(bucket, info, start, stop)) as chunks:
            async for chunk in chunks:
                yield chunk


async def read_object(bucket: Bucket, key: str) -> bytes:
    """Return all bytes of a small object. Raise `NotFound` if there is none."""
    return b"".join([chunk async for chunk in read_all(bucket, await head_object(bucket, key))])


async def download(bucket: Bucket, key: str, path: Path) -> None:
    """Write the object to a new file and verify its size, and its CRC-32 or MD5s if the server has any. If this fails,
    an incomplete file remains."""
    await download_version(bucket, await head_object(bucket, key), path)


async def download_version(bucket: Bucket, info: ObjectInfo, path: Path) -> None:
    """Do as `download` does with this version of an object. The file may exist, and is emptied first."""
    await with_retries(lambda: _download(bucket, info, path))


async def _download(bucket: Bucket, info: ObjectInfo, path: Path) -> None:
    ranges = divided([(0, info.size)], info.part_bytes or PART_BYTES)
    md5s: list[bytes] = [b""] * len(ranges)
    # Opened here and not in a thread: if the caller were cancelled meanwhile, nothing would close the file.
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o600)
    except OSError as error:
        raise disk_error(error) from error

    async def write_numbered(index: int) -> None:
        md5s[index] = await write_range(bucket, info, descriptor, *ranges[index])

    try:
        await run_for_each(range(len(ranges)), write_numbered, at_once=_RANGES_IN_FLIGHT)
        await _verify(info, md5s, path)
    finally:
        os.close(descriptor)


async def write_range(bucket: Bucket, info: ObjectInfo, descriptor: int, start: int, stop: int) -> bytes:
    """Write a range at its position in the file. Return its MD5."""
    md5 = hashlib.md5(usedforsecurity=False)

    def write(chunk: bytes, position: int) -> None:
        view = memoryview(chunk)
        while view:
            count = os.pwrite(descriptor, view, position)
            md5.update(view[:count])
            position += count
            view = view[count:]

    async with aclosing(read_range(bucket, info, start, stop)) as chunks:
        async for chunk in chunks:
            await run_in_thread_shielded(partial(write, chunk, start))
            start += len(chunk)
    return md5.digest()


async def _verify(info: ObjectInfo, md5s: list[bytes], path: Path) -> None:
    etag = info.etag.strip('"')
    if info.crc32 is not None:
        intact = await run_in_thread_shielded(lambda: _crc32_of(path)) == info.crc32
    elif not info.md5_etag:
        intact = True
    elif _PLAIN_MD5.fullmatch(etag):
        intact = await run_in_thread_shielded(lambda: _md5_of(path, md5s)) == etag
    else:
        comparable = info.part_bytes and etag.endswith(f"-{len(md5s)}")
        intact = not comparable or etag_of_parts(md5s) == etag
    if not intact or await run_in_thread_shielded(lambda: path.stat().st_size) != info.size:
        raise TransientError("The file was damaged on its way from the media store.")


async def _read_chunk(body: Any, size: int) -> bytes:
    """Return `size` bytes, or fewer at the end. They are collected from small network reads, so that a file is not
    written in small pieces."""
    chunk = bytearray()
    while len(chunk) < size:
        data: bytes = await body.read(size - len(chunk))
        if not data:
            break
        chunk += data
    if not chunk:
        raise TransientError("The media store closed the connection.")
    return bytes(chunk)


def _md5_of(path: Path, md5s: list[bytes]) -> str:
    if len(md5s) == 1:
        return md5s[0].hex()
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _crc32_of(path: Path) -> str:
    crc32 = 0
    with path.open("rb") as file:
        while data := file.read(_CHUNK_BYTES):
            crc32 = zlib.crc32(data, crc32)
    return b64encode(crc32.to_bytes(4, "big")).decode()
