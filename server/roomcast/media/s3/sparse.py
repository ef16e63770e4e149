"""A source of which only the ranges that are needed are downloaded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from roomcast.media.byte_ranges import ByteRange, check_within, divided, joined, subtracted
from roomcast.media.s3.client import Bucket
from roomcast.media.s3.download import ObjectInfo, download_version, head_object, write_range
from roomcast.runtime.files import disk_error, run_in_thread_shielded
from roomcast.runtime.tasks import run_for_each

_RANGES_IN_FLIGHT = 4
_REQUEST_BYTES = 8 << 20
_STEP_BYTES = 32 << 20
_MAX_GAP = 64 << 10
"""Ranges that are closer to each other are one request: it takes longer than so many bytes."""


class S3SparseSource:
    """A sparse file of an object. Implements `roomcast.media.contract.SparseSource`."""

    def __init__(self, bucket: Bucket, info: ObjectInfo, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = info.size
        self._bucket = bucket
        self._info = info
        self._descriptor = descriptor
        self._filled: list[ByteRange] = []
        self._filling = asyncio.Lock()

    @property
    def filled(self) -> list[ByteRange]:
        """The ranges that the file has, in order."""
        return list(self._filled)

    @property
    def is_complete(self) -> bool:
        return not subtracted([(0, self.size)], self._filled)

    async def fill(self, ranges: Iterable[ByteRange]) -> None:
        wanted = list(ranges)
        check_within(wanted, self.size)
        # One after the other, so that no byte is fetched twice.
        async with self._filling:
            await self._fill(wanted)

    async def fill_all(self) -> None:
        async with self._filling:
            if not self._filled:
                await download_version(self._bucket, self._info, self.path)
                self._filled = [(0, self.size)]
        while missing := subtracted([(0, self.size)], self._filled):
            async with self._filling:  # for one step, so that ranges that are needed sooner come in between
                await self._fill(divided(missing, _STEP_BYTES)[:1])

    async def _fill(self, wanted: Iterable[ByteRange]) -> None:
        missing = divided(subtracted(joined(wanted, gap=_MAX_GAP), self._filled), _REQUEST_BYTES)
        await run_for_each(missing, self._fetch, at_once=_RANGES_IN_FLIGHT)

    async def _fetch(self, one: ByteRange) -> None:
        await write_range(self._bucket, self._info, self._descriptor, *one)
        self._filled = joined([*self._filled, one])


@asynccontextmanager
async def open_sparse(bucket: Bucket, key: str, path: Path) -> AsyncIterator[S3SparseSource]:
    """Open an object as the new sparse file `path`, which is deleted at the end of the context. All that is fetched is
    of the object's present version. Raise `NotFound` if there is none."""
    info = await head_object(bucket, key)
    descriptor = None
    try:
        try:
            # Opened here and not in a thread: if the caller were cancelled meanwhile, nothing would close the file.
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            os.truncate(descriptor, info.size)
        except OSError as error:
            raise disk_error(error) from error
        yield S3SparseSource(bucket, info, path, descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)
            await run_in_thread_shielded(lambda: path.unlink(missing_ok=True))
