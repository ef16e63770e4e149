"""Taking in uploads whose bytes come in pieces: who may add to one, where it stands, and when it is whole.

Where an upload stands, the media store says: its durable bytes. Whoever sends a piece holds the upload's lease, and
takes it from whoever had it before, for the older request is most likely dead. In this process that one is stopped
first, and puts away what it has; in another it finds its lease lost, and whatever it still writes are the same bytes.
So nothing is locked by the dead. Once all bytes are here, the lease is taken from nobody any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field

from roomcast.errors import RoomcastError, WrongState
from roomcast.http.intake.digests import Digests
from roomcast.http.intake.pipeline import BodyPipeline, Chunks, Timed, Unbroken, early, judge
from roomcast.http.intake.receiver import Receiver, Superseded
from roomcast.ledger.contract import Claim, Ledger
from roomcast.media.contract import MediaStore, ResumableSources
from roomcast.uploads.lifecycle import Progressed, Stage
from roomcast.uploads.model import Change, TusState, Upload, source_key
from roomcast.uploads.sniff import SNIFF_BYTES
from roomcast.uploads.templates import Templates
from roomcast.uploads.transitions import concatenated

_YIELD_SECONDS = 10.0
_RECEIVING = "Receiving the file"


class OtherOffset(WrongState):
    """The piece does not begin where the upload stands."""


class Busy(WrongState):
    """All bytes are here, and another request is making a whole of them; ask again in a moment."""


@dataclass(frozen=True)
class Chunk:
    """Bytes of a file from `offset` on. `length` is the whole file's, when only now it is told. `checked` gives the
    chunks once they are known to be right."""

    offset: int
    length: int | None
    chunks: Timed
    checked: Callable[[Chunks], AbstractAsyncContextManager[Chunks]]


@dataclass
class _Sender:
    """A request of this process that is adding to an upload."""

    stop: Callable[[RoomcastError], None]
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Resuming:
    """Takes in pieces for one web process."""

    def __init__(
        self, ledger: Ledger, media: MediaStore, sources: ResumableSources, templates: Templates, receiver: Receiver
    ) -> None:
        self._ledger = ledger
        self._media = media
        self._sources = sources
        self._templates = templates
        self._receiver = receiver
        self._senders: dict[str, _Sender] = {}

    async def where(self, upload: Upload) -> tuple[Upload, int]:
        """The upload, and how many of its bytes are here. Nobody of this process adds to them any more.

        An upload that has all its bytes, but whose last request died before it was queued, is queued first; `Busy`
        when that is being done elsewhere.
        """
        await self._stop_sender(upload.id)
        upload = await self._ledger.get(upload.id)
        if upload.stage is not Stage.RECEIVING:
            return upload, upload.bytes_received
        received = await self._sources.received_bytes(source_key(upload))
        if received and received == upload.bytes_expected and _is_a_file(upload):
            async with self._alone(upload.id, lambda _: None):
                upload = await self._finish(upload)
        return upload, received

    async def take(self, upload: Upload, piece: Chunk) -> Upload:
        """Add a piece: the upload waits for more, or is queued when that was all. `OtherOffset` when the piece does not
        fit; what breaks off is kept as far as it came."""
        if upload.id in self._senders:
            await self._check_offset(upload, piece)  # or a misguided request would stop a good one
        async with self._alone(upload.id, piece.chunks.stop):
            await self._check_offset(upload, piece)
            upload = await self._begun(upload, piece)
            if piece.offset == upload.bytes_expected and _is_a_file(upload):
                return await self._finish(upload)
            return await self._receiver.settle(upload, lambda claim: self._add(claim, piece), over=True)

    async def joined_size(self, parts: Sequence[Upload]) -> int:
        """How large the file is that these parts make up; `WrongState` when they are no parts or not all here."""
        size = 0
        for part in parts:
            if not part.is_partial or part.stage is not Stage.RECEIVING:
                raise WrongState("Only partial uploads can be joined.")
            received = await self._sources.received_bytes(source_key(part))
            if received != part.bytes_expected:
                raise WrongState("A part has not arrived yet.")
            size += received
        return size

    async def join(self, upload: Upload, parts: Sequence[Upload]) -> Upload:
        """Make one file of parts that are all here, and queue it; the parts are no more then."""
        of = [source_key(part) for part in parts]
        queued = await self._receiver.settle(upload, lambda claim: self._complete(claim, of=of))
        for part in parts:
            with suppress(RoomcastError):  # it lapses later then
                await self._ledger.request_cancel(part.id, concatenated())
                await self._media.discard_source(source_key(part))
        return queued

    async def _begun(self, upload: Upload, piece: Chunk) -> Upload:
        """The upload as it is now, with what the piece lets us know of it; an event, if there is any."""
        upload = await self._ledger.get(upload.id)
        if upload.stage is not Stage.RECEIVING:
            raise WrongState(f"The upload is {upload.stage}; it takes no more bytes.")
        length = piece.length if upload.bytes_expected is None else None
        if upload.resumable and length is None:
            return upload
        change = Change(Progressed(0.0), _RECEIVING, bytes_expected=length, resumable=upload.resumable or TusState())
        return await self._ledger.append(upload.id, change)

    async def _check_offset(self, upload: Upload, piece: Chunk) -> None:
        received = await self._sources.received_bytes(source_key(upload))
        if piece.offset != received:
            raise OtherOffset(f"The upload has {received} bytes.", details={"offset": received})

    async def _add(self, claim: Claim, piece: Chunk) -> Upload:
        """Under the lease: the piece's bytes, as far as they come."""
        upload, name = claim.upload, source_key(claim.upload)
        sniffing = _is_a_file(upload) and piece.offset < SNIFF_BYTES
        head = await self._sources.read_head(name, SNIFF_BYTES) if sniffing else b""
        digests = self._receiver.digests(upload) if _is_a_file(upload) and piece.offset == 0 else Digests(())
        chunks = self._receiver.paced(upload, piece.chunks)
        async with piece.checked(chunks) as checked, self._sources.append(name, piece.offset) as write:
            template = self._templates.get(upload.template)
            arrival = BodyPipeline(
                digests.beside(write),
                self._receiver.tell(claim, upload.bytes_expected),
                most=self._receiver.largest(template),
                declared=upload.bytes_expected,
                at=piece.offset,
                head=head,
                sniffing=sniffing,
                early=early(template),
            )
            coming = Unbroken(checked)
            await arrival.take(coming)
        if coming.broken:
            raise coming.broken
        if arrival.size != upload.bytes_expected or not _is_a_file(upload):
            return await self._receiver.pause(claim)
        if piece.offset:
            return await self._complete(claim)
        key = await self._sources.complete(name)  # all of it was seen as it came
        return await self._queue(claim, key, arrival.size, arrival.head, digests)

    async def _finish(self, upload: Upload) -> Upload:
        """Queue an upload whose bytes are all here."""
        try:
            return await self._receiver.settle(upload, self._complete)
        except WrongState as error:
            upload = await self._ledger.get(upload.id)
            if upload.stage is Stage.RECEIVING:
                raise Busy("The file is being put together.") from error
            return upload

    async def _complete(self, claim: Claim, *, of: Sequence[str] = ()) -> Upload:
        """Under the lease: make the source whole, look at all of it, and queue the upload."""
        digests, head, size = self._receiver.digests(claim.upload), bytearray(), 0

        async def see(data: bytes) -> None:
            nonlocal size
            size += len(data)
            head.extend(data[: SNIFF_BYTES - len(head)])
            await digests.update(data)

        key = await self._sources.complete(source_key(claim.upload), see, concat=of)
        return await self._queue(claim, key, size, head, digests)

    async def _queue(self, claim: Claim, key: str, size: int, head: bytes | bytearray, digests: Digests) -> Upload:
        """Under the lease: the source is whole, and queued if it is what it should be."""
        template = self._templates.get(claim.upload.template)
        self._receiver.check_length(size, template)
        sniffed = judge(head, template)
        digests.check(claim.upload)
        return await self._receiver.accept(claim, template, key, size, sniffed, digests)

    @asynccontextmanager
    async def _alone(self, upload_id: str, stop: Callable[[RoomcastError], None]) -> AsyncIterator[None]:
        """Be the one request of this process that adds to the upload, until the next one comes."""
        await self._stop_sender(upload_id)
        mine = self._senders[upload_id] = _Sender(stop)
        try:
            yield
        finally:
            mine.ended.set()
            if self._senders.get(upload_id) is mine:
                del self._senders[upload_id]

    async def _stop_sender(self, upload_id: str) -> None:
        """Whoever adds to the upload in this process puts away what has come, and ends. If that takes too long, it
        loses its lease instead."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_YIELD_SECONDS):
                while sender := self._senders.get(upload_id):
                    sender.stop(Superseded("Another request goes on with this upload."))
                    await sender.ended.wait()


def _is_a_file(upload: Upload) -> bool:
    """And neither a part of one nor joined of parts."""
    return not upload.is_partial and not (upload.resumable and upload.resumable.concat)
