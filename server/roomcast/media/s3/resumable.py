"""Sources in a bucket that come in pieces. Each stretch of one is an object, named for the place it has:

    <prefix>incoming/<name>/<start>-<stop>

A stretch never changes, and two that overlap hold the same bytes where they do. So whatever a process that died, or
that was believed dead, has put there, or still puts, is right; what counts is how far from the start there is no gap.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from roomcast.errors import NotFound
from roomcast.media.contract import Data, OnChunk, WriteChunks
from roomcast.media.s3.client import Bucket
from roomcast.media.s3.download import look, read_range
from roomcast.media.s3.multipart import PART_BYTES, put_whole, writing
from roomcast.runtime.tasks import finish_despite_cancel

_HEADERS = {"ContentType": "application/octet-stream"}
_PLACE = re.compile(r"(\d{20})-(\d{20})", re.ASCII)


@dataclass(frozen=True)
class Stretch:
    """The bytes of a source from `start` to before `stop`."""

    start: int
    stop: int

    @property
    def name(self) -> str:
        """What its object is called; sorts as the places do."""
        return f"{self.start:020d}-{self.stop:020d}"


def without_gap(stretches: Iterable[Stretch]) -> list[tuple[int, Stretch]]:
    """The stretches that together reach furthest from 0 without a gap, each with the place from which it is read."""
    chosen: list[tuple[int, Stretch]] = []
    reached = 0
    waiting = deque(sorted(stretches, key=lambda stretch: stretch.start))
    while waiting and waiting[0].start <= reached:
        furthest = waiting.popleft()
        while waiting and waiting[0].start <= reached:
            furthest = max(furthest, waiting.popleft(), key=lambda stretch: stretch.stop)
        if furthest.stop > reached:
            chosen.append((reached, furthest))
            reached = furthest.stop
    return chosen


class S3ResumableSources:
    """Keep resumable sources in S3 (`media/contract.py`). `part_bytes` is the size of a complete source's parts."""

    def __init__(self, bucket: Bucket, source_key: Callable[[str], str], *, part_bytes: int) -> None:
        self._bucket = bucket
        self._source_key = source_key
        self._part_bytes = part_bytes

    async def received_bytes(self, name: str) -> int:
        whole, stretches = await self._look(name)
        if whole is not None:
            return whole
        return stretches[-1][1].stop if stretches else 0

    @asynccontextmanager
    async def append(self, name: str, offset: int) -> AsyncIterator[WriteChunks]:
        writer = _Writer(self._bucket, self._folder(name), offset)
        try:
            yield writer.write
            await writer.finish()
        finally:
            await finish_despite_cancel(writer.stop, idempotent=True)

    async def read_head(self, name: str, count: int) -> bytes:
        head = bytearray()
        async with aclosing(self._read(name)) as pieces:
            async for piece in pieces:
                head += piece
                if len(head) >= count:
                    break
        return bytes(head[:count])

    async def complete(self, name: str, see: OnChunk | None = None, *, concat: Sequence[str] = ()) -> str:
        whole, _ = await self._look(name)
        if whole is None:
            await self._join(name, concat or [name], see)
        elif see:
            await self._show(name, see)
        await self.discard(name)
        return name

    async def discard(self, name: str) -> None:
        """Delete all the pieces; silent when there are none."""
        for entry in await self._bucket.listed("list_objects_v2", "Contents", Prefix=self._folder(name)):
            await self._bucket.call("delete_object", Key=entry["Key"])

    async def sweep(self, before: datetime) -> int:
        """Delete the pieces of sources that got none since then; of how many sources."""
        root, latest = self._source_key(""), dict[str, datetime]()
        for entry in await self._bucket.listed("list_objects_v2", "Contents", Prefix=root):
            name, of_a_source, _ = entry["Key"].removeprefix(root).partition("/")
            if of_a_source:
                latest[name] = max(latest.get(name, entry["LastModified"]), entry["LastModified"])
        stale = [name for name, last in latest.items() if last < before]
        for name in stale:
            await self.discard(name)
        return len(stale)

    async def _join(self, name: str, of: Sequence[str], see: OnChunk | None) -> None:
        key = self._source_key(name)
        async with writing(self._bucket, key, part_bytes=self._part_bytes, headers=_HEADERS, same_bytes=True) as writer:

            async def see_and_write(data: bytes) -> None:
                if see:
                    await see(data)
                await writer.write(data)

            for part in of:
                await self._show(part, see_and_write)
            await writer.commit()

    async def _show(self, name: str, see: OnChunk) -> None:
        shown = False
        async with aclosing(self._read(name)) as pieces:
            async for piece in pieces:
                shown = True
                await see(piece)
        if not shown:
            raise NotFound("The source is gone.")

    async def _read(self, name: str) -> AsyncGenerator[bytes, None]:
        """All that was received, in pieces of up to 1 MiB. Where somebody else makes it whole meanwhile, the rest comes
        from there."""
        start = 0
        whole, stretches = await self._look(name)
        try:
            for place, stretch in stretches:
                facts = await look(self._bucket, self._folder(name) + stretch.name)
                async with aclosing(read_range(self._bucket, facts, place - stretch.start, facts.size)) as pieces:
                    async for piece in pieces:
                        start += len(piece)
                        yield piece
        except NotFound:
            whole, _ = await self._look(name)
            if whole is None:
                raise
        if whole is not None:
            facts = await look(self._bucket, self._source_key(name))
            for begin in range(start, whole, PART_BYTES):
                end = min(begin + PART_BYTES, whole)
                async with aclosing(read_range(self._bucket, facts, begin, end)) as pieces:
                    async for piece in pieces:
                        yield piece

    async def _look(self, name: str) -> tuple[int | None, list[tuple[int, Stretch]]]:
        """The whole source's size if there is one, and the stretches that count."""
        key, folder = self._source_key(name), self._folder(name)
        stretches = []
        for entry in await self._bucket.listed("list_objects_v2", "Contents", Prefix=key):
            if entry["Key"] == key:
                return int(entry["Size"]), []
            if place := _PLACE.fullmatch(entry["Key"].removeprefix(folder)):
                stretches.append(Stretch(int(place[1]), int(place[2])))
        return None, without_gap(stretches)

    def _folder(self, name: str) -> str:
        return f"{self._source_key(name)}/"


class _Writer:
    """Gathers bytes and puts them, one stretch after the other: while one is being sent the next one gathers."""

    def __init__(self, bucket: Bucket, folder: str, offset: int) -> None:
        self._bucket = bucket
        self._folder = folder
        self._start = offset
        self._gathered = bytearray()
        self._sending: asyncio.Task[None] | None = None

    async def write(self, *chunks: Data) -> None:
        for chunk in chunks:
            self._gathered += chunk
        if len(self._gathered) >= PART_BYTES:
            await self._send()

    async def finish(self) -> None:
        """Send what is left, and see it arrive."""
        if self._gathered:
            await self._send()
        if self._sending:
            await self._sending

    async def stop(self) -> None:
        """What is being sent arrives, or fails; what was gathered after it is dropped."""
        if self._sending:
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _send(self) -> None:
        if self._sending:
            await self._sending
        content, self._gathered = self._gathered, bytearray()
        stretch = Stretch(self._start, self._start + len(content))
        self._start = stretch.stop
        self._sending = asyncio.create_task(put_whole(self._bucket, self._folder + stretch.name, content, _HEADERS))
