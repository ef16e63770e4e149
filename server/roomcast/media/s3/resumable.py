"""Resumable sources in a bucket. Each segment of a source is an object, named by its position:

    <prefix>incoming/<name>/<start>-<stop>

A segment never changes, and where two of them overlap they have the same bytes. So everything that a stale writer has
stored, or still stores, is correct. What counts as received are the bytes from the start to the first gap.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from roomcast.errors import NotFound, RoomcastError
from roomcast.media.batches import Batches
from roomcast.media.contract import AppendChunks, Data, OnChunk
from roomcast.media.s3.client import Bucket
from roomcast.media.s3.deletion import delete_objects
from roomcast.media.s3.download import head_object, read_range
from roomcast.media.s3.multipart import PART_BYTES, ObjectWriter, put_object
from roomcast.runtime.tasks import finish_despite_cancel

SEGMENT_SECONDS = 5.0
"""How long the first byte of a segment waits for others. Each segment costs a request and an object, so a slow client's
bytes are not sent every second; until then they are not reported as received."""

_HEADERS = {"ContentType": "application/octet-stream"}
_SEGMENT_NAME = re.compile(r"(\d{20})-(\d{20})", re.ASCII)


@dataclass(frozen=True)
class Segment:
    """The bytes of a source from `start` to before `stop`."""

    start: int
    stop: int

    @property
    def name(self) -> str:
        """The name of its object. Names sort by `start`."""
        return f"{self.start:020d}-{self.stop:020d}"


def contiguous_prefix(segments: Iterable[Segment]) -> list[tuple[int, Segment]]:
    """Return the segments that together reach furthest from 0 without a gap, each with the position from which it is to
    be read."""
    chosen: list[tuple[int, Segment]] = []
    reached = 0
    remaining = deque(sorted(segments, key=lambda segment: segment.start))
    while remaining and remaining[0].start <= reached:
        furthest = remaining.popleft()
        while remaining and remaining[0].start <= reached:
            furthest = max(furthest, remaining.popleft(), key=lambda segment: segment.stop)
        if furthest.stop > reached:
            chosen.append((reached, furthest))
            reached = furthest.stop
    return chosen


class S3ResumableSources:
    """Stores the segments of sources as objects. Implements `roomcast.media.contract.ResumableSources`.

    `source_key` gives the key of a complete source, whose parts have `part_bytes` each.
    """

    def __init__(self, bucket: Bucket, source_key: Callable[[str], str], *, part_bytes: int) -> None:
        self._bucket = bucket
        self._source_key = source_key
        self._part_bytes = part_bytes

    async def received_bytes(self, name: str) -> int:
        complete_size, segments = await self._list(name)
        if complete_size is not None:
            return complete_size
        return segments[-1][1].stop if segments else 0

    @asynccontextmanager
    async def append(self, name: str, offset: int) -> AsyncIterator[AppendChunks]:
        writer = _SegmentWriter(self._bucket, self._folder(name), offset)
        try:
            yield writer
            await writer.finish()
        except BaseException:
            with suppress(RoomcastError):
                await finish_despite_cancel(writer.finish, idempotent=True)
            raise
        finally:
            await finish_despite_cancel(writer.close, idempotent=True)

    async def read_head(self, name: str, count: int) -> bytes:
        head = bytearray()
        async with aclosing(self._read(name)) as chunks:
            async for chunk in chunks:
                head += chunk
                if len(head) >= count:
                    break
        return bytes(head[:count])

    async def complete(self, name: str, on_chunk: OnChunk | None = None, *, concat: Sequence[str] = ()) -> str:
        complete_size, _ = await self._list(name)
        if complete_size is None:
            await self._concatenate(name, concat or [name], on_chunk)
        elif on_chunk:
            await self._read_into(name, on_chunk)
        await self.discard_incomplete(name)
        return name

    async def discard_incomplete(self, name: str) -> None:
        entries = await self._bucket.list_objects(self._folder(name))
        await delete_objects(self._bucket, [entry["Key"] for entry in entries])

    async def sweep(self, before: datetime) -> int:
        """Delete the segments of sources of which the latest is older than `before`. Return of how many sources."""
        root, latest = self._source_key(""), dict[str, datetime]()
        for entry in await self._bucket.list_objects(root):
            name, slash, _ = entry["Key"].removeprefix(root).partition("/")
            if slash:
                latest[name] = max(latest.get(name, entry["LastModified"]), entry["LastModified"])
        stale = [name for name, modified in latest.items() if modified < before]
        for name in stale:
            await self.discard_incomplete(name)
        return len(stale)

    async def _concatenate(self, name: str, names: Sequence[str], on_chunk: OnChunk | None) -> None:
        key = self._source_key(name)
        async with ObjectWriter(
            self._bucket, key, part_bytes=self._part_bytes, headers=_HEADERS, same_bytes=True
        ) as writer:

            async def copy(data: bytes) -> None:
                if on_chunk:
                    await on_chunk(data)
                await writer.write(data)

            for one in names:
                await self._read_into(one, copy)
            await writer.commit()

    async def _read_into(self, name: str, on_chunk: OnChunk) -> None:
        empty = True
        async with aclosing(self._read(name)) as chunks:
            async for chunk in chunks:
                empty = False
                await on_chunk(chunk)
        if empty:
            raise NotFound("The source is not in the media store.")

    async def _read(self, name: str) -> AsyncGenerator[bytes, None]:
        """Yield all received bytes, in chunks of at most 1 MiB. If another process completes the source meanwhile, and
        so deletes its segments, the rest is read from the complete source."""
        position = 0
        complete_size, segments = await self._list(name)
        try:
            for start, segment in segments:
                info = await head_object(self._bucket, self._folder(name) + segment.name)
                async with aclosing(read_range(self._bucket, info, start - segment.start, info.size)) as chunks:
                    async for chunk in chunks:
                        position += len(chunk)
                        yield chunk
        except NotFound:
            complete_size, _ = await self._list(name)
            if complete_size is None:
                raise
        if complete_size is not None:
            info = await head_object(self._bucket, self._source_key(name))
            for start in range(position, complete_size, PART_BYTES):
                stop = min(start + PART_BYTES, complete_size)
                async with aclosing(read_range(self._bucket, info, start, stop)) as chunks:
                    async for chunk in chunks:
                        yield chunk

    async def _list(self, name: str) -> tuple[int | None, list[tuple[int, Segment]]]:
        """Return the size of the complete source, or None and the segments that count as received."""
        key, folder = self._source_key(name), self._folder(name)
        segments = []
        for entry in await self._bucket.list_objects(key):
            if entry["Key"] == key:
                return int(entry["Size"]), []
            if match := _SEGMENT_NAME.fullmatch(entry["Key"].removeprefix(folder)):
                segments.append(Segment(int(match[1]), int(match[2])))
        return None, contiguous_prefix(segments)

    def _folder(self, name: str) -> str:
        return f"{self._source_key(name)}/"


class _SegmentWriter:
    """Stores bytes as one segment after the other. Implements `roomcast.media.contract.AppendChunks`."""

    def __init__(self, bucket: Bucket, folder: str, offset: int) -> None:
        self._bucket = bucket
        self._folder = folder
        self._batches = Batches(self._store, max_bytes=PART_BYTES, max_chunks=PART_BYTES, max_seconds=SEGMENT_SECONDS)
        self.stored = offset
        self.finish = self._batches.finish
        self.close = self._batches.close

    async def __call__(self, *chunks: Data) -> None:
        await self._batches.add(b"".join(chunks))

    async def _store(self, batch: Sequence[Data]) -> None:
        content = bytearray().join(batch)
        segment = Segment(self.stored, self.stored + len(content))
        await put_object(self._bucket, self._folder + segment.name, content, _HEADERS)
        self.stored = segment.stop
