"""Taking in one file: from the socket to the media store, hashed, sniffed, bounded, and told of as it comes.

Memory is flat whatever the size: one batch is being written and hashed in threads while the next one gathers, and the
socket is not read further than that.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog
from aiohttp import ClientPayloadError

from server.upload.dispatch import Dispatch
from server.upload.errors import (
    CancelledByOwner,
    DiskFull,
    Interrupted,
    LeaseLost,
    Malformed,
    RoomcastError,
    Stalled,
    StorageError,
    TooLarge,
    UnreadableMedia,
)
from server.upload.events import Change, Source, Tick, Upload, error_body, source_name
from server.upload.holding import Stop, under_lease
from server.upload.lapse import cancelled
from server.upload.ledger import Claim, Ledger
from server.upload.lifecycle import Entered, Failed, Stage
from server.upload.media import Incoming, MediaStore
from server.upload.sniff import SNIFF_BYTES, Sniffed, sniff
from server.upload.templates import Template, check_kind

log = structlog.get_logger(__name__)

BATCH_BYTES = 1 << 20
_TICK_SECONDS = 0.25

_ANY = Template(name="any", kind="auto")

Chunks = AsyncIterator[bytes]


@dataclass(frozen=True)
class Bounds:
    """What is taken in. Sizes in bytes, times in seconds."""

    max_upload_bytes: int
    disk_reserve_bytes: int
    body_stall_seconds: float
    lease_seconds: float


class Receiver:
    """Takes in files for one web process."""

    def __init__(self, ledger: Ledger, media: MediaStore, dispatch: Dispatch, bounds: Bounds) -> None:
        self._ledger = ledger
        self._media = media
        self._dispatch = dispatch
        self._bounds = bounds
        self._holder = f"web.{socket.gethostname()}"
        self._arriving = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def largest(self, template: Template) -> int:
        """The largest file under a template."""
        return min(template.max_bytes or self._bounds.max_upload_bytes, self._bounds.max_upload_bytes)

    async def check_room(self, size: int) -> None:
        """`DiskFull` unless `size` more bytes fit and the reserve stays free."""
        free = await self._media.free_bytes()
        if free is not None and free - self._bounds.disk_reserve_bytes < size:
            raise DiskFull("There is no room for this file at the moment.")

    async def receive(
        self, upload: Upload, chunks: Chunks, template: Awaitable[Template], *, total: int | None = None
    ) -> Upload:
        """Take in the upload's bytes and queue it; the queued upload.

        `template` may become known only after the last byte. `total` is how many bytes are expected, as far as is
        known, for the progress bar alone. However it ends, the room is told and nothing partial remains; a failure
        is raised when that is done.
        """
        return await self.settle(upload, lambda claim: self._take_in(claim, chunks, template, total))

    async def drain(self, seconds: float) -> None:
        """Wait, for so long at most, until no file is arriving."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._quiet.wait()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._arriving += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._arriving -= 1
            if not self._arriving:
                self._quiet.set()

    async def settle(self, upload: Upload, take_in: Callable[[Claim], Awaitable[Upload]]) -> Upload:
        """Do `take_in` under a lease on the receiving upload; what it returns. Its failures end the upload."""
        with self._counted():
            return await self._settle(upload, take_in)

    async def _settle(self, upload: Upload, take_in: Callable[[Claim], Awaitable[Upload]]) -> Upload:
        seconds = self._bounds.lease_seconds
        claim = await self._ledger.claim(upload.id, holder=self._holder, seconds=seconds)
        try:
            outcome = await under_lease(self._ledger, claim.lease, take_in(claim), seconds=seconds)
        except RoomcastError as error:
            await self._fail(claim, error)
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._fail(claim, Interrupted("The server stopped while the file was arriving.")))
            raise
        except Exception as error:
            failure = _from_connection(error)
            await self._fail(claim, failure)
            raise failure from error
        if outcome is Stop.CANCEL_REQUESTED:
            await self._media.discard_source(source_name(upload))
            with suppress(LeaseLost):
                await self._ledger.append(upload.id, cancelled(Stage.RECEIVING), token=claim.lease.token)
            raise CancelledByOwner("The upload was cancelled.")
        if isinstance(outcome, Stop):
            raise StorageError("The upload was given up while its bytes arrived; send it again.")
        return outcome

    async def _take_in(self, claim: Claim, chunks: Chunks, template: Awaitable[Template], total: int | None) -> Upload:
        """Under the lease: bytes, then the source, then the queue."""
        upload = claim.upload
        async with self._media.receive(source_name(upload)) as incoming:
            arrival = _Arrival(incoming, self._tell(claim, total), self._bounds)
            await arrival.take(chunks, declared=upload.bytes_expected)
            chosen = await template
            if arrival.size > self.largest(chosen):
                raise _too_large(self.largest(chosen))
            sniffed = check_kind(chosen, arrival.sniffed)
            arrival.digests.check(upload)
            key = await incoming.commit()
        return await self.accept(claim, chosen, key, arrival.size, sniffed, arrival.digests)

    async def accept(
        self, claim: Claim, template: Template, key: str, size: int, sniffed: Sniffed, digests: Digests
    ) -> Upload:
        """The source is whole and safe: queue the upload."""
        upload = claim.upload
        source = Source(key, size, sniffed.kind, sniffed.format, sniffed.mime, digests.md5, digests.sha256)
        change = Change(
            Entered(Stage.QUEUED),
            "Waiting for a worker",
            bytes_received=size,
            source=source,
            template=template.name,
            priority=template.priority,
        )
        queued = await self._ledger.append(upload.id, change, token=claim.lease.token)
        if queued.stage is not Stage.QUEUED:
            await self._media.discard_source(source_name(upload))
            raise CancelledByOwner("The upload was cancelled.")
        await self._dispatch.announce(queued.id, queued.seq)
        return queued

    def _tell(self, claim: Claim, total: int | None) -> Callable[[int], Awaitable[None]]:
        """Ticks of the bytes so far, at most four a second."""
        told = 0.0

        async def tell(size: int) -> None:
            nonlocal told
            if time.monotonic() - told >= _TICK_SECONDS:
                told = time.monotonic()
                tick = Tick(min(1.0, size / total) if total else 0.0, bytes_received=size)
                await self._ledger.tick(claim.upload.id, tick, token=claim.lease.token)

        return tell

    async def _fail(self, claim: Claim, error: RoomcastError) -> None:
        change = Change(Failed(), error.message, error=error_body(error, Stage.RECEIVING))
        try:
            # Only who still holds the upload may delete its bytes: it may have been queued when all seemed to fail.
            await self._ledger.renew(claim.lease, seconds=self._bounds.lease_seconds)
            await self._media.discard_source(source_name(claim.upload))
            await self._ledger.append(claim.upload.id, change, token=claim.lease.token)
        except RoomcastError:
            # Cancelled or lapsed meanwhile, or the ledger's own disk is full: then the lapse of the lease tells.
            log.warning("failure not recorded", upload=claim.upload.id, code=error.code, exc_info=True)


