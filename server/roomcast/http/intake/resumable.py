"""Receive uploads whose bytes arrive in several requests.

The media store knows how many bytes of an upload are durable. Each request holds the upload's lease while it appends,
and takes the lease from an earlier request, which is most likely dead. If that one runs in this process, it is stopped
first and stores what it has; in another process it finds that its lease is lost, and what it still writes are the same
bytes at the same offsets. A crashed request therefore never blocks the next one. After the last byte the lease can no
longer be taken over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field

from roomcast.errors import RoomcastError, WrongState
from roomcast.http.intake.pipeline import IgnoreDisconnect, RequestBody
from roomcast.http.intake.receiver import LeasedIntake, Receiver, Superseded
from roomcast.ledger.contract import Ledger
from roomcast.media.contract import Data, MediaStore, ResumableSources
from roomcast.uploads.lifecycle import Progressed, Stage
from roomcast.uploads.model import Change, TusState, Upload, source_key
from roomcast.uploads.sniff import SNIFF_BYTES
from roomcast.uploads.templates import Templates
from roomcast.uploads.transitions import concatenated

_YIELD_SECONDS = 10.0
"""How long a request waits for the one before it to end; then that one loses its lease instead."""


class OffsetMismatch(WrongState):
    """The chunk does not begin at the end of the bytes that are stored."""


class Locked(WrongState):
    """All bytes are stored, and another request is completing the file."""


@dataclass(frozen=True)
class Chunk:
    """The bytes of a file from `offset` on, as a request brings them.

    `length` is the size of the complete file, if this request is the first to declare it. `verified` yields the body's
    bytes after their checksum has been verified.
    """

    offset: int
    length: int | None
    body: RequestBody
    verified: Callable[[RequestBody], AbstractAsyncContextManager[AsyncIterable[Data]]]


@dataclass
class _Writer:
    """A request of this process that is appending to an upload."""

    stop: Callable[[RoomcastError], None]
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class ResumableIntake:
    """Receives the chunks of resumable uploads in one web process."""

    def __init__(
        self, ledger: Ledger, media: MediaStore, sources: ResumableSources, templates: Templates, receiver: Receiver
    ) -> None:
        self._ledger = ledger
        self._media = media
        self._sources = sources
        self._templates = templates
        self._receiver = receiver
        self._writers: dict[str, _Writer] = {}

    async def offset(self, upload: Upload) -> tuple[Upload, int]:
        """Stop what appends to the upload in this process; return its state and how many bytes are stored.

        An upload that has all its bytes, but whose last request died before it was queued, is queued first. Raises
        `Locked` when another process is doing that.
        """
        await self._stop_writer(upload.id)
        upload = await self._ledger.get(upload.id)
        if upload.stage is not Stage.RECEIVING:
            return upload, upload.bytes_received
        received = await self._sources.received_bytes(source_key(upload))
        if received and received == upload.bytes_expected and _is_standalone(upload):
            async with self._exclusive(upload.id, lambda _: None):
                upload = await self._finish(upload)
        return upload, received

    async def append(self, upload: Upload, chunk: Chunk) -> Upload:
        """Append a chunk, and return the upload's state: it waits for more bytes, or is queued.

        What arrives of a chunk whose request breaks off is stored. Raises `OffsetMismatch`.
        """
        if upload.id in self._writers:
            await self._check_offset(upload, chunk)  # before a request with the wrong offset stops the current one
        async with self._exclusive(upload.id, chunk.body.stop):
            await self._check_offset(upload, chunk)
            upload = await self._prepare(upload, chunk)
            if chunk.offset == upload.bytes_expected and _is_standalone(upload):
                return await self._finish(upload)
            try:
                return await self._receiver.run_leased(upload, lambda intake: self._receive(intake, chunk), steal=True)
            except RoomcastError:
                await self._discard_late_bytes(upload.id)
                raise

    async def concatenated_size(self, partials: Sequence[Upload]) -> int:
        """Return the size of the file that these uploads make up.

        Raises `WrongState` when one of them is not a partial upload, or is incomplete.
        """
        size = 0
        for partial in partials:
            if not partial.is_partial or partial.stage is not Stage.RECEIVING:
                raise WrongState("Only partial uploads can be concatenated.")
            received = await self._sources.received_bytes(source_key(partial))
            if received != partial.bytes_expected:
                raise WrongState("A partial upload is incomplete.")
            size += received
        return size

    async def concatenate(self, upload: Upload, partials: Sequence[Upload]) -> Upload:
        """Make one file of complete partial uploads, queue it, and delete the partial ones. Return its state."""
        keys = [source_key(partial) for partial in partials]
        queued = await self._receiver.run_leased(upload, lambda intake: self._complete(intake, keys=keys))
        for partial in partials:
            with suppress(RoomcastError):  # it expires later instead
                await self._ledger.request_cancel(partial.id, concatenated())
                await self._media.discard_source(source_key(partial))
        return queued

    async def _discard_late_bytes(self, upload_id: str) -> None:
        """Delete what a failed request has stored if the upload has ended: its files may have been deleted before that.

        The deletion at the end of an upload that has not ended yet includes these bytes.
        """
        with suppress(RoomcastError):  # they are deleted when they are a day old
            upload = await self._ledger.get(upload_id)
            if upload.state.terminal:
                await self._sources.discard_incomplete(source_key(upload))

    async def _prepare(self, upload: Upload, chunk: Chunk) -> Upload:
        """Record what the request declares about the upload, and return the upload's current state."""
        upload = await self._ledger.get(upload.id)
        if upload.stage is not Stage.RECEIVING:
            raise WrongState(f"The upload is {upload.stage} and accepts no more bytes.")
        length = chunk.length if upload.bytes_expected is None else None
        if upload.resumable and length is None:
            return upload
        state = upload.resumable or TusState()
        change = Change(Progressed(0.0), "Receiving the file", bytes_expected=length, resumable=state)
        return await self._ledger.append(upload.id, change)

    async def _check_offset(self, upload: Upload, chunk: Chunk) -> None:
        received = await self._sources.received_bytes(source_key(upload))
        if chunk.offset != received:
            raise OffsetMismatch(f"The upload has {received} bytes.", details={"offset": received})

    async def _receive(self, intake: LeasedIntake, chunk: Chunk) -> Upload:
        """Store a chunk as far as it arrives; queue the upload if it is complete then."""
        upload, key, template = intake.upload, source_key(intake.upload), self._templates.of(intake.upload)
        standalone = _is_standalone(upload)
        needs_head = standalone and chunk.offset < SNIFF_BYTES
        head = await self._sources.read_head(key, SNIFF_BYTES) if needs_head else b""
        pipeline = intake.pipeline(template, offset=chunk.offset, head=head, partial=not standalone)
        async with chunk.verified(chunk.body) as verified, self._sources.append(key, chunk.offset) as write:
            chunks = IgnoreDisconnect(verified)
            report = intake.progress_reporter(upload.bytes_expected, stored=lambda: write.stored)
            await pipeline.run(chunks, write, report, preserve=True)
        if chunks.error:
            raise chunks.error
        if pipeline.size != upload.bytes_expected or not standalone:
            return await intake.suspend()
        if chunk.offset:
            return await self._complete(intake)
        key = await self._sources.complete(key)  # the pipeline has seen all of it
        return await intake.enqueue(key, pipeline, pipeline.verify(template), template)

    async def _finish(self, upload: Upload) -> Upload:
        """Queue an upload all of whose bytes are stored."""
        try:
            return await self._receiver.run_leased(upload, self._complete)
        except WrongState as error:
            upload = await self._ledger.get(upload.id)
            if upload.stage is Stage.RECEIVING:
                raise Locked("Another request is completing the file.") from error
            return upload

    async def _complete(self, intake: LeasedIntake, *, keys: Sequence[str] = ()) -> Upload:
        """Complete the source, of partial sources if `keys` names them; check and hash all of it; queue the upload."""
        template = self._templates.of(intake.upload)
        pipeline = intake.pipeline(template)
        key = await self._sources.complete(source_key(intake.upload), pipeline.inspect, concat=keys)
        return await intake.enqueue(key, pipeline, pipeline.verify(template), template)

    @asynccontextmanager
    async def _exclusive(self, upload_id: str, stop: Callable[[RoomcastError], None]) -> AsyncIterator[None]:
        """Be the only request of this process that appends to the upload, until the next one calls `stop`."""
        await self._stop_writer(upload_id)
        writer = self._writers[upload_id] = _Writer(stop)
        try:
            yield
        finally:
            writer.ended.set()
            if self._writers.get(upload_id) is writer:
                del self._writers[upload_id]

    async def _stop_writer(self, upload_id: str) -> None:
        """Make the request of this process that appends to the upload store what it has, and end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_YIELD_SECONDS):
                while writer := self._writers.get(upload_id):
                    writer.stop(Superseded("Another request has taken over this upload."))
                    await writer.ended.wait()


def _is_standalone(upload: Upload) -> bool:
    """Return whether the upload is a file of its own: neither a partial upload nor concatenated of some."""
    return not upload.is_partial and not (upload.resumable and upload.resumable.concat)