class Digests:
    """MD5 and SHA-256 of bytes as they come, off the event loop."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    async def update(self, data: bytes | bytearray) -> None:
        await asyncio.to_thread(self._update, data)

    def _update(self, data: bytes | bytearray) -> None:
        self._md5.update(data)
        self._sha256.update(data)

    @property
    def md5(self) -> str:
        return self._md5.hexdigest()

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def check(self, upload: Upload) -> None:
        """`Malformed` when another MD5 was declared."""
        if upload.declared_md5 not in (None, self.md5):
            raise Malformed("The file's MD5 is not the one that was declared.")


class _Arrival:
    """The bytes of one file as they come."""

    def __init__(self, incoming: Incoming, tell: Callable[[int], Awaitable[None]], bounds: Bounds) -> None:
        self._incoming = incoming
        self._tell = tell
        self._bounds = bounds
        self.size = 0
        self.sniffed: Sniffed | None = None
        self.digests = Digests()
        self._known = False

    async def take(self, chunks: Chunks, *, declared: int | None) -> None:
        """All of it, or the reason why not."""
        writing: asyncio.Future[None] | None = None
        batch = bytearray()
        try:
            async for chunk in self._timed(chunks):
                batch += chunk
                self.size += len(chunk)
                self._check_size(declared)
                if len(batch) >= BATCH_BYTES or (not self._known and len(batch) >= SNIFF_BYTES):
                    self._look(batch)
                    if writing:
                        await writing
                    writing = asyncio.ensure_future(self._put(batch))
                    batch = bytearray()
                await self._tell(self.size)
            self._look(batch)
            if writing:
                await writing
            await self._put(batch)
        finally:
            if writing and not writing.done():
                await asyncio.wait({writing})
        if declared is not None and self.size < declared:
            raise Malformed(f"The file was declared to have {declared} bytes, but {self.size} came.")

    async def _timed(self, chunks: Chunks) -> Chunks:
        iterator = aiter(chunks)
        while True:
            try:
                async with asyncio.timeout(self._bounds.body_stall_seconds):
                    chunk = await anext(iterator)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise Stalled("No more bytes came.") from None
            yield chunk

    def _check_size(self, declared: int | None) -> None:
        if self.size > self._bounds.max_upload_bytes:
            raise _too_large(self._bounds.max_upload_bytes)
        if declared is not None and self.size > declared:
            raise TooLarge(f"More bytes came than the {declared} that were declared.")

    def _look(self, batch: bytearray) -> None:
        """Refuse at the first batch what no worker could open."""
        if self._known:
            return
        self._known = True
        if not batch:
            raise UnreadableMedia("The file is empty.")
        self.sniffed = sniff(bytes(batch[:SNIFF_BYTES]))
        check_kind(_ANY, self.sniffed)

    async def _put(self, batch: bytearray) -> None:
        """Write and hash, side by side, off the event loop."""
        if batch:
            await asyncio.gather(self._incoming.write(batch), self.digests.update(batch))


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The file is larger than {limit} bytes, which is the limit.", details={"maxBytes": limit})


def _from_connection(error: Exception) -> RoomcastError:
    """What reading a body raises when its connection is gone; anything else is ours."""
    if isinstance(error, (ConnectionError, EOFError, ClientPayloadError)):
        return Interrupted("The connection closed before the whole file had arrived.")
    log.error("receiving failed", exc_info=error)
    return RoomcastError("Something went wrong on the server.")
